"""Show who is refused by the web server, and from where users' tokens are used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.refusals import strangers
from soleil_remediate.facts.talkers import Traffic, read_traffic
from soleil_remediate.facts.tokens import ReadUses, Uses, refuse_unless_table
from soleil_remediate.task import Look, Shown, Table, Text
from soleil_remediate.units import Duration

_MOST = 10


@dataclass(frozen=True, kw_only=True)
class AddressRefused(Look[Traffic]):
    """Show which addresses were refused most often lately, for what, and whether they got in elsewhere.

    Args:
        within: So lately.
        access_log: Where nginx logs the requests to this application, in its usual format.
    """

    kind = "address.refused"
    title: ClassVar[str] = "Refused addresses"

    within: Duration = Duration(86400)
    access_log: PurePosixPath = ACCESS_LOG

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(host, self.access_log)

    def show(self, seen: Traffic) -> Shown:
        found = strangers(seen, self.within)
        if not found:
            return Text(lines=(f"nobody was refused within {self.within}, as far as the log is read",))
        rows = tuple(
            (str(one.address), str(one.refused), str(one.well), as_text(one.first), as_text(one.last), one.page)
            for one in found[:_MOST]
        )
        return Table(
            columns=("address", "refused", "answered well", "first (UTC)", "last", "most often for"),
            rows=rows,
            align="lrr",
        )


@dataclass(frozen=True, kw_only=True)
class TokensUses(OfApplication[Uses], Look[Uses]):
    """Show from which addresses the tokens of users were used who used them from several.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        within: So lately.
        table: Where the application writes who did what; ``audit_logs`` or ``admin_audit_logs`` unless named.
    """

    kind = "tokens.uses"
    title: ClassVar[str] = "Tokens used from several addresses"

    within: Duration = Duration(86400)
    table: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_table(self.table)

    async def read(self, host: Reader) -> Uses:
        return await host.ask(ReadUses(self.root, self.user, self.within, self.table))

    def show(self, seen: Uses) -> Shown:
        if seen.table is None:
            return Text(lines=("the application writes nowhere from where tokens are used",))
        if seen.lacks:
            return Text(lines=(f"table {seen.table} has no column {', '.join(seen.lacks)}",))
        rows = tuple(
            (one.user, use.address, str(use.uses), as_text(use.latest)) for one in seen.users for use in one.uses
        )
        if not rows:
            return Text(lines=(f"of nobody within {self.within}, by table {seen.table}",))
        return Table(columns=("user", "address", "uses", "last (UTC)"), rows=rows, align="llr")
