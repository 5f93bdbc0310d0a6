from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.memory import Holder, Memory
from soleil_remediate.facts.queue_workers import Watched, Workers
from soleil_remediate.facts.services import Configuration, Services, Unit
from soleil_remediate.plan import Change, Plan, Risk
from soleil_remediate.tasks.memory import (
    _WHILE_SHORT,
    ACT_WHILE_SHORT,
    RESTART_WHILE_SHORT,
    PhpSeen,
    QueueSeen,
    ReloadLeakingPhp,
    RestartLeakingUnit,
    RestartLeakingWorkers,
    UnitsSeen,
)
from soleil_remediate.units import ByteSize, KiB, MiB, Percent
from tests.unit.facts.answers import said, see
from tests.unit.facts.memory import PHP, SOCKETS, SUPERVISOR, holder, memory, process, sampled
from tests.unit.facts.queues import kept, running, worker
from tests.unit.facts.services import NGINX, PHP_FPM, RESOURCES, unit_shown, units_shown

ROOT = Path("/srv/soleil/current")
RUN = "1a5776e8db1a42d2b302fb76e26038cd"
RELOAD, WORKERS, UNIT = ReloadLeakingPhp(), RestartLeakingWorkers(root=ROOT), RestartLeakingUnit(root=ROOT)
WANTED = int(MiB(1024) / 10)
TEST = ("/usr/sbin/php-fpm8.2", "-t", "--fpm-config", "/etc/php/8.2/fpm/php-fpm.conf")
ENOUGH = "500 MiB of 1 GiB available"


def service(name: str = PHP, *, active: str = "active", program: str = PHP_FPM) -> Unit:
    return Unit(name=name, active=active, sub="running", invocation=RUN, program=tuple(program.split()))


MASTER, LARGE, SMALL = holder(60, 20, uid=0), holder(61, 300, parent=60), holder(62, 100, parent=60)
REDIS = holder(38, 30, unit="redis-server.service", name="redis-server", uid=111)


# --- leaking-php.reload ---------------------------------------------------------------------------------------------


def php(
    *processes: Holder, left: Memory | None = None, units: tuple[Unit, ...] = (service(),), is_good: bool = True
) -> PhpSeen:
    test = Configuration(is_good=is_good, says="unknown entry")
    services = Services(units=units, tests={unit.name: test for unit in units})
    return PhpSeen(memory=left or memory(50), processes=processes or (LARGE, SMALL, REDIS, MASTER), services=services)


def test_php_whose_workers_hold_the_memory_is_reloaded_if_it_is_still_short_and_the_same_run() -> None:
    plan = RELOAD.plan(php())
    (change,) = plan.changes
    assert change.command.words == ACT_WHILE_SHORT.bind(WANTED, "reload", PHP, RUN, 5, *TEST)
    assert (change.risk, change.before) == (Risk.DISRUPTIVE, "2 workers, the largest 300 MiB, hold 400 MiB")
    assert plan.because == (
        "50 MiB of 1 GiB available, less than 102 MiB; php8.2-fpm.service holds 400 MiB of it: 2 workers, the largest "
        "300 MiB"
    )
    assert all(any(use.is_covered_by(right) for right in RELOAD.rights()) for use in change.uses)


@pytest.mark.parametrize(
    "seen, because",
    [
        (php(left=memory(500)), ENOUGH),
        (php(units=()), "no php*-fpm.service is running"),
        (php(units=(service(active="failed"),)), "no php*-fpm.service is running"),
        (php(units=(service(program=NGINX),)), "php8.2-fpm.service is not php-fpm"),
        (php(SMALL, MASTER), "the workers of php8.2-fpm.service hold 100 MiB of 1 GiB: it is not these"),
        (php(holder(60, 900, uid=0)), "the workers of php8.2-fpm.service hold 0 B of 1 GiB: it is not these"),
    ],
)
def test_php_that_does_not_hold_it_is_left_alone(seen: PhpSeen, because: str) -> None:
    assert RELOAD.plan(seen) == Plan.nothing("")
    assert RELOAD.plan(seen).because == because


