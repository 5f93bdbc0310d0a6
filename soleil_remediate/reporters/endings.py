"""How a host ended: the proof, the verdict, why, and what to type next."""

from __future__ import annotations

import re
import shlex
from collections.abc import Container, Sequence
from math import inf
from pathlib import PurePath
from typing import assert_never

from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import (
    Crashed,
    Eased,
    Fixed,
    Halted,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
    WrongInput,
)
from soleil_remediate.invocation import A_FILE, Invocation
from soleil_remediate.local_files import home
from soleil_remediate.plan import Change
from soleil_remediate.report import HostReport
from soleil_remediate.reporters.left_to_people import put_questions, put_steps
from soleil_remediate.reporters.listings import listing
from soleil_remediate.reporters.page import GREEN, HEADING, PURPLE, RED, Page, counted, joined
from soleil_remediate.reporters.plans import put_by_hand
from soleil_remediate.reporters.visible import visible
from soleil_remediate.scenario import ForPeople, Scenario
from soleil_remediate.seen import CheckSeen, Standing
from soleil_remediate.stages import is_spared
from soleil_remediate.step_outcomes import SavedCopy, StepFailed
from soleil_remediate.task import Health, Measure
from soleil_remediate.units import Duration

GOOD, BAD, HALF = GREEN, RED, PURPLE
_INDENT = 10
#: What the verdict's line says of a host that was not touched.
_NOTHING_SENT = re.compile(r"[.;] nothing was sent(?=[.;]|$)", re.IGNORECASE)


def style_of(outcome: HostOutcome) -> str:
    """Return the colour of a verdict."""
    match outcome:
        case NotNeeded() | Fixed():
            return GOOD
        case NotFixed() | Unproven() | MaybeChanged() | NotReached() | Crashed() | WrongInput():
            return BAD
        case WouldFix() | Eased() | Refusal() | Halted() | Stopped():
            return HALF
        case _:
            assert_never(outcome)


def put_proof(page: Page, before: Standing, after: Standing, *, is_everything: bool = False) -> None:
    """Put on *page* what was measured before and what it is now: what was at fault or has changed, first of all.

    Of a check that measures nothing, as a task does that stands among the checks, it is what it said.
    """
    measuring = {seen.kind for seen in (*_checks(before), *_checks(after)) if seen.verdict.measures}
    was, now = _measures(before, measuring), _measures(after, measuring)
    labels = list(dict.fromkeys([*was, *now]))
    if not is_everything:
        labels = [label for label in labels if _is_worth_showing(was.get(label), now.get(label))]
    if not labels:
        return
    rows = [(f"  {visible(label, 200)}", _value(was.get(label)), _value(now.get(label))) for label in labels]
    left = min(max(len(row[0]) for row in rows), page.width - 24)
    page.line(("PROOF".ljust(left), HEADING), f"   {'before':<10} now")
    for label, old, new in rows:
        page.beside(label.ljust(left) + "   ", f"{old:<10} {new}", left + 3)


def _checks(standing: Standing) -> tuple[CheckSeen, ...]:
    return (*standing.symptom, *standing.goal, *standing.beyond)


def _measures(standing: Standing, measuring: Container[str]) -> dict[str, Measure]:
    measures: dict[str, Measure] = {}
    for seen in _checks(standing):
        health = seen.verdict.health
        as_a_whole = Measure(label=seen.kind, value=health.value, is_faulty=health is not Health.HEALTHY)
        for measure in seen.verdict.measures if seen.kind in measuring else (as_a_whole,):
            known = measures.get(measure.label)
            if known is None or measure.is_faulty:
                measures[measure.label] = measure
    return measures


def _is_worth_showing(was: Measure | None, now: Measure | None) -> bool:
    return was is None or now is None or was.is_faulty or now.is_faulty


def _value(measure: Measure | None) -> str:
    return "-" if measure is None else measure.value


def put_saved(page: Page, copies: Sequence[SavedCopy]) -> None:
    """Put on *page* where what was, or may have been, destroyed on the host is kept here."""
    for copy in copies:
        page.line(f"saved  {_from_home(copy.path)}")
        page.prose(f"{copy.size}, {copy.stored} as gzip, sha256 {copy.sha256[:16]}…", 7)


