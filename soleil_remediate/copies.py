"""What changes destroy on hosts, kept here: a copy has a copy's name only once it is whole and on disk."""

from __future__ import annotations

import errno
import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Self

from soleil_remediate.secrecy import redacted
from soleil_remediate.state import open_private

#: What the name of a copy ends with until it is whole. Nothing unpacks a file of that name unasked.
PARTIAL = ".partial"

#: A host may name a file with 255 bytes; beside it stand the host's name, the step's number and an ending.
_LONGEST_NAME = 150


class NewCopy:
    """A copy that is being made; its file is :attr:`file`, gzip, mode 0600.

    Used as a context: left before :meth:`finish`, or by an exception, nothing of it stays.

    Args:
        state: The state folder.
        run: Whose change it is for.
        name: For people; only its letters, digits, dots, dashes and underscores are used.

    Raises:
        OSError: It cannot be created; a copy of that name is never overwritten.
    """

    def __init__(self, state: Path, run: str, name: str) -> None:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", redacted(name)).lstrip(".-") or "copy"
        if len(safe) > _LONGEST_NAME:
            safe = f"{safe[:_LONGEST_NAME]}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:16]}"
        self.path = copies_of(state, run) / f"{safe}.gz"
        self._name = self.path.name + PARTIAL
        self._is_whole = False
        self._folder = open_private(state, "evidence", run)
        try:
            self._refuse_existing()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self.file = os.fdopen(os.open(self._name, flags, 0o600, dir_fd=self._folder), "wb")
        except BaseException:
            os.close(self._folder)
            raise

    def _refuse_existing(self) -> None:
        with suppress(FileNotFoundError):
            os.stat(self.path.name, dir_fd=self._folder, follow_symlinks=False)
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))

    def finish(self) -> None:
        """Give it its name, once it is known to be whole; it and its name are on disk when this returns.

        Raises:
            OSError: The disk does not have it.
        """
        self.file.flush()
        os.fsync(self.file.fileno())
        os.rename(self._name, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        self._name = self.path.name
        os.fsync(self._folder)
        self._is_whole = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with suppress(OSError):
            self.file.close()
        if kind is not None or not self._is_whole:
            with suppress(OSError):  # half a copy proves nothing, one nobody recorded neither; both fill disks
                os.unlink(self._name, dir_fd=self._folder)
        os.close(self._folder)


def copies_of(state: Path, run: str) -> Path:
    """Return the folder for what a run's changes destroyed."""
    return state / "evidence" / run


def cut_short(state: Path, run: str) -> tuple[Path, ...]:
    """Return the copies of a run that were never finished: where it is over, they are no copies."""
    folder = copies_of(state, run)
    try:
        return tuple(sorted(path for path in folder.iterdir() if path.name.endswith(PARTIAL)))
    except OSError:  # it kept none, or they were deleted
        return ()
