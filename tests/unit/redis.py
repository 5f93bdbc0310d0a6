"""Redis as an application and root see it, put together for tests of what is judged, planned and shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import PurePosixPath as Path

from soleil_remediate.facts.application import Application, ReadApplication, RedisUsed
from soleil_remediate.facts.limits import Process
from soleil_remediate.facts.redis import RedisConfiguration, ServerReply
from soleil_remediate.facts.redis_use import RedisServer, RedisUse
from soleil_remediate.facts.replies import Reply
from soleil_remediate.facts.resources import Resources
from soleil_remediate.facts.services import Configuration, Unit
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import said
from tests.unit.facts.redis import CONF, DESCRIBED, RUN, SERVER, SHOP, STARTED

#: A small one that is well, by INFO's own names.
INFO = {
    "redis_version": "7.0.15", "used_memory": f"{MiB(5):d}", "used_memory_rss": f"{MiB(9):d}",
    "maxmemory": f"{MiB(8):d}",
    "maxmemory_policy": "noeviction", "loading": "0", "role": "master", "rdb_last_bgsave_status": "ok",
    "rdb_last_save_time": "1795900000", "rdb_changes_since_last_save": "3", "aof_enabled": "0",
    "aof_last_write_status": "ok", "connected_clients": "2", "maxclients": "10000", "evicted_keys": "0",
    "db0": "keys=3,expires=0,avg_ttl=0", "db1": "keys=40,expires=9,avg_ttl=0",
}  # fmt: skip
FULL = {"used_memory": f"{MiB(8):d}"}
WELL = ServerReply(info=INFO, saves="3600 1", stops_writes=True)
SILENT = ServerReply(why="silent")
DENIED = ServerReply(why="denied", words="NOAUTH Authentication required.")
UNIT = Unit(
    name="redis-server.service",
    active="active",
    sub="running",
    invocation=RUN,
    program=(SERVER, CONF, "--supervised", "systemd"),
    since=0,
)
CONFIGURATION = RedisConfiguration(file=Path(CONF), folder=Path("/var/lib/redis"), maxmemory="8mb")
PONG = Reply(is_answered=True, took=Duration(0.002))
MET = Reply(is_answered=False, took=Duration(3), error="RedisException", why="Connection refused")


def application(**more: object) -> Application:
    """Return an application that keeps all in one Redis here, some of it otherwise; limits are where the cache is."""
    limits = {"limits": more.get("cache", DESCRIBED["cache"])}
    redis = {name: DESCRIBED["redis"][name] | {"has_password": False} for name in ("default", "cache")}  # type: ignore[index]
    parts = DESCRIBED | {"redis": redis, "queue": DESCRIBED["queue"] | {"connection": "default"}} | limits | more  # type: ignore[operator]
    return ReadApplication(SHOP, "www-data").answer(said(STARTED + json.dumps(parts) + "\n"))


def with_redis(**more: RedisUsed) -> Application:
    """Return the same application with other connections."""
    known = application()
    return replace(known, redis={**known.redis, **more})


def used(**more: object) -> RedisUsed:
    return replace(RedisUsed(host="127.0.0.1", port=6379, database=0, prefix="shop_", has_password=False), **more)  # type: ignore[arg-type]


def reply(**info: str) -> ServerReply:
    """Return what a Redis answers that is well, but for some of what it says of itself."""
    return replace(WELL, info=INFO | info)


def server(**more: object) -> RedisServer:
    """Return the Redis of this host, running and well, but for what is said otherwise."""
    one = RedisServer(
        unit=UNIT,
        file=Path(CONF),
        configuration=CONFIGURATION,
        test=Configuration(is_good=True),
        reply=WELL,
        process=Process(pid=71),
        state="S",
    )
    return replace(one, **more)  # type: ignore[arg-type]


def use(*servers: RedisServer, **more: object) -> RedisUse:
    """Return what is seen where all is well, but for what is said otherwise."""
    seen = RedisUse(
        application=application(),
        replies={"cache": PONG, "default": PONG},
        servers=servers or (server(),),
        own=frozenset(),
        resources=resources(MiB(4096)),
        room=None,
    )
    return replace(seen, **more)  # type: ignore[arg-type]


def resources(available: ByteSize) -> Resources:
    return Resources(
        memory=MiB(8192),
        available=available,
        swap=ByteSize(0),
        swap_free=ByteSize(0),
        load=("0", "0", "0"),
        running="1/2",
    )
