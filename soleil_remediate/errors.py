"""What can go wrong, and the exit status each ending gives.

::

    RemediateError                     base of everything raised on purpose; anything else is a bug
    ├── ConfigError                2   no host was touched; the message starts with file:line where there is one
    │   ├── InventoryError
    │   ├── PlaybookError
    │   └── UnknownName                carries the nearest known names
    ├── Unreachable                3   not touched; carries .retryable
    │   ├── HostKeyRejected            unknown or changed; no authentication was tried
    │   ├── AuthenticationFailed
    │   ├── ConnectTimedOut
    │   ├── ConnectionRefused
    │   └── ConnectionLost             a session that was open is gone
    ├── Refused                    4   nothing was sent
    │   ├── Declined · Unplannable · PlanDrifted · HostLocked · EvidenceNotStored · Frozen
    ├── FactError                  1   the host answered, not intelligibly; not touched by this step
    │   └── NotOnHost              2   what was given names something that the host has not; carries the nearest it has
    ├── ApplyError                 1   something was sent
    │   ├── CommandFailed
    │   ├── AnswerNotRecorded          it was answered, and the record could not take the answer
    │   └── OutcomeUnknown         7   a change was sent and its answer did not arrive
    ├── NotRemedied                1   the fault is still there, or nothing proves that it is gone
    │   ├── WorkFound              5   by something that only looks
    │   └── GoalMissed             6   the symptom is gone, the goal is not met
    ├── Interrupted              130   stopped by a person or a signal before it was done
    └── BugFound                  70   in this program or in a task; the other hosts went on

What ends one host is never raised out of a run, which has other hosts to speak of. ``report.raise_for_outcome()`` does
so for who wants an exception: it then carries the report.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from string import digits
from typing import ClassVar, Self

#: More names than this are not read by anybody.
_MOST = 12
#: As like as this are names of which one is a slip of the hand: disc and disk, not disk-slow and disk-full.
_LIKE = 0.75
#: So many letters of a name say which one is meant.
_PART = 3


class ExitStatus(IntEnum):
    """How a command ends; the same table stands in the README."""

    OK = 0  # healthy, not needed or fixed
    NOT_FIXED = 1  # not fixed, or unproven
    USAGE = 2  # your input; no host was touched
    UNREACHABLE = 3
    DECLINED = 4  # declined, refused, locked or frozen: nothing was sent
    WORK_FOUND = 5  # by something that only looks
    EASED = 6  # the symptom is gone, the goal is not met
    UNKNOWN = 7  # a change may have happened: look first
    BUG = 70
    INTERRUPTED = 130


#: Worst first: over several hosts the first of these that occurred is the run's exit status.
WORST_FIRST: tuple[ExitStatus, ...] = (
    ExitStatus.BUG,
    ExitStatus.UNKNOWN,
    ExitStatus.INTERRUPTED,
    ExitStatus.NOT_FIXED,
    ExitStatus.EASED,
    ExitStatus.USAGE,  # while a host has not what was given, none is touched
    ExitStatus.UNREACHABLE,
    ExitStatus.DECLINED,
    ExitStatus.WORK_FOUND,
    ExitStatus.OK,
)


def worst(statuses: Iterable[ExitStatus]) -> ExitStatus:
    """Return the one exit status that stands for several hosts; none at all is a mistake of the caller."""
    occurred = set(statuses)
    if not occurred:
        raise ValueError("no host, no exit status: an empty match must have been refused before")
    return next(status for status in WORST_FIRST if status in occurred)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return which of the *known* names may have been meant by *name*; empty where none is like it.

    That is one with the same letters in another order, or from which it differs by a slip of the hand, or the only one
    that begins with it. One that has another number at its end, or none, was not meant: it is the next host, or all;
    and neither was any one of several that have a number where the given one has none.
    """
    given = name.lower()[:200]
    names = {one.lower(): one for one in known if not _is_next(given, one.lower())}
    numbered = [one for one in names if one.startswith(given) and one[len(given) : len(given) + 1].isdigit()]
    if len(numbered) > 1:
        names = {one: names[one] for one in names if one not in numbered}
    swapped = [one for one in names if len(one) == len(given) and sorted(one) == sorted(given)]
    begun = [one for one in names if len(given) >= _PART and one.startswith(given)]
    found = swapped or get_close_matches(given, names, n=1, cutoff=_LIKE) or (begun if len(begun) == 1 else [])
    return names[found[0]] if found else ""


def _is_next(name: str, other: str) -> bool:
    """Whether only a number at its end tells a name from another, be it written with zeros or without.

    A domain behind it is not looked at, where it is the same.
    """
    host, _, domain = name.partition(".")
    other_host, _, other_domain = other.partition(".")
    stem, number = _numbered(host)
    stem_of_other, number_of_other = _numbered(other_host)
    return bool(number) and (stem, domain) == (stem_of_other, other_domain) and number != number_of_other


def _numbered(name: str) -> tuple[str, str]:
    stem = name.rstrip(digits)
    number = name[len(stem) :]
    return stem, number.lstrip("0") or number[:1]


class RemediateError(Exception):
    """Base of everything raised on purpose: its text is meant for the person on call."""

    exit_status: ClassVar[ExitStatus] = ExitStatus.NOT_FIXED
    #: What became of the host or the run it is about, where ``raise_for_outcome`` raised it.
    report: object = None


class ConfigError(RemediateError):
    """The input is wrong: no host was touched."""

    exit_status = ExitStatus.USAGE


class InventoryError(ConfigError):
    """The inventory cannot be used as it stands; the message starts with ``file:line:column``."""


