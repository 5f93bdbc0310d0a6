from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.log_windows import ReadLogWindow, Window, minutes_around
from soleil_remediate.units import ByteSize, Duration
from tests.unit.facts.answers import ask_here, run_here, said
from tests.unit.facts.bookings import WINDOW

ASK = ReadLogWindow(Path("/srv/hotel/laravel.log"), ("2026-11-29 17:37",))


def test_lines_are_told_by_minute_level_and_what_was_raised() -> None:
    assert ASK.answer(said(WINDOW)) == Window(
        size=ByteSize(1300),
        begins="2026-11-29 17:30",
        lines=(
            ("2026-11-29 17:37", "ERROR", "Illuminate\\Database\\QueryException SQLSTATE[40001]", 1),
            ("2026-11-29 17:37", "INFO", "", 1),
        ),
    )


def test_a_real_log_is_read_and_nothing_of_guests_leaves_the_host(tmp_path: Here) -> None:
    log = tmp_path / "laravel.log"
    raised = "guest@example.test at /srv/x.php:1"
    log.write_text(
        "[2026-11-29 17:00:00] production.INFO: begins\n"
        "[2026-11-29T17:37:01.5+00:00] production.ERROR: guest@example.test fails "
        f'{{"exception":"[object] (App\\\\Exceptions\\\\RoomTaken(code: 0): {raised})\n[stacktrace]\n#0 guest\n"}}\n'
        "[2026-11-29 17:37:02] production.ERROR: SQLSTATE[23P01]: guest@example.test\n"
        "[2026-11-29 17:37:03] production.ERROR: x "
        '{"exception":"[object] (A(code: 0): y) [object] (B(code: 1): z)"}\n'
        "[2026-11-29 17:38:02] production.ERROR: later\n"
    )
    output = run_here(ReadLogWindow(Path(log), ("2026-11-29 17:37",)).command)
    assert b"guest" not in output.stdout
    found = ASK.answer(output)
    assert found is not None
    assert found.begins == "2026-11-29 17:00"
    assert found.lines == (
        ("2026-11-29 17:37", "ERROR", "A", 1),
        ("2026-11-29 17:37", "ERROR", "App\\Exceptions\\RoomTaken", 1),
        ("2026-11-29 17:37", "ERROR", "SQLSTATE[23P01]", 1),
    )
    empty = ask_here(ReadLogWindow(Path(log), ("2026-01-01 00:00",)))
    assert empty is not None
    assert empty.lines == ()
    assert ask_here(ReadLogWindow(Path(tmp_path / "other.log"), ("2026-01-01 00:00",))) is None


def test_a_log_that_may_not_be_read_or_is_of_another_kind_is_unknown() -> None:
    for output in (
        said("size\n", status=1, stderr="stat: cannot stat '/srv/hotel/laravel.log': Permission denied\n"),
        said("size\n7\nbegin\nlines\nguest@example.test\nend\n"),
        said("size\n7\nbegin\nlines\n"),
        said("size\nbegin\nlines\nend\n"),
    ):
        with pytest.raises(FactError):
            ASK.answer(output)


def test_the_minutes_around_a_time_are_those_that_a_log_writes() -> None:
    times = ("2026-01-31 23:59:30", "2026-02-01 00:00:10", "", "soon")
    assert minutes_around(times, Duration(60)) == (
        "2026-01-31 23:58",
        "2026-01-31 23:59",
        "2026-02-01 00:00",
        "2026-02-01 00:01",
    )
