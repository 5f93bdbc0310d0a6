from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs
from soleil_remediate.facts.queue_workers import Workers
from soleil_remediate.facts.queues import Sizes
from soleil_remediate.looks.queues import QueueFailed, QueueSizes, WorkersOverview
from soleil_remediate.task import Table, Text
from tests.unit.facts.queues import backlog, kept, other, queue, running, worker

ROOT = Path("/srv/app")
LOG = Path("/srv/w.log")


def test_queues_are_shown_with_their_pace_and_the_next_jobs_class_alone() -> None:
    one = queue(900, 860, after=Sizes(waiting=860, delayed=5, reserved=2, overdue=1), age=60)
    shown = QueueSizes(root=ROOT).show(backlog(one))
    assert isinstance(shown, Table)
    assert shown.rows == (("redis default", "860", "5", "2", "1", "1 min", one.in_words, "App\\Jobs\\Export"),)
    assert len(shown.columns) == len(shown.rows[0]) == len(shown.align)


def test_where_nothing_was_counted_it_is_said_why() -> None:
    look = QueueSizes(root=ROOT)
    assert look.show(backlog(error="no")) == Text(lines=("redis (redis): no",))
    assert look.show(backlog(driver="sync")) == Text(lines=("redis (sync): no queue",))


def job(name: int, job_class: str, age: int) -> FailedJob:
    return FailedJob(name=str(name), job_class=job_class, exception="E", connection="redis", queue="default", age=age)


def test_failed_jobs_are_shown_in_groups_the_largest_first() -> None:
    look = QueueFailed(root=ROOT)
    seen = FailedJobs(driver="database", total=5, newest=(job(3, "B", 30), job(2, "A", 60), job(1, "B", 120)))
    shown = look.show(seen)
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("B", "2", "E", "default", "2 min ago", "30 s ago"),
        ("A", "1", "E", "default", "1 min ago", "1 min ago"),
        ("(older)", "2", "", "", "", ""),
    )
    assert look.show(FailedJobs(driver="database", total=0)) == Text(lines=("none",))
    assert look.show(FailedJobs(driver="dynamodb", total=None)) == Text(
        lines=("not known: they are kept by the driver dynamodb",)
    )
    (only,) = [look.show(FailedJobs(driver="database", total=1, newest=(job(1, "A", 1),)))]
    assert isinstance(only, Table)
    assert len(only.rows) == 1


def test_workers_are_shown_and_of_those_that_are_not_well_what_their_logs_say() -> None:
    look = WorkersOverview(root=ROOT, lines=2)
    well, ill = worker(name="well", logs=(Path("/srv/well.log"),)), worker(logs=(LOG,))
    seen = kept(
        replace(running(well, name="well"), deaths=2),
        other(ill, "FATAL", says="Exited too quickly"),
        last_words=((Path("/srv/well.log"), ("fine",)), (LOG, ("one", "two", "x" * 300))),
    )
    assert look.show(seen) == Text(
        lines=(
            "well  RUNNING, pid 71, for 1 h, died 2 times before",
            "w:w_00  FATAL (Exited too quickly)",
            "/srv/w.log",
            "  two",
            f"  {'x' * 200}…",
        )
    )
    assert look.show(Workers(programs=(ill,))) == Text(lines=("w  not loaded by supervisor",))
    assert look.show(Workers(programs=(ill,), is_supervised=False)) == Text(lines=("supervisor does not run",))
    assert look.show(Workers()) == Text(lines=("supervisor keeps none of this application here",))


@pytest.mark.parametrize("lines", [0, 21])
def test_so_many_lines_cannot_be_shown(lines: int) -> None:
    with pytest.raises(ValueError, match="lines must be from 1 to 20"):
        WorkersOverview(root=ROOT, lines=lines)
