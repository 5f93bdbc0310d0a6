"""Who listens where: on ports, and on sockets that are files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration, MiB

#: What the kernel says listens, and which files of those are gone. Without root's rights a folder may be closed: then
#: none of its files is.
_LIST = Script(
    "list-listening",
    r"""said=$(ss -H -l -n -t -x -p) || exit
printf '%s\n' "$said" | grep -a ' LISTEN ' || :
printf '%s\n' "$said" | sed -nE 's#^u_[a-z]+ +LISTEN +[0-9]+ +[0-9]+ +(/.*) +[0-9]+ +[*] +[0-9]+.*$#\1#p' |
    while IFS= read -r path; do
        [ -S "$path" ] || ! [ -x "${path%/*}" ] || printf 'gone %s\n' "$path"
    done
printf 'end\n'
""",
)
_LINE = re.compile(
    r"(?P<net>tcp|u_str|u_seq) +LISTEN +(?P<waiting>\d+) +(?P<most>\d+) +(?P<at>\S.*?)"
    r" +(?:\d+ +\* +\d+|\S+:\*)(?: +users:\((?P<users>.*)\))? *"
)
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
        is_gone: It is a file, and there is none of that name any more: it was deleted, or renamed.
    """

    at: str
    programs: tuple[str, ...]
    processes: int
    waiting: int
    most: int
    is_gone: bool = False

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
        return Command(_LIST.bind(), deadline=Duration(5), output_limit=MiB(4))

    def parse(self, output: Output) -> tuple[Listening, ...]:
        *lines, end = output.text.splitlines()
        if end != "end":
            raise ValueError("it ends in the middle")
        gone = {line.removeprefix("gone ") for line in lines if line.startswith("gone ")}
        return tuple(_listening(line, gone) for line in lines if not line.startswith("gone "))


def _listening(line: str, gone: set[str]) -> Listening:
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
        is_gone=match["net"] != "tcp" and match["at"] in gone,
    )
