"""Where an application's bookings stand, and which of them hold a room: as somebody says, checked before it is used."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_TABLE = re.compile(rf"(?:{_IDENTIFIER.pattern}\.)?{_IDENTIFIER.pattern}")
_STATUSES = re.compile(r"[A-Za-z0-9_-]{1,40}(?:,[A-Za-z0-9_-]{1,40}){0,19}")

#: Laravel's own names; each counts where the table has it.
CREATED, UPDATED, DELETED = "created_at", "updated_at", "deleted_at"

#: Types of a beginning and an end, as PostgreSQL writes them, and what makes a range of each.
RANGES = {
    "date": "daterange",
    "timestamp without time zone": "tsrange",
    "timestamp with time zone": "tstzrange",
}


def refuse_unless_identifier(name: str, what: str) -> None:
    """Do nothing where *name* can be one in SQL without anything around it.

    Raises:
        ValueError: It cannot.
    """
    if not _IDENTIFIER.fullmatch(name):
        raise ValueError(f"{what} must be letters, digits and _, at most 63, and begin with no digit: {name[:80]!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What to read as a booking of a room.

    Args:
        table: Its table, with its schema or without.
        room: The column of the room.
        starts: The column of the first day, or the time from which the room is taken.
        ends: The column of the day, or the time, at which it is free again.
        status: The column of the status; empty where every booking holds its room.
        holds: The statuses in which a booking holds its room.
        free: Those in which it does not.
    """

    table: str
    room: str
    starts: str
    ends: str
    status: str
    holds: tuple[str, ...]
    free: tuple[str, ...]

    @classmethod
    def of(cls, *, table: str, room: str, starts: str, ends: str, status: str, holds: str, free: str) -> Self:
        """Return them as a playbook gives them: statuses separated by commas.

        Raises:
            ValueError: One of them is none, or they contradict each other.
        """
        if not _TABLE.fullmatch(table):
            raise ValueError(f"table must be a name such as bookings or hotel.bookings, not {table[:80]!r}")
        for what, name in (("room", room), ("starts", starts), ("ends", ends)):
            refuse_unless_identifier(name, what)
        if len({room, starts, ends, status}) < 4:
            raise ValueError("room, starts, ends and status must be four columns")
        if not status:
            return cls(table=table, room=room, starts=starts, ends=ends, status="", holds=(), free=())
        refuse_unless_identifier(status, "status")
        for what, listed in (("holds", holds), ("free", free)):
            if not _STATUSES.fullmatch(listed) and not (what == "free" and not listed):
                raise ValueError(f"{what} must be statuses separated by commas, without spaces, not {listed[:80]!r}")
        held, freed = tuple(holds.split(",")), tuple(free.split(",")) if free else ()
        if both := sorted({*held} & {*freed}):
            raise ValueError(f"{', '.join(both)} cannot both hold a room and leave it free")
        return cls(table=table, room=room, starts=starts, ends=ends, status=status, holds=held, free=freed)


def quoted(name: str) -> str:
    """Return a name as SQL has it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL has it, whatever is in it."""
    plain = "'" + text.replace("'", "''") + "'"
    return f"E{plain}".replace("\\", "\\\\") if "\\" in text else plain
