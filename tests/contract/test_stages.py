"""Stages, typed on the command line and done over a real sshd: one host in two stages, one of them done once."""

from __future__ import annotations

import json
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.controllers import Desk, Warm, warm
from tests.sshd import IS_ROOT, Sshd, private_sshd

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")

PLAYBOOK = """
scenario: tiny
title: Two Files Say Something Else
severity: medium
respond_within: 4 h
impact: none
hosts: all
inputs:
  once: {type: path, required: true, about: The file that is put right on one host}
  each: {type: path, required: true, about: The file that is put right on each}
stages:
  - stage: migrate
    once: true
    healthy_when: [file.says: {path: "{{ inputs.once }}.{{ host.name }}"}]
    steps: [file.put-slowly: {path: "{{ inputs.once }}.{{ host.name }}", word: good}]
  - stage: serve
    healthy_when: [file.says: {path: "{{ inputs.each }}.{{ host.name }}"}]
    steps: [file.put-slowly: {path: "{{ inputs.each }}.{{ host.name }}", word: good}]
"""
NAMES = ("web1", "web2")
DONE = ["begun good", "done good"]


@pytest.fixture(scope="module")
def other(folder: Path) -> Iterator[Sshd]:
    """Another machine, by its own word, with the same files: two hosts that are one are left to a person."""
    with private_sshd(Path(tempfile.mkdtemp(dir=folder)), machine_id=f"{'0f' * 16}\n") as running:
        yield running


@pytest.fixture
def desk(tmp_path: Path, work: Path, sshd: Sshd, other: Sshd) -> Desk:
    """Two hosts, whose files remember what either was sent."""
    for one in (sshd, other):
        one.inside("rm", "-rf", "/run/soleil-remediate")
    desk = Desk.at(tmp_path, work, sshd)
    (tmp_path / "tiny.yml").write_text(PLAYBOOK)
    inventory = (tmp_path / "inventory.yml").read_text()
    (tmp_path / "inventory.yml").write_text(
        f"{inventory}    web2:\n      ansible_host: 127.0.0.1\n      ansible_port: {other.port}\n"
        f"      ansible_ssh_private_key_file: {other.key}\n      known_hosts: {other.known_hosts}\n"
    )
    for name in NAMES:
        for file in ("once", "each"):
            (work / f"{file}.{name}").write_text("bad\n")
    return desk


def words(desk: Desk, *more: str) -> list[str]:
    where = ["--inventory", str(desk.folder / "inventory.yml"), "--playbooks", str(desk.folder / "tiny.yml")]
    sets = ["--set", f"once={desk.host / 'once'}", "--set", f"each={desk.host / 'each'}"]
    return ["remediate", "--scenario", "tiny", "--host", "web1:web2", *where, *sets, *more]


def ledgers(desk: Desk) -> dict[str, list[str]]:
    return {path.name.removesuffix(".ledger"): path.read_text().splitlines() for path in desk.host.glob("*.ledger")}


EXPECTED = {"once.web1": DONE, "each.web1": DONE, "each.web2": DONE}


def test_a_dry_run_looks_for_all_stages_and_changes_nothing(desk: Desk) -> None:
    said = desk.run(*words(desk, "--dry-run"))
    assert said.status == ExitStatus.WORK_FOUND
    text = " ".join(said.out.split())
    assert "STAGES 1 migrate once, on web1 2 serve on web1 web2" in text
    assert "stage migrate is done once, on web1" in text
    assert ledgers(desk) == {}


def test_each_stage_is_done_on_its_hosts_and_what_is_once_on_one_of_them(desk: Desk) -> None:
    said = desk.run(*words(desk, "--yes", "-o", "json"))
    assert (said.status, said.err) == (ExitStatus.OK, "")
    assert [(one["host"], one["stage"], one["verdict"]) for one in json.loads(said.out)["hosts"]] == [
        ("web1#migrate", "migrate", "FIXED"),
        ("web2#migrate", "migrate", "NOT NEEDED"),
        ("web1#serve", "serve", "FIXED"),
        ("web2#serve", "serve", "FIXED"),
    ]
    assert ledgers(desk) == EXPECTED


@pytest.fixture
def warmed(desk: Desk) -> Iterator[Warm]:
    with warm(desk) as one:
        yield one


@pytest.mark.parametrize("moment", [f"{event} ShellSession.send {n}" for event in ("call", "return") for n in (1, 2)])
def test_whenever_it_was_killed_what_is_done_once_is_done_once_and_the_rest_goes_on(
    desk: Desk, warmed: Warm, moment: str
) -> None:
    said = warmed.run(*words(desk, "--yes"), SOLEIL_TEST_MOMENT=f"SIGKILL {moment}")
    assert said.status == -signal.SIGKILL
    (run,) = desk.runs.list()
    resumed = warmed.run("resume", run.run, "--yes")
    assert (resumed.status, resumed.err) == (ExitStatus.OK, "")
    assert ledgers(desk) == EXPECTED


def test_the_hosts_of_a_later_stage_are_left_alone_where_an_earlier_one_fails(desk: Desk) -> None:
    (desk.folder / "tiny.yml").write_text(PLAYBOOK.replace("word: good", "word: worse", 1))
    said = desk.run(*words(desk, "--yes"))
    assert said.status == ExitStatus.NOT_FIXED
    assert ledgers(desk) == {"once.web1": ["begun worse", "done worse"]}
    assert "not tried: stage migrate comes first, and web1 ended NOT FIXED there" in " ".join(said.out.split())


def test_a_run_that_leaves_out_the_hosts_of_a_stage_is_refused_before_anybody_is_asked(desk: Desk) -> None:
    (desk.folder / "tiny.yml").write_text(PLAYBOOK.replace("stage: serve", "stage: serve\n    hosts: web1"))
    before = desk.connections
    said = desk.run(*(word.replace("web1:web2", "web2") for word in words(desk, "--yes")))
    assert said.status == ExitStatus.USAGE
    assert "tiny.yml:16:5: stage serve is for web1, and none of web2 is among them" in said.err
    assert desk.connections == before
