"""Who listens where: on ports, and on sockets that are files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable, records
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration, MiB

_LINE = re.compile(
    r"(?P<net>tcp|u_str|u_seq) +LISTEN +(?P<waiting>\d+) +(?P<most>\d+) +(?P<at>\S.*?)"
    r" +(?:\d+ +\* +\d+|\S+:\*)(?: +users:\((?P<users>.*)\))? *"
)
#: One that is bound and takes no connections.
_OTHER = re.compile(r"u_\w+ +(?!LISTEN )[A-Z]+ +\d+ +\d+ +\S")
_NAME = re.compile(r'\("((?:[^"\\]|\\.)*)",pid=(\d+),')


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A socket that somebody listens on.

    Args:
        at: An address with its port, or the path of a file; ``@`` begins a name that is no file.
        programs: What has it, by the names of the processes; empty where this login may not see that.
        processes: How many.
        waiting: How many connections nobody has taken yet.
        most: How many may wait.
    """

    at: str
    programs: tuple[str, ...]
    processes: int
    waiting: int
    most: int

    @property
    def is_file(self) -> bool:
        return self.at.startswith("/")

    @property
    def is_port(self) -> bool:
        return not self.at.startswith(("/", "@"))


@dataclass(frozen=True, slots=True)
class ListListening(Query[tuple[Listening, ...]]):
    """Every socket of the host that somebody listens on."""

    @property
    def command(self) -> Command:
        return Command(("ss", "-H", "-l", "-n", "-t", "-x", "-p"), deadline=Duration(5), output_limit=MiB(4))

    def parse(self, output: Output) -> tuple[Listening, ...]:
        lines = [line for line in output.text.splitlines() if not _OTHER.match(line)]
        return tuple(_listening(line) for line in lines)


def _listening(line: str) -> Listening:
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"no socket: {redacted(line)[:80]!r}")
    users = _NAME.findall(match["users"] or "")
    return Listening(
        at=match["at"],
        programs=tuple(dict.fromkeys(name for name, _ in users)),
        processes=len({pid for _, pid in users}),
        waiting=int(match["waiting"]),
        most=int(match["most"]),
    )


@dataclass(frozen=True, slots=True)
class FindSockets(Query[frozenset[PurePosixPath]]):
    """The sockets that there are as files in one folder.

    Args:
        folder: A link to one is followed.
    """

    folder: PurePosixPath
    # 1: there is no such folder
    expects = frozenset({0, 1})
    empty_is = "no socket, where find said so"

    @property
    def command(self) -> Command:
        return Command(("find", "-H", str(self.folder), "-maxdepth", "1", "-type", "s", "-printf", r"%p\0"))

    def parse(self, output: Output) -> frozenset[PurePosixPath]:
        if output.exit_status:
            only_missing(output)
        found = frozenset(PurePosixPath(readable(record)[0]) for record in records(output.stdout))
        if others := [path for path in found if path.parent != self.folder]:
            raise ValueError(f"{others[0]} is not in {self.folder}")
        return found
