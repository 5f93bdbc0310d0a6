from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.backups import BackupRecent
from soleil_remediate.facts.backups import BackupsSeen
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.disks import FileSystems
from soleil_remediate.facts.files import FileStat, parse_records
from soleil_remediate.task import Health
from soleil_remediate.units import Duration, MiB
from tests.unit.facts.answers import record, said

NOW = seconds_at(2026, 11, 29, 12)
FOLDER = Path("/srv/backups")
CHECK = BackupRecent(directory=FOLDER)


def one(name: str, *, hours: float, size: int = MiB(30), kind: str = "f") -> FileStat:
    modified = int(NOW - hours * 3600)
    (found,) = parse_records(said(record(f"{FOLDER}/{name}", size=size, modified=modified, kind=kind)))
    return found


def seen(*files: FileStat, path: Path = FOLDER, kind: str = "d", has_folder: bool = True) -> BackupsSeen:
    (folder,) = parse_records(said(record(str(FOLDER), kind=kind)))
    file_systems: Any = FileSystems  # nothing of them is looked at here
    return BackupsSeen(
        folder=folder if has_folder else None, path=path, files=files, now=NOW, file_systems=file_systems
    )


def test_a_backup_of_tonight_is_young_enough() -> None:
    verdict = CHECK.judge(seen(one("a-2.sql.gz", hours=9), one("a-1.sql.gz", hours=33)))
    assert (verdict.health, verdict.why) == (Health.HEALTHY, "a-2.sql.gz is 9 h old, 30 MiB")


@pytest.mark.parametrize(
    "files, why",
    [
        ((), "there is no backup in /srv/backups"),
        ((one("note.txt", hours=1),), "there is no backup in /srv/backups"),
        ((one("latest.sql.gz", hours=1, kind="l"),), "there is no backup in /srv/backups"),
        (
            (one("a-1.sql.gz", hours=26.5),),
            "the newest backup is from 2026-11-28 09:30 UTC, more than 1 d 2 h ago",
        ),
        (
            (one("a-2.sql.gz", hours=9, size=MiB(14)), one("a-1.sql.gz", hours=33)),
            "a-2.sql.gz takes 14 MiB, another one 30 MiB",
        ),
        ((one("a-2.sql.gz", hours=9, size=0),), "a-2.sql.gz takes 0 B, another one 0 B"),
    ],
)
def test_a_backup_that_is_missing_old_or_cut_short_is_a_fault(files: tuple[FileStat, ...], why: str) -> None:
    verdict = CHECK.judge(seen(*files))
    assert (verdict.health, verdict.why) == (Health.FAULTY, why)
    assert [measure.is_faulty for measure in verdict.measures] == [True]


def test_a_folder_that_is_not_there_is_a_fault() -> None:
    assert CHECK.judge(seen(has_folder=False)).health is Health.FAULTY


@pytest.mark.parametrize(
    "what",
    [
        seen(one("a.sql.gz", hours=1), path=Path("/mnt/backups")),
        seen(one("a.sql.gz", hours=1), kind="f"),
        seen(one("a.sql.gz", hours=-1)),
    ],
    ids=["a link", "a file", "the future"],
)
def test_what_cannot_be_judged_is_unknown(what: BackupsSeen) -> None:
    assert CHECK.judge(what).health is Health.UNKNOWN


def test_one_of_exactly_the_age_is_young_enough() -> None:
    assert CHECK.judge(seen(one("a.sql.gz", hours=26))).health is Health.HEALTHY


@pytest.mark.parametrize("wrong", [{"directory": Path("backups")}, {"directory": FOLDER, "names": ()}])
def test_what_says_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        BackupRecent(**wrong, within=Duration(60))
