"""Disk-full when something else goes wrong as well: nothing is touched that must not be, and what is said is true."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from soleil_remediate import Approval, Change, PolicyGate, Preview
from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import ChangeIntended, Event
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, Refusal
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.lab.rehearsals import Rehearsal

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

LOGS = "/srv/soleil/shared/storage/logs"
LOG = f"{LOGS}/laravel.log"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state")


@dataclass(frozen=True, slots=True)
class WhileAsking:
    """A gate that opens; while it is asked, something happens on the host."""

    host: LabHost
    script: str

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        self.host.shell(self.script)
        return PolicyGate(says_yes=True).approve(scenario, previews)

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        return PolicyGate(says_yes=True).approve_again(host, kind, change)


def test_a_disk_that_heals_while_somebody_reads_the_plan_is_left_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log", writer="no")

    report = rehearsal.remediate(gate=WhileAsking(rehearsal.host, f": > {LOG}"))

    assert isinstance(report.outcome, NotNeeded)
    assert "meanwhile" in report.outcome.why
    assert report.sent == ()
    assert not any(line["type"] == "ChangeIntended" for line in rehearsal.record())


def test_a_log_that_was_replaced_while_somebody_read_the_plan_is_not_cut(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log", writer="no")
    replace = f"mv {LOG} {LOG}.old && cp --sparse=never /dev/null {LOG} && chown www-data:www-data {LOG}"

    report = rehearsal.remediate(gate=WhileAsking(rehearsal.host, replace))

    assert not isinstance(report.outcome, Fixed)
    assert report.sent == ()
    assert int(rehearsal.host.shell(f"stat -c %s {LOG}.old")) > 200 * 2**20


def test_a_declined_run_sends_nothing_and_leaves_the_host_byte_for_byte(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log", writer="no")
    before = rehearsal.byte_for_byte()

    report = rehearsal.remediate(gate=PolicyGate(says_yes=False))

    assert isinstance(report.outcome, Refusal)
    assert report.outcome.exit_status is ExitStatus.DECLINED
    assert rehearsal.byte_for_byte() == before


def test_a_full_run_folder_refuses_the_change_and_nothing_is_cut(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("laravel-log", writer="no")
    rehearsal.host.break_with("run-full")
    before = rehearsal.byte_for_byte()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Refusal), report.outcome
    assert "/run" in report.outcome.why
    assert report.sent == ()
    assert rehearsal.byte_for_byte() == before


@contextmanager
def _tiny_file_system(folder: Path) -> Iterator[Path]:
    """A file system of 256 KiB, in a mount that ends with the block."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_evidence_that_does_not_fit_here_refuses_the_change(web1: LabHost, tmp_path: Path) -> None:
    web1.break_with("laravel-log", writer="no")
    before = Rehearsal(web1, tmp_path / "state").byte_for_byte()
    with _tiny_file_system(tmp_path / "tiny") as state:
        report = Rehearsal(web1, state).remediate()
        left = list((state / "evidence").rglob("*.gz"))

    assert isinstance(report.outcome, Refusal), report.outcome
    assert "No space left on device" in report.outcome.why
    assert left == [], "half a copy proves nothing"
    assert report.sent == ()
    assert Rehearsal(web1, tmp_path / "state").byte_for_byte() == before


@pytest.mark.long
def test_a_log_swapped_for_a_symlink_at_full_speed_never_leads_elsewhere(rehearsal: Rehearsal) -> None:
    # on the very file system that is full, so that cutting it would help: only that it is another file saves it
    precious = "/srv/precious.log"
    rehearsal.host.shell(f"head -c 100M /dev/zero | tr '\\0' 'x' > {precious}; chown www-data {precious}")
    rehearsal.host.break_with("laravel-log", writer="no")
    rehearsal.host.shell(
        "systemd-run --quiet --collect --unit=racer --uid=www-data --property=RuntimeMaxSec=30 "
        # busy: link and file change places as fast as one process can
        f"""php -r 'chdir("{LOGS}"); symlink("{precious}", "link"); $end = time() + 30;
        while (time() < $end) {{ rename("laravel.log", "real"); rename("link", "laravel.log");
        rename("laravel.log", "link"); rename("real", "laravel.log"); }}'"""
    )
    as_it_is = f"stat -c '%i %s %b %Y %Z' {precious}; sha256sum {precious}"
    before = rehearsal.host.shell(as_it_is)
    outcomes: list[object] = []
    while rehearsal.host.run("systemctl", "is-active", "--quiet", "racer").returncode == 0:
        outcomes.append(rehearsal.remediate().outcome)
        assert len(outcomes) < 200
    assert len(outcomes) >= 3
    assert rehearsal.host.shell(as_it_is) == before, outcomes


@dataclass(frozen=True, slots=True)
class Racing:
    """The way over SSH; as soon as a copy is complete, and before anything else is sent, something happens."""

    then: Callable[[], None]
    session: Any = None

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Any:
        return Racing(self.then, SshTransport().open(host, within=within, cancellation=cancellation))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def save(self, *arguments: Any) -> Any:
        saved = self.session.save(*arguments)
        self.then()
        return saved


def test_a_log_emptied_in_place_and_filled_again_between_copy_and_cut_keeps_every_line(rehearsal: Rehearsal) -> None:
    host, seen = rehearsal.host, list[str]()
    host.break_with("laravel-log", writer="no")
    host.shell(f"truncate -s -20M {LOG}; dd if=/dev/zero of=/srv/rest bs=64k status=none 2>/dev/null || true")
    length = int(host.shell(f"stat -c %s {LOG}"))

    def empty_and_fill() -> None:  # as logrotate's copytruncate does, and then a busy night
        fill = f"dd of={LOG} bs=64k oflag=append conv=notrunc iflag=fullblock status=none"
        host.shell(f"rm /srv/rest; : > {LOG}; {{ yes 'a line that nobody saved' | {fill}; }} 2>/dev/null || true; sync")
        seen.append(host.shell(f"stat -c '%i %s %b' {LOG}; sha256sum {LOG}"))

    report = rehearsal.remediate(transport=Racing(empty_and_fill))

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "was emptied and written anew since it was saved: nothing was cut" in report.outcome.why
    assert int(seen[0].split()[1]) > length, "longer than what was saved: its length tells nothing"
    assert host.shell(f"stat -c '%i %s %b' {LOG}; sha256sum {LOG}") == seen[0]


def test_a_connection_cut_in_the_middle_of_a_change_is_unknown_until_the_host_was_asked(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("inodes")
    heard: list[str] = []
    cutter: list[threading.Thread] = []
    cut = (
        "i=0; until ls /run/soleil-remediate/ops/*/begun >/dev/null 2>&1 || [ $i -ge 500 ]; do i=$((i+1)); sleep 0.02; "
        "done; ls -d /run/soleil-remediate/ops/*/rc.* >/dev/null 2>&1 && exit 3; pkill -9 -u deploy -x sshd"
    )

    def listen(event: Event) -> None:
        heard.append(type(event).__name__)
        if isinstance(event, ChangeIntended) and not cutter:
            cutter.append(threading.Thread(target=rehearsal.host.shell, args=(cut,)))
            cutter[0].start()

    report = rehearsal.remediate(listener=listen)
    cutter[0].join()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert "ChangeUnanswered" in heard, "the cut came too late to mean anything"
    types = [line["type"] for line in rehearsal.record()]
    assert types.count("ChangeIntended") == 1
    assert types.index("ChangeUnanswered") < types.index("ChangeAnswered")
    assert len(report.sent) == 1
