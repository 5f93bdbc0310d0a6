"""The files of this machine that an inventory names to reach hosts, looked at before any host is contacted.

Keys and secrets are only looked at here; a connection reads them when it needs them. What an ssh configuration names
beyond the inventory is known when a host is connected to, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from soleil_remediate.errors import ConfigError, InventoryError
from soleil_remediate.host import Connection, Host, SecretReference
from soleil_remediate.loading.connections import BECOME_PASSWORD, KEY_FILE, PASSWORD
from soleil_remediate.local_files import expanded, read_file, shown_path

#: In bytes; nothing longer is a key, an ssh configuration or known hosts.
_LIMIT = 64 * 1024 * 1024
#: So many hosts are named where a file is needed for more.
_NAMED = 3

#: The variables that may name something, how it is judged, and what they name.
_Need: TypeAlias = tuple[tuple[str, ...], Callable[[Any], str | None], Any]


def check_local_files(hosts: Iterable[Host]) -> None:
    """Refuse a private key, secret or ssh configuration that is missing, and whatever is there and cannot be used.

    Known hosts may be missing: then no key of a host is accepted yet.

    Raises:
        InventoryError: A line for each, with its ``file:line:column`` and the hosts that it is for.
    """
    needed: dict[tuple[str, Callable[[Any], str | None], Any], list[str]] = {}
    for host in hosts:
        for variables, judge, named in _needs(host.connection):
            origin = next((f"{host.origins[name]}: " for name in variables if name in host.origins), "")
            needed.setdefault((origin, judge, named), []).append(host.name)
    mistakes = [
        f"{origin}{together(names)}: {mistake}"
        for (origin, judge, named), names in needed.items()
        if (mistake := judge(named))
    ]
    if mistakes:
        raise InventoryError("\n".join(mistakes))


def _needs(connection: Connection) -> Iterator[_Need]:
    if connection.become and connection.become_password is not None:
        yield BECOME_PASSWORD, _wrong_with_secret, connection.become_password
    if connection.transport == "local":
        return
    by_program = connection.transport == "openssh"
    if connection.key_file is not None:
        yield KEY_FILE, _wrong_with_identity if by_program else _wrong_with_key, connection.key_file
    if connection.password is not None:
        yield PASSWORD, _typed_by_nobody if by_program else _wrong_with_secret, connection.password
    if connection.ssh_config is not None:
        yield ("ssh_config",), _wrong_with_ssh_config, connection.ssh_config
    for path in connection.known_hosts:
        yield ("known_hosts",), _wrong_with_known_hosts, path


def _wrong_with_key(path: Path) -> str | None:
    content, mistake = _content("the private key", path)
    if mistake or b"PRIVATE KEY-----" in content:
        return mistake
    if path.name.endswith("-cert.pub"):  # a certificate stands for the key beside it
        return None
    if content.startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return f"{shown_path(path)} is the public half of a key: name the private one"
    return f"{shown_path(path)} is no private key of a kind that can be used here"


def _wrong_with_identity(path: Path) -> str | None:
    """Judge what the ssh program is given: also the public half of a key that an agent or a token holds."""
    return _content("the key", path)[1]


def _typed_by_nobody(reference: SecretReference) -> str | None:
    return f"the ssh program is given no password, and {reference} is one: use a key, or transport: ssh"


def _wrong_with_secret(reference: SecretReference) -> str | None:
    try:
        reference.resolve()
    except ConfigError as error:
        return str(error)
    return None


def _wrong_with_ssh_config(path: Path) -> str | None:
    return _content("the ssh configuration", path)[1]


def _wrong_with_known_hosts(path: Path) -> str | None:
    return _content("the file of known hosts", path, may_be_missing=True)[1]


def _content(what: str, path: Path, *, may_be_missing: bool = False) -> tuple[bytes, str | None]:
    """Return what stands in a file, and what is wrong with it."""
    try:
        return read_file(expanded(path), _LIMIT).content, None
    except (FileNotFoundError, NotADirectoryError):
        return b"", None if may_be_missing else f"{what} {shown_path(path)} does not exist"
    except OSError as error:
        return b"", f"{what} {shown_path(path)} cannot be read: {error.strerror}"


def together(names: Sequence[str]) -> str:
    """Return the names of hosts about which the same is to be said: the first ones, and how many more."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
