from __future__ import annotations

import ipaddress
import json

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.from_here import AskFromHere, OwnAddresses
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.from_here import MET, NOW, OWN, met

ASK = AskFromHere("https://soleil.example/ready", Duration(5))


def test_a_page_is_asked_for_from_here_and_not_on_the_host() -> None:
    command = AskFromHere("https://soleil.example/ready", Duration(1.5), "/etc/ca.pem").command
    assert command.words == ("ask-from-here", "https://soleil.example/ready", "1.500", "/etc/ca.pem")
    assert command.is_from_here
    assert command.deadline == 3.5


def test_what_was_met_on_the_way_is_read_as_it_was_told() -> None:
    seen = ASK.answer(said(MET))
    assert (seen.status, seen.why, seen.addresses, seen.at) == (200, "", ("10.88.0.11",), "10.88.0.11")
    assert (seen.now, seen.expires) == (NOW, NOW + 60 * 86400)


def test_the_words_of_strangers_are_cut_and_stay_on_one_line() -> None:
    seen = ASK.answer(said(met(status=None, why="not trusted", says="a\nb" + "x" * 1000, excerpt="y" * 1000)))
    assert seen.says.startswith("a b")
    assert len(seen.says) == 300
    assert len(seen.excerpt) == 200


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "7",
        json.dumps({"status": 200}),
        met(status=None),
        met(status=200, why="refused"),
        met(status=None, why="bored"),
        met(status="200"),
        met(status=True),
        met(says=7),
        met(addresses="10.88.0.11"),
        met(addresses=7),
        met(addresses=[7]),
    ],
)
def test_what_is_neither_an_answer_nor_a_reason_is_none(text: str) -> None:
    with pytest.raises(FactError, match="cannot be read"):
        ASK.answer(said(text))


def test_a_host_knows_its_own_addresses_but_not_its_networks() -> None:
    assert OwnAddresses().answer(said(OWN)) == {
        ipaddress.ip_address(one) for one in ("10.88.0.11", "127.0.0.1", "fd00::2", "::1")
    }


def test_a_kernel_without_ipv6_has_the_others() -> None:
    gone = "cat: /proc/net/if_inet6: No such file or directory\n"
    assert len(OwnAddresses().answer(said(OWN, status=1, stderr=gone))) == 4
    with pytest.raises(FactError):
        OwnAddresses().answer(said(OWN, status=1, stderr="cat: I/O error\n"))


def test_a_host_without_any_address_is_not_believed() -> None:
    with pytest.raises(FactError, match="no address at all"):
        OwnAddresses().answer(said("Main:\n"))
