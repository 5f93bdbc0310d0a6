"""Supervisor's programs: how they are over some seconds, and how often they die."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import NOT_FOUND, Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.files import readable, records
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: So long it is watched: longer than an idle worker sleeps (3 s), so that one which takes no job then takes none.
WATCHED = Duration(4)
#: Deaths that are older do not count as being in a row with the newest.
WITHIN = Duration(300)
#: Seconds; a worker that ran for less before it was started anew died: --max-time and queue:restart end those that ran
#: longer. One that loses Redis ends by itself at once, and well (Worker::stopWorkerIfLostConnection).
LONG_ENOUGH = 60

LOG = PurePosixPath("/var/log/supervisor/supervisord.log")
#: So many of its newest lines: a program that dies every second has about three a second.
LOG_LINES = 400

#: How every program is, and $1 seconds later once more; each look ends in NUL. An exit status other than 0 is told.
_SAMPLE = r"""supervisorctl status || printf 'status %s\n' "$?"
printf '\0'
sleep "$1"
supervisorctl status || printf 'status %s\n' "$?"
printf '\0'
"""
SAMPLE_PROGRAMS = Script("sample-programs", _SAMPLE)
SAMPLE_PROGRAMS_BY_SUDO = Script("sample-programs", _SAMPLE.replace("supervisorctl", "sudo -n -- supervisorctl"))

_PROCESS = re.compile(
    r"(?P<name>\S+)\s+(?P<state>STOPPED|STARTING|RUNNING|BACKOFF|STOPPING|EXITED|FATAL|UNKNOWN)(?:\s+(?P<says>.*))?"
)
_RUNNING = re.compile(r"pid (\d+), uptime (?:(\d+) days?, )?(\d+):(\d\d):(\d\d)")
_IS_DOWN = re.compile(r"unix://\S+ (no such file|refused connection)|http://\S+ refused connection")
_LOGGED = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d),\d+ [A-Z]+ ([a-z ]+): (.*)")
_SPAWNED = re.compile(r"'(.*)' with pid (\d+)")
_ENDED = re.compile(r"(\S+) \((.*); (not expected|expected)\)")
#: By which a worker that has grown too large ends itself (Illuminate\Queue\Worker::EXIT_MEMORY_LIMIT): no death.
_GREW_TOO_LARGE = "exit status 12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process as supervisor has it.

    Args:
        name: As supervisorctl has it, with its group where that has another name.
        state: ``RUNNING``, ``STOPPED``, ``BACKOFF``, …
        pid: Of a running one.
        uptime: Of a running one, in seconds.
        says: What supervisor says about one that does not run.
    """

    name: str
    state: str
    pid: int = 0
    uptime: int = 0
    says: str = ""


@dataclass(frozen=True, slots=True)
class SamplePrograms(Query[tuple[Mapping[str, Process], Mapping[str, Process]] | None]):
    """How every program of supervisor's is, at the beginning and the end of some seconds; ``None`` where it is down."""

    seconds: Duration = WATCHED

    @property
    def command(self) -> Command:
        return Command(
            SAMPLE_PROGRAMS.bind(self.seconds),
            deadline=Duration(self.seconds + 10),
            is_slow=True,
            by_sudo=SAMPLE_PROGRAMS_BY_SUDO.bind(self.seconds),
        )

    def parse(self, output: Output) -> tuple[Mapping[str, Process], Mapping[str, Process]] | None:
        first, second = (_looked(readable(text)[0]) for text in records(output.stdout))
        return None if first is None or second is None else (first, second)


def _looked(text: str) -> Mapping[str, Process] | None:
    """Return the processes of one look; ``None`` where supervisor does not run."""
    found: dict[str, Process] = {}
    lines = text.splitlines()
    ended = re.fullmatch(r"status (\d+)", lines[-1]) if lines else None
    if ended is not None:
        lines = lines[:-1]
        if ended[1] == "4" and lines and _IS_DOWN.match(lines[0]):
            return None
        if ended[1] == str(NOT_FOUND):
            raise FactError("supervisorctl is not there")
        if ended[1] != "3":  # 3: one of them is stopped
            denied = any("Permission denied" in line for line in lines)
            why = "needs root" if denied else redacted(" ".join(lines))[:200]
            raise FactError(f"supervisorctl status ended with {ended[1]}: {why}")
    for line in lines:
        match = _PROCESS.fullmatch(line.rstrip())
        if match is None:
            raise ValueError(f"no process of supervisor's: {redacted(line)[:80]!r}")
        says = match["says"] or ""
        if match["state"] == "RUNNING":
            running = _RUNNING.fullmatch(says)
            if running is None:
                raise ValueError(f"no time that it runs: {redacted(says)[:80]!r}")
            pid, days, *clock = running.groups()
            hours, minutes, seconds = map(int, clock)
            uptime = ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
            found[match["name"]] = Process(name=match["name"], state="RUNNING", pid=int(pid), uptime=uptime)
        else:
            found[match["name"]] = Process(name=match["name"], state=match["state"], says=says)
    return found


def deaths_of(process: Process, lines: Iterable[str], *, ends_itself: bool = False) -> tuple[int, str]:
    """Return how often a process has died in a row within the last minutes, and of what the last time.

    It died where it ended unexpectedly, or soon after it had begun. Supervisor's log has the host's own time of day:
    what counts is how long before the newest start that was. One that was given up, or stopped by somebody, before that
    start is another story.

    Args:
        process: As supervisor has it now.
        lines: Of supervisor's log, the oldest first.
        ends_itself: It is meant to end soon, if it ends well.
    """
    name = process.name.rpartition(":")[2]
    deaths: list[tuple[int, str]] = []
    began = None
    for line in lines:
        match = _LOGGED.fullmatch(line)
        if match is None:
            continue
        *clock, event, about = match.groups()
        at = seconds_at(*map(int, clock))
        spawned, ended = _SPAWNED.fullmatch(about), _ENDED.fullmatch(about)
        if event == "spawned" and spawned is not None and spawned[1] == name:
            began = at
        elif event == "exited" and ended is not None and ended[1] == name:
            is_soon = began is not None and at - began < LONG_ENOUGH and not ends_itself
            if is_soon or (ended[3] == "not expected" and ended[2] != _GREW_TOO_LARGE):
                deaths.append((at, ended[2]))
        elif event in {"gave up", "stopped"} and about.split(" ", 1)[0] == name:
            deaths, began = [], None
    recent = [why for at, why in deaths if began is not None and began - WITHIN <= at]
    return len(recent), recent[-1] if recent else ""
