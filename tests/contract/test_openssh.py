"""By the ssh program: the same strictness, the same deadlines, and nothing of it that stays behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import (
    AuthenticationFailed,
    ConfigError,
    ConnectionLost,
    ConnectionRefused,
    ConnectTimedOut,
    HostKeyRejected,
    RemediateError,
    Unreachable,
)
from soleil_remediate.host import Host, SecretReference
from soleil_remediate.transports.openssh import OpensshTransport
from soleil_remediate.units import Duration
from tests.contract.conftest import Bed, output, ssh_host, through
from tests.contract.tcp import dripping, hanging_up, listener, proxy, silent
from tests.sshd import IS_ROOT, Sshd, free_port, known_hosts_line, make_key, private_sshd
from tests.waiting import ends_within, eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _short_paths_and_no_agent(monkeypatch: pytest.MonkeyPatch, work: Path) -> None:
    """Sockets stand where this test alone looks for them."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(work))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture(autouse=True)
def _nothing_stays_behind(work: Path) -> Iterator[None]:
    """No folder with a socket, and no process whose arguments name one; what a test killed included."""
    yield
    assert eventually(lambda: not list(work.glob("soleil-*"))), list(work.iterdir())
    assert eventually(lambda: not processes_naming(str(work))), processes_naming(str(work))


def processes_naming(text: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in words and int(process.name) != os.getpid():
                found.append(f"{process.name} {words[:200]}")
    return found


def failure(host: Host, *, within: float = 8) -> RemediateError:
    """Return why *host* cannot be reached, which must be known in time."""
    with ends_within(within, late=1), pytest.raises(RemediateError) as caught:
        OpensshTransport().open(host, within=Duration(within))
    assert "debug1" not in str(caught.value)
    return caught.value


def fingerprint(public: Path) -> str:
    told = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, check=True, timeout=10)
    return told.stdout.decode().split()[1]


# -- host keys --------------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_rejected_before_anything_is_tried(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("", "utf-8")
    before = len(sshd.log)
    error = failure(ssh_host(sshd, known_hosts=(tmp_path / "empty",)))
    assert isinstance(error, HostKeyRejected)
    assert "its host key is unknown" in str(error)
    assert "so nothing was tried, not even to log in" in str(error)
    assert fingerprint(sshd.folder / "host_ed25519.pub") in str(error)
    assert "ublickey" not in sshd.log[before:]
    assert (tmp_path / "empty").read_text("utf-8") == ""


def test_a_changed_host_key_is_rejected_before_anything_is_tried(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known hosts 100%"
    line = known_hosts_line(f"[127.0.0.1]:{sshd.port}", make_key(tmp_path / "other").with_suffix(".pub"))
    known.write_text(line, "utf-8")
    before = len(sshd.log)
    error = failure(ssh_host(sshd, known_hosts=(known,)))
    assert isinstance(error, HostKeyRejected)
    assert f"its host key is not the known one ({known}:1)" in str(error)
    assert fingerprint(sshd.folder / "host_ed25519.pub") in str(error)
    assert "ublickey" not in sshd.log[before:]
    assert known.read_text("utf-8") == line


def test_a_revoked_key_is_rejected_although_it_is_known(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    revoked = "@revoked * " + known_hosts_line("x", sshd.folder / "host_ed25519.pub").split(" ", 1)[1]
    known.write_text(sshd.known_hosts.read_text("utf-8") + revoked, "utf-8")
    error = failure(ssh_host(sshd, known_hosts=(known,)))
    assert isinstance(error, HostKeyRejected)
    assert "its host key was revoked" in str(error)


@pytest.mark.parametrize("option", ["StrictHostKeyChecking no", "StrictHostKeyChecking accept-new"])
def test_no_configuration_makes_it_less_strict(sshd: Sshd, tmp_path: Path, option: str) -> None:
    config = tmp_path / "config"
    known = tmp_path / "known_hosts"
    config.write_text(f"Host *\n  {option}\n  UserKnownHostsFile {known}\n", "utf-8")
    assert isinstance(failure(ssh_host(sshd, ssh_config=config, known_hosts=())), HostKeyRejected)
    assert not known.exists()


def test_a_certificate_of_the_host_counts_and_no_key_is_claimed_to_be_known(
    openssh: Bed, folder: Path, tmp_path: Path
) -> None:
    authority = make_key(tmp_path / "authority")
    host_key = make_key(tmp_path / "host")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "web1", "-h", "-n", "127.0.0.1", host_key.with_suffix(".pub")],
        check=True, timeout=10,
    )  # fmt: skip
    options = f"HostKey {host_key}\nHostCertificate {host_key}-cert.pub"
    with private_sshd(folder / "certified", options=options) as certified:
        (certified.folder / "no_config").write_text("", "utf-8")
        known = tmp_path / "known_hosts"
        public = " ".join(authority.with_suffix(".pub").read_text("utf-8").split()[:2])
        known.write_text(f"@cert-authority [127.0.0.1]:{certified.port} {public}\n", "utf-8")
        openssh.host = ssh_host(certified, known_hosts=(known,), transport="openssh")
        session = openssh.open()
        assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
        assert session.host_key is None
        session.close()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_the_key_that_was_checked_is_shown_as_ssh_keygen_shows_it(folder: Path, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / f"host_{kind}", kind)
    with private_sshd(folder / f"kind-{kind}", options=f"HostKey {key}") as running:
        known = tmp_path / "known_hosts"
        public = key.with_suffix(".pub") if kind == "rsa" else running.folder / f"host_{kind}.pub"
        known.write_text(f"# a comment\n{known_hosts_line(f'[127.0.0.1]:{running.port}', public)}", "utf-8")
        (running.folder / "no_config").write_text("", "utf-8")
        session = OpensshTransport().open(ssh_host(running, known_hosts=(known,)), within=Duration(10))
        told = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, check=True, text=True).stdout.split()
        assert str(session.host_key) == f"{told[0]} {told[1]} {told[-1]}"
        session.close()


