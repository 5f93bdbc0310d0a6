"""A sudo password: typed at sudo's own prompt and nowhere else, once, and seen by nobody."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import ConfigError, Refused
from soleil_remediate.host import SecretReference
from soleil_remediate.plan import FileIdentity, Preserve
from soleil_remediate.transports import Access
from soleil_remediate.units import ByteSize, Duration
from tests.contract.conftest import LOGINS, PASSWORD, WITHIN, Bed, output
from tests.sshd import IS_ROOT, Sshd, private_sshd
from tests.waiting import eventually
from tests.watching import watching_processes

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="only root can let several users in"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed: apt-get install sudo"),
]

REFERENCE = SecretReference("env", "SOLEIL_TEST_SUDO")
LOGINS_OF_RITA = tuple(login for login in LOGINS if login.name == "rita")
SLOW = Command(("id", "-un"), is_slow=True, deadline=Duration(5))


@pytest.fixture
def login(over_ssh: Bed, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Bed]:
    """Let somebody log in, to whom sudo gives its rights for a password: the right one is at hand."""
    monkeypatch.setenv(REFERENCE.name, PASSWORD)

    def log_in(user: str) -> Bed:
        connection = replace(over_ssh.host.connection, user=user, become_password=REFERENCE)
        over_ssh.host = replace(over_ssh.host, connection=connection)
        return over_ssh

    return log_in


@pytest.fixture
def logged(sshd: Sshd) -> Callable[[], str]:
    """What sudo logs from here on."""
    before = len(sshd.sudo_log)
    return lambda: sshd.sudo_log[before:]


def test_with_the_right_password_every_shell_has_roots_rights(login: Callable[[str], Bed]) -> None:
    bed = login("rita")
    session = bed.open()
    assert session.access == Access(login="rita", is_root=True)
    answers = session.ask([Command(("id", "-un")), SLOW, SLOW, Command(("printenv", "SSH_CONNECTION"))])
    assert [output(answer).text for answer in answers[:3]] == ["root\n"] * 3
    assert output(answers[3]).text.startswith("127.0.0.1 ")
    path = bed.folder / "log"
    path.write_bytes(b"one")
    path.chmod(0o600)
    found = path.stat()
    preserve = Preserve(
        path=PurePosixPath(path), identity=FileIdentity(found.st_dev, found.st_ino), size=ByteSize(found.st_size)
    )
    assert session.save(preserve, io.BytesIO(), lambda _: None).size == 3
    session.claim("jan@laptop")
    assert session.send("op-sudo", Command(("id", "-un"))).text == "root\n"


def test_a_shell_that_ends_is_replaced_by_one_with_the_same_rights(login: Callable[[str], Bed]) -> None:
    session = login("rita").open()
    killer = Command(("sh", "-c", "kill -9 $(ps -o ppid= $PPID)"))
    answers = session.ask([killer, Command(("id", "-un"))])
    assert output(answers[1]).text == "root\n"


@pytest.mark.parametrize("user", ["rita", "tom"])
def test_a_wrong_password_is_tried_once_and_the_host_can_still_be_looked_at(
    login: Callable[[str], Bed], monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str], user: str
) -> None:
    """Whether sudo would ask again, as usual, or gives one try only."""
    monkeypatch.setenv(REFERENCE.name, "wrong")
    session = login(user).open()
    why = "sudo refused the password (env:SOLEIL_TEST_SUDO)"
    assert session.access == Access(login=user, is_root=False, why_not=why)
    answers = session.ask([Command(("id", "-un")), SLOW, SLOW])
    assert [output(answer).text for answer in answers] == [f"{user}\n"] * 3
    with pytest.raises(Refused, match=r"changes need root \(sudo refused the password"):
        session.claim("jan@laptop")
    session.close()
    assert eventually(lambda: "incorrect password attempt" in logged())  # sudo says so in its own time
    assert logged().count("incorrect password attempt") == 1
    assert "1 incorrect password attempt" in logged()


@pytest.mark.parametrize(
    "user, why", [("sara", "the login is not in sudoers"), ("nora", "sudo does not allow the login a shell")]
)
def test_who_has_the_password_and_not_the_right_is_told_so(login: Callable[[str], Bed], user: str, why: str) -> None:
    assert login(user).open().access == Access(login=user, is_root=False, why_not=why)


def test_where_sudo_wants_no_password_none_is_sent(
    login: Callable[[str], Bed], monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    """It would be a command of root's."""
    monkeypatch.setenv(REFERENCE.name, f"touch {work}/ran")
    session = login("ops").open()
    assert session.access == Access(login="ops", is_root=True)
    answers = session.ask([SLOW, Command(("cat",)), Command(("echo", "x"))])
    assert output(answers[1]).stdout == b""
    assert not (work / "ran").exists()


