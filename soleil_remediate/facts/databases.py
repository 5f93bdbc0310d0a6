"""An application's database, as far as it can be known on the application's host: what it meets, what is there."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import Application, DatabaseUsed, ReadApplication, is_local
from soleil_remediate.facts.disks import FileSystem, FileSystems, read_file_systems
from soleil_remediate.facts.files import FileStat, FindNamed, ResolvePaths, StatFile
from soleil_remediate.facts.from_here import Address, OwnAddresses
from soleil_remediate.facts.http import ListeningPorts
from soleil_remediate.facts.poolers import UNIT, AskPooler, Pooler, PoolerState, ReadPooler, pooler_state
from soleil_remediate.facts.postgresql import (
    LISTER,
    Activity,
    AskActivity,
    AskReady,
    Cluster,
    ListClusters,
    Readiness,
)
from soleil_remediate.facts.replies import AskDatabase, Reply
from soleil_remediate.facts.services import Services, ShowUnits, Unit, read_units
from soleil_remediate.facts.together import together
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration, MiB

#: PostgreSQL's own, where an application names none.
PORT = 5432
_MOST_RULES = 5
#: With less than this a server is not started: crash recovery may need a new segment of its log of changes, 16 MiB.
ROOM, INODES = MiB(32), 16


@dataclass(frozen=True, slots=True)
class FindPacketRules(Query[tuple[str, ...]]):
    """The rules of the host's own packet filter (nftables, and what iptables wrote into it) that drop or reject
    packets for a port, as they stand.
    """

    port: int
    empty_is = "no rule at all, where nft ended well"

    @property
    def command(self) -> Command:
        return Command(("nft", "--stateless", "list", "ruleset"), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[str, ...]:
        lines = [line.strip() for line in output.text.splitlines() if line.strip()]
        if output.text and not any(re.match(r"table \S+ \S+ \{", line) for line in lines):
            raise ValueError("no rules of nftables")
        wanted = re.compile(rf"\bdport (?:{self.port}\b|\{{[^}}]*\b{self.port}\b)")
        found = (line for line in lines if wanted.search(line) and re.search(r"\b(drop|reject)\b", line))
        return tuple(redacted(line)[:120] for line in found)[:_MOST_RULES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What the host knows of the cluster behind an application's database, where that is its own.

    Args:
        cluster: Which.
        unit: Its unit; ``None`` where systemd knows none.
        readiness: What it makes of somebody who wants to connect.
        activity: What it does; ``None`` where it does not run.
        standby_marks: The files by which it is told to follow another server, or to recover.
        full: Where its folder and its log of changes lie, those of these file systems on which it cannot write.
    """

    cluster: Cluster
    unit: Unit | FactError | None
    readiness: Readiness | FactError
    activity: Activity | FactError | None
    standby_marks: tuple[FileStat, ...] | FactError
    full: tuple[FileSystem, ...] | FactError


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An application's database.

    Args:
        application: What the application says of itself.
        reply: What it met when it selected 1.
        listening: The TCP ports on which something on the host listens.
        is_here: What it connects to is this host.
        units: That of pgbouncer, where there is one.
        clusters: Every cluster of the host.
        pooler: The pgbouncer that it goes through; ``None`` where it goes through none of this host's.
        pooler_state: What that says of the database; ``None`` where there is none, or it does not run.
        name: What the cluster calls the database.
        local: The cluster; ``None`` where it is not on this host, or there is none on that port.
        rules: What the host's packet filter keeps away from that port; ``None`` where nobody had to ask.
    """

    application: Application
    reply: Reply
    listening: frozenset[int]
    is_here: bool
    units: Services
    clusters: tuple[Cluster, ...]
    pooler: Pooler | None
    pooler_state: PoolerState | FactError | None
    name: str
    local: Local | None
    rules: tuple[str, ...] | FactError | None

    @property
    def used(self) -> DatabaseUsed:
        return self.application.database

    @property
    def port(self) -> int:
        """On which the application asks for it."""
        return self.used.port or PORT

    @property
    def place(self) -> str:
        """Where the application asks for it, for people."""
        if not self.is_postgresql and self.used.port is None:
            return self.used.host or self.used.name
        return f"{self.used.host or 'the socket'}:{self.port}"

    @property
    def is_postgresql(self) -> bool:
        return self.used.driver == "pgsql"

    @property
    def pooler_unit(self) -> Unit | None:
        """The unit of pgbouncer, where the application goes through it."""
        return next((unit for unit in self.units if unit.name == UNIT), None) if self.pooler else None


async def read_database(host: Reader, root: PurePosixPath, user: str) -> Database:
    """Ask the application, and the host about what the application names; two round trips.

    Raises:
        FactError: The application cannot be asked, or what there is on the host cannot be told.
    """
    (application, reply, listening), units, (known, addresses, pooler, clusters), file_systems = await together(
        host.ask_all(ReadApplication(root, user), AskDatabase(root, user), ListeningPorts()),
        read_units(host, (UNIT,)),
        _around(host),
        read_file_systems(host),
    )
    used = application.database
    is_here = _is_own(used.host, addresses)
    port = used.port or PORT
    clusters = () if known is None else clusters
    if isinstance(clusters, FactError):
        raise clusters
    may_be_here = is_here and used.driver == "pgsql"
    if isinstance(pooler, FactError) and may_be_here and not any(one.port == port for one in clusters):
        raise pooler  # it may be what the application goes through
    its = pooler if isinstance(pooler, Pooler) and may_be_here and pooler.port == port else None
    name, cluster = used.name, next((one for one in clusters if may_be_here and one.port == port), None)
    if its is not None and (behind := its.behind(used.name)) is not None:
        name = behind.name or used.name
        is_behind_here = _is_own(behind.host, addresses)
        cluster = next((one for one in clusters if is_behind_here and one.port == (behind.port or PORT)), None)
    asked = () if reply.is_answered or not may_be_here else (FindPacketRules(port),)
    local, state, rules = await together(
        _read_local(host, cluster, file_systems),
        _read_pooler_state(host, its, used.name, units),
        host.ask_each(asked),
    )
    return Database(
        application=application,
        reply=reply,
        listening=listening,
        is_here=is_here,
        units=units,
        clusters=clusters,
        pooler=its,
        pooler_state=state,
        name=name,
        local=local,
        rules=rules[0] if rules else None,
    )


async def _around(
    host: Reader,
) -> tuple[
    FileStat | None,
    frozenset[Address] | FactError,
    Pooler | FactError | None,
    tuple[Cluster, ...] | FactError,
]:
    """Ask which addresses, poolers and clusters the host has; no pg_lsclusters means no cluster of Debian's."""
    known, (addresses,), (pooler,), (clusters,) = await together(
        host.ask(StatFile(LISTER)),
        host.ask_each([OwnAddresses()]),
        host.ask_each([ReadPooler()]),
        host.ask_each([ListClusters()]),
    )
    return known, addresses, pooler, clusters


