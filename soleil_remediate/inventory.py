"""Inventories in Ansible's YAML format, merged once into frozen hosts that know where each value was written.

Precedence is Ansible's: ``all``, then the other groups from the outermost to the innermost (of the same depth by
``ansible_group_priority``, then by name), then the host; of each level first what stands in the inventory itself. All
of ``group_vars/`` comes after all group variables in the inventory. A later value replaces an earlier one, except that
``app``, ``apps``, ``policy`` and ``contacts`` are merged key by key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from soleil_remediate.documents import Node, Problems, read_document
from soleil_remediate.command import Secret
from soleil_remediate.errors import ConfigError, InventoryError, UnknownName
from soleil_remediate.host import Connection, Host, Origin
from soleil_remediate.patterns import Selection, expand, name_mistake
from soleil_remediate.profiles import (
    SECTIONS,
    read_apps,
    read_connection,
    read_contacts,
    read_policy,
)
from soleil_remediate.validation import frozen, shown

_MERGED = frozenset({"app", "apps", "policy", "contacts"})
_SUFFIXES = ("", ".yml", ".yaml")
#: Names of variables whose values are neither shown nor filled into templates.
SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase)?$|secret|token|api_?key|private_?key(?!_file)|credential", re.IGNORECASE
)
_REFERENCE = re.compile(r"(?:env|file):\S+")


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
        """Return the targets that *pattern* names, in the inventory's order; see :mod:`soleil_remediate.patterns`.

        Raises:
            UnknownName: It names a host, group or application that is not there.
            InventoryError: It matches nothing, or a part of it does.
            ConfigError: It cannot be read, means every host without *all_hosts*, or leaves open which application.
        """
        return self._selection.select(pattern, all_hosts=all_hosts)

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
            targets.setdefault(_machine(host.name), []).append(host)
        return Selection(targets, self.groups, self.source)


def _machine(name: str) -> str:
    return name.partition("/")[0]


def load_inventory(path: str | Path) -> Inventory:
    """Read an inventory with the ``group_vars/`` and ``host_vars/`` beside it.

    Raises:
        InventoryError: It cannot be used as it stands; every mistake has its ``file:line:column``.
        UnknownName: The only mistake is a misspelt key.
    """
    problems = Problems(InventoryError)
    tree = _Tree(os.fspath(path), problems)
    inventory = tree.inventory()
    problems.raise_any()
    return inventory


def inventory_problems(path: str | Path) -> Problems:
    """Return everything that is wrong with an inventory; nothing is raised."""
    problems = Problems(InventoryError)
    with suppress(ConfigError):  # already among the problems
        _Tree(os.fspath(path), problems).inventory()
    return problems


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


# ---- reading --------------------------------------------------------------------------------------------------------


@dataclass
class _Group:
    name: str
    variables: dict[str, Node] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Origin] = field(default_factory=dict)
    depth: int = 1


class _Tree:
    """The groups and hosts of one file while it is read."""

    def __init__(self, source: str, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._folder = Path(source).parent
        self._groups: dict[str, _Group] = {"all": _Group("all", depth=0)}
        self._hosts: dict[str, dict[str, Node]] = {}
        self._host_origins: dict[str, Origin] = {}

    def inventory(self) -> Inventory:
        if Path(self._source).is_dir():
            raise self._problems.stop(Origin(self._source, 1), "this is a folder: name the inventory file in it")
        root = read_document(self._source, self._problems)
        if not isinstance(root.value, dict):
            raise self._problems.stop(
                root.origin, f"an inventory is a mapping that begins with all:, not {shown(root.plain)}"
            )
        for name, node in root.value.items():
            self._group(name, node, root.keys[name])
        self._nest(root)
        members = self._members()
        order = sorted(self._groups.values(), key=lambda group: (group.depth, self._priority(group), group.name))
        files = {group.name: self._files("group_vars", group.name) for group in order}
        hosts: list[Host] = []
        for name, own in self._hosts.items():
            mine = [group for group in order if name in members[group.name]]
            layers = [group.variables for group in mine]
            layers += [files[group.name] for group in mine]
            merged = _merge([*layers, own, self._files("host_vars", name)])
            hosts += self._targets(name, tuple(group.name for group in mine), merged)
        if not self._hosts and not len(self._problems):
            self._problems.add(root.origin, "there is no host in this inventory")
        return Inventory(self._source, tuple(hosts), frozen(members))

    def _group(self, name: str, node: Node, origin: Origin) -> None:
        if mistake := name_mistake(name):
            self._problems.add(origin, mistake)
            return
        group = self._groups.setdefault(name, _Group(name))
        if node.value is None:
            return
        if not isinstance(node.value, dict):
            self._problems.add(
                node.origin, f"group {name} must be a mapping of hosts, children and vars, not {shown(node.plain)}"
            )
            return
        for key, part in node.value.items():
            if key not in {"hosts", "children", "vars"}:
                self._problems.unknown(f"key in group {name}", key, ("hosts", "children", "vars"), node.keys[key])
            elif part.value is not None and not isinstance(part.value, dict):
                example = {"hosts": "web1:", "children": "web:", "vars": "name: value"}[key]
                self._problems.add(
                    part.origin, f"{key} must be a mapping, not {shown(part.plain)}: write lines like {example!r}"
                )
            elif key == "hosts":
                for host, variables in part.entries.items():
                    self._host(group, host, variables, part.keys[host])
            elif key == "vars":
                group.variables.update(part.entries)
            else:
                for child, below in part.entries.items():
                    group.children.setdefault(child, part.keys[child])
                    self._group(child, below, part.keys[child])

    def _host(self, group: _Group, written: str, node: Node, origin: Origin) -> None:
        try:
            names = expand(written)
        except ValueError as error:
            self._problems.add(origin, str(error))
            return
        if node.value is not None and not isinstance(node.value, dict):
            self._problems.add(
                node.origin, f"host {written} must be a mapping of its variables, not {shown(node.plain)}"
            )
            return
        for name in names:
            if mistake := name_mistake(name):
                self._problems.add(origin, mistake)
                return
            group.hosts[name] = None
            self._hosts.setdefault(name, {}).update(node.entries)
            self._host_origins.setdefault(name, origin)

    def _nest(self, root: Node) -> None:
        """Hang groups without a parent below ``all``, and give each its depth: the longest way down to it."""
        below = {child for group in self._groups.values() for child in group.children}
        for name in self._groups:
            if name != "all" and name not in below:
                self._groups["all"].children.setdefault(name, root.keys.get(name, root.origin))
            if name in self._hosts:
                self._problems.add(self._host_origins[name], f"{name} is both a host and a group: rename one of them")
        self._descend("all", 0, ())

    def _descend(self, name: str, depth: int, above: tuple[str, ...]) -> None:
        group = self._groups.get(name)
        if group is None:
            return  # its name was refused
        group.depth = max(group.depth, depth)
        for child, origin in group.children.items():
            if child in {*above, name}:
                way = " > ".join([*above[above.index(child) if child in above else len(above) :], name, child])
                raise self._problems.stop(origin, f"groups cannot contain themselves: {way}")
            self._descend(child, depth + 1, (*above, name))

    def _members(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for group in sorted(self._groups.values(), key=lambda group: -group.depth):
            children = [found[child] for child in group.children if child in found]
            found[group.name] = frozenset(group.hosts).union(*children)
        found["all"] = frozenset(self._hosts)
        return found

    def _priority(self, group: _Group) -> int:
        node = group.variables.get("ansible_group_priority")
        return node.value if node is not None and isinstance(node.value, int) else 1

    def _files(self, folder: str, name: str) -> dict[str, Node]:
        """Read ``FOLDER/NAME``, ``NAME.yml`` or ``NAME.yaml``; a folder holds files that are merged by name."""
        places = [place for suffix in _SUFFIXES if (place := self._folder / folder / f"{name}{suffix}").exists()]
        if len(places) > 1:
            self._problems.add(Origin(str(places[1]), 1), f"{places[0]} is there as well: keep one of the two")
        if not places:
            return {}
        place = places[0]
        if not place.is_dir():
            return self._variables(place)
        inside = sorted(path for path in place.iterdir() if path.suffix in _SUFFIXES and path.name[0] not in ".~")
        return _merge([self._variables(path) for path in inside if not path.is_dir()])

    def _variables(self, path: Path) -> dict[str, Node]:
        node = read_document(path, self._problems)
        if node.value is not None and not isinstance(node.value, dict):
            self._problems.add(node.origin, f"variables are a mapping of names to values, not {shown(node.plain)}")
        return node.entries

    def _targets(self, name: str, groups: tuple[str, ...], variables: dict[str, Node]) -> Iterator[Host]:
        for section in SECTIONS:
            if section in variables:
                self._refuse_templates(variables[section], section)
        connection = read_connection(name, variables, self._folder, self._problems)
        policy = read_policy(variables, self._problems)
        contacts = read_contacts(variables, self._problems)
        apps = read_apps(variables, self._problems)
        free = frozen({key: _veiled(key, node.plain) for key, node in variables.items() if not _is_own(key)})
        for app_name, app in apps.items() or [("", frozen({}))]:
            yield Host(
                name=f"{name}/{app_name}" if len(apps) > 1 else name,
                connection=connection,
                groups=groups,
                variables=free,
                app=app,
                app_name=app_name,
                policy=policy,
                contacts=contacts,
                origins=frozen(dict(_origins(variables, app_name))),
            )

    def _refuse_templates(self, node: Node, path: str) -> None:
        if isinstance(node.value, str) and "{{" in node.value:
            self._problems.add(node.origin, f"{path}: templates are not filled in an inventory: write the value")
        children = node.value if isinstance(node.value, list) else node.entries.values()
        for child in children:
            self._refuse_templates(child, path)


def _is_own(key: str) -> bool:
    return key in SECTIONS or key.startswith("ansible_")


def _veiled(key: str, value: Any) -> Any:
    """Return a variable with what may be a secret out of sight: it is in no repr, record or message."""
    if isinstance(value, dict):
        return {inner: _veiled(inner, item) for inner, item in value.items()}
    if SECRET_NAME.search(key) and value is not None and not _REFERENCE.fullmatch(str(value)):
        return Secret(str(value))
    return [_veiled(key, item) for item in value] if isinstance(value, list) else value


def _merge(layers: list[dict[str, Node]]) -> dict[str, Node]:
    merged: dict[str, Node] = {}
    for layer in layers:
        for key, node in layer.items():
            merged[key] = _deep(merged[key], node) if key in _MERGED and key in merged else node
    return merged


def _deep(below: Node, above: Node) -> Node:
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)):
        return above
    entries = dict(below.value)
    for key, node in above.value.items():
        entries[key] = _deep(entries[key], node) if key in entries else node
    return Node(entries, above.origin, {**below.keys, **above.keys})


# ---- explaining -----------------------------------------------------------------------------------------------------


def _origins(variables: Mapping[str, Node], app_name: str) -> Iterator[tuple[str, Origin]]:
    for key, node in variables.items():
        if key == "apps":
            yield from _leaves("app", node.entries.get(app_name, node))
        else:
            yield from _leaves(key, node)


def _leaves(path: str, node: Node) -> Iterator[tuple[str, Origin]]:
    if isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from _leaves(f"{path}.{key}", child)
    else:
        yield path, node.origin


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
        "known_hosts": connection.known_hosts or None,
        "ssh_config": connection.ssh_config,
        "app": {"name": host.app_name, **host.app} if host.app else None,
        "policy": {
            "environment": host.policy.environment,
            "mode": host.policy.mode.value,
            "unattended": {name: risk.value for name, risk in host.policy.unattended.items()},
            "evidence_limit": host.policy.evidence_limit,
        },
        "contacts": host.contacts,
        **host.variables,
    }
    for path, value in values.items():
        yield from _rows(path, value, host.origins)


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
