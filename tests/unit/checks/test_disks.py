from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.disks import INODES_NEEDED, DiskInodes, DiskUsed, DiskWritable
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.disks import FileSystems, UnreadFileSystem, space_on
from soleil_remediate.task import Check, Health, Verdict
from soleil_remediate.units import ByteSize, MiB, Percent
from tests.unit.facts.answers import captured, see
from tests.unit.tasks.values import file_system, file_systems

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
WRITABLE = DiskWritable(user="www-data")
FINE = file_system("/", 1, used=MiB(500), available=MiB(524))


def measures(verdict: Verdict) -> dict[str, tuple[str, bool]]:
    return {one.label: (one.value, one.is_faulty) for one in verdict.measures}


def judge_here(check: Check[FileSystems]) -> Verdict:
    return check.judge(see(check.read(Reader()), *HOST, most_rounds=1))


def test_what_has_to_hold_is_said_in_words() -> None:
    everywhere = (DiskWritable(user="www-data"), DiskUsed(below=Percent(80)), DiskInodes(below=Percent(80)))
    assert [check.aim() for check in everywhere] == ["www-data can write", "used below 80 %", "inodes below 80 %"]
    only = [replace(check, mount=Path("/srv")).aim() for check in everywhere]
    assert only == ["www-data can write on /srv", "used below 80 % on /srv", "inodes below 80 % on /srv"]


def test_many_file_systems_are_counted_and_few_are_named() -> None:
    fine = [file_system(mount, number, used=MiB(1), available=MiB(9)) for number, mount in enumerate(("/", "/a", "/b"))]
    for check, named, counted in (
        (DiskWritable(user="www-data"), "www-data can write to /, /a", "www-data can write to all 3 file systems"),
        (DiskUsed(below=Percent(80)), "/, /a below 80 %", "all 3 file systems below 80 %"),
        (DiskInodes(below=Percent(80)), "inodes of /, /a below 80 %", "inodes of all 3 file systems below 80 %"),
    ):
        assert check.judge(file_systems(*fine[:2])).why == named
        assert check.judge(file_systems(*fine)).why == counted


def test_a_real_full_disk_is_seen_by_every_check_and_named() -> None:
    verdict = judge_here(WRITABLE)
    assert verdict.health is Health.FAULTY
    assert verdict.why == "/srv 100 % of 295 MiB, 0 B free for www-data, inodes 1 %"
    assert verdict.faults == {space_on(Path("/srv"))}
    assert measures(verdict)["www-data can write to /srv"] == ("no", True)
    assert measures(verdict)["/srv used"] == ("100 %", True)
    assert measures(verdict)["www-data can write to /var/log"] == ("yes", False)
    assert judge_here(DiskUsed(below=Percent(80))).faults == {"space on /srv"}
    assert judge_here(DiskInodes(below=Percent(80))).health is Health.HEALTHY


def test_root_may_use_what_is_reserved_for_it() -> None:
    assert judge_here(DiskWritable(user="root")).health is Health.HEALTHY
    assert judge_here(DiskWritable(user="root", room=MiB(7))).health is Health.FAULTY


@pytest.mark.parametrize("check", [WRITABLE, DiskUsed(below=Percent(80)), DiskInodes(below=Percent(1))])
def test_only_the_file_system_asked_for_counts(check: Any) -> None:
    log = type(check)(**{**vars(check), "mount": Path("/var/log")})
    verdict = judge_here(log)
    assert all("/var/log" in one.label for one in verdict.measures)
    assert verdict.faults <= {"inodes on /var/log"}
    with pytest.raises(FactError, match="/nope is no mount point"):
        judge_here(type(check)(**{**vars(check), "mount": Path("/nope")}))


@pytest.mark.parametrize(
    "other, faults",
    [
        ({"available": MiB(1)}, set()),
        ({"available": ByteSize(MiB(1) - 1)}, {"space on /srv"}),
        ({"available": MiB(9), "inodes_used": 1000 - INODES_NEEDED}, set()),
        ({"available": MiB(9), "inodes_used": 1001 - INODES_NEEDED}, {"inodes on /srv"}),
        ({"inodes_used": 1000}, {"space on /srv", "inodes on /srv"}),
        ({"available": MiB(9), "inodes": None}, set()),
        ({"available": MiB(9), "is_stopped": True}, {"read only /srv"}),
        ({"is_stopped": True}, {"read only /srv"}),
    ],
)
def test_what_a_user_needs_to_write(other: dict[str, Any], faults: set[str]) -> None:
    verdict = WRITABLE.judge(file_systems(FINE, file_system(**other)))
    assert verdict.faults == faults
    assert verdict.health is (Health.FAULTY if faults else Health.HEALTHY)
    assert measures(verdict)["www-data can write to /srv"] == ("no" if faults else "yes", bool(faults))
    if "read only /srv" in faults:
        assert verdict.why == "/srv is not full: the kernel stopped all writing there after an error (see dmesg)"


EVERY_CHECK = (WRITABLE, DiskUsed(below=Percent(80)), DiskInodes(below=Percent(1)))


