"""Reach the machine that this program runs on: the same shell as over SSH, as a child process.

There is no host key to know the host by. So the inventory's address must be this machine's own: whoever runs the
program in the wrong place must not repair the wrong machine.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import socket
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from soleil_remediate.errors import ConfigError, ConnectionLost, ConnectTimedOut
from soleil_remediate.host import Host
from soleil_remediate.transports.becoming import sudo_password
from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.transports.pipes import Pipes, lack_of_means
from soleil_remediate.transports.session import BASE, ShellSession
from soleil_remediate.transports.shell import Stream
from soleil_remediate.units import Duration

#: What a login would find; the shell's own text puts what root needs before it.
_PATH = "/usr/local/bin:/usr/bin:/bin"


class LocalTransport:
    """Reaches this machine. Used by many threads at once.

    Args:
        base: Where locks and operations are kept; another one is for tests without root.
    """

    def __init__(self, *, base: PurePosixPath = BASE) -> None:
        self._base = base

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ShellSession:
        """Start a shell; the whole of it takes no longer than *within*, nor than until somebody cancels it.

        Raises:
            ConfigError: *host* is another machine; nothing was asked.
            Unreachable: There is no shell to be had.
        """
        with lack_of_means(host.name):
            link = LocalLink(host)

        def session() -> ShellSession:
            try:
                check_it_is_here(host)
                return ShellSession.start(host, link, password=sudo_password(host.connection), base=self._base)
            except BaseException:
                link.close()
                raise

        attempt = Attempt(
            session, give_up=link.cut, undo=ShellSession.close, cancellation=cancellation or Cancellation()
        )
        try:
            return attempt.result(within)
        except OutOfTime:
            raise ConnectTimedOut(f"{host.name}: starting a shell here took longer than {within}") from None
        except GivenUp:
            raise ConnectionLost(f"{host.name}: starting a shell here was given up") from None


class LocalLink:
    """Shells on this machine.

    Args:
        host: Which host of the inventory it is.
    """

    #: It takes no round trip.
    opens_at_once = False

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pipes = Pipes()

    def open_stream(self, text: str) -> Stream | None:
        """Start one more shell."""
        words = ("/bin/sh", "-c", text)
        with lack_of_means(self._host.name):
            return self._pipes.start(words, env=_environment(), who=self._host.name)

    def wait(self, seconds: float) -> None:
        """Return when something has arrived on any stream, or after that long."""
        self._pipes.wait(seconds)

    def cut(self) -> None:
        """End it from another thread; closing is still to come."""
        self._pipes.cut()

    def close(self) -> None:
        """End it."""
        self._pipes.close()


def _environment() -> Mapping[str, str]:
    """Return what a login would have in its environment: ours may hold secrets, and settings of other programs."""
    name, home = str(os.geteuid()), "/"
    with suppress(KeyError):  # a user whom the system does not know
        name, *_, home, _ = pwd.getpwuid(os.geteuid())
    found = {"HOME": home, "USER": name, "LOGNAME": name, "SHELL": "/bin/sh", "PATH": _PATH}
    if came_from := os.environ.get("SSH_CONNECTION"):  # where the person sits must stay known
        found["SSH_CONNECTION"] = came_from
    return found


def check_it_is_here(host: Host) -> None:
    """Raise unless the host's address in the inventory is this machine's.

    Raises:
        ConfigError: It is another's, or nobody knows whose.
    """
    address = host.connection.address
    here = socket.gethostname()
    if address.lower() in {"localhost", here.lower(), here.lower().partition(".")[0]}:
        return
    try:
        found = socket.getaddrinfo(address, None, type=socket.SOCK_DGRAM)
    except OSError:
        found = []
    if any(_is_ours(family, where[0]) for family, _, _, _, where in found):
        return
    raise ConfigError(
        f"{host.name} is to be reached without SSH, and {address} is no address of this machine ({here}): another one "
        f"would have been looked at. Nothing was asked. If it is this machine, give it ansible_host: localhost"
    )


def _is_ours(family: int, address: object) -> bool:
    """Whether an IP address is one of this machine's: the kernel then sends from that very address."""
    text = str(address).partition("%")[0]
    if ipaddress.ip_address(text).is_loopback:
        return True
    with socket.socket(family, socket.SOCK_DGRAM) as sock:  # connecting it sends nothing
        try:
            sock.connect((address, 9))
        except OSError:
            return False
        return str(sock.getsockname()[0]).partition("%")[0] == text
