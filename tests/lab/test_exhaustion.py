"""A host with hardly a process or any memory to give: what cannot be read is never healthy, no change is half told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from soleil_remediate import HostReport
from soleil_remediate.events import ChangeIntended, Event
from soleil_remediate.host_outcomes import Crashed, Eased, Fixed, MaybeChanged, NotFixed, NotNeeded, Refusal, Unproven
from tests.lab.conftest import LabHost
from tests.lab.rehearsals import Rehearsal

pytestmark = pytest.mark.lab

LOG = "/srv/soleil/shared/storage/logs/laravel.log"


def process_limit(host: LabHost) -> Path:
    """The file that says how many processes a host of the lab may have."""
    for folder in host.lab._known(host.name).group.folders():
        if (folder / "pids.max").exists():
            return folder / "pids.max"
    pytest.skip("this machine's control groups limit no processes of the lab's hosts")


@contextmanager
def limited(host: LabHost, *, spare: int | None) -> Iterator[None]:
    """Leave all processes of a host of the lab together no more than *spare* beyond those that it has.

    None: not one can be started, however many end. (With a limit of 0 systemd, which reads it, gives up: "t > 0".)
    """
    most = process_limit(host)
    before = most.read_text().strip()
    most.write_text("1" if spare is None else str(int(most.with_name("pids.current").read_text()) + spare))
    try:
        yield
    finally:
        most.write_text(before)


@contextmanager
def short_of_memory(host: LabHost, kib: int) -> Iterator[None]:
    """Let every process that sudo starts on the host have no more than so much memory; who logs in as root has all."""
    limits, sudo = "/etc/security/rehearsal.conf", "/etc/pam.d/sudo"
    host.shell(f"printf '%s hard as {kib}\\n' '*' root >{limits}")
    host.shell(f"sed -i '1i session required pam_limits.so conf={limits}' {sudo}")
    try:
        yield
    finally:
        host.shell(f"sed -i 1d {sudo}")


def log_of(host: LabHost) -> str:
    return host.shell(f"stat -c '%i %s %b %Y' {LOG}")


def check_truth(host: LabHost, report: HostReport, before: str) -> None:
    """Hold a report against the log that is the fault: only its repair cuts it."""
    assert not isinstance(report.outcome, NotNeeded | Crashed), report.outcome
    if log_of(host) != before:
        assert isinstance(report.outcome, Fixed | Eased | Unproven | NotFixed | MaybeChanged), report.outcome
    if isinstance(report.outcome, Fixed):
        assert log_of(host) != before
        assert len(report.sent) == 1


def check_end(rehearsal: Rehearsal, report: HostReport) -> None:
    """With enough of everything the host is repaired, once."""
    later = rehearsal.remediate().outcome
    assert isinstance(later, NotNeeded if isinstance(report.outcome, Fixed) else NotNeeded | Fixed), later


def some(*spare: int, everyday: tuple[int, ...]) -> list[object]:
    """Return what tests are parametrized with: most of a sweep is for those who ask for it."""
    return [pytest.param(one, marks=() if one in everyday else pytest.mark.long) for one in spare]


@pytest.mark.parametrize("spare", some(0, 1, 2, 3, 4, 6, 9, 12, everyday=(1, 6)))
def test_a_host_that_has_hardly_a_process_to_give_is_never_called_healthy(
    web1: LabHost, tmp_path: Path, spare: int
) -> None:
    rehearsal = Rehearsal(web1, tmp_path / "state")
    web1.break_with("laravel-log", writer="no")
    before = log_of(web1)
    with limited(web1, spare=spare):
        seen = rehearsal.preview()
        report = rehearsal.remediate()
    assert not isinstance(seen.outcome, NotNeeded | Crashed), seen.outcome
    check_truth(web1, report, before)
    check_end(rehearsal, report)


@pytest.mark.parametrize("spare", some(0, 1, 2, 4, 5, 8, everyday=(1,)))
def test_a_host_that_has_no_process_to_give_from_the_very_change_on_tells_the_truth_about_it(
    web1: LabHost, tmp_path: Path, spare: int
) -> None:
    rehearsal = Rehearsal(web1, tmp_path / "state")
    web1.break_with("laravel-log", writer="no")
    before = log_of(web1)
    with ExitStack() as limits:
        begun: list[ChangeIntended] = []

        def listen(event: Event) -> None:
            if isinstance(event, ChangeIntended) and not begun:  # at a second one the first limit may still stand, and
                begun.append(event)  # what would be put back then is that one
                limits.enter_context(limited(web1, spare=spare))
                lift = threading.Timer(4, limits.pop_all().close)
                limits.callback(lift.join)
                lift.start()

        report = rehearsal.remediate(listener=listen)
    if isinstance(report.outcome, Refusal):
        assert "is it full?" not in report.outcome.why, "it is not"
    check_truth(web1, report, before)
    check_end(rehearsal, report)


@pytest.mark.parametrize("kib", some(2500, 3000, 3500, 4000, 4500, 5000, everyday=(4000,)))
def test_a_host_that_has_hardly_any_memory_to_give_is_never_called_healthy(
    web1: LabHost, tmp_path: Path, kib: int
) -> None:
    rehearsal = Rehearsal(web1, tmp_path / "state")
    web1.break_with("laravel-log", writer="no")
    before = log_of(web1)
    with short_of_memory(web1, kib):
        seen = rehearsal.preview()
        report = rehearsal.remediate()
    assert not isinstance(seen.outcome, NotNeeded | Crashed), seen.outcome
    check_truth(web1, report, before)
    check_end(rehearsal, report)
