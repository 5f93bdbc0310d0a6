from __future__ import annotations

from contextlib import suppress
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.databases import Database
from soleil_remediate.plan import Change, Risk
from soleil_remediate.rights import Right, Use
from soleil_remediate.tasks.databases import RestartCluster, StartCluster, StartPooler
from soleil_remediate.tasks.sessions import EndIdleSessions, EndIdleTransactions
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, record, said
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import ACTIVITY, CLUSTERS, database, described, refused, session, told
from tests.unit.facts.services import unit_shown, units_shown
from tests.unit.tasks.values import nothing, refusal

ROOT = Path("/srv/soleil/current")
START_POOLER, START = StartPooler(root=ROOT), StartCluster(root=ROOT, make_room="make room")
END_TRANSACTIONS, END_SESSIONS = EndIdleTransactions(root=ROOT), EndIdleSessions(root=ROOT)
RESTART = RestartCluster(root=ROOT, make_room="make room")

NO = refused("SQLSTATE[08006] [7] timeout expired")
RUN = "1a5776e8db1a42d2b302fb76e26038cd"
FULL = said(
    "1B-blocks Used Avail Inodes IUsed IFree Mounted on\n"
    "9999999999 4 9999999995 9999 4 9995 /\n9 9 0 9 4 5 /var/backups\n"
)
POOLED = said(STARTED + described(port=6432))


def units(pooler: str = "inactive", cluster: str = "active", **more: Any) -> Output:
    sub = {"active": "running", "inactive": "dead", "failed": "failed"}
    return said(
        units_shown(
            unit_shown("postgresql@15-main.service", active=cluster, sub=sub[cluster], **more),
            unit_shown("pgbouncer.service", active=pooler, sub=sub[pooler]),
        )
    )


def clusters(status: str) -> Output:
    return said(CLUSTERS.replace("main 5432 online", f"main 5432 {status}"))


def sessions(*those: dict[str, object], **more: object) -> Output:
    return said(told(ACTIVITY, sessions=list(those), **more))


def the_change(task: Any, seen: Database) -> Change:
    (change,) = task.plan(seen).changes
    assert isinstance(change, Change)
    assert change.risk is task.risk
    return change


# ---- what is down ----------------------------------------------------------------------------------------------------


def test_a_pgbouncer_that_is_down_is_started_gently_where_the_application_goes_through_it() -> None:
    change = the_change(START_POOLER, database(application=POOLED, units=units(), reply=NO))
    assert change.risk is Risk.GENTLE
    assert change.command.words[3:] == ("act-on-service", "start", "pgbouncer.service", "", "5")
    assert "pgbouncer.service running" in nothing(START_POOLER, database(application=POOLED, units=units("active")))


def test_a_pgbouncer_that_nobody_goes_through_or_that_somebody_disabled_is_left_alone() -> None:
    assert nothing(START_POOLER, database()) == "the application goes through no pgbouncer of this host"
    assert "stopped and disabled: somebody wants it so" in refusal(START_POOLER, database(application=POOLED, reply=NO))
    alone = said(units_shown(unit_shown("postgresql@15-main.service")))
    assert "systemd knows no pgbouncer.service" in refusal(START_POOLER, database(application=POOLED, units=alone))


def test_a_cluster_that_is_down_is_started_and_no_other_one() -> None:
    seen = database(clusters=clusters("down"), units=units(cluster="failed", result="signal"), reply=NO)
    change = the_change(START, seen)
    assert change.risk is Risk.GENTLE
    assert change.command.words[3:6] == ("act-on-service", "start", "postgresql@15-main.service")
    assert Use(("systemctl", "reset-failed", "--", "postgresql@15-main.service")) in change.uses
    assert nothing(START, database()) == "PostgreSQL 15/main is online"  # and 15/down stays as it is
    elsewhere = database(application=said(STARTED + described(host="db1")), reply=NO)
    assert nothing(START, elsewhere) == "the application's cluster is not on this host"


