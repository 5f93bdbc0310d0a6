"""What this machine meets on its way to a page: real servers and certificates on the loopback, real name servers."""

from __future__ import annotations

import gc
import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.from_here import AskFromHere, FromHere
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.from_here import ask_from_here
from soleil_remediate.transports.local import LocalTransport
from soleil_remediate.units import Duration
from tests.contract.tcp import listener
from tests.contract.web import Answer, Authority, Signed, web
from tests.waiting import eventually

WITHIN = Duration(20)  # more than any of it takes; what is to be too late has its own


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def well(_: str) -> Answer:
    return 200, {}, b'{"status":"ok"}'


def met(url: str, *, ca: Path | str = "", within: Duration = WITHIN) -> FromHere:
    query = AskFromHere(url, within, str(ca))
    answer = ask_from_here(query.command, Cancellation())
    assert isinstance(answer, Output)
    return query.answer(answer)


# ---- what is asked, and what comes back ------------------------------------------------------------------------------


def test_a_page_is_asked_for_once_and_plainly() -> None:
    with web(well) as site:
        seen = met(f"http://127.0.0.1:{site.port}/ready?full=1")
    assert (seen.status, seen.why, seen.addresses, seen.at) == (200, "", ("127.0.0.1",), "127.0.0.1")
    assert seen.excerpt == '{"status":"ok"}'
    assert abs(seen.now - time.time()) < 60
    ((line, headers),) = site.asked
    assert line == "GET /ready?full=1 HTTP/1.1"
    assert headers == {"Host": f"127.0.0.1:{site.port}", "User-Agent": "soleil-remediate", "Accept": "*/*"}


def test_an_error_of_the_server_is_an_answer() -> None:
    with web(lambda _: (503, {}, b"down")) as site:
        assert met(f"http://127.0.0.1:{site.port}/").status == 503


def test_no_proxy_of_the_environment_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    with web(well) as site:
        assert met(f"http://127.0.0.1:{site.port}/").status == 200


# ---- certificates ----------------------------------------------------------------------------------------------------


def test_a_certificate_of_a_named_authority_is_trusted_and_its_end_is_known(authority: Authority) -> None:
    with web(well, authority.sign("localhost", days=60)) as site:
        seen = met(f"https://localhost:{site.port}/ready", ca=authority.file)
    assert (seen.status, seen.why) == (200, "")
    assert seen.expires is not None
    assert abs(seen.expires - seen.now - 60 * 86400) < 600


