from __future__ import annotations

import re
import shutil
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.redis import (
    ASK_SERVER,
    AskServer,
    ReadRedisConfigurations,
    RedisConfiguration,
    ServerReply,
    SlowCommand,
    expiring_keys,
    keys_by_database,
    memory_of,
)
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import run_here, said
from tests.unit.facts.redis import CONF, CONFIGURED, JOBS, REPLY

READ = ReadRedisConfigurations()
ASK = AskServer(Path(CONF), ("-h", "127.0.0.1", "-p", "6379"))
_MISSING = "grep: /etc/valkey: No such file or directory\n"


def configured(*lines: str) -> RedisConfiguration:
    answer = said("".join(f"{CONF}\0{line}\n" for line in lines))
    (found,) = READ.answer(answer).values()
    return found


# ---- configurations --------------------------------------------------------------------------------------------------


def test_configurations_are_read_by_their_files() -> None:
    found = READ.answer(said(CONFIGURED, status=2, stderr=_MISSING))
    assert found == {
        Path(CONF): RedisConfiguration(
            file=Path(CONF),
            bind=("127.0.0.1", "::1"),
            folder=Path("/var/lib/redis"),
            maxmemory="8mb",
            has_password=True,
        ),
        Path(JOBS): RedisConfiguration(file=Path(JOBS), port=6380, folder=Path("/var/lib/redis/jobs"), saves="900 1"),
    }


def test_where_there_is_no_redis_there_is_no_configuration() -> None:
    assert READ.answer(said(status=2, stderr=_MISSING)) == {}
    assert READ.answer(said(status=1)) == {}


@pytest.mark.parametrize(
    "answer",
    [
        said(status=2, stderr="grep: /etc/redis: Permission denied\n"),
        said(CONFIGURED, status=2, stderr="grep: /etc/redis/x: Input/output error\n"),
        said("port 6379\n"),
        said(f"{CONF}\0\n"),
        said(f"{CONF}\0port x\n"),
        said(f"{CONF}\0port 6379"),
    ],
)
def test_a_configuration_that_cannot_be_read_is_not_known(answer: Output) -> None:
    with pytest.raises(FactError):
        READ.answer(answer)


@pytest.mark.parametrize(
    "lines, saves, takes_snapshots",
    [
        ((), None, True),
        (("save 900 1", "save 60 1000"), "900 1 60 1000", True),
        (('save ""',), "", False),
        (("save 900 1", 'save ""'), "", False),
        (('save ""', "save 60 1"), "60 1", True),
    ],
)
def test_an_empty_save_takes_back_those_before_it(
    lines: tuple[str, ...], saves: str | None, takes_snapshots: bool
) -> None:
    found = configured("port 1", *lines)
    assert (found.saves, found.takes_snapshots) == (saves, takes_snapshots)


def test_names_count_in_any_case_and_values_without_their_quotes() -> None:
    found = configured(
        "PORT 7000", "port 7001", 'DIR "/var/x"', "AppendOnly YES", "rename-command 'config", "user ", "include /x"
    )
    assert (found.port, found.folder, found.appends) == (7001, Path("/var/x"), True)
    assert found.renamed == {"CONFIG"}
    assert (found.has_users, found.has_password, found.includes) == (True, False, True)


@pytest.mark.parametrize(
    "lines, address",
    [
        ((), ("-h", "127.0.0.1", "-p", "6379")),
        (("bind *",), ("-h", "127.0.0.1", "-p", "6379")),
        (("bind 10.0.0.5 127.0.0.1",), ("-h", "127.0.0.1", "-p", "6379")),
        (("bind 10.0.0.5", "port 7000"), ("-h", "10.0.0.5", "-p", "7000")),
        (("bind --rm $(x)",), ("-h", "127.0.0.1", "-p", "6379")),
        (("port 0", "unixsocket /run/redis.sock"), ("-s", "/run/redis.sock", "-n", "0")),
        (("port 0", "tls-port 6379"), None),
    ],
)
def test_where_a_redis_is_asked_is_where_it_listens(lines: tuple[str, ...], address: tuple[str, ...] | None) -> None:
    assert configured("dir /x", *lines).address == address


