"""``resume``: what became of a run that ended without its last word, and whatever is left of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from soleil_remediate.asking import Settled
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import (
    bound_cases,
    chosen_rollout,
    chosen_scenarios,
    inventory_path,
    invocation,
    other_hosts,
    recorded_hosts,
)
from soleil_remediate.cli.forms import DOCUMENTS, tell_error, tell_settled
from soleil_remediate.cli.remediating import Before, go_on
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, RemediateError, worst
from soleil_remediate.history import History
from soleil_remediate.host import Host, listed_name
from soleil_remediate.host_outcomes import HostOutcome, MaybeChanged
from soleil_remediate.loading import ad_hoc_host, as_given
from soleil_remediate.record import Runs
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.endings import BAD, style_of
from soleil_remediate.reporters.page import HEADING, Page, joined
from soleil_remediate.reporters.records import settled_in_words
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.resuming import Resumed, not_resumed, only_ask, resume, unlisted
from soleil_remediate.scenario import Case
from soleil_remediate.state import state_folder
from soleil_remediate.transports.ways import EachItsWay


def resume_run(call: Call) -> ExitStatus:
    """Ask what became of a run's changes, look again, and go on where something is left to do."""
    if call.has("yes") and call.text("approve"):
        raise ConfigError("--yes and --approve both answer the gate: keep one of the two")
    chosen_rollout(call)  # what is wrong with it is said before any host is asked
    is_document = call.form in DOCUMENTS
    runs, clock = Runs(state_folder()), SystemClock()
    history = runs.history(call.text("run"))
    again = _again(call, history)
    call = _as_it_was_called(call, history)
    _refuse_unlisted(call, history)
    hosts, gone = _hosts(call, history)
    cases, others, refusal = _bound(call, hosts, history)
    screen = Screen.of(sys.stderr if is_document else sys.stdout)
    if refusal is not None:
        with runs.reopen(history, clock) as record:
            resumed = only_ask(
                history, hosts, record=record, transport=EachItsWay(), clock=clock, tell=screen.say, gone=gone
            )
    elif cases:
        with runs.reopen(history, clock) as record:
            resumed = resume(
                history,
                cases,
                record=record,
                transport=EachItsWay(),
                clock=clock,
                tell=screen.say,
                gone=gone,
                others=others,
            )
    else:  # perhaps it is the wrong inventory: nothing is written down for good
        resumed = not_resumed(history, gone)
    left = [] if call.has("dry_run") else [case for case in cases if case.host.name in resumed.left]
    before = Before(
        report=_settled(history, resumed, cases, left), failed=resumed.failed, told=_told(history, resumed, cases)
    )
    if not is_document:
        screen.show(_page(call, history, resumed, again, screen.width, refusal))
    if refusal is not None:
        return _refused(call, before, refusal)
    if not left:
        status = before.report.exit_status
        with suppress(BrokenPipeError):  # what happened on the hosts is the exit status, whoever listens
            tell_settled(call, before.report, before.told, status)
        return status
    try:
        status = go_on(_about(call, left, history), left, EachItsWay(), before)
    except RemediateError as error:  # nothing was begun anew: how all of them stand holds all the same
        return _refused(call, before, error, everybody=_settled(history, resumed, cases, []))
    if not is_document and before.report.hosts:
        screen.say(f"with what became of the others in run {history.run}: exit {int(status)}")
    return status


def _refused(call: Call, before: Before, error: RemediateError, *, everybody: RunReport | None = None) -> ExitStatus:
    """Say why nothing is gone on with, and what became of the run: of *everybody* in it, where hosts are left."""
    status = worst([*(host.outcome.exit_status for host in before.report.hosts), error.exit_status])
    with suppress(OSError):
        name, report = type(error).__name__, everybody or before.report
        tell_error(call, name, str(error), status, before=report, resumed=before.told)
    return status


def _again(call: Call, history: History) -> str:
    """Return the command that goes on with a run, with what this call itself gave beside the run's own."""
    return invocation(call, "").resume_again(history.run)


def _settled(history: History, resumed: Resumed, cases: Sequence[Case], left: Sequence[Case]) -> RunReport:
    """Return how those hosts of the run ended after all that are not gone on with."""
    hosts = {case.host.name: case.host for case in cases}
    ends = {**history.ends, **resumed.gone, **resumed.outcomes}
    for case in left:
        del ends[case.host.name]
    reports = (
        HostReport(host=hosts.get(name) or unlisted(name), outcome=ends[name])
        for name in map(str, history.started["hosts"])
        if name in ends
    )
    about = {"run": history.run, "scenario": history.started["scenario"], "for_people": history.for_people}
    return RunReport(**about, hosts=tuple(reports))


def _as_it_was_called(call: Call, history: History) -> Call:
    """Return the call with the run's own inventory, playbooks and transport, where it names no others."""
    called = history.started.get("called", {})
    given = dict(call.given) | {"scenario": history.started["scenario"]}
    for name in ("inventory", "playbooks", "transport"):
        given[name] = given.get(name) or called.get(name)
    return replace(call, given=given)


def _refuse_unlisted(call: Call, history: History) -> None:
    """Refuse a run whose host stood in no inventory, so that it was only looked at, unless it ended well."""
    host = history.started.get("called", {}).get("unlisted", "")
    if not host or not history.open_hosts:
        return
    scenario = chosen_scenarios(call)[0].find(call.text("scenario"))
    call = replace(call, given=dict(call.given) | {"set": as_given(scenario, history.started["inputs"])})
    about = invocation(call, scenario.name).listed(ad_hoc_host(host))
    raise ConfigError(
        f"there is nothing to resume: {host} stood in no inventory, so run {history.run} only looked at it and sent "
        f"nothing. To repair it, list it in an inventory, then:\n  {about.remediate()}"
    )


