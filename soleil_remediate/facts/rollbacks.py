"""How the newest migrations would be taken back, by what Laravel's own commands say.

artisan is the application's code, and answers as its user, who can read its configuration. Both forms in which it
speaks are read: the tables of Laravel 6 to 8, and the lines with dots since 9. What is not understood is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import Application, ReadApplication
from soleil_remediate.facts.backups import ListFolder
from soleil_remediate.facts.clocks import ReadClock
from soleil_remediate.facts.files import FileStat
from soleil_remediate.facts.postgresql import OUR_NAME
from soleil_remediate.facts.together import together
from soleil_remediate.units import Duration, KiB

_DEADLINE = Duration(20)
#: The databases in which Laravel puts a transaction around a migration that changes tables.
_ALL_OR_NOTHING = frozenset({"pgsql", "sqlsrv"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Artisan:
    """Whose code answers, and of which migrations.

    Args:
        code: The folder that holds artisan.
        user: Whom it runs as.
        migrations: The folder of the migrations, where it is not *code*'s own.
    """

    code: PurePosixPath
    user: str
    migrations: PurePosixPath | None = None

    def asks(self, *words: str) -> Command:
        """Return what runs it; nothing is asked back, and nothing is coloured. PostgreSQL knows it by our name."""
        elsewhere = () if self.migrations is None else (f"--path={self.migrations}", "--realpath")
        program = ("env", f"PGAPPNAME={OUR_NAME}", "php", str(self.code / "artisan"))
        told = (*program, *words, *elsewhere, "--no-interaction", "--no-ansi")
        return Command(told, user=self.user, deadline=_DEADLINE, is_slow=True)


#: ``| Yes  | 2026_01_01_000001_create_users_table | 1     |``, or No and no batch.
_ROW = re.compile(r"\| (?P<ran>Yes|No) +\| (?P<name>\S+) +\| (?P<batch>[0-9]{0,9}) *\|")
_HEADER = re.compile(r"\| Ran\? +\| Migration +\| Batch +\|")
#: ``2026_01_01_000001_create_users_table ..... [1] Ran``, or Pending.
_DOTTED_ROW = re.compile(r"(?P<name>\S+) \.* ?(?:\[(?P<batch>[0-9]{1,9})\] (?P<ran>Ran)|Pending)")
_DOTTED_HEADER = re.compile(r"Migration name \.+ Batch / Status")
#: What is said of one that ran and that no file is there for, in either form.
_MISSING = re.compile(r"Migration not found: (\S+)|(\S+) \.* ?Migration not found")
#: What is said where the SQL cannot be told without the database.
_NO_SQL = "failed to dump queries"


@dataclass(frozen=True, slots=True)
class ReadBatches(Query[Mapping[str, int | None]]):
    """Every migration that artisan knows a file of: the number of the batch in which it ran; ``None``: it has not."""

    artisan: Artisan

    @property
    def command(self) -> Command:
        return self.artisan.asks("migrate:status")

    def parse(self, output: Output) -> Mapping[str, int | None]:
        lines = bare_lines(output)
        if lines and lines[0].startswith("+-"):
            lines = [line for line in lines if not re.fullmatch(r"[+-]+", line)]
            header, row = _HEADER, _ROW
        else:
            header, row = _DOTTED_HEADER, _DOTTED_ROW
        if not lines or header.fullmatch(lines[0]) is None:
            raise ValueError("no list of migrations")
        found: dict[str, int | None] = {}
        for line in lines[1:]:
            match = row.fullmatch(line)
            if match is None:
                raise ValueError(f"not understood: {line[:80]!r}")
            name, batch = match["name"], match["batch"]
            if name in found or bool(batch) is not (match["ran"] in {"Yes", "Ran"}):
                raise ValueError(f"not understood: {line[:80]!r}")
            found[name] = int(batch) if batch else None
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Pretended:
    """What would be done to take migrations back.

    Args:
        lines: All that artisan said, without what is around each line.
        sql: What each would run, in the order in which they would be taken back; nothing where its ``down()`` is empty.
    """

    lines: tuple[str, ...]
    sql: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class PretendRollback(Query[Pretended]):
    """What would be done to take the newest migrations back, which have to be *names*.

    ``down()`` is run for that: its PHP is, the SQL that it asks for is not, and what it selects is empty. Whatever it
    does besides would be done now, so this is asked only where a person wants it. ``--force`` keeps Laravel from asking
    in production whether it may, which it does before it pretends as well.
    """

    artisan: Artisan
    names: tuple[str, ...]

    @property
    def command(self) -> Command:
        asked = self.artisan.asks("migrate:rollback", "--pretend", "--force", f"--step={len(self.names)}")
        return replace(asked, output_limit=KiB(64))  # what is planned is told the host again, word by word

    def parse(self, output: Output) -> Pretended:
        lines = bare_lines(output)
        if missing := next(filter(None, map(_MISSING.fullmatch, lines)), None):
            raise ValueError(f"{missing[1] or missing[2]} would be taken back as well, and no file of it is there")
        is_dotted = bool(lines) and re.fullmatch(r"INFO +Rolling back migrations\.", lines[0]) is not None
        sql = self._dotted(lines[1:]) if is_dotted else self._noted(lines)
        if len(sql) != len(self.names):
            raise ValueError(f"only {', '.join(sql) or 'nothing'} would be taken back")
        return Pretended(lines=tuple(lines), sql={name: tuple(found) for name, found in sql.items()})

    def _noted(self, lines: Sequence[str]) -> Mapping[str, list[str]]:
        """Read ``Rolling back: NAME``, and ``CLASS: SQL`` after it, as until Laravel 8."""
        sql: dict[str, list[str]] = {}
        name = ""
        for line in lines:
            if line.startswith("Rolling back: "):
                name = self._known(line.removeprefix("Rolling back: "), sql)
                sql[name] = []
                continue
            told, _, statement = line.partition(": ")
            begins = bool(statement) and told in {name, _class_of(name)}
            if not name or statement.startswith(_NO_SQL) or not (begins or sql[name]):
                raise ValueError(f"not understood: {line[:200]!r}")
            if begins:
                sql[name].append(statement)
            else:  # a statement of several lines
                sql[name][-1] += f" {line}"
        return sql

    def _dotted(self, lines: Sequence[str]) -> Mapping[str, list[str]]:
        """Read ``NAME .....``, and ``⇂ SQL`` after it, as since Laravel 9."""
        sql: dict[str, list[str]] = {}
        name = ""
        for line in lines:
            if line.startswith("⇂ ") and name:
                sql[name].append(line.removeprefix("⇂ "))
                continue
            match = re.fullmatch(r"(\S+)(?: \.*)?", line)
            if match is None:
                raise ValueError(f"not understood: {line[:200]!r}")
            name = self._known(match[1], sql)
            sql[name] = []
        return sql

    def _known(self, told: str, before: Mapping[str, object]) -> str:
        name = next((name for name in self.names if told in {name, _class_of(name)}), "")
        if not name or name in before:
            raise ValueError(f"{told[:200]} would be taken back as well")
        return name


def _class_of(name: str) -> str:
    """Return what Laravel expects the class in a migration's file to be called."""
    words = re.split(r"[_-]", "_".join(name.split("_")[4:]))
    return "".join(word[:1].upper() + word[1:] for word in words)


