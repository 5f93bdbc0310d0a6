"""Repair services: start what is down, load what stands on disk, and restart only what a restart would help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.disks import DiskWritable
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.http import Response, Site, read_page, read_site, refuse_unless_askable
from soleil_remediate.facts.services import (
    Configuration,
    FindNewestChange,
    Services,
    Unit,
    configuration_test,
    read_services,
    refuse_unless_unit,
)
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Script, Undo
from soleil_remediate.task import Health, Task
from soleil_remediate.units import Duration

#: Tell systemd to $1 the unit $2, if it is still the run $3 of it; the words from $5 on test its configuration first.
#: "Active" is not enough: it must be the same run, without another start, for $4 seconds. A reload of php-fpm with a
#: broken pool ends well and kills it a moment later.
ACT = Script(
    "act-on-service",
    r"""set -eu
verb=$1 unit=$2 run=$3 seconds=$4
shift 4
show() { systemctl show --property="$1" --value -- "$unit"; }
stop() { printf '%s\n' "$1" >&2; exit 75; }
fail() {
    printf '%s\n' "$1" >&2
    journalctl --quiet --no-pager --unit="$unit" --lines=5 --output=cat >&2 || :
    exit 1
}
[ "$(show InvocationID)" = "$run" ] || stop "$unit was started anew meanwhile: nothing was done"
if [ $# -gt 0 ]; then
    said=$("$@" 2>&1) || stop "its configuration is not right, nothing was done: $said"
fi
[ "$(show Result)" != start-limit-hit ] || systemctl reset-failed -- "$unit"
systemctl "$verb" -- "$unit" || fail "systemctl $verb $unit failed"
run=$(show InvocationID) restarts=$(show NRestarts)
while :; do
    state=$(show ActiveState)
    case $state in active | reloading | refreshing) ;; *) fail "$unit is $state" ;; esac
    [ "$(show InvocationID) $(show NRestarts)" = "$run $restarts" ] || fail "$unit died and was started again"
    [ "$seconds" -gt 0 ] || break
    sleep 1
    seconds=$((seconds - 1))
