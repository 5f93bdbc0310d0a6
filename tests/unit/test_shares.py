"""How much of a group one run may change, when so much is ill that a person must look, and when it is divided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet, open_remediation
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import peers_of
from soleil_remediate.errors import ConnectionLost, ExitStatus, FactError
from soleil_remediate.events import GateAnswered
from soleil_remediate.gates import PersonGate, PlanGate, PolicyGate
from soleil_remediate.host import Host, Origin
from soleil_remediate.host_outcomes import Fixed, NotNeeded, Refusal, WouldFix
from soleil_remediate.plan import Risk
from soleil_remediate.record import Runs
from soleil_remediate.report import RunReport
from soleil_remediate.seen import Preview
from soleil_remediate.shares import doubts, excess, mixture
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from soleil_remediate.units import Percent
from tests import tiny
from tests.unit.test_fleet import Fleet, check_truth, outcomes

ORIGINS = {
    "policy.change_limit": Origin("fleet.yml", 7, 21),
    "policy.unhealthy_limit": Origin("fleet.yml", 8, 24),
}
SIZES = {"all": 100, "web": 8, "db": 4, "lone": 1, "ungrouped": 3}


def member(name: str, *groups: str, **policy: Any) -> Host:
    """Return a host of *groups*, whose policy is written in lines 7 and 8 of fleet.yml."""
    return replace(tiny.host(name, **policy), groups=("all", *groups), group_sizes=SIZES, origins=ORIGINS)


def web(*numbers: int, **policy: Any) -> list[Host]:
    return [member(f"web{number}", "web", **policy) for number in numbers]


# --- change_limit -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "share, count, is_within",
    [
        (25, 2, True),
        (25, 3, False),
        (30, 2, True),
        (30, 3, False),
        (50, 4, True),
        (100, 8, True),
        (1, 1, True),
        (1, 2, False),
    ],
)
def test_a_share_is_of_the_whole_group_rounded_down_and_never_less_than_one_host(
    share: float, count: int, *, is_within: bool
) -> None:
    assert (excess(web(*range(count), change_limit=Percent(share))) == "") is is_within


def test_what_is_beyond_the_limit_is_said_with_its_numbers_and_where_the_policy_says_so() -> None:
    assert excess(web(1, 2, 3, change_limit=Percent(25))) == (
        "this run would change 3 of the 8 hosts of web, and one run may change 2 at most: policy.change_limit is 25 % "
        "(fleet.yml:7:21). To go on, name fewer of them with --host"
    )


def test_without_a_limit_there_is_none() -> None:
    assert excess(web(*range(8))) == ""
    assert excess([]) == ""


def test_the_strictest_host_of_a_group_decides_for_all_of_it() -> None:
    assert excess([*web(1, 2, change_limit=Percent(100)), *web(3, change_limit=Percent(25))]) != ""


def test_groups_are_judged_each_by_itself_and_all_only_for_hosts_in_no_other() -> None:
    half = {"change_limit": Percent(50)}
    of_each = [*web(1, 2, 3, 4, **half), member("db1", "db", **half), member("db2", "db", **half)]
    assert excess(of_each) == ""
    assert "3 of the 4 hosts of db" in excess([*of_each, member("db3", "db", **half)])
    alone = [member(f"host{number}", change_limit=Percent(2)) for number in range(3)]
    assert "3 of the 100 hosts of all" in excess(alone)
    assert excess(alone[:2]) == ""


def test_the_only_host_of_a_group_may_always_be_changed() -> None:
    assert excess([member("lone1", "lone", change_limit=Percent(10))]) == ""


def test_the_applications_of_a_machine_count_once() -> None:
    both = [member(f"web1/{app}", "web", change_limit=Percent(1)) for app in ("soleil", "blog")]
    assert excess(both) == ""
    assert excess([*both, member("web2/soleil", "web", change_limit=Percent(1))]) != ""


# --- unhealthy_limit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ill, is_doubted", [(1, False), (3, False), (4, True), (8, True)])
def test_with_more_ill_than_the_policys_share_of_those_looked_at_there_are_doubts(
    ill: int, *, is_doubted: bool
) -> None:
    hosts = web(*range(8), unhealthy_limit=Percent(40))
    found = doubts(hosts[:1], [(host, number >= ill) for number, host in enumerate(hosts)])
    assert bool(found) is is_doubted


def test_a_doubt_is_said_with_its_numbers_and_where_the_policy_says_so() -> None:
    hosts = web(*range(8), unhealthy_limit=Percent(40))
    ((name, reasons),) = doubts(hosts[2:3], [(host, host.name in {"web6", "web7"}) for host in hosts]).items()
    assert name == "web2"
    (reason,) = reasons
    assert reason == (
        "6 of the 8 hosts of web are not healthy (web0 web1 web2 web3 web4 …): with more than 3 of them the cause "
        "may be what they share, so only a person may say yes: policy.unhealthy_limit is 40 % (fleet.yml:8:24)"
    )


def test_one_ill_host_alone_is_never_a_fault_that_is_shared() -> None:
    (one,) = web(1, unhealthy_limit=Percent(1))
    assert doubts([one], [(one, False)]) == {}


def test_a_machine_is_ill_where_any_application_on_it_is() -> None:
    hosts = [
        member(f"web{number}/{app}", "web", unhealthy_limit=Percent(50)) for number in (1, 2) for app in ("a", "b")
    ]
    assert doubts(hosts[:1], [(host, host.name.endswith("b")) for host in hosts]) != {}
    assert doubts(hosts[:1], [(host, host.name != "web1/a") for host in hosts]) == {}


def test_hosts_without_that_policy_have_no_doubts_whoever_is_ill() -> None:
    hosts = [*web(1, unhealthy_limit=Percent(10)), *web(2, 3)]
    assert set(doubts(hosts, [(host, False) for host in hosts])) == {"web1"}


# --- a whole run ------------------------------------------------------------------------------------------------------


def scripted(count: int, ill: int) -> list[ScriptedHost]:
    return [tiny.scripted(f"web{number}", "bad" if number < ill else "good") for number in range(count)]


def run(
    folder: Path, hosts: list[ScriptedHost], *, of_run: int, gate: Any = None, risk: Risk = Risk.GENTLE, **policy: Any
) -> RunReport:
    """Repair the first *of_run* hosts of a group; the others are only looked at."""
    cases = [tiny.case(tiny.PutFile(risk=risk), on=member(one.name, "web", **policy)) for one in hosts]
    return fleet.remediate(
        cases[:of_run],
        peers=cases[of_run:],
        transport=ScriptedTransport(*hosts),
        gate=gate or PolicyGate(says_yes=True),
        runs=Fleet(folder).runs,
        clock=tiny.Clock(),
    )


def test_a_run_beyond_the_change_limit_is_refused_before_anybody_is_asked_and_sends_nothing(tmp_path: Path) -> None:
    three = Fleet(tmp_path, hosts=scripted(3, 3))
    three.cases_on = [member(one.name, "web", change_limit=Percent(25)) for one in three.hosts]
    report = three.remediate()
    assert outcomes(report) == [Refusal] * 3
    assert report.hosts[0].outcome.why.startswith("not tried: this run would change 3 of the 8 hosts of web")
    assert "(fleet.yml:7:21)" in report.hosts[0].outcome.why
    assert report.exit_status is ExitStatus.DECLINED
    assert three.gate.asked == []
    assert three.words == [[], [], []]
    check_truth(three, report)


def test_hosts_that_need_nothing_do_not_count_as_changed(tmp_path: Path) -> None:
    report = run(tmp_path, scripted(3, 2), of_run=3, change_limit=Percent(25))
    assert outcomes(report) == [Fixed, Fixed, NotNeeded]


@pytest.mark.parametrize("ill, becomes", [(3, Fixed), (4, Refusal)])
def test_unattended_nothing_is_sent_where_too_many_others_are_ill_that_nobody_named(
    tmp_path: Path, ill: int, becomes: type
) -> None:
    hosts = scripted(8, ill)
    report = run(tmp_path, hosts, of_run=1, unhealthy_limit=Percent(40))
    assert outcomes(report) == [becomes]
    assert [tiny.words_sent(one) for one in hosts[1:]] == [[]] * 7
    assert [one.owners for one in hosts[1:]] == [[]] * 7
    if becomes is Refusal:
        why = report.hosts[0].outcome.why
        assert why.startswith("4 of the 8 hosts of web are not healthy (web0 web1 web2 web3)")
        assert "Nothing was sent. To go on: run it at a terminal, or add --approve" in why
        assert report.exit_status is ExitStatus.DECLINED


def test_hosts_that_are_not_reached_or_cannot_be_read_are_not_known_to_be_well(tmp_path: Path) -> None:
    hosts = scripted(8, 1)
    for gone in hosts[1:3]:
        gone.unreachable = ConnectionLost("gone")
    hosts[3].on_read(lambda _: True, FactError("garbage"))
    hosts[4].on_read(lambda _: True, lambda _: str(1 // 0))
    report = run(tmp_path, hosts, of_run=1, unhealthy_limit=Percent(50))
    assert outcomes(report) == [Refusal]
    assert "5 of the 8 hosts" in report.hosts[0].outcome.why


class Person:
    """Answers yes, and remembers what was to be asked about."""

    name = "jan"

    def __init__(self) -> None:
        self.doubts: list[tuple[str, ...]] = []
        self.cautions: list[tuple[str, ...]] = []

    def ask(self, scenario: str, previews: Any, risk: Risk) -> frozenset[str]:
        del scenario, risk
        self.doubts += [preview.doubts for preview in previews]
        self.cautions += [preview.cautions for preview in previews]
        return frozenset(digest for preview in previews for digest in preview.digests)

    def ask_again(self, host: Host, kind: str, change: Any) -> bool:
        raise AssertionError((host, kind, change))


@pytest.mark.parametrize("says_yes", [False, True])
def test_a_person_is_asked_even_where_the_plan_is_gentle_and_yes_was_said(tmp_path: Path, *, says_yes: bool) -> None:
    person = Person()
    gate = PersonGate(asker=person, says_yes=says_yes)
    assert outcomes(run(tmp_path, scripted(8, 5), of_run=1, gate=gate, unhealthy_limit=Percent(40))) == [Fixed]
    assert [one[0].partition(" (")[0] for one in person.doubts] == ["5 of the 8 hosts of web are not healthy"]


def test_somebody_who_approved_the_plan_elsewhere_is_a_person(tmp_path: Path) -> None:
    hosts = scripted(8, 8)
    cases = [tiny.case(on=member(one.name, "web", unhealthy_limit=Percent(40))) for one in hosts]
    looked = fleet.preview(cases[:1], peers=cases[1:], transport=ScriptedTransport(*hosts), clock=tiny.Clock())
    seen = looked.hosts[0].preview
    assert isinstance(looked.hosts[0].outcome, WouldFix)
    assert isinstance(seen, Preview)
    assert seen.doubts[0].startswith("8 of the 8 hosts of web are not healthy")
    report = run(tmp_path, hosts, of_run=1, gate=PlanGate(plan=looked.plan), unhealthy_limit=Percent(40))
    assert outcomes(report) == [Fixed]


def test_why_nothing_was_sent_stands_on_record(tmp_path: Path) -> None:
    report = run(tmp_path, scripted(8, 8), of_run=8, unhealthy_limit=Percent(40))
    record = Fleet(tmp_path).runs.read(report.run)
    (gate,) = [line for line in record if line["type"] == GateAnswered.__name__]
    assert not gate["is_open"]
    assert "(fleet.yml:8:24)" in gate["by"]


INVENTORY = """
all:
  vars:
    app: {name: soleil, root: /srv/soleil/current}
  children:
    web:
      hosts: {web1: , web2: , web3: }
      vars:
        policy: {unhealthy_limit: 40%}
    db:
      hosts: {db1: }
