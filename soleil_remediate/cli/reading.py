"""The commands that change nothing: scenarios, explain, ping, inventory, lint, runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soleil_remediate.catalog import load_catalog
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import (
    chosen_hosts,
    chosen_scenarios,
    inventory_path,
    invocation,
    no_inventory,
    playbook_folders,
)
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, Unreachable, worst
from soleil_remediate.events import as_data
from soleil_remediate.host import Host
from soleil_remediate.invocation import A_FILE
from soleil_remediate.loading import Inventory, Problem, check_local_files, load_inventory, misfits, unbound
from soleil_remediate.loading import lint as lint_files
from soleil_remediate.local_files import shown_path
from soleil_remediate.record import Runs
from soleil_remediate.reporters.endings import BAD, GOOD, without_inventory
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.reporters.records import run_page, runs_page
from soleil_remediate.reporters.runbook import explain_page, scenarios_page
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.scenario import Scenario
from soleil_remediate.state import state_folder
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits


def _show(page: Page) -> ExitStatus:
    Screen.of(sys.stdout).show(page)
    return ExitStatus.OK


def _document(call: Call, key: str, items: Sequence[Any], **more: Any) -> ExitStatus:
    print(list_document(call.verb, key, list(items), **more))  # noqa: T201  # the document
    return ExitStatus.OK


def _width() -> int:
    return Screen.of(sys.stdout).width


def scenarios(call: Call) -> ExitStatus:
    """List what can be repaired."""
    found, _ = chosen_scenarios(call)
    if call.is_json:
        return _document(call, "scenarios", [_outline(scenario) for scenario in found.values()])
    return _show(scenarios_page(tuple(found.values()), invocation(call, ""), _width()))


def _outline(scenario: Any) -> dict[str, Any]:
    names = ("name", "title", "severity", "respond_within", "impact", "hosts", "aliases")
    return {name: as_data(getattr(scenario, name)) for name in names} | {"file": scenario.origin.file}


def explain(call: Call) -> ExitStatus:
    """Show a scenario's runbook page."""
    found, catalog = chosen_scenarios(call)
    scenario = found.find(call.text("scenario"))
    return _show(explain_page(unbound(scenario), catalog, invocation(call, scenario.name), _width()))


