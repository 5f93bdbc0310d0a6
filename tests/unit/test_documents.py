"""What the README and docs/ say about the code is what the code says."""

import re
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_readme_has_every_exit_status_and_no_other() -> None:
    table = re.findall(r"^\| (\d+) \| (.+) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert [int(status) for status, _ in table] == [int(status) for status in ExitStatus]


def test_the_readme_names_every_shipped_scenario() -> None:
    shipped = {path.stem for path in (ROOT / "playbooks").glob("*.yml")}
    assert set(re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)) == shipped


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "page, example",
    [("write-a-task.md", "deploy_lock.py"), ("write-a-playbook.md", "deploy-lock.yml")],
)
def test_the_pages_show_the_examples_as_they_are(page: str, example: str) -> None:
    assert (ROOT / "examples" / "own_task" / example).read_text() in (ROOT / "docs" / page).read_text()
