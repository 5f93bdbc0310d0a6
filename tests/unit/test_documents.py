"""What the README and docs/ say about the code is what the code says."""

import re
from importlib import import_module
from pathlib import Path

import pytest

from soleil_remediate import Catalog
from soleil_remediate.built_in import PLACES
from soleil_remediate.errors import WORST_FIRST, ExitStatus
from soleil_remediate.lab.faulting import faults
from soleil_remediate.loading import lint, load_scenarios
from soleil_remediate.plan import Risk

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_has_every_exit_status_and_no_other() -> None:
    table = re.findall(r"^\| (\d+) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [int(status) for status, _ in table] == [int(status) for status in ExitStatus]


def test_the_readme_says_which_exit_status_counts_over_several_hosts() -> None:
    (order,) = re.findall(
        r"^Over several hosts the worst counts, in this order: ([0-9, ]+)\.",
        (ROOT / "README.md").read_text(),
        re.MULTILINE,
    )
    assert [int(status) for status in order.split(", ")] == [int(status) for status in WORST_FIRST]


def test_the_readme_names_every_shipped_scenario() -> None:
    shipped = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)) == shipped


def test_the_runbook_page_has_every_shipped_scenario_and_names_only_kinds_that_there_are() -> None:
    page = (ROOT / "docs" / "runbook.md").read_text()
    shipped = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(re.findall(r"^## ([a-z-]+)$", page, re.MULTILINE)) == shipped
    named = re.findall(r"`([a-z-]+\.[a-z-]+)`", page)
    assert len(named) > 30
    kinds = set(PLACES)
    assert [name for name in named if name not in kinds] == []


#: How many hazards of automating a runbook there are, by what they are about; and one of each scenario.
HAZARDS = {"A": 17, "B": 24, "C": 24, "D": 7, "E": 20}
KINDS = set(PLACES)


def _hazards() -> str:
    page = (ROOT / "docs" / "runbook.md").read_text()
    return page.partition("\n## Hazards\n")[2].partition("\n## ")[0]


def _kinds_in(text: str) -> list[str]:
    return re.findall(r"`([a-z-]+\.[a-z-]+)`", text)


def test_the_runbook_page_says_of_every_hazard_what_avoids_it_or_why_nothing_does() -> None:
    rows = re.findall(r"^\| ([A-E][0-9]+) \| ([^|]+) \| ([^|]+) \|$", _hazards(), re.MULTILINE)
    due = [f"{letter}{number}" for letter, count in HAZARDS.items() for number in range(1, count + 1)]
    assert [hazard for hazard, _, _ in rows] == due
    for hazard, _, avoided in rows:
        assert [name for name in _kinds_in(avoided) if name not in KINDS] == [], hazard
        is_said = avoided.startswith(("always: ", "refused", "not done"))
        assert _kinds_in(avoided) or is_said, f"{hazard} names no kind, and does not say why"
        assert "not done" not in avoided.lower() or " By hand: " in avoided, f"{hazard} does not say what to do by hand"


def test_the_runbook_page_says_of_every_scenario_what_it_does_by_itself_and_what_waits_for_a_person() -> None:
    rows = re.findall(r"^\| F `([a-z-]+)` \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", _hazards(), re.MULTILINE)
    catalog = Catalog(PLACES)
    shipped = load_scenarios([ROOT / "playbooks"], catalog)
    assert [name for name, _, _ in rows] == sorted(shipped)
    for name, alone, gated in rows:
        steps = {step.kind for step in shipped[name].steps}
        gentle = {kind for kind in steps if catalog.kind(kind).risk is Risk.GENTLE}
        assert {*_kinds_in(alone)} == gentle, name
        assert {*_kinds_in(gated)} == steps - gentle, name


def _anchors(page: Path) -> set[str]:
    """Return what links may name after ``#``, as forges make it of headings."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        led_to = page.parent / target if target else page
        assert led_to.exists(), target
        assert not anchor or anchor in _anchors(led_to), f"{target}#{anchor}"


def test_every_page_is_found_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"](docs/{page.name})" not in readme] == []


def test_the_safety_page_has_every_row_and_names_only_tests_that_there_are() -> None:
    page = (ROOT / "docs" / "safety.md").read_text()
    table = page.partition("by which test")[2]
    rows = re.findall(r"^\| (T[0-9T, ]+) \|(.*)\|$", table, re.MULTILINE)
    assert [int(number) for row, _ in rows for number in re.findall(r"[0-9]+", row)] == list(range(1, 39))
    named = re.findall(r"`(tests/[a-z_0-9/]+\.py)::(\w+)`", table)
    assert len(named) > 70
    assert [f"{path}::{name}" for path, name in named if not _is_there(path, name)] == []
    for row, text in rows:
        about, _, shown_by = text.rpartition("|")
        assert "`tests/" in shown_by or "**None" in about or "othing here" in about or "listens to nothing" in about, (
            f"{row} names no test and does not say that there is none"
        )


def _is_there(path: str, name: str) -> bool:
    file = ROOT / path
    return file.exists() and re.search(rf"^def {name}\(", file.read_text(), re.MULTILINE) is not None


def test_the_lab_page_lists_every_fault_and_no_other() -> None:
    table = (ROOT / "docs" / "lab.md").read_text().partition("## Faults")[2].partition("```")[0]
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == [fault.name for fault in faults()]


@pytest.mark.parametrize(
    "page, example",
    [
        ("write-a-task.md", "own_task/deploy_lock.py"),
        ("write-a-playbook.md", "own_task/deploy-lock.yml"),
        ("write-a-playbook.md", "staged/deploy-cut-off.yml"),
    ],
)
def test_the_pages_show_the_examples_as_they_are(page: str, example: str) -> None:
    assert (ROOT / "examples" / example).read_text() in (ROOT / "docs" / page).read_text()


@pytest.mark.parametrize(
    "example, module, kind",
    [("own_task", "deploy_lock", "RemoveDeployLock"), ("staged", "queue_workers", "RestartQueueWorkers")],
)
def test_lint_finds_nothing_in_the_examples(
    example: str, module: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ROOT / "examples" / example
    monkeypatch.syspath_prepend(folder)
    assert lint([folder], Catalog(PLACES).with_classes(getattr(import_module(module), kind))) == ()


def test_every_session_that_a_page_shows_is_on_a_page_that_is_tried() -> None:
    assert [page.name for page in PAGES if "```console" in page.read_text()] == ["tutorial.md"]
