"""Show what an application's database works at: which statements run for longest, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.statements import Statement, Statements, Work, read_work
from soleil_remediate.task import Look, Shown, Table, Text


@dataclass(frozen=True, kw_only=True)
class StatementLongest(OfApplication[Work], Look[Work]):
    """Show which statements run for longest, whose they are, what they wait for, and who keeps whom waiting.

    Of statements only the first word is shown: the rest is customers' data. Other roles', backups and the server's own
    work are shown as well; nothing here stops them.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        top: So many rows, the oldest statement first.
    """

    kind = "statement.longest"
    title: ClassVar[str] = "Statements that run for longest"
    rounds = 3

    top: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.top <= 100:
            raise ValueError("top must be from 1 to 100")

    async def read(self, host: Reader) -> Work:
        return await read_work(host, self.root, self.user)

    def show(self, seen: Work) -> Shown:
        local, statements = seen.database.local, seen.statements
        if not isinstance(statements, Statements):
            where = statements or ("it does not run" if local else "its cluster is not on this host")
            return Text(lines=(f"unknown: {where}",))
        if not statements.sessions:
            return Text(lines=("none runs, and no transaction is left open",))
        return Table(
            columns=("pid", "whose", "does", "for", "waits for", "keeps waiting"),
            rows=tuple(_rows(seen, statements, self.top)),
            align="rllrlr",
        )


def _rows(seen: Work, statements: Statements, top: int) -> Iterator[tuple[str, ...]]:
    # Who keeps others waiting is never among those that are left out.
    heads = {one.pid for one in statements.heads}
    ordered = sorted(statements.sessions, key=lambda one: one.pid not in heads)
    for one in ordered[:top]:
        behind = len(statements.behind(one)) if one.pid in heads else 0
        yield (
            str(one.pid),
            _whose(seen, one),
            one.first_word if one.is_active else one.state,
            str(one.runs if one.is_active else one.since),
            " ".join(map(str, one.blocked_by)) if one.is_waiting else one.waits_for,
            str(behind) if behind else "",
        )
    if len(ordered) > top:
        yield "", f"and {len(ordered) - top} more", "", "", "", ""


def _whose(seen: Work, one: Statement) -> str:
    named = one.application or one.role or "the server's own"
    return f"{named} (the application's)" if seen.is_own(one) else f"{named} of {one.role}" if one.role else named
