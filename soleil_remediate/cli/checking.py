"""``check``: what is looked at every day, week or month."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.checked import Checked
from soleil_remediate.checking import check_hosts
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, inventory_path, invocation, playbook_folders
from soleil_remediate.clock import Clock, SystemClock
from soleil_remediate.duties import Confirmations, DutySeen
from soleil_remediate.errors import ConfigError, ExitStatus, UnknownName, WorkFound, worst
from soleil_remediate.fleet import operator
from soleil_remediate.loading import check_local_files, load_routines
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.junit import junit_routine
from soleil_remediate.reporters.routines import routine_page
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.scenario import Routine
from soleil_remediate.state import state_folder
from soleil_remediate.transports.ways import EachItsWay


def check(call: Call) -> ExitStatus:
    """Look at what a routine looks at, and say what is left to people; or note that somebody did that."""
    catalog = load_catalog()
    known, name = load_routines(playbook_folders(call), catalog), call.text("routine")
    if name not in known:
        raise UnknownName("routine", name, known)
    routine, clock = known[name], SystemClock()
    confirmations = Confirmations(root=state_folder(), inventory=inventory_path(call))
    if done := call.many("confirm"):
        return _confirm(call, routine, done, confirmations)
    checked = _checked(call, routine, catalog, clock)
    return _tell(call, routine, checked, confirmations.standing(routine, clock.now()))


def _checked(call: Call, routine: Routine, catalog: Catalog, clock: Clock) -> tuple[Checked, ...]:
    """Ask the hosts that were named; none where the routine has duties alone, though a name must be somebody's."""
    if not (routine.checks or call.text("host")):
        return ()
    hosts, inventory = chosen_hosts(call)
    if not routine.checks:
        return ()
    check_local_files(hosts)
    select = None if inventory is None else inventory.meant_by
    return check_hosts(
        routine, hosts, call.many("set"), catalog=catalog, transport=EachItsWay(), select=select, clock=clock
    )


def _confirm(call: Call, routine: Routine, done: Sequence[str], confirmations: Confirmations) -> ExitStatus:
    if call.text("host"):
        raise ConfigError("--confirm notes what a person did, and asks no host: leave --host out")
    now = SystemClock().now()
    confirmations.confirm(routine, done, operator(), now)
    duties = tuple(one for one in confirmations.standing(routine, now) if one.duty.name in done)
    return _put(call, routine, (), duties, ExitStatus.OK)


def _tell(call: Call, routine: Routine, checked: Sequence[Checked], duties: Sequence[DutySeen]) -> ExitStatus:
    due = [WorkFound.exit_status] if any(one.is_due for one in duties) else []
    status = worst([ExitStatus.OK, *due, *(one.exit_status for one in checked)])
    return _put(call, routine, checked, duties, status)


def _put(
    call: Call, routine: Routine, checked: Sequence[Checked], duties: Sequence[DutySeen], status: ExitStatus
) -> ExitStatus:
    match call.form:
        case "json":
            more = {"routine": routine.name, "duties": list(duties), "exit_status": int(status)}
            print(list_document(call.verb, "hosts", list(checked), **more))  # noqa: T201  # the document
        case "junit":
            ended = SystemClock().now()
            print(junit_routine(call.verb, routine, checked, duties, ended=ended))  # noqa: T201  # the document
        case _:
            screen = Screen.of(sys.stdout)
            screen.show(routine_page(routine, checked, duties, invocation(call, ""), status, screen.width))
    return status
