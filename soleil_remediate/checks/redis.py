"""Does the application get to what it keeps in Redis, and does Redis take what it writes?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import RedisUsed
from soleil_remediate.facts.redis import RedisConfiguration, ServerReply, memory_of
from soleil_remediate.facts.redis_use import RedisServer, RedisUse, read_redis
from soleil_remediate.facts.replies import Reply
from soleil_remediate.facts.services import refuse_unless_unit
from soleil_remediate.task import Check, Health, Measure, Seen, Verdict

_NOTHING = "the application keeps neither cache, limits, sessions nor queue in Redis"
#: What the kernel's letter for what a process does means for whoever waits for it.
_STATES = {
    "T": ": its process was stopped by a signal (state T)",
    "t": ": a debugger holds its process (state t)",
    "D": ": its process waits for a disk (state D)",
}


@dataclass(frozen=True, kw_only=True)
class OfRedis(OfApplication[Seen]):
    """What asks an application about the Redis it uses, and the server on this host about itself."""

    unit: str = "redis*.service"

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_unit(self.unit)


@dataclass(frozen=True, kw_only=True)
class RedisAnswering(OfRedis[RedisUse], Check[RedisUse]):
    """See whether the application is answered by every Redis in which it keeps cache, limits, sessions or queue.

    The application itself asks, as its user, from its host, with its own credentials; what counts is the reply to PING.
    Where it gets none, the server on this host is asked by root with the password of its own configuration, to tell a
    Redis that is down from one that refuses this application. Connections that are configured and not used for any of
    the three say nothing.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "redis.answering"

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def aim(self) -> str:
        return "Redis answers the application"

    def judge(self, seen: RedisUse) -> Verdict:
        if isinstance(seen.application, FactError):
            return _without_the_application(seen, seen.application)
        if not seen.uses:
            return Verdict.healthy(_NOTHING)
        faulty: dict[str, list[str]] = {}
        unknown: dict[str, list[str]] = {}
        measures = []
        for name, kept in seen.uses.items():
            used, reply, label = seen.used(name), seen.replies[name], f"Redis for {' and '.join(kept)}"
            if used is None:
                why = f"its connection {name!r} is a cluster's, which nobody asks here, or is not configured at all"
                unknown.setdefault(why, []).extend(kept)
            elif isinstance(reply, FactError):
                unknown.setdefault(str(reply), []).extend(kept)
            elif reply.is_answered:
                measures.append(Measure(label=label, value=f"PONG in {reply.took * 1000:.0f} ms"))
            else:
                faulty.setdefault(_why_not(seen.server_of(name), used, reply, seen, self.root), []).extend(kept)
                measures.append(Measure(label=label, value="no PONG", is_faulty=True))
        if faulty:
            return Verdict.faulty(f"no Redis for {_told(faulty)}", *measures)
        if unknown:
            return Verdict.unknown(f"whether Redis answers cannot be known for {_told(unknown)}", *measures)
        kept_there = ", ".join(what for kept in seen.uses.values() for what in kept)
        return Verdict.healthy(f"Redis answers the application ({kept_there})", *measures)


def _told(reasons: Mapping[str, list[str]]) -> str:
    return "; for ".join(f"{', '.join(kept)}: {why}" for why, kept in reasons.items())


def _without_the_application(seen: RedisUse, error: FactError) -> Verdict:
    """Judge the servers alone: one that should run and does not is at fault, whoever uses it."""
    down = [one for one in seen.servers if one.unit.is_wanted and not one.unit.is_running]
    if down:
        return Verdict.faulty("; ".join(f"{one.name} is {one.unit.in_words}" for one in down))
    return Verdict.unknown(f"whether the application gets to Redis cannot be asked: {error}")


def address_of(used: RedisUsed) -> str:
    """Return where a connection leads, for people."""
    if used.host.startswith("/"):
        return used.host
    return f"{used.host or 'localhost'}:{used.port or 6379}"


