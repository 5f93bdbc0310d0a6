"""Disk-full on other file systems than ext4, and on one that is no full disk but looks like something else."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepRemedied
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = [pytest.mark.lab, pytest.mark.long]

With: TypeAlias = "Callable[[dict[str, str]], LabHost]"

LOGS = "/srv/soleil/shared/storage/logs"
LARAVEL_LOG = f"{LOGS}/laravel.log"
OTHERS = ("xfs", "btrfs")


def remedied(report: HostReport) -> list[str]:
    return [step.kind for step in report.steps if isinstance(step.outcome, StepRemedied)]


def type_of(host: LabHost, mount: str) -> str:
    return host.shell(f"findmnt -nro FSTYPE -M {mount}")


def last_line_of_the_writer(host: LabHost) -> int:
    found = re.findall(r"line (\d+) of the writer", host.shell(f"tail -c 20000 {LARAVEL_LOG}"))
    return int(found[-1]) if found else 0


@pytest.mark.parametrize("kind", OTHERS)
def test_a_huge_log_is_cut_its_writer_goes_on_and_a_second_run_sends_nothing(
    web1_with: With, tmp_path: Path, kind: str
) -> None:
    web1 = web1_with({"/srv": kind})
    rehearsal = Rehearsal(web1, tmp_path / "state")
    assert type_of(web1, "/srv") == kind
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    web1.break_with("laravel-log")
    assert not rehearsal.application_writes()
    assert not rehearsal.can_write("www-data", LOGS)
    before = web1.shell(f"stat -c '%i %U %G %a' {LARAVEL_LOG}")

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert seen.preview.standing.faults == {"space on /srv"}, "no lack of inodes is made of the lack of space"
    assert seen.preview.round_trips <= 2

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert remedied(report) == ["log.truncate"]
    assert rehearsal.application_writes()
    assert rehearsal.can_write("www-data", LOGS)
    assert rehearsal.used("/srv") < 80
    assert int(rehearsal.eyes().check_output("stat -f -c %a /srv")) * 4096 > 150 * 2**20
    assert web1.shell(f"stat -c '%i %U %G %a' {LARAVEL_LOG}") == before
    first = last_line_of_the_writer(web1)
    assert eventually(lambda: last_line_of_the_writer(web1) > first)

    (sent,) = report.sent
    assert sent.saved is not None
    saved = gzip.decompress(Path(sent.saved.path).read_bytes())
    cut = int(sent.says.split()[0])
    stay = int(re.search(r"(\d+) stay", sent.says)[1])  # type: ignore[index]
    kept = web1.run("tail", "-c", f"+{1 if kind == 'xfs' else cut + 1}", LARAVEL_LOG).checked().stdout.encode()
    assert kept.startswith(saved[cut:]), "what stays begins within what was saved: no byte between them is lost"
    assert len(kept) >= stay >= 2**20

    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()


@pytest.mark.parametrize("kind", OTHERS)
def test_space_that_comes_free_late_is_waited_for_so_that_nothing_more_is_done(
    web1_with: With, tmp_path: Path, kind: str
) -> None:
    web1 = web1_with({"/var/backups": kind})
    web1.break_with("old-backups")
    rehearsal = Rehearsal(web1, tmp_path / "state")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert remedied(report) == ["backup.prune"]
    assert rehearsal.can_write("www-data", "/var/backups/soleil")
    assert rehearsal.used("/var/backups") < 80


def test_nginx_lets_go_of_a_deleted_log_also_where_a_full_disk_lets_no_new_one_be_begun(
    web1_with: With, tmp_path: Path
) -> None:
    web1 = web1_with({"/var/log": "xfs"})
    web1.break_with("deleted-open-file")
    master = web1.shell("cat /run/nginx.pid")
    rehearsal = Rehearsal(web1, tmp_path / "state")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert remedied(report) == ["open-file.reopen"]
    assert [sent.says for sent in report.sent] == ["signal USR1 sent after they were emptied, 0 descriptors still open"]
    assert web1.shell("cat /run/nginx.pid") == master
    web1.shell("curl -sS -o /dev/null http://localhost/api/health/live?after-the-signal")
    assert "after-the-signal" in web1.shell("tail -n 1 /var/log/nginx/access.log")


def test_a_deleted_file_on_btrfs_is_seen_where_it_lies(web1_with: With, tmp_path: Path) -> None:
    web1 = web1_with({"/srv": "btrfs"})
    web1.shell(
        "head -c 40M /dev/zero > /srv/held.bin; systemd-run --quiet --collect --unit=holder tail -f /srv/held.bin; "
        "until lsof -t /srv/held.bin >/dev/null; do sleep 0.1; done; rm /srv/held.bin"
    )

    report = Rehearsal(web1, tmp_path / "state").preview()

    assert report.preview is not None
    (shown,) = [str(one.shown) for one in report.preview.evidence if one.kind == "disk.deleted-open"]
    assert "'/srv', '/srv/held.bin', 'tail" in shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A fault whose large files have a second copy that shares every block with them, as a snapshot does."""

    fault: str
    mount: str
    type: str
    made_by: str