def _from_home(path: PurePath) -> str:
    text, own = str(path), str(home() or "~")
    return f"~{text.removeprefix(own)}" if text.startswith(f"{own}/") and shlex.quote(text) == text else text


def put_verdict(page: Page, report: HostReport, took: str = "") -> None:
    """Put on *page* the last word on one host, and why.

    Args:
        took: How long it was worked on, without what a person took to answer.
    """
    outcome = report.outcome
    said = joined([report.host.name + _in_short(report, took), f"exit {int(outcome.exit_status)}"])
    page.headline((outcome.word, style_of(outcome)), said, _INDENT)
    reason = _reason(report)
    if reason and not isinstance(outcome, WouldFix):  # its plan stands above
        page.prose(reason, _INDENT)


def put_caveats(page: Page, report: HostReport) -> None:
    """Put on *page* what the verdict leaves open.

    That is what changes have warned of, what users still meet beyond the host, and when it is at fault again.
    """
    for warning in report.warnings:
        page.beside(("WARNING", HALF), warning, _INDENT)
    if report.after is not None and report.after.fault_beyond:
        page.beside(("NOT OVER", HALF), report.after.fault_beyond, _INDENT)
    for one in report.forecasts:
        page.beside(("NOT OVER", HALF), f"{one.about} in about {_roughly(one.within)}: {one.because}", _INDENT)


def _roughly(time: Duration) -> Duration:
    """Return a time that was only estimated, without the seconds, or minutes, that nobody knows."""
    step = next(step for most, step in ((60, 1), (600, 10), (7200, 60), (86400, 600), (inf, 3600)) if time < most)
    return Duration(round(time / step) * step)


def _in_short(report: HostReport, took: str) -> str:
    """Return what goes on behind the host's name; whether anything was sent is always in it."""
    sent = sent_in_words(report)
    match report.outcome:
        case MaybeChanged():
            return joined([" MAY have been changed", f"before that: {sent}" if report.sent else "", took])
        case NotNeeded() if is_spared(report):
            said = "nothing was changed"
        case NotNeeded():
            said = "no such fault · nothing was changed"
        case WouldFix():
            said = "nothing was changed"
        case Fixed():
            said = joined([sent, took, "nothing unknown"])
        case Eased():
            said = joined([sent, took])
        case Crashed():
            said = f"a bug in this program · {sent}"
        case NotReached() if report.preview is not None:
            said = f"fell silent · {sent}"
        case Unproven() | NotFixed() | Stopped() | Refusal() | Halted() | NotReached() | WrongInput():
            said = joined([sent, took if was_touched(report) else ""])
        case outcome:
            assert_never(outcome)
    return f" · {said}"


def was_touched(report: HostReport) -> bool:
    """Whether any change was sent, whatever became of it."""
    return report.was_touched


def sent_in_words(report: HostReport) -> str:
    """Return how many changes were sent, and whether one of them failed."""
    if not was_touched(report):
        return "nothing was sent, the host is as it was"
    done = len(report.sent)
    failed = [step.outcome for step in report.steps if isinstance(step.outcome, StepFailed)]
    if failed:
        back = sum(len(one.taken_back) for one in failed)
        then = f", {back} taken back" if back else ""
        return f"{counted(done, 'change')} done, then one failed{then}" if done else "a change was sent and failed"
    return counted(done, "change")


def _reason(report: HostReport) -> str:
    """Return why, without what the proof above or the verdict's own line says already."""
    why = report.outcome.why
    match report.outcome:
        case Fixed() if report.after is not None:
            return why.removeprefix(report.after.why(Health.HEALTHY)).removeprefix("; ")
        case MaybeChanged():
            return why.removeprefix(f"{report.host.name} MAY have been changed: ")
        case Crashed():
            return why.removeprefix("a bug in this program: ")
        case _:
            return why if was_touched(report) else _NOTHING_SENT.sub("", why)


