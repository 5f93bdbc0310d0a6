from __future__ import annotations

import re

import pytest

from soleil_remediate.command import Secret
from soleil_remediate.host import Connection, SecretReference
from soleil_remediate.transports.becoming import Becoming
from soleil_remediate.transports.shell import Stream
from soleil_remediate.units import Duration


class Sudo:
    """A link whose sudo refuses a password, and whose streams deliver what it says piece by piece."""

    opens_at_once = False

    has_ended = False

    def __init__(self, *pieces: tuple[str, str]) -> None:
        self._pieces = list(pieces)
        self._nonces: dict[str, str] = {}
        self.sent = b""

    def open_stream(self, text: str) -> Stream:
        found = re.search(r"-p ([0-9a-f]{32}).*echo ([0-9a-f]{32})", text)
        assert found is not None
        prompt, denied = found.groups()
        self._nonces = {"PROMPT": prompt, "DENIED": denied}
        return self

    def send(self, data: memoryview) -> int:
        self.sent += bytes(data)
        return len(data)

    def receive(self) -> tuple[bytes, bytes]:
        out, err = self._pieces.pop(0) if self._pieces else ("", "")
        for name, nonce in self._nonces.items():
            out, err = out.replace(name, nonce), err.replace(name, nonce)
        return out.encode(), err.encode()

    def wait(self, seconds: float) -> None:
        assert self._pieces, "waits for what was said already"

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "pieces",
    [
        [("", "PROMPT"), ("", "sudo: 1 incorrect password attempt\n"), ("DENIED\n", "DENIED\n")],
        [("", "PROMPT"), ("DENIED\n", "sudo:"), ("", " 1 incorrect password attempt\nDENIED\n")],
        [("", "PROMPT"), ("DENIED\n", ""), ("", "sudo: 1 incorrect password att"), ("", "empt\nDENIED\n")],
    ],
    ids=["in order", "cut in a line", "late"],
)
def test_why_a_password_was_refused_is_waited_for_however_late_it_arrives(pieces: list[tuple[str, str]]) -> None:
    sudo = Sudo(*pieces)
    connection = Connection(address="web1", become_password=SecretReference("env", "SUDO"))
    becoming = Becoming(sudo, connection, Secret("wrong-horse-battery"))
    assert becoming.open_shell(within=Duration(5)) is sudo
    assert becoming.why_not == "sudo refused the password (env:SUDO)"
    assert sudo.sent == b"wrong-horse-battery\n"
