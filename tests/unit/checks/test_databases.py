from __future__ import annotations

import re
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.databases import Cause, DatabaseAnswers, DatabaseUnblocked, trouble_with
from soleil_remediate.command import Output
from soleil_remediate.facts.locks import LockWait
from soleil_remediate.task import Health
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, said
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import ACTIVITY, CLUSTERS, POOLER, database, described, refused, session, told
from tests.unit.facts.services import SOCKETS, unit_shown, units_shown

ANSWERS = DatabaseAnswers(root=Path("/srv/soleil/current"))
UNBLOCKED = DatabaseUnblocked(root=Path("/srv/soleil/current"))

REFUSED = refused('SQLSTATE[08006] [7] connection to server at "127.0.0.1", port 5432 failed: Connection refused')
LATE = refused("SQLSTATE[08006] [7] timeout expired")
PASSWORD = refused('SQLSTATE[08006] [7] FATAL: password authentication failed for user "soleil"')
POOLED = said(STARTED + described(port=6432))
CACHED = said(STARTED + described().replace('"is_cached": false', '"is_cached": true'))
RUNNING = said(units_shown(unit_shown("postgresql@15-main.service"), unit_shown("pgbouncer.service")))
DOWN = {
    "clusters": said(CLUSTERS.replace("main 5432 online", "main 5432 down")),
    "units": said(
        units_shown(unit_shown("postgresql@15-main.service", active="failed", sub="failed", result="signal"))
    ),
    "reply": REFUSED,
}
FULL = {
    "usage": said("1B-blocks Used Avail Inodes IUsed IFree Mounted on\n9 4 5 9999 4 9995 /\n9 9 0 9 4 5 /var/backups\n")
}
UNCONNECTED = said(POOLER["DATABASES"].replace("20\t3\t0\t0", "20\t0\t0\t0"))
FORTY = [session(pid=pid) for pid in range(100, 137)]
DROP = said("table inet x {\n\t\ttcp dport 5432 drop\n}\n")
ELSEWHERE = said(STARTED + described(host="db1"))


def test_an_application_that_gets_its_answer_is_well_whatever_else_is_to_be_seen() -> None:
    verdict = ANSWERS.judge(database(clusters=DOWN["clusters"]))
    assert verdict.health is Health.HEALTHY
    assert verdict.why == "pgsql at 127.0.0.1:5432 answered the application within 3 ms"
    assert trouble_with(database()) is None


