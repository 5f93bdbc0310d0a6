"""Files of this machine that somebody named: read whole, or refused with the reason.

Whatever stands there, asking ends at once: no pipe is waited for, no device is read, and size is bounded. Every refusal
is an ``OSError``, and its ``strerror`` says why in words.
"""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

#: A longer path than this is a slip of the hand: a message shows how it begins, and has room for the reason.
_SHOWN, _BEGINNING = 1000, 100
_PIECE = 64 * 1024


class NotPlain(OSError):
    """It is a pipe, a device or a socket."""


class TooLarge(OSError):
    """It holds more than such a file may."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A plain file.

    Args:
        content: All of it.
        status: What the system says about this very file, whatever stands at its path by now.
    """

    content: bytes
    status: os.stat_result


def read_file(path: str | Path, limit: int) -> LocalFile:
    """Read a plain file; links are followed.

    Args:
        path: Where it stands.
        limit: A file of exactly this many bytes is still read.

    Raises:
        NotPlain: It is nothing that has an end.
        TooLarge: It is longer than *limit*.
        OSError: It is missing, may not be read, is a folder, or no file can have such a name.
    """
    with _a_name():
        # A pipe that nobody writes to would be waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise NotPlain(errno.EINVAL, "it is not a plain file")
        content = bytearray()
        while piece := os.read(descriptor, min(_PIECE, limit + 1 - len(content))):
            content += piece
            if len(content) > limit:
                raise TooLarge(errno.EFBIG, f"it is larger than {limit} bytes")
    finally:
        os.close(descriptor)
    return LocalFile(bytes(content), status)


def names_in(folder: str | Path) -> list[str]:
    """Return the names of what a folder holds, in their order.

    Raises:
        OSError: It is missing, may not be read, is no folder, or none can have such a name.
    """
    with _a_name():
        return sorted(os.listdir(folder))  # noqa: PTH208  # names are wanted, not paths


def status_of(path: str | Path) -> os.stat_result | None:
    """Return what the system says about what stands there, links followed; ``None`` where nothing does.

    A link that leads nowhere is not nothing: somebody wanted what it names.

    Raises:
        OSError: It leads nowhere, nobody may know, or nothing can have such a name.
    """
    with _a_name():
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        return os.stat(path)  # noqa: PTH116  # whatever a path is given as


def is_folder(path: str | Path) -> bool:
    """Whether a folder stands there; where that cannot be told, reading it will say why."""
    try:
        status = status_of(path)
    except OSError:
        return False
    return status is not None and stat.S_ISDIR(status.st_mode)


def resolved(path: str | Path) -> str:
    """Return the one path to which all spellings lead, links followed; what nothing can be called stays as it is."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return os.fspath(path)


def shown_path(path: str | Path) -> str:
    """Return a path for a message: whole, or how it begins where it is no path that anybody meant."""
    text = os.fspath(path)
    return text if len(text) <= _SHOWN else f"{text[:_BEGINNING]}…"


def home() -> Path | None:
    """Return this user's home folder: ``$HOME``, else what the system's list of users says, or ``None``.

    A ``$HOME`` that is empty or relative is none: it would mean the current folder.
    """
    named = os.environ.get("HOME", "")
    if not named.startswith("/"):
        try:
            named = pwd.getpwuid(os.geteuid()).pw_dir
        except KeyError:  # a container's user may stand in no list
            return None
    return Path(named) if named.startswith("/") else None


def expanded(path: str | Path) -> Path:
    """Return a path with ``~`` as the home it stands for; that of nobody stays as it is, where nothing is."""
    text = os.fspath(path)
    if text == "~" or text.startswith("~/"):
        return (home() or Path("/~")) / text[2:]  # where nothing is either, and never in the current folder
    return Path(os.path.expanduser(text))  # noqa: PTH111  # a Path raises where nobody has that name


@contextmanager
def _a_name() -> Iterator[None]:
    """Refuse as an ``OSError`` what Python itself takes for no name: with a NUL, or half a character."""
    try:
        yield
    except ValueError:
        raise OSError(errno.EINVAL, "nothing can have such a name") from None