@pytest.mark.parametrize("check", EVERY_CHECK)
@pytest.mark.parametrize("used", [MiB(1024), MiB(1)])
def test_a_file_system_that_is_mounted_read_only_is_not_at_fault_however_full_it_is(check: Any, used: ByteSize) -> None:
    fine = file_system("/", 1, used=MiB(500), available=MiB(524), inodes_used=0)
    verdict = check.judge(file_systems(fine, file_system("/usr", is_read_only=True, used=used, inodes_used=1000)))
    assert (verdict.health, verdict.faults) == (Health.HEALTHY, set())
    assert not any("/usr" in one.label for one in verdict.measures)


def test_what_is_mounted_read_only_is_named_beside_a_good_verdict() -> None:
    verdict = WRITABLE.judge(file_systems(FINE, file_system("/usr", is_read_only=True)))
    assert verdict.why == "www-data can write to /; mounted read only: /usr"


def test_a_file_system_that_was_named_and_is_read_only_cannot_be_written_and_is_not_full() -> None:
    seen = file_systems(file_system(is_read_only=True))
    verdict = DiskWritable(user="www-data", mount=Path("/srv")).judge(seen)
    assert (verdict.health, verdict.faults) == (Health.FAULTY, {"read only /srv"})
    assert verdict.why == "/srv is not full: it is mounted read only"
    for check in (DiskUsed(below=Percent(80), mount=Path("/srv")), DiskInodes(below=Percent(80), mount=Path("/srv"))):
        verdict = check.judge(seen)
        assert (verdict.health, verdict.why) == (Health.UNKNOWN, "nothing can be written to /srv, full or not")


def test_a_host_on_which_nothing_can_be_written_is_unknown() -> None:
    verdict = WRITABLE.judge(file_systems(file_system("/", is_read_only=True)))
    assert (verdict.health, verdict.why) == (Health.UNKNOWN, "nothing can be written to /, full or not")


def test_a_full_file_system_that_the_kernel_stopped_is_never_called_full() -> None:
    seen = file_systems(FINE, file_system(is_stopped=True, inodes_used=1000))
    assert WRITABLE.judge(seen).faults == {"read only /srv"}
    for check in (DiskUsed(below=Percent(80)), DiskInodes(below=Percent(80))):
        assert check.judge(seen).health is Health.HEALTHY


def test_quotas_that_nobody_looked_at_are_named_beside_a_good_verdict() -> None:
    verdict = WRITABLE.judge(file_systems(file_system("/home", 1, available=MiB(9), has_quotas=True), FINE))
    assert verdict.why == "www-data can write to /home, /; quotas of /home were not looked at"


def test_a_file_system_without_a_limit_of_inodes_is_described_without_one() -> None:
    assert WRITABLE.judge(file_systems(file_system(inodes=None))).why == "/srv 100 % of 1 GiB, 0 B free for www-data"


@pytest.mark.parametrize(
    "used, health", [(790, Health.HEALTHY), (791, Health.FAULTY), (800, Health.FAULTY), (1000, Health.FAULTY)]
)
def test_exactly_so_much_used_is_too_much_rounded_up_as_df_does(used: int, health: Health) -> None:
    one = file_system(used=ByteSize(used), available=ByteSize(1000 - used), inodes_used=used)
    space, inodes = DiskUsed(below=Percent(80)), DiskInodes(below=Percent(80))
    for check, fault in ((space, "space on /srv"), (inodes, "inodes on /srv")):
        verdict = check.judge(file_systems(FINE, one))
        assert verdict.health is health
        assert verdict.faults == ({fault} if health is Health.FAULTY else set())


def test_no_limit_of_inodes_is_always_fine() -> None:
    verdict = DiskInodes(below=Percent(1)).judge(file_systems(file_system(inodes=None)))
    assert (verdict.health, verdict.measures) == (Health.HEALTHY, ())


def test_what_was_not_measured_is_unknown_unless_it_is_left_out_on_purpose() -> None:
    def with_unread(*, is_remote: bool) -> FileSystems:
        unread = UnreadFileSystem(mount=Path("/mnt/x"), why="because", is_remote=is_remote)
        return FileSystems(all=(FINE,), unread=(unread,))

    for check in (WRITABLE, DiskUsed(below=Percent(80)), DiskInodes(below=Percent(80))):
        verdict = check.judge(with_unread(is_remote=False))
        assert (verdict.health, verdict.why) == (Health.UNKNOWN, "/mnt/x: because")
        left_out = check.judge(with_unread(is_remote=True))
        assert left_out.health is Health.HEALTHY
        assert left_out.why.endswith("; not looked at, as it is remote: /mnt/x")
        assert "remote" not in check.judge(file_systems(FINE)).why


def test_a_fault_is_a_fault_whatever_else_was_not_measured() -> None:
    unread = UnreadFileSystem(mount=Path("/mnt/x"), why="because", is_remote=False)
    verdict = WRITABLE.judge(FileSystems(all=(file_system(),), unread=(unread,)))
    assert (verdict.health, verdict.faults) == (Health.FAULTY, {space_on(Path("/srv"))})


@pytest.mark.parametrize("check", [DiskUsed, DiskInodes])
def test_a_share_that_nothing_is_below_is_refused(check: Any) -> None:
    with pytest.raises(ValueError, match="nothing is below 0 %"):
        check(below=Percent(0))
