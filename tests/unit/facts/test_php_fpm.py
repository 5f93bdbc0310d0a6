from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php_fpm import CountConnected, ListProcesses, PoolLoad, ReadPools, read_loads
from soleil_remediate.look import look
from soleil_remediate.units import KiB
from tests.unit.facts.answers import Prepared, said, see
from tests.unit.facts.statements import POOLS, PROCESSES, unix_sockets

WWW = "/run/php/php8.2-www.sock"


def loads(
    taken: int = 2, waiting: int = 0, processes: str = PROCESSES, pools: str = POOLS, path: str = WWW
) -> tuple[PoolLoad, ...]:
    found: tuple[PoolLoad, ...] = see(
        read_loads(Reader()),
        ("pid=,rss=,args=", said(processes)),
        ("--include=*.conf", said(pools)),
        ("/proc/net/unix", said(unix_sockets(taken, waiting, path))),
    )
    return found


def test_every_process_is_told_by_its_words() -> None:
    first, *_, last = ListProcesses().answer(said(PROCESSES))
    assert (first.pid, first.memory, first.words) == (1, KiB(9448), "/lib/systemd/systemd")
    assert last.words == ""


def test_pools_are_read_as_they_are_configured() -> None:
    www, blog = ReadPools().answer(said(POOLS))
    assert (www.name, www.listens, www.most, www.unit) == ("www", WWW, 2, "php8.2-fpm.service")
    assert www.file == Path("/etc/php/8.2/fpm/pool.d/www.conf")
    assert (blog.listens, blog.most) == ("127.0.0.1:9000", 9)


def test_no_php_at_all_is_no_pool() -> None:
    missing = "grep: /etc/php: No such file or directory\n"
    assert ReadPools().answer(said(status=2, stderr=missing)) == ()
    assert ReadPools().answer(said(status=1)) == ()
    with pytest.raises(FactError, match="needs root"):
        ReadPools().answer(said(status=2, stderr="grep: /etc/php: Permission denied\n"))


def test_whoever_is_connected_is_counted_where_something_listens() -> None:
    assert CountConnected().answer(said(unix_sockets(3, 4))) == {WWW: (3, 4)}
    assert CountConnected().answer(said(unix_sockets(0))) == {WWW: (0, 0)}
    with pytest.raises(FactError):
        CountConnected().answer(said(unix_sockets(0) + "x\n"))


@pytest.mark.parametrize(
    "taken, waiting, busy, is_saturated", [(0, 0, 0, False), (1, 0, 1, False), (2, 0, 2, False), (3, 3, 2, True)]
)
def test_who_finds_no_child_waits(taken: int, waiting: int, busy: int, is_saturated: bool) -> None:
    (load,) = loads(taken, waiting)
    assert (load.children, load.memory) == (2, KiB(33712))
    assert (load.busy, load.waiting, load.is_saturated) == (busy, waiting, is_saturated)


def test_who_waits_at_one_moment_alone_is_a_burst() -> None:
    assert CountConnected().answer(said(unix_sockets(2, 5, later=(1, 0)))) == {WWW: (1, 0)}
    assert CountConnected().answer(said(unix_sockets(2, 1, later=(2, 5)))) == {WWW: (2, 1)}
    with pytest.raises(FactError):
        CountConnected().answer(said(unix_sockets(2).rpartition("Num ")[0]))


def test_a_pool_that_may_still_get_children_is_not_saturated() -> None:
    (load,) = loads(2, 3, pools=POOLS.replace("max_children = 2", "max_children = 3"))
    assert (load.waiting, load.is_saturated) == (3, False)


def test_a_pool_that_listens_at_an_address_is_not_seen() -> None:
    blog = PROCESSES + "    200  1000 php-fpm: pool blog\n"
    assert [(load.pool.name, load.connected, load.is_saturated) for load in loads(processes=blog)] == [
        ("www", (2, 0), False),
        ("blog", None, False),
    ]


def test_sockets_are_watched_after_all_else_is_known_with_whatever_else_is_watched() -> None:
    host = Prepared(
        (
            ("pid=,rss=,args=", said(PROCESSES)),
            ("--include=*.conf", said(POOLS)),
            ("/proc/net/unix", said(unix_sockets(2, 0, WWW))),
        )
    )
    look([read_loads(Reader())], host.ask)
    assert [len(asked) for asked in host.rounds] == [2, 1]
    assert "/proc/net/unix" in host.rounds[1][0]


def test_where_php_fpm_has_no_children_nothing_is_watched() -> None:
    none = ("pid=,rss=,args=", said("  1 9448 /lib/systemd/systemd\n"))
    assert see(read_loads(Reader()), none, ("--include=*.conf", said(POOLS)), most_rounds=1) == ()


def test_children_of_whose_pool_nobody_sees_where_it_listens_are_not_known_to_be_free() -> None:
    why = "^php-fpm's pool www has children, and where it listens is not seen$"
    with pytest.raises(FactError, match=why):
        loads(path="/run/x.sock")
    with pytest.raises(FactError, match=why):
        loads(pools=POOLS.replace("[www]", "[else]"))


def test_of_two_versions_with_a_pool_of_one_name_the_one_that_listens_has_the_children() -> None:
    idle = POOLS.replace("8.2", "8.3")
    (load,) = loads(pools=idle + POOLS)
    assert load.pool.version == "8.2"


def test_of_two_versions_with_a_pool_of_one_name_nobody_knows_whose_children_are_whose() -> None:
    both = POOLS + POOLS.replace("8.2", "8.3").replace("www.sock", "x").replace(
        "listen = /run/php/php8.3-$pool.sock", 'listen = "127.0.0.1:9001"'
    )
    with pytest.raises(FactError, match="several versions of PHP have a pool www"):
        loads(pools=both)
