"""One scenario on one host: look, decide, send what was approved, look again, and say what became of it.

A preview is the opening of the run and never a mode of it: :meth:`HostRun.preview` is the first thing a run does, and
:meth:`HostRun.remedy` goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

from soleil_remediate.allowed import Allowed
from soleil_remediate.clock import Clock
from soleil_remediate.command import Reader
from soleil_remediate.decisions import after_changes, conclude, decide, expected, uses_of, verify
from soleil_remediate.delivery import Copies, Delivery
from soleil_remediate.errors import (
    AnswerNotRecorded,
    CommandFailed,
    HostLocked,
    OutcomeUnknown,
    Refused,
    RemediateError,
    Unreachable,
)
from soleil_remediate.events import CopySaved, Event, HostClaimed, HostSeen, HostSeenAgain, StepEnded
from soleil_remediate.freezing import Brake, released
from soleil_remediate.host import Host, Mode
from soleil_remediate.host_outcomes import HostOutcome
from soleil_remediate.look import look
from soleil_remediate.plan import Change
from soleil_remediate.report import HostReport
from soleil_remediate.scenario import Case, Step
from soleil_remediate.seeing import Seen, measured, preview_of, reads_of, seen_by
from soleil_remediate.seen import Preview, Standing
from soleil_remediate.step_outcomes import (
    SavedCopy,
    Sent,
    StepDeclined,
    StepFailed,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSeen,
    StepStillFaulty,
    StepUnknown,
)
from soleil_remediate.stopping import Stop, StopRequested
from soleil_remediate.task import Forecast, Health, Look
from soleil_remediate.transports import Session, Transport
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.undoing import take_back
from soleil_remediate.units import Duration

#: May one change be sent that the approval does not cover? Returns the digests that may, or raises PlanDrifted.
AskAgain: TypeAlias = "Callable[[Host, str, Change], frozenset[str]]"


class HostRun:
    """One run on one host. Used by one thread at a time.

    Args:
        case: The scenario bound to the host.
        run: The run's name.
        owner: Who is written beside the host's lock.
        transport: The way to the host.
        clock: For durations and waiting.
        say: Told every event.
        stop: Looked at between any two things that are done.
        brake: Looked at before anything is sent.
        nth: Which of the run's targets it is, from 0.

    Attributes:
        steps: What became of each step that was tried so far.
    """

    def __init__(  # noqa: PLR0913  # all by name, and the last holds nothing back unless given
        self,
        case: Case,
        *,
        run: str,
        owner: str,
        transport: Transport,
        clock: Clock,
        say: Callable[[Event], None],
        stop: Stop,
        brake: Brake = released,
        nth: int = 0,
    ) -> None:
        self._case = case
        self._nth = nth
        self._run = run
        self._owner = owner
        self._transport = transport
        self._clock = clock
        self._say = say
        self._stop = stop
        self._brake = brake
        self._session: Session | None = None
        self._meant = case.host  # and once it was looked at, no other machine than that one
        self._allowed = Allowed()
        self._cancellation = Cancellation()
        self._is_claimed = False
        self._scope: frozenset[str] = frozenset()
        self._has_sent = False
        self._copies: list[SavedCopy] = []
        self._looks: list[Standing] = []  # since it is remedied
        self._last: Standing | None = None  # how it stood after the last change; none since then where unknown
        self._followed: tuple[tuple[Look[Any], Any], ...] = ()  # what was seen before, by the looks that may go on
        self._forecasts: tuple[Forecast, ...] = ()
        self.steps: list[StepSeen] = []
        self._began = clock.monotonic()

    @property
    def host(self) -> Host:
        """Whose run it is."""
        return self._case.host

    @property
    def session(self) -> Session:
        """The open session."""
        if self._session is None:
            raise AssertionError("the host is looked at before anything else is done")
        return self._session

    def give_up(self) -> None:
        """Let nothing be waited for any more, connecting included; for another thread than the one that runs this."""
        self._cancellation.ask()
        self.close()

    def close(self) -> None:
        """End the session."""
        session = self._session
        if session is not None:
            with suppress(Exception):  # it is gone either way, and a host's end must not end the fleet
                session.close()

    def reopen(self) -> Session:
        """Connect anew, to the machine that was looked at first, and take the lock again where it was ours."""
        self.close()
        self._session = self._transport.open(
            self._meant, within=self.host.connection.connect_within, cancellation=self._cancellation
        )
        self._meant = self._meant.on_machine(self._session.identity.machine_id)
        if self._is_claimed:
            self._session.claim(self._owner)
        return self._session

    # --- looking ------------------------------------------------------------------------------------------------------

    def preview(self) -> Preview:
        """Connect, look once, and say what would be done. Changes nothing.

        Raises:
            Unreachable: The host cannot be reached.
            ConfigError: What the inventory says about reaching it cannot be used; it was not contacted.
            StopRequested: Somebody asked to stop.
        """
        self._stop.check()
        case, began = self._case, self._clock.monotonic()
        session = self.reopen()
        connected = self._clock.monotonic()
        self._stop.check()
        seen = self._look(0, case.evidence)
        self._stop.check()  # what was seen while the session was closed under it would be no preview
        self._followed = measured(case.evidence, seen)
        preview = preview_of(
            case,
            seen,
            session,
            self._allowed,
            connected_in=Duration(connected - began),
            looked_in=Duration(self._clock.monotonic() - connected),
            evidence=case.evidence,
        )
        self._scope = preview.standing.scope
        self._say(HostSeen(preview=preview))
        return preview

    def _look(self, first: int, evidence: tuple[Look[Any], ...] = ()) -> Seen:
        """Look once: at the checks, *evidence* and every step from *first* on; after a change also at what follows."""
        reads = reads_of(self._case, first, evidence)
        reader = Reader()
        follows = [item.follow(reader, seen) for item, seen in self._followed] if self._has_sent else []
        results = look([*reads, *follows], self.session.ask)
        seen = seen_by(self._case, results[: len(reads)], first, evidence, scope=self._scope)
        self._forecasts = expected(results[len(reads) :], self._scope)
        self._allowed.ask(uses_of(self._case.steps[first:], seen.steps), self.session)
        return seen

    def _look_again(self, first: int) -> Seen:
        """Look afresh; a connection that was lost with nothing under way is opened once more.

        Looking needs no lock: where a lost one cannot be had again, the host is looked at all the same, and the session
        refuses the next change.
        """
        if self._stop.is_insisted:
            raise self._stop.request
        try:
            looked = self._look(first)
        except Unreachable as error:
            if self._stop.is_insisted:
                raise self._stop.request from error
            if not error.retryable:
                raise
            with suppress(HostLocked):
                self.reopen()
            looked = self._look(first)
        self._last = looked.standing
        self._looks.append(looked.standing)
        return looked

    # --- remedying ----------------------------------------------------------------------------------------------------

    def remedy(self, preview: Preview, approved: frozenset[str], copies: Copies, ask_again: AskAgain) -> HostReport:
        """Send what was approved, as long as it is needed and still what was approved, and prove what became of it.

        Args:
            preview: This host's own.
            approved: The digests that may be sent.
            copies: Where what is destroyed is kept.
            ask_again: Asked about a change that is not among *approved*.
        """
        before: Standing | None = None
        error: RemediateError | None = None
        try:
            self._claim()
            looked = self._look_again(0)
            before = looked.standing
            self._say_seen(looked)
            consent = _Consent(preview.digests, approved, ask_again)
            delivery = Delivery(
                run=self._run,
                line=self,
                copies=copies,
                clock=self._clock,
                say=self._note,
                stop=self._stop,
                brake=self._brake,
                nth=self._nth,
            )
            for index, step in enumerate(self._case.steps):
                self._stop.check()
                looked = self._take_step(index, step, looked, before.symptom_health, delivery, consent)
                if isinstance(self.steps[-1].outcome, StepUnknown):
                    break
        except RemediateError as ended:
            # Whoever insists has the session closed under what is under way: whatever that says, it is the stop.
            error = self._stop.request if self._stop.is_insisted else ended
        return self.report(conclude(before, self._last, self.steps, error, (preview.standing, *self._looks)), preview)

    def _note(self, event: Event) -> None:
        """Tell an event of a change, and keep what a report needs of it whatever becomes of the change."""
        self._say(event)
        if isinstance(event, CopySaved):
            self._copies.append(event.copy)

    def report(self, outcome: HostOutcome, preview: Preview | None) -> HostReport:
        """Return what became of this host, with the steps so far and how it stood after the last change."""
        return HostReport(
            host=self.host,
            outcome=outcome,
            preview=preview,
            steps=tuple(self.steps),
            after=self._last if self._has_sent else None,
            copies=tuple(self._copies),
            forecasts=self._forecasts,
            took=Duration(self._clock.monotonic() - self._began),
        )

    def _claim(self) -> None:
        if self.host.policy.mode is Mode.OBSERVE or not self.host.is_listed:  # whatever a gate said
            raise Refused(f"{self.host.name} may only be looked at. Nothing was sent")
        access = self.session.access
        if not access.may_change:
            raise Refused(f"changes need root on {self.host.name}: {access.why_not}. Nothing was sent")
        self._stop.check()
        self._brake()
        try:
            self.session.claim(self._owner)
        except Unreachable as error:
            if not error.retryable:
                raise
            self.reopen().claim(self._owner)
        self._is_claimed = True
        self._say(HostClaimed(host=self.host.name, owner=self._owner))

    def _take_step(
        self, index: int, step: Step, looked: Seen, need: Health, delivery: Delivery, consent: _Consent
    ) -> Seen:
        """Do one step, note what became of it in :attr:`steps`, and return the newest look.

        Raises:
            RemediateError: Nothing more may be sent; what this step sent is noted.
        """
        refused = self._allowed.refused
        decided = decide(
            step,
            looked.of(index),
            looked.standing,
            self.host,
            need=need,
            refused=refused,
            incident=looked.incident,
            again=self._case.again,
        )
        if not isinstance(decided, StepPending):
            self._end_step(index, step, decided)
            return looked
        with self._noting_refusal(index, step):
            was_asked = consent.ask_about(self.host, step.task.kind, decided)
        if was_asked:  # whoever it was may have thought for long: what was approved must still be the plan
            looked = self._look_again(index)
            self._say_seen(looked)
            return self._take_step(index, step, looked, need, delivery, consent)
        if not consent.covers(decided):
            self._end_step(index, step, StepDeclined(why="it was not among what was approved"))
            return looked
        faults, sent = looked.standing.faults, list[Sent]()
        try:
            with self._noting_refusal(index, step):
                outcome, ended = self._carry_out(index, step, decided, delivery, sent)
        except Exception as error:
            if sent:
                self._note_sent()
                self._end_step(index, step, StepFailed(sent=tuple(sent), why=f"{type(error).__name__}: {error}"))
            raise
        self._note_sent()
        try:
            looked = self._look_again(index)
            outcome = verify(outcome, step, looked.of(index), faults)
        except Exception as error:
            if isinstance(outcome, StepRemedied):
                outcome = StepStillFaulty(sent=outcome.sent, why=f"it was not seen whether it helped: {error}")
            self._end_step(index, step, outcome)
            raise
        self._end_step(index, step, outcome, looked)
        if ended is not None:
            raise ended
        return looked

    @contextmanager
    def _noting_refusal(self, index: int, step: Step) -> Iterator[None]:
        """Note a step of which nothing was sent, and why; a stop says nothing about the step."""
        try:
            yield
        except StopRequested:
            raise
        except Refused as error:
            self._end_step(index, step, StepDeclined(why=str(error)))
            raise

    def _note_sent(self) -> None:
        self._has_sent = True
        self._last, self._forecasts = None, ()

    def _carry_out(
        self, index: int, step: Step, pending: StepPending, delivery: Delivery, sent: list[Sent]
    ) -> tuple[StepOutcome, RemediateError | None]:
        """Send a step's changes in order; stop at the first that does not succeed.

        Returns:
            What became of the step, and why nothing more may be sent after it.

        Raises:
            Refused: Nothing of this step was sent.
            Unreachable: Likewise.
        """
        kind = step.task.kind
        for number, change in enumerate(pending.plan.changes):
            is_to_finish = pending.plan.is_finished and any(one.change.undo.command is None for one in sent)
            try:
                delivery.send(change, kind, index, number, sent, is_to_finish=is_to_finish)
            except OutcomeUnknown as error:
                operation = delivery.operation(index, number)
                return StepUnknown(sent=tuple(sent), operation=operation, why=str(error)), None
            except CommandFailed as error:
                why = f"{change.summary}: {error}"
                return take_back(pending.plan, delivery, (kind, index), sent, why)
            except AnswerNotRecorded as error:
                return StepFailed(sent=tuple(sent), why=f"{change.summary}: {error}"), error
            except (Refused, Unreachable) as error:
                if not sent:
                    raise
                failed, ended = take_back(pending.plan, delivery, (kind, index), sent, after_changes(error))
                return failed, ended or error
        return StepRemedied(sent=tuple(sent), why=""), None

    def _say_seen(self, looked: Seen) -> None:
        self._say(HostSeenAgain(host=self.host.name, standing=looked.standing))

    def _end_step(self, index: int, step: Step, outcome: StepOutcome, looked: Seen | None = None) -> None:
        self.steps.append(StepSeen(kind=step.task.kind, outcome=outcome))
        if looked is not None:  # before the end that it proves, so that no record has an end without its proof
            self._say_seen(looked)
        self._say(StepEnded(host=self.host.name, step=index, kind=step.task.kind, outcome=outcome))


class _Consent:
    """What may be sent to one host: the approved set, and whatever is approved later."""

    def __init__(self, previewed: frozenset[str], approved: frozenset[str], ask_again: AskAgain) -> None:
        self._previewed = previewed
        self._approved = approved
        self._ask_again = ask_again

    def ask_about(self, host: Host, kind: str, pending: StepPending) -> bool:
        """Ask about every change that nobody has seen yet; return whether there was any.

        Raises:
            PlanDrifted: One of them may not be sent.
        """
        was_asked = False
        for change, digest in zip(pending.plan.changes, pending.digests, strict=True):
            if digest not in self._approved | self._previewed:
                self._approved |= self._ask_again(host, kind, change)
                self._previewed |= {digest}  # seen by now, whatever was answered
                was_asked = True
        return was_asked

    def covers(self, pending: StepPending) -> bool:
        """Whether every change of a step may be sent; a part of a step never is."""
        return self._approved.issuperset(pending.digests)
