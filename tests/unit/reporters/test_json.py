"""One document for programs."""

from __future__ import annotations

import json

from soleil_remediate.errors import ExitStatus
from soleil_remediate.host_outcomes import MaybeChanged, NotFixed, NotNeeded, NotReached
from soleil_remediate.report import RunReport
from soleil_remediate.reporters.json import error_document, run_document
from soleil_remediate.scenario import ForPeople
from soleil_remediate.step_outcomes import StepFailed, StepUnknown
from tests.unit.reporters.samples import RUN, case, ended_steps, fixed_report, preview, report, warned_report


def test_a_run_says_its_end_in_a_few_stable_fields() -> None:
    gone = report(NotReached(why="no answer\x1b[2J\u202e", is_retryable=True), name="web2")
    text = run_document(
        "remediate", RunReport(run=RUN, scenario="disk-full", hosts=(fixed_report(), gone)), is_dry=False
    )
    document = json.loads(text)
    first, second = document.pop("hosts")
    plan = document.pop("plan")
    assert len(plan) == 12
    assert document == {
        "format": 1,
        "command": "remediate",
        "run": RUN,
        "scenario": "disk-full",
        "exit_status": 3,
        "touched": ["web1"],
        "untouched": ["web2"],
        "unknown": [],
        "for_people": {"type": "ForPeople", "questions": [], "by_hand": []},
    }
    detail = first.pop("report")
    assert detail["preview"]["steps"][3]["outcome"]["plan"]["changes"][0]["risk"] == "destructive"
    assert first == {
        "host": "web1",
        "verdict": "FIXED",
        "why": first["why"],
        "exit_status": 0,
        "touched": True,
        "sent": 1,
        "warnings": [],
        "may_have_changed": False,
    }
    assert second["verdict"] == "UNREACHABLE"
    assert not second["touched"]
    assert text.isascii()
    assert "\x1b" not in text


def test_what_changes_warn_of_is_told_once() -> None:
    report = RunReport(run=RUN, scenario="disk-full", hosts=(warned_report("no cache", "no views", "no cache"),))
    document = json.loads(run_document("remediate", report, is_dry=False))
    assert document["hosts"][0]["warnings"] == ["no cache", "no views"]


def test_a_preview_has_no_record_and_so_no_run() -> None:
    seen = preview()
    run = RunReport(run=RUN, scenario="disk-full", hosts=(report(seen.outcome, seen=seen),))
    document = json.loads(run_document("preview", run, is_dry=True))
    assert document["run"] is None
    assert document["exit_status"] == 5


def test_what_may_have_been_changed_is_never_called_untouched() -> None:
    unknown = report(
        MaybeChanged(why="?", operation="o"),
        with_steps=ended_steps(StepUnknown(sent=(), operation="o", why="?")),
    )
    failed = report(NotFixed(why="?"), name="web2", with_steps=ended_steps(StepFailed(sent=(), why="?")))
    run = RunReport(run=RUN, scenario="disk-full", hosts=(unknown, failed))
    first, second = json.loads(run_document("remediate", run, is_dry=False))["hosts"]
    assert (first["touched"], first["may_have_changed"]) == (True, True)
    assert (second["touched"], second["may_have_changed"]) == (True, False)


def test_an_error_is_a_document_too() -> None:
    document = json.loads(error_document("preview", "UnknownName", "unknown host 'wbe1'", ExitStatus.USAGE))
    assert document == {
        "format": 1,
        "command": "preview",
        "error": {"type": "UnknownName", "message": "unknown host 'wbe1'"},
        "exit_status": 2,
    }


def test_what_is_left_to_people_is_told_of_the_hosts_that_had_the_fault() -> None:
    hosts = (fixed_report(), report(NotNeeded(why="no such fault"), name="web2"))
    left = ForPeople.of([case("web1"), case("web2")])
    text = run_document("preview", RunReport(run=RUN, scenario="disk-full", hosts=hosts, for_people=left), is_dry=True)
    told = json.loads(text)["for_people"]
    assert told["questions"] == [{"type": "Advice", "text": "Which log grew, and why?", "hosts": ["web1"]}]
    assert [one["text"].partition(":")[0] for one in told["by_hand"]] == ["See what fills it", "Move what nobody knows"]
