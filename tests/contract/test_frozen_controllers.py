"""Freezing while real controllers are at work: the change under way ends, and no other is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from soleil_remediate.freezing import Switch
from tests.contract.controllers import Desk
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")


@pytest.fixture
def desk(tmp_path: Path, work: Path, sshd: Sshd) -> Desk:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    return Desk.at(tmp_path, work, sshd)


def freeze(desk: Desk, state: str = "on") -> str:
    said = desk.run("freeze", state, "--inventory", str(desk.folder / "inventory.yml"))
    assert (said.status, said.err) == (0, "")
    return " ".join(said.out.split())


def test_a_run_in_the_middle_of_a_change_finishes_it_and_sends_no_other(desk: Desk) -> None:
    process = desk.start(*desk.words(takes="5 s"))
    assert eventually(lambda: "begun first" in desk.ledger, within=30)
    at_once = Switch(inventory=desk.folder / "inventory.yml").freeze("eva", datetime.now(UTC), "by hand")
    assert at_once.is_shared
    out, _ = process.communicate(timeout=50)
    said = " ".join(out.split())
    assert desk.ledger == ["begun first", "done first"]
    assert process.returncode == ExitStatus.NOT_FIXED
    assert "NOT FIXED web1 · 1 change" in said
    assert "ended early: frozen by eva since " in said
    assert "Nothing more was sent" in said
    assert [line["type"] for line in desk.record].count("ChangeIntended") == 1
    assert eventually(lambda: not desk.is_locked, within=20)


def test_a_new_run_is_refused_without_a_word_to_the_host_and_goes_once_it_is_lifted(desk: Desk) -> None:
    freeze(desk)
    before = desk.connections
    said = desk.run(*desk.words())
    assert said.status == ExitStatus.DECLINED
    assert said.err.startswith("frozen by ")
    assert (desk.connections, desk.ledger, desk.runs.list()) == (before, [], ())
    assert desk.run("preview", *desk.words()[1:-1]).status == ExitStatus.WORK_FOUND
    assert freeze(desk, "off").startswith("LIFTED")
    assert desk.run(*desk.words()).status == ExitStatus.OK
