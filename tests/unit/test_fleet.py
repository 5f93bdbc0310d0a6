"""Many hosts: looked at all at once, asked about once, changed one after another, and told as it was."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Output
from soleil_remediate.errors import (
    ConfigError,
    ConnectionLost,
    Declined,
    ExitStatus,
    FactError,
    Frozen,
    HostKeyRejected,
    PlanDrifted,
)
from soleil_remediate.events import (
    ChangeIntended,
    Event,
    GateAnswered,
    HostEnded,
    HostSeen,
    RolloutPlanned,
    RunEnded,
    RunStarted,
)
from soleil_remediate.freezing import Switch, released
from soleil_remediate.gates import Approval, PlanGate, PolicyGate
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import (
    Crashed,
    Fixed,
    Halted,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
)
from soleil_remediate.identity import Identity
from soleil_remediate.plan import Change, Plan, Risk
from soleil_remediate.record import Record, RecordNotWritten, Runs
from soleil_remediate.report import RunReport
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case, Step
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepStillFaulty
from soleil_remediate.task import Task
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedSession, ScriptedTransport
from soleil_remediate.units import Duration
from tests import tiny
from tests.tiny import PutFile

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Gatekeeper:
    """Opens, refuses or breaks as told, and remembers what it was asked, and in which thread."""

    refuses: Exception | None = None
    refuses_again: BaseException | None = None
    before: Callable[[], object] = lambda: None
    before_again: Callable[[], object] = lambda: None
    asked: list[tuple[str, ...]] = field(default_factory=list)
    asked_again: list[str] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        assert scenario == "tiny"
        self.asked.append(tuple(one.host.name for one in previews))
        self.threads.add(threading.get_ident())
        self.before()
        if self.refuses is not None:
            raise self.refuses
        return Approval(digests=frozenset(digest for one in previews for digest in one.digests), by="jan typed it")

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        self.asked_again.append(f"{host.name} {change.summary}")
        self.threads.add(threading.get_ident())
        self.before_again()
        if self.refuses_again is not None:
            raise self.refuses_again
        return Approval(digests=frozenset({change.digest(host.name, kind)}), by="jan said yes again")


class Held(ScriptedTransport):
    """Lets what is told happen when a session is opened."""

    def __init__(self, hosts: Sequence[ScriptedHost], on_open: Callable[[str], object] = lambda _: None) -> None:
        super().__init__(*hosts)
        self._on_open = on_open

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ScriptedSession:
        self._on_open(host.name)
        return super().open(host, within=within)


@dataclass
class Fleet:
    """Some scripted hosts, and everything that is heard of a run on them."""

    folder: Path
    hosts: list[ScriptedHost] = field(default_factory=lambda: [tiny.scripted("web1"), tiny.scripted("web2")])
    steps: tuple[Step | Task[Any], ...] = (PutFile(),)
    gate: Gatekeeper = field(default_factory=Gatekeeper)
    heard: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], object] = lambda _: None
    on_open: Callable[[str], object] = lambda _: None
    clock: Any = None
    brake: Callable[[], None] = released
    rollout: Rollout = field(default_factory=Rollout)
    cases_on: Sequence[Host] = ()
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def runs(self) -> Runs:
        return Runs(self.folder)

    @property
    def cases(self) -> list[Case]:
        return [
            tiny.case(*self.steps, on=host) for host in self.cases_on or [tiny.host(one.name) for one in self.hosts]
        ]

    def listen(self, event: Event) -> None:
        self.heard.append(event)
        self.on_event(event)

    def preview(self) -> RunReport:
        return fleet.preview(
            self.cases,
            transport=Held(self.hosts, self.on_open),
            rollout=self.rollout,
            listener=self.listen,
            clock=self.clock,
        )

    def remediate(self, gate: Any = None) -> RunReport:
        return fleet.remediate(
            self.cases,
            transport=Held(self.hosts, self.on_open),
            gate=gate or self.gate,
            runs=self.runs,
            rollout=self.rollout,
            listener=self.listen,
            clock=self.clock,
            brake=self.brake,
            failed=self.failed,
        )

    @property
    def words(self) -> list[list[str]]:
        return [tiny.words_sent(one) for one in self.hosts]

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def lines(self, run: str) -> tuple[dict[str, Any], ...]:
        return self.runs.read(run)


@pytest.fixture
def two(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "state")


def outcomes(report: RunReport) -> list[type]:
    return [type(one.outcome) for one in report.hosts]


def check_truth(two: Fleet, report: RunReport) -> None:
    """Hold report and record against what the hosts really did."""
    record = two.lines(report.run)
    assert record[-1]["type"] == "RunEnded"
    for one, scripted in zip(report.hosts, two.hosts, strict=True):
        ran = list(scripted._operations)
        mine = [line for line in record if line.get("host") == scripted.name]
        intended = [line["operation"] for line in mine if line["type"] == "ChangeIntended"]
        answered = [line["operation"] for line in mine if line["type"] == "ChangeAnswered"]
        assert set(ran) <= set(intended), "something ran without an intent on disk"
        assert set(answered) <= set(ran), "an answer was recorded of what never ran"
        assert len(scripted.sent) == len(ran), "something ran twice"
        reported = [sent.operation for sent in one.sent]
        assert set(reported) <= set(ran), "the report says more than was done"
        if not isinstance(one.outcome, MaybeChanged):
            assert set(ran) == set(answered), "something ran, and the record does not say how it ended"
        if ran:
            assert "nothing was sent" not in one.outcome.why.lower()
            assert not isinstance(one.outcome, Refusal | NotReached | NotNeeded)
        else:
            assert not isinstance(one.outcome, Fixed)
        assert scripted._holder is None, "the lock was not given back"
        (ended,) = [line for line in record if line["type"] == "HostEnded" and line["host"] == scripted.name]
        assert ended["outcome"]["verdict"] == one.outcome.word


# --- looking ----------------------------------------------------------------------------------------------------------


def test_a_preview_looks_at_every_host_and_sends_and_records_nothing(two: Fleet) -> None:
    report = two.preview()
    assert outcomes(report) == [WouldFix, WouldFix]
    assert report.exit_status is ExitStatus.WORK_FOUND
    assert two.words == [[], []]
    assert not two.folder.exists()
    assert [type(event) for event in two.heard] == [
        RunStarted, HostSeen, HostSeen, RolloutPlanned, HostEnded, HostEnded, RunEnded,
    ]  # fmt: skip


def test_all_hosts_are_looked_at_in_the_same_moment(tmp_path: Path) -> None:
    together = threading.Barrier(12, timeout=20)
    many = Fleet(tmp_path, hosts=[tiny.scripted(f"web{i}") for i in range(12)], on_open=lambda _: together.wait())
    assert outcomes(many.preview()) == [WouldFix] * 12


def test_reports_stand_in_the_inventorys_order_whoever_answers_first(tmp_path: Path) -> None:
    many = Fleet(
        tmp_path,
        hosts=[tiny.scripted(f"web{i}") for i in range(5)],
        on_open=lambda name: time.sleep(0.05 * (5 - int(name[3:]))),
    )
    report = many.remediate()
    assert [one.host.name for one in report.hosts] == [f"web{i}" for i in range(5)]
    assert many.gate.asked == [tuple(f"web{i}" for i in range(5))]
    assert [event.host for event in many.said(ChangeIntended)] == [f"web{i}" for i in range(5)]


def test_the_listener_and_the_gate_are_called_in_the_callers_thread_only(two: Fleet) -> None:
    threads: set[int] = set()
    two.on_event = lambda _: threads.add(threading.get_ident())
    two.remediate()
    assert threads | two.gate.threads == {threading.get_ident()}


def test_a_host_that_cannot_be_reached_keeps_the_others_from_being_repaired_and_nobody_is_asked(two: Fleet) -> None:
    two.hosts[0].unreachable = HostKeyRejected("the key has changed")
    report = two.remediate()
    assert report.hosts[0].outcome == NotReached(why="the key has changed", is_retryable=False)
    assert report.hosts[1].outcome == Refusal(
        why="not tried: web1 ended UNREACHABLE. Nothing was sent to any host. To go on without it, leave it out of "
        "--host, or add --max-fail 1"
    )
    assert report.exit_status is ExitStatus.UNREACHABLE
    assert two.gate.asked == []
    assert two.words == [[], []]
    check_truth(two, report)


def test_a_host_that_cannot_be_reached_and_may_fail_does_not_keep_the_others_from_being_repaired(two: Fleet) -> None:
    two.hosts[0].unreachable = HostKeyRejected("the key has changed")
    two.rollout = Rollout(max_fail=1)
    report = two.remediate()
    assert report.hosts[0].outcome == NotReached(why="the key has changed", is_retryable=False)
    assert outcomes(report)[1] is Fixed
    assert report.exit_status is ExitStatus.UNREACHABLE
    assert two.gate.asked == [("web2",)]
    check_truth(two, report)


@pytest.mark.parametrize("broken", [0, 1])
def test_a_bug_while_looking_at_one_host_is_that_hosts_end_and_not_the_fleets(two: Fleet, broken: int) -> None:
    two.hosts[broken].on_read(lambda _: True, lambda _: str(1 // 0))
    two.rollout = Rollout(max_fail=1)
    report = two.remediate()
    assert isinstance(report.hosts[broken].outcome, Crashed)
    assert "ZeroDivisionError" in report.hosts[broken].outcome.why
    assert outcomes(report)[1 - broken] is Fixed
    assert report.exit_status is ExitStatus.BUG
    check_truth(two, report)


def breaks_on_the_end_of(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write = Record.write

    def broken(self: Record, event: Event) -> None:
        if isinstance(event, HostEnded) and event.report.host.name == name:
            raise TypeError("it has no place in a record")
        write(self, event)

    monkeypatch.setattr(Record, "write", broken)


def test_a_bug_while_the_end_of_a_host_is_written_is_a_bug_and_no_stop(
    two: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_on_the_end_of(monkeypatch, "web1")
    two.hosts[0].unreachable = ConnectionLost("web1 is silent")
    two.rollout = Rollout(max_fail=1)
    report = two.remediate()
    assert report.hosts[0].outcome == Crashed(
        why="a bug in this program: TypeError: it has no place in a record; before that: UNREACHABLE, web1 is silent"
    )
    assert outcomes(report)[1] is Fixed
    assert report.untouched == ("web1",)
    assert report.exit_status is ExitStatus.BUG


def test_a_bug_while_the_end_of_a_changed_host_is_written_hides_neither_its_changes_nor_the_others(
    two: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_on_the_end_of(monkeypatch, "web1")
    report = two.remediate()
    assert outcomes(report)[0] is Crashed
    assert "; before that: FIXED, " in report.hosts[0].outcome.why
    assert report.touched == ("web1",)
    assert [type(event) for event in two.heard][-1] is RunEnded


def test_a_bug_while_the_end_of_a_host_is_written_hides_nothing_that_is_unknown(
    two: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks_on_the_end_of(monkeypatch, "web1")
    two.hosts[0].on_change(tiny.put("good"), fate=Fate.LOST)
    report = two.remediate()
    assert outcomes(report)[0] is MaybeChanged
    assert "it has no place in a record" in report.hosts[0].outcome.why
    assert report.unknown == ("web1",)


def test_one_host_whose_connection_is_misconfigured_was_not_reached(two: Fleet) -> None:
    def open_(name: str) -> None:
        if name == "web1":
            raise ConfigError("the private key /k does not exist")

    two.on_open, two.rollout = open_, Rollout(max_fail=1)
    report = two.remediate()
    assert report.hosts[0].outcome == NotReached(why="the private key /k does not exist", is_retryable=False)
    assert outcomes(report)[1] is Fixed


@pytest.mark.parametrize("way", ["preview", "remediate"])
def test_where_no_host_can_even_be_contacted_the_report_says_what_the_exit_status_says(two: Fleet, way: str) -> None:
    def open_(_: str) -> None:
        raise ConfigError("the private key /k does not exist")

    two.on_open = open_
    report = getattr(two, way)()
    assert outcomes(report) == [NotReached, NotReached]
    assert report.exit_status is ExitStatus.UNREACHABLE
    assert isinstance(two.heard[-1], RunEnded)
    assert two.heard[-1].report == report
    if way == "remediate":
        assert [run.verdict for run in two.runs.list()] == ["UNREACHABLE"]


def test_hosts_with_nothing_to_do_are_let_go_before_anybody_is_asked(two: Fleet) -> None:
    closed: list[str] = []
    tiny.say(two.hosts[0], "good")

    class Closing(Held):
        def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ScriptedSession:
            session = super().open(host, within=within)
            session.close = lambda: closed.append(host.name)  # type: ignore[method-assign]  # the only way to see it
            return session

    two.gate.before = lambda: closed.append("gate")
    fleet.remediate(two.cases, transport=Closing(two.hosts), gate=two.gate, runs=two.runs)
    assert closed.index("web1") < closed.index("gate") < closed.index("web2")


def test_no_host_at_all_is_a_mistake_and_not_a_success(two: Fleet) -> None:
    two.hosts = []
    with pytest.raises(ValueError, match="no host"):
        two.remediate()


# --- the gate ---------------------------------------------------------------------------------------------------------


def test_the_gate_is_asked_once_for_all_hosts_that_have_something_to_do(tmp_path: Path) -> None:
    many = Fleet(tmp_path, hosts=[tiny.scripted(f"web{i}", "good" if i == 1 else "bad") for i in range(3)])
    report = many.remediate()
    assert many.gate.asked == [("web0", "web2")]
    assert outcomes(report) == [Fixed, NotNeeded, Fixed]
    assert report.exit_status is ExitStatus.OK
    (answered,) = many.said(GateAnswered)
    assert (answered.is_open, answered.by, len(answered.approved)) == (True, "jan typed it", 2)
    check_truth(many, report)


def test_where_nothing_is_wrong_nobody_is_asked(two: Fleet) -> None:
    for one in two.hosts:
        tiny.say(one, "good")
    assert outcomes(two.remediate()) == [NotNeeded, NotNeeded]
    assert two.gate.asked == []
    assert two.said(GateAnswered) == []


@pytest.mark.parametrize("why", [Declined("jan said no"), PlanDrifted("another plan")])
def test_declined_means_that_no_host_was_sent_anything_nor_locked(two: Fleet, why: Exception) -> None:
    two.gate.refuses = why
    report = two.remediate()
    assert [one.outcome for one in report.hosts] == [Refusal(why=str(why))] * 2
    assert report.exit_status is ExitStatus.DECLINED
    assert two.words == [[], []]
    assert [one.owners for one in two.hosts] == [[], []]
    (answered,) = two.said(GateAnswered)
    assert (answered.is_open, answered.by) == (False, str(why))
    check_truth(two, report)


@pytest.mark.parametrize("bug", [EOFError(), RuntimeError("a bug"), OSError("the terminal is gone"), TimeoutError()])
def test_a_gate_that_breaks_does_not_open(two: Fleet, bug: Exception) -> None:
    two.gate.refuses = bug
    report = two.remediate()
    assert outcomes(report) == [Crashed, Crashed]
    assert two.words == [[], []]
    check_truth(two, report)


def test_what_a_preview_prints_for_approval_is_what_the_gate_compares(two: Fleet) -> None:
    tiny.say(two.hosts[1], "good")
    two.steps = (PutFile(risk=Risk.DESTRUCTIVE), Step(task=PutFile(words=("best",))))
    plan = two.preview().plan
    report = two.remediate(PlanGate(plan=plan))
    assert outcomes(report) == [Fixed, NotNeeded]


def test_an_approved_plan_is_for_the_machines_that_were_looked_at(two: Fleet) -> None:
    two.hosts[0].identity, two.hosts[1].identity = (Identity(machine_id=digit * 32) for digit in "12")
    plan = two.preview().plan
    two.hosts[0].identity, two.hosts[1].identity = two.hosts[1].identity, two.hosts[0].identity
    report = two.remediate(PlanGate(plan=plan))
    assert outcomes(report) == [Refusal, Refusal]
    assert f"not the approved {plan}" in report.hosts[0].outcome.why
    assert two.words == [[], []]
    two.hosts[0].identity, two.hosts[1].identity = two.hosts[1].identity, two.hosts[0].identity
    assert outcomes(two.remediate(PlanGate(plan=plan))) == [Fixed, Fixed]


def test_two_hosts_that_are_one_machine_are_left_to_a_person_who_is_told(two: Fleet) -> None:
    boot = "c1e920bb-9b37-4eb3-a05f-690bede428cd"
    for one in two.hosts:
        one.identity = Identity(machine_id="1a" * 16, boot_id=boot, hostname="web2")
    report = two.remediate(PolicyGate(says_yes=True))
    assert outcomes(report) == [Refusal, Refusal]
    why = f"web1 (web1) and web2 (web2) are one and the same machine: machine_id {'1a' * 16}, which calls itself web2"
    assert report.hosts[0].outcome.why.startswith(why)
    assert report.hosts[0].outcome.why.count("the same machine") == 1
    assert [one.preview.doubts[0][: len(why)] for one in report.hosts if one.preview] == [why, why]
    assert two.words == [[], []]
    assert outcomes(two.remediate()) == [Fixed, Fixed]  # somebody said yes


def test_unattended_a_risky_plan_is_declined_and_a_gentle_one_is_not(two: Fleet) -> None:
    two.steps = (PutFile(risk=Risk.DISRUPTIVE),)
    assert outcomes(two.remediate(PolicyGate(says_yes=True))) == [Refusal, Refusal]
    two.steps = (PutFile(),)
    assert outcomes(two.remediate(PolicyGate(says_yes=False))) == [Fixed, Fixed]


# --- changing ---------------------------------------------------------------------------------------------------------


def test_hosts_are_changed_one_after_another_and_each_lock_is_given_back_before_the_next_is_taken(
    tmp_path: Path,
) -> None:
    hosts = [tiny.scripted(f"web{i}") for i in range(4)]
    locked: list[list[str]] = []

    def look(host: ScriptedHost) -> None:
        locked.append([one.name for one in hosts if one._holder is not None])
        tiny.say(host, "good")

    for one in hosts:
        one.on_change(tiny.put("good"), "put good", then=look)
    report = Fleet(tmp_path, hosts=hosts).remediate()
    assert locked == [["web0"], ["web1"], ["web2"], ["web3"]]
    assert report.exit_status is ExitStatus.OK


FAILS = Output(exit_status=1, stderr=b"no\n")


@pytest.mark.parametrize("bad", range(3))
def test_the_first_host_that_ends_badly_is_the_last_that_is_changed(tmp_path: Path, bad: int) -> None:
    many = Fleet(tmp_path, hosts=[tiny.scripted(f"web{i}") for i in range(3)])
    many.hosts[bad].on_change(tiny.put("good"), FAILS)
    report = many.remediate()
    assert outcomes(report) == [Fixed] * bad + [NotFixed] + [Refusal] * (2 - bad)
    assert [len(words) for words in many.words] == [1] * (bad + 1) + [0] * (2 - bad)
    for one in report.hosts[bad + 1 :]:
        assert one.outcome.why == f"not tried: web{bad} ended NOT FIXED. Nothing was sent"
    assert report.exit_status is ExitStatus.NOT_FIXED
    check_truth(many, report)


@pytest.mark.parametrize(
    "prepare, expected, status",
    [
        (lambda host: setattr(host, "locked_by", "eva"), Refusal, ExitStatus.DECLINED),
        (lambda host: setattr(host, "unreachable", ConnectionLost("cut")), NotReached, ExitStatus.UNREACHABLE),
        (lambda host: host.on_change(tiny.put("good"), fate=Fate.LOST), MaybeChanged, ExitStatus.UNKNOWN),
        (lambda host: host.on_change(tiny.put("good"), lambda _: 1 // 0), MaybeChanged, ExitStatus.UNKNOWN),
    ],
    ids=["locked", "lost", "unknown", "a bug while sending"],
)
def test_a_host_that_ends_unknown_unreachable_or_locked_counts_as_ending_badly(
    two: Fleet, prepare: Callable[[ScriptedHost], object], expected: type, status: ExitStatus
) -> None:
    two.gate.before = lambda: prepare(two.hosts[0])
    report = two.remediate()
    assert outcomes(report) == [expected, Refusal]
    assert report.exit_status is status
    assert two.words[1] == []


@pytest.fixture
def switch(two: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Switch:
    """What freezes the two hosts."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "inventory.yml").write_text("all: {hosts: {web1: , web2: }}\n")
    switch = Switch(inventory=tmp_path / "inventory.yml")
    two.brake = switch.check
    return switch


