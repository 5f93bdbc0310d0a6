"""How changes spread over several hosts: a canary, then batches, and how many may fail. Values in, values out."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from soleil_remediate.errors import ConfigError
from soleil_remediate.units import Percent

#: The most hosts that are looked at, or changed, in the same moment.
FORKS = 50
#: More threads than this are a slip of the hand.
_MOST_FORKS = 1000
#: No inventory has more hosts.
_MOST_HOSTS = 10_000
#: Beside the first, so many hosts are called by name where failures are told.
_NAMED = 4

#: How a host's reason begins that nothing was even tried on.
NOT_TRIED = "not tried: "

#: So many hosts, or that share of all that are to be changed.
BatchSize: TypeAlias = "int | Percent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """In which order, how many at once, and how long it goes on.

    Whatever it says, the first host is changed alone: the canary. Every host waits until one was really changed and
    ended well, and one that was changed and did not end well before that stops the run.

    Args:
        serial: Sizes of the batches that follow each other; the last one repeats. A share is of the hosts that are to
            be changed, rounded down, and never less than one host.
        max_fail: So many hosts may fail; one more, and nothing further is begun. Hosts that were not reached, or of
            which it is not known how they stand, have failed.
        forks: The most hosts that are looked at, or changed, in the same moment.

    Raises:
        ConfigError: One of them makes no sense.
    """

    serial: tuple[BatchSize, ...] = (1,)
    max_fail: int = 0
    forks: int = FORKS

    def __post_init__(self) -> None:
        if not self.serial:
            raise ConfigError("--serial: no size at all; write one such as 1,5,25%")
        for size in self.serial:
            if size <= 0 or (not isinstance(size, Percent) and size > _MOST_HOSTS):
                raise ConfigError(f"--serial: a batch has 1 to {_MOST_HOSTS} hosts, or more than 0 %, not {size}")
        if not 0 <= self.max_fail <= _MOST_HOSTS:
            raise ConfigError(f"--max-fail: 0 to {_MOST_HOSTS} hosts may fail, not {self.max_fail}")
        if not 1 <= self.forks <= _MOST_FORKS:
            raise ConfigError(f"--forks: 1 to {_MOST_FORKS} hosts at once, not {self.forks}")

    @classmethod
    def parse(cls, *, serial: str = "", max_fail: str = "", forks: str = "") -> Self:
        """Read the options of those names; an empty one is the default.

        Raises:
            ConfigError: One of them cannot be read or makes no sense.
        """
        sizes = tuple(_size(part.strip()) for part in serial.split(",")) if serial else (1,)
        return cls(serial=sizes, max_fail=_whole("max-fail", max_fail, 0), forks=_whole("forks", forks, FORKS))

    def batches(self, hosts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Return which of *hosts* are changed together, in their order."""
        sizes = [_hosts(size, len(hosts)) for size in self.serial]
        if sizes[0] > 1:
            sizes.insert(0, 1)  # the canary
        found, rest = [], tuple(hosts)
        while rest:
            size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
            found.append(rest[:size])
            rest = rest[size:]
        return tuple(found)


def _size(text: str) -> BatchSize:
    try:
        return Percent.parse(text) if text.endswith("%") else _number(text)
    except ValueError:
        raise ConfigError(
            f"--serial: {text[:40]!a} is no size of a batch: write a number of hosts, or a share such as 25%"
        ) from None


def _whole(option: str, text: str, default: int) -> int:
    try:
        return _number(text) if text else default
    except ValueError:
        raise ConfigError(f"--{option}: {text[:40]!a} is no number of hosts") from None


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(text)
    return int(text)


def _hosts(size: BatchSize, of: int) -> int:
    return max(int(size * of / 100), 1) if isinstance(size, Percent) else size


class Progress:
    """How a rollout goes; safe to use from several threads.

    Args:
        rollout: How far it may go.
        failed: The hosts that failed before anything was changed, and how each ended, in a word.
    """

    def __init__(self, rollout: Rollout, failed: Sequence[tuple[str, str]] = ()) -> None:
        self._max_fail = rollout.max_fail
        self._lock = threading.Lock()
        self._failed = list(failed)
        self._failed_canary = ""
        self._is_proven = False

    @property
    def is_proven(self) -> bool:
        """Whether one host was changed and ended well."""
        with self._lock:
            return self._is_proven

    @property
    def end(self) -> str:
        """Why nothing further may be begun; empty where it may."""
        with self._lock:
            if self._failed_canary and self._max_fail:
                return f"the canary {self._failed_canary}"
            if self._failed_canary or len(self._failed) > self._max_fail:
                return failures(self._failed, self._max_fail)
            return ""

    def note(self, host: str, word: str, *, has_failed: bool, was_touched: bool) -> None:
        """Note how a host ended.

        Args:
            host: Its name.
            word: Its verdict.
            has_failed: It did not end well.
            was_touched: A change was sent to it.
        """
        with self._lock:
            if has_failed:
                self._failed.append((host, word))
                if was_touched and not self._is_proven:
                    self._failed_canary = f"{host} ended {word}"
            elif was_touched:
                self._is_proven = True


def failures(failed: Sequence[tuple[str, str]], max_fail: int) -> str:
    """Return which hosts ended how, and how many may."""
    first, *others = failed
    said = [f"{first[0]} ended {first[1]}", *(f"{host} {word}" for host, word in others[:_NAMED])]
    more = [f"{len(others) - _NAMED} more hosts"] if len(others) > _NAMED else []
    allowed = [f"and --max-fail allows {max_fail}"] if others or max_fail else []
    return ", ".join([*said, *more, *allowed])