@pytest.mark.parametrize(
    "answers, why",
    [
        (
            {"usage": FULL},
            "PostgreSQL 15/main cannot start on a full disk: /var/backups (100 % used, 0 B free). Make room",
        ),
        ({"places": NOT_THERE}, "whether the disk of 15/main is full cannot be known"),
        ({"units": units(cluster="inactive", enablement="masked")}, "is masked: somebody forbade it to start"),
        ({"units": units(cluster="inactive", enablement="disabled")}, "is stopped and disabled: somebody wants it so"),
        (
            {"clusters": clusters("down,patroni")},
            "PostgreSQL 15/main is run by patroni, which alone may start or restart",
        ),
        ({"units": units(cluster="active")}, "somebody started or stopped it beside systemd"),
        ({"unit": NOT_THERE}, "what systemd makes of postgresql@15-main.service cannot be known"),
        (
            {"units": said(units_shown())},
            "somebody wants it so (start.conf). If that is over: pg_ctlcluster 15 main start",
        ),
    ],
)
def test_a_cluster_that_must_not_or_cannot_start_is_left_alone_with_the_reason(
    answers: dict[str, Output], why: str
) -> None:
    defaults = {"clusters": clusters("down"), "units": units(cluster="inactive"), "reply": NO}
    # The first rule that fits counts.
    assert why in refusal(START, database(**{**answers, **defaults, **answers}))


# ---- who keeps others out --------------------------------------------------------------------------------------------

HOLDER = session(pid=71, state="idle in transaction", since=40, transaction=90, first_word="UPDATE")
WAITER = session(pid=72, state="active", since=35, is_waiting=True, blocked_by=[71])
BEGAN = "2026-11-29 10:00:00.123456+00"


def test_a_transaction_that_does_nothing_and_keeps_others_waiting_is_ended_and_it_is_said_what_is_lost() -> None:
    change = the_change(END_TRANSACTIONS, database(activity=sessions(HOLDER, WAITER)))
    assert change.risk is Risk.DISRUPTIVE
    assert change.command.user == "postgres"
    assert change.command.words[4:10] == ("soleil", "soleil", "idle in transaction", "30", "10", f"71@{BEGAN}")
    assert change.summary == "end 1 session of soleil in soleil that is idle in transaction"
    assert change.loses == "what their open transactions had changed is rolled back: 71, open for 1 min 30 s"
    assert change.before == "71 idle in transaction for 40 s, last UPDATE"
    assert (
        "1 sessions wait for what they have locked"
        in END_TRANSACTIONS.plan(database(activity=sessions(HOLDER, WAITER))).because
    )


def test_one_that_does_nothing_for_exactly_so_long_is_ended() -> None:
    the_change(END_TRANSACTIONS, database(activity=sessions({**HOLDER, "since": 30}, WAITER)))


def test_a_transaction_that_keeps_nobody_waiting_is_nobodys_business() -> None:
    assert nothing(END_TRANSACTIONS, database(activity=sessions(HOLDER))).startswith("nobody waits for a session")


@pytest.mark.parametrize(
    "holder, why",
    [
        ({"role": "other"}, "of other keeps others waiting, and is not the application's own. By hand, once its owner"),
        ({"database": "other"}, "is not the application's own"),
        ({"is_superuser": True}, "is not the application's own"),
        ({"since": 29}, "none for 30 s yet; with --set idle_in_transaction=29s the first"),
    ],
)
def test_somebody_elses_transaction_and_a_younger_one_are_left_to_a_person(holder: dict[str, object], why: str) -> None:
    assert why in refusal(END_TRANSACTIONS, database(activity=sessions({**HOLDER, **holder}, WAITER)))


def test_of_a_database_elsewhere_nobody_is_ended_and_it_is_said_how() -> None:
    there = database(application=said(STARTED + described(host="db1")))
    assert (
        "behind db1:5432 is on another host, and no session is ended from here. By hand there: SELECT pid"
        in refusal(END_TRANSACTIONS, there)
    )
    assert nothing(END_SESSIONS, there) == "there is no cluster of this application here that runs"


