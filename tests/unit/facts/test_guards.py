from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.facts.booking_rules import Rules
from soleil_remediate.facts.guards import Guard, Reach, add_statement, beside, definition, guards
from tests.unit.facts.bookings import IN_BOTH, RULES, UNGUARDED, index, seen
from tests.unit.facts.test_booking_rules import USUAL

COLUMNS = UNGUARDED["table"]["columns"]
DELETED = COLUMNS | {"deleted_at": {"type": "timestamp without time zone", "generated": None}}
STAY = COLUMNS | {"stay": {"type": "daterange", "generated": "daterange(check_in, check_out)"}}
ODD = COLUMNS | {"stay": {"type": "daterange", "generated": "daterange(check_in, (check_out + 1))"}}


def _guard(columns: dict[str, Any] = COLUMNS, **other: Any) -> Guard:
    table = seen(UNGUARDED, table={"columns": columns, "indexes": [index(**other)]}).table
    (found,) = guards(RULES, table)
    return found


@pytest.mark.parametrize(
    "columns, other",
    [
        (COLUMNS, {}),
        (COLUMNS, {"keys": ["room_id", "daterange(check_in, check_out)"]}),
        (COLUMNS, {"keys": ["daterange(check_in, check_out)", "room_id"], "operators": ["&&", "="]}),
        (COLUMNS, {"keys": ['"room_id"', 'daterange("check_in", "check_out")']}),
        (STAY, {"keys": ["room_id", "stay"]}),
        (COLUMNS, {"condition": "((status)::text <> 'cancelled'::text)"}),
        (COLUMNS, {"condition": "((status)::text <> ALL ((ARRAY['cancelled'::character varying])::text[]))"}),
        (COLUMNS, {"condition": "(status <> 'cancelled'::hotel.\"State\")"}),
        (COLUMNS, {"condition": "(status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'it''s AND (so)'::text]))"}),
        (COLUMNS, {"condition": f"({IN_BOTH} AND (check_out > '2026-11-29'::date))"}),
        (COLUMNS, {"condition": f"((check_out >= '2026-01-01'::date) AND {IN_BOTH})"}),
        (DELETED, {"condition": f"({IN_BOTH} AND (deleted_at IS NULL))"}),
        (DELETED, {"condition": "((deleted_at IS NULL) AND ((status)::text <> 'cancelled'::text))"}),
    ],
)
def test_a_constraint_that_refuses_all_that_must_not_be_counts_however_it_is_written(
    columns: dict[str, Any], other: dict[str, Any]
) -> None:
    found = _guard(columns, **other)
    assert (found.reach, found.misses, found.besides) == (Reach.ALL, "", "")


@pytest.mark.parametrize(
    "columns, other, besides",
    [
        (COLUMNS, {"condition": None}, "a room whose booking is cancelled"),
        (COLUMNS, {"condition": "((status)::text <> 'lost'::text)"}, "a room whose booking is cancelled"),
        (
            COLUMNS,
            {"condition": "(status = ANY (ARRAY['pending'::text, 'confirmed'::text, 'cancelled'::text]))"},
            "a room whose booking is cancelled",
        ),
        (
            COLUMNS,
            {"keys": ["room_id", "daterange(check_in, check_out, '[]'::text)"]},
            "a booking that begins when another ends",
        ),
        (DELETED, {}, "a room whose booking was deleted softly"),
    ],
)
def test_one_that_refuses_more_refuses_them_too_and_what_else_is_told(
    columns: dict[str, Any], other: dict[str, Any], besides: str
) -> None:
    found = _guard(columns, **other)
    assert (found.reach, found.misses, found.besides) == (Reach.ALL, "", besides)


@pytest.mark.parametrize(
    "other, misses",
    [
        ({"condition": "((status)::text = 'confirmed'::text)"}, "bookings that are pending"),
        ({"condition": "((status)::text <> 'pending'::text)"}, "bookings that are pending"),
        ({"condition": "(status = ANY (ARRAY[1, 2]))"}, "bookings that are pending or confirmed"),
        ({"condition": f"({IN_BOTH} AND (check_out > '2026-12-24'::date))"}, "bookings that end before 2026-12-24"),
        ({"is_valid": False}, "anything, for its index is not valid"),
        (
            {"keys": ["room_id", "daterange(check_in, check_out, '()'::text)"]},
            "bookings that share no more than a bound (())",
        ),
    ],
)
def test_one_that_lets_some_through_says_which(other: dict[str, Any], misses: str) -> None:
    found = _guard(**other)
    assert (found.reach, found.misses) == (Reach.LESS, misses)


