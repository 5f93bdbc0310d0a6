from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.deleted import DeletedFile, Holder
from soleil_remediate.facts.disks import FileSystem, FileSystems, UnreadFileSystem
from soleil_remediate.facts.growth import GrowingLog, Growth
from soleil_remediate.facts.processes import Process
from soleil_remediate.looks.disks import DiskDeletedOpen, DiskForecast, DiskLargest, DiskLogs, DiskOverview
from soleil_remediate.plan import FileIdentity
from soleil_remediate.task import Look, Table, Text
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import captured, complaint, record, said, see
from tests.unit.tasks.values import SRV, descriptor, file, file_system, file_systems

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
NOW = seconds_at(2026, 1, 1, 12)


def rows(look: Look[Any], seen: Any) -> list[tuple[str, ...]]:
    shown = look.show(seen)
    assert isinstance(shown, Table)
    assert all(len(row) == len(shown.columns) for row in shown.rows)
    assert len(shown.align) == len(shown.columns)
    return list(shown.rows)


def lines(look: Look[Any], seen: Any) -> tuple[str, ...]:
    shown = look.show(seen)
    assert isinstance(shown, Text)
    return shown.lines


def test_the_overview_shows_every_disk_and_what_was_not_measured() -> None:
    look = DiskOverview()
    found = rows(look, see(look.read(Reader()), *HOST, most_rounds=1))
    assert ("/srv", "ext4", "295 MiB", "100 %", "0 B", "6 MiB", "1 %", "") in found
    unread = UnreadFileSystem(mount=Path("/mnt/nfs"), why="remote (nfs4)", is_remote=True)
    odd = FileSystems(all=(file_system(inodes=None, is_read_only=True),), unread=(unread,))
    assert rows(look, odd) == [
        ("/srv", "ext4", "1 GiB", "100 %", "0 B", "0 B", "no limit", "read only"),
        ("/mnt/nfs", "remote (nfs4)", "", "", "", "", "", "not measured"),
    ]


FILES = record("/srv/export.csv", size=MiB(200), device=SRV, owner="www-data", modified=NOW)
FOLDERS = b"".join(
    f"{size}\t{path}\0".encode()
    for size, path in (
        (MiB(205).real, "/srv"),
        (MiB(204).real, "/srv/app"),
        (MiB(203).real, "/srv/app/logs"),
        (MiB(50).real, "/srv/dumps"),
    )
)


def largest(look: DiskLargest, files: Output, folders: Output, df: Output | None = None) -> list[tuple[str, ...]]:
    rules = ("--inodes", said("900\t/srv/many\0")), ("du", folders), ("find", files)
    host = HOST[0], (("df -l", df) if df else HOST[1])
    return rows(look, see(look.read(Reader()), *host, *rules))


def test_the_fullest_disk_is_searched_and_what_explains_most_is_shown() -> None:
    assert largest(DiskLargest(), said(FILES), said(FOLDERS)) == [
        ("file", "200 MiB", "/srv/export.csv", "www-data", "2026-01-01 12:00"),
        ("folder", "203 MiB", "/srv/app/logs", "", ""),
        ("folder", "50 MiB", "/srv/dumps", "", ""),
    ]
    assert len(largest(DiskLargest(top=1), said(FILES * 3), said(FOLDERS))) == 2


def test_what_there_was_no_time_for_is_said() -> None:
    look = DiskLargest(within=Duration(5))
    partial = ("", "", "and perhaps more: not all could be seen within 5 s", "", "")
    found = largest(look, said(FILES, status=124), said(FOLDERS, status=124))
    assert found.count(partial) == 2
    assert largest(look, said(status=124), said(status=124)) == [partial, partial]


def test_what_could_not_be_read_is_unknown_beside_what_could() -> None:
    (files, folders) = largest(DiskLargest(), said("garbage"), said("garbage"))
    assert files[0] == "file"
    assert files[2].startswith("unknown: ")
    assert folders[0] == "folder"
    assert folders[2].startswith("unknown: ")


def disks(**shares: str) -> Output:
    text = captured("df").text
    for mount, line in shares.items():
        text = "".join(line + "\n" if row.endswith(f"/{mount}\n") else row for row in text.splitlines(keepends=True))
    return said(text)


def test_a_disk_short_of_inodes_shows_where_the_files_are() -> None:
    df = disks(srv="309313536 1000000 300000000 19200 19200 0 /srv")
    assert ("folder", "900 inodes", "/srv/many", "", "") in largest(DiskLargest(), said(FILES), said(FOLDERS), df)


def test_where_none_is_full_the_fullest_is_searched_and_nothing_large_is_said_in_words() -> None:
    look = DiskLargest()
    df = disks(srv="309313536 1000000 300000000 19200 92 19108 /srv")
    rules = ("du", said()), ("find / -xdev", said())
    seen = see(look.read(Reader()), HOST[0], ("df -l", df), *rules)
    assert lines(look, seen) == ("no file and no folder takes 1 % of /",)


def deleted(*holders: Holder) -> DeletedFile:
    return DeletedFile(
        path=Path("/srv/a.log"),
        identity=FileIdentity(SRV, 10),
        size=MiB(5),
        allocated=MiB(5),
        file_system=file_system(),
        holders=holders,
    )


