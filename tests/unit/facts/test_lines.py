from __future__ import annotations

import json
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.lines import LastWords, NewestLines
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
