"""Queue-backlog on a real host: break it, see it red, preview, remedy, see it green, run again: nothing is sent."""

from __future__ import annotations

import json
import math
import re
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import HostReport
from soleil_remediate.facts.supervisors import LONG_ENOUGH, WATCHED
from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded, WouldFix, WrongInput
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.step_outcomes import StepFailed, StepStillFaulty, StepUndecided
from soleil_remediate.task import Health, Table, Verdict
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "queue-backlog"

#: What a run that sends nothing must leave alone: every file but logs, every process of supervisor's, every key.
_TRACES = r"""
find /srv /etc /usr/local -xdev -path '*/storage/logs' -prune -o -printf '%p %i %s %m %u %T@\n' | sort | sha256sum
supervisorctl status 2>/dev/null | sed 's/, uptime.*//' || :
pgrep -af 'artisan [h]orizon' || :
systemctl show --property=Id,MainPID,InvocationID,ActiveState -- nginx php8.2-fpm redis-server supervisor
systemctl list-units --all --no-legend 'soleil-remediate-*' || :
redis-cli keys '*' | sed '/queues:/d' | sort
"""
EXPORT = r"App\Jobs\ExportInvoice"


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def waiting(rehearsal: Rehearsal, ending: str = "") -> int:
    """How many jobs wait, by the second pair of eyes."""
    count = "zcard" if ending else "llen"
    return int(rehearsal.eyes().check_output(f"redis-cli {count} soleil_database_queues:default{ending}"))


def states(rehearsal: Rehearsal) -> list[str]:
    """How supervisor has the workers."""
    text = rehearsal.eyes().run("supervisorctl status").stdout
    return [line.split()[1] for line in text.splitlines()]


