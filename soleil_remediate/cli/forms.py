"""In which forms output comes: what is printed in each when a run has ended, or when there was none.

``console`` is for people; ``json`` and ``junit`` are one document on standard output, and nothing else there;
``github`` is what people read, with annotations and a summary for GitHub Actions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TextIO

from soleil_remediate.cli.call import Call
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.reporters.visible import visible
from soleil_remediate.secrecy import redacted

if TYPE_CHECKING:
    from soleil_remediate.invocation import Invocation
    from soleil_remediate.report import RunReport
    from soleil_remediate.scenario import Scenario

#: The forms that are one document for programs.
DOCUMENTS = frozenset({"json", "junit"})


@contextmanager
def safe_to_print(call: Call) -> Iterator[None]:
    """Let no line be a command where a GitHub runner reads what is printed, in whatever form it is."""
    is_github = call.text("output") == "github"
    if not is_github and os.environ.get("GITHUB_ACTIONS") != "true":
        yield
        return
    from soleil_remediate.reporters.github import ActionsLog  # noqa: PLC0415  # slow, and needed here alone

    def safe(stream: TextIO) -> TextIO:
        is_read_by_runner = is_github or not stream.isatty()
        return ActionsLog(stream) if is_read_by_runner else stream  # type: ignore[return-value]  # a text stream

    out, err = safe(sys.stdout), safe(sys.stderr)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield
    finally:
        for stream in (out, err):
            if isinstance(stream, ActionsLog):
                with suppress(OSError, ValueError):  # who reads it may have gone; the exit status says what happened
                    stream.finish()


def tell_run(  # noqa: PLR0913  # the last two are resume's own
    call: Call,
    report: RunReport,
    scenario: Scenario,
    again: Invocation,
    *,
    is_dry: bool,
    status: ExitStatus,
    before: RunReport | None = None,
    resumed: Mapping[str, Any] | None = None,
) -> None:
    """Print what is said about a run at its end; nothing for a console, which was told all along.

    Args:
        call: Says in which form.
        report: What became of the run.
        scenario: Which it is a run of.
        again: For the commands that are printed.
        is_dry: Nothing was to be sent.
        status: How the process ends.
        before: The run that this one goes on with: how those of its hosts ended that this one is not about.
        resumed: For programs: the same in full.
    """
    form = call.form
    if form == "json":
        from soleil_remediate.reporters.json import run_document  # noqa: PLC0415  # each form loads what it needs

        print(run_document(call.verb, report, is_dry=is_dry, status=status, resumed=resumed), flush=True)  # noqa: T201  # the document
    elif form == "junit":
        from soleil_remediate.clock import SystemClock  # noqa: PLC0415  # likewise
        from soleil_remediate.reporters.junit import junit_document  # noqa: PLC0415  # likewise

        ended = SystemClock().now()
        print(junit_document(call.verb, report, is_dry=is_dry, ended=ended, before=before), flush=True)  # noqa: T201  # the document
    elif form == "github":
        from soleil_remediate.reporters import github  # noqa: PLC0415  # likewise

        github.annotate(report if before is None else replace(report, hosts=(*before.hosts, *report.hosts)))
        if before is not None:
            github.write_summary(github.settled(before, status))
        github.write_summary(github.summary(report, scenario, again, is_dry=is_dry))


def tell_settled(call: Call, report: RunReport, resumed: Mapping[str, Any], status: ExitStatus) -> None:
    """Print what became of an earlier run where nothing of it is gone on with; nothing for a console, which was told.

    Args:
        call: Says in which form.
        report: How its hosts ended after all.
        resumed: For programs: the same in full.
        status: How the process ends.
    """
    form = call.form
    if form == "json":
        from soleil_remediate.reporters.json import list_document  # noqa: PLC0415  # see tell_run

        more = {name: value for name, value in resumed.items() if name != "changes"}
        print(list_document(call.verb, "changes", resumed["changes"], **more, exit_status=int(status)))  # noqa: T201  # the document
    elif form == "junit":
        from soleil_remediate.clock import SystemClock  # noqa: PLC0415  # likewise
        from soleil_remediate.reporters.junit import junit_document  # noqa: PLC0415  # likewise

        print(junit_document(call.verb, report, is_dry=False, ended=SystemClock().now()))  # noqa: T201  # the document
    elif form == "github":
        from soleil_remediate.reporters import github  # noqa: PLC0415  # likewise

        github.annotate(report)
        github.write_summary(github.settled(report, status))


def tell_error(
    call: Call,
    name: str,
    message: str,
    status: ExitStatus,
    *,
    before: RunReport | None = None,
    resumed: Mapping[str, Any] | None = None,
) -> None:
    """Print why a command ended without a run, or without an end of it.

    Args:
        call: Says in which form.
        name: What happened: the error's class.
        message: The same for people.
        status: How the process ends.
        before: The run that it was to go on with: how those of its hosts ended that are not left.
        resumed: For programs: the same in full.
    """
    form = "console"
    with suppress(ConfigError):
        form = call.form
    if form == "json":
        from soleil_remediate.reporters.json import error_document  # noqa: PLC0415  # only where it is asked for

        print(error_document(call.verb, name, message, status, resumed=resumed))  # noqa: T201  # the document
        return
    if form == "junit":
        from soleil_remediate.clock import SystemClock  # noqa: PLC0415  # likewise
        from soleil_remediate.reporters.junit import junit_error  # noqa: PLC0415  # likewise

        print(junit_error(call.verb, name, message, status, ended=SystemClock().now(), before=before))  # noqa: T201  # the document
        return
    if form == "github":
        from soleil_remediate.reporters import github  # noqa: PLC0415  # likewise

        github.annotate_error(name, message)
        if before is not None:
            github.annotate(before)
            github.write_summary(github.settled(before, status))
    for line in redacted(message).split("\n"):  # a secret may go over several lines
        print(visible(line, 4000), file=sys.stderr)  # noqa: T201  # the one sentence
