"""Laravel Horizon: what it says of itself, and the workers that it has started."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import readable
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

_PROCESS = re.compile(r" *(\d+) +(\d+)(?: +(.*))?")


class Status(Enum):
    """What Horizon says of itself; of all hosts that share its Redis the worst."""

    RUNNING = "running"
    PAUSED = "paused"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class AskHorizon(Query[Status]):
    """What ``horizon:status`` says. By its words: older ones end with 0 whatever it is (StatusCommand of Horizon)."""

    root: PurePosixPath
    user: str
    # 1: it is paused, or there is no such command; 2: it is inactive
    expects = frozenset({0, 1, 2})

    @property
    def command(self) -> Command:
        words = ("php", str(self.root / "artisan"), "horizon:status", "--no-interaction", "--no-ansi")
        return Command(words, user=self.user, deadline=Duration(10), is_slow=True)

    def parse(self, output: Output) -> Status:
        said = re.search(r"Horizon is (running|paused|inactive)\.", output.text)
        if said is None:
            raise ValueError("no word of how it is")
        return Status(said[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class HorizonWorker:
    """A process that does jobs under Horizon.

    Args:
        above: The processes that started it, the nearest first.
        connection: The queue connection that it works.
        queues: The queues there; none where it was not told.
    """

    above: tuple[int, ...]
    connection: str = ""
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListHorizonWorkers(Query[tuple[HorizonWorker, ...]]):
    """Every process of the host that does jobs under some Horizon, as far as processes may be seen."""

    @property
    def command(self) -> Command:
        return Command(("ps", "-e", "-ww", "-o", "pid=,ppid=,args="), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[HorizonWorker, ...]:
        parents: dict[int, int] = {}
        found: dict[int, list[str]] = {}
        for line in readable(output.stdout)[0].splitlines():
            match = _PROCESS.fullmatch(line)
            if match is None:
                raise ValueError(f"no process: {redacted(line)[:80]!r}")
            pid, words = int(match[1]), (match[3] or "").split()
            parents[pid] = int(match[2])
            if "horizon:work" in words:
                found[pid] = words[words.index("horizon:work") + 1 :]
        return tuple(_worker(_above(pid, parents), told) for pid, told in found.items())


def _above(pid: int, parents: dict[int, int]) -> tuple[int, ...]:
    above: list[int] = []
    while (pid := parents.get(pid, 0)) and pid not in above:
        above.append(pid)
    return tuple(above)


def _worker(above: tuple[int, ...], told: Iterable[str]) -> HorizonWorker:
    queue = next((word.removeprefix("--queue=") for word in told if word.startswith("--queue=")), "")
    connection = next((word for word in told if not word.startswith("-")), "")
    return HorizonWorker(above=above, connection=connection, queues=tuple(filter(None, queue.split(","))))
