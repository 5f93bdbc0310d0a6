"""Being asked to stop: once means after the change under way, twice means at once."""

from __future__ import annotations

import threading

from soleil_remediate.errors import Refused


class StopRequested(Refused):
    """A person or a signal asked to stop, and nothing was under way that had to be waited for."""


class Stop:
    """What every part of a run looks at between two things it does. Safe to use from several threads."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._insisted = threading.Event()
        self.why = ""

    def ask(self, why: str) -> None:
        """Ask to stop, because of *why*; asking again insists."""
        if self._asked.is_set():
            self._insisted.set()
        else:
            self.why = why
            self._asked.set()

    @property
    def is_asked(self) -> bool:
        """Whether nothing new may be begun."""
        return self._asked.is_set()

    @property
    def is_insisted(self) -> bool:
        """Whether not even the change under way is waited for."""
        return self._insisted.is_set()

    def check(self) -> None:
        """Raise StopRequested where nothing new may be begun."""
        if self.is_asked:
            raise StopRequested(f"stopped by {self.why}")
