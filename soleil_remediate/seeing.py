"""What a case asks of its host, and what the answers of one look say: alike for a run and for a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from soleil_remediate.allowed import Allowed
from soleil_remediate.command import Read, Reader
from soleil_remediate.decisions import decide, foresee, judge, show
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.incidents import Incident, ReadIncident
from soleil_remediate.rights import Use
from soleil_remediate.scenario import Case
from soleil_remediate.seen import CheckSeen, EvidenceSeen, Preview, Standing
from soleil_remediate.step_outcomes import StepPending, StepSeen, StepSkipped
from soleil_remediate.task import Check, Look
from soleil_remediate.transports import Session
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one look saw.

    Args:
        standing: How the host stands.
        first: The first step that was looked at.
        steps: What the task of each step read, from that one on.
        evidence: What each look read.
        misnamed: Names that the checks were given and the host has not.
        incident: The incident that is open on the host; asked only where a step clears something away.
    """

    standing: Standing
    first: int
    steps: tuple[Any, ...]
    evidence: tuple[Any, ...]
    misnamed: tuple[NotOnHost, ...]
    incident: Incident | FactError | None = None

    def of(self, index: int) -> Any:
        """Return what the task of a step read."""
        return self.steps[index - self.first]


def _checks(case: Case) -> tuple[Check[Any], ...]:
    return (*case.healthy_when, *case.goal, *case.beyond)


def reads_of(case: Case, first: int = 0, evidence: Sequence[Look[Any]] = ()) -> list[Read[Any]]:
    """Return what is asked: by the checks, *evidence* and every step from *first* on, and whether any may clear up."""
    reader = Reader()
    tasks = [step.task for step in case.steps[first:]]
    reads: list[Read[Any]] = [reading.read(reader) for reading in (*_checks(case), *evidence, *tasks)]
    return [*reads, reader.ask(ReadIncident())] if any(task.clears for task in tasks) else reads


def seen_by(
    case: Case,
    results: Sequence[Any],
    first: int = 0,
    evidence: Sequence[Look[Any]] = (),
    *,
    scope: frozenset[str] = frozenset(),
) -> Seen:
    """Return what the *results* of :func:`reads_of` say.

    Args:
        scope: What was at fault when the host was first looked at; empty where this is the first look.
    """
    checks = _checks(case)
    rest = len(checks) + len(evidence)
    steps, incident = results[rest : rest + len(case.steps) - first], results[rest + len(case.steps) - first :]
    judged: tuple[CheckSeen, ...] = tuple(judge(check, one) for check, one in zip(checks, results, strict=False))
    split, end = len(case.healthy_when), len(case.healthy_when) + len(case.goal)
    return Seen(
        standing=Standing(symptom=judged[:split], goal=judged[split:end], beyond=judged[end:], scope=scope),
        first=first,
        steps=tuple(steps),
        evidence=tuple(results[len(checks) : rest]),
        misnamed=tuple(one for one in results[: len(checks)] if isinstance(one, NotOnHost)),
        incident=incident[0] if incident else None,
    )


def preview_of(
    case: Case,
    seen: Seen,
    session: Session,
    allowed: Allowed,
    *,
    connected_in: Duration,
    looked_in: Duration,
    evidence: Sequence[Look[Any]] = (),
) -> Preview:
    """Return what a first look says about a host, and what would be done about it."""
    scope = frozenset[str]().union(*(one.verdict.faults for one in seen.standing.symptom))
    standing = replace(seen.standing, scope=scope)
    steps = _foreseen(case, seen, standing, allowed.refused)
    shown: tuple[EvidenceSeen, ...] = tuple(show(item, one) for item, one in zip(evidence, seen.evidence, strict=True))
    return Preview(
        host=case.host,
        scenario=case.scenario.name,
        login=session.access.login,
        identity=session.identity,
        limits=session.access.why_not,
        connected_in=connected_in,
        looked_in=looked_in,
        round_trips=session.round_trips,
        standing=standing,
        evidence=shown,
        steps=steps,
        outcome=foresee(standing, steps, seen.misnamed),
        left_out=tuple(
            StepSeen(kind=one.kind, outcome=StepSkipped(why=f"needs {', '.join(one.missing)}")) for one in case.left_out
        ),
    )


def _foreseen(case: Case, seen: Seen, standing: Standing, refused: frozenset[Use]) -> tuple[StepSeen, ...]:
    steps: list[StepSeen] = []
    is_tentative = False
    for index, step in enumerate(case.steps):
        outcome = decide(
            step,
            seen.of(index),
            standing,
            case.host,
            need=standing.symptom_health,
            is_tentative=is_tentative,
            refused=refused,
            incident=seen.incident,
            again=case.again,
        )
        is_tentative = is_tentative or isinstance(outcome, StepPending)
        steps.append(StepSeen(kind=step.task.kind, outcome=outcome))
    return tuple(steps)


def measured(looks: Sequence[Look[Any]], seen: Seen) -> tuple[tuple[Look[Any], Any], ...]:
    """Return the looks that could be read, each with what it read: those that may be followed after a repair."""
    pairs = zip(looks, seen.evidence, strict=True)
    return tuple((item, one) for item, one in pairs if not isinstance(one, FactError))
