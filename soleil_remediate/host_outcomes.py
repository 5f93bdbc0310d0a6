"""What became of one host: its verdict in a word, and the exit status that it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from soleil_remediate.errors import (
    BugFound,
    ExitStatus,
    Frozen,
    GoalMissed,
    Interrupted,
    NotOnHost,
    NotRemedied,
    OutcomeUnknown,
    Refused,
    RemediateError,
    Unreachable,
    WorkFound,
)


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
    """What was at fault is over, and the goal is not met, or it was never known whether all is well."""

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
class Halted:
    """Somebody froze the inventory before anything was sent to this host.

    Args:
        lift: The command that lifts it.
    """

    word: ClassVar[str] = "FROZEN"
    error: ClassVar[type[RemediateError]] = Frozen
    exit_status: ClassVar[ExitStatus] = error.exit_status
    why: str
    lift: str = ""


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
    | Halted
    | MaybeChanged
    | NotReached
    | Stopped
    | Crashed
)
