"""Stages: one after the other, each on hosts of its own, and where one is done once, on one of them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate.errors import ConnectionLost, Declined, ExitStatus, FactError
from soleil_remediate.events import BatchStarted, ChangeIntended, Event, HostClaimed, HostSeen, RolloutPlanned
from soleil_remediate.host_outcomes import (
    Crashed,
    Fixed,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    WouldFix,
)
from soleil_remediate.plan import Risk
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case, Stage
from soleil_remediate.transports.scripted import Fate, ScriptedHost
from tests import tiny
from tests.tiny import FileSays, PutFile
from tests.unit.test_fleet import FAILS, Fleet, outcomes

LOST = ConnectionLost("no answer within 15 s")


@dataclass(frozen=True)
class Part:
    """A stage: its name, its hosts, and the word that it puts on them."""

    name: str
    hosts: tuple[str, ...]
    word: str
    is_once: bool = False
    fine: str = "good"
    risk: Risk = Risk.GENTLE

    @property
    def cases(self) -> list[Case]:
        check = FileSays(text=self.word, better=self.fine)
        return [
            replace(
                tiny.case(
                    PutFile(words=(self.word,), risk=self.risk),
                    on=tiny.host(name).in_stage(self.name),
                    healthy_when=(check,),
                ),
                is_once=self.is_once,
            )
            for name in self.hosts
        ]


@dataclass
class Staged(Fleet):
    """Three scripted hosts, and stages on them."""

    parts: tuple[Part, ...] = ()
    hosts: list[ScriptedHost] = field(default_factory=lambda: [tiny.scripted(f"web{number}") for number in (1, 2, 3)])

    @property
    def cases(self) -> list[Case]:
        stages = tuple(Stage(name=part.name, hosts="all", origin=tiny.ORIGIN) for part in self.parts)
        cases = [case for part in self.parts for case in part.cases]
        return [replace(case, scenario=replace(case.scenario, stages=stages)) for case in cases]

    @property
    def ends(self) -> list[str]:
        """Of every target that was claimed, in order."""
        return [event.host for event in self.said(HostClaimed)]


ALL = ("web1", "web2", "web3")


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    """Once on one of three, and then on all of them."""
    return Staged(tmp_path / "state", parts=(Part("migrate", ALL, "first", is_once=True), Part("serve", ALL, "good")))


def names(report: Any) -> list[tuple[str, str]]:
    return [(one.host.name, one.outcome.word) for one in report.hosts]


# --- one after the other ----------------------------------------------------------------------------------------------


def test_a_stage_begins_when_the_one_before_has_ended_well_on_all_its_hosts(tmp_path: Path) -> None:
    two = Staged(tmp_path, parts=(Part("stop", ("web1", "web2"), "first"), Part("start", ("web2", "web3"), "good")))
    report = two.remediate()
    assert two.ends == ["web1#stop", "web2#stop", "web2#start", "web3#start"]
    assert two.words == [["first"], ["first", "good"], ["good"]]
    assert outcomes(report) == [Fixed] * 4
    assert report.exit_status is ExitStatus.OK


def test_the_gate_is_asked_once_for_all_stages_and_before_anything_is_sent(staged: Staged) -> None:
    staged.gate.before = staged.heard.clear
    staged.remediate()
    assert staged.gate.asked == [("web1#migrate", "web1#serve", "web2#serve", "web3#serve")]
    assert len(staged.said(ChangeIntended)) == 4
    assert staged.gate.asked_again == []


def test_one_host_in_two_stages_is_changed_in_both_and_each_change_has_a_name_of_its_own(staged: Staged) -> None:
    report = staged.remediate()
    assert staged.words[0] == ["first", "good"]
    intended = {event.host: event.operation for event in staged.said(ChangeIntended)}
    assert list(intended)[:2] == ["web1#migrate", "web1#serve"]
    assert intended["web1#migrate"] != intended["web1#serve"]
    told = [line["host"] for line in staged.lines(report.run) if line["type"] == "HostEnded"]
    assert sorted(told) == sorted(one.host.name for one in report.hosts)


def test_where_a_stage_fails_the_hosts_of_the_later_ones_are_left_alone_and_told_why(staged: Staged) -> None:
    staged.hosts[0].on_change(tiny.put("first"), FAILS)
    report = staged.remediate()
    assert staged.words == [["first"], [], []]
    assert outcomes(report) == [NotFixed, NotNeeded, NotNeeded, Refusal, Refusal, Refusal]
    assert {one.outcome.why for one in report.hosts[3:]} == {
        "not tried: stage migrate comes first, and web1 ended NOT FIXED there. Nothing was sent"
    }
    assert report.touched == ("web1#migrate",)
    assert "web1#serve" in report.untouched


def test_max_fail_lets_hosts_of_one_stage_fail_and_no_later_stage_begin(tmp_path: Path) -> None:
    parts = (Part("stop", ALL, "first"), Part("start", ALL, "good"))
    two = Staged(tmp_path, parts=parts, rollout=Rollout(max_fail=2))
    two.hosts[1].on_change(tiny.put("first"), FAILS)
    report = two.remediate()
    assert two.words == [["first"], ["first"], ["first"]]
    assert outcomes(report) == [Fixed, NotFixed, Fixed] + [Refusal] * 3


def test_a_change_whose_answer_is_lost_lets_no_later_stage_begin(staged: Staged) -> None:
    staged.clock = tiny.Clock()
    staged.hosts[0].on_change(tiny.put("first"), "put first", fate=Fate.LOST)
    report = staged.remediate()
    assert outcomes(report) == [MaybeChanged, NotNeeded, NotNeeded] + [Refusal] * 3
    assert staged.words == [["first"], [], []]


def test_nobody_is_asked_for_stages_that_could_not_follow(tmp_path: Path) -> None:
    """Whatever is allowed to fail: one host of the first stage is silent already."""
    parts = (Part("stop", ALL, "first"), Part("start", ("web1",), "good"))
    two = Staged(tmp_path, parts=parts, rollout=Rollout(max_fail=2))
    two.hosts[1].unreachable = LOST
    report = two.remediate()
    assert two.gate.asked == []
    assert two.words == [[], [], []]
    assert outcomes(report) == [Refusal, NotReached, Refusal, Refusal]
    assert report.hosts[0].outcome.why == (
        "not tried: stage stop comes first, and web2 ended UNREACHABLE there, so that stage start could not follow. "
        "Nothing was sent to any host. To go on without that host, leave it out of --host"
    )


def test_a_stage_that_is_not_needed_lets_the_next_one_begin(staged: Staged) -> None:
    tiny.say(staged.hosts[0], "first")
    report = staged.remediate()
    assert outcomes(report) == [NotNeeded] * 3 + [Fixed] * 3
    assert staged.words == [["good"]] * 3


def test_a_later_stage_is_looked_at_again_when_its_turn_comes(staged: Staged) -> None:
    for one in staged.hosts:
        one.on_change(tiny.put("first"), "put first", then=lambda host: tiny.say(host, "good"))
    report = staged.remediate()
    assert staged.words == [["first"], ["good"], ["good"]]
    assert outcomes(report)[3:] == [NotNeeded, Fixed, Fixed]


def test_each_stage_has_a_canary_of_its_own(tmp_path: Path) -> None:
    parts = (Part("stop", ALL, "first"), Part("start", ALL, "good"))
    two = Staged(tmp_path, parts=parts, rollout=Rollout(serial=(1, 5)))
    two.remediate()
    batches = [
        ("web1#stop",),
        ("web2#stop", "web3#stop"),
        ("web1#start",),
        ("web2#start", "web3#start"),
    ]
    (planned,) = two.said(RolloutPlanned)
    assert list(planned.batches) == batches
    assert [event.hosts for event in two.said(BatchStarted)] == batches


@pytest.mark.parametrize("stopped_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_in_one_stage_lets_no_later_one_begin(staged: Staged, stopped_by: int) -> None:
    def stop(event: Event) -> None:
        if isinstance(event, ChangeIntended):
            os.kill(os.getpid(), stopped_by)

    staged.on_event = stop
    report = staged.remediate()
    assert staged.words[1:] == [[], []]
    assert "good" not in staged.words[0]
    assert outcomes(report)[3:] == [Stopped] * 3


def test_after_a_stop_the_hosts_of_every_stage_say_that_it_was_a_stop(tmp_path: Path) -> None:
    parts = (Part("stop", ("web1", "web2"), "first"), Part("start", ALL, "good"))
    two = Staged(tmp_path, parts=parts)
    two.on_event = lambda event: os.kill(os.getpid(), signal.SIGTERM) if isinstance(event, ChangeIntended) else None
    assert outcomes(two.remediate())[1:] == [Stopped] * 4
    assert two.words[1:] == [[], []]


def test_declined_nothing_of_any_stage_is_sent(staged: Staged) -> None:
    staged.gate.refuses = Declined("jan said no")
    assert outcomes(staged.remediate()) == [Refusal, NotNeeded, NotNeeded] + [Refusal] * 3
    assert staged.words == [[], [], []]


# --- once -------------------------------------------------------------------------------------------------------------


def test_once_is_done_on_the_first_host_and_the_others_are_not_even_looked_at(tmp_path: Path) -> None:
    opened: list[str] = []
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True),), on_open=opened.append)
    report = one.remediate()
    assert one.words == [["first"], [], []]
    assert set(opened) == {"web1#migrate"}
    assert names(report) == [
        ("web1#migrate", "FIXED"), ("web2#migrate", "NOT NEEDED"), ("web3#migrate", "NOT NEEDED"),
    ]  # fmt: skip
    assert report.hosts[1].outcome.why == "stage migrate is done once, on web1"
    assert report.untouched == ("web2#migrate", "web3#migrate")


def test_a_host_that_cannot_be_reached_is_passed_over_and_that_is_told(tmp_path: Path) -> None:
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True),))
    one.hosts[0].unreachable = LOST
    report = one.remediate()
    assert one.words == [[], ["first"], []]
    assert one.gate.asked == [("web2#migrate",)]
    assert outcomes(report) == [NotNeeded, Fixed, NotNeeded]
    assert report.hosts[0].outcome.why == (
        "stage migrate is done once, on web2; web1 was passed over: no answer within 15 s"
    )
    assert report.exit_status is ExitStatus.OK


def test_a_host_of_which_it_cannot_be_known_how_it_stands_is_passed_over(tmp_path: Path) -> None:
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True),))
    one.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), FactError("permission denied"))
    report = one.remediate()
    assert [event.preview.host.name for event in one.said(HostSeen)] == ["web1#migrate", "web2#migrate"]
    assert one.words == [[], ["first"], []]
    assert "web1 was passed over" in report.hosts[0].outcome.why
    assert "permission denied" in report.hosts[0].outcome.why
    assert report.hosts[0].preview is None


def test_where_none_can_be_looked_at_each_is_told_and_no_later_stage_begins(tmp_path: Path) -> None:
    parts = (Part("migrate", ("web1", "web2"), "first", is_once=True), Part("serve", ("web3",), "good"))
    one = Staged(tmp_path, parts=parts, rollout=Rollout(max_fail=5))
    for host in one.hosts[:2]:
        host.unreachable = LOST
    report = one.remediate()
    assert outcomes(report) == [NotReached, NotReached, Refusal]
    assert one.gate.asked == []
    assert one.words == [[], [], []]


def test_once_is_never_tried_on_a_second_host_however_it_ends_on_the_first(tmp_path: Path) -> None:
    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True),), rollout=Rollout(max_fail=5))

    def falls_silent() -> None:
        one.hosts[0].unreachable = LOST

    one.gate.before = falls_silent
    report = one.remediate()
    assert outcomes(report) == [NotReached, NotNeeded, NotNeeded]
    assert one.words == [[], [], []]


def test_a_bug_on_one_host_is_not_hidden_by_passing_it_over(tmp_path: Path) -> None:
    def breaks(name: str) -> None:
        if name == "web1#migrate":
            raise ZeroDivisionError

    one = Staged(tmp_path, parts=(Part("migrate", ALL, "first", is_once=True),), on_open=breaks)
    report = one.remediate()
    assert outcomes(report) == [Crashed, Refusal, NotNeeded]
    assert one.words == [[], [], []]


def test_a_preview_chooses_as_a_run_does_and_changes_nothing(staged: Staged) -> None:
    staged.hosts[0].unreachable = LOST
    report = staged.preview()
    assert outcomes(report) == [NotNeeded, WouldFix, NotNeeded, NotReached, WouldFix, WouldFix]
    assert report.hosts[0].outcome.why.startswith("stage migrate is done once, on web2; web1 was passed over")
    assert staged.words == [[], [], []]
    assert [host.owners for host in staged.hosts] == [[], [], []]
