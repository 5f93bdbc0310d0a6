"""Watching hosts after a run: each is looked at again every so often, and nothing is sent, whatever is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from soleil_remediate.decisions import stands_after
from soleil_remediate.events import HostSettled, HostWatched, WatchEnded, WatchStarted
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, Eased, Fixed, NotNeeded, NotReached, Unproven
from soleil_remediate.inbox import Inbox
from soleil_remediate.look import look
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.scenario import Case
from soleil_remediate.seeing import reads_of, seen_by
from soleil_remediate.seen import Standing
from soleil_remediate.stages import is_spared
from soleil_remediate.stopping import Signals, StopRequested
from soleil_remediate.task import Health
from soleil_remediate.transports import Session, Transport
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits

#: A host is looked at no more often than the first, and no more seldom than the second, and so many times at least.
_SOONEST, _LATEST, _TIMES = 1.0, 30.0, 10
#: Nobody watches a terminal for longer.
_LONGEST = Duration(24 * 3600)


def refuse_unless_watchable(lasts: Duration) -> None:
    """Raise ValueError where nobody would watch for so long, or nothing could be seen in so short a time."""
    if not _SOONEST <= lasts <= _LONGEST:
        raise ValueError(f"hosts are watched for {Duration(_SOONEST)} to {_LONGEST}, not {lasts}")


def pause(lasts: Duration) -> Duration:
    """Return how long is waited from one look to the next, where all of them take *lasts*."""
    return Duration(min(_LATEST, max(_SOONEST, lasts / _TIMES)))


@dataclass(frozen=True, slots=True)
class _Looked:
    """How a host stood at one look; why it could not be looked at where *standing* is none."""

    standing: Standing | None
    why: str

    @property
    def health(self) -> Health:
        return Health.UNKNOWN if self.standing is None else self.standing.symptom_health


class Watching:
    """Looks at the hosts of a run that ended, until the time is over, all of them are at fault, or somebody stops it.

    Args:
        cases: The scenario, bound to each host.
        transport: The way to them; a session is opened for each look, and no lock is taken.
        signals: A signal ends it at once.
        inbox: What is seen is recorded and told there, where it is news.
    """

    def __init__(self, cases: Sequence[Case], *, transport: Transport, signals: Signals, inbox: Inbox) -> None:
        self._cases = cases
        self._signals = signals
        self._clock = signals.clock
        self._visits = Visits(transport, signals.clock)
        self._inbox = inbox
        self._last: dict[int, _Looked] = {}
        self._scopes: dict[int, frozenset[str]] = {}
        self._hosts: dict[int, Host] = {}

    def watch(self, report: RunReport, lasts: Duration) -> RunReport:
        """Look at those hosts that ended well, and at those of which only a later look can tell.

        Returns:
            The report, with what became of each of them by the last look at it.
        """
        watched = [index for index, host in enumerate(report.hosts) if _is_watched(host)]
        if not watched or self._signals.stop.is_asked:
            return report
        began, every = self._clock.monotonic(), pause(lasts)
        self._scopes = {index: _scope(report.hosts[index]) for index in watched}
        self._hosts = {index: _as_seen(report.hosts[index]) for index in watched}
        names = tuple(report.hosts[index].host.name for index in watched)
        self._say(WatchStarted(hosts=names, lasts=lasts, every=every))
        stopped = ""
        try:
            while (left := began + lasts - self._clock.monotonic()) > 0 and self._well(watched):
                self._wait(min(every, left))
                self._look(self._well(watched))
        except StopRequested:
            stopped = self._signals.stop.why
        took = Duration(self._clock.monotonic() - began)
        ended = replace(
            report,
            hosts=tuple(
                self._settled(host, self._last[index], took) if index in self._last else host
                for index, host in enumerate(report.hosts)
            ),
        )
        for before, after in zip(report.hosts, ended.hosts, strict=True):
            if before.outcome != after.outcome:
                self._say(HostSettled(host=after.host.name, outcome=after.outcome))
        self._say(WatchEnded(report=ended, stopped=stopped, took=took))
        return ended

    def _well(self, watched: Sequence[int]) -> list[int]:
        """Return the hosts that were not at fault when they were looked at last."""
        return [index for index in watched if index not in self._last or self._last[index].health is not Health.FAULTY]

    def _wait(self, seconds: float) -> None:
        self._signals.ask(lambda: self._clock.sleep(seconds))

    def _look(self, indices: Sequence[int]) -> None:
        index_of = {self._hosts[index].name: index for index in indices}

        def visit(host: Host) -> Standing | NotReached | Crashed:
            return self._visits.visit(host, lambda session, _: self._standing(index_of[host.name], session))

        seen = self._signals.ask(lambda: self._visits.each([self._hosts[index] for index in indices], visit))
        for index, one in zip(indices, seen, strict=True):
            now = _Looked(None, one.why) if isinstance(one, NotReached | Crashed) else _Looked(one, _why(one))
            before, self._last[index] = self._last.get(index), now
            if before is None or before.health is not now.health:
                self._say(HostWatched(host=self._cases[index].host.name, health=now.health, why=now.why))

    def _standing(self, index: int, session: Session) -> Standing:
        """Ask what the scenario's checks ask, and nothing that only its steps or its evidence need."""
        case = self._cases[index]
        rest = len(case.steps)
        return seen_by(case, look(reads_of(case, rest), session.ask), rest, scope=self._scopes[index]).standing

    def _settled(self, host: HostReport, last: _Looked, after: Duration) -> HostReport:
        outcome = stands_after(host, last.standing, last.why, after)
        return replace(host, outcome=outcome, after=last.standing if host.was_touched else host.after)

    def _say(self, event: HostSettled | HostWatched | WatchEnded | WatchStarted) -> None:
        self._inbox.say_all_the_same(event)
        self._inbox.drain()


def _is_watched(report: HostReport) -> bool:
    """Whether a later look can tell anything new: it ended well, or it could not be seen yet whether it did."""
    match report.outcome:
        case NotNeeded():
            return not is_spared(report)
        case Fixed() | Eased():
            return True
        case Unproven():
            return report.after is not None and report.after.symptom_health is Health.UNKNOWN
        case _:
            return False


def _scope(report: HostReport) -> frozenset[str]:
    """Return what the run was about, so that a goal counts for no more than that."""
    return frozenset() if report.preview is None else report.preview.standing.scope


def _as_seen(report: HostReport) -> Host:
    """Return the host, as no other machine than the one that the run was about."""
    return report.host if report.preview is None else report.host.on_machine(report.preview.identity.machine_id)


def _why(standing: Standing) -> str:
    return standing.why(standing.symptom_health)
