from __future__ import annotations

import threading
import time

import pytest

from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.units import Duration


def test_what_the_work_returns_is_returned() -> None:
    attempt = Attempt(lambda: 7, give_up=pytest.fail, undo=lambda _: None, cancellation=Cancellation())
    assert attempt.result(Duration(5)) == 7


def test_what_the_work_raises_is_raised() -> None:
    def work() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        Attempt(work, give_up=pytest.fail, undo=lambda _: None, cancellation=Cancellation()).result(Duration(5))


def test_work_that_never_ends_is_told_to_give_up_and_left() -> None:
    told = threading.Event()
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        Attempt(lambda: told.wait(30), give_up=told.set, undo=lambda _: None, cancellation=Cancellation()).result(
            Duration(0.1)
        )
    assert told.is_set()
    assert time.monotonic() - began < 2


def test_a_result_that_comes_too_late_is_taken_back() -> None:
    go, undone = threading.Event(), threading.Event()
    results: list[str] = []

    def work() -> str:
        go.wait(10)
        return "late"

    def undo(result: str) -> None:
        results.append(result)
        undone.set()

    with pytest.raises(OutOfTime):
        Attempt(work, give_up=lambda: None, undo=undo, cancellation=Cancellation()).result(Duration(0.05))
    go.set()
    assert undone.wait(5)
    assert results == ["late"]


@pytest.mark.parametrize("is_early", [True, False])
def test_nobody_waits_any_longer_once_it_is_cancelled(is_early: bool) -> None:
    told, cancellation = threading.Event(), Cancellation()
    if is_early:
        cancellation.ask()
    else:
        threading.Timer(0.1, cancellation.ask).start()
    began = time.monotonic()
    with pytest.raises(GivenUp):
        Attempt(lambda: told.wait(30), give_up=told.set, undo=lambda _: None, cancellation=cancellation).result(
            Duration(20)
        )
    assert told.is_set()
    assert time.monotonic() - began < 2
