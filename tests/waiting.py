"""Wait for what comes to be true, whatever else this machine does meanwhile, and judge by it how late something is."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What nothing holds up: to start Python and load what connects. It takes so many seconds of a processor where the
#: limits of these tests were set.
_WORK = (sys.executable, "-I", "-c", "import paramiko")
_USUALLY = 0.25


def eventually(holds: Callable[[], bool], *, within: float = 30) -> bool:
    """Return whether *holds* becomes true in time."""
    ends = time.monotonic() + within
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def ends_within(due: float, *, late: float) -> Iterator[None]:
    """Hold the block to its time, and let it be later only as much as this machine is slower than usual by then.

    Args:
        due: When the block ends by itself, in seconds: what this machine does meanwhile makes that no longer.
        late: How much longer it may take on a machine that is not busy.
    """
    before = _slowness()
    began = time.monotonic()
    yield
    was_late = time.monotonic() - began - due
    assert was_late < late * before or was_late < late * (after := _slowness()), (
        f"{was_late:.1f} s late; this machine was {before:.1f} times slower than usual before, and {after:.1f} after"
    )


def _slowness() -> float:
    """Return how many times longer than usual this machine takes for the same work, at the moment; at least one."""
    began = time.monotonic()
    subprocess.run(_WORK, check=True)
    return max(1.0, (time.monotonic() - began) / _USUALLY)
