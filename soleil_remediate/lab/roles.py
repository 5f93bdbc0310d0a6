"""What sorts of hosts there are; a host's name is its role and a number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.errors import UnknownName
from soleil_remediate.lab.disks import Disk


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A sort of host.

    Args:
        name: Start of the hosts' names.
        about: What such a host is good for.
        before_first: The number of address before that of the first host.
        most: How many there may be in a lab.
        is_light: Only sshd in a chroot, without systemd.
        units: systemd services started at boot, sshd and systemd's own aside.
        disks: Disks of its own.
        serves: The application must answer before the host counts as up.
    """

    name: str
    about: str
    before_first: int
    most: int
    is_light: bool = False
    units: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    serves: bool = False


#: Every disk that a host of some role has. /var/backups keeps the default 5 % for root, so that "full for the
#: application, not for root" can be seen too.
DISKS = (
    Disk(mount_point=PurePosixPath("/srv"), mebibytes=300),
    Disk(mount_point=PurePosixPath("/var/log"), mebibytes=300),
    Disk(mount_point=PurePosixPath("/var/backups"), mebibytes=300, options=("-T", "default", "-O", "^has_journal")),
    Disk(mount_point=PurePosixPath("/var/cache"), mebibytes=150),
)

WEB = Role(
    name="web",
    about="the whole application: nginx, php-fpm, PostgreSQL, Redis, supervisor, cron, a mail sink, disks of its own",
    before_first=10,
    most=80,
    units=("nginx", "php8.2-fpm", "postgresql", "redis-server", "supervisor", "cron", "mail-sink"),
    disks=DISKS,
    serves=True,
)
BARE = Role(name="bare", about="systemd and sshd only", before_first=100, most=100)
LIGHT = Role(name="l", about="sshd only, without systemd, for many at once", before_first=256, most=700, is_light=True)

ROLES = (WEB, BARE, LIGHT)


def role_of(name: str) -> tuple[Role, int]:
    """Return a host's role and its number in the lab's subnet.

    Raises:
        UnknownName: No role has hosts of this name.
    """
    match = re.fullmatch(r"([a-z]+)([1-9][0-9]{0,2})", name)
    for role in ROLES:
        if match and match[1] == role.name and int(match[2]) <= role.most:
            return role, role.before_first + int(match[2])
    raise UnknownName("host of the lab", name, [f"{role.name}1" for role in ROLES])
