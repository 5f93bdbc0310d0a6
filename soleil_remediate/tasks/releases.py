"""Repair an application by serving an older release of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.maintenance import read_maintenance
from soleil_remediate.facts.octane import read_octane
from soleil_remediate.facts.onsets import read_onset
from soleil_remediate.facts.releases import (
    BAD_RELEASE,
    Release,
    Releases,
    read_new_migrations,
    read_releases,
    release_folder,
)
from soleil_remediate.facts.rollbacks import Artisan, Rollback
from soleil_remediate.facts.services import read_services
from soleil_remediate.facts.together import together
from soleil_remediate.facts.workers import ReadPrograms
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.tasks.going_back import GoBack
from soleil_remediate.tasks.maintenance import Served
from soleil_remediate.tasks.switching import SWITCH
from soleil_remediate.tasks.ways_back import GoingBackSeen, WayBack, cached


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackSeen(GoingBackSeen):
    """What decides about going back.

    Args:
        migrations: What stands in the migrations that the served release has and the chosen one has not, by name.
    """

    releases: Releases
    migrations: Mapping[str, str] | FactError


@dataclass(frozen=True, kw_only=True)
class RollBackRelease(GoBack[RollbackSeen]):
    """Serve an older release instead of the one that is served, and never that one again.

    Releases lie in a folder ``releases``, and the link beside it says which is served. The release is chosen and named
    while planning; immediately before the switch the host compares again where the link leads and which folder it is.
    The bad release is marked first (with Deployer's own mark), so that a second run does not go back once more. What
    composer and npm brought belongs to a release and is not touched. In the older one artisan builds its caches anew,
    as the application's user: one that cannot be built is removed, since Laravel works without. The switch itself is
    one rename, and needs no free block. Then php-fpm is reloaded, once its configuration has passed its test, and
    workers are asked to end after their job and started by supervisor anew; both are waited for until nothing runs that
    was started before the switch. Until then the bad release has a second mark, ``ROLLBACK_UNFINISHED-`` and the older
    one's name: should the host have cut that off, or something not have followed, the next run goes on there.

    Where requests are seen to fail since before the release was served, older code would not help, and nothing is done;
    nor in maintenance mode. A person who names the release has decided otherwise. Where Laravel Octane serves, which
    has the code in memory, what to do by hand is said and nothing is done.

    Where a person asks for it, users see Laravel's maintenance page meanwhile, until the older release is seen to serve
    its pages behind it; where it does not, the page stays, and the next run goes on there. Should nobody end it, the
    host itself does after 20 minutes. With ``maintenance: only`` they see it, and no other release is served.

    The database stays as it is. Migrations that came with the bad release are judged by their text: one that only adds
    is no obstacle; any other is, until somebody has decided that the older code can go on with it, or that it goes.
    Where nothing else is in the way, artisan is asked whether they have run at all: one that has not, and of which
    nothing can be there either (on PostgreSQL or SQL Server, in one transaction, and with a ``down()`` that does
    something), is no obstacle. The host asks again immediately before the switch.

    With ``migrations: back`` Laravel takes back what came with the bad release, before older code is served and behind
    the maintenance page. Which have run, and what SQL would take them back, is read from artisan, as the application's
    user, and is in the plan. ``--pretend`` runs the PHP of ``down()`` for that, without its SQL: so it is asked only
    then. Nothing is done where any other migration would be taken back, where what artisan says is not understood, or
    where ``down()`` does nothing. The host compares all of it again, and does not believe artisan afterwards: it asks
    which have run. Where one was not taken back, nothing is switched, and the page stays until a person or the next run
    has gone on. What the SQL drops is lost: ``migrate`` makes tables and columns again, empty.
    Where the bad release's code does not even start, the older one's artisan runs them.

    Args:
        root: The link that says which release is served.
        to: The release to serve; without it the newest one before the served one that is not marked bad.
        migrations: Which migrations may have come between: ``additive``, or ``any``; with ``back`` they are taken back.
        user: Whom php-fpm and the workers run as.
        owner: Whose the releases are, where that is neither who logs in nor the application's user; for
            ``sudoers``, which asks no host.
        php: The unit of php-fpm; ``*`` and ``?`` stand for what they do in a shell. No more than one may run.
        needs: What the application needs beside it, if it is on this host; older code does not help where that is down.
        access_log: Where nginx logs the requests to this application, in its usual format.
        began: What has to be known about the beginning of what fails: ``any`` for nothing; with ``with-release``
            nothing is done unless it is seen that requests went well until this release was served, and fail since.
        maintenance: Whether users see Laravel's maintenance page meanwhile: ``yes`` or ``no``; with ``only`` nothing
            else is done.
        backups: The folder of backups; where migrations are taken back, the age of the newest is said.
        pages: What has to be served behind the maintenance page before users see the application again.
        url: The application's public address; the web server is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.
        again: The command that a person gave; it is said, with what is missing, where an input would help.

    Raises:
        Unplannable: It cannot be told which release, it is no longer whole, somebody deploys, a migration is in the
            way, php-fpm could not be reloaded, Octane serves, something that the application needs is down, or what
            fails did not begin with the release.
    """

    kind = "release.rollback"
    #: One more where only a migration is in the way; four with migrations: back, whose answers name what is asked next,
    #: and one more where a release is broken.
    rounds = 2
    #: Requests under way may be cut off. Where a migration is in the way, older code may write what newer cannot read.
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    divides = True
    noun: ClassVar[str] = "release"
    meant: ClassVar[str] = "the name of a release, one plain word"

    async def read(self, host: Reader) -> RollbackSeen:
        (
            (releases, migrations, rollback),
            services,
            (programs, (marks, is_held, listening)),
            onset,
            octane,
        ) = await together(
            self._read_releases(host),
            read_services(host, [self.php, *self.needs], tested=[self.php]),
            together(host.ask(ReadPrograms()), read_maintenance(host, self.root)),
            read_onset(host, self.access_log),
            read_octane(host, self.root, self.user),
        )
        seen = RollbackSeen(
            releases=releases,
            migrations=migrations,
            services=services,
            programs=programs,
            onset=onset,
            maintenance=marks,
            octane=octane,
            is_held=is_held,
            listening=listening,
            rollback=rollback,
        )
        current, older = releases.current, self._older(releases)
        if current is None or older is None or isinstance(migrations, FactError):
            return seen
        return await self._read_waiting(host, seen, migrations, (), *self._places(current, older))

    async def _read_releases(self, host: Reader) -> tuple[Releases, Mapping[str, str] | FactError, Rollback | None]:
        releases = await read_releases(host, self.root)
        current, older = releases.current, self._older(releases)
        if current is None or older is None:
            return releases, {}, None
        names = current.migrations - older.migrations if self._is_to_go(releases, current) else ()
        texts, rollback = await together(
            read_new_migrations(host, current, older),
            self._read_rollback(host, names, *self._places(current, older)),
        )
        return releases, texts, rollback

    def _older(self, releases: Releases) -> Release | None:
        return releases.newest_good if self.to is None else releases.named(self.to)

    def _places(self, current: Release, older: Release) -> tuple[Artisan, Artisan]:
        return (
            Artisan(code=current.path, user=self.user),
            # Where the code of the bad one does not even start, that of the older one knows how to run migrations.
            Artisan(code=older.path, user=self.user, migrations=current.path / "database/migrations"),
        )

    def _is_to_go(self, releases: Releases, current: Release) -> bool:
        with suppress(Unplannable):
            return isinstance(self._chosen(releases, current), Release)
        return False

    def _plan(self, seen: RollbackSeen) -> Plan:
        if seen.releases.served.target is None:
            return Plan.nothing(f"{self.root} is no link: there is no folder of releases")
        if self.maintenance == "only":
            whole = [one.path for one in seen.releases.all if one != seen.releases.current and not one.lacks]
            return self._only_the_page(seen, self._served_as(seen.releases), next(reversed(whole), None))
        self._refuse_while_a_need_is_down(seen)
        left = seen.releases.unfinished
        if left is not None and self.to in {None, self._served(seen.releases).name}:
            return self._finish(seen, left)
        if innocent := self._why_innocent(seen):
            return Plan.nothing(innocent)
        bad = self._served(seen.releases)
        came_after = self._was_served_since(seen, seen.releases.served.changed)
        chosen = "" if came_after else self._chosen(seen.releases, bad)
        if isinstance(chosen, str):
            return self._unless_held(seen, bad.name, chosen)
        way = self._way(seen.releases, bad, chosen)
        self._refuse_unless_it_would_help(seen, way)
        _refuse_while_somebody_deploys(seen.releases)
        if chosen.lacks:
            others = [one.name for one in seen.releases.before(bad) if not (one.is_bad or one.lacks)]
            raise Unplannable(
                f"release {chosen.name} has {chosen.lacks}"
                + (f". One that is whole: {self._with(to=others[0])}" if others else ". No other one is whole")
            )
        return self._go(seen, way, seen.migrations, bad.migrations - chosen.migrations)

    def _finish(self, seen: RollbackSeen, bad: Release) -> Plan:
        """Return what is left of a way back from *bad* that was not finished, though the older release is served."""
        _refuse_while_somebody_deploys(seen.releases)
        older, now = self._served(seen.releases), seen.releases.served.target
        way = replace(
            self._way(seen.releases, older, older),
            bad=bad.name,
            there=(self.root, now, now, older.path, older.identity, bad.path, bad.identity, ""),
            summary=f"let php-fpm and workers follow to release {older.name}",
        )
        return self._follow(seen, way)

    @property
    def _application(self) -> PurePosixPath:
        return self.root.parent

    def _served(self, releases: Releases) -> Release:
        if releases.current is None:
            raise Unplannable(
                f"{self.root} leads to {releases.served.target}, which is no release in {release_folder(self.root)}"
            )
        return releases.current

    def _chosen(self, releases: Releases, current: Release) -> Release | str:
        """Return the release to serve; why there is nothing to do where there is not.

        Raises:
            Unplannable: It cannot be told which one.
        """
        if self.to is not None:
            return self._named(self.to, releases, current)
        newer = releases.after(current)
        if current.number is None:
            raise Unplannable(f"the name of release {current.name} does not tell which came before: {self._with()}")
        if bad := [one.name for one in newer if one.is_bad]:
            older = next((one.name for one in releases.before(current) if not (one.is_bad or one.lacks)), None)
            return self._as_far_back(current.name, bad, older)
        whole = [one.name for one in newer if not one.lacks]
        if whole:
            raise Unplannable(
                f"release {whole[-1]} is newer than {current.name}, which is served, and not marked bad: somebody may "
                f"have gone back already. If {current.name} is the bad one: {self._with()}"
            )
        found = releases.newest_good
        if found is None:
            raise Unplannable(f"there is no release before {current.name} that is not marked bad")
        return found

    def _named(self, name: str, releases: Releases, current: Release) -> Release | str:
        if name == current.name:
            return f"release {name} is served"
        found = releases.named(name)
        if found is None:
            good = ", ".join(one.name for one in releases.before(current) if not one.is_bad)
            raise Unplannable(f"there is no release {name}; older ones that are not marked bad: {good or 'none'}")
        if found.is_bad:
            raise Unplannable(
                f"release {name} is marked bad: somebody went back from it. If that is over: "
                f"rm {found.path / BAD_RELEASE}"
            )
        if found in releases.after(current):
            raise Unplannable(f"release {name} is newer than {current.name}: that would be no way back")
        return found

    def _served_as(self, releases: Releases) -> Served:
        return Served(at=self.root, now=releases.served.target or "", owner=releases.owner)

    def _way(self, releases: Releases, bad: Release, chosen: Release) -> WayBack:
        served, link = self._served_as(releases), self.root.name
        now = served.now
        then = f"{now.removesuffix(bad.name)}{chosen.name}"  # in the form of what stands in the link
        caches = cached(bad.caches + chosen.caches)
        return WayBack(
            bad=bad.name,
            since=releases.served.changed,
            older=chosen.name,
            served=served,
            folder=chosen.path,
            script=SWITCH,
            there=(self.root, now, then, chosen.path, chosen.identity, bad.path, bad.identity, caches),
            back=(self.root, then, now, bad.path, bad.identity, "", "", ""),
            summary=f"serve release {chosen.name} instead of {bad.name}",
            undone="served again",
            by_hand=f"as {releases.owner}, in {self.root.parent}: ln -s {then} {link}.new && mv -T {link}.new {link}",
            keeps="every release",
            downtime="requests under way may be cut off when php-fpm is reloaded",
        )


def _refuse_while_somebody_deploys(releases: Releases) -> None:
    lock = releases.lock
    if lock is not None:
        raise Unplannable(
            f"somebody deploys since {as_text(lock.modified)} UTC, or left {lock.path} behind. If nobody does: "
            f"rm {lock.path}"
        )