def _why_not(server: RedisServer | None, used: RedisUsed, reply: Reply, seen: RedisUse, root: PurePosixPath) -> str:
    """Return why an application gets no PONG by a connection, as far as it can be seen, and what to do about it."""
    if server is None and not seen.is_here(used):
        return f"{address_of(used)}, which is not on this host: {_refusal(used, reply) or reply.why}"
    if server is None:
        here = ", ".join(f"{one.name} {_listening(one)}" for one in seen.servers) or "systemd runs no Redis here"
        return f"nothing that systemd runs listens at {address_of(used)} ({here}): {reply.why}"
    if not server.unit.is_running:
        return f"{server.name} is {server.unit.in_words}"
    match server.reply:
        case ServerReply(why="silent"):
            return f"{server.name} is running, takes connections and answers nobody{_STATES.get(server.state, '')}"
        case ServerReply(why="loading" | "busy" | "refused" | "unsaved") as said:
            return f"{server.name} is running and {said.in_words}"
    if refusal := _refusal(used, reply):
        return f"{refusal}{_by_its_own_password(server)}. {_by_hand(server, root)}"
    return f"{server.name} is running, and the application meets: {reply.why or 'nothing'}"


def _listening(server: RedisServer) -> str:
    if isinstance(server.configuration, RedisConfiguration):
        listens = f"port {server.configuration.port}" if server.configuration.port else server.configuration.socket
        return f"is {server.unit.in_words}, and configured for {listens or 'no port'}"
    return f"is {server.unit.in_words}"


def _refusal(used: RedisUsed, reply: Reply) -> str:
    """Return how an application's password is wrong, by what it met; empty where that is not why."""
    if "without any password" in reply.why or "no password is set" in reply.why:
        return "the application sends a password, and Redis wants none"
    if not any(word in reply.why for word in ("NOAUTH", "WRONGPASS", "invalid password")):
        return ""
    if used.has_password:
        return "Redis refuses the application's password"
    return "Redis wants a password, and the application sends none"


def _by_its_own_password(server: RedisServer) -> str:
    """Return what root meets with the password of the server's own configuration."""
    configuration = server.configuration
    if not isinstance(server.reply, ServerReply) or isinstance(configuration, FactError):
        return f". {server.name} is running"
    if server.reply.is_answered:
        by = f" with the one in {configuration.file}" if configuration.has_password else ""
        return f"; {server.name} is well, and answers root{by}"
    if server.reply.is_password_wrong:
        return f"; the one in {configuration.file} is refused as well: it runs with another"
    return f"; there is none in {configuration.file}: it was set while it ran, or by users of its own"


def _by_hand(server: RedisServer, root: PurePosixPath) -> str:
    return (
        f"Nothing is restarted: that would not help. By hand: see which of the two is right, make the password in "
        f"{root}/.env and the one in {server.file} the same, then cache the application's configuration anew "
        f"(php artisan config:cache) and let php-fpm and the workers start anew"
    )


