"""Has an application's database grown too large?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.database_sizes import AskDatabaseSize, SizeOfDatabase
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import ByteSize


@dataclass(frozen=True, kw_only=True)
class DatabaseSize(OfApplication[SizeOfDatabase], Check[SizeOfDatabase]):
    """Check that an application's database is smaller than a limit.

    Asked as the application, so it may be anywhere. What counts is what it takes on its server's disks, with indexes
    and with what was deleted and not yet given back, without the server's log of changes. Whether there is room for it
    is another matter: ``disk.used``. Only PostgreSQL is asked; any other is unknown, and so is one that is silent.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        below: The limit; exactly so much is too much.
    """

    kind = "database.size"
    rounds = 1

    below: ByteSize

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.below <= 0:
            raise ValueError("nothing is smaller than no bytes at all")

    def aim(self) -> str:
        return f"the database takes less than {self.below}"

    async def read(self, host: Reader) -> SizeOfDatabase:
        return await host.ask(AskDatabaseSize(self.root, self.user))

    def judge(self, seen: SizeOfDatabase) -> Verdict:
        if seen.size is None:
            return Verdict.unknown(
                f"the application's database is {seen.driver}: only PostgreSQL is asked how large it is"
            )
        label = f"database {seen.name}"
        if seen.size < self.below:
            measure = Measure(label=label, value=str(seen.size))
            return Verdict.healthy(f"{label} takes {seen.size}, less than {self.below}", measure)
        tables = ", ".join(f"{name} {size}" for name, size in seen.largest)
        largest = f"; its largest tables, with their indexes: {tables}" if tables else ""
        measure = Measure(label=label, value=str(seen.size), is_faulty=True)
        return Verdict.faulty(f"{label} takes {seen.size}, not less than {self.below}{largest}", measure)
