"""``freeze``: what it says, what it refuses, and what it leaves alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from soleil_remediate import cli
from soleil_remediate.errors import ExitStatus

Soleil: TypeAlias = "Callable[..., tuple[int, str, str]]"

INVENTORY = """\
all:
  vars:
    app: {name: soleil, root: /srv/soleil/current, user: www-data, logs: [/srv/laravel.log]}
  hosts:
    web1: {ansible_host: 127.0.0.1, ansible_port: 9}
"""


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    file = tmp_path / "production.yml"
    file.write_text(INVENTORY)
    return str(file)


@pytest.fixture
def soleil(inventory: str, capsys: pytest.CaptureFixture[str]) -> Soleil:
    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_on_says_who_why_what_it_holds_back_and_how_it_is_lifted(soleil: Soleil, inventory: str) -> None:
    status, out, err = soleil("freeze", "on", "--because", "42 is being looked into", "--inventory", inventory)
    assert (status, err) == (0, "")
    said = " ".join(out.replace("\\\n", "").split())
    assert said.startswith(f"FROZEN {inventory} frozen by ")
    assert ": 42 is being looked into" in said
    assert "on this machine finish the change that is under way and send no other" in said
    assert "Other machines, and copies of the inventory, are not held back." in said
    assert f"lift soleil-remediate freeze off --inventory {inventory}" in said


def test_a_run_is_refused_with_4_though_its_host_cannot_be_reached_and_a_preview_is_not(
    soleil: Soleil, inventory: str
) -> None:
    soleil("freeze", "on", "--inventory", inventory)
    words = ["--scenario", "disk-full", "--host", "web1", "--inventory", inventory]
    status, out, err = soleil("remediate", *words)
    assert status == ExitStatus.DECLINED
    assert out == ""
    assert err.startswith("frozen by ")
    assert err.endswith(f"Nothing was sent. To lift it:\n  soleil-remediate freeze off --inventory {inventory}\n")
    assert soleil("preview", *words)[0] == ExitStatus.UNREACHABLE
    assert soleil("remediate", "--dry-run", *words)[0] == ExitStatus.UNREACHABLE
    document = json.loads(soleil("remediate", *words, "-o", "json")[1])
    assert (document["exit_status"], document["error"]["type"]) == (4, "Frozen")


def test_off_says_what_was_lifted_and_off_again_that_nothing_was_frozen(soleil: Soleil, inventory: str) -> None:
    soleil("freeze", "on", "--because", "a deploy", "--inventory", inventory)
    status, out, _ = soleil("freeze", "off", "--inventory", inventory)
    assert status == 0
    assert " ".join(out.split()).startswith("LIFTED it was frozen by ")
    assert "a deploy" in out
    status, out, _ = soleil("freeze", "off", "--inventory", inventory)
    assert (status, out.splitlines()[0]) == (0, "nothing was frozen")
    words = ("--scenario", "disk-full", "--host", "web1", "--inventory", inventory)
    assert soleil("remediate", *words)[0] == ExitStatus.UNREACHABLE


def test_an_inventory_that_nobody_can_read_any_more_can_still_be_frozen(soleil: Soleil, inventory: str) -> None:
    Path(inventory).write_text("all: [")
    assert soleil("freeze", "on", "--inventory", inventory)[0] == 0


def test_a_program_gets_a_document(soleil: Soleil, inventory: str) -> None:
    soleil("freeze", "on", "--because", "x", "--inventory", inventory, "-o", "json")
    document = json.loads(soleil("freeze", "on", "--inventory", inventory, "-o", "json")[1])
    (frozen,) = document["frozen"]
    assert (frozen["because"], frozen["is_shared"], document["inventory"]) == ("x", True, inventory)
    document = json.loads(soleil("freeze", "off", "--inventory", inventory, "-o", "json")[1])
    assert document["frozen"] == []
    assert [one["because"] for one in document["lifted"]] == ["x"]


@pytest.mark.parametrize("words, says", [(("of",), "did you mean 'off'?"), ((), "freeze needs STATE")])
def test_what_cannot_be_meant_freezes_nothing(
    soleil: Soleil, inventory: str, words: tuple[str, ...], says: str
) -> None:
    status, _, err = soleil("freeze", *words, "--inventory", inventory)
    assert status == ExitStatus.USAGE
    assert says in err
    assert not list(Path(inventory).parent.glob("*.frozen"))


def test_without_an_inventory_there_is_nothing_to_freeze(soleil: Soleil) -> None:
    status, _, err = soleil("freeze", "on")
    assert status == ExitStatus.USAGE
    assert "there is no inventory, so nothing is sent to any host" in err


def test_hostile_reasons_reach_no_terminal(soleil: Soleil, inventory: str) -> None:
    _, out, _ = soleil("freeze", "on", "--because", "\x1b[2J\u202eevil\nFIXED", "--inventory", inventory)
    _, _, err = soleil("remediate", "--scenario", "disk-full", "--host", "web1", "--inventory", inventory)
    for text in (out, err):
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "\nFIXED" not in text


def test_on_twice_says_that_the_first_stays(soleil: Soleil, inventory: str) -> None:
    soleil("freeze", "on", "--because", "42", "--inventory", inventory)
    status, out, _ = soleil("freeze", "on", "--because", "43", "--inventory", inventory)
    assert status == 0
    assert "It was frozen already, and stays as it was. Your reason was not kept." in " ".join(out.split())
    assert ": 42" in out
