"""Memory-exhaustion on a real host with a limit of its own: break it, see it red, remedy it, see it green, again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.command import Command, Output
from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepPending
from soleil_remediate.task import Health
from soleil_remediate.transports import session as session_module
from soleil_remediate.transports.shell import Question
from soleil_remediate.units import Duration
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "memory-exhaustion"

#: Everything that a run which sends nothing must leave alone: services, workers, files and its own traces.
_TRACES = r"""
systemctl show --property=Id,MainPID,InvocationID,ActiveState,NRestarts -- \
    nginx php8.2-fpm postgresql@15-main redis-server supervisor soleil-sockets lab-report
supervisorctl status | awk '{ print $1, $2, $4 }'
find /srv/soleil /etc -xdev -path '*/storage/logs' -prune -o -printf '%p %i %T@\n' | sort
ls /run/soleil-remediate/ops 2>/dev/null || :
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def left(rehearsal: Rehearsal) -> int:
    """How many MiB the host's own limit leaves, by the second pair of eyes; without what files have in memory."""
    at = "/sys/fs/cgroup/memory" if rehearsal.eyes().file("/sys/fs/cgroup/memory").is_directory else "/sys/fs/cgroup"
    name = "memory.limit_in_bytes" if at.endswith("/memory") else "memory.max"
    limit = int(rehearsal.eyes().check_output(f"cat {at}/{name}"))
    rss = int(rehearsal.eyes().check_output(f"sed -nE 's/^(total_rss|anon) //p' {at}/memory.stat"))
    return (limit - rss) >> 20


def kinds_red(fault: str) -> set[str]:
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


