"""The command that was typed, so that what is printed to go on with can be copied and works."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How this program was called, and what it was called about.

    Args:
        program: ``soleil-remediate``, ``soleil`` or ``invoke``.
        scenario: Its name.
        hosts: The pattern that ``--host`` gave.
        common: The options that a next command needs as well, such as ``--inventory`` with its value.
        inputs: What ``--set`` gave, as it was written.
    """

    program: str = "soleil-remediate"
    scenario: str = ""
    hosts: str = ""
    common: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def remediate(self, *more: str) -> str:
        """Return the command that repairs."""
        return self._about("remediate", *more)

    def preview(self, *more: str) -> str:
        """Return the command that only looks."""
        return self._about("preview", *more)

    def ping(self, host: str) -> str:
        """Return the command that only connects."""
        return self._typed("ping", "--host", host, *self.common)

    def show(self, run: str) -> str:
        """Return the command that shows a run's record."""
        return self._typed("runs show", run)

    def other(self, verb: str, *words: str) -> str:
        """Return another of this program's commands."""
        return self._typed(verb, *words)

    def _about(self, verb: str, *more: str) -> str:
        sets = [word for given in self.inputs for word in ("--set", given)]
        return self._typed(verb, "--scenario", self.scenario, "--host", self.hosts, *self.common, *sets, *more)

    def _typed(self, verb: str, *words: str) -> str:
        spoken = verb.replace(" ", ".") if self.program == "invoke" else verb
        return f"{self.program} {spoken} {shlex.join(words)}".rstrip()
