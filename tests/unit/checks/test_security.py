from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pytest

from soleil_remediate.checks.security import AddressHarmless, IncidentOver, TokensUnshared
from soleil_remediate.errors import FactError
from soleil_remediate.facts.incidents import MARK, Incident
from soleil_remediate.facts.tokens import Account, Apart, From, Uses
from soleil_remediate.rights import Right
from soleil_remediate.task import Health
from soleil_remediate.units import Duration
from tests.unit.facts.refusals import NOW, asked, refusals

TOKENS = TokensUnshared(root=PurePosixPath("/srv/app"))
NAMED = replace(TOKENS, account="7")
ADDRESS = AddressHarmless()


def apart(user: str, addresses: int = 2) -> Apart:
    uses = tuple(From(address=f"192.31.196.{number}", uses=3, latest=NOW) for number in range(addresses))
    return Apart(user=user, addresses=addresses, uses=uses)


def user(tokens: int) -> Account:
    return Account(id="7", tokens=tokens, used=None, sessions="redis")


def test_tokens_used_from_two_addresses_are_told_with_what_a_person_has_to_say() -> None:
    verdict = TOKENS.judge((None, Uses(table="audit_logs", users=(apart("1"),))))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "tokens of user 1 were used from 192.31.196.0 (3x), 192.31.196.1 (3x) within 1 h; revoked are only those of "
        "whom a person names, with the incident: --set incident=INC-42 --set user=1"
    )
    assert [(one.label, one.value, one.is_faulty) for one in verdict.measures] == [
        ("users with several addresses", "1", True)
    ]


def test_many_users_and_many_addresses_are_counted() -> None:
    verdict = TOKENS.judge((None, Uses(table="x", users=tuple(apart(str(number), 5) for number in range(5)))))
    assert "192.31.196.2 (3x) and 2 more within 1 h" in verdict.why
    assert "and 2 more users" in verdict.why


def test_as_many_addresses_as_are_allowed_are_no_fault() -> None:
    two = Uses(table="audit_logs", users=(apart("1"),))
    assert replace(TOKENS, most=2).judge((None, two)).health is Health.HEALTHY


def test_a_user_whom_a_person_names_is_at_fault_while_he_has_a_token_whatever_else_is_known() -> None:
    for uses in (Uses(table="audit_logs"), Uses(table=None), FactError("no database")):
        verdict = NAMED.judge((user(2), uses))
        assert verdict.health is Health.FAULTY
        assert verdict.why.startswith("user 7, who was named, has 2 tokens, never used; ")
        assert verdict.why.endswith("--set incident=INC-42")
    assert NAMED.judge((user(0), Uses(table="audit_logs"))).health is Health.HEALTHY
    assert "user 7 has none" in NAMED.aim()
    assert "has none" not in TOKENS.aim()
    assert NAMED.reads_with() == (Right("www-data"),)


@pytest.mark.parametrize(
    "uses, health, why, value",
    [
        (FactError("no database"), Health.UNKNOWN, "no database", "not known"),
        (Uses(table="a", lacks=("ip_address",)), Health.UNKNOWN, "table a has no column ip_address", "not known"),
        (
            Uses(table=None),
            Health.UNKNOWN,
            "no table audit_logs or admin_audit_logs says from where tokens are used (another: --set audit_table=NAME)",
            "not written down",
        ),
        (Uses(table=None, has_tokens=False), Health.HEALTHY, "nobody has a token", "none has a token"),
        (Uses(table="a"), Health.HEALTHY, "no user's tokens were used from several addresses within 1 h", "0"),
    ],
)
def test_what_cannot_be_seen_is_said_to_be_unseen(uses: Any, health: Health, why: str, value: str) -> None:
    verdict = TOKENS.judge((None, uses))
    assert verdict.health is health
    assert why in verdict.why
    assert [one.value for one in verdict.measures] == [value]


def test_that_a_user_who_was_named_has_no_token_is_said_where_nothing_else_is_known() -> None:
    verdict = NAMED.judge((user(0), Uses(table=None)))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why.startswith("user 7, who was named, has no token; no table audit_logs or admin_audit_logs says ")


