from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path as Here
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.poolers import AskPooler, Pooled, Pooler, PoolerState, ReadPooler, pooler_state
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.databases import POOLER

READ = ReadPooler()
SOCKETS = Path("/var/run/postgresql")
FILE = """\
;; database name = connect string
;old = host=10.0.0.9 port=1 password=forgotten-secret
[databases]
soleil = host=127.0.0.1 port=5433 dbname=real user=soleil password=very-secret
bare =
* = host=db1

[pgbouncer]
logfile = /var/log/pgbouncer.log
listen_addr = *
listen_port = 6543
unix_socket_dir = /run/pooler
admin_users = host=trap
"""


def test_a_pooler_says_where_its_databases_are() -> None:
    found = READ.answer(said(POOLER["pgbouncer.ini"]))
    assert found == Pooler(
        port=6432, sockets=SOCKETS, databases={"soleil": Pooled(host="127.0.0.1", port=5432, name="soleil")}
    )
    assert found.behind("soleil") == Pooled(host="127.0.0.1", port=5432, name="soleil")
    assert found.behind("other") is None


def test_a_real_file_is_read_and_no_password_of_it_is_printed(tmp_path: Here) -> None:
    (tmp_path / "pgbouncer.ini").write_text(FILE)
    words = [*READ.command.words[:-1], str(tmp_path / "pgbouncer.ini")]
    text = subprocess.run(words, capture_output=True, check=True).stdout.decode()
    assert "secret" not in text
    found = READ.answer(said(text))
    assert found == Pooler(
        port=6543,
        sockets=Path("/run/pooler"),
        databases={
            "soleil": Pooled(host="127.0.0.1", port=5433, name="real"),
            "bare": Pooled(),
            "*": Pooled(host="db1"),
        },
    )
    assert found.behind("anything") == Pooled(host="db1")


def test_a_host_without_pgbouncer_has_none() -> None:
    gone = "grep: /etc/pgbouncer/pgbouncer.ini: No such file or directory\n"
    assert READ.answer(said(status=2, stderr=gone)) is None
    with pytest.raises(FactError, match="needs root"):
        READ.answer(said(status=2, stderr="grep: /etc/pgbouncer/pgbouncer.ini: Permission denied\n"))
    with pytest.raises(FactError, match="nothing that a pgbouncer would need"):
        READ.answer(said(status=1))


@pytest.mark.parametrize("text", ["x", "1:soleil =\n", "x:[databases]\n"])
def test_what_is_no_configuration_is_an_error(text: str) -> None:
    with pytest.raises(FactError):
        READ.answer(said(text))


def test_what_is_no_table_is_an_error() -> None:
    with pytest.raises(FactError, match="no table of pgbouncer's"):
        AskPooler(6432, SOCKETS, "POOLS").answer(said("a\tb\n1\t2\n"))


def state(**tables: str) -> PoolerState:
    def table(what: str) -> tuple[Mapping[str, str], ...]:
        return AskPooler(6432, SOCKETS, what).answer(said(tables.get(what, POOLER[what])))

    return pooler_state("soleil", table("DATABASES"), table("POOLS"), table("STATE"))


def test_its_console_says_how_a_database_is() -> None:
    assert state() == PoolerState(is_paused=False, is_disabled=False, waiting=5, waited=Duration(12), connections=3)


@pytest.mark.parametrize(
    "tables",
    [
        {"DATABASES": POOLER["DATABASES"].replace("20\t3\t0\t0", "20\t3\t1\t0")},
        {"STATE": POOLER["STATE"].replace("paused\tno", "paused\tyes")},
        {"STATE": POOLER["STATE"].replace("suspended\tno", "suspended\tyes")},
    ],
)
def test_all_of_it_may_be_paused_or_one_database(tables: dict[str, str]) -> None:
    assert state(**tables).is_paused


def test_an_older_one_says_of_single_databases_only_whether_they_are_paused() -> None:
    def paused(text: str) -> bool | None:
        databases = AskPooler(6432, SOCKETS, "DATABASES").answer(said(text))
        return pooler_state("soleil", databases, (), None).is_paused

    assert paused(POOLER["DATABASES"]) is None
    assert paused(POOLER["DATABASES"].replace("20\t3\t0\t0", "20\t3\t1\t0")) is True


def test_a_database_may_be_disabled() -> None:
    found = state(DATABASES=POOLER["DATABASES"].replace("20\t3\t0\t0", "20\t3\t0\t1"))
    assert (found.is_paused, found.is_disabled) == (False, True)


def test_its_console_is_asked_as_the_user_it_runs_as_and_a_folder_stays_one_value() -> None:
    command = AskPooler(6432, Path("/run/it's \\ here"), "STATE").command
    (place,) = [word for word in command.words if word.startswith("--dbname=")]
    assert command.user == "postgres"
    assert place.startswith("--dbname=host='/run/it\\'s \\\\ here' port=6432 user=pgbouncer dbname=pgbouncer ")
    assert "connect_timeout=3 application_name=soleil-remediate" in place
