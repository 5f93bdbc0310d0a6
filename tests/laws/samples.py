"""One sample for every kind that comes with the product: arguments, and what a host answers.

A new kind needs one here; the laws find out by themselves where it is missing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath as Path
from typing import Any

from soleil_remediate.built_in import PLACES, class_at
from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.databases import FindPacketRules
from soleil_remediate.facts.extents import MeasureShared
from soleil_remediate.facts.failed_jobs import FindClasses
from soleil_remediate.facts.files import StatFile
from soleil_remediate.facts.other_workers import FindOtherWorkers
from soleil_remediate.facts.php_fpm import ReadPoolUsers
from soleil_remediate.facts.poolers import AskPooler
from soleil_remediate.facts.processes import OpenFile, ReadMounts
from soleil_remediate.facts.replies import AskRedis
from soleil_remediate.facts.rollbacks import Artisan, PretendRollback, ReadBatches
from soleil_remediate.facts.sites import LookBeside, ReadServers
from soleil_remediate.look import look
from soleil_remediate.looks.bookings import BookingsChoices, BookingsGuards, BookingsLogWindow, BookingsOverlaps
from soleil_remediate.looks.databases import DatabaseLog, DatabaseOverview, DatabaseSessions
from soleil_remediate.looks.dependencies import DependencyOverview
from soleil_remediate.looks.disks import DiskDeletedOpen, DiskForecast, DiskLargest, DiskLogs, DiskOverview
from soleil_remediate.looks.errors import ErrorsLogged, RequestsFailing
from soleil_remediate.looks.hit_rates import CacheHitRate
from soleil_remediate.looks.mail import MailConfiguration
from soleil_remediate.looks.memory import MemoryOverview, MemoryProcesses, OomKillList
from soleil_remediate.looks.queues import QueueFailed, QueueSizes, WorkersOverview
from soleil_remediate.looks.redis import RedisFallback, RedisOverview, RedisSlowLog, RedisUses
from soleil_remediate.looks.releases import ReleaseList
from soleil_remediate.looks.security import AddressRefused, TokensUses
from soleil_remediate.looks.services import LogNewest, ResourceOverview, ServiceLastWords, ServiceOverview
from soleil_remediate.looks.slow_logs import LogSlow
from soleil_remediate.looks.statements import StatementLongest
from soleil_remediate.looks.traffic import AddressBlocked, LimiterOverview, TrafficTalkers
from soleil_remediate.plan import Change
from soleil_remediate.task import Look, Reading, Task
from soleil_remediate.units import ByteSize, Duration, MiB, Percent
from tests.unit.facts.answers import captured, complaint, log_sample, record, said
from tests.unit.facts.application import DESCRIBED, STARTED
from tests.unit.facts.bookings import DOUBLE, UNGUARDED, WINDOW, bookings_told
from tests.unit.facts.databases import ACTIVITY, CLUSTERS, POOLER, described, session, told
from tests.unit.facts.from_here import MET, OWN
from tests.unit.facts.mail import ANSWERED as LET_IN
from tests.unit.facts.mail import CONFIGURED as MAIL
from tests.unit.facts.mail import told as mail_told
from tests.unit.facts.memory import killed, process, sampled
from tests.unit.facts.redis import ANSWERS as REDIS
from tests.unit.facts.redis import SHOP
from tests.unit.facts.services import NGINX, PHP_FPM, RESOURCES, SOCKETS, unit_shown, units_shown
from tests.unit.facts.sockets import LISTENING, SOCKET_FILES
from tests.unit.facts.statements import (
    CONFIG_CACHE,
    DATABASE_SIZE,
    HIT_RATE,
    POOLS,
    PROCESSES,
    SLOW_LOGS,
    SLOW_QUERIES,
    statement,
    unix_sockets,
    work,
)
from tests.unit.facts.traffic import ANSWERS as TRAFFIC
from tests.unit.facts.traffic import ATTACKER

LOOKS: tuple[type[Reading[Any]], ...] = (
    DiskOverview,
    DiskLargest,
    DiskDeletedOpen,
    DiskLogs,
    DiskForecast,
    ServiceOverview,
    ServiceLastWords,
    LogNewest,
    ResourceOverview,
    ReleaseList,
    DatabaseOverview,
    DatabaseSessions,
    DatabaseLog,
    RedisOverview,
    RedisUses,
    RedisSlowLog,
    MemoryOverview,
    MemoryProcesses,
    OomKillList,
    RedisFallback,
    QueueSizes,
    QueueFailed,
    WorkersOverview,
    TrafficTalkers,
    LimiterOverview,
    AddressBlocked,
    RequestsFailing,
    ErrorsLogged,
    DependencyOverview,
    BookingsOverlaps,
    BookingsGuards,
    BookingsLogWindow,
    BookingsChoices,
    MailConfiguration,
    TokensUses,
    AddressRefused,
    StatementLongest,
    LogSlow,
    CacheHitRate,
)

#: Every kind that comes with the product.
KINDS: tuple[type[Reading[Any]], ...] = tuple(dict.fromkeys((*map(class_at, PLACES.values()), *LOOKS)))

_SRV, _LOG = 0x704, 0x705  # device numbers in the captured mount table
_APP_LOG, _ACCESS_LOG, _DUMPS = "/srv/app/laravel.log", "/var/log/nginx/access.log", "/srv/backups"
_NOW = seconds_at(2026, 11, 23, 10)

_DUMP_LIST = record(_DUMPS, kind="d", device=_SRV, inode=2) + b"".join(
    record(f"{_DUMPS}/{age}.sql.gz", size=MiB(30), device=_SRV, inode=age, modified=_NOW - age * 86400)
    for age in (1, 2, 3, 30, 60)
)
_NGINX = unit_shown("nginx.service", program=NGINX)
_PHP = unit_shown("php8.2-fpm.service", program=PHP_FPM)
_PHP_FAILED = unit_shown("php8.2-fpm.service", active="failed", sub="failed", result="signal", program=PHP_FPM)
_ERROR_LOG = "/var/log/nginx/error.log"
_MINUTES = "".join(f"{f'[2026-11-23 09:{minute}:00] a':4095}\n" for minute in range(45, 60))

_LINK = "/srv/web/current"
_RELEASES = b"".join(
    record(f"/srv/web/releases/{name}", kind="d", device=_SRV, inode=100 + number, owner="deploy")
    + record(f"/srv/web/releases/{name}/artisan", device=_SRV)
    + record(f"/srv/web/releases/{name}/vendor/autoload.php", device=_SRV)
    for number, name in enumerate(("41", "42"))
)
_MIGRATION = "/srv/web/releases/42/database/migrations/2026_11_24_add_floor.php"

#: An application with each of its troubles: workers that are down, that do nothing, that are too slow; failed jobs.
_DOWN, _IDLE, _SLOW, _DONE = (f"/srv/queue-{name}" for name in ("down", "idle", "slow", "done"))
_WORKERS = "".join(
    f"/etc/supervisor/conf.d/queues.conf\0{line}\n"
    for root in (_DOWN, _IDLE, _SLOW, _DONE)
    for line in (
        f"[program:{root[5:]}]",
        f"command=php {root}/artisan queue:work redis --queue=high --tries=3",
        f"stdout_logfile={root}/storage/logs/worker.log",
    )
)
_PAUSED = "/srv/queue-paused"
_WORKERS += "".join(
    f"/etc/supervisor/conf.d/horizon.conf\0{line}\n"
    for line in ("[program:horizon]", f"command=php {_PAUSED}/artisan horizon")
)
_STATES = "".join(
    f"{root[5:]:33}{state}\n"
    for root, state in (
        (_DOWN, "FATAL     Exited too quickly (process log may have details)"),
        (_IDLE, "RUNNING   pid 71, uptime 1:00:00"),
        (_SLOW, "RUNNING   pid 72, uptime 2 days, 1:00:00"),
        (_DONE, "RUNNING   pid 73, uptime 1:00:00"),
    )
)
_STATES += f"{'horizon':33}RUNNING   pid 74, uptime 1:00:00\n"
_BELOW_HORIZON = (
    "     74      40 php /srv/queue-paused/artisan horizon\n"
    "     75      74 php artisan horizon:supervisor web1:one redis --queue=high\n"
    "     76      75 php artisan horizon:work redis --queue=high --supervisor=web1:one\n"
)
_FAILED_JOB = ["01234567-89ab-cdef-0123-456789abcdef", "App\\Jobs\\Export", "RuntimeException", "redis", "high", 60]


def _counted(before: int, after: int, *, reserved: int = 0) -> Output:
    queue = {"before": [before, 0, 0, reserved, 0], "after": [after, 0, 0, reserved, 0], "has_moved": before != after}
    queue |= {"class": "App\\Jobs\\Export", "age": None, "late": 0}
    connection = {"driver": "redis", "default": "default", "retry_after": 90, "is_whole": True, "class": "", "why": ""}
    connection |= {"queues": {"high": queue}, "seconds": 4.0}
    told = {"is_down": False, "default": "redis", "connections": {"redis": connection}}
    return said(f"{STARTED}{json.dumps(told)}\n")


_CHECKOUT = "/srv/site"
_HEAD, _OLD = "b" * 40, "a" * 40

#: Applications of one host: with a cluster that is down, one that hangs, one that is full of sessions, and a pgbouncer.
_DATABASES = "/srv/db"
_STUCK = session(pid=71, state="idle in transaction", since=900, transaction=900, first_word="UPDATE")
_WAITING = session(pid=72, state="active", since=60, is_waiting=True, blocked_by=[71], first_word="SELECT")
_IDLE_SESSIONS = [session(pid=pid, state="idle", since=600 + pid) for pid in range(80, 90)]

#: What holds the memory of one host: php-fpm's workers, and queue workers.
_HOLDERS = sampled(
    process(60, "php-fpm8.2", parent=1, uid=0),
    process(61, "php-fpm8.2", parent=60, held=1_500_000),
    process(71, "php", parent=40, held=1_500_000, group="/system.slice/supervisor.service"),
    later={61: 1_600_000},
)

#: Every third request of a minute failed.
_REQUESTS = "".join(
    f'203.0.113.7 - - [23/Nov/2026:09:59:{second:02} +0000] "GET /rooms HTTP/1.1" {200 if second % 3 else 500} \n'
    for second in range(60)
)
#: A hotel's bookings: once with overlaps, once with nothing that refuses them.
_HOTEL = "/srv/hotel"

#: What one host answers, by a part of the command that asks; the first that fits counts.
ANSWERS: tuple[tuple[str, Output], ...] = (
    *TRAFFIC,
    (
        "/sys/fs/cgroup/memory.max",
        said(f"/sys/fs/cgroup/memory.max:{2**32}\n/sys/fs/cgroup/memory.current:{3 * 2**30}\n", status=2),
    ),
    ("sample-processes", _HOLDERS),
    ("/proc/pressure/memory", said("full avg10=1.00 avg60=0.50 avg300=0.25 total=1234\n")),
    ("getent passwd", said("root:x:0:0:root:/root:/bin/bash\n", status=2)),
    ("--grep=Killed process", said(killed(61, at=_NOW - 60))),
    ("^oom_kill", said("/proc/vmstat:oom_kill 1\n", status=2)),
    ("Id,WorkingDirectory", said("Id=basic.target\n\nWorkingDirectory=\nId=php8.2-fpm.service\n")),
    ("soleil-remediate-incident", said("d\t\n")),
    ("php -- account", said(STARTED + '{"ids":["1"],"tokens":3,"used":1700000000,"sessions":"redis"}\n')),
    ("php -- uses", said(STARTED + '{"table":"audit_logs","is_there":true,"lacks":[],"users":[]}\n')),
    ("/var/log/auth.log", said(record("/var/log/auth.log", size=MiB(1)))),
    *REDIS,
    (f"php -- bookings {_HOTEL}/double", bookings_told(DOUBLE)),
    (f"php -- bookings {_HOTEL}/unguarded", bookings_told(UNGUARDED)),
    (f"{_HOTEL}.log", said(WINDOW)),
    (f"log-window {_HOTEL}-", said("size\n", status=1, stderr=complaint(f"{_HOTEL}-2026-11-29.log"))),
    ("from pg_stat_database", said(work(statement(), statement(pid=72, blocked_by=[71], waits_for="Lock: relation")))),
    ("pid=,rss=,args=", said(PROCESSES)),
    ("--include=*.conf", said(POOLS)),
    ("watch-sockets", said(unix_sockets(2))),
    ("ss -H", said(LISTENING)),
    ("find -H /run/php", said(SOCKET_FILES)),
    ("Env::get", said(status=1)),
    ("--fail-early", said("{}" * 8, stderr="200\t0.104000\n" * 8)),
    ("php -- config-cache", said(f"{STARTED}{json.dumps(CONFIG_CACHE)}\n")),
    ("php -- slow-logs", said(f"{STARTED}{json.dumps(SLOW_LOGS)}\n")),
    ("php -- slow-queries", said(f"{STARTED}{json.dumps(SLOW_QUERIES)}\n")),
    ("php -- database-size", said(f"{STARTED}{json.dumps(DATABASE_SIZE)}\n")),
    ("php -- hit-rate", said(f"{STARTED}{json.dumps(HIT_RATE)}\n")),
    ("stdout_logfile", said(_WORKERS)),
    ("sample-programs", said(f"{_STATES}status 3\n\0{_STATES}status 3\n\0")),
    ("-path /srv/queue-", said()),
    ("supervisord.log", said("==> /var/log/supervisor/supervisord.log <==\n")),
    *(
        (f"tail --verbose --lines=20 -- {log}", said(f"==> {log} <==\nno such option\n"))
        for log in (f"{root}/storage/logs/worker.log" for root in (_DOWN, _IDLE, _SLOW, _DONE))
    ),
    (f"php -- queues {_DOWN}", _counted(900, 900)),
    (f"php -- queues {_IDLE}", _counted(900, 900)),
    (f"php -- queues {_SLOW}", _counted(2000, 1990, reserved=1)),
    (f"php -- queues {_DONE}", _counted(0, 0)),
    (f"php -- queues {_PAUSED}", _counted(900, 900)),
    ("artisan horizon:status", said("Horizon is paused.\n", status=1)),
    ("pid=,ppid=,args=", said(_BELOW_HORIZON)),
    (
        f"php -- failed-jobs {_DONE}",
        said(f"{STARTED}{json.dumps({'driver': 'database-uuids', 'total': 1, 'jobs': [_FAILED_JOB]})}\n"),
    ),
    ("php -- mail", mail_told(MAIL, LET_IN)),
    ("php -- last-test-mail", mail_told({"driver": "redis", "state": "none", "age": 0})),
    ("php -- database /srv/queue", said(f'{STARTED}{{"answered":true,"milliseconds":3,"class":"","why":""}}\n')),
    ("-- basic.target soleil-remediate-worker", said(units_shown())),
    ("/etc/supervisor", said("/etc/supervisor/conf.d/web.conf\0[program:web]\n")),
    (f"php -- application {_DATABASES}/down", said(STARTED + described(port=5433))),
    (f"php -- application {_DATABASES}/hung", said(STARTED + described(port=5434))),
    (f"php -- application {_DATABASES}/full", said(STARTED + described(port=5435))),
    (f"php -- application {_DATABASES}/pooled", said(STARTED + described(port=6432))),
    ("php -- application", said(STARTED + DESCRIBED)),
    ("php -- database", said(STARTED + '{"answered":false,"milliseconds":3,"class":"PDOException","why":"no"}\n')),
    ("php -- locks", said(STARTED + '{"locks":[{"pid":72,"waits":"60","blocker":71,"state":"active","since":"9"}]}\n')),
    ("find /usr/bin/pg_lsclusters", said(record("/usr/bin/pg_lsclusters"))),
    ("find -H /var/lib/postgresql", said()),
    ("pg_lsclusters", said(CLUSTERS)),
    ("pg_isready --host=/var/run/postgresql --port=5434", said("/var/run/postgresql:5434 - no response\n", status=2)),
    ("pg_isready", said("/var/run/postgresql:5432 - accepting connections\n")),
    ("SHOW DATABASES", said(POOLER["DATABASES"])),
    ("SHOW POOLS", said(POOLER["POOLS"])),
    ("SHOW STATE", said(POOLER["STATE"])),
    ("port=5435 dbname=postgres", said(told(ACTIVITY, most=14, sessions=[_STUCK, _WAITING, *_IDLE_SESSIONS]))),
    ("dbname=postgres", said(told(ACTIVITY, sessions=[_STUCK, _WAITING]))),
    ("/etc/pgbouncer/pgbouncer.ini", said(POOLER["pgbouncer.ini"])),
    ("nft --stateless", said("table inet x {\n\tchain y {\n\t\ttcp dport 5432 drop\n\t}\n}\n")),
    ("basic.target postgresql@15-main", said(units_shown(unit_shown("postgresql@15-main.service")))),
    ("basic.target postgresql@15-hung", said(units_shown(unit_shown("postgresql@15-hung.service")))),
    (
        "basic.target postgresql@15-down",
        said(units_shown(unit_shown("postgresql@15-down.service", active="failed", sub="failed", result="signal"))),
    ),
    ("basic.target postgresql@15-full", said(units_shown(unit_shown("postgresql@15-full.service")))),
    (
        "StateChangeTimestamp -- basic.target pgbouncer",
        said(units_shown(unit_shown("pgbouncer.service", active="inactive", sub="dead"))),
    ),
    ("realpath -m -z -- /var/lib/postgresql", said("/var/lib/postgresql/15/x\0/var/lib/postgresql/15/x/pg_wal\0")),
    *(
        (
            f"tail --verbose --lines=100 -- /var/log/postgresql/postgresql-15-{name}.log",
            said(f"==> /var/log/postgresql/postgresql-15-{name}.log <==\n2026-11-29 10:00:00 UTC [1] LOG:  starting\n"),
        )
        for name in ("main", "down")
    ),
    ("systemctl list-unit-files", said("basic.target static -\nphp8.1-fpm.service disabled enabled\n")),
    ("unshare", said(stderr="nginx: configuration file /etc/nginx/nginx.conf test is successful\n")),
    ("-- basic.target nginx.service php*-fpm.service", said(units_shown(_NGINX, _PHP_FAILED))),
    ("StateChangeTimestamp -- basic.target php*-fpm.service", said(units_shown(_PHP_FAILED))),
    ("StateChangeTimestamp -- basic.target", said(units_shown(_NGINX, _PHP))),
    (
        "count-by-minute",
        said(
            "failed\n 9 23/Nov/2026:09:59 +0000\n"
            "answered\n 9 23/Nov/2026:09:57 +0000\n 9 23/Nov/2026:09:58 +0000\n"
            "newest\n 1 23/Nov/2026:09:59 +0000\nend\n"
        ),
    ),
    ("read-requests", said(f"{_REQUESTS}end\n")),
    ("find-errors", said(f"{_APP_LOG}\n[2026-11-23 09:59:00] production.ERROR: \nend\n")),
    (".git/logs/HEAD", said(status=1, stderr=complaint(f"{_LINK}/.git/logs"))),
    ("curl --disable --silent --show-error --globoff --head", said("HTTP/1.1 401 Unauthorized\n\n401")),
    ("storage/framework/down", said(status=1, stderr=complaint("/srv/web/current/storage/framework/down"))),
    ("journalctl", said('{"MESSAGE":"Main process exited, code=killed, status=9/KILL"}\n')),
    ("--header Host:", said("<h1>400 Bad Request</h1>\n400\t\t0")),
    ("curl", said("<h1>504 Gateway Time-out</h1>\n504\t\t0")),
    ("ask-from-here", said(MET)),
    ("cat -- /srv/app/storage/logs/octane-server-state.json", said('{"masterProcessId":812,"managerProcessId":813}')),
    ("find /srv/app/storage/logs/octane-server-state.json", said(record("/srv/app/storage/logs/o", modified=_NOW))),
    ("find /proc/812 ", said(record("/proc/812", kind="d", owner="www-data"))),
    ("grep ^btime ", said(f"btime {_NOW - 50}\n")),
    ("octane-server-state.json", said(status=1, stderr="cat: /srv/state.json: No such file or directory\n")),
    ("/proc/812/stat", said("812 (php) S 1 812 812 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 4711 1 1 1\n")),
    ("artisan list", said("list  List commands\noctane:reload  Reload the Octane workers\n")),
    ("/proc/net/fib_trie", said(OWN)),
    ("/proc/net/tcp", said(SOCKETS)),
    ("/proc/loadavg", said(RESOURCES)),
    (f"newest-lines {_ERROR_LOG} 3", said(f"==> {_ERROR_LOG} <==\nconnect() failed\n")),
    ("find -L /etc/nginx", said("1795611000.5\t/etc/nginx/sites-enabled/default\0")),
    ("/proc/self/mountinfo", captured("mountinfo")),
    ("df -l", captured("df")),
    ("date +%s", said(f"{_NOW}\n")),
    ("realpath -m -z -- /srv/app", said("/srv/app\0")),
    ("realpath -m -z -- /var/log/nginx", said("/var/log/nginx\0")),
    ("realpath -m -z -- /srv/backups", said(f"{_DUMPS}\0")),
    (
        "-lname * (deleted)",
        captured("deleted-open", status=1, stderr=complaint("/proc/146/fd/6")),
    ),
    ("-lname */laravel.log", said(f"/proc/12/fd/3\t{_APP_LOG}\0")),
    ("stat -L --printf=%n\\t%d\\t%i\\t%h\\t%s\\t%b\\n -- /proc/12/fd/3", said(f"/proc/12/fd/3\t{_SRV}\t7\t1\t9\t9\n")),
    ("stat -L", captured("deleted-stat")),
    ("grep -H ^flags: -- /proc/12/fdinfo/3", said("/proc/12/fdinfo/3:flags:\t0102001\n")),
    ("^flags:", captured("deleted-flags")),
    ("/cgroup", captured("deleted-processes")),
    ("/exe", captured("deleted-programs")),
    (_APP_LOG + " ) -printf", said(record(_APP_LOG, size=MiB(280), device=_SRV, inode=7))),
    ("measure-newest-lines", said("150000\n")),
    (
        _ACCESS_LOG + " -o",
        said(b"".join(record(_ACCESS_LOG + end, size=MiB(60), device=_LOG) for end in ("", ".1"))),
    ),
    ("grep -r", captured("logrotate-rules")),
    ("/usr/sbin/logrotate", captured("logrotate-owners")),
    ("/var/log/journal", captured("journal-files")),
    ("/etc/machine-id", captured("machine-id")),
    (
        "/var/cache/apt",
        captured(
            "package-cache",
            status=1,
            stderr=complaint("/var/cache/apt/pkgcache.bin") + complaint("/var/cache/apt/srcpkgcache.bin"),
        ),
    ),
    (f"find {_DUMPS}", said(_DUMP_LIST)),
    (
        f"logged-commits {_CHECKOUT}",
        said(f"checked out\n{'0' * 40} {_OLD} a <a@b> 1690000000 +0000\n{_OLD} {_HEAD} a <a@b> 1700000000 +0000\n"),
    ),
    ("logged-commits", said("checked out\n", stderr=f"tail: {_LINK}/.git/logs/HEAD: No such file or directory\n")),
    ("/.git/ROLLBACK_UNFINISHED-*", said(status=1, stderr=complaint(f"{_CHECKOUT}/.git"))),
    (f"{_CHECKOUT}/.git/HEAD", said(f"{_CHECKOUT}/.git/HEAD\0{_HEAD}\n")),
    ("/.git/HEAD", said(status=2, stderr=f"grep: {_LINK}/.git/HEAD: No such file or directory\n")),
    (f"find {_CHECKOUT} ", said("d\tdeploy\t1700000000.5\t\0")),
    (f"-path {_CHECKOUT}/.git )", said(record(f"{_CHECKOUT}/.git", kind="d", owner="deploy", owner_id=1000))),
    (f"find -H {_CHECKOUT}", said(status=1, stderr=complaint(_CHECKOUT))),
    (" log -g ", said(f"{_HEAD}\tHEAD@{{1700000000}}\n{_OLD}\tHEAD@{{1690000000}}\n")),
    ("for-each-ref", said()),
    (" status --porcelain", said()),
    (" ls-files ", said("vendor/autoload.php\0")),
    (" diff --name-status ", said("M\0composer.lock\0A\0database/migrations/1_add.php\0")),
    (f"{_CHECKOUT}/artisan migrate:status", said("Migration name ... Batch / Status\n1_add ... [1] Ran\n")),
    (f"{_CHECKOUT}/database/migrations", said(f"{_CHECKOUT}/database/migrations/1_add.php\0function up() {{ }}\n")),
    (f"find {_LINK} ", said(f"l\tdeploy\t{_NOW - 60}.5\treleases/42\0")),
    ("find /srv/web/releases", said(_RELEASES + record(_MIGRATION, device=_SRV))),
    ("find /srv/web -maxdepth", said(record("/srv/web", kind="d", owner="deploy"))),
    ("find -H /srv/web/.dep", said(status=1, stderr=complaint("/srv/web/.dep"))),
    (_MIGRATION, said(f"{_MIGRATION}\0$table->string('floor');\n")),
    ("du -x", said("300000000\t/srv/app\x00302000000\t/srv\0")),
    ("find /srv -xdev", said(record(_APP_LOG, size=MiB(280), device=_SRV, inode=7))),
    ("stdbuf -o0 find /var/log", said(record(_APP_LOG, size=MiB(280), device=_SRV, inode=7, modified=_NOW))),
    ("sample-log", log_sample(tail=_MINUTES, size=MiB(280))),
    (
        "watch-sizes",
        said("".join(f"{at} 9.9\n\0{size} {_SRV}:7 {_APP_LOG}\0\0" for at, size in ((1.0, 0), (3.0, 2**30)))),
    ),
)

_ARTISAN = Artisan(code=Path("/srv/web/1"), user="www-data", migrations=Path("/srv/web/2/database/migrations"))

#: What the sample host is not asked: what only users' own tasks ask, what only other file systems need, and what is
#: asked only where a person wants migrations taken back, or names a class of which no job failed, or where nothing is
#: given of a host.
RARE: tuple[Query[Any], ...] = (
    AskRedis(Path("/srv/x"), "www-data"),
    StatFile(Path("/srv/x")),
    FindClasses(Path("/srv/x"), "www-data", ("App\\Jobs\\Exprot",)),
    MeasureShared((Path("/srv/x"),)),
    FindPacketRules(5432),
    AskPooler(6432, Path("/run/postgresql"), "POOLS"),
    ReadMounts((OpenFile(pid=12, fd=3, path=Path("/srv/x"), is_deleted=True),)),
    ReadBatches(_ARTISAN),
    PretendRollback(_ARTISAN, ("2026_01_02_000001_add_floor",)),
    ReadServers(),
    ReadPoolUsers(),
    LookBeside(),
    FindOtherWorkers(Path("/srv/x")),
)

#: By which one host has too little memory.
_SHORT = {"least": Percent(50), "enough": ByteSize(2**40)}

_PLAYBOOK: dict[str, dict[str, Any]] = {
    "tokens.unshared": {"root": Path("/srv/app"), "account": "1"},
    "address.harmless": {},
    "incident.over": {},
    "tokens.uses": {"root": Path("/srv/app")},
    "address.refused": {},
    "evidence.collect": {"root": Path("/srv/app"), "incident": "INC-42"},
    "tokens.revoke": {"root": Path("/srv/app"), "account": "1", "incident": "INC-42"},
    "disk.writable": {"user": "www-data"},
    "disk.used": {"below": Percent(80)},
    "disk.inodes": {"below": Percent(80)},
    "package-cache.clean": {},
    "open-file.reopen": {},
    "log.rotate": {"path": Path(_ACCESS_LOG), "larger_than": MiB(20)},
    "journal.vacuum": {"to": MiB(50)},
    "log.truncate": {"path": Path(_APP_LOG), "larger_than": MiB(20)},
    "backup.prune": {"directory": Path(_DUMPS), "older_than": Duration(7 * 86400)},
    "backup.recent": {"directory": Path(_DUMPS)},
    "debug.off": {"root": Path("/srv/app")},
    "disk.overview": {},
    "disk.largest": {},
    "disk.deleted-open": {},
    "disk.logs": {},
    "disk.forecast": {},
    "release.rollback": {"root": Path(_LINK), "migrations": "any", "owner": "deploy"},
    "checkout.rollback": {"root": Path(_CHECKOUT), "owner": "deploy"},
    "maintenance.ended": {"root": Path(_CHECKOUT)},
    "rollback.finished": {"root": Path(_LINK)},
    "page.served": {"page": "/ready", "url": "https://soleil.example/"},
    "page.reached": {"page": "/ready", "url": "https://soleil.example/"},
    "service.configured": {"units": ("nginx.service", "php*-fpm.service")},
    "service.overview": {"units": ("nginx.service", "php*-fpm.service")},
    "service.last-words": {"units": ("nginx.service", "php*-fpm.service")},
    "socket.overview": {},
    "log.newest": {"logs": (Path(_ERROR_LOG),)},
    "resource.overview": {},
    "service.start": {"unit": "php*-fpm.service"},
    "nginx.reload": {"live": "/up"},
    "octane.reload": {"root": Path("/srv/app"), "live": "/up", "page": "/ready"},
    "service.reload": {
        "unit": "php8.2-fpm.service",
        "live": "/up",
        "page": "/ready",
    },
    "service.restart": {
        "unit": "php8.2-fpm.service",
        "live": "/up",
        "page": "/ready",
    },
    "release.list": {"root": Path(_LINK)},
    "database.answers": {"root": Path(f"{_DATABASES}/main")},
    "database.unblocked": {"root": Path(f"{_DATABASES}/main")},
    "database.size": {"root": Path(f"{_DATABASES}/main"), "below": MiB(10240)},
    "database.overview": {"root": Path(f"{_DATABASES}/pooled")},
    "database.sessions": {"root": Path(f"{_DATABASES}/main")},
    "database.log": {},
    "pgbouncer.start": {"root": Path(f"{_DATABASES}/pooled")},
    "postgresql.start": {"root": Path(f"{_DATABASES}/down")},
    "idle-transaction.end": {"root": Path(f"{_DATABASES}/main")},
    "idle-session.end": {"root": Path(f"{_DATABASES}/full")},
    "postgresql.restart": {"root": Path(f"{_DATABASES}/hung")},
    "redis.answering": {"root": SHOP},
    "redis.writable": {"root": SHOP},
    "redis.overview": {"root": SHOP},
    "redis.uses": {"root": SHOP},
    "redis.slow-log": {"root": SHOP},
    "redis.fallback": {"root": SHOP, "live": "/up", "page": "/ready"},
    "redis-memory.raise": {"root": SHOP},
    "redis.restart": {"root": SHOP},
    "cache.clear": {"root": SHOP, "sure": "yes"},
    "traffic.calm": {},
    "limits.fair": {},
    "traffic.talkers": {},
    "limiter.overview": {"root": SHOP, "customer": "7"},
    "address.blocked": {},
    "limiter.clear": {"root": SHOP, "customer": "7"},
    "address.block": {"address": ATTACKER, "never": ("10.0.0.1", "web2.example")},
    "workers.running": {"root": Path(_DOWN)},
    "queue.draining": {"root": Path(_SLOW)},
    "queue.drained": {"root": Path(_SLOW)},
    "jobs.done": {"root": Path(_DONE)},
    "queue.sizes": {"root": Path(_SLOW)},
    "queue.failed": {"root": Path(_DONE)},
    "workers.overview": {"root": Path(_DOWN)},
    "workers.start": {"root": Path(_DOWN)},
    "horizon.continue": {"root": Path(_PAUSED)},
    "workers.restart": {"root": Path(_IDLE)},
    "workers.add": {"root": Path(_SLOW)},
    "requests.served": {"root": Path(_LINK), "page": "/ready"},
    "requests.failing": {"root": Path(_LINK), "page": "/ready"},
    "errors.logged": {"logs": (Path(_APP_LOG),)},
    "dependency.overview": {"root": SHOP, "third_parties": ("https://a.test/",)},
    "mail.answering": {"root": Path(_DONE)},
    "mail.sent": {"root": Path(_DONE)},
    "mail.configuration": {"root": Path(_DONE)},
    "test-mail.send": {"root": Path(_DONE), "to": "oncall@soleil.example"},
    "page.quick": {"page": "/ready", "url": "https://soleil.example/"},
    "statement.unqueued": {"root": Path(f"{_DATABASES}/main")},
    "queries.quick": {"root": Path(f"{_DATABASES}/main")},
    "php-fpm.free": {"root": Path(f"{_DATABASES}/main")},
    "statement.longest": {"root": Path(f"{_DATABASES}/main")},
    "log.slow": {"root": Path(f"{_DATABASES}/main")},
    "cache.hit-rate": {"root": Path(f"{_DATABASES}/main")},
    "config-cache.build": {"root": Path(f"{_DATABASES}/main")},
    "statement.cancel": {"root": Path(f"{_DATABASES}/main")},
    "statement.end": {"root": Path(f"{_DATABASES}/main")},
    "queue.retry": {"root": Path(_DONE), "classes": "App\\Jobs\\Export"},
    "memory.available": {},
    "oom-kill.over": {"units": ("nginx.service", "php*-fpm.service")},
    "memory.overview": {},
    "memory.processes": {"root": Path(_IDLE)},
    "oom-kill.list": {},
    "leaking-workers.restart": {"root": Path(_IDLE), **_SHORT},
    "leaking-php.reload": {"unit": "php8.2-fpm.service", **_SHORT},
    "leaking-unit.restart": {"root": Path(_IDLE), **_SHORT},
    "bookings.apart": {"root": Path(f"{_HOTEL}/double")},
    "bookings.guarded": {"root": Path(f"{_HOTEL}/double")},
    "bookings.overlaps": {"root": Path(f"{_HOTEL}/double")},
    "bookings.guards": {"root": Path(f"{_HOTEL}/double")},
    "bookings.log-window": {"root": Path(f"{_HOTEL}/double"), "logs": (Path(f"{_HOTEL}.log"),)},
    "bookings.choices": {"root": Path(f"{_HOTEL}/double")},
    "booking-constraint.add": {"root": Path(f"{_HOTEL}/unguarded")},
}


@dataclass
class Asked:
    """A host that answers from :data:`ANSWERS` and remembers what it was asked."""

    commands: list[Command] = field(default_factory=list)
    rounds: int = 0

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        self.rounds += 1
        self.commands += commands
        return [self._answer(" ".join(command.words)) for command in commands]

    @staticmethod
    def _answer(text: str) -> Output | FactError:
        for part, answer in ANSWERS:
            if part in text:
                return answer
        raise AssertionError(f"no sample answers: {text}")


class Noting(Reader):
    """A reader that remembers the queries themselves."""

    __slots__ = ("queries",)

    def __init__(self) -> None:
        self.queries: list[Query[Any]] = []

    async def ask(self, query: Query[Any]) -> Any:
        self.queries.append(query)
        return await super().ask(query)

    async def ask_all(self, *queries: Query[Any]) -> Any:
        self.queries += queries
        return await super().ask_all(*queries)

    async def ask_each(self, queries: Sequence[Query[Any]]) -> Any:
        self.queries += queries
        return await super().ask_each(queries)


def sample(kind: type[Reading[Any]]) -> Reading[Any]:
    """Return one use of a kind, as a playbook could write it."""
    assert kind.kind in _PLAYBOOK, f"tests/laws/samples.py has no sample of {kind.kind}"
    return kind(**_PLAYBOOK[kind.kind])


def seen_by(reading: Reading[Any]) -> Any:
    """Return what it sees on the sample host."""
    (seen,) = look([reading.read(Reader())], Asked().ask)
    assert not isinstance(seen, FactError), seen
    return seen


def followed(reading: Reading[Any], host: Asked, reader: Reader) -> Any:
    """Let a look measure, after a repair of the sample host, what becomes of what it saw; nothing where it is none."""
    if not isinstance(reading, Look):
        return ()
    (forecasts,) = look([reading.follow(reader, seen_by(reading))], host.ask)
    return forecasts


def commands_of(reading: Reading[Any]) -> list[Command]:
    """Return every command it asks on the sample host, before a repair and after it."""
    host = Asked()
    look([reading.read(Reader())], host.ask)
    followed(reading, host, Reader())
    return host.commands


def queries_of(reading: Reading[Any]) -> list[Query[Any]]:
    """Return every query it asks on the sample host, before a repair and after it."""
    reader = Noting()
    look([reading.read(reader)], Asked().ask)
    followed(reading, Asked(), reader)
    return reader.queries


def changes_of(kind: type[Reading[Any]]) -> tuple[Change, ...]:
    """Return what a task would change on the sample host: every task has something to do there."""
    task = sample(kind)
    assert isinstance(task, Task)
    changes = task.plan(seen_by(task)).changes
    assert changes, f"the sample host gives {kind.kind} nothing to do"
    return changes


TASKS = tuple(kind for kind in KINDS if issubclass(kind, Task))
