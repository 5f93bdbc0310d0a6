from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Query, Reader
from soleil_remediate.errors import FactError, NotOnHost
from soleil_remediate.facts.releases import (
    FindReleases,
    Link,
    ReadLink,
    ReadTexts,
    Releases,
    read_new_migrations,
    read_releases,
)
from tests.unit.facts.answers import ask_here, complaint, record, run_here, said, see


def lay_out(base: Here, *names: str, serves: str) -> Path:
    """Lay out whole releases and a link, as a deployment does; return the link."""
    for name in names:
        for file in ("artisan", "vendor/autoload.php", "vendor/acme/x/y.php", "bootstrap/cache/config.php"):
            path = base / "releases" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("<?php\n")
    (base / "current").symlink_to(f"releases/{serves}")
    return Path(base / "current")


def migrate(base: Here, release: str, name: str, text: str = "<?php\n") -> None:
    folder = base / "releases" / release / "database/migrations"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def releases_of(link: Path) -> Releases:
    folder = link.parent / "releases"
    return see(  # type: ignore[no-any-return]  # what a read returns is its own business
        read_releases(Reader(), link),
        ("%l", _raw(ReadLink(link))),
        (f"find {folder}", _raw(FindReleases(folder))),
        ("-maxdepth 0", said(record(str(link.parent), kind="d", owner="deploy"))),
        (".dep", said(status=1, stderr=complaint(f"{link.parent}/.dep"))),
        most_rounds=1,
    )


def _raw(query: Query[Any]) -> Output:
    return run_here(query.command)


def test_releases_are_seen_in_the_order_of_their_numbers_with_the_one_that_is_served(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "9", "10", "11", "hotfix", serves="10")
    seen = releases_of(link)
    assert [one.name for one in seen.all] == ["hotfix", "9", "10", "11"]
    assert seen.current is not None
    assert (seen.current.name, seen.current.lacks, seen.current.caches) == ("10", "", ("config.php",))
    assert seen.current.identity.inode == (tmp_path / "releases/10").stat().st_ino
    assert [one.name for one in seen.before(seen.current)] == ["9"]
    assert [one.name for one in seen.after(seen.current)] == ["11"]
    hotfix = seen.named("hotfix")
    assert hotfix is not None
    assert (seen.before(hotfix), seen.after(hotfix), hotfix.number) == ((), (), None)
    assert seen.named("12") is None
    assert (seen.owner, seen.lock) == ("deploy", None)


