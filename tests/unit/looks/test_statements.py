from __future__ import annotations

import json
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.config_caches import ReadConfigCache
from soleil_remediate.facts.hit_rates import HitRate
from soleil_remediate.facts.slow_logs import ReadSlowLogs
from soleil_remediate.looks.hit_rates import CacheHitRate, Rates
from soleil_remediate.looks.slow_logs import LogSlow
from soleil_remediate.looks.statements import StatementLongest
from soleil_remediate.task import Table, Text
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, said
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import CLUSTERS, described
from tests.unit.facts.statements import CONFIG_CACHE, SLOW_LOGS, statement
from tests.unit.facts.test_slow_logs import logs, rate
from tests.unit.facts.test_statements import seen

ROOT = Path("/srv/soleil/current")


def rows(shown: object) -> tuple[tuple[str, ...], ...]:
    assert isinstance(shown, Table)
    return shown.rows


def lines(shown: object) -> tuple[str, ...]:
    assert isinstance(shown, Text)
    return shown.lines


# ---- statements ------------------------------------------------------------------------------------------------------


def test_who_keeps_others_waiting_is_shown_first_with_how_many_wait() -> None:
    shown = StatementLongest(root=ROOT, top=4).show(
        seen(
            statement(pid=60, role="other", runs=900, application="psql", waits_for="Timeout: PgSleep"),
            statement(pid=61, role="backup", runs=800),
            statement(pid=62, role=None, database=None, kind="autovacuum worker", application=None, runs=700),
            statement(pid=71, state="idle in transaction", since=300),
            statement(pid=72, first_word="UPDATE", waits_for="Lock: relation", blocked_by=[71]),
        )
    )
    assert rows(shown) == (
        ("71", "soleil (the application's)", "idle in transaction", "5 min", "", "1"),
        ("60", "psql of other", "SELECT", "15 min", "Timeout: PgSleep", ""),
        ("61", "backup of backup", "SELECT", "13 min 20 s", "", ""),
        ("62", "the server's own", "SELECT", "11 min 40 s", "", ""),
        ("", "and 1 more", "", "", "", ""),
    )


def test_who_waits_is_shown_with_whom_it_waits_for() -> None:
    waiting = StatementLongest(root=ROOT).show(seen(statement(pid=72, waits_for="Lock: relation", blocked_by=[71, 70])))
    assert rows(waiting)[0][4] == "71 70"


@pytest.mark.parametrize(
    "answers, says",
    [
        ({}, "none runs, and no transaction is left open"),
        ({"statements": NOT_THERE}, "unknown: "),
        ({"application": said(STARTED + described(host="db1"))}, "unknown: its cluster is not on this host"),
        ({"clusters": said(CLUSTERS.replace("main 5432 online", "main 5432 down"))}, "unknown: it does not run"),
    ],
)
def test_nothing_to_show_is_told_apart_from_not_known(answers: dict[str, Any], says: str) -> None:
    (line,) = lines(StatementLongest(root=ROOT).show(seen(**answers)))
    assert line.startswith(says)


# ---- logs ------------------------------------------------------------------------------------------------------------


def test_what_is_repeated_and_what_is_slow_is_shown_with_the_logs_it_stands_in() -> None:
    assert lines(LogSlow(root=ROOT).show(logs())) == (
        "N+1: GET /api/rooms asks at least 2490 times for select * from users where id = ?",
        "slow request: GET /api/rooms: 26 times, half of them over 1200 ms, longest 2383 ms",
        "slow query: select * from rooms where id = ?: 1 time, 120 ms",
        "performance: 2 lines at the end of /srv/p-2026-11-29.log (2 MiB at most), 1 more of another form",
        "query: /srv/q.log is not there: nothing was logged",
        "slow: unknown: /srv/s.log cannot be read by the application's user",
    )


def test_no_log_and_nothing_in_one_are_told_apart() -> None:
    nothing = logs(requests=[], queries=[], repeated=[], read=[{**SLOW_LOGS["read"][0], "others": 0}])
    assert lines(LogSlow(root=ROOT).show(nothing)) == (
        "nothing slow and nothing repeated is logged",
        "performance: 2 lines at the end of /srv/p-2026-11-29.log (2 MiB at most)",
    )
    assert "has no log about performance or queries" in lines(LogSlow(root=ROOT).show(logs(read=[])))[0]
    assert ReadSlowLogs(ROOT, "www-data").command.user == "www-data"


def test_a_page_that_is_not_logged_has_no_name() -> None:
    nameless = logs(repeated=[{"page": "", "what": "select 1", "times": 12}])
    assert lines(LogSlow(root=ROOT).show(nameless))[0] == "N+1: one request asks at least 12 times for select 1"


# ---- caches ----------------------------------------------------------------------------------------------------------


def rates(**more: Any) -> Rates:
    configuration = ReadConfigCache(ROOT, "www-data").answer(said(f"{STARTED}{json.dumps(CONFIG_CACHE)}\n"))
    return Rates(**{"cache": rate(), "configuration": configuration, "work": seen(statement()), **more})


def test_how_often_something_is_found_is_shown_with_what_it_counts() -> None:
    assert lines(CacheHitRate(root=ROOT).show(rates())) == (
        (
            "application's cache: 75.0 % of 400 found in Redis since it was started 1 min 35 s ago, 3 keys given up "
            "for want of memory"
        ),
        "configuration: NOT cached, loading it takes 712 ms of each request",
        "database's memory: 99.0 % of 1000 of its blocks found there since its statistics began",
    )


def test_what_is_not_counted_or_not_known_is_no_rate() -> None:
    error = FactError("no artisan")
    work = seen(application=said(STARTED + described(host="db1")))
    unknown = lines(CacheHitRate(root=ROOT).show(rates(cache=error, configuration=error, work=work)))
    assert [line.partition(": ")[2] for line in unknown] == [
        "unknown: no artisan",
        "unknown: no artisan",
        "unknown: it is not on this host, or does not run",
    ]
    elsewhere = lines(
        CacheHitRate(root=ROOT).show(rates(cache=HitRate(driver="file"), work=seen(statements=NOT_THERE)))
    )
    assert elsewhere[0] == "application's cache: in file, which does not count what it finds"
    assert elsewhere[2].startswith("database's memory: unknown: ")
    unused = HitRate(driver="redis", hits=0, uptime=Duration(9))
    assert lines(CacheHitRate(root=ROOT).show(rates(cache=unused)))[0].startswith(
        "application's cache: nothing was looked for, so none found"
    )


@pytest.mark.parametrize("kind, top", [(StatementLongest, 0), (StatementLongest, 101), (LogSlow, 0), (LogSlow, 11)])
def test_so_many_rows_are_not_shown(kind: Any, top: int) -> None:
    with pytest.raises(ValueError, match="top must be from 1"):
        kind(root=ROOT, top=top)