def _hosts(call: Call, history: History) -> tuple[tuple[Host, ...], tuple[str, ...]]:
    """Return the hosts of the run that are not done, and the names of those that are not in the inventory."""
    asked = {change.host for change in history.open_changes}
    names = [name for name in history.started["hosts"] if name in asked or name in history.open_hosts]
    return recorded_hosts(call, names) if names else ((), ())


def _bound(
    call: Call, hosts: Sequence[Host], history: History
) -> tuple[tuple[Case, ...], Mapping[str, str], ConfigError | None]:
    """Return the run's scenario bound to *hosts*, and for which of them it is not any more, or why it cannot be bound.

    Raises:
        ConfigError: It cannot be, and none of them has a change to be asked about before anybody mends that.
    """
    if not hosts:
        return (), {}, None
    try:
        cases = bound_cases(call, hosts, history.started["inputs"])
        return cases, other_hosts(call, cases), None
    except ConfigError as refusal:
        if {host.name for host in hosts}.isdisjoint(change.host for change in history.open_changes):
            raise
        return (), {}, refusal


def _about(call: Call, cases: Sequence[Case], history: History) -> Call:
    """Return the call for the hosts that are gone on with, and the run's own inputs, for the commands it prints."""
    inputs = as_given(cases[0].scenario, history.started["inputs"])
    names = dict.fromkeys(case.host.listed_name for case in cases)
    if cases[0].scenario.stages:  # a run does all stages or none
        names = dict.fromkeys(listed_name(name) for name in history.started["hosts"])
    return replace(call, given=dict(call.given) | {"host": ":".join(names), "set": inputs})


def _page(call: Call, history: History, resumed: Resumed, again: str, width: int, refusal: ConfigError | None) -> Page:
    page = Page(width)
    started = history.started
    if not resumed.outcomes and not resumed.gone:
        words = " or ".join(sorted({end.word for end in history.ends.values()}))
        page.prose(f"nothing is left of run {history.run}: every host of it ended {words}")
        return page
    page.line((f"run {history.run}", HEADING), f" · {joined([started['scenario'], started['operator']])}")
    for one in resumed.changes:
        page.beside(f"  {one.change.host}  ", f"{one.change.operation} {one.change.summary}", 4)
        page.prose(_found(one), 8)
    if not history.has_intents:
        page.prose("Nothing was sent to any host.", 2)
    elif not resumed.changes:
        page.prose("Every change that was sent had been answered.", 2)
    page.gap()
    for name, outcome in resumed.outcomes.items():
        page.headline((outcome.word, style_of(outcome)), joined([name, f"exit {int(outcome.exit_status)}"]), 10)
        page.prose(_reason(name, outcome), 10)
    for name, end in resumed.gone.items():
        page.headline(("NOT RESUMED", BAD), joined([name, end.word, f"exit {int(end.exit_status)}"]), 13)
        page.prose(_reason(name, end), 13)
    if refusal is not None:
        page.prose(
            "Nothing was looked at again, nor is it gone on with, for what is said at the end. Once that is mended:", 2
        )
        page.command("  next", again, 10)
    elif resumed.gone:
        names = ", ".join(resumed.gone)
        page.prose(
            f"Of {names} there is only what the record says: not in the inventory ({inventory_path(call)}), so neither "
            "asked nor looked at. Once in it:",
            2,
        )
        page.command("  next", again, 10)
    elif any(isinstance(outcome, MaybeChanged) for outcome in resumed.outcomes.values()):
        page.command("  next", again, 10)
    if resumed.left:
        about = ", ".join(resumed.left)
        page.prose(f"Something is left to do on {about}, planned afresh from what is seen now.", 2)
        if call.has("dry_run"):
            page.command("  next", again, 10)
    return page


def _reason(host: str, end: HostOutcome) -> str:
    """Return why a host ended so, without its name, which stands above, unless an address stands behind that."""
    return end.why if end.why.startswith(f"{host} (") else end.why.removeprefix(f"{host} ")


def _found(one: Settled) -> str:
    found = "" if one.progress is None or one.is_open else one.progress.value
    return settled_in_words(found, one.exit_status, one.says)


def _told(history: History, resumed: Resumed, cases: Sequence[Case]) -> dict[str, Any]:
    """Return for programs what became of the run after all, and of the hosts that it had been told of before."""
    changes = [
        {
            "host": one.change.host,
            "operation": one.change.operation,
            "summary": one.change.summary,
            "found": None if one.progress is None else one.progress.value,
            "exit_status": one.exit_status,
            "says": one.says,
        }
        for one in resumed.changes
    ]
    return {
        "run": history.run,
        "changes": changes,
        "hosts": [_ended(name, outcome) for name, outcome in resumed.outcomes.items()],
        "settled": [
            _ended(name, end)
            for name, end in history.ends.items()
            if name not in resumed.outcomes and name not in resumed.gone
        ],
        "gone": [_ended(name, end) for name, end in resumed.gone.items()],
        "for_people": _settled(history, resumed, cases, []).left_to_people,
        "left": list(resumed.left),
    }


def _ended(host: str, end: HostOutcome) -> dict[str, Any]:
    return {"host": host, "verdict": end.word, "why": end.why, "exit_status": int(end.exit_status)}
