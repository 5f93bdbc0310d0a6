"""Services as systemd has them: which there are, how they are, and whether their configuration could be started."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.files import readable, records
from soleil_remediate.plan import Script
from soleil_remediate.rights import NO_SETTING, TESTER
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: Run the words that follow where they cannot change this host. Testing a configuration is not mere reading: nginx
#: makes an empty pid file and every log that is missing, php-fpm writes to its log and locks a file in /tmp. So it
#: happens in a mount namespace of its own, where every file system is read only and /tmp and the folders of /var/log
#: are empty ones in memory, gone when the test ends. What is no file system on a disk or in memory is left as it is:
#: nothing is stored there, or a dead server would hang the question.
WITHOUT_A_TRACE = Script(
    "without-a-trace",
    r"""set -eu
folders=$(find /var/log -type d)
while read -r _ _ _ _ at rest; do
    type=${rest#* - }
    case ${type%% *} in
        autofs | binfmt_misc | bpf | cgroup* | cifs | configfs | debugfs | devpts | efivarfs | fuse* | hugetlbfs) ;;
        mqueue | nfs* | nsfs | proc | pstore | securityfs | selinuxfs | smb3 | sysfs | tracefs) ;;
        *) mount -n -o remount,bind,ro -- "$(printf '%b' "$at")" ;;
    esac
done </proc/self/mountinfo
mount -n -t tmpfs -o mode=1777,size=16m tmpfs /tmp
mount -n -t tmpfs -o mode=755,size=16m tmpfs /var/log
printf '%s\n' "$folders" | while read -r folder; do mkdir -p -- "$folder"; done
exec "$@"
""",
)
#: What starts it: a namespace whose mounts nobody else sees.
ALONE = ("unshare", "--mount", "--propagation", "private", "--")

#: There on every host with systemd, so that silence is never an answer.
_ALWAYS = "basic.target"

_PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "InvocationID", "ExecStart",
    "StateChangeTimestamp",
)  # fmt: skip
_PROGRAM = re.compile(r"\{ path=(/\S+) ; argv\[\]=(.*?) ; ignore_errors=")
_TIME = re.compile(r"\w{3} (\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) UTC")
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\-]+\.(service|target)")
#: Which options of a running program name its configuration, and so belong to the test as well.
_CONFIGURED_BY = frozenset({"-c", "-p", "-y", "--fpm-config"})

_RUNS_AT_BOOT = frozenset(
    {"enabled", "enabled-runtime", "static", "indirect", "generated", "alias", "linked", "linked-runtime"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One service.

    Args:
        name: With its ending, such as ``php8.2-fpm.service``.
        load: ``loaded``, ``masked``, ``not-found``, …
        active: ``active``, ``inactive``, ``failed``, ``activating``, ``reloading``, …
        sub: The same more closely, such as ``running`` or ``auto-restart``.
        enablement: ``enabled``, ``disabled``, ``masked``, … (systemctl(1), is-enabled).
        result: How it ended last time: ``success``, ``signal``, ``exit-code``, ``start-limit-hit``, …
        restarts: How often systemd started it again by itself.
        invocation: Which run of it this is, or was; empty where it never ran.
        program: The words that start it; none where systemd has not read it.
        since: When its state changed last, in seconds since 1970; ``None`` where it never did.
    """

    name: str
    load: str = "loaded"
    active: str = "inactive"
    sub: str = "dead"
    enablement: str = "enabled"
    result: str = "success"
    restarts: int = 0
    invocation: str = ""
    program: tuple[str, ...] = ()
    since: int | None = None

    @property
    def is_masked(self) -> bool:
        return self.load == "masked" or self.enablement.startswith("masked")

    @property
    def is_running(self) -> bool:
        return self.active in {"active", "reloading", "refreshing"}

    @property
    def is_down(self) -> bool:
        """It does not run, and nobody is about to start it."""
        return self.active in {"inactive", "failed"}

    @property
    def is_wanted(self) -> bool:
        """It is to run here: systemd starts it at boot, for itself or for another unit, or has it running now."""
        return self.enablement in _RUNS_AT_BOOT or not self.is_down

    @property
    def daemon(self) -> str:
        """The name of the program, such as ``php-fpm8.2``; empty where that is not known."""
        return PurePosixPath(self.program[0]).name if self.program else ""

    @property
    def in_words(self) -> str:
        """How it is, for people."""
        if self.is_masked:
            return f"masked and {self.active}"
        if self.active == "active":
            return self.sub
        if self.active == "failed":
            return f"failed ({self.result})"
        if self.active == "inactive":
            return "stopped" if self.is_wanted else f"stopped and {self.enablement}"
        return f"{self.active} ({self.sub})"


