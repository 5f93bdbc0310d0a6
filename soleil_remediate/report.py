"""What became of a run, host by host, and the one call for who wants an exception."""

from __future__ import annotations

from dataclasses import dataclass, field

from soleil_remediate.errors import ExitStatus, Unreachable, worst
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, HostOutcome, MaybeChanged, NotNeeded, NotReached
from soleil_remediate.scenario import ForPeople
from soleil_remediate.seen import Preview, Standing, plan_of
from soleil_remediate.step_outcomes import (
    SavedCopy,
    Sent,
    StepFailed,
    StepRemedied,
    StepSeen,
    StepStillFaulty,
    StepUnknown,
)
from soleil_remediate.task import Forecast
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What became of one host.

    Args:
        host: Whose it is.
        outcome: The verdict.
        preview: What was seen at first; ``None`` where no look succeeded.
        steps: What became of each step; empty where none was tried.
        after: How it stood at the last look; ``None`` where nothing was sent, or no look succeeded since.
        copies: What was saved off the host before its changes, whatever became of these.
        forecasts: When what was repaired is at fault again; empty where that is not known.
        took: From connecting to the end.
    """

    host: Host
    outcome: HostOutcome
    preview: Preview | None = None
    steps: tuple[StepSeen, ...] = ()
    after: Standing | None = None
    copies: tuple[SavedCopy, ...] = ()
    forecasts: tuple[Forecast, ...] = ()
    took: Duration = Duration(0)

    @property
    def sent(self) -> tuple[Sent, ...]:
        """Every change that was sent and answered."""
        return tuple(sent for _, changes in self._sent_by_step for sent in changes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What changes that succeeded have said a person should know all the same."""
        return tuple(dict.fromkeys(warning for sent in self.sent for warning in sent.warnings))

    @property
    def kinds_sent(self) -> tuple[str, ...]:
        """The kinds of the steps of which a change was sent and answered, in order."""
        return tuple(kind for kind, changes in self._sent_by_step if changes)

    @property
    def _sent_by_step(self) -> tuple[tuple[str, tuple[Sent, ...]], ...]:
        return tuple(
            (step.kind, step.outcome.sent)
            for step in self.steps
            if isinstance(step.outcome, StepRemedied | StepStillFaulty | StepFailed | StepUnknown)
        )

    @property
    def was_touched(self) -> bool:
        """Whether any change was sent, whatever became of it."""
        return any(
            isinstance(step.outcome, StepRemedied | StepStillFaulty | StepFailed | StepUnknown) for step in self.steps
        )

    @property
    def may_have_changed(self) -> bool:
        """Whether a change was sent of which nobody knows what became."""
        return isinstance(self.outcome, MaybeChanged) or any(
            isinstance(step.outcome, StepUnknown) for step in self.steps
        )

    def raise_for_outcome(self) -> None:
        """Do nothing where the host is healthy or fixed; else raise what says why not, with this as its ``report``.

        The error's exit status is the outcome's.

        Raises:
            NotRemedied: It is not fixed, or that is not proven; also WorkFound and GoalMissed.
            NotOnHost: What was given names something that it has not.
            Refused: Nothing was sent.
            Unreachable: The host was not reached before anything was sent.
            OutcomeUnknown: A change may have happened: look first.
            Interrupted: The run was stopped before this host was done.
            BugFound: This program or a task broke on it.
        """
        _raise_for(self.outcome, self.host.name, self)


def _raise_for(outcome: HostOutcome, host: str, report: HostReport | RunReport) -> None:
    if isinstance(outcome, NotNeeded | Fixed):
        return
    error = outcome.error(f"{host}: {outcome.why}")
    error.report = report
    if isinstance(error, Unreachable) and isinstance(outcome, NotReached):
        error.retryable = outcome.is_retryable
    raise error


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What became of a run, host by host, in the inventory's order.

    Args:
        for_people: What its scenario leaves to people on all of them.
    """

    run: str
    scenario: str
    hosts: tuple[HostReport, ...]
    for_people: ForPeople = field(default_factory=ForPeople)

    @property
    def exit_status(self) -> ExitStatus:
        """The worst of its hosts'."""
        return worst(host.outcome.exit_status for host in self.hosts)

    @property
    def touched(self) -> tuple[str, ...]:
        """The hosts to which a change was sent, whose answer is known."""
        return tuple(one.host.name for one in self.hosts if one.was_touched and not one.may_have_changed)

    @property
    def untouched(self) -> tuple[str, ...]:
        """The hosts to which no change was sent."""
        return tuple(one.host.name for one in self.hosts if not one.was_touched and not one.may_have_changed)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The hosts to which a change was sent of which nobody knows what became."""
        return tuple(one.host.name for one in self.hosts if one.may_have_changed)

    @property
    def plan(self) -> str:
        """The digest that ``--approve`` takes: of every change that the previews would send."""
        return plan_of(tuple(host.preview for host in self.hosts if host.preview is not None))

    @property
    def left_to_people(self) -> ForPeople:
        """What people have to answer and to do on the hosts that had the fault, or may have had it."""
        return self.for_people.on(
            {one.host.listed_name for one in self.hosts if not isinstance(one.outcome, NotNeeded)}
        )

    def raise_for_outcome(self) -> None:
        """Do nothing where every host is healthy or fixed; else raise what says why the worst is not.

        Raises:
            RemediateError: As :meth:`HostReport.raise_for_outcome` does, with this as its ``report``; its exit status
                is the run's.
        """
        worst_host = next(host for host in self.hosts if host.outcome.exit_status is self.exit_status)
        _raise_for(worst_host.outcome, worst_host.host.name, self)
