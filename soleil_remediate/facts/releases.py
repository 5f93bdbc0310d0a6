"""Releases as deployment tools lay them out: a folder ``releases``, and beside it a link to the one that is served.

Deployer, Capistrano, Envoyer, Ploi and many scripts of people's own do so. What Deployer leaves beside them is read as
well: its lock, and the mark of a release that must not be served again (https://deployer.org/docs/7.x/recipe/common).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.files import RECORD, FileStat, FindNamed, StatFile, parse_records, readable, records
from soleil_remediate.plan import FileIdentity
from soleil_remediate.secrecy import redacted

#: The file in a release that says: never again. Deployer's own, so that neither chooses what the other has refused.
BAD_RELEASE = "BAD_RELEASE"

#: How a file is called in a release that is gone back from, until whatever serves the older one has followed: its name
#: ends with a hyphen and the older one's.
UNFINISHED = "ROLLBACK_UNFINISHED"

#: What is asked about in each release, as an extended regular expression; no other folder is looked into.
_INSIDE = (
    "/[^/]+"
    f"(/(artisan|{BAD_RELEASE}|{UNFINISHED}-[^/]+|vendor(/autoload[.]php)?|public(/build(/manifest[.]json)?)?"
    "|bootstrap(/cache(/[^/]+[.]php)?)?|database(/migrations(/[^/]+[.]php)?)?))?"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NUMBER = re.compile(r"[0-9]{1,20}")


def is_release_name(text: str) -> bool:
    """Whether a folder of that name may be a release: one plain word."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The link that says which release is served.

    Args:
        target: What stands in it, as it stands there; ``None`` where it is no link.
        owner: Whose it is.
        changed: When it was put there, in seconds since 1970.
    """

    target: str | None
    owner: str
    changed: int


@dataclass(frozen=True, slots=True)
class ReadLink(Query[Link | None]):
    """A symbolic link itself; ``None`` where nothing has that name."""

    path: PurePosixPath
    # find prints one record and 0, or says that there is no such file and 1
    expects = frozenset({0, 1})
    empty_is = "no such file, where find said so"

    @property
    def command(self) -> Command:
        return Command(("find", str(self.path), "-maxdepth", "0", "-printf", r"%y\t%u\t%T@\t%l\0"))

    def parse(self, output: Output) -> Link | None:
        if output.exit_status:
            parse_records(Output(exit_status=output.exit_status, stderr=output.stderr))
            return None
        (record,) = records(output.stdout)
        kind, owner, changed, target = record.split(b"\t", 3)
        if kind not in {b"l", b"d", b"f"} or (kind == b"l") != bool(target):
            raise ValueError(f"no link: {redacted(repr(record))[:80]}")
        return Link(
            target=target.decode() if target else None,
            owner=owner.decode("ascii"),
            changed=int(changed.partition(b".")[0]),
        )


@dataclass(frozen=True, slots=True)
class FindReleases(Query[tuple[FileStat, ...]]):
    """Every release in a folder, and those of its files that say whether it could be served; sorted by path."""

    folder: PurePosixPath
    # 1: the folder is not there
    expects = frozenset({0, 1})
    empty_is = "no release, where find ended well or said so"

    @property
    def command(self) -> Command:
        wanted = f"{_literally(str(self.folder))}{_INSIDE}"
        return Command(
            (
                "find", str(self.folder), "-mindepth", "1", "-maxdepth", "4", "-regextype", "posix-extended",
                "(", "-regex", wanted, "-printf", RECORD, ")", "-o", "-prune",
            )
        )  # fmt: skip

    def parse(self, output: Output) -> tuple[FileStat, ...]:
        found = parse_records(output)
        for file in found:
            if self.folder not in file.path.parents:
                raise ValueError(f"{file.path} is elsewhere")
        return found


def _literally(text: str) -> str:
    """Return an extended regular expression that stands for *text* and nothing else."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", text)


