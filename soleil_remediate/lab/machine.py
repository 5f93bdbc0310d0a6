"""What the lab needs of the machine it runs on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.processes import call

#: A program that only it brings, by Debian package.
PACKAGES = {
    "systemd-container": "systemd-nspawn",
    "mmdebstrap": "mmdebstrap",
    "iproute2": "ip",
    "openssh-client": "ssh-keygen",
    "e2fsprogs": "mkfs.ext4",
    "util-linux": "setpriv",
    "mount": "losetup",
}

#: A program that makes a file system, by the Debian package; installed for a disk that is to have it.
FILE_SYSTEMS = {"ext4": "e2fsprogs", "xfs": "xfsprogs", "btrfs": "btrfs-progs"}

#: All hosts share the machine's limits: with the kernel's default of 128 instances the thirteenth host has no user
#: sessions any more.
INOTIFY = {"max_user_instances": 8192, "max_user_watches": 1048576}


def why_not_here() -> str | None:
    """Return in one sentence why no lab can run here, or None where one can."""
    if sys.platform != "linux":
        return "the lab needs Linux: its hosts are Linux containers with disks and networks of their own"
    if os.geteuid() != 0:
        return (
            "the lab needs root (try sudo): it boots real hosts with systemd, mounts disks for them and makes "
            "a network bridge, and nothing of that is allowed to others"
        )
    return None


def require_machine() -> None:
    """Refuse early and in plain words.

    Raises:
        LabError: This is not Linux, or we are not root.
    """
    if reason := why_not_here():
        raise LabError(reason)


def missing_packages(file_systems: Iterable[str] = ()) -> list[str]:
    """Return the Debian packages the lab still needs, those for disks with certain *file_systems* among them."""
    path = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    needed = PACKAGES | {FILE_SYSTEMS[name]: f"mkfs.{name}" for name in file_systems}
    missing = [package for package, program in needed.items() if not shutil.which(program, path=path)]
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        missing.append("debian-archive-keyring")
    return missing


def install(packages: list[str]) -> None:
    """Install packages of this machine's own distribution, and nothing they only recommend.

    Raises:
        LabError: There is no apt-get here, or it failed.
    """
    if not shutil.which("apt-get"):
        raise LabError(f"install these with your package manager, then try again: {' '.join(packages)}")
    options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    call([*environment, "apt-get", *options, "update"], timeout=600)
    call([*environment, "apt-get", *options, "install", "--no-install-recommends", *packages], timeout=1200)


def raise_limits() -> None:
    """Raise inotify limits for many hosts; they stay until the machine restarts, higher ones are left alone."""
    for name, least in INOTIFY.items():
        file = Path("/proc/sys/fs/inotify", name)
        if int(file.read_text()) < least:
            file.write_text(str(least))
