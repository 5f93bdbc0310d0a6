"""Being asked to stop: once means after the change under way, twice means at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from soleil_remediate.clock import Clock
from soleil_remediate.errors import Refused

T = TypeVar("T")

#: Signals that come together are one: a terminal that goes away sends SIGHUP, and so does its shell.
_TOGETHER = 0.5


class StopRequested(Refused):
    """A person or a signal asked to stop, and nothing was under way that had to be waited for."""


class Stop:
    """What every part of a run looks at between two things it does.

    Safe to use from several threads and from signal handlers, which may interrupt each other: no lock is taken.
    """

    def __init__(self) -> None:
        self._is_asked = False
        self._is_insisted = False
        self.why = ""

    def ask(self, why: str) -> None:
        """Ask to stop, because of *why*; asking again insists."""
        if self._is_asked:
            self._is_insisted = True
        else:
            self.why = why
            self._is_asked = True

    @property
    def is_asked(self) -> bool:
        """Whether nothing new may be begun."""
        return self._is_asked

    @property
    def is_insisted(self) -> bool:
        """Whether not even the change under way is waited for."""
        return self._is_insisted

    @property
    def request(self) -> StopRequested:
        """What ends whatever looks here."""
        return StopRequested(f"stopped by {self.why}")

    def check(self) -> None:
        """Raise StopRequested where nothing new may be begun."""
        if self._is_asked:
            raise self.request


class _Now(BaseException):
    """A signal came while a person was being asked: no handler of ordinary errors may keep it."""


class Signals:
    """Lets SIGINT, SIGTERM and SIGHUP ask to stop instead of killing.

    Args:
        stop: What is asked.
        clock: Tells signals that come together from one that insists.
    """

    def __init__(self, stop: Stop, clock: Clock) -> None:
        self.stop = stop
        self.clock = clock
        self._last_at = 0.0
        self._is_asking = False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear them; only the main thread can. What was ignored before (nohup, a job in the background) stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self._hear)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
            if signal.getsignal(number) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ask(self, question: Callable[[], T]) -> T:
        """Ask a person; a signal ends the question.

        Raises:
            StopRequested: A signal came, before or meanwhile.
        """
        try:
            try:
                self._is_asking = True
                self.stop.check()
                return question()
            finally:
                self._is_asking = False
        except (_Now, KeyboardInterrupt):
            if not self.stop.is_asked:
                self.stop.ask("Ctrl-C")
            raise self.stop.request from None

    def _hear(self, number: int, _: FrameType | None) -> None:
        at = self.clock.monotonic()
        is_another = not self.stop.is_asked or at - self._last_at > _TOGETHER
        self._last_at = at
        if is_another:
            self.stop.ask("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name)
        if self._is_asking:
            self._is_asking = False  # once: whoever is interrupted tidies up undisturbed
            raise _Now
