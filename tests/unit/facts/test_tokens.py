from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.tokens import (
    Account,
    Apart,
    From,
    ReadAccount,
    ReadUses,
    Uses,
    read_account,
    refuse_unless_account,
    refuse_unless_table,
)
from soleil_remediate.look import look
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

ROOT = PurePosixPath("/srv/app")
ACCOUNT = ReadAccount(ROOT, "www-data", "1")
USES = ReadUses(ROOT, "www-data", Duration(3600))


def told(found: dict[str, Any]) -> Any:
    return said(STARTED + json.dumps(found) + "\n")


FOUND = {"ids": ["1"], "tokens": 3, "used": 1_700_000_000, "sessions": "redis"}
SEEN = {
    "table": "audit_logs",
    "is_there": True,
    "lacks": [],
    "users": [["1", 2, [["192.31.196.7", 5, 1_700_000_000], ["192.31.196.8", 4, 1_700_000_001]]]],
}


def test_a_user_has_tokens() -> None:
    found = ACCOUNT.answer(told(FOUND))
    assert found == Account(id="1", tokens=3, used=1_700_000_000, sessions="redis")
    assert found.in_words == "3 tokens, last used 2023-11-14 22:13 UTC"
    assert ACCOUNT.command.words[-1] == "1"
    one = ACCOUNT.answer(told(FOUND | {"tokens": 1, "used": None}))
    assert one.in_words == "1 token, never used"


@pytest.mark.parametrize(
    "wrong", [{"ids": "1"}, {"ids": [1]}, {"ids": ["'; drop"]}, {"tokens": -1}, {"sessions": None}]
)
def test_what_is_told_of_a_user_is_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(FactError):
        ACCOUNT.answer(told(FOUND | wrong))


def test_two_users_of_one_mail_address_are_not_one() -> None:
    with pytest.raises(FactError, match="several users are called 1: name one by his id"):
        ACCOUNT.answer(told(FOUND | {"ids": ["1", "2"]}))


def test_a_database_that_does_not_answer_is_no_answer() -> None:
    with pytest.raises(FactError, match="cannot ask its database for tokens: PDOException: gone away"):
        ACCOUNT.answer(told({"class": "PDOException", "why": "gone\naway"}))
    with pytest.raises(FactError, match="cannot ask its database"):
        USES.answer(told({"class": "PDOException", "why": "gone"}))


def test_a_user_that_does_not_exist_is_no_input_for_this_host_and_none_is_asked_for_where_none_is_named() -> None:
    def ask(commands: Any) -> Any:
        return [told(FOUND | {"ids": []}) for _ in commands]

    (nobody,) = look([read_account(Reader(), ROOT, "www-data", "x@example.test")], ask)
    assert isinstance(nobody, NotOnHost)
    assert nobody.given == "x@example.test"
    (none,) = look([read_account(Reader(), ROOT, "www-data", None)], ask)
    assert none is None
    (one,) = look([read_account(Reader(), ROOT, "www-data", "1")], lambda commands: [told(FOUND) for _ in commands])
    assert one.id == "1"


def test_from_where_tokens_were_used() -> None:
    assert USES.answer(told(SEEN)) == Uses(
        table="audit_logs",
        users=(
            Apart(
                user="1",
                addresses=2,
                uses=(
                    From(address="192.31.196.7", uses=5, latest=1_700_000_000),
                    From(address="192.31.196.8", uses=4, latest=1_700_000_001),
                ),
            ),
        ),
    )
    lacking = USES.answer(told(SEEN | {"lacks": ["ip_address"], "users": []}))
    assert lacking == Uses(table="audit_logs", lacks=("ip_address",))
    assert USES.command.words[-2:] == ("", "3600")
    assert ReadUses(ROOT, "www-data", Duration(60), "log").command.words[-2:] == ("log", "60")


def test_an_application_without_such_a_table_has_none_and_one_that_was_named_has_to_be_there() -> None:
    none: dict[str, Any] = {"table": None, "is_there": False, "lacks": [], "users": [], "has_tokens": True}
    assert USES.answer(told(none)) == Uses(table=None)
    assert USES.answer(told(none | {"has_tokens": False})) == Uses(table=None, has_tokens=False)
    with pytest.raises(FactError, match="neither yes nor no"):
        USES.answer(told(none | {"has_tokens": None}))
    with pytest.raises(FactError, match="has no table nolog"):
        USES.answer(told(none | {"table": "nolog"}))


@pytest.mark.parametrize("users", [[["1", 2]], [["1", 2, [["a", 1]]]], [1], [["1", 2, 3]], [[1, 2, []]]])
def test_what_is_told_of_uses_is_checked(users: Any) -> None:
    with pytest.raises(FactError):
        USES.answer(told(SEEN | {"users": users}))


@pytest.mark.parametrize(
    "account",
    [
        "1",
        "123456789012345678",
        "01234567-89ab-cdef-0123-456789abcdef",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "a.b+c@example.co.uk",
    ],
)
def test_one_user(account: str) -> None:
    refuse_unless_account(account)


@pytest.mark.parametrize(
    "account",
    ["all", "*", "%", "", "-1", "1,2", "1 or 1=1", "0" * 19, "@", "a@b", "%@example.test", "a@b.c\n", "x" * 300],
)
def test_who_is_not_one_user(account: str) -> None:
    with pytest.raises(ValueError, match="no revoking of all"):
        refuse_unless_account(account)


def test_names_of_tables() -> None:
    refuse_unless_table(None)
    refuse_unless_table("public.audit_logs")
    for wrong in ("", "a b", "a;b", "a.b.c", '"x"', "1a"):
        with pytest.raises(ValueError, match="no table's name"):
            refuse_unless_table(wrong)
