from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.packages import CleanPackageCache, PackageCacheSeen
from soleil_remediate.units import MiB
from tests.unit.facts.answers import captured, complaint, see
from tests.unit.tasks.values import file, file_system, file_systems, nothing, refusal

TASK = CleanPackageCache()


def seen(*files: Any) -> PackageCacheSeen:
    disks = file_systems(file_system("/", 1), file_system("/var/cache", 2))
    return PackageCacheSeen(files=files, file_systems=disks)


def test_downloads_go_and_each_file_system_gets_its_own_back() -> None:
    (change,) = TASK.plan(
        seen(file("/a/1.deb", 20, device=2), file("/a/2.deb", 30, device=2), file("/b/pkgcache.bin", 5, device=1))
    ).changes
    assert change.command.words[3:] == ("clean-packages", "/", "/var/cache")
    assert "\napt-get clean\n" in change.command.words[2]
    assert (change.risk, change.before) == (Risk.GENTLE, "55 MiB")
    assert [(one.subject, one.amount) for one in change.relieves] == [
        ("space on /", "5 MiB"),
        ("space on /var/cache", "50 MiB"),
    ]


@pytest.mark.parametrize("other", [{}, {"is_read_only": True}, {"is_stopped": True}])
def test_what_lies_where_nothing_can_be_freed_is_not_promised(other: dict[str, Any]) -> None:
    disks = file_systems(file_system("/srv", 1), *([file_system("/nfs", 7, **other)] if other else []))
    lost = PackageCacheSeen(files=(file("/nfs/1.deb", 20, device=7),), file_systems=disks)
    assert "no file system that was measured and can be written" in refusal(TASK, lost)
    (change,) = TASK.plan(replace(lost, files=(*lost.files, file("/srv/1.deb", 5, device=1)))).changes
    assert [(one.subject, one.amount) for one in change.relieves] == [("space on /srv", "5 MiB")]


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
