"""Memory, load and processors, as the kernel counts them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, KiB

_LINE = re.compile(r"(\w+(?:\(\w+\))?):\s+(\d+)(?: kB)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a host has and what is left of it.

    Args:
        available: Memory that could be given to programs without swapping (proc(5), MemAvailable).
        load: How many processes ran or waited for a disk, on average over 1, 5 and 15 minutes, as printed.
        running: How many run at this moment, of how many.
    """

    memory: ByteSize
    available: ByteSize
    swap: ByteSize
    swap_free: ByteSize
    load: tuple[str, str, str]
    running: str


@dataclass(frozen=True, slots=True)
class ReadResources(Query[Resources]):
    """Memory and load. In a container these may be the machine's."""

    @property
    def command(self) -> Command:
        return Command(("cat", "/proc/loadavg", "/proc/meminfo"))

    def parse(self, output: Output) -> Resources:
        first, *lines = output.text.splitlines()
        one, five, fifteen, running, _ = first.split()
        sizes = {}
        for line in lines:
            match = _LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"no amount of memory: {redacted(line)[:80]!r}")
            sizes[match[1]] = KiB(int(match[2]))
        for number in (one, five, fifteen):
            float(number)
        return Resources(
            memory=sizes["MemTotal"],
            available=sizes["MemAvailable"],
            swap=sizes["SwapTotal"],
            swap_free=sizes["SwapFree"],
            load=(one, five, fifteen),
            running=running,
        )
