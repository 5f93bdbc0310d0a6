from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.config_caches import ConfigCache
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.config_caches import BuildConfigCache
from soleil_remediate.units import Duration
from tests.unit.tasks.values import nothing, refusal

ROOT = Path("/srv/soleil/current")
FILE = Path("/srv/soleil/releases/1/bootstrap/cache/config.php")
BUILD = BuildConfigCache(root=ROOT)
COLD = ConfigCache(is_cached=False, file=FILE, took=Duration(0.7), environment="production", is_debugging=False)
READERS: tuple[Path, ...] = ()


def test_a_configuration_that_costs_each_request_much_is_cached_by_its_own_user_and_can_be_taken_back() -> None:
    plan = BUILD.plan((COLD, READERS))
    (change,) = plan.changes
    assert plan.because == "the configuration is not cached, and each request takes 700 ms to load it"
    assert change.risk is Risk.GENTLE
    assert change.command.user == "www-data"
    assert change.command.words == ("php", "--", "build-config-cache", str(ROOT), str(FILE))
    assert change.undo.command is not None
    assert (change.undo.command.words, change.undo.command.user) == (("rm", "-f", "--", str(FILE)), "www-data")
    assert BUILD.rights() == (Right("www-data"),)


def test_what_is_cached_or_is_loaded_quickly_is_left_alone() -> None:
    assert nothing(BUILD, (replace(COLD, is_cached=True), READERS)) == "the configuration is cached"
    quick = replace(COLD, took=Duration(0.2996))
    assert nothing(BUILD, (quick, READERS)).endswith("loading it takes 300 ms: that is not it")
    assert BUILD.plan((replace(COLD, took=Duration(0.3)), READERS)).changes


@pytest.mark.parametrize(
    "more, readers, why",
    [
        (
            {"is_debugging": True},
            (),
            "700 ms, and debug mode is on: there it is not cached. By hand: cd /srv/soleil/current",
        ),
        ({"environment": "staging"}, (), "the environment is staging"),
        ({"environment": ""}, (), "the environment is not named"),
        (
            {},
            (Path("/srv/A.php"),),
            "/srv/A.php reads .env itself: with a cached configuration it would find nothing there",
        ),
        ({}, (Path("/srv/A.php"), Path("/srv/B.php")), "/srv/A.php and 1 more reads .env itself"),
        ({}, FactError("needs root"), "whether code reads .env itself, which a cached configuration hides: needs root"),
    ],
)
def test_where_a_cached_configuration_may_change_what_the_application_does_it_is_refused(
    more: dict[str, Any], readers: Any, why: str
) -> None:
    assert why in refusal(BUILD, (replace(COLD, **more), readers))


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="worth must be longer than nothing"):
        BuildConfigCache(root=ROOT, worth=Duration(0))
    with pytest.raises(ValueError, match="must be absolute"):
        BuildConfigCache(root=Path("srv"))
