"""Wait for what comes to be true, whatever else this machine does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(holds: Callable[[], bool], *, within: float = 10) -> bool:
    """Return whether *holds* becomes true in time."""
    ends = time.monotonic() + within
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
