from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from soleil_remediate.errors import UnknownName, Unreachable
from soleil_remediate.host import TRANSPORTS, Connection, Host
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
from tests.sshd import free_port


def host(way: str) -> Host:
    return Host(name="web1", connection=Connection(address="127.0.0.1", port=free_port(), transport=way))


def test_every_way_that_an_inventory_may_name_leads_somewhere() -> None:
    ways = EachItsWay()
    for name in TRANSPORTS:
        if name == "openssh" and shutil.which("ssh") is None:
            continue
        if name == "local":
            ways.open(host(name), within=Duration(10)).close()
        else:
            with pytest.raises(Unreachable, match="refused"):
                ways.open(host(name), within=Duration(10))


def test_a_way_that_nobody_knows_is_a_mistake_in_the_input() -> None:
    with pytest.raises(UnknownName, match="unknown transport 'opnssh': did you mean 'openssh'"):
        EachItsWay().open(host("opnssh"), within=Duration(1))


def test_what_is_not_used_is_not_imported() -> None:
    script = """
import sys
from soleil_remediate.host import Connection, Host
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration
host = Host(name="x", connection=Connection(address="localhost", transport="local"))
EachItsWay().open(host, within=Duration(10)).close()
print(sorted(set(sys.modules) & {"paramiko", "fabric", "invoke"}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=30)
    assert done.stdout == b"[]\n"
