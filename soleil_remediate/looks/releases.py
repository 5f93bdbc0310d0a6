"""Show which releases there are, which is served, and which one could be served instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.migrations import effect_of
from soleil_remediate.facts.onsets import ACCESS_LOG, Blame, Onset, read_onset
from soleil_remediate.facts.releases import Release, Releases, read_new_migrations, read_releases
from soleil_remediate.facts.together import together
from soleil_remediate.task import Look, Shown, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesShown:
    """What a person should see of the releases.

    Args:
        migrations: What stands in the migrations that the served one has and the newest good one before has not.
        onset: Since when requests fail.
    """

    releases: Releases
    migrations: Mapping[str, str] | FactError
    onset: Onset | FactError


@dataclass(frozen=True, kw_only=True)
class ReleaseList(Look[ReleasesShown]):
    """Show every release: which one is served and since when, which ones are bad or no longer whole.

    Of the migrations that came with the one that is served it says what older code would meet, by their text; and since
    when requests fail, and whether they did before it was served.

    Args:
        root: The link that says which release is served.
        access_log: Where nginx logs the requests to this application, in its usual format.
    """

    kind = "release.list"
    rounds = 2
    title: ClassVar[str] = "Releases"

    root: PurePosixPath
    access_log: PurePosixPath = ACCESS_LOG

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)

    async def read(self, host: Reader) -> ReleasesShown:
        (releases, migrations), onset = await together(self._read_releases(host), read_onset(host, self.access_log))
        return ReleasesShown(releases=releases, migrations=migrations, onset=onset)

    async def _read_releases(self, host: Reader) -> tuple[Releases, Mapping[str, str] | FactError]:
        releases = await read_releases(host, self.root)
        current, before = releases.current, releases.newest_good
        if current is None or before is None:
            return releases, {}
        return releases, await read_new_migrations(host, current, before)

    def show(self, seen: ReleasesShown) -> Shown:
        releases, current = seen.releases, seen.releases.current
        rows = []
        for one in reversed(releases.all):
            rows.append((one.name, as_text(one.folder.modified), _state(one, releases)))
            if one is current:
                rows += [("", "", brought) for brought in _brought(seen.migrations)]
                rows += [("", "", began) for began in _began(seen.onset, releases.served.changed)]
        if current is None:
            rows.append((str(releases.link), "", f"leads to {releases.served.target or 'no other place'}"))
        if releases.lock is not None:
            rows.append((releases.lock.path.name, as_text(releases.lock.modified), "somebody deploys, or did"))
        return Table(columns=("release", "changed", ""), rows=tuple(rows), align="lll")


def _state(release: Release, releases: Releases) -> str:
    served = f"served since {as_text(releases.served.changed)}" if release is releases.current else ""
    return ", ".join(part for part in (served, "marked bad" if release.is_bad else release.lacks) if part)


def _brought(migrations: Mapping[str, str] | FactError) -> list[str]:
    """Return for people what the served release brought into the database that the one before does not know."""
    if isinstance(migrations, FactError):
        return [f"its migrations cannot be read: {migrations}"]
    return [f"brought {name} ({effect_of(text).value})" for name, text in migrations.items()]


def _began(onset: Onset | FactError, served: int) -> list[str]:
    """Return for people whether requests failed before the release was served."""
    if isinstance(onset, FactError):
        return [f"since when requests fail cannot be told: {onset}"]
    if onset.since is None:
        return []
    blame = {
        Blame.BEFORE: ", before it",
        Blame.WITH: ", with it",
        Blame.LATER: ", long after",
        Blame.UNKNOWN: " or earlier",
    }
    return [f"requests fail since {as_text(onset.since)}{blame[onset.blames(served)]}"]
