"""Templates in playbooks: ``{{ app.root }}`` names a value, and that is all they can do.

Jinja2 reads them. What it may find is text and names: no filter, call, test, operator or statement, so that everything
a template needs is known when a playbook is loaded. Values are looked up key by key, never as attributes of Python
objects, and what was filled in is not read as a template again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment

_ENVIRONMENT = SandboxedEnvironment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
_ENVIRONMENT.globals.clear()
#: How the names of several words begin that are quoted already.
_OPTIONS = (("host", "options"), ("scenario", "options"), ("scenario", "with"), ("scenario", "without"))


class NotDefined(LookupError):
    """A template names what is not there.

    Attributes:
        name: The whole name, such as ``app.backups.path``.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"{name} is not defined")


@dataclass(frozen=True, slots=True)
class Name:
    """What a template names, such as ``app.root`` or ``app.logs[0]``."""

    parts: tuple[str | int, ...]

    def __str__(self) -> str:
        text = str(self.parts[0])
        for part in self.parts[1:]:
            text += f"[{part}]" if isinstance(part, int) else f".{part}"
        return text

    def look_up(self, context: Mapping[str, Any]) -> Any:
        """Return what is there.

        Raises:
            NotDefined: Nothing is.
        """
        value: Any = context
        for part in self.parts:
            has_key = isinstance(value, Mapping) and part in value
            has_item = isinstance(value, tuple | list) and isinstance(part, int) and part < len(value)
            if not (has_key or has_item):
                raise NotDefined(str(self))
            value = value[part]
        return value


@dataclass(frozen=True, slots=True)
class Template:
    """A text, read: its literal parts and the names between them."""

    parts: tuple[str | Name, ...]

    @property
    def names(self) -> tuple[Name, ...]:
        return tuple(part for part in self.parts if isinstance(part, Name))

    def fill(self, context: Mapping[str, Any]) -> Any:
        """Return the text with every name replaced; a template that is one name and nothing else keeps its type.

        Raises:
            NotDefined: A name is not there, or has no value where text is needed.
            ValueError: A list or a mapping would stand in the middle of a text.
        """
        if len(self.parts) == 1 and isinstance(self.parts[0], Name):
            return self.parts[0].look_up(context)
        return "".join(part if isinstance(part, str) else _as_text(part, context) for part in self.parts)


def _as_text(name: Name, context: Mapping[str, Any]) -> str:
    match name.look_up(context):
        case None:
            raise NotDefined(str(name))
        case Mapping():
            raise ValueError(f"{name} is a mapping: it cannot stand in a text")
        case tuple() | list():
            raise ValueError(f"{name} is a list: it cannot stand in a text")
        case bool(value):
            return "true" if value else "false"
        case value:
            return str(value)


@lru_cache(maxsize=1024)
def parse(text: str) -> Template:
    """Read a template.

    Raises:
        ValueError: It cannot be read, or wants more than to name values.
    """
    if "{" not in text:
        return Template((text,))
    try:
        tree = _ENVIRONMENT.parse(text)
        return Template(tuple(part for statement in tree.body for part in _parts(statement)))
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"this template cannot be read: {error.message}") from None
    except RecursionError:
        raise ValueError("this template cannot be read: it is nested too deep") from None


def _parts(statement: nodes.Node) -> Iterator[str | Name]:
    match statement:
        case nodes.Output():
            for expression in statement.nodes:
                yield expression.data if isinstance(expression, nodes.TemplateData) else Name(_name(expression))
        case _:
            raise ValueError("a template only names values, like {{ app.root }}: {% … %} is not read here")


def _name(expression: nodes.Expr) -> tuple[str | int, ...]:
    match expression:
        case nodes.Name():
            return (expression.name,)
        case nodes.Getattr():
            return (*_name(expression.node), expression.attr)
        case nodes.Getitem(arg=nodes.Const(value=str() | int() as key)) if not isinstance(key, bool):
            return (*_name(expression.node), key)
        case _:
            wanted = {
                "Filter": "a filter",
                "Call": "a call",
                "Test": "a test",
                "Const": "a constant",
                "CondExpr": "a condition",
            }.get(type(expression).__name__, "a calculation")
            raise ValueError(f"a template only names values, like {{{{ app.root }}}}: {wanted} is not read here")


def names_in(value: object) -> Iterator[Name]:
    """Yield every name that the templates in *value* hold, however deep.

    Raises:
        ValueError: One of them cannot be read.
    """
    match value:
        case str():
            yield from parse(value).names
        case Mapping():
            for item in value.values():
                yield from names_in(item)
        case list() | tuple():
            for item in value:
                yield from names_in(item)
        case _:
            return


def fill(value: object, context: Mapping[str, Any]) -> Any:
    """Return *value* with every template in it filled.

    Raises:
        NotDefined: A name is not there, or has no value where text is needed.
        ValueError: A list or a mapping would stand in the middle of a text.
    """
    match value:
        case str():
            return parse(value).fill(context)
        case Mapping():
            return {key: fill(item, context) for key, item in value.items()}
        case list() | tuple():
            return [fill(item, context) for item in value]
        case _:
            return value


def fill_for_people(text: str, context: Mapping[str, Any]) -> str:
    """Return a text for people with every template in it filled, as a shell has to read it.

    What has no value there becomes its name in capitals, such as ``APP_ROOT``: there is no such path, user or host, so
    that a command which is copied as it stands finds nothing to act on.

    Raises:
        ValueError: A template cannot be read.
    """
    return "".join(part if isinstance(part, str) else _for_shell(part, context) for part in parse(text).parts)


def _for_shell(name: Name, context: Mapping[str, Any]) -> str:
    try:
        value = _as_text(name, context)
    except (NotDefined, ValueError):
        return _placeholder(name)
    if not value or not value.isprintable():
        return _placeholder(name)
    return value if name.parts[:2] in _OPTIONS else shlex.quote(value)


def _placeholder(name: Name) -> str:
    parts = name.parts[1:] if name.parts[0] in ("inputs", "vars") else name.parts
    return re.sub(r"[^A-Z0-9]+", "_", "_".join(map(str, parts)).upper())
