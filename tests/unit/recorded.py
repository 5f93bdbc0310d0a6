"""One run with everything that a record can hold, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from soleil_remediate.events import (
    BatchStarted,
    ChangeAnswered,
    ChangeIntended,
    ChangeSettled,
    ChangeUnanswered,
    CopySaved,
    Event,
    GateAnswered,
    HostClaimed,
    HostEnded,
    HostSeen,
    HostSeenAgain,
    HostSettled,
    HostWatched,
    RolloutPlanned,
    RunEnded,
    RunResumed,
    RunStarted,
    StepEnded,
    StopHeard,
    WatchEnded,
    WatchStarted,
)
from soleil_remediate.host_outcomes import MaybeChanged, NotFixed, NotReached
from soleil_remediate.report import RunReport
from soleil_remediate.scenario import ForPeople
from soleil_remediate.step_outcomes import StepRemedied
from soleil_remediate.task import Health
from soleil_remediate.units import Duration, MiB
from tests.unit.reporters.samples import CUT_LOG, LOG, RUN, SAVED, SENT, case, fixed_report, preview, report

OPERATION = f"{RUN}-03-00"
SILENT = report(NotReached(why="web3: no answer within 10 s", is_retryable=True), name="web3")


def events(*, until: int | None = None) -> Sequence[Event]:
    """A run on three hosts, up to one of its events: web1 is repaired, web2 would have been, web3 is silent."""
    fixed = fixed_report()
    seen = preview("web2")
    copy = replace(SAVED, path=PurePosixPath(f"/home/jan/.local/state/soleil-remediate/evidence/{RUN}/web1-3-0-log.gz"))
    intent = ChangeIntended(
        host="web1", step=3, kind="log.truncate", operation=OPERATION, digest="0" * 16, change=CUT_LOG
    )
    said: list[Event] = [
        RunStarted(
            run=RUN,
            scenario="disk-full",
            hosts=("web1", "web2", "web3"),
            operator="jan@laptop",
            inputs={"log_limit": MiB(100), "mount": None},
            for_people=ForPeople.of([case(name) for name in ("web1", "web2", "web3")]),
        ),
        HostSeen(preview=preview()),
        HostSeen(preview=seen),
        HostEnded(report=SILENT),
        RolloutPlanned(batches=(("web1",), ("web2",)), forks=50, max_fail=1),
        GateAnswered(is_open=True, by="jan@laptop typed 2", approved=("0" * 16, "1" * 16)),
        BatchStarted(number=1, of=2, hosts=("web1",)),
        HostClaimed(host="web1", owner=f"jan@laptop (run {RUN})"),
        HostSeenAgain(host="web1", standing=preview().standing),
        CopySaved(host="web1", step=3, copy=copy),
        intent,
        ChangeUnanswered(host="web1", operation=OPERATION, why="the connection was cut"),
        ChangeAnswered(host="web1", operation=OPERATION, exit_status=0, says="14.6 GiB cut", took=Duration(1.2)),
        StopHeard(why="Ctrl-C", is_insisted=False),
        StepEnded(
            host="web1",
            step=3,
            kind="log.truncate",
            outcome=StepRemedied(sent=(SENT,), why=f"{LOG} is 64 MiB, within 100 MiB"),
        ),
        HostEnded(report=fixed),
        HostEnded(report=report(MaybeChanged(why="web2 MAY have been changed: …", operation="o"), name="web2")),
        RunEnded(report=RunReport(run=RUN, scenario="disk-full", hosts=(fixed, fixed, SILENT))),
    ]
    return said[:until]


def watched() -> Sequence[Event]:
    """What is added when web1 is watched afterwards: it stays well until somebody ends the watch."""
    whole = RunReport(run=RUN, scenario="disk-full", hosts=(fixed_report(),))
    return (
        WatchStarted(hosts=("web1",), lasts=Duration(900), every=Duration(30)),
        HostWatched(host="web1", health=Health.HEALTHY, why="/srv is 27 %"),
        WatchEnded(report=whole, stopped="Ctrl-C", took=Duration(125)),
    )


def resumed() -> Sequence[Event]:
    """What is added when somebody resumes it: web2's change was made, and did not help."""
    web2 = report(NotFixed(why="/srv is 100 %"), name="web2")
    return (
        RunResumed(operator="eva@desk"),
        ChangeSettled(host="web2", operation="o", found="done", exit_status=0, says="14.6 GiB cut"),
        HostSeenAgain(host="web2", standing=preview("web2").standing),
        HostSettled(host="web2", outcome=web2.outcome),
        RunEnded(report=RunReport(run=RUN, scenario="disk-full", hosts=(web2,))),
    )
