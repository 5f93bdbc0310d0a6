from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.looks.bookings import BookingsChoices, BookingsGuards, BookingsLogWindow, BookingsOverlaps
from soleil_remediate.task import Look, Text
from soleil_remediate.units import Duration
from tests.unit.facts.answers import complaint, said, see
from tests.unit.facts.bookings import ASK, DOUBLE, UNGUARDED, WELL, WINDOW, booking, bookings_told, index, seen

ROOT = Path("/srv/hotel/current")
LOG = Path("/srv/hotel/laravel.log")
NOT_THERE = said("size\n", status=1, stderr=complaint("/srv/hotel/laravel.log"))
LATE = ASK.answer(bookings_told(UNGUARDED | {"overlaps": None, "failed": "57014"}))


def lines(look: Look[Any], found: Any) -> tuple[str, ...]:
    shown = look.show(found)
    assert isinstance(shown, Text)
    return shown.lines


def test_pairs_are_shown_with_their_times_and_what_wrote_them() -> None:
    assert lines(BookingsOverlaps(root=ROOT), seen(DOUBLE, overlaps={"unclear": 1, "unclear_statuses": ["stays"]})) == (
        "room 102, now: both hold it from 2026-11-29 to 2026-11-30",
        "  booking 6 confirmed, 2026-12-01 to 2026-12-04, made 2026-01-31 10:00:00",
        "  booking 7 pending, 2026-12-01 to 2026-12-04, made 2026-01-31 10:07:00",
        "  made 7 min apart, written by one transaction (764)",
        "room 101, coming: both hold it from 2026-12-03 to 2026-12-04",
        "  booking 12 confirmed, 2026-12-01 to 2026-12-04, made 2026-11-29 17:37:56",
        "  booking 13 confirmed, 2026-12-03 to 2026-12-04, made 2026-11-29 17:37:56",
        "  made 0 s apart, written by two transactions (712, 713): at the same time, neither may have seen the other",
        "all told 2 pairs: 1 now, 1 coming, and 1 pair more with stays",
    )


@pytest.mark.parametrize(
    "first, second, says",
    [
        (
            {},
            {"created_at": 1795973900},
            (
                "made 24 s apart, written by two transactions (71, 72): the first stood already, and nothing "
                "refused the second"
            ),
        ),
        (
            {"is_updated": True},
            {},
            (
                "made 0 s apart, last written by two transactions (71, 72), which need not be what made them: at the "
                "same time, neither may have seen the other"
            ),
        ),
        ({"created": None, "created_at": None, "status": None}, {}, "written by two transactions (71, 72)"),
    ],
)
def test_how_they_came_about_is_told_as_far_as_it_is_known(
    first: dict[str, Any], second: dict[str, Any], says: str
) -> None:
    pair = ["1", "coming", "2026-12-01", "2026-12-02", booking("1", **first), booking("2", **second)]
    shown = lines(BookingsOverlaps(root=ROOT), seen(DOUBLE, overlaps={"running": 0, "pairs": [pair]}))
    assert shown[3].strip() == says
    if first.get("status", "") is None:
        assert shown[1] == "  booking 1, 2026-12-01 to 2026-12-04"
    if first.get("is_updated"):
        assert shown[1].endswith(", changed since")


def test_no_more_than_some_are_shown_and_how_many_there_are_is_told() -> None:
    shown = lines(BookingsOverlaps(root=ROOT, top=1), seen(DOUBLE))
    assert len(shown) == 5
    assert shown[-1] == "all told 2 pairs: 1 now, 1 coming"
    assert lines(BookingsOverlaps(root=ROOT), seen(UNGUARDED)) == ("no pair of 12 overlaps",)


def test_both_ways_out_are_shown_as_whole_statements() -> None:
    shown = lines(BookingsChoices(root=ROOT, top=1), seen(DOUBLE))
    update = 'UPDATE "public"."bookings" SET "status" = \'cancelled\', "updated_at" = now() WHERE "id" = '
    assert shown == (
        "room 102, 2026-11-29 to 2026-11-30 (now):",
        f"  keep 6: {update}'7' AND \"status\" = 'pending';",
        f"  keep 7: {update}'6' AND \"status\" = 'confirmed';",
        "and 1 pair more",
        "statements go to: sudo -u www-data php /srv/hotel/current/artisan db",
    )
    assert lines(BookingsChoices(root=ROOT), seen(UNGUARDED)) == ("no booking has to give way",)


