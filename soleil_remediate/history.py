"""Records, read back: the lines of a run as the format of today has them, whatever version of this program wrote them.

What a line means stands on top of :mod:`soleil_remediate.record`.
"""

from __future__ import annotations

import fcntl
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from enum import Enum
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, get_args

from soleil_remediate.copies import cut_short
from soleil_remediate.errors import ConfigError, worst
from soleil_remediate.events import as_data
from soleil_remediate.host import listed_name
from soleil_remediate.host_outcomes import Eased, Fixed, HostOutcome, MaybeChanged, NotNeeded
from soleil_remediate.scenario import Advice, ForPeople
from soleil_remediate.seen import CheckSeen, Standing
from soleil_remediate.step_outcomes import StepUnknown
from soleil_remediate.task import Health, Verdict

#: Raised whenever a line's field changes its meaning or goes away.
FORMAT = 2

#: What ends a host, in a run and after it.
_ENDS = ("HostEnded", "HostSettled")
#: What may follow the end of a run without making it less of an end.
_WATCHED = ("WatchStarted", "HostWatched", "WatchEnded")
_NEVER_BEGUN = "never-begun"
#: What a host may say of a change after which nobody has to wonder.
_KNOWN = ("done", _NEVER_BEGUN)
#: Verdicts after which nobody has to go on.
_GOOD = frozenset(kind.word for kind in (Fixed, Eased, NotNeeded))
_KINDS = {kind.word: kind for kind in get_args(HostOutcome)}


