from __future__ import annotations

from dataclasses import replace

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import parse_found
from soleil_remediate.facts.http import Response, Site
from soleil_remediate.facts.redis import SlowCommand
from soleil_remediate.looks.redis import RedisFallback, RedisOverview, RedisSlowLog, RedisUses
from soleil_remediate.task import Table, Text
from soleil_remediate.units import Duration, MiB
from tests.unit.facts.answers import record
from tests.unit.facts.redis import CONF, SHOP
from tests.unit.redis import (
    CONFIGURATION,
    FULL,
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

OVERVIEW, USES, SLOW = RedisOverview(root=SHOP), RedisUses(root=SHOP), RedisSlowLog(root=SHOP)
FALLBACK = RedisFallback(root=SHOP, live="/live", page="/ready")
NOW = 1_795_900_120
NOBODY = {"cache": MET, "default": MET}
SNAPSHOT, FOLDER = parse_found(
    record("/var/lib/redis/dump.rdb", size=MiB(3), modified=1_795_900_000) + record("/var/lib/redis/x", kind="d")
)


def test_how_a_redis_is() -> None:
    assert OVERVIEW.show((use(server(files=(SNAPSHOT, FOLDER)), room=MiB(100)), NOW)) == Text(
        lines=(
            "redis-server.service is running, answers, version 7.0.15",
            f"  memory 5 MiB of 8 MiB, noeviction (8mb by {CONF}, which counts from the next restart on)",
            "  refused 0 writes for want of memory, 0 for its disk; gave up 0 keys; 2 of 10000 clients",
            "  last snapshot 2 min ago (ok), 3 changes since; log of writes off",
            "  /var/lib/redis/dump.rdb 3 MiB, of 2026-11-28 21:06 UTC",
            "the host has 4 GiB of 8 GiB available, 100 MiB more in its container",
        )
    )


def lines(*servers: object, **more: object) -> str:
    shown = OVERVIEW.show((use(*servers, **more), NOW))  # type: ignore[arg-type]
    assert isinstance(shown, Text)
    return "\n".join(shown.lines)


def test_what_is_not_known_is_said_to_be_unknown() -> None:
    assert "  unknown: needs root" in lines(server(reply=FactError("needs root")))
    assert "its configuration is unknown: no" in lines(server(reply=None, configuration=FactError("no")))
    assert "at a time unknown" in lines(server(reply=reply(rdb_last_save_time="")))
    assert "still loading its data" in lines(server(reply=reply(loading="1")))
    assert "of no limit" in lines(
        server(reply=reply(maxmemory="0"), configuration=replace(CONFIGURATION, maxmemory=""))
    )
    assert "log of writes on, last write err" in lines(
        server(reply=reply(aof_enabled="1", aof_last_write_status="err"))
    )
    assert "refused 7 writes" in lines(server(reply=reply(errorstat_OOM="count=7")))
    assert "available" not in lines(server(), resources=FactError("x"))


@pytest.mark.parametrize(
    "policy, lost",
    [("allkeys-lru", "sessions and queue"), ("volatile-ttl", "sessions"), ("noeviction", ""), ("allkeys-lru", "")],
)
def test_what_may_be_given_up_without_an_error_is_told(policy: str, lost: str) -> None:
    limit = "8388608" if lost or policy == "noeviction" else "0"
    told = lines(server(reply=reply(maxmemory_policy=policy, maxmemory=limit)))
    assert (f"  {policy}: when it is full, {lost} may vanish without an error; noeviction keeps them" in told) is bool(
        lost
    )
    assert ("may vanish" in told) is bool(lost)


def test_of_a_redis_that_does_not_answer_its_configuration_says_what_it_keeps() -> None:
    silent = {"reply": SILENT}
    assert "takes a connection and answers nothing" in lines(server(**silent))
    assert "by its configuration it takes snapshots" in lines(server(**silent))
    for more, says in (({"appends": True}, "it logs every write"), ({"saves": ""}, "it keeps nothing on disk")):
        assert says in lines(server(**silent, configuration=replace(CONFIGURATION, **more)))
    down = server(unit=replace(UNIT, active="failed", result="signal"), reply=None)
    assert "redis-server.service is failed (signal)" in lines(down)


def test_where_there_is_no_redis_that_is_said() -> None:
    assert OVERVIEW.show((replace(use(), servers=()), NOW)) == Text(lines=("systemd runs no Redis on this host",))
    assert SLOW.show(replace(use(), servers=())) == Text(lines=("systemd runs no Redis on this host",))


def test_what_the_application_keeps_where() -> None:
    shown = USES.show(use(replies={"cache": PONG, "default": MET}))
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("cache", "cache", "127.0.0.1:6379", "1", "40", "shop_", "PONG"),
        ("limits", "cache", "127.0.0.1:6379", "1", "40", "shop_", "PONG"),
        ("sessions", "default", "127.0.0.1:6379", "0", "3", "shop_", "no PONG"),
        ("queue", "default", "127.0.0.1:6379", "0", "3", "shop_", "no PONG"),
    )


