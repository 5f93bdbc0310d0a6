"""Show the preview of a host that was recorded when its disk was full. Started by scripts/demo where no lab can run."""

from __future__ import annotations

import sys
from pathlib import Path

from soleil_remediate import open_remediation
from soleil_remediate.clock import SystemClock
from soleil_remediate.invocation import Invocation
from soleil_remediate.reporters.console import ConsoleReporter
from soleil_remediate.reporters.screen import Screen
from soleil_remediate.transports.scripted import ScriptedTransport
from tests.playbooks.recordings import replay

INVENTORY = Path(__file__).resolve().parents[1] / "inventory" / "lab.yml"


def main() -> None:
    """Look at the recorded host; the plan is made here and now, from its answers."""
    remediation = open_remediation(
        scenario="disk-full",
        hosts="web1",
        inventory=INVENTORY,
        transport=ScriptedTransport(replay("disk-full", "laravel-log")),
    )
    remediation.preview(
        listener=ConsoleReporter(
            Screen.of(sys.stdout),
            cases=remediation.cases,
            again=Invocation(scenario="disk-full", hosts="web1"),
            clock=SystemClock(),
            is_dry=True,
        )
    )


if __name__ == "__main__":
    main()