def test_a_certificate_that_only_a_newer_python_refuses_is_trusted_as_browsers_do(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strict() -> ssl.SSLContext:
        """What it returns since Python 3.13."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", strict)
    with web(well, authority.sign("localhost")) as site:
        seen = met(f"https://localhost:{site.port}/", ca=authority.file)
    assert (seen.status, seen.says) == (200, "")


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda by: by.sign("localhost", days=-1), "certificate has expired"),
        (lambda by: by.sign("www.soleil.example", "soleil.example"), "it is for www.soleil.example, soleil.example"),
        (lambda by: by.sign("localhost", by_itself="localhost"), "self-signed certificate"),
    ],
    ids=["expired", "for another name", "self-signed"],
)
def test_a_certificate_that_browsers_refuse_is_refused_here(
    authority: Authority, make: Callable[[Authority], Signed], says: str
) -> None:
    with web(well, make(authority)) as site:
        seen = met(f"https://localhost:{site.port}/", ca=authority.file)
    assert (seen.status, seen.why) == (None, "not trusted")
    assert says in seen.says.replace("self signed", "self-signed")  # as OpenSSL called it before 3.0
    assert site.asked == []


def test_an_authority_that_nobody_named_is_not_trusted(authority: Authority) -> None:
    with web(well, authority.sign("localhost")) as site:
        seen = met(f"https://localhost:{site.port}/")
    assert seen.status is None
    assert seen.why in {"unknown issuer", "no authorities"}  # by whether this machine knows any at all
    assert site.asked == []


def test_a_machine_that_knows_no_authority_judges_no_certificate(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    with web(well, authority.sign("localhost")) as site:
        assert met(f"https://localhost:{site.port}/").why == "no authorities"
        assert met(f"https://localhost:{site.port}/", ca=authority.file).status == 200


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_file_of_authorities_that_is_none_is_named(authority: Authority, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with web(well, authority.sign("localhost")) as site:
        seen = met(f"https://localhost:{site.port}/", ca=file)
    assert seen.why == "no ca"
    assert str(file) in seen.says


def test_a_server_without_tls_where_there_should_be_is_told() -> None:
    with web(well) as site:
        assert met(f"https://127.0.0.1:{site.port}/").why == "no tls"


# ---- redirects -------------------------------------------------------------------------------------------------------


def test_redirects_within_the_site_are_followed_to_the_page() -> None:
    def answer(path: str) -> Answer:
        return (200, {}, b"here") if path == "/there" else (302, {"Location": "/there"}, b"")

    with web(answer) as site:
        seen = met(f"http://127.0.0.1:{site.port}/")
    assert (seen.status, seen.url, seen.location) == (200, f"http://127.0.0.1:{site.port}/there", "")


def test_redirects_in_a_circle_end() -> None:
    with web(lambda path: (302, {"Location": "/b" if path == "/a" else "/a"}, b"")) as site:
        seen = met(f"http://127.0.0.1:{site.port}/a")
    assert seen.why == "circle"
    assert f"/b -> http://127.0.0.1:{site.port}/a" in seen.says
    assert len(site.asked) == 2


def test_redirects_without_end_end() -> None:
    with web(lambda path: (302, {"Location": f"{path}x"}, b"")) as site:
        assert met(f"http://127.0.0.1:{site.port}/").why == "circle"
    assert len(site.asked) == 6


@pytest.mark.parametrize(
    "to", ["http://127.0.0.2:{other}/", "http://127.0.0.1:{other}/", "file:///etc/passwd", "//127.0.0.2:{other}/"]
)
def test_a_redirect_that_leaves_the_site_is_told_and_not_followed(to: str) -> None:
    """A host that could choose where this machine sends requests could have it ask anything in its network."""
    with web(well) as other:
        location = to.format(other=other.port)
        with web(lambda _: (302, {"Location": location}, b"")) as site:
            seen = met(f"http://127.0.0.1:{site.port}/")
    assert seen.status == 302
    assert seen.location.removeprefix("http:") == location.removeprefix("http:")
    assert len(site.asked) == 1
    assert other.asked == []


@pytest.mark.parametrize(
    "to",
    [
        "http://localhost:{other}/",
        "http://127.1:{other}/",
        "http://2130706433:{other}/",
        "http://0.0.0.0:{other}/",
        "http://[::ffff:127.0.0.1]:{other}/",
        "http://127.0.0.1@127.0.0.2:{other}/",
        "http://127.0.0.1.:{other}/",
        "gopher://127.0.0.1:{other}/_GET%20/",
    ],
)
def test_no_hop_of_a_redirect_leads_to_another_server_however_its_address_is_written(to: str) -> None:
    """Such as one that listens on this machine alone, and believes whoever asks it."""
    with web(well) as other:
        location = to.format(other=other.port)

        def answer(path: str) -> Answer:
            return 302, {"Location": location if path == "/second" else "/second"}, b""

        with web(answer) as site:
            seen = met(f"http://127.0.0.1:{site.port}/first")
        assert (seen.status, seen.location) == (302, location)
        assert [line.split()[1] for line, _ in site.asked] == ["/first", "/second"]
        assert other.asked == []


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:999999/", "http://127.0.0.1/\x7f", "http://a\tb/"])
def test_a_redirect_to_nonsense_ends_no_run(location: str) -> None:
    with web(lambda _: (302, {"Location": location}, b"")) as site:
        seen = met(f"http://127.0.0.1:{site.port}/")
    assert len(site.asked) == 1
    assert seen.status in {None, 302}


# ---- no answer -------------------------------------------------------------------------------------------------------


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_where_nothing_listens_it_is_refused() -> None:
    assert met(f"http://127.0.0.1:{_unused_port()}/").why == "refused"


@pytest.mark.parametrize("scheme, doing", [("http", "waiting for the answer"), ("https", "agreeing on TLS")])
def test_a_server_that_says_nothing_is_waited_for_no_longer_than_said(scheme: str, doing: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        seen = met(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", within=Duration(0.5))
        took = time.monotonic() - began
    assert (seen.why, seen.says) == ("too late", doing)
    assert took >= 0.5


def test_a_server_that_drips_does_not_win_time_by_it() -> None:
    def drip(sock: socket.socket, over: threading.Event) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while not over.wait(0.1):
            sock.sendall(b"X")

    with listener(drip) as port:  # it drips until the answer is there
        assert met(f"http://127.0.0.1:{port}/", within=Duration(1)).why == "too late"


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200])
def test_what_is_no_answer_is_told_as_broken_off(said: bytes) -> None:
    def answer(sock: socket.socket, _: threading.Event) -> None:
        sock.recv(65536)
        sock.sendall(said)
        sock.shutdown(socket.SHUT_WR)

    with listener(answer) as port:
        assert met(f"http://127.0.0.1:{port}/").why == "broken off"


def test_who_hangs_up_before_tls_is_told_as_broken_off_and_nothing_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    connected, gone, trust = threading.Event(), threading.Event(), ssl.create_default_context

    def hang_up(sock: socket.socket, _: threading.Event) -> None:
        connected.wait(20)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST, not FIN
        sock.close()
        gone.set()

    def after_that() -> ssl.SSLContext:
        connected.set()
        assert gone.wait(20)
        return trust()

    monkeypatch.setattr(ssl, "create_default_context", after_that)
    with listener(hang_up) as port:
        seen = met(f"https://127.0.0.1:{port}/")
    assert (seen.why, seen.says) == ("broken off", "agreeing on TLS: Connection reset by peer")
    gc.collect()  # what is still open would be complained about here


def test_of_an_endless_page_only_the_beginning_is_read() -> None:
    with web(lambda _: (200, {}, b"x" * 50_000_000)) as site:
        seen = met(f"http://127.0.0.1:{site.port}/")
    assert seen.status == 200
    assert len(seen.excerpt) == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_somebody_who_wants_no_answer_any_more_does_not_wait_for_it_and_nobody_else_does(scheme: str) -> None:
    cancellation, before = Cancellation(), threading.enumerate()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asking = AskFromHere(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", Duration(300)).command
        threading.Timer(0.2, cancellation.ask).start()
        answer = ask_from_here(asking, cancellation)
        assert eventually(lambda: {*threading.enumerate()} <= {*before})
    assert isinstance(answer, FactError)
    assert "given up" in str(answer)


# ---- names -----------------------------------------------------------------------------------------------------------


def test_what_cannot_be_a_name_is_told() -> None:
    seen = met(f"http://{'x' * 64}.example/")
    assert seen.why == "no name"
    assert seen.addresses == ()


_ALONE = """
import sys
from tests.contract.test_from_here import met
from soleil_remediate.units import Duration
seen = met("http://soleil.example/", within=Duration(1))
print(seen.why, "|", seen.says)
"""


def _alone(tmp_path: Path, *, before: str = "") -> str:
    """Ask in a network of its own, where there is nothing but the loopback, after a piece of shell."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("a network of its own takes root")
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")):
        (tmp_path / name).write_text(text)
        before = f"mount --bind {tmp_path / name} /etc/{name}\n{before}"
    script = f'set -e\nip link set lo up\n{before}\nexec "$@"'
    alone = "unshare --net --mount --pid --fork --kill-child".split()
    done = subprocess.run(
        [*alone, "sh", "-c", script, "sh", sys.executable, "-c", _ALONE],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_machine_without_a_name_server_says_that_it_cannot_look_up_the_name(tmp_path: Path) -> None:
    assert _alone(tmp_path).startswith("no name | soleil.example: ")


def test_a_name_server_that_says_nothing_is_waited_for_no_longer_than_said(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    silent = (
        f"{sys.executable} -c 'import socket, time; s = socket.socket(type=socket.SOCK_DGRAM);"
        ' s.bind(("127.0.0.1", 53)); print(flush=True); time.sleep(60)\''
        f" >{ready} 2>&1 &\n"
        f"until [ -s {ready} ]; do sleep 0.05; done"
    )
    assert _alone(tmp_path, before=silent) == "too late | looking up soleil.example"


# ---- beside a host's own questions -----------------------------------------------------------------------------------


def test_a_session_asks_from_here_meanwhile_and_keeps_the_order() -> None:
    here = Host(name="here", connection=Connection(address="localhost", transport="local", become=False))
    session = LocalTransport().open(here, within=Duration(10))
    try:
        with web(well) as site:
            query = AskFromHere(f"http://127.0.0.1:{site.port}/", WITHIN)
            before = session.round_trips
            first, second, third = session.ask([Command(("echo", "a")), query.command, Command(("echo", "b"))])
            assert session.round_trips == before + 1
            (alone,) = session.ask([query.command])
            assert session.round_trips == before + 1, "the host was not asked anything"
    finally:
        session.close()
    assert isinstance(first, Output)
    assert isinstance(third, Output)
    assert (first.stdout, third.stdout) == (b"a\n", b"b\n")
    assert not isinstance(second, FactError)
    assert json.loads(second.stdout)["status"] == 200
    assert isinstance(alone, Output)


def test_a_session_of_a_host_in_no_inventory_asks_nothing_from_here() -> None:
    here = Host(
        name="here", connection=Connection(address="localhost", transport="local", become=False), is_listed=False
    )
    session = LocalTransport().open(here, within=Duration(10))
    try:
        with web(well) as site:
            query = AskFromHere(f"http://127.0.0.1:{site.port}/", WITHIN)
            first, second, third = session.ask([Command(("echo", "a")), query.command, Command(("echo", "b"))])
            assert site.asked == []
    finally:
        session.close()
    assert isinstance(first, Output)
    assert isinstance(third, Output)
    assert (first.stdout, third.stdout) == (b"a\n", b"b\n")
    assert str(second) == "it is asked from here only where an inventory says so"


def test_no_other_program_is_run_from_here(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    answer = ask_from_here(Command(("touch", str(canary)), is_from_here=True), Cancellation())
    assert isinstance(answer, FactError)
    assert not canary.exists()
