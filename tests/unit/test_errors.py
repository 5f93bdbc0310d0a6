"""The tree of errors, the exit statuses, and the one that stands for several hosts."""

from __future__ import annotations

import inspect
import itertools
import re

import pytest

from soleil_remediate import errors
from soleil_remediate.errors import (
    WORST_FIRST,
    ConnectTimedOut,
    ExitStatus,
    FactError,
    HostKeyRejected,
    RemediateError,
    UnknownName,
    Unreachable,
    worst,
)

_LINE = re.compile(r"^    ([│├└─ ]*)([A-Z]\w+(?: · [A-Z]\w+)*)(?:\s{2,}(\d+))?(?:\s.*)?$")


def _documented() -> dict[str, tuple[str | None, int]]:
    """Return each class drawn in the module's docstring with its parent and its exit status."""
    drawn: dict[str, tuple[str | None, int]] = {}
    above: list[tuple[int, str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match[1])
        while above and above[-1][0] >= depth:
            above.pop()
        parent = above[-1] if above else None
        status = int(match[3]) if match[3] else parent[2] if parent else 1
        for name in match[2].split(" · "):
            drawn[name] = (parent[1] if parent else None, status)
            above.append((depth, name, status))
    return drawn


def _classes() -> dict[str, type[RemediateError]]:
    return {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, RemediateError) and cls.__module__ == errors.__name__
    }


def test_the_tree_drawn_on_top_is_the_tree_of_classes_with_their_exit_statuses() -> None:
    actual = {
        name: (None if cls is RemediateError else cls.__base__.__name__ if cls.__base__ else None, int(cls.exit_status))
        for name, cls in _classes().items()
    }
    assert _documented() == actual


@pytest.mark.parametrize("cls", _classes().values(), ids=_classes().keys())
def test_every_error_ends_a_command_with_a_status_of_the_table_and_never_with_success(
    cls: type[RemediateError],
) -> None:
    assert isinstance(cls.exit_status, ExitStatus)
    assert cls.exit_status is not ExitStatus.OK
    assert cls.__doc__


def test_only_what_may_help_is_worth_trying_again() -> None:
    again = {name for name, cls in _classes().items() if issubclass(cls, Unreachable) and cls.retryable}
    assert again == {"ConnectTimedOut", "ConnectionRefused", "ConnectionLost"}
    assert not HostKeyRejected("changed").retryable
    assert ConnectTimedOut("silent").retryable


def test_every_exit_status_has_its_place_among_the_worst() -> None:
    assert sorted(WORST_FIRST) == sorted(ExitStatus)


def test_the_order_of_the_worst_is_the_documented_one() -> None:
    documented = [70, 7, 1, 6, 3, 4, 5, 0]
    assert [int(status) for status in WORST_FIRST if int(status) in documented] == documented


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_worst_of_several_is_the_first_of_them_in_the_order_whatever_the_order_of_hosts(size: int) -> None:
    for statuses in itertools.product(ExitStatus, repeat=size):
        answer = worst(statuses)
        assert answer in statuses
        assert WORST_FIRST.index(answer) == min(WORST_FIRST.index(status) for status in statuses)


@pytest.mark.parametrize("other", [status for status in ExitStatus if status is not ExitStatus.OK])
def test_one_host_that_is_not_fine_is_enough_for_the_run_not_to_be(other: ExitStatus) -> None:
    assert worst([ExitStatus.OK] * 49 + [other]) is other


def test_no_host_at_all_is_never_success() -> None:
    with pytest.raises(ValueError, match="no host"):
        worst([])


@pytest.mark.parametrize(
    "name, known, nearest, said",
    [
        ("disk-ful", ["disk-full", "high-cpu"], "disk-full", "did you mean 'disk-full'?"),
        ("zzz", ["b", "a"], None, "known: a, b"),
        ("zzz", [], None, "none is known here"),
        ("zzz", [f"n{i:02}" for i in range(20)], None, "n11 …"),
        ("", ["web1"], None, "known: web1"),
    ],
)
def test_a_name_nobody_knows_is_answered_with_the_nearest_or_with_all(
    name: str, known: list[str], nearest: str | None, said: str
) -> None:
    error = UnknownName("scenario", name, known)
    assert error.nearest == nearest
    assert error.known == tuple(sorted(known))
    assert str(error).startswith(f"unknown scenario {name!r}: ")
    assert said in str(error)


