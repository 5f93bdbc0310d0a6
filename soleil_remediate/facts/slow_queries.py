"""How many queries an application logged as slow lately, as far as its logs reach back.

By the channels of its own configuration, as :mod:`soleil_remediate.facts.slow_logs` finds them. What a query says
besides its shape is customers' data, and stays in the PHP process.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.php import START, a_flag, ask_php, told
from soleil_remediate.facts.queues import number
from soleil_remediate.facts.slow_logs import CHANNELS, Slow, as_line, as_slow
from soleil_remediate.units import Duration, MiB

#: So much is read of all these logs together, the newest first.
READ = MiB(64)
#: So many shapes of queries are told, those that took the longest in all.
_MOST = 3

#: Count what the channels about queries, or what is slow, logged as a slow query in the last $argv[3] seconds, by
#: $argv[4] bytes of their files at most; tell why there may have been more, and $argv[5] shapes of queries. A file that
#: was last written before that time is left alone: one that logrotate compresses keeps its time.
_COUNT = (
    START
    + CHANNELS
    + r"""
function said($line) { // JSON, or Laravel's own with JSON at the end
    if ($line[0] === "{") {
        $told = json_decode($line, true, 512, JSON_INVALID_UTF8_SUBSTITUTE);
        if (! is_array($told)) return null;
        $time = $told["@timestamp"] ?? $told["datetime"] ?? null;
        $time = is_array($time) ? $time["date"] ?? null : $time;
        $message = is_string($told["message"] ?? null) ? $told["message"] : "";
        return [is_string($time) ? strtotime($time) : false, $message, (array) ($told["context"] ?? [])];
    }
    if (! preg_match("/^\\[([^]]+)\\] [^: ]+: (.*)/", $line, $parts)) return null;
    [, $time, $message] = $parts;
    $context = [];
    if (preg_match("/^(.*?) (\\{.*\\})(?: (?:\\[\\]|\\{.*\\}))?\\s*$/", $message, $parts)) {
        [$message, $context] = [$parts[1], (array) json_decode($parts[2], true)];
    }
    return [strtotime($time), $message, $context];
}
$start = time() - (int) $argv[3];
$left = (int) $argv[4];
$logs = $queries = [];
foreach (channels($config) as $name => $channel) {
    $path = $channel["path"];
    if (! preg_match("/slow|quer/i", $name . " " . basename($path))) continue;
    $is_daily = $channel["driver"] === "daily";
    $own = $is_daily ? by_day($path) : (file_exists($path) ? [$path] : []);
    $rotated = $is_daily ? [] : (glob(addcslashes($path, "*?[]\\") . "[.-]*") ?: []);
    $written = [];
    foreach (array_merge($own, $rotated) as $file) $written[$file] = (int) @filemtime($file);
    arsort($written);
    $lacks = [];
    $is_slow = preg_match("/slow/i", $name . " " . basename($path)) === 1; // then so is all that stands there
    $is_full = $is_daily ? $channel["days"] > 0 && count($own) >= $channel["days"] : $rotated !== [];
    if ($is_full && min($written) >= $start) $lacks[] = "rotated";
    for ($folder = dirname($path); ! file_exists($folder); $folder = dirname($folder));
    if (! $own && ! (is_readable($folder) && is_writable($folder))) $lacks[] = "closed";
    $slow = 0;
    foreach ($written as $file => $time) {
        if ($time < $start) continue;
        if (! is_file($file) || ! is_readable($file) || preg_match("/\\.(gz|xz|bz2|zst|lz4)$/", $file)) {
            $lacks[] = "closed";
            continue;
        }
        $size = (int) filesize($file);
        $take = min($size, $left);
        $left -= $take;
        $is_begun = $take === $size; // else what is read has to begin before that time
        if ($take === 0) {
            if (! $is_begun) $lacks[] = "long";
            continue;
        }
        $log = new SplFileObject($file, "rb");
        $log->fseek($size - $take);
        if (! $is_begun) $log->fgets(); // not the whole of it
        while (! $log->eof() && substr($line = $log->fgets(), -1) === "\n") {
            if ($is_begun && ! $is_slow && stripos($line, "slow") === false) continue;
            $told = said($line);
            if ($told === null) {
                if (preg_match("/^[^#].*slow.{0,3}quer/i", $line)) $lacks[] = "unread";
                continue;
            }
            [$at, $message, $context] = $told;
            if (! $is_begun && $at !== false) {
                $is_begun = true;
                if ($at >= $start) $lacks[] = "long";
            }
            $sql = $context["sql"] ?? $context["query"] ?? null;
            $is_sql = preg_match("/^\\s*(select|insert|update|delete|with)\\s/i", $message) === 1;
            if (! is_string($sql)) $sql = $is_sql ? $message : null;
            $is_query = is_string($sql) || stripos($message, "quer") !== false;
            if (! $is_query && $is_slow && stripos($message, "request") === false && $at >= $start) $lacks[] = "unread";
            if (! $is_query || ! ($is_slow || stripos($message, "slow") !== false)) continue;
            if ($at === false) $lacks[] = "undated";
            if ($at === false || $at < $start) continue;
            $slow++;
            $took = $context["duration_ms"] ?? $context["time_ms"] ?? $context["time"] ?? $context["duration"] ?? null;
            $queries[is_string($sql) ? shape($sql) : "?"][] = is_numeric($took) ? max(0, (float) $took) : 0.0;
        }
        if (! $is_begun) $lacks[] = "long";
    }
    $logs[] = ["channel" => (string) $name, "file" => $path, "is_there" => $own !== [], "slow" => $slow,
        "lacks" => array_values(array_unique($lacks))];
}
tell(["logs" => $logs, "queries" => worst($queries, (int) $argv[5])]);
"""
)


class Lack(Enum):
    """Why a log does not tell all of the time that was asked for."""

    ROTATED = "rotated"  # as many files are kept as may be, all of that time: older ones are gone
    CLOSED = "closed"  # a file of that time cannot be read, or nothing could be written there
    LONG = "long"  # there is more of it than is read
    UNDATED = "undated"  # a slow query stands there without its time
    UNREAD = "unread"  # a slow query stands there in a form that is not read


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCounted:
    """One log of an application's about queries, or about what is slow.

    Args:
        channel: What its configuration calls it.
        file: As its configuration names it.
        is_there: It, or one of its days, is there; it comes to be with the first line that is logged.
        slow: So many queries are logged there as slow, of the time that was asked for.
        lacks: Why there may have been more.
    """

    channel: str
    file: PurePosixPath
    is_there: bool
    slow: int
    lacks: tuple[Lack, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowQueries:
    """What an application's logs say of slow queries; no logs where it has none about them.

    Args:
        logs: Each of them.
        worst: Those shapes of queries that took the longest in all.
    """

    logs: tuple[LogCounted, ...]
    worst: tuple[Slow, ...]

    @property
    def count(self) -> int:
        """So many at least."""
        return sum(one.slow for one in self.logs)

    @property
    def lacking(self) -> tuple[LogCounted, ...]:
        """Those logs that do not tell all of the time that was asked for."""
        return tuple(one for one in self.logs if one.lacks)


@dataclass(frozen=True, slots=True)
class CountSlowQueries(Query[SlowQueries]):
    """How many queries an application logged as slow within some time; its own code finds its logs and reads them."""

    root: PurePosixPath
    user: str
    within: Duration

    @property
    def command(self) -> Command:
        arguments = (f"{self.within:.0f}", f"{READ:d}", str(_MOST))
        return ask_php(self.user, Duration(20), _COUNT, "slow-queries", self.root, *arguments)

    def parse(self, output: Output) -> SlowQueries:
        (found,) = told(output, 1)
        try:
            return SlowQueries(
                logs=tuple(_counted(one) for one in found["logs"]),
                worst=tuple(as_slow(one) for one in found["queries"]),
            )
        except TypeError as error:
            raise ValueError(f"not what was to be told: {error}") from None


def _counted(told: dict[str, Any]) -> LogCounted:
    return LogCounted(
        channel=as_line(told["channel"]),
        file=PurePosixPath(as_line(told["file"])),
        is_there=a_flag(told["is_there"]),
        slow=number(told["slow"]),
        lacks=tuple(Lack(one) for one in told["lacks"]),
    )
