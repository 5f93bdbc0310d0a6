from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.redis import RedisAnswering, RedisWritable
from soleil_remediate.errors import FactError
from soleil_remediate.facts.redis import RedisConfiguration, ServerReply
from soleil_remediate.facts.redis_use import RedisServer
from soleil_remediate.facts.replies import Reply
from soleil_remediate.task import Health
from tests.unit.facts.redis import CONF, SHOP
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
    application,
    reply,
    server,
    use,
    used,
    with_redis,
)

ANSWERING, WRITABLE = RedisAnswering(root=SHOP), RedisWritable(root=SHOP)
NOAUTH = replace(MET, why="NOAUTH Authentication required.")
REFUSED = {"cache": NOAUTH, "default": NOAUTH}
WITHOUT = {"cache": MET, "default": MET}
WITH_PASSWORD = with_redis(cache=used(database=1, has_password=True), default=used(has_password=True))
HAS_PASSWORD = replace(CONFIGURATION, has_password=True)
ELSEWHERE = with_redis(cache=used(host="10.9.9.9"), default=used(host="10.9.9.9"))
NOWHERE = application(
    cache={"store": "file", "driver": "file", "connection": None, "prefix": ""},
    session={"driver": "file", "connection": None, "store": None},
    queue={"name": "s", "driver": "sync", "connection": None, "queue": None, "table": None, "retry_after": None},
)


def test_a_redis_that_answers_the_application_is_well() -> None:
    verdict = ANSWERING.judge(use())
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        "Redis answers the application (cache, limits, sessions, queue)",
    )
    assert [(one.label, one.value, one.is_faulty) for one in verdict.measures] == [
        ("Redis for cache and limits", "PONG in 2 ms", False),
        ("Redis for sessions and queue", "PONG in 2 ms", False),
    ]


@pytest.mark.parametrize("check", [ANSWERING, WRITABLE], ids=["answering", "writable"])
def test_an_application_that_keeps_nothing_there_needs_no_redis(check: RedisAnswering | RedisWritable) -> None:
    verdict = check.judge(use(server(unit=replace(UNIT, active="failed")), application=NOWHERE, replies={}))
    assert verdict.health is Health.HEALTHY
    assert "neither cache, limits, sessions nor queue" in verdict.why


@pytest.mark.parametrize(
    "one, seen, why",
    [
        ({"unit": replace(UNIT, active="inactive"), "reply": None}, WITHOUT, "redis-server.service is stopped"),
        ({"unit": replace(UNIT, active="failed", result="signal"), "reply": None}, WITHOUT, "is failed (signal)"),
        ({"reply": SILENT}, WITHOUT, "is running, takes connections and answers nobody"),
        ({"reply": SILENT, "state": "T"}, WITHOUT, "answers nobody: its process was stopped by a signal (state T)"),
        ({"reply": SILENT, "state": "D"}, WITHOUT, "waits for a disk (state D)"),
        ({"reply": ServerReply(why="loading")}, WITHOUT, "is running and is still loading its data"),
        ({"reply": ServerReply(why="busy")}, WITHOUT, "is running and is busy with a script"),
        ({"reply": ServerReply(why="refused")}, WITHOUT, "is running and takes no connection"),
        ({"reply": ServerReply(why="unsaved")}, WITHOUT, "is running and could not save its data"),
        ({}, WITHOUT, "redis-server.service is running, and the application meets: Connection refused"),
        ({"reply": FactError("needs root")}, WITHOUT, "is running, and the application meets: Connection refused"),
        (
            {"configuration": HAS_PASSWORD},
            REFUSED,
            f"sends none; redis-server.service is well, and answers root with the one in {CONF}. Nothing is restarted",
        ),
        (
            {"configuration": HAS_PASSWORD, "reply": replace(DENIED, is_password_wrong=True)},
            REFUSED,
            f"the application sends none; the one in {CONF} is refused as well: it runs with another. Nothing is",
        ),
        ({"reply": DENIED}, REFUSED, f"there is none in {CONF}: it was set while it ran, or by users of its own"),
        ({"reply": FactError("needs root")}, REFUSED, "sends none. redis-server.service is running. Nothing is"),
    ],
)
def test_why_the_application_gets_no_answer_is_said(one: dict[str, object], seen: dict[str, Reply], why: str) -> None:
    verdict = ANSWERING.judge(use(server(**one), replies=seen))
    assert verdict.health is Health.FAULTY
    assert why in verdict.why
    assert all(measure.is_faulty for measure in verdict.measures)


