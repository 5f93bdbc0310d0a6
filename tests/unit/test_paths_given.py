"""Whatever stands at the end of a path that somebody gave: exit 2 and one sentence, at once, and nothing is touched.

One table: every place where such a path is opened or looked at, against everything that may stand there.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.errors import ConfigError, ConnectionRefused, ExitStatus
from soleil_remediate.host import Connection, Host, SecretReference
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.rights import modes_count

pytestmark = pytest.mark.timeout(30)  # a pipe that is waited for ends here

#: What one call may take beside what is there already: an endless device that is read to its end ends here.
ROOM = 512 * 1024 * 1024


# ---- what may stand there --------------------------------------------------------------------------------------------


def long_name(_: Path) -> str:
    return "x" * 5000


def longer_name(_: Path) -> str:
    return "x" * 65_536


def long_step(folder: Path) -> str:
    return f"{folder}/{'x' * 300}.yml"


def loop(folder: Path) -> str:
    (folder / "loop.yml").symlink_to("loop.yml")
    return f"{folder}/loop.yml"


def below_a_file(folder: Path) -> str:
    (folder / "plain").touch()
    return f"{folder}/plain/x.yml"


def below_a_closed_folder(folder: Path) -> str:
    (folder / "closed").mkdir()
    (folder / "closed" / "x.yml").write_text("all: {hosts: {web1: }}\n")
    (folder / "closed").chmod(0)
    return f"{folder}/closed/x.yml"


def closed_file(folder: Path) -> str:
    (folder / "closed.yml").write_text("all: {hosts: {web1: }}\n")
    (folder / "closed.yml").chmod(0)
    return f"{folder}/closed.yml"


def closed_folder(folder: Path) -> str:
    (folder / "closed").mkdir(mode=0)
    return f"{folder}/closed"


def empty_folder(folder: Path) -> str:
    (folder / "empty").mkdir()
    return f"{folder}/empty"


def pipe(folder: Path) -> str:
    os.mkfifo(folder / "pipe.yml", 0o600)
    return f"{folder}/pipe.yml"


def endless_device(_: Path) -> str:
    return "/dev/zero"


def endless_file(folder: Path) -> str:
    with (folder / "sparse.yml").open("wb") as file:
        file.truncate(2**40)
    (folder / "sparse.yml").chmod(0o600)
    return f"{folder}/sparse.yml"


def nul(folder: Path) -> str:
    return f"{folder}/a\0b.yml"


def half_a_character(folder: Path) -> str:
    return f"{folder}/\ud800.yml"


def missing(folder: Path) -> str:
    return f"{folder}/missing.yml"


ENDS = (
    long_name, longer_name, long_step, loop, below_a_file, below_a_closed_folder, closed_file, closed_folder,
    empty_folder, pipe, endless_device, endless_file, nul, half_a_character, missing,
)  # fmt: skip
#: There is nothing there at all, which is no mistake where a file may be missing.
NOTHING = (below_a_file, missing)
#: No variable of the environment can hold these.
UNSPEAKABLE = (nul, half_a_character)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that is the current one, a home with nothing in it, and bounded memory."""
    for name in ("SOLEIL_INVENTORY", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.chdir(tmp_path / "here")
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + ROOM, before[1]))
    with modes_count():
        yield tmp_path / "here"
    resource.setrlimit(resource.RLIMIT_AS, before)
    for closed in ("closed", "closed.yml"):
        with suppress(FileNotFoundError):
            (tmp_path / "here" / closed).chmod(0o700)


# ---- the command line ------------------------------------------------------------------------------------------------


