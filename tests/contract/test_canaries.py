"""Secrets that are planted in a host's files, an application's ``.env`` and an inventory turn up nowhere.

Every way of telling is tried, in previews, repairs, failures and crashes. Every byte that is then on the screen or on
this machine's disk is searched, and everything in /proc is looked at all the while: both sides are one machine here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from soleil_remediate.cli.verbs import CHECK_OUTPUT, RUN_OUTPUT
from soleil_remediate.errors import ExitStatus
from tests.canaries import CANARY, FORMS, IN_LINES, found_in
from tests.contract.conftest import HASHED, PASSWORD
from tests.contract.controllers import ROOT, Desk, Said
from tests.contract.leaky import PLAYBOOK
from tests.sshd import IS_ROOT, Login, Sshd, private_sshd
from tests.unit.reporters.ptys import Watched
from tests.watching import watching_processes

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="changes need root"),
    pytest.mark.timeout(300),  # the program is started several times in most of them, and may be slow to
]

#: Where each stands: a file that the inventory names, the inventory itself, the application's .env on the host. A test
#: gives the second as an argument: each process that runs tests has its own, as of the first.
IN_INVENTORY = f"tøken/{os.environ.get('PYTEST_XDIST_WORKER', 'of')} + 'our\"$own\\kind"
CANARIES = (PASSWORD, IN_INVENTORY, CANARY)
OUTPUTS = RUN_OUTPUT.choices


@dataclass(frozen=True, kw_only=True)
class Leaky:
    """A desk with an inventory of secrets, and a host whose file says them all."""

    desk: Desk

    @classmethod
    def at(cls, desk: Desk) -> Leaky:
        folder, site = desk.folder, desk.host / "site"
        (folder / "leaky.yml").write_text(PLAYBOOK)
        (folder / "password").write_text(f"{PASSWORD}\n")
        (folder / "password").chmod(0o600)
        site.mkdir()
        quoted = CANARY.replace("\\", "\\\\").replace('"', '\\"')
        (site / ".env").write_text(f'APP_NAME=site\nDB_PASSWORD="{quoted}"\n')
        (site / ".env").chmod(0o600)
        (folder / "inventory.yml").write_text(
            "all:\n  vars:\n"
            f"    ansible_user: rita\n    ansible_port: {desk.sshd.port}\n"
            f"    ansible_ssh_private_key_file: {desk.sshd.key}\n"
            f"    known_hosts: {desk.sshd.known_hosts}\n    ssh_config: {desk.sshd.folder / 'no_config'}\n"
            f"    ansible_become_password: file:{folder / 'password'}\n"
            f"    app: {{name: site, root: {site}, user: root}}\n"
            f"    api_token: '{IN_INVENTORY.replace(chr(39), chr(39) * 2)}'\n"
            "  hosts:\n    web1: {ansible_host: 127.0.0.1}\n"
        )
        return cls(desk=desk)

    def leak(self) -> None:
        """Let the file say every secret in each of its forms; on one line each: lines are told one by one."""
        lines = [f"{form}: {write(canary)}" for canary in CANARIES for form, write in FORMS.items() if form != IN_LINES]
        self.desk.file.write_text("\n".join(["bad", *lines, *(f"at once {one} and {one}" for one in CANARIES)]) + "\n")
        self.desk.file.chmod(0o600)

    def words(self, verb: str, *more: str, **inputs: object) -> list[str]:
        given = {"file": self.desk.file, **inputs}
        sets = [word for name, value in given.items() for word in ("--set", f"{name}={value}")]
        scenario = ["--scenario"] if verb == "remediate" else []
        return [verb, *scenario, "leaky", "--host", "web1", *self.where, *sets, *more]

    @property
    def where(self) -> list[str]:
        return [
            "--inventory", str(self.desk.folder / "inventory.yml"), "--playbooks", str(self.desk.folder / "leaky.yml"),
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        home = self.desk.folder / "home"
        home.mkdir(exist_ok=True)
        return (
            self.desk.whole_environment
            | {"HOME": str(home), "TMPDIR": str(home), "TERM": "xterm-256color"}
            | {"GITHUB_STEP_SUMMARY": str(home / "summary.md")}
        )

    def run(self, *words: str, **environment: str) -> Said:
        done = subprocess.run(
            [sys.executable, "-m", "tests.contract.leaky", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=100,
            env=self.environment | environment,
            cwd=ROOT,
            start_new_session=True,
            check=False,
        )
        return Said(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def written(self) -> dict[str, bytes]:
        """Return every file that came to be here."""
        planted = {"password", "inventory.yml", "leaky.yml", "tiny.yml"}
        files = (path for path in self.desk.folder.rglob("*") if path.is_file() and path.name not in planted)
        return {str(path.relative_to(self.desk.folder)): path.read_bytes() for path in files}


@pytest.fixture
def leaky(tmp_path: Path, work: Path, sshd: Sshd) -> Leaky:
    sshd.inside("rm", "-rf", "/run/soleil-remediate")
    leaky = Leaky.at(Desk.at(tmp_path, work, sshd))
    leaky.leak()
    return leaky


def assert_nothing_leaks(leaky: Leaky, *said: Said) -> None:
    told = {f"output {number}": (one.out + one.err).encode() for number, one in enumerate(said)}
    for where, content in (told | leaky.written()).items():
        assert not found_in(content, CANARIES), where


def test_the_search_finds_each_form_of_each_secret(leaky: Leaky) -> None:
    """Else it would prove nothing."""
    found = found_in(leaky.desk.file.read_bytes(), CANARIES)
    assert found >= {f"{canary} {form}" for canary in CANARIES for form in FORMS if form != IN_LINES}


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_preview_tells_no_secret(leaky: Leaky, output: str) -> None:
    said = leaky.run(*leaky.words("preview", "--commands", "--verbose", "--output", output))
    assert said.status == ExitStatus.WORK_FOUND, said
    assert "{hidden}" in said.out
    assert_nothing_leaks(leaky, said)


ENDINGS = {"good": ExitStatus.OK, "failed": ExitStatus.NOT_FIXED, "bug": ExitStatus.BUG}


@pytest.mark.parametrize(
    "output, ending", [*((output, "failed") for output in OUTPUTS), *product(("console", "json"), ("good", "bug"))]
)
def test_a_run_tells_no_secret_however_it_ends(leaky: Leaky, output: str, ending: str) -> None:
    said = leaky.run(*leaky.words("remediate", "--yes", "--verbose", "--output", output, ending=ending))
    assert said.status == ENDINGS[ending], said
    (run,) = leaky.desk.runs.list()
    shown = leaky.run("runs", "show", run.run, "--verbose", "--output", "json" if output == "json" else "console")
    assert shown.status == ExitStatus.OK, shown
    assert "{hidden}" in shown.out
    assert_nothing_leaks(leaky, said, shown)


@pytest.mark.parametrize("verb", ["preview", "remediate"])
@pytest.mark.parametrize("output", ["console", "json"])
def test_a_crash_tells_no_secret_neither_on_the_screen_nor_in_its_traceback(
    leaky: Leaky, verb: str, output: str
) -> None:
    approving = ["--yes"] if verb == "remediate" else []
    said = leaky.run(*leaky.words(verb, *approving, "--output", output, "--verbose"), SOLEIL_TEST_CRASH="1")
    assert said.status == ExitStatus.BUG
    (report,) = [content for name, content in leaky.written().items() if "/bugs/" in name]
    assert b"Traceback" in report
    assert b"{hidden}" in report
    assert_nothing_leaks(leaky, said)


@pytest.mark.parametrize("output", ["console", "json"])
def test_a_diagnosis_tells_no_secret(leaky: Leaky, output: str) -> None:
    playbook = leaky.desk.folder / "diagnosed.yml"
    given = PLAYBOOK.replace("required: true", f"default: {leaky.desk.file}").replace(
        "scenario: leaky", "scenario: told"
    )
    playbook.write_text(given)
    said = leaky.run("diagnose", "--host", "web1", *leaky.where[:2], "--playbooks", str(playbook), "--output", output)
    assert said.status == ExitStatus.WORK_FOUND, said
    assert "{hidden}" in said.out
    assert_nothing_leaks(leaky, said)


def test_the_other_commands_tell_no_secret(leaky: Leaky) -> None:
    said = [
        leaky.run("inventory", "--explain", "web1", *leaky.where[:2]),
        leaky.run("inventory", "--output", "json", *leaky.where[:2]),
        leaky.run("lint", str(leaky.desk.folder / "leaky.yml"), *leaky.where),
        leaky.run("ping", "--host", "web1", *leaky.where[:2]),
        leaky.run("explain", "leaky", *leaky.where[2:]),
        leaky.run(*leaky.words("remediate", "--approve", IN_INVENTORY)),
    ]
    assert [one.status for one in said] == [0, 0, 2, 0, 0, 4], [one.err for one in said]
    assert_nothing_leaks(leaky, *said)


@pytest.mark.parametrize("output", CHECK_OUTPUT.choices)
def test_a_routine_tells_no_secret(leaky: Leaky, output: str) -> None:
    routines = leaky.desk.folder / "more" / "routines"
    routines.mkdir(parents=True)
    (routines / "told.yml").write_text(
        "routine: told\ntitle: A File\nhosts: all\n"
        f'checks:\n  - file.says: {{path: "{leaky.desk.file}"}}\n'
        f'  - file.put-aloud: {{path: "{leaky.desk.file}"}}\n'
    )
    words = ["check", "told", "--host", "web1", *leaky.where[:2], "--playbooks", str(routines.parent)]
    said = leaky.run(*words, "--output", output)
    assert said.status == ExitStatus.WORK_FOUND, said
    assert "{hidden}" in said.out
    assert_nothing_leaks(leaky, said)


@pytest.mark.parametrize("output", ["console", "json"])
def test_who_looks_after_a_run_that_was_killed_and_goes_on_with_it_tells_no_secret(leaky: Leaky, output: str) -> None:
    words = [sys.executable, "-m", "tests.contract.leaky", *leaky.words("remediate", "--yes", ending="waiting")]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, env=leaky.environment, cwd=ROOT) as controller:
        until = time.monotonic() + 60
        while not any(b"ChangeIntended" in content for name, content in leaky.written().items() if "/runs/" in name):
            assert time.monotonic() < until
            time.sleep(0.05)
        controller.kill()
    (run,) = leaky.desk.runs.list()
    told = [
        leaky.run("status", "--host", "web1", *leaky.where[:2], "--output", output),
        leaky.run("runs", "list", "--output", output),
    ]
    Path(f"{leaky.desk.file}.go").touch()
    told.append(leaky.run("resume", run.run, "--output", output, "--yes"))
    assert [one.status for one in told[:2]] == [ExitStatus.WORK_FOUND, ExitStatus.OK], told
    assert told[2].status == ExitStatus.OK, told[2]
    assert "{hidden}" in told[2].out
    shown = leaky.run("runs", "show", run.run, "--verbose", "--output", output)
    assert_nothing_leaks(leaky, *told, shown)


def test_the_question_to_a_person_tells_no_secret(leaky: Leaky) -> None:
    words = [sys.executable, "-m", "tests.contract.leaky", *leaky.words("remediate", "--commands")]
    with Watched(words, leaky.environment | {"PYTHONPATH": str(ROOT)}) as terminal:
        status = terminal.wait(60)
    assert status == ExitStatus.OK, terminal.screen
    assert b"{hidden}" in terminal.raw
    assert_nothing_leaks(leaky, Said(status=status, out=terminal.raw.decode(), err=""))


@pytest.mark.parametrize("transport", ["ssh", "openssh"])
def test_no_argument_list_and_no_environment_holds_a_secret_on_either_side(leaky: Leaky, transport: str) -> None:
    with watching_processes() as seen:
        said = [
            leaky.run(*leaky.words("preview", "--transport", transport)),
            leaky.run(*leaky.words("remediate", "--yes", "--transport", transport)),
        ]
    assert [one.status for one in said] == [ExitStatus.WORK_FOUND, ExitStatus.OK], said
    assert any(b"tests.contract.leaky remediate" in line for line in seen)  # it was looked at the right moments
    assert any(b"sudo -k -S -p " in line for line in seen)
    leaks = {shown for line in seen for shown in found_in(line, CANARIES)}
    assert not leaks
    told = leaky.desk.sshd.inside("grep", "-rlF", "-e", PASSWORD, "-e", IN_INVENTORY, "/run/soleil-remediate/ops")
    assert {path.rpartition(b"/")[2] for path in told.stdout.split()} <= {b"out", b"end"}  # what the host itself said


@pytest.fixture
def by_password(folder: Path, tmp_path: Path, work: Path) -> Iterator[Leaky]:
    """A host that wants the password from whoever logs in, and from sudo none: it is known as nothing else."""
    logins = (
        Login("laura", 61030, sudo="ALL=(ALL:ALL) NOPASSWD: ALL", password=HASHED),
        Login("lewis", 61031),
    )
    options = "Match User laura,lewis\n  PasswordAuthentication yes\n  PubkeyAuthentication no"
    with private_sshd(folder / "by-password", options=options, logins=logins) as running:
        (running.folder / "no_config").touch()
        leaky = Leaky.at(Desk.at(tmp_path, work, running))
        inventory = tmp_path / "inventory.yml"
        inventory.write_text(
            inventory.read_text()
            .replace(f"    ansible_ssh_private_key_file: {running.key}\n", "")
            .replace("ansible_become_password", "ansible_password")
            .replace("ansible_user: rita", "ansible_user: laura")
        )
        leaky.leak()
        yield leaky


def test_a_password_to_log_in_with_is_told_by_nobody_and_seen_nowhere(by_password: Leaky) -> None:
    sshd = by_password.desk.sshd
    with watching_processes() as seen:
        said = [
            by_password.run(*by_password.words("preview", "--commands", "--verbose")),
            by_password.run(*by_password.words("remediate", "--yes", "--verbose", "--output", "json")),
            by_password.run("ping", "--host", "web1", *by_password.where[:2]),
        ]
    assert [one.status for one in said] == [ExitStatus.WORK_FOUND, ExitStatus.OK, ExitStatus.OK], said
    assert sshd.log.count("Accepted password for laura") >= len(said)
    assert all("{hidden}" in one.out for one in said[:2])
    assert_nothing_leaks(by_password, *said)
    assert any(b"tests.contract.leaky remediate" in line for line in seen)  # it was looked at the right moments
    assert not {shown for line in seen for shown in found_in(line, [PASSWORD])}
    told = sshd.inside("grep", "-rlF", "-e", PASSWORD, "/run", "/dev/shm", str(sshd.folder))
    assert {path.rpartition(b"/")[2] for path in told.stdout.split()} <= {b"out", b"end"}  # what the host itself said


@pytest.mark.parametrize("output", ["console", "json"])
def test_a_password_that_is_refused_is_not_told_either(by_password: Leaky, output: str) -> None:
    inventory = by_password.desk.folder / "inventory.yml"
    inventory.write_text(inventory.read_text().replace("ansible_user: laura", "ansible_user: lewis"))
    said = by_password.run(*by_password.words("remediate", "--yes", "--verbose", "--output", output))
    assert said.status == ExitStatus.UNREACHABLE, said
    assert_nothing_leaks(by_password, said)
    assert "refused the password. It was not tried again" in " ".join(said.out.split())
    assert by_password.desk.sshd.log.count("Failed password for lewis") == 1
