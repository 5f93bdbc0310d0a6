"""The rules by which sudo lets a login repair: printed, for root to read, check and install."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from soleil_remediate.catalog import load_catalog
from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, chosen_scenarios, playbook_folders
from soleil_remediate.errors import ConfigError, ExitStatus, UnknownName
from soleil_remediate.facts.services import ALONE, WITHOUT_A_TRACE
from soleil_remediate.host import Host, Mode
from soleil_remediate.loading import load_routines
from soleil_remediate.loading.binding import bind_all, bind_routine, parse_inputs
from soleil_remediate.rights import TESTER, Right, together
from soleil_remediate.scenario import Routine, Scenario, Step
from soleil_remediate.task import Reading

_INSTALL = """\
# Install it on the host as root, from a file whose text was checked:
#   visudo -cf FILE && install -m 0440 FILE /etc/sudoers.d/soleil-remediate"""

_MEANS = """\
# IT IS ALL OF ROOT'S RIGHTS. What changes a host is sent as text to root's shell,
# and sudo cannot tell one text from another. For single commands: sudo: narrow.
# Without it, {login} can look: what only root may read is unknown, nothing is changed."""

#: For root to run: the rules, and what a login needs besides.
_NARROW = """\
# For root to read, and to run there: sh FILE; once more does no harm.
# For {what}.
# {login} may then do as somebody else what is listed here. Together with rules that it has from elsewhere and that want
# a password, these do not work: nothing is changed then.
{about}set -eu
umask 022
id -u {login} >/dev/null
version=$(sudo -V | sed -n '1s/.* //p')
printf '1.9.10\\n%s\\n' "$version" | sort -V -C || {{ echo "sudo $version is too old: 1.9.10" >&2; exit 1; }}

# Configurations are tested by this text of root's, without a trace.
mkdir -p {tester_folder}
cat >{tester}.new <<'END'
#!/bin/sh
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
[ "${{1-}}" = alone ] || exec {alone} "$0" alone "$@"
shift
{test}END
chmod 0755 {tester}.new
mv -f {tester}.new {tester}

{memory}# So that {login} can read what services log.
usermod -aG adm,systemd-journal {login}

# What sudo allows: checked before it counts.
rules=/etc/sudoers.d/soleil-remediate-{login}-{file}
cat >"$rules.new" <<'END'
Defaults:{login} listpw=all
{rules}
END
chmod 0440 "$rules.new"
visudo -cf "$rules.new"
mv -f "$rules.new" "$rules"
former=/etc/sudoers.d/soleil-remediate
[ ! -e "$former" ] || echo "REMOVE $former: it may allow a shell of root's" >&2"""

#: What changes need, and looking does not.
_MEMORY = """\
# The host's lock, which {login} may take, and where it remembers what it did; also after a restart.
folders=/etc/tmpfiles.d/soleil-remediate-{login}.conf
cat >"$folders" <<'END'
d /run/soleil-remediate 0750 root root
a+ /run/soleil-remediate - - - - u:{login}:rx
d /run/soleil-remediate/logins 0755 root root
d /run/soleil-remediate/logins/{login} 0755 {login} -
END
systemd-tmpfiles --create "$folders"

"""

_ALL_OF = """\
# {user} runs the application, or its code is theirs: whoever may release it has these rights already.
# Nobody else should log in as {login}.
"""
_ITS_OWN = """\
# {login} itself runs the application: WHOEVER BREAKS INTO THE APPLICATION HAS THESE RIGHTS, TOO.
"""

#: What may stand in a file's name, in a shell's word and in tmpfiles.d(5) as it is.
_PLAIN = re.compile(r"[a-z_][a-z0-9_-]*")

#: sudo reads no file with a full stop in its name.
_OTHERS = re.compile(r"[^A-Za-z0-9_-]")