@dataclass(frozen=True, kw_only=True)
class RedisWritable(OfRedis[RedisUse], Check[RedisUse]):
    """See whether every Redis in which the application keeps something takes writes, without writing anything.

    PING is answered by a Redis that refuses every write: one at its ``maxmemory`` that may give nothing up, one whose
    last snapshot failed, a replica. What it says of itself tells: to root where it is on this host, else to the
    application, as far as that may ask. Full counts as full before the very last byte: what one write takes must fit.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "redis.writable"

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def aim(self) -> str:
        return "Redis takes what the application writes"

    def judge(self, seen: RedisUse) -> Verdict:
        if isinstance(seen.application, FactError):
            return Verdict.unknown(f"what the application keeps in Redis cannot be asked: {seen.application}")
        if not seen.uses:
            return Verdict.healthy(_NOTHING)
        found = dict(_each(seen))
        measures = [measure for verdict in found.values() for measure in verdict.measures]
        for health, make in ((Health.FAULTY, Verdict.faulty), (Health.UNKNOWN, Verdict.unknown)):
            said = [f"{name} {verdict.why}" for name, verdict in found.items() if verdict.health is health]
            if said:
                return make("; ".join(said), *measures)
        return Verdict.healthy("; ".join(f"{name} {verdict.why}" for name, verdict in found.items()), *measures)


def _each(seen: RedisUse) -> Iterator[tuple[str, Verdict]]:
    """Yield each server that is used, as people call it, and what is to be said of it: what follows its name."""
    for connection in seen.uses:
        server, used = seen.server_of(connection), seen.used(connection)
        if used is None:
            yield f"connection {connection!r}", Verdict.unknown("is not there")
            continue
        name = server.name if server is not None else f"Redis at {address_of(used)}"
        info = seen.info(connection)
        yield name, _writes(name, info, server.reply if server is not None else None)


def _writes(name: str, info: Mapping[str, str], reply: ServerReply | FactError | None) -> Verdict:
    try:
        memory = memory_of(info)
    except (KeyError, ValueError):
        why = f": {reply}" if isinstance(reply, FactError) else ""
        return Verdict.unknown(f"does not say whether it takes writes{why}")
    limit = f"of {memory.limit}" if memory.limit is not None else "without a limit"
    measure = Measure(label=f"memory of {name}", value=f"{memory.used} {limit}", is_faulty=memory.is_full)
    if memory.is_full:
        refused = _count(info, "errorstat_OOM")
        so_far = f", {refused} so far since it was started" if refused else ""
        return Verdict.faulty(
            f"uses {memory.used} {limit} (maxmemory, {memory.policy}): writes are refused (OOM){so_far}. PING is "
            "answered all the same, and a restart would not help: it loads the same data again, or loses it",
            measure,
        )
    answered = reply if isinstance(reply, ServerReply) else ServerReply()
    if (refused_for_its_disk := _refused_for_its_disk(info, answered)) is not None:
        return refused_for_its_disk
    if info.get("loading", "0") != "0":
        return Verdict.faulty("is still loading its data, and takes no writes until it has", measure)
    if info.get("role") == "slave" and info.get("slave_read_only", "1") == "1":
        return Verdict.faulty(f"is a replica of {info.get('master_host', 'another')}, and takes no writes", measure)
    return Verdict.healthy(f"takes writes: it uses {memory.used} {limit} ({memory.policy})", measure)


def _refused_for_its_disk(info: Mapping[str, str], reply: ServerReply) -> Verdict | None:
    """Return what is wrong where writes are refused for what could not be written to a disk (MISCONF), or may be."""
    if info.get("aof_enabled", "0") != "0" and info.get("aof_last_write_status", "ok") != "ok":
        measure = Measure(label="its log of writes", value="failed", is_faulty=True)
        return Verdict.faulty("could not write its log (AOF), and refuses writes until it can (MISCONF)", measure)
    if info.get("rdb_last_bgsave_status", "ok") == "ok" or reply.saves == "" or reply.stops_writes is False:
        return None
    measure = Measure(label="its last snapshot", value="failed", is_faulty=True)
    if reply.stops_writes or _count(info, "errorstat_MISCONF"):
        return Verdict.faulty(
            "could not write its last snapshot, and refuses writes until one succeeds (MISCONF): see what its log says "
            "and whether its folder has room",
            measure,
        )
    return Verdict.unknown(
        "could not write its last snapshot; whether it refuses writes for it (stop-writes-on-bgsave-error) cannot be "
        "asked",
        measure,
    )


def _count(info: Mapping[str, str], name: str) -> int:
    """Return how many errors of a sort there were; 0 also where it is too old to count them."""
    value = info.get(name, "").removeprefix("count=")
    return int(value) if value.isdigit() else 0
