"""What became of one step: frozen records, each with only the fields that mean something for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeAlias

from soleil_remediate.plan import Change, Plan
from soleil_remediate.units import ByteSize, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedCopy:
    """What a change destroyed on the host, kept here: gzip, mode 0600."""

    path: PurePath
    size: ByteSize
    stored: ByteSize
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One change that was sent and answered with exit status 0.

    Args:
        warnings: What it could do without, and a person should know all the same.
    """

    change: Change
    operation: str
    says: str
    took: Duration
    saved: SavedCopy | None = None
    warnings: tuple[str, ...] = ()


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
    """A change ended with an error, or could not be begun after others had been sent.

    Args:
        taken_back: The operations of *sent* whose changes were taken back again, the last first.
    """

    sent: tuple[Sent, ...]
    why: str
    taken_back: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """A step and what became of it."""

    kind: str
    outcome: StepOutcome
