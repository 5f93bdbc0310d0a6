"""The rule by which sudo lets a login repair: printed, for root to read, check and install."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, chosen_scenarios
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.host import Host, Mode
from soleil_remediate.scenario import Scenario

_INSTALL = """\
# Install it on the host as root, from a file whose text was checked:
#   visudo -cf FILE && install -m 0440 FILE /etc/sudoers.d/soleil-remediate"""

_MEANS = """\
# IT IS ALL OF ROOT'S RIGHTS. What changes a host is sent as text to root's shell,
# and sudo cannot tell one text from another, so no narrower rule would hold.
# Without it, {login} can look: what only root may read is unknown, nothing is changed."""


def sudoers(call: Call) -> ExitStatus:
    """Print what sudoers has to say for a scenario, once for each login that the chosen hosts have. Asks no host.

    Raises:
        ConfigError: The inventory names no login for a host.
    """
    found, _ = chosen_scenarios(call)
    scenario = found.find(call.text("scenario"))
    rules: dict[str, list[Host]] = {}
    for host in chosen_hosts(call)[0]:
        rules.setdefault(rule(host), []).append(host)
    parts = ["\n".join(_part(text, scenario, hosts)) for text, hosts in rules.items()]
    sys.stdout.write("\n\n".join(parts) + "\n")
    return ExitStatus.OK


def rule(host: Host) -> str:
    """Return the line that *host*'s sudoers needs; a comment where it needs none.

    Raises:
        ConfigError: The inventory names no login.
    """
    if not host.is_listed or host.policy.mode is Mode.OBSERVE:
        why = "mode: observe" if host.is_listed else "it stands in no inventory"
        return f"# no rule: nothing may be changed there ({why})"
    login = host.connection.user
    if login is None:
        raise ConfigError(f"{host.name}: the inventory does not say who logs in there: write ansible_user")
    if login == "root":
        return "# root needs no rule"
    if not host.connection.become:
        return f"# {login} needs no rule: sudo is not used there (ansible_become), so nothing can be changed either"
    tag = "" if host.connection.become_password is not None else "NOPASSWD: "
    return f"{_escaped(login)} ALL=(root) {tag}/usr/bin/sh"


def _part(text: str, scenario: Scenario, hosts: list[Host]) -> Iterator[str]:
    names = ", ".join(dict.fromkeys(host.machine for host in hosts))
    yield f"# {scenario.name} on {names}"
    if not text.startswith("#"):
        steps = (*scenario.steps, *(step for stage in scenario.stages for step in stage.steps))
        yield f"# For the changes of {', '.join(dict.fromkeys(step.kind for step in steps))}."
        yield _INSTALL
        yield _MEANS.format(login=hosts[0].connection.user)
    yield text


def _escaped(login: str) -> str:
    """Return a user's name as sudoers(5) takes it."""
    return "".join(letter if letter.isalnum() or letter in "_-." else f"\\{letter}" for letter in login)
