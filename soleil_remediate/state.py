"""Where this user's records are kept: folders of theirs alone, each opened below the one before and never by a link."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
from contextlib import suppress
from pathlib import Path

from soleil_remediate.errors import ConfigError
from soleil_remediate.local_files import home

_ELSEWHERE = "name another folder in XDG_STATE_HOME"


class NotPrivate(PermissionError):
    """A folder that may hold no record: somebody else could change what stands there.

    Args:
        folder: Which.
        why: What is wrong with it.
        remedy: What to do about it.
    """

    def __init__(self, folder: Path, why: str, remedy: str) -> None:
        super().__init__(errno.EPERM, f"{folder} {why}", str(folder))
        self.remedy = remedy


def state_folder() -> Path:
    """Return where this user's runs are kept.

    That is below ``$XDG_STATE_HOME``, else ``~/.local/state``, as the XDG base directory specification says.

    Raises:
        ConfigError: This user has no home folder and names none.
    """
    base = os.environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "soleil-remediate"
    own = home()
    if own is None:
        raise ConfigError(
            "there is no place for records: HOME is not set, and this user has no home folder. "
            "To go on: name a folder in XDG_STATE_HOME"
        )
    return own / ".local" / "state" / "soleil-remediate"


def open_private(root: Path, *names: str) -> int:
    """Open the folder *names* below *root*, made where it is missing, and return its descriptor.

    Every folder from *root* down must be no link, ours, and writable by nobody else. What is above *root* is only
    judged where *root* has to be made: in a folder of somebody else it is not.

    Raises:
        NotPrivate: One of them is not so.
        OSError: One cannot be made or opened.
    """
    inner = [root.joinpath(*names[:count]) for count in range(len(names) + 1)]
    missing = [path for path in root.parents if not path.exists()]
    above = missing[-1].parent if missing else root.parent
    descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        owner = os.fstat(descriptor).st_uid
        if owner not in (0, os.geteuid()) and not os.path.lexists(root):
            raise NotPrivate(above, f"belongs to {_name(owner)}, and nothing of ours is begun in it", _as_oneself())
        for path in (*reversed(missing), *inner):
            below = _open_below(descriptor, path)
            os.close(descriptor)
            descriptor = below
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _open_below(above: int, path: Path) -> int:
    """Open the folder *path*, by its last name below the descriptor *above*; make it where it is missing."""
    try:
        found = os.stat(path.name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        with suppress(FileExistsError):  # another run begins at the same moment
            os.mkdir(path.name, 0o700, dir_fd=above)
        os.fsync(above)
        found = os.stat(path.name, dir_fd=above, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        what = "is a link, which may lead anywhere" if stat.S_ISLNK(found.st_mode) else "is no folder"
        raise NotPrivate(path, what, f"move it away, or {_ELSEWHERE}")
    descriptor = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
    try:
        _judge(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _judge(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid():
        raise NotPrivate(path, f"belongs to {_name(found.st_uid)}: somebody else may write there", _as_oneself())
    if found.st_mode & 0o022:
        why = f"has mode {stat.S_IMODE(found.st_mode):04o}: somebody else may write there"
        raise NotPrivate(path, why, f"chmod go-w {shlex.quote(str(path))}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _as_oneself() -> str:
    """Return what helps somebody who works with another's home folder, as sudo may leave it."""
    return f"use sudo -H, which gives root its own home, or {_ELSEWHERE}" if os.geteuid() == 0 else _ELSEWHERE


def remedy_for(error: OSError) -> str:
    """Return what to do where a folder or a file below the state folder could not be written."""
    if isinstance(error, NotPrivate):
        return error.remedy
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free space there"
    return f"make that folder writable for you alone, or {_ELSEWHERE}"
