"""What an inventory says about one host, read into values: connection, application, policy, contacts.

An application's profile::

    app:                        # or apps: {soleil: {…}, blog: {…}} where a host has several
      name: soleil
      root: /srv/soleil/current           # the folder that holds artisan
      user: www-data                      # whom php-fpm and the workers run as
      logs:                               # files that may be cut or rotated; default: ROOT/storage/logs/laravel.log
        - /srv/soleil/shared/storage/logs/laravel.log
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

Relative paths of keys, ``known_hosts``, ``ssh_config`` and ``file:`` secrets start at the inventory's own folder, never
at the current one; ``~`` is the local user's home.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from soleil_remediate.host import TRANSPORTS, Connection, Mode, Policy, SecretReference
from soleil_remediate.loading.documents import Node, Problems
from soleil_remediate.loading.patterns import name_mistake
from soleil_remediate.loading.validation import Prose, Section, frozen, read_model, shown
from soleil_remediate.local_files import expanded
from soleil_remediate.plan import Risk
from soleil_remediate.units import ByteSize, Duration, Percent


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
    health: Health = Field(default_factory=Health)

    def values(self, folder: Path = Path("/")) -> Mapping[str, Any]:
        """Return what templates see as ``app``; a relative path on this machine starts at *folder*."""
        ca = None if self.ca is None else str(folder / expanded(self.ca))
        logs = (self.root / "storage/logs/laravel.log",) if self.logs is None else self.logs
        return frozen({**frozen(self), "logs": logs, "ca": ca})  # type: ignore[no-any-return]  # a mapping stays one


class NamedProfile(Profile):
    """The only application on a host: its name stands inside."""

    name: Name = "app"


def _some_share(share: Percent | None) -> Percent:
    if share is None:  # whoever left the value out has not lifted what a group says
        raise ValueError("must be a share such as 50 %, not nothing: leave the line out to have no limit of its own")
    if share <= 0:
        raise ValueError("must be more than 0 %: to allow no change at all, write mode: observe")
    return share


class _Policy(Section):
    environment: Prose = "production"
    mode: Mode = Mode.ACT
    unattended: dict[str, Risk] = Field(default_factory=dict)
    evidence_limit: ByteSize = Policy().evidence_limit
    change_limit: Annotated[Percent | None, AfterValidator(_some_share)] = None
    unhealthy_limit: Annotated[Percent | None, AfterValidator(_some_share)] = None


class _Contacts(Section):
    contacts: dict[str, Prose]


_SECRET = re.compile(r"pass(?:word|wd|phrase)?$|secret|token|api_?key|private_?key(?!_file)|credential", re.IGNORECASE)
_REFERENCE = re.compile(r"(?:env|file):\S+")

#: Keys of ours beside Ansible's variables.
SECTIONS = ("app", "apps", "policy", "contacts", "known_hosts", "ssh_config", "transport", "sudo")


#: What templates see as ``app`` on a host without an application: enough for scenarios that are about the machine.
NO_PROFILE: Mapping[str, Any] = frozen(
    {
        "user": "www-data",
        "logs": (),
        "backups": None,
        "url": None,
        "front": None,
        "ca": None,
        "health": frozen(Health()),
    }
)

#: Stands for any profile while a playbook is checked.
SAMPLE_PROFILE: Mapping[str, Any] = NamedProfile(
    root=PurePosixPath("/srv/app/current"),
    backups=Backups(path=PurePosixPath("/var/backups/app"), patterns=("*.gz",)),
    url="https://app.example/",
).values()


def looks_secret(name: str, value: object = "…") -> bool:
    """Whether a variable of that name holds a secret itself, and not only a reference to one."""
    return _SECRET.search(name) is not None and value is not None and not _REFERENCE.fullmatch(str(value))


def profile_names() -> tuple[str, ...]:
    """Return the names that templates may use after ``app.``."""
    return (
        *NamedProfile.model_fields,
        *(f"backups.{name}" for name in Backups.model_fields),
        *(f"health.{name}" for name in Health.model_fields),
    )


def refuse_misspelt_sections(variables: Mapping[str, Node], problems: Problems) -> None:
    """Note every variable that is called nearly as a section of ours and holds only what that one may hold.

    Left alone it would be a variable of somebody else's, and a host of ``polcy: {mode: observe}`` would be changed.
    """
    for name, node in variables.items():
        if name in SECTIONS or not node.entries:
            continue
        may_be = [section for section, holds in _HOLDS.items() if section[0] == name[:1].lower() and holds(node)]
        if near := get_close_matches(name.lower()[:80], may_be, n=1, cutoff=0.7):
            problems.add(node.origin, f"unknown section {shown(name)}: did you mean {near[0]!r}?")


def _is_like(node: Node, model: type[Section]) -> bool:
    return bool(node.entries) and node.entries.keys() <= model.model_fields.keys()


#: Of what a variable consists that was to be a section; contacts may consist of anything.
_HOLDS: Mapping[str, Callable[[Node], bool]] = {
    "policy": lambda node: _is_like(node, _Policy),
    "app": lambda node: _is_like(node, NamedProfile),
    "apps": lambda node: all(_is_like(app, Profile) for app in node.entries.values()),
}


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


def read_policy(variables: Mapping[str, Node], problems: Problems) -> Policy:
    """Return what may happen on the host; without a policy the strictest defaults."""
    if "policy" not in variables:
        return Policy()
    read = read_model(variables["policy"], _Policy, problems, path="policy")
    if read is None:
        return Policy()
    return Policy(
        environment=read.environment,
        mode=read.mode,
        unattended=frozen(read.unattended),
        evidence_limit=read.evidence_limit,
        change_limit=read.change_limit,
        unhealthy_limit=read.unhealthy_limit,
    )


def read_contacts(variables: Mapping[str, Node], problems: Problems) -> Mapping[str, str]:
    """Return whom to call, by name."""
    if "contacts" not in variables:
        return frozen({})  # type: ignore[no-any-return]  # a mapping stays one
    node = variables["contacts"]
    read = read_model(Node({"contacts": node}, node.origin), _Contacts, problems)
    return frozen(read.contacts if read else {})  # type: ignore[no-any-return]  # a mapping stays one


# ---- Ansible's connection variables ---------------------------------------------------------------------------------

_ADDRESS = ("ansible_host", "ansible_ssh_host")
_PORT = ("ansible_port", "ansible_ssh_port")
_USER = ("ansible_user", "ansible_ssh_user")
KEY_FILE = ("ansible_ssh_private_key_file", "ansible_private_key_file")
PASSWORD = ("ansible_password", "ansible_ssh_pass", "ansible_ssh_password")
BECOME_PASSWORD = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
#: Ansible's names of ways in, and ours.
_CONNECTIONS = {"ssh": "ssh", "smart": "ssh", "paramiko": "ssh", "paramiko_ssh": "ssh", "local": "local"}
_TIMEOUT = ("ansible_timeout", "ansible_ssh_timeout")

_REFUSED = {
    **dict.fromkeys(
        ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args"),
        "options of the ssh program are not read here: put ProxyJump and the like in a file and name it as ssh_config",
    ),
    **dict.fromkeys(
        ("ansible_host_key_checking", "ansible_ssh_host_key_checking"),
        "host keys are always checked: name the file with the known ones as known_hosts",
    ),
}
#: Ansible's own, without meaning here: special variables and those of its connection, shell and become plugins.
_IGNORED = frozenset(
    """
    ansible_become_exe ansible_become_flags ansible_group_priority ansible_network_os ansible_pipelining
    ansible_remote_tmp ansible_scp_executable ansible_scp_extra_args ansible_scp_if_ssh ansible_sftp_batch_mode
    ansible_sftp_executable ansible_sftp_extra_args ansible_shell_executable ansible_shell_type ansible_ssh_executable
    ansible_ssh_pipelining ansible_ssh_retries ansible_ssh_transfer_method ansible_ssh_use_tty ansible_sudo_exe
    ansible_control_path ansible_control_path_dir ansible_async_dir ansible_facts ansible_local
    """.split()
)
_READ = (
    *_ADDRESS, *_PORT, *_USER, *KEY_FILE, *PASSWORD, *BECOME_PASSWORD, *_TIMEOUT,
    "ansible_become", "ansible_become_method", "ansible_become_user", "ansible_connection",
)  # fmt: skip
_TRUE, _FALSE = frozenset({"yes", "on", "true", "1"}), frozenset({"no", "off", "false", "0"})


class _Variables:
    """Reads single variables, each with its place; a mistake gives ``None`` and is noted."""

    def __init__(self, variables: Mapping[str, Node], folder: Path, problems: Problems) -> None:
        self._variables = variables
        self._folder = folder
        self._problems = problems

    def node(self, names: tuple[str, ...]) -> tuple[str, Node] | None:
        return next(((name, self._variables[name]) for name in names if name in self._variables), None)

    def text(self, *names: str) -> str | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        if isinstance(node.value, str) and node.value.strip() and node.value.isprintable():
            if "{{" in node.value:
                self._problems.add(node.origin, f"{name}: templates are not filled in an inventory: write the value")
                return None
            if not node.value.startswith("-"):
                return node.value
            self._problems.add(node.origin, f"{name} must not begin with a dash: {shown(node.value)}")
            return None
        self._problems.add(node.origin, f"{name} must be text, not {shown(node.plain)}")
        return None

    def number(self, low: int, high: int, *names: str) -> int | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        value = (
            int(node.value) if isinstance(node.value, str) and re.fullmatch("[0-9]{1,9}", node.value) else node.value
        )
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self._problems.add(node.origin, f"{name} must be a number from {low} to {high}, not {shown(node.plain)}")
        return None

    def flag(self, name: str, *, default: bool) -> bool:
        if (found := self.node((name,))) is None:
            return default
        node = found[1]
        if isinstance(node.value, bool):
            return node.value
        if isinstance(node.value, str) and node.value.lower() in _TRUE | _FALSE:  # Ansible reads these as well
            return node.value.lower() in _TRUE
        self._problems.add(node.origin, f"{name} must be true or false, not {shown(node.plain)}")
        return default

    def one_of(self, name: str, allowed: tuple[str, ...], advice: str) -> None:
        value = self.text(name)
        if value is not None and value not in allowed:
            self._problems.add(self._variables[name].origin, f"{name} {shown(value)} {advice}")

    def transport(self) -> str:
        """Return which way in: ours where it is named, else what Ansible's variable means."""
        ansible = _CONNECTIONS.get(self.text("ansible_connection") or "", "")
        ours = self.text("transport")
        if ours is None:
            return ansible or TRANSPORTS[0]
        if ours not in TRANSPORTS:
            self._problems.unknown("transport", ours, TRANSPORTS, self._variables["transport"].origin)
        elif ansible == "local" and ours != "local":
            self._problems.add(
                self._variables["transport"].origin, f"transport: {ours} contradicts ansible_connection: local"
            )
        return ours

    def is_narrow(self, user: str | None) -> bool:
        """Return whether sudo allows single commands alone."""
        self.one_of("sudo", ("shell", "narrow"), "must be shell or narrow")
        if self.text("sudo") != "narrow":
            return False
        origin = self._variables["sudo"].origin
        if not self.flag("ansible_become", default=True):
            self._problems.add(origin, "sudo: narrow contradicts ansible_become: false")
        if (found := self.node(BECOME_PASSWORD)) is not None:
            self._problems.add(origin, f"sudo: narrow takes no password: leave {found[0]} out")
        if user == "root":
            self._problems.add(origin, "sudo: narrow is for another login than root")
        return True

    def path(self, *names: str) -> Path | None:
        text = self.text(*names)
        return None if text is None else self._local(text)

    def paths(self, name: str) -> tuple[Path, ...]:
        node = self._variables.get(name)
        if node is None:
            return ()
        items = node.value if isinstance(node.value, list) else [node]
        texts = [item.value for item in items if isinstance(item.value, str) and item.value.strip()]
        if len(texts) < len(items) or not items:
            self._problems.add(node.origin, f"{name} must be a path or a list of paths, not {shown(node.plain)}")
        return tuple(self._local(text) for text in texts)

    def secret(self, *names: str) -> SecretReference | None:
        if (found := self.node(names)) is None:
            return None
        name, node = found
        text = node.value if isinstance(node.value, str) else ""
        source, _, where = text.partition(":")
        kinds: dict[str, Literal["env", "file"]] = {"env": "env", "file": "file"}
        if source in kinds and where and (source == "file" or re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", where)):
            return SecretReference(kinds[source], str(self._local(where)) if source == "file" else where)
        self._problems.add(  # without the value: it may be the secret
            node.origin, f"{name} holds a value: secrets are never written here, write env:NAME or file:PATH"
        )
        return None

    def _local(self, text: str) -> Path:
        return self._folder / expanded(text)


def read_connection(name: str, variables: Mapping[str, Node], folder: Path, problems: Problems) -> Connection:
    """Return how the host is reached.

    Args:
        folder: Where relative paths start.
    """
    for variable, node in variables.items():
        if not variable.startswith("ansible_"):
            continue
        if variable in _REFUSED:
            problems.add(node.origin, f"{variable}: {_REFUSED[variable]}")
        elif not (variable in _IGNORED or variable in _READ or re.fullmatch(r"ansible_\w+_interpreter", variable)):
            problems.unknown("Ansible variable", variable, {*_READ, *_IGNORED}, node.origin)
    read = _Variables(variables, folder, problems)
    read.one_of(
        "ansible_connection", tuple(_CONNECTIONS), "is not supported: only ssh and local are, and transport: openssh"
    )
    read.one_of("ansible_become_method", ("sudo",), "is not supported: only sudo is")
    read.one_of(
        "ansible_become_user", ("root",), "is not supported: sudo leads to root, and tasks name their own users"
    )
    seconds = read.number(1, 600, *_TIMEOUT)
    user = read.text(*_USER)
    return Connection(
        address=read.text(*_ADDRESS) or name,
        port=read.number(1, 65535, *_PORT),
        user=user,
        key_file=read.path(*KEY_FILE),
        known_hosts=read.paths("known_hosts"),
        ssh_config=read.path("ssh_config"),
        password=read.secret(*PASSWORD),
        become=read.flag("ansible_become", default=True),
        is_narrow=read.is_narrow(user),
        become_password=read.secret(*BECOME_PASSWORD),
        transport=read.transport(),
        connect_within=Connection(address=name).connect_within if seconds is None else Duration(seconds),
    )
