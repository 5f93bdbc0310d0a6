"""Which machine answered: told with the first words of every session; no other one is asked or sent anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from soleil_remediate import cli, fleet
from soleil_remediate.command import Command
from soleil_remediate.errors import ExitStatus, WrongMachine
from soleil_remediate.gates import Approval, PolicyGate
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, NotReached
from soleil_remediate.record import Runs
from soleil_remediate.report import HostReport
from tests import tiny
from tests.contract.conftest import HERE, Bed, output, ssh_host
from tests.contract.tcp import Proxy, proxy
from tests.sshd import IS_ROOT, Login, Sshd, known_hosts_line, private_sshd
from tests.waiting import eventually

OTHER = "8f" * 16
needs_root = pytest.mark.skipif(not IS_ROOT, reason="another machine-id is mounted over this machine's")


def meaning(host: Host, machine_id: str | None) -> Host:
    return replace(host, connection=replace(host.connection, machine_id=machine_id))


# --- every way in -----------------------------------------------------------------------------------------------------


def test_every_session_says_which_machine_it_leads_to_before_anything_is_asked(bed: Bed) -> None:
    session = bed.open()
    assert session.identity == HERE
    assert HERE.machine_id
    assert session.round_trips == 0


def test_the_machine_that_is_meant_is_let_be_and_another_is_refused(bed: Bed) -> None:
    bed.host = meaning(bed.host, HERE.machine_id)
    assert output(bed.open().ask([Command(("echo", "x"))])[0]).stdout == b"x\n"
    bed.host = meaning(bed.host, OTHER)
    with pytest.raises(WrongMachine, match=f"machine_id {HERE.machine_id}.*it was {OTHER} that was looked at") as error:
        bed.open()
    assert error.value.exit_status is ExitStatus.UNREACHABLE


# --- a second sshd, with the same keys --------------------------------------------------------------------------------

#: The shell of a login: it keeps all that is written to it, and only then hands it on.
SPY = """#!/bin/sh
tee /dev/fd/3 3>&1 >>{heard} | /bin/sh "$@"
"""


@dataclass
class Two:
    """Two machines that show the same host key, and an address that leads to the first of them.

    Args:
        address: Where both are looked for.
        first: The one that is meant; its machine-id is this machine's.
        other: The other one.
        heard: What was written to the shells of the other one's login ``spy``.
    """

    address: Proxy
    first: Sshd
    other: Sshd
    heard: Path

    def host(self, **changed: Any) -> Host:
        """Return the host as it is reached by that address."""
        known = self.other.folder / "known_hosts_of_both"
        line = known_hosts_line(f"[127.0.0.1]:{self.address.port}", self.first.folder / "host_ed25519.pub")
        known.write_text(line, "utf-8")
        return ssh_host(self.first, port=self.address.port, known_hosts=(known,), **changed)

    def swap(self) -> None:
        self.address.lead_to(self.other.port)


@pytest.fixture
def two(sshd: Sshd, work: Path) -> Iterator[Two]:
    folder, spy, heard = work / "other", work / "spy", work / "heard"
    folder.mkdir()
    for key in sshd.folder.glob("*"):
        if key.name.removesuffix(".pub") in ("host_ed25519", "host_ecdsa", "client"):
            shutil.copy(key, folder)
    spy.write_text(SPY.format(heard=heard), "utf-8")
    spy.chmod(0o755)
    logins = (Login("spy", 61099, shell=str(spy), home=str(work)),)
    with ExitStack() as running:
        other = running.enter_context(private_sshd(folder, logins=logins, machine_id=f"{OTHER}\n"))
        yield Two(running.enter_context(proxy(sshd.port)), sshd, other, heard)


@needs_root
def test_a_clone_that_has_the_known_key_is_told_nothing_beyond_the_question_who_it_is(over_ssh: Bed, two: Two) -> None:
    two.swap()
    over_ssh.host = two.host(user="spy")
    session = over_ssh.open()
    assert session.identity.machine_id == OTHER
    question = two.heard.read_text("utf-8")
    output(session.ask([Command(("echo", "asked"))])[0])
    assert eventually(lambda: "echo asked" in two.heard.read_text("utf-8"))  # so it would be seen
    session.close()
    two.heard.write_text("", "utf-8")

    over_ssh.host = meaning(over_ssh.host, HERE.machine_id)
    with pytest.raises(WrongMachine, match=f"another machine answered.*machine_id {OTHER}"):
        over_ssh.open()

    assert eventually(lambda: two.other.log.count("Disconnected") + two.other.log.count("closed by") >= 2)
    told = two.heard.read_text("utf-8")
    assert told.count("\nend ") == question.count("\nend ") == 1
    assert len(told) == len(question)  # but for the marker, the same


@needs_root
def test_a_machine_without_an_id_is_none_that_is_known(over_ssh: Bed, sshd: Sshd, work: Path) -> None:
    with private_sshd(work / "none", machine_id="") as running:
        way = over_ssh.host.connection.transport
        over_ssh.host = ssh_host(running, ssh_config=sshd.folder / "no_config", transport=way)
        assert replace(over_ssh.open().identity, machine_id=HERE.machine_id) == HERE
        assert over_ssh.open().identity.machine_id is None
        over_ssh.host = meaning(over_ssh.host, HERE.machine_id)
        with pytest.raises(WrongMachine, match="one without a machine_id"):
            over_ssh.open()
        over_ssh.sessions.close()


# --- runs -------------------------------------------------------------------------------------------------------------


class Yes:
    """Says yes, and lets something happen before."""

    def __init__(self, two: Two | None) -> None:
        self._two = two

    def approve(self, _scenario: str, previews: Any) -> Approval:
        if self._two is not None:
            self._two.swap()
        return Approval(digests=frozenset(digest for one in previews for digest in one.digests), by="jan")


def put_right(bed: Bed, host: Host, gate: Any, state: Path) -> HostReport:
    """Put a file right; both machines have the same files, so that only their ids tell them apart."""
    path = PurePosixPath(bed.folder / "one")
    Path(path).write_text("bad\n", "utf-8")
    case = tiny.case(tiny.PutFile(path=path), on=host, healthy_when=(tiny.FileSays(path=path),))
    case = replace(case, evidence=(tiny.ShowFile(path=path),))
    return fleet.remediate([case], transport=bed.transport, gate=gate, runs=Runs(state)).hosts[0]


@needs_root
def test_an_address_that_leads_elsewhere_between_look_and_change_changes_nothing_there(
    over_ssh: Bed, two: Two, tmp_path: Path
) -> None:
    host = two.host(transport=over_ssh.host.connection.transport)
    report = put_right(over_ssh, host, Yes(two), tmp_path)
    assert isinstance(report.outcome, NotReached)
    assert f"machine_id {OTHER}" in report.outcome.why
    assert f"it was {HERE.machine_id} that was looked at before" in report.outcome.why
    assert (over_ssh.folder / "one").read_text("utf-8") == "bad\n"
    assert two.other.inside("test", "-e", str(over_ssh.base)).returncode == 1  # no lock, no operation
    assert two.other.log.count("Accepted publickey") == 1

    two.address.lead_to(two.first.port)  # the same run on the machine that is meant
    assert isinstance(put_right(over_ssh, host, Yes(None), tmp_path).outcome, Fixed)


@needs_root
def test_an_address_of_another_host_in_the_inventory_is_seen_at_once(over_ssh: Bed, two: Two, tmp_path: Path) -> None:
    two.swap()
    host = meaning(two.host(transport=over_ssh.host.connection.transport), HERE.machine_id)
    report = put_right(over_ssh, host, PolicyGate(says_yes=True), tmp_path)
    assert isinstance(report.outcome, NotReached)
    assert report.preview is None
    assert (over_ssh.folder / "one").read_text("utf-8") == "bad\n"
    assert two.other.inside("test", "-e", str(over_ssh.base)).returncode == 1


# --- told -------------------------------------------------------------------------------------------------------------


def test_ping_shows_what_the_inventory_may_say_and_refuses_another(
    sshd: Sshd, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(work))
    inventory = work / "inventory.yml"

    def ping(*words: str, more: str = "") -> tuple[int, str]:
        inventory.write_text(
            f"all:\n  vars:\n    ansible_port: {sshd.port}\n    ansible_user: {sshd.user}\n"
            f"    ansible_ssh_private_key_file: {sshd.key}\n    known_hosts: [{sshd.known_hosts}]\n"
            f"    ssh_config: {sshd.folder / 'no_config'}\n"
            f"  hosts:\n    web1:\n      ansible_host: 127.0.0.1\n{more}",
            "utf-8",
        )
        status = cli.main(("ping", "--host", "web1", "--inventory", str(inventory), *words))
        return status, capsys.readouterr().out

    status, said = ping()
    line = f"machine_id: {HERE.machine_id}"
    assert f"\n    {line}  # calls itself {HERE.hostname}\n" in said
    assert json.loads(ping("-o", "json")[1])["hosts"][0]["machine_id"] == HERE.machine_id
    assert (status, ping(more=f"      {line}\n")[0]) == (0, 0)  # as it was printed
    status, said = ping(more=f"      machine_id: {OTHER}\n")
    assert status == ExitStatus.UNREACHABLE
    assert f"the inventory says {OTHER} ({inventory}:11:19)" in " ".join(said.split()).replace("yml: ", "yml:")