class PlaybookError(ConfigError):
    """A playbook cannot be used as it stands; the message starts with ``file:line:column``."""


class UnknownName(ConfigError):
    """A name that nobody knows: a host, scenario, kind, input or key.

    Args:
        what: The sort of thing that was named, such as ``"scenario"``.
        name: What was given.
        known: Every name that would have done.
        where: ``file:line:column`` of the name, where it stands in a file.
    """

    def __init__(self, what: str, name: str, known: Iterable[str], *, where: str | None = None) -> None:
        self.what = what
        self.name = name
        self.known = tuple(sorted(known))
        self.where = where
        self.nearest: str | None = nearest(name, self.known) or None
        if self.nearest is not None:
            hint = f"did you mean {self.nearest!r}?"
        elif self.known:
            hint = f"known: {', '.join(self.known[:_MOST])}{' …' if len(self.known) > _MOST else ''}"
        else:
            hint = "none is known here"
        shown = name if len(name) <= 80 else name[:79] + "…"
        super().__init__(f"{where + ': ' if where else ''}unknown {what} {shown!r}: {hint}")


class Unreachable(RemediateError):
    """The host could not be reached or would not let us in: it was not touched.

    Attributes:
        retryable: Trying again, unchanged, may help.
    """

    exit_status = ExitStatus.UNREACHABLE
    retryable: bool = False


class HostKeyRejected(Unreachable):
    """The host's key is unknown or is not the known one: authentication was not even tried."""


class AuthenticationFailed(Unreachable):
    """The host refused who we are; not tried again, since repeated failures get an address banned."""


class ConnectTimedOut(Unreachable):
    """No connection, greeting or authentication within its deadline."""

    retryable = True


class ConnectionRefused(Unreachable):
    """Nothing listens there, or the name does not resolve, or the network has no way to it."""

    retryable = True


class ConnectionLost(Unreachable):
    """A session that was open is gone; only questions were under way."""

    retryable = True


class Refused(RemediateError):
    """Nothing was sent to the host."""

    exit_status = ExitStatus.DECLINED


class Declined(Refused):
    """A person, or the policy where nobody was there, said no."""


class Unplannable(Refused):
    """What was seen is nothing this task may repair; the message says why."""


class PlanDrifted(Refused):
    """The host is no longer as it was when the plan was approved."""


class HostLocked(Refused):
    """Somebody else may be changing this host; the message says who, since when and from where."""


class EvidenceNotStored(Refused):
    """What a change would destroy could not be saved off the host first, so the change was not sent."""


class Frozen(Refused):
    """Somebody wants no run of this inventory to send anything more; the message says who, since when and why.

    Attributes:
        why: The message without how it is lifted.
        lift: The command that lifts it; empty where that is not known.
    """

    def __init__(self, message: str, *, lift: str = "") -> None:
        self.why = message
        self.lift = lift
        super().__init__(f"{message}. To lift it:\n  {lift}" if lift else message)


class FactError(RemediateError):
    """The host answered, but not intelligibly, or not in time: nothing may be concluded from it.

    Attributes:
        command: What was asked, as a person would type it.
        output: The tail of what came back.
    """

    def __init__(self, message: str, *, command: str = "", output: str = "") -> None:
        self.command = command
        self.output = output
        super().__init__(message)


class NotOnHost(FactError):
    """What was given names something that the host has not: it was looked at and not touched.

    Attributes:
        given: The name.
        nearest: What may have been meant; empty where nothing is like it.
    """

    exit_status = ExitStatus.USAGE

    def __init__(self, message: str, *, given: str = "", nearest: str = "") -> None:
        self.given = given
        self.nearest = nearest
        super().__init__(message)

    @classmethod
    def among(cls, what: str, given: str, known: Iterable[str], *, meant: str = "") -> Self:
        """Return it with what there is instead.

        Args:
            what: The sort of thing that was named, such as ``mount point``.
            given: The name.
            known: Every name that would have done.
            meant: The one that may have been meant; the nearest unless given.
        """
        known = tuple(known)
        meant = meant or nearest(given, [name for name in known if len(name) > 1])
        hint = f"did you mean {meant}? " if meant else ""
        there = ", ".join(known[:_MOST]) + (" …" if len(known) > _MOST else "") or "none"
        return cls(f"{given} is no {what} of this host: {hint}It has {there}", given=given, nearest=meant)


class ApplyError(RemediateError):
    """Something was sent to the host."""


class CommandFailed(ApplyError):
    """A change's command ended with an error; the message ends with its last lines."""


class AnswerNotRecorded(ApplyError):
    """A change was sent and answered, and the record could not take the answer: nothing more is sent."""


class OutcomeUnknown(ApplyError):
    """A change was sent and its answer did not arrive: the host MAY have been changed.

    Never a reason to send it again: ask again, look again, then speak.
    """

    exit_status = ExitStatus.UNKNOWN


class NotRemedied(RemediateError):
    """The fault is still there, or nothing proves that it is gone; the report says what was sent, if anything."""


class WorkFound(NotRemedied):
    """Something that only looks found something to repair."""

    exit_status = ExitStatus.WORK_FOUND


class GoalMissed(NotRemedied):
    """The symptom is gone, and the stricter goal is not met."""

    exit_status = ExitStatus.EASED


class Interrupted(RemediateError):
    """A person or a signal stopped the run before it was done; the report says what was sent, if anything."""

    exit_status = ExitStatus.INTERRUPTED


class BugFound(RemediateError):
    """This program or a task broke on one host; the report says what was sent until then, if anything."""

    exit_status = ExitStatus.BUG
