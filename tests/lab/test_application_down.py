"""Application-down on a real host: break it, see it red, preview, remedy, see it green, run again: nothing is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.step_outcomes import StepRemedied, StepStillFaulty
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.lab.test_exhausted_rollbacks import check_end
from tests.lab.test_failed_deployment import OLD, _processes
from tests.laws.samples import TASKS
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "application-down"

#: Everything of the services that a run which sends nothing must leave alone, what a test of a configuration could
#: leave behind among it: empty logs and pid files, locks, lines in php-fpm's log, another start.
_TRACES = r"""
find /run /tmp /etc /var/lib/nginx -xdev -name motd.dynamic -prune -o \
    \( -path /run/systemd -o -path /run/user -o -path /run/log -o -path /run/sudo \) -prune -o \
    -type f -printf '%p %i %s %m %u %T@\n' | sort
find /var/log \( -name journal -o -name supervisor -o -name access.log -o -name error.log -o -name '[bw]tmp' \
    -o -name lastlog \) -prune -o -type f -printf '%p %i %s %m %u %T@\n' | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState,UnitFileState -- nginx php8.2-fpm postgresql@15-main \
    redis-server supervisor
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def answer(rehearsal: Rehearsal, page: str) -> str:
    """What nginx answers, by the second pair of eyes."""
    said = rehearsal.eyes().check_output(f"curl -s -o /dev/null -m 5 -w '%{{http_code}}' localhost/api/health/{page}")
    return str(said)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, and the kinds that repair it, in order."""

    fault: str
    sent: tuple[str, ...]
    outcome: type[Fixed | Eased] = Fixed


REPAIRED = [
    Rehearsed(fault="php-fpm-killed", sent=("service.start",)),
    Rehearsed(fault="nginx-killed", sent=("service.start",)),
    Rehearsed(fault="php-fpm-killed-nginx-broken", sent=("service.start",), outcome=Eased),
    Rehearsed(fault="nginx-stale-configuration", sent=("nginx.reload",)),
    Rehearsed(fault="php-fpm-workers-hang", sent=("service.reload",)),
    Rehearsed(fault="octane-workers-hang", sent=("octane.reload",)),
    Rehearsed(fault="php-fpm-hangs", sent=("service.reload", "service.restart")),
    Rehearsed(fault="php-fpm-socket-deleted", sent=("service.restart",)),
    Rehearsed(fault="nginx-hangs", sent=("service.restart",)),
    Rehearsed(fault="bad-release-under-traffic", sent=("release.rollback",)),
]


#: What is said of php-fpm's socket, where that is out of reach.
SOCKETS = {
    "php-fpm-killed": ["NOBODY"],
    "php-fpm-killed-nginx-broken": ["NOBODY"],
    "octane-workers-hang": ["NOBODY"],  # it is not used there, and configured as ever
    "php-fpm-socket-deleted": ["FILE GONE"],
}


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_an_application_that_is_down_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert seen.preview is not None
    assert seen.preview.round_trips <= 2
    (sockets,) = (str(one.shown) for one in seen.preview.evidence if one.kind == "socket.overview")
    assert [word for word in ("NOBODY", "FILE GONE") if word in sockets] == SOCKETS.get(case.fault, [])
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, case.outcome), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    tried = [step.outcome for step in report.steps if isinstance(step.outcome, StepRemedied | StepStillFaulty)]
    assert isinstance(tried[-1], StepRemedied)
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    eyes = rehearsal.eyes()
    assert eyes.service("nginx").is_running
    assert eyes.service("octane" if case.sent == ("octane.reload",) else "php8.2-fpm").is_running
    assert answer(rehearsal, "ready") == "200"

    after = traces(rehearsal)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert traces(rehearsal) == after


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str


REFUSED = [
    Refused(
        fault="php-fpm-broken-pool", says=r"invalid process manager.* By hand: .*php-fpm8\.2 -t .* systemctl start"
    ),
    Refused(fault="nginx-killed-and-broken", says=r"unknown directive \"nonsense\".* By hand: .*nginx -t && systemctl"),
    Refused(
        fault="php-fpm-masked", says=r"is masked: somebody forbade it to start\. If that is over: systemctl unmask"
    ),
    Refused(fault="php-fpm-restart-loop", says=r"started again \d+ times by systemd itself; .*invalid process manager"),
    Refused(fault="maintenance-mode", says=r"in maintenance mode, by /srv/soleil/current/storage/framework/down"),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_what_a_restart_would_not_help_is_said_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault)
    loops = case.fault == "php-fpm-restart-loop"  # it changes by itself all the time
    before = "" if loops else traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert rehearsal.red_checks() == checks_of(case.fault)
    if not loops:
        assert traces(rehearsal) == before


def test_php_fpm_is_not_blamed_where_the_database_is_down(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("postgresql-killed")
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(r"would not help: postgresql@15-main\.service is failed", report.outcome.why), report.outcome.why
    assert traces(rehearsal) == before


def test_a_release_that_nobody_has_seen_go_well_before_is_left_to_a_person(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell("systemctl stop nginx; rm -f /var/log/nginx/access.log*; systemctl start nginx")
    rehearsal.host.break_with("bad-release")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(
        r"release 20260102000000 is served since .*; nothing is logged before\. If it is to blame: `soleil-remediate "
        rf"remediate --scenario failed-deployment-rollback {re.escape(rehearsal.options)} --set to=20260101000000`",
        report.outcome.why,
    ), report.outcome.why


def test_a_way_back_that_is_unfinished_is_told_while_pages_are_served_and_finished_by_the_run_that_is_needed(
    rehearsal: Rehearsal,
) -> None:
    """Workers and php-fpm run the bad release's code: to start nginx again is not all of it."""
    rehearsal.host.break_with("rollback-cut-off")
    before = _processes(rehearsal)
    idle = rehearsal.preview()
    assert isinstance(idle.outcome, NotNeeded)
    assert idle.preview is not None
    assert "a way back is unfinished" in idle.preview.standing.why(Health.FAULTY)
    assert rehearsal.red_checks() == {"rollback.finished"}
    rehearsal.host.break_with("nginx-killed")

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert "a way back is unfinished" in seen.outcome.why
    assert rehearsal.red_checks() == {"page.served", "rollback.finished"}

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == ("service.start", "release.rollback")
    assert report.sent[-1].change.summary == f"let php-fpm and workers follow to release {OLD}"
    check_end(rehearsal, before)

    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert rehearsal.red_checks() == set()


