"""What the errors of fabric, invoke, paramiko and sockets mean here: none of them passes this boundary."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko
from paramiko import ssh_exception

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
def boundary(who: str) -> Iterator[None]:
    """Let an error of theirs leave the block as what it means about *who*; a bug leaves it as it is."""
    try:
        yield
    except Exception as error:
        ours = meaning(error, who)
        if ours is None or ours is error:
            raise
        raise ours from error
