"""Every mistake in playbooks, inventories and the variables beside them, each file judged by what stands in it.

A folder may hold all of them. ``group_vars/`` and ``host_vars/`` belong to the inventories beside them, which read
them; what none of those reads is read here, since a misspelt name would else say nothing to anybody. What keeps a
playbook from being used on the hosts of an inventory is another question: :func:`misfits`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from soleil_remediate.catalog import Catalog
from soleil_remediate.errors import ConfigError, InventoryError, PlaybookError
from soleil_remediate.host import Host, Origin
from soleil_remediate.loading.binding import NotBound, bind, meant_by
from soleil_remediate.loading.documents import Node, Problem, Problems, compose, read_text
from soleil_remediate.loading.foreign import foreign_inventory, ini_inventory
from soleil_remediate.loading.groups import read_targets, read_variables
from soleil_remediate.loading.inventory import Inventory, load_inventory
from soleil_remediate.loading.playbooks import (
    PARTS,
    ROUTINES,
    SIGNS,
    Playbook,
    check_explained,
    names_in_playbooks,
    read_scenarios,
)
from soleil_remediate.loading.policies import KnownNames, check_names
from soleil_remediate.loading.reaching import together
from soleil_remediate.loading.routines import read_routines
from soleil_remediate.loading.uses import INPUT_TYPES
from soleil_remediate.local_files import is_folder, names_in
from soleil_remediate.scenario import Scenario, Stage

_VARIABLES = ("group_vars", "host_vars")
_YAML = (".yml", ".yaml")
#: What inventories are usually called that are no YAML.
_OTHERS = ("hosts", "inventory")


class _Sort(Enum):
    INVENTORY = "inventory"
    PLAYBOOK = "playbook"
    ROUTINE = "routine"
    UNREADABLE = "unreadable"


def lint(paths: Iterable[str | Path], catalog: Catalog, *, playbooks: Iterable[str | Path] = ()) -> tuple[Problem, ...]:
    """Return every mistake in playbooks, inventories, variables and folders of them, by file and line.

    Nothing is raised. What two inventories share, or is named twice, is told once.

    Args:
        paths: What is judged.
        catalog: The kinds that playbooks may use.
        playbooks: Those that inventories may name scenarios of, beside the ones among *paths*; they are not judged
            themselves. Without any, nobody can tell whether such a name is right.
    """
    problems = Problems(PlaybookError)
    named = _Named()
    for path in paths:
        named.add(path, problems)
    scenarios = read_scenarios(named.playbooks, catalog, problems)
    read_routines(named.routines, catalog, problems)
    others = tuple(playbooks)
    known = names_in_playbooks([*others, *named.playbooks]) if others else None
    if known is not None:
        check_explained(scenarios, known.scenarios, problems)
    found = set(problems)
    for file in named.inventories:
        found.update(_in_inventory(file, known))
    for base in {Path(file).parent for file in named.inventories} | named.bases:
        found.update(_unread(base))
    for variables in named.variables:
        found.update(_about(variables, known))
    return tuple(sorted(found, key=lambda problem: (problem.origin, problem.message)))


def misfits(playbooks: Iterable[str | Path], inventory: str | Path, catalog: Catalog) -> tuple[Problem, ...]:
    """Return what keeps playbooks from being used on the hosts of an inventory that they are for.

    Every kind that a scenario uses is bound to each of these hosts, with what its inputs are where nobody gives any;
    what depends on one that somebody has to give is left to the run. What is wrong with a file by itself is told by
    :func:`lint` and not here.

    Args:
        playbooks: Files and folders; inventories among them are passed over.
        inventory: Whose hosts are meant.
        catalog: The kinds that playbooks may use.
    """
    named, problems = _Named(), Problems(PlaybookError)
    for path in playbooks:
        named.add(path, problems)
    scenarios = read_scenarios(named.playbooks, catalog, problems)
    try:
        loaded = load_inventory(inventory)
    except ConfigError:
        return ()
    found: dict[Problem, None] = {}
    for scenario in scenarios:
        found.update(dict.fromkeys(_misfits(scenario, loaded, catalog)))
    return tuple(sorted(found, key=lambda problem: (problem.origin, problem.message)))


def _misfits(scenario: Scenario, inventory: Inventory, catalog: Catalog) -> Iterator[Problem]:
    inputs = {
        name: INPUT_TYPES[one.type][1] if one.is_required else one.default for name, one in scenario.inputs.items()
    }
    wrong: dict[tuple[Origin, str], list[str]] = {}
    own: tuple[Host, ...] = ()
    in_stages: set[str] = set()
    parts: list[Scenario | Stage] = [scenario, *scenario.stages]
    for part in parts:
        where = part.hosts_origin or part.origin
        try:
            its = meant_by(part, inventory.meant_by)
        except ConfigError as error:
            yield Problem(where, str(error).removeprefix(f"{where}: "))
            continue
        own = its if part is scenario else own
        its = tuple(host for host in its if host in own)
        in_stages.update(host.name for host in its if part is not scenario)
        if own and not its:
            yield Problem(where, f"stage {part.name} is for {part.hosts}, and none of {scenario.hosts} is among them")
        for host in its:
            for mistake in _unbound(scenario, part, host, inputs, catalog):
                wrong.setdefault((mistake.origin, mistake.mistake), []).append(host.name)
    if scenario.stages and (others := [host.name for host in own if host.name not in in_stages]):
        yield Problem(
            scenario.hosts_origin or scenario.origin,
            f"no stage of {scenario.name} is for {together(others)}, and {scenario.name} is for {scenario.hosts}",
        )
    for (origin, said), names in wrong.items():
        yield Problem(origin, f"{together(names)}: {said}")


def _unbound(
    scenario: Scenario, part: Scenario | Stage, host: Host, inputs: Mapping[str, Any], catalog: Catalog
) -> Iterator[NotBound]:
    """Yield why the kinds that a scenario or a stage uses cannot be bound to a host, each by itself."""
    parts = PARTS if isinstance(part, Stage) else PARTS | SIGNS
    empty: dict[str, Any] = dict.fromkeys(parts, ())
    for title in parts:
        for use in getattr(part, title):
            alone = replace(part, **empty | {title: (use,)})
            try:
                if isinstance(alone, Stage):
                    bind(scenario, host, inputs, catalog, alone)
                else:
                    bind(alone, host, inputs, catalog)
            except NotBound as error:
                yield error
            except ConfigError:  # by what somebody has to give: nobody knows that yet
                continue


def _in_inventory(file: str | Path, known: KnownNames | None) -> Problems:
    problems = Problems(InventoryError)
    with suppress(ConfigError):  # already among the problems
        hosts = read_targets(os.fspath(file), problems).hosts
        if known is not None:
            check_names(hosts, known, problems)
    return problems


@dataclass
class _Named:
    """What the given paths lead to.

    Args:
        playbooks: Files, as they were given; among them what cannot be read: then that is said, and nothing else.
        routines: Files, as they were given.
        inventories: Files, as they were given.
        variables: Files and folders within ``group_vars`` or ``host_vars``, or these themselves.
        bases: Folders that hold ``group_vars`` or ``host_vars``.
    """

    playbooks: list[str | Path] = field(default_factory=list)
    routines: list[str | Path] = field(default_factory=list)
    inventories: list[str | Path] = field(default_factory=list)
    variables: list[Path] = field(default_factory=list)
    bases: set[Path] = field(default_factory=set)

    def add(self, path: str | Path, problems: Problems) -> None:
        """Sort a file, or what a folder holds."""
        if _holder(Path(path)) is not None:
            self.variables.append(Path(path))
        elif is_folder(path):
            self._add_folder(Path(path), problems)
        else:
            self._add_file(path)

    def _add_folder(self, folder: Path, problems: Problems) -> None:
        start = Origin(str(folder), 1)
        try:
            names = names_in(folder)
        except OSError as error:
            problems.add(start, f"this folder cannot be read: {error.strerror}")
            return
        if not {*_VARIABLES}.isdisjoint(names):
            self.bases.add(folder)
        files = _files(folder, names)
        has_routines = ROUTINES in names and is_folder(folder / ROUTINES)
        if not files and not has_routines and folder not in self.bases:
            problems.add(start, "there is no playbook and no inventory in this folder: they end in .yml")
        for file in files:
            self._add_file(file)
        if has_routines:
            self._add_folder(folder / ROUTINES, problems)

    def _add_file(self, file: str | Path) -> None:
        match _sort(file):
            case _Sort.INVENTORY:
                self.inventories.append(file)
            case _Sort.ROUTINE:
                self.routines.append(file)
            case _:
                self.playbooks.append(file)


def _files(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return what may be a playbook or an inventory, by its name."""
    usual = [name for name in names if name.endswith((*_YAML, ".ini")) or name in _OTHERS]
    return [folder / name for name in usual if name[0] not in ".~" and not is_folder(folder / name)]