"""


def test_a_run_about_one_host_knows_whom_else_to_look_at(tmp_path: Path) -> None:
    inventory = tmp_path / "fleet.yml"
    inventory.write_text(INVENTORY)
    opened = open_remediation(scenario="disk-full", hosts="web2", inventory=inventory, transport=ScriptedTransport())
    assert [case.host.name for case in opened.cases] == ["web2"]
    assert [case.host.name for case in opened.peers] == ["web1", "web3"]
    call = Call(verb="remediate", given={"host": "web2", "inventory": str(inventory), "transport": "openssh"})
    peers = peers_of(call, opened.cases)
    assert [(case.host.name, case.host.connection.transport) for case in peers] == [
        ("web1", "openssh"),
        ("web3", "openssh"),
    ]
    alone = open_remediation(scenario="disk-full", hosts="db1", inventory=inventory, transport=ScriptedTransport())
    assert alone.peers == ()
    assert peers_of(call, alone.cases) == ()


def test_a_host_that_is_only_counted_keeps_no_other_from_being_repaired(tmp_path: Path) -> None:
    """Where its key is missing here it cannot be reached, and counts as ill."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(
        """\
all:
  vars: {app: {name: soleil, root: /srv/soleil/current}}
  children:
    web:
      vars: {policy: {unhealthy_limit: 40%}}
      hosts: {web1: , web2: {ansible_ssh_private_key_file: /nope/key}, web3: }
"""
    )
    opened = open_remediation(scenario="disk-full", hosts="web1", inventory=inventory)
    assert [case.host.name for case in opened.peers] == ["web2", "web3"]
    call = Call(verb="remediate", given={"host": "web1", "inventory": str(inventory)})
    assert [case.host.name for case in peers_of(call, opened.cases)] == ["web2", "web3"]


