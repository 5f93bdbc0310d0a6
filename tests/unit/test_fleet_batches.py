"""Many hosts changed in batches: the canary, what runs together, and what no longer begins."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Output
from soleil_remediate.errors import ConnectionLost, ExitStatus, FactError
from soleil_remediate.events import BatchStarted, ChangeIntended, Event, HostClaimed, HostEnded, RolloutPlanned
from soleil_remediate.gates import PolicyGate
from soleil_remediate.host_outcomes import Fixed, MaybeChanged, NotFixed, NotNeeded, NotReached, Refusal, Stopped
from soleil_remediate.record import Record
from soleil_remediate.rollout import Progress, Rollout
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedTransport
from soleil_remediate.units import Percent
from tests import tiny
from tests.unit.test_fleet import FAILS, Drifting, Fleet, check_truth, outcomes


def many(folder: Path, count: int, **rollout: object) -> Fleet:
    """Return a fleet of hosts web0, web1, …"""
    hosts = [tiny.scripted(f"web{number}") for number in range(count)]
    return Fleet(folder, hosts=hosts, rollout=Rollout(**rollout))  # type: ignore[arg-type]  # a table's values


def begun(one: Fleet) -> list[tuple[str, ...]]:
    return [event.hosts for event in one.said(BatchStarted)]


def while_changing(hosts: list[ScriptedHost], then: Callable[[ScriptedHost], object]) -> None:
    """Let something happen while each host is being changed."""

    def changing(host: ScriptedHost) -> None:
        then(host)
        tiny.say(host, "good")

    for one in hosts:
        one.on_change(tiny.put("good"), "put good", then=changing)


# --- order and parallelism --------------------------------------------------------------------------------------------


def test_the_canary_is_changed_alone_and_the_hosts_of_a_batch_together(tmp_path: Path) -> None:
    """Each batch can only end where all of its hosts are being changed in the same moment."""
    ten = many(tmp_path, 10, serial=(1, 3, Percent(60)))
    under_way: set[str] = set()
    alone: list[bool] = []
    together = {3: threading.Barrier(3, timeout=20), 6: threading.Barrier(6, timeout=20)}

    def changing(host: ScriptedHost) -> None:
        number = int(host.name[3:])
        if number == 0:
            alone.append(sum(one._holder is not None for one in ten.hosts) == 1)
        else:
            together[3 if number <= 3 else 6].wait()
        under_way.add(host.name)

    while_changing(ten.hosts, changing)
    report = ten.remediate()
    assert outcomes(report) == [Fixed] * 10
    assert alone == [True]
    names = [f"web{number}" for number in range(10)]
    assert begun(ten) == [tuple(names[:1]), tuple(names[1:4]), tuple(names[4:])]
    assert report.touched == tuple(names)
    check_truth(ten, report)


def test_a_batch_begins_only_when_the_one_before_it_has_ended(tmp_path: Path) -> None:
    nine = many(tmp_path, 9, serial=(1, 4))
    ended: dict[str, int] = {}

    def changing(host: ScriptedHost) -> None:
        (run,) = nine.runs.list()
        ended[host.name] = sum(line["type"] == "HostEnded" for line in nine.lines(run.run))

    while_changing(nine.hosts, changing)
    nine.remediate()
    assert ended["web0"] == 0
    assert all(1 <= ended[f"web{number}"] <= 4 for number in range(1, 5))
    assert all(ended[f"web{number}"] >= 5 for number in range(5, 9))


def test_no_more_hosts_than_forks_are_changed_or_looked_at_in_the_same_moment(tmp_path: Path) -> None:
    twelve = many(tmp_path, 12, serial=(1, 11), forks=3)
    lock, at_once, most = threading.Lock(), {"look": 0, "change": 0}, {"look": 0, "change": 0}
    looked: set[str] = set()

    def count(what: str) -> None:
        with lock:
            at_once[what] += 1
            most[what] = max(most[what], at_once[what])
        threading.Event().wait(0.02)
        with lock:
            at_once[what] -= 1

    def opened(name: str) -> None:
        if name not in looked:
            looked.add(name)
            count("look")

    twelve.on_open = opened
    while_changing(twelve.hosts, lambda _: count("change"))
    assert outcomes(twelve.remediate()) == [Fixed] * 12
    assert most["look"] <= 3
    assert most["change"] <= 3


def test_applications_of_one_machine_are_never_changed_at_once_for_they_share_its_lock(tmp_path: Path) -> None:
    names = ["web1/shop", "web2/soleil", "web2/blog", "web2/shop"]
    apps = Fleet(tmp_path, hosts=[tiny.scripted(name) for name in names], rollout=Rollout(serial=(1, 3)))
    under_way: list[list[str]] = []
    while_changing(
        apps.hosts,
        lambda _: under_way.append([one.name for one in apps.hosts if one._holder is not None]),
    )
    report = apps.remediate()
    assert outcomes(report) == [Fixed] * 4
    assert sorted(under_way) == sorted([name] for name in names)
    check_truth(apps, report)


def test_before_anybody_is_asked_it_is_said_in_which_order_and_how_many_may_fail(tmp_path: Path) -> None:
    eight = many(tmp_path, 8, serial=(Percent(50),), max_fail=2, forks=3)
    tiny.say(eight.hosts[2], "good")
    told: list[int] = []
    heard: list[list[RolloutPlanned]] = []

    def asked() -> None:
        told.append(len(eight.lines(eight.runs.list()[0].run)))
        heard.append(eight.said(RolloutPlanned))

    eight.gate.before = asked
    eight.remediate()
    (planned,) = eight.said(RolloutPlanned)
    assert heard == [[planned]]
    assert planned == RolloutPlanned(
        batches=(("web0",), ("web1", "web3", "web4"), ("web5", "web6", "web7")), forks=3, max_fail=2
    )
    record = eight.lines(eight.runs.list()[0].run)
    assert [line["type"] for line in record].index("RolloutPlanned") < told[0]


def test_one_host_alone_has_no_batches(tmp_path: Path) -> None:
    one = many(tmp_path, 1, serial=(1, 5))
    assert outcomes(one.remediate()) == [Fixed]
    assert one.said(RolloutPlanned) == []
    assert begun(one) == []


# --- the canary -------------------------------------------------------------------------------------------------------


def test_a_canary_that_fails_ends_the_run_however_many_may_fail(tmp_path: Path) -> None:
    nine = many(tmp_path, 9, serial=(1, 8), max_fail=5)
    nine.hosts[0].on_change(tiny.put("good"), FAILS)
    report = nine.remediate()
    assert outcomes(report) == [NotFixed] + [Refusal] * 8
    assert {one.outcome.why for one in report.hosts[1:]} == {
        "not tried: the canary web0 ended NOT FIXED. Nothing was sent"
    }
    assert (report.touched, len(report.untouched), report.unknown) == (("web0",), 8, ())
    check_truth(nine, report)


def test_a_canary_that_healed_itself_or_was_locked_proves_nothing_and_the_next_host_is_it(tmp_path: Path) -> None:
    nine = many(tmp_path, 9, serial=(1, 8), max_fail=1)

    def meanwhile() -> None:
        tiny.say(nine.hosts[0], "good")
        nine.hosts[1].locked_by = "eva"

    nine.gate.before = meanwhile
    report = nine.remediate()
    assert outcomes(report) == [NotNeeded, Refusal] + [Fixed] * 7
    assert begun(nine) == [("web0",), ("web1",), ("web2",), tuple(f"web{number}" for number in range(3, 9))]
    assert [(event.number, event.of) for event in nine.said(BatchStarted)] == [(1, 2), (2, 3), (3, 4), (4, 4)]
    nine.hosts[1].locked_by = None


# --- what counts as failed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_fail, goes_on", [(0, False), (1, False), (2, True), (3, True)])
def test_hosts_that_are_not_reached_or_unknown_when_looked_at_count_before_anybody_is_asked(
    tmp_path: Path, max_fail: int, goes_on: bool
) -> None:
    six = many(tmp_path, 6, max_fail=max_fail)
    six.hosts[1].unreachable = ConnectionLost("gone")
    six.hosts[4].on_read(lambda _: True, FactError("garbage"))
    report = six.remediate()
    rest = Fixed if goes_on else Refusal
    assert outcomes(report) == [rest, NotReached, rest, rest, NotFixed, rest]
    assert bool(six.gate.asked) is goes_on
    assert len(report.touched) == (4 if goes_on else 0)
    if not goes_on:
        assert report.hosts[0].outcome.why == (
            f"not tried: web1 ended UNREACHABLE, web4 NOT FIXED, and --max-fail allows {max_fail}. Nothing was sent to "
            "any host. To go on without them, leave them out of --host, or add --max-fail 2"
        )
    check_truth(six, report)


def test_a_host_that_is_known_to_be_past_help_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    three = many(tmp_path, 3)
    three.steps = (tiny.PutFile(only_from=("bad",)),)
    tiny.say(three.hosts[1], "worse")
    report = three.remediate()
    assert outcomes(report) == [Fixed, NotFixed, Fixed]


@pytest.mark.parametrize("max_fail, rest", [(1, Refusal), (2, Fixed)])
def test_what_was_not_reached_at_first_and_what_fails_later_count_together(
    tmp_path: Path, max_fail: int, rest: type
) -> None:
    five = many(tmp_path, 5, max_fail=max_fail)
    five.hosts[0].unreachable = ConnectionLost("gone")
    five.hosts[2].on_change(tiny.put("good"), FAILS)
    report = five.remediate()
    assert outcomes(report) == [NotReached, Fixed, NotFixed, rest, rest]
    check_truth(five, report)


@pytest.mark.parametrize("max_fail, goes_on", [(0, False), (1, False), (2, True)])
def test_hosts_that_failed_in_the_run_that_is_gone_on_with_count_like_those_of_this_one(
    tmp_path: Path, max_fail: int, goes_on: bool
) -> None:
    three = many(tmp_path, 3, max_fail=max_fail)
    three.hosts[2].unreachable = ConnectionLost("gone")
    three.failed = (("db1", "NOT FIXED"),)
    report = three.remediate()
    assert outcomes(report) == [Fixed if goes_on else Refusal] * 2 + [NotReached]
    assert bool(three.gate.asked) is goes_on
    if not goes_on:
        assert report.hosts[0].outcome.why == (
            f"not tried: db1 ended NOT FIXED, web2 UNREACHABLE, and --max-fail allows {max_fail}. Nothing was sent to "
            "any host. To go on without them, add --max-fail 2"
        )
    check_truth(three, report)


def test_hosts_that_are_lost_or_left_unknown_while_changed_stop_the_run(tmp_path: Path) -> None:
    """Ansible counts only what it calls failed, and carries on past hosts that it has lost."""
    nine = many(tmp_path, 9, serial=(1, 3), max_fail=1)
    has_begun = threading.Event()

    def wait_for_the_third(_: ScriptedHost) -> None:
        assert has_begun.wait(20)

    def lose() -> None:
        nine.hosts[1].unreachable = ConnectionLost("cut")
        nine.hosts[2].on_change(tiny.put("good"), fate=Fate.LOST, then=wait_for_the_third)
        while_changing([nine.hosts[3]], lambda _: has_begun.set())

    nine.gate.before = lose
    report = nine.remediate()
    assert outcomes(report) == [Fixed, NotReached, MaybeChanged, Fixed] + [Refusal] * 5
    assert report.touched == ("web0", "web3")
    assert report.unknown == ("web2",)
    assert report.untouched == ("web1", "web4", "web5", "web6", "web7", "web8")
    assert report.exit_status is ExitStatus.UNKNOWN
    check_truth(nine, report)


# --- truly stopping ---------------------------------------------------------------------------------------------------


def test_when_too_many_failed_no_further_host_of_the_batch_begins_and_what_began_finishes(tmp_path: Path) -> None:
    ten = many(tmp_path, 10, serial=(1, 9), forks=2)
    failed, both_began = threading.Event(), threading.Event()

    def wait_for_the_other(_: ScriptedHost) -> None:
        assert both_began.wait(20)

    no = Output(exit_status=1, stderr=b"no\n")
    ten.hosts[1].on_change(tiny.put("good"), no, then=wait_for_the_other)
    ten.on_event = lambda event: failed.set() if getattr(event, "report", None) and ended_badly(event) else None

    def wait_for_the_failure(host: ScriptedHost) -> None:
        if host.name == "web2":
            both_began.set()
            assert failed.wait(20)

    while_changing([ten.hosts[0], *ten.hosts[2:]], wait_for_the_failure)
    report = ten.remediate()
    assert outcomes(report) == [Fixed, NotFixed, Fixed] + [Refusal] * 7
    assert {event.host for event in ten.said(HostClaimed)} == {"web0", "web1", "web2"}
    assert {event.host for event in ten.said(ChangeIntended)} == {"web0", "web1", "web2"}
    assert report.touched == ("web0", "web1", "web2")
    assert [one.asked for one in ten.hosts[3:]] == [ten.hosts[3].asked] * 7  # looked at once, never again
    assert [one.owners for one in ten.hosts[3:]] == [[]] * 7
    check_truth(ten, report)


def ended_badly(event: object) -> bool:
    return isinstance(getattr(getattr(event, "report", None), "outcome", None), NotFixed)


def test_a_failure_counts_before_anybody_can_hear_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else another thread begins one more host in between."""
    three = many(tmp_path, 3, serial=(1, 2))
    three.hosts[1].on_change(tiny.put("good"), FAILS)
    noted: list[str] = []
    counted: dict[str, bool] = {}
    note, write = Progress.note, Record.write

    def noting(self: Progress, host: str, *args: Any, **more: Any) -> None:
        note(self, host, *args, **more)
        noted.append(host)

    def writing(self: Record, event: Event) -> None:
        if isinstance(event, HostEnded):
            counted[event.report.host.name] = event.report.host.name in noted
        write(self, event)

    monkeypatch.setattr(Progress, "note", noting)
    monkeypatch.setattr(Record, "write", writing)
    assert outcomes(three.remediate())[:2] == [Fixed, NotFixed]
    assert (counted["web0"], counted["web1"]) == (False, True)  # that one is fixed counts once it is on record


