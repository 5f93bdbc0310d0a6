"""Which host key the ssh program has checked, as far as that can be known from what it says about itself."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from soleil_remediate.errors import ConfigError
from soleil_remediate.transports import HostKey
from soleil_remediate.transports.known_hosts import fingerprint, read_entries

_SHOWN = re.compile(r"^debug1: Server host key: (\S+) (SHA256:\S+)\r?$", re.MULTILINE)
_FOUND = re.compile(r"^debug1: Found key in (.+):(\d+)\r?$", re.MULTILINE)


def checked_key(said: str) -> HostKey | None:
    """Return the key, from ssh's words at level DEBUG1; ``None`` where they leave any doubt.

    A host may print lines of this form before a login, and a jump host's ssh may print its own: two of them are none.
    A host certificate has no line in a file that could be compared.
    """
    shown, found = _SHOWN.findall(said), _FOUND.findall(said)
    if len(shown) != 1 or len(found) != 1:
        return None
    kind, print_ = shown[0]
    path, line = found[0]
    with suppress(ConfigError):
        for entry in read_entries(Path(path)):
            if entry.where == f"{path}:{line}" and entry.kind == kind and fingerprint(entry.key) == print_:
                return _described(kind, entry.key, print_)
    return None


def _described(kind: str, key: bytes, print_: str) -> HostKey | None:
    """Return a key as ssh-keygen names it; ``None`` for kinds whose length nobody knows here."""
    if kind == "ssh-ed25519":
        return HostKey(kind="ED25519", bits=256, fingerprint=print_)
    if curve := re.fullmatch(r"ecdsa-sha2-nistp(\d+)", kind):
        return HostKey(kind="ECDSA", bits=int(curve[1]), fingerprint=print_)
    if kind == "ssh-rsa":  # RFC 4253, 6.6: a name, the exponent, the modulus; each behind its length
        modulus, _ = _field(_field(_field(key)[1])[1])
        return HostKey(kind="RSA", bits=int.from_bytes(modulus).bit_length(), fingerprint=print_)
    return None


def _field(data: bytes) -> tuple[bytes, bytes]:
    """Return the first field and what stands behind it."""
    length = int.from_bytes(data[:4])
    return data[4 : 4 + length], data[4 + length :]
