"""``remediate`` and ``preview``."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from soleil_remediate import fleet
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import called, chosen_cases, chosen_rollout, invocation, peers_of
from soleil_remediate.cli.forms import DOCUMENTS, tell_run
from soleil_remediate.cli.freezing import brake
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, worst
from soleil_remediate.events import Event
from soleil_remediate.gates import Gate, PersonGate, PlanGate, PolicyGate
from soleil_remediate.record import Runs
from soleil_remediate.report import RunReport
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.github import GitHubReporter
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case
from soleil_remediate.state import state_folder
from soleil_remediate.transports import Transport
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from soleil_remediate.watching import refuse_unless_watchable


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The run that another one goes on with, and what became of it.

    Args:
        report: How the hosts ended that the other one is not about.
        failed: The hosts of it which count as failed in the other one, and how each ended, in a word.
        told: For programs: what became of it.
    """

    report: RunReport
    failed: Sequence[tuple[str, str]]
    told: Mapping[str, Any]


def preview(call: Call) -> ExitStatus:
    """Look, and show what would be done."""
    rollout = chosen_rollout(call)
    cases, transport = chosen_cases(call, EachItsWay())
    return _look(call, cases, transport, rollout)


def remediate(call: Call) -> ExitStatus:
    """Look, show, ask, repair, and prove it."""
    if call.has("yes") and call.text("approve"):
        raise ConfigError("--yes and --approve both answer the gate: keep one of the two")
    if call.has("dry_run") and call.text("watch"):
        raise ConfigError("--watch looks again after a run, and --dry-run begins none: keep one of the two")
    watch_of(call)
    rollout = chosen_rollout(call)
    cases, transport = chosen_cases(call, EachItsWay())
    if call.has("dry_run"):
        return _look(call, cases, transport, rollout)
    return go_on(call, cases, transport)


def go_on(call: Call, cases: Sequence[Case], transport: Transport, before: Before | None = None) -> ExitStatus:
    """Repair the hosts that *cases* are bound to.

    Args:
        call: Says who answers the gate, and who reads what is printed.
        cases: One for each host.
        transport: The way to them.
        before: The run that this one goes on with, if any.
    """
    rollout = chosen_rollout(call)
    reporter, listener = _reporter(call, cases, is_dry=False)
    report = fleet.remediate(
        cases,
        transport=transport,
        gate=_gate(call, reporter),
        runs=Runs(state_folder()),
        peers=peers_of(call, cases),
        rollout=rollout,
        listener=listener,
        brake=brake(call),
        called=called(call, resumes=before.report.run if before else ""),
        failed=before.failed if before else (),
        watch=watch_of(call),
    )
    return _ended(call, cases, report, is_dry=False, before=before)


def watch_of(call: Call) -> Duration | None:
    """Return how long hosts are watched after the run; ``None`` where nobody wants that.

    Raises:
        ConfigError: It is no time, or none that anybody would watch for.
    """
    if not (text := call.text("watch")):
        return None
    try:
        lasts = Duration.parse(re.sub(r"(?<=[0-9 ])m$", "min", text.strip()))
        refuse_unless_watchable(lasts)
    except ValueError as error:
        raise ConfigError(f"--watch: {error}") from None
    return lasts


def _look(call: Call, cases: Sequence[Case], transport: Transport, rollout: Rollout) -> ExitStatus:
    _, listener = _reporter(call, cases, is_dry=True)
    report = fleet.preview(cases, transport=transport, peers=peers_of(call, cases), rollout=rollout, listener=listener)
    return _ended(call, cases, report, is_dry=True)


def _reporter(call: Call, cases: Sequence[Case], *, is_dry: bool) -> tuple[ConsoleReporter, Callable[[Event], None]]:
    """Return who tells a person, and who listens: nobody where a program reads standard output, unless --verbose."""
    is_document = call.form in DOCUMENTS
    reporter = ConsoleReporter(
        Screen.of(sys.stderr if is_document else sys.stdout),
        cases=cases,
        again=invocation(call, cases[0].scenario.name),
        clock=SystemClock(),
        is_dry=is_dry,
        is_verbose=call.has("verbose"),
        has_commands=call.has("commands"),
    )
    if is_document and not call.has("verbose"):
        return reporter, reporter.note
    return reporter, GitHubReporter(reporter) if call.form == "github" else reporter


def _gate(call: Call, reporter: ConsoleReporter) -> Gate:
    """Return who decides: an approved plan, the person at this terminal, or the policy where nobody is there."""
    if plan := call.text("approve"):
        return PlanGate(plan=plan)
    says_yes = call.has("yes")
    terminal = Terminal.open(reporter, fleet.operator())
    if terminal is None:
        return PolicyGate(says_yes=says_yes)
    return PersonGate(asker=terminal, says_yes=says_yes)


def _ended(
    call: Call, cases: Sequence[Case], report: RunReport, *, is_dry: bool, before: Before | None = None
) -> ExitStatus:
    scenario = cases[0].scenario
    settled = before.report.hosts if before else ()
    status = worst([report.exit_status, *(host.outcome.exit_status for host in settled)])
    with suppress(BrokenPipeError):  # what happened on the hosts is the exit status, whoever listens
        tell_run(
            call,
            report,
            scenario,
            invocation(call, scenario.name),
            is_dry=is_dry,
            status=status,
            before=before.report if before else None,
            resumed=before.told if before else None,
        )
    return status
