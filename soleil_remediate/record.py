"""The run's record is its journal: one JSONL file a run, on disk before and after every change.

No record, no change: what cannot be written here is not sent. Beside the journal lie the copies of what changes
destroyed. Folders have mode 0700, files 0600; names are chosen here and never by a host.

The journal of run 1a2b3c4d is ``runs/1a2b3c4d.jsonl`` below the state folder. Its first line is
``{"format": 2, "run": "1a2b3c4d"}``; every other one is an event, one JSON object with these fields first::

    n                1, 2, 3 … without a gap
    at               when it was written, ISO 8601 in UTC
    type             what happened; the fields that follow depend on it

    RunStarted       run, scenario, hosts (their names), operator, inputs, called: by which inventory and playbooks;
                     for_people: the questions it leaves open, and what is to be done by_hand, each a text and the hosts
                     that it is for; no line ever says that anybody answered or did it
    HostSeen         preview: all that one look saw of preview.host, and preview.steps, what would be done about it;
                     preview.identity.machine_id, which machine it was, or null: no other is changed or asked for it
    RolloutPlanned   batches (names of hosts), forks, max_fail: several hosts are to be changed, in this order
    GateAnswered     is_open, by (who or what answered), approved (digests of the changes that may be sent)
    BatchStarted     number, of, hosts: the next of several are begun with
    HostClaimed      host, owner: the host's lock is ours
    HostSeenAgain    host, standing: how it stood at a later look; under its lock before the first change, after every
                     step that sent something, and after somebody was asked once more (none in older records)
    CopySaved        host, step, copy: path here, size there, stored here, sha256 of what was there; part, its name
                     where a change has several
    ChangeIntended   host, step, kind, operation, digest, change: from here on the host may have been changed; memory,
                     which a host that restarts loses; takes_back, the operation that it takes back, or nothing
    ChangeAnswered   host, operation, exit_status, says (its last lines), took; warnings, which it said of itself
    StopHeard        why, is_insisted: no new change; if insisted, the one under way is not waited for
    ChangeUnanswered host, operation, why: the host is asked again; a ChangeAnswered may still follow
    StepEnded        host, step, kind, outcome: its type, why, and in outcome.sent the operations that succeeded; in
                     outcome.taken_back those of them that were taken back
    HostEnded        host, outcome: its verdict and why; seen, the n of its HostSeen, or null; took; after, how it
                     stood at the last look since the first change, or null; forecasts, when it is at fault again
    RunEnded         exit_status; verdicts, how many hosts ended with each; sent, how many changes succeeded

Where its hosts are watched afterwards (``--watch``), more follows, and nothing is sent any more::

    WatchStarted     hosts (their names), lasts, every
    HostWatched      host, health, why: at the first look, and whenever that is another one than before
    HostSettled      host, outcome: by the last look, where it ended otherwise than its HostEnded says
    WatchEnded       exit_status, verdicts, stopped (by whom, or nothing), took

Whoever resumes the run later goes on in the same file, as often as somebody does::

    RunResumed       operator
    ChangeSettled    host, operation, found: done, never-begun, lost or forgotten; exit_status, says
    HostSeenAgain    host, standing: how it stands now
    HostSettled      host, outcome: what became of it after all, whatever its HostEnded says; then a RunEnded about all
                     hosts that were settled

Where the scenario has stages, each host stands here once for each that it is in, as ``web1#restart``: its inventory's
name, and the stage's. Hosts that are not meant, because their stage is done once, end at once as not needed.

Steps count from 0, in the playbook's or the stage's order; an operation's name is to be read together with its host's:
in older records several hosts have the same. Each thing stands in one line: who wants to know how a host looked before
follows ``seen``, who wants to know what an operation did looks for its ChangeIntended. Sizes are bytes, durations
seconds. Everything is ASCII, so that no terminal acts on it. With jq(1)::

    jq -r 'select(.outcome.verdict) | [.host, .outcome.verdict, .outcome.why] | @tsv' 1a2b3c4d.jsonl
    jq -r 'select(.type == "ChangeIntended") | [.host, .operation, .change.summary] | @tsv' 1a2b3c4d.jsonl
    jq -r 'select(.type == "CopySaved") | .copy | "\\(.sha256)  \\(.path)"' 1a2b3c4d.jsonl

A change whose host and operation stand in a ChangeIntended, and in no ChangeAnswered or ChangeSettled that says what
became of it, MAY have been made. A last line without an end was cut off by a full disk or by this program's death, and
never counted: what it intended was not sent. While a run goes on its process holds a lock on the file, see flock(2).

New fields may come at any time; ``format`` is raised whenever one changes its meaning or goes away, and
``runs show RUN -o json`` prints older records as today's.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from soleil_remediate.clock import Clock
from soleil_remediate.copies import NewCopy, copies_of
from soleil_remediate.errors import ConfigError, Refused, UnknownName
from soleil_remediate.events import CopyProgress, Event, HostEnded, HostSeen, RunEnded, StepEnded, WatchEnded, as_data
from soleil_remediate.history import FORMAT, History, RunSummary, hold, read_history, summary, take
from soleil_remediate.report import RunReport
from soleil_remediate.state import open_private, remedy_for

_RUN = re.compile(r"[0-9a-f]{8}", re.ASCII)


class RecordNotWritten(Refused):
    """The run's record could not be written, so nothing (more) was sent."""


