"""Getting in, or being told plainly why not: host keys, private keys, configuration, and every deadline."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
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
from soleil_remediate.host import Host
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.contract.conftest import Bed, output, ssh_host, through
from tests.contract.tcp import dripping, dripping_lines, hanging_up, listener, proxy, silent
from tests.sshd import IS_ROOT, Sshd, free_port, known_hosts_line, make_key, private_sshd
from tests.waiting import ends_within, eventually

ROOT = Path(__file__).parents[2]


def failure(host: Host, *, within: float = 5) -> RemediateError:
    """Return why *host* cannot be reached, which must be known in time."""
    with ends_within(within, late=1), pytest.raises(RemediateError) as caught:
        SshTransport().open(host, within=Duration(within))
    assert "Traceback" not in str(caught.value)
    return caught.value


@pytest.fixture
def new_log(sshd: Sshd) -> Callable[[], str]:
    """What the sshd logs from here on, once it has said that the connection is over."""
    before = len(sshd.log)

    def log() -> str:
        assert eventually(lambda: "losed" in sshd.log[before:] or "reset" in sshd.log[before:])
        return sshd.log[before:]

    return log


# -- host keys --------------------------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_rejected_before_anything_is_tried(
    sshd: Sshd, tmp_path: Path, new_log: Callable[[], str]
) -> None:
    (tmp_path / "empty").write_text("", "utf-8")
    error = failure(ssh_host(sshd, known_hosts=(tmp_path / "empty",)))
    assert isinstance(error, HostKeyRejected)
    assert "its host key is unknown, so nothing was tried, not even to log in" in str(error)
    assert fingerprint(sshd.folder / "host_ed25519.pub") in str(error)
    assert "ublickey" not in new_log()


def test_a_changed_host_key_is_rejected_before_anything_is_tried(
    sshd: Sshd, tmp_path: Path, new_log: Callable[[], str]
) -> None:
    other = make_key(tmp_path / "other")
    known = tmp_path / "known_hosts"
    known.write_text(known_hosts_line(f"[127.0.0.1]:{sshd.port}", other.with_suffix(".pub")), "utf-8")
    error = failure(ssh_host(sshd, known_hosts=(known,)))
    assert isinstance(error, HostKeyRejected)
    assert "its host key is not the known one" in str(error)
    assert fingerprint(sshd.folder / "host_ed25519.pub") in str(error)
    assert f"{fingerprint(other.with_suffix('.pub'))} ({known}:1)" in str(error)
    assert f"ssh-keygen -R '[127.0.0.1]:{sshd.port}' -f {known}" in str(error)
    assert "ublickey" not in new_log()


def test_another_host_that_stands_where_the_known_one_was_is_offered_nothing(
    over_ssh: Bed, sshd: Sshd, work: Path, tmp_path: Path
) -> None:
    """It would let us in: it takes the same key."""
    folder = work / "other"
    folder.mkdir()
    for name in ("client", "client.pub"):
        shutil.copy2(sshd.folder / name, folder / name)
    with private_sshd(folder) as other, proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        over_ssh.open().close()
        between.lead_to(other.port)
        before = len(other.log)
        with pytest.raises(HostKeyRejected, match="its host key is not the known one") as caught:
            over_ssh.open()
        assert fingerprint(other.folder / "host_ed25519.pub") in str(caught.value)
        assert eventually(lambda: "losed" in other.log[before:] or "reset" in other.log[before:])
        assert "Connection from" in other.log[before:]
        assert not re.search("ublickey|authenticating|Failed|Accepted", other.log[before:])
        known = tmp_path / "known_hosts"
        known.write_text(known_hosts_line(f"[127.0.0.1]:{between.port}", other.folder / "host_ed25519.pub"), "utf-8")
        over_ssh.host = ssh_host(sshd, port=between.port, known_hosts=(known,))
        over_ssh.open().close()
        assert "Accepted publickey" in other.log[before:]  # else its silence about keys would prove nothing


def fingerprint(public: Path) -> str:
    told = subprocess.run(["ssh-keygen", "-lf", str(public)], capture_output=True, check=True, timeout=10)
    return told.stdout.decode().split()[1]


def test_the_key_type_that_is_known_is_asked_for(ssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    """The host shows its ed25519 key to whoever has no wish; only its ECDSA key is known."""
    known = tmp_path / "known_hosts"
    known.write_text(known_hosts_line(f"[127.0.0.1]:{sshd.port}", sshd.folder / "host_ecdsa.pub"), "utf-8")
    ssh.host = ssh_host(sshd, known_hosts=(known,))
    assert output(ssh.open().ask([Command(("echo", "x"))])[0]).stdout == b"x\n"


def test_hashed_names_are_known(ssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    shutil.copyfile(sshd.known_hosts, known)
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(known)], check=True, capture_output=True, timeout=10)
    assert "127.0.0.1" not in known.read_text("utf-8")
    ssh.host = ssh_host(sshd, known_hosts=(known,))
    ssh.open()


def test_an_alias_is_looked_up_instead_of_the_address(ssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(known_hosts_line("web1.example", sshd.folder / "host_ed25519.pub"), "utf-8")
    config = tmp_path / "config"
    config.write_text(f"Host web1\n  HostName 127.0.0.1\n  Port {sshd.port}\n  HostKeyAlias web1.example\n", "utf-8")
    ssh.host = ssh_host(sshd, address="web1", port=None, ssh_config=config, known_hosts=(known,))
    ssh.open()


def test_a_revoked_key_is_rejected_although_it_is_known(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    revoked = "@revoked * " + known_hosts_line("x", sshd.folder / "host_ed25519.pub").split(" ", 1)[1]
    known.write_text(sshd.known_hosts.read_text("utf-8") + revoked, "utf-8")
    error = failure(ssh_host(sshd, known_hosts=(known,)))
    assert isinstance(error, HostKeyRejected)
    assert f"its host key was revoked ({known}:2)" in str(error)


# -- private keys -----------------------------------------------------------------------------------------------------


def test_a_key_that_the_host_refuses_is_offered_once(sshd: Sshd, tmp_path: Path, new_log: Callable[[], str]) -> None:
    error = failure(ssh_host(sshd, key_file=make_key(tmp_path / "stranger")))
    assert isinstance(error, AuthenticationFailed)
    assert f"refused {tmp_path / 'stranger'}. It was not tried again" in str(error)
    assert new_log().count("Failed publickey") == 1


def test_a_key_with_a_passphrase_says_what_to_do(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key = make_key(tmp_path / "locked", passphrase="secret")
    error = failure(ssh_host(sshd, key_file=key))
    assert isinstance(error, AuthenticationFailed)
    assert f"needs a passphrase, and the agent has it not: ssh-add {key}" in str(error)


def test_a_missing_key_is_a_mistake_in_the_input(sshd: Sshd, tmp_path: Path) -> None:
    error = failure(ssh_host(sshd, key_file=tmp_path / "missing"))
    assert isinstance(error, ConfigError)
    assert f"the private key {tmp_path / 'missing'} does not exist" in str(error)


def test_a_file_that_is_no_key_says_so(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "garbage").write_text("garbage", "utf-8")
    error = failure(ssh_host(sshd, key_file=tmp_path / "garbage"))
    assert isinstance(error, AuthenticationFailed)
    assert "is no private key of a kind that can be used here" in str(error)


def test_a_key_that_cannot_be_read_says_so(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    error = failure(ssh_host(sshd, key_file=tmp_path / "folder"))
    assert isinstance(error, AuthenticationFailed)
    assert "cannot be read: Is a directory" in str(error)


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """An agent of our own; the function adds a key to it."""
    socket = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    asked = tmp_path / "askpass"
    asked.write_text("#!/bin/sh\necho secret\n", "utf-8")
    asked.chmod(0o700)

    def add(key: Path) -> None:
        assert eventually(socket.exists)
        env = {**os.environ, "SSH_ASKPASS": str(asked), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", str(key)], check=True, stdin=subprocess.DEVNULL, env=env, timeout=10)

    yield add
    process.kill()
    process.wait(10)


def test_the_agent_signs_where_no_key_is_configured(
    ssh: Bed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Callable[[Path], None]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    agent(sshd.key)
    ssh.host = ssh_host(sshd, key_file=None)
    ssh.open()


def test_the_agents_other_keys_are_not_offered_where_a_key_is_configured(
    sshd: Sshd, tmp_path: Path, agent: Callable[[Path], None], new_log: Callable[[], str]
) -> None:
    agent(sshd.key)
    error = failure(ssh_host(sshd, key_file=make_key(tmp_path / "stranger")))
    assert isinstance(error, AuthenticationFailed)
    assert new_log().count("Failed publickey") == 1


def test_the_agent_signs_with_a_configured_key_that_has_a_passphrase(
    ssh: Bed, sshd: Sshd, tmp_path: Path, agent: Callable[[Path], None]
) -> None:
    key = tmp_path / "locked"
    shutil.copyfile(sshd.key, key)
    shutil.copyfile(sshd.key.with_suffix(".pub"), key.with_suffix(".pub"))
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)], check=True, timeout=10)
    agent(key)
    ssh.host = ssh_host(sshd, key_file=key)
    ssh.open()


def test_the_usual_key_is_found_where_none_is_configured(
    ssh: Bed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    shutil.copyfile(sshd.key, tmp_path / ".ssh/id_ed25519")
    ssh.host = ssh_host(sshd, key_file=None)
    ssh.open()


# -- configuration ----------------------------------------------------------------------------------------------------


def test_the_users_own_ssh_configuration_counts_includes_and_all(
    ssh: Bed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    folder = tmp_path / ".ssh"
    (folder / "config.d").mkdir(parents=True)
    (folder / "config").write_text(f"Include config.d/*\nHost *\n  UserKnownHostsFile {sshd.known_hosts}\n", "utf-8")
    (folder / "config.d/web").write_text(
        f"Host web1\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n IdentityFile {sshd.key}\n", "utf-8"
    )
    ssh.host = ssh_host(sshd, address="web1", port=None, user=None, key_file=None, known_hosts=(), ssh_config=None)
    ssh.open()


@pytest.mark.skipif(not IS_ROOT, reason="the jump needs a login of its own")
def test_a_jump_host_is_gone_through_and_its_key_is_checked_too(ssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    with private_sshd(ssh.folder / "inner") as inner:
        known = tmp_path / "known_hosts"
        config = tmp_path / "config"
        config.write_text(
            f"Host inner\n HostName 127.0.0.1\n Port {inner.port}\n IdentityFile {inner.key}\n ProxyJump jump\n"
            f"Host jump\n HostName 127.0.0.1\n Port {sshd.port}\n User guest\n IdentityFile {sshd.key}\n",
            "utf-8",
        )
        host = ssh_host(
            sshd, address="inner", port=None, user="root", key_file=None, ssh_config=config, known_hosts=(known,)
        )
        known.write_text(inner.known_hosts.read_text("utf-8"), "utf-8")
        error = failure(host)
        assert isinstance(error, HostKeyRejected)
        assert f"guest@127.0.0.1:{sshd.port}" in str(error)
        known.write_text(inner.known_hosts.read_text("utf-8") + sshd.known_hosts.read_text("utf-8"), "utf-8")
        ssh.host = host
        session = ssh.open()
        assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
        session.close()


@pytest.mark.parametrize(
    "options, port, why",
    [
        ("DisableForwarding yes", None, r"forwards nothing to it \(Administratively prohibited\)"),
        ("", 1, r"cannot reach it \(Connect failed\)"),
    ],
)
def test_a_jump_host_that_lets_nobody_through_is_named(
    ssh: Bed, sshd: Sshd, tmp_path: Path, options: str, port: int | None, why: str
) -> None:
    with private_sshd(ssh.folder / "jump", options=options) as jump:
        known, config = tmp_path / "known_hosts", tmp_path / "config"
        config.write_text(
            f"Host inner\n HostName 127.0.0.1\n Port {port or sshd.port}\n ProxyJump jump\n"
            f"Host jump\n HostName 127.0.0.1\n Port {jump.port}\n User {jump.user}\n IdentityFile {jump.key}\n",
            "utf-8",
        )
        known.write_text(sshd.known_hosts.read_text("utf-8") + jump.known_hosts.read_text("utf-8"), "utf-8")
        error = failure(
            ssh_host(sshd, address="inner", port=None, ssh_config=config, known_hosts=(known,)),
        )
    assert isinstance(error, ConnectionRefused)
    assert re.search(rf":{port or sshd.port}\): its jump host {jump.user}@127\.0\.0\.1:{jump.port} {why}$", str(error))


def test_a_proxy_command_of_the_configuration_is_used(ssh: Bed, sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    carry = tmp_path / "carry.py"
    carry.write_text(
        "import os, select, socket, sys\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "while True:\n"
        "    for f in select.select([0, s], [], [])[0]:\n"
        "        data = os.read(0, 65536) if f == 0 else s.recv(65536)\n"
        "        if not data: sys.exit()\n"
        "        s.sendall(data) if f == 0 else os.write(1, data)\n",
        "utf-8",
    )
    config.write_text(f"Host *\n  ProxyCommand {shutil.which('python3')} {carry} %h %p\n", "utf-8")
    ssh.host = ssh_host(sshd, ssh_config=config)
    session = ssh.open()
    assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
    session.close()


@pytest.mark.parametrize("suffix", ["yaml", "yml", "json", "py"])
def test_no_file_of_fabric_or_invoke_and_nothing_in_the_current_folder_is_taken_for_configuration(
    ssh: Bed, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """Files of every name that fabric, invoke or ssh know: each would run a command, lead elsewhere, or not load."""
    ran, here, home = tmp_path / "ran", tmp_path / "here", tmp_path / "home"
    text = f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n" if suffix == "py" else "{[not even readable"
    for folder, dot in ((here, ""), (here, "."), (home, ".")):
        folder.mkdir(exist_ok=True)
        for stem in ("fabric", "invoke"):
            (folder / f"{dot}{stem}.{suffix}").write_text(text, "utf-8")
    for name in ("fabfile.py", "tasks.py", "sitecustomize.py"):
        (here / name).write_text(f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n", "utf-8")
    for name in ("ssh_config", "config", ".ssh/config"):
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(f"Host *\n  ProxyCommand touch {ran}\n  Port 1\n", "utf-8")
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    for prefix in ("INVOKE", "FABRIC"):
        monkeypatch.setenv(f"{prefix}_GATEWAY", f"touch {ran}")
        monkeypatch.setenv(f"{prefix}_PORT", "1")
    ssh.host = ssh_host(sshd, ssh_config=None)
    session = ssh.open()
    assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
    assert not ran.exists()


@pytest.mark.parametrize("text", ["Host\n  Port\n", "Port x\n", "Match nonsense y\n  Port 1\n", "gibberish\n"])
def test_a_configuration_that_cannot_be_read_is_a_mistake_in_the_input(sshd: Sshd, tmp_path: Path, text: str) -> None:
    config = tmp_path / "config"
    config.write_text(text, "utf-8")
    assert isinstance(failure(ssh_host(sshd, port=None, ssh_config=config)), ConfigError | ConnectionRefused)


def test_a_configuration_that_others_can_write_is_not_used(sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("", "utf-8")
    config.chmod(0o666)
    error = failure(ssh_host(sshd, ssh_config=config))
    assert isinstance(error, ConfigError)
    assert f"chmod go-w {config}" in str(error)


# -- deadlines --------------------------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens_is_refused_at_once(sshd: Sshd) -> None:
    port = free_port()
    with ends_within(0, late=1), pytest.raises(ConnectionRefused) as caught:
        SshTransport().open(ssh_host(sshd, port=port), within=Duration(5))
    assert str(caught.value) == f"web1 ({sshd.user}@127.0.0.1:{port}): Connection refused"


def test_a_name_that_does_not_resolve_says_so(sshd: Sshd) -> None:
    error = failure(ssh_host(sshd, address="no-such-host.invalid"), within=20)  # a lost query is sent again
    assert isinstance(error, ConnectionRefused)
    assert f"web1 ({sshd.user}@no-such-host.invalid:{sshd.port}): the name does not resolve" in str(error)


@pytest.mark.parametrize("behaviour", [hanging_up, silent], ids=lambda behaviour: behaviour.__name__)
def test_whatever_keeps_us_out_is_said_with_the_address_that_was_tried(
    sshd: Sshd, behaviour: Callable[..., None]
) -> None:
    with listener(behaviour) as port:
        assert f"web1 ({sshd.user}@127.0.0.1:{port})" in str(failure(through(sshd, port), within=1.5))


def test_a_resolver_that_hangs_is_not_waited_for(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: over.wait(20))
    error = failure(ssh_host(sshd, address="slow.example"), within=1)
    over.set()
    assert isinstance(error, ConnectTimedOut)


@pytest.mark.parametrize("behaviour", [silent, dripping, dripping_lines], ids=lambda behaviour: behaviour.__name__)
def test_a_host_that_never_greets_is_not_waited_for(sshd: Sshd, behaviour: Callable[..., None]) -> None:
    with listener(behaviour) as port:
        error = failure(through(sshd, port), within=1.5)
    assert isinstance(error, ConnectTimedOut)
    assert "took longer than 1.5 s" in str(error)


def test_a_host_that_hangs_up_says_so(sshd: Sshd) -> None:
    with listener(hanging_up) as port:
        error = failure(through(sshd, port))
    assert isinstance(error, Unreachable)
    assert error.retryable


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.15])
def test_a_host_that_freezes_while_we_log_in_is_not_waited_for(sshd: Sshd, after: float) -> None:
    with proxy(sshd.port) as between:
        timer = threading.Timer(after, between.freeze)
        with ends_within(1.5, late=1):
            timer.start()
            with suppress(ConnectTimedOut):  # the first moments may be too late to freeze anything
                SshTransport().open(through(sshd, between.port), within=Duration(1.5)).close()
            timer.join()


def test_a_host_that_freezes_later_is_not_waited_for(ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy(sshd.port) as between:
        ssh.host = through(sshd, between.port)
        session = ssh.open()
        monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(0.5))
        between.freeze()
        with ends_within(1.5, late=1.5), pytest.raises(ConnectionLost, match="stopped answering"):
            session.ask([Command(("echo", "x"), deadline=Duration(1))] * 20)
        with pytest.raises(ConnectionLost):
            session.ask([Command(("echo", "x"))])
        session.close()


@pytest.mark.parametrize("commands", [1, 20])
def test_a_host_that_freezes_before_a_second_channel_is_not_waited_for(
    ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, commands: int
) -> None:
    with proxy(sshd.port) as between:
        ssh.host = through(sshd, between.port)
        session = ssh.open()
        monkeypatch.setattr("soleil_remediate.transports.ssh_link._STEP", Duration(1))
        between.freeze()
        with ends_within(1, late=2), pytest.raises(ConnectionLost):
            session.ask([Command(("echo", "x"), is_slow=True)] * commands)


def test_a_host_that_freezes_while_a_second_shell_starts_is_not_waited_for(
    ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = paramiko.Channel.exec_command

    def freezing(channel: paramiko.Channel, command: str) -> None:
        between.freeze()
        start(channel, command)

    with proxy(sshd.port) as between:
        ssh.host = through(sshd, between.port)
        session = ssh.open()
        monkeypatch.setattr("soleil_remediate.transports.ssh_link._STEP", Duration(1))
        monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(0.5))
        monkeypatch.setattr(paramiko.Channel, "exec_command", freezing)
        with ends_within(1, late=2), pytest.raises(ConnectionLost):
            session.ask([Command(("echo", "x"), is_slow=True, deadline=Duration(0.5))])


def test_a_frozen_host_does_not_hold_up_a_big_batch(ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the network's buffers take, so that even sending would wait for ever."""
    with proxy(sshd.port) as between:
        ssh.host = through(sshd, between.port)
        session = ssh.open()
        monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(1))
        monkeypatch.setattr("soleil_remediate.transports.ssh_link._STEP", Duration(1))
        between.freeze()
        with ends_within(3, late=5), pytest.raises(ConnectionLost):
            session.ask([Command(("printf", "%s", "x" * 100_000), deadline=Duration(2))] * 200)


