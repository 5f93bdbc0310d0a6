"""Every fault of the lab, rehearsed: found, told first, repaired or left to a person, and never touched twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.lab import Fault, Lab
from soleil_remediate.lab.faulting import Ending, fault_named
from soleil_remediate.record import Runs
from soleil_remediate.rehearsing import faults_about, rehearse

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

#: A release in place takes one look more: which files differ is known only once the commit is.
MOST_ROUND_TRIPS = {"bad-checkout": 4}


@pytest.mark.parametrize("fault", faults_about(Lab()), ids=lambda fault: fault.name)
def test_a_fault_is_found_and_told_first_and_ends_as_it_has_to(web1: LabHost, fault: Fault, tmp_path: Path) -> None:
    done = rehearse(fault, web1.lab, runs=Runs(tmp_path))

    assert done.amiss == ()
    assert 0 < done.round_trips <= MOST_ROUND_TRIPS.get(fault.name, 3)
    if done.is_red_again:  # what was taken back is said by the record of the run that had sent it
        lines = [line for run in Runs(tmp_path).list() for line in Runs(tmp_path).read(run.run)]
        taken_back = [line["takes_back"] for line in lines if line["type"] == "ChangeIntended" and line["takes_back"]]
        sent = [line["operation"] for line in lines if line["type"] == "ChangeIntended" and not line["takes_back"]]
        assert taken_back == sent[::-1]


def test_what_does_not_end_as_it_has_to_is_told(web1: LabHost, tmp_path: Path) -> None:
    masked = fault_named("php-fpm-masked")
    done = rehearse(replace(masked, ends=Ending.FIXED, first="disk-full"), web1.lab, runs=Runs(tmp_path))
    told, ended = done.amiss
    assert told == "a diagnosis tells application-down first, not disk-full"
    assert re.match(r"(NOT FIXED|DECLINED) is not FIXED: .*masked", ended)
    assert (done.is_found, done.is_first_right, done.sent, done.sent_again) == (True, False, (), ())


def rehearsed(lab: Lab, folder: Path) -> list[str]:
    """Rehearse one fault in *lab* by the command line, and return what it says."""
    words = ["rehearse", "down", "--fault", "php-fpm-killed", "--lab", lab.name]
    done = subprocess.run(
        [Path(sys.executable).parent / "soleil-remediate", *words],
        env=os.environ | {"XDG_STATE_HOME": str(folder)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_rehearsal_by_the_command_line_brings_up_a_lab_and_takes_it_down_again(lab: Lab, tmp_path: Path) -> None:
    another = Lab(f"{lab.name}-rehearsal")
    titles, row, gap, end = rehearsed(another, tmp_path)
    assert titles.split() == ["fault", "found", "first", "ended", "again", "undone", "after"]
    assert re.fullmatch(r"php-fpm-killed +yes +yes +fixed +silent +red +[0-9.]+ s", row)
    assert re.match(r"1 fault, each as it has to be · [0-9.]+ s from broken to repaired, in all · exit 0", end)
    assert gap == ""
    assert another.status() == []


@pytest.mark.long
def test_a_rehearsal_takes_no_host_away_that_was_there_before(lab: Lab, tmp_path: Path) -> None:
    another = Lab(f"{lab.name}-rehearsal")
    another.up(["bare1"])
    try:
        rehearsed(another, tmp_path)
        assert {host.name for host in another.status()} == {"bare1", "web1"}
    finally:
        another.down()
