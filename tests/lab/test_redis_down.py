"""Redis-down on a real host: break it, see it red, preview, remedy, see it green, run again: nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepPending, StepUndecided
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.watching import watching_processes

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "redis-down"
#: What the faults make secret: in the server's configuration, and in the application's.
SECRETS = ("lab-redis-secret", 'lab-redis-"secret', 'lab-redis-\\"secret', "lab-redis-former-secret")

#: Everything of Redis that a run which sends nothing must leave alone: its files, its process, its settings and keys.
_TRACES = r"""
find /etc/redis /var/lib/redis /srv/soleil -xdev -path '*/storage/logs' -prune -o \
    -printf '%p %i %s %m %u %T@\n' | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState,UnitFileState -- redis-server php8.2-fpm nginx supervisor
grep -h '^State:.T' "/proc/$(systemctl show --property=MainPID --value redis-server)/status" 2>/dev/null || :
REDISCLI_AUTH='lab-redis-"secret'; grep -q '^requirepass' /etc/redis/redis.conf && export REDISCLI_AUTH
{ timeout 5 redis-cli CONFIG GET maxmemory; timeout 5 redis-cli INFO keyspace; } 2>/dev/null |
    awk -F '[=,]' '/^db/ { if ($2 != $4) print $1, $2 - $4; next } { print }' || : # keys that expire come and go
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def works(rehearsal: Rehearsal) -> bool:
    """Whether the application itself can use its cache and its queue, by the second pair of eyes."""
    said = rehearsal.eyes().check_output("curl -s -m 10 localhost/api/health/full").replace(" ", "")
    return all(f'"{check}":{{"status":"ok"' in said for check in ("redis", "cache", "queue"))


def undecided(report: HostReport) -> str:
    assert report.preview is not None
    return "; ".join(step.outcome.why for step in report.preview.steps if isinstance(step.outcome, StepUndecided))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, the kinds that repair it, in order, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    risk: Risk
    inputs: Mapping[str, str] = field(default_factory=dict)


REPAIRED = [
    Rehearsed(fault="redis-stopped", sent=("service.start",), risk=Risk.GENTLE),
    Rehearsed(fault="redis-killed", sent=("service.start",), risk=Risk.GENTLE),
    Rehearsed(fault="redis-full", sent=("redis-memory.raise",), risk=Risk.GENTLE),
    Rehearsed(fault="redis-hangs", sent=("redis.restart",), risk=Risk.DESTRUCTIVE),
    Rehearsed(fault="redis-full-of-cache", sent=("cache.clear",), risk=Risk.DESTRUCTIVE, inputs={"clear_cache": "yes"}),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_redis_that_fails_the_application_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    assert works(rehearsal)
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    seen = rehearsal.preview(**case.inputs)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= (3 if case.fault == "redis-stopped" else 2)  # systemd may have forgotten it
    assert seen.preview.risk is case.risk
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert rehearsal.eyes().service("redis-server").is_running
    assert works(rehearsal)

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
    options: Mapping[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="redis-broken-configuration",
        says=r"could not start with its configuration: /etc/redis/redis\.conf line \d+, requirpass: Bad directive.* "
        r"By hand: correct that, then systemctl start redis-server\.service",
    ),
    Refused(
        fault="redis-wrong-password",
        says=r"Redis wants a password, and the application sends none; redis-server\.service is well, and answers root "
        r"with the one in /etc/redis/redis\.conf\. Nothing is restarted: that would not help\. By hand: .*\.env",
    ),
    Refused(
        fault="redis-wrong-password",
        options={"how": "other"},
        says=r"Redis refuses the application's password; redis-server\.service is well, and answers root with the one",
    ),
    Refused(
        fault="redis-full-of-cache",
        says=r"a restart would not help: it loads the same data again, or loses it.*CONFIG has another name in /etc/",
    ),
    Refused(
        fault="redis-snapshot-fails",
        says=r"could not save its data, and refuses writes until it can, PING as well \(MISCONF\).*redis-cli BGSAVE",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.fault}{''.join(case.options.values())}")
def test_what_nothing_here_would_help_is_said_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault, **case.options)
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before


@pytest.mark.parametrize(
    "fault, options", [("redis-broken-configuration", {}), ("redis-wrong-password", {"how": "other"})]
)
def test_no_password_is_told_or_seen_among_the_processes_or_left_on_the_host(
    rehearsal: Rehearsal, fault: str, options: Mapping[str, str]
) -> None:
    rehearsal.host.break_with(fault, **options)
    rehearsal.host.shell("systemctl start redis-server || :")  # the journal then has the line that is wrong

    with watching_processes(rehearsal.host.network) as seen:
        report = rehearsal.remediate()

    assert report.sent == ()
    # Laravel hands all of .env to what supervisor's workers start: theirs, and none of ours.
    processes = [one.decode() for one in seen if b"SUPERVISOR_ENABLED=" not in one]
    told = [str(report), *(str(line) for line in rehearsal.record()), *processes]
    assert any("redis" in one for one in told)
    assert [one for one in told if any(secret in one for secret in SECRETS)] == []
    left = rehearsal.host.run("grep", "-rlF", "-e", SECRETS[0], "-e", SECRETS[3], "/run/soleil-remediate", "/tmp")
    assert left.stdout == ""


