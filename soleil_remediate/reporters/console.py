"""Tell a run to a person as it goes on: what is wrong, what would be done, what is being done, and the proof."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from soleil_remediate.clock import Clock
from soleil_remediate.events import (
    BatchStarted,
    ChangeAnswered,
    ChangeIntended,
    ChangeSettled,
    ChangeUnanswered,
    CopyProgress,
    CopySaved,
    Event,
    GateAnswered,
    HostClaimed,
    HostEnded,
    HostSeen,
    HostSeenAgain,
    HostSettled,
    HostWatched,
    RolloutPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    StopHeard,
    WatchEnded,
    WatchStarted,
)
from soleil_remediate.invocation import Invocation
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.batches import Tally, batch_in_words, ended_in_words, put_doubts, was_tried
from soleil_remediate.reporters.endings import put_caveats, put_next, put_proof, put_saved, put_verdict, was_touched
from soleil_remediate.reporters.fleet_endings import put_fleet_ending
from soleil_remediate.reporters.fleets import put_hosts, put_total
from soleil_remediate.reporters.overviews import Overview
from soleil_remediate.reporters.page import Page, joined
from soleil_remediate.reporters.plans import Detail, put_commands
from soleil_remediate.reporters.previews import fitted
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.steps import answer_in_words, progress_in_words, saved_in_words, step_in_words
from soleil_remediate.scenario import Case, ForPeople
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepHealthy, StepSkipped
from soleil_remediate.task import Health
from soleil_remediate.units import Duration

#: What is told of one host by itself, unless there are many.
_ONE_HOSTS = (HostClaimed, CopyProgress, CopySaved, ChangeIntended, ChangeAnswered, StepEnded)
#: A plain stream gets a line about a copy no more often than every so many seconds.
_SPARSE = 10.0


class ConsoleReporter:
    """Listens to a run's events and prints them.

    Args:
        screen: Where to.
        cases: What the run is about.
        again: How it was called.
        clock: Tells the time of day beside each line.
        is_dry: Nothing is to be sent, and no record is kept.
        is_verbose: Everything is said, however long it gets.
        has_commands: What would be sent is printed too, as a person would type it.
    """

    def __init__(
        self,
        screen: Screen,
        *,
        cases: Sequence[Case],
        again: Invocation,
        clock: Clock,
        is_dry: bool = False,
        is_verbose: bool = False,
        has_commands: bool = False,
    ) -> None:
        self.screen = screen
        self._scenario = cases[0].scenario
        self._again = again
        self._clock = clock
        self._is_dry = is_dry
        self._is_verbose = is_verbose
        self._has_commands = has_commands
        self._overview = Overview(cases, is_dry=is_dry)
        self._shown: set[str] = set()
        self._copy_began: dict[tuple[str, int], float] = {}
        self._copy_told = 0.0
        self._opened: float | None = None
        self._is_insisted = False
        self._tally = Tally()

    # --- events -------------------------------------------------------------------------------------------------------

    def __call__(self, event: Event) -> None:  # noqa: C901, PLR0912, PLR0915  # one branch an event
        """Tell one event."""
        if self._tally.is_calm and not self._is_verbose and isinstance(event, _ONE_HOSTS):
            return
        match event:
            case RunStarted():
                self.note(event)
                self.screen.move(f"looking at {joined(event.hosts[:3], ', ')}{' …' if len(event.hosts) > 3 else ''}")
            case HostSeen():
                self.note(event)
                if not self._overview.has_several and not event.preview.pending:
                    self.present([event.preview])
                self._tell_looked()
            case RolloutPlanned():
                self.note(event)
            case BatchStarted():
                self._tell_batch(event)
            case GateAnswered():
                self._tell_gate(event)
            case HostClaimed():
                self._tell(f"locked {event.host} for {event.owner}")
            case CopyProgress():
                self._tell_progress(event)
            case CopySaved():
                self._tell_saved(event)
            case ChangeIntended():
                self._tell(f"{self._overview.step(event.host, event.step)} send    {event.change.summary}", event.host)
            case ChangeAnswered():
                self._tell_answer(event)
            case ChangeUnanswered():
                self._tell(f"? no answer: {event.why}", event.host)
                self._tell(self._unanswered(), event.host)
            case StopHeard():
                self._tell_stop(event)
            case StepEnded():
                self._tell_step(event)
            case HostEnded():
                self._tell_host(event)
            case HostSeenAgain() | RunResumed() | ChangeSettled() | HostSettled():
                pass  # the end of a step tells what was seen, and the others are about a run that is over
            case RunEnded():
                self._tell_end(event.report)
            case WatchStarted():
                self._tell_watch(event)
            case HostWatched():
                self._tell_watched(event)
            case WatchEnded():
                self._tell_watch_end(event)
            case _:
                assert_never(event)

    def note(self, event: Event) -> None:
        """Remember what the gate has to show, and print nothing: for runs that a program reads."""
        if isinstance(event, RunStarted | HostSeen | RolloutPlanned):
            self._tally.note(event)
        self._overview.note(event)

    def present(self, previews: Sequence[Preview], screen: Screen | None = None, *, reserve: int = 0) -> bool:
        """Show what would be done, once on each screen; return whether something was left out to fit.

        Args:
            previews: Of the hosts that anything would be sent to, or that are all there are.
            screen: Where to, if not this reporter's own.
            reserve: Lines that must stay free below, for the gate.
        """
        screen = screen or self.screen
        if screen is self.screen:
            if self._shown >= {preview.host.name for preview in previews}:
                return False
            self._shown |= {preview.host.name for preview in previews}
        if self._is_verbose or not reserve:
            screen.show(self._page(previews, screen.width, Detail.ALL if self._is_verbose else Detail.FULL))
            return False
        page, is_short = fitted(lambda detail: self._page(previews, screen.width, detail), screen.height - reserve)
        screen.show(page)
        return is_short

    def details(self, previews: Sequence[Preview], width: int) -> Page:
        """Return everything there is to say about *previews*."""
        return self._overview.details(previews, width)

    # --- before -------------------------------------------------------------------------------------------------------

    def _page(self, previews: Sequence[Preview], width: int, detail: Detail) -> Page:
        page = self._overview.page(previews, width=width, detail=detail)
        put_doubts(page, previews)
        if self._has_commands:
            put_commands(page, previews)
        return page

    # --- while --------------------------------------------------------------------------------------------------------

    def _tell(self, text: str, host: str = "") -> None:
        page = Page(self.screen.width)
        name = f"{host}  " if host and self._overview.has_several else ""
        page.beside(f"{self._time()}  ", f"{name}{text}", 10, at_most=0 if self._is_verbose else 4)
        self.screen.show(page)

    def _time(self) -> str:
        now: datetime = self._clock.now().astimezone()
        return now.strftime("%H:%M:%S")

    def _tell_gate(self, event: GateAnswered) -> None:
        pending = [preview for preview in self._overview.previews if preview.pending]
        self.present(pending)
        if event.is_open:
            self.screen.say("")
            self._tell(f"approved: {event.by}")
            self._opened = self._clock.monotonic()

    def _tell_looked(self) -> None:
        if self._overview.has_several:
            self.screen.move(self._tally.looked)

    def _tell_batch(self, event: BatchStarted) -> None:
        self._tally.note(event)
        order = self._overview.order
        if order is not None and max(map(len, order.batches)) > 1:
            self._tell(batch_in_words(event))
        self._tell_changed()

    def _tell_host(self, event: HostEnded) -> None:
        """Tell one of many at once; the run's end tells all of them, in the inventory's order."""
        self.note(event)
        self._tally.note(event)
        if self._opened is None:
            self._tell_looked()
        elif self._tally.is_calm and was_tried(event.report):
            self._tell(ended_in_words(event.report))
            self._tell_changed()

    def _tell_changed(self) -> None:
        if self._tally.is_calm:
            self.screen.move(f"{self._time()}  {self._tally.changed}")

    def _tell_progress(self, event: CopyProgress) -> None:
        now, copy = self._clock.monotonic(), (event.host, event.step)
        began = self._copy_began.setdefault(copy, now)
        step, is_drawn = self._overview.step(event.host, event.step), self.screen.is_terminal
        text = progress_in_words(event, step, now - began, has_bar=is_drawn)
        if is_drawn:
            self.screen.move(f"{self._time()}  {text}")
        elif now - self._copy_told >= _SPARSE and now - began >= _SPARSE:
            self._copy_told = now
            self._tell(text, event.host)

    def _tell_saved(self, event: CopySaved) -> None:
        self._tell(saved_in_words(event, self._overview.step(event.host, event.step)), event.host)

    def _tell_answer(self, event: ChangeAnswered) -> None:
        if text := answer_in_words(event, is_everything=self._is_verbose):
            self._tell(text, event.host)

    def _tell_stop(self, event: StopHeard) -> None:
        self._is_insisted = event.is_insisted
        if event.is_insisted:
            self._tell(f"{event.why} again: what is under way is left to the host")
        else:
            self._tell(
                f"{event.why}: no new change. What is under way is waited for; again = leave it, outcome unknown"
            )

    def _unanswered(self) -> str:
        if self._is_insisted:
            return "? the host is not asked what became of it: there was no time left for that"
        return "? asking the host what became of it, over a new connection"

    def _tell_step(self, event: StepEnded) -> None:
        (sign, text), step = step_in_words(event.outcome), self._overview.step(event.host, event.step)
        is_silent = isinstance(event.outcome, StepSkipped | StepHealthy) and step == "+"
        if is_silent and not self._is_verbose:
            return
        self._tell(f"{step} {sign:<7} {event.kind}: {text}", event.host)

    # --- after --------------------------------------------------------------------------------------------------------

    def _tell_end(self, report: RunReport) -> None:
        self.screen.settle()
        seen = [host.preview for host in report.hosts if host.preview is not None]
        if seen and not self._shown:
            self.present([preview for preview in seen if preview.pending] or seen)
        page = Page(self.screen.width)
        page.gap()
        if self._shown:
            self.screen.say("")
        if len(report.hosts) == 1:
            self._put_host(page, report.hosts[0], report.for_people)
        else:
            put_fleet_ending(
                page,
                report,
                self._again,
                self._overview.run,
                is_dry=self._is_dry,
                is_everything=self._is_verbose,
            )
        self.screen.show(page)

    def _tell_watch(self, event: WatchStarted) -> None:
        self.screen.say("")
        self._tell(f"watching for {event.lasts}, a look every {event.every}; Ctrl-C ends it. Nothing more is sent")

    def _tell_watched(self, event: HostWatched) -> None:
        match event.health:
            case Health.HEALTHY:
                self._tell(f"well: {event.why}", event.host)
            case Health.FAULTY:
                self._tell(f"AT FAULT: {event.why}", event.host)
            case Health.UNKNOWN:
                self._tell(f"unknown: {event.why}", event.host)
            case _:
                assert_never(event.health)

    def _tell_watch_end(self, event: WatchEnded) -> None:
        ended = f"ended by {event.stopped} after {event.took}" if event.stopped else f"watched for {event.took}"
        self._tell(ended)
        page = Page(self.screen.width)
        page.gap()
        report = event.report
        if len(report.hosts) == 1:
            put_verdict(page, report.hosts[0], "")
            if report.exit_status:
                put_next(page, report.hosts[0], self._scenario, self._again, self._overview.run, report.for_people)
        else:
            put_hosts(page, [(host.host.name, host.outcome, host.preview) for host in report.hosts])
            page.gap()
            put_total(page, report)
        self.screen.show(page)

    def _put_host(self, page: Page, host: HostReport, for_people: ForPeople) -> None:
        if host.preview is not None and host.after is not None and was_touched(host):
            put_proof(page, host.preview.standing, host.after, is_everything=self._is_verbose)
        put_saved(page, host.copies)
        took = Duration(self._clock.monotonic() - self._opened) if self._opened is not None else ""
        put_verdict(page, host, str(took))
        put_caveats(page, host)
        put_next(page, host, self._scenario, self._again, self._overview.run, for_people)
