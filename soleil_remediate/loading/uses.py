"""Kinds as playbooks use them: arguments and templates checked against the catalog, before there is any host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.catalog import Catalog, Family, Kind
from soleil_remediate.host import Origin, nothing
from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.profiles import SAMPLE_PROFILE, profile_names
from soleil_remediate.loading.secret_names import looks_secret
from soleil_remediate.loading.templates import Name, NotDefined, fill, names_in
from soleil_remediate.loading.validation import frozen, judge, judge_each, shown, told
from soleil_remediate.scenario import Input, Use
from soleil_remediate.units import ByteSize, Duration, Percent

#: What a template may name after ``host.``.
HOST_NAMES = ("name", "address", "environment", "neighbours", "options")

#: The types of inputs: how each is validated, and a sample that stands for it while a playbook is checked.
INPUT_TYPES: Mapping[str, tuple[Any, Any]] = {
    "size": (ByteSize, ByteSize(1024**2)),
    "duration": (Duration, Duration(60)),
    "percent": (Percent, Percent(50)),
    "integer": (int, 1),
    "text": (str, "text"),
    "path": (PurePosixPath, PurePosixPath("/path")),
}
_SAMPLE_HOST = {
    "name": "web1",
    "address": "web1",
    "environment": "production",
    "neighbours": ("web1",),
    "options": "--host web1",
}


class UseReader:
    """Reads the lists of kinds of one playbook; mistakes are added to *problems*.

    Attributes:
        catalog: The kinds that it may use.
    """

    def __init__(self, catalog: Catalog, inputs: Mapping[str, Input], problems: Problems) -> None:
        self.catalog = catalog
        self._inputs = inputs
        self._problems = problems
        self._optional = {name for name, one in inputs.items() if one.default is None and not one.is_required}

    def section(self, playbook: Node, title: str, families: tuple[Family, ...]) -> tuple[Use, ...]:
        node = playbook.entries.get(title)
        if node is None or not isinstance(node.value, list):
            return ()
        uses = [self._use(item, title, families) for item in node.value]
        return tuple(use for use in uses if use is not None)

    def check_prose(self, playbook: Node, title: str) -> None:
        """Note what is wrong with the templates in a list of texts for people."""
        node = playbook.entries.get(title)
        for item in node.value if node is not None and isinstance(node.value, list) else ():
            try:
                names = list(names_in(item.plain))
            except ValueError as error:
                self._problems.add(item.origin, f"{title}: {error}")
                continue
            for name in names:
                if self._is_known(name, item.origin, self._in_prose) and (mistake := self._unfit(name)):
                    self._problems.add(item.origin, f"{title}: {mistake}")

    def _unfit(self, name: Name) -> str:
        """Return why a name cannot stand in a text; empty where it can, or where only a host can tell."""
        try:
            value = name.look_up(self._sample(set()))
        except NotDefined:
            return ""
        what = "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, tuple | list) else ""
        return f"{name} is {what}: it cannot stand in a text" if what else ""

    def _use(self, node: Node, title: str, families: tuple[Family, ...]) -> Use | None:
        if not isinstance(node.value, dict):
            example = (
                f"{node.value}: {{}}"
                if isinstance(node.value, str) and "." in node.value
                else "disk.used: {below: 80%}"
            )
            self._problems.add(node.origin, f"each of {title} is a kind with its arguments: write {example!r}")
            return None
        only_with: tuple[str, ...] = ("only_with",)  # of what is looked at, not done
        modifiers = {
            "steps": ("always", "only_with"),
            "goal": only_with,
            "beyond": only_with,
            "evidence": only_with,
            "signs": only_with,
            "checks": only_with,
        }.get(title, ())
        names = [key for key in node.value if key not in ("always", "only_with")]
        if len(names) != 1:
            self._problems.add(
                node.origin, f"each of {title} names one kind, not {len(names)}: begin each with its own '-'"
            )
            return None
        (name,) = names
        for key in ("always", "only_with"):
            if key in node.value and key not in modifiers:
                belongs = "steps" if key == "always" else "steps, goal, beyond, evidence, signs and a routine's checks"
                self._problems.add(node.keys[key], f"{key} belongs to {belongs}, not to {title}")
        if name not in self.catalog:
            self._problems.unknown("kind", name, self.catalog, node.keys[name])
            return None
        kind = self.catalog.kind(name)
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
        self, subject: str, annotation: Any, node: Node, only_with: tuple[str, ...], valid: dict[str, Any], name: str
    ) -> None:
        try:
            names = list(names_in(node.plain))
        except ValueError as error:
            self._problems.add(node.origin, f"{subject}: {error}")
            return
        known = [self._is_known(one, node.origin) for one in names]  # each is subject, not only the first
        if not all(known):
            return
        if any(one.parts[0] == "vars" for one in names):
            return  # nobody knows them before a host is chosen
        absent: list[set[str]] = [set()]
        optional = {str(one.parts[1]) for one in names if one.parts[0] == "inputs"} & self._optional - set(only_with)
        if optional:
            absent.append(optional)
        for missing in absent:
            when = f" (when {', '.join(sorted(missing))} is not given)" if missing else ""
            try:
                value = fill(node.plain, self._sample(missing))
            except (NotDefined, ValueError) as error:
                self._problems.add(node.origin, f"{subject}: {error}{when}")
                return
            each, _ = judge_each(value, annotation)
            value, mistake = (value, None) if each is not None else judge(value, annotation)
            if mistake:
                self._problems.add(node.origin, told(subject, mistake) + when)
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

    @property
    def _in_prose(self) -> Mapping[str, tuple[str, ...]]:
        """What only texts for people may name: what the commands in them are made of."""
        return {"scenario": ("options", *(f"{one}.{name}" for one in ("with", "without") for name in self._inputs))}

    def _is_known(self, name: Name, origin: Origin, more: Mapping[str, tuple[str, ...]] = nothing()) -> bool:
        root, rest = str(name.parts[0]), [str(part) for part in name.parts[1:] if isinstance(part, str)]
        known = {"app": profile_names(), "inputs": tuple(self._inputs), "host": HOST_NAMES, "vars": None, **more}
        if root not in known:
            self._problems.unknown("variable", root, known, origin)
            return False
        if not rest:
            self._problems.add(origin, f"{root} alone is no value: name one of its parts, such as {root}.name")
            return False
        if root == "vars" and any(looks_secret(part) for part in rest):
            self._problems.add(origin, f"{name} looks like a secret: templates cannot hold secrets")
            return False
        choices = known[root]
        if choices is not None and ".".join(rest) not in choices:
            self._problems.unknown({"inputs": "input"}.get(root, f"name in {root}"), ".".join(rest), choices, origin)
            return False
        return True
