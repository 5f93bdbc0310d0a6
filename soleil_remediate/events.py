"""What is said while a run goes on: frozen records for reporters and the run's record."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import singledispatch
from pathlib import PurePath
from typing import Any, TypeAlias

from soleil_remediate.command import Secret
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import HostOutcome
from soleil_remediate.plan import Change
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.scenario import ForPeople
from soleil_remediate.secrecy import redacted
from soleil_remediate.seen import Preview, Standing
from soleil_remediate.step_outcomes import SavedCopy, StepOutcome
from soleil_remediate.task import Health
from soleil_remediate.units import ByteSize, Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """How a run was called, as far as that is needed to go on with it from another folder, days later.

    Args:
        inventory: Its file, absolute; empty where there is none.
        unlisted: The one host as it was named, where it stands in no inventory; empty where hosts stand in one.
        playbooks: Folders and files of playbooks beside the shipped ones, absolute.
        transport: What overruled the inventory; empty where nothing did.
        resumes: The run that it goes on with; empty where it is one of its own.
    """

    inventory: str = ""
    unlisted: str = ""
    playbooks: tuple[str, ...] = ()
    transport: str = ""
    resumes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run begins; nothing was sent.

    Args:
        for_people: What its scenario leaves to people on all of its hosts, whatever becomes of them.
    """

    run: str
    scenario: str
    hosts: tuple[str, ...]
    operator: str
    inputs: Mapping[str, Any]
    called: Called = Called()
    for_people: ForPeople = field(default_factory=ForPeople)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """A host was looked at, and nothing was changed."""

    preview: Preview


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlanned:
    """Several hosts are, or would be, changed; nothing was sent yet.

    Args:
        batches: Which of them together, the canary first.
        forks: The most that are changed in the same moment.
        max_fail: So many may fail; one more, and nothing further is begun.
    """

    batches: tuple[tuple[str, ...], ...]
    forks: int
    max_fail: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswered:
    """The gate was passed or not.

    Args:
        is_open: Whether anything may be sent.
        by: Who or what answered, such as ``"jan typed web1"`` or ``"--yes, policy allows destructive"``.
        approved: The digests that may be sent.
    """

    is_open: bool
    by: str
    approved: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchStarted:
    """The next hosts of several are begun with.

    Args:
        number: From 1, which is the canary.
        of: How many batches there are, as far as it can be told.
        hosts: Which they are.
    """

    number: int
    of: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClaimed:
    """The host's lock is ours."""

    host: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeenAgain:
    """A host was looked at again, and this is how it stands: on disk before anything (more) is sent to it."""

    host: str
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyProgress:
    """How far a copy has come; may be left out of records."""

    host: str
    step: int
    path: PurePath
    copied: ByteSize
    total: ByteSize


@dataclass(frozen=True, slots=True, kw_only=True)
class CopySaved:
    """A copy is complete, on disk here, and its checksum matches.

    Args:
        part: Which one of those that are saved for one change, by name; empty where there is one only.
    """

    host: str
    step: int
    copy: SavedCopy
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIntended:
    """On disk before the change is sent: from here until its answer the host may have been changed.

    Args:
        memory: The name of what the host remembers: where it has another one, it has forgotten this change.
        takes_back: The operation that this one takes back, after a later change of the same plan failed; else empty.
    """

    host: str
    step: int
    kind: str
    operation: str
    digest: str
    change: Change
    memory: str = ""
    takes_back: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAnswered:
    """What became of a change, as the host itself knows it.

    Args:
        says: The last lines that it wrote.
        warnings: What it said that a person should know, however well it ended.
    """

    host: str
    operation: str
    exit_status: int
    says: str
    took: Duration
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUnanswered:
    """A change's answer did not arrive: it is unknown until the host has been asked."""

    host: str
    operation: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """The run had ended, or its process had; somebody asks its hosts what became of its changes."""

    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSettled:
    """What a host says about a change whose answer never arrived.

    Args:
        found: ``done``, ``never-begun``, ``lost`` or ``forgotten``: the words of
            :class:`~soleil_remediate.transports.Progress`.
        exit_status: Of one that is done; else ``None``.
        says: What a done one wrote last.
    """

    host: str
    operation: str
    found: str
    exit_status: int | None
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettled:
    """What became of a host whose end no record knew, or knew only as unknown."""

    host: str
    outcome: HostOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StopHeard:
    """Somebody asked to stop while a host was being changed.

    Args:
        why: What asked: ``Ctrl-C``, or a signal's name.
        is_insisted: It was asked again: not even the change under way is waited for.
    """

    why: str
    is_insisted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """A step is done."""

    host: str
    step: int
    kind: str
    outcome: StepOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEnded:
    """A host is done."""

    report: HostReport


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """The run is done."""

    report: RunReport


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchStarted:
    """The run is done, and hosts are looked at again every so often; nothing is sent.

    Args:
        hosts: Which.
        lasts: How long.
        every: How long is waited from one look to the next.
    """

    hosts: tuple[str, ...]
    lasts: Duration
    every: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class HostWatched:
    """A host that is watched was looked at for the first time, or stands otherwise than at the look before."""

    host: str
    health: Health
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEnded:
    """Nobody watches any longer.

    Args:
        report: What became of the run by the last look at each host.
        stopped: Who ended it before its time: ``Ctrl-C``, or a signal's name; empty where nobody did.
        took: How long it was.
    """

    report: RunReport
    stopped: str
    took: Duration


