"""Is a page quick, by real requests?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.command import Reader
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.facts.latency import Timings, read_times
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration

_MEDIAN, _NEARLY_ALL = 0.5, 0.95
#: How many requests are asked of a host that may be in trouble: enough for a median, and not much more.
_FEWEST, _MOST = 3, 9
_LONGEST = Duration(30)


@dataclass(frozen=True, kw_only=True)
class PageQuick(Check[Timings]):
    """See whether the web server on the host serves a page quickly, by a few real requests, one after another.

    One request goes before those that count: it finds caches cold where somebody has cleared them, and is told. Of the
    others the median (p50) and the 95th percentile (p95, with so few requests the slowest) are compared. A page that
    does not come in time is slow, and is asked for no more. One that is answered by an error, or not at all, is nothing
    that was measured: unknown (``page.served`` judges it). What stands between users and the host is not measured.

    Args:
        page: Its path.
        typical: Half of the requests take no longer, or it is slow.
        slowest: 95 % of them take no longer, or it is slow.
        requests: So many count; from 3 to 9.
        instead: The path of another page to be measured in its place.
        url: The application's public address; nginx is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer; 30 s at most.
    """

    kind = "page.quick"

    page: str
    typical: Duration = Duration(1)
    slowest: Duration = Duration(3)
    requests: int = 7
    instead: str | None = None
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.asked, self.url, self.origin)
        if not _FEWEST <= self.requests <= _MOST:
            raise ValueError(f"requests must be from {_FEWEST} to {_MOST}")
        if not 0 < self.within <= _LONGEST:
            raise ValueError(f"within must be longer than nothing, and {_LONGEST} at most")
        if not 0 < self.typical <= self.slowest <= self.within:
            raise ValueError("typical must not be longer than slowest, nor that than within")

    @property
    def asked(self) -> str:
        """The path of the page that is measured."""
        return self.instead or self.page

    async def read(self, host: Reader) -> Timings:
        return await read_times(
            host, self.asked, url=self.url, origin=self.origin, within=self.within, requests=self.requests
        )

    def aim(self) -> str:
        return f"{self.asked} takes {in_words(self.typical)} at most, 95 % of the time {in_words(self.slowest)}"

    def judge(self, seen: Timings) -> Verdict:
        wrong = next((one.status for one in seen.every if one.status is not None and not one.is_served), None)
        if wrong is not None or seen.says:
            how = f"answers {wrong}" if wrong is not None else f"is not answered: {seen.says}"
            return Verdict.unknown(
                f"{self.asked} {how}, so how long it takes was not measured: see application-down first",
                Measure(label=self.asked, value=how, is_faulty=True),
            )
        typical, slowest = seen.percentile(_MEDIAN), seen.percentile(_NEARLY_ALL)
        late = f"over {in_words(self.within)}"
        shown = [late if seen.is_too_late and one >= self.within else in_words(one) for one in (typical, slowest)]
        measures = (
            Measure(label=f"{self.asked} p50", value=shown[0], is_faulty=typical > self.typical),
            Measure(label=f"{self.asked} p95", value=shown[1], is_faulty=slowest > self.slowest or seen.is_too_late),
        )
        if seen.is_too_late:
            many = len(seen.every) - 1
            before = f", after {many} request{'s' if many > 1 else ''} that were" if many else ""
            return Verdict.faulty(f"{self.asked} is not answered within {in_words(self.within)}{before}", *measures)
        said = f"{self.asked} takes {shown[0]} (p50), {shown[1]} (p95), by {len(seen.counted)} requests"
        if typical > self.typical:
            return Verdict.faulty(f"{said}: half of them take longer than {in_words(self.typical)}", *measures)
        if slowest > self.slowest:
            return Verdict.faulty(f"{said}: the slowest take longer than {in_words(self.slowest)}", *measures)
        first = seen.first.took
        if first > self.slowest:
            said += f"; the one before them took {in_words(first)}: its caches were cold, and are not any more"
        return Verdict.healthy(said, *measures)


def in_words(took: Duration) -> str:
    """Return a length of time for people: below ten seconds in milliseconds, or whole seconds where it is one."""
    return str(took) if took >= 10 or took.is_integer() else f"{took * 1000:.0f} ms"
