"""The one queue between the threads of a run and the caller's thread, which alone talks to listener and gate.

The record is written where an event happens, before anybody hears of it.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from soleil_remediate.errors import Refused
from soleil_remediate.events import Event, GateAnswered
from soleil_remediate.gates import Approval, Gate
from soleil_remediate.host import Host
from soleil_remediate.plan import Change
from soleil_remediate.record import Record
from soleil_remediate.stopping import Signals

Listener: TypeAlias = "Callable[[Event], None]"

#: How often a signal is noticed while nothing else happens, in seconds.
_TICK = 0.2


def ignore(_: Event) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A worker's request to the caller's thread: may this be sent as well?"""

    host: Host
    kind: str
    change: Change
    answer: Future[Approval]


class Inbox:
    """Takes what hosts say in any thread, and lets it be heard in the caller's.

    Args:
        listener: Told every event; what it raises stops it and not the run.
        signals: What a person says meanwhile.
        record: Where every event is written first; ``None`` where no record is kept.

    Attributes:
        listeners_bug: What the listener raised; ``None`` where it did not.
    """

    def __init__(self, listener: Listener, signals: Signals, record: Record | None) -> None:
        self._listener = listener
        self._signals = signals
        self._record = record
        self._queue: queue.Queue[Event | _Question | None] = queue.Queue()
        self.listeners_bug: Exception | None = None

    # --- in any thread ------------------------------------------------------------------------------------------------

    def say(self, event: Event) -> None:
        """Record an event, then let it be heard."""
        if self._record is not None:
            self._record.write(event)
        self._queue.put(event)

    def say_all_the_same(self, event: Event) -> None:
        """Say what is true even where the record can no longer take it."""
        with suppress(Refused):
            if self._record is not None:
                self._record.write(event)
        self._queue.put(event)

    def tell(self, event: Event) -> None:
        """Let an event be heard that is on record already, or that no record could take."""
        self._queue.put(event)

    def ask_again(self, host: Host, kind: str, change: Change) -> frozenset[str]:
        """Ask the gate about one change, from a worker's thread."""
        question = _Question(host, kind, change, Future())
        self._queue.put(question)
        while not wait([question.answer], _TICK).done:
            self._signals.stop.check()
        approval = question.answer.result()
        self.say(GateAnswered(is_open=True, by=approval.by, approved=tuple(sorted(approval.digests))))
        return approval.digests

    def wake(self, _: Future[Any]) -> None:
        """Let the caller's thread see at once that a worker is done."""
        self._queue.put(None)

    # --- in the caller's thread ---------------------------------------------------------------------------------------

    def pump(self, gate: Gate | None = None) -> None:
        """Hear the next event or question, or nothing for a moment."""
        try:
            item = self._queue.get(timeout=_TICK)
        except queue.Empty:
            return
        if isinstance(item, _Question):
            self._answer(item, gate)
        elif item is not None:
            self._hear(item)

    def drain(self) -> None:
        """Hear everything that was said so far."""
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None and not isinstance(item, _Question):
                self._hear(item)

    def _answer(self, item: _Question, gate: Gate | None) -> None:
        try:
            if gate is None:
                raise AssertionError("nothing is asked before the gate was passed")
            approval = self._signals.ask(lambda: gate.approve_again(item.host, item.kind, item.change))
        except Exception as error:  # noqa: BLE001  # whoever asked must hear of it, or would wait for ever
            item.answer.set_exception(error)
        else:
            item.answer.set_result(approval)

    def _hear(self, event: Event) -> None:
        try:
            self._listener(event)
        except OSError:  # the terminal is gone; the run and its record go on
            self._listener = ignore
        except Exception as error:  # noqa: BLE001  # nor does a reporter's bug stop what hosts are in the middle of
            self._listener, self.listeners_bug = ignore, error
