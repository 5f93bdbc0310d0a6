"""Playbooks: one scenario a file, checked as a whole when it is loaded, so that no mistake is left for the host."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from soleil_remediate.catalog import Catalog, Family
from soleil_remediate.errors import ConfigError, PlaybookError
from soleil_remediate.host import Origin
from soleil_remediate.loading.documents import Node, Problems, read_document, read_head
from soleil_remediate.loading.foreign import ansible_playbook
from soleil_remediate.loading.patterns import pattern_mistake
from soleil_remediate.loading.policies import KnownNames
from soleil_remediate.loading.scenarios import Scenarios, Unread
from soleil_remediate.loading.secret_names import looks_secret
from soleil_remediate.loading.uses import INPUT_TYPES, UseReader
from soleil_remediate.loading.validation import Prose, Section, frozen, judge, read_model, shown, told
from soleil_remediate.local_files import is_folder, names_in, resolved
from soleil_remediate.plan import Risk
from soleil_remediate.scenario import Escalation, Input, Scenario, Severity, Stage, Use
from soleil_remediate.units import Duration

#: The folder of routines within one of playbooks.
ROUTINES = "routines"


def _scenario_name(text: str) -> str:
    if not all(word.isascii() and word.isalnum() and word == word.lower() for word in text.split("-")):
        raise ValueError(f"must be a name such as disk-full, not {shown(text)}")
    return text


def _input_name(text: str) -> str:
    if not (text.isascii() and text.isidentifier() and text == text.lower()):
        raise ValueError(f"must be a name such as log_limit, not {shown(text)}")
    return text


def _host_pattern(text: str) -> str:
    if mistake := pattern_mistake(text):
        raise ValueError(mistake)
    return text


ScenarioName = Annotated[str, AfterValidator(_scenario_name)]
InputName = Annotated[str, AfterValidator(_input_name)]
HostPattern = Annotated[str, AfterValidator(_host_pattern)]
Uses = tuple[Any, ...]

#: What a playbook has, or where it has stages, each of these.
PARTS = {
    "healthy_when": (Family.CHECK, Family.TASK),
    "goal": (Family.CHECK, Family.TASK),
    "beyond": (Family.CHECK,),
    "evidence": (Family.LOOK,),
    "steps": (Family.TASK,),
}


#: What a playbook without stages may have besides.
SIGNS = {"signs": (Family.CHECK, Family.TASK)}


class InputSection(Section):
    """An input, as it is written; :class:`~soleil_remediate.scenario.Input` says what each key means."""

    type: Literal["size", "duration", "percent", "integer", "text", "path"]
    about: Prose
    default: Any = None
    required: bool = False


class _Escalation(Section):
    after: Duration
    to: Prose


class _Stage(Section):
    """One of a playbook's stages; :class:`~soleil_remediate.scenario.Stage` says what each key means."""

    stage: ScenarioName
    hosts: HostPattern | None = None
    once: bool = False
    healthy_when: Uses = ()
    goal: Uses = ()
    beyond: Uses = ()
    evidence: Uses = ()
    steps: Uses = ()


class _Head(Section):
    """By what a scenario is found."""

    scenario: ScenarioName
    aliases: tuple[ScenarioName, ...] = ()


class Playbook(_Head):
    """The top level of a playbook; :class:`~soleil_remediate.scenario.Scenario` says what each key means."""

    title: Prose
    severity: Severity
    respond_within: Duration
    impact: Prose
    detection: tuple[Prose, ...] = ()
    hosts: HostPattern = "all"
    inputs: dict[InputName, InputSection] = Field(default_factory=dict)
    healthy_when: Uses = ()
    goal: Uses = ()
    beyond: Uses = ()
    evidence: Uses = ()
    steps: Uses = ()
    stages: tuple[_Stage, ...] = ()
    explains: tuple[ScenarioName, ...] = ()
    signs: Uses = ()
    questions: tuple[Prose, ...] = ()
    by_hand: tuple[Prose, ...] = ()
    escalate: _Escalation | None = None


