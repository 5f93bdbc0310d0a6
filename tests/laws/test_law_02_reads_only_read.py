"""Law 2: a preview sends queries only, and every query is a program that only reads."""

from __future__ import annotations

import importlib
import pkgutil
import re
import shlex
from typing import Any

import pytest

import soleil_remediate.facts
from soleil_remediate.command import Command, Query
from soleil_remediate.facts.lines import WRITTEN_NOW
from soleil_remediate.facts.redis import ASK_SERVER
from soleil_remediate.facts.services import ALONE, WITHOUT_A_TRACE
from soleil_remediate.facts.sites import LOOK_BESIDE
from soleil_remediate.plan import Script
from soleil_remediate.rights import NO_SETTING
from soleil_remediate.task import Reading
from tests.laws.samples import KINDS, RARE, changes_of, commands_of, sample

#: Every program a query may start, and which of its arguments would do more than read.
READERS: dict[str, re.Pattern[str]] = {
    "ask-from-here": re.compile(r"(?!)"),  # one GET and nothing else; tests/contract/test_from_here.py sees to it
    "curl": re.compile(
        r"-(?!-(disable|silent|show-error|globoff|head|insecure|noproxy|max-time|connect-to|fail-early|write-out|http1\.1|header"
        r"|url)$).*"
        r"|@.*|.*%output.*"
    ),
    "php": re.compile(
        r"(?!(/.*/artisan|list|horizon:status|--raw|--no-interaction|--no-ansi|migrate:status|migrate:rollback|--pretend|--force"
        r"|--step=\d+|--path=/.*|--realpath)$).*"
    ),
    # It reads its configuration and stops at a setting that it cannot know.
    "redis-server": re.compile(rf"(?!/.*|--{NO_SETTING}$).*"),
    "journalctl": re.compile(
        r"(?!(--(no-pager|output=\w+|output-fields=[\w,]+|unit=.*|lines=\d+|since=-\d+s|grep=.*)|\+|[A-Z_]+=\w+)$).*"
    ),
    "nginx": re.compile(r"(?!-[tcp]$|/).*"),
    "php-fpm": re.compile(r"(?!-[ty]$|--fpm-config$|/).*"),
    "systemctl": re.compile(r"(?!(show|list-unit-files|--|--property=.*|--no-legend|--plain|.*\.(service|target))$).*"),
    "tail": re.compile(r"-[fF]|--follow.*|--retry"),
    "cat": re.compile(r"(?!)"),
    "date": re.compile(r"(?!\+).*"),
    "df": re.compile(r"--sync"),
    "du": re.compile(r"(?!)"),
    "filefrag": re.compile(r"-[a-zA-Z]*[sS].*|--sync"),
    "find": re.compile(r"-(delete|exec|execdir|ok|okdir|fls|fprint|fprint0|fprintf)"),
    "git": re.compile(
        r"(?!(--no-optional-locks|-C|log|-g|-n|200|--format=.*|--date=unix|HEAD|--|for-each-ref|refs/.*|status"
        r"|--porcelain=v1|-z|--no-renames|--untracked-files=no|ls-files|diff|--name-status|--no-ext-diff"
        r"|[0-9a-f]{40}|/.*|vendor/.*|public/.*)$).*"
    ),
    "grep": re.compile(r"(?!)"),
    "getent": re.compile(r"(?!(ahosts|passwd|\d+|--|[A-Za-z0-9][A-Za-z0-9._-]*)$).*"),
    "nft": re.compile(r"(?!(--stateless|-j|list|ruleset|table|inet|soleil_remediate)$).*"),
    "printenv": re.compile(r"(?!SSH_CONNECTION$).*"),
    "/usr/bin/pg_lsclusters": re.compile(r"(?!--no-header$).*"),
    "ps": re.compile(r"(?!(-(e|ww|o)|pid=,(rss|ppid)=,args=)$).*"),
    "pg_isready": re.compile(r"(?!--(host|port|timeout)=.*).*"),
    "psql": re.compile(
        r"(?!(--(no-psqlrc|no-password|quiet|no-align|tuples-only|set=ON_ERROR_STOP=1|pset=footer=off"
        r"|field-separator=\t|command=SHOW (DATABASES|POOLS|STATE)|command=(?P<reads>select json_build_object\(.*)"
        # PostgreSQL itself refuses to change anything; pgbouncer's console knows SHOW, which changes nothing
        r"|dbname=host=\S+ port=\d+ dbname=postgres connect_timeout=3 application_name=soleil-remediate"
        r" options='-c statement_timeout=3s -c lock_timeout=1s .*-c default_transaction_read_only=on .*'"
        r"|dbname=host='.*' port=\d+ user=pgbouncer dbname=pgbouncer connect_timeout=3"
        r" application_name=soleil-remediate))$).*",
        re.DOTALL,
    ),
    "realpath": re.compile(r"(?!)"),
    "ss": re.compile(r"(?!-[Hlntxp]$).*"),
    "stat": re.compile(r"(?!)"),
}
#: Programs that start another, and how many words they take for themselves.
WRAPPERS = {"stdbuf": 2}
#: The only words at the beginning of a command in a script that reads.
SCRIPT_WORDS = frozenset(
    {"set", "cut", "grep", "head", "tail", "printf", "sleep", "stat", "sudo", "supervisorctl", "uniq", "wc"}
)
#: Beside them, for the one that asks Redis: what is printed to it, and what may be done to that.
REDIS_WORDS = frozenset({"redis-cli", "sed"})
#: What may be said to Redis, and what an application's own PHP may.
REDIS_READERS = re.compile(r"PING|ECHO soleil:\w+|INFO|CONFIG GET [a-z-]+|SLOWLOG GET \d+|TTL")
#: What PHP would do more than read by.
PHP_WRITES = re.compile(
    r"\b(file_put_contents|unlink|rename|mkdir|rmdir|touch|chmod|copy|exec|system|passthru|popen|proc_open)\(|`|(?<!>)\beval\("
)


