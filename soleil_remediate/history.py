"""Records, read back: the lines of a run as the format of today has them, whatever version of this program wrote them.

What a line means stands on top of :mod:`soleil_remediate.record`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from soleil_remediate.errors import ConfigError, worst
from soleil_remediate.report import HostOutcome

#: Raised whenever a line's field changes its meaning or goes away.
FORMAT = 2

_STATUS = {kind.word: kind.exit_status for kind in get_args(HostOutcome)}


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


def summary(path: Path) -> RunSummary:
    """Return what a record says; one that is damaged is listed too, up to where it can be read."""
    started: dict[str, Any] = {}
    verdicts: dict[str, str] = {}
    end = "unfinished"
    try:
        for line in lines(path):
            if line["type"] == "RunStarted":
                started = line
            elif line["type"] == "HostEnded":
                verdicts[line["host"]] = line["outcome"]["verdict"]
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


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a record, in today's format.

    Raises:
        ConfigError: A whole line cannot be read: a newer version of this program or somebody else wrote it, or its disk
            is damaged.
        OSError: The file cannot be read.
    """
    reader = _Reader()
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if not raw.endswith(b"\n"):
                return  # the writer died in the middle of this line: what it says never counted
            try:
                line = json.loads(raw)
                if isinstance(line, dict):
                    line = reader.read(line)
                    if "type" in line:
                        yield line
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
                raise ConfigError(f"{path}:{number}: this is no line of a record ({error})") from error


class _Reader:
    """Reads the lines of one record in their order, and brings older ones to today's format."""

    def __init__(self) -> None:
        self._format = FORMAT
        self._seen: dict[str, int] = {}

    def read(self, line: dict[str, Any]) -> dict[str, Any]:
        if "type" not in line:
            self._format = int(line["format"])
            if self._format > FORMAT:
                raise ValueError(f"a newer version of this program wrote it, in format {self._format}")
            return line
        return self._from_1(line) if self._format == 1 else line

    def _from_1(self, line: dict[str, Any]) -> dict[str, Any]:
        """In format 1 the end of a step, a host and a run repeated what earlier lines said, in full."""
        match line["type"]:
            case "HostSeen":
                self._seen[line["preview"]["host"]] = line["n"]
            case "StepEnded" if "sent" in line["outcome"]:
                line["outcome"]["sent"] = [sent["operation"] for sent in line["outcome"]["sent"]]
            case "HostEnded":
                report = line.pop("report")
                line |= {"host": report["host"], "seen": self._seen.get(report["host"])}
                line |= {name: report[name] for name in ("outcome", "after", "took")}
            case "RunEnded":
                hosts = line.pop("report")["hosts"]
                verdicts = Counter(host["outcome"]["verdict"] for host in hosts)
                line["exit_status"] = int(worst(_STATUS[word] for word in verdicts))
                line["verdicts"] = dict(verdicts)
                line["sent"] = sum(len(step["outcome"].get("sent", ())) for host in hosts for step in host["steps"])
            case _:
                pass
        return line