@pytest.mark.parametrize(
    "columns, other",
    [
        (COLUMNS, {"keys": ["daterange(check_in, check_out)"], "operators": ["&&"]}),
        (COLUMNS, {"keys": ["bed", "daterange(check_in, check_out)"]}),
        (COLUMNS, {"keys": ["room_id", "bed", "daterange(check_in, check_out)"], "operators": ["=", "=", "&&"]}),
        (COLUMNS, {"operators": ["&&", "&&"]}),
        (COLUMNS, {"operators": ["<>", "&&"]}),
        (COLUMNS, {"keys": ["room_id", "daterange(check_in, COALESCE(check_out, (check_in + 1)))"]}),
        (COLUMNS, {"keys": ["room_id", "daterange(opens, closes)"]}),
        (COLUMNS, {"keys": ["room_id", "tsrange(check_in, check_out)"]}),
        (COLUMNS, {"keys": ["room_id", "stay"]}),
        (ODD, {"keys": ["room_id", "stay"]}),
        (COLUMNS, {"condition": "((status)::text = 'a'::text) OR (status IS NULL)"}),
        (COLUMNS, {"condition": "(NOT ((status)::text = 'confirmed'::text))"}),
        (COLUMNS, {"condition": "(paid_at IS NULL)"}),
        (COLUMNS, {"condition": "(deleted_at IS NULL)"}),
        (COLUMNS, {"condition": "(floor = 3)"}),
        (COLUMNS, {"condition": "(status = other_status)"}),
        (COLUMNS, {"condition": "(status = ALL (ARRAY['pending'::text]))"}),
        (COLUMNS, {"condition": f"({IN_BOTH} AND {IN_BOTH})"}),
        (COLUMNS, {"condition": f"({IN_BOTH} AND (check_in > '2026-01-01'::date))"}),
        (COLUMNS, {"condition": f"({IN_BOTH} AND (check_out > 'infinity'::date))"}),
        (COLUMNS, {"condition": "((check_out > '2026-01-01'::date) AND (check_out > '2027-01-01'::date))"}),
        (COLUMNS, {"condition": "(status > ANY (ARRAY['a'::text]))"}),
    ],
)
def test_one_that_is_not_understood_is_unknown_and_never_enough(columns: dict[str, Any], other: dict[str, Any]) -> None:
    assert _guard(columns, **other).reach is Reach.UNKNOWN


def test_only_what_compares_times_of_a_room_has_to_do_with_it() -> None:
    unique = {"is_exclusion": False, "operators": []}
    indexes = [
        index(name="other", keys=["a"], operators=["="]),
        index(name="equal", keys=["room_id", "check_in"], **unique),
        index(name="email", keys=["email"], **unique),
        index(name="rooms", keys=["room_id", "user_id"], **unique),
    ]
    table = seen(UNGUARDED, table={"indexes": indexes}).table
    assert guards(RULES, table) == ()
    assert [one.name for one in beside(RULES, table)] == ["equal"]


def test_the_statement_for_a_person_is_whole() -> None:
    table = seen(UNGUARDED, table={"columns": DELETED}).table
    assert add_statement(RULES, table, "apart", since="2026-11-29", instead_of="old") == (
        'ALTER TABLE "public"."bookings" DROP CONSTRAINT "old", ADD CONSTRAINT "apart" EXCLUDE USING gist '
        '("room_id" WITH =, daterange("check_in", "check_out", \'[)\') WITH &&) '
        "WHERE (\"status\" IN ('pending', 'confirmed') AND \"deleted_at\" IS NULL AND \"check_out\" > '2026-11-29');"
    )
    bare = Rules.of(**USUAL | {"status": ""})
    assert definition(bare, seen(UNGUARDED).table).endswith("WITH &&)")
