"""Clocks that are wrong, by an hour or a month, here or on the host, and clocks that jump in the middle of a change."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import ExitStatus, HostLocked
from soleil_remediate.transports.ssh import SshTransport
from tests.contract.conftest import WITHIN, output, ssh_host
from tests.contract.controllers import Desk
from tests.sshd import IS_ROOT, Sshd, private_sshd
from tests.waiting import eventually

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="changes need root"),
    pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed: scripts/setup tests"),
]

HOUR, MONTH = 3600, 30 * 86400
#: What the program faketime preloads; the dynamic linker knows what $LIB is.
LIBRARY = "/usr/$LIB/faketime/libfaketime.so.1"
#: Only the clock on the wall is another; what measures durations cannot be set on a real machine either.
WALL_ONLY = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture(autouse=True)
def _nothing_of_faketime_stays() -> Iterator[None]:
    """What is killed, or ends without its exit handlers, leaves libfaketime's own files behind."""
    before = set(Path("/dev/shm").glob("*faketime_*"))
    yield
    for path in set(Path("/dev/shm").glob("*faketime_*")) - before:
        if not Path("/proc", path.name.rpartition("_")[2]).exists():  # what runs is another test's
            path.unlink(missing_ok=True)


@pytest.fixture
def desk(tmp_path: Path, work: Path, sshd: Sshd) -> Desk:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    return Desk.at(tmp_path, work, sshd)


def check_record(desk: Desk) -> list[float]:
    """Hold what the record says of order and durations, and return how far its clock was off, line by line."""
    record = desk.record
    assert [line["n"] for line in record if "n" in line] == list(range(1, len(record) + 1))
    for line in record:
        assert 0 <= line.get("took", 0) < 60, "a duration was measured with the clock on the wall"
    return [datetime.fromisoformat(line["at"]).timestamp() - time.time() for line in record]


@pytest.mark.parametrize("off", [HOUR, -HOUR, MONTH, -MONTH])
def test_a_controller_whose_clock_is_off_repairs_proves_and_tells_as_any_other(desk: Desk, off: int) -> None:
    desk.environment = WALL_ONLY
    ahead = ("faketime", "-f", f"{off:+d}s")
    said = desk.run(*desk.words(), before=ahead)
    assert (said.status, said.err) == (ExitStatus.OK, "")
    assert desk.ledger == ["begun first", "done first", "begun good", "done good"]
    assert all(abs(one - off) < HOUR / 2 for one in check_record(desk)), "its clock was not off"


@pytest.mark.parametrize("jump", [MONTH, -MONTH])
def test_a_clock_that_jumps_in_the_middle_of_a_change_ends_no_wait_and_begins_none(desk: Desk, jump: int) -> None:
    clock = desk.folder / "clock"
    clock.write_text("+0s\n")
    desk.environment = WALL_ONLY | {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    process = desk.start(*desk.words(takes="1 s"), before=("env", f"LD_PRELOAD={LIBRARY}"))
    assert eventually(lambda: "begun first" in desk.ledger, within=30)
    clock.write_text(f"{jump:+d}s\n")
    out, err = process.communicate(timeout=50)
    assert (process.returncode, err) == (ExitStatus.OK, ""), out
    assert desk.ledger == ["begun first", "done first", "begun good", "done good"]
    off = check_record(desk)
    assert abs(off[0]) < HOUR / 2 < abs(off[-1]), "the clock did not jump"


@pytest.mark.parametrize("off", [HOUR, -HOUR, MONTH, -MONTH])
def test_a_host_whose_clock_is_off_is_repaired_and_its_lock_neither_runs_out_nor_stays(
    folder: Path, tmp_path: Path, work: Path, off: int
) -> None:
    there = f"SetEnv LD_PRELOAD={LIBRARY} FAKETIME={off:+d}s FAKETIME_DONT_FAKE_MONOTONIC=1"
    with private_sshd(folder / f"sshd{off}", options=there) as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        desk = Desk.at(tmp_path, work, sshd)
        inventory = desk.folder / "inventory.yml"  # sudo would give root the right time again
        inventory.write_text(inventory.read_text().replace("  vars:\n", "  vars:\n    ansible_become: false\n"))
        mine, theirs = (SshTransport().open(ssh_host(sshd, become=False), within=WITHIN) for _ in range(2))
        (says,) = mine.ask([Command(("date", "+%s"))])
        assert abs(int(output(says).text) - time.time() - off) < HOUR / 2, "its clock is not off"
        mine.claim("jan@laptop")
        with pytest.raises(HostLocked, match="jan@laptop"):
            theirs.claim("ann")
        said = desk.run(*desk.words())
        assert said.status == ExitStatus.DECLINED
        assert desk.ledger == []
        mine.close()
        theirs.close()
        assert desk.run(*desk.words(takes="1 s")).status == ExitStatus.OK
        assert desk.ledger == ["begun first", "done first", "begun good", "done good"]