def freeze(switch: Switch) -> None:
    switch.freeze("eva@desk", datetime(2026, 11, 25, 3, 12, tzinfo=UTC), "I am on it by hand")


def test_a_run_of_a_frozen_inventory_is_refused_before_any_host_is_asked_and_keeps_no_record(
    two: Fleet, switch: Switch
) -> None:
    freeze(switch)
    for host in two.hosts:
        host.unreachable = ConnectionLost("it is dead")
    with pytest.raises(Frozen, match=r"frozen by eva@desk since .*: I am on it by hand. Nothing was sent"):
        two.remediate()
    assert two.runs.list() == ()
    assert two.heard == []


def test_a_frozen_inventory_can_still_be_looked_at(two: Fleet, switch: Switch) -> None:
    freeze(switch)
    assert outcomes(two.preview()) == [WouldFix, WouldFix]


def test_a_freeze_while_somebody_thinks_sends_nothing_and_takes_no_lock(two: Fleet, switch: Switch) -> None:
    two.gate.before = lambda: freeze(switch)
    report = two.remediate()
    first, second = (one.outcome for one in report.hosts)
    assert isinstance(first, Halted)
    assert first.why == "frozen by eva@desk since 2026-11-25 03:12:00 UTC: I am on it by hand. Nothing was sent"
    assert first.lift == switch.lift
    assert "web1 ended FROZEN" in second.why
    assert report.exit_status is ExitStatus.DECLINED
    assert two.words == [[], []]
    assert [host.owners for host in two.hosts] == [[], []]


