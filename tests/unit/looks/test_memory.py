from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.limits import MemoryLimit
from soleil_remediate.facts.memory import Holder
from soleil_remediate.facts.oom_kills import Kill
from soleil_remediate.looks.memory import (
    KillList,
    MemoryOverview,
    MemoryProcesses,
    OomKillList,
    OverviewSeen,
    ProcessesSeen,
)
from soleil_remediate.task import Forecast, Table, Text
from soleil_remediate.units import Duration, KiB, MiB
from tests.unit.facts.answers import said, see
from tests.unit.facts.memory import CONTAINER, SOCKETS, holder, killed, memory, process, sampled
from tests.unit.facts.services import RESOURCES

ROOT = Path("/srv/soleil/current")
OVERVIEW, PROCESSES, KILLS = MemoryOverview(), MemoryProcesses(root=ROOT, top=3), OomKillList(top=2)


@pytest.mark.parametrize(
    "container, pressure, lines",
    [
        (
            None,
            ("1.50", "0.25", "0.00"),
            (
                "memory  50 MiB of 1 GiB available",
                "swap    none",
                "stalled 1.50 % of the last 10 s, 0.25 % of 1 min, 0.00 % of 5 min",
            ),
        ),
        (
            CONTAINER,
            ("1.50", "0.25", "0.00"),
            (
                "memory  20 MiB of 512 MiB available (its container's limit)",
                "        the machine that it is on has 50 MiB of 1 GiB available",
                "swap    none",
                "stalled 1.50 % of the last 10 s, 0.25 % of 1 min, 0.00 % of 5 min (the machine's)",
            ),
        ),
        (None, None, ("stalled unknown: the kernel keeps no account of it (psi=1 on its command line)",)),
        (None, FactError("no answer"), ("stalled unknown: no answer",)),
    ],
)
def test_how_much_memory_is_left_is_shown_and_whose_limit_that_is(
    container: MemoryLimit | None, pressure: tuple[str, str, str] | FactError | None, lines: tuple[str, ...]
) -> None:
    shown = OVERVIEW.show(OverviewSeen(memory=memory(50, container=container), pressure=pressure))
    assert isinstance(shown, Text)
    assert shown.lines[-len(lines) :] == lines


def asked(look: MemoryOverview) -> OverviewSeen:
    seen = see(
        look.read(Reader()),
        ("/proc/loadavg", said(RESOURCES)),
        ("memory.max", said(status=2)),
        ("pressure", said(status=2)),
        most_rounds=1,
    )
    assert isinstance(seen, OverviewSeen)
    return seen


def test_memory_and_pressure_are_asked_for_at_once() -> None:
    assert asked(OVERVIEW).pressure is None
    assert asked(OVERVIEW).memory.container is None


def processes(users: Mapping[int, str] | FactError, *all_of_them: Holder) -> list[tuple[str, ...]]:
    shown = PROCESSES.show(ProcessesSeen(memory=memory(50), processes=all_of_them, users=users))
    assert isinstance(shown, Table)
    return list(shown.rows)


def test_what_holds_the_memory_is_shown_with_its_owner_unit_and_growth_and_whether_it_is_the_applications() -> None:
    rows = processes(
        {33: "www-data"},
        holder(61, 400, grown=MiB(3)),
        holder(70, 200, uid=1001, unit=None, name="python3", words=("python3", "/home/x/report.py"), grown=None),
        holder(71, 100, unit=SOCKETS, words=("php", "/srv/soleil/current/artisan", "reverb:start"), grown=KiB(3)),
        holder(72, 40),
        holder(73, 30),
    )
    assert rows == [
        ("61", "400 MiB", "+3 MiB", "www-data", "php8.2-fpm.service", "yes", "php-fpm8.2"),
        ("70", "200 MiB", "ended", "uid 1001", "no unit", "", "python3 /home/x/report.py"),
        ("71", "100 MiB", "", "www-data", SOCKETS, "yes", "php /srv/soleil/current/artisan reverb:start"),
        ("", "70 MiB", "", "", "", "", "2 others"),
        ("", "204 MiB", "", "", "", "", "kernel and files"),
    ]


