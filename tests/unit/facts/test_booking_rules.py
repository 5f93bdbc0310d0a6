from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.facts.booking_rules import Rules, literal, quoted

USUAL: dict[str, str] = {
    "table": "bookings",
    "room": "room_id",
    "starts": "check_in",
    "ends": "check_out",
    "status": "status",
    "holds": "pending,confirmed",
    "free": "cancelled",
}


def test_statuses_are_separated_by_commas() -> None:
    rules = Rules.of(**USUAL)
    assert (rules.holds, rules.free) == (("pending", "confirmed"), ("cancelled",))
    assert Rules.of(**USUAL | {"free": ""}).free == ()


def test_without_a_column_of_the_status_every_booking_holds_its_room() -> None:
    rules = Rules.of(**USUAL | {"status": ""})
    assert (rules.status, rules.holds, rules.free) == ("", (), ())


@pytest.mark.parametrize(
    "changed, says",
    [
        ({"table": "bookings; drop table users"}, "table must be a name"),
        ({"table": "a.b.c"}, "table must be a name"),
        ({"room": 'r"'}, "room must be letters"),
        ({"starts": "1st"}, "starts must be letters"),
        ({"ends": "e" * 64}, "ends must be letters"),
        ({"status": "a b"}, "status must be letters"),
        ({"ends": "check_in"}, "must be four columns"),
        ({"holds": ""}, "holds must be statuses"),
        ({"holds": "pending, confirmed"}, "holds must be statuses"),
        ({"free": "cancelled'"}, "free must be statuses"),
        ({"free": "cancelled,pending"}, "pending cannot both hold a room and leave it free"),
    ],
)
def test_what_is_no_name_is_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Rules.of(**USUAL | changed)


def test_whatever_is_in_a_name_or_a_text_stays_in_it() -> None:
    assert quoted('a"b') == '"a""b"'
    assert literal("it's") == "'it''s'"
    assert literal("a\\'") == "E'a\\\\'''"
