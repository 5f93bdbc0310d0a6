"""Every command that is printed to go on with is one that both programs take, and means the same hosts and inputs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from invoke.parser.context import ParserContext

from soleil_remediate import cli
from soleil_remediate.catalog import load_catalog
from soleil_remediate.cli import arguments
from soleil_remediate.cli.call import Program
from soleil_remediate.host import Host
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import (
    ad_hoc_host,
    bind,
    load_inventory,
    load_scenarios,
    parse_inputs,
    shipped_playbooks,
)
from soleil_remediate.tasks.databases import RestartCluster, StartCluster
from soleil_remediate.tasks.releases import RollBackRelease
from tests.unit.reporters.samples import host
from tests.unit.tasks.test_releases import WITH, release, releases, seen
from tests.unit.tasks.values import refusal

FULL = Invocation(
    scenario="disk-full",
    hosts="web*:!web3",
    inventory="my hosts/all.yml",
    transport="openssh",
    playbooks=("one", "two's"),
    inputs=("mount=/srv", "target=70%"),
    has_all_hosts=True,
)
REACHED = {"inventory": "my hosts/all.yml", "transport": "openssh"}
SAME = {**REACHED, "playbooks": ["one", "two's"]}
ABOUT = {"scenario": "disk-full", "set": ["mount=/srv", "target=70%"], **SAME}
PLAYBOOKS = {"playbooks": ["one", "two's"]}


def understood(line: str) -> tuple[str, dict[str, Any]]:
    """Return which command the program takes *line* for, and what it was given; what was not given is left out."""
    program, *words = shlex.split(line)
    verb, rest = cli._split(words)
    assert verb is not None
    task = cli.collection(Program(name=program))[verb.dotted]
    values = arguments.given(verb, ParserContext(args=task.get_arguments()), rest, program)
    return verb.name, {name: value for name, value in values.items() if value}


@pytest.mark.parametrize("program", ["soleil-remediate", "soleil", "invoke"])
@pytest.mark.parametrize(
    "typed, verb, meant",
    [
        (lambda one: one.remediate(), "remediate", {**ABOUT, "host": "web*:!web3", "all_hosts": True}),
        (
            lambda one: one.preview("--verbose"),
            "preview",
            {**ABOUT, "host": "web*:!web3", "all_hosts": True, "verbose": True},
        ),
        (lambda one: one.about("web1").preview(), "preview", {**ABOUT, "host": "web1"}),
        (
            lambda one: one.about("web1", inventory="FILE").remediate(),
            "remediate",
            {**ABOUT, "host": "web1", "inventory": "FILE"},
        ),
        (
            lambda one: one.without(["web1", "web2"]).preview(),
            "preview",
            {**ABOUT, "host": "web*:!web3:!web1:!web2", "all_hosts": True},
        ),
        (
            lambda one: one.about("web1").corrected("/srv", "/data").preview(),
            "preview",
            {**ABOUT, "host": "web1", "set": ["mount=/data", "target=70%"]},
        ),
        (lambda one: one.ping(host()), "ping", {"host": "web1", **REACHED}),
        (lambda one: one.ping_all(), "ping", {"host": "web*:!web3", "all_hosts": True, **REACHED}),
        (lambda one: one.show("7f3a"), "runs show", {"run": "7f3a", **PLAYBOOKS}),
        (lambda one: one.scenarios(), "scenarios", PLAYBOOKS),
        (lambda one: one.explain("disk-full"), "explain", {"scenario": "disk-full", **PLAYBOOKS}),
    ],
)  # fmt: skip
def test_what_is_printed_can_be_copied_and_means_the_same(
    program: str, typed: Callable[[Invocation], str], verb: str, meant: dict[str, Any]
) -> None:
    one = Invocation(**{field: getattr(FULL, field) for field in FULL.__slots__} | {"program": program})
    assert understood(typed(one)) == (verb, meant)


@pytest.mark.parametrize(
    "name",
    ["deploy@web1.example", "deploy@web1.example:2222", "web1.example", "[2001:db8::1]:22", "deploy@[2001:db8::1]"],
)
def test_a_host_without_an_inventory_is_named_as_it_was_with_its_user_and_its_port(name: str) -> None:
    one: Host = ad_hoc_host(name)
    assert understood(Invocation(hosts=name).ping(one)) == ("ping", {"host": name})


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An inventory in a folder with a space in its name, as a person gives it."""
    monkeypatch.chdir(tmp_path)
    Path("my ops").mkdir()
    Path("my ops/all.yml").write_text(
        "all: {vars: {app: {name: soleil, root: /srv/soleil/current}}, children: {web: {hosts: {web1: }}}}"
    )
    return "my ops/all.yml"


GIVEN = ("owner=deploy", "php=php8.?-fpm.service", "access_log=/var/log/my app.log", "within=1.5 min")


@pytest.mark.parametrize(
    "scenario, more",
    [
        ("failed-deployment-rollback", ("migrations=any", "maintenance=yes")),
        ("application-down", ()),
        ("high-error-rate", ()),
    ],
)
def test_the_command_that_a_refused_rollback_prints_means_the_same_host_and_inputs(
    inventory: str, scenario: str, more: tuple[str, ...]
) -> None:
    catalog = load_catalog()
    scenarios = load_scenarios([shipped_playbooks()], catalog)
    asked, rollback = scenarios.find(scenario), scenarios.find("failed-deployment-rollback")
    given = (*GIVEN, *more)
    case = bind(asked, load_inventory(inventory).host("web1"), parse_inputs(asked, given), catalog)
    (task,) = (step.task for step in case.steps if isinstance(step.task, RollBackRelease))
    unsure = seen(releases(release("1"), release("2"), release("3"), serves="2"), onset=WITH)

    printed = refusal(task, unsure).partition("If 2 is the bad one: ")[2]

    verb, meant = understood(printed)
    kept = meant.pop("set")
    assert (verb, meant) == ("remediate", {"scenario": rollback.name, "host": "web1", "inventory": inventory})
    assert parse_inputs(rollback, kept) == parse_inputs(rollback, (*given, "to=RELEASE"))


def test_the_command_that_makes_room_for_a_database_means_the_same_host(inventory: str) -> None:
    catalog = load_catalog()
    scenario = load_scenarios([shipped_playbooks()], catalog).find("database-connection-failure")
    case = bind(scenario, load_inventory(inventory).host("web1"), {}, catalog)
    tasks = [step.task for step in case.steps]
    printed = [task.make_room for task in tasks if isinstance(task, StartCluster | RestartCluster)]
    meant = ("remediate", {"scenario": "disk-full", "host": "web1", "inventory": inventory})
    assert [understood(line) for line in printed] == [meant, meant]
