"""Repair queue workers: start what is down, restart what takes no job, add some for a while."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.queue_workers import Life, ReadWorkers, Watched, Worker, Workers, watch
from soleil_remediate.facts.queues import Backlog, Limits, Queue, counting
from soleil_remediate.facts.replies import AskDatabase, Reply
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.facts.services import ShowUnits, Unit
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import SEE_PROGRAMS, SUPERVISORCTL, Right, Use
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Task
from soleil_remediate.tasks.working import ADD, END, RESTART, START, STOP
from soleil_remediate.units import ByteSize, Duration, MiB

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

#: What of a worker's options its helper gets too; those that end it, or let it work in maintenance mode, are not.
_KEPT = re.compile(r"--(tries|timeout|backoff|delay|memory|sleep|rest)=[0-9,.]{1,40}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:,={}-]{1,400}")
_PHP = re.compile(r"(/[A-Za-z0-9_./-]+/)?php[0-9.]*")
#: What a worker takes where it is not told (queue:work, --memory).
_MEMORY = MiB(128)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersSeen:
    """The workers of an application, and what they need.

    Args:
        workers: As supervisor has them.
        backlog: What waits for them, or why that is not known: then they do not get at it either.
        database: Whether the application gets an answer from its database, or why that is not known.
    """

    workers: Workers
    backlog: Backlog | FactError
    database: Reply | FactError

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


async def _read(host: Reader, root: PurePosixPath, user: str) -> WorkersSeen:
    programs = await host.ask(ReadWorkers(root))
    workers, (backlog,), (database,) = await together(
        watch(host, root, programs),
        host.ask_each((counting(root, user, programs),)),
        host.ask_each((AskDatabase(root, user),)),
    )
    return WorkersSeen(workers=workers, backlog=backlog, database=database)


def _full(name: str) -> str:
    """Return a process's name with its group's, which for a single one is the same, and is never ``all``."""
    return name if ":" in name else f"{name}:{name}"


def _refuse_what_dies(workers: Workers) -> None:
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
        return await _read(host, self.root, self.user)

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
            _refuse_what_dies(workers)
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
    to end, supervisor starts them; each must be gone within a minute, and its successor run for five seconds. One that
    does not end is left: what it does would be cut off, and done once more.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: The application is in maintenance mode, does not get at its queue, or has Horizon.
    """

    kind = "workers.restart"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    async def read(self, host: Reader) -> WorkersSeen:
        return await _read(host, self.root, self.user)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS)

    def plan(self, seen: WorkersSeen) -> Plan:
        running = [one for one in seen.workers.that(Life.RUNS) if one.worker.is_queue_work or one.worker.is_horizon]
        if not running:
            return Plan.nothing("no worker of supervisor's runs")
        backlog = _known(seen.backlog)
        idle = [queue for queue in backlog.queues if _is_left_alone(queue) and _worked_by(queue, running, backlog)]
        if not idle:
            return Plan.nothing("no queue waits for workers that do nothing")
        names = ", ".join(queue.name for queue in idle)
        if backlog.is_down:
            raise Unplannable(f"{names} waits because the application is in maintenance mode; end that first")
        if seen.workers.is_horizon:
            raise Unplannable(
                f"{names} waits, and Horizon keeps the workers. By hand, as {self.user} in {self.root}: "
                "php artisan horizon:status, horizon:continue where it is paused, else horizon:terminate"
            )
        if cause := seen.why_they_could_not_work:
            raise Unplannable(f"a restart would not help: {cause}. Repair that first")
        pairs = [word for one in running for word in (one.after.name, one.after.pid)]
        return Plan.of(
            Change(
                summary=f"let {len(running)} workers end and be started anew",
                command=Command(
                    RESTART.bind(self.root, self.user, PATIENCE, PROVEN, *pairs),
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


def _known(backlog: Backlog | FactError) -> Backlog:
    """Return what waits.

    Raises:
        Unplannable: It is not known.
    """
    if isinstance(backlog, FactError):
        raise Unplannable(f"it cannot be known what waits: {backlog}")
    if backlog.error:
        raise Unplannable(f"it cannot be known what waits: {backlog.error}")
    return backlog


def _is_left_alone(queue: Queue) -> bool:
    """Whether jobs wait of which none is taken, and no worker is busy with another, or is gone with it."""
    before, after = queue.before, queue.after
    is_idle = after.reserved == after.overdue and before.reserved == before.overdue
    return bool(after.ready and before.ready) and not queue.has_moved and is_idle and queue.rate <= 0


def _worked_by(queue: Queue, running: Iterable[Watched], backlog: Backlog) -> tuple[Watched, ...]:
    """Return the processes that are told to work a queue, as far as that is seen."""
    default = backlog.default
    return tuple(
        one
        for one in running
        if one.worker.is_horizon
        or ((one.worker.connection or default) == queue.connection and queue.name in _queues_of(one.worker, backlog))
    )


def _queues_of(worker: Worker, backlog: Backlog) -> tuple[str, ...]:
    if worker.queues:
        return worker.queues
    name = worker.connection or backlog.default
    return tuple(one.default_queue for one in backlog.connections if one.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpSeen:
    """The workers of an application, and what more of them would take.

    Args:
        seen: The workers themselves.
        resources: What the host has left.
        helpers: Those that were added before, and have not ended.
    """

    seen: WorkersSeen
    resources: Resources
    helpers: tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True)
class AddWorkers(OfApplication[HelpSeen], Task[HelpSeen]):
    """Add a few queue workers that end by themselves, where those that run are too slow for a backlog.

    Each is a service of systemd's that ends once the queue is empty, at the latest after *lasts*; systemd sees to it.
    It runs as the application's user, works only the queues that are too slow, and gets the options for tries, timeout
    and memory of the worker that it helps. None is added where workers are down or die, where no job is taken at all,
    where the host has too little memory, and where so few more would not make the backlog end in time: then jobs are
    slow, or there are too many.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        workers: So many at most at the same time, those of before included; from 1 to 8.
        lasts: None of them works for longer; from a minute to a day.
        most: So many jobs that could be taken now are no backlog.
        oldest: Nor is one that has waited for exactly so long; where the application writes that down.
        within: A backlog that will have ended within exactly so long needs no help.

    Raises:
        Unplannable: More workers would not help, the host could not carry them, or Horizon keeps them.
    """

    kind = "workers.add"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    workers: int = 2
    lasts: Duration = Duration(1800)
    most: int = 500
    oldest: Duration = Duration(900)
    within: Duration = Duration(600)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.workers <= 8:
            raise ValueError("workers must be from 1 to 8")
        if not 60 <= self.lasts <= 86400:
            raise ValueError("lasts must be from 1 min to 1 d")

    async def read(self, host: Reader) -> HelpSeen:
        seen, (resources, helpers) = await together(
            _read(host, self.root, self.user), host.ask_all(ReadResources(), ShowUnits((f"{self._unit}-*.service",)))
        )
        return HelpSeen(seen=seen, resources=resources, helpers=tuple(one for one in helpers if one.is_running))

    def plan(self, seen: HelpSeen) -> Plan:
        backlog = _known(seen.seen.backlog)
        limits = Limits(most=self.most, oldest=self.oldest, within=self.within)
        slow = [queue for queue in backlog.queues if limits.is_too_slow(queue)]
        if not slow:
            return Plan.nothing("no backlog that would not end in time")
        running = seen.seen.workers.that(Life.RUNS)
        helped = [queue for queue in slow if _worked_by(queue, running, backlog)]
        if not helped:
            return Plan.nothing("no worker of supervisor's that could be helped runs")
        queue = max(helped, key=lambda one: one.after.ready)
        said = f"queue {queue.name}: {limits.why_over(queue)}, {queue.in_words}"
        if len(seen.helpers) >= self.workers:
            return Plan.nothing(f"{len(seen.helpers)} workers more run already; {said}")
        if not queue.has_moved and _is_left_alone(queue):
            return Plan.nothing(f"workers take nothing from {queue.name}: more of them would do no better")
        self._refuse_where_none_may_be_added(seen.seen, backlog)
        mates = _worked_by(queue, running, backlog)
        more = self._affordable(seen, mates[0].worker, said)
        self._refuse_unless_it_helps(queue, len(mates) + len(seen.helpers), more, said)
        taken = {one.name for one in seen.helpers}
        free = [name for number in range(1, 9) if (name := f"{self._unit}-{number}") and f"{name}.service" not in taken]
        return Plan.of(self._add(queue, mates[0].worker, free[:more], backlog), because=said)

    def _refuse_where_none_may_be_added(self, seen: WorkersSeen, backlog: Backlog) -> None:
        if backlog.is_down:
            raise Unplannable("the application is in maintenance mode, in which workers take nothing; end that first")
        if seen.workers.is_horizon:
            raise Unplannable("Horizon keeps the workers: raise maxProcesses in config/horizon.php")
        _refuse_what_dies(seen.workers)
        if down := seen.workers.that(Life.DOWN):
            raise Unplannable(f"{down[0].after.name} is {down[0].in_words}: those that there are come first")
        if cause := seen.why_they_could_not_work:
            raise Unplannable(f"more workers would not help: {cause}. Repair that first")

    def _affordable(self, seen: HelpSeen, worker: Worker, said: str) -> int:
        """Return how many more the host can carry: as much memory as they may take must be left besides.

        Raises:
            Unplannable: None.
        """
        limit = worker.option("memory")
        each = max(_MEMORY, MiB(int(limit)) if re.fullmatch(r"\d{1,6}", limit) else _MEMORY)
        more = min(self.workers - len(seen.helpers), seen.resources.available // (2 * each))
        if more < 1:
            raise Unplannable(
                f"{said}; one more worker may take {ByteSize(each)}, and {seen.resources.available} of memory are left"
            )
        return more

    def _refuse_unless_it_helps(self, queue: Queue, working: int, more: int, said: str) -> None:
        """Refuse where it is seen that the backlog would not end in time either.

        Raises:
            Unplannable: It would not.
        """
        if not queue.has_moved:
            raise Unplannable(
                f"{said}: its jobs are slow, the next is {queue.next_class or 'of no known class'}. More workers would "
                f"help little; look at what these jobs wait for"
            )
        if queue.rate <= 0:
            return  # others come in as fast as these go out: how many go out is not seen
        wanted = queue.after.ready / queue.rate * working / self.within
        if wanted > working + more:
            raise Unplannable(
                f"{said}: with {more} more it would still take about "
                f"{Duration(queue.after.ready / queue.rate * working / (working + more))}; it would take "
                f"{int(wanted) + 1 - working} more to end it within {self.within}, or faster jobs"
            )

    def _add(self, queue: Queue, worker: Worker, units: Sequence[str], backlog: Backlog) -> Change:
        words = self._words(queue, worker, backlog)
        root = worker.directory or str(self.root)
        command = ADD.bind(self.user, root, self.lasts, PROVEN, len(units), *units, *words)
        return Change(
            summary=f"add {len(units)} worker{'s' if len(units) > 1 else ''} for queue {queue.name}",
            command=Command(command, deadline=Duration(60 + PROVEN)),
            risk=self.risk,
            undo=Undo.by(Command(END.bind(*units), deadline=Duration(PATIENCE + 30)), "they end after their job"),
            before=f"{queue.after.ready} wait, {queue.in_words}",
            after=f"{len(units)} more until the queue is empty, for {self.lasts} at most",
            keeps="supervisor's workers",
            downtime="none; jobs of this queue run side by side with more others, and load their database more",
            is_roots=True,
        )

    def _words(self, queue: Queue, worker: Worker, backlog: Backlog) -> tuple[str, ...]:
        """Return what is started.

        Raises:
            Unplannable: The worker is not started by PHP alone, or has words that systemd could take for its own.
        """
        told = [word for word in worker.told or () if _KEPT.fullmatch(word)]
        runner = worker.runner
        words = (
            *runner,
            "queue:work",
            worker.connection or backlog.default,
            f"--queue={queue.name}",
            *told,
            "--stop-when-empty",
            f"--max-time={int(self.lasts)}",
        )
        is_plain = bool(runner) and _PHP.fullmatch(runner[0]) and runner[-1].rpartition("/")[2] == "artisan"
        if not is_plain or not all(_PLAIN.fullmatch(word) for word in words):
            raise Unplannable(
                f"how {worker.name} is started is not seen to be PHP alone. By hand, as {self.user} in {self.root}: "
                f"php artisan queue:work --queue={queue.name} --stop-when-empty --max-time={int(self.lasts)}"
            )
        return words

    @property
    def _unit(self) -> str:
        """The same for one application in every run, so that those of before are known."""
        return f"soleil-remediate-worker-{hashlib.sha256(str(self.root).encode()).hexdigest()[:12]}"
