"""Undo in reverse: what a plan had changed before one of its changes failed is taken back, the last first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from soleil_remediate.decisions import after_changes
from soleil_remediate.delivery import Delivery
from soleil_remediate.errors import (
    AnswerNotRecorded,
    CommandFailed,
    OutcomeUnknown,
    Refused,
    RemediateError,
    Unreachable,
)
from soleil_remediate.plan import Plan
from soleil_remediate.step_outcomes import Sent, StepFailed, StepUnknown


def take_back(
    plan: Plan, delivery: Delivery, place: tuple[str, int], sent: Sequence[Sent], why: str
) -> tuple[StepFailed | StepUnknown, RemediateError | None]:
    """Take back what a step sent before it failed, the last first; the first that cannot be taken back ends that.

    What failed itself is not taken back: nobody knows how much of it was done. Neither is anything where an outcome is
    unknown: what takes it back could meet it half-way.

    Args:
        plan: The step's.
        delivery: Sends what takes it back.
        place: The step's kind, and its place in the scenario.
        sent: What was sent and succeeded.
        why: Why the step failed.

    Returns:
        What became of the step, and why nothing more may be sent after it; ``None`` where something may.
    """
    taken_back: list[str] = []

    def all_said(because: str = "", unknown: Sent | None = None) -> list[str]:
        """Return what was taken back, and what stands for certain."""
        taken = [one for one in reversed(sent) if one.operation in taken_back]
        stays = [one for one in reversed(sent) if one.operation not in taken_back and one is not unknown]
        said = [f"taken back: {_summaries(taken)}"] if taken else []
        if stays:
            return [*said, f"not taken back: {_summaries(stays)}{f' ({because})' if because else ''}"]
        return [*said, because] if because else said

    for one in reversed(sent if plan.is_one_repair else ()):
        try:
            delivery.take_back(one, *place, taken_back)
        except OutcomeUnknown as error:  # what may have been changed is said first
            about = [str(error), f"it takes back: {one.change.summary}", f"the step had failed: {why}"]
            whole = "; ".join([*about, *all_said(unknown=one)])
            return StepUnknown(sent=tuple(sent), operation=f"{one.operation}-undo", why=whole), None
        except (AnswerNotRecorded, CommandFailed, Refused, Unreachable) as error:
            whole = "; ".join([why, *all_said(after_changes(error))])
            ended = error if isinstance(error, AnswerNotRecorded) else None
            return StepFailed(sent=tuple(sent), why=whole, taken_back=tuple(taken_back)), ended
    whole = "; ".join([why, *(all_said() if taken_back else [])])
    return StepFailed(sent=tuple(sent), why=whole, taken_back=tuple(taken_back)), None


def _summaries(sent: Iterable[Sent]) -> str:
    return ", ".join(one.change.summary for one in sent)
