"""Which Laravel applications nginx serves, by its configuration on disk: for a host of which nothing is given.

What a host says of itself names places, a user and an address on that host, and nothing anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.files import ResolvePaths, StatFile, only_missing, records
from soleil_remediate.facts.php_fpm import PoolUser, ReadPoolUsers
from soleil_remediate.plan import Script

#: What Debian's nginx.conf includes: every file of the first folder, and those of the second that end in .conf.
SITES, SNIPPETS = PurePosixPath("/etc/nginx/sites-enabled"), PurePosixPath("/etc/nginx/conf.d")
#: More places than this are not looked into.
_MOST = 20

_COMMENT = re.compile(r"(?:^|\s)#.*")
_STATEMENT = re.compile(r"([^;{}]+)([;{}]?)")
#: A public name; what nginx takes for a pattern, or for any name at all, is none.
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_LISTEN = re.compile(
    r"(?:(?P<address>\*|\[[0-9A-Fa-f:]+\]|[0-9]+(?:\.[0-9]+){3}|localhost)(?::|$))?(?P<port>[0-9]{1,5})?"
)
#: Whoever listens there is reached by the name localhost.
_HERE = frozenset({None, "*", "[::]", "0.0.0.0", "127.0.0.1", "localhost"})  # noqa: S104  # nothing listens here
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One server of nginx's, by what its configuration says, in that order.

    Args:
        roots: The folders whose files it serves, as they are written.
        names: What it is called, patterns among them.
        listens: Where it listens, each with its options.
        passes: Where it passes requests on to php-fpm: the path of a socket, or an address.
    """

    roots: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    listens: tuple[tuple[str, ...], ...] = ()
    passes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadServers(Query[tuple[Server, ...]]):
    """The servers that nginx has on disk; none where it is not there."""

    # 1: none of them says anything; 2: no such folder, or a link that leads nowhere
    expects = frozenset({0, 1, 2})
    empty_is = "no server, where grep said so"

    @property
    def command(self) -> Command:
        wanted = r"^[^#]*((^|[[:space:];{}])server[[:space:]]*(\{|$)|(root|server_name|listen|fastcgi_pass)[[:space:]])"
        options = ("-R", "-H", "-a", "-E", "--null", "--devices=skip")
        return Command(("grep", *options, "-e", wanted, "--", str(SITES), str(SNIPPETS)))

    def parse(self, output: Output) -> tuple[Server, ...]:
        if output.exit_status == 2:
            only_missing(output)
        files: dict[PurePosixPath, list[str]] = {}
        for line in output.text.splitlines():
            name, nul, text = line.partition("\0")
            if not nul or not name.startswith((f"{SITES}/", f"{SNIPPETS}/")):
                raise ValueError("a line of no file of nginx's")
            files.setdefault(PurePosixPath(name), []).append(text)
        included = [
            lines for file, lines in sorted(files.items()) if file.parent == SITES or _is_snippet(file)
        ]  # whatever else lies there is not read by nginx
        return tuple(server for lines in included for server in _servers(lines))


def _is_snippet(file: PurePosixPath) -> bool:
    return file.parent == SNIPPETS and file.suffix == ".conf"


def _servers(lines: Iterable[str]) -> list[Server]:
    """Return the servers of one file; what stands before the first is said of none of them."""
    found: list[dict[str, list[tuple[str, ...]]]] = []
    for line in lines:
        for statement, end in _STATEMENT.findall(_COMMENT.sub("", line)):
            name, *words = statement.split() or [""]
            if name == "server" and not words and end != ";":
                found.append({})
            elif found and words and end != "{":
                found[-1].setdefault(name, []).append(tuple(word.strip("\"'") for word in words))
    return [
        Server(
            roots=tuple(words[0] for words in one.get("root", ())),
            names=tuple(word for words in one.get("server_name", ()) for word in words),
            listens=tuple(one.get("listen", ())),
            passes=tuple(words[0].removeprefix("unix:") for words in one.get("fastcgi_pass", ())),
        )
        for one in found
    ]


