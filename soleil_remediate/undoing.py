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
    ended: RemediateError | None = None
    said: list[str] = []
    for one in reversed(sent if plan.is_one_repair else ()):
        try:
            delivery.take_back(one, *place, taken_back)
        except OutcomeUnknown as error:
            return StepUnknown(sent=tuple(sent), operation=f"{one.operation}-undo", why=str(error)), None
        except AnswerNotRecorded as error:
            ended = error
            said.append(str(error))
            break
        except (CommandFailed, Refused, Unreachable) as error:
            stays = [each for each in reversed(sent) if each.operation not in taken_back]
            said.append(f"not taken back: {_summaries(stays)} ({after_changes(error)})")
            break
    if taken_back:
        said.insert(0, f"taken back: {_summaries(one for one in reversed(sent) if one.operation in taken_back)}")
    return StepFailed(sent=tuple(sent), why="; ".join([why, *said]), taken_back=tuple(taken_back)), ended


def _summaries(sent: Iterable[Sent]) -> str:
    return ", ".join(one.change.summary for one in sent)
