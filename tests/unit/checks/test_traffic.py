from __future__ import annotations

import re
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.traffic import LimitsFair, TrafficCalm
from soleil_remediate.task import Health
from tests.unit.facts.test_talkers import block, traffic
from tests.unit.facts.traffic import ATTACKER, OTHER, line

CALM, FAIR = TrafficCalm(most=10), LimitsFair()


def asked(address: str, times: int, **others: Any) -> list[str]:
    return [line(address, **others) for _ in range(times)]


def test_one_client_that_asks_for_too_much_is_a_fault_and_it_is_said_how_to_block_it() -> None:
    verdict = CALM.judge(traffic(line(OTHER), *asked(ATTACKER, 11, agent="ab")))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        f"{ATTACKER} asks 11 times a minute: one client: 11 of 11 for GET /api/bookings: an attack, or a program with "
        f"a bug. Nobody is blocked unless a person names the address: --set address={ATTACKER}"
    )
    assert [(one.label, one.value, one.is_faulty) for one in verdict.measures] == [
        (f"requests of {ATTACKER}", "11 a minute", True),
        (f"requests of {OTHER}", "1 a minute", False),
    ]
    assert CALM.aim() == "no client asks for more than 10 pages a minute"


def test_exactly_so_much_is_still_a_clients_and_what_came_before_a_block_is_over() -> None:
    assert CALM.judge(traffic(*asked(ATTACKER, 10))).health is Health.HEALTHY
    seen = traffic(*asked(ATTACKER, 11, ago=20), blocks=(block(ATTACKER, ago=10),))
    verdict = CALM.judge(seen)
    assert verdict.health is Health.HEALTHY
    assert [one.value for one in verdict.measures] == ["none in the last minute"]


@pytest.mark.parametrize(
    "check, lines, why",
    [
        (CALM, [line(ATTACKER, agent=f"browser {number}") for number in range(11)], "names 11 different browsers"),
        (CALM, asked("10.0.0.7", 11), "a host or a proxy of ours"),
        (TrafficCalm(most=10, front=("192.31.196.0/24",)), asked(ATTACKER, 11), "a host or a proxy of ours"),
    ],
)
def test_whether_one_of_many_behind_an_address_hammers_cannot_be_known(
    check: TrafficCalm, lines: list[str], why: str
) -> None:
    verdict = check.judge(traffic(*lines))
    assert verdict.health is Health.UNKNOWN
    assert why in verdict.why


def test_many_that_are_refused_from_their_own_addresses_have_too_low_a_limit() -> None:
    lines = [line(f"192.31.196.{number}", status=429) for number in range(5)]
    assert FAIR.judge(traffic(*lines[:4])).health is Health.HEALTHY
    verdict = FAIR.judge(traffic(*lines, line(OTHER)))
    assert verdict.health is Health.FAULTY
    assert re.match(r"5 clients were refused .* 5 of 5 times for GET /api/bookings; they come from 5 addr", verdict.why)
    assert [(one.value, one.is_faulty) for one in verdict.measures] == [("5 in a minute", True)]
    assert FAIR.aim() == "no more than 4 clients are refused within a minute"


def test_many_that_are_refused_behind_one_address_share_a_limit_and_nobody_is_to_be_blocked() -> None:
    lines = [line(ATTACKER, status=429, agent=f"browser {number}") for number in range(5)]
    verdict = FAIR.judge(traffic(*lines))
    assert verdict.health is Health.FAULTY
    assert f"all come from {ATTACKER}: a proxy, perhaps" in verdict.why
    assert "set_real_ip_from" in verdict.why


def test_one_client_that_is_refused_is_what_a_limit_is_for() -> None:
    assert FAIR.judge(traffic(*asked(ATTACKER, 50, status=429))).health is Health.HEALTHY


def test_of_a_busy_log_is_said_how_far_what_was_read_goes_back() -> None:
    assert LimitsFair().judge(traffic(*(line(OTHER, ago=20) for _ in range(2000)))).why == (
        "0 clients were refused (429) in the last 20 s, as far as what is read of the log goes back"
    )
    whole = LimitsFair().judge(traffic(*(line(OTHER, ago=20) for _ in range(1999))))
    assert whole.why == "0 clients were refused (429) within a minute"


@pytest.mark.parametrize(
    "kind, wrong",
    [
        (TrafficCalm, {"most": 9}),
        (TrafficCalm, {"access_log": Path("access.log")}),
        (LimitsFair, {"most": 0}),
        (LimitsFair, {"access_log": Path("/var/../access.log")}),
    ],
)
def test_what_cannot_be_looked_at_is_refused(kind: type[Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind(**wrong)
