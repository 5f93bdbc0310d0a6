"""Slow-response on a real host: break it, see it red, preview, remedy, see it quick, run again: nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepFailed, StepPending, StepUndecided
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.waiting import eventually

if TYPE_CHECKING:
    from soleil_remediate.lab import Answer
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "slow-response"
#: Statements that are stopped after so little time, so that nobody has to wait for longer here.
SOON = {"longer_than": "5 s", "blocked_for": "5 s"}

#: Everything that a run which sends nothing must leave alone: files, services, and what the database works at.
_TRACES = r"""
find /etc /srv/soleil -xdev -path '*/storage/logs' -prune -o -printf '%p %i %s %m %u %T@\n' | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState -- nginx php8.2-fpm postgresql@15-main redis-server
cd / && sudo -u postgres psql -XAtq -c "select pid, backend_start, query_start from pg_stat_activity
    where usename = 'soleil' and state = 'active' and (query like '%pg_sleep%' or wait_event_type = 'Lock') order by 1"
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def seconds(rehearsal: Rehearsal) -> float:
    """How long the page takes as a rule, by the second pair of eyes; an error where it is not served."""
    words = "curl -sf -o /dev/null -m 9 -w '%{time_total}' localhost/api/health/ready"
    rehearsal.eyes().check_output(words)  # the first after a repair may still find what was cold
    return median(float(rehearsal.eyes().check_output(words)) for _ in range(3))


def statements(rehearsal: Rehearsal, condition: str) -> int:
    """How many of the cluster's sessions are so, as its superuser sees it."""
    query = f"select count(*) from pg_stat_activity where pid <> pg_backend_pid() and {condition}"  # noqa: S608  # the test's own text
    return int(rehearsal.host.shell(f'cd / && sudo -u postgres psql -XAtq -c "{query}"'))


def told(report: HostReport) -> str:
    assert report.preview is not None
    return str(report.preview.evidence)


def red_checks(report: HostReport) -> set[str]:
    assert report.preview is not None
    standing = report.preview.standing
    return {one.kind for one in (*standing.symptom, *standing.goal) if one.verdict.health.value == "faulty"}


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, the kinds that repair it, in order, what is said of it, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    says: str
    risk: Risk = Risk.DISRUPTIVE
    waited: bool = True


