"""End the sessions that keep an application out of its own database."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import ClassVar

from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.databases import Database, Local
from soleil_remediate.facts.postgresql import COUNT_SESSIONS, OUR_NAME, WHO_WAITS, Activity, Session, psql
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.tasks.databases import OfDatabase
from soleil_remediate.units import Duration

#: Whose clusters are: sessions are ended as that user.
_OWNER = "postgres"


#: End sessions $6 of the cluster that the words from $7 on connect to, PID@START each, joined by commas: only those
#: that are still the same, of role $1 in database $2, in state $3 (aborted or not) for $4 seconds or longer; never
#: superusers', replication's or this program's. In $5 seconds at most none of them may be left.
_END = Script(
    "end-sessions",
    r"""set -eu
role=$1 database=$2 state=$3 seconds=$4 patience=$5 pins=$6
shift 6
ask() {
    "$@" --tuples-only --set=role="$role" --set=database="$database" --set=state="$state" --set=seconds="$seconds" \
        --set=pins="$pins"
}
pinned() {
    cat <<'SQL'
with pinned as (
    select split_part(pin, '@', 1)::int as pid, split_part(pin, '@', 2)::timestamptz as began
    from unnest(string_to_array(:'pins', ',')) as pin
)
SQL
}
[ "$(echo 'select 1;' | ask "$@")" = 1 ] || { echo "the cluster cannot be asked: nothing was done" >&2; exit 75; }
ended=$({ pinned; cat <<'SQL'
, fit as materialized (
    select a.pid from pg_stat_activity a join pinned p on a.pid = p.pid and a.backend_start = p.began
    join pg_roles r on r.oid = a.usesysid
    where a.usename = :'role' and a.datname = :'database' and a.backend_type = 'client backend'
    and not r.rolsuper and not r.rolreplication and a.application_name <> '__OUR_NAME__' and a.pid <> pg_backend_pid()
    and (a.state = :'state' or a.state = :'state' || ' (aborted)')
    and clock_timestamp() - a.state_change >= make_interval(secs => :'seconds'::int)
)
select pid from fit where pg_terminate_backend(pid);
SQL
} | ask "$@") || { echo "the cluster did not answer: some of them may be ended" >&2; exit 1; }
[ -n "$ended" ] || { echo "none of them is what it was any more: nothing was done" >&2; exit 75; }
while :; do
    # shellcheck disable=SC2086  # numbers
    left=$({ pinned; cat <<'SQL'
select a.pid from pg_stat_activity a join pinned p on a.pid = p.pid and a.backend_start = p.began
where a.pid::text = any(string_to_array(:'ended', ' '));
SQL
    } | ask "$@" --set=ended="$(printf '%s ' $ended)") || { echo "whether they are gone cannot be seen" >&2; exit 1; }
    [ -n "$left" ] || break
    # shellcheck disable=SC2086  # numbers
    [ "$patience" -gt 0 ] || { echo "not ended:" $left >&2; exit 1; }
    sleep 1
    patience=$((patience - 1))
