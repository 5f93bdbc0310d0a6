"""The other tools of the benchmark: the same questions and the same repair, as their own pages say to write them.

Each runs as a whole process, from a virtual environment of its own that :func:`install` makes once.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.host import Host

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-rivals.lock"
VENV = ROOT / ".venv-rivals"

_PYINFRA_LOOKS = """\
from pyinfra import host
from pyinfra.facts.server import Command

for question in {questions!r}:
    assert host.get_fact(Command, question, _sudo=True) is not None, question
"""

_PYINFRA_REPAIRS = """\
from io import StringIO

from pyinfra.operations import files

for path, text in {wanted!r}:
    files.put(src=StringIO(text), dest=path, _sudo=True)
"""

_ANSIBLE = """\
[defaults]
inventory = {folder}/hosts.yml
forks = {forks}
gathering = explicit
host_key_checking = True
retry_files_enabled = False
nocows = True
interpreter_python = /usr/bin/python3
local_tmp = {folder}/tmp
{strategy}
[ssh_connection]
pipelining = True
ssh_args = -F none -o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile={known_hosts}
control_path_dir = {folder}/cp
"""


class DidNotEnd(Exception):
    """A tool did not come to a good end, in its own last words."""


def install() -> None:
    """Make the virtual environment of the others, from a lock of its own; what is there already is kept."""
    stamp, lock = VENV / ".stamp", LOCK.read_text(encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == lock:
        return
    sys.stderr.write("bench: installing pyinfra, ansible-core, mitogen and matplotlib, once\n")
    subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
    pip: list[str | Path] = [
        VENV / "bin/python",
        "-m",
        "pip",
        "-qq",
        "--disable-pip-version-check",
        "--no-input",
        "install",
    ]
    subprocess.run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", LOCK], check=True)
    stamp.write_text(lock, encoding="utf-8")


def versions() -> str:
    """Return which versions of them are installed, for the page."""
    script = (
        "from importlib.metadata import version\n"
        "print(', '.join(f'{name} {version(name)}' for name in ('pyinfra', 'ansible-core', 'mitogen')))"
    )
    done = subprocess.run([VENV / "bin/python", "-c", script], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """The other tools, told the same hosts.

    Args:
        folder: For their files; made before.
        hosts: The hosts, all with the same user, key and known hosts.
        questions: What each host is asked, as root.
        wanted: What each host is to have: paths and their text.
    """

    folder: Path
    hosts: Sequence[Host]
    questions: Sequence[str]
    wanted: Sequence[tuple[str, str]]

    @property
    def _user(self) -> str:
        return self.hosts[0].connection.user or "root"

    @property
    def _key(self) -> str:
        return str(self.hosts[0].connection.key_file)

    @property
    def _known_hosts(self) -> str:
        return str(self.hosts[0].connection.known_hosts[0])

    def write(self) -> None:
        """Write every tool's own files."""
        reached = [(host.name, host.connection.address, host.connection.port or 22) for host in self.hosts]
        urls = "".join(f"ssh://{self._user}@{address}:{port}\n" for _, address, port in reached)
        (self.folder / "urls").write_text(urls, encoding="utf-8")
        data = {
            "ssh_user": self._user,
            "ssh_key": self._key,
            "ssh_known_hosts_file": self._known_hosts,
            "ssh_strict_host_key_checking": "yes",
        }
        named = [(name, {**data, "ssh_hostname": address, "ssh_port": port}) for name, address, port in reached]
        (self.folder / "pyinfra_hosts.py").write_text(f"hosts = {named!r}\n", encoding="utf-8")
        (self.folder / "looks.py").write_text(_PYINFRA_LOOKS.format(questions=self.questions), encoding="utf-8")
        (self.folder / "repairs.py").write_text(_PYINFRA_REPAIRS.format(wanted=self.wanted), encoding="utf-8")
        connection = {"ansible_user": self._user, "ansible_ssh_private_key_file": self._key}
        hosts = {name: {"ansible_host": address, "ansible_port": port} for name, address, port in reached}
        inventory = {"all": {"vars": connection, "hosts": hosts}}
        self._write_yaml("hosts.yml", inventory)
        asked = [{"command": {"cmd": question}, "changed_when": False} for question in self.questions]
        put = [{"copy": {"dest": path, "content": text}} for path, text in self.wanted]
        for name, tasks in (("looks", asked), ("repairs", put)):
            play = {"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}
            self._write_yaml(f"{name}.yml", [play])
        for name, strategy in (("ansible", ""), ("mitogen", self._mitogen)):
            text = _ANSIBLE.format(
                folder=self.folder, forks=len(self.hosts), known_hosts=self._known_hosts, strategy=strategy
            )
            (self.folder / f"{name}.cfg").write_text(text, encoding="utf-8")

    @property
    def _mitogen(self) -> str:
        (plugins,) = VENV.glob("lib/python*/site-packages/ansible_mitogen/plugins/strategy")
        return f"strategy_plugins = {plugins}\nstrategy = mitogen_linear"

    def _write_yaml(self, name: str, what: object) -> None:
        (self.folder / name).write_text(json.dumps(what, indent=1), encoding="utf-8")  # which is YAML as well

    def openssh(self) -> None:
        """Ask everything with the ssh program and xargs, one script a host, all hosts at once."""
        script = "; ".join(self.questions)
        words = [
            "xargs", "-P", str(len(self.hosts)), "-I{}",
            "ssh", "-F", "none", "-n", "-i", self._key, "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            "-o", f"UserKnownHostsFile={self._known_hosts}", "{}",
            f"sudo -n sh -c {shlex.quote(script)}",
        ]  # fmt: skip
        with (self.folder / "urls").open(encoding="utf-8") as urls:
            self._run(words, stdin=urls.fileno())

    def pyinfra(self, what: str) -> None:
        """Run the file *what* ("looks" or "repairs") with pyinfra, all hosts at once."""
        files = [self.folder / "pyinfra_hosts.py", self.folder / f"{what}.py"]
        self._run([VENV / "bin/pyinfra", "-y", "--parallel", str(len(self.hosts)), *files])

    def ansible(self, what: str, *, strategy: str = "ansible") -> None:
        """Run the playbook *what* with ansible-core, pipelining and a fork a host; *strategy* "mitogen" adds that.

        Its lasting connections are ended first: each of its runs logs in, as everybody else's does.
        """
        self.end_lasting_connections()
        environment = os.environ | {
            "ANSIBLE_CONFIG": str(self.folder / f"{strategy}.cfg"),
            "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }
        self._run([VENV / "bin/ansible-playbook", self.folder / f"{what}.yml"], environment=environment)

    def end_lasting_connections(self) -> None:
        """End the ssh masters that Ansible leaves behind, each by its own socket."""
        for socket in (self.folder / "cp").glob("*"):
            words = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
            subprocess.run(words, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=20)

    def _run(
        self, words: Sequence[str | Path], *, stdin: int = subprocess.DEVNULL, environment: dict[str, str] | None = None
    ) -> None:
        log = self.folder / "said"
        with log.open("wb") as said:
            try:
                status = subprocess.run(
                    words, check=False, stdin=stdin, stdout=said, stderr=subprocess.STDOUT, env=environment, timeout=600
                ).returncode
            except subprocess.TimeoutExpired:
                status = None
        if status != 0:
            text = log.read_text("utf-8", "replace")[-3000:]
            raise DidNotEnd(
                f"{words[0]} {'did not end in 10 min' if status is None else f'ended with {status}'}:\n{text}"
            )
