"""Whether what an application uses answers it: its own code asks, with its own credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query
from soleil_remediate.facts.php import (
    DATABASES,
    PATIENCE,
    START,
    STARTING,
    a_flag,
    a_text,
    an_object,
    ask_php,
    one_line,
    told,
)
from soleil_remediate.units import Duration

#: Connect to the database $argv[3] (empty: the default one) and let it answer. Nothing is set for longer than the
#: transaction: with a pooler between, others get the same connection.
_ASK_DATABASE = (
    START
    + DATABASES
    + r"""
$name = $argv[3] !== "" ? $argv[3] : $config["database.default"];
connect_within((int) $argv[4]);
$begin = microtime(true);
try {
    $pdo = $app["db"]->connection($name)->getPdo();
    $is_postgresql = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME) === "pgsql";
    if ($is_postgresql) $pdo->exec("begin; " . time_limits($argv[4]));
    $said = (string) $pdo->query("select 1")->fetchColumn();
    if ($is_postgresql) $pdo->exec("rollback");
    tell(["answered" => $said === "1", "class" => "", "why" => $said === "1" ? "" : "it answered select 1 with $said"]
        + ["milliseconds" => 1000 * (microtime(true) - $begin)]);
} catch (Throwable $error) {
    tell(["answered" => false, "milliseconds" => 1000 * (microtime(true) - $begin)] + why($error));
}
"""
)

#: What a Redis says of itself that tells whether it takes writes, and what it would keep; by INFO's own names.
REDIS_SAYS = (
    "redis_version", "redis_mode", "config_file", "uptime_in_seconds", "loading", "role", "master_host",
    "slave_read_only", "used_memory", "used_memory_peak", "used_memory_rss", "total_system_memory", "maxmemory",
    "maxmemory_policy", "mem_not_counted_for_evict", "rdb_last_bgsave_status", "rdb_last_save_time",
    "rdb_changes_since_last_save", "aof_enabled", "aof_last_write_status", "connected_clients", "maxclients",
    "evicted_keys", "errorstat_OOM", "errorstat_MISCONF",
)  # fmt: skip

#: Connect to Redis by the application's connection $argv[3], and send PING; then INFO, which some may not ask for. Of
#: what that says, what $argv[5] names is told, and how many keys each database holds.
_ASK_REDIS = (
    START
    + r"""
$name = "database.redis." . $argv[3];
if (! is_array($config[$name])) {
    $why = "the application knows no such connection";
    tell(["answered" => false, "milliseconds" => 0, "class" => "", "why" => $why]);
    exit(0);
}
foreach (["timeout", "read_timeout", "read_write_timeout"] as $setting) {
    $given = (float) $config["$name.$setting"];
    $config->set("$name.$setting", $given > 0 ? min($given, (float) $argv[4]) : (float) $argv[4]);
}
function says($client, $wanted) {
    try {
        $raw = method_exists($client, "rawCommand") ? $client->rawCommand("INFO") : $client->executeRaw(["INFO"]);
    } catch (Throwable $error) {
        return (object) [];
    }
    preg_match_all("/^(" . strtr($wanted, ",", "|") . "|db\\d+):(.*?)\\r?$/m", (string) $raw, $found);
    return (object) array_combine($found[1], $found[2]);
}
$begin = microtime(true);
try {
    $connection = $app["redis"]->connection($argv[3]);
    $said = $connection->ping();
    $took = 1000 * (microtime(true) - $begin);
    $said = $said === true ? "PONG" : ltrim((string) $said, "+");
    tell(["answered" => $said === "PONG", "class" => "", "why" => $said === "PONG" ? "" : "it answered PING with $said"]
        + ["milliseconds" => $took, "says" => says($connection->client(), $argv[5])]);
} catch (Throwable $error) {
    tell(["answered" => false, "milliseconds" => 1000 * (microtime(true) - $begin)] + why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """How a server answered an application.

    Args:
        is_answered: It took the connection and answered as it should.
        took: Connecting and answering, in seconds.
        error: The class of what PHP raised instead; empty where it answered, or nothing came in time.
        why: What was said instead, on one line.
        says: What Redis says of itself, by INFO's own names; empty where the application may not ask, or it is none.
    """

    is_answered: bool
    took: Duration
    error: str = ""
    why: str = ""
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Ask(Query[Reply]):
    root: PurePosixPath
    user: str
    connection: str
    expects = frozenset({0, TIMED_OUT})

    def _command(self, text: str, about: str, *arguments: str) -> Command:
        deadline = Duration(2 * PATIENCE + STARTING)
        return ask_php(self.user, deadline, text, about, self.root, self.connection, str(int(PATIENCE)), *arguments)

    def parse(self, output: Output) -> Reply:
        if output.exit_status == TIMED_OUT:
            told(output, 0)  # or the application itself was not started in time
            return Reply(is_answered=False, took=self.command.deadline, why="no answer in time")
        (found,) = told(output, 1)
        return Reply(
            is_answered=a_flag(found["answered"]),
            took=Duration(float(found["milliseconds"]) / 1000),
            error=a_text(found["class"]),
            why=one_line(a_text(found["why"])),
            says={name: one_line(a_text(value)) for name, value in an_object(found.get("says", {})).items()},
        )


@dataclass(frozen=True, slots=True)
class AskDatabase(_Ask):
    """Whether an application gets an answer from its database: it connects with its own credentials, and selects 1.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        connection: What the application calls it; empty for the one that is used where nothing else is said.
    """

    connection: str = ""

    @property
    def command(self) -> Command:
        return self._command(_ASK_DATABASE, "database")


@dataclass(frozen=True, slots=True)
class AskRedis(_Ask):
    """Whether an application gets an answer from Redis: it connects with its own credentials, and sends PING.

    Where it answers, what Redis says of itself is told as well.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        connection: What the application calls it.
    """

    connection: str = "default"

    @property
    def command(self) -> Command:
        return self._command(_ASK_REDIS, "redis", ",".join(REDIS_SAYS))
