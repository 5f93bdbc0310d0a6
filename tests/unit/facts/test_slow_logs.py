from __future__ import annotations

import json
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.hit_rates import HitRate, ReadHitRate
from soleil_remediate.facts.slow_logs import ReadSlowLogs, SlowLogs
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED
from tests.unit.facts.statements import HIT_RATE, SLOW_LOGS

ROOT = Path("/srv/soleil/current")


def logs(**more: Any) -> SlowLogs:
    return ReadSlowLogs(ROOT, "www-data").answer(said(f"{STARTED}{json.dumps(SLOW_LOGS | more)}\n"))


def rate(**more: Any) -> HitRate:
    return ReadHitRate(ROOT, "www-data").answer(said(f"{STARTED}{json.dumps(HIT_RATE | more)}\n"))


def test_logs_that_are_read_that_are_absent_and_that_cannot_be_read_are_told_apart() -> None:
    seen = logs()
    assert [(log.channel, log.state, log.lines, log.others) for log in seen.logs] == [
        ("performance", "read", 2, 1),
        ("query", "absent", 0, 0),
        ("slow", "unreadable", 0, 0),
    ]
    (request,), (query,), (again,) = seen.requests, seen.queries, seen.repeated
    assert (request.what, request.count, request.median, request.longest) == ("GET /api/rooms", 26, 1.2005, 2.383)
    assert (query.what, query.count) == ("select * from rooms where id = ?", 1)
    assert (again.page, again.times) == ("GET /api/rooms", 2490)


def test_an_unknown_state_is_no_answer() -> None:
    with pytest.raises(FactError):
        logs(read=[SLOW_LOGS["read"][0] | {"state": "odd"}])


def test_only_the_end_of_a_log_is_read_and_by_its_owners_user() -> None:
    command = ReadSlowLogs(ROOT, "www-data").command
    assert command.user == "www-data"
    assert command.words[4:] == ("2097152", "10")


def test_redis_tells_what_it_found_since_it_was_started() -> None:
    assert (rate().hits, rate().misses, rate().evicted, rate().uptime) == (300, 100, 3, 95)
    elsewhere = rate(driver="file", says={})
    assert (elsewhere.driver, elsewhere.hits) == ("file", None)
    with pytest.raises(FactError, match="does not get to its cache: Connection refused"):
        rate(why="Connection\nrefused")