def test_an_address_that_is_refused_again_and_again_is_told_with_what_it_got() -> None:
    attacks = [asked("192.31.196.7", status=401)] * 21
    seen = refusals(*attacks, asked("192.31.196.7", status=200), *[asked("198.51.100.9", status=403)] * 3)
    verdict = ADDRESS.judge(seen)
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "192.31.196.7 was refused 21 times within 10 min, most often for GET /api/me, and answered well 1 times; "
        "blocked is only whom a person names, with the incident: --set address=192.31.196.7"
    )
    assert [(one.label, one.is_faulty) for one in verdict.measures] == [
        ("refused: 192.31.196.7", True),
        ("refused: 198.51.100.9", False),
    ]


def test_being_refused_as_often_as_is_allowed_is_no_attack_yet_and_long_ago_none_any_more() -> None:
    assert ADDRESS.judge(refusals(*[asked(status=401)] * 20)).health is Health.HEALTHY
    assert ADDRESS.judge(refusals(*[asked(status=401, at=NOW - 600)] * 50)).health is Health.HEALTHY
    nobody = ADDRESS.judge(refusals())
    assert [one.value for one in nobody.measures] == ["nobody"]


def test_of_a_busy_log_is_said_how_far_what_was_read_goes_back() -> None:
    many = [asked(status=200, at=NOW - 90)] * 2000
    verdict = ADDRESS.judge(refusals(*many))
    assert verdict.health is Health.HEALTHY
    assert verdict.why == (
        "no address was refused over 20 times in the last 1 min 30 s, as far as what is read of the log goes back"
    )
    whole = ADDRESS.judge(refusals(*many[1:]))
    assert whole.why == "no address was refused over 20 times within 10 min"


def test_of_many_attackers_three_are_named() -> None:
    seen = refusals(*[asked(f"192.31.196.{number}", status=401) for number in range(5) for _ in range(30)])
    assert "and 2 more addresses" in ADDRESS.judge(seen).why
    assert ADDRESS.aim() == "no address is refused more than 20 times within 10 min"


@pytest.mark.parametrize("front, address", [(("192.31.196.0/24",), "192.31.196.7"), (None, "10.88.0.1")])
def test_who_comes_through_a_proxy_cannot_be_told_apart(front: Any, address: str) -> None:
    verdict = replace(ADDRESS, front=front).judge(refusals(*[asked(address, status=401)] * 21))
    assert verdict.health is Health.UNKNOWN
    assert "it is a proxy of ours or none of the internet" in verdict.why


def test_an_incident_is_over_when_somebody_has_ended_it() -> None:
    over = IncidentOver()
    assert over.judge(None).health is Health.HEALTHY
    verdict = over.judge(Incident(name="INC-42", since=1_700_000_000))
    assert verdict.health is Health.FAULTY
    assert f"sudo rm {MARK}" in verdict.why
    assert "INC-42 is open since 2023-11-14 22:13 UTC" in verdict.why
    assert "ended" in over.aim()


@pytest.mark.parametrize(
    "check, given, why",
    [
        (TOKENS, {"account": "all"}, "no revoking of all"),
        (TOKENS, {"table": "a b"}, "no table's name"),
        (TOKENS, {"most": 0}, "from 1 to 10"),
        (TOKENS, {"most": 11}, "from 1 to 10"),
        (TOKENS, {"within": Duration(59)}, "from 1 min to 7 d"),
        (TOKENS, {"within": Duration(8 * 86400)}, "from 1 min to 7 d"),
        (TOKENS, {"root": PurePosixPath("srv")}, "must be absolute"),
        (ADDRESS, {"access_log": PurePosixPath("x")}, "must be absolute"),
        (ADDRESS, {"access_log": PurePosixPath("/x/../y")}, "must be absolute"),
        (ADDRESS, {"most": 2}, "from 3 to"),
        (ADDRESS, {"most": 100_001}, "from 3 to"),
        (ADDRESS, {"within": Duration(59)}, "from 1 min to 1 d"),
        (ADDRESS, {"within": Duration(86401)}, "from 1 min to 1 d"),
    ],
)
def test_what_is_given_is_checked_before_any_host_is_asked(check: Any, given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        replace(check, **given)
