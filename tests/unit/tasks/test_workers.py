from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.horizon import HorizonWorker
from soleil_remediate.facts.queue_workers import Watched, Workers
from soleil_remediate.facts.queues import Backlog, Connection, Queue, Sizes
from soleil_remediate.facts.replies import Reply
from soleil_remediate.facts.resources import Resources
from soleil_remediate.facts.services import Unit
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.tasks.adding_workers import AddWorkers, HelpSeen
from soleil_remediate.tasks.workers import RestartWorkers, StartWorkers, WorkersSeen
from soleil_remediate.tasks.working import ADD, END, RESTART, START, STOP
from soleil_remediate.units import Duration, MiB
from tests.unit.facts.queues import WORDS, backlog, kept, other, queue, running, worker

ROOT = Path("/srv/soleil/current")
START_TASK, RESTART_TASK, ADD_TASK = StartWorkers(root=ROOT), RestartWorkers(root=ROOT), AddWorkers(root=ROOT)
ANSWERS = Reply(is_answered=True, took=Duration(0.01))
LOG = Path("/srv/w.log")
W = worker(logs=(LOG,))
HORIZON = worker(name="horizon", words=("php", "/srv/soleil/current/artisan", "horizon"))
FATAL = other(W, "FATAL", says="Exited too quickly")
DYING = other(W, "BACKOFF", name="w:w_09")
UNREACHED = FactError("the application cannot be started: ParseError: no")


def seen(*processes: Watched, waits: Backlog | FactError | None = None, **others: Any) -> WorkersSeen:
    values = {"workers": kept(*processes), "backlog": backlog(queue(0, 0)) if waits is None else waits}
    return WorkersSeen(**{**values, "database": ANSWERS, **others})


# --- workers.start --------------------------------------------------------------------------------------------------


def test_what_is_down_is_started_by_its_name_each_program_for_itself() -> None:
    single = worker(name="mailer")
    plan = START_TASK.plan(
        seen(
            FATAL, other(W, "STOPPED", name="w:w_01"), running(W, name="w:w_02"), other(single, "EXITED", name="mailer")
        )
    )
    both, one = plan.changes
    assert not plan.is_one_repair
    assert plan.because == "w:w_00 is FATAL (Exited too quickly); w:w_01 is STOPPED; mailer is EXITED"
    assert both.command.words == START.bind(5, LOG, "w:w_00", "FATAL", "w:w_01", "STOPPED")
    assert one.command.words == START.bind(5, "", "mailer", "EXITED")
    assert (both.summary, both.before, both.risk) == ("start 2 of w", "FATAL, STOPPED", Risk.GENTLE)
    assert both.undo.command is not None
    assert both.undo.command.words == STOP.bind("w:w_00", "w:w_01")
    assert [str(use) for use in one.uses] == ["supervisorctl status", "supervisorctl start mailer:mailer"]
    assert all(any(use.is_covered_by(right) for right in START_TASK.rights()) for use in (*both.uses, *one.uses))


@pytest.mark.parametrize(
    "what, because",
    [
        (seen(), "supervisor keeps no queue worker of this application here"),
        (seen(running(W)), "1 workers run"),
        (seen(other(worker(starts=False), "STOPPED")), "0 workers run"),
    ],
)
def test_there_is_nothing_to_start(what: WorkersSeen, because: str) -> None:
    assert START_TASK.plan(what) == Plan.nothing("")
    assert START_TASK.plan(what).because == because


