"""Stop statements of an application that run for too long: cancel them, and end the sessions of those that go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.databases import Local
from soleil_remediate.facts.postgresql import OUR_NAME, psql
from soleil_remediate.facts.statements import Statement, Statements, Work, read_work
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Whose clusters are: statements are stopped as that user.
_OWNER = "postgres"
#: So long a server may take to stop one.
_PATIENCE = 10
#: So many are named where there are many.
_NAMED = 4

#: For a person: what runs, the oldest first.
WHAT_RUNS = (
    "SELECT pid, now() - query_start, state, wait_event, query FROM pg_stat_activity WHERE state <> 'idle' "
    "ORDER BY 2 DESC"
)

#: Stop statements $6 of the cluster that the words from $7 on connect to, PID@SESSION'S START@STATEMENT'S START each,
#: joined by commas, by pg_$1_backend: only those that are still the same and still run, of role $2 in database $3, for
#: $4 seconds or longer, and wait for nobody's lock; never superusers', replication's or this program's. In $5 seconds
#: at most none of them may run any more.
_STOP = Script(
    "stop-statements",
    r"""set -eu
how=$1 role=$2 database=$3 seconds=$4 patience=$5 pins=$6
shift 6
ask() {
    "$@" --tuples-only --set=how="$how" --set=role="$role" --set=database="$database" --set=seconds="$seconds" \
        --set=pins="$pins"
}
pinned() {
    cat <<'SQL'
with pinned as (
    select split_part(pin, '@', 1)::int as pid, split_part(pin, '@', 2)::timestamptz as began,
        split_part(pin, '@', 3)::timestamptz as asked
    from unnest(string_to_array(:'pins', ',')) as pin
)
SQL
}
[ "$(echo 'select 1;' | ask "$@")" = 1 ] || { echo "the cluster cannot be asked: nothing was done" >&2; exit 75; }
stopped=$({ pinned; cat <<'SQL'
, fit as materialized (
    select a.pid from pg_stat_activity a
    join pinned p on a.pid = p.pid and a.backend_start = p.began and a.query_start = p.asked
    join pg_roles r on r.oid = a.usesysid
    where a.usename = :'role' and a.datname = :'database' and a.backend_type = 'client backend'
    and not r.rolsuper and not r.rolreplication and a.application_name <> '__OUR_NAME__' and a.pid <> pg_backend_pid()
    and a.state = 'active' and a.wait_event_type is distinct from 'Lock'
    and clock_timestamp() - a.query_start >= make_interval(secs => :'seconds'::int)
)
select pid from fit
where case :'how' when 'cancel' then pg_cancel_backend(pid) when 'terminate' then pg_terminate_backend(pid) end;
SQL
} | ask "$@") || { echo "the cluster did not answer: some of them may be stopped" >&2; exit 1; }
[ -n "$stopped" ] || { echo "none of them is what it was any more: nothing was done" >&2; exit 75; }
while :; do
    # shellcheck disable=SC2086  # numbers
    left=$({ pinned; cat <<'SQL'
select a.pid from pg_stat_activity a
join pinned p on a.pid = p.pid and a.backend_start = p.began and a.query_start = p.asked
where a.state = 'active' and a.pid::text = any(string_to_array(:'stopped', ' '));
SQL
    } | ask "$@" --set=stopped="$(printf '%s ' $stopped)") || { echo "whether they go on cannot be seen" >&2; exit 1; }
    [ -n "$left" ] || break
    # shellcheck disable=SC2086  # numbers
    [ "$patience" -gt 0 ] || { echo "go on all the same:" $left >&2; exit 1; }
    sleep 1
    patience=$((patience - 1))
