from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.services import Configuration, Services, Unit
from soleil_remediate.looks.services import LogNewest, ResourceOverview, ServiceLastWords, ServiceOverview
from soleil_remediate.task import Table, Text
from tests.unit.facts.answers import said, see
from tests.unit.facts.services import RESOURCES, unit_shown, units_shown

UNITS = ("nginx.service", "php*-fpm.service")


def test_how_services_are_and_what_their_configuration_is_worth() -> None:
    units = (
        Unit(name="a.service", active="active", sub="running", since=0),
        Unit(name="b.service", active="failed", result="signal", restarts=3),
        Unit(name="c.service", enablement="disabled"),
        Unit(name="d.service"),
    )
    tests: dict[str, Configuration | FactError] = {
        "a.service": Configuration(is_good=True),
        "b.service": Configuration(is_good=False, says="x"),
        "c.service": FactError("needs root"),
    }
    shown = ServiceOverview(units=UNITS).show(Services(units=units, tests=tests))
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("a.service", "running", "1970-01-01 00:00", "good"),
        ("b.service", "failed (signal), 3 restarts", "", "BROKEN"),
        ("c.service", "stopped and disabled", "", "not tested"),
        ("d.service", "stopped", "", ""),
    )


def test_where_there_is_none_that_is_said() -> None:
    assert ServiceOverview(units=UNITS).show(Services(units=(), tests={})) == Text(lines=("there is none of them",))


def test_only_what_should_run_and_does_not_has_last_words() -> None:
    look = ServiceLastWords(units=UNITS)
    seen = see(
        look.read(Reader()),
        (
            "systemctl show",
            said(units_shown(unit_shown("nginx.service"), unit_shown("php8.2-fpm.service", active="failed"))),
        ),
        ("list-unit-files", said("basic.target static -\nphp8.1-fpm.service disabled -\n")),
        ("journalctl", said('{"MESSAGE":"killed"}\n')),
    )
    assert look.show(seen) == Text(lines=("php8.2-fpm.service", "  killed"))
    assert look.show(()) == Text(lines=("none of them is down",))
    assert look.show((("x", FactError("no journal")),)) == Text(lines=("x", "  unknown: no journal"))


def test_the_newest_lines_of_each_log_are_cut_where_they_are_long() -> None:
    look = LogNewest(logs=(Path("/a"), Path("/b"), Path("/c")))
    seen = see(
        look.read(Reader()),
        ("newest-lines /a", said(f"==> /a <==\n{'x' * 201}\n")),
        ("newest-lines /b", said("==> /b <==\n")),
        ("newest-lines /c", said(status=1, stderr="tail: cannot open '/c' for reading: No such file or directory\n")),
    )
    shown = look.show(seen)
    assert shown == Text(lines=("/a", f"  {'x' * 200}…", "/b", "  says nothing", "/c", "  is not there"))


def test_memory_and_load_and_swap_where_there_is_some() -> None:
    look = ResourceOverview()
    plain = look.show(see(look.read(Reader()), ("/proc", said(RESOURCES))))
    assert plain == Text(
        lines=(
            "memory 21.5 GiB of 23.5 GiB available, no swap",
            "load 6.47 7.40 7.89 over 1, 5 and 15 min; 12/501 processes run",
        )
    )
    swapping = RESOURCES.replace("SwapTotal:             0", "SwapTotal:          2048")
    shown = look.show(see(look.read(Reader()), ("/proc", said(swapping))))
    assert isinstance(shown, Text)
    assert shown.lines[0].endswith("swap 2 MiB of 2 MiB used")


def test_what_cannot_be_looked_at_is_refused() -> None:
    with pytest.raises(ValueError, match="from 1 to 100"):
        LogNewest(logs=(Path("/a"),), lines=0)
    with pytest.raises(ValueError, match="from 1 to 100"):
        ServiceLastWords(units=UNITS, lines=101)
    with pytest.raises(ValueError, match="absolute"):
        LogNewest(logs=(Path("a"),))
    with pytest.raises(ValueError, match="must be a service"):
        ServiceOverview(units=("nginx",))