class Ending(Enum):
    """How a record ends."""

    ENDED = "ended"
    RUNNING = "running"  # its process still holds it
    UNFINISHED = "unfinished"  # the process was killed, its machine went down, or its disk was full
    CUT_OFF = "cut off"  # likewise, in the middle of a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A change that may have been made: its intent is on record, and neither its answer nor its host's end is.

    Args:
        summary: What it was to do.
        memory: The name of what the host remembered then; empty where no record says so.
        deadline: How long it might take, in seconds.
    """

    host: str
    operation: str
    summary: str
    memory: str = ""
    deadline: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One run's record.

    Args:
        run: The run's name.
        lines: Its events, in today's format. A last line that was cut off is not among them: it never counted.
        ending: How it ends.
        unanswered: What nobody can say from this record alone.
        cut_copies: Files here that are no copies: they were never finished.
    """

    run: str
    lines: tuple[dict[str, Any], ...]
    ending: Ending
    unanswered: tuple[Unanswered, ...] = ()
    cut_copies: tuple[Path, ...] = ()

    @property
    def started(self) -> dict[str, Any]:
        """The line with which the run began.

        Raises:
            ConfigError: There is none: its disk was full before any host was looked at.
        """
        for line in self.lines:
            if line["type"] == "RunStarted":
                return line
        raise ConfigError(f"run {self.run} ended before it began: nothing was sent to any host")

    @property
    def for_people(self) -> ForPeople:
        """What the run's scenario left to people on all of its hosts; nothing in records from before that was kept."""
        told = [line["for_people"] for line in self.lines if line["type"] == "RunStarted"]
        return _for_people(told[0]) if told else ForPeople()

    @property
    def left_to_people(self) -> ForPeople:
        """The same on those of its hosts that had the fault, or may have had it."""
        ends = self._verdicts()
        hosts = (str(host) for line in self.lines if line["type"] == "RunStarted" for host in line["hosts"])
        return self.for_people.on({listed_name(host) for host in hosts if ends.get(host) != NotNeeded.word})

    @property
    def open_changes(self) -> tuple[Unanswered, ...]:
        """The changes that a host may still know more about than the record, whatever its verdict says."""
        return tuple(change for _, change in _open(self.lines).values())

    @property
    def open_hosts(self) -> tuple[str, ...]:
        """The hosts whose end is not on record, or is on record as none that anybody wanted."""
        ends = self._verdicts()
        return tuple(str(host) for host in self.started["hosts"] if ends.get(host) not in _GOOD)

    @property
    def ends(self) -> dict[str, HostOutcome]:
        """How each host ended whose end is on record; what was found out last counts."""
        outcomes = {str(line["host"]): line["outcome"] for line in self.lines if line["type"] in _ENDS}
        return {host: _outcome(outcome) for host, outcome in outcomes.items()}

    @property
    def is_to_be_resumed(self) -> bool:
        """Whether somebody should ask its hosts: it was cut off, or one of them ended unknown."""
        if self.ending is Ending.RUNNING:
            return False
        if MaybeChanged.word in self._verdicts().values():
            return True
        return self.ending is not Ending.ENDED and (bool(self.unanswered) or not self.is_told)

    def _verdicts(self) -> dict[str, str]:
        return {line["host"]: line["outcome"]["verdict"] for line in self.lines if line["type"] in _ENDS}

    def was_begun(self, host: str) -> bool:
        """Whether any change of *host* was answered, however it ended, or was not found to have never been begun."""
        return any(
            line["host"] == host
            for line in self.lines
            if line["type"] == "ChangeAnswered" or (line["type"] == "ChangeSettled" and line["found"] != _NEVER_BEGUN)
        )

    def was_faulty(self, host: str) -> bool:
        """Whether anything was wrong with *host* before its first change.

        Under its lock, if the record has that look; when it was first looked at, where an older version wrote it.
        """
        before = [*self._before_changes(host)]
        again = _looks((line for line in before if line["type"] == "HostSeenAgain"), host)
        return any(look.symptom_health is Health.FAULTY for look in (again or _looks(before, host))[:1])

    def looks(self, host: str) -> tuple[Standing, ...] | None:
        """Return how the symptom stood at every look at *host*.

        Returns:
            ``None`` where the record does not hold them all: an older version wrote it, or the host was watched after
            the run, of which only changes of its health are on record.
        """
        is_whole = any(line["type"] == "HostSeenAgain" and line["host"] == host for line in self._before_changes(host))
        if not is_whole or any(line["type"] == "HostWatched" and line["host"] == host for line in self.lines):
            return None
        return _looks(self.lines, host)

    def _before_changes(self, host: str) -> Iterator[dict[str, Any]]:
        """Return the lines before the first change of *host*."""
        return takewhile(lambda line: line["type"] != "ChangeIntended" or line["host"] != host, self.lines)

    def machine_id(self, host: str) -> str | None:
        """Return which machine *host* was when it was looked at; ``None`` where it had none, or no record says so."""
        for line in self.lines:
            if line["type"] == "HostSeen" and line["preview"]["host"] == host:
                return line["preview"].get("identity", {}).get("machine_id")  # type: ignore[no-any-return]
        return None

    @property
    def has_intents(self) -> bool:
        """Whether anything may have been sent to any host."""
        return any(line["type"] == "ChangeIntended" for line in self.lines)

    @property
    def untouched(self) -> tuple[str, ...]:
        """The hosts of which the record has no end, and to which nothing was sent."""
        return self._without("ChangeIntended", *_ENDS)

    @property
    def is_told(self) -> bool:
        """Whether every host's end is on record."""
        return not self._without(*_ENDS)

    def _without(self, *kinds: str) -> tuple[str, ...]:
        hosts = [str(host) for line in self.lines if line["type"] == "RunStarted" for host in line["hosts"]]
        told = {line["host"] for line in self.lines if line["type"] in kinds}
        return tuple(host for host in hosts if host not in told)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of ``runs list``.

    Args:
        run: Its name.
        started: When, ISO 8601 in UTC.
        scenario: Which.
        operator: Who.
        hosts: Where.
        verdict: Each host's word. Where the record has none: how it ends, and ``UNKNOWN`` before that where a change
            may have been made; ``unreadable`` where it is damaged.
    """

    run: str
    started: str
    scenario: str
    operator: str
    hosts: tuple[str, ...]
    verdict: str


def read_history(path: Path, state: Path) -> History:
    """Return what a record says.

    Args:
        path: Its file.
        state: The state folder.

    Raises:
        ConfigError: A whole line cannot be read: a newer version of this program or somebody else wrote it, or its disk
            is damaged.
        OSError: The file cannot be read.
    """
    reader = _Reader()
    reader.read_all(path)
    lines = tuple(reader.lines)
    return History(
        run=path.stem,
        lines=lines,
        ending=reader.ending,
        unanswered=_unanswered(lines),
        cut_copies=cut_short(state, path.stem),
    )


def summary(path: Path) -> RunSummary:
    """Return what a record says in short; one that is damaged is listed too, up to where it can be read."""
    reader, unreadable = _Reader(), ""
    started: dict[str, Any] = {}
    verdicts: dict[str, str] = {}
    unknown: set[str] = set()
    try:
        try:
            reader.read_all(path)
        except (ConfigError, OSError):
            unreadable = "unreadable"
        for line in reader.lines:
            if line["type"] == "RunStarted":
                started = line
            elif line["type"] in _ENDS:
                verdicts[line["host"]] = line["outcome"]["verdict"]
        unknown = {change.host for change in _unanswered(reader.lines)}
    except (LookupError, TypeError, AttributeError):
        unreadable = "unreadable"
    hosts = tuple(str(host) for host in started.get("hosts", ()))
    end = unreadable or reader.ending.value
    words: list[str] = []
    for host in hosts or ("",):
        if host in verdicts:
            words.append(verdicts[host])
        else:
            words += ["UNKNOWN", end] if host in unknown and reader.ending is not Ending.RUNNING else [end]
    return RunSummary(
        run=path.stem,
        started=str(started.get("at", "")),
        scenario=str(started.get("scenario", "?")),
        operator=str(started.get("operator", "?")),
        hosts=hosts,
        verdict=" · ".join(dict.fromkeys(words)),
    )


def _looks(lines: Iterable[dict[str, Any]], host: str) -> tuple[Standing, ...]:
    """Return what the looks at *host* among *lines* saw of the symptom, in their order."""
    found = []
    for line in lines:
        match line["type"]:
            case "HostSeen" if line["preview"]["host"] == host:
                found.append(line["preview"]["standing"]["symptom"])
            case "HostSeenAgain" if line["host"] == host:
                found.append(line["standing"]["symptom"])
            case _:
                pass
    return tuple(Standing(symptom=tuple(map(_check, checks)), goal=()) for checks in found)


def _check(written: Mapping[str, Any]) -> CheckSeen:
    verdict = written["verdict"]
    return CheckSeen(
        kind=str(written["kind"]), verdict=Verdict(health=Health(verdict["health"]), why=str(verdict["why"]))
    )


def _outcome(written: Mapping[str, Any]) -> HostOutcome:
    kind = _KINDS[written["verdict"]]
    outcome: HostOutcome = kind(**{one.name: written[one.name] for one in fields(kind) if one.name in written})
    return outcome


def _for_people(written: Mapping[str, Any]) -> ForPeople:
    return ForPeople(
        **{
            name: tuple(Advice(text=str(one["text"]), hosts=tuple(map(str, one["hosts"]))) for one in written[name])
            for name in ("questions", "by_hand")
        }
    )


def _unanswered(lines: Sequence[dict[str, Any]]) -> tuple[Unanswered, ...]:
    """Return the changes that may have been made; where a host's end is on record, its verdict speaks for them."""
    told = {line["host"]: number for number, line in enumerate(lines) if line["type"] in _ENDS}
    return tuple(change for (host, _), (number, change) in _open(lines).items() if number > told.get(host, -1))


