"""How busy php-fpm is: its pools by their configuration on disk, their children, and who is connected to them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import only_missing
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, Duration, KiB

#: Where Debian has the pools of every version.
POOLS = PurePosixPath("/etc/php")
_POOL_FILE = re.compile(r"(/etc/php/([0-9.]+)/fpm/(?:[^/:]+/)*[^/:]+\.conf):(.*)")
_SETTING = re.compile(r"\s*(?:\[(?P<pool>[^]]+)\]|(?P<name>[a-z_.]+)\s*=\s*(?P<value>.*?))\s*(?:;.*)?")
#: What php-fpm calls its children (fpm_children.c); anybody may choose any name, which would make it look busier.
_CHILD = re.compile(r"php-fpm: pool (\S+) *")
#: SO_ACCEPTCON, SS_CONNECTED and SS_CONNECTING (include/uapi/linux/net.h): a socket that listens, one that somebody
#: has taken, and one that nobody has yet: it has no inode (net/unix/af_unix.c, unix_seq_show).
_LISTENS, _TAKEN, _NOT_TAKEN = "00010000", "03", ("02", "0")


#: The kernel's list of sockets at two moments: a burst is over by the second.
WATCH_SOCKETS = Script("watch-sockets", "set -eu\ngrep -a '' /proc/net/unix\nsleep 2\ngrep -a '' /proc/net/unix\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A process: its number, how much memory it has in use (shared memory among it), and its words."""

    pid: int
    memory: ByteSize
    words: str


@dataclass(frozen=True, slots=True)
class ListProcesses(Query[tuple[Running, ...]]):
    """Every process of the host that may be seen, by its words."""

    @property
    def command(self) -> Command:
        return Command(("ps", "-e", "-ww", "-o", "pid=,rss=,args="), deadline=Duration(5))

    def parse(self, output: Output) -> tuple[Running, ...]:
        found = []
        for line in output.text.splitlines():
            match = re.fullmatch(r" *(\d+) +(\d+)(?: +(.*))?", line)
            if match is None:
                raise ValueError(f"no process: {redacted(line)[:80]!r}")
            found.append(Running(pid=int(match[1]), memory=KiB(int(match[2])), words=match[3] or ""))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One pool of php-fpm, by its configuration on disk.

    Args:
        name: Such as ``www``.
        version: Of PHP, such as ``8.2``.
        file: Where it is configured.
        listens: The path of its socket, or the address where it listens.
        most: How many children it may have (pm.max_children).
    """

    name: str
    version: str
    file: PurePosixPath
    listens: str
    most: int

    @property
    def unit(self) -> str:
        return f"php{self.version}-fpm.service"


@dataclass(frozen=True, slots=True)
class ReadPools(Query[tuple[Pool, ...]]):
    """Every pool that is configured on the host."""

    # 1: nothing is configured; 2: no such folder
    expects = frozenset({0, 1, 2})
    empty_is = "no pool, where grep said so"

    @property
    def command(self) -> Command:
        wanted = r"^[[:space:]]*(\[|listen[[:space:]]*=|pm\.max_children[[:space:]]*=)"
        return Command(("grep", "-r", "-H", "-E", "--include=*.conf", "-e", wanted, "--", str(POOLS)))

    def parse(self, output: Output) -> tuple[Pool, ...]:
        return tuple(
            Pool(
                name=name,
                version=version,
                file=PurePosixPath(file),
                listens=its["listen"].replace("$pool", name),
                most=int(its["pm.max_children"]),
            )
            for (file, version, name), its in _settings(output).items()
            if its.keys() >= {"listen", "pm.max_children"}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolUser:
    """Whom a pool of php-fpm runs its children as, and where it listens: the path of its socket, or an address."""

    user: str
    listens: str


@dataclass(frozen=True, slots=True)
class ReadPoolUsers(Query[tuple[PoolUser, ...]]):
    """Every pool that is configured on the host, by whom it runs as."""

    # as of ReadPools
    expects = frozenset({0, 1, 2})
    empty_is = "no pool, where grep said so"

    @property
    def command(self) -> Command:
        wanted = r"^[[:space:]]*(\[|listen[[:space:]]*=|user[[:space:]]*=)"
        return Command(("grep", "-r", "-H", "-E", "--include=*.conf", "-e", wanted, "--", str(POOLS)))

    def parse(self, output: Output) -> tuple[PoolUser, ...]:
        return tuple(
            PoolUser(user=its["user"].replace("$pool", name), listens=its["listen"].replace("$pool", name))
            for (_, _, name), its in _settings(output).items()
            if its.keys() >= {"listen", "user"}
        )


def _settings(output: Output) -> dict[tuple[str, str, str], dict[str, str]]:
    """Return the settings of each pool, by its file, PHP's version and its name; none where there is no such folder."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    if output.exit_status == 2:
        only_missing(output)
        return found
    settings: dict[str, str] = {}
    for line in output.text.splitlines():
        match = _POOL_FILE.fullmatch(line)
        setting = _SETTING.fullmatch(match[3]) if match else None
        if match is None or setting is None:
            if line.startswith(f"{POOLS}/"):
                continue  # another program of PHP's that has its settings there as well
            raise ValueError(f"no setting: {redacted(line)[:80]!r}")
        if setting["pool"] is not None:
            settings = found.setdefault((match[1], match[2], setting["pool"]), {})
        else:
            settings[setting["name"]] = setting["value"].strip("\"'")
    return {which: its for which, its in found.items() if which[2] != "global"}


