"""What an application logged of requests and queries: which were slow, and which were asked again and again.

By the channels of its own configuration: which files those are, and whether there are any, is known there alone. What a
query says besides its shape is customers' data, and stays in the PHP process: numbers, texts and bindings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import readable
from soleil_remediate.facts.php import START, ask_php, told
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, Duration, MiB

#: So much of the end of each log is read.
END = MiB(2)
#: So many of each kind are told, the worst first.
_MOST = 10

#: Which channels are about queries, performance or what is slow, as their names or paths say; of one that is rotated by
#: day its files, the newest last; what of a query may be told; and what took the longest in all.
CHANNELS = r"""
function channels($config) {
    $found = [];
    foreach ((array) $config["logging.channels"] as $name => $one) {
        if (! is_array($one) || ! is_string($one["path"] ?? null)) continue;
        if (! preg_match("/slow|quer|perf/i", $name . " " . basename($one["path"]))) continue;
        $days = (int) ($one["days"] ?? 7); // LogManager
        $found[$name] = ["path" => $one["path"], "driver" => $one["driver"] ?? "", "days" => $days];
    }
    return $found;
}
function by_day($path) { // RotatingFileHandler: NAME-DATE.EXTENSION
    $parts = pathinfo($path);
    $end = isset($parts["extension"]) ? "." . $parts["extension"] : "";
    return glob(addcslashes($parts["dirname"] . "/" . $parts["filename"], "*?[]\\") . "-[0-9]*" . $end) ?: [];
}
function shape($sql) { // what kind of query it is, and nothing of whom it was about
    $values = "/'(?:[^']|'')*'|\\$[0-9]+|\\b[0-9]+(?:\\.[0-9]+)?\\b/";
    $sql = preg_replace([$values, "/\\s+/"], ["?", " "], $sql);
    return mb_strcut(trim(preg_replace("/\\(\\s*\\?(?:\\s*,\\s*\\?)+\\s*\\)/", "(?)", (string) $sql)), 0, 160);
}
function worst($found, $most) {
    $told = [];
    foreach ($found as $what => $times) {
        sort($times);
        $told[] = ["what" => (string) $what, "count" => count($times),
            "median" => $times[intdiv(count($times) - 1, 2)], "longest" => end($times), "all" => array_sum($times)];
    }
    usort($told, fn ($a, $b) => $b["all"] <=> $a["all"]);
    return array_slice($told, 0, $most);
}
"""

#: Read the last $argv[3] bytes of the newest file of each of these channels, in one pass; tell at most $argv[4] of each
#: kind. Lines are JSON, or Laravel's own with JSON at the end. A query belongs to the request whose id it names, else
#: to that process, page and second.
_READ = (
    START
    + CHANNELS
    + r"""
