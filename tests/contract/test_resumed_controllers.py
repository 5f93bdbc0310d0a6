"""Controllers that were killed, and ``resume``: each change was made once or not at all, and the record says which."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate.errors import ExitStatus
from soleil_remediate.freezing import Switch
from tests.contract.controllers import Desk, Warm, warm
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")

#: What the host counts of a run that needs both of its changes, each made once.
ONCE = ["begun first", "done first", "begun good", "done good"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, folder: Path, sshd: Sshd) -> Desk:
    return Desk.with_big_file(tmp_path_factory.mktemp("desk"), folder, sshd, size=200_000)


@pytest.fixture(scope="module")
def warmed(bench: Desk) -> Iterator[Warm]:
    with warm(bench) as one:
        yield one


@pytest.fixture
def desk(bench: Desk) -> Desk:
    bench.reset()
    bench.forget()
    return bench


def only_run(desk: Desk) -> str:
    (run,) = desk.runs.list()
    return run.run


def killed_at_work(desk: Desk, warmed: Warm, **inputs: object) -> str:
    """Kill a controller while the host makes its first change, and return the run."""

    def kill(pid: int) -> None:
        assert eventually(lambda: "begun first" in desk.ledger)
        os.kill(pid, signal.SIGKILL)

    assert warmed.run(*desk.words(**inputs), meanwhile=kill).status == -signal.SIGKILL
    return only_run(desk)


def lines(desk: Desk, run: str, kind: str) -> list[dict[str, Any]]:
    return [line for line in desk.runs.read(run) if line["type"] == kind]


#: Before and after each change is sent; and, where there is time for it, whenever anything was put on disk.
KILLS = [f"{event} ShellSession.send {number}" for event in ("call", "return") for number in (1, 2)]
MORE_KILLS = [*(f"call fsync {number}" for number in range(7, 19)), "call Copy.write 1", "return rename 1"]


@pytest.mark.parametrize("moment", [*KILLS, *(pytest.param(one, marks=pytest.mark.long) for one in MORE_KILLS)])
def test_whenever_it_was_killed_each_change_is_made_once_and_the_record_says_which(
    desk: Desk, warmed: Warm, moment: str
) -> None:
    said = warmed.run(*desk.words(saves=desk.host / "big"), SOLEIL_TEST_MOMENT=f"SIGKILL {moment}")
    assert said.status == -signal.SIGKILL
    run = only_run(desk)
    resumed = warmed.run("resume", run)
    assert (resumed.status, resumed.err) == (ExitStatus.OK, "")
    assert desk.says == "good"
    assert desk.ledger == ONCE
    settled = {line["operation"]: line["found"] for line in lines(desk, run, "ChangeSettled")}
    answered = {line["operation"] for line in lines(desk, run, "ChangeAnswered")}
    intended = {line["operation"]: line["change"]["after"] for line in lines(desk, run, "ChangeIntended")}
    assert settled.keys() == intended.keys() - answered
    made = {intended[operation] for operation in answered}
    made |= {intended[operation] for operation, found in settled.items() if found == "done"}
    assert set(settled.values()) <= {"done", "never-begun"}
    again = [one.run for one in desk.runs.list() if one.run != run]
    made_again = {line["change"]["after"] for one in again for line in lines(desk, one, "ChangeIntended")}
    assert made | made_again == {"first", "good"}
    assert not made & made_again, "what the first run had made was made again"
    assert [desk.runs.history(one).started["called"]["resumes"] for one in again] == [run] * len(again)
    (end,) = lines(desk, run, "HostSettled")
    assert (end["outcome"]["verdict"] == "FIXED") is (again == [])
    assert desk.runs.history(run).open_changes == ()


def test_a_change_that_still_runs_is_waited_for_and_never_sent_again(desk: Desk, warmed: Warm) -> None:
    run = killed_at_work(desk, warmed, takes="4 s")
    said = warmed.run("resume", run)
    assert (said.status, said.err) == (ExitStatus.OK, "")
    assert desk.ledger == ONCE
    assert "it was made, once, and succeeded" in " ".join(said.out.split())


def test_what_has_been_told_is_told_again_and_nothing_is_sent(desk: Desk, warmed: Warm) -> None:
    warmed.run(*desk.words(), SOLEIL_TEST_MOMENT="SIGKILL return ShellSession.send 2")
    run = only_run(desk)
    assert warmed.run("resume", run).status == ExitStatus.OK
    said = warmed.run("resume", run)
    assert (said.status, said.out) == (0, f"nothing is left of run {run}: every host of it ended FIXED\n")
    assert desk.ledger == ONCE


def test_a_dry_run_asks_and_looks_and_goes_on_with_nothing(desk: Desk, warmed: Warm) -> None:
    warmed.run(*desk.words(), SOLEIL_TEST_MOMENT="SIGKILL return ShellSession.send 1")
    run = only_run(desk)
    said = warmed.run("resume", run, "--dry-run")
    assert said.status == ExitStatus.NOT_FIXED
    assert "Something is left to do on web1" in said.out
    assert f"soleil-remediate resume {run}" in said.out
    assert desk.ledger == ONCE[:2]
    assert [one.run for one in desk.runs.list()] == [run]
    document = json.loads(warmed.run("resume", run, "--dry-run", "-o", "json").out)
    assert (document["run"], document["left"], document["exit_status"]) == (run, ["web1"], 1)
    assert warmed.run("resume", run).status == ExitStatus.OK
    assert desk.ledger == ONCE


def test_a_host_that_restarted_since_has_forgotten_and_nobody_calls_it_undone(desk: Desk, warmed: Warm) -> None:
    warmed.run(*desk.words(), SOLEIL_TEST_MOMENT="SIGKILL call ShellSession.send 1")
    run = only_run(desk)
    desk.sshd.inside("rm", "-rf", "/run/soleil-remediate")
    said = warmed.run("resume", run, "--dry-run")
    assert "nobody can know any more: the host has forgotten all changes since" in " ".join(said.out.split())
    assert said.status == ExitStatus.NOT_FIXED
    assert [line["found"] for line in lines(desk, run, "ChangeSettled")] == ["forgotten"]


def test_ctrl_c_while_a_change_is_waited_for_ends_the_question_and_it_can_be_asked_again(
    desk: Desk, warmed: Warm
) -> None:
    until = desk.host / "until"
    until.unlink(missing_ok=True)
    run = killed_at_work(desk, warmed, until=until)
    first = "web1: it is still running; it is asked again until it must have ended\n"

    def stop(pid: int) -> None:
        assert eventually(lambda: (desk.folder / "out").read_text().startswith(first))
        os.kill(pid, signal.SIGINT)

    (desk.folder / "out").write_text("")
    asking = warmed.run("resume", run, meanwhile=stop)
    assert (asking.status, asking.err) == (
        ExitStatus.INTERRUPTED,
        "stopped by Ctrl-C. Nothing was sent. It can be resumed again\n",
    )
    until.touch()
    assert warmed.run("resume", run).status == ExitStatus.OK
    assert desk.ledger == ONCE


def test_a_frozen_inventory_lets_the_changes_be_asked_about_and_nothing_be_gone_on_with(
    desk: Desk, warmed: Warm
) -> None:
    warmed.run(*desk.words(), SOLEIL_TEST_MOMENT="SIGKILL return ShellSession.send 1")
    run = only_run(desk)
    switch = Switch(inventory=desk.folder / "inventory.yml")
    switch.freeze("eva", datetime.now(UTC), "by hand")
    try:
        said = warmed.run("resume", run)
    finally:
        switch.thaw()
    assert said.status == ExitStatus.DECLINED
    assert "it was made, once, and succeeded" in said.out
    assert said.err.startswith("frozen by eva since ")
    assert desk.ledger == ONCE[:2]
    assert [line["found"] for line in lines(desk, run, "ChangeSettled")] == ["done"]
    assert warmed.run("resume", run).status == ExitStatus.OK
    assert desk.ledger == ONCE


def status(desk: Desk, warmed: Warm) -> tuple[int, dict[str, Any]]:
    """Return how ``status`` ends, and its document."""
    said = warmed.run("status", "--inventory", str(desk.folder / "inventory.yml"), "-o", "json")
    assert said.err == ""
    return said.status, json.loads(said.out)


def status_told(desk: Desk, warmed: Warm) -> str:
    """Return what ``status`` tells a person, in one line."""
    return " ".join(warmed.run("status", "--inventory", str(desk.folder / "inventory.yml")).out.split())


@pytest.mark.timeout(180)  # nine controllers, one after another
def test_status_tells_a_run_that_is_alive_from_an_orphan_and_an_orphan_from_a_run_left_open(
    desk: Desk, warmed: Warm
) -> None:
    assert eventually(lambda: not desk.is_locked), "somebody before holds it still"
    assert status(desk, warmed)[0] == ExitStatus.OK
    until = desk.host / "until"
    until.unlink(missing_ok=True)
    process = desk.start(*desk.words(until=until))
    try:
        assert eventually(lambda: "begun first" in desk.ledger)
        run = only_run(desk)
        ended, document = status(desk, warmed)
        assert (ended, document["hosts"][0]["word"]) == (ExitStatus.OK, "LOCKED")
        assert document["hosts"][0]["holding"]["running"] == [f"{run}-00-00"]
        assert "its process is alive here" in status_told(desk, warmed)
        assert [(one["run"], one["is_alive"]) for one in document["runs"]] == [(run, True)]
    finally:
        process.kill()
        process.communicate(timeout=20)
    ended, document = status(desk, warmed)
    assert (ended, document["hosts"][0]["word"]) == (ExitStatus.WORK_FOUND, "ORPHAN")
    told = status_told(desk, warmed)
    assert f"{run}-00-00 still runs, and nobody listens" in told
    assert f"soleil-remediate resume {run}" in told
    until.touch()
    assert eventually(lambda: not desk.is_locked)
    ended, document = status(desk, warmed)
    assert (ended, document["hosts"][0]["word"]) == (ExitStatus.WORK_FOUND, "FREE")
    assert [(one["run"], one["is_alive"]) for one in document["runs"]] == [(run, False)]
    assert warmed.run("resume", run).status == ExitStatus.OK
    assert eventually(lambda: not desk.is_locked)
    assert status(desk, warmed)[0] == ExitStatus.OK
    assert desk.ledger == ONCE


def test_a_run_whose_process_is_alive_is_not_resumed(desk: Desk, warmed: Warm) -> None:
    until = desk.host / "until"
    until.unlink(missing_ok=True)
    process = desk.start(*desk.words(until=until))
    try:
        assert eventually(lambda: "begun first" in desk.ledger)
        process.send_signal(signal.SIGSTOP)  # alive, however long the other one takes
        said = warmed.run("resume", only_run(desk))
        assert said.status == ExitStatus.DECLINED
        assert "goes on: a process on this machine still holds its record" in said.err
    finally:
        process.kill()
        process.communicate(timeout=20)
        until.touch()
    assert eventually(lambda: not desk.is_locked)


def test_a_host_that_cannot_be_asked_stays_unknown_and_the_last_line_says_what_to_type(
    desk: Desk, warmed: Warm
) -> None:
    warmed.run(*desk.words(), SOLEIL_TEST_MOMENT="SIGKILL return ShellSession.send 1")
    run = only_run(desk)
    inventory = desk.folder / "inventory.yml"
    there = inventory.read_text()
    inventory.write_text(there.replace(f"ansible_port: {desk.sshd.port}", "ansible_port: 9"))
    try:
        said = warmed.run("resume", run)
    finally:
        inventory.write_text(there)
    assert said.status == ExitStatus.UNKNOWN
    assert "UNKNOWN" in said.out
    assert "MAY have been changed" in said.out
    assert said.out.rstrip().splitlines()[-1].split() == ["next", "soleil-remediate", "resume", run]
    assert desk.ledger == ONCE[:2]
    assert warmed.run("resume", run).status == ExitStatus.OK
    assert desk.ledger == ONCE
