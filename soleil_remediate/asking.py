"""The changes of a run that its record has no answer for: their hosts are asked what became of them.

Nothing is sent here, and no host is looked at. A host answers for a change by its operation's id, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from soleil_remediate import fleet
from soleil_remediate.clock import Clock
from soleil_remediate.delivery import PATIENCE, last_lines
from soleil_remediate.errors import ConfigError, FactError, HostLocked, Refused, Unreachable
from soleil_remediate.events import ChangeSettled, RunResumed
from soleil_remediate.history import History, Unanswered
from soleil_remediate.host import Host
from soleil_remediate.record import Record
from soleil_remediate.rollout import FORKS
from soleil_remediate.stopping import Stop
from soleil_remediate.transports import Operation, Progress, Session, Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A change that the record had no answer for, and what its host says about it.

    Args:
        change: Which.
        progress: How far it has come; ``None`` where that could not be learnt now and may be later.
        exit_status: Of one that is done.
        says: What a done one wrote last, or why nothing could be learnt.
    """

    change: Unanswered
    progress: Progress | None
    exit_status: int | None = None
    says: str = ""

    @property
    def is_open(self) -> bool:
        """Whether asking again later may bring more."""
        return self.progress in (None, Progress.RUNNING)

    @property
    def is_unknowable(self) -> bool:
        """Whether nobody will ever know whether it was made in full."""
        return self.progress in (Progress.LOST, Progress.FORGOTTEN)


def ask(
    history: History,
    hosts: Mapping[str, Host],
    *,
    record: Record,
    transport: Transport,
    clock: Clock,
    tell: Callable[[str], None],
    stop: Stop,
) -> list[Settled]:
    """Ask the hosts, all at once, about every change that is open, and write down what need not be asked again.

    Args:
        history: What the record says.
        hosts: By name, as the record has it; changes of others are left open.
        record: The same, to be gone on with.
        transport: The way to the hosts.
        clock: For waiting until a change that still runs has ended.
        tell: Gets a line for people whenever something is waited for.
        stop: Ends the waiting.

    Raises:
        RecordNotWritten: What was found stands nowhere; it can be asked for again.
    """
    record.write(RunResumed(operator=fleet.operator()))
    owner = f"{fleet.operator()} (resumes run {history.run})"
    asked: dict[str, list[Unanswered]] = {}
    for change in history.open_changes:
        if change.host in hosts:
            asked.setdefault(change.host, []).append(change)
    changes: list[Settled] = []
    if asked:
        with ThreadPoolExecutor(min(FORKS, len(asked)), thread_name_prefix="ask") as pool:
            for settled in pool.map(
                lambda name: _Asking(hosts[name], transport, clock, owner, tell, stop).all(asked[name]), asked
            ):
                changes += settled
    for one in changes:
        if one.progress is not None and not one.is_open:
            record.write(
                ChangeSettled(
                    host=one.change.host,
                    operation=one.change.operation,
                    found=one.progress.value,
                    exit_status=one.exit_status,
                    says=one.says,
                )
            )
    return changes


class _Asking:
    """Asks one host about the changes of a run."""

    def __init__(
        self,
        host: Host,
        transport: Transport,
        clock: Clock,
        owner: str,
        tell: Callable[[str], None],
        stop: Stop,
    ) -> None:
        self._host = host
        self._transport = transport
        self._clock = clock
        self._owner = owner
        self._tell = tell
        self._stop = stop
        self._session: Session | None = None

    def all(self, changes: Sequence[Unanswered]) -> list[Settled]:
        try:
            return [self._one(change) for change in changes]
        finally:
            self._close()

    def _one(self, change: Unanswered) -> Settled:
        """Ask about one change until it has ended, or must have.

        An answer counts whoever holds the host's lock. That a change was never begun, or was lost, counts only once the
        lock is ours: until then the shell that was to begin it may still be alive.
        """
        ends = self._clock.monotonic() + change.deadline + PATIENCE
        is_told = False
        while True:
            is_ours, is_patient, why = False, True, ""
            try:
                is_ours, is_patient, why = self._claim()
                known = self._open().outcome(change.operation, memory=change.memory)
                if known.progress is Progress.DONE or (is_ours and known.progress is not Progress.RUNNING):
                    return _settled(change, known)
                if known.progress is Progress.RUNNING:
                    settled = Settled(change=change, progress=Progress.RUNNING, says="it is still running")
                else:
                    settled = Settled(change=change, progress=None, says=why)
            except (Unreachable, ConfigError) as error:
                return Settled(change=change, progress=None, says=str(error))
            except FactError as error:
                settled = Settled(change=change, progress=None, says=why or str(error))
            if not is_patient or self._stop.is_asked or self._clock.monotonic() >= ends:
                return settled
            if not is_told:
                self._tell(f"{self._host.name}: {settled.says}; it is asked again until it must have ended")
                is_told = True
            self._clock.sleep(0.5)

    def _claim(self) -> tuple[bool, bool, str]:
        """Take the lock where it is free; return whether it is ours, whether it may be soon, and why it is not."""
        try:
            self._open().claim(self._owner)
        except HostLocked as error:
            return False, True, str(error)
        except Refused as error:  # no root, or no room: that does not pass by itself
            return False, False, str(error)
        return True, True, ""

    def _open(self) -> Session:
        if self._session is None:
            self._session = self._transport.open(self._host, within=self._host.connection.connect_within)
        return self._session

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(Exception):  # it is gone either way
                session.close()


def _settled(change: Unanswered, known: Operation) -> Settled:
    if known.output is None:
        return Settled(change=change, progress=known.progress)
    return Settled(
        change=change,
        progress=known.progress,
        exit_status=known.output.exit_status,
        says=last_lines(known.output),
    )
