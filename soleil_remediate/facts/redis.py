"""Redis servers on a host: how each is configured, and what it answers to whoever may read its configuration.

A server's own password never leaves the host: there it goes from the file that holds it to redis-cli, by a pipe. What
its configuration says of passwords and users is that there are some.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable, records
from soleil_remediate.plan import Script
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import ByteSize, Duration, KiB

#: Where distributions keep what configures Redis and its successor.
_FOLDERS = ("/etc/redis", "/etc/redis.conf", "/etc/valkey")

_TOLD = "port|tls-port|bind|unixsocket|dir|dbfilename|appenddirname|appendonly|save|maxmemory|maxmemory-policy|include"
#: Of a line that may hold a password only that it is there; of a command that got another name only which.
_WANTED = (
    rf"^[[:space:]]*(({_TOLD})[[:space:]].*|(requirepass|aclfile|user)[[:space:]]"
    r"""|rename-command[[:space:]]+["']?[a-z]+)"""
)
_ADDRESS = re.compile(r"[A-Za-z0-9.:_][A-Za-z0-9.:_-]*")
#: Addresses by which a server that listens on all of the host's is reached as well.
_ANY = frozenset({"*", "0.0.0.0", "127.0.0.1", "localhost"})  # noqa: S104  # looked for, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisConfiguration:
    """What a file says of the Redis that it configures; what it includes is not followed.

    Args:
        file: Which.
        port: 0 where it listens on none.
        bind: The addresses it listens on; none means all.
        socket: The path of its socket; empty for none.
        has_password: It wants one.
        has_users: It knows users, or names a file of users.
        renamed: Commands that have another name or none, in capitals.
        includes: It includes other files, which may say otherwise.
        maxmemory: As written; empty where nothing is.
        appends: It logs every write (AOF).
        saves: When it takes snapshots (RDB), as written; ``None`` where nothing is said: it has times of its own.
        folder: Where it keeps them; ``None`` where nothing is said.
        snapshot: The name of the snapshot.
        log: The folder of the log of writes.
    """

    file: PurePosixPath
    port: int = 6379
    bind: tuple[str, ...] = ()
    socket: str = ""
    has_password: bool = False
    has_users: bool = False
    renamed: frozenset[str] = frozenset()
    includes: bool = False
    maxmemory: str = ""
    appends: bool = False
    saves: str | None = None
    folder: PurePosixPath | None = None
    snapshot: str = "dump.rdb"
    log: str = "appendonlydir"

    @property
    def takes_snapshots(self) -> bool:
        """Whether it does by itself, and when it is told to end."""
        return self.saves != ""

    @property
    def address(self) -> tuple[str, str, str, str] | None:
        """The words that tell redis-cli where it is on this host; ``None`` where only TLS leads to it."""
        if self.port:
            hosts = [host for host in self.bind if _ADDRESS.fullmatch(host)]
            at = "127.0.0.1" if not hosts or _ANY & set(hosts) else hosts[0]
            return "-h", at, "-p", str(self.port)
        return ("-s", self.socket, "-n", "0") if self.socket.startswith("/") else None


@dataclass(frozen=True, slots=True)
class ReadRedisConfigurations(Query[Mapping[PurePosixPath, RedisConfiguration]]):
    """Every configuration of Redis where distributions keep them, by its file; none where there is no Redis."""

    # 1: none; 2: not all of the folders are there
    expects = frozenset({0, 1, 2})
    empty_is = "no configuration, where grep found none or said that there is no such folder"

    @property
    def command(self) -> Command:
        return Command(("grep", "-r", "-a", "-i", "-o", "-H", "-Z", "-E", "-e", _WANTED, "--", *_FOLDERS))

    def parse(self, output: Output) -> Mapping[PurePosixPath, RedisConfiguration]:
        if output.stderr or output.exit_status == 2:
            only_missing(output)
        lines: dict[PurePosixPath, list[tuple[str, str]]] = {}
        for record in records(output.stdout, b"\n"):
            name, end, line = record.partition(b"\0")
            words = readable(line)[0].split(None, 1)
            if not end or not words or not name.startswith(b"/"):
                raise ValueError(f"no line of a configuration: {redacted(repr(record))[:80]}")
            value = words[1].strip() if len(words) > 1 else ""
            lines.setdefault(PurePosixPath(readable(name)[0]), []).append((words[0].lower(), value))
        return {file: _configuration(file, found) for file, found in lines.items()}