done
# shellcheck disable=SC2086  # numbers
set -- $stopped
echo "stopped $# statements"
""".replace("__OUR_NAME__", OUR_NAME),
)


@dataclass(frozen=True, kw_only=True)
class _StopStatements(OfApplication[Work], Task[Work]):
    """What stops statements of the application's own role in its own database, and of nobody else.

    No rights are named for it: whoever may be PostgreSQL's own user may do anything with every database.
    """

    risk: ClassVar[Risk] = Risk.DISRUPTIVE
    rounds = 3

    longer_than: Duration = Duration(30)
    pid: int | None = None
    end_idle: str = "soleil-remediate remediate --scenario database-connection-failure"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.longer_than < 1:
            raise ValueError("longer_than must be 1 s at least: statements are not stopped as they begin")
        if self.pid is not None and not 0 < self.pid < 2**22:
            raise ValueError("pid must be the number of a process")

    async def read(self, host: Reader) -> Work:
        return await read_work(host, self.root, self.user)

    def _found(self, seen: Work) -> Plan | tuple[Local, tuple[Statement, ...]]:
        """Return the cluster and what may be stopped there, or why there is nothing.

        Raises:
            Unplannable: What keeps others out may not be stopped, or it cannot be known what does.
        """
        local, statements = seen.database.local, seen.statements
        if local is None or statements is None:
            if seen.database.reply.is_answered and seen.database.is_postgresql and local is None:
                raise Unplannable(
                    f"the cluster behind {seen.database.place} is on another host, and no statement is stopped from "
                    f"here. By hand there: {WHAT_RUNS}; SELECT pg_cancel_backend(PID)"
                )
            if seen.database.reply.is_answered and not seen.database.is_postgresql:
                raise Unplannable(
                    f"which statements run is seen in PostgreSQL alone: the database is {seen.database.used.driver}"
                )
            return Plan.nothing("there is no cluster of this application here that runs")
        if isinstance(statements, FactError):
            raise Unplannable(f"what PostgreSQL {local.cluster} works at cannot be seen: {statements}")
        long = [one for one in seen.own if one.is_active and not one.is_waiting and one.runs >= self.longer_than]
        may = tuple(one for one in long if (one.pid == self.pid if self.pid else not one.why_spared))
        if may:
            if not self.pid:
                _refuse_while_migrating(seen, may)
            return local, may
        self._refuse_what_is_left(seen, statements, long)
        return Plan.nothing(f"no statement of {seen.database.used.user}'s has run for {self.longer_than}")

    def _refuse_what_is_left(self, seen: Work, statements: Statements, long: Sequence[Statement]) -> None:
        """Raise Unplannable where something that may not be stopped keeps others waiting, or runs for long itself."""
        for head in statements.heads:
            many = len(statements.behind(head))
            waits = f"{many} statement{'s wait' if many > 1 else ' waits'} for {head.in_words}"
            if not head.is_active:
                raise Unplannable(
                    f"{waits}: it does nothing, and its statement is over. That is database-connection-failure's: "
                    f"{self.end_idle}"
                )
            if not seen.is_own(head):
                raise Unplannable(
                    f"{waits}, which is not the application's own in its own database. By hand, once its owner agrees: "
                    f"SELECT pg_cancel_backend({head.pid})"
                )
            if not head.why_spared and head.runs < self.longer_than and not self.pid:
                raise Unplannable(
                    f"{waits}: not for {self.longer_than} yet; with --set longer_than={int(head.runs)}s it is stopped"
                )
        for one in () if self.pid else long:
            raise Unplannable(
                f"{one.in_words} runs, {one.why_spared}: it is left alone. If it may be stopped: --set pid={one.pid}"
            )

    def _plan(self, seen: Work, how: str, summary: str, *, loses: str, downtime: str) -> Plan:
        found = self._found(seen)
        if isinstance(found, Plan):
            return found
        local, statements = found
        cluster, database = local.cluster, seen.database
        if cluster.owner != _OWNER:
            raise Unplannable(f"PostgreSQL {cluster} is {cluster.owner}'s, and statements are stopped as {_OWNER}")
        pins = ",".join(f"{one.pid}@{one.began}@{one.asked}" for one in statements)
        role = database.used.user
        words = _STOP.bind(how, role, database.name, ceil(self.longer_than), _PATIENCE, pins, *psql(cluster.port))
        many = "s" if len(statements) > 1 else ""
        return Plan.of(
            Change(
                summary=summary.format(
                    f"{len(statements)} statement{many} of {role} in {database.name} that "
                    f"ha{'ve' if many else 's'} run for {self.longer_than} or longer"
                ),
                command=Command(words, user=_OWNER, deadline=Duration(60)),
                risk=self.risk,
                undo=Undo.none("a statement that was stopped is gone; its client may ask again"),
                before=_listed(statements),
                after=f"{'none' if many else 'not one'} of them runs",
                loses=loses,
                keeps="every other statement: whoever waits for a lock, other roles', backups, autovacuum",
                downtime=downtime,
            ),
            because="; ".join(_why(statements, seen)),
        )


def _refuse_while_migrating(seen: Work, statements: Sequence[Statement]) -> None:
    """Raise Unplannable where one of some statements may be a migration's."""
    named = f"--set pid={statements[0].pid}"
    if isinstance(seen.migrating, FactError):
        raise Unplannable(
            f"whether a migration runs cannot be known, and a statement may be its: {seen.migrating}; with {named} it "
            "is stopped all the same"
        )
    if seen.migrating:
        raise Unplannable(
            f"artisan migrate runs (process {seen.migrating[0]}), and a statement may be its: {_listed(statements)}. "
            f"Let it end, or ask whose it is; with {named} it is stopped all the same"
        )


