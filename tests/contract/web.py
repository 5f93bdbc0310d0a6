"""Web servers on this machine that have one thing wrong, and certificates made for them."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A certificate and its key, each in a file."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; its own stands in :attr:`file`."""

    def __init__(self, folder: Path, name: str = "authority of a test") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        made = self._builder(self._name, self._key, days=3650).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def sign(self, *names: str, days: float = 60, by_itself: str = "") -> Signed:
        """Return a certificate for *names* that ends in so many days, and began a year before.

        Args:
            by_itself: Of this name, and signed by nobody else.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by_itself or "soleil")])
        made = self._builder(subject, key, days, issuer=subject if by_itself else None).add_extension(
            x509.SubjectAlternativeName([_name(one) for one in names]), critical=False
        )
        signed = made.sign(key if by_itself else self._key, hashes.SHA256())
        stem = f"{'-'.join(names)}-{days}-{by_itself}"
        files = Signed(certificate=self._folder / f"{stem}.pem", key=self._folder / f"{stem}.key")
        files.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: float, issuer: x509.Name | None = None
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return x509.CertificateBuilder(
            issuer_name=issuer or self._name,
            subject_name=subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(days=365),
            not_valid_after=now + datetime.timedelta(days=days),
        )


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


#: What a server answers for a path: a status, headers, a body.
Answer = tuple[int, Mapping[str, str], bytes]


@dataclass(slots=True)
class Web:
    """A web server, and what it was asked: each request's first line and headers."""

    port: int
    asked: list[tuple[str, Mapping[str, str]]]


@contextmanager
def web(answer: Callable[[str], Answer], signed: Signed | None = None) -> Iterator[Web]:
    """Serve on 127.0.0.1 as long as the block lasts; over TLS where there is a certificate."""
    asked: list[tuple[str, Mapping[str, str]]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the standard library's name
            asked.append((self.requestline, dict(self.headers)))
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # whoever distrusts a certificate ends the connection

    with Server(("127.0.0.1", 0), Handler) as server:
        if signed is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(signed.certificate, signed.key)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield Web(port=server.server_address[1], asked=asked)
        finally:
            server.shutdown()
            thread.join()
