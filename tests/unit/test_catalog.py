from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PathDistribution
from pathlib import Path
from pkgutil import iter_modules
from textwrap import dedent
from types import ModuleType
from typing import Any, ClassVar

import pytest

from soleil_remediate import checks, looks, tasks
from soleil_remediate.built_in import PLACES
from soleil_remediate.catalog import Catalog, Family, Kind, _installed, load_catalog
from soleil_remediate.command import Reader
from soleil_remediate.errors import ConfigError, UnknownName
from soleil_remediate.plan import Plan, Risk
from soleil_remediate.task import Check, Look, Reading, Task, Text, Verdict
from soleil_remediate.units import ByteSize, MiB


@dataclass(frozen=True, kw_only=True)
class SweepFloor(Task[int]):
    """Sweep a floor, and
    nothing else.

    What lies on it is lost.

    It takes a while.

    Args:
        room: Which one; two
            lines are one.
        broom (ByteSize): How large.

        listed: After an empty line.

    Raises:
        Unplannable: There is no floor.
    """

    kind = "floor.sweep"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE

    room: str
    broom: ByteSize = MiB(1)
    undocumented: tuple[str, ...] = ()
    listed: tuple[str, ...] = field(default_factory=tuple)
    derived: int = field(default=0, init=False)

    async def read(self, host: Reader) -> int:
        return 0

    def plan(self, seen: int) -> Plan:
        return Plan.nothing("clean")


@dataclass(frozen=True, kw_only=True)
class FloorClean(Check[int]):
    kind = "floor.clean"

    async def read(self, host: Reader) -> int:
        return 0

    def judge(self, seen: int) -> Verdict:
        return Verdict.healthy("clean")


@dataclass(frozen=True, kw_only=True)
class LookAtFloor(Look[int]):
    """Look down."""

    kind = "floor.dirt"
    title = "Dirt"

    async def read(self, host: Reader) -> int:
        return 0

    def show(self, seen: int) -> Text:
        return Text(lines=())


CATALOG = Catalog.of(LookAtFloor, SweepFloor, FloorClean)


def test_a_catalog_knows_its_kinds_by_name_in_their_order() -> None:
    assert list(CATALOG) == ["floor.dirt", "floor.sweep", "floor.clean"]
    assert len(CATALOG) == 3
    assert CATALOG["floor.sweep"] is SweepFloor
    assert "floor.sweep" in CATALOG
    assert "floor.weep" not in CATALOG
    assert [kind.name for kind in CATALOG.kinds(Family.CHECK)] == ["floor.clean"]
    assert [kind.family for kind in CATALOG.kinds()] == [Family.LOOK, Family.TASK, Family.CHECK]


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UnknownName) as caught:
        CATALOG["floor.seep"]
    assert str(caught.value) == "unknown kind 'floor.seep': did you mean 'floor.sweep'?"


def test_a_kind_is_described_by_its_docstring_and_fields() -> None:
    kind = CATALOG.kind("floor.sweep")
    assert kind.summary == "Sweep a floor, and nothing else."
    assert kind.description == "What lies on it is lost.\n\nIt takes a while."
    assert kind.risk is Risk.DESTRUCTIVE
    assert kind.refuses == "There is no floor."
    assert {
        name: (one.annotation, one.is_required, one.default, one.about) for name, one in kind.arguments.items()
    } == {
        "room": (str, True, None, "Which one; two lines are one."),
        "broom": (ByteSize, False, MiB(1), "How large."),
        "undocumented": (tuple[str, ...], False, (), ""),
        "listed": (tuple[str, ...], False, (), "After an empty line."),
    }


def test_a_kind_without_docstring_or_risk_says_nothing() -> None:
    kind = CATALOG.kind("floor.clean")
    assert (kind.description, kind.risk, kind.refuses, dict(kind.arguments)) == ("", None, "", {})


def test_two_classes_of_one_kind_are_refused() -> None:
    again: Any = dataclass(frozen=True, kw_only=True)(type("Again", (FloorClean,), {"__module__": "other"}))
    with pytest.raises(ConfigError) as caught:
        Catalog.of(FloorClean, again)
    assert str(caught.value) == f"two classes are called 'floor.clean': {__name__}.FloorClean and other.Again"


class Undecorated(FloorClean):
    kind = "floor.plain"


class Nameless(FloorClean):
    kind = "Floor"


class Unnamed(Check[int]):
    pass


@dataclass(kw_only=True)
class Melting(Look[int]):
    kind = "floor.melting"
    title = "Melting"

    async def read(self, host: Reader) -> int:
        return 0

    def show(self, seen: int) -> Text:
        return Text(lines=())


class Bare(Look[int]):
    kind = "floor.bare"
    title = "Bare"

    async def read(self, host: Reader) -> int:
        return 0

    def show(self, seen: int) -> Text:
        return Text(lines=())


class Abstract(Task[int]):
    kind = "floor.abstract"


class Mere(Reading[int]):
    kind = "floor.mere"


