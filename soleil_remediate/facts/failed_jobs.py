"""Jobs that failed: how many, of which classes, by which exceptions.

What jobs are about is customers' data, and so may be what exceptions say: neither leaves the host.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, ask_php, told
from soleil_remediate.facts.queues import class_name, number, plain
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: So many of the newest are told one by one.
NEWEST = 1000

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Tell how many jobs have failed, and the newest of them one by one, of each its class and its exception's.
_FAILED = (
    (
        START
        + DATABASES
        + r"""
$failed = (array) $config["queue.failed"];
$driver = $failed["driver"] ?? (empty($failed["table"]) ? "null" : "database");
if (! in_array($driver, ["database", "database-uuids"], true)) {
    tell(["driver" => $driver, "total" => null, "jobs" => []]);
    exit(0);
}
try {
    connect_within(PATIENCE);
    $of = $app["db"]->connection($failed["database"] ?? null);
    $table = fn () => $of->table($failed["table"] ?? "failed_jobs");
    $name = $driver === "database" ? "id" : "uuid";
    $raw = fn ($text) => new Illuminate\Database\Query\Expression($text);
    $jobs = [];
    $columns = ["id", $name, "connection", "queue", "failed_at", $raw("substr(payload, 1, 2000) as payload"),
        $raw("substr(exception, 1, 300) as exception")];
    [$newest, $total] = within_limits($of, PATIENCE, fn () => [
        $table()->orderByDesc("id")->limit(NEWEST)->select($columns)->get(), $table()->count(),
    ]);
    foreach ($newest as $one) {
        $named = preg_match('/"displayName": ?("(?:[^"\\\\]|\\\\.)*")/', $one->payload, $found);
        preg_match('/^[A-Za-z_][\w\\\\]*/', $one->exception, $raised);
        $jobs[] = [(string) $one->$name, $named ? (string) json_decode($found[1]) : "", $raised[0] ?? "",
            (string) $one->connection, (string) $one->queue, max(0, time() - (int) strtotime($one->failed_at))];
    }
    tell(["driver" => $driver, "total" => $total, "jobs" => $jobs]);
} catch (Throwable $error) {
    tell(["driver" => $driver] + why($error));
}
"""
    )
    .replace("NEWEST", str(NEWEST))
    .replace("PATIENCE", str(int(PATIENCE)))
)

#: Tell which of the classes that are named from $argv[3] on the application has, to the letter. One whose file is there
#: and cannot be loaded is one of them.
_CLASSES = (
    START
    + r"""
$has = function ($name) {
    try {
        return class_exists($name) && (new ReflectionClass($name))->getName() === $name;
    } catch (Throwable $error) {
        return true;
    }
};
tell(["has" => array_values(array_filter(array_slice($argv, 3), $has))]);
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJob:
    """One job that failed.

    Args:
        name: By which it is retried: a UUID, or with the driver ``database`` a number.
        job_class: Its class, or what it calls itself.
        exception: The class of what ended it.
        connection: Where it was.
        queue: Likewise.
        age: How long ago it failed, in seconds.
    """

    name: str
    job_class: str
    exception: str
    connection: str
    queue: str
    age: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJobs:
    """The jobs of an application that failed.

    Args:
        driver: How they are kept.
        total: How many there are; ``None`` where they are kept in a way that is not read here.
        newest: The newest :data:`NEWEST` of them, the newest first.
    """

    driver: str
    total: int | None
    newest: tuple[FailedJob, ...] = ()

    @property
    def has_uuids(self) -> bool:
        """Each keeps its name when it fails again, so that what becomes of it can be told."""
        return self.driver == "database-uuids"

    def of(self, classes: Iterable[str]) -> tuple[FailedJob, ...]:
        """Return those of some classes, the oldest first."""
        wanted = frozenset(classes)
        return tuple(one for one in reversed(self.newest) if one.job_class in wanted)


def by_class(jobs: Sequence[FailedJob]) -> str:
    """Return for people what failed the most often, of which exception, and how long ago; of at least one job."""
    groups = Counter((one.job_class, one.exception) for one in jobs).most_common(3)
    said = ", ".join(f"{count} {job_class} ({exception})" for (job_class, exception), count in groups)
    ages = [one.age for one in jobs]
    return f"{said}, {Duration(min(ages))} to {Duration(max(ages))} ago"


@dataclass(frozen=True, slots=True)
class ReadFailedJobs(Query[FailedJobs]):
    """The jobs of an application that failed; its own code reads them, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(STARTING + 3 * PATIENCE), _FAILED, "failed-jobs", self.root)

    def parse(self, output: Output) -> FailedJobs:
        (found,) = told(output, 1)
        if "why" in found:
            why = redacted(" ".join(f"{found['class']}: {found['why']}".split()))[:300]
            raise FactError(f"jobs that failed cannot be read: {why}")
        try:
            newest = tuple(_failed(one) for one in found["jobs"])
        except TypeError as error:
            raise ValueError(f"not what was to be told: {error}") from None
        total = None if found["total"] is None else number(found["total"])
        return FailedJobs(driver=plain(found["driver"]), total=total, newest=newest)


@dataclass(frozen=True, slots=True)
class FindClasses(Query[frozenset[str]]):
    """Which of some classes an application has; its own code looks for them, and loads those that are there, as *user*.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        names: Whole names.
    """

    root: PurePosixPath
    user: str
    names: tuple[str, ...]

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(STARTING + PATIENCE), _CLASSES, "classes", self.root, *self.names)

    def parse(self, output: Output) -> frozenset[str]:
        (found,) = told(output, 1)
        if not isinstance(found["has"], list) or not all(one in self.names for one in found["has"]):
            raise ValueError("not what was asked for")
        return frozenset(found["has"])


def _failed(found: Sequence[object]) -> FailedJob:
    name, job_class, exception, connection, queue, age = found
    if not (isinstance(name, str) and (_UUID.fullmatch(name) or re.fullmatch(r"\d{1,20}", name))):
        raise ValueError("no name of a failed job")
    return FailedJob(
        name=name,
        job_class=class_name(plain(job_class)),
        exception=class_name(plain(exception)),
        connection=plain(connection),
        queue=plain(queue),
        age=number(age),
    )
