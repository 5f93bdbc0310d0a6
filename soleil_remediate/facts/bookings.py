"""An application's bookings: which of them have one room at the same time, and what its database does against that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from soleil_remediate.errors import FactError
from soleil_remediate.units import Duration


class Phase(Enum):
    """When two bookings have one room, as their database's clock has it."""

    RUNNING = "now"
    COMING = "coming"
    PAST = "past"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One of two that overlap.

    Args:
        id: By its table's primary key.
        starts: As the database writes it.
        ends: Likewise.
        status: Empty where there is none.
        created: When it was made, in the application's own time zone, to the second; empty where nobody knows.
        created_at: The same, in seconds; ``None`` where nobody knows.
        is_updated: It was changed after that; so its transaction is that of the change.
        transaction: Which wrote it last (xmin).
    """

    id: str
    starts: str
    ends: str
    status: str
    created: str
    created_at: float | None
    is_updated: bool
    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Two bookings that hold one room at the same time.

    Args:
        room: Which.
        phase: When, as of now.
        begins: From when on both hold it.
        ends: Until when.
        first: The one that was made first.
        second: The other.
    """

    room: str
    phase: Phase
    begins: str
    ends: str
    first: Booking
    second: Booking

    @property
    def apart(self) -> Duration | None:
        """How long lies between the making of both; ``None`` where nobody knows."""
        if self.first.created_at is None or self.second.created_at is None:
            return None
        return Duration(abs(self.second.created_at - self.first.created_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlaps:
    """How many pairs of bookings overlap, all told, and some of them.

    Args:
        counts: By when they do.
        unclear: So many more, and not past, where one has a status of which nobody said whether it holds a room.
        unclear_statuses: Which these are.
        shown: Some of them, those that can still be helped first.
    """

    counts: Mapping[Phase, int]
    unclear: int
    unclear_statuses: tuple[str, ...]
    shown: tuple[Overlap, ...]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many bookings there are of each kind.

    Args:
        total: All.
        held: Those that hold a room.
        roomless: Of these, those without a room: no constraint finds them.
        open: Of these, those without beginning or end: they are without bounds.
        hollow: Of these, those that end when they begin: they overlap with nothing.
        reversed: Of these, those that end before they begin, of which no range can be made.
        reversed_ahead: Of all but those that leave a room free, such ones that begin after today.
        reversed_ids: Some of both, the latest first.
        unknown: By status, how many have one of which nobody said whether it holds a room.
    """

    total: int
    held: int
    roomless: int
    open: int
    hollow: int
    reversed: int
    reversed_ahead: int
    reversed_ids: tuple[str, ...]
    unknown: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSeen:
    """A unique index or an exclusion constraint, as the catalogue has it.

    Args:
        name: Of the constraint, or of the index where there is none.
        definition: For people.
        keys: What it compares, one by one.
        operators: By which; empty for a unique index.
        condition: Which rows it is about; empty where it is about all.
        is_exclusion: It is an exclusion constraint.
        is_valid: It is kept by all rows.
    """

    name: str
    definition: str
    keys: tuple[str, ...]
    operators: tuple[str, ...]
    condition: str
    is_exclusion: bool
    is_valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A session that has the table locked in any way, or waits for that.

    Args:
        pid: Of the server's process; 0 for a prepared transaction.
        role: As whom; empty where that may not be seen.
        since: So long its transaction is open; ``None`` where that may not be seen.
        is_waiting: For a lock on the table.
    """

    pid: int
    role: str
    since: Duration | None
    is_waiting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingTable:
    """The table of an application's bookings, as its catalogue has it.

    Args:
        oid: Which table it is, whatever it is called by now.
        name: With its schema, as SQL has it.
        database: In which it is.
        kind: ``r`` for a plain table, ``p`` for one in partitions.
        owner: Whose it is.
        role: As whom the application asks.
        is_owner: That role may change the table.
        has_kin: It inherits from another, or another from it.
        is_standby: The server follows another.
        has_extension: btree_gist is there, which compares rooms.
        offers_extension: It could be.
        names: What other things in its schema are called.
        key: The column of its primary key.
        today: By the database's clock, in the application's time zone.
        types: Of each column, its type.
        generated: Of each column that is made from others, how.
        indexes: Unique indexes and exclusion constraints.
        triggers: Those whose function names both beginning and end, and what that function is called.
        holders: Who else has it locked just now.
    """

    oid: int
    name: str
    database: str
    kind: str
    owner: str
    role: str
    is_owner: bool
    has_kin: bool
    is_standby: bool
    has_extension: bool
    offers_extension: bool
    names: frozenset[str]
    key: str
    today: str
    types: Mapping[str, str]
    generated: Mapping[str, str]
    indexes: tuple[IndexSeen, ...]
    triggers: tuple[tuple[str, str], ...]
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookings:
    """An application's bookings.

    Args:
        table: Where they stand.
        counts: How many.
        overlaps: Which hold one room at the same time; a FactError where that was not found out in time.
        zone: The application's own time zone, in which it writes when a booking was made.
    """

    table: BookingTable
    counts: Counts
    overlaps: Overlaps | FactError
    zone: str
