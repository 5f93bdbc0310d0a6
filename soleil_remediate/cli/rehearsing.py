"""``rehearse``: faults of the lab, a line each as they are done, and what was not as it has to be."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_scenarios, more_playbooks
from soleil_remediate.cli.laboratory import lab_of, tell
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.lab import Fault, Lab
from soleil_remediate.loading import parse_inputs
from soleil_remediate.rehearsing import Rehearsed, check_inputs, faults_about, rehearsals
from soleil_remediate.rehearsing import rehearse as rehearsed
from soleil_remediate.reporters.endings import BAD, GOOD
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import HEADING, Page, counted
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.visible import shown_word
from soleil_remediate.units import Duration

#: Which host of the lab is broken and repaired.
_HOST = "web1"

_TITLES = ("found", "first", "ended", "again", "undone", "after")
_WIDTHS = (7, 7, 11, 8, 8, 0)
_INDENT = 4


def rehearse(call: Call) -> ExitStatus:
    """Break a host of the lab with each fault in turn, diagnose, repair, and run once more."""
    lab, folders = lab_of(call), more_playbooks(call)
    chosen = _chosen(call, lab)
    for one, inputs in chosen:
        if inputs:
            check_inputs(one.scenario, inputs, playbooks=folders)
    up = {host.name for host in lab.status()}
    screen, table = Screen.of(sys.stdout), Table([one.name for one, _ in chosen])
    done: list[Rehearsed] = []
    try:
        for one, inputs in chosen:
            if done or _HOST in up:
                lab.reset(_HOST)
            else:
                lab.up([_HOST], on_progress=tell)
            done.append(rehearsed(one, lab, inputs=inputs, host=_HOST, playbooks=folders))
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


def _chosen(call: Call, lab: Lab) -> list[tuple[Fault, Mapping[str, str]]]:
    """Return the faults that are meant, each with the inputs of a rehearsal: those of ``--set``, or its own."""
    scenario, fault, given = call.text("scenario"), call.text("fault"), call.many("set")
    if bool(scenario or fault) == call.has("all"):
        raise ConfigError("name a scenario, a fault, or --all")
    if given and call.has("all"):
        raise ConfigError("--set gives inputs of one scenario: name it, or a fault, instead of --all")
    scenarios, _ = chosen_scenarios(call)
    faults = faults_about(lab, scenarios.find(scenario).name if scenario else "", fault)
    if not given:
        return rehearsals(faults)
    parse_inputs(scenarios.find(faults[0].scenario), given)
    inputs = dict(text.split("=", 1) for text in given)
    return [(one, inputs) for one in faults]


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
            _yes(done, is_so=done.is_found),
            _yes(done, is_so=done.is_first_right),
            done.ends.value if not done.amiss else done.verdict.lower(),
            "silent" if not done.sent_again else "SENT",
            {None: "-", True: "red", False: "NOT RED"}[done.is_red_again],
            str(done.took),
        )
        page.line((self._cells(done.fault, *cells), BAD if done.amiss else ""))
        if done.inputs:
            named = (f"--set {shown_word(f'{name}={value}')}" for name, value in done.inputs.items())
            page.prose(f"with {' '.join(named)}", _INDENT)
        for why in done.amiss:
            page.prose(why, _INDENT)
        return page

    def end(self, done: Sequence[Rehearsed], status: ExitStatus, width: int) -> Page:
        """Return the last line."""
        amiss, faults = sum(bool(one.amiss) for one in done), len({one.fault for one in done})
        count = counted(faults, "fault") + (f", {len(done)} rehearsals" if len(done) > faults else "")
        total = Duration(sum(one.took for one in done))
        page = Page(width)
        page.line()
        said = f"{amiss} not as it has to be" if amiss else "each as it has to be"
        page.line(
            (f"{count}, {said}", BAD if status else GOOD),
            f" · {total} in all · exit {int(status)}",
        )
        return page

    def _cells(self, fault: str, *cells: str) -> str:
        return fault.ljust(self._wide) + "".join(cell.ljust(wide) for cell, wide in zip(cells, _WIDTHS, strict=True))


def _yes(done: Rehearsed, *, is_so: bool) -> str:
    """Return a word; where users do not suffer, nothing is what has to be found."""
    if done.is_quiet:
        return "-"
    return "yes" if is_so else "NO"
