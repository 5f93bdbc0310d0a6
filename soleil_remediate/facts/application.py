"""What a Laravel application says of itself: what it uses, where that is, and whether it gets there.

Its own code answers, as its own user and with its own credentials, so that neither has to be known here. Nothing of it
is a secret: passwords stay in the PHP process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import TIMED_OUT, Command, Output, Query
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

_DESCRIBE = (
    START
    + r"""
function any($value) { return $value === null || is_scalar($value) ? $value : null; }
$name = $config["database.default"];
$found = settings($config["database.connections.$name"]);
$found = array_merge($found, isset($found["write"]) ? (array) $found["write"] : []);
$database = ["connection" => $name, "driver" => any($found["driver"] ?? null),
    "host" => any(first($found["host"] ?? null)), "port" => any(first($found["port"] ?? null)),
    "name" => any($found["database"] ?? null), "user" => any($found["username"] ?? null)];
$redis = [];
$prefix = $config["database.redis.options.prefix"];
foreach ((array) $config["database.redis"] as $name => $found) {
    if (! is_array($found) || in_array($name, ["options", "clusters"], true)) continue;
    $found = settings($found);
    $redis[$name] = ["host" => any($found["path"] ?? first($found["host"] ?? null)),
        "port" => any($found["port"] ?? null), "database" => any($found["database"] ?? 0),
        "has_password" => ($found["password"] ?? "") != "",
        "prefix" => any($found["prefix"] ?? $found["options"]["prefix"] ?? $prefix)];
}
$name = $config["cache.default"];
$found = (array) $config["cache.stores.$name"];
$cache = ["store" => $name, "driver" => any($found["driver"] ?? null),
    "connection" => any($found["connection"] ?? null), "prefix" => any($found["prefix"] ?? $config["cache.prefix"])];
$session = ["driver" => any($config["session.driver"]), "connection" => any($config["session.connection"]),
    "store" => any($config["session.store"])];
$name = $config["queue.default"];
$found = (array) $config["queue.connections.$name"];
$queue = ["name" => $name, "driver" => any($found["driver"] ?? null),
    "connection" => any($found["connection"] ?? null), "queue" => any($found["queue"] ?? null),
    "table" => any($found["table"] ?? null),
    "retry_after" => any($found["retry_after"] ?? null)];
$found = (array) $config["queue.failed"];
$failed = ["driver" => any($found["driver"] ?? null), "connection" => any($found["database"] ?? null),
    "table" => any($found["table"] ?? null)];
$name = $config["mail.default"];
$found = settings($name === null ? $config["mail"] : $config["mail.mailers.$name"]); // without mailers before Laravel 7
$mail = ["mailer" => any($name ?? $found["driver"] ?? null),
    "transport" => any($found["transport"] ?? $found["driver"] ?? null), "host" => any($found["host"] ?? null),
    "port" => any($found["port"] ?? null),
    "encryption" => any($found["encryption"] ?? $found["scheme"] ?? null),
    "has_password" => ($found["password"] ?? "") != ""];
tell(["environment" => any($config["app.env"]), "debug" => (bool) $config["app.debug"], "version" => $app->version(),
    "is_cached" => $app->configurationIsCached(), "database" => $database, "redis" => $redis, "cache" => $cache,
    "session" => $session, "queue" => $queue, "failed" => $failed, "mail" => $mail]);
"""
)

#: Connect to the database $argv[3] (empty: the default one) and let it answer. Nothing is set for longer than the
#: transaction: with a pooler between, others get the same connection.
_ASK_DATABASE = (
    START
    + r"""
