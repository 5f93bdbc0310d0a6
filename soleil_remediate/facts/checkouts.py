"""A git checkout that is served in place: which commits were checked out there, and what keeps from another one.

git is asked as the one whom the checkout belongs to, never as root: for another user it refuses, and its configuration
may name programs to run. It takes no locks and writes no index for that. Where the checkout is root's git is not asked
at all.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.files import FileStat, FindNamed, readable, records
from soleil_remediate.facts.releases import UNFINISHED, Link, ReadLink, ReadTexts
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Script
from soleil_remediate.units import Duration

#: Where commits from which somebody went back are noted, in the checkout itself.
BAD_COMMITS = "refs/soleil-remediate/bad"
#: What composer installs and what is built for a commit, by what is there when it was.
PRODUCED = ("vendor/autoload.php", "public/build/manifest.json")

_MIGRATIONS = "database/migrations/"
_CHECKED_OUT = re.compile(r"([0-9a-f]{40,64})\tHEAD@\{([0-9]{1,12})\}")
_COMMIT = re.compile(r"[0-9a-f]{40,64}")
#: A line of the file in which git logs what was checked out: before, after, who, when, where.
_LOGGED = re.compile(r"[0-9a-f]{40,64} ([0-9a-f]{40,64}) .*> ([0-9]{1,12}) [+-][0-9]{4}")
_DIRT = re.compile(rb"[ MADRCUT]{2} (.+)", re.DOTALL)


#: What stands in the files that git keeps in $1 about what was checked out, oldest first, without the reasons: they may
#: hold an address with its password. Before it which commits are marked, be it in files of their own or in git's pack.
LIST_LOGGED = Script(
    "logged-commits",
    f"""\
set -eu
grep -arhsE -D skip -e '^[0-9a-f]+( {BAD_COMMITS}/.*)?$' -- "$1/packed-refs" "$1/{BAD_COMMITS}" | cut -d ' ' -f 1
printf 'checked out\\n'
tail -q -n 200 -- "$1/logs/HEAD" | cut -f 1
""",
)


def _git(root: PurePosixPath, owner: str, *words: str) -> Command:
    return Command(("git", "--no-optional-locks", "-C", str(root), *words), user=owner, deadline=Duration(10))


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A commit that was checked out, and since when, in seconds since 1970."""

    commit: str
    since: int


@dataclass(frozen=True, slots=True)
class ReadCheckedOut(Query[tuple[CheckedOut, ...]]):
    """What was checked out, newest first, as git's own log of it has it; the first is what is there now."""

    root: PurePosixPath
    owner: str

    @property
    def command(self) -> Command:
        return _git(self.root, self.owner, "log", "-g", "-n", "200", "--format=%H%x09%gd", "--date=unix", "HEAD", "--")

    def parse(self, output: Output) -> tuple[CheckedOut, ...]:
        found = []
        for line in output.text.splitlines():
            match = _CHECKED_OUT.fullmatch(line)
            if match is None:
                raise ValueError(f"no commit: {line[:80]!r}")
            found.append(CheckedOut(match[1], int(match[2])))
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What git's files say of a checkout, whoever looks; git itself may know better.

    Args:
        history: What was checked out, newest first.
        bad: Commits from which somebody went back.
    """

    history: tuple[CheckedOut, ...]
    bad: frozenset[str]


@dataclass(frozen=True, slots=True)
class ReadLogged(Query[Logged]):
    """What was checked out, by git's files and without git: what to ask it first may be guessed from that, no more."""

    root: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(LIST_LOGGED.bind(self.root / ".git"))

    def parse(self, output: Output) -> Logged:
        lines = output.text.splitlines()
        at = lines.index("checked out")
        bad, logged = lines[:at], [_LOGGED.fullmatch(line) for line in reversed(lines[at + 1 :])]
        if not all(map(_COMMIT.fullmatch, bad)):
            raise ValueError("no commit is marked so")
        history = tuple(CheckedOut(match[1], int(match[2])) for match in logged if match is not None)
        if len(history) != len(logged):
            raise ValueError("no log of git's")
        return Logged(history=history, bad=frozenset(bad))


