"""Many hosts on their way: in which order they are changed, and how far that has come."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from itertools import groupby

from soleil_remediate.events import BatchStarted, HostEnded, HostSeen, RolloutPlanned, RunStarted
from soleil_remediate.host import listed_name
from soleil_remediate.host_outcomes import Eased, Fixed, NotNeeded, Refusal, WouldFix
from soleil_remediate.report import HostReport
from soleil_remediate.reporters.endings import sent_in_words
from soleil_remediate.reporters.page import HEADING, RED, Page, counted, joined
from soleil_remediate.rollout import NOT_TRIED
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview
from soleil_remediate.stages import in_order, is_spared, number_of

#: With more hosts than this to be changed, each gets one line, when it has ended.
CALM = 8
#: So many hosts under way are called by name.
_NAMED = 3
_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]{0,8})", re.DOTALL)


def put_order(page: Page, planned: RolloutPlanned) -> None:
    """Put on *page* which host is the canary, how many follow at once, and how many may fail; of each stage, if any."""
    allowed = planned.max_fail
    stops = "stops at the first that fails" if not allowed else f"stops when more than {allowed} failed"
    stages: dict[str, list[tuple[str, ...]]] = {}
    for batch in planned.batches:
        stages.setdefault(batch[0].partition("#")[2], []).append(batch)
    label = "ORDER"
    for stage, batches in stages.items():
        order = _in_order(batches, planned.forks)
        page.beside((label, HEADING), f"{stage}: {', '.join(order)}" if stage else joined([*order, stops]))
        label = ""
    if "" not in stages:
        page.beside("", f"each stage begins when the one before has ended well on all its hosts; {stops}")


def _in_order(batches: Sequence[tuple[str, ...]], forks: int) -> list[str]:
    """Return who is first, and how many follow at once."""
    (first, *_), *rest = batches
    sizes = [len(batch) for batch in rest]
    if not sizes:
        return [listed_name(first)]
    if set(sizes) == {1}:
        then = "then one host after another"
    else:
        runs = [(size, len(list(alike))) for size, alike in groupby(sizes)]
        *firsts, last = [f"{times} x {size}" if times > 1 else str(size) for size, times in runs]
        batches_of = f"{', '.join(firsts)} and {last}" if firsts else last
        then = f"then together {batches_of} {'host' if sizes == [1] else 'hosts'}"
        if max(sizes) > forks:
            then += f", {forks} at once"
    return [f"canary {listed_name(first)}", then]


def put_stages(page: Page, cases: Sequence[Case], spared: Container[str]) -> None:
    """Put on *page* which stages follow each other, and on which hosts; nothing where there are none.

    Args:
        cases: Of the whole run, in its order.
        spared: The targets that are not meant, because their stage is done once.
    """
    stages = [stage for stage in in_order(case.host for case in cases) if stage]
    width = max(map(len, stages), default=0)
    for stage in stages:
        its = [case for case in cases if case.host.stage == stage]
        meant = [case.host.listed_name for case in its if case.host.name not in spared]
        is_one = its[0].is_once and (len(meant) == 1 or len(its) == 1)
        once = "once, on" if is_one else "once, on one of" if its[0].is_once else "on"
        label = "STAGES" if stage == stages[0] else ""
        page.beside(
            (label, HEADING), f"{number_of(stage, its[0].scenario)} {stage:<{width}}  {once} {' '.join(compact(meant))}"
        )


def compact(names: Iterable[str]) -> list[str]:
    """Return names, those that only count on as one, ``web[1:150]``, as an inventory has them."""
    found: list[tuple[str, int | None, int]] = []
    for name in names:
        match = _NUMBERED.fullmatch(name)
        stem, number = (match[1], int(match[2])) if match else (name, None)
        if found and number is not None and found[-1][0] == stem and found[-1][1] is not None:
            _, first, last = found[-1]
            if number == last + 1:
                found[-1] = (stem, first, number)
                continue
        found.append((stem, number, number or 0))
    said: list[str] = []
    for stem, first, last in found:
        if first is None:
            said.append(stem)
        elif last - first > 1:
            said.append(f"{stem}[{first}:{last}]")
        else:
            said += [f"{stem}{number}" for number in range(first, last + 1)]
    return said


def put_affected(page: Page, touched: Sequence[str], untouched: Sequence[str], unknown: Sequence[str]) -> None:
    """Put on *page* to which hosts a change was sent, to which none, and of which it is not known."""
    for label, names in (("touched", touched), ("untouched", untouched), ("UNKNOWN", unknown)):
        if names:
            page.names(f"  {label}", [f"{len(names)}:", *compact(names)], 12)


def put_doubts(page: Page, previews: Sequence[Preview]) -> None:
    """Put on *page* what is to be known of other hosts before anybody says yes, and what leaves that to a person."""
    said = (one for preview in previews if preview.pending for one in (*preview.doubts, *preview.cautions))
    for one in dict.fromkeys(said):
        page.beside(("CAUTION", RED), one, 8)


class Tally:
    """Counts hosts while they are looked at and changed."""

    def __init__(self) -> None:
        self._of = 0
        self._seen = 0
        self._silent = 0
        self._to_change = 0
        self._batch: BatchStarted | None = None
        self._under_way: dict[str, None] = {}
        self._done = 0
        self._failed = 0

    @property
    def is_calm(self) -> bool:
        """Whether so many hosts are changed that each gets one line only."""
        return self._to_change > CALM

    def note(self, event: RunStarted | HostSeen | RolloutPlanned | BatchStarted | HostEnded) -> None:
        """Count what is told."""
        match event:
            case RunStarted():
                self._of = len(event.hosts)
            case HostSeen():
                self._seen += 1
            case RolloutPlanned():
                self._to_change = sum(map(len, event.batches))
            case BatchStarted():
                self._batch = event
                self._under_way = dict.fromkeys(event.hosts)
            case HostEnded(report=report) if self._batch is not None:
                self._under_way.pop(report.host.name, None)
                if was_tried(report):
                    self._done += 1
                    self._failed += not isinstance(report.outcome, Fixed | Eased | NotNeeded)
            case HostEnded(report=report):
                self._silent += report.preview is None and not is_spared(report)

    @property
    def looked(self) -> str:
        """How far looking has come."""
        silent = f"{self._silent} not reached" if self._silent else ""
        return joined([f"looked at {self._seen} of {self._of} hosts", silent])

    @property
    def changed(self) -> str:
        """How far changing has come."""
        if self._batch is None:
            return ""
        names = list(self._under_way)
        more = " …" if len(names) > _NAMED else ""
        return joined(
            [
                f"batch {self._batch.number} of {self._batch.of}",
                f"{self._done} of {self._to_change} hosts done",
                f"{failed} failed" if (failed := self._failed + self._silent) else "",
                f"under way: {' '.join(names[:_NAMED])}{more}" if names else "",
            ]
        )


def was_tried(report: HostReport) -> bool:
    """Whether a host was begun with at all."""
    outcome = report.outcome
    return not isinstance(outcome, WouldFix) and not (
        isinstance(outcome, Refusal) and outcome.why.startswith(NOT_TRIED) and not report.was_touched
    )


def ended_in_words(report: HostReport) -> str:
    """Return one line about a host of many that has ended."""
    sent = sent_in_words(report) if report.was_touched else "nothing was sent"
    is_well = isinstance(report.outcome, Fixed | NotNeeded)
    return joined([f"{report.host.name}  {report.outcome.word}", sent, "" if is_well else report.outcome.why])


def batch_in_words(event: BatchStarted) -> str:
    """Return one line about the hosts that are begun with."""
    if event.number == 1:
        return f"canary: {' '.join(compact(event.hosts))}"
    return f"batch {event.number} of {event.of}, {counted(len(event.hosts), 'host')}: {' '.join(compact(event.hosts))}"
