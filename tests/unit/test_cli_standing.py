"""``status``: what is frozen, open, locked or orphaned, and that nothing else is called so."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from soleil_remediate import cli
from soleil_remediate.cli import standing
from soleil_remediate.cli.standing import judge
from soleil_remediate.errors import ExitStatus
from soleil_remediate.freezing import Switch
from soleil_remediate.history import RunSummary
from soleil_remediate.record import Runs
from soleil_remediate.transports.holding import Holding
from tests import tiny
from tests.unit import recorded

Soleil: TypeAlias = "Callable[..., tuple[int, str, str]]"

INVENTORY = """\
all:
  vars:
    app: {name: soleil, root: /srv/soleil/current, user: www-data, logs: [/srv/laravel.log]}
  hosts:
    web1: {ansible_host: 127.0.0.1, ansible_port: 9}
"""
OWNER = "jan@laptop (run 0123abcd) since 2026-11-25 03:12:41 UTC from 10.0.0.7 (shell 4711)"


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    file = tmp_path / "production.yml"
    file.write_text(INVENTORY)
    return str(file)


@pytest.fixture
def soleil(inventory: str, capsys: pytest.CaptureFixture[str]) -> Soleil:
    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def runs_of(inventory: str) -> Runs:
    return Runs(Path(inventory).parent / "state" / "soleil-remediate")


def summary(run: str, verdict: str) -> RunSummary:
    return RunSummary(run=run, started="", scenario="disk-full", operator="jan", hosts=("web1",), verdict=verdict)


@pytest.mark.parametrize(
    "holding, verdict, word, status, says, resume",
    [
        (Holding(), None, "FREE", 0, "", ""),
        (
            Holding(lost=("0123abcd-00-00",)),
            None,
            "LOST",
            5,
            "was begun and killed before it ended: it may be half done; of run 0123abcd, there is no record",
            "",
        ),
        (
            Holding(lost=("0123abcd-00-00",)),
            "UNKNOWN · unfinished",
            "LOST",
            5,
            "it may be half done; of run 0123abcd, its process here is gone",
            "0123abcd",
        ),
        (Holding(lost=("0123abcd-00-00",)), "UNKNOWN", "LOST", 5, "it may be half done", "0123abcd"),
        (Holding(lost=("0123abcd-00-00",)), "running", "LOST", 0, "its process is alive here", ""),
        (Holding(lost=("0123abcd-00-00",)), "NOT FIXED", "LOST", 0, "0123abcd ended NOT FIXED, as its record says", ""),
        (
            Holding(lost=("0123abcd-00-00", "ffffffff-00-00")),
            "NOT FIXED",
            "LOST",
            5,
            "; ffffffff-00-00 was begun and killed before it ended",
            "",
        ),
        (
            Holding(owner="a person", lost=("0123abcd-00-00",)),
            "unfinished",
            "LOCKED",
            5,
            "; 0123abcd-00-00 was begun and killed before it ended: it may be half done",
            "0123abcd",
        ),
        (
            Holding(owner=OWNER, lost=("ffffffff-00-00",)),
            "running",
            "LOCKED",
            5,
            "its process is alive here; ffffffff-00-00 was begun and killed before it ended",
            "",
        ),
        (
            Holding(running=("0123abcd-00-01",), lost=("0123abcd-00-00",)),
            "unfinished",
            "ORPHAN",
            5,
            "; 0123abcd-00-00 was begun and killed before it ended: it may be half done",
            "0123abcd",
        ),
        (Holding(owner=OWNER), "running", "LOCKED", 0, "its process is alive here", ""),
        (Holding(owner=OWNER), "UNKNOWN · unfinished", "LOCKED", 5, "its process here is gone", "0123abcd"),
        (Holding(owner=OWNER), None, "LOCKED", 5, "there is no record of yours on this machine", ""),
        (Holding(owner="a person"), "running", "LOCKED", 5, "there is no record of yours on this machine", ""),
        (Holding(owner=OWNER, running=("0123abcd-00-00",)), "running", "LOCKED", 0, "is under way", ""),
        (
            Holding(owner=OWNER, running=("0123abcd-00-00",)),
            "UNKNOWN · unfinished",
            "ORPHAN",
            5,
            "0123abcd-00-00 still runs, and nobody listens",
            "0123abcd",
        ),
        (
            Holding(owner=OWNER, running=("0123abcd-00-00",)),
            None,
            "LOCKED",
            5,
            "so it cannot be told from here whether it is alive; 0123abcd-00-00 is under way",
            "",
        ),
        (Holding(running=("0123abcd-00-00",)), None, "ORPHAN", 5, "nobody listens that is known here", ""),
    ],
)
def test_what_a_host_says_is_judged_by_what_is_known_here(
    holding: Holding, verdict: str | None, word: str, status: int, says: str, resume: str
) -> None:
    known = {} if verdict is None else {"0123abcd": summary("0123abcd", verdict)}
    one = judge("web1", holding, known)
    assert (one.word, int(one.exit_status), one.resume) == (word, status, resume)
    assert says in one.says


def test_an_unreachable_host_is_said_so_and_what_is_known_here_is_shown_all_the_same(
    soleil: Soleil, inventory: str
) -> None:
    with runs_of(inventory).begin("0123abcd", tiny.Clock()) as record:
        for event in recorded.events(until=11):
            record.write(event)
    status, out, err = soleil("status", "--inventory", inventory)
    assert (status, err) == (ExitStatus.UNREACHABLE, "")
    assert "web1  UNREACHABLE" in out
    assert "0123abcd  UNKNOWN" in out
    assert "next      soleil-remediate resume 0123abcd" in out


def test_a_run_that_goes_on_is_told_as_one(soleil: Soleil, inventory: str) -> None:
    with runs_of(inventory).begin("0123abcd", tiny.Clock()) as record:
        for event in recorded.events(until=11):
            record.write(event)
        _, out, _ = soleil("status", "--inventory", inventory)
        document = json.loads(soleil("status", "--inventory", inventory, "-o", "json")[1])
    assert "0123abcd  goes on" in out
    assert "resume" not in out
    assert [(one["run"], one["is_alive"]) for one in document["runs"]] == [("0123abcd", True)]


@pytest.mark.parametrize("until", [2, 5])
def test_a_run_that_was_killed_before_it_sent_anything_left_nothing_open(
    soleil: Soleil, inventory: str, until: int
) -> None:
    with runs_of(inventory).begin("0123abcd", tiny.Clock()) as record:
        for event in recorded.events(until=until):
            record.write(event)
    assert "none goes on, and none is open" in soleil("status", "--inventory", inventory)[1]


def test_a_freeze_is_the_first_thing_that_is_said(soleil: Soleil, inventory: str) -> None:
    Switch(inventory=Path(inventory)).freeze("jan@laptop", tiny.Clock().now(), "a deploy")
    _, out, _ = soleil("status", "--inventory", inventory)
    assert out.startswith(f"FROZEN    {inventory}\n          frozen by jan@laptop since ")
    document = json.loads(soleil("status", "--inventory", inventory, "-o", "json")[1])
    assert document["frozen"]["because"] == "a deploy"
    assert document["exit_status"] == ExitStatus.UNREACHABLE


def test_without_an_inventory_there_is_still_what_is_known_here(soleil: Soleil) -> None:
    status, out, err = soleil("status")
    assert (status, err) == (0, "")
    assert "none goes on, and none is open" in out
    assert "no inventory, so none was asked" in out


def test_a_lost_operation_is_shown_as_a_lock_is_and_its_host_is_not_called_free(
    soleil: Soleil, inventory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with runs_of(inventory).begin("0123abcd", tiny.Clock()) as record:
        for event in recorded.events(until=11):
            record.write(event)
    lost = Holding(lost=("0123abcd-00-00",))
    monkeypatch.setattr(standing, "standing", lambda host, known, _: judge(host.name, lost, known))
    status, out, _ = soleil("status", "--inventory", inventory)
    assert status == ExitStatus.WORK_FOUND
    assert "web1  LOST" in out
    assert "0123abcd-00-00 was begun and killed before it ended" in " ".join(out.split())
    assert "free" not in out
    assert out.count("soleil-remediate resume 0123abcd") == 2
