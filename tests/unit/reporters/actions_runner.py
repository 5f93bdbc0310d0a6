"""What a GitHub runner makes of a step's output, after actions/runner: ``ActionCommand.cs`` and its command manager."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

REGISTERED = frozenset(
    "add-mask add-matcher add-path debug echo endgroup error group notice remove-matcher save-state set-env set-output "
    "stop-commands warning".split()
)


@dataclass(frozen=True)
class Command:
    name: str
    message: str
    properties: dict[str, str] = field(default_factory=dict)


def obeyed(output: str) -> list[Command]:
    """Return the commands of *output*, until one stops all that follow.

    Both spellings are known, at their places. A comparison of text by a culture passes over characters that mean
    nothing to it; here over every one that is not drawn in ASCII, which is more than any culture does.
    """
    found: list[Command] = []
    for line in re.split(r"\r\n|\r|\n", output):
        command = _new(line) or _new(re.sub(r"[^ -~]", "", line)) or _old(re.sub(r"[^!-~]", "", line))
        if command is not None:
            found.append(command)
    return found


def _new(line: str) -> Command | None:
    line = line.lstrip()
    match = re.match(r"::(.*?)::", line)
    if match is None:
        return None
    name, _, told = match[1].partition(" ")
    if name.lower() not in REGISTERED:
        return None
    pairs = (pair.partition("=") for pair in told.strip().split(",") if pair)
    properties = {key: _plain(value, {"%3A": ":", "%2C": ","}) for key, _, value in pairs}
    return Command(name, _plain(line[match.end() :], {}), properties)


def _old(line: str) -> Command | None:
    match = re.search(r"##\[([A-Za-z-]*)[^]]*\]", line)
    if match is None or match[1].lower() not in REGISTERED:
        return None
    return Command(match[1], line[match.end() :])


def _plain(text: str, more: dict[str, str]) -> str:
    for escape, meant in ({"%0D": "\r", "%0A": "\n"} | more | {"%25": "%"}).items():
        text = text.replace(escape, meant)
    return text
