"""Downloaded packages that apt keeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import RECORD, FileStat, parse_records
from soleil_remediate.units import KiB

_ARCHIVES = PurePosixPath("/var/cache/apt/archives")
_INDEXES = (PurePosixPath("/var/cache/apt/pkgcache.bin"), PurePosixPath("/var/cache/apt/srcpkgcache.bin"))


@dataclass(frozen=True, slots=True)
class FindPackageCache(Query[tuple[FileStat, ...]]):
    """What ``apt-get clean`` removes (apt-get(8)): downloads, whole or partial, and apt's own indexes.

    Looks where apt keeps them unless it was configured otherwise. Empty where there is no apt.
    """

    # 1: no apt, or no index
    expects = frozenset({0, 1})
    empty_is = "no downloaded package, where find ended well or said so"

    @property
    def command(self) -> Command:
        starts = (str(_ARCHIVES), *map(str, _INDEXES))
        return Command(
            ("find", *starts, "-maxdepth", "2", "-type", "f", "!", "-name", "lock", "-printf", RECORD),
            output_limit=KiB(8192),
        )

    def parse(self, output: Output) -> tuple[FileStat, ...]:
        partial = _ARCHIVES / "partial"
        return tuple(
            file for file in parse_records(output) if file.path in _INDEXES or file.path.parent in {_ARCHIVES, partial}
        )