def _open(lines: Sequence[dict[str, Any]]) -> dict[tuple[str, str], tuple[int, Unanswered]]:
    """Return the changes of which the record knows no answer, and the place of each one's line.

    They are found by host and operation, which is one host's own.
    """
    found: dict[tuple[str, str], tuple[int, Unanswered]] = {}
    steps: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines):
        match line["type"]:
            case "ChangeIntended":
                change = Unanswered(
                    host=line["host"],
                    operation=line["operation"],
                    summary=str(line["change"]["summary"]),
                    memory=str(line.get("memory", "")),
                    deadline=float(line["change"].get("command", {}).get("deadline", 0)),
                )
                found[change.host, change.operation] = number, change
                steps[change.host, change.operation] = line["step"]
            case "ChangeAnswered":
                found.pop((line["host"], line["operation"]), None)
            case "ChangeSettled" if line["found"] in _KNOWN:
                found.pop((line["host"], line["operation"]), None)
            case "StepEnded" if line["outcome"]["type"] != StepUnknown.__name__:  # it was refused: nothing was begun
                ended = line["host"], line["step"]
                found = {key: one for key, one in found.items() if (key[0], steps[key]) != ended}
            case _:
                pass
    return found


class _Reader:
    """Reads the lines of one record in their order, and brings older ones to today's format.

    Attributes:
        lines: What was read so far.
        ending: How the record ends, once all of it was read.
    """

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.ending = Ending.UNFINISHED
        self._format = FORMAT
        self._seen: dict[str, int] = {}

    def read_all(self, path: Path) -> None:
        with path.open("rb") as file:
            is_held = _is_held(file)  # asked first: whoever lets go of it meanwhile has written its last line
            for number, raw in enumerate(file, start=1):
                if not raw.endswith(b"\n"):  # what it says never counted
                    self.ending = Ending.CUT_OFF
                    break
                try:
                    self._read(json.loads(raw))
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                    raise ConfigError(f"{path}:{number}: this is no line of a record ({error})") from error
        told = [line["type"] for line in self.lines if line["type"] not in _WATCHED]
        if (told and told[-1] == "RunEnded") or (self.lines and self.lines[-1]["type"] == "WatchEnded"):
            self.ending = Ending.ENDED
        elif is_held:
            self.ending = Ending.RUNNING

    def _read(self, line: Any) -> None:
        if not isinstance(line, dict):
            return
        if "type" in line:
            match line["type"]:  # former versions had no such fields
                case "RunStarted":
                    line.setdefault("for_people", as_data(ForPeople()))
                case "ChangeAnswered":
                    line.setdefault("warnings", [])
                case _:
                    pass
            self.lines.append(self._from_1(line) if self._format == 1 else line)
        elif "format" in line:
            self._format = int(line["format"])
            if self._format > FORMAT:
                raise ValueError(f"a newer version of this program wrote it, in format {self._format}")

    def _from_1(self, line: dict[str, Any]) -> dict[str, Any]:
        """In format 1 the end of a step, a host and a run repeated what earlier lines said, in full."""
        match line["type"]:
            case "RunStarted":
                line["called"] = {}
            case "ChangeIntended":
                line |= {"memory": "", "takes_back": ""}
            case "CopySaved":
                line["part"] = ""
            case "HostSeen":
                self._seen[line["preview"]["host"]] = line["n"]
            case "StepEnded" if "sent" in line["outcome"]:
                line["outcome"]["sent"] = [sent["operation"] for sent in line["outcome"]["sent"]]
            case "HostEnded":
                report = line.pop("report")
                line |= {"host": report["host"], "seen": self._seen.get(report["host"])}
                line |= {name: report[name] for name in ("outcome", "after", "took")} | {"forecasts": []}
            case "RunEnded":
                hosts = line.pop("report")["hosts"]
                verdicts = Counter(host["outcome"]["verdict"] for host in hosts)
                line["exit_status"] = int(worst(_KINDS[word].exit_status for word in verdicts))
                line["verdicts"] = dict(verdicts)
                line["sent"] = sum(len(step["outcome"].get("sent", ())) for host in hosts for step in host["steps"])
            case _:
                pass
        return line


def hold(descriptor: int) -> None:
    """Let everybody see that a record's run goes on; the kernel lets go of it with the last who has it open."""
    with suppress(OSError):  # a network's file system may know no locks: then it looks unfinished until it has ended
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def take(descriptor: int) -> bool:
    """Do the same for a record that is gone on with; return whether nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # see hold
        return True
    return True


def _is_held(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
