"""What was seen, made up for tests of decisions: each with as little said as the test needs."""

from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.disks import FileSystem, FileSystems
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.processes import Descriptor
from soleil_remediate.plan import FileIdentity
from soleil_remediate.task import Health, Task
from soleil_remediate.units import ByteSize, MiB

SRV, NOWHERE = 0x704, 99


def file_system(mount: str = "/srv", device: int = SRV, **other: Any) -> FileSystem:
    said: dict[str, Any] = {
        "mount": Path(mount),
        "aliases": (Path(mount),),
        "device": device,
        "type": "ext4",
        "is_read_only": False,
        "is_stopped": False,
        "has_quotas": False,
        "size": MiB(1024),
        "used": MiB(1024),
        "available": ByteSize(0),
        "inodes": 1000,
        "inodes_used": 100,
    }
    return FileSystem(**{**said, **other})


def file_systems(*all_of_them: FileSystem) -> FileSystems:
    found = all_of_them or (file_system(),)
    return FileSystems(all=found, places=tuple((one.mount, one.device) for one in found))


def file(path: str, size: float = 0, **other: Any) -> FileStat:
    said: dict[str, Any] = {
        "path": Path(path),
        "is_named_plainly": True,
        "device": SRV,
        "inode": 10,
        "links": 1,
        "owner_id": 0,
        "owner": "root",
        "group": "root",
        "mode": 0o644,
        "type": "f",
        "size": MiB(size),
        "allocated": MiB(size),
        "modified": 1_700_000_000,
    }
    return FileStat(**{**said, **other})


def descriptor(pid: int = 12, flags: int = 0o2001, identity: FileIdentity = FileIdentity(SRV, 10)) -> Descriptor:  # noqa: B008
    return Descriptor(pid=pid, fd=3, identity=identity, links=1, size=ByteSize(0), allocated=ByteSize(0), flags=flags)


def refusal(task: Task[Any], seen: Any) -> str:
    """Return why nothing may be planned, without the backticks around commands; the verdict must be unknown then."""
    with pytest.raises(Unplannable) as refused:
        task.plan(seen)
    verdict = task.judge(seen)
    assert (verdict.health, verdict.why) == (Health.UNKNOWN, str(refused.value))
    return verdict.why.replace("`", "")


def nothing(task: Task[Any], seen: Any) -> str:
    """Return why there is nothing to do, likewise; the verdict must be healthy then."""
    plan = task.plan(seen)
    assert plan.changes == ()
    assert task.judge(seen).health is Health.HEALTHY
    return plan.because.replace("`", "")
