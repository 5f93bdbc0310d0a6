"""What is done once for an application, on whichever of its hosts: all its queue workers start anew."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate import (
    Change,
    Command,
    Duration,
    Output,
    Plan,
    Query,
    Reader,
    Risk,
    Script,
    Task,
    Undo,
    Unplannable,
)
from soleil_remediate.facts.clocks import ReadClock
from soleil_remediate.facts.files import FileStat, StatFile

#: Tell all workers of the application in $1, and wait up to $2 seconds until those of this host are others. What
#: artisan says counts, and not how it ends: where it cannot write its log, a command that failed ends with 0.
RESTART = Script(
    "restart-queue-workers",
    r"""set -eu
    root=$1 seconds=$2
    workers() { pgrep -f "$root/artisan queue:work" || :; }
    wait_while() { [ "$seconds" -gt 0 ] || { echo "$1" >&2; exit 1; }; seconds=$((seconds - 1)); sleep 1; }
    before=$(workers)
    said=$(php "$root/artisan" queue:restart --no-interaction 2>&1) || :
    case $said in *"queue restart signal"*) ;; *) echo "$said" >&2; exit 1 ;; esac
    for worker in $before; do
        while [ -d "/proc/$worker" ]; do wait_while "worker $worker has not ended its job"; done
    done
    while [ -z "$(workers)" ]; do wait_while "no worker was started again"; done
    """,
)
#: So long a worker may go on with the job that it has.
PATIENCE = 120


@dataclass(frozen=True, kw_only=True)
class ReadAges(Query[tuple[int, ...]]):
    """For how many seconds each queue worker of an application has been running on this host."""

    root: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(("ps", "-eww", "-o", "etimes=,args="))

    def parse(self, output: Output) -> tuple[int, ...]:
        rows = (line.split(maxsplit=1) for line in output.text.splitlines())
        return tuple(int(age) for age, words in rows if f"{self.root}/artisan queue:work" in words)


@dataclass(frozen=True, kw_only=True)
class RestartQueueWorkers(Task[tuple[FileStat | None, tuple[int, ...], int]]):
    """Let an application's queue workers start anew, where they run code from before the release that is served.

    They are told in the cache that its hosts share, so that one host reaches the workers of all. Each ends after the
    job that it has, and what keeps it running, such as supervisor, starts it again with the new code.

    Args:
        root: The link to the release that is served; it is as old as that is served.
        user: Whom artisan is run as.

    Raises:
        Unplannable: No worker runs on this host, so that nothing of them can be seen here.
    """

    kind = "queue-workers.restart"
    risk: ClassVar[Risk] = Risk.GENTLE

    root: PurePosixPath
    user: str = "www-data"

    async def read(self, host: Reader) -> tuple[FileStat | None, tuple[int, ...], int]:
        return await host.ask_all(StatFile(self.root), ReadAges(root=self.root), ReadClock())

    def plan(self, seen: tuple[FileStat | None, tuple[int, ...], int]) -> Plan:
        link, ages, now = seen
        if link is None:
            raise Unplannable(f"there is no {self.root}")
        if not ages:
            raise Unplannable(f"no queue worker of {self.root} runs here")
        served = Duration(max(0, now - link.modified))
        old = [age for age in ages if age > served]
        if not old:
            return Plan.nothing(f"{len(ages)} of {len(ages)} queue workers were started after the release was served")
        change = Change(
            summary="tell the queue workers, on all hosts of the application, to start anew",
            command=Command(RESTART.bind(self.root, PATIENCE), user=self.user, deadline=Duration(PATIENCE + 60)),
            risk=self.risk,
            undo=Undo.none("the code from before is not to come back"),
            before=f"{len(old)} of {len(ages)} workers here run code from before this release",
            after="none does",
            keeps="jobs: a worker ends after the one that it has",
        )
        because = f"{len(old)} of {len(ages)} queue workers run for longer than the release is served, {served}"
        return Plan.of(change, because=because)
