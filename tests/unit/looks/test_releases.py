from __future__ import annotations

from dataclasses import replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.onsets import Onset
from soleil_remediate.facts.releases import Releases
from soleil_remediate.looks.releases import ReleaseList, ReleasesShown
from soleil_remediate.task import Table
from tests.unit.facts.test_releases import lay_out, releases_of
from tests.unit.tasks.values import file

NOTHING_FAILS = Onset(since=None)
LOOK = ReleaseList(root=Path("/srv/app/current"))


def rows(
    releases: Releases, migrations: dict[str, str] | FactError, onset: Onset | FactError = NOTHING_FAILS
) -> list[tuple[str, ...]]:
    shown = LOOK.show(ReleasesShown(releases=releases, migrations=migrations, onset=onset))
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


def test_it_is_shown_whether_requests_failed_before_the_release_was_served(tmp_path: Here) -> None:
    seen = releases_of(lay_out(tmp_path, "1", serves="1"))
    link = replace(seen.served, changed=1_700_000_000)
    at = replace(seen, served=link)
    onset = Onset(since=1_700_000_000 - 20, well=1_700_000_000 - 80)
    began = "requests fail since 2023-11-14 22:13"
    assert rows(at, {}, onset)[1] == ("", f"{began}, with it")
    assert rows(at, {}, replace(onset, well=None))[1] == ("", f"{began} or earlier")
    late = replace(at, served=replace(link, changed=link.changed + 3600))
    assert rows(late, {}, onset)[1] == ("", f"{began}, before it")
    early = replace(at, served=replace(link, changed=link.changed - 3600))
    assert rows(early, {}, onset)[1] == ("", f"{began}, long after")
    assert rows(at, {}, FactError("gone"))[1] == ("", "since when requests fail cannot be told: gone")


@pytest.mark.parametrize("log", ["access.log", "/var/../x"])
def test_a_log_is_named_from_the_root(log: str) -> None:
    with pytest.raises(ValueError, match="absolute"):
        replace(LOOK, access_log=Path(log))
