"""The installed program runs nothing that lies in the current folder, and loads nothing heavy before it must."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).parent / "soleil-remediate"
HEAVY = ("invoke", "fabric", "paramiko", "pydantic", "rich", "jinja2", "yaml", "cryptography", "socket", "subprocess")
CODE = "import pathlib; pathlib.Path({marker!r}).touch()\n"
INVENTORY = (
    "all: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 9}}, vars: {app: {name: a, user: b, root: /c}}}\n"
)


def imported(*words: str) -> set[str]:
    """Return the top-level packages that a command loads, and our own modules."""
    said = subprocess.run(
        [sys.executable, "-X", "importtime", PROGRAM, *words],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    names = {line.rpartition("|")[2].strip() for line in said.stderr.splitlines() if line.startswith("import time:")}
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    "words", [(), ("--help",), ("remediate", "--help"), ("help", "lab"), ("lab", "up", "-h"), ("lab",)]
)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    assert imported(*words).isdisjoint(HEAVY)


def test_a_list_loads_no_ssh() -> None:
    assert imported("scenarios").isdisjoint({"fabric", "paramiko", "cryptography"})


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, Path, dict[str, str]]:
    """A folder and a home full of files that other tools run, each of which would leave a mark."""
    folder, home, marks = tmp_path / "here", tmp_path / "home", tmp_path / "marks"
    for one in (folder, home, marks):
        one.mkdir()
    for place, start in ((folder, ""), (home, ".")):
        for name in ("tasks", "fabfile", "invoke", "fabric", "soleil-remediate", "soleil_remediate"):
            marker = str(marks / f"{place.name}-{name}.py")
            (place / f"{start}{name}.py").write_text(CODE.format(marker=marker))
            (place / f"{start}{name}.yaml").write_text(
                "run: {dry: true, echo: true}\ntasks: {executor_class: evil.X}\n"
            )
            (place / f"{start}{name}.yml").write_text("ssh_config_path: ./ssh_config\n")
    for name in ("sitecustomize", "usercustomize", "yaml", "json", "rich", "conftest", "site"):
        (folder / f"{name}.py").write_text(CODE.format(marker=str(marks / f"{name}.py")))
    (folder / "ssh_config").write_text(f"Host *\n  ProxyCommand touch {marks}/ssh_config\n")
    (folder / ".ssh").mkdir()
    (folder / ".ssh" / "config").write_text(f"Host *\n  ProxyCommand touch {marks}/dot-ssh\n")
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "disk-full.yml").write_text("scenario: [broken\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "INVOKE_RUN_DRY": "1",
        "INVOKE_RUNTIME_CONFIG": "x.yaml",
    }
    return folder, marks, environment


@pytest.mark.parametrize(
    "line, status",
    [
        ("--help", 0),
        ("scenarios", 0),
        ("explain disk-full", 0),
        ("lint", 0),
        ("runs list", 0),
        ("inventory --inventory {inventory}", 0),
        ("inventory", 2),
        ("ping --host web1 --inventory {inventory}", 3),
        ("preview disk-full --host web1 --inventory {inventory}", 3),
        ("remediate --scenario disk-full --host web1 --inventory {inventory} --yes", 3),
    ],
)
def test_a_hostile_folder_runs_nothing(
    hostile: tuple[Path, Path, dict[str, str]], tmp_path: Path, line: str, status: int
) -> None:
    folder, marks, environment = hostile
    inventory = tmp_path / "trusted.yml"
    inventory.write_text(INVENTORY)
    said = subprocess.run(
        [PROGRAM, *line.format(inventory=inventory).split()],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == status, said
    assert [mark.name for mark in marks.iterdir()] == []


def test_the_folder_is_hostile_indeed(hostile: tuple[Path, Path, dict[str, str]]) -> None:
    """Stock invoke in the same folder runs its files: the test above would see it."""
    folder, marks, environment = hostile
    invoke = Path(sys.executable).parent / "invoke"
    subprocess.run(
        [invoke, "--list"], cwd=folder, env={**environment, "INVOKE_RUN_DRY": ""}, capture_output=True, check=False
    )
    assert [mark for mark in marks.iterdir() if "tasks" in mark.name or "invoke" in mark.name]
