"""Backups: what lies in a folder of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.clocks import ReadClock
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.extents import read_shared
from soleil_remediate.facts.files import RECORD, FileStat, ResolvePaths, parse_records
from soleil_remediate.facts.together import together
from soleil_remediate.units import ByteSize, Duration, MiB


@dataclass(frozen=True, slots=True)
class ListFolder(Query[tuple[FileStat, ...]]):
    """A folder itself and what lies directly in it; empty where there is no such folder."""

    folder: PurePosixPath
    # 1: there is no such folder
    expects = frozenset({0, 1})
    empty_is = "no such folder, where find said so"

    @property
    def command(self) -> Command:
        return Command(
            ("find", str(self.folder), "-maxdepth", "1", "-printf", RECORD), deadline=Duration(5), output_limit=MiB(16)
        )

    def parse(self, output: Output) -> tuple[FileStat, ...]:
        found = parse_records(output)
        if output.exit_status == 0 and not any(file.path == self.folder for file in found):
            raise ValueError("not even the folder itself")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupsSeen:
    """A folder of backups.

    Args:
        folder: It itself; ``None`` where there is none.
        path: Where it really is: elsewhere where a symlink was on the way.
        files: What lies directly in it.
        now: The host's clock, in seconds since 1970.
        shared: How much of the largest others have as well, a snapshot or a copy by reference; what could not be told
            is not in it.
    """

    folder: FileStat | None
    path: PurePosixPath
    files: tuple[FileStat, ...]
    now: int
    file_systems: FileSystems
    shared: Mapping[PurePosixPath, ByteSize] = field(default_factory=dict)


async def read_backups(host: Reader, folder: PurePosixPath) -> BackupsSeen:
    """Ask for what lies in a folder; one round trip, two where files can share their blocks.

    Raises:
        FactError: It cannot be told.
    """
    file_systems, (found, real, now) = await together(
        read_file_systems(host), host.ask_all(ListFolder(folder), ResolvePaths((folder,)), ReadClock())
    )
    files = tuple(file for file in found if file.path != folder)
    largest = sorted((file for file in files if _may_be_large(file)), key=lambda file: -file.allocated)
    return BackupsSeen(
        folder=next((file for file in found if file.path == folder), None),
        path=real[folder],
        files=files,
        shared=await read_shared(host, [(file.path, file.device) for file in largest], file_systems),
        now=now,
        file_systems=file_systems,
    )


def _may_be_large(file: FileStat) -> bool:
    return file.is_regular and file.is_named_plainly and file.allocated > MiB(1)
