"""Double-booking on a real host: break it, see it red, preview, remedy, see it green, run again: nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab import Answer
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Change, Risk
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepUndecided
from soleil_remediate.task import Health, Text
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "double-booking"

#: Everything of the database that a run which sends nothing must leave alone, to the transaction that wrote each row.
_TRACES = """
select xmin, ctid, * from bookings order by id;
select oid, conname, pg_get_constraintdef(oid) from pg_constraint order by oid;
select oid, relname, relfilenode from pg_class where relnamespace = 'public'::regnamespace order by oid;
select oid, tgname from pg_trigger order by oid;
"""
_DEFINITION = "select pg_get_constraintdef(oid) from pg_constraint where contype = 'x'"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def sql(rehearsal: Rehearsal, statements: str) -> str:
    """Let the superuser say something in the application's database."""
    return tried(rehearsal, statements).checked().stdout.strip()


def tried(rehearsal: Rehearsal, statements: str) -> Answer:
    words = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "psql", "-XqAt", "-d", "soleil")
    return rehearsal.host.run(*words, "-v", "ON_ERROR_STOP=1", stdin=f"\\set VERBOSITY verbose\n{statements}".encode())


def as_application(rehearsal: Rehearsal, change: Change) -> Answer:
    """Send the command of a change, or of its undo, without any of this program around it."""
    return sent(rehearsal, change.command.words, str(change.command.stdin))


def sent(rehearsal: Rehearsal, words: tuple[str, ...], text: str) -> Answer:
    user = ("setpriv", "--reuid=www-data", "--regid=www-data", "--init-groups")
    return rehearsal.host.run(*user, *words, stdin=text.encode())


def is_refused(rehearsal: Rehearsal, status: str = "pending") -> bool:
    """Whether the database refuses a booking of a room that is taken, by the second pair of eyes."""
    done = tried(
        rehearsal,
        "begin; insert into bookings (room_id, user_id, check_in, check_out, status) "  # noqa: S608  # our own word
        f"values (1, 1, '2020-01-01', '2040-01-01', '{status}'); rollback",
    )
    assert done.returncode == 0 or "23P01" in done.stderr, done.stderr
    return done.returncode != 0


def undecided(report: HostReport) -> str:
    assert report.preview is not None
    return "; ".join(step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided))


def shown(report: HostReport, kind: str) -> tuple[str, ...]:
    """The lines that a look showed."""
    assert report.preview is not None
    (found,) = (one.shown for one in report.preview.evidence if one.kind == kind)
    assert isinstance(found, Text)
    return found.lines


def judged(report: HostReport) -> str:
    """What the checks said."""
    assert report.preview is not None
    return "; ".join(check.verdict.why for check in report.preview.standing.symptom)


