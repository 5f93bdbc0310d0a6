"""Hosts as the inventory knows them: frozen values, each remembering where it was written."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from soleil_remediate.command import Secret
from soleil_remediate.errors import ConfigError
from soleil_remediate.local_files import read_file, shown_path
from soleil_remediate.plan import Risk
from soleil_remediate.units import ByteSize, Duration, MiB, Percent

#: The ways to a host: over SSH by this program itself (unless another is named), by the ssh
#: program, or without leaving this machine.
TRANSPORTS = ("ssh", "openssh", "local")
#: No secret that anybody types or sends is longer.
_SECRET_LIMIT = 64 * 1024


def nothing() -> Mapping[str, Any]:
    """Return an empty mapping that nobody can fill: the default of fields that hold one."""
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where in which file something was written; line and column count from 1."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret by the place where it stands: ``env:NAME`` or ``file:PATH``. The secret itself is in no inventory."""

    source: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.source}:{self.name}"

    def resolve(self) -> Secret:
        """Fetch the secret, when it is needed and not before; a file's last newline is not part of it.

        Raises:
            ConfigError: It is not there, is empty, or stands in a file that others may read.
        """
        if self.source == "env":
            text = os.environ.get(self.name, "")
            if not text:
                raise ConfigError(
                    f"the environment variable {self.name} is not set: the inventory wants a secret in it"
                )
            return Secret(text)
        try:
            file = read_file(self.name, _SECRET_LIMIT)
            if stat.S_IMODE(file.status.st_mode) & 0o077:
                raise ConfigError(f"{self.name} holds a secret and others may read it: chmod 600 it")
            text = file.content.decode().removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"the secret in {shown_path(self.name)} cannot be read: {reason}") from None
        if not text:
            raise ConfigError(f"{self.name} is empty: the inventory wants a secret in it")
        return Secret(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How a host is reached.

    Args:
        address: Name or IP address to connect to, or an alias of the ssh configuration.
        port: ``None`` is the ssh configuration's, else 22.
        user: ``None`` is the ssh configuration's, else the local user.
        key_file: The one private key to offer; ``None`` leaves it to the ssh configuration or the agent.
        known_hosts: Files with the host keys that are accepted; empty is the user's own ``~/.ssh/known_hosts``.
        ssh_config: An explicit ssh configuration instead of the user's and the system's.
        password: For logging in, where no key does.
        become: Whether to use sudo where it is allowed.
        is_narrow: Whether sudo allows the login no shell, but the single commands that ``sudoers`` prints.
        become_password: For sudo, where it wants one.
        transport: Which way in: one of :data:`TRANSPORTS`.
        connect_within: For connecting, the greeting and authentication together.
        machine_id: Which machine must answer, as ``/etc/machine-id`` names it there; ``None`` is any.
    """

    address: str
    port: int | None = None
    user: str | None = None
    key_file: Path | None = None
    known_hosts: tuple[Path, ...] = ()
    ssh_config: Path | None = None
    password: SecretReference | None = None
    become: bool = True
    is_narrow: bool = False
    become_password: SecretReference | None = None
    transport: str = "ssh"
    connect_within: Duration = Duration(15)
    machine_id: str | None = None


class Mode(Enum):
    """What the inventory allows at all."""

    ACT = "act"
    OBSERVE = "observe"  # no changing code path exists


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What may happen on a host without a person, and with what limits.

    Args:
        environment: The name people use, such as ``production``.
        mode: ``OBSERVE`` refuses every change, whoever approves it.
        unattended: For a scenario's name, the highest risk that ``--yes`` may say yes to.
        evidence_limit: The most that is saved off the host before a change; a larger copy refuses the change.
        change_limit: The most of any group of the host's that one run may change; ``None`` is no limit.
        unhealthy_limit: With more of any group of the host's unhealthy, nobody but a person may say yes.
    """

    environment: str = "production"
    mode: Mode = Mode.ACT
    unattended: Mapping[str, Risk] = field(default_factory=nothing)
    evidence_limit: ByteSize = MiB(20 * 1024)
    change_limit: Percent | None = None
    unhealthy_limit: Percent | None = None

    def ceiling(self, scenario: str) -> Risk:
        """Return the highest risk that may be sent for *scenario* when nobody is asked."""
        return self.unattended.get(scenario, Risk.GENTLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a host is found and reached by: every command that is printed about it has that, too.

    Args:
        inventory: The file of its inventory, as it was given; empty where it is in none.
        transport: What overrules the inventory's way in; empty where nothing does.
        playbooks: Folders and files of playbooks beside the shipped ones, as they were given.
    """

    inventory: str = ""
    transport: str = ""
    playbooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One target: a machine and the application on it, and where a scenario has stages, the one that it is meant in.

    Args:
        name: Its name in the inventory, such as ``web1`` or ``web1/soleil``; within a stage ``web1#restart``, so that
            a host that is in several stages of a run is a target of its own in each.
        connection: How it is reached.
        groups: The groups it belongs to, nearest last.
        group_sizes: How many machines stand in each group of its inventory.
        neighbours: The addresses of all hosts of its inventory, its own among them.
        given: What it is found and reached by.
        variables: What the inventory says about it, merged; templates see it as ``vars``.
        app: The application's profile; templates see it as ``app``.
        app_name: The application's name; empty where the inventory has no application.
        policy: What may happen on it.
        contacts: Whom to call, by the name that a scenario's ``escalate`` uses.
        origins: For each variable's dotted path, where its value was written.
        is_listed: Whether it stands in an inventory; one that does not may only be read.
        found: What was found on it of its application, as nobody gave it: a value's name, such as ``app.root``, and the
            value.
    """

    name: str
    connection: Connection
    groups: tuple[str, ...] = ()
    group_sizes: Mapping[str, int] = field(default_factory=nothing)
    neighbours: tuple[str, ...] = ()
    given: Given = Given()
    variables: Mapping[str, Any] = field(default_factory=nothing)
    app: Mapping[str, Any] = field(default_factory=nothing)
    app_name: str = ""
    policy: Policy = field(default_factory=Policy)
    contacts: Mapping[str, str] = field(default_factory=nothing)
    origins: Mapping[str, Origin] = field(default_factory=nothing)
    is_listed: bool = True
    found: tuple[tuple[str, str], ...] = ()

    @property
    def machine(self) -> str:
        """Which machine it is on: its applications share one lock."""
        return self.listed_name.partition("/")[0]

    @property
    def listed_name(self) -> str:
        """Its name in the inventory; also what a person types at the gate."""
        return listed_name(self.name)

    @property
    def named(self) -> str:
        """As ``--host`` takes it: by its name in the inventory, or with its user and its port where it is in none."""
        if self.is_listed:
            return self.listed_name
        connection = self.connection
        name = f"[{connection.address}]" if ":" in connection.address else connection.address
        user = f"{connection.user}@" if connection.user else ""
        return f"{user}{name}{f':{connection.port}' if connection.port else ''}"

    @property
    def stage(self) -> str:
        """The stage that it is meant in; empty where its scenario has none."""
        return self.name.partition("#")[2]

    def in_stage(self, stage: str) -> Host:
        """Return the same host as a target of its own in a stage."""
        return replace(self, name=f"{self.listed_name}#{stage}")

    def on_machine(self, machine_id: str | None) -> Host:
        """Return the same host, which only that machine may be from now on; where it was known before, that holds."""
        if machine_id is None or self.connection.machine_id is not None:
            return self
        return replace(self, connection=replace(self.connection, machine_id=machine_id))


def listed_name(target: str) -> str:
    """Return the name in the inventory of a target that may be meant in a stage."""
    return target.partition("#")[0]
