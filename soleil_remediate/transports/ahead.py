"""What a host is asked with its first shell's greeting, so that no round trip is spent on it."""

from __future__ import annotations

from soleil_remediate.command import Command
from soleil_remediate.facts.sites import ASKED_FIRST
from soleil_remediate.host import Host

_WHAT_IS_SERVED = tuple(query.command for query in ASKED_FIRST)


def asked_ahead(host: Host) -> tuple[Command, ...]:
    """Return what whoever opened the session will ask first: of a host of which nothing is known, what it serves.

    Nothing where the host has yet to prove which machine it is: another one is asked nothing.
    """
    is_unknown = not host.is_listed and not host.app and host.connection.machine_id is None
    return _WHAT_IS_SERVED if is_unknown else ()
