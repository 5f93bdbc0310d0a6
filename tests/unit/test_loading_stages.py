# ruff: noqa: E501  # messages are the product: each stands whole, as a person sees it
"""Stages of a playbook: read, refused where they could not be done as written, and bound to the hosts of a run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest

from soleil_remediate.errors import ConfigError, PlaybookError, UnknownName
from soleil_remediate.host import Host, Origin
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import (
    ad_hoc_host,
    bind,
    bind_all,
    bind_peers,
    lint,
    load_inventory,
    load_scenarios,
    not_meant,
    parse_inputs,
)
from soleil_remediate.remediation import open_remediation
from soleil_remediate.reporters.runbook import explain_page
from soleil_remediate.scenario import Case, Scenario
from soleil_remediate.secrecy import REDACTOR
from soleil_remediate.transports.scripted import ScriptedTransport
from tests.unit.test_loading_playbooks import CATALOG, HEAD, HEALTHY

CHECK = "healthy_when: [disk.used: {below: 80%}]"
STEP = "steps: [journal.vacuum: {}]"
STAGES = dedent(f"""\
    hosts: web:db
    stages:
      - stage: migrate
        hosts: db
        once: true
        {CHECK}
        {STEP}
      - stage: serve
        hosts: web
        healthy_when: [disk.used: {{below: "{{{{ vars.share }}}}"}}]
        goal: [disk.used: {{below: 70%}}]
        evidence: [disk.largest: {{}}]
        steps:
          - journal.vacuum: {{}}
            always: true
          - log.truncate: {{paths: ["/var/log/{{{{ host.name }}}}.log"]}}
    """)
INVENTORY = """\
all:
  vars: {share: 90%}
  children:
    web: {hosts: {web1: {}, web2: {}}}
    db: {hosts: {db1: {}, db2: {}}}
    other: {hosts: {mail1: {}}}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(text: str) -> Scenario:
    Path("p.yml").write_text(HEAD + text)
    return load_scenarios(["p.yml"], CATALOG)["disk-full"]


def bound(scenario: Scenario, pattern: str) -> tuple[Case, ...]:
    Path("hosts.yml").write_text(INVENTORY)
    inventory = load_inventory("hosts.yml")
    hosts = inventory.select(pattern, all_hosts=True)
    return bind_all(scenario, hosts, parse_inputs(scenario, []), CATALOG, partial(inventory.select, all_hosts=True))


# --- reading ----------------------------------------------------------------------------------------------------------


def test_stages_have_hosts_checks_and_steps_of_their_own() -> None:
    scenario = load(STAGES)
    migrate, serve = scenario.stages
    assert (migrate.name, migrate.hosts, migrate.is_once, migrate.origin) == (
        "migrate",
        "db",
        True,
        Origin("p.yml", 8, 5),
    )
    assert (serve.name, serve.hosts, serve.is_once) == ("serve", "web", False)
    assert [[use.kind for use in one] for one in (migrate.healthy_when, migrate.goal, migrate.steps)] == [
        ["disk.used"], [], ["journal.vacuum"],
    ]  # fmt: skip
    assert [use.kind for use in serve.healthy_when + serve.goal + serve.evidence] == [
        "disk.used",
        "disk.used",
        "disk.largest",
    ]
    assert [(use.kind, use.is_always) for use in serve.steps] == [("journal.vacuum", True), ("log.truncate", False)]
    assert scenario.healthy_when == scenario.goal == scenario.evidence == scenario.steps == scenario.beyond == ()


def test_a_stage_without_hosts_is_for_those_of_the_playbook() -> None:
    (one,) = load(f"hosts: web:db\nstages:\n  - stage: one\n    {CHECK}\n    {STEP}\n").stages
    assert (one.hosts, one.is_once) == ("web:db", False)


def test_risk_may_begin_anew_with_each_stage() -> None:
    cut = "steps: [log.truncate: {paths: [/a]}]"
    load(f"stages:\n  - stage: one\n    {CHECK}\n    {cut}\n  - stage: two\n    {CHECK}\n    {STEP}\n")


ONE = f"  - stage: one\n    {CHECK}\n    {STEP}\n"


