from __future__ import annotations

import os
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import FindNamed, ResolvePaths, StatFile, parse_found, refuse_unless_absolute
from soleil_remediate.plan import FileIdentity
from tests.unit.facts.answers import NOT_THERE, ask_here, complaint, record, said

LOG = Path("/srv/app/laravel.log")


def test_a_file_is_seen_with_everything_that_decides_about_it() -> None:
    text = record(str(LOG), size=5000, allocated=4096, inode=12, links=2, owner="www-data", owner_id=33, mode="640")
    file = StatFile(LOG).answer(said(text))
    assert file is not None
    assert (file.path, file.identity, file.links) == (LOG, FileIdentity(1796, 12), 2)
    assert (file.owner, file.owner_id, file.mode, file.is_regular) == ("www-data", 33, 0o640, True)
    assert (file.size, file.allocated, file.content, file.modified) == (5000, 4096, 4096, 1_700_000_000)


def test_a_missing_file_is_none_and_a_forbidden_one_is_an_error() -> None:
    gone = complaint("/srv/app/laravel.log")
    assert StatFile(LOG).answer(said(status=1, stderr=gone)) is None
    with pytest.raises(FactError, match="Permission denied"):
        StatFile(LOG).answer(said(status=1, stderr=complaint("/srv/app/laravel.log", "Permission denied")))
    with pytest.raises(FactError, match="without a word"):
        StatFile(LOG).answer(said(status=1))
    with pytest.raises(FactError, match="neither"):
        StatFile(LOG).answer(said())
    with pytest.raises(FactError, match="2 files"):
        StatFile(LOG).answer(said(record("/a") + record("/b")))


def test_a_symlink_is_seen_itself(tmp_path: Here) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    real, link = ask_here(StatFile(Path(tmp_path / "real"))), ask_here(StatFile(Path(tmp_path / "link")))
    assert (real.type, real.size, link.type) == ("f", 1, "l")
    assert real.identity == FileIdentity(tmp_path.stat().st_dev, (tmp_path / "real").stat().st_ino)
    assert ask_here(StatFile(Path(tmp_path / "none"))) is None


def test_names_stand_for_themselves_and_patterns_for_what_they_match(tmp_path: Here) -> None:
    folder = tmp_path / "a[b]*c d"
    folder.mkdir()
    for name in ("laravel-1.log", "laravel-2.log", "other.log", "-rf"):
        (folder / name).write_text(name)
    (tmp_path / "axc d").mkdir()
    (tmp_path / "axc d" / "laravel-3.log").write_text("not asked for")
    found = ask_here(FindNamed((Path(folder / "laravel-*.log"), Path(folder / "-rf"), Path(folder / "missing"))))
    assert [file.path.name for file in found] == ["-rf", "laravel-1.log", "laravel-2.log"]
    assert ask_here(FindNamed((Path(tmp_path / "no folder" / "x.log"),))) == ()


def test_a_name_that_is_not_utf_8_is_shown_and_marked(tmp_path: Here) -> None:
    (tmp_path / os.fsdecode(b"bad\xff\n.log")).write_text("x")
    (found,) = ask_here(FindNamed((Path(tmp_path / "*.log"),)))
    assert found.path.name == "bad\\xff\n.log"
    assert not found.is_named_plainly


def test_a_relative_path_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not absolute"):
        _ = StatFile(Path("-delete")).command


def test_paths_are_resolved_as_far_as_they_go(tmp_path: Here) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    real, link, none = (Path(tmp_path / name) for name in ("real", "link", "none/none"))
    assert ask_here(ResolvePaths((real, link, none))) == {real: real, link: real, none: none}
    with pytest.raises(FactError, match="shorter"):
        ResolvePaths((real, link)).answer(said("/one\0"))
    with pytest.raises(FactError, match="absolute"):
        ResolvePaths((real,)).answer(said("one\0"))


@pytest.mark.parametrize("query", [StatFile(LOG), FindNamed((LOG,))], ids=repr)
@pytest.mark.parametrize("text", ["garbage", "garbage\0", "1\t2\t3\0", "\xff\0" * 3])
def test_garbage_is_an_error(query: Query[object], text: str) -> None:
    with pytest.raises(FactError):
        query.answer(said(text))
    with pytest.raises(FactError, match="is not there"):
        query.answer(NOT_THERE)


def test_a_search_that_was_ended_keeps_its_whole_records() -> None:
    whole, cut = record("/a"), record("/b")[:-5]
    assert [str(file.path) for file in parse_found(whole + cut, is_cut_short=True)] == ["/a"]
    assert parse_found(cut, is_cut_short=True) == ()
    with pytest.raises(ValueError, match="cut short"):
        parse_found(whole + cut)


@pytest.mark.parametrize("path", ["srv", "", "/srv/../etc", ".."])
def test_a_path_that_would_mean_another_place_elsewhere_is_refused(path: str) -> None:
    refuse_unless_absolute(Path("/srv"), Path("/"))
    with pytest.raises(ValueError, match="must be absolute"):
        refuse_unless_absolute(Path("/srv"), Path(path))
