"""Who waits for locks in an application's PostgreSQL, as far as the application may see it; it may be anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php import DATABASES, PATIENCE, START, STARTING, a_text, ask_php, one_line, told
from soleil_remediate.units import Duration

#: Ask, as the application, which of its sessions wait for a lock, how long, and who keeps them waiting. Of other roles'
#: sessions it is not told how they are.
_ASK_LOCKS = (
    START  # noqa: S608  # no value of anybody's is in it
    + DATABASES
    + r"""
$name = $config["database.default"];
connect_within((int) $argv[3]);
try {
    $pdo = $app["db"]->connection($name)->getPdo();
    $driver = $pdo->getAttribute(PDO::ATTR_DRIVER_NAME);
    if ($driver !== "pgsql") {
        tell(["locks" => null, "driver" => $driver]);
        exit(0);
    }
    $pdo->exec("begin; " . time_limits($argv[3]));
    $found = $pdo->query("select w.pid, floor(extract(epoch from clock_timestamp() - w.query_start)) as waits,
            by.pid as blocker, b.state, floor(extract(epoch from clock_timestamp() - b.state_change)) as since
        from pg_stat_activity w cross join lateral unnest(pg_blocking_pids(w.pid)) as by(pid)
        left join pg_stat_activity b on b.pid = by.pid
        where w.wait_event_type = 'Lock' and w.datname = current_database()")->fetchAll(PDO::FETCH_ASSOC);
    $pdo->exec("rollback");
    tell(["locks" => $found]);
} catch (Throwable $error) {
    tell(["locks" => false]);
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWait:
    """One session of an application's database that waits for a lock, and one that keeps it waiting.

    Args:
        pid: Of the server's process that waits.
        waits: Since its statement began.
        blocker: Of the process that holds the lock, or waits for it before this one; 0 for a prepared transaction.
        state: What that one does, such as ``active`` or ``idle in transaction``; empty where the role may not see it.
        since: So long it has done that; ``None`` where the role may not see it.
    """

    pid: int
    waits: Duration
    blocker: int
    state: str
    since: Duration | None


@dataclass(frozen=True, slots=True)
class AskLocks(Query[tuple[LockWait, ...]]):
    """Which sessions of an application's PostgreSQL wait for locks.

    It connects with its own credentials; what its role may not see is left open.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        FactError: The application uses another database, or gets no answer.
    """

    root: PurePosixPath
    user: str

    @property
    def command(self) -> Command:
        deadline = Duration(2 * PATIENCE + STARTING)
        return ask_php(self.user, deadline, _ASK_LOCKS, "locks", self.root, str(int(PATIENCE)))

    def parse(self, output: Output) -> tuple[LockWait, ...]:
        (found,) = told(output, 1)
        match found["locks"]:
            case None:
                driver = one_line(a_text(found["driver"]))
                raise FactError(f"who waits for a lock is seen in PostgreSQL alone: the database is {driver}")
            case list() as rows:
                return tuple(_lock(row) for row in rows)
            case _:
                raise FactError("who waits for a lock is unknown: the database gives the application no answer")


def _lock(row: Mapping[str, Any]) -> LockWait:
    return LockWait(
        pid=int(row["pid"]),
        waits=Duration(max(0, int(row["waits"] or 0))),
        blocker=int(row["blocker"]),
        state=str(row["state"] or ""),
        since=None if row["since"] is None else Duration(max(0, int(row["since"]))),
    )
