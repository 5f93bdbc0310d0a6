"""How many of the requests that users make fail?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.requests import Request, Traffic, read_traffic
from soleil_remediate.facts.talkers import AS_FAR
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration, Percent

#: What was under way when something else was put there is answered by what was there before.
_UNDER_WAY = 3
#: Where few requests come in, those of so long ago tell as well.
_HOUR = 3600
#: That so many requests in a row went well would be so improbable, if they still failed as they did.
_BY_CHANCE = 0.01


@dataclass(frozen=True, kw_only=True)
class RequestsServed(Check[Traffic]):
    """See which share of the requests that the application answers fails, with a status of 500 or more.

    What counts is what nginx logged in the last minutes, and since what is served was last put there: errors of a
    release from which somebody went back stay in the log and say nothing of now. Nor do those after which so many
    requests in a row went well that it is no chance. Only what the application answered counts: no file, no redirect,
    no refusal, and no request of a monitor that went well.

    Of a busy log only the end is read, about 6,000 requests, and one that was rotated may have begun just now. Where
    that goes back less far than the window, it is judged by what there is, and said how far that goes back.

    A few requests tell no share. Where the last hour brought no more, it is healthy only where none of them failed and
    a page is served that needs what users need, asked for now and seen in the log; where some failed it is unknown, and
    so it is where a switch was made and too few came since. A log that does not get what is asked now is none that
    anything may be read from.

    Args:
        root: The link that says which release is served, or the checkout.
        page: One that needs what users need.
        below: From this share on it is at fault.
        window: What counts is not older than that.
        least: So many requests tell a share.
        access_log: Where nginx logs the requests to this application, in its usual format.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: A page that takes longer is not answered.
    """

    kind = "requests.served"
    rounds = 3

    root: PurePosixPath
    page: str
    below: Percent = Percent(5)
    window: Duration = Duration(300)
    least: int = 20
    access_log: PurePosixPath = ACCESS_LOG
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.page, self.url, self.origin)
        refuse_unless_traffic(self.root, self.access_log, self.window)
        if not 0 < self.below <= 100:
            raise ValueError(f"below must be more than 0 %, not {self.below}")
        if not 10 <= self.least <= 1000:
            raise ValueError(f"least must be from 10 to 1000 requests, not {self.least}: fewer tell no share")
        if self.within <= 0:
            raise ValueError("within must be longer than nothing")

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(
            host,
            log=self.access_log,
            root=self.root,
            page=self.page,
            url=self.url,
            origin=self.origin,
            within=self.within,
        )

    def aim(self) -> str:
        return f"less than {self.below} of the application's requests fail, over {self.window}"

    def judge(self, seen: Traffic) -> Verdict:
        start = max(seen.now - int(self.window), began(seen))
        recent = [one for one in seen.logged.requests if one.at >= start]
        if len(recent) >= self.least:
            known = seen.known_since(start)
            took = Duration(min(max(recent[-1].at, seen.now) - known, self.window)) or Duration(1)
            return self._of_share(recent, f"in {took}" if known == start else f"in the last {took}, {AS_FAR}")
        since = [one for one in seen.logged.requests if one.at >= max(seen.now - _HOUR, began(seen))]
        if len(since) >= self.least:
            return self._of_share(since[-self.least :], f"since {as_text(since[-self.least].at)} UTC")
        return self._of_few(since, seen)

    def _of_share(self, counted: Sequence[Request], when: str) -> Verdict:
        failed = sum(one.is_failed for one in counted)
        share = Percent(100 * failed / len(counted))
        told = f"{failed} of {len(counted)} requests failed {when}"
        measure = Measure(label="requests that fail", value=str(share) if failed else "none")
        if share < self.below:
            return Verdict.healthy(f"{told}, less than {self.below}", measure)
        calm = next(number for number, one in enumerate(reversed(counted)) if one.is_failed)
        if calm >= max(self.least, ceil(log(_BY_CHANCE) / log(1 - min(share / 100, 0.99)))):
            last = as_text(counted[-calm - 1].at)
            return Verdict.healthy(f"{told}, the last at {last} UTC, and none of the {calm} since", measure)
        faulty = Measure(label=measure.label, value=measure.value, is_faulty=True)
        return Verdict.faulty(f"{told}, {share}: {_endpoints(counted)}", faulty)

    def _of_few(self, since: Sequence[Request], seen: Traffic) -> Verdict:
        measure = Measure(label="requests that fail", value="not known")
        hour = [one for one in seen.logged.requests if one.at >= seen.now - _HOUR]
        failed = sum(one.is_failed for one in hour)
        few = f"{len(since)} requests" if len(since) != 1 else "1 request"
        too_few = f"{few} {_in_the_last_hour(seen)}, too few for a share ({self.least})"
        page = f"{self.page}, asked for on the host now, {seen.page.in_words}"
        if not seen.is_logged:
            return Verdict.unknown(
                f"{self.access_log} does not get what is asked of nginx: {self.page} did not", measure
            )
        if not seen.page.is_served and (seen.page.status is None or seen.page.status >= 500):
            return Verdict.faulty(f"{page}; {too_few}", Measure(label=self.page, value=_value(seen), is_faulty=True))
        if not seen.page.is_served:
            return Verdict.unknown(f"{too_few}, and {page}, which proves nothing", measure)
        if failed:
            known = max(seen.now - seen.known_since(seen.now - _HOUR), 1)
            before = "hour" if known == _HOUR else str(Duration(known))
            return Verdict.unknown(f"{too_few}; {failed} of {len(hour)} failed in the {before} before now", measure)
        none = Measure(label=measure.label, value="none")
        return Verdict.healthy(f"{too_few}, and none failed; {page}", none)


def _in_the_last_hour(seen: Traffic) -> str:
    """Return of what time those requests are all that are known of the last hour and of what is served."""
    start = max(seen.now - _HOUR, began(seen))
    known = seen.known_since(start)
    if known > start:
        return f"in the last {Duration(max(seen.now - known, 1))}, {AS_FAR}"
    if start > seen.now - _HOUR:
        return f"since what is served was put there at {as_text(seen.switched)} UTC"
    return "in an hour"


def began(seen: Traffic) -> int:
    """Return since when what is served answers, by the host's clock."""
    return seen.switched + _UNDER_WAY if 0 < seen.switched <= seen.now else 0


def refuse_unless_traffic(root: PurePosixPath, access_log: PurePosixPath, window: Duration) -> None:
    """Raise ValueError where a place is none, or where a window is too short or longer than is looked back."""
    refuse_unless_absolute(root, access_log)
    if not 10 <= window <= _HOUR:
        raise ValueError(f"window must be from 10 s to 1 h, not {window}")


def _endpoints(counted: Sequence[Request]) -> str:
    """Return where requests fail, the worst first."""
    failed = Counter(one.endpoint for one in counted if one.is_failed)
    asked = Counter(one.endpoint for one in counted)
    told = [f"{endpoint} {times} of {asked[endpoint]}" for endpoint, times in failed.most_common(3)]
    more = len(failed) - len(told)
    return ", ".join([*told, *([f"{more} more"] if more else [])])


def _value(seen: Traffic) -> str:
    return str(seen.page.status) if seen.page.status is not None else seen.page.why
