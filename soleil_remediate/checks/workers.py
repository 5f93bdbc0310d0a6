"""Do the workers of an application run, and go on running?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.queue_workers import Life, Worker, Workers, read_workers
from soleil_remediate.rights import SEE_PROGRAMS, Right
from soleil_remediate.task import Check, Measure, Verdict


@dataclass(frozen=True, kw_only=True)
class WorkersRunning(Check[Workers]):
    """Check that every queue worker of an application that supervisor keeps has run for some seconds.

    Supervisor is asked twice, four seconds apart: each process must be RUNNING both times, as the same process. One
    that dies every few seconds is STARTING, BACKOFF or even RUNNING whenever somebody looks, and supervisorctl ends
    with 0; so supervisor's log is read as well. A worker that had run for a minute or more before it was started anew
    did not die: ``--max-time`` and ``queue:restart`` do that. One that is told to end after a job may do so at any
    time, and one that supervisor does not start by itself may be stopped. Without a worker in supervisor's
    configuration nothing is wrong here; whether jobs are worked off says ``queue.draining``.

    Args:
        root: The application's folder, or the link to it; its programs are those that name it.
    """

    kind = "workers.running"

    root: PurePosixPath

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)

    def aim(self) -> str:
        return "every queue worker runs, and goes on running"

    async def read(self, host: Reader) -> Workers:
        return await read_workers(host, self.root)

    def reads_with(self) -> tuple[Right, ...]:
        return (SEE_PROGRAMS,)

    def judge(self, seen: Workers) -> Verdict:
        if not seen.programs:
            return Verdict.healthy("supervisor keeps no queue worker of this application here")
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
