"""Many hosts: preview all of them at once, ask once, change a canary and then the others in batches.

One host is one thread is one session; only :mod:`.looking` and :mod:`.changing` begin threads. Whatever hosts say comes
through one :class:`~soleil_remediate.inbox.Inbox` to the caller's thread.
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from soleil_remediate.changing import Changing, crash
from soleil_remediate.clock import Clock, SystemClock
from soleil_remediate.engine import HostRun
from soleil_remediate.errors import Declined, Refused
from soleil_remediate.events import (
    Called,
    GateAnswered,
    HostEnded,
    RolloutPlanned,
    RunEnded,
    RunStarted,
)
from soleil_remediate.freezing import Brake, released
from soleil_remediate.gates import Approval, Gate
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import (
    Crashed,
    Eased,
    Fixed,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    Refusal,
    Unproven,
    WouldFix,
    WrongInput,
)
from soleil_remediate.inbox import Inbox, Listener, ignore
from soleil_remediate.looking import Looking, stopped
from soleil_remediate.record import Record, RecordNotWritten, Runs, new_run
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.rollout import NOT_TRIED, Rollout, failures
from soleil_remediate.scenario import Case, ForPeople
from soleil_remediate.seen import Preview
from soleil_remediate.shares import excess
from soleil_remediate.stages import hindrance, in_order
from soleil_remediate.stopping import Signals, Stop, StopRequested
from soleil_remediate.task import Health
from soleil_remediate.transports import Transport
from soleil_remediate.units import Duration
from soleil_remediate.watching import Watching, refuse_unless_watchable

#: Where a job in CI says who began it and which it is: the variable that is ``true`` there, its name, and two others.
_JOBS = (
    ("GITHUB_ACTIONS", "GitHub run", "GITHUB_ACTOR", "GITHUB_RUN_ID"),
    ("GITLAB_CI", "GitLab job", "GITLAB_USER_LOGIN", "CI_JOB_ID"),
)
#: Longer names are cut: a lock has room for 80 characters, and the run's name behind this one is never cut off.
_LONGEST = 80 - len(" (resumes run 01234567)")


def operator(environment: Mapping[str, str] = os.environ) -> str:
    """Return who runs this, for locks and records: ``user@machine``, or in CI who began the job, and which it is."""
    for is_here, what, who, which in _JOBS:
        if environment.get(is_here) == "true" and environment.get(who) and environment.get(which):
            where = f" in {what} {environment[which][:20]}"
            return f"{environment[who][: min(39, _LONGEST - len(where))]}{where}"
    try:
        user = environment.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = str(os.getuid())
    return f"{user[:32]}@{socket.gethostname()}"[:_LONGEST]


def preview(
    cases: Sequence[Case],
    *,
    transport: Transport,
    peers: Sequence[Case] = (),
    rollout: Rollout | None = None,
    clock: Clock | None = None,
    listener: Listener = ignore,
    stop: Stop | None = None,
) -> RunReport:
    """Look at every host at once and say what a run would do. Changes nothing and keeps no record.

    Args:
        cases: One scenario, bound to each host.
        transport: The way to the hosts.
        peers: The same scenario, bound to hosts that are looked at as well, to be counted; see :mod:`.shares`.
        rollout: How a run would spread over them.
        clock: This machine's, unless another is handed in.
        listener: Told every event, in this thread; what it raises stops it and not the run, and is raised at the end.
        stop: Ends it, as signals do, and is asked by them; whoever looks at it afterwards knows that there was one.
    """
    signals = Signals(stop or Stop(), clock or SystemClock())
    with (
        signals.heard(),
        _Fleet(
            cases, peers=peers, transport=transport, rollout=rollout or Rollout(), signals=signals, listener=listener
        ) as fleet,
    ):
        return fleet.preview()


def remediate(  # noqa: PLR0913  # all by name, and all but four have a default
    cases: Sequence[Case],
    *,
    transport: Transport,
    gate: Gate,
    runs: Runs,
    peers: Sequence[Case] = (),
    rollout: Rollout | None = None,
    clock: Clock | None = None,
    listener: Listener = ignore,
    brake: Brake = released,
    called: Called | None = None,
    failed: Sequence[tuple[str, str]] = (),
    watch: Duration | None = None,
) -> RunReport:
    """Look at every host at once, ask the gate once, change batch after batch, and prove what became of each host.

    While it runs in the main thread, SIGINT, SIGTERM and SIGHUP end it after the change under way; where that leaves
    half of a repair, it is taken back first; of one whose half does harm the rest is sent. A second one ends it at
    once. Either way the record is true, and the report says what was sent.

    Args:
        cases: One scenario, bound to each host.
        transport: The way to the hosts.
        gate: Decides what may be sent; called in this thread.
        runs: Where the record is kept.
        peers: The same scenario, bound to hosts that are looked at as well, to be counted; see :mod:`.shares`.
        rollout: How the changes spread; one host after another, until the first that fails, unless given.
        clock: This machine's, unless another is handed in.
        listener: Told every event, in this thread; what it raises stops it and not the run, and is raised at the end.
        brake: Keeps whatever has not been sent yet from being sent, at any moment: the inventory's switch.
        called: Goes into the record, so that somebody can go on with it.
        failed: Hosts of a run that this one goes on with, which count as failed here, and how each ended, in a word.
        watch: So long the hosts that ended well are looked at again afterwards, and what the last look says counts. A
            signal ends that at once; nothing is sent.

    Raises:
        ValueError: *watch* is too short or too long; no host was looked at.
        Frozen: Somebody froze the inventory before: no host was even looked at.
        RecordNotWritten: No record could be begun, so no host was even looked at.
    """
    if watch is not None:
        refuse_unless_watchable(watch)
    brake()
    clock = clock or SystemClock()
    signals, run = Signals(Stop(), clock), new_run()
    with (
        signals.heard(),  # until the record is closed: what was done must not be called interrupted
        runs.begin(run, clock) as record,
        _Fleet(
            cases,
            peers=peers,
            transport=transport,
            rollout=rollout or Rollout(),
            signals=signals,
            listener=listener,
            run=run,
            record=record,
            brake=brake,
            failed=failed,
        ) as fleet,
    ):
        report = fleet.remediate(gate, called or Called())
        return report if watch is None else fleet.watch(report, watch)


class _Fleet:
    """The hosts of one run, their threads, and the one queue to the caller's thread."""

    def __init__(  # noqa: PLR0913  # what the two ways in were given
        self,
        cases: Sequence[Case],
        *,
        peers: Sequence[Case],
        transport: Transport,
        rollout: Rollout,
        signals: Signals,
        listener: Listener,
        run: str | None = None,
        record: Record | None = None,
        brake: Brake = released,
        failed: Sequence[tuple[str, str]] = (),
    ) -> None:
        if not cases:
            raise ValueError("no host: an empty match is refused before this")
        self._scenario = cases[0].scenario.name
        self._run = run or new_run()
        self._record = record
        self._rollout = rollout
        self._failed_before = tuple(failed)
        self._transport = transport
        self._inbox = Inbox(listener, signals, record)
        self._signals = signals
        self._stop = signals.stop
        self._owner = operator()
        self._cases = cases
        self._for_people = ForPeople.of(cases)

        def runs_of(cases: Sequence[Case], say: Listener) -> list[HostRun]:
            owner = f"{self._owner} (run {self._run})"
            return [
                HostRun(
                    case,
                    run=self._run,
                    owner=owner,
                    transport=transport,
                    clock=signals.clock,
                    say=say,
                    stop=self._stop,
                    brake=brake,
                    nth=nth,
                )
                for nth, case in enumerate(cases)
            ]

        self._runs = runs_of(cases, self._inbox.say)
        self._peers = runs_of(peers, ignore)
        self._looking = Looking(
            cases,
            self._runs,
            peers=self._peers,
            inbox=self._inbox,
            stop=self._stop,
            end=lambda index, outcome: self._end_host(index, outcome, None),
        )
        self._reports: dict[int, HostReport] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for run in (*self._runs, *self._peers):
            run.close()

    # --- the two ways through -----------------------------------------------------------------------------------------

    def preview(self) -> RunReport:
        self._start()
        self._looking.look(self._rollout.forks)
        self._tell_rollout([one.host for _, one in self._seen if isinstance(one.outcome, WouldFix)])
        self._looking.doubt()
        for index, preview in self._seen:
            self._end_host(index, preview.outcome, preview, took=preview.looked_in)
        return self._end()

    def remediate(self, gate: Gate, called: Called) -> RunReport:
        self._start(called)
        self._looking.look(self._rollout.forks)
        self._looking.doubt()
        pending: dict[int, Preview] = {}
        for index, preview in self._seen:
            if isinstance(preview.outcome, WouldFix):
                pending[index] = preview
            else:
                self._end_host(index, preview.outcome, preview)
        approval = self._ask(gate, pending)
        if approval is not None:
            self._change(pending, approval, gate)
        return self._end()

    def watch(self, report: RunReport, lasts: Duration) -> RunReport:
        for run in self._runs:
            run.close()  # each look has a session of its own
        watching = Watching(self._cases, transport=self._transport, signals=self._signals, inbox=self._inbox)
        ended = watching.watch(report, lasts)
        if self._inbox.listeners_bug is not None:
            raise self._inbox.listeners_bug
        return ended

    @property
    def _seen(self) -> list[tuple[int, Preview]]:
        """What was seen of each host, in their order."""
        return sorted(self._looking.previews.items())

    def _change(self, pending: dict[int, Preview], approval: Approval, gate: Gate) -> None:
        """Change the hosts of one stage after the other, as long as all ended well on all hosts of those before."""
        if self._record is None:
            raise AssertionError("no record, no change")
        changing = Changing(
            self._runs,
            rollout=self._rollout,
            inbox=self._inbox,
            stop=self._stop,
            record=self._record,
            report=self._report,
        )
        for stage in in_order(preview.host for preview in pending.values()):
            if self._stop.is_asked:
                return
            its = {index: preview for index, preview in pending.items() if preview.host.stage == stage}
            if why := self._hindrance(stage) or changing.change(its, approval, gate, self._failed):
                for index, preview in its.items():
                    if index not in self._reports:
                        self._end_host(index, Refusal(why=f"{NOT_TRIED}{why}. Nothing was sent"), preview)

    def _hindrance(self, stage: str) -> str:
        ends = {index: report.outcome.word for index, report in self._reports.items()}
        return hindrance(stage, [(run.host, ends.get(index, "")) for index, run in enumerate(self._runs)])

    def _start(self, called: Called | None = None) -> None:
        hosts = tuple(run.host.name for run in self._runs)
        inputs = self._cases[0].inputs
        event = RunStarted(
            run=self._run,
            scenario=self._scenario,
            hosts=hosts,
            operator=self._owner,
            inputs=inputs,
            called=called or Called(),
            for_people=self._for_people,
        )
        try:
            self._inbox.say(event)
        except RecordNotWritten as error:
            raise RecordNotWritten(f"{error}. Without a record nothing is sent: no host was looked at") from error

    def _end(self) -> RunReport:
        for index in range(len(self._runs)):
            if index not in self._reports:  # a signal came before it was this host's turn
                self._end_host(index, stopped(self._stop), self._looking.previews.get(index))
        report = RunReport(
            run=self._run,
            scenario=self._scenario,
            hosts=tuple(self._reports[index] for index in range(len(self._runs))),
            for_people=self._for_people,
        )
        self._inbox.say_all_the_same(RunEnded(report=report))
        self._inbox.drain()
        if self._inbox.listeners_bug is not None:
            raise self._inbox.listeners_bug
        return report

    def _end_host(self, index: int, outcome: HostOutcome, preview: Preview | None, **more: Any) -> None:
        self._report(index, HostReport(host=self._runs[index].host, outcome=outcome, preview=preview, **more))

    def _report(self, index: int, report: HostReport) -> HostReport:
        """Note what became of a host and tell it at once: if the run dies later, this stands on record.

        Returns:
            What became of it, where it could not be recorded as well.
        """
        try:
            if self._record is not None:
                self._record.write(HostEnded(report=report))
        except Refused as error:
            report = _unrecorded(report, str(error))
        except Exception as error:  # noqa: BLE001  # a bug there must neither look like a stop nor end the fleet
            report = _broken(report, error)
        self._reports[index] = report
        self._inbox.tell(HostEnded(report=report))
        return report

    # --- its three parts ----------------------------------------------------------------------------------------------

    def _ask(self, gate: Gate, pending: dict[int, Preview]) -> Approval | None:
        """Pass the gate, once for all hosts; where it does not open, say so for each of them."""
        if not pending:
            return None
        outcome: HostOutcome
        try:
            self._stop.check()
            self._tell_rollout([preview.host for preview in pending.values()])
            self._refuse_wrong_input()
            self._refuse_failures()
            self._refuse_stages(pending)
            if why := excess([preview.host for preview in pending.values()]):
                raise Declined(f"{NOT_TRIED}{why}. Nothing was sent to any host")
            approval = self._signals.ask(lambda: gate.approve(self._scenario, tuple(pending.values())))
            self._inbox.say(GateAnswered(is_open=True, by=approval.by, approved=tuple(sorted(approval.digests))))
        except StopRequested:
            outcome = stopped(self._stop)
        except Refused as error:
            outcome = Refusal(why=str(error))
        except Exception as error:  # noqa: BLE001  # a gate that breaks does not open, and that is recorded
            outcome = crash(error)
        else:
            return approval
        self._inbox.say_all_the_same(GateAnswered(is_open=False, by=outcome.why, approved=()))
        for index, preview in pending.items():
            self._end_host(index, outcome, preview)
        return None

    def _refuse_wrong_input(self) -> None:
        """Raise Declined where what was given names something that a host has not: then it is right for none."""
        wrong = [preview for _, preview in self._seen if isinstance(preview.outcome, WrongInput)]
        if wrong:
            names = ", ".join(preview.host.name for preview in wrong)
            raise Declined(f"{NOT_TRIED}what was given is not right for {names}. Nothing was sent to any host")

    def _refuse_failures(self) -> None:
        """Raise Declined where more hosts than may fail did so before, or could not even be looked at."""
        failed = self._failed
        if len(failed) > self._rollout.max_fail:
            them = "it" if len(failed) == 1 else "them"
            leave = f"leave {them} out of --host, or " if not self._failed_before and self._has_a_host_for_each else ""
            raise Declined(
                f"{NOT_TRIED}{failures(failed, self._rollout.max_fail)}. Nothing was sent to any host. "
                f"To go on without {them}, {leave}add --max-fail {len(failed)}"
            )

    def _refuse_stages(self, pending: Mapping[int, Preview]) -> None:
        """Raise Declined where a stage could not begin even if all went well: nobody is asked for half of a run."""
        ends = dict.fromkeys(pending, Fixed.word)
        ends |= {index: report.outcome.word for index, report in self._reports.items()}
        hosts = [(run.host, ends.get(index, "")) for index, run in enumerate(self._runs)]
        for stage in in_order(preview.host for preview in pending.values()):
            if why := hindrance(stage, hosts):
                waits = f"{why}, so that stage {stage} could not follow"
                raise Declined(f"{NOT_TRIED}{waits}. Nothing was sent to any host{self._leave}")

    @property
    def _leave(self) -> str:
        return ". To go on without that host, leave it out of --host" if self._has_a_host_for_each else ""

    @property
    def _has_a_host_for_each(self) -> bool:
        """Whether each stage has a host that was looked at: without one it could not be bound at all."""
        looked_at = {self._runs[index].host.stage for index in (*self._looking.previews, *self._looking.spared)}
        return looked_at == {run.host.stage for run in self._runs}

    @property
    def _failed(self) -> tuple[tuple[str, str], ...]:
        """Which hosts failed before, were not reached, or left unknown how they stand, and the verdict of each."""
        failed = list(self._failed_before)
        for index, run in enumerate(self._runs):
            if index in self._looking.spared:
                continue
            preview = self._looking.previews.get(index)
            if preview is None:
                failed.append((run.host.name, self._reports[index].outcome.word))
            elif isinstance(preview.outcome, NotFixed) and preview.standing.symptom_health is Health.UNKNOWN:
                failed.append((run.host.name, preview.outcome.word))
        return tuple(failed)

    def _tell_rollout(self, hosts: Sequence[Host]) -> None:
        """Say in which order several hosts are, or would be, changed; each stage has a canary of its own."""
        if len(hosts) > 1:
            rollout, batches = self._rollout, tuple[tuple[str, ...], ...]()
            for stage in in_order(hosts):
                batches += rollout.batches([host.name for host in hosts if host.stage == stage])
            self._inbox.say(RolloutPlanned(batches=batches, forks=rollout.forks, max_fail=rollout.max_fail))
            self._inbox.drain()  # whoever is asked next must have heard it


def _broken(report: HostReport, error: Exception) -> HostReport:
    """Return that this program broke when the end of a host was written down, and what that end was."""
    outcome, why = report.outcome, crash(error).why
    if isinstance(outcome, MaybeChanged):  # nothing is worse
        return replace(report, outcome=replace(outcome, why=f"{outcome.why}; {why}"))
    return replace(report, outcome=Crashed(why=f"{why}; before that: {outcome.word}, {outcome.why}"))


def _unrecorded(report: HostReport, why: str) -> HostReport:
    """Return what became of a host whose end is on no record: nobody who reads the record later can vouch for it."""
    outcome = report.outcome
    if not report.was_touched:
        return report
    reason = outcome.why if why in outcome.why else f"{outcome.why}; {why}"
    if isinstance(outcome, Fixed | Eased):
        return replace(report, outcome=Unproven(why=f"{reason}, so that this end stands on no record"))
    return replace(report, outcome=replace(outcome, why=reason))