def test_a_banner_that_names_another_key_makes_the_key_unknown(folder: Path, sshd: Sshd, tmp_path: Path) -> None:
    """A host that has one known key must not be able to show another one."""
    banner = tmp_path / "banner"
    other = sshd.folder / "host_ed25519.pub"
    banner.write_text(f"debug1: Server host key: ssh-ed25519 {fingerprint(other)}\n", "utf-8")
    with private_sshd(folder / "liar", options=f"Banner {banner}") as liar:
        (liar.folder / "no_config").write_text("", "utf-8")
        session = OpensshTransport().open(ssh_host(liar), within=Duration(10))
        assert session.host_key is None
        session.close()


# -- who we are -------------------------------------------------------------------------------------------------------


def test_a_key_that_the_host_refuses_is_not_tried_again(sshd: Sshd, tmp_path: Path) -> None:
    before = len(sshd.log)
    error = failure(ssh_host(sshd, key_file=make_key(tmp_path / "stranger")))
    assert isinstance(error, AuthenticationFailed)
    assert f"Permission denied (publickey) (offered {tmp_path / 'stranger'}). It was not tried again" in str(error)
    assert eventually(lambda: "closed by authenticating user" in sshd.log[before:])
    assert sshd.log[before:].count("Failed publickey") == 1


def test_a_missing_key_is_a_mistake_in_the_input(sshd: Sshd, tmp_path: Path) -> None:
    error = failure(ssh_host(sshd, key_file=tmp_path / "missing"))
    assert isinstance(error, ConfigError)
    assert f"the private key {tmp_path / 'missing'} does not exist" in str(error)


def test_a_key_with_a_passphrase_asks_nobody(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = tmp_path / "askpass"
    asked.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-asked\necho secret\n", "utf-8")
    asked.chmod(0o700)
    for name, value in (("SSH_ASKPASS", str(asked)), ("SSH_ASKPASS_REQUIRE", "force"), ("DISPLAY", ":0")):
        monkeypatch.setenv(name, value)
    error = failure(ssh_host(sshd, key_file=make_key(tmp_path / "locked", passphrase="secret")))
    assert isinstance(error, AuthenticationFailed)
    assert not (tmp_path / "was-asked").exists()


def test_a_password_of_the_inventory_is_refused_and_not_sent(sshd: Sshd) -> None:
    error = failure(ssh_host(sshd, password=SecretReference("env", "SSH_PASSWORD")))
    assert isinstance(error, ConfigError)
    assert "the openssh transport types no passwords, and the inventory names one (env:SSH_PASSWORD)" in str(error)


def test_the_agent_is_asked_where_no_key_is_configured(
    openssh: Bed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(door)], stdout=subprocess.DEVNULL)
    try:
        assert eventually(door.exists)
        monkeypatch.setenv("SSH_AUTH_SOCK", str(door))
        subprocess.run(["ssh-add", "-q", str(sshd.key)], check=True, stdin=subprocess.DEVNULL, timeout=10)
        openssh.host = ssh_host(sshd, key_file=None)
        openssh.open()
    finally:
        agent.kill()
        agent.wait(10)