$channels = [];
foreach (channels($config) as $name => $found) {
    $files = $found["driver"] === "daily" ? by_day($found["path"]) : [$found["path"]];
    $channels[$name] = ["file" => (string) end($files), "pattern" => $found["path"]];
}
function page($uri) { return mb_strcut(preg_replace("/[0-9]+/", "N", strtok((string) $uri, "?#") ?: "?"), 0, 120); }
$read = $requests = $queries = $asked = [];
foreach ($channels as $name => $channel) {
    [$file, $state, $text, $size] = [$channel["file"], "read", "", 0];
    if ($file === "" || ! file_exists($file)) $state = "absent";
    else {
        $size = (int) @filesize($file);
        $text = @file_get_contents($file, false, null, max(0, $size - (int) $argv[3]), (int) $argv[3]);
        if ($text === false) $state = "unreadable";
    }
    $lines = $state === "read" ? explode("\n", $text) : [];
    array_pop($lines); // what follows the last line's end is no line yet
    if ($size > (int) $argv[3]) array_shift($lines); // not the whole of it
    $count = $other = 0;
    foreach ($lines as $line) {
        $at = strpos($line, "{");
        $told = $at === 0 ? json_decode($line, true) : null;
        $form = "/^\\[([^]]+)\\] [^:]+: (.*?) (\\{.*\\})(?: (?:\\[\\]|\\{.*\\}))?\\s*$/";
        if ($at > 0 && preg_match($form, $line, $parts)) {
            $told = ["@timestamp" => $parts[1], "message" => $parts[2], "context" => json_decode($parts[3], true)];
        }
        if (! is_array($told) || ! is_array($told["context"] ?? null)) { $other++; continue; }
        $count++;
        [$context, $extra] = [$told["context"], (array) ($told["extra"] ?? [])];
        $request = (array) ($extra["request"] ?? []);
        $uri = $context["uri"] ?? $context["url"] ?? $context["path"] ?? $request["uri"] ?? null;
        $took = $context["duration_ms"] ?? $context["time_ms"] ?? $context["time"] ?? $context["duration"] ?? null;
        $took = is_numeric($took) ? (float) $took : null;
        $page = $uri === null ? null : trim(($context["method"] ?? $request["method"] ?? "") . " " . page($uri));
        $is_slow = stripos((string) ($told["message"] ?? ""), "slow") !== false;
        $sql = $context["sql"] ?? $context["query"] ?? null;
        if (is_string($sql)) {
            $shape = shape($sql);
            if ($is_slow && $took !== null) $queries[$shape][] = $took;
            $second = substr((string) ($told["@timestamp"] ?? $told["datetime"] ?? ""), 0, 19);
            $whole = $context["request_id"] ?? $context["correlation_id"] ?? $told["request_id"]
                ?? $told["correlation_id"] ?? ($extra["process_id"] ?? "") . " " . $second;
            $key = json_encode([$page, $shape, $whole], JSON_INVALID_UTF8_SUBSTITUTE);
            $asked[$key] = ($asked[$key] ?? 0) + 1;
        } elseif ($is_slow && $took !== null && $page !== null) $requests[$page][] = $took;
    }
    $read[] = ["channel" => (string) $name, "file" => $file !== "" ? $file : $channel["pattern"], "state" => $state,
        "lines" => $count, "others" => $other];
}
$repeated = [];
foreach ($asked as $key => $times) {
    [$page, $shape] = json_decode($key, true);
    $same = json_encode([$page, $shape]);
    $worst = max($times, $repeated[$same]["times"] ?? 0);
    $repeated[$same] = ["page" => (string) $page, "what" => $shape, "times" => $worst];
}
$repeated = array_values(array_filter($repeated, fn ($one) => $one["times"] >= 10));
usort($repeated, fn ($a, $b) => $b["times"] <=> $a["times"]);
$most = (int) $argv[4];
tell(["read" => $read, "requests" => worst($requests, $most), "queries" => worst($queries, $most),
    "repeated" => array_slice($repeated, 0, $most)]);
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRead:
    """One log of the application's about requests or queries.

    Args:
        channel: What its configuration calls it.
        file: The newest one.
        state: ``read``, ``absent`` or ``unreadable``.
        lines: So many lines could be told of its end.
        others: So many could not.
    """

    channel: str
    file: PurePosixPath
    state: str
    lines: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slow:
    """A page, or a shape of query, that was logged as slow."""

    what: str
    count: int
    median: Duration
    longest: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """A shape of query that one request asked *times* times: the mark of N+1; *page* is empty where none is logged."""

    page: str
    what: str
    times: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowLogs:
    """What the ends of an application's logs say: nothing at all where it has no such channel."""

    logs: tuple[LogRead, ...]
    requests: tuple[Slow, ...]
    queries: tuple[Slow, ...]
    repeated: tuple[Repeated, ...]


@dataclass(frozen=True, slots=True)
class ReadSlowLogs(Query[SlowLogs]):
    """What an application logged of slow requests and queries; its own code finds its logs and reads them."""

    root: PurePosixPath
    user: str
    end: ByteSize = END

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(15), _READ, "slow-logs", self.root, f"{self.end:d}", str(_MOST))

    def parse(self, output: Output) -> SlowLogs:
        (found,) = told(output, 1)
        return SlowLogs(
            logs=tuple(_log(one) for one in found["read"]),
            requests=tuple(as_slow(one) for one in found["requests"]),
            queries=tuple(as_slow(one) for one in found["queries"]),
            repeated=tuple(
                Repeated(page=as_line(one["page"]), what=as_line(one["what"]), times=int(one["times"]))
                for one in found["repeated"]
            ),
        )


def _log(told: dict[str, Any]) -> LogRead:
    if told["state"] not in {"read", "absent", "unreadable"}:
        raise ValueError("no state of a log")
    return LogRead(
        channel=as_line(told["channel"]),
        file=PurePosixPath(as_line(told["file"])),
        state=str(told["state"]),
        lines=int(told["lines"]),
        others=int(told["others"]),
    )


def as_slow(told: dict[str, Any]) -> Slow:
    """Return what PHP told of one page, or of one shape of query; it tells milliseconds."""
    return Slow(
        what=as_line(told["what"]),
        count=int(told["count"]),
        median=Duration(float(told["median"]) / 1000),
        longest=Duration(float(told["longest"]) / 1000),
    )


def as_line(text: object) -> str:
    """Return a text of the host's as one line, with nothing in it that a terminal would obey, and no secret."""
    return redacted(readable(" ".join(str(text).split()).encode())[0])
