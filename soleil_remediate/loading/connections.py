"""How an inventory says that a host is reached: in Ansible's connection variables, and in ours beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from soleil_remediate.host import TRANSPORTS, Connection, SecretReference
from soleil_remediate.identity import is_machine_id
from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.validation import shown
from soleil_remediate.local_files import expanded
from soleil_remediate.units import Duration

_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
PASSWORD = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
#: Ansible's names of ways in, and ours.
_CONNECTIONS = {"ssh": "ssh", "smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh", "local": "local"}
_TIMEOUT = ("ansible_timeout", "ansible_ssh_timeout")

_REFUSED = {
    **dict.fromkeys(
        ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"),
        "options of the ssh program are not read here: put ProxyJump and the like in a file and name it as ssh_config",
    ),
    **dict.fromkeys(
        ("ansible_host_key_checking", "ansible_ssh_host_key_checking"),
        "host keys are always checked: name the file with the known ones as known_hosts",
    ),
}
#: Ansible's own, without meaning here: special variables and those of its connection, shell and become plugins.
_IGNORED = frozenset(
    """
    ansible_become_exe ansible_become_flags ansible_group_priority ansible_network_os ansible_pipelining
    ansible_remote_tmp ansible_scp_executable ansible_scp_extra_args ansible_scp_if_ssh ansible_sftp_batch_mode
    ansible_sftp_executable ansible_sftp_extra_args ansible_shell_executable ansible_shell_type ansible_ssh_executable
    ansible_ssh_pipelining ansible_ssh_retries ansible_ssh_transfer_method ansible_ssh_use_tty ansible_sudo_exe
    ansible_control_path ansible_control_path_dir ansible_async_dir ansible_facts ansible_local
    """.split()
)
_READ = (
    *_ADDRESS, *_PORT, *_USER, *KEY_FILE, *PASSWORD, *BECOME_PASSWORD, *_TIMEOUT,
    "ansible_become", "ansible_become_method", "ansible_become_user", "ansible_connection",
)  # fmt: skip
_TRUE, _FALSE = frozenset({"yes", "on", "true", "1"}), frozenset({"no", "off", "false", "0"})


class _Variables:
    """Reads single variables, each with its place; a mistake gives ``None`` and is noted."""

    def __init__(self, variables: Mapping[str, Node], folder: Path, problems: Problems) -> None:
        self._variables = variables
        self._folder = folder
        self._problems = problems

    def node(self, names: tuple[str, ...]) -> tuple[str, Node] | None:
        return next(((name, self._variables[name]) for name in names if name in self._variables), None)

    def text(self, *names: str) -> str | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        if isinstance(node.value, str) and node.value.strip() and node.value.isprintable():
            if "{{" in node.value:
                self._problems.add(node.origin, f"{name}: templates are not filled in an inventory: write the value")
                return None
            if not node.value.startswith("-"):
                return node.value
            self._problems.add(node.origin, f"{name} must not begin with a dash: {shown(node.value)}")
            return None
        self._problems.add(node.origin, f"{name} must be text, not {shown(node.plain)}")
        return None

    def number(self, low: int, high: int, *names: str) -> int | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        value = (
            int(node.value) if isinstance(node.value, str) and re.fullmatch("[0-9]{1,9}", node.value) else node.value
        )
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._problems.add(node.origin, f"{name} must be a number from {low} to {high}, not {shown(node.plain)}")
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        if (found := self.node((name,))) is None:
            return default
        node = found[1]
        if isinstance(node.value, bool):
            return node.value
        if isinstance(node.value, str) and node.value.lower() in _TRUE | _FALSE:  # Ansible reads these as well
            return node.value.lower() in _TRUE
        self._problems.add(node.origin, f"{name} must be true or false, not {shown(node.plain)}")
        return default

    def one_of(self, name: str, allowed: tuple[str, ...], advice: str) -> None:
        value = self.text(name)
        if value is not None and value not in allowed:
            self._problems.add(self._variables[name].origin, f"{name} {shown(value)} {advice}")

    def transport(self) -> str:
        """Return which way in: ours where it is named, else what Ansible's variable means."""
        ansible = _CONNECTIONS.get(self.text("ansible_connection") or "", "")
        ours = self.text("transport")
        if ours is None:
            return ansible or TRANSPORTS[0]
        if ours not in TRANSPORTS:
            self._problems.unknown("transport", ours, TRANSPORTS, self._variables["transport"].origin)
        elif ansible == "local" and ours != "local":
            self._problems.add(
                self._variables["transport"].origin, f"transport: {ours} contradicts ansible_connection: local"
            )
        return ours

    def is_narrow(self, user: str | None) -> bool:
        """Return whether sudo allows single commands alone."""
        self.one_of("sudo", ("shell", "narrow"), "must be shell or narrow")
        if self.text("sudo") != "narrow":
            return False
        origin = self._variables["sudo"].origin
        if not self.flag("ansible_become", default=True):
            self._problems.add(origin, "sudo: narrow contradicts ansible_become: false")
        if (found := self.node(BECOME_PASSWORD)) is not None:
            self._problems.add(origin, f"sudo: narrow takes no password: leave {found[0]} out")
        if user == "root":
            self._problems.add(origin, "sudo: narrow is for another login than root")
        return True

    def machine_id(self) -> str | None:
        """Return which machine must answer."""
        if (node := self._variables.get("machine_id")) is None:
            return None
        if isinstance(node.value, str) and is_machine_id(node.value):
            return node.value
        self._problems.add(
            node.origin,
            f"machine_id must be what /etc/machine-id holds there, 32 digits of 0-9 and a-f, not {shown(node.plain)}",
        )
        return None

    def path(self, *names: str) -> Path | None:
        text = self.text(*names)
        return None if text is None else self._local(text)

    def paths(self, name: str) -> tuple[Path, ...]:
        node = self._variables.get(name)
        if node is None:
            return ()
        items = node.value if isinstance(node.value, list) else [node]
        texts = [item.value for item in items if isinstance(item.value, str) and item.value.strip()]
        if len(texts) < len(items) or not items:
            self._problems.add(node.origin, f"{name} must be a path or a list of paths, not {shown(node.plain)}")
        return tuple(self._local(text) for text in texts)

    def secret(self, *names: str) -> SecretReference | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        text = node.value if isinstance(node.value, str) else ""
        source, _, where = text.partition(":")
        kinds: dict[str, Literal["env", "file"]] = {"env": "env", "file": "file"}
        if source in kinds and where and (source == "file" or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", where)):
            return SecretReference(kinds[source], str(self._local(where)) if source == "file" else where)
        self._problems.add(  # without the value: it may be the secret
            node.origin, f"{name} holds a value: secrets are never written here, write env:NAME or file:PATH"
        )
        return None

    def _local(self, text: str) -> Path:
        return self._folder / expanded(text)


def read_connection(name: str, variables: Mapping[str, Node], folder: Path, problems: Problems) -> Connection:
    """Return how the host is reached.

    Args:
        folder: Where relative paths of keys, ``known_hosts``, ``ssh_config`` and ``file:`` secrets start: the
            inventory's own, never the current one; ``~`` is the local user's home.
    """
    for variable, node in variables.items():
        if not variable.startswith("ansible_"):
            continue
        if variable in _REFUSED:
            problems.add(node.origin, f"{variable}: {_REFUSED[variable]}")
        elif not (variable in _IGNORED or variable in _READ or re.fullmatch(r"ansible_\w+_interpreter", variable)):
            problems.unknown("Ansible variable", variable, {*_READ, *_IGNORED}, node.origin)
    read = _Variables(variables, folder, problems)
    read.one_of(
        "ansible_connection", tuple(_CONNECTIONS), "is not supported: only ssh and local are, and transport: openssh"
    )
    read.one_of("ansible_become_method", ("sudo",), "is not supported: only sudo is")
    read.one_of(
        "ansible_become_user", ("root",), "is not supported: sudo leads to root, and tasks name their own users"
    )
    seconds = read.number(1, 600, *_TIMEOUT)
    user = read.text(*_USER)
    return Connection(
        address=read.text(*_ADDRESS) or name,
        port=read.number(1, 65535, *_PORT),
        user=user,
        key_file=read.path(*KEY_FILE),
        known_hosts=read.paths("known_hosts"),
        ssh_config=read.path("ssh_config"),
        password=read.secret(*PASSWORD),
        become=read.flag("ansible_become", default=True),
        is_narrow=read.is_narrow(user),
        become_password=read.secret(*BECOME_PASSWORD),
        transport=read.transport(),
        connect_within=Connection(address=name).connect_within if seconds is None else Duration(seconds),
        machine_id=read.machine_id(),
    )