# -- configuration ----------------------------------------------------------------------------------------------------


def test_an_alias_of_the_configuration_is_reached(openssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    config, forwarded = tmp_path / "config", free_port()
    config.write_text(
        f"Host web1\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {sshd.key}\n"
        f" UserKnownHostsFile {sshd.known_hosts}\n RemoteCommand date\n RequestTTY force\n SendEnv *\n"
        f" LocalForward {forwarded} 127.0.0.1:1\n ForwardAgent yes\n LogLevel QUIET\n ControlMaster auto\n"
        f" ControlPath {tmp_path}/own-%C\n ControlPersist yes\n PermitLocalCommand yes\n"
        f" LocalCommand touch {tmp_path}/ran\n",
        "utf-8",
    )
    openssh.host = ssh_host(
        sshd, address="web1", port=None, user=None, key_file=None, known_hosts=(), ssh_config=config
    )
    session = openssh.open()
    answers = session.ask([Command(("printenv", "SSH_AUTH_SOCK")), Command(("printenv", "XDG_RUNTIME_DIR"))])
    assert [output(answer).stdout for answer in answers] == [b"", b""]
    assert not (tmp_path / "ran").exists()
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", forwarded)) != 0
    assert not list(tmp_path.glob("own-*"))


@pytest.mark.parametrize("text", ["Host *\n  NoSuchOption yes\n", "Host *\n  Port x\n"])
def test_a_configuration_that_cannot_be_read_is_a_mistake_in_the_input(sshd: Sshd, tmp_path: Path, text: str) -> None:
    config = tmp_path / "config"
    config.write_text(text, "utf-8")
    error = failure(ssh_host(sshd, ssh_config=config))
    assert isinstance(error, ConfigError)
    assert "the ssh configuration for web1 cannot be used" in str(error)


def test_a_configuration_that_others_can_write_is_not_used(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("", "utf-8")
    config.chmod(0o666)
    error = failure(ssh_host(sshd, ssh_config=config))
    assert isinstance(error, ConfigError)
    assert f"chmod go-w {config}" in str(error)


def test_without_an_ssh_program_it_says_what_to_do(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = failure(ssh_host(sshd))
    assert isinstance(error, ConfigError)
    assert "apt-get install openssh-client, or use transport: ssh" in str(error)


@pytest.mark.skipif(not IS_ROOT, reason="the jump needs a login of its own")
def test_hosts_on_the_way_are_held_to_the_same_host_keys(openssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    """Two of them; ssh by itself would ask, or follow the configuration."""
    with private_sshd(openssh.folder / "inner") as inner:
        known = tmp_path / "known_hosts"
        config = tmp_path / "config"
        config.write_text(
            f"Host inner\n HostName 127.0.0.1\n Port {inner.port}\n IdentityFile {inner.key}\n ProxyJump one,two\n"
            f"Host one two\n HostName 127.0.0.1\n Port {sshd.port}\n User guest\n IdentityFile {sshd.key}\n"
            f" StrictHostKeyChecking no\n",
            "utf-8",
        )
        openssh.host = ssh_host(
            sshd, address="inner", port=None, user="root", key_file=None, ssh_config=config, known_hosts=(known,)
        )
        known.write_text(inner.known_hosts.read_text("utf-8"), "utf-8")
        assert isinstance(failure(openssh.host), HostKeyRejected)
        known.write_text(inner.known_hosts.read_text("utf-8") + sshd.known_hosts.read_text("utf-8"), "utf-8")
        session = openssh.open()
        assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
        assert str(session.host_key).split()[1] == fingerprint(inner.folder / "host_ed25519.pub")
        session.close()


# -- deadlines --------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_is_refused(sshd: Sshd) -> None:
    error = failure(ssh_host(sshd, port=free_port()))
    assert isinstance(error, ConnectionRefused)
    assert "Connection refused" in str(error)


def test_a_name_that_does_not_resolve_says_so(sshd: Sshd) -> None:
    error = failure(ssh_host(sshd, address="no-such-host.invalid"))
    assert isinstance(error, ConnectionRefused)
    assert "does not resolve" in str(error)


@pytest.mark.parametrize("behaviour", [silent, dripping], ids=lambda behaviour: behaviour.__name__)
def test_a_host_that_never_greets_is_not_waited_for(sshd: Sshd, behaviour: Callable[..., None]) -> None:
    with listener(behaviour) as port:
        error = failure(through(sshd, port), within=1.5)
    assert isinstance(error, ConnectTimedOut)
    assert "took longer than 1.5 s" in str(error)


def test_a_host_that_hangs_up_says_so(sshd: Sshd) -> None:
    with listener(hanging_up) as port:
        error = failure(through(sshd, port))
    assert isinstance(error, ConnectionLost)
    assert "hung up before it greeted" in str(error)


def test_a_command_of_the_configuration_that_hangs_is_not_waited_for(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text('Match exec "sleep 60"\n  Port 1\n', "utf-8")
    assert isinstance(failure(ssh_host(sshd, ssh_config=config), within=1), ConnectTimedOut)


@pytest.mark.parametrize("after", [0.05, 0.2, 0.4])
def test_a_host_that_freezes_while_we_log_in_is_not_waited_for(sshd: Sshd, after: float) -> None:
    with proxy(sshd.port) as between:
        timer = threading.Timer(after, between.freeze)
        with ends_within(2, late=2):
            timer.start()
            with suppress(ConnectTimedOut):  # it may have been too late to freeze anything
                OpensshTransport().open(through(sshd, between.port), within=Duration(2)).close()
            timer.join()


def test_a_host_that_freezes_later_is_not_waited_for(openssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(sshd.port) as between:
        openssh.host = through(sshd, between.port)
        session = openssh.open()
        monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(0.5))
        between.freeze()
        with ends_within(1.5, late=3.5), pytest.raises(ConnectionLost, match="stopped answering"):
            session.ask([Command(("printf", "%s", "x" * 100_000), deadline=Duration(1))] * 100)
        with pytest.raises(ConnectionLost):
            session.ask([Command(("echo", "x"))])


def test_a_host_that_freezes_before_a_second_channel_is_not_waited_for(
    openssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(sshd.port) as between:
        openssh.host = through(sshd, between.port)
        session = openssh.open()
        monkeypatch.setattr("soleil_remediate.transports.openssh._STEP", Duration(1))
        between.freeze()
        with pytest.raises(ConnectionLost, match="stopped answering"):
            session.ask([Command(("echo", "x"), is_slow=True)])


@pytest.mark.parametrize("asked", ["at once", "later"])
def test_a_connection_that_breaks_is_a_connection_that_broke_and_not_a_shell_that_ended(
    openssh: Bed, sshd: Sshd, asked: str
) -> None:
    with proxy(sshd.port) as between:
        openssh.host = through(sshd, between.port)
        session = openssh.open()
        if asked == "at once":
            threading.Timer(0.3, between.reset).start()
            command = Command(("sleep", "5"), deadline=Duration(6))
        else:
            between.reset()
            time.sleep(0.3)
            command = Command(("echo", "x"))
        with pytest.raises(ConnectionLost, match="closed the connection"):
            session.ask([command])
        with pytest.raises(Unreachable):
            session.outcome("op-1", memory="")


def test_a_host_that_gives_one_channel_only_still_answers_slow_questions(folder: Path, openssh: Bed) -> None:
    with private_sshd(folder / "one-channel", options="MaxSessions 1") as one:
        (one.folder / "no_config").write_text("", "utf-8")
        openssh.host = ssh_host(one)
        session = openssh.open()
        answers = session.ask([Command(("echo", "1"), is_slow=True), Command(("echo", "2"))])
        assert [output(answer).text for answer in answers] == ["1\n", "2\n"]
        session.close()


# -- what stays behind ------------------------------------------------------------------------------------------------


def test_its_socket_is_where_only_this_user_may_look(openssh: Bed, work: Path) -> None:
    openssh.open()
    (folder,) = work.glob("soleil-*")
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_whose_path_is_too_long_for_a_socket_is_passed_over(
    openssh: Bed, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = work / ("x" * 90)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    openssh.open()
    assert not list(long.iterdir())


def test_no_thread_and_no_descriptor_stays_behind(sshd: Sshd) -> None:
    threads, descriptors = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for _ in range(3):
        session = OpensshTransport().open(ssh_host(sshd), within=Duration(10))
        session.ask([Command(("echo", "x")), Command(("echo", "y"), is_slow=True)])
        session.close()
        session.close()
    with listener(silent) as port:
        failure(through(sshd, port), within=0.5)
    assert eventually(lambda: set(threading.enumerate()) <= threads, within=5), threading.enumerate()
    assert eventually(lambda: len(os.listdir("/proc/self/fd")) <= descriptors)  # noqa: PTH208


CONTROLLER = """
import sys, time
from pathlib import Path
from soleil_remediate.command import Command
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.openssh import OpensshTransport
from soleil_remediate.units import Duration
folder, port, user = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
host = Host(name="web1", connection=Connection(address="127.0.0.1", port=port, user=user, key_file=folder / "client",
    known_hosts=(folder / "known_hosts",), ssh_config=folder / "no_config"))
session = OpensshTransport().open(host, within=Duration(20))
session.ask([Command(("true",), is_slow=True)])
print("open", flush=True)
print(session.ask([Command(("sh", "-c", "sleep 2; echo answered"), deadline=Duration(9))]), flush=True)
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_controller_that_is_killed_leaves_nothing_behind(sshd: Sshd, work: Path, sent: signal.Signals) -> None:
    """The fixture looks for what is left."""
    words = [sys.executable, "-c", CONTROLLER, str(sshd.folder), str(sshd.port), sshd.user]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"open\n"
        assert processes_naming(str(work))
        controller.send_signal(sent)


def test_ctrl_c_at_the_terminal_does_not_reach_the_connection(sshd: Sshd) -> None:
    words = [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, print)\n" + CONTROLLER]
    words += [str(sshd.folder), str(sshd.port), sshd.user]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"open\n"
        os.killpg(controller.pid, signal.SIGINT)  # what a terminal does
        assert b"answered" in controller.stdout.read()


def test_giving_up_while_connecting_leaves_nothing_behind(sshd: Sshd, work: Path) -> None:
    """The fixture looks for what is left; the program ends at once."""
    with listener(silent) as port:
        gives_up = f"import os\ntry:\n    exec({CONTROLLER!r})\nexcept KeyboardInterrupt:\n    os._exit(130)\n"
        words = [sys.executable, "-c", gives_up, str(sshd.folder), str(port), sshd.user]
        with subprocess.Popen(words, cwd=ROOT) as controller:
            assert eventually(lambda: len(processes_naming(str(work))) >= 2)
            controller.send_signal(signal.SIGINT)
        assert controller.returncode == 130


FEW_FILES = """
import os, resource, sys
from pathlib import Path, PurePosixPath
from soleil_remediate.errors import RemediateError
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.local import LocalTransport
from soleil_remediate.transports.openssh import OpensshTransport
from soleil_remediate.units import Duration
folder, port, user = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
connection = Connection(address="127.0.0.1", port=port, user=user, key_file=folder / "client",
    known_hosts=(folder / "known_hosts",), ssh_config=folder / "no_config")
before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for transport in (LocalTransport(), OpensshTransport()):
    transport.open(Host(name="web1", connection=connection), within=Duration(20)).close()
    failed = 0
    for more in range(16):
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1 + more, hard))
        try:
            transport.open(Host(name="web1", connection=connection), within=Duration(20)).close()
        except RemediateError as error:
            failed += "Too many open files" in str(error)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    print("some" if 1 <= failed < 16 else failed, len(os.listdir("/proc/self/fd")) - 1)
"""


#: Python's own subprocess loses the pipes that it had made before one could not be made: seen in 3.11.2, not in 3.11.7.
LOSES_PIPES = """
import os, resource, subprocess
before, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
for more in range(16):
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1 + more, hard))
    try:
        subprocess.Popen(["true"], stdin=-1, stdout=-1, stderr=-1).communicate()
    except OSError:
        pass
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
print(len(os.listdir("/proc/self/fd")) - 1)
"""


def test_where_no_more_files_may_be_open_a_host_is_not_reached_and_nothing_else_breaks(sshd: Sshd) -> None:
    words = [sys.executable, "-W", "error", "-c", FEW_FILES, str(sshd.folder), str(sshd.port), sshd.user]
    done = subprocess.run(words, capture_output=True, check=False, timeout=50, cwd=ROOT)
    python = subprocess.run([sys.executable, "-c", LOSES_PIPES], capture_output=True, check=True, timeout=20)
    left = "3" if python.stdout == b"3\n" else r"\d+"
    assert done.stderr == b""
    assert re.fullmatch(rf"(some {left}\n){{2}}", done.stdout.decode()), done.stdout


@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is not installed: apt-get install util-linux")
def test_what_is_in_the_current_folder_is_not_looked_at(
    openssh: Bed, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = work / "here"
    here.mkdir()
    for name in ("ssh", "sh", "false", "config", "ssh_config"):
        (here / name).write_text(f"#!/bin/sh\ntouch {work}/ran\n", "utf-8")
        (here / name).chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", f".:{os.environ['PATH']}")
    openssh.open()
    assert not (work / "ran").exists()
