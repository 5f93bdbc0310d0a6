from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.slow_queries import _LACKS, QueriesQuick
from soleil_remediate.facts.slow_logs import Slow
from soleil_remediate.facts.slow_queries import Lack, LogCounted, SlowQueries
from soleil_remediate.rights import Right
from soleil_remediate.task import Health, Measure
from soleil_remediate.units import Duration


def quick(**more: Any) -> QueriesQuick:
    return QueriesQuick(root=Path("/srv/app"), **more)


def log(slow: int = 0, *lacks: Lack, is_there: bool = True) -> LogCounted:
    return LogCounted(channel="query", file=Path("/srv/q.log"), is_there=is_there, slow=slow, lacks=lacks)


def counted(*logs: LogCounted) -> SlowQueries:
    rooms = Slow(what="select * from rooms", count=50, median=Duration(0.1), longest=Duration(2.383))
    once = Slow(what="select ?", count=1, median=Duration(0.2), longest=Duration(0.2))
    return SlowQueries(logs=logs, worst=(rooms, once))


def test_too_many_slow_queries_are_at_fault_and_the_worst_are_named() -> None:
    verdict = quick().judge(counted(log(50), log(1)))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "51 queries were logged as slow within 7 d, over 50; those that took the longest in all: "
        "select * from rooms (50 times, up to 2383 ms), select ? (once, 200 ms)"
    )
    assert verdict.measures == (Measure(label="slow queries within 7 d", value="51", is_faulty=True),)


@pytest.mark.parametrize(
    "seen, says",
    [
        (counted(log(50)), "50 queries were logged as slow within 7 d"),
        (counted(log(1)), "1 query was logged as slow within 7 d"),
        (counted(log()), "no query was logged as slow within 7 d"),
        (
            counted(log(), log(is_there=False)),
            "no query was logged as slow within 7 d; nothing was ever logged to /srv/q.log",
        ),
    ],
)
def test_as_many_as_may_be_are_well_and_so_are_none(seen: SlowQueries, says: str) -> None:
    verdict = quick().judge(seen)
    assert (verdict.health, verdict.why) == (Health.HEALTHY, says)
    assert verdict.measures[0].value == str(seen.count)


@pytest.mark.parametrize("lack", Lack)
def test_a_log_that_may_have_held_more_is_unknown_and_too_many_are_too_many_all_the_same(lack: Lack) -> None:
    verdict = quick().judge(counted(log(50, lack), log()))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why == (
        f"how many queries were slow within 7 d is not known, 50 were seen. /srv/q.log: {_LACKS[lack]}"
    )
    assert verdict.measures[0].value == "at least 50"
    assert "is not known, none was seen. " in quick().judge(counted(log(0, lack))).why
    verdict = quick().judge(counted(log(51, lack)))
    assert verdict.health is Health.FAULTY
    assert verdict.why.startswith("at least 51 queries were logged as slow within 7 d, over 50; ")
    assert quick(most=0).judge(counted(log(1, lack))).why.startswith("at least 1 query was logged as slow within 7 d")


def test_an_application_that_has_no_such_log_is_unknown() -> None:
    verdict = quick().judge(counted())
    assert verdict.health is Health.UNKNOWN
    assert "has no log about queries or what is slow (config/logging.php)" in verdict.why


def test_it_says_what_has_to_hold_and_asks_as_the_application() -> None:
    assert quick(most=9).aim() == "at most 9 queries are logged as slow within 7 d"
    assert quick().reads_with() == (Right("www-data"),)


@pytest.mark.parametrize(
    "wrong", [{"most": -1}, {"younger_than": Duration(59)}, {"younger_than": Duration(366 * 86400 + 1)}]
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        quick(**wrong)
