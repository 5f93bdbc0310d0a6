"""Repair an application's way to its PostgreSQL: start what is down, restart what hangs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.databases import Cause, trouble_with
from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.databases import Database, Local, read_database
from soleil_remediate.facts.services import Services, Unit
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, to_act_on
from soleil_remediate.task import Task
from soleil_remediate.tasks.acting import WATCHED, act, since, uses_of
from soleil_remediate.tasks.services import StartService

_CLUSTERS = "postgresql@*.service"


@dataclass(frozen=True, kw_only=True)
class OfDatabase(OfApplication[Database], Task[Database]):
    """What acts on something between an application and its database."""

    async def read(self, host: Reader) -> Database:
        return await read_database(host, self.root, self.user)


@dataclass(frozen=True, kw_only=True)
class StartPooler(OfDatabase):
    """Start pgbouncer, where the application goes through it and it is down.

    One that somebody disabled or masked is left alone, with the reason. Afterwards it must stay up for five seconds.
    A paused one is never resumed here: somebody paused it on purpose.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.

    Raises:
        Unplannable: It is masked or disabled, or systemd starts it again and again.
    """

    kind = "pgbouncer.start"
    risk: ClassVar[Risk] = Risk.GENTLE

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), *to_act_on("pgbouncer.service", "start", "stop"))

    def plan(self, seen: Database) -> Plan:
        if seen.pooler is None:
            return Plan.nothing("the application goes through no pgbouncer of this host")
        if seen.pooler_unit is None:
            raise Unplannable("the application goes through pgbouncer, and systemd knows no pgbouncer.service")
        return _start(seen.pooler_unit)


@dataclass(frozen=True, kw_only=True)
class StartCluster(OfDatabase):
    """Start the PostgreSQL cluster that the application uses, where it is down.

    Only that one: others of the host are left alone, and so is one that is not to start at boot (start.conf), that
    somebody masked, or that patroni or the like runs. On a full disk it cannot start. What was committed before it went
    down is there again after its recovery; how long that takes nobody knows. Afterwards it must stay up for five
    seconds.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        make_room: The command that makes room on a full disk, for a person.

    Raises:
        Unplannable: It must not be started, or could not on a full disk.
    """

    kind = "postgresql.start"
    risk: ClassVar[Risk] = Risk.GENTLE

    make_room: str = "soleil-remediate remediate --scenario disk-full"

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), *to_act_on(_CLUSTERS, "start", "stop"))

    def plan(self, seen: Database) -> Plan:
        local = seen.local
        if local is None:
            return Plan.nothing("the application's cluster is not on this host")
        if local.cluster.is_online:
            return Plan.nothing(f"PostgreSQL {local.cluster} is {local.cluster.status}")
        _refuse_supervised(local)
        _refuse_on_full_disk(local, self.make_room)
        unit = local.unit
        if isinstance(unit, FactError):
            raise Unplannable(f"what systemd makes of {local.cluster.unit} cannot be known: {unit}")
        if unit is None:
            raise Unplannable(
                f"systemd knows no {local.cluster.unit}: somebody wants it so (start.conf). If that is over: "
                f"pg_ctlcluster {local.cluster.version} {local.cluster.name} start"
            )
        if unit.is_running:
            raise Unplannable(
                f"pg_lsclusters calls {local.cluster} {local.cluster.status}, and systemd calls {unit.name} "
                f"{unit.in_words}: somebody started or stopped it beside systemd"
            )
        return _start(unit)


def _start(unit: Unit) -> Plan:
    return StartService(unit=unit.name).plan(Services(units=(unit,), tests={}))


def _refuse_supervised(local: Local) -> None:
    """Raise Unplannable where something else decides whether the cluster runs, and which server is the primary."""
    if supervisor := local.cluster.supervisor:
        raise Unplannable(f"PostgreSQL {local.cluster} is run by {supervisor}, which alone may start or restart it")


def _refuse_on_full_disk(local: Local, make_room: str) -> None:
    """Raise Unplannable where the cluster could not write, or nobody knows whether it could."""
    if isinstance(local.full, FactError):
        raise Unplannable(f"whether the disk of {local.cluster} is full cannot be known: {local.full}")
    if local.full:
        where = ", ".join(f"{one.mount} ({one.share_used} used, {one.available} free)" for one in local.full)
        raise Unplannable(
            f"PostgreSQL {local.cluster} cannot start on a full disk: {where}. Make room first: {make_room}"
        )


@dataclass(frozen=True, kw_only=True)
class RestartCluster(OfDatabase):
    """Restart the PostgreSQL cluster that the application uses: the last resort, where it runs and answers nobody.

    Only where not even a superuser gets an answer over its socket. Never while something else explains the fault: a
    wrong password, a packet filter, connections that are all taken, pgbouncer. Never a standby, one that recovers or
    that patroni or the like runs, or one on a full disk, which would not come back.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        make_room: The command that makes room on a full disk, for a person.

    Raises:
        Unplannable: It would not help, with what is known about the cause; or it would not come back.
    """

    kind = "postgresql.restart"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    make_room: str = "soleil-remediate remediate --scenario disk-full"

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user), *to_act_on(_CLUSTERS, "restart"))

    def plan(self, seen: Database) -> Plan:
        trouble, local = trouble_with(seen), seen.local
        if trouble is None:
            return Plan.nothing("the application gets an answer from its database")
        if local is None or trouble.cause is not Cause.CLUSTER_HANGS:
            raise Unplannable(f"a restart would not help: {trouble.why}")
        cluster, unit = local.cluster, local.unit
        _refuse_supervised(local)
        if isinstance(local.standby_marks, FactError):
            raise Unplannable(f"whether PostgreSQL {cluster} is a standby cannot be known: {local.standby_marks}")
        if cluster.is_recovering or local.standby_marks:
            raise Unplannable(
                f"PostgreSQL {cluster} is a standby, or recovers ({cluster.status}): it is not restarted here. "
                f"By hand: read {cluster.log or 'its log'}, and see how its primary is"
            )
        _refuse_on_full_disk(local, self.make_room)
        if not isinstance(unit, Unit) or not unit.is_running:
            how = f"systemd calls it {unit.in_words}" if isinstance(unit, Unit) else f"systemd knows no {cluster.unit}"
            raise Unplannable(f"PostgreSQL {cluster} runs, and {how}: somebody started it beside systemd")
        return Plan.of(
            Change(
                summary=f"restart {unit.name}",
                command=act("restart", unit, ()),
                risk=self.risk,
                undo=Undo.none("sessions that were cut off are gone"),
                before=f"{since(unit)}, and answers nobody",
                after=f"running, and still so {WATCHED} s later",
                loses=f"every session of PostgreSQL {cluster}, of other applications too: what their open transactions "
                "had changed is rolled back",
                keeps="what was committed",
                downtime="until it has stopped and recovered, which nobody can foretell: seconds, or many minutes",
                uses=uses_of("restart", unit, ()),
            ),
            because=trouble.why,
        )
