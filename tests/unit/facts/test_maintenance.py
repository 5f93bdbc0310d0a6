from __future__ import annotations

import json
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.maintenance import IsHeldHere, down_file
from tests.unit.facts.answers import ask_here, said

ROOT = Path("/srv/app")
GONE = "grep: /srv/app/storage/framework/down: No such file or directory\n"


@pytest.mark.parametrize(
    "content, is_ours",
    [
        ({"retry": 60, "secret": f"soleil-remediate-{'0a' * 16}", "status": 503}, True),
        ({"retry": 60, "secret": "soleil-team", "status": 503}, False),
        ({"retry": 60, "secret": "soleil-remediate-2026", "status": 503}, False),
        ({"retry": 60, "secret": None, "status": 503}, False),
        ({"retry": 60, "secret": f"their-soleil-remediate-{'0a' * 16}", "status": 503}, False),
        ({}, False),
    ],
)
@pytest.mark.parametrize("indent", [None, 4], ids=["in one line", "as Laravel writes it"])
def test_what_we_put_up_is_known_by_its_word(
    tmp_path: Here, content: dict[str, object], is_ours: bool, indent: int | None
) -> None:
    down = tmp_path / "storage/framework/down"
    down.parent.mkdir(parents=True)
    down.write_text(json.dumps(content, indent=indent), "utf-8")
    assert ask_here(IsHeldHere(Path(tmp_path))) is is_ours


def test_where_no_maintenance_mode_is_none_is_ours(tmp_path: Here) -> None:
    assert not ask_here(IsHeldHere(Path(tmp_path)))
    assert not IsHeldHere(ROOT).answer(said(status=2, stderr=GONE))
    assert down_file(ROOT) == Path("/srv/app/storage/framework/down")


def test_what_cannot_be_read_is_no_answer() -> None:
    with pytest.raises(FactError):
        IsHeldHere(ROOT).answer(said(status=2, stderr="grep: /srv/app/storage/framework/down: Is a directory\n"))
