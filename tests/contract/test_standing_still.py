"""A host that stands still, before it greets or once it let us in, holds up no other of the same run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Reader
from soleil_remediate.events import Event, HostEnded, HostSeen
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import NotReached, WouldFix
from soleil_remediate.units import Duration
from tests import tiny
from tests.contract.conftest import Bed, through
from tests.contract.tcp import listener, proxy, silent
from tests.sshd import Sshd


@pytest.fixture(autouse=True)
def patience() -> None:
    """What a command may take by default decides here when a host is given up."""


@dataclass(frozen=True, kw_only=True)
class SaysOnceFrozen(tiny.FileSays):
    """See what a file says, of a host that freezes before it is asked."""

    kind = "file.says-once-frozen"

    freeze: Callable[[], object]

    async def read(self, host: Reader) -> str | None:
        self.freeze()
        return await super().read(host)


def assert_no_other_waits_for(still: Host, bed: Bed, *, before: Callable[[], object] = lambda: None) -> str:
    """Look at a host that stands still and then at one that does not, and return what is said of the first."""
    path = PurePosixPath(bed.folder / "one")
    Path(path).write_text("bad\n")
    hosts = {"still": still, "quick": bed.host}
    checks = {"still": SaysOnceFrozen(path=path, freeze=before), "quick": tiny.FileSays(path=path)}
    cases = [tiny.case(on=replace(host, name=name), healthy_when=(checks[name],)) for name, host in hosts.items()]
    heard = list[Event]()
    report = fleet.preview(cases, transport=bed.transport, listener=heard.append)
    assert [type(one.outcome) for one in report.hosts] == [NotReached, WouldFix]
    order = [
        (type(event), event.preview.host.name if isinstance(event, HostSeen) else event.report.host.name)
        for event in heard
        if isinstance(event, HostSeen | HostEnded)
    ]
    assert order == [(HostSeen, "quick"), (HostEnded, "still"), (HostEnded, "quick")], "it was waited for"
    return report.hosts[0].outcome.why


def test_a_host_that_never_greets_holds_up_no_other(over_ssh: Bed, sshd: Sshd) -> None:
    with listener(silent) as port:
        host = through(sshd, port)
        still = replace(host, connection=replace(host.connection, connect_within=Duration(5)))
        assert "took longer than 5 s" in assert_no_other_waits_for(still, over_ssh)


def test_a_host_that_freezes_once_it_let_us_in_holds_up_no_other(
    over_ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(3))
    with proxy(sshd.port) as between:
        still = through(sshd, between.port)
        assert "stopped answering" in assert_no_other_waits_for(still, over_ssh, before=between.freeze)
