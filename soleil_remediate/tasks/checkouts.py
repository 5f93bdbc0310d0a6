"""Repair an application that is served from a git checkout in place, by checking out an older commit."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.checkouts import (
    CheckedOut,
    Checkout,
    changed_migrations,
    new_migrations,
    read_checkout,
    read_migrations,
)
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.maintenance import read_maintenance
from soleil_remediate.facts.octane import read_octane
from soleil_remediate.facts.onsets import read_onset
from soleil_remediate.facts.rollbacks import Artisan, read_waiting
from soleil_remediate.facts.services import read_services
from soleil_remediate.facts.together import together
from soleil_remediate.facts.workers import ReadPrograms
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.tasks.going_back import GoBack
from soleil_remediate.tasks.maintenance import Served
from soleil_remediate.tasks.switching import CHECK_OUT
from soleil_remediate.tasks.ways_back import GoingBackSeen, WayBack, cached

#: What another commit would need anew where git does not keep it: which files say so, what it is, and what makes it.
_BELONGS = (
    (
        "vendor/autoload.php",
        re.compile(r"composer[.]lock"),
        "what composer installs",
        "composer install --no-dev --no-scripts",
    ),
    (
        "public/build/manifest.json",
        re.compile(
            r"(package-lock[.]json|yarn[.]lock|pnpm-lock[.]yaml|(vite|webpack)[.].*|resources/(js|css|sass)/.*)"
        ),
        "what is built for the browser",
        "npm ci && npm run build",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSeen(GoingBackSeen):
    """What decides about going back.

    Args:
        caches: What artisan has cached.
        built: Whether there is anything that was built for the browser.
    """

    checkout: Checkout
    caches: tuple[FileStat, ...]
    built: tuple[FileStat, ...]


@dataclass(frozen=True, kw_only=True)
class RollBackCheckout(GoBack[CheckoutSeen]):
    """Check out an older commit where an application is served from a git checkout in place, and never that one again.

    Which commit was there before is read from git's own log of the checkout; one that was passed through within a
    minute does not count. It is chosen and named while planning, and immediately before it is checked out the host
    compares again which one is there. git runs as the one whom the checkout belongs to, never as root; nothing is
    fetched, no hook is run, no branch is moved. The bad commit is marked first, so that a second run does not go back
    once more. Then artisan builds its caches anew, as the application's user, php-fpm is reloaded, once its
    configuration has passed its test, and workers are asked to end after their job; both are waited for until nothing
    runs that was started before. Until then a file in ``.git`` says so, its name begins with ``ROLLBACK_UNFINISHED``:
    should the host have cut that off, or something not have followed, the next run goes on there.

    Files of two commits lie beside each other for a moment. What composer and npm brought is there once: where the two
    commits need it otherwise and git does not keep it, nothing is done. Nor is it where somebody changed a file and did
    not commit it, with which it holds; where requests are seen to fail since before the commit was there; nor in
    maintenance mode; nor where Laravel Octane serves, which has the code in memory. The database stays as it is. A
    migration that came between is judged as with releases, and is no obstacle either where artisan says that it has not
    run and nothing of it can be there.

    With ``migrations: back`` Laravel takes back what came with the bad commit, before older code is served and behind
    the maintenance page. Which have run, and what SQL would take them back, is read from artisan, as the application's
    user, and is in the plan. ``--pretend`` runs the PHP of ``down()`` for that, without its SQL: so it is asked only
    then. Nothing is done where any other migration would be taken back, where what artisan says is not understood, or
    where ``down()`` does nothing. The host compares all of it again, and does not believe artisan afterwards: it asks
    which have run. Where one was not taken back, nothing is switched, and the page stays until a person or the next run
    has gone on. What the SQL drops is lost: ``migrate`` makes tables and columns again, empty.

    Where a person asks for it, users see Laravel's maintenance page meanwhile, until the older commit is seen to serve
    its pages behind it; where it does not, the page stays, and the next run goes on there. Should nobody end it, the
    host itself does after 20 minutes. With ``maintenance: only`` they see it, and no other commit is checked out.

    Args:
        root: The folder that holds artisan and ``.git``.
        to: The commit to check out, by as many of its digits as tell it from others; without it the newest one that was
            there before and is not marked bad.
        migrations: Which migrations may have come between: ``additive``, or ``any``; with ``back`` they are taken back.
        user: Whom php-fpm and the workers run as.
        owner: Whose the checkout is, where that is neither who logs in nor the application's user; for
            ``sudoers``, which asks no host.
        php: The unit of php-fpm; ``*`` and ``?`` stand for what they do in a shell. No more than one may run.
        needs: What the application needs beside it, if it is on this host; older code does not help where that is down.
        access_log: Where nginx logs the requests to this application, in its usual format.
        began: What has to be known about the beginning of what fails: ``any`` for nothing; with ``with-release``
            nothing is done unless it is seen that requests went well until this commit was there, and fail since.
        maintenance: Whether users see Laravel's maintenance page meanwhile: ``yes`` or ``no``; with ``only`` nothing
            else is done.
        backups: The folder of backups; where migrations are taken back, the age of the newest is said.
        pages: What has to be served behind the maintenance page before users see the application again.
        url: The application's public address; the web server is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.
        again: The command that a person gave; it is said, with what is missing, where an input would help.

    Raises:
        Unplannable: The checkout is root's, it cannot be told which commit, what it needs is gone, files were changed
            by hand, somebody is at work, a migration is in the way, php-fpm could not be reloaded, Octane serves, or
            going back would not help.
    """

    kind = "checkout.rollback"
    rounds = 3  # one more where git keeps its log elsewhere, as in a worktree, and one more with migrations: back
    #: As with a release: older code may write what newer cannot read.
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    divides = True
    noun: ClassVar[str] = "commit"
    meant: ClassVar[str] = "a commit, by some of its digits"

    async def read(self, host: Reader) -> CheckoutSeen:
        cache = self.root / "bootstrap/cache"
        (
            checkout,
            services,
            ((programs, caches, built), (marks, is_held, listening)),
            onset,
            octane,
        ) = await together(
            read_checkout(host, self.root, self.to),
            read_services(host, [self.php, *self.needs], tested=[self.php]),
            together(
                host.ask_all(
                    ReadPrograms(),
                    FindNamed(tuple(cache / f"{name}.php" for name in ("config", "routes", "routes-v7", "events"))),
                    FindNamed((self.root / "public/build/manifest.json",)),
                ),
                read_maintenance(host, self.root),
            ),
            read_onset(host, self.access_log),
            read_octane(host, self.root, self.user),
        )
        seen = CheckoutSeen(
            checkout=checkout,
            caches=caches,
            built=built,
            services=services,
            programs=programs,
            onset=onset,
            maintenance=marks,
            octane=octane,
            is_held=is_held,
            listening=listening,
        )
        difference = checkout.difference
        if difference is None or isinstance(difference, FactError):
            return seen
        names, changed = new_migrations(difference), changed_migrations(difference)
        artisan = Artisan(code=self.root, user=self.user)
        migrations, rollback, _ = await together(
            read_migrations(host, checkout),
            self._read_rollback(host, names if self._is_to_go(checkout) else (), artisan),
            self._ask_ahead(host, seen, names, changed, artisan),
        )
        seen = replace(seen, checkout=replace(checkout, migrations=migrations), rollback=rollback)
        if isinstance(migrations, FactError) or not migrations:
            return seen
        return await self._read_waiting(host, seen, migrations, changed, artisan)

    async def _ask_ahead(
        self, host: Reader, seen: CheckoutSeen, names: Collection[str], changed: Collection[str], artisan: Artisan
    ) -> None:
        """Ask which migrations have run beside what stands in them, where it may come down to that.

        So it takes no round trip of its own: the same question is not asked twice.
        """
        unread = replace(seen, checkout=replace(seen.checkout, migrations=dict.fromkeys(names, "")))
        if self.migrations != "additive" or {*names} <= {*changed} or self._can_plan(unread):
            return
        if self._can_plan(replace(unread, waiting=frozenset(names))):
            await read_waiting(host, (), [artisan])

    def _is_to_go(self, checkout: Checkout) -> bool:
        with suppress(Unplannable):
            return isinstance(self._chosen(checkout), CheckedOut)
        return False

    def _plan(self, seen: CheckoutSeen) -> Plan:
        checkout = seen.checkout
        if checkout.link.target is not None:
            return Plan.nothing(f"{self.root} is a link: no checkout is served in place")
        if checkout.git is None:
            neither = f"{self.root} is neither a link to a release nor a git checkout"
            if self.began == "with-release":
                return Plan.nothing(neither)
            raise Unplannable(neither)
        if self.maintenance == "only":
            return self._only_the_page(seen, self._served_as(checkout.current, checkout.git))
        self._refuse_while_a_need_is_down(seen)
        if checkout.unfinished is not None and (self.to is None or checkout.current.commit.startswith(self.to)):
            return self._finish(seen, checkout.git)
        if innocent := self._why_innocent(seen):
            return Plan.nothing(innocent)
        self._refuse_what_is_roots(checkout)
        bad = checkout.current
        chosen = "" if self._was_served_since(seen, bad.since) else self._chosen(checkout)
        if isinstance(chosen, str):
            self._refuse_what_was_changed(checkout)  # it may be what a checkout left that stopped half-way
            return self._unless_held(seen, bad.commit[:12], chosen)
        way = self._way(seen, checkout.git, chosen)
        self._refuse_unless_it_would_help(seen, way)
        self._refuse_what_stands_in_the_way(checkout)
        difference = checkout.difference
        if isinstance(difference, FactError) or difference is None:
            raise Unplannable(f"in what {way.bad} and {way.older} differ cannot be told: {difference}")
        self._refuse_what_is_not_whole(seen, difference, chosen)
        found = checkout.migrations if checkout.migrations is not None else {}
        names = new_migrations(difference)
        return self._go(seen, way, found, names, changed_migrations(difference))

    def _finish(self, seen: CheckoutSeen, git: FileStat) -> Plan:
        """Return what is left of a way back that was not finished, though the older commit is served.

        Raises:
            Unplannable: From which commit it was is not known any more, or something stands in the way.
        """
        self._refuse_what_stands_in_the_way(seen.checkout)
        now, bad = seen.checkout.current, seen.checkout.left
        if bad is None:
            raise Unplannable(
                f"a way back to commit {now.commit[:12]} was not finished, and from which one is not known any more: "
                f"php-fpm and workers may run it still. Once they were restarted: rm {seen.checkout.unfinished_at}"
            )
        way = replace(
            self._way(seen, git, now),
            bad=bad.commit[:12],
            there=(
                self.root,
                now.commit,
                now.commit,
                git.identity,
                bad.commit,
                cached(file.path.name for file in seen.caches),
            ),
            summary=f"let php-fpm and workers follow to commit {now.commit[:12]}",
        )
        return self._follow(seen, way)

    def _chosen(self, checkout: Checkout) -> CheckedOut | str:
        """Return the commit to check out; why there is nothing to do where there is not.

        Raises:
            Unplannable: It cannot be told which one.
        """
        current, chosen = checkout.current, checkout.chosen(self.to)
        if chosen is not None and chosen.commit == current.commit:
            return f"commit {current.commit[:12]} is served"
        good = ", ".join(one.commit[:12] for one in checkout.before if one.commit not in checkout.bad) or "none"
        if self.to is not None:
            if chosen is None:
                raise Unplannable(
                    f"{self.to[:64]} is no commit that was checked out here; earlier ones that are not marked bad: "
                    f"{good}"
                )
            if chosen.commit in checkout.bad:
                raise Unplannable(
                    f"commit {chosen.commit[:12]} is marked bad: somebody went back from it. If that is over, as "
                    f"{checkout.git.owner if checkout.git else 'its owner'}: git -C {self.root} update-ref -d "
                    f"refs/soleil-remediate/bad/{chosen.commit}"
                )
            return chosen
        served = [one.commit for one in checkout.history]
        last = next((commit for commit in served if commit != current.commit), "")
        # One that was never there before the bad one came after it: nobody went back to it.
        was_there = last in checkout.bad and current.commit in served[served.index(last) :]
        if was_there and current.commit not in checkout.bad:
            older = chosen.commit[:12] if chosen is not None else None
            return self._as_far_back(current.commit[:12], [last[:12]], older)
        if chosen is None:
            raise Unplannable(f"no commit was checked out here before {current.commit[:12]} that is not marked bad")
        return chosen

    def _refuse_what_is_roots(self, checkout: Checkout) -> None:
        """Refuse where git would have to run as root.

        Raises:
            Unplannable: It would.
        """
        if checkout.is_roots:
            git = f"git -C {self.root}"
            raise Unplannable(
                f"{self.root}/.git belongs to root: git would run as root whatever its hooks and its configuration "
                "name, so it was not asked, and which commit was there before is not known. To give what is root's "
                f"there to the user who releases: chown -R --from=root {self.owner or 'USER'} {self.root}; then run "
                f"this again. By hand: {git} reflog, then {git} checkout --detach COMMIT"
            )

    def _refuse_what_stands_in_the_way(self, checkout: Checkout) -> None:
        """Refuse where somebody works in the checkout, or did.

        Raises:
            Unplannable: Somebody does, or changed files.
        """
        if checkout.lock is not None:
            raise Unplannable(
                f"somebody is at work in {self.root} since {as_text(checkout.lock.modified)} UTC, or left "
                f"{checkout.lock.path} behind. If nobody is: rm {checkout.lock.path}"
            )
        self._refuse_what_was_changed(checkout)

    def _refuse_what_was_changed(self, checkout: Checkout) -> None:
        """Refuse where files are not as the commit has them.

        Raises:
            Unplannable: Some are not.
        """
        if checkout.dirt:
            more = f" and {len(checkout.dirt) - 3} more" if len(checkout.dirt) > 3 else ""
            raise Unplannable(
                f"files in {self.root} were changed and not committed: {', '.join(checkout.dirt[:3])}{more}. Whoever "
                "did it decides what becomes of them; to put them aside, as the checkout's owner: git stash"
            )

    def _refuse_what_is_not_whole(self, seen: CheckoutSeen, difference: Mapping[str, str], chosen: CheckedOut) -> None:
        """Refuse where the older commit needs what composer or npm brought for it, and that is gone.

        Raises:
            Unplannable: It is.
        """
        there = {"vendor/autoload.php", *("public/build/manifest.json" for _ in seen.built)}
        for product, pattern, what, command in _BELONGS:
            changed = next((name for name in difference if pattern.fullmatch(name)), None)
            if product in there and product not in seen.checkout.tracked and changed is not None:
                raise Unplannable(
                    f"commit {chosen.commit[:12]} needs other files of {what} than those that are there ({changed} "
                    f"differs), and its own are gone. By hand, as the checkout's owner: git checkout --detach "
                    f"{chosen.commit[:12]} && {command}"
                )

    def _served_as(self, current: CheckedOut, git: FileStat) -> Served:
        return Served(at=self.root, now=current.commit, owner=git.owner)

    def _way(self, seen: CheckoutSeen, git: FileStat, chosen: CheckedOut) -> WayBack:
        bad, caches = seen.checkout.current, cached(file.path.name for file in seen.caches)
        return WayBack(
            bad=bad.commit[:12],
            since=bad.since,
            older=chosen.commit[:12],
            served=self._served_as(bad, git),
            folder=None,
            script=CHECK_OUT,
            there=(self.root, chosen.commit, bad.commit, git.identity, bad.commit, caches),
            back=(self.root, bad.commit, chosen.commit, git.identity, "", caches),
            summary=f"check out commit {chosen.commit[:12]} instead of {bad.commit[:12]}",
            undone="checked out again, without a branch",
            by_hand=f"as {git.owner}: git -C {self.root} checkout --detach {chosen.commit[:12]}",
            keeps="every commit and branch",
            downtime="requests may fail while files are replaced, and when php-fpm is reloaded",
        )
