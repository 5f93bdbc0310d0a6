"""An application's queue workers that supervisor does not keep: systemd started them, or a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import QueueUsed
from soleil_remediate.facts.files import readable, records
from soleil_remediate.facts.memory import below
from soleil_remediate.facts.processes import unit_in
from soleil_remediate.facts.supervisors import LONG_ENOUGH
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration, KiB

#: Whoever looks into /proc sees this many ticks a second, on every machine that Debian runs on: USER_HZ, time(7).
_TICKS = 100
_ARTISAN = re.compile(r"(?:.*/)?artisan", re.DOTALL)

#: Of every process the words that say that it is a queue worker, and no other; then where each works, in which unit it
#: is, when it was started, and for how long the host runs.
FIND_OTHER_WORKERS = Script(
    "find-other-workers",
    r"""grep -a -z -s -H -x -e queue:work -e queue:listen -e horizon -e artisan -e '.*/artisan' /proc/[0-9]*/cmdline
printf '\0'
stat --printf='%N\n' /proc/[0-9]*/cwd
grep -a -s -H -e '^0::' -e '^[0-9]*:name=systemd:' /proc/[0-9]*/cgroup
grep -a -s -H -e '[)] [A-Za-z] [0-9]' /proc/[0-9]*/stat
grep -H '' /proc/uptime
""",
)
_WORD = re.compile(r"/proc/(\d{1,10})/cmdline:(.+)", re.DOTALL)
_LINE = re.compile(r"/proc/(\d{1,10})/(cgroup|stat):(.*)")
_UPTIME = re.compile(r"/proc/uptime:(\d+\.\d\d) .*")
#: As stat writes a name and where it leads; what it has to write otherwise, and what is hidden, is nobody's here.
_FOLDER = re.compile(r"'/proc/(\d{1,10})/cwd'(?: -> '(/[^']*)')?")
_OTHERWISE = re.compile(r"'/proc/\d{1,10}/cwd' -> .*")


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherWorker:
    """One process that works off an application's queues.

    Args:
        age: For how long it runs.
        unit: The systemd unit it belongs to; empty where none is known.
    """

    pid: int
    age: Duration
    unit: str = ""

    @property
    def is_lasting(self) -> bool:
        """It has run for so long that it was not started for a moment, and does not die at once."""
        return self.age >= LONG_ENOUGH

    @property
    def in_words(self) -> str:
        """Where it is found, for people."""
        return self.unit or f"process {self.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutSupervisor:
    """What is known of an application's workers where supervisor keeps none.

    Args:
        others: Those that something else runs, or why that cannot be seen.
        queue: Where its jobs go, or why that cannot be asked.
    """

    others: tuple[OtherWorker, ...] | FactError
    queue: QueueUsed | FactError


@dataclass(frozen=True, slots=True)
class FindOtherWorkers(Query[tuple[OtherWorker, ...]]):
    """The processes that work off the queues of the application in *root*: ``queue:work``, ``queue:listen``, Horizon.

    They name its artisan, or run it in its folder. Those that a login may not look into are not among them.
    """

    root: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(FIND_OTHER_WORKERS.bind(), deadline=Duration(5), output_limit=KiB(8192))

    def parse(self, output: Output) -> tuple[OtherWorker, ...]:
        *found, rest = output.stdout.split(b"\0")
        if not found or found.pop():
            raise ValueError("not what was to be told of processes")
        words: dict[int, list[str]] = {}
        for one in found:
            match = _match(_WORD, readable(one)[0])
            words.setdefault(int(match[1]), []).append(match[2])
        *lines, last = [readable(line)[0] for line in records(rest, b"\n")]
        uptime = float(_match(_UPTIME, last)[1])
        folders: dict[int, str] = {}
        files: dict[tuple[int, str], list[str]] = {}
        for line in lines:
            if folder := _FOLDER.fullmatch(line):
                folders[int(folder[1])] = folder[2] or ""
            elif not _OTHERWISE.fullmatch(line):
                match = _match(_LINE, line)
                files.setdefault((int(match[1]), match[2]), []).append(match[3])
        return tuple(
            OtherWorker(
                pid=pid,
                age=Duration(max(0, int(uptime - _started(files[pid, "stat"][-1])))),
                unit=unit_in(files.get((pid, "cgroup"), ())) or "",
            )
            for pid, said in words.items()
            if (pid, "stat") in files and self._is_meant(said, folders.get(pid, ""))
        )

    def _is_meant(self, words: list[str], folder: str) -> bool:
        return any(below(self.root, (f"{folder}/{artisan}" if folder else "", artisan)) for artisan in _worked(words))


def _worked(words: list[str]) -> Iterator[str]:
    """Return the artisan that is told to work off queues."""
    for artisan, told in pairwise(words):
        if _ARTISAN.fullmatch(artisan) and not _ARTISAN.fullmatch(told):
            yield artisan


def _started(stat: str) -> float:
    """Return when a process was started, in seconds since the host was: proc_pid_stat(5), field 22."""
    return int(stat[stat.rindex(")") + 1 :].split()[19]) / _TICKS


def _match(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise ValueError("no line of a process")
    return match
