"""The lab: hosts to rehearse on."""

from __future__ import annotations

import subprocess
import sys

from soleil_remediate.cli.call import Call
from soleil_remediate.errors import ConfigError, ExitStatus
from soleil_remediate.lab import Lab
from soleil_remediate.reporters.json import list_document
from soleil_remediate.reporters.page import HEADING, Page
from soleil_remediate.reporters.screen import Screen


def lab_of(call: Call) -> Lab:
    """Return the lab that is meant."""
    name = call.text("lab")
    return Lab(name) if name else Lab()


def tell(line: str) -> None:
    """Say what is waited for."""
    Screen.of(sys.stderr).say(line)


def up(call: Call) -> ExitStatus:
    """Start hosts."""
    lab, light = lab_of(call), call.text("light")
    if light:
        if not (light.isascii() and light.isdigit() and 0 < int(light) <= 200):
            raise ConfigError(f"--light {light[:20]!a}: a number of hosts from 1 to 200")
        lab.up_light(int(light), on_progress=tell)
    else:
        lab.up(call.many("hosts") or ("web1",), on_progress=tell)
    tell(f"inventory {lab.inventory}")
    return ExitStatus.OK


def down(call: Call) -> ExitStatus:
    """Remove the lab."""
    lab_of(call).down(on_progress=tell)
    return ExitStatus.OK


def status(call: Call) -> ExitStatus:
    """Say which hosts are up."""
    lab = lab_of(call)
    hosts = lab.status()
    if call.is_json:
        print(list_document(call.verb, "hosts", list(hosts)))  # noqa: T201  # the document
        return ExitStatus.OK
    screen = Screen.of(sys.stdout)
    page = Page(screen.width)
    if hosts:
        rows = [(host.name, host.role, host.address, host.state) for host in hosts]
        page.table([("host", "role", "address", "state"), *rows])
        page.gap()
        page.line(f"inventory {lab.inventory}")
    else:
        named = f" --lab {lab.name}" if call.text("lab") else ""
        page.line(f"the lab {lab.name} is down; start it with: {call.program.name} {_spoken(call, 'lab up')}{named}")
    screen.show(page)
    return ExitStatus.OK


def break_host(call: Call) -> ExitStatus:
    """Break a host with a fault, or list the faults."""
    lab, host, fault = lab_of(call), call.text("host"), call.text("fault")
    if not (host and fault):
        screen = Screen.of(sys.stdout)
        page = Page(screen.width)
        for one in lab.faults():
            page.line((one.name, HEADING))
            page.prose(one.about, 4)
            for name, value in one.options.items():
                page.line(f"    --set {name}={value}")
        page.gap()
        named = f" --lab {lab.name}" if call.text("lab") else ""
        page.line(f"{call.program.name} {_spoken(call, 'lab break')} web1 {lab.faults()[0].name}{named}")
        screen.show(page)
        return ExitStatus.USAGE if host else ExitStatus.OK
    settings: dict[str, str] = {}
    for given in call.many("set"):
        name, equals, value = given.partition("=")
        if not equals:
            raise ConfigError(f"--set {given[:80]!a}: write NAME=VALUE")
        settings[name] = value
    lab.break_host(host, fault, **settings)
    tell(f"{host} is broken: {fault}")
    return ExitStatus.OK


def reset(call: Call) -> ExitStatus:
    """Make a host pristine again."""
    lab_of(call).reset(call.text("host"), on_progress=tell)
    tell(f"{call.text('host')} is pristine")
    return ExitStatus.OK


def ssh(call: Call) -> ExitStatus | int:
    """Log in to a host, or run words there; ends as OpenSSH ends."""
    lab, user = lab_of(call), call.text("user")
    command = lab.ssh_command(call.text("host"), user=user) if user else lab.ssh_command(call.text("host"))
    return subprocess.run([*command, *call.many("command")], check=False).returncode


def _spoken(call: Call, verb: str) -> str:
    return verb.replace(" ", ".") if call.program.name == "invoke" else verb
