"""``freeze``: stop every run of an inventory, whatever else works."""

from __future__ import annotations

import sys

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import inventory_path
from soleil_remediate.clock import SystemClock
from soleil_remediate.errors import ConfigError, ExitStatus, UnknownName
from soleil_remediate.events import as_data
from soleil_remediate.fleet import operator
from soleil_remediate.freezing import Brake, Freeze, Switch, released
from soleil_remediate.history import Ending
from soleil_remediate.record import Runs
from soleil_remediate.reporters.endings import GOOD, HALF
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import Page, joined
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.state import state_folder


def switch(call: Call) -> Switch | None:
    """Return the switch of the inventory that a call is about; ``None`` where it is about none."""
    if "@" in call.text("host"):
        return None
    path = inventory_path(call)
    return None if path is None else Switch(inventory=path, program=call.program.name)


def brake(call: Call) -> Brake:
    """Return what holds a call's changes back."""
    found = switch(call)
    return released if found is None else found.check


def freeze(call: Call) -> ExitStatus:
    """Freeze an inventory, or lift that."""
    found, state = switch(call), call.text("state")
    if state not in ("on", "off"):
        raise UnknownName("state of freeze", state, ["on", "off"])
    if found is None:
        raise ConfigError("there is no inventory, so nothing is sent to any host: name one with --inventory FILE")
    if state == "off":
        return _tell_lifted(call, found, found.thaw())
    before = found.found()
    frozen = found.freeze(operator(), SystemClock().now(), call.text("because"))
    return _tell(call, found, frozen, is_new=before is None)


def _tell(call: Call, found: Switch, frozen: Freeze, *, is_new: bool) -> ExitStatus:
    if call.is_json:
        return _document(call, found, frozen)
    page = Page(Screen.of(sys.stdout).width)
    put_freeze(page, found, frozen)
    if not is_new:
        unkept = " Your reason was not kept." if call.text("because") else ""
        page.prose(f"It was frozen already, and stays as it was.{unkept}", 10)
    if going := running():
        page.prose(f"going on now: {joined(going, ', ')}. Those of this inventory send no other change.", 2)
    Screen.of(sys.stdout).show(page)
    return ExitStatus.OK


def put_freeze(page: Page, found: Switch, frozen: Freeze) -> None:
    """Put on *page* who froze it, what that means, and how it is lifted."""
    page.line(("FROZEN", HALF), f"    {found.inventory}")
    page.prose(str(frozen), 10)
    whose = "Runs" if frozen.is_shared else f"Only {frozen.by.partition('@')[0]}'s own runs"
    page.prose(
        f"{whose} of this inventory on this machine finish the change that is under way and send no other. "
        "Other machines, and copies of the inventory, are not held back.",
        10,
    )
    page.command("  lift", found.lift, 10)


def running() -> tuple[str, ...]:
    """Return this user's runs whose processes are alive."""
    try:
        runs = Runs(state_folder()).list()
    except ConfigError:  # no home, or it cannot be read: what was frozen is frozen
        return ()
    return tuple(f"{run.run} ({run.scenario})" for run in runs if Ending.RUNNING.value in run.verdict.split(" · "))


def _tell_lifted(call: Call, found: Switch, lifted: tuple[Freeze, ...]) -> ExitStatus:
    if call.is_json:
        return _document(call, found, None, lifted=as_data(lifted))
    page = Page(Screen.of(sys.stdout).width)
    for one in lifted:
        page.beside(("LIFTED", GOOD), f"it was {one}", 10)
    if not lifted:
        page.line("nothing was frozen")
    page.prose(f"Runs of {found.inventory} may change hosts.", 2)
    Screen.of(sys.stdout).show(page)
    return ExitStatus.OK


def _document(call: Call, found: Switch, frozen: Freeze | None, **more: object) -> ExitStatus:
    items = [] if frozen is None else [frozen]
    print(list_document(call.verb, "frozen", items, inventory=str(found.inventory), **more))  # noqa: T201  # the document
    return ExitStatus.OK
