from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.caches import CacheKeys, ReadCacheKeys
from soleil_remediate.facts.redis_use import RedisUse
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.caches import ClearCache
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.facts.from_here import OWN
from tests.unit.facts.redis import ANSWERS, DESCRIBED, SHOP, STARTED
from tests.unit.facts.services import RESOURCES
from tests.unit.redis import application, use, used, with_redis

CLEAR = ClearCache(root=SHOP, sure="yes")
KEYS = CacheKeys(prefix="shop_shop_cache:", cleared=None)
READ = ReadCacheKeys(SHOP, "www-data")


def test_the_caches_own_keys_go_and_no_others() -> None:
    (change,) = CLEAR.plan((use(), KEYS)).changes
    assert change.summary == "delete the cache's keys: those that begin with shop_shop_cache:"
    assert change.command.words == (
        "php", "--", "clear-cache", "/srv/shop", "shop_shop_cache:", "soleil-remediate:cleared", "900",
    )  # fmt: skip
    assert change.command.user == "www-data"
    text = str(change.command.stdin)
    assert text.startswith("<?php\n")
    assert "FLUSH" not in text
    assert text.count("exit(75)") == 1  # where the application cannot be started
    assert "exit(0)" not in text
    assert (change.risk, change.undo.command) == (Risk.DESTRUCTIVE, None)
    assert change.before == "database 1 at 127.0.0.1:6379 holds 40 keys, the cache's among them"
    assert CLEAR.rights() == (Right("www-data"),)


def test_what_is_seen_of_the_sample_host_is_enough() -> None:
    rules = (*ANSWERS, ("/proc/net/fib_trie", said(OWN)), ("/proc/loadavg", said(RESOURCES)))
    seen: tuple[RedisUse, CacheKeys] = see(CLEAR.read(Reader()), *rules)
    assert seen[1] == KEYS


@pytest.mark.parametrize(
    "task, seen, because",
    [
        (ClearCache(root=SHOP), (use(), KEYS), "nobody asked for it"),
        (CLEAR, (use(), replace(KEYS, cleared=Duration(90))), "it was cleared 1 min 30 s ago"),
        (
            CLEAR,
            (
                use(application=application(cache={"store": "f", "driver": "file", "connection": None, "prefix": ""})),
                KEYS,
            ),
            "the cache is not in Redis, but in file",
        ),
    ],
)
def test_there_is_nothing_to_clear(task: ClearCache, seen: tuple[RedisUse, CacheKeys], because: str) -> None:
    plan = task.plan(seen)
    assert (plan.changes, plan.because) == ((), because)


ON_DEFAULT = application(cache={"store": "r", "driver": "redis", "connection": "default", "prefix": "shop_cache"})
WITHOUT_PREFIX = replace(ON_DEFAULT, sessions=replace(ON_DEFAULT.sessions, driver="file"))


@pytest.mark.parametrize(
    "seen, keys, why",
    [
        (use(application=FactError("no PHP")), KEYS, "cannot be known: no PHP"),
        (use(), replace(KEYS, prefix=None), "in a cluster"),
        (use(), replace(KEYS, prefix=""), "nothing tells them from others"),
        (use(application=ON_DEFAULT), KEYS, "everybody would be logged out. By hand: .*SESSION_CONNECTION"),
        (use(application=WITHOUT_PREFIX), replace(KEYS, prefix="shop_"), "the queue's jobs begin with shop_ as well"),
    ],
)
def test_where_others_keys_would_go_as_well_nothing_is_cleared(seen: RedisUse, keys: CacheKeys, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        CLEAR.plan((seen, keys))


def test_a_database_shared_with_the_queue_is_no_hindrance_where_prefixes_differ() -> None:
    assert CLEAR.plan((use(application=WITHOUT_PREFIX), KEYS)).changes


def test_sessions_in_another_database_or_behind_another_prefix_are_no_hindrance() -> None:
    for other in (used(prefix="x_", database=1), used(database=2), used(database=1, host="10.0.0.9")):
        assert CLEAR.plan((use(application=with_redis(default=other)), KEYS)).changes
    same = with_redis(default=used(database=1, host="localhost"))
    with pytest.raises(Unplannable, match="logged out"):
        CLEAR.plan((use(application=same), KEYS))


def test_only_yes_and_no_are_answers() -> None:
    with pytest.raises(ValueError, match="sure must be yes or no, not 'maybe'"):
        ClearCache(root=SHOP, sure="maybe")
    with pytest.raises(ValueError, match="must be absolute"):
        ClearCache(root=Path("x"))
    assert DESCRIBED


# ---- what the application says of its cache --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "told, keys",
    [
        ('{"prefix":"a_b:","left":-2,"why":""}', CacheKeys(prefix="a_b:", cleared=None)),
        ('{"prefix":"a_b:","left":840,"why":""}', CacheKeys(prefix="a_b:", cleared=Duration(60))),
        ('{"prefix":"","left":-1,"why":""}', CacheKeys(prefix="", cleared=None)),
        ('{"prefix":null,"left":-2,"why":""}', CacheKeys(prefix=None, cleared=None)),
    ],
)
def test_which_keys_are_the_caches_and_when_it_was_cleared(told: str, keys: CacheKeys) -> None:
    assert READ.answer(said(f"{STARTED}{told}\n")) == keys


@pytest.mark.parametrize(
    "told, why",
    [
        (
            '{"prefix":null,"left":-2,"class":"RedisException","why":"Connection\\nrefused"}',
            "cache: Connection refused",
        ),
        ('{"prefix":"\\u0000","left":-2,"why":""}', "not what was asked for"),
        ('{"prefix":1,"left":-2,"why":""}', "not what was asked for"),
        ('{"prefix":"x","left":null,"why":""}', "not what was asked for"),
        ("", "answers"),
    ],
)
def test_a_cache_that_cannot_be_asked_is_not_known(told: str, why: str) -> None:
    with pytest.raises(FactError, match=why):
        READ.answer(said(f"{STARTED}{told}\n" if told else STARTED))
