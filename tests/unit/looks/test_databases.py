from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.looks.databases import DatabaseLog, DatabaseOverview, DatabaseSessions
from soleil_remediate.task import Table, Text
from tests.unit.facts.answers import NOT_THERE, record, said, see
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import ACTIVITY, CLUSTERS, database, described, refused, session, told
from tests.unit.facts.services import unit_shown, units_shown

ROOT = Path("/srv/soleil/current")
OVERVIEW, SESSIONS, LOG = DatabaseOverview(root=ROOT), DatabaseSessions(root=ROOT), DatabaseLog(lines=2)
POOLED = said(STARTED + described(port=6432))
RUNNING = said(units_shown(unit_shown("postgresql@15-main.service"), unit_shown("pgbouncer.service")))


def overview(**answers: object) -> dict[str, str]:
    shown = OVERVIEW.show(database(**answers))  # type: ignore[arg-type]
    assert isinstance(shown, Table)
    return {name: value for name, value in shown.rows if name}


def test_where_the_application_asks_and_how_what_stands_between_them_is() -> None:
    shown = overview()
    assert shown["application"] == "pgsql soleil at 127.0.0.1:5432 as soleil"
    assert (shown["is told"], shown["port"]) == ("an answer", "5432 is listened on")
    assert shown["cluster 15/main"] == "online, port 5432 (the application's)"
    assert shown["cluster 15/down"] == "down, port 5433"
    assert shown["unit"] == "postgresql@15-main.service running"
    assert (shown["pg_isready"], shown["role"]) == ("accepting connections", "a primary, 0 servers follow it")
    assert shown["disk"] == "there is room for /var/lib/postgresql/15/main"
    assert "pgbouncer" not in shown


def test_what_is_wrong_is_seen_at_once() -> None:
    shown = overview(
        reply=refused("timeout expired"),
        rules=said("table inet x {\n\ttcp dport 5432 drop\n}\n"),
        usage=said("1B-blocks Used Avail Inodes IUsed IFree Mounted on\n9 9 0 9 4 5 /\n"),
        activity=said(told(ACTIVITY, is_standby=True, standbys=2, pending=["max_connections"])),
        sockets=said("  sl\n"),
    )
    assert shown["is told"] == "timeout expired"
    assert shown["port"] == "5432 is listened on by nobody"
    assert shown["packet filter"] == "tcp dport 5432 drop"
    assert shown["disk"] == "FULL: / 100 % used, 0 B free"
    assert shown["role"] == "a standby, or recovering, 2 servers follow it"
    assert shown["after a restart"] == "other values of max_connections"


def test_pgbouncer_is_shown_where_it_stands_between_them() -> None:
    shown = OVERVIEW.show(database(application=POOLED, units=RUNNING))
    assert isinstance(shown, Table)
    assert ("pgbouncer", "running") in shown.rows
    assert ("", "open, 3 connections, 5 clients wait, longest 12 s") in shown.rows
    unsaid = OVERVIEW.show(database(application=POOLED, units=RUNNING, state=NOT_THERE))
    assert "does not say whether it is paused, 3 connections" in str(unsaid)
    unknown = OVERVIEW.show(database(application=POOLED, units=RUNNING, databases=NOT_THERE))
    assert any(name == "" and value.startswith("unknown: ") for name, value in unknown.rows)  # type: ignore[union-attr]


def test_of_a_database_elsewhere_no_more_is_shown_than_is_known() -> None:
    shown = overview(application=said(STARTED + described(host="db1")), reply=refused("no"))
    assert list(shown) == ["application", "is told", "host"]
    assert "not known here" in shown["host"]


def test_what_cannot_be_read_of_a_cluster_is_unknown() -> None:
    shown = overview(ready=NOT_THERE, places=NOT_THERE, activity=NOT_THERE)
    assert shown["pg_isready"].startswith("unknown: ")
    assert shown["disk"].startswith("unknown: ")
    assert "role" not in shown


