"""YAML into values: inventories, playbooks and what a person sets, each checked as a whole before a host is touched.

The door to the modules that do it: :mod:`~soleil_remediate.loading.documents` reads YAML strictly,
:mod:`~soleil_remediate.loading.inventory` and :mod:`~soleil_remediate.loading.playbooks` make hosts and scenarios of
it, :mod:`~soleil_remediate.loading.binding` brings the two together.
"""

from __future__ import annotations

from soleil_remediate.loading.binding import (
    NotBound,
    NotMeant,
    as_given,
    bind,
    bind_all,
    bind_peers,
    bind_routine,
    meant_by,
    not_meant,
    parse_inputs,
    unbound,
)
from soleil_remediate.loading.documents import Problem
from soleil_remediate.loading.inventory import (
    Explained,
    Inventory,
    ad_hoc_host,
    load_inventory,
    with_application,
    with_playbooks,
)
from soleil_remediate.loading.linting import lint, misfits
from soleil_remediate.loading.playbooks import load_scenarios, shipped_playbooks
from soleil_remediate.loading.policies import check_policy
from soleil_remediate.loading.reaching import check_local_files
from soleil_remediate.loading.routines import load_routines
from soleil_remediate.loading.scenarios import Scenarios

__all__ = [
    "Explained",
    "Inventory",
    "NotBound",
    "NotMeant",
    "Problem",
    "Scenarios",
    "ad_hoc_host",
    "as_given",
    "bind",
    "bind_all",
    "bind_peers",
    "bind_routine",
    "check_local_files",
    "check_policy",
    "lint",
    "load_inventory",
    "load_routines",
    "load_scenarios",
    "meant_by",
    "misfits",
    "not_meant",
    "parse_inputs",
    "shipped_playbooks",
    "unbound",
    "with_application",
    "with_playbooks",
]
