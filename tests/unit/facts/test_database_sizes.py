from __future__ import annotations

import json
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.database_sizes import AskDatabaseSize, SizeOfDatabase
from soleil_remediate.units import ByteSize, MiB
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED
from tests.unit.facts.statements import DATABASE_SIZE

ASK = AskDatabaseSize(Path("/srv/app"), "www-data")


def told(answer: dict[str, Any]) -> SizeOfDatabase:
    return ASK.answer(said(f"{STARTED}{json.dumps(answer)}\n"))


def test_the_application_is_asked_how_large_its_database_is() -> None:
    assert ASK.command.user == "www-data"
    assert ASK.command.words == ("php", "--", "database-size", "/srv/app", "3")
    assert told(DATABASE_SIZE) == SizeOfDatabase(
        driver="pgsql", name="soleil", size=MiB(9), largest=(("bookings", MiB(4)),)
    )


def test_another_database_is_not_asked() -> None:
    seen = told({"driver": "mysql", "name": "", "bytes": None, "largest": []})
    assert (seen.driver, seen.size) == ("mysql", None)


def test_an_empty_database_takes_nothing_and_is_none_that_was_not_asked() -> None:
    assert told(DATABASE_SIZE | {"bytes": 0, "largest": []}).size == ByteSize(0)


def test_where_the_database_gives_no_answer_its_size_is_unknown_and_it_is_said_why() -> None:
    with pytest.raises(
        FactError, match=r"^how large the database is cannot be asked: PDOException: connection refused$"
    ):
        told({"class": "PDOException", "why": "connection\nrefused"})


@pytest.mark.parametrize(
    "odd",
    [
        {"bytes": "9"},
        {"bytes": -1},
        {"name": []},
        {"largest": 1},
        {"largest": [1]},
        {"largest": [["a"]]},
        {"largest": [["a", None]]},
    ],
    ids=str,
)
def test_what_is_no_size_is_no_answer(odd: dict[str, Any]) -> None:
    with pytest.raises(FactError):
        told(DATABASE_SIZE | odd)


def test_what_a_server_says_is_one_line() -> None:
    seen = told(DATABASE_SIZE | {"name": "a\nb", "largest": [["t\nx", 1]]})
    assert (seen.name, seen.largest[0][0]) == ("a b", "t x")
