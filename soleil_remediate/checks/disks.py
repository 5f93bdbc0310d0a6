"""Is there room on the file systems, in bytes and in inodes?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.disks import (
    FileSystem,
    FileSystems,
    UnreadFileSystem,
    inodes_on,
    read_file_systems,
    space_on,
)
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import ByteSize, MiB, Percent

#: With fewer inodes left than this, the next request that stores a few files fails.
INODES_NEEDED = 16


@dataclass(frozen=True, kw_only=True)
class DiskWritable(Check[FileSystems]):
    """See whether there is room for a user to write, in bytes and in inodes, and whether the kernel lets anybody write.

    What counts is what is left for that user: blocks reserved for root are no room for anybody else. Nothing is written
    to find out, so what else may keep one user from writing is not seen: permissions, and quotas. Where the mount
    options say that there are quotas, the verdict says that nobody looked at them; those of btrfs show nowhere.

    A file system that is mounted read only is not full: it does not count, unless it is the one named. One that the
    kernel stopped after an error is at fault, and nothing that frees space helps it. Remote file systems (NFS and the
    like) are left out, since a dead server would hang the question, and named.

    Args:
        user: Who must be able to write; ``root`` may use reserved blocks as well.
        mount: Where the one file system that counts is mounted; without it every real one counts.
        room: So much must be free; exactly so much is enough.
    """

    kind = "disk.writable"
    rounds = 1

    user: str
    mount: PurePosixPath | None = None
    room: ByteSize = MiB(1)

    async def read(self, host: Reader) -> FileSystems:
        return await _read(host, self.mount)

    def aim(self) -> str:
        return f"{self.user} can write{_on(self.mount)}"

    def judge(self, seen: FileSystems) -> Verdict:
        faults: set[str] = set()
        reasons: list[str] = []
        measures: list[Measure] = []
        counted = [one for one in seen if self.mount is not None or not one.is_read_only]
        for one in counted:
            found = self._faults_of(one)
            faults.update(found)
            if found:
                reasons.append(self._reason(one))
            measures += [
                Measure(label=f"{one.mount} used", value=str(one.share_used), is_faulty=space_on(one.mount) in found),
                Measure(
                    label=f"{self.user} can write to {one.mount}",
                    value="no" if found else "yes",
                    is_faulty=bool(found),
                ),
            ]
        healthy = f"{self.user} can write to {_all(counted)}{_unseen(seen)}"
        return _verdict(seen, counted, healthy, reasons, measures, faults)

    def room_on(self, one: FileSystem) -> ByteSize:
        """Return what is left there for the user."""
        return one.free if self.user == "root" else one.available

    def _faults_of(self, one: FileSystem) -> frozenset[str]:
        if not one.is_writable:
            return frozenset({f"read only {one.mount}"})
        faults = set()
        if self.room_on(one) < self.room:
            faults.add(space_on(one.mount))
        if one.inodes_free is not None and one.inodes_free < INODES_NEEDED:
            faults.add(inodes_on(one.mount))
        return frozenset(faults)

    def _reason(self, one: FileSystem) -> str:
        if one.is_stopped:
            return f"{one.mount} is not full: the kernel stopped all writing there after an error (see dmesg)"
        if one.is_read_only:
            return f"{one.mount} is not full: it is mounted read only"
        inodes = one.share_of_inodes_used
        return (
            f"{one.mount} {one.share_used} of {one.size}, {self.room_on(one)} free for {self.user}"
            f"{'' if inodes is None else f', inodes {inodes}'}"
        )


def _refuse_what_nothing_is_below(share: Percent) -> None:
    """Raise ValueError for a share that no repair could reach: every step would be taken for it."""
    if share <= 0:
        raise ValueError(f"nothing is below {share}")


@dataclass(frozen=True, kw_only=True)
class DiskUsed(Check[FileSystems]):
    """See whether file systems are used less than a share of what users may use, as df counts it.

    Those where nothing can be written, and so nothing removed, do not count.

    Args:
        below: The share; exactly so much used is too much.
        mount: Where the one file system that counts is mounted; without it every real one counts.
    """

    kind = "disk.used"
    rounds = 1

    below: Percent
    mount: PurePosixPath | None = None

    def __post_init__(self) -> None:
        _refuse_what_nothing_is_below(self.below)

    async def read(self, host: Reader) -> FileSystems:
        return await _read(host, self.mount)

    def aim(self) -> str:
        return f"used below {self.below}{_on(self.mount)}"

    def judge(self, seen: FileSystems) -> Verdict:
        counted = [one for one in seen if one.is_writable]
        over = [one for one in counted if one.share_used >= self.below]
        return _verdict(
            seen,
            counted,
            f"{_all(counted)} below {self.below}",
            [f"{one.mount} {one.share_used} of {one.size}, not below {self.below}" for one in over],
            [Measure(label=f"{one.mount} used", value=str(one.share_used), is_faulty=one in over) for one in counted],
            {space_on(one.mount) for one in over},
        )


@dataclass(frozen=True, kw_only=True)
class DiskInodes(Check[FileSystems]):
    """See whether less than a share of the inodes is used; file systems without a limit are always fine.

    Those where nothing can be written, and so nothing removed, do not count.

    Args:
        below: The share; exactly so much used is too much.
        mount: Where the one file system that counts is mounted; without it every real one counts.
    """

    kind = "disk.inodes"
    rounds = 1

    below: Percent
    mount: PurePosixPath | None = None

    def __post_init__(self) -> None:
        _refuse_what_nothing_is_below(self.below)

    async def read(self, host: Reader) -> FileSystems:
        return await _read(host, self.mount)

    def aim(self) -> str:
        return f"inodes below {self.below}{_on(self.mount)}"

    def judge(self, seen: FileSystems) -> Verdict:
        counted = [one for one in seen if one.is_writable]
        shares = [(one, one.share_of_inodes_used) for one in counted]
        over = [(one, share) for one, share in shares if share is not None and share >= self.below]
        return _verdict(
            seen,
            counted,
            f"inodes of {_all(counted)} below {self.below}",
            [f"{one.mount} inodes {share} of {one.inodes}, not below {self.below}" for one, share in over],
            [
                Measure(label=f"{one.mount} inodes used", value=str(share), is_faulty=share >= self.below)
                for one, share in shares
                if share is not None
            ],
            {inodes_on(one.mount) for one, _ in over},
        )


async def _read(host: Reader, mount: PurePosixPath | None) -> FileSystems:
    """Ask for the file systems that count."""
    seen = await read_file_systems(host)
    return seen if mount is None else seen.only(mount)


def _verdict(
    seen: FileSystems,
    counted: Sequence[FileSystem],
    healthy: str,
    reasons: Iterable[str],
    measures: Iterable[Measure],
    faults: Iterable[str],
) -> Verdict:
    """Faulty where there is a reason; unknown where one that counts was not measured, or none counts; else healthy."""
    reasons = tuple(reasons)
    if reasons:
        return Verdict.faulty("; ".join(reasons), *measures, faults=frozenset(faults))
    missing = [f"{one.mount}: {one.why}" for one in seen.unread if not one.is_remote]
    if missing:
        return Verdict.unknown("; ".join(missing), *measures)
    if not counted:
        return Verdict.unknown(f"nothing can be written to {_names(seen)}, full or not")
    remote = _names(seen.unread)
    return Verdict.healthy(f"{healthy}{f'; not looked at, as it is remote: {remote}' if remote else ''}", *measures)


def _on(mount: PurePosixPath | None) -> str:
    return "" if mount is None else f" on {mount}"


def _unseen(seen: FileSystems) -> str:
    """Return what a person should know beside a good verdict: what was left out, and what was not looked at."""
    left_out = _names(one for one in seen if one.is_read_only)
    quotas = _names(one for one in seen if one.has_quotas and one.is_writable)
    return "".join(
        (
            f"; mounted read only: {left_out}" if left_out else "",
            f"; quotas of {quotas} were not looked at" if quotas else "",
        )
    )


def _names(seen: Iterable[FileSystem | UnreadFileSystem]) -> str:
    return ", ".join(str(one.mount) for one in seen)


def _all(counted: Sequence[FileSystem]) -> str:
    """Return one or two by name; of more, how many: the measures name them all."""
    return _names(counted) if len(counted) <= 2 else f"all {len(counted)} file systems"
