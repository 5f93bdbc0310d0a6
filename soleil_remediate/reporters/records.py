"""Records of runs for people: the list, and one run line by line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from soleil_remediate.history import RunSummary
from soleil_remediate.reporters.page import HEADING, Page, counted, joined
from soleil_remediate.units import ByteSize, Duration


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


def run_page(lines: Sequence[Mapping[str, Any]], width: int, *, is_verbose: bool) -> Page:
    """Return a run's record: what was seen, decided, sent and answered, in order."""
    page = Page(width)
    for line in lines:
        text = _said(line)
        if text:
            page.beside(f"{_local(str(line.get('at', '')), '%H:%M:%S')}  ", text, 10, at_most=0 if is_verbose else 6)
    if lines and lines[-1].get("type") != "RunEnded":
        page.gap()
        page.line(("UNFINISHED", HEADING), "  the record ends before the run did: look at the hosts with preview")
    return page


def _said(line: Mapping[str, Any]) -> str:  # noqa: PLR0911  # one sentence a kind of line
    host = f"{line['host']}  " if "host" in line else ""
    match line.get("type"):
        case "RunStarted":
            inputs = ", ".join(f"{name}={value}" for name, value in line["inputs"].items() if value is not None)
            began = _local(str(line.get("at", "")))
            return joined([line["scenario"], f"by {line['operator']}", ", ".join(line["hosts"]), inputs, began])
        case "HostSeen":
            preview = line["preview"]
            return f"{preview['host']}  seen: {preview['outcome'].get('verdict', '?')}, {preview['outcome']['why']}"
        case "GateAnswered":
            said = f"open for {counted(len(line['approved']), 'change')}" if line["is_open"] else "closed"
            return f"gate {said}: {line['by']}"
        case "HostClaimed":
            return f"{host}locked for {line['owner']}"
        case "CopySaved":
            copy = line["copy"]
            size, stored = ByteSize(copy["size"]), ByteSize(copy["stored"])
            return f"{host}saved {size} ({stored} as gzip) in {copy['path']}, sha256 {copy['sha256']}"
        case "ChangeIntended":
            return f"{host}sent {line['operation']} {line['kind']}: {line['change']['summary']}"
        case "ChangeAnswered":
            took = Duration(line["took"])
            said = f": {line['says']}" if line["says"] else ""
            return f"{host}answered {line['operation']}: exit status {line['exit_status']} after {took}{said}"
        case "ChangeUnanswered":
            return f"{host}no answer to {line['operation']}: {line['why']}"
        case "StepEnded":
            outcome = line["outcome"]
            why = outcome.get("why") or ""
            return f"{host}step {line['step'] + 1} {line['kind']}: {outcome['type'].removeprefix('Step')}. {why}"
        case "HostEnded":
            outcome = line["outcome"]
            return f"{host}{outcome['verdict']}: {outcome['why']}"
        case _:
            return ""