def new_run() -> str:
    """Return a name for a new run: 8 hexadecimal digits."""
    return secrets.token_hex(4)


class Record:
    """An open journal. Safe to write to from several threads; every line is on disk when :meth:`write` returns."""

    def __init__(self, run: str, descriptor: int, state: Path, clock: Clock, *, count: int = 0) -> None:
        self.run = run
        self._descriptor = descriptor
        self._state = state
        self._path = _path(state, run)
        self._clock = clock
        self._lock = threading.Lock()
        self._count = count
        self._seen: dict[str, int] = {}
        self._broken = ""

    def write(self, event: Event) -> None:
        """Append *event* and wait until the disk has it; progress is left out.

        Raises:
            RecordNotWritten: The disk has it not, or an earlier line is not whole.
        """
        if isinstance(event, CopyProgress):
            return
        with self._lock:
            if self._broken:
                raise RecordNotWritten(self._broken)
            self._count += 1
            at = self._clock.now().isoformat(timespec="milliseconds")
            line = {"n": self._count, "at": at, **_line(event, self._seen)}
            if isinstance(event, HostSeen):
                self._seen[event.preview.host.name] = self._count
            data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            try:
                _write_all(self._descriptor, data)
                os.fsync(self._descriptor)
            except BaseException as error:  # whatever it was: half a line may stand there, and nothing may follow it
                why = error.strerror if isinstance(error, OSError) else type(error).__name__
                self._broken = f"the record {self._path} cannot be written: {why}"
                if isinstance(error, OSError):
                    raise RecordNotWritten(self._broken) from error
                raise

    def create_copy(self, name: str) -> NewCopy:
        """Create a file for a copy of what a change will destroy.

        Raises:
            OSError: It cannot be created, also where somebody else could change it there.
        """
        return NewCopy(self._state, self.run, name)

    def close(self) -> None:
        """Close the journal; closing it twice is harmless."""
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
            self._descriptor = -1
            self._broken = self._broken or f"the record of run {self.run} is closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Runs:
    """The records of this user's runs.

    Args:
        folder: Where they are kept; made when the first run begins.
    """

    folder: Path

    def begin(self, run: str, clock: Clock) -> Record:
        """Start the record of *run*.

        Raises:
            RecordNotWritten: It cannot be created here; nothing was sent.
        """
        path = _path(self.folder, run)
        try:
            os.close(open_private(self.folder, "evidence"))  # now, and not when the first copy has nowhere to go
            folder = open_private(self.folder, "runs")
            try:
                descriptor = _create(path.name, folder, json.dumps({"format": FORMAT, "run": run}))
            finally:
                os.close(folder)
        except OSError as error:
            why = f"the record {path} cannot be written: {error.strerror}"
            raise RecordNotWritten(f"{why}. Without a record nothing is sent. To go on: {remedy_for(error)}") from error
        return Record(run, descriptor, self.folder, clock)

    def reopen(self, history: History, clock: Clock) -> Record:
        """Go on with the record of a run that is over, to say what became of it.

        A last line that was cut off goes away: it never counted.

        Args:
            history: What the record said when it was read, and still has to say.
            clock: Says when something is written.

        Raises:
            Refused: Its process is alive, another one goes on with it just now, or somebody did since it was read.
            RecordNotWritten: It cannot be written, or an older version of this program wrote it.
        """
        run = history.run
        path = _path(self.folder, run)
        try:
            folder = open_private(self.folder, "runs")
            try:
                flags = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(path.name, flags, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as error:
            why = f"the record {path} cannot be written: {error.strerror}"
            raise RecordNotWritten(f"{why}. To go on: {remedy_for(error)}") from error
        try:
            if not take(descriptor):
                raise Refused(f"run {run} goes on: a process on this machine still holds its record. Nothing was sent")
            count = _whole_lines(descriptor, path)
            if self.read(run) != history.lines:
                raise Refused(f"run {run} went on meanwhile: type it again, to go on from there. Nothing was sent")
        except BaseException:
            os.close(descriptor)
            raise
        return Record(run, descriptor, self.folder, clock, count=count)

    def evidence(self, run: str) -> Path:
        """Return the folder for what a run's changes destroyed."""
        return copies_of(self.folder, run)

    def list(self) -> tuple[RunSummary, ...]:
        """Return all runs, newest first.

        Raises:
            ConfigError: The folder with the records cannot be read.
        """
        runs = [summary(path) for path in self._paths()]
        return tuple(sorted(runs, key=lambda run: (run.started, run.run), reverse=True))

    def read(self, prefix: str) -> tuple[dict[str, Any], ...]:
        """Return the lines of the one run whose name begins with *prefix*, as :meth:`history` does."""
        return self.history(prefix).lines

    def history(self, prefix: str) -> History:
        """Return the record of the one run whose name begins with *prefix*, and what it leaves open.

        Raises:
            UnknownName: No run's name does.
            ConfigError: Several do, or the record cannot be read.
        """
        names = [path.stem for path in self._paths()]
        found = [name for name in names if prefix and name.startswith(prefix)]
        if not found:
            raise UnknownName("run", prefix, names)
        if len(found) > 1:
            raise ConfigError(f"{prefix!r} is the beginning of several runs: {', '.join(sorted(found))}")
        path = _path(self.folder, found[0])
        try:
            return read_history(path, self.folder)
        except OSError as error:
            raise ConfigError(f"the record {path} cannot be read: {error.strerror}") from error

    def _paths(self) -> tuple[Path, ...]:
        folder = self.folder / "runs"
        try:
            return tuple(path for path in folder.iterdir() if path.suffix == ".jsonl" and _RUN.fullmatch(path.stem))
        except FileNotFoundError:  # nothing ever ran
            return ()
        except OSError as error:
            raise ConfigError(f"the records in {folder} cannot be read: {error.strerror}") from error


def _path(state: Path, run: str) -> Path:
    return state / "runs" / f"{run}.jsonl"


def _line(event: Event, seen: Mapping[str, int]) -> dict[str, Any]:
    """Return what the record holds of *event*: what an earlier line says is referred to and not said again.

    Args:
        event: What happened.
        seen: The number of the line in which each host was seen.
    """
    data: dict[str, Any] = {"type": type(event).__name__}
    match event:
        case StepEnded():
            data |= as_data(event)
            if "sent" in data["outcome"]:
                data["outcome"]["sent"] = [sent["operation"] for sent in data["outcome"]["sent"]]
        case HostEnded(report=report):
            about = {"host": report.host, "outcome": report.outcome, "seen": seen.get(report.host.name)}
            data |= as_data(about | {"after": report.after, "forecasts": report.forecasts, "took": report.took})
        case RunEnded(report=report):
            sent = sum(len(host.sent) for host in report.hosts)
            data |= _verdicts(report) | {"sent": sent}
        case WatchEnded(report=report):
            data |= _verdicts(report) | as_data({"stopped": event.stopped, "took": event.took})
        case _:
            data |= as_data(event)
    return data


def _verdicts(report: RunReport) -> dict[str, Any]:
    verdicts = Counter(host.outcome.word for host in report.hosts)
    return {"exit_status": int(report.exit_status), "verdicts": dict(verdicts)}


def _create(name: str, folder: int, first: str) -> int:
    """Create a journal below a folder's descriptor, with its first line on disk, and return its own."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    try:
        hold(descriptor)
        _write_all(descriptor, first.encode() + b"\n")
        os.fsync(descriptor)
        os.fsync(folder)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)  # a record that never began would be listed as a run that never ended
        raise
    return descriptor


def _whole_lines(descriptor: int, path: Path) -> int:
    """Cut what stands behind the last whole line of a journal, and return how many events it has."""
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        content = file.read()
    first = content.partition(b"\n")[0]
    if json.loads(first or b"{}").get("format") != FORMAT:
        raise RecordNotWritten(f"another version of this program wrote the record {path}: look at its hosts instead")
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
    return content.count(b"\n") - 1


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
