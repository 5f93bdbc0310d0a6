"""Hosts that are only asked: each in a session of its own, many at once; what is wrong with one ends that one alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

from soleil_remediate.changing import crash
from soleil_remediate.clock import Clock
from soleil_remediate.errors import ConfigError, Unreachable
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.transports import Session, Transport
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.units import Duration

T = TypeVar("T")

#: Hosts that are asked in the same moment.
FORKS = 50


class Visits:
    """Sessions that are opened to ask, and nothing else.

    Args:
        transport: The way to the hosts.
        clock: For how long it took to connect.
    """

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._open: set[Session] = set()
        self._over = Cancellation()

    def each(self, hosts: Sequence[Host], act: Callable[[Host], T]) -> tuple[T, ...]:
        """Do something about every host at once, each in a thread of its own; what comes of it in their order.

        Where somebody interrupts it no host is waited for any longer: what is being opened is given up, and what is
        open is closed.
        """
        asked: list[Future[T]] = []
        with ThreadPoolExecutor(min(FORKS, len(hosts)), thread_name_prefix="visit") as pool:
            try:
                asked += [pool.submit(act, host) for host in hosts]
                done, _ = wait(asked, return_when=FIRST_EXCEPTION)
                for one in done:
                    one.result()  # what was raised in one of them ends it, whoever else is still asked
                return tuple(one.result() for one in asked)
            except BaseException:
                for one in asked:
                    one.cancel()
                self._end()
                raise

    def visit(self, host: Host, ask: Callable[[Session, Duration], T]) -> T | NotReached | Crashed:
        """Open a session, ask in it, and close it.

        Args:
            host: Which.
            ask: Is handed the session, and how long it took to open it.

        Returns:
            What *ask* returns, or why there is nothing: one host's bug is that host's failure.
        """
        began = self._clock.monotonic()
        try:
            session = self.open(host)
        except (Unreachable, ConfigError) as error:
            return _not_reached(error)
        try:
            return ask(session, Duration(self._clock.monotonic() - began))
        except Unreachable as error:
            return _not_reached(error)
        except Exception as error:  # noqa: BLE001  # see above
            return crash(error)
        finally:
            self.close(session)

    def open(self, host: Host) -> Session:
        """Open a session; :meth:`close` ends it.

        Raises:
            Unreachable: It cannot be opened, or somebody interrupted it.
            ConfigError: What the inventory says about it cannot be used.
        """
        session = self._transport.open(host, within=host.connection.connect_within, cancellation=self._over)
        with self._lock:
            self._open.add(session)
        if self._over.is_asked:  # it was being opened when all of them were closed
            _close(session)
        return session

    def close(self, session: Session) -> None:
        """End a session."""
        with self._lock:
            self._open.discard(session)
        _close(session)

    def _end(self) -> None:
        self._over.ask()
        with self._lock:
            left = tuple(self._open)
        for session in left:
            _close(session)


def _close(session: Session) -> None:
    with suppress(Exception):  # it is gone either way
        session.close()


def _not_reached(error: Unreachable | ConfigError) -> NotReached:
    return NotReached(why=str(error), is_retryable=isinstance(error, Unreachable) and error.retryable)
