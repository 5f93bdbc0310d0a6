from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.logged_errors import ErrorsRead, LoggedError
from soleil_remediate.looks.errors import ErrorsLogged, RequestsFailing
from soleil_remediate.task import Table, Text
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.traffic import NOW, requests, traffic

FAILING = RequestsFailing(root=Path("/srv/web/current"), page="/ready")
LOG, OTHER = Path("/srv/web/laravel.log"), Path("/srv/web/worker.log")
TODAYS = Path("/srv/web/laravel-2026-11-29.log")
LOGGED = ErrorsLogged(logs=(LOG, OTHER))


def test_requests_that_fail_are_shown_by_endpoint_and_status_the_most_first() -> None:
    shown = FAILING.show(
        traffic(
            requests(500, 200, 200, 502, 502, endpoint="GET /rooms"),
            requests(500, 500, 500, endpoint="POST /bookings", until=NOW - 60),
            requests(500, until=NOW - 900),
        )
    )
    assert shown == Table(
        columns=("since 2026-11-25 08:55 UTC", "failed", "status", "newest, UTC"),
        rows=(
            ("POST /bookings", "3 of 3", "500", "2026-11-25 08:58"),
            ("GET /rooms", "2 of 5", "502", "2026-11-25 08:59"),
            ("GET /rooms", "1 of 5", "500", "2026-11-25 08:59"),
        ),
        align="lrrl",
    )


def test_of_many_endpoints_the_worst_are_shown_and_how_many_there_are_besides() -> None:
    shown = FAILING.show(traffic(*(requests(500, endpoint=f"GET /{letter}") for letter in "abcdefghij")))
    assert isinstance(shown, Table)
    assert [row[0] for row in shown.rows[-2:]] == ["GET /h", "2 more"]
    assert all(len(row) == 4 for row in shown.rows)


def test_that_none_failed_since_the_switch_is_said() -> None:
    shown = FAILING.show(traffic(requests(*[500] * 9, until=NOW - 60), requests(200), switched=NOW - 30))
    assert shown == Text(lines=("none of 1 failed since 2026-11-25 08:59 UTC",))


def errors(*found: LoggedError) -> ErrorsRead:
    return ErrorsRead(file=LOG, errors=found)


def test_errors_are_shown_by_class_and_by_what_led_there() -> None:
    raised = LoggedError(at="2026-11-29 10:00:00", raised="RuntimeException", place="a/b.php:1", action="App\\X->index")
    shown = LOGGED.show(
        (
            (
                LOG,
                errors(
                    raised, replace(raised, at="2026-11-29 10:00:09"), replace(raised, action=""), LoggedError(at="x")
                ),
            ),
            (OTHER, None),
        )
    )
    assert shown == Text(
        lines=(
            "2 times RuntimeException by App\\X->index, the newest at 2026-11-29 10:00:09",
            "1 times RuntimeException by a/b.php:1, the newest at 2026-11-29 10:00:00",
            "1 times logged without an exception, the newest at x",
            f"{OTHER} is not there",
        )
    )


def test_a_log_without_an_error_and_one_that_cannot_be_read_are_said_to_be_so() -> None:
    shown = LOGGED.show(((LOG, ErrorsRead(file=TODAYS)), (OTHER, FactError("denied"))))
    assert shown == Text(lines=(f"{TODAYS} has no error at its end", f"{OTHER}: unknown, denied"))


def test_of_many_classes_the_most_frequent_are_shown() -> None:
    shown = LOGGED.show(((LOG, errors(*(LoggedError(at="x", raised=f"E{number}") for number in range(10)))),))
    assert isinstance(shown, Text)
    assert (len(shown.lines), shown.lines[-1]) == (9, "and 2 more")


def test_where_the_only_log_cannot_be_read_nothing_is_known() -> None:
    with pytest.raises(FactError):
        see(replace(LOGGED, logs=(LOG,)).read(Reader()), ("find-errors", said("garbage")))
    (one, two) = see(LOGGED.read(Reader()), (str(OTHER), said("garbage")), ("find-errors", said(f"{TODAYS}\nend\n")))
    assert (one, two[0], type(two[1])) == ((LOG, ErrorsRead(file=TODAYS)), OTHER, FactError)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^laravel\.log must be absolute"):
        ErrorsLogged(logs=(Path("laravel.log"),))
    with pytest.raises(ValueError, match="window must be"):
        replace(FAILING, window=Duration(1))


def test_what_is_shown_is_said_to_be_of_no_longer_than_what_is_read_of_the_log() -> None:
    assert FAILING.show(traffic(requests(200), oldest=NOW - 90)) == Text(
        lines=("none of 1 failed since 2026-11-25 08:58 UTC",)
    )
