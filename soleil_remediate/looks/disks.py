"""Show what fills the file systems, and when they will be full again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.deleted import DeletedFile, read_deleted
from soleil_remediate.facts.disks import FileSystem, FileSystems, read_file_systems, space_on
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.growth import GrowingLog, Growth, read_growth
from soleil_remediate.facts.largest import Files, FindLargeFiles, Folder, Folders, MeasureFolders
from soleil_remediate.facts.sizes import Growing, WatchSizes
from soleil_remediate.facts.together import together
from soleil_remediate.task import Forecast, Look, Shown, Table, Text
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

#: A deleted file that takes less explains nothing.
_WORTH_A_WORD = MiB(1)
#: Used more than this, a file system is worth a search.
_WORTH_A_SEARCH = 80
#: A search reads every folder: no more than this many file systems at once.
_MOST_SEARCHES = 2
#: A file or folder that takes less than one part in so many of its file system explains nothing.
_PARTS = 100
#: Two seconds of growth say nothing about a time further away than this.
_HORIZON = Duration(3 * 86400)
#: A log that has said nothing for this long does not grow.
_QUIET = Duration(3600)
#: With less room than this a file system is full, as disk.writable has it: xfs and btrfs never count to the last byte.
_ROOM = MiB(1)
#: What was last written before this did not fill the disk that is full now.
_LONG_AGO = Duration(7 * 86400)
#: Nobody has to be woken by what is further ahead.
_FAR_AHEAD = Duration(30 * 86400)


@dataclass(frozen=True, kw_only=True)
class DiskOverview(Look[FileSystems]):
    """Show every real file system: size, use, what is left for users other than root, and inodes."""

    kind = "disk.overview"
    rounds = 1
    title: ClassVar[str] = "File systems"

    async def read(self, host: Reader) -> FileSystems:
        return await read_file_systems(host)

    def show(self, seen: FileSystems) -> Shown:
        measured = [
            (
                str(one.mount),
                one.type,
                str(one.size),
                str(one.share_used),
                str(one.available),
                str(ByteSize(max(0, one.free - one.available))),
                "no limit" if one.share_of_inodes_used is None else str(one.share_of_inodes_used),
                "stopped after an error" if one.is_stopped else "read only" if one.is_read_only else "",
            )
            for one in seen
        ]
        unread = [(str(one.mount), one.why, "", "", "", "", "", "not measured") for one in seen.unread]
        return Table(
            columns=("mounted at", "type", "size", "used", "free for users", "for root", "inodes", ""),
            rows=(*measured, *unread),
            align="llrrrrrl",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What was found on one file system; each part on its own may be a FactError."""

    file_system: FileSystem
    folders: Folders | FactError
    files: Files | FactError
    counts: Folders | FactError | None


