"""How fast logs grow, by the times they carry themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from math import inf
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, time_in
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.files import RECORD, FileStat, parse_found
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Script
from soleil_remediate.units import ByteSize, Duration, KiB, MiB

#: Where logs lie that grow: the system's and those of applications.
PLACES = tuple(map(PurePosixPath, ("/var/log", "/srv", "/var/www", "/home", "/opt")))
_NAMES = ("*.log", "*_log", "*.log.[0-9]*", "*.log-[0-9]*", "syslog", "messages", "*.err", "*.out")
_NOTHING, _LARGE = ByteSize(0), MiB(1)
_HEAD, _PART, _TAIL = KiB(1), KiB(8), KiB(64)
_MARKER = b"\0\0\0"
#: How many parts between beginning and end are looked at: a script without braces knows arguments of one digit only.
_PARTS = 6
#: So much of the end, and by halves less, says how fast a slow log grows.
_ENDS = tuple(_TAIL >> halved for halved in range(5))
#: What grew for less time than this may have been a burst.
_LONG_ENOUGH = Duration(60)
#: Rates that differ by less than this are steady, and by less than that the same.
_STEADY, _SAME = 1.5, 1.25
_ROTATED = re.compile(r"[.-][0-9]+$")

#: The first KiB of $1, 8 KiB from $2 to $7 bytes before its end, and its last $8 bytes, three NULs between them; and at
#: last how long it is. tail seeks, and reads no more than head takes.
SAMPLE_LOG = Script(
    "sample-log",
    "\nprintf '\\0\\0\\0'\n".join(
        (
            f'set -eu\nhead -c {int(_HEAD)} -- "$1"',
            *(f'tail -c "${number}" -- "$1" | head -c {int(_PART)}' for number in range(2, 2 + _PARTS)),
            f'tail -c "${2 + _PARTS}" -- "$1"',
            'wc -c -- "$1"\n',
        )
    ),
)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The end of a log from one line with a time to its newest such line.

    Args:
        size: How many bytes it has.
        took: How many seconds lie between the two.
    """

    size: int
    took: int

    def is_like(self, other: Stretch, times: float) -> bool:
        """Return whether both may have grown equally fast, or one up to *times* as fast."""
        return self.least <= times * other.most and other.least <= times * self.most

    @property
    def rate(self) -> float:
        return self.size / self.took

    @property
    def least(self) -> float:
        """The slowest it may have been: times are whole seconds."""
        return self.size / (self.took + 1)

    @property
    def most(self) -> float:
        """The fastest it may have been."""
        return self.size / (self.took - 1) if self.took > 1 else inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the times in a log say.

    Args:
        last: The newest, in seconds since 1970; ``None`` where none can be read.
        stretches: From other lines to that one, the shortest first; none takes less time than a shorter one.
    """

    last: int | None
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleLog(Query[Sample]):
    """The times at both ends of one log and between them.

    Args:
        path: The log.
        size: How long it was when it was found: 64 KiB at least.
    """

    path: PurePosixPath
    size: ByteSize

    @property
    def command(self) -> Command:
        return Command(SAMPLE_LOG.bind(self.path, *self._starts, int(_TAIL)), deadline=Duration(5))

    @property
    def _starts(self) -> tuple[int, ...]:
        """How far before the end each part begins, the furthest first; each is as much nearer as the one before."""
        nearer = (self.size / _TAIL) ** (1 / (_PARTS + 1))
        return tuple(round(_TAIL * nearer**number) for number in range(_PARTS, 0, -1))

    def parse(self, output: Output) -> Sample:
        head, parts, tail, size = self._pieces(output.stdout)
        if size < self.size:
            raise ValueError("it became shorter")
        lines = _lines(tail, _TAIL)
        if not lines:
            return Sample(last=None)
        newest, last = lines[-1]
        begun = set(_beginnings(lines))
        for start, part in ((size, head), *zip(self._starts, parts, strict=True)):
            begun.update(_lines(part, start)[:1])
        stretches: list[Stretch] = []
        for left, time in sorted(begun):
            stretch = Stretch(left - newest, last - time)
            if stretch.size and stretch.took >= (stretches[-1].took if stretches else 0):
                stretches.append(stretch)
        return Sample(last=last, stretches=tuple(stretches))

    def _pieces(self, text: bytes) -> tuple[bytes, list[bytes], bytes, int]:
        """Take the answer apart by the lengths of its pieces: a log may hold anything, NULs too."""
        pieces: list[bytes] = []
        for length in (_HEAD, *(_PART for _ in range(_PARTS)), _TAIL):
            piece, marker, text = text[:length], text[length : length + len(_MARKER)], text[length + len(_MARKER) :]
            if marker != _MARKER:
                raise ValueError("a part of the sample is missing")
            pieces.append(piece)
        head, *parts, tail = pieces
        return head, parts, tail, int(text.split(b" ", 1)[0])


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
    """One log and how it grew, by its own lines.

    Args:
        rate: Bytes a second, where it grew steadily for a minute or more until its newest line. Whatever else it did is
            no rate, and says nothing about the next hour: then this is ``None``.
        since: When that began, or it was first seen so, in seconds since 1970; without a rate the beginning of a burst.
        until: The time of its newest line; ``None`` where none can be read.
        grown: By how much it grew from *since* until then.
    """

    file: FileStat
    rate: float | None
    since: int | None
    until: int | None
    grown: ByteSize = _NOTHING

    @property
    def took(self) -> Duration | None:
        """How long it was seen to grow, a second at least, which is how exact times are; ``None`` where it was not."""
        return None if self.since is None or self.until is None else Duration(max(1, self.until - self.since))

    @property
    def is_rotated(self) -> bool:
        """Its name says that nobody writes it any more."""
        return _ROTATED.search(self.file.path.name) is not None


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
    samples = await host.ask_each([SampleLog(file.path, file.size) for file in largest])
    return Growth(
        logs=tuple(_growing(file, sample) for file, sample in zip(largest, samples, strict=True)),
        is_partial=is_partial,
        now=now,
        file_systems=file_systems,
    )


def _growing(file: FileStat, sample: Sample | FactError) -> GrowingLog:
    if isinstance(sample, FactError) or sample.last is None:
        return GrowingLog(file=file, rate=None, since=None, until=None)
    steady = _steady(sample.stretches)
    burst = next((one for one in reversed(sample.stretches) if one.took < _LONG_ENOUGH and one.size >= _LARGE), None)
    seen = steady or burst
    if seen is None:
        return GrowingLog(file=file, rate=None, since=None, until=sample.last)
    return GrowingLog(
        file=file,
        rate=steady.rate if steady else None,
        since=sample.last - seen.took,
        until=sample.last,
        grown=ByteSize(seen.size),
    )


def _steady(stretches: Sequence[Stretch]) -> Stretch | None:
    """Return the longest of those that say the same rate, from the shortest that is long enough on.

    It must be borne out by one of half its size or less, or twice and more where it is itself the shortest: a burst
    before or after an hour of silence has an average, and that is nobody's rate.
    """
    short = [one for one in stretches if one.took < _LONG_ENOUGH]
    if len(short) == len(stretches):
        return None
    one, *longer = stretches[len(short) :]
    halves = [other for other in reversed(short) if other.size * 2 <= one.size]
    doubles = [other for other in longer if other.size >= one.size * 2]
    witness = next(iter((*halves, *doubles)), None)
    if witness is None or not one.is_like(witness, _STEADY):
        return None
    return (one, *takewhile(lambda other: other.is_like(one, _SAME), longer))[-1]


def _beginnings(lines: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Return which of a log's newest lines to look back to: by halves, and the newest that is long enough ago."""
    for end in _ENDS:
        yield from islice((line for line in lines if line[0] <= end), 1)
    yield from islice((line for line in reversed(lines) if lines[-1][1] - line[1] >= _LONG_ENOUGH), 1)


def _lines(text: bytes, start: int) -> list[tuple[int, int]]:
    """Return the lines with a time of a part of a log: how far before its end they begin, and that time.

    Args:
        text: The part.
        start: How far before the end it begins.
    """
    return [(start - at, time) for at, time in _times(text)]


def _times(text: bytes) -> Iterator[tuple[int, int]]:
    """Return where lines with a time begin, and that time; what is no possible time is none."""
    start = 0
    for line in text.split(b"\n"):
        if (time := time_in(line)) is not None:
            yield start, time
        start += len(line) + 1