# --- a divided group --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GoBack(tiny.PutFile):
    """As going back to an older release is."""

    kind = "file.go-back"
    divides = True


def test_a_group_of_which_only_a_part_would_be_changed_is_named_with_its_numbers() -> None:
    assert mixture(web(1, 2, 3), "web") == (
        "this would be done on 3 of the 8 hosts of web: where it is not done on the others already, users meet the one "
        "and the other"
    )
    assert "on the other already" in mixture(web(*range(7)), "web")


def test_nothing_is_said_of_a_group_that_is_changed_as_a_whole_or_in_which_nothing_is() -> None:
    assert mixture(web(*range(8)), "web") == ""
    assert mixture([], "web") == ""


def test_only_the_groups_that_the_scenario_is_for_are_meant_or_all_where_it_names_none() -> None:
    hosts = [member(f"web{number}", "web", "db") for number in range(4)]
    assert mixture(hosts, "db") == ""
    assert "of web" in mixture(hosts, "web:!lone")
    assert mixture(hosts, "all").count("would be done") == 1
    assert "of web" in mixture(hosts, "all")


@pytest.mark.parametrize("task, is_told", [(tiny.PutFile, False), (GoBack, True)])
def test_a_person_is_told_before_a_group_is_divided_and_may_do_it(
    tmp_path: Path, task: type[tiny.PutFile], *, is_told: bool
) -> None:
    person = Person()
    (host,) = scripted(1, 1)
    case = tiny.case(task(risk=Risk.DISRUPTIVE), on=member(host.name, "web"))
    report = fleet.remediate(
        [case],
        transport=ScriptedTransport(host),
        gate=PersonGate(asker=person, says_yes=False),
        runs=Runs(tmp_path),
        clock=tiny.Clock(),
    )
    assert outcomes(report) == [Fixed]
    assert [bool(one) for one in person.cautions] == [is_told]
