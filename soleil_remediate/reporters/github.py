"""A run as a step of GitHub Actions: what a person reads, folded, with annotations, and a summary of the job.

A runner takes for a command whatever line of a step's output begins with ``::NAME``, or holds ``##[NAME``, and so does
what a host says. So everything but :func:`command` goes through :class:`ActionsLog`, which lets no line be one:
neither an annotation nor ``::stop-commands::``, which would silence ours. The summary is a table and blocks of plain
text in HTML, where Markdown means nothing.

Source of what is escaped, and how: actions/toolkit, ``packages/core/src/command.ts``.
"""

from __future__ import annotations

import html
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from soleil_remediate.errors import WORST_FIRST, ExitStatus
from soleil_remediate.events import Event, RunEnded, RunStarted
from soleil_remediate.invocation import Invocation
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.endings import put_caveats, put_next, put_proof, put_saved, put_verdict
from soleil_remediate.reporters.left_to_people import put_left_to_people
from soleil_remediate.reporters.page import Page, counted
from soleil_remediate.reporters.visible import inert, visible
from soleil_remediate.scenario import ForPeople, Scenario
from soleil_remediate.secrecy import redacted

_LINES = re.compile(r"(?<=\n)|(?<=\r)(?!\n)")

#: GitHub shows so many annotations of a kind in a step, and drops the others.
_ANNOTATIONS = 10
#: A summary beyond 1 MiB is dropped whole.
_SUMMARY_LIMIT = 900_000
#: Hosts whose own pages stand in the summary; the table has all of them.
_PAGES = 20
_LEVELS = {ExitStatus.OK: "notice", ExitStatus.WORK_FOUND: "warning", ExitStatus.EASED: "warning"}


# --- commands, and what must not be one -------------------------------------------------------------------------------


def command(name: str, message: str = "", **properties: str) -> None:
    """Give the runner a command, escaped as the toolkit escapes.

    Args:
        name: Such as ``error``.
        message: What it says, in one or more lines.
        properties: Such as ``title``.
    """
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    stream = sys.stdout.beneath if isinstance(sys.stdout, ActionsLog) else sys.stdout
    sys.stdout.flush()
    stream.write(f"::{name}{' ' if told else ''}{told}::{_data(message)}\n")
    stream.flush()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class ActionsLog(io.TextIOBase):
    """A step's output in which no line is a command, whoever wrote it; lines pass on when they are complete.

    Args:
        beneath: What it is written to.
    """

    def __init__(self, beneath: TextIO) -> None:
        super().__init__()
        self.beneath = beneath
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = _LINES.split(self._begun + text)
        for line in whole:
            stripped = line.rstrip("\r\n")
            self.beneath.write(inert(stripped) + line[len(stripped) :])
        return len(text)

    def finish(self) -> None:
        """Pass on what has no end of line yet."""
        self.beneath.write(inert(self._begun))
        self._begun = ""
        self.beneath.flush()

    def flush(self) -> None:
        self.beneath.flush()

    def isatty(self) -> bool:
        return self.beneath.isatty()

    def fileno(self) -> int:
        return self.beneath.fileno()

    def writable(self) -> bool:
        return True


