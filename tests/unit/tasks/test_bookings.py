from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.bookings import Bookings
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.bookings import AddBookingConstraint
from soleil_remediate.units import Duration
from tests.unit.facts.bookings import ASK, DOUBLE, UNGUARDED, WELL, bookings_told, index, seen

ADD = AddBookingConstraint(root=Path("/srv/hotel/current"))
DELETED = UNGUARDED["table"]["columns"] | {"deleted_at": {"type": "timestamp with time zone", "generated": None}}


def refusal(found: Bookings, task: AddBookingConstraint = ADD) -> str:
    with pytest.raises(Unplannable) as error:
        task.plan(found)
    return str(error.value)


def test_a_constraint_that_is_missing_is_added_by_the_application_itself_within_bounds() -> None:
    (change,) = ADD.plan(seen(UNGUARDED)).changes
    assert change.command.words == (
        *("php", "--", "constrain", "/srv/hotel/current", "3", '"public"."bookings"', "17079"),
        *("no_overlapping_bookings", "room_id", "daterange", "check_in", "check_out", "status", "pending,confirmed"),
        *("", "2", "10"),
    )
    assert change.command.user == "www-data"
    assert change.risk is Risk.DESTRUCTIVE
    assert change.undo.command is not None
    assert change.undo.command.words[2:8] == change.command.words[2:8]
    assert change.downtime.startswith("nobody reads or writes bookings for about 0.1 s (50 µs a row")
    assert ADD.rights() == (Right("www-data"),)
    text = str(change.command.stdin)
    for bound in ("set local lock_timeout", "set local statement_timeout", "PDO::ATTR_TIMEOUT", "PGAPPNAME=soleil-"):
        assert bound in text
        assert bound in str(change.undo.command.stdin)


def test_what_was_deleted_softly_holds_no_room_and_a_unique_index_is_told() -> None:
    unique = index(name="one", keys=["room_id", "check_in"], operators=[], is_exclusion=False)
    (change,) = ADD.plan(seen(UNGUARDED, table={"columns": DELETED, "indexes": [unique]})).changes
    assert change.command.words[-3:] == ("deleted_at", "2", "10")
    assert '"deleted_at" IS NULL' in change.summary
    assert change.before == "two bookings of one room may overlap; one refuses only equal ones"


def test_how_long_nobody_can_book_is_estimated_by_the_rows() -> None:
    (change,) = ADD.plan(seen(UNGUARDED, counts={"held": 100_000})).changes
    assert "for about 5 s" in change.downtime
    assert refusal(seen(UNGUARDED, counts={"held": 400_000})) == (
        "the table would be locked for about 20 s, and may be for 10 s: at a quiet hour, with --set locked_for=40s. "
        "The statement itself stands under bookings.guards"
    )


def test_one_that_stands_is_left_alone_whatever_it_is_called_and_though_bookings_overlap() -> None:
    named = {"indexes": [index(name="old")]}
    plan = ADD.plan(seen(DOUBLE, table=named))
    assert (plan.changes, plan.because) == ((), "constraint old stands: EXCLUDE USING gist (…)")
    assert ADD.plan(seen(WELL)).changes == ()


def test_it_is_never_added_where_bookings_overlap_or_nobody_knows() -> None:
    assert refusal(seen(DOUBLE)).startswith(
        "2 pairs of bookings overlap (1 now, 1 coming), so it cannot be added until"
    )
    assert "(3 past)" in refusal(seen(UNGUARDED, overlaps={"past": 3}))
    late = ASK.answer(bookings_told(UNGUARDED | {"overlaps": None, "failed": "57014"}))
    assert refusal(late).startswith("which bookings overlap was not found out: not within 4 s: with one pair the")


@pytest.mark.parametrize(
    "parts, says",
    [
        (
            {"table": {"indexes": [index(name="old", condition="((status)::text = 'confirmed'::text)")]}},
            "constraint old stands and does not refuse bookings that are pending (EXCLUDE USING gist (…)): somebody",
        ),
        ({"table": {"indexes": [index(condition="(paid)")]}}, "stands and reaches nobody knows here how far"),
        ({"table": {"triggers": [{"name": "t", "function": "f"}]}}, "trigger t calls f, which names both dates"),
        (
            {"table": {"indexes": [index(name="x", keys=["a"], operators=["="])]}},
            "another exclusion constraint stands there: x",
        ),
        (
            {"counts": {"statuses": [["stays", False, 40]]}},
            "nobody said whether a booking of these statuses holds a room: 40 stays; the constraint would let them",
        ),
        ({"counts": {"reversed": 1, "reversed_ids": ["9"]}}, "1 bookings end before they begin (9)"),
        ({"table": {"is_standby": True}}, "connected to a standby"),
        ({"table": {"kind": "p"}}, "has partitions, or inherits"),
        ({"table": {"has_kin": True}}, "has partitions, or inherits"),
        ({"table": {"is_owner": False, "owner": "admin"}}, "is admin's, and the application asks as soleil"),
        ({"table": {"has_extension": False}}, "is not there: CREATE EXTENSION btree_gist, in soleil"),
        ({"table": {"has_extension": False, "offers_extension": False}}, "install the package of PostgreSQL's contrib"),
        ({"table": {"names": ["no_overlapping_bookings"]}}, "something else in its schema is called no_overlapping"),
    ],
)
def test_what_speaks_against_it_is_said(parts: dict[str, Any], says: str) -> None:
    assert says in refusal(seen(UNGUARDED, **parts))


@pytest.mark.parametrize(
    "holder, says",
    [
        ({"pid": None}, "a prepared transaction has the table locked"),
        ({"is_waiting": True}, "session 7 waits for a lock on the table"),
        ({"since": None}, "session 7 of soleil has the table locked, for how long the application may not see"),
        ({"since": None, "role": None}, "session 7 has the table locked, for how long"),
        ({"since": 5}, "session 7 of soleil has the table locked in a transaction that is open for 5 s"),
    ],
)
def test_it_waits_for_nobody_who_has_the_table_locked_for_long(holder: dict[str, Any], says: str) -> None:
    session = {"pid": 7, "is_waiting": False, "role": "soleil", "since": 4}
    assert ADD.plan(seen(UNGUARDED, table={"holders": [session]})).changes
    assert says in refusal(seen(UNGUARDED, table={"holders": [session | holder]}))


def test_what_cannot_be_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(ValueError, match="constraint must be letters"):
        AddBookingConstraint(root=Path("/srv"), constraint="a; b")
    for seconds in (0.5, 601):
        with pytest.raises(ValueError, match="locked_for must be from 1 s to 10 min"):
            AddBookingConstraint(root=Path("/srv"), locked_for=Duration(seconds))