@dataclass(frozen=True, slots=True)
class ReadTexts(Query[Mapping[PurePosixPath, str]]):
    """What stands in some files; an empty one is missing."""

    paths: tuple[PurePosixPath, ...]
    # 1: all of them are empty
    expects = frozenset({0, 1})
    empty_is = "empty files, where grep says nothing else"

    @property
    def command(self) -> Command:
        return Command(("grep", "-a", "-H", "-Z", "", "--", *map(str, self.paths)))

    def parse(self, output: Output) -> Mapping[PurePosixPath, str]:
        if output.stderr:
            raise ValueError(output.error_text.splitlines()[0])
        found: dict[PurePosixPath, list[str]] = {}
        for line in records(output.stdout, b"\n"):
            name, end, text = line.partition(b"\0")
            if not end:
                raise ValueError(f"no line of a file: {redacted(repr(line))[:80]}")
            found.setdefault(PurePosixPath(readable(name)[0]), []).append(readable(text)[0])
        if not found.keys() <= set(self.paths):
            raise ValueError("lines of another file")
        return {path: "\n".join(lines) for path, lines in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release.

    Args:
        folder: Its folder itself.
        files: Those of its files that were asked about, by their path in it.
    """

    folder: FileStat
    files: Mapping[str, FileStat]

    @property
    def name(self) -> str:
        return self.folder.path.name

    @property
    def path(self) -> PurePosixPath:
        return self.folder.path

    @property
    def identity(self) -> FileIdentity:
        return self.folder.identity

    @property
    def number(self) -> int | None:
        """Its place among the others; ``None`` where its name does not tell."""
        return int(self.name) if _NUMBER.fullmatch(self.name) else None

    @property
    def is_bad(self) -> bool:
        """Somebody went back from it, and nobody may go back to it."""
        return BAD_RELEASE in self.files

    def mark_of_the_way_to(self, older: Release) -> PurePosixPath | None:
        """What says that a way back from it to an *older* one was begun and is not finished; ``None`` if nothing."""
        mark = self.files.get(f"{UNFINISHED}-{older.name}")
        return mark.path if mark is not None else None

    @property
    def lacks(self) -> str:
        """What it would need to be served and has not; empty where it is whole.

        What composer installs and what is built belongs to a release: it is neither fetched nor built anew.
        """
        if self._type_of("artisan") != "f":
            return "no artisan"
        if self._type_of("vendor") == "l":
            return "no vendor of its own: it is a link"
        if self._type_of("vendor/autoload.php") != "f":
            return "no vendor/autoload.php: what composer installed for it is gone"
        if self._type_of("public/build") == "d" and self._type_of("public/build/manifest.json") != "f":
            return "no public/build/manifest.json: what was built for it is gone"
        return ""

    @property
    def caches(self) -> tuple[str, ...]:
        """What artisan has cached in it, by file name."""
        return tuple(sorted(name.rpartition("/")[2] for name in self.files if name.startswith("bootstrap/cache/")))

    @property
    def migrations(self) -> frozenset[str]:
        """The file names of its migrations; a link is none."""
        return frozenset(
            name.rpartition("/")[2]
            for name, file in self.files.items()
            if name.startswith("database/migrations/") and file.is_regular
        )

    def _type_of(self, name: str) -> str:
        file = self.files.get(name)
        return file.type if file is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """All releases of an application.

    Args:
        link: The path of the link.
        served: The link itself.
        owner: Whose the folder around the link is: whoever may put another one in its place.
        all: Oldest first; those whose names do not tell come before the others.
        lock: Deployer's lock, where there is one: somebody deploys, or left it behind.
    """

    link: PurePosixPath
    served: Link
    owner: str
    all: tuple[Release, ...]
    lock: FileStat | None

    @property
    def current(self) -> Release | None:
        """The one that is served; ``None`` where the link leads elsewhere."""
        target = self.served.target
        if target is None or ".." in PurePosixPath(target).parts:
            return None
        path = self.link.parent / target
        return next((release for release in self.all if release.path == path), None)

    @property
    def newest_good(self) -> Release | None:
        """The newest one before the served one that is not marked bad, whole or not; ``None`` where there is none."""
        if self.current is None:
            return None
        return next((one for one in self.before(self.current) if not one.is_bad), None)

    @property
    def unfinished(self) -> Release | None:
        """The one from which somebody went back to what is served, while processes that have its code may run still."""
        now = self.current
        if now is None:
            return None
        return next((one for one in reversed(self.all) if one != now and one.mark_of_the_way_to(now)), None)

    def named(self, name: str) -> Release | None:
        return next((release for release in self.all if release.name == name), None)

    def before(self, release: Release) -> tuple[Release, ...]:
        """Return the older ones, newest first; none where names do not tell."""
        return tuple(reversed([one for one in self.all if _is_before(one, release)]))

    def after(self, release: Release) -> tuple[Release, ...]:
        """Return the newer ones, oldest first; none where names do not tell."""
        return tuple(one for one in self.all if _is_before(release, one))


def _is_before(one: Release, other: Release) -> bool:
    return one.number is not None and other.number is not None and one.number < other.number


def release_folder(link: PurePosixPath) -> PurePosixPath:
    """Return where the releases are that a link chooses from."""
    return link.parent / "releases"


async def read_releases(host: Reader, link: PurePosixPath) -> Releases:
    """Ask for every release; one round trip.

    Args:
        link: The link that says which one is served.

    Raises:
        NotOnHost: There is no such link.
        FactError: It cannot be told.
    """
    served, found, around, locks = await host.ask_all(
        ReadLink(link),
        FindReleases(release_folder(link)),
        StatFile(link.parent),
        FindNamed((link.parent / ".dep/deploy.lock",)),
    )
    if served is None or around is None:
        raise NotOnHost(f"there is no {link}", given=str(link))
    return Releases(
        link=link,
        served=served,
        owner=around.owner,
        all=_grouped(release_folder(link), found),
        lock=locks[0] if locks else None,
    )


def _grouped(folder: PurePosixPath, found: Sequence[FileStat]) -> tuple[Release, ...]:
    inside: dict[str, dict[str, FileStat]] = {}
    folders: dict[str, FileStat] = {}
    for file in found:
        name, *rest = file.path.relative_to(folder).parts
        if rest:
            inside.setdefault(name, {})["/".join(rest)] = file
        elif file.type == "d" and file.is_named_plainly and is_release_name(name):
            folders[name] = file
    releases = [Release(folder=file, files=inside.get(name, {})) for name, file in folders.items()]
    return tuple(sorted(releases, key=lambda one: (one.number is not None, one.number or 0, one.name)))


async def read_new_migrations(host: Reader, newer: Release, older: Release) -> Mapping[str, str] | FactError:
    """Ask what stands in the migrations that one release has and another has not, by file name; one round trip."""
    names = sorted(newer.migrations - older.migrations)
    if not names:
        return {}
    folder = newer.path / "database/migrations"
    (texts,) = await host.ask_each([ReadTexts(tuple(folder / name for name in names))])
    if isinstance(texts, FactError):
        return texts
    return {name: texts.get(folder / name, "") for name in names}
