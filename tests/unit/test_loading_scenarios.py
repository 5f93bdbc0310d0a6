# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
"""Shipped playbooks are read when their scenario is asked for: nobody waits for the others, or for their mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from soleil_remediate.catalog import load_catalog
from soleil_remediate.errors import PlaybookError, UnknownName
from soleil_remediate.loading import Scenarios, documents, load_scenarios, shipped_playbooks

CATALOG = load_catalog()

HEALTHY = "healthy_when: [{disk.used: {below: 90%}}]\n"


def playbook(name: str, rest: str = HEALTHY, aliases: str = "") -> str:
    head = f"scenario: {name}\n" + (f"aliases: [{aliases}]\n" if aliases else "")
    return head + f"title: {name}\nseverity: high\nrespond_within: 30 min\nimpact: none\n" + rest


@pytest.fixture
def shipped(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("soleil_remediate.loading.playbooks.__file__", str(here / "product/loading/playbooks.py"))
    folder = here / "product/playbooks"
    folder.mkdir(parents=True)
    (folder / "a.yml").write_text(playbook("a-full", aliases="a, first"))
    (folder / "b.yml").write_text(playbook("b-full", "healthy_when: [{disk.usde: {below: 90%}}]\nexplains: [a-ful]\n"))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(*others: str) -> Scenarios:
    return load_scenarios([shipped_playbooks(), *others], CATALOG)


def test_a_mistake_in_a_shipped_playbook_keeps_nobody_from_another(shipped: Path) -> None:
    scenarios = loaded()
    assert scenarios.find("first") is scenarios["a-full"]
    assert [*scenarios] == ["a-full", "b-full"]
    assert scenarios.names["b-full"] == "b-full"


def test_whoever_asks_for_the_one_with_mistakes_hears_them_all(shipped: Path) -> None:
    Path("explaining.yml").write_text(playbook("c-full", HEALTHY + "explains: [a-full]\n"))
    scenarios = loaded("explaining.yml")
    for ask in (lambda: scenarios.find("b-full"), lambda: list(scenarios.values())):
        with pytest.raises(UnknownName, match=r"b\.yml:6:17: unknown kind 'disk\.usde': did you mean 'disk\.used'\?$"):
            ask()
    (shipped / "b.yml").write_text(playbook("b-full", HEALTHY + "explains: [a-ful]\n"))
    with pytest.raises(UnknownName, match=r"b\.yml:7:12: unknown scenario 'a-ful': did you mean 'a-full'\?$"):
        loaded().find("b-full")


def test_a_mistake_in_a_playbook_of_ones_own_is_told_before_anything_is_done(shipped: Path) -> None:
    Path("own.yml").write_text(playbook("own", "healthy_when: []\n"))
    with pytest.raises(PlaybookError, match=r"^own\.yml:6:15: healthy_when needs at least one check"):
        loaded("own.yml")


@pytest.mark.parametrize("taken", ["a-full", "first"])
def test_a_name_that_a_shipped_scenario_has_is_refused(shipped: Path, taken: str) -> None:
    Path("own.yml").write_text(
        playbook("own" if taken == "first" else taken, aliases="first" if taken == "first" else "")
    )
    with pytest.raises(PlaybookError) as caught:
        loaded("own.yml")
    first = shipped / "a.yml"
    assert str(caught.value) == f"own.yml:1:1: the scenario {taken!r} is already in {first}:1:1: rename one of them"


@pytest.mark.parametrize(
    "head,message",
    [
        ("scenario: [b]\n", "b.yml:1:11: scenario must be text, not a list"),
        ("scenario: B\n", "b.yml:1:11: scenario must be a name such as disk-full, not 'B'"),
        ("scenario: b\naliases: {b: c}\n", "b.yml:2:10: aliases must be a list, not a mapping"),
        ("scenario: b\nscenario: c\naliases: [d]\n", "b.yml:2:1: 'scenario' is already given at line 1: keep one of the two"),
        ("- scenario: b\n", "b.yml:1:1: the file must be a mapping, not a list"),
        ("scenario: b\naliases: *a\n", "b.yml:2:10: the alias *a is not allowed: write the value itself"),
    ],
)  # fmt: skip
def test_a_head_that_says_no_name_is_told_at_once(shipped: Path, head: str, message: str) -> None:
    (shipped / "b.yml").write_text(head)
    with pytest.raises(PlaybookError) as caught:
        loaded()
    assert message in [line.removeprefix(f"{shipped}/") for line in str(caught.value).splitlines()]


def test_of_the_others_no_more_is_read_than_their_names(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = documents.compose

    def noted(text: str, shown: str, *others: object, **named: object) -> documents.Node:
        node = whole(text, shown, *others, **named)  # type: ignore[arg-type]  # handed on as they are
        read.append(f"{Path(shown).name}: {', '.join(node.entries)}")
        return node

    monkeypatch.setattr(documents, "compose", noted)
    loaded().find("a")
    everything = "scenario, aliases, title, severity, respond_within, impact, healthy_when"
    assert read == [
        "a.yml: scenario, aliases",
        f"b.yml: {everything.replace(', aliases', '')}, explains",  # it has none: its end tells
        f"a.yml: {everything}",
    ]
