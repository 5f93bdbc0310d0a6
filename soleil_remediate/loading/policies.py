"""Policy and contacts of an inventory: read into values, and their names held against those that playbooks have.

An inventory is read without any playbook, and may speak of scenarios whose playbooks are not at hand in this call: so
reading it refuses no such name. :func:`check_names` tells of each, for ``lint``, which is given the playbooks.
:func:`check_policy` is for a run, and refuses only what may have been meant for its own scenario: a ceiling under a
misspelt name would be none, and whoever relied on it would learn so at night. Any other name is none of a run's
business, and keeps nobody from repairing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated

from pydantic import AfterValidator, Field

from soleil_remediate.errors import InventoryError, nearest
from soleil_remediate.host import Host, Mode, Policy
from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.validation import Prose, Section, frozen, read_model, shown
from soleil_remediate.plan import Risk
from soleil_remediate.scenario import Scenario
from soleil_remediate.units import ByteSize, Percent

#: As like as this are names of which one is a slip of the hand: disk-full and disk-fu, not disk-full and disk-slow.
_SLIP = 0.8


def _some_share(share: Percent | None) -> Percent:
    if share is None:  # whoever left the value out has not lifted what a group says
        raise ValueError("must be a share such as 50 %, not nothing: leave the line out to have no limit of its own")
    if share <= 0:
        raise ValueError("must be more than 0 %: to allow no change at all, write mode: observe")
    return share


class PolicySection(Section):
    """What may stand under ``policy``, and what holds where a line is left out."""

    environment: Prose = "production"
    mode: Mode = Mode.ACT
    unattended: dict[str, Risk] = Field(default_factory=dict)
    evidence_limit: ByteSize = Policy().evidence_limit
    change_limit: Annotated[Percent | None, AfterValidator(_some_share)] = None
    unhealthy_limit: Annotated[Percent | None, AfterValidator(_some_share)] = None


class _Contacts(Section):
    contacts: dict[str, Prose]


def read_policy(variables: Mapping[str, Node], problems: Problems) -> Policy:
    """Return what may happen on the host; without a policy the strictest defaults."""
    if "policy" not in variables:
        return Policy()
    read = read_model(variables["policy"], PolicySection, problems, path="policy")
    if read is None:
        return Policy()
    return Policy(
        environment=read.environment,
        mode=read.mode,
        unattended=frozen(read.unattended),
        evidence_limit=read.evidence_limit,
        change_limit=read.change_limit,
        unhealthy_limit=read.unhealthy_limit,
    )


def read_contacts(variables: Mapping[str, Node], problems: Problems) -> Mapping[str, str]:
    """Return whom to call, by name."""
    if "contacts" not in variables:
        return frozen({})  # type: ignore[no-any-return]  # a mapping stays one
    node = variables["contacts"]
    read = read_model(Node({"contacts": node}, node.origin), _Contacts, problems)
    return frozen(read.contacts if read else {})  # type: ignore[no-any-return]  # a mapping stays one


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What playbooks have that inventories name.

    Args:
        scenarios: The scenario of each name and alias.
        contacts: Whom scenarios call.
    """

    scenarios: Mapping[str, str]
    contacts: frozenset[str]


def check_names(hosts: Iterable[Host], known: KnownNames, problems: Problems) -> None:
    """Note every name in a policy that no scenario has, and every contact that is like one that scenarios call.

    Contacts are no closed set: one that is like none that is missing may be anybody.
    """
    for host in hosts:
        for name in host.policy.unattended:
            origin = host.origins[f"policy.unattended.{name}"]
            if name not in known.scenarios:
                near = nearest(name, known.scenarios)
                problems.add(
                    origin, _unknown(name, near) if near else f"{_unknown(name)}: is its playbook among --playbooks?"
                )
            elif (meant := known.scenarios[name]) != name:
                problems.add(origin, _alias(name, meant))
        missing = sorted(known.contacts - host.contacts.keys())
        for name in host.contacts.keys() - known.contacts:
            if like := get_close_matches(name.lower()[:200], missing, n=1, cutoff=_SLIP):
                problems.add(
                    host.origins[f"contacts.{name}"],
                    f"no scenario calls the contact {shown(name)}: did you mean {like[0]!r}?",
                )


def check_policy(scenario: Scenario, names: Mapping[str, str], hosts: Iterable[Host]) -> None:
    """Refuse a policy that has something else for *scenario* than its name.

    Args:
        scenario: The one of the run.
        names: The scenario of each name and alias that is known in this call.
        hosts: Those of the run.

    Raises:
        InventoryError: It is an alias, or the name of no scenario, like that of this one, and nothing stands under the
            right name.
    """
    own = (scenario.name, *scenario.aliases)
    for host in hosts:
        unattended = host.policy.unattended
        for name in unattended:
            where = str(host.origins.get(f"policy.unattended.{name}", host.name))
            if name in scenario.aliases:
                raise InventoryError(f"{where}: {_alias(name, scenario.name)}")
            is_other = name in names or scenario.name in unattended
            if not is_other and (near := get_close_matches(name.lower()[:200], own, n=1, cutoff=_SLIP)):
                raise InventoryError(f"{where}: {_unknown(name, near[0])}")


def _unknown(name: str, near: str = "") -> str:
    hint = f": did you mean {near!r}?" if near else ""
    return f"unknown scenario in policy.unattended {shown(name)}{hint}"


def _alias(name: str, meant: str) -> str:
    return f"policy.unattended has {name!r}, an alias, which counts for nothing: write {meant!r}"
