"""What decides whether older code may be served instead, whichever way it is laid out."""

from __future__ import annotations

import re
import shlex
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar, TypeVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.facts.migrations import Effect, effect_of, is_all_or_nothing
from soleil_remediate.facts.onsets import ACCESS_LOG, Blame, Onset
from soleil_remediate.facts.releases import is_release_name
from soleil_remediate.facts.rollbacks import Artisan, Rollback, read_rollback, read_waiting
from soleil_remediate.facts.services import Services, Unit, configuration_test, refuse_unless_unit
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import SUPERVISORCTL, Right, Use, to_act_on
from soleil_remediate.task import Task
from soleil_remediate.tasks.maintenance import MaintenancePage, Served
from soleil_remediate.tasks.taking_back import MigrationsBack
from soleil_remediate.tasks.ways_back import GoingBackSeen, WayBack
from soleil_remediate.units import Duration

Seen = TypeVar("Seen", bound=GoingBackSeen)

#: The name of a user, as an inventory may have it.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?")
#: What a person may have given beside the release, by the names of the inputs.
_KEPT = ("migrations", "maintenance", "owner", "php", "access_log", "within")
#: What some of them may be.
_CHOICES = (
    ("migrations", "additive, any or back"),
    ("began", "any or with-release"),
    ("maintenance", "no, yes or only"),
)
#: So long a worker may go on with the job that it has.
_PATIENCE = Duration(120)
#: Caches are built, php-fpm is watched, workers are waited for.
_DEADLINE = Duration(600)


