"""Deleted logs that a service still holds: each known service lets go of them, live, and goes on logging."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotNeeded, WouldFix
from soleil_remediate.step_outcomes import StepRemedied
from tests.lab.rehearsals import Rehearsal

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A service that holds a deleted log.

    Args:
        unit: Its name.
        log: The log.
        signal: What it is asked with.
        says: A script that makes it log *line*.
        line: What it logs then.
    """

    unit: str
    log: str
    signal: str
    says: str
    line: str


HOLDERS = [
    Holder(
        unit="nginx",
        log="/var/log/nginx/access.log",
        signal="USR1",
        says="curl -sS -o /dev/null http://localhost/api/health/live?after-the-signal",
        line="after-the-signal",
    ),
    Holder(
        unit="php8.2-fpm",
        log="/var/log/php8.2-fpm.log",
        signal="USR1",
        says="kill -9 $(pgrep -P $(systemctl show -p MainPID --value php8.2-fpm) | head -n 1)",
        line="exited on signal 9 (SIGKILL)",
    ),
    Holder(
        unit="rsyslog",
        log="/var/log/syslog",
        signal="HUP",
        says="logger a line after the signal",
        line="a line after the signal",
    ),
    Holder(
        unit="supervisor",
        log="/var/log/supervisor/supervisord.log",
        signal="USR2",
        says="supervisorctl restart soleil-worker:soleil-worker_00",
        line="spawned: 'soleil-worker_00'",
    ),
]

#: Everything that tells one file from another, and who may use it.
_OWNER = "stat -c '%U:%G %a %h' {log}"


@pytest.mark.parametrize("holder", HOLDERS, ids=lambda holder: holder.unit)
def test_a_service_lets_go_of_a_deleted_log_goes_on_and_logs_into_a_new_one(
    web1: LabHost, tmp_path: Path, holder: Holder
) -> None:
    if holder.unit == "rsyslog":  # the one that a lab host does not run by itself
        web1.shell(
            "systemctl -q enable --now rsyslog 2>&1; logger first; until test -s /var/log/syslog; do sleep 0.1; done"
        )
    owner = web1.shell(_OWNER.format(log=holder.log))
    main = web1.shell(f"systemctl show -p MainPID,NRestarts,ActiveEnterTimestampMonotonic {holder.unit}")
    web1.break_with("deleted-open-file", holder=holder.unit)
    rehearsal = Rehearsal(web1, tmp_path / "state")
    assert web1.run("test", "-e", holder.log).returncode == 1
    assert not rehearsal.can_write("root", "/var/log")

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= 2
    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert [step.kind for step in report.steps if isinstance(step.outcome, StepRemedied)] == ["open-file.reopen"]
    assert [sent.says for sent in report.sent] == [
        f"signal {holder.signal} sent after they were emptied, 0 descriptors still open"
    ]
    assert rehearsal.can_write("root", "/var/log")
    assert rehearsal.used("/var/log") < 20
    assert web1.shell(f"systemctl show -p MainPID,NRestarts,ActiveEnterTimestampMonotonic {holder.unit}") == main
    eyes = rehearsal.eyes()
    assert eyes.service(holder.unit).is_running
    assert eyes.run("find /proc/[0-9]*/fd -lname '/var/log/* (deleted)' 2>/dev/null").stdout == ""
    web1.shell(
        f'{holder.says}; for _ in $(seq 50); do grep -q -F "{holder.line}" {holder.log} && break; sleep 0.1; done'
    )
    assert holder.line in eyes.file(holder.log).content_string
    assert web1.shell(_OWNER.format(log=holder.log)) == owner
    assert rehearsal.application_writes()

    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
