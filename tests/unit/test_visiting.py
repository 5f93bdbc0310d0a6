"""Hosts that are only asked, many at once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConnectionLost
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import NotReached
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits
from tests import tiny


class Silent:
    """A host that answers nothing, in a session that ends once it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.asked = threading.Event()

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Any:
        return self

    def close(self) -> None:
        self.closed.set()

    def ask(self) -> None:
        self.asked.set()
        if self.closed.wait(30):
            raise ConnectionLost("the session was closed")


def _ask(session: Any) -> None:
    session.ask()


def test_whoever_interrupts_waits_for_no_host_that_says_nothing() -> None:
    silent = Silent()
    visits = Visits(silent, SystemClock())
    ends: list[object] = []

    def act(host: Host) -> None:
        if host.name == "web2":
            assert silent.asked.wait(10)
            raise KeyboardInterrupt
        ends.append(visits.visit(host, lambda session, _: _ask(session)))

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        visits.each([tiny.host("web1"), tiny.host("web2")], act)
    assert time.monotonic() - began < 10
    assert [type(end) for end in ends] == [NotReached]
    assert silent.closed.is_set()


def test_a_session_that_is_opened_after_it_was_interrupted_is_closed_at_once() -> None:
    silent, opening = Silent(), threading.Event()

    class Slow(Silent):
        def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Any:
            opening.set()
            assert cancellation is not None
            with cancellation.waking(self.asked):
                assert self.asked.wait(10), "nobody cancelled it"
            return silent

    visits = Visits(Slow(), SystemClock())

    def act(host: Host) -> None:
        if host.name == "web2":
            assert opening.wait(10)
            raise KeyboardInterrupt
        visits.visit(host, lambda session, _: _ask(session))

    with pytest.raises(KeyboardInterrupt):
        visits.each([tiny.host("web1"), tiny.host("web2")], act)
    assert silent.closed.is_set()