@pytest.mark.parametrize(
    "answers, cause, says",
    [
        (
            DOWN,
            Cause.CLUSTER_DOWN,
            r"^PostgreSQL 15/main is down \(postgresql@15-main\.service is failed \(signal\)\)$",
        ),
        (
            DOWN | FULL,
            Cause.DISK_FULL,
            r"cannot start: / is 45 % used, 5 B free; /var/backups is 100 % used, 0 B free.*make",
        ),
        (
            {"reply": REFUSED, "ready": said("/x:5432 - rejecting connections\n", status=1)},
            Cause.CLUSTER_BUSY,
            "starts, stops or recovers.*By hand: wait",
        ),
        (
            {"reply": LATE, "ready": said("/x:5432 - no response\n", status=2), "activity": NOT_THERE},
            Cause.CLUSTER_HANGS,
            "runs and gives nobody an answer, over its socket either$",
        ),
        (
            {"reply": refused("FATAL: sorry"), "activity": said(told(ACTIVITY, sessions=FORTY))},
            Cause.EXHAUSTED,
            r"^37 of 37 connections are taken .* on PostgreSQL 15/main: 37 of soleil idle$",
        ),
        (
            {"reply": PASSWORD},
            Cause.NOT_ADMITTED,
            (
                r"15/main answers, and does not accept the password that soleil sends; .*"
                r"from \.env\. By hand: put the right DB_PASSWORD into \.env.*A restart of PostgreSQL does not help$"
            ),
        ),
        (
            {"reply": PASSWORD, "application": CACHED},
            Cause.NOT_ADMITTED,
            r"from the configuration that is cached, which \.env does not reach until `php artisan config:cache`",
        ),
        (
            {"reply": refused('FATAL: no pg_hba.conf entry for host "127.0.0.1"')},
            Cause.NOT_ADMITTED,
            r"does not let soleil into soleil; .*read /etc/postgresql/15/main/pg_hba\.conf$",
        ),
        ({"reply": refused('FATAL: database "soleil" does not exist')}, Cause.NOT_ADMITTED, "does not let soleil into"),
        (
            {"reply": LATE, "rules": DROP},
            Cause.KEPT_AWAY,
            (
                r"is well, and .* 127\.0\.0\.1:5432, is kept away .*filter drops what goes to port 5432 "
                r"\(tcp dport 5432 drop\)\. By hand: "
            ),
        ),
        (
            {"reply": LATE},
            Cause.KEPT_AWAY,
            r"though no rule that is seen names port 5432\. By hand: iptables-legacy -S",
        ),
        ({"reply": LATE, "rules": NOT_THERE}, Cause.KEPT_AWAY, "names port 5432; its rules cannot be read: nft"),
        (
            {"reply": LATE, "application": POOLED, "units": RUNNING},
            Cause.UNKNOWN,
            "pgbouncer runs and PostgreSQL 15/main is well, .* gets no answer through it. By hand.*SHOW SERVERS",
        ),
        (
            {"reply": LATE, "application": POOLED, "units": RUNNING, "databases": NOT_THERE},
            Cause.UNKNOWN,
            "gets no answer through it; whether it is paused is unknown: .*psql is not there",
        ),
        ({"reply": LATE, "application": POOLED, "units": RUNNING, "state": NOT_THERE}, Cause.UNKNOWN, "through it. By"),
        (
            {"reply": LATE, "application": POOLED, "units": RUNNING, "state": NOT_THERE, "databases": UNCONNECTED},
            Cause.POOLER_PAUSED,
            "pgbouncer has no connection to PostgreSQL, which is well, and lets clients wait, .* PAUSE: .*RESUME'$",
        ),
        (
            {"reply": REFUSED, "application": POOLED, "units": RUNNING, "state": NOT_THERE, "databases": UNCONNECTED},
            Cause.UNKNOWN,
            "gets no answer through it",
        ),
        ({"reply": REFUSED, "rules": DROP}, Cause.KEPT_AWAY, "of the packet filter rejects what goes to port 5432"),
        ({"reply": REFUSED, "rules": NOT_THERE}, Cause.NOT_THERE, "on another address than the application"),
        ({"reply": REFUSED, "sockets": said(SOCKETS)}, Cause.NOT_THERE, "runs, and does not listen where"),
        (
            {"reply": REFUSED, "application": said(STARTED + described(port=5999))},
            Cause.NOT_THERE,
            r"nothing listens on port 5999 of this host, and no cluster is meant to: 15/down \(down\) has port 5433, ",
        ),
        (
            {"reply": REFUSED, "application": POOLED},
            Cause.POOLER_DOWN,
            r"^the application goes through pgbouncer on port 6432, and pgbouncer\.service is stopped and disabled$",
        ),
        (
            {
                "reply": LATE,
                "application": POOLED,
                "units": said(units_shown(unit_shown("postgresql@15-main.service"))),
            },
            Cause.POOLER_DOWN,
            r"systemd knows no pgbouncer\.service",
        ),
        (
            {
                "reply": LATE,
                "application": POOLED,
                "units": RUNNING,
                "state": said(POOLER["STATE"].replace("no", "yes", 1)),
            },
            Cause.POOLER_PAUSED,
            (
                r"somebody paused pgbouncer: .*if nobody does: sudo -u postgres psql "
                r"-h /var/run/postgresql -p 6432 -U pgbouncer pgbouncer -c 'RESUME'$"
            ),
        ),
        (
            {
                "reply": LATE,
                "application": POOLED,
                "units": RUNNING,
                "databases": said(POOLER["DATABASES"].replace("3\t0\t0", "3\t0\t1")),
            },
            Cause.POOLER_PAUSED,
            r"somebody disabled the database in pgbouncer: .* -c 'ENABLE soleil'$",
        ),
        (
            {"reply": PASSWORD, "application": POOLED, "units": RUNNING},
            Cause.NOT_ADMITTED,
            "see that auth_file of pgbouncer",
        ),
        (
            {"reply": PASSWORD, "application": ELSEWHERE},
            Cause.NOT_ADMITTED,
            "db1:5432 answers, and does not accept the password",
        ),
        (
            {"reply": REFUSED, "application": ELSEWHERE},
            Cause.UNKNOWN,
            "the database is on db1:5432: .* nc -zv db1 5432$",
        ),
        (
            {"reply": refused("FATAL: remaining connection slots are reserved"), "application": ELSEWHERE},
            Cause.EXHAUSTED,
            "on db1:5432: SELECT usename",
        ),
        (
            {"reply": refused("FATAL: the database system is starting up"), "application": ELSEWHERE},
            Cause.CLUSTER_BUSY,
            "db1:5432 starts, stops or recovers",
        ),
        ({"reply": refused("FATAL: etwas anderes")}, Cause.UNKNOWN, "of what is wrong no more is known"),
    ],
)
def test_why_it_gets_none_is_said_as_far_as_it_can_be_known(
    answers: dict[str, Output], cause: Cause, says: str
) -> None:
    seen = database(**answers)
    trouble = trouble_with(seen)
    assert trouble is not None
    assert trouble.cause is cause, trouble
    assert re.search(says, trouble.in_words), trouble.in_words
    verdict = ANSWERS.judge(seen)
    assert verdict.health is Health.FAULTY
    assert verdict.why.startswith(trouble.in_words)
    assert f"The application was told: {seen.reply.why[:150]}" in verdict.why
    assert verdict.measures[0].is_faulty


