"""Records, read back: today's and yesterday's, whole and damaged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.errors import ConfigError, ConnectTimedOut
from soleil_remediate.gates import PolicyGate
from soleil_remediate.record import Runs
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from tests import tiny

RUN = "0123abcd"
RECORDS = Path(__file__).parent / "records"


@pytest.fixture
def old(tmp_path: Path) -> Runs:
    """The records of an earlier version: web1 was repaired in two steps, web2 was fine, web3 silent."""
    (tmp_path / "runs").mkdir(mode=0o700)
    shutil.copy(RECORDS / "format-1.jsonl", tmp_path / "runs" / f"{RUN}.jsonl")
    return Runs(tmp_path)


def write(runs: Runs, *lines: dict[str, Any]) -> None:
    """Write a record by hand."""
    path = runs.folder / "runs" / f"{RUN}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


# --- each thing once --------------------------------------------------------------------------------------------------


def a_run(folder: Path, count: int = 3, says: Callable[[int], str] = lambda _: "bad") -> tuple[dict[str, Any], ...]:
    """Return the record of a run on *count* hosts, the last of which is silent."""
    hosts: list[ScriptedHost] = [tiny.scripted(f"web{number}", says(number)) for number in range(1, count + 1)]
    hosts[-1].unreachable = ConnectTimedOut("no answer")
    for one in hosts:
        one.has_file(tiny.FILE, b"one line\n", tiny.IDENTITY)
    steps = (tiny.PutFile(words=("first",), only_from=("bad",), saved=True), tiny.PutFile(words=("worse", "good")))
    cases = [tiny.case(*steps, on=tiny.host(one.name)) for one in hosts]
    runs = Runs(folder)
    report = fleet.remediate(
        cases, transport=ScriptedTransport(*hosts), gate=PolicyGate(says_yes=False), runs=runs, clock=tiny.Clock()
    )
    return runs.read(report.run)


def test_what_a_host_looked_like_stands_in_one_line_and_its_end_names_that_line(tmp_path: Path) -> None:
    record = a_run(tmp_path)
    seen = {line["preview"]["host"]: line["n"] for line in record if line["type"] == "HostSeen"}
    ended = [line for line in record if line["type"] == "HostEnded"]
    assert set(seen) == {"web1", "web2"}
    assert {line["host"]: line["seen"] for line in ended} == seen | {"web3": None}
    assert not [line["n"] for line in record if line["type"] != "HostSeen" and "login" in json.dumps(line)]


def test_what_was_sent_stands_in_its_intent_and_the_ends_of_steps_name_only_the_operation(tmp_path: Path) -> None:
    record = a_run(tmp_path)
    run = record[0]["run"]
    steps = [line["outcome"]["sent"] for line in record if line["type"] == "StepEnded" and line["host"] == "web1"]
    assert steps == [[f"{run}-00-00"], [f"{run}-01-00", f"{run}-01-01"]]
    scripts = [line for line in record if line["type"] not in ("HostSeen", "ChangeIntended")]
    assert "printf" not in json.dumps(scripts)


def test_the_end_of_a_run_only_counts(tmp_path: Path) -> None:
    last = a_run(tmp_path)[-1]
    assert {name: value for name, value in last.items() if name not in ("n", "at")} == {
        "type": "RunEnded",
        "exit_status": 3,
        "verdicts": {"FIXED": 2, "UNREACHABLE": 1},
        "sent": 6,
    }


def test_how_a_host_stands_at_its_end_is_on_record(tmp_path: Path) -> None:
    ended = {line["host"]: line for line in a_run(tmp_path) if line["type"] == "HostEnded"}
    web1, web3 = ended["web1"], ended["web3"]
    assert web1["outcome"]["verdict"] == "FIXED"
    assert web1["after"]["symptom"][0]["verdict"]["why"] == "/srv/one says good"
    assert (web3["outcome"]["is_retryable"], web3["after"]) == (True, None)


# --- yesterday's ------------------------------------------------------------------------------------------------------


def in_order(record: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    """Return a record's lines in an order that does not depend on which host was quicker."""
    first = {"RunStarted": 0, "HostSeen": 1, "HostEnded": 3, "RunEnded": 4}
    return sorted(record, key=lambda line: (first.get(line["type"], 2), line["n"] if line["type"] not in first else 0,
                                            line.get("host") or line.get("preview", {}).get("host", "")))  # fmt: skip


def test_a_record_of_the_first_format_is_read_as_if_it_were_todays(old: Runs, tmp_path: Path) -> None:
    now = a_run(tmp_path / "now", says=lambda number: "good" if number == 2 else "bad")
    then = old.read(RUN)
    for one, other in zip(in_order(then), in_order(now), strict=True):
        assert (one["type"], one.keys()) == (other["type"], other.keys())
        for name in ("host", "sent", "exit_status", "verdicts", "after"):
            assert json.dumps(one.get(name)) == json.dumps(other.get(name))
    seen = {line["preview"]["host"]: line["n"] for line in then if line["type"] == "HostSeen"}
    assert {line["host"]: line["seen"] for line in then if line["type"] == "HostEnded"} == seen | {"web3": None}
    assert [line["outcome"]["sent"] for line in then if line["type"] == "StepEnded"] == [
        [f"{RUN}-00-00"],
        [f"{RUN}-01-00", f"{RUN}-01-01"],
    ]


def test_a_record_of_the_first_format_is_listed(old: Runs) -> None:
    (run,) = old.list()
    assert (run.scenario, run.hosts) == ("tiny", ("web1", "web2", "web3"))
    assert run.verdict == "FIXED · NOT NEEDED · UNREACHABLE"


# --- tomorrow's -------------------------------------------------------------------------------------------------------


def test_a_record_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    write(runs, {"format": 3, "run": RUN}, {"n": 1, "at": "2031", "type": "RunStarted", "hosts": 7})
    assert runs.list()[0].verdict == "unreadable"
    with pytest.raises(ConfigError, match="a newer version of this program wrote it, in format 3"):
        runs.read(RUN)
