from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.php_fpm import Running
from soleil_remediate.facts.postgresql import OUR_NAME
from soleil_remediate.facts.statements import AskStatements, Statement, Statements, Work, migrations_among, read_work
from soleil_remediate.units import ByteSize
from tests.unit.facts.answers import NOT_THERE, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import CLUSTERS, WELL, described
from tests.unit.facts.statements import PROCESSES, statement, work

ROOT = Path("/srv/soleil/current")


def statements(*those: dict[str, object]) -> Statements:
    return AskStatements(5432, "postgres").answer(said(work(*those)))


def one(**more: object) -> Statement:
    (found,) = statements(statement(**more)).sessions
    return found


def seen(*those: dict[str, object], **answers: Output) -> Work:
    """What a whole look sees, some of it answered otherwise."""
    parts = {
        "processes": "pid=,rss=,args=",
        "statements": "from pg_stat_database",
        "clusters": "/usr/bin/pg_lsclusters --no-header",
    }
    parts |= {"application": "php -- application", "reply": "php -- database"}
    rules = {"pid=,rss=,args=": said(PROCESSES), "from pg_stat_database": said(work(*those))}
    rules |= {parts[name]: answer for name, answer in answers.items()}
    found: Work = see(read_work(Reader(), ROOT, "www-data"), *rules.items(), *WELL.items(), most_rounds=3)
    return found


def test_a_cluster_tells_what_it_works_at_and_nothing_of_what_statements_say() -> None:
    query = AskStatements(5432, "postgres")
    assert query.command.user == "postgres"
    assert "a.query " not in query.command.words[-1].replace("substring(a.query from", "")
    found = statements(statement(first_word=None, role=None, database=None, application=None, waits_for=None, runs=-1))
    assert found.blocks == {"soleil": (990, 10)}
    (first,) = found.sessions
    assert (first.first_word, first.role, first.runs, first.is_active, first.is_waiting) == ("", "", 0, True, False)
    assert first.in_words == "71 a statement of the server for 0 s"
    with pytest.raises(FactError):
        query.answer(said("[]"))


def test_this_program_is_none_of_those_that_work() -> None:
    assert statements(statement(application=OUR_NAME)).sessions == ()


@pytest.mark.parametrize(
    "more, why",
    [
        ({"application": "pg_dump"}, "a backup (pg_dump)"),
        ({"application": "pgbackrest [backup]"}, "a backup (pgbackrest [backup])"),
        ({"application": "pg_dumper"}, ""),
        ({"first_word": "ALTER"}, "ALTER, which works on whole tables"),
        ({"first_word": "VACUUM"}, "VACUUM, which works on whole tables"),
        ({"first_word": "UPDATE"}, ""),
        ({}, ""),
    ],
)
def test_backups_and_what_works_on_whole_tables_are_spared(more: dict[str, object], why: str) -> None:
    assert one(**more).why_spared == why


def test_a_statement_is_told_in_words() -> None:
    assert one(first_word="UPDATE", application="psql").in_words == "71 UPDATE of soleil (psql) for 1 min 30 s"
    assert one(state="idle in transaction").in_words == "71 of soleil, idle in an open transaction for 1 min 30 s"


def test_at_the_head_of_a_queue_is_who_waits_for_nobody_and_behind_it_is_everybody_else() -> None:
    found = statements(
        statement(pid=1),
        statement(pid=2, blocked_by=[1]),
        statement(pid=3, blocked_by=[2, 1]),
        statement(pid=4, blocked_by=[3]),
        statement(pid=5),
        statement(pid=6, blocked_by=[5]),
        statement(pid=7),
    )
    assert [head.pid for head in found.heads] == [1, 5]
    assert [[waiting.pid for waiting in found.behind(head)] for head in found.heads] == [[2, 3, 4], [6]]
    assert found.behind(found.sessions[-1]) == ()


def test_the_cluster_that_is_asked_is_the_applications_own() -> None:
    known = seen(statement(), statement(pid=72, role="other"), statement(pid=73, kind="autovacuum worker"))
    assert [own.pid for own in known.own] == [71]
    assert [known.is_own(each) for each in known.statements.sessions] == [True, False, False]  # type: ignore[union-attr]
    assert known.migrating == ()
    assert not known.is_own(one(is_superuser=True))
    assert not known.is_own(one(database="other"))


def test_what_cannot_be_asked_is_told_apart_from_nothing() -> None:
    assert isinstance(seen(statements=NOT_THERE).statements, FactError)
    assert isinstance(seen(processes=NOT_THERE).migrating, FactError)
    for elsewhere in (
        seen(application=said(STARTED + described(host="db1"))),
        seen(clusters=said(CLUSTERS.replace("main 5432 online", "main 5432 down"))),
    ):
        assert (elsewhere.statements, elsewhere.own) == (None, ())


@pytest.mark.parametrize(
    "words, is_one",
    [
        ("php artisan migrate --force", True),
        ("/usr/bin/php8.2 -d memory_limit=-1 /srv/soleil/current/artisan migrate:fresh", True),
        ("php artisan --no-interaction migrate", True),
        ("php /srv/soleil/current/artisan queue:work redis", False),
        ("vi artisan migrate", False),
        ("php artisan migrated", False),
    ],
)
def test_a_migration_is_known_by_its_words(words: str, is_one: bool) -> None:
    assert bool(migrations_among([Running(pid=9, memory=ByteSize(1), words=words)])) is is_one
