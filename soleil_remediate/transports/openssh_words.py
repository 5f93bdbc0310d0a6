"""What the ssh program is told: every option that keeps it from asking, forwarding, writing or trusting by itself.

Options on its command line come before any configuration's, so what stands here cannot be undone there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Connection
from soleil_remediate.local_files import expanded
from soleil_remediate.transports.ssh_config import configured_keys

#: For the host and for every one on the way to it.
_ALWAYS = (
    "BatchMode=yes",  # nobody is asked, for a password, a passphrase or about a key
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
    "ConnectionAttempts=1",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "EscapeChar=none",
    "AddKeysToAgent=no",
    "ControlPersist=no",
    "VisualHostKey=no",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=2",
)
_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?P<host>\[[^\]]+\]|[^:\[\]]+)(?::(?P<port>[0-9]+))?/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What ssh makes of its configuration and of what it is told.

    Args:
        user: The login.
        address: Where it connects to.
        port: On which port.
        jumps: The hosts to go through, nearest first, as ``ProxyJump`` names them.
    """

    user: str
    address: str
    port: str
    jumps: tuple[str, ...]


def asking(connection: Connection) -> list[str]:
    """Return the words that print the configuration for the host, and connect to nobody."""
    return ["ssh", "-G", *_told(connection), "--", connection.address]


def effective(printed: str) -> Effective:
    """Return what ``ssh -G`` printed."""
    found = {name: value for name, _, value in (line.partition(" ") for line in printed.splitlines())}
    named = found.get("proxyjump", "none")
    return Effective(
        user=found.get("user", ""),
        address=found.get("hostname", ""),
        port=found.get("port", ""),
        jumps=() if named == "none" else tuple(hop.strip() for hop in named.split(",")),
    )


def mastering(connection: Connection, socket: Path, found: Effective, *, within: int) -> list[str]:
    """Return the words that open the connection and carry shells through *socket*.

    Its words at level DEBUG1 say which host key it checked.

    Raises:
        ConfigError: The inventory's key is not there, or a path cannot be told to ssh.
    """
    options = [*_ALWAYS, f"ConnectTimeout={within}", *_known_hosts(connection), "ControlMaster=yes", "LogLevel=DEBUG1"]
    if found.jumps:
        options.append(f"ProxyCommand={_carried_by(found.jumps, connection, within=within)}")
    for key in configured_keys(connection.key_file, {}):
        options += ["IdentitiesOnly=yes", f"IdentityFile={_quoted(key)}"]
    return ["ssh", "-N", "-T", "-S", str(socket), *_as_words(options), *_told(connection), "--", connection.address]


def through(socket: Path, command: str) -> list[str]:
    """Return the words that run *command* over the connection behind *socket*.

    ssh connects by itself where the socket is gone, so there is no host that it could reach.
    """
    options = ("ControlMaster=no", "BatchMode=yes", "ProxyCommand=false", "LogLevel=ERROR", "EscapeChar=none")
    return ["ssh", "-F", "none", "-T", "-S", str(socket), *_as_words(options), "--", "by-its-socket", command]


def _told(connection: Connection) -> list[str]:
    told = ["-F", str(expanded(connection.ssh_config))] if connection.ssh_config is not None else []
    if connection.user is not None:
        told += ["-l", connection.user]
    if connection.port is not None:
        told += ["-p", str(connection.port)]
    return told


def _carried_by(jumps: Sequence[str], connection: Connection, *, within: int) -> str:
    """Return the ProxyCommand that goes through *jumps*: by itself, ssh would be less strict with them.

    Only the ssh configuration says how to log in there: keys of the inventory are the host's own.
    """
    hop = _HOP.fullmatch(jumps[-1])
    if hop is None:
        raise ConfigError(f"ProxyJump {jumps[-1]!a} of the ssh configuration cannot be read")
    options = [*_ALWAYS, f"ConnectTimeout={within}", *_known_hosts(connection), "ControlPath=none", "LogLevel=ERROR"]
    if len(jumps) > 1:
        options.append(f"ProxyCommand={_carried_by(jumps[:-1], connection, within=within)}")
    words = ["ssh", *_as_words(options)]
    if connection.ssh_config is not None:
        words += ["-F", str(expanded(connection.ssh_config))]
    for letter, value in (("-l", hop["user"]), ("-p", hop["port"])):
        words += [letter, value] if value else []
    return f"{_literal(words)} -W '[%h]:%p' -- {_literal([hop['host'].strip('[]')])}"


def _literal(words: Sequence[str]) -> str:
    """Return words for a shell, in a text whose percent signs ssh expands."""
    return shlex.join(words).replace("%", "%%")


def _known_hosts(connection: Connection) -> list[str]:
    if not connection.known_hosts:
        return []
    files = " ".join(_quoted(expanded(path)) for path in connection.known_hosts)
    return [f"UserKnownHostsFile={files}", "GlobalKnownHostsFile=/dev/null"]


def _quoted(path: Path) -> str:
    """Return a path as it stands in an ssh configuration, where much would be expanded."""
    text = str(path)
    if any(part in text for part in ('"', "\\", "${", "\n")):
        raise ConfigError(f"{text!a} cannot be told to the ssh program: give it a name without quotes and '${{'")
    return f'"{text.replace("%", "%%")}"'


def _as_words(options: Sequence[str]) -> list[str]:
    return [word for option in options for word in ("-o", option)]
