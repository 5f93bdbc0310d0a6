"""Shares of a group: how much of it one run may change, when so much of it is ill that a person must look, and when it
would be divided.

Values in, values out. A host counts in every group that it stands in; ``all`` counts only for hosts in no other. What
is counted are machines: the applications on one count once. A share is rounded down, and never less than one host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from soleil_remediate.host import Host
from soleil_remediate.units import Percent

#: So many hosts are called by name where they are told.
_NAMED = 5


def groups_of(host: Host) -> tuple[str, ...]:
    """Return the groups in which a host counts."""
    return tuple(group for group in host.groups if group != "all") or host.groups


def excess(to_change: Sequence[Host]) -> str:
    """Return why a policy's ``change_limit`` lets not all of these hosts be changed in one run; empty where it does."""
    machines = _members(to_change)
    for host in to_change:
        limit = host.policy.change_limit
        if limit is None:
            continue
        for group in groups_of(host):
            size, count = host.group_sizes.get(group, 0), len(machines[group])
            if count > (most := _most(limit, size)):
                return (
                    f"this run would change {count} of the {_hosts(size)} of {group}, and one run may change {most} at "
                    f"most: {_place(host, 'change_limit', limit)}. To go on, name fewer of them with --host"
                )
    return ""


def doubts(to_change: Sequence[Host], looked: Iterable[tuple[Host, bool]]) -> Mapping[str, tuple[str, ...]]:
    """Return why nobody but a person may say yes, for each host by name; hosts without any reason are left out.

    Args:
        to_change: The hosts that would be changed.
        looked: Every host that was looked at, those that are only to be counted included, and whether it is healthy.
    """
    looked = tuple(looked)
    seen, ill = _members(host for host, _ in looked), _members(host for host, is_well in looked if not is_well)
    found: dict[str, tuple[str, ...]] = {}
    for host in to_change:
        limit = host.policy.unhealthy_limit
        if limit is None:
            continue
        reasons = []
        for group in groups_of(host):
            size, names = len(seen.get(group, {})), tuple(ill.get(group, {}))
            if len(names) > (most := _most(limit, size)):
                named = f"{' '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"
                reasons.append(
                    f"{len(names)} of the {_hosts(size)} of {group} are not healthy ({named}): "
                    f"with more than {most} of them the cause may be what they share, so only a person may say yes: "
                    f"{_place(host, 'unhealthy_limit', limit)}"
                )
        if reasons:
            found[host.name] = tuple(reasons)
    return found


def mixture(to_change: Sequence[Host], pattern: str) -> str:
    """Return that a group would be divided, where not all of it is changed; empty where none is.

    Args:
        to_change: The hosts on which the same is done, such as going back to an older release.
        pattern: Whom the scenario is for: groups that it names count, or all where it names none of these hosts'.
    """
    named = set(re.split(r"[:,&!]+", pattern))
    machines, said = _members(to_change), dict[str, None]()
    for host in to_change:
        groups = groups_of(host)
        for group in [one for one in groups if one in named] or groups:
            size, count = host.group_sizes.get(group, 0), len(machines[group])
            if count < size:
                said[
                    f"this would be done on {count} of the {_hosts(size)} of {group}: where it is not done on the "
                    f"{'other' if size - count == 1 else 'others'} already, users meet the one and the other"
                ] = None
    return "; ".join(said)


def _members(hosts: Iterable[Host]) -> dict[str, dict[str, None]]:
    """Return the machines among *hosts* of each group, in their order."""
    found: dict[str, dict[str, None]] = {}
    for host in hosts:
        for group in host.groups:
            found.setdefault(group, {})[host.machine] = None
    return found


def _most(limit: Percent, size: int) -> int:
    return max(int(limit * size / 100), 1)


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'}"


def _place(host: Host, name: str, limit: Percent) -> str:
    """Return what the policy says, and where it says so."""
    origin = host.origins.get(f"policy.{name}")
    return f"policy.{name} is {limit}" + (f" ({origin})" if origin is not None else "")
