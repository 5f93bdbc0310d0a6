"""The kill switch: a file beside the inventory that keeps every run of it from sending anything more.

That it is there is all that counts, so that it also works on a disk that takes nothing but a name. No host is asked, no
lock is taken and no record is needed. What it holds only tells people who froze it, when and why.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from soleil_remediate.errors import ConfigError, Frozen, Refused
from soleil_remediate.local_files import read_file
from soleil_remediate.secrecy import redacted
from soleil_remediate.state import open_private, state_folder

#: Raises Frozen where nothing may be sent.
Brake: TypeAlias = "Callable[[], None]"

_LIMIT = 16 * 1024
_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


def released() -> None:
    """Hold nothing back: the brake of runs that have no inventory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Somebody wants nothing more to be sent.

    Args:
        by: Who; the file's owner where the file does not say it.
        since: When, for people.
        because: Why; empty where nobody said.
        file: What has to go away.
        is_shared: It stands beside the inventory, where everybody's runs see it; else only its owner's do.
    """

    by: str
    since: str
    because: str
    file: Path
    is_shared: bool

    def __str__(self) -> str:
        return f"frozen by {self.by} since {self.since}{f': {self.because}' if self.because else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """What freezes and lifts the runs of one inventory, on this machine.

    Args:
        inventory: Its file, by whatever name: the file that this leads to is meant.
        program: What the command that lifts it is called by.
    """

    inventory: Path
    program: str = "soleil-remediate"

    @property
    def _real(self) -> Path:
        return Path(os.path.realpath(self.inventory))

    @property
    def lift(self) -> str:
        """The command that lifts it, from whichever folder."""
        return f"{self.program} freeze off --inventory {shlex.quote(str(self._real))}"

    def _places(self) -> tuple[tuple[Path, bool], ...]:
        """Return where a freeze may stand, and whether everybody sees it there."""
        beside = self._real.with_name(f"{self._real.name}.frozen")
        try:
            own = state_folder() / "frozen" / hashlib.sha256(os.fsencode(self._real)).hexdigest()[:16]
        except ConfigError:  # no home, so nothing of ours either
            return ((beside, True),)
        return ((beside, True), (own, False))

    def found(self) -> Freeze | None:
        """Return who has frozen it; ``None`` where nobody has. Where that cannot be told, somebody may have."""
        for file, is_shared in self._places():
            try:
                status = os.lstat(file)
            except OSError as error:
                if error.errno in _NOWHERE:
                    continue
                by = f"somebody, perhaps: {file} cannot be looked at ({error.strerror}),"
                return Freeze(by=by, since="an unknown time", because="", file=file, is_shared=is_shared)
            said = _said(file)
            return Freeze(
                by=said("by") or _owner(status.st_uid),
                since=said("since") or _time(datetime.fromtimestamp(status.st_mtime, UTC)),
                because=said("because"),
                file=file,
                is_shared=is_shared,
            )
        return None

    def check(self) -> None:
        """Do nothing where nobody has frozen it.

        Raises:
            Frozen: Somebody has; the error says who, since when, why, and how it is lifted.
        """
        freeze = self.found()
        if freeze is not None:
            raise Frozen(f"{freeze}. Nothing was sent", lift=self.lift)

    def freeze(self, by: str, at: datetime, because: str) -> Freeze:
        """Let nothing more be sent; where somebody has frozen it already, theirs stays.

        It is put where only this user's runs see it, where it cannot stand beside the inventory.

        Raises:
            Refused: It could be put nowhere: runs go on.
        """
        text = json.dumps({"by": by, "since": _time(at), "because": redacted(because)[:1000]}, ensure_ascii=True)
        reasons: list[str] = []
        for file, is_shared in self._places():
            if (there := self.found()) is not None:
                return there
            try:
                _put(file, text, is_shared=is_shared)
            except OSError as error:
                reasons.append(f"{file}: {error.strerror}")
        if (put := self.found()) is not None:
            return put
        raise Refused(
            f"NOT frozen, runs go on: {'; '.join(reasons)}. What stops a run all the same: Ctrl-C in its terminal, or "
            "kill PID; it ends after the change that is under way"
        )

    def thaw(self) -> tuple[Freeze, ...]:
        """Let changes be sent again, and return what was lifted; nothing where nothing was frozen.

        Raises:
            Refused: It is still frozen.
        """
        lifted: list[Freeze] = []
        while (freeze := self.found()) is not None:
            try:
                freeze.file.unlink()
            except FileNotFoundError:  # somebody else lifted it in the same moment
                continue
            except OSError as error:
                raise Refused(f"still {freeze}. {freeze.file} cannot be removed: {error.strerror}") from error
            lifted.append(freeze)
        return tuple(lifted)


def _put(file: Path, text: str, *, is_shared: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    if is_shared:
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    else:
        folder = open_private(file.parent.parent, file.parent.name)
    try:
        descriptor = os.open(file.name, flags, 0o644, dir_fd=folder)
        with suppress(OSError):  # it stands, and counts, whatever it holds
            os.fchmod(descriptor, 0o644)  # whatever the umask: others' runs must be able to say why they stop
            os.write(descriptor, text.encode())
            os.fsync(descriptor)
        os.close(descriptor)
        with suppress(OSError):
            os.fsync(folder)
    finally:
        os.close(folder)


def _said(file: Path) -> Callable[[str], str]:
    """Return what finds a word of *file* by its key, in one line, its secrets hidden; nothing where it is not there."""
    said: object = None
    with suppress(OSError, ValueError, RecursionError):
        said = json.loads(read_file(file, _LIMIT).content)
    words = said if isinstance(said, dict) else {}
    return lambda key: " ".join(redacted(str(words.get(key) or "")).split())[:1000]


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