@dataclass(frozen=True, slots=True)
class ReadBadCommits(Query[frozenset[str]]):
    """Those that must not be checked out again."""

    root: PurePosixPath
    owner: str
    empty_is = "none is marked, where git ended well"

    @property
    def command(self) -> Command:
        return _git(self.root, self.owner, "for-each-ref", "--format=%(objectname)", BAD_COMMITS)

    def parse(self, output: Output) -> frozenset[str]:
        found = output.text.splitlines()
        if not all(map(_COMMIT.fullmatch, found)):
            raise ValueError(f"no commit: {found[0][:80]!r}")
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class ReadDirt(Query[tuple[str, ...]]):
    """The files that git keeps and somebody changed without committing it."""

    root: PurePosixPath
    owner: str
    empty_is = "a clean tree, where git ended well"

    @property
    def command(self) -> Command:
        return _git(self.root, self.owner, "status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no")

    def parse(self, output: Output) -> tuple[str, ...]:
        found = []
        for record in records(output.stdout):
            match = _DIRT.fullmatch(record)
            if match is None:
                raise ValueError(f"no changed file: {record[:80]!r}")
            found.append(readable(match[1])[0])
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ReadTracked(Query[frozenset[str]]):
    """Which of what is produced for a commit git keeps itself, so that it comes and goes with the commit."""

    root: PurePosixPath
    owner: str
    empty_is = "git keeps none of them, where it ended well"

    @property
    def command(self) -> Command:
        return _git(self.root, self.owner, "ls-files", "-z", "--", *PRODUCED)

    def parse(self, output: Output) -> frozenset[str]:
        found = frozenset(readable(record)[0] for record in records(output.stdout))
        if not found <= set(PRODUCED):
            raise ValueError("another file")
        return found


