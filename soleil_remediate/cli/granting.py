"""The rules by which sudo lets a login repair: printed, for root to read, check and install."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from soleil_remediate.cli.call import Call
from soleil_remediate.cli.choosing import chosen_hosts, chosen_scenarios
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.facts.services import ALONE, WITHOUT_A_TRACE
from soleil_remediate.host import Host, Mode
from soleil_remediate.loading.binding import bind_all, parse_inputs
from soleil_remediate.rights import TESTER, Right, together
from soleil_remediate.scenario import Case, Scenario

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
# For the changes of {kinds}.
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

# The host's lock, which {login} may take, and where it remembers what it did; also after a restart.
folders=/etc/tmpfiles.d/soleil-remediate-{login}.conf
cat >"$folders" <<'END'
d /run/soleil-remediate 0750 root root
a+ /run/soleil-remediate - - - - u:{login}:rx
d /run/soleil-remediate/logins 0755 root root
d /run/soleil-remediate/logins/{login} 0755 {login} -
END
systemd-tmpfiles --create "$folders"

# So that {login} can read what services log.
usermod -aG adm,systemd-journal {login}

# What sudo allows: checked before it counts.
rules=/etc/sudoers.d/soleil-remediate-{login}-{what}
cat >"$rules.new" <<'END'
Defaults:{login} listpw=all
{rules}
END
chmod 0440 "$rules.new"
visudo -cf "$rules.new"
mv -f "$rules.new" "$rules"
former=/etc/sudoers.d/soleil-remediate
[ ! -e "$former" ] || echo "REMOVE $former: it may allow a shell of root's" >&2"""

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


def sudoers(call: Call) -> ExitStatus:
    """Print what sudoers has to say for a scenario, once for each login that the chosen hosts have. Asks no host.

    Raises:
        ConfigError: The inventory names no login for a host, or the scenario cannot be bound to one.
    """
    found, catalog = chosen_scenarios(call)
    scenario = found.find(call.text("scenario"))
    hosts, inventory = chosen_hosts(call)
    without = {host.name: why for host in hosts if (why := _why_none(host)) is not None}
    narrow = [host for host in hosts if host.connection.is_narrow and host.name not in without]
    select = None if inventory is None else inventory.meant_by
    cases = bind_all(scenario, narrow, parse_inputs(scenario, call.many("set")), catalog, select) if narrow else ()
    parts: dict[str, list[Host]] = {}
    for host in hosts:
        if host.name in without:
            text = f"# {without[host.name]}"
        elif host.connection.is_narrow:
            its_own = [case for case in cases if case.host.listed_name == host.name]
            text = "\n".join(_narrow(host, scenario, its_own))
        else:
            text = "\n".join(_all_of_roots(host, scenario))
        parts.setdefault(text, []).append(host)
    scripts = {frozenset(host.machine for host in its) for its in parts.values() if its[0] in narrow}
    if len(scripts) > 1:
        one, another, *_ = sorted(min(machines) for machines in scripts)
        raise ConfigError(f"{one} and {another} need different scripts: have each printed alone, by --host")
    for at, (text, its) in enumerate(parts.items()):
        names = ", ".join(dict.fromkeys(host.machine for host in its))
        sys.stdout.write(("\n" if at else "") + f"# {scenario.name} on {names}\n{text}\n")
    return ExitStatus.OK


def _why_none(host: Host) -> str | None:
    """Return why *host* needs no rule; ``None`` where it needs one.

    Raises:
        ConfigError: The inventory names no login.
    """
    if not host.is_listed or host.policy.mode is Mode.OBSERVE:
        why = "mode: observe" if host.is_listed else "it stands in no inventory"
        return f"no rule: nothing may be changed there ({why})"
    login = host.connection.user
    if login is None:
        raise ConfigError(f"{host.name}: the inventory does not say who logs in there: write ansible_user")
    if login == "root":
        return "root needs no rule"
    if not host.connection.become:
        return f"{login} needs no rule: sudo is not used there (ansible_become), so nothing can be changed either"
    return None


def _all_of_roots(host: Host, scenario: Scenario) -> Iterator[str]:
    login = host.connection.user or ""
    steps = (*scenario.steps, *(step for stage in scenario.stages for step in stage.steps))
    yield _for(step.kind for step in steps)
    yield _INSTALL
    yield _MEANS.format(login=login)
    tag = "" if host.connection.become_password is not None else "NOPASSWD: "
    yield f"{_escaped(login)} ALL=(root) {tag}/usr/bin/sh"


def _narrow(host: Host, scenario: Scenario, cases: list[Case]) -> Iterator[str]:
    login = host.connection.user or ""
    steps = [step for case in cases for step in case.steps]
    asking = [one for case in cases for one in (*case.healthy_when, *case.goal, *case.beyond, *case.evidence)]
    if _PLAIN.fullmatch(login) is None:
        raise ConfigError(f"{host.name}: sudo: narrow wants a login of small letters, digits, _ and -, not {login!a}")
    possible = [step for step in steps if step.task.rights() is not None]
    impossible = [step.task.kind for step in steps if step.task.rights() is None]
    if impossible:
        yield f"# NOT DONE BY SINGLE COMMANDS, they need all of root's rights: {', '.join(dict.fromkeys(impossible))}."
        yield "# What they would do is seen in a preview, with --commands also as commands for root."
    if not possible:
        return
    asking += [step.task for step in possible]
    rights = together([*(step.task.rights() for step in possible), *(one.reads_with() for one in asking)])
    whole = list(dict.fromkeys(right.user for right in rights if not right.program))
    if "root" in whole:
        raise ConfigError(f"{host.name}: the application runs as root there, and single commands of root's are all")
    yield _NARROW.format(
        login=login,
        kinds=", ".join(dict.fromkeys(step.task.kind for step in possible)),
        about="".join(
            _ITS_OWN.format(login=login) if user == login else _ALL_OF.format(user=user, login=login) for user in whole
        ),
        what=_OTHERS.sub("-", f"{scenario.name}-{host.app_name}" if "/" in host.name else scenario.name),
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


def _for(kinds: Iterable[str]) -> str:
    return f"# For the changes of {', '.join(dict.fromkeys(kinds))}."


def _escaped(name: str) -> str:
    """Return a user's name as sudoers(5) takes it."""
    return "".join(letter if letter.isalnum() or letter in "_-." else f"\\{letter}" for letter in name)
