from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.growth import FindLogs, Growth, Sample, SampleLog, read_growth
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, ask_here, captured, record, said, see

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
NOW = seconds_at(2026, 1, 1)


def sampled(head: str, tail: str) -> Output:
    """Return a sample of a log that begins and ends so."""
    return said(head.ljust(1023) + "\n" + "\0\0\0" + (tail or "a line without a time\n"))


def sample(head: str, tail: str) -> Sample:
    found = SampleLog(Path("/x.log")).answer(sampled(head, tail))
    assert isinstance(found, Sample)
    return found


def growth(*samples: tuple[str, Any], files: bytes, status: int = 0, stderr: str = "", top: int = 10) -> Growth:
    rules = ("find", said(files, status=status, stderr=stderr)), ("date", said(f"{NOW}\n"))
    seen = see(read_growth(Reader(), top=top, within=Duration(5)), *HOST, *rules, *samples)
    assert isinstance(seen, Growth)
    return seen


@pytest.mark.parametrize(
    "line",
    [
        "[2026-01-01 00:00:00] production.ERROR: something",
        "2026-01-01T00:00:00.123+00:00 web1 something",
        "2026-01-01 02:00:00.5+0200 LOG: something",
        "2025-12-31 19:00:00-05:00 LOG: something",
        '203.0.113.7 - - [01/Jan/2026:00:00:00 +0000] "GET /"',
        '203.0.113.7 - - [31/Dec/2025:23:30:00 -0030] "GET /"',
    ],
)
def test_the_times_of_common_logs_are_read(line: str) -> None:
    assert sample(f"{line}\n", "") == Sample(first=NOW, last=None, recent=0, recent_from=None)


def test_the_newest_lines_say_how_fast_a_log_grows() -> None:
    lines = "cut off\n[2026-01-01 00:00:00] a\n  at stack\n[2026-01-01 00:00:10] b\n[2026-01-01 00:00:20] c\n"
    assert sample("", lines) == Sample(first=None, last=NOW + 20, recent=59, recent_from=NOW)


@pytest.mark.parametrize("line", ["2026-13-01 00:00:00", "01/Foo/2026:00:00:00 +0000", "2026-01-01 99:00:00", "", "\0"])
def test_what_is_no_possible_time_is_none(line: str) -> None:
    assert sample(line, line) == Sample(first=None, last=None, recent=0, recent_from=None)


def test_a_log_is_sampled_at_both_ends(tmp_path: Here) -> None:
    path = tmp_path / "-c odd.log"
    path.write_text("[2026-01-01 00:00:00] first\n" + "x\n" * 99_999 + "[2026-01-01 00:01:00] last\n")
    found = ask_here(SampleLog(Path(path)))
    assert (found.first, found.last) == (NOW, NOW + 60)
    for answer in (said("no marker"), NOT_THERE, said(status=1)):
        with pytest.raises(FactError):
            SampleLog(Path(path)).answer(answer)


def test_the_largest_logs_are_sampled_and_what_they_do_not_say_is_unknown() -> None:
    files = b"".join(
        record(f"/srv/{name}.log", size=size, device=0x704)
        for name, size in (("recent", 50_000), ("burst", 40_000), ("once", 30_000), ("mute", 20_000), ("gone", 10_000))
    )
    minute = "[2026-01-01 00:00:00] a\n[2026-01-01 00:01:00] b\n"
    second = "[2026-01-01 00:01:00] a\n[2026-01-01 00:01:00] b\n"
    seen = growth(
        ("/srv/recent.log", sampled("", minute)),
        ("/srv/burst.log", sampled(minute, second)),
        ("/srv/once.log", sampled(second, second)),
        ("/srv/mute.log", sampled("", "no times")),
        ("/srv/gone.log", said(status=1)),
        files=files,
    )
    assert {log.file.path.name: log.rate for log in seen.logs} == {
        "recent.log": 24 / 60,
        "burst.log": 40_000 / 60,
        "once.log": None,
        "mute.log": None,
        "gone.log": None,
    }
    assert {log.file.path.name: log.until for log in seen.logs}["once.log"] == NOW + 60
    assert not seen.is_partial


def test_only_the_largest_are_sampled_and_names_that_are_no_names_never() -> None:
    files = record(b"/srv/bad\xff.log", size=90) + record("/srv/a.log", size=50) + record("/srv/b.log", size=40)
    assert [log.file.path.name for log in growth(("a.log", said(status=1)), files=files, top=1).logs] == ["a.log"]


def test_a_search_that_did_not_see_everything_says_so() -> None:
    assert growth(files=b"", status=124).is_partial
    assert growth(files=b"", status=1, stderr="find: /home/x: Permission denied\n").is_partial
    assert not growth(files=b"", status=1, stderr="find: /opt: No such file or directory\n").is_partial
    for answer in (NOT_THERE, said("garbage")):
        with pytest.raises(FactError):
            FindLogs(within=Duration(5)).answer(answer)
