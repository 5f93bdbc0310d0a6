"""Values of documents against types: pydantic judges, and what it finds is told with its place and in plain words.

Values are handed over as JSON, in which pydantic is strict about types and still reads a list as a tuple and text as a
path: exactly what a YAML file can write.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.units import ByteSize, Duration, Percent

M = TypeVar("M", bound=BaseModel)


class Section(BaseModel):
    """A mapping of a document whose keys are all known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must say something: it is empty")
    return text


#: Text for people, on one line or several.
Prose = Annotated[str, AfterValidator(_not_blank)]

#: What a value of the wrong type should have been, by pydantic's name of the error.
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
    "none_required": "nothing",
}
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def read_model(node: Node, model: type[M], problems: Problems, *, path: str = "") -> M | None:
    """Validate a mapping of a document; mistakes are added to *problems* and give ``None``.

    Args:
        path: The mapping's own key, such as ``app``; empty for a whole file.
    """
    try:
        return model.model_validate_json(json.dumps(node.plain), strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _report(details, node, model, path, problems)
        return None


def judge_each(value: object, annotation: Any) -> tuple[tuple[Any, ...] | None, str | None]:
    """Validate a list where one value is wanted: each of them, or ``None`` where this is no such list."""
    if not isinstance(value, tuple) or judge(value, annotation)[1] is None:
        return None, None
    valid = []
    for number, item in enumerate(value, 1):
        one, mistake = judge(item, annotation)
        if mistake:
            return None, f"item {number} {mistake}"
        valid.append(one)
    return tuple(valid), None


def judge(value: object, annotation: Any) -> tuple[Any, str | None]:
    """Validate one value against a type: the value as that type has it, and what is wrong with it or ``None``.

    Values that are of one of our types already, as templates give them, count as what a person would have written.
    Paths must be absolute: they are names on a host, where there is no current folder.
    """
    try:
        valid = _adapter(annotation).validate_json(json.dumps(as_written(value)), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        place = next((part for part in details["loc"] if isinstance(part, int)), None)
        return None, ("" if place is None else f"item {place + 1} ") + _sentence(details)
    except TypeError as error:
        return None, str(error)
    for path in _paths(valid):
        if not path.is_absolute():
            return None, f"must be an absolute path, not {shown(str(path))}"
        if ".." in path.parts:
            return None, f"must be a path without '..', not {shown(str(path))}"
    return valid, None


def told(name: str, mistake: str) -> str:
    """Return one sentence of what is wrong and with what."""
    return f"{name} {mistake}" if mistake.startswith(("must ", "item ")) else f"{name}: {mistake}"


def shown(value: object) -> str:
    """Return a value for a message: short, and with nothing in it that a terminal would act on."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            text = ascii(value)
            return text if len(text) <= 60 else f"{text[:56]}…'"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return str(value)


def frozen(value: Any) -> Any:
    """Return a value that nobody can change: sections and mappings as read-only mappings, lists as tuples."""
    match value:
        case BaseModel():
            return frozen({name: getattr(value, name) for name in type(value).model_fields})
        case Mapping():
            return MappingProxyType({key: frozen(item) for key, item in value.items()})
        case list() | tuple():
            return tuple(frozen(item) for item in value)
        case _:
            return value


def as_written(value: object) -> object:
    """Return *value* as a file would hold it; quantities keep their unit, to the last digit."""
    match value:
        case ByteSize() | Duration() | Percent():
            return value.written
        case PurePath():
            return str(value)
        case Enum():
            return value.value
        case Mapping():
            return {str(key): as_written(item) for key, item in value.items()}
        case list() | tuple():
            return [as_written(item) for item in value]
        case _:
            return value


def _paths(value: object) -> Iterator[PurePath]:
    match value:
        case PurePath():
            yield value
        case Mapping():
            for item in value.values():
                yield from _paths(item)
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _paths(item)
        case _:
            return


@lru_cache(maxsize=512)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


# ---- what pydantic found, for people --------------------------------------------------------------------------------


def _report(details: ErrorDetails, node: Node, model: type[BaseModel], path: str, problems: Problems) -> None:
    location = details["loc"]
    if location and location[-1] == "[key]":
        location = location[:-1]
        parent, key = node.at(location[:-1]), str(location[-1])
        problems.add(parent.keys.get(key, parent.origin), told(_dotted(path, location), _sentence(details)))
        return
    parent = node.at(location[:-1])
    owner = _dotted(path, location[:-1]) or "the top level"
    if details["type"] == "extra_forbidden":
        key = str(location[-1])
        problems.unknown(f"key in {owner}", key, _fields(model, location[:-1]), parent.keys.get(key, parent.origin))
    elif details["type"] == "missing":
        problems.add(parent.origin, f"{owner} needs {str(location[-1])!r}")
    else:
        problems.add(node.at(location).origin, told(_dotted(path, location) or "the file", _sentence(details)))


def _sentence(details: ErrorDetails) -> str:
    kind, value = details["type"], details["input"]
    if wanted := _WANTED.get(kind):
        advice = ""
        if kind == "bool_type" and isinstance(value, str) and value.lower() in _BOOLEANS:
            advice = f": write {_BOOLEANS[value.lower()]}"
        elif kind == "string_type" and isinstance(value, int | float):
            advice = ": put it in quotes"
        return f"must be {wanted}, not {shown(value)}{advice}"
    if kind in {"enum", "literal_error"}:
        return f"must be {details['ctx']['expected']}, not {shown(value)}"
    if kind in {"value_error", "assertion_error"}:
        return str(details["ctx"]["error"])
    said = details["msg"].replace("Input should ", "must ").replace("Value should ", "must ")
    return f"{said}, not {shown(value)}" if said.startswith("must ") else said


def _dotted(path: str, location: Sequence[int | str]) -> str:
    text = path
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def _fields(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """Return the keys that the section at *location* knows."""
    for part in location:
        if isinstance(part, str) and part in model.model_fields:
            model = _section(model.model_fields[part].annotation) or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section(part))), None)
