"""Give memory back that something of the application's holds, where too little is left; nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader, refuse_unless_user
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.memory import (
    Enough,
    Holder,
    Memory,
    SampleProcesses,
    below,
    held_by,
    read_memory,
    refuse_unless_amounts,
    with_children,
)
from soleil_remediate.facts.queue_workers import Life, ReadWorkers, Watched, Workers, watch
from soleil_remediate.facts.services import (
    ReadFolders,
    Services,
    ShowUnits,
    Unit,
    configuration_test,
    is_unit,
    read_services,
    refuse_unless_unit,
)
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.rights import SEE_PROGRAMS, Right, Use, to_act_on
from soleil_remediate.task import Task
from soleil_remediate.tasks.acting import ACT, DEADLINE, WATCHED, test_of, the_running, uses_of
from soleil_remediate.tasks.workers import PATIENCE, PROVEN, ended_by
from soleil_remediate.tasks.working import RESTART
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

_SUPERVISORS = frozenset({"supervisor.service", "supervisord.service"})

#: Go on, with the other arguments, only while less memory than $1 bytes is available, as facts/memory.py has it.
_WHILE_SHORT = r"""set -eu
room() { # LIMIT USED OF-THAT: what a container's limit leaves, where that is less
    { read -r most <"$1"; } 2>/dev/null || return 0
    case $most in max | ??????????????????*) return 0 ;; esac # without a limit it is as much as its counters can hold
    read -r used <"$2"
    unused=$(sed -n -e 's/^total_inactive_file //p' -e 's/^inactive_file //p' "$3" | tail -n 1)
    left=$((most - used + ${unused:-0}))
    [ "$left" -ge "$have" ] || have=$left
}
have=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
have=$((have * 1024))
at=/sys/fs/cgroup
room $at/memory.max $at/memory.current $at/memory.stat
room $at/memory/memory.limit_in_bytes $at/memory/memory.usage_in_bytes $at/memory/memory.stat
[ "$have" -lt "$1" ] || { printf 'there is memory again, %s bytes: nothing was done\n' "$have" >&2; exit 75; }
shift
"""
#: The same as without it, only while memory is short.
ACT_WHILE_SHORT = Script("act-while-memory-is-short", _WHILE_SHORT + ACT.text)
RESTART_WHILE_SHORT = Script("restart-workers-while-memory-is-short", _WHILE_SHORT + RESTART.text)


@dataclass(frozen=True, kw_only=True)
class _Amounts:
    """How much memory has to be available, and how much of it something must hold to be what fills it."""

    least: Percent = Percent(10)
    enough: ByteSize = MiB(1024)
    takes: Percent = Percent(25)

    def __post_init__(self) -> None:
        refuse_unless_amounts(self.least, self.enough)
        if not 5 <= self.takes <= 90:
            raise ValueError("takes must be from 5 % to 90 %")

    def _why_short(self, memory: Memory) -> str:
        """Return what is wrong; empty where enough is available."""
        enough = Enough(least=self.least, enough=self.enough)
        return enough.why_missed(memory) if enough.is_missed_by(memory) else ""

    def _wanted(self, memory: Memory) -> ByteSize:
        return Enough(least=self.least, enough=self.enough).of(memory)

    def _is_much(self, held: ByteSize, memory: Memory) -> bool:
        return held >= int(memory.total * self.takes / 100)

    def _act(self, verb: str, unit: Unit, test: tuple[str, ...], memory: Memory) -> Command:
        words = ACT_WHILE_SHORT.bind(self._wanted(memory), verb, unit.name, unit.invocation, WATCHED, *test)
        return Command(words, deadline=DEADLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhpSeen:
    """What a host has left, and what php-fpm holds of it."""

    memory: Memory
    processes: tuple[Holder, ...]
    services: Services


@dataclass(frozen=True, kw_only=True)
class ReloadLeakingPhp(_Amounts, Task[PhpSeen]):
    """Let php-fpm start its workers anew, where these hold much of a host's memory and too little is left.

    That gives back what leaked into them, and what a request of theirs holds. What they are doing is cut off, unless
    php-fpm gives them time (process_control_timeout). The configuration is tested first: with a broken one php-fpm
    would not come back. On the host it is looked once more whether memory is still short. A leak comes back with the
    requests that make it: ``pm.max_requests`` bounds that, and the code that leaks is to be found.

    Args:
        least: Only where less than this share of memory is available.
        enough: So much is enough, however small a share of a large host's memory that is.
        takes: They hold at least this share of it.
        unit: The unit's name; ``*`` and ``?`` stand for what they do in a shell. One alone must run.

    Raises:
        Unplannable: Several run, or its configuration is broken.
    """

    kind = "leaking-php.reload"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    unit: str = "php*-fpm.service"

    def __post_init__(self) -> None:
        refuse_unless_unit(self.unit)
        super().__post_init__()

    async def read(self, host: Reader) -> PhpSeen:
        memory, processes, services = await together(
            read_memory(host), host.ask(SampleProcesses()), read_services(host, [self.unit], tested=[self.unit])
        )
        return PhpSeen(memory=memory, processes=processes, services=services)

    def rights(self) -> tuple[Right, ...]:
        return to_act_on(self.unit, "reload")

    def plan(self, seen: PhpSeen) -> Plan:
        short = self._why_short(seen.memory)
        if not short:
            return Plan.nothing(seen.memory.in_words)
        unit = the_running(seen.services, self.unit)
        if unit is None:
            return Plan.nothing(f"no {self.unit} is running")
        if not unit.daemon.startswith("php-fpm"):
            return Plan.nothing(f"{unit.name} is not php-fpm")
        workers = _workers_of(unit, seen.processes)
        held = held_by(workers)
        if not self._is_much(held, seen.memory):
            return Plan.nothing(f"the workers of {unit.name} hold {held} of {seen.memory.total}: it is not these")
        test = test_of(unit, seen.services)
        largest = f"{len(workers)} workers, the largest {workers[0].held}"
        return Plan.of(
            Change(
                summary=f"let {unit.name} start its workers anew",
                command=self._act("reload", unit, test, seen.memory),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{largest}, hold {held}",
                after=f"new workers, and still running {WATCHED} s later",
                keeps="requests that wait for a worker",
                downtime="requests under way are cut off",
                uses=uses_of("reload", unit, test),
            ),
            because=f"{short}; {unit.name} holds {held} of it: {largest}",
        )


def _workers_of(unit: Unit, processes: Sequence[Holder]) -> tuple[Holder, ...]:
    """Return the processes of php-fpm's but its first, the one with the most memory first."""
    own = [one for one in processes if one.unit == unit.name]
    pids = {one.pid for one in own}
    return tuple(one for one in own if one.parent in pids)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSeen:
    """What a host has left, and what the queue workers hold of it."""

    memory: Memory
    processes: tuple[Holder, ...]
    workers: Workers


