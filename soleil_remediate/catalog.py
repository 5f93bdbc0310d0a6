"""Kinds: what a playbook may name, each with its arguments and what its docstring says about them.

The built-in kinds are listed in :mod:`soleil_remediate.built_in`. Others come from installed distributions that declare
the entry point group ``soleil_remediate.kinds``; nothing is picked up from the current folder.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import site
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, TypeAlias, get_type_hints

from soleil_remediate.built_in import PLACES, class_at
from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.plan import Risk
from soleil_remediate.task import Check, Look, Reading, Task

ENTRY_POINTS = "soleil_remediate.kinds"

KindClass: TypeAlias = type[Reading[Any]]

_KIND = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns|Yields|Note|Example|Examples):\s*")
_ARGUMENT = re.compile(r"(\w+)(?: \([^)]*\))?:\s*(.*)")


class Family(Enum):
    """What a kind can do, each a little more than the one before."""

    LOOK = "look"  # shows
    CHECK = "check"  # judges
    TASK = "task"  # judges and repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a kind: a field of its dataclass.

    Args:
        annotation: Its type, resolved.
        default: What it is otherwise; means nothing where it is required.
        about: What the docstring's ``Args`` say.
    """

    name: str
    annotation: Any
    is_required: bool
    default: Any
    about: str


@dataclass(frozen=True)
class Kind:
    """A class of the catalog, and everything that is said about it in a playbook, a reference or a schema."""

    reading: KindClass

    @property
    def name(self) -> str:
        return self.reading.kind

    @property
    def family(self) -> Family:
        if issubclass(self.reading, Task):
            return Family.TASK
        return Family.CHECK if issubclass(self.reading, Check) else Family.LOOK

    @property
    def risk(self) -> Risk | None:
        """The highest risk of its changes, where the class declares one."""
        risk = getattr(self.reading, "risk", None)
        return risk if isinstance(risk, Risk) else None

    @cached_property
    def summary(self) -> str:
        """The docstring's first paragraph, in one line."""
        return " ".join(self._docstring.partition("\n\n")[0].split())

    @cached_property
    def description(self) -> str:
        """What the docstring says between its first paragraph and its first section."""
        lines: list[str] = []
        for line in self._docstring.partition("\n\n")[2].splitlines():
            if _SECTION.fullmatch(line):
                break
            lines.append(line)
        return "\n".join(lines).strip()

    @cached_property
    def arguments(self) -> Mapping[str, Argument]:
        """What a playbook may give, by name, in the order of the class.

        Raises:
            ConfigError: An annotation names what is imported for type checkers only.
        """
        try:
            hints = get_type_hints(self.reading, include_extras=True)
        except NameError as error:
            raise ConfigError(
                f"{_named(self.reading)} ({self.name}): its annotations name {error.name!r}, "
                "which its module does not import at run time"
            ) from None
        about = self._about
        return {
            field.name: Argument(
                name=field.name,
                annotation=hints[field.name],
                is_required=field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
                default=_default(field),
                about=about.get(field.name, ""),
            )
            for field in dataclasses.fields(self.reading)  # type: ignore[arg-type]  # every kind is one, see Catalog.of
            if field.init
        }

    @property
    def refuses(self) -> str:
        """What the docstring's ``Raises`` say about :class:`Unplannable`; empty where it says nothing."""
        return self._entries("Raises").get("Unplannable", "")

    @cached_property
    def _docstring(self) -> str:
        return inspect.cleandoc(self.reading.__doc__ or "")

    @property
    def _about(self) -> dict[str, str]:
        return self._entries("Args")

    def _entries(self, wanted: str) -> dict[str, str]:
        """Return what a section of the docstring says, by name."""
        section, about, name = "", {}, ""
        for line in self._docstring.splitlines():
            if title := _SECTION.fullmatch(line):
                section = title[1]
            elif section == wanted and line.strip():
                indent = len(line) - len(line.lstrip())
                begins = _ARGUMENT.match(line.strip()) if indent <= 4 else None
                if begins is not None:
                    name = begins[1]
                    about[name] = begins[2]
                elif name:
                    about[name] = f"{about[name]} {line.strip()}"
        return about


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else None


