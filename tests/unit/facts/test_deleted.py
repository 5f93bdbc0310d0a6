from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.deleted import DeletedFile, ReadPrograms, read_deleted
from tests.unit.facts.answers import BTRFS, NOT_THERE, captured, complaint, said, see

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
REAL = (
    ("find /proc /proc/1", captured("deleted-open", status=1, stderr=complaint("/proc/146/fd/6"))),
    ("stat -L", captured("deleted-stat")),
    ("flags", captured("deleted-flags")),
    ("cgroup", captured("deleted-processes")),
    ("exe", captured("deleted-programs")),
)


def deleted(*rules: Any) -> tuple[DeletedFile, ...]:
    seen = see(read_deleted(Reader()), *HOST, *rules)
    assert isinstance(seen, tuple)
    return seen


def test_a_real_hosts_deleted_log_is_one_file_held_by_three() -> None:
    (file,) = deleted(*REAL)  # php-fpm's deleted file lies in memory
    assert (file.path, str(file.file_system.mount)) == (Path("/var/log/nginx/access.log"), "/var/log")
    assert [(one.process and one.process.pid, str(one.program)) for one in file.holders] == [
        (44, "/usr/sbin/nginx"),
        (45, "/usr/sbin/nginx"),
        (46, "/usr/sbin/nginx"),
    ]


def test_nothing_deleted_takes_one_round() -> None:
    assert see(read_deleted(Reader()), *HOST, ("find /proc", said()), most_rounds=1) == ()


def test_a_file_with_a_name_is_not_deleted_whatever_it_is_called() -> None:
    assert (
        deleted(
            ("find /proc /proc/1", said("/proc/12/fd/3\t/srv/x (deleted)\0")),
            ("stat -L", said("/proc/12/fd/3\t1796\t2\t1\t10\t8\n")),
            ("flags", said("/proc/12/fdinfo/3:flags:\t01\n")),
            ("cgroup", said()),
            ("exe", said()),
        )
        == ()
    )


@pytest.mark.parametrize("mount, where", [(40, ["/srv"]), (99, [])])
def test_on_btrfs_the_mount_says_where_a_deleted_file_lies(mount: int, where: list[str]) -> None:
    # 99 is the mount of memory that has no name
    found = see(
        read_deleted(Reader()),
        *BTRFS,
        ("find /proc /proc/1", said("/proc/12/fd/3\t/srv/x (deleted)\0")),
        ("stat -L", said("/proc/12/fd/3\t52\t2\t0\t10\t8\n")),
        ("flags", said("/proc/12/fdinfo/3:flags:\t01\n")),
        ("mnt_id", said(f"/proc/12/fdinfo/3:mnt_id:\t{mount}\n")),
        ("cgroup", said()),
        ("exe", said()),
    )
    assert [str(one.file_system.mount) for one in found] == where


def test_a_program_that_was_upgraded_is_still_that_program() -> None:
    assert ReadPrograms((7,)).answer(said("/proc/7/exe\t/usr/sbin/nginx (deleted)\0")) == {7: Path("/usr/sbin/nginx")}
    assert ReadPrograms((7,)).answer(said(status=1, stderr=complaint("/proc/7/exe"))) == {}


@pytest.mark.parametrize("answer", [NOT_THERE, said("garbage\0"), said("/etc/exe\t/x\0"), said(status=1)])
def test_garbage_is_an_error(answer: Any) -> None:
    with pytest.raises(FactError):
        ReadPrograms((7,)).answer(answer)
