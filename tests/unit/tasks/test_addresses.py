from __future__ import annotations

import ipaddress
import subprocess
from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.addresses import address_in
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.tasks.addresses import BLOCK, KEEP, LIFT, BlockAddress, Surroundings
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.facts.from_here import OWN
from tests.unit.facts.test_talkers import block, traffic
from tests.unit.facts.traffic import ANSWERS, ATTACKER, HAMMERING, NO_PEER, NOW, OTHER, line

RULES = (*ANSWERS, ("/proc/net/fib_trie", said(OWN)), ("date +%s", said(f"{NOW}\n")))
SIX = "2620:4f:8000::7"


def task(address: str | None = ATTACKER, **others: Any) -> BlockAddress:
    return BlockAddress(address=address, **others)


def seen(**others: Any) -> Surroundings:
    return replace(
        Surroundings(
            traffic=traffic(*HAMMERING),
            blocks=(),
            from_where=address_in("10.88.12.1"),
            own=frozenset(),
            ways={},
            partners={},
            named={},
            is_peer=True,
        ),
        **others,
    )


def plan(one: BlockAddress | None = None, **others: Any) -> Plan:
    return (one or task()).plan(seen(**others))


def test_an_address_that_hammers_is_blocked_for_two_minutes_and_for_longer_over_a_new_connection_only() -> None:
    first, second = plan().changes
    assert first.command.words[4:] == ("blocked4", ATTACKER, "120")
    assert second.command.words[4:] == ("blocked4", ATTACKER, "3600")
    assert (first.is_over_new_connection, second.is_over_new_connection) == (False, True)
    assert first.undo == second.undo
    assert first.undo.command is not None
    assert first.undo.command.words[4:] == ("blocked4", ATTACKER)
    assert (first.risk, second.risk) == (Risk.DISRUPTIVE, Risk.DISRUPTIVE)
    assert first.before == f"{ATTACKER} is let in: 400 requests in 10 min, to 1 pages"
    assert plan().because == f"{ATTACKER} was named, and made 400 requests in 10 min, to 1 pages"
    assert task().aim() == f"{ATTACKER} is blocked"
    assert task().rights() is None


def test_what_is_seen_of_the_sample_host_is_enough() -> None:
    one = task(never=("10.0.0.1", "web2.example"))
    found = see(one.read(Reader()), *RULES)
    assert [str(network) for network in found.named] == ["192.31.196.77/32"]
    assert len(one.plan(found).changes) == 2


def test_a_network_takes_a_typed_confirmation_and_its_own_protocols_set() -> None:
    lines = [line(OTHER), *(line(f"2620:4f:8000::{number}") for number in range(1, 30))]
    first, _ = plan(task("2620:4f:8000::/64", lasts=Duration(600)), traffic=traffic(*lines)).changes
    assert first.command.words[4:] == ("blocked6", "2620:4f:8000::/64", "120")
    assert first.risk is Risk.DESTRUCTIVE
    assert first.loses == "whoever else is among 18446744073709551616 addresses"


def test_where_the_log_has_no_say_the_name_is_enough() -> None:
    one = task(at_least=0)
    found = see(one.read(Reader()), *(rule for rule in RULES if "access.log" not in rule[0]))
    assert found.traffic is None
    first, _ = one.plan(found).changes
    assert (first.before, one.plan(found).because) == (f"{ATTACKER} is let in", f"{ATTACKER} was named")


@pytest.mark.parametrize(
    "one, others, because",
    [
        (task(None), {}, "no address was named that may be blocked"),
        (task(), {"blocks": (block(ATTACKER, ago=60),)}, f"{ATTACKER} is blocked for another 59 min"),
        (task(), {"blocks": (block("192.31.196.0/24", ago=60),)}, f"{ATTACKER} is blocked for another 59 min"),
    ],
)
def test_who_is_blocked_already_or_not_named_is_left_alone(
    one: BlockAddress, others: dict[str, Any], because: str
) -> None:
    assert plan(one, **others) == Plan.nothing("x")
    assert plan(one, **others).because == because


