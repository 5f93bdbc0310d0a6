"""PostgreSQL on the host itself: its clusters, whether they take connections, who is connected, and who waits for whom.

Clusters are asked as their own system user, by peer authentication over their socket: no password is needed, and a
connection that is reserved for superusers is left even where all others are taken. What statements say is customers'
data: of each only its first word leaves the server.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: What sessions of this program call themselves; they are never counted, and never ended.
OUR_NAME = "soleil-remediate"
#: Debian's, for PostgreSQL and pgbouncer alike.
SOCKETS = PurePosixPath("/var/run/postgresql")
#: What tells the clusters of a host; not there where none was ever installed.
LISTER = PurePosixPath("/usr/bin/pg_lsclusters")

#: For a person: whose sessions there are, and what they do.
COUNT_SESSIONS = "SELECT usename, datname, state, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3"

#: For a person: who waits for a lock, and who keeps them waiting.
WHO_WAITS = "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

_CLUSTER = re.compile(r"(\d+(?:\.\d+)?) +(\S+) +(\d{1,5}) +([a-z_,]+) +(\S+) +(/\S*) +(\S+)")
#: What pg_lsclusters prints instead of a port, an owner or a folder.
_UNKNOWN = "<unknown>"
#: What its status may say of a cluster itself; any other word is the name of what runs it, such as patroni.
_STATES = frozenset({"online", "down", "recovery", "binaries_missing"})
#: No statement waits for long, none changes anything, and times are told in one way only.
_SETTINGS = (
    "statement_timeout=3s",
    "lock_timeout=1s",
    "idle_in_transaction_session_timeout=10s",
    "default_transaction_read_only=on",
    "TimeZone=UTC",
    "DateStyle=ISO",
    "lc_messages=C",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One PostgreSQL server with its databases, as Debian keeps them.

    Args:
        version: Such as ``15``.
        name: Such as ``main``.
        port: On which it listens, or would.
        status: ``online`` or ``down``, and more behind a comma, such as ``recovery``.
        owner: The system user whose it is.
        data: Its folder.
        log: Where it logs; ``None`` where that is no file of its own.
    """

    version: str
    name: str
    port: int
    status: str
    owner: str
    data: PurePosixPath
    log: PurePosixPath | None

    @property
    def unit(self) -> str:
        """What systemd calls it. ``postgresql.service`` is none: it is active whatever becomes of the clusters."""
        return f"postgresql@{self.version}-{self.name}.service"

    @property
    def is_online(self) -> bool:
        return self.status.split(",")[0] == "online"

    @property
    def is_recovering(self) -> bool:
        """It follows another server, or still replays what it had written before it went down."""
        return "recovery" in self.status.split(",")

    @property
    def supervisor(self) -> str:
        """What runs it in place of systemd, such as ``patroni``; empty for nothing."""
        return ", ".join(word for word in self.status.split(",") if word not in _STATES)

    def __str__(self) -> str:
        return f"{self.version}/{self.name}"


