"""Addresses of clients: which may be blocked at all, what this program blocks, and whom a host must never block."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import only_missing
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, MiB

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

#: The table of the packet filter that is this program's own: nobody else's rules are touched, nor in anyone's way.
TABLE = "soleil_remediate"
#: Its sets of addresses, by the version of the protocol.
SETS = {4: "blocked4", 6: "blocked6"}
#: A block of this many seconds is one that nobody has confirmed: the kernel lifts it by itself.
PROVISIONAL = 120
#: Networks may be no wider: more strangers are blocked than anybody can judge.
_WIDEST = {4: 24, 6: 48}
#: Addresses that hide one of IPv4's: what is blocked would be another host than is meant.
_HIDING = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48", "::/96")))


def network_of(text: str) -> Network:
    """Return the address, or the network, that may be blocked; an address is a network of one.

    Raises:
        ValueError: It is none, or must not be blocked wherever that is asked.
    """
    try:
        if "%" in text:  # of one link alone; and what follows is anything
            raise ValueError("an address of the internet has no zone")
        found = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"{text[:80]!r} must be an address such as 203.0.113.7 or 2001:db8::7, or a network no wider than /24 or "
            f"/48: {str(error)[:120]}"
        ) from None
    if isinstance(found, ipaddress.IPv6Network):
        inner = found.network_address.ipv4_mapped
        if inner is not None and found.prefixlen == 128:  # as nginx logs clients of IPv4 that come by a socket of IPv6
            return network_of(str(inner))
        if inner is not None or any(found.overlaps(hiding) for hiding in _HIDING):
            raise ValueError(f"{found} hides an address of IPv4: name that one")
    if found.prefixlen < _WIDEST[found.version]:
        raise ValueError(f"{found} is wider than /{_WIDEST[found.version]}: it blocks more than anybody can judge")
    ends = found.network_address, found.broadcast_address
    if not all(one.is_global and not one.is_multicast and not one.is_reserved for one in ends):
        raise ValueError(
            f"{in_words(found)} is private, the host's own or for a special use: behind it is one of our own hosts, a "
            "proxy or nobody. By hand, where it really is to be blocked"
        )
    return found


def addresses_of(texts: Iterable[str]) -> tuple[tuple[Network, ...], tuple[str, ...]]:
    """Return which of *texts* are addresses or networks, and the others, which are names."""
    found: list[Network] = []
    names = []
    for text in dict.fromkeys(texts):
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            names.append(text)
    return tuple(found), tuple(names)


def address_in(text: str) -> Address | None:
    """Return an address as a log or the kernel writes it, one of IPv4 always as such; ``None`` where it is none."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def in_words(network: Network) -> str:
    """Return a network for people and for nft: an address where it is one alone."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What is blocked.

    Args:
        network: Whom it blocks.
        lasts: How long in all.
        left: How long still.
    """

    network: Network
    lasts: Duration
    left: Duration

    @property
    def is_provisional(self) -> bool:
        """Whether nobody has confirmed it: it ends in two minutes at most."""
        return self.lasts <= PROVISIONAL


@dataclass(frozen=True, slots=True)
class ReadBlocks(Query[tuple[Block, ...]]):
    """What this program's own table of the packet filter blocks; the kernel itself forgets what is over."""

    # 1: no such table, where nft says so
    expects = frozenset({0, 1})
    empty_is = "no such table, where nft said so"

    @property
    def command(self) -> Command:
        return Command(("nft", "-j", "list", "table", "inet", TABLE))

    def parse(self, output: Output) -> tuple[Block, ...]:
        if output.exit_status:
            complaint = output.error_text
            if "Error: No such file or directory" in complaint:
                return ()
            if "Operation not permitted" in complaint or "must be root" in complaint:
                raise FactError("what is blocked is told to root alone")
            raise ValueError(f"nft: {complaint[:200]}")
        match json.loads(output.stdout):
            case {"nftables": [*parts]} if all(isinstance(part, dict) for part in parts):
                pass
            case _:
                raise ValueError("no list of nft's")
        sets = {part["set"]["name"]: part["set"].get("elem", []) for part in parts if "set" in part}
        rules = [part["rule"] for part in parts if "rule" in part]
        found = tuple(_block(element["elem"]) for name in SETS.values() for element in sets[name])
        used = json.dumps(rules)
        # Somebody may have flushed the rules: then a set blocks nobody.
        return found if all(f'"@{name}"' in used for name in SETS.values()) else ()


