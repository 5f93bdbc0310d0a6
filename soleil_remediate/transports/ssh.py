"""Reach hosts over SSH: fabric reads the configuration and opens the connection, paramiko carries it.

This is the boundary: no error of fabric, invoke, paramiko or a socket passes it, and no message of theirs reaches a
terminal. Host keys are checked before authentication, every step has a deadline, and authentication is not retried.
"""

from __future__ import annotations

import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import fabric
import paramiko
from paramiko import ssh_exception
from paramiko.config import SSHConfig
from paramiko.pkey import UnknownKeyType

from soleil_remediate.command import Secret
from soleil_remediate.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimedOut,
    HostKeyRejected,
    RemediateError,
    Unreachable,
)
from soleil_remediate.host import Host
from soleil_remediate.transports import HostKey
from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.transports.dial import Carried, dial
from soleil_remediate.transports.known_hosts import Known, fingerprint, look_up, preferring, read_entries, why_rejected
from soleil_remediate.transports.session import BASE, ShellSession
from soleil_remediate.transports.shell import Stream, opening
from soleil_remediate.transports.ssh_config import configured_keys, jumps, known_hosts_files, read_config, usual_keys
from soleil_remediate.units import Duration, MiB

#: What an error of the libraries below means here; the first class that fits. The message may have two places: for
#: who is meant, and for what the error says.
MEANINGS: tuple[tuple[type[BaseException], type[RemediateError], str], ...] = (
    (paramiko.PasswordRequiredException, AuthenticationFailed, "{who}: the private key needs a passphrase"),
    (paramiko.BadAuthenticationType, AuthenticationFailed, "{who} takes no public keys: {why}"),
    (paramiko.AuthenticationException, AuthenticationFailed, "{who}: {why}"),
    (paramiko.BadHostKeyException, HostKeyRejected, "{who}: its host key is not the known one"),
    (ssh_exception.IncompatiblePeer, Unreachable, "{who} speaks no SSH that is safe enough: {why}"),
    (ssh_exception.MessageOrderError, Unreachable, "{who} breaks the SSH protocol, or somebody in between does: {why}"),
    (paramiko.ConfigParseError, ConfigError, "the ssh configuration for {who} cannot be read: {why}"),
    (paramiko.CouldNotCanonicalize, ConfigError, "the ssh configuration cannot make a full name of {who}: {why}"),
    (paramiko.ProxyCommandFailure, ConnectionRefused, "{who}: the ProxyCommand of the ssh configuration ended: {why}"),
    (paramiko.ChannelException, ConnectionRefused, "{who} opens no channel: {why}"),
    (paramiko.SSHException, ConnectionLost, "{who}: {why}"),
    (socket.gaierror, ConnectionRefused, "{who}: the name does not resolve ({why})"),
    (TimeoutError, ConnectTimedOut, "{who} did not answer in time"),
    (ConnectionResetError, ConnectionLost, "{who} closed the connection"),
    (BrokenPipeError, ConnectionLost, "{who} closed the connection"),
    (OSError, ConnectionRefused, "{who}: {why}"),
    (EOFError, ConnectionLost, "{who} closed the connection"),
)

_LOG = logging.getLogger("soleil_remediate.transports.ssh.paramiko")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

#: What ssh-keygen calls the types of host keys (OpenSSH's sshkey.c, sshkey_type).
_KINDS = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA", "ecdsa-sha2": "ECDSA", "ssh-dss": "DSA"}

_KEEPALIVE = 15
#: How much a host may send before we take it: what is still under way when a command has run out of time.
_WINDOW = MiB(1)
#: For what takes one or two round trips on a connection that works, to a host that may be overloaded.
_STEP = Duration(20)
#: What a channel is given before it is looked whether something arrived; in packets that every sshd takes.
_AT_ONCE, _PACKET = 2**18, 2**15


