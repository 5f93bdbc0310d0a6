"""What a Laravel application says of itself: what it uses, where that is, and whether it gets there.

Its own code answers, as its own user and with its own credentials, so that neither has to be known here. Nothing of it
is a secret: passwords stay in the PHP process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.php import PATIENCE, START, STARTING, a_flag, a_number, a_text, an_object, ask_php, told
from soleil_remediate.units import Duration

_DESCRIBE = (
    START
    + r"""
function any($value) { return $value === null || is_scalar($value) ? $value : null; }
$name = $config["database.default"];
$found = settings($config["database.connections.$name"]);
$found = array_merge($found, isset($found["write"]) ? (array) $found["write"] : []);
$database = ["connection" => $name, "driver" => any($found["driver"] ?? null),
    "host" => any(first($found["host"] ?? null)), "port" => any(first($found["port"] ?? null)),
    "name" => any($found["database"] ?? null), "user" => any($found["username"] ?? null)];
$redis = [];
$prefix = $config["database.redis.options.prefix"];
foreach ((array) $config["database.redis"] as $name => $found) {
    if (! is_array($found) || in_array($name, ["options", "clusters"], true)) continue;
    $found = settings($found);
    $redis[$name] = ["host" => any($found["path"] ?? first($found["host"] ?? null)),
        "port" => any($found["port"] ?? null), "database" => any($found["database"] ?? 0),
        "has_password" => ($found["password"] ?? "") != "",
        "prefix" => any($found["prefix"] ?? $found["options"]["prefix"] ?? $prefix)];
}
$stored = function ($name) use ($config) {
    $found = (array) $config["cache.stores.$name"];
    return ["store" => $name, "driver" => any($found["driver"] ?? null),
        "connection" => any($found["connection"] ?? null),
        "prefix" => any($found["prefix"] ?? $config["cache.prefix"])];
};
$cache = $stored($config["cache.default"]);
$limits = $stored($config["cache.limiter"] ?? $config["cache.default"]); // CacheServiceProvider
$session = ["driver" => any($config["session.driver"]), "connection" => any($config["session.connection"]),
    "store" => any($config["session.store"])];
$name = $config["queue.default"];
$found = (array) $config["queue.connections.$name"];
$queue = ["name" => $name, "driver" => any($found["driver"] ?? null),
    "connection" => any($found["connection"] ?? null), "queue" => any($found["queue"] ?? null),
    "table" => any($found["table"] ?? null),
    "retry_after" => any($found["retry_after"] ?? null)];
$found = (array) $config["queue.failed"];
$failed = ["driver" => any($found["driver"] ?? null), "connection" => any($found["database"] ?? null),
    "table" => any($found["table"] ?? null)];
$name = $config["mail.default"];
$found = settings($name === null ? $config["mail"] : $config["mail.mailers.$name"]); // without mailers before Laravel 7
$mail = ["mailer" => any($name ?? $found["driver"] ?? null),
    "transport" => any($found["transport"] ?? $found["driver"] ?? null), "host" => any($found["host"] ?? null),
    "port" => any($found["port"] ?? null),
    "encryption" => any($found["encryption"] ?? $found["scheme"] ?? null),
    "has_password" => ($found["password"] ?? "") != ""];
tell(["environment" => any($config["app.env"]), "debug" => (bool) $config["app.debug"], "version" => $app->version(),
    "is_cached" => $app->configurationIsCached(), "database" => $database, "redis" => $redis, "cache" => $cache,
    "limits" => $limits, "session" => $session, "queue" => $queue, "failed" => $failed, "mail" => $mail]);
