"""Repair logs that have outgrown their place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.disks import FileSystem, space_on
from soleil_remediate.facts.logs import Log, LogsSeen, read_logs
from soleil_remediate.plan import Change, Plan, Preserve, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE, where_to_free
from soleil_remediate.units import ByteSize, Duration, MiB

#: Cut the front off an open file. $1 its path without a symlink, $2 device:inode, $3 how many bytes and $4 how many
#: lines stay at least; standard input: how many bytes were saved, beyond which nothing is cut, and the SHA-256 of the
#: last 64 KiB of them, which a person by hand may leave out.
#:
#: Everything happens to one descriptor, opened once and compared with what the plan saw: one name only, and then that
#: name's true path must be the approved one. In this order: were it opened through a second name, a hard link that is
#: gone by the time the names are counted, the kernel would call that path deleted. (The other order was tried: a racer
#: won within seconds.) collapse-range moves what stays to the front and needs no free block (ext4, xfs); elsewhere the
#: front becomes a hole: its space is free and the file keeps its length. Immediately before either it is compared with
#: what was saved: a log that was emptied in place meanwhile and filled again (logrotate's copytruncate) has the same
#: inode, is perhaps even longer, and holds lines that nobody saved.
CUT_OPEN_FILE = Script(
    "cut-open-file",
    SETTLE
    + r"""set -eu
stop() { printf '%s\n' "$1: nothing was cut" >&2; exit 75; }
read -r saved sum _ || :
case $saved in
    0 | [1-9]*) ;;
    *) stop "no number of saved bytes arrived" ;;
esac
case $saved in
    *[!0-9]*) stop "no number of saved bytes arrived" ;;
esac
exec 3<"$1"
file=/proc/$$/fd/3
[ "$(stat -L -c '%d:%i %h %F' "$file")" = "$2 1 regular file" ] || stop "$1 is another file by now"
[ "$(readlink "$file")" = "$1" ] || stop "$1 is reached through a link"
end=65536
[ "$saved" -ge "$end" ] || end=$saved
compare() {
    [ "$(stat -L -c %s "$file")" -ge "$saved" ] || stop "$1 is shorter than what was saved"
    [ -n "$sum" ] || return 0
    is=$(tail -c "+$((saved - end + 1))" -- "$file" | head -c "$end" | sha256sum)
    [ "$is" = "$sum  -" ] || stop "$1 was emptied and written anew since it was saved"
}
compare "$1"
size=$(stat -L -c %s "$file")
block=$(stat -L -f -c %S "$file")
stay=$(tail -n "$4" <&3 | wc -c)
[ "$stay" -gt 0 ] || stop "the newest lines of $1 cannot be read"
[ "$stay" -ge "$3" ] || stay=$3
cut=$((size - stay))
[ "$cut" -le "$saved" ] || cut=$saved
cut=$((cut / block * block))
[ "$cut" -gt 0 ] || stop "all of $1 must stay"
compare "$1"
if fallocate --collapse-range --offset 0 --length "$cut" "$file" 2>/dev/null; then
    says="$cut bytes cut off the front, $((size - cut)) stay"
else
    compare "$1"
    fallocate --punch-hole --offset 0 --length "$cut" "$file"
    says="$cut bytes at the front are free, $((size - cut)) stay; the length is as before"
