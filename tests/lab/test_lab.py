"""The lab itself: what it brings up is real, and what it takes down is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost


def test_a_web_host_runs_the_application_and_its_services(web1: LabHost) -> None:
    assert '"status":"ok"' in web1.shell("curl -sS http://localhost/api/health/full")