def test_exactly_the_share_is_much() -> None:
    assert RELOAD.plan(php(holder(61, 256, parent=60), MASTER)).changes
    assert not RELOAD.plan(php(holder(61, 255, parent=60), MASTER)).changes


def test_php_with_a_broken_configuration_is_never_reloaded() -> None:
    with pytest.raises(Unplannable, match="could not start with its configuration: unknown entry"):
        RELOAD.plan(php(is_good=False))


# --- leaking-workers.restart ----------------------------------------------------------------------------------------

W = worker()
HORIZON = worker(name="horizon", words=("php", "/srv/soleil/current/artisan", "horizon"))
SCRIPT = worker(name="own", words=("/srv/soleil/current/worker.sh",))


def queue(*processes: Watched, left: Memory | None = None, held: Mapping[int, int] | None = None) -> QueueSeen:
    holders = [holder(pid, size, unit=SUPERVISOR, name="php") for pid, size in (held or {71: 300, 72: 20}).items()]
    child = holder(99, 50, parent=71, unit=SUPERVISOR, name="php")
    workers = kept(*(processes or (running(W), running(W, name="w:w_01", pid=72))))
    return QueueSeen(memory=left or memory(50), processes=(*holders, child, REDIS), workers=workers)


def test_workers_that_hold_the_memory_end_after_their_job_and_are_started_anew() -> None:
    plan = WORKERS.plan(queue())
    (change,) = plan.changes
    asked = ("w:w_00", 71, "queue:restart", "w:w_01", 72, "queue:restart")
    assert change.command.words == RESTART_WHILE_SHORT.bind(WANTED, ROOT, "www-data", 60, 5, *asked)
    assert change.before == "w:w_00 holds 350 MiB, all of them 370 MiB"
    assert plan.because.endswith("less than 102 MiB; the queue workers hold 370 MiB of it, w:w_00 350 MiB")
    assert all(any(use.is_covered_by(right) for right in WORKERS.rights()) for use in change.uses)


@pytest.mark.parametrize(
    "seen, because",
    [
        (queue(left=memory(500)), ENOUGH),
        (QueueSeen(memory=memory(50), processes=(REDIS,), workers=Workers()), "no worker of supervisor's runs"),
        (queue(held={71: 20, 72: 20}), "the queue workers hold 90 MiB of 1 GiB: it is not these"),
    ],
)
def test_workers_that_do_not_hold_it_are_left_alone(seen: QueueSeen, because: str) -> None:
    assert WORKERS.plan(seen) == Plan.nothing("")
    assert WORKERS.plan(seen).because == because