Event: TypeAlias = (
    RunStarted
    | HostSeen
    | RolloutPlanned
    | GateAnswered
    | BatchStarted
    | HostClaimed
    | HostSeenAgain
    | CopyProgress
    | CopySaved
    | ChangeIntended
    | ChangeAnswered
    | ChangeUnanswered
    | RunResumed
    | ChangeSettled
    | HostSettled
    | StopHeard
    | StepEnded
    | HostEnded
    | RunEnded
    | WatchStarted
    | HostWatched
    | WatchEnded
)


#: Names of a known form that lead back to something: whatever a host calls its secret, they stay as they are.
_OURS = frozenset({"run", "operation", "digest", "memory", "machine_id"})


@singledispatch
def as_data(value: Any) -> Any:
    """Return *value* as what JSON can hold: records as objects with their class in ``type``.

    Sizes are bytes, durations seconds, secrets nothing, and hidden where a text holds one. A host is its name only:
    what else the inventory says about it stays there.
    """
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no place in a record")
    data: dict[str, Any] = {"type": type(value).__name__}
    if isinstance(word := getattr(type(value), "word", None), str):
        data["verdict"] = word
    return data | {field.name: _of_field(field.name, getattr(value, field.name)) for field in fields(value)}


def _of_field(name: str, value: Any) -> Any:
    return value if name in _OURS and isinstance(value, str) else as_data(value)


@as_data.register
def _(value: Standing) -> Any:
    """Return it without ``beyond`` where nothing is looked at there: so it is in the records of earlier versions."""
    names = ("symptom", "goal", "scope", *(["beyond"] if value.beyond else []))
    return {"type": "Standing"} | {name: as_data(getattr(value, name)) for name in names}


@as_data.register
def _(value: str) -> Any:
    return redacted(value)


@as_data.register(bool)
@as_data.register(type(None))
def _(value: Any) -> Any:
    return value


@as_data.register(int)
@as_data.register(float)
def _(value: Any) -> Any:
    return int(value) if isinstance(value, int) else float(value)


@as_data.register
def _(value: Host) -> Any:
    return value.name


@as_data.register
def _(_value: Secret) -> Any:
    return None


@as_data.register
def _(value: Enum) -> Any:
    return value.value


@as_data.register
def _(value: bytes) -> Any:
    return redacted(value.decode("utf-8", "backslashreplace"))


@as_data.register
def _(value: datetime) -> Any:
    return value.isoformat(timespec="seconds")


@as_data.register
def _(value: PurePath) -> Any:
    return redacted(str(value))


@as_data.register
def _(value: Mapping) -> Any:  # type: ignore[type-arg]  # singledispatch takes plain classes only
    return {redacted(str(key)): as_data(item) for key, item in value.items()}


@as_data.register(tuple)
@as_data.register(list)
def _(value: Any) -> Any:
    return [as_data(item) for item in value]


@as_data.register(frozenset)
def _(value: Any) -> Any:
    return sorted((as_data(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