@pytest.mark.parametrize(
    "text,message",
    [
        (f"{STEP}\nstages:\n{ONE}", "p.yml:6:1: where there are stages each has its own steps: move this into them"),
        (f"stages:\n{ONE}{HEALTHY}", "p.yml:10:1: where there are stages each has its own healthy_when: move this into them"),
        (f"goal: []\nstages:\n{ONE}", "p.yml:6:1: where there are stages each has its own goal: move this into them"),
        (f"beyond: []\nstages:\n{ONE}", "p.yml:6:1: where there are stages each has its own beyond: move this into them"),
        (f"evidence: []\nstages:\n{ONE}", "p.yml:6:1: where there are stages each has its own evidence: move this into them"),
        ("stages: []\n", "p.yml:6:9: stages needs at least one stage: write one, or leave it out"),
        (f"stages: []\n{HEALTHY}", "p.yml:6:9: stages needs at least one stage: write one, or leave it out\np.yml:7:1: where there are stages each has its own healthy_when: move this into them"),
        ("stages:\n", "p.yml:6:8: stages must be a list, not nothing"),
        (f"stages:\n  one:\n    {CHECK}\n", "p.yml:7:3: stages must be a list, not a mapping"),
        ("stages: [one]\n", "p.yml:6:10: stages[1] must be a mapping, not 'one'"),
        (f"stages:\n  - {CHECK}\n    {STEP}\n", "p.yml:7:5: stages[1] needs 'stage'"),
        (f"stages:\n  - stage:\n    {CHECK}\n    {STEP}\n", "p.yml:7:11: stages[1].stage must be text, not nothing"),
        (f"stages:\n  - stage: ''\n    {CHECK}\n    {STEP}\n", "p.yml:7:12: stages[1].stage must be a name such as disk-full, not ''"),
        (f"stages:\n  - stage: web1#a\n    {CHECK}\n    {STEP}\n", "p.yml:7:12: stages[1].stage must be a name such as disk-full, not 'web1#a'"),
        (f"stages:\n{ONE}{ONE}", "p.yml:10:12: the stage 'one' is already in p.yml:7:5: rename one of them"),
        (f"stages:\n  - stage: one\n    onec: true\n    {CHECK}\n    {STEP}\n", "p.yml:8:5: unknown key in stages[1] 'onec': did you mean 'once'?"),
        (f"stages:\n  - stage: one\n    once: yes\n    {CHECK}\n    {STEP}\n", "p.yml:8:11: stages[1].once must be true or false, not 'yes': write true"),
        (f"stages:\n  - stage: one\n    hosts: 'web:'\n    {CHECK}\n    {STEP}\n", "p.yml:8:12: stages[1].hosts: 'web:': a name is missing in this pattern"),
        (f"stages:\n  - stage: one\n    {STEP}\n", "p.yml:7:5: healthy_when needs at least one check: without it no repair can be proved"),
        (f"stages:\n  - stage: one\n    healthy_when: []\n    {STEP}\n", "p.yml:8:19: healthy_when needs at least one check: without it no repair can be proved"),
        (f"stages:\n  - stage: one\n    {CHECK}\n", "p.yml:7:5: the stage 'one' needs at least one step"),
        (f"stages:\n  - stage: one\n    {CHECK}\n    steps: []\n", "p.yml:9:12: the stage 'one' needs at least one step"),
        (f"stages:\n{ONE}  - stage: two\n    {CHECK}\n    steps: [journal.vacum: {{}}]\n", "p.yml:12:13: unknown kind 'journal.vacum': did you mean 'journal.vacuum'?"),
        (f"stages:\n  - stage: one\n    {CHECK}\n    steps: [disk.used: {{below: 80%}}]\n", "p.yml:9:13: disk.used is a check: steps takes a task"),
        (f"stages:\n  - stage: one\n    {CHECK}\n    steps:\n      - log.truncate: {{paths: [/a]}}\n      - journal.vacuum: {{}}\n", "p.yml:11:9: journal.vacuum is gentle and stands behind log.truncate, which is destructive: put the gentler step first"),
        (f"stages:\n  - stage: one\n    stages: []\n    {CHECK}\n    {STEP}\n", "p.yml:8:5: unknown key in stages[1] 'stages': did you mean 'stage'?"),
    ],
)  # fmt: skip
def test_mistakes_in_stages_are_told_with_their_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert str(caught.value) == message
    assert "\n".join(map(str, lint(["p.yml"], CATALOG))) == message


def test_a_playbook_with_stages_passes_lint() -> None:
    Path("p.yml").write_text(HEAD + STAGES)
    assert lint(["p.yml"], CATALOG) == ()


# --- binding ----------------------------------------------------------------------------------------------------------


def test_stages_are_bound_one_after_the_other_to_their_hosts() -> None:
    cases = bound(load(STAGES), "web:db")
    assert [(case.host.name, case.is_once) for case in cases] == [
        ("db1#migrate", True), ("db2#migrate", True), ("web1#serve", False), ("web2#serve", False),
    ]  # fmt: skip
    assert [step.is_always for step in cases[2].steps] == [True, False]
    assert str(cases[3].healthy_when[0]) == "DiskUsed(below=Percent(90.0), mount=None)"
    assert (len(cases[0].goal), len(cases[2].goal), len(cases[2].evidence)) == (0, 1, 1)


def test_templates_see_a_host_by_its_name_in_the_inventory() -> None:
    (case,) = [case for case in bound(load(STAGES), "web1:db") if case.host.name == "web1#serve"]
    assert "/var/log/web1.log" in str(case.steps[1].task)
    assert (case.host.machine, case.host.listed_name, case.host.stage) == ("web1", "web1", "serve")