def test_a_part_of_a_second_is_no_license_to_end_sooner() -> None:
    task = EndIdleTransactions(root=ROOT, idle_for=Duration(0.5))
    change = the_change(task, database(activity=sessions({**HOLDER, "since": 1}, WAITER)))
    assert change.command.words[7] == "1"


def _many(count: int, **more: object) -> list[dict[str, object]]:
    return [session(pid=100 + n, since=1000 - n, **more) for n in range(count)]


def test_where_no_connection_is_left_a_quarter_of_them_is_freed_from_the_idlest() -> None:
    change = the_change(END_SESSIONS, database(activity=sessions(*_many(37)), reply=NO))
    assert change.risk is Risk.DISRUPTIVE
    assert change.command.words[9] == ",".join(f"{100 + n}@{BEGAN}" for n in range(9))  # 37 // 4
    assert change.before.endswith("; and 5 more")
    assert "37 of 37 connections are taken" in END_SESSIONS.plan(database(activity=sessions(*_many(37)))).because


def test_that_quarter_is_the_same_while_somebody_reads_the_plan() -> None:
    """Younger ones that pass the limit meanwhile, and one more or less that is connected, make no other plan of it."""
    before = END_SESSIONS.plan(database(activity=sessions(*_many(37))))
    later = END_SESSIONS.plan(database(activity=sessions(*_many(37), session(pid=900, since=31))))
    assert before == later


def test_idle_transactions_go_first_where_no_connection_is_left() -> None:
    taken = [*_many(30), *(session(pid=200 + n, state="idle in transaction", since=60 + n) for n in range(7))]
    change = the_change(END_TRANSACTIONS, database(activity=sessions(*taken), reply=NO))
    assert change.command.words[9].split("@")[0] == "206"
    none = nothing(END_TRANSACTIONS, database(activity=sessions(*_many(37)), reply=NO))
    assert none.endswith("none of it idle in a transaction")
    others = [session(pid=200, role="other", state="idle in transaction", since=99), *_many(36)]
    assert nothing(END_TRANSACTIONS, database(activity=sessions(*others), reply=NO)).endswith("not the application's")


@pytest.mark.parametrize(
    "more, why",
    [
        (
            {"role": "other"},
            "none of them is an idle one of soleil in soleil. By hand, see whose they are: SELECT usename",
        ),
        ({"state": "active"}, "none of them is an idle one of soleil in soleil"),
        ({"is_superuser": True}, "none of them is an idle one of soleil in soleil"),
    ],
)
def test_where_none_of_them_is_an_idle_one_of_the_applications_a_person_has_to_look(
    more: dict[str, object], why: str
) -> None:
    assert why in refusal(END_SESSIONS, database(activity=sessions(*_many(37, **more)), reply=NO))


def test_those_that_are_not_idle_for_long_enough_are_left_alone_and_it_is_said_how_to_end_them() -> None:
    young = [session(pid=100 + n, since=29) for n in range(37)]
    why = refusal(END_SESSIONS, database(activity=sessions(*young), reply=NO))
    assert "own 37 are idle, none for 30 s yet, the longest for 29 s: with --set idle_for=29s that one" in why
    patient = EndIdleSessions(root=ROOT, idle_for=Duration(29))
    assert the_change(patient, database(activity=sessions(*young), reply=NO)).command.words[7] == "29"


@pytest.mark.parametrize("task", [END_TRANSACTIONS, END_SESSIONS])
def test_what_cannot_be_seen_is_not_ended(task: Any) -> None:
    assert "who is connected to PostgreSQL 15/main cannot be seen" in refusal(
        task, database(activity=NOT_THERE, reply=NO)
    )
    assert "cannot be seen" in refusal(task, database(activity=NOT_THERE))
    nothing(task, database(clusters=clusters("down"), reply=NO))
    owner = said(CLUSTERS.replace("postgres /var/lib/postgresql/15/main", "pgadmin /var/lib/postgresql/15/main"))
    seen = database(clusters=owner, activity=sessions(*_many(36), HOLDER, WAITER), reply=NO)
    assert "15/main is pgadmin's, and sessions are ended as postgres" in refusal(task, seen)


