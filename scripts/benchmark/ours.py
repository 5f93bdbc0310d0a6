"""Our side of the benchmark: the same questions and the same repair, in kinds of its own."""

from __future__ import annotations

import shlex
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import paramiko

from soleil_remediate import (
    Catalog,
    Change,
    Check,
    Command,
    Output,
    Plan,
    PolicyGate,
    Query,
    Reader,
    Remediation,
    Risk,
    Runs,
    Script,
    Task,
    Undo,
    Verdict,
)
from soleil_remediate.events import BatchStarted, Event, HostEnded
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, NotNeeded
from soleil_remediate.loading import bind, load_scenarios
from soleil_remediate.rollout import Rollout
from soleil_remediate.transports.ssh import SshTransport
from soleil_remediate.units import Percent

#: Ten questions as an incident asks them, alike for all sides.
QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("df", "-P"),
    ("df", "-Pi"),
    ("cat", "/proc/loadavg"),
    ("cat", "/proc/meminfo"),
    ("cat", "/proc/uptime"),
    ("stat", "-c", "%s %i %Y", "/etc/passwd"),
    ("ls", "-la", "/var/log"),
    ("id",),
    ("uname", "-a"),
    ("date", "+%s"),
)

#: Twelve files that are to have a text.
FILES = tuple(PurePosixPath(f"/run/bench-{number}") for number in range(12))

_HEAD = """\
scenario: {name}
title: {name}
severity: medium
respond_within: 1 h
impact: none
hosts: all
"""


@dataclass(frozen=True, slots=True)
class Asked(Query[str]):
    """One of the questions."""

    words: tuple[str, ...]

    @property
    def command(self) -> Command:
        return Command(self.words)

    def parse(self, output: Output) -> str:
        return output.text.strip()


@dataclass(frozen=True, kw_only=True)
class BenchRead(Check[str]):
    """Ask one of the ten questions.

    Args:
        number: Which, from 0.
    """

    kind = "bench.read"
    rounds = 1
    number: int

    async def read(self, host: Reader) -> str:
        return await host.ask(Asked(QUESTIONS[self.number]))

    def judge(self, seen: str) -> Verdict:
        return Verdict.healthy(f"{len(seen)} characters")


_READ = Script(name="bench-read", text='[ -e "$1" ] || { echo nothing; exit; }; exec cat "$1"')
_PUT = Script(name="bench-put", text='printf "%s\\n" "$2" >"$1.new" && mv "$1.new" "$1"')


@dataclass(frozen=True, kw_only=True)
class BenchPut(Task[str]):
    """Let a file have a text.

    Args:
        path: The file.
        text: One line.
    """

    kind = "bench.put"
    risk: ClassVar[Risk] = Risk.GENTLE
    path: PurePosixPath
    text: str

    async def read(self, host: Reader) -> str:
        return await host.ask(Asked(_READ.bind(self.path)))

    def plan(self, seen: str) -> Plan:
        if seen == self.text:
            return Plan.nothing(f"{self.path} has it")
        return Plan.of(
            Change(
                summary=f"write {self.path}",
                command=Command(_PUT.bind(self.path, self.text)),
                risk=self.risk,
                undo=Undo.none("what it said is worth nothing"),
                before=seen,
                after=self.text,
            ),
            because=f"{self.path} has another text",
        )


def ten_reads(hosts: Sequence[Host], folder: Path) -> Remediation:
    """Bind the ten questions to every host."""
    return _bound("ten-reads", hosts, folder, _uses("healthy_when", _QUESTIONS))


def look(remediation: Remediation) -> float:
    """Preview the ten questions; return how long the slowest host took after connecting, in seconds.

    Raises:
        SystemExit: One of them did not answer.
    """
    report = remediation.preview()
    bad = [host.outcome for host in report.hosts if not isinstance(host.outcome, NotNeeded)]
    if bad:
        raise SystemExit(f"{len(bad)} hosts did not answer: {bad[0]}")
    return max(float(host.preview.looked_in) for host in report.hosts if host.preview is not None)