@dataclass(frozen=True, kw_only=True)
class RestartLeakingWorkers(_Amounts, Task[QueueSeen]):
    """Let queue workers end after the job that they have and be started anew, where they hold much of a host's memory.

    artisan's ``queue:restart`` asks all workers of the application to end, also those of other hosts that share its
    cache, and so does Horizon's ``horizon:terminate``; supervisor starts them. Each here must be gone within a minute,
    what Horizon had started among them, and its successor run for five seconds. One that does not end is left: what it
    does would be cut off, and done once more.

    Args:
        least: Only where less than this share of memory is available.
        enough: So much is enough, however small a share of a large host's memory that is.
        takes: They hold at least this share of it, with what they have started.
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: They are neither ``queue:work`` nor Horizon's.
    """

    kind = "leaking-workers.restart"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    root: PurePosixPath
    user: str = "www-data"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_absolute(self.root)
        refuse_unless_user(self.user)

    async def read(self, host: Reader) -> QueueSeen:
        memory, (processes, programs) = await together(
            read_memory(host), host.ask_all(SampleProcesses(), ReadWorkers(self.root))
        )
        workers = await watch(host, self.root, programs)
        return QueueSeen(memory=memory, processes=processes, workers=workers)

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), SEE_PROGRAMS)

    def plan(self, seen: QueueSeen) -> Plan:
        short = self._why_short(seen.memory)
        if not short:
            return Plan.nothing(seen.memory.in_words)
        running = seen.workers.that(Life.RUNS)
        if not running:
            return Plan.nothing("no worker of supervisor's runs")
        sizes = {one.after.name: held_by(with_children((one.after.pid,), seen.processes)) for one in running}
        held = ByteSize(sum(sizes.values()))
        if not self._is_much(held, seen.memory):
            return Plan.nothing(f"the queue workers hold {held} of {seen.memory.total}: it is not these")
        asked = [one for one in running if ended_by(one.worker)]
        self._refuse_unless_asked(running, asked, sizes)
        largest = max(sizes, key=lambda name: sizes[name])
        words = [word for one in asked for word in (one.after.name, one.after.pid, ended_by(one.worker))]
        return Plan.of(
            Change(
                summary=f"let {len(asked)} workers end after their jobs and be started anew",
                command=Command(
                    RESTART_WHILE_SHORT.bind(self._wanted(seen.memory), self.root, self.user, PATIENCE, PROVEN, *words),
                    deadline=Duration(PATIENCE + PROVEN + 90),
                ),
                risk=self.risk,
                undo=Undo.none("the processes of before are gone, and what they had in memory"),
                before=f"{largest} holds {sizes[largest]}, all of them {held}",
                after=f"other processes than before, which run for {PROVEN} s",
                keeps="every job; one that is under way is ended well",
                downtime="queues stand still for some seconds, also for hosts that share the application's cache",
                uses=(Use(user=self.user), Use(("supervisorctl", "status"))),
            ),
            because=f"{short}; the queue workers hold {held} of it, {largest} {sizes[largest]}",
        )

    def _refuse_unless_asked(
        self, running: Sequence[Watched], asked: Sequence[Watched], sizes: Mapping[str, ByteSize]
    ) -> None:
        """Refuse where what holds the memory does not end by being asked so.

        Raises:
            Unplannable: It does not.
        """
        others = [one for one in running if one not in asked]
        largest = max(running, key=lambda one: sizes[one.after.name])
        if largest not in others:
            return
        name, held = largest.after.name, sizes[largest.after.name]
        raise Unplannable(
            f"{name} holds {held}, and it is not known to end by queue:restart. By hand: supervisorctl restart {name}, "
            "which cuts off what it does"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitsSeen:
    """What a host has left, what holds it, and the units that hold much of it.

    Args:
        folders: Where each of these works, by its name.
    """

    memory: Memory
    processes: tuple[Holder, ...]
    units: tuple[Unit, ...] = ()
    folders: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class RestartLeakingUnit(_Amounts, Task[UnitsSeen]):
    """Restart a service of the application's that holds much of a host's memory, where too little is left.

    php-fpm, and what systemd starts from the application's folder, such as workers, a websocket server or Octane; it
    is given the time that its unit has to end. A database or Redis is left alone, which would only load the same again,
    and so is whatever is not known to be the application's: it is named, with its owner, and never ended. On the host
    it is looked once more whether memory is still short.

    Args:
        least: Only where less than this share of memory is available.
        enough: So much is enough, however small a share of a large host's memory that is.
        takes: It holds at least this share of it.
        root: The application's folder, or the link to it; a service of its own is one that runs there, or names it.

    Raises:
        Unplannable: What holds the memory is not the application's, or nothing alone holds so much.
    """

    kind = "leaking-unit.restart"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    root: PurePosixPath

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.root)
        super().__post_init__()

    async def read(self, host: Reader) -> UnitsSeen:
        memory, processes = await together(read_memory(host), host.ask(SampleProcesses()))
        names = tuple(
            name for name, held in _by_unit(processes).items() if self._is_much(held, memory) and is_unit(name)
        )
        if not names:
            return UnitsSeen(memory=memory, processes=processes, folders={})
        units, folders = await host.ask_all(ShowUnits(names), ReadFolders(names))
        return UnitsSeen(memory=memory, processes=processes, units=units, folders=folders)

    def plan(self, seen: UnitsSeen) -> Plan:
        memory = seen.memory
        short = self._why_short(memory)
        if not short:
            return Plan.nothing(memory.in_words)
        holders = {name: held for name, held in _by_unit(seen.processes).items() if self._is_much(held, memory)}
        own = [unit for unit in seen.units if unit.name in holders and self._is_own(unit, seen.folders)]
        if own:
            return Plan.of_each(
                *(self._restart(unit, holders[unit.name], memory) for unit in own),
                because=f"{short}; " + "; ".join(f"{unit.name} holds {holders[unit.name]} of it" for unit in own),
            )
        if not holders:
            raise Unplannable(f"{short}, and nothing alone holds {self.takes} of it: {_most(seen.processes)}")
        refusals = [_why_left(name, held, seen.processes) for name, held in holders.items()]
        if not any(refusals):
            return Plan.nothing(f"queue workers of supervisor's hold {held_by(seen.processes)} of it")
        raise Unplannable(f"{short}; {'; '.join(filter(None, refusals))}")

    def _is_own(self, unit: Unit, folders: Mapping[str, str]) -> bool:
        if not unit.is_running or unit.name in _SUPERVISORS:
            return False
        return unit.daemon.startswith("php-fpm") or below(self.root, (*unit.program, folders.get(unit.name, "")))

    def _restart(self, unit: Unit, held: ByteSize, memory: Memory) -> Change:
        test = configuration_test(unit)
        return Change(
            summary=f"restart {unit.name}",
            command=self._act("restart", unit, test, memory),
            risk=self.risk,
            undo=Undo.none("what was cut off is not taken up again"),
            before=f"{unit.in_words}, holds {held}",
            after=f"running anew, and still so {WATCHED} s later",
            downtime="what it does is not done for some seconds; what it does not end in its time is cut off",
        )


