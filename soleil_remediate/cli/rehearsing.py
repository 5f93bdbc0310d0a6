"""``rehearse``: faults of the lab, a line each as they are done, and what was not as it has to be."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_scenarios, more_playbooks
from soleil_remediate.cli.laboratory import lab_of, tell
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.lab.faulting import Ending
from soleil_remediate.rehearsing import Rehearsed, faults_about
from soleil_remediate.rehearsing import rehearse as rehearsed
from soleil_remediate.reporters.endings import BAD, GOOD
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import HEADING, Page, counted
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.units import Duration

#: Which host of the lab is broken and repaired.
_HOST = "web1"

_TITLES = ("found", "first", "ended", "again", "undone", "after")
_WIDTHS = (7, 7, 11, 8, 8, 0)
_INDENT = 4


def rehearse(call: Call) -> ExitStatus:
    """Break a host of the lab with each fault in turn, diagnose, repair, and run once more."""
    scenario, fault = call.text("scenario"), call.text("fault")
    if bool(scenario or fault) == call.has("all"):
        raise ConfigError("name a scenario, a fault, or --all")
    found, _ = chosen_scenarios(call)
    lab, folders = lab_of(call), more_playbooks(call)
    chosen = faults_about(lab, found.find(scenario).name if scenario else "", fault)
    up = {host.name for host in lab.status()}
    screen, table = Screen.of(sys.stdout), Table([one.name for one in chosen])
    done: list[Rehearsed] = []
    try:
        for one in chosen:
            if done or _HOST in up:
                lab.reset(_HOST)
            else:
                lab.up([_HOST], on_progress=tell)
            done.append(rehearsed(one, lab, host=_HOST, playbooks=folders))
            if not call.is_json:
                screen.show(table.row(done[-1], screen.width))
    finally:
        if not up:
            lab.down()
    status = ExitStatus.NOT_FIXED if any(one.amiss for one in done) else ExitStatus.OK
    if call.is_json:
        print(list_document(call.verb, "faults", done, exit_status=int(status)))  # noqa: T201  # the document
    else:
        screen.show(table.end(done, status, screen.width))
    return status


class Table:
    """A table whose rows are printed one by one.

    Args:
        names: Of all faults that will stand in it: they decide how wide its first column is.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._wide = max(map(len, ("fault", *names))) + 2
        self._is_begun = False

    def row(self, done: Rehearsed, width: int) -> Page:
        """Return what is said of one fault, below the titles where it is the first one."""
        page = Page(width)
        if not self._is_begun:
            page.line((self._cells("fault", *_TITLES), HEADING))
            self._is_begun = True
        cells = (
            _yes(done.ends, is_so=done.is_found),
            _yes(done.ends, is_so=done.is_first_right),
            done.ends.value if not done.amiss else done.verdict.lower(),
            "silent" if not done.sent_again else "SENT",
            {None: "-", True: "red", False: "NOT RED"}[done.is_red_again],
            str(done.took),
        )
        page.line((self._cells(done.fault, *cells), BAD if done.amiss else ""))
        for why in done.amiss:
            page.prose(why, _INDENT)
        return page

    def end(self, done: Sequence[Rehearsed], status: ExitStatus, width: int) -> Page:
        """Return the last line."""
        amiss = sum(bool(one.amiss) for one in done)
        total = Duration(sum(one.took for one in done))
        page = Page(width)
        page.line()
        said = f"{amiss} not as it has to be" if amiss else "each as it has to be"
        page.line(
            (f"{counted(len(done), 'fault')}, {said}", BAD if status else GOOD),
            f" · {total} from broken to repaired, in all · exit {int(status)}",
        )
        return page

    def _cells(self, fault: str, *cells: str) -> str:
        return fault.ljust(self._wide) + "".join(cell.ljust(wide) for cell, wide in zip(cells, _WIDTHS, strict=True))


def _yes(ends: Ending, *, is_so: bool) -> str:
    """Return a word; where users do not suffer, nothing is what has to be found."""
    if ends is Ending.WELL:
        return "-"
    return "yes" if is_so else "NO"
