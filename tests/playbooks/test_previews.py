"""Each shipped playbook loads, and its preview of a recorded host is what a person approved."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from soleil_remediate import Remediation, load_catalog, open_remediation
from soleil_remediate.clock import SystemClock
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import load_scenarios, shipped_playbooks
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.transports.scripted import ScriptedTransport
from tests.playbooks.recordings import RECORDED, replay
from tests.unit.reporters.approved import approve

HERE = Path(__file__).resolve().parents[2]


def test_every_shipped_playbook_loads_and_has_a_recording() -> None:
    scenarios = load_scenarios([shipped_playbooks()], load_catalog())
    assert set(scenarios) == {scenario for scenario, _ in RECORDED}


@pytest.mark.parametrize("scenario, fault", RECORDED)
def test_the_preview_of_a_recorded_host_is_what_was_approved(
    scenario: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)
    web1 = replay(scenario, fault)
    remediation = open_remediation(
        scenario=scenario, hosts="web1", inventory="inventory/lab.yml", transport=ScriptedTransport(web1)
    )

    told = _told(remediation)

    approve(f"{scenario}-{fault}", told)
    assert web1.sent == []
    assert web1.owners == []


def _told(remediation: Remediation) -> str:
    stream = io.StringIO()
    reporter = ConsoleReporter(
        Screen(stream, is_terminal=False, width=80),
        cases=remediation.cases,
        again=Invocation(scenario=remediation.cases[0].scenario.name, hosts="web1"),
        clock=SystemClock(),
        is_dry=True,
        is_verbose=True,
    )

    remediation.preview(listener=reporter)
    return re.sub(r"(connected|looked) [0-9.]+ s", r"\1 0.1 s", stream.getvalue())
