"""Every fault of the lab, rehearsed: found, told first, repaired or left to a person, and never touched twice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.lab import Fault, Lab
from soleil_remediate.lab.faulting import Ending, fault_named, faults
from soleil_remediate.record import Runs
from soleil_remediate.rehearsing import faults_about, rehearse

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

MOST_ROUND_TRIPS = 3


@pytest.mark.parametrize("fault", faults_about(Lab()), ids=lambda fault: fault.name)
def test_a_fault_is_found_and_told_first_and_ends_as_it_has_to(web1: LabHost, fault: Fault, tmp_path: Path) -> None:
    done = rehearse(fault, web1.lab, runs=Runs(tmp_path))

    assert done.amiss == ()
    assert 0 < done.round_trips <= MOST_ROUND_TRIPS
    if done.is_red_again:  # what was taken back is said by the record of the run that had sent it
        lines = [line for run in Runs(tmp_path).list() for line in Runs(tmp_path).read(run.run)]
        taken_back = [line["takes_back"] for line in lines if line["type"] == "ChangeIntended" and line["takes_back"]]
        sent = [line["operation"] for line in lines if line["type"] == "ChangeIntended" and not line["takes_back"]]
        assert taken_back == sent[::-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What has to come of a fault once a person has named what its file says.

    Args:
        named: Which inputs that are.
        ends: How it ends then.
        sent: The kinds of what is sent, in order.
        is_red_again: Whether all of it can be taken back, and the fault is there again then.
        is_quick: Whether it is rehearsed by everybody before a change is shown, and not by CI alone.
    """

    named: tuple[str, ...]
    sent: tuple[str, ...]
    ends: Ending = Ending.FIXED
    is_red_again: bool | None = None
    is_quick: bool = False


TOLD = {
    "address-attacking": Told(
        named=("incident", "address"), sent=("evidence.collect", "address.block"), ends=Ending.EASED, is_red_again=True
    ),
    "address-hammering": Told(named=("address",), sent=("address.block",), is_red_again=True, is_quick=True),
    "bad-release-after-migration": Told(named=("migrations",), sent=("release.rollback",)),
    "customer-limited": Told(named=("customer",), sent=("limiter.clear",)),
    "jobs-failed": Told(named=("classes",), sent=("queue.retry",)),
    "mail-jobs-failed": Told(named=("classes", "to", "most_retried", "pause"), sent=("test-mail.send", "queue.retry")),
    "redis-full-of-cache": Told(named=("clear_cache",), sent=("cache.clear",)),
    "smtp-refuses": Told(named=("server",), sent=("service.start",), is_red_again=True),
    "tokens-shared": Told(named=("incident", "user"), sent=("evidence.collect", "tokens.revoke"), ends=Ending.EASED),
}


@pytest.mark.parametrize(
    "fault", [pytest.param(one, marks=() if TOLD[one].is_quick else pytest.mark.long) for one in TOLD]
)
def test_what_is_left_to_a_person_is_repaired_once_that_one_has_named_what_has_to_be(
    web1: LabHost, fault: str, tmp_path: Path
) -> None:
    told, named = TOLD[fault], fault_named(fault).named
    assert named is not None
    done = rehearse(fault_named(fault), web1.lab, inputs=named.inputs, runs=Runs(tmp_path))

    assert done.amiss == ()
    assert (tuple(done.inputs), done.ends) == (told.named, told.ends)
    assert (tuple(dict.fromkeys(done.sent)), done.sent_again) == (told.sent, ())
    assert done.is_red_again is told.is_red_again
    assert 0 < done.round_trips <= MOST_ROUND_TRIPS


def test_every_fault_that_somebody_can_name_something_for_is_rehearsed_with_it() -> None:
    assert {fault.name for fault in faults() if fault.named} == TOLD.keys()


@pytest.mark.long
@pytest.mark.parametrize(
    "inputs, ends, told",
    [
        (
            {"address": "192.31.196.99"},
            Ending.FIXED,
            r"NOT FIXED is not FIXED: .*: 192\.31\.196\.99 is not blocked: .* has 0 requests of its .*",
        ),
        ({"lasts": "2 h"}, Ending.BY_HAND, ""),
        ({"most": "1000000"}, Ending.BY_HAND, r"NOT NEEDED is not left to a person: .*"),
    ],
    ids=["another-address", "for-how-long", "another-limit"],
)
def test_whoever_names_something_else_is_told_what_came_of_it(
    web1: LabHost, inputs: dict[str, str], ends: Ending, told: str, tmp_path: Path
) -> None:
    done = rehearse(fault_named("address-hammering"), web1.lab, inputs=inputs, runs=Runs(tmp_path))
    assert (done.inputs, done.ends, done.sent, done.sent_again) == (inputs, ends, (), ())
    assert re.fullmatch(told, "".join(done.amiss), re.DOTALL), done.amiss


def test_what_does_not_end_as_it_has_to_is_told(web1: LabHost, tmp_path: Path) -> None:
    masked = fault_named("php-fpm-masked")
    done = rehearse(replace(masked, ends=Ending.FIXED, first="disk-full"), web1.lab, runs=Runs(tmp_path))
    told, ended = done.amiss
    assert told == "a diagnosis tells application-down first, not disk-full"
    assert re.match(r"(NOT FIXED|DECLINED) is not FIXED: .*masked", ended)
    assert (done.is_found, done.is_first_right, done.sent, done.sent_again) == (True, False, (), ())


KILLED = ("down", "--fault", "php-fpm-killed")


def rehearsed(lab: Lab, folder: Path, *about: str) -> list[str]:
    """Rehearse one fault in *lab* by the command line, and return what it says."""
    words = ["rehearse", *about, "--lab", lab.name]
    done = subprocess.run(
        [Path(sys.executable).parent / "soleil-remediate", *words],
        env=os.environ | {"XDG_STATE_HOME": str(folder)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_a_rehearsal_by_the_command_line_brings_up_a_lab_and_takes_it_down_again(lab: Lab, tmp_path: Path) -> None:
    another = Lab(f"{lab.name}-rehearsal")
    titles, row, gap, end = rehearsed(another, tmp_path, *KILLED)
    assert titles.split() == ["fault", "found", "first", "ended", "again", "undone", "after"]
    assert re.fullmatch(r"php-fpm-killed +yes +yes +fixed +silent +red +[0-9.]+ s", row)
    assert re.match(r"1 fault, each as it has to be · [0-9.]+ s in all · exit 0", end)
    assert gap == ""
    assert another.status() == []


@pytest.mark.long
def test_a_rehearsal_takes_no_host_away_that_was_there_before(lab: Lab, tmp_path: Path) -> None:
    another = Lab(f"{lab.name}-rehearsal")
    another.up(["bare1"])
    try:
        rehearsed(another, tmp_path, *KILLED)
        assert {host.name for host in another.status()} == {"bare1", "web1"}
    finally:
        another.down()


@pytest.mark.long
def test_what_is_named_on_the_command_line_is_done_and_stands_in_the_document(lab: Lab, tmp_path: Path) -> None:
    another = Lab(f"{lab.name}-rehearsal")
    named = "--fault", "customer-limited", "--set", "customer=1"
    document = json.loads("\n".join(rehearsed(another, tmp_path, "rate-limit", *named, "--output", "json")))
    (done,) = document["faults"]
    assert (done["fault"], done["inputs"], done["ends"]) == ("customer-limited", {"customer": "1"}, "fixed")
    assert (done["verdict"], done["sent"], done["amiss"]) == ("FIXED", ["limiter.clear"], [])
