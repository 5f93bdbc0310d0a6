"""How much memory a host has left, and which processes hold it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import readable, records
from soleil_remediate.facts.limits import MemoryLimit, ReadMemoryLimit
from soleil_remediate.facts.processes import unit_in
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.plan import Script
from soleil_remediate.units import ByteSize, Duration, KiB, Percent

_NOTHING = ByteSize(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What a host has, and what of it could still be given to programs.

    On a host that is a container of its machine the kernel tells the machine's memory; what counts there is the
    container's own limit, where that leaves less.

    Args:
        resources: What the kernel tells.
        container: The limit of the container that the host is; ``None`` where it has none.
    """

    resources: Resources
    container: MemoryLimit | None = None

    @property
    def is_limited(self) -> bool:
        """The container's limit leaves less than the machine has."""
        return self.container is not None and self.container.left < self.resources.available

    @property
    def total(self) -> ByteSize:
        return self.container.limit if self.container is not None and self.is_limited else self.resources.memory

    @property
    def available(self) -> ByteSize:
        return self.container.left if self.container is not None and self.is_limited else self.resources.available

    @property
    def in_words(self) -> str:
        """The same for people, and whose limit that is."""
        whose = " (its container's limit)" if self.is_limited else ""
        return f"{self.available} of {self.total} available{whose}"

    @property
    def swap_in_words(self) -> str:
        used = ByteSize(self.resources.swap - self.resources.swap_free)
        return f"{used} of {self.resources.swap} used" if self.resources.swap else "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enough:
    """How much memory has to be available.

    Args:
        least: A share of what there is.
        enough: So much is enough, however small a share that is.
    """

    least: Percent
    enough: ByteSize

    def of(self, memory: Memory) -> ByteSize:
        """Return how much that is on a host; exactly so much is enough."""
        return ByteSize(min(self.enough, int(memory.total * self.least / 100)))

    def is_missed_by(self, memory: Memory) -> bool:
        return memory.available < self.of(memory)

    def why_missed(self, memory: Memory) -> str:
        """Return what is wrong, for people."""
        return f"{memory.in_words}, less than {self.of(memory)}"


def refuse_unless_amounts(least: Percent, enough: ByteSize) -> None:
    """Raise ValueError where these are no amounts of memory that a host could be held to."""
    if not 0 < least <= 50:
        raise ValueError("least must be above 0 % and not over 50 %")
    if enough < KiB(1024):
        raise ValueError("enough must be 1 MiB or more")


async def read_memory(host: Reader) -> Memory:
    """Return how much memory a host has left; one round trip.

    Raises:
        FactError: It cannot be known.
    """
    resources, container = await host.ask_all(ReadResources(), ReadMemoryLimit())
    return Memory(resources=resources, container=container)


_STALLED = re.compile(r"(some|full) avg10=(\d+\.\d\d) avg60=(\d+\.\d\d) avg300=(\d+\.\d\d) total=\d+")


@dataclass(frozen=True, slots=True)
class ReadPressure(Query["tuple[str, str, str] | None"]):
    """For how much of the last 10 s, 60 s and 5 min everything that had work to do waited for memory, in percent.

    By the kernel's pressure stall information; ``None`` where it keeps none. In a container these are the machine's.
    """

    # 2: no such file; 1: the kernel keeps none unless it is told to (psi=1)
    expects = frozenset({0, 1, 2})
    empty_is = "none, where grep found no such file, or one that cannot be read"

    @property
    def command(self) -> Command:
        return Command(("grep", "-s", "", "/proc/pressure/memory"))

    def parse(self, output: Output) -> tuple[str, str, str] | None:
        if output.exit_status:
            return None
        found = {}
        for line in output.text.splitlines():
            match = _STALLED.fullmatch(line)
            if match is None:
                raise ValueError("no pressure of memory")
            found[match[1]] = match.groups()[1:]
        ten, minute, minutes = found["full"]
        return ten, minute, minutes