def test_sudo_may_change_its_mind_between_two_shells(
    folder: Path, login: Callable[[str], Bed], monkeypatch: pytest.MonkeyPatch, work: Path
) -> None:
    bed = login("rita")
    with private_sshd(folder / "fickle", logins=LOGINS_OF_RITA) as fickle:
        (fickle.folder / "no_config").write_text("", "utf-8")
        sudoers = fickle.folder / "etc/sudoers"
        asking = sudoers.read_text("utf-8")
        connection = replace(
            bed.host.connection, port=fickle.port, key_file=fickle.key, known_hosts=(fickle.known_hosts,)
        )
        bed.host = replace(bed.host, connection=connection)
        session = bed.open()
        sudoers.write_text(asking.replace("rita ALL=(ALL:ALL) ALL", "rita ALL=(ALL:ALL) NOPASSWD: ALL"), "utf-8")
        assert output(session.ask([SLOW])[0]).text == "root\n"
        sudoers.write_text(asking, "utf-8")
        assert [output(answer).text for answer in session.ask([SLOW] * 3)] == ["root\n"] * 3
        session.close()


def test_the_password_is_in_no_argument_list_no_environment_and_no_file(
    login: Callable[[str], Bed], sshd: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Everything in /proc is looked at all the while, on both sides: they are one machine here."""
    secret = tmp_path / "sudo"
    secret.write_text(f"{PASSWORD}\n", "utf-8")
    secret.chmod(0o600)
    monkeypatch.delenv(REFERENCE.name)
    bed = login("rita")
    connection = replace(bed.host.connection, become_password=SecretReference("file", str(secret)))
    bed.host = replace(bed.host, connection=connection)
    with watching_processes() as seen:
        session = bed.open()
        session.ask([SLOW, Command(("sleep", "0.3"))])
    assert session.access.is_root
    assert any(b"sudo -k -S -p " in line for line in seen)  # it was looked at the right moment
    assert not [line for line in seen if PASSWORD.encode() in line]
    assert sshd.inside("grep", "-rlF", "-e", PASSWORD, "/run", "/dev/shm", str(sshd.folder)).stdout == b""
    assert PASSWORD not in repr(bed.host)


def test_the_ssh_program_does_not_inherit_the_password(openssh: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REFERENCE.name, PASSWORD)
    connection = replace(openssh.host.connection, user="rita", become_password=REFERENCE)
    openssh.host = replace(openssh.host, connection=connection)
    with watching_processes() as seen:
        assert openssh.open().access.is_root
    masters = [line for line in seen if b"SSH_ASKPASS_REQUIRE=never" in line]
    assert masters
    assert not [line for line in masters if PASSWORD.encode() in line]


@pytest.mark.parametrize("value, why", [("", "is not set"), ("a\nb", "is more than one line")])
def test_a_password_that_cannot_be_typed_is_found_before_the_host_is_contacted(
    login: Callable[[str], Bed], sshd: Sshd, monkeypatch: pytest.MonkeyPatch, value: str, why: str
) -> None:
    monkeypatch.setenv(REFERENCE.name, value)
    before = sshd.log.count("Connection from")
    bed = login("rita")
    with pytest.raises(ConfigError, match=why):
        bed.transport.open(bed.host, within=WITHIN)
    assert sshd.log.count("Connection from") == before


def test_no_password_is_looked_for_where_sudo_is_not_to_be_used(
    login: Callable[[str], Bed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REFERENCE.name)
    bed = login("rita")
    bed.host = replace(bed.host, connection=replace(bed.host.connection, become=False))
    assert bed.open().access == Access(login="rita", is_root=False, why_not="sudo is not to be used here")


def test_a_host_with_one_channel_only_can_still_be_looked_at_after_a_wrong_password(
    folder: Path, login: Callable[[str], Bed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REFERENCE.name, "wrong")
    bed = login("rita")
    with private_sshd(folder / "narrow", options="MaxSessions 1", logins=LOGINS_OF_RITA) as narrow:
        (narrow.folder / "no_config").write_text("", "utf-8")
        connection = replace(
            bed.host.connection, port=narrow.port, key_file=narrow.key, known_hosts=(narrow.known_hosts,)
        )
        bed.host = replace(bed.host, connection=connection)
        session = bed.open()
        assert session.access.why_not.startswith("sudo refused the password")
        assert output(session.ask([Command(("id", "-un"))])[0]).text == "rita\n"
        session.close()


@pytest.mark.parametrize("shell", ["dash", "bash", "zsh", "fish", "tcsh", "mksh"])
def test_any_login_shell_will_do(folder: Path, login: Callable[[str], Bed], shell: str) -> None:
    if (path := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    bed = login("rita")
    with private_sshd(folder / f"in-{shell}", logins=(replace(LOGINS_OF_RITA[0], shell=path),)) as other:
        (other.folder / "no_config").write_text("", "utf-8")
        connection = replace(bed.host.connection, port=other.port, key_file=other.key, known_hosts=(other.known_hosts,))
        bed.host = replace(bed.host, connection=connection)
        session = bed.open()
        assert session.access == Access(login="rita", is_root=True)
        session.close()