#: In the arguments of a command: sudoers(5), "Special characters". A backslash of a pattern stays one.
_ESCAPED_IN_ARGUMENTS, _BACKSLASH = re.compile(r"([,:=])"), r"\\\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Need:
    """What rules are for.

    Args:
        name: Of the scenario, or of the routine.
        what: What of it, in words.
        steps: By host, where single commands are wanted: its changes.
        asking: Likewise: whatever asks it anything.
    """

    name: str
    what: str
    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict)
    asking: Mapping[str, Sequence[Reading[Any]]] = field(default_factory=dict)


def sudoers(call: Call) -> ExitStatus:
    """Print what sudoers has to say for a scenario or a routine, once for each login of the hosts. Asks no host.

    Raises:
        ConfigError: It is neither, the inventory names no login for a host, or the scenario cannot be bound to one.
    """
    hosts, inventory = chosen_hosts(call)
    found = _found(call)
    routine = found if isinstance(found, Routine) else None
    without = {host.name: why for host in hosts if (why := _why_none(host, changes=routine is None)) is not None}
    narrow = [host for host in hosts if host.connection.is_narrow and host.name not in without]
    select = None if inventory is None else inventory.meant_by
    need = _of_routine(call, found, narrow) if isinstance(found, Routine) else _of_scenario(call, found, narrow, select)
    parts: dict[str, list[Host]] = {}
    for host in hosts:
        if host.name in without:
            text = f"# {without[host.name]}"
        elif host.connection.is_narrow:
            text = "\n".join(_narrow(host, need))
        else:
            text = "\n".join(_all_of_roots(host, need))
        parts.setdefault(text, []).append(host)
    scripts = {frozenset(host.machine for host in its) for its in parts.values() if its[0] in narrow}
    if len(scripts) > 1:
        one, another, *_ = sorted(min(machines) for machines in scripts)
        raise ConfigError(f"{one} and {another} need different scripts: have each printed alone, by --host")
    for at, (text, its) in enumerate(parts.items()):
        names = ", ".join(dict.fromkeys(host.machine for host in its))
        sys.stdout.write(("\n" if at else "") + f"# {need.name} on {names}\n{text}\n")
    return ExitStatus.OK


def _found(call: Call) -> Scenario | Routine:
    """Return what is named.

    Raises:
        ConfigError: There is neither a scenario nor a routine of that name, or both.
    """
    name = call.text("scenario")
    scenarios, catalog = chosen_scenarios(call)
    routines = load_routines(playbook_folders(call), catalog)
    if name not in routines:
        if name not in scenarios.names:
            raise UnknownName("scenario or routine", name, [*scenarios.names, *routines])
        return scenarios.find(name)
    if name in scenarios.names:
        both = f"{scenarios.find(name).origin}, and a routine in {routines[name].origin}"
        raise ConfigError(f"{name} is a scenario in {both}: rename one of them")
    return routines[name]


def _of_scenario(
    call: Call, scenario: Scenario, narrow: Sequence[Host], select: Callable[[str], Iterable[Host]] | None
) -> _Need:
    inputs = parse_inputs(scenario, call.many("set"))
    cases = bind_all(scenario, narrow, inputs, load_catalog(), select) if narrow else ()
    its = {host.name: [case for case in cases if case.host.listed_name == host.name] for host in narrow}
    steps = (*scenario.steps, *(step for stage in scenario.stages for step in stage.steps))
    return _Need(
        name=scenario.name,
        what=f"the changes of {_kinds(step.kind for step in steps)}",
        steps={name: [step for case in one for step in case.steps] for name, one in its.items()},
        asking={
            name: [one for case in its[name] for one in (*case.healthy_when, *case.goal, *case.beyond, *case.evidence)]
            for name in its
        },
    )