@dataclass(frozen=True, slots=True)
class ShowUnits(Query[tuple[Unit, ...]]):
    """The units that systemd has loaded, by names that may hold ``*`` and ``?``: all that run, failed, or should run.

    One that nothing wants and that does not run may be missing here; :class:`ListUnitFiles` has it.
    """

    patterns: tuple[str, ...]

    @property
    def command(self) -> Command:
        wanted = ",".join(_PROPERTIES)
        return Command(("systemctl", "show", f"--property={wanted}", "--", _ALWAYS, *self.patterns))

    def parse(self, output: Output) -> tuple[Unit, ...]:
        found = {}
        for block in output.text.strip("\n").split("\n\n"):
            said: dict[str, str] = {}
            for line in block.splitlines():
                name, equals, value = line.partition("=")
                if not equals or name not in _PROPERTIES:
                    raise ValueError(f"no property: {redacted(line)[:80]!r}")
                said.setdefault(name, value)  # of several commands the first one starts it
            unit = _unit(said)
            found[unit.name] = unit
        found.pop(_ALWAYS)
        return tuple(unit for unit in found.values() if unit.load != "not-found" or unit.active != "inactive")


def _unit(said: Mapping[str, str]) -> Unit:
    if not _UNIT.fullmatch(said["Id"]) or said["ActiveState"] == "":
        raise ValueError(f"no unit: {redacted(said['Id'])[:80]!r}")
    program = _PROGRAM.match(said.get("ExecStart", ""))
    return Unit(
        name=said["Id"],
        load=said["LoadState"],
        active=said["ActiveState"],
        sub=said["SubState"],
        enablement=said["UnitFileState"],
        result=said.get("Result", ""),
        restarts=int(said.get("NRestarts") or 0),
        invocation=said["InvocationID"],
        program=(program[1], *program[2].split()[1:]) if program else (),
        since=_seconds(said["StateChangeTimestamp"]),
    )


def _seconds(text: str) -> int | None:
    if text in {"", "n/a"}:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"no time: {redacted(text)[:80]!r}")
    return seconds_at(*map(int, match.groups()))


@dataclass(frozen=True, slots=True)
class ReadFolders(Query[Mapping[str, str]]):
    """Where loaded units work, by their names; empty for one that has no folder of its own."""

    units: tuple[str, ...]

    @property
    def command(self) -> Command:
        return Command(("systemctl", "show", "--property=Id,WorkingDirectory", "--", _ALWAYS, *self.units))

    def parse(self, output: Output) -> Mapping[str, str]:
        found = {}
        for block in output.text.strip("\n").split("\n\n"):
            said = dict(line.split("=", 1) for line in block.splitlines())
            found[said["Id"]] = said.get("WorkingDirectory", "").lstrip("!")  # with it, the folder need not be there
        del found[_ALWAYS]
        return found


