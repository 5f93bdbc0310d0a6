"""What an application logged in some minutes: how often and how gravely, and nothing of what its lines are about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.clocks import as_text, time_in
from soleil_remediate.facts.files import only_missing
from soleil_remediate.plan import Script
from soleil_remediate.units import ByteSize, Duration, MiB

#: So much of the end of a log is looked at.
END = MiB(64)

_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}"
#: The beginning of a line of Laravel's as far as it says nothing of anybody, and which exception it tells of.
_HEAD = rf"^\[{_STAMP}[^]]{{0,20}}\] [A-Za-z0-9_-]+\.[A-Z]+: (SQLSTATE\[[0-9A-Z]{{5}}\])?"
_RAISED = r"\[object\] \([A-Za-z0-9_\\]+\(code:"

#: The size of the log $1, when its beginning was written, and of those lines in its last $2 bytes that begin like $3
#: what is like $5 or $6; no more of them.
WINDOW = Script(
    "log-window",
    """set -eu
printf 'size\\n'
stat -c %s -- "$1"
printf 'begin\\n'
head -c 8192 -- "$1" | grep -a -o -E -e "$4" | uniq -c | head -n 1
printf 'lines\\n'
tail -q -c "$2" -- "$1" | grep -a -E -e "$3" | grep -a -o -E -e "$5" -e "$6" | tail -n 4000
printf 'end\\n'
""",
)

_LINE = re.compile(
    r"\[(?P<minute>[0-9-]{10}[ T][0-9:]{5})[^\]]*\] [\w-]+\.(?P<level>[A-Z]+): (?P<state>SQLSTATE\[\w{5}\])?"
)
_CLASS = re.compile(r"\[object\] \((?P<name>[\w\\]+)\(code:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a log has of some minutes.

    Args:
        size: Of the log; only its last :data:`END` were looked at.
        begins: The first minute in it; empty where none is told.
        lines: By minute, level and what was raised, how many.
    """

    size: ByteSize
    begins: str
    lines: tuple[tuple[str, str, str, int], ...]


@dataclass(frozen=True, slots=True)
class ReadLogWindow(Query[Window | None]):
    """What a log in Laravel's format has of some minutes, each such as ``2026-01-01 03:00``, as it writes them.

    ``None`` where there is no such file.
    """

    log: PurePosixPath
    minutes: tuple[str, ...]
    # 1: no such file
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        about = "|".join(minute.replace(" ", "[ T]") for minute in self.minutes)
        words = WINDOW.bind(self.log, int(END), rf"^\[({about})", rf"^\[{_STAMP}", _HEAD, _RAISED)
        return Command(words, deadline=Duration(8), is_slow=True)

    def parse(self, output: Output) -> Window | None:
        if output.exit_status or output.stderr:
            only_missing(Output(exit_status=1, stderr=output.stderr))
            return None
        size, begin, lines = _parts(output.text.split("\n"))
        (told,) = size
        begins = begin[0].partition("[")[2].replace("T", " ") if begin else ""
        return Window(size=ByteSize(int(told)), begins=begins, lines=_counted(lines))


def minutes_around(times: Iterable[str], around: Duration) -> tuple[str, ...]:
    """Return the minutes that lie around some times, such as ``2026-01-01 03:00:10``, in their own time zone."""
    found = set()
    for time in times:
        seconds = time_in(time.encode())
        if seconds is not None:
            first, last = int(seconds - around) // 60, int(seconds + around) // 60
            found |= {as_text(60 * minute) for minute in range(first, last + 1)}
    return tuple(sorted(found))


def _parts(lines: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    names = ("size", "begin", "lines", "end")
    if list(lines[:1]) != ["size"] or list(lines[-2:]) != ["end", ""] or any(lines.count(name) != 1 for name in names):
        raise ValueError("not all was told")
    size, begin, said, end = map(lines.index, names)
    return list(lines[size + 1 : begin]), list(lines[begin + 1 : said]), list(lines[said + 1 : end])


def _counted(lines: Sequence[str]) -> tuple[tuple[str, str, str, int], ...]:
    counts: Counter[tuple[str, str, str]] = Counter()
    last: tuple[str, str, str] | None = None
    for line in lines:
        if match := _LINE.fullmatch(line):
            last = (match["minute"].replace("T", " "), match["level"], match["state"] or "")
            counts[last] += 1
        elif (raised := _CLASS.fullmatch(line)) and last is not None:
            counts[last] -= 1  # the same line, further on
            last = (*last[:2], f"{raised['name'].replace(chr(92) * 2, chr(92))} {last[2]}".rstrip())
            counts[last] += 1
            last = None
        elif raised is None:
            raise ValueError(f"no line of Laravel's: {line[:80]!r}")
    return tuple((*key, count) for key, count in sorted(counts.items()) if count)
