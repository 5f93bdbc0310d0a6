from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.largest import FindLargeFiles, MeasureFolders
from soleil_remediate.units import Duration, KiB
from tests.unit.facts.answers import NOT_THERE, ask_here, record, said

FOLDERS = MeasureFolders(mount=Path("/srv"), at_least=1000, within=Duration(5))
FILES = FindLargeFiles(mount=Path("/srv"), larger_than=KiB(10), within=Duration(5))


def test_folders_come_by_size_and_files_too(tmp_path: Here) -> None:
    for name, size in (("small", 20_000), ("large\nodd", 80_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * size)
    folders = ask_here(MeasureFolders(mount=Path(tmp_path), at_least=1000, within=Duration(5)))
    assert [folder.path.name for folder in folders.folders] == [tmp_path.name, "large\nodd", "small"]
    assert not folders.is_partial
    files = ask_here(FindLargeFiles(mount=Path(tmp_path), larger_than=KiB(10), within=Duration(5)))
    assert [file.path.parent.name for file in files.files] == ["large\nodd", "small"]
    counted = MeasureFolders(mount=Path(tmp_path), at_least=2, within=Duration(5), is_counting_files=True)
    assert [folder.amount for folder in ask_here(counted).folders] == [5, 2, 2]


def test_a_search_may_begin_at_several_places_and_counts_each_file_once(tmp_path: Here) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 80_000)
    first, second, deadline = Path(tmp_path / "one"), Path(tmp_path / "two"), Duration(5)
    also = (second, first)
    files = ask_here(FindLargeFiles(mount=first, larger_than=KiB(10), within=deadline, also=also))
    assert [file.path.parent for file in files.files] == [first, second]
    folders = ask_here(MeasureFolders(mount=first, at_least=1000, within=deadline, also=also))
    assert {folder.path for folder in folders.folders} == {first, second}


def test_what_was_found_until_the_deadline_is_partial() -> None:
    assert FOLDERS.answer(said("5000\t/srv/a\x0090\t/sr", status=124)).is_partial
    assert [str(one.path) for one in FOLDERS.answer(said("5000\t/srv/a\x0090\t/sr", status=124)).folders] == ["/srv/a"]
    assert FOLDERS.answer(said(status=124)).folders == ()
    assert FILES.answer(said(record("/srv/a") + b"1\t2", status=124)).is_partial
    assert FILES.answer(said(record("/srv/a"), status=1)).is_partial
    assert not FILES.answer(said()).is_partial


@pytest.mark.parametrize("text", ["garbage", "garbage\0", "x\t/srv\0"])
def test_garbage_is_an_error(text: str) -> None:
    for query in (FOLDERS, FILES):
        with pytest.raises(FactError):
            query.answer(said(text))
        with pytest.raises(FactError):
            query.answer(NOT_THERE)


def test_searches_wait_for_nobody_and_nobody_for_them() -> None:
    assert FOLDERS.command.is_slow
    assert FILES.command.is_slow
    assert FOLDERS.command.deadline == 5
