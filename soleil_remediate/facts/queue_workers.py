"""An application's queue workers, where supervisor keeps them running: what they are to do, and how they have been."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import FindNamed, only_missing, readable, records
from soleil_remediate.facts.lines import NewestLines
from soleil_remediate.facts.maintenance import down_file
from soleil_remediate.facts.supervisors import (
    LOG,
    LOG_LINES,
    LONG_ENOUGH,
    WATCHED,
    WITHIN,
    Process,
    SamplePrograms,
    deaths_of,
)
from soleil_remediate.secrecy import redacted

_FOLDER = PurePosixPath("/etc/supervisor/conf.d")
_SECTION = re.compile(r"\[(program|group):([A-Za-z0-9_][A-Za-z0-9_.-]*)\]")
_SETTINGS = ("command", "directory", "autostart", "programs", "stdout_logfile", "stderr_logfile")
_QUEUE_WORK = frozenset({"queue:work", "queue:listen"})
#: The options of queue:work that take a value, which may stand behind "=" or be the next word.
_VALUED = frozenset(
    {"--queue", "--tries", "--timeout", "--backoff", "--delay", "--memory", "--sleep", "--rest", "--name", "--max-jobs"}
    | {"--max-time"}
)
#: What names of queues and of connections are taken to be; anything else is not asked for.
QUEUE_NAME = re.compile(r"[A-Za-z0-9_{][A-Za-z0-9_.:{}-]{0,99}")

#: So many deaths in a row are a loop, where the newest process has not run for long.
_DEATHS = 3
_ALIVE = frozenset({"RUNNING", "STARTING"})
_DOWN = frozenset({"STOPPED", "EXITED", "FATAL", "UNKNOWN"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One program of supervisor that works off an application's queues, or may do so; it may be several processes.

    Args:
        name: As supervisor's configuration has it.
        words: Its command.
        directory: Where it runs; empty where that is not said.
        groups: The groups that it is listed in; its processes then have their name instead of the program's.
        starts: Supervisor starts it by itself.
        logs: The files that it writes to, as far as their names are written out.
    """

    name: str
    words: tuple[str, ...]
    directory: str = ""
    groups: tuple[str, ...] = ()
    starts: bool = True
    logs: tuple[PurePosixPath, ...] = ()

    @property
    def is_horizon(self) -> bool:
        """It is Laravel Horizon, which starts and ends the workers itself."""
        return "horizon" in self.words

    @property
    def told(self) -> tuple[str, ...] | None:
        """What ``queue:work`` is told, each option as one word; ``None`` where it is not seen to be that."""
        if not self.is_queue_work:
            return None
        joined: list[str] = []
        for word in self.words[len(self.runner) + 1 :]:
            if joined and joined[-1] in _VALUED:
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return tuple(joined)

    @property
    def is_queue_work(self) -> bool:
        """It is seen to be ``queue:work``, or ``queue:listen``."""
        return not _QUEUE_WORK.isdisjoint(self.words)

    @property
    def runner(self) -> tuple[str, ...]:
        """The words before ``queue:work``: PHP and artisan."""
        return tuple(takewhile(lambda word: word not in _QUEUE_WORK, self.words))

    @property
    def connection(self) -> str:
        """The queue connection that it works; empty for the application's own."""
        return next((word for word in self.told or () if not word.startswith("-")), "")

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that it was told to work; none where that is the connection's own."""
        return tuple(self.option("queue").split(",")) if self.option("queue") else ()

    @property
    def ends_itself(self) -> bool:
        """It is told to end after a job or a moment; supervisor then starts it anew, again and again."""
        told = self.told or ()
        max_time = self.option("max-time")
        is_brief = max_time.isdigit() and 0 < int(max_time) < LONG_ENOUGH
        return is_brief or "--once" in told or "--stop-when-empty" in told or self.option("max-jobs") not in {"", "0"}

    def option(self, name: str) -> str:
        """Return the value of one of its options, written ``--name=value``; empty where it is not given."""
        start = f"--{name}="
        return next((word.removeprefix(start) for word in self.told or () if word.startswith(start)), "")

    def owns(self, process: str) -> bool:
        """Whether a process of that name, as supervisorctl has it, is one of its own."""
        group, _, name = process.rpartition(":")
        if not group or group == self.name:
            return (group or name) == self.name
        return group in self.groups and name.startswith(self.name)