def _configuration(file: PurePosixPath, lines: Sequence[tuple[str, str]]) -> RedisConfiguration:
    last = {name: _plain(value) for name, value in lines}  # the last one counts
    saves = [_plain(value) for name, value in lines if name == "save"]
    if "" in saves:  # an empty one takes back those before it
        saves = saves[len(saves) - saves[::-1].index("") :] or [""]
    return RedisConfiguration(
        file=file,
        port=int(last.get("port", "6379")),
        bind=tuple(host.removeprefix("-") for host in last.get("bind", "").split()),
        socket=last.get("unixsocket", ""),
        has_password="requirepass" in last,
        has_users="user" in last or "aclfile" in last,
        renamed=frozenset(_plain(value).strip("\"'").upper() for name, value in lines if name == "rename-command"),
        includes="include" in last,
        maxmemory=last.get("maxmemory", ""),
        appends=last.get("appendonly", "no").lower() == "yes",
        saves=" ".join(saves) if saves else None,
        folder=PurePosixPath(last["dir"]) if last.get("dir", "").startswith("/") else None,
        snapshot=last.get("dbfilename", "dump.rdb"),
        log=last.get("appenddirname", "appendonlydir"),
    )


def _plain(value: str) -> str:
    """Return a value without the quotes it may stand in."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


#: Ask the Redis at $2 $3 $4 $5 (words of redis-cli), with the password in its configuration $1. Where that cannot be
#: read, without one. Left out on the host: the arguments of slow commands and who sent them, which are users' data, and
#: what a server that does not know a command says of its arguments. The replies to ECHO tell the others apart.
ASK_SERVER = Script(
    "ask-redis",
    r"""set -eu
printf 'ask: %s\n' PING 'ECHO soleil:info' INFO 'ECHO soleil:save' 'CONFIG GET save' 'ECHO soleil:stop' """
    r"""'CONFIG GET stop-writes-on-bgsave-error' 'ECHO soleil:slow' 'SLOWLOG GET 90' 'ECHO soleil:end' | """
    r"""sed -n -E -e 's/^[[:space:]]*requirepass[[:space:]]+/AUTH /Ip' -e 's/^ask: //p' -- "$1" - | """
    r"""redis-cli --no-raw "$2" "$3" "$4" "$5" | """
    r"""sed -E -e 's/, with args beginning with: .*//' -e '/^      +[0-9]+\) /d' -e '/^    ? ?[56]\) /d'
