"""Plans: what would be changed, why, at which risk, what is lost, and how it is undone. Values only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import total_ordering
from pathlib import PurePosixPath
from typing import Self

from soleil_remediate.command import Command, Secret
from soleil_remediate.rights import Use
from soleil_remediate.units import ByteSize


@total_ordering
class Risk(Enum):
    """What a change may do to people and data; the gate judges by the highest."""

    GENTLE = "gentle"  # nobody notices
    DISRUPTIVE = "disruptive"  # requests in flight may fail
    DESTRUCTIVE = "destructive"  # data or evidence is gone, money moves, or people are reached

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Risk):
            return NotImplemented
        order = list(Risk)
        return order.index(self) < order.index(other)


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """Which file it is, whatever its name points to by now: device and inode number."""

    device: int
    inode: int

    def __str__(self) -> str:
        return f"{self.device}:{self.inode}"


@dataclass(frozen=True, slots=True)
class Script:
    """A constant POSIX shell script with positional arguments.

    The text is never built from values: values arrive as ``$1``, ``$2``, …, so that no text in them becomes code.
    """

    name: str
    text: str

    def bind(self, *arguments: object) -> tuple[str, ...]:
        """Return the words that run this script with *arguments*; a quantity arrives as bytes, seconds or percent."""
        return ("sh", "-c", self.text, self.name, *(_argument(argument) for argument in arguments))


def _argument(value: object) -> str:
    match value:
        case bool() | None:
            raise TypeError(f"{value!r} has no meaning to a script")
        case int():
            return f"{value:d}"  # a size's own text is rounded, for people
        case float():
            return f"{value:.6f}".rstrip("0").rstrip(".")
        case _:
            return str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """How a change is taken back, or why it cannot be.

    Args:
        command: What takes it back; ``None`` where nothing does.
        says: The same for people: what is restored, or the reason why nothing can be.
    """

    command: Command | None
    says: str

    @classmethod
    def by(cls, command: Command, says: str) -> Self:
        """Take it back with *command*."""
        return cls(command=command, says=says)

    @classmethod
    def none(cls, because: str) -> Self:
        """Cannot be taken back, *because* of this."""
        return cls(command=None, says=because)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preserve:
    """What must be saved off the host, complete and with a matching checksum, before a change may be sent.

    The change's command then reads a line on its standard input: how many bytes were saved, in decimal, and the SHA-256
    of the last 64 KiB of them. It destroys nothing beyond them, so that what was written while the copy was made stays,
    and nothing at all where the file does not hold them any more.

    Args:
        path: The file on the host.
        identity: Which file that was when the plan was made; another one under the same name is refused.
        size: How long it was then, for the estimate of time and space only.
    """

    path: PurePosixPath
    identity: FileIdentity
    size: ByteSize = field(compare=False)

    @property
    def file_name(self) -> str:
        """What the copy is called here, without its ending."""
        return self.path.name

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """What a command says on the host, saved off it complete and with a matching checksum before a change may be sent.

    Nothing of it is written on the host. The change's command then reads one line for each on its standard input: the
    SHA-256, how many bytes, in decimal, and the name. Beside the copies lies a manifest of the same lines.

    Args:
        name: What the copy is called here, and who asks for it by: letters, digits, dots and dashes.
        about: What it is, for people.
        command: What says it; it only reads, and ends with 0 once all was said.
        size: About how much that is, for the estimate of time and space only.
    """

    name: str
    about: str = field(compare=False)
    command: Command
    size: ByteSize = field(compare=False)

    @property
    def file_name(self) -> str:
        """What the copy is called here, without its ending."""
        return self.name

    def __str__(self) -> str:
        return self.about


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """What a change gives back, and to what.

    Args:
        subject: The same words a check uses for what is at fault, such as ``"space on /srv"``.
        amount: How much is expected, for people.
    """

    subject: str
    amount: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One command that changes a host, and everything a person needs to judge it.

    Two changes are equal when they would do the same: what is only evidence of the moment (sizes, reasons, estimates)
    does not count, so that a log that grew while somebody read the plan is still the same plan.

    Args:
        summary: What it does, an imperative sentence without a full stop.
        command: What is sent.
        risk: What it may do to people and data.
        undo: How it is taken back, or why it cannot be.
        before: How it is now.
        after: How it will be.
        loses: What is gone afterwards; ``"nothing"`` where nothing is.
        keeps: What stays as it was, where that is worth saying.
        downtime: What users notice.
        preserve: What is saved off the host first.
        gathers: What is asked and saved off the host first; not together with *preserve*.
        is_roots: It takes all of root's rights, whatever rights its task names.
        is_over_new_connection: It is sent over a connection that was opened after the change before it, so that it
            proves that the host can still be reached.
        uses: What of its task's rights it takes; sudo is asked about each beforehand where it allows single commands.
        relieves: Which faults it eases; a change that eases none of those seen is not sent. Empty where the task's own
            reading is the only judge.
    """

    summary: str = field(compare=False)
    command: Command
    risk: Risk
    undo: Undo
    before: str = field(compare=False)
    after: str = field(compare=False)
    loses: str = field(default="nothing", compare=False)
    keeps: str = field(default="", compare=False)
    downtime: str = field(default="none", compare=False)
    preserve: Preserve | None = None
    gathers: tuple[Gather, ...] = ()
    relieves: tuple[Relief, ...] = ()
    is_roots: bool = field(default=False, compare=False)
    is_over_new_connection: bool = False
    uses: tuple[Use, ...] = field(default=(), compare=False)

    def digest(self, host: str, kind: str) -> str:
        """Return what an approval of this change on *host* is about, as 16 hexadecimal digits.

        Host, kind, command, risk, undo, what is saved first and whether a new connection has to be opened before it are
        in it. Of a secret only that there is one.
        """
        undo, saved = self.undo.command, self.preserve
        about: list[object] = [
            host,
            kind,
            _words(self.command),
            self.risk.value,
            undo and _words(undo),
            saved and [str(saved.path), str(saved.identity)],
        ]
        if self.gathers:
            about.append([[one.name, _words(one.command)] for one in self.gathers])
        if self.is_over_new_connection:
            about.append("over a new connection")
        text = json.dumps(about, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _words(command: Command) -> list[object]:
    stdin = ["secret"] if isinstance(command.stdin, Secret) else command.stdin
    return [list(command.words), command.user, stdin]


def plan_digest(changes: Iterable[str]) -> str:
    """Return the 12 hexadecimal digits that stand for a whole set of changes' digests, whatever their order."""
    return hashlib.sha256("\n".join(sorted(set(changes))).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a task would do about what it saw; empty means that there is nothing to repair.

    Args:
        changes: In the order in which they are sent.
        because: Why these, or why none.
        is_one_repair: They are of use together only: where one fails, those before it are taken back, the last first.
        is_finished: Once one was made that cannot be taken back, the others follow though somebody asks to stop.
    """

    changes: tuple[Change, ...]
    because: str = field(compare=False)
    is_one_repair: bool = True
    is_finished: bool = False

    @classmethod
    def nothing(cls, because: str) -> Self:
        """There is nothing to repair, *because* of what was seen."""
        return cls(changes=(), because=because)

    @classmethod
    def of(cls, *changes: Change, because: str) -> Self:
        """These changes, *because* of what was seen."""
        if not changes:
            raise ValueError("a plan of nothing says so: Plan.nothing")
        return cls(changes=changes, because=because)

    @classmethod
    def of_each(cls, *changes: Change, because: str) -> Self:
        """These changes, each of use by itself: where one fails, those before it stay, *because* of what was seen."""
        return replace(cls.of(*changes, because=because), is_one_repair=False)

    @classmethod
    def of_whole(cls, *changes: Change, because: str) -> Self:
        """These changes, of which half may do harm: a stop takes back what was made, or is heeded only after the last.

        As a maintenance page, which has to go again once an older release is served behind it.
        """
        return replace(cls.of(*changes, because=because), is_finished=True)

    @property
    def risk(self) -> Risk:
        """The highest risk of its changes; an empty plan has none to ask for."""
        return max(change.risk for change in self.changes)