def meaning(error: BaseException, who: str) -> RemediateError | None:
    """Return what an error of the libraries below means; ``None`` for what is none of theirs: a bug."""
    if isinstance(error, RemediateError):
        return error
    said = error.strerror if isinstance(error, OSError) else None  # in words, without its number
    why = said or str(error).strip() or type(error).__name__
    if "protocol banner" in why:
        return ConnectionLost(f"{who} hung up before it greeted: it may have too many connections, or ban this address")
    for theirs, ours, text in MEANINGS:
        if isinstance(error, theirs):
            return ours(text.format(who=who, why=why))
    if type(error).__module__.partition(".")[0] in {"paramiko", "fabric", "invoke"}:
        return ConnectionLost(f"{who}: {why}")
    return None


@contextmanager
def _boundary(who: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        ours = meaning(error, who)
        if ours is None or ours is error:
            raise
        raise ours from error


class _Arrived(threading.Event):
    """Set by whatever arrives on any channel. paramiko clears it when one buffer is empty; we do when all are."""

    def clear(self) -> None:
        pass

    def reset(self) -> None:
        super().clear()


class _Transport(paramiko.Transport):
    """A transport that dies in silence: what it has to say is in its exception, not on the terminal."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # noqa: BLE001  # a thread's traceback would go to the terminal
            self.saved_exception = error
            self.active = False
            self.packetizer.close()


class _KnownKeys(paramiko.MissingHostKeyPolicy):
    """Rejects every host key that known_hosts does not hold: paramiko asks it about all, since it is given none."""

    def __init__(self, known: Known, files: tuple[Path, ...], who: str) -> None:
        self._known, self._files, self._who = known, files, who

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey) -> None:
        """Raise HostKeyRejected for a key that is not accepted."""
        if not self._known.accepts(key.asbytes()):
            why = why_rejected(self._known, key.get_name(), key.asbytes(), self._files)
            raise HostKeyRejected(f"{self._who}: {why}")


class _Identities:
    """Who we are to one host: what paramiko calls an authentication strategy. Each key is offered once.

    Args:
        who: Whom it is about, for people.
        user: The login.
        configured: The only keys to offer; empty leaves it to the agent and the usual files.
        load: Reads a private key's file.
        password: Sent once, after the keys that are configured; with one, no other key is offered.
    """

    def __init__(
        self,
        who: str,
        user: str,
        configured: tuple[Path, ...],
        load: Callable[[Path], paramiko.PKey],
        password: Secret | None,
    ) -> None:
        self._who, self._user, self._configured, self._load = who, user, configured, load
        self._password = password
        self._unusable: list[str] = []

    def authenticate(self, transport: paramiko.Transport) -> None:
        """Offer the keys, one after the other, until one is taken."""
        offered: list[str] = []
        for name, key in self._keys():
            offered.append(name)
            try:
                more = transport.auth_publickey(self._user, key)
            except paramiko.BadAuthenticationType:
                raise
            except paramiko.AuthenticationException:
                if not transport.is_active():
                    break
                continue
            if not more:
                return
            raise AuthenticationFailed(f"{self._who} wants a second factor ({', '.join(more)}), which nobody can give")
        if self._password is not None and transport.is_active():
            offered.append("the password")
            with suppress(paramiko.AuthenticationException):
                if not transport.auth_password(self._user, self._password.reveal()):
                    return
        tried = f"refused {', '.join(offered)}" if offered else "could be offered no key"
        beside = f"; not usable: {'; '.join(self._unusable)}" if self._unusable else ""
        raise AuthenticationFailed(f"{self._who} {tried}{beside}. It was not tried again")

    def _keys(self) -> Iterator[tuple[str, paramiko.PKey]]:
        agent = paramiko.Agent()
        try:
            if not self._configured and self._password is None:
                for key in agent.get_keys():
                    yield f"{key.get_name()} from the agent", key
            for path in self._configured or self._usual():
                try:
                    yield str(path), self._load(path)
                except TypeError:  # so cryptography says that there is a passphrase
                    held = next((key for key in agent.get_keys() if key.get_base64() == _public_half(path)), None)
                    if held is not None:
                        yield f"{path} from the agent", held
                    else:
                        self._unusable.append(f"{path} needs a passphrase, and the agent has it not: ssh-add {path}")
                except OSError as error:
                    self._unusable.append(f"{path} cannot be read: {error.strerror}")
                except (paramiko.SSHException, UnknownKeyType, ValueError):
                    self._unusable.append(f"{path} is no private key of a kind that can be used here")
        finally:
            agent.close()

    def _usual(self) -> list[Path]:
        return [] if self._password is not None else [path for path in usual_keys() if path.exists()]


def _public_half(path: Path) -> str | None:
    """Return a key's public half as it stands beside it, or ``None``."""
    with suppress(OSError, IndexError, UnicodeDecodeError):
        return path.with_name(path.name + ".pub").read_text("utf-8").split()[1]
    return None


class _Channel:
    """One shell's stream on a channel of its own."""

    def __init__(self, channel: paramiko.Channel, arrived: _Arrived, who: str) -> None:
        self._channel, self._who = channel, who
        self._gone_since: float | None = None
        channel.settimeout(0.0)
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(arrived)

    def send(self, data: memoryview) -> int:
        """Send what the far end's window takes."""
        sent = 0
        with _boundary(self._who), suppress(TimeoutError):
            while sent < len(data) and not self._channel.closed and sent < _AT_ONCE:
                count = self._channel.send(bytes(data[sent : sent + _PACKET]))
                if not count:
                    break
                sent += count
        return sent

    def receive(self) -> tuple[bytes, bytes]:
        """Return what has arrived."""
        channel = self._channel
        with _boundary(self._who):
            out = channel.recv(_WINDOW) if channel.recv_ready() else b""
            err = channel.recv_stderr(_WINDOW) if channel.recv_stderr_ready() else b""
        if not out and not err and not channel.get_transport().is_active():
            raise ConnectionLost(f"{self._who} closed the connection")
        return out, err

    @property
    def has_ended(self) -> bool:
        """Whether the shell is gone: a process that it left behind may keep the channel open for a while."""
        channel = self._channel
        is_over = channel.closed or channel.eof_received
        if not is_over and not channel.exit_status_ready():  # the usual answer, and asked for often
            return False
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if is_over:
            return True
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > 1

    def close(self) -> None:
        """Close the channel; the shell reads the end of its input."""
        with _boundary(self._who):
            self._channel.close()


class _Link:
    """One SSH connection and the shells on it.

    Args:
        connections: The host's own connection last, those to its jump hosts before it.
        command: What the host's login shell is given.
        who: Whom it is about, for people.
    """

    def __init__(self, connections: list[fabric.Connection], command: str, who: str) -> None:
        self._connections, self._command, self._who = connections, command, who
        self._transport: paramiko.Transport = connections[-1].transport
        self._arrived = _Arrived()

    def open_stream(self) -> Stream | None:
        """Start a shell on a new channel; ``None`` where the host gives no more."""
        with _boundary(self._who), self._cut_after(_STEP):
            try:
                channel = self._transport.open_session(timeout=_STEP)
                channel.exec_command(self._command)
            except paramiko.ChannelException:
                return None
            except paramiko.SSHException:
                if not self._transport.is_active():
                    raise
                return None  # the host could not start it
        return _Channel(channel, self._arrived, self._who)

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, or after that long."""
        self._arrived.wait(seconds)
        self._arrived.reset()

    def close(self) -> None:
        """End the connection at once."""
        for connection in reversed(self._connections):
            _cut(connection.client.get_transport())

    @contextmanager
    def _cut_after(self, seconds: Duration) -> Iterator[None]:
        """End the connection if what is done within takes longer: paramiko waits for some answers without a limit."""
        timer = threading.Timer(seconds, self.close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _cut(transport: paramiko.Transport | None) -> None:
    if transport is None:
        return
    with suppress(Exception):  # whatever state it is in: it is given up
        transport.sock.shutdown(socket.SHUT_RDWR)  # wakes its thread, which else sleeps on
    with suppress(Exception):
        transport.close()


class SshTransport:
    """Reaches hosts over SSH. Used by many threads at once; what it read from files is read once.

    Args:
        base: Where locks and operations are kept on the hosts; another one is for tests without root.
    """

    def __init__(self, *, base: PurePosixPath = BASE) -> None:
        self.base = base
        self.config = cache(_configuration)
        self.entries = cache(read_entries)
        self.key = cache(paramiko.PKey.from_path)

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
            with _boundary(host.name):
                wanted = host.connection
                target = self._connection(wanted.address, user=wanted.user, port=wanted.port)
                for hop in jumps(target.ssh_config):
                    self._log_in(self._connection(hop), key_file=None, password=None)
                password = wanted.password.resolve() if wanted.password is not None else None
                self._log_in(target, key_file=wanted.key_file, password=password)
                link = _Link(
                    self._connections, f"exec sh -c {shlex.quote(opening(become=wanted.become))}", _who(host, target)
                )
                self.doing = "starting a shell"
                key = target.transport.get_remote_server_key()
                return ShellSession.start(host, link, base=self._files.base, host_key=_host_key(key))
        except BaseException:
            self.cut()
            raise

    def cut(self) -> None:
        """End everything that is open; from any thread."""
        for connection in reversed(self._connections):
            _cut(connection.client.get_transport())
        with suppress(Exception):  # whatever it is, it is given up
            self._sock.close()

    def _connection(self, address: str, *, user: str | None = None, port: int | None = None) -> fabric.Connection:
        """Return fabric's view of a host: the ssh configuration, and none of fabric's or invoke's own files."""
        try:
            return fabric.Connection(
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
        entries = [entry for path in files for entry in self._files.entries(path.expanduser())]
        known = look_up(entries, connection.host, connection.port, alias=options.get("hostkeyalias"))
        connection.client.set_missing_host_key_policy(_KnownKeys(known, files, who))
        connection.client.set_log_channel(_LOG.name)
        configured = configured_keys(key_file, options)
        self.doing = f"connecting to {who}"
        self._sock = self._dial(connection)
        self.doing = f"the greeting of {who} and logging in"

        def transport(sock: Any, **more: Any) -> paramiko.Transport:
            made = _Transport(sock, default_window_size=_WINDOW, **more)
            made.handshake_timeout = self._left
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
            "auth_strategy": _Identities(who, connection.user, configured, self._files.key, password),
        }
        self._connections.append(connection)
        connection.open()
        connection.transport.set_keepalive(_KEEPALIVE)

    def _dial(self, connection: fabric.Connection) -> Any:
        if self._connections:
            before = self._connections[-1].transport
            there = (connection.host, connection.port)
            return before.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=self._left)
        if connection.ssh_config.get("proxycommand", "none") != "none":
            # Once more, for its %p and %r are to be the port and the login that count here.
            counts = f"Host *\nPort {connection.port}\nUser {connection.user}\n"
            config = SSHConfig.from_text(counts + read_config(self._host.connection.ssh_config))
            return Carried(config.lookup(connection.original_host)["proxycommand"])
        return dial(connection.host, connection.port, by=self._by)


def _host_key(key: paramiko.PKey) -> HostKey:
    """Return the key that a connection was made with: another than the one that was checked ends it."""
    kind = _KINDS.get(key.get_name().partition("-nistp")[0], key.get_name())
    return HostKey(kind=kind, bits=key.get_bits(), fingerprint=fingerprint(key.asbytes()))


def _who(host: Host, connection: fabric.Connection) -> str:
    there = f"{connection.user}@{connection.host}:{connection.port}"
    return f"{host.name} ({there})"


def _configuration(path: Path | None) -> fabric.Config:
    """Return an ssh configuration as fabric takes it, without any file of fabric's own; connections only read it."""
    return fabric.Config(lazy=True, ssh_config=SSHConfig.from_text(read_config(path)))
