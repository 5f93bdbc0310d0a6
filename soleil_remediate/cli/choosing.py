"""Which hosts and which scenario a command is about."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from errno import ENOENT
from pathlib import Path
from typing import Any

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.cli.call import Call
from soleil_remediate.clock import SystemClock
from soleil_remediate.discovering import Unopened, find
from soleil_remediate.errors import ConfigError, UnknownName, Unreachable
from soleil_remediate.events import Called
from soleil_remediate.host import TRANSPORTS, Host, listed_name
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import (
    Inventory,
    NotBound,
    NotMeant,
    Scenarios,
    ad_hoc_host,
    as_given,
    bind,
    bind_all,
    bind_peers,
    check_local_files,
    check_policy,
    load_inventory,
    load_scenarios,
    not_meant,
    parse_inputs,
    shipped_playbooks,
)
from soleil_remediate.local_files import expanded, is_folder, names_in, shown_path, status_of
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case, Stage
from soleil_remediate.transports import Transport
from soleil_remediate.visiting import Visits

VARIABLE = "SOLEIL_INVENTORY"
_HOW_TO_NAME_ONE = (
    f"name one with --inventory FILE or ${VARIABLE}, or write it to ~/.config/soleil-remediate/inventory.yml"
)


def inventory_path(call: Call) -> Path | None:
    """Return the inventory: named, else ``$SOLEIL_INVENTORY``, else the program's own, else the user's, or ``None``.

    Nothing is picked up from the current folder. A folder stands for the one inventory in it; ``*.example.yml`` are
    none.

    Raises:
        ConfigError: A folder was named that holds several or none.
    """
    named = call.text("inventory") or os.environ.get(VARIABLE, "")
    if named:
        return _one_in(_existing("the inventory", named))
    if call.program.inventory is not None:
        return _one_in(call.program.inventory)
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if base.startswith("/") else expanded("~/.config")
    own = folder / "soleil-remediate" / "inventory.yml"
    return own if _is_there("your inventory", str(own)) else None


def _existing(what: str, text: str) -> Path:
    """Return a path that was given and can at least be looked at."""
    if not _is_there(what, text):
        raise ConfigError(f"{what} {shown_path(text)!a} cannot be read: {os.strerror(ENOENT)}")
    return Path(text)


def _is_there(what: str, text: str) -> bool:
    with _said_of(what, text):
        return status_of(text) is not None


def _one_in(path: Path) -> Path:
    if not is_folder(path):
        return path
    with _said_of("the inventory", str(path)):
        inside = [name for name in names_in(path) if name.endswith((".yml", ".yaml")) and name[0] not in ".~"]
    found = [name for name in inside if ".example" not in name and not is_folder(path / name)]
    if len(found) != 1:
        names = ", ".join(found) or "none"
        raise ConfigError(f"which inventory? {path} holds {names}: name one with --inventory or ${VARIABLE}")
    return path / found[0]


@contextmanager
def _said_of(what: str, text: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{what} {shown_path(text)!a} cannot be read: {error.strerror}") from None


def no_inventory() -> ConfigError:
    """Return what to say where an inventory is needed and there is none."""
    return ConfigError(f"there is no inventory: {_HOW_TO_NAME_ONE}. To look at a host without one: --host user@name")


def chosen_hosts(call: Call) -> tuple[tuple[Host, ...], Inventory | None]:
    """Return the hosts that ``--host`` names, reached as ``--transport`` says, and the inventory they stand in.

    ``user@name``, and any name where there is no inventory, is a host of its own that may only be read.

    Raises:
        ConfigError: Nothing was named, or what was named is not there.
    """
    hosts, inventory = _named_hosts(call)
    return _as_called(call, hosts), inventory


def every_host(call: Call) -> tuple[Host, ...]:
    """Return every host of the inventory, for what only asks; none where there is no inventory."""
    path = inventory_path(call)
    return () if path is None else _as_called(call, tuple(load_inventory(path).hosts))


def _as_called(call: Call, hosts: tuple[Host, ...]) -> tuple[Host, ...]:
    """Return hosts reached as ``--transport`` says, that know what the commands about them have to name."""
    way, playbooks = call.text("transport"), call.many("playbooks")
    if way and way not in TRANSPORTS:
        raise UnknownName("transport", way, TRANSPORTS)
    return tuple(
        replace(
            host,
            connection=replace(host.connection, transport=way or host.connection.transport),
            given=replace(host.given, transport=way, playbooks=playbooks),
        )
        for host in hosts
    )


def _named_hosts(call: Call) -> tuple[tuple[Host, ...], Inventory | None]:
    pattern = call.text("host")
    if "@" in pattern:
        return (ad_hoc_host(pattern),), None
    path = inventory_path(call)
    if path is None:
        if not pattern:
            raise no_inventory()
        try:
            return (ad_hoc_host(pattern),), None
        except ConfigError as error:
            raise ConfigError(f"{error}. No inventory is in use; {_HOW_TO_NAME_ONE}") from None
    inventory = load_inventory(path)
    if not pattern:
        if not call.has("all_hosts"):
            names = [host.name for host in inventory.hosts]
            known = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
            raise ConfigError(f"which host? Add --host; {path} has: {known}")
        pattern = "all"
    return inventory.select(pattern, all_hosts=call.has("all_hosts")), inventory


def playbook_folders(call: Call) -> list[Path]:
    """Return where playbooks are: those that are shipped, the program's own, and what ``--playbooks`` names.

    Raises:
        ConfigError: What is named cannot be looked at.
    """
    return [shipped_playbooks(), *more_playbooks(call)]


def more_playbooks(call: Call) -> list[Path]:
    """Return where playbooks are besides those that are shipped, as :func:`playbook_folders` does."""
    return [*call.program.playbooks, *(_existing("--playbooks", text) for text in call.many("playbooks"))]


def chosen_scenarios(call: Call) -> tuple[Scenarios, Catalog]:
    """Return every scenario there is, shipped and named by ``--playbooks``."""
    catalog = load_catalog()
    return load_scenarios(playbook_folders(call), catalog), catalog


def chosen_cases(call: Call, transport: Transport) -> tuple[tuple[Case, ...], Transport]:
    """Return the scenario bound to each chosen host, and the way to them; whatever is wrong is found here.

    A host that stands in no inventory is asked which application it serves, as for a diagnosis. Where it says nothing,
    the way back says so again: no host is waited for twice.

    Args:
        call: How it was called.
        transport: The way to the hosts.

    Raises:
        ConfigError: Something given, or something in a file, cannot be used; or the host serves no application, or
            several, and the scenario is about one.
    """
    name = call.text("scenario")
    scenarios, catalog = chosen_scenarios(call)
    if not name:
        raise ConfigError(f"which scenario? Add --scenario; there is: {', '.join(scenarios)}")
    try:
        scenario = scenarios.find(name)
    except UnknownName:
        if _is_host(call, name):
            known = ", ".join(scenarios)
            right = invocation(call, "SCENARIO").about(name).preview()
            raise ConfigError(f"{name} is a host and no scenario; there is: {known}. Write\n  {right}") from None
        raise
    inputs = parse_inputs(scenario, call.many("set"))
    hosts, inventory = chosen_hosts(call)
    check_policy(scenario, scenarios.names, hosts)
    check_local_files(hosts)
    if inventory is not None:
        try:
            return bind_all(scenario, hosts, inputs, catalog, inventory.meant_by), transport
        except NotMeant as error:
            if len(error.strangers) == len(hosts):
                raise
            left = invocation(call, scenario.name).without(error.strangers)
            right = left.preview() if call.verb == "preview" or call.has("dry_run") else left.remediate()
            raise ConfigError(f"{error}. No host was looked at; without what it is not for:\n  {right}") from None
    visits = Visits(transport, SystemClock())
    try:
        (there,) = visits.each(hosts, lambda host: find(host, visits))
    except (Unreachable, ConfigError) as error:
        nothing_known = Case(
            scenario=replace(scenario, stages=()),
            host=hosts[0],
            inputs=inputs,
            healthy_when=(),
            goal=(),
            evidence=(),
            steps=(),
        )
        return (nothing_known,), Unopened(error=error)
    try:
        return bind_all(scenario, [there.host], inputs, catalog, None), transport
    except NotBound as error:
        if not there.why_not:
            raise
        raise ConfigError(f"{there.why_not}. {error}") from None


def peers_of(call: Call, cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return the scenario bound to the hosts that are looked at as well, to be counted for ``unhealthy_limit``.

    Raises:
        ConfigError: One of them cannot be looked at as the inventory has it.
    """
    path = inventory_path(call)
    if path is None or all(case.host.policy.unhealthy_limit is None for case in cases):
        return ()
    scenario, inputs, catalog = cases[0].scenario, cases[0].inputs, load_catalog()
    inventory = load_inventory(path)
    own = [inventory.host(name) for name in dict.fromkeys(case.host.listed_name for case in cases)]
    hosts = _as_called(call, inventory.peers(own, scenario.hosts))  # one that cannot be reached only counts as ill
    return bind_peers(scenario, hosts, inputs, catalog, inventory.meant_by)


