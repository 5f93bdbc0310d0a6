"""Since when an application's requests fail, by what its web server has logged, and what else happened then."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from math import ceil, log
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, as_text, time_in
from soleil_remediate.facts.files import only_missing
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, MiB

#: Where Debian's nginx logs what it is asked, if nothing else is said.
ACCESS_LOG = PurePosixPath("/var/log/nginx/access.log")
#: So much of the end of the log, and of the one before it, is looked at.
_END = MiB(16)
_MINUTE = 60
#: What fails now is what fails in the log's last so many seconds.
_NOW = 5 * _MINUTE
#: Where nothing is logged for so long, that is no longer now: logging may have ended, or go elsewhere.
_SILENT = 15 * _MINUTE
#: That so many requests in a row went well would be so improbable, if they had failed then as they do now; and never
#: fewer, nor in fewer minutes.
_BY_CHANCE, _FEW, _MINUTES = 0.01, 4, 2
#: Migrations and caches come before a switch, and PHP may see the new code late.
_EARLY, _LATE = 5 * _MINUTE, 15 * _MINUTE

_LINE = """'^[^["]*[[][^]"]*[]] "[^"]*" """
#: What this host asks itself, as a health check does, or this program.
OWN = "^(127[.]|::1 |::ffff:127[.])"
#: What is answered well while no request of a user is: what a balancer or monitor asks for, files that a web server
#: answers with, and what a browser asks first.
NO_PROOF = (
    '^[^"]*"OPTIONS ',
    '^[^"]*"[A-Z]+ [^ ?"]*health',
    '^[^"]*"[A-Z]+ ([^ ?"]*/)?(alive|heartbeat|live|livez|ping|ready|readyz|status|up)/?[ ?]',
    '^[^"]*"[A-Z]+ [^ ?"]*[.](avif|css|eot|gif|html?|ico|jpe?g|js|map|mjs|mp4|otf|png|svg|ttf|txt|webm|webp)[ ?]',
    '^[^"]*"[A-Z]+ [^ ?"]*[.](webmanifest|woff2?|xml)[ ?]',
)

#: How many requests failed, and how many of those that are not like $3 were answered as they should be, in each minute
#: of the last $2 bytes of the log $1 and of the one before it; then the minute of the newest line. A redirect or a
#: refusal may be the web server's own: it says nothing of PHP. In a quotation nginx writes no mark of it.
COUNT_BY_MINUTE = Script(
    "count-by-minute",
    "set -eu\n"
    + "".join(
        f"printf '{name}\\n'\n"
        f'tail -q -c {end} -- "$1.1" "$1" | {matching}'
        f" | cut -d '[' -f 2 | cut -c 1-17,21-26 | uniq -c | tail -n {most}\n"
        for name, end, matching, most in (
            ("failed", '"$2"', f"grep -a -e {_LINE}5[0-9][0-9] '", 3000),
            ("answered", '"$2"', f'grep -a -e {_LINE}2[0-9][0-9] \' | grep -a -v -E -e "$3"', 3000),
            ("newest", str(int(MiB(1))), f"grep -a -e {_LINE}[1-5][0-9][0-9] '", 1),
        )
    )
    + "printf 'end\\n'\n",
)

_COUNT = re.compile(rb" *(\d{1,9}) (.*)")


class Blame(Enum):
    """How the beginning of what fails lies to something that happened."""

    BEFORE = "before"  # it failed already
    WITH = "with"  # it went well until then, and fails since then
    LATER = "later"  # it went well after it
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """Since when requests fail; minutes, in seconds since 1970.

    Args:
        since: The first minute of those in which they fail as they do now; ``None`` where none fails now.
        well: The last minute before that in which they did not; ``None`` where nothing of that is logged.
        failed: How many failed in the last five minutes, or since the first of them in which one did.
        asked: Of so many, and none counts that says nothing of the application.
        newest: The minute of the newest line of the log.
    """

    since: int | None
    well: int | None = None
    failed: int = 0
    asked: int = 0
    newest: int = field(default=0, compare=False)

    def blames(self, moment: int) -> Blame:
        """Return how what fails lies to something of that *moment*, in seconds since 1970."""
        if self.since is None:
            return Blame.UNKNOWN
        if self.since + _MINUTE <= moment - _EARLY:
            return Blame.BEFORE
        if self.well is None:
            return Blame.UNKNOWN
        return Blame.LATER if self.well > moment + _LATE else Blame.WITH

    @property
    def in_words(self) -> str:
        """The same, for people, as a sentence without its end."""
        if self.since is None:
            return "no request fails that is logged"
        before = (
            f"; until {as_text(self.well)} they went well" if self.well is not None else "; nothing is logged before"
        )
        return f"{self.failed} of the last {self.asked} requests failed, since {as_text(self.since)} UTC{before}"


