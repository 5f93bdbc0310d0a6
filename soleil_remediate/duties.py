"""What only a person can see to: who said last that it was done, and when. On this machine, for this user."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.local_files import read_file
from soleil_remediate.scenario import Duty, Routine
from soleil_remediate.secrecy import redacted
from soleil_remediate.state import open_private

_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySeen:
    """One duty, and how it stands.

    Args:
        duty: Which.
        by: Who said last that it was done; empty where nobody ever did.
        at: When that was; ``None`` where nobody ever did.
        is_due: It has to be done again, or nobody ever said that it was.
    """

    duty: Duty
    by: str
    at: datetime | None
    is_due: bool

    @property
    def in_words(self) -> str:
        """Who confirmed it last, for people."""
        if self.at is None:
            return "never confirmed here"
        return f"last confirmed on {self.at:%Y-%m-%d} by {self.by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmations:
    """Who said of a routine's duties that they are done: lines in a file that only grows.

    Args:
        root: Where this user's records are kept.
        inventory: Whose duties they are; ``None`` where there is no inventory.
    """

    root: Path
    inventory: Path | None

    def standing(self, routine: Routine, now: datetime) -> tuple[DutySeen, ...]:
        """Return how each duty of a routine stands."""
        known = self._read()
        seen = []
        for duty in routine.duties:
            by, at = known.get((routine.name, duty.name), ("", None))
            is_due = at is None or not timedelta(0) <= now - at < timedelta(seconds=duty.every)
            seen.append(DutySeen(duty=duty, by=by, at=at, is_due=is_due))
        return tuple(seen)

    def confirm(self, routine: Routine, names: Sequence[str], by: str, now: datetime) -> None:
        """Note that somebody did what *names* say.

        Raises:
            UnknownName: The routine has no such duty.
            ConfigError: It cannot be noted.
        """
        known = [duty.name for duty in routine.duties]
        for name in names:
            if name not in known:
                raise UnknownName(f"duty of {routine.name}", name, known)
        lines = [{"routine": routine.name, "duty": name, "by": by, "at": now.isoformat()} for name in names]
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        try:
            folder = open_private(self.root, self._file.parent.name)
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                descriptor = os.open(self._file.name, flags, 0o600, dir_fd=folder)
                try:
                    _write_whole(descriptor, text.encode())
                finally:
                    os.close(descriptor)
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ConfigError(f"nothing was noted: {self._file}: {error.strerror}") from None

    @property
    def _file(self) -> Path:
        real = os.path.realpath(self.inventory) if self.inventory is not None else ""
        return self.root / "duties" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:16]}.jsonl"

    def _read(self) -> dict[tuple[str, str], tuple[str, datetime]]:
        """Return the last word about each duty; a line that cannot be read says nothing."""
        try:
            text = read_file(self._file, _LIMIT).content
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(f"who did what last cannot be read: {self._file}: {error.strerror}") from None
        found: dict[tuple[str, str], tuple[str, datetime]] = {}
        for line in text.split(b"\n"):
            with suppress(ValueError, LookupError, TypeError, RecursionError):
                said = json.loads(line)
                at = datetime.fromisoformat(said["at"]).astimezone(UTC)
                found[str(said["routine"]), str(said["duty"])] = (redacted(str(said["by"]))[:100], at)
        return found


def _write_whole(descriptor: int, text: bytes) -> None:
    """Append *text* in one piece, so that what others append stands before or behind it, and let it last."""
    if os.write(descriptor, text) != len(text):
        raise OSError(28, os.strerror(28))
    os.fsync(descriptor)
