"""Let an application's own code say something, as its own user and with its own credentials.

Nothing that is told is a secret: passwords stay in the PHP process.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output
from soleil_remediate.facts.files import readable
from soleil_remediate.units import Duration

#: So long a server may take to take a connection, and to answer in it.
PATIENCE = Duration(3)
#: So long PHP may take besides, to start the application.
STARTING = Duration(7)

#: Start the application in folder $argv[2] without answering a request, and print lines of JSON; the first says whether
#: it could be started. What Laravel would write to its log goes nowhere: it is told in the answer.
START = r"""<?php
ini_set("display_errors", "stderr");
$answer = fopen("php://stdout", "w"); // read from standard input, PHP has no STDOUT
function tell($line) { fwrite($GLOBALS["answer"], json_encode($line, JSON_INVALID_UTF8_SUBSTITUTE) . "\n"); }
function why($error) { return ["class" => get_class($error), "why" => mb_strcut($error->getMessage(), 0, 600)]; }
ob_start(fn () => ""); // what the application says meanwhile is no answer
try {
    chdir($argv[2]);
    require "vendor/autoload.php";
    $app = require "bootstrap/app.php";
    $app->make("Illuminate\Contracts\Console\Kernel")->bootstrap();
    $config = $app["config"];
} catch (Throwable $error) {
    tell(["started" => false] + why($error));
    exit(0);
}
tell(["started" => true]);
function settings($found) { // an address may stand in a URL: then that is what counts
    $found = is_array($found) ? $found : [];
    return empty($found["url"]) ? $found : (new Illuminate\Support\ConfigurationUrlParser)->parseConfiguration($found);
}
function first($value) { return is_array($value) ? reset($value) : $value; }
"""

#: Keep a database from keeping us waiting, and others because of us. Called before the application connects, the first
#: gives every connection that it makes from then on so many seconds, or fewer where the application itself does, and a
#: name by which it is known there; an application that has given its own keeps that. What is asked within the last can
#: change nothing and is bounded as well, by PostgreSQL itself: in a transaction, since a pooler between gives others
#: the same session afterwards. Another database only has the command's deadline.
DATABASES = r"""
function connect_within($seconds) {
    global $config;
    putenv("PGAPPNAME=soleil-remediate");
    foreach (class_exists("PDO") ? (array) $config["database.connections"] : [] as $name => $one) {
        if (! is_array($one) || ($one["driver"] ?? "") === "sqlsrv") continue; // it takes no such option
        $options = (array) ($one["options"] ?? []);
        $given = (int) ($options[PDO::ATTR_TIMEOUT] ?? 0);
        $options[PDO::ATTR_TIMEOUT] = $given > 0 ? min($given, $seconds) : $seconds;
        $config->set("database.connections.$name.options", $options);
    }
}
function time_limits($statement, $lock = 1) { // of a transaction of PostgreSQL's, in seconds
    return "set local statement_timeout = '" . (int) $statement . "s'; set local lock_timeout = '" . (int) $lock . "s'";
}
function within_limits($of, $seconds, $asked) {
    if ($of->getDriverName() !== "pgsql") return $asked();
    $of->beginTransaction();
    try {
        $of->unprepared("set transaction read only; " . time_limits($seconds));
        return $asked();
    } finally {
        try { $of->rollBack(); } catch (Throwable $error) {} // its session is over, and all that was begun in it
    }
}
"""


def ask_php(user: str, deadline: Duration, text: str, about: str, root: PurePosixPath, *arguments: str) -> Command:
    """Return the command that runs a PHP *text*, which begins with :data:`START`, as the application's user.

    Args:
        user: Whom PHP runs as.
        deadline: For everything, starting the application included: see :data:`STARTING`.
        text: A constant; PHP reads it from standard input.
        about: A word for people who see it among the processes.
        root: The folder that holds artisan, or the link to it.
        arguments: What the text finds in ``$argv``, from 3 on.
    """
    words = ("php", "--", about, str(root), *arguments)
    return Command(words, user=user, stdin=text, deadline=deadline, is_slow=True)


def told(output: Output, wanted: int) -> list[dict[str, Any]]:
    """Return what a text that began with :data:`START` told after the application was started.

    Raises:
        ValueError: It could not be started, or other things were told.
    """
    first, *others = [an_object(json.loads(line)) for line in output.stdout.splitlines()]
    if first["started"] is not True:
        raise ValueError(f"the application cannot be started: {first['class']}: {one_line(first['why'])}")
    if len(others) != wanted:
        raise ValueError(f"{len(others)} answers, not {wanted}")
    return others


def one_line(text: str) -> str:
    """Return a text without its ends of lines, and with nothing that a terminal would obey."""
    return readable(" ".join(text.split()).encode())[0]


def an_object(value: object) -> dict[str, Any]:
    """Return what is told as an object.

    Raises:
        ValueError: It is none.
    """
    match value:
        case dict():
            return value
        case _:
            raise ValueError("no object")


def a_text(value: object) -> str:
    """Return what is told as a text, or as a whole number; nothing is an empty one.

    Raises:
        ValueError: It is neither.
    """
    match value:
        case None:
            return ""
        case str() | int() if not isinstance(value, bool):
            return str(value)
        case _:
            raise ValueError("no text")


def a_number(value: object) -> int | None:
    """Return a number, which environments hold as a text; ``None`` for none.

    Raises:
        ValueError: It is something else.
    """
    return int(text) if (text := a_text(value)) else None


def a_flag(value: object) -> bool:
    """Return what is told as yes or no.

    Raises:
        ValueError: It is neither.
    """
    if value is True or value is False:
        return value
    raise ValueError("neither yes nor no")