$name = $argv[3] !== "" ? $argv[3] : $config["database.default"];
$options = (array) $config["database.connections.$name.options"];
$given = (int) ($options[PDO::ATTR_TIMEOUT] ?? 0);
$options[PDO::ATTR_TIMEOUT] = $given > 0 ? min($given, (int) $argv[4]) : (int) $argv[4];
$config->set("database.connections.$name.options", $options);
putenv("PGAPPNAME=soleil-remediate");
$begin = microtime(true);
try {
    $pdo = $app["db"]->connection($name)->getPdo();
    $is_postgresql = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME) === "pgsql";
    if ($is_postgresql) $pdo->exec("begin; set local statement_timeout = '" . (int) $argv[4] . "s'");
    $said = (string) $pdo->query("select 1")->fetchColumn();
    if ($is_postgresql) $pdo->exec("rollback");
    tell(["answered" => $said === "1", "class" => "", "why" => $said === "1" ? "" : "it answered select 1 with $said"]
        + ["milliseconds" => 1000 * (microtime(true) - $begin)]);
} catch (Throwable $error) {
    tell(["answered" => false, "milliseconds" => 1000 * (microtime(true) - $begin)] + why($error));
}
"""
)

#: What a Redis says of itself that tells whether it takes writes, and what it would keep; by INFO's own names.
REDIS_SAYS = (
    "redis_version", "redis_mode", "config_file", "uptime_in_seconds", "loading", "role", "master_host",
    "slave_read_only", "used_memory", "used_memory_peak", "used_memory_rss", "total_system_memory", "maxmemory",
    "maxmemory_policy", "mem_not_counted_for_evict", "rdb_last_bgsave_status", "rdb_last_save_time",
    "rdb_changes_since_last_save", "aof_enabled", "aof_last_write_status", "connected_clients", "maxclients",
    "evicted_keys", "errorstat_OOM", "errorstat_MISCONF",
)  # fmt: skip

#: Connect to Redis by the application's connection $argv[3], and send PING; then INFO, which some may not ask for. Of
#: what that says, what $argv[5] names is told, and how many keys each database holds.
_ASK_REDIS = (
    START
    + r"""
