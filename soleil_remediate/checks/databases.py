"""Does the application get an answer from its database, and if not, why not?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.databases import Database, Local, read_database
from soleil_remediate.facts.locks import AskLocks, LockWait
from soleil_remediate.facts.poolers import OWNER, UNIT, PoolerState
from soleil_remediate.facts.postgresql import COUNT_SESSIONS, Activity, Readiness
from soleil_remediate.facts.services import Unit
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


class Cause(Enum):
    """Why an application gets no answer from its database, as far as that can be known on its host."""

    POOLER_DOWN = "pgbouncer is down"
    POOLER_PAUSED = "pgbouncer is paused"
    CLUSTER_DOWN = "the cluster is down"
    DISK_FULL = "the cluster's disk is full"
    CLUSTER_BUSY = "the cluster starts, stops or recovers"
    CLUSTER_HANGS = "the cluster answers nobody"
    EXHAUSTED = "no connection is left"
    NOT_ADMITTED = "the application is not let in"
    KEPT_AWAY = "the network keeps the application away"
    NOT_THERE = "nothing listens where the application asks"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong between an application and its database.

    Args:
        cause: In one word.
        why: What was seen, one sentence without a full stop.
        by_hand: What a person has to do where nothing here may; empty where something here can.
    """

    cause: Cause
    why: str
    by_hand: str = ""

    @property
    def in_words(self) -> str:
        return f"{self.why}. By hand: {self.by_hand}" if self.by_hand else self.why


#: So much of what the application was told is told on.
_LONGEST = 150

#: What libpq, PostgreSQL and pgbouncer say. A server may say it in another language: then only the rest is known.
_PASSWORD = re.compile(r"authentication failed|no password supplied|password is required|wrong password type")
_NOT_LET_IN = re.compile(
    r"no pg_hba\.conf entry|role .* does not exist|no such user|not permitted to log in|permission denied for database"
)
_NO_DATABASE = re.compile(r"database .* does not exist|no such database|not currently accepting connections")
_TAKEN = re.compile(r"too many (clients|connections)|connection slots|no more connections allowed|query_wait_timeout")
_STARTING = re.compile(r"the database system is (starting|shutting|in recovery|not yet accepting|not accepting)")
_LATE = re.compile(r"timeout expired|timed out|no answer in time|statement timeout|timeout")
_REFUSED = re.compile(r"Connection refused|No such file or directory|No route to host|Network is unreachable")


def trouble_with(seen: Database) -> Trouble | None:
    """Return what is wrong between an application and its database; ``None`` where it gets its answer.

    What is certain decides first: what is down, then what the cluster itself tells of its connections, then what the
    application was told.
    """
    if seen.reply.is_answered:
        return None
    return _of_pooler(seen) or _of_cluster(seen) or _of_reply(seen)


def _of_pooler(seen: Database) -> Trouble | None:
    if seen.pooler is None:
        return None
    unit, state = seen.pooler_unit, seen.pooler_state
    if unit is None or not unit.is_running:
        how = f"{UNIT} is {unit.in_words}" if unit is not None else f"systemd knows no {UNIT}"
        return Trouble(
            cause=Cause.POOLER_DOWN,
            why=f"the application goes through pgbouncer on port {seen.port}, and {how}",
        )
    if not isinstance(state, PoolerState):
        return None
    console = f"psql -h {seen.pooler.sockets} -p {seen.pooler.port} -U pgbouncer pgbouncer"
    how, verb = "", "RESUME"
    if state.is_disabled:
        how, verb = "somebody disabled the database in pgbouncer", f"ENABLE {seen.used.name}"
    elif state.is_paused:
        how = "somebody paused pgbouncer"
    elif state.is_paused is None and _looks_paused(seen, state):
        how = "pgbouncer has no connection to PostgreSQL, which is well, and lets clients wait, as after a PAUSE"
    if not how:
        return None
    return Trouble(
        cause=Cause.POOLER_PAUSED,
        why=f"{how}: that is only ever done on purpose, so it is left alone",
        by_hand=f"ask who works on the database; if nobody does: sudo -u {OWNER} {console} -c '{verb}'",
    )


