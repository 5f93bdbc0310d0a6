"""Measure what the README promises about speed, and write docs/benchmarks.md. Started by scripts/bench."""

from __future__ import annotations

import argparse
import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import paramiko

from soleil_remediate import Catalog, Check, Command, Output, Query, Reader, Remediation, Verdict, open_remediation
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import NotNeeded
from soleil_remediate.lab import Lab
from soleil_remediate.loading import bind, load_inventory, load_scenarios
from soleil_remediate.transports.ssh import SshTransport

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"

#: Ten questions as an incident asks them, alike for both sides.
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

PLAYBOOK = """\
scenario: ten-reads
title: Ten Reads
severity: medium
respond_within: 1 h
impact: none
hosts: all
healthy_when:
"""


@dataclass(frozen=True, slots=True)
class Asked(Query[str]):
    """One of the questions."""

    words: tuple[str, ...]

    @property
    def command(self) -> Command:
        return Command(self.words)

    def parse(self, output: Output) -> str:
        return output.text


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    ours: str
    other: str
    ratio: str
    wanted: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lab = Lab(f"bench-{os.getpid()}")
    try:
        lab.up_light(options.hosts)
        lab.up(["web1"])
        rows = [
            looking(lab, options.hosts, options.rounds),
            round_trips(lab),
            starting(options.rounds * 4),
        ]
    finally:
        lab.down()
    page = render(rows, options.hosts, options.rounds)
    PAGE.write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


def looking(lab: Lab, hosts: int, rounds: int) -> Row:
    """Preview ten reads on every host, against one opaque script a host over plain paramiko."""
    remediation = ten_reads(lab)
    targets = [case.host for case in remediation.cases]
    if len(targets) != hosts:
        raise SystemExit(f"{len(targets)} light hosts are up, not {hosts}")

    def ours() -> None:
        report = remediation.preview()
        bad = [host.outcome for host in report.hosts if not isinstance(host.outcome, NotNeeded)]
        if bad:
            raise SystemExit(f"{len(bad)} hosts did not answer: {bad[0]}")

    def plain() -> None:
        with ThreadPoolExecutor(hosts) as pool:
            for answer in pool.map(opaque_script, targets):
                if answer.count(b"\n") < len(QUESTIONS):
                    raise SystemExit(f"the script answered {answer!r}")

    took = interleaved([ours, plain], rounds)
    return Row(
        what=f"preview with ten reads on {hosts} hosts",
        ours=seconds(took[0]),
        other=f"{seconds(took[1])}, one opaque script a host over plain paramiko {version('paramiko')}",
        ratio=f"{ratio(took[0], took[1]):.2f}",
        wanted="1.25 or less",
    )


def ten_reads(lab: Lab) -> Remediation:
    """Bind the ten reads to every light host of the lab."""
    catalog = Catalog.of(BenchRead)
    folder = lab.inventory.parent / "playbooks"
    folder.mkdir(exist_ok=True)
    uses = "".join(f"  - bench.read: {{number: {number}}}\n" for number in range(len(QUESTIONS)))
    (folder / "ten-reads.yml").write_text(PLAYBOOK + uses, encoding="utf-8")
    scenario = load_scenarios([folder], catalog).find("ten-reads")
    names = {host.name for host in lab.status() if host.role == "l"}
    chosen = [host for host in load_inventory(lab.inventory).hosts if host.name in names]
    return Remediation(cases=tuple(bind(scenario, host, {}, catalog) for host in chosen), transport=SshTransport())


def opaque_script(host: Host) -> bytes:
    """Connect with plain paramiko, as strict about host keys, and run all ten as one script."""
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
        script = "\n".join(" ".join(question) for question in QUESTIONS)
        _, output, _ = client.exec_command(f"sudo -n sh -c '{script}'")
        return output.read()
    finally:
        client.close()


def round_trips(lab: Lab) -> Row:
    """Count the batches that a preview of disk-full waits for, on a host with the whole application."""
    remediation = open_remediation(scenario="disk-full", hosts="web1", inventory=lab.inventory)
    (host,) = remediation.preview().hosts
    if host.preview is None:
        raise SystemExit(f"web1 was not seen: {host.outcome}")
    return Row(
        what="round trips of a preview of disk-full after connecting",
        ours=str(host.preview.round_trips),
        other="-",
        ratio="-",
        wanted="2 or less",
    )


def starting(rounds: int) -> Row:
    """Time ``soleil-remediate --help`` against an interpreter that does nothing."""
    program = str(Path(sys.executable).with_name("soleil-remediate"))

    def run(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    took = interleaved([run(program, "--help"), run(sys.executable, "-c", "pass")], rounds)
    more = (statistics.median(took[0]) - statistics.median(took[1])) * 1000
    return Row(
        what="`soleil-remediate --help`, whole process",
        ours=milliseconds(took[0]),
        other=f"{milliseconds(took[1])}, `python -c pass`",
        ratio=f"{more:.0f} ms more",
        wanted="200 ms more or less",
    )


def interleaved(sides: Sequence[Callable[[], object]], rounds: int) -> list[list[float]]:
    """Time each side *rounds* times in turn, after one turn that does not count."""
    took: list[list[float]] = [[] for _ in sides]
    for round_number in range(rounds + 1):
        for index, side in enumerate(sides):
            gc.collect()
            began = time.perf_counter()
            side()
            if round_number:
                took[index].append(time.perf_counter() - began)
    return took


def ratio(ours: Sequence[float], other: Sequence[float]) -> float:
    """Return the median of the ratios turn by turn: a machine that slows down slows both."""
    return statistics.median(a / b for a, b in zip(ours, other, strict=True))


def seconds(took: Sequence[float]) -> str:
    return f"{statistics.median(took):.2f} s ({min(took):.2f} to {max(took):.2f})"


def milliseconds(took: Sequence[float]) -> str:
    return f"{statistics.median(took) * 1000:.0f} ms ({min(took) * 1000:.0f} to {max(took) * 1000:.0f})"


def render(rows: Sequence[Row], hosts: int, rounds: int) -> str:
    """Return the page."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("fabric", "paramiko", "invoke", "pydantic"))
    lines = [
        "# Benchmarks",
        "",
        "Written by `scripts/bench`; run it for figures of your own machine. The hosts are the lab's, on the same",
        f"machine: {hosts} light ones (a real sshd each) and one with the whole application. Both sides run in one",
        f"process after all imports, in turn, {rounds} times after one turn that does not count: median (fastest to",
        "slowest), and the median of the ratios turn by turn. Only the last row times whole processes.",
        "",
        "| what | ours | against | ratio | wanted |",
        "|---|---|---|---|---|",
        *(f"| {row.what} | {row.ours} | {row.other} | {row.ratio} | {row.wanted} |" for row in rows),
        "",
        f"Machine: {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}.",
        f"Python {platform.python_version()}, {versions}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
