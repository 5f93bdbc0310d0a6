"""The generated reference: what it shows loads, means what the code means, and reads well in a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scripts.reference import PAGE, main, reference, type_name, use, written
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog, Family, Kind
from soleil_remediate.loading import load_scenarios
from soleil_remediate.loading.validation import judge
from soleil_remediate.plan import Risk
from soleil_remediate.scenario import Use
from soleil_remediate.units import ByteSize, Duration, Percent
from tests.laws.samples import sample

ROOT = Path(__file__).resolve().parents[2]
CATALOG = Catalog(PLACES)
KINDS = CATALOG.kinds()
PLAYBOOK = """\
scenario: sample
title: A Sample
severity: medium
respond_within: 1 h
impact: None.
hosts: all
"""
HEALTHY = "healthy_when:\n  - disk.used: {below: 80%}\n"


def entry(kind: Kind) -> str:
    """Return what the page says about one kind."""
    found = re.search(rf"^### `{re.escape(kind.name)}`\n(.*?)(?=^##|\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, kind.name
    return found[1]


def loaded(folder: Path, uses: str) -> tuple[Use, ...]:
    """Return the uses of a playbook that holds *uses* and what every playbook needs."""
    file = folder / "sample.yml"
    file.write_text(PLAYBOOK + ("" if uses.startswith("healthy_when") else HEALTHY) + uses)
    scenario = load_scenarios([file], CATALOG)["sample"]
    return scenario.steps or scenario.evidence or scenario.healthy_when


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_use_that_is_shown_loads_and_is_the_one_that_the_laws_try(kind: Kind, tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", entry(kind), re.MULTILINE | re.DOTALL)
    (one,) = loaded(tmp_path, shown)
    assert one.kind == kind.name
    arguments = {name: judge(value, kind.arguments[name].annotation)[0] for name, value in one.arguments.items()}
    assert kind.reading(**arguments) == sample(kind.reading)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_argument_stands_there_with_a_default_that_means_what_the_code_means(kind: Kind, tmp_path: Path) -> None:
    rows = re.findall(r"^\| `(\w+)` *\| ([a-z ]+?) *\| (required|`[^|]+`) *\| (.+) \|$", entry(kind), re.MULTILINE)
    assert [name for name, *_ in rows] == list(kind.arguments)
    for name, type_, default, _ in rows:
        argument = kind.arguments[name]
        assert type_ == type_name(argument.annotation)
        assert (default == "required") == argument.is_required
    spelt = {name: default.strip("`") for name, _, default, _ in rows if default != "required"}
    required = {name: written(getattr(sample(kind.reading), name)) for name in kind.arguments if name not in spelt}
    everything = ", ".join([f"{name}: {value}" for name, value in {**required, **spelt}.items()])
    section = use(kind).partition("\n")[0]
    (one,) = loaded(tmp_path, f"{section}\n  - {kind.name}: {{{everything}}}\n")
    for name in spelt:
        assert judge(one.arguments[name], kind.arguments[name].annotation)[0] == kind.arguments[name].default


def test_every_kind_stands_there_once_and_tasks_stand_gentlest_first() -> None:
    names = re.findall(r"^### `(.+)`$", PAGE.read_text(), re.MULTILINE)
    assert sorted(names) == sorted(CATALOG)
    families = [CATALOG.kind(name).family for name in names]
    assert families == sorted(families, key=[Family.TASK, Family.CHECK, Family.LOOK].index)
    risks = [CATALOG.kind(name).risk for name in names if CATALOG.kind(name).family is Family.TASK]
    assert risks == sorted(risks, key=list(Risk).index)  # type: ignore[arg-type]  # law 7: every task has one


def test_the_page_fits_80_columns_but_for_tables() -> None:
    wide = [line for line in PAGE.read_text().splitlines() if len(line) > 80 and not line.startswith("|")]
    assert wide == []


def test_the_same_code_gives_the_same_page_in_any_process() -> None:
    program = (
        "from scripts.reference import reference\n"
        "from soleil_remediate.built_in import PLACES\n"
        "from soleil_remediate.catalog import Catalog\n"
        "import sys; sys.stdout.reconfigure(encoding='utf-8'); print(reference(Catalog(PLACES)), end='')\n"
    )
    for seed, zone in (("1", "UTC"), ("2", "Pacific/Auckland")):
        environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": seed, "TZ": zone, "COLUMNS": "40", "LC_ALL": "C"}
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, check=True
        )
        assert done.stdout.decode() == reference(CATALOG)


def test_a_page_that_is_not_fresh_is_told_with_what_differs_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "tasks.md"
    page.write_text(reference(CATALOG).replace("DESTRUCTIVE", "HARMLESS", 1))
    before = page.read_text()

    assert main(["--check"], page) == 1

    told = capsys.readouterr()
    assert told.err == "docs/tasks.md is not what the code says: run scripts/generate\n"
    assert [line[0] for line in told.out.splitlines() if "HARMLESS" in line] == ["-"]
    assert page.read_text() == before

    assert main([], page) == 0
    assert main(["--check"], page) == 0
    assert page.read_text() == reference(CATALOG)


def test_a_page_that_is_not_there_is_not_fresh(tmp_path: Path) -> None:
    assert main(["--check"], tmp_path / "tasks.md") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_no_playbook_can_write_is_refused_not_guessed() -> None:
    with pytest.raises(LookupError, match="no playbook has a name for the type <class 'complex'>"):
        type_name(complex)


@pytest.mark.parametrize(
    "value, text",
    [
        (ByteSize(1024**2), "1 MiB"),
        (ByteSize(1_234_567), "1234567 B"),
        (Duration(3600), "1 h"),
        (Duration(90), "90 s"),
        (Duration(0.25), "0.25 s"),
        (Percent(80), "80%"),
        (Percent(12.25), "12.25%"),
    ],
)
def test_a_quantity_is_written_short_where_that_means_the_same(value: Any, text: str) -> None:
    assert written(value) == text


@given(st.one_of(st.builds(ByteSize, st.integers(0, 2**50)), st.builds(Duration, st.integers(0, 10**8))))
def test_whatever_is_written_is_read_as_the_same(value: Any) -> None:
    assert type(value).parse(yaml.safe_load(str(written(value)))) == value