done
# shellcheck disable=SC2086  # numbers
set -- $ended
echo "ended $# sessions"
""".replace("__OUR_NAME__", OUR_NAME),
)


#: So long a server may take to end a session.
_PATIENCE = 10


@dataclass(frozen=True, kw_only=True)
class _EndSessions(OfDatabase):
    """What ends sessions of the application's own role in its own database, and of nobody else.

    No rights are named for it: whoever may be PostgreSQL's own user may do anything with every database.
    """

    @property
    @abstractmethod
    def _age(self) -> Duration:
        """So long a session must have done nothing."""

    @property
    @abstractmethod
    def _state(self) -> str:
        """In which state it must be."""

    def _activity(self, seen: Database) -> tuple[Local, Activity] | None:
        """Return the cluster and what it does; ``None`` where there is none here that could be asked."""
        local = seen.local
        if local is None or local.activity is None:
            return None
        if isinstance(local.activity, FactError):
            raise Unplannable(f"who is connected to PostgreSQL {local.cluster} cannot be seen: {local.activity}")
        return local, local.activity

    def _may_end(self, one: Session, seen: Database) -> bool:
        return (
            one.is_client
            and not one.is_superuser
            and not one.is_ours
            and (one.role, one.database) == (seen.used.user, seen.name)
        )

    def _end(self, sessions: Sequence[Session], local: Local, seen: Database, *, because: str, loses: str) -> Plan:
        cluster = local.cluster
        if cluster.owner != _OWNER:
            raise Unplannable(f"PostgreSQL {cluster} is {cluster.owner}'s, and sessions are ended as {_OWNER}")
        pins = ",".join(f"{one.pid}@{one.began}" for one in sessions)
        words = _END.bind(seen.used.user, seen.name, self._state, ceil(self._age), _PATIENCE, pins, *psql(cluster.port))
        count = f"{len(sessions)} session{'s' if len(sessions) > 1 else ''}"
        return Plan.of(
            Change(
                summary=f"end {count} of {seen.used.user} in {seen.name} that {_are(sessions)} {self._state}",
                command=Command(words, user=_OWNER, deadline=Duration(60)),
                risk=Risk.DISRUPTIVE,
                undo=Undo.none("a session that was ended is gone; its client connects anew"),
                before=_listed(sessions),
                after=f"{'none' if len(sessions) > 1 else 'not one'} of them is connected",
                loses=loses,
                keeps="every other session, superusers and replication among them",
                downtime="who used one of them meets an error, once, and connects anew",
            ),
            because=because,
        )


def _are(sessions: Sequence[Session]) -> str:
    return "are" if len(sessions) > 1 else "is"


def _listed(sessions: Sequence[Session]) -> str:
    """Return some sessions for people, those that did nothing for longest first."""
    shown = [
        f"{one.pid} {one.state} for {one.since}{f', last {one.first_word}' if one.first_word else ''}"
        for one in sessions[:4]
    ]
    return "; ".join(shown) + (f"; and {len(sessions) - 4} more" if len(sessions) > 4 else "")


@dataclass(frozen=True, kw_only=True)
class EndIdleTransactions(_EndSessions):
    """End sessions of the application that sit idle in an open transaction and keep others out.

    Only where others wait for what such a session has locked, or no connection is left: an idle transaction by itself
    is none of its business. Only sessions of the application's own role in its own database, that do nothing for so
    long; never superusers', replication's or this program's. Each is known by its number and when it began, and the
    server compares both again, with its state, in the statement that ends it. Where no connection is left, a quarter of
    them is freed, from those that did nothing for longest.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        idle_for: Only what does nothing for at least so long is ended.

    Raises:
        Unplannable: Others wait, and who keeps them waiting may not be ended here; or it cannot be known who does.
    """

    kind = "idle-transaction.end"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    idle_for: Duration = Duration(30)

    @property
    def _age(self) -> Duration:
        return self.idle_for

    @property
    def _state(self) -> str:
        return "idle in transaction"

    def plan(self, seen: Database) -> Plan:
        found = self._activity(seen)
        if found is None:
            if seen.reply.is_answered and seen.is_postgresql:
                raise Unplannable(
                    f"the cluster behind {seen.place} is on another host, and no session is ended from here. By hand "
                    f"there: {WHO_WAITS}; SELECT pg_terminate_backend(PID)"
                )
            return Plan.nothing("there is no cluster of this application here that runs")
        local, activity = found
        limit = activity.exhausted(seen.used.user, seen.name)
        holders = [one for one in activity.blockers() if one.is_in_transaction]
        if not limit and not holders:
            return Plan.nothing("nobody waits for a session that is idle in a transaction, and connections are left")
        idle = [one for one in activity.clients if one.is_in_transaction] if limit else holders
        may = [one for one in _oldest(idle) if self._may_end(one, seen) and one.since >= self.idle_for]
        if limit:
            may = may[: _share(activity)]
        if not may:
            return self._none(idle, seen, limit)
        waiting = {one.pid for one in activity.sessions for holder in may if holder.pid in one.blocked_by}
        why = [limit] if limit else []
        if waiting:
            why.append(f"{len(waiting)} sessions wait for what they have locked")
        return self._end(
            may,
            local,
            seen,
            because="; ".join(why),
            loses="what their open transactions had changed is rolled back: "
            + "; ".join(f"{one.pid}, open for {one.transaction or one.since}" for one in may[:4])
            + (f"; and {len(may) - 4} more" if len(may) > 4 else ""),
        )

    def _none(self, idle: Sequence[Session], seen: Database, limit: str) -> Plan:
        """Return that there is nothing to end, or say why what there is may not be.

        Raises:
            Unplannable: It is younger than the limit, or somebody else's.
        """
        if not idle:
            return Plan.nothing(f"{limit}, none of it idle in a transaction")
        own = [one for one in idle if self._may_end(one, seen)]
        if own:
            raise Unplannable(
                f"{_listed(own)}: none for {self.idle_for} yet; "
                f"with --set idle_in_transaction={int(own[0].since)}s the first"
            )
        if limit:
            return Plan.nothing(f"{limit}, and what is idle in a transaction is not the application's")
        raise Unplannable(
            f"{_listed(idle)} of {', '.join(sorted({one.role for one in idle}))} "
            "keeps others waiting, and is not the application's own. By hand, once its owner agrees: "
            f"SELECT pg_terminate_backend({idle[0].pid})"
        )


@dataclass(frozen=True, kw_only=True)
class EndIdleSessions(_EndSessions):
    """End idle sessions of the application, where no connection is left.

    Only sessions of the application's own role in its own database, that do nothing for so long; never superusers',
    replication's or this program's. Each is known by its number and when it began, and the server compares both again,
    with its state, in the statement that ends it. A quarter of all connections is freed, from those that did nothing
    for longest: who opened them will open more, and has to be found.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        idle_for: Only what does nothing for at least so long is ended.

    Raises:
        Unplannable: No connection is left, and none of them may be ended here.
    """

    kind = "idle-session.end"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    idle_for: Duration = Duration(30)

    @property
    def _age(self) -> Duration:
        return self.idle_for

    @property
    def _state(self) -> str:
        return "idle"

    def plan(self, seen: Database) -> Plan:
        found = self._activity(seen)
        if found is None:
            return Plan.nothing("there is no cluster of this application here that runs")
        local, activity = found
        limit = activity.exhausted(seen.used.user, seen.name)
        if not limit:
            return Plan.nothing(f"{len(activity.clients)} of {activity.room} connections are taken: some are left")
        own = [one for one in _oldest(activity.clients) if one.is_idle and self._may_end(one, seen)]
        may = [one for one in own if one.since >= self.idle_for][: _share(activity)]
        if may:
            return self._end(
                may,
                local,
                seen,
                because=limit,
                loses="what lives with a session: settings, prepared statements, temporary tables, advisory locks",
            )
        if own:
            raise Unplannable(
                f"{limit}; of the application's own {len(own)} are idle, none for {self.idle_for} yet, the longest for "
                f"{own[0].since}: with --set idle_for={int(own[0].since)}s that one"
            )
        raise Unplannable(
            f"{limit}, and none of them is an idle one of {seen.used.user} in {seen.name}. By hand, see whose they "
            f"are: {COUNT_SESSIONS}"
        )


def _oldest(sessions: Sequence[Session]) -> list[Session]:
    return sorted(sessions, key=lambda one: (-one.since, one.pid))


def _share(activity: Activity) -> int:
    """Return how many sessions are ended at most: a number that does not change while somebody reads the plan."""
    return max(1, activity.room // 4)