@dataclass(frozen=True, slots=True)
class ListUnitFiles(Query[Mapping[str, str]]):
    """Every unit that could be started, loaded or not, by its name: whether it is enabled, disabled or masked."""

    patterns: tuple[str, ...]

    @property
    def command(self) -> Command:
        return Command(("systemctl", "list-unit-files", "--no-legend", "--plain", "--", _ALWAYS, *self.patterns))

    def parse(self, output: Output) -> Mapping[str, str]:
        found = {}
        for line in output.text.splitlines():
            name, enablement, *_ = line.split()
            if not _UNIT.fullmatch(name):
                raise ValueError(f"no unit: {redacted(name)[:80]!r}")
            found[name] = enablement
        found.pop(_ALWAYS)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What a program says about its own configuration as it stands on disk now.

    Args:
        is_good: It could be started, or loaded anew, with it.
        says: Why not, in the program's own words: the first of them, since the others only follow from it.
    """

    is_good: bool
    says: str = ""


@dataclass(frozen=True, slots=True)
class TryConfiguration(Query[Configuration]):
    """Let nginx or php-fpm test its configuration, without a trace on the host (see :data:`WITHOUT_A_TRACE`).

    Where only the pid file or a log outside of /var/log could not be opened for writing, nginx has read and understood
    everything before.
    """

    test: tuple[str, ...]
    # 1: nginx, 78: php-fpm
    expects = frozenset({0, 1, 78})
    empty_is = "both speak on standard error: nothing at all there is no answer"

    @property
    def command(self) -> Command:
        words = (*ALONE, *WITHOUT_A_TRACE.bind(*self.test))
        by_sudo = ("sudo", "-n", "--", TESTER, *self.test)
        return Command(words, deadline=Duration(10), is_slow=True, by_sudo=by_sudo)

    def parse(self, output: Output) -> Configuration:
        lines = [_TOLD.sub("", line) for line in output.error_text.splitlines() if line.strip()]
        if any(line.endswith("test is successful") for line in lines):
            return Configuration(is_good=True)
        wrong = [line for line in lines if line.startswith(("[emerg] ", "ERROR: "))]
        if not wrong:
            raise ValueError("neither good nor bad")
        if "Read-only file system" in wrong[0]:
            if any(line.endswith("syntax is ok") for line in lines):
                return Configuration(is_good=True)
            raise FactError(f"it cannot be tested without writing to the host: {wrong[0]}")
        return Configuration(is_good=False, says=wrong[0].partition(" ")[2])


@dataclass(frozen=True, slots=True)
class TryRedisConfiguration(Query[Configuration]):
    """Let Redis read its configuration and end before it does anything with it, without a trace on the host.

    It has no test of its own. So it is given one more setting behind all others, which it cannot know: where that is
    the one it stops at, everything before is as it should be. Of a line that is wrong only its first word is told: what
    follows may be a password.
    """

    program: str
    file: PurePosixPath
    expects = frozenset({1})
    empty_is = "it speaks on standard error: nothing at all there is no answer"

    @property
    def command(self) -> Command:
        test = (self.program, str(self.file), f"--{NO_SETTING}")
        by_sudo = ("sudo", "-n", "--", TESTER, *test)
        words = (*ALONE, *WITHOUT_A_TRACE.bind(*test))
        return Command(words, deadline=Duration(10), is_slow=True, by_sudo=by_sudo)

    def parse(self, output: Output) -> Configuration:
        text = output.error_text + output.text
        if missing := re.search(r"can't open config file '[^']*': (.+)", text):
            return Configuration(is_good=False, says=f"{self.file}: {missing[1]}")
        wrong = re.search(r"at line (\d+)\n>>> '\s*(\S*?)(?:\s.*)?'\n(.+)", text)
        if wrong is None:
            raise ValueError("neither good nor bad")
        if wrong[2].strip('"') == NO_SETTING:
            return Configuration(is_good=True)
        why = re.sub(r"'[^']*'", "'…'", wrong[3])
        return Configuration(is_good=False, says=f"{self.file} line {wrong[1]}, {wrong[2]}: {why}")


#: Times and numbers of processes, which say nothing about what is wrong.
_TOLD = re.compile(r"^(?:nginx: |\d{4}/\d\d/\d\d [\d:]+ |\[[\w :-]+\] (?=[A-Z]+:))| \d+#\d+:")


def configuration_test(unit: Unit) -> tuple[str, ...]:
    """Return the words that test a unit's configuration; none where nobody knows how that is done."""
    if unit.daemon != "nginx" and not unit.daemon.startswith("php-fpm"):
        return ()
    words = unit.program
    named = [word for at, word in enumerate(words) if _is_name(word) or (at and _is_name(words[at - 1]))]
    return (words[0], "-t", *named)


def _is_name(word: str) -> bool:
    return word in _CONFIGURED_BY