def inventory_with(variable: str, value: str) -> str:
    """Return an inventory whose host has *value* for a variable, beside a key and known hosts that are fine."""
    Path("id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    Path("known_hosts").touch()
    variables = {
        "ansible_host": "127.0.0.1",
        "ansible_port": 9,
        "ansible_ssh_private_key_file": "id",
        "known_hosts": "known_hosts",
        variable: value,
    }
    Path("named.yml").write_text(json.dumps({"all": {"hosts": {"web1": variables}}}))
    return "named.yml"


def lint_it(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["lint", path]


def lint_with_inventory(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["lint", "--inventory", path]


def inventory(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["inventory", "--inventory", path]


def ping(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["ping", "--host", "web1", "--inventory", path]


def remediate(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["remediate", "--scenario", "disk-full", "--host", "web1", "--inventory", path]


def inventory_by_variable(path: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("SOLEIL_INVENTORY", path)
    return ["inventory"]


def inventory_of_ones_own(path: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(Path.cwd() / path))
    return ["inventory"]


def inventory_at_home(path: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("HOME", path)
    return ["inventory"]


def playbooks(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["scenarios", "--playbooks", path]


def runs_show(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return ["runs", "show", path]


def key_file(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return remediate(inventory_with("ansible_ssh_private_key_file", path), _)


def secret(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return remediate(inventory_with("ansible_password", f"file:{path}"), _)


def ssh_config_file(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return remediate(inventory_with("ssh_config", path), _)


def known_hosts_file(path: str, _: pytest.MonkeyPatch) -> list[str]:
    return remediate(inventory_with("known_hosts", path), _)


NAMED_BY_THE_INVENTORY = (key_file, secret, ssh_config_file, known_hosts_file)
PLACES = (
    lint_it, lint_with_inventory, inventory, ping, remediate, inventory_by_variable, inventory_of_ones_own,
    inventory_at_home, playbooks, runs_show,
)  # fmt: skip


BY_ENVIRONMENT = (inventory_by_variable, inventory_of_ones_own, inventory_at_home)


@pytest.mark.parametrize(
    "place,end",
    [
        pytest.param(place, end, id=f"{place.__name__}-{end.__name__}")
        for place in PLACES
        for end in ENDS
        if not (place in BY_ENVIRONMENT and end in UNSPEAKABLE)
    ],
)
def test_whatever_a_path_leads_to_is_said_in_one_sentence(
    place: Callable[[str, pytest.MonkeyPatch], list[str]],
    end: Callable[[Path], str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cli.main(place(end(folder), monkeypatch))
    said = capsys.readouterr()
    assert status == ExitStatus.USAGE
    (sentence,) = said.err.splitlines() or said.out.splitlines()[:-1]  # lint says at its end what it looked at
    assert 20 < len(sentence) < 1200
    assert "bug" not in sentence


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.__name__))
@pytest.mark.parametrize("place", NAMED_BY_THE_INVENTORY, ids=lambda place: str(place.__name__))
def test_what_an_inventory_names_is_looked_at_before_any_host_is_contacted(
    place: Callable[[str, pytest.MonkeyPatch], list[str]],
    end: Callable[[Path], str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = cli.main(place(end(folder), monkeypatch))
    said = capsys.readouterr()
    if place is known_hosts_file and end in NOTHING:
        assert status == ExitStatus.UNREACHABLE  # no key is known yet; the host was contacted, and nobody is there
        return
    assert status == ExitStatus.USAGE
    assert said.out == ""
    sentences = said.err.splitlines()
    assert len(sentences) == 1 or end in UNSPEAKABLE  # refused as text, before it is a path
    for sentence in sentences:
        assert re.match(r"named\.yml:1:\d+: ", sentence)
        assert ": web1: " in sentence or end in UNSPEAKABLE
        assert len(sentence) < 1200


# ---- what a connection needs -----------------------------------------------------------------------------------------


def opened(**named: object) -> None:
    """Connect to where nobody listens, with what is *named* beside files that are fine."""
    for name in ("id", "known_hosts", "config"):
        Path(name).touch()
    fine = Connection(
        address="127.0.0.1", port=9, key_file=Path("id"), known_hosts=(Path("known_hosts"),), ssh_config=Path("config")
    )
    SshTransport().open(Host(name="web1", connection=replace(fine, **named)), within=Duration(5))  # type: ignore[arg-type]


def configured(line: str) -> None:
    """Connect to where nobody listens, by an ssh configuration of one line."""
    Path("configured").write_text(line + "\n", "utf-8", "surrogateescape")
    opened(ssh_config=Path("configured"), key_file=None, known_hosts=())


def known_hosts(path: str) -> None:
    opened(known_hosts=(Path(path),))


def ssh_config(path: str) -> None:
    opened(ssh_config=Path(path))


def password(path: str) -> None:
    opened(password=SecretReference("file", path))


def user_known_hosts_file(path: str) -> None:
    configured(f"UserKnownHostsFile {path}")


def identity_file(path: str) -> None:
    configured(f"IdentityFile {path}")


def include(path: str) -> None:
    configured(f"Include {path}")


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.__name__))
@pytest.mark.parametrize("reader", [ssh_config, password], ids=lambda reader: str(reader.__name__))
def test_what_must_be_there_to_connect_is_a_mistake_in_the_input_where_it_is_not(
    reader: Callable[[str], None], end: Callable[[Path], str], folder: Path
) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: [A-Zin]|no such ssh configuration$") as caught:
        reader(end(folder))
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.__name__))
@pytest.mark.parametrize("reader", [known_hosts, user_known_hosts_file], ids=lambda reader: str(reader.__name__))
def test_known_hosts_may_be_missing_and_else_must_be_readable(
    reader: Callable[[str], None], end: Callable[[Path], str], folder: Path
) -> None:
    if reader is user_known_hosts_file and end is half_a_character:
        return  # no file can hold it
    with pytest.raises(ConnectionRefused if end in NOTHING else ConfigError) as caught:
        reader(end(folder))
    assert end in NOTHING or "cannot be read: " in str(caught.value)


@pytest.mark.parametrize("end", [end for end in ENDS if end is not half_a_character], ids=lambda end: str(end.__name__))
@pytest.mark.parametrize("reader", [identity_file, include], ids=lambda reader: str(reader.__name__))
def test_what_an_ssh_configuration_names_ends_nothing_but_this_connection(
    reader: Callable[[str], None], end: Callable[[Path], str], folder: Path
) -> None:
    with pytest.raises((ConfigError, ConnectionRefused)) as caught:
        reader(end(folder))
    assert isinstance(caught.value, ConfigError) or "Connection refused" in str(caught.value)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.__name__))
def test_no_private_key_is_waited_for_or_read_without_an_end(end: Callable[[Path], str], folder: Path) -> None:
    with pytest.raises(OSError, match=r".") as caught:
        SshTransport().key(Path(end(folder)))
    assert caught.value.strerror


def test_what_ends_in_somebody_s_home_who_does_not_exist_is_missing(folder: Path) -> None:
    for line in ("IdentityFile ~nobody-of-this-name/id", "Include ~nobody-of-this-name/config"):
        with pytest.raises((ConfigError, ConnectionRefused)):
            configured(line)
    with pytest.raises(ConnectionRefused):
        configured("UserKnownHostsFile ~nobody-of-this-name/known_hosts")


@pytest.mark.parametrize("pattern", ["a**b", "**", "[", "a\0b", "/", "*/*/*", '""'])
def test_whatever_an_include_names_it_is_read_or_passed_over(folder: Path, pattern: str) -> None:
    with pytest.raises((ConfigError, ConnectionRefused)):
        configured(f"Include {folder}/{pattern}")
    with pytest.raises((ConfigError, ConnectionRefused)):
        configured(f"Include {pattern}")
