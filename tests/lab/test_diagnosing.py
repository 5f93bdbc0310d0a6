"""Every fault of the lab, diagnosed on a real host: what is about it is told first, and nothing is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from soleil_remediate import Diagnosis, diagnose
from soleil_remediate.lab.faulting import Fault, faults
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

#: What only stands in a repair's way, or needs a public address to be seen from outside: nothing is wrong here.
WELL = {"nginx-broken-configuration", "certificate-expired", "run-full"}
#: Where the fault's own scenario has nothing to do, the symptom's is told first and says what the other needs.
FIRST = {
    "bad-release-under-traffic": "failed-deployment-rollback",
    "bad-release-after-migration": "application-down",
    "bad-release-alone": "application-down",
    "errors-before-release": "application-down",
}
#: A release in place takes one look more: which files differ is known only once the commit is.
MOST_ROUND_TRIPS = {"bad-checkout": 4}


def diagnosed(web1: LabHost) -> Diagnosis:
    (found,) = diagnose(hosts="web1", inventory=web1.lab.inventory)
    assert found.end is None
    return found


@pytest.mark.parametrize("fault", faults(), ids=lambda fault: fault.name)
def test_the_scenario_that_is_about_a_fault_is_told_first(web1: LabHost, fault: Fault) -> None:
    web1.break_with(fault.name)

    found = diagnosed(web1)

    assert found.findings[0].preview.round_trips <= MOST_ROUND_TRIPS.get(fault.name, 3)
    if fault.name in WELL:
        assert found.faulty == found.unknown == ()
        return
    assert found.exit_status == 5
    first = found.findings[0]
    assert (first.scenario, first.health) == (FIRST.get(fault.name, fault.scenario), Health.FAULTY)
    assert first.explained_by == ()


def test_a_host_on_which_nothing_is_wrong_is_left_as_it_is(web1: LabHost) -> None:
    traces = "find /srv /etc -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort; ls -d /run/soleil* || :"
    before = web1.shell(traces)
    found = diagnosed(web1)
    assert (found.exit_status, {one.health for one in found.findings}) == (0, {Health.HEALTHY})
    assert web1.shell(traces) == before
