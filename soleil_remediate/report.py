"""What was seen and what became of it: frozen records, each with only the fields that mean something for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar, TypeAlias

from soleil_remediate.errors import (
    BugFound,
    ExitStatus,
    GoalMissed,
    Interrupted,
    NotOnHost,
    NotRemedied,
    OutcomeUnknown,
    Refused,
    RemediateError,
    Unreachable,
    WorkFound,
    worst,
)
from soleil_remediate.host import Host
from soleil_remediate.plan import Change, Plan, Risk, plan_digest
from soleil_remediate.task import Forecast, Health, Shown, Verdict
from soleil_remediate.units import ByteSize, Duration

# --- one step ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCopy:
    """What a change destroyed on the host, kept here: gzip, mode 0600."""

    path: PurePath
    size: ByteSize
    stored: ByteSize
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One change that was sent and answered with exit status 0."""

    change: Change
    operation: str
    says: str
    took: Duration
    saved: SavedCopy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepHealthy:
    """Nothing to repair here."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPending:
    """It would change something.

    Args:
        plan: What, in order.
        digests: Of each change; their set is what an approval is about.
        is_tentative: An earlier step would be sent first: this one is planned afresh after it, and may not be needed.
    """

    plan: Plan
    digests: tuple[str, ...]
    is_tentative: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSkipped:
    """Not looked into or not needed: nothing was sent."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDeclined:
    """A person or the policy said no to it: nothing was sent."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUndecided:
    """It cannot be known what to do, or must not be done: nothing was sent."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRemedied:
    """Changes were sent, and a fresh look finds nothing left to repair."""

    sent: tuple[Sent, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStillFaulty:
    """Every change succeeded, and a fresh look still finds the fault, or cannot tell."""

    sent: tuple[Sent, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailed:
    """A change ended with an error, or could not be begun after others had been sent."""

    sent: tuple[Sent, ...]
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUnknown:
    """A change was sent and its answer did not arrive."""

    sent: tuple[Sent, ...]
    operation: str
    why: str


StepOutcome: TypeAlias = (
    StepHealthy
    | StepPending
    | StepSkipped
    | StepDeclined
    | StepUndecided
    | StepRemedied
    | StepStillFaulty
    | StepFailed
    | StepUnknown
)


# --- one host ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNeeded:
    """The symptom this scenario is for is not there: nothing was sent."""

    word: ClassVar[str] = "NOT NEEDED"
    exit_status: ClassVar[ExitStatus] = ExitStatus.OK
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldFix:
    """Work was found by something that only looks."""

    word: ClassVar[str] = "WOULD FIX"
    error: ClassVar[type[RemediateError]] = WorkFound
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Red before, green after, and the goal is met."""

    word: ClassVar[str] = "FIXED"
    exit_status: ClassVar[ExitStatus] = ExitStatus.OK
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Eased:
    """The symptom is gone, the goal is not met."""

    word: ClassVar[str] = "EASED"
    error: ClassVar[type[RemediateError]] = GoalMissed
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """Something was changed, and no check that was red before vouches for it, or no record does."""

    word: ClassVar[str] = "UNPROVEN"
    error: ClassVar[type[RemediateError]] = NotRemedied
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFixed:
    """The symptom is still there, or it cannot be known whether it is."""

    word: ClassVar[str] = "NOT FIXED"
    error: ClassVar[type[RemediateError]] = NotRemedied
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongInput:
    """What was given names something that this host has not: nothing was sent, to this host or any other.

    Args:
        given: The name.
        nearest: What may have been meant; empty where nothing is like it.
    """

    word: ClassVar[str] = "WRONG INPUT"
    error: ClassVar[type[RemediateError]] = NotOnHost
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str
    given: str = ""
    nearest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A person, the policy, a lock or a drifted host said no: nothing was sent."""

    word: ClassVar[str] = "DECLINED"
    error: ClassVar[type[RemediateError]] = Refused
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaybeChanged:
    """A change was sent and its answer did not arrive: look before anything else is done."""

    word: ClassVar[str] = "UNKNOWN"
    error: ClassVar[type[RemediateError]] = OutcomeUnknown
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str
    operation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReached:
    """No session, so nothing was seen and nothing was sent; also a host that fell silent before the first change."""

    word: ClassVar[str] = "UNREACHABLE"
    error: ClassVar[type[RemediateError]] = Unreachable
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str
    is_retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A person or a signal stopped the run before this host was done; what was sent stands in its steps."""

    word: ClassVar[str] = "INTERRUPTED"
    error: ClassVar[type[RemediateError]] = Interrupted
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashed:
    """A bug in this program or in a task; what was sent stands in its steps."""

    word: ClassVar[str] = "BUG"
    error: ClassVar[type[RemediateError]] = BugFound
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str


HostOutcome: TypeAlias = (
    NotNeeded
    | WouldFix
    | Fixed
    | Eased
    | Unproven
    | NotFixed
    | WrongInput
    | Refusal
    | MaybeChanged
    | NotReached
    | Stopped
    | Crashed
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """A check and what it said."""

    kind: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSeen:
    """A look and what it showed; text about why it could not where *shown* is one."""

    kind: str
    title: str
    shown: Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """A step and what became of it."""

    kind: str
    outcome: StepOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a host stood at one look.

    Args:
        symptom: The scenario's ``healthy_when``.
        goal: The scenario's ``goal``.
        scope: What the symptom was at the first look. A goal that can tell parts apart counts only for these: a run
            about one full file system does not touch another that is merely fuller than the goal.
    """

    symptom: tuple[CheckSeen, ...]
    goal: tuple[CheckSeen, ...]
    scope: frozenset[str] = frozenset()

    @property
    def symptom_health(self) -> Health:
        """Faulty where any check is, else unknown where any is, else healthy."""
        return _health(self.symptom)

    @property
    def goal_health(self) -> Health:
        """Of the symptom and the goal within the scope: the goal is stricter, never laxer."""
        return _health(self.symptom + self.goal_in_scope)

    @property
    def goal_in_scope(self) -> tuple[CheckSeen, ...]:
        """The goal's checks that count, leaving out those that fail only elsewhere."""
        return tuple(seen for seen in self.goal if not self._is_elsewhere(seen.verdict))

    @property
    def faults(self) -> frozenset[str]:
        """What exactly is at fault, within the scope; empty where no check can tell parts apart."""
        symptom = frozenset[str]().union(*(seen.verdict.faults for seen in self.symptom))
        goal = frozenset[str]().union(*(seen.verdict.faults for seen in self.goal_in_scope))
        return symptom | (goal & self.scope if self.scope else goal)

    def why(self, health: Health) -> str:
        """Return what the checks of that health said, the symptom's first; of the goal only what that leaves unsaid."""
        known = frozenset[str]().union(*(seen.verdict.faults for seen in self.symptom if seen.verdict.health is health))
        goal = [seen for seen in self.goal_in_scope if not self._is_among(seen.verdict, known)]
        said = [seen.verdict.why for seen in (*self.symptom, *goal) if seen.verdict.health is health]
        return "; ".join(dict.fromkeys(said))

    def _is_among(self, verdict: Verdict, known: frozenset[str]) -> bool:
        faults = verdict.faults & self.scope if self.scope else verdict.faults
        return bool(faults) and faults <= known

    def _is_elsewhere(self, verdict: Verdict) -> bool:
        return bool(self.scope and verdict.faults) and not verdict.faults & self.scope


def _health(seen: tuple[CheckSeen, ...]) -> Health:
    healths = {check.verdict.health for check in seen}
    for health in (Health.FAULTY, Health.UNKNOWN):
        if health in healths:
            return health
    return Health.HEALTHY


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One host as seen by one look, and what would be done about it: the opening of the real run.

    Args:
        host: Whose it is.
        scenario: The scenario's name.
        login: Who logged in.
        limits: Why not everything may be seen or changed; empty where it may.
        connected_in: Until the session was open.
        looked_in: All questions together.
        round_trips: How many batches that took.
        standing: The checks.
        evidence: The looks.
        steps: What each step would do.
        left_out: Steps that this host or these inputs do not call for; they have no place among *steps*.
        outcome: ``NotNeeded``, ``WouldFix``, ``NotFixed`` or ``WrongInput``.
    """

    host: Host
    scenario: str
    login: str
    limits: str
    connected_in: Duration
    looked_in: Duration
    round_trips: int
    standing: Standing
    evidence: tuple[EvidenceSeen, ...]
    steps: tuple[StepSeen, ...]
    outcome: HostOutcome
    left_out: tuple[StepSeen, ...] = ()

    @property
    def pending(self) -> tuple[tuple[int, StepPending], ...]:
        """The steps that would change something, each with its place among all steps."""
        return tuple((i, s.outcome) for i, s in enumerate(self.steps) if isinstance(s.outcome, StepPending))

    @property
    def digests(self) -> frozenset[str]:
        """Of every change it would send."""
        return frozenset(digest for _, step in self.pending for digest in step.digests)

    @property
    def risk(self) -> Risk | None:
        """The highest risk of all of them; ``None`` where nothing would be sent."""
        return max((step.plan.risk for _, step in self.pending), default=None)


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
        return tuple(
            sent
            for step in self.steps
            if isinstance(step.outcome, StepRemedied | StepStillFaulty | StepFailed | StepUnknown)
            for sent in step.outcome.sent
        )

    @property
    def was_touched(self) -> bool:
        """Whether any change was sent, whatever became of it."""
        return any(
            isinstance(step.outcome, StepRemedied | StepStillFaulty | StepFailed | StepUnknown) for step in self.steps
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
    """What became of a run, host by host, in the inventory's order."""

    run: str
    scenario: str
    hosts: tuple[HostReport, ...]

    @property
    def exit_status(self) -> ExitStatus:
        """The worst of its hosts'."""
        return worst(host.outcome.exit_status for host in self.hosts)

    @property
    def plan(self) -> str:
        """The digest that ``--approve`` takes: of every change that the previews would send."""
        return plan_of(tuple(host.preview for host in self.hosts if host.preview is not None))

    def raise_for_outcome(self) -> None:
        """Do nothing where every host is healthy or fixed; else raise what says why the worst is not.

        Raises:
            RemediateError: As :meth:`HostReport.raise_for_outcome` does, with this as its ``report``; its exit status
                is the run's.
        """
        worst_host = next(host for host in self.hosts if host.outcome.exit_status is self.exit_status)
        _raise_for(worst_host.outcome, worst_host.host.name, self)


def plan_of(previews: tuple[Preview, ...]) -> str:
    """Return the digest that stands for everything *previews* would send."""
    return plan_digest(digest for preview in previews for digest in preview.digests)