#: Beside each folder ``public`` that a line of its own in the folders $1 and $2 names plainly: which type artisan is
#: of, nothing where find sees none, and where the log really lies. Whether nginx serves it is for others to say.
LOOK_BESIDE = Script(
    "look-beside",
    r"""set -eu
grep -R -h -a -E --devices=skip -e '^[[:space:]]*root[[:space:]]+(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/public/?;' -- "$@" |
    grep -a -o -E -e '(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/public/?;' | head -n 20 |
    while read -r root; do
        root=${root%;}
        root=${root%/}
        root=${root%/public}
        printf '%s\0' "$root"
        find "$root/artisan" -maxdepth 0 -printf '%y' || :
        printf '\0'
        realpath -m -z -- "$root/storage/logs/laravel.log"
    done
""",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What lies in the folder of an application.

    Args:
        has_artisan: Whether artisan is a plain file.
        log: Where its log really lies.
    """

    has_artisan: bool
    log: PurePosixPath | None


@dataclass(frozen=True, slots=True)
class LookBeside(Query[Mapping[PurePosixPath, Beside]]):
    """What lies in the folders that nginx seems to serve an application of, before it is known which these are.

    What is not in the answer may be there all the same: it has to be asked about.
    """

    empty_is = "no folder is named so, where the script ended well"

    @property
    def command(self) -> Command:
        return Command(LOOK_BESIDE.bind(SITES, SNIPPETS))

    def parse(self, output: Output) -> Mapping[PurePosixPath, Beside]:
        told = [record.decode() for record in records(output.stdout)]
        found = {}
        for root, kind, log in zip(told[::3], told[1::3], told[2::3], strict=True):
            if not root.startswith("/") or len(kind) > 1 or not log.startswith("/"):
                raise ValueError("no folder of an application")
            if kind:
                found[PurePosixPath(root)] = Beside(has_artisan=kind == "f", log=PurePosixPath(log))
        return found


#: All that is asked about a host of which nothing is known, and in most cases all that has to be.
ASKED_FIRST: tuple[Query[Any], ...] = (ReadServers(), ReadPoolUsers(), LookBeside())


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundApplication:
    """A Laravel application that nginx serves.

    Args:
        root: The folder that holds artisan.
        log: Where its log really lies, once every link is followed; ``None`` where that cannot be told.
        user: Whom php-fpm runs it as; ``None`` where that cannot be told, or would be root.
        url: By which name, and how, nginx is asked for it; ``None`` where any name does, on the usual port.
        origin: Where nginx listens for it, where that is an address of its own.
    """

    root: PurePosixPath
    log: PurePosixPath | None = None
    user: str | None = None
    url: str | None = None
    origin: str | None = None


async def read_applications(host: Reader) -> tuple[FoundApplication, ...]:
    """Return every application that nginx serves from a folder ``public`` with ``artisan`` beside it.

    One round trip; one more where nginx's configuration is written in an unusual way, or a folder cannot be looked at.

    Raises:
        FactError: It cannot be told which there are.
    """
    servers, pools, beside = await host.ask_each(ASKED_FIRST)
    if isinstance(servers, FactError):
        raise servers
    places: dict[PurePosixPath, list[Server]] = {}
    for server in servers:
        for root in dict.fromkeys(place for place in map(_place, server.roots) if place is not None):
            places.setdefault(root, []).append(server)
    if len(places) > _MOST:
        raise FactError(f"nginx serves {len(places)} folders, too many to look for an application beside each")
    lies = {} if isinstance(beside, FactError) else dict(beside)
    lies.update(await _look_beside(host, [root for root in places if root not in lies]))
    found = []
    for root, its in places.items():
        if lies[root].has_artisan:
            url, origin = _reached(its)
            found.append(
                FoundApplication(
                    root=root,
                    log=lies[root].log,
                    user=None if isinstance(pools, FactError) else _user(its, pools),
                    url=url,
                    origin=origin,
                )
            )
    return tuple(found)


async def _look_beside(host: Reader, roots: Sequence[PurePosixPath]) -> Mapping[PurePosixPath, Beside]:
    """Ask what lies in some folders; one round trip, or none.

    Raises:
        FactError: One of them cannot be looked at: it may be one as well, so nobody could say which one is meant.
    """
    tools = [StatFile(root / "artisan") for root in roots]
    logs = [ResolvePaths((root / "storage/logs/laravel.log",)) for root in roots]
    queries: list[Query[Any]] = [*tools, *logs]
    answers = await host.ask_each(queries)
    found = {}
    for root, tool, log in zip(roots, answers[: len(roots)], answers[len(roots) :], strict=True):
        if isinstance(tool, FactError):
            raise tool
        found[root] = Beside(
            has_artisan=tool is not None and tool.is_regular,
            log=None if isinstance(log, FactError) else next(iter(log.values())),
        )
    return found


def _place(written: str) -> PurePosixPath | None:
    """Return the folder around what nginx serves; ``None`` where that is no application's, or is not a plain path."""
    path = PurePosixPath(written)
    is_plain = written.isprintable() and not re.search(r"[$\\]|^//", written) and ".." not in path.parts
    return path.parent if is_plain and path.is_absolute() and path.name == "public" and len(path.parts) > 2 else None


def _user(servers: Iterable[Server], pools: Iterable[PoolUser]) -> str | None:
    """Return whom the pool that these servers pass requests to runs as; where none is named, whom all pools run as."""
    passes = {at for server in servers for at in server.passes}
    serving = {pool.user for pool in pools if _address(pool.listens) in passes} or {pool.user for pool in pools}
    return serving.pop() if len(serving) == 1 and serving.isdisjoint({"root", "0"}) else None


def _address(listens: str) -> str:
    return f"127.0.0.1:{listens}" if listens.isdigit() else listens


def _reached(servers: Sequence[Server]) -> tuple[str | None, str | None]:
    """Return by which address users have what these servers serve, and where nginx listens for it."""
    found = []
    for server in servers:
        names = [name.removeprefix(".") for name in server.names]  # .a.example is that name too
        name = next(filter(_NAME.fullmatch, names), "localhost")
        for at, *options in server.listens or (("80",),):
            match = _LISTEN.fullmatch(at)
            if match is None:
                continue  # a socket, or a name
            scheme = "https" if "ssl" in options else "http"
            port, its_own = match["port"] or "80", match["address"] not in _HERE
            if not (its_own and ":" in match["address"]):  # curl is told no such address
                found.append((its_own, scheme == "http", port != _DEFAULT_PORTS[scheme], scheme, name, port, match))
    if not found:
        return None, None
    its_own, _, is_unusual, scheme, name, port, match = min(found, key=lambda one: one[:3])
    url = f"{scheme}://{name}{f':{port}' if is_unusual else ''}/"
    origin = f"{scheme}://{match['address']}:{port}" if its_own else None
    return None if url == "http://localhost/" and origin is None else url, origin
