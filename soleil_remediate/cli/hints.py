"""What was meant by words in the wrong place: the whole command, ready to be copied."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.verbs import Verb
from soleil_remediate.errors import ConfigError

#: What may be a pattern of hosts; anything else is no word to be copied.
_HOSTS = re.compile(r"[A-Za-z0-9_*!&][A-Za-z0-9_.:*!&@/-]{0,79}")
#: A longer command helps nobody.
_LONGEST = 400


def too_many(
    verb: Verb, extra: Sequence[str], words: Sequence[str], values: Mapping[str, Any], program: str
) -> ConfigError:
    """Return what to say about words that a command does not take.

    Args:
        verb: The command.
        extra: The words that are too many.
        words: Everything behind the command, as it was typed.
        values: What was understood of it, by parameter.
        program: What it is called by.
    """
    said = f"{extra[0][:80]!a} is one word too many for {verb.name}"
    takes = {option.name for option in verb.options} | {word.name for word in verb.words}
    if "host" not in takes or verb.name.startswith("lab "):
        return ConfigError(said)
    known = _scenarios(verb, values) if "scenario" in takes else ()
    is_scenario = extra[0] in known and values.get("scenario", "") not in known
    about = "scenarios are named with --scenario" if is_scenario else "hosts are named with --host"
    meant = _meant(verb, extra, words, values, known)
    return ConfigError(f"{said}; {about}" + (f":\n  {program} {verb.name} {meant}" if meant else ""))


def _meant(
    verb: Verb, extra: Sequence[str], words: Sequence[str], values: Mapping[str, Any], known: Collection[str]
) -> str:
    """Return the command's arguments as they may have been meant; empty where nobody can tell."""
    scenario, host = str(values.get("scenario") or ""), str(values.get("host") or "")
    plain = [*([scenario] if scenario in words and _is_plain(verb, scenario, words) else []), *extra]
    scenarios, hosts = [word for word in plain if word in known], [word for word in plain if word not in known]
    if len(scenarios) > 1 or (hosts and host) or not all(map(_HOSTS.fullmatch, hosts)):
        return ""
    rest = list(words)
    for word in plain:
        rest.remove(word)
    front: list[str] = []
    if known:
        is_named = scenario and scenario not in plain
        name = scenarios[0] if scenarios else "SCENARIO"
        front += [] if is_named else [name] if _is_plain(verb, name, [name]) else ["--scenario", name]
    if not host:
        front += ["--host", ":".join(hosts) or "HOST"]
    line = shlex.join([*front, *rest])
    return line if len(line) <= _LONGEST else ""


def _is_plain(verb: Verb, word: str, words: Sequence[str]) -> bool:
    """Whether a scenario stands by itself behind this command, and did so among *words*."""
    takes_word = any(one.name == "scenario" for one in verb.words)
    return takes_word and words[words.index(word) - 1 : words.index(word)] != ["--scenario"]


def _scenarios(verb: Verb, values: Mapping[str, Any]) -> Collection[str]:
    """Return every name that a scenario goes by; none where the playbooks cannot be read."""
    from soleil_remediate.cli.choosing import chosen_scenarios  # noqa: PLC0415  # slow, and only for a mistake

    with suppress(ConfigError):
        found, _ = chosen_scenarios(Call(verb=verb.name, given=values))
        return {name for scenario in found.values() for name in (scenario.name, *scenario.aliases)}
    return ()
