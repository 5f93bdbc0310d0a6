"""Is there a backup to go back to?"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.backups import BackupsSeen, read_backups
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat, refuse_unless_absolute
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import ByteSize, Duration

#: A newest backup that is smaller than this share of the largest was probably cut short.
_SHARE = 0.5


@dataclass(frozen=True, kw_only=True)
class BackupRecent(Check[BackupsSeen]):
    """See whether the newest backup in a folder is young enough, and about as large as others.

    Nothing is read of it: whether it can be restored is known only once somebody has done so. One that is empty, or
    less than half as large as the largest, was probably cut short.

    Args:
        directory: The folder.
        within: The newest must not be older, by the host's clock.
        names: Shell patterns of what is a backup.
    """

    kind = "backup.recent"

    directory: PurePosixPath
    within: Duration = Duration(26 * 3600)
    names: tuple[str, ...] = ("*.sql", "*.sql.*", "*.dump", "*.dump.*", "*.tar", "*.tar.*", "*.tgz", "*.zip")

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.directory)
        if not self.names or not all(self.names):
            raise ValueError("names must say what is a backup")

    async def read(self, host: Reader) -> BackupsSeen:
        return await read_backups(host, self.directory)

    def judge(self, seen: BackupsSeen) -> Verdict:
        if seen.folder is None:
            return self._faulty(f"there is no folder {self.directory}", "no folder")
        if seen.path != self.directory or seen.folder.type != "d":
            return Verdict.unknown(f"{self.directory} is not a folder of its own: name {seen.path} itself")
        backups = [one for one in seen.files if one.is_regular and self._is_backup(one)]
        if not backups:
            return self._faulty(f"there is no backup in {self.directory}", "none")
        newest = max(backups, key=lambda one: one.modified)
        if newest.modified > seen.now:
            return Verdict.unknown(f"{newest.path.name} is from the future, by the host's clock: {_time(newest)}")
        age, largest = Duration(seen.now - newest.modified), max(one.size for one in backups)
        value = f"{age} old, {newest.size}"
        if age > self.within:
            return self._faulty(f"the newest backup is from {_time(newest)}, more than {self.within} ago", value)
        if newest.size < largest * _SHARE or newest.size == 0:
            return self._faulty(f"{newest.path.name} takes {newest.size}, another one {ByteSize(largest)}", value)
        return Verdict.healthy(f"{newest.path.name} is {value}", Measure(label=self._label, value=value))

    @property
    def _label(self) -> str:
        return f"newest backup in {self.directory}"

    def _is_backup(self, file: FileStat) -> bool:
        return any(fnmatchcase(file.path.name, name) for name in self.names)

    def _faulty(self, why: str, value: str) -> Verdict:
        return Verdict.faulty(why, Measure(label=self._label, value=value, is_faulty=True))


def _time(file: FileStat) -> str:
    return f"{as_text(file.modified)} UTC"
