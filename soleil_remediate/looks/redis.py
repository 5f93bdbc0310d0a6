"""Show how Redis is: its memory and what it keeps on disk, what the application keeps in it, and what it is slow at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.redis import OfRedis, RedisAnswering, RedisWritable, address_of
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import ReadClock, as_text
from soleil_remediate.facts.http import Site, read_site, refuse_unless_askable
from soleil_remediate.facts.redis import RedisConfiguration, ServerReply, keys_by_database
from soleil_remediate.facts.redis_use import RedisServer, RedisUse, read_redis
from soleil_remediate.facts.replies import Reply
from soleil_remediate.facts.together import together
from soleil_remediate.task import Health, Look, Shown, Table, Text
from soleil_remediate.units import ByteSize, Duration

_NONE = Text(lines=("systemd runs no Redis on this host",))


@dataclass(frozen=True, kw_only=True)
class RedisOverview(OfRedis[tuple[RedisUse, int]], Look[tuple[RedisUse, int]]):
    """Show each Redis on the host: its memory and policy, what it keeps on disk and since when, and what it refused.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "redis.overview"
    title: ClassVar[str] = "Redis on this host"

    async def read(self, host: Reader) -> tuple[RedisUse, int]:
        return await together(read_redis(host, self.root, self.user, self.unit), host.ask(ReadClock()))

    def show(self, seen: tuple[RedisUse, int]) -> Shown:
        use, now = seen
        lines = [
            line
            for server in use.servers
            for line in (_headline(server), *_details(server, now), *_may_vanish(server, use.kept_on(server)))
        ]
        if not lines:
            return _NONE
        if not isinstance(use.resources, FactError):
            limit = f", {use.room} more in its container" if isinstance(use.room, ByteSize) else ""
            lines.append(f"the host has {use.resources.available} of {use.resources.memory} available{limit}")
        return Text(lines=tuple(lines))


def _headline(server: RedisServer) -> str:
    said = server.reply
    answers = f", {said.in_words}" if isinstance(said, ServerReply) else ""
    version = f", version {server.info['redis_version']}" if "redis_version" in server.info else ""
    return f"{server.name} is {server.unit.in_words}{answers}{version}"


def _details(server: RedisServer, now: int) -> Iterator[str]:
    info, configuration = server.info, server.configuration
    if isinstance(server.reply, FactError):
        yield f"  unknown: {server.reply}"
    if isinstance(configuration, FactError):
        yield f"  its configuration is unknown: {configuration}"
    if info:
        limit = int(info["maxmemory"])
        yield (
            f"  memory {ByteSize(int(info['used_memory']))} of {ByteSize(limit) if limit else 'no limit'}, "
            f"{info.get('maxmemory_policy', 'policy unknown')}{_on_disk(configuration)}"
        )
        yield f"  {_counted(info)}"
        yield f"  {_saved(info, now)}"
    elif isinstance(configuration, RedisConfiguration):
        yield f"  by its configuration {_keeps(configuration)}"
    for file in server.files:
        if file.is_regular:
            yield f"  {file.path} {file.size}, of {as_text(file.modified)} UTC"


def _may_vanish(server: RedisServer, kept: tuple[str, ...]) -> Iterator[str]:
    """Yield that jobs or sessions may be given up without an error, where memory is short and the policy lets it."""
    policy = server.info.get("maxmemory_policy", "")
    losable = {"allkeys": ("sessions", "queue"), "volatile": ("sessions",)}.get(policy.partition("-")[0], ())
    lost = [what for what in kept if what in losable]
    if lost and int(server.info["maxmemory"]):
        yield f"  {policy}: when it is full, {' and '.join(lost)} may vanish without an error; noeviction keeps them"


def _on_disk(configuration: RedisConfiguration | FactError) -> str:
    if isinstance(configuration, FactError) or not configuration.maxmemory:
        return ""
    return f" ({configuration.maxmemory} by {configuration.file}, which counts from the next restart on)"


def _counted(info: Mapping[str, str]) -> str:
    refused = {name: info.get(f"errorstat_{name}", "").removeprefix("count=") or "0" for name in ("OOM", "MISCONF")}
    return (
        f"refused {refused['OOM']} writes for want of memory, {refused['MISCONF']} for its disk; gave up "
        f"{info.get('evicted_keys', '?')} keys; {info.get('connected_clients', '?')} of {info.get('maxclients', '?')} "
        "clients"
    )


def _saved(info: Mapping[str, str], now: int) -> str:
    if info.get("loading", "0") != "0":
        return "still loading its data"
    last = info.get("rdb_last_save_time", "")
    ago = f"{Duration(max(0, now - int(last)))} ago" if last.isdigit() else "at a time unknown"
    log = f"on, last write {info.get('aof_last_write_status', '?')}" if info.get("aof_enabled") == "1" else "off"
    return (
        f"last snapshot {ago} ({info.get('rdb_last_bgsave_status', '?')}), "
        f"{info.get('rdb_changes_since_last_save', '?')} changes since; log of writes {log}"
    )


def _keeps(configuration: RedisConfiguration) -> str:
    if configuration.appends:
        return "it logs every write"
    return "it takes snapshots" if configuration.takes_snapshots else "it keeps nothing on disk"