def test_a_password_is_never_among_what_is_read(tmp_path: Here) -> None:
    """By this machine's own grep, about what real files look like."""
    (tmp_path / "redis.conf").write_text(
        "# requirepass commented\nrequirepass hunter22\n masterauth hunter22\nuser app on >hunter22 ~* +@all\n"
        'rename-command CONFIG "hunter22"\nREQUIREPASS "hunter22"\naclfile /etc/redis/users.acl\nport 6379\n'
        "port\nloglevel notice\n"
    )
    words = [str(tmp_path) if word == "/etc/redis" else word for word in READ.command.words[:-2]]
    done = run_here(type(READ.command)(tuple(words)))
    assert b"hunter22" not in done.stdout
    (found,) = READ.answer(done).values()
    assert (found.has_password, found.has_users, found.renamed, found.port) == (True, True, {"CONFIG"}, 6379)


# ---- what a server answers -------------------------------------------------------------------------------------------


def test_a_server_that_answers_says_how_it_is() -> None:
    found = ASK.answer(said(REPLY))
    assert found.is_answered
    assert (found.saves, found.stops_writes, found.is_configurable) == ("", True, True)
    assert found.info["redis_version"] == "7.0.15"
    assert found.slow == (
        SlowCommand(name="KEYS", took=Duration(2e-6), at=1795957438),
        SlowCommand(name="GET", took=Duration(1e-6), at=1795957438),
        SlowCommand(name="CONFIG", took=Duration(7e-6), at=1795957438),
    )
    memory = memory_of(found.info)
    assert (memory.limit, memory.policy, memory.is_full) == (MiB(8), "noeviction", True)
    assert keys_by_database(found.info) == {1: (6757, 0)}


def test_what_slow_commands_were_about_and_who_sent_them_is_left_out_on_the_host() -> None:
    assert "guest" not in REPLY
    assert "127.0.0.1:" not in REPLY
    assert 'KEYS"' in REPLY


REFUSED = "Could not connect to Redis at 127.0.0.1:6379: Connection refused\n"
UNSAVED = REPLY.replace("PONG", "(error) MISCONF Redis is configured to save")
NOAUTH = "(error) NOAUTH Authentication required.\n"


@pytest.mark.parametrize(
    "answer, why, words, is_password_wrong",
    [
        (said(stderr=REFUSED * 9), "refused", "takes no connection", False),
        (said(status=124), "silent", "takes a connection and answers nothing", False),
        (said(NOAUTH * 9), "denied", "answers NOAUTH Authentication required.", False),
        (
            said("(error) WRONGPASS invalid username-password pair or user is disabled.\n" + NOAUTH * 9),
            "denied",
            "answers NOAUTH",
            True,
        ),
        (said("(error) LOADING Redis is loading the dataset in memory\n" * 3), "loading", "still loading", False),
        (said("(error) BUSY Redis is busy running a script\n" * 9), "busy", "busy with a script", False),
        (said("(error) ERR max number of clients reached\n"), "odd", "answers ERR max number of clients", False),
        (said(UNSAVED), "unsaved", "could not save its data", False),
    ],
)
def test_a_server_is_judged_by_its_reply_and_never_by_an_exit_status(
    answer: Output, why: str, words: str, is_password_wrong: bool
) -> None:
    found = ASK.answer(answer)
    assert (found.why, found.is_answered, found.is_password_wrong) == (why, False, is_password_wrong)
    assert words in found.in_words


def test_a_server_that_could_not_save_says_how_it_is_all_the_same() -> None:
    found = ASK.answer(said(UNSAVED))
    assert (found.why, found.words) == ("unsaved", "MISCONF Redis is configured to save")
    assert memory_of(found.info).is_full


def test_where_config_has_another_name_settings_are_not_known() -> None:
    text = re.sub(r'1\) "s.*\n2\) ".*\n', "(error) ERR unknown command 'CONFIG'\n", REPLY)
    found = ASK.answer(said(text))
    assert (found.saves, found.stops_writes, found.is_configurable) == (None, None, False)
    assert found.is_answered


