"""Inventories: every target of a file, how to choose from them, and where each of their values was written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from soleil_remediate.command import Secret
from soleil_remediate.errors import ConfigError, InventoryError, UnknownName
from soleil_remediate.host import Connection, Host, Origin
from soleil_remediate.loading.documents import Problems
from soleil_remediate.loading.groups import read_targets
from soleil_remediate.loading.patterns import Selection, name_mistake
from soleil_remediate.loading.profiles import NamedProfile
from soleil_remediate.loading.validation import judge, shown, told
from soleil_remediate.secrecy import keep_open
from soleil_remediate.shares import groups_of


@dataclass(frozen=True, slots=True)
class Explained:
    """One row of ``inventory --explain``.

    Args:
        variable: Its dotted path.
        value: As text; a secret only as the reference to it.
        origin: Where it was written; ``None`` for a default.
    """

    variable: str
    value: str
    origin: Origin | None


@dataclass(frozen=True)
class Inventory:
    """Every target of one inventory file.

    Args:
        source: The file, as it was given.
        hosts: One for each machine and application, in the file's order.
        groups: The machines of every group, those of its children included.
    """

    source: str
    hosts: tuple[Host, ...]
    groups: Mapping[str, frozenset[str]]

    def select(self, pattern: str, *, all_hosts: bool = False) -> tuple[Host, ...]:
        """Return the targets that *pattern* names, in the inventory's order; see :mod:`.patterns`.

        Raises:
            UnknownName: It names a host, group or application that is not there.
            InventoryError: It matches nothing, or a part of it does.
            ConfigError: It cannot be read, means every host without *all_hosts*, or leaves open which application.
        """
        return self._selection.select(pattern, all_hosts=all_hosts)

    def meant_by(self, pattern: str) -> tuple[Host, ...]:
        """Return the targets that a playbook's *pattern* is for: all applications of a machine, and every host if so.

        Raises:
            UnknownName: As :meth:`select`; the message starts with the file.
            InventoryError: Likewise.
            ConfigError: It cannot be read.
        """
        try:
            return self._selection.select(pattern, all_hosts=True, every_app=True)
        except UnknownName as error:
            groups = {*self.groups} - {"all"}  # playbooks are for groups, mostly
            known = groups if groups and error.nearest is None else error.known
            raise UnknownName(error.what, error.name, known, where=self.source) from None

    def peers(self, hosts: Sequence[Host], pattern: str) -> tuple[Host, ...]:
        """Return the hosts beside *hosts* that are to be looked at as well, for a policy's ``unhealthy_limit``.

        Args:
            hosts: Those of a run.
            pattern: Which hosts its scenario is for.
        """
        groups = {group for host in hosts if host.policy.unhealthy_limit is not None for group in groups_of(host)}
        if not groups:
            return ()
        names, apps = {host.name for host in hosts}, {host.app_name for host in hosts}
        return tuple(
            host
            for host in self.meant_by(pattern)
            if host.name not in names and host.app_name in apps and not groups.isdisjoint(groups_of(host))
        )

    def host(self, name: str) -> Host:
        """Return the one target of that name.

        Raises:
            UnknownName: There is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise UnknownName("host", name, [host.name for host in self.hosts])

    def explain(self, name: str) -> tuple[Explained, ...]:
        """Return every value that holds for a target, and where it was written.

        Raises:
            UnknownName: There is no such target.
        """
        return tuple(_explained(self.host(name)))

    @cached_property
    def _selection(self) -> Selection:
        targets: dict[str, list[Host]] = {}
        for host in self.hosts:
            targets.setdefault(host.machine, []).append(host)
        return Selection(targets, self.groups, self.source)


def load_inventory(path: str | Path) -> Inventory:
    """Read an inventory with the ``group_vars/`` and ``host_vars/`` beside it.

    Raises:
        InventoryError: It cannot be used as it stands; every mistake has its ``file:line:column``.
        UnknownName: The only mistake is a misspelt key.
    """
    problems = Problems(InventoryError)
    source = os.fspath(path)
    targets = read_targets(source, problems)
    problems.raise_any()
    addresses = (host.connection.address for host in targets.hosts)
    keep_open(*targets.groups, *(host.name for host in targets.hosts), *addresses)
    return Inventory(source, targets.hosts, targets.groups)


