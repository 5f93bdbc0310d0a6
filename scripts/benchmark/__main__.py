"""Measure what the README promises about speed, and write docs/benchmarks.md. Started by scripts/bench."""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from compileall import compile_dir
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import scripts
import soleil_remediate
from scripts.benchmark import delay, ours, rivals
from scripts.benchmark.page import PARTS, Plot, Row, against, keep
from scripts.benchmark.rivals import Rivals
from scripts.benchmark.timing import interleaved, milliseconds, seconds
from soleil_remediate import open_remediation
from soleil_remediate.host import Host
from soleil_remediate.lab import Lab
from soleil_remediate.loading import load_inventory

OURS = "soleil-remediate"

#: Round trips of the delayed connection, in milliseconds.
ROUND_TRIPS = (0, 25, 50, 100, 200)
#: At which of them the tools that take longest are timed as well.
FOR_ANSIBLE = (0, 50, 200)
#: The round trip of a preview of a whole host, in milliseconds.
AWAY = 50
#: How often at most is timed what only says how time grows.
GROWTH = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, nargs="*", default=[200, 500], metavar="HOSTS")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to measure, else all")
    parser.add_argument("--cost", type=Path, help=argparse.SUPPRESS)  # what a process of its own is started with
    options = parser.parse_args()
    if options.cost is not None:
        return cost(options.cost, options.hosts)
    rivals.install()
    for package in (soleil_remediate, scripts):  # as pip leaves it, and the other tools, wherever nobody writes that
        compile_dir(Path(package.__path__[0]), quiet=1)
    lab = Lab(f"bench-{os.getpid()}")
    try:
        lab.up_light(options.hosts)
        lab.up(["web1"])
        with TemporaryDirectory() as folder:
            bench = Bench(lab, Path(folder), options.hosts, options.rounds, options.many)
            for part in options.only:
                rows, plot, turns = bench.measure(part)
                keep(part, rows, plot, turns=turns)
                for row in rows:
                    print(row.what, row.ours, row.other, row.ratio, f"wanted: {row.wanted}", sep=" | ", flush=True)
    finally:
        lab.down()
    return 0