SHARED = [
    Shared(
        fault="laravel-log",
        mount="/srv",
        type="btrfs",
        made_by=f"systemctl stop lab-log-writer; cp --reflink=always {LARAVEL_LOG} /srv/copy",
    ),
    Shared(
        fault="old-backups",
        mount="/var/backups",
        type="xfs",
        made_by="mkdir /var/backups/copy; cp --reflink=always /var/backups/soleil/* /var/backups/copy",
    ),
]


@pytest.mark.parametrize("one", SHARED, ids=lambda one: one.fault)
def test_what_a_snapshot_holds_as_well_is_not_destroyed_for_nothing(
    web1_with: With, tmp_path: Path, one: Shared
) -> None:
    web1 = web1_with({one.mount: one.type})
    web1.break_with(one.fault)
    largest = web1.shell(f"find {one.mount} -type f -printf '%s %p\\n' | sort -n | tail -n 1 | cut -d ' ' -f 2")
    web1.shell(
        f"truncate -s -4M {largest}; sync -f {one.mount}; {one.made_by}; sync -f {one.mount}; "
        f"cat /dev/zero > {one.mount}/rest || true; sync -f {one.mount}"
    )
    files = f"find {one.mount} -type f ! -name rest -printf '%i %s %b %T@ %p\\n' | sort"
    before = web1.shell(files)

    report = Rehearsal(web1, tmp_path / "state").remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "in a snapshot or a copy of" in report.outcome.why
    assert report.sent == ()
    assert web1.shell(files) == before


# ---- no full disk at all


def test_a_disk_that_is_mounted_read_only_on_purpose_is_not_at_fault_though_it_is_full(
    web1: LabHost, tmp_path: Path
) -> None:
    web1.break_with("backup-disk")
    rehearsal = Rehearsal(web1, tmp_path / "state")
    assert isinstance(rehearsal.preview().outcome, WouldFix | NotFixed)
    web1.shell("mount -o remount,ro /var/backups")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotNeeded), report.outcome
    assert "mounted read only: /var/backups" in report.outcome.why


def test_a_disk_that_the_kernel_stopped_after_an_error_is_said_to_be_that_and_nothing_is_deleted_there(
    web1: LabHost, tmp_path: Path
) -> None:
    web1.break_with("old-backups")
    rehearsal = Rehearsal(web1, tmp_path / "state")
    assert isinstance(rehearsal.preview().outcome, WouldFix)
    web1.shell("mount -o remount,errors=remount-ro /var/backups")
    device = Path(web1.shell("findmnt -nro SOURCE -M /var/backups")).name
    Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")
    assert not rehearsal.can_write("root", "/var/backups")
    before = web1.shell("ls -la --time-style=full-iso /var/backups/soleil")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "/var/backups is not full: the kernel stopped all writing there after an error" in report.outcome.why
    assert report.sent == ()
    assert report.preview is not None
    assert report.preview.standing.symptom_health is Health.FAULTY
    assert report.preview.standing.faults == {"read only /var/backups"}
    assert web1.shell("ls -la --time-style=full-iso /var/backups/soleil") == before
