"""Scenarios by name, of which those that are not read yet are read when they are first wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from soleil_remediate.errors import UnknownName
from soleil_remediate.host import Origin
from soleil_remediate.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Unread:
    """A scenario of which only the head of its playbook was read.

    Args:
        read: Returns the whole of it, or raises a ``PlaybookError`` with every mistake in it.
    """

    name: str
    aliases: tuple[str, ...]
    origin: Origin
    read: Callable[[Mapping[str, str]], Scenario]


class Scenarios(Mapping[str, Scenario]):
    """Scenarios by name, in the order in which they were found; an alias is found by :meth:`find` alone.

    What was not read yet is read when it is asked for, which raises a ``PlaybookError`` where it cannot be used.
    """

    def __init__(self, scenarios: Iterable[Scenario | Unread]) -> None:
        self._scenarios = {scenario.name: scenario for scenario in scenarios}

    def __getitem__(self, name: str) -> Scenario:
        found = self._scenarios[name]
        if isinstance(found, Unread):
            found = self._scenarios[name] = found.read(self.names)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._scenarios

    def __iter__(self) -> Iterator[str]:
        return iter(self._scenarios)

    def __len__(self) -> int:
        return len(self._scenarios)

    @property
    def names(self) -> Mapping[str, str]:
        """The scenario's name of each name and alias."""
        return {alias: one.name for one in self._scenarios.values() for alias in (one.name, *one.aliases)}

    def find(self, name: str) -> Scenario:
        """Return the scenario of that name or alias.

        Raises:
            UnknownName: There is none.
            PlaybookError: It was not read yet, and cannot be used as it stands.
        """
        names = self.names
        if name not in names:
            raise UnknownName("scenario", name, names)
        return self[names[name]]
