from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.limiters import Limits, ReadLimits
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.limiters import ClearLimiter
from tests.unit.facts.answers import said, see
from tests.unit.facts.traffic import ANSWERS, counter, limits, throttle

ROOT = Path("/srv/shop")
BY_ADDRESS = "; what is counted by address is known with --set customer_address=… only"


def task(**others: Any) -> ClearLimiter:
    return ClearLimiter(**{"root": ROOT, "user": "shop", "customer": "7", **others})


def seen(*throttles: dict[str, Any], **others: str) -> Limits:
    return ReadLimits(ROOT, "shop", "7", "").answer(said(limits(*throttles, **others)))


def test_what_is_counted_of_one_user_is_cleared_by_the_keys_that_the_framework_itself_made() -> None:
    plan = task().plan(see(task().read(Reader()), *ANSWERS))
    (change,) = plan.changes
    assert change.command.words == ("php", "--", "clear-limiter", "/srv/shop", "7", "", "k1")
    assert change.command.user == "shop"
    text = str(change.command.stdin)
    assert text.startswith("<?php\n")
    assert "$limiter->clear($key)" in text
    assert text.count("exit(75)") == 1  # where the application cannot be started
    assert (change.risk, change.undo.command) == (Risk.GENTLE, None)
    assert change.before == "user 7 is refused (429): 60 of 60, for another 40 s"
    assert change.after == "user 7 is served, and counted anew"
    assert plan.because == "user 7 is refused: 60 of 60, for another 40 s"
    assert task().rights() == (Right("shop"),)


def test_of_somebody_who_is_not_logged_in_it_is_everybodys_who_comes_from_there() -> None:
    guest = task(customer=None, customer_address="192.31.196.7")
    (change,) = guest.plan(seen(throttle(counter()))).changes
    assert change.command.words[4:] == ("", "192.31.196.7", "k1")
    assert change.after == "192.31.196.7 is served, and whoever else comes from there without a login, and counted anew"
    both = task(customer_address="192.31.196.7")
    assert [one.aim() for one in (task(), guest, both, task(customer=None))] == [
        "user 7 is not refused by a limit",
        "192.31.196.7 is not refused by a limit",
        "user 7 at 192.31.196.7 is not refused by a limit",
        "no user was named",
    ]


@pytest.mark.parametrize(
    "one, found, because",
    [
        (task(customer=None), seen(throttle(counter())), "no user was named whose limit may be cleared"),
        (task(customer=None), None, "no user was named whose limit may be cleared"),
        (task(), seen(throttle(counter(count=59))), "user 7 is at no limit of the framework's"),
        (
            task(),
            seen(throttle(counter(own=False))),
            f"user 7 is at no limit of the framework's{BY_ADDRESS}",
        ),
        (task(), seen(), "user 7 is at no limit of the framework's"),
    ],
)
def test_who_is_not_limited_is_left_alone(one: ClearLimiter, found: Limits | None, because: str) -> None:
    plan = one.plan(found)
    assert plan.changes == ()
    assert plan.because == because


@pytest.mark.parametrize(
    "found, why",
    [
        (seen(throttle(kind="App\\Throttle")), r"App\\Throttle counts on /api/bookings, /api/rooms, and only its own"),
        (seen(throttle(counter()), driver="array"), "counted in the cache array, which each process"),
        (seen(throttle(counter()), driver=""), "counted in the cache without a driver"),
    ],
)
def test_what_only_the_application_knows_how_to_clear_is_refused(found: Limits, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        task().plan(found)


def test_what_the_frameworks_counters_say_is_cleared_though_another_class_counts_elsewhere() -> None:
    assert task().plan(seen(throttle(counter()), throttle(kind="App\\Throttle"))).changes


def test_an_application_that_does_not_say_is_unknown_only_where_somebody_is_meant() -> None:
    rule = ("php -- limits", said(limits(why="no")))
    with pytest.raises(FactError, match="cannot be known: no"):
        see(task().read(Reader()), rule)
    assert see(task(customer=None).read(Reader()), rule) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"customer": ""},
        {"customer": "7 or 1=1"},
        {"customer": "x" * 65},
        {"customer_address": "192.31.196.0/24"},
        {"customer_address": "-F"},
        {"root": Path("srv")},
        {"user": "-u"},
    ],
)
def test_who_can_be_nobody_is_refused_before_any_host_is_asked(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be|no user"):
        task(**wrong)