def test_where_users_have_no_names_and_nothing_is_held_besides_the_rest_is_shown() -> None:
    (row,) = processes(FactError("no getent"), holder(61, 1000))
    assert row[3] == "uid 33"


def see_processes(*lines: str, grown: int = 0, available: int = 200) -> ProcessesSeen:
    at = "/sys/fs/cgroup/memory"
    seen = see(
        PROCESSES.read(Reader()),
        ("/proc/loadavg", said(RESOURCES)),
        (at, said(status=2)),
        ("sample-processes", sampled(*lines)),
        ("getent passwd 0", said("root:x:0:0::/root:/bin/sh\n", status=2)),
    )
    assert isinstance(seen, ProcessesSeen)
    return seen


def test_processes_are_sampled_and_their_users_named() -> None:
    seen = see_processes(process(61, "php-fpm8.2", held=300_000))
    assert seen.users == {0: "root"}
    assert [one.pid for one in seen.processes] == [61, 1]


@pytest.mark.parametrize(
    "later, left, forecast",
    [
        (300_000, 300, None),
        (300_000 + 20 * 1024, 1024 + 20, "memory is short again"),
        (300_000 + 20 * 1024, 100, None),
        (300_000 + 1024, 40_000, None),
    ],
)
def test_after_a_repair_it_is_told_when_memory_is_short_again(later: int, left: int, forecast: str | None) -> None:
    at, limit = "/sys/fs/cgroup/memory", MiB(100_000 if left == 40_000 else 10_240 if left > 1000 else 1024)
    told = see(
        PROCESSES.follow(Reader(), see_processes()),
        ("/proc/loadavg", said(RESOURCES.replace("22544384", "99999999999"))),
        (at, said(f"{at}.max:{limit:d}\n{at}.current:{limit - MiB(left):d}\n", status=2)),
        ("sample-processes", sampled(process(61, "php-fpm8.2", held=300_000), later={61: later})),
        most_rounds=1,
    )
    if forecast is None:
        assert told == ()
        return
    assert told == (
        Forecast(
            subject="memory",
            about=forecast,
            within=Duration(2.0),
            because="php-fpm8.2 (61) grew by 20 MiB in 2 s",
        ),
    )


def test_what_was_killed_is_shown_and_how_many_the_kernel_counts() -> None:
    kills = tuple(Kill(at=at, pid=at, name="php", held=MiB(9)) for at in (60, 120, 180))
    assert KILLS.show(KillList(kills=kills, counted=5)) == Text(
        lines=(
            "3 in the last 1 d, the newest of them:",
            "1970-01-01 00:02 UTC  php 120 (9 MiB)",
            "1970-01-01 00:03 UTC  php 180 (9 MiB)",
            "the kernel counts since it was started: 5",
        )
    )
    assert KILLS.show(KillList(kills=kills[:1], counted=FactError("no file"))) == Text(
        lines=("1970-01-01 00:01 UTC  php 60 (9 MiB)", "the kernel counts since it was started: unknown: no file")
    )
    assert KILLS.show(KillList(kills=(), counted=0)) == Text(
        lines=("the journal has none of the last 1 d", "the kernel counts since it was started: 0")
    )


def test_kills_that_cannot_be_read_are_unknown() -> None:
    seen = see(KILLS.read(Reader()), ("journalctl", said(killed(61, at=9))), ("^oom_kill", said(status=2)))
    assert len(seen.kills) == 1
    with pytest.raises(FactError, match="insufficient"):
        see(
            KILLS.read(Reader()), ("journalctl", said(status=1, stderr="insufficient\n")), ("^oom_kill", said(status=2))
        )


@pytest.mark.parametrize(
    "kind, values",
    [
        (MemoryProcesses, {"root": ROOT, "top": 0}),
        (MemoryProcesses, {"root": ROOT, "top": 101}),
        (MemoryProcesses, {"root": Path("x")}),
        (OomKillList, {"within": Duration(59)}),
        (OomKillList, {"within": Duration(32 * 86400)}),
        (OomKillList, {"top": 0}),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: type[MemoryProcesses | OomKillList], values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        kind(**values)  # type: ignore[arg-type]
