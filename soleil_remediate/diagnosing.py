"""Which scenarios a host has, the cause before what it explains: every symptom is looked at in one session."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from soleil_remediate.allowed import Allowed
from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.clock import Clock, SystemClock
from soleil_remediate.command import Read, Reader
from soleil_remediate.decisions import judge, uses_of
from soleil_remediate.discovering import discover
from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.findings import Diagnosis, Finding, Unbound, ranked
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.loading import (
    NotBound,
    Scenarios,
    ad_hoc_host,
    bind,
    check_local_files,
    load_inventory,
    load_scenarios,
    not_meant,
    parse_inputs,
    shipped_playbooks,
    with_playbooks,
)
from soleil_remediate.look import AskBatch, look
from soleil_remediate.scenario import Case, Scenario
from soleil_remediate.seeing import preview_of, reads_of, seen_by
from soleil_remediate.transports import Session, Transport
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits


def diagnose(
    *,
    hosts: str,
    inventory: str | Path | None = None,
    playbooks: Iterable[str | Path] = (),
    all_hosts: bool = False,
    catalog: Catalog | None = None,
    transport: Transport | None = None,
) -> tuple[Diagnosis, ...]:
    """Look for every scenario on hosts, all at once. Changes nothing and takes no lock.

    Args:
        hosts: A pattern of the inventory; without one a single ``user@name:port`` or ssh alias, on which the one
            application that nginx serves is found out first.
        inventory: The inventory's file.
        playbooks: Files and folders of playbooks besides the shipped ones.
        all_hosts: Whether a pattern may mean every host of the inventory.
        catalog: The kinds that playbooks may use; the built-in and the installed ones unless given.
        transport: The way to the hosts; unless given, the one that each of them names, which is SSH unless it does.

    Returns:
        One for each host, in their order.

    Raises:
        ConfigError: Something of it is wrong; no host was asked anything.
    """
    catalog, playbooks = catalog or load_catalog(), tuple(playbooks)
    scenarios = load_scenarios([shipped_playbooks(), *playbooks], catalog)
    loaded = None if inventory is None else load_inventory(inventory)
    chosen = (ad_hoc_host(hosts),) if loaded is None else loaded.select(hosts, all_hosts=all_hosts)
    chosen = with_playbooks(chosen, playbooks)
    if transport is None:  # no other needs keys
        check_local_files(chosen)
    return look_for(
        scenarios,
        chosen,
        catalog=catalog,
        transport=transport or EachItsWay(),
        select=None if loaded is None else loaded.meant_by,
    )


def look_for(
    scenarios: Scenarios,
    hosts: Sequence[Host],
    *,
    catalog: Catalog,
    transport: Transport,
    select: Callable[[str], Iterable[Host]] | None = None,
    clock: Clock | None = None,
) -> tuple[Diagnosis, ...]:
    """Look for scenarios on hosts, as :func:`diagnose` does.

    Args:
        scenarios: Each with its inputs' defaults.
        hosts: Which.
        catalog: The one that the scenarios were loaded with.
        transport: The way to the hosts.
        select: Returns the hosts of the inventory that a pattern names; ``None`` where there is no inventory.
        clock: This machine's, unless another is handed in.
    """
    clock = clock or SystemClock()
    visits = Visits(transport, clock)
    return visits.each(hosts, lambda host: _of_host(host, scenarios, catalog, visits, select, clock))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """What is to be looked for on a host, and what is known of the diagnosis before that."""

    cases: tuple[Case, ...]
    diagnosis: Diagnosis


def _of_host(
    host: Host,
    scenarios: Scenarios,
    catalog: Catalog,
    visits: Visits,
    select: Callable[[str], Iterable[Host]] | None,
    clock: Clock,
) -> Diagnosis:
    given = _meant(host, scenarios, catalog, select)
    if host.is_listed and not given.cases:
        return given.diagnosis

    def act(session: Session, within: Duration) -> Diagnosis:
        meant = given
        ask: AskBatch = session.ask
        if not host.is_listed:
            there = discover(host, session)
            meant, ask = _meant(there.host, scenarios, catalog, select), there.ask
            meant = replace(meant, diagnosis=replace(meant.diagnosis, found=there.host.found, not_found=there.why_not))
        if not meant.cases:
            return meant.diagnosis
        found = _look(meant.cases, session, ask, clock, within)
        return replace(meant.diagnosis, findings=ranked(found, scenarios))

    found = visits.visit(host, act)
    return Diagnosis(host=host, end=found) if isinstance(found, NotReached | Crashed) else found


def _meant(
    host: Host, scenarios: Scenarios, catalog: Catalog, select: Callable[[str], Iterable[Host]] | None
) -> _Meant:
    cases: list[Case] = []
    unbound: list[Unbound] = []
    left_out: list[tuple[str, str]] = []
    for scenario in scenarios.values():
        try:
            cases.append(_bound(scenario, host, catalog, select))
        except NotBound as error:
            unbound.append(Unbound(scenario=scenario.name, why=error.mistake, missing=error.missing))
        except ConfigError as error:
            left_out.append((scenario.name, str(error)))
    diagnosis = Diagnosis(host=host, unbound=tuple(unbound), left_out=tuple(left_out))
    return _Meant(cases=tuple(cases), diagnosis=diagnosis)


def _bound(scenario: Scenario, host: Host, catalog: Catalog, select: Callable[[str], Iterable[Host]] | None) -> Case:
    """Return a scenario bound to a host, with nothing but defaults.

    Raises:
        NotBound: A value that it needs there is not given, or is wrong.
        ConfigError: It is not for that host, or not for a diagnosis.
    """
    if scenario.stages:
        raise ConfigError("it has stages, and is for a person who knows what is to follow what")
    try:
        is_meant = select is None or not not_meant(scenario, (host,), select)
    except UnknownName:
        raise ConfigError(f"it is for {scenario.hosts}, which the inventory has not") from None
    if not is_meant:
        raise ConfigError(f"it is for {scenario.hosts}")
    return bind(scenario, host, parse_inputs(scenario, ()), catalog)


def _look(
    cases: Sequence[Case], session: Session, ask: AskBatch, clock: Clock, connected_in: Duration
) -> list[Finding]:
    """Ask everything that all scenarios ask, each question once."""
    reader = Reader()
    reads: list[Read[Any]] = []
    ends: list[int] = []
    for case in cases:
        reads += [*reads_of(case), *(sign.read(reader) for sign in case.signs)]
        ends.append(len(reads))
    began, allowed = clock.monotonic(), Allowed()
    results = look(reads, ask)
    looked = []
    for case, start, end in zip(cases, [0, *ends], ends, strict=False):
        rest = end - len(case.signs)
        signs = tuple(judge(sign, one) for sign, one in zip(case.signs, results[rest:end], strict=True))
        looked.append((case, seen_by(case, results[start:rest]), signs))
    allowed.ask((use for case, seen, _ in looked for use in uses_of(case.steps, seen.steps)), session)
    looked_in = Duration(clock.monotonic() - began)
    return [
        Finding(
            scenario=case.scenario.name,
            preview=preview_of(case, seen, session, allowed, connected_in=connected_in, looked_in=looked_in),
            signs=signs,
        )
        for case, seen, signs in looked
    ]
