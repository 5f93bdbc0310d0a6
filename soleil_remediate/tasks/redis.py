"""Repair a Redis that refuses writes, or hangs: only what helps, and only after what would be lost was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from soleil_remediate.checks.redis import OfRedis
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.redis import Memory, RedisConfiguration, ServerReply, memory_of
from soleil_remediate.facts.redis_use import RedisServer, RedisUse, read_redis
from soleil_remediate.facts.replies import Reply
from soleil_remediate.facts.services import Configuration, Services
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.rights import NO_SETTING
from soleil_remediate.task import Task
from soleil_remediate.tasks.acting import DEADLINE, WATCHED, since, test_of
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

#: ``ask SECONDS COMMAND``: the last line of what the server at $h $at $p $port (words of redis-cli) replies, asked with
#: the password in its own configuration $file: it goes by a pipe, and stands in no argument. Nothing where none comes.
_ASK = r"""ask() {
    { sed -n 's/^[[:space:]]*requirepass[[:space:]]\{1,\}/AUTH /Ip' -- "$file"; printf '%s\n' "$2"; } |
        timeout -k 1 "$1" redis-cli --no-raw "$h" "$at" "$p" "$port" 2>/dev/null |
        sed 's/, with args beginning with: .*//' | tail -n 1
}
stop() { printf '%s: nothing was changed\n' "$1" >&2; exit 75; }
"""

#: Set maxmemory from $6 to $7, for the server that is configured by $1 and listens at $2 to $5. It must still take that
#: and answer $8 seconds later.
SET_MEMORY = Script(
    "set-redis-memory",
    "set -eu\nfile=$1 h=$2 at=$3 p=$4 port=$5 old=$6 new=$7 seconds=$8\n"
    + _ASK
    + r"""[ -r "$file" ] || stop "$file cannot be read"
said=$(ask 5 'CONFIG GET maxmemory')
[ "$said" = "2) \"$old\"" ] || stop "maxmemory is not $old any more, but ${said:-not told}"
said=$(ask 5 "CONFIG SET maxmemory $new")
case $said in '(error)'*) stop "Redis refuses another maxmemory ($said)" ;; esac
for pause in 0 "$seconds"; do
    sleep "$pause"
    said=$(ask 5 'CONFIG GET maxmemory')
    [ "$said" = "2) \"$new\"" ] || { printf 'maxmemory should be %s, and Redis says: %s\n' "$new" "$said" >&2; exit 1; }
done
echo "maxmemory is $new bytes"
""",
)

#: Restart the unit $1 if it is still the run $2 of it and still answers nobody at $6 to $9, as configured by $4, which
#: program $5 reads first. It must answer PING afterwards, and still $3 seconds later, as the same run. $10 are the
#: seconds that systemd may take to end and to start it; then it may still be loading for a minute.
RESTART = Script(
    "restart-redis",
    "set -eu\nunit=$1 run=$2 seconds=$3 file=$4 program=$5 h=$6 at=$7 p=$8 port=$9\nshift 9\npatience=$1\n"
    + _ASK
    + r"""show() { systemctl show --property="$1" --value -- "$unit"; }
fail() {
    printf '%s\n' "$1" >&2
    journalctl --quiet --no-pager --unit="$unit" --lines=5 --output=cat |
        sed "s/^\(>>> '[[:space:]]*[^[:space:]]*\)[[:space:]].*/\1 …'/" >&2 || : # of redis.conf; it may hold a password
    exit 1
}
[ "$(show InvocationID)" = "$run" ] || stop "$unit was started anew meanwhile"
said=$(ask 5 PING)
[ -z "$said" ] || stop "$unit answers again ($said)"
said=$("$program" "$file" --__NO_SETTING__ 2>&1) || :
case $said in
    *">>> '__NO_SETTING__'"*) ;;
    *) stop "$unit could not start with its configuration ($(printf '%s\n' "$said" | tail -n 1))" ;;
