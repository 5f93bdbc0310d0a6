"""What is said of faults that were rehearsed; that they are is proven in tests/lab."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scripts.rehearsal import FIGURES, PAGE, page
from soleil_remediate.cli.rehearsing import Table
from soleil_remediate.errors import ExitStatus, UnknownName
from soleil_remediate.lab import Lab
from soleil_remediate.lab.faulting import Ending, faults
from soleil_remediate.rehearsing import Rehearsed, faults_about
from soleil_remediate.units import Duration
from tests.unit.reporters.approved import approve

GOOD = Rehearsed(
    fault="php-fpm-killed",
    scenario="application-down",
    ends=Ending.FIXED,
    is_found=True,
    first="application-down",
    is_first_right=True,
    round_trips=2,
    verdict="FIXED",
    sent=("service.start",),
    again="NOT NEEDED",
    sent_again=(),
    is_red_again=True,
    took=Duration(6.25),
    amiss=(),
)
WELL = replace(
    GOOD, fault="run-full", ends=Ending.WELL, is_found=False, first="", verdict="NOT NEEDED", sent=(), is_red_again=None
)
BAD = replace(
    GOOD,
    fault="bad-release-after-migration",
    first="disk-full",
    is_first_right=False,
    verdict="NOT FIXED",
    again="FIXED",
    sent_again=("service.start",),
    is_red_again=False,
    amiss=(
        "a diagnosis tells disk-full first, not application-down",
        "NOT FIXED is not FIXED: /api/health/live still answers 502, and nobody knows why that is so",
        "a second run sends service.start: it is fixed",
        "the repair was taken back, and nothing is wrong with the host",
    ),
)


def test_the_table_says_what_is_not_as_it_has_to_be() -> None:
    done = (GOOD, WELL, BAD)
    table = Table([one.fault for one in done])
    shown = "".join(table.row(one, 80).text for one in done)
    approve("rehearsal", shown + table.end(done, ExitStatus.NOT_FIXED, 80).text)


def test_the_table_fits_a_terminal_whatever_the_fault_is_called() -> None:
    names = [fault.name for fault in faults()]
    table = Table(names)
    lines = table.row(replace(GOOD, fault=max(names, key=len)), 80).text.splitlines()
    assert max(map(len, lines)) <= 80


def test_a_fault_is_chosen_by_its_scenario_or_by_its_name() -> None:
    lab = Lab()
    about = faults_about(lab, "application-down")
    assert {fault.scenario for fault in about} == {"application-down"}
    assert [fault.name for fault in faults_about(lab, "application-down", "php-fpm-killed")] == ["php-fpm-killed"]
    assert [fault.name for fault in faults_about(lab, fault="php-fpm-killed")] == ["php-fpm-killed"]
    assert [fault.name for fault in faults_about(lab)] == [fault.name for fault in lab.faults() if fault.scenario]


@pytest.mark.parametrize(
    "scenario, fault, told",
    [
        ("", "php-fpm-kiled", "php-fpm-killed"),
        ("disk-full", "php-fpm-killed", "fault of disk-full"),
        ("sunday", "", "disk-full"),
    ],
)
def test_a_fault_that_is_not_there_is_refused_with_those_that_are(scenario: str, fault: str, told: str) -> None:
    with pytest.raises(UnknownName, match=told):
        faults_about(Lab(), scenario, fault)


def test_the_page_has_a_line_for_every_fault_of_a_scenario_and_each_ended_as_it_has_to() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines()}
    known = [fault for fault in faults() if fault.scenario]
    missing = [fault.name for fault in known if f"| {fault.scenario} |" not in lines.get(fault.name, "")]
    assert missing == [], "scripts/rehearse --rest"
    assert "| NO |" not in text
    assert "| SENT |" not in text
    assert "| NOT RED |" not in text
    assert page(known, json.loads(FIGURES.read_text(encoding="utf-8"))) == text, "scripts/rehearse writes it"