"""
)

#: The drivers of queues that keep no jobs: they are done at once, or not at all, and need no worker.
AT_ONCE = frozenset({"sync", "null", "deferred", "background"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUsed:
    """The database that an application connects to, where nothing else is said.

    Args:
        connection: What the application calls it.
        driver: ``pgsql``, ``mysql``, ``mariadb``, ``sqlite``, ``sqlsrv``.
        host: A name, an address, or the folder of a socket; of several the first, of those that are written to. Empty
            where none is named.
        port: ``None`` where none is named.
        name: Of the database itself.
        user: As whom.
    """

    connection: str
    driver: str
    host: str
    port: int | None
    name: str
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUsed:
    """One of an application's connections to Redis.

    Args:
        host: A name, an address, or the path of a socket.
        port: ``None`` for a socket, or where none is named.
        database: Its number.
        prefix: What the application puts before every key.
        has_password: It sends one.
    """

    host: str
    port: int | None
    database: int
    prefix: str
    has_password: bool

    @property
    def is_local(self) -> bool:
        """Whether it is on the application's own host, by its address."""
        return is_local(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUsed:
    """A *store* of an application's cache, its *driver*, and for Redis or a database its *connection*."""

    store: str
    driver: str
    connection: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsUsed:
    """Where an application keeps its sessions; *connection* and *store* are empty where the driver's own are used."""

    driver: str
    connection: str
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueUsed:
    """The queue connection that an application uses where nothing else is said.

    Args:
        name: What the application calls it.
        driver: ``redis``, ``database``, ``sync``, ``sqs``, …
        connection: Of Redis or of the database.
        queue: The queue that jobs go to where nothing else is said.
        table: With ``database``: where jobs stand.
        retry_after: A job that was taken so long ago is given to another worker; ``None`` where that is not said.
    """

    name: str
    driver: str
    connection: str
    queue: str
    table: str
    retry_after: Duration | None

    @property
    def is_at_once(self) -> bool:
        """It keeps no jobs."""
        return self.driver in AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedJobsUsed:
    """Where an application keeps jobs that failed: ``database``, ``database-uuids``, ``dynamodb``, ``null``, …"""

    driver: str
    connection: str
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailUsed:
    """How an application sends mail where nothing else is said."""

    mailer: str
    transport: str
    host: str
    port: int | None
    encryption: str
    has_password: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What an application uses, by its configuration as it is loaded.

    Args:
        environment: ``production``, ``staging``, …
        is_debugging: Users see what is inside where something fails.
        version: Of the framework.
        is_cached: The configuration is a cached one: what stands in ``.env`` does not count until it is cached anew.
        database: The one that is used where nothing else is said.
        redis: Its connections to Redis by name, whether they are used or not.
        cache: The store that is used where nothing else is said.
        limits: The one in which it is counted who asks too often.
        sessions: Where they are kept.
        queue: The connection that is used where nothing else is said.
        failed: Where jobs that failed are kept.
        mail: How mail is sent where nothing else is said.
    """

    environment: str
    is_debugging: bool
    version: str
    is_cached: bool
    database: DatabaseUsed
    redis: Mapping[str, RedisUsed]
    cache: CacheUsed
    limits: CacheUsed
    sessions: SessionsUsed
    queue: QueueUsed
    failed: FailedJobsUsed
    mail: MailUsed


def is_local(host: str) -> bool:
    """Whether an address means the host itself: a socket, its loopback, or nothing at all, which means either."""
    return host in {"", "localhost", "::1"} or host.startswith(("/", "127."))


@dataclass(frozen=True, slots=True)
class ReadApplication(Query[Application]):
    """What an application uses, by its own configuration; its own code says so, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(PATIENCE + STARTING), _DESCRIBE, "application", self.root)

    def parse(self, output: Output) -> Application:
        (found,) = told(output, 1)
        names = ("database", "cache", "limits", "session", "queue", "failed", "mail")
        parts = {name: an_object(found[name]) for name in names}
        database, queue, mail = parts["database"], parts["queue"], parts["mail"]
        after = a_number(queue["retry_after"])
        connections = {} if found["redis"] == [] else an_object(found["redis"])  # for PHP, none has no names
        return Application(
            environment=a_text(found["environment"]),
            is_debugging=a_flag(found["debug"]),
            version=a_text(found["version"]),
            is_cached=a_flag(found["is_cached"]),
            database=DatabaseUsed(
                connection=a_text(database["connection"]),
                driver=a_text(database["driver"]),
                host=a_text(database["host"]),
                port=a_number(database["port"]),
                name=a_text(database["name"]),
                user=a_text(database["user"]),
            ),
            redis={
                a_text(name): RedisUsed(
                    host=a_text(one["host"]),
                    port=a_number(one["port"]),
                    database=a_number(one["database"]) or 0,
                    prefix=a_text(one["prefix"]),
                    has_password=a_flag(one["has_password"]),
                )
                for name, one in ((name, an_object(one)) for name, one in connections.items())
            },
            cache=CacheUsed(**{name: a_text(parts["cache"][name]) for name in CacheUsed.__slots__}),
            limits=CacheUsed(**{name: a_text(parts["limits"][name]) for name in CacheUsed.__slots__}),
            sessions=SessionsUsed(**{name: a_text(parts["session"][name]) for name in SessionsUsed.__slots__}),
            queue=QueueUsed(
                name=a_text(queue["name"]),
                driver=a_text(queue["driver"]),
                connection=a_text(queue["connection"]),
                queue=a_text(queue["queue"]),
                table=a_text(queue["table"]),
                retry_after=None if after is None else Duration(after),
            ),
            failed=FailedJobsUsed(**{name: a_text(parts["failed"][name]) for name in FailedJobsUsed.__slots__}),
            mail=MailUsed(
                mailer=a_text(mail["mailer"]),
                transport=a_text(mail["transport"]),
                host=a_text(mail["host"]),
                port=a_number(mail["port"]),
                encryption=a_text(mail["encryption"]),
                has_password=a_flag(mail["has_password"]),
            ),
        )