def _why(statements: Sequence[Statement], seen: Work) -> Iterator[str]:
    """Return why these statements are stopped: how long they run, and who waits for them."""
    longest = max(one.runs for one in statements)
    count = len(statements)
    yield f"{count} statement{'s run' if count > 1 else ' runs'}, the longest for {longest}"
    for one in statements:
        if isinstance(seen.statements, Statements) and (behind := seen.statements.behind(one)):
            yield f"{len(behind)} wait{'' if len(behind) > 1 else 's'} for {one.pid}"


def _listed(statements: Sequence[Statement]) -> str:
    """Return some statements for people, the oldest first."""
    shown = [one.in_words for one in statements[:_NAMED]]
    return "; ".join(shown) + (f"; and {len(statements) - _NAMED} more" if len(statements) > _NAMED else "")


@dataclass(frozen=True, kw_only=True)
class CancelStatements(_StopStatements):
    """Cancel statements of the application's that have run for too long; their sessions stay.

    Only statements of the application's own role in its own database that work, and wait for nobody's lock: to cancel
    who waits would free nothing. Never autovacuum, replication, superusers or this program; and neither a backup
    (pg_dump and the like), nor what works on whole tables (ALTER, CREATE, VACUUM, COPY, ...), nor anything while
    ``artisan migrate`` runs, unless its number is given. Each is known by its number, by when its session and by when
    the statement itself began, and the server compares all of that again in the statement that cancels it.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        longer_than: Only what has run for at least so long is stopped.
        pid: The number of the one that is to be stopped, whatever it does.
        end_idle: The command that ends sessions which do nothing and keep others out, for a person.

    Raises:
        Unplannable: What runs for so long, or keeps others waiting, may not be stopped, or is not the application's; or
            it cannot be known what runs.
    """

    kind = "statement.cancel"

    def plan(self, seen: Work) -> Plan:
        return self._plan(
            seen,
            "cancel",
            "cancel {}",
            loses="what their transactions had changed is rolled back; a job among them fails, as others fail",
            downtime="who waits for one of them meets an error, once",
        )


@dataclass(frozen=True, kw_only=True)
class EndStatements(_StopStatements):
    """End the sessions of statements of the application's that have run for too long, where cancelling stopped nothing.

    The same statements as ``statement.cancel`` would cancel, and no others: it comes after it, for those that go on.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        longer_than: Only what has run for at least so long is stopped.
        pid: The number of the one that is to be stopped, whatever it does.
        end_idle: The command that ends sessions which do nothing and keep others out, for a person.

    Raises:
        Unplannable: What runs for so long, or keeps others waiting, may not be stopped, or is not the application's; or
            it cannot be known what runs.
    """

    kind = "statement.end"

    def plan(self, seen: Work) -> Plan:
        return self._plan(
            seen,
            "terminate",
            "end the sessions of {}",
            loses="what their transactions had changed is rolled back; what lives with a session goes: settings, "
            "temporary tables, advisory locks",
            downtime="who used one of them meets an error, once, and connects anew",
        )
