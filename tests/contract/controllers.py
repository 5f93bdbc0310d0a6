"""Controllers as processes, and what they left behind: their record, their word, and what the host counted itself."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soleil_remediate.record import Runs
from soleil_remediate.reporters.records import run_page
from tests.contract.controller import PLAYBOOK
from tests.sshd import Sshd
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a controller ended.

    Args:
        status: Its exit status; the negative of the signal that killed it.
        out: What it printed.
        err: The same, as an error.
    """

    status: int
    out: str
    err: str


@dataclass
class Desk:
    """A person's machine: its state folder, its inventory, and one file on a host that says ``bad``.

    Args:
        folder: Its files.
        host: Where the file is.
        sshd: The host.
        state: The XDG state folder.
        environment: What controllers find in theirs besides.
    """

    folder: Path
    host: Path
    sshd: Sshd
    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path, host: Path, sshd: Sshd) -> Desk:
        desk = cls(folder, host, sshd, folder / "state")
        (folder / "tiny.yml").write_text(PLAYBOOK)
        (folder / "inventory.yml").write_text(
            "all:\n  vars:\n"
            f"    ansible_user: root\n    ansible_port: {sshd.port}\n    ansible_ssh_private_key_file: {sshd.key}\n"
            f"    known_hosts: {sshd.known_hosts}\n    ssh_config: {sshd.folder / 'no_config'}\n"
            "    policy: {unattended: {tiny: destructive}}\n"
            "  hosts:\n    web1: {ansible_host: 127.0.0.1}\n"
        )
        desk.reset()
        return desk

    @classmethod
    def with_big_file(cls, folder: Path, hosts: Path, sshd: Sshd, *, size: int) -> Desk:
        """Return a desk whose host has a file of that size too, in a new folder: a module may begin again."""
        host = Path(tempfile.mkdtemp(dir=hosts))
        (host / "big").write_bytes(os.urandom(size))
        sshd.inside("rm", "-rf", "/run/soleil-remediate")
        return cls.at(folder, host, sshd)

    def reset(self) -> None:
        """Let the file say ``bad`` again, and forget what was done."""
        self.file.write_text("bad\n")
        Path(f"{self.file}.ledger").unlink(missing_ok=True)

    def forget(self) -> None:
        """Throw the records away."""
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def is_locked(self) -> bool:
        """Whether anybody may still change the host."""
        free = "cd /run/soleil-remediate 2>/dev/null || exit 0; exec flock -n . true"  # it would make what is missing
        return self.sshd.inside("sh", "-c", free).returncode != 0

    @property
    def record(self) -> tuple[dict[str, Any], ...]:
        """The lines of the only run; none where there is no run."""
        runs = self.runs.list()
        return self.runs.read(runs[0].run) if runs else ()

    @property
    def file(self) -> Path:
        return self.host / "one"

    @property
    def says(self) -> str:
        return self.file.read_text().strip()

    @property
    def ledger(self) -> list[str]:
        """What the host did, as it counted itself."""
        path = Path(f"{self.file}.ledger")
        return path.read_text().splitlines() if path.exists() else []

    @property
    def runs(self) -> Runs:
        return Runs(self.state / "soleil-remediate")

    @property
    def connections(self) -> int:
        """How often anybody connected to the host."""
        return self.sshd.log.count("Connection from ")

    def words(self, *more: str, **inputs: object) -> list[str]:
        """Return the words of a command line that repairs the file."""
        given = {"file": self.file, **inputs}
        sets = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        where = ["--inventory", str(self.folder / "inventory.yml"), "--playbooks", str(self.folder / "tiny.yml")]
        return ["remediate", "--scenario", "tiny", "--host", "web1", *where, *sets, "--yes", *more]

    @property
    def whole_environment(self) -> dict[str, str]:
        """Everything a controller inherits."""
        inherited = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
        own = {"PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(self.state), "PYTHONDONTWRITEBYTECODE": "1"}
        return inherited | own | self.environment

    def start(self, *words: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        """Start a controller; *before* is a program that starts it, such as strace."""
        return subprocess.Popen(
            [*before, sys.executable, "-m", "tests.contract.controller", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.whole_environment,
            cwd=self.folder,
            start_new_session=True,
        )

    def run(self, *words: str, before: tuple[str, ...] = ()) -> Said:
        """Run a controller to its end."""
        process = self.start(*words, before=before)
        out, err = process.communicate(timeout=50)
        return Said(status=process.returncode, out=out, err=err)

    def shown(self) -> str:
        """Return what ``runs show`` says about the only run there is."""
        (run,) = self.runs.list()
        return " ".join(run_page(self.runs.history(run.run), {}, 80, is_verbose=False).text.split())


class Warm:
    """Controllers that start at once, one after another."""

    def __init__(self, desk: Desk, process: subprocess.Popen[str]) -> None:
        self._desk = desk
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._asks, self._answers = process.stdin, process.stdout

    def run(self, *words: str, meanwhile: Callable[[int], object] = lambda _: None, **environment: str) -> Said:
        """Run one to its end; *meanwhile* gets its process id."""
        asked: dict[str, Any] = {"words": words, "environment": environment, "folder": str(self._desk.folder)}
        self._asks.write(f"{json.dumps(asked)}\n")
        self._asks.flush()
        meanwhile(int(self._answers.readline()))
        status = os.waitstatus_to_exitcode(int(self._answers.readline()))
        out, err = ((self._desk.folder / name).read_text("utf-8", "replace") for name in ("out", "err"))
        return Said(status=status, out=out, err=err)


@contextmanager
def warm(desk: Desk) -> Iterator[Warm]:
    """Start what controllers are forked from, and end it."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.contract.controller", "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=desk.whole_environment,
        cwd=desk.folder,
        start_new_session=True,
    ) as process:
        try:
            yield Warm(desk, process)
        finally:
            process.kill()


@contextmanager
def small_disk(*, size: str = "256k") -> Iterator[Path]:
    """Mount a file system of that size, and unmount it in the end, whoever still uses it."""
    folder = Path(tempfile.mkdtemp(prefix="soleil-disk-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        shutil.rmtree(folder)


def fill(folder: Path) -> None:
    """Leave no block free."""
    with (folder / "ballast").open("ab", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass


def check_copies(desk: Desk) -> None:
    """Every file that is called a copy is one, and every copy that the record names is there."""
    content = (desk.host / "big").read_bytes()
    whole = sorted((desk.state / "soleil-remediate").glob("evidence/*/*.gz"))
    for path in whole:
        assert gzip.decompress(path.read_bytes()) == content
    for line in desk.record:
        if line["type"] == "CopySaved":
            assert Path(line["copy"]["path"]) in whole
            assert line["copy"]["sha256"] == hashlib.sha256(content).hexdigest()


def check_after_kill(desk: Desk) -> str:
    """Hold the record of a controller that was killed against what the host counted, and return what is told of it."""
    assert eventually(lambda: not desk.is_locked, within=20), "the lock was not given back"
    intended = [line["change"]["after"] for line in desk.record if line["type"] == "ChangeIntended"]
    answered = [line for line in desk.record if line["type"] == "ChangeAnswered"]
    did = [f"{what} {word}" for word in intended for what in ("begun", "done")]
    assert desk.ledger in (did, did[:-2]), "only what was intended last may not have been sent"
    check_copies(desk)
    told = desk.shown() if desk.runs.list() else ""
    assert ("web1 MAY have been changed" in told) is (len(answered) < len(intended))
    assert told == "" or ("Nothing was sent to any host" in told) is (intended == [])
    for path in (desk.state / "soleil-remediate").glob("evidence/*/*.partial"):
        assert f"{path} is no copy: it was cut short when the run died" in told
    return told
