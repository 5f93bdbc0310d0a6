"""One fault, rehearsed as a person would live it: look, repair, look again; with a second pair of eyes on the host."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import testinfra
from testinfra.host import Host as Eyes

from soleil_remediate import Gate, HostReport, PolicyGate, Remediation, Runs, open_remediation
from soleil_remediate.events import Event
from soleil_remediate.inbox import Listener
from soleil_remediate.task import Health
from soleil_remediate.transports import Session, Transport
from soleil_remediate.units import Duration
from tests.lab.conftest import LabHost

#: Everything that a run which sends nothing must leave alone; what services write by themselves is left out.
_STATE = r"""
find /srv /var/backups /var/cache /etc /home /root /usr/local -xdev ! -path '/srv/soleil/shared/storage/logs*' \
    -printf '%p %i %s %T@ %m %u %g\n' | sort | sha256sum
find /srv/soleil/shared/storage/logs /var/log/nginx /var/log/postgresql /var/log/redis /var/log/supervisor -xdev \
    -printf '%p %i %m %u %g\n' | sort | sha256sum
systemctl show --property=Id,MainPID,NRestarts,ActiveEnterTimestampMonotonic nginx php8.2-fpm postgresql@15-main \
    redis-server supervisor cron
(cd /run/soleil-remediate/ops 2>/dev/null && ls) || true
"""


#: Every byte of every file, and all that stat(2) says of it but when it was read; what services write is left out.
#: systemd notes when a timer of Debian's was due, such as PHP's for old sessions twice an hour.
_BYTES = r"""
cd /
find bin boot etc home lib opt root sbin srv usr var -xdev \( -path var/lib/postgresql -o -path var/lib/redis \
    -o -path var/lib/systemd/timers -o -path var/log -o -path var/tmp \
    -o -path srv/soleil/shared/storage/logs/worker.log \) -prune \
    -o -printf '%p %i %s %T@ %C@ %m %u %g %n %l\n' | sort | sha256sum
find etc home root srv usr/local var/backups var/cache -xdev -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
find var/backups var/cache srv -printf '%p %i %s %T@ %C@ %m %u %g %n %l\n' | sort | sha256sum
find var/log/nginx -type f -print0 | sort -z | xargs -0 sha256sum
"""


def ignore(_: Event) -> None:
    """Listen to nothing."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A scenario on one host of the lab."""

    host: LabHost
    state: Path
    scenario: str = "disk-full"

    @property
    def runs(self) -> Runs:
        return Runs(self.state)

    @property
    def options(self) -> str:
        """What names its host on a command line, as what is printed to go on with has it."""
        return f"--host {self.host.name} --inventory {shlex.quote(str(self.host.lab.inventory))}"

    def open_session(self) -> Session:
        """A session with the host, as a run has it."""
        remediation = self._open({})
        return remediation.transport.open(remediation.cases[0].host, within=Duration(20))

    def preview(self, **inputs: str) -> HostReport:
        return self._open(inputs).preview().hosts[0]

    def remediate(
        self,
        *,
        gate: Gate | None = None,
        listener: Listener = ignore,
        inputs: Mapping[str, str] | None = None,
        transport: Transport | None = None,
    ) -> HostReport:
        run = self._open(inputs or {}, transport).remediate(
            gate=gate or PolicyGate(says_yes=True), runs=self.runs, listener=listener
        )
        return run.hosts[0]

    def red_checks(self) -> set[str]:
        """The kinds of those checks that a look now finds faulty, the goal's and what is beyond among them."""
        seen = self.preview().preview
        assert seen is not None
        checks = (*seen.standing.symptom, *seen.standing.goal, *seen.standing.beyond)
        return {check.kind for check in checks if check.verdict.health is Health.FAULTY}

    def record(self) -> list[dict[str, object]]:
        """The newest run's record, line by line."""
        return [dict(line) for line in self.runs.read(self.runs.list()[0].run)]

    def untouched_state(self) -> str:
        """What must be the same before and after a run that sends nothing."""
        return self.host.shell(_STATE)

    def byte_for_byte(self) -> str:
        """What must be the same before and after a run that is refused: every file as it is, byte for byte."""
        return self.host.shell(_BYTES)

    def used(self, mount: str) -> int:
        """Percent, as df on the host says it."""
        return int(self.host.shell(f"df --output=pcent {mount} | tail -n 1 | tr -dc 0-9"))

    def application_writes(self) -> bool:
        """Whether the application itself says that it can write its storage."""
        health = json.loads(self.host.shell("curl -sS -m 10 http://localhost/api/health/full"))
        return bool(health["checks"]["storage"]["status"] == "ok")

    def can_write(self, user: str, folder: str) -> bool:
        """Whether *user* really can write a new file of one block there, as the second pair of eyes sees it."""
        eyes, probe = self.eyes(), f"{folder}/.rehearsal"
        done = eyes.run(
            f"setpriv --reuid {user} --regid {user} --init-groups dd if=/dev/zero of={probe} bs=4k count=1 conv=fsync"
        )
        eyes.check_output(f"rm -f {probe}")
        assert done.rc == 0 or "No space left" in done.stderr or "Read-only" in done.stderr, done.stderr
        return bool(done.rc == 0)

    def eyes(self) -> Eyes:
        """A second pair of eyes, over a connection of its own that is as strict about host keys as ours."""
        config = self.state / "ssh_config"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(f"Host *\n  StrictHostKeyChecking yes\n  UserKnownHostsFile {self.host.lab.known_hosts}\n")
        return testinfra.get_host(
            f"ssh://root@{self.host.address}", ssh_config=str(config), ssh_identity_file=str(self.host.lab.private_key)
        )

    def _open(self, inputs: Mapping[str, str], transport: Transport | None = None) -> Remediation:
        return open_remediation(
            scenario=self.scenario,
            hosts=self.host.name,
            inventory=self.host.lab.inventory,
            inputs=inputs,
            transport=transport,
        )
