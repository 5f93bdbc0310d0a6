"""What is looked at every day, on a real host: red exactly where it is broken, and nothing is changed by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from soleil_remediate.checked import Checked
from soleil_remediate.checking import check
from soleil_remediate.lab.faulting import Fault, faults
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


def daily(web1: LabHost) -> Checked:
    (found,) = check(routine="daily", hosts="web1", inventory=web1.lab.inventory)
    assert found.end is None
    return found


def tonight(web1: LabHost) -> None:
    """Let the backups be of tonight: the image that the host starts from may be older."""
    web1.shell("find /var/backups/soleil -type f -exec touch {} +")


def test_a_pristine_host_is_well_and_left_as_it_is(web1: LabHost) -> None:
    tonight(web1)
    traces = "find /srv /etc /var/backups -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort"
    before = web1.shell(traces)
    found = daily(web1)
    assert [one.verdict.why for one in found.checks if one.verdict.health is not Health.HEALTHY] == []
    assert {one.kind for one in found.checks} > {"debug.off", "backup.recent", "page.served", "workers.running"}
    assert found.exit_status == 0
    assert found.round_trips <= 2
    assert web1.shell(traces) == before


@pytest.mark.parametrize("fault", [one for one in faults() if one.routine], ids=lambda fault: fault.name)
def test_a_fault_that_nobody_suffers_by_yet_is_found(web1: LabHost, fault: Fault) -> None:
    tonight(web1)
    web1.break_with(fault.name)
    found = daily(web1)
    assert fault.routine == "daily"
    assert {one.kind for one in found.of(Health.FAULTY)} == set(fault.kinds)
    assert found.of(Health.UNKNOWN) == ()
    assert found.exit_status == 5


def test_a_fault_that_users_suffer_by_is_found_too(web1: LabHost) -> None:
    tonight(web1)
    web1.break_with("php-fpm-killed")
    assert [one.kind for one in daily(web1).of(Health.FAULTY)] == ["page.served", "page.served"]
