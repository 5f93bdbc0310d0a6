from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.deleted import DeletedFile, Holder
from soleil_remediate.facts.disks import FileSystem, FileSystems, UnreadFileSystem
from soleil_remediate.facts.growth import GrowingLog, Growth
from soleil_remediate.facts.processes import Process
from soleil_remediate.looks.disks import DiskDeletedOpen, DiskForecast, DiskLargest, DiskLogs, DiskOverview
from soleil_remediate.plan import FileIdentity
from soleil_remediate.task import Forecast, Look, Table, Text
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import captured, complaint, log_sample, record, said, see
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
    assert rows(look, FileSystems(all=(file_system(is_stopped=True),)))[0][-1] == "stopped after an error"


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


def test_on_btrfs_every_subvolume_that_is_mounted_by_itself_is_searched() -> None:
    mounts = said("27 1 0:40 /@ / rw - btrfs /dev/vda rw\n28 27 0:40 /@home /home rw - btrfs /dev/vda rw\n")
    df = said("1B-blocks Used Avail Inodes IUsed IFree Mounted on\n300000000 300000000 0 0 0 0 /\n")
    rules = ("df -l", df), ("-- / /home", said("205000000\t/\x00204000000\t/home\x00204000000\t/home/logs\0"))
    asked = see(DiskLargest().read(Reader()), ("mountinfo", mounts), *rules, ("find / /home -xdev", said()))
    assert rows(DiskLargest(), asked) == [("folder", "195 MiB", "/home/logs", "", "")]


def test_what_there_was_no_time_for_is_said() -> None:
    look = DiskLargest(within=Duration(5))
    partial = ("", "", "and perhaps more: not all could be seen (within 5 s, or for want of rights)", "", "")
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