def _block(element: dict[str, Any]) -> Block:
    match element:
        case {"val": str(address), "timeout": int(timeout), "expires": int(expires)}:
            return Block(network=ipaddress.ip_network(address), lasts=Duration(timeout), left=Duration(expires))
        case {
            "val": {"prefix": {"addr": str(address), "len": int(length)}},
            "timeout": int(timeout),
            "expires": int(expires),
        }:
            network = ipaddress.ip_network(f"{address}/{length}")
            return Block(network=network, lasts=Duration(timeout), left=Duration(expires))
        case _:
            raise ValueError(f"not blocked by this program: {str(element)[:80]}")


@dataclass(frozen=True, slots=True)
class AskWhereFrom(Query[Address | None]):
    """From where whoever asks is connected, as the host sees it; ``None`` where that is not over SSH."""

    expects = frozenset({0, 1})
    empty_is = "nobody is connected over SSH: the transport is local"

    @property
    def command(self) -> Command:
        return Command(("printenv", "SSH_CONNECTION"))

    def parse(self, output: Output) -> Address | None:
        if not output.stdout:
            return None
        there, _, _, _ = output.text.split()
        found = address_in(there.partition("%")[0])
        if found is None:
            raise ValueError("not where a connection comes from")
        return found


@dataclass(frozen=True, slots=True)
class ReadWays(Query[Mapping[Network, str]]):
    """What the host needs to be reached and to work, by its own settings: gateways, resolvers, and nginx's proxies.

    Of nginx every file below /etc/nginx is read, whether it is used or not.
    """

    # 1 and 2: one of the files is not there, or nothing in it fits
    expects = frozenset({0, 1, 2})
    empty_is = "none of the files is there, or nothing in them fits, where grep said nothing else"

    @property
    def command(self) -> Command:
        pattern = r"^[0-9A-Za-z_.@-]+[[:space:]]+[0-9A-F]{8}[[:space:]]+[0-9A-F]{8}[[:space:]]"
        pattern += (
            r"|^([0-9a-f]{32} [0-9a-f]{2} ){2}[0-9a-f]{32} |^[[:space:]]*(nameserver|set_real_ip_from)[[:space:]]"
        )
        files = ("/proc/net/route", "/proc/net/ipv6_route", "/etc/resolv.conf", "/etc/nginx")
        return Command(("grep", "-r", "-h", "-E", "-e", pattern, "--", *files), deadline=Duration(5))

    def parse(self, output: Output) -> Mapping[Network, str]:
        if output.error_text:
            only_missing(Output(exit_status=1, stderr=output.stderr))
        found: dict[Network, str] = {}
        for line in output.text.splitlines():
            words = line.split()
            if words[0] in ("nameserver", "set_real_ip_from"):
                networks, _ = addresses_of([words[1].rstrip(";").partition("%")[0]])
                why = "it is a resolver of the host's" if words[0] == "nameserver" else "nginx calls it a proxy"
                found |= dict.fromkeys(networks, why)
            elif len(words) == 11:  # /proc/net/route
                found[_alone(_little_endian(words[2]))] = "it is a gateway of the host's"
            elif len(words) == 10:  # /proc/net/ipv6_route
                found[_alone(ipaddress.IPv6Address(int(words[4], 16)))] = "it is a gateway of the host's"
            else:
                raise ValueError(f"neither a route nor a setting: {line[:80]!r}")
        return {network: why for network, why in found.items() if not network.network_address.is_unspecified}