def redis_configuration(unit: Unit) -> PurePosixPath | None:
    """Return the file that configures a unit's Redis; ``None`` where it is none, or runs without a file."""
    if unit.daemon not in {"redis-server", "valkey-server"} or len(unit.program) < 2:
        return None
    return PurePosixPath(unit.program[1]) if unit.program[1].startswith("/") else None


def trial_of(unit: Unit) -> Query[Configuration] | None:
    """Return the question whether a unit could start with its configuration; ``None`` where nobody knows how."""
    if test := configuration_test(unit):
        return TryConfiguration(test)
    if file := redis_configuration(unit):
        return TryRedisConfiguration(unit.program[0], file)
    return None


@dataclass(frozen=True, slots=True)
class FindNewestChange(Query[tuple[int, PurePosixPath]]):
    """When a file below a folder was changed last, in seconds since 1970, and which; links are followed.

    What counts is when it came to be as it is (ctime): a file put in place with an old date is new all the same.
    """

    folder: PurePosixPath

    @property
    def command(self) -> Command:
        return Command(("find", "-L", str(self.folder), "-type", "f", "-printf", r"%C@\t%p\0"))

    def parse(self, output: Output) -> tuple[int, PurePosixPath]:
        found = []
        for record in records(output.stdout):
            changed, name = record.split(b"\t", 1)
            found.append((int(changed.partition(b".")[0]), PurePosixPath(readable(name)[0])))
        return max(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The units some names stand for.

    Args:
        units: In the order of their names.
        tests: By name, what those that can test their configuration said; a FactError where it is not to be told.
    """

    units: tuple[Unit, ...]
    tests: Mapping[str, Configuration | FactError]

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units)

    def matching(self, *patterns: str) -> tuple[Unit, ...]:
        """Return those that some of the names stand for."""
        return tuple(unit for unit in self.units if any(fnmatchcase(unit.name, one) for one in patterns))


def is_unit(name: str) -> bool:
    """Whether this is a service's own name, as systemctl takes it."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.service", name) is not None and len(name) <= 255


def refuse_unless_unit(*patterns: str) -> None:
    """Raise ValueError where one of some names, which may be patterns, is no service's."""
    if not patterns:
        raise ValueError("name at least one unit")
    for one in patterns:
        if not re.fullmatch(r"[A-Za-z0-9*?][A-Za-z0-9:_.@*?\\-]*\.service", one) or len(one) > 255:
            raise ValueError(f"{one[:80]!r} must be a service such as nginx.service or php*-fpm.service")


async def read_units(host: Reader, patterns: Iterable[str]) -> Services:
    """Ask which units there are and how they are; one round trip.

    One that was stopped systemd may have forgotten, and what starts it as well: asked for by its name it reads it anew,
    which takes another round trip.

    Raises:
        FactError: That cannot be told.
    """
    wanted = tuple(dict.fromkeys(patterns))
    loaded, files = await host.ask_all(ShowUnits(wanted), ListUnitFiles(wanted))
    known = {unit.name: unit for unit in loaded}
    if forgotten := [
        name for name, how in files.items() if how == "enabled" and name not in known and "@." not in name
    ]:
        known |= {unit.name: unit for unit in await host.ask(ShowUnits(tuple(forgotten)))}
    for name, enablement in files.items():
        if "@." not in name and enablement != "alias":  # a template is none itself, and an alias another's name
            load = "masked" if enablement.startswith("masked") else "loaded"
            known.setdefault(name, Unit(name=name, load=load, enablement=enablement))
    return Services(units=tuple(known[name] for name in sorted(known)), tests={})


async def read_services(host: Reader, patterns: Iterable[str], *, tested: Sequence[str]) -> Services:
    """Ask the same, and let those that *tested* stands for test their configuration; one round trip more.

    Raises:
        FactError: What units there are cannot be told.
    """
    seen = await read_units(host, patterns)
    trials = {unit.name: trial for unit in seen.matching(*tested) if (trial := trial_of(unit))}
    answers = await host.ask_each(list(trials.values()))
    return Services(units=seen.units, tests=dict(zip(trials, answers, strict=True)))