def recorded_hosts(call: Call, names: Sequence[str]) -> tuple[tuple[Host, ...], tuple[str, ...]]:
    """Return the hosts of an earlier run, each in its stage, and the names of those that are not in the inventory.

    Args:
        call: How it was called.
        names: Which, as its record has them; one in a stage as ``web1#restart``.

    Raises:
        ConfigError: There is no inventory, or it cannot be used.
    """
    path = inventory_path(call)
    if path is None:
        raise no_inventory()
    known = {host.name: host for host in load_inventory(path).hosts}
    found = (replace(known[listed_name(name)], name=name) for name in names if listed_name(name) in known)
    return _as_called(call, tuple(found)), tuple(name for name in names if listed_name(name) not in known)


def bound_cases(call: Call, hosts: Sequence[Host], recorded: Mapping[str, Any]) -> tuple[Case, ...]:
    """Return the scenario of an earlier run bound to some of its hosts, with the inputs that its record has.

    Args:
        call: How it was called.
        hosts: Which, in the run's order, each in its stage.
        recorded: The inputs.

    Raises:
        ConfigError: The playbook has no such scenario, stage or input, or what it needs is not given for one of them.
    """
    scenarios, catalog = chosen_scenarios(call)
    scenario = scenarios.find(call.text("scenario"))
    inputs = parse_inputs(scenario, as_given(scenario, recorded))
    check_policy(scenario, scenarios.names, hosts)
    check_local_files(hosts)
    stages: dict[str, Stage | None] = {stage.name: stage for stage in scenario.stages}
    if not stages:
        stages[""] = None
    bound = []
    for host in hosts:
        if host.stage not in stages:
            about = f"has no stage {host.stage}" if host.stage else "has stages now"
            raise ConfigError(
                f"{scenario.origin}: {scenario.name} {about}, unlike when that run began: name the playbook as it was "
                "then with --playbooks"
            )
        bound.append(bind(scenario, host, inputs, catalog, stages[host.stage]))
    return tuple(bound)


