"""A program that only asks: prints ``APPROVED`` with the steps, or ``DECLINED``; run in a terminal by test_terminal.

python -m tests.unit.reporters.gate_program SAMPLE [pause]
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from soleil_remediate.errors import Refused
from soleil_remediate.events import HostSeen, RolloutPlanned, RunStarted
from soleil_remediate.gates import PersonGate, PolicyGate
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.reporters.terminal import Terminal
from soleil_remediate.rollout import Rollout
from soleil_remediate.seen import EvidenceSeen, Preview
from soleil_remediate.task import Table
from soleil_remediate.units import Percent
from tests.unit.reporters.samples import (
    AGAIN,
    PRUNE,
    RELOAD,
    RUN,
    VACUUM,
    StillClock,
    case,
    host,
    pending,
    preview,
)

#: A host that has much to show: two destructive steps, and evidence of two lines each.
FULL = replace(
    preview(),
    evidence=tuple(
        EvidenceSeen(kind="k", title=f"look {number}", shown=Table(rows=(("14.6 GiB", f"/srv/{'x' * 60}"), ("", ""))))
        for number in range(5)
    ),
)

SAMPLES: dict[str, list[Preview]] = {
    "full": [FULL],
    "destructive": [preview()],
    "one-step": [preview(with_steps=[preview().steps[3]])],
    "disruptive": [preview(with_steps=[pending("web1", "service.restart", RELOAD)])],
    "mixed": [
        preview(
            with_steps=[
                pending("web1", "journal.vacuum", VACUUM),
                pending("web1", "service.restart", RELOAD, is_tentative=True),
                pending("web1", "backup.prune", PRUNE, is_tentative=True),
            ]
        )
    ],
    "several": [preview("web1"), preview("web2"), preview("web3")],
    "hostile": [preview("w\u202eb1\x1b]0;owned\x07\x1b[2J")],
}


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    previews = SAMPLES[sys.argv[1]]
    reporter = ConsoleReporter(
        Screen.of(sys.stdout), cases=[case(one.host.name) for one in previews], again=AGAIN, clock=StillClock()
    )
    names = tuple(one.host.name for one in previews)
    reporter(RunStarted(run=RUN, scenario="disk-full", hosts=names, operator="jan@laptop", inputs={}))
    for one in previews:
        reporter(HostSeen(preview=one))
    if len(names) > 1:
        reporter(RolloutPlanned(batches=Rollout(serial=(1, Percent(70))).batches(names), forks=50, max_fail=0))
    if "pause" in sys.argv:
        say("WAITING")
        time.sleep(1.0)
    terminal = Terminal.open(reporter, "jan@laptop")
    if "again" in sys.argv and terminal is not None:
        say(f"AGAIN {terminal.ask_again(host(), 'backup.prune', PRUNE)}")
        return 0
    gate = PolicyGate(says_yes=False) if terminal is None else PersonGate(asker=terminal, says_yes=False)
    try:
        approval = gate.approve("disk-full", previews)
    except Refused as error:
        say(f"{'DECLINED' if terminal else 'NOBODY'} {error}")
        return 4
    steps = [
        f"{one.host.name}:{one.steps[place].kind}"
        for one in previews
        for place, step in one.pending
        if approval.digests.issuperset(step.digests)
    ]
    say(f"APPROVED {' '.join(steps)} by {approval.by}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
