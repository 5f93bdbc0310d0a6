"""A program, or what is written in this one, in a terminal of its own, seen as a person sees it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fcntl import ioctl
from types import TracebackType
from typing import Self, TextIO

import pyte

#: Behind a line that has ended, and before one that is written anew where it stands.
_MOMENT = re.compile(rb"(?<=\n)|(?=\r\x1b\[K)")


def moments(write: Callable[[TextIO], object], *, columns: int = 80, lines: int = 24) -> Iterator[pyte.HistoryScreen]:
    """Give a terminal's screen as it was after each line that was ended in it, and each that was written anew.

    Args:
        write: Writes to the terminal; all of it, before the first screen is given.
        columns: The terminal's.
        lines: The terminal's.
    """
    ours, theirs = os.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def write_all() -> None:
        with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
            write(terminal)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(write_all)
        raw = b""
        while data := _read_from(ours):
            raw += data
        os.close(ours)
        written.result()
    screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=0.5)
    stream = pyte.ByteStream(screen)
    for part in _MOMENT.split(raw):
        stream.feed(part)
        yield screen


def _read_from(terminal: int) -> bytes:
    """Return what was written; nothing at the end of it."""
    with suppress(OSError):  # Linux: EIO when the last program at the terminal has gone
        return os.read(terminal, 65536)
    return b""


class Watched:
    """A program with a controlling terminal; leaving the context ends it.

    Args:
        command: The program and its arguments.
        environment: Everything it inherits.
        columns: The terminal's.
        lines: The terminal's.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, columns: int = 80, lines: int = 24
    ) -> None:
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self._pid, self._descriptor = pty.fork()
        if self._pid == 0:
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(command[0], list(command), dict(environment))  # noqa: S606  # in the child, as pty.fork wants it
        self.exit_status: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self.exit_status is None:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._descriptor)

    @property
    def rows(self) -> list[str]:
        """What is on the screen now, without blanks at the ends."""
        return [row.rstrip() for row in self._screen.display]

    @property
    def screen(self) -> str:
        return "\n".join(self.rows).rstrip("\n") + "\n"

    @property
    def title(self) -> str:
        return str(self._screen.title)

    def type(self, text: str | bytes) -> None:
        os.write(self._descriptor, text.encode() if isinstance(text, str) else text)

    def wait_for(self, text: str, *, times: int = 1, within: float = 20) -> None:
        """Wait until the program has written *text* that often."""
        ends = time.monotonic() + within
        while self.raw.count(text.encode()) < times:
            if not self._read(ends - time.monotonic()):
                raise AssertionError(f"{text!r} did not appear:\n{self.screen}")

    def wait(self, within: float = 20) -> int:
        """Wait until the program has ended, and return its exit status."""
        ends = time.monotonic() + within
        while self._read(ends - time.monotonic()):
            pass
        _, status = os.waitpid(self._pid, 0)
        self.exit_status = os.waitstatus_to_exitcode(status)
        return self.exit_status

    def _read(self, within: float) -> bool:
        """Take in what was written; false at the end of it, or out of time."""
        if within <= 0 or not select.select([self._descriptor], [], [], within)[0]:
            raise AssertionError(f"nothing more was written:\n{self.screen}")
        data = _read_from(self._descriptor)
        self.raw += data
        self._stream.feed(data)
        return bool(data)