def test_a_block_that_nobody_confirmed_is_made_anew() -> None:
    assert len(plan(blocks=(block(ATTACKER, ago=5, lasts=120),)).changes) == 2


def test_nothing_is_asked_where_no_address_was_named() -> None:
    assert see(task(None).read(Reader()), most_rounds=0) is None
    assert task(None).aim() == "no address was named"
    assert task(None).plan(None).changes == ()


NEEDED = ipaddress.ip_network("192.31.196.0/29")
GUESSES = [line(ATTACKER, agent=f"browser {number}") for number in range(30)]


@pytest.mark.parametrize(
    "others, why",
    [
        ({"from_where": address_in(ATTACKER)}, "this program itself is connected from there"),
        ({"own": frozenset({address_in(ATTACKER)})}, "it is an address of the host itself"),
        ({"ways": {NEEDED: "nginx calls it a proxy"}}, "nginx calls it a proxy"),
        ({"named": {NEEDED: "it is one of the inventory's hosts"}}, "it is one of the inventory's hosts"),
        ({"partners": {address_in(ATTACKER): "the host is connected to port 5432 there"}}, "port 5432 there"),
        ({"is_peer": False}, "no connection with .* reached this host within two seconds.* at the proxy"),
        ({"traffic": traffic(line(OTHER), *HAMMERING[2:21])}, "has 19 requests of its from the last 10 min, and"),
        ({"traffic": traffic(*HAMMERING[2:])}, "nobody else asks this host for anything"),
        ({"traffic": traffic(line(OTHER), *GUESSES)}, "it names 30 different browsers: .* --set alone=yes"),
        ({"blocks": tuple(block(f"192.31.197.{number}", ago=5) for number in range(20))}, "20 addresses are already"),
    ],
)
def test_whom_the_host_needs_and_who_is_not_known_to_hammer_is_not_blocked(others: dict[str, Any], why: str) -> None:
    with pytest.raises(Unplannable, match=f"{ATTACKER} is not blocked: .*{why}"):
        plan(**others)


def test_whom_nothing_else_of_the_host_is_about_may_be_blocked_whatever_it_needs_besides() -> None:
    other = ipaddress.ip_network("2620:4f:8000::/48")
    needs: dict[str, Any] = {
        "ways": {other: "x"},
        "named": {ipaddress.ip_network(OTHER): "x"},
        "partners": {address_in(OTHER): "x"},
    }
    assert plan(own=frozenset({address_in(OTHER)}), blocks=(block(SIX, ago=5), block(OTHER, ago=5)), **needs).changes


@pytest.mark.parametrize("lines", [HAMMERING[2:], [line(OTHER), *GUESSES]])
def test_who_knows_that_it_is_one_client_may_say_so(lines: list[str]) -> None:
    assert plan(task(alone="yes"), traffic=traffic(*lines)).changes


def test_a_network_of_which_a_part_is_blocked_already_is_none_to_blocked() -> None:
    lines = [line(SIX), *HAMMERING]
    with pytest.raises(Unplannable, match=r"nft delete element inet soleil_remediate blocked4 '\{ 192\.31\.196\.9 \}'"):
        plan(task("192.31.196.0/24"), traffic=traffic(*lines), blocks=(block("192.31.196.9", ago=5),))


def test_what_of_the_host_cannot_be_known_refuses_everything() -> None:
    for missing in ("nft", "printenv", "resolv.conf", "0[1A]", "watch-peers", "getent", "fib_trie", "access.log"):
        rules = [(part, said(status=127) if missing in part else answer) for part, answer in RULES]
        with pytest.raises(FactError):
            see(task(never=("web2.example",)).read(Reader()), *rules)


def test_without_a_peer_it_is_refused_as_a_host_says_so() -> None:
    rules = [(part, said(NO_PEER) if part == "watch-peers" else answer) for part, answer in RULES]
    with pytest.raises(Unplannable, match="no connection with"):
        task().plan(see(task().read(Reader()), *rules))


