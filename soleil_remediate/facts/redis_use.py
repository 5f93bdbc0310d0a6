"""What an application keeps in Redis and whether it gets there, beside what the servers on its host say themselves."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import Application, ReadApplication, RedisUsed
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.from_here import Address, OwnAddresses
from soleil_remediate.facts.limits import MemoryLimit, Process, ReadMemoryLimit, ReadProcessState, ShowProcesses
from soleil_remediate.facts.redis import (
    AskServer,
    ReadRedisConfigurations,
    RedisConfiguration,
    ServerReply,
)
from soleil_remediate.facts.replies import AskRedis, Reply
from soleil_remediate.facts.resources import ReadResources, Resources
from soleil_remediate.facts.services import (
    Configuration,
    Unit,
    read_units,
    redis_configuration,
    trial_of,
)
from soleil_remediate.facts.together import together
from soleil_remediate.units import ByteSize


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """One Redis that systemd runs on the host.

    Args:
        unit: Which.
        file: What configures it; ``None`` where that is not known.
        configuration: What stands there; a FactError where it cannot be read.
        test: Whether it could start with it, as far as it can be told; ``None`` where nobody asked.
        reply: What it answers to root; ``None`` where it does not run or its address is not known.
        process: Its first process; ``None`` where systemd does not say so.
        state: What that does, as the kernel says; empty where it is gone or not known.
        files: What it keeps on disk, as far as that was found.
    """

    unit: Unit
    file: PurePosixPath | None
    configuration: RedisConfiguration | FactError
    test: Configuration | FactError | None = None
    reply: ServerReply | FactError | None = None
    process: Process | None = None
    state: str = ""
    files: tuple[FileStat, ...] = ()

    @property
    def name(self) -> str:
        return self.unit.name

    @property
    def info(self) -> Mapping[str, str]:
        """What it says of itself; empty where it answers nothing."""
        return self.reply.info if isinstance(self.reply, ServerReply) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUse:
    """What an application keeps in Redis, what it meets there, and the servers on its host.

    Args:
        application: What it uses; a FactError where that cannot be known.
        replies: How each connection is answered that it keeps something by.
        servers: Those that systemd runs or should run here, by their names.
        own: The host's own addresses.
        resources: Memory of the host.
        room: How much more memory the container that the host is may take; ``None`` where it has no limit.
    """

    application: Application | FactError
    replies: Mapping[str, Reply | FactError]
    servers: tuple[RedisServer, ...]
    own: frozenset[Address]
    resources: Resources | FactError
    room: ByteSize | FactError | None

    @property
    def uses(self) -> Mapping[str, tuple[str, ...]]:
        """What is kept by which connection; nothing where that cannot be known."""
        return {} if isinstance(self.application, FactError) else kept_by(self.application)

    def used(self, connection: str) -> RedisUsed | None:
        """Return where a connection leads; ``None`` where the application knows no such connection."""
        return None if isinstance(self.application, FactError) else self.application.redis.get(connection)

    def server_of(self, connection: str) -> RedisServer | None:
        """Return the server on this host that a connection leads to; ``None`` where it is elsewhere, or not known."""
        used = self.used(connection)
        if used is None or not self.is_here(used):
            return None
        if len(self.servers) == 1 and isinstance(self.servers[0].configuration, FactError):
            return self.servers[0]
        return next((server for server in self.servers if _listens(server, used)), None)

    def kept_on(self, server: RedisServer) -> tuple[str, ...]:
        """Return what the application keeps in a server on this host."""
        return tuple(what for name, kept in self.uses.items() if self.server_of(name) == server for what in kept)

    def is_here(self, used: RedisUsed) -> bool:
        """Whether an address is the host's own."""
        if used.is_local:
            return True
        with suppress(ValueError):
            return ipaddress.ip_address(used.host) in self.own
        return False

    @property
    def its_servers(self) -> tuple[RedisServer, ...]:
        """The servers on this host that the application keeps something in; all of them where that is not known."""
        if isinstance(self.application, FactError):
            return self.servers
        found = {server.name: server for name in self.uses if (server := self.server_of(name))}
        return tuple(found.values())

    def info(self, connection: str) -> Mapping[str, str]:
        """Return what the server of a connection says of itself, to root or to the application; empty for nothing."""
        server, reply = self.server_of(connection), self.replies.get(connection)
        if server is not None and server.info:
            return server.info
        return reply.says if isinstance(reply, Reply) else {}


