"""What an inventory says about the applications of a host, read into what templates see as ``app``.

An application's profile::

    app:                        # or apps: {soleil: {…}, blog: {…}} where a host has several
      name: soleil
      root: /srv/soleil/current           # the folder that holds artisan
      user: www-data                      # whom php-fpm and the workers run as
      logs:                               # files that may be cut or rotated; default: ROOT/storage/logs/laravel.log
        - /srv/soleil/shared/storage/logs/laravel.log     # or laravel-*.log, where one is begun every day
      backups:                            # or only its path
        path: /var/backups/soleil
        keep: 3                           # the newest so many stay, whatever their age
        older_than: 7 d                   # younger ones stay, however many
        patterns: ["*.sql.gz"]            # which files are backups at all; default: usual names of dumps and archives
        protect: ["*-yearly-*"]           # which of those are never removed
      url: https://soleil.example/        # as its users have it: its name is the one that nginx is asked by
      front: [203.0.113.0/24]             # addresses or networks of the proxy, load balancer or CDN before the hosts
      ca: ca.pem                          # a file on this machine with further authorities, for a certificate of theirs
      health:                             # every line has this default, but origin
        live: /api/health/live            # a page for which PHP is enough
        page: /api/health/ready           # one that needs what users need, the database above all, and no login
        origin: http://127.0.0.1:8080     # where nginx listens on the host; default: the usual ports
      third_parties:                      # what it calls on and others run: is it reached from the host?
        - https://api.payments.example/
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.patterns import name_mistake
from soleil_remediate.loading.validation import Section, frozen, read_model, shown
from soleil_remediate.local_files import expanded
from soleil_remediate.units import Duration


def _absolute(path: PurePosixPath) -> PurePosixPath:
    if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
        raise ValueError(f"must be an absolute path without '..', and not the root, not {shown(str(path))}")
    return path


def _deep(path: PurePosixPath) -> PurePosixPath:
    if len(path.parts) < 3:
        raise ValueError(
            f"must be a folder of backups and nothing else, two levels deep at least, not {shown(str(path))}"
        )
    return path


def _pattern(text: str) -> str:
    if not text.strip("*?") or "/" in text or text.startswith(("-", ".")):
        raise ValueError(f"must be a pattern of file names such as *.sql.gz, not {shown(text)}")
    return text


def _some(patterns: tuple[str, ...]) -> tuple[str, ...]:
    if not patterns:
        raise ValueError("must name at least one pattern: an empty list would make every file a backup, or none")
    return patterns


def _user(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?", text):
        raise ValueError(f"must be the name of a user, not {shown(text)}")
    return text


def _name(text: str) -> str:
    if mistake := name_mistake(text):
        raise ValueError(mistake)
    return text


def _url(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[!-~]*)?", text):
        raise ValueError(f"must be an http or https address without a password, not {shown(text)}")
    return text


def _third_party(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[A-Za-z0-9._~/-]*)?", text):
        raise ValueError("must be an http or https address without a password, and without a query, which may hold one")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"must be an IP address or a network such as 203.0.113.0/24: {error}") from None
    return text


def _file(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError(f"must be a path on this machine, not {shown(text)}")
    return text


HostPath = Annotated[PurePosixPath, AfterValidator(_absolute)]
Name = Annotated[str, AfterValidator(_name)]
User = Annotated[str, AfterValidator(_user)]


#: What dumps of databases and archives of files are usually called; anything else in the folder is no backup.
BACKUPS = ("*.sql", "*.sql.*", "*.dump", "*.dump.*", "*.tar", "*.tar.*", "*.tgz", "*.zip")


class Backups(Section):
    """Where an application's backups are, and what must stay of them."""

    path: Annotated[HostPath, AfterValidator(_deep)]
    keep: int = Field(default=3, ge=1)
    older_than: Duration = Duration(7 * 86400)
    patterns: Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], AfterValidator(_some)] = BACKUPS
    protect: tuple[Annotated[str, AfterValidator(_pattern)], ...] = ()


