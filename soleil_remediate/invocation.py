"""The command that was typed, so that what is printed to go on with can be copied and works."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from soleil_remediate.host import Host, listed_name

#: What stands for an inventory that nobody has written yet.
A_FILE = "FILE"


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

    @classmethod
    def on(cls, host: Host, scenario: str, inputs: Sequence[str] = ()) -> Self:
        """Return how one host is meant by itself, by whatever it is found and reached by.

        Args:
            host: Which.
            scenario: Its name.
            inputs: What was given, each ``NAME=VALUE``.
        """
        given = host.given
        return cls(
            scenario=scenario,
            hosts=host.named,
            inventory=given.inventory,
            transport=given.transport,
            playbooks=given.playbooks,
            inputs=tuple(inputs),
        )

    @property
    def options(self) -> str:
        """What makes any command that looks at hosts mean the same ones, quoted for a shell."""
        return shlex.join(self._meant())

    @property
    def scenario_options(self) -> str:
        """The same for a run: which scenario and which inputs as well."""
        return shlex.join(self._asked())

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

    def with_input(self, name: str, value: str) -> Invocation:
        """Return the same with an input, unless it is given already."""
        if any(text.partition("=")[0] == name for text in self.inputs):
            return self
        return replace(self, inputs=(*self.inputs, f"{name}={value}"))

    def without_input(self, name: str) -> Invocation:
        """Return the same but for one input, for another value to stand in its place: given twice it is refused."""
        return replace(self, inputs=tuple(text for text in self.inputs if text.partition("=")[0] != name))

    def listed(self, host: Host) -> Invocation:
        """Return the same about a host once somebody has listed it in the inventory that was named, or in a new one."""
        return self.about(host.connection.address, inventory=self.inventory or A_FILE)

    def corrected(self, given: str, meant: str) -> Invocation:
        """Return the same with another value for the inputs that were *given*."""
        inputs = (text.partition("=") for text in self.inputs)
        return replace(self, inputs=tuple(f"{name}={meant if value == given else value}" for name, _, value in inputs))

    def ping(self, host: Host) -> str:
        """Return the command that only connects to one host."""
        return self._typed("ping", "--host", host.named, *self._reached())

    def ping_all(self) -> str:
        """Return the command that only connects to all the hosts that it is about."""
        return self._typed("ping", "--host", self.hosts, *self._every(), *self._reached())

    def show(self, run: str) -> str:
        """Return the command that shows a run's record."""
        return self._typed("runs show", run, *_options("--playbooks", self.playbooks))

    def resume(self, run: str, *more: str) -> str:
        """Return the command that asks what became of a run, and goes on with it: its record knows the rest."""
        return self._typed("resume", run, *more)

    def resume_again(self, run: str, *more: str) -> str:
        """Return the same with what this call named itself, which its record may not know."""
        spread = _options("--serial", [self.serial]) + _options("--max-fail", [self.max_fail])
        forks = _options("--forks", [self.forks])
        playbooks = _options("--playbooks", self.playbooks)
        return self.resume(run, *self._reached(), *playbooks, *spread, *forks, *more)

    def sudoers(self) -> str:
        """Return the command that prints what sudo has to allow."""
        where = (*self._every(), *_options("--inventory", [self.inventory]), *_options("--playbooks", self.playbooks))
        return self._typed("sudoers", self.scenario, "--host", self.hosts, *where, *_options("--set", self.inputs))

    def scenarios(self) -> str:
        """Return the command that lists what can be repaired."""
        return self._typed("scenarios", *_options("--playbooks", self.playbooks))

    def explain(self, scenario: str) -> str:
        """Return the command that shows a scenario's page."""
        return self._typed("explain", scenario, *_options("--playbooks", self.playbooks))

    def diagnose(self) -> str:
        """Return the command that says what is wrong, by every scenario."""
        return self._typed("diagnose", *self._meant())

    def confirm(self, routine: str, duty: str) -> str:
        """Return the command that notes that somebody did what only a person can do."""
        where = (*self._reached(), *_options("--playbooks", self.playbooks))
        return self._typed("check", routine, "--confirm", duty, *where)

    def _meant(self) -> list[str]:
        """Return the hosts, and by what they are found and reached."""
        return ["--host", self.hosts, *self._every(), *self._reached(), *_options("--playbooks", self.playbooks)]

    def _asked(self) -> list[str]:
        return ["--scenario", self.scenario, *self._meant(), *_options("--set", self.inputs)]

    def _every(self) -> list[str]:
        return ["--all-hosts"] if self.has_all_hosts else []

    def _reached(self) -> list[str]:
        return _options("--inventory", [self.inventory]) + _options("--transport", [self.transport])

    def _about(self, verb: str, *more: str) -> str:
        return self._typed(verb, *self._asked(), *_options("--forks", [self.forks]), *more)

    def _typed(self, verb: str, *words: str) -> str:
        spoken = verb.replace(" ", ".") if self.program == "invoke" else verb
        return f"{self.program} {spoken} {shlex.join(words)}".rstrip()


def _options(name: str, values: Sequence[str]) -> list[str]:
    return [word for value in values if value for word in (name, value)]
