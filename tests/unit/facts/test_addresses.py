from __future__ import annotations

import ipaddress
import json
import re

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.addresses import (
    AskWhereFrom,
    ReadBlocks,
    ReadPartners,
    ReadWays,
    ResolveNames,
    WatchPeers,
    address_in,
    addresses_of,
    in_words,
    network_of,
)
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.traffic import (
    ATTACKER,
    CONNECTED,
    NO_PEER,
    NO_TABLE,
    PARTNERS,
    PEER,
    WAYS,
    blocked,
    element,
)

LAST = ipaddress.ip_network(ATTACKER)


@pytest.mark.parametrize(
    "text, meant",
    [
        (ATTACKER, ATTACKER),
        (f"{ATTACKER}/32", ATTACKER),
        ("192.31.196.0/24", "192.31.196.0/24"),
        ("2620:4f:8000::7", "2620:4f:8000::7"),
        ("2620:4f:8000::/48", "2620:4f:8000::/48"),
        (f"::ffff:{ATTACKER}", ATTACKER),
    ],
)
def test_what_may_be_blocked_is_an_address_of_the_internet_or_a_small_network(text: str, meant: str) -> None:
    assert in_words(network_of(text)) == meant


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "must be an address such as"),
        ("192.31.196.7x", "must be an address such as"),
        ("192.31.196.07", "must be an address such as"),
        ("192.31.196.7\n", "must be an address such as"),
        ("-F", "must be an address such as"),
        ("192.31.196.7 }; flush ruleset", "must be an address such as"),
        ("192.31.196.7/24", "has host bits set"),
        ("fe80::1%eth0", "no zone"),
        ("2620:4f:8000::7%}; flush ruleset", "no zone"),
        ("192.31.0.0/16", "wider than /24"),
        ("0.0.0.0/0", "wider than /24"),
        ("2620:4f::/32", "wider than /48"),
        ("10.0.0.1", "private"),
        ("127.0.0.1", "private"),
        ("169.254.169.254", "private"),
        ("100.64.0.1", "private"),
        ("224.0.0.1", "special use"),
        ("255.255.255.255", "special use"),
        ("0.0.0.0", "special use"),
        ("203.0.113.7", "special use"),
        ("::", "hides an address of IPv4"),
        ("::1", "hides an address of IPv4"),
        ("fd00::7", "private"),
        ("ff0e::1", "special use"),
        ("::ffff:10.0.0.1", "10.0.0.1 is private"),
        ("::ffff:192.31.196.0/120", "hides an address of IPv4"),
        ("64:ff9b::a00:1", "hides an address of IPv4"),
        ("64:ff9b:1::7", "hides an address of IPv4"),
        ("2002:a00:1::1", "hides an address of IPv4"),
        ("2001:0:a00:1::1", "hides an address of IPv4"),
    ],
)
def test_what_must_never_be_blocked_is_refused_before_any_host_is_asked(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        network_of(text)


def test_addresses_are_told_from_names() -> None:
    found, names = addresses_of(["10.0.0.7", "web1.example", "10.0.0.0/8", "10.0.0.7", "fd00::/64"])
    assert [str(one) for one in found] == ["10.0.0.7/32", "10.0.0.0/8", "fd00::/64"]
    assert names == ("web1.example",)
    assert (address_in("::ffff:10.0.0.7"), address_in("7")) == (ipaddress.ip_address("10.0.0.7"), None)


def test_what_is_blocked_and_for_how_long_is_as_the_kernel_counts_it() -> None:
    table = blocked(
        element(ATTACKER, lasts=120, left=100), element("192.31.196.128/26"), element("2620:4f:8000::7", left=7)
    )
    first, second, third = ReadBlocks().answer(said(table))
    assert (in_words(first.network), first.lasts, first.left, first.is_provisional) == (ATTACKER, 120, 100, True)
    assert (in_words(second.network), second.is_provisional) == ("192.31.196.128/26", False)
    assert (in_words(third.network), third.left) == ("2620:4f:8000::7", Duration(7))


def test_without_a_table_or_without_its_rules_nobody_is_blocked() -> None:
    assert ReadBlocks().answer(NO_TABLE) == ()
    assert ReadBlocks().answer(said(blocked())) == ()
    assert ReadBlocks().answer(said(blocked(element(ATTACKER), rules=False))) == ()


@pytest.mark.parametrize(
    "output, why",
    [
        (said(status=1, stderr="Error: Operation not permitted (you must be root)\n"), "told to root alone"),
        (said(status=1, stderr="Error: syntax error\n"), "syntax error"),
        (said(status=127), "nft is not there"),
        (said(blocked({"val": ATTACKER})), "not blocked by this program"),
        (said('{"nftables": [7]}'), "no list of nft's"),
        (said('{"nftables": []}'), "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_is_no_empty_one(output: object, why: str) -> None:
    with pytest.raises(FactError, match=re.escape(why)):
        ReadBlocks().answer(output)  # type: ignore[arg-type]  # an answer


def test_from_where_this_program_is_connected_is_as_the_host_sees_it() -> None:
    assert AskWhereFrom().answer(said(CONNECTED)) == ipaddress.ip_address("10.88.12.1")
    assert AskWhereFrom().answer(said("::ffff:10.0.0.9 5 ::ffff:10.0.0.1 22\n")) == ipaddress.ip_address("10.0.0.9")
    assert AskWhereFrom().answer(said(status=1)) is None
    for odd in ("x 1 y 22\n", "10.88.12.1\n"):
        with pytest.raises(FactError):
            AskWhereFrom().answer(said(odd))


def test_gateways_resolvers_and_proxies_are_needed_and_why() -> None:
    seen = {in_words(network): why for network, why in ReadWays().answer(said(WAYS)).items()}
    assert seen == {
        "10.88.12.1": "it is a gateway of the host's",
        "2620:4f:8000::1": "it is a gateway of the host's",
        "192.31.196.53": "it is a resolver of the host's",
        "192.31.196.128/26": "nginx calls it a proxy",
    }
    gone = "grep: /etc/nginx: No such file or directory\n"
    assert len(ReadWays().answer(said(WAYS, status=2, stderr=gone))) == 4
    assert ReadWays().answer(said(status=1)) == {}
    for stderr, text in (("grep: /etc/nginx: Input/output error\n", WAYS), ("", "something else\n")):
        with pytest.raises(FactError):
            ReadWays().answer(said(text, status=2, stderr=stderr))


def test_whom_the_host_connects_to_is_known_and_who_connects_to_it_is_not_among_them() -> None:
    seen = ReadPartners().answer(said(PARTNERS))
    assert {str(address): why for address, why in seen.items()} == {
        "192.31.196.5": "the host is connected to port 5432 there",
        "192.31.196.6": "the host is connected to port 6379 there",
    }
    assert ReadPartners().answer(said(status=1)) == {}
    gone = "grep: /proc/net/tcp6: No such file or directory\n"
    assert len(ReadPartners().answer(said(PARTNERS, status=2, stderr=gone))) == 2
    with pytest.raises(FactError):
        ReadPartners().answer(said(PARTNERS, status=2, stderr="grep: x: Input/output error\n"))
    with pytest.raises(FactError, match="no address"):
        ReadPartners().answer(said("0: 0B0C580A:0050 07C41F:C001 01 x\n"))


def test_somebody_is_a_peer_where_the_kernel_knows_a_connection() -> None:
    assert WatchPeers(LAST).answer(said(PEER)) is True
    assert WatchPeers(LAST).answer(said(NO_PEER)) is False
    near = ipaddress.ip_network("192.31.196.0/30")  # what is asked for is whole bytes; the rest is judged here
    assert WatchPeers(near).answer(said(PEER)) is False
    with pytest.raises(FactError, match="not watched to the end"):
        WatchPeers(LAST).answer(said(PEER.removesuffix("end\n")))


@pytest.mark.parametrize(
    "network, line",
    [
        (ATTACKER, "   2: 0B0C580A:0050 07C41FC0:C001 06 x"),
        (ATTACKER, "   2: 0000000000000000FFFF00000B0C580A:0050 0000000000000000FFFF000007C41FC0:C001 01 x"),
        ("192.31.196.0/24", "  12: 0B0C580A:0050 63C41FC0:C001 01 x"),
        ("2620:4f:8000::7", f"   2: {'0' * 32}:0050 4F00202600000080{'0' * 8}07000000:C001 01 x"),
        ("2620:4f:8000::/48", f"   2: {'0' * 32}:0050 4F002026AAAA0080BBBBBBBB07000000:C001 01 x"),
    ],
)
def test_a_peer_is_looked_for_as_the_kernel_writes_addresses(network: str, line: str) -> None:
    query = WatchPeers(ipaddress.ip_network(network))
    pattern = query.command.words[-1]
    assert re.search(pattern, line)
    assert not re.search(pattern, line.replace("C001", "C0").replace(line.split()[2][:8], "01010101"))
    assert query.answer(said(f"{line}\nend\n"))


def test_names_are_resolved_by_the_host_and_one_that_it_does_not_know_is_nobody() -> None:
    query = ResolveNames(("web2.example", "x"))
    assert query.command.words == ("getent", "ahosts", "--", "web2.example", "x")
    seen = query.answer(said("192.31.196.77   STREAM web2.example\n192.31.196.77   DGRAM\n", status=2))
    assert {in_words(network): why for network, why in seen.items()} == {
        "192.31.196.77": "it is one of the inventory's hosts"
    }
    assert query.answer(said(status=2)) == {}


def test_the_table_is_read_whatever_else_nft_tells_of_it() -> None:
    table = json.loads(blocked(element(ATTACKER)))
    table["nftables"].append({"counter": {"name": "x"}})
    assert len(ReadBlocks().answer(said(json.dumps(table)))) == 1
