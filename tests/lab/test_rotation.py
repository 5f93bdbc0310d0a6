"""A full disk on which rotating a log helps: nearly full, or full for everybody but root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotNeeded, WouldFix
from soleil_remediate.step_outcomes import StepPending, StepRemedied
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_disk_full import Rehearsed

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

ACCESS_LOG = "/var/log/nginx/access.log"

REPAIRED = [
    Rehearsed(fault="overdue-rotation", mount="/var/log", sent=("log.rotate",), writes=("redis", "/var/log/redis"))
]


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state")


def test_logs_that_were_not_rotated_in_time_are_and_nginx_goes_on_in_a_new_one(rehearsal: Rehearsal) -> None:
    (case,) = REPAIRED
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    assert rehearsal.can_write(*case.writes)
    rehearsal.host.break_with(case.fault)
    assert not rehearsal.can_write(*case.writes)
    before = rehearsal.untouched_state()
    lines, inode = _lines(rehearsal), rehearsal.host.shell(f"stat -c %i {ACCESS_LOG}")

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert seen.preview.standing.faults == {f"space on {case.mount}"}
    pending = [step for step in seen.preview.steps if isinstance(step.outcome, StepPending)]
    assert pending[0].kind == "log.rotate"
    assert rehearsal.untouched_state() == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(step.kind for step in report.steps if isinstance(step.outcome, StepRemedied)) == case.sent
    assert len(report.sent) == 1
    assert rehearsal.used(case.mount) < 80
    assert rehearsal.can_write(*case.writes)
    eyes = rehearsal.eyes()
    assert int(eyes.check_output(f"stat -f -c %a {case.mount}")) > 0
    assert eyes.file(f"{ACCESS_LOG}.2.gz").size < 2**20
    new = eyes.file(ACCESS_LOG)
    assert (new.user, new.group, new.mode) == ("www-data", "adm", 0o640)
    assert str(new.inode) != inode
    assert eyes.service("nginx").is_running
    rehearsal.host.shell("curl -sS -o /dev/null http://localhost/api/health/live?after-the-rotation")
    assert "after-the-rotation" in rehearsal.host.shell(f"tail -n 1 {ACCESS_LOG}")
    assert lines <= _lines(rehearsal), "a line is gone"

    after = rehearsal.untouched_state()
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert rehearsal.untouched_state() == after


def _lines(rehearsal: Rehearsal) -> int:
    """How many lines nginx's access logs have, rotated and compressed ones included."""
    return int(rehearsal.host.shell(f"zcat -f {ACCESS_LOG} {ACCESS_LOG}.* | wc -l"))
