"""Real hosts for tests: a lab of this test run's own, brought down at its end.

Only ask for the fixtures; a machine on which no lab can run skips everything in this folder and says why.

``web1``            the whole application on a host of its own, pristine at the start of each test (3 s after a test
                    that used it)
``web1_with``       the same with other file systems on its disks: ``web1_with({"/srv": "xfs"})``
``untouched_web1``  the same for tests that only look: nothing has to be made pristine after them
``light_hosts``     names of 50 hosts with sshd, sudo and nothing else, for many at once; change one, change it back
``lab``             the lab they are in: keys, inventory, known hosts, faults, ``run``
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from soleil_remediate.lab import Answer, Lab, registered, why_not_here

LIGHT_HOSTS = 50

_NAME = "test-{pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabHost:
    """A host of the lab, for the length of a test."""

    lab: Lab
    name: str

    @property
    def address(self) -> str:
        return next(host.address for host in self.lab.status() if host.name == self.name)

    @property
    def network(self) -> str:
        """Its network namespace, as ``/proc/PID/ns/net`` names it to everybody."""
        return self.run("readlink", "/proc/self/ns/net").checked().stdout.strip()

    def break_with(self, fault: str, **options: object) -> None:
        self.lab.break_host(self.name, fault, **options)

    def run(self, *words: str, user: str = "root", stdin: bytes = b"", timeout: float = 120) -> Answer:
        """Run a command; its words arrive as they are."""
        return self.lab.run(self.name, words, user=user, stdin=stdin, timeout=timeout)

    def shell(self, script: str, *, user: str = "root") -> str:
        """Run a script in bash and return its output; one that fails fails the test."""
        return self.run("bash", "--norc", "-euo", "pipefail", "-c", script, user=user).checked().stdout.strip()


@pytest.fixture(scope="session", autouse=True)
def a_machine_for_labs() -> None:
    if reason := why_not_here():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def lab(a_machine_for_labs: None) -> Iterator[Lab]:
    _remove_labs_of_dead_test_runs()
    lab = Lab(_NAME.format(pid=os.getpid()))
    try:
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="session")
def _used(lab: Lab) -> set[str]:
    """Names of hosts that some test has had since they were pristine."""
    return set()


@pytest.fixture
def web1(lab: Lab, _used: set[str]) -> LabHost:
    if "web1" in _used:
        lab.reset("web1")
    else:
        lab.up(["web1"])
    _used.add("web1")
    return LabHost(lab=lab, name="web1")


@pytest.fixture
def web1_with(lab: Lab, _used: set[str]) -> Callable[[dict[str, str]], LabHost]:
    def prepare(file_systems: dict[str, str]) -> LabHost:
        lab.up(["web1"])
        _used.add("web1")
        lab.reset("web1", file_systems=file_systems)
        return LabHost(lab=lab, name="web1")

    return prepare


@pytest.fixture
def untouched_web1(lab: Lab, _used: set[str]) -> LabHost:
    if "web1" in _used:
        lab.reset("web1")
        _used.remove("web1")
    else:
        lab.up(["web1"])
    return LabHost(lab=lab, name="web1")


@pytest.fixture(scope="session")
def light_hosts(lab: Lab) -> tuple[str, ...]:
    lab.up_light(LIGHT_HOSTS)
    return tuple(host.name for host in lab.status() if host.role == "l")


def _remove_labs_of_dead_test_runs() -> None:
    for left in registered():
        match = re.fullmatch(_NAME.format(pid="([0-9]+)") + "(-.*)?", left.name)
        if match and not Path("/proc", match[1]).exists():
            Lab(left.name, state=left.state.parent).down()
