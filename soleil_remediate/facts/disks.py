"""File systems: how full they are, in bytes and in inodes, and for whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.units import ByteSize, KiB, Percent

#: File systems that hold somebody's files. What is none of these is real only on a block device, or as the root.
_LOCAL = frozenset(
    "bcachefs btrfs exfat ext2 ext3 ext4 f2fs fuseblk gfs2 hfsplus jfs msdos nilfs2 ntfs ntfs3 ocfs2 reiserfs ufs "
    "vfat xfs zfs".split()
)
#: A server that does not answer would hang whoever asks for its free space (df -l leaves them out as well).
_REMOTE = frozenset(
    "9p afs beegfs ceph cifs fuse.ceph-fuse fuse.glusterfs fuse.s3fs fuse.sshfs glusterfs lustre ncpfs nfs nfs4 smb3 "
    "smbfs virtiofs".split()
)
#: Made full and read only: always at 100 %, never at fault.
_IMAGES = frozenset("cramfs erofs iso9660 romfs squashfs udf".split())

#: What is free there beyond what users may use is for nobody, root included: btrfs and f2fs count what is set aside for
#: their own tables and for cleaning up. On others it is reserved for root.
_SETTING_ASIDE = frozenset(("btrfs", "f2fs"))
#: xfs makes inodes of free blocks as it needs them, of 2 KiB at most: with the blocks goes the number that df -i shows.
#: Only where there are fewer than the free blocks would hold, its own limit (imaxpct) is reached.
_LARGEST_XFS_INODE = KiB(2)
#: What a kernel shows of a file system that it stopped after an error (ext4 since Linux 6.15); before, and elsewhere,
#: the file system itself is read only while it is still mounted for writing.
_STOPPED = frozenset(("emergency_ro", "shutdown"))
#: How a file system shows that it may refuse a user what others may still write (ext4 and xfs; btrfs does not show it).
_QUOTAS = re.compile(r"quota|(usr|grp|prj)quota|(usr|grp)jquota=.+")

#: Places for the system's own use: a real file system that shows here only is a file lent to a container, not a disk.
_SYSTEM_PLACES = tuple(map(PurePosixPath, ("/dev", "/proc", "/run", "/sys")))

_OCTAL = re.compile(rb"\\([0-7]{3})")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_USAGE_COLUMNS = "size,used,avail,itotal,iused,iavail,target"


def space_on(mount: PurePosixPath) -> str:
    """Return how checks name missing space on the file system mounted there, and changes what they give back."""
    return f"space on {mount}"


def inodes_on(mount: PurePosixPath) -> str:
    """Return how checks name missing inodes on the file system mounted there, and changes what they give back."""
    return f"inodes on {mount}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """One file system and how full it is.

    Args:
        mount: Where it is mounted; of several places the one that shows its root, then the shortest.
        aliases: Every place where it, or a part of it, is mounted.
        device: Its device number, as stat(2) gives it.
        type: Such as ``ext4``.
        is_read_only: It is mounted so on purpose, the file system itself and not only one view of it.
        is_stopped: The kernel lets nobody write any more, after an error, though it is mounted for writing.
        has_quotas: It may refuse one user what others may still write.
        size: All of it.
        used: What files take.
        available: What a user other than root may still write; less than size - used where blocks are reserved.
        inodes: How many files it can hold; ``None`` where it has no such limit (btrfs, vfat), or none but its free
            space (xfs, unless its own limit is reached).
        inodes_used: How many it holds.
    """

    mount: PurePosixPath
    aliases: tuple[PurePosixPath, ...]
    device: int
    type: str
    is_read_only: bool
    is_stopped: bool
    has_quotas: bool
    size: ByteSize
    used: ByteSize
    available: ByteSize
    inodes: int | None
    inodes_used: int

    @property
    def is_writable(self) -> bool:
        """Anything can change there, for the worse and for the better."""
        return not self.is_read_only and not self.is_stopped

    @property
    def free(self) -> ByteSize:
        """What root may still write: reserved blocks included."""
        return self.available if self.type in _SETTING_ASIDE else ByteSize(max(0, self.size - self.used))

    @property
    def share_used(self) -> Percent:
        """Used of what users may use, rounded up, as df prints it."""
        return _share(self.used, self.used + self.available)

    @property
    def inodes_free(self) -> int | None:
        """How many more files fit; ``None`` without a limit."""
        return None if self.inodes is None else self.inodes - self.inodes_used

    @property
    def share_of_inodes_used(self) -> Percent | None:
        """Used of all inodes, rounded up, as df -i prints it; ``None`` without a limit."""
        return None if self.inodes is None else _share(self.inodes_used, self.inodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadFileSystem:
    """A file system that is there and was not measured.

    Args:
        mount: Where it is mounted.
        why: Such as ``remote (nfs4)``.
        is_remote: It is left out on purpose; any other should have been read and could not be.
    """

    mount: PurePosixPath
    why: str
    is_remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystems:
    """Every real file system of a host, each once, by mount point.

    Args:
        all: Those that were measured.
        unread: Those that were not.
        places: Every mount point and the device visible there, those that are not real included.
        mounts: The numbers of all mounts, and the device behind each.
    """

    all: tuple[FileSystem, ...]
    unread: tuple[UnreadFileSystem, ...] = ()
    places: tuple[tuple[PurePosixPath, int], ...] = ()
    mounts: tuple[tuple[int, int], ...] = ()

    def __iter__(self) -> Iterator[FileSystem]:
        return iter(self.all)

    def mounted_at(self, mount: PurePosixPath) -> FileSystem:
        """Return the one mounted there, by any of its places.

        Raises:
            NotOnHost: None is.
            FactError: It could not be measured.
        """
        for one in self.all:
            if mount in one.aliases:
                return one
        for unread in self.unread:
            if mount == unread.mount:
                raise FactError(f"the file system at {mount} was not measured: {unread.why}")
        points = [str(one.mount) for one in self.all]
        above = [str(place) for place in mount.parents if str(place) in points and place.parent != place]
        raise NotOnHost.among("mount point", str(mount), points, meant=above[0] if above else "")

    def only(self, mount: PurePosixPath) -> FileSystems:
        """Return these with nothing but the one mounted there.

        Raises:
            NotOnHost: None is.
            FactError: It could not be measured.
        """
        return FileSystems(all=(self.mounted_at(mount),), places=self.places, mounts=self.mounts)

    def on_device(self, device: int) -> FileSystem | None:
        """Return the one with that device number; ``None`` where it is not among the real and measured ones."""
        return next((one for one in self.all if one.device == device), None)

    def behind(self, mount: int) -> FileSystem | None:
        """Return the one behind the mount of that number; ``None`` where it is not among the real and measured ones."""
        return next((self.on_device(device) for number, device in self.mounts if number == mount), None)

    def holding(self, path: PurePosixPath, device: int) -> FileSystem | None:
        """Return the one a file lies on, by its device number; ``None`` where that is not a real and measured one.

        On btrfs every subvolume has a number of its own that no mount shows: there the mount point decides, so *path*
        must hold no symlink.
        """
        found = self.on_device(device)
        if found is not None:
            return found
        inside = [(place, number) for place, number in self.places if path.is_relative_to(place)]
        if not inside:
            return None
        return self.on_device(max(inside, key=lambda pair: len(pair[0].parts))[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One line of mountinfo.

    Args:
        number: Which mount it is; the files opened through it name it.
        name: The mount point, as bytes: it may hold anything.
        root: Which folder of the file system is visible there.
        is_view_read_only: It is mounted so; others may see the same file system and write.
        options: Those of the file system itself, the same wherever it is mounted.
    """

    number: int
    name: bytes
    root: bytes
    device: int
    type: str
    source: str
    is_view_read_only: bool
    options: frozenset[str]

    @property
    def point(self) -> PurePosixPath:
        """The mount point; bytes that are not UTF-8 appear as ``\\xNN``."""
        return PurePosixPath(self.name.decode("utf-8", "backslashreplace"))

    @property
    def is_read_only(self) -> bool:
        """The file system itself is, on purpose or not."""
        return "ro" in self.options

    @property
    def is_real(self) -> bool:
        """It holds somebody's files."""
        if self.type in _IMAGES or any(self.point.is_relative_to(place) for place in _SYSTEM_PLACES):
            return False
        is_on_disk = self.source.startswith("/dev/") and self.device >> 8 & 0xFFF != 0
        return self.name == b"/" or self.type in _LOCAL or self.type in _REMOTE or is_on_disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One line of df: sizes in bytes; ``inodes`` is ``None`` where there is no limit."""

    size: ByteSize
    used: ByteSize
    available: ByteSize
    inodes: int | None
    inodes_used: int


@dataclass(frozen=True, slots=True)
class ListMounts(Query[tuple[Mount, ...]]):
    """Everything that is mounted (proc(5), /proc/pid/mountinfo); what hides another comes after it."""

    @property
    def command(self) -> Command:
        return Command(("cat", "/proc/self/mountinfo"), output_limit=KiB(4096))

    def parse(self, output: Output) -> tuple[Mount, ...]:
        mounts = tuple(_mount(line) for line in output.stdout.splitlines())
        if not any(mount.name == b"/" for mount in mounts):
            raise ValueError("no root is mounted")
        return mounts


@dataclass(frozen=True, slots=True)
class ReadUsage(Query[dict[bytes, Usage]]):
    """How full local file systems are, by the name df prints for their mount point."""

    # 1: one of them could not be read; it is missing from the answer, and so noticed
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        return Command(("df", "-l", "-B1", f"--output={_USAGE_COLUMNS}"))

    def parse(self, output: Output) -> dict[bytes, Usage]:
        head, *lines = output.stdout.split(b"\n")
        if len(head.split()) < 7 or lines.pop() != b"":
            raise ValueError("no table of df")
        usage: dict[bytes, Usage] = {}
        for line in lines:
            *numbers, name = line.split(None, 6)
            size, used, available, inodes, inodes_used, _ = (_number(text) for text in numbers)
            if size is None or used is None or available is None:
                continue  # "-": it could not be measured
            usage[name] = Usage(
                size=ByteSize(size),
                used=ByteSize(used),
                available=ByteSize(max(0, available)),
                inodes=inodes or None,
                inodes_used=inodes_used or 0,
            )
        return usage


async def read_file_systems(host: Reader) -> FileSystems:
    """Ask for every real file system; one round trip.

    Raises:
        FactError: They cannot be told.
    """
    mounts, usage = await host.ask_all(ListMounts(), ReadUsage())
    return join(mounts, usage)


def join(mounts: Iterable[Mount], usage: dict[bytes, Usage]) -> FileSystems:
    """Bring together what is mounted and how full it is: each device once.

    Raises:
        FactError: No root is mounted.
    """
    mounts = tuple(mounts)
    visible = {mount.name: mount for mount in mounts}  # of two at one place the later hides the earlier
    places: dict[int, list[Mount]] = {}
    for mount in visible.values():
        if mount.is_real:
            places.setdefault(mount.device, []).append(mount)
    found: list[FileSystem] = []
    unread: list[UnreadFileSystem] = []
    for here in places.values():
        here.sort(key=lambda mount: (mount.root != b"/", len(mount.name), mount.name))
        measured = next((usage[name] for name in (_as_df_prints(mount.name) for mount in here) if name in usage), None)
        best = here[0]
        if best.type in _REMOTE:
            unread.append(UnreadFileSystem(mount=best.point, why=f"remote ({best.type})", is_remote=True))
        elif measured is None:
            unread.append(UnreadFileSystem(mount=best.point, why="df could not measure it", is_remote=False))
        else:
            found.append(_file_system(best, here, measured))
    if b"/" not in visible:
        raise FactError("no root file system is mounted")
    return FileSystems(
        all=tuple(sorted(found, key=lambda one: one.mount)),
        unread=tuple(sorted(unread, key=lambda one: one.mount)),
        places=tuple((mount.point, mount.device) for mount in visible.values()),
        mounts=tuple((mount.number, mount.device) for mount in mounts),
    )


def _file_system(best: Mount, here: Iterable[Mount], measured: Usage) -> FileSystem:
    is_stopped = bool(best.options & _STOPPED) or (
        best.is_read_only and not all(mount.is_view_read_only for mount in here)
    )
    return FileSystem(
        mount=best.point,
        aliases=tuple(mount.point for mount in here),
        device=best.device,
        type=best.type,
        is_read_only=best.is_read_only and not is_stopped,
        is_stopped=is_stopped,
        has_quotas=any(_QUOTAS.fullmatch(option) for option in best.options),
        size=measured.size,
        used=measured.used,
        available=measured.available,
        inodes=None if best.type == "xfs" and _holds_as_many_as_fit(measured) else measured.inodes,
        inodes_used=measured.inodes_used,
    )


def _holds_as_many_as_fit(usage: Usage) -> bool:
    """Of an xfs: space is its only limit, so that a lack of inodes would be nothing but the lack of space."""
    return (usage.inodes or 0) - usage.inodes_used >= usage.available // _LARGEST_XFS_INODE


def _mount(line: bytes) -> Mount:
    """Read one line of mountinfo: fixed fields, optional ones up to a lone dash, three more."""
    fields = line.split(b" ")
    dash = fields.index(b"-", 6)
    major, minor = (int(number) for number in fields[2].split(b":"))
    return Mount(
        number=int(fields[0]),
        name=_unescape(fields[4]),
        root=_unescape(fields[3]),
        device=_device(major, minor),
        type=fields[dash + 1].decode("utf-8", "backslashreplace"),
        source=fields[dash + 2].decode("utf-8", "backslashreplace"),
        is_view_read_only=b"ro" in fields[5].split(b","),
        options=frozenset(fields[dash + 3].decode("utf-8", "backslashreplace").split(",")),
    )


def _unescape(name: bytes) -> bytes:
    return _OCTAL.sub(lambda match: bytes((int(match[1], 8) & 0xFF,)), name)


def _as_df_prints(name: bytes) -> bytes:
    return _CONTROL.sub(b"?", name)


def _device(major: int, minor: int) -> int:
    """Return the device number stat(2) gives, from its parts: gnu_dev_makedev of glibc's sys/sysmacros.h."""
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def _number(text: bytes) -> int | None:
    return None if text == b"-" else int(text)


def _share(part: int, whole: int) -> Percent:
    return Percent(0) if whole <= 0 else Percent(min(100, -(-100 * part // whole)))
