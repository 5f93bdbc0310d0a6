"""Add workers for a while, where those that run do not keep up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.queue_workers import Life, Worker
from soleil_remediate.facts.queues import Backlog, Limits, Queue
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.facts.services import ShowUnits, Unit
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.workers import (
    PATIENCE,
    PROVEN,
    WorkersSeen,
    is_left_alone,
    known,
    read_workers,
    refuse_what_dies,
    worked_by,
)
from soleil_remediate.tasks.working import ADD, END
from soleil_remediate.units import ByteSize, Duration, MiB

#: What of a worker's options its helper gets too; those that end it, or let it work in maintenance mode, are not.
_KEPT = re.compile(r"--(tries|timeout|backoff|delay|memory|sleep|rest)=[0-9,.]{1,40}")
_PLAIN = re.compile(r"[A-Za-z0-9_./:,={}-]{1,400}")
_PHP = re.compile(r"(/[A-Za-z0-9_./-]+/)?php[0-9.]*")
#: What a worker takes where it is not told (queue:work, --memory).
_MEMORY = MiB(128)


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
            read_workers(host, self.root, self.user),
            host.ask_all(ReadResources(), ShowUnits((f"{self._unit}-*.service",))),
        )
        return HelpSeen(seen=seen, resources=resources, helpers=tuple(one for one in helpers if one.is_running))

    def plan(self, seen: HelpSeen) -> Plan:
        backlog = known(seen.seen.backlog)
        limits = Limits(most=self.most, oldest=self.oldest, within=self.within)
        slow = [queue for queue in backlog.queues if limits.is_too_slow(queue)]
        if not slow:
            return Plan.nothing("no backlog that would not end in time")
        running = seen.seen.workers.that(Life.RUNS)
        helped = [queue for queue in slow if worked_by(queue, running, seen.seen)]
        if not helped:
            return Plan.nothing("no worker of supervisor's that could be helped runs")
        queue = max(helped, key=lambda one: one.after.ready)
        said = f"queue {queue.name}: {limits.why_over(queue)}, {queue.in_words}"
        if len(seen.helpers) >= self.workers:
            return Plan.nothing(f"{len(seen.helpers)} workers more run already; {said}")
        if not queue.has_moved and is_left_alone(queue):
            return Plan.nothing(f"workers take nothing from {queue.name}: more of them would do no better")
        self._refuse_where_none_may_be_added(seen.seen, backlog)
        mates = worked_by(queue, running, seen.seen)
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
        refuse_what_dies(seen.workers)
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
