"""Is what waits in an application's queues worked off, and is it few enough?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.queue_workers import ReadWorkers
from soleil_remediate.facts.queues import Backlog, Connection, Limits, Queue, count_jobs
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class QueueDraining(OfApplication[Backlog], Check[Backlog]):
    """Check that no queue of an application has a backlog, or that the backlog is about to end.

    The application's own code counts: by its own connection, database and prefix, those queues that its workers were
    told to work, its default one, and all that exist. It counts twice, four seconds apart: by how many there are fewer
    is seen how long the rest takes. Jobs that a worker took and has not done since ``retry_after`` count as well, where
    nobody takes them up. Whatever cannot be counted, a driver such as SQS or a Redis that does not answer, is unknown.
    So is a queue in which jobs wait, none is taken or under way, and nobody wrote down since when they wait.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        most: So many jobs that could be taken now are no backlog yet.
        oldest: Nor is one that has waited for exactly so long; where the application writes that down.
        within: A backlog that will have ended within exactly so long, if it goes on so, is about to end.
    """

    kind = "queue.draining"

    most: int = 500
    oldest: Duration = Duration(900)
    within: Duration = Duration(600)

    def aim(self) -> str:
        return f"at most {self.most} jobs wait, none for over {self.oldest}, or they are done within {self.within}"

    async def read(self, host: Reader) -> Backlog:
        return await _read(host, self.root, self.user)

    def judge(self, seen: Backlog) -> Verdict:
        limits = Limits(most=self.most, oldest=self.oldest, within=self.within)
        return _judge(seen, [queue for queue in seen.queues if limits.is_too_slow(queue)], limits)


@dataclass(frozen=True, kw_only=True)
class QueueDrained(OfApplication[Backlog], Check[Backlog]):
    """Check that no queue of an application has a backlog, however fast it is worked off.

    It counts as ``queue.draining`` does.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        most: So many jobs that could be taken now are no backlog yet.
        oldest: Nor is one that has waited for exactly so long; where the application writes that down.
    """

    kind = "queue.drained"

    most: int = 500
    oldest: Duration = Duration(900)

    def aim(self) -> str:
        return f"at most {self.most} jobs wait, none for over {self.oldest}"

    async def read(self, host: Reader) -> Backlog:
        return await _read(host, self.root, self.user)

    def judge(self, seen: Backlog) -> Verdict:
        limits = Limits(most=self.most, oldest=self.oldest, within=Duration(0))
        return _judge(seen, [queue for queue in seen.queues if limits.why_over(queue)], limits)


async def _read(host: Reader, root: PurePosixPath, user: str) -> Backlog:
    return await count_jobs(host, root, user, await host.ask(ReadWorkers(root)))


def _judge(seen: Backlog, faulty: list[Queue], limits: Limits) -> Verdict:
    measures = [_measure(queue, is_faulty=queue in faulty) for queue in seen.queues]
    if faulty:
        said = [f"queue {queue.name}: {limits.why_over(queue)}, {queue.in_words}" for queue in faulty]
        if seen.is_down:
            said.append("the application is in maintenance mode, in which workers take nothing")
        return Verdict.faulty("; ".join(said), *measures)
    unknown = [why for one in seen.connections if (why := _why_unknown(one))]
    if unknown:
        return Verdict.unknown("; ".join(unknown), *measures)
    over = [queue for queue in seen.queues if limits.why_over(queue)]
    if over:
        said = [f"queue {queue.name}: {limits.why_over(queue)}, but {queue.in_words}" for queue in over]
        return Verdict.healthy("; ".join(said), *measures)
    waiting = [f"{queue.after.ready} in {queue.name}" for queue in seen.queues if queue.after.ready]
    if waiting:
        return Verdict.healthy(f"{', '.join(waiting)}: within {limits.most} jobs", *measures)
    if all(one.is_at_once for one in seen.connections):
        return Verdict.healthy("the application keeps no jobs: they are done at once, or not at all")
    names = ", ".join(queue.name for queue in seen.queues)
    return Verdict.healthy(f"no job waits in {names}", *measures)


def _why_unknown(one: Connection) -> str:
    if one.error:
        return f"the queue connection {one.name} cannot be asked: {one.error}"
    if not one.is_counted:
        return "" if one.is_at_once else f"what waits in a queue of the driver {one.driver or '?'} is not known here"
    if not one.is_whole:
        return f"the queue connection {one.name} has too many keys to find every queue among them"
    stuck = [queue for queue in one.queues if queue.after.ready and _is_doubtful(queue)]
    return "; ".join(
        f"{queue.after.ready} wait in queue {queue.name}, none was taken in {Duration(round(queue.seconds))}, "
        f"and since when they wait is not written down"
        for queue in stuck
    )


def _is_doubtful(queue: Queue) -> bool:
    return queue.age is None and not queue.has_moved and not queue.after.reserved


def _measure(queue: Queue, *, is_faulty: bool) -> Measure:
    return Measure(
        label=f"queue {queue.name}", value=f"{queue.after.ready} wait, {queue.in_words}", is_faulty=is_faulty
    )