done
[ "$state" = active ] || fail "$unit is still $state"
echo "$unit is $(show SubState)"
""",
)

#: So long it must stay up to count as up, and so long systemd may take to stop and to start it (its own limit is 90 s).
_WATCHED = 5
_DEADLINE = Duration(240)

#: What web servers, PHP and its sessions write, beside the application's own folder.
_WRITTEN = tuple(map(PurePosixPath, ("/tmp", "/run", "/var/log", "/var/lib/php", "/var/lib/nginx")))  # noqa: S108 - looked at, not used
_NGINX = PurePosixPath("/etc/nginx")


@dataclass(frozen=True, kw_only=True)
class StartService(Task[Services]):
    """Start a service that is down and should run.

    It should where it is enabled. One that somebody disabled or masked is left alone, with the reason, and so is one
    that systemd is starting, or starts again and again. nginx and php-fpm test their configuration first. Afterwards it
    must stay up for five seconds.

    Args:
        unit: The unit's name; ``*`` and ``?`` stand for what they do in a shell, as in ``php*-fpm.service``.

    Raises:
        Unplannable: It is masked, disabled or in a restart loop, or its configuration is broken.
    """

    kind = "service.start"
    risk: ClassVar[Risk] = Risk.GENTLE

    unit: str

    def __post_init__(self) -> None:
        refuse_unless_unit(self.unit)

    async def read(self, host: Reader) -> Services:
        return await read_services(host, [self.unit], tested=[self.unit])

    def plan(self, seen: Services) -> Plan:
        if not seen.units:
            return Plan.nothing(f"there is no {self.unit}")
        down = [unit for unit in seen if unit.is_down and unit.is_wanted and not unit.is_masked]
        changes: list[Change] = []
        refusals: list[str] = []
        for unit in down:
            try:
                changes.append(self._start(unit, _test_of(unit, seen)))
            except Unplannable as error:
                refusals.append(str(error))
        if changes:
            return Plan.of(*changes, because="; ".join(f"{unit.name} is {_since(unit)}" for unit in down))
        running = [unit.name for unit in seen if unit.is_running]
        if not running:
            refusals += [_why_not_started(unit, seen) for unit in seen if unit not in down]
        if refusals:
            raise Unplannable("; ".join(refusals))
        return Plan.nothing(f"{' and '.join(running)} running")

    def _start(self, unit: Unit, test: tuple[str, ...]) -> Change:
        return Change(
            summary=f"start {unit.name}",
            command=_act("start", unit, test),
            risk=self.risk,
            undo=Undo.by(Command(("systemctl", "stop", "--", unit.name), deadline=_DEADLINE), "it is stopped again"),
            before=unit.in_words,
            after=f"running, and still so {_WATCHED} s later",
        )


def _why_not_started(unit: Unit, seen: Services) -> str:
    if unit.is_masked:
        return (
            f"{unit.name} is masked: somebody forbade it to start. If that is over: "
            f"systemctl unmask {unit.name} && systemctl start {unit.name}"
        )
    if unit.is_down:
        return f"{unit.name} is {unit.in_words}: somebody wants it so. If that is over: systemctl start {unit.name}"
    try:
        _test_of(unit, seen)
    except Unplannable as error:
        return f"{_again_and_again(unit)}; {error}"
    return _again_and_again(unit)


def _again_and_again(unit: Unit) -> str:
    return f"{unit.name} is {unit.in_words}, started again {unit.restarts} times by systemd itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that decides whether acting on a running service would help.

    Args:
        services: The service itself, its configuration tested, and what the application needs beside it.
        site: What nginx makes of the application's pages.
        file_systems: To see whether one is full.
        maintenance: The file by which Laravel is in maintenance mode; empty where it is not, or nobody knows.
    """

    services: Services
    site: Site
    file_systems: FileSystems
    maintenance: tuple[FileStat, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReloadNginx(Task[tuple[Services, Response, tuple[int, PurePosixPath]]]):
    """Let nginx load the configuration that stands on disk, where that is newer than the one it runs with.

    Only while the application does not answer. Requests under way are ended well by the old workers. A configuration
    that fails its own test is never loaded.

    Args:
        live: A page for which PHP is enough.
        unit: The unit's name.
        folder: Where its configuration lies, includes and all.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: Later is no answer.

    Raises:
        Unplannable: The configuration on disk is broken.
    """

    kind = "nginx.reload"
    risk: ClassVar[Risk] = Risk.GENTLE

    live: str
    unit: str = "nginx.service"
    folder: PurePosixPath = _NGINX
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_unit(self.unit)
        refuse_unless_askable(self.live, self.url, self.origin)
        if not self.folder.is_absolute() or ".." in self.folder.parts:
            raise ValueError(f"{self.folder} must be absolute")

    async def read(self, host: Reader) -> tuple[Services, Response, tuple[int, PurePosixPath]]:
        return await together(
            read_services(host, [self.unit], tested=[self.unit]),
            read_page(host, self.live, url=self.url, origin=self.origin, within=self.within),
            host.ask(FindNewestChange(self.folder)),
        )

    def plan(self, seen: tuple[Services, Response, tuple[int, PurePosixPath]]) -> Plan:
        services, live, (changed, path) = seen
        if live.is_served:
            return Plan.nothing(f"{self.live} {live.in_words}")
        unit = _the_running(services, self.unit)
        if unit is None or unit.since is None:
            return Plan.nothing(f"no {self.unit} is running")
        if changed <= unit.since:
            return Plan.nothing(f"{unit.name} runs with what stands on disk: {path} is of {as_text(changed)} UTC")
        return Plan.of(
            Change(
                summary=f"let {unit.name} load its configuration",
                command=_act("reload", unit, _test_of(unit, services)),
                risk=self.risk,
                undo=Undo.none("what it ran with before is nowhere on disk"),
                before=f"as it was at {as_text(unit.since)} UTC",
                after=f"as it stands on disk: {path} is of {as_text(changed)} UTC",
                keeps="requests under way",
            ),
            because=f"{self.live} {live.in_words}, and {path} was changed after {unit.name} loaded it",
        )


@dataclass(frozen=True, kw_only=True)
class ReloadService(Task[Situation]):
    """Let php-fpm start its workers anew, where they hang.

    Only while nothing comes back in time although it runs, and nothing else is known that would explain it. What the
    workers are doing is cut off, unless php-fpm gives them time (process_control_timeout); requests that wait for one
    go on waiting, and are answered. The configuration is tested first: with a broken one php-fpm would not come back.

    Args:
        unit: The unit's name; ``*`` and ``?`` stand for what they do in a shell. One alone must run.
        live: A page for which PHP is enough.
        page: One that needs what users need.
        needs: What the application needs beside it, if it is on this host; a restart does not help where that is down.
        user: Whom PHP runs as; a full disk is seen for this user.
        root: The folder that holds artisan; without it maintenance mode is not seen.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: Later is no answer.

    Raises:
        Unplannable: It would not help, with what is known about the cause; or its configuration is broken.
    """

    kind = "service.reload"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    unit: str
    live: str
    page: str
    needs: tuple[str, ...] = ()
    user: str = "www-data"
    root: PurePosixPath | None = None
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_unit(self.unit, *self.needs)
        refuse_unless_askable(self.live, self.url, self.origin)
        refuse_unless_askable(self.page)

    async def read(self, host: Reader) -> Situation:
        return await _read_situation(host, self)

    def plan(self, seen: Situation) -> Plan:
        unit, live = _the_running(seen.services, self.unit), seen.site.live
        if unit is None:
            return Plan.nothing(f"no {self.unit} is running")
        if not _is_php(unit):
            return Plan.nothing(f"{unit.name} is not php-fpm")
        if not (_is_late(live) and seen.site.server.status):
            return Plan.nothing(f"{self.live} {live.in_words}: no worker hangs")
        unit = _unless_explained(unit, seen, self)
        return Plan.of(
            Change(
                summary=f"let {unit.name} start its workers anew",
                command=_act("reload", unit, _test_of(unit, seen.services)),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{self.live} {live.in_words}",
                after=f"new workers, and still running {_WATCHED} s later",
                keeps="requests that wait for a worker",
                downtime="requests under way are cut off",
            ),
            because=f"{unit.name} is {unit.in_words}, and {self.live} {live.in_words}",
        )


@dataclass(frozen=True, kw_only=True)
class RestartService(Task[Situation]):
    """Restart a service that runs and does not do its work.

    php-fpm, while nginx does not reach it or nothing comes back in time; nginx, while nothing answers at all. Never
    while something else explains the fault: PHP that answers with an error of its own, a database or Redis that is
    down, a full disk, maintenance mode. The configuration is tested first, and afterwards it must stay up for five
    seconds.

    Args:
        unit: The unit's name; ``*`` and ``?`` stand for what they do in a shell. One alone must run.
        live: A page for which PHP is enough.
        page: One that needs what users need.
        needs: What the application needs beside it, if it is on this host; a restart does not help where that is down.
        user: Whom PHP runs as; a full disk is seen for this user.
        root: The folder that holds artisan; without it maintenance mode is not seen.
        url: The application's public address; nginx is asked by its name.
        origin: Where nginx listens on the host, if not on the usual ports.
        within: Later is no answer.

    Raises:
        Unplannable: It would not help, with what is known about the cause; or its configuration is broken.
    """

    kind = "service.restart"
    risk: ClassVar[Risk] = Risk.DISRUPTIVE

    unit: str
    live: str
    page: str
    needs: tuple[str, ...] = ()
    user: str = "www-data"
    root: PurePosixPath | None = None
    url: str | None = None
    origin: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        refuse_unless_unit(self.unit, *self.needs)
        refuse_unless_askable(self.live, self.url, self.origin)
        refuse_unless_askable(self.page)

    async def read(self, host: Reader) -> Situation:
        return await _read_situation(host, self)

    def plan(self, seen: Situation) -> Plan:
        unit, site = _the_running(seen.services, self.unit), seen.site
        if unit is None:
            return Plan.nothing(f"no {self.unit} is running")
        if site.live.is_served and site.page.is_served:
            return Plan.nothing(f"{self.live} and {self.page} are served")
        if _is_php(unit) and not site.server.status:
            return Plan.nothing(f"nobody asks {unit.name}: the web server itself {site.server.in_words}")
        if not _is_php(unit) and site.server.status:
            return Plan.nothing(f"{unit.name} itself answers: it is what is behind it that does not")
        unit, live = _unless_explained(unit, seen, self), site.live
        return Plan.of(
            Change(
                summary=f"restart {unit.name}",
                command=_act("restart", unit, _test_of(unit, seen.services)),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{unit.in_words}, and {self.live} {live.in_words}",
                after=f"running anew, and still so {_WATCHED} s later",
                downtime="requests fail for about a second",
            ),
            because=f"{unit.name} is {unit.in_words}, and {self.live} {live.in_words}",
        )


async def _read_situation(host: Reader, task: ReloadService | RestartService) -> Situation:
    """Ask everything that decides; two round trips.

    Raises:
        FactError: Some of it cannot be told.
    """
    marks = [FindNamed((task.root / "storage/framework/down",))] if task.root is not None else []
    services, site, file_systems, maintenance = await together(
        read_services(host, [task.unit, *task.needs], tested=[task.unit]),
        read_site(host, task.live, task.page, url=task.url, origin=task.origin, within=task.within),
        read_file_systems(host),
        host.ask_each(marks),
    )
    found = [files for files in maintenance if not isinstance(files, FactError)]
    return Situation(
        services=services,
        site=site,
        file_systems=file_systems,
        maintenance=tuple(file for files in found for file in files),
    )


def _unless_explained(unit: Unit, seen: Situation, task: ReloadService | RestartService) -> Unit:
    """Return the unit, unless something else explains the fault.

    Raises:
        Unplannable: Acting on it would not help, and why.
    """
    needed = [one for one in seen.services.matching(*task.needs) if one.is_wanted and not one.is_running]
    causes = [f"{one.name} is {_since(one)}" for one in needed]
    disks = DiskWritable(user=task.user).judge(_used_by(task, seen.file_systems))
    if disks.health is Health.FAULTY:
        causes.append(disks.why)
    causes += [f"the application is in maintenance mode, by {file.path}" for file in seen.maintenance]
    site = seen.site
    if site.live.is_served:
        causes.append(f"PHP serves {task.live} while {task.page} {site.page.in_words}")
    elif site.live.status not in {None, 502, 504}:
        causes.append(f"PHP runs, and itself answers {site.live.status} to {task.live}")
    if causes:
        raise Unplannable(f"a restart of {unit.name} would not help: {'; '.join(causes)}")
    if not configuration_test(unit):
        raise Unplannable(f"{unit.name} is left alone: how its configuration is tested first is not known")
    return unit


def _used_by(task: ReloadService | RestartService, seen: FileSystems) -> FileSystems:
    """Return the file systems whose filling up can stop the application; a full disk of backups cannot."""
    mounted = {place: one.mount for one in seen for place in (one.mount, *one.aliases)}
    held = set()
    for path in (task.root, *_WRITTEN):
        if path is not None:
            held.add(next((mounted[at] for at in (path, *path.parents) if at in mounted), None))
    return replace(seen, all=tuple(one for one in seen if one.mount in held))


def _is_php(unit: Unit) -> bool:
    return unit.daemon.startswith("php-fpm")


def _is_late(live: Response) -> bool:
    """Whether it took longer than somebody waited: whoever asked, or nginx."""
    return live.why == "too late" or live.status == 504


def _the_running(services: Services, pattern: str) -> Unit | None:
    """Return the one unit that runs; ``None`` where none does.

    Raises:
        Unplannable: Several do, or it starts again and again.
    """
    units = services.matching(pattern)
    for unit in units:
        if not unit.is_down and not unit.is_running:
            raise Unplannable(f"a restart would not help: {_again_and_again(unit)}")
    running = [unit for unit in units if unit.is_running]
    if len(running) > 1:
        raise Unplannable(f"{' and '.join(unit.name for unit in running)} run: name the one that is meant")
    return running[0] if running else None


def _test_of(unit: Unit, services: Services) -> tuple[str, ...]:
    """Return the words that test a unit's configuration; none where there is no test.

    Where it could not be tested without a trace, that is no reason to leave a service down: the change itself tests it
    first, and does nothing where it is broken.

    Raises:
        Unplannable: It is known to be broken.
    """
    test, result = configuration_test(unit), services.tests.get(unit.name)
    if isinstance(result, Configuration) and not result.is_good:
        raise Unplannable(
            f"{unit.name} could not start with its configuration: {result.says}. By hand: correct that, then "
            f"{' '.join(test)} && systemctl {'start' if unit.is_down else 'reload'} {unit.name}"
        )
    return test


def _since(unit: Unit) -> str:
    """Return how a unit is, since when, and whether that looks like a person's doing."""
    since = f" since {as_text(unit.since)} UTC" if unit.since is not None else ""
    is_deliberate = unit.active == "inactive" and unit.result == "success"
    return f"{unit.in_words}{since}{', without an error: perhaps by somebody' if is_deliberate else ''}"


def _act(verb: str, unit: Unit, test: tuple[str, ...]) -> Command:
    return Command(ACT.bind(verb, unit.name, unit.invocation, _WATCHED, *test), deadline=_DEADLINE)
