"""The page of the benchmark: its rows, its plots, its words."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scripts.benchmark import rivals
from scripts.benchmark.timing import ratio, seconds

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLOTS = Path(__file__).with_name("plots.py")
#: What was measured, part by part, so that one alone can be measured again; the page is made of all of them.
FIGURES = DOCS / "benchmarks.json"
PAGE = """\
# Benchmarks

Written by `scripts/bench`; run it for figures of your own machine. All tools reach the same hosts of the lab, on the
same machine, as the same user with the same key, and are as strict about host keys. Sides that are compared run in
turn, after one turn that does not count: median (fastest to slowest), and the median of the ratios turn by turn. Of
what takes minutes every turn counts. Parts may be measured at different times, each in one go.

{parts}
"""
#: The parts in their order: heading, words, the column of the other side, and the plot below.
PARTS = {
    "near": (
        "Ten questions to each of many hosts",
        """Ours also reads the application's `.env` on each host, an eleventh question, so that its secrets are known
before anything is told.""",
        "against",
        "",
    ),
    "slow": ("The same, against tools that take minutes", "", "against", ""),
    "repairs": (
        "Twelve repairs of each host",
        """Twelve files of each host are to have another text. Ours looks first, passes a gate, takes the lock of each
host, records each intent on disk before it is sent, sends each change detached from the connection, and looks again
after each; pyinfra and ansible-core do none of these. Where our time goes is told by when events of the run are heard:
of the hosts that are changed together, the median host's share of that time.""",
        "against",
        "",
    ),
    "far": (
        "Far away",
        "One host behind a proxy that holds everything back, as if it were so far away.",
        "against",
        "![Time against the round trip](benchmarks-far.svg)",
    ),
    "large": (
        "Many hosts",
        "Whole processes. What the process costs without any host is taken off.",
        "costs",
        "![Time against the number of hosts](benchmarks-large.svg)",
    ),
    "few": ("And", "", "against", ""),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a table."""

    what: str
    ours: str
    other: str = "-"
    ratio: str = "-"
    wanted: str = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What one plot shows: by tool, seconds by what stands on the x axis."""

    title: str
    x: str
    tools: Mapping[str, Mapping[int, float]]


def against(what: str, took: Mapping[str, Sequence[float]], us: str, them: str, name: str, wanted: str) -> Row:
    """Return the line of one comparison; of what takes longer it is said how many times."""
    times = ratio(took[us], took[them])
    faster = f"{1 / times:.{2 if times > 0.1 else 1}f} times faster"  # whether 2.47 is 2.5 is not for rounding to say
    said = f"{times:.2f} times" if times > 0.8 else faster  # where either reads well
    return Row(what=what, ours=seconds(took[us]), other=f"{seconds(took[them])}, {name}", ratio=said, wanted=wanted)


def keep(part: str, rows: Sequence[Row], plot: Plot | None, *, turns: int) -> None:
    """Keep what was measured of one part, with when and on what, and write the page anew.

    Args:
        turns: How often each side was timed.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = ("fabric", "paramiko", "invoke", "pydantic")
    own = ", ".join(f"{name} {version(name)}" for name in names)
    figures = _kept()
    figures[part] = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}, {turns} turns; {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"Linux {platform.release()}; Python {platform.python_version()}, {own}; {rivals.versions()}",
        "rows": [asdict(row) for row in rows],
    }
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if plot is not None:
        _draw(part, plot)
    (DOCS / "benchmarks.md").write_text(render(figures), encoding="utf-8")


def _kept() -> dict[str, Any]:
    return dict(json.loads(FIGURES.read_text(encoding="utf-8"))) if FIGURES.exists() else {}


def _draw(part: str, plot: Plot) -> None:
    """Draw the plot of a part into docs/, with the other tools' Python, which has matplotlib."""
    data = {f"benchmarks-{part}": {"title": plot.title, "x": plot.x, "tools": plot.tools}}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plots.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        subprocess.run([rivals.VENV / "bin/python", PLOTS, file, DOCS], check=True)


def render(figures: Mapping[str, Any]) -> str:
    """Return the page of what was measured; a part that never was is not in it."""
    parts = []
    for part, (heading, words, other, plot) in PARTS.items():
        if part in figures:
            rows = [Row(**row) for row in figures[part]["rows"]]
            measured = f"Measured {figures[part]['measured']}."
            parts.append("\n\n".join(filter(None, (f"## {heading}", words, _table(rows, other), plot, measured))))
    return PAGE.format(parts="\n\n".join(parts))


def _table(rows: Sequence[Row], other: str) -> str:
    head = [f"| what | ours | {other} | ratio | wanted |", "|---|---|---|---|---|"]
    lines = [f"| {row.what} | {row.ours} | {row.other} | {row.ratio} | {row.wanted} |" for row in rows]
    return "\n".join([*head, *lines])
