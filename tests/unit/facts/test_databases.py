from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Output
from soleil_remediate.errors import FactError
from soleil_remediate.facts.databases import FindPacketRules
from soleil_remediate.facts.poolers import PoolerState
from soleil_remediate.facts.postgresql import Activity, Readiness
from soleil_remediate.facts.services import Unit
from tests.unit.facts.answers import NOT_THERE, record, said
from tests.unit.facts.application import STARTED
from tests.unit.facts.databases import CLUSTERS, POOLER, database, described, refused
from tests.unit.facts.services import unit_shown, units_shown

POOLED = said(STARTED + described(port=6432))
RUNNING = said(units_shown(unit_shown("postgresql@15-main.service"), unit_shown("pgbouncer.service")))
RULES = """\
table ip filter {
\tchain INPUT {
\t\ttype filter hook input priority filter; policy accept;
\t\tmeta l4proto tcp tcp dport 5432 counter drop
\t\ttcp dport { 22, 5432 } reject with tcp reset
\t\ttcp dport 54321 drop
\t\ttcp dport 5432 accept
\t}
}
"""


def test_the_cluster_that_an_application_uses_is_found_by_its_port_and_asked_for_all_that_matters() -> None:
    seen = database()
    assert (seen.place, seen.is_here, seen.is_postgresql, seen.name) == ("127.0.0.1:5432", True, True, "soleil")
    assert seen.local is not None
    assert str(seen.local.cluster) == "15/main"
    assert seen.local.readiness is Readiness.ACCEPTING
    assert isinstance(seen.local.activity, Activity)
    assert (seen.local.standby_marks, seen.local.full, seen.rules) == ((), (), None)
    assert isinstance(seen.local.unit, Unit)
    assert seen.local.unit.name == "postgresql@15-main.service"
    assert (seen.pooler, seen.pooler_unit, seen.pooler_state) == (None, None, None)
    assert 5432 in seen.listening


def test_an_application_that_goes_through_pgbouncer_has_its_cluster_behind_it() -> None:
    seen = database(application=POOLED, units=RUNNING)
    assert seen.pooler is not None
    assert seen.pooler_unit is not None
    assert isinstance(seen.pooler_state, PoolerState)
    assert seen.local is not None
    assert seen.local.cluster.port == 5432


def test_pgbouncer_may_call_a_database_otherwise_and_have_it_elsewhere() -> None:
    there = said(POOLER["pgbouncer.ini"].replace("host=127.0.0.1", "host=db1").replace("dbname=soleil", "dbname=real"))
    seen = database(application=POOLED, units=RUNNING, pooler=there)
    assert (seen.local, seen.name) == (None, "real")


def test_a_pgbouncer_that_does_not_run_is_not_asked() -> None:
    assert database(application=POOLED).pooler_state is None


@pytest.mark.parametrize(
    "table, what",
    [(NOT_THERE, "not there"), (said("name\thost\nsoleil\tx\n"), "cannot be read")],
)
def test_a_console_that_says_nothing_intelligible_is_unknown(table: Output, what: str) -> None:
    seen = database(application=POOLED, units=RUNNING, databases=table)
    assert isinstance(seen.pooler_state, FactError)
    assert what in str(seen.pooler_state)


def test_a_console_that_does_not_tell_its_pools_is_unknown() -> None:
    seen = database(application=POOLED, units=RUNNING, pools=NOT_THERE)
    assert isinstance(seen.pooler_state, FactError)


@pytest.mark.parametrize("host, is_here", [("10.88.0.11", True), ("10.88.0.12", False), ("db1", False), ("", True)])
def test_an_address_of_the_hosts_own_is_the_host(host: str, is_here: bool) -> None:
    own = said("Main:\n  |-- 10.88.0.11\n     /32 host LOCAL\n")
    seen = database(application=said(STARTED + described(host=host)), addresses=own)
    assert (seen.is_here, seen.local is not None) == (is_here, is_here)


def test_a_host_without_debians_clusters_has_none() -> None:
    gone = said(status=1, stderr="find: '/usr/bin/pg_lsclusters': No such file or directory\n")
    seen = database(lister=gone, clusters=NOT_THERE)
    assert (seen.clusters, seen.local) == ((), None)


def test_clusters_that_cannot_be_told_are_an_error_and_so_is_a_pooler_that_may_be_what_is_used() -> None:
    with pytest.raises(FactError):
        database(clusters=said("garbage\n"))
    hidden = said(status=2, stderr="grep: /etc/pgbouncer/pgbouncer.ini: Permission denied\n")
    assert database(pooler=hidden).local is not None
    with pytest.raises(FactError, match="needs root"):
        database(application=POOLED, pooler=hidden)


def _usage(root: str, backups: str) -> Output:
    return said(f"1B-blocks Used Avail Inodes IUsed IFree Mounted on\n{root} /\n{backups} /var/backups\n")


ROOMY = "9999999999 4 9999999995 9999 4 9995"


@pytest.mark.parametrize(
    "usage, full",
    [
        (_usage(ROOMY, "9999999999 9999999999 0 9999 4 9995"), ["/var/backups"]),
        (_usage(ROOMY, "9999999999 4 33554432 9999 4 9995"), []),
        (_usage(ROOMY, "9999999999 4 33554431 9999 4 9995"), ["/var/backups"]),
        (_usage(ROOMY, "9999999999 4 9999999995 9999 9990 9"), ["/var/backups"]),
        (_usage("9999999999 9999999999 0 9999 4 9995", ROOMY), ["/"]),
    ],
)
def test_a_disk_is_full_where_a_cluster_could_not_recover_its_log_of_changes_may_be_elsewhere(
    usage: Output, full: list[str]
) -> None:
    local = database(usage=usage).local
    assert local is not None
    assert not isinstance(local.full, FactError)
    assert [str(one.mount) for one in local.full] == full


@pytest.mark.parametrize(
    "answers",
    [
        {"places": NOT_THERE},
        {"usage": said("1B-blocks Used Avail Inodes IUsed IFree Mounted on\n9 4 5 9 4 5 /var/backups\n")},
    ],
)
def test_where_a_cluster_lies_and_how_full_that_is_may_be_unknown(answers: dict[str, Output]) -> None:
    local = database(**answers).local
    assert local is not None
    assert isinstance(local.full, FactError)


def test_a_cluster_that_does_not_run_is_asked_nothing() -> None:
    down = said(CLUSTERS.replace("main 5432 online", "main 5432 down"))
    local = database(clusters=down, ready=NOT_THERE, activity=NOT_THERE).local
    assert local is not None
    assert local.readiness is Readiness.SILENT
    assert local.activity is None


def test_what_says_that_a_cluster_is_a_standby_is_found() -> None:
    mark = "/var/lib/postgresql/15/main/standby.signal"
    local = database(marks=said(record(mark))).local
    assert local is not None
    assert not isinstance(local.standby_marks, FactError)
    assert [one.path for one in local.standby_marks] == [Path(mark)]


def test_the_packet_filter_is_asked_only_where_the_application_gets_no_answer() -> None:
    seen = database(reply=refused("timeout expired"), rules=said(RULES))
    assert seen.rules == (
        "meta l4proto tcp tcp dport 5432 counter drop",
        "tcp dport { 22, 5432 } reject with tcp reset",
    )
    assert FindPacketRules(5432).answer(said()) == ()
    with pytest.raises(FactError):
        FindPacketRules(5432).answer(said("garbage\n"))
