"""What is said of faults that were rehearsed; that they are is proven in tests/lab."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.rehearsal import FIGURES, PAGE, key, page
from soleil_remediate import cli
from soleil_remediate.cli.rehearsing import Table
from soleil_remediate.errors import ConfigError, ExitStatus, UnknownName
from soleil_remediate.events import as_data
from soleil_remediate.lab import Fault, Lab
from soleil_remediate.lab.faulting import Ending, Named, faults
from soleil_remediate.rehearsing import Rehearsed, check_inputs, faults_about, rehearsals
from soleil_remediate.units import Duration
from tests.unit.reporters.approved import approve

GOOD = Rehearsed(
    fault="php-fpm-killed",
    scenario="application-down",
    inputs={},
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
NAMED = replace(
    GOOD,
    fault="mail-jobs-failed",
    inputs={"classes": r"App\Jobs\SendBookingMail", "to": "oncall@soleil.example", "pause": "0.1 s"},
    ends=Ending.EASED,
    is_red_again=None,
)
#: Users do not suffer, so that nothing is found; what somebody names is done all the same.
WELL_AND_NAMED = replace(WELL, inputs={"customer": "1"}, ends=Ending.FIXED, verdict="FIXED")
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
    done = (GOOD, WELL, WELL_AND_NAMED, NAMED, BAD)
    table = Table([one.fault for one in done])
    shown = "".join(table.row(one, 80).text for one in done)
    approve("rehearsal", shown + table.end(done, ExitStatus.NOT_FIXED, 80).text)


def test_the_table_fits_a_terminal_whatever_the_fault_is_called() -> None:
    names = [fault.name for fault in faults()]
    table = Table(names)
    for inputs in [{}, *(fault.named.inputs for fault in faults() if fault.named)]:
        lines = table.row(replace(GOOD, fault=max(names, key=len), inputs=inputs), 80).text.splitlines()
        assert max(map(len, lines)) <= 80


def test_the_last_line_fits_a_terminal_however_many_faults_were_rehearsed_and_for_however_long() -> None:
    done = [replace(GOOD, fault=str(number // 2), took=Duration(25)) for number in range(250)]
    end = Table(["one"]).end([*done, BAD], ExitStatus.NOT_FIXED, 80).text
    assert end == "\n126 faults, 251 rehearsals, 1 not as it has to be · 1 h 44 min in all · exit 1\n"
    assert len(end.strip()) <= 80


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


def test_a_fault_is_rehearsed_as_it_is_found_and_again_with_what_a_person_would_name() -> None:
    known = faults()
    twice = {fault.name: fault.named.inputs for fault in known if fault.named}
    assert twice["address-attacking"] == {"incident": "INC-42", "address": "192.31.196.9"}
    assert twice["mail-jobs-failed"]["classes"] == r"App\Jobs\SendBookingMail"
    assert twice["mail-jobs-failed"]["pause"] == "0.1 s"
    done = [(fault.name, dict(inputs)) for fault, inputs in rehearsals(known)]
    assert [name for name, inputs in done if not inputs] == [fault.name for fault in known]
    assert {name: inputs for name, inputs in done if inputs} == twice
    assert len(done) == len(known) + len(twice)
    assert all(done[number - 1] == (name, {}) for number, (name, inputs) in enumerate(done) if inputs)


@pytest.mark.parametrize("fault", [fault for fault in faults() if fault.named], ids=lambda fault: fault.name)
def test_what_a_person_would_name_is_what_the_scenario_takes_and_makes_a_difference(fault: Fault) -> None:
    assert fault.named is not None
    check_inputs(fault.scenario, fault.named.inputs)
    assert fault.ends in {Ending.BY_HAND, Ending.WELL, Ending.NO_FURTHER}, "it is repaired without"
    assert fault.named.ends in {Ending.FIXED, Ending.EASED}, "naming it helps"


@pytest.mark.parametrize(
    "lines, told",
    [
        ("# named: address", "NAME=VALUE"),
        ("# named:", "NAME=VALUE"),
        ("# named: a=1 a=2", "each name once"),
        ("# named: a=1\n# then: better", "'# then: better' must be one of fixed, eased"),
        ("# then: eased", "'# then: eased' needs a line '# named: NAME=VALUE'"),
    ],
)
def test_a_fault_whose_lines_about_what_is_named_are_wrong_is_refused(tmp_path: Path, lines: str, told: str) -> None:
    (tmp_path / "one.sh").write_text(f"# about: one\n# scenario: disk-full\n# kinds:\n{lines}\n")
    with pytest.raises(ConfigError, match=f"one.sh.*{told}"):
        faults(tmp_path)


def test_what_is_named_is_quoted_as_for_a_shell_and_ends_fixed_unless_its_fault_says_else(tmp_path: Path) -> None:
    head = "# about: one\n# scenario: disk-full\n# kinds:\n"
    (tmp_path / "one.sh").write_text(f"{head}# named: classes='App\\Jobs\\One,Two' pause='0.1 s' note=a=b\n")
    (tmp_path / "two.sh").write_text(f"{head}# named: a=1\n# then: eased\n")
    (tmp_path / "zero.sh").write_text(head)
    inputs = {"classes": r"App\Jobs\One,Two", "pause": "0.1 s", "note": "a=b"}
    one, two = Named(inputs=inputs, ends=Ending.FIXED), Named(inputs={"a": "1"}, ends=Ending.EASED)
    assert [fault.named for fault in faults(tmp_path)] == [one, two, None]


@pytest.mark.parametrize(
    "words, told",
    [
        (
            "--fault address-hammering --set adress=203.0.113.7",
            "unknown input of rate-limit-breach 'adress'.*'address'",
        ),
        (
            "--fault address-hammering --set address=here",
            "--set address: web1: address.block: 'here' must be an address",
        ),
        ("--fault address-hammering --set lasts=long", "--set lasts: 'long' is no duration"),
        ("rate-limit-breach --set lasts=1s", "lasts must be from 5 min to 7 d"),
        ("redis --set clear_cache", "--set 'clear_cache': write NAME=VALUE"),
        ("redis --set clear_cache=yes --set clear_cache=no", "--set clear_cache is given twice"),
        (
            "--all --set address=203.0.113.7",
            "--set gives inputs of one scenario: name it, or a fault, instead of --all",
        ),
    ],
)
def test_inputs_are_refused_before_anything_is_built(
    words: str, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(Lab, "up")
    monkeypatch.delattr(Lab, "status")
    assert cli.main(["rehearse", *words.split()]) == ExitStatus.USAGE
    said = capsys.readouterr()
    assert re.search(told, said.err), said.err
    assert said.out == ""


def test_the_page_says_why_nothing_is_told_and_never_of_somebody_who_suffers_that_nobody_does() -> None:
    known = [fault for fault in faults() if fault.scenario]
    told_of = page(known, {GOOD.fault: as_data(GOOD) | {"measured": "2026-01-31", "machine": "2 cores"}})
    lines = [line.removeprefix("- ") for line in told_of.splitlines() if line.startswith("- ")]
    (well,) = [line for line in lines if line.endswith(": users do not suffer.")]
    quiet = {fault.name: fault for fault in known if fault.ends is Ending.WELL}
    apart = {name for name, fault in quiet.items() if fault.named or "page.reached" in fault.kinds}
    assert {"customer-limited", "jobs-failed", "certificate-expired"} == apart
    assert set(re.findall(r"`([a-z-]+)`", well)) == {*quiet} - apart
    for name in apart:
        (why,) = [line for line in lines if line.startswith(f"`{name}`: {quiet[name].about}. ")]
        by_whom = quiet[name].named
        assert all(f"`{one}`" in why for one in (by_whom.inputs if by_whom else ["page.reached"]))


def test_the_page_has_a_line_for_every_fault_of_a_scenario_and_each_ended_as_it_has_to() -> None:
    text = PAGE.read_text(encoding="utf-8")
    lines = [line.removeprefix("| ").split(" | ")[:3] for line in text.splitlines() if line.startswith("| ")]
    known = [fault for fault in faults() if fault.scenario]
    due = [(key(fault, inputs), [fault.name, fault.scenario, ", ".join(inputs) or "-"])
           for fault, inputs in rehearsals(known)]  # fmt: skip
    assert [name for name, line in due if lines.count(line) != 1] == [], "scripts/rehearse --rest"
    assert "| NO |" not in text
    assert "| SENT |" not in text
    assert "| NOT RED |" not in text
    assert page(known, json.loads(FIGURES.read_text(encoding="utf-8"))) == text, "scripts/rehearse writes it"
