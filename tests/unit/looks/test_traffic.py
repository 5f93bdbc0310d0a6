from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.facts.limiters import Limits, ReadLimits
from soleil_remediate.looks.traffic import AddressBlocked, LimiterOverview, TrafficTalkers
from soleil_remediate.rights import Right
from soleil_remediate.task import Table, Text
from tests.unit.facts.answers import said
from tests.unit.facts.test_talkers import block, traffic
from tests.unit.facts.traffic import ATTACKER, OTHER, counter, limits, line, throttle

ROOT = Path("/srv/shop")


def test_who_asks_the_most_is_shown_with_lines_that_differ_and_nothing_behind_a_question_mark() -> None:
    lines = [
        line(ATTACKER, agent="ab", ago=9 - number, page=f"GET /{number}?token=s3cret HTTP/1.1") for number in range(5)
    ]
    shown = TrafficTalkers(top=1, most=4).show(traffic(line(OTHER), *lines, *lines[:1]))
    assert shown == Text(
        lines=(
            f"{ATTACKER}: 6 requests a minute, none refused (429); pages: 5, browsers named: 1",
            "  one client: 2 of 6 for GET /0: an attack, or a program with a bug",
            "  2026-11-23 09:59 GET /2 200 ab",
            "  2026-11-23 09:59 GET /3 200 ab",
            "  2026-11-23 09:59 GET /4 200 ab",
            "and 1 more",
        )
    )


def test_where_nobody_asks_it_is_said_since_when() -> None:
    look = TrafficTalkers()
    (only,) = look.show(traffic(line(OTHER, ago=600))).lines  # type: ignore[union-attr]  # lines, not a table
    assert (
        only == "nobody asked for anything in the last minute, by /var/log/nginx/access.log since 2026-11-23 09:50 UTC"
    )
    (only,) = look.show(traffic()).lines  # type: ignore[union-attr]  # likewise
    assert only.endswith("access.log")
    assert len(look.show(traffic(line(OTHER))).lines) == 3  # type: ignore[union-attr]  # likewise
    for wrong in ({"top": 0}, {"access_log": Path("x")}):
        with pytest.raises(ValueError, match="must be"):
            TrafficTalkers(**wrong)


def told(*throttles: dict[str, object]) -> Limits:
    return ReadLimits(ROOT, "www-data", "7", "").answer(said(limits(*throttles)))


def test_limits_are_shown_and_of_the_one_who_complains_how_near_to_them() -> None:
    seen = told(
        throttle(counter(), counter(key="k2", own=False), counter(key="k3", count=0, left=0)),
        throttle(kind="App\\Throttle") | {"pages": ["/a"]},
        throttle(),
    )
    shown = LimiterOverview(root=ROOT, customer="7").show(seen)
    pages = "/api/bookings, /api/rooms and 1 others"
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("throttle:api", pages, "60", "60", "in 40 s"),
        ("throttle:api", pages, "60", "not by user", ""),
        ("throttle:api", pages, "60", "0", ""),
        ("throttle:api", "/a", "counted by App\\Throttle", "", ""),
        ("throttle:api", pages, "no limit for this one", "", ""),
    )
    of_nobody = LimiterOverview(root=ROOT).show(seen)
    assert isinstance(of_nobody, Table)
    assert of_nobody.rows[0] == ("throttle:api", pages, "60", "", "")
    assert LimiterOverview(root=ROOT).reads_with() == (Right("www-data"),)


def test_an_application_without_limits_says_so() -> None:
    (only,) = LimiterOverview(root=ROOT).show(told()).lines  # type: ignore[union-attr]  # lines, not a table
    assert only.startswith("no route has the framework's throttle")


def test_who_is_blocked_is_shown_with_what_is_left() -> None:
    shown = AddressBlocked().show((block(ATTACKER, ago=60), block("2620:4f:8000::/64", ago=0)))
    assert isinstance(shown, Table)
    assert shown.rows == ((ATTACKER, "1 h", "59 min"), ("2620:4f:8000::/64", "1 h", "1 h"))
    assert AddressBlocked().show(()) == Text(lines=("nobody, by this program",))