#: What every process is, whose, and how much memory it holds; $1 seconds later once more how much. What was started in
#: a folder of the application's, or by a script's name, is told by the beginning of its command.
SAMPLE_PROCESSES = Script(
    "sample-processes",
    r"""grep -a -s -H -e '^Name:' -e '^PPid:' -e '^Uid:' -e '^RssAnon:' -e '^VmSwap:' /proc/[0-9]*/status
grep -a -s -H -e '^0::' -e '^[0-9]*:name=systemd:' /proc/[0-9]*/cgroup
grep -a -s -H -e '^[0-9]* [(]' /proc/[0-9]*/stat
grep -a -s -H -m 1 '' /proc/[0-9]*/cmdline | cut -b 1-400
sleep "$1"
printf 'later\n'
grep -a -s -H -e '^RssAnon:' -e '^VmSwap:' /proc/[0-9]*/status
""",
)
_LINE = re.compile(r"/proc/(\d{1,10})/(status|cgroup|stat|cmdline):(.*)", re.DOTALL)
_AMOUNT = re.compile(r"\s*(\d{1,15}) kB")
#: Of a command's words these are told: its program, a script, and what artisan is to do. Others may be passwords.
_TOLD = re.compile(
    r"\.{0,2}/[A-Za-z0-9_./@+-]{1,120}|[A-Za-z0-9_-]{1,60}\.(?:php|py|js|rb|sh|pl)|artisan"
    r"|[a-z][a-z0-9-]{0,20}:[a-z][a-z0-9-]{0,20}"
)
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]{1,120}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One process and the memory that would be there again if it ended, pinned by its number and start.

    Args:
        started: Clock ticks since the boot.
        name: What it calls itself.
        words: The beginning of its command, as far as it is known to hold no secret.
        uid: Whom it runs as, by number.
        unit: The systemd unit it belongs to, where one is known.
        held: Memory of its own, swapped out or not; files, and what it shares on purpose, do not count.
        swapped: So much of that is swapped out.
        grown: So much more it held at the end of the sample; ``None`` where it had ended.
    """

    pid: int
    parent: int
    started: int
    name: str
    uid: int
    unit: str | None = None
    words: tuple[str, ...] = ()
    held: ByteSize
    swapped: ByteSize = _NOTHING
    grown: int | None = 0

    @property
    def in_words(self) -> str:
        """What it is, for people."""
        return " ".join(self.words) or self.name


@dataclass(frozen=True, slots=True)
class SampleProcesses(Query[tuple[Holder, ...]]):
    """Every process that holds memory of its own, the one with the most first, and by how much it grows meanwhile.

    Args:
        seconds: So long; none for a single look.
    """

    seconds: Duration = Duration(0)
    # 1: nothing matched in the last look; 2: some have ended meanwhile
    expects = frozenset({0, 1, 2})

    @property
    def command(self) -> Command:
        return Command(
            SAMPLE_PROCESSES.bind(self.seconds),
            deadline=Duration(self.seconds + 10),
            output_limit=KiB(8192),
            is_slow=self.seconds > 0,
        )

    def parse(self, output: Output) -> tuple[Holder, ...]:
        if output.stderr:
            raise ValueError(output.error_text)
        lines = [readable(line)[0] for line in records(output.stdout, b"\n")]
        at = lines.index("later")
        first, later = _by_process(lines[:at]), _by_process(lines[at + 1 :])
        if 1 not in first:
            raise FactError("which processes there are is hidden: needs root")
        found = [holder for pid, files in first.items() if (holder := _holder(pid, files, later.get(pid))) is not None]
        if not found:
            raise ValueError("no process holds any memory")
        return tuple(sorted(found, key=lambda one: (-one.held, one.pid)))


def _by_process(lines: Iterable[str]) -> dict[int, dict[str, list[str]]]:
    """Return what was printed, by process and file: a line of one cannot be taken for another's."""
    found: dict[int, dict[str, list[str]]] = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f"no line of a process: {line[:80]!r}")
        found.setdefault(int(match[1]), {}).setdefault(match[2], []).append(match[3])
    return found


def _holder(pid: int, files: Mapping[str, list[str]], later: Mapping[str, list[str]] | None) -> Holder | None:
    """Return one process; ``None`` for the kernel's own, and for what ended while it was looked at."""
    status = _status(files.get("status", ()))
    if "RssAnon" not in status or "stat" not in files:
        return None
    held, swapped = _amount(status["RssAnon"]), _amount(status.get("VmSwap", " 0 kB"))
    then = _status(later["status"]) if later is not None else {}
    grown = None
    if "RssAnon" in then:
        grown = _amount(then["RssAnon"]) + _amount(then.get("VmSwap", " 0 kB")) - held - swapped
    line = files["stat"][-1]  # what calls itself by several lines has its numbers in the last
    return Holder(
        pid=pid,
        parent=int(status["PPid"]),
        started=int(line[line.rindex(")") + 1 :].split()[19]),
        name=status["Name"].strip(),
        uid=int(status["Uid"].split()[1]),
        unit=unit_in(files.get("cgroup", ())),
        words=_words(files.get("cmdline", [""])[0]),
        held=ByteSize(held + swapped),
        swapped=swapped,
        grown=grown,
    )


def _status(lines: Iterable[str]) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _amount(text: str) -> ByteSize:
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise ValueError(f"no amount of memory: {text[:80]!r}")
    return KiB(int(match[1]))


def _words(text: str) -> tuple[str, ...]:
    program, *others = text.split("\0")
    if not _PROGRAM.fullmatch(program):
        return ()
    told = []
    for word in others:
        if not _TOLD.fullmatch(word):
            break
        told.append(word)
    return (program, *told)


def held_by(processes: Iterable[Holder]) -> ByteSize:
    """Return how much memory some processes hold together."""
    return ByteSize(sum(one.held for one in processes))


def with_children(pids: Iterable[int], processes: Iterable[Holder]) -> tuple[Holder, ...]:
    """Return the processes of these numbers, and all that they have started."""
    wanted, everything = set(pids), tuple(processes)
    while more := {one.pid for one in everything if one.parent in wanted} - wanted:
        wanted |= more
    return tuple(one for one in everything if one.pid in wanted)


@dataclass(frozen=True, slots=True)
class NameUsers(Query[Mapping[int, str]]):
    """What users of some numbers are called; whom nobody knows is not in the answer."""

    uids: tuple[int, ...]
    # 2: some of them, or all, are not known
    expects = frozenset({0, 2})
    empty_is = "nobody is called anything, where getent said so by its exit status"

    @property
    def command(self) -> Command:
        return Command(("getent", "passwd", *map(str, self.uids)))

    def parse(self, output: Output) -> Mapping[int, str]:
        if not output.stdout and output.exit_status == 0:
            raise ValueError("neither a name nor a word about it")
        found = {}
        for line in output.text.splitlines():
            name, _, uid, *_ = line.split(":")
            found[int(uid)] = name
        return found


def below(folder: PurePosixPath, words: Iterable[str]) -> bool:
    """Whether some words name something below an application's folder; of ``current``, also beside it."""
    folders = (folder, folder.parent) if folder.name == "current" else (folder,)
    return any(f"{one}/" in f"{word}/" for one in folders for word in words)
