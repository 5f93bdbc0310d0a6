"""Database-connection-failure on a real host: break it, see it red, preview, remedy, see it green, run again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate import diagnose
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.step_outcomes import StepRemedied
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.waiting import eventually

if TYPE_CHECKING:
    from soleil_remediate.lab import Answer
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "database-connection-failure"

#: Everything that a run which sends nothing must leave alone.
_TRACES = r"""
find /etc /var/lib/postgresql/15/main -xdev -name pg_wal -prune -o -name pg_stat_tmp -prune -o -name pg_logical -prune \
    -o -type f -name '*.conf' -printf '%p %i %s %m %u %T@\n' -o -name '*.signal' -print | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState,UnitFileState -- nginx php8.2-fpm postgresql@15-main \
    redis-server supervisor pgbouncer
(cd /run/soleil-remediate/ops 2>/dev/null && ls) || true
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def answer(rehearsal: Rehearsal, page: str = "ready") -> str:
    """What nginx answers, by the second pair of eyes."""
    said = rehearsal.eyes().check_output(f"curl -s -o /dev/null -m 9 -w '%{{http_code}}' localhost/api/health/{page}")
    return str(said)


def sessions(rehearsal: Rehearsal, condition: str) -> int:
    """How many of the cluster's sessions are so, as its superuser sees it."""
    query = f"select count(*) from pg_stat_activity where {condition}"  # noqa: S608  # the test's own text
    return int(rehearsal.host.shell(f'cd / && sudo -u postgres psql -XAtq -c "{query}"'))


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, and the kinds that repair it, in order."""

    fault: str
    sent: tuple[str, ...]
    says: str


REPAIRED = [
    Rehearsed(
        fault="postgresql-stopped",
        sent=("postgresql.start",),
        says=r"PostgreSQL 15/main is down \(postgresql@15-main\.service is stopped\)",
    ),
    Rehearsed(
        fault="postgresql-killed",
        sent=("postgresql.start",),
        says=r"PostgreSQL 15/main is down\S* \(postgresql@15-main\.service is failed \([a-z-]+\)\)",
    ),
    Rehearsed(
        fault="postgresql-hangs",
        sent=("postgresql.restart",),
        says="PostgreSQL 15/main runs and gives nobody an answer",
    ),
    Rehearsed(
        fault="connections-exhausted",
        sent=("idle-session.end",),
        says=r"37 of 37 connections are taken \(3 more are kept for superusers\).*3[0-9] of soleil idle",
    ),
    Rehearsed(
        fault="idle-in-transaction",
        sent=("idle-transaction.end",),
        says=r"1 statements wait for a lock, .* session \d+ holds it, idle in an open transaction for \d+ s",
    ),
    Rehearsed(
        fault="pgbouncer-stopped",
        sent=("pgbouncer.start",),
        says=r"goes through pgbouncer on port 6432, and pgbouncer\.service is stopped",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_database_that_fails_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix)
    assert re.search(case.says, seen.outcome.why), seen.outcome.why
    assert seen.preview is not None
    assert seen.preview.round_trips <= 2
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    kinds = tuple(dict.fromkeys(report.steps[int(sent.operation.split("-")[1], 16)].kind for sent in report.sent))
    assert kinds == case.sent
    assert any(isinstance(step.outcome, StepRemedied) for step in report.steps)
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert rehearsal.eyes().service("postgresql@15-main").is_running
    assert answer(rehearsal) == "200"

    after = traces(rehearsal)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert traces(rehearsal) == after


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    options: dict[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="database-wrong-password",
        says=r"PostgreSQL 15/main answers, and does not accept the password that soleil sends; the application has it "
        r"from \.env\. By hand: .*A restart of PostgreSQL does not help",
    ),
    Refused(
        fault="database-wrong-password",
        options={"cache": "yes"},
        says=r"does not accept the password .* from the configuration that is cached, .* php artisan config:cache",
    ),
    Refused(
        fault="database-firewalled",
        says=r"PostgreSQL 15/main is well, and .* kept away from it: a rule of the packet filter drops what goes to "
        r"port 5432 \(tcp dport 5432 drop\)\. By hand: .* A restart of PostgreSQL does not help",
    ),
    Refused(
        fault="pgbouncer-paused",
        says=r"lets clients wait, as after a PAUSE: that is only ever done on purpose, .* alone\. By hand: .*RESUME",
    ),
    Refused(
        fault="database-disk-full",
        says=r"cannot start on a full disk: /var/backups \(100 % used, .* Make room first: "
        r"soleil-remediate remediate --scenario disk-full --host web1 --inventory \S",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: "-".join((case.fault, *case.options.values())))
def test_what_nothing_here_may_repair_is_said_precisely_and_nothing_is_sent(
    rehearsal: Rehearsal, case: Refused
) -> None:
    rehearsal.host.break_with(case.fault, **case.options)
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert "soleil-secret" not in str(report)
    assert "of-last-year" not in str(report)
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before


def test_once_there_is_room_again_the_cluster_is_started(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("database-disk-full")
    room = Rehearsal(rehearsal.host, rehearsal.state).remediate()
    assert "backup.prune" in {step.kind for step in room.steps if getattr(step.outcome, "sent", ())}, room.outcome

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert answer(rehearsal) == "200"


@pytest.mark.long
def test_a_paused_pgbouncer_answers_again_by_the_command_that_is_told(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("pgbouncer-paused")
    why = rehearsal.preview().outcome.why

    found = re.search(r"if nobody does: (sudo .* -c 'RESUME')", why)

    assert found, why
    rehearsal.host.shell(f"cd / && {found[1]}")
    assert answer(rehearsal) == "200"


def test_only_the_applications_own_idle_sessions_are_ended_and_the_rest_stays(rehearsal: Rehearsal) -> None:
    """A superuser's, another role's, and the application's own in another database are nobody's business."""
    rehearsal.host.shell(
        "cd / && sudo -u postgres psql -Xq -c \"create role other login password 'x'\" -c 'create database other'\n"
        "for at in 'user=other dbname=soleil' 'user=soleil dbname=other'; do\n"
        "  export PGPASSWORD=x; case $at in user=soleil*) PGPASSWORD=soleil-secret ;; esac\n"
        "  systemd-run --quiet --collect --setenv=PGPASSWORD=$PGPASSWORD sh -c "
        '\'sleep 1000 | psql -X "host=127.0.0.1 $1"\' sh "$at"\n'
        "done\n"
        "systemd-run --quiet --collect --uid=postgres sh -c 'sleep 1000 | psql -X'\n"
    )
    foreign = "(usename <> 'soleil' or datname <> 'soleil') and application_name = 'psql' and pid <> pg_backend_pid()"
    assert eventually(lambda: sessions(rehearsal, foreign) == 3, within=20)
    rehearsal.host.break_with("connections-exhausted")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert sessions(rehearsal, foreign) == 3
    own = sessions(rehearsal, "usename = 'soleil' and datname = 'soleil' and state = 'idle'")
    assert 20 <= own <= 28  # a quarter of 37 was freed, and no more


@pytest.mark.long
def test_a_session_that_is_another_one_by_now_is_not_ended(rehearsal: Rehearsal) -> None:
    """The server compares, in the statement that ends it: a number alone may be somebody else's by now."""
    rehearsal.host.break_with("idle-in-transaction")
    (step,) = [step for _, step in rehearsal.preview().preview.pending]  # type: ignore[union-attr]  # it was looked at
    (change,) = step.plan.changes
    assert change.command.user == "postgres"
    holds = "usename = 'soleil' and state = 'idle in transaction'"

    def sent(old: str = "", new: str = "") -> Answer:
        words = [
            word.replace(old, new) if old and index < 10 else word for index, word in enumerate(change.command.words)
        ]
        as_postgres = 'cd / && exec setpriv --reuid postgres --regid postgres --init-groups "$@"'
        return rehearsal.host.run("sh", "-c", as_postgres, "sh", *words)

    (began,) = re.findall(r"@([0-9-]+ [0-9:]+)", change.command.words[9])
    seconds = began[:-1] + str((int(began[-1]) + 1) % 10)
    for old, new in ((began, seconds), ("idle in transaction", "idle"), ("soleil", "other")):
        done = sent(old, new)
        assert done.returncode == 75, done
        assert "none of them is what it was any more: nothing was done" in done.stderr
        assert sessions(rehearsal, holds) == 1
    done = sent()
    assert (done.returncode, done.stdout) == (0, "ended 1 sessions\n"), done
    assert sessions(rehearsal, holds) == 0
    assert sent().returncode == 75


