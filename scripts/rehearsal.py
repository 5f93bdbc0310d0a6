"""Rehearse faults of the lab, and write docs/rehearsal.md. Started by scripts/rehearse."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import as_data
from soleil_remediate.lab import Lab
from soleil_remediate.lab.faulting import Ending, Fault
from soleil_remediate.record import Runs
from soleil_remediate.rehearsing import faults_about, rehearsals, rehearse
from soleil_remediate.units import Duration

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "rehearsal.md"
#: What came of each rehearsal, so that some of them can be done anew.
FIGURES = DOCS / "rehearsal.json"

#: The check of what only users meet: it asks for the public address, which the lab's inventory does not have.
_FROM_OUTSIDE = "page.reached"

_HEAD = """\
# Rehearsal

Every fault that a scenario is about, on a real Debian host of the lab: broken with it, diagnosed, repaired by that
scenario, proven, and run once more. Where a repair needs something that only a person can name, such as the address to
block, that is done twice: with nothing named, and with it. Written by `scripts/rehearse`; `soleil-remediate rehearse
--all` prints the same on your own machine, and `tests/lab` holds every fault to it. What each of them is stands in
[the lab](lab.md).

Measured on {when}, {machine}.
Seconds are from the moment in which the host was broken to the proof that it is not any more, with the diagnosis and
everything that is saved first: {total} for all {count} rehearsals.

*named*: the inputs that a person gave (`--set`), and then said yes to what would be done; where `-`, nobody named or
approved anything, and no more is done than the lab's policy allows. *found*: a diagnosis sees it. *first*: it tells the
right scenario before all others. *ended*: fixed; eased, where something is left to a person; by hand, where nothing
that may be sent would help, nothing was sent, and what to do is said; no further, where all that may be sent did not
help, and it goes no further by itself; well, where the scenario sees nobody suffer: why stands at the end.
*again*: a second run sends nothing. *undone*: where all that was sent can be taken back, it was, and the fault was
there again.

"""

_MATRIX = """
## What a diagnosis tells first

Rows are what the faults are about, columns what was told first, numbers are faults.

"""

_BESIDE = """
Beside the diagonal, and meant to be: where a scenario has nothing that it may do by itself, the symptom's own is told
first and says what a person has to decide; and where a symptom has its cause elsewhere, the cause's is.

"""


def main() -> int:
    """Rehearse, write the page, and end with 1 where anything is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="only faults that these are about")
    parser.add_argument("--rest", action="store_true", help="only faults of which nothing is known yet")
    options = parser.parse_args()
    lab, kept, is_right = Lab(f"rehearsal-{os.getpid()}"), _kept(), True
    faults = [fault for scenario in options.scenarios or [""] for fault in faults_about(lab, scenario)]
    chosen = [one for one in rehearsals(faults) if not (options.rest and key(*one) in kept)]
    try:
        lab.up(["web1"])
        with TemporaryDirectory() as folder:
            for number, (fault, inputs) in enumerate(chosen, 1):
                if number > 1:
                    lab.reset("web1")
                done = rehearse(fault, lab, inputs=inputs, runs=Runs(Path(folder)))
                kept[key(fault, inputs)] = as_data(done) | {
                    "measured": f"{datetime.now(UTC):%Y-%m-%d}",
                    "machine": _machine(),
                }
                is_right = is_right and not done.amiss
                said = "; ".join(done.amiss) or f"{done.ends.value}, {done.took}"
                print(f"{number}/{len(chosen)} {key(fault, inputs)}: {said}", flush=True)
                _write(faults_about(lab), kept)
    finally:
        lab.down()
    return int(ExitStatus.OK if is_right else ExitStatus.NOT_FIXED)


def _write(faults: Sequence[Fault], kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what is there so far, and write the page about it."""
    known = [fault for fault in faults if fault.name in kept]
    keys = [key(*one) for one in rehearsals(faults)]
    figures = {name: kept[name] for name in keys if name in kept}
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(known, figures), encoding="utf-8")


def key(fault: Fault, inputs: Mapping[str, str]) -> str:
    """Return what a rehearsal is called among the figures: its fault, and which inputs a person named."""
    return " with ".join([fault.name, *([", ".join(inputs)] if inputs else [])])


def _kept() -> dict[str, Any]:
    return dict(json.loads(FIGURES.read_text(encoding="utf-8"))) if FIGURES.exists() else {}


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def page(faults: Sequence[Fault], figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page about all of them.

    Args:
        faults: Those that it is about.
        figures: What came of each of their rehearsals.
    """
    done = list(figures.values())
    days = sorted({one["measured"] for one in done})
    head = _HEAD.format(
        when=" to ".join(dict.fromkeys((days[0], days[-1]))),
        machine="; ".join(dict.fromkeys(one["machine"] for one in done)),
        total=Duration(sum(one["took"] for one in done)),
        count=len(done),
    )
    rows = [
        (
            one["fault"],
            one["scenario"],
            ", ".join(one["inputs"]) or "-",
            "-" if one["is_first_right"] and not one["first"] else _yes(is_so=one["is_found"]),
            _yes(is_so=one["is_first_right"]),
            one["verdict"].lower() if one["amiss"] else one["ends"],
            "SENT" if one["sent_again"] else "silent",
            {None: "-", True: "red", False: "NOT RED"}[one["is_red_again"]],
            f"{one['took']:.1f}",
        )
        for one in done
    ]
    titles = ("fault", "scenario", "named", "found", "first", "ended", "again", "undone", "seconds")
    return head + _table(titles, rows) + _MATRIX + _matrix(figures) + _BESIDE + _notes(faults)


def _matrix(figures: Mapping[str, Mapping[str, Any]]) -> str:
    # Of a fault that is rehearsed twice the diagnosis is the same: nothing is named for it.
    told = {one["fault"]: (one["scenario"], one["first"] or "nothing") for one in figures.values()}
    counts = Counter(told.values())
    scenarios = sorted({scenario for scenario, _ in counts})
    columns = [*scenarios, *sorted({first for _, first in counts} - {*scenarios, "nothing"}), "nothing"]
    rows = [(name, *(str(counts[name, first] or "") for first in columns)) for name in scenarios]
    return _table(("about", *columns), rows)


def _notes(faults: Sequence[Fault]) -> str:
    quiet = [one for one in faults if one.ends is Ending.WELL]
    suffered = [one for one in quiet if one.named is not None or _FROM_OUTSIDE in one.kinds]
    well = ", ".join(f"`{one.name}`" for one in quiet if one not in suffered)
    lines = [
        f"- Nothing is told, rightly, of {well}: users do not suffer.",
        *(f"- `{one.name}`: {one.about}. {_why_untold(one)}" for one in suffered),
        *(
            f"- `{one.name}` is about {one.scenario}, and {one.first} is told first."
            for one in faults
            if one.first != one.scenario
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _why_untold(fault: Fault) -> str:
    """Return why nothing is told of a fault by which somebody may suffer."""
    if fault.named is None:
        return (
            f"Nothing is told of it here, though users suffer: only `{_FROM_OUTSIDE}` sees it, by the public "
            "address, and the lab's inventory has none."
        )
    inputs = " and ".join(f"`{name}`" for name in fault.named.inputs)
    return f"Whoever is hit suffers, and nothing is told while nobody names {inputs}: only what is named is judged."


def _yes(*, is_so: bool) -> str:
    return "yes" if is_so else "NO"


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    raise SystemExit(main())
