"""What holds for every test.

Those that need the lab run last, with more time each, and only as root on Linux. The run ends with a line for every
part, just above pytest's own.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from soleil_remediate.lab import LabError, machine, why_not_here
from soleil_remediate.secrecy import REDACTOR
from soleil_remediate.transports import session as session_module
from soleil_remediate.transports.shell import Shell

HERE = Path(__file__).parent
# A machine that pauses for a moment makes no property false.
settings.register_profile(
    "whatever the machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("whatever the machine")

# A shell starts what it puts into the background with SIGINT ignored, and all that is started from there inherits it:
# the programs that are to hear Ctrl-C here would not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

LAB_TIMEOUT = 600  # seconds for one test, its part of bringing hosts up included


@pytest.fixture(autouse=True)
def secrets_of_its_own() -> Iterator[None]:
    """What one test calls a secret is hidden from no other's output."""
    with REDACTOR.apart():
        yield


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Install what the lab lacks before any test runs.

    A package that adds a user replaces /etc/passwd, and with it goes what the sshd of a test beside has mounted there.
    """
    if why_not_here() is None and (missing := machine.missing_packages(machine.FILE_SYSTEMS)):
        with suppress(LabError):  # the lab's own tests say what is missing; the others need none of it
            machine.install(missing)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are processors, since most tests wait; a few at most, as each has a lab of its own."""
    return min(2 + (os.cpu_count() or 1), 4)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    no_lab = why_not_here()
    for item in items:
        if HERE / "lab" in item.path.parents:
            item.add_marker(pytest.mark.lab)
        if item.get_closest_marker("lab") is None:
            continue
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LAB_TIMEOUT))
        if no_lab is not None:
            item.add_marker(pytest.mark.skip(reason=no_lab))
    items.sort(key=lambda item: item.get_closest_marker("lab") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = {}
    seconds: dict[str, float] = {}
    for outcome, reports in terminalreporter.stats.items():
        for report in reports:
            if not isinstance(report, pytest.TestReport):
                continue
            path = Path(report.nodeid.partition("::")[0])
            part = path.parts[1] if len(path.parts) > 2 else path.stem
            if outcome:
                counts.setdefault(part, Counter())[outcome] += 1
            seconds[part] = seconds.get(part, 0.0) + report.duration
    if not counts:
        return
    terminalreporter.section("parts")
    for part, outcomes in counts.items():
        told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))
        terminalreporter.write_line(f"{part:<10} {told} in {seconds[part]:.1f} s")


@pytest.fixture
def further_shells(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each shell that sessions asked for beside their first one was given."""
    given: list[bool] = []
    really = session_module.ShellSession._new_shell

    def new_shell(session: session_module.ShellSession) -> Shell | None:
        shell = really(session)
        given.append(shell is not None)
        return shell

    monkeypatch.setattr(session_module.ShellSession, "_new_shell", new_shell)
    return given