def repair(hosts: Sequence[Host], folder: Path, text: str) -> dict[str, float]:
    """Let the twelve files of every host have *text*: preview, gate, lock, record, twelve changes, proof.

    Returns:
        Where the time went, in seconds, by what was done: the preview of all hosts together with what begins a run, and
        of what follows the share that a host spent on it, by the median host of the last batch.

    Raises:
        SystemExit: One of the hosts was not repaired.
    """
    phases = Phases()
    puts = [("bench.put", {"path": str(path), "text": text}) for path in FILES]
    remediation = _bound("twelve-steps", hosts, folder, _uses("healthy_when", puts) + _uses("steps", puts))
    report = remediation.remediate(
        gate=PolicyGate(says_yes=True),
        runs=Runs(folder / "runs"),
        rollout=Rollout(serial=(1, Percent(100))),
        listener=phases.hear,
    )
    bad = [host.outcome for host in report.hosts if not isinstance(host.outcome, Fixed)]
    if bad:
        raise SystemExit(f"{len(bad)} hosts were not repaired: {bad[0]}")
    return phases.times()


class Phases:
    """What a repair spends its time on, by when its events are heard."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._canary_from = self._batch_from = 0.0
        self._heard: dict[str, list[tuple[float, str]]] = {}

    def hear(self, event: Event) -> None:
        """Note when *event* was heard."""
        now = time.perf_counter()
        if isinstance(event, BatchStarted):
            self._canary_from, self._batch_from = self._batch_from or now, now
        host = event.report.host.name if isinstance(event, HostEnded) else getattr(event, "host", "")
        if host:
            self._heard.setdefault(host, []).append((now, type(event).__name__))

    def times(self) -> dict[str, float]:
        """Return seconds by phase."""
        ended = time.perf_counter()
        spent: dict[str, list[float]] = {}
        for events in self._heard.values():
            if events[0][0] < self._batch_from:
                continue  # the canary, which has the machine to itself
            each = dict.fromkeys(_AFTER.values(), 0.0)
            before, name = self._batch_from, "BatchStarted"
            for at, following in events:
                each[_AFTER[name]] += at - before
                before, name = at, following
            for phase, took in each.items():
                spent.setdefault(phase, []).append(took)
        medians = {phase: statistics.median(took) for phase, took in spent.items()}
        whole = (ended - self._batch_from) / sum(medians.values())
        return {
            "connecting, looking at all hosts, the gate": self._canary_from - self._began,
            "the canary, alone": self._batch_from - self._canary_from,
            **{phase: took * whole for phase, took in medians.items()},
        }


#: What a host is at after an event of its own.
_AFTER = {
    "BatchStarted": "waiting for its turn, the lock",
    "HostClaimed": "looking before each change and after the last, the records",
    "HostSeenAgain": "looking before each change and after the last, the records",
    "ChangeIntended": "the twelve changes, each on record before and after",
    "ChangeAnswered": "looking before each change and after the last, the records",
    "StepEnded": "looking before each change and after the last, the records",
}

_QUESTIONS = [("bench.read", {"number": str(number)}) for number in range(len(QUESTIONS))]


def _uses(section: str, uses: Sequence[tuple[str, dict[str, str]]]) -> str:
    lines = [
        f"  - {kind}: {{{', '.join(f'{name}: {value}' for name, value in fields.items())}}}" for kind, fields in uses
    ]
    return "\n".join([f"{section}:", *lines, ""])


def _bound(name: str, hosts: Sequence[Host], folder: Path, body: str) -> Remediation:
    catalog = Catalog.of(BenchRead, BenchPut)
    (folder / f"{name}.yml").write_text(_HEAD.format(name=name) + body, encoding="utf-8")
    scenario = load_scenarios([folder], catalog).find(name)
    return Remediation(cases=tuple(bind(scenario, host, {}, catalog) for host in hosts), transport=SshTransport())


def opaque_script(host: Host) -> bytes:
    """Connect with plain paramiko, as strict about host keys, and run all ten as one script; return what it wrote."""
    client = paramiko.SSHClient()
    for file in host.connection.known_hosts:
        client.load_host_keys(str(file))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    key = str(host.connection.key_file) if host.connection.key_file else None
    client.connect(
        host.connection.address,
        port=host.connection.port or 22,
        username=host.connection.user,
        key_filename=key,
        allow_agent=False,
        look_for_keys=False,
    )
    try:
        script = "\n".join(shlex.join(question) for question in QUESTIONS)
        _, output, _ = client.exec_command(f"sudo -n sh -c {shlex.quote(script)}")
        return output.read()
    finally:
        client.close()
