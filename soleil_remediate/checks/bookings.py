"""Is no room given to two bookings at the same time, and does the database itself see to that?"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.ask_bookings import ReadBookings
from soleil_remediate.facts.booking_rules import Rules
from soleil_remediate.facts.bookings import Bookings, Counts, Overlap, Overlaps, Phase
from soleil_remediate.facts.guards import Reach, beside, guards
from soleil_remediate.task import Check, Measure, Seen, Verdict

#: So many overlaps are told in one sentence.
_FEW = 3
#: Those that can still be helped.
OPEN = (Phase.RUNNING, Phase.COMING)


@dataclass(frozen=True, kw_only=True)
class OfBookings(OfApplication[Seen]):
    """What has to do with an application's bookings."""

    rounds = 1

    table: str = "bookings"
    room: str = "room_id"
    starts: str = "check_in"
    ends: str = "check_out"
    status: str = "status"
    holds: str = "pending,confirmed"
    free: str = "cancelled"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rules  # noqa: B018  # it refuses what is no name

    @property
    def rules(self) -> Rules:
        return Rules.of(
            table=self.table,
            room=self.room,
            starts=self.starts,
            ends=self.ends,
            status=self.status,
            holds=self.holds,
            free=self.free,
        )

    @property
    def question(self) -> ReadBookings:
        """What is asked for them."""
        return ReadBookings(self.root, self.user, self.rules)


@dataclass(frozen=True, kw_only=True)
class BookingsApart(OfBookings[Bookings], Check[Bookings]):
    """See whether no two bookings hold one room at the same time, now or in time to come.

    The application's own connection asks. A booking holds its room from its first day until before its last, so that
    one may begin when another ends. What overlapped in the past is told and counts no longer: nobody can help it. A
    status of which nobody said whether it holds a room makes it unknown, where it decides.

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

    kind = "bookings.apart"

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def aim(self) -> str:
        return f"no two {self.table} hold one room at the same time"

    def judge(self, seen: Bookings) -> Verdict:
        overlaps, counts = seen.overlaps, seen.counts
        if isinstance(overlaps, FactError):
            return Verdict.unknown(str(overlaps), Measure(label="bookings overlap", value="unknown"))
        past = overlaps.counts[Phase.PAST]
        before = f"; {pairs(past)} did in the past, which nobody can help" if past else ""
        if open_ones := overlaps.total - past:
            return Verdict.faulty(
                f"{pairs(open_ones)} of bookings hold one room at the same time ({in_phases(overlaps, OPEN)}): "
                f"{listed(overlaps, OPEN)}. Which of two gives way, and who tells the guest, a person decides{before}",
                Measure(label="bookings overlap", value=f"{open_ones}", is_faulty=True),
            )
        if why := self._doubt(overlaps, counts):
            return Verdict.unknown(why, Measure(label="bookings overlap", value="unknown"))
        hollow = f"; {counts.roomless} have no room at all" if counts.roomless else ""
        return Verdict.healthy(
            f"of {counts.held} bookings that hold a room no two overlap from {seen.table.today} on{before}{hollow}",
            Measure(label="bookings overlap", value="0"),
        )

    def _doubt(self, overlaps: Overlaps, counts: Counts) -> str:
        """Return why it cannot be known that there are none; empty where it is known."""
        if counts.unknown and not counts.held:
            there = ", ".join(f"{count} {status}" for status, count in list(counts.unknown.items())[:5])
            return (
                f"none of {counts.total} bookings is {' or '.join(self.rules.holds)}; there are {there}. "
                f"{say_which(self.rules, tuple(counts.unknown))}"
            )
        if overlaps.unclear:
            statuses = ", ".join(overlaps.unclear_statuses)
            return (
                f"{pairs(overlaps.unclear)} of bookings overlap of which one is {statuses}: nobody said whether that "
                f"holds a room. {say_which(self.rules, overlaps.unclear_statuses)}"
            )
        if counts.reversed_ahead:
            return (
                f"{counts.reversed_ahead} of the bookings to come end before they begin "
                f"({', '.join(counts.reversed_ids)}): whether they overlap with others nobody can tell"
            )
        return ""


@dataclass(frozen=True, kw_only=True)
class BookingsGuarded(OfBookings[Bookings], Check[Bookings]):
    """See whether the database itself refuses a booking of a room that is taken, whatever the application does.

    That takes an exclusion constraint on the room and on the whole time of a booking, for every status that holds a
    room; what it is called and how it is written does not matter. A unique index refuses only what is equal, and what a
    trigger looks at may not be there yet for it. What is not understood is unknown.

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

    kind = "bookings.guarded"

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def aim(self) -> str:
        return f"the database refuses two {self.table} of one room at the same time"

    def judge(self, seen: Bookings) -> Verdict:
        found = guards(self.rules, seen.table)
        whole = next((one for one in found if one.reach is Reach.ALL), None)
        if whole is not None:
            besides = f"; it also refuses {whole.besides}" if whole.besides else ""
            return Verdict.healthy(
                f"constraint {whole.name} refuses them{besides}", Measure(label="constraint", value=whole.name)
            )
        unclear = [f"constraint {one.name}: {one.definition}" for one in found if one.reach is Reach.UNKNOWN]
        unclear += [f"trigger {name} ({function})" for name, function in seen.table.triggers]
        if unclear:
            return Verdict.unknown(
                f"something is there in another form, and whether it lets some through nobody can tell here: "
                f"{'; '.join(unclear)}. A trigger does not see what another transaction has not committed yet",
                Measure(label="constraint", value="unknown"),
            )
        return Verdict.faulty(
            "; ".join(
                [
                    *(f"constraint {one.name} does not refuse {one.misses}" for one in found),
                    *([] if found else [f"no constraint of {seen.table.name} refuses overlapping bookings"]),
                    *(f"unique index {one.name} refuses only what is equal" for one in beside(self.rules, seen.table)),
                ]
            ),
            Measure(label="constraint", value="too narrow" if found else "none", is_faulty=True),
        )


def pairs(count: int) -> str:
    """Return how many pairs, for people."""
    return f"{count} pair{'' if count == 1 else 's'}"


def in_phases(overlaps: Overlaps, phases: Iterable[Phase] = Phase) -> str:
    """Return how many of them when, for people."""
    return ", ".join(f"{overlaps.counts[phase]} {phase.value}" for phase in phases if overlaps.counts[phase])


def listed(overlaps: Overlaps, phases: Collection[Phase]) -> str:
    """Return some of them for people, by their numbers."""
    shown = [in_words(one) for one in overlaps.shown if one.phase in phases][:_FEW]
    rest = sum(overlaps.counts[phase] for phase in phases) - len(shown)
    return "; ".join([*shown, *([f"and {rest} more"] if rest else [])])


def in_words(one: Overlap) -> str:
    """Return which two bookings have which room when."""
    return f"{one.first.id} and {one.second.id} in room {one.room}, {one.begins} to {one.ends} ({one.phase.value})"


def say_which(rules: Rules, statuses: tuple[str, ...]) -> str:
    """Return what to type so that it is known whether some statuses hold a room."""
    more = ",".join(one for one in statuses if one != "(none)")
    if not more:
        return "Give these bookings a status, or every booking a room: --set status="
    return f"If so: --set holds={','.join((*rules.holds, more))}; if not: --set free={','.join((*rules.free, more))}"
