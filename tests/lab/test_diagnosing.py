"""A real host, diagnosed: it is left as it is. Every fault is diagnosed in test_rehearsing.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from soleil_remediate import diagnose
from soleil_remediate.task import Health

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab


def test_a_host_on_which_nothing_is_wrong_is_left_as_it_is(web1: LabHost) -> None:
    traces = "find /srv /etc -xdev -printf '%p %i %s %m %T@\\n' | grep -v worker.log | sort; ls -d /run/soleil* || :"
    before = web1.shell(traces)
    (found,) = diagnose(hosts="web1", inventory=web1.lab.inventory)
    assert (found.end, found.exit_status, {one.health for one in found.findings}) == (None, 0, {Health.HEALTHY})
    assert web1.shell(traces) == before
