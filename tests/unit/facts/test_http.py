from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.http import (
    AskPage,
    ListeningPorts,
    Response,
    page_of,
    read_page,
    read_site,
    refuse_unless_askable,
)
from soleil_remediate.units import Duration
from tests.unit.facts.answers import ask_here, said, see
from tests.unit.facts.services import SOCKETS

FIVE = Duration(5)
LIVE = "/api/health/live"


def asked(status: int, stdout: str, stderr: str = "") -> Response:
    return AskPage("http://localhost/", "localhost:80", FIVE).answer(said(stdout, status=status, stderr=stderr))


def test_the_ports_on_which_something_listens_and_no_others() -> None:
    assert ListeningPorts().answer(said(SOCKETS)) == {22, 80}


def test_a_kernel_without_ipv6_has_ports_too() -> None:
    stderr = "cat: /proc/net/tcp6: No such file or directory\n"
    assert ListeningPorts().answer(said(SOCKETS, status=1, stderr=stderr)) == {22, 80}


def test_what_is_no_list_of_sockets_is_an_error() -> None:
    with pytest.raises(FactError, match="no socket"):
        ListeningPorts().answer(said("0: somewhere:0050 x 0A\n"))


@pytest.mark.parametrize(
    "url, origin, listening, expected",
    [
        (None, None, {80}, ("http://localhost/up", "localhost:80")),
        ("https://soleil.example/", None, {80, 443}, ("https://soleil.example/up", "localhost:443")),
        ("https://soleil.example/", None, {80}, ("http://soleil.example/up", "localhost:80")),
        ("https://soleil.example:8443/", None, {80, 8443}, ("https://soleil.example:8443/up", "localhost:8443")),
        ("http://soleil.example/", None, set(), ("http://soleil.example/up", "localhost:80")),
        ("https://soleil.example/", "http://127.0.0.1:8080", {80}, ("http://soleil.example/up", "127.0.0.1:8080")),
        ("https://soleil.example/", "https://10.0.0.1", {80}, ("https://soleil.example/up", "10.0.0.1:443")),
        ("http://[2001:db8::1]/", "http://127.0.0.1", set(), ("http://[2001:db8::1]/up", "127.0.0.1:80")),
    ],
)
def test_a_page_is_asked_for_by_its_public_name_where_the_host_listens(
    url: str | None, origin: str | None, listening: set[int], expected: tuple[str, str]
) -> None:
    assert page_of("/up", url, origin, frozenset(listening)) == expected


def test_an_answer_says_its_status_where_it_leads_and_how_it_begins() -> None:
    seen = asked(0, '{"status":"fail",\n "why": "x"}\n503\thttps://soleil.example/\t0')
    assert seen == Response(status=503, location="https://soleil.example/", excerpt='{"status":"fail", "why": "x"}')
    assert (seen.is_served, seen.in_words, seen.detail) == (False, "answers 503", '{"status":"fail", "why": "x"}')


def test_a_page_of_html_says_nothing_in_detail_and_neither_does_one_that_is_well() -> None:
    assert asked(0, "<h1>502 Bad Gateway</h1>\n502\t\t0").detail == ""
    assert asked(0, '{"status":"ok"}\n200\t\t0').detail == ""
    assert asked(0, "\n204\t\t0").is_served


@pytest.mark.parametrize(
    "status, stderr, why, words",
    [
        (
            7,
            "curl: (7) Failed to connect to localhost port 80 after 0 ms",
            "refused",
            "is not answered: nothing listens there",
        ),
        (28, "curl: (28) Operation timed out after 5001 ms", "too late", "is not answered in time"),
        (52, "curl: (52) Empty reply from server", "broken off", "is broken off (Empty reply from server)"),
        (35, "curl: (35) wrong version number", "no tls", "cannot be asked for: wrong version number"),
    ],
)
def test_no_answer_says_why(status: int, stderr: str, why: str, words: str) -> None:
    seen = asked(status, "\n000\t\t0", stderr)
    assert (seen.status, seen.why, seen.is_served, seen.in_words) == (None, why, False, words)


@pytest.mark.parametrize(
    "verified, distrust",
    [
        (0, ""),
        (9, "it is not valid yet"),
        (10, "it has expired"),
        (18, "it is self-signed"),
        (20, "its authority is not known there"),
        (7, "OpenSSL's error 7"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_beside_the_page(verified: int, distrust: str) -> None:
    seen = asked(0, f"\n200\t\t{verified}")
    assert (seen.is_served, seen.distrust) == (True, distrust)


@pytest.mark.parametrize(
    "status, stdout",
    [
        (0, "\n000\t\t0"),
        (0, "200"),
        (0, "\n200\t"),
        (0, "\n200\t\tx"),
        (0, "\n20\t\t0"),
        (3, "\n000\t\t0"),
        (6, "\n000\t\t0"),
    ],
)
def test_what_curl_did_not_say_so_is_an_error(status: int, stdout: str) -> None:
    with pytest.raises(FactError):
        asked(status, stdout, "curl: x")


def test_both_pages_and_the_servers_own_answer_are_asked_for_together() -> None:
    site = see(
        read_site(Reader(), LIVE, "/up", url=None, origin=None, within=FIVE),
        ("/proc/net/tcp", said(SOCKETS)),
        ("--header Host:", said("\n400\t\t0")),
        (LIVE, said("\n502\t\t0")),
        ("/up", said("\n503\t\t0")),
    )
    assert (site.live.status, site.page.status, site.server.status) == (502, 503, 400)


class _Echo(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/moved" else 200)
        self.send_header("Location", "https://soleil.example/login") if self.path == "/moved" else None
        self.end_headers()
        self.wfile.write(f"{self.command} {self.headers.get('Host')} {self.headers.get('Cookie')}".encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), _Echo) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def test_a_real_server_is_asked_by_name_and_no_redirect_is_followed(server: int) -> None:
    seen = ask_here(AskPage("http://soleil.example/up", f"127.0.0.1:{server}", FIVE))
    assert (seen.status, seen.excerpt) == (200, "GET soleil.example None")
    moved = ask_here(AskPage("http://soleil.example/moved", f"127.0.0.1:{server}", FIVE))
    assert (moved.status, moved.location) == (302, "https://soleil.example/login")
    bare = ask_here(AskPage("http://soleil.example/up", f"127.0.0.1:{server}", FIVE, headers=("Host:",)))
    assert bare.excerpt == "GET None None"


def test_where_nobody_listens_a_real_answer_is_refused(server: int) -> None:
    assert ask_here(AskPage("http://localhost/", "127.0.0.1:9", FIVE)).why == "refused"


def test_one_page_is_asked_for_where_the_host_listens() -> None:
    seen = see(
        read_page(Reader(), "/up", url="https://soleil.example/", origin=None, within=FIVE),
        ("/proc/net/tcp", said(SOCKETS)),
        ("http://soleil.example/up", said("\n200\t\t0")),
    )
    assert seen.is_served


@pytest.mark.parametrize("page, url", [("up", None), ("/a b", None), ("/up", "ftp://x/"), ("/up", "http://a b/")])
def test_what_cannot_be_asked_for_is_refused(page: str, url: str | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        refuse_unless_askable(page, url)
