"""A control group for each host, so that every process of it is found and ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.processes import call, signal_pids

ROOT = Path("/sys/fs/cgroup")

#: Hierarchies of a version 1 or hybrid machine in which systemd-nspawn or a fault needs a group of the host's own.
HIERARCHIES = ("systemd", "unified", "memory", "pids", "cpu", "cpuacct", "blkio")


def _is_version_2() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _has_systemd() -> bool:
    return Path("/run/systemd/system").is_dir()


def _is_below_systemd() -> bool:
    """Tell whether systemd manages this machine's groups, so that ours must be asked for."""
    return _is_version_2() and _has_systemd()


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """The group of one host of one lab.

    On a hybrid machine it is a folder in each hierarchy, made by the lab. On a machine with control groups version 2
    it is one folder; where systemd is PID 1, that is a scope with ``Delegate=yes`` in the lab's own slice, made by
    systemd when the first process enters and removed by it after the last one has ended.
    """

    lab: str
    host: str

    def folders(self) -> list[Path]:
        """Return where the group stands, or would stand, in each hierarchy."""
        if _is_below_systemd():
            return [ROOT / f"{self.lab}.slice" / f"{self.lab}-{self.host}.scope"]
        if _is_version_2():
            return [ROOT / self.lab / self.host]
        # cpu and cpuacct are often two names of one hierarchy.
        there = {(ROOT / name).resolve(): None for name in HIERARCHIES if (ROOT / name).is_dir()}
        return [folder / self.lab / self.host for folder in there]

    def create(self) -> None:
        """Make the group, where it is not systemd that makes it."""
        if _is_below_systemd():
            return
        for folder in self.folders():
            folder.mkdir(parents=True, exist_ok=True)

    def limit_memory(self, size: int) -> None:
        """Give the host so many bytes of memory and no more; it sees that limit itself. It goes with the group.

        Raises:
            LabError: It has no group to which that can be said, or holds more by now.
        """
        if _is_version_2():
            group = self.folders()[0]
            payload = group / "payload"  # where systemd-nspawn puts a host, which sees nothing above that
            file = (payload if payload.is_dir() else group) / "memory.max"
        else:
            file = ROOT / "memory" / self.lab / self.host / "memory.limit_in_bytes"
        try:
            file.write_text(f"{size:d}\n")
        except OSError as e:
            raise LabError(f"{self.host} cannot be given {size:d} bytes of memory by {file}: {e.strerror}") from e

    def launcher(self) -> list[str]:
        """Return the words to put before a command so that it runs in this group.

        The command is not started where the group has gone meanwhile: whoever cleans up after a lab that was killed
        removes the group, and a start that was still under way then ends by itself.
        """
        if _is_below_systemd():
            return [
                "systemd-run",
                "--scope",
                "--quiet",
                "--collect",
                f"--unit={self.lab}-{self.host}",
                f"--slice={self.lab}",
                "--property=Delegate=yes",
                # So that the machine itself shuts down without waiting for a host.
                "--property=TimeoutStopSec=5",
                "--",
            ]
        join = 'for file in $1; do echo 0 > "$file" || exit 1; done; shift; exec "$@"'
        return ["sh", "-c", join, "sh", " ".join(str(folder / "cgroup.procs") for folder in self.folders())]

    def processes(self) -> set[int]:
        """Return the number of every process of the host."""
        return {pid for folder in self.folders() for pid in _processes_below(folder)}

    def end(self, deadline: float = 20) -> None:
        """Kill every process of the host and remove the group.

        Raises:
            LabError: Some process did not end within *deadline* seconds.
        """
        until = time.monotonic() + deadline
        if _is_below_systemd():
            signal_pids(self.processes(), signal.SIGKILL)
            _stop_units(f"{self.lab}-{self.host}.scope")
            return
        while True:
            signal_pids(self.processes(), signal.SIGKILL)
            if all(_remove(folder) for folder in self.folders()):
                break
            if time.monotonic() > until:
                raise LabError(f"processes of {self.host} did not end: {sorted(self.processes())}")
            time.sleep(0.01)

    @classmethod
    def existing(cls, lab: str) -> list[ControlGroup]:
        """Return the group of every host that has, or had, one in this lab."""
        names = set()
        for folder in cls(lab=lab, host="any").folders():
            if folder.parent.is_dir():
                names |= {child.name for child in folder.parent.iterdir() if child.is_dir()}
        if _is_below_systemd():
            names = {name.removeprefix(f"{lab}-").removesuffix(".scope") for name in names}
        return [cls(lab=lab, host=name) for name in sorted(names)]

    @classmethod
    def end_all(cls, lab: str) -> None:
        """Kill every process of the lab and remove its groups, whatever they are called."""
        for group in cls.existing(lab):
            group.end()
        if _is_below_systemd():
            _stop_units(f"{lab}.slice")
            return
        for folder in cls(lab=lab, host="any").folders():
            _remove(folder.parent)


def _stop_units(unit: str) -> None:
    """Have systemd end what is left in a scope or slice, and forget it: its name can be used again after that."""
    for verb in ("stop", "reset-failed"):
        try:
            call(["systemctl", verb, unit])
        except LabError as e:
            # A unit nobody knows any more is what we want.
            if "not loaded" not in str(e):
                raise


def _groups_below(folder: Path) -> list[Path]:
    """Return the group and all in it, the innermost first; a running host may end some while we look."""
    return [Path(path) for path, _, _ in os.walk(folder, topdown=False)]


def _processes_below(folder: Path) -> Iterator[int]:
    for group in _groups_below(folder):
        try:
            yield from map(int, (group / "cgroup.procs").read_text().split())
        except OSError:
            continue  # the group ended while we looked


def _remove(folder: Path) -> bool:
    """Remove a group with those below it; False while a process is left in one."""
    for child in _groups_below(folder):
        try:
            child.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
