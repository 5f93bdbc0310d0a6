"""Who a host is, and who we are to it: host keys before anything else, then each key once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from soleil_remediate.command import Secret
from soleil_remediate.errors import AuthenticationFailed, HostKeyRejected
from soleil_remediate.local_files import read_file
from soleil_remediate.transports.known_hosts import Known, why_rejected
from soleil_remediate.transports.ssh_config import is_there, usual_keys

#: In bytes; the longest that ssh-keygen makes is a fortieth of it.
_KEY_LIMIT = 512 * 1024


class KnownKeys(paramiko.MissingHostKeyPolicy):
    """Rejects every host key that known_hosts does not hold: paramiko asks it about all, since it is given none."""

    def __init__(self, known: Known, files: tuple[Path, ...], who: str) -> None:
        self._known, self._files, self._who = known, files, who

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey) -> None:
        """Raise HostKeyRejected for a key that is not accepted."""
        if not self._known.accepts(key.asbytes()):
            why = why_rejected(self._known, key.get_name(), key.asbytes(), self._files)
            raise HostKeyRejected(f"{self._who}: {why}")


class Identities:
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
        return [] if self._password is not None else [path for path in usual_keys() if is_there(path)]


def _public_half(path: Path) -> str | None:
    """Return a key's public half as it stands beside it, or ``None``."""
    with suppress(OSError, IndexError, UnicodeDecodeError):
        return read_file(f"{path}.pub", _KEY_LIMIT).content.decode().split()[1]
    return None


def private_key(path: Path) -> paramiko.PKey:
    """Read a private key.

    Raises:
        OSError: The file cannot be read, or not to an end.
        Exception: Whatever paramiko raises for what is no key that it takes, or one with a passphrase.
    """
    read_file(path, _KEY_LIMIT)  # paramiko reads whatever it is given, however long that takes
    return paramiko.PKey.from_path(path)
