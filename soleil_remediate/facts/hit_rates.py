"""How often what was looked for was found: in the Redis of an application's cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.caches import OWN_CACHE
from soleil_remediate.facts.php import START, ask_php, told
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

_READ = (
    START
    + "try {"
    + OWN_CACHE
    + r"""
    $said = $send === null ? "" : (string) $send("INFO");
    preg_match_all("/^(keyspace_hits|keyspace_misses|evicted_keys|uptime_in_seconds):(\\d+)\\r?$/m", $said, $found);
    $driver = (string) $config["cache.stores." . $config["cache.default"] . ".driver"];
    tell(["driver" => $driver, "says" => (object) array_combine($found[1], $found[2]), "why" => ""]);
} catch (Throwable $error) {
    tell(["driver" => "", "says" => (object) []] + why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HitRate:
    """How often the Redis of an application's cache had what was looked for, since it was started.

    It counts for all who use that server, and for every database of it.

    Args:
        driver: Where the cache is kept: ``redis``, ``file``, ``array``, …
        hits: Keys that were found; ``None`` where that is not known: it is kept elsewhere, or Redis does not say it.
        misses: Those that were not.
        evicted: Keys that were given up to make room.
        uptime: Since so long it counts.
    """

    driver: str
    hits: int | None = None
    misses: int = 0
    evicted: int = 0
    uptime: Duration = Duration(0)


@dataclass(frozen=True, slots=True)
class ReadHitRate(Query[HitRate]):
    """How often an application's cache in Redis has what is looked for; its own code asks, as *user*."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(15), _READ, "hit-rate", self.root)

    def parse(self, output: Output) -> HitRate:
        (found,) = told(output, 1)
        if found["why"]:
            why = redacted(" ".join(found["why"].split()))[:200]
            raise FactError(f"the application does not get to its cache: {why}")
        says = dict(found["says"])
        if not says.keys() >= {"keyspace_hits", "keyspace_misses", "evicted_keys", "uptime_in_seconds"}:
            return HitRate(driver=str(found["driver"]))
        return HitRate(
            driver=str(found["driver"]),
            hits=int(says["keyspace_hits"]),
            misses=int(says["keyspace_misses"]),
            evicted=int(says["evicted_keys"]),
            uptime=Duration(int(says["uptime_in_seconds"])),
        )