def test_who_is_connected_is_counted_by_what_they_do_and_who_blocks_whom_is_told() -> None:
    seen = database(
        activity=said(
            told(
                ACTIVITY,
                sessions=[
                    session(pid=1, since=5),
                    session(pid=2, since=90, first_word="INSERT"),
                    session(pid=71, state="idle in transaction", since=60, first_word="UPDATE"),
                    session(pid=72, state="active", since=30, is_waiting=True, blocked_by=[71]),
                    session(pid=3, role="other", database="shop"),
                ],
            )
        )
    )
    shown = SESSIONS.show(seen)
    assert isinstance(shown, Table)
    assert shown.rows == (
        ("soleil", "soleil", "idle", "2", "1 min 30 s", "INSERT"),
        ("other", "shop", "idle", "1", "1 s", "SELECT"),
        ("soleil", "soleil", "active", "1", "30 s", "SELECT"),
        ("soleil", "soleil", "idle in transaction", "1", "1 min", "UPDATE"),
        ("all", "", "of 37, and 3 reserved", "5", "", ""),
        ("71 blocks 72", "soleil", "idle in transaction", "1", "30 s", "UPDATE"),
    )
    few = DatabaseSessions(root=ROOT, top=1).show(seen)
    assert isinstance(few, Table)
    assert few.rows[1][2] == "and 3 rows more"


def test_sessions_that_cannot_be_seen_are_unknown() -> None:
    for answers, why in (
        ({"application": said(STARTED + described(host="db1"))}, "on another host"),
        ({"application": said(STARTED + described(port=5999))}, "no cluster of this host"),
        ({"activity": NOT_THERE}, "psql"),
        ({"clusters": said(CLUSTERS.replace("main 5432 online", "main 5432 down"))}, "15/main does not run"),
    ):
        shown = SESSIONS.show(database(**answers))
        assert isinstance(shown, Text)
        assert shown.lines[0].startswith("unknown: ")
        assert why in shown.lines[0]


def log(*lines: str) -> tuple[str, ...]:
    name = "/var/log/postgresql/postgresql-15-main.log"
    answers = (
        ("find /usr/bin/pg_lsclusters", said(record("/usr/bin/pg_lsclusters"))),
        ("pg_lsclusters", said(CLUSTERS)),
        (f"-- {name}", said("\n".join([f"==> {name} <==", *lines]) + "\n")),
        ("tail", said(status=1, stderr="tail: cannot open '/x' for reading: No such file or directory\n")),
    )
    shown = LOG.show(see(LOG.read(Reader()), *answers))
    assert isinstance(shown, Text)
    return shown.lines


def test_what_clusters_logged_about_themselves_is_shown_and_no_statement() -> None:
    lines = ("x LOG:  one", "x STATEMENT:  select 'guest'", "x LOG:  two", f"x FATAL:  {'y' * 300}", "\t'guest'")
    assert log(*lines) == ("15/down", "  has no log", "15/main", "  x LOG:  two", f"  x FATAL:  {'y' * 190}…")
    assert log("x STATEMENT:  select 1")[-1] == "  says nothing about itself"


def test_a_log_that_cannot_be_read_is_unknown_and_a_host_may_have_none() -> None:
    gone = said(status=1, stderr="find: '/usr/bin/pg_lsclusters': No such file or directory\n")
    none = see(LOG.read(Reader()), ("find /usr/bin/pg_lsclusters", gone), ("pg_lsclusters", NOT_THERE))
    assert LOG.show(none) == Text(lines=("no cluster here has a log of its own",))
    there = ("find /usr/bin/pg_lsclusters", said(record("/usr/bin/pg_lsclusters")))
    with pytest.raises(FactError):
        see(LOG.read(Reader()), there, ("pg_lsclusters", NOT_THERE))
    shown = LOG.show(see(LOG.read(Reader()), there, ("pg_lsclusters", said(CLUSTERS)), ("tail", NOT_THERE)))
    assert isinstance(shown, Text)
    assert shown.lines[1].startswith("  unknown: ")


@pytest.mark.parametrize("kind, name", [(DatabaseSessions, "top"), (DatabaseLog, "lines")])
def test_how_much_is_shown_has_its_bounds(kind: type[DatabaseSessions | DatabaseLog], name: str) -> None:
    root = {"root": ROOT} if kind is DatabaseSessions else {}
    with pytest.raises(ValueError, match=f"{name} must be from 1"):
        kind(**{**root, name: 0})  # type: ignore[arg-type]
