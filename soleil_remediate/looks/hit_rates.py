"""Show how often an application's cache, and its database's own memory, have what is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.config_caches import ConfigCache, ReadConfigCache
from soleil_remediate.facts.hit_rates import HitRate, ReadHitRate
from soleil_remediate.facts.statements import Statements, Work, read_work
from soleil_remediate.facts.together import together
from soleil_remediate.task import Look, Shown, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What is known of each; where something is not, why."""

    cache: HitRate | FactError
    configuration: ConfigCache | FactError
    work: Work


@dataclass(frozen=True, kw_only=True)
class CacheHitRate(OfApplication[Rates], Look[Rates]):
    """Show how often the application's cache has what is looked for, and what else is kept so as not to be done again.

    Of Redis it is what the whole server counted since it was started, other applications' keys among it; of PostgreSQL
    what the application's database counted since its statistics began. Whether the configuration is cached, and what
    each request pays where it is not, is told beside them.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "cache.hit-rate"
    title: ClassVar[str] = "Caches"
    rounds = 3

    async def read(self, host: Reader) -> Rates:
        (cache,), (configuration,), work = await together(
            host.ask_each([ReadHitRate(self.root, self.user)]),
            host.ask_each([ReadConfigCache(self.root, self.user)]),
            read_work(host, self.root, self.user),
        )
        return Rates(cache=cache, configuration=configuration, work=work)

    def show(self, seen: Rates) -> Shown:
        return Text(lines=tuple(f"{what}: {said}" for what, said in _rows(seen)))


def _rows(seen: Rates) -> Iterator[tuple[str, str]]:
    cache = seen.cache
    if isinstance(cache, FactError):
        yield "application's cache", f"unknown: {cache}"
    elif cache.hits is None:
        yield "application's cache", f"in {cache.driver or 'no store'}, which does not count what it finds"
    else:
        given_up = f", {cache.evicted} keys given up for want of memory" if cache.evicted else ""
        yield (
            "application's cache",
            f"{_rate(cache.hits, cache.misses)} found in Redis since it was started {cache.uptime} ago{given_up}",
        )
    configuration = seen.configuration
    if isinstance(configuration, FactError):
        yield "configuration", f"unknown: {configuration}"
    else:
        how = "cached" if configuration.is_cached else "NOT cached"
        yield "configuration", f"{how}, loading it takes {configuration.took * 1000:.0f} ms of each request"
    statements, database = seen.work.statements, seen.work.database
    if isinstance(statements, Statements) and database.name in statements.blocks:
        hits, reads = statements.blocks[database.name]
        yield "database's memory", f"{_rate(hits, reads)} of its blocks found there since its statistics began"
    else:
        why = statements if isinstance(statements, FactError) else "it is not on this host, or does not run"
        yield "database's memory", f"unknown: {why}"


def _rate(hits: int, misses: int) -> str:
    asked = hits + misses
    return f"{100 * hits / asked:.1f} % of {asked}" if asked else "nothing was looked for, so none"
