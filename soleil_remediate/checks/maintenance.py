"""Do users see a maintenance page that nobody ended?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.maintenance import IsHeldHere
from soleil_remediate.task import Check, Measure, Verdict


@dataclass(frozen=True, kw_only=True)
class MaintenanceEnded(Check[bool]):
    """See whether a maintenance page that a run put up around its change is gone.

    A page that is let through in maintenance mode, as health checks may be, says nothing about it. Maintenance mode
    that somebody else began is theirs: it is no fault here.

    Args:
        root: The folder that holds artisan, or the link to it.
    """

    kind = "maintenance.ended"
    rounds = 1

    root: PurePosixPath

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)

    async def read(self, host: Reader) -> bool:
        return await host.ask(IsHeldHere(self.root))

    def judge(self, seen: bool) -> Verdict:  # noqa: FBT001  # it is all that was read
        measure = Measure(label="maintenance page of ours", value="up" if seen else "none", is_faulty=seen)
        if seen:
            return Verdict.faulty("users see the maintenance page that a run put up around its change", measure)
        return Verdict.healthy("no maintenance page of ours is up", measure)
