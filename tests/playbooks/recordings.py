"""What a real host answered to a scenario's questions, kept to be asked again without one.

    python -m tests.playbooks.recordings        (as root on Linux: it boots a lab, breaks it and records)

writes them anew, beside this file. Needed after a kind asks something else than before.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from soleil_remediate import open_remediation
from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError
from soleil_remediate.host import Host
from soleil_remediate.lab import Lab
from soleil_remediate.transports import Access, Session, Transport
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.scripted import ScriptedHost
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration

HERE = Path(__file__).parent

#: Scenario, and the fault of the lab that it was recorded with.
RECORDED = (
    ("disk-full", "laravel-log"),
    ("disk-full", "unknown-file"),
    ("disk-full", "old-backups"),
    ("database-connection-failure", "postgresql-stopped"),
    ("database-connection-failure", "connections-exhausted"),
    ("database-connection-failure", "database-wrong-password"),
    ("application-down", "php-fpm-killed"),
    ("application-down", "postgresql-killed"),
    ("failed-deployment-rollback", "bad-release"),
    ("failed-deployment-rollback", "bad-release-after-migration"),
    ("high-error-rate", "release-fails-a-third"),
    ("high-error-rate", "errors-of-redis"),
    ("redis-down", "redis-full"),
    ("redis-down", "redis-wrong-password"),
    ("memory-exhaustion", "php-fpm-leaks"),
    ("memory-exhaustion", "memory-unknown-process"),
    ("memory-exhaustion", "oom-kill"),
    ("queue-backlog", "workers-stopped"),
    ("queue-backlog", "jobs-slow"),
    ("security-incident", "tokens-shared"),
    ("rate-limit-breach", "address-hammering"),
    ("rate-limit-breach", "behind-proxy"),
    ("double-booking", "bookings-overlap-unguarded"),
    ("double-booking", "booking-constraint-missing"),
    ("email-delivery-failure", "mail-jobs-failed"),
    ("email-delivery-failure", "mail-wrong-password"),
    ("slow-response", "lock-queue"),
    ("slow-response", "n-plus-one"),
)


class _Listening:
    """A session that notes what is asked and answered."""

    def __init__(self, session: Session, heard: dict[str, Any]) -> None:
        self._session = session
        self._heard = heard

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def ask(self, commands: Sequence[Command]) -> list[Output | FactError]:
        answers = self._session.ask(commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, FactError):
                raise answer
            self._heard[_key(command)] = [
                answer.exit_status,
                base64.b64encode(answer.stdout).decode(),
                base64.b64encode(answer.stderr).decode(),
            ]
        return answers


@dataclass
class _Recorder:
    """The way over SSH, noting everything."""

    transport: Transport = field(default_factory=SshTransport)
    heard: dict[str, Any] = field(default_factory=dict)

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Any:
        return _Listening(self.transport.open(host, within=within), self.heard)


def _key(command: Command) -> str:
    return json.dumps([command.user, *command.words])


def _is(key: str, command: Command) -> bool:
    return _key(command) == key


def replay(scenario: str, fault: str) -> ScriptedHost:
    """Return a host that answers as the real one did, and nothing else."""
    host = ScriptedHost("web1", access=Access(login="deploy", is_root=True))
    answers = json.loads((HERE / f"{scenario}-{fault}.json").read_text())
    for key, (status, stdout, stderr) in answers.items():
        output = Output(exit_status=status, stdout=base64.b64decode(stdout), stderr=base64.b64decode(stderr))
        host.on_read(partial(_is, key), output)
    return host


def record(lab: Lab, scenario: str, fault: str) -> None:
    """Break a host of the lab, preview it, and keep what it answered."""
    lab.reset("web1")
    lab.break_host("web1", fault)
    recorder = _Recorder()
    open_remediation(scenario=scenario, hosts="web1", inventory=lab.inventory, transport=recorder).preview()
    text = json.dumps(recorder.heard, indent=1, sort_keys=True) + "\n"
    (HERE / f"{scenario}-{fault}.json").write_text(text)


if __name__ == "__main__":
    lab = Lab("recordings")
    try:
        lab.up(["web1"])
        for scenario, fault in RECORDED:
            record(lab, scenario, fault)
    finally:
        lab.down()
