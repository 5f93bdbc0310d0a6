"""Is there memory left, and is what was killed for want of it there again?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, as_text
from soleil_remediate.facts.memory import Enough, Memory, read_memory, refuse_unless_amounts
from soleil_remediate.facts.oom_kills import CountKills, Kill, ReadKills
from soleil_remediate.facts.services import Services, Unit, read_units, refuse_unless_unit
from soleil_remediate.facts.together import together
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

#: A unit that went down from so many seconds before a kill was logged until so many after it went down by it.
_BEFORE, _AFTER = 5, 60


@dataclass(frozen=True, kw_only=True)
class MemoryAvailable(Check[Memory]):
    """Check that a host has memory left for programs.

    What counts is what the kernel could give away without swapping (MemAvailable), or what the limit of the container
    that the host is leaves, where that is less; never what is free, since memory that holds files is given back. Swap
    that is in use is told and not judged.

    Args:
        least: Less than this share of what there is is too little; exactly so much is not.
        enough: So much is enough, however small a share of a large host's memory that is.
    """

    kind = "memory.available"
    rounds = 1

    least: Percent = Percent(10)
    enough: ByteSize = MiB(1024)

    def __post_init__(self) -> None:
        refuse_unless_amounts(self.least, self.enough)

    def aim(self) -> str:
        return f"{self.least} of memory available, or {self.enough}"

    async def read(self, host: Reader) -> Memory:
        return await read_memory(host)

    def judge(self, seen: Memory) -> Verdict:
        enough = Enough(least=self.least, enough=self.enough)
        is_short = enough.is_missed_by(seen)
        measures = (
            Measure(label="memory", value=seen.in_words, is_faulty=is_short),
            Measure(label="swap", value=seen.swap_in_words),
        )
        if is_short:
            return Verdict.faulty(f"memory: {enough.why_missed(seen)}", *measures, faults=frozenset({"memory"}))
        return Verdict.healthy(f"memory: {seen.in_words}", *measures)


@dataclass(frozen=True, slots=True, kw_only=True)
class KillsSeen:
    """What was killed for want of memory lately, and how the services are that this may have hit.

    Args:
        now: The host's clock, in seconds since 1970.
        counted: How many the kernel itself counts since it was started, or why that is not known.
    """

    kills: tuple[Kill, ...]
    services: Services
    now: int
    counted: int | FactError

    @property
    def down(self) -> tuple[Unit, ...]:
        """The services that went down by it, and are not back."""
        return tuple(unit for unit in self.services if unit.is_down and unit.is_wanted and self._is_hit(unit))

    def _is_hit(self, unit: Unit) -> bool:
        since = unit.since
        near = since is not None and any(one.at - _BEFORE <= since <= one.at + _AFTER for one in self.kills)
        named = any(one.unit == unit.name for one in self.kills)
        return named or (near and unit.result != "success")


@dataclass(frozen=True, kw_only=True)
class OomKillOver(Check[KillsSeen]):
    """Check that what was killed for want of memory lately is back, and that it does not go on.

    By the journal: what the kernel says of each process that it killed, and systemd of the units. One that is over is
    told and no fault: the service that it hit runs again, and no more were killed within *within* than *most*. Where
    the kernel's messages do not reach the journal, as in many containers, only how many it counts is told.

    Args:
        units: The services that are to be back; ``*`` and ``?`` stand for what they do in a shell.
        within: What was killed longer ago is over, whatever became of it.
        most: So many within that time do not make it again and again yet.
    """

    kind = "oom-kill.over"

    units: tuple[str, ...]
    within: Duration = Duration(900)
    most: int = 2

    def __post_init__(self) -> None:
        refuse_unless_unit(*self.units)
        if not 60 <= self.within <= 86400:
            raise ValueError("within must be from 1 min to 1 d")
        if not 1 <= self.most <= 1000:
            raise ValueError("most must be from 1 to 1000")

    def aim(self) -> str:
        return f"nothing is down, or goes on being killed, for want of memory in the last {self.within}"

    async def read(self, host: Reader) -> KillsSeen:
        (kills, now), services, (counted,) = await together(
            host.ask_all(ReadKills(self.within), ReadClock()),
            read_units(host, self.units),
            host.ask_each((CountKills(),)),
        )
        return KillsSeen(kills=kills, services=services, now=now, counted=counted)

    def judge(self, seen: KillsSeen) -> Verdict:
        often = len(seen.kills) > self.most
        measure = Measure(label=f"kills in {self.within}", value=str(len(seen.kills)), is_faulty=often)
        if not seen.kills:
            counts = isinstance(seen.counted, int) and seen.counted > 0
            ever = f"; the kernel counts {seen.counted} since it was started" if counts else ""
            return Verdict.healthy(f"none was killed for want of memory in the last {self.within}{ever}", measure)
        said = _told(seen.kills, seen.now)
        down = seen.down
        measures = [measure, *(Measure(label=unit.name, value=unit.in_words, is_faulty=True) for unit in down)]
        faults = frozenset({*(unit.name for unit in down), *(["oom kills"] if often else [])})
        if down:
            names = ", ".join(f"{unit.name} is {unit.in_words}" for unit in down)
            return Verdict.faulty(f"{said}; since then {names}", *measures, faults=faults)
        if often:
            ends = Duration(max(0, seen.kills[-self.most - 1].at + self.within - seen.now))
            return Verdict.faulty(
                f"{said}; over once that stops, {ends} from now at the soonest", *measures, faults=faults
            )
        return Verdict.healthy(f"{said}, and what should run runs", measure)


def _told(kills: Sequence[Kill], now: int) -> str:
    """Return what was killed, and how long ago the newest."""
    newest = kills[-1]
    ago = Duration(max(0, now - newest.at))
    times = (
        f"{len(kills)} processes were killed for want of memory, the newest"
        if len(kills) > 1
        else "killed for want of memory"
    )
    return f"{times}: {newest.in_words} at {as_text(newest.at)} UTC, {ago} ago"
