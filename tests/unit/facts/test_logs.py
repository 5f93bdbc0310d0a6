from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.logs import LogsSeen, MeasureNewestLines, read_logs
from soleil_remediate.units import KiB
from tests.unit.facts.answers import BTRFS, ask_here, captured, complaint, extents, record, said, see

FOLDER = "/srv/app/logs"
HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
REAL = ("realpath", said(f"{FOLDER}\0"))


def logs(*rules: Any, path: str = f"{FOLDER}/laravel.log") -> LogsSeen:
    seen = see(read_logs(Reader(), Path(path), lines=1000, larger_than=KiB(1)), *HOST, *rules)
    assert isinstance(seen, LogsSeen)
    return seen


def test_a_large_log_is_seen_with_its_writers_and_the_length_of_its_newest_lines() -> None:
    seen = logs(
        REAL,
        ("find /proc", said("/proc/12/fd/3\t/srv/app/logs/laravel.log\0/proc/13/fd/5\t/other/laravel.log\0")),
        ("find -H", said(record(f"{FOLDER}/laravel.log", size=5000, inode=7))),
        ("stat -L", said("/proc/12/fd/3\t1796\t7\t1\t5000\t16\n/proc/13/fd/5\t1796\t8\t1\t1\t8\n")),
        ("flags", said("/proc/12/fdinfo/3:flags:\t0102001\n/proc/13/fdinfo/5:flags:\t0100001\n")),
        ("tail", said("900\n")),
    )
    (log,) = seen.logs
    assert (log.path, log.newest_lines) == (Path(f"{FOLDER}/laravel.log"), 900)
    assert [(one.pid, one.is_appending) for one in log.writers] == [(12, True)]


def test_how_much_of_a_log_a_snapshot_has_as_well_is_asked_where_that_can_be() -> None:
    seen = see(
        read_logs(Reader(), Path("/link/a.log"), lines=1000, larger_than=KiB(1)),
        *BTRFS,
        ("realpath", said("/srv\0")),
        ("find /proc", said()),
        ("find -H", said(record("/link/a.log", size=5000, device=52))),
        ("tail", said("900\n")),
        ("filefrag -b4096 -v -- /srv/a.log", said(extents("/srv/a.log", shared=3))),
    )
    assert [log.shared for log in seen.logs] == [3 * 4096]


def test_small_logs_and_what_is_no_log_cost_no_second_round() -> None:
    seen = logs(
        REAL,
        ("find /proc", said("/proc/12/fd/3\t/srv/app/logs/a.log\0")),
        ("find -H", said(record(f"{FOLDER}/a.log", size=1024) + record(f"{FOLDER}/b.log", kind="l", size=9000))),
        path=f"{FOLDER}/*.log",
    )
    assert [(log.file.path.name, log.newest_lines, log.writers) for log in seen.logs] == [
        ("a.log", None, ()),
        ("b.log", None, ()),
    ]


def test_who_writes_a_large_log_must_be_known_and_of_a_small_one_need_not() -> None:
    hidden = ("find /proc", said(status=1, stderr=complaint("/proc/9/fd", "Permission denied")))
    small = ("find -H", said(record(f"{FOLDER}/laravel.log", size=10)))
    assert logs(REAL, hidden, small).logs[0].writers == ()
    with pytest.raises(FactError, match="needs root"):
        logs(REAL, hidden, ("find -H", said(record(f"{FOLDER}/laravel.log", size=5000))))


def test_lines_that_cannot_be_measured_leave_the_other_facts_alone() -> None:
    seen = logs(
        REAL,
        ("find /proc", said()),
        ("find -H", said(record(f"{FOLDER}/laravel.log", size=5000))),
        ("tail", said("0\n")),
    )
    assert isinstance(seen.logs[0].newest_lines, FactError)


def test_no_log_is_no_log() -> None:
    assert logs(REAL, ("find /proc", said()), ("find -H", said())).logs == ()


def test_the_newest_lines_are_measured_from_the_end(tmp_path: Here) -> None:
    path = tmp_path / "-n odd 'name'.log"
    path.write_bytes(b"x" * 100 + b"\n" + b"12345\n" * 3)
    assert ask_here(MeasureNewestLines(Path(path), 2)) == 12
    assert ask_here(MeasureNewestLines(Path(path), 100)) == 119
    with pytest.raises(FactError):
        ask_here(MeasureNewestLines(Path(tmp_path / "none"), 2))