def test_a_freeze_in_the_middle_lets_the_change_under_way_end_and_sends_no_other(two: Fleet, switch: Switch) -> None:
    def frozen_meanwhile(host: ScriptedHost) -> None:
        tiny.say(host, "first")
        freeze(switch)

    two.steps = (PutFile(words=("first", "good")),)
    two.hosts[0].on_change(tiny.put("first"), "put first\n", then=frozen_meanwhile)
    report = two.remediate()
    first, second = report.hosts
    assert two.words == [["first"], []]
    assert isinstance(first.outcome, NotFixed)
    assert "frozen by eva@desk since 2026-11-25 03:12:00 UTC: I am on it by hand. Nothing more was sent" in (
        first.outcome.why
    )
    assert switch.lift in first.outcome.why
    assert isinstance(second.outcome, Refusal)
    assert report.exit_status is ExitStatus.NOT_FIXED
    intended = [line for line in two.lines(report.run) if line["type"] == "ChangeIntended"]
    assert len(intended) == 1


def test_once_it_is_lifted_the_same_run_goes(two: Fleet, switch: Switch) -> None:
    freeze(switch)
    switch.thaw()
    assert outcomes(two.remediate()) == [Fixed, Fixed]


@dataclass(frozen=True, kw_only=True)
class Buggy(PutFile):
    """Breaks once its change was sent."""

    kind = "file.bug"

    async def read(self, host: Any) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        if seen == "good":
            raise ZeroDivisionError("a bug in a task")
        return super().plan(seen)


