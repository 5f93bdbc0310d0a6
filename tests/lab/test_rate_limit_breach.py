"""Rate-limit-breach on a real host: who hammers is blocked, who is limited wrongly served, and nobody else touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.errors import ConfigError, ConnectTimedOut
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, HostOutcome, MaybeChanged, NotFixed, NotNeeded, WouldFix, WrongInput
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.task import Health
from soleil_remediate.transports import Session
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Duration
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "rate-limit-breach"
ATTACKER, PROXY = "192.31.196.7", "192.31.196.9"

#: Everything that a run which sends nothing must leave alone: rules, the application's files, and what it counts.
_TRACES = r"""
nft list ruleset | sed -e 's/ expires [0-9a-z]*//' -e 's/counter packets.*drop/drop/'
redis-cli -n 1 --scan | sed /:timer/d | sort | while read -r key; do echo "$key $(redis-cli -n 1 GET "$key")"; done
find /srv/soleil /etc -xdev -path '*/storage/logs' -prune -o -printf '%p %i %s %m %u %T@\n' | sort | sha256sum
systemctl show --property=Id,MainPID,InvocationID -- redis-server php8.2-fpm nginx
"""
_AS_STRANGER = "ip netns exec strangers curl -s -g -o /dev/null -m {} --interface {} -w '%{{http_code}}' {} || :"
_BLOCKED = "inet soleil_remediate blocked4"
_PAGES = {4: "http://192.31.196.1/api/health/live", 6: "'http://[2620:4f:8000::1]/api/health/live'"}
_BOOKINGS = (
    "curl -s -o /dev/null -m 5 -w '%{http_code}' -H 'Authorization: Bearer USER-1' http://localhost/api/bookings"
)


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def as_stranger(rehearsal: Rehearsal, address: str, *, within: int = 10) -> str:
    """What the web server answers somebody at that address, by the second pair of eyes; 000 where nothing comes."""
    page = _PAGES[6 if ":" in address else 4]
    return str(rehearsal.eyes().check_output(_AS_STRANGER.format(within, address, page)))


def as_customer(rehearsal: Rehearsal, user: int) -> str:
    return str(rehearsal.eyes().check_output(_BOOKINGS.replace("USER", str(user))))


def is_served(rehearsal: Rehearsal, fault: str) -> bool:
    """Whether the one that the fault is about gets what it should, and nobody else suffers."""
    if fault == "customer-limited":
        return (as_customer(rehearsal, 1), as_customer(rehearsal, 2)) == ("200", "200")
    return as_stranger(rehearsal, ATTACKER, within=2) == "000" and as_customer(rehearsal, 1) == "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired once a person says whom it is about, the kinds that do, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    risk: Risk
    inputs: Mapping[str, str] = field(default_factory=dict)


REPAIRED = [
    Rehearsed(fault="address-hammering", sent=("address.block",), risk=Risk.DISRUPTIVE, inputs={"address": ATTACKER}),
    Rehearsed(fault="customer-limited", sent=("limiter.clear",), risk=Risk.GENTLE, inputs={"customer": "1"}),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_who_hammers_is_blocked_who_is_limited_is_served_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault)
    before = traces(rehearsal)

    seen = rehearsal.preview(**case.inputs)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= 2
    assert seen.preview.risk is case.risk
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert rehearsal.remediate().sent == ()  # nobody was named
    assert isinstance(rehearsal.preview(customer="4711").outcome, WrongInput)
    assert traces(rehearsal) == before

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    after = traces(rehearsal)
    assert is_served(rehearsal, case.fault)

    again = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(again.outcome, NotNeeded)
    assert again.sent == ()
    if case.fault == "address-hammering":
        assert traces(rehearsal) == after
        assert re.search(rf"elements = \{{ {ATTACKER} timeout 1h", after)
        lift(rehearsal)


def lift(rehearsal: Rehearsal) -> None:
    """What a person may type lets it in again, as the playbook says."""
    rehearsal.host.shell(f"nft delete element {_BLOCKED} '{{ {ATTACKER} }}'")
    assert as_stranger(rehearsal, ATTACKER) == "200"


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    inputs: Mapping[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="users-limited",
        says=r"8 clients were refused \(429\) within a minute, 16 of 16 times for GET /api/bookings; they come from 8 "
        r"addresses: the limit is too low for them or one for all, or they attack together\. By hand: .* in the code",
    ),
    Refused(
        fault="behind-proxy",
        inputs={"address": PROXY},
        says=rf"all come from 192\.31\.196\.9: a proxy, perhaps, whose clients share one limit.*address\.block: "
        rf"{re.escape(PROXY)} is not blocked: it names 8 different browsers: a proxy or a shared line",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.fault)
def test_what_only_a_person_can_repair_is_left_alone_and_said(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault)
    assert rehearsal.red_checks() == checks_of(case.fault)
    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(case.says, report.outcome.why), report.outcome.why
    assert "blocked4" not in traces(rehearsal)


class OnceOnly:
    """The way over SSH that works once: as for somebody who has blocked himself."""

    def __init__(self) -> None:
        self._ssh = SshTransport()
        self.tried = 0

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Session:
        self.tried += 1
        if self.tried > 1:
            raise ConnectTimedOut(f"{host.name}: connecting took longer than {within}")
        return self._ssh.open(host, within=within, cancellation=cancellation)


def test_a_block_after_which_no_new_connection_reaches_the_host_is_lifted_by_the_host_itself(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.delivery.PATIENCE", Duration(1))
    rehearsal.host.break_with("address-hammering")
    way = OnceOnly()
    report = rehearsal.remediate(inputs={"address": ATTACKER}, transport=way)
    assert way.tried > 1
    assert not is_well(report.outcome), report.outcome
    assert [sent.change.summary for sent in report.sent] == [f"block {ATTACKER} on this host, for 2 min at first"]
    (timeout,) = re.findall(rf"{re.escape(ATTACKER)} timeout (\S+)", rehearsal.host.shell("nft list ruleset"))
    assert timeout == "2m"

    # And the kernel keeps such a promise, here sooner.
    rehearsal.host.shell(
        f"nft 'delete element {_BLOCKED} {{ {ATTACKER} }}; add element {_BLOCKED} {{ {ATTACKER} timeout 2s }}'; sleep 3"
    )
    assert as_stranger(rehearsal, ATTACKER) == "200"


def is_well(outcome: HostOutcome) -> bool:
    return not isinstance(outcome, NotFixed | MaybeChanged) and outcome.exit_status == 0


def test_an_attack_over_ipv6_is_blocked_as_well_and_nobody_whom_the_host_needs(rehearsal: Rehearsal) -> None:
    attacker = "2620:4f:8000::7"
    rehearsal.host.break_with("address-hammering", family=6)
    assert as_stranger(rehearsal, attacker) == "200"

    rehearsal.host.shell(f"cp /etc/resolv.conf /tmp; echo nameserver {attacker} >>/etc/resolv.conf")
    needed = rehearsal.remediate(inputs={"address": attacker})
    assert needed.sent == ()
    assert f"{attacker} is not blocked: it is a resolver of the host's" in needed.outcome.why
    rehearsal.host.shell("cp /tmp/resolv.conf /etc/resolv.conf")
    with pytest.raises(ConfigError, match="private"):  # whatever this host sees us as
        rehearsal.preview(address="10.88.0.1")

    report = rehearsal.remediate(inputs={"address": attacker, "lasts": "10 min"})
    assert isinstance(report.outcome, Fixed), report.outcome
    assert re.search(rf"{attacker} timeout 10m", rehearsal.host.shell("nft list ruleset"))
    assert as_stranger(rehearsal, attacker, within=2) == "000"
