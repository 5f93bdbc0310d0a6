"""Small real disks for hosts: file systems in sparse files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from soleil_remediate.lab.mounts import mounted_below
from soleil_remediate.lab.processes import call

#: What makes each file system that a disk may have; the image is built with the first.
MAKERS = {
    "ext4": ("mkfs.ext4", "-q", "-F"),
    "xfs": ("mkfs.xfs", "-q"),
    "btrfs": ("mkfs.btrfs", "-q"),
}
#: How many MiB it takes at least, where mkfs refuses less.
NEEDS = {"ext4": 1, "xfs": 300, "btrfs": 109}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A disk of a host; the image build fills it with what stands at its mount point.

    Args:
        mount_point: Where it is mounted on the host.
        mebibytes: Its size, the file system's own tables included.
        options: Words for mkfs.ext4.
    """

    mount_point: PurePosixPath
    mebibytes: int
    options: tuple[str, ...] = ("-T", "default", "-m0", "-O", "^has_journal")

    @property
    def name(self) -> str:
        return "-".join(self.mount_point.parts[1:])

    def build_line(self) -> str:
        """Return the disk as build.sh reads it."""
        return f"{self.name} {self.mount_point} {self.mebibytes} {' '.join(self.options)}\n"


def copy_pristine(disk: Disk, pristine: Path, folder: Path, file_system: str = "ext4") -> None:
    """Give a host a fresh copy of the disk; only blocks that hold data are copied.

    Args:
        disk: Which one.
        pristine: Where the image's disks are.
        folder: Where the host's disks are; not mounted.
        file_system: The image has ext4; of any other a new one is made, as its own mkfs makes it, with the same files.

    Raises:
        LabError: What makes it failed.
    """
    image = folder / f"{disk.name}.img"
    call(["cp", "--sparse=always", "--reflink=auto", str(pristine / image.name), str(folder)])
    if file_system == "ext4":
        return
    old = image.rename(folder / f"{disk.name}.ext4")
    here, there = folder / disk.name, folder / f"{disk.name}.old"
    here.mkdir()
    there.mkdir()
    with image.open("wb") as file:
        file.truncate(disk.mebibytes * 2**20)
    call([*MAKERS[file_system], str(image)])
    call(["mount", "-o", "loop", str(image), str(here)])
    call(["mount", "-o", "loop", str(old), str(there)])
    call(["cp", "-a", f"{there}/.", str(here)])
    # What ext4 alone needs is no file of the application.
    call(["rm", "-rf", str(here / "lost+found")])
    call(["umount", str(here), str(there)])
    old.unlink()
    there.rmdir()


def attach(disk: Disk, folder: Path) -> Path:
    """Mount the host's copy on this machine and return where, for the host to bind."""
    point = folder / disk.name
    point.mkdir(exist_ok=True)
    if not mounted_below(point):
        # Discarded blocks become holes again, so that a fault that was repaired costs nothing.
        call(["mount", "-o", "loop,noatime,discard", str(folder / f"{disk.name}.img"), str(point)])
    return point
