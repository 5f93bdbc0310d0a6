"""Which processes hold which files open, how, and what those processes are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import readable, records
from soleil_remediate.plan import FileIdentity
from soleil_remediate.units import ByteSize, KiB

_APPENDS, _ACCESS, _READ_ONLY = 0o2000, 0o3, 0o0  # open(2); the same on every architecture Debian runs web servers on
_DELETED = " (deleted)"
_COMPLAINT = re.compile(r".*?/proc/(\d+)\b([^:]*): (No such file or directory|No such process|Permission denied)")
_FD = re.compile(r"/proc/(\d+)/fd/(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class OpenFile:
    """One descriptor of one process.

    Args:
        path: What the file was called when it was opened, as the process's own view of the system has it.
        is_deleted: No name leads to it any more, as the kernel says; a name may also merely look so.
    """

    pid: int
    fd: int
    path: PurePosixPath
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class FindOpenFiles(Query[tuple[OpenFile, ...]]):
    """The descriptors whose file name matches one of some patterns of fnmatch(3), of every process.

    Raises:
        FactError: Some processes cannot be looked into, so that whoever matters may be missing. Process 1 is let off:
            it writes no logs, and sandboxes hide it even from root.
    """

    patterns: tuple[str, ...]
    # 1: processes that ended while find was looking
    expects = frozenset({0, 1})
    empty_is = "nobody has such a file open: find ended well, or complained about nothing but ended processes"

    @property
    def command(self) -> Command:
        wanted = [word for pattern in self.patterns for word in ("-o", "-lname", pattern)][1:]
        inside = ("-path", "/proc/[0-9]*/*", "!", "-path", "/proc/[0-9]*/fd", "!", "-path", "/proc/[0-9]*/fd/*")
        skipped = ("(", "-path", "/proc/[!0-9]*", "-o", *inside, ")", "-prune")
        found = ("-path", "/proc/[0-9]*/fd/*", "(", *wanted, ")", "-printf", r"%p\t%l\0")
        # /proc/1 by name: with hidepid= others than root are not told that other processes exist at all
        return Command(
            ("find", "/proc", "/proc/1", "-mindepth", "1", "-maxdepth", "3", *skipped, "-o", *found),
            output_limit=KiB(4096),
        )

    def parse(self, output: Output) -> tuple[OpenFile, ...]:
        judge_complaints(output)
        found = set()
        for record in records(output.stdout):
            descriptor, name = record.split(b"\t", 1)
            match = _FD.fullmatch(descriptor.decode("ascii"))
            if match is None:
                raise ValueError(f"no descriptor: {descriptor!r}")
            path, _ = readable(name)
            is_deleted = path.endswith(_DELETED)
            found.add(
                OpenFile(
                    pid=int(match[1]),
                    fd=int(match[2]),
                    path=PurePosixPath(path.removesuffix(_DELETED)),
                    is_deleted=is_deleted,
                )
            )
        return tuple(sorted(found))


def judge_complaints(output: Output) -> None:
    hidden = set()
    complaints = output.error_text.splitlines()
    if output.exit_status != 0 and not complaints:
        raise ValueError("failed without a word")
    for line in complaints:
        match = _COMPLAINT.fullmatch(line)
        if match is None:
            raise ValueError(line)
        if match[1] == "1" and not match[2].startswith("/") and match[3] != "Permission denied":
            raise FactError("who has which files open is hidden: needs root")
        if match[3] == "Permission denied":
            hidden.add(int(match[1]))
    hidden.discard(1)
    if hidden:
        raise FactError(f"what {len(hidden)} processes have open cannot be seen: needs root")


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """What is behind one descriptor.

    Args:
        links: How many names lead to the file; 0 for a deleted one.
        flags: How it was opened, as fdinfo has it.
    """

    pid: int
    fd: int
    identity: FileIdentity
    links: int
    size: ByteSize
    allocated: ByteSize
    flags: int

    @property
    def is_written(self) -> bool:
        return self.flags & _ACCESS != _READ_ONLY

    @property
    def is_appending(self) -> bool:
        """Each write goes to the end of the file, wherever that is by then."""
        return bool(self.flags & _APPENDS)


@dataclass(frozen=True, slots=True)
class StatDescriptors(Query[Mapping[tuple[int, int], tuple[FileIdentity, int, ByteSize, ByteSize]]]):
    """Which files some descriptors lead to, how many names, size and blocks; closed ones are not in the answer."""

    open_files: tuple[OpenFile, ...]
    expects = frozenset({0, 1})
    empty_is = "all were closed meanwhile, where stat said so"

    @property
    def command(self) -> Command:
        return Command(("stat", "-L", r"--printf=%n\t%d\t%i\t%h\t%s\t%b\n", "--", *_each("fd", self.open_files)))

    def parse(self, output: Output) -> Mapping[tuple[int, int], tuple[FileIdentity, int, ByteSize, ByteSize]]:
        judge_complaints(output)
        answers = {}
        for line in _lines(output):
            name, *numbers = line.split("\t")
            match = _FD.fullmatch(name)
            device, inode, links, size, blocks = map(int, numbers)
            if match is None:
                raise ValueError(f"no descriptor: {name!r}")
            answers[int(match[1]), int(match[2])] = (
                FileIdentity(device, inode),
                links,
                ByteSize(size),
                ByteSize(blocks * 512),
            )
        return answers


@dataclass(frozen=True, slots=True)
class ReadFlags(Query[Mapping[tuple[int, int], int]]):
    """How some descriptors were opened (proc(5), fdinfo); closed ones are not in the answer."""

    open_files: tuple[OpenFile, ...]
    # 1: none is there any more; 2: some are not
    expects = frozenset({0, 1, 2})
    empty_is = "all were closed meanwhile, where grep said so"

    @property
    def command(self) -> Command:
        return Command(("grep", "-H", "^flags:", "--", *_each("fdinfo", self.open_files)))

    def parse(self, output: Output) -> Mapping[tuple[int, int], int]:
        return {one: int(octal, 8) for one, octal in _fdinfo(output, "flags").items()}


@dataclass(frozen=True, slots=True)
class ReadMounts(Query[Mapping[tuple[int, int], int]]):
    """Through which mounts some descriptors were opened (proc(5), fdinfo); closed ones are not in the answer."""

    open_files: tuple[OpenFile, ...]
    # 1: none is there any more; 2: some are not
    expects = frozenset({0, 1, 2})
    empty_is = "all were closed meanwhile, where grep said so"

    @property
    def command(self) -> Command:
        return Command(("grep", "-H", "^mnt_id:", "--", *_each("fdinfo", self.open_files)))

    def parse(self, output: Output) -> Mapping[tuple[int, int], int]:
        return {one: int(number) for one, number in _fdinfo(output, "mnt_id").items()}


async def read_descriptors(host: Reader, open_files: Iterable[OpenFile]) -> tuple[Descriptor, ...]:
    """Ask what is behind some descriptors; one round trip, none where there is nothing to ask.

    Raises:
        FactError: That cannot be told.
    """
    asked = tuple(open_files)
    if not asked:
        return ()
    stats, flags = await host.ask_all(StatDescriptors(asked), ReadFlags(asked))
    return tuple(
        Descriptor(pid=pid, fd=fd, identity=identity, links=links, size=size, allocated=allocated, flags=flags[pid, fd])
        for (pid, fd), (identity, links, size, allocated) in stats.items()
        if (pid, fd) in flags
    )


def _lines(output: Output) -> list[str]:
    return [readable(line)[0] for line in records(output.stdout, b"\n")]


def _fdinfo(output: Output, name: str) -> dict[tuple[int, int], str]:
    """Return what grep found under one name in fdinfo, by descriptor."""
    judge_complaints(output)
    values = {}
    for line in _lines(output):
        file, _, value = line.partition(f":{name}:\t")
        match = re.fullmatch(r"/proc/(\d+)/fdinfo/(\d+)", file)
        if match is None:
            raise ValueError(f"no {name}: {line!r}")
        values[int(match[1]), int(match[2])] = value
    return values


def _each(folder: str, open_files: Iterable[OpenFile]) -> list[str]:
    return [f"/proc/{one.pid}/{folder}/{one.fd}" for one in open_files]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process, pinned: a number is reused, number and start time together are not.

    Args:
        started: Clock ticks since the boot (proc(5), /proc/pid/stat field 22).
        name: What it calls itself, at most 15 characters; anybody may choose any.
        unit: The systemd unit it belongs to, where one is known.
    """

    pid: int
    parent: int
    started: int
    name: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class DescribeProcesses(Query[Mapping[int, Process]]):
    """What some processes are; those that ended are not in the answer."""

    pids: tuple[int, ...]
    expects = frozenset({0, 1, 2})
    empty_is = "all have ended meanwhile, where grep said so"

    @property
    def command(self) -> Command:
        files = [f"/proc/{pid}/{name}" for pid in self.pids for name in ("stat", "cgroup")]
        return Command(("grep", "-a", "-H", "", "--", *files))

    def parse(self, output: Output) -> Mapping[int, Process]:
        judge_complaints(output)
        texts: dict[tuple[int, str], list[str]] = {}
        for line in _lines(output):
            match = re.match(r"/proc/(\d+)/(stat|cgroup):", line)
            if match is None:
                raise ValueError(f"no line of a process: {line!r}")
            texts.setdefault((int(match[1]), match[2]), []).append(line[match.end() :])
        return {
            pid: _process(pid, "\n".join(lines), texts.get((pid, "cgroup"), []))
            for (pid, name), lines in texts.items()
            if name == "stat" and pid in self.pids
        }


def _process(pid: int, text: str, cgroups: Iterable[str]) -> Process:
    """Read /proc/pid/stat: the name stands in parentheses and may hold some itself, so its end is the last one."""
    begin, end = text.index("("), text.rindex(")")
    fields = text[end + 1 :].split()
    return Process(
        pid=pid, parent=int(fields[1]), started=int(fields[19]), name=text[begin + 1 : end], unit=unit_in(cgroups)
    )


def unit_in(cgroups: Iterable[str]) -> str | None:
    """Return the innermost service or scope among a process's control groups (cgroups(7))."""
    for line in cgroups:
        hierarchy, controllers, path = line.split(":", 2)
        if hierarchy == "0" or controllers == "name=systemd":
            units = [part for part in path.split("/") if part.endswith((".service", ".scope"))]
            if units:
                return units[-1]
    return None
