"""One step on its way: how far its copy has come, what its change answered, and how it ended, in one line each."""

from __future__ import annotations

from typing import assert_never

from soleil_remediate.events import ChangeAnswered, CopyProgress, CopySaved
from soleil_remediate.reporters.page import joined
from soleil_remediate.reporters.records import in_units
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
from soleil_remediate.units import Duration


def progress_in_words(event: CopyProgress, step: str, took: float, *, has_bar: bool) -> str:
    """Return how far a copy has come, and how long the rest should take.

    Args:
        event: How far that is.
        step: What the plan calls its step.
        took: Seconds since the copy began; nothing is foretold from the first one.
        has_bar: It is drawn as well.
    """
    share = min(int(event.copied) / max(int(event.total), 1), 1.0)
    left = took * (1 - share) / share if share > 0 and took > 1 else None
    bar = f"{'#' * round(share * 12):-<12}  " if has_bar else ""
    return joined(
        [
            f"{step} save    {bar}{event.copied} of {event.total}",
            f"{Duration(round(left))} left" if left else "",
            "Ctrl-C: no change",
        ],
        "   ",
    )


def saved_in_words(event: CopySaved, step: str) -> str:
    """Return what a complete copy comes to."""
    part = f"{event.part}: " if event.part else ""
    return f"{step} saved   {part}{event.copy.size} here ({event.copy.stored} as gzip), the checksums match"


def answer_in_words(event: ChangeAnswered, *, is_everything: bool) -> str:
    """Return what a change answered; empty where nothing is to be known, or everything is told and it said nothing."""
    last = event.says.strip().splitlines()[-1:] or [""]
    took = f" in {event.took}" if event.took >= 1 else ""
    if event.exit_status:
        return f"! exit status {event.exit_status}{took}: {event.says or 'it said nothing'}"
    if event.warnings:
        return f"! {'; '.join(event.warnings)}"
    return f"  {in_units(last[0])}" if last[0] and is_everything else ""


def step_in_words(outcome: StepOutcome) -> tuple[str, str]:
    """Return in a word how a step ended, and why."""
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
