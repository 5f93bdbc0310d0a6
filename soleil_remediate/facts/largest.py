"""What takes the most room, as far as it can be told within a deadline."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query
from soleil_remediate.facts.files import RECORD, FileStat, parse_found, readable, records
from soleil_remediate.units import ByteSize, Duration, KiB

#: Deeper folders are counted in those above them.
_DEPTH = 4
#: So that what was found until the deadline is not lost in a buffer when the program is ended.
_UNBUFFERED = ("stdbuf", "-o0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder and what everything in it takes, other file systems left out.

    Args:
        amount: Bytes on the disk, or how many files.
    """

    path: PurePosixPath
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Folders, the largest first.

    Args:
        is_partial: There was no time for all of them, or some may not be looked into.
    """

    folders: tuple[Folder, ...]
    is_partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureFolders(Query[Folders]):
    """What the folders of one file system take.

    Args:
        mount: Where it is mounted.
        at_least: Smaller ones are left out.
        is_counting_files: Inodes are counted, not bytes.
        within: What was measured until then is the answer.
        also: More places where a part of it is mounted that cannot be reached from *mount*.
    """

    mount: PurePosixPath
    at_least: int
    within: Duration
    is_counting_files: bool = False
    also: tuple[PurePosixPath, ...] = ()
    # 1: some folders may not be looked into, or were removed meanwhile; 124: no time for more
    expects = frozenset({0, 1, TIMED_OUT})
    empty_is = "not one folder was measured in time; du ended well or was ended"

    @property
    def command(self) -> Command:
        what = "--inodes" if self.is_counting_files else "-B1"
        where = map(str, (self.mount, *self.also))
        return Command(
            (*_UNBUFFERED, "du", "-x", "-0", what, "-d", str(_DEPTH), "-t", str(self.at_least), "--", *where),
            deadline=self.within,
            output_limit=KiB(4096),
            is_slow=True,
        )

    def parse(self, output: Output) -> Folders:
        whole = output.stdout
        if output.exit_status == TIMED_OUT:
            whole = whole[: whole.rfind(b"\0") + 1]  # du was ended while it was writing
        folders = []
        for record in records(whole):
            amount, name = record.split(b"\t", 1)
            folders.append(Folder(path=PurePosixPath(readable(name)[0]), amount=int(amount)))
        folders.sort(key=lambda folder: (-folder.amount, folder.path))
        return Folders(folders=tuple(folders), is_partial=output.exit_status != 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Files, the largest first.

    Args:
        is_partial: There was no time for all of them, or some folders may not be looked into.
    """

    files: tuple[FileStat, ...]
    is_partial: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FindLargeFiles(Query[Files]):
    """The large files of one file system.

    Args:
        mount: Where it is mounted.
        larger_than: Smaller ones are left out; counted in whole KiB.
        within: What was found until then is the answer.
        also: More places where a part of it is mounted that cannot be reached from *mount*.
    """

    mount: PurePosixPath
    larger_than: ByteSize
    within: Duration
    also: tuple[PurePosixPath, ...] = ()
    # 1: some folders may not be looked into, or were removed meanwhile; 124: no time for more
    expects = frozenset({0, 1, TIMED_OUT})
    empty_is = "no large file, where find ended well or was ended"

    @property
    def command(self) -> Command:
        size, where = f"+{self.larger_than // 1024}k", map(str, (self.mount, *self.also))
        return Command(
            (*_UNBUFFERED, "find", *where, "-xdev", "-type", "f", "-size", size, "-printf", RECORD),
            deadline=self.within,
            output_limit=KiB(4096),
            is_slow=True,
        )

    def parse(self, output: Output) -> Files:
        files = parse_found(output.stdout, is_cut_short=output.exit_status == TIMED_OUT)
        once = {file.identity: file for file in files}.values()  # the same folder may be mounted at two of the places
        return Files(
            files=tuple(sorted(once, key=lambda file: (-file.allocated, file.path))),
            is_partial=output.exit_status != 0,
        )