def _looks_paused(seen: Database, state: PoolerState) -> bool:
    """Whether a pgbouncer that does not say so is paused: else it had opened a connection for who was kept waiting."""
    is_late = _LATE.search(seen.reply.why) is not None
    is_well = seen.local is not None and seen.local.readiness is Readiness.ACCEPTING
    return is_late and is_well and state.connections == 0


def _of_cluster(seen: Database) -> Trouble | None:
    local = seen.local
    if local is None:
        return None
    cluster, unit = local.cluster, local.unit
    if not cluster.is_online:
        how = f" ({unit.name} is {unit.in_words})" if isinstance(unit, Unit) else ""
        full = _in_words(local.full)
        if full:
            return Trouble(
                cause=Cause.DISK_FULL,
                why=f"PostgreSQL {cluster} is {cluster.status}{how} and cannot start: {full}",
                by_hand="make room there first, never in pg_wal; then start the cluster",
            )
        return Trouble(cause=Cause.CLUSTER_DOWN, why=f"PostgreSQL {cluster} is {cluster.status}{how}")
    if local.readiness is Readiness.REJECTING:
        return Trouble(
            cause=Cause.CLUSTER_BUSY,
            why=f"PostgreSQL {cluster} starts, stops or recovers, and takes no connections meanwhile",
            by_hand=f"wait, and watch {cluster.log or 'its log'}; a restart would begin the recovery anew",
        )
    if local.readiness is Readiness.SILENT:
        return Trouble(
            cause=Cause.CLUSTER_HANGS,
            why=f"PostgreSQL {cluster} runs and gives nobody an answer, over its socket either",
        )
    if isinstance(local.activity, Activity) and (limit := local.activity.exhausted(seen.used.user, seen.name)):
        return Trouble(cause=Cause.EXHAUSTED, why=f"{limit} on PostgreSQL {cluster}: {_who(local.activity)}")
    return None


def _of_reply(seen: Database) -> Trouble:
    why, used = seen.reply.why, seen.used
    if not seen.is_postgresql:
        return Trouble(
            cause=Cause.UNKNOWN,
            why=f"{used.driver} gives the application no answer: only PostgreSQL is looked into here",
            by_hand=f"see how {used.driver} is at {seen.place}; what it says follows",
        )
    if (trouble := _of_words(seen)) is not None:
        return trouble
    if seen.local is not None and (_LATE.search(why) or _REFUSED.search(why)):
        return _of_way(seen, seen.local)
    if not seen.is_here:
        return Trouble(
            cause=Cause.UNKNOWN,
            why=f"the database is on {seen.place}: of what is wrong there no more is known here",
            by_hand=f"on that host: pg_lsclusters; pg_isready; from here: nc -zv {used.host} {seen.port}",
        )
    if _REFUSED.search(why) and seen.port not in seen.listening:
        there = ", ".join(f"{one} ({one.status}) has port {one.port}" for one in seen.clusters)
        return Trouble(
            cause=Cause.NOT_THERE,
            why=f"nothing listens on port {seen.port} of this host, and no cluster is meant to: "
            f"{there or 'it has none at all'}",
            by_hand=f"see whether {seen.place}, from {_setting(seen)}, is where the database is",
        )
    return Trouble(
        cause=Cause.UNKNOWN,
        why="of what is wrong no more is known",
        by_hand="pg_lsclusters; sudo -u postgres psql -c 'SELECT 1'; read the end of its log",
    )


def _of_words(seen: Database) -> Trouble | None:
    """Return what is wrong where the server, or pgbouncer, answered and said why it does not let the application in."""
    why, used = seen.reply.why, seen.used
    if _TAKEN.search(why):
        return Trouble(
            cause=Cause.EXHAUSTED,
            why="no connection is left for the application",
            by_hand=f"on {_where(seen)}: {COUNT_SESSIONS}",
        )
    if _PASSWORD.search(why):
        return Trouble(
            cause=Cause.NOT_ADMITTED,
            why=f"{_where(seen)} answers, and does not accept the password that {used.user} sends; "
            f"the application has it from {_setting(seen)}",
            by_hand=_for_password(seen),
        )
    if _NOT_LET_IN.search(why) or _NO_DATABASE.search(why):
        return Trouble(
            cause=Cause.NOT_ADMITTED,
            why=f"{_where(seen)} answers, and does not let {used.user} into {used.name}; "
            f"the application has both names from {_setting(seen)}",
            by_hand=f"compare them with what is there (sudo -u postgres psql -l; \\du), and {_hba(seen)}",
        )
    if _STARTING.search(why):
        return Trouble(
            cause=Cause.CLUSTER_BUSY,
            why=f"{_where(seen)} starts, stops or recovers, and takes no connections meanwhile",
            by_hand="wait, and watch its log; a restart would begin the recovery anew",
        )
    return None


