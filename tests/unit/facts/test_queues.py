from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.queues import (
    CountJobs,
    Limits,
    Queue,
    Sizes,
    class_name,
    count_jobs,
    counting,
)
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.facts.queues import backlog, connected, counted, queue, told, worker

ROOT = Path("/srv/app")
ASK = CountJobs(ROOT, "www-data")


def answer(**connections: object) -> object:
    return told({"is_down": False, "default": "redis", "connections": connections})


def test_an_application_counts_what_waits_twice() -> None:
    found = ASK.answer(told({"is_down": True, "default": "redis", "connections": {"redis": connected()}}))
    (connection,) = found.connections
    assert (found.is_down, found.default, found.error) == (True, "redis", "")
    assert (connection.driver, connection.default_queue, connection.retry_after) == ("redis", "default", 90)
    assert (connection.is_counted, connection.is_at_once) == (True, False)
    assert found.queues == (
        Queue(
            connection="redis",
            name="default",
            before=Sizes(waiting=900, delayed=2, due=1, reserved=2, overdue=0),
            after=Sizes(waiting=860, delayed=2, due=1, reserved=3, overdue=1),
            seconds=4.0,
            has_moved=True,
            late=7,
            next_class="App\\Jobs\\Export",
        ),
    )
    (one,) = found.queues
    assert (one.before.ready, one.after.ready) == (901, 862)
    assert one.rate == pytest.approx(9.75)
    assert one.left == pytest.approx(862 / 9.75)


def test_a_connection_that_does_not_answer_says_why_and_the_others_are_counted() -> None:
    refused = connected(queues=[], seconds=0, retry_after=None) | {
        "class": "RedisException",
        "why": "Connection\nrefused",
    }
    found = ASK.answer(
        told(
            {
                "is_down": False,
                "default": "redis",
                "connections": {"redis": refused, "db": connected(driver="database")},
            }
        )
    )
    assert found.error == "RedisException: Connection refused"
    assert [one.connection for one in found.queues] == ["db"]


def test_what_a_job_calls_itself_is_no_class_where_it_could_be_anything() -> None:
    assert [
        class_name(text) for text in ("", "\\App\\Jobs\\X", "App\\Jobs\\X@handle", "Mail to guest@example.test")
    ] == [
        "",
        "App\\Jobs\\X",
        "App\\Jobs\\X@handle",
        "(a name of its own)",
    ]


@pytest.mark.parametrize(
    "connections",
    [
        {},
        [],
        {"redis": 1},
        {"redis": connected(driver=1)},
        {"redis": connected(queues=["x"])},
        {"redis": connected(queues={"x": counted(before=[1])})},
        {"redis": connected(queues={"x": counted(before=[1, 2, 3, 4, -5])})},
        {"redis": connected(queues={"x": counted(before=[1, 2, 3, 4, True])})},
        {"redis": connected(queues={"x": counted(before=None)})},
        {"redis": connected(queues={"x": counted(has_moved="yes")})},
        {"redis": connected(seconds=0)},
        {"redis": connected(retry_after=[])},
    ],
)
def test_anything_else_is_unknown(connections: object) -> None:
    with pytest.raises(FactError):
        ASK.answer(told({"is_down": False, "default": "redis", "connections": connections}))


def test_whether_it_is_in_maintenance_mode_has_to_be_told() -> None:
    with pytest.raises(FactError):
        ASK.answer(told({"is_down": None, "default": "redis", "connections": {"redis": connected()}}))


def test_an_application_that_cannot_be_started_counts_nothing() -> None:
    with pytest.raises(FactError, match="the application cannot be started: ParseError: no"):
        ASK.answer(said('{"started":false,"class":"ParseError","why":"no"}\n'))


def test_the_queues_that_workers_were_told_are_asked_for_by_name() -> None:
    programs = (
        worker(),
        worker(words=("php", "artisan", "queue:work", "--queue=high,$(x),low")),
        worker(words=("php", "artisan", "queue:work", "sqs;")),
        worker(words=("php", "artisan", "horizon")),
        worker(words=("php", "artisan", "queue:listen", "later")),
    )
    assert counting(ROOT, "www-data", programs).named == ("=high", "=low", "later=", "redis=default")
    assert counting(ROOT, "www-data", ()).command.words == ("php", "--", "queues", "/srv/app", "4")
    rule = (
        "php -- queues /srv/app 4 redis=default",
        told({"is_down": False, "default": "a", "connections": {"a": connected()}}),
    )
    assert see(count_jobs(Reader(), ROOT, "www-data", programs[:1]), rule).default == "a"


@pytest.mark.parametrize(
    "one, says",
    [
        (queue(0, 0), "nothing waits"),
        (queue(900, 860), "10.0 fewer a second: empty in about 1 min 26 s"),
        (queue(900, 910), "2.5 more a second"),
        (queue(900, 900, has_moved=True), "no fewer"),
        (queue(900, 900), "none was taken in 4 s"),
        (queue(900, 900, after=Sizes(waiting=900, reserved=2)), "none was taken in 4 s, 2 under way"),
    ],
)
def test_it_is_said_how_a_queue_goes(one: Queue, says: str) -> None:
    assert one.in_words == says


def test_a_queue_that_hardly_moves_ends_at_some_time() -> None:
    assert queue(10**9, 10**9 - 1, seconds=100.0).left == Duration(10**9)


LIMITS = Limits(most=500, oldest=Duration(900), within=Duration(600))
GONE = Sizes(waiting=1, reserved=1, overdue=1)


@pytest.mark.parametrize(
    "one, why, is_too_slow",
    [
        (queue(500, 500), "", False),
        (queue(501, 501), "501 wait, over 500", True),
        (queue(5000, 4960), "4960 wait, over 500", False),
        (queue(7000, 6960), "6960 wait, over 500", True),
        (queue(5000, 5010), "5010 wait, over 500", True),
        (queue(3, 3, age=900), "", False),
        (queue(3, 3, age=901), "3 wait, the oldest for 15 min 1 s, over 15 min", True),
        (queue(3, 0, age=901), "", False),
        (queue(1, 1, after=GONE, late=30), "", False),
        (queue(1, 1, after=GONE, late=60, has_moved=True), "", False),
        (
            queue(1, 1, after=GONE, late=60),
            "1 were taken by a worker that is gone or stuck, and nobody took them up in the 1 min since retry_after",
            True,
        ),
    ],
)
def test_a_backlog_is_too_many_or_too_old_or_nobodys(one: Queue, why: str, is_too_slow: bool) -> None:
    assert LIMITS.why_over(one) == why
    assert LIMITS.is_too_slow(one) is is_too_slow


def test_what_keeps_no_jobs_is_told_from_what_cannot_be_counted() -> None:
    (sync,), (sqs,) = backlog(driver="sync").connections, backlog(driver="sqs").connections
    assert (sync.is_counted, sync.is_at_once, sqs.is_counted, sqs.is_at_once) == (False, True, False, False)
