from __future__ import annotations

import os
import subprocess
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.facts.clocks import seconds_at
from soleil_remediate.facts.journals import Journal, JournalFile
from soleil_remediate.plan import Risk
from soleil_remediate.tasks.journals import VACUUM_JOURNAL, VacuumJournal
from soleil_remediate.units import MiB
from tests.unit.facts.answers import captured, see
from tests.unit.tasks.values import file, file_system, nothing, refusal

FOLDER = Path("/var/log/journal/" + "a" * 32)
TASK = VacuumJournal(to=MiB(50))


def journal(*archived: float, active: float = 8, is_measured: bool = True) -> Journal:
    closed = [
        JournalFile(file=file(f"{FOLDER}/{day}.journal", size), began=seconds_at(2026, 1, day))
        for day, size in enumerate(archived, 1)
    ]
    written = JournalFile(file=file(f"{FOLDER}/system.journal", active), began=None)
    disk = file_system("/var/log") if is_measured else None
    return Journal(folder=FOLDER, files=(*closed, written), file_system=disk)


def test_the_oldest_entries_go_until_the_rest_fits() -> None:
    (change,) = TASK.plan(journal(40, 30, 20, 20)).changes
    assert change.command.words[-4:] == ("vacuum-journal", str(50 * 2**20), str(FOLDER), "8192")
    assert change.risk is Risk.DESTRUCTIVE
    assert change.loses == "entries before 2026-01-03 00:00 UTC"
    assert [(one.subject, one.amount) for one in change.relieves] == [("space on /var/log", "at least 60 MiB")]
    assert (change.before, change.after) == ("118 MiB", "about 50 MiB")


def test_a_long_file_being_written_counts_and_is_closed_first() -> None:
    (change,) = TASK.plan(journal(active=100)).changes
    assert change.loses == "entries up to now"
    assert [one.amount for one in change.relieves] == ["at least 42 MiB"]


def test_a_journal_within_its_limit_is_left_alone() -> None:
    assert nothing(TASK, Journal(folder=FOLDER, files=(), file_system=None)) == "no journal is kept on disk"
    assert nothing(TASK, journal(30, 20)) == "the journal takes 58 MiB, its limit is 50 MiB"
    assert TASK.plan(journal(30, 20.1)).changes


def test_a_journal_on_no_measured_file_system_is_left_alone() -> None:
    assert "no file system that was measured" in refusal(TASK, journal(90, is_measured=False))


def test_a_limit_below_the_smallest_journal_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="smaller than 8 MiB"):
        VacuumJournal(to=MiB(7))


def test_a_real_journal_is_seen_in_one_round() -> None:
    rules = (
        ("mountinfo", captured("mountinfo")),
        ("df", captured("df")),
        ("/var/log/journal", captured("journal-files")),
        ("machine-id", captured("machine-id")),
    )
    plan = TASK.plan(see(TASK.read(Reader()), *rules, most_rounds=1))
    assert [one.subject for change in plan.changes for one in change.relieves] == ["space on /var/log"]


@pytest.mark.parametrize("size, calls", [(9 * 2**20, ["vacuum", "rotate", "vacuum"]), (8 * 2**20, ["vacuum"])])
def test_the_file_being_written_is_closed_only_where_it_is_long(tmp_path: Here, size: int, calls: list[str]) -> None:
    # what journalctl itself does is seen in the lab; here only when it is called
    journalctl, told, folder = tmp_path / "journalctl", tmp_path / "told", tmp_path / "journal"
    journalctl.write_text(f'#!/bin/sh\necho "$*" >>"{told}"\n')
    journalctl.chmod(0o755)
    folder.mkdir()
    (folder / "system.journal").write_bytes(b"\0" * size)
    (folder / "system@old.journal").write_bytes(b"\0" * 2**24)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(VACUUM_JOURNAL.bind(1000, folder, 8192), env=environment, check=True, timeout=20)
    lines = told.read_text().splitlines()
    assert [line.partition("vacuum")[1] or "rotate" for line in lines[:-1]] == calls
    assert lines[0] == "--quiet --vacuum-size=1000"
    assert lines[-1] == "--disk-usage"
