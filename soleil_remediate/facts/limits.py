"""What a service's process is doing, and how much memory systemd and control groups still allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The first process of a unit.

    Args:
        pid: 0 where it has none.
        limit: As much memory as systemd gives to the unit; ``None`` where it sets no limit.
    """

    pid: int
    limit: ByteSize | None = None


@dataclass(frozen=True, slots=True)
class ShowProcesses(Query[Mapping[str, Process]]):
    """The first process of each unit that systemd has loaded, by the unit's name; patterns are as for systemctl."""

    patterns: tuple[str, ...]

    @property
    def command(self) -> Command:
        # One that is always there, so that silence is never an answer.
        return Command(("systemctl", "show", "--property=Id,MainPID,MemoryMax", "--", "basic.target", *self.patterns))

    def parse(self, output: Output) -> Mapping[str, Process]:
        found = {}
        for block in output.text.strip("\n").split("\n\n"):
            said = dict(line.split("=", 1) for line in block.splitlines())
            limit = said.get("MemoryMax", "infinity")
            pid = int(said.get("MainPID", "0"))
            found[said["Id"]] = Process(pid=pid, limit=ByteSize(int(limit)) if limit.isdigit() else None)
        del found["basic.target"]
        return found


@dataclass(frozen=True, slots=True)
class ReadProcessState(Query[str]):
    """What the kernel says a process does: one letter, such as ``S`` asleep, ``D`` waiting for a disk, ``T`` stopped.

    Empty where it is gone.
    """

    pid: int
    # 2: no such process
    expects = frozenset({0, 2})
    empty_is = "no such process, where grep said so"

    @property
    def command(self) -> Command:
        return Command(("grep", "^State:", f"/proc/{self.pid}/status"))

    def parse(self, output: Output) -> str:
        if output.exit_status:
            only_missing(output)
            return ""
        name, letter, *_ = output.text.split()
        if name != "State:" or not re.fullmatch(r"[A-Za-z]", letter):
            raise ValueError("no state of a process")
        return letter


_GROUP = "/sys/fs/cgroup"
#: Control groups of version 2, then of version 1: the limit, what is used, and what of that could be given back.
_LIMITS = (
    f"{_GROUP}/memory.max", f"{_GROUP}/memory.current", f"{_GROUP}/memory.stat",
    f"{_GROUP}/memory/memory.limit_in_bytes", f"{_GROUP}/memory/memory.usage_in_bytes", f"{_GROUP}/memory/memory.stat",
)  # fmt: skip
#: A limit of version 1 that is none: as much as its counters can hold.
_NO_LIMIT = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimit:
    """What the container that a host is may take of its machine's memory.

    Args:
        limit: So much in all.
        left: So much more; files that are merely kept in memory, and were not used lately, count as left.
    """

    limit: ByteSize
    left: ByteSize


@dataclass(frozen=True, slots=True)
class ReadMemoryLimit(Query["MemoryLimit | None"]):
    """How much memory the container that the host is may take; ``None`` where it has no limit, or is none."""

    # 2: not all of the files are there
    expects = frozenset({0, 1, 2})
    empty_is = "no limit, where grep found no file that could hold one"

    @property
    def command(self) -> Command:
        return Command(("grep", "-s", "-H", "-E", r"^([0-9]+|max)$|^(total_)?inactive_file ", "--", *_LIMITS))

    def parse(self, output: Output) -> MemoryLimit | None:
        if output.stderr:
            raise ValueError(output.error_text)
        found: dict[str, str] = {}
        for line in output.text.splitlines():
            file, colon, value = line.partition(":")
            if (
                not colon
                or file not in _LIMITS
                or not re.fullmatch(r"(?:(?:total_)?inactive_file )?\d{1,20}|max", value)
            ):
                raise ValueError(f"no limit: {redacted(line)[:80]!r}")
            found[file] = value.rpartition(" ")[2]  # of a statistic the last line: what its children have as well
        for limit, used, freed in (_LIMITS[:3], _LIMITS[3:]):
            if found.get(limit, "max") != "max" and int(found[limit]) < _NO_LIMIT:
                taken = int(found[used]) - int(found.get(freed, "0"))
                return MemoryLimit(
                    limit=ByteSize(int(found[limit])), left=ByteSize(max(0, int(found[limit]) - max(0, taken)))
                )
        return None