def load_scenarios(places: Iterable[str | Path], catalog: Catalog) -> Scenarios:
    """Read playbooks, and every ``*.yml`` and ``*.yaml`` of folders; what is named twice counts once.

    Of those that come with the product only the head is read, and the rest of one when it is asked for: to read all of
    them takes longer than to connect to a host, and a mistake in one keeps nobody from another.

    Raises:
        PlaybookError: One of the others cannot be used as it stands; every mistake has its ``file:line:column``.
        UnknownName: The only mistake is a misspelt name.
    """
    problems = Problems(PlaybookError)
    found: list[Scenario | Unread] = []
    taken: dict[str, Origin] = {}
    shipped = _shipped_playbooks()
    for file in files_of(places, problems):
        is_shipped = Path(resolved(file)).parent == shipped
        one = (_unread(file, catalog) if is_shipped else None) or _readable(file, catalog, problems)
        if one is not None:
            _take(one, taken, problems)
            found.append(one)
    scenarios = Scenarios(found)
    check_explained((one for one in found if isinstance(one, Scenario)), scenarios.names, problems)
    problems.raise_any()
    return scenarios


def _unread(file: str, catalog: Catalog) -> Unread | None:
    """Return what a playbook's head says; ``None`` where it has to be read whole to say what is wrong with it."""
    problems = Problems(PlaybookError)
    with suppress(ConfigError):
        root = read_head(file, frozenset(_Head.model_fields), problems)
        entries = {key: node for key, node in root.entries.items() if key in _Head.model_fields}
        head = read_model(Node(entries, root.origin, root.keys), _Head, problems)
    if len(problems) or head is None:
        return None

    def read(known: Mapping[str, str]) -> Scenario:
        problems = Problems(PlaybookError)
        scenario = read_scenario(file, catalog, problems)
        if scenario is not None:
            check_explained([scenario], known, problems)
        problems.raise_any()
        if scenario is None:
            raise AssertionError("what cannot be used has mistakes")
        return scenario

    return Unread(head.scenario, head.aliases, root.origin, read)


def check_explained(scenarios: Iterable[Scenario], known: Mapping[str, str], problems: Problems) -> None:
    """Note every name that a scenario is said to explain and that no scenario has.

    Args:
        scenarios: Whose they are.
        known: The scenario of each name and alias.
        problems: Where it is noted.
    """
    for scenario in scenarios:
        for name, origin in scenario.explains.items():
            if known.get(name) != name:
                problems.unknown("scenario", name, dict.fromkeys(known.values()), origin)


def read_scenarios(places: Iterable[str | Path], catalog: Catalog, problems: Problems) -> list[Scenario]:
    """Read playbooks as :func:`load_scenarios` does, each of them whole; mistakes are added to *problems*."""
    taken: dict[str, Origin] = {}
    found = [one for file in files_of(places, problems) if (one := _readable(file, catalog, problems)) is not None]
    for one in found:
        _take(one, taken, problems)
    return found


def _readable(file: str, catalog: Catalog, problems: Problems) -> Scenario | None:
    try:
        return read_scenario(file, catalog, problems)
    except ConfigError:
        return None  # already among the problems


def _take(one: Scenario | Unread, taken: dict[str, Origin], problems: Problems) -> None:
    """Note the names of a scenario as taken, or that another has them."""
    for name in (one.name, *one.aliases):
        if name in taken:
            problems.add(one.origin, f"the scenario {name!r} is already in {taken[name]}: rename one of them")
        taken.setdefault(name, one.origin)


def shipped_playbooks() -> Path:
    """Return the folder of the playbooks that come with the product: in the wheel, or in a checkout beside the package.

    Raises:
        ConfigError: The installation is incomplete.
    """
    if (folder := _shipped_playbooks()) is None:
        raise ConfigError(f"the playbooks are missing from {_package()}: install soleil-remediate again")
    return folder


