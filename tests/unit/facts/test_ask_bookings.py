from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.bookings import Phase
from soleil_remediate.units import Duration
from tests.unit.facts.bookings import ASK, DOUBLE, NONE, UNGUARDED, booking, bookings_told, index, seen

TABLE = DOUBLE["table"]


def test_bookings_that_overlap_are_told_by_their_numbers_the_one_that_was_made_first_first() -> None:
    found = seen(DOUBLE).overlaps
    assert not isinstance(found, FactError)
    assert (found.total, found.counts[Phase.RUNNING], found.unclear) == (2, 1, 0)
    one = found.shown[0]
    assert (one.room, one.phase, one.first.id, one.second.id, one.apart) == ("102", Phase.RUNNING, "6", "7", 420)
    assert one.second.status == "pending"


def test_how_far_apart_is_not_known_where_one_says_not_when_it_was_made() -> None:
    pair = ["1", "past", "2026-01-01", "2026-01-02", booking("2"), booking("1", created=None, created_at=None)]
    found = seen(DOUBLE, overlaps={"pairs": [pair]}).overlaps
    assert not isinstance(found, FactError)
    assert found.shown[0].apart is None


def test_the_table_is_told_as_its_catalogue_has_it() -> None:
    column = {"type": "daterange", "generated": "daterange(check_in, check_out)"}
    whole = {
        "schema": 'o"dd',
        "columns": TABLE["columns"] | {"stay": column},
        "indexes": [index(), index(name="one", operators=[], is_exclusion=False, condition=None)],
        "triggers": [{"name": "t", "function": "f"}],
        "holders": [
            {"pid": 7, "is_waiting": False, "role": "soleil", "since": 9},
            {"pid": None, "is_waiting": True, "role": None, "since": None},
        ],
    }
    table = seen(UNGUARDED, table=whole).table
    assert table.name == '"o""dd"."bookings"'
    assert table.generated == {"stay": "daterange(check_in, check_out)"}
    assert [(one.name, one.condition != "") for one in table.indexes] == [
        ("no_overlapping_bookings", True),
        ("one", False),
    ]
    assert table.triggers == (("t", "f"),)
    assert [(one.pid, one.role, one.since, one.is_waiting) for one in table.holders] == [
        (7, "soleil", Duration(9), False),
        (0, "", None, True),
    ]


def test_statuses_of_which_nobody_said_anything_are_counted() -> None:
    statuses = [["confirmed", True, 4], ["stays", False, 3], [None, False, 1]]
    assert seen(UNGUARDED, counts={"statuses": statuses}).counts.unknown == {"stays": 3, "(none)": 1}


@pytest.mark.parametrize(
    "code, says", [("57014", "not found out: not within 4 s"), ("42501", "not found out: SQLSTATE 42501")]
)
def test_overlaps_that_were_not_found_in_time_are_unknown_and_the_table_is_not(code: str, says: str) -> None:
    found = ASK.answer(bookings_told(UNGUARDED | {"overlaps": None, "failed": code}))
    assert isinstance(found.overlaps, FactError)
    assert says in str(found.overlaps)
    assert found.table.key == "id"


@pytest.mark.parametrize(
    "answer, says",
    [
        ({"class": "PDOException", "why": "no\nconnection"}, "bookings cannot be read: PDOException: no connection"),
        ({"driver": "mysql"}, "database is mysql: whether bookings overlap is only looked into for PostgreSQL"),
        ({"driver": "pgsql", "named": '"bookings"', "table": None}, 'no table "bookings" that the application may see'),
    ],
)
def test_a_database_without_them_is_unknown_and_says_why(answer: dict[str, Any], says: str) -> None:
    with pytest.raises(FactError, match=says):
        ASK.answer(bookings_told(answer))


def _without(column: str) -> dict[str, Any]:
    return {name: one for name, one in TABLE["columns"].items() if name != column}


@pytest.mark.parametrize(
    "table, says",
    [
        ({"kind": "v"}, "public.bookings is no table but a view"),
        ({"columns": _without("status")}, "has no column status: --set status=NAME; there are id, room_id, user_id"),
        ({"columns": _without("room_id")}, "has no column room_id: --set room=NAME"),
        (
            {"columns": TABLE["columns"] | {"check_out": {"type": "text", "generated": None}}},
            "check_in of public.bookings is date, and check_out text: what overlaps is known for two dates",
        ),
        ({"is_hidden": True}, "row security hides rows of public.bookings from soleil"),
        ({"key": None}, "has no primary key of one column"),
    ],
)
def test_a_table_that_cannot_be_read_as_bookings_is_unknown_and_says_why(table: dict[str, Any], says: str) -> None:
    found = DOUBLE | {"table": TABLE | table, "counts": None, "overlaps": None}
    with pytest.raises(FactError, match=says):
        ASK.answer(bookings_told(found))


@pytest.mark.parametrize(
    "part, value",
    [
        ("counts", None),
        ("counts", {"total": 1}),
        ("overlaps", None),
        ("overlaps", NONE | {"pairs": [["1", "later", "a", "b", booking("1"), booking("2")]]}),
        ("overlaps", NONE | {"pairs": [["1", "past", "a", "b", booking("1"), booking("2", is_updated=None)]]}),
        ("overlaps", NONE | {"pairs": [[1, "past", "a", "b", booking("1"), booking("2")]]}),
        ("table", TABLE | {"columns": TABLE["columns"] | {"x": 3}}),
        ("table", TABLE | {"indexes": [3]}),
        ("zone", 3),
    ],
)
def test_what_is_told_otherwise_cannot_be_read(part: str, value: object) -> None:
    with pytest.raises(FactError, match="cannot be read"):
        ASK.answer(bookings_told(deepcopy(UNGUARDED) | {part: value}))


def test_a_long_or_broken_text_is_shown_so_that_it_can_be_read() -> None:
    pair = ["1" * 99, "past", "2026-01-01", "2026-01-02", booking("1", status="\ud800"), booking("2")]
    found = seen(DOUBLE, overlaps={"pairs": [pair]}).overlaps
    assert not isinstance(found, FactError)
    assert (len(found.shown[0].room), found.shown[0].first.status) == (64, "\\xed\\xa0\\x80")


def test_the_question_can_change_nothing_and_neither_waits_nor_takes_long() -> None:
    text = str(ASK.command.stdin)
    for bound in (
        "begin isolation level repeatable read read only",
        "set local statement_timeout",
        "set local lock_timeout",
        "PDO::ATTR_TIMEOUT",
        'putenv("PGAPPNAME=soleil-remediate")',
    ):
        assert bound in text
    assert ASK.command.user == "www-data"
    assert "guest" not in text