@dataclass(frozen=True, slots=True)
class ReadWorkers(Query[tuple[Worker, ...]]):
    """The programs of supervisor's that work off the queues of the application in *root*; none without supervisor.

    One of its programs that runs another command of artisan is left out. One that does not say what it runs is not.
    """

    root: PurePosixPath
    # 1: none; 2: there is no such folder
    expects = frozenset({0, 1, 2})
    empty_is = "no program, where grep found none or said that there is no such folder"

    @property
    def command(self) -> Command:
        wanted = rf"^\[|^[[:space:]]*({'|'.join(_SETTINGS)})[[:space:]]*="
        return Command(("grep", "-r", "-a", "-Z", "-E", "-e", wanted, "--", str(_FOLDER)))

    def parse(self, output: Output) -> tuple[Worker, ...]:
        if output.stderr or output.exit_status == 2:
            only_missing(output)
        if not output.exit_status and not output.stdout:
            raise ValueError("found, and not told")
        programs: dict[str, dict[str, str]] = {}
        groups: dict[str, str] = {}
        section, source = None, b""
        for line in records(output.stdout, b"\n"):
            file, end, raw = line.partition(b"\0")
            text = readable(raw)[0]
            name, equals, value = (part.strip() for part in text.partition("="))
            if not end or not (text.startswith("[") or (equals and name in _SETTINGS)):
                raise ValueError(f"no line of supervisor's configuration: {redacted(repr(line))[:80]}")
            if file != source or text.startswith("["):
                section, source = _SECTION.match(text), file
                if section is not None and section[1] == "program":
                    programs.setdefault(section[2], {})
            elif section is not None:
                value = value.partition(" ;")[0].rstrip()
                if section[1] == "group":
                    groups[section[2]] = value
                else:
                    programs[section[2]][name] = value
        listed = {group: [name.strip() for name in names.split(",")] for group, names in groups.items()}
        workers = (
            _worker(name, settings, tuple(group for group, names in listed.items() if name in names))
            for name, settings in programs.items()
        )
        return tuple(one for one in workers if self._is_meant(one))

    def _is_meant(self, worker: Worker) -> bool:
        # A link to the release that is served, and the folder around it, are the same application's.
        folders = (self.root, self.root.parent) if self.root.name == "current" else (self.root,)
        texts = (*worker.words, worker.directory)
        if not any(f"{folder}/" in f"{text}/" for folder in folders for text in texts):
            return False
        runs_artisan = any(word.rpartition("/")[2] == "artisan" for word in worker.words)
        return worker.is_horizon or worker.is_queue_work or not runs_artisan


def _worker(name: str, settings: Mapping[str, str], groups: tuple[str, ...]) -> Worker:
    named = (settings.get(log, "").replace("%(program_name)s", name) for log in ("stdout_logfile", "stderr_logfile"))
    return Worker(
        name=name,
        words=_words(settings.get("command", "")),
        directory=settings.get("directory", ""),
        groups=groups,
        starts=settings.get("autostart", "true").lower() not in {"false", "no", "off", "0"},
        logs=tuple(PurePosixPath(log) for log in dict.fromkeys(named) if re.fullmatch(r"/[^%]+", log)),
    )


def _words(command: str) -> tuple[str, ...]:
    """Return a command's words, those that it hands to a shell as one word among them."""
    try:
        words = shlex.split(command)
        inner = [shlex.split(word) if " " in word else [word] for word in words]
    except ValueError:
        return (command,)
    return tuple(word for one in inner for word in one)