def test_deleted_files_are_shown_with_who_holds_them() -> None:
    look = DiskDeletedOpen(top=1)
    nginx = Process(pid=7, parent=1, started=1, name="nginx", unit=None)
    known = Holder(descriptor=descriptor(7), process=nginx, program=None)
    ended = Holder(descriptor=descriptor(8), process=None, program=None)
    one = deleted(known, ended, known)
    assert rows(look, (one, one)) == [("5 MiB", "/srv", "/srv/a.log", "nginx (7), process 8")]
    assert lines(look, ()) == ("no deleted file is still open",)


def test_a_real_hosts_deleted_log_is_shown() -> None:
    look = DiskDeletedOpen()
    rules = (
        ("find /proc /proc/1", captured("deleted-open", status=1, stderr=complaint("/proc/146/fd/6"))),
        ("stat -L", captured("deleted-stat")),
        ("flags", captured("deleted-flags")),
        ("cgroup", captured("deleted-processes")),
        ("exe", captured("deleted-programs")),
    )
    ((_, mount, path, held),) = rows(look, see(look.read(Reader()), *HOST, *rules))
    assert (mount, path, held) == ("/var/log", "/var/log/nginx/access.log", "nginx (44), nginx (45), nginx (46)")


def log(rate: float | None, name: str = "a", age: int = 60, device: int = SRV) -> GrowingLog:
    until = None if rate is None else NOW - age
    return GrowingLog(file=file(f"/srv/{name}.log", 100, device=device), rate=rate, since=0, until=until)


def growth(*logs: GrowingLog, disk: FileSystem | None = None, is_partial: bool = False) -> Growth:
    return Growth(logs=logs, is_partial=is_partial, now=NOW, file_systems=file_systems(disk or file_system()))


HALF_FULL = file_system(used=MiB(512), available=MiB(512))


def test_logs_are_shown_with_how_fast_they_grew() -> None:
    look = DiskLogs()
    seen = growth(log(2**21), log(1000.0, "b"), log(None, "c"))
    assert rows(look, seen) == [
        ("100 MiB", "120 MiB/min", "2026-01-01 11:59", "/srv/a.log"),
        ("100 MiB", "3.4 MiB/h", "2026-01-01 11:59", "/srv/b.log"),
        ("100 MiB", "", "", "/srv/c.log"),
    ]
    partial = rows(DiskLogs(within=Duration(3)), growth(is_partial=True))
    assert partial == [("", "", "", "and perhaps more: not all could be seen within 3 s")]
    assert lines(look, growth()) == ("no log takes more than 1 MiB",)


@pytest.mark.parametrize("kind", [DiskLogs, DiskForecast])
def test_growth_is_read_from_a_host(kind: type[Look[Growth]]) -> None:
    minute = f"{'[2026-01-01 11:58:59] x':1023}\n\0\0\0[2026-01-01 11:58:59] a\n[2026-01-01 11:59:59] b\n"
    rules = (
        ("find", said(record("/srv/a.log", size=MiB(9), device=SRV))),
        ("date", said(f"{NOW}\n")),
        ("sample-log", said(minute)),
    )
    look = kind()
    (seen,) = see(look.read(Reader()), *HOST, *rules).logs
    assert seen.rate == 24 / 60


def test_the_forecast_says_when_a_disk_is_full() -> None:
    look = DiskForecast()
    (line,) = lines(look, growth(log(2**20 / 64), disk=HALF_FULL))
    assert line == "/srv full in about 9 h 6 min: /srv/a.log grows by 56.2 MiB/h"
    (line,) = lines(look, growth(log(2**14), log(1.0, "b"), log(1.0, "c"), disk=HALF_FULL))
    assert line.startswith("/srv full in about 9 h 6 min: /srv/a.log, /srv/b.log and 1 more grow by ")


def test_a_full_disk_is_full_and_what_filled_it_may_be_silent_since() -> None:
    (line,) = lines(DiskForecast(), growth(log(MiB(2).real / 60, age=86400)))
    assert line == "/srv is full; /srv/a.log grew by 2 MiB/min: 120 MiB for every hour to come"


def test_quiet_logs_other_disks_and_unknown_rates_promise_nothing() -> None:
    silent = ("no large log says that it grows",)
    look = DiskForecast(within=Duration(3))
    assert lines(look, growth(log(9.0, age=3601), disk=HALF_FULL)) == silent
    assert lines(look, growth(log(9.0, device=99), disk=file_system("/other", 5))) == silent
    assert lines(look, growth(log(None), log(0.0), disk=HALF_FULL)) == silent
    assert lines(look, growth(disk=HALF_FULL, is_partial=True)) == (
        "not all logs could be seen within 3 s: others may grow as well",
    )


@pytest.mark.parametrize("kind", [DiskLargest, DiskDeletedOpen, DiskLogs, DiskForecast])
def test_showing_nothing_is_no_look(kind: Any) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        kind(top=0)


def test_sizes_are_sizes() -> None:
    assert isinstance(HALF_FULL.available, ByteSize)
