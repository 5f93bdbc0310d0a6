"""An application's cache in Redis: which keys are its own, and whether a run cleared it a moment ago."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php import START, ask_php, told
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: The key that a run leaves, behind the cache's prefix, after it has cleared a cache; and for how long.
CLEARED, CLEARED_FOR = "soleil-remediate:cleared", Duration(900)

#: PHP that knows the application's own cache: $send sends words to its Redis as they are, $prefix is what all of its
#: keys begin with there. Both are null where the cache is kept elsewhere, or in a cluster.
OWN_CACHE = r"""
foreach ((array) $config["database.redis"] as $name => $found) {
    if (! is_array($found) || in_array($name, ["options", "clusters"], true)) continue;
    foreach (["timeout", "read_timeout", "read_write_timeout"] as $setting) {
        $given = (float) ($found[$setting] ?? 0);
        $config->set("database.redis.$name.$setting", $given > 0 ? min($given, 5.0) : 5.0);
    }
}
$send = $prefix = null;
$store = $app["cache"]->store()->getStore();
if ($store instanceof Illuminate\Cache\RedisStore) {
    $client = $store->connection()->client();
    if ($client instanceof Redis) {
        $send = fn (...$words) => $client->rawCommand(...$words);
        $prefix = $client->getOption(Redis::OPT_PREFIX) . $store->getPrefix();
    } elseif ($client instanceof Predis\Client
        && $client->getConnection() instanceof Predis\Connection\NodeConnectionInterface) {
        $send = fn (...$words) => $client->executeRaw($words);
        $own = $client->getOptions()->prefix;
        $prefix = ($own ? $own->getPrefix() : "") . $store->getPrefix();
    }
}
"""

_READ = (
    START
    + "try {"
    + OWN_CACHE
    + r"""
    $left = $send === null ? -2 : $send("TTL", $prefix . $argv[3]);
    if (! is_int($left)) throw new RuntimeException("Redis does not say whether there is a key");
    tell(["prefix" => $prefix, "left" => $left, "why" => ""]);
} catch (Throwable $error) {
    tell(["prefix" => null, "left" => -2] + why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKeys:
    """An application's own cache in Redis.

    Args:
        prefix: What all of its keys begin with; ``None`` where it is not in Redis, or in a cluster.
        cleared: So long ago a run cleared it; ``None`` where none did within the last quarter of an hour.
    """

    prefix: str | None
    cleared: Duration | None


@dataclass(frozen=True, slots=True)
class ReadCacheKeys(Query[CacheKeys]):
    """Which keys are an application's cache; its own code says so, as *user*.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(15), _READ, "cache", self.root, CLEARED)

    def parse(self, output: Output) -> CacheKeys:
        (found,) = told(output, 1)
        match found:
            case {"why": "", "prefix": str() | None as prefix, "left": int(left)} if "\0" not in (prefix or ""):
                cleared = Duration(max(0, CLEARED_FOR - left)) if left > 0 else None
                return CacheKeys(prefix=prefix, cleared=cleared)
            case {"why": str(why)} if why:
                raise FactError(f"the application does not get to its cache: {redacted(' '.join(why.split()))[:200]}")
            case _:
                raise ValueError("not what was asked for")
