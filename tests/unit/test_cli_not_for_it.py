"""Whoever names hosts that a playbook is not for is told so, by the exit status too: a job is not green for nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from soleil_remediate import cli
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog
from soleil_remediate.cli import checking, choosing, diagnosing, remediating
from soleil_remediate.errors import ConfigError
from soleil_remediate.loading import load_inventory
from soleil_remediate.remediation import open_remediation
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from tests import tiny
from tests.unit.test_printed_commands import read_by_a_shell, understood

Soleil: TypeAlias = "Callable[..., tuple[int, str, str]]"

HEAD = "severity: medium\nrespond_within: 1 h\nimpact: none\ntitle: x\n"
PUT = "healthy_when: [file.says: {}]\nsteps: [file.put: {}]\n"
CATALOG = Catalog.of(tiny.FileSays, tiny.PutFile)
#: In this one there is no group web, in the other there is, and db1 is not in it.
WITHOUT = "all: {children: {workers: {hosts: {db1: {}}}, queues: {hosts: {db2: {}}}}}\n"
WITH = "all: {children: {web: {hosts: {web1: {}, web2: {}}}, db: {hosts: {db1: {}, db2: {}}}}}\n"


@pytest.fixture
def hosts() -> list[ScriptedHost]:
    return [tiny.scripted(name) for name in ("web1", "web2", "db1", "db2")]


@pytest.fixture
def soleil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], hosts: list[ScriptedHost]
) -> Soleil:
    monkeypatch.chdir(tmp_path)
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.setattr(Terminal, "open", lambda *_: None)
    for module in (checking, diagnosing, remediating):
        monkeypatch.setattr(module, "EachItsWay", lambda: ScriptedTransport(*hosts))
    for module in (checking, choosing):
        monkeypatch.setattr(module, "load_catalog", lambda: CATALOG)
    Path("own/routines").mkdir(parents=True)
    Path("own/back.yml").write_text(f"scenario: back\n{HEAD}hosts: web\n{PUT}")
    Path("own/every.yml").write_text(f"scenario: every\n{HEAD}{PUT}")
    Path("own/near.yml").write_text(f"scenario: near\n{HEAD}hosts: worker\n{PUT}")
    Path("own/routines/nightly.yml").write_text("routine: nightly\ntitle: x\nhosts: web\nchecks: [file.says: {}]\n")
    monkeypatch.setattr(choosing, "shipped_playbooks", lambda: Path("own"))
    Path("without.yml").write_text(WITHOUT)
    Path("with.yml").write_text(WITH)

    def call(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


CALLS = [
    ("remediate", "--scenario", "back", "--yes"),
    ("preview", "--scenario", "back"),
    ("check", "nightly"),
]
FORMS = [(), ("-o", "json"), ("-o", "junit")]


@pytest.mark.parametrize("words", CALLS)
@pytest.mark.parametrize("form", FORMS)
def test_a_group_that_the_inventory_has_not_is_wrong_input_and_its_groups_are_named(
    soleil: Soleil, hosts: list[ScriptedHost], words: tuple[str, ...], form: tuple[str, ...]
) -> None:
    for named in (("--host", "db1"), ("--host", "workers"), ("--all-hosts",)):
        status, out, err = soleil(*words, *named, *form, "--inventory", "without.yml")
        assert status == 2
        said = err if not form or form[1] == "console" else out
        assert ": without.yml: unknown host or group" in said
        assert "known: queues, workers" in said
    assert not any(host.asked for host in hosts)


def test_the_nearest_spelling_of_a_group_is_suggested(soleil: Soleil) -> None:
    status, _, err = soleil("preview", "near", "--host", "db1", "--inventory", "without.yml")
    assert (status, err.endswith("unknown host or group 'worker': did you mean 'workers'?\n")) == (2, True)


@pytest.mark.parametrize("words", CALLS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("named, strangers", [("db1", "db1 is"), ("db", "db1, db2 are")])
def test_hosts_of_which_none_is_one_that_it_is_for_are_wrong_input(
    soleil: Soleil, hosts: list[ScriptedHost], words: tuple[str, ...], form: tuple[str, ...], named: str, strangers: str
) -> None:
    status, out, err = soleil(*words, *form, "--host", named, "--inventory", "with.yml")
    assert status == 2
    assert f"is for web, and {strangers} not among them" in out + err
    assert not any(host.asked for host in hosts)


@pytest.mark.parametrize("words", CALLS[:2])
@pytest.mark.parametrize("named", [("--host", "web:db"), ("--all-hosts",), ("--host", "all", "--all-hosts")])
def test_of_a_group_that_holds_others_as_well_nothing_is_done_and_the_command_without_them_is_printed(
    soleil: Soleil, hosts: list[ScriptedHost], words: tuple[str, ...], named: tuple[str, ...]
) -> None:
    status, _, err = soleil(*words, *named, "--inventory", "with.yml")
    assert status == 2
    assert "back is for web, and db1, db2 are not among them. No host was looked at" in err
    assert not any(host.asked for host in hosts)
    line = err[err.index("soleil-remediate ") :].strip()
    verb, values = understood(line)
    assert (verb, values["inventory"]) == (words[0], "with.yml")
    chosen = load_inventory("with.yml").select(values["host"], all_hosts=values.get("all_hosts", False))
    assert [one.name for one in chosen] == ["web1", "web2"]
    assert soleil(*read_by_a_shell(line)[1:])[0] in (0, 5)


def test_a_script_is_told_the_same(soleil: Soleil) -> None:
    del soleil
    catalog = Catalog(PLACES).with_classes(tiny.FileSays, tiny.PutFile)
    for inventory, said in (("without.yml", "unknown host or group 'web'"), ("with.yml", "back is for web, and db1")):
        with pytest.raises(ConfigError, match=said):
            open_remediation(scenario="back", hosts="db1", inventory=inventory, playbooks=["own"], catalog=catalog)


@pytest.mark.parametrize("inventory", ["without.yml", "with.yml"])
def test_a_diagnosis_leaves_out_what_is_not_for_a_host(soleil: Soleil, inventory: str) -> None:
    status, out, _ = soleil("diagnose", "--host", "db1:db2", "--inventory", inventory)
    assert status == 5, "what is for every host is at fault there"
    assert "-- back" in out
    assert "it is for web" in out
