"""Show which bookings overlap, how they came about, what the database does against it, and what a person decides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar, TypeAlias

from soleil_remediate.checks.bookings import OfBookings, in_phases, pairs
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.booking_rules import UPDATED, Rules, literal, quoted
from soleil_remediate.facts.bookings import Booking, Bookings, BookingTable, Overlap, Phase
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.guards import Guard, Reach, add_statement, beside, guards
from soleil_remediate.facts.log_windows import END, ReadLogWindow, Window, minutes_around
from soleil_remediate.task import Look, Shown, Text
from soleil_remediate.units import Duration

_Windows: TypeAlias = "tuple[Bookings, tuple[tuple[PurePosixPath, Window | FactError | None], ...]]"

#: Made no further apart than this, two bookings were made at the same time.
_TOGETHER = Duration(5)
#: What a constraint is called where nobody says so.
CONSTRAINT = "no_overlapping_bookings"
#: A log is searched for no more than so many bookings.
_SEARCHED = 5


@dataclass(frozen=True, kw_only=True)
class BookingsOverlaps(OfBookings[Bookings], Look[Bookings]):
    """Show which bookings hold one room at the same time: their numbers and times, and what made them.

    Those that can still be helped come first, then those of the past; how many there are is told in any case. Of each
    pair it is told how far apart they were made, and whether one transaction wrote them or two: what was written by two
    at the same time may not have seen each other. Nothing is told of guests.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        table: The table of the bookings, with its schema or without.
        room: The column of the room.
        starts: The column of the day, or time, from which a booking holds it.
        ends: The column of the day, or time, at which it is free again.
        status: The column of the status; empty where every booking holds its room.
        holds: The statuses in which a booking holds its room, separated by commas.
        free: Those in which it does not, likewise.
        top: So many pairs at most.
    """

    kind = "bookings.overlaps"
    title: ClassVar[str] = "Bookings that overlap"

    top: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_unless_few(self.top)

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def show(self, seen: Bookings) -> Shown:
        overlaps = seen.overlaps
        if isinstance(overlaps, FactError):
            return Text(lines=(f"unknown: {overlaps}",))
        lines = [line for one in overlaps.shown[: self.top] for line in _of_pair(one)]
        unclear = f", and {pairs(overlaps.unclear)} more with {', '.join(overlaps.unclear_statuses)}"
        more = unclear if overlaps.unclear else ""
        if not overlaps.total:
            return Text(lines=(f"no pair of {seen.counts.held} overlaps{more}",))
        lines.append(f"all told {pairs(overlaps.total)}: {in_phases(overlaps)}{more}")
        return Text(lines=tuple(lines))


def _of_pair(one: Overlap) -> Iterator[str]:
    yield f"room {one.room}, {one.phase.value}: both hold it from {one.begins} to {one.ends}"
    for booking in (one.first, one.second):
        made = f", made {booking.created}" if booking.created else ""
        later = ", changed since" if booking.is_updated else ""
        status = f" {booking.status}" if booking.status else ""
        yield f"  booking {booking.id}{status}, {booking.starts} to {booking.ends}{made}{later}"
    yield f"  {_of_transactions(one)}"


def _of_transactions(one: Overlap) -> str:
    first, second, apart = one.first, one.second, one.apart
    is_one = first.transaction == second.transaction
    written = (
        f"one transaction ({first.transaction})"
        if is_one
        else f"two transactions ({first.transaction}, {second.transaction})"
    )
    if first.is_updated or second.is_updated:
        written = f"last written by {written}, which need not be what made them"
    else:
        written = f"written by {written}"
    if apart is None:
        return written
    if is_one:
        return f"made {apart} apart, {written}"
    if apart <= _TOGETHER:
        return f"made {apart} apart, {written}: at the same time, neither may have seen the other"
    return f"made {apart} apart, {written}: the first stood already, and nothing refused the second"


@dataclass(frozen=True, kw_only=True)
class BookingsGuards(OfBookings[Bookings], Look[Bookings]):
    """Show what the database does against overlapping bookings, and what stands in the way of more.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        table: The table of the bookings, with its schema or without.
        room: The column of the room.
        starts: The column of the day, or time, from which a booking holds it.
        ends: The column of the day, or time, at which it is free again.
        status: The column of the status; empty where every booking holds its room.
        holds: The statuses in which a booking holds its room, separated by commas.
        free: Those in which it does not, likewise.
    """

    kind = "bookings.guards"
    title: ClassVar[str] = "What refuses them"

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def show(self, seen: Bookings) -> Shown:
        return Text(lines=tuple(f"{what}: {how}" for what, how in _of_table(self.rules, seen)))


def _of_table(rules: Rules, seen: Bookings) -> Iterator[tuple[str, str]]:
    table, counts = seen.table, seen.counts
    found = guards(rules, table)
    for one in found:
        yield f"constraint {one.name}", f"{_reach(one)}: {one.definition}"
    for index in beside(rules, table):
        yield f"unique index {index.name}", f"refuses only what is equal: {index.definition}"
    for name, function in table.triggers:
        yield f"trigger {name}", f"calls {function}, which names both dates; what it lets through is not known here"
    if not found:
        yield "constraint", "none that compares times"
    if all(one.reach is not Reach.ALL for one in found):
        what = "to take its place, if whoever made it agrees" if found else "to be added"
        other = found[0].name if found else ""
        statement = add_statement(rules, table, CONSTRAINT, instead_of=other)
        yield f"{what}, once no two overlap, and as a migration", statement
    held = f"{counts.total} bookings, {counts.held} hold a room"
    unsaid = ", ".join(f"{count} {status}" for status, count in counts.unknown.items())
    yield table.name, f"{held}{f'; nobody said whether these do: {unsaid}' if unsaid else ''}"
    odd = {"have no room": counts.roomless, "have no end or no beginning": counts.open}
    odd |= {"end when they begin, and hold nothing": counts.hollow, "end before they begin": counts.reversed}
    if any(odd.values()):
        yield "of these", "; ".join(f"{count} {what}" for what, count in odd.items() if count)
    offered = "not installed, can be" if table.offers_extension else "not on this server"
    yield "btree_gist", "installed" if table.has_extension else offered
    may = "which may change it" if table.is_owner else f"which may not: it is {table.owner}'s"
    yield "the application", f"asks as {table.role}, {may}"


def _reach(one: Guard) -> str:
    match one.reach:
        case Reach.ALL:
            return f"refuses them all{f', and {one.besides}' if one.besides else ''}"
        case Reach.LESS:
            return f"does not refuse {one.misses}{f', and refuses {one.besides}' if one.besides else ''}"
        case Reach.UNKNOWN:
            return "how far it reaches is not known here"


@dataclass(frozen=True, kw_only=True)
class BookingsChoices(OfBookings[Bookings], Look[Bookings]):
    """Show for each pair of overlapping bookings both ways out, as the statements that a person may run.

    Nothing here ever runs them. A cancellation moves money and reaches a guest, so it belongs into the application,
    which pays back and writes to them: the statement only frees the room. It does nothing where the booking is not what
    it was any more.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        table: The table of the bookings, with its schema or without.
        room: The column of the room.
        starts: The column of the day, or time, from which a booking holds it.
        ends: The column of the day, or time, at which it is free again.
        status: The column of the status; empty where every booking holds its room.
        holds: The statuses in which a booking holds its room, separated by commas.
        free: Those in which it does not, likewise; the first is what a statement sets.
        top: So many pairs at most.
    """

    kind = "bookings.choices"
    title: ClassVar[str] = "For a person to decide; a statement frees the room, and pays nobody back"

    top: int = 5

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_unless_few(self.top)

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def show(self, seen: Bookings) -> Shown:
        overlaps = seen.overlaps
        if isinstance(overlaps, FactError):
            return Text(lines=(f"unknown: {overlaps}",))
        if not overlaps.total:
            return Text(lines=("no booking has to give way",))
        shown, rules = overlaps.shown[: self.top], self.rules
        lines = []
        for one in shown:
            lines.append(f"room {one.room}, {one.begins} to {one.ends} ({one.phase.value}):")
            lines.append(f"  keep {one.first.id}: {_cancel(rules, seen.table, one.second)}")
            lines.append(f"  keep {one.second.id}: {_cancel(rules, seen.table, one.first)}")
        if overlaps.total > len(shown):
            lines.append(f"and {pairs(overlaps.total - len(shown))} more")
        if overlaps.counts[Phase.PAST] == overlaps.total and not guards(rules, seen.table):
            lines.append("all of them are past: they may stay as they are, with a constraint from today on:")
            lines.append(f"  {add_statement(rules, seen.table, CONSTRAINT, since=seen.table.today)}")
        lines.append(f"statements go to: sudo -u {self.user} php {self.root}/artisan db")
        return Text(lines=tuple(lines))


def _cancel(rules: Rules, table: BookingTable, booking: Booking) -> str:
    if not rules.status or not rules.free:
        return f"give booking {booking.id} another room, or delete it: no status is known that frees its room"
    changed = f", {quoted(UPDATED)} = now()" if UPDATED in table.types else ""
    status = quoted(rules.status)
    return (
        f"UPDATE {table.name} SET {status} = {literal(rules.free[0])}{changed} "  # noqa: S608  # shown, and never sent
        f"WHERE {quoted(table.key)} = {literal(booking.id)} AND {status} = {literal(booking.status)};"
    )


@dataclass(frozen=True, kw_only=True)
class BookingsLogWindow(OfBookings[_Windows], Look[_Windows]):
    """Show what the application logged around the times at which bookings that overlap were made.

    By minute and level, with what was raised: no more of a line leaves the host, for the rest is about guests. A log
    that is rotated may begin later.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        table: The table of the bookings, with its schema or without.
        room: The column of the room.
        starts: The column of the day, or time, from which a booking holds it.
        ends: The column of the day, or time, at which it is free again.
        status: The column of the status; empty where every booking holds its room.
        holds: The statuses in which a booking holds its room, separated by commas.
        free: Those in which it does not, likewise.
        logs: The application's logs on the host, absolute; of one that is begun anew every day those of these days.
        around: So long before and after; at most 10 minutes.
    """

    kind = "bookings.log-window"
    rounds = 2
    title: ClassVar[str] = "Logged when they were made"

    logs: tuple[PurePosixPath, ...]
    around: Duration = Duration(60)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_absolute(*self.logs)
        if self.around > 600:
            raise ValueError("around must be at most 10 min")

    async def read(self, host: Reader) -> _Windows:
        seen = await host.ask(self.question)
        minutes = self._minutes(seen)
        logs = tuple(self._files(minutes)) if minutes else ()
        found = await host.ask_each([ReadLogWindow(log, minutes) for log in logs])
        return seen, tuple(zip(logs, found, strict=True))

    def _files(self, minutes: Sequence[str]) -> Iterator[PurePosixPath]:
        """Give the logs, and of each those that Laravel's channel ``daily`` writes on these days."""
        for log in self.logs:
            yield log
            by_day = log.name if "*" in log.name else f"{log.stem}-*{log.suffix}"
            yield from (log.with_name(by_day.replace("*", day)) for day in sorted({at[:10] for at in minutes}))

    def _minutes(self, seen: Bookings) -> tuple[str, ...]:
        if isinstance(seen.overlaps, FactError):
            return ()
        shown = seen.overlaps.shown[:_SEARCHED]
        times = (booking.created for one in shown for booking in (one.first, one.second))
        return minutes_around(times, self.around)

    def show(self, seen: _Windows) -> Shown:
        bookings, windows = seen
        minutes = self._minutes(bookings)
        if not minutes:
            return Text(lines=("no booking that overlaps says when it was made",))
        lines = [f"from {minutes[0]} to {minutes[-1]} ({bookings.zone}), {len(minutes)} minutes of it"]
        is_any_there = any(window is not None for _, window in windows)
        for log, window in windows:
            if window is None:
                if log in self.logs and not is_any_there:
                    lines.append(f"{log} is not there")
                continue
            if isinstance(window, FactError):
                lines.append(f"{log}: unknown: {window}")
                continue
            lines.append(f"{log}: {_extent(window)}")
            lines += [f"  {minute}  {count} {level} {raised}".rstrip() for minute, level, raised, count in window.lines]
        return Text(lines=tuple(lines))


def _extent(window: Window) -> str:
    found = f"{sum(count for *_, count in window.lines)} lines of these minutes" if window.lines else "nothing of them"
    if window.size > END:
        return f"{found} in its last {END}"
    return f"{found}; it begins at {window.begins}" if window.begins else found


def _refuse_unless_few(top: int) -> None:
    if not 1 <= top <= 20:
        raise ValueError("top must be from 1 to 20")
