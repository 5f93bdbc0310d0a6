from __future__ import annotations

import os
import socket
import time

import pytest

from soleil_remediate.transports.dial import Carried, dial


def test_a_program_carries_the_bytes_both_ways_and_ends_with_its_socket() -> None:
    carried = Carried("cat")
    carried.sendall(b"hello")
    assert carried.recv(10) == b"hello"
    carried.close()


def test_a_program_that_does_not_end_by_itself_is_ended() -> None:
    carried = Carried("sleep 600")
    pid = carried._program.pid
    os.kill(pid, 0)
    carried.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_program_that_is_missing_is_the_end_of_the_stream() -> None:
    carried = Carried("no-such-program-here")
    assert carried.recv(10) == b""
    carried.close()


def test_a_program_has_a_session_of_its_own_so_that_the_terminals_signals_do_not_reach_it() -> None:
    carried = Carried("cat")
    assert os.getsid(carried._program.pid) != os.getsid(0)
    carried.close()


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*stream, ("127.0.0.2", port)), (*stream, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: addresses)
        sock = dial("web1", port, by=time.monotonic() + 5)
        assert sock.getpeername() == ("127.0.0.1", port)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        sock.close()


def test_the_last_addresss_error_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        dial("127.0.0.1", port, by=time.monotonic() + 5)


def test_a_name_without_addresses_is_an_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(OSError, match="web1 has no address"):
        dial("web1", 22, by=time.monotonic() + 5)
