"""Act on services that run and do not do their work, and only where that would help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.checks.disks import DiskWritable
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.disks import FileSystems, read_file_systems
from soleil_remediate.facts.files import FileStat, FindNamed
from soleil_remediate.facts.http import Response, Site, read_site, refuse_unless_askable
from soleil_remediate.facts.services import (
    Services,
    Unit,
    configuration_test,
    read_services,
    refuse_unless_unit,
)
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, to_act_on
from soleil_remediate.task import Health, Task
from soleil_remediate.tasks.acting import WATCHED, act, since, test_of, the_running, uses_of
from soleil_remediate.units import Duration

#: What web servers, PHP and its sessions write, beside the application's own folder.
_WRITTEN = tuple(map(PurePosixPath, ("/tmp", "/run", "/var/log", "/var/lib/php", "/var/lib/nginx")))  # noqa: S108 - looked at, not used


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
class _ActWhileUnwell(Task[Situation]):
    """What acts on a running service, and only where nothing but that would help."""

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
        marks = [FindNamed((self.root / "storage/framework/down",))] if self.root is not None else []
        services, site, file_systems, maintenance = await together(
            read_services(host, [self.unit, *self.needs], tested=[self.unit]),
            read_site(host, self.live, self.page, url=self.url, origin=self.origin, within=self.within),
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

    def _unless_explained(self, unit: Unit, seen: Situation) -> Unit:
        """Return the unit, unless something else explains the fault.

        Raises:
            Unplannable: Acting on it would not help, and why.
        """
        needed = [one for one in seen.services.matching(*self.needs) if one.is_wanted and not one.is_running]
        causes = [f"{one.name} is {since(one)}" for one in needed]
        disks = DiskWritable(user=self.user).judge(self._used_by(seen.file_systems))
        if disks.health is Health.FAULTY:
            causes.append(disks.why)
        causes += [f"the application is in maintenance mode, by {file.path}" for file in seen.maintenance]
        site = seen.site
        if site.live.is_served:
            causes.append(f"PHP serves {self.live} while {self.page} {site.page.in_words}")
        elif site.live.status not in {None, 502, 504}:
            causes.append(f"PHP runs, and itself answers {site.live.status} to {self.live}")
        if causes:
            raise Unplannable(f"a restart of {unit.name} would not help: {'; '.join(causes)}")
        if not configuration_test(unit):
            raise Unplannable(f"{unit.name} is left alone: how its configuration is tested first is not known")
        return unit

    def _used_by(self, seen: FileSystems) -> FileSystems:
        """Return the file systems whose filling up can stop the application; a full disk of backups cannot."""
        mounted = {place: one.mount for one in seen for place in (one.mount, *one.aliases)}
        held = set()
        for path in (self.root, *_WRITTEN):
            if path is not None:
                held.add(next((mounted[at] for at in (path, *path.parents) if at in mounted), None))
        return replace(seen, all=tuple(one for one in seen if one.mount in held))


@dataclass(frozen=True, kw_only=True)
class ReloadService(_ActWhileUnwell):
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

    def rights(self) -> tuple[Right, ...]:
        return to_act_on(self.unit, "reload")

    def plan(self, seen: Situation) -> Plan:
        unit, live = the_running(seen.services, self.unit), seen.site.live
        if unit is None:
            return Plan.nothing(f"no {self.unit} is running")
        if not _is_php(unit):
            return Plan.nothing(f"{unit.name} is not php-fpm")
        if not (_is_late(live) and seen.site.server.status):
            return Plan.nothing(f"{self.live} {live.in_words}: no worker hangs")
        unit = self._unless_explained(unit, seen)
        test = test_of(unit, seen.services)
        return Plan.of(
            Change(
                summary=f"let {unit.name} start its workers anew",
                command=act("reload", unit, test),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{self.live} {live.in_words}",
                after=f"new workers, and still running {WATCHED} s later",
                keeps="requests that wait for a worker",
                downtime="requests under way are cut off",
                uses=uses_of("reload", unit, test),
            ),
            because=f"{unit.name} is {unit.in_words}, and {self.live} {live.in_words}",
        )


@dataclass(frozen=True, kw_only=True)
class RestartService(_ActWhileUnwell):
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

    def rights(self) -> tuple[Right, ...]:
        return to_act_on(self.unit, "restart")

    def plan(self, seen: Situation) -> Plan:
        unit, site = the_running(seen.services, self.unit), seen.site
        if unit is None:
            return Plan.nothing(f"no {self.unit} is running")
        if site.live.is_served and site.page.is_served:
            return Plan.nothing(f"{self.live} and {self.page} are served")
        if _is_php(unit) and not site.server.status:
            return Plan.nothing(f"nobody asks {unit.name}: the web server itself {site.server.in_words}")
        if not _is_php(unit) and site.server.status:
            return Plan.nothing(f"{unit.name} itself answers: it is what is behind it that does not")
        unit, live = self._unless_explained(unit, seen), site.live
        test = test_of(unit, seen.services)
        return Plan.of(
            Change(
                summary=f"restart {unit.name}",
                command=act("restart", unit, test),
                risk=self.risk,
                undo=Undo.none("what was cut off is not taken up again"),
                before=f"{unit.in_words}, and {self.live} {live.in_words}",
                after=f"running anew, and still so {WATCHED} s later",
                downtime="requests fail for about a second",
                uses=uses_of("restart", unit, test),
            ),
            because=f"{unit.name} is {unit.in_words}, and {self.live} {live.in_words}",
        )


def _is_php(unit: Unit) -> bool:
    return unit.daemon.startswith("php-fpm")


def _is_late(live: Response) -> bool:
    """Whether it took longer than somebody waited: whoever asked, or nginx."""
    return live.why == "too late" or live.status == 504