@dataclass(frozen=True, slots=True)
class ReadPartners(Query[Mapping[Address, str]]):
    """Whom the host itself is connected to: databases, caches, mail; by the port there."""

    # 1: nobody is connected to anybody, or a kernel without IPv6
    expects = frozenset({0, 1, 2})
    empty_is = "there is no connection, where grep said nothing else"

    @property
    def command(self) -> Command:
        # state 01: established (include/net/tcp_states.h); 0A: it listens there
        words = ("grep", "-h", "-E", "-e", "^ *[0-9]+: [0-9A-F:]+ [0-9A-F:]+ 0[1A] ", "--")
        return Command((*words, "/proc/net/tcp", "/proc/net/tcp6"), output_limit=MiB(4), deadline=Duration(5))

    def parse(self, output: Output) -> Mapping[Address, str]:
        if output.error_text:
            only_missing(Output(exit_status=1, stderr=output.stderr))
        connections = [_connection(line) for line in output.text.splitlines()]
        own = {port for port, _, _, state in connections if state == "0A"}
        return {
            other: f"the host is connected to port {there} there"
            for port, other, there, state in connections
            if state == "01" and port not in own
        }


def _connection(line: str) -> tuple[int, Address, int, str]:
    """Return a connection's port here, the address and the port there, and its state, as the kernel tells it."""
    words = line.split()
    address, port = words[2].split(":")
    return int(words[1].rpartition(":")[2], 16), _little_endian(address), int(port, 16), words[3]


def _little_endian(digits: str) -> Address:
    """Return an address as the kernel prints it, word by word in the machine's order: the smallest byte first."""
    if not re.fullmatch(r"[0-9A-Fa-f]{8}|[0-9A-Fa-f]{32}", digits):
        raise ValueError(f"no address: {digits[:40]!r}")
    raw = b"".join(bytes.fromhex(digits[at : at + 8])[::-1] for at in range(0, len(digits), 8))
    found = ipaddress.ip_address(raw)
    return getattr(found, "ipv4_mapped", None) or found


def _alone(address: Address) -> Network:
    return ipaddress.ip_network(str(address))


#: Ten times in two seconds, which connections there are with addresses that begin as $1 says.
WATCH_PEERS = Script(
    "watch-peers",
    'grep -h -s -m 50 -E -e "$1" -- /proc/net/tcp /proc/net/tcp6\nsleep 0.2\n' * 10 + "printf 'end\\n'\n",
)


@dataclass(frozen=True, slots=True)
class WatchPeers(Query[bool]):
    """Whether anybody of a network really is at the other end of a connection with this host, as its kernel sees it.

    Watched for two seconds; a connection that the web server ended is known for a minute. Behind a proxy it is the
    proxy that is connected, whatever address nginx logs.
    """

    network: Network

    @property
    def command(self) -> Command:
        whole = self.network.network_address.packed[: self.network.prefixlen // 8]  # the rest is judged when it is read
        raw = [whole[at : at + 1] for at in range(len(self.network.network_address.packed))]
        digits = [one.hex().upper() or ".." for one in raw]
        shown = "".join("".join(reversed(digits[at : at + 4])) for at in range(0, len(digits), 4))
        mapped = "(0000000000000000FFFF0000)?" if self.network.version == 4 else ""
        pattern = f"^ *[0-9]+: [0-9A-F:]+ {mapped}{shown}:"
        return Command(WATCH_PEERS.bind(pattern), deadline=Duration(10), is_slow=True)

    def parse(self, output: Output) -> bool:
        *lines, end = output.text.splitlines()
        if end != "end":
            raise ValueError("it was not watched to the end")
        return any(_connection(line)[1] in self.network for line in lines)


@dataclass(frozen=True, slots=True)
class ResolveNames(Query[Mapping[Network, str]]):
    """What names stand for, as the host resolves them; a name that it does not know stands for nothing."""

    names: tuple[str, ...]
    # 2: one of them is not known
    expects = frozenset({0, 2})
    empty_is = "none of the names is known, where getent ends with 2"

    @property
    def command(self) -> Command:
        return Command(("getent", "ahosts", "--", *self.names), deadline=Duration(8), is_slow=True)

    def parse(self, output: Output) -> Mapping[Network, str]:
        found = {}
        for line in output.text.splitlines():
            address = address_in(line.split()[0].partition("%")[0])
            if address is None:
                raise ValueError(f"no address: {line[:80]!r}")
            found[_alone(address)] = "it is one of the inventory's hosts"
        return found
