"""Clear an application's cache in Redis: its own keys, and nobody else's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.redis import OfRedis, address_of
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.application import Application, RedisUsed
from soleil_remediate.facts.caches import CLEARED, CLEARED_FOR, OWN_CACHE, CacheKeys, ReadCacheKeys
from soleil_remediate.facts.php import START
from soleil_remediate.facts.redis import keys_by_database
from soleil_remediate.facts.redis_use import RedisUse, connection_of, read_redis
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Delete the keys of the cache of the application in $argv[2], if they still begin with $argv[3], and leave the key
#: $argv[4] behind that for $argv[5] seconds. Twice: of what is written meanwhile a scan may miss some, and a key of our
#: own, set between, proves that the second one finds what is there. FLUSHDB would take others' keys along, and where it
#: has another name Laravel's cache:clear says that all went well and clears nothing.
_CLEAR = (
    START.replace("exit(0)", "exit(75)")  # an application that cannot be started has not cleared anything
    + OWN_CACHE
    + r"""
function stop($why, $status = 75) { fwrite(fopen("php://stderr", "w"), "$why\n"); exit($status); }
if ($send === null || $prefix === "") stop("the cache is not in a Redis of its own any more: nothing was deleted");
if ($prefix !== $argv[3]) stop("the cache's keys do not begin with $argv[3] any more: nothing was deleted");
$like = addcslashes($prefix, "\\*?[]^-") . "*";
$clear = function () use ($send, $like) {
    [$at, $deleted] = ["0", 0];
    do {
        $found = $send("SCAN", $at, "MATCH", $like, "COUNT", "1000");
        if (! is_array($found) || count($found) !== 2) stop("Redis lists no keys; $deleted were deleted before", 1);
        [$at, $keys] = $found;
        if ($keys) {
            $done = $send("UNLINK", ...$keys);
            if (! is_int($done)) $done = $send("DEL", ...$keys); // before Redis 4
            if (! is_int($done)) stop("Redis deletes nothing; $deleted keys were deleted before", 1);
            $deleted += $done;
        }
    } while ((string) $at !== "0");
    return $deleted;
};
try {
    $deleted = $clear();
    $canary = $prefix . "soleil-remediate:canary:" . bin2hex(random_bytes(8));
    $set = $send("SET", $canary, "1", "EX", "600");
    if ($set !== true && (string) $set !== "OK") stop("$deleted keys were deleted, and Redis still takes no writes", 1);
    $clear();
    if ($send("EXISTS", $canary) !== 0) stop("not all was deleted: a key of our own is still there", 1);
    $send("SET", $prefix . $argv[4], "1", "EX", $argv[5]);
} catch (Throwable $error) {
    stop("not all was deleted: " . $error->getMessage(), 1);
}
fwrite($answer, "$deleted keys of the cache were deleted\n");
"""
)


@dataclass(frozen=True, kw_only=True)
class ClearCache(OfRedis[tuple[RedisUse, CacheKeys]], Task[tuple[RedisUse, CacheKeys]]):
    """Delete the keys of the application's cache in Redis, and no others.

    Only where somebody says so: every page that was cached is slow afterwards, rate limits begin anew, tasks that must
    not overlap may, and the queue's workers start anew. Never by FLUSHDB, which takes sessions, jobs and other
    applications' keys along: what goes begins with the cache's own prefix, and a key of our own proves that it went.
    Within a quarter of an hour it is not cleared again.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
        sure: ``yes``, or nothing is cleared.

    Raises:
        Unplannable: Sessions or jobs begin with the same prefix in the same database, nothing tells the cache's keys
            from others, or it is in a cluster.
    """

    kind = "cache.clear"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    sure: str = "no"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sure not in {"yes", "no"}:
            raise ValueError(f"sure must be yes or no, not {self.sure[:40]!r}")

    async def read(self, host: Reader) -> tuple[RedisUse, CacheKeys]:
        return await together(
            read_redis(host, self.root, self.user, self.unit), host.ask(ReadCacheKeys(self.root, self.user))
        )

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: tuple[RedisUse, CacheKeys]) -> Plan:
        use, cache = seen
        application = use.application
        if self.sure != "yes":
            return Plan.nothing("nobody asked for it")
        if isinstance(application, FactError):
            raise Unplannable(f"what the application keeps where cannot be known: {application}")
        if application.cache.driver != "redis":
            return Plan.nothing(f"the cache is not in Redis, but in {application.cache.driver or 'no store'}")
        if cache.cleared is not None:
            return Plan.nothing(f"it was cleared {cache.cleared} ago")
        connection = connection_of(application.cache.connection)
        used = use.used(connection)
        if used is None or cache.prefix is None:
            raise Unplannable("the cache is in no single Redis: in a cluster nobody can list its keys here")
        _refuse_unless_alone(application, used, cache.prefix)
        keys = keys_by_database(use.info(connection)).get(used.database, (0, 0))[0]
        command = ("php", "--", "clear-cache", str(self.root), cache.prefix, CLEARED, str(int(CLEARED_FOR)))
        return Plan.of(
            Change(
                summary=f"delete the cache's keys: those that begin with {cache.prefix}",
                command=Command(command, user=self.user, stdin=_CLEAR, deadline=Duration(240)),
                risk=self.risk,
                undo=Undo.none("the cache fills again by itself"),
                before=f"database {used.database} at {address_of(used)} holds {keys} keys, the cache's among them",
                after="none of the cache's keys of before",
                loses="what is cached, rate limits, locks of tasks that must not overlap; workers start anew once",
                keeps="every key that does not begin so: sessions, jobs, other applications'",
                downtime="pages that were cached are slow at first",
                uses=(Use(user=self.user),),
            ),
            because="clearing was asked for",
        )


def _refuse_unless_alone(application: Application, used: RedisUsed, prefix: str) -> None:
    """Raise Unplannable where other keys than the cache's may begin with its prefix in its database."""
    if not prefix:
        raise Unplannable("the cache's keys have no prefix: nothing tells them from others in the same database")
    queue = _in(application, application.queue.driver, application.queue.connection, used)
    if queue is not None and f"{queue.prefix}queues:".startswith(prefix):
        raise Unplannable(
            f"the queue's jobs begin with {prefix} as well, in the same database: they would go. By hand: give the "
            "cache a prefix or a database of its own"
        )
    sessions = _in(application, application.sessions.driver, application.sessions.connection, used)
    if sessions is not None and sessions.prefix == used.prefix:  # behind which Laravel puts the cache's own
        raise Unplannable(
            f"sessions begin with {prefix} as well, in the same database: everybody would be logged out. By hand: give "
            "them a connection of their own (SESSION_CONNECTION), with another database"
        )


def _in(application: Application, driver: str, connection: str, used: RedisUsed) -> RedisUsed | None:
    """Return by which connection something is kept in the same database; ``None`` where it is kept elsewhere.

    By their addresses alone: what they are called by may differ.
    """
    other = application.redis.get(connection_of(connection)) if driver == "redis" else None
    if other is None or other.database != used.database:
        return None
    is_same_place = address_of(other) == address_of(used) or (other.is_local and used.is_local)
    return other if is_same_place else None