@pytest.mark.parametrize(
    "given,message",
    [
        (5, "5 is no kind: it must be a subclass of Task, Check or Look"),
        (int, "<class 'int'> is no kind: it must be a subclass of Task, Check or Look"),
        (Mere, "{}.Mere must be a Task, a Check or a Look: a mere Reading can be neither judged nor shown"),
        (Nameless, "{}.Nameless needs a kind such as 'log.truncate', not 'Floor'"),
        (Abstract, "{}.Abstract (floor.abstract) does not define plan, read"),
        (Unnamed, "{}.Unnamed needs a kind such as 'log.truncate', not None"),
        (Melting, "{}.Melting (floor.melting) must be decorated with @dataclass(frozen=True, kw_only=True)"),
        (Bare, "{}.Bare (floor.bare) must be decorated with @dataclass(frozen=True, kw_only=True)"),
        (Undecorated, "{}.Undecorated (floor.plain) must be decorated with @dataclass(frozen=True, kw_only=True)"),
    ],
)
def test_what_is_no_kind_says_what_is_missing(given: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Catalog.of(given)
    assert str(caught.value) == message.format(__name__)


def test_every_built_in_kind_can_be_used_and_explains_itself() -> None:
    catalog = load_catalog()
    assert set(PLACES) <= set(catalog)
    for kind in catalog.kinds():
        assert kind.summary
        assert all(argument.about for argument in kind.arguments.values()), kind.name


def test_each_built_in_kind_is_where_its_name_leads_and_none_is_left_out() -> None:
    assert (
        [kind.name for kind in Catalog(PLACES).kinds()]
        == [kind.reading.kind for kind in Catalog(PLACES).kinds()]
        == list(PLACES)
    )
    written = {
        f"{module}:{name}": vars(one)["kind"]
        for package in (checks, looks, tasks)
        for module, one_module in modules_of(package)
        for name, one in vars(one_module).items()
        if isinstance(one, type) and one.__module__ == one_module.__name__ and "kind" in vars(one)
    }
    assert {place: kind for kind, place in PLACES.items()} == written


def modules_of(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    for found in iter_modules(package.__path__):
        name = f"{package.__name__.partition('.')[2]}.{found.name}"
        yield name, import_module(f"soleil_remediate.{name}")


def test_what_no_scenario_asked_for_is_not_imported() -> None:
    """The others take longer to import than a host to connect to, and a person waits."""
    program = """
        import sys
        from soleil_remediate import load_catalog, load_scenarios
        from soleil_remediate.loading import shipped_playbooks
        scenarios = load_scenarios([shipped_playbooks()], load_catalog())
        print(*sorted(name for name in sys.modules if name.startswith("soleil_remediate.tasks")))
        names = (scenarios.find("disk-full").name, *sys.modules)
        print(names[0], *(f"soleil_remediate.tasks.{name}" in names for name in ("logs", "redis")))
    """
    ended = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["", "disk-full True False"]


# ---- kinds of installed distributions -------------------------------------------------------------------------------


def install(site: Path, *, value: str, name: str = "acme-kinds") -> PathDistribution:
    info = site / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[soleil_remediate.kinds]\nacme = {value}\n")
    return PathDistribution(info)


def test_installed_distributions_add_kinds_one_or_several(tmp_path: Path) -> None:
    one = install(tmp_path, value=f"{__name__}:FloorClean")
    several = install(tmp_path, value=f"{__name__}:BOTH", name="acme-more")
    sys.modules[__name__].BOTH = (SweepFloor, LookAtFloor)  # type: ignore[attr-defined]
    assert list(_installed([one, several, one])) == [FloorClean, SweepFloor, LookAtFloor]


def test_a_distribution_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    broken = install(tmp_path, value="no_such_module_anywhere:Kind")
    with pytest.raises(ConfigError) as caught:
        list(_installed([broken]))
    assert str(caught.value) == (
        "the kinds of acme-kinds cannot be imported (no_such_module_anywhere:Kind): "
        "ModuleNotFoundError: No module named 'no_such_module_anywhere'"
    )


def test_a_hostile_distribution_in_the_current_folder_is_not_looked_at(tmp_path: Path) -> None:
    install(tmp_path, value="evil:Kind")
    (tmp_path / "evil.py").write_text("raise SystemExit('imported')\n")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", "from soleil_remediate.catalog import load_catalog; print(len(load_catalog()))"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.stdout.strip(), ended.stderr, ended.returncode) == (str(len(load_catalog())), "", 0)


def test_annotations_that_only_a_type_checker_sees_are_told() -> None:
    class Hidden(FloorClean):
        kind = "floor.hidden"
        what: Nowhere  # type: ignore[name-defined]  # noqa: F821  # that is the point

    with pytest.raises(
        ConfigError, match=r"\(floor\.hidden\): its annotations name 'Nowhere', which its module does not"
    ):
        _ = Kind(dataclass(frozen=True, kw_only=True)(Hidden)).arguments