def _of_way(seen: Database, local: Local) -> Trouble:
    """Return what is wrong where the cluster is well, and the application does not get through to it."""
    cluster, rules = local.cluster, seen.rules
    asked = f"the application, which asks {seen.place},"
    file = f"/etc/postgresql/{cluster.version}/{cluster.name}/postgresql.conf"
    is_late = _LATE.search(seen.reply.why) is not None
    if isinstance(rules, tuple) and rules:
        return Trouble(
            cause=Cause.KEPT_AWAY,
            why=f"PostgreSQL {cluster} is well, and {asked} is kept away from it: a rule of the packet filter "
            f"{'drops' if is_late else 'rejects'} what goes to port {seen.port} ({'; '.join(rules)})",
            by_hand="see who wrote that rule and why, then take it away (nft -a list ruleset; iptables -S). "
            "A restart of PostgreSQL does not help",
        )
    if seen.pooler is not None:
        unseen = f"; whether it is paused is unknown: {seen.pooler_state}"
        return Trouble(
            cause=Cause.UNKNOWN,
            why=f"pgbouncer runs and PostgreSQL {cluster} is well, and {asked} gets no answer through it"
            f"{unseen if isinstance(seen.pooler_state, FactError) else ''}",
            by_hand=f"read pgbouncer's log; sudo -u {OWNER} psql -h {seen.pooler.sockets} -p {seen.pooler.port} "
            "-U pgbouncer pgbouncer -c 'SHOW SERVERS'",
        )
    if seen.used.host.startswith("/") or seen.port not in seen.listening:
        return Trouble(
            cause=Cause.NOT_THERE,
            why=f"PostgreSQL {cluster} runs, and does not listen where {asked} expects it",
            by_hand=f"see listen_addresses and port in {file}",
        )
    if is_late:
        unseen = f"; its rules cannot be read: {rules}" if isinstance(rules, FactError) else ""
        return Trouble(
            cause=Cause.KEPT_AWAY,
            why=f"PostgreSQL {cluster} answers over its socket and listens, and {asked} gets nothing back in time: as "
            f"where a packet filter drops it, though no rule that is seen names port {seen.port}{unseen}",
            by_hand=f"iptables-legacy -S; nft list ruleset; nc -zv {seen.used.host or 'localhost'} {seen.port}; see "
            "the load of the host. A restart of PostgreSQL does not help",
        )
    return Trouble(
        cause=Cause.NOT_THERE,
        why=f"PostgreSQL {cluster} is well and listens on port {seen.port}, on another address than {asked} expects",
        by_hand=f"ss -ltn 'sport = :{seen.port}'; see listen_addresses in {file}",
    )


def _setting(seen: Database) -> str:
    """Return what the application has its settings from, for people."""
    if seen.application.is_cached:
        return "the configuration that is cached, which .env does not reach until `php artisan config:cache` is run"
    return ".env"


def _where(seen: Database) -> str:
    """Return who answers the application, for people."""
    if seen.pooler is not None:
        return f"pgbouncer on port {seen.pooler.port}"
    return f"PostgreSQL {seen.local.cluster}" if seen.local is not None else seen.place


def _for_password(seen: Database) -> str:
    after = "php artisan config:cache, and let php-fpm and the workers follow"
    if seen.pooler is not None:
        return f"see that auth_file of pgbouncer and DB_PASSWORD in .env have the same; then {after}"
    return (
        f"put the right DB_PASSWORD into .env, or set the role's to it (sudo -u postgres psql, \\password "
        f"{seen.used.user}); then {after}. A restart of PostgreSQL does not help"
    )


