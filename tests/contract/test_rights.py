"""With whose rights a session looks: root's where sudo gives them unasked, else the login's, and why."""

from __future__ import annotations

import gzip
import io
import shutil
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, Refused, Unreachable
from soleil_remediate.plan import Gather
from soleil_remediate.transports import Access
from soleil_remediate.units import ByteSize, Duration
from tests.contract.conftest import LOGINS, Bed, claims, output, ssh_host
from tests.sshd import IS_ROOT, Login, Sshd, private_sshd

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="only root can let several users in"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed: apt-get install sudo"),
]


@pytest.mark.parametrize(
    "user, access",
    [
        ("root", Access(login="root", is_root=True)),
        ("ops", Access(login="ops", is_root=True)),
        ("paul", Access(login="paul", is_root=False, why_not="sudo wants a password for paul")),
        ("guest", Access(login="guest", is_root=False, why_not="sudo wants a password for guest")),
        ("onlydf", Access(login="onlydf", is_root=False, why_not="sudo wants a password for onlydf")),
    ],
)
def test_a_session_has_roots_rights_where_sudo_gives_them_unasked(
    over_ssh: Bed, sshd: Sshd, user: str, access: Access
) -> None:
    over_ssh.host = ssh_host(sshd, user=user)
    session = over_ssh.open()
    assert session.access == access
    (answer,) = session.ask([Command(("id", "-un"))])
    assert output(answer).text == ("root\n" if access.is_root else f"{user}\n")


def test_sudo_is_not_used_where_the_inventory_says_so(over_ssh: Bed, sshd: Sshd) -> None:
    over_ssh.host = ssh_host(sshd, user="ops", become=False)
    assert over_ssh.open().access == Access(login="ops", is_root=False, why_not="sudo is not to be used here")


@pytest.mark.parametrize("user", [login.name for login in LOGINS if login.name.startswith("in-")])
def test_any_login_shell_will_do(over_ssh: Bed, sshd: Sshd, user: str) -> None:
    over_ssh.host = ssh_host(sshd, user=user)
    session = over_ssh.open()
    assert session.access == Access(login=user, is_root=True)
    answers = session.ask([Command(("printf", "%s", "it's $(id) \\ ! ✓")), Command(("id", "-un"), is_slow=True)])
    assert [output(answer).text for answer in answers] == ["it's $(id) \\ ! ✓", "root\n"]


def test_slow_commands_have_the_same_rights(over_ssh: Bed, sshd: Sshd) -> None:
    over_ssh.host = ssh_host(sshd, user="ops")
    (answer,) = over_ssh.open().ask([Command(("id", "-un"), is_slow=True)])
    assert output(answer).text == "root\n"


def test_without_roots_rights_nothing_can_be_changed_and_it_is_said_why(over_ssh: Bed, sshd: Sshd) -> None:
    over_ssh.host = ssh_host(sshd, user="paul")
    with pytest.raises(Refused, match=r"changes need root \(sudo wants a password for paul\). Nothing was sent"):
        over_ssh.open().claim("jan@laptop")


def test_another_user_needs_root(over_ssh: Bed, sshd: Sshd) -> None:
    over_ssh.host = ssh_host(sshd, user="guest")
    answers = over_ssh.open().ask([Command(("id", "-un"), user="nobody"), Command(("id", "-un"), user="guest")])
    assert "only root can become nobody, and sudo wants a password for guest" in str(answers[0])
    assert isinstance(answers[0], FactError)
    assert output(answers[1]).text == "guest\n"


def test_where_we_come_from_is_known_as_the_host_sees_it_also_behind_sudo(over_ssh: Bed, sshd: Sshd) -> None:
    for user in ("root", "ops"):
        over_ssh.host = ssh_host(sshd, user=user)
        (answer,) = over_ssh.open().ask([Command(("printenv", "SSH_CONNECTION"))])
        assert output(answer).text.startswith("127.0.0.1 ")


