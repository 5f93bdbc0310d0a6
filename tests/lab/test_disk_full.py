"""Disk-full on a real host: break it, see it red, preview, remedy, see it green, run again: nothing is sent."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.errors import ExitStatus
from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

LOGS = "/srv/soleil/shared/storage/logs"
LARAVEL_LOG = f"{LOGS}/laravel.log"
BACKUPS = "/var/backups/soleil"
ACCESS_LOG = "/var/log/nginx/access.log"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, where it is, and the kinds that repair it, in order.

    Args:
        writes: Who can write a new file where only before the fault and after the repair.
    """

    fault: str
    mount: str
    sent: tuple[str, ...]
    writes: tuple[str, str]
    outcome: type[Fixed | Eased] = Fixed
    inputs: tuple[tuple[str, str], ...] = ()


REPAIRED = [
    Rehearsed(fault="laravel-log", mount="/srv", sent=("log.truncate",), writes=("www-data", LOGS)),
    Rehearsed(fault="nginx-access-log", mount="/var/log", sent=("log.truncate",), writes=("root", "/var/log")),
    Rehearsed(fault="old-backups", mount="/var/backups", sent=("backup.prune",), writes=("www-data", BACKUPS)),
    Rehearsed(fault="deleted-open-file", mount="/var/log", sent=("open-file.reopen",), writes=("root", "/var/log")),
    Rehearsed(fault="inodes", mount="/var/backups", sent=("backup.prune",), writes=("www-data", BACKUPS)),
    Rehearsed(fault="journal", mount="/var/log", sent=("journal.vacuum",), writes=("root", "/var/log")),
    Rehearsed(fault="package-cache", mount="/var/cache", sent=("package-cache.clean",), writes=("root", "/var/cache")),
    Rehearsed(
        fault="two-causes",
        mount="/var/log",
        sent=("journal.vacuum",),
        writes=("root", "/var/log"),
        inputs=(("journal_limit", "64 MiB"),),
    ),
    Rehearsed(
        fault="eased",
        mount="/srv",
        sent=("log.truncate",),
        writes=("www-data", LOGS),
        outcome=Eased,
        inputs=(("log_limit", "16 MiB"),),
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_full_disk_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    assert rehearsal.can_write(*case.writes)
    rehearsal.host.break_with(case.fault)
    assert not rehearsal.can_write(*case.writes)
    assert rehearsal.application_writes() is (case.mount != "/srv")
    before = rehearsal.untouched_state()

    seen = rehearsal.preview(**dict(case.inputs))
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert any(fault.endswith(f" on {case.mount}") for fault in seen.preview.standing.faults)
    assert seen.preview.round_trips <= 2
    assert rehearsal.untouched_state() == before

    report = rehearsal.remediate(inputs=dict(case.inputs))
    assert isinstance(report.outcome, case.outcome), report.outcome
    kinds = tuple(dict.fromkeys(_kind_of(report, sent.operation) for sent in report.sent))
    assert kinds == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    if case.outcome is Fixed:
        assert rehearsal.used(case.mount) < 80
    assert rehearsal.can_write(*case.writes)
    eyes = rehearsal.eyes()
    assert int(eyes.check_output(f"stat -f -c %a {case.mount}")) > 0
    assert eyes.service("nginx").is_running
    assert rehearsal.application_writes()

    after = rehearsal.untouched_state()
    again = rehearsal.remediate(inputs=dict(case.inputs))
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert rehearsal.untouched_state() == after


def _kind_of(report, operation: str) -> str:  # type: ignore[no-untyped-def]
    step = int(operation.split("-")[1], 16)
    return str(report.steps[step].kind)


def test_a_log_that_is_written_all_the_time_loses_no_line_and_its_writer_goes_on(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log")
    before = rehearsal.host.shell(f"stat -c '%i %U %G %a' {LARAVEL_LOG}")
    rehearsal.host.shell("redis-cli set canary kept")
    caches = (
        "redis-cli get canary; find -L /srv/soleil/current/bootstrap/cache /srv/soleil/shared/storage/framework -type f"
    )
    cached = rehearsal.host.shell(f"{caches} -printf '%p %i %T@\\n' | sort")
    assert not rehearsal.application_writes()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed)
    assert rehearsal.application_writes()
    assert rehearsal.host.shell(f"stat -c '%i %U %G %a' {LARAVEL_LOG}") == before
    assert rehearsal.host.shell(f"{caches} -printf '%p %i %T@\\n' | sort") == cached, "its caches are nobody's to clear"
    first = _last_line_of_the_writer(rehearsal)
    assert eventually(lambda: _last_line_of_the_writer(rehearsal) > first)
    (sent,) = report.sent
    assert sent.saved is not None
    assert Path(sent.saved.path).stat().st_mode & 0o777 == 0o600
    saved = gzip.decompress(Path(sent.saved.path).read_bytes())
    assert len(saved) == sent.saved.size
    assert hashlib.sha256(saved).hexdigest() == sent.saved.sha256
    kept = rehearsal.host.run("cat", LARAVEL_LOG).checked().stdout.encode()
    cut = int(sent.says.split()[0])
    assert kept.startswith(saved[cut:]), "what stays begins within what was saved: no byte between them is lost"
    assert len(kept.splitlines()) >= 1000


def _last_line_of_the_writer(rehearsal: Rehearsal) -> int:
    found = re.findall(r"line (\d+) of the writer", rehearsal.host.shell(f"tail -c 20000 {LARAVEL_LOG}"))
    return int(found[-1]) if found else 0


def test_nginx_goes_on_logging_to_the_same_file_after_its_log_was_cut(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("nginx-access-log")
    inode = rehearsal.host.shell(f"stat -c %i {ACCESS_LOG}")

    assert isinstance(rehearsal.remediate().outcome, Fixed)

    assert rehearsal.host.shell(f"stat -c %i {ACCESS_LOG}") == inode
    rehearsal.host.shell("curl -sS -o /dev/null http://localhost/api/health/live?after-the-cut")
    assert "after-the-cut" in rehearsal.host.shell(f"tail -n 1 {ACCESS_LOG}")


def test_the_newest_backups_stay_whatever_their_age(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("old-backups")
    newest = rehearsal.host.shell("ls -t /var/backups/soleil | head -n 3").split()
    whole = rehearsal.host.shell("cd /var/backups/soleil; ls -t $(find . -size +20M -printf '%f ') | head -n 3").split()
    younger = rehearsal.host.run("find", BACKUPS, "-size", "+20M", "-mtime", "-7").checked().stdout
    assert younger == "", "all of them are old"

    assert isinstance(rehearsal.remediate().outcome, Fixed)

    left = rehearsal.host.shell("ls -t /var/backups/soleil").split()
    assert left[:3] == newest
    assert set(whole) <= set(left), "the newest are cut short, so as many whole ones stay beside them"


def test_a_host_that_is_not_full_is_not_touched(rehearsal: Rehearsal) -> None:
    before = rehearsal.byte_for_byte()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotNeeded), report.outcome
    assert report.outcome.exit_status is ExitStatus.OK
    assert report.sent == ()
    assert rehearsal.byte_for_byte() == before


def test_a_large_file_that_nobody_knows_is_shown_and_left_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("unknown-file")
    before = rehearsal.byte_for_byte()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.outcome.exit_status is ExitStatus.NOT_FIXED
    assert "nothing that may be changed would help" in report.outcome.why
    assert report.sent == ()
    assert report.preview is not None
    assert "export.csv" in str(report.preview.evidence)
    assert rehearsal.byte_for_byte() == before
    assert not rehearsal.application_writes()


def test_a_full_disk_that_is_not_the_applications_is_seen_while_the_application_writes(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("backup-disk")
    assert not rehearsal.can_write("www-data", BACKUPS)
    before = rehearsal.byte_for_byte()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert report.sent == ()
    assert rehearsal.byte_for_byte() == before
    assert rehearsal.application_writes()
    assert report.preview is not None
    assert report.preview.standing.symptom_health is Health.FAULTY
    assert "space on /var/backups" in report.preview.standing.faults


def test_blocks_reserved_for_root_are_no_room_for_the_application(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("reserved-blocks")

    report = rehearsal.preview()

    assert not rehearsal.can_write("www-data", "/var/backups/soleil")
    assert report.preview is not None
    assert "space on /var/backups" in report.preview.standing.faults
