"""Pages as a web server on the host itself serves them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.files import only_missing
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: What curl's exit status says where there was no answer: https://curl.se/docs/manpage.html#EXIT
_REFUSED, TIMED_OUT, _BROKEN = frozenset({7}), frozenset({28}), frozenset({52, 56})
_NO_TLS = frozenset({35})
#: Every way in which curl ends that says something about the web server, and nothing about itself.
CURL_ENDS = frozenset({0}) | _REFUSED | TIMED_OUT | _BROKEN | _NO_TLS
#: What OpenSSL says of a certificate that it does not trust: X509_V_ERR_… in x509_vfy.h.
_DISTRUST = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is self-signed",
    19: "its authority is not known there",
    20: "its authority is not known there",
    21: "its authority is not known there",
}
_LISTENS = "0A"  # TCP_LISTEN in include/net/tcp_states.h
#: So much of a page tells a person what it is.
_EXCERPT = 200
_DEFAULT_PORTS = {"http": 80, "https": 443}

_PAGE = re.compile(r"/[!-~]*")
_ADDRESS = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[!-~]*)?")


@dataclass(frozen=True, slots=True)
class ListeningPorts(Query[frozenset[int]]):
    """The TCP ports on which something on the host listens."""

    # 1: a kernel without IPv6
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        return Command(("cat", "/proc/net/tcp", "/proc/net/tcp6"))

    def parse(self, output: Output) -> frozenset[int]:
        if output.exit_status:
            only_missing(output)
        ports = set()
        for line in output.text.splitlines():
            words = line.split()
            if words[0] == "sl":
                continue
            address, port = words[1].split(":")
            if not re.fullmatch(r"[0-9A-F]{8}|[0-9A-F]{32}", address):
                raise ValueError(f"no socket: {redacted(line)[:80]!r}")
            if words[3] == _LISTENS:
                ports.add(int(port, 16))
        return frozenset(ports)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back.

    Args:
        status: The HTTP status; ``None`` where there was no answer.
        why: Where there was none: ``refused``, ``too late``, ``broken off`` or ``no tls``.
        says: curl's own words about that.
        location: Where a redirect leads.
        excerpt: How the page begins.
        distrust: Why the host itself does not trust the certificate that its web server shows; empty where it does.
    """

    status: int | None
    why: str = ""
    says: str = ""
    location: str = ""
    excerpt: str = ""
    distrust: str = ""

    @property
    def is_served(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def detail(self) -> str:
        """What an application's own health check says is wrong; empty where it says nothing, or nothing is."""
        return self.excerpt if not self.is_served and self.excerpt.startswith("{") else ""

    @property
    def in_words(self) -> str:
        """The same, for people, as what follows a page's name."""
        if self.status is not None:
            return f"answers {self.status}"
        return {
            "refused": "is not answered: nothing listens there",
            "too late": "is not answered in time",
            "broken off": f"is broken off ({self.says})",
        }.get(self.why, f"cannot be asked for: {self.says}")


def curl(at: str, within: Duration) -> tuple[str, ...]:
    """Return curl's words for a plain GET at *at*, ``HOST:PORT``; later than *within* is no answer."""
    return (
        "curl",
        "--disable",  # root's own .curlrc has no say; must be the first
        "--silent",
        "--show-error",
        "--globoff",
        "--insecure",
        "--noproxy",
        "*",
        "--max-time",
        f"{within:.3f}",
        "--connect-to",
        f"::{at}",
    )


@dataclass(frozen=True, slots=True)
class AskPage(Query[Response]):
    """One page, as the web server on this host serves it: by its public name, without asking any name server.

    A plain GET, as a browser or a monitor sends it: no cookie, no file, no proxy, no redirect followed. A certificate
    that is not trusted is told, and the page all the same: one that has expired must not hide whether PHP answers.

    Args:
        url: As a user has it.
        at: Whom to ask for it: ``HOST:PORT``, either of them empty for the one in *url*.
        within: Later is no answer.
        headers: More of the request's own lines, or less: ``Host:`` leaves that one out.
    """

    url: str
    at: str
    within: Duration
    headers: tuple[str, ...] = ()
    expects = CURL_ENDS

    @property
    def command(self) -> Command:
        return Command(
            (
                *curl(self.at, self.within),
                "--write-out",
                r"\n%{http_code}\t%{redirect_url}\t%{ssl_verify_result}",
                *(word for header in self.headers for word in ("--http1.1", "--header", header)),
                "--url",
                self.url,
            ),
            deadline=Duration(self.within + 2),
            is_slow=True,
        )

    def parse(self, output: Output) -> Response:
        page, _, told = output.stdout.rpartition(b"\n")
        code, location, verified = told.decode("ascii").split("\t")
        if not re.fullmatch(r"[0-9]{3}", code):
            raise ValueError("not curl's last words")
        if output.exit_status == 0:
            if code == "000":
                raise ValueError("no status")
            excerpt = redacted(" ".join(page.decode("utf-8", "backslashreplace").split()))[:_EXCERPT]
            wrong = int(verified)
            distrust = _DISTRUST.get(wrong, f"OpenSSL's error {wrong}") if wrong else ""
            return Response(status=int(code), location=location, excerpt=excerpt, distrust=distrust)
        reasons = {"refused": _REFUSED, "too late": TIMED_OUT, "broken off": _BROKEN, "no tls": _NO_TLS}
        why = next(why for why, statuses in reasons.items() if output.exit_status in statuses)
        says = output.error_text.strip().partition(") ")[2] or output.error_text.strip()
        return Response(status=None, why=why, says=redacted(says)[:_EXCERPT])


def page_of(page: str, url: str | None, origin: str | None, listening: frozenset[int]) -> tuple[str, str]:
    """Return the address of a page as users have it, and where on this host it is asked for.

    The name is that of *url*, so that the right one of several sites answers. It is asked for over TLS only where
    *url* says so and something here listens for it: else TLS ends somewhere in front of this host.

    Args:
        page: Its path.
        url: The application's public address.
        origin: Where its web server listens on this host, if not on the usual ports.
        listening: The TCP ports on which something listens.
    """
    public = urlsplit(url or "http://localhost")
    name = f"[{public.hostname}]" if ":" in (public.hostname or "") else public.hostname
    if origin is not None:
        own = urlsplit(origin)
        return f"{own.scheme}://{name}{page}", f"{own.hostname}:{own.port or _DEFAULT_PORTS[own.scheme]}"
    port = public.port or _DEFAULT_PORTS[public.scheme]
    if public.scheme == "https" and port not in listening:
        return f"http://{name}{page}", "localhost:80"
    return f"{public.scheme}://{public.netloc}{page}", f"localhost:{port}"


def refuse_unless_askable(page: str, *addresses: str | None) -> None:
    """Raise ValueError where a page or an address is none that can be asked for."""
    if not _PAGE.fullmatch(page):
        raise ValueError(f"{page[:80]!r} must be a page such as /api/health/live")
    for address in addresses:
        if address is not None and not _ADDRESS.fullmatch(address):
            raise ValueError(f"{address[:80]!r} must be an address such as https://soleil.example/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a web server makes of an application's pages.

    Args:
        live: The page for which PHP is enough.
        page: The page that needs what users need.
        server: The answer to a request that no web server hands on: one of HTTP/1.1 that names no host (RFC 9112, 3.2).
            Any answer at all means that the web server itself is well.
    """

    live: Response
    page: Response
    server: Response


async def read_site(
    host: Reader, live: str, page: str, *, url: str | None, origin: str | None, within: Duration
) -> Site:
    """Ask the web server on the host for both pages, and for its own answer; two round trips.

    Raises:
        FactError: It cannot be asked.
    """
    listening = await host.ask(ListeningPorts())
    asked, needing = (AskPage(*page_of(one, url, origin, listening), within) for one in (live, page))
    bare = AskPage(asked.url, asked.at, within, headers=("Host:",))
    first, second, server = await host.ask_all(asked, needing, bare)
    return Site(live=first, page=second, server=server)


async def read_page(host: Reader, page: str, *, url: str | None, origin: str | None, within: Duration) -> Response:
    """Ask the web server on the host for a page; two round trips.

    Raises:
        FactError: It cannot be asked.
    """
    address, at = page_of(page, url, origin, await host.ask(ListeningPorts()))
    return await host.ask(AskPage(address, at, within))