# --- ping -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What connecting to one host gave.

    Args:
        host_key: The key that it was known by, as ``ssh-keygen -l`` prints it; ``None`` where the way in knows none.
        machine_id: Which machine it is, as an inventory may name it; ``None`` where it has none.
        hostname: By which it calls itself.
    """

    host: str
    is_reached: bool
    exit_status: ExitStatus
    says: str
    took: Duration
    host_key: str | None = None
    machine_id: str | None = None
    hostname: str = ""


_WORDS = {
    ExitStatus.OK: ("OK         ", GOOD),
    ExitStatus.UNREACHABLE: ("UNREACHABLE", BAD),
    ExitStatus.USAGE: ("WRONG INPUT", BAD),
}


def ping(call: Call) -> ExitStatus:
    """Connect to each host, and say as whom and with which rights."""
    hosts, known = chosen_hosts(call)
    is_json = call.is_json
    visits = Visits(EachItsWay(), SystemClock())
    answers = visits.each(hosts, lambda host: _ping(host, visits))
    if is_json:
        _document(call, "hosts", answers)
    else:
        page = Page(_width())
        width = max(len(answer.host) for answer in answers) + 2
        for answer in answers:
            word = _WORDS[answer.exit_status]
            page.line(f"{answer.host:<{width}}", word, f"  {answer.took}")
            page.prose(answer.says, 4)
            if answer.host_key is not None:
                page.prose(f"host key {answer.host_key}", 4)
            if answer.machine_id is not None:
                page.prose(f"machine_id: {answer.machine_id}  # calls itself {answer.hostname}", 4)
        again = invocation(call, "")
        if known is None and again.is_by_name and not answers[0].is_reached:
            page.prose(without_inventory(hosts[0]), 2)
            page.command("  next", again.about(again.hosts, inventory=A_FILE).ping_all(), 9)
        _show(page)
    return worst(answer.exit_status for answer in answers)


def _ping(host: Host, visits: Visits) -> _Answer:
    clock = SystemClock()
    began = clock.monotonic()

    def answer(status: ExitStatus, says: str) -> _Answer:
        took = Duration(clock.monotonic() - began)
        return _Answer(host=host.name, is_reached=not status, exit_status=status, says=says, took=took)

    try:
        check_local_files((host,))
    except ConfigError as error:
        return answer(ExitStatus.USAGE, str(error))
    try:
        session = visits.open(host)
    except (Unreachable, ConfigError) as error:  # as in a run: what is known only now keeps no other host waiting
        return answer(ExitStatus.UNREACHABLE, str(error))
    connected = answer(ExitStatus.OK, "")
    access, key, there = session.access, session.host_key, session.identity
    visits.close(session)
    rights = "has root" if access.is_root else access.why_not if access.is_narrow else f"not root: {access.why_not}"
    return replace(
        connected,
        says=f"{access.login}, {rights}",
        host_key=None if key is None else str(key),
        machine_id=there.machine_id,
        hostname=there.hostname,
    )


# --- inventory --------------------------------------------------------------------------------------------------------


def inventory(call: Call) -> ExitStatus:
    """List the hosts, or explain one."""
    path = inventory_path(call)
    if path is None:
        raise no_inventory()
    loaded = load_inventory(path)
    if name := call.text("explain"):
        return _explain_host(call, loaded, name)
    if call.is_json:
        return _document(call, "hosts", [_host_outline(host) for host in loaded.hosts])
    page = Page(_width())
    if call.has("graph"):
        _put_graph(page, loaded)
    else:
        _put_hosts(page, loaded)
    return _show(page)


def _host_outline(host: Host) -> dict[str, Any]:
    connection = host.connection
    return {
        "host": host.name,
        "address": connection.address,
        "groups": list(host.groups),
        "app": host.app_name,
        "environment": host.policy.environment,
        "mode": host.policy.mode.value,
    }


def _put_hosts(page: Page, loaded: Inventory) -> None:
    rows = [
        (
            host.name,
            host.connection.address,
            joined([host.policy.environment, "observe only" if host.policy.mode.value == "observe" else ""], ", "),
            host.app_name or "-",
            " ".join(group for group in host.groups if group != "all") or "-",
        )
        for host in loaded.hosts
    ]
    page.table([("host", "address", "environment", "app", "groups"), *rows])
    page.gap()
    page.line(f"{counted(len(rows), 'host')} in {loaded.source}")


def _put_graph(page: Page, loaded: Inventory) -> None:
    for group, members in sorted(loaded.groups.items()):
        page.line((group, HEADING), f"  {counted(len(members), 'host')}")
        page.prose(" ".join(sorted(members)), 4)


def _explain_host(call: Call, loaded: Inventory, name: str) -> ExitStatus:
    rows = loaded.explain(name)
    if call.is_json:
        return _document(call, "values", rows)
    page = Page(_width())
    page.line((name, HEADING))
    width = max(len(row.variable) for row in rows) + 4
    for row in rows:
        origin = str(row.origin) if row.origin is not None else "default"
        if width + len(row.value) + len(origin) + 3 <= page.width:
            page.line(
                f"  {row.variable}".ljust(width),
                f"{row.value}   ",
                origin.rjust(page.width - width - len(row.value) - 3),
            )
        else:
            page.beside(f"  {row.variable}", row.value, width)
            page.line(origin.rjust(page.width))
    return _show(page)


# --- lint -------------------------------------------------------------------------------------------------------------


def lint(call: Call) -> ExitStatus:
    """Check playbooks and inventories."""
    paths: list[str | Path] = list(call.many("paths"))
    playbooks = playbook_folders(call)
    paths += call.many("playbooks") if paths else playbooks
    own = inventory_path(call) if call.text("inventory") or not call.many("paths") else None
    paths += [own] if own is not None else []
    catalog = load_catalog()
    problems: list[Problem] = [*lint_files(paths, catalog, playbooks=playbooks)]
    if call.text("inventory") and own is not None:
        named: list[str | Path] = [
            *call.many("paths"),
            *playbooks[1:],
        ]  # the first are those that are shipped: whom they suit is unsaid
        problems += misfits(named, own, catalog)
    status = ExitStatus.USAGE if problems else ExitStatus.OK
    if call.is_json:
        _document(call, "problems", problems)
        return status
    page = Page(_width())
    for problem in problems:
        page.line(str(problem))
    page.line(
        f"{counted(len(problems), 'mistake') if problems else 'no mistake'} in {', '.join(map(shown_path, paths))}"
    )
    _show(page)
    return status


# --- runs -------------------------------------------------------------------------------------------------------------


def runs_list(call: Call) -> ExitStatus:
    """List the runs of this user."""
    runs = Runs(state_folder()).list()
    if call.is_json:
        return _document(call, "runs", runs)
    return _show(runs_page(runs, _width()))


def runs_show(call: Call) -> ExitStatus:
    """Show a run's record."""
    history = Runs(state_folder()).history(call.text("run"))
    if call.is_json:
        open_ends = {"ending": history.ending, "unanswered": history.unanswered, "cut_copies": history.cut_copies}
        with suppress(LookupError, TypeError, AttributeError):  # somebody else wrote a line of it
            open_ends["for_people"] = history.left_to_people
        return _document(call, "lines", history.lines, **open_ends)
    known: Mapping[str, Scenario] = {}
    with suppress(ConfigError):  # a playbook that is broken by now hides no record
        known = chosen_scenarios(call)[0]
    return _show(run_page(history, known, _width(), is_verbose=call.has("verbose"), again=invocation(call, "")))
