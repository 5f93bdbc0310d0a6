"""One JSON document about a run, for programs.

::

    {
      "format": 1,                     raised whenever a name below changes its meaning or goes away
      "command": "remediate",          or "preview"
      "run": "1a2b3c4d",               null for a preview, which keeps no record
      "scenario": "disk-full",
      "plan": "19c2…",                 what --approve takes; null where nothing would be sent
      "exit_status": 0,                the process ends with it
      "touched": ["web1"],             a change was sent to these, and its answer is known
      "untouched": [],                 no change was sent to these
      "unknown": [],                   a change was sent to these, and nobody knows what became of it
      "for_people": {                  what people still have to see to: nothing here knows whether anybody has
        "questions": [                 to be answered
          {"text": "…", "hosts": ["web1"]}
        ],
        "by_hand": […]                 likewise: to be done, with the commands
      },
      "hosts": [
        {
          "host": "web1",
          "verdict": "FIXED",          one of the printed words
          "why": "…",
          "exit_status": 0,
          "touched": true,             whether any change was sent, whatever became of it
          "sent": 1,                   changes that were sent and answered with success
          "warnings": [],              what these have said that a person should know all the same
          "may_have_changed": false,   true: a change was sent and nobody knows what became of it
          "report": {…}                everything that was seen and done; may grow at any time
        }
      ],
      "resumed": {                     only from "resume": the run that this one goes on with; its hosts count for
        "run": "0f1e2d3c",             the exit status above as well
        "changes": […],                those whose answers never arrived, and what the hosts say about them now
        "hosts": […],                  host, verdict, why and exit_status of those that were asked and looked at now
        "settled": […],                likewise of those that were done before, as its record says
        "gone": […],                   likewise of those that are not in the inventory, as far as the record can tell
        "for_people": {…},             as above, of all of its hosts
        "left": ["web1"]               on these something was left to do: what the run above is about
      }
    }

Where a host stands in no inventory, ``"found"`` has what was found there of its application: ``{"app.root": "…", …}``.
Where the scenario has stages, a host stands in ``hosts`` once for each that it is in: as ``web1#restart``, and beside
it ``"stage": "restart"``.

Where no run came to be there is ``{"format": 1, "command": …, "error": {"type": …, "message": …}, "exit_status": 2}``,
from "resume" with "resumed" as well. Where nothing is left to go on with, its document is what "resumed" has.
Sizes are bytes, durations seconds, times ISO 8601. Everything is ASCII, so that no terminal acts on it, and no line is
a workflow command to a GitHub runner that prints it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from soleil_remediate.errors import ExitStatus
from soleil_remediate.events import as_data
from soleil_remediate.report import RunReport
from soleil_remediate.reporters.endings import was_touched
from soleil_remediate.reporters.visible import inert
from soleil_remediate.secrecy import redacted

FORMAT = 1


def run_document(
    command: str,
    report: RunReport,
    *,
    is_dry: bool,
    status: ExitStatus | None = None,
    resumed: Mapping[str, Any] | None = None,
) -> str:
    """Return the document about a run.

    Args:
        command: Which was given.
        report: What became of it.
        is_dry: Nothing was to be sent, so there is no record.
        status: How the process ends, where that is not the report's own.
        resumed: What became of the run that this one goes on with.
    """
    digests = [host.preview.digests for host in report.hosts if host.preview is not None]
    return _written(
        {
            "format": FORMAT,
            "command": command,
            "run": None if is_dry else report.run,
            "scenario": report.scenario,
            "plan": report.plan if any(digests) else None,
            "exit_status": int(report.exit_status if status is None else status),
            "touched": [redacted(name) for name in report.touched],
            "untouched": [redacted(name) for name in report.untouched],
            "unknown": [redacted(name) for name in report.unknown],
            "for_people": as_data(report.left_to_people),
            "hosts": [
                {
                    "host": redacted(host.host.name),
                    **({"stage": host.host.stage} if host.host.stage else {}),
                    "verdict": host.outcome.word,
                    "why": redacted(host.outcome.why),
                    "exit_status": int(host.outcome.exit_status),
                    "touched": was_touched(host),
                    "sent": len(host.sent),
                    "warnings": as_data(host.warnings),
                    "may_have_changed": host.may_have_changed,
                    **({"found": as_data(dict(host.host.found))} if host.host.found else {}),
                    "report": as_data(host),
                }
                for host in report.hosts
            ],
            **_resumed(resumed),
        }
    )


def error_document(
    command: str, name: str, message: str, status: ExitStatus, *, resumed: Mapping[str, Any] | None = None
) -> str:
    """Return the document about a command that ended before there was a run.

    Args:
        command: Which was given.
        name: What happened: the error's class.
        message: The same for people.
        status: How the process ends.
        resumed: What became of the run that it was to go on with.
    """
    error = {"type": name, "message": redacted(message)}
    about = {"format": FORMAT, "command": command, "error": error, "exit_status": int(status)}
    return _written({**about, **_resumed(resumed)})


def _resumed(resumed: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if resumed is None else {"resumed": as_data(resumed)}


def list_document(command: str, key: str, items: list[Any], **more: Any) -> str:
    """Return the document about a list, such as of scenarios, and what *more* there is to say about it."""
    return _written({"format": FORMAT, "command": command, key: as_data(items), **as_data(more)})


def _written(document: dict[str, Any]) -> str:
    lines = json.dumps(document, ensure_ascii=True, indent=2).split("\n")
    return "\n".join(inert(line, hash_sign="\\u0023") for line in lines)
