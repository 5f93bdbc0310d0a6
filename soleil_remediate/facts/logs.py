"""Logs: which they are, who writes them and how, and how long their newest lines are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.extents import read_shared
from soleil_remediate.facts.files import FileStat, FindNamed, ResolvePaths
from soleil_remediate.facts.processes import Descriptor, FindOpenFiles, read_descriptors
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Script
from soleil_remediate.units import ByteSize, Duration

#: How many bytes the newest $2 lines of $1 have; tail reads from the end, and only as far as it must.
MEASURE_NEWEST_LINES = Script("measure-newest-lines", 'set -eu\ntail -n "$2" -- "$1" | wc -c\n')


@dataclass(frozen=True, slots=True)
class MeasureNewestLines(Query[ByteSize]):
    """How many bytes a file's newest lines have."""

    path: PurePosixPath
    lines: int

    @property
    def command(self) -> Command:
        return Command(MEASURE_NEWEST_LINES.bind(self.path, self.lines), deadline=Duration(5))

    def parse(self, output: Output) -> ByteSize:
        size = ByteSize(int(output.text))
        if not size:
            raise ValueError("not a single line")  # of a file that was seen not to be empty: tail failed
        return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log, and everything that decides whether it may be cut.

    Args:
        file: What was found, by the name that was asked for.
        path: Its real name: another one where a symlink was on the way.
        writers: The descriptors through which it is being written.
        newest_lines: How long those lines are that must stay; a FactError where that was not to be told, ``None``
            where it was not asked.
        shared: How much of it another file has as well, so that it does not come free; nothing also where that was not
            to be told.
    """

    file: FileStat
    path: PurePosixPath
    writers: tuple[Descriptor, ...]
    newest_lines: ByteSize | FactError | None
    shared: ByteSize = ByteSize(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsSeen:
    """The logs one path stands for, and the file systems they lie on."""

    file_systems: FileSystems
    logs: tuple[Log, ...]


async def read_logs(host: Reader, path: PurePosixPath, *, lines: int, larger_than: ByteSize) -> LogsSeen:
    """Ask for the logs *path* stands for; the newest *lines* of those that take more than *larger_than* are measured.

    Raises:
        FactError: What is there, or who has it open, cannot be told.
    """
    file_systems, (files, real), (open_files,) = await together(
        read_file_systems(host),
        host.ask_all(FindNamed((path,)), ResolvePaths((path.parent,))),
        host.ask_each([FindOpenFiles((f"*/{path.name}",))]),
    )
    large = [file for file in files if file.is_regular and file.content > larger_than and file.is_named_plainly]
    if not large:
        open_files = ()  # who writes a log that is left alone need not be known: that takes root
    elif isinstance(open_files, FactError):
        raise open_files
    folder = real[path.parent]
    named = {file.path: folder / file.path.name for file in large}
    descriptors, measured, shared = await together(
        read_descriptors(host, open_files),
        host.ask_each([MeasureNewestLines(path, lines) for path in named.values()]),
        read_shared(host, [(named[file.path], file.device) for file in large], file_systems),
    )
    newest = dict(zip(named, measured, strict=True))
    return LogsSeen(
        file_systems=file_systems,
        logs=tuple(
            Log(
                file=file,
                path=folder / file.path.name,
                writers=tuple(one for one in descriptors if one.identity == file.identity and one.is_written),
                newest_lines=newest.get(file.path),
                shared=shared.get(folder / file.path.name, ByteSize(0)),
            )
            for file in files
        ),
    )