def test_a_broken_configuration_that_was_never_loaded_is_no_fault_of_now_and_told_all_the_same(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("nginx-broken-configuration")
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotNeeded)
    assert report.preview is not None
    assert report.preview.standing.goal_health is Health.FAULTY
    assert 'unknown directive "nonsense"' in report.preview.standing.why(Health.FAULTY)
    assert rehearsal.red_checks() == checks_of("nginx-broken-configuration")
    assert traces(rehearsal) == before
    assert answer(rehearsal, "ready") == "200"


def test_a_configuration_is_tested_without_a_trace_where_the_test_itself_would_leave_some(rehearsal: Rehearsal) -> None:
    """With nginx gone its own test makes an empty pid file and missing logs, and php-fpm's a line in its log."""
    rehearsal.host.break_with("nginx-killed")
    rehearsal.host.shell("rm -f /run/nginx.pid /var/log/nginx/error.log /var/log/nginx/access.log")
    before = traces(rehearsal)

    assert isinstance(rehearsal.preview().outcome, WouldFix)

    assert traces(rehearsal) == before
    assert rehearsal.host.shell("ls /run/nginx.pid /var/log/nginx 2>/dev/null || :") == "/var/log/nginx:"


def test_a_configuration_broken_between_plan_and_start_is_not_started_with(rehearsal: Rehearsal) -> None:
    """The test inside the change is what counts: what was seen before it may be over."""
    rehearsal.host.break_with("php-fpm-killed")
    (step,) = [step for _, step in rehearsal.preview().preview.pending]  # type: ignore[union-attr]  # it was looked at
    rehearsal.host.shell("echo 'pm = nonsense' >>/etc/php/8.2/fpm/pool.d/www.conf")

    done = rehearsal.host.run(*step.plan.changes[0].command.words)

    assert done.returncode == 75
    assert "invalid process manager" in done.stderr
    assert rehearsal.host.shell("systemctl is-active php8.2-fpm || :") == "failed"


def test_a_service_that_starts_well_and_dies_seconds_later_has_not_been_started(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(
        "mkdir -p /etc/systemd/system/php8.2-fpm.service.d\n"
        "printf '[Service]\\nRuntimeMaxSec=2\\n' >/etc/systemd/system/php8.2-fpm.service.d/short.conf\n"
        "systemctl daemon-reload"
    )
    rehearsal.host.break_with("php-fpm-killed")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert "php8.2-fpm.service is failed\n" in report.outcome.why
    assert answer(rehearsal, "live") == "502"


def test_a_service_that_systemd_refuses_to_start_again_so_soon_is_started(rehearsal: Rehearsal) -> None:
    """It may be killed as often as its limit allows, and its Result goes on saying by what: the limit is not named."""
    rehearsal.host.shell(
        "mkdir -p /etc/systemd/system/php8.2-fpm.service.d\n"
        "printf '[Unit]\\nStartLimitIntervalSec=1h\\nStartLimitBurst=2\\n' "
        ">/etc/systemd/system/php8.2-fpm.service.d/limit.conf\n"
        "systemctl daemon-reload"
    )
    for _ in range(2):
        rehearsal.host.shell("systemctl start php8.2-fpm")
        rehearsal.host.break_with("php-fpm-killed")
        rehearsal.host.shell("systemctl start php8.2-fpm || :")
    rehearsal.host.shell("systemctl kill --signal=KILL php8.2-fpm || :")
    assert eventually(lambda: rehearsal.host.shell("systemctl show -P ActiveState php8.2-fpm").strip() == "failed")
    state = rehearsal.host.shell("systemctl start php8.2-fpm || systemctl show -P Result php8.2-fpm")
    assert state.strip() == "signal"

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report
    assert answer(rehearsal, "ready") == "200"


@pytest.mark.long
def test_an_octane_that_is_said_to_reload_and_does_not_is_not_called_repaired(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("octane-workers-hang", reload="lies")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(r"still at work from before:( \d+)+\. artisan said: Reloading workers", report.outcome.why)
    still = "curl -s -o /dev/null -m 3 -w '%{http_code}' localhost/api/health/live || :"
    assert rehearsal.host.shell(still) == "000"
