"""The command line as a process of its own, with a scenario that needs no lab: what tests kill, starve and interrupt.

``python -m tests.contract.controller WORDS``
    does what ``soleil-remediate WORDS`` does, and knows two kinds more.
``python -m tests.contract.controller serve``
    does so for every line of standard input, ``{"words": […], "environment": {…}, "folder": …}``, each in a process of
    its own that is forked when everything is imported already. Its output goes to ``folder/out`` and ``folder/err``;
    its process id, and at its end its wait status, are printed.

``SOLEIL_TEST_MOMENT`` is ``SIGNAL call|return NAME N``: the process sends itself that signal when it calls, or returns
from, the N-th function of that name, in whichever thread.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Any

from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog
from soleil_remediate.cli import choosing, main
from soleil_remediate.command import Command, Reader
from soleil_remediate.facts.files import FileStat, StatFile
from soleil_remediate.plan import Change, Plan, Preserve, Risk, Script, Undo
from soleil_remediate.task import Check, Measure, Task, Verdict
from soleil_remediate.units import Duration
from tests.tiny import ReadFile

PLAYBOOK = """
scenario: tiny
title: A File Says Something Else
severity: medium
respond_within: 4 h
impact: none
hosts: all
inputs:
  file: {type: path, default: /nonexistent, about: The file that must say good}
  saves: {type: path, about: A file that is saved first}
  takes: {type: duration, default: 0 s, about: How long each change takes}
  until: {type: path, default: /, about: The first change goes on until this is there}
  until_last: {type: path, default: /, about: So does the second one}
  risk: {type: text, default: gentle, about: How risky each change is}
healthy_when:
  - file.says: {path: "{{ inputs.file }}"}
steps:
  - file.put-slowly: {path: "{{ inputs.file }}", word: first, only_from: bad, saves: "{{ inputs.saves }}",
                      takes: "{{ inputs.takes }}", until: "{{ inputs.until }}", risk: "{{ inputs.risk }}"}
  - file.put-slowly: {path: "{{ inputs.file }}", word: good, takes: "{{ inputs.takes }}",
                      until: "{{ inputs.until_last }}", risk: "{{ inputs.risk }}"}
"""

_THERE = PurePosixPath("/")

#: $1 is the file, $2 what it is to say, $3 how long that takes, $4 what is waited for. What really happened stands in
#: the ledger beside it.
PUT = Script(
    name="put-slowly",
    text="""echo "begun $2" >>"$1.ledger"
        sleep "$3"
        until test -e "$4"; do sleep 0.1; done
        printf "%s\\n" "$2" >"$1.next"
        mv -f "$1.next" "$1" # somebody else may look at any time
        echo "done $2" >>"$1.ledger"
    """,
)


@dataclass(frozen=True, kw_only=True)
class Says(Check[str | None]):
    """See whether a file says ``good``."""

    kind = "file.says"

    path: PurePosixPath

    async def read(self, host: Reader) -> str | None:
        return await host.ask(ReadFile(self.path))

    def judge(self, seen: str | None) -> Verdict:
        said = Measure(label=str(self.path), value=str(seen), is_faulty=seen != "good")
        return (Verdict.healthy if seen == "good" else Verdict.faulty)(f"it says {seen}", said)


@dataclass(frozen=True, kw_only=True)
class PutSlowly(Task[tuple[str | None, FileStat | None]]):
    """Let a file say a word, slowly, and count it."""

    kind = "file.put-slowly"

    path: PurePosixPath
    word: str
    only_from: str = ""
    saves: PurePosixPath | None = None
    takes: Duration = Duration(0)
    until: PurePosixPath = _THERE
    risk: Risk = Risk.GENTLE

    async def read(self, host: Reader) -> tuple[str | None, FileStat | None]:
        return await host.ask_all(ReadFile(self.path), StatFile(self.saves or self.path))

    def plan(self, seen: tuple[str | None, FileStat | None]) -> Plan:
        said, found = seen
        if said == "good" or (self.only_from and said != self.only_from):
            return Plan.nothing(f"it says {said}")
        preserve = None
        if self.saves is not None and found is not None:
            preserve = Preserve(path=self.saves, identity=found.identity, size=found.size)
        change = Change(
            summary=f"let it say {self.word}",
            command=Command(PUT.bind(self.path, self.word, self.takes, self.until), deadline=Duration(120)),
            risk=self.risk,
            undo=Undo.none("nobody needs the old word"),
            before=str(said),
            after=self.word,
            preserve=preserve,
        )
        return Plan.of(change, because=f"it says {said}")


choosing.load_catalog = lambda: Catalog(PLACES).with_classes(Says, PutSlowly)  # type: ignore[attr-defined]  # the one part that is not the program's


def arm(moment: str) -> None:
    """Send this process a signal at one moment of its work."""
    number, event, name, nth = moment.split()
    left, begun = [int(nth)], list[str]()
    counting = threading.Lock()

    def watch(frame: FrameType, happened: str, what: Any) -> None:
        if happened == event and name != "*":
            is_it = frame.f_code.co_qualname == name
        elif happened == event:
            if frame.f_code.co_qualname == "Runs.begin":
                begun.append("")
            is_it = bool(begun) and (frame.f_globals.get("__name__") or "").startswith("soleil_remediate.")
        else:
            is_it = happened == f"c_{event}" and what.__name__ == name
        if is_it:
            with counting:
                left[0] -= 1
                is_now = left[0] == 0
            if is_now:
                os.kill(os.getpid(), signal.Signals[number])

    def begin(frame: FrameType, happened: str, what: Any) -> None:
        is_paramikos = type(threading.current_thread()).__module__.startswith("paramiko")  # it is slow enough as it is
        sys.setprofile(None if is_paramikos else watch)
        if not is_paramikos:
            watch(frame, happened, what)

    def end() -> None:
        sys.setprofile(None)
        os.write(2, f"left: {left[0]}\n".encode())

    atexit.register(end)
    threading.setprofile(begin)
    sys.setprofile(watch)


def run(words: list[str]) -> int:
    """Do what the program does with *words*, and return its exit status."""
    if moment := os.environ.get("SOLEIL_TEST_MOMENT", ""):
        arm(moment)
    sys.argv = ["soleil-remediate", *words]
    return main(words)


def serve() -> None:
    """Fork a process for every line."""
    import soleil_remediate.cli.arguments  # noqa: PLC0415  # warm is what the children start from
    import soleil_remediate.cli.remediating  # noqa: F401, PLC0415

    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()  # without a terminal: nobody is there to ask
            folder = Path(asked["folder"])
            for descriptor, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.environ.update(asked["environment"])
            sys.exit(run(asked["words"]))
        os.write(1, f"{pid}\n".encode())
        os.write(1, f"{os.waitpid(pid, 0)[1]}\n".encode())


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        sys.exit(run(sys.argv[1:]))
