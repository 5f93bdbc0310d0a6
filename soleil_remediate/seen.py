"""What one look saw of a host, how the host stands by that, and the preview of what would be done about it."""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import HostOutcome
from soleil_remediate.identity import UNSAID, Identity
from soleil_remediate.plan import Risk, plan_digest
from soleil_remediate.step_outcomes import StepPending, StepSeen
from soleil_remediate.task import Health, Shown, Verdict
from soleil_remediate.units import Duration


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
class Standing:
    """How a host stood at one look.

    Args:
        symptom: The scenario's ``healthy_when``.
        goal: The scenario's ``goal``.
        scope: What the symptom was at the first look. A goal that can tell parts apart counts only for these: a run
            about one full file system does not touch another that is merely fuller than the goal.
        beyond: The scenario's ``beyond``: counts for neither of the two.
    """

    symptom: tuple[CheckSeen, ...]
    goal: tuple[CheckSeen, ...]
    scope: frozenset[str] = frozenset()
    beyond: tuple[CheckSeen, ...] = ()

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
    def fault_beyond(self) -> str:
        """What is at fault beyond the host, where no step helps; empty where nothing is."""
        said = [seen.verdict.why for seen in self.beyond if seen.verdict.health is Health.FAULTY]
        return "; ".join(dict.fromkeys(said))

    @property
    def faults(self) -> frozenset[str]:
        """What exactly is at fault, within the scope; empty where no check can tell parts apart."""
        symptom = frozenset[str]().union(*(seen.verdict.faults for seen in self.symptom))
        goal = frozenset[str]().union(*(seen.verdict.faults for seen in self.goal_in_scope))
        return symptom | (goal & self.scope if self.scope else goal)

    def why(self, health: Health) -> str:
        """Return what the checks of that health said, as :meth:`reasons` does, in one sentence."""
        return "; ".join(self.reasons(health))

    def reasons(self, health: Health) -> tuple[str, ...]:
        """Return what the checks of that health said, the symptom's first; of the goal only what that leaves unsaid."""
        known = frozenset[str]().union(*(seen.verdict.faults for seen in self.symptom if seen.verdict.health is health))
        goal = [seen for seen in self.goal_in_scope if not self._is_among(seen.verdict, known)]
        said = [seen.verdict.why for seen in (*self.symptom, *goal) if seen.verdict.health is health]
        return tuple(dict.fromkeys(said))

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
        identity: Which machine it was: no other may be changed for it.
        limits: Why not everything may be seen or changed; empty where it may.
        connected_in: Until the session was open.
        looked_in: All questions together.
        round_trips: How many batches that took.
        standing: The checks.
        evidence: The looks.
        steps: What each step would do.
        left_out: Steps that this host or these inputs do not call for; they have no place among *steps*.
        outcome: ``NotNeeded``, ``WouldFix``, ``NotFixed`` or ``WrongInput``.
        doubts: Why nobody but a person may say yes, whatever the policy allows: what was seen of other hosts.
        cautions: What else is to be known of other hosts before anybody says yes.
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
    identity: Identity = UNSAID
    doubts: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()

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


def plan_of(previews: tuple[Preview, ...]) -> str:
    """Return the digest that stands for everything *previews* would send, and for the machines to which."""
    digests = [digest for preview in previews for digest in preview.digests]
    machines = [
        f"{preview.host.machine} is {known}"
        for preview in previews
        if preview.digests and (known := preview.identity.machine_id)
    ]
    return plan_digest((*digests, *machines))
