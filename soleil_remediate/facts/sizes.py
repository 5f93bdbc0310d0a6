"""How files grow while they are watched: two looks at their sizes with a moment in between, by one command."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.plan import FileIdentity, Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: Seconds since the host was started, and size, identity and name of each file; two seconds later the same once more.
#: The kernel's own clock: setting the host's does not move it (proc(5), /proc/uptime).
WATCH_SIZES = Script(
    "watch-sizes",
    r"""head -n 1 /proc/uptime
printf '\0'
stat --printf='%s %d:%i %n\0' -- "$@"
printf '\0'
sleep 2
head -n 1 /proc/uptime
printf '\0'
stat --printf='%s %d:%i %n\0' -- "$@"
printf '\0'
""",
)

_RECORD = re.compile(rb"(\d+) (\d+):(\d+) (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """One file that was there all the while, under the same name.

    Args:
        device: Its device number.
        rate: Bytes a second that it grew by; 0 where it did not, and where it became shorter.
    """

    device: int
    rate: float


@dataclass(frozen=True, slots=True)
class WatchSizes(Query[Mapping[PurePosixPath, Growing]]):
    """How fast files grow just now, each by its path; one that is not there, or is replaced meanwhile, is left out."""

    paths: tuple[PurePosixPath, ...]

    @property
    def command(self) -> Command:
        return Command(WATCH_SIZES.bind(*self.paths), deadline=Duration(10), is_slow=True)

    def parse(self, output: Output) -> Mapping[PurePosixPath, Growing]:
        parts = output.stdout.split(b"\0")  # what is empty ends a look
        middle, end = parts.index(b""), len(parts) - 2
        (began, before), (ended, after) = _look(parts[:middle]), _look(parts[middle + 1 : end])
        if parts[end:] != [b"", b""]:
            raise ValueError("the last look is cut short")
        if ended <= began:
            raise ValueError(f"no time passed from {began} to {ended}")
        return {
            path: Growing(device=identity.device, rate=max(0, after[path][1] - size) / (ended - began))
            for path, (identity, size) in before.items()
            if path in after and after[path][0] == identity
        }


def _look(parts: Sequence[bytes]) -> tuple[float, dict[PurePosixPath, tuple[FileIdentity, int]]]:
    clock, *records = parts
    uptime, _ = clock.split()
    found: dict[PurePosixPath, tuple[FileIdentity, int]] = {}
    for record in records:
        match = _RECORD.fullmatch(record)
        if match is None:
            raise ValueError(f"no size: {redacted(repr(record))[:80]}")
        size, device, inode, name = match.groups()
        found[PurePosixPath(name.decode())] = FileIdentity(int(device), int(inode)), int(size)
    return float(uptime), found