def test_a_bug_after_a_change_tells_what_was_sent_and_leaves_the_others_alone(two: Fleet) -> None:
    two.steps = (Buggy(),)
    report = two.remediate()
    assert outcomes(report) == [Crashed, Refusal]
    assert "ZeroDivisionError: a bug in a task" in report.hosts[0].outcome.why
    assert [type(step.outcome) for step in report.hosts[0].steps] == [StepStillFaulty]
    assert len(report.hosts[0].sent) == 1
    assert report.exit_status is ExitStatus.BUG
    check_truth(two, report)


def test_a_host_that_healed_itself_while_somebody_thought_is_not_touched(two: Fleet) -> None:
    two.gate.before = lambda: tiny.say(two.hosts[0], "good")
    report = two.remediate()
    assert outcomes(report) == [NotNeeded, Fixed]
    assert two.words == [[], ["good"]]
    check_truth(two, report)


def drift(two: Fleet) -> None:
    """After the preview the first host would need another word."""

    def answer(host: ScriptedHost) -> None:
        tiny.say(host, "worse")

    two.steps = (Drifting(),)
    two.gate.before = lambda: answer(two.hosts[0])


@dataclass(frozen=True, kw_only=True)
class Drifting(PutFile):
    """Goes another way from where nobody saw it."""

    kind = "file.drift"

    async def read(self, host: Any) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        return PutFile(words=("best",) if seen in ("worse", "best") else ("good",)).plan(seen)


