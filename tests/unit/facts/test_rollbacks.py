from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.rollbacks import (
    Artisan,
    PretendRollback,
    ReadBatches,
    Rollback,
    have_run,
    newest,
    read_rollback,
    read_waiting,
)
from tests.unit.facts.answers import captured, complaint, record, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import described

BAD = Artisan(code=Path("/srv/app/releases/3"), user="www-data")
OLDER = Artisan(code=Path("/srv/app/releases/2"), user="www-data", migrations=BAD.code / "database/migrations")
FLOOR, NOTE = "2026_01_02_000001_add_floor", "2026_01_02_000002_add_note-to_bookings"

TABLE = f"""\
+------+------------------------------------------+-------+
| Ran? | Migration                                | Batch |
+------+------------------------------------------+-------+
| Yes  | 2014_10_12_000000_create_users_table     | 1     |
| Yes  | {FLOOR}              | 12    |
| No   | {NOTE}   |       |
+------+------------------------------------------+-------+
"""
DOTS = f"""\

  Migration name ............................................... Batch / Status  
  2014_10_12_000000_create_users_table ................................ [1] Ran  
  {FLOOR} ........................................ [12] Ran  
  {NOTE} .............................. Pending  

"""  # noqa: W291  # Laravel writes spaces there
BATCHES = {"2014_10_12_000000_create_users_table": 1, FLOOR: 12, NOTE: None}


@pytest.mark.parametrize("text", [TABLE, DOTS, TABLE.replace("\n", "\r\n")], ids=["table", "dots", "carriage-returns"])
def test_which_migrations_have_run_is_read_in_both_forms(text: str) -> None:
    assert ReadBatches(BAD).answer(said(text)) == BATCHES


#: As the captures have it: Laravel 8.83 and 10.48 on Debian, SQLite, ``APP_ENV=production``.
LONG, EMPTY = f"2026_01_02_000003_{'long_' * 20}name", "2026_01_02_000002_empty_one"
NAMED = "2026_01_02_000001_add_note_to_bookings"
REAL = {
    "2026_01_01_000001_create_users_table": 1,
    "2026_01_01_000002_create_personal_access_tokens_table": 1,
    "2026_01_01_000003_create_failed_jobs_table": 1,
    "2026_01_01_000004_create_bookings_table": 1,
    NAMED: 2,
    EMPTY: 2,
    LONG: 2,
    "2026_01_02_000004_not_yet": None,
}


@pytest.mark.parametrize("version", ["8", "10"])
def test_what_laravel_really_says_is_understood(version: str) -> None:
    assert ReadBatches(BAD).answer(captured(f"migrate-status-laravel-{version}")) == REAL
    pretended = PretendRollback(BAD, (LONG, EMPTY, NAMED)).answer(captured(f"migrate-pretend-laravel-{version}"))
    assert list(pretended.sql) == [LONG, EMPTY, NAMED]
    assert (pretended.sql[LONG], pretended.sql[EMPTY]) == (('drop table "a"',), ())
    add, view, drop = pretended.sql[NAMED]
    assert (add, drop) == ("alter table bookings add x int", 'drop table "floors"')
    assert view.startswith('create view v as select 1: as <one> from "x" where a = [b]')


@pytest.mark.parametrize(
    "text",
    [
        "Migration table not found.\n",
        "No migrations found\n",
        "\n   INFO  No migrations found.  \n",
        "   ERROR  Migration table not found.  \n",
        "+------+\n",
        TABLE.replace("| No ", "| Odd"),
        TABLE.replace("| 12 ", "|    "),
        TABLE.replace("|       |", "| 13    |"),
        TABLE + "PHP Warning:  something\n",
        TABLE.replace(NOTE, FLOOR),
        TABLE.replace("Batch", "Group"),
        DOTS.replace("[12] Ran", "Skipped"),
        DOTS.replace("[12] Ran", "Ran"),
        DOTS.replace("Pending", "[13] Pending"),
        DOTS.replace(f"  {FLOOR}", "  two words"),
        DOTS.encode("utf-16").decode("latin-1"),
    ],
)
def test_what_is_not_understood_is_no_list(text: str) -> None:
    with pytest.raises(FactError):
        ReadBatches(BAD).answer(said(text))


def test_artisan_is_asked_as_the_applications_user_and_of_anothers_migrations_where_it_has_to_be() -> None:
    command = ReadBatches(BAD).command
    named = ("env", "PGAPPNAME=soleil-remediate", "php")
    assert command.words == (*named, "/srv/app/releases/3/artisan", "migrate:status", "--no-interaction", "--no-ansi")
    assert (command.user, command.is_slow) == ("www-data", True)
    assert PretendRollback(OLDER, (NOTE, FLOOR)).command.words == (
        *named, "/srv/app/releases/2/artisan", "migrate:rollback", "--pretend", "--force", "--step=2",
        "--path=/srv/app/releases/3/database/migrations", "--realpath", "--no-interaction", "--no-ansi",
    )  # fmt: skip


