# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from soleil_remediate import open_remediation
from soleil_remediate.catalog import load_catalog
from soleil_remediate.errors import InventoryError
from soleil_remediate.host import Host, Policy
from soleil_remediate.loading import check_policy, lint, load_inventory, load_scenarios, shipped_playbooks
from soleil_remediate.loading.playbooks import names_in_playbooks
from soleil_remediate.plan import Risk
from soleil_remediate.transports.scripted import ScriptedTransport

CATALOG = load_catalog()
PLAYBOOK = """\
scenario: {name}
aliases: [{alias}]
title: A Disk
severity: medium
respond_within: 1 h
impact: Nothing can be written
healthy_when: [{{disk.writable: {{user: www-data}}}}]
escalate: {{after: 30 min, to: {to}}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inventory(unattended: str, more: str = "") -> str:
    Path("hosts.yml").write_text(
        f"all:\n  hosts: {{web1: , web2: }}\n  vars:\n    policy:\n      unattended: {unattended}\n{more}"
    )
    return "hosts.yml"


def playbook(name: str, alias: str = "other", to: str = "dba") -> str:
    Path(f"{name}.yml").write_text(PLAYBOOK.format(name=name, alias=alias, to=to))
    return f"{name}.yml"


def told(*paths: str, playbooks: Sequence[str | Path] = (shipped_playbooks(),)) -> list[str]:
    return [str(problem) for problem in lint(paths, CATALOG, playbooks=playbooks)]


# ---- lint ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "unattended,message",
    [
        ("{disk-full: gentle}", None),
        ("{}", None),
        ("{disk-fu: destructive}", "5:20: unknown scenario in policy.unattended 'disk-fu': did you mean 'disk-full'?"),
        ("{Disk-Full: gentle}", "5:20: unknown scenario in policy.unattended 'Disk-Full': did you mean 'disk-full'?"),
        ("{disk-full: gentle, disc: gentle}", "5:39: unknown scenario in policy.unattended 'disc': did you mean 'disk'?"),
        ("{disk: destructive}", "5:20: policy.unattended has 'disk', an alias, which counts for nothing: write 'disk-full'"),
        ('{"": gentle}', "5:20: unknown scenario in policy.unattended '': is its playbook among --playbooks?"),
        ("{print-backlog: gentle}", "5:20: unknown scenario in policy.unattended 'print-backlog': is its playbook among --playbooks?"),
    ],
)  # fmt: skip
def test_lint_tells_every_scenario_of_a_policy_that_there_is_not(unattended: str, message: str | None) -> None:
    assert told(inventory(unattended)) == ([] if message is None else [f"hosts.yml:{message}"])


def test_lint_knows_the_scenarios_of_all_playbooks_that_it_is_given_broken_ones_too() -> None:
    file = inventory("{print-backlog: gentle, disk-full: gentle, stuck: gentle}")
    playbook("print-backlog", "stuck")
    assert [one.partition(": ")[0] for one in told(file)] == ["hosts.yml:5:20", "hosts.yml:5:62"]
    alias = ["hosts.yml:5:62: policy.unattended has 'stuck', an alias, which counts for nothing: write 'print-backlog'"]
    assert told(file, "print-backlog.yml") == alias
    assert told(file, playbooks=(shipped_playbooks(), "print-backlog.yml")) == alias
    with Path("print-backlog.yml").open("a") as broken:
        broken.write("setps: []\n")
    assert told(file, "print-backlog.yml")[:1] == alias
    assert told(file, playbooks=(shipped_playbooks(), "print-backlog.yml")) == alias  # not judged, only known
    assert told(file, playbooks=()) == []  # nobody can tell


@pytest.mark.parametrize(
    "text", ["- a\n", "scenario: [x]\n", "a: *b\n", "escalate: devops\naliases: x\nscenario: 5\n", ""]
)
def test_names_are_taken_from_whatever_is_called_a_playbook(text: str) -> None:
    Path("broken.yml").write_text(text)
    known = names_in_playbooks(["broken.yml", "missing.yml", "."])
    assert known.scenarios == {}


def test_what_many_hosts_inherit_is_told_once_and_what_one_has_at_its_own_place() -> None:
    file = inventory("{disk-fu: gentle}")
    Path("host_vars").mkdir()
    Path("host_vars/web2.yml").write_text("policy: {unattended: {disk-ful: gentle}}\n")
    assert told(file) == [
        "host_vars/web2.yml:1:23: unknown scenario in policy.unattended 'disk-ful': did you mean 'disk-full'?",
        "hosts.yml:5:20: unknown scenario in policy.unattended 'disk-fu': did you mean 'disk-full'?",
    ]
    assert told("host_vars/web2.yml") == told(file)[:1]


@pytest.mark.parametrize(
    "contacts,message",
    [
        ("{devops: a@b, dba: c@d, anybody: e@f}", None),
        ("{anybody: e@f}", None),
        ("{devosp: a@b}", "7:24: no scenario calls the contact 'devosp': did you mean 'devops'?"),
        ("{DevOps: a@b}", "7:24: no scenario calls the contact 'DevOps': did you mean 'devops'?"),
        ("{devops: a@b, devops2: c@d}", None),
    ],
)
def test_lint_tells_a_contact_whom_a_slip_of_the_hand_keeps_from_being_called(
    contacts: str, message: str | None
) -> None:
    playbook("print-backlog")
    file = inventory("{}", f"    # whom\n    contacts: {contacts}\n")
    found = told(file, playbooks=(shipped_playbooks(), "print-backlog.yml"))
    assert found == ([] if message is None else [f"hosts.yml:{message}"])


# ---- a run -----------------------------------------------------------------------------------------------------------


def run(unattended: str, scenario: str = "disk-full") -> None:
    inventory(unattended)
    open_remediation(scenario=scenario, hosts="web1", inventory="hosts.yml", transport=ScriptedTransport())


@pytest.mark.parametrize(
    "unattended,message",
    [
        ("{disk-fu: destructive}", "5:20: unknown scenario in policy.unattended 'disk-fu': did you mean 'disk-full'?"),
        ("{DISK-FULL: destructive}", "5:20: unknown scenario in policy.unattended 'DISK-FULL': did you mean 'disk-full'?"),
        ("{no-space-lef: destructive}", "5:20: unknown scenario in policy.unattended 'no-space-lef': did you mean 'no-space-left'?"),
        ("{disk: destructive}", "5:20: policy.unattended has 'disk', an alias, which counts for nothing: write 'disk-full'"),
        ("{disk-full: gentle, disk: destructive}", "5:39: policy.unattended has 'disk', an alias, which counts for nothing: write 'disk-full'"),
    ],
)  # fmt: skip
def test_a_run_refuses_a_ceiling_that_may_have_been_meant_for_its_scenario(unattended: str, message: str) -> None:
    for scenario in ("disk-full", "no-space-left"):
        with pytest.raises(InventoryError) as caught:
            run(unattended, scenario)
        assert str(caught.value) == f"hosts.yml:{message}"


@pytest.mark.parametrize(
    "unattended",
    [
        "{disk-full: gentle, disk-fu: gentle}",
        "{print-backlog: gentle}",
        "{disk-slow: gentle}",
        "{memory-full: gentle}",
        '{"": gentle}',
        "{}",
    ],
)
def test_a_run_is_not_kept_from_repairing_by_names_that_are_not_its_own(unattended: str) -> None:
    run(unattended)


def test_a_scenario_that_is_like_another_is_none_of_its_business_where_it_is_known() -> None:
    scenarios = load_scenarios([shipped_playbooks(), playbook("disk-ful")], CATALOG)
    inventory("{disk-ful: gentle}")
    check_policy(scenarios["disk-full"], scenarios.names, load_inventory("hosts.yml").hosts)
    assert scenarios.names["other"] == "disk-ful"


def test_hosts_that_are_not_of_the_run_are_not_judged() -> None:
    inventory("{}")
    Path("host_vars").mkdir()
    Path("host_vars/web2.yml").write_text("policy: {unattended: {disk-fu: gentle}}\n")
    open_remediation(scenario="disk-full", hosts="web1", inventory="hosts.yml", transport=ScriptedTransport())
    with pytest.raises(InventoryError):
        open_remediation(scenario="disk-full", hosts="web*", inventory="hosts.yml", transport=ScriptedTransport())


def test_a_host_made_without_an_inventory_is_named_itself() -> None:
    scenarios = load_scenarios([shipped_playbooks()], CATALOG)
    (host, _) = load_inventory(inventory("{}")).hosts
    made = Host(name="made", connection=host.connection, policy=Policy(unattended={"disk-fu": Risk.GENTLE}))
    with pytest.raises(InventoryError, match=r"^made: unknown scenario in policy\.unattended 'disk-fu'"):
        check_policy(scenarios["disk-full"], scenarios.names, [made])


def test_where_a_scenario_was_named_can_be_explained() -> None:
    rows = load_inventory(inventory("{disk-full: gentle}")).explain("web1")
    (row,) = [row for row in rows if row.variable == "policy.unattended.disk-full"]
    assert (row.value, str(row.origin)) == ("gentle", "hosts.yml:5:20")
