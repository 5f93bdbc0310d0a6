"""Looking at many hosts: all at once, those of a stage that is done once in turn, each in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from soleil_remediate.changing import crash
from soleil_remediate.engine import HostRun
from soleil_remediate.errors import ConfigError, FactError, Refused, Unreachable
from soleil_remediate.host_outcomes import HostOutcome, NotFixed, NotReached, Refusal, Stopped, WouldFix
from soleil_remediate.identity import named_twice
from soleil_remediate.inbox import Inbox
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview
from soleil_remediate.shares import doubts, mixture
from soleil_remediate.stages import in_turn, spared
from soleil_remediate.stopping import Stop
from soleil_remediate.task import Health


class Looking:
    """The looking part of one run.

    Args:
        cases: One scenario, bound to each host.
        runs: Every host of the run, in the same order.
        peers: Hosts that are looked at as well, to be counted.
        inbox: Where the hosts are heard.
        stop: Ends it at once: nothing is under way that has to be waited for.
        end: Told what becomes of a host that is not gone on with, in its own thread.

    Attributes:
        previews: What was seen of each host that could be looked at and is meant.
        spared: The hosts that are not meant, because their stage is done once and on another.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        runs: Sequence[HostRun],
        *,
        peers: Sequence[HostRun],
        inbox: Inbox,
        stop: Stop,
        end: Callable[[int, HostOutcome], None],
    ) -> None:
        self._cases = cases
        self._runs = runs
        self._peers = peers
        self._inbox = inbox
        self._stop = stop
        self._end = end
        self._is_peer_well: dict[int, bool] = {}
        self.previews: dict[int, Preview] = {}
        self.spared: set[int] = set()

    def look(self, forks: int) -> None:
        """Preview every host, at most *forks* at once; in the caller's thread."""
        with ThreadPoolExecutor(min(forks, len(self._runs) + len(self._peers)), thread_name_prefix="look") as pool:
            futures = [pool.submit(self._see_first, indices) for indices in in_turn(self._cases)]
            futures += [pool.submit(self._see_peer, index) for index in range(len(self._peers))]
            for future in futures:
                future.add_done_callback(self._inbox.wake)
            left = deque(futures)
            while left:
                self._inbox.pump()
                if self._stop.is_asked:
                    for future in futures:
                        future.cancel()
                    for run in (*self._runs, *self._peers):
                        run.give_up()
                while left and left[0].done():
                    left.popleft()
        self._inbox.drain()

    def doubt(self) -> None:
        """Note with each preview why nobody but a person may say yes to it, and what else is to be known."""
        looked = []
        for index, run in enumerate(self._runs):
            if index in self.spared:
                continue
            preview = self.previews.get(index)
            looked.append((run.host, preview is not None and preview.standing.symptom_health is Health.HEALTHY))
        looked += [(run.host, self._is_peer_well.get(index, False)) for index, run in enumerate(self._peers)]
        found = doubts([run.host for run in self._runs], looked)
        twice = named_twice((preview.host, preview.identity) for preview in self.previews.values())
        divided = [index for index in sorted(self.previews) if self._divides(index)]
        said = mixture([self._runs[index].host for index in divided], self._cases[0].scenario.hosts)
        for index, preview in self.previews.items():
            cautions = (said,) if said and index in divided else ()
            name = preview.host.name
            self.previews[index] = replace(
                preview, doubts=(*twice.get(name, ()), *found.get(name, ())), cautions=cautions
            )

    def _divides(self, index: int) -> bool:
        """Whether what would be done on a host makes it another one for its users."""
        steps, preview = self._cases[index].steps, self.previews[index]
        return any(steps[at].task.divides for at, _ in preview.pending)

    def _see_first(self, indices: Sequence[int]) -> None:
        """Preview hosts one after another, until it is known of one how it stands."""
        passed: dict[int, HostOutcome] = {}
        for index in indices:
            end = self._see(index)
            if end is None and self.previews[index].standing.symptom_health is not Health.UNKNOWN:
                self._spare(index, indices, passed)
                break
            passed[index] = end or self.previews[index].outcome
        for index, end in passed.items():
            if index not in self.spared and index not in self.previews:
                self._end(index, end)

    def _see(self, index: int) -> HostOutcome | None:
        """Preview one host; return what becomes of it where it could not be."""
        run, end = self._runs[index], None
        try:
            preview = self.previews[index] = run.preview()
            if isinstance(preview.outcome, WouldFix):
                return None
        except Exception as error:  # noqa: BLE001  # one host's bug is that host's failure, never the fleet's end
            end = self._not_seen(error)
        run.close()  # nothing more is wanted of it
        return end

    def _see_peer(self, index: int) -> None:
        run = self._peers[index]
        self._is_peer_well[index] = False
        try:
            self._is_peer_well[index] = run.preview().standing.symptom_health is Health.HEALTHY
        except Exception:  # noqa: BLE001  # a host that cannot be looked at is not known to be well
            return
        finally:
            run.close()

    def _spare(self, chosen: int, among: Sequence[int], passed: Mapping[int, HostOutcome]) -> None:
        """End the hosts that are not meant, because their stage is done once and one of them could be looked at."""
        for index in among:
            end, host = passed.get(index), self._runs[index].host
            if index == chosen or not (end is None or isinstance(end, NotReached | NotFixed)):
                continue  # a bug, or input that is wrong there, is told as such
            self.previews.pop(index, None)
            self.spared.add(index)
            self._end(index, spared(host, self._runs[chosen].host, end.why if end else ""))

    def _not_seen(self, error: Exception) -> HostOutcome:
        if self._stop.is_asked:  # whatever it was: its session was closed under it
            return stopped(self._stop)
        match error:
            case Refused():
                return Refusal(why=str(error))
            case Unreachable():
                return NotReached(why=str(error), is_retryable=error.retryable)
            case ConfigError() | FactError():  # be it the only host: others may have been touched, so it is no exit 2
                return NotReached(why=str(error), is_retryable=False)
            case _:
                return crash(error)


def stopped(stop: Stop) -> Stopped:
    """Return what becomes of a host to which nothing was sent, because somebody asked to stop."""
    return Stopped(why=f"{stop.request}; nothing was sent")