@dataclass(frozen=True, slots=True)
class CountConnected(Query["dict[str, tuple[int, int]]"]):
    """How many connections to each socket that listens at a path are taken, and how many wait for somebody to do so.

    Of two moments, two seconds apart, the one at which fewer waited.
    """

    @property
    def command(self) -> Command:
        return Command(WATCH_SOCKETS.bind(), deadline=Duration(6), is_slow=True)

    def parse(self, output: Output) -> dict[str, tuple[int, int]]:
        lines = output.text.splitlines()
        heads = [number for number, line in enumerate(lines) if line.startswith("Num ")]
        if len(heads) != 2 or heads[0] != 0:
            raise ValueError("not two lists of sockets")
        first, second = _counted(lines[1 : heads[1]]), _counted(lines[heads[1] + 1 :])
        return {path: min(first[path], second[path], key=lambda one: one[1]) for path in first.keys() & second.keys()}


def _counted(lines: list[str]) -> dict[str, tuple[int, int]]:
    taken, waiting = Counter[str](), Counter[str]()
    listening = set()
    for line in lines:
        words = line.split(maxsplit=7)
        if len(words) < 7:
            raise ValueError(f"no socket: {redacted(line)[:80]!r}")
        if len(words) == 8 and words[3] == _LISTENS:
            listening.add(words[7])
        elif len(words) == 8 and words[5] == _TAKEN:
            taken[words[7]] += 1
        elif len(words) == 8 and (words[5], words[6]) == _NOT_TAKEN:
            waiting[words[7]] += 1
    return {path: (taken[path], waiting[path]) for path in listening}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLoad:
    """How busy a pool is, at two moments.

    Args:
        children: How many it has.
        memory: How much one of them has in use, on average; shared memory counts for each.
        connected: How many requests its children have taken, and how many wait for one; ``None`` where that cannot be
            seen: it listens at an address.
    """

    pool: Pool
    children: int
    memory: ByteSize
    connected: tuple[int, int] | None

    @property
    def busy(self) -> int:
        return 0 if self.connected is None else min(self.children, self.connected[0])

    @property
    def waiting(self) -> int:
        """Requests that no child has taken yet."""
        return 0 if self.connected is None else self.connected[1]

    @property
    def is_saturated(self) -> bool:
        """Requests wait, and no child may be added."""
        return self.waiting > 0 and self.children >= self.pool.most


async def read_loads(host: Reader) -> tuple[PoolLoad, ...]:
    """Ask how busy every pool is that has children; two round trips, or one where none has.

    Raises:
        FactError: That cannot be told.
    """
    running, pools = await host.ask_all(ListProcesses(), ReadPools())
    memory: dict[str, list[ByteSize]] = {}
    for one in running:
        if match := _CHILD.fullmatch(one.words):
            memory.setdefault(match[1], []).append(one.memory)
    if not memory:
        return ()
    # In a round trip of its own, as it takes seconds: in a diagnosis that is the one in which workers and queues are
    # watched too, and all are waited for together.
    connected = await host.ask(CountConnected())
    names = Counter(pool.name for pool in pools if pool.listens in connected or not pool.listens.startswith("/"))
    if twice := [name for name in memory if names[name] > 1]:
        raise FactError(f"several versions of PHP have a pool {twice[0]}: whose children are whose cannot be told")
    loads = tuple(
        PoolLoad(
            pool=pool,
            children=len(memory[pool.name]),
            memory=ByteSize(sum(memory[pool.name]) // len(memory[pool.name])),
            connected=connected.get(pool.listens),
        )
        for pool in pools
        if pool.name in memory and (pool.listens in connected or not pool.listens.startswith("/"))
    )
    if not loads:
        raise FactError(f"php-fpm's pool {next(iter(memory))} has children, and where it listens is not seen")
    return loads
