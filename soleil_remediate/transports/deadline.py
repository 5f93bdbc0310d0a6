"""One wall clock around work that knows no deadline of its own: name resolvers, agents, other people's libraries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from soleil_remediate.units import Duration

T = TypeVar("T")


class OutOfTime(Exception):
    """The work did not end in time; it was told to give up and is waited for no longer."""


class GivenUp(Exception):
    """Somebody wants no result any more; the work was told to give up and is waited for no longer."""


class Cancellation:
    """By which one thread makes others stop waiting, now and from now on. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[threading.Event] = []
        self.is_asked = False

    def ask(self) -> None:
        """Let nobody wait any longer; asking again changes nothing."""
        with self._lock:
            self.is_asked = True
            for event in self._waiting:
                event.set()

    @contextmanager
    def waking(self, event: threading.Event) -> Iterator[None]:
        """Set *event* as soon as somebody asks, while the block lasts."""
        with self._lock:
            self._waiting.append(event)
            if self.is_asked:
                event.set()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.remove(event)


class Attempt(Generic[T]):
    """Work in a thread of its own, of which somebody awaits the end for a limited time.

    Args:
        work: What is to be done.
        give_up: Makes the work end soon, where that can be done; called from another thread.
        cancellation: Who asks it wants no result any more.
        undo: Takes the result back that came after all, when nobody awaited it any more.
    """

    def __init__(
        self,
        work: Callable[[], T],
        *,
        give_up: Callable[[], None],
        undo: Callable[[T], None],
        cancellation: Cancellation,
    ) -> None:
        self._work, self._give_up, self._undo, self._cancellation = work, give_up, undo, cancellation
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._has_ended = False
        self._is_awaited = True
        self._result: list[T] = []
        self._error: BaseException | None = None

    def result(self, within: Duration) -> T:
        """Return what the work returned, or raise what it raised.

        Raises:
            OutOfTime: It did not end in time.
            GivenUp: Somebody asked by the cancellation.
        """
        threading.Thread(target=self._run, daemon=True).start()
        try:
            with self._cancellation.waking(self._wake):
                self._wake.wait(within)
        finally:
            with self._lock:
                self._is_awaited = self._has_ended
            if not self._is_awaited:
                self._give_up()
        if not self._is_awaited:
            raise GivenUp if self._cancellation.is_asked else OutOfTime
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._work())
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that awaits it
            self._error = error
        with self._lock:
            if self._is_awaited:
                self._has_ended = True
                self._wake.set()
                return
        for late in self._result:
            self._undo(late)
