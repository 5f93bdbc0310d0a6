"""What PostgreSQL 15 and php-fpm 8.2 of Debian 12 say of their work, put together for tests."""

from __future__ import annotations

import json

#: Where the application's own PHP is asked how it loads its configuration, what it logged, and what its cache finds.
CONFIG_CACHE = {
    "is_cached": False,
    "file": "/srv/soleil/releases/1/bootstrap/cache/config.php",
    "milliseconds": 712.5,
    "environment": "production",
    "debug": False,
}
HIT_RATE = {
    "driver": "redis",
    "says": {"uptime_in_seconds": "95", "evicted_keys": "3", "keyspace_hits": "300", "keyspace_misses": "100"},
    "why": "",
}
SLOW_LOGS = {
    "read": [
        {"channel": "performance", "file": "/srv/p-2026-11-29.log", "state": "read", "lines": 2, "others": 1},
        {"channel": "query", "file": "/srv/q.log", "state": "absent", "lines": 0, "others": 0},
        {"channel": "slow", "file": "/srv/s.log", "state": "unreadable", "lines": 0, "others": 0},
    ],
    "requests": [{"what": "GET /api/rooms", "count": 26, "median": 1200.5, "longest": 2383, "all": 31210}],
    "queries": [{"what": "select * from rooms where id = ?", "count": 1, "median": 120, "longest": 120, "all": 120}],
    "repeated": [{"page": "GET /api/rooms", "what": "select * from users where id = ?", "times": 2490}],
}
SLOW_QUERIES = {
    "logs": [
        {"channel": "query", "file": "/srv/q.log", "is_there": True, "slow": 60, "lacks": []},
        {"channel": "slow", "file": "/srv/s.log", "is_there": False, "slow": 0, "lacks": []},
    ],
    "queries": [{"what": "select * from rooms where id = ?", "count": 60, "median": 120, "longest": 2383, "all": 7200}],
}
DATABASE_SIZE = {"driver": "pgsql", "name": "soleil", "bytes": 9 * 2**20, "largest": [["bookings", 4 * 2**20]]}

PROCESSES = """\
      1  9448 /lib/systemd/systemd
     36 32348 php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)
     88 43176 php /srv/soleil/current/artisan queue:work redis --sleep=1
    123 34424 php-fpm: pool www
    124 33000 php-fpm: pool www
   1384     0
"""
POOLS = """\
/etc/php/8.2/fpm/php-fpm.conf:[global]
/etc/php/8.2/fpm/pool.d/www.conf:[www]
/etc/php/8.2/fpm/pool.d/www.conf:listen = /run/php/php8.2-$pool.sock
/etc/php/8.2/fpm/pool.d/www.conf:pm.max_children = 2 ; as on the old host
/etc/php/8.2/fpm/pool.d/blog.conf:[blog]
/etc/php/8.2/fpm/pool.d/blog.conf:listen = "127.0.0.1:9000"
/etc/php/8.2/fpm/pool.d/blog.conf:pm.max_children = 9
/etc/php/8.2/mods-available/x.conf:[x
"""


def unix_sockets(
    taken: int, waiting: int = 0, path: str = "/run/php/php8.2-www.sock", later: tuple[int, int] | None = None
) -> str:
    """Return the kernel's list twice, with so many at a socket that listens, some of whom nobody has taken."""
    head = "Num       RefCount Protocol Flags    Type St Inode Path\n"
    line = "0000000{:09d}: 00000002 00000000 {} 0001 {} {} {}\n"
    text = ""
    for now, queued in ((taken, waiting), later or (taken, waiting)):
        many = "".join(line.format(number, "00000000", "03", 100 + number, path) for number in range(now))
        many += "".join(line.format(500 + number, "00000000", "02", 0, path) for number in range(queued))
        text += head + line.format(999, "00010000", "01", 99, path) + many + line.format(998, "00000000", "03", 98, "")
    return text


def statement(**said: object) -> dict[str, object]:
    """Return one statement as the cluster tells it: the application's, at work for a minute and a half."""
    return {
        "pid": 71,
        "began": "2026-11-29 10:00:00.123456+00",
        "asked": "2026-11-29 10:00:01.654321+00",
        "role": "soleil",
        "database": "soleil",
        "application": "",
        "kind": "client backend",
        "state": "active",
        "runs": 90,
        "since": 90,
        "first_word": "SELECT",
        "waits_for": "",
        "blocked_by": [],
        "is_superuser": False,
        **said,
    }


def work(*statements: dict[str, object]) -> str:
    """Return what a cluster works at."""
    return json.dumps({"blocks": {"soleil": [990, 10]}, "sessions": list(statements)}) + "\n"
