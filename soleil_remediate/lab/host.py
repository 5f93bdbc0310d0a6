"""One host of the lab, from files on disk to services that answer, and back."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from soleil_remediate.lab.access import USERS, Access, make_key
from soleil_remediate.lab.cgroups import ControlGroup
from soleil_remediate.lab.disks import attach, copy_pristine
from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.image import Image
from soleil_remediate.lab.mounts import mounted_below, unmount_below
from soleil_remediate.lab.network import Subnet, plug_in, unplug
from soleil_remediate.lab.processes import Process, call
from soleil_remediate.lab.roles import Role, role_of
from soleil_remediate.lab.starting import LIGHT_SCRIPT, nspawn_words

Until = Literal["ssh", "ready"]

NSPAWN_STATE = Path("/run/systemd/nspawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A host, known by its name; what it is like now is on disk and in the kernel, never in this value.

    Args:
        name: Its role and a number.
        folder: Where everything it has is kept.
        subnet: The lab's network.
    """

    name: str
    folder: Path
    subnet: Subnet

    @property
    def role(self) -> Role:
        return role_of(self.name)[0]

    @property
    def number(self) -> int:
        return role_of(self.name)[1]

    @property
    def address(self) -> str:
        return self.subnet.address(self.number)

    @property
    def keys(self) -> Path:
        """The folder with the host's own keys, which stay the same when it is reset."""
        return self.folder / "keys"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def machine(self) -> str:
        """Its name among all machines that systemd-nspawn runs here."""
        return f"{self.subnet.bridge}-{self.name}"

    @property
    def group(self) -> ControlGroup:
        return ControlGroup(lab=self.subnet.bridge, host=self.name)

    @property
    def process(self) -> Process | None:
        """What keeps the host running, or None when it is stopped."""
        process = Process.recorded(self.folder / "process")
        return process if process and process.is_alive() else None

    @property
    def is_prepared(self) -> bool:
        """Its files are complete, and so is the image below them: an interrupted `prepare` does not count."""
        if not (self.folder / "prepared").exists():
            return False
        return all(Path(layer).is_dir() for layer in self._layers().split(":"))

    @property
    def is_ready(self) -> bool:
        """It runs, and was up completely once since it was started."""
        return self.process is not None and (self.folder / "ready").exists()

    def make_keys(self) -> None:
        make_key(self.keys / "ssh_host_ed25519_key", self.name)

    # -- its files

    def prepare(self, image: Image, public_key: str, file_systems: Mapping[PurePosixPath, str] | None = None) -> None:
        """Give the host a pristine copy of everything, in place of what it had. It must not run.

        Args:
            image: What it is copied from.
            public_key: Who may log in.
            file_systems: By mount point, where a disk is to have another one than ext4.
        """
        wanted = file_systems or {}
        self._wipe()
        for folder in ("disks", "upper", "work", "root"):
            (self.folder / folder).mkdir(parents=True)
        for disk in self.role.disks:
            copy_pristine(disk, image.disks, self.folder / "disks", wanted.get(disk.mount_point, "ext4"))
        # Read again at each start: the image of a stopped host stays the one it was prepared from.
        (self.folder / "layers").write_text(":".join(map(str, image.layers)))
        self._mount()
        self._personalise(public_key)
        (self.folder / "prepared").touch()

    def _wipe(self) -> None:
        (self.folder / "prepared").unlink(missing_ok=True)
        unmount_below(self.folder)
        for name in ("disks", "upper", "work", "root"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def _layers(self) -> str:
        return (self.folder / "layers").read_text()

    def _mount(self) -> None:
        if not mounted_below(self.root):
            options = f"lowerdir={self._layers()},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
            call(["mount", "-t", "overlay", "overlay", "-o", options, str(self.root)])

    def _personalise(self, public_key: str) -> None:
        etc = self.root / "etc"
        (etc / "hostname").write_text(f"{self.name}\n")
        (etc / "hosts").write_text(f"127.0.0.1 localhost {self.name} mail.lab\n")
        identity = self.folder / "machine-id"
        if not identity.exists():
            identity.write_text(os.urandom(16).hex() + "\n")
        (etc / "machine-id").write_text(identity.read_text())
        for key in self.keys.iterdir():
            shutil.copy(key, etc / "ssh")
            (etc / "ssh" / key.name).chmod(0o600)
        accounts = dict(_accounts(etc / "passwd"))
        for user in USERS:
            uid, gid, home = accounts[user]
            file = self.root / home.lstrip("/") / ".ssh/authorized_keys"
            file.write_text(public_key)
            file.chmod(0o600)
            os.chown(file, uid, gid)
        wanted = etc / "systemd/system/multi-user.target.wants"
        for unit in self.role.units:
            (wanted / f"{unit}.service").symlink_to(f"/lib/systemd/system/{unit}.service")

    # -- starting

    def start(self) -> None:
        """Start a prepared host that does not run; returns before anything in it answers."""
        self.clear()
        plug_in(self.subnet, self.number, self.folder / "netns")
        self._mount()
        binds = [(attach(disk, self.folder / "disks"), disk.mount_point) for disk in self.role.disks]
        namespace = self.folder / "netns"
        if self.role.is_light:
            words = ["nsenter", f"--net={namespace}", "bash", "-c", LIGHT_SCRIPT, "bash", str(self.root), self.name]
        else:
            words = nspawn_words(self.root, self.machine, self.name, namespace, binds)
        self.group.create()
        # Written by the process itself, so that there is no moment in which it runs and is not known.
        record = 'cat /proc/$$/stat > "$1.partial" && mv "$1.partial" "$1"; shift; exec "$@"'
        noted = ["sh", "-c", record, "sh", str(self.folder / "process"), *words]
        with (self.folder / "console.log").open("ab") as console:
            _detach([*self.group.launcher(), *noted], console.fileno())

    def wait_until(self, until: Until, access: Access, deadline: float = 90) -> None:
        """Wait for sshd's greeting or, with ``"ready"``, for every service and the application.

        Raises:
            LabError: It ended or did not get so far within *deadline* seconds; the message has its last lines.
        """
        end = time.monotonic() + deadline
        self._await(end, "sshd does not answer", self._greets)
        if until == "ssh":
            return
        if not self.role.is_light:
            words = ["systemctl", "is-system-running", "--wait"]
            state = access.run(self.address, words, user="root", stdin=b"", timeout=deadline).stdout.strip()
            if state != "running":
                failed = ["systemctl", "list-units", "--failed", "--plain", "--no-legend"]
                units = access.run(self.address, failed, user="root", stdin=b"", timeout=30).stdout
                raise LabError(f"{self.name} is up but {state}: {units.strip() or 'no unit says why'}")
        if self.role.serves:
            self._await(end, "the application does not answer /api/health/ready", self._serves)
        (self.folder / "ready").touch()

    def _await(self, end: float, problem: str, is_so: Callable[[], bool]) -> None:
        patience = time.monotonic() + 5
        while not is_so():
            now = time.monotonic()
            has_ended = self.process is None and now > patience
            if has_ended or now > end:
                console = (self.folder / "console.log").read_text(errors="replace")[-1500:]
                why = "it has ended" if has_ended else problem
                raise LabError(
                    f"{self.name} is not up: {why}; reset it, or read {self.folder / 'console.log'}:\n{console}"
                )
            time.sleep(0.02)

    def _greets(self) -> bool:
        try:
            with socket.create_connection((self.address, 22), 5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def _serves(self) -> bool:
        connection = http.client.HTTPConnection(self.address, 80, timeout=5)
        try:
            connection.request("GET", "/api/health/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    # -- stopping

    def shut_down(self, deadline: float = 30) -> None:
        """Stop the host as its power button would, its files kept; whatever is left after *deadline* is killed."""
        process = self.process
        if process and not self.role.is_light:
            process.signal(signal.SIGTERM)
            process.wait(deadline)
        self.clear()

    def clear(self) -> None:
        """Kill the host and take everything away that it has in the kernel; only its files stay."""
        (self.folder / "ready").unlink(missing_ok=True)
        self.group.end()
        lock = _nspawn_lock(self.root)
        unplug(self.subnet, self.number, self.folder / "netns")
        unmount_below(self.folder)
        # systemd-nspawn cleans these up itself only when it is not killed.
        lock.unlink(missing_ok=True)
        shutil.rmtree(NSPAWN_STATE / "propagate" / self.machine, ignore_errors=True)
        (self.folder / "process").unlink(missing_ok=True)

    def remove(self) -> None:
        """Kill the host and remove all it had."""
        self.clear()
        shutil.rmtree(self.folder)


def _detach(words: list[str], output: int) -> None:
    """Start a command that outlives this process, as a child of PID 1; it inherits none of the lab's locks."""
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    subprocess.run(
        ["setsid", "--fork", *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=path, check=True
    )


def _accounts(passwd: Path) -> list[tuple[str, tuple[int, int, str]]]:
    rows = (line.split(":") for line in passwd.read_text().splitlines())
    return [(row[0], (int(row[2]), int(row[3]), row[5])) for row in rows]


def _nspawn_lock(root: Path) -> Path:
    """Return the lock file that systemd-nspawn makes for this folder, by its inode."""
    try:
        there = root.stat()
    except FileNotFoundError:
        return NSPAWN_STATE / "locks" / "none"
    return NSPAWN_STATE / "locks" / f"inode-{there.st_dev}:{there.st_ino}"
