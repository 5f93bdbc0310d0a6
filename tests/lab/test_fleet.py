"""Fifty real hosts, some of which die: what the run says of them is held against what each of them wrote down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from soleil_remediate import PolicyGate, Rollout, Runs, fleet
from soleil_remediate.command import Command
from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import ChangeIntended, Event
from soleil_remediate.gates import Approval
from soleil_remediate.host import Host, Origin
from soleil_remediate.lab import Lab
from soleil_remediate.loading import load_inventory
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.report import RunReport
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration, Percent
from tests import tiny

FILE = PurePosixPath("/var/tmp/one")
LEDGER = "/var/tmp/ledger"
WRITE = Script(name="write", text=f'printf "good\\n" >"$1" && echo done >>{LEDGER}')

WRITE_SLOWLY = Script(name="write-slowly", text=f"sleep 6; {WRITE.text}")


@dataclass(frozen=True, kw_only=True)
class Write(tiny.PutFile):
    """Let a file say good; the host itself counts how often that was done."""

    kind = "file.write"

    path: PurePosixPath = FILE

    def plan(self, seen: str | None) -> Plan:
        if seen == "good":
            return Plan.nothing("it says good")
        change = Change(
            summary="let it say good",
            command=Command(WRITE.bind(self.path), deadline=Duration(20)),
            risk=Risk.GENTLE,
            undo=Undo.none("nobody needs the old word"),
            before=str(seen),
            after="good",
        )
        return Plan.of(change, because=f"it says {seen}")


@dataclass(frozen=True, kw_only=True)
class WriteSlowly(Write):
    """The same, and it takes six seconds."""

    kind = "file.write-slowly"

    def plan(self, seen: str | None) -> Plan:
        planned = super().plan(seen)
        changes = tuple(
            replace(change, command=Command(WRITE_SLOWLY.bind(self.path), deadline=Duration(15)))
            for change in planned.changes
        )
        return replace(planned, changes=changes)


@dataclass(frozen=True)
class Meanwhile:
    """Says yes, after something has happened to the hosts."""

    happens: Callable[[], object]

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        approval = PolicyGate(says_yes=True).approve(scenario, previews)
        self.happens()
        return approval

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        return PolicyGate(says_yes=True).approve_again(host, kind, change)


@dataclass(frozen=True)
class Many:
    """Hosts on which a file says bad, but on the last."""

    lab: Lab
    names: tuple[str, ...]

    def cases(self, names: Sequence[str] | None = None, task: Write = Write(), **limits: Any) -> list[Case]:
        """Return the case of each host, in an inventory whose line 7 has *limits* as its policy."""
        inventory = load_inventory(self.lab.inventory)
        origins = {f"policy.{name}": Origin("fleet.yml", 7, 21) for name in limits}
        hosts = [
            replace(host, policy=replace(host.policy, **limits), origins={**host.origins, **origins})
            for host in map(inventory.host, names or self.names)
        ]
        return [tiny.case(task, on=host, healthy_when=(tiny.FileSays(path=FILE),)) for host in hosts]

    def each(self, script: str, names: Sequence[str] | None = None) -> dict[str, str]:
        def one(name: str) -> str:
            return self.lab.run(name, ["sh", "-c", script]).checked().stdout

        with ThreadPoolExecutor(25) as pool:
            return dict(zip(names or self.names, pool.map(one, names or self.names), strict=True))

    def written(self) -> dict[str, int]:
        """How often each host was really changed, by its own count."""
        return {name: text.count("done") for name, text in self.each(f"cat {LEDGER} 2>/dev/null || :").items()}


@contextmanager
def prepared(lab: Lab, names: tuple[str, ...]) -> Iterator[Many]:
    one = Many(lab, names)
    clean = f"rm -rf {FILE} {LEDGER}"
    one.each(f'{clean}; [ "$(hostname)" = {names[-1]} ] && echo good >{FILE} || echo bad >{FILE}')
    yield one
    for name in names:
        lab.start(name)
    one.each(clean)


@pytest.fixture
def fifty(lab: Lab, light_hosts: tuple[str, ...]) -> Iterator[Many]:
    with prepared(lab, light_hosts) as one:
        yield one


@pytest.fixture
def ten(lab: Lab, light_hosts: tuple[str, ...]) -> Iterator[Many]:
    with prepared(lab, light_hosts[:10]) as one:
        yield one


def check_lists(report: RunReport, written: dict[str, int]) -> None:
    """Hold what the run says against what the hosts counted."""
    assert sorted([*report.touched, *report.untouched, *report.unknown]) == sorted(written)
    assert {name for name in written if written[name]} <= {*report.touched, *report.unknown}
    assert all(written[name] == 0 for name in report.untouched)
    assert max(written.values()) <= 1
    for one in report.hosts:
        if one.host.name not in report.unknown:
            assert len(one.sent) == written[one.host.name]


def test_of_fifty_hosts_one_is_dead_one_dies_and_two_fail_and_then_nothing_further_is_begun(
    fifty: Many, tmp_path: Path
) -> None:
    name = dict(enumerate(fifty.names, start=1))
    fifty.lab.stop(name[2])

    def meanwhile() -> None:
        fifty.lab.stop(name[9])
        fifty.each(f"ln -sf /nowhere/one {FILE}", [name[12], name[30]])

    report = fleet.remediate(
        fifty.cases(),
        transport=EachItsWay(),
        gate=Meanwhile(meanwhile),
        runs=Runs(tmp_path),
        rollout=Rollout(serial=(1, 5, Percent(25)), max_fail=3),
    )
    words = {one.host.name: one.outcome.word for one in report.hosts}
    for dead in (2, 9):
        fifty.lab.start(name[dead])
    written = fifty.written()
    check_lists(report, written)
    assert (words[name[2]], words[name[9]]) == ("UNREACHABLE", "UNREACHABLE")
    assert (words[name[12]], words[name[30]]) == ("NOT FIXED", "NOT FIXED")
    # 48 are changed in batches of 1, 5 and 12: with host 30 the fourth of them fails, in the batch of 20 to 31
    assert [words[name[number]] for number in (1, *range(3, 9), 10, 11, *range(13, 20))] == ["FIXED"] * 16
    assert {words[name[number]] for number in range(20, 32)} - {"FIXED", "DECLINED"} == {"NOT FIXED"}
    assert [words[name[number]] for number in range(32, 50)] == ["DECLINED"] * 18
    assert words[name[50]] == "NOT NEEDED"
    assert report.exit_status is ExitStatus.NOT_FIXED
    why = next(one.outcome.why for one in report.hosts if one.host.name == name[40])
    assert why.startswith("not tried: ")
    assert why.endswith(", and --max-fail allows 3. Nothing was sent")
    for number, word in ((2, "UNREACHABLE"), (9, "UNREACHABLE"), (12, "NOT FIXED"), (30, "NOT FIXED")):
        assert f"{name[number]} ended {word}" in why or f"{name[number]} {word}" in why


@pytest.mark.long
def test_a_host_that_dies_in_the_middle_of_its_change_is_unknown_and_nothing_further_is_begun(
    ten: Many, tmp_path: Path
) -> None:
    dies = ten.names[3]
    stopping: list[threading.Timer] = []

    def listen(event: Event) -> None:
        if isinstance(event, ChangeIntended) and event.host == dies:
            stopping.append(threading.Timer(1, ten.lab.stop, [dies]))
            stopping[0].start()

    report = fleet.remediate(
        ten.cases(task=WriteSlowly()),
        transport=EachItsWay(),
        gate=PolicyGate(says_yes=True),
        runs=Runs(tmp_path),
        rollout=Rollout(serial=(1, 4, Percent(100)), max_fail=0),
        listener=listen,
    )
    stopping[0].join()
    ten.lab.start(dies)
    words = [one.outcome.word for one in report.hosts]
    assert report.unknown == (dies,)
    assert report.exit_status is ExitStatus.UNKNOWN
    assert words[:5] == ["FIXED", "FIXED", "FIXED", "UNKNOWN", "FIXED"]
    assert words[5:] == ["DECLINED"] * 4 + ["NOT NEEDED"]
    written = ten.written()
    check_lists(report, written)
    assert written[dies] == 0, "it was killed with its host"


def test_unless_it_may_fail_one_dead_host_keeps_all_others_as_they_are(ten: Many, tmp_path: Path) -> None:
    ten.lab.stop(ten.names[4])
    report = fleet.remediate(ten.cases(), transport=EachItsWay(), gate=PolicyGate(says_yes=True), runs=Runs(tmp_path))
    ten.lab.start(ten.names[4])
    check_lists(report, ten.written())
    assert report.touched == report.unknown == ()
    assert report.exit_status is ExitStatus.UNREACHABLE


def test_where_half_of_a_group_is_ill_nothing_is_sent_to_the_one_host_that_was_named(ten: Many, tmp_path: Path) -> None:
    ten.each(f"echo good >{FILE}", ten.names[5:])
    report = fleet.remediate(
        ten.cases(ten.names[:1], unhealthy_limit=Percent(40)),
        peers=ten.cases(ten.names[1:], unhealthy_limit=Percent(40)),
        transport=EachItsWay(),
        gate=PolicyGate(says_yes=True),
        runs=Runs(tmp_path),
    )
    assert "5 of the 10 hosts" in report.hosts[0].outcome.why
    assert "with more than 4 of them" in report.hosts[0].outcome.why
    assert "(fleet.yml:7:21)" in report.hosts[0].outcome.why
    assert sum(ten.written().values()) == 0


def test_a_run_that_would_change_more_of_a_group_than_may_changes_none_of_it_and_one_of_fewer_does(
    ten: Many, tmp_path: Path
) -> None:
    asked: list[str] = []

    def remediate(names: Sequence[str]) -> RunReport:
        return fleet.remediate(
            ten.cases(names, change_limit=Percent(16)),
            transport=EachItsWay(),
            gate=Meanwhile(lambda: asked.extend(names)),
            runs=Runs(tmp_path),
            rollout=Rollout(serial=(1, Percent(100))),
        )

    refused = remediate(ten.names)
    written, says = ten.written(), ten.each(f"cat {FILE}")
    check_lists(refused, written)
    assert sum(written.values()) == 0
    assert [says[name] for name in ten.names] == ["bad\n"] * 9 + ["good\n"]
    assert asked == [], "nobody has to answer what may not be done"
    assert [one.outcome.word for one in refused.hosts] == ["DECLINED"] * 9 + ["NOT NEEDED"]
    assert refused.hosts[0].outcome.why == (
        "not tried: this run would change 9 of the 50 hosts of light, and one run may change 8 at most: "
        "policy.change_limit is 16 % (fleet.yml:7:21). To go on, name fewer of them with --host. "
        "Nothing was sent to any host"
    )
    assert refused.exit_status is ExitStatus.DECLINED

    fewer = remediate(ten.names[1:])
    assert [one.outcome.word for one in fewer.hosts] == ["FIXED"] * 8 + ["NOT NEEDED"]
    assert list(ten.written().values()) == [0, *[1] * 8, 0]
    assert asked == list(ten.names[1:])
