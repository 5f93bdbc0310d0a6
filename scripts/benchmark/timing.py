"""Times of a benchmark: taken in turn, so that a machine that slows down slows all sides."""

from __future__ import annotations

import gc
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from scripts.benchmark.rivals import DidNotEnd


def interleaved(
    sides: Mapping[str, Callable[[], object]], rounds: int, *, uncounted: int = 1
) -> dict[str, list[float]]:
    """Time each side *rounds* times in turn, after so many turns that do not count; in seconds.

    A tool that does not come to a good end is told on standard error, and is not in the result.
    """
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(uncounted + rounds):
        for name in list(took):
            gc.collect()
            began = time.perf_counter()
            try:
                sides[name]()
            except DidNotEnd as error:
                sys.stderr.write(f"bench: without {name}: {error}\n")
                del took[name]
                continue
            if turn >= uncounted:
                took[name].append(time.perf_counter() - began)
    return took


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of the ratios turn by turn: a machine that slows down slows both."""
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def seconds(took: Sequence[float]) -> str:
    """Return the median, the fastest and the slowest."""
    return f"{statistics.median(took):.2f} s ({min(took):.2f} to {max(took):.2f})"


def milliseconds(took: Sequence[float]) -> str:
    """Return the median, the fastest and the slowest."""
    return f"{statistics.median(took) * 1000:.0f} ms ({min(took) * 1000:.0f} to {max(took) * 1000:.0f})"
