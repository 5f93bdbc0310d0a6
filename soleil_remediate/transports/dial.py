"""TCP connections with a deadline, whatever the name resolves to."""

from __future__ import annotations

import socket
import time

#: A peer that acknowledges nothing for this long is gone, also while nobody asks anything; in milliseconds.
_UNACKNOWLEDGED = 30_000


def dial(host: str, port: int, *, by: float) -> socket.socket:
    """Connect to the first of the host's addresses that answers.

    Args:
        host: Name or IP address.
        port: TCP port.
        by: When it must have happened, on the monotonic clock; addresses that are left share the time that is left.

    Raises:
        OSError: None answered; the last one's error.
    """
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for left in range(len(addresses), 0, -1):
        family, kind, protocol, _, address = addresses[-left]
        try:
            sock = socket.socket(family, kind, protocol)
        except OSError:  # a family that this machine does not have
            if left == 1:
                raise
            continue
        try:
            sock.settimeout(max(0.1, (by - time.monotonic()) / left))
            sock.connect(address)
        except OSError:
            sock.close()
            if left == 1:
                raise
            continue
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED)
        return sock
    raise OSError(f"{host} has no address")