@pytest.mark.parametrize(
    "wrong, why",
    [
        ({"address": "10.0.0.7"}, "private"),
        ({"address": "192.31.0.0/16"}, "wider than /24"),
        ({"address": "7"}, "must be an address"),
        ({"never": ("192.31.196.0/24",)}, "must not be blocked: it is a host or a proxy of"),
        ({"front": (ATTACKER,)}, "must not be blocked: it is a host or a proxy of"),
        ({"address": "192.31.196.0/24", "never": (ATTACKER,)}, "must not be blocked"),
        ({"never": ("-F",)}, "neither an address nor a name"),
        ({"never": ("a b",)}, "neither an address nor a name"),
        ({"lasts": Duration(299)}, "lasts must be from 5 min to 7 d"),
        ({"lasts": Duration(8 * 86400)}, "lasts must be"),
        ({"at_least": -1}, "at_least must be"),
        ({"alone": "maybe"}, "alone must be yes or no"),
        ({"access_log": Path("x")}, "must be absolute"),
    ],
)
def test_what_must_not_be_is_refused_before_any_host_is_asked(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        BlockAddress(**{"address": ATTACKER, **wrong})


def test_others_of_the_inventory_are_no_reason() -> None:
    assert plan(task(never=(SIX, "web1"), front=("192.31.197.0/24",))).changes


def test_the_scripts_take_values_as_words_and_say_everything_to_nft_in_one_transaction(tmp_path: Any) -> None:
    """Run with an nft that notes what it is told."""
    nft = tmp_path / "nft"
    nft.write_text(
        '#!/bin/sh\necho "$*" >>"$NOTED"\n[ "$1" != -f ] || cat >>"$NOTED"\n[ "$1" = "${FAILS:-}" ] && exit 1\nexit 0\n'
    )
    nft.chmod(0o755)

    def run(words: tuple[str, ...], **environment: str) -> tuple[int, str, str]:
        noted = tmp_path / "noted"
        noted.write_text("")
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin", "NOTED": str(noted)}
        done = subprocess.run(words, env=path | environment, capture_output=True, text=True, check=False)
        return done.returncode, noted.read_text(), done.stderr

    status, told, _ = run(BLOCK.bind("blocked4", ATTACKER, Duration(120)), SSH_CONNECTION="10.0.0.1 5 10.0.0.2 22")
    assert status == 0
    assert told.startswith("-f -\nadd table inet soleil_remediate\nadd set")
    assert told.count("-f -") == 1
    assert told.splitlines()[-2:] == [
        f"delete element inet soleil_remediate blocked4 {{ {ATTACKER} }}",
        f"add element inet soleil_remediate blocked4 {{ {ATTACKER} timeout 120s }}",
    ]
    status, told, why = run(BLOCK.bind("blocked4", ATTACKER, Duration(120)), SSH_CONNECTION=f"{ATTACKER} 5 x 22")
    assert (status, told, "nothing was changed" in why) == (75, "", True)
    status, _, why = run(BLOCK.bind("blocked4", ATTACKER, Duration(120)), FAILS="-f")
    assert (status, "nothing was changed" in why) == (75, True)
    status, told, _ = run(KEEP.bind("blocked4", ATTACKER, Duration(3600)))
    assert (status, told.splitlines()[-1][-15:]) == (0, "timeout 3600s }")
    status, told, why = run(KEEP.bind("blocked4", ATTACKER, Duration(3600)), FAILS="get")
    assert (status, "-f" in told, "let it in again by itself" in why) == (75, False, True)
    assert run(LIFT.bind("blocked4", ATTACKER))[1].splitlines()[-1].startswith("delete element")
    status, told, _ = run(LIFT.bind("blocked4", ATTACKER), FAILS="get")
    assert (status, "delete" in told) == (0, False)
