"""Small real disks for hosts: ext4 images in sparse files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from soleil_remediate.lab.mounts import mounted_below
from soleil_remediate.lab.processes import call


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


def copy_pristine(disk: Disk, pristine: Path, folder: Path) -> None:
    """Give a host a fresh copy of the disk; only blocks that hold data are copied."""
    call(["cp", "--sparse=always", "--reflink=auto", str(pristine / f"{disk.name}.img"), str(folder)])


def attach(disk: Disk, folder: Path) -> Path:
    """Mount the host's copy on this machine and return where, for the host to bind."""
    point = folder / disk.name
    point.mkdir(exist_ok=True)
    if not mounted_below(point):
        # Discarded blocks become holes again, so that a fault that was repaired costs nothing.
        call(["mount", "-t", "ext4", "-o", "loop,noatime,discard", str(folder / f"{disk.name}.img"), str(point)])
    return point