def shown(report: HostReport, kind: str) -> str:
    assert report.preview is not None
    return next(str(one.shown) for one in report.preview.evidence if one.kind == kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, the kinds that repair it, in order, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    risk: Risk = Risk.DISRUPTIVE
    shows: str = ""


REPAIRED = [
    Rehearsed(
        fault="php-fpm-leaks",
        sent=("leaking-php.reload",),
        shows=r"'www-data', 'php8\.2-fpm\.service', 'yes', 'php-fpm8\.2'",
    ),
    Rehearsed(
        fault="worker-leaks",
        sent=("leaking-workers.restart",),
        shows=r"'supervisor\.service', 'yes', 'php /srv/soleil/current/artisan queue:work'",
    ),
    Rehearsed(
        fault="unit-leaks",
        sent=("leaking-unit.restart",),
        shows=r"'www-data', 'soleil-sockets\.service', '', '/usr/bin/php \.\./\.\./shared/sockets\.php'",
    ),
    Rehearsed(
        fault="oom-kill",
        sent=("service.start",),
        risk=Risk.GENTLE,
        shows=r"'root', 'supervisor\.service', '', '/usr/bin/python3 /usr/bin/supervisord'",
    ),
]


@pytest.mark.long  # that each is repaired, and never twice, the rehearsal of all faults shows too
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_a_host_without_memory_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)
    assert case.fault == "oom-kill" or left(rehearsal) < 150

    seen = rehearsal.preview()
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= 3
    assert seen.preview.risk is case.risk
    assert re.search(case.shows, shown(seen, "memory.processes")), shown(seen, "memory.processes")
    assert rehearsal.red_checks() == kinds_red(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate()
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert left(rehearsal) > 500
    eyes = rehearsal.eyes()
    assert eyes.service("php8.2-fpm").is_running
    assert eyes.check_output("curl -s -o /dev/null -m 10 -w '%{http_code}' localhost/api/health/ready") == "200"
    assert eyes.check_output("supervisorctl status | grep -c RUNNING") == "2"

    after = traces(rehearsal)
    again = rehearsal.remediate()
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    assert traces(rehearsal) == after
    told = r"php-fpm8\.2 \d+ of php8\.2-fpm\.service .* what should run runs"
    assert case.fault != "oom-kill" or re.search(told, again.outcome.why), again.outcome.why


@pytest.mark.long
def test_what_leaked_under_horizon_is_given_back_by_other_processes(rehearsal: Rehearsal) -> None:
    rehearsal.host.break_with("worker-leaks", workers="horizon")
    listed = "for pid in $(pgrep -f 'artisan [h]orizon'); do echo $pid:$(cut -d ' ' -f 22 /proc/$pid/stat); done"
    before = rehearsal.host.shell(listed).split()

    report = rehearsal.remediate()

    assert isinstance(report.outcome, Fixed), report.outcome
    assert report.kinds_sent == ("leaking-workers.restart",)
    assert left(rehearsal) > 500
    after = rehearsal.host.shell(listed).split()
    assert len(before) == len(after) == 4
    assert not set(before) & set(after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    options: Mapping[str, str] = field(default_factory=dict)
    red: str = "memory.available"


REFUSED = [
    Refused(
        fault="memory-unknown-process",
        says=r"MiB are held by what is not known to be the application's: \S*python3 /home/deploy/report\.py "
        r"\(\d+, uid \d+\) in lab-report\.service\. It is left alone\. By hand, once its owner agrees: "
        r"systemctl stop lab-report\.service",
    ),
    Refused(
        fault="oom-kill",
        options={"times": "3", "stays": "up"},
        red="oom-kill.over",
        says=r"3 processes were killed for want of memory, the newest: php-fpm8\.2 .* over once that stops, 1[45] min",
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.fault}{''.join(case.options.values())}")
def test_what_is_none_of_ours_or_goes_on_is_told_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault, **case.options)
    before = traces(rehearsal)

    report = rehearsal.remediate()

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert rehearsal.red_checks() == {case.red}
    assert traces(rehearsal) == before
    told = "".join((str(report), *map(str, rehearsal.record())))
    assert "lab-report-secret" not in told


def test_what_was_planned_is_not_done_once_memory_is_there_again_or_the_service_another_run(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("unit-leaks")
    preview = rehearsal.preview().preview
    assert preview is not None
    ((_, step),) = preview.pending
    assert isinstance(step, StepPending)
    words = step.plan.changes[0].command.words
    threshold = words.index(step.plan.changes[0].command.words[4])
    others = (*words[:threshold], str(2**50), *words[threshold + 1 :])  # as if memory were short whatever there is
    rehearsal.host.shell("systemctl restart soleil-sockets")
    before = traces(rehearsal)

    again = rehearsal.host.run(*words)
    another = rehearsal.host.run(*others)

    assert again.returncode == another.returncode == 75
    assert re.fullmatch(r"there is memory again, \d+ bytes: nothing was done\n", again.stderr)
    assert another.stderr == "soleil-sockets.service was started anew meanwhile: nothing was done\n"
    assert traces(rehearsal) == before


def test_a_host_that_is_short_of_memory_is_asked_by_few_shells_however_long_it_takes(
    rehearsal: Rehearsal, further_shells: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearsal.host.break_with("memory-unknown-process")
    really, room = session_module._is_roomy, list[bool]()

    def is_roomy(about_room: Sequence[Question]) -> bool:
        room.append(really(about_room))
        rehearsal.host.shell("touch /run/room-is-known")
        return room[-1]

    monkeypatch.setattr(session_module, "_is_roomy", is_roomy)
    # Whoever was asked first hangs until it is known whether there is room for more shells, and a while longer.
    hanging = "until [ -e /run/room-is-known ]; do sleep 0.1; done; sleep 1.5"
    questions = [Command(("sh", "-c", hanging), is_slow=True, deadline=Duration(60))] * 7
    with closing(rehearsal.open_session()) as session:
        answers = session.ask(questions)
        assert (further_shells, set(room)) == ([True] * 3, {False})

        room.clear()
        rehearsal.host.shell("systemctl stop lab-report; rm /run/room-is-known")
        answers += session.ask(questions)
        assert (further_shells, set(room)) == ([True] * 6, {True})
    assert [one.exit_status for one in answers if isinstance(one, Output)] == [0] * 14
