from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.facts.statements import Work
from soleil_remediate.plan import Change, Risk
from soleil_remediate.tasks.statements import CancelStatements, EndStatements
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, said
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import CLUSTERS, described, refused
from tests.unit.facts.statements import PROCESSES, statement
from tests.unit.facts.test_statements import seen
from tests.unit.tasks.values import nothing, refusal

ROOT = Path("/srv/soleil/current")
CANCEL, END = CancelStatements(root=ROOT), EndStatements(root=ROOT)
MIGRATING = said(PROCESSES + "   999  9999 php artisan migrate --force\n")
PIN = "71@2026-11-29 10:00:00.123456+00@2026-11-29 10:00:01.654321+00"


def the_change(task: Any, work: Work) -> Change:
    (change,) = task.plan(work).changes
    assert isinstance(change, Change)
    assert change.risk is Risk.DISRUPTIVE
    return change


@pytest.mark.parametrize("task, how", [(CANCEL, "cancel"), (END, "terminate")])
def test_what_runs_for_too_long_is_stopped_and_known_by_all_that_makes_it_that_one(task: Any, how: str) -> None:
    change = the_change(task, seen(statement()))
    assert change.command.user == "postgres"
    assert change.command.words[4:10] == (how, "soleil", "soleil", "30", "10", PIN)
    assert change.before == "71 SELECT of soleil for 1 min 30 s"
    assert change.after == "not one of them runs"
    assert "that has run for 30 s or longer" in change.summary
    assert task.plan(seen(statement())).because == "1 statement runs, the longest for 1 min 30 s"


def test_many_are_stopped_together_and_told_with_who_waits_for_them() -> None:
    many = [statement(pid=pid, runs=200 - pid) for pid in range(71, 77)]
    work = seen(
        *many,
        statement(pid=90, blocked_by=[71]),
        statement(pid=91, blocked_by=[72]),
        statement(pid=92, blocked_by=[91]),
    )
    change = the_change(CANCEL, work)
    assert change.command.words[9].count(",") == 5
    assert change.before.endswith("; and 2 more")
    assert change.after == "none of them runs"
    assert "that have run" in change.summary
    assert CANCEL.plan(work).because == "6 statements run, the longest for 2 min 9 s; 1 waits for 71; 2 wait for 72"


@pytest.mark.parametrize(
    "those",
    [
        (),
        (statement(runs=29),),
        (statement(role="other", application="psql"),),
        (statement(database="other"),),
        (statement(is_superuser=True),),
        (statement(kind="autovacuum worker"),),
        (statement(state="idle in transaction"),),
        (statement(blocked_by=[70]),),
    ],
)
def test_what_is_young_waits_does_nothing_or_is_not_the_applications_is_left_alone(those: tuple[Any, ...]) -> None:
    assert nothing(CANCEL, seen(*those)) == "no statement of soleil's has run for 30 s"


def test_what_has_run_for_exactly_so_long_is_stopped() -> None:
    assert the_change(CANCEL, seen(statement(runs=30))).command.words[7] == "30"


@pytest.mark.parametrize(
    "those, why",
    [
        (
            (statement(application="pg_dump"),),
            (
                "71 SELECT of soleil (pg_dump) for 1 min 30 s runs, a backup (pg_dump): it is left alone. If it may be "
                "stopped: --set pid=71"
            ),
        ),
        ((statement(first_word="CREATE"),), "CREATE, which works on whole tables: it is left alone"),
        (
            (statement(state="idle in transaction"), statement(pid=72, blocked_by=[71])),
            (
                "1 statement waits for 71 of soleil, idle in an open transaction for 1 min 30 s: it does nothing, and "
                "its statement is over. That is database-connection-failure's: soleil-remediate remediate"
            ),
        ),
        (
            (statement(role="other"), statement(pid=72, blocked_by=[71]), statement(pid=73, blocked_by=[72])),
            (
                "2 statements wait for 71 SELECT of other for 1 min 30 s, which is not the application's own in its "
                "own database. By hand, once its owner agrees: SELECT pg_cancel_backend(71)"
            ),
        ),
        (
            (statement(runs=12), statement(pid=72, blocked_by=[71])),
            "1 statement waits for 71 SELECT of soleil for 12 s: not for 30 s yet; with --set longer_than=12s it is",
        ),
        ((statement(first_word="ALTER"), statement(pid=72, blocked_by=[71])), "ALTER, which works on whole tables: it"),
    ],
)
def test_what_keeps_others_waiting_and_may_not_be_stopped_is_named(those: tuple[Any, ...], why: str) -> None:
    for task in (CANCEL, END):
        assert why in refusal(task, seen(*those))


def test_nothing_is_stopped_while_a_migration_may_be_what_runs() -> None:
    said_of_it = refusal(CANCEL, seen(statement(), processes=MIGRATING))
    assert said_of_it.startswith("artisan migrate runs (process 999), and a statement may be its: 71 SELECT of soleil")
    assert said_of_it.endswith("with --set pid=71 it is stopped all the same")
    assert "whether a migration runs cannot be known" in refusal(CANCEL, seen(statement(), processes=NOT_THERE))
    assert nothing(CANCEL, seen(processes=MIGRATING))


def test_what_is_named_is_stopped_whatever_it_does_and_nothing_else() -> None:
    named = CancelStatements(root=ROOT, pid=72)
    work = seen(statement(), statement(pid=72, first_word="ALTER"), processes=MIGRATING)
    assert the_change(named, work).command.words[9].startswith("72@")
    assert "," not in the_change(named, work).command.words[9].replace("72@", "")
    assert nothing(named, seen(statement(), statement(pid=72, role="other")))
    assert nothing(
        named, seen(statement(first_word="ALTER"), statement(pid=73, runs=5), statement(pid=74, blocked_by=[73]))
    )


@pytest.mark.parametrize(
    "answers, why",
    [
        (
            {"application": said(STARTED + described(host="db1"))},
            "the cluster behind db1:5432 is on another host, and no statement is stopped from here. By hand there: ",
        ),
        ({"statements": NOT_THERE}, "what PostgreSQL 15/main works at cannot be seen"),
        (
            {"clusters": said(CLUSTERS.replace("main 5432 online                 postgres", "main 5432 online pg"))},
            "PostgreSQL 15/main is pg's, and statements are stopped as postgres",
        ),
    ],
)
def test_what_cannot_be_known_or_done_here_is_refused(answers: dict[str, Any], why: str) -> None:
    assert why in refusal(CANCEL, seen(statement(), **answers))


def test_in_another_database_than_postgresql_it_is_unknown_what_runs() -> None:
    mysql = said(STARTED + described(driver="mysql"))
    assert refusal(CANCEL, seen(application=mysql)) == (
        "which statements run is seen in PostgreSQL alone: the database is mysql"
    )


def test_where_no_cluster_runs_here_there_is_nothing_to_stop() -> None:
    down = said(CLUSTERS.replace("main 5432 online", "main 5432 down"))
    assert nothing(CANCEL, seen(clusters=down)) == "there is no cluster of this application here that runs"
    other = seen(application=said(STARTED + described(host="db1")), reply=refused("timeout"))
    assert nothing(CANCEL, other)


@pytest.mark.parametrize(
    "given, why",
    [
        ({"longer_than": Duration(0.5)}, "longer_than must be 1 s at least"),
        ({"pid": 0}, "pid must be the number of a process"),
        ({"pid": 2**22}, "pid must be the number of a process"),
        ({"root": Path("srv")}, "must be absolute"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        CancelStatements(**{"root": ROOT, **given})
