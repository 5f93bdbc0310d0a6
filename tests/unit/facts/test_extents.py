from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.extents import MeasureShared, read_shared
from soleil_remediate.units import KiB
from tests.unit.facts.answers import NOT_THERE, extents, said, see
from tests.unit.tasks.values import file_system, file_systems

NAMED = Path("/srv/shared: 5 extents found")
OTHER = Path("/srv/other")


def test_what_a_snapshot_has_as_well_is_told_of_each_file() -> None:
    said_of_both = extents(str(NAMED), shared=100) + extents(str(OTHER), shared=7)
    assert MeasureShared((NAMED, OTHER)).answer(said(said_of_both)) == {NAMED: KiB(400), OTHER: KiB(28)}


def test_a_file_that_is_gone_is_not_in_the_answer() -> None:
    assert MeasureShared((NAMED, OTHER)).answer(said(extents(str(OTHER), shared=7), status=1)) == {OTHER: KiB(28)}


def test_a_file_without_a_block_shares_none() -> None:
    assert MeasureShared((OTHER,)).answer(said("/srv/other: 0 extents found\n")) == {OTHER: 0}


@pytest.mark.parametrize("answer", [NOT_THERE, said("garbage\n"), said(extents("/srv/other", shared=7)[:-30])])
def test_a_list_that_is_none_or_has_no_end_is_an_error(answer: Any) -> None:
    with pytest.raises(FactError):
        MeasureShared((OTHER,)).answer(answer)


@pytest.mark.parametrize(
    "kind, path, answer, shared",
    [
        ("btrfs", OTHER, said(extents("/srv/other", shared=7)), {OTHER: KiB(28)}),
        ("xfs", OTHER, said(extents("/srv/other", shared=7)), {OTHER: KiB(28)}),
        ("xfs", OTHER, NOT_THERE, {}),
        ("xfs", Path("/srv/new\nline"), None, {}),
        ("ext4", OTHER, None, {}),
        ("btrfs", Path("/elsewhere/x"), None, {}),
    ],
)
def test_it_is_asked_only_where_files_can_share_blocks_and_unknown_is_not_in_the_answer(
    kind: str, path: Path, answer: Any, shared: dict[Path, int]
) -> None:
    disks = file_systems(file_system(type=kind))
    rules = [("filefrag", answer)] if answer else []
    assert see(read_shared(Reader(), [(path, 99)], disks), *rules, most_rounds=1) == shared


def test_of_very_many_files_the_first_are_looked_at() -> None:
    files = [(Path(f"/srv/{number}"), 99) for number in range(300)]
    one = extents("/srv/0", shared=1)
    seen = see(read_shared(Reader(), files, file_systems(file_system(type="xfs"))), ("/srv/199", said(one)))
    assert seen == {Path("/srv/0"): KiB(4)}
