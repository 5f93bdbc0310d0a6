"""Tell a run to a person as it goes on: what is wrong, what would be done, what is being done, and the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import assert_never

from soleil_remediate.clock import Clock
from soleil_remediate.errors import ExitStatus
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
    HostSettled,
    RolloutPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    StopHeard,
)
from soleil_remediate.host_outcomes import HostOutcome, MaybeChanged, NotReached, Refusal, WrongInput
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.batches import (
    CALM,
    Tally,
    batch_in_words,
    compact,
    ended_in_words,
    put_affected,
    put_doubts,
    put_order,
    put_stages,
    was_tried,
)
from soleil_remediate.reporters.endings import put_forecasts, put_next, put_proof, put_saved, put_verdict, was_touched
from soleil_remediate.reporters.fleets import put_hosts, put_total, telling, worst_of
from soleil_remediate.reporters.invocation import Invocation
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.reporters.plans import Detail, numbers, put_commands, sums
from soleil_remediate.reporters.previews import fitted, other_plans, preview_page, put_other_plan
from soleil_remediate.reporters.records import in_units
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview, plan_of
from soleil_remediate.stages import in_order, is_spared, number_of
from soleil_remediate.step_outcomes import (
    StepDeclined,
    StepFailed,
    StepHealthy,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.units import ByteSize, Duration

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
        self._cases: Mapping[str, Case] = {case.host.name: case for case in cases}
        self._scenario = cases[0].scenario
        self._again = again
        self._clock = clock
        self._is_dry = is_dry
        self._is_verbose = is_verbose
        self._has_commands = has_commands
        self._run = ""
        self._seen: dict[str, Preview] = {}
        self._spared: dict[str, HostOutcome] = {}
        self._shown: set[str] = set()
        self._kinds: dict[str, str] = {}
        self._copy_began: dict[tuple[str, int], float] = {}
        self._copy_told = 0.0
        self._opened: float | None = None
        self._is_insisted = False
        self._order: RolloutPlanned | None = None
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
                if len(self._cases) == 1 and not event.preview.pending:
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
                self._kinds[event.operation] = event.kind
                self._tell(f"{self._step(event.host, event.step)} send    {event.change.summary}", event.host)
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
            case RunResumed() | ChangeSettled() | HostSettled():
                pass  # they tell of a run that is over
            case RunEnded():
                self._tell_end(event.report)
            case _:
                assert_never(event)

    def note(self, event: Event) -> None:
        """Remember what the gate has to show, and print nothing: for runs that a program reads."""
        if isinstance(event, RunStarted | HostSeen | RolloutPlanned):
            self._tally.note(event)
        if isinstance(event, RunStarted):
            self._run = "" if self._is_dry else event.run
        elif isinstance(event, RolloutPlanned):
            self._order = event
        elif isinstance(event, HostSeen):
            seen = {**self._seen, event.preview.host.name: event.preview}
            self._seen = {name: seen[name] for name in self._cases if name in seen}  # as the inventory has them
        elif isinstance(event, HostEnded) and is_spared(event.report):
            self._spared[event.report.host.name] = event.report.outcome
            self._seen.pop(event.report.host.name, None)

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
        page, plan = Page(width), plan_of(tuple(previews)) if len(previews) == 1 else ""
        for number, preview in enumerate(previews):
            if number:
                page.gap()
            case = self._cases[preview.host.name]
            page.add(preview_page(case, preview, self._run, width=width, detail=Detail.ALL, plan=plan))
        return page

    # --- before -------------------------------------------------------------------------------------------------------

    def _page(self, previews: Sequence[Preview], width: int, detail: Detail) -> Page:
        plan = plan_of(tuple(previews)) if any(preview.pending for preview in previews) else ""
        if len(self._cases) == 1:
            (preview,) = previews
            case = self._cases[preview.host.name]
            page = preview_page(case, preview, self._run, width=width, detail=detail, plan=plan)
        else:
            page = self._table(previews, width, plan, detail)
        put_doubts(page, previews)
        if self._has_commands:
            put_commands(page, previews)
        return page

    def _table(self, previews: Sequence[Preview], width: int, plan: str, detail: Detail) -> Page:
        page = Page(width)
        scenario, hosts = self._scenario, {case.host.listed_name for case in self._cases.values()}
        urgent = f"{scenario.severity.value.upper()}, respond within {scenario.respond_within}"
        page.beside((scenario.name, HEADING), f"· {counted(len(hosts), 'host')} · {urgent}", 0)
        page.line(joined([f"run {self._run}" if self._run else "dry run", "nothing changed yet"]))
        put_stages(page, list(self._cases.values()), self._spared)
        page.gap()
        seen = self._seen or {preview.host.name: preview for preview in previews}
        rows = [(name, preview.outcome, preview) for name, preview in seen.items()]
        put_hosts(page, [*rows, *((name, outcome, None) for name, outcome in self._spared.items())])
        if missing := [name for name in self._cases if name not in seen and name not in self._spared]:
            page.names("  not reached", compact(missing), 15)
        if pending := [preview for preview in previews if preview.pending]:
            for stage in in_order(preview.host for preview in pending):
                page.gap()
                if stage:
                    number = f"{number_of(stage, scenario)} of {len(scenario.stages)}"
                    page.line((f"STAGE {number} {stage}", HEADING))
                self._put_plans(page, [preview for preview in pending if preview.host.stage == stage], detail)
            page.gap()
            if self._order is not None:
                put_order(page, self._order)
            page.prose(joined([sums(pending), f"plan {plan}"]))
        return page

    def _put_plans(self, page: Page, pending: Sequence[Preview], detail: Detail) -> None:
        """Put on *page* what is wrong on the worst host, and every plan that there is."""
        worst = worst_of(pending)
        case = self._cases[worst.host.name]
        page.add(preview_page(case, worst, self._run, width=page.width, detail=detail, part_of=len(pending)))
        for alike in other_plans(pending, worst):
            page.gap()
            put_other_plan(page, alike, detail)

    # --- while --------------------------------------------------------------------------------------------------------

    def _tell(self, text: str, host: str = "") -> None:
        page = Page(self.screen.width)
        name = f"{host}  " if host and len(self._cases) > 1 else ""
        page.beside(f"{self._time()}  ", f"{name}{text}", 10, at_most=0 if self._is_verbose else 4)
        self.screen.show(page)

    def _time(self) -> str:
        now: datetime = self._clock.now().astimezone()
        return now.strftime("%H:%M:%S")

    def _step(self, host: str, place: int) -> str:
        preview = self._seen.get(host)
        number = numbers(preview).get(place) if preview is not None else None
        return "+" if number is None else str(number)

    def _tell_gate(self, event: GateAnswered) -> None:
        pending = [preview for preview in self._seen.values() if preview.pending]
        self.present(pending)
        if event.is_open:
            self.screen.say("")
            self._tell(f"approved: {event.by}")
            self._opened = self._clock.monotonic()

    def _tell_looked(self) -> None:
        if len(self._cases) > 1:
            self.screen.move(self._tally.looked)

    def _tell_batch(self, event: BatchStarted) -> None:
        self._tally.note(event)
        if self._order is not None and max(map(len, self._order.batches)) > 1:
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
        share = min(int(event.copied) / max(int(event.total), 1), 1.0)
        left = (now - began) * (1 - share) / share if share > 0 and now - began > 1 else None
        text = joined(
            [
                f"{self._step(event.host, event.step)} save    {event.copied} of {event.total}",
                f"{Duration(round(left))} left" if left else "",
                "Ctrl-C: no change",
            ],
            "   ",
        )
        if self.screen.is_terminal:
            bar = "#" * round(share * 12)
            self.screen.move(f"{self._time()}  {text.replace('save    ', f'save    {bar:-<12}  ', 1)}")
        elif now - self._copy_told >= _SPARSE and now - began >= _SPARSE:
            self._copy_told = now
            self._tell(text, event.host)

    def _tell_saved(self, event: CopySaved) -> None:
        copy = event.copy
        number = self._step(event.host, event.step)
        stored: ByteSize = copy.stored
        self._tell(f"{number} saved   {copy.size} here ({stored} as gzip), the checksums match", event.host)

    def _tell_answer(self, event: ChangeAnswered) -> None:
        last = event.says.strip().splitlines()[-1:] or [""]
        took = f" in {event.took}" if event.took >= 1 else ""
        if event.exit_status == 0:
            if last[0] and self._is_verbose:
                self._tell(f"  {in_units(last[0])}", event.host)
        else:
            self._tell(f"! exit status {event.exit_status}{took}: {event.says or 'it said nothing'}", event.host)

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
        sign, text = _step_in_words(event.outcome)
        is_silent = isinstance(event.outcome, StepSkipped | StepHealthy) and self._step(event.host, event.step) == "+"
        if is_silent and not self._is_verbose:
            return
        number = self._step(event.host, event.step)
        self._tell(f"{number} {sign:<7} {event.kind}: {text}", event.host)

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
            self._put_host(page, report.hosts[0])
        else:
            self._put_fleet(page, report)
        self.screen.show(page)

    def _put_host(self, page: Page, host: HostReport) -> None:
        if host.preview is not None and host.after is not None and was_touched(host):
            put_proof(page, host.preview.standing, host.after, is_everything=self._is_verbose)
        put_saved(page, host.copies)
        took = Duration(self._clock.monotonic() - self._opened) if self._opened is not None else ""
        put_verdict(page, host, str(took))
        put_forecasts(page, host)
        put_next(page, host, self._scenario, self._again, self._run)

    def _put_fleet(self, page: Page, report: RunReport) -> None:
        changed = [host for host in report.hosts if was_touched(host)]
        proven = changed if self._is_verbose or len(changed) <= CALM else telling(changed)[:CALM]
        for host in proven:
            if host.preview is not None and host.after is not None:
                page.line(host.host.name)
                put_proof(page, host.preview.standing, host.after, is_everything=self._is_verbose)
                put_saved(page, host.copies)
                put_forecasts(page, host)
                page.gap()
        if len(proven) < len(changed):
            page.prose(f"and the proof of {counted(len(changed) - len(proven), 'host')} more, in the record")
            page.gap()
        is_old = not any(map(was_touched, report.hosts))  # what the table above says is said
        new = [
            host
            for host in report.hosts
            if not is_old or (host.outcome != host.preview.outcome if host.preview is not None else not is_spared(host))
        ]
        put_hosts(page, [(host.host.name, host.outcome, host.preview) for host in new])
        page.gap()
        if changed:
            put_affected(page, report.touched, report.untouched, report.unknown)
        put_total(page, report)
        if self._run and any(map(was_touched, report.hosts)):
            page.command("  record", self._again.show(self._run), 9)
            if any(isinstance(host.outcome, MaybeChanged) for host in report.hosts):
                page.command("  next", self._again.resume(self._run), 9)
            elif report.exit_status:
                page.command("  next", self._again.preview(), 9)
                if report.exit_status in (ExitStatus.NOT_FIXED, ExitStatus.UNREACHABLE):
                    page.line("         once that is mended: what is done already is not done again")
        elif report.exit_status and (command := self._next(report)):
            page.command("  next", command, 9)

    def _next(self, report: RunReport) -> str:
        """Return the command that goes on with several hosts; empty where only the person can know it."""
        wrong = {host.host.name: host.outcome for host in report.hosts if isinstance(host.outcome, WrongInput)}
        if len(wrong) == len(report.hosts):
            meant = {(one.given, one.nearest) for one in wrong.values()}
            given, nearest = meant.pop()
            return self._again.corrected(given, nearest).preview() if nearest and not meant else ""
        if wrong:
            return self._again.without(list(wrong)).preview()
        if all(isinstance(host.outcome, NotReached) for host in report.hosts):
            return self._again.ping_all()
        silent = [host.host.name for host in report.hosts if host.preview is None and not is_spared(host)]
        if not self._is_dry and silent and any(isinstance(host.outcome, Refusal) for host in report.hosts):
            left = {host.host.stage for host in report.hosts if host.host.name not in silent}
            is_whole = left == {host.host.stage for host in report.hosts}  # a run does all stages or none
            return self._again.without(silent).remediate() if is_whole else self._again.ping_all()
        is_to_go_on = self._is_dry or report.exit_status is ExitStatus.DECLINED
        return self._again.remediate() if is_to_go_on else self._again.preview()


def _step_in_words(outcome: StepOutcome) -> tuple[str, str]:
    match outcome:
        case StepPending():
            word = "waits"
        case StepRemedied():
            word = "done"
        case StepHealthy() | StepSkipped():
            word = "skip"
        case StepDeclined():
            word = "declined"
        case StepUndecided():
            word = "cannot"
        case StepStillFaulty():
            word = "not yet"
        case StepFailed():
            word = "failed"
        case StepUnknown():
            word = "unknown"
        case _:
            assert_never(outcome)
    why = outcome.plan.because if isinstance(outcome, StepPending) else outcome.why
    return word, why or "a fresh look finds nothing left to repair"
