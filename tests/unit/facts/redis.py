"""A host of an application that keeps its cache in one Redis, which is full, and its queue in another, which hangs."""

from __future__ import annotations

import json
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

from soleil_remediate.command import Output
from tests.unit.facts.answers import record, said
from tests.unit.facts.services import unit_shown, units_shown

SHOP = Path("/srv/shop")
FULL, HANGING = "redis-server.service", "redis-server@jobs.service"
CONF, JOBS = "/etc/redis/redis.conf", "/etc/redis/jobs.conf"
RUN = "1a5776e8db1a42d2b302fb76e26038cd"
#: What an 8 MiB Redis 7.0.15 of Debian 12 said of itself when it was full, by ``ask-redis``.
REPLY = (Here(__file__).parent / "captures" / "redis-full").read_text()

STARTED = '{"started":true}\n'
MIB = 2**20

#: As grep finds it in the two files.
CONFIGURED = "".join(
    f"{file}\0{line}\n"
    for file, lines in (
        (
            CONF,
            (
                "bind 127.0.0.1 -::1",
                "port 6379",
                "dbfilename dump.rdb",
                "dir /var/lib/redis",
                "appendonly no",
                'appenddirname "appendonlydir"',
                "maxmemory 8mb",
                "requirepass ",
            ),
        ),
        (JOBS, ("port 6380", "dir /var/lib/redis/jobs", "save 900 1")),
    )
    for line in lines
)

#: The application of SHOP, as it says itself.
DESCRIBED = {
    "environment": "production",
    "debug": False,
    "version": "8.83.26",
    "is_cached": True,
    "database": {"connection": "pgsql", "driver": "pgsql", "host": "db", "port": 5432, "name": "shop", "user": "shop"},
    "redis": {
        "default": {"host": "127.0.0.1", "port": "6379", "database": 0, "has_password": True, "prefix": "shop_"},
        "cache": {"host": "127.0.0.1", "port": "6379", "database": 1, "has_password": True, "prefix": "shop_"},
        "jobs": {"host": "127.0.0.1", "port": "6380", "database": 0, "has_password": False, "prefix": "shop_"},
    },
    "cache": {"store": "redis", "driver": "redis", "connection": "cache", "prefix": "shop_cache"},
    "limits": {"store": "redis", "driver": "redis", "connection": "cache", "prefix": "shop_cache"},
    "session": {"driver": "redis", "connection": "default", "store": None},
    "queue": {
        "name": "redis",
        "driver": "redis",
        "connection": "jobs",
        "queue": "default",
        "table": None,
        "retry_after": 90,
    },
    "failed": {"driver": "database-uuids", "connection": "pgsql", "table": "failed_jobs"},
    "mail": {
        "mailer": "smtp",
        "transport": "smtp",
        "host": "mail",
        "port": 25,
        "encryption": None,
        "has_password": False,
    },
}
PONG = {"answered": True, "class": "", "why": "", "milliseconds": 1.5, "says": {"maxmemory": "0"}}
SILENCE = {"answered": False, "class": "RedisException", "why": "read error on connection", "milliseconds": 3000}
SERVER = "/usr/bin/redis-server"


def described(**more: object) -> Output:
    """Return what the application says of itself, some of it otherwise."""
    return said(STARTED + json.dumps(DESCRIBED | more) + "\n")


def replied(reply: object) -> Output:
    """Return what the application met."""
    return said(STARTED + json.dumps(reply) + "\n")


def good(line: int = 99) -> Output:
    """Return what Redis says of a configuration that is as it should be."""
    return said(
        status=1,
        stderr="\n*** FATAL CONFIG FILE ERROR (Redis 7.0.15) ***\nReading the configuration file, at line "
        f"{line}\n>>> 'tested-by-soleil-remediate'\nBad directive or wrong number of arguments\n",
    )


UNITS = said(
    units_shown(
        unit_shown(FULL, program=f"{SERVER} {CONF} --supervised systemd --daemonize no"),
        unit_shown(HANGING, program=f"{SERVER} {JOBS} --supervised systemd --daemonize no"),
    )
)
PROCESSES = (
    f"Id=basic.target\n\nMemoryMax=infinity\nId={FULL}\nMainPID=71\n\nMemoryMax=infinity\nId={HANGING}\nMainPID=72\n"
)

#: What it answers, by a part of the command that asks.
ANSWERS: tuple[tuple[str, Output], ...] = (
    ("StateChangeTimestamp -- basic.target redis*.service", UNITS),
    ("list-unit-files --no-legend --plain -- basic.target redis*.service", said("basic.target static -\n")),
    ("--property=Id,MainPID,MemoryMax", said(PROCESSES)),
    ("/proc/71/status", said("State:\tS (sleeping)\n")),
    ("/proc/72/status", said("State:\tT (stopped)\n")),
    ("/sys/fs/cgroup/memory.max", said(status=2)),
    ("/etc/valkey", said(CONFIGURED, status=2, stderr="grep: /etc/valkey: No such file or directory\n")),
    (f"ask-redis {CONF} -h 127.0.0.1 -p 6379", said(REPLY)),
    (f"ask-redis {JOBS} -h 127.0.0.1 -p 6380", said(status=124)),
    ("--tested-by-soleil-remediate", good()),
    (
        "-path /var/lib/redis/jobs/dump.rdb",
        said(record("/var/lib/redis/jobs/dump.rdb", size=3 * MIB, modified=1_795_900_000)),
    ),
    ("-path /var/lib/redis/dump.rdb", said(record("/var/lib/redis/dump.rdb", size=MIB, modified=1_795_900_000))),
    ("php -- application /srv/shop", described()),
    ("php -- redis /srv/shop jobs", replied(SILENCE)),
    ("php -- redis /srv/shop", replied(PONG)),
    ("php -- cache /srv/shop", said(STARTED + '{"prefix":"shop_shop_cache:","left":-2,"why":""}\n')),
)