def planned(report: HostReport) -> Change:
    assert report.preview is not None
    ((_, step),) = report.preview.pending
    (change,) = step.plan.changes
    return change


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, and the kinds that repair it, in order."""

    fault: str
    sent: tuple[str, ...]


REPAIRED = [Rehearsed(fault="booking-constraint-missing", sent=("booking-constraint.add",))]


@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_constraint_that_is_missing_is_added_once_and_can_be_taken_back(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    definition = sql(rehearsal, _DEFINITION)
    rehearsal.host.break_with(case.fault)
    assert not is_refused(rehearsal)
    before = sql(rehearsal, _TRACES)

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips == 1
    assert seen.preview.risk is Risk.DESTRUCTIVE
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert sql(rehearsal, _TRACES) == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert is_refused(rehearsal)
    assert not is_refused(rehearsal, status="cancelled")
    assert sql(rehearsal, _DEFINITION) == definition

    after = sql(rehearsal, _TRACES)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    twice = as_application(rehearsal, planned(seen))
    assert (twice.returncode, twice.stderr) == (
        75,
        "no_overlapping_bookings stands there by now: nothing was changed\n",
    )
    assert sql(rehearsal, _TRACES) == after
    _is_taken_back(rehearsal, planned(seen), definition)


def _is_taken_back(rehearsal: Rehearsal, change: Change, definition: str) -> None:
    """See that the undo takes back what was added here, and nothing that a person added by the printed statement."""
    undo = change.undo.command
    assert undo is not None
    assert sent(rehearsal, undo.words, str(undo.stdin)).stdout == "no_overlapping_bookings is dropped\n"
    assert not is_refused(rehearsal)
    statement = next(line for line in shown(rehearsal.preview(), "bookings.guards") if line.startswith("to be added"))
    sql(rehearsal, statement.partition(": ")[2])
    assert sql(rehearsal, _DEFINITION) == definition
    others = sent(rehearsal, undo.words, str(undo.stdin))
    assert (others.returncode, others.stderr) == (
        75,
        "no_overlapping_bookings is not there, or was not added here: nothing was changed\n",
    )
    assert is_refused(rehearsal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    pairs: int
    options: Mapping[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="bookings-overlap",
        says=r"1 pair of bookings hold one room at the same time \(1 coming\): 6 and 7 in room 101, .*a person decides"
        r"; constraint no_overlapping_bookings does not refuse bookings that are pending; .*"
        r"booking-constraint\.add: 1 pair",
        pairs=1,
    ),
    Refused(
        fault="bookings-overlap-unguarded",
        says=r"2 pairs of bookings hold one room at the same time \(1 now, 1 coming\): .*; 1 pair did in the past, .*"
        r"booking-constraint\.add: 3 pairs of bookings overlap .* until a person has decided",
        pairs=3,
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_which_booking_gives_way_is_left_to_a_person_and_after_that_the_constraint_is_added(
    rehearsal: Rehearsal, case: Refused
) -> None:
    rehearsal.host.break_with(case.fault)
    before = sql(rehearsal, _TRACES)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert sql(rehearsal, _TRACES) == before
    told = "".join((str(report), *(str(line) for line in rehearsal.record())))
    assert "example.test" not in told  # guests' addresses stand in the log and among the users

    assert any("keep 6: UPDATE" in str(line) for line in rehearsal.record())  # kept with the run, for whoever decides

    # A person decides, as the statements are printed: the first of each pair stays.
    choices = [line.partition(": ")[2] for line in shown(report, "bookings.choices") if "keep" in line]
    assert len(choices) == 2 * case.pairs
    for statement in choices[::2]:
        sql(rehearsal, statement)
    decided = rehearsal.remediate()
    if case.fault == "bookings-overlap":
        assert isinstance(decided.outcome, NotFixed)
        assert "somebody wanted it so" in undecided(decided)
        swap = next(line for line in shown(decided, "bookings.guards") if line.startswith("to take its place"))
        sql(rehearsal, swap.partition(": ")[2])
    else:
        assert isinstance(decided.outcome, Fixed), decided.outcome
        assert decided.kinds_sent == ("booking-constraint.add",)
    assert isinstance(rehearsal.remediate().outcome, NotNeeded)
    assert is_refused(rehearsal)


def test_what_is_shown_of_bookings_that_overlap(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("bookings-overlap-unguarded")
    report = rehearsal.preview()
    overlaps = "\n".join(shown(report, "bookings.overlaps"))
    assert re.search(r"made 7 min apart, written by one transaction \(\d+\)", overlaps), overlaps
    assert re.search(r"made 1 s apart, written by two transactions \(\d+, \d+\): at the same time", overlaps)
    assert "all told 3 pairs: 1 now, 1 coming, 1 past" in overlaps
    logged = "\n".join(shown(report, "bookings.log-window"))
    assert re.search(r"1 ERROR Illuminate\\Database\\QueryException SQLSTATE\[40001\]\n .* 1 INFO", logged), logged

    sql(rehearsal, "update bookings set check_in = '2026-02-01', check_out = '2026-02-03' where room_id in (101, 102)")
    past = rehearsal.preview()
    assert rehearsal.red_checks() == {"bookings.guarded"}
    assert "3 pairs of bookings overlap (3 past)" in undecided(past)
    sql(rehearsal, shown(past, "bookings.choices")[-2].strip())  # a constraint from today on
    assert isinstance(rehearsal.preview().outcome, NotNeeded)


def test_a_constraint_in_another_form_counts_by_what_it_refuses(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("booking-constraint-other-form")
    before = sql(rehearsal, _TRACES)
    assert is_refused(rehearsal)
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotNeeded), report.outcome
    assert sql(rehearsal, _TRACES) == before

    sql(
        rehearsal,
        "alter table bookings drop constraint one_guest_a_room; "
        "create unique index one on bookings (room_id, check_in)",
    )
    assert "one refuses only equal ones" in planned(rehearsal.preview()).before
    sql(rehearsal, "alter table bookings owner to postgres; grant all on bookings to soleil")
    assert "is postgres's, and the application asks as soleil" in undecided(rehearsal.preview())
    sql(
        rehearsal,
        "alter table bookings owner to soleil; create function refuse() returns trigger language plpgsql as "
        "'begin if new.check_in > new.check_out then raise ''no''; end if; return new; end'; "
        "create trigger t before insert on bookings for each row execute function refuse()",
    )
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "trigger t (refuse)" in report.outcome.why


_HOLDERS = "select count(*) from pg_locks where relation = 'bookings'::regclass and mode = 'ShareLock' and granted"


def test_what_happens_between_the_look_and_the_change_is_met_by_the_change(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("booking-constraint-missing", rows=60000)
    assert "for about 3.0 s, and may be for 1 s" in undecided(rehearsal.preview(locked_for="1 s"))
    change = planned(rehearsal.preview())
    before = sql(rehearsal, _TRACES)

    *words, _ = change.command.words
    slow = sent(rehearsal, (*words, "1"), str(change.command.stdin))
    assert (slow.returncode, slow.stderr) == (75, "it is not done within 1 s: nothing was changed\n")
    rehearsal.host.shell(
        "systemd-run --quiet --collect --unit=lab-holder --uid=postgres sh -c "
        "'(echo \"begin; lock table bookings in share mode;\"; sleep 1000) | psql -X -d soleil'"
    )
    assert eventually(lambda: sql(rehearsal, _HOLDERS) == "1", within=20)
    locked = as_application(rehearsal, change)
    assert (locked.returncode, locked.stderr) == (75, "somebody else has the table locked: nothing was changed\n")
    assert "has the table locked, for how long the application may not see" in undecided(rehearsal.preview())
    rehearsal.host.shell("systemctl stop lab-holder")
    assert sql(rehearsal, _TRACES) == before

    sql(
        rehearsal,
        "insert into bookings (room_id, user_id, check_in, check_out) select room_id, 1, check_in, check_out "
        "from bookings order by id limit 1",
    )
    late = as_application(rehearsal, change)
    assert (late.returncode, late.stderr) == (75, "bookings overlap by now: nothing was changed\n")
    assert not is_refused(rehearsal)


def test_a_table_of_another_shape_gets_the_constraint_that_fits_it(rehearsal: Rehearsal) -> None:
    sql(
        rehearsal,
        """
        create schema hotel authorization soleil; set role soleil; set search_path = hotel, public;
        create type state as enum ('held', 'stays', 'gone', 'lost');
        create table "Stays" (no uuid primary key default gen_random_uuid(), bed text, "from" timestamptz,
            "until" timestamptz, state state, created_at timestamptz default now(), deleted_at timestamptz);
        insert into "Stays" (bed, "from", "until", state, deleted_at) values
            ('A''1', '2030-01-01 12:00+00', '2030-01-02 12:00+00', 'stays', null),
            ('A''1', '2030-01-02 12:00+00', '2030-01-03 12:00+00', 'held', null),
            ('A''1', '2030-01-02 13:00+00', '2030-01-03 12:00+00', 'stays', now()),
            ('A''1', '2030-01-01 13:00+00', '2030-01-03 12:00+00', 'lost', null)
        """,
    )
    inputs = {"table": "hotel.Stays", "room": "bed", "starts": "from", "ends": "until", "status": "state"}
    report = rehearsal.remediate(inputs=inputs)
    assert report.sent == ()
    assert "none of 4 bookings is pending or confirmed; there are 1 held, 1 lost, 1 stays. If so: " in judged(report)
    inputs |= {"holds": "held,stays", "free": "gone"}
    report = rehearsal.remediate(inputs=inputs)
    assert report.sent == ()
    assert "2 pairs of bookings overlap of which one is lost" in judged(report)
    assert "If so: --set holds=held,stays,lost; if not: --set free=gone,lost" in judged(report)

    report = rehearsal.remediate(inputs=inputs | {"free": "gone,lost"})

    assert isinstance(report.outcome, Fixed), report.outcome
    assert isinstance(rehearsal.preview(**(inputs | {"free": "gone,lost"})).outcome, NotNeeded)
    taken = (
        """insert into hotel."Stays" (bed, "from", "until", state) values ('A''1', '2030-01-02', 'infinity', 'held')"""
    )
    assert "23P01" in tried(rehearsal, taken).stderr