async def _read_local(host: Reader, cluster: Cluster | None, file_systems: FileSystems) -> Local | None:
    if cluster is None:
        return None
    folders = (cluster.data, cluster.data / "pg_wal")
    marks = tuple(cluster.data / name for name in ("standby.signal", "recovery.signal", "recovery.conf"))
    (units,), (found,), (places,), (readiness, activity) = await together(
        host.ask_each([ShowUnits((cluster.unit,))]),
        host.ask_each([FindNamed(marks)]),
        host.ask_each([ResolvePaths(folders)]),
        _ask_cluster(host, cluster),
    )
    full = places if isinstance(places, FactError) else _full(file_systems, places.values())
    return Local(
        cluster=cluster,
        unit=units
        if isinstance(units, FactError)
        else next((unit for unit in units if unit.name == cluster.unit), None),
        readiness=readiness,
        activity=activity,
        standby_marks=found,
        full=full,
    )


async def _ask_cluster(host: Reader, cluster: Cluster) -> tuple[Readiness | FactError, Activity | FactError | None]:
    if not cluster.is_online:
        return Readiness.SILENT, None
    (readiness,), (activity,) = await together(
        host.ask_each([AskReady(cluster.port, cluster.owner)]),
        host.ask_each([AskActivity(cluster.port, cluster.owner)]),
    )
    return readiness, activity


def _full(file_systems: FileSystems, folders: Iterable[PurePosixPath]) -> tuple[FileSystem, ...] | FactError:
    """Return those file systems that hold one of some folders and take no more."""
    held = {_holding(file_systems, folder) for folder in folders}
    if None in held:
        return FactError(f"how full the disk of {', '.join(map(str, folders))} is was not measured")
    return tuple(one for one in file_systems if one.mount in held and _is_full(one))


def _holding(file_systems: FileSystems, path: PurePosixPath) -> PurePosixPath | None:
    """Return where the file system is mounted on which a folder without symlinks lies."""
    mounted = {place: one.mount for one in file_systems for place in (one.mount, *one.aliases)}
    return next((mounted[at] for at in (path, *path.parents) if at in mounted), None)


def _is_full(one: FileSystem) -> bool:
    """Whether the server cannot start, or go on, there: a segment of its log of changes alone takes 16 MiB."""
    return not one.is_writable or one.available < ROOM or (one.inodes_free is not None and one.inodes_free < INODES)


async def _read_pooler_state(
    host: Reader, pooler: Pooler | None, name: str, units: Services
) -> PoolerState | FactError | None:
    if pooler is None or not any(unit.name == UNIT and unit.is_running for unit in units):
        return None
    databases, pools, state = await host.ask_each(
        [AskPooler(pooler.port, pooler.sockets, what) for what in ("DATABASES", "POOLS", "STATE")]
    )
    if isinstance(databases, FactError):
        return databases
    if isinstance(pools, FactError):
        return pools
    try:
        return pooler_state(name, databases, pools, None if isinstance(state, FactError) else state)
    except (LookupError, ValueError) as error:
        return FactError(f"what pgbouncer says of itself cannot be read: {error!r}")


def _is_own(host: str, addresses: frozenset[Address] | FactError) -> bool:
    """Whether an address is the host's own. A name may be, and which host that is, is not known here."""
    if is_local(host):
        return True
    try:
        return not isinstance(addresses, FactError) and ipaddress.ip_address(host) in addresses
    except ValueError:
        return False
