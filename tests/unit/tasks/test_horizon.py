from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.horizon import HorizonWorker, Status
from soleil_remediate.facts.queue_workers import Watched
from soleil_remediate.facts.replies import Reply
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.horizon import ContinueHorizon, HorizonSeen
from soleil_remediate.tasks.workers import WorkersSeen
from soleil_remediate.tasks.working import CONTINUE
from soleil_remediate.units import Duration
from tests.unit.facts.queues import backlog, kept, other, queue, running, worker

ROOT = Path("/srv/soleil/current")
TASK = ContinueHorizon(root=ROOT)
HORIZON = worker(name="horizon", words=("php", "/srv/soleil/current/artisan", "horizon"))
ANSWERS = Reply(is_answered=True, took=Duration(0.01))
BELOW = (HorizonWorker(above=(72, 71), connection="redis", queues=("default",)),)


def seen(
    *processes: Watched, status: Status | FactError | None = Status.PAUSED, waits: Any = None, **others: Any
) -> HorizonSeen:
    workers = kept(*(processes or (running(HORIZON, name="horizon"),)))
    values = {"backlog": waits or backlog(queue(900, 900)), "database": ANSWERS, "horizon": BELOW, **others}
    return HorizonSeen(seen=WorkersSeen(workers=workers, **values), status=status)


def test_a_paused_horizon_for_which_jobs_wait_goes_on() -> None:
    plan = TASK.plan(seen())
    (change,) = plan.changes
    assert plan.because == "Horizon is paused; 900 wait in default"
    assert change.command.words == CONTINUE.bind(ROOT, "www-data", 20, "horizon", 71)
    assert (change.risk, change.before) == (Risk.GENTLE, "paused; 900 wait in default")
    assert "horizon:pause" in change.undo.says
    assert all(any(use.is_covered_by(right) for right in TASK.rights()) for use in change.uses)


@pytest.mark.parametrize(
    "what, because",
    [
        (seen(running(worker()), status=None), "supervisor runs no Horizon of this application here"),
        (seen(other(HORIZON, "STOPPED")), "supervisor runs no Horizon of this application here"),
        (seen(status=Status.RUNNING), "Horizon is running"),
        (seen(status=Status.INACTIVE), "Horizon is inactive"),
        *(
            (seen(status=status, waits=waits), "no queue waits for workers of Horizon's that do nothing")
            for status in (Status.PAUSED, FactError("no"))
            for waits in (
                backlog(queue(0, 0)),
                backlog(queue(900, 860)),
                backlog(queue(900, 900, has_moved=True)),
                backlog(queue(900, 900, name="other")),
            )
        ),
    ],
)
def test_a_pause_that_holds_up_no_job_is_left_alone(what: HorizonSeen, because: str) -> None:
    plan = TASK.plan(what)
    assert (plan.changes, plan.because) == ((), because)


@pytest.mark.parametrize(
    "what, why",
    [
        (seen(status=FactError("no such command")), "cannot be known whether Horizon is paused: no such command"),
        (seen(waits=FactError("ParseError")), "it cannot be known what waits: ParseError"),
        (seen(waits=backlog(queue(900, 900), is_down=True)), "in maintenance mode; end that first"),
        (
            seen(database=Reply(is_answered=False, took=Duration(1), why="no")),
            "its workers would fail every job: the application's database does not answer it: no",
        ),
    ],
)
def test_what_would_not_help_is_said(what: HorizonSeen, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        TASK.plan(what)
