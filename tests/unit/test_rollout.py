"""Batches: read from the command line, cut from the hosts, and stopped in time."""

from __future__ import annotations

import pytest

from soleil_remediate.errors import ConfigError
from soleil_remediate.rollout import BatchSize, Progress, Rollout
from soleil_remediate.units import Percent


@pytest.mark.parametrize(
    "serial, hosts, sizes",
    [
        ("", 4, [1, 1, 1, 1]),
        ("1", 3, [1, 1, 1]),
        ("1,5,25%", 40, [1, 5, 10, 10, 10, 4]),
        ("1, 5 , 25 %", 40, [1, 5, 10, 10, 10, 4]),
        ("5", 12, [1, 5, 5, 1]),
        ("100%", 12, [1, 11]),
        ("1,100%", 12, [1, 11]),
        ("2,3", 9, [1, 2, 3, 3]),
        ("25%", 7, [1, 1, 1, 1, 1, 1, 1]),
        ("30%", 7, [1, 2, 2, 2]),
        ("1%", 3, [1, 1, 1]),
        ("0.1%", 3, [1, 1, 1]),
        ("29%", 100, [1, 29, 29, 29, 12]),
        ("1,10000", 3, [1, 2]),
        ("1,5,25%", 1, [1]),
        ("1,5", 0, []),
    ],
)
def test_batches_follow_each_other_the_canary_first_and_the_last_size_repeats(
    serial: str, hosts: int, sizes: list[int]
) -> None:
    names = [f"web{number}" for number in range(hosts)]
    batches = Rollout.parse(serial=serial).batches(names)
    assert [len(batch) for batch in batches] == sizes
    assert [name for batch in batches for name in batch] == names


@pytest.mark.parametrize(
    "options, about",
    [
        ({"serial": "0"}, "--serial: a batch has 1 to 10000 hosts, or more than 0 %, not 0"),
        ({"serial": "1,0%"}, "--serial: a batch has 1 to 10000 hosts, or more than 0 %, not 0 %"),
        ({"serial": "10001"}, "--serial: a batch has 1 to 10000 hosts"),
        ({"serial": "101%"}, "--serial: '101%' is no size of a batch"),
        ({"serial": "-1"}, "--serial: '-1' is no size of a batch"),
        ({"serial": "1,,5"}, "--serial: '' is no size of a batch"),
        ({"serial": "1,5,"}, "--serial: '' is no size of a batch"),
        ({"serial": "all"}, "--serial: 'all' is no size of a batch: write a number of hosts, or a share such as 25%"),
        ({"serial": "1.5"}, "--serial: '1.5' is no size"),
        ({"serial": "٣"}, r"--serial: '\u0663' is no size"),
        ({"serial": "1e3"}, "--serial: '1e3' is no size"),
        ({"max_fail": "-1"}, "--max-fail: '-1' is no number of hosts"),
        ({"max_fail": "10%"}, "--max-fail: '10%' is no number of hosts"),
        ({"max_fail": "99999"}, "--max-fail: 0 to 10000 hosts may fail, not 99999"),
        ({"forks": "0"}, "--forks: 1 to 1000 hosts at once, not 0"),
        ({"forks": "1001"}, "--forks: 1 to 1000 hosts at once, not 1001"),
        ({"forks": "x" * 90}, f"--forks: '{'x' * 40}' is no number of hosts"),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_options_name(options: dict[str, str], about: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Rollout.parse(**options)
    assert str(refused.value).startswith(about)


@pytest.mark.parametrize("serial", [(), (0,), (1, Percent(0)), (-3,)])
def test_from_python_it_is_held_to_the_same(serial: tuple[BatchSize, ...]) -> None:
    with pytest.raises(ConfigError, match="--serial"):
        Rollout(serial=serial)


def ended(progress: Progress, *hosts: str) -> str:
    """Note hosts such as ``+web1`` (changed, well), ``-web2`` (changed, badly), ``?web3`` (failed, not touched)."""
    for host in hosts:
        how = host[0]
        progress.note(host[1:], "FIXED" if how in "+=" else "BAD", has_failed=how in "-?", was_touched=how in "+-")
    return progress.end


@pytest.mark.parametrize(
    "max_fail, hosts, end",
    [
        (0, ["+web1", "+web2"], ""),
        (0, ["+web1", "-web2"], "web2 ended BAD"),
        (0, ["?web1"], "web1 ended BAD"),
        (1, ["+web1", "-web2"], ""),
        (1, ["+web1", "-web2", "?web3"], "web2 ended BAD, web3 BAD, and --max-fail allows 1"),
        (3, ["-web1"], "the canary web1 ended BAD"),
        (3, ["=web1", "?web2", "-web3"], "the canary web3 ended BAD"),
        (3, ["?web1", "+web2", "-web3"], ""),
        (0, ["-web1"], "web1 ended BAD"),
    ],
)
def test_nothing_further_is_begun_once_more_failed_than_may_or_the_canary_did(
    max_fail: int, hosts: list[str], end: str
) -> None:
    assert ended(Progress(Rollout(max_fail=max_fail)), *hosts) == end


def test_what_failed_before_anything_was_changed_counts_and_is_no_canary() -> None:
    progress = Progress(Rollout(max_fail=2), [("web1", "UNREACHABLE"), ("web2", "UNREACHABLE")])
    assert ended(progress, "+web3") == ""
    assert ended(progress, "-web4") == ("web1 ended UNREACHABLE, web2 UNREACHABLE, web4 BAD, and --max-fail allows 2")


def test_of_many_that_failed_some_are_named_and_the_others_counted() -> None:
    progress = Progress(Rollout(), [(f"web{number}", "UNREACHABLE") for number in range(1, 41)])
    assert progress.end == (
        "web1 ended UNREACHABLE, web2 UNREACHABLE, web3 UNREACHABLE, web4 UNREACHABLE, web5 UNREACHABLE, "
        "35 more hosts, and --max-fail allows 0"
    )


def test_a_host_that_healed_itself_proves_nothing() -> None:
    progress = Progress(Rollout())
    assert ended(progress, "=web1") == ""
    assert not progress.is_proven
    ended(progress, "+web2")
    assert progress.is_proven
