"""Show how services are, what they and the application said last, and what the host has left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.lines import LastWords, NewestLogged
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.facts.services import Services, read_services, read_units, refuse_unless_unit
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Look, Shown, Table, Text
from soleil_remediate.units import ByteSize

#: A line of a log that is longer is cut: it is to say what it is about, not what it holds.
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class ServiceOverview(Look[Services]):
    """Show some services: how they are, since when, and whether they could start again.

    Args:
        units: Names of units; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "service.overview"
    title: ClassVar[str] = "Services"

    units: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse_unless_unit(*self.units)

    async def read(self, host: Reader) -> Services:
        return await read_services(host, self.units, tested=self.units)

    def show(self, seen: Services) -> Shown:
        rows = []
        for unit in seen:
            match seen.tests.get(unit.name):
                case None:
                    test = ""
                case FactError():
                    test = "not tested"
                case result:
                    test = "good" if result.is_good else "BROKEN"
            since = "" if unit.since is None else as_text(unit.since)
            again = f", {unit.restarts} restarts" if unit.restarts else ""
            rows.append((unit.name, f"{unit.in_words}{again}", since, test))
        if not rows:
            return Text(lines=("there is none of them",))
        return Table(columns=("unit", "is", "since (UTC)", "config"), rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class ServiceLastWords(Look[tuple[tuple[str, tuple[str, ...] | FactError], ...]]):
    """Show what the journal has last of services that should run and do not.

    Args:
        units: Names of units; ``*`` and ``?`` stand for what they do in a shell.
        lines: So many of the newest.
    """

    kind = "service.last-words"
    title: ClassVar[str] = "Last words of what is down"

    units: tuple[str, ...]
    lines: int = 3

    def __post_init__(self) -> None:
        refuse_unless_unit(*self.units)
        if not 1 <= self.lines <= 100:
            raise ValueError("lines must be from 1 to 100")

    async def read(self, host: Reader) -> tuple[tuple[str, tuple[str, ...] | FactError], ...]:
        seen = await read_units(host, self.units)
        down = [unit.name for unit in seen if unit.is_wanted and not unit.is_running]
        said = await host.ask_each([LastWords(name, self.lines) for name in down])
        return tuple(zip(down, said, strict=True))

    def show(self, seen: tuple[tuple[str, tuple[str, ...] | FactError], ...]) -> Shown:
        if not seen:
            return Text(lines=("none of them is down",))
        return Text(lines=tuple(line for name, said in seen for line in (name, *_indented(said))))


@dataclass(frozen=True, kw_only=True)
class LogNewest(Look[tuple[tuple[PurePosixPath, tuple[str, ...] | FactError | None], ...]]):
    """Show the newest lines of some logs, the beginning of each.

    Lines may hold what users sent: they are shown and kept with the run, for its owner alone.

    Args:
        logs: The logs on the host, absolute; of one that is begun anew every day the newest is read.
        lines: So many of the newest of each.
    """

    kind = "log.newest"
    rounds = 1
    title: ClassVar[str] = "Newest lines"

    logs: tuple[PurePosixPath, ...]
    lines: int = 3

    def __post_init__(self) -> None:
        refuse_unless_absolute(*self.logs)
        if not 1 <= self.lines <= 100:
            raise ValueError("lines must be from 1 to 100")

    async def read(self, host: Reader) -> tuple[tuple[PurePosixPath, tuple[str, ...] | FactError | None], ...]:
        said = await host.ask_each([NewestLogged(log, self.lines) for log in self.logs])
        if said and isinstance(said[0], FactError) and len(said) == 1:
            raise said[0]
        return tuple(one if isinstance(one, tuple) else (log, one) for log, one in zip(self.logs, said, strict=True))

    def show(self, seen: tuple[tuple[PurePosixPath, tuple[str, ...] | FactError | None], ...]) -> Shown:
        return Text(lines=tuple(line for log, said in seen for line in (str(log), *_indented(said))))


def _indented(said: tuple[str, ...] | FactError | None) -> tuple[str, ...]:
    if said is None:
        return ("  is not there",)
    if isinstance(said, FactError):
        return (f"  unknown: {said}",)
    shown = map(redacted, said)
    return tuple(f"  {line[:_LONGEST]}{'…' if len(line) > _LONGEST else ''}" for line in shown) or ("  says nothing",)


@dataclass(frozen=True, kw_only=True)
class ResourceOverview(Look[Resources]):
    """Show memory and load; in a container these may be the machine's."""

    kind = "resource.overview"
    rounds = 1
    title: ClassVar[str] = "Memory and load"

    async def read(self, host: Reader) -> Resources:
        return await host.ask(ReadResources())

    def show(self, seen: Resources) -> Shown:
        swap = f", swap {ByteSize(seen.swap - seen.swap_free)} of {seen.swap} used" if seen.swap else ", no swap"
        return Text(
            lines=(
                f"memory {seen.available} of {seen.memory} available{swap}",
                f"load {' '.join(seen.load)} over 1, 5 and 15 min; {seen.running} processes run",
            )
        )
