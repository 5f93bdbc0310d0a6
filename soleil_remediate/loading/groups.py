"""Groups and hosts of an inventory, their variables merged and made into targets.

Precedence is Ansible's: ``all``, then the other groups from the outermost to the innermost (of the same depth by
``ansible_group_priority``, then by name), then the host; of each level first what stands in the inventory itself. All
of ``group_vars/`` comes after all group variables in the inventory. A later value replaces an earlier one, except that
``app``, ``apps``, ``policy`` and ``contacts`` are merged key by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from soleil_remediate.command import Secret
from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Given, Host, Origin
from soleil_remediate.loading.connections import read_connection
from soleil_remediate.loading.documents import Node, Problems, compose, read_text
from soleil_remediate.loading.foreign import foreign_inventory, ini_inventory
from soleil_remediate.loading.nesting import Circular, depths
from soleil_remediate.loading.patterns import expand, name_mistake
from soleil_remediate.loading.policies import read_contacts, read_policy
from soleil_remediate.loading.profiles import read_apps
from soleil_remediate.loading.secret_names import looks_secret
from soleil_remediate.loading.sections import SECTIONS, refuse_misspelt_sections
from soleil_remediate.loading.validation import frozen, shown
from soleil_remediate.local_files import is_folder, names_in

#: Exactly as many are still read, of machines and of targets.
HOSTS_LIMIT = 10_000
#: For all hosts together, memberships in groups included: enough for a thousand hosts with a thousand values each.
VALUES_LIMIT = 1_000_000

_MERGED = frozenset({"app", "apps", "policy", "contacts"})
_SUFFIXES = ("", ".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Targets:
    """What an inventory holds.

    Args:
        hosts: One for each machine and application, in the file's order.
        groups: The machines of every group, those of its children included.
    """

    hosts: tuple[Host, ...]
    groups: Mapping[str, frozenset[str]]


def read_targets(source: str, problems: Problems) -> Targets:
    """Read an inventory with the ``group_vars/`` and ``host_vars/`` beside it; mistakes are added to *problems*.

    Raises:
        ConfigError: Of the class that *problems* raises; not even its groups can be read.
    """
    return _Tree(source, problems).targets()


def read_variables(path: Path, problems: Problems) -> dict[str, Node]:
    """Read a file of variables, or those of a folder, merged by name; mistakes are added to *problems*.

    Raises:
        ConfigError: Of the class that *problems* raises; one of them cannot be read.
    """
    if not is_folder(path):
        text = read_text(path, problems)
        if all(line.strip() == "" or line.lstrip().startswith("#") for line in text.splitlines()):
            return {}  # a group may have none yet
        node = compose(text, str(path), problems)
        if node.value is not None and not isinstance(node.value, dict):
            problems.add(node.origin, f"variables are a mapping of names to values, not {shown(node.plain)}")
        return node.entries
    try:
        names = names_in(path)
    except OSError as error:
        raise problems.stop(Origin(str(path), 1), f"cannot be read: {error.strerror}") from None
    files = [path / name for name in names if name.endswith(_SUFFIXES[1:]) and name[0] not in ".~"]
    return _merge([read_variables(file, problems) for file in files if not is_folder(file)])


@dataclass
class _Group:
    name: str
    variables: dict[str, Node] = field(default_factory=dict)
    hosts: dict[str, None] = field(default_factory=dict)
    children: dict[str, Origin] = field(default_factory=dict)
    depth: int = 0


class _Tree:
    """The groups and hosts of one file while it is read."""

    def __init__(self, source: str, problems: Problems) -> None:
        self._source = source
        self._problems = problems
        self._folder = Path(source).parent
        self._groups: dict[str, _Group] = {"all": _Group("all")}
        self._hosts: dict[str, dict[str, Node]] = {}
        self._host_origins: dict[str, Origin] = {}
        self._listings: dict[str, frozenset[str]] = {}
        self._is_whole = True
        self._spent = 0
        self._source_origin = Origin(source, 1)

    def targets(self) -> Targets:
        if is_folder(self._source):
            raise self._problems.stop(self._source_origin, "this is a folder: name the inventory file in it")
        text = read_text(self._source, self._problems)
        if found := ini_inventory(text, self._source):
            raise self._problems.stop(*found)
        root = compose(text, self._source, self._problems)
        if found := foreign_inventory(root):
            raise self._problems.stop(*found)
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
        own_files = {name: self._files("host_vars", name) for name in self._hosts}
        if not self._is_whole:
            return Targets((), frozen(members))  # what a host is without its variables cannot be judged
        groups: dict[str, list[_Group]] = {name: [] for name in self._hosts}
        for group in order:
            for name in members[group.name]:
                groups[name].append(group)
        weights = {group.name: _weight(group.variables) + _weight(files[group.name]) for group in order}
        sizes = frozen({group: len(machines) for group, machines in members.items()})
        layers: dict[str, list[dict[str, Node]]] = {}
        for name, own in self._hosts.items():
            mine = groups[name]
            layers[name] = [*(group.variables for group in mine), *(files[group.name] for group in mine)]
            layers[name] += [own, own_files[name]]
            weight = sum(weights[group.name] for group in mine) + _weight(own) + _weight(own_files[name])
            apps = max(len(layer["apps"].entries) if "apps" in layer else 1 for layer in layers[name])
            self._spend(weight * apps, self._host_origins[name])  # what is said holds for each application
        hosts: list[Host] = []  # only now: all of them are known to be few enough
        for name in self._hosts:
            hosts += self._hosts_of(name, tuple(group.name for group in groups[name]), sizes, _merge(layers[name]))
            self._refuse_too_many(len(hosts), self._host_origins[name])
        if not self._hosts and not len(self._problems):
            self._problems.add(root.origin, "there is no host in this inventory")
        return Targets(tuple(self._together(hosts)), frozen(members))

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
                group.variables = _merge([group.variables, part.entries])
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
        self._spend(len(names) * (1 + len(node.entries)), origin)
        for name in names:
            if mistake := name_mistake(name):
                self._problems.add(origin, mistake)
                return
            group.hosts[name] = None
            self._hosts[name] = _merge([self._hosts.get(name, {}), node.entries])
            self._host_origins.setdefault(name, origin)
        self._refuse_too_many(len(self._hosts), origin)

    def _nest(self, root: Node) -> None:
        """Hang groups without a parent below ``all``, and give each its depth: the longest way down to it."""
        below = {child for group in self._groups.values() for child in group.children}
        for name in self._groups:
            if name != "all" and name not in below:
                self._groups["all"].children.setdefault(name, root.keys.get(name, root.origin))
            if name in self._hosts:
                self._problems.add(self._host_origins[name], f"{name} is both a host and a group: rename one of them")
        try:
            found = depths({name: group.children for name, group in self._groups.items()})
        except Circular as error:
            *_, last, child = error.way
            raise self._problems.stop(self._groups[last].children[child], str(error)) from None
        for name, depth in found.items():
            self._groups[name].depth = depth

    def _members(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for group in sorted(self._groups.values(), key=lambda group: -group.depth):
            children = [found[child] for child in group.children if child in found]
            self._spend(len(group.hosts) + sum(map(len, children)), self._source_origin)
            found[group.name] = frozenset(group.hosts).union(*children)
        found["all"] = frozenset(self._hosts)
        return found

    def _refuse_too_many(self, hosts: int, origin: Origin) -> None:
        if hosts > HOSTS_LIMIT:
            raise self._problems.stop(origin, f"more than {HOSTS_LIMIT} hosts in one inventory: split it")

    def _spend(self, values: int, origin: Origin) -> None:
        """Count what is held about hosts, so that a small file of ranges and groups cannot ask for endless work."""
        self._spent += values
        if self._spent > VALUES_LIMIT:
            raise self._problems.stop(origin, f"more than {VALUES_LIMIT} values for all hosts together: split it")

    def _priority(self, group: _Group) -> int:
        node = group.variables.get("ansible_group_priority")
        return node.value if node is not None and isinstance(node.value, int) else 1

    def _files(self, folder: str, name: str) -> dict[str, Node]:
        """Read ``FOLDER/NAME``, ``NAME.yml`` or ``NAME.yaml``."""
        names = [found for suffix in _SUFFIXES if (found := f"{name}{suffix}") in self._listed(folder)]
        places = [self._folder / folder / found for found in names]
        if len(places) > 1:
            self._problems.add(Origin(str(places[1]), 1), f"{places[0]} is there as well: keep one of the two")
        if not places:
            return {}
        try:
            return read_variables(places[0], self._problems)
        except ConfigError:  # among the problems already, as those of the other files will be
            self._is_whole = False
            return {}

    def _listed(self, folder: str) -> frozenset[str]:
        """Return the names in ``group_vars`` or ``host_vars``; none where there is no such folder."""
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(names_in(self._folder / folder))
            except FileNotFoundError:
                self._listings[folder] = frozenset()
            except OSError as error:
                place = Origin(str(self._folder / folder), 1)
                raise self._problems.stop(place, f"cannot be read: {error.strerror}") from None
        return self._listings[folder]

    def _hosts_of(
        self, name: str, groups: tuple[str, ...], sizes: Mapping[str, int], variables: dict[str, Node]
    ) -> Iterator[Host]:
        before = len(self._problems)
        for section in SECTIONS:
            if section in variables:
                self._refuse_templates(variables[section], section)
        if len(self._problems) > before:
            return  # what a template would become cannot be judged
        connection = read_connection(name, variables, self._folder, self._problems)
        policy = read_policy(variables, self._problems)
        contacts = read_contacts(variables, self._problems)
        refuse_misspelt_sections(variables, self._problems)
        apps = read_apps(variables, self._folder, self._problems)
        free = frozen({key: _veiled(key, node.plain) for key, node in variables.items() if not _is_own(key)})
        for app_name, app in apps.items() or [("", frozen({}))]:
            yield Host(
                name=f"{name}/{app_name}" if len(apps) > 1 else name,
                connection=connection,
                groups=groups,
                group_sizes=sizes,
                variables=free,
                app=app,
                app_name=app_name,
                policy=policy,
                contacts=contacts,
                origins=frozen(dict(_origins(variables, app_name))),
            )

    def _together(self, hosts: list[Host]) -> Iterator[Host]:
        """Yield the hosts, each with what it knows of the others; no two of them are one machine."""
        neighbours = tuple(dict.fromkeys(host.connection.address for host in hosts))
        first: dict[str, str] = {}
        for host in {host.machine: host for host in hosts}.values():
            known = host.connection.machine_id
            if known is not None and (other := first.setdefault(known, host.machine)) != host.machine:
                self._problems.add(
                    host.origins["machine_id"], f"{other} and {host.machine} have the same machine_id: each has its own"
                )
        yield from (replace(host, neighbours=neighbours, given=Given(inventory=self._source)) for host in hosts)

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
    if looks_secret(key, value):
        return Secret(str(value))
    return [_veiled(key, item) for item in value] if isinstance(value, list) else value


def _weight(variables: Mapping[str, Node]) -> int:
    """Return how many values variables hold, however deep."""
    return sum(1 + _weight(node.entries) + _weight_of_list(node) for node in variables.values())


def _weight_of_list(node: Node) -> int:
    items = node.value if isinstance(node.value, list) else []
    return sum(1 + _weight(item.entries) + _weight_of_list(item) for item in items)


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


def _origins(variables: Mapping[str, Node], app_name: str) -> Iterator[tuple[str, Origin]]:
    for key, node in variables.items():
        if key == "apps":
            yield from _leaves("app", node.entries.get(app_name, node))
        else:
            yield from _leaves(key, node)


def _leaves(path: str, node: Node) -> Iterator[tuple[str, Origin]]:
    if path == "policy.unattended":  # what is looked for there is where a scenario was named, not what it may do
        yield from ((f"{path}.{key}", origin) for key, origin in node.keys.items())
    elif isinstance(node.value, dict) and node.value:
        for key, child in node.value.items():
            yield from _leaves(f"{path}.{key}", child)
    else:
        yield path, node.origin
