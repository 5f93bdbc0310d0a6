"""The installed program's own reading of its arguments, against the same invoke tasks that stock invoke reads.

One command a call, options anywhere behind it, nothing abbreviated, nothing guessed; values are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from soleil_remediate.cli.hints import too_many
from soleil_remediate.cli.usage import GROUPS
from soleil_remediate.cli.verbs import BY_NAME, MISLEADING, Verb
from soleil_remediate.errors import ConfigError, UnknownName


class Argument(Protocol):
    """What is used of invoke's class of that name."""

    kind: Any
    value: Any

    @property
    def takes_value(self) -> bool: ...

    @property
    def got_value(self) -> bool: ...


class Context(Protocol):
    """What is used of invoke's ``ParserContext``: one command's arguments."""

    @property
    def flags(self) -> Mapping[str, Argument]: ...

    @property
    def as_kwargs(self) -> Mapping[str, Any]: ...


def unknown_verb(words: Sequence[str], program: str) -> ConfigError:
    """Return what to say where *words* begin with no command."""
    first = words[0]
    if why := MISLEADING.get(first.partition("=")[0]):
        return ConfigError(f"{first[:80]} is not an option here: {why}")
    if first.startswith("-"):
        return ConfigError(f"the command comes first, its options after it: {program} COMMAND {first[:80]}")
    if first in GROUPS and len(words) > 1:
        members = [name.split()[1] for name in BY_NAME if name.startswith(f"{first} ")]
        return UnknownName(f"command of {first}", words[1][:80], members)
    return UnknownName("command", first[:80], [*BY_NAME, *GROUPS])


def given(verb: Verb, context: Context, words: Sequence[str], program: str) -> dict[str, Any]:
    """Return a task's arguments by parameter.

    Args:
        verb: The command.
        context: The arguments of its task; filled by this.
        words: What stands behind the command.
        program: What it is called by.

    Raises:
        ConfigError: There is no such option, one lacks its value, or there are too few or too many words.
    """
    plain: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            plain += rest
        elif word.startswith("-") and len(word) > 1:
            _take_option(verb, context.flags, word, rest)
        else:
            plain.append(word)
    values = dict(context.as_kwargs)
    for expected in verb.words:
        if expected.is_many:
            values[expected.name] = [*values[expected.name], *plain]
            plain = []
        elif plain and not values[expected.name]:
            values[expected.name] = plain.pop(0)
        elif expected.is_required and not values[expected.name]:
            raise ConfigError(
                f"{verb.name} needs {expected.name.upper()}: {program} {verb.name} {verb.example}".rstrip()
            )
    if plain:
        raise too_many(verb, plain, words, values, program)
    return values


def _take_option(verb: Verb, flags: Mapping[str, Argument], word: str, rest: Iterator[str]) -> None:
    if word.startswith("--"):
        spelt, equals, value = word.partition("=")
    else:
        spelt, equals, value = word[:2], word[2:], word[2:].removeprefix("=")
    if spelt not in flags:
        if why := MISLEADING.get(spelt):
            raise ConfigError(f"{spelt} is not an option here: {why}")
        raise UnknownName(f"option of {verb.name}", spelt[:80], [flag for flag in flags if len(flag) > 2])
    argument = flags[spelt]
    if not argument.takes_value:
        if equals:
            raise ConfigError(f"{spelt} takes no value")
        argument.value = True
        return
    if not equals:
        following = next(rest, None)
        if following is None or following.partition("=")[0] in flags:
            raise ConfigError(f"{spelt} needs a value")
        value = following
    if not value:  # from a script's unset variable, perhaps, and not meant as another inventory or any plan
        raise ConfigError(f"{spelt} is empty: give it a value, or leave it out")
    if argument.kind is not list and argument.got_value:
        raise ConfigError(f"{spelt} is given twice: keep one of the two")
    argument.value = value
