"""One wall clock around work that knows no deadline of its own: name resolvers, agents, other people's libraries."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from soleil_remediate.units import Duration

T = TypeVar("T")


class OutOfTime(Exception):
    """The work did not end in time; it was told to give up and is waited for no longer."""


class Attempt(Generic[T]):
    """Work in a thread of its own, of which somebody awaits the end for a limited time.

    Args:
        work: What is to be done.
        give_up: Makes the work end soon, where that can be done; called from another thread.
        undo: Takes the result back that came after all, when nobody awaited it any more.
    """

    def __init__(self, work: Callable[[], T], *, give_up: Callable[[], None], undo: Callable[[T], None]) -> None:
        self._work, self._give_up, self._undo = work, give_up, undo
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._is_awaited = True
        self._result: list[T] = []
        self._error: BaseException | None = None

    def result(self, within: Duration) -> T:
        """Return what the work returned, or raise what it raised.

        Raises:
            OutOfTime: It did not end in time.
        """
        threading.Thread(target=self._run, daemon=True).start()
        try:
            self._ended.wait(within)
        finally:
            with self._lock:
                self._is_awaited = self._ended.is_set()
            if not self._is_awaited:
                self._give_up()
        if not self._is_awaited:
            raise OutOfTime
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
                self._ended.set()
                return
        for late in self._result:
            self._undo(late)
