"""Ask for a page as users do: from the machine that this program runs on, by its public name, whatever leads there.

It takes no longer than it may, whatever a resolver or a server does: the work is left behind then, and what was known
by that moment is the answer. A plain GET is sent, without a cookie or a password. A redirect is followed only where it
leads to the same name on a usual port: a server must not choose where else this machine sends requests.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError
from soleil_remediate.host import Host
from soleil_remediate.secrecy import redacted
from soleil_remediate.transports.deadline import Attempt, Cancellation, GivenUp, OutOfTime
from soleil_remediate.units import Duration

#: The only program that can be asked from here, by what stands first in a command.
PROGRAM = "ask-from-here"
_PORTS = {"http": 80, "https": 443}
#: More redirects than any site has on its way from http to its front page.
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ADDRESS = re.compile(r"https?://[!-~]+")
#: As in :mod:`soleil_remediate.facts.http`: so much tells a person what a page is.
_EXCERPT = 2048
#: What OpenSSL calls a certificate whose issuer it does not know, one that is for another name or address, and what any
#: browser refuses: the latter, and one that is not valid yet, has expired or is self-signed (X509_V_ERR_… in
#: x509_vfy.h).
_UNKNOWN_ISSUER, _OTHER_NAME = frozenset({19, 20, 21}), frozenset({62, 64})
_REFUSED_BY_ALL = frozenset({9, 10, 18}) | _OTHER_NAME


def of_the_host(
    host: Host, commands: Sequence[Command], ask: Callable[[Sequence[Command]], Sequence[Output | FactError]]
) -> list[Output | FactError]:
    """Ask what is asked of a host that stands in no inventory: nothing is asked from here, whatever it says of itself.

    Else it could name an address that only this machine reaches, and have it asked.

    Args:
        host: Which; of one of an inventory everything is asked.
        commands: What is to be asked.
        ask: Asks it.
    """
    if host.is_listed:
        return [*ask(commands)]
    heard = iter(ask([command for command in commands if not command.is_from_here]))
    unasked = FactError("it is asked from here only where an inventory says so")
    return [unasked if command.is_from_here else next(heard) for command in commands]


def ask_from_here(command: Command, cancellation: Cancellation) -> Output | FactError:
    """Ask one question from this machine.

    Args:
        command: ``ask-from-here URL SECONDS CA``; *CA* is a file with certificates that are trusted as well, or empty.
        cancellation: Who asks it wants no answer any more.

    Returns:
        One JSON object about what was met on the way; why there was no answer is part of it.
    """
    if command.words[0] != PROGRAM:
        return FactError(f"{command}: cannot be asked from here", command=str(command))
    _, url, within, ca = command.words
    way = _Way(url, float(within), ca)
    attempt = Attempt(way.go, give_up=way.cut, undo=lambda _: None, cancellation=cancellation)
    ended: _Ended | None = None
    try:
        attempt.result(Duration(float(within)))
    except OutOfTime:
        ended = _Ended("too late", way.doing)
    except GivenUp:
        return FactError(f"{command}: given up", command=str(command))
    except _Ended as error:
        ended = error
    except Exception as error:  # noqa: BLE001  # whatever a stranger's server made of it, a run goes on
        ended = _Ended("odd", f"{type(error).__name__}: {error}")
    told = {**way.met, "now": int(time.time())}
    if ended is not None:
        told |= {"status": None, "location": "", "why": ended.why, "says": ended.says}
    return Output(exit_status=0, stdout=json.dumps(told).encode())


class _Ended(Exception):
    """There was no answer.

    Args:
        why: In one of the words that :class:`~soleil_remediate.facts.from_here.FromHere` knows.
        says: The same in the words of whatever said so.
    """

    def __init__(self, why: str, says: object) -> None:
        super().__init__(why)
        self.why, self.says = why, str(says)


class _Way:
    """One way to a page, and what was met on it so far."""

    def __init__(self, url: str, within: float, ca: str) -> None:
        self._url, self._ca = url, ca
        self._until = time.monotonic() + within
        self._socket: socket.socket | None = None
        self._is_cut = False
        self.doing = "nothing"
        self.met: dict[str, Any] = {
            **dict.fromkeys(("why", "says", "location", "excerpt", "at"), ""),
            "url": url,
            "status": None,
            "addresses": [],
            "expires": None,
        }

    def cut(self) -> None:
        """End whatever is waited for; for another thread."""
        self._is_cut = True
        if self._socket is not None:
            _shut_down(self._socket)

    def go(self) -> None:
        """Follow the way to its end."""
        asked = [self._url]
        while True:
            to = self._get(asked[-1])
            if to is None:
                return
            if not _is_same_site(urlsplit(self._url), urlsplit(to)):
                return  # the redirect itself is the answer
            if to in asked or len(asked) > _MOST_REDIRECTS:
                raise _Ended("circle", f"{' -> '.join(asked[-2:])} -> {to}")
            asked.append(to)

    def _get(self, url: str) -> str | None:
        """Ask for one address; return where a redirect leads."""
        if not _ADDRESS.fullmatch(url):
            raise _Ended("odd", f"no address: {redacted(url)[:200]!r}")
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self.met.update(url=url, status=None, location="", excerpt="")
        found = self._resolve(name, port)
        connected = self._connect(found)
        try:
            if parts.scheme == "https":
                connected = self._secure(connected, name, found)
            return self._ask(connected, parts, url)
        finally:
            connected.close()

    def _resolve(self, name: str, port: int) -> Sequence[Any]:
        self.doing = f"looking up {name}"
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            says = error.strerror if isinstance(error, OSError) else str(error)
            raise _Ended("no name", f"{name}: {says}") from None
        self.met["addresses"] = list(dict.fromkeys(str(where[4][0]) for where in found))
        return found

    def _connect(self, found: Sequence[Any]) -> socket.socket:
        """Connect to the first address that answers."""
        errors: list[OSError] = []
        for number, (family, kind, protocol, _, where) in enumerate(found):
            self.doing = f"connecting to {where[0]} port {where[1]}"
            sock = socket.socket(family, kind, protocol)
            self._hold(sock)
            try:
                sock.settimeout(self._left() / (len(found) - number))
                sock.connect(where)
            except OSError as error:
                sock.close()
                errors.append(error)
            else:
                self.met["at"] = str(where[0])
                return sock
        first = next((one for one in errors if isinstance(one, ConnectionRefusedError)), errors[0])
        if isinstance(first, ConnectionRefusedError):
            raise _Ended("refused", first.strerror)
        if isinstance(first, TimeoutError):
            raise _Ended("too late", self.doing)
        raise _Ended("no way", f"{self.doing}: {first.strerror or first}")

    def _secure(self, sock: socket.socket, name: str, found: Sequence[Any]) -> ssl.SSLSocket:
        self.doing = "agreeing on TLS"
        context = self._trust()
        try:
            secured = self._agree(sock, context, name)
        except OSError as error:
            raise self._not_secured(error, context, name, found) from None
        until = (secured.getpeercert() or {}).get("notAfter")
        with suppress(ValueError):
            self.met["expires"] = int(ssl.cert_time_to_seconds(str(until)))
        return secured

    def _agree(self, sock: socket.socket, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        """Agree on TLS; where that fails nothing stays open."""
        sock.settimeout(self._left())
        secured: ssl.SSLSocket | None = None
        try:
            # Where nobody is there any more, some versions of Python lose the socket and leave it open.
            if error := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(error, os.strerror(error))
            sock.getpeername()
            secured = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
            self._hold(secured)  # the plain one leads nowhere any more: to cut that would end nothing
            secured.do_handshake()
        except BaseException:
            (secured or sock).close()
            raise
        return secured

    def _hold(self, sock: socket.socket) -> None:
        """Let it be this one that is cut, also where somebody has done so just now."""
        self._socket = sock
        if self._is_cut:
            _shut_down(sock)

    def _not_secured(self, error: OSError, context: ssl.SSLContext, name: str, found: Sequence[Any]) -> _Ended:
        """Return why no TLS came to be."""
        match error:
            case ssl.SSLCertVerificationError():
                if error.verify_code in _UNKNOWN_ISSUER and not self._ca and not _knows_authorities(context):
                    return _Ended("no authorities", error.verify_message)
                is_for = self._names(found, name) if error.verify_code in _OTHER_NAME else ""
                why = "not trusted" if error.verify_code in _REFUSED_BY_ALL else "unknown issuer"
                return _Ended(why, f"{error.verify_message.rstrip('.')}{is_for}")
            case TimeoutError():
                return _Ended("too late", self.doing)
            case ssl.SSLError():
                return _Ended("no tls", error.reason or error)
            case _:
                return _Ended("broken off", f"{self.doing}: {error.strerror or error}")

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        # Python 3.13 is stricter than browsers are: it refuses an authority that does not identify its own key.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self._ca:
            try:
                context.load_verify_locations(cafile=self._ca)
            except OSError as error:  # SSLError is one
                raise _Ended("no ca", f"{self._ca}: {error.strerror or error}") from None
        return context

    def _names(self, found: Sequence[Any], name: str) -> str:
        """Return for people which names a certificate has that is for another one."""
        context = self._trust()
        context.check_hostname = False
        with suppress(OSError, _Ended), self._agree(self._connect(found), context, name) as secured:
            names = [str(entry[1]) for entry in (secured.getpeercert() or {}).get("subjectAltName", ())]
            return f"; it is for {', '.join(names[:5])}{'…' if len(names) > 5 else ''}"
        return ""

    def _ask(self, sock: socket.socket, parts: SplitResult, url: str) -> str | None:
        self.doing = "waiting for the answer"
        connection = http.client.HTTPConnection(parts.hostname or "")
        connection.sock = sock
        path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        try:
            sock.settimeout(self._left())
            connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
            for header, value in (("Host", parts.netloc), ("User-Agent", "soleil-remediate"), ("Accept", "*/*")):
                connection.putheader(header, value)
            connection.endheaders()
            answer = connection.getresponse()
            excerpt = answer.read(_EXCERPT).decode("utf-8", "backslashreplace")
        except TimeoutError:
            raise _Ended("too late", self.doing) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Ended("broken off", str(error) or type(error).__name__) from None
        location = answer.getheader("Location", "") if answer.status in _REDIRECTS else ""
        to = urljoin(url, location) if location else ""
        self.met.update(status=answer.status, excerpt=excerpt, location=to)
        return to or None

    def _left(self) -> float:
        return max(self._until - time.monotonic(), 0.001)


def _shut_down(sock: socket.socket) -> None:
    """End what is waited for on a socket; of one with TLS nothing else is touched, as its own thread still uses it."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _is_same_site(first: SplitResult, then: SplitResult) -> bool:
    try:
        ports = {first.port, None, *_PORTS.values()}
        return then.scheme in _PORTS and then.hostname == first.hostname and then.port in ports
    except ValueError:
        return False


def _knows_authorities(context: ssl.SSLContext) -> bool:
    """Whether this machine knows any authority at all: without one every certificate looks wrong from here."""
    if context.cert_store_stats()["x509_ca"]:
        return True
    folder = ssl.get_default_verify_paths().capath or ""
    return bool(folder) and any(Path(folder).iterdir())
