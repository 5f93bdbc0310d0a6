"""Let Laravel Horizon go on, where somebody paused it and jobs wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.horizon import AskHorizon, Status
from soleil_remediate.facts.queue_workers import Life, ReadWorkers
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import SEE_PROGRAMS, Right, Use
from soleil_remediate.task import Task
from soleil_remediate.tasks.workers import WorkersSeen, is_left_alone, known, worked_by, workers_of
from soleil_remediate.tasks.working import CONTINUE
from soleil_remediate.units import Duration

#: Seconds; it says of itself what it was up to 15 s ago (RedisMasterSupervisorRepository of Horizon).
_PATIENCE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonSeen:
    """The workers of an application, and what Horizon says of itself.

    Args:
        status: Why it is not known, where that is so; ``None`` where no program of supervisor's is Horizon.
    """

    seen: WorkersSeen
    status: Status | FactError | None


@dataclass(frozen=True, kw_only=True)
class ContinueHorizon(OfApplication[HorizonSeen], Task[HorizonSeen]):
    """Let Laravel Horizon go on, where somebody paused it, and jobs wait of which none is taken.

    Only where supervisor runs Horizon for this application, ``horizon:status`` says that it is paused, jobs wait in a
    queue of its workers', not one was taken within four seconds, and none is under way. A pause that holds up no job
    is left alone. What waits is done then: where somebody paused it for a reason that still stands, decline.
    ``horizon:continue`` ends with 0 even if it did nothing: what counts is that jobs are taken afterwards.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: It cannot be known whether it is paused, or its workers could not do a job.
    """

    kind = "horizon.continue"
    risk: ClassVar[Risk] = Risk.GENTLE

    async def read(self, host: Reader) -> HorizonSeen:
        programs = await host.ask(ReadWorkers(self.root))
        asked = (AskHorizon(self.root, self.user),) if any(one.is_horizon for one in programs) else ()
        seen, said = await together(workers_of(host, self.root, self.user, programs), host.ask_each(asked))
        return HorizonSeen(seen=seen, status=next(iter(said), None))

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS)

    def plan(self, seen: HorizonSeen) -> Plan:
        running = [one for one in seen.seen.workers.that(Life.RUNS) if one.worker.is_horizon]
        if not running:
            return Plan.nothing("supervisor runs no Horizon of this application here")
        if isinstance(seen.status, Status) and seen.status is not Status.PAUSED:
            return Plan.nothing(f"Horizon is {seen.status.value}")
        backlog = known(seen.seen.backlog)
        idle = [queue for queue in backlog.queues if is_left_alone(queue) and worked_by(queue, running, seen.seen)]
        if not idle:
            return Plan.nothing("no queue waits for workers of Horizon's that do nothing")
        if isinstance(seen.status, FactError):
            raise Unplannable(f"it cannot be known whether Horizon is paused: {seen.status}")
        names = ", ".join(queue.name for queue in idle)
        if backlog.is_down:
            raise Unplannable(f"{names} waits because the application is in maintenance mode; end that first")
        if cause := seen.seen.why_they_could_not_work:
            raise Unplannable(f"its workers would fail every job: {cause}. Repair that first")
        master = running[0].after
        words = CONTINUE.bind(self.root, self.user, _PATIENCE, master.name, master.pid)
        return Plan.of(
            Change(
                summary="let Horizon go on",
                command=Command(words, deadline=Duration(3 * _PATIENCE + 120)),
                risk=self.risk,
                undo=Undo.none("jobs that were done stay done; by hand, php artisan horizon:pause pauses it again"),
                before=f"paused; {sum(queue.after.ready for queue in idle)} wait in {names}",
                after="jobs are taken",
                keeps="every job, and every process",
                downtime="none",
                uses=(Use(user=self.user), Use(("supervisorctl", "status"))),
            ),
            because=f"Horizon is paused; {'; '.join(f'{one.after.ready} wait in {one.name}' for one in idle)}",
        )
