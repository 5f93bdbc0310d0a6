"""How long a page takes, measured by real requests, one after another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.http import CURL_ENDS, TIMED_OUT, ListeningPorts, curl, page_of
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration, MiB

#: To a stream of its own, so that nothing in a page can be taken for it (curl 7.63).
_TOLD = r"%{stderr}%{http_code}\t%{time_total}\n"
_LINE = re.compile(r"(\d{3})\t(\d{1,6}\.\d{1,6})")
_NO_ANSWER = "000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One request.

    Args:
        status: The HTTP status; ``None`` where no answer came in time.
        took: Until the whole page was there, or nobody waited any longer.
    """

    status: int | None
    took: Duration

    @property
    def is_served(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """What became of some requests for one page.

    Args:
        first: The one that may have found a cold cache.
        others: Those after it, in their order; fewer than were meant where one of them was not answered.
        says: curl's own words where the last was not answered for another reason than its time.
    """

    first: Timing
    others: tuple[Timing, ...] = ()
    says: str = ""

    @property
    def every(self) -> tuple[Timing, ...]:
        return (self.first, *self.others)

    @property
    def counted(self) -> tuple[Timing, ...]:
        """Those that the percentiles are about: not the first, unless it is the only one."""
        return self.others or (self.first,)

    @property
    def is_too_late(self) -> bool:
        """The last one was not answered in time."""
        return self.every[-1].status is None and not self.says

    def percentile(self, share: float) -> Duration:
        """Return the time within which that *share* of the requests was answered, by the nearest rank."""
        return percentile([one.took for one in self.counted], share)


def percentile(values: Sequence[Duration], share: float) -> Duration:
    """Return the smallest of some values that *share* of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, ceil(share * len(values)) - 1)]


@dataclass(frozen=True, slots=True)
class AskTimes(Query[Timings]):
    """How long a page takes, asked for some times, never twice at once: the web server on this host answers.

    As :class:`~soleil_remediate.facts.http.AskPage` asks, over one connection, as a browser keeps it. The first that is
    not answered ends it, so that a page which hangs is asked for once.

    Args:
        url: As a user has it.
        at: Whom to ask for it: ``HOST:PORT``.
        within: Later is no answer.
        requests: So many count; one more goes before them.
    """

    url: str
    at: str
    within: Duration
    requests: int
    expects = CURL_ENDS
    empty_is = "a page without content, or none in time, where curl told how long that took"

    @property
    def command(self) -> Command:
        asked = self.requests + 1
        return Command(
            (
                *curl(self.at, self.within),
                "--fail-early",
                "--write-out",
                _TOLD,
                *(word for _ in range(asked) for word in ("--url", self.url)),
            ),
            deadline=Duration(asked * self.within + 2),
            output_limit=MiB(16),
            is_slow=True,
        )

    def parse(self, output: Output) -> Timings:
        found: list[Timing] = []
        said = ""
        for line in output.error_text.splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                said = line.partition(") ")[2] or line
                continue
            status = None if match[1] == _NO_ANSWER else int(match[1])
            found.append(Timing(status=status, took=Duration(float(match[2]))))
        is_whole = output.exit_status == 0
        if not found or len(found) > self.requests + 1 or (is_whole and len(found) <= self.requests):
            raise ValueError(f"{len(found)} answers, not {self.requests + 1}")
        if is_whole == any(one.status is None for one in found):
            raise ValueError("it says one thing and ends with another")
        is_late = output.exit_status in TIMED_OUT
        return Timings(
            first=found[0],
            others=tuple(found[1:]),
            says="" if is_whole or is_late else redacted(said)[:120] or "no answer",
        )


async def read_times(
    host: Reader, page: str, *, url: str | None, origin: str | None, within: Duration, requests: int
) -> Timings:
    """Ask the web server on the host for a page some times; two round trips.

    Raises:
        FactError: It cannot be asked.
    """
    address, at = page_of(page, url, origin, await host.ask(ListeningPorts()))
    return await host.ask(AskTimes(address, at, within, requests))
