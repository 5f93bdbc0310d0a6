"""One SSH connection that is open, and the shells on it: bytes in and out, and an end to every wait."""

from __future__ import annotations

import shlex
import socket
import threading
import time
from contextlib import suppress
from typing import Any

import fabric
import paramiko
from paramiko.packet import Packetizer

from soleil_remediate.errors import ConnectionLost
from soleil_remediate.transports.shell import Stream
from soleil_remediate.transports.ssh_errors import boundary
from soleil_remediate.units import Duration, MiB

#: How much a host may send before we take it: what is still under way when a command has run out of time.
WINDOW = MiB(1)
#: For what takes one or two round trips on a connection that works, to a host that may be overloaded.
_STEP = Duration(20)
#: What a channel is given before it is looked whether something arrived; in packets that every sshd takes.
_AT_ONCE, _PACKET = 2**18, 2**15
#: How long a transport waits for its socket before it looks whether a sign of life is due.
_LOOKS_UP = 2.0
#: What is taken from a socket at once: two of the longest packets.
_AHEAD = 2**16


class _Arrived(threading.Event):
    """Set by whatever arrives on any channel. paramiko clears it when one buffer is empty; we do when all are."""

    def clear(self) -> None:
        pass

    def reset(self) -> None:
        super().clear()


class ReadAhead:
    """A socket whose reader asks for a few bytes at a time, as paramiko does: each system call takes all there is."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._ahead = memoryview(b"")

    def recv(self, size: int) -> bytes:
        """Return up to *size* bytes, those first that have arrived already; none at the end."""
        if not self._ahead:
            self._ahead = memoryview(self._sock.recv(_AHEAD))
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return bytes(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Packets(Packetizer):
    """paramiko's own, without the thread that it starts for each connection to end a handshake that takes too long:
    whoever opens a connection has a clock of its own.
    """

    def start_handshake(self, timeout: float) -> None:
        pass


class QuietTransport(paramiko.Transport):
    """A transport that dies in silence: what it has to say is in its exception, not on the terminal.

    Whoever opens one, or ends it, cuts its socket: so it need not look every tenth of a second whether it was ended.
    """

    def __init__(self, sock: Any, **more: Any) -> None:
        ahead: Any = ReadAhead(sock)
        super().__init__(ahead, packetizer_class=_Packets, **more)
        ahead.settimeout(_LOOKS_UP)

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:  # noqa: BLE001  # a thread's traceback would go to the terminal
            self.saved_exception = error
            self.active = False
            self.packetizer.close()


class _NotAwaited(threading.Event):
    """Lets a channel ask for something and go on: what is sent next is on its way a round trip earlier.

    Where it is refused, the channel is closed.
    """

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__()
        self._channel = channel

    def wait(self, _timeout: float | None = None) -> bool:
        """Say that it was granted."""
        self._channel.event_ready = True
        self.set()
        return True


class _Channel:
    """One shell's stream on a channel of its own."""

    def __init__(self, channel: paramiko.Channel, arrived: _Arrived, who: str) -> None:
        self._channel, self._who = channel, who
        self._gone_since: float | None = None
        channel.settimeout(0.0)
        for buffer in (channel.in_buffer, channel.in_stderr_buffer):
            buffer.set_event(arrived)

    def send(self, data: memoryview) -> int:
        """Send what the far end's window takes."""
        sent = 0
        with boundary(self._who), suppress(TimeoutError):
            while sent < len(data) and not self._channel.closed and sent < _AT_ONCE:
                count = self._channel.send(bytes(data[sent : sent + _PACKET]))
                if not count:
                    break
                sent += count
        return sent

    def receive(self) -> tuple[bytes, bytes]:
        """Return what has arrived."""
        channel = self._channel
        with boundary(self._who):
            out = channel.recv(WINDOW) if channel.recv_ready() else b""
            err = channel.recv_stderr(WINDOW) if channel.recv_stderr_ready() else b""
        if not out and not err and not channel.get_transport().is_active():
            raise ConnectionLost(f"{self._who} closed the connection")
        return out, err

    @property
    def has_ended(self) -> bool:
        """Whether the shell is gone: a process that it left behind may keep the channel open for a while."""
        channel = self._channel
        is_over = channel.closed or channel.eof_received
        if not is_over and not channel.exit_status_ready():  # the usual answer, and asked for often
            return False
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        if is_over:
            return True
        self._gone_since = self._gone_since or time.monotonic()
        return time.monotonic() - self._gone_since > 1

    def close(self) -> None:
        """Close the channel; the shell reads the end of its input."""
        with boundary(self._who):
            self._channel.close()


class SshLink:
    """One SSH connection and the shells on it.

    Args:
        connections: The host's own connection last, those to its jump hosts before it.
        who: Whom it is about, for people.
    """

    #: Each stream is waited for by the thread that opens it.
    opens_at_once = True

    def __init__(self, connections: list[fabric.Connection], who: str) -> None:
        self._connections, self._who = connections, who
        self._transport: paramiko.Transport = connections[-1].transport
        self._arrived = _Arrived()

    def open_stream(self, text: str) -> Stream | None:
        """Start a shell on a new channel; ``None`` where the host gives no more.

        A shell that the host cannot start is a stream that has ended.
        """
        began = time.monotonic()
        with boundary(self._who):
            try:
                channel = self._transport.open_session(timeout=_STEP)
                channel.event = _NotAwaited(channel)
                channel.exec_command(f"exec sh -c {shlex.quote(text)}")  # whatever the login shell is
            except paramiko.ChannelException:
                return None
            except paramiko.SSHException:
                if self._transport.is_active() and time.monotonic() - began < _STEP:
                    return None  # the host ended it at once
                self.close()
                raise
        return _Channel(channel, self._arrived, self._who)

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, or after that long."""
        self._arrived.wait(seconds)
        self._arrived.reset()

    def close(self) -> None:
        """End the connection at once."""
        for connection in reversed(self._connections):
            cut(connection.client.get_transport())


def cut(transport: paramiko.Transport | None) -> None:
    if transport is None:
        return
    with suppress(Exception):  # whatever state it is in: it is given up
        transport.sock.shutdown(socket.SHUT_RDWR)  # wakes its thread, which else sleeps on
    with suppress(Exception):
        transport.close()
