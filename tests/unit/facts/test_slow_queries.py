from __future__ import annotations

import json
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.slow_queries import CountSlowQueries, Lack, SlowQueries
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED
from tests.unit.facts.statements import SLOW_QUERIES

ASK = CountSlowQueries(Path("/srv/soleil/current"), "www-data", Duration(7 * 86400))


def counted(**more: Any) -> SlowQueries:
    return ASK.answer(said(f"{STARTED}{json.dumps(SLOW_QUERIES | more)}\n"))


def log(**more: Any) -> dict[str, Any]:
    return SLOW_QUERIES["logs"][0] | more


def test_slow_queries_are_counted_over_all_logs_and_the_worst_are_told_by_their_shape() -> None:
    seen = counted()
    assert [(one.channel, one.file, one.is_there, one.slow, one.lacks) for one in seen.logs] == [
        ("query", Path("/srv/q.log"), True, 60, ()),
        ("slow", Path("/srv/s.log"), False, 0, ()),
    ]
    (worst,) = seen.worst
    assert (worst.what, worst.count, worst.longest) == ("select * from rooms where id = ?", 60, 2.383)
    assert (seen.count, seen.lacking) == (60, ())


def test_a_log_that_may_have_held_more_says_why() -> None:
    seen = counted(logs=[log(slow=1, lacks=["rotated", "closed"]), log(slow=2)])
    assert [one.lacks for one in seen.lacking] == [(Lack.ROTATED, Lack.CLOSED)]
    assert seen.count == 3


def test_an_application_without_such_a_channel_has_no_logs() -> None:
    assert counted(logs=[], queries=[]) == SlowQueries(logs=(), worst=())


def test_its_owners_user_reads_what_was_logged_lately_and_so_much_at_most() -> None:
    assert ASK.command.user == "www-data"
    assert ASK.command.words == ("php", "--", "slow-queries", "/srv/soleil/current", "604800", "67108864", "3")


@pytest.mark.parametrize(
    "odd", [{"slow": -1}, {"slow": "9"}, {"is_there": 1}, {"lacks": ["odd"]}, {"lacks": 1}], ids=str
)
def test_what_is_no_count_is_no_answer(odd: dict[str, Any]) -> None:
    with pytest.raises(FactError):
        counted(logs=[log(**odd)])


def test_what_a_host_says_is_one_line() -> None:
    (seen,) = counted(logs=[log(channel="a\nb")]).logs
    assert seen.channel == "a b"
