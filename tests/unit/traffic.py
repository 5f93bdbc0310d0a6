"""Requests as an application's web server logged them, put together for tests of what is judged and shown."""

from __future__ import annotations

from collections.abc import Iterable

from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.http import Response
from soleil_remediate.facts.requests import Logged, Request, Traffic

NOW = seconds_at(2026, 11, 25, 9)
SERVED, BROKEN, MOVED = Response(status=200), Response(status=503), Response(status=302)


def requests(*statuses: int, until: int = NOW, every: int = 1, endpoint: str = "GET /rooms") -> list[Request]:
    """Return requests with these statuses, the last one just before *until*."""
    first = until - every * len(statuses)
    return [
        Request(at=first + every * number, endpoint=endpoint, status=status) for number, status in enumerate(statuses)
    ]


def traffic(
    *logged: Iterable[Request],
    page: Response = SERVED,
    switched: int = 0,
    newest: int | None = NOW,
    now: int = NOW,
    oldest: int | None = NOW - 7200,
) -> Traffic:
    """Return what was seen where these requests were logged, in this order, in a log that is read from *oldest* on."""
    found = tuple(one for some in logged for one in some)
    return Traffic(logged=Logged(requests=found, oldest=oldest, newest=newest), page=page, now=now, switched=switched)