@pytest.mark.parametrize(
    "one, why",
    [
        (SCRIPT, "it is not known to end by queue:restart. By hand: supervisorctl restart w:w_00"),
    ],
)
def test_what_does_not_end_by_being_asked_is_left_to_a_person(one: object, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        WORKERS.plan(queue(running(one), running(W, name="w:w_01", pid=72)))  # type: ignore[arg-type]


def test_a_small_worker_of_another_kind_is_no_hindrance() -> None:
    plan = WORKERS.plan(queue(running(W), running(SCRIPT, name="own", pid=72)))
    assert plan.changes[0].command.words[-3:] == ("w:w_00", "71", "queue:restart")


def test_horizon_is_asked_by_its_own_command() -> None:
    plan = WORKERS.plan(queue(running(HORIZON, name="horizon")))
    assert plan.changes[0].command.words[-3:] == ("horizon", "71", "horizon:terminate")


# --- leaking-unit.restart -------------------------------------------------------------------------------------------

LEAK = holder(80, 400, unit=SOCKETS, name="php", words=("/usr/bin/php", "x.php"))


def units(*processes: Holder, found: tuple[Unit, ...] = (), folder: str = "", left: Memory | None = None) -> UnitsSeen:
    folders = {unit.name: folder for unit in found}
    return UnitsSeen(memory=left or memory(50), processes=processes, units=found, folders=folders)


def the_change(plan: Plan) -> Change:
    (change,) = plan.changes
    return change


@pytest.mark.parametrize(
    "seen, test",
    [
        (units(LEAK, found=(service(SOCKETS, program="/usr/bin/php x.php"),), folder="/srv/soleil/current"), ()),
        (units(LEAK, found=(service(SOCKETS, program="/usr/bin/php /srv/soleil/shared/x.php"),)), ()),
        (units(LARGE, SMALL, MASTER, found=(service(),)), TEST),
    ],
)
def test_a_service_of_the_applications_that_holds_the_memory_is_restarted(
    seen: UnitsSeen, test: tuple[str, ...]
) -> None:
    plan = UNIT.plan(seen)
    (unit,) = seen.units
    change = the_change(plan)
    assert change.command.words == ACT_WHILE_SHORT.bind(WANTED, "restart", unit.name, RUN, 5, *test)
    assert change.summary == f"restart {unit.name}"
    assert re_ends(plan.because, unit.name)
    assert not plan.is_one_repair
    assert UNIT.rights() is None


def re_ends(text: str, name: str) -> bool:
    return text.startswith("50 MiB of 1 GiB available, less than 102 MiB; ") and f"{name} holds 4" in text


def test_with_enough_memory_nothing_is_restarted() -> None:
    plan = UNIT.plan(units(LEAK, left=memory(500)))
    assert (plan, plan.because) == (Plan.nothing(""), ENOUGH)


@pytest.mark.parametrize(
    "seen, why",
    [
        (
            units(holder(90, 400, unit=None, name="python3", uid=1001, words=("python3", "/x.py"))),
            r"400 MiB are held .*: python3 /x\.py \(90, uid 1001\)\. It is left alone\. .* agrees: kill 90$",
        ),
        (
            units(holder(90, 400, unit="session-4.scope", name="report")),
            r"report \(90, uid 33\) in session-4\.scope\. It is left alone\. .* agrees: kill 90$",
        ),
        (
            units(LEAK, found=(service(SOCKETS, program="/usr/bin/php /srv/other/x.php"),), folder="/srv/other"),
            r"/usr/bin/php x\.php \(80, uid 33\) in soleil-sockets\.service.*: systemctl stop soleil-sockets\.service$",
        ),
        (
            units(LEAK, found=(service(SOCKETS, active="failed", program="/usr/bin/php /srv/soleil/current/x"),)),
            "not known to be the application's",
        ),
        (units(holder(38, 400, unit="redis-server.service")), "would load the same data again: see redis-down"),
        (units(holder(38, 400, unit="postgresql@15-main.service")), "is left alone: see its sessions"),
        (
            units(
                holder(91, 400, unit=SUPERVISOR, words=("php", "artisan", "octane:start")),
                found=(service(SUPERVISOR, program="/usr/bin/supervisord -c /srv/soleil/current/x"),),
            ),
            r"php artisan octane:start \(91, uid 33\) in supervisor\.service\. By hand, where it is Octane: php",
        ),
        (
            units(*(holder(pid, 100, unit=f"{pid}.service") for pid in (1, 2, 3, 4))),
            "nothing alone holds 25 % of it: 1.service 100 MiB, 2.service 100 MiB, 3.service 100 MiB$",
        ),
    ],
)
def test_what_is_not_known_to_be_the_applications_is_named_and_never_ended(seen: UnitsSeen, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        UNIT.plan(seen)


def test_what_queue_workers_hold_is_left_to_whoever_restarts_them() -> None:
    plan = UNIT.plan(units(holder(71, 400, unit=SUPERVISOR, words=("php", "artisan", "queue:work"))))
    assert (plan, plan.because) == (Plan.nothing(""), "queue workers of supervisor's hold 400 MiB of it")


AT = "/sys/fs/cgroup/memory"
SHORT = (
    ("/proc/loadavg", said(RESOURCES)),
    (AT, said(f"{AT}.max:{MiB(1024):d}\n{AT}.current:{MiB(1000):d}\n", status=2)),
)


def test_only_units_that_hold_much_are_asked_about_by_names_that_systemd_could_have() -> None:
    leak = process(80, "php", held=400 * 1024, group=f"/system.slice/{SOCKETS}")
    odd = process(81, "php", held=400 * 1024, group="/system.slice/-x.service")
    seen = see(
        UNIT.read(Reader()),
        *SHORT,
        ("sample-processes", sampled(leak, odd)),
        (
            f"Id,WorkingDirectory -- basic.target {SOCKETS}",
            said(f"Id=basic.target\n\nWorkingDirectory=!/srv/x\nId={SOCKETS}\n"),
        ),
        (f"-- basic.target {SOCKETS}", said(units_shown(unit_shown(SOCKETS)))),
    )
    assert [unit.name for unit in seen.units] == [SOCKETS]
    assert seen.folders == {SOCKETS: "/srv/x"}
    small = see(UNIT.read(Reader()), *SHORT, ("sample-processes", sampled()), most_rounds=1)
    assert (small.units, small.folders) == ((), {})


@pytest.mark.parametrize(
    "values",
    [
        {"takes": Percent(4)},
        {"takes": Percent(91)},
        {"least": Percent(0)},
        {"enough": KiB(1)},
        {"unit": "php"},
    ],
)
def test_values_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ReloadLeakingPhp(**values)  # type: ignore[arg-type]
    for kind in (RestartLeakingUnit, RestartLeakingWorkers):
        with pytest.raises(ValueError, match="must be"):
            kind(root=Path("x"))


LIMIT = {"memory.max": f"{1 << 30}\n", "memory.current": f"{1000 << 20}\n"}


@pytest.mark.parametrize(
    "available, files, left",
    [
        (50 << 10, {}, 50 << 20),
        (900 << 10, {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": ""}, 900 << 20),
        (
            900 << 10,
            {"memory.max": f"{1 << 30}\n", "memory.current": f"{1000 << 20}\n", "memory.stat": "inactive_file 5\n"},
            (24 << 20) + 5,
        ),
        (
            10 << 10,
            {"memory.max": f"{1 << 30}\n", "memory.current": f"{1000 << 20}\n", "memory.stat": "anon 5\n"},
            10 << 20,
        ),
        (900 << 10, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 900 << 20),
        (
            900 << 10,
            {
                "memory/memory.limit_in_bytes": f"{1 << 30}\n",
                "memory/memory.usage_in_bytes": f"{1000 << 20}\n",
                "memory/memory.stat": "inactive_file 1\ntotal_inactive_file 7\n",
            },
            (24 << 20) + 7,
        ),
    ],
)
def test_on_the_host_nothing_is_done_where_memory_is_there_again(
    tmp_path: Here, available: int, files: Mapping[str, str], left: int
) -> None:
    (tmp_path / "meminfo").write_text(f"MemTotal: 9 kB\nMemAvailable:   {available} kB\n")
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    script = _WHILE_SHORT.replace("/proc/meminfo", f"{tmp_path}/meminfo").replace("/sys/fs/cgroup", str(tmp_path))
    results = [
        subprocess.run(["sh", "-c", f'{script}echo "goes on: $*"', "x", str(wanted), "reload", "y"],
                       capture_output=True, text=True, check=False)
        for wanted in (left + 1, left)
    ]  # fmt: skip
    assert [(done.returncode, done.stdout) for done in results] == [(0, "goes on: reload y\n"), (75, "")]
    assert results[1].stderr == f"there is memory again, {left} bytes: nothing was done\n"
    assert ByteSize(left)