@pytest.mark.parametrize("words", ["NOAUTH Authentication required.", "WRONGPASS invalid username-password pair"])
def test_a_password_that_is_refused_is_told_from_one_that_is_missing(words: str) -> None:
    seen = {"cache": replace(MET, why=words), "default": PONG}
    verdict = ANSWERING.judge(use(application=WITH_PASSWORD, replies=seen))
    assert verdict.why.startswith(
        "no Redis for cache, limits: Redis refuses the application's password; redis-server.service"
    )
    assert f"make the password in {SHOP}/.env and the one in {CONF} the same" in verdict.why


def test_a_password_that_nobody_wants_is_told() -> None:
    words = "ERR AUTH <password> called without any password configured for the default user."
    verdict = ANSWERING.judge(use(application=WITH_PASSWORD, replies=dict.fromkeys(WITHOUT, replace(MET, why=words))))
    assert "the application sends a password, and Redis wants none" in verdict.why


def test_a_redis_elsewhere_is_judged_by_what_the_application_meets_alone() -> None:
    verdict = ANSWERING.judge(use(application=ELSEWHERE, replies=WITHOUT))
    assert "10.9.9.9:6379, which is not on this host: Connection refused" in verdict.why
    verdict = ANSWERING.judge(use(application=ELSEWHERE, replies=REFUSED))
    assert "which is not on this host: Redis wants a password, and the application sends none" in verdict.why


def test_a_socket_is_named_by_its_path() -> None:
    at_a_socket = with_redis(cache=used(host="/run/r.sock", port=None), default=used(host="/run/r.sock", port=None))
    verdict = ANSWERING.judge(use(application=at_a_socket, replies=WITHOUT))
    assert "nothing that systemd runs listens at /run/r.sock (redis-server.service is running" in verdict.why


def test_where_nothing_listens_as_the_application_has_it_that_is_said() -> None:
    moved = server(configuration=replace(CONFIGURATION, port=7000))
    verdict = ANSWERING.judge(use(moved, replies=WITHOUT))
    assert (
        "nothing that systemd runs listens at 127.0.0.1:6379 (redis-server.service is running, and configured for port "
        "7000): Connection refused"
    ) in verdict.why
    nothing = replace(use(replies=WITHOUT), servers=())
    assert "(systemd runs no Redis here)" in ANSWERING.judge(nothing).why
    at_a_socket = server(configuration=RedisConfiguration(file=Path(CONF), port=0, socket="/run/r.sock"))
    assert "configured for /run/r.sock" in ANSWERING.judge(use(at_a_socket, replies=WITHOUT)).why
    hidden = (server(configuration=FactError("x")), server(configuration=FactError("x")))
    assert "(redis-server.service is running, redis-server.service is running)" in (
        ANSWERING.judge(use(*hidden, replies=WITHOUT)).why
    )


def test_of_a_connection_that_is_a_clusters_or_not_there_nothing_is_known() -> None:
    odd = application(cache={"store": "redis", "driver": "redis", "connection": "gone", "prefix": ""})
    verdict = ANSWERING.judge(use(application=odd, replies={"gone": MET, "default": PONG}))
    assert verdict.health is Health.UNKNOWN
    assert "for cache, limits: its connection 'gone' is a cluster's, which nobody asks here, or is not" in verdict.why
    seen = WRITABLE.judge(use(application=odd, replies={"gone": MET, "default": PONG}))
    assert (seen.health, "connection 'gone' is not there" in seen.why) == (Health.UNKNOWN, True)


def test_what_cannot_be_asked_is_unknown_and_never_well() -> None:
    seen = use(replies={"cache": FactError("no PHP"), "default": PONG})
    assert ANSWERING.judge(seen).health is Health.UNKNOWN
    assert "for cache, limits: no PHP" in ANSWERING.judge(seen).why
    assert ANSWERING.judge(replace(seen, replies={"cache": FactError("x"), "default": MET})).health is Health.FAULTY


@pytest.mark.parametrize(
    "unit, health",
    [
        (UNIT, Health.UNKNOWN),
        (replace(UNIT, active="inactive"), Health.FAULTY),
        (replace(UNIT, active="inactive", enablement="disabled"), Health.UNKNOWN),
    ],
)
def test_without_the_application_only_a_redis_that_is_down_and_should_run_is_a_fault(
    unit: object, health: Health
) -> None:
    seen = use(server(unit=unit), application=FactError("it cannot be started"), replies={})
    assert ANSWERING.judge(seen).health is health
    assert WRITABLE.judge(seen).health is Health.UNKNOWN


