from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from soleil_remediate.transports.ssh_link import ReadAhead


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(0.01)
        yield near, far


def test_what_has_arrived_is_taken_at_once_and_handed_on_as_it_is_asked_for(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    ahead = ReadAhead(near)
    far.sendall(b"abcdef")
    assert ahead.recv(2) == b"ab"
    with pytest.raises(TimeoutError):
        near.recv(1)
    assert (ahead.recv(1), ahead.recv(100)) == (b"c", b"def")


def test_reading_ahead_waits_and_ends_as_the_socket_does(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    ahead = ReadAhead(near)
    with pytest.raises(TimeoutError):
        ahead.recv(1)
    far.close()
    assert (ahead.recv(1), ahead.recv(1)) == (b"", b"")


def test_everything_else_is_the_sockets_own(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    ReadAhead(near).send(b"x")
    assert far.recv(1) == b"x"
    ReadAhead(near).close()
    assert near.fileno() == -1
