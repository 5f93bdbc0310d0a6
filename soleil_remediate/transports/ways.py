"""The way in that each host names, by ``transport`` in the inventory or ``--transport``."""

from __future__ import annotations

import threading

from soleil_remediate.errors import UnknownName
from soleil_remediate.host import TRANSPORTS, Host
from soleil_remediate.transports import Session, Transport
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.units import Duration


class EachItsWay:
    """Reaches every host in the way that its connection names. Used by many threads at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, Transport] = {}

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Session:
        """Connect to *host*; the whole of it takes no longer than *within*, nor than until somebody cancels it.

        Raises:
            Unreachable: With one of its subclasses; nothing was changed and no password was tried twice.
            ConfigError: What is configured cannot be used; nothing was asked.
        """
        with self._lock:  # one of each for all hosts: what it read from files is read once
            name = host.connection.transport
            way = self._made[name] if name in self._made else self._made.setdefault(name, _way(name))
        return way.open(host, within=within, cancellation=cancellation)


def _way(name: str) -> Transport:
    """Return a new transport; only what is used is imported."""
    match name:
        case "ssh":
            from soleil_remediate.transports.ssh import SshTransport  # noqa: PLC0415  # 0.3 s for paramiko

            return SshTransport()
        case "openssh":
            from soleil_remediate.transports.openssh import OpensshTransport  # noqa: PLC0415  # see above

            return OpensshTransport()
        case "local":
            from soleil_remediate.transports.local import LocalTransport  # noqa: PLC0415  # see above

            return LocalTransport()
    raise UnknownName("transport", name, TRANSPORTS)
