"""How fast logs grow, by the times they carry themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, seconds_at
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.files import RECORD, FileStat, parse_found
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, KiB, MiB

#: Where logs lie that grow: the system's and those of applications.
PLACES = tuple(map(PurePosixPath, ("/var/log", "/srv", "/var/www", "/home", "/opt")))
_NAMES = ("*.log", "*_log", "*.log.[0-9]*", "*.log-[0-9]*", "syslog", "messages", "*.err", "*.out")
_LARGE = MiB(1)
_SAMPLE = KiB(64)
_PARTS = (slice(1024), slice(1024, 1027), slice(1027, None))

_MONTHS = {name: number for number, name in enumerate("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
# 2026-01-01 00:00:00 (Laravel, PostgreSQL) and 2026-01-01T00:00:00 (rsyslog), with or without an offset from UTC
_ISO = re.compile(
    rb"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)[ T](?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)(?:[.,]\d+)?"
    rb"(?P<offset>[+-]\d\d:?\d\d)?"
)
# 01/Jan/2026:00:00:00 +0000 (nginx, Apache)
_COMMON = re.compile(
    rb"(?P<day>\d\d)/(?P<month>[A-Z][a-z][a-z])/(?P<year>\d{4}):(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d) "
    rb"(?P<offset>[+-]\d\d:?\d\d)"
)

#: The first KiB of $1, three NULs, and its last $2 bytes.
SAMPLE_LOG = Script("sample-log", """set -eu\nhead -c 1024 -- "$1"\nprintf '\\0\\0\\0'\ntail -c "$2" -- "$1"\n""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the beginning and the end of a log say.

    Args:
        first: The time of its first lines, in seconds since 1970; ``None`` where none can be read.
        last: The time of its newest lines.
        recent: How many bytes its newest lines have from the first to the last time among them.
        recent_from: The first time among its newest lines.
    """

    first: int | None
    last: int | None
    recent: int
    recent_from: int | None


@dataclass(frozen=True, slots=True)
class SampleLog(Query[Sample]):
    """The times at the beginning and at the end of one log, which must have 1 KiB at least."""

    path: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(SAMPLE_LOG.bind(self.path, int(_SAMPLE)), deadline=Duration(5))

    def parse(self, output: Output) -> Sample:
        head, marker, tail = (output.stdout[part] for part in _PARTS)
        if marker != b"\0\0\0" or not tail:
            raise ValueError("a part of the sample is missing")
        first = next((time for _, time in _times(head)), None)
        times = list(_times(tail))
        if not times:
            return Sample(first=first, last=None, recent=0, recent_from=None)
        return Sample(first=first, last=times[-1][1], recent=times[-1][0] - times[0][0], recent_from=times[0][1])


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLogs(Query[tuple[tuple[FileStat, ...], bool]]):
    """Large logs where logs usually lie, and whether there was no time to look everywhere."""

    within: Duration
    # 1: some places are not there, or may not be looked into; 124: no time for more
    expects = frozenset({0, 1, TIMED_OUT})
    empty_is = "no large log, where find ended well or was ended"

    @property
    def command(self) -> Command:
        names = [word for name in _NAMES for word in ("-o", "-name", name)][1:]
        where = (*map(str, PLACES), "-type", "f", "-size", f"+{_LARGE // 1024}k", "(", *names, ")")
        return Command(
            ("stdbuf", "-o0", "find", *where, "-printf", RECORD),
            deadline=self.within,
            output_limit=KiB(4096),
            is_slow=True,
        )

    def parse(self, output: Output) -> tuple[tuple[FileStat, ...], bool]:
        files = parse_found(output.stdout, is_cut_short=output.exit_status == TIMED_OUT)
        is_partial = output.exit_status == TIMED_OUT or "Permission denied" in output.error_text
        return tuple(sorted(files, key=lambda file: (-file.allocated, file.path))), is_partial


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowingLog:
    """One log and how fast it grows.

    Args:
        rate: Bytes a second, by the times in its newest lines; ``None`` where those cannot be read.
        since: When those lines began, in seconds since 1970.
        until: The time of its newest line.
    """

    file: FileStat
    rate: float | None
    since: int | None
    until: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Large logs, the largest first.

    Args:
        is_partial: There was no time to look everywhere, or not the right to.
        now: The host's clock, in seconds since 1970.
    """

    logs: tuple[GrowingLog, ...]
    is_partial: bool
    now: int
    file_systems: FileSystems


async def read_growth(host: Reader, *, top: int, within: Duration) -> Growth:
    """Ask for the largest logs and how fast they grow; two round trips, the first of them slow.

    Raises:
        FactError: Not even the logs can be found.
    """
    file_systems, (found, now) = await together(
        read_file_systems(host), host.ask_all(FindLogs(within=within), ReadClock())
    )
    files, is_partial = found
    largest = [file for file in files if file.is_named_plainly][:top]
    samples = await host.ask_each([SampleLog(file.path) for file in largest])
    return Growth(
        logs=tuple(_growing(file, sample) for file, sample in zip(largest, samples, strict=True)),
        is_partial=is_partial,
        now=now,
        file_systems=file_systems,
    )


def _growing(file: FileStat, sample: Sample | FactError) -> GrowingLog:
    if isinstance(sample, FactError) or sample.last is None or sample.recent_from is None:
        return GrowingLog(file=file, rate=None, since=None, until=None)
    if sample.last > sample.recent_from and sample.recent:
        rate = sample.recent / (sample.last - sample.recent_from)
        return GrowingLog(file=file, rate=rate, since=sample.recent_from, until=sample.last)
    if sample.first is not None and sample.last > sample.first:
        # so fast, or so short, that the newest lines are all of one second: all of it, then
        return GrowingLog(
            file=file, rate=file.size / (sample.last - sample.first), since=sample.first, until=sample.last
        )
    return GrowingLog(file=file, rate=None, since=None, until=sample.last)


def _times(text: bytes) -> Iterator[tuple[int, int]]:
    """Return where lines with a time begin, and that time; what is no possible time is none."""
    start = 0
    for line in text.split(b"\n"):
        match = _ISO.search(line[:256]) or _COMMON.search(line[:256])
        if match is not None:
            with suppress(ValueError, KeyError):
                yield start, _seconds(match)
        start += len(line) + 1


def _seconds(match: re.Match[bytes]) -> int:
    part = {name: (text or b"").decode("ascii") for name, text in match.groupdict().items()}
    month = _MONTHS[part["month"]] if part["month"].isalpha() else int(part["month"])
    numbers = (int(part[name]) for name in ("day", "hour", "minute", "second"))
    return seconds_at(int(part["year"]), month, *numbers) - _offset(part["offset"])


def _offset(text: str) -> int:
    """Return an offset from UTC such as ``+02:00`` in seconds; none is UTC, for want of a better guess."""
    digits = text.replace(":", "")
    if not digits:
        return 0
    seconds = int(digits[1:3]) * 3600 + int(digits[3:5]) * 60
    return -seconds if digits[0] == "-" else seconds
