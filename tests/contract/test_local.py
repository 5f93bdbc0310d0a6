"""This machine without SSH: the same shell, which has nothing of this program's own surroundings."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import ConfigError, FactError
from soleil_remediate.transports import Progress
from soleil_remediate.units import Duration
from tests.contract.conftest import LOGINS, PASSWORD, WITHIN, Bed, output, ssh_host
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import ends_within, eventually

ROOT = Path(__file__).parents[2]

CONTROLLER = """
import sys
from pathlib import PurePosixPath
from soleil_remediate.command import Command
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.local import LocalTransport
from soleil_remediate.units import Duration
host = Host(name="web1", connection=Connection(address="localhost", transport="local"))
session = LocalTransport(base=PurePosixPath(sys.argv[1])).open(host, within=Duration(20))
session.claim("jan@laptop")
(answer,) = session.ask([Command(("sh", "-c", "ps -o ppid= -p $PPID"))])
print(answer.text.strip(), session.memory, flush=True)
command = Command(("sh", "-c", 'sleep 1; echo done >>"$1"', "x", sys.argv[2]), deadline=Duration(9))
print(session.send("op-1", command).exit_status, flush=True)
"""


def controller(bed: Bed) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", CONTROLLER, str(bed.base), str(bed.folder / "ledger")]
    return subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True)


def test_nothing_of_this_programs_environment_reaches_the_shell(local: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOLEIL_TEST_SECRET", "correct-horse")
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 5 192.0.2.8 22")  # but where the person sits
    for become in (True, False):  # sudo would take it away by itself
        local.host = replace(local.host, connection=replace(local.host.connection, become=become))
        answers = local.open().ask([Command(("env",)), Command(("env",), is_slow=True)])
        assert not [answer for answer in answers if "correct-horse" in output(answer).text]
        assert all("SSH_CONNECTION=192.0.2.7 5 192.0.2.8 22\n" in output(answer).text for answer in answers)


def test_a_controller_that_is_killed_leaves_its_change_to_end_and_no_shell_behind(local: Bed) -> None:
    ledger = local.folder / "ledger"
    with controller(local) as running:
        assert running.stdout is not None
        shell, memory = running.stdout.readline().split()
        assert eventually((local.base / "ops/op-1/begun").is_symlink)
        running.kill()
    assert eventually(lambda: not Path("/proc", shell.decode()).exists(), within=5)
    later = local.open()
    assert eventually(lambda: later.outcome("op-1", memory=memory.decode()).progress is Progress.DONE)
    assert ledger.read_text("utf-8") == "done\n"


def test_ctrl_c_at_the_terminal_does_not_reach_the_shell(local: Bed) -> None:
    """A controller that lets its change end, as after the first Ctrl-C."""
    with controller(local) as running:
        assert running.stdout is not None
        shell, _ = running.stdout.readline().split()
        assert os.getpgid(int(shell)) != os.getpgid(running.pid)
        assert os.getsid(int(shell)) != os.getsid(running.pid)
        assert running.stdout.read() == b"0\n"


def test_closing_waits_for_no_command(local: Bed) -> None:
    session = local.open()
    with ends_within(0, late=3):
        (answer,) = session.ask([Command(("sh", "-c", "sleep 30 & echo x"))])
        assert output(answer).stdout == b"x\n"
        session.close()


def test_a_shell_that_was_killed_is_not_waited_for_although_what_it_left_behind_holds_its_output(local: Bed) -> None:
    killer = Command(("sh", "-c", "sleep 12 & kill -9 $(ps -o ppid= $PPID)"), deadline=Duration(20))
    began = time.monotonic()
    answers = local.open().ask([killer, Command(("echo", "x"))])
    assert isinstance(answers[0], FactError)
    assert output(answers[1]).stdout == b"x\n"
    assert time.monotonic() - began < 8


def test_no_host_key_is_claimed(local: Bed) -> None:
    assert local.open().host_key is None


def test_the_wrong_machine_is_asked_nothing(local: Bed, sshd: Sshd) -> None:
    with pytest.raises(ConfigError, match=r"192\.0\.2\.1 is no address of this machine"):
        local.transport.open(ssh_host(sshd, address="192.0.2.1"), within=WITHIN)


AS_SOMEBODY = """
import os, sys
from soleil_remediate.command import Command
from soleil_remediate.host import Connection, Host, SecretReference
from soleil_remediate.transports import session, shell
from soleil_remediate.transports.local import LocalTransport
from soleil_remediate.units import Duration
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
connection = Connection(address="localhost", become_password=SecretReference("env", "SUDO"))
session = LocalTransport().open(Host(name="x", connection=connection), within=Duration(20))
print(session.access.login, session.access.why_not or "root")
print(*(answer.text.strip() for answer in session.ask([Command(("id", "-un")), Command(("id", "-un"), is_slow=True)])))
session.close()
"""


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else")
@pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed: apt-get install sudo")
@pytest.mark.parametrize(
    "user, password, said",
    [
        ("rita", "right", "rita root\nroot root\n"),
        ("rita", "wrong", "rita sudo refused the password (env:SUDO)\nrita rita\n"),
        ("ops", "wrong", "ops root\nroot root\n"),
        ("sara", "right", "sara the login is not in sudoers\nsara sara\n"),
    ],
)
def test_sudo_is_used_as_over_ssh(sshd: Sshd, user: str, password: str, said: str) -> None:
    uid = next(login.uid for login in LOGINS if login.name == user)
    given = PASSWORD if password == "right" else password
    done = sshd.inside(
        sys.executable, "-c", AS_SOMEBODY, str(uid), cwd=ROOT, env={"SUDO": given, "PYTHONDONTWRITEBYTECODE": "1"}
    )
    assert (done.stdout.decode(), done.stderr.decode()) == (said, "")


def test_signals_that_a_controller_ignores_still_end_what_it_starts(local: Bed) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        session = local.open()
        session.claim("jan@laptop")
        asked = Command(("sh", "-c", "grep ^SigIgn /proc/self/status"))
        assert session.send("op-signals", asked).text.split()[1].strip("0") == ""
    finally:
        signal.signal(signal.SIGHUP, before)
