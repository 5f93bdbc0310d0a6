"""Pages as users get them: asked from the machine that this program runs on, not from the host."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, fields
from typing import TypeAlias

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing
from soleil_remediate.units import Duration

Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

_EXCERPT = 200
_LONGEST = 300
#: Every reason why there may be no answer.
_WHY = frozenset(
    "refused|too late|no way|no name|not trusted|unknown issuer|no authorities|no ca|no tls|broken off|circle"
    "|odd".split("|")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FromHere:
    """What was met on the way to a page.

    Args:
        url: The last address that was asked for, behind all redirects within the site.
        status: The HTTP status; ``None`` where there was no answer.
        why: Where there was none, why, in one of a few words; empty else.
        says: The same in the words of whatever said so, or what was being done.
        location: Where a redirect leads that was not followed, because it leaves the site.
        excerpt: How the page begins.
        addresses: What the name stands for, as this machine resolves it.
        at: Which of them was connected to; empty for none.
        expires: When the certificate ends, in seconds since 1970; ``None`` where none was trusted or needed.
        now: The clock of this machine, likewise.
    """

    url: str
    status: int | None
    why: str
    says: str
    location: str
    excerpt: str
    addresses: tuple[str, ...]
    at: str
    expires: int | None
    now: int


@dataclass(frozen=True, slots=True)
class AskFromHere(Query[FromHere]):
    """One page, as this machine gets it by its public address; redirects within the site are followed.

    Args:
        url: As users have it.
        within: Everything together takes no longer.
        ca: A file on this machine with certificates of authorities that are trusted as well; empty for none.
    """

    url: str
    within: Duration
    ca: str = ""

    @property
    def command(self) -> Command:
        return Command(
            ("ask-from-here", self.url, f"{self.within:.3f}", self.ca),
            deadline=Duration(self.within + 2),
            is_from_here=True,
        )

    def parse(self, output: Output) -> FromHere:
        told = json.loads(output.stdout)
        if not isinstance(told, dict) or told.keys() != {field.name for field in fields(FromHere)}:
            raise ValueError("not what was met on a way")
        if not isinstance(told["addresses"], list):
            raise ValueError("no list of addresses")  # noqa: TRY004  # as below
        seen = FromHere(
            **{name: _text(told[name]) for name in ("url", "why", "says", "location", "at")},
            status=_number(told["status"]),
            excerpt=_text(told["excerpt"])[:_EXCERPT],
            addresses=tuple(_text(one) for one in told["addresses"]),
            expires=_number(told["expires"]),
            now=_number(told["now"]) or 0,
        )
        if (seen.status is None) == (seen.why == "") or (seen.why and seen.why not in _WHY):
            raise ValueError(f"neither an answer nor a reason: {seen.why!r}")
        return seen


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"no text: {value!r}")  # noqa: TRY004  # an answer that cannot be read, not a bug
    return " ".join(value.split())[:_LONGEST]


def _number(value: object) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise ValueError(f"no number: {value!r}")
    return value


@dataclass(frozen=True, slots=True)
class OwnAddresses(Query[frozenset[Address]]):
    """The addresses that are the host's own, as its kernel knows them."""

    # 1: a kernel without IPv6
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        return Command(("cat", "/proc/net/fib_trie", "/proc/net/if_inet6"))

    def parse(self, output: Output) -> frozenset[Address]:
        if output.exit_status:
            only_missing(output)
        found: set[Address] = set()
        last = ""
        for line in output.text.splitlines():
            if leaf := re.fullmatch(r"[ |]*\|-- ([0-9.]+)", line):
                last = leaf[1]
            elif re.fullmatch(r" +/32 host LOCAL", line):
                found.add(ipaddress.IPv4Address(last))
            elif inet6 := re.fullmatch(r"([0-9a-f]{32})( +[0-9a-f]{2}){4} +\S+", line):
                found.add(ipaddress.IPv6Address(int(inet6[1], 16)))
        if not found:
            raise ValueError("no address at all")
        return frozenset(found)