@pytest.mark.parametrize(
    "answer",
    [
        said("PONG\n"),
        said(REPLY.partition('"soleil:slow"')[0]),
        said(REPLY.partition('"soleil:slow"')[0], status=124),
        said(REPLY.replace("maxmemory:", "maxmemory_:")),
        said(stderr="sh: 1: redis-cli: not found\n"),
    ],
)
def test_half_an_answer_is_none(answer: Output) -> None:
    with pytest.raises(FactError):
        ASK.answer(answer)


def test_a_password_goes_to_redis_by_a_pipe_and_stands_in_no_argument(tmp_path: Here) -> None:
    """With a redis-cli that writes down what it was given."""
    (tmp_path / "redis.conf").write_text(
        '# requirepass former\nport 6379\n  requirepass "hun\\"ter 22"\nmasterauth other\n'
    )
    cli = tmp_path / "redis-cli"
    cli.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/arguments\nenv >>{tmp_path}/arguments\ncat >{tmp_path}/said\n"
    )
    cli.chmod(0o755)
    command = AskServer(Path(tmp_path / "redis.conf"), ("-h", "127.0.0.1", "-p", "6379")).command
    assert "hun" not in " ".join(command.words)
    done = run_here(type(command)(("env", f"PATH={tmp_path}:/usr/bin:/bin", *command.words)))
    assert (done.exit_status, done.stderr) == (0, b"")
    assert "ter 22" not in (tmp_path / "arguments").read_text()
    lines = (tmp_path / "said").read_text().splitlines()
    assert lines[:4] == ['AUTH "hun\\"ter 22"', "PING", "ECHO soleil:info", "INFO"]
    assert lines[-1] == "ECHO soleil:end"
    assert shutil.which("sed")


def test_what_a_server_says_of_the_arguments_of_a_command_it_does_not_know_stays_on_the_host(tmp_path: Here) -> None:
    cli = tmp_path / "redis-cli"
    cli.write_text("#!/bin/sh\necho \"(error) ERR unknown command 'AUTH', with args beginning with: 'hunter22' \"\n")
    cli.chmod(0o755)
    done = run_here(
        type(ASK.command)(("env", f"PATH={tmp_path}:/usr/bin:/bin", *ASK_SERVER.bind("/dev/null", *ASK.address)))
    )
    assert done.text == "(error) ERR unknown command 'AUTH'\n"


# ---- memory ----------------------------------------------------------------------------------------------------------

_INFO = {"used_memory": "8000000", "maxmemory": str(2**23), "maxmemory_policy": "noeviction"}


@pytest.mark.parametrize(
    "more, is_full",
    [
        ({}, False),
        ({"used_memory": str(2**23 - 128 * 1024)}, False),  # one write still fits
        ({"used_memory": str(2**23 - 128 * 1024 + 1)}, True),
        ({"used_memory": str(2**23 + 1), "mem_not_counted_for_evict": str(2**20)}, False),
        ({"used_memory": str(2**30), "maxmemory": "0"}, False),
        ({"used_memory": str(2**30), "maxmemory_policy": "allkeys-lru"}, False),
        ({"used_memory": str(2**30), "maxmemory_policy": "volatile-lru"}, True),
        ({"used_memory": str(2**30), "maxmemory_policy": "volatile-lru", "db3": "keys=9,expires=1,avg_ttl=7"}, False),
    ],
)
def test_a_redis_is_full_where_nothing_may_be_given_up_and_a_write_does_not_fit(
    more: dict[str, str], is_full: bool
) -> None:
    assert memory_of(_INFO | more).is_full is is_full


def test_what_does_not_say_how_much_it_uses_has_no_memory() -> None:
    with pytest.raises(KeyError):
        memory_of({})


def test_keys_are_counted_by_their_database_and_nonsense_is_none() -> None:
    info = {"db0": "keys=4,expires=1,avg_ttl=0", "db12": "keys=2,expires=2", "db": "x", "db7": "y"}
    assert keys_by_database(info) == {0: (4, 1), 12: (2, 2)}
    assert expiring_keys(info) == 3


def test_a_reply_that_says_nothing_of_a_fault_is_one_that_answers() -> None:
    assert ServerReply().in_words == "answers"
    assert ByteSize(0) == memory_of(_INFO | {"used_memory": "1", "mem_not_counted_for_evict": "5"}).used
