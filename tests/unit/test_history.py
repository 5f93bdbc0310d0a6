"""Records, read back: today's and yesterday's, whole and damaged."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.copies import copies_of
from soleil_remediate.errors import ConfigError, ConnectTimedOut
from soleil_remediate.events import HostSettled, RunStarted
from soleil_remediate.gates import PolicyGate
from soleil_remediate.history import Ending
from soleil_remediate.host_outcomes import NotFixed, NotNeeded
from soleil_remediate.record import Runs
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import ForPeople
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


def test_a_record_from_before_machines_were_noted_knows_none(old: Runs) -> None:
    assert old.history(RUN).machine_id("web1") is None


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
        cases,
        transport=ScriptedTransport(*hosts),
        gate=PolicyGate(says_yes=False),
        runs=runs,
        rollout=Rollout(max_fail=1),
        clock=tiny.Clock(),
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
    of_old = [line for line in now if line["type"] != "HostSeenAgain"]  # older records have the first look alone
    for one, other in zip(in_order(then), in_order(tuple(of_old)), strict=True):
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


def test_a_record_from_before_they_were_kept_has_nothing_left_to_people(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    write(runs, HEADER, STARTED, host_ended())
    assert runs.history(RUN).left_to_people == ForPeople()
    assert runs.read(RUN)[0]["for_people"]["questions"] == []


# --- tomorrow's -------------------------------------------------------------------------------------------------------


def test_a_record_of_a_newer_version_is_not_guessed_at(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    write(runs, {"format": 3, "run": RUN}, {"n": 1, "at": "2031", "type": "RunStarted", "hosts": 7})
    assert runs.list()[0].verdict == "unreadable"
    with pytest.raises(ConfigError, match="a newer version of this program wrote it, in format 3"):
        runs.read(RUN)


# --- what is left to people -------------------------------------------------------------------------------------------


def test_every_run_keeps_what_it_leaves_to_people(tmp_path: Path) -> None:
    hosts = [tiny.scripted("web1", "bad"), tiny.scripted("web2", "good")]
    hosts[0].has_file(tiny.FILE, b"one line\n", tiny.IDENTITY)
    cases = [
        replace(tiny.case(on=tiny.host(one.name)), questions=("Why?",), by_hand=("Look.", f"ls /srv/{one.name}"))
        for one in hosts
    ]
    report = fleet.remediate(
        cases, transport=ScriptedTransport(*hosts), gate=PolicyGate(says_yes=True), runs=Runs(tmp_path)
    )
    history = Runs(tmp_path).history(report.run)
    assert history.for_people == report.for_people
    assert [(one.text, one.hosts) for one in history.for_people.by_hand] == [
        ("Look.", ("web1", "web2")),
        ("ls /srv/web1", ("web1",)),
        ("ls /srv/web2", ("web2",)),
    ]
    left = history.left_to_people  # web2 had no such fault
    assert left == report.left_to_people
    assert [(one.text, one.hosts) for one in left.questions] == [("Why?", ("web1",))]
    assert [one.text for one in left.by_hand] == ["Look.", "ls /srv/web1"]


def test_what_is_left_on_a_host_is_told_until_all_of_its_stages_ended_as_not_needed(tmp_path: Path) -> None:
    cases = [replace(tiny.case(on=tiny.host(name)), questions=("Why?",)) for name in ("web1#one", "web1#two", "web2")]
    hosts, left = tuple(case.host.name for case in cases), ForPeople.of(cases)
    started = RunStarted(run=RUN, scenario="tiny", hosts=hosts, operator="jan", inputs={}, for_people=left)
    with Runs(tmp_path).begin(RUN, tiny.Clock()) as record:
        record.write(started)
        for host in hosts:
            outcome = NotFixed(why="w") if host == "web1#two" else NotNeeded(why="w")
            record.write(HostSettled(host=host, outcome=outcome))
    (question,) = Runs(tmp_path).history(RUN).left_to_people.questions
    assert question.hosts == ("web1",)


# --- how it ends ------------------------------------------------------------------------------------------------------


def begun(host: str = "web1", *, number: int = 0, step: int = 0) -> dict[str, Any]:
    change = {"summary": f"let {number} be"}
    about = {"host": host, "step": step, "kind": "file.put", "operation": f"{host}-{step}-{number}", "change": change}
    return {"type": "ChangeIntended", **about}


def answered(host: str = "web1", *, number: int = 0, step: int = 0) -> dict[str, Any]:
    return {"type": "ChangeAnswered", "host": host, "operation": f"{host}-{step}-{number}", "exit_status": 0}


def step_ended(kind: str, host: str = "web1", step: int = 0) -> dict[str, Any]:
    return {"type": "StepEnded", "host": host, "step": step, "outcome": {"type": kind, "why": "w"}}


def host_ended(host: str = "web1", verdict: str = "FIXED") -> dict[str, Any]:
    return {"type": "HostEnded", "host": host, "outcome": {"verdict": verdict, "why": "w"}}


STARTED = {"type": "RunStarted", "at": "2031", "hosts": ["web1", "web2"], "scenario": "tiny", "operator": "jan"}
SILENCE = {"type": "ChangeUnanswered", "host": "web1", "operation": "web1-0-0", "why": "cut"}
HEADER = {"format": 2, "run": RUN}


@pytest.mark.parametrize(
    "lines, unanswered, untouched, verdict",
    [
        ([], [], ["web1", "web2"], "unfinished"),
        ([begun()], ["web1-0-0"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), SILENCE], ["web1-0-0"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), answered()], [], ["web2"], "unfinished"),
        ([begun(), SILENCE, answered()], [], ["web2"], "unfinished"),
        ([begun(), answered(), begun(number=1)], ["web1-0-1"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), step_ended("StepDeclined")], [], ["web2"], "unfinished"),
        ([begun(), answered(), begun(number=1), step_ended("StepFailed")], [], ["web2"], "unfinished"),
        ([begun(), step_ended("StepUnknown")], ["web1-0-0"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), step_ended("StepRemedied", step=1)], ["web1-0-0"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), step_ended("StepRemedied", host="web2")], ["web1-0-0"], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), host_ended(verdict="UNKNOWN")], [], ["web2"], "UNKNOWN · unfinished"),
        ([begun(), answered(), host_ended(), begun("web2")], ["web2-0-0"], [], "FIXED · UNKNOWN · unfinished"),
        ([begun(), answered(), host_ended(), host_ended("web2", "DECLINED")], [], [], "FIXED · DECLINED"),
    ],
)
def test_what_was_intended_and_not_answered_may_have_been_done(
    tmp_path: Path, lines: list[dict[str, Any]], unanswered: list[str], untouched: list[str], verdict: str
) -> None:
    runs = Runs(tmp_path)
    write(runs, HEADER, STARTED, *lines)
    history = runs.history(RUN)
    assert history.ending is Ending.UNFINISHED
    assert [change.operation for change in history.unanswered] == unanswered
    assert list(history.untouched) == untouched
    assert history.has_intents is any(line["type"] == "ChangeIntended" for line in lines)
    assert runs.list()[0].verdict == verdict


@pytest.mark.parametrize(
    "lines, is_to_be_resumed",
    [
        ([host_ended(), host_ended("web2")], False),
        ([host_ended()], True),
        ([begun(), host_ended(verdict="UNKNOWN"), host_ended("web2")], True),
        ([begun(), host_ended(verdict="UNKNOWN"), host_ended("web2"), {"type": "RunEnded"}], True),
        ([begun(), host_ended(), host_ended("web2"), {"type": "RunEnded"}], False),
    ],
)
def test_a_run_with_a_host_that_may_have_been_changed_is_to_be_resumed_however_its_record_ends(
    tmp_path: Path, lines: list[dict[str, Any]], is_to_be_resumed: bool
) -> None:
    runs = Runs(tmp_path)
    write(runs, HEADER, STARTED, *lines)
    assert runs.history(RUN).is_to_be_resumed is is_to_be_resumed


def test_a_record_that_was_cut_anywhere_is_read_up_to_there_and_says_so(tmp_path: Path) -> None:
    """Every length that a killed controller or a full disk can leave behind."""
    a_run(tmp_path)
    (path,) = (tmp_path / "runs").iterdir()
    whole, runs = path.read_bytes(), Runs(tmp_path)
    every = runs.read(path.stem)
    ends = [place for place, byte in enumerate(whole, start=1) if byte == ord("\n")]
    for cut in sorted({*ends, *(end - 1 for end in ends), *range(0, len(whole), 97)}):
        path.write_bytes(whole[:cut])
        history, (listed,) = runs.history(path.stem), runs.list()
        count = sum(1 for end in ends if end <= cut)
        assert history.lines == every[: max(count - 1, 0)]
        operations = {
            kind: [(line["host"], line["operation"]) for line in history.lines if line["type"] == kind]
            for kind in ("ChangeIntended", "ChangeAnswered")
        }
        left = [one for one in operations["ChangeIntended"] if one not in operations["ChangeAnswered"]]
        assert [(change.host, change.operation) for change in history.unanswered] == left
        is_whole_line = cut == 0 or cut in ends
        if count == len(ends):
            assert history.ending is Ending.ENDED
        else:
            assert history.ending is (Ending.UNFINISHED if is_whole_line else Ending.CUT_OFF)
        assert ("UNKNOWN" in listed.verdict) is bool(left)
        if len([line for line in history.lines if line["type"] == "HostEnded"]) < 3:
            assert ("unfinished" if is_whole_line else "cut off") in listed.verdict


def test_a_run_that_still_goes_on_is_not_called_dead(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    with runs.begin(RUN, tiny.Clock()) as record:
        record.write(RunStarted(run=RUN, scenario="tiny", hosts=("web1",), operator="jan", inputs={}))
        assert runs.history(RUN).ending is Ending.RUNNING
        assert runs.list()[0].verdict == "running"
    assert runs.history(RUN).ending is Ending.UNFINISHED
    assert runs.list()[0].verdict == "unfinished"


def test_a_run_that_was_killed_is_not_called_running(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from soleil_remediate.clock import SystemClock\n"
        "from soleil_remediate.record import Runs\n"
        f"record = Runs(Path(sys.argv[1])).begin({RUN!r}, SystemClock())\n"
        "os.write(1, b'BEGUN'); sys.stdin.read(1); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    runs = Runs(tmp_path)
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(5) == b"BEGUN"
        assert runs.history(RUN).ending is Ending.RUNNING
        process.stdin.close()
        assert process.wait(20) == -signal.SIGKILL
    assert runs.history(RUN).ending is Ending.UNFINISHED


def test_half_a_copy_is_named_and_a_whole_one_is_not(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    write(runs, HEADER, STARTED)
    folder = copies_of(tmp_path, RUN)
    folder.mkdir(parents=True)
    (folder / "web1-0-0-log.gz").touch()
    (folder / "web1-0-1-log.gz.partial").touch()
    assert runs.history(RUN).cut_copies == (folder / "web1-0-1-log.gz.partial",)


@pytest.mark.skipif(os.geteuid() != 0, reason="acts for a user who may not read it")
def test_records_that_may_not_be_read_are_a_mistake_of_the_input_and_no_bug(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    runs = Runs(tmp_path / "state")
    write(runs, HEADER, STARTED)
    tmp_path.chmod(0o711)
    runs.folder.chmod(0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match=r"the records in .* cannot be read: Permission denied"):
            runs.list()
    finally:
        os.seteuid(0)