def test_a_drifted_host_is_asked_about_again_in_the_callers_thread_and_the_answer_is_recorded(two: Fleet) -> None:
    drift(two)
    report = two.remediate()
    assert two.gate.asked_again == ["web1 let /srv/one say best"]
    assert two.gate.threads == {threading.get_ident()}
    assert two.words == [["best"], ["good"]]
    assert outcomes(report) == [Fixed, Fixed]
    gates = [line for line in two.lines(report.run) if line["type"] == "GateAnswered"]
    assert [line["by"] for line in gates] == ["jan typed it", "jan said yes again"]
    check_truth(two, report)


def test_a_drifted_host_is_refused_where_nobody_is_there(two: Fleet) -> None:
    drift(two)
    two.gate.refuses_again = PlanDrifted("nobody is there")
    report = two.remediate()
    assert outcomes(report) == [Refusal, Refusal]
    assert two.words == [[], []]
    check_truth(two, report)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bug", [RuntimeError("a bug"), EOFError(), TimeoutError(), OSError(5, "gone")])
def test_a_gate_that_breaks_when_asked_again_ends_that_host_and_nobody_waits_for_ever(
    two: Fleet, bug: Exception
) -> None:
    drift(two)
    two.gate.refuses_again = bug
    report = two.remediate()
    assert outcomes(report) == [Crashed, Refusal]
    assert two.words == [[], []]
    check_truth(two, report)


