"""The commands that a host runs in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def nspawn_words(
    root: Path, machine: str, name: str, namespace: Path, binds: Sequence[tuple[Path, PurePosixPath]]
) -> list[str]:
    """Return the command that boots *root* with systemd as PID 1.

    It stays in the foreground, in the caller's control group; SIGTERM powers the host off, SIGKILL ends it at once.
    """
    return [
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        f"--directory={root}",
        f"--machine={machine}",
        f"--hostname={name}",
        f"--network-namespace-path={namespace}",
        # Given by itself only with --private-network; packet filter rules need the first, dmesg the second.
        "--capability=CAP_NET_ADMIN,CAP_SYSLOG",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--kill-signal=SIGRTMIN+3",
        "--notify-ready=no",
        "--console=pipe",
        *(f"--bind={source}:{target}" for source, target in binds),
        "--boot",
    ]


#: Runs sshd alone in its own PID, mount, UTS and IPC namespaces. The machine's mounts are left behind by pivot_root:
#: a copy of them kept here would hold disks of other hosts.
LIGHT_SCRIPT = r"""
set -eu
exec unshare --pid --fork --kill-child --mount --uts --ipc bash -euc '
root=$1
hostname "$2"
cd "$root"
mount -t proc proc proc
mount -t tmpfs -o size=16m,mode=755 tmpfs run
mount -t tmpfs -o size=1m,mode=755 tmpfs dev
mkdir dev/pts dev/shm run/sshd
for node in null:3 zero:5 full:7 random:8 urandom:9; do mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}"; done
mknod -m 666 dev/tty c 5 0
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
pivot_root . mnt
umount -l /mnt
exec /usr/sbin/sshd -D -e
' bash "$@"
"""
