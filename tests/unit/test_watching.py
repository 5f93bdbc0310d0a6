"""Hosts that are watched after a run: seen again and again, never touched, and told by the last look."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Command, Output
from soleil_remediate.errors import ConnectTimedOut, Declined, ExitStatus
from soleil_remediate.events import Event, HostEnded, HostWatched, RunEnded, WatchEnded, WatchStarted
from soleil_remediate.gates import Approval, Gate
from soleil_remediate.history import Ending
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded, Refusal, Unproven
from soleil_remediate.identity import Identity
from soleil_remediate.plan import Change
from soleil_remediate.record import Runs
from soleil_remediate.report import RunReport
from soleil_remediate.reporters.records import run_page
from soleil_remediate.scenario import Case, Scenario
from soleil_remediate.task import Health
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import Duration
from soleil_remediate.watching import pause
from tests import tiny
from tests.tiny import FileSays, PutFile

QUARTER = Duration(900)


class Yes:
    """Approves whatever is asked."""

    def approve(self, scenario: str, previews: Any) -> Approval:
        return Approval(digests=frozenset(digest for one in previews for digest in one.digests), by="jan")

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        return Approval(digests=frozenset({change.digest(host.name, kind)}), by="jan")


class No(Yes):
    def approve(self, scenario: str, previews: Any) -> Approval:
        raise Declined("no")


class Passing(tiny.Clock):
    """Lets what is told happen once so much time has passed since the watch began."""

    def __init__(self, at: Mapping[float, Callable[[], object]]) -> None:
        super().__init__()
        self._at = dict(at)
        self._began: float | None = None

    def sleep(self, seconds: float) -> None:
        self._began = self.seconds if self._began is None else self._began
        super().sleep(seconds)
        for when in [one for one in self._at if one <= self.seconds - self._began]:
            self._at.pop(when)()


@dataclass
class Watched:
    """A run on scripted hosts that are watched, and all that was heard of it."""

    folder: Path
    hosts: list[ScriptedHost] = field(default_factory=lambda: [tiny.scripted()])
    goal: tuple[FileSays, ...] = ()
    heard: list[Event] = field(default_factory=list)
    clock: tiny.Clock = field(default_factory=tiny.Clock)

    @property
    def cases(self) -> list[Case]:
        return [tiny.case(PutFile(), on=tiny.host(one.name), goal=self.goal) for one in self.hosts]

    def run(
        self, lasts: float = QUARTER, gate: Gate | None = None, at: Mapping[float, Callable[[], object]] | None = None
    ) -> RunReport:
        self.clock = Passing(at or {})
        return fleet.remediate(
            self.cases,
            transport=ScriptedTransport(*self.hosts),
            gate=gate or Yes(),
            runs=Runs(self.folder),
            clock=self.clock,
            listener=self.heard.append,
            watch=Duration(lasts),
        )

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    @property
    def seen(self) -> list[tuple[str, str]]:
        return [(event.host, event.health.value) for event in self.said(HostWatched)]

    @property
    def words(self) -> list[list[str]]:
        return [tiny.words_sent(one) for one in self.hosts]


@pytest.fixture
def one(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_host_that_stays_well_is_looked_at_every_so_often_until_the_time_is_over(one: Watched) -> None:
    report = one.run()
    assert isinstance(report.hosts[0].outcome, Fixed)
    assert report.exit_status is ExitStatus.OK
    assert one.clock.slept == [30.0] * 30
    assert one.seen == [("web1", "healthy")]  # what stays as it was is told once
    kinds = [type(event) for event in one.heard]
    assert kinds[-4:] == [RunEnded, WatchStarted, HostWatched, WatchEnded]
    (ended,) = one.said(WatchEnded)
    assert (ended.took, ended.stopped, ended.report) == (900, "", report)
    assert one.words == [["good"]]


@pytest.mark.parametrize("lasts, every", [(5, 1), (60, 6), (300, 30), (900, 30)])
def test_who_watches_for_a_short_while_looks_more_often(lasts: float, every: float) -> None:
    assert pause(Duration(lasts)) == every


def test_the_last_look_is_at_the_end_of_the_time(one: Watched) -> None:
    one.run(lasts=45, at={45: lambda: tiny.say(one.hosts[0], "bad")})
    assert one.clock.slept == [4.5] * 10
    assert one.seen == [("web1", "healthy"), ("web1", "faulty")]


def test_another_machine_that_answers_while_a_host_is_watched_says_nothing_of_it(one: Watched) -> None:
    one.hosts[0].identity = Identity(machine_id="1a" * 16)
    asked: list[int] = []

    def lead_elsewhere() -> None:
        one.hosts[0].identity = Identity(machine_id="2b" * 16)
        asked.append(len(one.hosts[0].asked))

    report = one.run(at={240: lead_elsewhere})
    assert isinstance(report.hosts[0].outcome, Unproven)
    assert "another machine answered" in report.hosts[0].outcome.why
    assert one.seen == [("web1", "healthy"), ("web1", "unknown")]
    assert [len(one.hosts[0].asked)] == asked


def test_a_host_that_is_at_fault_again_ends_the_watch_and_is_not_repaired_again(one: Watched) -> None:
    report = one.run(at={240: lambda: tiny.say(one.hosts[0], "worse")})
    outcome = report.hosts[0].outcome
    assert outcome == NotFixed(
        why="FIXED at first, and at fault within 4 min: /srv/one says worse. Nothing more was sent"
    )
    assert report.exit_status is ExitStatus.NOT_FIXED
    assert one.words == [["good"]]
    assert report.hosts[0].after is not None
    assert report.hosts[0].after.symptom_health is Health.FAULTY
    assert one.said(WatchEnded)[0].took == 240
    (first,) = one.said(RunEnded)
    assert isinstance(first.report.hosts[0].outcome, Fixed)


def test_a_host_that_needed_nothing_is_watched_as_well(one: Watched) -> None:
    tiny.say(one.hosts[0], "good")
    assert isinstance(one.run().hosts[0].outcome, NotNeeded)
    assert one.words == [[]]
    report = one.run(at={60: lambda: tiny.say(one.hosts[0], "bad")})
    assert isinstance(report.hosts[0].outcome, NotFixed)
    assert report.hosts[0].outcome.why.startswith("NOT NEEDED at first, and at fault within 1 min")
    assert report.hosts[0].after is None
    assert one.words == [[]]


def test_a_host_that_did_not_end_well_is_not_watched(one: Watched) -> None:
    report = one.run(gate=No())
    assert isinstance(report.hosts[0].outcome, Refusal)
    assert one.said(WatchStarted) == []
    assert one.clock.slept == []


def test_a_goal_that_is_met_later_or_missed_later_decides(one: Watched) -> None:
    one.goal = (FileSays(text="best"),)
    assert isinstance(one.run(lasts=60).hosts[0].outcome, Eased)
    tiny.say(one.hosts[0], "bad")
    report = one.run(lasts=60, at={30: lambda: tiny.say(one.hosts[0], "best")})
    assert isinstance(report.hosts[0].outcome, Fixed)
    tiny.say(one.hosts[0], "bad")
    one.hosts[0].on_change(tiny.put("good"), "put good\n", then=lambda host: tiny.say(host, "best"))
    report = one.run(lasts=60, at={30: lambda: tiny.say(one.hosts[0], "good")})
    assert isinstance(report.hosts[0].outcome, Eased)


def silent(host: ScriptedHost, *, is_silent: bool) -> None:
    host.unreachable = ConnectTimedOut("web1 does not answer") if is_silent else None


def test_a_host_that_falls_silent_and_comes_back_is_told_to_do_so_and_ends_as_it_stands(one: Watched) -> None:
    report = one.run(
        at={60: lambda: silent(one.hosts[0], is_silent=True), 90: lambda: silent(one.hosts[0], is_silent=False)}
    )
    assert one.seen == [("web1", "healthy"), ("web1", "unknown"), ("web1", "healthy")]
    assert isinstance(report.hosts[0].outcome, Fixed)


def test_a_host_of_which_nobody_knows_at_the_end_is_not_called_well(one: Watched) -> None:
    report = one.run(at={870: lambda: silent(one.hosts[0], is_silent=True)})
    assert report.hosts[0].outcome == Unproven(
        why="FIXED at first; how it stands 15 min later cannot be known: web1 does not answer"
    )
    silent(one.hosts[0], is_silent=False)
    report = one.run(at={870: lambda: silent(one.hosts[0], is_silent=True)})
    assert report.hosts[0].outcome == NotFixed(
        why="NOT NEEDED at first; how it stands 15 min later cannot be known: web1 does not answer"
    )


def test_what_could_not_be_seen_right_after_the_repair_is_fixed_once_it_is_seen(one: Watched) -> None:
    """A share of requests, where too few came in since."""
    host = one.hosts[0]

    def read(command: Command) -> bool:
        return command.words[3:4] == ("read",)

    host.on_change(tiny.put("good"), "put good\n", then=lambda one: one.on_read(read, Output(exit_status=9)))
    report = one.run(at={120: lambda: tiny.say(host, "good")})
    (first,) = one.said(RunEnded)
    assert isinstance(first.report.hosts[0].outcome, Unproven)
    assert one.seen == [("web1", "unknown"), ("web1", "healthy")]
    assert isinstance(report.hosts[0].outcome, Fixed)
    assert report.exit_status is ExitStatus.OK


def test_of_several_hosts_one_that_is_at_fault_again_is_left_and_the_others_are_watched_on(tmp_path: Path) -> None:
    two = Watched(tmp_path, hosts=[tiny.scripted("web1"), tiny.scripted("web2")])
    report = two.run(at={60: lambda: tiny.say(two.hosts[1], "bad"), 120: lambda: tiny.say(two.hosts[1], "good")})
    assert [type(host.outcome) for host in report.hosts] == [Fixed, NotFixed]
    assert two.seen == [("web1", "healthy"), ("web2", "healthy"), ("web2", "faulty")]
    assert two.said(WatchEnded)[0].took == 900
    assert report.exit_status is ExitStatus.NOT_FIXED
    assert two.words == [["good"], ["good"]]


def test_ctrl_c_ends_it_at_once_and_what_was_seen_last_counts(one: Watched) -> None:
    report = one.run(at={60: lambda: os.kill(os.getpid(), signal.SIGINT)})
    assert isinstance(report.hosts[0].outcome, Fixed)
    (ended,) = one.said(WatchEnded)
    assert (ended.stopped, ended.took) == ("Ctrl-C", 60)


def test_ctrl_c_does_not_wait_for_the_next_look(one: Watched) -> None:
    began = time.monotonic()
    interrupting = threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT))
    interrupting.start()
    report = fleet.remediate(
        one.cases,
        transport=ScriptedTransport(*one.hosts),
        gate=Yes(),
        runs=Runs(one.folder),
        listener=one.heard.append,
        watch=QUARTER,
    )
    interrupting.join()
    assert time.monotonic() - began < 15
    assert isinstance(report.hosts[0].outcome, Fixed)
    assert one.said(WatchEnded)[0].stopped == "Ctrl-C"


def test_ctrl_c_before_the_first_look_leaves_what_the_run_said(one: Watched) -> None:
    report = one.run(at={30: lambda: os.kill(os.getpid(), signal.SIGTERM)})
    assert isinstance(report.hosts[0].outcome, Fixed)
    assert one.seen == []
    assert one.said(WatchEnded)[0].stopped == "SIGTERM"


@pytest.mark.parametrize("lasts", [0, 0.5, 86401])
def test_what_nobody_would_watch_for_is_refused_before_any_host_is_looked_at(one: Watched, lasts: float) -> None:
    with pytest.raises(ValueError, match="hosts are watched for 1 s to 1 d, not"):
        one.run(lasts=lasts)
    assert one.heard == []


def test_a_bug_of_the_listeners_is_raised_at_the_end(one: Watched) -> None:
    def listen(event: Event) -> None:
        if type(event) is WatchStarted:
            raise RuntimeError("a reporter's")

    with pytest.raises(RuntimeError, match="a reporter's"):
        fleet.remediate(
            one.cases,
            transport=ScriptedTransport(*one.hosts),
            gate=Yes(),
            runs=Runs(one.folder),
            clock=one.clock,
            listener=listen,
            watch=QUARTER,
        )


# --- the record -------------------------------------------------------------------------------------------------------


def test_the_record_has_what_was_seen_and_the_list_tells_the_last_of_it(one: Watched) -> None:
    report = one.run(at={240: lambda: tiny.say(one.hosts[0], "worse")})
    runs = Runs(one.folder)
    assert [run.verdict for run in runs.list()] == ["NOT FIXED"]
    history = runs.history(report.run)
    assert (history.ending, history.is_to_be_resumed) == (Ending.ENDED, False)
    assert history.ends == {"web1": report.hosts[0].outcome}
    ended = history.lines[-1]
    assert (ended["type"], ended["exit_status"], ended["verdicts"]) == ("WatchEnded", 1, {"NOT FIXED": 1})
    assert (ended["stopped"], ended["took"]) == ("", 240)
    page = run_page(history, dict[str, Scenario](), 100, is_verbose=False).text
    assert "watching web1 for 15 min, every 30 s" in page
    assert "web1  seen: faulty, /srv/one says worse" in page
    assert "watched for 4 min" in page


@pytest.mark.parametrize("left", [1, 2, 3])
def test_a_run_that_was_killed_while_it_watched_has_ended_all_the_same(one: Watched, left: int) -> None:
    report = one.run(lasts=60)
    path = one.folder / "runs" / f"{report.run}.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-left]))
    history = Runs(one.folder).history(report.run)
    assert (history.ending, history.is_to_be_resumed) == (Ending.ENDED, False)
    assert history.lines[-1]["type"] == {1: "HostWatched", 2: "WatchStarted", 3: "RunEnded"}[left]


def test_who_stopped_it_stands_in_the_record(one: Watched) -> None:
    report = one.run(at={60: lambda: os.kill(os.getpid(), signal.SIGINT)})
    history = Runs(one.folder).history(report.run)
    assert "watched for 1 min, ended by Ctrl-C" in run_page(history, dict[str, Scenario](), 100, is_verbose=False).text
    assert [one["type"] for one in history.lines if one["type"] == HostEnded.__name__] == ["HostEnded"]