def _by_unit(processes: Sequence[Holder]) -> dict[str, ByteSize]:
    """Return how much each unit holds, the one with the most first; what is in none counts by its process."""
    found: dict[str, ByteSize] = {}
    for one in processes:
        name = one.unit or f"process {one.pid}"
        found[name] = ByteSize(found.get(name, 0) + one.held)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _most(processes: Sequence[Holder]) -> str:
    return ", ".join(f"{name} {held}" for name, held in list(_by_unit(processes).items())[:3])


def _why_left(name: str, held: ByteSize, processes: Sequence[Holder]) -> str:
    """Return why what holds so much is left alone, and what a person can do; empty where another task sees to it."""
    one = next(process for process in processes if (process.unit or f"process {process.pid}") == name)
    what = f"{one.in_words} ({one.pid}, uid {one.uid}) {'in ' + name if one.unit else ''}".rstrip()
    if name in _SUPERVISORS:
        if {"queue:work", "queue:listen"} & {*one.words}:
            return ""
        return (
            f"a program of supervisor's holds much: {what}. By hand, where it is Octane: php artisan octane:reload; "
            "else supervisorctl status, and supervisorctl restart its name, which cuts off what it does"
        )
    for part, why in _LOADS_AGAIN.items():
        if name.startswith(part):
            return f"{name} holds {held}, {why}"
    how = f"systemctl stop {name}" if name.endswith(".service") else f"kill {one.pid}"
    return (
        f"{held} are held by what is not known to be the application's: {what}. It is left alone. By hand, once its "
        f"owner agrees: {how}"
    )


#: Of these a restart gives nothing back that would not be needed again.
_LOADS_AGAIN = {
    "redis": "and a restart would load the same data again: see redis-down, and what fills it",
    "valkey": "and a restart would load the same data again: see redis-down, and what fills it",
    "postgresql": "and is left alone: see its sessions by preview database-connection-failure, and work_mem",
    "mysql": "and is left alone: see innodb_buffer_pool_size, and its sessions",
    "mariadb": "and is left alone: see innodb_buffer_pool_size, and its sessions",
}