def _shipped_playbooks() -> Path | None:
    package = _package()
    return next((folder for folder in (package / "playbooks", package.parent / "playbooks") if folder.is_dir()), None)


def _package() -> Path:
    return Path(__file__).resolve().parents[1]


def names_in_playbooks(places: Iterable[str | Path]) -> KnownNames:
    """Return the names that playbooks have, of those too that have other mistakes; nothing is raised."""
    scenarios: dict[str, str] = {}
    contacts: set[str] = set()
    for file in files_of(places, Problems(PlaybookError)):
        with suppress(ConfigError):
            root = read_document(file, Problems(PlaybookError))
            name = root.at(("scenario",)).value
            if isinstance(name, str):
                aliases = root.at(("aliases",)).value
                others = [node.value for node in aliases] if isinstance(aliases, list) else []
                scenarios |= {alias: name for alias in (name, *others) if isinstance(alias, str)}
            called = root.at(("escalate", "to")).value
            contacts |= {called} if isinstance(called, str) else set()
    return KnownNames(scenarios, frozenset(contacts))


def files_of(places: Iterable[str | Path], problems: Problems) -> Iterator[str]:
    """Yield every file once, as it is named first: by itself, by its folder, or by another way to either."""
    seen: set[str] = set()
    for place in places:
        for file in _files_at(place, problems):
            if (real := resolved(file)) not in seen:
                seen.add(real)
                yield file


def _files_at(place: str | Path, problems: Problems) -> list[str]:
    if not is_folder(place):
        return [os.fspath(place)]
    start = Origin(os.fspath(place), 1)
    try:
        names = names_in(place)
    except OSError as error:
        problems.add(start, f"this folder cannot be read: {error.strerror}")
        return []
    files = [name for name in names if name.endswith((".yml", ".yaml")) and not name.startswith(".")]
    if not files and not is_folder(Path(place) / ROUTINES):
        problems.add(start, "there is no playbook in this folder: they end in .yml")
    return [os.fspath(Path(place) / name) for name in files]


def read_scenario(file: str | Path, catalog: Catalog, problems: Problems) -> Scenario | None:
    """Read one playbook; mistakes are added to *problems* and give ``None``.

    Raises:
        PlaybookError: The file cannot be read as YAML.
    """
    before = len(problems)
    node = read_document(file, problems)
    if found := ansible_playbook(node):
        problems.add(*found)
        return None
    playbook = read_model(node, Playbook, problems)
    if playbook is None:
        return None
    inputs = read_inputs(playbook.inputs, node, problems)
    reader = UseReader(catalog, inputs, problems)
    for title in ("questions", "by_hand"):
        reader.check_prose(node, title)
    stages = _stages(playbook, node, reader, problems)
    if "stages" in node.entries:
        for key in PARTS.keys() & node.entries.keys():
            problems.add(node.keys[key], f"where there are stages each has its own {key}: move this into them")
        for key in {"explains", *SIGNS} & node.entries.keys():
            problems.add(node.keys[key], f"what has stages is not diagnosed: leave {key} out")
        parts = dict[str, tuple[Use, ...]]()
    else:
        parts = _parts(node, reader, problems)
        parts |= {title: reader.section(node, title, families) for title, families in SIGNS.items()}
    if len(problems) > before:
        return None
    return Scenario(
        name=playbook.scenario,
        title=playbook.title,
        severity=playbook.severity,
        respond_within=playbook.respond_within,
        impact=playbook.impact.strip(),
        origin=node.origin,
        hosts=playbook.hosts,
        hosts_origin=node.entries["hosts"].origin if "hosts" in node.entries else None,
        aliases=playbook.aliases,
        detection=playbook.detection,
        inputs=frozen(inputs),
        questions=playbook.questions,
        by_hand=tuple(text.rstrip("\n") for text in playbook.by_hand),
        escalate=Escalation(after=playbook.escalate.after, to=playbook.escalate.to) if playbook.escalate else None,
        stages=stages,
        healthy_when=parts.get("healthy_when", ()),
        goal=parts.get("goal", ()),
        beyond=parts.get("beyond", ()),
        evidence=parts.get("evidence", ()),
        steps=parts.get("steps", ()),
        explains=frozen({one: node.at(("explains", at)).origin for at, one in enumerate(playbook.explains)}),
        signs=parts.get("signs", ()),
    )


