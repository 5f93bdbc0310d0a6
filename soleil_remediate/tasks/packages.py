"""Repair what downloaded packages take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.disks import FileSystems, read_file_systems, space_on
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.packages import FindPackageCache
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE
from soleil_remediate.units import ByteSize, Duration, MiB

#: Have apt remove what it keeps, on the file systems mounted at $1….
CLEAN_PACKAGES = Script("clean-packages", SETTLE + 'set -eu\napt-get clean\nsettle "$@"\n')


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCacheSeen:
    """What apt keeps, and the file systems it lies on."""

    files: tuple[FileStat, ...]
    file_systems: FileSystems


@dataclass(frozen=True, kw_only=True)
class CleanPackageCache(Task[PackageCacheSeen]):
    """Remove the packages that apt downloaded and no longer needs, and its indexes.

    Nothing installed changes. apt downloads again what it needs, and rebuilds the indexes when it next runs. A host
    without apt, or where it keeps its downloads elsewhere than in /var/cache/apt, has nothing to remove. While another
    apt is downloading, this one refuses by itself and changes nothing.

    Args:
        larger_than: What the cache may take. Exactly so much is left alone.

    Raises:
        Unplannable: All of it lies where nothing was measured, or nothing can be removed.
    """

    kind = "package-cache.clean"
    rounds = 1
    risk: ClassVar[Risk] = Risk.GENTLE

    larger_than: ByteSize = MiB(1)

    async def read(self, host: Reader) -> PackageCacheSeen:
        files, file_systems = await together(host.ask(FindPackageCache()), read_file_systems(host))
        return PackageCacheSeen(files=files, file_systems=file_systems)

    def plan(self, seen: PackageCacheSeen) -> Plan:
        total = ByteSize(sum(file.allocated for file in seen.files))
        if total <= self.larger_than:
            return Plan.nothing(f"apt keeps {total}, within {self.larger_than}")
        amounts: dict[PurePosixPath, int] = {}
        for file in seen.files:
            found = seen.file_systems.holding(file.path, file.device)
            if found is not None and found.is_writable:
                amounts[found.mount] = amounts.get(found.mount, 0) + file.allocated
        if not amounts:
            raise Unplannable("what apt keeps is on no file system that was measured and can be written")
        return Plan.of(
            Change(
                summary=f"remove {len(seen.files)} files that apt downloaded or can rebuild",
                command=Command(CLEAN_PACKAGES.bind(*sorted(amounts)), deadline=Duration(120)),
                risk=self.risk,
                undo=Undo.none("apt downloads again what it needs"),
                before=str(total),
                after="0 B",
                keeps="every installed package",
                relieves=tuple(
                    Relief(subject=space_on(mount), amount=str(ByteSize(amount)))
                    for mount, amount in sorted(amounts.items())
                ),
            ),
            because=f"apt keeps {total}, over {self.larger_than}",
        )