# --- listeners --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(1, 14))
def test_a_terminal_that_is_gone_does_not_stop_the_run(two: Fleet, at: int) -> None:
    def gone(_: Event) -> None:
        if len(two.heard) >= at:
            raise BrokenPipeError(32, "Broken pipe")

    two.on_event = gone
    report = two.remediate()
    assert outcomes(report) == [Fixed, Fixed]
    assert len(two.heard) == at
    check_truth(two, report)


@pytest.mark.parametrize("at", [1, 3, 5, 9, 13])
def test_a_reporter_that_breaks_does_not_stop_the_run_and_is_heard_of_at_its_end(two: Fleet, at: int) -> None:
    def broken(_: Event) -> None:
        if len(two.heard) >= at:
            raise ZeroDivisionError("a bug in a reporter")

    two.on_event = broken
    with pytest.raises(ZeroDivisionError):
        two.remediate()
    assert two.words == [["good"], ["good"]]
    assert [run.verdict for run in two.runs.list()] == ["FIXED"]


# --- the record -------------------------------------------------------------------------------------------------------


def test_without_a_record_no_host_is_even_looked_at(two: Fleet) -> None:
    two.folder.write_text("a file in the way")
    with pytest.raises(RecordNotWritten):
        two.remediate()
    assert two.heard == []
    assert [one.asked for one in two.hosts] == [[], []]