@pytest.mark.parametrize(
    "name, meant, others",
    [
        ("disk-fall", "disk-full", ["disk-slow"]),  # a slip of the hand
        ("usr", "user", ["root"]),
        ("--hots", "--host", ["--forks"]),
        ("Disk-Full", "disk-full", []),
        ("web1", "WEB1", ["DB1"]),
        ("web-1", "web1", ["web2"]),
        ("wbe1", "web1", ["web2", "web"]),
        ("wroker-b", "worker-b", ["worker-a", "worker-c"]),
        ("workers-2", "worker2", ["worker1"]),
        ("web1-ue", "web1-eu", ["web2-eu"]),
        ("web3", "web3.dc1.example.com", ["web1.dc1.example.com"]),
        ("disk-f", "disk-full", ["application-down"]),  # a beginning, and no letter that counts
        ("worker", "worker-b", ["web1"]),
        ("staginf", "staging", ["production"]),
        ("web01", "web1", ["web", "web2"]),  # the same number, written otherwise
        ("web0", "web00", ["web1"]),
        ("web", "web1", ["db1"]),
        ("php8.1-fpm", "php8.2-fpm", ["nginx"]),
        ("wbe", "web", ["db", "web1"]),  # the same letters
        ("/svr", "/srv", ["/", "/var"]),
        ("prod", "production", ["proxy", "staging"]),  # the beginning of one
        ("--inv", "--inventory", ["--host"]),
        ("nginx", "nginx.service", ["php8.2-fpm.service"]),
    ],
)
def test_a_name_that_may_have_been_meant_is_asked_about(name: str, meant: str, others: list[str]) -> None:
    assert UnknownName("name", name, [*others, meant]).nearest == meant


@pytest.mark.parametrize(
    "name, known",
    [
        ("memory-full", ["application-down", "disk-full"]),
        ("disk-slow", ["disk-full"]),
        ("db1", ["web1", "web2"]),
        ("lb1", ["db1", "web1"]),
        ("dd", ["db", "web"]),
        ("front", ["root", "user"]),
        ("prod", ["proxy"]),
        ("start", ["freeze", "status"]),
        ("--force", ["--forks", "--host"]),
        ("--become", ["--because"]),
        ("web9", ["web1", "web2"]),  # the next host
        ("web10", ["web1"]),
        ("web0", ["web1", "web10"]),
        ("web9", ["web"]),  # all of them
        ("worker-c", ["worker-a", "worker-b"]),  # the next, by its letter
        ("worker-c", ["worker-b"]),
        ("worker_c", ["worker"]),
        ("worekr-c", ["worker-b"]),  # misspelt as well
        ("worker-1", ["worker2"]),
        ("web1b", ["web1", "web1a"]),
        ("web1", ["web1-2", "web1a"]),
        ("web2-eu", ["web1-eu"]),  # it counts within
        ("web1.dc2.example.com", ["web1.dc1.example.com"]),
        ("10.0.0.2", ["10.0.0.1"]),
        ("/srv/b", ["/srv/a"]),
        ("worker", ["worker-a", "worker-b"]),
        ("web", ["web-1", "web-2"]),
        ("nodec", ["nodea", "nodeb"]),  # each as like it as the other
        ("web3.example.com", ["web2.example.com"]),
        ("web", ["web1", "web2"]),  # one of several
        ("pr", ["production"]),  # too little
        ("log", ["log.rotate", "log.truncate"]),  # the beginning of several
    ],
)
def test_a_name_that_is_like_none_is_answered_with_those_that_there_are(name: str, known: list[str]) -> None:
    assert str(UnknownName("name", name, known)) == f"unknown name {name!r}: known: {', '.join(known)}"


def test_where_a_name_stands_in_a_file_comes_first() -> None:
    error = UnknownName("kind", "log.trunc", ["log.truncate"], where="disk-full.yml:12:5")
    assert str(error) == "disk-full.yml:12:5: unknown kind 'log.trunc': did you mean 'log.truncate'?"


def test_a_name_of_64_kib_gives_a_short_message() -> None:
    error = UnknownName("host", "w" * 65536, [f"web{i}" for i in range(500)])
    assert len(str(error)) < 400


def test_a_hostile_name_reaches_no_terminal_as_it_is() -> None:
    assert "\x1b" not in str(UnknownName("host", "\x1b[2Jweb1", ["web1"]))


def test_a_fact_that_could_not_be_read_says_what_was_asked_and_what_came_back() -> None:
    error = FactError("df -P: no output", command="df -P", output="sh: fork: retry")
    assert (str(error), error.command, error.output) == ("df -P: no output", "df -P", "sh: fork: retry")
    assert error.exit_status is ExitStatus.NOT_FIXED
