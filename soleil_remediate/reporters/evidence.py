"""What was looked at, on as few lines as a page has for it: what is about the fault first, no path cut short."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from rich.cells import cell_len

from soleil_remediate.reporters.page import HEADING, MARGIN, Page, counted, joined, wrapped
from soleil_remediate.reporters.plans import Detail
from soleil_remediate.reporters.visible import visible
from soleil_remediate.seen import EvidenceSeen
from soleil_remediate.task import Shown, Table, Text

#: Rows of each look, by how much is said; 0 is all of them.
_ROWS = {Detail.ALL: 0, Detail.FULL: 5, Detail.BRIEF: 2, Detail.LEAST: 1, Detail.BARE: 1}
_GAP = 2


def put_evidence(
    page: Page, evidence: Sequence[EvidenceSeen], faults: Collection[str], detail: Detail, *, label: str = "WHY"
) -> None:
    """Put on *page* what the looks showed, in the playbook's order; looks that found nothing only where there is room.

    Args:
        page: Where to.
        evidence: Every look.
        faults: What is at fault, such as ``space on /srv``: rows about it stand first.
        detail: How much is said.
        label: Of the first.
    """
    if detail is Detail.BARE:
        return
    for seen in evidence:
        if detail >= Detail.BRIEF and _found_nothing(seen.shown):
            continue
        if detail is Detail.LEAST and _repeats(seen.shown, faults):
            continue
        _put_look(page, label, seen, faults, detail)
        label = ""


def _found_nothing(shown: Shown) -> bool:
    if isinstance(shown, Table):
        return not shown.rows
    return all(line.startswith("no ") or not line.strip() for line in shown.lines)


def _repeats(shown: Shown, faults: Collection[str]) -> bool:
    """Whether all there is room for would be a row about the fault as a whole, which stands above."""
    if not isinstance(shown, Table) or not shown.rows:
        return False
    first = _about_first(shown, faults).rows[0]
    return first[:1] != () and first[0] in _mounts(faults)


def _mounts(faults: Collection[str]) -> set[str]:
    return {fault.partition(" on ")[2] or fault for fault in faults}


def _put_look(page: Page, label: str, seen: EvidenceSeen, faults: Collection[str], detail: Detail) -> None:
    limit = _ROWS[detail]
    match seen.shown:
        case Text(lines=lines):
            said = [line for line in lines if line.strip()]
            if len(said) == 1 or limit == 1:
                page.beside((label, HEADING), f"{seen.title}: {(said or ['nothing'])[0]}")
                return
            page.beside((label, HEADING), f"{seen.title}:")
            for line in said[: limit or None]:
                page.prose(line, MARGIN + 2)
            _put_rest(page, len(said), limit)
        case Table() as table:
            table = _about_first(table, faults)
            if len(table.rows) <= 1 or limit == 1:
                page.beside((label, HEADING), _in_words(seen.title, table, page.width - MARGIN), at_most=2)
                return
            page.beside((label, HEADING), f"{seen.title}:")
            _put_table(page, table, limit)
            _put_rest(page, len(table.rows), limit)
        case _:
            assert_never(seen.shown)


def _put_rest(page: Page, count: int, limit: int) -> None:
    if limit and count > limit:
        page.prose(f"… {counted(count - limit, 'line')} more with --verbose", MARGIN + 2)


def _about_first(table: Table, faults: Collection[str]) -> Table:
    """Return *table* with the rows about a mount at fault first, otherwise in their order."""
    mounts = _mounts(faults)
    about = [row for row in table.rows if _is_about(row, mounts)]
    others = [row for row in table.rows if not _is_about(row, mounts)]
    return Table(columns=table.columns, rows=(*about, *others), align=table.align)


def _is_about(row: Sequence[str], mounts: Collection[str]) -> bool:
    return any(cell == mount or cell.startswith(mount.rstrip("/") + "/") for mount in mounts if mount for cell in row)


def _in_words(title: str, table: Table, width: int) -> str:
    """Return the first row as words, each with its column's heading in front; a path speaks for itself.

    Where two lines of that width are too little the last columns go: figures and what is widest always stay.
    """
    if not table.rows:
        return f"{title}: nothing"
    cells = [visible(cell, 400) for cell in table.rows[0]]
    headings = [*table.columns, *[""] * len(cells)]
    words = [
        f"{heading} {cell}" if cell and heading and not cell.startswith("/") else cell
        for heading, cell in zip(headings, cells, strict=False)
    ]
    widest = max(range(len(words)), key=lambda index: cell_len(cells[index]))
    spare = [index for index in range(1, len(words)) if index != widest and table.align[index : index + 1] != "r"]
    while spare and len(wrapped(f"{title}: {joined(words, ', ')}", width)) > 2:
        words[spare.pop()] = ""
    return f"{title}: {joined(words, ', ')}"


def _put_table(page: Page, table: Table, limit: int) -> None:
    """Put a table on *page*, without columns for which there is no room: figures and what is widest always stay."""
    rows = [tuple(visible(cell, 400) for cell in row) for row in table.rows[: limit or None]]
    grid = [tuple(table.columns), *rows] if any(table.columns) else rows
    kept = list(range(max(map(len, grid), default=0)))
    kept = [index for index in kept if any(index < len(row) and row[index] for row in rows)]
    widths = {index: max(cell_len(row[index]) for row in grid if index < len(row)) for index in kept}
    room = page.width - MARGIN - 2
    widest = max(kept, key=widths.__getitem__, default=0)
    spare = [index for index in kept[1:] if index != widest and table.align[index : index + 1] != "r"]
    while limit and spare and sum(widths[index] + _GAP for index in kept) - _GAP > room:
        kept.remove(spare.pop())
    for row in grid:
        cells = [_aligned(row, index, widths[index], table.align) for index in kept]
        page.line(" " * (MARGIN + 2), (" " * _GAP).join(cells).rstrip())


def _aligned(row: Sequence[str], index: int, width: int, align: str) -> str:
    cell = row[index] if index < len(row) else ""
    pad = " " * (width - cell_len(cell))
    return pad + cell if align[index : index + 1] == "r" else cell + pad
