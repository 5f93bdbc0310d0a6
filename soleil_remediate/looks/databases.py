"""Show what an application's database is, who is connected to it, who waits for whom, and what it logged last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.databases import told
from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.databases import Database, Local, read_database
from soleil_remediate.facts.files import StatFile
from soleil_remediate.facts.lines import NewestLines
from soleil_remediate.facts.postgresql import LISTER, Activity, Cluster, ListClusters, Session, own_words
from soleil_remediate.facts.together import together
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Look, Shown, Table, Text
from soleil_remediate.units import Duration

#: What a pgbouncer is that does not say that it is paused.
_OPEN = {False: "open", None: "does not say whether it is paused"}
#: A line of a log that is longer is cut.
_LONGEST = 200
#: So much of a log is read for the lines that are shown: those that hold statements are left out.
_READ = 100


@dataclass(frozen=True, kw_only=True)
class DatabaseOverview(OfApplication[Database], Look[Database]):
    """Show where the application asks for its database, and how what stands between them is.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "database.overview"
    title: ClassVar[str] = "Database"

    async def read(self, host: Reader) -> Database:
        return await read_database(host, self.root, self.user)

    def show(self, seen: Database) -> Shown:
        return Table(rows=tuple(_overview(seen)))


def _overview(seen: Database) -> Iterator[tuple[str, str]]:
    used, local = seen.used, seen.local
    cached = ", by a cached configuration" if seen.application.is_cached else ""
    yield "application", f"{used.driver} {used.name} at {seen.place} as {used.user}{cached}"
    yield "is told", "an answer" if seen.reply.is_answered else told(seen)
    if not seen.is_here:
        yield "host", "another one: what is there is not known here"
        return
    if used.port is not None:
        yield "port", f"{seen.port} is {'listened on' if seen.port in seen.listening else 'listened on by nobody'}"
    if seen.pooler is not None:
        unit, state = seen.pooler_unit, seen.pooler_state
        yield "pgbouncer", unit.in_words if unit is not None else "systemd knows none"
        if isinstance(state, FactError):
            yield "", f"unknown: {state}"
        elif state is not None:
            how = "paused" if state.is_paused else "disabled" if state.is_disabled else _OPEN[state.is_paused]
            yield "", f"{how}, {state.connections} connections, {state.waiting} clients wait, longest {state.waited}"
    for one in seen.clusters:
        mine = " (the application's)" if local is not None and one == local.cluster else ""
        yield f"cluster {one}", f"{one.status}, port {one.port}{mine}"
    if local is not None:
        yield from _of_cluster(local)
    if isinstance(seen.rules, tuple) and seen.rules:
        yield "packet filter", "; ".join(seen.rules)


def _of_cluster(local: Local) -> Iterator[tuple[str, str]]:
    unit = local.unit
    if unit is not None:
        yield "unit", f"unknown: {unit}" if isinstance(unit, FactError) else f"{unit.name} {unit.in_words}"
    ready = local.readiness
    yield "pg_isready", f"unknown: {ready}" if isinstance(ready, FactError) else ready.value
    if isinstance(local.activity, Activity):
        role = "a standby, or recovering" if local.activity.is_standby else "a primary"
        yield "role", f"{role}, {local.activity.standbys} servers follow it"
        if local.activity.pending:
            yield "after a restart", f"other values of {', '.join(local.activity.pending)}"
    if isinstance(local.full, FactError):
        yield "disk", f"unknown: {local.full}"
    else:
        full = ", ".join(f"{one.mount} {one.share_used} used, {one.available} free" for one in local.full)
        yield "disk", f"FULL: {full}" if full else f"there is room for {local.cluster.data}"


@dataclass(frozen=True, kw_only=True)
class DatabaseSessions(OfApplication[Database], Look[Database]):
    """Show who is connected to the application's cluster, how many of each, and for how long; and who blocks whom.

    Of statements only the first word is shown: the rest is customers' data.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        top: So many rows, those with the most connections first.
    """

    kind = "database.sessions"
    title: ClassVar[str] = "Connections"

    top: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.top <= 100:
            raise ValueError("top must be from 1 to 100")

    async def read(self, host: Reader) -> Database:
        return await read_database(host, self.root, self.user)

    def show(self, seen: Database) -> Shown:
        local = seen.local
        if local is None:
            where = "on another host" if not seen.is_here else "no cluster of this host"
            return Text(lines=(f"unknown: the application's database is {where}",))
        if not isinstance(local.activity, Activity):
            return Text(lines=(f"unknown: {local.activity or f'{local.cluster} does not run'}",))
        return Table(
            columns=("role", "database", "state", "count", "longest", "last"),
            rows=tuple(_rows(local.activity, self.top)),
            align="lllrrl",
        )


def _rows(activity: Activity, top: int) -> Iterator[tuple[str, ...]]:
    groups: dict[tuple[str, str, str], list[Session]] = {}
    for one in activity.clients:
        groups.setdefault((one.role, one.database, one.state), []).append(one)
    for (role, database, state), its in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:top]:
        oldest = max(its, key=lambda one: one.since)
        yield role, database, state, str(len(its)), str(oldest.since), oldest.first_word
    if len(groups) > top:
        yield "", "", f"and {len(groups) - top} rows more", "", "", ""
    yield "all", "", f"of {activity.room}, and {activity.reserved} reserved", str(len(activity.clients)), "", ""
    for holder in activity.blockers():
        waiting = [one for one in activity.sessions if holder.pid in one.blocked_by]
        longest = max((one.since for one in waiting), default=Duration(0))
        yield (
            f"{holder.pid} blocks {' '.join(str(one.pid) for one in waiting[:3])}{' …' if len(waiting) > 3 else ''}",
            holder.database,
            holder.state,
            str(len(waiting)),
            str(longest),
            holder.first_word,
        )


@dataclass(frozen=True, kw_only=True)
class DatabaseLog(Look[tuple[tuple[Cluster, tuple[str, ...] | FactError | None], ...]]):
    """Show what the clusters of the host logged last about themselves.

    Lines that may hold statements, and with them customers' data, are left out.

    Args:
        lines: So many of the newest of each.
    """

    kind = "database.log"
    title: ClassVar[str] = "What PostgreSQL logged last"

    lines: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.lines <= 50:
            raise ValueError("lines must be from 1 to 50")

    async def read(self, host: Reader) -> tuple[tuple[Cluster, tuple[str, ...] | FactError | None], ...]:
        known, (clusters,) = await together(host.ask(StatFile(LISTER)), host.ask_each([ListClusters()]))
        if known is None:
            return ()
        if isinstance(clusters, FactError):
            raise clusters
        with_log = [one for one in clusters if one.log is not None]
        said = await host.ask_each([NewestLines(one.log, _READ) for one in with_log if one.log is not None])
        return tuple(zip(with_log, said, strict=True))

    def show(self, seen: tuple[tuple[Cluster, tuple[str, ...] | FactError | None], ...]) -> Shown:
        if not seen:
            return Text(lines=("no cluster here has a log of its own",))
        return Text(lines=tuple(line for cluster, said in seen for line in (str(cluster), *self._of_one(said))))

    def _of_one(self, said: tuple[str, ...] | FactError | None) -> tuple[str, ...]:
        if said is None:
            return ("  has no log",)
        if isinstance(said, FactError):
            return (f"  unknown: {said}",)
        shown = [redacted(line) for line in own_words(said)[-self.lines :]]
        return tuple(f"  {line[:_LONGEST]}{'…' if len(line) > _LONGEST else ''}" for line in shown) or (
            "  says nothing about itself",
        )
