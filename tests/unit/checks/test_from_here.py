from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.checks.from_here import PageReached, Reached
from soleil_remediate.facts.from_here import AskFromHere, OwnAddresses
from soleil_remediate.task import Health, Verdict
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.from_here import NOW, OWN, met

DAY = 86400
READY = PageReached(page="/ready", url="https://soleil.example/")
OURS = OwnAddresses().answer(said(OWN))


def judged(check: PageReached = READY, *, clock: int = NOW, **told: Any) -> Verdict:
    here = AskFromHere("https://soleil.example/ready", Duration(5)).answer(said(met(**told)))
    return check.judge(Reached(here=here, own=OURS, clock=clock))


def no_answer(why: str, says: str = "so it is", **told: Any) -> dict[str, Any]:
    return {"status": None, "why": why, "says": says, "expires": None, **told}


@pytest.mark.parametrize(
    "told, health, why",
    [
        ({}, Health.HEALTHY, "https://soleil.example/ready from here answers 200, soleil.example is 10.88.0.11, this"),
        ({"status": 204}, Health.HEALTHY, "answers 204"),
        ({"status": 502}, Health.FAULTY, "answers 502, soleil.example is 10.88.0.11, this host"),
        ({"status": 404}, Health.UNKNOWN, "answers 404, soleil.example is 10.88.0.11, this host: that says nothing"),
        ({"status": 301, "location": "https://www.x/"}, Health.UNKNOWN, "a redirect to https://www.x/, which was not"),
        (no_answer("refused"), Health.FAULTY, "nothing listens at 10.88.0.11"),
        (
            no_answer("refused", at="", addresses=["10.88.0.11", "127.0.0.1"]),
            Health.UNKNOWN,
            "to 10.88.0.11, 127.0.0.1 is",
        ),
        (
            no_answer("refused", at="", addresses=["10.88.0.9", "10.88.0.8"]),
            Health.UNKNOWN,
            "the connection to 10.88.0.9, 10.88.0.8 is refused: either nothing listens there, or a firewall on the way",
        ),
        (
            no_answer("not trusted"),
            Health.FAULTY,
            "not trusted (so it is), which no step mends, soleil.example is 10.88.0.11, this host; an",
        ),
        (
            no_answer("unknown issuer"),
            Health.FAULTY,
            "not trusted (so it is), which no step mends, soleil.example is 10.88.0.11, this host; an",
        ),
        (
            no_answer("unknown issuer", addresses=["203.0.113.9"]),
            Health.UNKNOWN,
            "not trusted here (so it is): either nobody trusts it, or something on the way from here shows one",
        ),
        (no_answer("not trusted", addresses=["203.0.113.9"]), Health.FAULTY, "not trusted (so it is), which"),
        (no_answer("no tls"), Health.FAULTY, "no TLS can be agreed on (so it is), which"),
        (no_answer("broken off"), Health.FAULTY, "it is broken off: so it is"),
        (
            no_answer("circle"),
            Health.UNKNOWN,
            "lead in a circle (so it is): either for everybody, or for whoever keeps no",
        ),
        (no_answer("no name", addresses=[]), Health.UNKNOWN, "this machine has no name server that works"),
        (no_answer("too late"), Health.UNKNOWN, "or this machine has no way there, soleil.example is 10.88.0.11"),
        (no_answer("no way"), Health.UNKNOWN, "this machine has no way there (so it is)"),
        (no_answer("no authorities"), Health.UNKNOWN, "this machine knows no certificate authority"),
        (no_answer("no ca"), Health.UNKNOWN, "app.ca cannot be read here (so it is)"),
        (no_answer("odd"), Health.UNKNOWN, "it cannot be asked for: so it is"),
    ],
)
def test_a_page_is_reached_or_not_or_it_is_this_machine_that_cannot(told: Any, health: Health, why: str) -> None:
    verdict = judged(**told)
    assert verdict.health is health
    assert why in verdict.why
    assert verdict.measures[0].label == "/ready from here"
    assert verdict.measures[0].is_faulty is (health is not Health.HEALTHY)


