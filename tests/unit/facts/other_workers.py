"""Processes that are queue workers, as a host tells of them."""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.command import Output
from tests.unit.facts.answers import said

#: For so many seconds that host runs.
UPTIME = 1000


@dataclass(frozen=True)
class _Process:
    pid: int
    words: tuple[str, ...]
    folder: str
    age: int
    unit: str
    name: str


def process(  # all but one by name
    pid: int,
    *,
    words: tuple[str, ...] = ("/srv/app/artisan", "queue:work"),
    folder: str = "/",
    age: int = 600,
    unit: str = "",
    name: str = "php",
) -> _Process:
    """Return a process with those of its words that a worker has; no *folder*: a login may not see where it works."""
    return _Process(pid=pid, words=words, folder=folder, age=age, unit=unit, name=name)


def found(*processes: _Process) -> Output:
    """Return what is told of these and of process 1."""
    everybody = (process(1, words=(), age=UPTIME, name="systemd"), *processes)
    words = "".join(f"/proc/{one.pid}/cmdline:{word}\0" for one in everybody for word in one.words)
    lines = [
        *(f"'/proc/{one.pid}/cwd'" + (f" -> '{one.folder}'" if one.folder else "") for one in everybody),
        *(f"/proc/{one.pid}/cgroup:0::/system.slice/{one.unit or 'init.scope'}" for one in everybody if one.unit),
        *(
            f"/proc/{one.pid}/stat:{one.pid} ({one.name}) S 1{' 0' * 17} {(UPTIME - one.age) * 100} 0"
            for one in everybody
        ),
        f"/proc/uptime:{UPTIME}.25 1.00",
    ]
    return said("\0".join((words, "".join(f"{line}\n" for line in lines))))
