from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.requests import RequestsServed
from soleil_remediate.facts.http import Response
from soleil_remediate.task import Health
from soleil_remediate.units import Duration, Percent
from tests.unit.traffic import BROKEN, MOVED, NOW, requests, traffic

CHECK = RequestsServed(root=Path("/srv/web/current"), page="/ready")
A_THIRD = (200, 500, 200) * 20
WELL = (200,) * 40


def test_the_share_of_requests_that_fail_is_over_the_window_and_says_where() -> None:
    verdict = CHECK.judge(traffic(requests(*A_THIRD), requests(*WELL, until=NOW - 400)))
    assert (verdict.health, verdict.why) == (
        Health.FAULTY,
        "20 of 60 requests failed in 5 min, 33 %: GET /rooms 20 of 60",
    )
    assert [(one.label, one.value, one.is_faulty) for one in verdict.measures] == [("requests that fail", "33 %", True)]


def test_the_worst_endpoints_are_told_and_how_many_more_there_are() -> None:
    logged = [requests(*[500] * (9 - number), endpoint=f"GET /{'abcde'[number]}") for number in range(5)]
    verdict = CHECK.judge(traffic(*logged, requests(*[200] * 5, endpoint="GET /a")))
    assert verdict.why.endswith("GET /a 9 of 14, GET /b 8 of 8, GET /c 7 of 7, 2 more")


@pytest.mark.parametrize("failed, health", [(4, Health.HEALTHY), (5, Health.FAULTY)])
def test_at_the_limit_it_is_too_high(failed: int, health: Health) -> None:
    assert CHECK.judge(traffic(requests(*[200] * (100 - failed), *[500] * failed))).health is health


def test_errors_from_before_the_last_switch_say_nothing_of_now() -> None:
    before, since = requests(*A_THIRD, until=NOW - 30), requests(*WELL[:20])
    verdict = CHECK.judge(traffic(before, since, switched=NOW - 30))
    assert (verdict.health, verdict.why) == (Health.HEALTHY, "0 of 20 requests failed in 27 s, less than 5 %")
    assert CHECK.judge(traffic(before, since[:15])).health is Health.FAULTY


def test_what_was_under_way_at_the_switch_is_what_was_there_before() -> None:
    late, since = requests(500, 500, until=NOW - 28), requests(*WELL[:20])
    assert CHECK.judge(traffic(late, since, switched=NOW - 30)).why.startswith("0 of 20")


def test_too_few_requests_since_a_switch_are_unknown_where_some_failed_before_it() -> None:
    verdict = CHECK.judge(traffic(requests(*A_THIRD, until=NOW - 30), requests(*WELL[:19]), switched=NOW - 30))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why == (
        "19 requests since what is served was put there at 2026-11-25 08:59 UTC, too few for a share (20); 20 of 79 "
        "failed in the hour before now"
    )


def test_a_switch_that_the_hosts_clock_has_not_come_to_yet_counts_for_nothing() -> None:
    assert CHECK.judge(traffic(requests(*A_THIRD), switched=NOW + 500)).health is Health.FAULTY


def test_it_has_ended_where_so_many_in_a_row_went_well_that_it_is_no_chance() -> None:
    """Whatever it was that ended it: a database that is back, a third party."""
    verdict = CHECK.judge(traffic(requests(*A_THIRD, until=NOW - 60), requests(*WELL)))
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        "20 of 100 requests failed in 5 min, the last at 2026-11-25 08:58 UTC, and none of the 41 since",
    )
    # Of a share as small as this, as many in a row go well every now and then.
    rare = requests(*[200] * 9, 500, *[200] * 9, 500, *[200] * 9, 500, *[200] * 30)
    assert CHECK.judge(traffic(rare)).health is Health.FAULTY


def test_where_all_failed_and_then_as_many_as_tell_a_share_went_well_it_has_ended() -> None:
    assert CHECK.judge(traffic(requests(*[500] * 60, *[200] * 20))).health is Health.HEALTHY
    assert CHECK.judge(traffic(requests(*[500] * 60, *[200] * 19))).health is Health.FAULTY


def test_where_few_requests_come_in_the_newest_of_the_last_hour_tell() -> None:
    verdict = CHECK.judge(traffic(requests(*[200, 500] * 15, every=60)))
    assert (verdict.health, verdict.why[:58]) == (
        Health.FAULTY,
        "10 of 20 requests failed since 2026-11-25 08:40 UTC, 50 %:",
    )
    assert CHECK.judge(traffic(requests(*[500] * 10, *[200] * 20, every=60))).health is Health.HEALTHY


