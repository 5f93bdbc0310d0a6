"""What a host of Debian 12 says of its memory and of what holds it, put together for tests."""

from __future__ import annotations

import json

from soleil_remediate.command import Output
from soleil_remediate.facts.limits import MemoryLimit
from soleil_remediate.facts.memory import Holder, Memory
from soleil_remediate.facts.resources import Resources
from soleil_remediate.units import ByteSize, MiB
from tests.unit.facts.answers import said

PHP, SOCKETS, SUPERVISOR = "php8.2-fpm.service", "soleil-sockets.service", "supervisor.service"


def process(
    pid: int,
    name: str,
    *,
    held: int = 1024,
    swapped: int = 0,
    parent: int = 1,
    uid: int = 33,
    group: str = "/system.slice/php8.2-fpm.service",
    words: str = "",
    started: int = 700,
) -> str:
    """Return the lines of one process, which holds so many KiB; none of its own where that is less than 0."""
    memory = f"RssAnon:\t{held:8} kB\nVmSwap:\t{swapped:8} kB\n" if held >= 0 else ""
    status = f"Name:\t{name}\nPPid:\t{parent}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n{memory}"
    stat = f"{pid} ({name}) S {parent} 36 36 0 -1 4194624 1 0 0 0 10 3 0 0 20 0 1 0 {started} 2 3 4"
    lines = [f"/proc/{pid}/status:{line}" for line in status.splitlines()]
    lines += [f"/proc/{pid}/cgroup:0::{group}", f"/proc/{pid}/stat:{stat}", f"/proc/{pid}/cmdline:{words}"]
    return "".join(f"{line}\n" for line in lines)


def sampled(*processes: str, later: dict[int, int] | None = None) -> Output:
    """Return a whole sample; *later* is how many KiB each held at its end."""
    systemd = process(1, "systemd", parent=0, uid=0, group="/init.scope", words="/sbin/init", started=1)
    ends = "".join(
        f"/proc/{pid}/status:RssAnon:\t{held} kB\n/proc/{pid}/status:VmSwap:\t0 kB\n"
        for pid, held in (later or {}).items()
    )
    return said(f"{systemd}{''.join(processes)}later\n{ends}")


def entry(message: str, *, at: int, **others: str) -> str:
    """Return one entry of the journal as journalctl prints it."""
    return json.dumps({"__REALTIME_TIMESTAMP": f"{at}000123", "MESSAGE": message, **others}) + "\n"


def killed(pid: int, *, at: int, name: str = "php-fpm8.2", unit: str = PHP) -> str:
    """Return what the kernel of Debian 12 says of a process that it kills, in two lines."""
    return entry(
        "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,"
        f"task_memcg=/system.slice/{unit},task={name},pid={pid},uid=33",
        at=at,
    ) + entry(
        f"Out of memory: Killed process {pid} ({name}) total-vm:620312kB, anon-rss:409600kB, file-rss:15784kB, "
        "shmem-rss:1024kB, UID:33 pgtables:1012kB oom_score_adj:0",
        at=at,
    )


def memory(available: int = 50, total: int = 1024, *, container: MemoryLimit | None = None, swap: int = 0) -> Memory:
    """Return a host's memory, in MiB."""
    resources = Resources(
        memory=MiB(total),
        available=MiB(available),
        swap=MiB(swap),
        swap_free=MiB(swap / 4),
        load=("1", "1", "1"),
        running="1/9",
    )
    return Memory(resources=resources, container=container)


def holder(pid: int, held: int, /, **others: object) -> Holder:
    """Return a process that holds so many MiB."""
    values = {"parent": 1, "started": 700, "name": "php-fpm8.2", "uid": 33, "unit": PHP, "held": MiB(held), **others}
    return Holder(pid=pid, **values)  # type: ignore[arg-type]


CONTAINER = MemoryLimit(limit=MiB(512), left=ByteSize(MiB(20)))
