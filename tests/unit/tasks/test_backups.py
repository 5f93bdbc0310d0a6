from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.facts.backups import BackupsSeen
from soleil_remediate.facts.files import FileStat
from soleil_remediate.plan import Change, Risk
from soleil_remediate.tasks import backups
from soleil_remediate.tasks.backups import REMOVE_LISTED, PruneBackups
from soleil_remediate.units import ByteSize, Duration, MiB
from tests.unit.facts.answers import captured, record, said, see
from tests.unit.tasks.values import SRV, file, file_system, file_systems, nothing, refusal

FOLDER = Path("/srv/backups")
DAY = 86400
NOW = 1_700_000_000
TASK = PruneBackups(directory=FOLDER, keep=2, older_than=Duration(7 * DAY))


def backup(name: str, days: float, size: float = 10, **other: Any) -> FileStat:
    return file(f"{FOLDER}/{name}", size, modified=int(NOW - days * DAY), **other)


def seen(*files: FileStat, path: Path = FOLDER, kind: str = "d", device: int = SRV) -> BackupsSeen:
    return BackupsSeen(
        folder=file(str(FOLDER), type=kind, inode=2, device=device),
        path=path,
        files=files,
        now=NOW,
        file_systems=file_systems(file_system(size=ByteSize(1))),
    )


def removed(*files: FileStat, task: PruneBackups = TASK) -> list[str]:
    """Return the names on the list that is sent."""
    plan = task.plan(seen(*files))
    return [line.split(" ", 5)[5] for change in plan.changes for line in listed(change)]


def listed(change: Change) -> list[str]:
    assert isinstance(change.command.stdin, str)
    return change.command.stdin.splitlines()


def test_old_backups_go_by_an_exact_list_and_the_newest_stay() -> None:
    plan = TASK.plan(seen(*(backup(f"{days}.sql.gz", days, inode=days) for days in (1, 8, 30, 60))))
    (change,) = plan.changes
    assert change.command.words[-3:] == ("remove-listed", str(FOLDER), f"{SRV}:2")
    assert listed(change) == [
        f"{SRV} 30 1 10485760 {NOW - 30 * DAY} 30.sql.gz",
        f"{SRV} 60 1 10485760 {NOW - 60 * DAY} 60.sql.gz",
    ]
    assert change.risk is Risk.DESTRUCTIVE
    assert [(one.subject, one.amount) for one in change.relieves] == [
        ("space on /srv", "20 MiB"),
        ("inodes on /srv", "2 inodes"),
    ]
    assert (change.before, change.after) == ("4 files, 40 MiB", "2 files, 20 MiB")
    assert (change.loses, change.keeps) == ("30.sql.gz to 60.sql.gz", "the newest: 1.sql.gz, 8.sql.gz")


def test_a_folder_without_backups_needs_nothing() -> None:
    assert TASK.plan(seen()).changes == ()


def test_the_newest_stay_whatever_their_age() -> None:
    assert removed(*(backup(f"{days}.sql", days) for days in (100, 200, 300))) == ["300.sql"]
    assert nothing(TASK, seen(backup("100.sql", 100), backup("200.sql", 200)))


def test_a_backup_of_exactly_that_age_stays() -> None:
    young = backup("1.sql", 1), backup("2.sql", 2)
    assert removed(*young, backup("7.sql", 7)) == []
    assert removed(*young, backup("8.sql", 7.001)) == ["8.sql"]


def test_backups_that_were_cut_short_do_not_count_as_the_newest() -> None:
    files = (
        backup("1.sql", 1, 0),
        backup("2.sql", 2, 1),
        *(backup(f"{days}.sql", days) for days in (10, 20, 30)),
    )
    assert removed(*files) == ["30.sql"]


def test_where_most_were_cut_short_the_newest_whole_ones_stay_as_well() -> None:
    short = (backup(f"{days}.sql", days, 1, inode=days) for days in range(8, 28))
    whole = (backup(f"{days}.sql", days, 100, inode=days) for days in (40, 50, 60))
    assert removed(*short, *whole) == [*(f"{days}.sql" for days in range(10, 28)), "60.sql"]


@pytest.mark.parametrize("sizes", [(1, 100, 100), (1, 60, 110), (0, 30, 10), (40, 50, 100)])
def test_what_stayed_once_stays_the_next_time(sizes: tuple[int, int, int]) -> None:
    young, middle, old = sizes
    files = [
        *(backup(f"{days}.sql", days, young, inode=days) for days in (1, 2, 3, 4, 5)),
        *(backup(f"{days}.sql", days, middle, inode=days) for days in (10, 20, 30, 40)),
        *(backup(f"{days}.sql", days, old, inode=days) for days in (50, 60, 70)),
    ]
    gone = removed(*files)
    assert gone
    assert removed(*(one for one in files if one.path.name not in gone)) == []