@pytest.mark.parametrize("logged", [(), (200,), (200,) * 19])
def test_an_idle_host_on_which_nothing_failed_is_well_where_it_serves_a_page(logged: tuple[int, ...]) -> None:
    verdict = CHECK.judge(traffic(requests(*logged)))
    few = f"{len(logged)} request{'' if len(logged) == 1 else 's'}"
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        f"{few} in an hour, too few for a share (20), and none failed; /ready, asked for on the host now, answers 200",
    )


def test_few_requests_of_which_one_failed_are_unknown() -> None:
    verdict = CHECK.judge(traffic(requests(200, 200, 500)))
    assert (verdict.health, verdict.measures[0].value) == (Health.UNKNOWN, "not known")
    assert verdict.why.endswith("too few for a share (20); 1 of 3 failed in the hour before now")


@pytest.mark.parametrize(
    "page, health, says",
    [
        (BROKEN, Health.FAULTY, "/ready, asked for on the host now, answers 503; 0 requests in an hour, too few"),
        (Response(status=None, why="refused"), Health.FAULTY, "is not answered: nothing listens there"),
        (MOVED, Health.UNKNOWN, "answers 302, which proves nothing"),
    ],
)
def test_an_idle_host_that_does_not_serve_the_page_is_not_well(page: Response, health: Health, says: str) -> None:
    verdict = CHECK.judge(traffic(page=page))
    assert verdict.health is health
    assert says in verdict.why


@pytest.mark.parametrize("newest", [None, NOW - 2])
def test_a_log_that_does_not_get_what_is_asked_now_tells_nothing(newest: int | None) -> None:
    """Its disk is full, or nginx logs elsewhere, or not at all: users' requests may all fail."""
    verdict = CHECK.judge(traffic(newest=newest))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why.startswith("/var/log/nginx/access.log does not get what is asked of nginx")


def test_what_is_asked_for_is_said_as_an_aim() -> None:
    assert replace(CHECK, below=Percent(1)).aim() == "less than 1 % of the application's requests fail, over 5 min"


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": Path("current")},
        {"root": Path("/srv/../x")},
        {"access_log": Path("access.log")},
        {"page": "ready"},
        {"url": "soleil"},
        {"below": Percent(0)},
        {"window": Duration(5)},
        {"window": Duration(7200)},
        {"least": 9},
        {"least": 1001},
        {"within": Duration(0)},
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(CHECK, **wrong)


def test_of_a_busy_log_the_time_that_its_end_tells_of_is_judged_and_said() -> None:
    """At 20 requests a second and more, what is read of it goes back less far than the window."""
    busy = traffic(requests(*A_THIRD, *A_THIRD), oldest=NOW - 130)
    verdict = CHECK.judge(busy)
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "40 of 120 requests failed in the last 2 min 10 s, as far as what is read of the log goes back, 33 %: "
        "GET /rooms 40 of 120"
    )
    assert CHECK.judge(traffic(requests(*WELL), oldest=NOW)).why.startswith(
        "0 of 40 requests failed in the last 1 s, as"
    )


def test_a_log_that_goes_back_beyond_the_window_or_the_last_switch_is_judged_by_these() -> None:
    assert CHECK.judge(traffic(requests(*A_THIRD), oldest=NOW - 300)).why.startswith(
        "20 of 60 requests failed in 5 min,"
    )
    assert CHECK.judge(traffic(requests(*WELL[:20]), switched=NOW - 30, oldest=NOW - 27)).why == (
        "0 of 20 requests failed in 27 s, less than 5 %"
    )


@pytest.mark.parametrize("switched, oldest", [(0, NOW - 200), (NOW - 300, NOW - 200), (NOW - 7000, NOW - 200)])
def test_a_few_requests_of_a_log_that_has_just_begun_are_not_those_of_an_hour(switched: int, oldest: int) -> None:
    seen = traffic(requests(200, 200), switched=switched, oldest=oldest)
    assert CHECK.judge(seen).why.startswith(
        "2 requests in the last 3 min 20 s, as far as what is read of the log goes back, too few for a share (20), and"
    )
    failing = traffic(requests(200, 500), switched=switched, oldest=oldest)
    assert CHECK.judge(failing).why.endswith("too few for a share (20); 1 of 2 failed in the 3 min 20 s before now")