def _sort(file: str | Path) -> _Sort:
    """Return what a file is, by what stands in it; where that is neither, it was to become a playbook."""
    shown, problems = os.fspath(file), Problems(PlaybookError)
    try:
        text = read_text(file, problems)
        if ini_inventory(text, shown):
            return _Sort.INVENTORY
        root = compose(text, shown, problems)
    except ConfigError:
        return _Sort.UNREADABLE
    ours = root.entries.keys() & Playbook.model_fields.keys()
    values = root.entries.values()
    if "routine" in root.entries:
        return _Sort.ROUTINE
    if "scenario" in ours or len(ours) > 1:
        return _Sort.PLAYBOOK
    has_groups = "all" in root.entries or any(map(_is_group, values))
    may_have = not ours and values and all(node.value is None or node.entries for node in values)
    return _Sort.INVENTORY if has_groups or may_have or foreign_inventory(root) else _Sort.PLAYBOOK


def _is_group(node: Node) -> bool:
    return not {"hosts", "children", "vars"}.isdisjoint(node.entries)


# ---- variables -------------------------------------------------------------------------------------------------------


def _holder(path: Path) -> Path | None:
    """Return the ``group_vars`` or ``host_vars`` that a path leads to or into, if any."""
    return next((one for one in (path, path.parent, path.parent.parent) if one.name in _VARIABLES), None)


