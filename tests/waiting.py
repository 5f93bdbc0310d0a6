"""Wait for what comes to be true, whatever else this machine does meanwhile, and judge by it how late something is."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

#: What nothing holds up: to start Python and load what connects. It takes so many seconds of a processor where the
#: limits of these tests were set.
_WORK = (sys.executable, "-I", "-c", "import paramiko")
_USUALLY = 0.25
#: A wait of a twentieth of a second that takes so much longer was none of anybody's doing: the machine stood still.
_STOOD_STILL = 0.1


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
        late: How much longer it may take on a machine that is not busy. While that stands still, nothing counts.
    """
    before = _slowness()
    over, still = threading.Event(), [0.0]
    watching = threading.Thread(target=_watch, args=(over, still))
    watching.start()
    began = time.monotonic()
    try:
        yield
        was_late = time.monotonic() - began - due
    finally:
        over.set()
        watching.join()
    was_late -= still[0]
    assert was_late < late * before or was_late < late * (after := _slowness()), (
        f"{was_late:.1f} s late; this machine was {before:.1f} times slower than usual before, and {after:.1f} after, "
        f"and stood still for {still[0]:.1f} s"
    )


def _watch(over: threading.Event, still: list[float]) -> None:
    """Add up for how long nobody ran, until *over*."""
    last, worked = time.monotonic(), time.process_time()
    while not over.wait(0.05):
        now, works = time.monotonic(), time.process_time()
        # Where this program used a processor meanwhile, it was itself what kept this thread waiting.
        nothing_done = now - last - 0.05 - (works - worked)
        if nothing_done > _STOOD_STILL:
            still[0] += nothing_done
        last, worked = now, works


def _slowness() -> float:
    """Return how many times longer than usual this machine takes for the same work, at the moment; at least one."""
    began = time.monotonic()
    subprocess.run(_WORK, check=True)
    return max(1.0, (time.monotonic() - began) / _USUALLY)