def bare_lines(output: Output) -> list[str]:
    """Return the lines of an answer without what is around them; empty ones are left out.

    Raises:
        ValueError: They are not UTF-8, or hold a NUL.
    """
    text = output.stdout.decode().replace("\r", "")
    if "\0" in text:
        raise ValueError("a NUL character")
    return [bare for line in text.split("\n") if (bare := line.strip(" \t"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What is known of taking the newest migrations back.

    Args:
        artisan: Whose code said so.
        batches: Of every migration that it knows, as :class:`ReadBatches` has it.
        pretended: What would be done; ``None`` where nobody was asked, since others would be taken back or none.
        backups: What lies in the folder of backups; ``None`` where nobody knows of one.
        now: The host's clock, in seconds since 1970.
    """

    artisan: Artisan
    batches: Mapping[str, int | None] | FactError
    pretended: Pretended | FactError | None
    backups: tuple[FileStat, ...] | FactError | None = None
    now: int = 0


def have_run(names: Sequence[str], batches: Mapping[str, int | None]) -> tuple[str, ...]:
    """Return those of *names* that have run, the newest first."""
    return tuple(name for name in newest(batches) if name in names)


def newest(batches: Mapping[str, int | None]) -> tuple[str, ...]:
    """Return what has run, in the order in which Laravel takes it back: by batch and name, the last first."""
    ran = [(batch, name) for name, batch in batches.items() if batch is not None]
    return tuple(name for _, name in sorted(ran, reverse=True))


async def read_rollback(
    host: Reader, names: Sequence[str], places: Sequence[Artisan], backups: PurePosixPath | None
) -> Rollback:
    """Ask how migrations would be taken back; two round trips, one more for each artisan that cannot be asked.

    Args:
        names: Of the migrations; what would be done is asked only where no other would be taken back.
        places: Who can be asked; the first that answers is believed.
        backups: The folder of backups; ``None`` where nobody knows of one.

    Raises:
        FactError: The host's clock cannot be read.
    """
    rollback, (found, now) = await together(_read_rollback(host, names, places), _read_backups(host, backups))
    return replace(rollback, backups=found, now=now)


async def _read_rollback(host: Reader, names: Sequence[str], places: Sequence[Artisan]) -> Rollback:
    first, *others = places
    (batches,) = await host.ask_each([ReadBatches(first)])
    if isinstance(batches, FactError):
        if not others:
            return Rollback(artisan=first, batches=batches, pretended=None)
        second = await _read_rollback(host, names, others)
        return replace(second, batches=batches) if isinstance(second.batches, FactError) else second
    ran = have_run(names, batches)
    if not ran or newest(batches)[: len(ran)] != ran:
        return Rollback(artisan=first, batches=batches, pretended=None)
    (pretended,) = await host.ask_each([PretendRollback(first, ran)])
    return Rollback(artisan=first, batches=batches, pretended=pretended)


async def read_waiting(host: Reader, names: Collection[str], places: Sequence[Artisan]) -> frozenset[str]:
    """Ask which of some migrations have not run, not even half; one round trip. Empty where that cannot be told.

    Everybody who answers has to say so, since each may have another database: the newer code is what would have run
    them, the older is what has to go on with it. And it has to be a database in which one that fails half-way leaves
    nothing behind, and in which some have run: else somebody may note them elsewhere.

    Args:
        names: Of migrations that are done in one transaction, or do no harm half done.
        places: Who can be asked.
    """
    listed, used = await together(
        host.ask_each([ReadBatches(place) for place in places]),
        host.ask_each([ReadApplication(place.code, place.user) for place in places]),
    )
    told = [
        _waiting(batches, application)
        for batches, application in zip(listed, used, strict=True)
        if not isinstance(batches, FactError)
    ]
    return frozenset(names).intersection(*told) if told else frozenset()


def _waiting(batches: Mapping[str, int | None], application: Application | FactError) -> frozenset[str]:
    is_certain = not isinstance(application, FactError) and application.database.driver in _ALL_OR_NOTHING
    return frozenset(name for name, batch in batches.items() if is_certain and newest(batches) and batch is None)


async def _read_backups(
    host: Reader, folder: PurePosixPath | None
) -> tuple[tuple[FileStat, ...] | FactError | None, int]:
    if folder is None:
        return None, 0
    (found,), now = await together(host.ask_each([ListFolder(folder)]), host.ask(ReadClock()))
    return found, now
