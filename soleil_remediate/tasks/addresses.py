"""Block an address on a host for a while: in a table of the packet filter of our own, and never for good."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.addresses import (
    PROVISIONAL,
    SETS,
    TABLE,
    Address,
    AskWhereFrom,
    Block,
    Network,
    ReadBlocks,
    ReadPartners,
    ReadWays,
    ResolveNames,
    WatchPeers,
    addresses_of,
    in_words,
    network_of,
)
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.from_here import OwnAddresses
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.talkers import MANY, Traffic, read_traffic
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Blocks end by themselves: what is to last longer belongs to the provider, or to the firewall that the host has.
_SHORTEST, _LONGEST = Duration(300), Duration(7 * 86400)
#: So many at once at most: an attack from more addresses is not ended by naming them.
_MOST_BLOCKS = 20
#: What was asked for longer ago says nothing of now.
_LATELY = Duration(600)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")

_STOP = "stop() { printf '%s\\n' \"$1\" >&2; exit 75; }\n"
#: One transaction: an element's time is set anew only where it is taken out and put in again.
_PUT = (
    f"add element inet {TABLE} %s {{ %s }}\\n"
    f"delete element inet {TABLE} %s {{ %s }}\\n"
    f"add element inet {TABLE} %s {{ %s timeout %ss }}\\n"
)
#: Everything of the table, each time: rules that somebody flushed are there again, and none is there twice. It comes
#: before the translation of addresses and before every other filter, so that published ports of containers and
#: connections that are open already count as well.
_OWN = "".join(
    f"{line}\\n"
    for line in (
        f"add table inet {TABLE}",
        f"add set inet {TABLE} {SETS[4]} {{ type ipv4_addr; flags interval, timeout; }}",
        f"add set inet {TABLE} {SETS[6]} {{ type ipv6_addr; flags interval, timeout; }}",
        f"add chain inet {TABLE} incoming {{ type filter hook prerouting priority -310; policy accept; }}",
        f"flush chain inet {TABLE} incoming",
        f"add rule inet {TABLE} incoming ip saddr @{SETS[4]} counter drop",
        f"add rule inet {TABLE} incoming ip6 saddr @{SETS[6]} counter drop",
    )
)

#: Block element $2 of set $1 for $3 seconds, after which the kernel itself lets it in again.
BLOCK = Script(
    "block-address",
    "set -eu\nset=$1 element=$2 seconds=$3\n"
    + _STOP
    + f"""case "${{SSH_CONNECTION:-}} " in
    "$element "*) stop "this connection comes from $element: nothing was changed" ;;
esac
printf '{_OWN}{_PUT}' "$set" "$element" "$set" "$element" "$set" "$element" "$seconds" | nft -f - ||
    stop "nft took none of it: nothing was changed"
echo "$element is blocked, for $seconds seconds unless that is confirmed"
""",
)

#: Let the block of element $2 in set $1 last for $3 seconds, if there still is one.
KEEP = Script(
    "keep-block",
    "set -eu\nset=$1 element=$2 seconds=$3\n"
    + _STOP
    + f"""nft get element inet {TABLE} "$set" "{{ $element }}" >/dev/null 2>&1 ||
    stop "$element is blocked no longer: the host has let it in again by itself. Nothing was changed"
printf '{_PUT}' "$set" "$element" "$set" "$element" "$set" "$element" "$seconds" | nft -f -
echo "$element is blocked for $seconds seconds"
""",
)

#: Let element $2 of set $1 in again.
LIFT = Script(
    "lift-block",
    f"""set -eu
