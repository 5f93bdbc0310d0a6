"""What decides whether older code may be served instead, whichever way it is laid out."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, ClassVar, TypeVar

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.facts.migrations import Effect, effect_of
from soleil_remediate.facts.octane import Octane
from soleil_remediate.facts.onsets import ACCESS_LOG, Blame, Onset
from soleil_remediate.facts.releases import is_release_name
from soleil_remediate.facts.services import Services, Unit, refuse_unless_unit
from soleil_remediate.plan import Change, Plan, Undo
from soleil_remediate.rights import SUPERVISORCTL, Right, Use, to_act_on
from soleil_remediate.task import Task
from soleil_remediate.tasks.maintenance import MaintenancePage, Served
from soleil_remediate.units import Duration

Seen = TypeVar("Seen")

#: So long a worker may go on with the job that it has.
PATIENCE = Duration(120)
#: Caches are built, php-fpm is watched, workers are waited for.
DEADLINE = Duration(600)

#: What artisan builds into a release, by the command that does it. What neither release has is not built either: a
#: cached configuration hides the environment from code that asks for it outside of the configuration.
CACHES = {
    "config": re.compile(r"config[.]php"),
    "route": re.compile(r"routes(-v7)?[.]php"),
    "event": re.compile(r"events[.]php"),
}


@dataclass(frozen=True, kw_only=True)
class GoBack(Task[Seen]):
    """What is asked for and said alike, whichever way the code is laid out."""

    #: What stands for what is served in a command to complete, and what *to* has to be.
    names: ClassVar[str]
    meant: ClassVar[str]

    root: PurePosixPath
    to: str | None = None
    migrations: str = "additive"
    user: str = "www-data"
    php: str = "php*-fpm.service"
    needs: tuple[str, ...] = ()
    access_log: PurePosixPath = ACCESS_LOG
    began: str = "any"
    maintenance: str = "no"
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
        for name, allowed in (("migrations", "additive or any"), ("began", "any or with-release")):
            if (given := getattr(self, name)) not in allowed.split(" or "):
                raise ValueError(f"{name} must be {allowed}, not {given[:80]!r}")
        if self.maintenance not in {"no", "yes"}:
            raise ValueError(f"maintenance must be no or yes, not {self.maintenance[:80]!r}")
        if self.maintenance == "yes" and not self.pages:
            raise ValueError("maintenance needs pages: what has to be served before users see the application again")
        for page in self.pages:
            refuse_unless_askable(page, self.url, self.origin)
        if not self.access_log.is_absolute() or ".." in self.access_log.parts:
            raise ValueError(f"{self.access_log} must be absolute")
        refuse_unless_unit(self.php, *self.needs)

    def rights(self) -> tuple[Right, ...] | None:
        if self.maintenance == "yes":  # the timer that ends it is root's
            return None
        programs = Right(
            "root", SUPERVISORCTL, r"(status NAME:\*|start NAME:NAME)".replace("NAME", "[0-9A-Za-z_][0-9A-Za-z_.-]*")
        )
        return (Right(self.user), *to_act_on(self.php, "reload"), programs)

    def plan(self, seen: Any) -> Plan:
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
    def _plan(self, seen: Any) -> Plan:
        """Plan what :meth:`plan` does; that users still see a page that was put up here is added there."""

    def _behind_the_page(
        self, switch: Change, seen: Any, served: Served, *, older: PurePosixPath | None, what: str
    ) -> tuple[Change, ...]:
        """Return the switch, and what shows users the maintenance page meanwhile where that is asked for.

        Args:
            switch: What lets other code be served.
            seen: What the task read.
            served: What is served now.
            older: The release that will be served; ``None`` where it is checked out in place.
            what: The same for people, such as ``release 41``.
        """
        is_held = self._is_held(seen)
        if not is_held and (self.maintenance == "no" or seen.maintenance):  # whoever else put it there ends it
            return (switch,)
        page = self._page(seen)
        # What fails behind the page must not let users see what was gone back from.
        for_good = replace(switch, undo=Undo.none("users would see again what was gone back from"))
        return page.put_up(served, older), for_good, page.take_down(what)

    def _uses(self, owner: str, unit: Unit | None, test: tuple[str, ...], workers: tuple[str, ...]) -> tuple[Use, ...]:
        """Return what the switch does as somebody else, as far as that can be told before."""
        words: list[tuple[str, ...]] = [("supervisorctl", "status", f"{name}:*") for name in workers]
        if unit is not None:
            words += [("systemctl", "reload", "--", unit.name), test]
        return (Use(user=self.user), Use(user=owner), *(Use(each) for each in words if each))

    def _unless_held(self, seen: Any, served: str, why: str) -> Plan:
        """Return that nothing is to do, unless users still see the maintenance page that was put up here."""
        if not self._is_held(seen):
            return Plan.nothing(why)
        return Plan.of(
            self._page(seen).take_down(served),
            because=f"users see the maintenance page until {served} answers behind it",
        )

    def _is_held(self, seen: Any) -> bool:
        return seen.is_held and bool(self.pages)

    def _was_served_since(self, seen: Any, since: int) -> bool:
        """Whether what is served came after the page: it is what users are to see, whoever brought it."""
        return self._is_held(seen) and all(since > mark.modified for mark in seen.maintenance)

    def _page(self, seen: Any) -> MaintenancePage:
        running = (unit for unit in seen.services.matching(self.php) if unit.is_running)
        return MaintenancePage(
            root=self.root,
            user=self.user,
            php=cli_of(next(running, None)),
            pages=self.pages,
            url=self.url,
            origin=self.origin,
            within=self.within,
            listening=seen.listening,
            programs=self._workers(seen),
        )

    def _workers(self, seen: Any) -> tuple[str, ...]:
        """The names of those programs that supervisor keeps running for this application."""
        return tuple(program.name for program in seen.programs if program.is_of(self._application))

    @property
    def _application(self) -> PurePosixPath:
        """The folder in which all of the application lies."""
        return self.root

    def _with(self, **inputs: str) -> str:
        """Return what a person types to go on."""
        given = {"to": self.to, **inputs}
        if self.migrations != "additive":
            given.setdefault("migrations", self.migrations)
        if self.maintenance != "no":
            given.setdefault("maintenance", self.maintenance)
        if given["to"] is None:
            given["to"] = self.names
        return " ".join([self.again or "with", *(f"--set {name}={value}" for name, value in given.items())])


def why_innocent(onset: Onset | FactError, services: Services, php: str, octane: Octane | None) -> str:
    """Return why no release can be what is wrong, by what is seen at first sight; empty where one can."""
    if octane is None and not any(unit.is_running for unit in services.matching(php)):
        return f"no {php} is running: no release is served"
    if isinstance(onset, Onset) and onset.since is None:
        return onset.in_words
    return ""


def refuse_unless_it_would_help(
    onset: Onset | FactError,
    maintenance: Sequence[FileStat],
    *,
    bad: str,
    since: int,
    began: str,
    named: str,
    further: str,
) -> None:
    """Refuse where what is served is not to blame, or where that has to be known and is not.

    Args:
        onset: Since when requests fail.
        maintenance: The file by which Laravel is in maintenance mode; empty where it is not.
        bad: What is served, such as ``release 42``.
        since: Since when that is.
        began: What has to be known: ``any`` for nothing, or ``with-release``.
        named: What a person types who knows better.
        further: What a person types to go back further.

    Raises:
        Unplannable: It would not help, or may not.
    """
    if maintenance:
        raise Unplannable(
            f"the application is in maintenance mode since {as_text(maintenance[0].modified)} UTC, by "
            f"{maintenance[0].path}: going back would not end it. If {bad} is bad all the same: {named}"
        )
    served = f"{bad} is served since {as_text(since)} UTC"
    if isinstance(onset, FactError):
        if began == "with-release":
            raise Unplannable(f"{served}; whether it is to blame cannot be seen ({onset}). If it is: {named}")
        return
    match onset.blames(since):
        case Blame.BEFORE:
            raise Unplannable(
                f"going back from {bad} would not help: {onset.in_words}, and {served}. If an older one would: "
                f"{further}"
            )
        case Blame.LATER if began == "with-release":
            raise Unplannable(f"{served} and went well: {onset.in_words}. If it is to blame all the same: {named}")
        case Blame.UNKNOWN if began == "with-release":
            raise Unplannable(f"{served}; {onset.in_words}. If it is to blame: {named}")
        case _:
            pass


def refuse_where_octane_serves(octane: Octane | None, *, bad: str, by_hand: str) -> None:
    """Refuse where Octane has the code in memory: what is served would be the same after files were switched.

    Args:
        octane: The one that serves the application; ``None`` where none does.
        bad: What is served, such as ``release 42``.
        by_hand: What a person types to switch the files.

    Raises:
        Unplannable: It does.
    """
    if octane is not None:
        raise Unplannable(
            f"Octane (process {octane.pid}) serves the application and has {bad} in memory: nothing here lets it "
            f"follow. By hand: {by_hand}; then start Octane anew, by what keeps it running: systemctl status "
            f"{octane.pid}"
        )


def migrations_between(
    found: Mapping[str, str] | FactError, names: Collection[str], *, older: str, allowed: str, told: str
) -> Mapping[str, Effect]:
    """Return what came with the newer code, and how it is judged.

    Args:
        found: What stands in the migrations, by file name.
        names: Their names, should that not be known.
        older: What is gone back to, such as ``release 41``.
        allowed: ``additive``, or ``any``.
        told: What a person types who allows any.

    Raises:
        Unplannable: Something of it may be in the way of older code.
    """
    if isinstance(found, FactError):
        if allowed == "any":
            return dict.fromkeys(sorted(names), Effect.UNKNOWN)
        raise Unplannable(
            f"the migrations that came after {older} cannot be read ({found}). If its code can go on with them: {told}"
        )
    judged = {name: effect_of(text) for name, text in found.items()}
    others = [f"{name} ({effect.value})" for name, effect in judged.items() if effect is not Effect.ADDITIVE]
    if others and allowed != "any":
        raise Unplannable(
            f"{older} does not know what came after it: {', '.join(others)}. If its code can go on with that: {told}"
        )
    return judged


def shortened(text: str) -> str:
    """Return a text, or its beginning where it is long."""
    return text if len(text) <= 200 else f"{text[:199]}…"


def cli_of(unit: Unit | None) -> str:
    """Return the name of PHP for the command line that belongs to a unit."""
    version = re.match(r"php[0-9]+[.][0-9]+(?=-fpm)", unit.name) if unit is not None else None
    return version[0] if version else "php"


def php_of(found: Iterable[Unit], services: Services) -> Unit | None:
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