@pytest.mark.parametrize("bad", range(1, 7))
def test_no_further_batch_begins(tmp_path: Path, bad: int) -> None:
    ten = many(tmp_path, 10, serial=(1, 3))
    ten.hosts[bad].on_change(tiny.put("good"), FAILS)
    report = ten.remediate()
    last = 4 if bad <= 3 else 7
    assert outcomes(report)[last:] == [Refusal] * (10 - last)
    assert len(begun(ten)) == (2 if bad <= 3 else 3)
    assert all(words == [] for words in ten.words[last:])
    check_truth(ten, report)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_batch_after_the_changes_under_way(tmp_path: Path, number: signal.Signals) -> None:
    nine = many(tmp_path, 9, serial=(1, 4), forks=2)
    claimed: set[str] = set()

    def stop(event: object) -> None:
        if isinstance(event, HostClaimed):
            claimed.add(event.host)
            if len(claimed) == 2:
                os.kill(os.getpid(), number)

    nine.on_event = stop
    report = nine.remediate()
    assert report.exit_status is ExitStatus.INTERRUPTED
    assert {Stopped, Fixed} >= set(outcomes(report))
    assert outcomes(report)[5:] == [Stopped] * 4
    check_truth(nine, report)


def test_several_hosts_that_have_drifted_are_asked_about_one_after_another(tmp_path: Path) -> None:
    five = many(tmp_path, 5, serial=(1, 4))
    five.steps = (Drifting(),)

    def drift() -> None:
        for one in five.hosts[1:]:
            tiny.say(one, "worse")

    five.gate.before = drift
    report = five.remediate()
    assert outcomes(report) == [Fixed] * 5
    assert sorted(five.gate.asked_again) == [f"web{number} let /srv/one say best" for number in range(1, 5)]
    assert five.gate.threads == {threading.get_ident()}
    check_truth(five, report)