def test_the_newest_is_the_last_by_batch_and_then_by_name() -> None:
    batches = {"1_a": 2, "2_b": 1, "3_c": 2, "4_d": None}
    assert newest(batches) == ("3_c", "1_a", "2_b")
    assert have_run(["1_a", "2_b", "4_d"], batches) == ("1_a", "2_b")


NOTED = f"""\
Rolling back: {NOTE}
AddNoteToBookings: alter table "bookings" drop column "note"
Rolling back: {FLOOR}
{FLOOR}: drop table "floors"
{FLOOR}: create view v as
  select 1: as one
{FLOOR}: drop index "x"
"""
DOTTED = f"""\

   INFO  Rolling back migrations.  

  AddNoteToBookings ............................................................  
  ⇂ alter table "bookings" drop column "note"  
  {FLOOR} ..................................................
  ⇂ drop table "floors"  
  ⇂ create view v as select 1: as one  
  ⇂ drop index "x"  
"""  # noqa: W291  # likewise
SQL = {
    NOTE: ('alter table "bookings" drop column "note"',),
    FLOOR: ('drop table "floors"', "create view v as select 1: as one", 'drop index "x"'),
}


@pytest.mark.parametrize("text", [NOTED, DOTTED], ids=["noted", "dotted"])
def test_what_would_be_run_is_read_in_both_forms(text: str) -> None:
    pretended = PretendRollback(BAD, (NOTE, FLOOR)).answer(said(text))
    assert pretended.sql == SQL
    assert list(pretended.sql) == [NOTE, FLOOR]
    assert list(pretended.lines) == [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    "text",
    [f"Rolling back: {FLOOR}\n", f"\n   INFO  Rolling back migrations.  \n\n  {FLOOR} .....  \n\n"],
    ids=["noted", "dotted"],
)
def test_where_down_is_empty_nothing_would_be_run(text: str) -> None:
    assert PretendRollback(BAD, (FLOOR,)).answer(said(text)).sql == {FLOOR: ()}


MISSING = "9_somebody_elses would be taken back as well, and no file of it is there"


@pytest.mark.parametrize(
    "text, why",
    [
        (f"Migration not found: 9_somebody_elses\nRolling back: {FLOOR}\n", MISSING),
        ("   INFO  Rolling back migrations.  \n\n  9_somebody_elses .... Migration not found  \n", MISSING),
        (f"Rolling back: {NOTE}\nRolling back: {FLOOR}\n", f"{NOTE} would be taken back as well"),
        (f"Rolling back: {FLOOR}\nRolling back: {FLOOR}\n", f"{FLOOR} would be taken back as well"),
        (f"INFO  Rolling back migrations.\n{NOTE}\n", f"{NOTE} would be taken back as well"),
        ("Nothing to rollback.\n", "not understood"),
        ("   INFO  Nothing to rollback.  \n", "not understood"),
        ("   INFO  Rolling back migrations.  \n", "only nothing would be taken back"),
        (f"Rolling back: {FLOOR}\nsomething\n", "not understood"),
        (f"Rolling back: {FLOOR}\nOther: drop table x\n", "not understood"),
        (f"INFO  Rolling back migrations.\n{FLOOR} ...\ntwo words\n", "not understood"),
        ("INFO  Rolling back migrations.\n⇂ drop table x\n", "not understood"),
        (f"Rolling back: {FLOOR}\nAddFloor: failed to dump queries. This may be due to\n", "not understood"),
        (f"Rolling back: {FLOOR}\nAddFloor: a\nAddFloor: failed to dump queries. This\n", "not understood"),
        ("*     Application In Production!     *\n\nCommand Canceled!\n", "not understood"),
        ("\0", "a NUL character"),
    ],
)
def test_what_is_not_exactly_that_is_no_answer(text: str, why: str) -> None:
    with pytest.raises(FactError, match=why.replace("(", r"\(")):
        PretendRollback(BAD, (FLOOR,)).answer(said(text))


def test_what_is_no_utf_8_could_not_be_compared_on_the_host() -> None:
    with pytest.raises(FactError):
        PretendRollback(BAD, (FLOOR,)).answer(said(f"Rolling back: {FLOOR}\n{FLOOR}: ".encode() + b"\xff\n"))


CANNOT = said(status=255, stderr="PHP Parse error:  syntax error in routes/api.php\n")
FOLDER = Path("/var/backups/app")


def read(*rules: tuple[str, Output | FactError], backups: Path | None = None, rounds: int = 2) -> Rollback:
    rollback: Rollback = see(
        read_rollback(Reader(), [FLOOR, NOTE], [BAD, OLDER], backups), *rules, ("date", said("1700000000\n")),
        most_rounds=rounds,
    )  # fmt: skip
    return rollback


def test_only_what_has_run_would_be_taken_back() -> None:
    seen = read(("migrate:status", said(TABLE)), ("--step=1", said(f"Rolling back: {FLOOR}\n{FLOOR}: drop x\n")))
    assert (seen.artisan, seen.batches, seen.backups) == (BAD, BATCHES, None)
    assert not isinstance(seen.pretended, FactError)
    assert seen.pretended is not None
    assert seen.pretended.sql == {FLOOR: ("drop x",)}