$name = "database.redis." . $argv[3];
if (! is_array($config[$name])) {
    $why = "the application knows no such connection";
    tell(["answered" => false, "milliseconds" => 0, "class" => "", "why" => $why]);
    exit(0);
}
foreach (["timeout", "read_timeout", "read_write_timeout"] as $setting) {
    $given = (float) $config["$name.$setting"];
    $config->set("$name.$setting", $given > 0 ? min($given, (float) $argv[4]) : (float) $argv[4]);
}
function says($client, $wanted) {
    try {
        $raw = method_exists($client, "rawCommand") ? $client->rawCommand("INFO") : $client->executeRaw(["INFO"]);
    } catch (Throwable $error) {
        return (object) [];
    }
    preg_match_all("/^(" . strtr($wanted, ",", "|") . "|db\\d+):(.*?)\\r?$/m", (string) $raw, $found);
    return (object) array_combine($found[1], $found[2]);
}
$begin = microtime(true);
try {
    $connection = $app["redis"]->connection($argv[3]);
    $said = $connection->ping();
    $took = 1000 * (microtime(true) - $begin);
    $said = $said === true ? "PONG" : ltrim((string) $said, "+");
    tell(["answered" => $said === "PONG", "class" => "", "why" => $said === "PONG" ? "" : "it answered PING with $said"]
        + ["milliseconds" => $took, "says" => says($connection->client(), $argv[5])]);
} catch (Throwable $error) {
    tell(["answered" => false, "milliseconds" => 1000 * (microtime(true) - $begin)] + why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUsed:
    """The database that an application connects to, where nothing else is said.

    Args:
        connection: What the application calls it.
        driver: ``pgsql``, ``mysql``, ``mariadb``, ``sqlite``, ``sqlsrv``.
        host: A name, an address, or the folder of a socket; of several the first, of those that are written to. Empty
            where none is named.
        port: ``None`` where none is named.
        name: Of the database itself.
        user: As whom.
    """

    connection: str
    driver: str
    host: str
    port: int | None
    name: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUsed:
    """One of an application's connections to Redis.

    Args:
        host: A name, an address, or the path of a socket.
        port: ``None`` for a socket, or where none is named.
        database: Its number.
        prefix: What the application puts before every key.
        has_password: It sends one.
    """

    host: str
    port: int | None
    database: int
    prefix: str
    has_password: bool

    @property
    def is_local(self) -> bool:
        """Whether it is on the application's own host, by its address."""
        return is_local(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUsed:
    """Where an application keeps its cache: a *store* with a *driver*, and for Redis or a database its *connection*."""

    store: str
    driver: str
    connection: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsUsed:
    """Where an application keeps its sessions; *connection* and *store* are empty where the driver's own are used."""

    driver: str
    connection: str
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUsed:
    """The queue connection that an application uses where nothing else is said.

    Args:
        name: What the application calls it.
        driver: ``redis``, ``database``, ``sync``, ``sqs``, …
        connection: Of Redis or of the database.
        queue: The queue that jobs go to where nothing else is said.
        table: With ``database``: where jobs stand.
        retry_after: A job that was taken so long ago is given to another worker; ``None`` where that is not said.
    """

    name: str
    driver: str
    connection: str
    queue: str
    table: str
    retry_after: Duration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJobsUsed:
    """Where an application keeps jobs that failed: ``database``, ``database-uuids``, ``dynamodb``, ``null``, …"""

    driver: str
    connection: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailUsed:
    """How an application sends mail where nothing else is said."""

    mailer: str
    transport: str
    host: str
    port: int | None
    encryption: str
    has_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What an application uses, by its configuration as it is loaded.

    Args:
        environment: ``production``, ``staging``, …
        is_debugging: Users see what is inside where something fails.
        version: Of the framework.
        is_cached: The configuration is a cached one: what stands in ``.env`` does not count until it is cached anew.
        database: The one that is used where nothing else is said.
        redis: Its connections to Redis by name, whether they are used or not.
        cache: The store that is used where nothing else is said.
        sessions: Where they are kept.
        queue: The connection that is used where nothing else is said.
        failed: Where jobs that failed are kept.
        mail: How mail is sent where nothing else is said.
    """

    environment: str
    is_debugging: bool
    version: str
    is_cached: bool
    database: DatabaseUsed
    redis: Mapping[str, RedisUsed]
    cache: CacheUsed
    sessions: SessionsUsed
    queue: QueueUsed
    failed: FailedJobsUsed
    mail: MailUsed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a server answered an application.

    Args:
        is_answered: It took the connection and answered as it should.
        took: Connecting and answering, in seconds.
        error: The class of what PHP raised instead; empty where it answered, or nothing came in time.
        why: What was said instead, on one line.
        says: What Redis says of itself, by INFO's own names; empty where the application may not ask, or it is none.
    """

    is_answered: bool
    took: Duration
    error: str = ""
    why: str = ""
    says: Mapping[str, str] = field(default_factory=dict)


def is_local(host: str) -> bool:
    """Whether an address means the host itself: a socket, its loopback, or nothing at all, which means either."""
    return host in {"", "localhost", "::1"} or host.startswith(("/", "127."))


@dataclass(frozen=True, slots=True)
class ReadApplication(Query[Application]):
    """What an application uses, by its own configuration; its own code says so, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(PATIENCE + STARTING), _DESCRIBE, "application", self.root)

    def parse(self, output: Output) -> Application:
        (found,) = told(output, 1)
        parts = {name: _object(found[name]) for name in ("database", "cache", "session", "queue", "failed", "mail")}
        database, queue, mail = parts["database"], parts["queue"], parts["mail"]
        after = _number(queue["retry_after"])
        connections = {} if found["redis"] == [] else _object(found["redis"])  # for PHP, none has no names
        return Application(
            environment=_text(found["environment"]),
            is_debugging=_flag(found["debug"]),
            version=_text(found["version"]),
            is_cached=_flag(found["is_cached"]),
            database=DatabaseUsed(
                connection=_text(database["connection"]),
                driver=_text(database["driver"]),
                host=_text(database["host"]),
                port=_number(database["port"]),
                name=_text(database["name"]),
                user=_text(database["user"]),
            ),
            redis={
                _text(name): RedisUsed(
                    host=_text(one["host"]),
                    port=_number(one["port"]),
                    database=_number(one["database"]) or 0,
                    prefix=_text(one["prefix"]),
                    has_password=_flag(one["has_password"]),
                )
                for name, one in ((name, _object(one)) for name, one in connections.items())
            },
            cache=CacheUsed(**{name: _text(parts["cache"][name]) for name in CacheUsed.__slots__}),
            sessions=SessionsUsed(**{name: _text(parts["session"][name]) for name in SessionsUsed.__slots__}),
            queue=QueueUsed(
                name=_text(queue["name"]),
                driver=_text(queue["driver"]),
                connection=_text(queue["connection"]),
                queue=_text(queue["queue"]),
                table=_text(queue["table"]),
                retry_after=None if after is None else Duration(after),
            ),
            failed=FailedJobsUsed(**{name: _text(parts["failed"][name]) for name in FailedJobsUsed.__slots__}),
            mail=MailUsed(
                mailer=_text(mail["mailer"]),
                transport=_text(mail["transport"]),
                host=_text(mail["host"]),
                port=_number(mail["port"]),
                encryption=_text(mail["encryption"]),
                has_password=_flag(mail["has_password"]),
            ),
        )


@dataclass(frozen=True, slots=True)
class AskDatabase(Query[Reply]):
    """Whether an application gets an answer from its database: it connects with its own credentials, and selects 1.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        connection: What the application calls it; empty for the one that is used where nothing else is said.
    """

    root: PurePosixPath
    user: str
    connection: str = ""
    expects = frozenset({0, TIMED_OUT})

    @property
    def command(self) -> Command:
        deadline = Duration(2 * PATIENCE + STARTING)
        return ask_php(self.user, deadline, _ASK_DATABASE, "database", self.root, self.connection, str(int(PATIENCE)))

    def parse(self, output: Output) -> Reply:
        return _reply(output, self.command.deadline)


@dataclass(frozen=True, slots=True)
class AskRedis(Query[Reply]):
    """Whether an application gets an answer from Redis: it connects with its own credentials, and sends PING.

    Where it answers, what Redis says of itself is told as well.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        connection: What the application calls it.
    """

    root: PurePosixPath
    user: str
    connection: str = "default"
    expects = frozenset({0, TIMED_OUT})

    @property
    def command(self) -> Command:
        deadline = Duration(2 * PATIENCE + STARTING)
        arguments = (self.connection, str(int(PATIENCE)), ",".join(REDIS_SAYS))
        return ask_php(self.user, deadline, _ASK_REDIS, "redis", self.root, *arguments)

    def parse(self, output: Output) -> Reply:
        return _reply(output, self.command.deadline)


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
    first, *others = [_object(json.loads(line)) for line in output.stdout.splitlines()]
    if first["started"] is not True:
        raise ValueError(f"the application cannot be started: {first['class']}: {_one_line(first['why'])}")
    if len(others) != wanted:
        raise ValueError(f"{len(others)} answers, not {wanted}")
    return others


def _reply(output: Output, deadline: Duration) -> Reply:
    if output.exit_status == TIMED_OUT:
        told(output, 0)  # or the application itself was not started in time
        return Reply(is_answered=False, took=deadline, why="no answer in time")
    (found,) = told(output, 1)
    return Reply(
        is_answered=_flag(found["answered"]),
        took=Duration(float(found["milliseconds"]) / 1000),
        error=_text(found["class"]),
        why=_one_line(_text(found["why"])),
        says={name: _one_line(_text(value)) for name, value in _object(found.get("says", {})).items()},
    )


def _one_line(text: str) -> str:
    return readable(" ".join(text.split()).encode())[0]


def _object(value: object) -> dict[str, Any]:
    match value:
        case dict():
            return value
        case _:
            raise ValueError("no object")


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str() | int() if not isinstance(value, bool):
            return str(value)
        case _:
            raise ValueError("no text")


def _number(value: object) -> int | None:
    """Return a number, which environments hold as a text; ``None`` for none."""
    return int(text) if (text := _text(value)) else None


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("neither yes nor no")
