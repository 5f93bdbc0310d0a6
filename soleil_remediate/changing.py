"""Changing many hosts: the canary alone, then batch after batch, each host in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from soleil_remediate.engine import HostRun
from soleil_remediate.events import BatchStarted, StopHeard
from soleil_remediate.gates import Approval, Gate
from soleil_remediate.host_outcomes import Crashed
from soleil_remediate.inbox import Inbox
from soleil_remediate.record import Record
from soleil_remediate.report import HostReport
from soleil_remediate.rollout import Progress, Rollout
from soleil_remediate.seen import Preview
from soleil_remediate.stages import ended_well
from soleil_remediate.stopping import Stop


class Changing:
    """The changing part of one run.

    Args:
        runs: Every host of the run.
        rollout: How the changes spread.
        inbox: Where the hosts are heard.
        stop: Looked at before anything is begun.
        record: Where copies are kept.
        report: Told what became of a host, in its own thread, before the next one is begun; returns what stands.
    """

    def __init__(
        self,
        runs: Sequence[HostRun],
        *,
        rollout: Rollout,
        inbox: Inbox,
        stop: Stop,
        record: Record,
        report: Callable[[int, HostReport], HostReport],
    ) -> None:
        self._runs = runs
        self._rollout = rollout
        self._inbox = inbox
        self._stop = stop
        self._record = record
        self._report = report
        self._stops_told = 0

    def change(
        self, pending: Mapping[int, Preview], approval: Approval, gate: Gate, failed: Sequence[tuple[str, str]]
    ) -> str:
        """Change the canary, then batch after batch, until more hosts failed than may; in the caller's thread.

        Called once for each stage.

        Args:
            pending: What would be sent to which host.
            approval: What may be sent.
            gate: Asked about what drifted.
            failed: The hosts that failed before, and how each ended, in a word.

        Returns:
            Why the rest was not begun; empty where there is none, and where a person or a signal stopped it.
        """
        progress = Progress(self._rollout, failed)
        index_of = {preview.host.name: index for index, preview in pending.items()}
        waiting, number = deque(self._rollout.batches(tuple(index_of))), 0
        while waiting and not progress.end and not self._stop.is_asked:
            batch = waiting.popleft()
            if not progress.is_proven and len(batch) > 1:  # the canary healed itself, or was locked: the next one is it
                waiting.appendleft(batch[1:])
                batch = batch[:1]
            number += 1
            if len(pending) > 1:
                self._inbox.say_all_the_same(BatchStarted(number=number, of=number + len(waiting), hosts=batch))
            self._change_together({index_of[name]: pending[index_of[name]] for name in batch}, approval, gate, progress)
        return "" if self._stop.is_asked else progress.end

    def _change_together(
        self, batch: Mapping[int, Preview], approval: Approval, gate: Gate, progress: Progress
    ) -> None:
        """Change the hosts of one batch; none is begun where nothing further may be."""

        def note(report: HostReport) -> None:
            progress.note(
                report.host.name,
                report.outcome.word,
                has_failed=not ended_well(report.outcome.word),
                was_touched=report.was_touched,
            )

        def in_turn(indices: Sequence[int]) -> None:
            for index in indices:
                if self._stop.is_asked or progress.end:
                    return
                ended = self._change_one(index, batch[index], approval)
                if ended_well(ended.outcome.word):  # one whose end stands on no record proves nothing
                    note(self._report(index, ended))
                else:  # counted before it is told: nobody begins another host in between
                    note(ended)
                    self._report(index, ended)

        machines: dict[str, list[int]] = {}
        for index, preview in batch.items():  # the applications of a machine share its lock
            machines.setdefault(preview.host.machine, []).append(index)
        forks = min(self._rollout.forks, len(machines))
        with ThreadPoolExecutor(forks, thread_name_prefix="change") as pool:
            futures = [pool.submit(in_turn, indices) for indices in machines.values()]
            for future in futures:
                future.add_done_callback(self._inbox.wake)
            while not all(future.done() for future in futures):
                self._inbox.pump(gate)
                self._tell_stop()
                if self._stop.is_insisted:
                    for index in batch:
                        self._runs[index].give_up()  # what waits for an answer gets none, and says so
        self._inbox.drain()
        for future in futures:
            future.result()

    def _change_one(self, index: int, preview: Preview, approval: Approval) -> HostReport:
        run = self._runs[index]
        try:
            return run.remedy(preview, approval.digests, self._record, self._inbox.ask_again)
        except Exception as error:  # noqa: BLE001  # a bug on one host must not hide what became of the others
            return run.report(crash(error), preview)
        finally:
            run.close()  # and with it the host's lock is given back, however long the other hosts take

    def _tell_stop(self) -> None:
        """Say at once that a stop was heard: who sees nothing asks again, and that means something else."""
        heard = self._stop.is_asked + self._stop.is_insisted
        for number in range(self._stops_told, heard):
            self._inbox.say_all_the_same(StopHeard(why=self._stop.why, is_insisted=number > 0))
        self._stops_told = heard


def crash(error: Exception) -> Crashed:
    """Return that this program broke."""
    return Crashed(why=f"a bug in this program: {type(error).__name__}: {error}")
