"""Names of hosts and patterns over them, in Ansible's notation.

Patterns: https://docs.ansible.com/ansible/latest/inventory_guide/intro_patterns.html. ``a:b`` and ``a,b`` mean both,
``!a`` leaves out, ``&a`` keeps only what is also in *a*, whatever the order; ``*``, ``?`` and ``[ab]`` are globs over
the names of hosts and groups. Two things are stricter than Ansible: a term that matches nothing is an error, since a
misspelt ``!web1`` would otherwise touch the host it should spare, and names are ASCII, since nobody sees a Cyrillic
letter at three in the morning.

A host with several applications is several targets: ``web1/soleil`` and ``web1/blog``. Any term may end in
``/APPLICATION``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from string import ascii_letters

from soleil_remediate.errors import ConfigError, InventoryError, UnknownName, nearest
from soleil_remediate.host import Host

#: More hosts than this in one range is taken for a slip of the finger.
RANGE_LIMIT = 10_000
#: In characters: of a name with its ranges, and of a pattern, which may name a few thousand hosts.
_LONGEST, _LONGEST_PATTERN = 1000, 65_536
#: So many hosts can still be typed, and so many names still be read.
_NAMED, _KNOWN = 6, 12

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_DIGITS = re.compile(r"[0-9]+")
_RANGE = re.compile(r"\[([^\]\[:]*):([^\]\[:]*)(?::([0-9]+))?\]")
_GLOBS = re.compile(r"[*?]|\[!?[A-Za-z0-9_.-]+\]")
#: Ansible's positions in a group, and what looks like them: ansible/inventory/manager.py, PATTERN_WITH_SUBSCRIPT.
_POSITION = re.compile(r".+\[-?[0-9]+(?:[:-][0-9]*)?\]")


def name_mistake(name: str) -> str | None:
    """Return what is wrong with a name of a host, group or application, or ``None``."""
    for position, character in enumerate(name, 1):
        if not character.isascii():
            called = unicodedata.name(character, "no character of any script")
            return f"{_in_ascii(name)} holds U+{ord(character):04X} ({called}) as character {position}: names are ASCII"
    if not _NAME.fullmatch(name) or len(name) > 253:
        return (
            f"{_in_ascii(name)} is no name: write letters, digits, '.', '-' and '_', "
            "and put addresses under ansible_host"
        )
    return None


def _in_ascii(name: str) -> str:
    text = ascii(name)
    return text if len(text) <= 80 else f"{text[:77]}..."


def expand(name: str) -> list[str]:
    """Return the names a range such as ``web[01:03]`` or ``db-[a:c]`` stands for, as Ansible reads it.

    Both ends belong to it; a third number is the step; several ranges give every combination.

    Raises:
        ValueError: It is no range that can be read.
    """
    if len(name) > _LONGEST:
        raise ValueError(f"{name[:60]!r}… is longer than any name: write fewer ranges")
    match = _RANGE.search(name)
    if match is None:
        if "[" in name or "]" in name:
            raise ValueError(f"{name!r} is no range: write it like web[01:03] or db-[a:c]")
        return [name]
    head, tail = name[: match.start()], name[match.end() :]
    first, last, step = match[1] or "0", match[2], int(match[3] or 1)
    if step == 0:
        raise ValueError(f"{name!r} would never end: its step is 0")
    if _DIGITS.fullmatch(first) and _DIGITS.fullmatch(last):
        if first.startswith("0") and len(first) > 1 and len(first) != len(last):
            raise ValueError(f"{name!r}: write both ends with the same number of digits")
        width = len(first) if first.startswith("0") else 0
        if len(last) > 9 or int(last) - int(first) >= RANGE_LIMIT * step:
            raise ValueError(f"{name!r} stands for more than {RANGE_LIMIT} hosts")
        parts = [f"{number:0{width}d}" for number in range(int(first), int(last) + 1, step)]
    elif len(first) == len(last) == 1 and first in ascii_letters and last in ascii_letters:
        begin, end = ascii_letters.index(first), ascii_letters.index(last)
        parts = list(ascii_letters[begin : end + 1 : step])
    else:
        raise ValueError(f"{name!r} is no range: write it like web[01:03] or db-[a:c]")
    if not parts:
        raise ValueError(f"{name!r} begins after its end")
    rest = expand(tail)
    if len(parts) * len(rest) > RANGE_LIMIT:
        raise ValueError(f"{name!r} stands for more than {RANGE_LIMIT} hosts")
    return [head + part + remainder for part in parts for remainder in rest]


@dataclass(frozen=True, slots=True)
class _Term:
    sign: str  # "", "!" or "&"
    name: str
    app: str | None

    def __str__(self) -> str:
        return f"{self.sign}{self.name}{'' if self.app is None else f'/{self.app}'}"

    @property
    def is_glob(self) -> bool:
        return any(character in self.name for character in "*?[")

    @property
    def means_everything(self) -> bool:
        return self.name == "all" or ("*" in self.name and not self.name.strip("*?"))


@dataclass(frozen=True, slots=True)
class Selection:
    """What patterns choose from.

    Args:
        targets: Every target, by the name of its machine, in the inventory's order.
        groups: The machines of every group, those of its children included.
        source: The inventory's file, for messages.
    """

    targets: Mapping[str, Sequence[Host]]
    groups: Mapping[str, frozenset[str]]
    source: str

    def select(self, pattern: str, *, all_hosts: bool = False, every_app: bool = False) -> tuple[Host, ...]:
        """Return the targets that *pattern* names, in the inventory's order.

        Args:
            pattern: Such as ``web:!web3``.
            all_hosts: It may mean every host.
            every_app: All applications of a machine that it names are meant.

        Raises:
            UnknownName: It names a host, group or application that is not there.
            InventoryError: It matches nothing, or a part of it does.
            ConfigError: It cannot be read, means every host without *all_hosts*, or leaves open which application.
        """
        terms = _terms(pattern)
        included = [term for term in terms if not term.sign] or [_Term("", "all", None)]
        required = [term for term in terms if term.sign == "&"]
        excluded = [term for term in terms if term.sign == "!"]
        begin: set[str] = set()
        for term in included:
            begin |= self._targets(term)
        for term in required:
            begin &= self._targets(term)
        chosen = begin.difference(*map(self._targets, excluded))
        if not chosen:
            raise InventoryError(f"{self.source}: {pattern!r} matches no host")
        every = [term for term in included if term.means_everything]
        if every and all(term.means_everything for term in required) and not all_hosts:
            raise ConfigError(f"{pattern!r} {self._on_every_host(every, begin, chosen, excluded)}")
        if not every_app:
            self._refuse_ambiguous(chosen, included + required)
        return tuple(host for hosts in self.targets.values() for host in hosts if host.name in chosen)

    def _on_every_host(self, every: list[_Term], begin: set[str], chosen: set[str], excluded: list[_Term]) -> str:
        """Return what a pattern means that begins with every host, and what to type instead."""
        apps = [term.app for term in every if term.app is not None]
        everything = f"{' and '.join(apps)} on " if len(apps) == len(every) else ""
        everything += f"every host of {self.source}"
        if not excluded:
            return f"means {everything}: add --all-hosts if that is what you want"
        groups = {name: len(self._of_machines(members) & chosen) for name, members in self.groups.items()}
        largest = max((name for name in groups if name != "all"), key=lambda name: groups[name], default="")
        if len(chosen) <= _NAMED:
            names = [host.name for hosts in self.targets.values() for host in hosts if host.name in chosen]
            instead = f"name what is left: {':'.join(names)!r}"
        elif largest and groups[largest]:
            instead = f"begin with a group, as in {':'.join([largest, *map(str, excluded)])!r}"
        else:
            instead = "name hosts"
        return (
            f"begins with {everything} and leaves out {len(begin - chosen)} of {len(begin)}: add --all-hosts if that "
            f"is what you want, or {instead}"
        )

    def _of_machines(self, machines: Iterable[str]) -> set[str]:
        return {host.name for machine in machines for host in self.targets[machine]}

    def _targets(self, term: _Term) -> set[str]:
        machines = self._machines(term.name)
        if term.app is None:
            return self._of_machines(machines)
        hosts = [host for machine in machines for host in self.targets[machine]]
        found = {host.name for host in hosts if host.app_name == term.app}
        if not found:
            raise UnknownName(f"application on {term.name}", term.app, {host.app_name for host in hosts} - {""})
        return found

    def _machines(self, name: str) -> Iterable[str]:
        if name in self.targets:
            return (name,)
        if name in self.groups:
            return self.groups[name]
        if name == "*":
            return self.targets
        if not any(character in name for character in "*?["):
            raise UnknownName("host or group", name, {*self.targets, *self.groups})
        found = {machine for machine in self.targets if fnmatchcase(machine, name)}
        for group, members in self.groups.items():
            if group != "all" and fnmatchcase(group, name):
                found |= members
        if not found:
            known = sorted({*self.targets, *self.groups} - {"all"})
            near = nearest(_GLOBS.sub("", name), known)
            more = " …" if len(known) > _KNOWN else ""
            hint = f": did you mean {near!r}?" if near else f"; known: {', '.join(known[:_KNOWN])}{more}"
            raise InventoryError(f"{self.source}: {name!r} matches no host or group{hint}")
        return found

    def _refuse_ambiguous(self, chosen: set[str], terms: Iterable[_Term]) -> None:
        """Ask which application, where several of one machine are left and nobody asked for them."""
        named = {
            host for term in terms if term.app is not None or term.means_everything for host in self._targets(term)
        }
        for machine, hosts in self.targets.items():
            left = chosen & {host.name for host in hosts}
            if len(left) > 1 and left - named:
                names = " or ".join(host.name for host in hosts)
                raise ConfigError(f"{machine} has several applications: write {names}")


def pattern_mistake(pattern: str) -> str | None:
    """Return why a pattern cannot be read, or ``None``; whether its names exist is another question."""
    try:
        _terms(pattern)
    except ConfigError as error:
        return str(error)
    return None


def _terms(pattern: str) -> list[_Term]:
    if len(pattern) > _LONGEST_PATTERN:
        raise ConfigError(f"{ascii(pattern)[:80]}…: longer than {_LONGEST_PATTERN} characters: name groups instead")
    terms = []
    for part in _split(pattern):
        sign = part[0] if part[:1] in {"!", "&"} else ""
        name, slash, app = part[len(sign) :].strip().partition("/")
        if not name or (slash and not app):
            raise ConfigError(f"{ascii(pattern)[:80]}: a name is missing in this pattern")
        if name.startswith("~"):
            raise ConfigError(f"{ascii(name)[:80]}: regular expressions are not read here: use a glob such as web*")
        if _POSITION.fullmatch(name):
            raise ConfigError(
                f"{ascii(name)[:80]}: positions in a group are not read here: name the hosts, or use web?"
            )
        letters = _GLOBS.sub("", name)
        for text in (letters, app):
            if text and (mistake := name_mistake(text if text[0] not in ".-" else f"x{text}")):
                raise ConfigError(mistake)
        terms.append(_Term(sign, name, app or None))
    return terms


def _split(pattern: str) -> list[str]:
    """Split at ``:`` and ``,`` outside brackets."""
    parts, depth = [""], 0
    for character in pattern:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character in ":," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]
