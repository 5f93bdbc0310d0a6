"""Show where a host's memory went, and what was killed for want of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.memory import (
    Enough,
    Holder,
    Memory,
    NameUsers,
    ReadPressure,
    SampleProcesses,
    below,
    held_by,
    read_memory,
    refuse_unless_amounts,
)
from soleil_remediate.facts.oom_kills import CountKills, Kill, ReadKills
from soleil_remediate.facts.together import together
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Forecast, Look, Shown, Table, Text
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

#: So long processes are watched: one that grows by a MiB a second is seen to.
_WATCHED = Duration(2)
#: What grew by less is no growth.
_LITTLE = MiB(1)
#: What would take longer is not said: a few seconds do not tell so much.
_SOON = Duration(6 * 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewSeen:
    """How much memory a host has left, and for how long everything waited for it; or why that is not known."""

    memory: Memory
    pressure: tuple[str, str, str] | FactError | None


@dataclass(frozen=True, kw_only=True)
class MemoryOverview(Look[OverviewSeen]):
    """Show how much memory is left and whose limit that is, swap, and for how long everything waited for memory."""

    kind = "memory.overview"
    rounds = 1
    title: ClassVar[str] = "Memory"

    async def read(self, host: Reader) -> OverviewSeen:
        memory, (pressure,) = await together(read_memory(host), host.ask_each((ReadPressure(),)))
        return OverviewSeen(memory=memory, pressure=pressure)

    def show(self, seen: OverviewSeen) -> Shown:
        memory, machine = seen.memory, seen.memory.resources
        lines = [f"memory  {memory.in_words}"]
        if memory.is_limited:
            lines.append(f"        the machine that it is on has {machine.available} of {machine.memory} available")
        lines.append(f"swap    {memory.swap_in_words}")
        match seen.pressure:
            case (ten, minute, minutes):
                whose = " (the machine's)" if memory.is_limited else ""
                lines.append(f"stalled {ten} % of the last 10 s, {minute} % of 1 min, {minutes} % of 5 min{whose}")
            case FactError():
                lines.append(f"stalled unknown: {seen.pressure}")
            case None:
                lines.append("stalled unknown: the kernel keeps no account of it (psi=1 on its command line)")
        return Text(lines=tuple(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesSeen:
    """How much memory a host has left, and what holds it."""

    memory: Memory
    processes: tuple[Holder, ...]
    users: Mapping[int, str] | FactError


@dataclass(frozen=True, kw_only=True)
class MemoryProcesses(Look[ProcessesSeen]):
    """Show which processes hold the memory: whose, of which unit, how much, and by how much they grew in 2 s.

    What counts is memory of a process's own, swapped out or not, which would be there again if it ended. Of its command
    only the program, a script and artisan's command are shown: others may be passwords.

    Args:
        root: The application's folder, or the link to it: what runs there is marked as its own.
        top: So many of those that hold the most.
        least: After a repair: less than this share of memory available is too little again.
        enough: So much is enough, however small a share of a large host's memory that is.
    """

    kind = "memory.processes"
    title: ClassVar[str] = "What holds the memory"

    root: PurePosixPath
    top: int = 10
    least: Percent = Percent(10)
    enough: ByteSize = MiB(1024)

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)
        refuse_unless_amounts(self.least, self.enough)
        if not 1 <= self.top <= 100:
            raise ValueError("top must be from 1 to 100")

    async def read(self, host: Reader) -> ProcessesSeen:
        memory, processes = await together(read_memory(host), host.ask(SampleProcesses(_WATCHED)))
        uids = tuple(sorted({one.uid for one in processes[: self.top]}))
        (users,) = await host.ask_each((NameUsers(uids),))
        return ProcessesSeen(memory=memory, processes=processes, users=users)

    def show(self, seen: ProcessesSeen) -> Shown:
        names: Mapping[int, str] = {} if isinstance(seen.users, FactError) else seen.users
        rows = [
            (
                str(one.pid),
                str(one.held),
                _growth(one),
                names.get(one.uid, f"uid {one.uid}"),
                one.unit or "no unit",
                "yes" if self._is_own(one) else "",
                redacted(one.in_words),
            )
            for one in seen.processes[: self.top]
        ]
        others = seen.processes[self.top :]
        if others:
            rows.append(("", str(held_by(others)), "", "", "", "", f"{len(others)} others"))
        unheld = seen.memory.total - seen.memory.available - held_by(seen.processes)
        if unheld > 0:
            rows.append(("", str(ByteSize(unheld)), "", "", "", "", "kernel and files"))
        return Table(columns=("pid", "holds", "grew", "user", "unit", "app", "what"), rows=tuple(rows), align="rrr")

    def _is_own(self, one: Holder) -> bool:
        is_php = (one.unit or "").startswith("php") and one.name.startswith("php-fpm")
        return is_php or below(self.root, one.words)

    async def follow(self, host: Reader, seen: ProcessesSeen) -> tuple[Forecast, ...]:
        """Measure for two seconds how fast what is left grows, and when memory is short again by that."""
        del seen
        memory, processes = await together(read_memory(host), host.ask(SampleProcesses(_WATCHED)))
        growing = [one for one in processes if (one.grown or 0) >= _LITTLE]
        room = memory.available - Enough(least=self.least, enough=self.enough).of(memory)
        grown = sum(one.grown or 0 for one in growing)
        if not growing or room <= 0 or (within := room * _WATCHED / grown) > _SOON:
            return ()
        first = max(growing, key=lambda one: one.grown or 0)
        return (
            Forecast(
                subject="memory",
                about="memory is short again",
                within=Duration(within),
                because=f"{first.in_words} ({first.pid}) grew by {ByteSize(first.grown or 0)} in {_WATCHED}",
            ),
        )


def _growth(one: Holder) -> str:
    if one.grown is None:
        return "ended"
    return f"+{ByteSize(one.grown)}" if one.grown >= _LITTLE else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillList:
    """What was killed for want of memory, and how many the kernel counts."""

    kills: tuple[Kill, ...]
    counted: int | FactError


@dataclass(frozen=True, kw_only=True)
class OomKillList(Look[KillList]):
    """Show what was killed for want of memory: when, which process, of which unit, and how much it held.

    By the journal, which may not have what the kernel said; so it is told how many it counts since it was started.

    Args:
        within: How long ago at most.
        top: So many of the newest.
    """

    kind = "oom-kill.list"
    rounds = 1
    title: ClassVar[str] = "Killed for want of memory"

    within: Duration = Duration(86400)
    top: int = 10

    def __post_init__(self) -> None:
        if not 60 <= self.within <= 31 * 86400:
            raise ValueError("within must be from 1 min to 31 d")
        if not 1 <= self.top <= 100:
            raise ValueError("top must be from 1 to 100")

    async def read(self, host: Reader) -> KillList:
        (kills,), (counted,) = await together(host.ask_each((ReadKills(self.within),)), host.ask_each((CountKills(),)))
        if isinstance(kills, FactError):
            raise kills
        return KillList(kills=kills, counted=counted)

    def show(self, seen: KillList) -> Shown:
        counted = f"unknown: {seen.counted}" if isinstance(seen.counted, FactError) else str(seen.counted)
        count = f"the kernel counts since it was started: {counted}"
        if not seen.kills:
            return Text(lines=(f"the journal has none of the last {self.within}", count))
        newest = seen.kills[-self.top :]
        lines = [f"{as_text(one.at)} UTC  {redacted(one.in_words)}" for one in newest]
        if len(seen.kills) > self.top:
            lines.insert(0, f"{len(seen.kills)} in the last {self.within}, the newest of them:")
        return Text(lines=(*lines, count))
