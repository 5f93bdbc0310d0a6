"""A plan that somebody approved is sent while it is still that plan, and never when the host is another by then."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.controllers import Desk
from tests.sshd import IS_ROOT, Sshd

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")


@pytest.fixture
def desk(tmp_path: Path, work: Path, sshd: Sshd) -> Desk:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    return Desk.at(tmp_path, work, sshd)


def plan_of(desk: Desk, **inputs: object) -> str:
    """Look, and return the name of the plan, as a program reads it."""
    said = desk.run("preview", *without_yes(desk, **inputs)[1:], "--output", "json")
    assert said.status == ExitStatus.WORK_FOUND, said
    return str(json.loads(said.out)["plan"])


def without_yes(desk: Desk, **inputs: object) -> list[str]:
    return [word for word in desk.words(**inputs) if word != "--yes"]


def test_a_plan_that_is_another_by_now_is_not_sent_and_the_new_one_is_named(desk: Desk) -> None:
    stale = plan_of(desk)
    desk.file.write_text("worse\n")
    said = desk.run(*without_yes(desk), "--approve", stale)
    assert said.status == ExitStatus.DECLINED
    assert (desk.ledger, desk.says) == ([], "worse")
    fresh = plan_of(desk)
    told = " ".join(said.out.split())
    assert f"the plan is now {fresh}, not the approved {stale}" in told
    assert "nothing was sent, the host is as it was" in told
    assert desk.run(*without_yes(desk), "--approve", fresh).status == ExitStatus.OK
    assert desk.ledger == ["begun good", "done good"]


def test_what_is_another_file_after_the_approval_is_not_destroyed(desk: Desk) -> None:
    """Stopped in the very moment in which the approval was given, for as long as somebody needs to replace the file."""
    saved = desk.host / "saved"
    saved.write_text("precious\n")
    plan = plan_of(desk, saves=saved)
    desk.environment = {"SOLEIL_TEST_MOMENT": "SIGSTOP return PlanGate.approve 1"}
    process = desk.start(*without_yes(desk, saves=saved), "--approve", plan)
    stopped = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    assert stopped is not None
    assert stopped.si_status == signal.SIGSTOP
    another = desk.host / "another"
    another.write_text("another\n")
    another.rename(saved)
    os.kill(process.pid, signal.SIGCONT)
    out, err = process.communicate(timeout=50)
    assert process.returncode == ExitStatus.DECLINED, (out, err)
    assert (desk.ledger, desk.says, saved.read_text()) == ([], "bad", "another\n")
    assert not [line for line in desk.record if line["type"] == "ChangeIntended"]