def test_a_run_that_leaves_out_a_stage_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        bound(load(STAGES), "web")
    assert str(caught.value) == (
        "p.yml:8:5: stage migrate is for db, and none of web1, web2 is among them. Name its hosts with --host as well: a run "
        "does all stages or none"
    )


def test_a_host_that_no_stage_is_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="no stage of disk-full is for mail1: leave it out of --host"):
        bound(load(STAGES.replace("hosts: web:db\n", "", 1)), "web1:db1:mail1")


def test_a_stage_for_a_group_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownName, match="wbe"):
        bound(load(STAGES.replace("hosts: web\n", "hosts: wbe\n")), "web:db")


def test_a_host_that_the_playbook_is_not_for_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^disk-full is for web:db, and mail1 is not among them$"):
        bound(load(STAGES), "web:db:mail1")
    with pytest.raises(ConfigError, match=r"^disk-full is for web:!web2, and web2, db1 are not among them$"):
        bound(load(f"hosts: web:!web2\n{HEALTHY}"), "web:db1")


def test_a_host_in_a_stage_is_held_against_the_pattern_of_its_stage() -> None:
    Path("hosts.yml").write_text(INVENTORY)
    inventory = load_inventory("hosts.yml")
    hosts = [inventory.host(name).in_stage(stage) for name, stage in
             [("db1", "migrate"), ("web1", "migrate"), ("web1", "serve"), ("mail1", "serve")]]  # fmt: skip
    assert not_meant(load(STAGES), hosts, inventory.meant_by) == {"web1#migrate": "db", "mail1#serve": "web:db"}


def test_a_script_is_refused_like_a_person() -> None:
    Path("hosts.yml").write_text(INVENTORY)
    with pytest.raises(ConfigError, match=r"^application-down is for web, and db1 is not among them$"):
        open_remediation(scenario="application-down", hosts="db1", inventory="hosts.yml", transport=ScriptedTransport())


def test_a_host_without_an_inventory_is_looked_at_for_every_stage() -> None:
    text = STAGES.replace("{{ vars.share }}", "80%")
    cases = bind_all(load(text), [ad_hoc_host("jan@web1")], {}, CATALOG, None)
    assert [case.host.name for case in cases] == ["web1#migrate", "web1#serve"]
    assert not any(case.host.is_listed for case in cases)


def test_peers_are_bound_to_what_is_done_on_every_host_only() -> None:
    scenario = load(STAGES)
    bound(scenario, "web:db")
    inventory = load_inventory("hosts.yml")
    hosts = inventory.select("web2:db2:mail1")
    peers = bind_peers(scenario, hosts, {}, CATALOG, partial(inventory.select, all_hosts=True))
    assert [case.host.name for case in peers] == ["web2#serve"]


def test_a_scenario_with_stages_is_never_bound_as_one_that_has_none() -> None:
    scenario, whole = load(STAGES), load(HEALTHY)
    host: Host = ad_hoc_host("web1")
    with pytest.raises(ValueError, match="stage by stage"):
        bind(scenario, host, {}, CATALOG)
    with pytest.raises(ValueError, match="stage by stage"):
        bind(whole, host, {}, CATALOG, scenario.stages[0])


def test_a_playbook_without_stages_is_bound_as_ever() -> None:
    cases = bound(load(HEALTHY), "web1:mail1")
    assert [(case.host.name, case.host.stage, case.is_once) for case in cases] == [
        ("web1", "", False),
        ("mail1", "", False),
    ]


def test_what_a_host_calls_its_secret_does_not_hide_the_name_of_a_stage() -> None:
    text = STAGES.replace("stage: migrate", "stage: migrate-all")
    with REDACTOR.apart():
        case = bound(load(text), "web:db")[0]
        REDACTOR.learn_of_host("migrate-all")
        assert REDACTOR.redacted(case.host.name) == "db1#migrate-all"


def test_a_value_that_is_wrong_in_a_stage_is_told_with_its_place() -> None:
    with pytest.raises(PlaybookError, match=r"^p\.yml:15:39: web1#serve: disk\.used: below needs vars\.shear"):
        bound(load(STAGES.replace("vars.share", "vars.shear")), "web1:db1")


# --- explaining -------------------------------------------------------------------------------------------------------


def test_explain_shows_each_stage_with_its_hosts_checks_and_steps() -> None:
    again = Invocation(program="soleil", scenario="disk-full")
    page = explain_page(load(STAGES), CATALOG, again, 80)
    text = "\n".join(line.plain.rstrip() for line in page.lines)
    first, second = (
        text.index("STAGE 1     migrate · once, on the first of db that can be looked at"),
        text.index("STAGE 2     serve · on web"),
    )
    assert first < text.index("journal.vacuum") < second < text.index("log.truncate")
    assert "begins when the stages before it have ended well on all their hosts" in text[second:]
    assert "begins when" not in text[:second]
    assert (text[first:second].count("HEALTHY"), text[second:].count("HEALTHY"), text.count("STEPS")) == (1, 1, 2)
