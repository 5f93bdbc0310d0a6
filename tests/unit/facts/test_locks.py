from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.locks import AskLocks, LockWait
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

ASK = AskLocks(Path("/srv/app"), "www-data")


def test_who_waits_and_for_whom_is_asked_as_the_application() -> None:
    assert ASK.command.user == "www-data"
    assert ASK.command.words == ("php", "--", "locks", "/srv/app", "3")
    rows = (
        '[{"pid":72,"waits":"60","blocker":71,"state":"idle in transaction","since":"900"},'
        '{"pid":73,"waits":"-1","blocker":0,"state":null,"since":null}]'
    )
    assert ASK.answer(said(f'{STARTED}{{"locks":{rows}}}\n')) == (
        LockWait(pid=72, waits=Duration(60), blocker=71, state="idle in transaction", since=Duration(900)),
        LockWait(pid=73, waits=Duration(0), blocker=0, state="", since=None),
    )


def test_in_another_database_nobody_knows_who_waits_and_which_it_is_is_said() -> None:
    with pytest.raises(FactError, match=r"^who waits for a lock is seen in PostgreSQL alone: the database is mysql$"):
        ASK.answer(said(STARTED + '{"locks":null,"driver":"mysql"}\n'))


def test_where_the_database_does_not_answer_nobody_knows_who_waits() -> None:
    with pytest.raises(
        FactError, match=r"^who waits for a lock is unknown: the database gives the application no answer$"
    ):
        ASK.answer(said(STARTED + '{"locks":false}\n'))
