from __future__ import annotations

import re
from dataclasses import replace

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.files import parse_found
from soleil_remediate.facts.limits import Process
from soleil_remediate.facts.redis import ServerReply
from soleil_remediate.facts.redis_use import RedisUse
from soleil_remediate.facts.services import Configuration
from soleil_remediate.plan import Change, Risk
from soleil_remediate.tasks.redis import SET_MEMORY, RaiseRedisMemory, RestartRedis
from soleil_remediate.units import ByteSize, MiB, Percent
from tests.unit.facts.answers import record, run_here
from tests.unit.facts.redis import CONF, RUN, SERVER, SHOP
from tests.unit.redis import (
    CONFIGURATION,
    DENIED,
    FULL,
    INFO,
    MET,
    PONG,
    SILENT,
    UNIT,
    WELL,
    reply,
    resources,
    server,
    use,
    used,
    with_redis,
)

RAISE, RESTART = RaiseRedisMemory(root=SHOP), RestartRedis(root=SHOP)
NOBODY = {"cache": MET, "default": MET}
AT = ("-h", "127.0.0.1", "-p", "6379")
(SNAPSHOT,) = parse_found(record("/var/lib/redis/dump.rdb", size=MiB(3), modified=1_795_900_000))


def the_change(task: RaiseRedisMemory | RestartRedis, seen: RedisUse) -> Change:
    (change,) = task.plan(seen).changes
    return change


def full(**more: object) -> RedisUse:
    return use(server(reply=reply(**FULL)), **more)


# ---- redis-memory.raise ----------------------------------------------------------------------------------------------


def test_a_full_redis_gets_half_as_much_again_until_its_next_restart() -> None:
    change = the_change(RAISE, full())
    assert change.command == Command(SET_MEMORY.bind(CONF, *AT, MiB(8), MiB(12), 5), deadline=change.command.deadline)
    assert change.undo.command is not None
    assert change.undo.command.words == SET_MEMORY.bind(CONF, *AT, MiB(12), MiB(8), 5)
    assert change.risk is Risk.GENTLE
    assert (change.before, change.after) == (
        "8 MiB of 8 MiB used, noeviction: writes are refused",
        f"maxmemory 12 MiB, 4 GiB being available here; {CONF} stays as it is",
    )


def test_one_whose_limit_was_lowered_below_what_it_uses_gets_enough_to_take_writes() -> None:
    seen = use(server(reply=reply(used_memory=f"{MiB(30):d}")))
    assert the_change(RAISE, seen).command.words[-2] == f"{MiB(45):d}"
    little = replace(RAISE, by=Percent(10))
    assert the_change(little, full()).command.words[-2] == f"{MiB(9):d}"


@pytest.mark.parametrize("seen", [use(), use(server(reply=SILENT)), use(server(reply=None)), use(server(reply=DENIED))])
def test_what_is_not_full_or_does_not_say_so_is_left_alone(seen: RedisUse) -> None:
    assert RAISE.plan(seen).changes == ()