@pytest.mark.parametrize("left, is_told", [(14 * DAY, False), (14 * DAY - 1, True), (1, True)])
def test_a_certificate_that_ends_soon_is_told_and_is_no_fault_yet(left: int, is_told: bool) -> None:
    verdict = judged(expires=NOW + left)
    assert verdict.health is Health.HEALTHY
    assert ("its certificate ends 20" in verdict.why) is is_told
    assert verdict.measures[1].value == f"{left // DAY} d left"
    assert verdict.measures[1].is_faulty is is_told


def test_without_tls_there_is_no_certificate() -> None:
    assert len(judged(expires=None).measures) == 1


@pytest.mark.parametrize("apart, health", [(3600, Health.FAULTY), (3601, Health.UNKNOWN), (-3601, Health.UNKNOWN)])
def test_a_certificate_is_not_called_bad_by_a_clock_that_the_hosts_contradicts(apart: int, health: Health) -> None:
    verdict = judged(**no_answer("not trusted", "certificate has expired"), clock=NOW + apart)
    assert verdict.health is health
    assert ("but the clock here says" in verdict.why) is (health is Health.UNKNOWN)


def test_whoever_named_an_authority_is_not_told_to() -> None:
    own = PageReached(page="/ready", url="https://soleil.example/", ca="/etc/ca.pem")
    assert "app.ca" not in judged(own, **no_answer("not trusted")).why
    assert "app.ca" in judged(**no_answer("not trusted")).why


BEHIND = PageReached(page="/ready", url="https://soleil.example/", front=("203.0.113.0/24", "2001:db8::7"))


@pytest.mark.parametrize("why", ["refused", "unknown issuer"])
def test_what_stands_in_front_is_not_something_on_the_way(why: str) -> None:
    told = no_answer(why, at="", addresses=["203.0.113.9", "10.88.0.11"])
    assert judged(BEHIND, **told).health is Health.FAULTY
    assert judged(READY, **told).health is Health.UNKNOWN


@pytest.mark.parametrize(
    "check, addresses, why",
    [
        (READY, ["203.0.113.9"], "is 203.0.113.9, not this host: what stands in front of it"),
        (READY, ["127.0.0.1"], "is 127.0.0.1, the machine that asks"),
        (READY, ["fe80::1%eth0"], "is fe80::1%eth0, not this host"),
        (READY, ["nonsense"], "is nonsense, not this host"),
        (READY, ["203.0.113.9", "10.88.0.11"], "is 203.0.113.9, 10.88.0.11, this host"),
        (READY, ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"], "is 1.1.1.1, 1.1.1.2, 1.1.1.3 …, not this host"),
        (BEHIND, ["203.0.113.9"], "is 203.0.113.9, in app.front"),
        (BEHIND, ["2001:db8::7"], "is 2001:db8::7, in app.front"),
        (BEHIND, ["203.0.114.9"], "is 203.0.114.9, neither this host nor in app.front"),
    ],
)
def test_it_is_said_whose_address_the_name_stands_for(check: PageReached, addresses: list[str], why: str) -> None:
    assert f"soleil.example {why}" in judged(check, addresses=addresses, at=addresses[0]).why


def test_an_address_instead_of_a_name_is_said_once() -> None:
    by_address = PageReached(page="/ready", url="https://10.88.0.11/")
    assert ", 10.88.0.11 is this host" in judged(by_address).why


@pytest.mark.parametrize(
    "given, why",
    [
        ({"page": "ready"}, "must be a page"),
        ({"url": "soleil.example"}, "must be an address"),
        ({"within": Duration(0)}, "longer than nothing"),
        ({"front": ("203.0.113.7/24",)}, "host bits"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(given: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        PageReached(**{"page": "/ready", "url": "https://soleil.example/", **given})