@dataclass(frozen=True, slots=True)
class Bench:
    """The lab's hosts, and what is timed on them.

    Args:
        lab: Light hosts and web1 are up.
        folder: For files of all tools.
        count: How many light hosts count, where nothing else is said.
        rounds: How often each side is timed.
        many: How many light hosts are looked at besides, where the question is how time grows.
    """

    lab: Lab
    folder: Path
    count: int
    rounds: int
    many: Sequence[int]

    def measure(self, part: str) -> tuple[list[Row], Plot | None, int]:
        """Measure one part of the page: its rows, its plot, and how often each side was timed."""
        fewer = min(self.rounds, GROWTH)
        match part:
            case "near":
                return self.looking(), None, self.rounds
            case "slow":
                return self.looking_slowly(), None, self.rounds
            case "repairs":
                return self.repairing(), None, self.rounds
            case "far":
                return *self.far_away(), fewer
            case "large":
                return *self.scale(), fewer
            case _:
                return [self.round_trips(), *self.far_previews(), self.starting()], None, self.rounds

    def hosts(self, number: int) -> list[Host]:
        """Return that many light hosts.

        Raises:
            SystemExit: There are fewer.
        """
        chosen = light_hosts(self.lab.inventory)[:number]
        if len(chosen) != number:
            raise SystemExit(f"{len(chosen)} light hosts are up, not {number}")
        return chosen

    def others(self, hosts: Sequence[Host], text: str = "") -> Rivals:
        """Tell the other tools these hosts, and the text that the files of each are to have."""
        folder = self.folder / f"{len(hosts)}-{hosts[0].connection.port}"
        folder.mkdir(exist_ok=True)
        others = Rivals(
            folder=folder,
            hosts=hosts,
            questions=[shlex.join(question) for question in ours.QUESTIONS],
            wanted=[(str(path), f"{text}\n") for path in ours.FILES],
        )
        others.write()
        return others

    # --- looking ------------------------------------------------------------------------------------------------------

    def looking(self) -> list[Row]:
        """Ask ten questions on every host, in this process and as a process of its own."""
        hosts = self.hosts(self.count)
        others = self.others(hosts)
        sides: dict[str, Callable[[], object]] = {
            "ours": partial(ours.look, ours.ten_reads(hosts, self.folder)),
            "paramiko": partial(all_opaque, hosts),
            "whole": partial(self._cost, self.count),
            "OpenSSH with xargs, one opaque script a host": others.openssh,
            "pyinfra": partial(others.pyinfra, "looks"),
        }
        took = interleaved(sides, self.rounds)
        name = f"plain paramiko {version('paramiko')}, one opaque script a host"
        what = f"{self.count} hosts, in one process, after imports"
        rows = [against(what, took, "ours", "paramiko", name, "1.25 times or less")]
        for each, aim in zip(
            [name for name in took if name not in {"ours", "paramiko", "whole"}],
            ("faster", "2.5 times faster"),
            strict=False,
        ):
            rows.append(against("the same", took, "ours", each, each, aim))
            rows.append(against("as a whole process, imports and all", took, "whole", each, each, aim))
        return rows

    def looking_slowly(self) -> list[Row]:
        """Ask the same of the tools that take minutes for it."""
        others = self.others(self.hosts(self.count))
        sides: dict[str, Callable[[], object]] = {
            "whole": partial(self._cost, self.count),
            "ansible-core, pipelining, a fork a host": partial(others.ansible, "looks"),
            "the same with mitogen": partial(others.ansible, "looks", strategy="mitogen"),
        }
        took = interleaved(sides, self.rounds, uncounted=0)
        others.end_lasting_connections()
        what = f"{self.count} hosts, as a whole process, imports and all"
        aims = ("30 times faster", "faster")
        return [
            against(what, took, "whole", each, each, aim)
            for each, aim in zip([n for n in took if n != "whole"], aims, strict=False)
        ]

    def _cost(self, number: int) -> dict[str, float]:
        words = [sys.executable, "-m", "scripts.benchmark", "--hosts", str(number), "--cost", str(self.lab.inventory)]
        done = subprocess.run(words, check=True, cwd=rivals.ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        said: dict[str, float] = json.loads(done.stdout)
        return said

    # --- repairing ----------------------------------------------------------------------------------------------------

    def repairing(self) -> list[Row]:
        """Let twelve files of every host have a new text."""
        hosts, text = self.hosts(self.count), count(1)

        def fresh() -> str:
            return f"text {next(text)}"

        shares: list[dict[str, float]] = []
        sides = {
            "ours": lambda: shares.append(ours.repair(hosts, self.folder, fresh())),
            "pyinfra": lambda: self.others(hosts, fresh()).pyinfra("repairs"),
            "ansible-core, pipelining, a fork a host": lambda: self.others(hosts, fresh()).ansible("repairs"),
        }
        took = interleaved(sides, self.rounds, uncounted=0)
        self.others(hosts).end_lasting_connections()
        what = "with looks, gate, lock, shim, record and proof"
        rows = [against(what, took, "ours", each, each, "faster") for each in took if each != "ours"]
        for phase in shares[0]:
            took_there = [each[phase] for each in shares]
            share = statistics.median(each[phase] / sum(each.values()) for each in shares)
            rows.append(Row(what=f"of which {phase}", ours=seconds(took_there), ratio=f"{share * 100:.0f} %"))
        return rows

    # --- far away -----------------------------------------------------------------------------------------------------

    def far_away(self) -> tuple[list[Row], Plot]:
        """Look at one host from farther and farther away."""
        (near,) = self.hosts(1)
        times: dict[str, dict[int, float]] = {}
        looked: dict[int, list[float]] = {}
        for trip in ROUND_TRIPS:
            with self._farther(near, trip) as host:
                others = self.others([host])

                def preview(host: Host = host, trip: int = trip) -> None:
                    looked.setdefault(trip, []).append(ours.look(ours.ten_reads([host], self.folder)))

                sides: dict[str, Callable[[], object]] = {
                    OURS: preview,
                    "plain paramiko": partial(all_opaque, [host]),
                    "OpenSSH with xargs": others.openssh,
                    "pyinfra": partial(others.pyinfra, "looks"),
                }
                if trip in FOR_ANSIBLE:
                    sides |= self._slow(others)
                for tool, took in interleaved(sides, min(self.rounds, GROWTH)).items():
                    times.setdefault(tool, {})[trip] = statistics.median(took)
                others.end_lasting_connections()
        most = {trip: statistics.median(took) for trip, took in looked.items()}
        rows = [
            Row(
                what=f"looking after connecting, {trip} ms away",
                ours=f"{most[trip] * 1000:.0f} ms",
                other=f"{most[0] * 1000:.0f} ms without the distance",
                ratio=f"{(most[trip] - most[0]) * 1000 / trip:.1f} round trips",
                wanted="3 or less",
            )
            for trip in ROUND_TRIPS
            if trip
        ]
        return rows, Plot(title="Ten questions to one host", x="round trip, ms", tools=times)

    def _slow(self, others: Rivals) -> dict[str, Callable[[], object]]:
        """Return those tools that take longest for the ten questions."""
        return {
            "ansible-core": partial(others.ansible, "looks"),
            "ansible-core with mitogen": partial(others.ansible, "looks", strategy="mitogen"),
        }

    @contextmanager
    def _farther(self, host: Host, trip: int) -> Iterator[Host]:
        """Let a host be reached through a proxy that holds everything back for so many milliseconds a round trip."""
        words = [sys.executable, delay.__file__, host.connection.address, "22", str(trip)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proxy:
            if proxy.stdout is None or proxy.stdin is None:
                raise AssertionError("both were asked for")
            port = int(proxy.stdout.readline())
            known = self.folder / f"known-{port}"
            lines = [file.read_text(encoding="utf-8") for file in host.connection.known_hosts]
            keys = [line.split(maxsplit=1)[1] for line in "".join(lines).splitlines() if f"{host.name} " in line]
            known.write_text("".join(f"[127.0.0.1]:{port} {key}\n" for key in keys), encoding="utf-8")
            yield replace(
                host,
                connection=replace(host.connection, address="127.0.0.1", port=port, known_hosts=(known,)),
            )
            proxy.stdin.close()

    # --- many ---------------------------------------------------------------------------------------------------------

    def scale(self) -> tuple[list[Row], Plot]:
        """Look at more and more hosts: time, and what it costs this machine."""
        times: dict[str, dict[int, float]] = {}
        rows = []
        for number in sorted({10, self.count, *self.many}):
            self.lab.up_light(number)
            hosts = self.hosts(number)
            bases = [self._cost(0) for _ in range(1 + GROWTH)][1:]  # the first one finds nothing in the caches
            others = self.others(hosts)
            costs: list[dict[str, float]] = []

            def look(number: int = number, costs: list[dict[str, float]] = costs) -> None:
                costs.append(self._cost(number))

            sides: dict[str, Callable[[], object]] = {
                OURS: look,
                "plain paramiko": partial(all_opaque, hosts),
                "OpenSSH with xargs": others.openssh,
                "pyinfra": partial(others.pyinfra, "looks"),
            }
            if number <= self.count:
                sides |= self._slow(others)
            for tool, took in interleaved(sides, min(self.rounds, GROWTH), uncounted=0).items():
                times.setdefault(tool, {})[number] = statistics.median(took)
            others.end_lasting_connections()
            base = {name: statistics.median(each[name] for each in bases) for name in ("cpu", "memory")}
            cpu = statistics.median((each["cpu"] - base["cpu"]) / number for each in costs)
            memory = statistics.median((each["memory"] - base["memory"]) / number for each in costs)
            wall = statistics.median(each["wall"] for each in costs)
            rows.append(
                Row(
                    what=f"{number} hosts",
                    ours=f"{wall:.2f} s",
                    other=f"{cpu * 1000:.1f} ms of controller CPU and {memory / 2**20:.2f} MiB of peak memory a host",
                    ratio=f"{wall / number * 1000:.1f} ms a host",
                    wanted="15 ms, 1 MiB, linear",
                )
            )
        return rows, Plot(title="Ten questions to each host", x="hosts", tools=times)

    # --- small things -------------------------------------------------------------------------------------------------

    def round_trips(self) -> Row:
        """Count the batches that a preview of disk-full waits for, on a host with the whole application."""
        remediation = open_remediation(scenario="disk-full", hosts="web1", inventory=self.lab.inventory)
        (host,) = remediation.preview().hosts
        if host.preview is None:
            raise SystemExit(f"web1 was not seen: {host.outcome}")
        what = "round trips of a preview of disk-full after connecting"
        return Row(what=what, ours=str(host.preview.round_trips), wanted="2 or less")

    def far_previews(self) -> list[Row]:
        """Time previews of a host with the whole application, as near as it is and farther away, in turns."""
        return [self._far_preview(scenario) for scenario in ("disk-full", "application-down")]

    def _far_preview(self, scenario: str) -> Row:
        near = open_remediation(scenario=scenario, hosts="web1", inventory=self.lab.inventory)
        (case,) = near.cases
        took: dict[str, list[float]] = {"near": [], "far": []}
        with self._farther(case.host, AWAY) as host:
            sides = {"near": near, "far": replace(near, cases=(replace(case, host=host),))}
            for _ in range(self.rounds):
                for side, remediation in sides.items():
                    took[side].append(ours.look(remediation))
        more = (statistics.median(took["far"]) - statistics.median(took["near"])) * 1000
        return Row(
            what=f"a preview of {scenario} after connecting, {AWAY} ms away",
            ours=milliseconds(took["far"]),
            other=f"{milliseconds(took['near'])} without the distance",
            ratio=f"{more / AWAY:.1f} round trips",
            wanted="3 or less",
        )

    def starting(self) -> Row:
        """Time ``soleil-remediate --help`` against an interpreter that does nothing."""
        program = str(Path(sys.executable).with_name("soleil-remediate"))

        def run(*words: str) -> Callable[[], object]:
            return lambda: subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

        sides = {"ours": run(program, "--help"), "nothing": run(sys.executable, "-c", "pass")}
        took = interleaved(sides, self.rounds * 4)
        more = (statistics.median(took["ours"]) - statistics.median(took["nothing"])) * 1000
        return Row(
            what="`soleil-remediate --help`, whole process",
            ours=milliseconds(took["ours"]),
            other=f"{milliseconds(took['nothing'])}, `python -c pass`",
            ratio=f"{more:.0f} ms more",
            wanted="200 ms more or less",
        )


def light_hosts(inventory: Path) -> list[Host]:
    """Return the light hosts of a lab, in their order."""
    found = [host for host in load_inventory(inventory).hosts if host.name[:1] == "l" and host.name[1:].isdigit()]
    return sorted(found, key=lambda host: int(host.name[1:]))


def all_opaque(hosts: Sequence[Host]) -> None:
    """Run the opaque script over plain paramiko on all hosts, at most as many at once as we look at."""
    with ThreadPoolExecutor(min(len(hosts), 50)) as pool:
        for answer in pool.map(ours.opaque_script, hosts):
            if answer.count(b"\n") < len(ours.QUESTIONS):
                raise SystemExit(f"the script answered {answer!r}")


def cost(inventory: Path, number: int) -> int:
    """Look at that many hosts in this process, and print what it took: seconds, and bytes at the peak."""
    hosts = light_hosts(inventory)[:number]
    began = time.perf_counter()
    if hosts:
        with TemporaryDirectory() as folder:
            ours.look(ours.ten_reads(hosts, Path(folder)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"wall": time.perf_counter() - began, "cpu": used.ru_utime + used.ru_stime, "memory": _peak()}
    print(json.dumps(took))
    return 0


def _peak() -> int:
    """Return how many bytes of memory this process had at most.

    By the kernel's VmHWM, which begins anew with the program; ``ru_maxrss`` has what the process was before, too.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (peak,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(peak) * 1024


if __name__ == "__main__":
    sys.exit(main())
