"""Who is not let in by a web server, how often and for what: by its access log, and by nothing that a client says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from soleil_remediate.facts.addresses import Address
from soleil_remediate.facts.talkers import Request, Traffic
from soleil_remediate.units import Duration

#: Where a wrong password is answered as any form that was filled in wrongly, or as one sent too often.
_LOGIN = re.compile(r"log-?in|sign-?in|password|token|two-factor|session", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """One address that was refused.

    Args:
        refused: How often.
        well: How many of its other requests were answered well.
        first: When it was refused first, in seconds since 1970.
        last: Likewise.
        page: What it was refused most often for.
    """

    address: Address
    refused: int
    well: int
    first: int
    last: int
    page: str


def is_refused(request: Request) -> bool:
    """Whether somebody was not let in: 401 and 403, and where one logs in what a wrong password is answered by."""
    return request.status in {401, 403} or (request.status in {422, 429} and _LOGIN.search(request.page) is not None)


def strangers(traffic: Traffic, within: Duration) -> tuple[Stranger, ...]:
    """Return who was refused so lately and is not blocked since, the most often first."""
    lately: dict[Address, list[Request]] = {}
    for one in traffic.lately(within):
        lately.setdefault(one.address, []).append(one)
    found = (_stranger(address, requests) for address, requests in lately.items() if any(map(is_refused, requests)))
    return tuple(sorted(found, key=lambda one: one.refused, reverse=True))


def _stranger(address: Address, requests: Iterable[Request]) -> Stranger:
    requests = tuple(requests)
    refused = [one for one in requests if is_refused(one)]
    ((page, _),) = Counter(one.page for one in refused).most_common(1)
    return Stranger(
        address=address,
        refused=len(refused),
        well=sum(200 <= one.status < 400 for one in requests),
        first=min(one.at for one in refused),
        last=max(one.at for one in refused),
        page=page,
    )
