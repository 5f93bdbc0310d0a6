from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from soleil_remediate.facts.incidents import MARK
from soleil_remediate.facts.tokens import Account
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Health
from soleil_remediate.tasks.tokens import REVOKE, RevokeTokens

REVOKE_TOKENS = RevokeTokens(root=PurePosixPath("/srv/app"), account="a@example.test", incident="INC-42")
SEEN = Account(id="7", tokens=3, used=None, sessions="redis")


def test_all_tokens_of_one_user_are_revoked_once_their_rows_are_saved_and_by_his_id() -> None:
    plan = REVOKE_TOKENS.plan(SEEN)
    (change,) = plan.changes
    assert plan.because == "user 7 has 3 tokens, never used"
    assert change.command.words[3:] == ("--", "revoke", "/srv/app", "7", "INC-42", str(MARK))
    assert change.command.user == "www-data"
    assert change.risk is Risk.DESTRUCTIVE
    assert [one.command.words[-2:] for one in change.gathers] == [("7", "rows"), ("7", "uses")]
    assert "kept by: redis" in change.keeps
    assert change.undo.command is None
    assert change.uses == (Use(user="www-data"),)
    assert REVOKE_TOKENS.rights() == (Right("www-data"),)


def test_what_is_deleted_is_compared_with_what_was_saved_under_the_name_by_which_it_is_saved() -> None:
    (change,) = REVOKE_TOKENS.plan(SEEN).changes
    assert change.gathers[0].name == "token-rows.jsonl"
    assert r"([0-9a-f]{64}) \\d+ token-rows\\.jsonl$" in REVOKE


def test_a_user_without_tokens_is_left_alone() -> None:
    plan = REVOKE_TOKENS.plan(replace(SEEN, tokens=0))
    assert plan.changes == ()
    assert plan.because == "user 7 has no token"


def test_nobody_s_are_revoked_where_nobody_is_named_or_no_incident_is() -> None:
    assert replace(REVOKE_TOKENS, account=None).judge(None).health is Health.HEALTHY
    assert replace(REVOKE_TOKENS, incident=None).judge(SEEN).health is Health.HEALTHY
    assert replace(REVOKE_TOKENS, account=None).aim() == "user that is named has no token"


@pytest.mark.parametrize(
    "given, why",
    [
        ({"account": "all"}, "no revoking of all"),
        ({"incident": "a b"}, "no incident's name"),
        ({"root": PurePosixPath("srv")}, "must be absolute"),
        ({"user": ""}, "no user's name"),
    ],
)
def test_what_is_given_is_checked_before_any_host_is_asked(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(REVOKE_TOKENS, **given)
