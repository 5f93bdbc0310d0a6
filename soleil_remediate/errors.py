"""What can go wrong, and the exit status each ending gives.

::

    RemediateError                     base of everything raised on purpose; anything else is a bug
    ├── ConfigError                2   no host was touched; the message starts with file:line where there is one
    │   ├── InventoryError
    │   ├── PlaybookError
    │   └── UnknownName                carries the nearest known names
    ├── Unreachable                3   not touched; carries .retryable
    │   ├── HostKeyRejected            unknown or changed; no authentication was tried
    │   ├── WrongMachine               another one answered than is meant: it was asked nothing
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

import re
from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from enum import IntEnum
from typing import ClassVar, Self

#: More names than this are not read by anybody.
_MOST = 12
#: As like as this are names of which one is a slip of the hand: disc and disk, not disk-slow and disk-full.
_LIKE = 0.75
#: So many letters of a name say which one is meant.
_PART = 3
#: By these names count on: web1, web2; worker-a, worker-b.
_COUNTER = re.compile(r"[0-9]+|(?<![a-z])[a-z](?![a-z])")
#: By this they do not: php8.2-fpm.
_VERSION = re.compile(r"(?<=[a-z])[0-9]+\.[0-9]+(?![.0-9a-z])")


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
    that begins with it. One that counts otherwise was not meant, for it is another machine: ``worker-b`` for
    ``worker-c``, ``web1`` for ``web2``, and ``web`` for either. Neither was any one of several that count on from the
    given name, or are as like it as each other.
    """
    given = name.lower()[:200]
    names = {one.lower(): one for one in known if not _is_another(given, one.lower())}
    counted = re.compile(rf"{re.escape(given)}(?:[0-9]|[-_.](?:[0-9]|[a-z](?![a-z])))")
    if len(series := [one for one in names if counted.match(one)]) > 1:
        names = {one: names[one] for one in names if one not in series}
    swapped = [one for one in names if len(one) == len(given) and sorted(one) == sorted(given)]
    begun = [one for one in names if len(given) >= _PART and one.startswith(given)]
    found = swapped or _most_like(given, names) or (begun if len(begun) == 1 else [])
    return names[found[0]] if found else ""


def _most_like(given: str, names: Iterable[str]) -> list[str]:
    """Return the name that is most like the given one; none where another is just as like it, or none is like it."""
    found = get_close_matches(given, names, n=2, cutoff=_LIKE)
    likenesses = {SequenceMatcher(None, one, given).ratio() for one in found}
    return found[:1] if len(likenesses) == len(found) else []


def _is_another(given: str, other: str) -> bool:
    """Whether what a name counts by tells it from another: that is the next machine, and no slip of the hand.

    The beginning of a name, up to a point or within a word, counts by nothing yet.
    """
    after = other[len(given) : len(given) + 1] if other.startswith(given) else ""
    if after == "." or (after.isalpha() and given[-1:].isalpha()):
        return False
    counters = _counters(given)
    return bool(counters) and counters != _counters(other)


def _counters(name: str) -> list[str]:
    """Return the numbers of a name, written with zeros or without, and its letters that stand alone."""
    return [one.lstrip("0") or "0" for one in _COUNTER.findall(_VERSION.sub("-", name))]


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


class WrongMachine(Unreachable):
    """Another machine answered than the one that is meant, with a key that is known: it was asked and sent nothing."""


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
