"""Let the database itself refuse a booking of a room that is taken: add the constraint that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.bookings import OfBookings, in_phases, pairs, say_which
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.booking_rules import DELETED, RANGES, refuse_unless_identifier
from soleil_remediate.facts.bookings import Bookings, BookingTable, Holder
from soleil_remediate.facts.guards import Reach, beside, definition, guards
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Building it and comparing every row with its neighbours: about 42 µs a row, for 10,000 to 500,000 rows of PostgreSQL
#: 15 on two cores, with a thousand bookings a room. Other machines differ; statement_timeout holds for all.
_PER_ROW = 50e-6
#: So long others may be kept waiting before the table is locked; then it is given up.
_LOCK = Duration(2)
#: A transaction that has the table locked for so long is not over in a moment.
_OLD = Duration(5)

#: Connect as the application does, for at most $argv[3] seconds.
_CONNECT = (
    START.replace("exit(0)", "exit(75)").replace('tell(["started" => true]);\n', "")
    + DATABASES
    + r"""
function stop($why, $status = 75) { fwrite(fopen("php://stderr", "w"), "$why\n"); exit($status); }
$name = $config["database.default"];
connect_within((int) $argv[3]);
$quote = fn ($name) => '"' . strtr($name, ['"' => '""']) . '"';
try {
    $pdo = $app["db"]->connection($name)->getPdo();
    if ($pdo->getAttribute(PDO::ATTR_DRIVER_NAME) !== "pgsql") stop("it is no PostgreSQL: nothing was changed");
} catch (Throwable $error) {
    stop("the database gives the application no answer: nothing was changed");
}
$one = function ($sql, $values) use ($pdo) {
    $asked = $pdo->prepare($sql, [PDO::ATTR_EMULATE_PREPARES => true]);
    $asked->execute($values);
    return $asked->fetchColumn();
};
$note = "added by soleil-remediate";
function in_words($code, $seconds) {
    $known = ["55P03" => "somebody else has the table locked", "57014" => "it is not done within $seconds s",
        "23P01" => "bookings overlap by now", "42501" => "the application's role may not",
        "42710" => "something is called so by now", "42P07" => "something is called so by now",
        "22000" => "a booking ends before it begins"];
    return $known[$code] ?? "SQLSTATE $code";
}
"""
)

#: Add to the table $argv[4], still number $argv[5], the constraint $argv[6]: no two rows have the same $argv[7] and
#: overlapping ranges $argv[8] of $argv[9] and $argv[10], where $argv[11] is one of $argv[12] and $argv[13], where it is
#: given, is null. The table is locked within $argv[14] seconds and for $argv[15] at most, or nothing is changed; only
#: where no exclusion constraint stands there by now.
_ADD = (
    _CONNECT  # noqa: S608  # names and values are quoted
    + r"""
[$table, $oid, $constraint, $room, $made, $starts, $ends, $status, $holds, $deleted, $wait, $most]
    = array_slice($argv, 4);
