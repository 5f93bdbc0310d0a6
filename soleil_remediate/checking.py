"""Routines: what is looked at every day, week or month, so that the runbook's page is opened before anybody suffers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.checked import Checked
from soleil_remediate.clock import Clock, SystemClock
from soleil_remediate.command import Reader
from soleil_remediate.decisions import judge
from soleil_remediate.errors import UnknownName
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.loading import (
    NotMeant,
    ad_hoc_host,
    bind_routine,
    check_local_files,
    load_inventory,
    load_routines,
    meant_by,
    parse_inputs,
    shipped_playbooks,
)
from soleil_remediate.look import look
from soleil_remediate.scenario import LeftOut, Routine
from soleil_remediate.task import Check
from soleil_remediate.transports import Session, Transport
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits


def check(  # noqa: PLR0913  # all by name, and all but two have a default
    *,
    routine: str,
    hosts: str,
    inventory: str | Path | None = None,
    inputs: Mapping[str, str] | None = None,
    playbooks: Iterable[str | Path] = (),
    all_hosts: bool = False,
    catalog: Catalog | None = None,
    transport: Transport | None = None,
) -> tuple[Checked, ...]:
    """Look at what a routine looks at on hosts, all at once. Changes nothing and takes no lock.

    Args:
        routine: Its name, such as ``daily``.
        hosts: A pattern of the inventory; without one a single ``user@name:port`` or ssh alias.
        inventory: The inventory's file.
        inputs: What ``--set`` would give.
        playbooks: Folders of playbooks besides the shipped ones; routines stand in their folders ``routines``.
        all_hosts: Whether a pattern may mean every host of the inventory.
        catalog: The kinds that routines may use; the built-in and the installed ones unless given.
        transport: The way to the hosts; unless given, the one that each of them names, which is SSH unless it does.

    Returns:
        One for each host, in their order.

    Raises:
        ConfigError: Something of it is wrong; no host was asked anything.
    """
    catalog = catalog or load_catalog()
    known = load_routines([shipped_playbooks(), *playbooks], catalog)
    if routine not in known:
        raise UnknownName("routine", routine, known)
    loaded = None if inventory is None else load_inventory(inventory)
    chosen = (ad_hoc_host(hosts),) if loaded is None else loaded.select(hosts, all_hosts=all_hosts)
    if transport is None:  # no other needs keys
        check_local_files(chosen)
    return check_hosts(
        known[routine],
        chosen,
        [f"{name}={value}" for name, value in (inputs or {}).items()],
        catalog=catalog,
        transport=transport or EachItsWay(),
        select=None if loaded is None else loaded.meant_by,
    )


def check_hosts(
    routine: Routine,
    hosts: Sequence[Host],
    given: Iterable[str],
    *,
    catalog: Catalog,
    transport: Transport,
    select: Callable[[str], Iterable[Host]] | None = None,
    clock: Clock | None = None,
) -> tuple[Checked, ...]:
    """Look at hosts, as :func:`check` does.

    Args:
        routine: What is looked at.
        hosts: Which.
        given: Inputs, each ``NAME=VALUE``.
        catalog: The one that the routine was loaded with.
        transport: The way to the hosts.
        select: Returns the hosts of the inventory that a pattern names; ``None`` where there is no inventory.
        clock: This machine's, unless another is handed in.

    Raises:
        NotMeant: The routine is not for some of the hosts; no host was asked anything.
        ConfigError: It cannot be bound to one of them; likewise.
    """
    clock = clock or SystemClock()
    if select is not None:
        meant = {host.name for host in meant_by(routine, select)}
        if strangers := [host.name for host in hosts if host.listed_name not in meant]:
            raise NotMeant(routine, strangers)
    inputs = parse_inputs(routine, given)
    bound = {host.name: bind_routine(routine, host, inputs, catalog) for host in hosts}
    visits = Visits(transport, clock)
    return visits.each(hosts, lambda host: _of_host(host, *bound[host.name], visits, clock))


def _of_host(
    host: Host, checks: tuple[Check[Any], ...], left_out: tuple[LeftOut, ...], visits: Visits, clock: Clock
) -> Checked:
    def ask(session: Session, _: Duration) -> Checked:
        reader, began = Reader(), clock.monotonic()
        results = look([one.read(reader) for one in checks], session.ask)
        return Checked(
            host=host,
            checks=tuple(judge(one, result) for one, result in zip(checks, results, strict=True)),
            left_out=left_out,
            login=session.access.login,
            limits=session.access.why_not,
            looked_in=Duration(clock.monotonic() - began),
            round_trips=session.round_trips,
        )

    if not checks:
        return Checked(host=host, left_out=left_out)
    seen = visits.visit(host, ask)
    return Checked(host=host, end=seen) if isinstance(seen, NotReached | Crashed) else seen
