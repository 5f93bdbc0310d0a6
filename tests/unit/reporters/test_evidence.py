"""Evidence on few lines: what is about the fault first, paths whole."""

from __future__ import annotations

import pytest

from soleil_remediate.reporters.evidence import put_evidence
from soleil_remediate.reporters.page import Page
from soleil_remediate.reporters.plans import Detail
from soleil_remediate.seen import EvidenceSeen
from soleil_remediate.task import Shown, Table, Text

SYSTEMS = Table(
    columns=("mounted at", "used", "inodes", ""),
    rows=(("/", "25 %", "4 %", ""), ("/srv", "100 %", "1 %", "")),
    align="lrrl",
)
LARGEST = Table(
    columns=("takes", "path", "owner", "changed"),
    rows=(
        ("1 GiB", "/var/log/a.log", "root", "yesterday"),
        ("289 MiB", "/srv/soleil/shared/storage/logs/" + "x" * 30, "www-data", "2026-11-23 10:20"),
    ),
    align="rlll",
)


def shown(detail: Detail, *looks: Shown, width: int = 80) -> list[str]:
    page = Page(width)
    evidence = [EvidenceSeen(kind="k", title=f"Look {number}", shown=look) for number, look in enumerate(looks, 1)]
    put_evidence(page, evidence, {"space on /srv"}, detail)
    return page.text.splitlines()


def test_rows_about_the_fault_stand_first_and_empty_columns_go() -> None:
    assert shown(Detail.FULL, SYSTEMS) == [
        "WHY    Look 1:",
        "         mounted at   used  inodes",
        "         /srv        100 %     1 %",
        "         /            25 %     4 %",
    ]


def test_a_table_that_is_too_wide_loses_columns_and_never_a_path() -> None:
    lines = shown(Detail.FULL, LARGEST)
    assert lines[2] == "         289 MiB  /srv/soleil/shared/storage/logs/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    assert max(map(len, lines)) <= 80


def test_with_no_room_one_row_is_said_in_words_and_none_that_only_repeats_the_fault() -> None:
    lines = shown(Detail.LEAST, SYSTEMS, LARGEST)
    assert lines[0] == "WHY    Look 2: takes 289 MiB,"
    elsewhere = Table(columns=SYSTEMS.columns, rows=SYSTEMS.rows[:1], align=SYSTEMS.align)
    assert shown(Detail.LEAST, elsewhere) == ["WHY    Look 1: /, used 25 %, inodes 4 %"]


def test_with_even_less_room_there_is_no_evidence() -> None:
    assert shown(Detail.BARE, SYSTEMS, LARGEST) == []


def test_one_row_is_said_in_words_and_what_is_not_known_of_it_is_left_out() -> None:
    log = Table(
        columns=("takes", "grew by", "last line (UTC)", "log"), rows=(("9 MiB", "", "12:00", "/a.log"),), align="rrll"
    )
    assert shown(Detail.FULL, log) == ["WHY    Look 1: takes 9 MiB, last line (UTC) 12:00, /a.log"]


def test_a_row_in_words_that_is_too_long_loses_what_is_least_and_no_word_in_the_middle() -> None:
    lines = shown(Detail.LEAST, Table(columns=LARGEST.columns, rows=LARGEST.rows[1:], align=LARGEST.align))
    text = " ".join(" ".join(lines).split())
    assert text == f"WHY Look 1: takes 289 MiB, {LARGEST.rows[1][1]}"
    wide = shown(Detail.LEAST, Table(columns=LARGEST.columns, rows=LARGEST.rows[1:], align=LARGEST.align), width=100)
    assert "changed 2026-11-23 10:20" in " ".join(" ".join(wide).split())


def test_a_table_without_rows_is_no_heading_over_nothing() -> None:
    assert shown(Detail.FULL, Table(columns=("takes", "path"))) == ["WHY    Look 1: nothing"]
    assert shown(Detail.BRIEF, Table(columns=("takes", "path"))) == []


def test_what_found_nothing_is_left_out_where_there_is_no_room() -> None:
    nothing = Text(lines=("no deleted file is still open",))
    assert shown(Detail.BRIEF, nothing, SYSTEMS)[0] == "WHY    Look 2:"
    assert shown(Detail.FULL, nothing)[0] == "WHY    Look 1: no deleted file is still open"


@pytest.mark.parametrize("detail, rows", [(Detail.ALL, 9), (Detail.FULL, 5), (Detail.BRIEF, 2)])
def test_what_is_left_out_is_counted(detail: Detail, rows: int) -> None:
    lines = shown(detail, Table(rows=tuple((f"/srv/{number}",) for number in range(9))))
    assert len([line for line in lines if "/srv/" in line]) == rows
    assert (lines[-1].strip() == f"… {9 - rows} lines more with --verbose") is (rows < 9)


def test_what_a_host_wrote_cannot_act_on_the_terminal() -> None:
    lines = shown(Detail.ALL, Table(rows=(("a\x1b[2J\nb", "c\u202e"), ("d", "e"))), Text(lines=("f\r", "\x9bg")))
    assert not [one for line in lines for one in line if one < " " or one in "\u202e\x9b"]