def test_what_is_not_known_of_a_place_is_left_open() -> None:
    elsewhere = with_redis(default=used(host="10.9.9.9"))
    shown = USES.show(use(application=elsewhere, replies={"cache": PONG, "default": FactError("no PHP")}))
    assert isinstance(shown, Table)
    assert shown.rows[2] == ("sessions", "default", "10.9.9.9:6379", "0", "?", "shop_", "unknown")
    odd = application(cache={"store": "redis", "driver": "redis", "connection": "gone", "prefix": ""})
    shown = USES.show(use(application=odd, replies={"gone": MET, "default": PONG}))
    assert isinstance(shown, Table)
    assert shown.rows[0] == ("cache, limits", "gone", "", "", "", "", "no PONG")
    assert USES.show(use(application=FactError("no PHP"))) == Text(lines=("unknown: no PHP",))
    nothing = application(
        cache={"store": "f", "driver": "file", "connection": None, "prefix": ""},
        session={"driver": "file", "connection": None, "store": None},
        queue={"name": "s", "driver": "sync", "connection": None, "queue": None, "table": None, "retry_after": None},
    )
    assert USES.show(use(application=nothing, replies={})) == Text(lines=("neither cache, limits, sessions nor queue",))


def test_slow_commands_are_counted_by_their_names_the_slowest_first() -> None:
    slow = tuple(
        SlowCommand(name=name, took=Duration(took), at=at)
        for name, took, at in (("GET", 0.02, 60), ("KEYS", 1.5, 120), ("GET", 0.04, 180))
    )
    shown = SLOW.show(use(server(reply=replace(WELL, slow=slow))))
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("KEYS", "1", "1500.0 ms", "1970-01-01 00:02"),
        ("GET", "2", "40.0 ms", "1970-01-01 00:03"),
    )
    assert SLOW.show(use()) == Text(lines=("it notes none",))
    assert SLOW.show(use(server(reply=SILENT))) == Text(lines=("redis-server.service cannot be asked",))


def site(status: int, excerpt: str = "") -> Site:
    ok = Response(status=200)
    return Site(live=ok, page=Response(status=status, excerpt=excerpt), server=ok)


def test_whether_the_application_goes_on_without_redis() -> None:
    assert FALLBACK.show((use(), site(200))) == Text(
        lines=("Redis is well: nothing can be said of a fallback", "/live answers 200", "/ready answers 200")
    )
    unknown = use(replies={"cache": FactError("x"), "default": PONG})
    shown = FALLBACK.show((unknown, site(200)))
    assert isinstance(shown, Text)
    assert shown.lines[0] == "whether Redis is well is not known: nothing can be said of a fallback"
    assert FALLBACK.show((use(replies=NOBODY), site(503, '{"status":"fail"}'))) == Text(
        lines=(
            "no: /ready is not served while Redis fails",
            "/live answers 200",
            "/ready answers 503",
            '  {"status":"fail"}',
        )
    )
    assert FALLBACK.show((use(replies=NOBODY), site(200, '{"status":"degraded"}'))) == Text(
        lines=(
            "yes: it is served while Redis fails, without it or by something that has taken over",
            "/live answers 200",
            "/ready answers 200",
            '  {"status":"degraded"}',
            "its sessions and queue have no other place by its configuration: those requests fail",
        )
    )
    shown = FALLBACK.show((use(server(reply=reply(**FULL))), site(200)))
    assert isinstance(shown, Text)
    assert shown.lines[0].startswith("yes: ")
    assert len(shown.lines) == 3