class Catalog:
    """The kinds that playbooks may use: a value that is passed on, never a registry that somebody fills.

    Args:
        kinds: By name, in their order: what is known about each, or the place of its class, which is imported when it
            is first asked for.
    """

    __slots__ = ("_kinds",)

    def __init__(self, kinds: Mapping[str, Kind | str]) -> None:
        self._kinds = dict(kinds)

    @classmethod
    def of(cls, *classes: KindClass) -> Catalog:
        """Return a catalog of *classes*.

        Raises:
            ConfigError: One of them cannot be used, or two have the same kind.
        """
        return cls({}).with_classes(*classes)

    def with_classes(self, *classes: KindClass) -> Catalog:
        """Return a catalog that has *classes* as well.

        Raises:
            ConfigError: One of them cannot be used, or two have the same kind.
        """
        found = Catalog(self._kinds)
        for reading in classes:
            kind = Kind(_checked(reading))
            if kind.name in found:
                raise ConfigError(
                    f"two classes are called {kind.name!r}: {_named(found[kind.name])} and {_named(reading)}"
                )
            found._kinds[kind.name] = kind
        return found

    def __getitem__(self, name: str) -> KindClass:
        return self.kind(name).reading

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def kind(self, name: str) -> Kind:
        """Return what is known about a kind.

        Raises:
            UnknownName: Nobody calls itself so.
        """
        found = self._kinds.get(name)
        if found is None:
            raise UnknownName("kind", name, self._kinds)
        if isinstance(found, str):
            found = self._kinds[name] = Kind(_checked(class_at(found)))
        return found

    def kinds(self, family: Family | None = None) -> tuple[Kind, ...]:
        """Return the kinds of one family, or all, in the order in which they were given."""
        return tuple(kind for kind in map(self.kind, self) if family in {None, kind.family})


def load_catalog() -> Catalog:
    """Return the built-in kinds and those of installed distributions.

    Raises:
        ConfigError: A distribution's kinds cannot be imported or used, or two kinds have the same name.
    """
    return Catalog(PLACES).with_classes(*_installed(distributions(path=_site_folders())))


def _site_folders() -> list[str]:
    """Return where distributions are installed; ``sys.path`` may begin with the current folder."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return list(dict.fromkeys(folders))


def _installed(found: Iterable[Distribution]) -> Iterator[KindClass]:
    seen: set[tuple[str, str]] = set()
    for distribution in found:
        for entry_point in distribution.entry_points.select(group=ENTRY_POINTS):
            name = distribution.metadata["Name"]
            if (name, entry_point.name) in seen:
                continue  # the same distribution in two site folders: the first is the one that Python imports
            seen.add((name, entry_point.name))
            yield from _classes(entry_point, name)


def _classes(entry_point: EntryPoint, distribution: str) -> tuple[KindClass, ...]:
    try:
        loaded = entry_point.load()
    except Exception as error:
        raise ConfigError(
            f"the kinds of {distribution} cannot be imported ({entry_point.value}): {type(error).__name__}: {error}"
        ) from error
    return tuple(loaded) if isinstance(loaded, tuple | list) else (loaded,)


def _checked(reading: Any) -> KindClass:
    if not (isinstance(reading, type) and issubclass(reading, Reading)):
        raise ConfigError(f"{reading!r} is no kind: it must be a subclass of Task, Check or Look")
    named = _named(reading)
    if not issubclass(reading, Check | Look):
        raise ConfigError(f"{named} must be a Task, a Check or a Look: a mere Reading can be neither judged nor shown")
    name = getattr(reading, "kind", None)
    if not (isinstance(name, str) and _KIND.fullmatch(name)):
        raise ConfigError(f"{named} needs a kind such as 'log.truncate', not {name!r}")
    if inspect.isabstract(reading):
        raise ConfigError(f"{named} ({name}) does not define {', '.join(sorted(reading.__abstractmethods__))}")
    parameters = getattr(reading, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen or "__dataclass_fields__" not in vars(reading):
        raise ConfigError(f"{named} ({name}) must be decorated with @dataclass(frozen=True, kw_only=True)")
    return reading


def _named(reading: type) -> str:
    return f"{reading.__module__}.{reading.__qualname__}"
