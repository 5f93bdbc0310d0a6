from __future__ import annotations

import pytest

from soleil_remediate.checks.memory import KillsSeen, MemoryAvailable, OomKillOver
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.oom_kills import Kill
from soleil_remediate.facts.services import Services, Unit
from soleil_remediate.task import Health
from soleil_remediate.units import Duration, KiB, MiB, Percent
from tests.unit.facts.answers import said, see
from tests.unit.facts.memory import CONTAINER, PHP, killed, memory
from tests.unit.facts.services import unit_shown, units_shown

AVAILABLE, OVER = MemoryAvailable(), OomKillOver(units=("php*-fpm.service",))
NOW = 100_000


def php(active: str = "active", **others: object) -> Unit:
    return Unit(name=PHP, active=active, sub="running", **others)  # type: ignore[arg-type]


def kill(ago: int, /, **others: object) -> Kill:
    values = {"at": NOW - ago, "pid": 61, "name": "php-fpm8.2", "unit": PHP, "held": MiB(400), **others}
    return Kill(**values)  # type: ignore[arg-type]


def seen(*kills: Kill, units: tuple[Unit, ...] = (php(),), counted: int | FactError = 0) -> KillsSeen:
    return KillsSeen(kills=kills, services=Services(units=units, tests={}), now=NOW, counted=counted)


def test_too_little_memory_is_a_fault_and_enough_is_none() -> None:
    short = AVAILABLE.judge(memory(50))
    assert (short.health, short.why) == (Health.FAULTY, "memory: 50 MiB of 1 GiB available, less than 102 MiB")
    assert short.faults == {"memory"}
    assert [(one.label, one.value, one.is_faulty) for one in short.measures] == [
        ("memory", "50 MiB of 1 GiB available", True),
        ("swap", "none", False),
    ]
    assert AVAILABLE.judge(memory(103)).health is Health.HEALTHY
    assert AVAILABLE.judge(memory(800, container=CONTAINER)).health is Health.FAULTY
    assert AVAILABLE.aim() == "10 % of memory available, or 1 GiB"


@pytest.mark.parametrize("values", [{"least": Percent(0)}, {"least": Percent(60)}, {"enough": KiB(1)}])
def test_amounts_that_mean_nothing_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        MemoryAvailable(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"units": ()},
        {"units": ("nginx",)},
        {"units": ("nginx.service",), "within": Duration(59)},
        {"units": ("nginx.service",), "within": Duration(86401)},
        {"units": ("nginx.service",), "most": 0},
        {"units": ("nginx.service",), "most": 1001},
    ],
)
def test_what_no_kill_could_be_judged_by_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|at least one"):
        OomKillOver(**values)  # type: ignore[arg-type]


ONE = "killed for want of memory: php-fpm8.2 61 of php8.2-fpm.service (400 MiB) at 1970-01-02 03:44 UTC, 2 min ago"
THREE = (
    "3 processes were killed for want of memory, the newest: php-fpm8.2 61 of php8.2-fpm.service (400 MiB) at "
    "1970-01-02 03:45 UTC, 1 min 40 s ago"
)


def failed(ago: int, *, result: str = "signal", active: str = "failed") -> Unit:
    return php(active, since=NOW - ago, result=result)


@pytest.mark.parametrize(
    "what, health, why",
    [
        (seen(), Health.HEALTHY, "none was killed for want of memory in the last 15 min"),
        (
            seen(counted=3),
            Health.HEALTHY,
            "none was killed for want of memory in the last 15 min; the kernel counts 3 since it was started",
        ),
        (
            seen(kill(120)),
            Health.HEALTHY,
            f"{ONE}, and what should run runs",
        ),
        (
            seen(kill(120), units=(failed(119),)),
            Health.FAULTY,
            f"{ONE}; since then php8.2-fpm.service is failed (signal)",
        ),
        (
            seen(kill(300), kill(200), kill(100)),
            Health.FAULTY,
            f"{THREE}; over once that stops, 10 min from now at the soonest",
        ),
        (seen(kill(300), kill(200)), Health.HEALTHY, "2 processes were killed for want of memory, the newest: .*"),
    ],
)
def test_a_kill_is_over_once_what_it_hit_is_back_and_no_more_follow(what: KillsSeen, health: Health, why: str) -> None:
    verdict = OVER.judge(what)
    assert verdict.health is health
    assert verdict.why == why if not why.endswith(".*") else verdict.why.startswith(why[:-2])
    assert bool(verdict.faults) is (health is Health.FAULTY)


@pytest.mark.parametrize(
    "hit, unit, is_hit",
    [
        (kill(120), failed(125), True),
        (kill(120), failed(60), True),
        (kill(120, unit=""), failed(126), False),
        (kill(120, unit=""), failed(59), False),
        (kill(120, unit=""), failed(119), True),
        (kill(120, unit=""), failed(119, result="success", active="inactive"), False),
        (kill(900), failed(10), True),
        (kill(120), failed(10, result="success", active="inactive"), True),
        (kill(120, unit="x.service"), failed(10), False),
        (kill(120), php("failed", result="oom-kill"), True),
        (kill(120, unit=""), php("failed", result="oom-kill"), False),
        (kill(120), php("failed", since=NOW - 119, result="signal", enablement="disabled"), False),
    ],
)
def test_what_went_down_by_a_kill_is_told_from_what_somebody_stopped(hit: Kill, unit: Unit, is_hit: bool) -> None:
    assert seen(hit, units=(unit,)).down == ((unit,) if is_hit else ())


def test_the_journal_the_services_and_the_kernels_own_count_are_asked_for() -> None:
    what = see(
        OVER.read(Reader()),
        ("journalctl", said(killed(61, at=NOW - 60))),
        ("date", said(f"{NOW}\n")),
        ("^oom_kill", said(status=1)),
        ("systemctl show", said(units_shown(unit_shown(PHP)))),
        ("list-unit-files", said(f"basic.target static -\n{PHP} enabled enabled\n")),
        most_rounds=1,
    )
    assert [(one.pid, one.unit) for one in what.kills] == [(61, PHP)]
    assert [unit.name for unit in what.services] == [PHP]
    assert isinstance(what.counted, FactError)
    assert OVER.judge(seen(counted=what.counted)).why == "none was killed for want of memory in the last 15 min"
    assert OVER.aim() == "nothing is down, or goes on being killed, for want of memory in the last 15 min"