def other_hosts(call: Call, cases: Sequence[Case]) -> Mapping[str, str]:
    """Return those of an earlier run's hosts that its scenario, or their stage, is not for any more, and why.

    Raises:
        ConfigError: There is no inventory, or it cannot be used, or has not what the scenario is for.
    """
    path = inventory_path(call)
    if path is None:
        raise no_inventory()
    scenario, hosts = cases[0].scenario, {case.host.name: case.host for case in cases}
    found = {}
    for name, pattern in not_meant(scenario, hosts.values(), load_inventory(path).meant_by).items():
        host = hosts[name]
        what = f"stage {host.stage} of {scenario.name}" if host.stage else scenario.name
        found[name] = (
            f"{what} is for {pattern}, and {host.listed_name} is not among them, unlike when that run began. To go on "
            "there, name the playbook or the inventory as it was then"
        )
    return found


def called(call: Call, *, resumes: str = "") -> Called:
    """Return what a record keeps of a call, so that somebody can go on with it from another folder."""
    path = inventory_path(call) if "@" not in call.text("host") else None
    folders = [*call.program.playbooks, *map(Path, call.many("playbooks"))]
    return Called(
        inventory="" if path is None else str(path.absolute()),
        unlisted=call.text("host") if path is None else "",
        playbooks=tuple(str(folder.absolute()) for folder in folders),
        transport=call.text("transport"),
        resumes=resumes,
    )


def chosen_rollout(call: Call) -> Rollout:
    """Return how the changes spread over the hosts.

    Raises:
        ConfigError: ``--serial``, ``--max-fail`` or ``--forks`` cannot be used.
    """
    return Rollout.parse(serial=call.text("serial"), max_fail=call.text("max_fail"), forks=call.text("forks"))


def _is_host(call: Call, name: str) -> bool:
    """Whether the inventory has hosts by a name that was given for something else."""
    with suppress(ConfigError):
        path = inventory_path(call)
        return path is not None and not call.text("host") and bool(load_inventory(path).select(name))
    return False


def invocation(call: Call, scenario: str) -> Invocation:
    """Return how this program was called, for the commands that it prints."""
    return Invocation(
        program=call.program.name,
        scenario=scenario,
        hosts=call.text("host") or "all",
        inventory=call.text("inventory"),
        transport=call.text("transport"),
        playbooks=call.many("playbooks"),
        inputs=call.many("set"),
        has_all_hosts=call.has("all_hosts"),
        serial=call.text("serial"),
        max_fail=call.text("max_fail"),
        forks=call.text("forks"),
    )
