"""Repair services: start what is down, load what stands on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.http import Response, read_page, refuse_unless_askable
from soleil_remediate.facts.services import (
    FindNewestChange,
    Services,
    Unit,
    read_services,
    refuse_unless_unit,
)
from soleil_remediate.facts.together import together
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, to_act_on
from soleil_remediate.task import Task
from soleil_remediate.tasks.acting import (
    DEADLINE,
    STOP,
    WATCHED,
    act,
    again_and_again,
    since,
    test_of,
    the_running,
    uses_of,
)
from soleil_remediate.units import Duration

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

    def rights(self) -> tuple[Right, ...]:
        return to_act_on(self.unit, "start", "stop")

    def plan(self, seen: Services) -> Plan:
        if not seen.units:
            return Plan.nothing(f"there is no {self.unit}")
        down = [unit for unit in seen if unit.is_down and unit.is_wanted and not unit.is_masked]
        changes: list[Change] = []
        refusals: list[str] = []
        for unit in down:
            try:
                changes.append(self._start(unit, test_of(unit, seen)))
            except Unplannable as error:
                refusals.append(str(error))
        if changes:
            return Plan.of_each(*changes, because="; ".join(f"{unit.name} is {since(unit)}" for unit in down))
        running = [unit.name for unit in seen if unit.is_running]
        if not running:
            refusals += [_why_not_started(unit, seen) for unit in seen if unit not in down]
        if refusals:
            raise Unplannable("; ".join(refusals))
        return Plan.nothing(f"{' and '.join(running)} running")

    def _start(self, unit: Unit, test: tuple[str, ...]) -> Change:
        return Change(
            summary=f"start {unit.name}",
            command=act("start", unit, test),
            risk=self.risk,
            undo=Undo.by(Command(STOP.bind(unit.name), deadline=DEADLINE), "it is stopped again"),
            before=unit.in_words,
            after=f"running, and still so {WATCHED} s later",
            uses=uses_of("start", unit, test),
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
        test_of(unit, seen)
    except Unplannable as error:
        return f"{again_and_again(unit)}; {error}"
    return again_and_again(unit)


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
        refuse_unless_absolute(self.folder)

    async def read(self, host: Reader) -> tuple[Services, Response, tuple[int, PurePosixPath]]:
        return await together(
            read_services(host, [self.unit], tested=[self.unit]),
            read_page(host, self.live, url=self.url, origin=self.origin, within=self.within),
            host.ask(FindNewestChange(self.folder)),
        )

    def rights(self) -> tuple[Right, ...]:
        return to_act_on(self.unit, "reload")

    def plan(self, seen: tuple[Services, Response, tuple[int, PurePosixPath]]) -> Plan:
        services, live, (changed, path) = seen
        if live.is_served:
            return Plan.nothing(f"{self.live} {live.in_words}")
        unit = the_running(services, self.unit)
        if unit is None or unit.since is None:
            return Plan.nothing(f"no {self.unit} is running")
        if changed <= unit.since:
            return Plan.nothing(f"{unit.name} runs with what stands on disk: {path} is of {as_text(changed)} UTC")
        test = test_of(unit, services)
        return Plan.of(
            Change(
                summary=f"let {unit.name} load its configuration",
                command=act("reload", unit, test),
                risk=self.risk,
                undo=Undo.none("what it ran with before is nowhere on disk"),
                before=f"as it was at {as_text(unit.since)} UTC",
                after=f"as it stands on disk: {path} is of {as_text(changed)} UTC",
                keeps="requests under way",
                uses=uses_of("reload", unit, test),
            ),
            because=f"{self.live} {live.in_words}, and {path} was changed after {unit.name} loaded it",
        )