def put_next(
    page: Page, report: HostReport, scenario: Scenario, again: Invocation, run: str, for_people: ForPeople
) -> None:
    """Put on *page* what to type next, what to do by hand, and what still has to be answered.

    Args:
        run: The run's name; empty for a dry run, which keeps no record.
        for_people: What the run leaves to people; what of it is for this host is shown where it ended so.
    """
    outcome = report.outcome
    its = for_people.on({report.host.listed_name})
    about, command = _command(report, again)
    if about:
        page.prose(about, 2)
    if report.host.found and isinstance(outcome, WouldFix | Refusal):
        for line in listing(report.host, scenario.hosts):
            page.line(" " * _INDENT, line)
    if command:
        page.command("  next", command, _INDENT)
    if isinstance(outcome, Refusal):
        _pending_by_hand(page, report, again)
    if has_steps_left(report):
        put_steps(page, its.by_hand, _INDENT)
    if isinstance(outcome, Unproven | NotFixed | MaybeChanged):
        _escalate(page, report, scenario)
    if has_questions_left(report):
        put_questions(page, its.questions, _INDENT)
    if run and (was_touched(report) or isinstance(outcome, Crashed)):
        page.command("  record", again.show(run), _INDENT)
    if isinstance(outcome, MaybeChanged):
        page.prose(f"Before anything else is sent, ask what became of {outcome.operation}:", 2)
        page.command("  next", again.resume(run), _INDENT)


def has_steps_left(report: HostReport) -> bool:
    """Whether a host ended so that a person may have to do the rest."""
    return isinstance(report.outcome, Eased | Unproven | NotFixed)


def has_questions_left(report: HostReport) -> bool:
    """Whether a host ended so that a person is to ask why it came to that."""
    return has_steps_left(report) or (isinstance(report.outcome, Fixed) and was_touched(report))


def _command(report: HostReport, again: Invocation) -> tuple[str, str]:  # noqa: C901, PLR0912  # one branch a verdict
    """Return what to type next, and when it helps; nothing where the case is closed."""
    about, command = "", ""
    match report.outcome:
        case Fixed() if report.forecasts:
            about, command = "To see what grows:", again.preview()
        case Fixed():
            pass
        case NotNeeded() if is_spared(report):
            pass
        case NotNeeded():
            about, command = "If the alert was about something else:", again.scenarios()
        case WouldFix() | Refusal() if not report.host.is_listed:
            about = "It stands in no inventory, so it may only be looked at. List it in one, then:"
            command = again.listed(report.host).remediate()
        case WouldFix():
            command = again.remediate()
        case Refusal():
            command = again.preview("--verbose") if report.preview is None else again.remediate()
        case Halted(lift=lift):
            about, command = "To lift it:" if lift else "", lift
        case NotReached() if not report.host.is_listed and again.is_by_name:
            about, command = without_inventory(report.host), again.about(again.hosts, inventory=A_FILE).preview()
        case NotReached():
            command = again.ping(report.host)
        case NotFixed() if not report.host.is_listed and report.preview is not None and report.preview.left_out:
            about = "It stands in no inventory, so not every step could be looked into. List it in one, then:"
            command = again.listed(report.host).preview()
        case WrongInput(given=given, nearest=nearest):
            command = again.corrected(given, nearest).preview() if nearest else ""
        case MaybeChanged():
            pass  # its last line
        case Eased() | Stopped() | Unproven() | NotFixed() | Crashed():
            command = again.preview("--verbose")
        case outcome:
            assert_never(outcome)
    return about, command


def without_inventory(host: Host) -> str:
    """Return what to say of a host that was not reached and that nobody looked up anywhere."""
    return f"No inventory is in use: {host.name} was taken for the address itself. Where it stands in one, name that:"


def _escalate(page: Page, report: HostReport, scenario: Scenario) -> None:
    if scenario.escalate is not None:
        to = scenario.escalate.to
        contact = report.host.contacts.get(to, "")
        page.beside("  call", f"{to}{f' ({contact})' if contact else ''}, after {scenario.escalate.after}", _INDENT)


def _pending_by_hand(page: Page, report: HostReport, again: Invocation) -> None:
    """Put the commands of a refused plan on *page*; long scripts only by the command that prints them."""
    if report.preview is None or not report.preview.pending:
        return
    changes = [change for _, step in report.preview.pending for change in step.plan.changes]
    if len(changes) > 3 or any(_is_long(change) for change in changes):
        page.command("  by hand", again.preview("--commands"), _INDENT)
        return
    page.line(f"  by hand, in a root shell on {report.host.listed_name}:")
    for change in changes:
        put_by_hand(page, report.host, change, "")


def _is_long(change: Change) -> bool:
    return change.preserve is not None or bool(change.gathers) or len(str(change.command)) > 160