def test_where_connections_are_left_nobody_is_ended() -> None:
    assert nothing(END_SESSIONS, database()) == "1 of 37 connections are taken: some are left"


# ---- what hangs ------------------------------------------------------------------------------------------------------

SILENT = {"reply": NO, "ready": said("/x:5432 - no response\n", status=2), "activity": NOT_THERE}


def test_a_cluster_that_answers_nobody_is_restarted_as_the_last_resort_and_everything_that_is_lost_is_said() -> None:
    change = the_change(RESTART, database(**SILENT))
    assert change.risk is Risk.DESTRUCTIVE
    assert change.command.words[3:6] == ("act-on-service", "restart", "postgresql@15-main.service")
    assert "of other applications too" in change.loses
    assert change.undo.command is None


@pytest.mark.parametrize(
    "answers, why",
    [
        ({"clusters": clusters("online,patroni")}, "is run by patroni, which alone may start or restart it"),
        ({"clusters": clusters("online,recovery")}, "15/main is a standby, or recovers (online,recovery)"),
        ({"marks": said(record("/var/lib/postgresql/15/main/standby.signal"))}, "15/main is a standby, or recovers"),
        ({"marks": NOT_THERE}, "whether PostgreSQL 15/main is a standby cannot be known"),
        ({"usage": FULL}, "PostgreSQL 15/main cannot start on a full disk: /var/backups"),
        ({"units": units(cluster="inactive")}, "systemd calls it stopped: somebody started it beside systemd"),
        ({"units": said(units_shown())}, "systemd knows no postgresql@15-main.service: somebody started it beside"),
    ],
)
def test_one_that_would_not_come_back_as_it_was_is_not_restarted(answers: dict[str, Output], why: str) -> None:
    assert why in refusal(RESTART, database(**{**SILENT, **answers}))


@pytest.mark.parametrize(
    "answers, why",
    [
        (
            {"reply": refused("FATAL: password authentication failed")},
            "would not help: PostgreSQL 15/main answers, and does",
        ),
        ({"reply": NO}, "would not help: PostgreSQL 15/main answers over its socket and listens"),
        ({"reply": NO, "application": said(STARTED + described(host="db1"))}, "would not help: the database is on db1"),
        ({"reply": NO, "activity": sessions(*_many(37))}, "would not help: 37 of 37 connections are taken"),
        (
            {"reply": NO, "clusters": clusters("down"), "units": units(cluster="failed")},
            "would not help: PostgreSQL 15/main",
        ),
        ({"reply": NO, "application": POOLED}, "would not help: the application goes through pgbouncer"),
    ],
)
def test_a_restart_that_would_not_help_is_refused_with_what_is_known(answers: dict[str, Output], why: str) -> None:
    assert why in refusal(RESTART, database(**answers))


def test_a_database_that_answers_is_not_restarted() -> None:
    assert nothing(RESTART, database()) == "the application gets an answer from its database"


@pytest.mark.parametrize("task", [END_TRANSACTIONS, END_SESSIONS])
def test_to_end_sessions_takes_more_than_single_commands(task: Any) -> None:
    assert task.rights() is None


@pytest.mark.parametrize("task", [START_POOLER, START, RESTART])
def test_every_use_is_among_its_tasks_rights(task: Any) -> None:
    states: tuple[dict[str, Output], ...] = (
        {"application": POOLED, "units": units(), "reply": NO},
        {"clusters": clusters("down"), "units": units(cluster="failed"), "reply": NO},
        SILENT,
    )
    found = []
    for answers in states:
        with suppress(Unplannable):
            found += [use for change in task.plan(database(**answers)).changes for use in change.uses]
    assert found
    assert all(any(use.is_covered_by(right) for right in task.rights()) for use in found)
    assert Right("www-data") in task.rights()  # the application is asked as its own user