class Life(Enum):
    """How a process has been while it was watched."""

    RUNS = "runs"
    DOWN = "is down"
    DIES = "dies again and again"
    CHANGES = "is being started or stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One process of a worker, as it was at the beginning and at the end of some seconds.

    Args:
        worker: Whose it is.
        before: As it was at the beginning; ``None`` where supervisor had none of that name.
        after: As it was at the end.
        deaths: How often it has died, in a row, within the last minutes.
        died_of: What supervisor logged about the last of these.
    """

    worker: Worker
    before: Process | None
    after: Process
    deaths: int = 0
    died_of: str = ""

    @property
    def life(self) -> Life:
        """How it has been."""
        before = self.before.state if self.before is not None else ""
        if self.worker.ends_itself and {before, self.after.state} <= {"", *_ALIVE, "EXITED"} and not self._is_looping:
            return Life.RUNS
        if self._has_died:
            return Life.DIES
        if self.after.state in _DOWN:
            return Life.DOWN
        return Life.RUNS if before in _ALIVE and self.after.state == "RUNNING" else Life.CHANGES

    @property
    def _has_died(self) -> bool:
        """Whether it died while it was watched, and is about to be started anew."""
        match self.before, self.after.state:
            case Process(state="RUNNING" | "STARTING", uptime=uptime), "EXITED":
                return uptime < LONG_ENOUGH
            case _, state if state in _DOWN:
                return False
            case (_, "BACKOFF") | (Process(state="BACKOFF"), _):
                return True
            case Process(state="RUNNING", pid=pid, uptime=uptime), _ if pid != self.after.pid:
                return uptime < LONG_ENOUGH
            case Process(state="STARTING"), "RUNNING" if self.after.uptime < int(WATCHED) - 1:
                return True
            case _:
                return self._is_looping

    @property
    def _is_looping(self) -> bool:
        return self.deaths >= _DEATHS and self.after.uptime < LONG_ENOUGH

    @property
    def is_well(self) -> bool:
        """It runs, or nobody wants it to run by itself."""
        return self.life is Life.RUNS or (not self.worker.starts and self.after.state == "STOPPED")

    @property
    def in_words(self) -> str:
        """How it is, for people."""
        if self.life is Life.DIES:
            often = f", {self.deaths} times in {WITHIN}" if self.deaths > 1 else ""
            return f"dies again and again{often}{f' ({self.died_of})' if self.died_of else ''}"
        says = f" ({redacted(self.after.says)[:100]})" if self.after.says else ""
        return f"{self.after.state}{says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """The workers of an application that supervisor keeps, watched over some seconds.

    Args:
        programs: By configuration.
        processes: Of these; none where supervisor does not run.
        is_supervised: Supervisor runs, and answered; also where there are no programs.
        last_words: What their logs said last, by file, the newest last.
        is_in_maintenance: The application is in maintenance mode, as far as a file says so. With ``--max-time`` workers
            then end and are started again and again (Worker::pauseWorker of Laravel 8 to 12).
    """

    programs: tuple[Worker, ...] = ()
    processes: tuple[Watched, ...] = ()
    is_supervised: bool = True
    last_words: tuple[tuple[PurePosixPath, tuple[str, ...]], ...] = ()
    is_in_maintenance: bool = False

    def that(self, life: Life) -> tuple[Watched, ...]:
        """Return the processes that have been so; those that nobody wants to run by themselves are left out."""
        return tuple(one for one in self.processes if one.life is life and (life is Life.RUNS or not one.is_well))

    @property
    def unloaded(self) -> tuple[Worker, ...]:
        """The programs of which supervisor knows nothing: their configuration was written, and never loaded."""
        known = {one.worker.name for one in self.processes}
        return tuple(one for one in self.programs if self.is_supervised and one.name not in known)

    @property
    def is_horizon(self) -> bool:
        """One of them is Laravel Horizon."""
        return any(one.is_horizon for one in self.programs)

    def words_of(self, worker: Worker) -> str:
        """Return the last line of a worker's logs that says something; empty where none is known."""
        lines = (line for log, said in self.last_words if log in worker.logs for line in reversed(said))
        return next((redacted(line.strip())[:200] for line in lines if re.search(r"\w{3}", line)), "")


async def read_workers(host: Reader, root: PurePosixPath) -> Workers:
    """Return how the workers of an application in *root* are, watched over :data:`WATCHED`; two round trips.

    Raises:
        FactError: It cannot be known.
    """
    programs = await host.ask(ReadWorkers(root))
    return await watch(host, root, programs)


async def watch(host: Reader, root: PurePosixPath, programs: Sequence[Worker]) -> Workers:
    """Return how *programs* are, as :func:`read_workers` does; one round trip, none where there are none."""
    if not programs:
        return Workers()
    logs = tuple(dict.fromkeys(log for one in programs for log in one.logs))
    asked: tuple[Query[Any], ...] = (
        SamplePrograms(),
        NewestLines(LOG, LOG_LINES),
        FindNamed((down_file(root),)),
        *(NewestLines(log, 20) for log in logs),
    )
    sampled, logged, marks, *said = await host.ask_each(asked)
    if isinstance(sampled, FactError):
        raise sampled
    if sampled is None:
        return Workers(programs=tuple(programs), is_supervised=False)
    before, after = sampled
    lines = logged if isinstance(logged, tuple) else ()
    watched = []
    for name, process in after.items():
        worker = next((one for one in programs if one.owns(name)), None)
        if worker is not None:
            deaths, died_of = deaths_of(process, lines, ends_itself=worker.ends_itself)
            watched.append(
                Watched(
                    worker=worker, before=before.get(name), after=process, deaths=deaths, died_of=redacted(died_of)[:80]
                )
            )
    return Workers(
        programs=tuple(programs),
        processes=tuple(watched),
        is_in_maintenance=isinstance(marks, tuple) and bool(marks),
        last_words=tuple((log, text) for log, text in zip(logs, said, strict=True) if isinstance(text, tuple)),
    )