@pytest.mark.parametrize(
    "used, place",
    [
        ({"driver": "mysql", "port": 3306}, "127.0.0.1:3306"),
        ({"driver": "sqlite", "host": None, "port": None}, "soleil"),
    ],
)
def test_of_another_database_than_postgresql_no_more_is_told_than_the_application_was(
    used: dict[str, object], place: str
) -> None:
    seen = database(application=said(STARTED + described(**used)), reply=refused("gone away"))
    assert (seen.local, seen.pooler, seen.rules) == (None, None, None)
    verdict = ANSWERS.judge(seen)
    assert verdict.health is Health.FAULTY
    assert f"only PostgreSQL is looked into here. By hand: see how {used['driver']} is at {place}" in verdict.why
    assert "gone away" in verdict.why
    well = database(application=said(STARTED + described(**used)))
    assert ANSWERS.judge(well).health is Health.HEALTHY


def test_who_is_not_let_in_elsewhere_is_told_where_to_look() -> None:
    trouble = trouble_with(database(application=ELSEWHERE, reply=refused("no pg_hba.conf entry for host")))
    assert trouble is not None
    assert trouble.by_hand.endswith("and pg_hba.conf of that server")


def test_of_two_that_are_down_the_one_nearer_to_the_application_is_told() -> None:
    trouble = trouble_with(database(**{**DOWN, "application": POOLED}))
    assert trouble is not None
    assert trouble.cause is Cause.POOLER_DOWN


def wait(waits: float = 60, state: str = "idle in transaction", since: float | None = 90, pid: int = 72) -> LockWait:
    seconds = None if since is None else Duration(since)
    return LockWait(pid=pid, waits=Duration(waits), blocker=71, state=state, since=seconds)


@pytest.mark.parametrize(
    "seen, health, says",
    [
        ((), Health.HEALTHY, "no statement waits for a lock for more than 10 s"),
        ((wait(10),), Health.HEALTHY, "no statement waits"),
        (
            (wait(11),),
            Health.FAULTY,
            "1 statements wait for a lock, the longest for 11 s: session 71 holds it, idle in an",
        ),
        ((wait(11), wait(99, pid=73)), Health.FAULTY, "2 statements wait for a lock, the longest for 1 min 39 s"),
        ((wait(11, "idle in transaction (aborted)"),), Health.FAULTY, "session 71 holds it"),
        ((wait(11, "active"),), Health.HEALTHY, "1 statements wait for a lock, of sessions that work"),
        ((wait(11, "", None),), Health.UNKNOWN, "may not see what holds it"),
        ((wait(11, "", None), wait(11)), Health.FAULTY, "session 71 holds it"),
    ],
)
def test_only_who_waits_long_for_a_transaction_that_does_nothing_is_a_fault(
    seen: tuple[LockWait, ...], health: Health, says: str
) -> None:
    verdict = UNBLOCKED.judge(seen)
    assert verdict.health is health
    assert says in verdict.why


@pytest.mark.parametrize(
    "root, user", [("srv/app", "www-data"), ("/srv/../etc", "www-data"), ("/srv", "-x"), ("/srv", "")]
)
def test_a_folder_and_a_user_that_are_none_are_refused(root: str, user: str) -> None:
    for kind in (DatabaseAnswers, DatabaseUnblocked):
        with pytest.raises(ValueError, match=r"must be absolute|no user's name"):
            kind(root=Path(root), user=user)
