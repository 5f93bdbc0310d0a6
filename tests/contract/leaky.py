"""The program with kinds that tell all they see and may break: for tests of what is told.

``SOLEIL_TEST_CRASH`` breaks the program itself when everything was seen, with all of it in the error's text.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog
from soleil_remediate.cli import checking, choosing, main, remediating
from soleil_remediate.cli.call import Call
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import ExitStatus
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.report import RunReport
from soleil_remediate.scenario import Case
from soleil_remediate.task import Look, Shown, Table, Task, Text
from soleil_remediate.units import Duration
from tests.contract.controller import Says
from tests.tiny import ReadFile

PLAYBOOK = """
scenario: leaky
title: A File Says Too Much
severity: medium
respond_within: 4 h
impact: none
hosts: all
inputs:
  file: {type: path, required: true, about: The file that must say good}
  ending: {type: text, default: good, about: How the repair ends}
healthy_when:
  - file.says: {path: "{{ inputs.file }}"}
evidence:
  - file.lines: {path: "{{ inputs.file }}"}
  - file.words: {path: "{{ inputs.file }}"}
steps:
  - file.put-aloud: {path: "{{ inputs.file }}", ending: "{{ inputs.ending }}"}
"""

#: $1 is the file, $2 how it ends. What it said is told on both streams.
PUT = Script(
    name="put-aloud",
    text="""cat "$1"; cat "$1" >&2
        case $2 in
            good) ;;
            waiting) until [ -e "$1.go" ]; do sleep 0.1; done ;;
            *) exit 3 ;;
        esac
        echo good >"$1"
    """,
)


@dataclass(frozen=True, kw_only=True)
class Lines(Look[str | None]):
    """Show the lines of a file."""

    kind = "file.lines"
    title: ClassVar[str] = "Its lines"

    path: PurePosixPath

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def show(self, seen: str | None) -> Shown:
        return Text(lines=tuple((seen or "").splitlines()))


@dataclass(frozen=True, kw_only=True)
class Words(Lines):
    """Show the words of a file."""

    kind = "file.words"
    title: ClassVar[str] = "Its words"

    def show(self, seen: str | None) -> Shown:
        return Table(columns=("line", "words"), rows=tuple((line, line) for line in (seen or "").splitlines()))


@dataclass(frozen=True, kw_only=True)
class PutAloud(Task[str | None]):
    """Let a file say ``good``, and tell what it said."""

    kind = "file.put-aloud"

    path: PurePosixPath
    ending: str = "good"

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def plan(self, seen: str | None) -> Plan:
        if seen == "good":
            return Plan.nothing("it says good")
        if self.ending == "bug":
            raise LookupError(f"nobody knows {seen!r}")
        change = Change(
            summary=f"let it say good instead of {seen}",
            command=Command(PUT.bind(self.path, self.ending), deadline=Duration(60)),
            risk=Risk.GENTLE,
            undo=Undo.none(f"nobody needs {seen}"),
            before=str(seen),
            after="good",
            loses=str(seen),
            keeps=str(seen),
            downtime=str(seen),
        )
        return Plan.of(change, because=f"it says {seen}")


def break_down(
    call: Call, cases: Sequence[Case], report: RunReport, *, is_dry: bool, before: remediating.Before | None = None
) -> ExitStatus:
    raise LookupError(repr((call, cases, report, is_dry, before)))


if __name__ == "__main__":
    for part in (choosing, checking):
        part.load_catalog = lambda: Catalog(PLACES).with_classes(Says, Lines, Words, PutAloud)  # type: ignore[attr-defined]  # the one part that is not the program's
    if os.environ.get("SOLEIL_TEST_CRASH"):
        remediating._ended = break_down
    sys.argv[0] = "soleil-remediate"
    sys.exit(main(sys.argv[1:]))
