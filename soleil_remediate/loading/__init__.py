"""YAML into values: inventories, playbooks and what a person sets, each checked as a whole before a host is touched.

The door to the modules that do it: :mod:`~soleil_remediate.loading.documents` reads YAML strictly,
:mod:`~soleil_remediate.loading.inventory` and :mod:`~soleil_remediate.loading.playbooks` make hosts and scenarios of
it, :mod:`~soleil_remediate.loading.binding` brings the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from soleil_remediate.catalog import Catalog
from soleil_remediate.errors import ConfigError, PlaybookError
from soleil_remediate.loading.binding import bind, parse_inputs
from soleil_remediate.loading.documents import Node, Problem, Problems, read_document
from soleil_remediate.loading.inventory import Explained, Inventory, ad_hoc_host, inventory_problems, load_inventory
from soleil_remediate.loading.playbooks import Scenarios, load_scenarios, read_scenarios
from soleil_remediate.loading.reaching import check_local_files
from soleil_remediate.local_files import is_folder

__all__ = [
    "Explained",
    "Inventory",
    "Problem",
    "Scenarios",
    "ad_hoc_host",
    "bind",
    "check_local_files",
    "lint",
    "load_inventory",
    "load_scenarios",
    "parse_inputs",
    "shipped_playbooks",
]


def shipped_playbooks() -> Path:
    """Return the folder of the playbooks that come with the product: in the wheel, or in a checkout beside the package.

    Raises:
        ConfigError: The installation is incomplete.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "playbooks", package.parent / "playbooks"):
        if folder.is_dir():
            return folder
    raise ConfigError(f"the playbooks are missing from {package}: install soleil-remediate again")


def lint(paths: Iterable[str | Path], catalog: Catalog) -> tuple[Problem, ...]:
    """Return every mistake in playbooks, folders of playbooks and inventories, by file and line; none is raised."""
    found: list[Problem] = []
    playbooks: list[str | Path] = []
    for path in paths:
        if _is_inventory(path):
            found += inventory_problems(path)
        else:
            playbooks.append(path)
    problems = Problems(PlaybookError)
    read_scenarios(playbooks, catalog, problems)
    return tuple(sorted({*found, *problems}, key=lambda problem: (problem.origin, problem.message)))


def _is_inventory(path: str | Path) -> bool:
    """Whether a file is an inventory rather than a playbook: its groups give it away."""
    if is_folder(path):
        return False
    try:
        root = read_document(path, Problems(PlaybookError))
    except ConfigError:
        return False
    return "scenario" not in root.entries and ("all" in root.entries or any(map(_is_group, root.entries.values())))


def _is_group(node: Node) -> bool:
    return not {"hosts", "children", "vars"}.isdisjoint(node.entries)
