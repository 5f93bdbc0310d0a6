"""The systemd journal: its files, which of them are closed, and what it would give back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.disks import FileSystem, FileSystems, read_file_systems
from soleil_remediate.facts.files import RECORD, FileStat, parse_records
from soleil_remediate.facts.together import together
from soleil_remediate.units import ByteSize, MiB

ROOT = PurePosixPath("/var/log/journal")

#: No journal file is smaller: FILE_SIZE_INCREASE and JOURNAL_FILE_SIZE_MIN of systemd's journal-file.c.
SMALLEST = MiB(8)

# Names as systemd's journal-file.c gives them when it closes a file, well or after a crash; the last but one number is
# the time of the first entry, in microseconds, in hexadecimal.
_CLOSED = re.compile(r".+@[0-9a-f]{32}-[0-9a-f]{16}-(?P<began>[0-9a-f]{16})\.journal")
_LEFT = re.compile(r".+@(?P<began>[0-9a-f]{16})-[0-9a-f]{16}\.journal~")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFile:
    """One file of the journal.

    Args:
        began: When its first entry was made, in seconds since 1970; ``None`` for one that is being written.
    """

    file: FileStat
    began: int | None

    @property
    def is_archived(self) -> bool:
        """It is closed: only those are ever removed."""
        return self.began is not None


@dataclass(frozen=True, slots=True)
class FindJournalFiles(Query[tuple[JournalFile, ...]]):
    """The journal's files on disk, of every machine whose journal lies there; empty where none is kept on disk."""

    # 1: no journal on disk
    expects = frozenset({0, 1})
    empty_is = "no journal on disk, where find ended well or said so"

    @property
    def command(self) -> Command:
        return Command(
            (
                "find",
                str(ROOT),
                "-mindepth",
                "2",
                "-maxdepth",
                "2",
                "-type",
                "f",
                "-name",
                "*.journal*",
                "-printf",
                RECORD,
            )
        )

    def parse(self, output: Output) -> tuple[JournalFile, ...]:
        return tuple(_journal_file(file) for file in parse_records(output))


@dataclass(frozen=True, slots=True)
class ReadMachineId(Query[str]):
    """The name of the folder in which this machine's journal lies (machine-id(5))."""

    @property
    def command(self) -> Command:
        return Command(("cat", "/etc/machine-id"))

    def parse(self, output: Output) -> str:
        text = output.text.strip()
        if not re.fullmatch(r"[0-9a-f]{32}", text):
            raise ValueError("no machine id")
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """This machine's journal on disk.

    Args:
        folder: Where it lies.
        files: Oldest first, those being written last.
        file_system: Where that is; ``None`` where it is none that was measured.
    """

    folder: PurePosixPath
    files: tuple[JournalFile, ...]
    file_system: FileSystem | None

    @property
    def archived(self) -> ByteSize:
        return ByteSize(sum(one.file.allocated for one in self.files if one.is_archived))

    @property
    def active(self) -> ByteSize:
        return ByteSize(sum(one.file.allocated for one in self.files if not one.is_archived))

    @property
    def removable(self) -> ByteSize:
        """What could be given back: everything but the smallest files that must be there to be written to."""
        spare = (max(0, one.file.allocated - SMALLEST) for one in self.files if not one.is_archived)
        return ByteSize(self.archived + sum(spare))


async def read_journal(host: Reader) -> Journal:
    """Ask for this machine's journal; one round trip.

    Raises:
        FactError: It cannot be told.
    """
    file_systems, (files, machine) = await together(
        read_file_systems(host), host.ask_all(FindJournalFiles(), ReadMachineId())
    )
    return journal_of(files, machine, file_systems)


def journal_of(files: tuple[JournalFile, ...], machine: str, file_systems: FileSystems) -> Journal:
    """Return the journal of one machine among all that lie there."""
    folder = ROOT / machine
    own = sorted(
        (one for one in files if one.file.path.parent == folder),
        key=lambda one: (one.began is None, one.began, one.file.path),
    )
    return Journal(
        folder=folder,
        files=tuple(own),
        file_system=file_systems.holding(folder, own[0].file.device) if own else None,
    )


def _journal_file(file: FileStat) -> JournalFile:
    match = _CLOSED.fullmatch(file.path.name) or _LEFT.fullmatch(file.path.name)
    return JournalFile(file=file, began=int(match["began"], 16) // 10**6 if match else None)