@dataclass(frozen=True, slots=True)
class ReadDifference(Query[Mapping[str, str]]):
    """The files in which two commits differ: ``A`` where only the newer has it, ``D`` where only the older, or else.

    Args:
        older: The commit gone back to.
        newer: The one that is there.
    """

    root: PurePosixPath
    owner: str
    older: str
    newer: str
    empty_is = "no file differs, where git ended well"

    @property
    def command(self) -> Command:
        words = ("diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", self.older, self.newer, "--")
        return _git(self.root, self.owner, *words)

    def parse(self, output: Output) -> Mapping[str, str]:
        found = [readable(record)[0] for record in records(output.stdout)]
        kinds, names = found[::2], found[1::2]
        if len(kinds) != len(names) or not set(kinds) <= set("AMDTUX") or not all(names):
            raise ValueError("no list of files")
        return dict(zip(names, kinds, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A git checkout, and the way back from what is there.

    Args:
        root: The folder.
        link: The folder itself, should it be a link: then it is no checkout in place.
        git: Its ``.git``; ``None`` where there is none. All the rest is empty then, and where it is root's.
        lock: git's own lock, where somebody is at work or died at it.
        history: What was checked out, newest first.
        bad: Commits from which somebody went back.
        unfinished: The mark of a way back to the commit that is there, of which something may not have followed.
        dirt: Files that were changed and not committed.
        tracked: What of :data:`PRODUCED` comes with the commit.
        difference: The files in which the commit gone back to differs, as :class:`ReadDifference` says it.
        migrations: What stands in the migrations that only the newer one has, by file name.
    """

    root: PurePosixPath
    link: Link
    git: FileStat | None = None
    lock: FileStat | None = None
    history: tuple[CheckedOut, ...] = ()
    bad: frozenset[str] = frozenset()
    unfinished: FileStat | None = None
    dirt: tuple[str, ...] = ()
    tracked: frozenset[str] = frozenset()
    difference: Mapping[str, str] | FactError | None = None
    migrations: Mapping[str, str] | FactError | None = None

    @property
    def is_roots(self) -> bool:
        """Whose it is would have git run as root whatever its hooks and its configuration name: nobody asked git."""
        return self.git is not None and self.git.owner_id == 0

    @property
    def current(self) -> CheckedOut:
        """What is there, and since when it is there without another between."""
        now = self.history[0]
        for one in self.history:
            if one.commit != now.commit:
                break
            now = one
        return now

    @property
    def before(self) -> tuple[CheckedOut, ...]:
        """What was there before, newest first, each commit once; what was passed through in a minute was not served."""
        found: dict[str, CheckedOut] = {}
        until = self.current.since
        for one in self.history:
            if one.commit != self.current.commit and until - one.since >= _PASSED_THROUGH:
                found.setdefault(one.commit, one)
            until = one.since
        return tuple(found.values())

    @property
    def unfinished_at(self) -> str:
        """The path of that mark, as a shell reads it; empty where there is none."""
        return shlex.quote(str(self.unfinished.path)) if self.unfinished is not None else ""

    @property
    def left(self) -> CheckedOut | None:
        """The one from which somebody went back, while processes that have its code may run still."""
        if self.unfinished is None:
            return None
        return next((one for one in self.history if one.commit != self.current.commit and one.commit in self.bad), None)

    def chosen(self, to: str | None) -> CheckedOut | None:
        """Return the one to go back to: the newest before that is not bad, or the only one that begins so."""
        if to is None:
            return next((one for one in self.before if one.commit not in self.bad), None)
        named = [one for one in self.history if one.commit.startswith(to)]
        return named[0] if len({one.commit for one in named}) == 1 else None


_PASSED_THROUGH = 60


async def read_checkout(host: Reader, root: PurePosixPath, to: str | None) -> Checkout:
    """Ask for a checkout, and in which files the commit gone back to differs; its migrations are not read.

    Two round trips. Where git keeps its log elsewhere, as in a worktree, one more: which commit it is about is guessed
    from the file, git says later whether that is so, and is asked again where it is not.

    Raises:
        NotOnHost: There is no such folder.
        FactError: It cannot be told.
    """
    (link, gits, locks), unfinished, (logged,) = await together(
        host.ask_all(ReadLink(root), FindNamed((root / ".git",)), FindNamed((root / ".git/index.lock",))),
        read_unfinished(host, root),
        host.ask_each([ReadLogged(root)]),
    )
    if link is None:
        raise NotOnHost(f"there is no {root}", given=str(root))
    if link.target is not None or not gits:
        return Checkout(root=root, link=link)
    if (unasked := Checkout(root=root, link=link, git=gits[0])).is_roots:
        return unasked
    owner = gits[0].owner
    guess = _between(replace(unasked, history=logged.history, bad=logged.bad), to) if isinstance(logged, Logged) else ()
    (history, bad, dirt, tracked), _ = await together(
        host.ask_all(
            ReadCheckedOut(root, owner), ReadBadCommits(root, owner), ReadDirt(root, owner), ReadTracked(root, owner)
        ),
        host.ask_each(guess),  # the same question below is answered then
    )
    found = Checkout(
        root=root,
        link=link,
        git=gits[0],
        lock=locks[0] if locks else None,
        history=history,
        bad=bad,
        unfinished=unfinished,
        dirt=dirt,
        tracked=tracked,
    )
    for difference in await host.ask_each(_between(found, to)):
        found = replace(found, difference=difference)
    return found


def _between(found: Checkout, to: str | None) -> tuple[ReadDifference, ...]:
    """Return the question in which files the commit gone back to differs; none where there is nothing to go back to."""
    chosen = found.chosen(to) if found.history else None
    if found.git is None or chosen is None or chosen.commit == found.current.commit:
        return ()
    return (ReadDifference(found.root, found.git.owner, chosen.commit, found.current.commit),)


async def read_migrations(host: Reader, checkout: Checkout) -> Mapping[str, str] | FactError | None:
    """Ask what stands in the migrations that only the newer commit has, by file name; one round trip, or none.

    ``None`` where it is not known which these are.
    """
    if checkout.difference is None or isinstance(checkout.difference, FactError):
        return None
    folder, names = checkout.root / _MIGRATIONS, new_migrations(checkout.difference)
    for texts in await host.ask_each([ReadTexts(tuple(folder / name for name in names))] if names else []):
        return texts if isinstance(texts, FactError) else {name: texts.get(folder / name, "") for name in names}
    return {}


async def read_unfinished(host: Reader, root: PurePosixPath) -> FileStat | None:
    """Ask for the mark of a way back to the commit that is there, which stays until all has followed; one round trip.

    Raises:
        FactError: It cannot be told.
    """
    marks, (head,) = await together(
        host.ask(FindNamed((root / ".git" / f"{UNFINISHED}-*",))),
        host.ask_each([ReadTexts((root / ".git/HEAD",))]),
    )
    if not marks:
        return None
    if isinstance(head, FactError):
        raise head
    name = f"{UNFINISHED}-{head.get(root / '.git/HEAD', '')}"
    return next((mark for mark in marks if mark.path.name == name), None)


def new_migrations(difference: Mapping[str, str]) -> tuple[str, ...]:
    """Return the file names of the migrations that only the newer of two commits has, or has otherwise."""
    names = (name for name, kind in difference.items() if name.startswith(_MIGRATIONS) and kind != "D")
    return tuple(sorted(name.removeprefix(_MIGRATIONS) for name in names))


def changed_migrations(difference: Mapping[str, str]) -> tuple[str, ...]:
    """Return those of :func:`new_migrations` that the older of the two commits has as well."""
    return tuple(name for name in new_migrations(difference) if difference[f"{_MIGRATIONS}{name}"] != "A")
