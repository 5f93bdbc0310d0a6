from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.third_parties import AskThirdParty, refuse_unless_third_party
from soleil_remediate.units import Duration
from tests.unit.facts.answers import ask_here, said


class _Refusing(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_any_answer_means_that_it_is_reached(port: int) -> None:
    assert ask_here(AskThirdParty(f"http://127.0.0.1:{port}/v1/", Duration(5))).status == 401


def test_where_nothing_listens_and_where_a_name_is_none_nobody_answers() -> None:
    refused = ask_here(AskThirdParty("http://127.0.0.1:9/", Duration(5)))
    assert (refused.status, refused.why) == (None, "refused")
    unnamed = ask_here(AskThirdParty("http://no-such-host.invalid/", Duration(5)))
    assert (unnamed.status, unnamed.why) == (None, "no name")


@pytest.mark.parametrize(
    "status, why", [(28, "too late"), (35, "no tls"), (60, "not trusted"), (56, "broken off"), (97, "broken off")]
)
def test_why_there_was_no_answer_is_told(status: int, why: str) -> None:
    query = AskThirdParty("https://api.example/", Duration(5))
    found = query.answer(said("\n000", status=status, stderr=f"curl: ({status}) some words\n"))
    assert (found.status, found.why, found.says) == (None, why, "some words")


@pytest.mark.parametrize("text, status", [("", 0), ("\n000", 0), ("\nabc", 0), ("\n200", 3)])
def test_what_is_none_of_curls_answers_tells_nothing(text: str, status: int) -> None:
    with pytest.raises(FactError):
        AskThirdParty("https://api.example/", Duration(5)).answer(said(text, status=status))


@pytest.mark.parametrize(
    "address",
    [
        "api.example",
        "ftp://api.example/",
        "https://u:p@api.example/",
        "https://api.example/?key=x",
        "https://a/ -o /etc/x",
    ],
)
def test_an_address_that_could_hold_a_secret_or_an_option_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="must be an address such as"):
        refuse_unless_third_party(address)
