from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.growth import (
    FindLogs,
    GrowingLog,
    Growth,
    Sample,
    SampleLog,
    Stretch,
    _steady,
    read_growth,
)
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import NOT_THERE, ask_here, captured, log_sample, record, said, see
from tests.unit.tasks.values import file

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
NOW = seconds_at(2026, 1, 1)


def sample(tail: str, **other: Any) -> Sample:
    found = SampleLog(Path("/x.log"), MiB(1)).answer(log_sample(tail=tail, **other))
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
    assert sample(f"{line}\n") == Sample(last=NOW)


def test_the_newest_lines_say_how_fast_a_log_grows() -> None:
    lines = "cut off\n[2026-01-01 00:00:00] a\n  at stack\n[2026-01-01 00:00:10] b\n[2026-01-01 00:00:20] c\n"
    assert sample(lines) == Sample(last=NOW + 20, stretches=(Stretch(59, 20),))


def test_beginning_and_middle_count_where_they_say_a_time() -> None:
    head, line = "[2025-12-31 00:00:00] a\n", "[2026-01-01 00:00:00] b\n"
    day = Stretch(2**20 - len(line), 86400)
    assert sample(line, head=head).stretches == (day,)
    found = sample(line, head=head, part=f"cut off\n{head}").stretches
    assert len(found) == 7
    assert found[-1] == day
    assert {one.took for one in found} == {86400}


def test_a_time_that_goes_backwards_is_left_out() -> None:
    line = "[2026-01-01 00:00:00] b\n"
    assert sample(line, head="[2026-01-01 00:00:01] a\n") == Sample(last=NOW)
    head, part = "[2025-12-31 23:00:00] a\n", "[2025-12-31 22:00:00] a\n"
    assert {one.took for one in sample(line, head=head, part=part).stretches} == {7200}


@pytest.mark.parametrize("line", ["2026-13-01 00:00:00", "01/Foo/2026:00:00:00 +0000", "2026-01-01 99:00:00", "", "\0"])
def test_what_is_no_possible_time_is_none(line: str) -> None:
    assert sample(line, head=line, part=line) == Sample(last=None)


def test_a_sample_that_is_not_whole_or_of_a_log_that_was_cut_is_no_answer() -> None:
    whole = log_sample()
    for answer in (said(whole.stdout[1:]), said("no marker"), log_sample(size=2**20 - 1), NOT_THERE, said(status=1)):
        with pytest.raises(FactError):
            SampleLog(Path("/x.log"), MiB(1)).answer(answer)


def test_a_log_is_sampled_at_both_ends_and_between_whatever_its_name(tmp_path: Here) -> None:
    path = tmp_path / "-c odd.log"
    lines = [f"[2026-01-01 {hour:02}:{minute:02}:00] x\n" for hour in range(24) for minute in range(60)]
    path.write_text("".join(f"{line}{'x' * 900}\n" for line in lines))
    found = ask_here(SampleLog(Path(path), ByteSize(path.stat().st_size)))
    assert found.last == NOW + 86340
    assert [one.took for one in found.stretches[-1:]] == [86340]
    assert len(found.stretches) > 10
    assert all(one.rate == pytest.approx(925 / 60, rel=0.01) for one in found.stretches)


def test_the_largest_logs_are_sampled_and_what_they_do_not_say_is_unknown() -> None:
    files = b"".join(
        record(f"/srv/{name}.log", size=2**21 - at, device=0x704)
        for at, name in enumerate("steady burst once short mute gone".split())
    )
    steady = "".join(f"{f'[2026-01-01 00:{minute:02}:00] a':4095}\n" for minute in range(16))
    line = "[2026-01-01 00:00:03] a\n"
    seen = growth(
        ("/srv/steady.log", log_sample(tail=steady, size=2**21)),
        ("/srv/burst.log", log_sample("[2026-01-01 00:00:00] a\n", line, size=2**21)),
        ("/srv/once.log", log_sample(tail=line, size=2**21)),
        ("/srv/short.log", log_sample(tail=f"[2026-01-01 00:00:00] a\n{line}", size=2**21)),
        ("/srv/mute.log", log_sample(tail="no times", size=2**21)),
        ("/srv/gone.log", said(status=1)),
        files=files,
    )
    assert {log.file.path.name: (log.rate, log.took, log.until) for log in seen.logs} == {
        "steady.log": (4096 / 60, 900, NOW + 900),
        "burst.log": (None, 3, NOW + 3),
        "once.log": (None, None, NOW + 3),
        "short.log": (None, None, NOW + 3),
        "mute.log": (None, None, None),
        "gone.log": (None, None, None),
    }
    assert {log.file.path.name: log.grown for log in seen.logs}["burst.log"] == 2**21 - len(line)
    assert not seen.is_partial


@pytest.mark.parametrize(
    "stretches, rate",
    [
        pytest.param([(6000, 60)], None, id="nothing bears it out"),
        pytest.param([(6000, 60), (9000, 90)], None, id="only what is nearly the same"),
        pytest.param([(6000, 60), (12_000, 120)], 100, id="the double does"),
        pytest.param([(6000, 60), (12_000, 60)], None, id="the double does not"),
        pytest.param([(3000, 30), (6000, 60)], 100, id="the half does"),
        pytest.param([(3000, 30), (6000, 59)], None, id="not yet a minute"),
        pytest.param([(3000, 44), (6000, 60)], 100, id="the half was a little slower"),
        pytest.param([(3000, 48), (6000, 60)], None, id="the half was much slower"),
        pytest.param([(3000, 10), (5000, 50), (6000, 60)], None, id="the half was much faster"),
        pytest.param([(3000, 30), (6000, 60), (60_000, 500), (600_000, 5000)], 120, id="as far back as it is the same"),
        pytest.param([(3000, 30), (6000, 60), (60_000, 900), (600_000, 6000)], 100, id="and no further"),
    ],
)
def test_a_rate_is_what_two_stretches_agree_on(stretches: list[tuple[int, int]], rate: float | None) -> None:
    found = _steady([Stretch(*one) for one in stretches])
    assert (found and found.rate) == rate


@pytest.mark.parametrize(
    "name, is_rotated",
    [
        ("a.log", False),
        ("a.log.1", True),
        ("a.log-20260101", True),
        ("laravel-2026-01-01.log", False),
        ("syslog", False),
    ],
)
def test_names_of_rotated_logs_are_known(name: str, *, is_rotated: bool) -> None:
    log = GrowingLog(file=file(f"/var/log/{name}"), rate=None, since=None, until=None)
    assert log.is_rotated is is_rotated


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