@dataclass(frozen=True, kw_only=True)
class RedisUses(OfRedis[RedisUse], Look[RedisUse]):
    """Show what of cache, limits, sessions and queue the application keeps in Redis: where, and whether it is answered.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "redis.uses"
    title: ClassVar[str] = "What the application keeps in Redis"

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def show(self, seen: RedisUse) -> Shown:
        if isinstance(seen.application, FactError):
            return Text(lines=(f"unknown: {seen.application}",))
        rows = [row for name, kept in seen.uses.items() for row in _rows(seen, name, kept)]
        if not rows:
            return Text(lines=("neither cache, limits, sessions nor queue",))
        columns = ("what", "connection", "at", "db", "keys", "prefix", "PING")
        return Table(columns=columns, rows=tuple(rows), align="lllrrll")


def _rows(seen: RedisUse, connection: str, kept: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    used, reply = seen.used(connection), seen.replies[connection]
    answer = "unknown" if isinstance(reply, FactError) else "PONG" if reply.is_answered else "no PONG"
    if used is None:
        yield (", ".join(kept), connection, "", "", "", "", answer)
        return
    info = seen.info(connection)
    keys = str(keys_by_database(info).get(used.database, (0, 0))[0]) if info else "?"
    for what in kept:
        yield what, connection, address_of(used), str(used.database), keys, used.prefix, answer


@dataclass(frozen=True, kw_only=True)
class RedisSlowLog(OfRedis[RedisUse], Look[RedisUse]):
    """Show which commands Redis was slow at; what they were about, and who sent them, is not read.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
    """

    kind = "redis.slow-log"
    title: ClassVar[str] = "Slow commands of Redis"

    async def read(self, host: Reader) -> RedisUse:
        return await read_redis(host, self.root, self.user, self.unit)

    def show(self, seen: RedisUse) -> Shown:
        rows = [row for server in seen.servers for row in _slow(server)]
        if rows:
            return Table(columns=("command", "times", "slowest", "last (UTC)"), rows=tuple(rows), align="lrrl")
        silent = [
            one.name for one in seen.servers if not (isinstance(one.reply, ServerReply) and one.reply.is_answered)
        ]
        if silent:
            return Text(lines=(f"{' and '.join(silent)} cannot be asked",))
        return Text(lines=("it notes none",)) if seen.servers else _NONE


def _slow(server: RedisServer) -> Iterator[tuple[str, ...]]:
    found = server.reply.slow if isinstance(server.reply, ServerReply) else ()
    by_name = {name: [one for one in found if one.name == name] for name in dict.fromkeys(one.name for one in found)}
    for name, times in sorted(by_name.items(), key=lambda item: -max(one.took for one in item[1])):
        slowest, last = max(one.took for one in times), max(one.at for one in times)
        yield name, str(len(times)), f"{slowest * 1000:.1f} ms", as_text(last)


@dataclass(frozen=True, kw_only=True)
class RedisFallback(OfRedis[tuple[RedisUse, Site]], Look[tuple[RedisUse, Site]]):
    """Show whether the application goes on without Redis, by what its pages answer while Redis fails.

    A page that answers well although Redis does not means that it is not needed for that page, or that something else
    has taken over; what a health page says of itself is shown with it.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
        live: A page for which PHP is enough.
        page: One that needs what users need.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: Later is no answer.
    """

    kind = "redis.fallback"
    title: ClassVar[str] = "Does the application go on without Redis?"

    live: str
    page: str
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_askable(self.live, self.url, self.origin)
        refuse_unless_askable(self.page)

    async def read(self, host: Reader) -> tuple[RedisUse, Site]:
        return await together(
            read_redis(host, self.root, self.user, self.unit),
            read_site(host, self.live, self.page, url=self.url, origin=self.origin, within=self.within),
        )

    def show(self, seen: tuple[RedisUse, Site]) -> Shown:
        use, site = seen
        checks = (
            RedisAnswering(root=self.root, user=self.user, unit=self.unit).judge(use).health,
            RedisWritable(root=self.root, user=self.user, unit=self.unit).judge(use).health,
        )
        answers = [f"{self.live} {site.live.in_words}", f"{self.page} {site.page.in_words}"]
        if site.page.excerpt.startswith("{"):
            answers.append(f"  {site.page.excerpt}")
        if Health.FAULTY not in checks:
            known = "Redis is well" if set(checks) == {Health.HEALTHY} else "whether Redis is well is not known"
            return Text(lines=(f"{known}: nothing can be said of a fallback", *answers))
        if not site.page.is_served:
            return Text(lines=(f"no: {self.page} is not served while Redis fails", *answers))
        queued = _lost(use)
        said = "yes: it is served while Redis fails, without it or by something that has taken over"
        return Text(lines=(said, *answers, *queued))


#: What the framework keeps in a store of the cache, for which an application may have another one.
_IN_A_STORE = frozenset({"cache", "limits"})


def _lost(use: RedisUse) -> Iterator[str]:
    """Yield what no fallback gives: whatever else is kept in a Redis that fails."""
    failing = [
        what
        for name, kept in use.uses.items()
        for what in kept
        if what not in _IN_A_STORE and isinstance(reply := use.replies[name], Reply) and not reply.is_answered
    ]
    if failing:
        yield f"its {' and '.join(failing)} have no other place by its configuration: those requests fail"
