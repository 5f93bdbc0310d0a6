"""One lab command at a time, across processes."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from soleil_remediate.lab.errors import LabError


@contextmanager
def held(path: Path, *, waiting: Callable[[], object] = lambda: None, deadline: float = 600) -> Iterator[None]:
    """Hold the lock *path*, exclusively; it is given back by the kernel when this process ends in whatever way.

    Args:
        path: The lock file; made when missing, deleted at the end.
        waiting: Called once when somebody else holds it.
        deadline: Seconds to wait.

    Raises:
        LabError: Somebody else held it all the time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + deadline
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):
                break
            os.close(descriptor)
            continue
        except BlockingIOError:
            os.close(descriptor)
        if time.monotonic() > end:
            raise LabError(f"another lab command has held {path} for {deadline:g} s; end it, then try again")
        if not told:
            waiting()
            told = True
        time.sleep(0.05)
    try:
        os.set_inheritable(descriptor, True)  # for processes.call, which tells why
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Tell whether the locked file is still the one at *path*: its last holder may have deleted it."""
    mine = os.fstat(descriptor)
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)
