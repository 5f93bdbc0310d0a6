from __future__ import annotations

from ipaddress import ip_network

import pytest

from soleil_remediate.facts.addresses import Block
from soleil_remediate.facts.refusals import is_refused, strangers
from soleil_remediate.units import Duration
from tests.unit.facts.refusals import NOW, asked, refusals


@pytest.mark.parametrize(
    "status, page, refused",
    [
        (401, "GET /", True),
        (403, "GET /", True),
        (404, "GET /login", False),
        (422, "POST /api/login", True),
        (422, "POST /api/bookings", False),
        (429, "POST /sanctum/token", True),
        (429, "GET /api/bookings", False),
        (200, "POST /login", False),
    ],
)
def test_who_is_refused(status: int, page: str, refused: bool) -> None:
    assert is_refused(asked(status=status, page=page)) is refused


def test_who_was_refused_lately_the_most_often_first() -> None:
    seen = refusals(
        asked("198.51.100.9", status=403, at=NOW - 20),
        *[asked(status=401, at=NOW - age, page=page) for age, page in ((9, "GET /a"), (8, "GET /b"), (7, "GET /b"))],
        asked(status=302),
        asked(status=500),
        asked("198.51.100.10", status=200),
        asked(status=401, at=NOW - 60),
    )
    first, second = strangers(seen, Duration(60))
    assert (str(first.address), first.refused, first.well, first.page) == ("203.0.113.7", 3, 1, "GET /b")
    assert (first.first, first.last) == (NOW - 9, NOW - 7)
    assert (str(second.address), second.refused, second.well) == ("198.51.100.9", 1, 0)


def test_what_an_address_was_refused_before_it_was_blocked_is_over() -> None:
    block = Block(network=ip_network("203.0.113.7/32"), lasts=Duration(3600), left=Duration(3590))
    seen = refusals(asked(status=401, at=NOW - 30), asked(status=401, at=NOW - 5), blocks=(block,))
    (still,) = strangers(seen, Duration(60))
    assert (still.refused, still.first) == (1, NOW - 5)