def why_not(command: Command) -> str:
    """Return why a command may do more than read; empty where it may not."""
    words = list(command.words)
    if tuple(words[: len(ALONE)]) == ALONE:  # in a namespace of its own; the lab's tests show that nothing is left
        words = words[len(ALONE) :]
        if tuple(words[:4]) != WITHOUT_A_TRACE.bind():
            return "only one script may be alone with this host"
        words = words[4:]
        words[:1] = [re.sub(r"/usr/s?bin/(nginx|php-fpm|redis-server)[0-9.]*", r"\1", word) for word in words[:1]]
    if words[:2] == ["env", "PGAPPNAME=soleil-remediate"]:  # by which the database knows whoever asks
        words = words[2:]
    while words and words[0] in WRAPPERS:
        words = words[WRAPPERS[words[0]] :]
    if words[:2] == ["php", "--"]:  # with a text of ours for PHP to run; the lab's tests show that nothing is left
        return "" if command.stdin in READING_PHP else "an unknown text for PHP"
    if command.stdin is not None:
        return "it reads something"
    if words[:2] == ["sh", "-c"]:
        return "" if words[2] in READING_SCRIPTS else "an unknown script"
    if not words or words[0] not in READERS:
        return f"{words[:1]} is no reader"
    if "--pretend" not in words and {"migrate:rollback", "--force"} & {*words}:
        return "it takes migrations back"
    if words[0] == "redis-server" and words[-1] != f"--{NO_SETTING}":
        return "it is not stopped by its last setting"
    told = [word for word in words[1:] if READERS[words[0]].fullmatch(word)]
    return f"{words[0]} does more than read: {told}" if told else ""


def may_change(text: str) -> str:
    """Return why a script may do more than read, judged by its words; empty where it may not."""
    text = text.removeprefix(WRITTEN_NOW)  # which is judged by itself
    if re.search(r"[><`&;{}]|\$\(", text):
        return "it redirects, substitutes or joins"
    for command in re.split(r"[\n|]", text):
        words = command.split()
        if words and words[0] not in SCRIPT_WORDS | (REDIS_WORDS if text == ASK_SERVER.text else set()):
            return f"{words[0]} is no reader"
        if words[:1] == ["uniq"] and words[1:] != ["-c"]:
            return "uniq writes to the second file that it is given"
        if words[:1] == ["sudo"]:
            if words[:4] != ["sudo", "-n", "--", "supervisorctl"]:
                return "sudo starts anything"
            words = words[3:]
        if words[:1] == ["supervisorctl"] and words[1:] != ["status"]:
            return "supervisorctl starts and stops"
    return ""


def _scripts_of_facts() -> set[str]:
    modules = (
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(soleil_remediate.facts.__path__, "soleil_remediate.facts.")
    )
    return {value.text for module in modules for value in vars(module).values() if isinstance(value, Script)}


