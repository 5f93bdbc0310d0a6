"""One session with a host, over whatever carries a shell: reads in batches, changes through the shim."""

from __future__ import annotations

import secrets
import shlex
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.resources import files
from math import inf
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import BinaryIO

from soleil_remediate.command import Command, Output, Secret
from soleil_remediate.errors import (
    ConnectionLost,
    EvidenceNotStored,
    FactError,
    HostLocked,
    OutcomeUnknown,
    Refused,
    Unreachable,
)
from soleil_remediate.facts.limits import ReadMemoryLimit
from soleil_remediate.facts.memory import Memory
from soleil_remediate.facts.resources import ReadResources
from soleil_remediate.host import Host
from soleil_remediate.identity import UNSAID, Identity, refuse_another
from soleil_remediate.plan import Gather, Preserve
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports import Access, HostKey, Operation, Progress, Saved
from soleil_remediate.transports.ahead import asked_ahead
from soleil_remediate.transports.becoming import Becoming, Link
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.dotenv import asking_for_secrets, learn_secrets
from soleil_remediate.transports.evidence import Copy, copying
from soleil_remediate.transports.from_here import ask_from_here, of_the_host
from soleil_remediate.transports.operations import (
    in_time,
    is_operation_id,
    read_operation,
    refuse_unwritable,
    wait_times,
)
from soleil_remediate.transports.shell import (
    Kept,
    Question,
    Shell,
    access_of,
    answer,
    identity_of,
    printf_format,
    script,
)
from soleil_remediate.units import ByteSize, Duration, MiB

#: Where locks and operations are kept: tmpfs on every host with systemd.
BASE = PurePosixPath("/run/soleil-remediate")
#: A host's shells beside the first, for what takes long: each may start PHP, on a host that may be short of everything.
_SIDE_SHELLS = 3
#: So many once none of them has answered for this long: what waits for a server that hangs is waited for together.
#: sshd allows ten sessions on a connection, often fewer.
_MOST_SIDE_SHELLS, _BUSY_FOR = 6, Duration(1)
#: And only where the host has so much memory left: three that start Laravel took 56 MiB at once, on a host of which 80
#: were left; with six the kernel may kill what holds most.
_ROOM = MiB(256)
_ABOUT_ROOM = (ReadResources(), ReadMemoryLimit())
#: Within this long sshd knows that a shell which was let go has ended, and gives its channel to another.
_GIVEN_BACK = Duration(2)
#: How often a batch whose commands end their shell gets a new one.
_NEW_SHELLS = 4
#: The first shell's greeting has no deadline but that of the whole opening, which the link keeps.
_OPENING = Duration(3600)
#: What sudo may take for a further shell, with a password and whatever checks it.
_BECOMING = Duration(20)
#: A copy of which nothing arrives for this long has stopped.
_SILENCE = Duration(30)


