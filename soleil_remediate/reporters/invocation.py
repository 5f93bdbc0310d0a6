"""The command that was typed, so that what is printed to go on with can be copied and works."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from soleil_remediate.host import Host, listed_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How this program was called, and what it was called about.

    Every command that it prints has the options that it needs to mean the same, and none that it does not take.

    Args:
        program: ``soleil-remediate``, ``soleil`` or ``invoke``.
        scenario: Its name.
        hosts: The pattern that ``--host`` gave.
        inventory: What ``--inventory`` gave; empty where it was not given.
        transport: What ``--transport`` gave; empty where it was not given.
        playbooks: What ``--playbooks`` gave.
        inputs: What ``--set`` gave, as it was written.
        has_all_hosts: Whether ``--all-hosts`` was given.
        serial: What ``--serial`` gave.
        max_fail: What ``--max-fail`` gave.
        forks: What ``--forks`` gave.
    """

    program: str = "soleil-remediate"
    scenario: str = ""
    hosts: str = ""
    inventory: str = ""
    transport: str = ""
    playbooks: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    has_all_hosts: bool = False
    serial: str = ""
    max_fail: str = ""
    forks: str = ""

    @property
    def is_by_name(self) -> bool:
        """Whether hosts were named as an inventory names them, not as ``user@name``."""
        return "@" not in self.hosts

    def remediate(self, *more: str) -> str:
        """Return the command that repairs."""
        spread = _options("--serial", [self.serial]) + _options("--max-fail", [self.max_fail])
        return self._about("remediate", *spread, *more)

    def preview(self, *more: str) -> str:
        """Return the command that only looks."""
        return self._about("preview", *more)

    def about(self, hosts: str, *, inventory: str = "") -> Invocation:
        """Return the same about other hosts, and by another inventory where one is named."""
        return replace(self, hosts=hosts, inventory=inventory or self.inventory, has_all_hosts=False)

    def for_scenario(self, scenario: str) -> Invocation:
        """Return the same for another scenario."""
        return replace(self, scenario=scenario)

    def without(self, hosts: Sequence[str]) -> Invocation:
        """Return the same for all but some of its hosts."""
        return replace(
            self, hosts=":".join([self.hosts, *(f"!{name}" for name in dict.fromkeys(map(listed_name, hosts)))])
        )

    def corrected(self, given: str, meant: str) -> Invocation:
        """Return the same with another value for the inputs that were *given*."""
        inputs = (text.partition("=") for text in self.inputs)
        return replace(self, inputs=tuple(f"{name}={meant if value == given else value}" for name, _, value in inputs))

    def ping(self, host: Host) -> str:
        """Return the command that only connects to one host."""
        name = host.listed_name if host.is_listed else _address(host)
        return self._typed("ping", "--host", name, *self._reached())

    def ping_all(self) -> str:
        """Return the command that only connects to all the hosts that it is about."""
        return self._typed("ping", "--host", self.hosts, *self._every(), *self._reached())

    def show(self, run: str) -> str:
        """Return the command that shows a run's record."""
        return self._typed("runs show", run, *_options("--playbooks", self.playbooks))

    def resume(self, run: str, *more: str) -> str:
        """Return the command that asks what became of a run, and goes on with it: its record knows the rest."""
        return self._typed("resume", run, *more)

    def scenarios(self) -> str:
        """Return the command that lists what can be repaired."""
        return self._typed("scenarios", *_options("--playbooks", self.playbooks))

    def explain(self, scenario: str) -> str:
        """Return the command that shows a scenario's page."""
        return self._typed("explain", scenario, *_options("--playbooks", self.playbooks))

    def diagnose(self) -> str:
        """Return the command that says what is wrong, by every scenario."""
        return self._typed("diagnose", "--host", self.hosts, *self._reached(), *_options("--playbooks", self.playbooks))

    def confirm(self, routine: str, duty: str) -> str:
        """Return the command that notes that somebody did what only a person can do."""
        where = (*_options("--inventory", [self.inventory]), *_options("--playbooks", self.playbooks))
        return self._typed("check", routine, "--confirm", duty, *where)

    def _every(self) -> list[str]:
        return ["--all-hosts"] if self.has_all_hosts else []

    def _reached(self) -> list[str]:
        return _options("--inventory", [self.inventory]) + _options("--transport", [self.transport])

    def _about(self, verb: str, *more: str) -> str:
        return self._typed(
            verb,
            "--scenario",
            self.scenario,
            "--host",
            self.hosts,
            *self._every(),
            *self._reached(),
            *_options("--playbooks", self.playbooks),
            *_options("--set", self.inputs),
            *_options("--forks", [self.forks]),
            *more,
        )

    def _typed(self, verb: str, *words: str) -> str:
        spoken = verb.replace(" ", ".") if self.program == "invoke" else verb
        return f"{self.program} {spoken} {shlex.join(words)}".rstrip()


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [word for value in values if value for word in (name, value)]


def _address(host: Host) -> str:
    """Return a host that stands in no inventory as ``--host`` takes it: with its user and its port."""
    connection = host.connection
    name = f"[{connection.address}]" if ":" in connection.address else connection.address
    user = f"{connection.user}@" if connection.user else ""
    return f"{user}{name}{f':{connection.port}' if connection.port else ''}"
