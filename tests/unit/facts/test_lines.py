from __future__ import annotations

import json
import os
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.lines import LastWords, NewestLines, NewestLogged
from tests.unit.facts.answers import ask_here, said


def test_the_newest_lines_of_a_real_file_and_none_of_an_empty_one(tmp_path: Here) -> None:
    log = tmp_path / "x.log"
    log.write_bytes(b"one\ntwo\nthr\xffee\n")
    assert ask_here(NewestLines(Path(log), 2)) == ("two", "thr\\xffee")
    log.write_bytes(b"no end")
    assert ask_here(NewestLines(Path(log), 2)) == ("no end",)
    log.write_bytes(b"")
    assert ask_here(NewestLines(Path(log), 2)) == ()
    log.unlink()
    assert ask_here(NewestLines(Path(log), 2)) is None


def written(file: Here, *, ago: int) -> None:
    """Let a log have a line of its own, from some hours ago."""
    file.write_text(f"{file.name}\n")
    at = file.stat().st_mtime - 3600 * ago
    os.utime(file, (at, at))


def test_the_log_that_is_written_now_is_found_by_its_name_its_day_or_a_pattern(tmp_path: Here) -> None:
    def newest(name: str) -> Path | None:
        found: tuple[Path, tuple[str, ...]] | None = ask_here(NewestLogged(Path(tmp_path / name), 3))
        if found is None:
            return None
        assert found[1] == (found[0].name,)
        return found[0].relative_to(tmp_path)

    assert newest("laravel.log") is None
    assert newest("none/laravel.log") is None
    written(tmp_path / "laravel-2026-11-28.log", ago=30)
    written(tmp_path / "laravel-2026-11-29.log", ago=6)
    assert newest("laravel.log") == Path("laravel-2026-11-29.log")
    written(tmp_path / "laravel.log", ago=100)  # left from before it was begun anew every day
    assert newest("laravel.log") == Path("laravel-2026-11-29.log")
    written(tmp_path / "laravel.log", ago=1)  # and the other way round
    assert newest("laravel.log") == Path("laravel.log")
    written(tmp_path / "laravel-worker.log", ago=0)
    (tmp_path / "laravel-2026-11-30.log").mkdir()
    assert newest("laravel.log") == Path("laravel.log")
    assert newest("laravel-*.log") == Path("laravel-worker.log")
    assert newest("laravel-2026*.log") == Path("laravel-2026-11-29.log")
    assert newest("queue-*.log") is None


def test_a_name_with_a_space_a_newline_or_none_of_an_extension_is_one_name(tmp_path: Here) -> None:
    for name in ("a b.log", "-n", "a\n.log"):
        (tmp_path / name).write_text("x\n")
    assert ask_here(NewestLogged(Path(tmp_path / "a b.log"), 3)) == (Path(tmp_path / "a b.log"), ("x",))
    assert ask_here(NewestLogged(Path(tmp_path / "-n"), 3)) == (Path(tmp_path / "-n"), ("x",))
    with pytest.raises(FactError):
        ask_here(NewestLogged(Path(tmp_path / "a\n.log"), 3))


def test_where_a_folder_may_not_be_looked_into_no_log_is_said_to_be_missing() -> None:
    ask = NewestLogged(Path("/srv/logs/laravel.log"), 3)
    with pytest.raises(FactError, match="needs root"):
        ask.answer(said(status=2, stderr="ls: cannot open directory '/srv/logs/': Permission denied\n"))
    with pytest.raises(FactError, match="no log is named"):
        ask.answer(said("x\n"))


def test_lines_of_another_file_are_no_answer() -> None:
    with pytest.raises(FactError, match="not the file"):
        NewestLines(Path("/x"), 1).answer(said("==> /y <==\nx\n"))


def test_the_last_words_of_a_unit_text_or_bytes_or_none() -> None:
    last = LastWords("nginx.service", 2)
    assert last.answer(said('{"MESSAGE":"killed"}\n{"MESSAGE":[104,105,255]}\n')) == ("killed", "hi\\xff")
    assert last.answer(said("-- No entries --\n")) == ()


@pytest.mark.parametrize("text", ["x\n", "3\n", "{}\n", '{"MESSAGE":null}\n', '{"MESSAGE":["a"]}\n'])
def test_what_is_no_journal_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        LastWords("nginx.service", 2).answer(said(text))


def test_of_a_line_of_redis_configuration_only_the_first_word_is_told() -> None:
    said_by_redis = json.dumps({"MESSAGE": ">>> 'requirpass hunter22'"}) + "\n" + json.dumps({"MESSAGE": "Bad"}) + "\n"
    assert LastWords("redis-server.service", 2).answer(said(said_by_redis)) == (">>> 'requirpass …'", "Bad")
