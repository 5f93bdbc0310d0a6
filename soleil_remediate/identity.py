"""Which machine answered: what it says of itself, compared with the one that is meant.

A host's key says that it is one that is known, and not which: clones may share a key, and an inventory may give one
host the address of another. A machine-id is a machine's own, and outlives restarts; see machine-id(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from soleil_remediate.errors import WrongMachine
from soleil_remediate.host import Host

_MACHINE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_BOOT_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_HOSTNAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)


def is_machine_id(text: str) -> bool:
    """Return whether *text* is a machine-id as ``/etc/machine-id`` holds it."""
    return _MACHINE_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a machine says of itself.

    Args:
        machine_id: Of ``/etc/machine-id``; ``None`` where it has none.
        boot_id: Of the kernel since it started: clones that share a machine-id have each its own.
        hostname: By which it calls itself; for people only, since anybody may choose it.
    """

    machine_id: str | None = None
    boot_id: str = ""
    hostname: str = ""

    @classmethod
    def told(cls, line: str) -> Identity:
        """Return what a machine told as ``MACHINE-ID BOOT-ID HOSTNAME``; what is none of these is as if unsaid."""
        machine_id, _, rest = line.partition(" ")
        boot_id, _, hostname = rest.partition(" ")
        return cls(
            machine_id=machine_id if is_machine_id(machine_id) else None,
            boot_id=boot_id if _BOOT_ID.fullmatch(boot_id) else "",
            hostname=hostname if _HOSTNAME.fullmatch(hostname) else "",
        )

    def __str__(self) -> str:
        """Return it for people: ``machine_id 3d1219c7…, which calls itself web2``."""
        name = f", which calls itself {self.hostname}" if self.hostname else ""
        return f"{f'machine_id {self.machine_id}' if self.machine_id else 'one without a machine_id'}{name}"


#: Of a machine that says nothing of itself.
UNSAID = Identity()


def refuse_another(host: Host, there: Identity) -> None:
    """Raise WrongMachine where another machine answered than the one that *host* is known to be.

    A host of which nobody knows which one it is may be any.
    """
    expected = host.connection.machine_id
    if expected is None or there.machine_id == expected:
        return
    origin = host.origins.get("machine_id")
    known = f"the inventory says {expected} ({origin})" if origin else f"it was {expected} that was looked at before"
    replaced = (
        f"Only if that machine is {host.machine} from now on (on its console: cat /etc/machine-id), write "
        f"machine_id: {there.machine_id} for it into the inventory"
        if there.machine_id
        else f"Only if that machine is {host.machine} from now on, give it one: systemd-machine-id-setup"
    )
    raise WrongMachine(
        f"{host.name} ({host.connection.address}): another machine answered, so nothing was asked and nothing was "
        f"sent: {there}; {known}. See where its address leads, and correct it: ansible_host. {replaced}"
    )


def named_twice(seen: Iterable[tuple[Host, Identity]]) -> dict[str, tuple[str, ...]]:
    """Return for each host, by name, what is to be known where it is another host's machine as well.

    Applications of one machine are meant to be that. Clones that were given one machine-id have each a kernel that
    started by itself, and are not taken for one.
    """
    machines: dict[tuple[str, str], list[Host]] = {}
    whose: dict[tuple[str, str], Identity] = {}
    for host, there in seen:
        if there.machine_id and there.boot_id:
            machines.setdefault((there.machine_id, there.boot_id), []).append(host)
            whose[there.machine_id, there.boot_id] = there
    found: dict[str, tuple[str, ...]] = {}
    for key, hosts in machines.items():
        addresses = {host.machine: host.connection.address for host in hosts}
        if len(addresses) > 1:
            names = " and ".join(f"{name} ({address})" for name, address in addresses.items())
            why = (
                f"{names} are one and the same machine: {whose[key]}. Whoever meant two changes one of them twice: "
                "correct ansible_host, or where it is meant, list one host with several apps"
            )
            found |= {host.name: (why,) for host in hosts}
    return found
