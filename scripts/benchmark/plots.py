"""Draw the benchmark's plots. Usage: plots.py FILE.json FOLDER; run where matplotlib is.

The file holds, by name of a plot: title, x label, and by name of a tool the points, x to seconds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "soleil-remediate", "svg.fonttype": "none"}  # the same figures, the same file

from matplotlib import pyplot  # noqa: E402  # after the backend was chosen

_COLOURS = {"soleil-remediate": "#b34700", "plain paramiko": "#7a7a7a", "OpenSSH with xargs": "#2f6f4f"}


def main(data: Path, folder: Path) -> None:
    """Draw every plot of *data* into *folder*, one file each."""
    for name, plot in json.loads(data.read_text(encoding="utf-8")).items():
        figure, axes = pyplot.subplots(figsize=(7, 4.2))
        for tool, points in plot["tools"].items():
            x, y = [float(at) for at in points], list(points.values())
            width = 2.4 if tool == "soleil-remediate" else 1.4
            axes.plot(x, y, marker="o", markersize=4, linewidth=width, label=tool, color=_COLOURS.get(tool))
        axes.set(title=plot["title"], xlabel=plot["x"], ylabel="seconds (median)", yscale="log")
        if all(float(at) > 0 for points in plot["tools"].values() for at in points):
            axes.set(xscale="log")  # what grows in step with x is a straight line at 45 degrees
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:g}"))
        axes.grid(visible=True, which="both", alpha=0.25)
        axes.legend(frameon=False)
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
