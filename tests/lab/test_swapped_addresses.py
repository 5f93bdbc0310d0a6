"""Two hosts that have the same host key, and whose addresses are swapped: neither is taken for the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from soleil_remediate import PolicyGate, Runs
from soleil_remediate.command import Command
from soleil_remediate.fleet import preview, remediate
from soleil_remediate.gates import PlanGate
from soleil_remediate.host import Connection, Host
from soleil_remediate.host_outcomes import Fixed, NotReached, Refusal, WouldFix
from soleil_remediate.lab.processes import call
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from tests import tiny
from tests.lab.conftest import LabHost

if TYPE_CHECKING:
    from soleil_remediate.lab import Lab

pytestmark = pytest.mark.lab

NAMES = ("bare1", "bare2")
FILE = PurePosixPath("/etc/one")
WAYS = pytest.mark.parametrize("way", ["ssh", "openssh"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a host shows to whoever looks at it afterwards.

    Args:
        says: Its file.
        is_ours: Whether a lock was ever taken on it.
        shells: How many shells of root's were opened since it was prepared, this look's included.
    """

    says: str
    is_ours: bool
    shells: int


@dataclass
class Pair:
    """Two hosts of the lab, each with a file that says ``bad``.

    Args:
        folder: For what a run needs here.
        addresses: Where each of them is looked for.
        ids: Which machine each of them is.
        held: The addresses that they have, in their order.
    """

    lab: Lab
    folder: Path
    addresses: dict[str, str]
    ids: dict[str, str]
    held: list[str]

    @classmethod
    def prepared(cls, lab: Lab, folder: Path) -> Pair:
        one, other = (LabHost(lab=lab, name=name) for name in NAMES)
        addresses = {host.name: host.address for host in (one, other)}
        ids = {host.name: host.shell(f"echo bad >{FILE}; cat /etc/machine-id") for host in (one, other)}
        key = one.shell("cat /etc/ssh/ssh_host_ed25519_key")
        other.shell(f"echo '{key}' >/etc/ssh/ssh_host_ed25519_key && systemctl reload ssh")
        public = one.shell("ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key")
        (folder / "known_hosts").write_text("".join(f"{address} {public}\n" for address in addresses.values()))
        return cls(lab, folder, addresses, ids, list(addresses.values()))

    def swap(self) -> None:
        """Give each of them the other's address."""
        state = self.lab.inventory.parent / "hosts"
        self.held.reverse()
        for name, address in zip(NAMES, self.held, strict=True):
            inside = ["nsenter", f"--net={state / name / 'netns'}", "ip", "addr"]
            call([*inside, "flush", "dev", "eth0", "scope", "global"])
            call([*inside, "add", f"{address}/22", "dev", "eth0"])
        for address in self.held:
            call(["ip", "neigh", "flush", "to", address])

    def case(self, name: str, way: str = "ssh", machine_id: str | None = None) -> Any:
        connection = Connection(
            address=self.addresses[name],
            user="deploy",
            key_file=self.lab.private_key,
            known_hosts=(self.folder / "known_hosts",),
            transport=way,
            machine_id=machine_id,
        )
        host = Host(name=name, connection=connection)
        case = tiny.case(tiny.PutFile(path=FILE), on=host, healthy_when=(tiny.FileSays(path=FILE),))
        return replace(case, evidence=(tiny.ShowFile(path=FILE),))

    def remediate(self, case: Any, gate: Any) -> Any:
        return remediate([case], transport=EachItsWay(), gate=gate, runs=Runs(self.folder / "state")).hosts[0]

    def found(self, name: str) -> Found:
        """Look at the machine that has that name, whichever address leads to it by now."""
        for one in NAMES:
            session = EachItsWay().open(self.case(one).host, within=Duration(20))
            try:
                if session.identity.machine_id != self.ids[name]:
                    continue
                assert session.identity.hostname == name
                count = "journalctl --no-pager -o cat -t sudo | grep -c 'USER=root.*COMMAND='"
                words = (f"cat {FILE}", "test ! -e /run/soleil-remediate && echo never", f"journalctl --sync; {count}")
                says, never, shells = session.ask([Command(("sh", "-c", each)) for each in words])
                return Found(says=_text(says), is_ours=_text(never) != "never", shells=int(_text(shells)))
            finally:
                session.close()
        raise AssertionError(f"{name} has neither address")


def _text(answer: Any) -> str:
    return str(answer.text.strip())


@pytest.fixture
def pair(lab: Lab, tmp_path: Path) -> Iterator[Pair]:
    lab.up(NAMES)
    for name in NAMES:
        lab.reset(name)
    yield Pair.prepared(lab, tmp_path)
    for name in NAMES:
        lab.reset(name)


@WAYS
def test_where_the_inventory_says_which_machine_is_meant_the_other_is_asked_and_sent_nothing(
    pair: Pair, way: str
) -> None:
    before = pair.found("bare2")
    pair.swap()

    report = pair.remediate(pair.case("bare1", way, pair.ids["bare1"]), PolicyGate(says_yes=True))

    assert isinstance(report.outcome, NotReached)
    expected = f"sent: machine_id {pair.ids['bare2']}, which calls itself bare2; it was {pair.ids['bare1']}"
    assert expected in report.outcome.why
    after = pair.found("bare2")
    assert (after.says, after.is_ours) == ("bad", False)
    assert after.shells == before.shells + 2  # the one that said who it is, and this look's
    assert pair.found("bare1").says == "bad"


def test_a_plan_that_was_approved_for_one_machine_is_not_carried_out_on_another(pair: Pair) -> None:
    looked = preview([pair.case("bare1")], transport=EachItsWay())
    assert isinstance(looked.hosts[0].outcome, WouldFix)
    pair.swap()

    report = pair.remediate(pair.case("bare1"), PlanGate(plan=looked.plan))

    assert isinstance(report.outcome, Refusal)
    assert [(pair.found(name).says, pair.found(name).is_ours) for name in NAMES] == [("bad", False)] * 2
    pair.swap()
    assert isinstance(pair.remediate(pair.case("bare1"), PlanGate(plan=looked.plan)).outcome, Fixed)
    assert [pair.found(name).says for name in NAMES] == ["good", "bad"]