def is_runner(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a GitHub runner reads what is written here."""
    return environment.get("GITHUB_ACTIONS", "") == "true"


# --- a run ------------------------------------------------------------------------------------------------------------


class GitHubReporter:
    """Tells a run as *console* does, with all but its end in a group that folds.

    Args:
        console: Who tells it.
    """

    def __init__(self, console: Callable[[Event], None]) -> None:
        self._console = console

    def __call__(self, event: Event) -> None:
        """Tell one event."""
        if isinstance(event, RunStarted):
            command("group", visible(f"{event.scenario} on {', '.join(event.hosts)}", 200))
        elif isinstance(event, RunEnded):
            command("endgroup")
        self._console(event)


def annotate(report: RunReport) -> None:
    """Say of each host how it ended as an annotation, the worst first; the last one names those GitHub would drop."""
    for level in ("error", "warning", "notice"):
        hosts = [host for host in _worst_first(report) if _level(host) == level]
        shown = hosts if len(hosts) <= _ANNOTATIONS else hosts[: _ANNOTATIONS - 1]
        for host in shown:
            title = f"{host.host.name}: {host.outcome.word} ({report.scenario})"
            command(level, visible("; ".join((host.outcome.why, *host.warnings))), title=visible(title, 200))
        if rest := hosts[len(shown) :]:
            names = " ".join(host.host.name for host in rest)
            command(level, visible(names), title=f"{counted(len(rest), 'host')} more: {_words(rest)}")


def annotate_error(name: str, message: str) -> None:
    """Say why there was no run, as an annotation."""
    command("endgroup")
    lines = redacted(message).split("\n")  # a secret may go over several
    command("error", "\n".join(visible(line, 4000) for line in lines), title=visible(name, 200))


def _level(host: HostReport) -> str:
    level = _LEVELS.get(host.outcome.exit_status, "error")
    return "warning" if level == "notice" and host.warnings else level


def _words(hosts: Sequence[HostReport]) -> str:
    return ", ".join(dict.fromkeys(host.outcome.word for host in hosts))


def _worst_first(report: RunReport) -> list[HostReport]:
    return sorted(report.hosts, key=lambda host: WORST_FIRST.index(host.outcome.exit_status))


# --- the summary of the job -------------------------------------------------------------------------------------------


def write_summary(text: str, environment: Mapping[str, str] = os.environ) -> None:
    """Add *text* to the job's summary, where there is one; a warning says why it could not be."""
    name = environment.get("GITHUB_STEP_SUMMARY", "")
    if not name:
        return
    try:
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        command("warning", f"the job's summary could not be written: {error.strerror}")


def summary(report: RunReport, scenario: Scenario, again: Invocation, *, is_dry: bool) -> str:
    """Return a run for the job's summary: a table of all hosts, the worst first, and what to type next for each."""
    verb = "preview" if is_dry else "remediate"
    hosts = _worst_first(report)
    rows = [(host.host.name, host.outcome.word, str(len(host.sent)), host.outcome.why) for host in hosts]
    title = f"{verb} {report.scenario}: exit {int(report.exit_status)}"
    parts = _table(title, ("host", "verdict", "changes", "why"), rows, _SUMMARY_LIMIT // 2)
    size = sum(len(part.encode()) for part in parts)
    for host in hosts[:_PAGES]:
        text = _host_text(host, scenario, again, "" if is_dry else report.run, report.for_people)
        block = f"<pre>{html.escape(text)}</pre>"
        size += len(block.encode())
        if size > _SUMMARY_LIMIT:
            break
        parts += [block, ""]
    return "\n".join(parts) + "\n"


def settled(report: RunReport, status: ExitStatus) -> str:
    """Return for the job's summary how hosts of an earlier run ended after all; empty where there are none.

    Args:
        report: Those hosts.
        status: How the process ends, whatever else it did.
    """
    if not report.hosts:
        return ""
    rows = [(host.host.name, host.outcome.word, host.outcome.why) for host in _worst_first(report)]
    title = f"resume {report.run} ({report.scenario}): exit {int(status)}"
    page = Page(80)
    put_left_to_people(page, report.left_to_people)
    text = "\n".join(line.plain for line in page.lines)
    left = [f"<pre>{html.escape(text)}</pre>", ""] if text and len(text) < _SUMMARY_LIMIT // 8 else []
    return "\n".join([*_table(title, ("host", "verdict", "why"), rows, _SUMMARY_LIMIT // 8), *left]) + "\n"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> list[str]:
    """Return the lines of a table of hosts; where its rows take more than *limit* bytes, the rest is only counted."""
    parts = [f"<h3>{_cell(title)}</h3>", "", "<table>", _row("th", heads)]
    size = 0
    for number, cells in enumerate(rows):
        row = _row("td", cells)
        size += len(row.encode())
        if size > limit:
            more = counted(len(rows) - number, "host")
            parts.append(f"<tr><td colspan={len(heads)}>and {more} more</td></tr>")
            break
        parts.append(row)
    return [*parts, "</table>", ""]


def _row(tag: str, cells: Sequence[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_cell(cell)}</{tag}>' for cell in cells)}</tr>"


def _cell(text: str) -> str:
    """Return *text* as one line of HTML; a table ends at the first empty line, and there is none in it."""
    return html.escape(visible(text))


def _host_text(host: HostReport, scenario: Scenario, again: Invocation, run: str, for_people: ForPeople) -> str:
    page = Page(80)
    if host.preview is not None and host.after is not None and host.was_touched:
        put_proof(page, host.preview.standing, host.after)
    put_saved(page, host.copies)
    put_verdict(page, host)
    put_caveats(page, host)
    put_next(page, host, scenario, again, run, for_people)
    return "\n".join(line.plain for line in page.lines)