def test_more_memory_is_taken_back_where_somebody_asks_for_it(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("redis-full")
    preview = rehearsal.preview().preview
    assert preview is not None
    ((_, step),) = preview.pending
    (change,) = step.plan.changes
    assert change.undo.command is not None

    rehearsal.host.run(*change.command.words).checked()
    assert rehearsal.host.shell("redis-cli CONFIG GET maxmemory | tail -n 1") == str(13 * 2**20)
    rehearsal.host.run(*change.undo.command.words).checked()

    assert rehearsal.host.shell("redis-cli CONFIG GET maxmemory | tail -n 1") == str(8 * 2**20)
    assert rehearsal.host.run(*change.undo.command.words).returncode == 75


def test_a_redis_that_is_full_gets_no_memory_that_the_host_has_not(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("redis-full")
    report = rehearsal.remediate(inputs={"leave": "1 TiB"})
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "of which 1 TiB has to stay" in undecided(report)


def test_a_redis_that_answers_again_is_not_restarted(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("redis-hangs")
    preview = rehearsal.preview().preview
    assert preview is not None
    ((_, step),) = preview.pending
    assert isinstance(step, StepPending)
    rehearsal.host.shell("systemctl kill --signal=CONT redis-server")
    before = rehearsal.host.shell("systemctl show --property=InvocationID redis-server")

    done = rehearsal.host.run(*step.plan.changes[0].command.words)

    assert (done.returncode, done.stderr.strip()) == (
        75,
        "redis-server.service answers again (PONG): nothing was changed",
    )
    assert rehearsal.host.shell("systemctl show --property=InvocationID redis-server") == before


def test_a_redis_that_hangs_and_could_not_start_again_is_left_alone(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell("echo 'maxmemory-polcy noeviction' >>/etc/redis/redis.conf")
    rehearsal.host.break_with("redis-hangs")
    report = rehearsal.remediate()
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "maxmemory-polcy: Bad directive" in undecided(report)


@pytest.mark.long
def test_a_restart_is_less_dangerous_where_every_write_is_logged(rehearsal: Rehearsal) -> None:
    rehearsal.host.shell(
        "sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf; systemctl restart redis-server; "
        "redis-cli SET kept 1"
    )
    rehearsal.host.break_with("redis-hangs")
    seen = rehearsal.preview().preview
    assert seen is not None
    assert seen.risk is Risk.DISRUPTIVE

    assert isinstance(rehearsal.remediate().outcome, Fixed)

    assert rehearsal.host.shell("redis-cli GET kept") == "1"


def test_clearing_the_cache_leaves_what_is_not_the_caches(rehearsal: Rehearsal) -> None:
    """FLUSHDB would take it all, and here it has no name: Laravel's own cache:clear then says that all went well."""
    rehearsal.host.break_with("redis-full-of-cache")
    others = "lab_other_application soleil_database_soleil_cacheless soleil_database_queues:default"
    rehearsal.host.shell(
        f"redis-cli -n 1 DEL $(redis-cli -n 1 --scan --pattern '*room:1:1???' | tr '\\n' ' ') >/dev/null; "
        f"for key in {others}; do redis-cli -n 1 SET $key 1; done"
    )
    said = rehearsal.host.shell("cd /srv/soleil/current && sudo -u www-data php artisan cache:clear")
    assert "cleared" in said
    assert int(rehearsal.host.shell("redis-cli -n 1 DBSIZE")) > 1000

    report = rehearsal.remediate(inputs={"clear_cache": "yes"})

    assert report.kinds_sent == ("cache.clear",)
    assert rehearsal.host.shell(f"redis-cli -n 1 EXISTS {others}") == "3"
    assert rehearsal.host.shell("redis-cli -n 1 --scan --pattern '*room*'") == ""
    again = rehearsal.preview(clear_cache="yes")
    assert isinstance(again.outcome, NotNeeded), again.outcome


def test_a_cache_that_shares_a_database_with_sessions_is_not_cleared(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("redis-full-of-cache")
    rehearsal.host.shell(
        "sed -i \"s/'driver' => 'file'/'driver' => 'redis'/; s/'connection' => null/'connection' => 'cache'/\" "
        "/srv/soleil/current/config/session.php"
    )
    report = rehearsal.remediate(inputs={"clear_cache": "yes"})
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "everybody would be logged out" in undecided(report)


def test_what_is_shown_of_a_redis_that_is_full(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("redis-full")
    rehearsal.host.shell(
        "redis-cli CONFIG SET slowlog-log-slower-than 0 >/dev/null; redis-cli KEYS 'guest@example.test' >/dev/null; "
        "redis-cli CONFIG SET slowlog-log-slower-than 1000000 >/dev/null"
    )
    seen = rehearsal.preview().preview
    assert seen is not None
    shown = {evidence.kind: str(evidence.shown) for evidence in seen.evidence}
    assert re.search(r"memory 8\.\d+ MiB of 8 MiB, noeviction", shown["redis.overview"]), shown["redis.overview"]
    assert re.search(r"refused [1-9]\d* writes for want of memory", shown["redis.overview"])
    assert "last snapshot" in shown["redis.overview"]
    assert re.search(r"'cache', 'cache', '127\.0\.0\.1:6379', '1'", shown["redis.uses"]), shown["redis.uses"]
    assert re.search(r"'limits', 'cache', '127\.0\.0\.1:6379', '1'", shown["redis.uses"])
    assert re.search(r"'queue', 'default', '127\.0\.0\.1:6379', '0'", shown["redis.uses"])
    assert "KEYS" in shown["redis.slow-log"]
    assert "guest" not in str(seen)
    assert "yes: it is served while Redis fails" in shown["redis.fallback"]
