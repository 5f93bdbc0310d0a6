"""What the application's PostgreSQL works at: which statements run, for how long, and who keeps whom waiting.

Asked as :mod:`soleil_remediate.facts.postgresql` asks, as the cluster's own system user. What statements say is
customers' data: of each only its first word leaves the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.databases import Database, read_database
from soleil_remediate.facts.php_fpm import ListProcesses, Running
from soleil_remediate.facts.postgresql import OUR_NAME, psql
from soleil_remediate.facts.together import together
from soleil_remediate.units import Duration

#: Clients that make a backup or restore one, by what they call themselves.
_BACKUP = re.compile(r"pg_(dump|dumpall|restore|basebackup|receivewal|recvlogical)\b.*|pgbackrest.*|barman.*|wal-g.*")
#: How statements begin that change what tables are, work on whole tables, or move them.
_WHOLE = frozenset(
    "ALTER ANALYZE CLUSTER COMMENT COPY CREATE DROP GRANT LOCK REFRESH REINDEX REVOKE TRUNCATE VACUUM".split()
)
_MIGRATION = re.compile(r"(?:\S*/)?php\S* (?:\S+ )*?(?:\S*/)?artisan (?:\S+ )*?migrate(?::\S+)?(?: .*)?")

_STATEMENTS = """\
select json_build_object(
    'blocks', (select coalesce(json_object_agg(datname, json_build_array(blks_hit, blks_read)), '{}')
        from pg_stat_database where datname is not null),
    'sessions', (select coalesce(json_agg(json_build_object(
            'pid', a.pid,
            'began', a.backend_start::text,
            'asked', a.query_start::text,
            'role', a.usename,
            'database', a.datname,
            'application', left(a.application_name, 64),
            'kind', a.backend_type,
            'state', a.state,
            'runs', floor(extract(epoch from clock_timestamp() - a.query_start))::bigint,
            'since', floor(extract(epoch from clock_timestamp() - a.state_change))::bigint,
            'first_word', upper(substring(a.query from '^[[:space:]]*([A-Za-z]{1,20})')),
            'waits_for', case when a.state = 'active' then concat_ws(': ', a.wait_event_type, a.wait_event) end,
            'blocked_by', case when a.wait_event_type = 'Lock' then to_json(pg_blocking_pids(a.pid)) else '[]' end,
            'is_superuser', coalesce(r.rolsuper or r.rolreplication, false)
        ) order by a.query_start, a.pid), '[]')
        from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
        where a.pid <> pg_backend_pid() and a.query_start is not null and a.backend_type <> 'parallel worker'
        and (a.state = 'active' or a.state like 'idle in transaction%')))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one session of a cluster does now, or did last in the transaction that it keeps open.

    Args:
        pid: Of the server's process.
        began: When the session was opened, to the microsecond, as the server writes it.
        asked: When the statement began, likewise: together with the two before it is no other one.
        role: As whom.
        database: In which.
        application: What the client calls itself; it may call itself anything.
        is_client: It is neither one of the server's own, such as autovacuum, nor a standby's.
        state: ``active``, or ``idle in transaction``.
        runs: Since it began.
        since: So long the session has been in that state.
        first_word: Such as ``UPDATE``.
        waits_for: By the server's own names, such as ``Lock: relation``; empty where it works.
        blocked_by: Who keeps it waiting for a lock.
        is_superuser: Its role is one, or may replicate.
    """

    pid: int
    began: str
    asked: str
    role: str
    database: str
    application: str
    is_client: bool
    state: str
    runs: Duration
    since: Duration
    first_word: str
    waits_for: str
    blocked_by: tuple[int, ...]
    is_superuser: bool

    @property
    def is_active(self) -> bool:
        return self.state == "active"

    @property
    def is_waiting(self) -> bool:
        """For a lock that somebody else has, or is to have before it."""
        return bool(self.blocked_by)

    @property
    def why_spared(self) -> str:
        """Why nobody may cancel it unasked, whosever it is; empty where nothing speaks against that."""
        if _BACKUP.fullmatch(self.application):
            return f"a backup ({self.application})"
        return f"{self.first_word}, which works on whole tables" if self.first_word in _WHOLE else ""

    @property
    def in_words(self) -> str:
        """The same, for people."""
        named = f" ({self.application})" if self.application else ""
        if not self.is_active:
            return f"{self.pid} of {self.role}{named}, idle in an open transaction for {self.since}"
        return f"{self.pid} {self.first_word or 'a statement'} of {self.role or 'the server'}{named} for {self.runs}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statements:
    """What a cluster works at.

    Args:
        blocks: By database, how many blocks were found in the server's own memory, and how many were not, since its
            statistics began.
        sessions: Those that run a statement, or keep a transaction open, the oldest statement first; without the one
            that asks and others of this program.
    """

    blocks: dict[str, tuple[int, int]]
    sessions: tuple[Statement, ...]

    @property
    def waiting(self) -> tuple[Statement, ...]:
        """Those that wait for a lock."""
        return tuple(one for one in self.sessions if one.is_waiting)

    @property
    def heads(self) -> tuple[Statement, ...]:
        """Those for whom others wait, and that wait for nobody themselves."""
        holding = {pid for one in self.waiting for pid in one.blocked_by}
        return tuple(one for one in self.sessions if one.pid in holding and not one.is_waiting)

    def behind(self, head: Statement) -> tuple[Statement, ...]:
        """Return who waits for *head*, directly or for somebody who does."""
        found, reached = set[int](), {head.pid}
        while reached - found:
            found |= reached
            reached = {one.pid for one in self.waiting if found & set(one.blocked_by)}
        return tuple(one for one in self.waiting if one.pid in found)


@dataclass(frozen=True, slots=True)
class AskStatements(Query[Statements]):
    """What a cluster works at, as its own system user *owner* is told over its socket."""

    port: int
    owner: str

    @property
    def command(self) -> Command:
        words = psql(self.port, "--tuples-only", f"--command={_STATEMENTS}")
        return Command(words, user=self.owner, deadline=Duration(8), is_slow=True)

    def parse(self, output: Output) -> Statements:
        told = json.loads(output.stdout)
        if not isinstance(told, dict):
            raise ValueError("no object")  # noqa: TRY004  # an answer that cannot be read, not a bug
        blocks = {str(name): (int(hit), int(read)) for name, (hit, read) in dict(told["blocks"]).items()}
        sessions = tuple(_statement(one) for one in told["sessions"])
        return Statements(blocks=blocks, sessions=tuple(one for one in sessions if one.application != OUR_NAME))


def _statement(told: dict[str, Any]) -> Statement:
    return Statement(
        pid=int(told["pid"]),
        began=str(told["began"]),
        asked=str(told["asked"]),
        role=str(told["role"] or ""),
        database=str(told["database"] or ""),
        application=str(told["application"] or ""),
        is_client=told["kind"] == "client backend",
        state=str(told["state"]),
        runs=Duration(max(0, int(told["runs"]))),
        since=Duration(max(0, int(told["since"]))),
        first_word=str(told["first_word"] or ""),
        waits_for=str(told["waits_for"] or ""),
        blocked_by=tuple(map(int, told["blocked_by"])),
        is_superuser=told["is_superuser"] is not False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What an application's database works at, as far as that can be known on the application's host.

    Args:
        database: Which, and how the application gets there.
        statements: ``None`` where its cluster is not on this host, or does not run.
        migrating: The numbers of the processes that run ``artisan migrate`` on this host.
    """

    database: Database
    statements: Statements | FactError | None
    migrating: tuple[int, ...] | FactError

    @property
    def own(self) -> tuple[Statement, ...]:
        """Those of the application's own role in its own database; none where nothing is known of any."""
        if not isinstance(self.statements, Statements):
            return ()
        return tuple(one for one in self.statements.sessions if self.is_own(one))

    def is_own(self, one: Statement) -> bool:
        """Whether it is the application's: of its role, in its database, and a client's."""
        wanted = (self.database.used.user, self.database.name)
        return one.is_client and not one.is_superuser and (one.role, one.database) == wanted


async def read_work(host: Reader, root: PurePosixPath, user: str) -> Work:
    """Ask the application, and then its cluster where that is on the host; three round trips.

    Raises:
        FactError: The application cannot be asked, or what there is on the host cannot be told.
    """
    database, (running,) = await together(read_database(host, root, user), host.ask_each([ListProcesses()]))
    local = database.local
    asked = [AskStatements(local.cluster.port, local.cluster.owner)] if local and local.cluster.is_online else []
    found = await host.ask_each(asked)
    return Work(
        database=database,
        statements=found[0] if found else None,
        migrating=running if isinstance(running, FactError) else migrations_among(running),
    )


def migrations_among(running: Iterable[Running]) -> tuple[int, ...]:
    """Return the numbers of those processes that run ``artisan migrate``."""
    return tuple(one.pid for one in running if _MIGRATION.fullmatch(one.words))