def _php_of_facts() -> set[str]:
    modules = (
        importlib.import_module(found.name)
        for found in pkgutil.iter_modules(soleil_remediate.facts.__path__, "soleil_remediate.facts.")
    )
    values = (value for module in modules for value in vars(module).values())
    return {value for value in values if isinstance(value, str) and value.startswith("<?php\n")}


READING_PHP = _php_of_facts()
READING_SCRIPTS = _scripts_of_facts() - {WITHOUT_A_TRACE.text}
#: Those of them that are judged by themselves.
JUDGED_ALONE = {LOOK_BESIDE.text}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_read_only_reads(kind: type[Reading[Any]]) -> None:
    commands = commands_of(sample(kind))
    assert commands
    assert [why_not(command) for command in commands] == [""] * len(commands)


@pytest.mark.parametrize("query", RARE, ids=lambda query: type(query).__name__)
def test_a_rare_question_only_reads(query: Query[Any]) -> None:
    assert why_not(query.command) == ""


def test_what_finds_the_log_that_is_written_now_only_compares_files_and_lists_a_folder() -> None:
    lines = [line.strip() for line in WRITTEN_NOW.splitlines() if not line.lstrip().startswith("#")]
    commands = [command.strip() for line in lines for command in re.split(r"\|\||;", line)]
    assert {command.split()[0] for command in commands} == {
        "set", "IFS=", "log=$1", "for", "do", "[", "continue", "if", "then", "fi", "done", "ls",
    }  # fmt: skip
    assert [command for command in commands if re.search("[><&`]|[$][(]", command)] == ['ls -- "${1%/*}/" >/dev/null']


def test_what_looks_beside_the_folders_that_nginx_names_only_looks() -> None:
    lines = [line.strip() for line in LOOK_BESIDE.text.replace("|\n", "\n").splitlines()]
    commands = [command.strip() for line in lines for command in re.split(r" \| |\|\|", line)]
    assert {command.split()[0] for command in commands} == {
        "set", "grep", "head", "while", "root=${root%;}", "root=${root%/}", "root=${root%/public}",
        "printf", "find", ":", "realpath", "done",
    }  # fmt: skip
    assert [command for command in commands if command.startswith("while")] == ["while read -r root; do"]
    (finds,) = [shlex.split(command)[1:] for command in commands if command.startswith("find")]
    assert finds == ["$root/artisan", "-maxdepth", "0", "-printf", "%y"]
    assert not re.search("[><&`]|[$][(]", LOOK_BESIDE.text)


@pytest.mark.parametrize("text", sorted(READING_SCRIPTS - JUDGED_ALONE))
def test_a_script_among_the_facts_only_reads(text: str) -> None:
    assert may_change(text) == ""


def test_the_script_that_asks_redis_says_nothing_to_it_that_changes_anything() -> None:
    printed, told, *_ = ASK_SERVER.text.split(" | ")
    said = [word for word in shlex.split(printed.partition("printf ")[2])[1:] if word != "AUTH"]
    assert said
    assert [word for word in said if not REDIS_READERS.fullmatch(word)] == []
    assert told.startswith("sed -n -E -e 's/^[[:space:]]*requirepass[[:space:]]+/AUTH /Ip' -e 's/^ask: //p' -- ")
    seds = re.findall(r"sed ((?:-[nE] )+)((?:-e '[^']*' ?)+)", ASK_SERVER.text)
    assert len(seds) == ASK_SERVER.text.count("sed -")
    scripts = [one for _, words in seds for one in shlex.split(words) if one != "-e"]
    assert [one for one in scripts if not re.fullmatch(r"s/[^/]*/[^/]*/[Ip]*|/[^/]*/d", one)] == []


@pytest.mark.parametrize("text", sorted(READING_PHP), ids=lambda text: str(len(text)))
def test_what_php_reads_with_only_reads(text: str) -> None:
    assert PHP_WRITES.findall(text.replace('$pdo->exec("begin', "").replace('$pdo->exec("rollback")', "")) == []
    assert re.findall(r"(?:fwrite|fopen)\((?!\$GLOBALS\[.answer.\]|.php://stdout)", text) == []
    said = re.findall(r'(?:rawCommand|executeRaw|\$send)\(\[?"([A-Z]+)"', text)
    assert [word for word in said if not REDIS_READERS.fullmatch(word)] == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_a_change_would_be_noticed_among_the_reads(kind: type[Reading[Any]]) -> None:
    if hasattr(kind, "risk"):
        assert all(why_not(change.command) for change in changes_of(kind))


