"""Two operators who start the same repair within the same 50 ms, twenty times over: it is made once; both are told."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.conftest import in_background
from tests.contract.controllers import Desk, Said, warm
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

pytestmark = [pytest.mark.skipif(not IS_ROOT, reason="changes need root"), pytest.mark.long]

ROUNDS = 20


def how(desk: Desk, said: Said) -> str:
    """Return how a run ended for its operator, and hold that against its own record."""
    out = " ".join(said.out.split())
    intended = [line for line in desk.record if line["type"] == "ChangeIntended"]
    assert said.err == ""
    if "NOT NEEDED web1" in out:
        assert (said.status, intended) == (ExitStatus.OK, [])
        return "not needed"
    if "DECLINED web1" in out:
        assert (said.status, intended) == (ExitStatus.DECLINED, [])
        assert "is locked by" in out
        assert "nothing was sent, the host is as it was" in out
        return "locked"
    assert said.status == ExitStatus.OK, said
    assert "FIXED web1" in out
    assert len(intended) == 2
    return "fixed"


@pytest.mark.timeout(600)
def test_two_operators_within_50_ms_change_the_host_once_twenty_times_over(
    tmp_path: Path, work: Path, sshd: Sshd
) -> None:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    folders = [tmp_path / name for name in ("jan", "ann")]
    for folder in folders:
        folder.mkdir()
    jan, ann = (Desk.at(folder, work, sshd) for folder in folders)
    ends = list[set[str]]()
    with warm(jan) as jans, warm(ann) as anns:
        for turn in range(ROUNDS):
            assert eventually(lambda: not jan.is_locked, within=30), "whoever came before holds it still"
            for desk in (jan, ann):
                desk.reset()
                desk.forget()
            # longer than the lock is waited for, and shorter
            takes = "0.9 s" if turn % 2 else "0.05 s"
            waiting = in_background(partial(jans.run, *jan.words(takes=takes)))
            time.sleep(turn * 0.05 / ROUNDS)
            mine = anns.run(*ann.words(takes=takes))
            theirs = waiting()
            assert isinstance(theirs, Said), theirs
            assert jan.ledger == ["begun first", "done first", "begun good", "done good"], (turn, mine, theirs)
            assert jan.says == "good"
            ends.append({how(ann, mine), how(jan, theirs)})
    assert all(one in ({"fixed", "not needed"}, {"fixed", "locked"}) for one in ends), ends
