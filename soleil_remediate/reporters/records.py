"""Records of runs for people: the list, and one run line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, assert_never

from soleil_remediate.history import Ending, History, RunSummary
from soleil_remediate.invocation import Invocation
from soleil_remediate.reporters.left_to_people import put_left_to_people
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.scenario import Scenario
from soleil_remediate.task import Health
from soleil_remediate.units import ByteSize, Duration, Percent

#: The types of inputs that have a unit, which JSON has not.
_UNITS: Mapping[str, Callable[[float], object]] = {
    "size": lambda value: ByteSize(int(value)),
    "duration": Duration,
    "percent": Percent,
}
#: A number that a change calls bytes, or says to stay of them.
_BYTES = re.compile(r"(?<![\w./:-])([0-9]{1,18})(?: bytes\b|(?= stay\b))")


def runs_page(runs: Sequence[RunSummary], width: int) -> Page:
    """Return one line a run."""
    page = Page(width)
    if not runs:
        page.line("no run yet: previews keep no record")
        return page
    rows = [(run.run, _local(run.started), run.scenario, _hosts(run.hosts), run.verdict) for run in runs]
    page.table([("run", "started", "scenario", "hosts", "ended"), *rows], gap=2)
    return page


def _hosts(hosts: Sequence[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= 3 else f"{hosts[0]} and {len(hosts) - 1} more"


def _local(iso: str, form: str = "%Y-%m-%d %H:%M") -> str:
    try:
        return datetime.fromisoformat(iso).astimezone().strftime(form)
    except ValueError:
        return iso


def run_page(
    history: History,
    scenarios: Mapping[str, Scenario],
    width: int,
    *,
    is_verbose: bool,
    again: Invocation = Invocation(),  # noqa: B008  # a frozen value
) -> Page:
    """Return a run's record: what was seen, decided, sent and answered, in order, and what it leaves open.

    Args:
        history: The record.
        scenarios: Those that are known, by name: a record has plain numbers, and they say which are sizes.
        width: In columns.
        is_verbose: Everything is said, to the byte.
        again: How this program was called.
    """
    page = Page(width)
    for line in history.lines:
        try:
            text = _said(line, scenarios)
        except (LookupError, TypeError, ValueError, AttributeError):  # somebody else wrote it
            text = f"a line that cannot be read: {line.get('type')}"
        text = text if is_verbose else in_units(text)
        if text:
            page.beside(f"{_local(str(line.get('at', '')), '%H:%M:%S')}  ", text, 10, at_most=0 if is_verbose else 6)
    _put_ending(page, history)
    with suppress(LookupError, TypeError, AttributeError):  # somebody else wrote a line of it
        put_left_to_people(page, history.left_to_people)
    with suppress(LookupError, TypeError):  # somebody else wrote a line of it
        if history.is_to_be_resumed:
            page.command("  next", again.resume_again(history.run), 10)
    return page


def _put_ending(page: Page, history: History) -> None:
    if history.ending is not Ending.ENDED or history.cut_copies:
        page.gap()
    why = "its process was killed, or the disk here was full"
    match history.ending:
        case Ending.ENDED:
            pass
        case Ending.RUNNING:
            page.beside(("RUNNING", HEADING), "its process still holds the record: more may follow", 9)
        case Ending.UNFINISHED:
            page.beside(("UNFINISHED", HEADING), f"the record ends before the run did: {why}", 12)
            _put_open_ends(page, history)
        case Ending.CUT_OFF:
            page.beside(("CUT OFF", HEADING), f"the record ends in the middle of a line: {why}", 12)
            _put_open_ends(page, history)
        case _:
            assert_never(history.ending)
    for path in history.cut_copies:
        page.line(f"  {path}")
        is_under_way = history.ending is Ending.RUNNING
        page.prose(
            "is being copied"
            if is_under_way
            else "is no copy: it was cut short when the run died, and the change it was for was not sent.",
            4,
        )


def _put_open_ends(page: Page, history: History) -> None:
    for change in history.unanswered:
        about = f"{change.operation} ({change.summary}) was intended, and no answer is on record"
        page.prose(f"{change.host} MAY have been changed: {about}. Its host can be asked.", 2)
    if not history.has_intents:
        page.prose("Nothing was sent to any host.", 2)
    elif history.is_told:
        page.prose("How every host ended stands above.", 2)
    else:
        if not history.unanswered:
            page.prose("Every change that was sent is answered above.", 2)
        if history.untouched:
            page.prose(f"Nothing was sent to {', '.join(history.untouched)}.", 2)


def in_units(text: str) -> str:
    """Return what a change answered with its bytes in the units that people read."""
    return _BYTES.sub(lambda match: str(ByteSize(int(match[1]))), text)


def settled_in_words(found: str, exit_status: int | None, says: str = "") -> str:
    """Return what a host said about a change whose answer never arrived.

    Args:
        found: As ``ChangeSettled`` has it; anything else means that it is not known yet.
        exit_status: Of one that is done.
        says: What that wrote last.
    """
    match found:
        case "done" if exit_status == 0:
            said = "it was made, once, and succeeded"
        case "done":
            said = f"it was begun, once, and ended with exit status {exit_status}: it may be half done"
        case "never-begun":
            said = "it was never begun, and cannot begin any more"
        case "lost":
            return "it was begun and killed before it ended: it may be half done"
        case "forgotten":
            return (
                "nobody can know any more: the host has forgotten all changes since (it restarted, or its /run was "
                "emptied)"
            )
        case _:
            return f"not known yet: {says}"
    return f"{said}: {says}" if says else said


def _inputs(line: Mapping[str, Any], scenarios: Mapping[str, Scenario]) -> str:
    scenario = scenarios.get(line["scenario"])
    declared = scenario.inputs if scenario is not None else {}
    types = {name: one.type for name, one in declared.items()}
    given = {name: value for name, value in line["inputs"].items() if value is not None}
    return ", ".join(f"{name}={_quantity(types.get(name, ''), value)}" for name, value in given.items())


def _quantity(kind: str, value: object) -> str:
    """Return an input with its unit, as it is written; what no playbook of today declares as one, as it is."""
    if kind in _UNITS and isinstance(value, int | float):
        with suppress(ValueError):
            return str(_UNITS[kind](value))
    return str(value)


def _watched(line: Mapping[str, Any]) -> str:
    """Return what was seen of hosts after the run was done."""
    match line["type"]:
        case "WatchStarted":
            return f"watching {', '.join(line['hosts'])} for {Duration(line['lasts'])}, every {Duration(line['every'])}"
        case "HostWatched":
            return f"seen: {line['health']}, {line['why']}"
        case _:
            ended = f", ended by {line['stopped']}" if line["stopped"] else ""
            return f"watched for {Duration(line['took'])}{ended}"


def _standing(standing: Mapping[str, Any]) -> str:
    """Return how a host stood at one look, as what decided it, and why."""
    verdicts = [check["verdict"] for check in standing["symptom"]]
    order = (Health.FAULTY.value, Health.UNKNOWN.value, Health.HEALTHY.value)
    health = min((verdict["health"] for verdict in verdicts), key=order.index, default=order[-1])
    said = dict.fromkeys(str(verdict["why"]) for verdict in verdicts if verdict["health"] == health)
    return f"{health}, {'; '.join(said)}"


def _said(line: Mapping[str, Any], scenarios: Mapping[str, Scenario]) -> str:  # noqa: C901, PLR0911, PLR0912  # one a kind
    host = f"{line['host']}  " if "host" in line else ""
    match line.get("type"):
        case "RunStarted":
            inputs = _inputs(line, scenarios)
            began = _local(str(line.get("at", "")))
            return joined([line["scenario"], f"by {line['operator']}", ", ".join(line["hosts"]), inputs, began])
        case "HostSeen":
            preview = line["preview"]
            return f"{preview['host']}  seen: {preview['outcome'].get('verdict', '?')}, {preview['outcome']['why']}"
        case "GateAnswered":
            said = f"open for {counted(len(line['approved']), 'change')}" if line["is_open"] else "closed"
            return f"gate {said}: {line['by']}"
        case "RolloutPlanned":
            sizes = " + ".join(str(len(batch)) for batch in line["batches"])
            return f"batches of {sizes} hosts, {line['max_fail']} may fail"
        case "BatchStarted":
            return f"batch {line['number']} of {line['of']}: {', '.join(line['hosts'])}"
        case "HostClaimed":
            return f"{host}locked for {line['owner']}"
        case "HostSeenAgain":
            return f"{host}seen again: {_standing(line['standing'])}"
        case "CopySaved":
            copy = line["copy"]
            size, stored = ByteSize(copy["size"]), ByteSize(copy["stored"])
            part = f"{line['part']}, " if line.get("part") else ""  # records of a former version have none
            return f"{host}saved {part}{size} ({stored} as gzip) in {copy['path']}, sha256 {copy['sha256']}"
        case "ChangeIntended":
            return f"{host}sending {line['operation']} {line['kind']}: {line['change']['summary']}"
        case "ChangeAnswered":
            took = Duration(line["took"])
            said = f": {line['says']}" if line["says"] else ""
            return f"{host}answered {line['operation']}: exit status {line['exit_status']} after {took}{said}"
        case "ChangeUnanswered":
            return f"{host}no answer to {line['operation']}: {line['why']}"
        case "RunResumed":
            return f"resumed by {line['operator']}, {_local(str(line.get('at', '')))}"
        case "ChangeSettled":
            return f"{host}{line['operation']}: {settled_in_words(line['found'], line['exit_status'], line['says'])}"
        case "HostSettled":
            return f"{host}{line['outcome']['verdict']}: {line['outcome']['why']}"
        case "StopHeard":
            again = " again: what was under way was left to the host" if line["is_insisted"] else ""
            return f"stop asked by {line['why']}{again}"
        case "StepEnded":
            outcome = line["outcome"]
            why = outcome.get("why") or ""
            return f"{host}step {line['step'] + 1} {line['kind']}: {outcome['type'].removeprefix('Step')}. {why}"
        case "WatchStarted" | "HostWatched" | "WatchEnded":
            return f"{host}{_watched(line)}"
        case "HostEnded":
            outcome = line["outcome"]
            return f"{host}{outcome['verdict']}: {outcome['why']}"
        case _:
            return ""
