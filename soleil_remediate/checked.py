"""What a routine's checks said of one host."""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.errors import ExitStatus, WorkFound
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.scenario import LeftOut
from soleil_remediate.seen import CheckSeen
from soleil_remediate.task import Health
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A routine on one host.

    Args:
        host: Whose it is.
        checks: What each said, in the routine's order.
        left_out: Those that this host does not call for.
        end: Why nothing could be seen at all; ``None`` where it could.
        login: Who looked.
        limits: Why not everything may be seen; empty where it may.
        looked_in: All questions together.
        round_trips: How many batches that took.
    """

    host: Host
    checks: tuple[CheckSeen, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    end: NotReached | Crashed | None = None
    login: str = ""
    limits: str = ""
    looked_in: Duration = Duration(0)
    round_trips: int = 0

    def of(self, health: Health) -> tuple[CheckSeen, ...]:
        """Return the checks that say so."""
        return tuple(one for one in self.checks if one.verdict.health is health)

    @property
    def is_unchecked(self) -> bool:
        """Whether this host calls for none of the routine's checks: that is not to be well."""
        return self.end is None and not self.checks and bool(self.left_out)

    @property
    def exit_status(self) -> ExitStatus:
        """Work found where anything is at fault, or cannot be known: what is unknown is never called healthy."""
        if self.end is not None:
            return self.end.exit_status
        if self.is_unchecked:
            return ExitStatus.USAGE
        return ExitStatus.OK if len(self.of(Health.HEALTHY)) == len(self.checks) else WorkFound.exit_status