def kept_by(application: Application) -> Mapping[str, tuple[str, ...]]:
    """Return what an application keeps in Redis, by its connection: cache, limits, sessions, queue."""
    kept: dict[str, list[str]] = {}
    for what, driver, connection in (
        ("cache", application.cache.driver, application.cache.connection),
        ("limits", application.limits.driver, application.limits.connection),
        ("sessions", application.sessions.driver, application.sessions.connection),
        ("queue", application.queue.driver, application.queue.connection),
    ):
        if driver == "redis":
            kept.setdefault(connection_of(connection), []).append(what)
    return {name: tuple(what) for name, what in kept.items()}


def connection_of(named: str) -> str:
    """Return the connection that Laravel uses where *named* is named; empty is nothing."""
    return named or "default"


def _listens(server: RedisServer, used: RedisUsed) -> bool:
    if isinstance(server.configuration, FactError):
        return False
    if used.host.startswith("/"):
        return server.configuration.socket == used.host
    return server.configuration.port == (used.port or 6379)


async def read_redis(host: Reader, root: PurePosixPath, user: str, units: str) -> RedisUse:
    """Ask an application what it keeps in Redis and whether it gets there, and its host's servers; two round trips.

    One more where systemd has forgotten a server that was stopped.

    Args:
        host: The application's own.
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        units: The name of the servers' units; it may hold ``*`` and ``?``.

    Raises:
        FactError: Which servers there are cannot be told.
    """
    services, (application,), (found,), processes, own = await together(
        read_units(host, [units]),
        host.ask_each((ReadApplication(root, user),)),
        host.ask_each((ReadRedisConfigurations(),)),
        host.ask(ShowProcesses((units,))),
        host.ask(OwnAddresses()),
    )
    seen = [_configured(unit, found, processes.get(unit.name)) for unit in services if _is_one(unit)]
    kept = {} if isinstance(application, FactError) else kept_by(application)
    replies, servers, (resources,), (room,) = await together(
        host.ask_each([AskRedis(root, user, name) for name in kept]),
        _answered(host, seen),
        host.ask_each((ReadResources(),)),
        host.ask_each((ReadMemoryLimit(),)),
    )
    return RedisUse(
        application=application,
        replies=dict(zip(kept, replies, strict=True)),
        servers=servers,
        own=own,
        resources=resources,
        room=room.left if isinstance(room, MemoryLimit) else room,
    )


def _is_one(unit: Unit) -> bool:
    """Whether a unit is a server; what watches over servers often has a name that begins alike."""
    return redis_configuration(unit) is not None or (not unit.program and "sentinel" not in unit.name)


def _configured(
    unit: Unit, found: Mapping[PurePosixPath, RedisConfiguration] | FactError, process: Process | None
) -> RedisServer:
    file = redis_configuration(unit)
    configuration: RedisConfiguration | FactError
    if isinstance(found, FactError):
        configuration = found
    elif file is None:
        configuration = FactError(f"which file configures {unit.name} is not known")
    else:
        configuration = found.get(file) or FactError(f"{file}, which configures {unit.name}, is not read")
    return RedisServer(unit=unit, file=file, configuration=configuration, process=process)


async def _answered(host: Reader, servers: Sequence[RedisServer]) -> tuple[RedisServer, ...]:
    """Return servers with what can be known once it is known how they are configured; one round trip."""
    asked = [_questions_of(server) for server in servers]
    answers = iter(await host.ask_each([query for queries in asked for query in queries.values()]))
    found = []
    for server, queries in zip(servers, asked, strict=True):
        said = dict(zip(queries, answers, strict=False))
        state, files = said.get("state", ""), said.get("files", ())
        found.append(
            replace(
                server,
                test=said.get("test"),
                reply=said.get("reply"),
                state="" if isinstance(state, FactError) else state,
                files=() if isinstance(files, FactError) else files,
            )
        )
    return tuple(found)


def _questions_of(server: RedisServer) -> Mapping[str, Query[Any]]:
    queries: dict[str, Query[Any]] = {}
    if trial := trial_of(server.unit):
        queries["test"] = trial
    configuration = server.configuration
    if isinstance(configuration, FactError):
        return queries
    if server.unit.is_running and configuration.address is not None:
        queries["reply"] = AskServer(configuration.file, configuration.address)
    if server.process is not None and server.process.pid:
        queries["state"] = ReadProcessState(server.process.pid)
    if configuration.folder is not None:
        folder = configuration.folder
        queries["files"] = FindNamed((folder / configuration.snapshot, folder / configuration.log))
    return queries
