"""Repair folders of backups that have outgrown their place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.backups import BackupsSeen, read_backups
from soleil_remediate.facts.disks import inodes_on, space_on
from soleil_remediate.facts.files import FileStat
from soleil_remediate.plan import Change, Plan, Relief, Risk, Script, Undo
from soleil_remediate.task import Task
from soleil_remediate.tasks.freeing import SETTLE, where_to_free
from soleil_remediate.units import ByteSize, Duration

#: Nobody's old backup: the evidence of an incident, and what Debian itself keeps in /var/backups.
ALWAYS_PROTECTED = (
    "incident-*",
    "audit-*",
    "alternatives.tar.*",
    "apt.extended_states.*",
    "aptitude.pkgstates.*",
    "dpkg.*",
    "group.bak",
    "gshadow.bak",
    "passwd.bak",
    "shadow.bak",
)

#: A list longer than this is no housekeeping any more.
MOST_FILES = 25_000
#: So many of those that stay are named.
_MOST_NAMES = 12

#: Remove files from folder $1, which is device:inode $2. Standard input: one file a line, as the plan saw it, "device
#: inode links size mtime name". Each is compared with what is there immediately before it goes, by hundreds, since
#: that is one process instead of a hundred; where a hundred differ, one by one. The shell stands in the folder itself:
#: a swapped folder or symlink cannot lead elsewhere, and unlink(2) follows none.
REMOVE_LISTED = Script(
    "remove-listed",
    SETTLE
    + r"""set -eu