def test_what_a_release_lacks_is_seen(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2", "3", "4", "5", serves="5")
    (tmp_path / "releases/1/artisan").unlink()
    (tmp_path / "releases/2/vendor/autoload.php").unlink()
    (tmp_path / "releases/3/vendor").rename(tmp_path / "vendor")
    (tmp_path / "releases/3/vendor").symlink_to(tmp_path / "vendor")
    (tmp_path / "releases/4/public/build").mkdir(parents=True)
    lacks = [one.lacks.partition(":")[0] for one in releases_of(link).all]
    assert lacks == [
        "no artisan", "no vendor/autoload.php", "no vendor of its own", "no public/build/manifest.json", "",
    ]  # fmt: skip
    (tmp_path / "releases/4/public/build/manifest.json").touch()
    assert releases_of(link).all[3].lacks == ""


def test_a_bad_release_is_passed_over_and_the_newest_good_one_before_it_is_found(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2", "3", "4", serves="3")
    (tmp_path / "releases/2/BAD_RELEASE").touch()
    seen = releases_of(link)
    assert [one.name for one in seen.all if one.is_bad] == ["2"]
    assert seen.newest_good is not None
    assert seen.newest_good.name == "1"
    (tmp_path / "releases/1/BAD_RELEASE").touch()
    assert releases_of(link).newest_good is None


def test_a_way_back_that_was_cut_off_is_known_once_the_older_release_is_served(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2", "3", serves="2")
    (tmp_path / "releases/2/ROLLBACK_UNFINISHED-1").touch()
    assert releases_of(link).unfinished is None, "it was cut off before the switch: the way back is open"
    Here(link).unlink()
    Here(link).symlink_to("releases/1")
    left = releases_of(link).unfinished
    assert left is not None
    assert left.name == "2"
    Here(link).unlink()
    Here(link).symlink_to("releases/3")
    assert releases_of(link).unfinished is None, "what was deployed since has nothing to do with it"
    Here(link).unlink()
    Here(link).symlink_to("/elsewhere")
    assert releases_of(link).unfinished is None


def test_a_way_back_that_was_cut_off_is_known_by_names_that_tell_no_order(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "v41", "v42", "v43", serves="v41")
    (tmp_path / "releases/v42/ROLLBACK_UNFINISHED-v41").touch()
    left = releases_of(link).unfinished
    assert left is not None
    assert left.name == "v42"
    Here(link).unlink()
    Here(link).symlink_to("releases/v43")
    assert releases_of(link).unfinished is None


@pytest.mark.parametrize("target", ["/elsewhere", "releases/99", "../x/releases/1", "releases/../releases/1"])
def test_a_link_that_leads_to_no_release_serves_none(tmp_path: Here, target: str) -> None:
    link = lay_out(tmp_path, "1", serves="1")
    Here(link).unlink()
    Here(link).symlink_to(target)
    seen = releases_of(link)
    assert (seen.current, seen.newest_good) == (None, None)
    assert seen.served.target == target


def test_a_folder_in_the_place_of_the_link_is_seen_as_no_link(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", serves="1")
    Here(link).unlink()
    Here(link).mkdir()
    assert releases_of(link).served.target is None
    assert releases_of(link).current is None


def test_a_link_with_an_absolute_target_is_followed_all_the_same(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", serves="1")
    Here(link).unlink()
    Here(link).symlink_to(tmp_path / "releases/1")
    current = releases_of(link).current
    assert current is not None
    assert current.name == "1"


def test_no_folder_of_a_release_is_read_beyond_what_decides(tmp_path: Here) -> None:
    lay_out(tmp_path, "1", serves="1")
    migrate(tmp_path, "1", "2026_create.php")
    (tmp_path / "releases/1/storage").mkdir()
    (tmp_path / "releases/1/storage/artisan").touch()
    found = {
        str(file.path.relative_to(tmp_path / "releases"))
        for file in ask_here(FindReleases(Path(tmp_path / "releases")))
    }
    assert found == {
        "1", "1/artisan", "1/vendor", "1/vendor/autoload.php", "1/bootstrap", "1/bootstrap/cache",
        "1/bootstrap/cache/config.php", "1/database", "1/database/migrations", "1/database/migrations/2026_create.php",
    }  # fmt: skip


def test_a_folder_with_signs_in_its_name_stands_for_itself_alone(tmp_path: Here) -> None:
    base = tmp_path / "a+b (c) [d].*|{2}^$\\"
    assert [one.name for one in releases_of(lay_out(base, "1", serves="1")).all] == ["1"]


def test_names_that_are_no_plain_words_and_files_are_no_releases(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2 3", "-rf", "\u202e4", serves="1")
    (tmp_path / "releases/5").touch()
    (tmp_path / "releases/6").symlink_to("1")
    assert [one.name for one in releases_of(link).all] == ["1"]


def test_a_file_from_elsewhere_is_no_answer() -> None:
    with pytest.raises(FactError, match="/srv/other/releases/1 is elsewhere"):
        FindReleases(Path("/srv/app/releases")).answer(said(record("/srv/other/releases/1", kind="d")))


def test_deployers_lock_is_seen() -> None:
    link = Path("/srv/app/current")
    seen = see(
        read_releases(Reader(), link),
        ("%l", said("l\tdeploy\t1700000000.5\treleases/1\0")),
        ("-regextype", said(status=1, stderr=complaint("/srv/app/releases"))),
        ("-maxdepth 0", said(record("/srv/app", kind="d"))),
        (".dep", said(record("/srv/app/.dep/deploy.lock"))),
    )
    assert seen.served == Link(target="releases/1", owner="deploy", changed=1_700_000_000)
    assert (seen.all, seen.current) == ((), None)
    assert seen.lock.path == link.parent / ".dep/deploy.lock"


def test_a_missing_link_is_a_name_that_the_host_has_not() -> None:
    with pytest.raises(NotOnHost, match="there is no /srv/app/current"):
        see(
            read_releases(Reader(), Path("/srv/app/current")),
            ("%l", said(status=1, stderr=complaint("/srv/app/current"))),
            ("", said(status=1, stderr=complaint("/srv/app"))),
        )


@pytest.mark.parametrize(
    "answer", ["s\tdeploy\t1.0\t\0", "l\tdeploy\t1.0\t\0", "f\tdeploy\t1.0\tx\0", "d\tdeploy\tx\t\0"]
)
def test_what_is_no_link_is_no_answer(answer: str) -> None:
    with pytest.raises(FactError):
        ReadLink(Path("/x")).answer(said(answer))


def test_new_migrations_are_read_and_a_link_among_them_is_not(tmp_path: Here) -> None:
    link = lay_out(tmp_path, "1", "2", serves="2")
    migrate(tmp_path, "1", "1_old.php")
    migrate(tmp_path, "2", "1_old.php")
    migrate(tmp_path, "2", "2_new.php", "<?php\nnew;\n")
    migrate(tmp_path, "2", "3_empty.php", "")
    (tmp_path / "releases/2/database/migrations/4_link.php").symlink_to("/etc/passwd")
    older, newer = releases_of(link).all
    query = ReadTexts((newer.path / "database/migrations/2_new.php", newer.path / "database/migrations/3_empty.php"))
    seen = see(read_new_migrations(Reader(), newer, older), ("grep", _raw(query)), most_rounds=1)
    assert seen == {"2_new.php": "<?php\nnew;", "3_empty.php": ""}
    assert see(read_new_migrations(Reader(), older, newer)) == {}
    with pytest.raises(FactError, match="gone"):
        see(read_new_migrations(Reader(), newer, older), ("grep", said(status=2, stderr="grep: x: gone\n")))


@pytest.mark.parametrize(
    "answer, stderr", [("", "grep: /x: No such file or directory\n"), ("line\n", ""), ("/y\0line\n", "")]
)
def test_texts_that_cannot_be_told_apart_are_no_answer(answer: str, stderr: str) -> None:
    with pytest.raises(FactError):
        ReadTexts((Path("/x"),)).answer(said(answer, stderr=stderr))
