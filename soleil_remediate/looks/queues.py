"""Show what waits in an application's queues, who works it off, and what failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.failed_jobs import FailedJobs, ReadFailedJobs
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.queue_workers import ReadWorkers, Workers, read_workers
from soleil_remediate.facts.queues import Backlog, count_jobs
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Look, Shown, Table, Text
from soleil_remediate.units import Duration

#: A line of a log that is longer is cut: it is to say what it is about, not what it holds.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class QueueSizes(OfApplication[Backlog], Look[Backlog]):
    """Show how many jobs wait in each queue of an application, and how fast they become fewer.

    Of jobs their classes are shown, and nothing of what they are about.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "queue.sizes"
    title: ClassVar[str] = "Queues"

    async def read(self, host: Reader) -> Backlog:
        return await count_jobs(host, self.root, self.user, await host.ask(ReadWorkers(self.root)))

    def show(self, seen: Backlog) -> Shown:
        if not seen.queues:
            return Text(
                lines=tuple(f"{one.name} ({one.driver}): {one.error or 'no queue'}" for one in seen.connections)
            )
        rows = tuple(
            (
                f"{queue.connection} {queue.name}",
                str(queue.after.waiting),
                str(queue.after.delayed),
                str(queue.after.reserved),
                str(queue.after.overdue),
                "" if queue.age is None else str(Duration(queue.age)),
                queue.in_words,
                queue.next_class,
            )
            for queue in seen.queues
        )
        columns = ("queue", "waiting", "delayed", "taken", "overdue", "oldest", "pace", "next is")
        return Table(columns=columns, rows=rows, align="lrrrrrll")


@dataclass(frozen=True, kw_only=True)
class QueueFailed(OfApplication[FailedJobs], Look[FailedJobs]):
    """Show the jobs of an application that failed, by class and exception; nothing of what they are about.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "queue.failed"
    rounds = 1
    title: ClassVar[str] = "Jobs that failed"

    async def read(self, host: Reader) -> FailedJobs:
        return await host.ask(ReadFailedJobs(self.root, self.user))

    def show(self, seen: FailedJobs) -> Shown:
        if seen.total is None:
            return Text(lines=(f"not known: they are kept by the driver {seen.driver}",))
        if not seen.newest:
            return Text(lines=("none",))
        groups = Counter((one.job_class, one.exception, one.queue) for one in seen.newest)
        rows = []
        for (job_class, exception, queue), count in groups.most_common():
            ages = [
                one.age
                for one in seen.newest
                if (one.job_class, one.exception, one.queue) == (job_class, exception, queue)
            ]
            rows.append(
                (job_class, str(count), exception, queue, f"{Duration(max(ages))} ago", f"{Duration(min(ages))} ago")
            )
        if seen.total > len(seen.newest):
            rows.append(("(older)", str(seen.total - len(seen.newest)), "", "", "", ""))
        return Table(columns=("class", "jobs", "exception", "queue", "first", "last"), rows=tuple(rows), align="lrllrr")


@dataclass(frozen=True, kw_only=True)
class WorkersOverview(Look[Workers]):
    """Show the queue workers of an application that supervisor keeps, and what the logs of those that are not well say.

    Args:
        root: The application's folder, or the link to it; its programs are those that name it.
        lines: So many of the newest lines of a log.
    """

    kind = "workers.overview"
    title: ClassVar[str] = "Queue workers"

    root: PurePosixPath
    lines: int = 3

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)
        if not 1 <= self.lines <= 20:
            raise ValueError("lines must be from 1 to 20")

    async def read(self, host: Reader) -> Workers:
        return await read_workers(host, self.root)

    def show(self, seen: Workers) -> Shown:
        if not seen.programs:
            return Text(lines=("supervisor keeps none of this application here",))
        if not seen.is_supervised:
            return Text(lines=("supervisor does not run",))
        told = [
            f"{one.after.name}  {one.in_words}"
            + (f", pid {one.after.pid}, for {Duration(one.after.uptime)}" if one.after.pid else "")
            + (f", died {one.deaths} times before" if one.deaths and one.is_well else "")
            for one in seen.processes
        ]
        told += [f"{one.name}  not loaded by supervisor" for one in seen.unloaded]
        ill = {one.worker.name for one in seen.processes if not one.is_well}
        for log, said in seen.last_words:
            if any(log in one.logs for one in seen.programs if one.name in ill):
                told += [str(log), *(f"  {_cut(redacted(line))}" for line in said[-self.lines :])]
        return Text(lines=tuple(told))


def _cut(line: str) -> str:
    return f"{line[:_LONGEST]}…" if len(line) > _LONGEST else line
