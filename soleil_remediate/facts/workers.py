"""Programs that supervisor keeps running, and which application's they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable, records
from soleil_remediate.secrecy import redacted

_FOLDER = PurePosixPath("/etc/supervisor/conf.d")
_PROGRAM = re.compile(r"\[program:([A-Za-z0-9_][A-Za-z0-9_.-]*)\]")
_SETTING = re.compile(r"\s*(?:command|directory)\s*=\s*(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program of supervisor; it may stand for several processes.

    Args:
        name: As supervisorctl has it.
        runs: Its command and the folder it runs in, as written.
    """

    name: str
    runs: tuple[str, ...]

    def is_of(self, folder: PurePosixPath) -> bool:
        """Whether it runs something below a folder, by what is written."""
        return any(f"{folder}/" in f"{text}/" for text in self.runs)


@dataclass(frozen=True, slots=True)
class ReadPrograms(Query[tuple[Program, ...]]):
    """Every program that supervisor's configuration names; none without supervisor."""

    # 1: none; 2: there is no such folder
    expects = frozenset({0, 1, 2})
    empty_is = "no program, where grep found none or said that there is no such folder"

    @property
    def command(self) -> Command:
        wanted = r"^\[|^[[:space:]]*(command|directory)[[:space:]]*="
        return Command(("grep", "-r", "-a", "-Z", "-E", "-e", wanted, "--", str(_FOLDER)))

    def parse(self, output: Output) -> tuple[Program, ...]:
        if output.stderr or output.exit_status == 2:
            only_missing(output)
        found: dict[str, list[str]] = {}
        name, source = "", b""
        for line in records(output.stdout, b"\n"):
            file, end, raw = line.partition(b"\0")
            text = readable(raw)[0]
            if not end or not (text.startswith("[") or _SETTING.match(text)):
                raise ValueError(f"no line of supervisor's configuration: {redacted(repr(line))[:80]}")
            if file != source or text.startswith("["):
                section = _PROGRAM.match(text)
                name, source = section[1] if section else "", file
            elif name:
                found.setdefault(name, []).append(text.partition("=")[2].strip())
        return tuple(Program(name=name, runs=tuple(runs)) for name, runs in found.items())
