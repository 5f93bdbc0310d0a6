from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.onsets import Blame, Onset, ReadOnset, read_onset
from tests.unit.facts.answers import run_here, said, see

_NINE = seconds_at(2026, 11, 25, 9)


def logged(
    minute: int, *statuses: int, offset: str = "+0000", request: str = "GET /rooms HTTP/1.1", by: str = "203.0.113.7"
) -> str:
    """What nginx logs of requests that many minutes after nine."""
    hour, rest = divmod(9 * 60 + minute, 60)
    return "".join(
        f'{by} - - [25/Nov/2026:{hour:02}:{rest:02}:{second:02} {offset}] "{request}" {status} 18 "-" "x"\n'
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


@pytest.mark.parametrize(
    "status, request_line, by",
    [
        (301, "GET /rooms HTTP/1.1", "203.0.113.7"),
        (302, "GET /rooms HTTP/1.1", "203.0.113.7"),
        (403, "GET /.env HTTP/1.1", "203.0.113.7"),
        (404, "GET /wp-login.php HTTP/1.1", "203.0.113.7"),
        (200, "GET /rooms HTTP/1.1", "127.0.0.1"),
        (200, "GET /rooms HTTP/1.1", "::1"),
        (200, "GET /rooms HTTP/1.1", "::ffff:127.0.0.1"),
        (200, "GET /api/health/live HTTP/1.1", "10.0.0.9"),
        (200, "GET /api/healthz?x=1 HTTP/1.1", "10.0.0.9"),
        (200, "HEAD /up HTTP/1.0", "10.0.0.9"),
        (200, "GET /build/assets/app-4f2a.js HTTP/2.0", "203.0.113.7"),
        (200, "GET /favicon.ico?v=2 HTTP/2.0", "203.0.113.7"),
        (204, "OPTIONS /api/rooms HTTP/2.0", "203.0.113.7"),
    ],
)
def test_what_may_go_well_while_the_application_fails_neither_acquits_nor_blames(
    tmp_path: Here, status: int, request_line: str, by: str
) -> None:
    lines = [logged(minute, 500, 500) for minute in range(180)]
    lines += [logged(minute, *[status] * 40, request=request_line, by=by) for minute in (*range(110, 113), 179)]
    onset = onset_of(tmp_path, sorted(lines, key=lambda line: line[line.index("[") :]))
    assert onset == Onset(since=after_nine(0), well=None, failed=10, asked=10)
    assert onset.blames(after_nine(115)) is Blame.BEFORE


def test_one_minute_that_went_well_is_no_proof(tmp_path: Here) -> None:
    lines = [logged(minute, *([200] * 9 if minute == 110 else [500] * 9)) for minute in range(180)]
    assert onset_of(tmp_path, lines).since == after_nine(0)
    assert onset_of(tmp_path, [logged(0, 200), logged(1, 200, 200), logged(2, 500)]).well is None


def by_curl(minute: int, **answers: int) -> str:
    """What the lab's faults and this program itself leave in the log: curl, from the host."""
    return "".join(
        logged(minute, status, request=f"GET /api/health/{page} HTTP/1.1", by="127.0.0.1")
        for page, status in answers.items()
    )


def users(first: int, until: int, status: int) -> list[str]:
    """What the lab's faults log of users: a request every ten seconds."""
    return [logged(minute, *[status] * 6, request="GET /api/bookings HTTP/1.1") for minute in range(first, until)]


def test_the_labs_release_under_traffic_is_to_blame(tmp_path: Here) -> None:
    lines = [
        by_curl(58, live=200, ready=200),
        *users(0, 60, 200),
        logged(60, 200, request="GET /api/bookings HTTP/1.1"),
    ]
    lines += [by_curl(60, live=200), by_curl(60, live=500), by_curl(60, live=500, ready=500, none=400)]
    onset = onset_of(tmp_path, lines)
    assert onset == Onset(since=after_nine(60), well=after_nine(59), failed=3, asked=4)
    assert onset.blames(after_nine(60)) is Blame.WITH


def test_the_labs_errors_before_a_release_acquit_it(tmp_path: Here) -> None:
    lines = [*users(0, 60, 200), *users(60, 120, 503), by_curl(120, live=200, ready=503)]
    onset = onset_of(tmp_path, lines)
    assert (onset.since, onset.well) == (after_nine(60), after_nine(59))
    assert onset.blames(after_nine(120)) is Blame.BEFORE


def test_where_nothing_fails_now_there_is_no_onset(tmp_path: Here) -> None:
    over = [logged(0, 500, 500), *(logged(minute, 200) for minute in range(1, 10))]
    just_over = [logged(0, *[500] * 9), *(logged(minute, *[200] * 9) for minute in range(1, 5))]
    for lines in (over, just_over):
        onset = onset_of(tmp_path, lines)
        assert onset.since is None
        assert onset.blames(_NINE) is Blame.UNKNOWN
        assert onset.in_words == "no request fails that is logged"


def test_what_failed_until_only_a_monitor_asked_does_not_fail_now(tmp_path: Here) -> None:
    probes = [logged(minute, 200, request="GET /up HTTP/1.1", by="10.0.0.9") for minute in range(1, 9)]
    onset = onset_of(tmp_path, [logged(0, 500, 500), *probes])
    assert onset == Onset(since=None)
    assert onset_of(tmp_path, probes) == onset


@pytest.mark.parametrize("silent, is_known", [(0, True), (899, True), (900, False), (86400, False)])
def test_a_log_that_says_nothing_of_now_is_no_answer(silent: int, is_known: bool) -> None:
    text = "failed\n 1 25/Nov/2026:09:02 +0000\nanswered\nnewest\n 1 25/Nov/2026:09:03 +0000\nend\n"
    clock = said(f"{after_nine(4) + silent}\n")
    rules = (("count-by-minute", said(text)), ("date", clock))
    if is_known:
        onset = see(read_onset(Reader(), Path("/var/log/x")), *rules)
        assert onset == Onset(since=after_nine(2), failed=1, asked=1)
    else:
        with pytest.raises(FactError, match="nothing is logged in /var/log/x since 2026-11-25 09:03 UTC"):
            see(read_onset(Reader(), Path("/var/log/x")), *rules)


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
        query.answer(said("failed\nanswered\nnewest\nend\n", stderr=denied))


def test_a_line_whose_time_cannot_be_told_does_not_count() -> None:
    text = (
        "failed\n 1 25/Nov/2026:09:02 +0000\n 7 31/Nov/2026:09:03 x\n"
        "answered\n 3 25/Nov/2026:09:00 +0000\n 1 25/Nov/2026:09:01 +0000\n"
        "newest\n 1 25/Nov/2026:09:02 +0000\nend\n"
    )
    onset = ReadOnset(Path("/x")).answer(said(text))
    assert onset == Onset(since=after_nine(2), well=after_nine(1), failed=1, asked=1)


@pytest.mark.parametrize(
    "text",
    [
        "failed\nanswered\n",
        "failed\nend\n",
        "failed\nanswered\nend\n",
        "failed\nmany\nanswered\nnewest\n 1 25/Nov/2026:09:02 +0000\nend\n",
    ],
)
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(FactError):
        ReadOnset(Path("/x")).answer(said(text))