def undecided(report: HostReport) -> str:
    """What a person is told that cannot be done, and why."""
    assert report.preview is not None
    return "; ".join(step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, and the kinds that repair it, in order."""

    fault: str
    sent: tuple[str, ...]
    outcome: type[Fixed | Eased] = Fixed
    inputs: Mapping[str, str] = field(default_factory=dict)
    processes: int = 2


REPAIRED = [
    Rehearsed(fault="workers-stopped", sent=("workers.start",)),
    Rehearsed(fault="workers-fatal", sent=("workers.start",)),
    Rehearsed(fault="supervisor-stopped", sent=("service.start",)),
    Rehearsed(fault="jobs-stuck", sent=("workers.start",)),
    Rehearsed(fault="workers-paused", sent=("workers.restart",)),
    Rehearsed(fault="horizon-stopped", sent=("workers.start",), processes=1),
    Rehearsed(fault="horizon-paused", sent=("horizon.continue",), processes=1),
    Rehearsed(fault="horizon-workers-paused", sent=("workers.restart",), processes=1),
    Rehearsed(fault="queue-slow", sent=("workers.add",), outcome=Eased),
    Rehearsed(fault="jobs-failed", sent=("queue.retry",), inputs={"classes": EXPORT}),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_backlog_is_seen_worked_off_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault)
    before = rehearsal.host.shell(_TRACES)

    seen = rehearsal.preview(**case.inputs)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= 3
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert rehearsal.host.shell(_TRACES) == before

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, case.outcome), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert states(rehearsal) == ["RUNNING"] * case.processes
    if case.outcome is Fixed:  # hardly any were left at the last look, and the workers go on with them
        assert eventually(lambda: waiting(rehearsal) == waiting(rehearsal, ":reserved") == 0, within=30)

    again = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()


def horizons(rehearsal: Rehearsal) -> list[str]:
    """Every process of Horizon's, by number and by when it was started, the first one first."""
    listed = "for pid in $(pgrep -f 'artisan [h]orizon' || :); do echo $pid:$(cut -d ' ' -f 22 /proc/$pid/stat); done"
    return rehearsal.host.shell(listed).split()


@pytest.mark.long
def test_a_horizon_that_goes_on_is_the_same_processes(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("horizon-paused")
    before = horizons(rehearsal)
    assert len(before) == 4
    assert isinstance(rehearsal.remediate().outcome, Fixed)
    assert horizons(rehearsal) == before


@pytest.mark.long
def test_a_horizon_that_is_said_to_go_on_and_does_not_is_ended_and_started_anew(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("horizon-paused", **{"continue": "lies"})
    before = horizons(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == ("horizon.continue", "workers.restart")
    (still,) = [step.outcome.why for step in report.steps if isinstance(step.outcome, StepStillFaulty)]
    assert still == "still to do: Horizon is paused; 600 wait in default"
    after = horizons(rehearsal)
    assert len(after) == 4
    assert not set(before) & set(after)


@pytest.mark.long
def test_another_hosts_pause_is_told_and_a_horizon_that_takes_jobs_is_well(rehearsal: Rehearsal) -> None:
    """horizon:status speaks of all hosts that share a Redis, and each pauses for itself."""
    rehearsal.host.break_with("horizon-paused")
    paused = json.dumps({"pid": 7, "status": "paused", "at": 9999999999})
    rehearsal.host.run("redis-cli", "hset", "soleil_database_horizon:masters", "web2-7", paused).checked()

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == ("horizon.continue",)


@pytest.mark.long
def test_a_horizon_whose_workers_take_no_jobs_is_ended_well_and_all_its_processes_are_others(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("horizon-workers-paused")
    before = horizons(rehearsal)
    assert len(before) == 4

    assert isinstance(rehearsal.remediate().outcome, Fixed)

    after = horizons(rehearsal)
    assert len(after) == 4
    assert not set(before) & set(after)


@pytest.mark.long
def test_a_horizon_that_is_said_to_end_and_does_not_is_not_called_restarted(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("horizon-workers-paused", terminate="lies")
    before = horizons(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed), report.outcome
    (failed,) = [step.outcome.why for step in report.steps if isinstance(step.outcome, StepFailed)]
    assert "still at work from before: horizon. To cut off what it does" in failed
    assert horizons(rehearsal) == before
    assert waiting(rehearsal) == 600


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
        fault="workers-broken",
        says=r"would not start: can't find command '/usr/bin/php7\.4'\. By hand: correct its .*supervisorctl update",
    ),
    Refused(
        fault="workers-crash-loop",
        says=r"another start would not help: .*dies again and again.*exit status 1.*licence server.*failed-deployment",
    ),
    Refused(
        fault="jobs-slow", says=r"2 under way: its jobs are slow, the next is App\\Jobs\\ExportInvoice\. More workers"
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_what_would_not_help_is_said_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert re.search(case.says, undecided(report)), undecided(report)
    assert report.sent == ()
    assert rehearsal.red_checks() == checks_of(case.fault)


@pytest.mark.long
def test_a_start_that_fails_is_tried_once_and_its_last_words_are_told(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("workers-broken", what="exits")
    spawned = "grep -c spawned: /var/log/supervisor/supervisord.log"
    before = int(rehearsal.host.shell(spawned))

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    (failed,) = [step.outcome.why for step in report.steps if isinstance(step.outcome, StepFailed)]
    assert 'The "--max-tim" option does not exist' in failed
    until = time.monotonic() + 30  # supervisor itself tries each three times more, a little later each time
    while states(rehearsal) != ["FATAL", "FATAL"]:
        assert time.monotonic() < until, states(rehearsal)
        time.sleep(0.5)
    assert int(rehearsal.host.shell(spawned)) - before <= 2 * 4


@pytest.mark.parametrize(
    "stop, says",
    [
        ("systemctl stop redis-server", "the application's queue does not answer it: RedisException"),
        ("systemctl stop postgresql@15-main", "the application's database does not answer it: "),
        (
            "echo 'x(' >>/srv/soleil/current/bootstrap/app.php",
            "the application cannot be started: ParseError",
        ),
    ],
    ids=["redis", "database", "application"],
)
def test_workers_that_could_not_work_are_not_started_and_the_cause_is_told(
    rehearsal: Rehearsal, stop: str, says: str
) -> None:
    rehearsal.host.break_with("workers-stopped")
    rehearsal.host.shell(stop)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert says in undecided(report), undecided(report)
    assert report.sent == ()
    assert states(rehearsal) == ["STOPPED", "STOPPED"]


def test_workers_that_die_since_redis_is_down_are_no_fault_of_theirs(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell("systemctl stop redis-server; sleep 8")
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed)
    # Where the machine is busy, supervisor may never see one run for a second, and gives up on it.
    assert re.search("dies again and again|is FATAL", report.outcome.why), report.outcome.why
    assert "Connection refused" in report.outcome.why
    assert report.sent == ()


@pytest.mark.long
def test_workers_that_were_added_work_only_for_a_while_and_can_be_seen(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("queue-slow")

    report = rehearsal.remediate(inputs={"lasts": "1 min"})

    assert isinstance(report.outcome, Eased)
    assert re.search(r"empty in about \d+ min", report.outcome.why), report.outcome.why
    units = "systemctl list-units --no-legend --plain 'soleil-remediate-worker-*'"
    names = [line.split()[0] for line in rehearsal.host.shell(units).splitlines()]
    assert len(names) == 2
    shown = rehearsal.host.shell(f"systemctl show --property=RuntimeMaxUSec,User --value {names[0]}")
    assert {*shown.split()} == {"2min", "www-data"}
    words = rehearsal.host.shell("pgrep -af 'artisan queue:wor[k] redis --queue=default'").splitlines()
    assert len(words) == 2
    assert all("--sleep=1 --tries=1 --stop-when-empty --max-time=60" in line for line in words)
    rehearsal.host.shell(f'for n in $(seq 90); do [ -n "$({units})" ] || exit 0; sleep 1; done; exit 1')


def test_one_is_retried_first_and_what_fails_again_leaves_the_others_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("jobs-failed", over="no")
    listed = "su postgres -c \"psql -At -d soleil -c 'select uuid from failed_jobs order by id'\""
    before = rehearsal.host.shell(listed).splitlines()

    report = rehearsal.remediate(inputs={"classes": EXPORT})

    assert isinstance(report.outcome, NotFixed)
    assert "1 of 5 retried; " in report.outcome.why
    assert "failed again: RuntimeException; the others were left" in report.outcome.why
    after = rehearsal.host.shell(listed).splitlines()
    assert sorted(after) == sorted(before)
    assert after == [*before[1:], before[0]]  # the first alone was done, and stands at the end now
    assert "guest4711" not in report.outcome.why


def test_what_failed_is_done_once_each_and_nothing_else_is(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("jobs-failed", jobs=6)
    listed = "su postgres -c \"psql -At -d soleil -c 'select uuid from failed_jobs order by id'\""
    before = rehearsal.host.shell(listed).splitlines()

    report = rehearsal.remediate(inputs={"classes": EXPORT, "most_retried": "4"})

    assert isinstance(report.outcome, NotFixed)  # two are left for a person to decide
    done = rehearsal.host.shell("cat /srv/soleil/shared/storage/app/exports/done").splitlines()
    assert done == before[:4]
    assert rehearsal.host.shell(listed).splitlines() == before[4:]


def test_two_that_retry_at_once_retry_each_job_once(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("jobs-failed", jobs=4)
    seen = rehearsal.preview(classes=EXPORT).preview
    assert seen is not None
    ((_, step),) = seen.pending
    (command,) = [change.command for change in step.plan.changes]
    rehearsal.host.run("tee", "/tmp/retry", stdin=str(command.stdin).encode()).checked()

    words = f"setpriv --reuid www-data --regid www-data --init-groups {shlex.join(command.words)} </tmp/retry"
    rehearsal.host.shell(f"for n in 1 2 3; do {words} & done; wait")

    done = rehearsal.host.shell("cat /srv/soleil/shared/storage/app/exports/done").splitlines()
    assert sorted(done) == sorted(command.words[6:])


def test_failed_jobs_are_shown_by_class_and_nothing_of_what_they_are_about(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("jobs-failed")
    report = rehearsal.preview()
    assert isinstance(report.outcome, NotNeeded)
    assert report.preview is not None
    (shown,) = [one.shown for one in report.preview.evidence if one.kind == "queue.failed"]
    assert isinstance(shown, Table)
    assert shown.rows[0][:4] == (EXPORT, "5", "RuntimeException", "default")
    mistyped = rehearsal.preview(classes=EXPORT[:-1]).outcome
    assert isinstance(mistyped, WrongInput), mistyped
    assert mistyped.nearest == EXPORT
    assert "guest4711" not in repr(report.preview)


def test_jobs_in_a_database_are_counted_as_well(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(r"""
        cd /srv/soleil/current
        jobs="'database' => ['driver' => 'database', 'table' => 'jobs', 'queue' => 'default', 'retry_after' => 90],"
        sed -i "s/'sync' => \['driver' => 'sync'\],/& $jobs/" config/queue.php
        sed -i 's/^QUEUE_CONNECTION=.*/QUEUE_CONNECTION=database/' /srv/soleil/shared/.env
        sudo -u deploy php artisan queue:table
        sudo -u deploy php artisan migrate --force
        setpriv --reuid www-data --regid www-data --init-groups php artisan queue:fill 600 >/dev/null
    """)
    began = time.monotonic()
    report = rehearsal.preview()
    took = time.monotonic() - began
    assert isinstance(report.outcome, NotFixed)
    said = re.search(r"queue default: 600 wait, over 500, none was taken in (\d+) s", report.outcome.why)
    assert said, report.outcome.why
    # It is told how long was really watched: longer where the host was kept from counting again at once.
    assert WATCHED <= int(said[1]) <= math.ceil(max(WATCHED, took))
    assert report.preview is not None
    (shown,) = [one.shown for one in report.preview.evidence if one.kind == "queue.sizes"]
    assert isinstance(shown, Table)
    (row,) = [row for row in shown.rows if row[0] == "database default"]
    assert (row[1], row[7]) == ("600", r"App\Jobs\SendBookingMail")
    assert row[5]


def test_a_queue_in_another_database_behind_another_prefix_is_counted(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("workers-stopped", jobs=0)
    rehearsal.host.shell(r"""
        cd /srv/soleil/current
        sed -i "s/'soleil_database_'/'other*_'/; s/'default' => \$r(0)/'default' => \$r(4)/" config/database.php
        setpriv --reuid www-data --regid www-data --init-groups php artisan queue:fill 700 >/dev/null
        [ "$(redis-cli -n 4 llen 'other*_queues:default') $(redis-cli llen queues:default)" = '700 0' ]
        redis-cli -n 4 rpush 'other*_queues:emails' '{}' >/dev/null
    """)
    report = rehearsal.preview()
    assert "queue default: 700 wait, over 500" in report.outcome.why
    assert report.preview is not None
    (shown,) = [one.shown for one in report.preview.evidence if one.kind == "queue.sizes"]
    assert isinstance(shown, Table)
    assert [row[:2] for row in shown.rows] == [("redis default", "700"), ("redis emails", "1")]


def test_without_supervisor_a_worker_has_to_be_seen_for_a_minute_or_not_to_be_needed(rehearsal: Rehearsal) -> None:
    def of_workers() -> Verdict:
        seen = rehearsal.preview().preview
        assert seen is not None
        return next(one.verdict for one in seen.standing.symptom if one.kind == "workers.running")

    rehearsal.host.shell("systemctl stop supervisor; rm /etc/supervisor/conf.d/*")
    nowhere = of_workers()
    assert nowhere.health is Health.UNKNOWN
    assert nowhere.why.endswith("and no process is one: they may run elsewhere")
    outcome = rehearsal.remediate().outcome
    assert isinstance(outcome, NotFixed)
    assert outcome.why.startswith("it cannot be known whether anything is wrong: supervisor keeps no queue worker")

    rehearsal.host.shell(
        "systemd-run --quiet --unit=lab-worker --uid=www-data --working-directory=/srv/soleil/current "
        "php -d memory_limit=256M artisan queue:work redis --sleep=1"
    )
    began = time.monotonic()
    young = of_workers()
    assert young.health is Health.UNKNOWN
    assert young.why.startswith("lab-worker.service is a worker outside supervisor, started ")
    env = "/srv/soleil/shared/.env"
    rehearsal.host.run("sed", "-i", "s/^QUEUE_CONNECTION=.*/QUEUE_CONNECTION=sync/", env).checked()
    assert of_workers().why == "no worker is needed: the queue connection sync keeps no jobs"
    rehearsal.host.run("sed", "-i", "s/^QUEUE_CONNECTION=.*/QUEUE_CONNECTION=redis/", env).checked()
    time.sleep(max(0.0, began + LONG_ENOUGH + 1 - time.monotonic()))
    lasting = of_workers()
    assert (lasting.health, lasting.why) == (Health.HEALTHY, "workers run outside supervisor: lab-worker.service")
    assert isinstance(rehearsal.preview().outcome, NotNeeded)


def test_a_backlog_in_maintenance_mode_waits_for_its_end(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(r"""
        cd /srv/soleil/current
        setpriv --reuid www-data --regid www-data --init-groups php artisan down >/dev/null
        setpriv --reuid www-data --regid www-data --init-groups php artisan queue:fill 700 >/dev/null
        sleep 8
    """)
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed)
    assert "maintenance mode" in report.outcome.why
    assert "maintenance mode" in undecided(report)
    assert report.sent == ()