esac
timeout -k 5 "$patience" systemctl restart -- "$unit" || {
    case $? in
        124 | 137) fail "systemd still waits, after $patience s, for $unit to end or to start. It goes on waiting: \
what is in its memory alone is lost if it is killed (systemctl kill --signal=KILL $unit)" ;;
        *) fail "systemctl restart $unit failed" ;;
    esac
}
tries=0
until [ "$(ask 2 PING)" = PONG ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "$unit was restarted, and does not answer PING: $(ask 2 PING)"
    sleep 1
done
run=$(show InvocationID) restarts=$(show NRestarts)
sleep "$seconds"
[ "$(show InvocationID) $(show NRestarts)" = "$run $restarts" ] || fail "$unit died and was started again"
[ "$(ask 5 PING)" = PONG ] || fail "$unit answered PING, and $seconds s later no more"
echo "$unit answers PING"
""".replace("__NO_SETTING__", NO_SETTING),
)

#: So long systemd may take to end a Redis, which saves what it holds, and to start it, which loads that.
_PATIENCE = Duration(120)


@dataclass(frozen=True, kw_only=True)
class RaiseRedisMemory(OfRedis[RedisUse], Task[RedisUse]):
    """Give a Redis that refuses writes more memory, until its next restart.

    Only where it is at its ``maxmemory`` and its policy lets it give nothing up; a restart would load the same data
    again. ``CONFIG SET`` alone: what stands in its configuration stays, and counts again from the next restart on. It
    may take so much more only if the host has it twice, since a snapshot can take as much again for a while, and
    *leave* stays beside that. What fills it is not known by that: it may be full again soon.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
        by: So much more than it has, or uses.
        leave: So much of the host's memory must stay available.

    Raises:
        Unplannable: Memory does not allow it, CONFIG has another name or none, or the Redis is not on this host.
    """

    kind = "redis-memory.raise"
    risk: ClassVar[Risk] = Risk.GENTLE

    by: Percent = Percent(50)
    leave: ByteSize = MiB(256)

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def plan(self, seen: RedisUse) -> Plan:
        for name in seen.uses:
            memory = _memory(seen.info(name))
            if seen.server_of(name) is None and memory is not None and memory.is_full:
                raise Unplannable(f"the Redis of connection {name!r} is full, and not on this host: raise it there")
        full = [(server, memory) for server in seen.its_servers if (memory := _memory(server.info)) and memory.is_full]
        if not full:
            return Plan.nothing("no Redis that answers here is at its maxmemory")
        changes = _possible(partial(self._raise, server, memory, seen) for server, memory in full)
        return Plan.of_each(*changes, because="; ".join(f"{one.name} uses {memory.used}" for one, memory in full))

    def _raise(self, server: RedisServer, memory: Memory, seen: RedisUse) -> Change:
        configuration, limit = server.configuration, memory.limit
        if isinstance(configuration, FactError) or configuration.address is None or limit is None:
            raise Unplannable(f"how {server.name} is configured is not known")  # whoever was asked is configured
        if not (isinstance(server.reply, ServerReply) and server.reply.is_configurable):
            raise Unplannable(
                f"{server.name} lets nobody set its maxmemory while it runs: CONFIG has another name in "
                f"{configuration.file}, or is forbidden. By hand: by that name, or delete what nobody needs"
            )
        new = _rounded_up(max(limit, memory.used) * (100 + self.by) / 100)
        more, room = ByteSize(new - limit), _room(server, seen)
        if 2 * more + self.leave > room:
            raise Unplannable(
                f"{server.name} needs {more} more, and twice that for a snapshot; {room} is available here, of which "
                f"{self.leave} has to stay. By hand: delete what nobody needs, or give the host more memory"
            )
        there, back = (
            Command(SET_MEMORY.bind(configuration.file, *configuration.address, *ends, WATCHED), deadline=Duration(60))
            for ends in ((limit, new), (new, limit))
        )
        return Change(
            summary=f"raise maxmemory of {server.name} until its next restart",
            command=there,
            risk=self.risk,
            undo=Undo.by(back, f"maxmemory is {limit} again"),
            before=f"{memory.used} of {limit} used, {memory.policy}: writes are refused",
            after=f"maxmemory {new}, {room} being available here; {configuration.file} stays as it is",
            keeps="all that is in it, and every connection",
        )


def _possible(makers: Iterable[Callable[[], Change]]) -> list[Change]:
    """Return the changes that can be made: one server that must be left alone is no reason to leave another so.

    Raises:
        Unplannable: None can, and why.
    """
    changes, refusals = [], []
    for make in makers:
        try:
            changes.append(make())
        except Unplannable as error:
            refusals.append(str(error))
    if not changes:
        raise Unplannable("; ".join(refusals))
    return changes


def _memory(info: Mapping[str, str]) -> Memory | None:
    try:
        return memory_of(info)
    except (KeyError, ValueError):
        return None


def _rounded_up(size: float) -> ByteSize:
    return ByteSize(-(-int(size) // MiB(1)) * MiB(1))


def _room(server: RedisServer, seen: RedisUse) -> ByteSize:
    """Return how much more memory a server can have, by whatever limits it most.

    Raises:
        Unplannable: That cannot be known.
    """
    if isinstance(seen.resources, FactError) or isinstance(seen.room, FactError):
        raise Unplannable(f"how much memory is left here cannot be known: {seen.resources} {seen.room}")
    rooms = [seen.resources.available]
    if seen.room is not None:
        rooms.append(seen.room)
    if server.process is not None and server.process.limit is not None:
        taken = int(server.info.get("used_memory_rss", "0"))
        rooms.append(ByteSize(max(0, server.process.limit - taken)))
    return min(rooms)


@dataclass(frozen=True, kw_only=True)
class RestartRedis(OfRedis[RedisUse], Task[RedisUse]):
    """Restart a Redis that takes connections and answers nobody.

    Nothing else is mended by it: one that is full loads the same data again, one that refuses a password goes on
    refusing it, one that loads would begin anew. What a restart costs is told by how it keeps its data: with a log of
    every write (AOF) next to nothing, with snapshots what was written since the last one, without either everything;
    it saves itself only if it still obeys when it is told to end. Before that it is asked once more, and reads its
    configuration as it stands on disk; afterwards it must answer PING, and still do so five seconds later.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.

    Raises:
        Unplannable: It would not help, or the Redis could not start again, or that is not known.
    """

    kind = "redis.restart"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def plan(self, seen: RedisUse) -> Plan:
        running = [server for server in seen.its_servers if server.unit.is_running]
        silent = [server for server in running if _is_silent(server, seen)]
        if silent:
            return Plan.of_each(
                *_possible(partial(self._restart, server, seen) for server in silent),
                because="; ".join(f"{one.name} takes connections and answers nobody" for one in silent),
            )
        for server in running:
            if isinstance(server.reply, FactError):
                raise Unplannable(f"whether {server.name} hangs cannot be known: {server.reply}")
            if why := _unhelpful(server):
                raise Unplannable(f"a restart of {server.name} would not help: {why}")
        return Plan.nothing("no Redis of the application's hangs here")

    def _restart(self, server: RedisServer, seen: RedisUse) -> Change:
        configuration, name = server.configuration, server.name
        if isinstance(configuration, FactError) or configuration.address is None:
            raise Unplannable(f"how {name} is configured is not known")  # whoever was asked is configured
        if server.state == "D":
            raise Unplannable(f"a restart of {name} would wait for a disk as long as {name} does: see what that does")
        test_of(server.unit, Services(units=(server.unit,), tests={name: server.test} if server.test else {}))
        if not isinstance(server.test, Configuration):
            raise Unplannable(f"whether {name} could start again with its configuration is not known: {server.test}")
        risk, loses = _cost(server, configuration, seen)
        words = (name, server.unit.invocation, WATCHED, configuration.file, server.unit.program[0])
        return Change(
            summary=f"restart {name}",
            command=Command(RESTART.bind(*words, *configuration.address, int(_PATIENCE)), deadline=DEADLINE),
            risk=risk,
            undo=Undo.none("what was in its memory alone does not come back"),
            before=f"{since(server.unit)}, and answers nobody",
            after=f"answers PING, and still so {WATCHED} s later",
            loses=loses,
            keeps=_kept_on_disk(server, configuration),
            downtime="what needs Redis fails until it has loaded its data",
        )


def _is_silent(server: RedisServer, seen: RedisUse) -> bool:
    """Whether a server answers neither root nor the application."""
    replies = [reply for name, reply in seen.replies.items() if seen.server_of(name) == server]
    is_used = any(isinstance(reply, Reply) and reply.is_answered for reply in replies)
    return isinstance(server.reply, ServerReply) and server.reply.why == "silent" and not is_used


def _unhelpful(server: RedisServer) -> str:
    """Return why a restart of a server that is not well is no way to mend it; empty where it is well, or is asked."""
    match server.reply:
        case ServerReply(why="loading"):
            return "it is still loading its data, and would begin anew"
        case ServerReply(why="busy"):
            return (
                "it is busy with a script. By hand: redis-cli SCRIPT KILL, which ends one that has not written; what "
                "was written since the last snapshot may be lost otherwise"
            )
        case ServerReply(why="unsaved"):
            return (
                "it could not save its data, and may lose what was written since. By hand: see what its log says and "
                "whether its folder has room, then redis-cli BGSAVE"
            )
        case ServerReply(why="refused"):
            return "it runs and takes no connection where it is configured to: see what its log says"
        case ServerReply(is_answered=True) if (memory := _memory(server.info)) and memory.is_full:
            return "it would load the same data again, or lose it"
    return ""


def _cost(server: RedisServer, configuration: RedisConfiguration, seen: RedisUse) -> tuple[Risk, str]:
    """Return how dangerous a restart is, and what may be lost by it: as configured, for it cannot be asked."""
    kept = ", ".join(seen.kept_on(server))
    everything = f"all that it holds ({kept})" if kept else "all that it holds"
    doubt = f"; {configuration.file} includes others, which may say otherwise" if configuration.includes else ""
    if configuration.appends:
        risk = Risk.DESTRUCTIVE if configuration.includes else Risk.DISRUPTIVE
        return risk, f"what was written in its last second or two, if it has to be killed{doubt}"
    if not configuration.takes_snapshots:
        return Risk.DESTRUCTIVE, f"{everything}: by its configuration it keeps nothing on disk{doubt}"
    snapshot = next((file for file in server.files if file.path.name == configuration.snapshot), None)
    if snapshot is None:
        return (
            Risk.DESTRUCTIVE,
            f"{everything}, unless it saves itself when it is told to end: no snapshot is seen{doubt}",
        )
    return Risk.DESTRUCTIVE, (
        f"of {kept or 'what it holds'}: what was written since its last snapshot ({as_text(snapshot.modified)} UTC), "
        f"unless it saves itself when it is told to end{doubt}"
    )


def _kept_on_disk(server: RedisServer, configuration: RedisConfiguration) -> str:
    if configuration.appends:
        return f"what its log of writes holds ({configuration.log})"
    return ", ".join(f"{file.path} ({file.size})" for file in server.files if file.is_regular)
