from __future__ import annotations

import itertools
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Connection
from soleil_remediate.transports.openssh_words import Effective, asking, effective, mastering, through

SOCKET = Path("/tmp/s")


def found(*jumps: str) -> Effective:
    return Effective(user="deploy", address="web1", port="22", jumps=jumps)


def option(words: list[str], name: str) -> str | None:
    """Return what the first such option says: the one that counts."""
    given = [value for dash, value in itertools.pairwise(words) if dash == "-o"]
    return next((value.partition("=")[2] for value in given if value.startswith(f"{name}=")), None)


@pytest.mark.parametrize(
    "name, value",
    [
        ("BatchMode", "yes"),
        ("StrictHostKeyChecking", "yes"),
        ("UpdateHostKeys", "no"),
        ("ForwardAgent", "no"),
        ("ClearAllForwardings", "yes"),
        ("PermitLocalCommand", "no"),
        ("ConnectionAttempts", "1"),
    ],
)
def test_neither_the_host_nor_one_on_the_way_is_asked_less_strictly(name: str, value: str) -> None:
    words = mastering(Connection(address="web1"), SOCKET, found("a", "b"), within=5)
    assert option(words, name) == value
    nearest = shlex.split(option(words, "ProxyCommand") or "")
    assert option(nearest, name) == value
    farthest = shlex.split((option(nearest, "ProxyCommand") or "").replace("%%", "%"))
    assert option(farthest, name) == value


def test_what_the_inventory_says_comes_before_the_configuration() -> None:
    connection = Connection(
        address="web1", port=2222, user="deploy", known_hosts=(Path("/k/50% of"), Path("/l")), ssh_config=Path("/c")
    )
    words = mastering(connection, SOCKET, found(), within=5)
    assert option(words, "UserKnownHostsFile") == '"/k/50%% of" "/l"'
    assert option(words, "GlobalKnownHostsFile") == "/dev/null"
    assert words[-8:] == ["-F", "/c", "-l", "deploy", "-p", "2222", "--", "web1"]
    assert asking(connection) == ["ssh", "-G", *words[-8:]]


@pytest.mark.parametrize("path", ['/k/a"b', "/k/${HOME}", "/k/a\\b", "/k/a\nb"])
def test_a_path_that_ssh_would_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be told to the ssh program"):
        mastering(Connection(address="web1", known_hosts=(Path(path),)), SOCKET, found(), within=5)


@pytest.mark.parametrize(
    "hop, words",
    [
        ("jump", ["--", "jump"]),
        ("jan@jump:2222", ["-l", "jan", "-p", "2222", "-W", "[%h]:%p", "--", "jump"]),
        ("jan@example.org@jump", ["-l", "jan@example.org", "-W", "[%h]:%p", "--", "jump"]),
        ("[2001:db8::1]:22", ["-p", "22", "-W", "[%h]:%p", "--", "2001:db8::1"]),
        ("ssh://jan@jump:22", ["-l", "jan", "-p", "22", "-W", "[%h]:%p", "--", "jump"]),
    ],
)
def test_a_host_on_the_way_is_named_as_proxyjump_names_it(hop: str, words: list[str]) -> None:
    carried = option(mastering(Connection(address="web1"), SOCKET, found(hop), within=5), "ProxyCommand")
    assert shlex.split(carried or "")[-len(words) :] == words


def test_a_host_on_the_way_that_cannot_be_read_is_a_mistake_in_the_input() -> None:
    with pytest.raises(ConfigError, match="ProxyJump 'a:b:c'"):
        mastering(Connection(address="web1"), SOCKET, found("a:b:c"), within=5)


def test_what_ssh_prints_of_its_configuration_is_read() -> None:
    printed = "host web1\nuser deploy\nhostname 10.0.0.5\nport 2222\nproxyjump a,jan@b:22\n"
    assert effective(printed) == Effective(user="deploy", address="10.0.0.5", port="2222", jumps=("a", "jan@b:22"))
    assert effective("user deploy\nproxyjump none\n").jumps == effective("").jumps == ()


@pytest.mark.skipif(shutil.which("ssh") is None, reason="ssh is not installed: apt-get install openssh-client")
def test_without_the_socket_a_shell_reaches_nobody(tmp_path: Path) -> None:
    """ssh would connect by itself: to a host of that name, with any key it has."""
    ran = subprocess.run(through(tmp_path / "s", "echo reached"), capture_output=True, check=False, timeout=20)
    assert (ran.returncode, ran.stdout) == (255, b"")
    assert b"resolve" not in ran.stderr
