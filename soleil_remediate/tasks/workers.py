"""Repair queue workers: start what is down, restart what takes no job."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.horizon import HorizonWorker, ListHorizonWorkers
from soleil_remediate.facts.queue_workers import Life, ReadWorkers, Watched, Worker, Workers, watch
from soleil_remediate.facts.queues import Backlog, Queue, counting
from soleil_remediate.facts.replies import AskDatabase, Reply
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import SEE_PROGRAMS, SUPERVISORCTL, Right, Use
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Task
from soleil_remediate.tasks.working import RESTART, START, STOP
from soleil_remediate.units import Duration

_NAME = "[0-9A-Za-z_][0-9A-Za-z_.-]*"
_START = Right("root", SUPERVISORCTL, f"start {_NAME}:{_NAME}")
_STOP = Right("root", SUPERVISORCTL, f"stop {_NAME}:{_NAME}")

#: So long a worker must run to count as running; those that die at once do so within a second or two.
PROVEN = 5
#: So long one may go on with the job that it has, when it was asked to end.
PATIENCE = 60
#: What supervisor may take to start one, or to stop it.
_SUPERVISOR = 30

#: What supervisor says where it could not start anything (Subprocess.spawn of supervisor 4.2.5): nor could it now.
_NOT_STARTED = re.compile(
    r"can't find command |command at .* is not executable|command at .* is a directory|no permission"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSeen:
    """The workers of an application, and what they need.

    Args:
        workers: As supervisor has them.
        backlog: What waits for them, or why that is not known: then they do not get at it either.
        database: Whether the application gets an answer from its database, or why that is not known.
        horizon: What Horizon has started; none where no program is Horizon, and where that cannot be seen.
    """

    workers: Workers
    backlog: Backlog | FactError
    database: Reply | FactError
    horizon: tuple[HorizonWorker, ...] = ()

    @property
    def why_they_could_not_work(self) -> str:
        """Return what else is to be repaired first; empty where nothing is known to be."""
        if isinstance(self.backlog, FactError):
            return f"the application does not get at its queue: {self.backlog}"
        if self.backlog.error:
            return f"the application's queue does not answer it: {self.backlog.error}"
        if isinstance(self.database, Reply) and not self.database.is_answered:
            said = f"{self.database.error}: {self.database.why}" if self.database.error else self.database.why
            return f"the application's database does not answer it: {said}"
        return ""


async def read_workers(host: Reader, root: PurePosixPath, user: str) -> WorkersSeen:
    """Return the workers of an application, and what they need; two round trips."""
    return await workers_of(host, root, user, await host.ask(ReadWorkers(root)))


async def workers_of(host: Reader, root: PurePosixPath, user: str, programs: Sequence[Worker]) -> WorkersSeen:
    """Return the same of *programs*; one round trip."""
    workers, (backlog,), (database,), below = await together(
        watch(host, root, programs),
        host.ask_each((counting(root, user, programs),)),
        host.ask_each((AskDatabase(root, user),)),
        host.ask_each((ListHorizonWorkers(),) if any(one.is_horizon for one in programs) else ()),
    )
    listed = tuple(one for found in below if not isinstance(found, FactError) for one in found)
    return WorkersSeen(workers=workers, backlog=backlog, database=database, horizon=listed)


def _full(name: str) -> str:
    """Return a process's name with its group's, which for a single one is the same, and is never ``all``."""
    return name if ":" in name else f"{name}:{name}"


def refuse_what_dies(workers: Workers) -> None:
    """Refuse to do anything about workers that die again and again.

    Raises:
        Unplannable: Some do.
    """
    dying = workers.that(Life.DIES)
    if dying and workers.is_in_maintenance:
        raise Unplannable("the application is in maintenance mode, in which workers take nothing; end that first")
    if dying:
        words = workers.words_of(dying[0].worker)
        raise Unplannable(
            f"another start would not help: {', '.join(f'{one.after.name} {one.in_words}' for one in dying)}"
            f"{f'. Its log ends: {words}' if words else ''}. Where that began with a release, see "
            "failed-deployment-rollback; by hand, to see it die: run its command as its user"
        )


@dataclass(frozen=True, kw_only=True)
class StartWorkers(OfApplication[WorkersSeen], Task[WorkersSeen]):
    """Start queue workers that are down: stopped, or given up by supervisor.

    Only programs of supervisor's that belong to this application, each process by its name. Each is tried once, and
    must run for five seconds as the same process. Jobs that a worker had taken when it was killed wait again by
    themselves, ``retry_after`` after they were taken, once a worker runs. What dies again and again is not started: its
    last words are told. Nor is anything where the application does not get at its queue or its database.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: Supervisor does not run, does not know a program, or workers would die at once.
    """

    kind = "workers.start"
    risk: ClassVar[Risk] = Risk.GENTLE

    async def read(self, host: Reader) -> WorkersSeen:
        return await read_workers(host, self.root, self.user)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS, _START, _STOP)

    def plan(self, seen: WorkersSeen) -> Plan:
        workers = seen.workers
        if not workers.programs:
            return Plan.nothing("supervisor keeps no queue worker of this application here")
        if not workers.is_supervised:
            raise Unplannable("supervisor does not run: it starts its workers itself once it does")
        down = workers.that(Life.DOWN)
        if not down:
            refuse_what_dies(workers)
            if workers.unloaded:
                names = " ".join(one.name for one in workers.unloaded)
                raise Unplannable(f"supervisor has not loaded {names}. By hand: supervisorctl update {names}")
            return Plan.nothing(f"{len(workers.that(Life.RUNS))} workers run")
        if cause := seen.why_they_could_not_work:
            raise Unplannable(f"workers would die, or fail every job: {cause}. Repair that first")
        missing = [one for one in down if _NOT_STARTED.match(one.after.says)]
        if len(missing) == len(down):
            one = missing[0]
            raise Unplannable(
                f"{one.after.name} would not start: {redacted(one.after.says)[:100]}. By hand: correct its command in "
                f"/etc/supervisor/conf.d, then supervisorctl update {one.worker.name}"
            )
        down = tuple(one for one in down if one not in missing)
        programs = tuple(dict.fromkeys(one.worker for one in down))
        return Plan.of_each(
            *(self._start(worker, [one for one in down if one.worker == worker]) for worker in programs),
            because="; ".join(f"{one.after.name} is {one.in_words}" for one in down),
        )

    def _start(self, worker: Worker, down: Sequence[Watched]) -> Change:
        names = [_full(one.after.name) for one in down]
        log = next(iter(worker.logs), "")
        pairs = [word for one in down for word in (one.after.name, one.after.state)]
        deadline = Duration(len(down) * _SUPERVISOR + PROVEN + 30)
        return Change(
            summary=f"start {len(down)} of {worker.name}",
            command=Command(START.bind(PROVEN, log, *pairs), deadline=deadline),
            risk=self.risk,
            undo=Undo.by(
                Command(STOP.bind(*names), deadline=Duration(len(down) * _SUPERVISOR + 30)), "they are stopped again"
            ),
            before=", ".join(dict.fromkeys(one.after.state for one in down)),
            after=f"RUNNING, and still so {PROVEN} s later",
            uses=(Use(("supervisorctl", "status")), *(Use(("supervisorctl", "start", name)) for name in names)),
        )


@dataclass(frozen=True, kw_only=True)
class RestartWorkers(OfApplication[WorkersSeen], Task[WorkersSeen]):
    """Let queue workers end after the job that they have and be started anew, where they run and take no jobs.

    Only where jobs wait, not one was taken within four seconds, and none is under way: workers that somebody paused,
    or that have gone on with a configuration of before. Slow jobs are no reason. artisan's ``queue:restart`` asks them
    to end, and Horizon its ``horizon:terminate``; supervisor starts them. Each must be gone within a minute, what
    Horizon had started among them, and its successor run for five seconds. One that does not end is left: what it does
    would be cut off, and done once more. What artisan says of itself is not believed.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: The application is in maintenance mode, or does not get at its queue.
    """

    kind = "workers.restart"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    async def read(self, host: Reader) -> WorkersSeen:
        return await read_workers(host, self.root, self.user)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS)

    def plan(self, seen: WorkersSeen) -> Plan:
        running = [one for one in seen.workers.that(Life.RUNS) if ended_by(one.worker)]
        if not running:
            return Plan.nothing("no worker of supervisor's runs")
        backlog = known(seen.backlog)
        idle = [queue for queue in backlog.queues if is_left_alone(queue) and worked_by(queue, running, seen)]
        if not idle:
            return Plan.nothing("no queue waits for workers that do nothing")
        names = ", ".join(queue.name for queue in idle)
        if backlog.is_down:
            raise Unplannable(f"{names} waits because the application is in maintenance mode; end that first")
        if cause := seen.why_they_could_not_work:
            raise Unplannable(f"a restart would not help: {cause}. Repair that first")
        asked = [word for one in running for word in (one.after.name, one.after.pid, ended_by(one.worker))]
        who = "Horizon and its workers" if seen.workers.is_horizon else f"{len(running)} workers"
        return Plan.of(
            Change(
                summary=f"let {who} end and be started anew",
                command=Command(
                    RESTART.bind(self.root, self.user, PATIENCE, PROVEN, *asked),
                    deadline=Duration(PATIENCE + PROVEN + 90),
                ),
                risk=self.risk,
                undo=Undo.none("the processes of before are gone, and what they had in memory"),
                before=f"{sum(queue.after.ready for queue in idle)} wait in {names}, none is taken",
                after=f"other processes than before, which run for {PROVEN} s",
                keeps="every job; one that is under way is ended well",
                downtime="queues stand still for some seconds",
                uses=(Use(user=self.user), Use(("supervisorctl", "status"))),
            ),
            because="; ".join(f"{queue.after.ready} wait in {queue.name}, {queue.in_words}" for queue in idle),
        )


def ended_by(worker: Worker) -> str:
    """Return the command of artisan's that asks a worker to end after its job; empty where none is known to."""
    if worker.is_horizon:
        return "horizon:terminate"
    return "queue:restart" if worker.is_queue_work else ""


