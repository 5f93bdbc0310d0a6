"""What is known of a way back to older code before anything decides whether it may be gone."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.octane import Octane
from soleil_remediate.facts.onsets import Onset
from soleil_remediate.facts.rollbacks import Rollback
from soleil_remediate.facts.services import Services
from soleil_remediate.facts.workers import Program
from soleil_remediate.plan import Script
from soleil_remediate.tasks.maintenance import Served

#: What artisan builds into a release, by the command that does it. What neither release has is not built either: a
#: cached configuration hides the environment from code that asks for it outside of the configuration.
_CACHES = {
    "config": re.compile(r"config[.]php"),
    "route": re.compile(r"routes(-v7)?[.]php"),
    "event": re.compile(r"events[.]php"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GoingBackSeen:
    """What decides about going back beside the code itself.

    Args:
        services: The units of php-fpm, and of what the application needs.
        programs: What supervisor keeps running.
        onset: Since when requests fail.
        maintenance: The file by which Laravel is in maintenance mode; empty where it is not.
        octane: The Octane that serves the application; ``None`` where none does.
        is_held: It is in maintenance mode since a run of this program put it there.
        listening: The TCP ports on which something on the host listens.
        rollback: How the migrations that came with what is served would be taken back; ``None`` where nobody asked.
        waiting: The file names of those that would be in the way and have not run, not even half; empty where nobody
            asked, or it cannot be told.
    """

    services: Services
    programs: tuple[Program, ...]
    onset: Onset | FactError
    maintenance: tuple[FileStat, ...] = ()
    octane: Octane | None = None
    is_held: bool = False
    listening: frozenset[int] = frozenset()
    rollback: Rollback | None = None
    waiting: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class WayBack:
    """From what is served to what will be, with all that depends on how the code is laid out.

    Args:
        bad: The name of what is served.
        since: Since when that is.
        older: The name of what will be served instead.
        served: What is served, as the host can compare it.
        folder: Where the older one lies; ``None`` where it is checked out in place.
        script: What lets other code be served.
        there: What the script is told so that the older one is; what has to follow a switch it is told after that.
        back: What it is told so that the bad one is again, likewise.
        summary: What is done, for people.
        undone: What its undo does, likewise.
        by_hand: What a person types to switch the files.
        keeps: What of the code stays.
        downtime: What users may notice.
    """

    bad: str
    since: int
    older: str
    served: Served
    folder: PurePosixPath | None
    script: Script
    there: tuple[object, ...]
    back: tuple[object, ...]
    summary: str
    undone: str
    by_hand: str
    keeps: str
    downtime: str


def cached(names: Iterable[str]) -> str:
    """Return what artisan has to cache anew where files of those names lie in its cache, as its commands call it."""
    found = tuple(names)
    return " ".join(cache for cache, pattern in _CACHES.items() if any(map(pattern.fullmatch, found)))