@dataclass(frozen=True, kw_only=True)
class DiskLargest(Look[tuple[Searched, ...]]):
    """Show the largest folders and files of the fullest file systems, as far as the time allows.

    File systems above 80 % are searched, in bytes or in inodes, two at most; without one, the fullest. Large files
    that nobody knows are shown like any other: what they are for is for a person to say. A subvolume of btrfs is looked
    into where it is mounted by itself.

    Args:
        top: So many folders and so many files a file system.
        within: What was found until then is shown, and said to be partial.
    """

    kind = "disk.largest"
    rounds = 2
    title: ClassVar[str] = "What takes most"

    top: int = 10
    within: Duration = Duration(10)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError("top must be 1 or more")

    async def read(self, host: Reader) -> tuple[Searched, ...]:
        chosen = _worth_a_search(await read_file_systems(host))
        short = [one for one in chosen if _is_short_of_inodes(one)]
        files, folders, counts = await together(
            host.ask_each([self._files(one) for one in chosen]),
            host.ask_each([self._folders(one) for one in chosen]),
            host.ask_each([self._counts(one) for one in short]),
        )
        counted = dict(zip((one.mount for one in short), counts, strict=True))
        return tuple(
            Searched(file_system=one, folders=sizes, files=found, counts=counted.get(one.mount))
            for one, sizes, found in zip(chosen, folders, files, strict=True)
        )

    def _files(self, one: FileSystem) -> FindLargeFiles:
        larger_than = ByteSize(one.size // _PARTS)
        return FindLargeFiles(mount=one.mount, larger_than=larger_than, within=self.within, also=_out_of_reach(one))

    def _folders(self, one: FileSystem) -> MeasureFolders:
        at_least = one.size // _PARTS
        return MeasureFolders(mount=one.mount, at_least=at_least, within=self.within, also=_out_of_reach(one))

    def _counts(self, one: FileSystem) -> MeasureFolders:
        at_least = one.inodes_used // _PARTS
        return MeasureFolders(
            mount=one.mount,
            at_least=at_least,
            within=self.within,
            is_counting_files=True,
            also=_out_of_reach(one),
        )

    def show(self, seen: tuple[Searched, ...]) -> Shown:
        rows: list[tuple[str, ...]] = []
        for one in seen:
            rows += _file_rows(one.files, self.top, self.within)
            rows += _folder_rows(one.folders, one.file_system, self.top, self.within)
            if one.counts is not None:
                rows += _folder_rows(one.counts, one.file_system, self.top, self.within, is_counting_files=True)
        if not rows:
            where = ", ".join(str(one.file_system.mount) for one in seen)
            return Text(lines=(f"no file and no folder takes {Percent(100 / _PARTS)} of {where}",))
        return Table(columns=("", "takes", "path", "owner", "changed (UTC)"), rows=tuple(rows), align="lrlll")


@dataclass(frozen=True, kw_only=True)
class DiskDeletedOpen(Look[tuple[DeletedFile, ...]]):
    """Show deleted files whose space does not come free, 1 MiB and more of it, and who holds them.

    Args:
        top: So many of the largest.
    """

    kind = "disk.deleted-open"
    rounds = 2
    title: ClassVar[str] = "Deleted, but still open"

    top: int = 10

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError("top must be 1 or more")

    async def read(self, host: Reader) -> tuple[DeletedFile, ...]:
        return await read_deleted(host)

    def show(self, seen: tuple[DeletedFile, ...]) -> Shown:
        large = [one for one in seen if one.allocated >= _WORTH_A_WORD]
        if not large:
            return Text(lines=(f"no deleted file that is still open takes {_WORTH_A_WORD}",))
        rows = [
            (str(one.allocated), str(one.file_system.mount), str(one.path), _holders(one)) for one in large[: self.top]
        ]
        return Table(columns=("takes", "on", "was called", "held by"), rows=tuple(rows), align="rlll")


@dataclass(frozen=True, kw_only=True)
class DiskLogs(Look[Growth]):
    """Show the largest logs and how fast they grow, by the times in their own newest lines.

    Looks into /var/log, /srv, /var/www, /home and /opt for names that logs have, of more than 1 MiB.

    Args:
        top: So many of the largest.
        within: What was found until then is shown, and said to be partial.
    """

    kind = "disk.logs"
    rounds = 2
    title: ClassVar[str] = "Largest logs"

    top: int = 10
    within: Duration = Duration(10)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError("top must be 1 or more")

    async def read(self, host: Reader) -> Growth:
        return await read_growth(host, top=self.top, within=self.within)

    def show(self, seen: Growth) -> Shown:
        rows = [
            (
                str(log.file.content),
                _grew_by(log),
                "" if log.until is None else as_text(log.until),
                str(log.file.path),
            )
            for log in seen.logs
        ]
        if seen.is_partial:
            rows.append(("", "", "", _partly(self.within)))
        if not rows:
            return Text(lines=("no log takes more than 1 MiB",))
        return Table(columns=("takes", "grew by", "last line (UTC)", "log"), rows=tuple(rows), align="rrll")


@dataclass(frozen=True, kw_only=True)
class DiskForecast(Look[Growth]):
    """Show when file systems will be full, if their logs go on growing as steadily as their own lines say they did.

    A rate is what a log kept up for a minute at least; a burst has none, and is shown as what it was. A log that has
    been silent for an hour, or for longer than it was seen to grow, does not count. On a full file system it may be
    silent only because nothing can be written: there it is shown how it grew until then. What else grows is not seen,
    so this is the latest time, not the earliest.

    Args:
        top: So many of the largest logs are looked at.
        within: Logs found until then are counted.
    """

    kind = "disk.forecast"
    rounds = 2
    title: ClassVar[str] = "Full again"

    top: int = 10
    within: Duration = Duration(10)

    def __post_init__(self) -> None:
        if self.top < 1:
            raise ValueError("top must be 1 or more")

    async def read(self, host: Reader) -> Growth:
        return await read_growth(host, top=self.top, within=self.within)

    def show(self, seen: Growth) -> Shown:
        lines = [line for one in seen.file_systems if (line := _forecast(one, seen))]
        if seen.is_partial:
            lines.append(f"not all logs could be seen {_for_want(self.within)}: others may grow as well")
        return Text(lines=tuple(lines) or ("no large log says that it grows",))

    async def follow(self, host: Reader, seen: Growth) -> tuple[Forecast, ...]:
        """Measure for two seconds how fast the same logs grow now, and when their file systems are full by that.

        What would take longer than three days is not said: two seconds do not tell so much.
        """
        if not seen.logs:
            return ()
        file_systems, watched = await together(
            read_file_systems(host), host.ask(WatchSizes(tuple(log.file.path for log in seen.logs)))
        )
        return tuple(
            forecast
            for one in file_systems
            if (forecast := _full_again(one, _growing_on(one, file_systems, watched))) is not None
        )


def _worth_a_search(seen: FileSystems) -> tuple[FileSystem, ...]:
    fullest = sorted(seen, key=lambda one: (-_fullness(one), one.mount))
    above = [one for one in fullest if _fullness(one) >= _WORTH_A_SEARCH]
    return tuple((above or fullest[:1])[:_MOST_SEARCHES])


def _fullness(one: FileSystem) -> float:
    return max(one.share_used, one.share_of_inodes_used or 0)


def _out_of_reach(one: FileSystem) -> tuple[PurePosixPath, ...]:
    """Return where else a search must begin: what keeps to one file system leaves out other subvolumes of btrfs."""
    return tuple(place for place in one.aliases if place != one.mount) if one.type == "btrfs" else ()


def _is_short_of_inodes(one: FileSystem) -> bool:
    return (one.share_of_inodes_used or 0) >= _WORTH_A_SEARCH


def _file_rows(found: Files | FactError, top: int, within: Duration) -> list[tuple[str, ...]]:
    if isinstance(found, FactError):
        return [("file", "", f"unknown: {found}", "", "")]
    rows: list[tuple[str, ...]] = [_file_row(file) for file in found.files[:top]]
    return [*rows, ("", "", _partly(within), "", "")] if found.is_partial else rows


def _file_row(file: FileStat) -> tuple[str, ...]:
    return ("file", str(file.allocated), str(file.path), file.owner, as_text(file.modified))


def _folder_rows(
    found: Folders | FactError, one: FileSystem, top: int, within: Duration, *, is_counting_files: bool = False
) -> list[tuple[str, ...]]:
    if isinstance(found, FactError):
        return [("folder", "", f"unknown: {found}", "", "")]
    below = [folder for folder in found.folders if folder.path not in one.aliases and not _is_explained(folder, found)][
        :top
    ]
    rows: list[tuple[str, ...]] = [
        (
            "folder",
            f"{folder.amount} inodes" if is_counting_files else str(ByteSize(folder.amount)),
            str(folder.path),
            "",
            "",
        )
        for folder in below
    ]
    return [*rows, ("", "", _partly(within), "", "")] if found.is_partial else rows


def _is_explained(folder: Folder, found: Folders) -> bool:
    """Nearly all of it is in one folder below it: that one says more."""
    return any(folder.path in other.path.parents and other.amount * 10 >= folder.amount * 9 for other in found.folders)


def _partly(within: Duration) -> str:
    return f"and perhaps more: not all could be seen {_for_want(within)}"


def _for_want(within: Duration) -> str:
    return f"(within {within}, or for want of rights)"


def _holders(one: DeletedFile) -> str:
    names = {
        f"{holder.process.name} ({holder.process.pid})" if holder.process else f"process {holder.descriptor.pid}"
        for holder in one.holders
    }
    return ", ".join(sorted(names))


def _growing_on(
    one: FileSystem, all_of_them: FileSystems, watched: Mapping[PurePosixPath, Growing]
) -> dict[PurePosixPath, float]:
    """Return the logs on one file system that grow, and by how many bytes a second."""
    return {
        path: log.rate for path, log in watched.items() if log.rate > 0 and all_of_them.holding(path, log.device) == one
    }


def _full_again(one: FileSystem, growing: Mapping[PurePosixPath, float]) -> Forecast | None:
    """Return when a file system that has room is full; ``None`` where that is far away, or nothing grows there."""
    rate = sum(growing.values())
    if one.available == 0 or one.available > rate * _HORIZON:
        return None
    return Forecast(
        subject=space_on(one.mount),
        about=f"{one.mount} is full again",
        within=Duration(one.available / rate),
        because=f"{_named(tuple(growing))} {'grows' if len(growing) == 1 else 'grow'} by {_rate(rate)}",
    )


def _named(paths: Sequence[PurePosixPath]) -> str:
    more = f" and {len(paths) - 2} more" if len(paths) > 2 else ""
    return f"{', '.join(map(str, paths[:2]))}{more}"


def _grew_by(log: GrowingLog) -> str:
    """Return how a log grew: steadily, in a burst, or nothing where it does not say."""
    if log.rate is not None:
        return _rate(log.rate)
    return "" if log.took is None else f"{log.grown} within {log.took}"


def _rate(rate: float) -> str:
    """Return bytes a second for people, in the unit in which it is no tiny number."""
    if rate * 60 >= MiB(1):
        return f"{ByteSize(round(rate * 60))}/min"
    return f"{ByteSize(round(rate * 3600))}/h"


def _forecast(one: FileSystem, seen: Growth) -> str:
    """Return what is to be said about one file system; nothing where no log grows there."""
    there = [log for log in seen.logs if seen.file_systems.holding(log.file.path, log.file.device) == one]
    if not one.is_writable:
        return ""
    if one.available < _ROOM:
        return _until_full(one, [log for log in there if _may_have_filled(log, seen.now)])
    growing = [log for log in there if _is_growing(log, seen.now)]
    steady = {log: log.rate for log in growing if log.rate is not None}
    if not steady:
        bursts = [f"{log.file.path} grew by {_grew_by(log)}" for log in growing if log.took is not None]
        return f"no forecast for {one.mount}: {'; '.join(bursts[:2])}, which is no rate" if bursts else ""
    rate = sum(steady.values())
    since = as_text(max(log.since for log in steady if log.since is not None))
    names = _named([log.file.path for log in steady])
    grow = f"{names} {'grows' if len(steady) == 1 else 'grow'} by {_rate(rate)} since {since}"
    if one.available > rate * _FAR_AHEAD:
        return f"no steady log fills {one.mount} within {_FAR_AHEAD}: {grow}"
    sooner = " or sooner" if len(growing) > len(steady) else ""
    return f"{one.mount} full in about {Duration(one.available / rate)}{sooner}: {grow}"


def _until_full(one: FileSystem, logs: Iterable[GrowingLog]) -> str:
    """Return how the logs on a full file system grew until nothing could be written, the fastest first."""
    grew: list[tuple[float, str]] = []
    for log in logs:
        if log.took is not None and log.since is not None and log.until is not None:
            when = f"at {as_text(log.until)}" if log.rate is None else f"{as_text(log.since)} to {as_text(log.until)}"
            grew.append((log.grown / log.took, f"{log.file.path} grew by {_grew_by(log)}, {when}"))
    fastest = "; ".join(said for _, said in sorted(grew, reverse=True)[:2])
    return f"no forecast while {one.mount} is full; until then {fastest}" if fastest else ""


def _is_growing(log: GrowingLog, now: int) -> bool:
    """It was written lately: its silence is short, beside an hour and beside the time for which it was seen to grow."""
    silent = now - log.file.modified
    is_short = log.rate is None or log.took is None or silent <= log.took
    return silent <= _QUIET and is_short and not log.is_rotated


def _may_have_filled(log: GrowingLog, now: int) -> bool:
    return now - log.file.modified <= _LONG_AGO and not log.is_rotated
