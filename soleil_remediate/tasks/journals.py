"""Repair a systemd journal that has outgrown its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.disks import space_on
from soleil_remediate.facts.journals import SMALLEST, Journal, read_journal
from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE, where_to_free
from soleil_remediate.units import ByteSize, Duration

#: Shrink the journal in folder $2 to $1 bytes. Only closed files can go, so one being written that is longer than the
#: smallest ($3 KiB) is closed too; but first the others make room: on a full disk no new one could be begun.
VACUUM_JOURNAL = Script(
    "vacuum-journal",
    SETTLE
    + """set -eu
journalctl --quiet --vacuum-size="$1"
long=$(find "$2" -maxdepth 1 -type f -name '*.journal' ! -name '*@*' -size "+$3k")
if [ -n "$long" ]; then
    journalctl --rotate
    journalctl --quiet --vacuum-size="$1"
fi
settle "$2"
journalctl --disk-usage
""",
)


@dataclass(frozen=True, kw_only=True)
class VacuumJournal(Task[Journal]):
    """Remove the oldest files of the systemd journal until the rest fits.

    The oldest entries of every service are lost, those about who logged in and what ran as root among them; journald
    itself removes them in the same order when its own limit is reached. The file being written counts with what it
    takes beyond the 8 MiB that any journal file has; it is closed and begun anew where the others do not suffice.
    Journals of other machines, and those in memory (/run/log/journal), are left alone.

    Args:
        to: What the journal may take. Exactly so much is left alone.

    Raises:
        Unplannable: The journal lies on no file system that was measured.
    """

    kind = "journal.vacuum"
    rounds = 1
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    clears: ClassVar[bool] = True

    to: ByteSize

    def __post_init__(self) -> None:
        if self.to < SMALLEST:
            raise ValueError(f"no journal is smaller than {SMALLEST}")

    async def read(self, host: Reader) -> Journal:
        return await read_journal(host)

    def plan(self, seen: Journal) -> Plan:
        if not seen.files:
            return Plan.nothing("no journal is kept on disk")
        if seen.removable <= self.to:
            return Plan.nothing(f"the journal takes {ByteSize(seen.archived + seen.active)}, its limit is {self.to}")
        file_system = where_to_free(seen.folder, seen.file_system)
        freed = ByteSize(seen.removable - self.to)
        began = self._left_from(seen)
        return Plan.of(
            Change(
                summary=f"shrink the systemd journal to {self.to}",
                command=Command(
                    VACUUM_JOURNAL.bind(int(self.to), seen.folder, SMALLEST // 1024), deadline=Duration(120)
                ),
                risk=self.risk,
                undo=Undo.none("removed entries are gone"),
                before=str(ByteSize(seen.archived + seen.active)),
                after=f"about {self.to}",
                loses="entries up to now" if began is None else f"entries before {as_text(began)} UTC",
                keeps="the newest entries; journald carries on",
                relieves=(Relief(subject=space_on(file_system.mount), amount=f"at least {freed}"),),
            ),
            because=f"the journal takes {ByteSize(seen.archived + seen.active)}, its limit is {self.to}",
        )

    def _left_from(self, seen: Journal) -> int | None:
        """Return when the oldest closed file that stays begins; ``None`` where none stays.

        For people: journald decides by itself, in the same order.
        """
        excess = seen.removable - self.to
        for one in seen.files:
            if excess <= 0:
                return one.began
            excess -= one.file.allocated
        return None
