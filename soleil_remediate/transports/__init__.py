"""The seam between the engine and a host: one session a host, whichever way it is reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Protocol

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError
from soleil_remediate.host import Host
from soleil_remediate.identity import Identity
from soleil_remediate.plan import Gather, Preserve
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.units import ByteSize, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """With whose rights a session looks and changes.

    Args:
        login: The user who logged in, as the host names it.
        is_root: Whether the session's shell has all rights.
        why_not: Why it has not, for people; empty where it has.
        is_narrow: Whether sudo allows the login single commands, of which changes may consist.
    """

    login: str
    is_root: bool
    why_not: str = ""
    is_narrow: bool = False

    @property
    def may_change(self) -> bool:
        """Whether there is a change that could be sent."""
        return self.is_root or self.is_narrow


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """The key by which a host proved to be the known one.

    Args:
        kind: In capitals, such as ``ED25519``.
        bits: How long it is.
        fingerprint: With the name of its digest in front, ``SHA256:…``.
    """

    kind: str
    bits: int
    fingerprint: str

    def __str__(self) -> str:
        """Return it as ``ssh-keygen -l`` prints it, without a comment."""
        return f"{self.bits} {self.fingerprint} ({self.kind})"


class Progress(Enum):
    """How far an operation has come, as the host itself knows it."""

    DONE = "done"
    RUNNING = "running"
    LOST = "lost"  # begun, ended without an exit status: killed, or the host restarted
    FORGOTTEN = "forgotten"  # the host restarted since, or its /run was emptied: nobody knows whether it was begun
    NEVER_BEGUN = "never-begun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What the host knows of one change.

    Args:
        progress: How far it has come.
        output: What it answered; ``None`` unless it is done.
    """

    progress: Progress
    output: Output | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A copy of a part of a file, off the host.

    Args:
        size: How many bytes of the file were copied, from its beginning.
        stored: How many bytes that is compressed.
        sha256: Of the file's bytes, computed on the host and again on this side, alike.
        tail_sha256: Of their last 64 KiB.
    """

    size: ByteSize
    stored: ByteSize
    sha256: str
    tail_sha256: str

    @property
    def receipt(self) -> str:
        """What the change reads that may destroy what was saved, and only that (:class:`~..plan.Preserve`)."""
        return f"{self.size:d} {self.tail_sha256}\n"


class Session(Protocol):
    """One open connection to one host. Used by one thread; closing it twice is harmless."""

    @property
    def host(self) -> Host:
        """Whose session it is."""

    @property
    def access(self) -> Access:
        """With whose rights it looks and changes."""

    @property
    def host_key(self) -> HostKey | None:
        """The key that was compared with the known ones; ``None`` where this way in has none, or cannot know it."""

    @property
    def identity(self) -> Identity:
        """Which machine it leads to, by what that says of itself."""

    @property
    def round_trips(self) -> int:
        """How many batches were sent and waited for since the session was open.

        What travels with the greeting (:func:`~.ahead.asked_ahead`) is no batch of its own.
        """

    @property
    def memory(self) -> str:
        """The name of what the host remembers of operations, as :meth:`claim` found it; empty before.

        A host that restarted remembers nothing, and has another one.
        """

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        """Ask questions in one pipelined batch; the answers come in their order.

        A question that cannot be answered fails alone. Slow ones run beside the others.

        Raises:
            Unreachable: The connection is gone or the host has stopped answering.
        """

    def claim(self, owner: str) -> None:
        """Take the host's lock for this session, or go on holding it. *owner* is written beside it for people.

        Raises:
            HostLocked: Somebody else may be changing this host; says who, since when and from where.
            Refused: The lock cannot be taken at all, for example because ``/run`` is full.
            Unreachable: The connection is gone; no change is under way.
        """

    def send(self, operation: str, command: Command) -> Output:
        """Send one change under *operation*'s id, detached from the connection, and wait for its end.

        Sending an id again never runs it again: it is asked about instead. Needs the lock.

        Returns:
            What the change answered, whatever its exit status; 124 where its deadline ended it. Both its streams stand
            in ``stdout``, in the order in which they were written; of more than 128 KiB the beginning and the end.

        Raises:
            Refused: Nothing was begun, for example because ``/run`` is full.
            OutcomeUnknown: It was sent and its answer did not arrive, or it was lost. Ask with :meth:`outcome`.
        """

    def outcome(self, operation: str, *, memory: str) -> Operation:
        """Ask the host what became of an operation, also one of an earlier session; changes nothing.

        Args:
            operation: Its id.
            memory: The host's :attr:`memory` when it was sent: another one has forgotten it.

        Raises:
            Unreachable: The connection is gone.
            FactError: The answer cannot be read; or it has not begun, and somebody who could still begin it holds the
                lock.
        """

    def save(self, what: Preserve | Gather, into: BinaryIO, on_progress: Callable[[ByteSize], None]) -> Saved:
        """Stream bytes, gzip-compressed at the source, into *into*; nothing is written on the host.

        A file is opened once and without following links, and must be the one that *what* names; a command is run once,
        and must end with 0. *on_progress* gets the number of bytes that have arrived so far, uncompressed.

        Raises:
            EvidenceNotStored: It is another file by now, cannot be read, ended badly, or the checksums differ.
            OSError: *into* could not be written.
            Unreachable: The connection is gone; nothing was changed.
        """

    def close(self) -> None:
        """End the session and give the lock back, unless a change that was sent is still running."""


class Transport(Protocol):
    """A way to reach hosts."""

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Session:
        """Connect to *host*; the whole of it takes no longer than *within*, nor than until somebody cancels it.

        Raises:
            Unreachable: With one of its subclasses; nothing was changed and no password was tried twice.
            WrongMachine: It is not the machine that the host is known to be (:attr:`~..host.Connection.machine_id`).
        """
