"""The lab as a whole: named hosts on a network of their own."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.lab import faulting, machine, registry
from soleil_remediate.lab.access import Access, Answer
from soleil_remediate.lab.cgroups import ControlGroup
from soleil_remediate.lab.disks import MAKERS, NEEDS
from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.host import Host, Until
from soleil_remediate.lab.image import Image, ensure_image
from soleil_remediate.lab.mounts import unmount_below
from soleil_remediate.lab.network import Subnet, lower_bridge, raise_bridge
from soleil_remediate.lab.roles import DISKS, LIGHT, ROLES, role_of

Progress = Callable[[str], object]

#: More hosts booting at once take longer than these one after another, on a machine with few cores.
BOOTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What a host of the lab is like now.

    Args:
        name: Its name.
        role: ``web``, ``bare`` or ``l`` for a light one.
        address: Its IPv4 address.
        state: ``starting`` until it was up completely once, ``stopped`` also after it powered itself off.
    """

    name: str
    role: str
    address: str
    state: Literal["running", "starting", "stopped"]


def _untold(line: str) -> None:
    """Tell nobody."""


class Lab:
    """Real Debian hosts on this machine to rehearse on, with a network of their own.

    Nothing is done before one of the methods is called. What is up is found on disk and in the kernel: any process may
    go on with a lab that another one started, also when that was killed at any moment. Every method that changes the
    lab waits for others that do; all of them need root and Linux.

    Args:
        name: Labs of different names do not meet: each has its own bridge, subnet, groups and folder.
        state: Folder for folders of labs.
        cache: Folder for the image, shared by all labs.

    Raises:
        ConfigError: The name is not lower-case letters, digits and hyphens.
    """

    def __init__(
        self,
        name: str = registry.DEFAULT_NAME,
        *,
        state: Path = registry.MACHINE,
        cache: Path = Path("/var/cache/soleil-lab"),
    ) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
            raise ConfigError(f"a lab's name is lower-case letters, digits and hyphens, not {name!r}")
        self.name = name
        self._state = state.resolve() / name
        self._cache = cache.resolve()
        self._access = Access(folder=self._state)

    @property
    def inventory(self) -> Path:
        """The inventory of this lab's hosts; written by `up`."""
        return self._access.inventory

    @property
    def known_hosts(self) -> Path:
        """The keys of this lab's hosts, as OpenSSH reads them; written by `up`."""
        return self._access.known_hosts

    @property
    def private_key(self) -> Path:
        """The key that deploy, ops, guest and root of every host accept; made by `up`."""
        return self._access.private_key

    # -- all hosts

    def up(self, names: Sequence[str] = ("web1",), *, on_progress: Progress = _untold) -> None:
        """Make sure that these hosts run, and wait until they are up completely.

        A host that runs is left alone, whatever state it is in; a stopped one is started with the files it had. The
        first time ever this installs Debian packages that are missing on this machine and builds the image.

        Raises:
            LabError: Something is missing on this machine, or a host did not come up.
            UnknownName: No host can have one of these names.
        """
        for name in names:
            role_of(name)
        machine.require_machine()
        with self._changing(on_progress):
            if missing := machine.missing_packages():
                on_progress(f"installing {' '.join(missing)}")
                machine.install(missing)
            machine.raise_limits()
            image = ensure_image(self._cache, DISKS, on_progress)
            self._state.mkdir(parents=True, exist_ok=True)
            subnet = registry.claim(self.name, self._state)
            raise_bridge(subnet)
            self._access.ensure_key()
            hosts = [self._host(name, subnet) for name in dict.fromkeys(names)]
            self._each(hosts, Host.make_keys)
            self._write_lists(subnet)
            self._each([host for host in hosts if not host.is_ready], lambda host: self._bring_up(host, image))
            on_progress(f"{', '.join(_shortened(names))} running")

    def up_light(self, count: int, *, on_progress: Progress = _untold) -> None:
        """Make sure that the light hosts l1 to l*count* run: sshd, sudo and a network each, about 2.5 MB of memory.

        Raises:
            LabError: As `up`.
        """
        self.up([f"{LIGHT.name}{number}" for number in range(1, count + 1)], on_progress=on_progress)

    def down(self, *, on_progress: Progress = _untold) -> None:
        """Kill every host and remove all of this lab, whatever state an interrupted command left it in.

        Mounts, loop devices, namespaces, the bridge, control groups, processes and the lab's folder go; the image
        stays in its cache, and so do installed packages and raised inotify limits. Nothing happens where there is none.

        Raises:
            LabError: Something could not be removed; what is left is named.
        """
        machine.require_machine()
        with self._changing(on_progress):
            subnet = registry.find(self.name, self._state)
            if subnet:
                ControlGroup.end_all(subnet.bridge)
                self._each(self._hosts(subnet), Host.remove)
                lower_bridge(subnet)
            if self._state.exists():
                unmount_below(self._state)
                shutil.rmtree(self._state)
            registry.release(self.name, self._state)

    def status(self) -> list[HostStatus]:
        """Return every host of this lab, running or stopped; empty when the lab is down."""
        subnet = registry.find(self.name, self._state)
        return [_status(host) for host in self._hosts(subnet)] if subnet else []

    # -- one host

    def reset(
        self,
        name: str,
        *,
        until: Until = "ready",
        file_systems: Mapping[str, str] | None = None,
        on_progress: Progress = _untold,
    ) -> None:
        """Kill a host and start it anew with pristine files and disks; its keys and address stay.

        Args:
            name: The host.
            until: ``"ssh"`` returns about a second later, when it can be logged in; ``"ready"`` when all services run.
            file_systems: What disks have until the next reset, by mount point, such as ``{"/srv": "xfs"}``; ``ext4``,
                which all others have, ``xfs`` or ``btrfs``. What makes it is installed on this machine where missing.
            on_progress: Told what is waited for.

        Raises:
            LabError: The lab is down, the host did not come up, or a disk is too small for the file system.
            UnknownName: There is no such host, disk or file system.
        """
        with self._one(name, on_progress) as host:
            wanted = _checked(file_systems or {}, host)
            if missing := machine.missing_packages(wanted.values()):
                on_progress(f"installing {' '.join(missing)}")
                machine.install(missing)
            image = ensure_image(self._cache, DISKS, on_progress)
            host.clear()
            host.prepare(image, self._access.public_key, wanted)
            host.start()
            host.wait_until(until, self._access)

    def stop(self, name: str, *, on_progress: Progress = _untold) -> None:
        """Power a host off; its files stay for `start`."""
        with self._one(name, on_progress) as host:
            host.shut_down()

    def start(self, name: str, *, on_progress: Progress = _untold) -> None:
        """Start a stopped host, with the files it had, and wait until it is up; a running one is left alone."""
        with self._one(name, on_progress) as host:
            if not host.is_ready:
                self._bring_up(host, ensure_image(self._cache, DISKS, on_progress))

    def run(
        self, name: str, words: Sequence[str], *, user: str = "root", stdin: bytes = b"", timeout: float = 120
    ) -> Answer:
        """Run a command on a host over ssh; the words arrive as they are, no shell takes them apart.

        Raises:
            LabError: The lab is down, the host cannot be reached, or *timeout* seconds have passed.
        """
        return self._access.run(self._known(name).address, words, user=user, stdin=stdin, timeout=timeout)

    def ssh_command(self, name: str, *, user: str = "deploy") -> list[str]:
        """Return the OpenSSH command that logs in; words for the host may be added.

        Raises:
            LabError: The lab is down.
            UnknownName: It has no such host.
        """
        return self._access.ssh_command(self._known(name).address, user)

    # -- faults

    def faults(self) -> list[faulting.Fault]:
        """Return every fault a host can be broken with, by name."""
        return faulting.faults()

    def break_host(self, name: str, fault: str, **options: object) -> None:
        """Break a host with a fault; it is broken when this returns.

        Raises:
            UnknownName: There is no such fault, host or option.
            LabError: The script failed, or did not see its own fault; the message has its last lines.
        """
        known = faulting.fault_named(fault)
        script = known.script(options)
        if known.memory:
            self._limit_memory(name, known.memory)
        # The whole script is read before any of it runs: no command in it may eat the rest from standard input.
        answer = self.run(name, ["bash", "-c", 'exec bash -c "$(cat)" </dev/null'], stdin=script, timeout=180)
        if answer.returncode:
            tail = "\n".join((answer.stdout + answer.stderr).strip().splitlines()[-10:])
            raise LabError(
                f"{name} is not broken with {fault} (status {answer.returncode}); reset it, try again:\n{tail}"
            )

    # -- inside

    def _limit_memory(self, name: str, size: int) -> None:
        with self._one(name, _untold) as host:
            host.group.limit_memory(size)

    @contextmanager
    def _changing(self, on_progress: Progress) -> Iterator[None]:
        waiting = f"waiting for another command that changes the lab {self.name}"
        with registry.lab_lock(self.name, self._state, lambda: on_progress(waiting)):
            yield

    @contextmanager
    def _one(self, name: str, on_progress: Progress) -> Iterator[Host]:
        machine.require_machine()
        with self._changing(on_progress):
            yield self._known(name)

    def _host(self, name: str, subnet: Subnet) -> Host:
        return Host(name=name, folder=self._state / "hosts" / name, subnet=subnet)

    def _hosts(self, subnet: Subnet) -> list[Host]:
        folder = self._state / "hosts"
        names = [child.name for child in folder.iterdir()] if folder.exists() else []
        return sorted((self._host(name, subnet) for name in names), key=lambda host: host.number)

    def _known(self, name: str) -> Host:
        subnet = registry.find(self.name, self._state)
        hosts = {host.name: host for host in self._hosts(subnet)} if subnet else {}
        if not hosts:
            raise LabError(f"the lab {self.name} is down; start it with: soleil-remediate lab up --lab {self.name}")
        if name not in hosts:
            raise UnknownName(f"host of the lab {self.name}", name, hosts)
        return hosts[name]

    def _bring_up(self, host: Host, image: Image) -> None:
        if host.process is None:
            host.clear()
            if not host.is_prepared:
                host.prepare(image, self._access.public_key)
            host.start()
        host.wait_until("ready", self._access)

    def _write_lists(self, subnet: Subnet) -> None:
        hosts = [host for host in self._hosts(subnet) if (host.keys / "ssh_host_ed25519_key.pub").exists()]
        self._access.write_known_hosts({host.name: (host.address, host.keys) for host in hosts})
        groups = {role.name: [(host.name, host.address) for host in hosts if host.role == role] for role in ROLES}
        light = groups.pop(LIGHT.name)
        named = {**groups, "light": light}
        self._access.write_inventory({group: members for group, members in named.items() if members})

    def _each(self, hosts: Iterable[Host], action: Callable[[Host], object]) -> None:
        """Do something with every host, some at a time; the first failure is raised after all have been tried."""
        with ThreadPoolExecutor(BOOTS_AT_ONCE) as pool:
            futures = [pool.submit(action, host) for host in hosts]
        for future in futures:
            future.result()


def _checked(file_systems: Mapping[str, str], host: Host) -> dict[PurePosixPath, str]:
    """Return the file systems by mount point.

    Raises:
        UnknownName: The host has no such disk, or there is no such file system.
        LabError: The disk is too small for it.
    """
    disks = {str(disk.mount_point): disk for disk in host.role.disks}
    for mount_point, name in file_systems.items():
        if mount_point not in disks:
            raise UnknownName(f"disk of {host.name}", mount_point, disks)
        if name not in MAKERS:
            raise UnknownName("file system of the lab", name, MAKERS)
        if disks[mount_point].mebibytes < NEEDS[name]:
            raise LabError(f"{mount_point} has {disks[mount_point].mebibytes} MiB: {name} needs {NEEDS[name]}")
    return {disks[mount_point].mount_point: name for mount_point, name in file_systems.items()}


def _status(host: Host) -> HostStatus:
    state: Literal["running", "starting", "stopped"] = "stopped"
    if host.process:
        state = "running" if host.is_ready else "starting"
    return HostStatus(name=host.name, role=host.role.name, address=host.address, state=state)


def _shortened(names: Sequence[str]) -> list[str]:
    return [*names[:3], "…", names[-1]] if len(names) > 5 else list(names)