def _about(path: Path, known: KnownNames | None) -> Iterator[Problem]:
    """Yield what is wrong with a file or folder of variables, as the inventories beside it see it."""
    holder = _holder(path)
    if holder is None:
        raise AssertionError("only what lies in group_vars or host_vars is asked about")
    base = holder.parent
    problems = Problems(PlaybookError)
    with suppress(ConfigError):  # already among the problems
        read_variables(path, problems)  # that it is missing, say: no inventory would miss it
    found = {*problems, *_unread(base)}
    for file, sort in _sorted_in(base):
        if sort is _Sort.INVENTORY:
            found.update(_in_inventory(file, known))
    for problem in found:
        place = Path(problem.origin.file)
        if path in {place, *place.parents}:
            yield problem


def _unread(base: Path) -> Iterator[Problem]:
    """Yield what is wrong with the variables beside inventories that none of these reads: first of all, just that."""
    problems = Problems(PlaybookError)
    for folder, known in _known(base).items():
        names: list[str] = []
        with suppress(OSError):  # whoever reads it says so
            names = names_in(base / folder)
        for name in names:
            path = base / folder / name
            whose = name.removesuffix(".yml").removesuffix(".yaml")
            if name[0] in ".~" or whose in known or (whose == name and not is_folder(path)):
                continue
            if known:
                problems.unknown(folder.removesuffix("_vars"), whose, known, Origin(str(path), 1))
            with suppress(ConfigError):  # already among the problems
                read_variables(path, problems)
    yield from problems


def _known(base: Path) -> dict[str, frozenset[str]]:
    """Return whose variables may stand in each folder: nobody's where an inventory is beside them that is not read.

    One that cannot be read, or makes its hosts by a program, may have any group and host.
    """
    groups: set[str] = set()
    hosts: set[str] = set()
    for file, sort in _sorted_in(base):
        problems = Problems(PlaybookError)
        if sort is _Sort.INVENTORY:
            with suppress(ConfigError):
                targets = read_targets(str(file), problems)
                groups.update(targets.groups)
                hosts.update(targets.groups["all"])
        if sort is _Sort.UNREADABLE or any(problem.origin.file == str(file) for problem in problems):
            return dict.fromkeys(_VARIABLES, frozenset())
    if _has_program(base):
        return dict.fromkeys(_VARIABLES, frozenset())
    return {"group_vars": frozenset(groups), "host_vars": frozenset(hosts)}


def _sorted_in(base: Path) -> list[tuple[Path, _Sort]]:
    with suppress(OSError):
        return [(file, _sort(file)) for file in _files(base, names_in(base))]
    return []


def _has_program(base: Path) -> bool:
    with suppress(OSError):
        others = [base / name for name in names_in(base) if not name.endswith(_YAML)]
        return any(os.access(path, os.X_OK) and not is_folder(path) for path in others)
    return False
