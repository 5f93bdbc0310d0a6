from __future__ import annotations

from typing import Any

from soleil_remediate.command import Reader
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.packages import CleanPackageCache, PackageCacheSeen
from soleil_remediate.units import MiB
from tests.unit.facts.answers import captured, complaint, see
from tests.unit.tasks.values import file, file_system, file_systems, nothing

TASK = CleanPackageCache()


def seen(*files: Any) -> PackageCacheSeen:
    disks = file_systems(file_system("/", 1), file_system("/var/cache", 2))
    return PackageCacheSeen(files=files, file_systems=disks)


def test_downloads_go_and_each_file_system_gets_its_own_back() -> None:
    (change,) = TASK.plan(
        seen(file("/a/1.deb", 20, device=2), file("/a/2.deb", 30, device=2), file("/b/pkgcache.bin", 5, device=1))
    ).changes
    assert change.command.words == ("apt-get", "clean")
    assert (change.risk, change.before) == (Risk.GENTLE, "55 MiB")
    assert [(one.subject, one.amount) for one in change.relieves] == [
        ("space on /", "5 MiB"),
        ("space on /var/cache", "50 MiB"),
    ]


def test_what_lies_on_no_measured_file_system_is_not_promised() -> None:
    disks = file_systems(file_system("/srv", 1))
    (change,) = TASK.plan(PackageCacheSeen(files=(file("/nfs/1.deb", 20, device=7),), file_systems=disks)).changes
    assert change.relieves == ()


def test_next_to_nothing_is_left_alone() -> None:
    assert nothing(TASK, seen()) == "apt keeps 0 B, within 1 MiB"
    assert nothing(TASK, seen(file("/a/1.deb", 1, device=2))) == "apt keeps 1 MiB, within 1 MiB"
    assert nothing(CleanPackageCache(larger_than=MiB(50)), seen(file("/a/1.deb", 50, device=2)))


def test_a_real_hosts_cache_is_seen_in_one_round() -> None:
    indexes = complaint("/var/cache/apt/pkgcache.bin") + complaint("/var/cache/apt/srcpkgcache.bin")
    cache = captured("package-cache", status=1, stderr=indexes)
    rules = ("mountinfo", captured("mountinfo")), ("df", captured("df")), ("apt", cache)
    (change,) = TASK.plan(see(TASK.read(Reader()), *rules, most_rounds=1)).changes
    assert [one.subject for one in change.relieves] == ["space on /var/cache"]
