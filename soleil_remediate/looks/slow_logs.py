"""Show which requests and queries an application logged as slow, and which queries it repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.slow_logs import END, LogRead, ReadSlowLogs, Slow, SlowLogs
from soleil_remediate.task import Look, Shown, Text


@dataclass(frozen=True, kw_only=True)
class LogSlow(OfApplication[SlowLogs], Look[SlowLogs]):
    """Show which requests and queries the application logged as slow, and which queries one request asks many times.

    Which logs those are says the application's own configuration: its channels about performance, queries or what is
    slow, of those that are rotated by day the newest file. Only their ends are read. That a log is not there, cannot be
    read, or has nothing of the kind in it, is told apart. Of queries only their shape is shown: the rest is customers'
    data.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        top: So many of each kind, the worst first; 10 at most.
    """

    kind = "log.slow"
    title: ClassVar[str] = "Slow, by the application's logs"
    rounds = 1

    top: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.top <= 10:
            raise ValueError("top must be from 1 to 10")

    async def read(self, host: Reader) -> SlowLogs:
        return await host.ask(ReadSlowLogs(self.root, self.user))

    def show(self, seen: SlowLogs) -> Shown:
        if not seen.logs:
            return Text(
                lines=("the application has no log about performance or queries (config/logging.php): not known",)
            )
        return Text(lines=tuple(self._lines(seen)))

    def _lines(self, seen: SlowLogs) -> Iterator[str]:
        for one in seen.repeated[: self.top]:
            yield f"N+1: {one.page or 'one request'} asks at least {one.times} times for {one.what}"
        for what, found in (("request", seen.requests), ("query", seen.queries)):
            for slow in found[: self.top]:
                yield f"slow {what}: {slow.what}: {_times(slow)}"
        if not (seen.repeated or seen.requests or seen.queries):
            yield "nothing slow and nothing repeated is logged"
        for log in seen.logs:
            yield f"{log.channel}: {_state(log)}"


def _times(slow: Slow) -> str:
    if slow.count == 1:
        return f"1 time, {slow.longest * 1000:.0f} ms"
    return f"{slow.count} times, half of them over {slow.median * 1000:.0f} ms, longest {slow.longest * 1000:.0f} ms"


def _state(log: LogRead) -> str:
    if log.state == "absent":
        return f"{log.file} is not there: nothing was logged"
    if log.state == "unreadable":
        return f"unknown: {log.file} cannot be read by the application's user"
    rest = f", {log.others} more of another form" if log.others else ""
    return f"{log.lines} line{'' if log.lines == 1 else 's'} at the end of {log.file} ({END} at most){rest}"
