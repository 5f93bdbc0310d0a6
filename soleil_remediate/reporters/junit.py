"""One JUnit document about a run, for whatever shows test results: a suite a host, and in it what was judged and done.

::

    verdict                how the host ended
    check 1: disk.writable what healthy means, by the last look
    goal 1: disk.used      the stricter goal, likewise
    step 4: log.truncate   what became of each step

In a scenario with stages there is a suite for each host in each stage, ``web1#restart``, with the stage among its
properties.

Beside them stands as output what was measured before and after, and what people still have to answer and to do.

What is unknown is an error, what is not fixed a failure, what was declined, skipped or not sent is skipped. A host's
suite has a failure or an error exactly where its exit status is not 0: on a host that ended well, a step that did not
help, or a goal that was not aimed at, is skipped with the reason.

The shape is what the schemas in use have in common: Ant's as Windy Road wrote it down, which is the strictest, and
Jenkins'. Everything is ASCII, and a line of it is no workflow command to a GitHub runner that prints it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, assert_never
from xml.etree import ElementTree as Xml

from soleil_remediate.checked import Checked
from soleil_remediate.duties import DutySeen
from soleil_remediate.errors import ExitStatus
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.page import joined
from soleil_remediate.reporters.visible import inert, visible
from soleil_remediate.scenario import ForPeople, Routine
from soleil_remediate.secrecy import redacted
from soleil_remediate.seen import CheckSeen, Standing
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
from soleil_remediate.task import Health, Measure

_Ending = Literal["passed", "skipped", "failure", "error"]
_PROGRAM = "soleil-remediate"
_VERDICT = "verdict"
#: Endings about which nobody can say that anything is wrong on the host: it is not known.
_NOT_KNOWN = frozenset(
    {ExitStatus.UNKNOWN, ExitStatus.UNREACHABLE, ExitStatus.BUG, ExitStatus.INTERRUPTED, ExitStatus.USAGE}
)
#: A longer attribute helps nobody; the text below it is whole.
_LONGEST_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    name: str
    ending: _Ending
    type: str
    says: str
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suite:
    name: str
    about: str
    properties: dict[str, str]
    cases: Sequence[_Case]
    told: Sequence[str]
    seconds: float = 0
    host: str = ""

    def count(self, ending: _Ending) -> str:
        return str(sum(case.ending == ending for case in self.cases))


def junit_document(
    command: str, report: RunReport, *, is_dry: bool, ended: datetime, before: RunReport | None = None
) -> str:
    """Return the document about a run.

    Args:
        command: Which was given.
        report: What became of it.
        is_dry: Nothing was to be sent, so there is no record.
        ended: When, in UTC.
        before: The run that this one goes on with: its hosts that this one is not about have suites as well.
    """
    about = {"command": command, "scenario": report.scenario} | ({} if is_dry else {"run": report.run})
    suites = [_suite(host, report.scenario, about, report.left_to_people) for host in report.hosts]
    return _written([*_settled(command, before), *suites], ended)


def junit_routine(
    command: str, routine: Routine, checked: Sequence[Checked], duties: Sequence[DutySeen], *, ended: datetime
) -> str:
    """Return the document about a routine: a suite a host, and one for what only a person can see to.

    Args:
        command: Which was given.
        routine: What was looked at.
        checked: What became of each host.
        duties: What is left to people.
        ended: When, in UTC.
    """
    about = {"command": command, "routine": routine.name}
    suites = [_routine_suite(one, routine.name, about) for one in checked]
    if duties:
        cases = [_duty(one) for one in duties]
        suites.append(_Suite(name="duties", about=f"duties.{routine.name}", properties=about, cases=cases, told=[]))
    return _written(suites, ended)


def junit_error(
    command: str, name: str, message: str, status: ExitStatus, *, ended: datetime, before: RunReport | None = None
) -> str:
    """Return the document about a command that ended before there was a run.

    Args:
        command: Which was given.
        name: What happened: the error's class.
        message: The same for people.
        status: How the process ends.
        ended: When, in UTC.
        before: The run that it was to go on with: its hosts that are not left have suites as well.
    """
    case = _Case(name=_VERDICT, ending="error", type=name, says=message)
    about = {"command": command, "exit_status": str(int(status))}
    suite = _Suite(name=_PROGRAM, about=_PROGRAM, properties=about, cases=[case], told=[message])
    return _written([*_settled(command, before), suite], ended)


# --- what there is to say ---------------------------------------------------------------------------------------------


def _settled(command: str, before: RunReport | None) -> list[_Suite]:
    if before is None:
        return []
    about = {"command": command, "scenario": before.scenario, "run": before.run}
    return [_suite(host, before.scenario, about, before.left_to_people) for host in before.hosts]


def _suite(host: HostReport, scenario: str, about: dict[str, str], left: ForPeople) -> _Suite:
    name, outcome = host.host.name, host.outcome
    return _Suite(
        name=name,
        about=f"{name}.{scenario}",
        host=host.host.listed_name,
        properties=about
        | ({"stage": host.host.stage} if host.host.stage else {})
        | {"verdict": outcome.word, "exit_status": str(int(outcome.exit_status))},
        cases=_cases(host),
        told=[*_told(host), *_left(left.on({host.host.listed_name}))],
        seconds=float(host.took),
    )


def _cases(host: HostReport) -> list[_Case]:
    outcome = host.outcome
    status = outcome.exit_status
    ending: _Ending = "passed" if status is ExitStatus.OK else "error" if status in _NOT_KNOWN else "failure"
    verdict = _Case(
        name=_VERDICT,
        ending=ending,
        type=type(outcome).__name__,
        says=f"{outcome.word}: {outcome.why}",
        seconds=float(host.took),
    )
    parts = [*_checks(host), *_steps(host)]
    if status is ExitStatus.OK:
        parts = [replace(case, ending="skipped") if case.ending in {"failure", "error"} else case for case in parts]
    return [verdict, *parts]


def _checks(host: HostReport) -> Iterator[_Case]:
    if host.preview is None:
        return
    before, now = host.preview.standing, host.after
    for what, checks in (("check", _symptom), ("goal", _goal)):
        last = checks(before if now is None else now)
        for number, seen in enumerate(last, start=1):
            case = _check(f"{what} {number}: {seen.kind}", seen)
            if now is None and host.was_touched:
                says = f"not looked at since a change was sent; before it: {seen.verdict.why}"
                case = replace(case, ending="error", type="NotLookedAt", says=says)
            yield case


def _symptom(standing: Standing) -> tuple[CheckSeen, ...]:
    return standing.symptom


def _goal(standing: Standing) -> tuple[CheckSeen, ...]:
    return standing.goal_in_scope


def _check(name: str, seen: CheckSeen) -> _Case:
    endings: dict[Health, _Ending] = {Health.HEALTHY: "passed", Health.FAULTY: "failure", Health.UNKNOWN: "error"}
    health = seen.verdict.health
    return _Case(name=name, ending=endings[health], type=health.name.capitalize(), says=seen.verdict.why)


def _routine_suite(checked: Checked, routine: str, about: dict[str, str]) -> _Suite:
    name, end = checked.host.name, checked.end
    cases = [_check(f"check {number}: {seen.kind}", seen) for number, seen in enumerate(checked.checks, start=1)]
    for one in checked.left_out:
        says = f"needs {', '.join(one.missing)}"
        cases.append(_Case(name=f"left out: {one.kind}", ending="skipped", type="LeftOut", says=says))
    if end is not None:
        cases.append(_Case(name=_VERDICT, ending="error", type=type(end).__name__, says=f"{end.word}: {end.why}"))
    if checked.is_unchecked:
        cases.append(_Case(name=_VERDICT, ending="error", type="Unchecked", says="every check is left out here"))
    return _Suite(
        name=name,
        about=f"{name}.{routine}",
        host=checked.host.listed_name,
        properties=about | {"exit_status": str(int(checked.exit_status))},
        cases=cases,
        told=[],
        seconds=float(checked.looked_in),
    )


def _duty(seen: DutySeen) -> _Case:
    ending: _Ending = "failure" if seen.is_due else "passed"
    return _Case(name=f"duty: {seen.duty.name}", ending=ending, type="Due", says=f"{seen.in_words}: {seen.duty.what}")


def _steps(host: HostReport) -> Iterator[_Case]:
    seen = host.steps or (() if host.preview is None else host.preview.steps)
    for number, step in enumerate(seen, start=1):
        yield _step(f"step {number}: {step.kind}", step.outcome)
    left_out: Sequence[StepSeen] = () if host.preview is None else host.preview.left_out
    for step in left_out:
        yield _step(f"left out: {step.kind}", step.outcome)


def _step(name: str, outcome: StepOutcome) -> _Case:
    sent, ending = 0.0, _ending(outcome)
    if isinstance(outcome, StepRemedied | StepStillFaulty | StepFailed | StepUnknown):
        sent = sum(float(one.took) for one in outcome.sent)
    if isinstance(outcome, StepPending):
        says = f"not sent: {'; '.join(change.summary for change in outcome.plan.changes)}"
    else:
        says = outcome.why
    return _Case(name=name, ending=ending, type=type(outcome).__name__, says=says, seconds=sent)


def _ending(outcome: StepOutcome) -> _Ending:
    match outcome:
        case StepHealthy() | StepRemedied():
            return "passed"
        case StepSkipped() | StepDeclined() | StepPending():
            return "skipped"
        case StepStillFaulty() | StepFailed():
            return "failure"
        case StepUndecided() | StepUnknown():
            return "error"
        case _:
            assert_never(outcome)


def _told(host: HostReport) -> Iterator[str]:
    """Return what no case has room for: the proof, what is not over, and where the copies are."""
    yield f"{host.outcome.word}: {host.outcome.why}"
    if host.preview is not None and host.after is not None and host.was_touched:
        was = {measure.label: measure.value for measure in _measures(host.preview.standing)}
        for measure in _measures(host.after):
            yield f"proof: {measure.label}: {was.get(measure.label, '-')} before, {measure.value} now"
    for warning in host.warnings:
        yield f"WARNING: {warning}"
    for forecast in host.forecasts:
        yield f"NOT OVER: {forecast.about} in about {forecast.within}: {forecast.because}"
    for copy in host.copies:
        yield f"saved: {copy.path}: {joined([str(copy.size), f'sha256 {copy.sha256}'], ', ')}"


def _left(left: ForPeople) -> Iterator[str]:
    """Return what people still have to answer and to do."""
    for question in left.questions:
        yield f"to be answered: {question.text}"
    for step in left.by_hand:
        yield f"by hand: {step.text}"


def _measures(standing: Standing) -> list[Measure]:
    return [measure for seen in (*standing.symptom, *standing.goal_in_scope) for measure in seen.verdict.measures]


# --- how it is written ------------------------------------------------------------------------------------------------


def _put_suite(root: Xml.Element, suite: _Suite, ended: datetime) -> None:
    element = Xml.SubElement(
        root,
        "testsuite",
        {
            "id": str(len(root)),
            "name": _line(suite.name),
            "package": _line(suite.about),
            "hostname": _line(suite.host or suite.name),
            "timestamp": ended.strftime("%Y-%m-%dT%H:%M:%S"),
            "tests": str(len(suite.cases)),
            "failures": suite.count("failure"),
            "errors": suite.count("error"),
            "skipped": suite.count("skipped"),
            "time": f"{suite.seconds:.3f}",
        },
    )
    listed = Xml.SubElement(element, "properties")
    for key, value in suite.properties.items():
        Xml.SubElement(listed, "property", {"name": key, "value": _line(value)})
    for case in suite.cases:
        _put_case(element, suite.about, case)
    passed = [f"{case.name}: {case.says}" for case in suite.cases if case.ending == "passed" and case.name != _VERDICT]
    Xml.SubElement(element, "system-out").text = "\n".join(map(_text, [*suite.told, *passed]))
    Xml.SubElement(element, "system-err").text = ""


def _put_case(suite: Xml.Element, about: str, case: _Case) -> None:
    element = Xml.SubElement(
        suite, "testcase", {"classname": _line(about), "name": _line(case.name), "time": f"{case.seconds:.3f}"}
    )
    if case.ending == "passed":
        return
    if case.ending == "skipped":
        Xml.SubElement(element, "skipped", {"message": _line(case.says)})
        return
    ended = Xml.SubElement(element, case.ending, {"message": _line(case.says), "type": _line(case.type)})
    ended.text = _text(case.says)


def _line(text: str) -> str:
    """Return *text* as an attribute: on one line, and never empty."""
    return visible(text, _LONGEST_MESSAGE).strip() or "-"


def _text(text: str) -> str:
    """Return *text* with its lines, and nothing in them that XML cannot hold."""
    return "\n".join(visible(line, 4000) for line in redacted(text).split("\n"))  # a secret may go over several lines


def _written(suites: Sequence[_Suite], ended: datetime) -> str:
    root = Xml.Element("testsuites")
    for suite in suites:
        _put_suite(root, suite, ended)
    Xml.indent(root)
    text = Xml.tostring(root, encoding="unicode").encode("ascii", "xmlcharrefreplace").decode("ascii")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', *text.split("\n")]
    return "\n".join(inert(line, colon="&#58;", hash_sign="&#35;") for line in lines)
