"""TCP peers that misbehave: a proxy that can freeze or reset what it carries, listeners that say little or nothing."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

#: l_onoff, l_linger: closing sends RST instead of FIN.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Forwards connections to a port until told otherwise."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError, ValueError):  # closed by another thread
            while True:
                # A socket that another thread waits for in recv() would not be reset by close().
                if not select.select([source], [], [], 0.05)[0]:
                    continue
                data = source.recv(65536)
                if not data:
                    break
                self._flows.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def freeze(self) -> None:
        """Forward nothing more; every connection stays open."""
        self._flows.clear()

    def thaw(self) -> None:
        """Forward again, what waited included."""
        self._flows.set()

    def reset(self) -> None:
        """End every connection with RST, on both sides."""
        with self._lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    sock.close()
            self._open.clear()

    def lead_to(self, port: int) -> None:
        """Carry every connection from now on to another port, and end those that are open."""
        self._to = port
        self.reset()

    def close(self) -> None:
        """Stop."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._flows.set()
        self.reset()


@contextmanager
def proxy(to: int) -> Iterator[Proxy]:
    """Carry connections to port *to* for as long as the block lasts."""
    made = Proxy(to)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def listener(serve: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Yield the port of a listener whose connections are handed to *serve*, with an event for the end."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listening.accept()
                accepted.append(sock)
                threading.Thread(target=_served, args=(serve, sock, over), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        with suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        accepting.join()  # so that none is accepted after those that were are closed
        for sock in accepted:
            sock.close()


def _served(
    serve: Callable[[socket.socket, threading.Event], None], sock: socket.socket, over: threading.Event
) -> None:
    with suppress(OSError):
        serve(sock, over)


def silent(_sock: socket.socket, over: threading.Event) -> None:
    """Accept, and say nothing."""
    over.wait(60)


def dripping(sock: socket.socket, over: threading.Event) -> None:
    """Send a greeting that never ends, one byte at a time."""
    while not over.wait(0.1):
        sock.sendall(b"x")


def dripping_lines(sock: socket.socket, over: threading.Event) -> None:
    """Send line after line before a greeting that never comes."""
    while not over.wait(0.1):
        sock.sendall(b"please wait\r\n")


def hanging_up(sock: socket.socket, _over: threading.Event) -> None:
    """Accept and hang up, as a host does that has too many connections."""
    sock.close()