@pytest.mark.parametrize("at", range(2, 14))
def test_a_record_that_fails_at_any_line_never_makes_the_report_a_lie(
    two: Fleet, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk here is full from the n-th line on."""
    written: list[Event] = []
    write = Record.write

    def failing(self: Record, event: Event) -> None:
        if len(written) + 1 >= at:
            raise RecordNotWritten("No space left on device")
        written.append(event)
        write(self, event)

    monkeypatch.setattr(Record, "write", failing)
    report = two.remediate()
    intents = [event.host for event in written if isinstance(event, ChangeIntended)]
    for one, scripted in zip(report.hosts, two.hosts, strict=True):
        assert intents.count(scripted.name) == len(scripted.sent)
        assert len(one.sent) == len(scripted.sent)
        if scripted.sent:
            assert not isinstance(one.outcome, Refusal)
        else:
            assert not isinstance(one.outcome, Fixed)
    told = [event.report.host.name for event in written if isinstance(event, HostEnded)]
    for one in report.hosts:
        if len(one.sent) == 1 and one.host.name not in told:
            assert isinstance(one.outcome, Unproven)
            assert one.outcome.exit_status is ExitStatus.NOT_FIXED
            assert "No space left on device" in one.outcome.why
    assert sorted(event.report.host.name for event in two.said(HostEnded)) == ["web1", "web2"]  # in whichever order
    assert two.said(RunEnded)[0].report == report


def test_a_hosts_end_is_on_record_before_the_next_host_is_even_locked(tmp_path: Path) -> None:
    many = Fleet(tmp_path, hosts=[tiny.scripted(f"web{i}", "good" if i == 2 else "bad") for i in range(4)])
    many.hosts[3].unreachable, many.rollout = ConnectionLost("gone"), Rollout(max_fail=1)
    ended: list[list[str]] = []

    def look(host: ScriptedHost) -> None:
        (run,) = many.runs.list()
        ended.append([line["host"] for line in many.lines(run.run) if line["type"] == "HostEnded"])
        tiny.say(host, "good")

    for one in many.hosts[:2]:
        one.on_change(tiny.put("good"), "put good", then=look)
    report = many.remediate()
    assert ended == [["web3", "web2"], ["web3", "web2", "web0"]]  # as they end: silent, fine, repaired
    assert [line["host"] for line in many.lines(report.run) if line["type"] == "HostEnded"][-1] == "web1"
    check_truth(many, report)


# --- somebody asks to stop --------------------------------------------------------------------------------------------

THREE = (PutFile(words=("first",), only_from=("bad",)), PutFile(words=("worse", "good")))


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("at", range(1, 26))
def test_a_signal_at_the_nth_event_leaves_a_true_report_and_record(two: Fleet, at: int, number: signal.Signals) -> None:
    two.steps = THREE
    two.on_event = lambda _: os.kill(os.getpid(), number) if len(two.heard) == at else None
    before = signal.getsignal(number)
    report = two.remediate()
    assert signal.getsignal(number) is before
    check_truth(two, report)
    if not all(isinstance(one.outcome, Fixed) for one in report.hosts):
        assert report.exit_status is ExitStatus.INTERRUPTED
        assert {Stopped, Fixed} >= set(outcomes(report))


@pytest.mark.parametrize("at", range(1, 26, 2))
def test_a_second_signal_leaves_a_true_report_and_record(two: Fleet, at: int) -> None:
    class Jumping(tiny.Clock):
        def monotonic(self) -> float:
            self.seconds += 1
            return self.seconds

    def twice(_: Event) -> None:
        if len(two.heard) == at:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    two.steps, two.on_event, two.clock = THREE, twice, Jumping()
    report = two.remediate()
    check_truth(two, report)
    assert report.exit_status in (ExitStatus.INTERRUPTED, ExitStatus.OK)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_at_the_open_gate_sends_nothing(two: Fleet, number: signal.Signals) -> None:
    two.gate.before = lambda: os.kill(os.getpid(), number)
    report = two.remediate()
    assert outcomes(report) == [Stopped, Stopped]
    assert report.exit_status is ExitStatus.INTERRUPTED
    assert two.words == [[], []]
    assert [one.owners for one in two.hosts] == [[], []]
    (answered,) = two.said(GateAnswered)
    assert not answered.is_open
    check_truth(two, report)


def test_ctrl_c_that_a_gate_raises_itself_is_a_stop_and_no_crash(two: Fleet) -> None:
    def ctrl_c() -> None:
        raise KeyboardInterrupt

    two.gate.before = ctrl_c
    assert outcomes(two.remediate()) == [Stopped, Stopped]


@pytest.mark.timeout(20)
def test_a_signal_while_asked_again_sends_nothing_more(two: Fleet) -> None:
    drift(two)
    two.gate.before_again = lambda: os.kill(os.getpid(), signal.SIGINT)
    report = two.remediate()
    assert outcomes(report) == [Stopped, Stopped]
    assert two.words == [[], []]
    check_truth(two, report)


def slowly(_: object) -> str:
    time.sleep(0.3)
    return "bad"


def test_a_signal_while_looking_closes_what_is_open_and_waits_for_nothing(two: Fleet) -> None:
    two.hosts[1].on_read(lambda _: True, slowly)
    two.on_event = lambda event: os.kill(os.getpid(), signal.SIGTERM) if isinstance(event, HostSeen) else None
    report = two.remediate()
    assert outcomes(report) == [Stopped, Stopped]
    assert two.gate.asked == []
    check_truth(two, report)


def test_a_preview_that_was_stopped_says_so_for_every_host_it_has_not_seen(two: Fleet) -> None:
    two.hosts[1].on_read(lambda _: True, slowly)
    two.on_event = lambda event: os.kill(os.getpid(), signal.SIGINT) if isinstance(event, HostSeen) else None
    report = two.preview()
    assert outcomes(report) == [WouldFix, Stopped]
    assert report.exit_status is ExitStatus.INTERRUPTED


def test_outside_the_main_thread_a_run_goes_its_way(two: Fleet) -> None:
    with ThreadPoolExecutor(1) as pool:
        assert outcomes(pool.submit(two.remediate).result(timeout=30)) == [Fixed, Fixed]


# --- real signals to a real process, at any moment --------------------------------------------------------------------

PROCESS = """
import json, os, sys, time
from pathlib import Path
from soleil_remediate import fleet
from soleil_remediate.gates import Approval
from soleil_remediate.record import Runs
from soleil_remediate.transports.scripted import ScriptedTransport
from tests import tiny
from tests.tiny import PutFile

folder = Path(sys.argv[1])
ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

def host(name):
    one = tiny.scripted(name)
    for word in ("first", "worse", "good"):
        def begin(_, word=word):
            time.sleep(0.03)
            os.write(ledger, f"{name} {word}\\n".encode())
            time.sleep(0.03)
            return "put"
        one.on_change(tiny.put(word), begin, then=lambda host, word=word: tiny.say(host, word))
    return one

class Gate:
    def approve(self, scenario, previews):
        time.sleep(0.15)
        return Approval(digests=frozenset(d for one in previews for d in one.digests), by="nobody")

hosts = [host("web1"), host("web2")]
steps = (PutFile(words=("first",), only_from=("bad",)), PutFile(words=("worse", "good")))
cases = [tiny.case(*steps, on=tiny.host(one.name)) for one in hosts]

def ready(event):
    if type(event).__name__ == "RunStarted":  # from here on signals are heard
        os.write(1, b"READY\\n")

report = fleet.remediate(
    cases, transport=ScriptedTransport(*hosts), gate=Gate(), runs=Runs(folder), listener=ready
)
print(json.dumps([[one.outcome.word, [sent.change.after for sent in one.sent]] for one in report.hosts]))
sys.exit(report.exit_status)
"""


def _ledger(folder: Path) -> dict[str, list[str]]:
    """Return what each host really did, in order."""
    did: dict[str, list[str]] = {"web1": [], "web2": []}
    for line in (folder / "ledger").read_text().splitlines():
        name, word = line.split()
        did[name].append(word)
    return did


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(12))
def test_signals_to_a_real_process_at_any_moment_leave_the_truth(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # the same moments every time
    script = tmp_path / "run.py"
    script.write_text(PROCESS)
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "READY\n"
        time.sleep(0.02 + chance.random() * 0.7)
        for _ in range(chance.choice([1, 1, 2])):
            if process.poll() is None:
                process.send_signal(chance.choice(SIGNALS))
            time.sleep(chance.choice([0, 0.01, 0.55]))
        out, err = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
    assert "Traceback" not in err, err
    # The last signal may come after the run was over, when it means what it always does: then only the record tells.
    assert out or process.returncode < 0
    told = json.loads(out.splitlines()[-1]) if out else []
    did = _ledger(tmp_path)
    (run,) = Runs(tmp_path).list()
    record = Runs(tmp_path).read(run.run)
    assert record[-1]["type"] == "RunEnded"
    ended = [line["outcome"]["verdict"] for line in record if line["type"] == "HostEnded"]
    for verdict, name in zip(ended, did, strict=True):
        mine = [line for line in record if line.get("host") == name]
        assert [line["change"]["after"] for line in mine if line["type"] == "ChangeIntended"] == did[name]
        assert len([line for line in mine if line["type"] == "ChangeAnswered"]) == len(did[name])
        assert verdict in ("FIXED", "INTERRUPTED")
        assert (verdict == "FIXED") <= (did[name] == ["first", "worse", "good"])
    assert told == [list(pair) for pair in zip(ended, did.values(), strict=True)][: len(told)]
    if process.returncode >= 0:
        assert process.returncode == (0 if set(ended) == {"FIXED"} else ExitStatus.INTERRUPTED)
    assert run.verdict in ("FIXED", "INTERRUPTED", "FIXED · INTERRUPTED")


@pytest.mark.skipif(shutil.which("strace") is None or os.geteuid() != 0, reason="needs strace, as root")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("nth", range(1, 13))
def test_a_controller_killed_at_its_nth_sync_left_every_change_on_record_before_it_was_sent(
    tmp_path: Path, nth: int
) -> None:
    script = tmp_path / "run.py"
    script.write_text(PROCESS)
    root = Path(__file__).parents[2]
    killing = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync"]
    killing += ["-e", f"inject=fsync:signal=SIGKILL:when={nth}"]
    subprocess.run(
        [*killing, sys.executable, str(script), str(tmp_path)],
        check=False,
        capture_output=True,
        timeout=50,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    ledger = tmp_path / "ledger"
    did = [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []
    intended: list[list[str]] = []
    for run in Runs(tmp_path).list():
        lines = Runs(tmp_path).read(run.run)
        intended = [[line["host"], line["change"]["after"]] for line in lines if line["type"] == "ChangeIntended"]
        if lines and lines[-1]["type"] != "RunEnded":
            assert "unfinished" in run.verdict
    assert did == intended[: len(did)]
    assert len(intended) - len(did) <= 1  # the last one MAY have been sent


def test_facts_that_cannot_be_read_keep_a_host_from_being_changed(two: Fleet) -> None:
    two.hosts[0].on_read(lambda _: True, FactError("garbage"))
    two.rollout = Rollout(max_fail=1)
    report = two.remediate()
    assert outcomes(report) == [NotFixed, Fixed]
    assert two.gate.asked == [("web2",)]


GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "jan", "GITHUB_RUN_ID": "16812345678"}
GITLAB = {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "eva", "CI_JOB_ID": "4711"}


@pytest.mark.parametrize(
    "environment, who",
    [
        (GITHUB, "jan in GitHub run 16812345678"),
        (GITLAB, "eva in GitLab job 4711"),
        (GITLAB | {"GITLAB_USER_LOGIN": "x" * 300}, f"{'x' * 38} in GitLab job 4711"),
        (GITHUB | {"GITHUB_RUN_ID": "1" * 300}, f"jan in GitHub run {'1' * 20}"),
        (GITHUB | {"GITHUB_ACTIONS": "false", "SUDO_USER": "eva"}, f"eva@{socket.gethostname()}"),
        (GITHUB | {"GITHUB_ACTOR": "", "SUDO_USER": "eva"}, f"eva@{socket.gethostname()}"),
        ({"SUDO_USER": "eva"}, f"eva@{socket.gethostname()}"),
    ],
)
def test_locks_and_records_name_who_began_it_in_ci_and_where(environment: dict[str, str], who: str) -> None:
    assert fleet.operator(environment) == who
    assert len(f"{who} (resumes run 7f3a19c2)") <= 80, "a lock's owner is no longer"


def test_a_long_name_or_machine_leaves_the_lock_room_for_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: f"{'pod-' * 15}web")
    who = fleet.operator({"SUDO_USER": "u" * 40})
    assert who.startswith(f"{'u' * 32}@pod-")
    assert len(f"{who} (resumes run 7f3a19c2)") == 80
    assert fleet.operator({"SUDO_USER": "eva"}).startswith(f"eva@{'pod-' * 12}")
