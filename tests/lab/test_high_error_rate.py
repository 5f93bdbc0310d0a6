"""High-error-rate on a real host with users: go back where it began with the release, and point elsewhere where not."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import Duration, PolicyGate, open_remediation
from soleil_remediate.events import Event, HostWatched, RunEnded, WatchEnded
from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.report import HostReport
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "high-error-rate"

#: What a run that sends nothing must leave alone; what users and workers write by themselves is left out.
_TRACES = r"""
find /srv/soleil /etc/nginx /etc/php -xdev -path '*/storage' -prune -o -printf '%p %i %s %m %u %T@ %l\n' | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState -- php8.2-fpm nginx redis-server postgresql@15-main
(cd /run/soleil-remediate/ops 2>/dev/null && ls) || :
"""
#: The release that the faults deploy, and somebody put live again.
_BAD = "20260102000000"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def failing(rehearsal: Rehearsal) -> int:
    """How many of three requests fail, by the second pair of eyes: one for each room."""
    url = f"http://{rehearsal.host.address}/api/bookings?room=[1-3]"
    said = rehearsal.eyes().check_output(f"curl -s -m 10 -o /dev/null -w '%{{http_code}} ' '{url}'")
    return str(said).split().count("500")


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, the kinds that repair it, in order, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    risk: Risk


REPAIRED = [Rehearsed(fault="release-fails-a-third", sent=("release.rollback",), risk=Risk.DISRUPTIVE)]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_errors_that_began_with_a_release_end_with_it_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    idle = rehearsal.preview().outcome
    assert isinstance(idle, NotNeeded)
    assert re.search(r"too few for a share \(20\), and none failed; /api/health/ready.* answers 200", idle.why)
    rehearsal.host.break_with(case.fault)
    assert failing(rehearsal) == 1
    before = traces(rehearsal)

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.risk is case.risk
    assert rehearsal.red_checks() == checks_of(case.fault)
    shown = {evidence.kind: str(evidence.shown) for evidence in seen.preview.evidence}
    assert "'GET /api/bookings'" in shown["requests.failing"]
    assert r" times RuntimeException by App\\Http\\Controllers\\BookingController->index" in shown["errors.logged"]
    assert "guest4711" not in str(seen)
    assert traces(rehearsal) == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == case.sent
    assert report.after is not None
    assert re.match(r"0 of \d+ requests failed in \d+ s", report.after.why(Health.HEALTHY))
    assert failing(rehearsal) == 0

    after = traces(rehearsal)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert traces(rehearsal) == after


def test_errors_are_shown_also_where_the_application_begins_a_log_every_day(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(
        """
        sed -i 's/^LOG_CHANNEL=.*/LOG_CHANNEL=daily/' /srv/soleil/shared/.env
        rm -f /srv/soleil/shared/storage/logs/laravel.log
        """
    )
    rehearsal.host.break_with("release-fails-a-third")
    seen = rehearsal.preview()
    assert seen.preview is not None
    shown = {evidence.kind: str(evidence.shown) for evidence in seen.preview.evidence}
    assert r" times RuntimeException by App\\Http\\Controllers\\BookingController->index" in shown["errors.logged"]
    assert rehearsal.host.shell("ls /srv/soleil/shared/storage/logs/laravel*.log").count("laravel-20") == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, what a person is told about it, and what is shown of it."""

    fault: str
    says: str
    shows: str


REFUSED = [
    Refused(
        fault="errors-of-redis",
        says=r"going back would not help: redis-server\.service is stopped",
        shows="its scenario is redis-down",
    ),
    Refused(
        fault="errors-of-two-releases",
        says=rf"going back from release {_BAD} would not help: .* and release {_BAD} is served since",
        shows="before it",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_what_no_release_brought_is_said_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert report.preview is not None
    assert case.shows in str(report.preview.evidence)
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before


def test_a_host_that_is_watched_after_its_repair_is_seen_to_fail_again_and_is_left_alone(rehearsal: Rehearsal) -> None:
    """With debug mode on besides, and a third party that is not there."""
    rehearsal.host.shell("sed -i 's/^APP_DEBUG=.*/APP_DEBUG=true/' /srv/soleil/shared/.env")
    rehearsal.host.break_with("release-fails-a-third")
    inventory = rehearsal.host.lab.inventory.with_name("third-parties.yml")
    text = rehearsal.host.lab.inventory.read_text()
    inventory.write_text(
        text.replace(
            "      user: www-data\n",
            "      user: www-data\n      third_parties: [http://127.0.0.1:9/, http://127.0.0.1/]\n",
        )
    )
    remediation = open_remediation(scenario=SCENARIO, hosts="web1", inventory=inventory)
    told: list[Event] = []

    def listen(event: Event) -> None:
        told.append(event)
        if isinstance(event, HostWatched) and event.health is Health.HEALTHY:
            threading.Thread(target=put_back).start()

    def put_back() -> None:
        rehearsal.host.shell(
            f"sudo -u deploy sh -c 'ln -s releases/{_BAD} /srv/soleil/current.new && cd /srv/soleil && "
            "mv -T current.new current'; systemctl reload php8.2-fpm"
        )

    report = remediation.remediate(
        gate=PolicyGate(says_yes=True), runs=rehearsal.runs, listener=listen, watch=Duration(60)
    ).hosts[0]

    assert any(isinstance(event, WatchEnded) for event in told), report.outcome
    (watched,) = [event for event in told if isinstance(event, WatchEnded)]
    assert (watched.stopped, watched.took < 60) == ("", True)
    assert isinstance(report.outcome, NotFixed)
    assert re.match(r"EASED at first, and at fault within \d+ s: \d+ of \d+ requests failed", report.outcome.why)
    assert report.kinds_sent == ("release.rollback",)
    first = next(host.outcome for host in _ended(told))
    assert isinstance(first, Eased)
    assert "debug mode is on" in first.why
    assert report.preview is not None
    assert "guest4711" not in str(report)
    shown = next(str(one.shown) for one in report.preview.evidence if one.kind == "dependency.overview")
    assert "http://127.0.0.1:9/: FAULT, is not answered: nothing listens there" in shown
    assert "http://127.0.0.1/: is reached, and answers" in shown
    (summary,) = rehearsal.runs.list()
    assert summary.verdict == "NOT FIXED"
    assert readlink(rehearsal) == f"releases/{_BAD}"


def _ended(told: list[Event]) -> list[HostReport]:
    return [host for event in told if isinstance(event, RunEnded) for host in event.report.hosts]


def readlink(rehearsal: Rehearsal) -> str:
    return str(rehearsal.eyes().check_output("readlink /srv/soleil/current"))