stop() { printf '%s\n' "$1: nothing was removed" >&2; exit 75; }
cd -P -- "$1" || stop "$1 cannot be entered"
[ "$(pwd -P)" = "$1" ] || stop "$1 is reached through a link"
[ "$(stat -c '%d:%i' .)" = "$2" ] || stop "$1 is another folder by now"
removed=0 left=0
see() { stat -c '%d %i %h %s %Y %n' -- "$@" 2>/dev/null || :; }
remove() { rm -- "$@" && removed=$((removed + $#)); }
flush() {
    [ "$#" -gt 0 ] || return 0
    if [ "$(see "$@")" = "$listed" ]; then
        remove "$@"
        return
    fi
    for name do
        is=$(see "$name")
        case "
$listed
" in
            *"
$is
"*) if [ -n "$is" ]; then remove "$name"; else left=$((left + 1)); fi ;;
            *) left=$((left + 1)) ;;
        esac
    done
}
set --
listed=
while IFS= read -r line; do
    name=${line#* * * * * }
    case $name in
        */* | . | .. | '' | "$line") stop "a list that names no plain file: $name" ;;
    esac
    set -- "$@" "$name"
    listed=${listed:+$listed
}$line
    if [ "$#" -ge 100 ]; then
        flush "$@"
        set --
        listed=
    fi
done
flush "$@"
settle .
echo "$removed removed, $left left alone because they had changed"
[ "$left" = 0 ]
""",
)


@dataclass(frozen=True, kw_only=True)
class PruneBackups(Task[BackupsSeen]):
    """Remove old backups from one folder, and keep the newest whatever their age.

    What goes is an exact list, made while planning: plain files directly in the folder, with one name only, on its own
    file system, whose name matches one of *names* and none of *protect*, and that are older than *older_than* by the
    host's clock. Each is compared again with device, inode, size and time immediately before it is removed; what
    changed meanwhile stays. Folders, symlinks, hard links and names that are not UTF-8 are left alone.

    The newest are counted for each series of names that differ in their numbers alone: of a folder with
    ``db-42.sql.gz`` and ``uploads-42.tar.gz`` neither displaces the other. A name like no other is a series of its own,
    and stays.

    A backup that is empty, or less than half as large as the largest, was probably cut short, perhaps every night for
    weeks. So besides the newest, as many stay that are not, and the largest itself. Nothing is read to see whether a
    backup can be restored. What a snapshot or a copy by reference holds as well (btrfs, xfs) does not come free.

    Args:
        directory: The folder, absolute, at least two levels deep, without a symlink on the way.
        keep: How many of the newest stay, at least one.
        older_than: Younger ones stay; one of exactly this age does, too.
        names: Shell patterns of what is a backup.
        protect: Shell patterns of what is never removed. The evidence of incidents (``incident-*``, ``audit-*``) and
            what Debian itself keeps in /var/backups never is in any case.

    Raises:
        Unplannable: *directory* is no such folder, the list would be longer than 25,000 files, or most of what they
            take would not come free.
    """

    kind = "backup.prune"
    rounds = 2
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    clears: ClassVar[bool] = True

    directory: PurePosixPath
    keep: int = 3
    older_than: Duration = Duration(7 * 86400)
    names: tuple[str, ...] = ("*.sql", "*.sql.*", "*.dump", "*.dump.*", "*.tar", "*.tar.*", "*.tgz", "*.zip")
    protect: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.directory.is_absolute() or ".." in self.directory.parts or len(self.directory.parts) < 3:
            raise ValueError(f"{self.directory} must be absolute and at least two levels deep")
        if self.keep < 1:
            raise ValueError("keep must be 1 or more: the only backup is never removed")
        if not self.names or not all(self.names):
            raise ValueError("names must say what is a backup")

    async def read(self, host: Reader) -> BackupsSeen:
        return await read_backups(host, self.directory)

    def plan(self, seen: BackupsSeen) -> Plan:
        if seen.folder is None:
            return Plan.nothing(f"{self.directory} does not exist")
        if seen.path != self.directory or seen.folder.type != "d":
            raise Unplannable(f"{self.directory} is not a folder of its own: name {seen.path} itself")
        backups = [file for file in seen.files if self._is_backup(file, seen.folder)]
        kept = _staying(backups, self.keep)
        limit = seen.now - self.older_than
        old = [file for file in backups if file.modified < limit and file not in kept]
        if not old:
            return Plan.nothing(
                f"{self.directory} has no backup older than {self.older_than} beyond the newest {self.keep} of each "
                "series"
            )
        if len(old) > MOST_FILES:
            raise Unplannable(f"{self.directory} has {len(old)} old backups: too many to be housekeeping")
        return Plan.of(
            self._removal(old, seen, seen.folder, kept),
            because=f"{len(old)} of {len(backups)} backups in {self.directory} are older than {self.older_than}",
        )

    def _removal(self, old: list[FileStat], seen: BackupsSeen, folder: FileStat, kept: Sequence[FileStat]) -> Change:
        file_system = where_to_free(seen.path, seen.file_systems.holding(seen.path, folder.device))
        shared = ByteSize(sum(seen.shared.get(file.path, 0) for file in old))
        freed = ByteSize(max(0, sum(file.allocated for file in old) - shared))
        if freed < shared:
            raise Unplannable(
                f"{shared} of the old backups in {self.directory} are in a snapshot or a copy of them, too: removed, "
                "they would not come free"
            )
        total = ByteSize(sum(file.allocated for file in seen.files))
        names = [file.path.name for file in kept[:_MOST_NAMES]]
        more = f" and {len(kept) - len(names)} more" if len(kept) > len(names) else ""
        space = (Relief(subject=space_on(file_system.mount), amount=str(freed)),) if freed else ()
        return Change(
            summary=f"remove {len(old)} old backups from {self.directory}",
            command=Command(
                REMOVE_LISTED.bind(self.directory, folder.identity),
                stdin="".join(f"{_as_listed(file)}\n" for file in old),
                deadline=Duration(300),
            ),
            risk=self.risk,
            undo=Undo.none("removed backups are gone"),
            before=f"{len(seen.files)} files, {total}",
            after=f"{len(seen.files) - len(old)} files, {ByteSize(total - freed)}",
            loses=f"{old[0].path.name} to {old[-1].path.name}" if len(old) > 1 else old[0].path.name,
            keeps=f"the newest: {', '.join(names)}{more}",
            relieves=(*space, Relief(subject=inodes_on(file_system.mount), amount=f"{len(old)} inodes")),
        )

    def _is_backup(self, file: FileStat, folder: FileStat) -> bool:
        name = file.path.name
        is_plain = file.is_regular and file.links == 1 and file.is_named_plainly and "\n" not in name
        return (
            is_plain
            and file.device == folder.device
            and any(fnmatchcase(name, pattern) for pattern in self.names)
            and not any(fnmatchcase(name, pattern) for pattern in (*self.protect, *ALWAYS_PROTECTED))
        )


def _staying(backups: Sequence[FileStat], keep: int) -> list[FileStat]:
    """Return which stay whatever their age, newest first: what stays of each series."""
    series: dict[str, list[FileStat]] = {}
    for file in backups:
        series.setdefault(re.sub("[0-9]+", "#", file.path.name), []).append(file)
    kept = {file for files in series.values() for file in _newest(files, keep)}
    return sorted(kept, key=lambda file: (file.modified, file.path), reverse=True)


def _newest(backups: Sequence[FileStat], keep: int) -> list[FileStat]:
    """Return which stay of a series that has any: the newest, the newest whole ones, and the largest.

    What was removed is no measure of what stays, so that the same ones stay the next time, however many were cut short.
    """
    newest = sorted(backups, key=lambda file: (file.size > 0, file.modified, file.path), reverse=True)
    largest = max(newest, key=lambda file: file.size)
    whole = [file for file in newest if 0 < largest.size <= file.size * 2]
    kept = {*newest[:keep], *whole[:keep], *([largest] if whole else [])}
    return [file for file in newest if file in kept]


def _as_listed(file: FileStat) -> str:
    """Return a file as the script's stat prints it."""
    return f"{file.device} {file.inode} {file.links} {file.size:d} {file.modified} {file.path.name}"
