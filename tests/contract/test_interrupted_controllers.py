"""Controllers that are stopped or killed at many moments of a real run: the record, the word and the host agree."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.controllers import Desk, Said, Warm, check_after_kill, check_copies, warm
from tests.sshd import IS_ROOT, Sshd
from tests.unit.reporters.ptys import Watched
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")

SIZE = 5_000_000  # arrives in five pieces at least


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, folder: Path, sshd: Sshd) -> Desk:
    """One desk for all, and a file on the host that is saved before it would be destroyed."""
    return Desk.with_big_file(tmp_path_factory.mktemp("desk"), folder, sshd, size=SIZE)


@pytest.fixture(scope="module")
def warmed(bench: Desk) -> Iterator[Warm]:
    with warm(bench) as one:
        yield one


@pytest.fixture
def desk(bench: Desk) -> Desk:
    bench.reset()
    bench.forget()
    return bench


def check_truth(desk: Desk, said: Said, *, is_insisted: bool = False) -> None:
    """Hold what was printed, the exit status and the record against what the host counted."""
    assert "Traceback" not in said.err + said.out
    assert "Exception ignored" not in said.err
    assert eventually(lambda: not desk.is_locked), "the lock was not given back"
    record, out = desk.record, " ".join(said.out.split())
    assert record[-1]["type"] == "RunEnded"
    assert said.status == record[-1]["exit_status"]
    intended = [line["change"]["after"] for line in record if line["type"] == "ChangeIntended"]
    answered = [line for line in record if line["type"] == "ChangeAnswered"]
    did = [f"{what} {word}" for word in intended for what in ("begun", "done")]
    assert eventually(lambda: desk.ledger == did), (desk.ledger, did)  # detached, it goes on when nobody waits for it
    check_copies(desk)
    assert list((desk.state / "soleil-remediate").glob("evidence/*/*.partial")) == []
    (end,) = [line for line in record if line["type"] == "HostEnded"]
    verdict = end["outcome"]["verdict"]
    assert f"{verdict} web1" in out
    assert ("nothing was sent, the host is as it was" in out) is (intended == [])
    match verdict:
        case "UNKNOWN":
            assert is_insisted
            assert said.status == ExitStatus.UNKNOWN
            assert len(answered) == len(intended) - 1
            assert "web1 MAY have been changed" in out
        case "FIXED":
            assert said.status == ExitStatus.OK
            assert desk.says == "good"
            assert len(answered) == len(intended) == 2
        case _:
            assert verdict == "INTERRUPTED"
            assert said.status == ExitStatus.INTERRUPTED
            assert len(answered) == len(intended)


# --- asked to stop ----------------------------------------------------------------------------------------------------

#: What a run does, from before there is a record to after the last word was said.
NAMED = [
    "call open_private 1",
    "return _create 1",
    "call SshTransport.open 1",
    "call ShellSession.start 1",
    "call ShellSession.ask 1",
    "return ShellSession.ask 1",
    "call PolicyGate.approve 1",
    "call ShellSession.claim 1",
    "return ShellSession.ask 2",
    "call Copy.write 3",
    "call NewCopy.finish 1",
    "return fsync 12",
    "call ShellSession.send 1",
    "call verify 1",
    "call put_verdict 1",
    "call _Fleet.__exit__ 1",
    "call Record.close 1",
]
#: And whatever it does in between: after so many hundredths of its calls of this package's functions.
EVERYWHERE = [f"call * {share}%" for share in range(1, 100, 4)]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOMENTS = [
    pytest.param(moment, number, marks=() if moment in NAMED else pytest.mark.long, id=f"{moment}-{number.name}")
    for moment, number in zip(NAMED + EVERYWHERE, cycle(SIGNALS), strict=False)
]


#: How many calls the shortest run so far has made: they are more where the host, or this machine, answers later.
CALLS = [12_000]


def came_too_late(desk: Desk, said: Said, number: signal.Signals) -> bool:
    """Whether the run was over and told before the signal came, which means what it always does then."""
    is_over = desk.record[-1].get("exit_status") == ExitStatus.OK and "FIXED web1" in " ".join(said.out.split())
    return is_over and said.status == (ExitStatus.INTERRUPTED if number == signal.SIGINT else -number)


@pytest.mark.timeout(180)  # it may take several runs to find the moment
@pytest.mark.parametrize("moment, number", MOMENTS)
def test_a_signal_at_any_moment_of_a_run_leaves_the_truth(
    desk: Desk, warmed: Warm, moment: str, number: signal.Signals
) -> None:
    earlier = 1.0
    for _ in range(5):
        *called, nth = moment.split()
        at = int(CALLS[0] * earlier * int(nth[:-1]) / 100) if nth.endswith("%") else int(nth)
        when = " ".join((number.name, *called, str(at)))
        said = warmed.run(*desk.words(saves=desk.host / "big"), SOLEIL_TEST_MOMENT=when)
        if nth.endswith("%") and came_too_late(desk, said, number):
            check_truth(desk, replace(said, status=ExitStatus.OK))
            earlier *= 0.9
            desk.reset()
            desk.forget()
            continue
        check_truth(desk, said)
        left = re.search(r"left: (-?\d+)$", said.err.strip())
        assert left, said.err
        if int(left[1]) <= 0:
            return
        assert nth.endswith("%"), "that moment never came"
        CALLS[0] = at - int(left[1])
        desk.reset()
        desk.forget()
    pytest.fail("that moment never came")


@pytest.mark.parametrize("number", SIGNALS)
def test_before_a_run_a_signal_means_what_it_always_does_and_nothing_is_begun(
    desk: Desk, warmed: Warm, number: signal.Signals
) -> None:
    said = warmed.run(*desk.words(), SOLEIL_TEST_MOMENT=f"{number.name} call bind 1")
    assert said.status == (ExitStatus.INTERRUPTED if number == signal.SIGINT else -number)
    assert "Traceback" not in said.err
    assert not desk.state.exists()
    assert desk.ledger == []


# --- while something is waited for ------------------------------------------------------------------------------------


def when(desk: Desk, line: str, *numbers: signal.Signals) -> Callable[[int], None]:
    """Return what sends signals once the host has counted *line*, each once the controller has heard the one before."""

    def heard() -> int:
        return [line["type"] for line in desk.record].count("StopHeard")

    def send(pid: int, number: signal.Signals) -> None:
        before = heard()
        time.sleep(0.6)  # those that come together are one
        os.kill(pid, number)
        assert eventually(lambda: heard() > before)

    def send_all(pid: int) -> None:
        assert eventually(lambda: line in desk.ledger)
        for number in numbers:
            send(pid, number)

    return send_all


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_change_is_under_way_waits_for_it_and_sends_no_other(
    desk: Desk, warmed: Warm, number: signal.Signals
) -> None:
    until = desk.host / f"until-{number.name}"
    asking = when(desk, "begun first", number)

    def ask(pid: int) -> None:
        asking(pid)
        assert desk.ledger == ["begun first"]
        until.touch()

    said = warmed.run(*desk.words(until=until), meanwhile=ask)
    check_truth(desk, said)
    assert (said.status, desk.says) == (ExitStatus.INTERRUPTED, "first")


@pytest.mark.parametrize("line, word", [("begun first", "first"), ("begun good", "good")])
def test_a_second_signal_leaves_the_change_to_the_host_and_calls_it_unknown(
    desk: Desk, warmed: Warm, line: str, word: str
) -> None:
    until = desk.host / f"until-{word}"
    waits = {"until" if word == "first" else "until_last": until}
    said = warmed.run(*desk.words(**waits), meanwhile=when(desk, line, signal.SIGINT, signal.SIGINT))
    assert desk.ledger[-1] == line, "it was waited for"
    until.touch()
    check_truth(desk, said, is_insisted=True)
    assert said.status == ExitStatus.UNKNOWN
    assert desk.says == word


@contextmanager
def at_a_terminal(desk: Desk, **inputs: object) -> Iterator[Watched]:
    """Run a controller that has to ask, in a terminal of its own."""
    words = [word for word in desk.words(risk="disruptive", **inputs) if word != "--yes"]
    environment = desk.whole_environment | {"TERM": "xterm"}
    with Watched([sys.executable, "-m", "tests.contract.controller", *words], environment) as one:
        one.wait_for("Type yes")
        one.wait_for("\n> ")
        yield one


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_a_person_is_asked_sends_nothing(desk: Desk, number: signal.Signals) -> None:
    with at_a_terminal(desk) as one:
        os.kill(one._pid, number)
        status = one.wait()
        check_truth(desk, Said(status=status, out=re.sub("\x1b\\[[0-9;]*[a-zA-Z]", "", one.raw.decode()), err=""))
    assert status == ExitStatus.INTERRUPTED
    assert desk.ledger == []


@pytest.mark.parametrize("is_approved", [False, True])
def test_a_terminal_that_goes_away_is_a_stop_and_its_exit_status_says_so(desk: Desk, is_approved: bool) -> None:
    until = desk.host / "until"
    with at_a_terminal(desk, until=until) as one:
        if is_approved:
            one.type("yes\n")
            assert eventually(lambda: "begun first" in desk.ledger, within=20)
        os.close(one._descriptor)
        one._descriptor = os.open(os.devnull, os.O_RDWR)
        assert not is_approved or eventually(lambda: any(line["type"] == "StopHeard" for line in desk.record))
        until.touch()
        _, status = os.waitpid(one._pid, 0)
        one.exit_status = os.waitstatus_to_exitcode(status)
    record = desk.record
    assert record[-1]["type"] == "RunEnded"
    assert record[-2]["outcome"]["verdict"] == "INTERRUPTED"
    assert one.exit_status == record[-1]["exit_status"] == ExitStatus.INTERRUPTED
    assert desk.ledger == (["begun first", "done first"] if is_approved else [])
    assert not (desk.state / "soleil-remediate" / "bugs").exists()


# --- killed -----------------------------------------------------------------------------------------------------------


KILLS = [
    *(f"call fsync {number}" for number in range(1, 19, 2)),
    "call Copy.write 4",
    "call NewCopy.finish 1",
    "call rename 1",
    "return rename 1",
]


@pytest.mark.parametrize("moment", KILLS)
def test_a_controller_that_was_killed_at_any_moment_left_the_truth(desk: Desk, warmed: Warm, moment: str) -> None:
    said = warmed.run(*desk.words(saves=desk.host / "big"), SOLEIL_TEST_MOMENT=f"SIGKILL {moment}")
    assert said.status == -signal.SIGKILL
    check_after_kill(desk)


def test_after_a_controller_was_killed_the_next_one_repairs_the_host(desk: Desk, warmed: Warm) -> None:
    words = desk.words(saves=desk.host / "big")
    warmed.run(*words, SOLEIL_TEST_MOMENT="SIGKILL call rename 1")
    desk.forget()
    assert warmed.run(*words).status == ExitStatus.OK
    assert desk.says == "good"


def test_half_a_copy_is_never_taken_for_one(desk: Desk) -> None:
    big = desk.host / "bigger"
    big.write_bytes(os.urandom(60_000_000))
    folder = desk.state / "soleil-remediate" / "evidence"

    def has_come(path: Path, size: int) -> bool:
        return path.exists() and path.stat().st_size > size

    def is_half_way() -> bool:
        return any(has_come(path, 1_000_000) for path in folder.glob("*/*"))

    process = desk.start(*desk.words(saves=big))
    try:
        assert eventually(is_half_way, within=20)
    finally:
        process.kill()
        process.communicate(timeout=20)
        big.unlink()
    (half,) = folder.glob("*/*")
    assert half.name == "web1-0-0-bigger.gz.partial"
    told = check_after_kill(desk)
    assert "Nothing was sent to any host" in told
    assert f"{half} is no copy" in told