set=$1 element=$2
nft get element inet {TABLE} "$set" "{{ $element }}" >/dev/null 2>&1 || {{ echo "$element is not blocked"; exit 0; }}
nft delete element inet {TABLE} "$set" "{{ $element }}"
echo "$element is let in again"
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What must be known before anybody is blocked.

    Args:
        traffic: What the access log says; nothing where it has no say.
        blocks: Whom this program blocks already.
        from_where: From where this program is connected, as the host sees it.
        own: The host's own addresses.
        ways: Its gateways, resolvers and proxies, and why each is needed.
        partners: Whom it is connected to, likewise.
        named: What the names of the inventory stand for, likewise.
        is_peer: Whether the address itself is at the other end of a connection.
    """

    traffic: Traffic | None
    blocks: tuple[Block, ...]
    from_where: Address | None
    own: frozenset[Address]
    ways: Mapping[Network, str]
    partners: Mapping[Address, str]
    named: Mapping[Network, str]
    is_peer: bool


@dataclass(frozen=True, kw_only=True)
class BlockAddress(Task[Surroundings | None]):
    """Block an address that hammers, for a while.

    Only one that a person names, that the access log shows asking often, and that really is at the other end of a
    connection with this host: behind a proxy it would be the proxy that is blocked, and everybody with it. In a table
    of our own of the packet filter (nftables), before every other rule and for both versions of the protocol; nobody
    else's rules are touched. Every block ends by itself. It is made for two minutes first, by the kernel's own clock in
    the same moment; only over a new connection to the host is it made to last. So whoever blocks himself is let in
    again, whatever becomes of this program.

    It does not outlive a restart of the host, nor a reload of nftables.service where that flushes all rules.

    Args:
        address: An address, or a network no wider than /24 or /48; without any nobody is blocked. Never one that is
            private, of the host itself, of a host of the inventory, of a proxy, a gateway, a resolver, a database, or
            from where this program is connected.
        lasts: How long; from 5 min to 7 d.
        at_least: So many requests of the last ten minutes must be its; 0 where the log has no say.
        alone: ``yes`` where somebody knows that only one client comes from there, though it names many browsers or
            nobody else comes.
        access_log: Where nginx logs the requests to this application, in its usual format.
        front: Addresses or networks of the proxies in front of the host.
        never: Addresses, networks or names that are never blocked.

    Raises:
        Unplannable: It must not be blocked, it is not known to hammer, or it does not reach this host itself.
    """

    kind = "address.block"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    address: str | None = None
    lasts: Duration = Duration(3600)
    at_least: int = 20
    alone: str = "no"
    access_log: PurePosixPath = ACCESS_LOG
    front: tuple[str, ...] | None = None
    never: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)
        if not _SHORTEST <= self.lasts <= _LONGEST:
            raise ValueError(f"lasts must be from {_SHORTEST} to {_LONGEST}")
        if not 0 <= self.at_least <= 100_000:
            raise ValueError("at_least must be from 0 to 100000 requests")
        if self.alone not in {"yes", "no"}:
            raise ValueError(f"alone must be yes or no, not {self.alone[:40]!r}")
        if bad := [name for name in addresses_of((*self.never, *(self.front or ())))[1] if not _is_name(name)]:
            raise ValueError(f"{bad[0][:80]!r} is neither an address nor a name")
        if self.address is not None:
            network = network_of(self.address)
            for other in addresses_of((*self.never, *(self.front or ())))[0]:
                if other.version == network.version and network.overlaps(other):
                    raise ValueError(
                        f"{in_words(network)} must not be blocked: it is a host or a proxy of the inventory"
                    )

    def aim(self) -> str:
        return f"{self.address} is blocked" if self.address is not None else "no address was named"

    async def read(self, host: Reader) -> Surroundings | None:
        if self.address is None:
            return None
        _, names = addresses_of(self.never)
        (from_where, own, ways, partners), (is_peer, blocks), named, traffic = await together(
            host.ask_all(AskWhereFrom(), OwnAddresses(), ReadWays(), ReadPartners()),
            host.ask_all(WatchPeers(network_of(self.address)), ReadBlocks()),
            _resolved(host, names),
            _traffic_of(host, self.access_log if self.at_least else None),
        )
        return Surroundings(
            traffic=traffic,
            blocks=blocks,
            from_where=from_where,
            own=own,
            ways=ways,
            partners=partners,
            named=named,
            is_peer=is_peer,
        )

    def plan(self, seen: Surroundings | None) -> Plan:
        if self.address is None or seen is None:
            return Plan.nothing("no address was named that may be blocked")
        network = network_of(self.address)
        who = in_words(network)
        for block in seen.blocks:
            if _holds(block.network, network) and not block.is_provisional:
                return Plan.nothing(f"{who} is blocked for another {block.left}")
        for why in self._why_not(network, seen):
            raise Unplannable(f"{who} is not blocked: {why}")
        asked = seen.traffic.of(network, _LATELY) if seen.traffic is not None else ()
        made = f"{len(asked)} requests in {_LATELY}, to {len({one.page for one in asked})} pages" if asked else ""
        words = SETS[network.version], who
        lift = Undo.by(Command(LIFT.bind(*words)), "it is let in again")
        risk = Risk.DISRUPTIVE if network.num_addresses == 1 else Risk.DESTRUCTIVE
        loses = "nothing" if network.num_addresses == 1 else f"whoever else is among {network.num_addresses} addresses"
        return Plan.of(
            Change(
                summary=f"block {who} on this host, for {Duration(PROVISIONAL)} at first",
                command=Command(BLOCK.bind(*words, PROVISIONAL), deadline=Duration(20)),
                risk=risk,
                undo=lift,
                before=f"{who} is let in{': ' if made else ''}{made}",
                after=f"nothing of it gets in, on any port; the kernel itself lifts that after {Duration(PROVISIONAL)}",
                loses=loses,
                keeps="every other address, and everybody else's rules",
                downtime=f"for whoever is at {who}: no answer at all, SSH included",
            ),
            Change(
                summary=f"let that last for {self.lasts}, now that a new connection has reached the host",
                command=Command(KEEP.bind(*words, self.lasts), deadline=Duration(20)),
                risk=risk,
                undo=lift,
                before=f"blocked for {Duration(PROVISIONAL)}",
                after=f"blocked for {self.lasts}, then let in by the kernel itself, or by a restart of the host",
                loses=loses,
                keeps="every other address, and everybody else's rules",
                downtime=f"for whoever is at {who}: no answer at all, SSH included",
                is_over_new_connection=True,
            ),
            because=f"{who} was named{', and made ' if made else ''}{made}",
        )

    def _why_not(self, network: Network, seen: Surroundings) -> Iterator[str]:
        who = in_words(network)
        if seen.from_where is not None and seen.from_where in network:
            yield "this program itself is connected from there"
        if any(own in network for own in seen.own):
            yield "it is an address of the host itself"
        needed = {**seen.named, **seen.ways}
        for other, why in needed.items():
            if other.version == network.version and network.overlaps(other):
                yield why
        for partner, why in seen.partners.items():
            if partner in network:
                yield why
        overlapping = [one for one in seen.blocks if one.network.version == network.version]
        if parts := [one for one in overlapping if one.network != network and one.network.overlaps(network)]:
            part = in_words(parts[0].network)
            yield (
                f"{part} is blocked already, which overlaps. By hand, first: nft delete element inet {TABLE} "
                f"{SETS[network.version]} '{{ {part} }}'"
            )
        if len(seen.blocks) >= _MOST_BLOCKS:
            yield f"{len(seen.blocks)} addresses are already: this attack is not ended by naming more of them"
        yield from self._not_by_traffic(network, seen.traffic)
        if not seen.is_peer:
            yield (
                f"no connection with {who} reached this host within two seconds. Either it has gone, or a proxy or a "
                "container stands between, and its connections would have to be blocked, everybody's among them. By "
                "hand: block it where its connections end, at the proxy, the load balancer or the CDN"
            )

    def _not_by_traffic(self, network: Network, traffic: Traffic | None) -> Iterator[str]:
        if traffic is None:
            return
        asked = traffic.of(network, _LATELY)
        if len(asked) < self.at_least:
            yield (
                f"{self.access_log} has {len(asked)} requests of its from the last {_LATELY}, and it would take "
                f"{self.at_least} to say that it hammers"
            )
        agents = len({one.agent for one in asked})
        if self.alone == "no" and agents >= MANY:
            yield (
                f"it names {agents} different browsers: a proxy or a shared line, and many users with it. Where "
                "somebody knows that it is one client which pretends: --set alone=yes"
            )
        if self.alone == "no" and not traffic.others(network):
            yield (
                "nobody else asks this host for anything: it may be the proxy in front of everybody. Where somebody "
                "knows that it is not: --set alone=yes"
            )


def _is_name(text: str) -> bool:
    """Whether a text can be a host's name, and no option."""
    return (
        0 < len(text) <= 253
        and text[0].isalnum()
        and all(one.isascii() and (one.isalnum() or one in "._-") for one in text)
    )


def _holds(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and outer.supernet_of(inner)  # type: ignore[arg-type]  # of one version


async def _resolved(host: Reader, names: tuple[str, ...]) -> Mapping[Network, str]:
    return await host.ask(ResolveNames(names)) if names else {}


async def _traffic_of(host: Reader, log: PurePosixPath | None) -> Traffic | None:
    return await read_traffic(host, log) if log is not None else None
