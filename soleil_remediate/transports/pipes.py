"""Shells at the far end of a program's pipes: bytes in and out, and nothing that waits but :meth:`Pipes.wait`.

Each program leads a session of its own, so that neither Ctrl-C at the terminal nor the terminal's end cuts a shell off
in the middle of a change. When this process ends, however it does, the programs read the end of their input.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from soleil_remediate.errors import ConnectionLost, Unreachable
from soleil_remediate.units import MiB

#: How much is received at once, and how much the kernel hands over in one call.
_AT_ONCE, _PIECE = MiB(1), 2**16
#: A process that a shell left behind may keep its pipes open; the shell is taken for ended so many seconds after it is.
_LEFT_BEHIND = 1.0
#: How long a program that is told to end may take; in seconds.
_TO_END = 1.0


@contextmanager
def lack_of_means(who: str) -> Iterator[None]:
    """Let a program that cannot be started for want of files, processes or memory be a host that is not reached.

    Raises:
        FileNotFoundError: There is no such program.
        Unreachable: This machine is short of something.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreachable(f"{who}: nothing more can be started on this machine: {error.strerror}") from error


class Piped:
    """One program's standard streams, as a :class:`~soleil_remediate.transports.shell.Stream`.

    Args:
        words: The program and its arguments.
        env: All of its environment.
        who: Whom it is about, for people.
    """

    def __init__(self, words: Sequence[str], *, env: Mapping[str, str], who: str) -> None:
        self._who = who
        # In / for no program may find anything in whatever folder we were started in.
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            env=env,
            start_new_session=True,
        )
        self._stdin = _unblocked(self._process.stdin)
        self._outputs: list[IO[bytes] | None] = [_unblocked(self._process.stdout), _unblocked(self._process.stderr)]
        self._is_closed = self._is_cut = False
        self._gone_since: float | None = None
        self._heard: set[int] = set()

    @property
    def exit_status(self) -> int | None:
        """What the program ended with; ``None`` while it runs."""
        return self._process.poll()

    def send(self, data: memoryview) -> int:
        """Send what the pipe takes; a program that reads no more takes nothing."""
        sent = 0
        with suppress(BlockingIOError, BrokenPipeError):
            while sent < len(data) and not self._is_closed:
                sent += os.write(self._stdin.fileno(), data[sent : sent + _PIECE])
        return sent

    def receive(self) -> tuple[bytes, bytes]:
        """Return what has arrived."""
        if self._is_cut:
            raise ConnectionLost(f"{self._who} was given up")
        self._heard.clear()
        return self._read(0), self._read(1)

    def _read(self, which: int) -> bytes:
        received = bytearray()
        while (output := self._outputs[which]) is not None and len(received) < _AT_ONCE:
            try:
                piece = os.read(output.fileno(), _PIECE)
            except BlockingIOError:
                break
            if not piece:
                output.close()
                self._outputs[which] = None
            received += piece
        return bytes(received)

    @property
    def has_ended(self) -> bool:
        """Whether the program is gone, or closed its output, and everything it wrote was received."""
        if self._is_closed or self._outputs == [None, None]:
            return True
        if self.exit_status is None or self._has_more():
            return False
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > _LEFT_BEHIND

    def _has_more(self) -> bool:
        poll = select.poll()
        for output in self._outputs:
            if output is not None:
                poll.register(output, select.POLLIN)
        return bool(poll.poll(0))

    def awaited(self) -> list[int]:
        """Return the descriptors on which something may arrive that nobody was woken for."""
        return [each.fileno() for each in self._outputs if each is not None and each.fileno() not in self._heard]

    def wake(self, descriptor: int) -> None:
        """Note that something has arrived on a descriptor: nobody is woken for it again before it was received."""
        self._heard.add(descriptor)

    def close(self) -> None:
        """Let it go: it reads the end of its input, and what it still writes is refused."""
        if self._is_closed:
            return
        self._is_closed = True
        for pipe in (self._stdin, *self._outputs):
            if pipe is not None:
                pipe.close()
        self._outputs = [None, None]

    def cut(self) -> None:
        """Tell it to end, and whoever listens to it to give up; from any thread."""
        self._is_cut = True
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to whatever it started that did not leave its session."""
        if self._process.poll() is None:  # else its number may be another's by now
            with suppress(ProcessLookupError, PermissionError):  # sudo's is root's
                os.killpg(self._process.pid, number)

    def reap(self) -> None:
        """Wait until it has ended, and end it where it does not; closed before."""
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            # What may not be killed ends when its command does; that is not waited for.
            threading.Thread(target=self._process.wait, daemon=True).start()


def _unblocked(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the program was started without this pipe")
    os.set_blocking(pipe.fileno(), False)
    return pipe


class Pipes:
    """Programs that are waited for together.

    Raises:
        OSError: No more files may be open here.
    """

    def __init__(self) -> None:
        self._programs: list[Piped] = []
        self._woken, self._waker = socket.socketpair()
        self._lock = threading.Lock()
        self._is_cut = False

    def start(self, words: Sequence[str], *, env: Mapping[str, str], who: str) -> Piped:
        """Start one more.

        Raises:
            ConnectionLost: They were cut off.
            OSError: It cannot be started.
        """
        self.forget_ended()
        with self._lock:  # else one that is started while the others are cut off would stay
            if self._is_cut:
                raise ConnectionLost(f"{who} was given up")
            program = Piped(words, env=env, who=who)
            self._programs.append(program)
        return program

    def forget_ended(self) -> None:
        """Drop those that have ended and that nobody listens to any more."""
        with self._lock:
            gone = [each for each in self._programs if each.has_ended and each.exit_status is not None]
            self._programs = [each for each in self._programs if each not in gone]
        for each in gone:
            each.close()

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when they were cut off, or after that long; sooner is no harm.

        Nothing arrives of a shell that has ended where what it left behind keeps its pipes open: that is to be seen.
        """
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        awaited = {descriptor: program for program in self._programs for descriptor in program.awaited()}
        for descriptor in awaited:
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(max(0, round(min(seconds, _LEFT_BEHIND) * 1000))):
            if descriptor in awaited:
                awaited[descriptor].wake(descriptor)

    def cut(self) -> None:
        """End all of them at once, and every wait; from any thread. Closing is still to come, in the owner's."""
        with self._lock:
            self._is_cut = True
            programs = list(self._programs)
        for program in programs:
            program.cut()
        with suppress(OSError):
            self._waker.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Let all of them go and wait for their end; closing twice is harmless."""
        with self._lock:
            self._is_cut = True
            programs, self._programs = self._programs, []
        for program in programs:
            program.close()
        for program in programs:
            program.reap()
        self._woken.close()
        self._waker.close()