fi
settle "$file"
echo "$says"
""",
)


@dataclass(frozen=True, kw_only=True)
class TruncateLog(Task[LogsSeen]):
    """Cut a log that has outgrown its limit to its newest part, in place.

    Inode, owner and mode stay, so the process writing the log needs no restart, and nothing that it writes meanwhile
    is lost. It must have opened the log for appending: any other writer carries on at its old offset, and its next
    line would make the file as long as before, so such a log is refused. What is cut is saved off the host first. The
    cut falls on a block of the file system, so the first line left may be the end of one.

    ext4 and xfs take the front away without a free block. Others (btrfs, tmpfs) leave a hole of the same length there:
    its space comes free, the file looks as long as before. What counts is therefore what a log takes on the disk. What
    a snapshot or a copy by reference holds as well (btrfs, xfs) does not come free.

    Args:
        path: The log on the host, absolute; its last part may be a shell pattern such as ``laravel-*.log``. A symlink
            is refused, also one on the way there.
        larger_than: What a log may take. One of exactly this size is left alone.
        keep: How much of its end stays at least.
        keep_lines: How many of its newest lines stay at least, if they are longer than that.

    Raises:
        Unplannable: No log that is too large is a plain file of its own with writers that append, whose space would
            come free.
    """

    kind = "log.truncate"
    rounds = 2
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    clears: ClassVar[bool] = True

    path: PurePosixPath
    larger_than: ByteSize
    keep: ByteSize = MiB(1)
    keep_lines: int = 1000

    def __post_init__(self) -> None:
        if not self.path.is_absolute() or ".." in self.path.parts or not self.path.name:
            raise ValueError(f"{self.path} must be absolute and name a file")
        if not 0 < self.keep < self.larger_than:
            raise ValueError(f"keep ({self.keep}) must be something, and less than larger_than ({self.larger_than})")
        if self.keep_lines < 1:
            raise ValueError("keep_lines must be 1 or more")

    async def read(self, host: Reader) -> LogsSeen:
        return await read_logs(host, self.path, lines=self.keep_lines, larger_than=self.larger_than)

    def plan(self, seen: LogsSeen) -> Plan:
        if not seen.logs:
            return Plan.nothing(f"{self.path} does not exist")
        large = [log for log in seen.logs if self._is_of_interest(log)]
        if not large:
            largest = max(log.file.content for log in seen.logs)
            return Plan.nothing(f"{self.path} takes {largest}, within {self.larger_than}")
        changes = []
        refusals = []
        for log in large:
            try:
                changes.append(self._cut(log, seen))
            except Unplannable as error:
                refusals.append(str(error))
        if not changes:
            raise Unplannable("; ".join(refusals))
        reasons = [f"{log.path} takes {log.file.content}, over {self.larger_than}" for log in large]
        return Plan.of_each(*changes, because="; ".join(reasons))

    def _is_of_interest(self, log: Log) -> bool:
        """It is too large; or it was named, and is nothing of which a size could be judged."""
        if log.file.is_regular:
            return log.file.content > self.larger_than
        return log.file.path == self.path

    def _cut(self, log: Log, seen: LogsSeen) -> Change:
        file_system, newest = _refuse_unless_plain(log, seen), log.newest_lines
        if isinstance(newest, FactError) or newest is None:
            raise Unplannable(f"the newest lines of {log.path} cannot be measured: {newest}")
        stay = max(self.keep, newest)
        if stay + self.keep > self.larger_than:
            raise Unplannable(f"the newest {self.keep_lines} lines of {log.path} alone take {newest}")
        freed = ByteSize(max(0, log.file.content - stay - log.shared))
        if freed < log.shared:
            raise Unplannable(
                f"{log.shared} of {log.path} are in a snapshot or a copy of it as well: cut, they would not come free"
            )
        return Change(
            summary=f"cut {log.path} to its newest {stay}",
            command=Command(
                CUT_OPEN_FILE.bind(log.path, log.file.identity, int(self.keep), self.keep_lines),
                deadline=Duration(120),
            ),
            risk=self.risk,
            undo=Undo.none("none on the host; the saved copy is complete"),
            before=str(log.file.content),
            after=f"about {stay}",
            loses="older lines, on the host; the saved copy has them",
            keeps=f"newest {stay} in place; inode, owner, mode; {_writers(log)}",
            preserve=Preserve(path=log.path, identity=log.file.identity, size=log.file.size),
            relieves=(Relief(subject=space_on(file_system.mount), amount=str(freed)),),
        )


def _refuse_unless_plain(log: Log, seen: LogsSeen) -> FileSystem:
    """Return the file system of a log that may be acted on.

    Raises:
        Unplannable: It may not.
    """
    if not log.file.is_named_plainly:
        raise Unplannable(f"{log.file.path} has a name that is not UTF-8")
    if log.path != log.file.path:
        raise Unplannable(f"{log.file.path} is reached through a symlink: name {log.path} itself")
    if not log.file.is_regular or log.file.links != 1:
        raise Unplannable(f"{log.file.path} is not a plain file of its own")
    careless = sorted({one.pid for one in log.writers if not one.is_appending})
    if careless:
        pids = ", ".join(map(str, careless))
        raise Unplannable(f"{log.path} is written without O_APPEND by process {pids}: cut, it would grow back")
    return where_to_free(log.path, seen.file_systems.holding(log.path, log.file.device))


def _writers(log: Log) -> str:
    pids = sorted({one.pid for one in log.writers})
    return f"writers ({', '.join(map(str, pids))}) carry on" if pids else "nobody has it open"