def deleted(*holders: Holder, size: ByteSize = MiB(5)) -> DeletedFile:  # a size never changes
    return DeletedFile(
        path=Path("/srv/a.log"),
        identity=FileIdentity(SRV, 10),
        size=size,
        allocated=size,
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
    assert len(rows(DiskDeletedOpen(), (deleted(size=MiB(1)), deleted(size=ByteSize(MiB(1) - 1))))) == 1
    assert lines(look, (deleted(size=ByteSize(0)),)) == ("no deleted file that is still open takes 1 MiB",)
    assert lines(look, ()) == ("no deleted file that is still open takes 1 MiB",)


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


def log(rate: float | None, name: str = "a", age: int = 60, device: int = SRV, **other: Any) -> GrowingLog:
    """Return a log that grew for an hour until so many seconds ago; without a rate one that says nothing."""
    until = NOW - age
    said: dict[str, Any] = {"since": None, "until": None}
    if rate is not None:
        said = {"since": until - 3600, "until": until, "grown": ByteSize(round(rate * 3600))}
    one = file(f"/srv/{name}", 100, device=device, modified=until)
    return GrowingLog(**{"file": one, "rate": rate, **said, **other})


def burst(size: float, took: int, name: str = "a", age: int = 60) -> GrowingLog:
    """Return a log that became so many MiB longer within so many seconds, and keeps no rate."""
    return log(None, name, age, since=NOW - age - took, until=NOW - age, grown=MiB(size))


def growth(*logs: GrowingLog, disk: FileSystem | None = None, is_partial: bool = False) -> Growth:
    return Growth(logs=logs, is_partial=is_partial, now=NOW, file_systems=file_systems(disk or file_system()))


HALF_FULL = file_system(used=MiB(512), available=MiB(512))


def test_logs_are_shown_with_how_they_grew_as_far_as_they_say() -> None:
    look = DiskLogs()
    seen = growth(log(2**21), log(1000.0, "b"), log(None, "c"), burst(289, 3, "d"), burst(2, 0, "e"))
    assert rows(look, seen) == [
        ("100 MiB", "120 MiB/min", "2026-01-01 11:59", "/srv/a"),
        ("100 MiB", "3.4 MiB/h", "2026-01-01 11:59", "/srv/b"),
        ("100 MiB", "", "", "/srv/c"),
        ("100 MiB", "289 MiB within 3 s", "2026-01-01 11:59", "/srv/d"),
        ("100 MiB", "2 MiB within 1 s", "2026-01-01 11:59", "/srv/e"),
    ]
    partial = rows(DiskLogs(within=Duration(3)), growth(is_partial=True))
    assert partial == [("", "", "", "and perhaps more: not all could be seen (within 3 s, or for want of rights)")]
    assert lines(look, growth()) == ("no log takes more than 1 MiB",)


@pytest.mark.parametrize("kind", [DiskLogs, DiskForecast])
def test_growth_is_read_from_a_host(kind: type[Look[Growth]]) -> None:
    minute = "".join(f"{f'[2026-01-01 11:{minute}:59] x':4095}\n" for minute in range(45, 60))
    rules = (
        ("find", said(record("/srv/a.log", size=MiB(9), device=SRV))),
        ("date", said(f"{NOW}\n")),
        ("sample-log", log_sample(tail=minute, size=MiB(9))),
    )
    look = kind()
    (seen,) = see(look.read(Reader()), *HOST, *rules).logs
    assert seen.rate == 4096 / 60


def forecast(*logs: GrowingLog, disk: FileSystem = HALF_FULL) -> tuple[str, ...]:
    return lines(DiskForecast(within=Duration(3)), growth(*logs, disk=disk))


NOTHING = ("no large log says that it grows",)


def test_the_forecast_says_when_a_disk_is_full_and_since_when_that_is_so() -> None:
    (line,) = forecast(log(2**20 / 64))
    assert line == "/srv full in about 9 h 6 min: /srv/a grows by 56.2 MiB/h since 2026-01-01 10:59"
    (line,) = forecast(log(2**14), log(1.0, "b", age=0), log(1.0, "c"))
    assert line.startswith("/srv full in about 9 h 6 min: /srv/a, /srv/b and 1 more grow by ")
    assert line.endswith(" since 2026-01-01 11:00")


def test_beside_a_log_that_grows_nobody_knows_how_fast_it_may_be_sooner() -> None:
    (line,) = forecast(log(2**14), log(None, "b"))
    assert line.startswith("/srv full in about 9 h 6 min or sooner: /srv/a grows by ")


def test_what_is_weeks_ahead_is_not_counted_in_days() -> None:
    (line,) = forecast(log(100.0))
    assert line == "no steady log fills /srv within 30 d: /srv/a grows by 352 KiB/h since 2026-01-01 10:59"
    month = file_system(used=MiB(512), available=ByteSize(200 * 30 * 86400))
    assert forecast(log(200.0), disk=month)[0].startswith("/srv full in about 30 d: ")
    assert forecast(log(199.0), disk=month)[0].startswith("no steady log fills /srv within 30 d: ")
    assert forecast(log(0.5))[0].startswith("no steady log fills /srv within 30 d: ")


def test_a_burst_is_no_forecast() -> None:
    (line,) = forecast(burst(289, 3))
    assert line == "no forecast for /srv: /srv/a grew by 289 MiB within 3 s, which is no rate"
    (line,) = forecast(burst(9, 3), burst(8, 2, "b"), burst(7, 1, "c"))
    assert line == (
        "no forecast for /srv: /srv/a grew by 9 MiB within 3 s; /srv/b grew by 8 MiB within 2 s, which is no rate"
    )


def test_a_full_disk_is_full_and_what_filled_it_is_told_as_it_grew_until_then() -> None:
    full = file_system()
    (line,) = forecast(log(MiB(2).real / 60, age=86400), disk=full)
    assert line == (
        "no forecast while /srv is full; until then /srv/a grew by 2 MiB/min, 2025-12-31 11:00 to 2025-12-31 12:00"
    )
    (line,) = forecast(log(1000.0), burst(289, 3, "b"), log(None, "c"), log(2000.0, "d"), disk=full)
    assert line == (
        "no forecast while /srv is full; until then /srv/b grew by 289 MiB within 3 s, at 2026-01-01 11:59; "
        "/srv/d grew by 6.9 MiB/h, 2026-01-01 10:59 to 2026-01-01 11:59"
    )


@pytest.mark.parametrize(
    "disk, is_full",
    [
        (file_system(type="xfs", used=ByteSize(2**30 - 2**16), available=ByteSize(2**16)), True),
        (file_system(used=MiB(1023), available=ByteSize(2**20 - 1)), True),
        (file_system(used=MiB(1023), available=MiB(1)), False),
    ],
)
def test_a_disk_with_less_room_than_a_mebibyte_is_full(disk: FileSystem, *, is_full: bool) -> None:
    (line,) = forecast(log(2000.0), disk=disk)
    assert line.startswith("no forecast while /srv is full; ") is is_full


@pytest.mark.parametrize(
    "disk",
    [
        file_system(used=MiB(512), available=MiB(512), is_read_only=True),
        file_system(used=MiB(512), available=MiB(512), is_stopped=True),
    ],
)
def test_nothing_grows_where_nobody_can_write(disk: FileSystem) -> None:
    assert forecast(log(2000.0), disk=disk) == NOTHING


def test_what_was_last_written_long_ago_or_rotated_did_not_fill_a_disk() -> None:
    full, week = file_system(), 7 * 86400
    assert forecast(log(9.0, age=week), disk=full) != NOTHING
    assert forecast(log(9.0, age=week + 1), disk=full) == NOTHING
    assert forecast(log(9.0, "a.log.1"), disk=full) == NOTHING


def test_quiet_and_rotated_logs_other_disks_and_unknown_rates_promise_nothing() -> None:
    assert forecast(log(9.0, age=3600)) != NOTHING
    assert forecast(log(9.0, age=3601)) == NOTHING
    assert forecast(log(9.0, "a.log.1")) == NOTHING
    assert forecast(burst(9, 3, age=3601)) == NOTHING
    assert forecast(log(9.0, device=99), disk=file_system("/other", 5)) == NOTHING
    assert forecast(log(None)) == NOTHING
    assert lines(DiskForecast(within=Duration(3)), growth(disk=HALF_FULL, is_partial=True)) == (
        "not all logs could be seen (within 3 s, or for want of rights): others may grow as well",
    )


@pytest.mark.parametrize("age, is_counted", [(300, True), (301, False)])
def test_a_log_that_is_silent_for_longer_than_it_grew_is_not_expected_to_go_on(age: int, *, is_counted: bool) -> None:
    seen = log(1000.0, age=age, since=NOW - age - 300)
    assert (forecast(seen) != NOTHING) is is_counted


def followed(seen: Growth, df: str, *sizes: tuple[str, int, int]) -> tuple[Forecast, ...]:
    """Return what is foreseen where *df* is left on /srv, and logs become longer within two seconds as *sizes* say."""
    mounts = "28 1 0:26 / / rw - overlay overlay rw\n29 28 7:4 / /srv rw - ext4 /dev/loop4 rw\n"
    usage = f"1B-blocks Used Avail Inodes IUsed IFree Mounted on\n9 1 8 9 1 8 /\n{df} /srv\n"
    looks = ("".join(f"{one[at]} {SRV}:7 /srv/{one[0]}\0" for one in sizes) for at in (1, 2))
    rules = (
        ("mountinfo", said(mounts)),
        ("df", said(usage)),
        ("watch-sizes", said("".join(f"{at} 9.9\n\0{text}\0" for at, text in zip((1.0, 3.0), looks, strict=True)))),
    )
    return see(DiskForecast().follow(Reader(), seen), *rules, most_rounds=1)  # type: ignore[no-any-return]  # by its rules


def test_after_a_repair_the_logs_are_watched_and_what_they_gain_says_when_it_is_full_again() -> None:
    seen = growth(log(None), log(None, "b"))
    left = "4000000 1000000 3000000 100 1 99"
    assert followed(seen, left, ("a", 0, 2000), ("b", 500, 500)) == (
        Forecast(
            subject="space on /srv",
            about="/srv is full again",
            within=Duration(3000),
            because="/srv/a grows by 3.4 MiB/h",
        ),
    )
    (both,) = followed(seen, left, ("a", 0, 2000), ("b", 0, 4000))
    assert (both.within, both.because) == (Duration(1000), "/srv/a, /srv/b grow by 10.3 MiB/h")


@pytest.mark.parametrize(
    "df, size",
    [
        pytest.param("4000000 1000000 3000000 100 1 99", 0, id="nothing grows"),
        pytest.param("4000000 4000000 0 100 1 99", 2000, id="it is still full"),
        pytest.param(f"{2 * 1000 * 259201} 0 {1000 * 259201} 100 1 99", 2000, id="more than three days ahead"),
    ],
)
def test_where_it_is_not_known_when_it_is_full_again_nothing_is_said(df: str, size: int) -> None:
    assert followed(growth(log(5.0)), df, ("a", 0, size)) == ()


def test_three_days_ahead_are_still_said() -> None:
    (one,) = followed(growth(log(5.0)), f"{2 * 1000 * 259200} 0 {1000 * 259200} 100 1 99", ("a", 0, 2000))
    assert one.within == Duration(259200)


def test_a_host_without_large_logs_is_not_kept_waiting() -> None:
    assert see(DiskForecast().follow(Reader(), growth()), most_rounds=0) == ()


def test_growth_that_cannot_be_measured_is_not_known() -> None:
    rules = (*HOST, ("watch-sizes", said(status=127)))
    with pytest.raises(FactError):
        see(DiskForecast().follow(Reader(), growth(log(5.0))), *rules)


def test_looks_that_cannot_tell_ask_nothing() -> None:
    for one in (DiskOverview(), DiskLargest(), DiskDeletedOpen(), DiskLogs()):
        assert see(one.follow(Reader(), None), most_rounds=0) == ()  # type: ignore[arg-type]  # it is not looked at


@pytest.mark.parametrize("kind", [DiskLargest, DiskDeletedOpen, DiskLogs, DiskForecast])
def test_showing_nothing_is_no_look(kind: Any) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        kind(top=0)


def test_sizes_are_sizes() -> None:
    assert isinstance(HALF_FULL.available, ByteSize)