""",
)

_MARKS = ("info", "save", "stop", "slow", "end")
_ENTRY = re.compile(r' *\d+\) 1\) \(integer\) \d+\n +2\) \(integer\) (\d+)\n +3\) \(integer\) (\d+)\n +4\) 1\) "(.*)"')
_INFO = re.compile(r"([a-z0-9_]+|errorstat_[A-Z]+):(.*)")
_ELEMENT = re.compile(r'\d+\) "(.*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowCommand:
    """A command that Redis took long for; what it was about is not read.

    Args:
        name: In capitals.
        took: By Redis itself, without waiting.
        at: When, in seconds since 1970.
    """

    name: str
    took: Duration
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReply:
    """What a Redis answered to root.

    Args:
        why: Empty where it answers PONG; else ``refused``, ``silent``, ``denied``, ``loading``, ``busy``, ``unsaved``
            or ``odd``.
        words: Its own words about that, or redis-cli's.
        is_password_wrong: The one in its configuration is not the one it runs with.
        info: What it says of itself, by INFO's own names.
        saves: When it takes snapshots, as it runs; ``None`` where that cannot be asked.
        stops_writes: It refuses writes after a snapshot that failed; ``None`` likewise.
        slow: The newest of the commands that it took long for.
    """

    why: str = ""
    words: str = ""
    is_password_wrong: bool = False
    info: Mapping[str, str] = field(default_factory=dict)
    saves: str | None = None
    stops_writes: bool | None = None
    slow: tuple[SlowCommand, ...] = ()

    @property
    def is_answered(self) -> bool:
        return not self.why

    @property
    def is_configurable(self) -> bool:
        """Whether its settings can be asked for, and so be set: CONFIG has its own name."""
        return self.saves is not None

    @property
    def in_words(self) -> str:
        """The same, for people, as what follows its name."""
        return {
            "": "answers",
            "refused": "takes no connection",
            "silent": "takes a connection and answers nothing",
            "loading": "is still loading its data",
            "busy": "is busy with a script",
            "unsaved": "could not save its data, and refuses writes until it can, PING as well (MISCONF)",
        }.get(self.why, f"answers {self.words}")


#: What it says instead of PONG, by the first word of it.
_REASONS = {
    "NOAUTH": "denied",
    "WRONGPASS": "denied",
    "NOPERM": "denied",
    "LOADING": "loading",
    "BUSY": "busy",
    "MISCONF": "unsaved",
}


def _reason(line: str) -> str:
    return _REASONS.get(line.removeprefix("(error) ").split(" ", 1)[0], "odd")


@dataclass(frozen=True, slots=True)
class AskServer(Query[ServerReply]):
    """Whether a Redis on this host answers, and what it says of itself; as root, with the password of its own file.

    Nothing of it is judged by an exit status: redis-cli ends well whatever it was answered.

    Args:
        file: What configures it.
        address: The words that tell redis-cli where it is.
    """

    file: PurePosixPath
    address: tuple[str, str, str, str]
    expects = frozenset({0, TIMED_OUT})
    empty_is = "it takes no connection, where redis-cli said so, or answers nothing in time"

    @property
    def command(self) -> Command:
        return Command(ASK_SERVER.bind(self.file, *self.address), deadline=Duration(4), is_slow=True)

    def parse(self, output: Output) -> ServerReply:
        lines = output.text.splitlines()
        starts = [lines.index(f'"soleil:{mark}"') for mark in _MARKS if f'"soleil:{mark}"' in lines]
        is_password_wrong = any(line.startswith("(error) WRONGPASS") for line in lines)
        if len(starts) == len(_MARKS) and starts == sorted(starts) and starts[0]:
            info, save, stop, slow = (lines[a + 1 : b] for a, b in pairwise(starts))
            stops, pong = _setting(stop), lines[starts[0] - 1]
            return ServerReply(
                why="" if pong == "PONG" else _reason(pong),
                words="" if pong == "PONG" else redacted(pong.removeprefix("(error) "))[:200],
                info=_info(info),
                saves=_setting(save),
                stops_writes=None if stops is None else stops == "yes",
                slow=tuple(_slow("\n".join(slow))),
                is_password_wrong=is_password_wrong,
            )
        if any("Could not connect" in line for line in output.error_text.splitlines()):
            return ServerReply(why="refused", words=_first(output.error_text))
        if errors := [line for line in lines if line.startswith("(error) ")]:
            words = redacted(errors[-1].removeprefix("(error) "))[:200]
            return ServerReply(why=_reason(errors[-1]), words=words, is_password_wrong=is_password_wrong)
        if output.exit_status == TIMED_OUT and not lines:
            return ServerReply(why="silent")
        raise ValueError("neither an answer nor a reason")


def _first(text: str) -> str:
    return redacted(text.strip().splitlines()[0])[:200]


def _info(lines: Sequence[str]) -> Mapping[str, str]:
    found = {match[1]: match[2].strip() for line in lines if (match := _INFO.fullmatch(line.strip()))}
    for name in ("used_memory", "maxmemory"):
        int(found[name])
    return found


def _setting(lines: Sequence[str]) -> str | None:
    """Return the value of one setting; ``None`` where it may not be asked for, or CONFIG has another name."""
    found = [match[1] for line in lines if (match := _ELEMENT.fullmatch(line.strip()))]
    return found[1] if len(found) == 2 else None


def _slow(text: str) -> Iterator[SlowCommand]:
    for at, took, name in _ENTRY.findall(text):
        shown = name.upper() if re.fullmatch(r"[A-Za-z._-]{1,30}", name) else "?"
        yield SlowCommand(name=shown, took=Duration(int(took) / 1_000_000), at=int(at))


#: What one write of an application may take at once, buffers of its connection included.
ONE_WRITE = KiB(128)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """How a Redis stands to its own limit.

    Args:
        used: What counts against the limit.
        limit: ``None`` for none.
        policy: What it does when the limit is reached, such as ``noeviction`` or ``allkeys-lru``.
        can_evict: Something may be given up for a write.
    """

    used: ByteSize
    limit: ByteSize | None
    policy: str
    can_evict: bool

    @property
    def is_full(self) -> bool:
        """It refuses writes, or the next ones: nothing may be given up, and there is no room for one."""
        return self.limit is not None and not self.can_evict and self.used + ONE_WRITE > self.limit


def memory_of(info: Mapping[str, str]) -> Memory:
    """Return how a Redis stands to its limit, by what it says of itself.

    Raises:
        KeyError, ValueError: It does not say so.
    """
    limit, policy = int(info["maxmemory"]), info["maxmemory_policy"]
    used = max(0, int(info["used_memory"]) - int(info.get("mem_not_counted_for_evict", "0")))
    return Memory(
        used=ByteSize(used),
        limit=ByteSize(limit) if limit else None,
        policy=policy,
        can_evict=policy.startswith("allkeys") or (policy.startswith("volatile") and expiring_keys(info) > 0),
    )


def expiring_keys(info: Mapping[str, str]) -> int:
    """Return how many keys will go away by themselves, in all databases together."""
    return sum(expires for _, expires in keys_by_database(info).values())


def keys_by_database(info: Mapping[str, str]) -> Mapping[int, tuple[int, int]]:
    """Return for each database that holds any how many keys, and how many of those will go away by themselves."""
    found = {}
    for name, value in info.items():
        database, counts = re.fullmatch(r"db(\d+)", name), re.match(r"keys=(\d+),expires=(\d+)", value)
        if database and counts:
            found[int(database[1])] = (int(counts[1]), int(counts[2]))
    return found