def known(backlog: Backlog | FactError) -> Backlog:
    """Return what waits.

    Raises:
        Unplannable: It is not known.
    """
    if isinstance(backlog, FactError):
        raise Unplannable(f"it cannot be known what waits: {backlog}")
    if backlog.error:
        raise Unplannable(f"it cannot be known what waits: {backlog.error}")
    return backlog


def is_left_alone(queue: Queue) -> bool:
    """Whether jobs wait of which none is taken, and no worker is busy with another, or is gone with it."""
    before, after = queue.before, queue.after
    is_idle = after.reserved == after.overdue and before.reserved == before.overdue
    return bool(after.ready and before.ready) and not queue.has_moved and is_idle and queue.rate <= 0


def worked_by(queue: Queue, running: Iterable[Watched], seen: WorkersSeen) -> tuple[Watched, ...]:
    """Return the processes that are told to work a queue, as far as that is seen.

    What a Horizon without a worker would work is not: its configuration is not read.

    Raises:
        Unplannable: It is not known what waits.
    """
    backlog = known(seen.backlog)

    def works(one: Worker | HorizonWorker) -> bool:
        name = one.connection or backlog.default
        own = tuple(one.default_queue for one in backlog.connections if one.name == name)
        return name == queue.connection and queue.name in (one.queues or own)

    def does(one: Watched) -> bool:
        if not one.worker.is_horizon:
            return works(one.worker)
        below = [mate for mate in seen.horizon if one.after.pid in mate.above]
        return not below or any(works(mate) for mate in below)

    return tuple(one for one in running if does(one))
