"""pgbouncer: what its configuration says, and what it tells on its own console."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.facts.files import only_missing, readable, records
from soleil_remediate.facts.postgresql import OUR_NAME, SOCKETS
from soleil_remediate.units import Duration

UNIT = "pgbouncer.service"
CONFIGURATION = PurePosixPath("/etc/pgbouncer/pgbouncer.ini")
#: Where nothing else is said: pgbouncer(5).
PORT = 6432
#: Whom Debian's unit runs it as: that user is let onto its console without a password, over its socket (pgbouncer(1)).
OWNER = "postgres"

#: Each match is printed alone: a password that stands in a line is not among them.
_WANTED = (
    r"^[[:space:]]*[;#]|^\[[a-z]+\]|^(listen_port|unix_socket_dir)[[:space:]]*=.*"
    r"|^[^]=;#[:space:][]+[[:space:]]*=|[[:space:]](host|dbname)=[^[:space:]']+|[[:space:]]port=[0-9]+"
)
_PART = re.compile(r"\s(host|dbname|port)=(\S+)")
_NAME = re.compile(r"([^][=;#\s]+)\s*=(.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """One database of a pooler's, and where it really is; what is empty or ``None`` is the client's own."""

    host: str = ""
    port: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooler:
    """What pgbouncer's configuration says.

    Args:
        port: On which it listens.
        sockets: The folder of its socket.
        databases: By the name that clients ask for; ``*`` stands for all others.
    """

    port: int
    sockets: PurePosixPath
    databases: Mapping[str, Pooled]

    def behind(self, name: str) -> Pooled | None:
        """Return where the database is that clients call so; ``None`` where the configuration does not say."""
        return self.databases.get(name, self.databases.get("*"))


@dataclass(frozen=True, slots=True)
class ReadPooler(Query[Pooler | None]):
    """What pgbouncer's configuration says; ``None`` where there is none. What other files it includes is not read."""

    # 1: nothing of it; 2: no such file
    expects = frozenset({0, 1, 2})
    empty_is = "no such file, where grep said so"

    @property
    def command(self) -> Command:
        return Command(("grep", "-a", "-n", "-o", "-E", "-e", _WANTED, "--", str(CONFIGURATION)))

    def parse(self, output: Output) -> Pooler | None:
        if output.exit_status:
            if output.exit_status == 1:
                raise ValueError("nothing that a pgbouncer would need")
            only_missing(output)
            return None
        lines: dict[int, list[str]] = {}
        for raw in records(output.stdout, b"\n"):
            number, colon, text = readable(raw)[0].partition(":")
            if not colon:
                raise ValueError("no line of it")
            lines.setdefault(int(number), []).append(text)
        return _pooler(list(lines.values()))


def _pooler(lines: list[list[str]]) -> Pooler:
    section, port, sockets, databases = "", PORT, SOCKETS, dict[str, Pooled]()
    for first, *rest in lines:
        name = _NAME.fullmatch(first)
        if first.startswith("["):
            section = first.strip("[]")
        elif name is None:
            continue  # a comment
        elif section == "databases":
            parts = {match[1]: match[2] for one in rest if (match := _PART.fullmatch(one))}
            databases[name[1].strip('"')] = Pooled(
                host=parts.get("host", ""),
                port=int(parts["port"]) if "port" in parts else None,
                name=parts.get("dbname", ""),
            )
        elif name[1] == "listen_port":
            port = int(name[2])
        elif name[1] == "unix_socket_dir" and name[2].strip().startswith("/"):
            sockets = PurePosixPath(name[2].strip())
    if not section:
        raise ValueError("no section at all")
    return Pooler(port=port, sockets=sockets, databases=databases)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolerState:
    """What a running pgbouncer says of one of its databases.

    Args:
        is_paused: Somebody paused it, all of it or this database: clients wait until it is resumed. ``None`` where it
            does not say whether all of it is: Debian 12's pgbouncer, 1.18, does not.
        is_disabled: Somebody disabled the database: new clients are sent away.
        waiting: So many clients wait for a connection to the server.
        waited: The longest of them so long.
        connections: So many it has to the server.
    """

    is_paused: bool | None
    is_disabled: bool
    waiting: int
    waited: Duration
    connections: int


@dataclass(frozen=True, slots=True)
class AskPooler(Query[tuple[Mapping[str, str], ...]]):
    """One table of pgbouncer's console, each row by the names of its columns.

    Args:
        port: On which it listens.
        sockets: The folder of its socket.
        what: ``DATABASES``, ``POOLS`` or ``STATE``.
    """

    port: int
    sockets: PurePosixPath
    what: str

    @property
    def command(self) -> Command:
        place = " ".join(
            (
                f"host={_quoted(str(self.sockets))} port={self.port} user=pgbouncer dbname=pgbouncer",
                f"connect_timeout=3 application_name={OUR_NAME}",
            )
        )
        # Its console knows no timeouts: the command's own deadline ends what it does not answer.
        words = (
            "psql",
            "--no-psqlrc",
            "--no-password",
            "--quiet",
            "--no-align",
            "--set=ON_ERROR_STOP=1",
            "--pset=footer=off",
            "--field-separator=\t",
            f"--dbname={place}",
            f"--command=SHOW {self.what}",
        )
        return Command(words, user=OWNER, deadline=Duration(5), is_slow=True)

    def parse(self, output: Output) -> tuple[Mapping[str, str], ...]:
        head, *rows = [readable(line)[0].split("\t") for line in records(output.stdout, b"\n")]
        if not {"name", "database", "key"} & set(head):
            raise ValueError("no table of pgbouncer's")
        return tuple(dict(zip(head, row, strict=True)) for row in rows)


def pooler_state(
    name: str,
    databases: tuple[Mapping[str, str], ...],
    pools: tuple[Mapping[str, str], ...],
    state: tuple[Mapping[str, str], ...] | None,
) -> PoolerState:
    """Return how one of its databases is, by three tables of its console, of which older ones have not the last.

    Raises:
        LookupError: They have not the columns that are known.
    """
    whole = None if state is None else {row["key"]: row["value"] for row in state}
    here = [row for row in databases if row["name"] == name]
    its = [row for row in pools if row["database"] == name]
    is_paused = None if whole is None else "yes" in {whole["paused"], whole["suspended"]}
    return PoolerState(
        is_paused=True if any(row["paused"] == "1" for row in here) else is_paused,
        is_disabled=any(row["disabled"] == "1" for row in here),
        waiting=sum(int(row["cl_waiting"]) for row in its),
        waited=Duration(max((int(row["maxwait"]) for row in its), default=0)),
        connections=sum(int(row["current_connections"]) for row in here),
    )


def _quoted(text: str) -> str:
    """Return a value of a connection string, whatever it holds."""
    escaped = text.replace("\\", r"\\").replace("'", r"\'")
    return f"'{escaped}'"
