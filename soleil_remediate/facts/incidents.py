"""Incidents: whether one is open on a host, so that nothing is cleared away there that may be evidence of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query

#: A link that leads nowhere: its target says which incident is open, and since when. A short link takes no free block,
#: so it can be made on a full disk (ext4), at once and by one alone, and survives a restart. Only root can change it.
MARK = PurePosixPath("/var/lib/soleil-remediate-incident")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", re.ASCII)
_TARGET = re.compile(rf"({_NAME.pattern})@(\d{{1,12}})", re.ASCII)


def refuse_unless_incident(name: str) -> None:
    """Do nothing where *name* can be an incident's.

    Raises:
        ValueError: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:80]!r} is no incident's name: up to 32 letters, digits, dots, dashes, underscores, such as INC-42"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """An incident that is open on a host.

    Args:
        name: As whoever opened it called it.
        since: By the host's clock, in seconds since 1970.
    """

    name: str
    since: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class ReadIncident(Query[Incident | None]):
    """The incident that is open on a host; ``None`` where none is. The folder is told as well: so the answer is one."""

    @property
    def command(self) -> Command:
        words = (
            "-maxdepth",
            "1",
            "(",
            "-path",
            str(MARK.parent),
            "-o",
            "-name",
            MARK.name,
            ")",
            "-printf",
            r"%y\t%l\n",
        )
        return Command(("find", "-H", str(MARK.parent), *words))

    def parse(self, output: Output) -> Incident | None:
        if output.error_text:
            raise ValueError(output.error_text[:200])
        if output.text == "d\t\n":
            return None
        found = re.fullmatch(rf"d\t\nl\t{_TARGET.pattern}\n", output.text, re.ASCII)
        if found is None:
            raise ValueError(f"{MARK} says of no incident that it is open")
        return Incident(name=found[1], since=int(found[2]))