@dataclass(frozen=True, slots=True)
class ReadOnset(Query[Onset]):
    """Since when requests fail, by an access log in nginx's usual format (``combined``) and the one before it.

    It may be the log of several sites: then it tells when the first of them began to fail. That requests went well is
    only believed of those that somebody else than this host or a monitor made, and that were answered with what was
    asked for; a file that a web server answers with by itself is none of them.
    """

    log: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(
            COUNT_BY_MINUTE.bind(self.log, int(_END), "|".join((OWN, *NO_PROOF))), deadline=Duration(5), is_slow=True
        )

    def parse(self, output: Output) -> Onset:
        only_missing(Output(exit_status=1 if output.stderr else 0, stderr=output.stderr))
        failed, answered, newest = (_counted(lines) for lines in _parts(output.stdout))
        logged = failed.keys() | answered.keys() | newest.keys()
        if not logged:
            raise ValueError("no request in nginx's usual format is logged")
        return _onset(failed, answered, max(logged))


async def read_onset(host: Reader, log: PurePosixPath) -> Onset | FactError:
    """Return since when requests fail, or why that cannot be known: also where the log says nothing of now."""
    (onset,), clock = await together(host.ask_each([ReadOnset(log)]), host.ask(ReadClock()))
    if isinstance(onset, Onset) and clock >= onset.newest + _MINUTE + _SILENT:
        return FactError(f"nothing is logged in {log} since {as_text(onset.newest)} UTC")
    return onset


def _parts(text: bytes) -> tuple[list[bytes], list[bytes], list[bytes]]:
    lines = text.split(b"\n")
    names = (b"failed", b"answered", b"newest", b"end")
    if lines[:1] != [b"failed"] or lines[-2:] != [b"end", b""] or any(lines.count(name) != 1 for name in names):
        raise ValueError("not all was counted")
    _, answered, newest, end = map(lines.index, names)
    return lines[1:answered], lines[answered + 1 : newest], lines[newest + 1 : end]


def _counted(lines: list[bytes]) -> dict[int, int]:
    """Return how many there were by minute; a line whose time cannot be told is left out."""
    counts: dict[int, int] = {}
    for line in lines:
        match = _COUNT.fullmatch(line)
        if match is None:
            raise ValueError(f"no count: {line[:80]!r}")
        minute = time_in(match[2][:17] + b":00" + match[2][17:])
        if minute is not None:
            counts[minute] = counts.get(minute, 0) + int(match[1])
    return counts


def _onset(failed: dict[int, int], answered: dict[int, int], now: int) -> Onset:
    """Walk back from the newest minute to where so many requests in a row went well that it was no chance."""
    minutes = sorted(failed.keys() | answered.keys(), reverse=True)
    first = min((minute for minute in failed if minute > now - _NOW), default=None)
    if first is None:
        return Onset(since=None, newest=now)
    newest = [minute for minute in minutes if minute >= first]
    failing = sum(failed.get(minute, 0) for minute in newest)
    asked = failing + sum(answered.get(minute, 0) for minute in newest)
    share = failing / asked
    enough = max(_FEW, ceil(log(_BY_CHANCE) / log(1 - min(share, 0.99))))
    since: int | None = None
    well: int | None = None
    in_a_row = minutes_in_a_row = 0
    for minute in minutes:
        failed_then, answered_then = failed.get(minute, 0), answered.get(minute, 0)
        if failed_then and failed_then / (failed_then + answered_then) >= share / 4:
            since, well, in_a_row, minutes_in_a_row = minute, None, 0, 0
            continue
        well = minute if well is None else well
        in_a_row += answered_then
        minutes_in_a_row += 1
        if in_a_row >= enough and minutes_in_a_row >= _MINUTES:
            well = well if since is not None else None
            return Onset(since=since, well=well, failed=failing, asked=asked, newest=now)
    return Onset(since=since, well=None, failed=failing, asked=asked, newest=now)
