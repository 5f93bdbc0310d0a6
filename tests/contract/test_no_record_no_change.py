"""No record, no change: what a controller does whose disk is really full, read-only or somebody else's."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.controllers import Desk, Said, fill, small_disk
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="mounts small disks, and changes need root")
NOBODY = 65534


@pytest.fixture
def desk(tmp_path: Path, work: Path, sshd: Sshd) -> Desk:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    assert eventually(lambda: "Connection from " in sshd.log)  # whoever waited for it to listen
    return Desk.at(tmp_path, work, sshd)


@pytest.fixture
def disk(desk: Desk) -> Iterator[Path]:
    """A small disk under the state folder."""
    with small_disk() as folder:
        desk.state = folder
        yield folder


def refused(desk: Desk, *before: str) -> str:
    """Run a controller that must refuse, without as much as a connection, and return what it said."""
    connections = desk.connections
    said = desk.run(*desk.words(), before=before)
    assert (said.status, said.out) == (ExitStatus.DECLINED, "")
    assert desk.connections == connections, "a host was contacted"
    assert desk.ledger == []
    assert "Traceback" not in said.err
    return said.err


# --- before the run ---------------------------------------------------------------------------------------------------


def test_on_a_full_disk_no_host_is_contacted(desk: Desk, disk: Path) -> None:
    fill(disk)
    said = refused(desk)
    assert "cannot be written: No space left on device. Without a record nothing is sent" in said
    assert "To go on: free space there" in said
    assert "no run yet" in desk.run("runs", "list").out


def test_on_a_disk_with_room_for_a_name_only_no_host_is_contacted_either(desk: Desk, disk: Path) -> None:
    (disk / "soleil-remediate" / "runs").mkdir(parents=True)
    (disk / "soleil-remediate" / "evidence").mkdir()
    fill(disk)
    assert "No space left on device" in refused(desk)
    assert list((disk / "soleil-remediate" / "runs").iterdir()) == []


def test_on_a_read_only_disk_no_host_is_contacted(desk: Desk, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    said = refused(desk)
    assert "cannot be written: Read-only file system. Without a record nothing is sent" in said
    assert "name another folder in XDG_STATE_HOME" in said


def test_where_the_folders_are_not_ones_own_no_host_is_contacted(desk: Desk) -> None:
    folder = desk.state / "soleil-remediate" / "evidence"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    assert f"To go on: chmod go-w {folder}" in refused(desk)


def test_in_the_home_of_somebody_else_as_sudo_may_leave_it_nothing_is_begun(desk: Desk, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    desk.environment = {"HOME": str(home), "XDG_STATE_HOME": ""}
    said = refused(desk)
    assert f"{home} belongs to nobody, and nothing of ours is begun in it" in said
    assert "To go on: use sudo -H" in said
    assert list(home.iterdir()) == []


@pytest.fixture
def nobodys(work: Path, sshd: Sshd) -> Desk:
    """The desk of a user who stands in no list and has no home, as in a container."""
    for needed in (ROOT, Path(sys.prefix)):
        if not all(folder.stat().st_mode & 0o001 for folder in (needed, *needed.parents)):
            pytest.skip(f"nobody else may read {needed}, which such a user has to run")
    desk = Desk.at(work, work, sshd)
    key, inventory = work / "key", work / "inventory.yml"
    key.write_bytes(sshd.key.read_bytes())  # one that this user may read
    key.chmod(0o600)
    desk.state.mkdir()
    for path in (key, desk.state):
        os.chown(path, 60_999, 60_999)
    inventory.write_text(inventory.read_text().replace(str(sshd.key), str(key)))
    desk.environment = {"LOGNAME": "ci"}  # ssh itself wants a name
    return desk


AS_NOBODY = ("env", "-u", "HOME", "setpriv", "--reuid=60999", "--clear-groups")


def test_a_user_without_a_home_and_without_a_name_is_told_what_to_set(nobodys: Desk) -> None:
    connections = nobodys.connections
    nobodys.environment |= {"XDG_STATE_HOME": ""}
    said = nobodys.run(*nobodys.words(), before=AS_NOBODY)
    assert (said.status, said.out) == (ExitStatus.USAGE, "")
    assert said.err == (
        "there is no place for records: HOME is not set, and this user has no home folder. "
        "To go on: name a folder in XDG_STATE_HOME\n"
    )
    assert nobodys.connections == connections


def test_a_user_without_a_home_who_names_a_folder_for_records_can_repair(nobodys: Desk, work: Path) -> None:
    (work / "big").write_bytes(b"precious\n")
    said = nobodys.run(*nobodys.words(saves=work / "big"), before=AS_NOBODY)
    assert (said.status, said.err) == (ExitStatus.OK, "")
    assert f"saved  {nobodys.state}" in said.out
    assert nobodys.says == "good"


# --- while it goes on -------------------------------------------------------------------------------------------------


def check_truth(desk: Desk, said: Said, *, unsent: int = 0) -> None:
    """Hold what was printed, the exit status and the record against what the host counted.

    Args:
        desk: Whose.
        said: What was printed.
        unsent: So many intents may stand in the record of which nothing was sent: the disk may not have them.
    """
    begun = [line for line in desk.ledger if line.startswith("begun")]
    assert desk.ledger == [line for one in begun for line in (one, one.replace("begun", "done"))]
    assert "Traceback" not in said.err + said.out
    history = desk.runs.history(desk.runs.list()[0].run)
    intended = [line for line in history.lines if line["type"] == "ChangeIntended"]
    ended = [line for line in history.lines if line["type"] == "HostEnded"]
    assert 0 <= len(intended) - len(begun) <= unsent, (
        "something was sent without its intent on disk, or the other way round"
    )
    shown, out = desk.shown(), " ".join(said.out.split())
    if ended:
        # The last line may be one that was never waited for on disk: then the person was told of no end on record.
        assert f"{ended[0]['outcome']['verdict']} web1" in out or (unsent and "this end stands on no record" in out)
    else:
        assert said.status != ExitStatus.OK, "a record without an end must not look like success"
        assert " FIXED web1" not in out.replace("NOT FIXED", "")
        assert ("MAY have been changed" in shown) is bool(history.unanswered)
        assert ("Nothing was sent to any host" in shown) is (not intended)
    if begun:
        assert "nothing was sent" not in said.out
        assert f"{len(begun)} change" in said.out
        assert said.status in (ExitStatus.OK, ExitStatus.NOT_FIXED)
    else:
        assert said.status == ExitStatus.DECLINED


@pytest.mark.parametrize("when", ["begun first", "done first", "begun good"])
def test_a_disk_that_fills_up_after_an_intent_stops_what_has_not_been_sent(desk: Desk, disk: Path, when: str) -> None:
    process = desk.start(*desk.words(takes="0.3 s"))
    assert eventually(lambda: when in desk.ledger, within=20)
    fill(disk)
    out, err = process.communicate(timeout=50)
    check_truth(desk, Said(status=process.returncode, out=out, err=err))


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_record_that_can_take_no_more_from_any_place_on_leaves_the_truth(desk: Desk) -> None:
    """The kernel lets the file grow so far and no further, in the middle of lines and at their ends."""
    assert desk.run(*desk.words()).status == ExitStatus.OK
    (path,) = (desk.state / "soleil-remediate" / "runs").iterdir()
    ends, place = list[int](), 0
    for line in path.read_bytes().splitlines(keepends=True):
        place += len(line)
        ends.append(place)
    limits = [ends[0] + 20, *(end - 30 for end in ends[2:]), ends[5], ends[-2]]
    for limit in limits:
        desk.reset()
        path.unlink()
        said = desk.run(*desk.words(), before=("prlimit", f"--fsize={limit}"))
        (path,) = (desk.state / "soleil-remediate" / "runs").iterdir()
        if limit < ends[1]:
            assert (said.status, desk.ledger) == (ExitStatus.DECLINED, [])
            assert "Without a record nothing is sent: no host was looked at" in said.err
            continue
        check_truth(desk, said)
        if not path.read_bytes().endswith(b"\n") and limit < ends[-2]:
            assert "cannot be written: File too large" in " ".join(said.out.split())


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: scripts/setup tests")
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_disk_that_fails_from_any_fsync_on_leaves_the_truth(desk: Desk, error: str) -> None:
    """As one that dies does, or one whose room is only then seen to be gone, such as that of a server of files.

    strace counts for each thread, and lets every fsync fail from its N-th on.
    """
    why = os.strerror(getattr(errno, error))
    assert desk.run(*desk.words()).status == ExitStatus.OK  # its folders are there from now on
    for number in count(1):
        desk.reset()
        (path,) = (desk.state / "soleil-remediate" / "runs").iterdir()
        path.unlink()
        injected = f"inject=fsync:error={error}:when={number}+"
        said = desk.run(*desk.words(), before=("strace", "-f", "-qq", "-o", "/dev/null", "-e", injected))
        runs = desk.runs.list()
        if not runs:
            assert (said.status, desk.ledger) == (ExitStatus.DECLINED, [])
            assert f"cannot be written: {why}. Without a record nothing is sent" in said.err
            assert desk.run(*desk.words()).status == ExitStatus.OK  # for the next turn
            continue
        if why not in " ".join((said.out + said.err).split()):
            assert said.status == ExitStatus.OK
            assert desk.ledger == ["begun first", "done first", "begun good", "done good"]
            assert number > 6, "a disk that fails was not noticed"
            break  # it waited for the disk less often than that
        check_truth(desk, said, unsent=1)