@pytest.mark.parametrize(
    "what, why",
    [
        (
            seen(workers=Workers(programs=(W,), is_supervised=False)),
            "supervisor does not run: it starts its workers itself",
        ),
        (seen(workers=Workers(programs=(W,))), "supervisor has not loaded w. By hand: supervisorctl update w"),
        (
            seen(workers=kept(DYING, last_words=((LOG, ("no licence",)),))),
            "another start would not help: w:w_09 dies again and again. Its log ends: no licence. Where that began",
        ),
        (seen(workers=kept(DYING, is_in_maintenance=True)), "the application is in maintenance mode, in which"),
        (seen(FATAL, waits=UNREACHED), "does not get at its queue: the application cannot be started: ParseError: no"),
        (
            seen(FATAL, waits=backlog(error="RedisException: refused")),
            "workers would die, or fail every job: the application's queue does not answer it: RedisException: refused",
        ),
        (
            seen(FATAL, database=Reply(is_answered=False, took=Duration(1), error="PDOException", why="refused")),
            "the application's database does not answer it: PDOException: refused. Repair that first",
        ),
        (
            seen(FATAL, database=Reply(is_answered=False, took=Duration(1), why="no answer in time")),
            "does not answer it: no answer in time",
        ),
    ],
)
def test_what_would_not_help_is_said_with_the_cause(what: WorkersSeen, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        START_TASK.plan(what)


def test_what_supervisor_cannot_even_find_is_not_started() -> None:
    missing = other(W, "FATAL", says="can't find command '/usr/bin/php7.4'")
    with pytest.raises(Unplannable, match=r"w:w_00 would not start: can't find command '/usr/bin/php7\.4'"):
        START_TASK.plan(seen(missing))
    plan = START_TASK.plan(seen(missing, other(worker(name="x"), "FATAL", name="x")))
    assert [change.summary for change in plan.changes] == ["start 1 of x"]


def test_workers_are_started_where_it_is_not_known_whether_the_database_answers() -> None:
    assert START_TASK.plan(seen(FATAL, database=FactError("php is not there"))).changes


# --- workers.restart ------------------------------------------------------------------------------------------------

IDLE = backlog(queue(900, 900))
ASKED = "queue:restart"


def test_workers_that_take_no_jobs_end_after_their_job_and_are_started_anew() -> None:
    (change,) = RESTART_TASK.plan(seen(running(W), running(W, name="w:w_01", pid=72), waits=IDLE)).changes
    assert change.command.words == RESTART.bind(ROOT, "www-data", 60, 5, "w:w_00", 71, ASKED, "w:w_01", 72, ASKED)
    assert (change.risk, change.before) == (Risk.DISRUPTIVE, "900 wait in default, none is taken")
    assert all(any(use.is_covered_by(right) for right in RESTART_TASK.rights()) for use in change.uses)


def under_horizon(*queues: str, waits: Backlog | FactError = IDLE, connection: str = "redis") -> WorkersSeen:
    below = (HorizonWorker(above=(72, 71, 40), connection=connection, queues=queues),)
    return seen(running(HORIZON, name="horizon"), waits=waits, horizon=below)


def test_horizon_is_asked_by_its_own_command() -> None:
    (change,) = RESTART_TASK.plan(under_horizon("default")).changes
    assert change.command.words == RESTART.bind(ROOT, "www-data", 60, 5, "horizon", 71, "horizon:terminate")
    assert change.summary == "let Horizon and its workers end and be started anew"


@pytest.mark.parametrize(
    "what",
    [
        under_horizon("high", "default"),
        under_horizon(),
        under_horizon(connection=""),
        seen(running(HORIZON, name="horizon"), waits=IDLE),
        seen(running(HORIZON, name="horizon"), waits=IDLE, horizon=(HorizonWorker(above=(9, 1), queues=("x",)),)),
    ],
)
def test_a_queue_of_horizons_waits_for_it_and_any_does_where_its_workers_are_not_seen(what: WorkersSeen) -> None:
    assert RESTART_TASK.plan(what).changes


@pytest.mark.parametrize("what", [under_horizon("high"), under_horizon("default", connection="sqs")])
def test_a_queue_that_horizon_was_not_told_to_work_does_not_wait_for_it(what: WorkersSeen) -> None:
    assert RESTART_TASK.plan(what).because == "no queue waits for workers that do nothing"


def busy(**others: int) -> Queue:
    sizes = {"waiting": 900, **others}
    return queue(900, 900, before=Sizes(**sizes), after=Sizes(**sizes))


@pytest.mark.parametrize(
    "what, because",
    [
        (seen(FATAL, waits=IDLE), "no worker of supervisor's runs"),
        (seen(running(worker(words=("/srv/soleil/worker.sh",))), waits=IDLE), "no worker of supervisor's runs"),
        *(
            (seen(running(W), waits=waits), "no queue waits for workers that do nothing")
            for waits in (
                backlog(queue(0, 0)),
                backlog(queue(0, 900, has_moved=False)),
                backlog(queue(900, 860)),
                backlog(queue(900, 900, has_moved=True)),
                backlog(busy(reserved=2)),
                backlog(queue(900, 900, name="other")),
                backlog(queue(900, 900, connection="sqs")),
            )
        ),
    ],
)
def test_workers_that_work_are_left_alone(what: WorkersSeen, because: str) -> None:
    plan = RESTART_TASK.plan(what)
    assert (plan.changes, plan.because) == ((), because)


def test_workers_whose_only_jobs_are_nobodys_take_none() -> None:
    assert RESTART_TASK.plan(seen(running(W), waits=backlog(busy(reserved=1, overdue=1)))).changes


@pytest.mark.parametrize(
    "one", [worker(words=("php", "artisan", "queue:work")), worker(words=("php", "artisan", "queue:work", "redis"))]
)
def test_a_worker_that_is_told_no_queue_works_its_connections_own(one: Any) -> None:
    assert RESTART_TASK.plan(seen(running(one), waits=IDLE)).changes
    assert not RESTART_TASK.plan(seen(running(one), waits=backlog(queue(900, 900), default_queue="jobs"))).changes


@pytest.mark.parametrize(
    "what, why",
    [
        (seen(running(W), waits=UNREACHED), "it cannot be known what waits: the application cannot be started"),
        (seen(running(W), waits=backlog(error="refused")), "it cannot be known what waits: refused"),
        (seen(running(W), waits=backlog(queue(900, 900), is_down=True)), "is in maintenance mode; end that first"),
        (
            seen(running(W), waits=IDLE, database=Reply(is_answered=False, took=Duration(1), why="no")),
            "a restart would not help: the application's database does not answer it",
        ),
    ],
)
def test_a_restart_that_would_not_help_is_refused(what: WorkersSeen, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        RESTART_TASK.plan(what)


# --- workers.add ----------------------------------------------------------------------------------------------------

SLOW = queue(7000, 6970)  # 7.5 a second: 15 min with two, 8 min with four


def resources(available: int = 4096) -> Resources:
    return Resources(
        memory=MiB(8192),
        available=MiB(available),
        swap=MiB(0),
        swap_free=MiB(0),
        load=("0.1", "0.1", "0.1"),
        running="1/2",
    )


def help_for(
    *processes: Watched, waits: Backlog | FactError, helpers: int = 0, available: int = 4096, **others: Any
) -> HelpSeen:
    units = tuple(Unit(name=f"{ADD_TASK._unit}-{number + 1}.service", active="active") for number in range(helpers))
    return HelpSeen(seen=seen(*processes, waits=waits, **others), resources=resources(available), helpers=units)


TWO = (running(W), running(W, name="w:w_01", pid=72))


def test_a_few_workers_are_added_that_end_by_themselves() -> None:
    task = AddWorkers(root=ROOT, user="soleil", lasts=Duration(600))
    plan = task.plan(help_for(*TWO, waits=backlog(SLOW)))
    (change,) = plan.changes
    units = (f"{task._unit}-1", f"{task._unit}-2")
    words = (*WORDS[:3], "redis", "--queue=default", "--tries=3", "--stop-when-empty", "--max-time=600")
    assert change.command.words == ADD.bind("soleil", ROOT, Duration(600), 5, 2, *units, *words)
    assert change.command.user is None
    assert (change.risk, change.is_roots, task.rights()) == (Risk.DISRUPTIVE, True, None)
    assert change.undo.command is not None
    assert change.undo.command.words == END.bind(*units)
    assert plan.because == "queue default: 6970 wait, over 500, 7.5 fewer a second: empty in about 15 min 29 s"


def test_those_that_were_added_before_count() -> None:
    (change,) = ADD_TASK.plan(help_for(*TWO, waits=backlog(queue(5000, 4970)), helpers=1)).changes
    assert f"{ADD_TASK._unit}-2" in change.command.words
    assert f"{ADD_TASK._unit}-1" not in change.command.words
    assert change.summary == "add 1 worker for queue default"
    full = ADD_TASK.plan(help_for(*TWO, waits=backlog(SLOW), helpers=2))
    assert (full.changes, full.because[:26]) == ((), "2 workers more run already")


def test_a_queue_that_grows_though_jobs_are_done_is_helped() -> None:
    assert ADD_TASK.plan(help_for(*TWO, waits=backlog(queue(7000, 7100)))).changes


def test_what_a_worker_may_take_has_to_be_left_twice() -> None:
    large = worker(words=(*WORDS, "--memory=512"))
    (change,) = ADD_TASK.plan(help_for(running(large), waits=backlog(SLOW), available=1100)).changes
    assert change.summary == "add 1 worker for queue default"
    with pytest.raises(Unplannable, match="one more worker may take 128 MiB, and 200 MiB of memory are left"):
        ADD_TASK.plan(help_for(*TWO, waits=backlog(SLOW), available=200))


@pytest.mark.parametrize(
    "what, because",
    [
        (help_for(*TWO, waits=backlog(queue(5000, 4960))), "no backlog that would not end in time"),
        (help_for(FATAL, waits=backlog(SLOW)), "no worker of supervisor's that could be helped runs"),
        (help_for(*TWO, waits=IDLE), "workers take nothing from default: more of them would do no better"),
    ],
)
def test_none_is_added_where_none_is_needed(what: HelpSeen, because: str) -> None:
    plan = ADD_TASK.plan(what)
    assert (plan.changes, plan.because) == ((), because)


SHELL = worker(words=("sh", "-c", "exec", *WORDS))


@pytest.mark.parametrize(
    "what, why",
    [
        (help_for(*TWO, waits=UNREACHED), "it cannot be known what waits"),
        (help_for(*TWO, waits=backlog(SLOW, is_down=True)), "in maintenance mode"),
        (
            help_for(running(HORIZON, name="horizon"), waits=backlog(SLOW)),
            "Horizon keeps the workers: raise maxProcesses",
        ),
        (help_for(*TWO, DYING, waits=backlog(SLOW)), "another start would not help: w:w_09 dies again and again"),
        (
            help_for(*TWO, other(W, "FATAL", name="w:w_09"), waits=backlog(SLOW)),
            "w:w_09 is FATAL: those that there are",
        ),
        (
            help_for(*TWO, waits=backlog(SLOW), database=Reply(is_answered=False, took=Duration(1), why="no")),
            "more workers would not help: the application's database does not answer it: no",
        ),
        (
            help_for(*TWO, waits=backlog(busy(reserved=2))),
            r"none was taken in 4 s, 2 under way: its jobs are slow, the next is App\\Jobs\\Export",
        ),
        (
            help_for(
                *TWO,
                waits=backlog(
                    queue(900, 900, before=busy(reserved=2).before, after=busy(reserved=2).after, next_class="")
                ),
            ),
            "the next is of no known class",
        ),
        (
            help_for(*TWO, waits=backlog(queue(20000, 19970))),
            "with 2 more it would still take about 22 min 11 s; it would take 7 more to end it within 10 min",
        ),
        (help_for(running(SHELL), waits=backlog(SLOW)), "how w is started is not seen to be PHP alone"),
        (
            help_for(running(worker(words=("php", "/srv/a b/artisan", *WORDS[2:]))), waits=backlog(SLOW)),
            "how w is started is not seen to be PHP alone",
        ),
    ],
)
def test_none_is_added_where_that_would_not_help(what: HelpSeen, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        ADD_TASK.plan(what)


def test_the_queue_with_the_most_is_helped_first_from_the_workers_own_folder() -> None:
    one = worker(words=("php", "artisan", "queue:work", "--queue=a,b"), directory="/srv/soleil/current")
    waits = Backlog(
        connections=(
            Connection(name="redis", driver="redis", queues=(queue(600, 599, name="a"), queue(7000, 6970, name="b"))),
        ),
        default="redis",
    )
    (change,) = AddWorkers(root=Path("/x")).plan(help_for(running(one), waits=waits)).changes
    assert "--queue=b" in change.command.words
    assert "/srv/soleil/current" in change.command.words
    assert "redis" in change.command.words


@pytest.mark.parametrize(
    "given, why",
    [
        ({"workers": 0}, "workers must be from 1 to 8"),
        ({"workers": 9}, "workers must be from 1 to 8"),
        ({"lasts": Duration(59)}, "lasts must be from 1 min to 1 d"),
        ({"lasts": Duration(86401)}, "lasts must be from 1 min to 1 d"),
    ],
)
def test_they_are_few_and_for_a_while(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        AddWorkers(root=ROOT, **given)
