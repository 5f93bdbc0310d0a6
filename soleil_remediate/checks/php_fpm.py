"""Has php-fpm a child left for the next request?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php_fpm import PoolLoad, read_loads
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.facts.statements import Statements, Work, read_work
from soleil_remediate.facts.together import together
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import ByteSize, MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """How busy php-fpm is, and what its children may wait for.

    Args:
        loads: Of every pool that has children.
        resources: What memory is left for more of them.
        work: What the application's database works at.
    """

    loads: tuple[PoolLoad, ...]
    resources: Resources
    work: Work | FactError


async def read_saturation(host: Reader, root: PurePosixPath, user: str) -> Saturation:
    """Ask for all of it; three round trips.

    Raises:
        FactError: How busy php-fpm is cannot be told.
    """
    loads, resources, work = await together(read_loads(host), host.ask(ReadResources()), _work(host, root, user))
    return Saturation(loads=loads, resources=resources, work=work)


async def _work(host: Reader, root: PurePosixPath, user: str) -> Work | FactError:
    try:
        return await read_work(host, root, user)
    except FactError as error:
        return error


@dataclass(frozen=True, kw_only=True)
class PhpFpmFree(OfApplication[Saturation], Check[Saturation]):
    """See whether requests wait because every child of a pool of php-fpm is busy, and no more may be started.

    By the kernel's list of sockets: whoever is connected to a pool's is served by a child, or waits for one; at two
    moments, two seconds apart, so that a burst is none. Whether the children wait for the database is
    told as well: then more of them would only wait there too. A pool that listens at an address and not at a socket's
    path is not seen: unknown.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        leave: So much of the host's memory is to stay available, where it is told how many more children would fit.
    """

    kind = "php-fpm.free"
    rounds = 3

    leave: ByteSize = MiB(256)

    async def read(self, host: Reader) -> Saturation:
        return await read_saturation(host, self.root, self.user)

    def aim(self) -> str:
        return "no request waits for a child of php-fpm"

    def judge(self, seen: Saturation) -> Verdict:
        measures = tuple(
            Measure(
                label=f"php-fpm {one.pool.name} busy",
                value=f"{one.busy} of {one.pool.most}, {one.waiting} wait" if one.connected is not None else "not seen",
                is_faulty=one.is_saturated,
            )
            for one in seen.loads
        )
        full = [one for one in seen.loads if one.is_saturated]
        if full:
            return Verdict.faulty("; ".join(self._of_full(one, seen) for one in full), *measures)
        hidden = [one.pool for one in seen.loads if one.connected is None]
        if hidden:
            where = ", ".join(f"pool {pool.name} listens on {pool.listens}" for pool in hidden)
            return Verdict.unknown(f"php-fpm's {where}: how many requests wait there is not seen", *measures)
        if not seen.loads:
            return Verdict.healthy("no pool of php-fpm has children here")
        said = ", ".join(f"{one.busy} of {one.children} in pool {one.pool.name}" for one in seen.loads)
        return Verdict.healthy(f"children of php-fpm that are busy: {said}", *measures)

    def _of_full(self, one: PoolLoad, seen: Saturation) -> str:
        pool, available = one.pool, seen.resources.available
        more = max(0, available - self.leave) // max(1, one.memory)
        room = (
            f"each has {one.memory} in use and {available} are available, so {more} more fit beside {self.leave}: set "
            f"pm.max_children in {pool.file} to {pool.most + more} at most, then php-fpm{pool.version} -t && systemctl "
            f"reload {pool.unit}"
            if more
            else f"each has {one.memory} in use and {available} are available: there is no memory for more"
        )
        return (
            f"all {one.children} children of php-fpm's pool {pool.name} are busy (pm.max_children = {pool.most}), and "
            f"{one.waiting} requests wait for one; {_why_busy(seen.work)}. By hand: find what holds them up; {room}"
        )


def _why_busy(work: Work | FactError) -> str:
    if isinstance(work, FactError):
        return f"whether they wait for the database is unknown: {work}"
    if not isinstance(work.statements, Statements):
        return f"whether they wait for the database is unknown: {work.statements or 'it is not on this host'}"
    active = sum(one.is_active for one in work.own)
    if not active:
        return "none of them waits for the database: it runs no statement of the application's"
    return (
        f"the database runs {active} statement{'s' if active > 1 else ''} of the application's, and whoever waits for "
        "one is no quicker with more children"
    )