class ShellSession:
    """A :class:`~soleil_remediate.transports.Session` over a :class:`Link`.

    Args:
        host: Whose session it is.
        becoming: What opens its shells; its link is closed with the session.
        shell: The first shell, greeted.
        ahead: What it was asked with the greeting, answered or not.
        access: With whose rights the shells run.
        host_key: By which the host proved to be itself, where the link knows one.
        identity: Which machine that is.
        base: Where locks and operations are kept on the host.
        clock: Seconds that never go back.
    """

    def __init__(  # noqa: PLR0913  # what was learnt while it was opened, all by name
        self,
        host: Host,
        becoming: Becoming,
        *,
        shell: Shell,
        ahead: Mapping[Command, Question] = MappingProxyType({}),
        access: Access,
        host_key: HostKey | None = None,
        identity: Identity = UNSAID,
        base: PurePosixPath = BASE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._access = access
        self._host_key = host_key
        self._identity = identity
        self._becoming = becoming
        self._link = becoming.link
        self._main = self._first = shell
        self._ahead = ahead
        self._sides: list[Shell] = []
        self._sides_given = _MOST_SIDE_SHELLS
        self._base = base
        self._clock = clock
        self._round_trips = 0
        self._not_wanted = Cancellation()
        self._shim_is_in: Shell | None = None
        self._claimed_by: Shell | None = None
        self._memory = ""
        # Asked with the first questions, so that no round trip is spent.
        self._learning = asking_for_secrets(host, access)

    @property
    def host(self) -> Host:
        """Whose session it is."""
        return self._host

    @property
    def access(self) -> Access:
        """With whose rights it looks and changes."""
        return self._access

    @property
    def host_key(self) -> HostKey | None:
        """The key that was compared with the known ones; ``None`` where the link has none, or cannot know it."""
        return self._host_key

    @property
    def identity(self) -> Identity:
        """Which machine it leads to, by what that says of itself."""
        return self._identity

    @property
    def round_trips(self) -> int:
        """How many batches were sent and waited for since the session was open."""
        return self._round_trips

    @property
    def memory(self) -> str:
        """The name of what the host remembers of operations; empty before the lock was taken."""
        return self._memory

    @classmethod
    def start(
        cls,
        host: Host,
        link: Link,
        *,
        password: Secret | None = None,
        base: PurePosixPath = BASE,
        host_key: HostKey | None = None,
    ) -> ShellSession:
        """Start the first shell on *link* and learn with whose rights it runs; one round trip, more with a password.

        Args:
            host: Whose session it is.
            link: What carries it.
            password: For sudo, where it asks.
            base: Where locks and operations are kept on the host.
            host_key: By which the host proved to be itself, where that is known.

        Raises:
            Unreachable: The host gives no shell.
            WrongMachine: It is another machine than the host is known to be; that was asked nothing.
        """
        becoming = Becoming(link, host.connection, password)
        shell = _new_shell(becoming, time.monotonic, greeting_within=_OPENING)
        if shell is None or shell.greeting is None:
            raise Unreachable(f"{host.name} let us in and starts no shell; it was not touched")
        ahead = {command: shell.ask(command) for command in asked_ahead(host)}
        while shell.greeting.waits_for and not shell.has_ended:
            _turn([shell], link, host.name)
        access = access_of(shell.greeting, host.connection)
        if access is None:
            said = f": {heard}" if (heard := redacted(shell.greeting.error_text.strip())[-300:]) else ""
            raise Unreachable(f"{host.name} let us in and gives no shell that can be talked to{said}")
        refuse_another(host, identity := identity_of(shell.greeting))
        if becoming.why_not and not access.is_root:
            access = replace(access, why_not=becoming.why_not)
        return cls(
            host, becoming, shell=shell, ahead=ahead, access=access, host_key=host_key, identity=identity, base=base
        )

    # -- reads --------------------------------------------------------------------------------------------------------

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        """Ask questions in one pipelined batch; the answers come in their order.

        What is asked from here is asked meanwhile; it keeps no time of the host's.

        Raises:
            Unreachable: The connection is gone or the host has stopped answering.
        """
        if self._access.is_narrow:
            commands = [replace(each, words=each.by_sudo) if each.by_sudo else each for each in commands]
        return of_the_host(self._host, commands, self._ask_all)

    def _ask_all(self, commands: Sequence[Command]) -> list[Output | FactError]:
        outside = [command for command in commands if command.is_from_here]
        if not outside:
            return self._ask_host(commands)
        with ThreadPoolExecutor(len(outside), thread_name_prefix="from-here") as pool:
            asked = [pool.submit(ask_from_here, command, self._not_wanted) for command in outside]
            try:
                heard = iter(self._ask_host([command for command in commands if not command.is_from_here]))
            except BaseException:
                self._not_wanted.ask()  # nothing is waited for that nobody will look at
                raise
            met = iter([one.result() for one in asked])
        return [next(met if command.is_from_here else heard) for command in commands]

    def _ask_host(self, commands: Sequence[Command]) -> list[Output | FactError]:
        if not commands:
            return []
        ahead, self._ahead = self._ahead, {}
        if {*commands} <= ahead.keys() and (heard := self._heard_ahead([ahead[command] for command in commands])):
            return [self._answer(self._main, command, one) for command, one in zip(commands, heard, strict=True)]
        self._round_trips += 1
        if (learning := self._learning) is None:
            return self._ask(commands)
        about_secrets, *answers = self._ask([learning, *commands])
        self._learn(about_secrets)  # before anybody can see what the others say
        return answers

    def _heard_ahead(self, questions: list[Question]) -> list[Question]:
        """Wait until questions are answered that are under way since the greeting; nothing where the shell ended."""
        self._drive(self._main)
        return [] if any(question.status is None for question in questions) else questions

    def _learn(self, about_secrets: Output | FactError) -> None:
        """Learn what the application keeps secret; what could not be read whole is asked again with the next batch."""
        learn_secrets(self._host, about_secrets)
        if isinstance(about_secrets, Output) and about_secrets.exit_status == 0:
            self._learning = None

    def _ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        answers: dict[int, Output | FactError] = {
            index: FactError(f"{command}: {needs}", command=str(command))
            for index, command in enumerate(commands)
            if (needs := self._needs_root(command)) is not None
        }
        asked = [index for index in range(len(commands)) if index not in answers]
        at_once = [index for index in asked if not commands[index].is_slow]
        quick = dict(zip(at_once, self._main.ask_all([commands[index] for index in at_once]), strict=True))
        self._turn([self._main] if quick else [], wait=False)
        slow = deque(index for index in asked if commands[index].is_slow)
        answers.update(self._slow_answers(commands, slow, quick))
        cut_off = [index for index, question in quick.items() if question.status is None]
        if not self._main.has_ended:
            quick.update((index, self._main.ask(commands[index])) for index in cut_off)
            self._drive(self._main)
        answers.update((index, self._answer(self._main, commands[index], one)) for index, one in quick.items())
        if self._main.has_ended:
            unanswered = [index for index, question in quick.items() if question.status is None]
            answers.update(self._one_by_one({index: commands[index] for index in unanswered}))
        return [answers[index] for index in range(len(commands))]

    def _slow_answers(
        self, commands: Sequence[Command], slow: deque[int], quick: dict[int, Question]
    ) -> dict[int, Output | FactError]:
        """Ask what is slow beside the first shell, and go on until that shell has answered its questions as well.

        Where there is no shell beside it, what is slow is added to its own questions.
        """
        answers: dict[int, Output | FactError] = {}
        under_way: dict[Shell, tuple[int, Question]] = {}
        most, few_until, self._sides_given = _SIDE_SHELLS, inf, _MOST_SIDE_SHELLS
        about_room: list[Question] = []
        while True:
            while slow and (side := self._free_side(under_way, most)) is not None:
                index = slow.popleft()
                under_way[side] = index, side.ask(commands[index])
                self._turn([side], wait=False)  # it is on its way, and answered in time, while another shell is opened
                few_until = self._clock() + _BUSY_FOR
            if slow and not under_way:  # the host gives no second channel: they wait for their turn
                quick.update((index, self._main.ask(commands[index])) for index in slow)
                slow.clear()
            busy = [shell for shell in (self._main, *under_way) if shell.pending and not shell.has_ended]
            if not busy and not slow and not under_way:
                break
            is_early = most < self._sides_given and bool(slow) and not about_room
            self._turn(busy, within=max(0.0, few_until - self._clock()) if is_early else inf)
            if is_early and self._clock() >= few_until:
                few_until = inf
                about_room = [] if self._main.has_ended else [self._main.ask(query.command) for query in _ABOUT_ROOM]
            if about_room and not any(question.waits_for for question in about_room):
                most, about_room = _MOST_SIDE_SHELLS if _is_roomy(about_room) else most, []
            for side in [side for side in under_way if not side.pending or side.has_ended]:
                index, question = under_way.pop(side)
                others = [one for one in self._sides if one is not side]
                if _never_began(side) or (others and self._has_other_rights(side)):
                    side.close()
                    self._sides, self._sides_given = others, len(others)
                    slow.appendleft(index)
                    continue
                answers[index] = self._answer(side, commands[index], question)
        self._keep_sides(_SIDE_SHELLS)
        return answers

    def _needs_root(self, command: Command) -> str | None:
        """Return why *command* cannot be run with the session's rights; ``None`` where it can."""
        if command.user is None or self._access.is_root or command.user == self._access.login:
            return None
        if self._access.is_narrow and command.user != "root":
            return None  # sudo itself says whether
        return f"only root can become {command.user}, and {self._access.why_not}"

    def _one_by_one(self, commands: dict[int, Command]) -> dict[int, Output | FactError]:
        """Ask again what a shell left unanswered: one of them ended it, and only that one has no answer."""
        answers: dict[int, Output | FactError] = {}
        left = _NEW_SHELLS
        for index, command in commands.items():
            if self._main.has_ended:
                another = self._new_shell() if left > 0 else None
                left -= 1
                if another is None:
                    answers[index] = FactError(
                        f"{command}: not asked, because shells keep ending on {self._host.name}", command=str(command)
                    )
                    continue
                self._main = another
            question = self._main.ask(command)
            self._drive(self._main)
            answers[index] = self._answer(self._main, command, question)
        return answers

    def _free_side(self, busy: Collection[Shell], most: int) -> Shell | None:
        """Return one of at most so many shells beside the first, with nothing to do; ``None`` where there is none."""
        # One that has ended counts until its question was seen to: else each that ends at once is followed by another.
        self._sides = [side for side in self._sides if side in busy or not side.has_ended]
        if not any(side not in busy for side in self._sides):
            self._open_sides(min(most, self._sides_given) - len(self._sides))
        return next((side for side in self._sides if side not in busy), None)

    def _open_sides(self, number: int) -> None:
        """Start that many shells beside the first at once, or one where only one can be opened at a time.

        At once they take one round trip together, and what is slow in the next batch needs none for them. Where the
        host gives fewer, none is asked for again in this batch.
        """
        if number < 1:
            return
        if not self._becoming.opens_at_once:
            number = 1
        given: list[Shell | None] = [None]
        try:
            if number == 1:
                given = [self._new_shell()]
            else:
                with ThreadPoolExecutor(number, thread_name_prefix="shells") as pool:
                    asked = [pool.submit(self._new_shell) for _ in range(number)]
                given = [one.result() for one in asked]
        except ConnectionLost:
            raise
        except Unreachable:  # this machine can start no more programs
            if not self._sides:
                raise
        self._sides += [shell for shell in given if shell is not None]
        if None in given:
            self._sides_given = len(self._sides)

    def _keep_sides(self, most: int) -> None:
        """Let all but so many shells beside the first go; none of them has anything to do."""
        for side in self._sides[most:]:
            side.close()
        del self._sides[most:]

    def _one_more(self) -> Shell | None:
        """Return a shell of its own; where the host has no channel left for it, those beside the first give theirs."""
        shell = self._new_shell()
        if shell is None and self._sides:
            self._keep_sides(0)
            ends = self._clock() + _GIVEN_BACK
            while shell is None and self._clock() < ends:
                self._link.wait(0.1)
                shell = self._new_shell()
        return shell

    def _answer(self, shell: Shell, command: Command, question: Question) -> Output | FactError:
        """Return what *shell* answered; nothing where it has not got the rights that the first one had."""
        if self._has_other_rights(shell):
            return FactError(f"{command}: {self._host.name} gave other rights this time", command=str(command))
        return answer(command, question)

    def _has_other_rights(self, shell: Shell) -> bool:
        """Whether *shell* turned out not to have the rights of the first one: sudo changed its mind."""
        if shell is self._first:
            return False
        access = access_of(shell.greeting, self._host.connection) if shell.greeting else None
        return access is not None and access.is_root != self._access.is_root

    def _new_shell(self) -> Shell | None:
        return _new_shell(self._becoming, self._clock, greeting_within=Duration(0))

    def _drive(self, shell: Shell) -> None:
        """Go on until everything asked of *shell* is answered, or it has ended."""
        while shell.pending and not shell.has_ended:
            self._turn([shell])

    def _turn(self, shells: Sequence[Shell], *, wait: bool = True, within: float = inf) -> None:
        try:
            _turn(shells, self._link, self._host.name, wait=wait, within=within)
        except ConnectionLost:
            self._link.close()
            raise

    # -- changes ------------------------------------------------------------------------------------------------------

    def claim(self, owner: str) -> None:
        """Take the host's lock for this session, or go on holding it.

        Raises:
            HostLocked: Somebody else may be changing this host; says who, since when and from where.
            Refused: The lock cannot be taken at all.
            Unreachable: The connection is gone; no change is under way.
        """
        if self._holds_the_lock:
            return
        if self._main.has_ended:
            self._main = self._another_main()
        name = self._host.name
        who = shlex.quote(" ".join(owner.split())[:80])
        output = self._shim(f"claim {who} {secrets.token_hex(8)}", within=Duration(5))
        if output is None:
            raise ConnectionLost(f"{name} ended the shell that was to take its lock; nothing was changed")
        if output.exit_status == 75:
            by = output.text.strip() or "somebody who left no name"
            raise HostLocked(
                f"{name} is locked by {by}: somebody may be changing it. Nothing was sent. If that session is surely "
                f"gone, end its shell on {name}; the kernel then gives the lock back"
            )
        if output.exit_status:
            needs = "" if self._access.may_change else f"; changes need root ({self._access.why_not})"
            if self._has_other_rights(self._main):
                needs = f"; {name} gave other rights this time"
            raise Refused(f"the lock of {name} cannot be taken: {_last_line(output)}{needs}. Nothing was sent")
        self._claimed_by = self._main
        self._memory = output.text.strip()

    @property
    def _holds_the_lock(self) -> bool:
        return self._claimed_by is self._main and not self._main.has_ended

    def _another_main(self) -> Shell:
        shell = self._new_shell()
        if shell is None:
            raise ConnectionLost(f"{self._host.name} ended our shell and starts no other")
        return shell

    def send(self, operation: str, command: Command) -> Output:
        """Send one change under *operation*'s id, detached from the connection, and wait for its end.

        Its standard error stands in the output with the rest, in the order in which it was written; of more than
        128 KiB the beginning and the end are kept.

        Raises:
            Refused: Nothing was begun.
            OutcomeUnknown: It was sent and its answer did not arrive, or it was lost.
        """
        if not is_operation_id(operation):
            raise ValueError(f"{operation!r} is no operation's id")
        name = self._host.name
        if not self._holds_the_lock:
            raise Refused(f"the lock of {name} is not ours, or was lost with its shell. Nothing was sent: look again")
        if (needs := self._needs_root(command)) is not None:
            raise Refused(f"{name}: {needs}. Nothing was sent")
        stdin = printf_format(command.stdin if command.stdin is not None else "")
        words = shlex.join(("change", operation, "1", script(command), stdin, "whole"))
        refuse_unwritable(name, operation, words)
        began = self._clock()
        try:
            output = self._shim(words, within=Duration(5))
            if output is not None and output.exit_status == 70:
                raise Refused(f"{name}: {_last_line(output)}: somebody else may have it. Nothing was sent: look again")
            if output is not None and output.exit_status in (71, 73):
                needs = "processes" if output.exit_status == 71 else f"space in {self._base.parent}"
                raise Refused(
                    f"{name} cannot take a change: {_last_line(output)}. Nothing was begun. To go on: free {needs}, "
                    "then look again"
                )
            for seconds in wait_times(command.deadline):
                if output is None:
                    break
                known = read_operation(operation, output)
                if known.output is not None:
                    return in_time(known.output, command.deadline, took=self._clock() - began)
                if known.progress is not Progress.RUNNING:
                    raise self._unknown(operation, f"it is {known.progress.value}")
                output = self._shim(f"await {operation} {seconds:.1f}", within=Duration(seconds))
        except (Unreachable, FactError) as error:
            raise self._unknown(operation, str(error)) from error
        raise self._unknown(operation, "its shell ended" if output is None else "it is still running")

    def _unknown(self, operation: str, why: str) -> OutcomeUnknown:
        return OutcomeUnknown(
            f"{self._host.name} MAY have been changed: operation {operation} was sent and its outcome is unknown "
            f"({why}). It was not sent again and must not be: look first"
        )

    def outcome(self, operation: str, *, memory: str) -> Operation:
        """Ask the host what became of an operation, also one of an earlier session; changes nothing.

        Raises:
            Unreachable: The connection is gone.
            FactError: The answer cannot be read, or nobody can tell yet.
        """
        if not is_operation_id(operation):
            raise ValueError(f"{operation!r} is no operation's id")
        if self._main.has_ended:
            self._main = self._another_main()
        if self._learning is not None:  # a change that failed may have told them last, and nothing was asked before
            self._round_trips += 1
            self._learn(self._ask([self._learning])[0])
        output = self._shim(f"tell {operation} {shlex.quote(memory)}", within=Duration(5))
        if output is None:
            raise ConnectionLost(f"{self._host.name} ended the shell that was asked about operation {operation}")
        if self._has_other_rights(self._main):
            raise FactError(f"{self._host.name} gave other rights this time, which cannot see operation {operation}")
        return read_operation(operation, output)

    def _shim(self, line: str, *, within: Duration) -> Output | None:
        """Call a function of the shim; ``None`` where its shell ended before it answered."""
        self._round_trips += 1
        if self._shim_is_in is not self._main:
            memory = memory_of(self._access, self._base)
            line = f"lock={shlex.quote(str(self._base))} base={shlex.quote(str(memory))}\n{_shim_text()}\n{line}"
        out, err = Kept(2**20), Kept(2**16)
        question = self._main.run(line, out=out, err=err, within=within)
        self._drive(self._main)
        if question.waits_for or question.status is None:
            return None
        self._shim_is_in = self._main
        return Output(exit_status=question.status, stdout=bytes(out.data), stderr=bytes(err.data), cut=out.cut)

    # -- evidence -----------------------------------------------------------------------------------------------------

    def save(self, what: Preserve | Gather, into: BinaryIO, on_progress: Callable[[ByteSize], None]) -> Saved:
        """Stream bytes, gzip-compressed at the source, into *into*; nothing is written on the host.

        Raises:
            EvidenceNotStored: It is another file by now, cannot be read, ended badly, or the checksums differ.
            OSError: *into* could not be written.
            Unreachable: The connection is gone; nothing was changed.
        """
        self._round_trips += 1
        shell = self._one_more()
        if shell is None:
            raise EvidenceNotStored(f"{self._host.name} gives no second channel, so {what} cannot be copied")
        copy = Copy(what, into, on_progress)
        try:
            question = shell.run(copying(what), out=copy, err=copy.said, within=Duration(7 * 86400))
            quiet_since, arrived = self._clock(), -1
            while shell.pending and not shell.has_ended:
                self._turn([shell], wait=False)
                if copy.stored != arrived:
                    quiet_since, arrived = self._clock(), copy.stored
                elif self._clock() - quiet_since > _SILENCE:
                    raise ConnectionLost(f"{self._host.name} sent nothing more of {what} for {_SILENCE}")
                if shell.pending:
                    self._link.wait(1)
            return copy.saved(question.status)
        finally:
            shell.close()

    def close(self) -> None:
        """End the session and give the lock back, unless a change that was sent is still running."""
        self._not_wanted.ask()
        self._link.close()


def memory_of(access: Access, base: PurePosixPath = BASE) -> PurePosixPath:
    """Return where a session's operations are kept on a host: root trusts no folder that somebody else may write to."""
    return base / "logins" / access.login if access.is_narrow else base


def _is_roomy(about_room: Sequence[Question]) -> bool:
    """Whether a host has memory for more shells, by its answers; what cannot be known is no room."""
    resources, limit = (answer(query.command, one) for query, one in zip(_ABOUT_ROOM, about_room, strict=True))
    if isinstance(resources, FactError) or isinstance(limit, FactError):
        return False
    try:
        memory = Memory(resources=_ABOUT_ROOM[0].answer(resources), container=_ABOUT_ROOM[1].answer(limit))
    except FactError:
        return False
    return memory.available >= _ROOM


def _never_began(shell: Shell) -> bool:
    """Whether a shell came to nothing: it ended before it was asked anything."""
    return shell.has_ended and shell.greeting is not None and bool(shell.greeting.waits_for)


def _new_shell(becoming: Becoming, clock: Callable[[], float], *, greeting_within: Duration) -> Shell | None:
    """Start one more shell; what it is asked may be written before it has greeted."""
    stream = becoming.open_shell(within=greeting_within or _BECOMING)
    if stream is None:
        return None
    shell = Shell(stream, clock)
    shell.greet(within=greeting_within)
    return shell


def _turn(shells: Sequence[Shell], link: Link, name: str, *, wait: bool = True, within: float = inf) -> None:
    """Send and receive once on each of *shells*; where nothing moved, wait until something does, or for so long.

    Raises:
        ConnectionLost: An answer is overdue.
    """
    may_wait = wait
    for shell in shells:
        try:
            moved = shell.pump()
        except ValueError:  # not the answers of a shell of ours: nothing more can be read from it
            shell.close()
            moved = False
        if shell.is_flooding:
            shell.close()
        # What arrives from now on wakes us; what a far end can take, or holds back behind a full buffer, does not. Who
        # has answered everything may be asked something else.
        may_wait = may_wait and bool(shell.pending) and not (moved and (shell.is_sending or shell.has_more))
        if shell.pending and not shell.has_ended and shell.overdue_in <= 0:
            raise ConnectionLost(f"{name} has stopped answering")
    busy = [shell for shell in shells if shell.pending and not shell.has_ended]
    if may_wait and busy:
        due = min(within, *(shell.overdue_in for shell in busy))
        # A far end that takes no more is asked again soon: there is no event for its window.
        link.wait(min(due, 0.02) if any(shell.is_sending for shell in busy) else due)


def _last_line(output: Output) -> str:
    return (redacted(output.error_text.strip()).splitlines() or [f"exit status {output.exit_status}"])[-1][:300]


def _shim_text() -> str:
    return files("soleil_remediate.transports").joinpath("shim.sh").read_text("utf-8")