def ad_hoc_host(target: str) -> Host:
    """Return a host that stands in no inventory, from ``[USER@]NAME[:PORT]`` or an alias of the ssh configuration.

    It may only be read. An IPv6 address stands in brackets.

    Raises:
        ConfigError: It is none of these.
    """
    match = re.fullmatch(
        r"(?:(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@)?(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]@:]+))(?::(?P<port>[0-9]+))?",
        target,
    )
    name = (match["v6"] or match["name"]) if match else target
    port = int(match["port"]) if match and match["port"] and len(match["port"]) < 6 else None
    if match is None or (match["port"] and not 1 <= (port or 0) <= 65535):
        raise ConfigError(f"{shown(target)} is no host: write NAME, USER@NAME or USER@NAME:PORT")
    if match["name"] and (mistake := name_mistake(name)):
        raise ConfigError(mistake)
    return Host(
        name=name if port is None else f"{name}:{port}",
        connection=Connection(address=name, port=port, user=match["user"]),
        is_listed=False,
    )


def with_playbooks(hosts: Iterable[Host], playbooks: Iterable[str | Path]) -> tuple[Host, ...]:
    """Return hosts that know which playbooks the commands about them have to name."""
    named = tuple(os.fspath(path) for path in playbooks)
    return tuple(replace(host, given=replace(host.given, playbooks=named)) for host in hosts)


def with_application(host: Host, application: Mapping[str, Any]) -> Host:
    """Return a host that stands in no inventory with an application that was found there.

    Args:
        host: The one that was asked.
        application: What was found, by the names of a profile; what is ``None`` was not. All else has its default.

    Raises:
        ConfigError: It is nothing that an inventory may say, either.
    """
    found = {name: value for name, value in application.items() if value is not None}
    profile, mistake = judge(found, NamedProfile)
    if mistake:
        raise ConfigError(told("an application was found whose profile", mistake))
    return replace(host, app=profile.values())


# ---- explaining -----------------------------------------------------------------------------------------------------


def _explained(host: Host) -> Iterator[Explained]:
    connection = host.connection
    values: dict[str, Any] = {
        "ansible_host": connection.address,
        "ansible_port": connection.port,
        "ansible_user": connection.user,
        "ansible_ssh_private_key_file": connection.key_file,
        "ansible_password": connection.password,
        "ansible_become": connection.become,
        "ansible_become_password": connection.become_password,
        "sudo": "narrow" if connection.is_narrow else None,
        _named_by(host.origins, "transport", "ansible_connection"): connection.transport,
        "known_hosts": connection.known_hosts or None,
        "ssh_config": connection.ssh_config,
        "machine_id": connection.machine_id,
        "app": {"name": host.app_name, **host.app} if host.app else None,
        "policy": {
            "environment": host.policy.environment,
            "mode": host.policy.mode.value,
            "unattended": {name: risk.value for name, risk in host.policy.unattended.items()},
            "evidence_limit": host.policy.evidence_limit,
            "change_limit": host.policy.change_limit,
            "unhealthy_limit": host.policy.unhealthy_limit,
        },
        "contacts": host.contacts,
        **host.variables,
    }
    for path, value in values.items():
        yield from _rows(path, value, host.origins)


def _named_by(origins: Mapping[str, Origin], ours: str, theirs: str) -> str:
    """Return the variable that says something which two may say."""
    return theirs if theirs in origins and ours not in origins else ours


def _rows(path: str, value: object, origins: Mapping[str, Origin]) -> Iterator[Explained]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _rows(f"{path}.{key}", item, origins)
    elif value is not None:
        yield Explained(path, _told(value), origins.get(path))


def _told(value: object) -> str:
    if isinstance(value, Secret):
        return "(not shown: it may be a secret; write env:NAME or file:PATH)"
    text = ", ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
    return {"True": "true", "False": "false"}.get(text, text)
