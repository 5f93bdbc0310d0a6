"""Changes by a login to which sudo allows single commands: its own memory, the host's one lock, nobody's trust."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from soleil_remediate.allowed import Allowed
from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, HostLocked, Refused
from soleil_remediate.plan import Script
from soleil_remediate.rights import ROOT, Use
from soleil_remediate.transports import Access, Progress, Session
from soleil_remediate.transports.holding import ReadHolding
from soleil_remediate.transports.session import memory_of
from soleil_remediate.units import Duration
from tests.contract.conftest import Bed, output, ssh_host
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="only root can let several users in"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed: apt-get install sudo"),
]

TOUCH = Script("touch", ROOT + 'may touch "$1" || { echo "sudo does not allow it" >&2; exit 75; }\nroot touch "$1"\n')


@pytest.fixture
def narrow(over_ssh: Bed, sshd: Sshd) -> Bed:
    """A host on which root has made what nell needs, as ``sudoers`` says."""
    sshd.inside("mkdir", "-m", "750", "/run/soleil-remediate")
    sshd.inside("chgrp", "nell", "/run/soleil-remediate")
    sshd.inside("install", "-d", "/run/soleil-remediate/logins")
    sshd.inside("install", "-d", "-o", "nell", "/run/soleil-remediate/logins/nell")
    over_ssh.host = ssh_host(sshd, user="nell", is_narrow=True, transport=over_ssh.host.connection.transport)
    return over_ssh


def _of_root(bed: Bed) -> Session:
    nells, bed.host = bed.host, replace(bed.host, connection=replace(bed.host.connection, user="root", is_narrow=False))
    session = bed.open()
    bed.host = nells
    return session


def test_a_listed_command_is_sent_with_roots_rights_and_another_is_not(narrow: Bed, sshd: Sshd) -> None:
    session = narrow.open()
    assert session.access == Access(
        login="nell", is_root=False, why_not="sudo: narrow, single commands alone", is_narrow=True
    )
    session.claim("jan@laptop (run 0123abcd)")

    assert session.send("0123abcd-00-00", Command(TOUCH.bind("/run/nell-did"))).exit_status == 0
    refused = session.send("0123abcd-01-00", Command(TOUCH.bind("/run/soleil-remediate/nell-did")))

    assert sshd.inside("stat", "-c", "%U", "/run/nell-did").stdout == b"root\n"
    assert (refused.exit_status, refused.text) == (75, "sudo does not allow it\n")


def test_sudo_is_asked_once_what_it_allows_and_nothing_is_started(narrow: Bed, sshd: Sshd) -> None:
    session, allowed = narrow.open(), Allowed()
    may, may_not = Use(("touch", "/run/nell-asked")), Use(("touch", "/run/nell-asked", "/run/soleil-remediate/x"))
    uses = (may, may_not, Use(user="games"), Use(("id",), "nobody"), Use(user="nobody"), Use(user="nell"))

    for _ in range(2):
        allowed.ask(uses, session)

    assert allowed.refused == {may_not, Use(("id",), "nobody"), Use(user="nobody")}
    assert session.round_trips == 1
    assert sshd.inside("test", "-e", "/run/nell-asked").returncode == 1
    root = _of_root(narrow)
    (others := Allowed()).ask(uses, root)
    assert (others.refused, root.round_trips) == (frozenset(), 0)


def test_what_sudo_does_not_say_is_not_called_refused(narrow: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change asks it once more, and does nothing without."""
    session, allowed = narrow.open(), Allowed()
    monkeypatch.setattr(
        session, "ask", lambda commands: [FactError("no answer", command=str(each)) for each in commands]
    )
    allowed.ask([Use(("id",))], session)
    monkeypatch.undo()
    assert allowed.refused == frozenset()
    allowed.ask([Use(("id",))], session)
    assert allowed.refused == {Use(("id",))}


