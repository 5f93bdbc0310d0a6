from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.workers import WorkersRunning
from soleil_remediate.command import Output, Reader
from soleil_remediate.facts.queue_workers import Workers
from soleil_remediate.rights import SEE_PROGRAMS, Right
from soleil_remediate.task import Health
from tests.unit.facts.answers import NOT_THERE, said, see
from tests.unit.facts.application import DESCRIBED, STARTED
from tests.unit.facts.other_workers import found, process
from tests.unit.facts.queues import kept, other, running, worker

CHECK = WorkersRunning(root=Path("/srv/app"))
LOG = Path("/srv/w.log")
W = worker(logs=(LOG,))


@pytest.mark.parametrize(
    "seen, health, why",
    [
        (kept(running(W)), Health.HEALTHY, "1 workers run: w"),
        (Workers(programs=(W,), is_supervised=False), Health.FAULTY, "supervisor does not run, so neither does w"),
        (
            Workers(programs=(W,)),
            Health.FAULTY,
            "supervisor does not know w: its configuration was never loaded (supervisorctl update)",
        ),
        (
            kept(
                running(W),
                other(W, "FATAL", name="w:w_01", says="Exited too quickly"),
                last_words=((LOG, ("no room",)),),
            ),
            Health.FAULTY,
            "w:w_01 is FATAL (Exited too quickly). Its log ends: no room",
        ),
        (
            kept(other(W, "BACKOFF"), other(W, "STOPPED", name="w:w_01")),
            Health.FAULTY,
            "w:w_00 dies again and again, w:w_01 is STOPPED",
        ),
        (
            kept(other(W, "BACKOFF"), is_in_maintenance=True),
            Health.UNKNOWN,
            "w ends again and again, as --max-time does in maintenance mode: end that, and look again",
        ),
        (kept(running(W), is_in_maintenance=True), Health.HEALTHY, "1 workers run: w"),
        (kept(other(W, "STARTING")), Health.UNKNOWN, "w:w_00 is STARTING: look again in a moment"),
        (kept(other(worker(starts=False), "STOPPED")), Health.HEALTHY, "0 workers run: w"),
    ],
)
def test_every_worker_has_to_run_and_to_go_on(seen: Workers, health: Health, why: str) -> None:
    verdict = CHECK.judge(seen)
    assert (verdict.health, verdict.why) == (health, why)
    assert any(one.is_faulty for one in verdict.measures) is (health is not Health.HEALTHY)


REDIS = said(STARTED + DESCRIBED)
SYNC = said(STARTED + DESCRIBED.replace('"name":"redis","driver":"redis"', '"name":"now","driver":"sync"'))
NONE = "supervisor keeps no queue worker of this application, and"
ELSEWHERE = "they may run elsewhere"
WORKER, YOUNG = process(71, age=60, unit="shop-worker.service"), process(72, age=59)


@pytest.mark.parametrize(
    "others, application, health, why",
    [
        (found(WORKER), REDIS, Health.HEALTHY, "workers run outside supervisor: shop-worker.service"),
        (found(WORKER, YOUNG), NOT_THERE, Health.HEALTHY, "workers run outside supervisor: shop-worker.service"),
        (found(process(71, age=99)), REDIS, Health.HEALTHY, "workers run outside supervisor: process 71"),
        (found(), SYNC, Health.HEALTHY, "no worker is needed: the queue connection now keeps no jobs"),
        (NOT_THERE, SYNC, Health.HEALTHY, "no worker is needed: the queue connection now keeps no jobs"),
        (
            found(YOUNG),
            REDIS,
            Health.UNKNOWN,
            "process 72 is a worker outside supervisor, started 59 s ago: look again in a minute",
        ),
        (
            found(),
            REDIS,
            Health.UNKNOWN,
            f"{NONE} no process is one: {ELSEWHERE}",
        ),
        (
            NOT_THERE,
            NOT_THERE,
            Health.UNKNOWN,
            f"{NONE} whether a process is one cannot be seen: {ELSEWHERE}, or not be needed, which cannot be asked",
        ),
    ],
)
def test_without_a_program_of_supervisors_a_worker_has_to_be_seen_or_not_to_be_needed(
    others: Output, application: Output, health: Health, why: str
) -> None:
    none: tuple[Any, Any] = ("stdout_logfile", said(status=1))
    seen = see(CHECK.read(Reader()), none, ("find-other-workers", others), ("php -- application", application))
    verdict = CHECK.judge(seen)
    assert (verdict.health, verdict.why) == (health, why)
    assert CHECK.reads_with() == (Right("www-data"), SEE_PROGRAMS)


def test_the_proof_counts_those_that_run() -> None:
    (measure,) = CHECK.judge(kept(running(W), other(W, "FATAL", name="w:w_01"))).measures
    assert (measure.label, measure.value, measure.is_faulty) == ("w", "1 of 2 run", True)
    assert CHECK.aim() == "every queue worker runs, and goes on running"
