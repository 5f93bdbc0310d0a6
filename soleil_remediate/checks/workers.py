"""Do the workers of an application run, and go on running?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import ReadApplication
from soleil_remediate.facts.other_workers import FindOtherWorkers, WithoutSupervisor
from soleil_remediate.facts.queue_workers import Life, ReadWorkers, Worker, Workers, watch
from soleil_remediate.facts.together import together
from soleil_remediate.rights import SEE_PROGRAMS, Right
from soleil_remediate.task import Check, Measure, Verdict

#: The workers that supervisor keeps; what else is known where it keeps none.
Kept: TypeAlias = Workers | WithoutSupervisor


@dataclass(frozen=True, kw_only=True)
class WorkersRunning(OfApplication[Kept], Check[Kept]):
    """Check that every queue worker of an application that supervisor keeps has run for some seconds.

    Supervisor is asked twice, four seconds apart: each process must be RUNNING both times, as the same process. One
    that dies every few seconds is STARTING, BACKOFF or even RUNNING whenever somebody looks, and supervisorctl ends
    with 0; so supervisor's log is read as well. A worker that had run for a minute or more before it was started anew
    did not die: ``--max-time`` and ``queue:restart`` do that. One that is told to end after a job may do so at any
    time, and one that supervisor does not start by itself may be stopped.

    Where supervisor keeps none, all is well if the application's queue connection keeps no jobs (``sync``), or if a
    worker that something else started, such as a unit of systemd's, has run for a minute. Otherwise it is unknown:
    workers may run on another host, or nowhere. Whether jobs are worked off says ``queue.draining``.

    Args:
        root: The application's folder, or the link to it; its programs are those that name it.
        user: Whom PHP runs as.
    """

    kind = "workers.running"

    def aim(self) -> str:
        return "every queue worker runs, and goes on running"

    async def read(self, host: Reader) -> Kept:
        programs = await host.ask(ReadWorkers(self.root))
        if programs:
            return await watch(host, self.root, programs)
        (others,), (application,) = await together(
            host.ask_each((FindOtherWorkers(self.root),)), host.ask_each((ReadApplication(self.root, self.user),))
        )
        queue = application if isinstance(application, FactError) else application.queue
        return WithoutSupervisor(others=others, queue=queue)

    def reads_with(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS)

    def judge(self, seen: Kept) -> Verdict:
        if isinstance(seen, WithoutSupervisor):
            return _judge_others(seen)
        names = ", ".join(one.name for one in seen.programs)
        if not seen.is_supervised:
            return Verdict.faulty(
                f"supervisor does not run, so neither does {names}",
                Measure(label="supervisor", value="down", is_faulty=True),
            )
        measures = [_measure(one, seen) for one in seen.programs]
        if seen.is_in_maintenance and seen.that(Life.DIES):
            return Verdict.unknown(
                f"{names} ends again and again, as --max-time does in maintenance mode: end that, and look again",
                *measures,
            )
        wrong = [_what_is_wrong(one, seen) for one in seen.programs]
        if any(wrong):
            return Verdict.faulty("; ".join(filter(None, wrong)), *measures)
        changing = seen.that(Life.CHANGES)
        if changing:
            said = ", ".join(f"{one.after.name} is {one.after.state}" for one in changing)
            return Verdict.unknown(f"{said}: look again in a moment", *measures)
        return Verdict.healthy(f"{len(seen.that(Life.RUNS))} workers run: {names}", *measures)


def _judge_others(seen: WithoutSupervisor) -> Verdict:
    """Judge an application of whose workers supervisor keeps none."""
    others = () if isinstance(seen.others, FactError) else seen.others
    if lasting := [one for one in others if one.is_lasting]:
        where = ", ".join(dict.fromkeys(one.in_words for one in lasting))
        return Verdict.healthy(
            f"workers run outside supervisor: {where}",
            Measure(label="workers outside supervisor", value=f"{len(lasting)} run"),
        )
    if not isinstance(seen.queue, FactError) and seen.queue.is_at_once:
        return Verdict.healthy(f"no worker is needed: the queue connection {seen.queue.name} keeps no jobs")
    measure = Measure(label="workers", value="none is seen to last")
    if others:
        return Verdict.unknown(
            f"{others[0].in_words} is a worker outside supervisor, started {others[0].age} ago: look again in a minute",
            measure,
        )
    hidden = "whether a process is one cannot be seen" if isinstance(seen.others, FactError) else "no process is one"
    unasked = ", or not be needed, which cannot be asked" if isinstance(seen.queue, FactError) else ""
    return Verdict.unknown(
        f"supervisor keeps no queue worker of this application, and {hidden}: they may run elsewhere{unasked}", measure
    )


def _what_is_wrong(worker: Worker, seen: Workers) -> str:
    """Return what is wrong with a program's processes, and what they said last; empty where nothing is."""
    if worker in seen.unloaded:
        return f"supervisor does not know {worker.name}: its configuration was never loaded (supervisorctl update)"
    said = [
        f"{one.after.name} {one.in_words if life is Life.DIES else f'is {one.in_words}'}"
        for life in (Life.DIES, Life.DOWN)
        for one in seen.that(life)
        if one.worker == worker
    ]
    if not said:
        return ""
    words = seen.words_of(worker)
    return f"{', '.join(said)}{f'. Its log ends: {words}' if words else ''}"


def _measure(worker: Worker, seen: Workers) -> Measure:
    mine = [one for one in seen.processes if one.worker == worker]
    run = sum(one.life is Life.RUNS for one in mine)
    wanted = len(mine) if worker.starts else run
    return Measure(label=worker.name, value=f"{run} of {len(mine)} run", is_faulty=run < wanted or not mine)
