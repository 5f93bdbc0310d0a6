"""Which machine answered: what it says of itself, and hosts that are not the machine that is meant."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soleil_remediate.errors import ExitStatus, WrongMachine
from soleil_remediate.events import as_data
from soleil_remediate.host import Connection, Host, Origin
from soleil_remediate.identity import UNSAID, Identity, named_twice, refuse_another
from soleil_remediate.secrecy import REDACTOR
from tests import tiny

ONE, OTHER, SECRET = "3d1219c7c4c5404aaa1f6d2a48adfda4", "8f" * 16, "5e" * 16
BOOT, LATER = "c1e920bb-9b37-4eb3-a05f-690bede428cd", "00000000-0000-4000-8000-000000000000"
WEB1 = Identity(machine_id=ONE, boot_id=BOOT, hostname="web1")
WEB2 = Identity(machine_id=OTHER, boot_id=LATER, hostname="web2")


@pytest.mark.parametrize(
    "line, told",
    [
        (f"{ONE} {BOOT} web1", WEB1),
        (f"{ONE}  ", Identity(machine_id=ONE)),
        (f" {BOOT} web1.example", Identity(boot_id=BOOT, hostname="web1.example")),
        ("  ", UNSAID),
        ("", UNSAID),
        ("uninitialized  ", UNSAID),
        (f"{ONE.upper()}  ", UNSAID),
        (f"{ONE}0 {BOOT}0 web 1", UNSAID),
        (f"{ONE} {BOOT} \x1b[2Jweb1", Identity(machine_id=ONE, boot_id=BOOT)),
        (f"{ONE} {BOOT} {'x' * 65}", Identity(machine_id=ONE, boot_id=BOOT)),
    ],
)
def test_what_is_no_answer_is_as_if_unsaid(line: str, told: Identity) -> None:
    assert Identity.told(line) == told


def meant(machine_id: str | None, *origins: tuple[str, Origin]) -> Host:
    return replace(
        tiny.host(), connection=Connection(address="10.0.0.11", machine_id=machine_id), origins=dict(origins)
    )


def test_the_machine_that_is_meant_and_any_where_none_is_meant_are_let_be() -> None:
    refuse_another(meant(ONE), WEB1)
    for there in (WEB1, WEB2, UNSAID):
        refuse_another(meant(None), there)


def test_another_machine_is_refused_with_which_it_is_which_was_meant_and_what_to_do() -> None:
    with pytest.raises(WrongMachine) as caught:
        refuse_another(meant(ONE, ("machine_id", Origin("hosts.yml", 4, 9))), WEB2)
    assert (caught.value.exit_status, caught.value.retryable) == (ExitStatus.UNREACHABLE, False)
    assert str(caught.value) == (
        "web1 (10.0.0.11): another machine answered, so nothing was asked and nothing was sent: "
        f"machine_id {OTHER}, which calls itself web2; the inventory says {ONE} (hosts.yml:4:9). "
        "See where its address leads, and correct it: ansible_host. Only if that machine is web1 from now on "
        f"(on its console: cat /etc/machine-id), write machine_id: {OTHER} for it into the inventory"
    )


def test_one_without_a_machine_id_is_another_and_it_is_said_how_it_gets_one() -> None:
    with pytest.raises(WrongMachine) as caught:
        refuse_another(meant(ONE), UNSAID)
    assert f"sent: one without a machine_id; it was {ONE} that was looked at before. See" in str(caught.value)
    assert str(caught.value).endswith("Only if that machine is web1 from now on, give it one: systemd-machine-id-setup")


def test_a_host_is_no_other_machine_than_the_first_that_it_is_known_to_be() -> None:
    host = tiny.host()
    assert host.on_machine(None) is host
    known = host.on_machine(ONE)
    assert known.connection == replace(host.connection, machine_id=ONE)
    assert known.on_machine(OTHER) is known


def at(name: str, address: str) -> Host:
    return replace(tiny.host(name), connection=Connection(address=address))


def test_hosts_that_are_one_machine_are_told_apart_from_applications_clones_and_the_unknown() -> None:
    web1, web2 = at("web1", "10.0.0.11"), at("web2", "10.0.0.12")
    said = named_twice([(web1, WEB1), (web2, WEB1), (at("web3", "10.0.0.13"), WEB2)])
    why = (
        f"web1 (10.0.0.11) and web2 (10.0.0.12) are one and the same machine: machine_id {ONE}, which calls itself "
        "web1. Whoever meant two changes one of them twice: correct ansible_host, or where it is meant, list one host "
        "with several apps"
    )
    assert said == {"web1": (why,), "web2": (why,)}
    assert named_twice([(at("web1/soleil", "10.0.0.11"), WEB1), (at("web1/blog", "10.0.0.11"), WEB1)]) == {}
    assert named_twice([(at("web1#stop", "10.0.0.11"), WEB1), (at("web1#start", "10.0.0.11"), WEB1)]) == {}
    assert named_twice([(web1, WEB1), (web2, replace(WEB1, boot_id=LATER))]) == {}
    assert named_twice([(web1, replace(WEB1, boot_id="")), (web2, replace(WEB1, boot_id=""))]) == {}
    assert named_twice([(web1, UNSAID), (web2, UNSAID)]) == {}


def test_what_a_host_calls_its_secret_hides_no_machine_in_a_record() -> None:
    with REDACTOR.apart():
        REDACTOR.learn_of_host(SECRET)
        data = as_data(Identity(machine_id=SECRET, hostname="web1"))
    assert data == {"type": "Identity", "machine_id": SECRET, "boot_id": "", "hostname": "web1"}
