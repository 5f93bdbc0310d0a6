"""Being asked to stop: by whom, how often, and while a person is being asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from soleil_remediate.errors import Refused
from soleil_remediate.stopping import Signals, Stop, StopRequested
from tests.tiny import Clock

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def stop() -> Stop:
    return Stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signals(stop: Stop, clock: Clock) -> Signals:
    return Signals(stop, clock)


@pytest.fixture(autouse=True)
def _handlers_stay_as_they_were() -> Iterator[None]:
    before = [signal.getsignal(number) for number in ALL]
    yield
    assert [signal.getsignal(number) for number in ALL] == before


def test_nobody_asked_and_everything_goes_on(stop: Stop) -> None:
    stop.check()
    assert (stop.is_asked, stop.is_insisted, stop.why) == (False, False, "")


def test_asked_once_nothing_new_begins_and_asked_twice_nothing_is_waited_for(stop: Stop) -> None:
    stop.ask("Ctrl-C")
    assert (stop.is_asked, stop.is_insisted) == (True, False)
    with pytest.raises(StopRequested, match=r"^stopped by Ctrl-C$"):
        stop.check()
    stop.ask("SIGTERM")
    assert (stop.is_asked, stop.is_insisted, stop.why) == (True, True, "Ctrl-C")
    stop.ask("SIGTERM")
    assert stop.is_insisted


def test_a_stop_is_a_refusal_of_what_was_not_sent() -> None:
    assert issubclass(StopRequested, Refused)


@pytest.mark.parametrize(
    "number, why", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM"), (signal.SIGHUP, "SIGHUP")]
)
def test_a_signal_asks_to_stop_and_kills_nobody(signals: Signals, stop: Stop, number: signal.Signals, why: str) -> None:
    with signals.heard():
        os.kill(os.getpid(), number)
        assert (stop.is_asked, stop.is_insisted, stop.why) == (True, False, why)


@pytest.mark.parametrize("apart, is_insisted", [(0.0, False), (0.4, False), (0.6, True), (60.0, True)])
def test_signals_that_come_together_are_one_and_a_later_one_insists(
    signals: Signals, stop: Stop, clock: Clock, apart: float, is_insisted: bool
) -> None:
    with signals.heard():
        os.kill(os.getpid(), signal.SIGHUP)  # the kernel, as the terminal goes away
        clock.seconds += apart
        os.kill(os.getpid(), signal.SIGHUP)  # its shell
    assert stop.is_insisted is is_insisted


@pytest.mark.parametrize("number", ALL)
def test_what_was_ignored_stays_ignored(signals: Signals, stop: Stop, number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)  # as nohup does, and a shell for a job in the background
    try:
        with signals.heard():
            os.kill(os.getpid(), number)
        assert not stop.is_asked
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_outside_the_main_thread_signals_are_left_to_whoever_has_them(signals: Signals) -> None:
    seen: list[object] = []

    def elsewhere() -> None:
        with signals.heard():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(10)
    assert seen == [signal.getsignal(signal.SIGTERM)]


# --- while a person is being asked ------------------------------------------------------------------------------------


def test_an_answer_is_an_answer(signals: Signals) -> None:
    with signals.heard():
        assert signals.ask(lambda: "yes") == "yes"


@pytest.mark.parametrize("number", ALL)
def test_a_signal_ends_the_question(signals: Signals, stop: Stop, number: signal.Signals) -> None:
    def question() -> str:
        os.kill(os.getpid(), number)
        return "yes, but too late"

    with signals.heard():
        with pytest.raises(StopRequested):
            signals.ask(question)
        assert (stop.is_asked, stop.is_insisted) == (True, False)


def test_no_handler_of_ordinary_errors_keeps_a_signal_from_ending_the_question(signals: Signals) -> None:
    def question() -> str:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except Exception:  # noqa: BLE001  # that is the point
            return "swallowed"
        return "yes"

    with signals.heard(), pytest.raises(StopRequested):
        signals.ask(question)


def test_whoever_is_interrupted_tidies_up_undisturbed(signals: Signals, stop: Stop, clock: Clock) -> None:
    tidied: list[str] = []

    def question() -> str:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            clock.seconds += 5
            os.kill(os.getpid(), signal.SIGINT)
            tidied.append("the terminal is as it was")
        return "yes"

    with signals.heard(), pytest.raises(StopRequested):
        signals.ask(question)
    assert tidied
    assert stop.is_insisted


def test_ctrl_c_that_the_terminal_reads_as_a_key_is_no_second_one(signals: Signals, stop: Stop) -> None:
    def question() -> str:
        raise KeyboardInterrupt

    with pytest.raises(StopRequested, match="Ctrl-C"):
        signals.ask(question)
    assert (stop.is_asked, stop.is_insisted) == (True, False)


def test_nobody_is_asked_once_a_stop_was(signals: Signals, stop: Stop) -> None:
    stop.ask("SIGHUP")
    asked: list[str] = []
    with pytest.raises(StopRequested, match="SIGHUP"):
        signals.ask(lambda: asked.append("?"))
    assert asked == []


def test_after_a_question_a_signal_interrupts_nothing(signals: Signals, stop: Stop) -> None:
    with signals.heard():
        signals.ask(lambda: "yes")
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.is_asked


def test_what_goes_wrong_in_a_question_is_not_hidden(signals: Signals) -> None:
    def question() -> str:
        raise EOFError("the terminal is gone")

    with pytest.raises(EOFError):
        signals.ask(question)
    signals.ask(lambda: "fine")


@pytest.mark.timeout(60)
def test_two_thousand_signals_of_all_kinds_at_once_never_lock_up() -> None:
    """A handler may interrupt a handler; with a lock in it, that was a deadlock."""
    code = (
        "import os, signal, sys, threading\n"
        "from soleil_remediate.clock import SystemClock\n"
        "from soleil_remediate.stopping import Signals, Stop\n"
        "stop = Stop()\n"
        "with Signals(stop, SystemClock()).heard():\n"
        "    def storm():\n"
        "        for _ in range(700):\n"
        "            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):\n"
        "                os.kill(os.getpid(), number)\n"
        "    thread = threading.Thread(target=storm)\n"
        "    thread.start()\n"
        "    while thread.is_alive():\n"
        "        stop.is_asked\n"
        "    thread.join()\n"
        "print(stop.is_asked)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
