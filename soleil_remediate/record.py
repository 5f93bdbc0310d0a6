"""The run's record is its journal: one JSONL file a run, on disk before and after every change.

No record, no change: what cannot be written here is not sent. Beside the journal lie the copies of what changes
destroyed. Folders have mode 0700, files 0600; names are chosen here and never by a host.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from soleil_remediate.clock import Clock
from soleil_remediate.errors import ConfigError, Refused, UnknownName
from soleil_remediate.events import CopyProgress, Event, as_data

FORMAT = 1

#: A host may name a file with 255 bytes; beside it stand the host's name, the step's number and an ending.
_LONGEST_NAME = 150
_RUN = re.compile(r"[0-9a-f]{8}", re.ASCII)


class RecordNotWritten(Refused):
    """The run's record could not be written, so nothing (more) was sent."""


def state_folder() -> Path:
    """Return where this user's runs are kept.

    That is below ``$XDG_STATE_HOME``, else ``~/.local/state``, as the XDG base directory specification says.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "soleil-remediate"


def new_run() -> str:
    """Return a name for a new run: 8 hexadecimal digits."""
    return secrets.token_hex(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of ``runs list``.

    Args:
        run: Its name.
        started: When, ISO 8601 in UTC.
        scenario: Which.
        operator: Who.
        hosts: Where.
        verdict: Each host's word, or ``unfinished`` where the record ends before the run did.
    """

    run: str
    started: str
    scenario: str
    operator: str
    hosts: tuple[str, ...]
    verdict: str


class Record:
    """An open journal. Safe to write to from several threads; every line is on disk when :meth:`write` returns."""

    def __init__(self, run: str, descriptor: int, evidence: Path, clock: Clock) -> None:
        self.run = run
        self._descriptor = descriptor
        self._evidence = evidence
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
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
            line = {"n": self._count, "at": self._clock.now().isoformat(timespec="milliseconds"), **as_data(event)}
            data = json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
            try:
                _write_all(self._descriptor, data)
                os.fsync(self._descriptor)
            except BaseException as error:  # whatever it was: half a line may stand there, and nothing may follow it
                why = error.strerror if isinstance(error, OSError) else type(error).__name__
                self._broken = f"the record of run {self.run} cannot be written: {why}"
                if isinstance(error, OSError):
                    raise RecordNotWritten(self._broken) from error
                raise

    def create_copy(self, name: str) -> tuple[Path, BinaryIO]:
        """Create a file for a copy of what a change will destroy.

        Args:
            name: For people; only its letters, digits, dots, dashes and underscores are used.

        Raises:
            OSError: It cannot be created; a file of that name is never overwritten.
        """
        _make_private(self._evidence)
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".-") or "copy"
        if len(safe) > _LONGEST_NAME:
            safe = f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]}"
        path = self._evidence / f"{safe}.gz"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            _sync_folder(self._evidence)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return path, os.fdopen(descriptor, "wb")

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
        path = self._path(run)
        try:
            _make_private(path.parent)
            descriptor = os.open(
                path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
            try:
                _write_all(descriptor, json.dumps({"format": FORMAT, "run": run}).encode() + b"\n")
                os.fsync(descriptor)
                _sync_folder(path.parent)
            except OSError:
                os.close(descriptor)
                path.unlink(missing_ok=True)  # a record that never began would be listed as a run that never ended
                raise
        except OSError as error:
            why = f"the record {path} cannot be written ({error.strerror})"
            raise RecordNotWritten(f"{why}. Without a record nothing is sent. To go on: {_remedy(error)}") from error
        return Record(run, descriptor, self.evidence(run), clock)

    def evidence(self, run: str) -> Path:
        """Return the folder for what a run's changes destroyed."""
        return self.folder / "evidence" / run

    def list(self) -> tuple[RunSummary, ...]:
        """Return all runs, newest first."""
        runs = [_summary(path) for path in self._paths()]
        return tuple(sorted(runs, key=lambda run: (run.started, run.run), reverse=True))

    def read(self, prefix: str) -> tuple[dict[str, Any], ...]:
        """Return the lines of the one run whose name begins with *prefix*; a last line cut off by a crash is left out.

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
        path = self._path(found[0])
        try:
            return tuple(_lines(path))
        except OSError as error:
            raise ConfigError(f"the record {path} cannot be read: {error.strerror}") from error

    def _path(self, run: str) -> Path:
        return self.folder / "runs" / f"{run}.jsonl"

    def _paths(self) -> Iterator[Path]:
        folder = self.folder / "runs"
        if folder.is_dir():
            yield from (path for path in folder.iterdir() if path.suffix == ".jsonl" and _RUN.fullmatch(path.stem))


def _summary(path: Path) -> RunSummary:
    """Return what a record says; one that is damaged is listed too, up to where it can be read."""
    started: dict[str, Any] = {}
    verdicts: dict[str, str] = {}
    end = "unfinished"
    try:
        for line in _lines(path):
            if line["type"] == "RunStarted":
                started = line
            elif line["type"] == "HostEnded":
                verdicts[line["report"]["host"]] = line["report"]["outcome"]["verdict"]
    except (ConfigError, OSError, LookupError, TypeError):
        end = "unreadable"
    hosts = tuple(str(host) for host in started.get("hosts", ()))
    words = [verdicts.get(host, end) for host in hosts]
    return RunSummary(
        run=path.stem,
        started=str(started.get("at", "")),
        scenario=str(started.get("scenario", "?")),
        operator=str(started.get("operator", "?")),
        hosts=hosts,
        verdict=" · ".join(dict.fromkeys(words)) or end,
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a record.

    Raises:
        ConfigError: A whole line cannot be read: somebody else wrote into the file, or its disk is damaged.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                return  # the writer died in the middle of this line: what it says never counted
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError) as error:
                raise ConfigError(f"{path}:{number}: this is no line of a record ({error})") from error
            if isinstance(line, dict) and "type" in line:
                yield line


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free space there"
    return "make that folder writable for you alone, or name another in XDG_STATE_HOME"


def _make_private(folder: Path) -> None:
    """Make *folder* and what is missing above it, for this user alone.

    Raises:
        OSError: It cannot be made, or somebody else may write to it.
    """
    for missing in reversed([path for path in (folder, *folder.parents) if not path.exists()]):
        with suppress(FileExistsError):  # another run began at the same moment
            missing.mkdir(mode=0o700)
            _sync_folder(missing.parent)
    found = folder.stat()
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "somebody else may write there", str(folder))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
