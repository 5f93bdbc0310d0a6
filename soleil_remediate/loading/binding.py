"""Binding a scenario to one host: inputs read, templates filled, kinds built. No host is asked anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar, cast

from soleil_remediate.catalog import Catalog
from soleil_remediate.errors import ConfigError, InventoryError, PlaybookError, UnknownName
from soleil_remediate.events import as_data
from soleil_remediate.host import Host, Origin
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading.profiles import NO_PROFILE
from soleil_remediate.loading.templates import NotDefined, fill, fill_for_people, names_in
from soleil_remediate.loading.uses import INPUT_TYPES
from soleil_remediate.loading.validation import frozen, judge, judge_each, told
from soleil_remediate.scenario import Case, Input, LeftOut, Routine, Scenario, Stage, Step, Use
from soleil_remediate.secrecy import keep_open
from soleil_remediate.task import Check, Look, Reading, Task
from soleil_remediate.units import KiB

#: A value of exactly this many bytes is still taken; Linux allows twice as many in one argument.
INPUT_LIMIT = KiB(64)

R = TypeVar("R", bound=Reading[Any])


class NotBound(PlaybookError):
    """A scenario cannot be bound to a host: something of it is not defined there, or is nothing that a kind takes.

    Attributes:
        origin: Where in the playbook.
        mistake: What is wrong, without its place and the host's name.
        missing: The value that is not given, such as ``app.root``; empty where one that is given is wrong.
    """

    def __init__(self, origin: Origin, host: str, mistake: str, *, missing: str = "") -> None:
        self.origin = origin
        self.mistake = mistake
        self.missing = missing
        super().__init__(f"{origin}: {host}: {mistake}")


class NotMeant(ConfigError):
    """A scenario or a routine is not for some of the hosts that were named: it is done on none of them.

    Attributes:
        strangers: Those hosts, by name.
    """

    def __init__(self, part: Scenario | Routine, strangers: Sequence[str]) -> None:
        self.strangers = tuple(strangers)
        are = "are" if len(self.strangers) > 1 else "is"
        super().__init__(f"{part.name} is for {part.hosts}, and {', '.join(self.strangers)} {are} not among them")


def parse_inputs(scenario: Scenario | Routine, given: Iterable[str]) -> Mapping[str, Any]:
    """Read ``NAME=VALUE`` as a scenario or a routine declares it.

    Every declared input is in the result, ``None`` where it is not given.

    A value is data, whatever it holds: quotes, ``$()``, newlines and ``{{ }}`` stay what they are.

    Raises:
        UnknownName: The scenario has no such input.
        ConfigError: A value is missing, given twice or of the wrong type.
    """
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text[:80]!a}: write NAME=VALUE")
        if name not in scenario.inputs:
            raise UnknownName(f"input of {scenario.name}", name, scenario.inputs, where="--set")
        if name in values:
            raise ConfigError(f"--set {name} is given twice: keep one of the two")
        values[name] = _read(name, scenario.inputs[name], value)
    missing = [name for name, one in scenario.inputs.items() if one.is_required and name not in values]
    if missing:
        raise ConfigError(
            f"{scenario.name} needs {', '.join(f'--set {name}=…' for name in missing)}: "
            + "; ".join(f"{name}: {scenario.inputs[name].about}" for name in missing)
        )
    return frozen({name: values.get(name, one.default) for name, one in scenario.inputs.items()})  # type: ignore[no-any-return]  # a mapping stays one


def as_typed(declared: str, value: object) -> str:
    """Return an input as somebody would write it, from the plain value that a record has of it.

    Args:
        declared: Its type in the playbook.
        value: Sizes are bytes there, durations seconds.
    """
    unit = {"size": " B", "duration": " s", "percent": "%"}.get(declared, "")
    # Not an exponent, which nobody could type: only the digits that tell it from every other number.
    number = f"{Decimal(repr(float(value))):f}".removesuffix(".0") if isinstance(value, float) else str(value)
    return f"{number}{unit}"


def as_given(scenario: Scenario, values: Mapping[str, Any]) -> list[str]:
    """Return inputs as ``--set`` takes them, but for those that are the default anyway.

    Args:
        scenario: Whose they are.
        values: Their plain values, as a record has them.
    """
    return [
        f"{name}={as_typed(one.type, values[name])}"
        for name, one in scenario.inputs.items()
        if values.get(name) not in (None, as_data(one.default))
    ]


def _read(name: str, declared: Input, text: str) -> object:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ConfigError(f"--set {name}: the value is not UTF-8") from None
    if size > INPUT_LIMIT:
        raise ConfigError(f"--set {name}: the value is longer than {INPUT_LIMIT}")
    if "\0" in text:
        raise ConfigError(f"--set {name}: a NUL character cannot reach any command")
    value: object = text
    if declared.type == "integer":
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 18):
            raise ConfigError(f"--set {name} must be a whole number, not {text[:80]!a}")
        value = int(text)
    value, mistake = judge(value, INPUT_TYPES[declared.type][0])
    if mistake:
        raise ConfigError(told(f"--set {name}", mistake))
    return value


def bind_all(
    scenario: Scenario,
    hosts: Sequence[Host],
    inputs: Mapping[str, Any],
    catalog: Catalog,
    select: Callable[[str], Iterable[Host]] | None,
) -> tuple[Case, ...]:
    """Bind a scenario to every host of a run: where it has stages, stage by stage, to those that each of them is for.

    Args:
        select: Returns the hosts of the inventory that a pattern names; ``None`` where there is no inventory, so that
            nobody can tell whom the scenario is for, nor which stage a host is in, and it is looked at for each.

    Raises:
        PlaybookError: As :func:`bind`.
        NotMeant: The scenario is not for some of them.
        ConfigError: A stage has no host, or a host no stage.
    """
    if select is not None and (strangers := not_meant(scenario, hosts, select)):
        raise NotMeant(scenario, tuple(strangers))
    if not scenario.stages:
        return tuple(bind(scenario, host, inputs, catalog) for host in hosts)
    meant = _meant(scenario, hosts, select)
    names = ", ".join(host.name for host in hosts)
    for stage, its in meant:
        if not its:
            raise ConfigError(
                f"{stage.origin}: stage {stage.name} is for {stage.hosts}, and none of {names} is among them. Name "
                "its hosts with --host as well: a run does all stages or none"
            )
    placed = {host.name for _, its in meant for host in its}
    if others := [host.name for host in hosts if host.name not in placed]:
        raise ConfigError(f"no stage of {scenario.name} is for {', '.join(others)}: leave it out of --host")
    return tuple(bind(scenario, host, inputs, catalog, stage) for stage, its in meant for host in its)


def bind_peers(
    scenario: Scenario,
    hosts: Sequence[Host],
    inputs: Mapping[str, Any],
    catalog: Catalog,
    select: Callable[[str], Iterable[Host]] | None,
) -> tuple[Case, ...]:
    """Bind a scenario to hosts that are only looked at, to be counted; what is done once is not done there.

    Raises:
        PlaybookError: As :func:`bind`.
    """
    if not scenario.stages:
        return tuple(bind(scenario, host, inputs, catalog) for host in hosts)
    meant = [(stage, its) for stage, its in _meant(scenario, hosts, select) if not stage.is_once]
    return tuple(bind(scenario, host, inputs, catalog, stage) for stage, its in meant for host in its)


def not_meant(scenario: Scenario, hosts: Iterable[Host], select: Callable[[str], Iterable[Host]]) -> Mapping[str, str]:
    """Return those of *hosts* that a scenario, or the stage that one is in, is not for: by name, the pattern it is for.

    Args:
        select: Returns the hosts of the inventory that a pattern names.

    Raises:
        PlaybookError: As :func:`meant_by`, and so UnknownName.
    """
    stages = {stage.name: stage for stage in scenario.stages}
    meant: dict[str, set[str]] = {}
    found: dict[str, str] = {}
    for host in hosts:
        for part in (scenario, stages.get(host.stage, scenario)):
            if part.hosts not in meant:
                meant[part.hosts] = {one.name for one in meant_by(part, select)}
            if host.listed_name not in meant[part.hosts]:
                found.setdefault(host.name, part.hosts)
    return found


def meant_by(part: Scenario | Stage | Routine, select: Callable[[str], Iterable[Host]]) -> tuple[Host, ...]:
    """Return the hosts that a scenario, a stage or a routine is for.

    Args:
        select: Returns the hosts of the inventory that a pattern names.

    Raises:
        UnknownName: It is for a host or group that is not there; the message starts with the ``file:line:column``.
        PlaybookError: It is for no host; likewise.
    """
    where = str(part.hosts_origin or part.origin)
    try:
        return tuple(select(part.hosts))
    except UnknownName as error:
        inventory = f"{where}: {error.where}" if error.where else where
        raise UnknownName(error.what, error.name, error.known, where=inventory) from None
    except InventoryError as error:
        raise PlaybookError(f"{where}: {error}") from None


def _meant(
    scenario: Scenario, hosts: Sequence[Host], select: Callable[[str], Iterable[Host]] | None
) -> list[tuple[Stage, list[Host]]]:
    """Return which of *hosts* each stage is for."""
    found = []
    for stage in scenario.stages:
        names = {host.name for host in (hosts if select is None else meant_by(stage, select))}
        found.append((stage, [host for host in hosts if host.name in names]))
    return found


def bind(
    scenario: Scenario, host: Host, inputs: Mapping[str, Any], catalog: Catalog, stage: Stage | None = None
) -> Case:
    """Fill a scenario's templates for one host and build its kinds.

    Args:
        scenario: As it was loaded.
        host: The target; its inventory values and *inputs* are all that templates can see.
        inputs: What :func:`parse_inputs` returned.
        catalog: The one that *scenario* was loaded with.
        stage: Which one, where it has stages.

    Raises:
        NotBound: A value is not defined for this host, or is not one that the kind takes; the message starts with the
            ``file:line:column`` of the argument.
        ConfigError: Likewise, where it comes from one of *inputs* that is not the default; the message starts with its
            ``--set``.
    """
    if bool(scenario.stages) != (stage is not None):
        raise ValueError(f"{scenario.name} is bound stage by stage where it has any, and else as a whole")
    part = stage or scenario
    if stage is not None:
        host = host.in_stage(stage.name)
        keep_open(host.name)
    again = Invocation.on(host, scenario.name, as_given(scenario, as_data(dict(inputs))))
    builder = _builder(scenario, host, inputs, catalog, again)
    steps: list[Step] = []
    left_out: list[LeftOut] = []
    for use in part.steps:
        if missing := tuple(name for name in use.only_with if builder.is_missing(name)):
            left_out.append(LeftOut(kind=use.kind, missing=missing))
        else:
            steps += [Step(task=cast("Task[Any]", one), is_always=use.is_always) for one in builder.build(use)]
    return Case(
        scenario=scenario,
        host=host,
        inputs=frozen(_inputs_of(scenario, inputs)),
        healthy_when=tuple(cast("Check[Any]", one) for use in part.healthy_when for one in builder.build(use)),
        goal=tuple(cast("Check[Any]", one) for one in builder.build_all(part.goal)),
        evidence=tuple(cast("Look[Any]", one) for one in builder.build_all(part.evidence)),
        beyond=tuple(cast("Check[Any]", one) for one in builder.build_all(part.beyond)),
        signs=() if stage is not None else tuple(cast("Check[Any]", one) for one in builder.build_all(scenario.signs)),
        steps=tuple(steps),
        left_out=tuple(left_out),
        questions=builder.for_people(scenario.questions),
        by_hand=builder.for_people(scenario.by_hand),
        is_once=stage is not None and stage.is_once,
        again=again,
    )


def unbound(scenario: Scenario) -> Scenario:
    """Return a scenario as a page about no host has it: in texts for people names stand for what only hosts have."""
    again = Invocation(scenario=scenario.name, hosts="HOST")
    context = {"inputs": _inputs_of(scenario, {}), "scenario": _commands(scenario, again)}
    return replace(
        scenario,
        questions=tuple(fill_for_people(text, context) for text in scenario.questions),
        by_hand=tuple(fill_for_people(text, context) for text in scenario.by_hand),
    )


def bind_routine(
    routine: Routine, host: Host, inputs: Mapping[str, Any], catalog: Catalog
) -> tuple[tuple[Check[Any], ...], tuple[LeftOut, ...]]:
    """Return a routine's checks for one host, and those that the host does not call for.

    Raises:
        NotBound: As :func:`bind`.
        ConfigError: Likewise.
    """
    builder = _builder(routine, host, inputs, catalog, Invocation.on(host, ""))
    left_out = [
        LeftOut(kind=use.kind, missing=missing)
        for use in routine.checks
        if (missing := tuple(name for name in use.only_with if builder.is_missing(name)))
    ]
    return tuple(cast("Check[Any]", one) for one in builder.build_all(routine.checks)), tuple(left_out)


def _inputs_of(part: Scenario | Routine, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: one.default for name, one in part.inputs.items()}, **inputs}


def _commands(part: Scenario | Routine, again: Invocation) -> Mapping[str, Any]:
    """Return what commands that a text prints are made of: all that was given, and one input as well or not."""
    with_one = {name: again.with_input(name, name.upper()).scenario_options for name in part.inputs}
    without = {name: again.without_input(name).scenario_options for name in part.inputs}
    return {"options": again.scenario_options, "with": with_one, "without": without}


def _builder(
    part: Scenario | Routine, host: Host, inputs: Mapping[str, Any], catalog: Catalog, again: Invocation
) -> _Builder:
    context = {
        "app": host.app or NO_PROFILE,
        "inputs": _inputs_of(part, inputs),
        "host": {
            "name": host.listed_name,
            "address": host.connection.address,
            "environment": host.policy.environment,
            "neighbours": host.neighbours,
            "options": again.options,
        },
        "scenario": _commands(part, again),
        "vars": host.variables,
    }
    given = frozenset(name for name, one in part.inputs.items() if inputs.get(name, one.default) != one.default)
    return _Builder(host, context, catalog, given)


class _Builder:
    def __init__(self, host: Host, context: Mapping[str, Any], catalog: Catalog, given: frozenset[str]) -> None:
        self._host = host
        self._context = context
        self._catalog = catalog
        self._given = given

    def is_missing(self, name: str) -> bool:
        """Whether an input, or ``app.`` something, has no value here; an empty list is none."""
        section, _, key = name.rpartition(".")
        return self._context[section or "inputs"].get(key) in (None, ())

    def for_people(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return texts as they read for this host; what it has no value for stands there by its name, in capitals."""
        return tuple(fill_for_people(text, self._context) for text in texts)

    def build_all(self, uses: Iterable[Use]) -> Iterator[Reading[Any]]:
        """Yield what *uses* are here, but for those whose ``only_with`` names what is missing."""
        for use in uses:
            if not any(map(self.is_missing, use.only_with)):
                yield from self.build(use)

    def build(self, use: Use) -> tuple[Reading[Any], ...]:
        """Return what *use* is here: a list of the inventory where one value is wanted makes one of each."""
        kind = self._catalog.kind(use.kind)
        values: dict[str, Any] = {}
        several: tuple[str, tuple[Any, ...]] | None = None
        for name, written in use.arguments.items():
            value = self._filled(use, name, written)
            each, _ = judge_each(value, kind.arguments[name].annotation)
            if each is not None and several is None:
                several = name, each
                continue
            valid, mistake = judge(value, kind.arguments[name].annotation)
            if mistake:
                names = ", ".join(str(one) for one in names_in(written))
                wrong = told(f"{use.kind}: {name}{f' ({names})' if names else ''}", mistake)
                raise self._of_call(written, wrong) or self._error(use, name, wrong)
            values[name] = valid
        name, items = several or ("", (None,))
        try:
            return tuple(kind.reading(**values, **({name: item} if several else {})) for item in items)
        except ValueError as error:
            wrong = f"{use.kind}: {error}"
            raise self._of_call(use.arguments, wrong) or NotBound(use.origin, self._host.name, wrong) from None

    def _filled(self, use: Use, name: str, written: object) -> object:
        try:
            for one in names_in(written):
                value = one.look_up(self._context)
                if one.parts[0] == "vars" and isinstance(value, str) and "{{" in value:
                    raise self._error(use, name, f"{one} holds a template: write the value itself in the inventory")
            return fill(written, self._context)
        except NotDefined as error:
            if self._is_left_out(use, name, written):
                return None
            where = "the inventory" if self._host.is_listed else "an inventory: this host stands in none"
            wrong = f"{use.kind}: {name} needs {error.name}, which is not given in {where}"
            raise self._error(use, name, wrong, missing=error.name) from None
        except ValueError as error:
            raise self._error(use, name, f"{use.kind}: {name}: {error}") from None

    def _is_left_out(self, use: Use, name: str, written: object) -> bool:
        """Whether an argument that may be missing names a part of what is, such as ``app.backups.path``."""
        _, mistake = judge(None, self._catalog.kind(use.kind).arguments[name].annotation)
        sections = [one.parts[1] for one in names_in(written) if one.parts[0] == "app" and len(one.parts) > 2]
        return not mistake and any(self.is_missing(f"app.{section}") for section in sections)

    def _error(self, use: Use, name: str, message: str, *, missing: str = "") -> NotBound:
        return NotBound(use.argument_origins.get(name, use.origin), self._host.name, message, missing=missing)

    def _of_call(self, written: object, message: str) -> ConfigError | None:
        """Return a mistake as one of the command line, where anything that is *written* comes from there."""
        inputs = [str(one.parts[1]) for one in names_in(written) if one.parts[0] == "inputs"]
        options = dict.fromkeys(f"--set {name}" for name in inputs if name in self._given)
        return ConfigError(f"{' and '.join(options)}: {self._host.name}: {message}") if options else None