def _of_routine(call: Call, routine: Routine, narrow: Sequence[Host]) -> _Need:
    catalog, inputs = load_catalog(), parse_inputs(routine, call.many("set"))
    return _Need(
        name=routine.name,
        what=f"the checks of {_kinds(use.kind for use in routine.checks)}",
        asking={host.name: bind_routine(routine, host, inputs, catalog)[0] for host in narrow},
    )


def _why_none(host: Host, *, changes: bool) -> str | None:
    """Return why *host* needs no rule; ``None`` where it needs one.

    Args:
        changes: Whether it would be for changes; looking is allowed everywhere.

    Raises:
        ConfigError: The inventory names no login.
    """
    if not host.is_listed:
        return "no rule: nothing may be changed there (it stands in no inventory)"
    if changes and host.policy.mode is Mode.OBSERVE:
        return "no rule: nothing may be changed there (mode: observe)"
    login = host.connection.user
    if login is None:
        raise ConfigError(f"{host.name}: the inventory does not say who logs in there: write ansible_user")
    if login == "root":
        return "root needs no rule"
    if not host.connection.become:
        return f"{login} needs no rule: sudo is not used there (ansible_become), so nothing can be changed either"
    return None


def _all_of_roots(host: Host, need: _Need) -> Iterator[str]:
    login = host.connection.user or ""
    yield f"# For {need.what}."
    yield _INSTALL
    yield _MEANS.format(login=login)
    tag = "" if host.connection.become_password is not None else "NOPASSWD: "
    yield f"{_escaped(login)} ALL=(root) {tag}/usr/bin/sh"


def _narrow(host: Host, need: _Need) -> Iterator[str]:
    login = host.connection.user or ""
    steps, asking = need.steps.get(host.name, ()), need.asking[host.name]
    if _PLAIN.fullmatch(login) is None:
        raise ConfigError(f"{host.name}: sudo: narrow wants a login of small letters, digits, _ and -, not {login!a}")
    possible = [step.task for step in steps if step.task.rights() is not None]
    impossible = [step.task.kind for step in steps if step.task.rights() is None]
    if impossible:
        yield f"# NOT DONE BY SINGLE COMMANDS, they need all of root's rights: {_kinds(impossible)}."
        yield "# What they would do is seen in a preview, with --commands also as commands for root."
    if steps and not possible:
        return
    rights = together([*(task.rights() for task in possible), *(one.reads_with() for one in (*asking, *possible))])
    whole = list(dict.fromkeys(right.user for right in rights if not right.program))
    if "root" in whole:
        raise ConfigError(f"{host.name}: the application runs as root there, and single commands of root's are all")
    yield _NARROW.format(
        login=login,
        what=f"the changes of {_kinds(task.kind for task in possible)}" if possible else need.what,
        about="".join(
            _ITS_OWN.format(login=login) if user == login else _ALL_OF.format(user=user, login=login) for user in whole
        ),
        memory=_MEMORY.format(login=login) if possible else "",
        file=_OTHERS.sub("-", f"{need.name}-{host.app_name}" if "/" in host.name else need.name),
        rules="\n".join(rule(login, right) for right in rights),
        tester=TESTER,
        tester_folder=TESTER.rpartition("/")[0],
        alone=" ".join(ALONE),
        test=WITHOUT_A_TRACE.text,
    )


def rule(login: str, right: Right) -> str:
    """Return the line of sudoers(5) that allows *login* a right without a password."""
    command = "ALL"
    if right.program:
        command = f"{right.program} ^{_ESCAPED_IN_ARGUMENTS.sub(_BACKSLASH, right.arguments)}$"
    where = "CWD=/ " if right.program else ""  # supervisorctl takes its configuration from where it is started
    return f"{_escaped(login)} ALL=({_escaped(right.user)}) {where}NOPASSWD: {command}"


def _kinds(kinds: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(kinds))


def _escaped(name: str) -> str:
    """Return a user's name as sudoers(5) takes it."""
    return "".join(letter if letter.isalnum() or letter in "_-." else f"\\{letter}" for letter in name)
