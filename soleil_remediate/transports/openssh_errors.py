"""What the ssh program means by its last words, in our terms.

It has one exit status for everything that is its own, 255, so its words are all there is. A host whose key was
accepted can put words of its own among them: it lies about nobody but itself.
"""

from __future__ import annotations

import re

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
from soleil_remediate.secrecy import redacted

_SHOWN = re.compile(r"^debug1: Server host (?:key|certificate): (\S+) (SHA256:\S+)", re.MULTILINE)
_OFFENDING = re.compile(r"^Offending (?:\S+ )?key in (.+:\d+)", re.MULTILINE)
_OFFERED = re.compile(r"^debug1: Offering public key: (.+?) (?:\S+ SHA256:\S+)", re.MULTILINE)
_ON_CONSOLE = "Compare on its console: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done"

#: What a line of ssh's means here; the first pattern that is found in any line. OpenSSH's sshconnect.c, sshconnect2.c,
#: packet.c, readconf.c; strerror(3) and gai_strerror(3) in the C locale.
MEANINGS: tuple[tuple[str, type[RemediateError], str], ...] = (
    (r"ad configuration option|ad owner or permissions|an't open user config file", ConfigError,
     "the ssh configuration for {who} cannot be used: {why}"),
    (r"^(?:.*: )?Permission denied \(", AuthenticationFailed, "{who}: {why}{offered}. It was not tried again"),
    (r"Too many authentication failures", AuthenticationFailed, "{who}: {why}{offered}. It was not tried again"),
    (r"Could not resolve hostname", ConnectionRefused, "{who}: the name does not resolve ({why})"),
    (r"Connection refused|No route to host|Network is unreachable|Host is down", ConnectionRefused, "{who}: {why}"),
    (r"timed out|Timeout, server", ConnectTimedOut, "{who} did not answer in time ({why})"),
    (r"no matching (?:host key type|key exchange method|cipher|MAC)|Protocol major versions differ", Unreachable,
     "{who} speaks no SSH that is safe enough: {why}"),
    (r"kex_exchange_identification|banner exchange", ConnectionLost,
     "{who} hung up before it greeted: it may have too many connections, or ban this address"),
    (r"Connection closed|Connection reset|Broken pipe|Received disconnect", ConnectionLost, "{who}: {why}"),
)  # fmt: skip


class Words:
    """What ssh has said so far: the beginning and the end, for it may be made to say very much."""

    _BEGINNING, _END = 2**16, 2**12

    def __init__(self) -> None:
        self._first, self._last = b"", b""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        room = self._BEGINNING - len(self._first)
        self._first += data[:room]
        self._last = (self._last + data[max(0, room) :])[-self._END :]

    @property
    def text(self) -> str:
        """What was kept of it."""
        return (self._first + self._last).decode("utf-8", "backslashreplace")


def meaning_of(said: str, who: str) -> RemediateError:
    """Return what it means that ssh ended before the connection was open, from all that it said."""
    lines = _own_lines(said)
    if (key := _key_error(said, lines, who)) is not None:
        return key
    if "debug1: Executing proxy command: " in said and lines and "kex_exchange_identification" not in lines[0]:
        return ConnectionRefused(f"{who}: the way to it by the ssh configuration ended: {lines[0].rstrip('.')}")
    tried = ", ".join(dict.fromkeys(_OFFERED.findall(said)))
    offered = f" (offered {tried})" if tried else " (no key could be offered)"
    for pattern, ours, text in MEANINGS:
        why = next((line for line in reversed(lines) if re.search(pattern, line)), None)
        if why is not None:
            return ours(text.format(who=who, why=why.rstrip("."), offered=offered))
    return Unreachable(f"{who}: ssh ended: {lines[-1] if lines else 'it said nothing'}")


def last_words(said: str) -> str:
    """Return the last line that is meant for people; empty where there is none."""
    return next(reversed(_own_lines(said)), "")


def _own_lines(said: str) -> list[str]:
    lines = (line.strip() for line in redacted(said).splitlines())
    return [line[:300] for line in lines if line and not re.match(r"debug\d: |OpenSSH_|Authenticated to ", line)]


def _key_error(said: str, lines: list[str], who: str) -> HostKeyRejected | None:
    """Return what is wrong with the host's key; ``None`` where nothing is."""
    if not any(line.startswith("Host key verification failed") for line in lines):
        return None
    shown = _SHOWN.findall(said)
    shows = f"it shows {shown[0][0]} {shown[0][1]}" if len(shown) == 1 else "which one it shows is not known"
    nothing = "nothing was tried, not even to log in"
    if any("REVOKED" in line or "revoked" in line for line in lines):
        return HostKeyRejected(f"{who}: its host key was revoked: {shows}. {nothing.capitalize()}")
    if any("IDENTIFICATION HAS CHANGED" in line for line in lines):
        where = ", ".join(_OFFENDING.findall(said)) or "known_hosts"
        return HostKeyRejected(
            f"{who}: its host key is not the known one ({where}): it was installed anew, or somebody is in between. "
            f"{nothing.capitalize()}; {shows}. {_ON_CONSOLE}"
        )
    named = next((line for line in lines if "key is known for" in line), "")
    about = f" ({named.rstrip('.')})" if named else ""
    return HostKeyRejected(
        f"{who}: its host key is unknown{about}, so {nothing}: {shows}. {_ON_CONSOLE}; if it is the same, log in once "
        f"with ssh, which adds it"
    )
