"""Mounts and loop devices, found again by where they stand on disk."""

from __future__ import annotations

import re
import time
from pathlib import Path

from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.processes import call


def mounted_below(folder: Path) -> list[Path]:
    """Return every mount point at or below *folder*, the deepest and latest first."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4]))
        if point == folder or folder in point.parents:
            points.append(point)
    return points[::-1]


def unmount_below(folder: Path) -> None:
    """Unmount everything at or below *folder* and give its loop devices back.

    Raises:
        LabError: Something is still in use there.
    """
    end = time.monotonic() + 10
    while points := mounted_below(folder):
        for point in points:
            try:
                call(["umount", str(point)])
            except LabError:
                # What the last process held is given back a moment after its end.
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
    for device, _ in loop_devices_below(folder):
        try:
            call(["losetup", "-d", device])
        except LabError:
            if any(device == left for left, _ in loop_devices_below(folder)):
                raise


def loop_devices_below(folder: Path) -> list[tuple[str, Path]]:
    """Return each loop device whose image is, or was before it was deleted, below *folder*."""
    found = []
    for file in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            image = Path(file.read_text().rstrip("\n").removesuffix(" (deleted)"))
        except OSError:
            continue
        if folder in image.parents:
            found.append((f"/dev/{file.parts[3]}", image))
    return found
