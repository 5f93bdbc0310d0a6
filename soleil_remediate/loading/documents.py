"""YAML documents, read strictly: what a file says is what a person reads in it, and every value knows its place.

YAML 1.2's core types are the only ones. What YAML 1.1 readers, Ansible's among them, would take for a number (``0755``,
``22:22``, ``1_000``) is refused until it is written so that both read the same; ``yes``, ``no``, ``on`` and ``off`` are
text. Duplicate keys, aliases, merge keys and tags are refused, and size and depth are bounded, so that reading a file
ends, whoever wrote it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.host import Origin
from soleil_remediate.local_files import NotPlain, TooLarge, read_file, shown_path

#: A file of exactly this many bytes is still read.
SIZE_LIMIT = 1024 * 1024
#: Mappings and lists may stand this deep in each other.
DEPTH_LIMIT = 20
#: A file of exactly this many values is still read.
VALUES_LIMIT = 200_000
#: So many mistakes are told at once; of the others only where they begin.
MISTAKES_LIMIT = 100
#: In characters; a longer message would be about a longer text than anybody meant.
_LONGEST = 600

Value: TypeAlias = "bool | int | float | str | list[Node] | dict[str, Node] | None"


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document.

    Args:
        value: A scalar, or the nodes of a list or of a mapping.
        origin: Where it begins.
        keys: Where each key of a mapping stands.
    """

    value: Value
    origin: Origin
    keys: dict[str, Origin] = field(default_factory=dict)

    @property
    def plain(self) -> Any:
        """The value without its places: what ``json.dumps`` can write."""
        if isinstance(self.value, dict):
            return {key: node.plain for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain for node in self.value]
        return self.value

    @property
    def entries(self) -> dict[str, Node]:
        """The nodes of a mapping; none where it is no mapping."""
        return self.value if isinstance(self.value, dict) else {}

    def at(self, location: Iterable[int | str]) -> Node:
        """Return the node that *location* leads to, or the last one on the way that exists."""
        node = self
        for part in location:
            if isinstance(node.value, dict) and part in node.value:
                node = node.value[str(part)]
            elif isinstance(node.value, list) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
        return node


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it is, and what to write instead."""

    origin: Origin
    message: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}"


class Problems:
    """Collects the mistakes of a file, so that a person sees all of them and not one after the other.

    Args:
        error: What is raised for them.
    """

    def __init__(self, error: type[ConfigError]) -> None:
        self._error = error
        self._found: dict[Problem, ConfigError] = {}  # what many hosts inherit is said once
        self._beyond: list[Origin] = []

    def __iter__(self) -> Iterator[Problem]:
        yield from sorted(self._found, key=lambda problem: problem.origin)
        if self._beyond:
            yield Problem(self._beyond[0], f"more mistakes begin here, beyond these {MISTAKES_LIMIT}")

    def __len__(self) -> int:
        return len(self._found) + len(self._beyond)

    def add(self, origin: Origin, message: str) -> None:
        """Note a mistake."""
        message = message if len(message) <= _LONGEST else f"{message[: _LONGEST - 1]}…"
        self._note(origin, message, self._error(f"{origin}: {message}"))

    def unknown(self, what: str, name: str, known: Iterable[str], origin: Origin) -> None:
        """Note a name that nobody knows, with the nearest one."""
        if self._is_full:  # the nearest name takes its time
            self._beyond.append(origin)
            return
        error = UnknownName(what, name, known, where=str(origin))
        self._note(origin, str(error).removeprefix(f"{origin}: "), error)

    @property
    def _is_full(self) -> bool:
        return len(self._found) >= MISTAKES_LIMIT

    def _note(self, origin: Origin, message: str, error: ConfigError) -> None:
        problem = Problem(origin, message)
        if problem in self._found:
            return
        if self._is_full:
            self._beyond.append(origin)
        else:
            self._found[problem] = error

    def stop(self, origin: Origin, message: str) -> ConfigError:
        """Note a mistake after which nothing more can be read, and return what to raise."""
        self.add(origin, message)
        return self.error()

    def error(self) -> ConfigError:
        """Return one error that tells all mistakes, a line each."""
        if len(self) == 1:
            return next(iter(self._found.values()))
        return self._error("\n".join(str(problem) for problem in self))

    def raise_any(self) -> None:
        """Raise what was found; nothing where nothing was.

        Raises:
            ConfigError: A single mistake as its own class; several as one error.
        """
        if self._found:
            raise self.error()


def read_document(path: str | Path, problems: Problems) -> Node:
    """Read one YAML document.

    Mistakes that leave the rest readable, such as a duplicate key, are added to *problems*.

    Raises:
        ConfigError: Of the class that *problems* raises; the file cannot be read at all, or not beyond some place.
    """
    return compose(read_text(path, problems), os.fspath(path), problems)


def read_head(path: str | Path, wanted: frozenset[str], problems: Problems) -> Node:
    """Read a document's top level only as far as all *wanted* keys are, or to its end; of the rest nothing is known.

    Raises:
        ConfigError: Of the class that *problems* raises; it cannot be read so far.
    """
    return compose(read_text(path, problems), os.fspath(path), problems, until=wanted)


def compose(text: str, shown: str, problems: Problems, *, until: frozenset[str] = frozenset()) -> Node:
    """Read one YAML document from a file's text, as :func:`read_document` does.

    Args:
        shown: The file, for places.
        problems: Where mistakes are added.
        until: The keys of the top level that are enough; the whole document unless given.

    Raises:
        ConfigError: Of the class that *problems* raises; it cannot be read at all, or not beyond some place.
    """
    try:
        return _Composer(text, shown, problems, until).document()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        character = f"U+{error.character:04X}" if isinstance(error.character, int) else str(error.character)
        raise problems.stop(
            Origin(shown, line, column), f"the character {character} cannot stand in YAML: leave it out"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        origin = Origin(shown, mark.line + 1, mark.column + 1) if mark else Origin(shown, 1)
        raise problems.stop(origin, _advice(error)) from None


def read_text(path: str | Path, problems: Problems) -> str:
    """Return a file's text.

    Raises:
        ConfigError: Of the class that *problems* raises; it cannot be read, or is no UTF-8.
    """
    shown = shown_path(path)
    start = Origin(shown, 1)
    try:
        content = read_file(path, SIZE_LIMIT).content
    except NotPlain:
        raise problems.stop(start, "this is not a plain file: name a YAML file") from None
    except TooLarge:
        raise problems.stop(start, f"larger than {SIZE_LIMIT} bytes: split it") from None
    except OSError as error:
        raise problems.stop(start, f"cannot be read: {error.strerror}") from None
    if content.startswith(b"$ANSIBLE_VAULT;"):
        raise problems.stop(
            start, "encrypted by ansible-vault, which is not read here: write secrets as env:NAME or file:PATH"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise problems.stop(
            Origin(shown, line, column), f"the byte 0x{content[error.start]:02x} is not UTF-8: save the file as UTF-8"
        ) from None


def _advice(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or "cannot be read"
    if "'\\t'" in problem:
        return "a tab cannot indent: use spaces"
    if "mapping values are not allowed" in problem:
        return 'a second ": " in one line: put text that holds one in quotes, or indent what belongs below'
    if "while scanning a quoted scalar" in (error.context or "") and "unexpected end of stream" in problem:
        return "a quote is opened here or above and never closed: close it"
    if "cannot start any token" in problem:
        character = problem.split("'")[1] if problem.count("'") >= 2 else "that character"
        return f'text cannot begin with {character}: put it in quotes, like "{character}…"'
    if problem.startswith("expected ',' or"):
        closing = problem.split("'")[3]
        return (
            f"a ',' or the closing '{closing}' is expected here: put text that holds brackets, commas or '?' in quotes"
        )
    if problem.startswith("expected <block end>"):
        return "this does not line up with what stands above it: indent it like its neighbours"
    if "could not find expected ':'" in problem:
        return 'a key needs ": " and a value behind it'
    return f"{error.context + ', ' if error.context else ''}{problem}"


# ---- composing ------------------------------------------------------------------------------------------------------

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]{1,3})?|\.[0-9]+(?:[eE][-+][0-9]{1,3})?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONG_NUMBER = re.compile(r"[-+]?[0-9]{19,}|0x[0-9a-fA-F]{16,}")
#: What is a number to YAML 1.1 (https://yaml.org/type/int.html, float.html) or to YAML 1.2 (10.3.2) and not, or not the
#: same one, to the other.
_SURPRISES = (
    (
        re.compile(r"[-+]?0[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|0o[0-7]+"),
        "an octal number, or one with a leading zero",
    ),
    (
        re.compile(r"[-+]?(?:[1-9][0-9_]*(?::[0-5]?[0-9])+|[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*)"),
        "digits with colons",
    ),
    (
        re.compile(
            r"[-+]?(?:[0-9]+_[0-9_]*(?:\.[0-9_]*)?|[0-9][0-9_]*\.[0-9]*_[0-9_]*|\.[0-9]+_[0-9_]*)(?:[eE][-+][0-9]+)?"
        ),
        "digits with underscores",
    ),
    (re.compile(r"[-+]?0[bx][0-9a-fA-F_]+"), "a binary or hexadecimal number"),
    (
        re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"),
        "a number with an exponent, or without digits before the dot",
    ),
)


class _Composer(Reader, Scanner, Parser):
    """Builds nodes from PyYAML's events; its own constructors and resolvers, YAML 1.1 to the bone, are not used."""

    def __init__(self, text: str, shown: str, problems: Problems, until: frozenset[str]) -> None:
        self._shown = shown
        self._problems = problems
        self._until = until
        self._values = 0
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def document(self) -> Node:
        try:
            return self._document()
        except ValueError:  # PyYAML hands what stands after \U to chr() as it is
            mark = self.get_mark()
            raise self._problems.stop(
                Origin(self._shown, mark.line + 1, mark.column + 1),
                "there is no character of that number: write the character itself",
            ) from None

    def _document(self) -> Node:
        self._next()  # the stream's start
        if self.check_event(yaml.StreamEndEvent):
            raise self._problems.stop(Origin(self._shown, 1), "the file is empty")
        self._next()  # the document's start
        node = self._node(self._next(), 0)
        if self._has_enough(node.entries):
            return node
        self._next()  # the document's end
        if not self.check_event(yaml.StreamEndEvent):
            raise self._problems.stop(
                self._origin(self._next()), "a second document begins here: one file holds one document"
            )
        return node

    def _next(self) -> Any:
        return self.get_event()  # type: ignore[no-untyped-call]  # the stubs leave PyYAML's parser untyped

    def _origin(self, event: Any) -> Origin:
        return Origin(self._shown, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        origin = self._origin(event)
        self._values += 1
        if self._values > VALUES_LIMIT:
            raise self._problems.stop(origin, f"more than {VALUES_LIMIT} values in one file: split it")
        if isinstance(event, yaml.AliasEvent):
            raise self._problems.stop(
                origin, f"the alias *{_short(str(event.anchor))} is not allowed: write the value itself"
            )
        if event.tag is not None:
            raise self._problems.stop(origin, _tag_advice(str(event.tag)))
        if isinstance(event, yaml.ScalarEvent):
            return Node(self._scalar(event, origin), origin)
        if depth >= DEPTH_LIMIT:
            raise self._problems.stop(origin, f"more than {DEPTH_LIMIT} levels deep: nobody could read it")
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Node] = []
            while not self.check_event(yaml.SequenceEndEvent):
                items.append(self._node(self._next(), depth + 1))
            self._next()
            return Node(items, origin)
        return self._mapping(origin, depth)

    def _mapping(self, origin: Origin, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Origin] = {}
        while not self.check_event(yaml.MappingEndEvent):
            event = self._next()
            place = self._origin(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._problems.stop(
                    place, 'a key is text: a value that begins with {{ or [ needs quotes, like "{{ app.root }}"'
                )
            key = self._key(event, place)
            node = self._node(self._next(), depth + 1)
            if key in keys:
                self._problems.add(
                    place, f"{_short(key)!r} is already given at line {keys[key].line}: keep one of the two"
                )
                continue
            entries[key], keys[key] = node, place
            if depth == 0 and self._has_enough(entries):
                return Node(entries, origin, keys)
        self._next()
        return Node(entries, origin, keys)

    def _has_enough(self, entries: Mapping[str, Node]) -> bool:
        return bool(self._until) and self._until <= entries.keys()

    def _key(self, event: Any, origin: Origin) -> str:
        if event.tag is not None:
            raise self._problems.stop(origin, _tag_advice(str(event.tag)))
        if event.implicit[0] and event.value == "<<":
            raise self._problems.stop(origin, "merge keys (<<) are not allowed: write the values out")
        value = self._scalar(event, origin)
        if not isinstance(value, str):
            text = _short(str(event.value))
            self._problems.add(origin, f'a key is text, and {text} is not: write "{text}" in quotes')
        return str(event.value)

    def _scalar(self, event: Any, origin: Origin) -> bool | int | float | str | None:
        text = str(event.value)
        if "\0" in text:
            self._problems.add(origin, "a NUL character cannot reach any command: leave it out")
        if any("\ud800" <= character <= "\udfff" for character in text):
            self._problems.add(origin, "half a character (\\uD800 to \\uDFFF) is no text: write the character itself")
        if not event.implicit[0]:  # quoted or a block: text, whatever it looks like
            return text
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _DECIMAL.fullmatch(text):
            return int(text)
        if _HEXADECIMAL.fullmatch(text):
            return int(text, 16)
        if _LONG_NUMBER.fullmatch(text):
            self._problems.add(origin, f"{text[:20]}… is too long for a number: put it in quotes if it is text")
        elif _NOT_A_NUMBER.fullmatch(text):
            self._problems.add(origin, f"{text} is no number anybody can use: put it in quotes if it is text")
        elif _FLOAT.fullmatch(text):
            return float(text)
        elif what := next((what for surprise, what in _SURPRISES if surprise.fullmatch(text)), None):
            told = _short(text)
            self._problems.add(
                origin,
                f'{told} ({what}) means different things to YAML readers: write "{told}" in quotes if it is text, '
                "else the number in plain decimal",
            )
        return text


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _tag_advice(tag: str) -> str:
    shown = _short(tag).replace("tag:yaml.org,2002:", "!!")
    if shown in {"!vault", "!vault-encrypted"}:
        return "!vault is not read here: write the secret as env:NAME or file:PATH"
    return f"the tag {shown} is not allowed: write a plain value"
