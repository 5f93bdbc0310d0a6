"""Reach hosts over SSH: fabric reads the configuration and opens the connection, paramiko carries it.

This is the boundary: no error of fabric, invoke, paramiko or a socket passes it, and no message of theirs reaches a
terminal. Host keys are checked before authentication, every step has a deadline, and authentication is not retried.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import fabric
import paramiko
from paramiko.config import SSHConfig

from soleil_remediate.command import Secret
from soleil_remediate.errors import (
    ConfigError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimedOut,
)
from soleil_remediate.host import Host
from soleil_remediate.local_files import expanded
from soleil_remediate.transports import HostKey
from soleil_remediate.transports.becoming import sudo_password
from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.transports.dial import Carried, dial
from soleil_remediate.transports.known_hosts import KnownHosts, fingerprint, preferring, read_entries
from soleil_remediate.transports.session import BASE, ShellSession
from soleil_remediate.transports.ssh_config import configured_keys, jumps, known_hosts_files, read_config
from soleil_remediate.transports.ssh_errors import boundary
from soleil_remediate.transports.ssh_link import WINDOW, QuietTransport, SshLink, cut
from soleil_remediate.transports.ssh_login import Identities, KnownKeys, private_key
from soleil_remediate.units import Duration

_LOG = logging.getLogger("soleil_remediate.transports.ssh.paramiko")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

#: What ssh-keygen calls the types of host keys (OpenSSH's sshkey.c, sshkey_type).
_KINDS = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ecdsa-sha2": "ECDSA", "ssh-dss": "DSA"}

_KEEPALIVE = 15
#: What a server answers that is told to forward nothing there (RFC 4254, 5.1).
_PROHIBITED = 1


class SshTransport:
    """Reaches hosts over SSH. Used by many threads at once; what it read from files is read once.

    Args:
        base: Where locks and operations are kept on the hosts; another one is for tests without root.
    """

    def __init__(self, *, base: PurePosixPath = BASE) -> None:
        self.base = base
        self.config = cache(_configuration)
        self.known_hosts = cache(_known_hosts)
        self.key = cache(private_key)

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ShellSession:
        """Connect to *host*; the whole of it takes no longer than *within*, nor than until somebody cancels it.

        Raises:
            Unreachable: With one of its subclasses; nothing was changed, and no key was offered twice.
            ConfigError: The ssh configuration or a key's file cannot be used; the host was not contacted.
        """
        opening_ = _Opening(self, host, time.monotonic() + within)
        attempt = Attempt(
            opening_.session,
            give_up=opening_.cut,
            undo=ShellSession.close,
            cancellation=cancellation or Cancellation(),
        )
        try:
            return attempt.result(within)
        except OutOfTime:
            raise ConnectTimedOut(f"{host.name}: {opening_.doing} took longer than {within}") from None
        except GivenUp:
            raise ConnectionLost(f"{host.name}: {opening_.doing} was given up") from None


class _Opening:
    """The opening of one session: to the host, through its jump hosts where the ssh configuration names some."""

    def __init__(self, files: SshTransport, host: Host, by: float) -> None:
        self._files, self._host, self._by = files, host, by
        self._connections: list[fabric.Connection] = []
        self._sock: Any = None
        self.doing = "reading the configuration"

    def session(self) -> ShellSession:
        """Do it all, or leave nothing open."""
        host = self._host
        try:
            with boundary(host.name):
                wanted = host.connection
                sudo = sudo_password(wanted)
                target = self._connection(wanted.address, user=wanted.user, port=wanted.port)
                for hop in jumps(target.ssh_config):
                    self._log_in(self._connection(hop), key_file=None, password=None)
                password = wanted.password.resolve() if wanted.password is not None else None
                self._log_in(target, key_file=wanted.key_file, password=password)
                link = SshLink(self._connections, _who(host, target))
                self.doing = "starting a shell"
                key = target.transport.get_remote_server_key()
                return ShellSession.start(host, link, password=sudo, base=self._files.base, host_key=_host_key(key))
        except BaseException:
            self.cut()
            raise

    def cut(self) -> None:
        """End everything that is open; from any thread."""
        for connection in reversed(self._connections):
            cut(connection.client.get_transport())
        with suppress(Exception):  # whatever it is, it is given up
            self._sock.close()

    def _connection(self, address: str, *, user: str | None = None, port: int | None = None) -> fabric.Connection:
        """Return fabric's view of a host: the ssh configuration, and none of fabric's or invoke's own files."""
        try:
            return _Connection(
                address,
                user=user,
                port=port,
                config=self._files.config(self._host.connection.ssh_config),
                gateway=False,
                forward_agent=False,
                connect_timeout=self._left,
                connect_kwargs={"allow_agent": False, "look_for_keys": False},
            )
        except ValueError as error:
            raise ConfigError(f"the ssh configuration for {address} cannot be used: {error}") from error

    @property
    def _left(self) -> float:
        """For paramiko's own deadlines: a little more than is left, so that the one outside speaks first."""
        return max(0.0, self._by - time.monotonic()) + 1

    def _log_in(self, connection: fabric.Connection, *, key_file: Path | None, password: Secret | None) -> None:
        """Connect, check the host's key, and only then authenticate.

        Args:
            connection: To the host or one of its jump hosts.
            key_file: The only key to offer, where the inventory names one: it names the host's own, so a jump host has
                to take what the ssh configuration or the agent has.
            password: Likewise; a jump host must never get it.
        """
        who = _who(self._host, connection)
        options = connection.ssh_config
        wanted = self._host.connection
        files = wanted.known_hosts or known_hosts_files(options)
        known_hosts = self._files.known_hosts(tuple(map(expanded, files)))
        known = known_hosts.look_up(connection.host, connection.port, alias=options.get("hostkeyalias"))
        connection.client.set_missing_host_key_policy(KnownKeys(known, files, who))
        connection.client.set_log_channel(_LOG.name)
        configured = configured_keys(key_file, options)
        self.doing = f"connecting to {who}"
        with boundary(who):
            self._sock = self._dial(connection)
        self.doing = f"the greeting of {who} and logging in"

        def transport(sock: Any, **more: Any) -> paramiko.Transport:
            made = QuietTransport(sock, default_window_size=WINDOW, **more)
            security = made.get_security_options()
            security.key_types = preferring(known.kinds, security.key_types)
            # Ciphers that authenticate by themselves first: paramiko compares the others' checksums byte by byte.
            security.ciphers = sorted(security.ciphers, key=lambda name: "gcm" not in name)
            return made

        connection.connect_kwargs = {
            "sock": self._sock,
            "banner_timeout": self._left,
            "auth_timeout": self._left,
            "channel_timeout": self._left,
            "transport_factory": transport,
            "auth_strategy": Identities(who, connection.user, configured, self._files.key, password),
        }
        self._connections.append(connection)
        with boundary(who):
            connection.open()
        connection.transport.set_keepalive(_KEEPALIVE)

    def _dial(self, connection: fabric.Connection) -> Any:
        if self._connections:
            hop = self._connections[-1]
            there = (connection.host, connection.port)
            try:
                return hop.transport.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=self._left)
            except paramiko.ChannelException as error:
                fails = "forwards nothing to it" if error.code == _PROHIBITED else "cannot reach it"
                raise ConnectionRefused(
                    f"{_who(self._host, connection)}: its jump host {hop.user}@{hop.host}:{hop.port} {fails} "
                    f"({error.text})"
                ) from error
        if connection.ssh_config.get("proxycommand", "none") != "none":
            # Once more, for its %p and %r are to be the port and the login that count here.
            counts = f"Host *\nPort {connection.port}\nUser {connection.user}\n"
            config = SSHConfig.from_text(counts + read_config(self._host.connection.ssh_config))
            return Carried(config.lookup(connection.original_host)["proxycommand"])
        return dial(connection.host, connection.port, by=self._by)


class _Connection(fabric.Connection):  # type: ignore[misc]  # fabric has no types
    """One of many that share a configuration, and leaves it alone.

    Fabric's own writes this attribute's value into the configuration, which is then put together anew, while other
    threads read it: of fifty connections at once one in a while found it empty.
    """

    inline_ssh_env = True


def _host_key(key: paramiko.PKey) -> HostKey:
    """Return the key that a connection was made with: another than the one that was checked ends it."""
    kind = _KINDS.get(key.get_name().partition("-nistp")[0], key.get_name())
    return HostKey(kind=kind, bits=key.get_bits(), fingerprint=fingerprint(key.asbytes()))


def _who(host: Host, connection: fabric.Connection) -> str:
    there = f"{connection.user}@{connection.host}:{connection.port}"
    return f"{host.name} ({there})"


def _known_hosts(files: tuple[Path, ...]) -> KnownHosts:
    return KnownHosts(entry for path in files for entry in read_entries(path))


def _configuration(path: Path | None) -> fabric.Config:
    """Return an ssh configuration as fabric takes it, without any file of fabric's own; connections only read it."""
    return fabric.Config(lazy=True, ssh_config=SSHConfig.from_text(read_config(path)))