def test_a_younger_idle_transaction_is_left_alone_and_it_is_said_how_to_end_it(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("idle-in-transaction", waited=12)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "none for 30 s yet; with --set idle_in_transaction=" in report.outcome.why
    assert isinstance(rehearsal.remediate(inputs={"idle_in_transaction": "5 s"}).outcome, Fixed)


def test_a_standby_that_hangs_is_not_restarted(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("postgresql-hangs")
    rehearsal.host.shell("touch /var/lib/postgresql/15/main/standby.signal")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "is a standby, or recovers" in report.outcome.why


def test_a_cluster_that_somebody_forbade_to_start_is_left_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell("systemctl mask --now postgresql@15-main")

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(r"postgresql@15-main\.service is masked: somebody forbade it to start", report.outcome.why)


@pytest.mark.long
def test_no_secret_and_no_statement_is_among_what_is_asked_shown_or_recorded(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(
        "systemd-run --quiet --collect --setenv=PGPASSWORD=soleil-secret sh -c "
        '\'(echo "begin; update bookings set status = \\$\\$guest-4711\\$\\$ where id = 1;"; sleep 1000) '
        '| psql -X "host=127.0.0.1 user=soleil dbname=soleil"\'; sleep 1'
    )
    rehearsal.host.break_with("connections-exhausted")

    report = rehearsal.remediate()
    (found,) = diagnose(hosts="web1", inventory=rehearsal.host.lab.inventory)

    told = str(report) + str(found) + str(rehearsal.record())
    assert "UPDATE" in told
    assert "guest-4711" not in told
    assert "soleil-secret" not in told
