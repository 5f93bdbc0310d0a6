from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.backups import ListFolder, read_backups
from soleil_remediate.units import MiB
from tests.unit.facts.answers import BTRFS, NOT_THERE, ask_here, captured, complaint, extents, record, said, see

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
FOLDER = Path("/var/backups/app")


def test_a_folder_is_seen_with_what_lies_directly_in_it(tmp_path: Here) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "deep.sql").write_text("x")
    (tmp_path / "new\nline.sql").write_text("x")
    names = [str(file.path.relative_to(tmp_path)) for file in ask_here(ListFolder(Path(tmp_path)))]
    assert names == [".", "below", "new\nline.sql"]


def test_one_round_brings_the_folder_its_real_place_and_the_hosts_clock() -> None:
    listing = record(str(FOLDER), kind="d") + record(str(FOLDER / "a.sql"))
    rules = ("realpath", said(f"{FOLDER}\0")), ("date", said("1700000000\n")), ("find", said(listing))
    seen = see(read_backups(Reader(), FOLDER), *HOST, *rules, most_rounds=1)
    assert (seen.folder.type, seen.path, seen.now) == ("d", FOLDER, 1_700_000_000)
    assert [file.path.name for file in seen.files] == ["a.sql"]


def test_how_much_of_the_large_ones_a_snapshot_has_as_well_is_asked_where_that_can_be() -> None:
    folder = Path("/srv/dumps")
    large: dict[str, Any] = {"size": MiB(9), "device": 52}
    listing = record("/srv/dumps", kind="d", device=52) + b"".join(
        (
            record("/srv/dumps/a.sql", **large),
            record("/srv/dumps/small.sql", size=100, device=52),
            record(b"/srv/dumps/bad\xff.sql", **large),
            record("/srv/dumps/link.sql", kind="l", **large),
        )
    )
    asked = ("filefrag -b4096 -v -- /srv/dumps/a.sql", said(extents("/srv/dumps/a.sql", shared=3)))
    rules = ("realpath", said(f"{folder}\0")), ("date", said("1700000000\n")), ("find", said(listing)), asked
    assert see(read_backups(Reader(), folder), *BTRFS, *rules).shared == {folder / "a.sql": 3 * 4096}


def test_no_folder_is_an_answer_and_an_empty_answer_is_none() -> None:
    assert ListFolder(FOLDER).answer(said(status=1, stderr=complaint(str(FOLDER)))) == ()
    for answer in (said(), said("garbage"), NOT_THERE, said(status=1, stderr=complaint("x", "Permission denied"))):
        with pytest.raises(FactError):
            ListFolder(FOLDER).answer(answer)
