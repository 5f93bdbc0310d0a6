from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.workers import WorkersRunning
from soleil_remediate.facts.queue_workers import Workers
from soleil_remediate.task import Health
from tests.unit.facts.queues import kept, other, running, worker

CHECK = WorkersRunning(root=Path("/srv/app"))
LOG = Path("/srv/w.log")
W = worker(logs=(LOG,))


@pytest.mark.parametrize(
    "seen, health, why",
    [
        (Workers(), Health.HEALTHY, "supervisor keeps no queue worker of this application here"),
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


def test_the_proof_counts_those_that_run() -> None:
    (measure,) = CHECK.judge(kept(running(W), other(W, "FATAL", name="w:w_01"))).measures
    assert (measure.label, measure.value, measure.is_faulty) == ("w", "1 of 2 run", True)
    assert CHECK.aim() == "every queue worker runs, and goes on running"
