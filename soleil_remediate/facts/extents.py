"""Where the blocks of a file are, as far as others have the same: those do not come free with it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.disks import FileSystems
from soleil_remediate.units import ByteSize, Duration, KiB, MiB

#: Only these let several files share blocks: snapshots, and the copies that cp makes there by itself.
_SHARING = frozenset(("btrfs", "xfs"))
#: So many files are looked at, of those that are named first.
_MOST = 200

# One line of filefrag -v: number, logical and physical offsets, length, where the next was expected, flags.
_EXTENT = re.compile(r" *\d+: +\d+\.\. +\d+: +\d+\.\. +\d+: +(?P<length>\d+):(?: +\d+:)? *(?P<flags>[a-z_,]*)")


@dataclass(frozen=True, slots=True)
class MeasureShared(Query[Mapping[PurePosixPath, ByteSize]]):
    """How much of each of some files others have as well; those that are gone are not in the answer."""

    paths: tuple[PurePosixPath, ...]
    # 1: one of them is not there any more
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        return Command(
            ("filefrag", "-b4096", "-v", "--", *map(str, self.paths)), deadline=Duration(5), output_limit=MiB(4)
        )

    def parse(self, output: Output) -> Mapping[PurePosixPath, ByteSize]:
        shared: dict[PurePosixPath, ByteSize] = {}
        names = {str(path): path for path in self.paths}
        blocks = 0
        for line in output.text.splitlines():
            extent = _EXTENT.fullmatch(line)
            name = re.sub(r": \d+ extents? found$", "", line)
            if extent is not None:
                blocks += int(extent["length"]) if "shared" in extent["flags"].split(",") else 0
            elif name != line and name in names:
                shared[names[name]] = ByteSize(KiB(4) * blocks)
                blocks = 0
        if not shared:
            raise ValueError("no list of extents")
        return shared


async def read_shared(
    host: Reader, files: Iterable[tuple[PurePosixPath, int]], file_systems: FileSystems
) -> Mapping[PurePosixPath, ByteSize]:
    """Ask how much of some files others have as well; one round trip, none where files cannot share anything.

    Args:
        host: The host.
        files: Their paths, without a symlink on the way, and device numbers; the first 200 are looked at.
        file_systems: Those of the host.

    Returns:
        By path; what cannot be told is not in it.
    """
    paths = [path for path, device in files if _may_share(path, device, file_systems)][:_MOST]
    (answer,) = await host.ask_each([MeasureShared(tuple(paths))]) if paths else ({},)
    return {} if isinstance(answer, FactError) else answer


def _may_share(path: PurePosixPath, device: int, file_systems: FileSystems) -> bool:
    found = file_systems.holding(path, device)
    return found is not None and found.type in _SHARING and "\n" not in str(path)
