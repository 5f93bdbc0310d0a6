"""Show who listens where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.facts.php_fpm import Pool, ReadPools
from soleil_remediate.facts.sockets import FindSockets, Listening, ListListening
from soleil_remediate.task import Look, Shown, Table

#: What serves a site, by the names of processes and of files; other sockets are not shown.
_SERVES = re.compile(r"nginx|php|postgres|PGSQL|pgbouncer|redis|mysql|mariadb|supervisor")
#: Where Debian has the sockets of php-fpm.
_FOLDER = PurePosixPath("/run/php")


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketsSeen:
    """Who listens, and where php-fpm is configured to.

    Args:
        listening: Every socket that somebody listens on.
        pools: Those of php-fpm, by its configuration.
        files: The sockets that there are as files where Debian has those of php-fpm.
    """

    listening: tuple[Listening, ...]
    pools: tuple[Pool, ...]
    files: frozenset[PurePosixPath]


@dataclass(frozen=True, kw_only=True)
class SocketOverview(Look[SocketsSeen]):
    """Show on which ports and files somebody listens, how many connections wait there, and what is out of reach.

    First a pool of php-fpm that is configured and on whose socket nobody listens: nginx answers 502 then.
    Shown are all ports, and those files that belong to what serves a site. Who listens is seen by root alone.
    """

    kind = "socket.overview"
    rounds = 1
    title: ClassVar[str] = "Who listens"

    async def read(self, host: Reader) -> SocketsSeen:
        listening, pools, files = await host.ask_all(ListListening(), ReadPools(), FindSockets(_FOLDER))
        return SocketsSeen(listening=listening, pools=pools, files=files)

    def show(self, seen: SocketsSeen) -> Shown:
        there = {one.at for one in seen.listening}
        pools = {pool.listens: pool for pool in seen.pools if pool.listens.startswith("/")}
        rows = [
            (at, f"NOBODY: pool {pool.name} of PHP {pool.version}", "") for at, pool in pools.items() if at not in there
        ]
        shown = [one for one in seen.listening if one.is_port or _SERVES.search(" ".join((one.at, *one.programs)))]
        # Others may have been renamed, as supervisor's always is; nginx connects by the path that is configured.
        gone = {at for at in pools if (path := PurePosixPath(at)).parent == _FOLDER and path not in seen.files}
        shown.sort(key=lambda one: (one.at not in gone, one.waiting == 0, one.is_file, one.at))
        rows += [
            (one.at, _who(one) + ("; FILE GONE" if one.at in gone else ""), f"{one.waiting} of {one.most}")
            for one in shown
        ]
        return Table(columns=("at", "who", "waiting"), rows=tuple(rows))


def _who(one: Listening) -> str:
    many = f" ({one.processes} processes)" if one.processes > 1 else ""
    return f"{', '.join(one.programs)}{many}" if one.programs else "not to be seen"
