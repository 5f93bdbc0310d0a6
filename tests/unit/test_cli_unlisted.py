"""A scenario on a host that stands in no inventory: what it serves is found there, shown, and nothing is changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from soleil_remediate import cli
from soleil_remediate.catalog import Catalog
from soleil_remediate.checks.from_here import PageReached
from soleil_remediate.cli import choosing, remediating
from soleil_remediate.command import Command
from soleil_remediate.errors import ConnectTimedOut, FactError
from soleil_remediate.host import Connection, Host
from soleil_remediate.loading import load_inventory
from soleil_remediate.record import Runs
from soleil_remediate.reporters.listings import listing
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from tests import tiny
from tests.unit.facts.sites import serve

Soleil: TypeAlias = "Callable[..., tuple[int, str, str]]"

PLAYBOOK = """\
scenario: app
severity: medium
respond_within: 1 h
impact: none
title: x
hosts: web
healthy_when:
  - file.says: {path: "{{ app.root }}"}
beyond:
  - page.reached: {page: /, url: "{{ app.url }}"}
steps:
  - file.put: {path: "{{ app.root }}"}
"""


@pytest.fixture
def host() -> ScriptedHost:
    one = tiny.scripted("web1")
    serve(one, "/srv/app", says="server_name metadata.internal;")
    one.on_read(lambda command: command.words[0] in {"date", "cat"}, FactError("no matter"))
    one.on_read(partial(_is_about, "/srv/app"), "bad\n")
    return one


def _is_about(path: str, command: Command) -> bool:
    return command.words[4:] == (path,)


@pytest.fixture
def soleil(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: ScriptedHost
) -> Soleil:
    monkeypatch.chdir(tmp_path)
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.setattr(Terminal, "open", lambda *_: None)
    monkeypatch.setattr(remediating, "EachItsWay", lambda: ScriptedTransport(host))
    monkeypatch.setattr(choosing, "load_catalog", lambda: Catalog.of(tiny.FileSays, tiny.PutFile, PageReached))
    Path("own").mkdir()
    Path("own/app.yml").write_text(PLAYBOOK)
    monkeypatch.setattr(choosing, "shipped_playbooks", lambda: Path("own"))

    def call(*words: str) -> tuple[int, str, str]:
        status = cli.main([*words, "--scenario", "app", "--host", "deploy@web1"])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


def test_a_preview_finds_the_application_says_what_it_found_and_what_to_write_into_an_inventory(
    soleil: Soleil, host: ScriptedHost
) -> None:
    status, out, _ = soleil("preview")
    assert status == 5
    assert "found there, not given: app.root /srv/app, app.user www-data, app.logs" in out
    assert "let /srv/app say good" in out
    told, _, after = out.partition("It stands in no inventory, so it may only be looked at. List it in one, then:\n")
    assert told
    lines, _, command = after.partition("  next    ")
    Path("FILE").write_text(lines)
    said = " ".join(command.replace("\\\n", "").split())
    assert said.startswith("soleil-remediate remediate --scenario app --host web1 --inventory FILE")
    listed = load_inventory("FILE").select("web")[0]
    assert (listed.name, listed.connection.user) == ("web1", "deploy")
    assert (str(listed.app["root"]), listed.app["user"]) == ("/srv/app", "www-data")
    assert host.sent == []


def test_a_remediation_finds_and_shows_the_same_and_is_declined_whoever_says_yes(
    soleil: Soleil, host: ScriptedHost
) -> None:
    status, out, _ = soleil("remediate", "--yes")
    assert status == 4
    assert "found there, not given: app.root /srv/app" in out
    assert "stands in no inventory, which allows only to look" in " ".join(out.split())
    assert "      web1:\n" in out
    assert (host.sent, host.owners) == ([], [])


def test_programs_are_told_what_was_found(soleil: Soleil) -> None:
    _, out, _ = soleil("preview", "-o", "json")
    (one,) = json.loads(out)["hosts"]
    assert one["found"]["app.root"] == "/srv/app"


def test_what_a_host_says_of_itself_is_asked_nowhere_else(soleil: Soleil, host: ScriptedHost) -> None:
    """Else a host could name an address that only this machine reaches, and have it asked."""
    _, out, _ = soleil("preview")
    assert "app.url http://metadata.internal/" in " ".join(out.split())
    assert not any(command.is_from_here for batch in host.asked for command in batch)


@pytest.mark.parametrize(
    "roots, why",
    [
        ([], "no application was found: nginx serves no folder public with artisan beside it"),
        (["/srv/a", "/srv/b"], "several applications were found, and none was chosen: /srv/a, /srv/b"),
    ],
)
def test_where_none_can_be_meant_it_is_said_why_and_what_is_missing(
    soleil: Soleil, host: ScriptedHost, roots: list[str], why: str
) -> None:
    serve(host, *roots)
    status, _, err = soleil("preview")
    assert status == 2
    assert err.startswith(why)
    assert "needs app.root" in err


@pytest.mark.parametrize("words", [("preview",), ("remediate", "--yes")])
def test_a_host_that_cannot_be_reached_is_not_waited_for_twice(
    soleil: Soleil, host: ScriptedHost, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    host.unreachable = ConnectTimedOut("web1 does not answer")
    opened: list[str] = []
    real = ScriptedTransport.open

    def counted(self: ScriptedTransport, host: Host, **more: Any) -> Any:
        opened.append(host.name)
        return real(self, host, **more)

    monkeypatch.setattr(ScriptedTransport, "open", counted)
    status, out, _ = soleil(*words)
    assert status == 3
    assert "UNREACHABLE  web1" in out
    assert "next    soleil-remediate ping --host deploy@web1\n" in out
    assert opened == ["web1"]


def test_what_a_remediation_of_such_a_host_was_is_on_record(soleil: Soleil) -> None:
    soleil("remediate", "--yes")
    (run,) = Runs(Path("state/soleil-remediate")).list()
    assert run.verdict == "DECLINED"


HOSTILE = "a: b\n- {x: 'y'} # \"z\" \u202e"


@pytest.mark.parametrize("pattern, group", [("web", "web"), ("all", "all"), ("web:!db", "all")])
@pytest.mark.parametrize("address", ["web1.example", "2001:db8::1"])
def test_what_is_to_be_written_into_an_inventory_is_read_from_it_as_it_was_found(
    tmp_path: Path, address: str, pattern: str, group: str
) -> None:
    found = (("app.root", f"/srv/{HOSTILE}"), ("app.user", "yes"), ("app.health.origin", "http://127.0.0.1:8080"))
    connection = Connection(address=address, user="null", port=2222)
    one = Host(name=address, connection=connection, is_listed=False, found=found)
    file = tmp_path / "hosts.yml"
    file.write_text("\n".join(listing(one, pattern)))
    (listed,) = load_inventory(file).select(group, all_hosts=True)
    assert (listed.connection.address, listed.connection.user, listed.connection.port) == (address, "null", 2222)
    assert listed.app["user"] == "yes"