def test_two_hundred_hosts_are_changed_and_told_exactly(tmp_path: Path) -> None:
    hosts = [tiny.scripted(f"web{number}") for number in range(200)]
    for lost in (3, 77, 150):
        hosts[lost].unreachable = ConnectionLost("gone")
    hosts[120].on_change(tiny.put("good"), fate=Fate.LOST)
    hosts[121].on_change(tiny.put("good"), FAILS)
    report = fleet.remediate(
        [tiny.case(on=tiny.host(one.name)) for one in hosts],
        transport=ScriptedTransport(*hosts),
        gate=PolicyGate(says_yes=False),
        runs=Fleet(tmp_path).runs,
        rollout=Rollout(serial=(1, 5, Percent(25)), max_fail=3),
        clock=tiny.Clock(),
    )
    really = {one.name for one in hosts if one.sent}
    assert set(report.touched) | set(report.unknown) == really
    assert report.unknown == ("web120",)
    assert set(report.untouched) == {one.name for one in hosts} - really
    assert not {"web3", "web77", "web150"} & really
    # 197 are changed in batches of 1, 5, 49, 49, … and web120 stands in the third of 49, which ends with web155
    untouched = {int(one.name[3:]) for one in hosts if not one.sent and one.unreachable is None}
    assert untouched >= set(range(156, 200))
    assert min(untouched) > 105
