"""The door for scripts and for the command line: name a scenario and hosts, preview them, remedy them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from soleil_remediate import fleet
from soleil_remediate.catalog import Catalog, load_catalog
from soleil_remediate.events import Called
from soleil_remediate.freezing import Brake, Switch, released
from soleil_remediate.gates import Gate
from soleil_remediate.inbox import Listener, ignore
from soleil_remediate.loading import (
    ad_hoc_host,
    bind_all,
    bind_peers,
    check_local_files,
    check_policy,
    load_inventory,
    load_scenarios,
    parse_inputs,
    shipped_playbooks,
    with_playbooks,
)
from soleil_remediate.record import Runs
from soleil_remediate.report import RunReport
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case
from soleil_remediate.state import state_folder
from soleil_remediate.transports import Transport
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Remediation:
    """One scenario, bound to every host it is for: all that can be wrong without asking a host has been found.

    Args:
        cases: One for each host, and where the scenario has stages, for each host in each stage.
        transport: The way to them.
        brake: Raises Frozen where nothing may be sent to them; it holds nothing back where they have no inventory.
        peers: One for each host that is looked at as well, to be counted for a policy's ``unhealthy_limit``.
        called: Goes into the record of a run, so that ``resume`` finds what it was about.
    """

    cases: tuple[Case, ...]
    transport: Transport
    brake: Brake = released
    peers: tuple[Case, ...] = ()
    called: Called = field(default_factory=Called)

    def preview(self, *, rollout: Rollout | None = None, listener: Listener = ignore) -> RunReport:
        """Look at every host at once and say what would be done. Changes nothing and keeps no record."""
        return fleet.preview(self.cases, transport=self.transport, peers=self.peers, rollout=rollout, listener=listener)

    def remediate(
        self,
        *,
        gate: Gate,
        runs: Runs | None = None,
        rollout: Rollout | None = None,
        listener: Listener = ignore,
        watch: Duration | None = None,
    ) -> RunReport:
        """Look, ask the gate once, change batch after batch, and prove what became of each host.

        Args:
            gate: Decides what may be sent.
            runs: Where the record is kept; this user's own place unless given.
            rollout: How the changes spread; one host after another, until the first that fails, unless given.
            listener: Told every event, in this thread.
            watch: So long the hosts that ended well are looked at again afterwards, every so often, and what the last
                look says counts: one that is at fault again ends not fixed, and nothing more is sent to it.

        Raises:
            ValueError: *watch* is too short or too long: no host was even looked at.
            Frozen: Somebody froze the inventory: no host was even looked at.
            RecordNotWritten: No record could be begun, so no host was even looked at.
        """
        runs = runs or Runs(state_folder())
        return fleet.remediate(
            self.cases,
            transport=self.transport,
            gate=gate,
            runs=runs,
            peers=self.peers,
            rollout=rollout,
            listener=listener,
            brake=self.brake,
            called=self.called,
            watch=watch,
        )


def open_remediation(  # noqa: PLR0913  # the one call that says what is meant; all but two have a default
    *,
    scenario: str,
    hosts: str,
    inventory: str | Path | None = None,
    inputs: Mapping[str, str] | None = None,
    playbooks: Iterable[str | Path] = (),
    all_hosts: bool = False,
    catalog: Catalog | None = None,
    transport: Transport | None = None,
) -> Remediation:
    """Bind a scenario to hosts. Touches no host.

    Args:
        scenario: Its name or one of its aliases.
        hosts: A pattern of the inventory; without one a single ``user@name:port`` or ssh alias, which may only be read.
        inventory: The inventory's file.
        inputs: What ``--set`` would give, as text.
        playbooks: Files and folders of playbooks besides the shipped ones.
        all_hosts: Whether a pattern may mean every host of the inventory.
        catalog: The kinds that playbooks may use; the built-in and the installed ones unless given.
        transport: The way to the hosts; unless given, the one that each of them names, which is SSH unless it does.

    Raises:
        ConfigError: Something of it is wrong; the message says where and what to write instead.
    """
    catalog, playbooks = catalog or load_catalog(), tuple(playbooks)
    scenarios = load_scenarios([shipped_playbooks(), *playbooks], catalog)
    found = scenarios.find(scenario)
    values = parse_inputs(found, [f"{name}={value}" for name, value in (inputs or {}).items()])
    loaded = None if inventory is None else load_inventory(inventory)
    chosen = (ad_hoc_host(hosts),) if loaded is None else loaded.select(hosts, all_hosts=all_hosts)
    chosen = with_playbooks(chosen, playbooks)
    peers = () if loaded is None else loaded.peers(chosen, found.hosts)
    select = None if loaded is None else loaded.meant_by
    check_policy(found, scenarios.names, chosen)
    transport = transport or EachItsWay()
    if isinstance(transport, EachItsWay | SshTransport):  # no other needs keys
        check_local_files(chosen)  # a peer that cannot be reached only counts as ill
    return Remediation(
        cases=bind_all(found, chosen, values, catalog, select),
        peers=bind_peers(found, peers, values, catalog, select),
        transport=transport,
        brake=released if inventory is None else Switch(inventory=Path(inventory)).check,
        called=Called(
            inventory="" if inventory is None else str(Path(inventory).absolute()),
            unlisted=hosts if inventory is None else "",
            playbooks=tuple(str(Path(place).absolute()) for place in playbooks),
        ),
    )
