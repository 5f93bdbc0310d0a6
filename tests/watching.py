"""What processes show to whoever looks, all the while that something is done, and how much memory this one takes."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def watching_processes(network: str | None = None) -> Iterator[set[bytes]]:
    """Collect what every process shows of its arguments and its environment, as fast as can be.

    Args:
        network: The network namespace of a host of the lab, as ``/proc/PID/ns/net`` names it. Then only processes in it
            are looked at, and this test's own: what other tests do beside it to hosts of their own is theirs.
    """
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    if network is None or str((process / "ns/net").readlink()) == network or _is_ours(process):
                        for part in ("cmdline", "environ"):
                            seen.add((process / part).read_bytes().replace(b"\0", b" "))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _is_ours(process: Path) -> bool:
    """Return whether a process is this one, or was started by it or by one of those."""
    pid = int(process.name)
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


def watched_memory() -> Callable[[], int]:
    """Return what tells how many bytes the most that this process held since is beyond what it holds now.

    The kernel counts it itself, so no moment is missed; it begins anew for whoever writes 5 there, see proc(5).
    """
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak()
    return lambda: _peak() - before


def _peak() -> int:
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(peak) * 1024
