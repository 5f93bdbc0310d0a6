"""Routines: what is looked at every day, week or month, one a file, checked as a whole when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from soleil_remediate.catalog import Catalog, Family
from soleil_remediate.errors import ConfigError, PlaybookError
from soleil_remediate.loading.documents import Problems, read_document
from soleil_remediate.loading.playbooks import (
    ROUTINES,
    HostPattern,
    InputName,
    InputSection,
    ScenarioName,
    Uses,
    files_of,
    read_inputs,
)
from soleil_remediate.loading.uses import UseReader
from soleil_remediate.loading.validation import Prose, Section, frozen, read_model
from soleil_remediate.local_files import is_folder
from soleil_remediate.scenario import Duty, Routine
from soleil_remediate.units import Duration


class _Duty(Section):
    duty: ScenarioName
    what: Prose
    every: Duration


class RoutineSection(Section):
    """The top level of a routine; :class:`~soleil_remediate.scenario.Routine` says what each key means."""

    routine: ScenarioName
    title: Prose
    hosts: HostPattern = "all"
    inputs: dict[InputName, InputSection] = Field(default_factory=dict)
    checks: Uses = ()
    duties: tuple[_Duty, ...] = ()


def load_routines(playbooks: Iterable[str | Path], catalog: Catalog) -> Mapping[str, Routine]:
    """Read every routine in the folders ``routines`` of folders of playbooks, by name.

    Raises:
        PlaybookError: One of them cannot be used as it stands; every mistake has its ``file:line:column``.
        UnknownName: The only mistake is a misspelt name.
    """
    problems = Problems(PlaybookError)
    folders = [Path(place) / ROUTINES for place in playbooks if is_folder(Path(place) / ROUTINES)]
    found: dict[str, Routine] = {}
    for routine in read_routines(folders, catalog, problems):
        if routine.name in found:
            message = f"the routine {routine.name!r} is already in {found[routine.name].origin}: rename one of them"
            problems.add(routine.origin, message)
        found.setdefault(routine.name, routine)
    problems.raise_any()
    return found


def read_routines(places: Iterable[str | Path], catalog: Catalog, problems: Problems) -> list[Routine]:
    """Read routines, and those of folders; mistakes are added to *problems*."""
    found = []
    for file in files_of(places, problems):
        try:
            routine = read_routine(file, catalog, problems)
        except ConfigError:
            continue  # already among the problems
        if routine is not None:
            found.append(routine)
    return found


def read_routine(file: str | Path, catalog: Catalog, problems: Problems) -> Routine | None:
    """Read one routine; mistakes are added to *problems* and give ``None``.

    Raises:
        PlaybookError: The file cannot be read as YAML.
    """
    before = len(problems)
    node = read_document(file, problems)
    written = read_model(node, RoutineSection, problems)
    if written is None:
        return None
    inputs = read_inputs(written.inputs, node, problems)
    checks = UseReader(catalog, inputs, problems).section(node, "checks", (Family.CHECK, Family.TASK))
    if not written.checks and not written.duties:
        problems.add(node.origin, f"the routine {written.routine!r} looks at nothing: write checks, or duties")
    names: set[str] = set()
    for number, one in enumerate(written.duties):
        if one.duty in names:
            origin = node.at(("duties", number, "duty")).origin
            problems.add(origin, f"there is a duty {one.duty!r} already: rename one of them")
        names.add(one.duty)
    if len(problems) > before:
        return None
    return Routine(
        name=written.routine,
        title=written.title,
        origin=node.origin,
        hosts=written.hosts,
        hosts_origin=node.entries["hosts"].origin if "hosts" in node.entries else None,
        inputs=frozen(inputs),
        checks=checks,
        duties=tuple(Duty(name=one.duty, what=one.what.strip(), every=one.every) for one in written.duties),
    )
