"""What the engine decides about what was seen: pure functions, values in and values out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from soleil_remediate.errors import FactError, Frozen, NotOnHost, Refused, RemediateError, Unplannable, Unreachable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.incidents import MARK, Incident
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import (
    Eased,
    Fixed,
    Halted,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
    WrongInput,
)
from soleil_remediate.invocation import Invocation
from soleil_remediate.plan import Plan
from soleil_remediate.report import HostReport
from soleil_remediate.rights import Use
from soleil_remediate.scenario import Step
from soleil_remediate.seen import CheckSeen, EvidenceSeen, Standing
from soleil_remediate.step_outcomes import (
    Sent,
    StepDeclined,
    StepFailed,
    StepHealthy,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSeen,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.stopping import StopRequested
from soleil_remediate.task import Check, Forecast, Health, Look, Text, Verdict
from soleil_remediate.units import ByteSize, Duration

_NOTHING = re.compile(r"othing was (sent|begun|changed)")


def judge(check: Check[Any], seen: Any) -> CheckSeen:
    """Return what *check* says; what could not be read is unknown, never healthy."""
    verdict = Verdict.unknown(str(seen)) if isinstance(seen, FactError) else check.judge(seen)
    return CheckSeen(kind=check.kind, verdict=verdict)


def show(look: Look[Any], seen: Any) -> EvidenceSeen:
    """Return what *look* shows; where it could not be read, why."""
    shown = Text(lines=(f"unknown: {seen}",)) if isinstance(seen, FactError) else look.show(seen)
    return EvidenceSeen(kind=look.kind, title=look.title, shown=shown)


def expected(followed: Sequence[tuple[Forecast, ...] | FactError], scope: frozenset[str]) -> tuple[Forecast, ...]:
    """Return what will be at fault again, the soonest first; of what was not at fault before the repair, nothing.

    Args:
        followed: What each look measured after the repair; what could not be measured is not known.
        scope: What was at fault before; empty where that cannot be told apart.
    """
    known = (one for forecasts in followed if not isinstance(forecasts, FactError) for one in forecasts)
    return tuple(sorted((one for one in known if not scope or one.subject in scope), key=lambda one: one.within))


def uses_of(steps: Sequence[Step], seen: Sequence[Any]) -> Iterator[Use]:
    """Return what the changes of *steps* would do as somebody else, about what each of their tasks has *seen*."""
    for step, one in zip(steps, seen, strict=True):
        if not isinstance(one, FactError):
            with suppress(Unplannable):
                for change in step.task.plan(one).changes:
                    yield from change.uses


def decide(  # noqa: PLR0913  # all but three by name, and each is seen elsewhere
    step: Step,
    seen: Any,
    standing: Standing,
    host: Host,
    *,
    need: Health,
    is_tentative: bool = False,
    refused: frozenset[Use] = frozenset(),
    incident: Incident | FactError | None = None,
    again: Invocation = Invocation(),  # noqa: B008  # a frozen value
) -> StepPending | StepHealthy | StepSkipped | StepUndecided:
    """Decide what a step would do about what was seen, where the host stands as it does.

    Args:
        step: Which.
        seen: What its task read.
        standing: How the host stands now.
        host: Whose it is.
        need: The symptom's health when the host was first looked at, before any change. Where nothing was wrong, only
            steps that always run do, however far the goal is; where it cannot be known, none does.
        is_tentative: An earlier step would be sent first.
        refused: What sudo would not allow the login there.
        incident: The one that is open there, or why that cannot be known; asked only where a step clears up.
        again: What is typed to go on.
    """
    why_not = _why_not(step, standing, need)
    if why_not:
        return StepSkipped(why=why_not)
    if isinstance(seen, FactError):
        return StepUndecided(why=str(seen))
    try:
        plan = step.task.plan(seen)
    except Unplannable as error:
        return StepUndecided(why=str(error))
    if not plan.changes:
        return StepHealthy(why=plan.because)
    helpful = relevant(plan, standing.faults)
    if not helpful.changes:
        return StepSkipped(why=helpful.because)
    if step.task.clears and incident is not None:
        return StepUndecided(why=_kept_for(incident))
    if why_not := _why_not_here(step, helpful, host, refused, again):
        return StepUndecided(why=why_not)
    digests = tuple(change.digest(host.name, step.task.kind) for change in helpful.changes)
    return StepPending(plan=helpful, digests=digests, is_tentative=is_tentative)


def _kept_for(incident: Incident | FactError) -> str:
    """Return why nothing that may be evidence is cleared away."""
    if isinstance(incident, FactError):
        return f"it cannot be known whether an incident is open, of which this may be evidence: {incident}"
    return (
        f"incident {incident.name} is open since {as_text(incident.since)} UTC, and this may be evidence of it. By "
        f"hand, once whoever leads it has decided that it is over: sudo rm {MARK}"
    )


def _why_not_here(step: Step, plan: Plan, host: Host, refused: frozenset[Use], again: Invocation) -> str:
    """Return why the changes of *plan* cannot be made on a host as it is reached; empty where they can."""
    is_roots = step.task.rights() is None or any(change.is_roots for change in plan.changes)
    if host.connection.is_narrow and is_roots:
        return f"{step.task.kind} needs all of root's rights, and sudo allows single commands (sudo: narrow)"
    if missing := [use for change in plan.changes for use in change.uses if use in refused]:
        what = ", ".join(map(str, dict.fromkeys(missing)))
        for use in missing:
            again = again.with_input(use.told_by, use.user) if use.told_by else again
        return f"sudo does not allow {what}: `{again.sudoers()}` prints what it has to allow"
    limit = host.policy.evidence_limit
    for change in plan.changes:
        if change.preserve is not None and change.preserve.size > limit:
            return f"saving {change.preserve.path} first takes {change.preserve.size}, evidence_limit is {limit}"
        gathered = ByteSize(sum(one.size for one in change.gathers))
        if gathered > limit:
            return f"what is to be saved first is about {gathered}, evidence_limit is {limit}"
    return ""


def _why_not(step: Step, standing: Standing, need: Health) -> str:
    """Return why a step is not even looked into; empty where it is."""
    if need is Health.UNKNOWN:
        return f"it cannot be known whether it is needed: {standing.why(Health.UNKNOWN)}"
    if need is Health.HEALTHY and not step.is_always:
        return "not needed: nothing was wrong"
    health = standing.goal_health
    if step.is_always or health is Health.FAULTY:
        return ""
    if health is Health.HEALTHY:
        return "not needed: the goal is met"
    return f"it cannot be known whether it is needed: {standing.why(Health.UNKNOWN)}"


def relevant(plan: Plan, faults: frozenset[str]) -> Plan:
    """Return only those changes that ease something at fault; all of them where it cannot be told what is."""
    helpful = tuple(
        change
        for change in plan.changes
        if not faults or not change.relieves or any(relief.subject in faults for relief in change.relieves)
    )
    if helpful:
        return replace(plan, changes=helpful)
    eased = sorted({relief.subject for change in plan.changes for relief in change.relieves})
    return Plan.nothing(f"eases {', '.join(eased)}, which is not what is wrong")


def foresee(standing: Standing, steps: Sequence[StepSeen], misnamed: Sequence[NotOnHost] = ()) -> HostOutcome:
    """Return what a preview says about a host.

    Args:
        standing: How it stands.
        steps: What each would do.
        misnamed: What the checks were to look at and the host has not.
    """
    if misnamed:
        why = "; ".join(dict.fromkeys(map(str, misnamed)))
        return WrongInput(why=why, given=misnamed[0].given, nearest=misnamed[0].nearest)
    match standing.symptom_health:
        case Health.HEALTHY:
            if not any(isinstance(step.outcome, StepPending) for step in steps):
                return _well(standing)
        case Health.UNKNOWN:
            return NotFixed(why=f"it cannot be known whether anything is wrong: {standing.why(Health.UNKNOWN)}")
        case Health.FAULTY:
            pass
    if any(isinstance(step.outcome, StepPending) for step in steps):
        is_wrong = standing.symptom_health is Health.FAULTY
        return WouldFix(why=standing.why(Health.FAULTY) if is_wrong else "nothing is wrong; some steps always run")
    reasons = [f"{step.kind}: {step.outcome.why}" for step in steps if isinstance(step.outcome, StepUndecided)]
    return NotFixed(why="; ".join([standing.why(Health.FAULTY), "nothing that may be changed would help", *reasons]))


def _well(standing: Standing, since: str = "") -> NotNeeded | NotFixed:
    """Return the verdict on a host that is well: that users may still not get what it serves is not left unsaid."""
    why = f"{since}{standing.why(Health.HEALTHY)}"
    if standing.fault_beyond:
        return NotFixed(why=f"{standing.fault_beyond}; the host itself is well: {why}")
    return NotNeeded(why=why)


def verify(outcome: StepOutcome, step: Step, seen: Any, faults: frozenset[str]) -> StepOutcome:
    """Judge a step that sent its changes by a fresh look: its plan must be empty now.

    Args:
        outcome: What became of the step so far; anything but remedied stays what it is.
        step: Which.
        seen: What its task read after the changes.
        faults: What was at fault before them; what eases nothing of it was never part of the step.
    """
    if not isinstance(outcome, StepRemedied):
        return outcome
    if isinstance(seen, FactError):
        return StepStillFaulty(sent=outcome.sent, why=f"it cannot be known whether it helped: {seen}")
    try:
        plan = step.task.plan(seen)
    except Unplannable as error:
        return StepStillFaulty(sent=outcome.sent, why=f"it cannot be known whether it helped: {error}")
    if relevant(plan, faults).changes:
        return StepStillFaulty(sent=outcome.sent, why=f"still to do: {plan.because}")
    return StepRemedied(sent=outcome.sent, why=plan.because)


def sent_by(outcome: StepOutcome) -> tuple[Sent, ...]:
    """Return the changes of a step that were sent and succeeded."""
    match outcome:
        case StepRemedied() | StepStillFaulty() | StepFailed() | StepUnknown():
            return outcome.sent
        case _:
            return ()


def conclude(
    before: Standing | None,
    after: Standing | None,
    steps: Sequence[StepSeen],
    error: RemediateError | None,
    looks: Sequence[Standing] = (),
) -> HostOutcome:
    """Return the verdict on a host.

    Args:
        before: How it stood under the lock, before the first change; ``None`` where that could not be seen.
        after: How it stood at the last look; ``None`` where none has succeeded since the last change.
        steps: What became of each that was tried.
        error: What ended the run early; ``None`` where nothing did.
        looks: How it stood whenever it was looked at, the preview included.
    """
    for step in steps:
        if isinstance(step.outcome, StepUnknown):
            return MaybeChanged(why=step.outcome.why, operation=step.outcome.operation)
    if not any(isinstance(step.outcome, StepRemedied | StepStillFaulty | StepFailed) for step in steps):
        return _untouched(after or before, steps, error)
    if before is None:
        raise AssertionError("nothing is sent before a look")
    return _touched(before, after, steps, error, (before, *looks))


_NOBODY_VOUCHES = "no check was red before the changes, so none vouches for them"


def after_changes(error: RemediateError | None) -> str:
    """Return what *error* says, where something was sent before it: a refusal speaks of its own change only."""
    return _NOTHING.sub(r"othing more was \1", str(error))


def _touched(
    before: Standing,
    after: Standing | None,
    steps: Sequence[StepSeen],
    error: RemediateError | None,
    looks: Sequence[Standing],
) -> HostOutcome:
    if isinstance(error, StopRequested):
        return Stopped(why=f"{error}; {_standing_in_words(after)}")
    if after is None:
        return Unproven(why=f"changes were sent, then the host could not be looked at again: {after_changes(error)}")
    rest = _failures(steps)
    if error is not None and after_changes(error) not in rest:
        rest += f"; ended early: {after_changes(error)}"
    if before.symptom_health is not Health.FAULTY:
        return Unproven(why=f"{_NOBODY_VOUCHES}{rest}")
    match after.symptom_health:
        case Health.UNKNOWN if is_as_unknown(looks, after):
            return eased_as_far_as_known(after, rest)
        case Health.UNKNOWN:
            return Unproven(why=f"whether it helped cannot be known: {after.why(Health.UNKNOWN)}{rest}")
        case Health.FAULTY:
            return NotFixed(why=f"{after.why(Health.FAULTY)}{rest}")
        case Health.HEALTHY:
            pass
    if after.goal_health is Health.HEALTHY:
        return Fixed(why=f"{after.why(Health.HEALTHY)}{rest}")
    return eased(after, rest)


def eased(after: Standing, rest: str = "") -> Eased:
    """Return what becomes of a host that is well, and whose goal is missed, or cannot be seen to be met."""
    is_missed = after.goal_health is Health.FAULTY
    goal = "the goal is not met" if is_missed else "whether the goal is met cannot be known"
    return Eased(why=f"the symptom is gone, {goal}: {after.why(after.goal_health)}{rest}")


def is_as_unknown(looks: Sequence[Standing], after: Standing) -> bool:
    """Whether all that was red is green, and nothing is unknown of which any look said more.

    A look at other checks, as a playbook had them that was edited since, proves nothing.
    """
    kinds = [seen.kind for seen in after.symptom]
    if any([seen.kind for seen in look.symptom] != kinds for look in looks):
        return False
    return all(
        set(health) == {Health.UNKNOWN} or health[0] is Health.HEALTHY
        for health in zip(*([seen.verdict.health for seen in look.symptom] for look in (after, *looks)), strict=True)
    )


def eased_as_far_as_known(after: Standing, rest: str = "") -> Eased:
    """Return what becomes of a host where what was red is green, and the rest was never known."""
    missed = f"; the goal is not met: {after.why(Health.FAULTY)}" if after.goal_health is Health.FAULTY else ""
    of_symptom = Standing(symptom=after.symptom, goal=()).reasons(Health.UNKNOWN)
    if of_goal := [why for why in after.reasons(Health.UNKNOWN) if why not in of_symptom]:
        missed += f"; whether the goal is met cannot be known: {'; '.join(of_goal)}"
    return Eased(why=f"what was at fault is over; unknown before, and still: {'; '.join(of_symptom)}{missed}{rest}")


def stands_after(report: HostReport, last: Standing | None, why: str, after: Duration) -> HostOutcome:
    """Return the verdict on a host that was watched after its run.

    Args:
        report: How it ended.
        last: How it stood when it was looked at last; ``None`` where it could not be looked at.
        why: What that look said.
        after: How long after the end of the run that was.
    """
    health = Health.UNKNOWN if last is None else last.symptom_health
    first = f"{report.outcome.word} at first"
    if health is Health.FAULTY:
        return NotFixed(why=f"{first}, and at fault within {after}: {why}. Nothing more was sent")
    rest = _failures(report.steps)
    if last is not None and health is Health.UNKNOWN and _was_eased_as_far_as_known(report, last):
        return eased_as_far_as_known(last, rest)
    if health is Health.UNKNOWN or last is None:
        unknown = f"{first}; how it stands {after} later cannot be known: {why}"
        return Unproven(why=unknown) if report.was_touched else NotFixed(why=unknown)
    if not report.was_touched:
        return _well(last)
    if not isinstance(report.outcome, Fixed | Eased) and not _was_red(report):
        return Unproven(why=f"{_NOBODY_VOUCHES} ({last.why(last.goal_health)}){rest}")
    return Fixed(why=last.why(Health.HEALTHY) + rest) if last.goal_health is Health.HEALTHY else eased(last, rest)


def _was_red(report: HostReport) -> bool:
    return report.preview is not None and report.preview.standing.symptom_health is Health.FAULTY


def _was_eased_as_far_as_known(report: HostReport, last: Standing) -> bool:
    """Whether a run ended so, and no more is unknown by now."""
    looks = [report.preview.standing if report.preview is not None else None, report.after]
    return isinstance(report.outcome, Eased) and is_as_unknown([one for one in looks if one is not None], last)


def _untouched(now: Standing | None, steps: Sequence[StepSeen], error: RemediateError | None) -> HostOutcome:
    match error:
        case StopRequested():
            return Stopped(why=f"{error}; nothing was sent")
        case Frozen():
            return Halted(why=error.why, lift=error.lift)
        case Refused():
            return Refusal(why=str(error))
        case Unreachable():
            return NotReached(why=str(error), is_retryable=error.retryable)
        case RemediateError():
            return NotFixed(why=f"{error}; nothing was sent")
        case None:
            pass
    if now is not None and now.symptom_health is Health.HEALTHY:
        return _well(now, "it healed itself meanwhile: ")
    declined = [f"{step.kind}: {step.outcome.why}" for step in steps if isinstance(step.outcome, StepDeclined)]
    if declined:
        return Refusal(why="; ".join(declined))
    reasons = [f"{step.kind}: {step.outcome.why}" for step in steps if isinstance(step.outcome, StepUndecided)]
    wrong = now.why(now.symptom_health) if now is not None else "it could not be seen"
    return NotFixed(why="; ".join([wrong, "nothing that may be changed would help", *reasons]))


def _standing_in_words(standing: Standing | None) -> str:
    if standing is None:
        return "how it stands after the last change is not known"
    match standing.goal_health:
        case Health.HEALTHY:
            return "the goal is met"
        case health:
            return standing.why(health)


def _failures(steps: Sequence[StepSeen]) -> str:
    failed = [
        f"{step.kind}: {step.outcome.why}" for step in steps if isinstance(step.outcome, StepFailed | StepStillFaulty)
    ]
    return f"; not all went well: {'; '.join(failed)}" if failed else ""
