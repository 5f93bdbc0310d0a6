"""Queues, workers and failed jobs for tests."""

from __future__ import annotations

import json
from typing import Any

from soleil_remediate.command import Output
from soleil_remediate.facts.queue_workers import Watched, Worker, Workers
from soleil_remediate.facts.queues import Backlog, Connection, Queue, Sizes
from soleil_remediate.facts.supervisors import Process
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

WORDS = ("php", "/srv/soleil/current/artisan", "queue:work", "redis", "--queue=default", "--tries=3", "--max-time=3600")


def told(line: object) -> Output:
    """Return what PHP tells once the application is started."""
    return said(f"{STARTED}{json.dumps(line)}\n")


def counted(**others: Any) -> dict[str, Any]:
    """Return one queue as PHP tells it."""
    return {
        "before": [900, 2, 1, 2, 0],
        "after": [860, 2, 1, 3, 1],
        "has_moved": True,
        "class": "App\\Jobs\\Export",
        "age": None,
        "late": 7,
        **others,
    }


def connected(**others: Any) -> dict[str, Any]:
    """Return one queue connection as PHP tells it."""
    return {
        "driver": "redis",
        "default": "default",
        "retry_after": 90,
        "is_whole": True,
        "class": "",
        "why": "",
        "queues": {"default": counted()},
        "seconds": 4.0,
        **others,
    }


def queue(before: int, after: int, /, **others: Any) -> Queue:
    """Return a queue with so many jobs that could be taken at the beginning, and after four seconds."""
    values: dict[str, Any] = {
        "connection": "redis",
        "name": "default",
        "before": Sizes(waiting=before),
        "after": Sizes(waiting=after),
        "seconds": 4.0,
        "has_moved": before != after,
        "next_class": "App\\Jobs\\Export",
    }
    return Queue(**{**values, **others})


def backlog(*queues: Queue, is_down: bool = False, **others: Any) -> Backlog:
    """Return a connection with these queues."""
    connection = Connection(**{"name": "redis", "driver": "redis", "queues": queues, **others})
    return Backlog(connections=(connection,), default="redis", is_down=is_down)


def worker(**others: Any) -> Worker:
    """Return a program of supervisor's."""
    return Worker(**{"name": "w", "words": WORDS, **others})


def running(one: Worker, *, pid: int = 71, name: str = "w:w_00") -> Watched:
    """Return a process that has run for an hour."""
    process = Process(name=name, state="RUNNING", pid=pid, uptime=3600)
    return Watched(worker=one, before=process, after=process)


def other(one: Worker, state: str, *, name: str = "w:w_00", says: str = "") -> Watched:
    """Return a process that does not run."""
    process = Process(name=name, state=state, says=says)
    return Watched(worker=one, before=process, after=process)


def kept(*processes: Watched, **others: Any) -> Workers:
    """Return these processes and their programs."""
    programs = tuple(dict.fromkeys(one.worker for one in processes))
    return Workers(**{"programs": programs, "processes": processes, **others})
