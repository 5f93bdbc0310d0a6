"""Which host keys are accepted, read from known_hosts files as OpenSSH reads them.

Hashed names, ``[host]:port``, wildcards, negations and ``@revoked`` count as in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
``@cert-authority`` lines accept nothing here: certificates of hosts are not checked by this transport.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

from soleil_remediate.errors import ConfigError
from soleil_remediate.local_files import read_file, shown_path

#: Room for the keys of a hundred thousand hosts, in bytes.
_LIMIT = 64 * 1024 * 1024
#: What a name that is compared as it stands does not have; a hashed one begins with a bar.
_IS_PATTERN = re.compile(r"[*?!|]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a known_hosts file.

    Args:
        marker: ``@revoked``, ``@cert-authority`` or nothing.
        names: The patterns it is about, or one hashed name.
        kind: The key's type, such as ``ssh-ed25519``.
        key: The key itself.
        where: ``file:line``.
    """

    marker: str
    names: str
    kind: str
    key: bytes
    where: str

    def is_about(self, name: str) -> bool:
        """Return whether it is about the host *name*, in lower case."""
        if self.names.startswith("|1|"):
            return _is_hash_of(name, self.names)
        found = False
        for pattern in self.names.lower().split(","):
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known about one host.

    Args:
        name: What was looked up, as ``ssh-keygen -F`` takes it.
        accepted: Its keys.
        revoked: Keys that are never accepted.
        has_authority: Whether a certificate authority stands for it.
    """

    name: str
    accepted: tuple[Entry, ...]
    revoked: tuple[Entry, ...]
    has_authority: bool

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of the accepted keys, in their order."""
        return tuple(dict.fromkeys(entry.kind for entry in self.accepted))

    def accepts(self, key: bytes) -> bool:
        """Return whether *key* is one of the host's, and not revoked."""
        return not any(entry.key == key for entry in self.revoked) and any(entry.key == key for entry in self.accepted)


def read_entries(path: Path) -> tuple[Entry, ...]:
    """Return the lines of a known_hosts file that can be understood; a missing file has none.

    Raises:
        ConfigError: It is there and cannot be read.
    """
    try:
        text = read_file(path, _LIMIT).content.decode("utf-8", "surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise ConfigError(f"the known hosts in {shown_path(path)} cannot be read: {error.strerror}") from error
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        if len(fields) < 3:
            continue
        try:
            key = b64decode(fields[2], validate=True)
        except NotBase64:
            continue
        entries.append(Entry(marker=marker, names=fields[0], kind=fields[1], key=key, where=f"{path}:{number}"))
    return tuple(entries)


class KnownHosts:
    """What known_hosts files say, by the names that they say it about: of a fleet, each host is looked up in all of it.

    Args:
        entries: Their lines, in their order.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._by_name: dict[str, list[tuple[int, Entry]]] = {}
        self._others: list[tuple[int, Entry]] = []  # patterns and hashed names, which have to be tried
        for place in enumerate(entries):
            names = place[1].names
            if _IS_PATTERN.search(names):
                self._others.append(place)
                continue
            for name in set(names.lower().split(",")):
                self._by_name.setdefault(name, []).append(place)

    def look_up(self, host: str, port: int, *, alias: str | None = None) -> Known:
        """Return what is said about a host.

        A host on another port than 22 is ``[host]:port``; where nothing is known under that name, the keys of the bare
        name count, as with OpenSSH. An *alias* (``HostKeyAlias``) is looked up as it stands.
        """
        bare = (alias or host).lower()
        named = bare if alias is not None or port == 22 else f"[{bare}]:{port}"
        found = self._about(named)
        if named != bare and not found.accepted:
            of_bare = self._about(bare, shown=named)
            found = replace(of_bare, revoked=(*found.revoked, *of_bare.revoked))
        return found

    def _about(self, name: str, *, shown: str | None = None) -> Known:
        tried = [place for place in self._others if place[1].is_about(name)]
        places = sorted([*self._by_name.get(name, ()), *tried], key=itemgetter(0))
        matching = [entry for _, entry in places]
        return Known(
            name=shown or name,
            accepted=tuple(entry for entry in matching if not entry.marker),
            revoked=tuple(entry for entry in matching if entry.marker == "@revoked"),
            has_authority=any(entry.marker == "@cert-authority" for entry in matching),
        )


def fingerprint(key: bytes) -> str:
    """Return a key's fingerprint as ``ssh-keygen -l`` prints it."""
    return "SHA256:" + b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _matches(pattern: str, name: str) -> bool:
    """Match ``*`` and ``?`` only: brackets belong to the name."""
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    expression = "".join(".*" if char == "*" else "." if char == "?" else re.escape(char) for char in pattern)
    return re.fullmatch(expression, name) is not None


def _is_hash_of(name: str, hashed: str) -> bool:
    try:
        _, _, salt, digest = hashed.split("|")
        return hmac.compare_digest(hmac.new(b64decode(salt), name.encode(), hashlib.sha1).digest(), b64decode(digest))
    except (ValueError, NotBase64):
        return False


def preferring(kinds: tuple[str, ...], supported: Sequence[str]) -> list[str]:
    """Return the key types in OpenSSH's order: those that are known of the host come first.

    Another order would make a host with several keys show one that nobody knows.
    """
    known = [name for kind in kinds for name in (("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))]
    return sorted(supported, key=lambda kind: known.index(kind) if kind in known else len(known))


def why_rejected(known: Known, kind: str, key: bytes, files: Iterable[Path]) -> str:
    """Return for people why *key* is not accepted and what they can do; nothing was sent to the host but a greeting."""
    shown = f"it shows {kind} {fingerprint(key)}"
    on_host = "on its console: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done"
    if any(entry.key == key for entry in known.revoked):
        where = next(entry.where for entry in known.revoked if entry.key == key)
        return f"its host key was revoked ({where}): {shown}. Nothing was tried, not even to log in"
    if known.accepted:
        theirs = ", ".join(f"{entry.kind} {fingerprint(entry.key)} ({entry.where})" for entry in known.accepted)
        return (
            f"its host key is not the known one: it was installed anew, or somebody is in between. Nothing was tried, "
            f"not even to log in. {shown[0].upper()}{shown[1:]}; known is {theirs}. Compare {on_host}. Only if it is "
            f"the host's own: ssh-keygen -R '{known.name}' -f {known.accepted[0].where.rpartition(':')[0]}"
        )
    authority = " (certificates of hosts are not used here, so @cert-authority does not count)"
    return (
        f"its host key is unknown, so nothing was tried, not even to log in: {shown}, and {known.name} is in none of "
        f"{', '.join(map(str, files)) or 'no file'}{authority if known.has_authority else ''}. Compare {on_host}; if "
        f"it is the same, log in once with ssh, which adds it"
    )
