from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.bookings import BookingsApart, BookingsGuarded
from soleil_remediate.task import Health
from tests.unit.facts.bookings import ASK, DOUBLE, UNGUARDED, WELL, bookings_told, index, seen

APART, GUARDED = BookingsApart(root=Path("/srv/hotel")), BookingsGuarded(root=Path("/srv/hotel"))


def test_bookings_that_overlap_now_or_in_time_to_come_are_a_fault() -> None:
    verdict = APART.judge(seen(DOUBLE, overlaps={"past": 4, "coming": 3}))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "4 pairs of bookings hold one room at the same time (1 now, 3 coming): 6 and 7 in room 102, 2026-11-29 to "
        "2026-11-30 (now); 12 and 13 in room 101, 2026-12-03 to 2026-12-04 (coming); and 2 more. Which of two gives "
        "way, and who tells the guest, a person decides; 4 pairs did in the past, which nobody can help"
    )
    (measure,) = verdict.measures
    assert (measure.value, measure.is_faulty) == ("4", True)


def test_what_overlapped_in_the_past_is_told_and_nobody_can_help_it() -> None:
    verdict = APART.judge(seen(UNGUARDED, overlaps={"past": 1}, counts={"roomless": 2}))
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        (
            "of 12 bookings that hold a room no two overlap from 2026-11-29 on; 1 pair did in the past, which nobody "
            "can help; 2 have no room at all"
        ),
    )


@pytest.mark.parametrize(
    "parts, says",
    [
        (
            {"overlaps": {"unclear": 1, "unclear_statuses": ["stays", None]}},
            (
                "1 pair of bookings overlap of which one is (none), stays: nobody said whether that holds a room. If "
                "so: --set holds=pending,confirmed,stays; if not: --set free=cancelled,stays"
            ),
        ),
        (
            {"overlaps": {"unclear": 2, "unclear_statuses": [None]}},
            "Give these bookings a status, or every booking a room: --set status=",
        ),
        (
            {"counts": {"held": 0, "statuses": [["booked", False, 480]]}},
            "none of 13 bookings is pending or confirmed; there are 480 booked. If so: --set holds=pending,confirmed",
        ),
        (
            {"counts": {"reversed_ahead": 2, "reversed_ids": ["8", "9"]}},
            "2 of the bookings to come end before they begin (8, 9)",
        ),
    ],
)
def test_where_it_is_in_doubt_it_is_unknown_and_never_well(parts: dict[str, Any], says: str) -> None:
    verdict = APART.judge(seen(UNGUARDED, **parts))
    assert verdict.health is Health.UNKNOWN
    assert says in verdict.why


def test_overlaps_that_were_not_found_out_are_unknown() -> None:
    verdict = APART.judge(ASK.answer(bookings_told(UNGUARDED | {"overlaps": None, "failed": "57014"})))
    assert verdict.health is Health.UNKNOWN


def test_a_constraint_that_refuses_them_is_well_and_what_else_it_refuses_is_told() -> None:
    assert GUARDED.judge(seen(WELL)).why == "constraint no_overlapping_bookings refuses them"
    verdict = GUARDED.judge(seen(WELL, table={"indexes": [index(name="a", is_valid=False), index(condition=None)]}))
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        "constraint no_overlapping_bookings refuses them; it also refuses a room whose booking is cancelled",
    )


@pytest.mark.parametrize(
    "table, says",
    [
        ({}, 'no constraint of "public"."bookings" refuses overlapping bookings'),
        (
            {"indexes": [index(name="one", keys=["room_id", "check_in"], operators=[], is_exclusion=False)]},
            'no constraint of "public"."bookings" refuses overlapping bookings; unique index one refuses only',
        ),
        ({"indexes": [index(is_valid=False)]}, "constraint no_overlapping_bookings does not refuse anything, for its"),
    ],
)
def test_none_or_one_that_lets_some_through_is_a_fault(table: dict[str, Any], says: str) -> None:
    verdict = GUARDED.judge(seen(UNGUARDED, table=table))
    assert verdict.health is Health.FAULTY
    assert says in verdict.why


@pytest.mark.parametrize(
    "table, says",
    [
        ({"indexes": [index(condition="(paid)")]}, "constraint no_overlapping_bookings: EXCLUDE"),
        ({"triggers": [{"name": "t", "function": "refuse"}]}, "trigger t (refuse)"),
    ],
)
def test_another_form_of_which_nobody_knows_how_far_it_reaches_is_unknown(table: dict[str, Any], says: str) -> None:
    verdict = GUARDED.judge(seen(UNGUARDED, table=table))
    assert verdict.health is Health.UNKNOWN
    assert says in verdict.why


def test_they_say_what_has_to_hold() -> None:
    assert APART.aim() == "no two bookings hold one room at the same time"
    assert GUARDED.aim() == "the database refuses two bookings of one room at the same time"


@pytest.mark.parametrize("kind", [BookingsApart, BookingsGuarded])
def test_what_is_no_name_is_refused_before_anything_is_asked(kind: Any) -> None:
    with pytest.raises(ValueError, match="must be absolute"):
        kind(root=Path("srv"))
    with pytest.raises(ValueError, match="table must be a name"):
        kind(root=Path("/srv"), table="a b")
