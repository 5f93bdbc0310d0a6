"""What an application's ``.env`` keeps secret stands in its logs, as it does in real life, and is told by nobody."""

from __future__ import annotations

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
CANARIES = (SUDO, DATABASE, CANARY)
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


def test_a_secret_that_the_applications_log_tells_is_told_by_no_one_else(web1: LabHost, tmp_path: Path) -> None:
    escaped = CANARY.replace("\\", "\\\\").replace('"', '\\"')
    web1.run("tee", "-a", "/srv/soleil/shared/.env", stdin=f'\nPAYMENTS_TOKEN="{escaped}"\n'.encode()).checked()
    forms = [f"{form}: {write(one)}" for one in CANARIES for form, write in FORMS.items() if form != IN_LINES]
    trace = f"#0 Connector.php(70): PDO->__construct('pgsql:host=127.0.0.1', 'soleil', '{DATABASE}', Array)"
    said = "\n".join([*forms, *(f"[2026-01-01 00:00:00] production.ERROR: {one}" for one in (*CANARIES, trace))])
    for log in LOGS:
        web1.run("tee", "-a", log, stdin=f"{said}\n".encode()).checked()
    web1.break_with("php-fpm-killed")
    desk = Desk(folder=tmp_path, host=web1)

    with watching_processes(web1.network) as seen:
        looks = [
            desk.run("preview", "application-down", "--verbose", "--commands", *more) for more in ([], ["-o", "json"])
        ]
        done = desk.run("remediate", "--scenario", "application-down", "--yes", "--verbose")

    assert [one.returncode for one in looks] == [ExitStatus.WORK_FOUND] * 2, looks
    assert done.returncode == ExitStatus.OK, done
    for one in (*looks, done):
        assert b"127.0.0.1','soleil','{hidden}',Array)" in b"".join(one.stdout.split()), one.stdout.decode()
    told = {str(number): one.stdout + one.stderr for number, one in enumerate((*looks, done))} | desk.written()
    assert any("/runs/" in where for where in told)
    assert [where for where, content in told.items() if found_in(content, CANARIES)] == []
    assert any(b"application-down --yes" in line for line in seen)  # it was looked at the right moment, on both sides
    assert any(b"sudo -k -S -p " in line for line in seen)
    assert {leak for line in seen for leak in found_in(line, CANARIES)} == set()
    forgotten = web1.run("grep", "-rlF", "-e", SUDO, "-e", DATABASE, "/run/soleil-remediate", "/tmp", "/dev/shm")
    assert forgotten.stdout == ""
