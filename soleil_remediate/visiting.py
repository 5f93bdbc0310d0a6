"""Hosts that are only asked: each in a session of its own, many at once; what is wrong with one ends that one alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from soleil_remediate.changing import crash
from soleil_remediate.clock import Clock
from soleil_remediate.errors import ConfigError, Unreachable
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.transports import Session, Transport
from soleil_remediate.units import Duration

T = TypeVar("T")

#: Hosts that are asked in the same moment.
FORKS = 50


def visit(
    host: Host, transport: Transport, clock: Clock, ask: Callable[[Session, Duration], T]
) -> T | NotReached | Crashed:
    """Open a session, ask in it, and close it.

    Args:
        host: Which.
        transport: The way to it.
        clock: For how long it took to connect.
        ask: Is handed the session, and that time.

    Returns:
        What *ask* returns, or why there is nothing: one host's bug is that host's failure.
    """
    began = clock.monotonic()
    try:
        session = transport.open(host, within=host.connection.connect_within)
    except (Unreachable, ConfigError) as error:
        return _not_reached(error)
    try:
        return ask(session, Duration(clock.monotonic() - began))
    except Unreachable as error:
        return _not_reached(error)
    except Exception as error:  # noqa: BLE001  # see above
        return crash(error)
    finally:
        with suppress(Exception):  # it is gone either way
            session.close()


def each(hosts: Sequence[Host], act: Callable[[Host], T]) -> tuple[T, ...]:
    """Do something about every host at once, each in a thread of its own; what comes of it in their order."""
    with ThreadPoolExecutor(min(FORKS, len(hosts)), thread_name_prefix="visit") as pool:
        asked = [pool.submit(act, host) for host in hosts]
        return tuple(one.result() for one in asked)


def _not_reached(error: Unreachable | ConfigError) -> NotReached:
    return NotReached(why=str(error), is_retryable=isinstance(error, Unreachable) and error.retryable)