@pytest.mark.parametrize(
    "batches", [{FLOOR: 1, NOTE: 2, "2026_01_03_000001_z": 2}, {FLOOR: None, NOTE: None, "2014_x": 1}]
)
def test_nobody_is_asked_to_pretend_where_others_would_be_taken_back_or_none(batches: Mapping[str, int | None]) -> None:
    rows = [f"{name} ... {f'[{batch}] Ran' if batch else 'Pending'}" for name, batch in batches.items()]
    seen = read(("migrate:status", said("\n".join(["Migration name ... Batch / Status", *rows]))))
    assert (seen.batches, seen.pretended) == (batches, None)


def test_where_the_code_of_the_bad_one_does_not_start_the_older_ones_is_asked() -> None:
    seen = read(
        ("releases/3/artisan migrate:status", CANNOT),
        ("releases/2/artisan migrate:status --path=/srv/app/releases/3/database/migrations --realpath", said(TABLE)),
        ("releases/2/artisan migrate:rollback", said(status=1)),
        rounds=3,
    )
    assert (seen.artisan, seen.batches) == (OLDER, BATCHES)
    assert isinstance(seen.pretended, FactError)


def test_where_nobody_can_be_asked_it_is_said_what_the_first_one_said() -> None:
    seen = read(("releases/3", CANNOT), ("releases/2", said(status=255)))
    assert isinstance(seen.batches, FactError)
    assert "routes/api.php" in str(seen.batches)
    assert seen.pretended is None


@pytest.mark.parametrize(
    "answer, is_there",
    [
        (said(record(FOLDER.as_posix(), kind="d") + record(f"{FOLDER}/a.sql.gz")), True),
        (said(status=1, stderr=complaint(FOLDER.as_posix())), False),
        (said(status=1, stderr=complaint(FOLDER.as_posix(), "Permission denied")), None),
    ],
)
def test_what_lies_in_the_folder_of_backups_is_seen(answer: Output, is_there: bool | None) -> None:
    seen = read(("migrate:status", CANNOT), ("find", answer), backups=FOLDER)
    assert seen.now == 1_700_000_000
    if is_there is None:
        assert isinstance(seen.backups, FactError)
    else:
        assert not isinstance(seen.backups, FactError)
        assert any(file.path.name == "a.sql.gz" for file in seen.backups or ()) is is_there


def waiting(*rules: tuple[str, Output | FactError]) -> frozenset[str]:
    found: frozenset[str] = see(read_waiting(Reader(), [FLOOR, NOTE], [BAD, OLDER]), *rules, most_rounds=1)
    return found


ON_POSTGRESQL = ("php -- application", said(STARTED + described(driver="pgsql")))
NEITHER = DOTS.replace("[12] Ran", "Pending")


@pytest.mark.parametrize(
    "bad, older, names",
    [
        (said(DOTS), said(TABLE), {NOTE}),
        (said(NEITHER), said(NEITHER), {FLOOR, NOTE}),
        (said(NEITHER), said(TABLE), {NOTE}),
        (said(DOTS), said(NEITHER), {NOTE}),
        (said(NEITHER), CANNOT, {FLOOR, NOTE}),
        (CANNOT, said(NEITHER), {FLOOR, NOTE}),
        (CANNOT, CANNOT, set()),
        (said("No migrations found\n"), said(status=1), set()),
        (said(DOTS.replace(NOTE, "other")), CANNOT, set()),
    ],
)
def test_what_has_not_run_by_whatever_answers_has_not(bad: Output, older: Output, names: set[str]) -> None:
    rules = (("releases/3/artisan", bad), ("releases/2/artisan", older))
    assert waiting(*rules, ON_POSTGRESQL) == names


def test_where_none_has_run_they_may_be_noted_elsewhere() -> None:
    none = NEITHER.replace("[1] Ran", "Pending")
    assert waiting(("artisan", said(none)), ON_POSTGRESQL) == frozenset()
    assert waiting(("releases/3/artisan", said(NEITHER)), ("artisan", said(none)), ON_POSTGRESQL) == frozenset()


@pytest.mark.parametrize(
    "application", [said(STARTED + described(driver="mysql")), said(STARTED + described(driver="sqlite")), CANNOT]
)
def test_in_a_database_that_may_keep_half_of_one_that_failed_nobody_knows_whether_it_has_run(
    application: Output,
) -> None:
    assert waiting(("artisan", said(NEITHER)), ("php -- application", application)) == frozenset()
    older = ("php -- application /srv/app/releases/2", application)
    assert waiting(("artisan", said(NEITHER)), older, ON_POSTGRESQL) == frozenset()
    assert waiting(("releases/2/artisan", CANNOT), ("artisan", said(NEITHER)), older, ON_POSTGRESQL) == {FLOOR, NOTE}
