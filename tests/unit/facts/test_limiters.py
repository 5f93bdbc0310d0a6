from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.limiters import ReadLimits
from tests.unit.facts.answers import said
from tests.unit.facts.traffic import counter, limits, throttle

READ = ReadLimits(Path("/srv/shop"), "shop", "7", "")


def test_the_application_itself_is_asked_as_its_user_and_no_counter_is_raised_by_that() -> None:
    command = READ.command
    assert command.words == ("php", "--", "limits", "/srv/shop", "7", "")
    assert command.user == "shop"
    text = str(command.stdin)
    assert "->hit(" not in text
    assert "->tooManyAttempts(" not in text  # it resets what is over


def test_who_is_at_a_limit_is_told_by_the_frameworks_own_counters_each_once() -> None:
    told = limits(
        throttle(counter(), counter(key="k2", count=59), counter(key="k3", left=0), counter(key="k4", own=False)),
        throttle(counter(), kind="App\\Throttle"),
    )
    seen = READ.answer(said(told))
    assert [one.key for one in seen.at_their_limit] == ["k1"]
    first, second = seen.throttles
    assert (first.given, first.pages, first.is_frameworks) == ("api", ("/api/bookings", "/api/rooms", "/api/me"), True)
    assert not second.is_frameworks
    assert seen.driver == "redis"


@pytest.mark.parametrize(
    "told, why",
    [
        (limits(why="SQLSTATE[08006]: no\n  way"), "cannot be known: SQLSTATE\\[08006\\]: no way"),
        (limits(throttle({**counter(), "key": 7})), "no text"),
        (limits(throttle({**counter(), "key": "\0"})), "no text"),
        ('{"started":true}\n{}\n', "cannot be read"),
    ],
)
def test_what_the_application_does_not_say_is_not_known(told: str, why: str) -> None:
    with pytest.raises(FactError, match=why):
        READ.answer(said(told))


def test_a_user_whom_the_application_has_not_is_wrong_input() -> None:
    with pytest.raises(NotOnHost, match=r"^the application has no user 7$") as refused:
        READ.answer(said(limits(nobody="the application has no user 7")))
    assert refused.value.given == "7"
