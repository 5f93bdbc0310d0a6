"""Prepared answers for reads, and captures of what a real host said."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soleil_remediate.command import Command, Output, Query, Read, Secret
from soleil_remediate.errors import FactError
from soleil_remediate.look import look

_CAPTURES = Path(__file__).parent / "captures"

NOT_THERE = Output(exit_status=127, stderr=b"sh: 1: not found\n")


def captured(name: str, *, status: int = 0, stderr: str = "") -> Output:
    """Return what a Debian 12 host with systemd, nginx, php-fpm and supervisor answered."""
    return Output(exit_status=status, stdout=(_CAPTURES / name).read_bytes(), stderr=stderr.encode())


def said(stdout: str | bytes = b"", *, status: int = 0, stderr: str = "") -> Output:
    """Return an answer made up for a test."""
    text = stdout.encode() if isinstance(stdout, str) else stdout
    return Output(exit_status=status, stdout=text, stderr=stderr.encode())


def complaint(path: str, why: str = "No such file or directory") -> str:
    """Return what find says about a file it cannot look at, with the quotation marks of C.UTF-8."""
    return f"find: \N{LEFT SINGLE QUOTATION MARK}{path}\N{RIGHT SINGLE QUOTATION MARK}: {why}\n"


def record(
    path: str | bytes,
    *,
    size: int = 100,
    allocated: int | None = None,
    inode: int = 10,
    links: int = 1,
    kind: str = "f",
    device: int = 1796,
    owner: str = "root",
    owner_id: int = 0,
    mode: str = "644",
    modified: int = 1_700_000_000,
) -> bytes:
    """Return one file as find prints it."""
    blocks = -(-(size if allocated is None else allocated) // 512)
    fields = (device, inode, links, owner_id, owner, "root", mode, kind, int(size), blocks, f"{modified}.1234567890")
    name = path.encode() if isinstance(path, str) else path
    return "\t".join(map(str, fields)).encode() + b"\t" + name + b"\0"


#: A host with a btrfs on /srv, full; 52 could be the device number of a subvolume there.
BTRFS = (
    ("mountinfo", said("27 1 254:0 / / rw - ext4 /dev/vda rw\n40 27 0:40 / /srv rw - btrfs /dev/vdb rw\n")),
    ("df", said("1B-blocks Used Avail Inodes IUsed IFree Mounted on\n9 4 5 10 4 6 /\n9 9 0 0 0 0 /srv\n")),
)


def extents(path: str, *, shared: int) -> str:
    """Return what filefrag -v of Debian 12 says of a file of which *shared* blocks are in a snapshot as well."""
    return f"""\
Filesystem type is: 9123683e
File size of {path} is 52428805 (12801 blocks of 4096 bytes)
 ext:     logical_offset:        physical_offset: length:   expected: flags:
   0:        0..    7679:      15616..     23295: {shared - 1:6}:             shared
   1:     7680..   12799:      23808..     28927:      1:      23296: encoded,shared
   2:    12800..   12800:          0..         0:      0:             last,unknown_loc,delalloc,eof
   3:    12801..   12802:       3328..      3329:      2:      28928: last,eof
{path}: 4 extents found
"""


def log_sample(head: str = "", tail: str = "", *, part: str = "", size: int = 1024**2) -> Output:
    """Return a sample of a log that begins and ends so, with the same *part* wherever it was looked at between."""
    between = "\0\0\0".join([part.ljust(8192)] * 6)
    return said(f"{head:1024}\0\0\0{between}\0\0\0{tail:\n>65536}\0\0\0{int(size)} /x.log\n")


@dataclass
class Prepared:
    """Answers commands by the first rule whose text stands in them."""

    rules: Sequence[tuple[str, Output | FactError]]
    rounds: list[list[str]] = field(default_factory=list)

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        self.rounds.append([str(command) for command in commands])
        return [self._answer(" ".join(command.words)) for command in commands]

    def _answer(self, text: str) -> Output | FactError:
        for part, answer in self.rules:
            if part in text:
                return answer
        raise AssertionError(f"nobody prepared an answer for: {text}")


def see(read: Read[Any], *rules: tuple[str, Output | FactError], most_rounds: int = 2) -> Any:
    """Return what a read sees, or raise what ended it."""
    host = Prepared(rules)
    (seen,) = look([read], host.ask)
    assert len(host.rounds) <= most_rounds
    if isinstance(seen, FactError):
        raise seen
    return seen


def run_here(command: Command) -> Output:
    """Run a command on this machine, as a session would: no shell, nothing on standard input but what it says."""
    stdin = command.stdin.reveal() if isinstance(command.stdin, Secret) else command.stdin or ""
    done = subprocess.run(
        [
            "timeout",
            str(float(command.deadline)),
            "env",
            "-u",
            "LC_ALL",
            "LANG=C",
            "LC_CTYPE=C.UTF-8",
            "TZ=UTC",
            *command.words,
        ],
        input=stdin.encode(),
        capture_output=True,
        check=False,
    )
    return Output(exit_status=done.returncode, stdout=done.stdout, stderr=done.stderr)


def ask_here(query: Query[Any]) -> Any:
    """Ask this machine."""
    return query.answer(run_here(query.command))
