"""One call of a command: what was given, and by which program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soleil_remediate.cli.verbs import BY_NAME, OUTPUT, RUN_OUTPUT
from soleil_remediate.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Which program was called.

    Args:
        name: ``soleil-remediate``, ``soleil`` or ``invoke``.
        inventory: The inventory where nobody names one; ``None`` is the user's own.
        playbooks: Folders of playbooks beside those that are shipped.
    """

    name: str = "soleil-remediate"
    inventory: Path | None = None
    playbooks: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was given to a command, untouched; hostile values are only text.

    Args:
        verb: The command's name, such as ``lab up``.
        program: Which program was called.
        given: Values by parameter.
    """

    verb: str
    program: Program = field(default_factory=Program)
    given: Mapping[str, Any] = field(default_factory=dict)

    def text(self, parameter: str) -> str:
        """Return one value, empty where it was not given."""
        return str(self.given.get(parameter) or "")

    def many(self, parameter: str) -> tuple[str, ...]:
        """Return every value of an option that may be repeated."""
        return tuple(map(str, self.given.get(parameter) or ()))

    def has(self, parameter: str) -> bool:
        """Whether an option without a value was given."""
        return bool(self.given.get(parameter))

    @property
    def form(self) -> str:
        """In which form output is wanted: ``console``, ``json``, and for runs ``junit`` and ``github``.

        Raises:
            ConfigError: ``--output`` names a form that this command has not.
        """
        verb = BY_NAME.get(self.verb)
        options = (RUN_OUTPUT,) if verb is None else verb.options  # of a mistyped command nobody knows which it has
        known = next((option.choices for option in options if option.name == RUN_OUTPUT.name), OUTPUT.choices)
        form = self.text("output") or known[0]
        if form not in known:
            raise ConfigError(f"--output {form[:80]!a}: there are {', '.join(known[:-1])} and {known[-1]}")
        return form

    @property
    def is_json(self) -> bool:
        """Whether a program reads the output as JSON.

        Raises:
            ConfigError: ``--output`` names a form that this command has not.
        """
        return self.form == "json"