def _hba(seen: Database) -> str:
    if seen.local is None:
        return "pg_hba.conf of that server"
    cluster = seen.local.cluster
    return f"read /etc/postgresql/{cluster.version}/{cluster.name}/pg_hba.conf"


def _in_words(full: object) -> str:
    if not isinstance(full, tuple):
        return ""
    return "; ".join(
        f"{one.mount} is {one.share_used} used, {one.available} free"
        if one.is_writable
        else f"{one.mount} takes no writes"
        for one in full
    )


def _who(activity: Activity) -> str:
    """Return who has the connections, the most first."""
    counts: dict[tuple[str, str], int] = {}
    for one in activity.clients:
        key = (one.role or "nobody", one.state or "unknown")
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} of {role} {state}" for (role, state), count in ordered[:4])


@dataclass(frozen=True, kw_only=True)
class DatabaseAnswers(OfApplication[Database], Check[Database]):
    """See whether the application gets an answer from its database, and if it does not, what keeps it from it.

    The application's own code connects with its own credentials, as its own user, and selects 1; whatever database it
    is. Why it gets no answer is looked into for PostgreSQL: its pgbouncer and its cluster, where they are on this host.
    Of a database elsewhere no more is told than what the application was told.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "database.answers"

    async def read(self, host: Reader) -> Database:
        return await read_database(host, self.root, self.user)

    def aim(self) -> str:
        return "the application gets an answer from its database"

    def judge(self, seen: Database) -> Verdict:
        if seen.reply.is_answered:
            return Verdict.healthy(
                f"{seen.used.driver} at {seen.place} answered the application within {_in_ms(seen.reply.took)}",
                Measure(label="database answers", value=f"in {_in_ms(seen.reply.took)}"),
            )
        trouble = trouble_with(seen)
        why = f"{trouble.in_words}. " if trouble is not None else ""
        return Verdict.faulty(
            f"{why}The application was told: {told(seen)}",
            Measure(label="database answers", value="no", is_faulty=True),
        )


def told(seen: Database) -> str:
    """Return the beginning of what an application was told instead of an answer, for people."""
    said = seen.reply.why or seen.reply.error
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}…"


def _in_ms(took: Duration) -> str:
    return f"{took * 1000:.0f} ms"


@dataclass(frozen=True, kw_only=True)
class DatabaseUnblocked(OfApplication[tuple[LockWait, ...]], Check[tuple[LockWait, ...]]):
    """See whether statements of the application wait for a lock that somebody holds who does nothing with it.

    A session that is idle in an open transaction keeps what it has locked until somebody ends it: everybody who needs
    it waits, while the database answers all others. That some wait for others that work is no fault. Asked as the
    application, so the database may be anywhere; one that is not PostgreSQL is not looked into, and unknown.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        longer_than: Whoever waits no longer than this waits for nothing unusual.
    """

    kind = "database.unblocked"
    rounds = 1

    longer_than: Duration = Duration(10)

    async def read(self, host: Reader) -> tuple[LockWait, ...]:
        return await host.ask(AskLocks(self.root, self.user))

    def aim(self) -> str:
        return f"nobody waits longer than {self.longer_than} for an idle transaction"

    def judge(self, seen: tuple[LockWait, ...]) -> Verdict:
        long = [one for one in seen if one.waits > self.longer_than]
        stuck = [one for one in long if one.state.startswith("idle in transaction")]
        hidden = [one for one in long if not one.state]
        waiting = len({one.pid for one in long})
        measure = Measure(label="waiting for a lock", value=str(waiting), is_faulty=bool(stuck))
        if stuck:
            worst = max(stuck, key=lambda one: one.waits)
            return Verdict.faulty(
                f"{len({one.pid for one in stuck})} statements wait for a lock, the longest for {worst.waits}: session "
                f"{worst.blocker} holds it, idle in an open transaction for {worst.since}",
                measure,
            )
        if hidden:
            return Verdict.unknown(
                f"{waiting} statements wait for a lock, and the application's role may not see what holds it", measure
            )
        if long:
            return Verdict.healthy(f"{waiting} statements wait for a lock, of sessions that work", measure)
        return Verdict.healthy(f"no statement waits for a lock for more than {self.longer_than}", measure)
