from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.addresses import Block
from soleil_remediate.facts.talkers import ReadRequests, Traffic, read_traffic, sort_of
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.facts.traffic import ANSWERS, ATTACKER, HAMMERING, NO_OLDER, NOW, OTHER, line, log

LOG = Path("/var/log/nginx/access.log")
CLOCK = ("date +%s", said(f"{NOW}\n"))


def traffic(*lines: str, **others: Any) -> Traffic:
    seen = ReadRequests(LOG).answer(said(log(*lines), status=1, stderr=NO_OLDER))
    return replace(Traffic(requests=seen, now=NOW), **others)


def block(address: str, *, ago: int, lasts: int = 3600) -> Block:
    return Block(network=ipaddress.ip_network(address), lasts=Duration(lasts), left=Duration(lasts - ago))


def test_who_asks_what_how_often_is_read_of_the_last_minute_the_busiest_first() -> None:
    seen: Traffic = see(read_traffic(Reader(), LOG), CLOCK, *ANSWERS)
    first, second = seen.talkers
    assert (str(first.address), first.per_minute, first.agents, first.refused) == (ATTACKER, 400, 1, 0)
    assert first.pages == (("GET /api/bookings", 400),)
    assert (str(second.address), second.per_minute) == (OTHER, 2)


def test_who_is_blocked_need_not_be_known_and_then_nothing_is_over() -> None:
    rules = [one for one in ANSWERS if "nft" not in one[0]]
    seen: Traffic = see(read_traffic(Reader(), LOG), ("nft", said(status=127)), CLOCK, *rules)
    assert seen.blocks == ()


def test_what_was_asked_for_before_a_block_is_over_and_what_came_since_is_not() -> None:
    seen = traffic(*(line(ATTACKER, ago=20) for _ in range(9)), line(ATTACKER, ago=3), line(OTHER))
    assert [len(one.requests) for one in seen.talkers] == [10, 1]
    seen = replace(seen, blocks=(block(ATTACKER, ago=10), block("2620:4f:8000::7", ago=10)))
    assert [len(one.requests) for one in seen.talkers] == [1, 1]


def test_a_log_whose_end_alone_was_read_is_counted_as_what_it_would_be_in_a_minute() -> None:
    assert [one.per_minute for one in traffic(*(line(ATTACKER, ago=5) for _ in range(1999))).talkers] == [1999]
    assert [one.per_minute for one in traffic(*(line(ATTACKER, ago=6) for _ in range(2000))).talkers] == [20_000]
    assert [one.per_minute for one in traffic(*(line(ATTACKER, ago=0) for _ in range(2000))).talkers] == [120_000]


@pytest.mark.parametrize(
    "text, address, page",
    [
        (line("192.31.196.7", page="GET /x?token=secret HTTP/1.1"), "192.31.196.7", "GET /x"),
        (line("::ffff:192.31.196.7"), "192.31.196.7", "GET /api/bookings"),
        (line("2620:4f:8000::7"), "2620:4f:8000::7", "GET /api/bookings"),
        (line("192.31.196.7", page=r"\x16\x03"), "192.31.196.7", "(no request of HTTP)"),
        # whatever a client says of itself is no address
        (line("192.31.196.7", agent="1.1.1.1 - - [23/Nov/2026:09:59:55 +0000]"), "192.31.196.7", "GET /api/bookings"),
        (line("192.31.196.7", user="1.1.1.1 - - [23/Nov/2026:09:59:55 +0000]"), "192.31.196.7", "GET /api/bookings"),
        (line("192.31.196.7", page="GET /1.1.1.1 HTTP/1.1"), "192.31.196.7", "GET /1.1.1.1"),
    ],
)
def test_only_what_nginx_itself_puts_first_is_an_address(text: str, address: str, page: str) -> None:
    (talker,) = traffic(text).talkers
    assert (str(talker.address), talker.requests[0].page) == (address, page)


def test_lines_that_are_none_are_left_out_and_a_log_of_another_format_is_none() -> None:
    odd = ("half of a line\n", line("7.7.7.700"), line("192.31.196.7").replace("Nov", "Foo"), line("127.0.0.1"))
    assert traffic(*odd, *HAMMERING[:3]).requests == traffic(*HAMMERING[:3]).requests
    assert traffic().requests == ()
    with pytest.raises(FactError, match="9 of 9 lines are not in nginx's usual format"):
        traffic(*('{"remote_addr": "192.31.196.7"}\n' for _ in range(9)))
    with pytest.raises(FactError, match="not the log"):
        ReadRequests(LOG).answer(said("x\n"))
    with pytest.raises(FactError):
        ReadRequests(LOG).answer(said(log(), status=1, stderr="tail: error reading: Input/output error\n"))


def test_others_and_what_one_asked_for_lately_are_told_from_the_whole_log() -> None:
    seen = traffic(line(OTHER, ago=900), line("2620:4f:8000::7", ago=900), line(ATTACKER, ago=700), line(ATTACKER))
    network = ipaddress.ip_network(ATTACKER)
    assert (seen.others(network), len(seen.of(network, Duration(600)))) == (2, 1)
    assert len(seen.talkers) == 1


def test_what_an_address_looks_like_is_said_and_why() -> None:
    front = [ipaddress.ip_network("192.31.196.0/28")]
    hammering = [line(ATTACKER, status=429, agent="ab") for _ in range(10)]
    seen = traffic(line(OTHER), *hammering)
    busy, calm = seen.talkers
    assert sort_of(calm, seen, 5, ()) == "as a user, or a few, would"
    assert sort_of(busy, seen, 5, ()) == (
        "one client: 10 of 10 for GET /api/bookings, 10 of them refused (429): an attack, or a program with a bug"
    )
    assert sort_of(busy, seen, 5, front).startswith("a host or a proxy of ours")
    alone = traffic(*hammering)
    assert sort_of(alone.talkers[0], alone, 5, ()).endswith("; nobody else comes: a proxy?")
    many = traffic(*(line(ATTACKER, agent=f"browser {number}") for number in range(10)))
    assert sort_of(many.talkers[0], many, 5, ()).startswith("names 10 different browsers")
    own = traffic(*(line("10.0.0.7") for _ in range(10)))
    assert sort_of(own.talkers[0], own, 5, ()).startswith("a host or a proxy of ours")
