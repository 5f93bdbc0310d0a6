"""A task of one's own: a lock that a deploy left behind."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate import Change, Command, Duration, Plan, Reader, Risk, Task, Undo
from soleil_remediate.facts.clocks import ReadClock
from soleil_remediate.facts.files import FileStat, StatFile


@dataclass(frozen=True, kw_only=True)
class RemoveDeployLock(Task[tuple[FileStat | None, int]]):
    """Remove the lock of a deploy that is long over.

    Args:
        path: The lock on the host.
        older_than: A lock of exactly this age, or younger, belongs to a running deploy.
    """

    kind = "deploy-lock.remove"
    risk: ClassVar[Risk] = Risk.GENTLE

    path: PurePosixPath
    older_than: Duration = Duration(3600)

    async def read(self, host: Reader) -> tuple[FileStat | None, int]:
        return await host.ask_all(StatFile(self.path), ReadClock())

    def plan(self, seen: tuple[FileStat | None, int]) -> Plan:
        lock, now = seen
        if lock is None:
            return Plan.nothing(f"{self.path} is not there")
        age = Duration(max(0, now - lock.modified))
        if age <= self.older_than:
            return Plan.nothing(f"{self.path} is {age} old: a deploy may be running")
        change = Change(
            summary=f"remove {self.path}",
            command=Command(("rm", "-f", "--", str(self.path))),
            risk=self.risk,
            undo=Undo.by(Command(("touch", "--", str(self.path))), says="the lock is made again"),
            before=f"locked for {age}",
            after="not locked",
        )
        return Plan.of(change, because=f"{self.path} is {age} old, over {self.older_than}")