def test_no_kind_of_backup_takes_the_place_of_another_in_the_same_folder() -> None:
    uploads = [backup(f"uploads-{days}.tar.gz", days, 1000, inode=days) for days in range(14)]
    dumps = [backup(f"db-{days}.sql.gz", days, 100, inode=days + 100) for days in (8, 15, 22)]
    assert removed(*uploads, *dumps) == [*(f"uploads-{days}.tar.gz" for days in range(8, 14)), "db-22.sql.gz"]


def test_a_backup_by_a_name_like_no_other_stays() -> None:
    assert removed(*(backup(f"{days}.sql", days) for days in (1, 2, 9)), backup("before-move.sql", 900)) == ["9.sql"]


def test_only_so_many_of_those_that_stay_are_named() -> None:
    others = [backup(f"{letter}.sql", 30, inode=30) for letter in "abcdefghijklmnop"]
    (change,) = TASK.plan(seen(*(backup(f"{days}.sql", days, inode=days) for days in (1, 2, 9)), *others)).changes
    assert change.keeps.startswith("the newest: 1.sql, 2.sql, p.sql, ")
    assert change.keeps.endswith(" and 6 more")


def test_one_that_was_far_larger_does_not_take_the_place_of_the_newest() -> None:
    files = (backup(f"{days}.sql", days, 100 if days == 40 else 10, inode=days) for days in (10, 20, 30, 40, 50))
    assert removed(*files) == ["30.sql", "50.sql"]


def test_where_none_is_better_the_newest_short_ones_stay() -> None:
    assert removed(*(backup(f"{days}.sql", days, 0) for days in (10, 20, 30))) == ["30.sql"]


def test_what_a_snapshot_holds_as_well_is_not_promised_and_removed_for_nothing() -> None:
    files = [backup(f"{days}.sql", days, 10, inode=days) for days in (1, 2, 30, 60)]
    some = replace(seen(*files), shared={files[2].path: MiB(10), files[0].path: MiB(10)})
    (change,) = TASK.plan(some).changes
    assert [one.amount for one in change.relieves] == ["10 MiB", "2 inodes"]
    most = replace(some, shared={files[2].path: MiB(10), files[3].path: MiB(1)})
    assert "11 MiB of the old backups in /srv/backups are in a snapshot or a copy of them, too" in refusal(TASK, most)


def test_empty_files_give_back_inodes_and_no_space() -> None:
    (change,) = TASK.plan(seen(*(backup(f"{days}.sql", days, 0) for days in (10, 20, 30)))).changes
    assert [one.subject for one in change.relieves] == ["inodes on /srv"]
    assert change.loses == "30.sql"


@pytest.mark.parametrize(
    "spared",
    [
        backup("yearly-2020.sql.gz", 90),
        backup("readme.txt", 90),
        backup("linked.sql", 90, links=2),
        backup("link.sql", 90, type="l"),
        backup("folder.sql", 90, type="d"),
        backup("other-disk.sql", 90, device=99),
        backup("bad\\xff.sql", 90, is_named_plainly=False),
        backup("new\nline.sql", 90),
    ],
    ids=lambda spared: spared.path.name,
)
def test_what_is_no_plain_old_backup_is_spared(spared: FileStat) -> None:
    task = PruneBackups(directory=FOLDER, keep=1, protect=("yearly-*",))
    assert removed(backup("1.sql", 1), spared, backup("90.sql", 91), task=task) == ["90.sql"]


@pytest.mark.parametrize(
    "name",
    ["incident-20260101.log", "audit-20260101.sql", "alternatives.tar.1.gz", "dpkg.status.1.gz", "passwd.bak"],
)
def test_evidence_and_what_debian_keeps_for_itself_are_spared_whatever_counts_as_a_backup(name: str) -> None:
    task = PruneBackups(directory=FOLDER, keep=1, names=("*",))
    assert removed(backup("1.sql", 1), backup(name, 90), backup("90.sql", 91), task=task) == ["90.sql"]


def test_no_folder_has_no_backups_and_another_place_is_refused() -> None:
    nowhere = BackupsSeen(folder=None, path=FOLDER, files=(), now=NOW, file_systems=file_systems())
    assert nothing(TASK, nowhere) == "/srv/backups does not exist"
    assert "name /etc itself" in refusal(TASK, seen(path=Path("/etc")))
    assert "not a folder of its own" in refusal(TASK, seen(kind="l"))
    elsewhere = seen(*(backup(f"{days}.sql", days, device=99) for days in (10, 20, 30)), device=99)
    unmeasured = replace(elsewhere, file_systems=file_systems(file_system("/other", 5)))
    assert "no file system that was measured" in refusal(TASK, unmeasured)


def test_a_list_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "MOST_FILES", 2)
    old = [backup(f"{days}.sql", days) for days in range(10, 15)]
    assert "3 old backups: too many" in refusal(TASK, seen(*old))