@dataclass(frozen=True, kw_only=True)
class GoBack(Task[Seen]):
    """What is asked for and said alike, whichever way the code is laid out."""

    #: What people call that which is served, and what *to* has to be.
    noun: ClassVar[str]
    meant: ClassVar[str]

    root: PurePosixPath
    to: str | None = None
    migrations: str = "additive"
    user: str = "www-data"
    owner: str | None = None
    php: str = "php*-fpm.service"
    needs: tuple[str, ...] = ()
    access_log: PurePosixPath = ACCESS_LOG
    began: str = "any"
    maintenance: str = "no"
    backups: PurePosixPath | None = None
    pages: tuple[str, ...] = ()
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)
    again: str = ""

    def __post_init__(self) -> None:
        if not self.root.is_absolute() or ".." in self.root.parts or len(self.root.parts) < 3:
            raise ValueError(f"{self.root} must be absolute, and name what is served: a link, or a checkout")
        if self.to is not None and not is_release_name(self.to):
            raise ValueError(f"{self.to[:80]!r} must be {self.meant}")
        for name, allowed in _CHOICES:
            if (given := getattr(self, name)) not in re.split(" or |, ", allowed):
                raise ValueError(f"{name} must be {allowed}, not {given[:80]!r}")
        for name, asked in (("maintenance", "yes"), ("maintenance", "only"), ("migrations", "back")):
            if getattr(self, name) == asked and not self.pages:
                raise ValueError(f"{name} needs pages: what has to be served before users see the application again")
        if self.backups is not None:
            refuse_unless_absolute(self.backups)
        for page in self.pages:
            refuse_unless_askable(page, self.url, self.origin)
        if self.owner is not None and (self.owner == "root" or not _USER.fullmatch(self.owner)):
            raise ValueError(
                f"owner must be the name of a user other than root, whose rights are all there are, not "
                f"{self.owner[:80]!r}"
            )
        refuse_unless_absolute(self.access_log)
        refuse_unless_unit(self.php, *self.needs)

    def rights(self) -> tuple[Right, ...] | None:
        if self.maintenance != "no" or self.migrations == "back":  # the timer that ends the page is root's
            return None
        programs = Right(
            "root", SUPERVISORCTL, r"(status NAME:\*|start NAME:NAME)".replace("NAME", "[0-9A-Za-z_][0-9A-Za-z_.-]*")
        )
        owner = () if self.owner is None else (Right(self.owner),)
        return (Right(self.user), *owner, *to_act_on(self.php, "reload"), programs)

    def plan(self, seen: Seen) -> Plan:
        try:
            return self._plan(seen)
        except Unplannable as error:
            if not self._is_held(seen):
                raise
            raise Unplannable(
                f"{error}. Users see the maintenance page that was put up here; to end it, as {self.user}: "
                f"cd {self.root} && php artisan up"
            ) from None

    @abstractmethod
    def _plan(self, seen: Seen) -> Plan:
        """Plan what :meth:`plan` does; that users still see a page that was put up here is added there."""

    def _refuse_while_a_need_is_down(self, seen: Seen) -> None:
        """Refuse where older code would not help either.

        Raises:
            Unplannable: Something that the application needs is down.
        """
        down = [one for one in seen.services.matching(*self.needs) if one.is_wanted and not one.is_running]
        if down:
            causes = "; ".join(f"{one.name} is {one.in_words}" for one in down)
            raise Unplannable(f"going back would not help: {causes}")

    def _why_innocent(self, seen: Seen) -> str:
        """Return why no release can be what is wrong, where that has to be known; empty where one can."""
        if self.began != "with-release":
            return ""
        if seen.octane is None and not any(unit.is_running for unit in seen.services.matching(self.php)):
            return f"no {self.php} is running: no release is served"
        if isinstance(seen.onset, Onset) and seen.onset.since is None:
            return seen.onset.in_words
        return ""

    def _refuse_unless_it_would_help(self, seen: Seen, way: WayBack) -> None:
        """Refuse where what is served is not to blame and nobody named another, or where Octane has it in memory.

        Raises:
            Unplannable: It would not help, or whether it would has to be known and is not.
        """
        if self.to is None:
            self._refuse_unless_to_blame(seen, way)
        if seen.octane is not None:  # what is served would be the same after files were switched
            raise Unplannable(
                f"Octane (process {seen.octane.pid}) serves the application and has {self.noun} {way.bad} in memory: "
                f"nothing here lets it follow. By hand: {way.by_hand}; then start Octane anew, by what keeps it "
                f"running: systemctl status {seen.octane.pid}"
            )

    def _refuse_unless_to_blame(self, seen: Seen, way: WayBack) -> None:
        bad, named = f"{self.noun} {way.bad}", self._with(to=way.older)
        if seen.maintenance and not self._is_held(seen):
            mark = seen.maintenance[0]
            raise Unplannable(
                f"the application is in maintenance mode since {as_text(mark.modified)} UTC, by {mark.path}: going "
                f"back would not end it. If {bad} is bad all the same: {named}"
            )
        served, has_to_be_known = self._served_since(way), self.began == "with-release"
        if isinstance(seen.onset, FactError):
            if has_to_be_known:
                raise Unplannable(f"{served}; whether it is to blame cannot be seen ({seen.onset}). If it is: {named}")
            return
        match seen.onset.blames(way.since):
            case Blame.BEFORE:
                raise Unplannable(
                    f"going back from {bad} would not help: {seen.onset.in_words}, and {served}. If an older one "
                    f"would: {self._with()}"
                )
            case Blame.LATER if has_to_be_known:
                raise Unplannable(
                    f"{served} and went well: {seen.onset.in_words}. If it is to blame all the same: {named}"
                )
            case Blame.UNKNOWN if has_to_be_known:
                raise Unplannable(f"{served}; {seen.onset.in_words}. If it is to blame: {named}")
            case _:
                pass

    async def _read_rollback(self, host: Reader, names: Collection[str], *places: Artisan) -> Rollback | None:
        """Ask how the migrations *names* would be taken back; nothing where nobody wants that, or the page alone."""
        if self.migrations != "back" or self.maintenance == "only" or not names:
            return None
        return await read_rollback(host, [_stem(name) for name in sorted(names)], places, self.backups)

    async def _read_waiting(
        self, host: Reader, seen: Seen, found: Mapping[str, str], changed: Collection[str], *places: Artisan
    ) -> Seen:
        """Ask which migrations have not run, where they alone are in the way; one round trip then, and none else."""
        names = _that_may_wait(found, changed)
        if not names or self._can_plan(seen) or not self._can_plan(replace(seen, waiting=names)):
            return seen
        waiting = await read_waiting(host, [_stem(name) for name in names], places)
        return replace(seen, waiting=frozenset(name for name in names if _stem(name) in waiting))

    def _can_plan(self, seen: Seen) -> bool:
        with suppress(Unplannable):
            self._plan(seen)
            return True
        return False

    def _go(
        self,
        seen: Seen,
        way: WayBack,
        found: Mapping[str, str] | FactError,
        names: Collection[str],
        changed: Collection[str] = (),
    ) -> Plan:
        """Return the plan that goes the whole way.

        Args:
            seen: What the task read.
            way: What is possible, and would help.
            found: What stands in the migrations that came with the newer code, by file name.
            names: Their names, should that not be known.
            changed: Those of them that the older code has as well, but otherwise.

        Raises:
            Unplannable: A migration may be in the way of older code, what is served is not whose it was said to be, or
                php-fpm could not be reloaded.
        """
        if self.owner not in {None, way.served.owner}:
            raise Unplannable(
                f"what is served belongs to {way.served.owner}, not to {self.owner}: say owner={way.served.owner}, or "
                "leave it out"
            )
        because = self._served_since(way) + (f", and {seen.onset.in_words}" if isinstance(seen.onset, Onset) else "")
        back = self._migrations_back(seen, way, found, names, changed)
        news = self._migrations_between(seen, way, found, names, changed) if back is None else back.stay
        before = None
        if back is not None:
            before = back.change(self._page(seen), way.served)
            because += back.besides
        elif seen.waiting:
            many = "1 migration" if len(seen.waiting) == 1 else f"{len(seen.waiting)} migrations"
            because += f". {many} between them never ran, artisan says: {_cut(', '.join(sorted(seen.waiting)))}"
        switch = self._switch(seen, way, news, _php_of(seen.services.matching(self.php), seen.services))
        return Plan.of_whole(*self._behind_the_page(switch, seen, way, before), because=because)

    def _migrations_back(
        self,
        seen: Seen,
        way: WayBack,
        found: Mapping[str, str] | FactError,
        names: Collection[str],
        changed: Collection[str],
    ) -> MigrationsBack | None:
        """Return what is to be taken back; ``None`` where nothing came with the newer code, or nobody wants it to be.

        Raises:
            Unplannable: Which of two migrations of one name has run cannot be told.
        """
        if seen.rollback is None:
            return None
        otherwise = (
            f"If the code of {self.noun} {way.older} can go on with the database as it is: "
            f"{self._with(to=way.older, migrations='any')}"
        )
        if changed:
            raise Unplannable(
                f"{self.noun} {way.older} has {', '.join(sorted(changed))} otherwise: which of the two has run cannot "
                f"be told. {otherwise}"
            )
        judged = {} if isinstance(found, FactError) else _judged(found)
        return MigrationsBack(
            rollback=seen.rollback,
            effects={_stem(name): judged.get(name, Effect.UNKNOWN) for name in sorted(names)},
            bad=f"{self.noun} {way.bad}",
            folder=self.backups,
            otherwise=otherwise,
        )

    def _served_since(self, way: WayBack) -> str:
        return f"{self.noun} {way.bad} is served since {as_text(way.since)} UTC"

    def _migrations_between(
        self,
        seen: Seen,
        way: WayBack,
        found: Mapping[str, str] | FactError,
        names: Collection[str],
        changed: Collection[str],
    ) -> Mapping[str, Effect]:
        """Return what came with the newer code and may have run, and how it is judged."""
        older = f"{self.noun} {way.older}"
        told, back = (self._with(to=way.older, migrations=one) for one in ("any", "back"))
        if isinstance(found, FactError):
            if self.migrations == "any":
                return dict.fromkeys(sorted(names), Effect.UNKNOWN)
            raise Unplannable(
                f"the migrations that came after {older} cannot be read ({found}). If its code can go on with them: "
                f"{told}"
            )
        judged = {name: effect for name, effect in _judged(found).items() if name not in seen.waiting}
        others = {name: effect for name, effect in judged.items() if effect is not Effect.ADDITIVE}
        if others and self.migrations != "any":
            raise Unplannable(
                f"{older} does not know what came after it: {_in_words(others)}. If its code can go on with that: "
                f"{told}" + (f". To see what taking it back would do: {back}" if not changed else "")
            )
        return judged

    def _switch(self, seen: Seen, way: WayBack, news: Mapping[str, Effect], unit: Unit | None) -> Change:
        owner, name = way.served.owner, unit.name if unit is not None else ""
        workers = self._workers(seen)
        test = configuration_test(unit) if unit is not None else ()
        follow = (owner, self.user, _cli_of(unit), name, _PATIENCE, " ".join(workers))
        waiting = " ".join(map(_stem, sorted(seen.waiting)))
        is_safe = all(effect is Effect.ADDITIVE for effect in news.values())
        came = _cut(_in_words(news))
        loses = "nothing" if is_safe else f"what older code cannot keep right in a database with {came}"
        if (
            seen.waiting
        ):  # Laravel notes a migration once it is done, and only processes of this host are looked through
            is_safe = False
            loses = f"nothing, unless one runs on another host just now: {_cut(', '.join(sorted(seen.waiting)))}"
        after = (
            f"{self.noun} {way.older}",
            f"{way.bad} marked bad",
            *([f"{name} reloaded"] if name else []),
            " ".join(["workers restarted", *(f"({worker})" for worker in workers)]),
        )
        return Change(
            summary=way.summary,
            command=Command(way.script.bind(*way.there, *follow, waiting, *test), deadline=_DEADLINE),
            risk=Risk.DISRUPTIVE if is_safe else Risk.DESTRUCTIVE,
            undo=Undo.by(
                Command(way.script.bind(*way.back, *follow, "", *test), deadline=_DEADLINE),
                f"{self.noun} {way.bad} is {way.undone}; it stays marked bad",
            ),
            before=f"{self.noun} {way.bad}",
            after="; ".join(after),
            loses=loses,
            keeps=f"the database as it is{f', with {came}' if came else ''}; {way.keeps}",
            downtime=way.downtime,
            uses=self._uses(owner, unit, test, workers),
        )

    def _follow(self, seen: Seen, way: WayBack) -> Plan:
        """Return the plan that lets follow what a switch left behind that was cut off, and ends its page."""
        switch = self._switch(seen, way, {}, _php_of(seen.services.matching(self.php), seen.services))
        follow = replace(
            switch,
            undo=Undo.none(f"what runs {way.bad} ends for good"),
            before=f"{self.noun} {way.older}, and what may run {way.bad} still",
        )
        page = (self._page(seen).take_down(f"{self.noun} {way.older}"),) if self._is_held(seen) else ()
        because = (
            f"a way back from {self.noun} {way.bad} was not finished: {way.older} is served, and what ran before may "
            "run still"
        )
        return Plan.of_whole(follow, *page, because=because)

    def _behind_the_page(
        self, switch: Change, seen: Seen, way: WayBack, before: Change | None = None
    ) -> tuple[Change, ...]:
        """Return the switch, and what shows users the maintenance page meanwhile where that is asked for.

        Args:
            before: What is done before it, and only behind the page.
        """
        is_held = self._is_held(seen)
        # What fails behind the page must not let users see what was gone back from.
        for_good = replace(switch, undo=Undo.none("users would see again what was gone back from"))
        first = () if before is None else (before,)
        if not is_held and seen.maintenance:  # whoever else put it there ends it
            return (*first, for_good) if first else (switch,)
        if not (is_held or first or self.maintenance == "yes"):
            return (switch,)
        page = self._page(seen)
        # Where an earlier run may have taken something back, nothing may end its page but an answer behind it.
        is_to_stay = is_held and self.migrations == "back"
        until = "migrations are taken back" if first else ""
        begin = () if is_to_stay else (replace(page, until=until).put_up(way.served, way.folder),)
        return *begin, *first, for_good, page.take_down(f"{self.noun} {way.older}")

    def _uses(self, owner: str, unit: Unit | None, test: tuple[str, ...], workers: tuple[str, ...]) -> tuple[Use, ...]:
        """Return what the switch does as somebody else, as far as that can be told before."""
        words: list[tuple[str, ...]] = [("supervisorctl", "status", f"{name}:*") for name in workers]
        if unit is not None:
            words += [("systemctl", "reload", "--", unit.name), test]
        told_by = "" if owner == self.user else "owner"
        return (Use(user=self.user), Use(user=owner, told_by=told_by), *(Use(each) for each in words if each))

    def _unless_held(self, seen: Seen, name: str, why: str) -> Plan:
        """Return that nothing is to do, unless users still see the maintenance page that was put up here."""
        if not self._is_held(seen):
            return Plan.nothing(why)
        served = f"{self.noun} {name}"
        return Plan.of(
            self._page(seen).take_down(served),
            because=f"users see the maintenance page until {served} answers behind it",
        )

    def _only_the_page(self, seen: Seen, served: Served, other: PurePosixPath | None = None) -> Plan:
        """Return that users see the maintenance page instead of what is served, and nothing else.

        Args:
            other: A release whose artisan may put it up where that of what is served does not start.
        """
        if seen.maintenance:
            mark = seen.maintenance[0]
            return Plan.nothing(f"users see a maintenance page since {as_text(mark.modified)} UTC, by {mark.path}")
        page = self._page(seen).put_up(served, other, is_to_serve=False)
        return Plan.of(page, because="nothing but the maintenance page was asked for")

    def _is_held(self, seen: Seen) -> bool:
        return seen.is_held and bool(self.pages)

    def _as_far_back(self, served: str, bad: Sequence[str], older: str | None) -> str:
        """Return why nothing is to do where somebody went back already, and what a person types to go on to *older*."""
        further = ""
        if self.pages:
            further = f". For users to see the maintenance page meanwhile: {self._typed(maintenance='only')}"
        if older is not None:
            further += f". To go back further: {self._with(to=older)}"
        return (
            f"{self.noun} {served} is served, and {' and '.join(bad)} {'is' if len(bad) == 1 else 'are'} marked bad: "
            f"that is as far back as it goes by itself{further}"
        )

    def _was_served_since(self, seen: Seen, since: int) -> bool:
        """Whether what is served came after the page: it is what users are to see, whoever brought it."""
        return self._is_held(seen) and all(since > mark.modified for mark in seen.maintenance)

    def _page(self, seen: Seen) -> MaintenancePage:
        running = (unit for unit in seen.services.matching(self.php) if unit.is_running)
        return MaintenancePage(
            root=self.root,
            user=self.user,
            php=_cli_of(next(running, None)),
            pages=self.pages,
            url=self.url,
            origin=self.origin,
            within=self.within,
            listening=seen.listening,
            programs=self._workers(seen),
        )

    def _workers(self, seen: Seen) -> tuple[str, ...]:
        """The names of those programs that supervisor keeps running for this application."""
        return tuple(program.name for program in seen.programs if program.is_of(self._application))

    @property
    def _application(self) -> PurePosixPath:
        """The folder in which all of the application lies."""
        return self.root

    def _with(self, **inputs: str) -> str:
        """Return what a person types to go on, with whatever else was given that is not the default."""
        return self._typed(**{"to": self.to or self.noun.upper(), **inputs})

    def _typed(self, **given: str) -> str:
        """Return what a person types to give those inputs, in place of what was given, and the others again."""
        for name in _KEPT:
            value = getattr(self, name)
            if value != getattr(GoBack, name):
                given.setdefault(name, value.written if isinstance(value, Duration) else str(value))
        sets = (shlex.join(("--set", f"{name}={value}")) for name, value in given.items())
        return f"`{' '.join((self.again, *sets))}`" if self.again else " ".join(("with", *sets))


