"""A JUnit document is valid whatever was said, and green exactly where the exit status is 0."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soleil_remediate.errors import ExitStatus
from soleil_remediate.host_outcomes import Fixed, HostOutcome, MaybeChanged, NotFixed, NotNeeded, NotReached, Refusal
from soleil_remediate.plan import Plan
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.junit import junit_document, junit_error
from soleil_remediate.scenario import ForPeople
from soleil_remediate.secrecy import HIDDEN, learn
from soleil_remediate.seen import CheckSeen
from soleil_remediate.step_outcomes import (
    StepDeclined,
    StepFailed,
    StepHealthy,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSeen,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.task import Forecast, Health, Verdict
from soleil_remediate.units import Duration
from tests.unit.reporters import samples
from tests.unit.reporters.actions_runner import obeyed
from tests.unit.reporters.junit_schema import parsed
from tests.unit.reporters.samples import (
    RUN,
    SENT,
    VACUUM,
    ended_steps,
    fixed_report,
    preview,
    report,
    standing,
    warned_report,
)

SECRET = "correct horse/battery+staple"
NOW = datetime(2026, 3, 14, 3, 12, 41, tzinfo=UTC)


def document(*hosts: HostReport, is_dry: bool = False) -> str:
    left = ForPeople.of([samples.case(one.host.name) for one in hosts])
    run = RunReport(run=RUN, scenario="disk-full", hosts=hosts, for_people=left)
    return junit_document("preview" if is_dry else "remediate", run, is_dry=is_dry, ended=NOW)


def endings(suite: Xml.Element) -> dict[str, str]:
    """Return how each case ended."""
    return {case.attrib["name"]: next((child.tag for child in case), "passed") for case in suite.iter("testcase")}


def outcome_of(kind: type[Any], why: str = "so it is") -> HostOutcome:
    more: dict[type[Any], dict[str, Any]] = {MaybeChanged: {"operation": "o"}, NotReached: {"is_retryable": True}}
    made: HostOutcome = kind(why=why, **more.get(kind, {}))
    return made


def test_a_fixed_host_is_a_green_suite_with_its_proof() -> None:
    (suite,) = parsed(document(fixed_report()))
    assert endings(suite) == {
        "verdict": "passed",
        "check 1: disk.writable": "passed",
        "goal 1: disk.used": "passed",
        "step 1: package-cache.clean": "skipped",
        "step 2: journal.vacuum": "skipped",
        "step 3: open-file.reopen": "passed",
        "step 4: log.truncate": "passed",
        "step 5: backup.prune": "skipped",
    }
    assert suite.get("name") == suite.get("hostname") == "web1"
    assert suite.get("timestamp") == "2026-03-14T03:12:41"
    properties = {one.get("name"): one.get("value") for one in suite.iter("property")}
    expected = {"command": "remediate", "scenario": "disk-full", "run": RUN, "verdict": "FIXED", "exit_status": "0"}
    assert properties == expected
    told = suite.findtext("system-out", "")
    assert "proof: www-data can write to /srv: no before, yes now" in told
    assert "\nsaved: " in told


def test_what_is_left_to_people_stands_beside_the_cases_of_a_host_that_had_the_fault() -> None:
    fixed, fine = parsed(document(fixed_report(), report(NotNeeded(why="no such fault"), name="web2")))
    told = fixed.findtext("system-out", "")
    assert "\nto be answered: Which log grew, and why?\nby hand: See what fills it: du" in told
    assert "\nby hand: Move what nobody knows:\nmv FILE /mnt/\n" in told
    assert "Which log grew" not in fine.findtext("system-out", "")


def test_a_preview_that_found_work_is_red_and_names_what_was_not_sent() -> None:
    seen = preview()
    (suite,) = parsed(document(report(seen.outcome, seen=seen), is_dry=True))
    assert endings(suite)["verdict"] == "failure"
    assert endings(suite)["check 1: disk.writable"] == "failure"
    (skipped,) = [case.find("skipped") for case in suite.iter("testcase") if "step 4" in case.attrib["name"]]
    assert skipped is not None
    assert skipped.attrib["message"].startswith("not sent: cut /srv/soleil")
    assert "run" not in [one.get("name") for one in suite.iter("property")]


@pytest.mark.parametrize("kind", get_args(HostOutcome))
def test_a_suite_is_green_exactly_where_the_exit_status_is_0(kind: type[Any]) -> None:
    outcome = outcome_of(kind)
    every = tuple(StepSeen(kind="log.truncate", outcome=one) for one in STEPS)
    for seen, steps in ((None, ()), (preview(), ()), (preview(), every)):
        (suite,) = parsed(document(report(outcome, seen=seen, with_steps=steps)))
        is_green = suite.get("failures") == suite.get("errors") == "0"
        assert is_green is (outcome.exit_status is ExitStatus.OK)


@pytest.mark.parametrize("kind", get_args(HostOutcome))
def test_what_nobody_knows_is_an_error_and_what_is_not_fixed_a_failure(kind: type[Any]) -> None:
    errors = {"MaybeChanged", "NotReached", "Crashed", "Stopped", "WrongInput"}
    (suite,) = parsed(document(report(outcome_of(kind))))
    wanted = "error" if kind.__name__ in errors else "passed" if kind in {Fixed, NotNeeded} else "failure"
    assert endings(suite) == {"verdict": wanted}


STEPS: dict[StepOutcome, str] = {
    StepHealthy(why="?"): "passed",
    StepRemedied(sent=(SENT,), why="?"): "passed",
    StepSkipped(why="?"): "skipped",
    StepDeclined(why="?"): "skipped",
    StepPending(plan=Plan.of(VACUUM, because="?"), digests=("d",), is_tentative=False): "skipped",
    StepStillFaulty(sent=(SENT,), why="?"): "failure",
    StepFailed(sent=(), why="?"): "failure",
    StepUndecided(why="?"): "error",
    StepUnknown(sent=(), operation="o", why="?"): "error",
}


@pytest.mark.parametrize("outcome, ending", STEPS.items(), ids=lambda one: type(one).__name__)
def test_a_step_counts_where_the_host_did_not_end_well_and_is_passed_over_where_it_did(
    outcome: StepOutcome, ending: str
) -> None:
    assert {type(one) for one in STEPS} == set(get_args(StepOutcome))
    steps = (StepSeen(kind="log.truncate", outcome=outcome),)
    (suite,) = parsed(document(report(NotFixed(why="?"), seen=preview(), with_steps=steps, after=standing())))
    assert endings(suite)["step 1: log.truncate"] == ending
    healthy = standing(27, is_writable=True)
    (suite,) = parsed(document(report(Fixed(why="?"), seen=preview(), with_steps=steps, after=healthy)))
    assert endings(suite)["step 1: log.truncate"] == ("passed" if ending == "passed" else "skipped")


def test_what_was_healthy_before_a_change_is_not_called_healthy_after_it_unseen() -> None:
    lost = ended_steps(StepUnknown(sent=(), operation="o", why="no answer"))
    outcome = MaybeChanged(why="web1 MAY have been changed: no answer", operation="o")
    seen = preview(seen=standing(27, is_writable=True))
    (suite,) = parsed(document(report(outcome, seen=seen, with_steps=lost)))
    assert endings(suite)["check 1: disk.writable"] == "error"
    assert endings(suite)["goal 1: disk.used"] == "error"
    assert suite.findtext("testcase[@name='check 1: disk.writable']/error", "").startswith("not looked at since")


def test_a_check_that_cannot_know_is_an_error() -> None:
    unknown = replace(standing(), symptom=(CheckSeen(kind="disk.writable", verdict=Verdict.unknown("needs sudo")),))
    (suite,) = parsed(document(report(NotFixed(why="?"), seen=preview(seen=unknown, with_steps=()))))
    assert endings(suite)["check 1: disk.writable"] == "error"
    assert unknown.symptom_health is Health.UNKNOWN


def test_a_goal_that_nobody_aimed_at_does_not_make_a_healthy_host_red() -> None:
    seen = preview(seen=standing(90, is_writable=True), with_steps=(), outcome=NotNeeded(why="all is well"))
    (suite,) = parsed(document(report(seen.outcome, seen=seen)))
    assert endings(suite)["goal 1: disk.used"] == "skipped"


def test_a_declined_run_is_red_though_nothing_but_its_verdict_is() -> None:
    (suite,) = parsed(document(report(Refusal(why="the policy allows disk-full up to gentle"))))
    assert endings(suite) == {"verdict": "failure"}


def test_what_is_not_over_stands_in_the_suites_output() -> None:
    again = Forecast(
        subject="space on /srv", about="/srv is full again", within=Duration(9000), because="it grows 95 MiB/min"
    )
    (suite,) = parsed(document(replace(fixed_report(), forecasts=(again,))))
    assert "NOT OVER: /srv is full again in about 2 h 30 min: it grows 95 MiB/min" in suite.findtext("system-out", "")


def test_what_a_change_warns_of_stands_in_the_suites_output() -> None:
    (suite,) = parsed(document(warned_report("without a config cache")))
    assert "WARNING: without a config cache" in suite.findtext("system-out", "").splitlines()


def test_every_host_has_a_suite_of_its_own() -> None:
    root = parsed(document(fixed_report(), report(NotReached(why="no answer", is_retryable=True), name="web2.example")))
    assert [suite.get("package") for suite in root] == ["web1.disk-full", "web2.example.disk-full"]


def test_an_error_is_a_red_suite_too() -> None:
    text = junit_error("preview", "UnknownName", "unknown host 'wbe1'\n  ping --host web1", ExitStatus.USAGE, ended=NOW)
    (suite,) = parsed(text)
    assert endings(suite) == {"verdict": "error"}
    assert suite.findtext("testcase/error") == "unknown host 'wbe1'\n  ping --host web1"


HOSTILE = (
    "]]>",
    "<!--",
    "&amp;&#0;",
    "\0\x01\x1b[2J\x0b\x7f\x9b",
    "\ud800 \udcff",
    "\ufffe\uffff",
    "\u202egol",
    "\x85\u2028",
    "\"'><![CDATA[",
    "::error::x",
    "a\n::stop-commands::x\n \t::add-mask::e",
    "a ##[error]x",
    "x" * 100_000,
    "",
    " ",
)


@settings(deadline=None)  # a loaded machine is no mistake
@given(text=st.sampled_from(HOSTILE) | st.text(st.characters(codec=None)))
def test_hostile_text_makes_no_document_invalid_and_commands_no_runner(text: str) -> None:
    steps = (StepSeen(kind=text, outcome=StepFailed(sent=(), why=text)),)
    verdict = Verdict.faulty(text, *standing().symptom[0].verdict.measures)
    seen = replace(standing(), symptom=(CheckSeen(kind=text, verdict=verdict),))
    host = report(NotFixed(why=text), seen=preview(seen=seen), with_steps=steps, after=seen)
    host = replace(host, host=replace(samples.host(), name=text))
    for written in (document(host), junit_error(text, text, text, ExitStatus.USAGE, ended=NOW)):
        parsed(written)
        assert written.isascii()
        assert obeyed(written) == []


def test_text_is_read_back_as_it_was_said() -> None:
    said = "a ##[error] b\n::warning::c <&>]]> é 日本"
    (suite,) = parsed(document(report(NotFixed(why=said), seen=preview(), with_steps=(), after=None)))
    assert suite.findtext("testcase[@name='verdict']/failure") == f"NOT FIXED: {said}"


def test_no_secret_is_told_in_any_place_nor_over_several_lines() -> None:
    learn(SECRET)
    for said in (SECRET, "\n".join(textwrap.wrap(base64.b64encode(f"u:{SECRET}".encode()).decode(), 11))):
        steps = (StepSeen(kind=said, outcome=StepFailed(sent=(), why=said)),)
        host = replace(
            report(NotFixed(why=said), seen=preview(), with_steps=steps), host=replace(samples.host(), name=said)
        )
        for written in (document(host), junit_error("preview", "Bug", said, ExitStatus.BUG, ended=NOW)):
            assert HIDDEN in written
            assert not [part for part in [SECRET, *said.split("\n")[1:-1]] if part in written]
