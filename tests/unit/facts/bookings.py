"""What an application's own PHP told of its bookings on a host of the lab, and variants of it for tests."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Output
from soleil_remediate.facts.ask_bookings import ReadBookings
from soleil_remediate.facts.booking_rules import Rules
from soleil_remediate.facts.bookings import Bookings
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

RULES = Rules.of(
    table="bookings",
    room="room_id",
    starts="check_in",
    ends="check_out",
    status="status",
    holds="pending,confirmed",
    free="cancelled",
)
ASK = ReadBookings(PurePosixPath("/srv/hotel/current"), "www-data", RULES)

#: As PostgreSQL 15 writes it, of the constraint that the lab's application has.
IN_BOTH = "((status)::text = ANY ((ARRAY['pending'::character varying, 'confirmed'::character varying])::text[]))"


def index(**other: Any) -> dict[str, Any]:
    """Return an exclusion constraint as the catalogue has it, or a variant."""
    found = {
        "name": "no_overlapping_bookings",
        "definition": "EXCLUDE USING gist (…)",
        "keys": ["room_id", "daterange(check_in, check_out, '[)'::text)"],
        "operators": ["=", "&&"],
        "condition": IN_BOTH,
        "is_exclusion": True,
        "is_valid": True,
    }
    return found | other


def booking(number: str, **other: Any) -> list[Any]:
    """Return one of two bookings that overlap, or a variant."""
    found = {
        "id": number,
        "starts": "2026-12-01",
        "ends": "2026-12-04",
        "status": "confirmed",
        "created": "2026-11-29 17:37:56",
        "created_at": 1795973876,
        "is_updated": False,
        "transaction": f"7{number}",
    }
    return list((found | other).values())


#: Two pairs of bookings overlap, one now and one in time to come, and nothing refuses them.
DOUBLE: dict[str, Any] = {
    "driver": "pgsql",
    "named": '"bookings"',
    "table": {
        "oid": 17079,
        "schema": "public",
        "name": "bookings",
        "kind": "r",
        "database": "soleil",
        "owner": "soleil",
        "role": "soleil",
        "is_owner": True,
        "is_hidden": False,
        "has_kin": False,
        "is_standby": False,
        "today": "2026-11-29",
        "has_extension": True,
        "offers_extension": True,
        "names": ["bookings", "bookings_pkey", "users"],
        "key": "id",
        "columns": {
            "id": {"type": "bigint", "generated": None},
            "room_id": {"type": "integer", "generated": None},
            "user_id": {"type": "bigint", "generated": None},
            "check_in": {"type": "date", "generated": None},
            "check_out": {"type": "date", "generated": None},
            "status": {"type": "character varying", "generated": None},
            "created_at": {"type": "timestamp without time zone", "generated": None},
            "updated_at": {"type": "timestamp without time zone", "generated": None},
        },
        "indexes": [],
        "triggers": [],
        "holders": [],
    },
    "counts": {
        "held": 12,
        "roomless": 0,
        "open": 0,
        "hollow": 0,
        "reversed": 0,
        "reversed_ahead": 0,
        "reversed_ids": [],
        "total": 13,
        "statuses": [["confirmed", True, 11], ["pending", True, 1]],
    },
    "overlaps": {
        "past": 0,
        "running": 1,
        "coming": 1,
        "unclear": 0,
        "unclear_statuses": [],
        "pairs": [
            [
                "102",
                "running",
                "2026-11-29",
                "2026-11-30",
                booking("7", status="pending", created="2026-01-31 10:07:00", created_at=1769854020, transaction="764"),
                booking("6", created="2026-01-31 10:00:00", created_at=1769853600, transaction="764"),
            ],
            ["101", "coming", "2026-12-03", "2026-12-04", booking("12"), booking("13", starts="2026-12-03")],
        ],
    },
    "zone": "UTC",
    "failed": None,
}
NONE = {"past": 0, "running": 0, "coming": 0, "unclear": 0, "unclear_statuses": [], "pairs": []}
#: Nothing refuses overlapping bookings, and none overlap.
UNGUARDED = DOUBLE | {"overlaps": NONE}
#: None overlap, and a constraint refuses them.
WELL = UNGUARDED | {"table": DOUBLE["table"] | {"indexes": [index()]}}

#: What a log had of the minutes around.
WINDOW = """\
size
1300
begin
      1 [2026-11-29 17:30
lines
[2026-11-29 17:37:56] production.ERROR: SQLSTATE[40001]
[object] (Illuminate\\\\Database\\\\QueryException(code:
[2026-11-29 17:37:56] production.INFO: \nend
"""


def bookings_told(found: dict[str, Any]) -> Output:
    """Return the answer of PHP that tells this."""
    return said(f"{STARTED}{json.dumps(found)}\n")


def seen(of: dict[str, Any], **changed: dict[str, Any]) -> Bookings:
    """Return what is seen of bookings; *changed* are parts of it with single values changed."""
    found = deepcopy(of)
    for part, values in changed.items():
        found[part] = found[part] | values
    return ASK.answer(bookings_told(found))
