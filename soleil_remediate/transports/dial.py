"""Sockets to hosts: by TCP with a deadline, whatever the name resolves to, or through a program that carries them."""

from __future__ import annotations

import socket
import subprocess
import time
from contextlib import suppress

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


class Carried(socket.socket):
    """A socket whose far end is a program's standard input and output: ssh_config(5), ProxyCommand.

    Closing it ends the program. paramiko has a class for this, which does not notice the program's end.
    """

    def __init__(self, command: str) -> None:
        near, far = socket.socketpair()
        super().__init__(fileno=near.detach())
        with far:
            # The command is the user's own ssh configuration's, and is a shell's by definition. In a session of its
            # own, so that Ctrl-C at the terminal does not cut the connection in the middle of a change.
            self._program = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=far.fileno(),
                stdout=far.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def close(self) -> None:
        """End the program, then close."""
        super().close()
        self._program.kill()
        with suppress(subprocess.TimeoutExpired):
            self._program.wait(1)