def test_a_connection_that_breaks_while_nothing_is_asked_is_noticed_at_the_next_question(ssh: Bed, sshd: Sshd) -> None:
    with proxy(sshd.port) as between:
        ssh.host = through(sshd, between.port)
        session = ssh.open()
        between.reset()
        time.sleep(0.2)
        with pytest.raises(ConnectionLost):
            session.ask([Command(("echo", "x"))])
        with pytest.raises(Unreachable):
            session.outcome("op-1", memory="")


@pytest.mark.parametrize("setting", ["", "logging.basicConfig(level=logging.INFO)"])
def test_nothing_of_the_libraries_reaches_the_terminal(sshd: Sshd, setting: str) -> None:
    """In a process of its own: pytest takes what is logged for itself."""
    script = f"""
import logging, sys, threading
{setting}
from pathlib import Path
from soleil_remediate.errors import Unreachable
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.contract.tcp import dripping, hanging_up, listener, proxy
from soleil_remediate.command import Command

def host(port):
    known = Path({str(sshd.folder)!r}) / f"known_hosts_{{port}}"
    known.write_text(Path({str(sshd.known_hosts)!r}).read_text().replace(":{sshd.port} ", f":{{port}} "))
    return Host(name="web1", connection=Connection(address="127.0.0.1", port=port, user={sshd.user!r},
        key_file=Path({str(sshd.key)!r}), known_hosts=(known,), ssh_config=Path({str(sshd.folder / "no_config")!r})))

failures = 0
for behaviour in (dripping, hanging_up):
    with listener(behaviour) as port:
        try:
            SshTransport().open(host(port), within=Duration(1))
        except Unreachable:
            failures += 1
with proxy({sshd.port}) as between:
    session = SshTransport().open(host(between.port), within=Duration(10))
    between.reset()
    try:
        session.ask([Command(("echo", "x"))])
    except Unreachable:
        failures += 1
threading.Event().wait(0.3)
print(failures)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False, timeout=30, cwd=ROOT)
    assert (done.stdout, done.stderr) == (b"3\n", b"")


def test_no_thread_stays_behind(sshd: Sshd) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        session = SshTransport().open(ssh_host(sshd), within=Duration(5))
        session.ask([Command(("echo", "x")), Command(("echo", "y"), is_slow=True)])
        session.close()
    with listener(silent) as port:
        failure(through(sshd, port), within=0.5)
    assert eventually(lambda: set(threading.enumerate()) <= before, within=5), threading.enumerate()