def test_what_a_host_calls_a_booking_stays_a_text_of_the_statement() -> None:
    pair = ["1", "coming", "a", "b", booking("1", id="x'; drop table users; --"), booking("2", status="\\'")]
    shown = lines(BookingsChoices(root=ROOT), seen(DOUBLE, overlaps={"running": 0, "pairs": [pair]}))
    assert any("\"id\" = 'x''; drop table users; --' AND" in line for line in shown)
    assert any(line.endswith("AND \"status\" = E'\\\\''';") for line in shown)


def test_without_a_status_that_frees_a_room_there_is_no_statement() -> None:
    columns = {name: one for name, one in DOUBLE["table"]["columns"].items() if name != "updated_at"}
    found = seen(DOUBLE, table={"columns": columns})
    assert "keep 6: give booking 7 another room, or delete it" in lines(BookingsChoices(root=ROOT, free=""), found)[1]
    assert " SET \"status\" = 'cancelled' WHERE" in lines(BookingsChoices(root=ROOT), found)[1]


def test_those_of_the_past_may_stay_with_a_constraint_from_today_on() -> None:
    pair = ["1", "past", "2026-01-01", "2026-01-02", booking("1"), booking("2")]
    overlaps = {"past": 1, "running": 0, "coming": 0, "pairs": [pair]}
    shown = lines(BookingsChoices(root=ROOT), seen(DOUBLE, overlaps=overlaps))
    assert shown[-3].startswith("all of them are past")
    assert shown[-2].endswith("AND \"check_out\" > '2026-11-29');")
    guarded = {"indexes": [index(condition="((status)::text = 'confirmed'::text)")]}
    assert "past:" not in "".join(lines(BookingsChoices(root=ROOT), seen(DOUBLE, overlaps=overlaps, table=guarded)))


def test_what_refuses_them_is_shown_and_what_stands_in_the_way_of_more() -> None:
    look = BookingsGuards(root=ROOT)
    assert lines(look, seen(WELL)) == (
        "constraint no_overlapping_bookings: refuses them all: EXCLUDE USING gist (…)",
        '"public"."bookings": 13 bookings, 12 hold a room',
        "btree_gist: installed",
        "the application: asks as soleil, which may change it",
    )
    unique = index(name="one", keys=["room_id", "check_in"], operators=[], is_exclusion=False)
    table = {
        "indexes": [unique],
        "triggers": [{"name": "t", "function": "f"}],
        "has_extension": False,
        "is_owner": False,
    }
    counts = {"roomless": 1, "hollow": 2, "statuses": [["stays", False, 3]]}
    assert lines(look, seen(UNGUARDED, table=table, counts=counts)) == (
        "unique index one: refuses only what is equal: EXCLUDE USING gist (…)",
        "trigger t: calls f, which names both dates; what it lets through is not known here",
        "constraint: none that compares times",
        (
            'to be added, once no two overlap, and as a migration: ALTER TABLE "public"."bookings" ADD CONSTRAINT '
            '"no_overlapping_bookings" EXCLUDE USING gist ("room_id" WITH =, daterange("check_in", "check_out", \'[)\')'
            " WITH &&) WHERE (\"status\" IN ('pending', 'confirmed'));"
        ),
        '"public"."bookings": 13 bookings, 12 hold a room; nobody said whether these do: 3 stays',
        "of these: 1 have no room; 2 end when they begin, and hold nothing",
        "btree_gist: not installed, can be",
        "the application: asks as soleil, which may not: it is soleil's",
    )


def test_a_constraint_that_reaches_less_is_shown_with_what_would_take_its_place() -> None:
    narrow = index(name="old", condition="((status)::text = 'confirmed'::text)", is_valid=True)
    unclear = index(name="odd", condition="(paid)")
    wide = index(name="wide", keys=["room_id", "daterange(check_in, check_out, '[]'::text)"], is_valid=False)
    table = {"indexes": [narrow, unclear, wide], "has_extension": False, "offers_extension": False}
    shown = lines(BookingsGuards(root=ROOT), seen(UNGUARDED, table=table))
    assert shown[0].startswith("constraint old: does not refuse bookings that are pending: EXCLUDE")
    assert shown[1].startswith("constraint odd: how far it reaches is not known here: EXCLUDE")
    assert ", and refuses a booking that begins when another ends: EXCLUDE" in shown[2]
    assert shown[3].startswith(
        "to take its place, if whoever made it agrees, once no two overlap, and as a migration: "
        'ALTER TABLE "public"."bookings" DROP CONSTRAINT "old", ADD CONSTRAINT'
    )
    assert "btree_gist: not on this server" in shown


