from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.queues import QueueDrained, QueueDraining
from soleil_remediate.facts.queues import Backlog, Connection, Queue, Sizes
from soleil_remediate.task import Health
from tests.unit.facts.queues import backlog, queue

DRAINING, DRAINED = QueueDraining(root=Path("/srv/app")), QueueDrained(root=Path("/srv/app"))
H, F, U = Health.HEALTHY, Health.FAULTY, Health.UNKNOWN


@pytest.mark.parametrize(
    "one, draining, drained",
    [
        (queue(0, 0), H, H),
        (queue(500, 490), H, H),
        (queue(5000, 4960), H, F),
        (queue(7000, 6960), F, F),
        (queue(7000, 7000), F, F),
        (queue(700, 800), F, F),
        (queue(1, 1, after=Sizes(waiting=0, reserved=1, overdue=1), late=60), F, F),
        (queue(3, 3, age=60), H, H),
        (queue(3, 3), U, U),
        (queue(3, 3, after=Sizes(waiting=3, reserved=1)), H, H),
        (queue(3, 3, has_moved=True), H, H),
    ],
)
def test_a_backlog_is_at_fault_and_one_that_ends_soon_misses_the_goal_alone(
    one: Queue, draining: Health, drained: Health
) -> None:
    assert DRAINING.judge(backlog(one)).health is draining
    assert DRAINED.judge(backlog(one)).health is drained


def test_it_says_what_waits_how_it_goes_and_when_that_ends() -> None:
    (verdict, other) = (one.judge(backlog(queue(5000, 4960))) for one in (DRAINING, DRAINED))
    assert verdict.why == "queue default: 4960 wait, over 500, but 10.0 fewer a second: empty in about 8 min 16 s"
    assert other.why == "queue default: 4960 wait, over 500, 10.0 fewer a second: empty in about 8 min 16 s"
    (measure,) = other.measures
    assert (measure.label, measure.value, measure.is_faulty) == (
        "queue default",
        "4960 wait, 10.0 fewer a second: empty in about 8 min 16 s",
        True,
    )
    assert DRAINED.judge(backlog(queue(9, 8))).why == "8 in default: within 500 jobs"
    assert DRAINED.judge(backlog(queue(0, 0))).why == "no job waits in default"


def test_maintenance_mode_is_said_where_something_waits() -> None:
    assert "maintenance mode" in DRAINING.judge(backlog(queue(900, 900), is_down=True)).why


@pytest.mark.parametrize(
    "seen, why",
    [
        (backlog(error="RedisException: Connection refused"), "connection redis cannot be asked: RedisException"),
        (backlog(driver="sqs"), "in a queue of the driver sqs is not known"),
        (backlog(driver=""), "in a queue of the driver ? is not known"),
        (backlog(queue(0, 0), is_whole=False), "has too many keys"),
        (backlog(queue(3, 3)), "3 wait in queue default, none was taken in 4 s, and since when they wait is not"),
    ],
)
def test_what_cannot_be_counted_is_unknown(seen: Backlog, why: str) -> None:
    verdict = DRAINING.judge(seen)
    assert verdict.health is U
    assert why in verdict.why


def test_an_application_that_keeps_no_jobs_has_no_backlog() -> None:
    assert DRAINING.judge(backlog(driver="sync")).why.startswith("the application keeps no jobs")
    both = Backlog(connections=(Connection(name="sync", driver="sync"), *backlog(queue(0, 0)).connections))
    assert DRAINING.judge(both).why == "no job waits in default"


def test_the_aims_name_the_limits() -> None:
    assert DRAINED.aim() == "at most 500 jobs wait, none for over 15 min"
    assert DRAINING.aim() == "at most 500 jobs wait, none for over 15 min, or they are done within 10 min"
