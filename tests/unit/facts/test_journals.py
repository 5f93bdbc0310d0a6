from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.journals import FindJournalFiles, Journal, ReadMachineId, read_journal
from soleil_remediate.units import MiB
from tests.unit.facts.answers import captured, complaint, record, said, see

HOST = ("mountinfo", captured("mountinfo")), ("df", captured("df"))
MACHINE_ID = captured("machine-id")
MACHINE = MACHINE_ID.text.strip()


def journal(files: Output, machine: Output = MACHINE_ID) -> Journal:
    seen = see(read_journal(Reader()), *HOST, ("/var/log/journal", files), ("machine-id", machine), most_rounds=1)
    assert isinstance(seen, Journal)
    return seen


def test_a_real_journal_has_closed_files_by_age_and_the_one_being_written_last() -> None:
    seen = journal(captured("journal-files"))
    began = [one.began for one in seen.files]
    assert [one.is_archived for one in seen.files].count(False) == 1
    assert began[-1] is None
    assert began[:-1] == sorted(one for one in began if one is not None)
    assert as_text(seen.files[0].began or 0).startswith("2026-11-23")
    assert seen.file_system is not None
    assert str(seen.file_system.mount) == "/var/log"
    assert seen.removable == seen.archived + seen.active - MiB(8)


def test_journals_of_other_machines_are_left_out() -> None:
    seen = journal(captured("journal-files"), said("0" * 32 + "\n"))
    assert (seen.files, seen.file_system) == ((), None)


def test_no_journal_on_disk_is_an_answer() -> None:
    assert journal(said(status=1, stderr=complaint("/var/log/journal"))).files == ()
    with pytest.raises(FactError, match="Permission denied"):
        journal(said(status=1, stderr=complaint("/var/log/journal", "Permission denied")))


@pytest.mark.parametrize(
    "name, began",
    [
        ("system.journal", None),
        ("user-1000.journal", None),
        ("system@0005bf1d6fc3ed96-3a1e5a4e3c4a5b6c.journal~", 0x5BF1D6FC3ED96 // 10**6),
        ("user-1000@" + "a" * 32 + "-0000000000000001-0005bf1d6fc3ed96.journal", 0x5BF1D6FC3ED96 // 10**6),
        ("system@odd.journal", None),
    ],
)
def test_names_say_which_files_are_closed(name: str, began: int | None) -> None:
    (file,) = FindJournalFiles().answer(said(record(f"/var/log/journal/{MACHINE}/{name}")))
    assert file.began == began


def test_only_what_is_beyond_the_smallest_file_could_be_given_back() -> None:
    path = f"/var/log/journal/{MACHINE}"
    files = record(f"{path}/system.journal", size=MiB(24)) + record(f"{path}/user-1.journal", size=MiB(4), inode=2)
    seen = journal(said(files))
    assert (seen.archived, seen.active, seen.removable) == (0, MiB(28), MiB(16))
    assert seen.folder == Path(path)


@pytest.mark.parametrize("text", ["", "garbage", "uninitialized\n"])
def test_a_machine_without_an_id_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        ReadMachineId().answer(said(text))
    with pytest.raises(FactError):
        FindJournalFiles().answer(said(text or "x"))
