from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.releases import RollbackFinished
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.task import Health
from tests.unit.facts.answers import complaint, record, said, see
from tests.unit.tasks.values import SRV

CHECK = RollbackFinished(root=Path("/srv/app/current"))
MARK = "/srv/app/releases/2/ROLLBACK_UNFINISHED-1"


def read(serves: str) -> str:
    found = [record(f"/srv/app/releases/{name}", kind="d", device=SRV) for name in ("1", "2")]
    return str(
        see(
            CHECK.read(Reader()),
            ("%l", said(f"l\tdeploy\t1.5\treleases/{serves}\0")),
            ("-regextype", said(b"".join([*found, record(MARK, device=SRV)]))),
            ("-maxdepth 0", said(record("/srv/app", kind="d"))),
            (".dep", said(status=1, stderr=complaint("/srv/app/.dep"))),
            (".git/ROLLBACK", said(status=1, stderr=complaint("/srv/app/current/.git"))),
            (".git/HEAD", said(status=2, stderr="grep: /srv/app/current/.git/HEAD: No such file or directory\n")),
            most_rounds=1,
        )
    )


def read_in_place(*marks: str, at: str | None) -> str:
    unreadable = said(status=2, stderr="grep: /srv/app/current/.git/HEAD: Permission denied\n")
    found = b"".join(record(f"/srv/app/current/.git/ROLLBACK_UNFINISHED-{mark}") for mark in marks)
    return str(
        see(
            CHECK.read(Reader()),
            ("%l", said("d\tdeploy\t1.5\t\0")),
            ("-regextype", said(status=1, stderr=complaint("/srv/app/releases"))),
            ("-maxdepth 0", said(record("/srv/app", kind="d"))),
            (".dep", said(status=1, stderr=complaint("/srv/app/.dep"))),
            (".git/ROLLBACK", said(found)),
            (".git/HEAD", unreadable if at is None else said(f"/srv/app/current/.git/HEAD\0{at}\n")),
            most_rounds=1,
        )
    )


def test_in_place_the_mark_names_the_commit_that_has_to_be_there_still() -> None:
    assert read_in_place(at="a" * 40) == ""
    assert read_in_place("a" * 40, at="b" * 40) == "", "another one was deployed since"
    assert read_in_place("a" * 40, at="ref: refs/heads/main") == "", "likewise"
    assert read_in_place("b" * 40, "a" * 40, at="a" * 40) == f"/srv/app/current/.git/ROLLBACK_UNFINISHED-{'a' * 40}"


def test_which_commit_is_there_must_be_known_only_where_there_is_a_mark() -> None:
    assert read_in_place(at=None) == ""
    with pytest.raises(FactError):
        read_in_place("a" * 40, at=None)


def test_a_way_back_that_was_cut_off_is_a_fault_though_pages_are_served() -> None:
    assert read("2") == ""
    assert read("1") == MARK
    verdict = CHECK.judge(MARK)
    assert (verdict.health, verdict.why) == (
        Health.FAULTY, "a way back is unfinished: php-fpm and workers may run the bad release still",
    )  # fmt: skip
    assert [one.value for one in verdict.measures] == [MARK]
    assert CHECK.judge("").health is Health.HEALTHY


def test_where_there_is_no_link_nothing_was_cut_off() -> None:
    missing = complaint("/srv/app/current")
    assert see(CHECK.read(Reader()), ("", said(status=1, stderr=missing))) == ""


def test_a_folder_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(ValueError, match="srv/app must be absolute"):
        RollbackFinished(root=Path("srv/app"))