@pytest.mark.parametrize(
    "arguments",
    [
        {"directory": Path("/")},
        {"directory": Path("/var")},
        {"directory": Path("var/backups")},
        {"directory": Path("/var/backups/../../etc")},
        {"directory": Path()},
        {"keep": 0},
        {"names": ()},
        {"names": ("",)},
    ],
    ids=str,
)
def test_arguments_that_could_mean_everything_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        PruneBackups(**{"directory": FOLDER, **arguments})


def test_a_folder_is_read_in_one_round() -> None:
    listing = record(str(FOLDER), kind="d") + b"".join(record(f"{FOLDER}/{n}.sql", inode=n) for n in range(3, 6))
    found = see(
        TASK.read(Reader()),
        ("mountinfo", captured("mountinfo")),
        ("df", captured("df")),
        ("realpath", said(f"{FOLDER}\0")),
        ("date", said(f"{NOW + 30 * DAY}\n")),
        ("find", said(listing.replace(b"1796", str(SRV).encode()))),
        most_rounds=1,
    )
    assert len(TASK.plan(found).changes) == 1


# ---- the script itself, on this machine's own disk


def remove(folder: Here, names: list[str], **other: Any) -> subprocess.CompletedProcess[str]:
    info = folder.stat()
    lines = "".join(line(folder / name) for name in names)
    return subprocess.run(
        REMOVE_LISTED.bind(other.get("name", folder), other.get("identity", f"{info.st_dev}:{info.st_ino}")),
        input=other.get("lines", lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def line(path: Here) -> str:
    info = path.lstat()
    return f"{info.st_dev} {info.st_ino} {info.st_nlink} {info.st_size} {int(info.st_mtime)} {path.name}\n"


@pytest.fixture
def folder(tmp_path: Here) -> Here:
    folder = tmp_path.resolve() / "odd 'na\"me $(x)"
    folder.mkdir()
    return folder


def test_what_is_listed_goes_and_nothing_else(folder: Here) -> None:
    names = [" lead.sql", "trail .sql ", "-rf", "--", "$(touch x)", "'\"\\.sql", "*", "\u202ex.sql", "-n"]
    for name in [*names, "stays.sql"]:
        (folder / name).write_text(name)
    done = remove(folder, names)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(names)} removed, 0 left alone because they had changed\n"
    assert os.listdir(folder) == ["stays.sql"]  # noqa: PTH208  # names, not paths


def test_what_changed_meanwhile_stays_among_many(folder: Here) -> None:
    names = [f"{number:04}.sql" for number in range(250)]
    for name in names:
        (folder / name).write_text("old")
    lines = "".join(line(folder / name) for name in names)
    (folder / "0007.sql").write_text("a new and longer one")
    (folder / "0120.sql").unlink()
    os.utime(folder / "0249.sql", (1, 1))
    done = remove(folder, [], lines=lines)
    assert done.returncode == 1
    assert done.stdout == "247 removed, 3 left alone because they had changed\n"
    assert sorted(path.name for path in folder.iterdir()) == ["0007.sql", "0249.sql"]


def test_another_file_under_the_name_of_one_listed_stays(folder: Here) -> None:
    for name in ("a.sql", "b.sql"):
        (folder / name).write_text(name)
    lines = line(folder / "a.sql")
    (folder / "b.sql").replace(folder / "a.sql")
    (folder / "b.sql").symlink_to("/etc/passwd")
    assert remove(folder, [], lines=lines).returncode == 1
    assert sorted(path.name for path in folder.iterdir()) == ["a.sql", "b.sql"]


@pytest.mark.parametrize("name", ["../victim", "below/victim", "..", ".", "", "/etc/passwd"])
def test_a_list_that_leads_elsewhere_is_refused(folder: Here, name: str) -> None:
    (folder / "below").mkdir()
    for victim in (folder.parent / "victim", folder / "below" / "victim"):
        victim.write_text("precious")
    done = remove(folder, [], lines=f"1 2 1 3 4 {name}\n")
    assert (done.returncode, done.stdout) == (75, "")
    assert "nothing was removed" in done.stderr
    assert (folder.parent / "victim").exists()
    assert (folder / "below" / "victim").exists()


def test_another_folder_is_refused(folder: Here) -> None:
    (folder / "a.sql").write_text("a")
    link = folder.with_name("link")
    link.symlink_to(folder.name)
    assert "through a link" in remove(folder, ["a.sql"], name=link).stderr
    assert "another folder" in remove(folder, ["a.sql"], identity="1:2").stderr
    assert "cannot be entered" in remove(folder, ["a.sql"], name=folder / "none").stderr
    assert "garbage" in remove(folder, [], lines="garbage\n").stderr
    assert (folder / "a.sql").exists()