$terms = [];
$listed = implode(", ", array_map(fn ($one) => $pdo->quote($one), explode(",", $holds)));
if ($status !== "") $terms[] = $quote($status) . " in ($listed)";
if ($deleted !== "") $terms[] = $quote($deleted) . " is null";
$where = $terms ? " where (" . implode(" and ", $terms) . ")" : "";
$is_sent = false;
try {
    $pdo->exec("begin; " . time_limits($most, $wait) . "; lock table $table in access exclusive mode");
    if ((string) $one("select to_regclass(:name)::oid::bigint", ["name" => $table]) !== $oid)
        stop("$table is another one by now: nothing was changed");
    $stands = $one("select string_agg(conname, ', ') from pg_constraint where conrelid = to_regclass(:name)
        and contype = 'x'", ["name" => $table]);
    if ($stands !== null) stop("$stands stands there by now: nothing was changed");
    $began = microtime(true);
    $pdo->exec("alter table $table add constraint " . $quote($constraint) . " exclude using gist (" . $quote($room)
        . " with =, $made(" . $quote($starts) . ", " . $quote($ends) . ", '[)') with &&)$where");
    $pdo->exec("comment on constraint " . $quote($constraint) . " on $table is " . $pdo->quote($note));
    $took = microtime(true) - $began;
    $is_sent = true;
    $pdo->exec("commit");
} catch (Throwable $error) {
    if ($is_sent) stop("whether it was added is not known: look again", 1);
    stop(in_words((string) $error->getCode(), (int) $most) . ": nothing was changed");
}
fwrite($answer, sprintf("%s stands; the table was locked for %.1f s\n", $constraint, $took));
"""
)

#: Take the constraint $argv[6] from the table $argv[4], which is still number $argv[5], if it is ours; within $argv[7]
#: seconds, or nothing is changed.
_DROP = (
    _CONNECT  # noqa: S608  # names are quoted, values are bound
    + r"""
[$table, $oid, $constraint, $wait] = array_slice($argv, 4);
$is_sent = false;
try {
    $pdo->exec("begin; " . time_limits(10, $wait) . "; lock table $table in access exclusive mode");
    $said = $one("select obj_description(oid, 'pg_constraint') from pg_constraint where conrelid = to_regclass(:name)
        and conrelid::bigint = :oid and conname = :constraint and contype = 'x'",
        ["name" => $table, "oid" => $oid, "constraint" => $constraint]);
    if ($said !== $note) stop("$constraint is not there, or was not added here: nothing was changed");
    $pdo->exec("alter table $table drop constraint " . $quote($constraint));
    $is_sent = true;
    $pdo->exec("commit");
} catch (Throwable $error) {
    if ($is_sent) stop("whether it was dropped is not known: look again", 1);
    stop(in_words((string) $error->getCode(), 10) . ": nothing was changed");
}
fwrite($answer, "$constraint is dropped\n");
"""
)


@dataclass(frozen=True, kw_only=True)
class AddBookingConstraint(OfBookings[Bookings], Task[Bookings]):
    """Add the exclusion constraint that refuses two bookings of one room at the same time, where there is none.

    By the application's own role, in one transaction, with a comment that says whose it is. While the index is built
    nobody reads or writes bookings, so the lock has to come within two seconds, and all of it within *locked_for*, or
    nothing is changed. From then on a booking that overlaps is refused with SQLSTATE 23P01, which the application has
    to expect. Never where bookings overlap already: which of them gives way is a person's decision. Never beside
    another constraint, or a trigger that may be one: that is somebody's decision as well. The same belongs into a
    migration, or the next database has none.

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
        constraint: What it is called.
        locked_for: The table may be locked for so long; from 1 second to 10 minutes.

    Raises:
        Unplannable: Bookings overlap, or nobody knows; something is there in another form; a status is of nobody knows
            what; it would take too long, or somebody has the table locked; or the application's role may not.
    """

    kind = "booking-constraint.add"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    constraint: str = "no_overlapping_bookings"
    locked_for: Duration = Duration(10)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_identifier(self.constraint, "constraint")
        if not 1 <= self.locked_for <= 600:
            raise ValueError("locked_for must be from 1 s to 10 min")

    async def read(self, host: Reader) -> Bookings:
        return await host.ask(self.question)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: Bookings) -> Plan:
        rules, table = self.rules, seen.table
        whole = next((one for one in guards(rules, table) if one.reach is Reach.ALL), None)
        if whole is not None:
            return Plan.nothing(f"constraint {whole.name} stands: {whole.definition}")
        if why := next(self._against(seen), ""):
            raise Unplannable(f"{why}. The statement itself stands under bookings.guards")
        return Plan.of(self._add(seen), because=f"no constraint of {table.name} refuses overlapping bookings")

    def _against(self, seen: Bookings) -> Iterator[str]:
        """Return what speaks against it, what weighs most first."""
        overlaps, counts, table = seen.overlaps, seen.counts, seen.table
        if isinstance(overlaps, FactError):
            yield f"{overlaps}: with one pair the constraint cannot be added"
        elif overlaps.total:
            yield (
                f"{pairs(overlaps.total)} of bookings overlap ({in_phases(overlaps)}), so it cannot be added until a "
                "person has decided which of them give way: bookings.choices has both statements for each"
            )
        yield from self._other_forms(table)
        if counts.unknown:
            there = ", ".join(f"{count} {status}" for status, count in list(counts.unknown.items())[:5])
            yield (
                f"nobody said whether a booking of these statuses holds a room: {there}; the constraint would let them "
                f"overlap. {say_which(self.rules, tuple(counts.unknown))}"
            )
        if counts.reversed:
            ids = ", ".join(counts.reversed_ids)
            yield f"{counts.reversed} bookings end before they begin ({ids}), of which no range can be made"
        yield from self._of_server(table)
        yield from _of_holders(table.holders)
        estimate = self._estimate(seen)
        if estimate > self.locked_for:
            yield (
                f"the table would be locked for about {estimate}, and may be for {self.locked_for}: at a quiet hour, "
                f"with --set locked_for={int(estimate * 2)}s"
            )

    def _other_forms(self, table: BookingTable) -> Iterator[str]:
        for one in guards(self.rules, table):
            does = f"does not refuse {one.misses}" if one.misses else "reaches nobody knows here how far"
            yield (
                f"constraint {one.name} stands and {does} ({one.definition}): somebody wanted it so. Ask them, and "
                f"drop it with what takes its place"
            )
        for name, function in table.triggers:
            yield (
                f"trigger {name} calls {function}, which names both dates: it may refuse overlapping bookings, or let "
                "some in on purpose. It does not see what another transaction has not committed yet. Read it first"
            )
        others = [one.name for one in table.indexes if one.is_exclusion and "&&" not in one.operators]
        if others:
            yield f"another exclusion constraint stands there: {', '.join(others)}"

    def _of_server(self, table: BookingTable) -> Iterator[str]:
        if table.is_standby:
            yield "the application is connected to a standby, which takes no changes"
        if table.kind == "p" or table.has_kin:
            yield f"{table.name} has partitions, or inherits: a constraint of one table does not reach the others"
        if not table.is_owner:
            yield f"{table.name} is {table.owner}'s, and the application asks as {table.role}, which may not change it"
        if not table.has_extension:
            how = (
                "CREATE EXTENSION btree_gist"
                if table.offers_extension
                else "install the package of PostgreSQL's contrib"
            )
            yield f"the extension btree_gist, which compares rooms, is not there: {how}, in {table.database}"
        if self.constraint in table.names:
            yield f"something else in its schema is called {self.constraint}: --set constraint=NAME"

    def _estimate(self, seen: Bookings) -> Duration:
        return Duration(max(0.1, _PER_ROW * seen.counts.held))

    def _add(self, seen: Bookings) -> Change:
        rules, table = self.rules, seen.table
        made = RANGES[table.types[rules.starts]]
        deleted = DELETED if DELETED in table.types else ""
        at = ("php", "--", "constrain", str(self.root), str(int(PATIENCE)), table.name, str(table.oid), self.constraint)
        what = (rules.room, made, rules.starts, rules.ends, rules.status, ",".join(rules.holds), deleted)
        seconds = (str(int(_LOCK)), str(int(self.locked_for)))
        deadline = Duration(STARTING + PATIENCE + _LOCK + 3 * self.locked_for + 5)
        equal = ", ".join(one.name for one in beside(rules, table))
        return Change(
            summary=f"add constraint {self.constraint} to {table.name}: {definition(rules, table)}",
            command=Command((*at, *what, *seconds), user=self.user, stdin=_ADD, deadline=deadline),
            risk=self.risk,
            undo=Undo.by(
                Command((*at, str(int(_LOCK))), user=self.user, stdin=_DROP, deadline=Duration(STARTING + 20)),
                says="the constraint is dropped, if it is the one that was added here",
            ),
            before=f"two bookings of one room may overlap{f'; {equal} refuses only equal ones' if equal else ''}",
            after="the database refuses the second, with SQLSTATE 23P01",
            loses="no row; but code that relied on being let through fails from then on, where it does not expect that",
            keeps=f"all {seen.counts.total} bookings as they are; a migration has to have the same, or the next "
            "database has none",
            downtime=f"nobody reads or writes bookings for about {self._estimate(seen)} (50 µs a row, as measured "
            f"on another machine), {self.locked_for} at most, after {_LOCK} at most until it is locked",
            uses=(Use(user=self.user),),
        )


def _of_holders(holders: tuple[Holder, ...]) -> Iterator[str]:
    """Return who would keep the lock from coming within a moment."""
    for one in holders:
        if one.pid == 0:
            yield "a prepared transaction has the table locked: SELECT * FROM pg_prepared_xacts"
        elif one.is_waiting:
            yield f"session {one.pid} waits for a lock on the table: with another, whoever books would wait behind both"
        elif one.since is None:
            whose = f" of {one.role}" if one.role else ""
            yield f"session {one.pid}{whose} has the table locked, for how long the application may not see: look again"
        elif one.since >= _OLD:
            yield (
                f"session {one.pid} of {one.role} has the table locked in a transaction that is open for {one.since}: "
                "look again once that is over"
            )
