"""Requests made up for tests of who is refused."""

from __future__ import annotations

from ipaddress import ip_address

from soleil_remediate.facts.addresses import Block
from soleil_remediate.facts.talkers import Request, Traffic

NOW = 1_700_000_000


def asked(address: str = "203.0.113.7", *, status: int, at: int = NOW - 5, page: str = "GET /api/me") -> Request:
    return Request(address=ip_address(address), at=at, page=page, status=status, agent="x")


def refusals(*requests: Request, blocks: tuple[Block, ...] = ()) -> Traffic:
    return Traffic(requests=requests, now=NOW, blocks=blocks)
