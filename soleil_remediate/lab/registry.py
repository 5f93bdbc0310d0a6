"""Which labs there are on this machine, so that each has a subnet and device names of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from soleil_remediate.lab.access import replace
from soleil_remediate.lab.errors import LabError
from soleil_remediate.lab.locks import held
from soleil_remediate.lab.network import MOST_LABS, Subnet

#: The same for every lab on the machine, wherever it keeps its hosts.
MACHINE = Path("/var/lib/soleil-lab")
DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A lab that is up, or was and has not been brought down.

    Args:
        name: As it was called.
        state: The folder with its hosts.
        index: Of its subnet.
    """

    name: str
    state: Path
    index: int


def registered(file: Path = MACHINE / "labs.json") -> list[Registered]:
    """Return every lab of this machine that has not been brought down, by anybody."""
    try:
        rows = json.loads(file.read_text())
    except FileNotFoundError:
        return []
    return [Registered(name=row["name"], state=Path(row["state"]), index=row["index"]) for row in rows]


def find(name: str, state: Path) -> Subnet | None:
    """Return the subnet a lab has, or None where it has none."""
    return next((Subnet(index=lab.index) for lab in registered() if (lab.name, lab.state) == (name, state)), None)


def claim(name: str, state: Path) -> Subnet:
    """Return the lab's subnet, giving it one when it has none.

    The default lab in its default place always gets the first subnet, which the shipped inventory names; every other
    lab the first free one after it.

    Raises:
        LabError: Every subnet is in use.
    """
    with _changing() as labs:
        if subnet := find(name, state):
            return subnet
        taken = {lab.index for lab in labs}
        if (name, state) == (DEFAULT_NAME, MACHINE / DEFAULT_NAME):
            subnet = Subnet(index=0)
        else:
            free = (Subnet(index=index) for index in range(1, MOST_LABS) if index not in taken)
            found = next((subnet for subnet in free if subnet.is_free()), None)
            if found is None:
                raise LabError(f"all {MOST_LABS} subnets for labs are in use on this machine; bring some lab down")
            subnet = found
        labs.append(Registered(name=name, state=state, index=subnet.index))
        return subnet


def release(name: str, state: Path) -> None:
    """Give the lab's subnet back; nothing of the lab may be left."""
    with _changing() as labs:
        labs[:] = [lab for lab in labs if (lab.name, lab.state) != (name, state)]


def layers_in_use() -> set[Path]:
    """Return every layer of an image that some host of some lab stands on, running or not."""
    files = (file for lab in registered() for file in lab.state.glob("hosts/*/layers"))
    return {Path(layer) for file in files for layer in file.read_text().split(":")}


@contextmanager
def lab_lock(name: str, state: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """Hold the one lock under which a lab is changed."""
    with held(state.parent / f"{name}.lock", waiting=waiting):
        yield


@contextmanager
def _changing() -> Iterator[list[Registered]]:
    with held(MACHINE / "labs.lock"):
        labs = registered()
        yield labs
        rows = [{"name": lab.name, "state": str(lab.state), "index": lab.index} for lab in labs]
        if rows:
            replace(MACHINE / "labs.json", json.dumps(rows, indent=1) + "\n")
        else:
            (MACHINE / "labs.json").unlink(missing_ok=True)