REPAIRED = [
    Rehearsed(
        fault="long-queries",
        sent=("statement.cancel",),
        says=r"/api/health/ready is not answered within 5 s.*all 5 children of php-fpm's pool www are busy "
        r"\(pm\.max_children = 5\), and \d+ requests wait for one; the database runs 5 statements of the application's",
    ),
    Rehearsed(
        fault="lock-queue",
        sent=("statement.cancel",),
        says=r"5 statements wait for a lock, the longest for \d+ s: session \d+ holds it, active for \d+ s",
    ),
    Rehearsed(
        fault="lock-queue-uncancelled",
        sent=("statement.end",),
        says=r"5 statements wait for a lock, the longest for \d+ s: session \d+ holds it, active for \d+ s",
    ),
    Rehearsed(
        fault="cold-cache",
        sent=("config-cache.build",),
        says=r"/api/health/ready takes \d+(\.\d)? (ms|s) \(p50\).* by 7 requests: half of them take longer than 1 s",
        risk=Risk.GENTLE,
        waited=False,
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_slow_site_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault, **({"waited": 6} if case.waited else {}))
    before = traces(rehearsal)

    seen = rehearsal.preview(**SOON)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert re.search(case.says, seen.outcome.why), seen.outcome.why
    assert seen.preview is not None
    assert seen.preview.round_trips <= 3
    assert seen.preview.risk is case.risk
    assert red_checks(seen) == checks_of(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate(inputs=SOON)
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == case.sent
    assert seconds(rehearsal) < 1
    assert statements(rehearsal, "wait_event_type = 'Lock'") == 0
    failed = [step.kind for step in report.steps if isinstance(step.outcome, StepFailed)]
    assert failed == (["statement.cancel"] if case.fault == "lock-queue-uncancelled" else [])

    after = traces(rehearsal)
    again = rehearsal.remediate(inputs=SOON)
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert traces(rehearsal) == after


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    shows: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="php-fpm-saturated",
        says=r"all 5 children .* busy \(pm\.max_children = 5\), and \d+ requests wait for one; none of them waits for "
        r"the database: .*By hand: find what holds them up; each has \d+.* so \d+ more fit .* set pm\.max_children in "
        r"/etc/php/8\.2/fpm/pool\.d/www\.conf to \d+ at most, then php-fpm8\.2 -t && systemctl reload php8",
    ),
    Refused(
        fault="n-plus-one",
        says=r"/api/health/ready takes .*nothing that may be changed would help",
        shows=r"N\+1: GET /api/health/ready asks at least \d{3,} times for select \* from users where id = \? and name "
        r"<> \?'.*slow request: GET /api/health/ready: \d+ times?",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_what_nothing_here_may_repair_is_said_precisely_and_nothing_is_sent(
    rehearsal: Rehearsal, case: Refused
) -> None:
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert re.search(case.shows, told(report)), told(report)
    assert red_checks(report) == checks_of(case.fault)
    assert traces(rehearsal) == before
    assert "guest-4711" not in str(report)


@pytest.mark.long
def test_others_statements_and_those_that_are_another_one_by_now_are_not_stopped(rehearsal: Rehearsal) -> None:
    """Other roles', superusers', backups', what works on whole tables, who waits: none of them is stopped unasked."""
    rehearsal.host.break_with("lock-queue", waited=6)
    rehearsal.host.shell(
        "cd / && sudo -u postgres psql -Xq -c \"create role other login password 'x'\"\n"
        "run() { systemd-run --quiet --collect --setenv=PGPASSWORD=$2 --setenv=PGAPPNAME=$3 "
        'psql -X "host=127.0.0.1 user=$1 dbname=soleil" -c "$4"; }\n'
        "run other x '' 'select pg_sleep(901)'\n"
        "run soleil soleil-secret pg_dump 'select pg_sleep(902)'\n"
        "run soleil soleil-secret '' 'create table x as select 1 from pg_sleep(903)'\n"
        "systemd-run --quiet --collect --uid=postgres psql -X -c 'select pg_sleep(904)'\n"
    )
    spared = "query ~ 'pg_sleep.90[1-4]' and state = 'active'"
    assert eventually(lambda: statements(rehearsal, f"{spared} and now() - query_start > '6 s'") == 4)
    seen = rehearsal.preview(**SOON)
    assert seen.preview is not None
    cancel = next(step.outcome for step in seen.preview.steps if step.kind == "statement.cancel")
    assert isinstance(cancel, StepPending)
    (change,) = cancel.plan.changes
    assert change.before.count(" for ") == 1, change.before

    def sent(old: str = "", new: str = "") -> Answer:
        words = [
            word.replace(old, new) if old and index < 10 else word for index, word in enumerate(change.command.words)
        ]
        as_postgres = 'cd / && exec setpriv --reuid postgres --regid postgres --init-groups "$@"'
        return rehearsal.host.run("sh", "-c", as_postgres, "sh", *words)

    asked = change.command.words[9].split("@")[2]
    for old, new in ((asked, "2026-01-01 00:00:00+00"), ("soleil", "other")):
        done = sent(old, new)
        assert done.returncode == 75, done
        assert "none of them is what it was any more: nothing was done" in done.stderr
    assert statements(rehearsal, "query like 'do %' and state = 'active'") == 1

    report = rehearsal.remediate(inputs=SOON)

    assert isinstance(report.outcome, Fixed), report.outcome
    assert statements(rehearsal, spared) == 4
    assert sent().returncode == 75
    named = rehearsal.preview(**SOON)
    assert isinstance(named.outcome, NotNeeded)
    for who in ("other of other", "pg_dump (the application's)", "CREATE"):
        assert who in told(named)


@pytest.mark.long
def test_a_migration_is_let_end_and_what_waits_for_an_idle_transaction_is_another_scenarios(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("lock-queue", waited=6)
    rehearsal.host.shell(
        "systemd-run --quiet --collect --unit=lab-migration bash -c 'exec -a \"php artisan migrate --force\" sleep 900'"
    )

    report = rehearsal.remediate(inputs=SOON)

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(r"statement\.cancel: artisan migrate runs \(process \d+\), and a statement", report.outcome.why)
    rehearsal.host.shell(
        "systemctl stop lab-migration lab-sessions-holder 'lab-asking*'; cd / && sudo -u postgres psql -Xq -c "
        "\"select pg_terminate_backend(pid) from pg_stat_activity where usename = 'soleil'\""
    )
    rehearsal.host.break_with("idle-in-transaction", waited=11)
    seen = rehearsal.preview()
    assert seen.preview is not None
    undecided = [step.outcome.why for step in seen.preview.steps if isinstance(step.outcome, StepUndecided)]
    assert any("soleil-remediate remediate --scenario database-connection-failure" in why for why in undecided)


@pytest.mark.long
def test_a_configuration_that_must_not_be_cached_is_left_alone(rehearsal: Rehearsal) -> None:
    """A closure in it cannot be cached; and code that reads .env itself would find nothing there any more."""
    rehearsal.host.break_with("cold-cache")
    rehearsal.host.shell(
        "cd /srv/soleil/current && sed -i \"s/'prices'/'round' => fn () => 1, &/\" config/rooms.php && rm -f "
        "bootstrap/cache/config.php"
    )
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert re.search(r"cannot be cached: Error, as of a closure in it: nothing was changed", str(report.steps))
    assert traces(rehearsal).split("systemctl")[0].count("config.php") == before.count("config.php")
    rehearsal.host.shell("echo '// env(\"X\")' >> /srv/soleil/current/app/Models/User.php")
    assert "app/Models/User.php reads .env itself" in rehearsal.remediate().outcome.why