def writes(one: RedisServer, **more: object) -> tuple[Health, str]:
    verdict = WRITABLE.judge(use(one, **more))
    return verdict.health, verdict.why


@pytest.mark.parametrize(
    "said, health, why",
    [
        (WELL, Health.HEALTHY, "redis-server.service takes writes: it uses 5 MiB of 8 MiB (noeviction)"),
        (reply(maxmemory="0"), Health.HEALTHY, "it uses 5 MiB without a limit"),
        (
            reply(**FULL),
            Health.FAULTY,
            "redis-server.service uses 8 MiB of 8 MiB (maxmemory, noeviction): writes are refused (OOM). PING is",
        ),
        (reply(**FULL, errorstat_OOM="count=12"), Health.FAULTY, "refused (OOM), 12 so far since it was started"),
        (reply(**FULL, maxmemory_policy="allkeys-lru"), Health.HEALTHY, "takes writes"),
        (reply(rdb_last_bgsave_status="err"), Health.FAULTY, "could not write its last snapshot, and refuses writes"),
        (replace(reply(rdb_last_bgsave_status="err"), stops_writes=False), Health.HEALTHY, "takes writes"),
        (replace(reply(rdb_last_bgsave_status="err"), saves=""), Health.HEALTHY, "takes writes"),
        (
            replace(reply(rdb_last_bgsave_status="err"), stops_writes=None, saves=None),
            Health.UNKNOWN,
            "whether it refuses writes for it (stop-writes-on-bgsave-error) cannot be asked",
        ),
        (
            replace(reply(rdb_last_bgsave_status="err", errorstat_MISCONF="count=3"), stops_writes=None, saves=None),
            Health.FAULTY,
            "refuses writes until one succeeds (MISCONF)",
        ),
        (reply(aof_enabled="1", aof_last_write_status="err"), Health.FAULTY, "could not write its log (AOF)"),
        (reply(aof_last_write_status="err"), Health.HEALTHY, "takes writes"),
        (reply(loading="1"), Health.FAULTY, "is still loading its data"),
        (reply(role="slave", slave_read_only="1", master_host="10.0.0.2"), Health.FAULTY, "is a replica of 10.0.0.2"),
        (reply(role="slave", slave_read_only="0"), Health.HEALTHY, "takes writes"),
        (DENIED, Health.UNKNOWN, "redis-server.service does not say whether it takes writes"),
        (FactError("needs root"), Health.UNKNOWN, "does not say whether it takes writes: needs root"),
        (None, Health.UNKNOWN, "does not say"),
    ],
)
def test_whether_a_redis_takes_writes_is_seen_without_writing(said: object, health: Health, why: str) -> None:
    found, words = writes(server(reply=said))
    assert found is health
    assert why in words


def test_of_a_redis_elsewhere_what_it_says_to_the_application_counts() -> None:
    told = replace(PONG, says=INFO | FULL)
    found, words = writes(server(), application=ELSEWHERE, replies={"cache": told, "default": told})
    assert found is Health.FAULTY
    assert words.startswith("Redis at 10.9.9.9:6379 uses 8 MiB of 8 MiB (maxmemory, noeviction): writes are refused")
    assert writes(server(), application=ELSEWHERE)[0] is Health.UNKNOWN


def test_of_several_the_one_at_fault_is_named() -> None:
    other = server(
        unit=replace(UNIT, name="redis-jobs.service"),
        configuration=replace(CONFIGURATION, port=6380),
        reply=reply(**FULL),
    )
    kept = with_redis(cache=used(port=6380))
    assert writes(server(), application=kept)[0] is Health.UNKNOWN
    verdict = WRITABLE.judge(use(server(), other, application=kept))
    assert verdict.why.startswith("redis-jobs.service uses 8 MiB")
    assert [(one.label, one.is_faulty) for one in verdict.measures] == [
        ("memory of redis-jobs.service", True),
        ("memory of redis-server.service", False),
    ]


def test_what_has_to_hold_is_said_in_few_words() -> None:
    assert (ANSWERING.aim(), WRITABLE.aim()) == (
        "Redis answers the application",
        "Redis takes what the application writes",
    )


@pytest.mark.parametrize("kind", [RedisAnswering, RedisWritable])
def test_what_is_no_folder_or_no_unit_is_refused(kind: type[RedisAnswering | RedisWritable]) -> None:
    with pytest.raises(ValueError, match="must be absolute"):
        kind(root=Path("srv"))
    with pytest.raises(ValueError, match="must be a service"):
        kind(root=SHOP, unit="redis")
    with pytest.raises(ValueError, match="no user's name"):
        kind(root=SHOP, user="-x")
