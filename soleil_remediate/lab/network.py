"""The lab's own network: one bridge and one subnet a lab, one network namespace a host."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.mounts import unmount_below
from soleil_remediate.lab.processes import call

#: Every lab has a /22 of this network.
LABS = ipaddress.IPv4Network("10.88.0.0/16")
MOST_LABS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """Addresses and device names of the lab with this index; hosts are counted from 1 to 1021."""

    index: int

    @property
    def network(self) -> ipaddress.IPv4Network:
        return list(LABS.subnets(new_prefix=22))[self.index]

    @property
    def gateway(self) -> str:
        """This machine's address on the lab's bridge."""
        return str(self.network.network_address + 1)

    @property
    def bridge(self) -> str:
        return f"soleillab{self.index}"

    def address(self, number: int) -> str:
        return str(self.network.network_address + number)

    def port(self, number: int) -> str:
        return f"sl{self.index}v{number}"

    def mac(self, number: int) -> str:
        """Return the host's fixed hardware address.

        With a new one after each reset the neighbours would keep the old one for half a minute.
        """
        return f"02:88:{self.index:02x}:00:{number >> 8:02x}:{number & 255:02x}"

    def is_free(self) -> bool:
        """Tell whether nothing on this machine uses these addresses, the lab's own bridge aside."""
        rows = json.loads(call(["ip", "-json", "-4", "route", "show", "table", "all"]))
        for row in rows:
            if row.get("dev") == self.bridge or row.get("dst") in (None, "default"):
                continue
            if ipaddress.IPv4Network(row["dst"], strict=False).overlaps(self.network):
                return False
        return True


def raise_bridge(subnet: Subnet) -> None:
    """Make the lab's bridge with this machine's address on it; one that stands already is left alone."""
    if Path("/sys/class/net", subnet.bridge).exists():
        if subnet.gateway in call(["ip", "-4", "addr", "show", "dev", subnet.bridge]):
            return
        call(["ip", "link", "del", subnet.bridge])
    if not subnet.is_free():
        raise LabError(
            f"{subnet.network} is in use on this machine by something else than the lab; free it, or give the lab "
            "another name: every name but the default one gets a subnet that is free"
        )
    steps = (
        f"link add {subnet.bridge} address {subnet.mac(1)} type bridge",
        f"addr add {subnet.gateway}/{subnet.network.prefixlen} dev {subnet.bridge}",
        f"link set {subnet.bridge} up",
    )
    call(["ip", "-batch", "-"], stdin="\n".join(steps) + "\n")


def lower_bridge(subnet: Subnet) -> None:
    """Take the lab's bridge and whatever port was left of it away."""
    for port in Path("/sys/class/net").glob(subnet.port(0)[:-1] + "*"):
        _delete(port.name)
    _delete(subnet.bridge)


def plug_in(subnet: Subnet, number: int, namespace: Path) -> None:
    """Make the host's network namespace, kept by a bind mount on the file *namespace*, and join it to the bridge.

    The host has no default route: it reaches this machine and its own lab, whatever this machine would forward.
    A namespace that is there already goes first: packet filter rules live in it and must not survive a reset.
    """
    unplug(subnet, number, namespace)
    namespace.touch()
    call(["unshare", f"--net={namespace}", "true"])
    port = subnet.port(number)
    outside = (
        f"link add {port} type veth peer name eth0 address {subnet.mac(number)} netns {namespace}",
        f"link set {port} master {subnet.bridge} up",
    )
    inside = (
        f"addr add {subnet.address(number)}/{subnet.network.prefixlen} dev eth0",
        "link set lo up",
        "link set eth0 up",
    )
    call(["ip", "-batch", "-"], stdin="\n".join(outside) + "\n")
    call(["nsenter", f"--net={namespace}", "ip", "-batch", "-"], stdin="\n".join(inside) + "\n")


def unplug(subnet: Subnet, number: int, namespace: Path) -> None:
    """Take the host's network away; nothing to do where there is none."""
    _delete(subnet.port(number))
    unmount_below(namespace)
    namespace.unlink(missing_ok=True)


def _delete(device: str) -> None:
    if Path("/sys/class/net", device).exists():
        try:
            call(["ip", "link", "del", device])
        except LabError:
            # A namespace that ends takes its end of the cable with it, and ours may have gone meanwhile.
            if Path("/sys/class/net", device).exists():
                raise
