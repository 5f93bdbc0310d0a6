"""Repair an application that is served from a git checkout in place, by checking out an older commit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.checkouts import CheckedOut, Checkout, new_migrations, read_checkout
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.maintenance import read_maintenance
from soleil_remediate.facts.migrations import Effect
from soleil_remediate.facts.octane import Octane, read_octane
from soleil_remediate.facts.onsets import Onset, read_onset
from soleil_remediate.facts.services import Services, Unit, configuration_test, read_services
from soleil_remediate.facts.together import together
from soleil_remediate.facts.workers import Program, ReadPrograms
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.tasks.going_back import (
    CACHES,
    DEADLINE,
    PATIENCE,
    GoBack,
    cli_of,
    migrations_between,
    php_of,
    refuse_unless_it_would_help,
    refuse_where_octane_serves,
    shortened,
    why_innocent,
)
from soleil_remediate.tasks.maintenance import Served
from soleil_remediate.tasks.switching import CHECK_OUT

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
class CheckoutSeen:
    """What decides about going back.

    Args:
        caches: What artisan has cached.
        built: Whether there is anything that was built for the browser.
        services: The units of php-fpm.
        programs: What supervisor keeps running.
        onset: Since when requests fail.
        maintenance: The file by which Laravel is in maintenance mode; empty where it is not.
        octane: The Octane that serves the application; ``None`` where none does.
        is_held: It is in maintenance mode since a run of this program put it there.
        listening: The TCP ports on which something on the host listens.
    """

    checkout: Checkout
    caches: tuple[FileStat, ...]
    built: tuple[FileStat, ...]
    services: Services
    programs: tuple[Program, ...]
    onset: Onset | FactError
    maintenance: tuple[FileStat, ...] = ()
    octane: Octane | None = None
    is_held: bool = False
    listening: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class RollBackCheckout(GoBack[CheckoutSeen]):
    """Check out an older commit where an application is served from a git checkout in place, and never that one again.

    Which commit was there before is read from git's own log of the checkout; one that was passed through within a
    minute does not count. It is chosen and named while planning, and immediately before it is checked out the host
    compares again which one is there. git runs as the one whom the checkout belongs to, never as root; nothing is
    fetched, no hook is run, no branch is moved. The bad commit is marked first, so that a second run does not go back
    once more. Then artisan builds its caches anew, as the application's user, php-fpm is reloaded, once its
    configuration has passed its test, and workers are asked to end after their job; both are waited for until nothing
    runs that was started before.

    Files of two commits lie beside each other for a moment. What composer and npm brought is there once: where the two
    commits need it otherwise and git does not keep it, nothing is done. Nor is it where somebody changed a file and did
    not commit it, with which it holds; where requests are seen to fail since before the commit was there; nor in
    maintenance mode; nor where Laravel Octane serves, which has the code in memory. The database stays as it is.

    Where a person asks for it, users see Laravel's maintenance page meanwhile, until the older commit is seen to serve
    its pages behind it; where it does not, the page stays, and the next run goes on there. Should nobody end it, the
    host itself does after 20 minutes.

    Args:
        root: The folder that holds artisan and ``.git``.
        to: The commit to check out, by as many of its digits as tell it from others; without it the newest one that was
            there before and is not marked bad.
        migrations: Which migrations may have come between: ``additive``, or ``any``.
        user: Whom php-fpm and the workers run as.
        php: The unit of php-fpm; ``*`` and ``?`` stand for what they do in a shell. No more than one may run.
        needs: What the application needs beside it, if it is on this host; older code does not help where that is down.
        access_log: Where nginx logs the requests to this application, in its usual format.
        began: What has to be known about the beginning of what fails: ``any`` for nothing; with ``with-release``
            nothing is done unless it is seen that requests went well until this commit was there, and fail since.
        maintenance: Whether users see Laravel's maintenance page meanwhile: ``yes`` or ``no``.
        pages: What has to be served behind the maintenance page before users see the application again.
        url: The application's public address; the web server is asked by its name.
        origin: Where the web server listens on the host, if not on the usual ports.
        within: Later is no answer.
        again: The command that a person gave; it is said, with what is missing, where an input would help.

    Raises:
        Unplannable: It cannot be told which commit, what it needs is gone, files were changed by hand, somebody is at
            work, a migration is in the way, php-fpm could not be reloaded, Octane serves, or going back would not help.
    """

    kind = "checkout.rollback"
    rounds = 4
    #: As with a release: older code may write what newer cannot read.
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    divides = True
    names: ClassVar[str] = "COMMIT"
    meant: ClassVar[str] = "a commit, by some of its digits"

    async def read(self, host: Reader) -> CheckoutSeen:
        cache = self.root / "bootstrap/cache"
        checkout, services, ((programs, caches, built), (marks, is_held, listening)), onset, octane = await together(
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
        return CheckoutSeen(
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

    def _plan(self, seen: CheckoutSeen) -> Plan:
        checkout = seen.checkout
        if checkout.link.target is not None:
            return Plan.nothing(f"{self.root} is a link: no checkout is served in place")
        if checkout.git is None:
            neither = f"{self.root} is neither a link to a release nor a git checkout"
            if self.began == "with-release":
                return Plan.nothing(neither)
            raise Unplannable(neither)
        down = [one for one in seen.services.matching(*self.needs) if one.is_wanted and not one.is_running]
        if down:
            causes = "; ".join(f"{one.name} is {one.in_words}" for one in down)
            raise Unplannable(f"going back would not help: {causes}")
        if self.began == "with-release" and (
            innocent := why_innocent(seen.onset, seen.services, self.php, seen.octane)
        ):
            return Plan.nothing(innocent)
        bad = checkout.current
        if self._was_served_since(seen, bad.since):
            self._refuse_what_was_changed(checkout)
            return self._unless_held(seen, f"commit {bad.commit[:12]}", "")
        chosen = self._chosen(checkout)
        if isinstance(chosen, str):
            self._refuse_what_was_changed(checkout)  # it may be what a checkout left that stopped half-way
            return self._unless_held(seen, f"commit {bad.commit[:12]}", chosen)
        if self.to is None:
            refuse_unless_it_would_help(
                seen.onset,
                () if self._is_held(seen) else seen.maintenance,
                bad=f"commit {bad.commit[:12]}",
                since=bad.since,
                began=self.began,
                named=self._with(to=chosen.commit[:12]),
                further=self._with(),
            )
        refuse_where_octane_serves(
            seen.octane,
            bad=f"commit {bad.commit[:12]}",
            by_hand=f"as {checkout.git.owner}: git -C {self.root} checkout --detach {chosen.commit[:12]}",
        )
        self._refuse_what_stands_in_the_way(checkout)
        difference = checkout.difference
        if isinstance(difference, FactError) or difference is None:
            raise Unplannable(f"in what {bad.commit[:12]} and {chosen.commit[:12]} differ cannot be told: {difference}")
        self._refuse_what_is_not_whole(seen, difference, chosen)
        news = migrations_between(
            checkout.migrations if checkout.migrations is not None else {},
            new_migrations(difference),
            older=f"commit {chosen.commit[:12]}",
            allowed=self.migrations,
            told=self._with(to=chosen.commit[:12], migrations="any"),
        )
        unit = php_of(seen.services.matching(self.php), seen.services)
        switch = self._check_out(seen, checkout.git, bad, chosen, unit, news)
        return Plan.of_whole(
            *self._behind_the_page(
                switch,
                seen,
                Served(at=self.root, now=bad.commit, owner=checkout.git.owner),
                older=None,
                what=f"commit {chosen.commit[:12]}",
            ),
            because=f"commit {bad.commit[:12]} is served since {as_text(bad.since)} UTC"
            + (f", and {seen.onset.in_words}" if isinstance(seen.onset, Onset) else ""),
        )

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
            further = f". To go back further: {self._with(to=chosen.commit[:12])}" if chosen is not None else ""
            return (
                f"commit {current.commit[:12]} is served, and {last[:12]} is marked bad: that is as far back as it "
                f"goes by itself{further}"
            )
        if chosen is None:
            raise Unplannable(f"no commit was checked out here before {current.commit[:12]} that is not marked bad")
        return chosen

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

    def _check_out(
        self,
        seen: CheckoutSeen,
        git: FileStat,
        bad: CheckedOut,
        chosen: CheckedOut,
        unit: Unit | None,
        news: Mapping[str, Effect],
    ) -> Change:
        found = [file.path.name for file in seen.caches]
        caches = " ".join(name for name, pattern in CACHES.items() if any(map(pattern.fullmatch, found)))
        workers = self._workers(seen)
        test = configuration_test(unit) if unit is not None else ()
        then_on = (
            git.owner, self.user, cli_of(unit), unit.name if unit is not None else "", PATIENCE, " ".join(workers),
        )  # fmt: skip
        is_safe = all(effect is Effect.ADDITIVE for effect in news.values())
        came = ", ".join(f"{name} ({effect.value})" for name, effect in news.items())
        after = [f"commit {chosen.commit[:12]}", f"{bad.commit[:12]} marked bad"]
        if unit is not None:
            after.append(f"{unit.name} reloaded")
        after.append(" ".join(["workers restarted", *(f"({name})" for name in workers)]))
        return Change(
            summary=f"check out commit {chosen.commit[:12]} instead of {bad.commit[:12]}",
            command=Command(
                CHECK_OUT.bind(self.root, chosen.commit, bad.commit, git.identity, bad.commit, caches, *then_on, *test),
                deadline=DEADLINE,
            ),
            risk=Risk.DISRUPTIVE if is_safe else Risk.DESTRUCTIVE,
            undo=Undo.by(
                Command(
                    CHECK_OUT.bind(self.root, bad.commit, chosen.commit, git.identity, "", caches, *then_on, *test),
                    deadline=DEADLINE,
                ),
                f"commit {bad.commit[:12]} is checked out again, without a branch; it stays marked bad",
            ),
            before=f"commit {bad.commit[:12]}",
            after="; ".join(after),
            loses="nothing" if is_safe else f"what older code cannot keep right in a database with {shortened(came)}",
            keeps=f"the database as it is{f', with {shortened(came)}' if came else ''}; every commit and branch",
            downtime="requests may fail while files are replaced, and when php-fpm is reloaded",
            uses=self._uses(git.owner, unit, test, workers),
        )
