from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.releases import Releases
from soleil_remediate.looks.releases import ReleaseList, ReleasesShown
from soleil_remediate.task import Table
from tests.unit.facts.test_releases import lay_out, releases_of
from tests.unit.tasks.values import file

LOOK = ReleaseList(root=Path("/srv/app/current"))


def rows(releases: Releases, migrations: dict[str, str] | FactError) -> list[tuple[str, ...]]:
    shown = LOOK.show(ReleasesShown(releases=releases, migrations=migrations))
    assert isinstance(shown, Table)
    assert all(len(row) == len(shown.columns) for row in shown.rows)
    return [(row[0], row[2]) for row in shown.rows]


def test_every_release_is_shown_newest_first_with_what_keeps_it_from_being_served(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2", "3", "4", serves="4")
    (tmp_path / "releases/3/BAD_RELEASE").touch()
    (tmp_path / "releases/2/artisan").unlink()
    found = rows(releases_of(link), {"5_new.php": "<?php", "6_more.php": "<?php"})
    assert [row[0] for row in found] == ["4", "", "", "3", "2", "1"]
    assert found[0][1].startswith("served since 20")
    assert found[1:3] == [("", "brought 5_new.php (unknown)"), ("", "brought 6_more.php (unknown)")]
    assert found[3:] == [("3", "marked bad"), ("2", "no artisan"), ("1", "")]


def test_what_new_migrations_do_may_not_be_known(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", serves="1")
    (tmp_path / "releases/1/BAD_RELEASE").touch()
    found = rows(releases_of(link), FactError("gone"))
    assert found[0][1].endswith(", marked bad")
    assert found[1][1] == "its migrations cannot be read: gone"


@pytest.mark.parametrize("target, says", [("elsewhere", "leads to elsewhere"), ("", "leads to no other place")])
def test_a_link_that_serves_no_release_and_a_lock_are_shown(tmp_path: Here, target: str, says: str) -> None:
    link = lay_out(tmp_path, "1", serves="1")
    Here(link).unlink()
    Here(link).symlink_to(target) if target else Here(link).mkdir()
    seen = releases_of(link)
    locked = Releases(link=link, served=seen.served, owner="x", all=seen.all, lock=file("/srv/app/.dep/deploy.lock"))
    assert rows(locked, {}) == [
        ("1", ""),
        (str(link), says),
        ("deploy.lock", "somebody deploys, or did"),
    ]