@dataclass(frozen=True, slots=True)
class ListClusters(Query[tuple[Cluster, ...]]):
    """Every cluster of the host, whether it runs or not."""

    empty_is = "there is none, where pg_lsclusters ended well"

    @property
    def command(self) -> Command:
        return Command((str(LISTER), "--no-header"), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[Cluster, ...]:
        found = []
        for line in output.text.splitlines():
            if _UNKNOWN in line.split()[2:6]:
                continue  # its configuration cannot be read: there is nothing that could be asked of it
            match = _CLUSTER.fullmatch(line.strip())
            if match is None:
                raise ValueError(f"no cluster: {redacted(line)[:80]!r}")
            version, name, port, status, owner, data, log = match.groups()
            found.append(
                Cluster(
                    version=version,
                    name=name,
                    port=int(port),
                    status=status,
                    owner=owner,
                    data=PurePosixPath(data),
                    log=PurePosixPath(log) if log.startswith("/") else None,
                )
            )
        return tuple(found)


class Readiness(Enum):
    """What a server makes of somebody who wants to connect."""

    ACCEPTING = "accepting connections"
    REJECTING = "rejecting connections"  # it starts, stops or recovers
    SILENT = "no response"


@dataclass(frozen=True, slots=True)
class AskReady(Query[Readiness]):
    """Whether the cluster on a port takes connections over its socket.

    As its own system user *owner*: of anybody who is no role there the server would log that each time.
    """

    port: int
    owner: str
    # 1: it rejects them; 2: no response
    expects = frozenset({0, 1, 2})

    @property
    def command(self) -> Command:
        words = ("pg_isready", f"--host={SOCKETS}", f"--port={self.port}", "--timeout=3")
        return Command(words, user=self.owner, deadline=Duration(5), is_slow=True)

    def parse(self, output: Output) -> Readiness:
        said = output.text.rstrip("\n").rpartition(" - ")[2]
        found = Readiness(said)
        if list(Readiness)[output.exit_status] is not found:
            raise ValueError("it says one thing and ends with another")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One connection to a cluster.

    Args:
        pid: Of the server's process.
        began: When it was opened, to the microsecond, as the server writes it: together with the number it is no other.
        role: As whom.
        database: To which; empty for none.
        application: What the client calls itself; it may call itself anything.
        client: Where it comes from; empty for the socket.
        state: ``active``, ``idle``, ``idle in transaction``, …; empty for what is no client's.
        since: So long it has been in that state.
        transaction: So long its transaction is open; ``None`` without one.
        first_word: Of the statement that it runs or ran last, such as ``UPDATE``.
        is_waiting: For a lock.
        blocked_by: Who keeps it waiting.
        is_superuser: Its role is one, or may replicate.
        is_client: It is neither one of the server's own nor a standby's.
    """

    pid: int
    began: str
    role: str
    database: str
    application: str
    client: str
    state: str
    since: Duration
    transaction: Duration | None
    first_word: str
    is_waiting: bool
    blocked_by: tuple[int, ...]
    is_superuser: bool
    is_client: bool

    @property
    def is_in_transaction(self) -> bool:
        """It holds what it has locked, and does nothing."""
        return self.state.startswith("idle in transaction")

    @property
    def is_idle(self) -> bool:
        return self.state == "idle"

    @property
    def is_ours(self) -> bool:
        return self.application == OUR_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What a cluster does.

    Args:
        most: How many connections it takes (max_connections).
        reserved: So many of them are kept for superusers and whom they let in.
        is_standby: It follows another server, or recovers.
        standbys: So many servers follow it.
        pending: The settings that were changed and would count after a restart only.
        role_limits: By role, the most connections it may have, where it has a limit.
        database_limits: By database, likewise.
        sessions: Every connection but the one that asks, and the server's own processes.
    """

    most: int
    reserved: int
    is_standby: bool
    standbys: int
    pending: tuple[str, ...]
    role_limits: dict[str, int]
    database_limits: dict[str, int]
    sessions: tuple[Session, ...]

    @property
    def clients(self) -> tuple[Session, ...]:
        """Those that take one of the connections, this program's own aside."""
        return tuple(one for one in self.sessions if one.is_client and not one.is_ours)

    @property
    def room(self) -> int:
        """So many connections are for everybody."""
        return self.most - self.reserved

    def exhausted(self, role: str, database: str) -> str:
        """Return which limit keeps *role* out of *database*, for people; empty where none does."""
        taken = len(self.clients)
        if taken >= self.room:
            kept = f" ({self.reserved} more are kept for superusers)" if self.reserved else ""
            return f"{taken} of {self.room} connections are taken{kept}"
        for whose, limits, counted in (
            (f"role {role}", self.role_limits.get(role), [one for one in self.clients if one.role == role]),
            (
                f"database {database}",
                self.database_limits.get(database),
                [one for one in self.clients if one.database == database],
            ),
        ):
            if limits is not None and len(counted) >= limits:
                return f"{whose} has {len(counted)} of the {limits} connections that it may have"
        return ""

    def blockers(self) -> tuple[Session, ...]:
        """Return those for whom others wait, and that wait for nobody themselves, those with the oldest state first."""
        waiting = [one for one in self.sessions if one.is_waiting]
        holding = {pid for one in waiting for pid in one.blocked_by} - {one.pid for one in waiting}
        found = (one for one in self.sessions if one.pid in holding)
        return tuple(sorted(found, key=lambda one: (-one.since, one.pid)))


_ACTIVITY = """\
select json_build_object(
    'most', current_setting('max_connections')::int,
    'reserved', current_setting('superuser_reserved_connections')::int
        + coalesce(nullif(current_setting('reserved_connections', true), '')::int, 0),
    'is_standby', pg_is_in_recovery(),
    'standbys', (select count(*) from pg_stat_replication),
    'pending', (select coalesce(json_agg(name order by name), '[]') from pg_settings where pending_restart),
    'role_limits', (select coalesce(json_object_agg(rolname, rolconnlimit), '{}') from pg_roles
        where rolconnlimit >= 0 and not rolsuper),
    'database_limits', (select coalesce(json_object_agg(datname, datconnlimit), '{}') from pg_database
        where datconnlimit >= 0),
    'sessions', (select coalesce(json_agg(json_build_object(
            'pid', a.pid,
            'began', a.backend_start::text,
            'role', a.usename,
            'database', a.datname,
            'application', left(a.application_name, 64),
            'client', a.client_addr::text,
            'state', a.state,
            'since', floor(extract(epoch from clock_timestamp() - coalesce(a.state_change, a.backend_start)))::bigint,
            'transaction', floor(extract(epoch from clock_timestamp() - a.xact_start))::bigint,
            'first_word', upper(substring(a.query from '^[[:space:]]*([A-Za-z]{1,20})')),
            'is_waiting', coalesce(a.wait_event_type = 'Lock', false),
            'blocked_by', case when a.wait_event_type = 'Lock' then to_json(pg_blocking_pids(a.pid)) else '[]' end,
            'is_superuser', coalesce(r.rolsuper or r.rolreplication, false),
            'is_client', a.backend_type = 'client backend'
        ) order by a.pid), '[]')
        from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid where a.pid <> pg_backend_pid()))
"""


def psql(port: int, *words: str) -> tuple[str, ...]:
    """Return the words that ask the cluster on *port* by its socket, as whoever runs them."""
    options = " ".join(f"-c {one}" for one in _SETTINGS)
    place = f"host={SOCKETS} port={port} dbname=postgres connect_timeout=3 application_name={OUR_NAME}"
    return (*_PSQL, f"--dbname={place} options='{options}'", *words)


_PSQL = ("psql", "--no-psqlrc", "--no-password", "--quiet", "--no-align", "--set=ON_ERROR_STOP=1")


@dataclass(frozen=True, slots=True)
class AskActivity(Query[Activity]):
    """What a cluster does, as its own system user *owner* is told over its socket."""

    port: int
    owner: str

    @property
    def command(self) -> Command:
        words = psql(self.port, "--tuples-only", f"--command={_ACTIVITY}")
        return Command(words, user=self.owner, deadline=Duration(8), is_slow=True)

    def parse(self, output: Output) -> Activity:
        told = json.loads(output.stdout)
        if not isinstance(told, dict):
            raise ValueError("no object")  # noqa: TRY004  # an answer that cannot be read, not a bug
        return Activity(
            most=int(told["most"]),
            reserved=int(told["reserved"]),
            is_standby=_flag(told["is_standby"]),
            standbys=int(told["standbys"]),
            pending=tuple(map(str, told["pending"])),
            role_limits={str(name): int(most) for name, most in dict(told["role_limits"]).items()},
            database_limits={str(name): int(most) for name, most in dict(told["database_limits"]).items()},
            sessions=tuple(_session(one) for one in told["sessions"]),
        )


def _session(told: dict[str, Any]) -> Session:
    transaction = told["transaction"]
    return Session(
        pid=int(told["pid"]),
        began=str(told["began"]),
        role=_text(told["role"]),
        database=_text(told["database"]),
        application=_text(told["application"]),
        client=_text(told["client"]),
        state=_text(told["state"]),
        since=Duration(max(0, int(told["since"]))),
        transaction=None if transaction is None else Duration(max(0, int(transaction))),
        first_word=_text(told["first_word"]),
        is_waiting=_flag(told["is_waiting"]),
        blocked_by=tuple(map(int, told["blocked_by"])),
        is_superuser=_flag(told["is_superuser"]),
        is_client=_flag(told["is_client"]),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("neither yes nor no")


#: What a server logs about itself. The other lines may hold statements, and with them customers' data.
_LOGGED = re.compile(r".*?\b(LOG|WARNING|FATAL|PANIC|HINT): +(.*)")
_STATEMENT = re.compile(r"(statement|duration|execute|bind|parse)\b.*|.*\b(parameters|unnamed portal)\b.*")


def own_words(lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return those lines of a server's log that are about the server, without what clients sent."""
    found = []
    for line in lines:
        match = _LOGGED.fullmatch(line)
        if match and not _STATEMENT.fullmatch(match[2]):
            found.append(line)
    return tuple(found)