@pytest.mark.parametrize("options", ["PrintMotd yes", "Banner /etc/issue", "PermitTTY no\nAllowTcpForwarding no"])
def test_what_the_host_says_at_login_confuses_nobody(folder: Path, over_ssh: Bed, options: str) -> None:
    home = folder / "chatty"
    home.mkdir(exist_ok=True)
    (home / ".bashrc").write_text("echo welcome; echo 'uid=0(root) gid=0(root)'; echo warning >&2\n", "utf-8")
    login = Login("chatty", 62001, "/bin/bash", home=str(home), sudo="ALL=(ALL:ALL) NOPASSWD: ALL")
    with private_sshd(folder / "chatty-sshd", options=options, logins=(login,)) as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd, user="chatty")
        session = over_ssh.open()
        assert session.access == Access(login="chatty", is_root=True)
        assert output(session.ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
        session.close()


def test_a_login_without_a_shell_is_said_to_be_one(folder: Path, over_ssh: Bed) -> None:
    login = Login("noshell", 62002, "/usr/sbin/nologin")
    with private_sshd(folder / "noshell-sshd", logins=(login,)) as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd, user="noshell")
        with pytest.raises(Unreachable, match="gives no shell"):
            over_ssh.open()


def test_a_host_that_gives_one_channel_only_still_answers_slow_questions(folder: Path, over_ssh: Bed) -> None:
    with private_sshd(folder / "one-sshd", options="MaxSessions 1") as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd)
        session = over_ssh.open()
        answers = session.ask([Command(("echo", "1"), is_slow=True), Command(("echo", "2"))])
        assert [output(answer).text for answer in answers] == ["1\n", "2\n"]
        session.close()


def test_a_host_that_gives_no_more_channels_is_asked_for_one_once_a_batch(
    folder: Path, over_ssh: Bed, further_shells: list[bool]
) -> None:
    with private_sshd(folder / "three-sshd", options="MaxSessions 3") as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd)
        session = over_ssh.open()
        for asked_for in ([False, True, True], [False]):
            slow = [("sh", "-c", f"sleep 0.4; echo {n}") for n in range(8)]
            answers = session.ask([Command(words, is_slow=True, deadline=Duration(20)) for words in slow])
            assert [output(answer).text for answer in answers] == [f"{n}\n" for n in range(8)]
            assert sorted(further_shells) == asked_for  # those asked for at once are given, or not, in any order
            further_shells.clear()
        session.close()


@pytest.mark.parametrize("sessions", [2, 4, 7])
def test_a_copy_gets_a_channel_where_questions_took_all_there_are(
    folder: Path, over_ssh: Bed, sessions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.transports.session._GIVEN_BACK", Duration(20))
    with private_sshd(folder / f"{sessions}-sshd", options=f"MaxSessions {sessions}") as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd)
        session = over_ssh.open()
        session.ask([Command(("sleep", "1.5"), is_slow=True)] * 7)
        what = Gather(name="words", about="words", command=Command(("echo", "words")), size=ByteSize(6))
        into = io.BytesIO()
        assert session.save(what, into, lambda _: None).size == 6
        assert gzip.decompress(into.getvalue()) == b"words\n"
        session.close()


def test_a_full_run_refuses_the_change_and_leaves_nothing_begun(folder: Path, over_ssh: Bed) -> None:
    with private_sshd(folder / "full-sshd", run_size="64k") as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd)
        session = over_ssh.open()
        session.claim("jan@laptop")
        sshd.inside("sh", "-c", "dd if=/dev/zero of=/run/filler bs=1k 2>/dev/null")
        ledger = over_ssh.folder / "ledger"
        with pytest.raises(
            Refused, match=r"/run/soleil-remediate: is it full\?\. Nothing was begun. To go on: free space in /run,"
        ):
            session.send("op-full", Command(("touch", str(ledger)), stdin="x"))
        assert not ledger.exists()
        assert sshd.inside("ls", "/run/soleil-remediate/ops").stdout == b""
        sshd.inside("rm", "/run/filler")
        assert session.send("op-full", Command(("touch", str(ledger)))).exit_status == 0
        assert ledger.exists()
        session.close()


def test_the_lock_can_be_taken_and_given_back_where_run_is_full(folder: Path, over_ssh: Bed) -> None:
    """Who holds it is still said: a symbolic link needs no block."""
    with private_sshd(folder / "full-sshd", run_size="64k") as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        sshd.inside("sh", "-c", "dd if=/dev/zero of=/run/filler bs=1k 2>/dev/null")
        over_ssh.host = ssh_host(sshd)
        first, second = over_ssh.open(), over_ssh.open()
        first.claim("jan@laptop")
        with pytest.raises(Refused, match="jan@laptop"):
            second.claim("ann")
        first.close()
        claims(second)
        second.close()
