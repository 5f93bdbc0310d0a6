"""``diagnose``."""

from __future__ import annotations

import sys

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, chosen_scenarios, invocation
from soleil_remediate.diagnosing import look_for
from soleil_remediate.errors import ExitStatus, worst
from soleil_remediate.loading import check_local_files
from soleil_remediate.reporters.diagnoses import diagnoses_page
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.transports.ways import EachItsWay


def diagnose(call: Call) -> ExitStatus:
    """Look for every scenario, and say what is wrong."""
    scenarios, catalog = chosen_scenarios(call)
    hosts, inventory = chosen_hosts(call)
    check_local_files(hosts)
    select = None if inventory is None else inventory.meant_by
    found = look_for(scenarios, hosts, catalog=catalog, transport=EachItsWay(), select=select)
    status = worst(one.exit_status for one in found)
    if call.is_json:
        print(list_document(call.verb, "hosts", list(found), exit_status=int(status)))  # noqa: T201  # the document
        return status
    screen = Screen.of(sys.stdout)
    screen.show(diagnoses_page(found, invocation(call, ""), screen.width))
    return status
