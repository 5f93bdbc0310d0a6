"""A host made of prepared answers, for tests: no network, no process, nothing that was not said before.

::

    web1 = ScriptedHost("web1")
    web1.on_read(("systemctl", "is-active", "nginx"), Output(exit_status=3, stdout=b"failed\\n"))
    web1.on_change(
        ("systemctl", "restart", "nginx"),
        then=lambda host: host.on_read(("systemctl", "is-active", "nginx"), "active\\n"),
    )
    transport = ScriptedTransport(web1)
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import PurePosixPath
from typing import BinaryIO, TypeAlias

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import (
    EvidenceNotStored,
    FactError,
    HostLocked,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from soleil_remediate.host import Host
from soleil_remediate.identity import UNSAID, Identity, refuse_another
from soleil_remediate.plan import FileIdentity, Gather, Preserve
from soleil_remediate.transports import Access, HostKey, Operation, Progress, Saved
from soleil_remediate.transports.ahead import asked_ahead
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.evidence import TAIL
from soleil_remediate.transports.from_here import of_the_host
from soleil_remediate.transports.operations import refuse_unwritable
from soleil_remediate.units import ByteSize, Duration

#: Which commands a rule is about: these words whoever runs them, this command exactly, or whatever the function says.
When: TypeAlias = "Sequence[str] | Command | Callable[[Command], bool]"
#: What they answer; text is standard output and exit status 0.
Answer: TypeAlias = "str | bytes | Output | FactError"
AnswerOrHow: TypeAlias = "Answer | Callable[[Command], Answer]"


class Unscripted(AssertionError):
    """The host was asked or sent something that nobody prepared: the test or what it tests is wrong."""


class Fate(Enum):
    """What becomes of a change."""

    ANSWERED = "it ran, and its answer arrived"
    ANSWER_LOST = "it ran, and the connection broke before its answer arrived"
    LOST = "it was begun, and ended without an exit status"
    NOT_BEGUN = "the host could not begin it"


@dataclass(frozen=True, slots=True)
class _Rule:
    when: When
    answer: AnswerOrHow
    then: Callable[[ScriptedHost], object] | None = None
    fate: Fate = Fate.ANSWERED

    def is_about(self, command: Command) -> bool:
        if isinstance(self.when, Command):
            return self.when == command
        if callable(self.when):
            return self.when(command)
        return tuple(self.when) == command.words

    def __str__(self) -> str:
        if isinstance(self.when, Command):
            return str(self.when)
        return "what a function says" if callable(self.when) else str(Command(tuple(self.when)))


@dataclass(slots=True, kw_only=True)
class _File:
    identity: FileIdentity
    content: bytes


@dataclass(slots=True, eq=False)
class ScriptedHost:
    """What a host answers, and what was asked of it and done to it.

    The latest rule that fits counts, so a change may overrule what was said before. Reads and changes have rules of
    their own: asking what is only prepared as a change is refused, and the other way round.

    Args:
        name: The name under which :class:`ScriptedTransport` finds it.
        access: With whose rights its sessions run.
        host_key: By which its sessions say it proved to be itself; a scripted host has none unless it is given one.
        identity: Which machine it says that it is; nothing unless given.
        unreachable: Raised by every opening and every question, where it is set.
        locked_by: Who holds its lock, where it is set: nobody else can claim it.

    Attributes:
        asked: Every batch of questions, in order.
        sent: Every change that ran, in order.
        owners: Who claimed it, in order.
    """

    name: str
    access: Access = field(default=Access(login="root", is_root=True))
    host_key: HostKey | None = None
    identity: Identity = UNSAID
    unreachable: Unreachable | None = None
    locked_by: str | None = None
    asked: list[tuple[Command, ...]] = field(default_factory=list, init=False)
    sent: list[Command] = field(default_factory=list, init=False)
    owners: list[str] = field(default_factory=list, init=False)
    _reads: list[_Rule] = field(default_factory=list, init=False)
    _changes: list[_Rule] = field(default_factory=list, init=False)
    _files: dict[PurePosixPath, _File] = field(default_factory=dict, init=False)
    _said: dict[str, bytes] = field(default_factory=dict, init=False)
    _operations: dict[str, Operation] = field(default_factory=dict, init=False)
    _holder: ScriptedSession | None = field(default=None, init=False)
    _restarts: int = field(default=0, init=False)

    def on_read(self, when: When, answer: AnswerOrHow) -> None:
        """Answer questions that fit *when*; a FactError stands for no answer."""
        self._reads.append(_Rule(when, answer))

    def on_change(
        self,
        when: When,
        answer: AnswerOrHow = "",
        *,
        then: Callable[[ScriptedHost], object] | None = None,
        fate: Fate = Fate.ANSWERED,
    ) -> None:
        """Take changes that fit *when*; *then* is called after each that ran, to alter later answers."""
        self._changes.append(_Rule(when, answer, then, fate))

    def has_file(self, path: PurePosixPath, content: bytes, identity: FileIdentity) -> None:
        """Let *path* be a file that can be saved as evidence."""
        self._files[path] = _File(identity=identity, content=content)

    def says(self, name: str, content: bytes) -> None:
        """Let *content* be what is said where something of that name is gathered as evidence."""
        self._said[name] = content

    def restart(self) -> None:
        """Forget every operation and who holds the lock, as a host does that restarts."""
        self._operations.clear()
        self._holder = None
        self._restarts += 1

    # -- what its sessions do ------------------------------------------------------------------------------------------

    def read(self, commands: Sequence[Command]) -> list[Output | FactError]:
        """Answer one batch as prepared."""
        self.asked.append(tuple(commands))
        return [_answered(self._rule("asked", self._reads, command), command) for command in commands]

    def hold(self, session: ScriptedSession, owner: str) -> None:
        """Give the lock to *session*, where nobody else has it."""
        if self._holder is session:
            return
        by = self.locked_by or (self.owners[-1] if self._holder is not None else None)
        if by is not None:
            raise HostLocked(f"{self.name} is locked by {by}: somebody may be changing it. Nothing was sent")
        self.owners.append(owner)
        self._holder = session

    def give_back(self, session: ScriptedSession) -> None:
        """Take the lock back from *session*, where it has it."""
        if self._holder is session:
            self._holder = None

    def run(self, session: ScriptedSession, operation: str, command: Command) -> Operation:
        """Run a change, unless *operation* ran before, and return what the session hears of it."""
        if self._holder is not session:
            raise Refused(f"the lock of {self.name} is not ours. Nothing was sent")
        if operation in self._operations:
            return self._operations[operation]
        rule = self._rule("sent", self._changes, command)
        if rule.fate is Fate.NOT_BEGUN:
            raise Refused(f"{self.name} cannot begin {command}: prepared so. Nothing was begun")
        self.sent.append(command)
        output = _answered(rule, command)
        if isinstance(output, FactError):
            raise Unscripted(f"{command} is a change: it answers an Output, or its fate says why it does not")
        done = Operation(progress=Progress.DONE, output=output)
        known = Operation(progress=Progress.LOST) if rule.fate is Fate.LOST else done
        self._operations[operation] = known
        if rule.then is not None:
            rule.then(self)
        return Operation(progress=Progress.RUNNING) if rule.fate is Fate.ANSWER_LOST else known

    @property
    def memory(self) -> str:
        """The name of what it remembers of operations."""
        return f"{self.name}-{self._restarts}"

    def became_of(self, operation: str, memory: str) -> Operation:
        """Return what became of an operation that was sent to *memory*."""
        unknown = Progress.NEVER_BEGUN if memory == self.memory else Progress.FORGOTTEN
        return self._operations.get(operation, Operation(progress=unknown))

    def file(self, path: PurePosixPath, identity: FileIdentity) -> bytes:
        """Return a file's bytes.

        Raises:
            EvidenceNotStored: There is none, or it is another one.
        """
        file = self._files.get(path)
        if file is None or file.identity != identity:
            why = "it is no plain file any more" if file is None else "another file has its name now"
            raise EvidenceNotStored(f"{path} was not saved: {why}. Nothing was changed")
        return file.content

    def gathered(self, name: str) -> bytes:
        """Return what is said where something is gathered.

        Raises:
            EvidenceNotStored: Nothing is.
        """
        if name not in self._said:
            raise EvidenceNotStored(f"{name} was not saved: nothing is said. Nothing was changed")
        return self._said[name]

    def _rule(self, what: str, rules: Sequence[_Rule], command: Command) -> _Rule:
        for rule in reversed(rules):
            if rule.is_about(command):
                return rule
        known = "; ".join(str(rule) for rule in rules) or "nothing"
        raise Unscripted(f"{self.name} was {what} {str(command)!r}, which nobody prepared. Prepared: {known}")


class ScriptedSession:
    """A :class:`~soleil_remediate.transports.Session` with a :class:`ScriptedHost`."""

    def __init__(self, host: Host, scripted: ScriptedHost) -> None:
        self._host = host
        self._scripted = scripted
        self._identity = scripted.identity
        self._round_trips = 0
        self._ahead = frozenset(asked_ahead(host))
        self._memory = ""

    @property
    def host(self) -> Host:
        """Whose session it is."""
        return self._host

    @property
    def access(self) -> Access:
        """With whose rights it looks and changes."""
        return self._scripted.access

    @property
    def memory(self) -> str:
        """The name of what the host remembered when the lock was taken; empty before."""
        return self._memory

    @property
    def host_key(self) -> HostKey | None:
        """The key that the host was given."""
        return self._scripted.host_key

    @property
    def identity(self) -> Identity:
        """Which machine it was when the session was opened."""
        return self._identity

    @property
    def round_trips(self) -> int:
        """How many batches were asked, and other things waited for."""
        return self._round_trips

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        """Answer as prepared.

        Raises:
            Unreachable: The host was prepared so.
            Unscripted: A question was not prepared.
        """
        if not commands:
            return []
        ahead, self._ahead = self._ahead, frozenset()
        self._go(round_trips=0 if ahead.issuperset(commands) else 1)
        return of_the_host(self._host, commands, self._scripted.read)

    def claim(self, owner: str) -> None:
        """Take the host's lock.

        Raises:
            HostLocked: The host was prepared so, or another session holds it.
            Unreachable: The host was prepared so.
        """
        self._go()
        self._scripted.hold(self, owner)
        self._memory = self._scripted.memory

    def send(self, operation: str, command: Command) -> Output:
        """Do to the host what was prepared for *command*, once for each operation.

        Raises:
            Refused: The lock is not ours, *command* cannot be written in bytes, or the host was prepared so.
            OutcomeUnknown: The host was prepared so.
            Unscripted: The change was not prepared.
        """
        self._go()
        refuse_unwritable(self._scripted.name, operation, "".join(command.words))
        known = self._scripted.run(self, operation, command)
        if known.output is not None:
            return known.output
        why = "the connection broke" if known.progress is Progress.RUNNING else f"it is {known.progress.value}"
        raise OutcomeUnknown(
            f"{self._scripted.name} MAY have been changed: operation {operation} was sent and its outcome is unknown "
            f"({why}). It was not sent again and must not be: look first"
        )

    def outcome(self, operation: str, *, memory: str) -> Operation:
        """Return what became of an operation.

        Raises:
            Unreachable: The host was prepared so.
        """
        self._go()
        return self._scripted.became_of(operation, memory)

    def save(self, what: Preserve | Gather, into: BinaryIO, on_progress: Callable[[ByteSize], None]) -> Saved:
        """Write the prepared file, or what was prepared to be said, gzip-compressed, into *into*.

        Raises:
            EvidenceNotStored: No such file was prepared, or it is another one; or nothing is said.
            Unreachable: The host was prepared so.
        """
        self._go()
        if isinstance(what, Gather):
            content = self._scripted.gathered(what.name)
        else:
            content = self._scripted.file(what.path, what.identity)
        stored = gzip.compress(content, mtime=0)
        into.write(stored)
        on_progress(ByteSize(len(content)))
        return Saved(
            size=ByteSize(len(content)),
            stored=ByteSize(len(stored)),
            sha256=hashlib.sha256(content).hexdigest(),
            tail_sha256=hashlib.sha256(content[-TAIL:]).hexdigest(),
        )

    def close(self) -> None:
        """End the session and give the lock back."""
        self._scripted.give_back(self)

    def _go(self, *, round_trips: int = 1) -> None:
        self._round_trips += round_trips
        if self._scripted.unreachable is not None:
            raise self._scripted.unreachable


class ScriptedTransport:
    """Reaches scripted hosts by their names."""

    def __init__(self, *hosts: ScriptedHost) -> None:
        self._hosts = {host.name: host for host in hosts}

    def open(
        self,
        host: Host,
        *,
        within: Duration,  # noqa: ARG002  # nothing here takes any time
        cancellation: Cancellation | None = None,  # noqa: ARG002  # likewise
    ) -> ScriptedSession:
        """Open a session.

        Raises:
            Unreachable: The host was prepared so.
            WrongMachine: It says that it is another machine than *host* is known to be.
            Unscripted: There is no such scripted host.
        """
        scripted = self._hosts.get(host.listed_name)
        if scripted is None:
            raise Unscripted(f"{host.listed_name} is no scripted host; there are: {', '.join(self._hosts) or 'none'}")
        if scripted.unreachable is not None:
            raise scripted.unreachable
        refuse_another(host, scripted.identity)
        return ScriptedSession(host, scripted)


def _answered(rule: _Rule, command: Command) -> Output | FactError:
    answer = rule.answer(command) if callable(rule.answer) else rule.answer
    if isinstance(answer, FactError):
        return answer
    if isinstance(answer, str):
        answer = answer.encode()
    output = Output(exit_status=0, stdout=answer) if isinstance(answer, bytes) else answer
    limit = command.output_limit
    beyond = max(0, len(output.stdout) - limit) + max(0, len(output.stderr) - limit)
    if not beyond:
        return output
    return replace(output, stdout=output.stdout[:limit], stderr=output.stderr[:limit], cut=output.cut + beyond)
