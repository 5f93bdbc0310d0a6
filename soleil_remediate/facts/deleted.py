"""Deleted files whose space does not come free, because somebody still has them open."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.facts.disks import FileSystem, FileSystems, read_file_systems
from soleil_remediate.facts.files import readable, records
from soleil_remediate.facts.processes import (
    DescribeProcesses,
    Descriptor,
    FindOpenFiles,
    OpenFile,
    Process,
    ReadMounts,
    judge_complaints,
    read_descriptors,
)
from soleil_remediate.facts.together import together
from soleil_remediate.plan import FileIdentity
from soleil_remediate.units import ByteSize

_EXE = re.compile(r"/proc/(\d+)/exe")


@dataclass(frozen=True, slots=True)
class ReadPrograms(Query[Mapping[int, PurePosixPath]]):
    """Which program each of some processes runs; those that ended, and kernel threads, are not in the answer."""

    pids: tuple[int, ...]
    # 1: some have ended
    expects = frozenset({0, 1})
    empty_is = "all have ended meanwhile, where find said so"

    @property
    def command(self) -> Command:
        return Command(("find", *(f"/proc/{pid}/exe" for pid in self.pids), "-maxdepth", "0", "-printf", r"%p\t%l\0"))

    def parse(self, output: Output) -> Mapping[int, PurePosixPath]:
        judge_complaints(output)
        programs = {}
        for record in records(output.stdout):
            name, program = record.split(b"\t", 1)
            match = _EXE.fullmatch(name.decode("ascii"))
            if match is None:
                raise ValueError(f"no program: {name!r}")
            # an upgrade replaces the file of a program that goes on running
            programs[int(match[1])] = PurePosixPath(readable(program)[0].removesuffix(" (deleted)"))
        return programs


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """One descriptor of a deleted file, and whose it is.

    Args:
        process: ``None`` where it ended while it was looked at.
        program: What it runs; ``None`` likewise.
    """

    descriptor: Descriptor
    process: Process | None
    program: PurePosixPath | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedFile:
    """One file without a name that still takes space.

    Args:
        path: What it was called.
        file_system: Where its space is missing.
        holders: Everybody who has it open.
    """

    path: PurePosixPath
    identity: FileIdentity
    size: ByteSize
    allocated: ByteSize
    file_system: FileSystem
    holders: tuple[Holder, ...]


async def read_deleted(host: Reader) -> tuple[DeletedFile, ...]:
    """Ask for deleted files that are still open, on real file systems; the largest first.

    Files that are merely mapped into memory (replaced programs and libraries) are not seen.

    Raises:
        FactError: That cannot be told.
    """
    file_systems, open_files = await together(read_file_systems(host), host.ask(FindOpenFiles(("* (deleted)",))))
    if not open_files:
        return ()
    pids = tuple(sorted({one.pid for one in open_files}))
    descriptors, processes, programs, mounts = await together(
        read_descriptors(host, open_files),
        host.ask(DescribeProcesses(pids)),
        host.ask(ReadPrograms(pids)),
        _read_mounts(host, open_files, file_systems),
    )
    names = {(one.pid, one.fd): one.path for one in open_files}
    groups: dict[FileIdentity, list[Descriptor]] = {}
    for descriptor in descriptors:
        if descriptor.links == 0:
            groups.setdefault(descriptor.identity, []).append(descriptor)
    found = [
        _deleted_file(
            group,
            names[group[0].pid, group[0].fd],
            _file_system_of(group, mounts, file_systems),
            processes,
            programs,
        )
        for group in groups.values()
    ]
    return tuple(
        sorted(
            (one for one in found if one is not None),
            key=lambda one: (-one.allocated, str(one.path), str(one.identity)),
        )
    )


async def _read_mounts(
    host: Reader, open_files: tuple[OpenFile, ...], file_systems: FileSystems
) -> Mapping[tuple[int, int], int]:
    """Ask through which mounts files were opened, where their own device numbers do not say on which disk they lie."""
    if not any(one.type == "btrfs" for one in file_systems):
        return {}
    return await host.ask(ReadMounts(open_files))


def _file_system_of(
    group: Sequence[Descriptor], mounts: Mapping[tuple[int, int], int], file_systems: FileSystems
) -> FileSystem | None:
    """Return where a file lies; on btrfs each subvolume has a device number of its own, which is in no table."""
    found = file_systems.on_device(group[0].identity.device)
    behind = (file_systems.behind(mounts[one.pid, one.fd]) for one in group if (one.pid, one.fd) in mounts)
    return found or next((one for one in behind if one is not None), None)


def _deleted_file(
    group: Sequence[Descriptor],
    path: PurePosixPath,
    file_system: FileSystem | None,
    processes: Mapping[int, Process],
    programs: Mapping[int, PurePosixPath],
) -> DeletedFile | None:
    """Return the file behind some descriptors; ``None`` where it lies on no real file system."""
    if file_system is None:
        return None
    first = group[0]
    return DeletedFile(
        path=path,
        identity=first.identity,
        size=first.size,
        allocated=first.allocated,
        file_system=file_system,
        holders=tuple(
            Holder(descriptor=one, process=processes.get(one.pid), program=programs.get(one.pid)) for one in group
        ),
    )
