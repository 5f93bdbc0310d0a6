"""What an application's ``.env`` keeps secret stands in its logs, as it does in real life, and is told by nobody."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.errors import ExitStatus
from tests.canaries import CANARY, FORMS, IN_LINES, found_in
from tests.watching import watching_processes

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

PROGRAM = Path(sys.executable).parent / "soleil-remediate"
#: The lab's: of its user for sudo, and of its database.
SUDO, DATABASE = "ops-secret", "soleil-secret"
LOGS = ("/srv/soleil/shared/storage/logs/laravel.log", "/var/log/nginx/error.log")


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A person's machine: an inventory that names the password for sudo, and what came to be there."""

    folder: Path
    host: LabHost

    def run(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        kept, home = self.folder / "kept", self.folder / "home"
        kept.mkdir(exist_ok=True)
        home.mkdir(exist_ok=True)
        (kept / "sudo").write_text(f"{SUDO}\n")
        (kept / "sudo").chmod(0o600)
        by_password = f"ansible_user: ops\n    ansible_become_password: file:{kept / 'sudo'}"
        text = self.host.lab.inventory.read_text().replace("ansible_user: deploy", by_password)
        (kept / "inventory.yml").write_text(text)
        return subprocess.run(
            [PROGRAM, *words, "--host", self.host.name, "--inventory", kept / "inventory.yml"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=200,
            env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8"},
            cwd=home,
            start_new_session=True,
            check=False,
        )

    def written(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in (self.folder / "home").rglob("*") if path.is_file()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is done to a broken host whose logs tell every secret.

    Args:
        fault: How it is broken.
        calls: The words of each call, and the exit status that it ends with.
        options: The fault's.
        secrets: What it keeps secret beside what every host does, and its logs tell as well.
        kept: What it keeps secret elsewhere, and no log tells.
        database: The password that ``.env`` has for the database.
    """

    fault: str
    calls: tuple[tuple[str, ExitStatus], ...]
    options: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    database: str = DATABASE


def repaired(scenario: str, sets: str = "", ends: ExitStatus = ExitStatus.OK) -> tuple[tuple[str, ExitStatus], ...]:
    """What a person does about a scenario: look, look as a program does, and repair."""
    seen = ends if ends is ExitStatus.NOT_FIXED else ExitStatus.WORK_FOUND
    return (
        (f"preview {scenario} --verbose --commands {sets}", seen),
        (f"preview {scenario} --verbose --commands -o json {sets}", seen),
        (f"remediate --scenario {scenario} --yes --verbose {sets}", ends),
    )


EVERYDAY = [
    Told(fault="php-fpm-killed", calls=repaired("application-down")),
    Told(
        fault="redis-wrong-password",
        options=(("how", "other"),),
        calls=repaired("redis-down", ends=ExitStatus.NOT_FIXED),
        secrets=("lab-redis-former-secret",),
        kept=('lab-redis-"secret',),
    ),
]
MORE = [
    Told(
        fault="database-wrong-password",
        calls=repaired("database-connection-failure", ends=ExitStatus.NOT_FIXED),
        database="of-last-year",
    ),
    Told(fault="redis-full", calls=repaired("redis-down")),
    Told(
        fault="mail-jobs-failed",
        options=(("jobs", "12"),),
        calls=repaired(
            "email-delivery-failure",
            r"--set classes=App\Jobs\SendBookingMail --set to=oncall@soleil.example --set pause=0.1s",
        ),
        secrets=("lab-mail-secret",),
    ),
    Told(
        fault="tokens-shared",
        calls=repaired("security-incident", "--set incident=INC-42 --set user=1", ExitStatus.EASED),
        kept=tuple(hashlib.sha256(token).hexdigest() for token in (b"1-1", b"1-2")),
    ),
    Told(fault="bad-release", calls=repaired("failed-deployment-rollback", "--set maintenance=yes")),
    Told(fault="workers-stopped", options=(("jobs", "200"),), calls=repaired("queue-backlog")),
    Told(
        fault="failed-jobs-left",
        calls=(
            ("diagnose", ExitStatus.OK),
            ("diagnose -o json", ExitStatus.OK),
            ("check weekly", ExitStatus.WORK_FOUND),
            ("check weekly -o json", ExitStatus.WORK_FOUND),
        ),
    ),
]


@pytest.mark.parametrize(
    "case", [*EVERYDAY, *(pytest.param(one, marks=pytest.mark.long) for one in MORE)], ids=lambda case: case.fault
)
def test_a_secret_that_the_applications_log_tells_is_told_by_no_one_else(
    web1: LabHost, tmp_path: Path, case: Told
) -> None:
    web1.break_with(case.fault, **dict(case.options))
    escaped = CANARY.replace("\\", "\\\\").replace('"', '\\"')
    web1.run("tee", "-a", "/srv/soleil/shared/.env", stdin=f'\nPAYMENTS_TOKEN="{escaped}"\n'.encode()).checked()
    logged = (SUDO, case.database, CANARY, *case.secrets)
    secrets = (*logged, *case.kept)
    forms = [f"{form}: {write(one)}" for one in logged for form, write in FORMS.items() if form != IN_LINES]
    trace = f"#0 Connector.php(70): PDO->__construct('pgsql:host=127.0.0.1', 'soleil', '{case.database}', Array)"
    said = "\n".join([*forms, *(f"[2026-01-01 00:00:00] production.ERROR: {one}" for one in (*logged, trace))])
    for log in LOGS:
        web1.run("tee", "-a", log, stdin=f"{said}\n".encode()).checked()
    desk = Desk(folder=tmp_path, host=web1)

    with watching_processes(web1.network) as seen:
        ended = [(desk.run(*words.split()), status) for words, status in case.calls]

    told = {str(number): one.stdout + one.stderr for number, (one, _) in enumerate(ended)} | desk.written()
    assert [where for where, content in told.items() if found_in(content, secrets)] == []
    for one, status in ended:
        assert one.returncode == status, one.stdout.decode() + one.stderr.decode()
    if case.fault == "php-fpm-killed":  # what it shows is the end of that log
        for one, _ in ended:
            assert b"127.0.0.1','soleil','{hidden}',Array)" in b"".join(one.stdout.split()), one.stdout.decode()
    words, _ = case.calls[-1]
    assert any("/runs/" in where for where in told) is words.startswith("remediate")
    # It was looked at the right moment, on both sides.
    assert any(words.encode() in line for line in seen)
    assert any(b"sudo -k -S -p " in line for line in seen)
    # The application's own workers hand its .env on to what they start; nobody else may see that either.
    of_others = {line for line in seen if b"SUPERVISOR_ENABLED=1 " not in line}
    assert {leak for line in of_others for leak in found_in(line, secrets)} == set()
    # Over standard input: other tests look whether any process of this machine shows one of them.
    patterns = "".join(f"{one}\n" for one in secrets).encode()
    forgotten = web1.run("grep", "-rlF", "-f", "-", "/run/soleil-remediate", "/tmp", "/dev/shm", stdin=patterns)
    assert forgotten.stdout == ""
