"""Laravel Octane: whether it serves an application, by what it wrote down, and what artisan can do with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import StatFile, only_missing
from soleil_remediate.facts.together import together
from soleil_remediate.units import Duration

#: Whoever looks into /proc sees this many ticks a second, on every machine that Debian runs on: USER_HZ, time(7).
_TICKS = 100
#: So much later than it wrote itself down a process may seem to have been started, where the clock was set meanwhile.
_TOLERANCE = 10


def _state_file(root: PurePosixPath) -> PurePosixPath:
    return root / "storage/logs/octane-server-state.json"


@dataclass(frozen=True, slots=True)
class ReadServerState(Query[int | None]):
    """The number of Octane's first process, as ``octane:start`` wrote it down; ``None`` where it never ran here."""

    root: PurePosixPath
    # 1: no such file
    expects = frozenset({0, 1})
    empty_is = "no such file, where cat said so"

    @property
    def command(self) -> Command:
        return Command(("cat", "--", str(_state_file(self.root))))

    def parse(self, output: Output) -> int | None:
        if output.exit_status:
            only_missing(output)
            return None
        state = json.loads(output.stdout)
        pid = state.get("masterProcessId") if isinstance(state, dict) else None
        if not isinstance(pid, int) or isinstance(pid, bool) or pid <= 1:
            raise ValueError("no number of a process")
        return pid


@dataclass(frozen=True, slots=True)
class ReadStart(Query[int | None]):
    """When a process was started, in ticks since the host was; ``None`` where it is gone or a zombie."""

    pid: int
    # 1: no such process
    expects = frozenset({0, 1})
    empty_is = "no such process, where cat said so"

    @property
    def command(self) -> Command:
        return Command(("cat", "--", f"/proc/{self.pid}/stat"))

    def parse(self, output: Output) -> int | None:
        if output.exit_status:
            only_missing(output)
            return None
        words = output.text.rpartition(") ")[2].split()  # the name before may hold anything: proc_pid_stat(5)
        return None if words[0] == "Z" else int(words[19])


@dataclass(frozen=True, slots=True)
class ReadBoot(Query[int]):
    """When the host was started, in seconds since 1970, as its clock would have said it."""

    @property
    def command(self) -> Command:
        return Command(("grep", "^btime ", "/proc/stat"))

    def parse(self, output: Output) -> int:
        name, seconds = output.text.split()
        if name != "btime":
            raise ValueError("no time of a start")
        return int(seconds)


@dataclass(frozen=True, slots=True)
class ListArtisan(Query[frozenset[str]]):
    """The names of every command that artisan has. It is the application's own code that answers, as its own user."""

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        words = ("php", str(self.root / "artisan"), "list", "--raw", "--no-interaction")
        return Command(words, user=self.user, deadline=Duration(10), is_slow=True)

    def parse(self, output: Output) -> frozenset[str]:
        names = frozenset(line.split()[0] for line in output.text.splitlines() if line.strip())
        if "list" not in names or not all(re.fullmatch(r"[A-Za-z0-9:._-]+", name) for name in names):
            raise ValueError("no list of commands")  # artisan may end with 0 and only complain
        return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Octane:
    """An Octane that runs.

    Args:
        pid: Of its first process.
        started: When that was started, in ticks since the host was: no other process of that number is taken for it.
        user: Whom it runs as.
        commands: What artisan can do, or why that is not known.
    """

    pid: int
    started: int
    user: str
    commands: frozenset[str] | FactError


async def read_octane(host: Reader, root: PurePosixPath, user: str) -> Octane | None:
    """Return the Octane that serves an application; two round trips, one where there is none.

    What it wrote down outlives it, and its number may be another process's by now: one that was started later.

    Raises:
        FactError: It cannot be known.
    """
    pid = await host.ask(ReadServerState(root))
    if pid is None:
        return None
    (started, boot, written, process), (commands,) = await together(
        host.ask_all(ReadStart(pid), ReadBoot(), StatFile(_state_file(root)), StatFile(PurePosixPath(f"/proc/{pid}"))),
        host.ask_each((ListArtisan(root, user),)),
    )
    if started is None or written is None or process is None:
        return None
    if boot + started / _TICKS > written.modified + _TOLERANCE:
        return None
    return Octane(pid=pid, started=started, user=process.owner, commands=commands)
