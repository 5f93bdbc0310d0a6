from __future__ import annotations

import socket

import pytest

from soleil_remediate.errors import ConfigError
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.local import check_it_is_here


def host(address: str) -> Host:
    return Host(name="web1", connection=Connection(address=address, transport="local"))


@pytest.mark.parametrize("address", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", socket.gethostname()])
def test_this_machine_is_known_by_its_addresses_and_its_name(address: str) -> None:
    check_it_is_here(host(address))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "no-such-host.invalid", "0.0.0.1", "255.255.255.255"])
def test_whoever_runs_it_on_the_wrong_machine_is_told_so(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_it_is_here(host(address))
    assert str(caught.value) == (
        f"web1 is to be reached without SSH, and {address} is no address of this machine ({socket.gethostname()}): "
        f"another one would have been looked at. Nothing was asked. If it is this machine, give it ansible_host: "
        f"localhost"
    )
