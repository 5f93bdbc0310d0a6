"""Whatever stands at the end of a path that somebody gave: exit 2 and one sentence, at once, and nothing is touched.

One table: every place where such a path is opened or looked at, against everything that may stand there.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from soleil_remediate import cli
from soleil_remediate.errors import ExitStatus
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