@pytest.mark.parametrize(
    "words",
    [
        ("rm", "-rf", "/srv"),
        ("find", "/srv", "-delete"),
        ("find", "/srv", "-fprint", "/etc/passwd"),
        ("stdbuf", "-o0", "find", "/srv", "-exec", "rm", "{}", "+"),
        ("stdbuf", "-o0", "rm", "/srv"),
        ("stdbuf", "-o0"),
        ("sh", "-c", "rm -rf /srv"),
        ("sh", "/tmp/script"),
        ("date", "-s", "tomorrow"),
        ("filefrag", "-vs", "/srv/x"),
        ("date", "--set=tomorrow"),
        ("env", "rm", "/srv"),
        ("env", "rm", "-rf", "/srv"),
        ("env", "PGAPPNAME=x", "rm", "/srv"),
        ("env", "PATH=/tmp", "php", "/srv/app/artisan", "migrate:status"),
        ("journalctl", "--vacuum-size=1"),
        ("curl", "--url", "http://localhost/", "--output", "/etc/passwd"),
        ("curl", "--request", "POST", "--url", "http://localhost/"),
        ("curl", "--url", "http://localhost/", "--write-out", "%output{/etc/passwd}x"),
        ("php", "/srv/app/artisan", "migrate"),
        ("php", "/srv/app/artisan", "migrate", "--pretend"),
        ("php", "/srv/app/artisan", "migrate:rollback", "--step=1"),
        ("php", "/srv/app/artisan", "migrate:rollback", "--force"),
        ("php", "-r", "unlink('x');"),
        ("php", "--", "application", "/srv/app"),
        ("psql", "--command=drop table bookings"),
        ("psql", "--command=RESUME"),
        ("psql", "--dbname=host=/x port=5432 dbname=postgres connect_timeout=3"),
        ("nft", "flush", "ruleset"),
        ("nft", "-j", "delete", "table", "inet", "soleil_remediate"),
        ("nft", "-f", "/tmp/rules"),
        ("curl", "-d", "x=1", "http://localhost/"),
        ("systemctl", "restart", "nginx.service"),
        ("systemctl", "show", "--now", "nginx.service"),
        ("nginx", "-s", "stop"),
        ("/usr/sbin/nginx", "-t"),
        ("php-fpm8.2", "-t"),
        (*ALONE, "rm", "-rf", "/srv"),
        (*ALONE, "sh", "-c", "rm -rf /srv"),
        (*ALONE, *WITHOUT_A_TRACE.bind("rm", "-rf", "/srv")),
        (*ALONE, *WITHOUT_A_TRACE.bind("/usr/sbin/nginx", "-s", "reload")),
        (*ALONE, *WITHOUT_A_TRACE.bind("/usr/bin/redis-server", "/etc/redis/redis.conf", "--port", "1")),
        ("redis-cli", "FLUSHALL"),
        ("ps", "--pid", "1"),
        WITHOUT_A_TRACE.bind("/usr/sbin/nginx", "-t"),
    ],
)
def test_the_list_itself_notices_what_does_more(words: tuple[str, ...]) -> None:
    assert why_not(Command(words))


def test_a_query_that_is_fed_something_is_noticed() -> None:
    assert why_not(Command(("cat",), stdin="x"))
    assert why_not(Command(("php", "--", "application", "/srv/app"), stdin="<?php\nunlink('x');"))


def test_what_php_is_told_changes_nothing() -> None:
    for text in READING_PHP:
        does_more = r"unlink|file_put_contents|exec\((?!\"(begin|rollback))|insert |update |delete |terminate"
        assert not re.search(does_more, text)
        assert not re.search(r"->(call|delete|flush|forget|insert|later|push|release|truncate|update)\(", text)
        assert not re.search(r"redis\.call\('(?!(LLEN|LINDEX|SCAN|ZCARD|ZCOUNT|ZRANGE)')", text)


@pytest.mark.parametrize(
    "text",
    [
        "rm x",
        "head x >y",
        "head $(rm x)",
        "head x; rm x",
        "head x | tee y",
        "head `rm x`",
        "head x && rm x",
        "supervisorctl stop x",
        "supervisorctl",
        "sudo -n -- rm x",
        "sudo -n -- supervisorctl restart x",
    ],
)
def test_a_script_that_does_more_is_noticed(text: str) -> None:
    assert may_change(text)
