"""Playbooks: one scenario a file, checked as a whole when it is loaded, so that no mistake is left for the host."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from soleil_remediate.catalog import Catalog, Family, Kind
from soleil_remediate.documents import Node, Problems, read_document
from soleil_remediate.errors import ConfigError, PlaybookError, UnknownName
from soleil_remediate.host import Origin
from soleil_remediate.inventory import SECRET_NAME
from soleil_remediate.patterns import pattern_mistake
from soleil_remediate.plan import Risk
from soleil_remediate.profiles import SAMPLE_PROFILE, profile_names
from soleil_remediate.scenario import Escalation, Input, Scenario, Severity, Use
from soleil_remediate.templates import Name, NotDefined, fill, names_in
from soleil_remediate.units import ByteSize, Duration, Percent
from soleil_remediate.validation import Prose, Section, frozen, judge, read_model, shown

#: What a template may name after ``host.``.
HOST_NAMES = ("name", "address", "environment")

#: The types of inputs: how each is validated, and a sample that stands for it while a playbook is checked.
INPUT_TYPES: Mapping[str, tuple[Any, Any]] = {
    "size": (ByteSize, ByteSize(1024**2)),
    "duration": (Duration, Duration(60)),
    "percent": (Percent, Percent(50)),
    "integer": (int, 1),
    "text": (str, "text"),
    "path": (PurePosixPath, PurePosixPath("/path")),
}
_SAMPLE_HOST = {"name": "web1", "address": "web1", "environment": "production"}


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
Uses = tuple[Any, ...]


class _Input(Section):
    type: Literal["size", "duration", "percent", "integer", "text", "path"]
    about: Prose
    default: Any = None
    required: bool = False


class _Escalation(Section):
    after: Duration
    to: Prose


class Playbook(Section):
    """The top level of a playbook; :class:`~soleil_remediate.scenario.Scenario` says what each key means."""

    scenario: ScenarioName
    title: Prose
    severity: Severity
    respond_within: Duration
    impact: Prose
    aliases: tuple[ScenarioName, ...] = ()
    detection: tuple[Prose, ...] = ()
    hosts: Annotated[str, AfterValidator(_host_pattern)] = "all"
    inputs: dict[InputName, _Input] = Field(default_factory=dict)
    healthy_when: Uses = ()
    goal: Uses = ()
    evidence: Uses = ()
    steps: Uses = ()
    questions: tuple[Prose, ...] = ()
    by_hand: tuple[Prose, ...] = ()
    escalate: _Escalation | None = None


class Scenarios(Mapping[str, Scenario]):
    """Scenarios by name, in the order in which they were read; an alias is found by :meth:`find` alone."""

    def __init__(self, scenarios: Iterable[Scenario]) -> None:
        self._scenarios = {scenario.name: scenario for scenario in scenarios}

    def __getitem__(self, name: str) -> Scenario:
        return self._scenarios[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scenarios)

    def __len__(self) -> int:
        return len(self._scenarios)

    def find(self, name: str) -> Scenario:
        """Return the scenario of that name or alias.

        Raises:
            UnknownName: There is none.
        """
        by_name = {alias: scenario for scenario in self.values() for alias in (scenario.name, *scenario.aliases)}
        if name not in by_name:
            raise UnknownName("scenario", name, by_name)
        return by_name[name]


def load_scenarios(places: Iterable[str | Path], catalog: Catalog) -> Scenarios:
    """Read playbooks, and every ``*.yml`` and ``*.yaml`` of folders.

    Raises:
        PlaybookError: One of them cannot be used as it stands; every mistake has its ``file:line:column``.
        UnknownName: The only mistake is a misspelt name.
    """
    problems = Problems(PlaybookError)
    scenarios = read_scenarios(places, catalog, problems)
    problems.raise_any()
    return Scenarios(scenarios)


def read_scenarios(places: Iterable[str | Path], catalog: Catalog, problems: Problems) -> list[Scenario]:
    """Read playbooks as :func:`load_scenarios` does; mistakes are added to *problems*."""
    found: list[Scenario] = []
    taken: dict[str, Origin] = {}
    for file in _files(places, problems):
        try:
            scenario = read_scenario(file, catalog, problems)
        except ConfigError:
            continue  # already among the problems
        if scenario is None:
            continue
        for name in (scenario.name, *scenario.aliases):
            if name in taken:
                problems.add(scenario.origin, f"the scenario {name!r} is already in {taken[name]}: rename one of them")
            taken.setdefault(name, scenario.origin)
        found.append(scenario)
    return found


def _files(places: Iterable[str | Path], problems: Problems) -> Iterator[str]:
    for place in places:
        if not Path(place).is_dir():
            yield os.fspath(place)
            continue
        files = sorted(file for file in Path(place).iterdir() if file.suffix in {".yml", ".yaml"})
        if not files:
            problems.add(Origin(os.fspath(place), 1), "there is no playbook in this folder: they end in .yml")
        yield from map(os.fspath, files)


def read_scenario(file: str | Path, catalog: Catalog, problems: Problems) -> Scenario | None:
    """Read one playbook; mistakes are added to *problems* and give ``None``.

    Raises:
        PlaybookError: The file cannot be read as YAML.
    """
    before = len(problems)
    node = read_document(file, problems)
    playbook = read_model(node, Playbook, "the playbook", problems)
    if playbook is None:
        return None
    inputs = _inputs(playbook, node, problems)
    reader = _Uses(catalog, inputs, problems)
    checks = (Family.CHECK, Family.TASK)
    uses = {
        "healthy_when": reader.section(node, "healthy_when", checks),
        "goal": reader.section(node, "goal", checks),
        "evidence": reader.section(node, "evidence", (Family.LOOK,)),
        "steps": reader.section(node, "steps", (Family.TASK,)),
    }
    if not playbook.healthy_when:
        place = node.entries.get("healthy_when", node).origin
        problems.add(place, "healthy_when needs at least one check: without it no repair can be proved")
    _check_risks(uses["steps"], catalog, problems)
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
        aliases=playbook.aliases,
        detection=playbook.detection,
        inputs=frozen(inputs),
        questions=playbook.questions,
        by_hand=tuple(text.rstrip("\n") for text in playbook.by_hand),
        escalate=Escalation(after=playbook.escalate.after, to=playbook.escalate.to) if playbook.escalate else None,
        **uses,
    )


def _inputs(playbook: Playbook, node: Node, problems: Problems) -> dict[str, Input]:
    inputs = {}
    for name, declared in playbook.inputs.items():
        place = node.at(("inputs", name))
        default, mistake = declared.default, None
        if declared.required and default is not None:
            mistake = "is required and has a default: keep one of the two"
        elif isinstance(default, str) and "{{" in default:
            mistake = "cannot be a template: name the value where it is used"
        elif default is not None:
            default, mistake = judge(default, INPUT_TYPES[declared.type][0])
        if mistake:
            problems.add(place.at(("default",)).origin, f"inputs.{name}.default {mistake}")
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


class _Uses:
    """Reads the lists of kinds of one playbook."""

    def __init__(self, catalog: Catalog, inputs: Mapping[str, Input], problems: Problems) -> None:
        self._catalog = catalog
        self._inputs = inputs
        self._problems = problems
        self._optional = {name for name, one in inputs.items() if one.default is None and not one.is_required}

    def section(self, playbook: Node, title: str, families: tuple[Family, ...]) -> tuple[Use, ...]:
        node = playbook.entries.get(title)
        if node is None or not isinstance(node.value, list):
            return ()
        uses = [self._use(item, title, families) for item in node.value]
        return tuple(use for use in uses if use is not None)

    def _use(self, node: Node, title: str, families: tuple[Family, ...]) -> Use | None:
        if not isinstance(node.value, dict):
            example = (
                f"{node.value}: {{}}"
                if isinstance(node.value, str) and "." in node.value
                else "disk.used: {below: 80%}"
            )
            self._problems.add(node.origin, f"each of {title} is a kind with its arguments: write {example!r}")
            return None
        modifiers = ("always", "only_with") if title == "steps" else ()
        names = [key for key in node.value if key not in ("always", "only_with")]
        if len(names) != 1:
            self._problems.add(
                node.origin, f"each of {title} names one kind, not {len(names)}: begin each with its own '-'"
            )
            return None
        (name,) = names
        for key in ("always", "only_with"):
            if key in node.value and key not in modifiers:
                self._problems.add(node.keys[key], f"{key} belongs to steps, not to {title}")
        if name not in self._catalog:
            self._problems.unknown("kind", name, self._catalog, node.keys[name])
            return None
        kind = self._catalog.kind(name)
        if kind.family not in families:
            wanted = " or ".join(f"a {family.value}" for family in families)
            self._problems.add(node.keys[name], f"{name} is a {kind.family.value}: {title} takes {wanted}")
            return None
        always = node.value.get("always")
        if always is not None and not isinstance(always.value, bool):
            self._problems.add(always.origin, f"always must be true or false, not {shown(always.plain)}")
        only_with = self._only_with(node.value.get("only_with"))
        arguments = node.value[name]
        if not isinstance(arguments.value, dict) and arguments.value is not None:
            self._problems.add(
                arguments.origin, f"the arguments of {name} must be a mapping, not {shown(arguments.plain)}"
            )
            return None
        self._arguments(kind, arguments, node.keys[name], only_with)
        return Use(
            kind=name,
            arguments=frozen(arguments.plain or {}),
            origin=node.keys[name],
            argument_origins=frozen({key: value.origin for key, value in arguments.entries.items()}),
            is_always=always is not None and always.value is True,
            only_with=only_with,
        )

    def _only_with(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        items = node.value if isinstance(node.value, list) else []
        known = {*self._optional, *(f"app.{name}" for name in profile_names() if "." not in name)}
        names = []
        for item in items:
            if not isinstance(item.value, str):
                self._problems.add(item.origin, f"only_with holds names, not {shown(item.plain)}")
            elif item.value in self._inputs and item.value not in self._optional:
                self._problems.add(item.origin, f"the input {item.value} always has a value: leave it out of only_with")
            elif item.value not in known:
                self._problems.unknown("name in only_with", item.value, known, item.origin)
            else:
                names.append(item.value)
        if not items:
            self._problems.add(node.origin, "only_with must be a list of inputs, or of values such as app.backups")
        return tuple(names)

    def _arguments(self, kind: Kind, node: Node, origin: Origin, only_with: tuple[str, ...]) -> None:
        before = len(self._problems)
        valid: dict[str, Any] = {}
        for name, value in node.entries.items():
            if name not in kind.arguments:
                self._problems.unknown(f"argument of {kind.name}", name, kind.arguments, node.keys[name])
                continue
            self._argument(f"{kind.name}: {name}", kind.arguments[name].annotation, value, only_with, valid, name)
        for name, argument in kind.arguments.items():
            if argument.is_required and name not in node.entries:
                self._problems.add(
                    origin, f"{kind.name} needs {name!r}{f': {argument.about}' if argument.about else ''}"
                )
        if len(self._problems) == before and valid.keys() == node.entries.keys():
            try:
                kind.reading(**valid)
            except ValueError as error:
                self._problems.add(origin, f"{kind.name}: {error}")

    def _argument(
        self, told: str, annotation: Any, node: Node, only_with: tuple[str, ...], valid: dict[str, Any], name: str
    ) -> None:
        try:
            names = list(names_in(node.plain))
        except ValueError as error:
            self._problems.add(node.origin, f"{told}: {error}")
            return
        known = [self._is_known(one, node.origin) for one in names]  # each is told, not only the first
        if not all(known):
            return
        if any(one.parts[0] == "vars" for one in names):
            return  # nobody knows them before a host is chosen
        absent: list[set[str]] = [set()]
        optional = {str(one.parts[1]) for one in names if one.parts[0] == "inputs"} & self._optional - set(only_with)
        if optional:
            absent.append(optional)
        for missing in absent:
            try:
                value = fill(node.plain, self._sample(missing))
            except (NotDefined, ValueError) as error:
                self._problems.add(node.origin, f"{told}: {error}")
                return
            value, mistake = judge(value, annotation)
            if mistake:
                when = f" (when {', '.join(sorted(missing))} is not given)" if missing else ""
                self._problems.add(node.origin, f"{told} {mistake}{when}")
                return
            if not names:
                valid[name] = value

    def _sample(self, missing: set[str]) -> dict[str, Any]:
        inputs = {
            name: one.default if one.default is not None else INPUT_TYPES[one.type][1]
            for name, one in self._inputs.items()
            if name not in missing
        }
        return {"app": SAMPLE_PROFILE, "inputs": {**inputs, **dict.fromkeys(missing)}, "host": _SAMPLE_HOST}

    def _is_known(self, name: Name, origin: Origin) -> bool:
        root, rest = str(name.parts[0]), [str(part) for part in name.parts[1:] if isinstance(part, str)]
        known = {"app": profile_names(), "inputs": tuple(self._inputs), "host": HOST_NAMES, "vars": None}
        if root not in known:
            self._problems.unknown("variable", root, known, origin)
            return False
        if not rest:
            self._problems.add(origin, f"{root} alone is no value: name one of its parts, such as {root}.name")
            return False
        if root == "vars" and any(SECRET_NAME.search(part) for part in rest):
            self._problems.add(origin, f"{name} looks like a secret: templates cannot hold secrets")
            return False
        choices = known[root]
        if choices is not None and ".".join(rest) not in choices:
            self._problems.unknown({"inputs": "input"}.get(root, f"name in {root}"), ".".join(rest), choices, origin)
            return False
        return True
