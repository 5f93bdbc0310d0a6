"""What applications, PostgreSQL and pgbouncer of Debian 12 say, put together for tests."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Output, Reader
from soleil_remediate.facts.databases import Database, read_database
from tests.unit.facts.answers import record, said, see
from tests.unit.facts.application import DESCRIBED, STARTED
from tests.unit.facts.from_here import OWN
from tests.unit.facts.services import SOCKETS, unit_shown, units_shown

CLUSTERS = """\
15 down 5433 down                   postgres /var/lib/postgresql/15/down /var/log/postgresql/postgresql-15-down.log
15 full 5435 online                 postgres /var/lib/postgresql/15/full custom
15 hung 5434 online                 postgres /var/lib/postgresql/15/hung custom
15 main 5432 online                 postgres /var/lib/postgresql/15/main /var/log/postgresql/postgresql-15-main.log
"""

#: A file of pgbouncer's as grep prints what is asked for of it, and the three tables of its console.
POOLER = {
    "pgbouncer.ini": """\
1:[databases]
2:soleil =
2: host=127.0.0.1
2: port=5432
2: dbname=soleil
4:[pgbouncer]
5:logfile =
6:listen_port = 6432
7:unix_socket_dir = /var/run/postgresql
8:;
8: host=forgotten
""",
    "DATABASES": (
        "name\thost\tport\tdatabase\tforce_user\tpool_size\tcurrent_connections\tpaused\tdisabled\n"
        "pgbouncer\t\t6432\tpgbouncer\tpgbouncer\t2\t0\t0\t0\nsoleil\t127.0.0.1\t5432\tsoleil\t\t20\t3\t0\t0\n"
    ),
    "POOLS": (
        "database\tuser\tcl_active\tcl_waiting\tmaxwait\tmaxwait_us\npgbouncer\tpgbouncer\t1\t0\t0\t0\n"
        "soleil\tsoleil\t1\t4\t12\t5\nsoleil\tother\t1\t1\t3\t5\n"
    ),
    "STATE": "key\tvalue\nactive\tyes\npaused\tno\nsuspended\tno\n",
}

ACTIVITY: dict[str, Any] = {
    "most": 40,
    "reserved": 3,
    "is_standby": False,
    "standbys": 0,
    "pending": [],
    "role_limits": {},
    "database_limits": {},
    "sessions": [],
}


def described(**database: object) -> str:
    """Return what an application says of itself, its database as given."""
    said_of_itself = json.loads(DESCRIBED)
    said_of_itself["database"] |= database
    return json.dumps(said_of_itself) + "\n"


def session(**said: object) -> dict[str, object]:
    """Return one connection as the cluster tells it: the application's, idle, over the socket."""
    return {
        "pid": 70,
        "began": "2026-11-29 10:00:00.123456+00",
        "role": "soleil",
        "database": "soleil",
        "application": "",
        "client": "127.0.0.1",
        "state": "idle",
        "since": 1,
        "transaction": None,
        "first_word": "SELECT",
        "is_waiting": False,
        "blocked_by": [],
        "is_superuser": False,
        "is_client": True,
        **said,
    }


def told(activity: dict[str, Any], **said: object) -> str:
    """Return what a cluster says it does, some of it as given."""
    return json.dumps({**activity, **said}) + "\n"


#: What each question of a whole look is answered on a host where all is well, by a part of the command.
WELL: dict[str, Output] = {
    "php -- application": said(STARTED + described()),
    "php -- database": said(STARTED + '{"answered":true,"milliseconds":3,"class":"","why":""}\n'),
    "/proc/net/tcp": said(SOCKETS + "   1: 00000000:1538 00000000:0000 0A 0:0 0:0 0 0 0 1 1 0 100 0 0 10 0\n"),
    "list-unit-files": said("basic.target static -\n"),
    "systemctl show": said(
        units_shown(
            unit_shown("postgresql@15-main.service"),
            unit_shown("pgbouncer.service", active="inactive", sub="dead", enablement="disabled"),
        )
    ),
    "find /usr/bin/pg_lsclusters": said(record("/usr/bin/pg_lsclusters")),
    "fib_trie": said(OWN),
    "pgbouncer.ini": said(POOLER["pgbouncer.ini"]),
    "pg_lsclusters": said(CLUSTERS),
    "pg_isready": said("/var/run/postgresql:5432 - accepting connections\n"),
    "SHOW DATABASES": said(POOLER["DATABASES"]),
    "SHOW POOLS": said(POOLER["POOLS"]),
    "SHOW STATE": said(POOLER["STATE"]),
    "dbname=postgres": said(told(ACTIVITY, sessions=[session()])),
    "find -H /var/lib/postgresql": said(),
    "realpath": said("/var/lib/postgresql/15/main\0/var/backups/pg_wal\0"),
    "/proc/self/mountinfo": said(
        "27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 254:16 / /var/backups rw - ext4 /dev/vdb rw\n"
    ),
    "df -l": said(
        "1B-blocks Used Avail Inodes IUsed IFree Mounted on\n"
        "99999999999 4 99999999995 9999 4 9995 /\n99999999999 4 99999999995 9999 4 9995 /var/backups\n"
    ),
    "nft": said(),
}

ROOT = PurePosixPath("/srv/soleil/current")


def refused(why: str) -> Output:
    """Return that an application got no answer from its database, in the words of whoever said why."""
    reply = {"answered": False, "milliseconds": 2, "class": "PDOException", "why": why}
    return said(f"{STARTED}{json.dumps(reply)}\n")


def database(**answers: Output) -> Database:
    """Return what a whole look sees; what is answered otherwise than where all is well is given by a part of it."""
    rules = {_PARTS[part]: answer for part, answer in answers.items()}
    found: Database = see(read_database(Reader(), ROOT, "www-data"), *rules.items(), *WELL.items())
    return found


#: Parts of commands that are no names.
_PARTS = {
    "application": "php -- application",
    "reply": "php -- database",
    "units": "systemctl show",
    "unit": "-- basic.target postgresql@",
    "lister": "find /usr/bin/pg_lsclusters",
    "pooler": "pgbouncer.ini",
    "clusters": "/usr/bin/pg_lsclusters --no-header",
    "ready": "pg_isready",
    "activity": "dbname=postgres",
    "marks": "find -H /var/lib/postgresql",
    "usage": "df -l",
    "databases": "SHOW DATABASES",
    "pools": "SHOW POOLS",
    "state": "SHOW STATE",
    "rules": "nft",
    "sockets": "/proc/net/tcp",
    "places": "realpath",
    "addresses": "fib_trie",
}
