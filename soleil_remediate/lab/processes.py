"""Commands the lab runs on its own machine, and processes it must find again later."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.errors import LabError

#: Puts a command and everything below it into a PID namespace that dies with the caller, also when that is killed.
DIES_WITH_CALLER = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")


def call(words: Sequence[str], *, stdin: str = "", timeout: float = 60) -> str:
    """Run a short command on this machine and return its output.

    The command inherits the locks held by this process, so that when the lab is killed the next one waits for it to
    end instead of cleaning up beside it.

    Raises:
        LabError: It failed, or took longer than *timeout* seconds.
    """
    try:
        done = subprocess.run(
            words,
            check=False,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            close_fds=False,
        )
    except FileNotFoundError as e:
        raise LabError(f"{words[0]} is not installed on this machine") from e
    except subprocess.TimeoutExpired as e:
        raise LabError(f"{' '.join(words)} did not end within {timeout:g} s") from e
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-10:])
        raise LabError(f"{' '.join(words)} ended with status {done.returncode}:\n{tail}")
    return done.stdout


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that is told from a later one of the same number by the time it started, in clock ticks since boot."""

    pid: int
    started: int

    @classmethod
    def parse(cls, stat: str) -> Process:
        """Read a line of ``/proc/PID/stat``; the command's name in it may hold spaces and brackets."""
        before, _, after = stat.rpartition(")")
        return cls(pid=int(before.split(" ", 1)[0]), started=int(after.split()[19]))

    @classmethod
    def recorded(cls, file: Path) -> Process | None:
        """Return the process written down in *file*, or None where there is none."""
        try:
            return cls.parse(file.read_text())
        except (OSError, ValueError, IndexError):
            return None

    def is_alive(self) -> bool:
        """Tell whether this very process still runs; one that only waits to be reaped does not."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return Process.parse(stat) == self and stat.rpartition(")")[2].split()[0] not in "ZX"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended meanwhile."""
        if self.is_alive():
            signal_pids([self.pid], number)

    def wait(self, deadline: float) -> bool:
        """Wait for its end for *deadline* seconds; False when it still runs then."""
        end = time.monotonic() + deadline
        while self.is_alive():
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True


def signal_pids(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each of *pids*; those that ended meanwhile are passed over."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
