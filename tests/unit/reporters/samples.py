"""Hosts, previews and reports as the engine makes them, put together by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from soleil_remediate.checks.disks import DiskInodes, DiskUsed, DiskWritable
from soleil_remediate.command import Command
from soleil_remediate.host import Connection, Host, Origin, Policy
from soleil_remediate.host_outcomes import Fixed, HostOutcome, NotNeeded, WouldFix
from soleil_remediate.invocation import Invocation
from soleil_remediate.plan import Change, FileIdentity, Plan, Preserve, Relief, Risk, Script, Undo
from soleil_remediate.report import HostReport
from soleil_remediate.scenario import Case, Escalation, Scenario, Severity
from soleil_remediate.seen import CheckSeen, EvidenceSeen, Preview, Standing
from soleil_remediate.step_outcomes import (
    SavedCopy,
    Sent,
    StepHealthy,
    StepOutcome,
    StepPending,
    StepRemedied,
    StepSeen,
    StepSkipped,
)
from soleil_remediate.task import Health, Measure, Table, Text, Verdict
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

RUN = "7f3a19c2"
LOG = PurePosixPath("/srv/soleil/shared/storage/logs/laravel.log")
CUT = Script("cut-open-file", 'set -eu\n[ "$(stat -c %i "$1")" = "$2" ]\ntail -c "$3" "$1"')
AGAIN = Invocation(program="invoke", scenario="disk-full", hosts="web1", inventory="inventory/production.yml")

SCENARIO = Scenario(
    name="disk-full",
    title="Disk Space Full",
    severity=Severity.HIGH,
    respond_within=Duration(1800),
    impact="Whatever has to write fails.",
    origin=Origin("playbooks/disk-full.yml", 1),
    questions=("Which log grew, and why?",),
    by_hand=(
        "See what fills it: du -xh --max-depth=3 / | sort -h | tail -20",
        "Move what nobody knows:\nmv FILE /mnt/",
    ),
    escalate=Escalation(after=Duration(1800), to="devops"),
)


class StillClock:
    """03:12:41, and ten seconds later whenever it is looked at again."""

    def __init__(self) -> None:
        self._looked = 0

    def now(self) -> datetime:
        return datetime(2026, 3, 14, 3, 12, 41, tzinfo=UTC)

    def monotonic(self) -> float:
        self._looked += 1
        return self._looked * 10.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a reporter never waits")


def host(name: str = "web1") -> Host:
    return Host(
        name=name,
        connection=Connection(address="192.0.2.11", user="deploy"),
        app_name="soleil",
        policy=Policy(environment="production"),
        contacts={"devops": "+49 30 5550100"},
    )


def case(name: str = "web1") -> Case:
    return Case(
        scenario=SCENARIO,
        host=host(name),
        inputs={},
        healthy_when=(DiskWritable(user="www-data"),),
        goal=(DiskUsed(below=Percent(80)), DiskInodes(below=Percent(80))),
        evidence=(),
        steps=(),
        questions=SCENARIO.questions,
        by_hand=SCENARIO.by_hand,
    )


def standing(used: float = 100, *, is_writable: bool = False) -> Standing:
    """How a host stands whose /srv is *used* to that share."""
    space, share = "space on /srv", str(Percent(used))
    free = "0 B" if not is_writable else "14.4 GiB"
    symptom = Verdict(
        health=Health.HEALTHY if is_writable else Health.FAULTY,
        why="www-data can write to /, /srv, /var"
        if is_writable
        else f"/srv {share} of 20.0 GiB, {free} free for www-data, inodes 12 %",
        measures=(
            Measure(label="/ used", value="41 %"),
            Measure(label="www-data can write to /", value="yes"),
            Measure(label="/srv used", value=share, is_faulty=not is_writable),
            Measure(
                label="www-data can write to /srv", value="yes" if is_writable else "no", is_faulty=not is_writable
            ),
            Measure(label="/var used", value="63 %"),
            Measure(label="www-data can write to /var", value="yes"),
        ),
        faults=frozenset() if is_writable else frozenset({space}),
    )
    is_over = used >= 80
    goal = Verdict(
        health=Health.FAULTY if is_over else Health.HEALTHY,
        why=f"/srv {share} of 20.0 GiB, not below 80 %" if is_over else "/, /srv, /var below 80 %",
        measures=(Measure(label="/srv used", value=share, is_faulty=is_over),),
        faults=frozenset({space}) if is_over else frozenset(),
    )
    return Standing(
        symptom=(CheckSeen(kind="disk.writable", verdict=symptom),),
        goal=(CheckSeen(kind="disk.used", verdict=goal),),
        scope=frozenset({space}),
    )


CUT_LOG = Change(
    summary=f"cut {LOG} to its newest 64 MiB",
    command=Command(CUT.bind(LOG, "2049:131", 67108864)),
    risk=Risk.DESTRUCTIVE,
    undo=Undo.none("none on the host; the saved copy is complete"),
    before="14.6 GiB",
    after="about 64 MiB",
    loses="older lines, on the host; the saved copy has them",
    keeps="newest 64 MiB in place; inode, owner, mode; writers (121) carry on",
    preserve=Preserve(path=LOG, identity=FileIdentity(2049, 131), size=ByteSize(15_676_630_630)),
    relieves=(Relief(subject="space on /srv", amount="14.5 GiB"),),
)
PRUNE = Change(
    summary="remove 6 of 9 dumps older than 7 days from /srv/backups",
    command=Command(("rm", "--", "/srv/backups/soleil-1.sql.gz", "/srv/backups/soleil-2.sql.gz")),
    risk=Risk.DESTRUCTIVE,
    undo=Undo.none("they are gone"),
    before="9 dumps, 2.1 GiB",
    after="3 dumps, 720 MiB",
    loses="6 dumps, 1.4 GiB",
    keeps="the newest 3, whatever their age",
    relieves=(Relief(subject="space on /srv", amount="1.4 GiB"),),
)
VACUUM = Change(
    summary="vacuum the journal to 200 MiB",
    command=Command(("journalctl", "--vacuum-size=200M")),
    risk=Risk.GENTLE,
    undo=Undo.none("archived journal files are gone"),
    before="3.2 GiB",
    after="200 MiB",
    loses="the journal's oldest entries",
    relieves=(Relief(subject="space on /var", amount="3.0 GiB"),),
)
RELOAD = Change(
    summary="restart php8.2-fpm",
    command=Command(("systemctl", "restart", "php8.2-fpm")),
    risk=Risk.DISRUPTIVE,
    undo=Undo.by(Command(("systemctl", "restart", "php8.2-fpm")), "restart it again"),
    before="failed",
    after="running",
    downtime="requests in flight fail",
)


def pending(name: str, kind: str, *changes: Change, is_tentative: bool = False) -> StepSeen:
    return StepSeen(
        kind=kind,
        outcome=StepPending(
            plan=Plan.of(*changes, because="it is over its limit"),
            digests=tuple(change.digest(name, kind) for change in changes),
            is_tentative=is_tentative,
        ),
    )


def steps(name: str = "web1") -> tuple[StepSeen, ...]:
    elsewhere = StepSkipped(why="eases space on /var, which is not what is wrong")
    return (
        StepSeen(kind="package-cache.clean", outcome=elsewhere),
        StepSeen(kind="journal.vacuum", outcome=elsewhere),
        StepSeen(kind="open-file.reopen", outcome=StepHealthy(why="no deleted file is held open")),
        pending(name, "log.truncate", CUT_LOG),
        pending(name, "backup.prune", PRUNE, is_tentative=True),
    )


EVIDENCE = (
    EvidenceSeen(
        kind="disk.largest",
        title="largest on /srv",
        shown=Table(
            rows=(
                ("14.6 GiB", str(LOG)),
                ("1.9 GiB", "/srv/soleil/shared/storage/app/exports"),
                ("310 MiB", "/srv/soleil/releases/41/vendor"),
            ),
            align="rl",
        ),
    ),
    EvidenceSeen(
        kind="disk.filling", title="growth", shown=Text(lines=("laravel.log grew 95 MiB/min until it was full",))
    ),
)


def preview(
    name: str = "web1",
    *,
    seen: Standing | None = None,
    with_steps: Sequence[StepSeen] | None = None,
    outcome: HostOutcome | None = None,
    limits: str = "",
) -> Preview:
    seen = seen or standing()
    return Preview(
        host=host(name),
        scenario="disk-full",
        login="deploy",
        limits=limits,
        connected_in=Duration(0.4),
        looked_in=Duration(0.3),
        round_trips=2,
        standing=seen,
        evidence=EVIDENCE if seen.symptom_health is Health.FAULTY else (),
        steps=steps(name) if with_steps is None else tuple(with_steps),
        outcome=outcome or WouldFix(why=seen.why(Health.FAULTY)),
    )


def healthy_preview(name: str = "web1") -> Preview:
    seen = standing(41, is_writable=True)
    return preview(name, seen=seen, with_steps=(), outcome=NotNeeded(why=seen.why(Health.HEALTHY)))


SAVED = SavedCopy(
    path=Path.home() / ".local/state/soleil-remediate/evidence" / RUN / "web1-3-0-laravel.log.gz",
    size=ByteSize(15_676_630_630),
    stored=MiB(700),
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
)
SENT = Sent(change=CUT_LOG, operation=f"{RUN}-03-00", says="", took=Duration(1.2), saved=SAVED)


def ended_steps(outcome: StepOutcome) -> tuple[StepSeen, ...]:
    """The steps of a run whose log.truncate ended so, and that needed nothing else."""
    last = StepSeen(kind="backup.prune", outcome=StepSkipped(why="not needed: the goal is met"))
    return (*steps()[:3], StepSeen(kind="log.truncate", outcome=outcome), last)


def report(
    outcome: HostOutcome,
    *,
    name: str = "web1",
    seen: Preview | None = None,
    with_steps: Sequence[StepSeen] = (),
    after: Standing | None = None,
) -> HostReport:
    return HostReport(
        host=host(name),
        outcome=outcome,
        preview=seen,
        steps=tuple(with_steps),
        after=after,
        copies=(SAVED,) if with_steps else (),
        took=Duration(82),
    )


def fixed_report() -> HostReport:
    after = standing(27, is_writable=True)
    return report(
        Fixed(why=after.why(Health.HEALTHY)),
        seen=preview(),
        with_steps=ended_steps(StepRemedied(sent=(SENT,), why=f"{LOG} is 64 MiB, within 100 MiB")),
        after=after,
    )


def warned_report(*warnings: str) -> HostReport:
    """A host that is fixed, by a change that has warned of something."""
    sent = replace(SENT, warnings=warnings)
    return replace(fixed_report(), steps=ended_steps(StepRemedied(sent=(sent,), why="")))


def renamed(seen: Preview, name: str) -> Preview:
    return replace(seen, host=host(name))
