from __future__ import annotations

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.latency import AskTimes, Timings, percentile, read_times
from soleil_remediate.units import Duration
from tests.unit.facts.answers import run_here, said, see
from tests.unit.facts.services import SOCKETS

FIVE = Duration(5)
ASK = AskTimes("http://soleil.example/up", "localhost:80", FIVE, 3)
LATE = "curl: (28) Operation timed out after 5003 milliseconds with 0 bytes received\n000\t5.003294\n"


def timings(*lines: str, status: int = 0) -> Timings:
    return ASK.answer(said("<p>200\t0.000001</p>\n" * 4, status=status, stderr="".join(f"{line}\n" for line in lines)))


def test_the_first_request_may_have_found_a_cold_cache_and_does_not_count() -> None:
    seen = timings("200\t2.104000", "200\t0.030000", "200\t0.010000", "200\t0.020000")
    assert seen.first.took == 2.104
    assert [one.took for one in seen.counted] == [0.03, 0.01, 0.02]
    assert (seen.percentile(0.5), seen.percentile(0.95)) == (0.02, 0.03)
    assert not seen.is_too_late
    assert all(one.is_served for one in seen.every)


@pytest.mark.parametrize(
    "count, share, rank",
    [(1, 0.5, 1), (7, 0.5, 4), (7, 0.95, 7), (20, 0.95, 19), (100, 0.95, 95), (4, 0.5, 2), (3, 0, 1)],
)
def test_a_percentile_is_that_of_the_nearest_rank(count: int, share: float, rank: int) -> None:
    assert percentile([Duration(number) for number in range(count, 0, -1)], share) == rank


def test_a_page_that_hangs_is_asked_for_once_more_and_no_further() -> None:
    seen = timings("200\t0.1", LATE.rstrip(), status=28)
    assert (len(seen.every), seen.is_too_late, seen.says) == (2, True, "")
    assert seen.percentile(0.95) == 5.003294
    alone = timings(LATE.rstrip(), status=28)
    assert (alone.is_too_late, [one.took for one in alone.counted]) == (True, [5.003294])


def test_one_that_is_not_answered_says_why() -> None:
    refused = timings("curl: (7) Failed to connect to localhost port 80: Connection refused", "000\t0.001", status=7)
    assert (refused.is_too_late, refused.says) == (False, "Failed to connect to localhost port 80: Connection refused")
    assert timings("000\t0.001", status=52).says == "no answer"
    assert timings("curl: something else", "000\t0.001", status=56).says == "curl: something else"


@pytest.mark.parametrize(
    "lines, status",
    [
        ((), 0),
        (("200\t0.1",), 0),
        (("200\t0.1",) * 5, 0),
        (("200\t0.1",) * 3 + ("000\t0.1",), 0),
        (("200\t0.1",), 28),
        (("curl: (28) late",), 28),
    ],
)
def test_what_does_not_fit_together_is_no_answer(lines: tuple[str, ...], status: int) -> None:
    with pytest.raises(FactError):
        timings(*lines, status=status)


def test_all_that_is_asked_has_its_time_and_nothing_of_a_page_is_taken_for_it() -> None:
    assert ASK.command.deadline == 4 * 5 + 2
    assert ASK.command.words.count("--url") == 4
    assert "--fail-early" in ASK.command.words


def test_curl_itself_says_it_so(tmp_path: object) -> None:
    nobody = AskTimes("http://soleil.example/up", "127.0.0.1:9", FIVE, 3)
    seen = nobody.answer(run_here(nobody.command))
    assert (seen.first.status, seen.others) == (None, ())
    assert "127.0.0.1" in seen.says or "connect" in seen.says.lower()


def test_a_page_is_asked_for_where_the_web_server_listens() -> None:
    seen = see(
        read_times(Reader(), "/up", url=None, origin=None, within=FIVE, requests=3),
        ("/proc/net/tcp", said(SOCKETS)),
        ("--connect-to ::localhost:80 --fail-early", said(stderr="204\t0.1\n" * 4)),
    )
    assert [one.status for one in seen.every] == [204] * 4