def test_what_runs_as_somebody_else_is_judged_by_sudo_and_never_root(narrow: Bed) -> None:
    session = narrow.open()
    games, nobody, root = session.ask([Command(("id", "-un"), user=user) for user in ("games", "nobody", "root")])
    assert output(games).text == "games\n"
    assert output(nobody).exit_status == 1
    assert "password is required" in output(nobody).error_text
    assert isinstance(root, FactError)
    session.claim("jan@laptop")
    assert session.send("as-games", Command(("id", "-un"), user="games")).text == "games\n"


def test_a_deadline_ends_what_runs_as_somebody_else(narrow: Bed) -> None:
    (answer,) = narrow.open().ask([Command(("sleep", "77"), user="games", is_slow=True, deadline=Duration(2))])
    assert output(answer).exit_status == 124


def test_it_is_the_same_lock_as_roots_and_both_say_who_holds_it(narrow: Bed) -> None:
    nell = narrow.open()
    nell.claim("nell@laptop (run 0123abcd)")
    root = _of_root(narrow)
    with pytest.raises(HostLocked, match=r"locked by nell@laptop \(run 0123abcd\) since 20.*, as nell says: "):
        root.claim("jan@desk")
    (answer,) = root.ask([ReadHolding().command])
    holding = ReadHolding().answer(output(answer))
    assert holding.run == "0123abcd"
    assert (holding.owner or "").endswith(", as nell says")
    nell.close()
    assert eventually(lambda: _could_claim(root))

    with pytest.raises(HostLocked, match="locked by jan@desk since 20"):
        narrow.open().claim("nell@laptop")


def _could_claim(session: Session) -> bool:
    try:
        session.claim("jan@desk")
    except HostLocked:
        return False
    return True


def test_another_session_of_the_same_login_knows_what_became_of_a_change(narrow: Bed) -> None:
    session = narrow.open()
    session.claim("jan@laptop")
    session.send("once", Command(("true",)))
    memory = session.memory
    session.close()

    again = narrow.open()
    assert again.outcome("once", memory=memory).progress is Progress.DONE
    query = ReadHolding(memory=memory_of(again.access))
    assert eventually(lambda: query.answer(output(again.ask([query.command])[0])).owner is None)
    assert eventually(lambda: again.outcome("never", memory=memory).progress is Progress.NEVER_BEGUN)


def test_roots_own_memory_is_not_where_a_login_may_write(narrow: Bed, sshd: Sshd) -> None:
    root = _of_root(narrow)
    root.claim("jan@desk")
    root.send("roots-own", Command(("true",)))
    assert sshd.inside("stat", "-c", "%U %a", "/run/soleil-remediate/ops").stdout == b"root 700\n"
    writes = Command(
        ("sh", "-c", "touch /run/soleil-remediate/x /run/soleil-remediate/ops/x; ls /run/soleil-remediate/ops")
    )
    (answer,) = narrow.open().ask([writes])
    assert output(answer).exit_status != 0
    assert output(answer).error_text.count("Permission denied") == 3


@pytest.mark.parametrize(
    "before, why",
    [
        ("rm -rf /run/soleil-remediate", "/run/soleil-remediate/logins/nell cannot be seen to be this login's own"),
        (
            "chown games /run/soleil-remediate/logins/nell",
            "/run/soleil-remediate/logins/nell cannot be seen to be this login's own",
        ),
    ],
)
def test_without_a_folder_of_its_own_no_lock_is_taken(narrow: Bed, sshd: Sshd, before: str, why: str) -> None:
    sshd.inside("sh", "-c", before)
    with pytest.raises(Refused, match=why):
        narrow.open().claim("jan@laptop")
    assert sshd.inside("flock", "-n", "/run", "true").returncode == 0


def test_root_runs_nothing_from_a_folder_of_somebody_elses(narrow: Bed, sshd: Sshd) -> None:
    """Whoever made it could put another command into it."""
    sshd.inside("install", "-d", "-o", "nell", "/run/soleil-remediate/ops")
    with pytest.raises(Refused, match="/run/soleil-remediate/ops is somebody else's"):
        _of_root(narrow).claim("jan@desk")
