"""Queues: an application's own code counts its jobs, wherever it keeps them and by whatever name.

What jobs are about is customers' data: of the next one only its class is told.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.application import AT_ONCE
from soleil_remediate.facts.files import readable
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, ask_php, told
from soleil_remediate.facts.queue_workers import QUEUE_NAME, Worker
from soleil_remediate.facts.supervisors import WATCHED
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

_CLASS = re.compile(r"\\?[A-Za-z_]\w*(\\[A-Za-z_]\w*)*(@\w+)?")
#: A job may call itself something of its own, in which anything could stand.
_NAMED_OTHERWISE = "(a name of its own)"
#: Seconds; a worker that is well looks for such jobs each time that it takes one, or has none.
_OVERDUE = 30
#: Seconds; as long as a :class:`Duration` can be.
_FOR_EVER = 10**9

#: Count the queues that are named from $argv[4] on, each as CONNECTION=QUEUE, the default one, and all that exist,
#: twice within $argv[3] seconds. With Redis by the application's own connection: its database, its prefix.
_COUNT = (
    START
    + DATABASES
    + r"""
const SIZES = <<<'LUA'
local function first(key)
    local found = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    return found[2] or ''
end
return {
    redis.call('LLEN', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('ZCOUNT', KEYS[2], '-inf', ARGV[1]),
    redis.call('ZCARD', KEYS[3]), redis.call('ZCOUNT', KEYS[3], '-inf', ARGV[1]), first(KEYS[3]),
    redis.call('LINDEX', KEYS[1], 0) or ''
}
LUA;
const NAMES = <<<'LUA'
local pattern = string.gsub(KEYS[1], '[%*%?%[%]\\]', '\\%0') .. '*'
local found = redis.call('SCAN', ARGV[1], 'MATCH', pattern, 'COUNT', 1000)
for place, name in ipairs(found[2]) do found[2][place] = string.sub(name, #KEYS[1] + 1) end
return found
LUA;
function redis($connection, $settings, $patience) {
    global $app, $config;
    $name = $settings["connection"] ?? "default";
    foreach (["timeout", "read_timeout", "read_write_timeout"] as $setting) {
        $given = (float) $config["database.redis.$name.$setting"];
        $config->set("database.redis.$name.$setting", $given > 0 ? min($given, $patience) : $patience);
    }
    $redis = $app["redis"]->connection($name);
    return [
        function () use ($redis) {
            [$names, $cursor, $until] = [[], "0", microtime(true) + 1];
            do {
                [$cursor, $found] = $redis->eval(NAMES, 1, "queues:", $cursor);
                foreach ($found as $one) $names[preg_replace('/:(delayed|reserved|notify)$/', "", $one)] = true;
            } while ((string) $cursor !== "0" && microtime(true) < $until);
            return [array_keys($names), (string) $cursor === "0"];
        },
        function ($queue) use ($redis) {
            [$key, $now] = ["queues:$queue", time()];
            [$waiting, $delayed, $due, $reserved, $overdue, $since, $head] =
                $redis->eval(SIZES, 3, $key, "$key:delayed", "$key:reserved", $now);
            $job = json_decode($head, true) ?: [];
            $pushed = $job["pushedAt"] ?? $job["createdAt"] ?? null; // by Horizon, and by Laravel itself since 12
            return ["sizes" => [$waiting, $delayed, $due, $reserved, $overdue], "head" => md5($head),
                "class" => $job["displayName"] ?? null, "age" => is_numeric($pushed) ? $now - (int) $pushed : null,
                "late" => $overdue ? $now - (int) $since : 0];
        },
    ];
}
function database($connection, $settings, $patience) {
    global $app;
    $of = $app["db"]->connection($settings["connection"] ?? null);
    $after = (int) ($settings["retry_after"] ?? 60);
    $jobs = fn () => $of->table($settings["table"] ?? "jobs");
    return [
        fn () => within_limits($of, $patience, fn () => [$jobs()->distinct()->pluck("queue")->all(), true]),
        fn ($queue) => within_limits($of, $patience, function () use ($jobs, $after, $queue) {
            $now = time();
            $mine = fn () => $jobs()->where("queue", $queue);
            $ready = fn () => $mine()->whereNull("reserved_at")->where("available_at", "<=", $now);
            $late = fn () => $mine()->where("reserved_at", "<=", $now - $after);
            $first = $ready()->orderBy("id")->select(["id", "available_at", "payload"])->first();
            $job = $first ? json_decode($first->payload, true) ?: [] : [];
            $since = $late()->min("reserved_at");
            $later = $mine()->whereNull("reserved_at")->where("available_at", ">", $now);
            $sizes = [$ready()->count(), $later->count(), 0, $mine()->whereNotNull("reserved_at")->count(),
                $late()->count()];
            return ["sizes" => $sizes, "head" => $first->id ?? "", "class" => $job["displayName"] ?? null,
                "age" => $first ? $now - (int) $first->available_at : null,
                "late" => $since === null ? 0 : $now - (int) $since - $after];
        }),
    ];
}
connect_within(PATIENCE);
$default = $config["queue.default"];
$wanted = [];
foreach (array_slice($argv, 4) as $pair) {
    [$connection, $queue] = explode("=", $pair, 2);
    $wanted[$connection === "" ? $default : $connection][$queue] = true;
}
$wanted += [$default => []];
$counted = [];
foreach ($wanted as $connection => $names) {
    $settings = $config["queue.connections.$connection"];
    $driver = $settings["driver"] ?? "";
    $counted[$connection] = ["driver" => $driver, "default" => $settings["queue"] ?? "default",
        "retry_after" => $settings["retry_after"] ?? null, "is_whole" => true, "queues" => [], "class" => "",
        "why" => ""];
    if (! in_array($driver, ["redis", "database"], true)) continue;
    try {
        [$exist, $count] = $driver($connection, $settings, (float) PATIENCE);
        [$others, $counted[$connection]["is_whole"]] = $exist();
        unset($names[""]);
        $names += [$settings["queue"] ?? "default" => true] + array_fill_keys($others, true);
        foreach (array_keys($names) as $name) {
            $counted[$connection]["queues"][(string) $name]["before"] = $count($name);
        }
        $counted[$connection]["began"] = microtime(true);
        $counted[$connection]["count"] = $count;
    } catch (Throwable $error) {
        $counted[$connection] = why($error) + ["queues" => []] + $counted[$connection];
    }
}
usleep((int) (1000000 * (float) $argv[3]));
foreach ($counted as $connection => &$one) {
    $count = $one["count"] ?? null;
    unset($one["count"]);
    try {
        foreach ($one["queues"] as $name => &$queue) $queue["after"] = $count((string) $name);
        unset($queue);
    } catch (Throwable $error) {
        $one = why($error) + ["queues" => []] + $one;
    }
    $one["seconds"] = isset($one["began"]) ? microtime(true) - $one["began"] : 0;
    unset($one["began"]);
    foreach ($one["queues"] as &$queue) {
        [$before, $after] = [$queue["before"], $queue["after"]];
        $queue = ["before" => $before["sizes"], "after" => $after["sizes"],
            "has_moved" => $before["head"] !== $after["head"], "class" => $after["class"], "age" => $after["age"],
            "late" => $after["late"]];
    }
    unset($queue);
}
unset($one);
tell(["is_down" => (bool) $app->isDownForMaintenance(), "default" => $default, "connections" => $counted]);
"""
).replace("PATIENCE", str(int(PATIENCE)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many jobs a queue has.

    Args:
        waiting: To be taken now.
        delayed: For later; those whose time has come are among them until a worker looks.
        due: Of these, those whose time has come.
        reserved: Taken by a worker, and not done yet.
        overdue: Of these, those whose worker has taken longer than ``retry_after``, or is gone: they wait again once
            some worker looks.
    """

    waiting: int
    delayed: int = 0
    due: int = 0
    reserved: int = 0
    overdue: int = 0

    @property
    def ready(self) -> int:
        """What a worker could take now."""
        return self.waiting + self.due + self.overdue


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue, counted twice.

    Args:
        connection: The application's name for where it is.
        name: Its own.
        before: At the beginning.
        after: At the end.
        seconds: What lay between.
        has_moved: Another job is the next by now: some worker takes jobs from it.
        age: How long the oldest job has waited, in seconds; ``None`` where none waits, and where nobody wrote it down
            (with Redis, Laravel does since 12, and Horizon does).
        late: How long ago ``retry_after`` was over for the oldest job that was taken and is not done, in seconds.
        next_class: The class of the job that is next.
    """

    connection: str
    name: str
    before: Sizes
    after: Sizes
    seconds: float
    has_moved: bool
    age: int | None = None
    late: int = 0
    next_class: str = ""

    @property
    def rate(self) -> float:
        """How many fewer it had each second; negative where it grew."""
        return (self.before.ready - self.after.ready) / self.seconds

    @property
    def left(self) -> Duration | None:
        """How long it takes until it is empty, if it goes on so; ``None`` where it gets no shorter."""
        return Duration(min(self.after.ready / self.rate, _FOR_EVER)) if self.rate > 0 else None

    @property
    def in_words(self) -> str:
        """How it goes, for people."""
        if not self.after.ready:
            return "nothing waits"
        if self.left is not None:
            return f"{self.rate:.1f} fewer a second: empty in about {self.left}"
        if self.rate < 0:
            return f"{-self.rate:.1f} more a second"
        if self.has_moved:
            return "no fewer"
        busy = f", {self.after.reserved} under way" if self.after.reserved else ""
        return f"none was taken in {Duration(round(self.seconds))}{busy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One queue connection of an application's.

    Args:
        name: What the application calls it.
        driver: ``redis``, ``database``, ``sync``, ``sqs``, …
        default_queue: The queue that jobs go to, and workers work, where nothing else is said.
        retry_after: In seconds: a job that was taken so long ago is given to another worker.
        queues: Those that were named, the default one, and all that exist.
        is_whole: All that exist were found; else there were too many keys to look at.
        error: Why it could not be asked; empty where it could.
    """

    name: str
    driver: str
    default_queue: str = "default"
    retry_after: int | None = None
    queues: tuple[Queue, ...] = ()
    is_whole: bool = True
    error: str = ""

    @property
    def is_counted(self) -> bool:
        """Its driver is one whose jobs can be counted here."""
        return self.driver in {"redis", "database"}

    @property
    def is_at_once(self) -> bool:
        """It keeps no jobs: they are done at once, or not at all."""
        return self.driver in AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What waits in an application's queues.

    Args:
        connections: Those that workers were told, and the one that is used where nothing else is said.
        default: That one's name.
        is_down: The application is in maintenance mode: workers take nothing.
    """

    connections: tuple[Connection, ...]
    default: str = ""
    is_down: bool = False

    @property
    def queues(self) -> tuple[Queue, ...]:
        """All queues that could be counted."""
        return tuple(queue for one in self.connections for queue in one.queues)

    @property
    def error(self) -> str:
        """Why a connection could not be asked; empty where all could."""
        return next((one.error for one in self.connections if one.error), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is no backlog yet.

    Args:
        most: More jobs that could be taken now are too many.
        oldest: One that waits for longer waits too long, where that was written down.
        within: A queue that is over these limits is to be empty within this, if it goes on as it did.
    """

    most: int
    oldest: Duration
    within: Duration

    def why_over(self, queue: Queue) -> str:
        """Return why a queue is a backlog; empty where it is none."""
        if queue.after.overdue and queue.late > _OVERDUE and not queue.has_moved:
            return (
                f"{queue.after.overdue} were taken by a worker that is gone or stuck, and nobody took them up in the "
                f"{Duration(queue.late)} since retry_after"
            )
        if queue.after.ready > self.most:
            return f"{queue.after.ready} wait, over {self.most}"
        if queue.age is not None and queue.after.ready and queue.age > self.oldest:
            return f"{queue.after.ready} wait, the oldest for {Duration(queue.age)}, over {self.oldest}"
        return ""

    def is_too_slow(self, queue: Queue) -> bool:
        """Whether a queue is a backlog, and not about to end."""
        return bool(self.why_over(queue)) and (queue.left is None or queue.left > self.within)


@dataclass(frozen=True, slots=True)
class CountJobs(Query[Backlog]):
    """What waits in an application's queues, counted twice; its own code counts, as *user*.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        named: Queues that workers were told to work, each as ``connection=queue``; both may be empty.
        seconds: What lies between the two.
    """

    root: PurePosixPath
    user: str
    named: tuple[str, ...] = ()
    seconds: Duration = WATCHED

    @property
    def command(self) -> Command:
        deadline = Duration(STARTING + 3 * PATIENCE + self.seconds)
        return ask_php(self.user, deadline, _COUNT, "queues", self.root, f"{float(self.seconds):g}", *self.named)

    def parse(self, output: Output) -> Backlog:
        (found,) = told(output, 1)
        try:
            connections = tuple(_connection(name, one) for name, one in found["connections"].items())
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not what was to be told: {error}") from None
        if not connections or not isinstance(found["is_down"], bool):
            raise ValueError("no connections")
        return Backlog(connections=connections, default=plain(found["default"]), is_down=found["is_down"])


def _connection(name: str, found: Mapping[str, Any]) -> Connection:
    queues = found["queues"] or {}
    why = f"{found['class']}: {' '.join(str(found['why']).split())}" if found["class"] else ""
    return Connection(
        name=plain(name),
        driver=plain(found["driver"]),
        default_queue=plain(found["default"]),
        retry_after=None if found["retry_after"] is None else int(found["retry_after"]),
        queues=tuple(_queue(name, queue, one, float(found["seconds"])) for queue, one in sorted(queues.items())),
        is_whole=found["is_whole"] is True,
        error=redacted(readable(why.encode())[0])[:300],
    )


def _queue(connection: str, name: str, found: Mapping[str, Any], seconds: float) -> Queue:
    if seconds <= 0 or not isinstance(found["has_moved"], bool):
        raise ValueError("nothing lay between the two looks")
    return Queue(
        connection=plain(connection),
        name=plain(name),
        before=_sizes(found["before"]),
        after=_sizes(found["after"]),
        seconds=seconds,
        has_moved=found["has_moved"],
        age=None if found["age"] is None else max(0, int(found["age"])),
        late=max(0, int(found["late"])),
        next_class=class_name(found["class"] or ""),
    )


def _sizes(found: Sequence[object]) -> Sizes:
    waiting, delayed, due, reserved, overdue = (number(one) for one in found)
    return Sizes(waiting=waiting, delayed=delayed, due=due, reserved=reserved, overdue=overdue)


def number(value: object) -> int:
    """Return a number of jobs or of seconds.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"no number: {value!r}")
    return value


def plain(text: object) -> str:
    """Return a text as it may be shown.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(text, str):
        raise ValueError("no name")  # noqa: TRY004  # what a host says is no type of ours
    return readable(text.encode())[0][:100]


def class_name(text: str) -> str:
    """Return a job's or an exception's class; of a name that is none, that it is none."""
    if not text:
        return ""
    return text.removeprefix("\\") if _CLASS.fullmatch(text) else _NAMED_OTHERWISE


async def count_jobs(host: Reader, root: PurePosixPath, user: str, programs: Iterable[Worker]) -> Backlog:
    """Return what waits in an application's queues, those that its workers were told among them; one round trip.

    Raises:
        FactError: It cannot be known.
    """
    return await host.ask(counting(root, user, programs))


def counting(root: PurePosixPath, user: str, programs: Iterable[Worker]) -> CountJobs:
    """Return the question that :func:`count_jobs` asks."""
    pairs = {(one.connection, queue) for one in programs for queue in (one.queues or ("",)) if one.is_queue_work}
    named = sorted(
        f"{connection}={queue}"
        for connection, queue in pairs
        if all(not text or QUEUE_NAME.fullmatch(text) for text in (connection, queue))
    )
    return CountJobs(root, user, tuple(named))