@pytest.mark.parametrize(
    "seen, why",
    [
        (full(resources=resources(MiB(263))), "needs 4 MiB more, and twice that for a snapshot; 263 MiB is available"),
        (full(room=MiB(200)), "200 MiB is available here, of which 256 MiB has to stay"),
        (
            use(server(reply=reply(**FULL), process=Process(pid=71, limit=MiB(16)))),
            "7 MiB is available here",
        ),
        (full(room=FactError("no control groups")), "cannot be known: .* no control groups"),
        (full(resources=FactError("no /proc")), "cannot be known: no /proc"),
        (use(server(reply=replace(reply(**FULL), saves=None))), f"CONFIG has another name in {CONF}, or is forbidden"),
        (use(server(reply=reply(**FULL), configuration=FactError("x"))), "how redis-server.service is configured"),
        (
            use(
                application=with_redis(default=used(host="10.9.9.9")),
                replies={"cache": PONG, "default": replace(PONG, says=INFO | FULL)},
            ),
            "the Redis of connection 'default' is full, and not on this host",
        ),
    ],
)
def test_what_it_may_not_have_is_said(seen: RedisUse, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        RAISE.plan(seen)


def test_exactly_what_has_to_stay_may_stay() -> None:
    assert RAISE.plan(full(resources=resources(MiB(264)))).changes


def test_a_container_with_room_enough_is_no_hindrance() -> None:
    assert ", 400 MiB being available here" in the_change(RAISE, full(room=MiB(400))).after


def test_both_of_two_full_ones_are_raised_each_by_itself() -> None:
    other = server(
        unit=replace(UNIT, name="redis-jobs.service"),
        configuration=replace(CONFIGURATION, port=6380),
        reply=reply(**FULL),
    )
    plan = RAISE.plan(use(server(reply=reply(**FULL)), other, application=with_redis(cache=used(port=6380))))
    assert len(plan.changes) == 2
    assert not plan.is_one_repair


def test_one_that_must_be_left_alone_is_no_reason_to_leave_the_other_so() -> None:
    unknown = server(
        unit=replace(UNIT, name="redis-jobs.service"),
        configuration=replace(CONFIGURATION, port=6380),
        reply=replace(reply(**FULL), saves=None),
    )
    seen = use(server(reply=reply(**FULL)), unknown, application=with_redis(cache=used(port=6380)))
    assert "redis-server.service" in the_change(RAISE, seen).summary


# ---- redis.restart ---------------------------------------------------------------------------------------------------


def hanging(**more: object) -> RedisUse:
    return use(server(**({"reply": SILENT, "files": (SNAPSHOT,)} | more)), replies=NOBODY)


def test_a_redis_that_hangs_is_restarted_if_it_is_still_the_same_run() -> None:
    change = the_change(RESTART, hanging())
    assert change.command.words[3:] == ("restart-redis", UNIT.name, RUN, "5", CONF, SERVER, *AT, "120")
    assert change.undo.command is None
    assert change.before == "running since 1970-01-01 00:00 UTC, and answers nobody"


@pytest.mark.parametrize(
    "configuration, files, risk, loses",
    [
        ({"appends": True}, (), Risk.DISRUPTIVE, "what was written in its last second or two, if it has to be killed"),
        ({"appends": True, "includes": True}, (), Risk.DESTRUCTIVE, "includes others, which may say otherwise"),
        (
            {},
            (SNAPSHOT,),
            Risk.DESTRUCTIVE,
            "limits, sessions, queue: what was written since its last snapshot (2026-11-28 21:06 UTC), unless it",
        ),
        (
            {},
            (),
            Risk.DESTRUCTIVE,
            "all that it holds (cache, limits, sessions, queue), unless it saves itself .*no snapshot",
        ),
        ({"saves": ""}, (SNAPSHOT,), Risk.DESTRUCTIVE, "all that it holds .*by its configuration it keeps nothing on"),
    ],
)
def test_what_a_restart_may_cost_is_told_by_how_it_keeps_its_data(
    configuration: dict[str, object], files: tuple[object, ...], risk: Risk, loses: str
) -> None:
    change = the_change(
        RESTART,
        hanging(configuration=replace(CONFIGURATION, **configuration), files=files),  # type: ignore[arg-type]
    )
    assert change.risk is risk
    assert change.risk <= RESTART.risk
    assert re.search(loses.replace("(", r"\(").replace(")", r"\)"), change.loses), change.loses


def test_without_the_application_nobody_knows_what_is_lost() -> None:
    seen = use(
        server(reply=SILENT, configuration=replace(CONFIGURATION, saves="")), application=FactError("x"), replies={}
    )
    assert the_change(RESTART, seen).loses == "all that it holds: by its configuration it keeps nothing on disk"


@pytest.mark.parametrize(
    "said",
    [
        WELL,
        DENIED,
        ServerReply(why="odd", words="ERR max number of clients reached"),
        None,
        replace(WELL, info={}),
    ],
)
def test_what_answers_is_not_restarted(said: ServerReply | None) -> None:
    assert RESTART.plan(use(server(reply=said), replies=NOBODY)).changes == ()


def test_what_answers_the_application_is_not_restarted_whatever_it_answers_root() -> None:
    seen = use(server(reply=SILENT), replies={"cache": PONG, "default": MET})
    assert RESTART.plan(seen).changes == ()


def test_what_is_down_or_elsewhere_is_not_restarted() -> None:
    assert RESTART.plan(hanging(unit=replace(UNIT, active="failed"))).changes == ()
    elsewhere = with_redis(cache=used(host="10.9.9.9"), default=used(host="10.9.9.9"))
    assert RESTART.plan(replace(hanging(), application=elsewhere)).changes == ()


@pytest.mark.parametrize(
    "seen, why",
    [
        (
            use(server(reply=ServerReply(why="loading"))),
            "would not help: it is still loading its data, and would begin",
        ),
        (use(server(reply=ServerReply(why="busy"))), "SCRIPT KILL"),
        (use(server(reply=ServerReply(why="refused"))), "takes no connection where it is configured to"),
        (use(server(reply=ServerReply(why="unsaved"))), "could not save its data, and may lose .*redis-cli BGSAVE"),
        (full(), "it would load the same data again, or lose it"),
        (use(server(reply=FactError("needs root"))), "whether redis-server.service hangs cannot be known: needs root"),
        (hanging(state="D"), "would wait for a disk"),
        (
            hanging(test=Configuration(is_good=False, says="/x line 1, y: Bad directive")),
            r"configuration: /x line 1, y: Bad directive\. By hand: correct that, then systemctl restart redis-server",
        ),
        (hanging(test=FactError("needs root")), "could start again with its configuration is not known: needs root"),
        (hanging(test=None), "is not known: None"),
        (hanging(configuration=FactError("x")), "how redis-server.service is configured is not known"),
    ],
)
def test_where_a_restart_would_not_help_or_might_not_come_back_that_is_said(seen: RedisUse, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        RESTART.plan(seen)


def test_what_stays_on_disk_is_told() -> None:
    assert the_change(RESTART, hanging()).keeps == "/var/lib/redis/dump.rdb (3 MiB)"
    logged = hanging(configuration=replace(CONFIGURATION, appends=True))
    assert the_change(RESTART, logged).keeps == "what its log of writes holds (appendonlydir)"


# ---- the script that sets it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "replies, status, says",
    [
        (('2) "8388608"', "OK", '2) "12582912"', '2) "12582912"'), 0, "maxmemory is 12582912 bytes"),
        (('2) "1"',), 75, 'maxmemory is not 8388608 any more, but 2) "1": nothing was changed'),
        (("",), 75, "any more, but not told: nothing was changed"),
        (("(error) NOAUTH Authentication required.",), 75, "but (error) NOAUTH"),
        (('2) "8388608"', "(error) NOPERM x"), 75, "Redis refuses another maxmemory ((error) NOPERM x): nothing was"),
        (('2) "8388608"', "OK", '2) "8388608"'), 1, 'maxmemory should be 12582912, and Redis says: 2) "8388608"'),
        (('2) "8388608"', "OK", '2) "12582912"', '2) "8388608"'), 1, "maxmemory should be 12582912"),
    ],
)
def test_what_redis_says_is_compared_before_and_after_and_a_password_stands_in_no_argument(
    tmp_path_factory: pytest.TempPathFactory, replies: tuple[str, ...], status: int, says: str
) -> None:
    folder = tmp_path_factory.mktemp("bin")
    (folder / "conf").write_text("requirepass hunter22\n")
    for number, text in enumerate(replies, 1):
        (folder / f"reply{number}").write_text(f"OK\n{text}\n")
    cli = folder / "redis-cli"
    cli.write_text(
        f'#!/bin/sh\ncd {folder}\necho "$@" >>arguments\ncat >>said\n'
        "number=$(($(cat number 2>/dev/null || echo 0) + 1))\necho $number >number\ncat reply$number\n"
    )
    cli.chmod(0o755)
    words = SET_MEMORY.bind(folder / "conf", *AT, MiB(8), MiB(12), 0)

    done = run_here(Command(("env", f"PATH={folder}:/usr/bin:/bin", *words)))

    assert done.exit_status == status, done
    assert says in done.text + done.error_text
    assert "hunter22" not in (folder / "arguments").read_text() + done.text + done.error_text
    lines = (folder / "said").read_text().splitlines()
    assert lines[:2] == ["AUTH hunter22", "CONFIG GET maxmemory"]
    assert len([line for line in lines if line.startswith("CONFIG SET")]) <= 1


def test_a_configuration_that_cannot_be_read_changes_nothing() -> None:
    done = run_here(Command(SET_MEMORY.bind("/nowhere", *AT, MiB(8), MiB(12), 0)))
    assert (done.exit_status, done.error_text) == (75, "/nowhere cannot be read: nothing was changed\n")
    assert ByteSize(MiB(12)) > MiB(8)
