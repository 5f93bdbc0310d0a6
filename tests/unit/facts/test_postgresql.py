from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.postgresql import (
    OUR_NAME,
    Activity,
    AskActivity,
    AskReady,
    ListClusters,
    Readiness,
    own_words,
    psql,
)
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.databases import ACTIVITY, CLUSTERS, session, told


def activity(**more: object) -> Activity:
    return AskActivity(5432, "postgres").answer(said(told(ACTIVITY, **more)))


def test_every_cluster_is_told_with_its_own_unit() -> None:
    down, full, _, main = ListClusters().answer(said(CLUSTERS))
    assert (main.unit, main.port, main.owner, str(main)) == (
        "postgresql@15-main.service",
        5432,
        "postgres",
        "15/main",
    )
    assert (main.data, main.log) == (
        Path("/var/lib/postgresql/15/main"),
        Path("/var/log/postgresql/postgresql-15-main.log"),
    )
    assert (main.is_online, down.is_online, full.log) == (True, False, None)


@pytest.mark.parametrize(
    "status, is_online, is_recovering",
    [("online", True, False), ("online,recovery", True, True), ("down", False, False), ("down,recovery", False, True)],
)
def test_a_cluster_may_follow_another_one(status: str, is_online: bool, is_recovering: bool) -> None:
    (found,) = ListClusters().answer(said(f"15 main 5432 {status} postgres /srv/pg syslog\n"))
    assert (found.is_online, found.is_recovering) == (is_online, is_recovering)


def test_something_else_than_systemd_may_run_a_cluster() -> None:
    (found,) = ListClusters().answer(said("15 main 5432 online,recovery,patroni postgres /srv/pg syslog\n"))
    assert (found.is_online, found.is_recovering, found.supervisor) == (True, True, "patroni")
    assert [one.supervisor for one in ListClusters().answer(said(CLUSTERS))] == [""] * 4


def test_a_cluster_whose_configuration_cannot_be_read_hides_no_other_one() -> None:
    broken = "15 broken <unknown> down <unknown> <unknown> /var/log/postgresql/postgresql-15-broken.log\n"
    assert len(ListClusters().answer(said(broken + CLUSTERS))) == 4


def test_a_host_may_have_no_cluster_and_what_is_none_is_an_error() -> None:
    assert ListClusters().answer(said()) == ()
    with pytest.raises(FactError, match="no cluster"):
        ListClusters().answer(said("15 main 5432 online postgres relative/folder x\n"))


@pytest.mark.parametrize(
    "status, text, expected",
    [
        (0, "accepting connections", Readiness.ACCEPTING),
        (1, "rejecting connections", Readiness.REJECTING),
        (2, "no response", Readiness.SILENT),
    ],
)
def test_a_server_takes_connections_or_not(status: int, text: str, expected: Readiness) -> None:
    assert AskReady(5432, "postgres").answer(said(f"/var/run/postgresql:5432 - {text}\n", status=status)) is expected


def test_what_it_says_and_how_it_ends_must_agree() -> None:
    with pytest.raises(FactError, match="says one thing and ends with another"):
        AskReady(5432, "postgres").answer(said("/var/run/postgresql:5432 - accepting connections\n", status=2))


def test_a_cluster_is_asked_by_its_own_user_over_its_socket_and_can_neither_wait_nor_change_anything() -> None:
    command = AskActivity(5433, "pgadmin").command
    (place,) = [word for word in command.words if word.startswith("--dbname=")]
    assert command.user == "pgadmin"
    assert "host=/var/run/postgresql port=5433 " in place
    for setting in (
        "connect_timeout=3",
        f"application_name={OUR_NAME}",
        "statement_timeout=3s",
        "lock_timeout=1s",
        "default_transaction_read_only=on",
    ):
        assert setting in place
    assert {"--no-psqlrc", "--no-password"} <= set(psql(5432))


def test_of_a_statement_only_its_first_word_leaves_the_server() -> None:
    (asked,) = [word for word in AskActivity(5432, "postgres").command.words if word.startswith("--command=")]
    assert asked.count("a.query") == 1
    assert "substring(a.query from '^[[:space:]]*([A-Za-z]{1,20})')" in asked


def test_sessions_are_told_and_a_clock_that_was_set_back_gives_no_negative_age() -> None:
    held = session(state="idle in transaction (aborted)", since=-3, transaction=90, first_word=None, client=None)
    (found,) = activity(sessions=[held]).sessions
    assert found.is_in_transaction
    assert not found.is_idle
    assert (found.since, found.transaction, found.first_word, found.client) == (Duration(0), Duration(90), "", "")
    assert (found.pid, found.began) == (70, "2026-11-29 10:00:00.123456+00")


@pytest.mark.parametrize(
    "more", [{"is_standby": None}, {"sessions": [{}]}, {"most": "many"}, {"sessions": [session(is_client="yes")]}]
)
def test_what_is_not_of_its_kind_is_an_error(more: dict[str, object]) -> None:
    with pytest.raises(FactError):
        activity(**more)


def test_connections_are_exhausted_where_only_those_for_superusers_are_left() -> None:
    def taken(count: int, **more: object) -> str:
        sessions = [session(pid=pid) for pid in range(100, 100 + count)]
        ours = session(pid=1, application=OUR_NAME)
        worker = session(pid=2, is_client=False)
        return activity(most=40, reserved=3, sessions=[*sessions, ours, worker], **more).exhausted("soleil", "soleil")

    assert taken(36) == ""
    assert taken(37) == "37 of 37 connections are taken (3 more are kept for superusers)"
    assert taken(5, role_limits={"soleil": 5}) == "role soleil has 5 of the 5 connections that it may have"
    assert taken(5, role_limits={"soleil": 6, "other": 1}) == ""
    assert taken(5, database_limits={"soleil": 4}) == "database soleil has 5 of the 4 connections that it may have"


def test_whoever_waits_for_nobody_and_is_waited_for_is_the_one() -> None:
    found = activity(
        sessions=[
            session(pid=71, state="idle in transaction", since=90),
            session(pid=72, state="active", is_waiting=True, blocked_by=[71]),
            session(pid=73, state="active", is_waiting=True, blocked_by=[72, 71]),
            session(pid=74, state="active", since=100),
            session(pid=75, state="active", is_waiting=True, blocked_by=[74, 0]),
        ]
    )
    assert [one.pid for one in found.blockers()] == [74, 71]


LOG = (
    "2026-11-29 10:00:00 UTC [1] LOG:  database system is ready to accept connections",
    "2026-11-29 10:00:01 UTC [2] soleil@soleil ERROR:  duplicate key value violates unique constraint",
    "2026-11-29 10:00:01 UTC [2] soleil@soleil DETAIL:  Key (email)=(guest@example.test) already exists.",
    "2026-11-29 10:00:01 UTC [2] soleil@soleil STATEMENT:  insert into users values ('guest@example.test')",
    "\tvalues ('guest@example.test')",
    "2026-11-29 10:00:02 UTC [2] soleil@soleil LOG:  duration: 12 ms  statement: select 'guest@example.test'",
    "2026-11-29 10:00:02 UTC [2] soleil@soleil LOG:  execute <unnamed>: select 'guest@example.test'",
    "2026-11-29 10:00:03 UTC [3] PANIC:  could not write to file: No space left on device",
)


def test_what_a_server_logs_of_statements_is_customers_data() -> None:
    assert own_words(LOG) == (LOG[0], LOG[-1])
