"""Write docs/tasks.md, the reference of every kind, from the code itself. Started by scripts/generate.

What a kind does, takes and refuses is its docstring and its fields. Its use, and what a person sees of it, are those of
the sample that the laws hold it to (tests/laws/samples.py). The same code gives the same page, to the letter.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import yaml

from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Argument, Catalog, Family, Kind
from soleil_remediate.lab.faulting import faults
from soleil_remediate.loading import load_scenarios, shipped_playbooks
from soleil_remediate.loading.uses import INPUT_TYPES
from soleil_remediate.loading.validation import as_written
from soleil_remediate.plan import Risk
from soleil_remediate.reporters.evidence import put_evidence
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.plans import Detail, put_step
from soleil_remediate.scenario import Scenario, Use
from soleil_remediate.seen import EvidenceSeen
from soleil_remediate.step_outcomes import StepPending
from soleil_remediate.task import Check, Look, Reading, Task
from soleil_remediate.units import ByteSize, Duration, Percent
from tests.laws.samples import sample, seen_by

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tasks.md"

WIDTH = 80

#: Where a kind of each family stands in a playbook.
SECTIONS = {Family.TASK: "steps", Family.CHECK: "healthy_when", Family.LOOK: "evidence"}

#: A cell longer than this does not make its whole column as wide.
_WIDEST = 16

_HEAD = """\
# Tasks, checks and looks

Every kind that a playbook may name. `scripts/generate` writes this page from
the code: change it there. How kinds are put together stands in
[write a playbook](write-a-playbook.md), how to add one in
[write a task](write-a-task.md).

