"""What decides whether older code may be served instead, whichever way it is laid out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.migrations import Effect, effect_of
from soleil_remediate.facts.octane import Octane
from soleil_remediate.facts.onsets import Blame, Onset
from soleil_remediate.facts.services import Services, Unit
from soleil_remediate.units import Duration

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