@pytest.mark.parametrize("kind", [BookingsOverlaps, BookingsChoices])
def test_what_was_not_found_out_is_unknown(kind: Any) -> None:
    assert lines(kind(root=ROOT), LATE)[0].startswith("unknown: which bookings overlap was not found out")
    with pytest.raises(ValueError, match="top must be"):
        kind(root=ROOT, top=0)


def test_what_was_logged_when_they_were_made_is_shown_by_level() -> None:
    look = BookingsLogWindow(root=ROOT, logs=(LOG, Path("/srv/gone")))
    found = see(
        look.read(Reader()),
        ("php -- bookings", bookings_told(DOUBLE)),
        (str(LOG), said(WINDOW)),
        ("log-window /srv/gone ", said("garbage")),
        ("log-window", NOT_THERE),
    )
    shown = lines(look, found)
    assert shown[0] == "from 2026-01-31 09:59 to 2026-11-29 17:38 (UTC), 9 minutes of it"
    assert shown[1] == f"{LOG}: 2 lines of these minutes; it begins at 2026-11-29 17:30"
    assert shown[2:4] == (
        "  2026-11-29 17:37  1 ERROR Illuminate\\Database\\QueryException SQLSTATE[40001]",
        "  2026-11-29 17:37  1 INFO",
    )
    assert shown[4].startswith("/srv/gone: unknown: ")


@pytest.mark.parametrize("log", [LOG, LOG.with_name("laravel-*.log")])
def test_of_a_log_that_is_begun_anew_every_day_those_are_read_of_the_days_they_were_made(log: Path) -> None:
    look = BookingsLogWindow(root=ROOT, logs=(log,))
    todays = LOG.with_name("laravel-2026-11-29.log")
    found = see(
        look.read(Reader()), ("php -- bookings", bookings_told(DOUBLE)), (str(todays), said(WINDOW)), ("", NOT_THERE)
    )
    assert lines(look, found)[1].startswith(f"{todays}: 2 lines of these minutes; it begins at")
    assert len(lines(look, found)) == 4
    none = see(look.read(Reader()), ("php -- bookings", bookings_told(DOUBLE)), ("", NOT_THERE))
    assert lines(look, none)[1:] == (f"{log} is not there",)


@pytest.mark.parametrize("size, says", [(70_000_000, "nothing of them in its last 64 MiB"), (7, "nothing of them")])
def test_a_log_without_these_minutes_says_how_much_of_it_there_is(size: int, says: str) -> None:
    look = BookingsLogWindow(root=ROOT, logs=(LOG,))
    window = said(f"size\n{size}\nbegin\nlines\nend\n")
    named = (f"log-window {LOG} ", window)
    found = see(look.read(Reader()), ("php -- bookings", bookings_told(DOUBLE)), named, ("log-window", NOT_THERE))
    assert lines(look, found)[1] == f"{LOG}: {says}"


@pytest.mark.parametrize("told", [UNGUARDED, UNGUARDED | {"overlaps": None, "failed": "57014"}])
def test_no_log_is_read_where_no_booking_says_when_it_was_made(told: dict[str, Any]) -> None:
    look = BookingsLogWindow(root=ROOT, logs=(LOG,))
    found = see(look.read(Reader()), ("php -- bookings", bookings_told(told)), most_rounds=1)
    assert lines(look, found) == ("no booking that overlaps says when it was made",)


def test_a_log_is_named_from_the_root_and_the_time_around_is_short() -> None:
    with pytest.raises(ValueError, match=r"^x must be absolute"):
        BookingsLogWindow(root=ROOT, logs=(Path("x"),))
    with pytest.raises(ValueError, match="around must be at most 10 min"):
        BookingsLogWindow(root=ROOT, logs=(LOG,), around=Duration(601))