| family           | what it does                      | stands in                                               |
|------------------|-----------------------------------|---------------------------------------------------------|
| [task](#tasks)   | sees one fault, and can repair it | `steps`, `healthy_when`, `goal`, `signs`                |
| [check](#checks) | says healthy, faulty or unknown   | `healthy_when`, `goal`, `beyond`, `signs`, or a routine |
| [look](#looks)   | shows what a person should know   | `evidence`                                              |
"""

_VALUES = """\
Values are written with their unit: {units}. Decimal units of size (kB, MB, GB, TB) are read as well as binary ones
(KiB, MiB, GiB, TiB). A path is absolute, on the host. A template such as `{{{{ app.root }}}}` may stand for any value.
"""

_SECTION_HEADS = {
    Family.TASK: """\
## Tasks

Gentlest first, as in a playbook. GENTLE: nobody notices. DISRUPTIVE: requests
in flight may fail. DESTRUCTIVE: data or evidence is gone, money moves, or
people are reached. What each needs before it is sent:
[the gate](safety.md#the-gate).

Below each use stands what a person sees of it at the gate, for a host of the
tests. `keep` survives. `save` is copied off the host first. `loses` is gone
from the host; where that line is missing, nothing is. `undo` takes it back.
""",
    Family.CHECK: """\
## Checks

A check changes nothing. Red before the first change and green after it is what
*fixed* means. Below each use stands what it says of a host of the tests.
""",
    Family.LOOK: """\
## Looks

A look changes nothing and judges nothing. Below each use stands what it shows
of a host of the tests.
""",
}


def reference(catalog: Catalog) -> str:
    """Return the page about every kind of *catalog*."""
    scenarios = tuple(load_scenarios([shipped_playbooks()], catalog).values())
    families = {
        Family.TASK: sorted(catalog.kinds(Family.TASK), key=_risk),
        Family.CHECK: catalog.kinds(Family.CHECK),
        Family.LOOK: catalog.kinds(Family.LOOK),
    }
    parts = [_HEAD, *(_contents(family, kinds) for family, kinds in families.items())]
    units = [f"{unit.expected} ({name})" for name, unit in _QUANTITIES.items()]
    parts.append(_prose(_VALUES.format(units=", ".join(units))))
    for family, kinds in families.items():
        parts += [_SECTION_HEADS[family], *(_entry(kind, scenarios) for kind in kinds)]
    return "\n".join(parts)


def _risk(kind: Kind) -> Risk:
    if kind.risk is None:
        raise LookupError(f"{kind.name} declares no risk")
    return kind.risk


def _contents(family: Family, kinds: Iterable[Kind]) -> str:
    lines = [f"**{family.value.capitalize()}s**", ""]
    for kind in kinds:
        name = f"[`{kind.name}`](#{kind.name.replace('.', '')})"
        risk = f" {_risk(kind).name}" if family is Family.TASK else ""
        lines.append(_item(f"{name}{risk}", kind.summary))
    return "\n".join([*lines, ""])


def _entry(kind: Kind, scenarios: Sequence[Scenario]) -> str:
    reading = sample(kind.reading)
    parts = [f"### `{kind.name}`\n", _prose(_marked(kind.summary, kind))]
    if kind.description:
        parts.append("\n".join(_prose(_marked(text, kind)) for text in kind.description.split("\n\n")))
    parts += [f"```yaml\n{use(kind)}```\n", f"```text\n{_shown(reading)}```\n"]
    parts.append(_arguments(kind) if kind.arguments else "It takes no argument.\n")
    facts = []
    if kind.refuses:
        facts.append(_item("**Changes nothing, and says why**", _marked(kind.refuses, kind)))
    rounds = kind.reading.rounds
    facts.append(_item("**Asks**", f"{rounds} round trip{'' if rounds == 1 else 's'} at most."))
    if used := [one.name for one in scenarios if kind.name in _kinds_of(one)]:
        facts.append(_item("**Used by**", f"{_listed(used)}."))
    if broken := [fault.name for fault in faults() if kind.name in fault.kinds]:
        facts.append(_item("**Proved** on real hosts with the [lab's faults](lab.md#faults)", f"{_listed(broken)}."))
    return "\n".join([*parts, "\n".join(facts), ""])


def _kinds_of(scenario: Scenario) -> set[str]:
    return {use.kind for use in _uses_of(scenario)}


def _uses_of(scenario: Scenario) -> tuple[Use, ...]:
    return (*scenario.healthy_when, *scenario.goal, *scenario.beyond, *scenario.evidence, *scenario.steps)


# ---- uses -----------------------------------------------------------------------------------------------------------


def use(kind: Kind) -> str:
    """Return the least that a playbook may write: what is required, and what the sample sets otherwise."""
    reading = sample(kind.reading)
    given = {name: getattr(reading, name) for name in kind.arguments}
    least = {
        name: written(value)
        for name, value in given.items()
        if kind.arguments[name].is_required or value != kind.arguments[name].default
    }
    return f"{SECTIONS[kind.family]}:\n  - {kind.name}: {_flow(least)}\n"


def written(value: object) -> object:
    """Return a value as a playbook writes it: short where that means the same, else to the last digit."""
    match value:
        case ByteSize() | Duration() | Percent():
            short = str(value).replace(" %", "%")
            return short if _reads_as(value, short) else as_written(value)
        case tuple():
            return [written(item) for item in value]
        case _:
            return as_written(value)


def _reads_as(value: ByteSize | Duration | Percent, text: str) -> bool:
    try:
        return type(value).parse(text) == value
    except ValueError:
        return False


def _flow(value: object) -> str:
    # A text stands in a list first: between braces, where it is used, a comma in it would end it.
    whole = [value] if isinstance(value, str) else value
    text: str = yaml.safe_dump(whole, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    text = text.removesuffix("\n").removesuffix("\n...")
    return text.removeprefix("[").removesuffix("]") if isinstance(value, str) else text


# ---- what a person sees of it ---------------------------------------------------------------------------------------


def _shown(reading: Reading[Any]) -> str:
    """Return what the console prints about a use, on the host of the samples."""
    seen, page = seen_by(reading), Page(WIDTH)
    match reading:
        case Task():
            plan = reading.plan(seen)
            put_step(page, 1, reading.kind, StepPending(plan=plan, digests=(), is_tentative=False))
        case Check():
            verdict = reading.judge(seen)
            page.beside(verdict.health.name, verdict.why, 9)
        case Look():
            shown = reading.show(seen)
            evidence = EvidenceSeen(kind=reading.kind, title=reading.title, shown=shown)
            put_evidence(page, [evidence], (), Detail.ALL, label="")
    return textwrap.dedent(page.text)


# ---- arguments ------------------------------------------------------------------------------------------------------

_QUANTITIES = {name: one for name, (one, _) in INPUT_TYPES.items() if one in {ByteSize, Duration, Percent}}


def type_name(annotation: Any) -> str:
    """Return a type as a playbook's ``inputs`` call it.

    Raises:
        LookupError: They have no name for it: give it one in ``INPUT_TYPES``, or here.
    """
    for name, (one, _) in INPUT_TYPES.items():
        if annotation == one:
            return name
    parts = get_args(annotation)
    if get_origin(annotation) is tuple and parts[1:] == (...,):
        return f"list of {type_name(parts[0])}"
    if NoneType in parts and len(parts) == 2:
        return type_name(parts[0])
    raise LookupError(f"no playbook has a name for the type {annotation}")


def _arguments(kind: Kind) -> str:
    rows = [("argument", "type", "default", "meaning")]
    rows += [
        (f"`{one.name}`", type_name(one.annotation), _default(one), _marked(one.about, kind))
        for one in kind.arguments.values()
    ]
    columns = list(zip(*rows, strict=True))[:-1]
    widths = [max(len(cell) for cell in column if len(cell) <= _WIDEST) for column in columns]
    lines = [_row(row, widths) for row in rows]
    ruler = "|".join("-" * (width + 2) for width in widths)
    return "\n".join([lines[0], f"|{ruler}|---|", *lines[1:], ""])


def _default(argument: Argument) -> str:
    return "required" if argument.is_required else f"`{_flow(written(argument.default))}`"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    *first, meaning = (cell.replace("|", r"\|") for cell in cells)
    padded = [cell.ljust(width) for cell, width in zip(first, widths, strict=True)]
    return f"| {' | '.join([*padded, meaning])} |"


# ---- text -----------------------------------------------------------------------------------------------------------


def _marked(text: str, kind: Kind) -> str:
    """Return a docstring's text in Markdown: what it quotes, and the arguments that it names, as code."""
    quoted = re.sub(r"``(.+?)``", r"`\1`", text)
    names = "|".join(kind.arguments)
    return re.sub(rf"(?<![`*\w])\*({names})\*(?![`*\w])", r"`\1`", quoted) if names else quoted


def _prose(text: str) -> str:
    return _filled(text) + "\n"


def _item(name: str, text: str) -> str:
    return _filled(f"- {name}: {text}", indent="  ")


def _filled(text: str, indent: str = "") -> str:
    """Return *text* on lines of :data:`WIDTH`, broken at blanks, but never within code."""
    whole = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.fill(whole, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def main(words: Sequence[str] | None = None, page: Path = PAGE) -> int:
    """Write the page, or say what in it is not fresh."""
    parser = argparse.ArgumentParser(prog="scripts/generate", description="Write docs/tasks.md from the code.")
    parser.add_argument("--check", action="store_true", help="only say whether it is fresh, and what differs")
    is_check = parser.parse_args(words).check
    fresh = reference(Catalog(PLACES))
    found = page.read_text(encoding="utf-8") if page.exists() else ""
    if fresh == found:
        return 0
    name = f"docs/{page.name}"
    if not is_check:
        page.write_text(fresh, encoding="utf-8")
        print(f"{name} written")
        return 0
    print(f"{name} is not what the code says: run scripts/generate", file=sys.stderr)
    sys.stdout.writelines(
        difflib.unified_diff(found.splitlines(keepends=True), fresh.splitlines(keepends=True), name, "the code")
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
