"""The page of the benchmark: its rows, its plots, its words."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from scripts.benchmark import rivals
from scripts.benchmark.timing import ratio, seconds

DOCS = Path(__file__).resolve().parents[2] / "docs"
PLOTS = Path(__file__).with_name("plots.py")
PAGE = """\
# Benchmarks

Written by `scripts/bench`; run it for figures of your own machine. All tools reach the same hosts of the lab, on the
same machine, as the same user with the same key, and are as strict about host keys. Sides that are compared run in
turn, after one turn that does not count: median (fastest to slowest), and the median of the ratios turn by turn.

Machine: {machine}.
{versions}.

## Ten questions to {hosts} hosts

{looks}

![Time against the number of hosts](benchmarks-hosts.svg)

## Twelve repairs on {hosts} hosts

Twelve files of each host are to have another text, {slow} times. Ours looks first, passes a gate, takes the lock of
each host, records each intent on disk before it is sent, sends each change detached from the connection, and looks
again after each; pyinfra and ansible-core do none of these.

{repaired}

## Far away

One host behind a proxy that holds everything back, as if it were so far away.

{far}

![Time against the round trip](benchmarks-distance.svg)

## Many hosts

Whole processes. What the process costs without any host is taken off.

{large}

## And

{few}
"""


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
    said = f"{times:.2f} times" if times > 0.8 else f"{1 / times:.1f} times faster"  # where either reads well
    return Row(what=what, ours=seconds(took[us]), other=f"{seconds(took[them])}, {name}", ratio=said, wanted=wanted)


def draw(drawn: Mapping[str, Plot]) -> None:
    """Draw the plots into docs/, with the other tools' Python, which has matplotlib."""
    data = {name: {"title": plot.title, "x": plot.x, "tools": plot.tools} for name, plot in drawn.items()}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "plots.json"
        file.write_text(json.dumps(data), encoding="utf-8")
        subprocess.run([rivals.VENV / "bin/python", PLOTS, file, DOCS], check=True)


def render(tables: Mapping[str, Sequence[Row]], *, hosts: int, rounds: int, slow: int) -> str:
    """Write docs/benchmarks.md, and return it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    names = ("fabric", "paramiko", "invoke", "pydantic")
    own = ", ".join(f"{name} {version(name)}" for name in names)
    text = PAGE.format(
        machine=f"{os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}; {rounds} turns",
        versions=f"Python {platform.python_version()}, {own}; {rivals.versions()}",
        hosts=hosts,
        slow=min(rounds, slow),
        looks=_table(tables["looks"], "against"),
        repaired=_table(tables["repairs"], "against"),
        far=_table(tables["far"], "against"),
        large=_table(tables["large"], "costs"),
        few=_table(tables["few"], "against"),
    )
    (DOCS / "benchmarks.md").write_text(text, encoding="utf-8")
    return text


def _table(rows: Sequence[Row], other: str) -> str:
    head = [f"| what | ours | {other} | ratio | wanted |", "|---|---|---|---|---|"]
    lines = [f"| {row.what} | {row.ours} | {row.other} | {row.ratio} | {row.wanted} |" for row in rows]
    return "\n".join([*head, *lines])
