"""Faults by name: shell scripts in the folder ``faults``, run as root on a host of the lab."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.units import ByteSize

FOLDER = Path(__file__).parent / "faults"

#: Functions for all of them, put before each script.
FUNCTIONS = FOLDER / "_functions.sh"


class Ending(Enum):
    """How the scenario that is about a fault ends on a host that is broken with it."""

    FIXED = "fixed"
    EASED = "eased"  # users no longer suffer, and something is left to a person
    BY_HAND = "by hand"  # nothing is sent, and it is said what a person has to do
    NO_FURTHER = "no further"  # what may be sent was, it did not help, and by itself it goes no further
    WELL = "well"  # users do not suffer: it stands in the way of repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a person names who knows what happened, and how the scenario ends then.

    Args:
        inputs: Of that scenario, as ``--set`` takes them.
        ends: How it ends with them.
    """

    inputs: Mapping[str, str]
    ends: Ending


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to break a host.

    Args:
        name: The file's name without its ending.
        about: One sentence: what is broken.
        scenario: The scenario that is about it; empty where none is.
        routine: The routine that is to find it, where nobody suffers by it yet; empty where that is a scenario's.
        kinds: What it proves: the checks that are red where it is, and the tasks that are sent there, in order. None
            where it only stands in a repair's way.
        ends: How that scenario ends where nobody names anything.
        named: What a person would name, and how it ends then; ``None`` where nothing that can be named helps.
        first: What a diagnosis tells first: that scenario, or a symptom's where there is nothing that it may do.
        memory: So many bytes of memory, and no more, the host is given before; 0 where it keeps the machine's.
        options: By name, the value it has where none is given; the script finds it as ``$OPTION_NAME``.
        file: The script.
    """

    name: str
    about: str
    scenario: str
    routine: str
    kinds: tuple[str, ...]
    ends: Ending
    named: Named | None
    first: str
    memory: int
    options: Mapping[str, str]
    file: Path

    def script(self, options: Mapping[str, object]) -> bytes:
        """Return what is sent to the host's bash: the options, the functions, the script.

        Raises:
            UnknownName: The fault has no such option.
            ConfigError: A value is not a plain word.
        """
        for name, value in options.items():
            if name not in self.options:
                raise UnknownName(f"option of fault {self.name}", name, self.options)
            if not re.fullmatch(r"[\w./:@%+-]*", str(value)):
                raise ConfigError(f"option {name} of fault {self.name} must be one plain word, not {value!r}")
        values = {**self.options, **options}
        settings = "".join(f"OPTION_{name.upper()}={value}\n" for name, value in values.items())
        return (settings + FUNCTIONS.read_text() + self.file.read_text()).encode()


def faults(folder: Path = FOLDER) -> list[Fault]:
    """Return every fault in *folder*, by name.

    Raises:
        ConfigError: A script does not say in its first lines what it is about.
    """
    return [_read(file) for file in sorted(folder.glob("[!_]*.sh"), key=lambda file: file.stem)]


def fault_named(name: str) -> Fault:
    """Return one fault.

    Raises:
        UnknownName: There is none of this name.
    """
    known = {fault.name: fault for fault in faults()}
    if name not in known:
        raise UnknownName("fault", name, known)
    return known[name]


def _read(file: Path) -> Fault:
    header: dict[str, str] = {}
    options: dict[str, str] = {}
    for line in file.read_text().splitlines():
        match = re.fullmatch(r"# (about|scenario|routine|kinds|ends|named|then|first|memory|option): ?(.*)", line)
        if match and match[1] == "option":
            name, _, value = match[2].split(" ", 1)[0].partition("=")
            options[name] = value
        elif match:
            header[match[1]] = match[2]
        elif line and not line.startswith("#"):
            break
    for_whom = "routine" if "routine" in header else "scenario"
    if missing := {"about", for_whom, "kinds"} - header.keys():
        raise ConfigError(
            f"{file}:1: a fault begins with lines '# about: …', '# scenario: …' (or '# routine: …'), '# kinds: …'; "
            f"missing: {', '.join(sorted(missing))}"
        )
    return Fault(
        name=file.stem,
        about=header["about"],
        scenario=header.get("scenario", ""),
        routine=header.get("routine", ""),
        kinds=tuple(header["kinds"].split()),
        ends=_ending(file, header, "ends"),
        named=_named(file, header),
        first=header.get("first", header.get("scenario", "")),
        memory=ByteSize.parse(header["memory"]) if "memory" in header else 0,
        options=options,
        file=file,
    )


def _ending(file: Path, header: Mapping[str, str], line: str) -> Ending:
    endings = {ending.value: ending for ending in Ending}
    if (ends := header.get(line, Ending.FIXED.value)) not in endings:
        raise ConfigError(f"{file}: '# {line}: {ends}' must be one of {', '.join(endings)}")
    return endings[ends]


def _named(file: Path, header: Mapping[str, str]) -> Named | None:
    if "named" not in header:
        if "then" in header:
            raise ConfigError(f"{file}: '# then: {header['then']}' needs a line '# named: NAME=VALUE'")
        return None
    words = shlex.split(header["named"])
    inputs = dict(word.split("=", 1) for word in words if "=" in word)
    if not words or len(inputs) < len(words):
        raise ConfigError(
            f"{file}: '# named: {header['named']}' must be NAME=VALUE, each name once, quoted for a shell"
        )
    return Named(inputs=inputs, ends=_ending(file, header, "then"))
