"""Commands and questions: what may be said to a host, and what comes back.

Reads are coroutines without I/O: awaiting :meth:`Reader.ask` hands queries to whoever drives the coroutine, and there
is no event loop and no socket in it.
"""

from __future__ import annotations

import re
import shlex
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar, overload

from soleil_remediate.errors import FactError
from soleil_remediate.secrecy import learn, redacted
from soleil_remediate.units import ByteSize, Duration, MiB

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

#: What timeout(1) answers when it ended a command: https://man7.org/linux/man-pages/man1/timeout.1.html
TIMED_OUT = 124
#: What a shell answers when a command is there but cannot be run, or is not there at all (POSIX 2.8.2).
NOT_EXECUTABLE, NOT_FOUND = 126, 127


#: What chown(1) and setpriv(1) take for a user's name, and never for an option.
_USER = re.compile(r"[^\s\0:-][^\s\0:]*")


def refuse_unless_user(name: str) -> None:
    """Do nothing where *name* can be a user's.

    Raises:
        ValueError: It cannot.
    """
    if _USER.fullmatch(name) is None:
        raise ValueError(f"{name[:80]!r} is no user's name; nobody's would mean the session's, which is root")


class Secret:
    """A text that is never shown: it has no readable repr and stands in no digest, record or deduplication.

    From its making on it is hidden in whatever is told, also where a host says it: see
    :mod:`soleil_remediate.secrecy`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        learn(text)

    def reveal(self) -> str:
        """Return the text itself; only for handing it to a host's standard input."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Command:
    """One program with its arguments; never a line for a shell to interpret.

    Args:
        words: The program and its arguments, each exactly one word on the host.
        user: Whom it runs as; ``None`` is the session's user (root where sudo allows it).
        stdin: What it reads; nothing at all otherwise. Secrets travel here and nowhere else.
        deadline: After this long it is ended on the host, and answers 124.
        output_limit: How much of each stream is kept; what comes after is counted and thrown away.
        is_slow: It may take seconds, so it runs on a channel of its own and nothing waits behind it.
        is_from_here: It is no program of the host's: whoever has the session asks it from this machine, meanwhile.
        by_sudo: What a login asks instead to which sudo allows single commands and no shell; nothing where that is the
            same.
    """

    words: tuple[str, ...]
    user: str | None = field(default=None, kw_only=True)
    stdin: str | Secret | None = field(default=None, kw_only=True)
    deadline: Duration = field(default=Duration(2), kw_only=True)
    output_limit: ByteSize = field(default=MiB(1), kw_only=True)
    is_slow: bool = field(default=False, kw_only=True)
    is_from_here: bool = field(default=False, kw_only=True)
    by_sudo: tuple[str, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if not self.words or not self.words[0]:
            raise ValueError("a command names a program")
        for word in self.words:
            if "\0" in word:
                raise ValueError(f"no argument can hold a NUL byte: {word[:80]!r}")
        if self.user is not None:
            refuse_unless_user(self.user)
        if self.deadline <= 0:
            raise ValueError("every command has a deadline")

    def __str__(self) -> str:
        """Return the command as a person would type it."""
        typed = shlex.join(self.words)
        return f"sudo -u {shlex.quote(self.user)} {typed}" if self.user else typed


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command answered.

    Args:
        exit_status: 0 to 255.
        stdout: Its standard output, byte for byte, up to the command's limit.
        stderr: Its standard error, likewise.
        cut: How many bytes beyond the limit were thrown away, of both streams.
    """

    exit_status: int
    stdout: bytes = b""
    stderr: bytes = b""
    cut: int = 0

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 appear as ``\\xNN``."""
        return self.stdout.decode("utf-8", "backslashreplace")

    @property
    def error_text(self) -> str:
        """Standard error as text; bytes that are not UTF-8 appear as ``\\xNN``."""
        return self.stderr.decode("utf-8", "backslashreplace")


class Query(ABC, Generic[T_co]):
    """A question to a host: a command that changes nothing, and how to read its answer.

    Subclasses are frozen dataclasses. What is common to all answers is judged here, once: a program that is missing,
    out of time, of an unexpected exit status, cut short or silent gives a :class:`FactError`, never a default.

    Attributes:
        expects: The exit statuses that are answers.
        empty_is: Why no output at all can be an answer, and how it is known that the command ran; ``None`` where
            silence means that something is wrong.
    """

    expects: ClassVar[frozenset[int]] = frozenset({0})
    empty_is: ClassVar[str | None] = None

    @property
    @abstractmethod
    def command(self) -> Command:
        """The command that asks."""

    @abstractmethod
    def parse(self, output: Output) -> T_co:
        """Read an answer whose exit status is expected; raise ValueError, LookupError, ArithmeticError or FactError on
        garbage.
        """

    def answer(self, output: Output) -> T_co:
        """Return what *output* says.

        Raises:
            FactError: It says nothing that may be relied on.
        """
        if output.exit_status == TIMED_OUT and TIMED_OUT not in self.expects:
            raise self._unreadable(f"no answer within {self.command.deadline}", output)
        if output.exit_status == NOT_FOUND and NOT_FOUND not in self.expects:
            # The dynamic linker ends with the same status, for example where there is no memory for a library.
            ended = "cannot be started" if "shared librar" in output.error_text else "is not there"
            raise self._unreadable(f"{self.command.words[0]} {ended}", output)
        if output.exit_status not in self.expects:
            raise self._unreadable(f"exit status {output.exit_status}", output)
        if output.cut:
            raise self._unreadable(f"more than {self.command.output_limit} of output", output)
        if not output.stdout and self.empty_is is None:
            raise self._unreadable("no output", output)
        try:
            return self.parse(output)
        except (ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise self._unreadable(f"cannot be read ({redacted(str(error))[:200]})", output) from error

    def _unreadable(self, why: str, output: Output) -> FactError:
        tail = redacted(output.error_text.strip() or output.text.strip())[-400:]
        shown = redacted(str(self.command))
        shown = shown if len(shown) <= 120 else shown[:117] + "…"
        return FactError(f"{shown}: {why}{': ' + tail if tail else ''}", command=str(self.command), output=tail)


#: What a read hands to its driver, and what it gets back for each: an answer, or why there is none.
Questions: TypeAlias = "tuple[Query[Any], ...]"
Answers: TypeAlias = "tuple[Output | FactError, ...]"
Read: TypeAlias = "Coroutine[Questions, Answers, T]"


@dataclass(frozen=True, slots=True)
class _Ask:
    queries: Questions

    def __await__(self) -> Generator[Questions, Answers, tuple[Any, ...]]:
        outputs = yield self.queries
        results: list[Any] = []
        for query, output in zip(self.queries, outputs, strict=True):
            if isinstance(output, FactError):
                results.append(output)
                continue
            try:
                results.append(query.answer(output))
            except FactError as error:
                results.append(error)
        return tuple(results)


class Reader:
    """The only view of a host that a read gets: it can be asked, and not changed."""

    __slots__ = ()

    async def ask(self, query: Query[T]) -> T:
        """Ask one question.

        Raises:
            FactError: There was no answer, or none that can be read.
        """
        (answer,) = await _Ask((query,))
        if isinstance(answer, FactError):
            raise answer
        return answer  # type: ignore[no-any-return]  # _Ask keeps the queries' order, which types cannot say

    @overload
    async def ask_all(self, a: Query[A], b: Query[B], /) -> tuple[A, B]: ...
    @overload
    async def ask_all(self, a: Query[A], b: Query[B], c: Query[C], /) -> tuple[A, B, C]: ...
    @overload
    async def ask_all(self, a: Query[A], b: Query[B], c: Query[C], d: Query[D], /) -> tuple[A, B, C, D]: ...
    async def ask_all(self, *queries: Query[Any]) -> tuple[Any, ...]:
        """Ask independent questions in one round trip; the first that fails is raised."""
        answers = await _Ask(queries)
        for answer in answers:
            if isinstance(answer, FactError):
                raise answer
        return answers

    async def ask_each(self, queries: Sequence[Query[T]]) -> tuple[T | FactError, ...]:
        """Ask independent questions in one round trip; each that fails is returned as its own error."""
        return await _Ask(tuple(queries))
