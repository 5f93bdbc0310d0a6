"""What the kernel, or systemd-oomd, killed because there was no memory left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, Duration, KiB

_NONE = "-- No entries --"
#: systemd's own messages: a process of a unit was killed by the kernel, or its processes by systemd-oomd
#: (SD_MESSAGE_UNIT_OUT_OF_MEMORY and SD_MESSAGE_UNIT_OOMD_KILL of sd-messages.h).
_OF_A_UNIT, _BY_OOMD = "fe6faa94e7774663a0da52717891d8ef", "d989611b15e44c9dbf31e3c81256e4ed"
#: The kernel's own, what root hands on in its name, as into containers, which do not get these, and systemd's. Nobody
#: else can put any of them into the journal.
_WHOSE = (
    "_TRANSPORT=kernel", "+", "SYSLOG_IDENTIFIER=kernel", "_UID=0",
    "+", f"MESSAGE_ID={_OF_A_UNIT}", "_PID=1", "+", f"MESSAGE_ID={_BY_OOMD}", "_PID=1",
)  # fmt: skip
_SAYS = "Killed process|oom-kill:constraint|OOM killer|systemd-oomd killed"
#: So many of the newest: a host that kills once a second for hours says nothing new after these.
_MOST = 400
_KILLED = re.compile(r"[Oo]ut of memory\b.*?: Killed process (\d{1,10}) \((.*)\),? (.*)", re.DOTALL)
_HELD = re.compile(r"\b(?:anon-rss|shmem-rss):(\d{1,15})kB")
_CONSTRAINT = re.compile(r"oom-kill:constraint=\w+,.*task_memcg=(\S*),task=.*,pid=(\d{1,10}),uid=\d+", re.DOTALL)
#: systemd tells of a unit this much later than the kernel of its process, at most; seconds.
_LATER = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One process that was killed for want of memory, or one unit's, where only that is known.

    Args:
        at: When, in seconds since 1970.
        pid: Its number; 0 where only the unit is known.
        name: What it called itself.
        unit: The systemd unit it belonged to, where one is known.
        held: Memory of its own that it had then.
    """

    at: int
    pid: int = 0
    name: str = ""
    unit: str = ""
    held: ByteSize = ByteSize(0)

    @property
    def in_words(self) -> str:
        """Which, for people."""
        if not self.pid:
            return f"a process of {self.unit}"
        return f"{self.name or 'process'} {self.pid}{f' of {self.unit}' if self.unit else ''} ({self.held})"


@dataclass(frozen=True, slots=True)
class ReadKills(Query[tuple[Kill, ...]]):
    """What was killed for want of memory within some time until now, by the journal; the oldest first.

    Args:
        within: How long ago at most.
    """

    within: Duration
    # 1: none
    expects = frozenset({0, 1})
    empty_is = "none, where journalctl found no such entry and had nothing to complain about"

    @property
    def command(self) -> Command:
        return Command(
            (
                "journalctl",
                "--no-pager",
                "--output=json",
                "--output-fields=MESSAGE,MESSAGE_ID,UNIT",
                f"--lines={_MOST}",
                f"--since=-{int(self.within)}s",
                f"--grep={_SAYS}",
                *_WHOSE,
            ),
            deadline=Duration(10),
            is_slow=True,
        )

    def parse(self, output: Output) -> tuple[Kill, ...]:
        if output.stderr:
            raise FactError(f"the journal cannot be read: {redacted(output.error_text.strip())[:200]}")
        if output.exit_status or output.text.strip() == _NONE:
            if output.text.strip() not in {"", _NONE}:
                raise ValueError("entries, and none")
            return ()
        entries = [json.loads(line) for line in output.text.splitlines()]
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            raise ValueError("no entries, and no word about it")
        return _kills(sorted(entries, key=_time))


def _time(entry: Mapping[str, Any]) -> int:
    return int(entry["__REALTIME_TIMESTAMP"])


def _kills(entries: Iterable[Mapping[str, Any]]) -> tuple[Kill, ...]:
    """Join what the kernel says of a process in two lines with what systemd says of its unit."""
    kills: list[Kill] = []
    groups: dict[int, str] = {}
    for entry in entries:
        said, at = entry.get("MESSAGE"), _time(entry) // 10**6
        text = said if isinstance(said, str) else ""
        if entry.get("MESSAGE_ID") in {_OF_A_UNIT, _BY_OOMD}:
            unit = str(entry["UNIT"])
            known = [one for one in kills if at - _LATER <= one.at and one.unit in {"", unit}]
            if known:
                kills[kills.index(known[-1])] = replace(known[-1], unit=unit)
            else:
                kills.append(Kill(at=at, unit=unit))
        elif constraint := _CONSTRAINT.search(text):
            groups[int(constraint[2])] = constraint[1]
        elif killed := _KILLED.search(text):
            pid = int(killed[1])
            held = sum(int(amount) for amount in _HELD.findall(killed[3]))
            kills.append(Kill(at=at, pid=pid, name=killed[2], unit=_unit(groups.pop(pid, "")), held=KiB(held)))
    return tuple(kills)


def _unit(group: str) -> str:
    units = [part for part in group.split("/") if part.endswith((".service", ".scope"))]
    return units[-1] if units else ""


_COUNTS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat")


@dataclass(frozen=True, slots=True)
class CountKills(Query[int]):
    """How many processes the kernel killed for want of memory since it was started; in a container, of its own."""

    # 2: not all of the files are there
    expects = frozenset({0, 2})

    @property
    def command(self) -> Command:
        return Command(("grep", "-s", "-H", "-E", "^oom_kill [0-9]+$", "--", *_COUNTS))

    def parse(self, output: Output) -> int:
        found = {}
        for line in output.text.splitlines():
            file, _, count = line.partition(":oom_kill ")
            if file not in _COUNTS:
                raise ValueError("no count")
            found[file] = int(count)
        return found[min(found, key=_COUNTS.index)]