def _page(text: str) -> str:
    if not re.fullmatch(r"/[!-~]*", text):
        raise ValueError(f"must be a page of the application such as /api/health/live, not {shown(text)}")
    return text


class Health(Section):
    """Pages that tell whether an application is well, and where its web server listens on the host."""

    live: Annotated[str, AfterValidator(_page)] = "/api/health/live"
    page: Annotated[str, AfterValidator(_page)] = "/api/health/ready"
    origin: Annotated[str, AfterValidator(_url)] | None = None


class Profile(Section):
    """One application on a host, as the module's docstring describes it."""

    root: HostPath
    user: User = "www-data"
    logs: tuple[HostPath, ...] | None = None
    backups: Backups | None = None
    url: Annotated[str, AfterValidator(_url)] | None = None
    front: tuple[Annotated[str, AfterValidator(_network)], ...] | None = None
    ca: Annotated[str, AfterValidator(_file)] | None = None
    third_parties: tuple[Annotated[str, AfterValidator(_third_party)], ...] | None = None
    health: Health = Field(default_factory=Health)

    def values(self, folder: Path = Path("/")) -> Mapping[str, Any]:
        """Return what templates see as ``app``; a relative path on this machine starts at *folder*."""
        ca = None if self.ca is None else str(folder / expanded(self.ca))
        logs = (self.root / "storage/logs/laravel.log",) if self.logs is None else self.logs
        return frozen({**frozen(self), "logs": logs, "ca": ca})  # type: ignore[no-any-return]  # a mapping stays one


class NamedProfile(Profile):
    """The only application on a host: its name stands inside."""

    name: Name = "app"


#: What templates see as ``app`` on a host without an application: enough for scenarios that are about the machine.
NO_PROFILE: Mapping[str, Any] = frozen(
    {
        "user": "www-data",
        "logs": (),
        "backups": None,
        "url": None,
        "front": None,
        "ca": None,
        "third_parties": None,
        "health": frozen(Health()),
    }
)

#: Stands for any profile while a playbook is checked.
SAMPLE_PROFILE: Mapping[str, Any] = NamedProfile(
    root=PurePosixPath("/srv/app/current"),
    backups=Backups(path=PurePosixPath("/var/backups/app"), patterns=("*.gz",)),
    url="https://app.example/",
).values()


def profile_names() -> tuple[str, ...]:
    """Return the names that templates may use after ``app.``."""
    return (
        *NamedProfile.model_fields,
        *(f"backups.{name}" for name in Backups.model_fields),
        *(f"health.{name}" for name in Health.model_fields),
    )


def read_apps(variables: Mapping[str, Node], folder: Path, problems: Problems) -> dict[str, Mapping[str, Any]]:
    """Return the profile of each application by its name; none where the inventory knows none.

    Args:
        folder: Where relative paths start.
    """
    if "app" in variables and "apps" in variables:
        problems.add(variables["app"].origin, "both app and apps: write the application under apps, with the others")
        return {}
    if "app" in variables:
        single = read_model(_spelt_out(variables["app"]), NamedProfile, problems, path="app")
        return {} if single is None else {single.name: single.values(folder)}
    if "apps" not in variables:
        return {}
    node = variables["apps"]
    if not node.entries:
        problems.add(node.origin, f"apps must map each application's name to its profile, not be {shown(node.plain)}")
    found = {}
    for name, profile_node in node.entries.items():
        if mistake := name_mistake(name):
            problems.add(node.keys[name], mistake)
        profile = read_model(_spelt_out(profile_node), Profile, problems, path=f"apps.{name}")
        if profile is not None:
            found[name] = frozen({**profile.values(folder), "name": name})
    return found


def _spelt_out(profile: Node) -> Node:
    """Return the profile with ``backups: PATH`` as the mapping that it stands for."""
    backups = profile.entries.get("backups")
    if backups is None or not isinstance(backups.value, str):
        return profile
    path = Node({"path": backups}, backups.origin, {"path": backups.origin})
    return Node({**profile.entries, "backups": path}, profile.origin, profile.keys)