def _parts(node: Node, reader: UseReader, problems: Problems) -> dict[str, tuple[Use, ...]]:
    """Return the kinds that a playbook, or one of its stages, uses."""
    uses = {title: reader.section(node, title, families) for title, families in PARTS.items()}
    checks = node.entries.get("healthy_when", node)
    if not checks.value or checks is node:
        problems.add(checks.origin, "healthy_when needs at least one check: without it no repair can be proved")
    _check_risks(uses["steps"], reader.catalog, problems)
    return uses


def _stages(playbook: Playbook, node: Node, reader: UseReader, problems: Problems) -> tuple[Stage, ...]:
    if "stages" in node.entries and not playbook.stages:
        problems.add(node.entries["stages"].origin, "stages needs at least one stage: write one, or leave it out")
    found: dict[str, Stage] = {}
    for number, one in enumerate(playbook.stages):
        place = node.at(("stages", number))
        if one.stage in found:
            message = f"the stage {one.stage!r} is already in {found[one.stage].origin}: rename one of them"
            problems.add(place.at(("stage",)).origin, message)
        if not one.steps:
            where = place.entries.get("steps", place).origin
            problems.add(where, f"the stage {one.stage!r} needs at least one step")
        uses = _parts(place, reader, problems)
        pattern = place.entries.get("hosts", node.entries.get("hosts"))
        found.setdefault(
            one.stage,
            Stage(
                name=one.stage,
                hosts=one.hosts or playbook.hosts,
                hosts_origin=None if pattern is None else pattern.origin,
                is_once=one.once,
                healthy_when=uses["healthy_when"],
                goal=uses["goal"],
                beyond=uses["beyond"],
                evidence=uses["evidence"],
                steps=uses["steps"],
                origin=place.origin,
            ),
        )
    return tuple(found.values())


def read_inputs(given: Mapping[str, InputSection], node: Node, problems: Problems) -> dict[str, Input]:
    """Return what may be given; mistakes are added to *problems*."""
    inputs = {}
    for name, declared in given.items():
        place = node.at(("inputs", name))
        default, mistake = declared.default, None
        if declared.required and default is not None:
            mistake = "must be left out, or required must"
        elif isinstance(default, str) and "{{" in default:
            mistake = "must be a value, not a template: name the value where it is used"
        elif default is not None:
            default, mistake = judge(default, INPUT_TYPES[declared.type][0])
        if declared.type == "text" and looks_secret(name):
            here = node.at(("inputs",)).keys[name]
            problems.add(here, f"inputs.{name} looks like a secret: given by --set, everybody could read it")
        if mistake:
            problems.add(place.at(("default",)).origin, told(f"inputs.{name}.default", mistake))
        inputs[name] = Input(
            type=declared.type,
            about=declared.about,
            default=default,
            is_required=declared.required,
            origin=node.at(("inputs",)).keys[name],
        )
    return inputs


def _check_risks(steps: tuple[Use, ...], catalog: Catalog, problems: Problems) -> None:
    highest: tuple[Risk, str] | None = None
    for step in steps:
        risk = catalog.kind(step.kind).risk
        if risk is None:
            continue
        if highest is not None and risk < highest[0]:
            problems.add(
                step.origin,
                f"{step.kind} is {risk.value} and stands behind {highest[1]}, which is {highest[0].value}: "
                "put the gentler step first",
            )
        else:
            highest = (risk, step.kind)