def _judged(found: Mapping[str, str]) -> dict[str, Effect]:
    return {name: effect_of(text) for name, text in found.items()}


def _that_may_wait(found: Mapping[str, str], changed: Collection[str]) -> frozenset[str]:
    """Return those of which it can be told that they have not run; none where others would be in the way all the same.

    Of two of one name nobody can tell which was run.
    """
    names = {
        name: effect is Effect.ADDITIVE or (name not in changed and is_all_or_nothing(found[name]))
        for name, effect in _judged(found).items()
    }
    return frozenset(names) if all(names.values()) else frozenset()


def _cut(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:199]}…"


def _stem(name: str) -> str:
    """Return what Laravel calls the migration in a file."""
    return name.removesuffix(".php")


def _in_words(news: Mapping[str, Effect]) -> str:
    return ", ".join(f"{name} ({effect.value})" for name, effect in news.items())


def _cli_of(unit: Unit | None) -> str:
    """Return the name of PHP for the command line that belongs to a unit."""
    version = re.match(r"php[0-9]+[.][0-9]+(?=-fpm)", unit.name) if unit is not None else None
    return version[0] if version else "php"


def _php_of(found: Iterable[Unit], services: Services) -> Unit | None:
    """Return the php-fpm that runs, of those that were *found*; ``None`` where none does, and so none has old code.

    Raises:
        Unplannable: Several do, or it could not be reloaded.
    """
    running = [unit for unit in found if unit.is_running]
    if len(running) > 1:
        raise Unplannable(f"{' and '.join(unit.name for unit in running)} run: name the one that is meant as php")
    if not running:
        return None
    (unit,) = running
    match services.tests.get(unit.name):
        case FactError() as error:
            raise Unplannable(f"whether {unit.name} could be reloaded cannot be known: {error}")
        case None:
            raise Unplannable(f"nobody knows how {unit.name} tests its configuration")
        case test if not test.is_good:
            raise Unplannable(f"{unit.name} could not be reloaded with its configuration: {test.says}")
    return unit
