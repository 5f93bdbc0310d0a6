from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.onsets import Blame, Onset, ReadOnset
from tests.unit.facts.answers import run_here, said

_NINE = seconds_at(2026, 11, 25, 9)


def logged(minute: int, *statuses: int, offset: str = "+0000", request: str = "GET /rooms HTTP/1.1") -> str:
    """What nginx logs of requests that many minutes after nine."""
    hour, rest = divmod(9 * 60 + minute, 60)
    return "".join(
        f'203.0.113.7 - - [25/Nov/2026:{hour:02}:{rest:02}:{second:02} {offset}] "{request}" {status} 18 "-" "x"\n'
        for second, status in enumerate(statuses)
    )


def onset_of(folder: Here, lines: Iterable[str], before: Iterable[str] = ()) -> Onset:
    """What the real tools make of a log, and of the one before it."""
    (folder / "access.log").write_text("".join(lines))
    if before:
        (folder / "access.log.1").write_text("".join(before))
    query = ReadOnset(Path(folder / "access.log"))
    return query.answer(run_here(query.command))


def after_nine(minutes: int) -> int:
    return _NINE + minutes * 60


def test_the_onset_is_the_first_minute_that_fails_after_the_last_that_went_well(tmp_path: Here) -> None:
    lines = [logged(minute, 200, 302, 404) for minute in range(30)]
    lines += [logged(minute, 500, 200, 503) for minute in range(30, 40)]
    onset = onset_of(tmp_path, lines)
    assert onset == Onset(since=after_nine(30), well=after_nine(29), failed=10, asked=15)
    assert onset.in_words == (
        "10 of the last 15 requests failed, since 2026-11-25 09:30 UTC; until 2026-11-25 09:29 they went well"
    )


@pytest.mark.parametrize(
    "served, blame",
    [(0, Blame.LATER), (13, Blame.LATER), (14, Blame.WITH), (30, Blame.WITH), (35, Blame.WITH), (36, Blame.BEFORE)],
)
def test_what_happened_up_to_a_quarter_of_an_hour_before_or_some_minutes_after_may_be_to_blame(
    served: int, blame: Blame
) -> None:
    onset = Onset(since=after_nine(30), well=after_nine(29), failed=1, asked=1)
    assert onset.blames(after_nine(served)) is blame


def test_a_night_without_a_request_does_not_acquit_what_happened_in_it() -> None:
    onset = Onset(since=after_nine(600), well=after_nine(0), failed=1, asked=1)
    assert onset.blames(after_nine(5)) is Blame.WITH


def test_what_always_failed_now_and_then_is_not_what_fails_now(tmp_path: Here) -> None:
    lines = [logged(minute, *[200] * 19, 500) for minute in range(30)]
    lines += [logged(minute, *[500] * 20) for minute in range(30, 35)]
    assert onset_of(tmp_path, lines).since == after_nine(30)


def test_a_lull_in_which_chance_let_few_requests_go_well_is_not_the_beginning(tmp_path: Here) -> None:
    lines = [logged(minute, 200) for minute in range(60)]
    lines += [logged(minute, *([200] if minute in {70, 71} else [500, 200])) for minute in range(60, 90)]
    assert onset_of(tmp_path, lines).since == after_nine(60)


def test_without_enough_before_it_nothing_is_known_about_before(tmp_path: Here) -> None:
    onset = onset_of(tmp_path, [logged(0, 200, 200), logged(1, 500), logged(2, 500)])
    assert onset == Onset(since=after_nine(1), well=None, failed=2, asked=2)
    assert onset.in_words.endswith("; nothing is logged before")
    assert onset.blames(after_nine(1)) is Blame.UNKNOWN
    assert onset.blames(after_nine(7)) is Blame.BEFORE


def test_where_nothing_fails_now_there_is_no_onset(tmp_path: Here) -> None:
    over = [logged(0, 500, 500), *(logged(minute, 200) for minute in range(1, 10))]
    just_over = [logged(0, *[500] * 9), *(logged(minute, *[200] * 9) for minute in range(1, 5))]
    for lines in (over, just_over):
        onset = onset_of(tmp_path, lines)
        assert onset.since is None
        assert onset.blames(_NINE) is Blame.UNKNOWN
        assert onset.in_words == "no request fails that is logged"


def test_the_log_before_counts_as_well_and_a_request_that_the_client_gave_up_does_not(tmp_path: Here) -> None:
    before = [logged(minute, 200) for minute in range(20)]
    onset = onset_of(tmp_path, [logged(20, 500, 499, 499)], before)
    assert onset == Onset(since=after_nine(20), well=after_nine(19), failed=1, asked=1)


def test_times_are_told_with_their_offset_and_nobody_can_write_a_status_into_a_request(tmp_path: Here) -> None:
    forged = r"GET /a\x22 500 [25/Nov/2026:01:00:00 +0000] HTTP/1.1"
    lines = [logged(minute, 200, 200, offset="+0200", request=forged) for minute in range(10)]
    lines += [logged(10, 502, offset="+0200"), "25/Nov/2026 no line of nginx\n", "\xff\n"]
    onset = onset_of(tmp_path, lines)
    assert onset == Onset(since=after_nine(10 - 120), well=after_nine(9 - 120), failed=1, asked=1)


@pytest.mark.parametrize("lines", ["", '{"status": 500}\n'])
def test_a_log_in_which_no_request_can_be_told_is_no_answer(tmp_path: Here, lines: str) -> None:
    with pytest.raises(FactError, match="no request in nginx's usual format is logged"):
        onset_of(tmp_path, [lines])


def test_a_log_that_may_not_be_read_is_no_answer() -> None:
    query = ReadOnset(Path("/var/log/nginx/access.log"))
    denied = "tail: cannot open '/var/log/nginx/access.log' for reading: Permission denied\n"
    with pytest.raises(FactError, match="needs root"):
        query.answer(said("failed\nanswered\nend\n", stderr=denied))


def test_a_line_whose_time_cannot_be_told_does_not_count() -> None:
    text = "failed\n 1 25/Nov/2026:09:01 +0000\n 7 31/Nov/2026:09:02 x\nanswered\n 3 25/Nov/2026:09:00 +0000\nend\n"
    onset = ReadOnset(Path("/x")).answer(said(text))
    assert onset == Onset(since=after_nine(1), well=after_nine(0), failed=1, asked=1)


@pytest.mark.parametrize("text", ["failed\nanswered\n", "failed\nend\n", "failed\nmany\nanswered\nend\n"])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(FactError):
        ReadOnset(Path("/x")).answer(said(text))
