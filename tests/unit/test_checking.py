"""A routine on hosts: each of its checks said what it saw, what is left to people is told, and nothing is changed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from xml.etree import ElementTree as Xml

import pytest

from soleil_remediate import cli
from soleil_remediate.catalog import Catalog
from soleil_remediate.checked import Checked
from soleil_remediate.checking import check, check_hosts
from soleil_remediate.cli import checking as verb
from soleil_remediate.command import Command
from soleil_remediate.duties import DutySeen
from soleil_remediate.errors import ConfigError, ConnectionLost, ExitStatus, FactError, UnknownName
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached
from soleil_remediate.invocation import Invocation
from soleil_remediate.loading import load_routines
from soleil_remediate.reporters.junit import junit_routine
from soleil_remediate.reporters.routines import routine_page
from soleil_remediate.scenario import Routine
from soleil_remediate.task import Health
from soleil_remediate.transports.scripted import ScriptedHost, ScriptedTransport
from tests import tiny
from tests.unit.facts.application import STARTED
from tests.unit.facts.statements import DATABASE_SIZE, SLOW_QUERIES
from tests.unit.reporters.approved import approve
from tests.unit.reporters.junit_schema import parsed

Soleil: TypeAlias = "Callable[..., tuple[int, str, str]]"

CATALOG = Catalog.of(tiny.FileSays, tiny.PutFile, tiny.ShowFile)
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
NIGHTLY = """\
routine: nightly
title: Nightly checks
hosts: web
inputs:
  third: {type: path, about: One more file}
checks:
  - file.says: {path: /srv/one}
  - file.says: {path: /srv/two}
  - file.says: {path: "{{ inputs.third }}"}
    only_with: [third]
duties:
  - {duty: read-logs, what: Read the logs, every: 7 d}
"""


@pytest.fixture
def routine(tmp_path: Path) -> Routine:
    (tmp_path / "routines").mkdir()
    (tmp_path / "routines" / "nightly.yml").write_text(NIGHTLY)
    return load_routines([tmp_path], CATALOG)["nightly"]


@pytest.fixture
def host() -> ScriptedHost:
    return tiny.scripted(says="good")


def let(host: ScriptedHost, path: str, says: str | FactError | Callable[[Command], str]) -> None:
    host.on_read(partial(_is_about, path), f"{says}\n" if isinstance(says, str) else says)


def _is_about(path: str, command: Command) -> bool:
    return command.words[4:] == (path,)


def checked(routine: Routine, host: ScriptedHost, *given: str, which: Host | None = None) -> Checked:
    (found,) = check_hosts(routine, (which or tiny.host(),), given, catalog=CATALOG, transport=ScriptedTransport(host))
    return found


def outline(found: Checked) -> list[str]:
    return [one.verdict.health.value for one in found.checks]


@pytest.mark.parametrize(
    "one, two, expected, status",
    [
        ("good", "good", ["healthy", "healthy"], 0),
        ("good", "bad", ["healthy", "faulty"], 5),
        (FactError("no answer"), "good", ["unknown", "healthy"], 5),
        (FactError("no answer"), "bad", ["unknown", "faulty"], 5),
    ],
)
def test_each_check_counts_and_none_stands_for_another(
    routine: Routine, host: ScriptedHost, one: str | FactError, two: str, expected: list[str], status: int
) -> None:
    let(host, "/srv/one", one)
    let(host, "/srv/two", two)
    found = checked(routine, host)
    assert outline(found) == expected
    assert (found.exit_status, found.round_trips, found.end) == (status, 1, None)
    assert [(one.kind, one.missing) for one in found.left_out] == [("file.says", ("third",))]
    assert host.sent == []


def test_a_check_whose_input_is_given_is_not_left_out(routine: Routine, host: ScriptedHost) -> None:
    let(host, "/srv/one", "good")
    let(host, "/srv/two", "good")
    let(host, "/srv/three", "bad")
    found = checked(routine, host, "third=/srv/three")
    assert outline(found) == ["healthy", "healthy", "faulty"]
    assert found.left_out == ()


def test_what_is_wrong_with_one_host_ends_that_one_alone(routine: Routine) -> None:
    good, lost, bug = tiny.scripted(says="good"), tiny.scripted(), tiny.scripted()
    let(lost, "/srv/one", raising(ConnectionLost("gone")))
    let(bug, "/srv/one", raising(ZeroDivisionError("oh")))
    ends = [checked(routine, one).end for one in (good, lost, bug)]
    assert ends[0] is None
    assert isinstance(ends[1], NotReached)
    assert isinstance(ends[2], Crashed)


#: What the shipped weekly routine asks, and what a host answers on which all is well.
WEEK = {
    "failed-jobs": {"driver": "database-uuids", "total": 0, "jobs": []},
    "slow-queries": {
        "logs": [{"channel": "query", "file": "/q.log", "is_there": False, "slow": 0, "lacks": []}],
        "queries": [],
    },
    "database-size": DATABASE_SIZE,
}


@pytest.fixture
def weekly(tmp_path: Path) -> Callable[..., Checked]:
    def look(variables: str = "{app: {name: shop, root: /srv/shop/current}}", **more: Any) -> Checked:
        inventory = tmp_path / "shop.yml"
        inventory.write_text(f"all: {{vars: {variables}, children: {{web: {{hosts: {{web1: {{}}}}}}}}}}\n")
        inputs, host = more.pop("inputs", {}), tiny.scripted()
        for about, answer in (WEEK | more).items():
            host.on_read(partial(_is_php, about), f"{STARTED}{json.dumps(answer)}\n")
        transport = ScriptedTransport(host)
        (found,) = check(routine="weekly", hosts="web1", inventory=inventory, inputs=inputs, transport=transport)
        assert host.sent == []
        return found

    return look


def _is_php(about: str, command: Command) -> bool:
    return command.words[:3] == ("php", "--", about)


def test_by_the_week_jobs_queries_and_the_databases_size_are_measured_in_one_round(
    weekly: Callable[..., Checked],
) -> None:
    found = weekly()
    assert [(one.kind, one.verdict.health) for one in found.checks] == [
        ("jobs.done", Health.HEALTHY),
        ("queries.quick", Health.HEALTHY),
        ("database.size", Health.HEALTHY),
    ]
    assert (found.exit_status, found.round_trips, found.left_out) == (0, 1, ())


@pytest.mark.parametrize(
    "inputs, red",
    [
        ({}, {"jobs.done", "queries.quick"}),
        ({"database_below": "9 MiB"}, {"jobs.done", "queries.quick", "database.size"}),
        ({"most_failed": "1"}, {"queries.quick"}),
        ({"failed_within": "1 min", "most_slow": "60"}, set()),
    ],
)
def test_what_is_too_much_by_the_week_may_be_set(
    weekly: Callable[..., Checked], inputs: dict[str, str], red: set[str]
) -> None:
    job = ["01234567-89ab-cdef-0123-456789abcdef", "App\\Jobs\\Export", "RuntimeException", "redis", "high", 60]
    failed = {"driver": "database-uuids", "total": 1, "jobs": [job]}
    found = weekly(inputs=inputs, **{"failed-jobs": failed, "slow-queries": SLOW_QUERIES})
    assert {one.kind for one in found.of(Health.FAULTY)} == red
    assert found.exit_status == (5 if red else 0)


def test_what_cannot_be_measured_by_the_week_is_not_well(weekly: Callable[..., Checked]) -> None:
    down = {"class": "PDOException", "why": "connection refused"}
    found = weekly(**{"failed-jobs": {"driver": "database"} | down, "slow-queries": {"logs": [], "queries": []}})
    assert [one.verdict.health for one in found.checks] == [Health.UNKNOWN, Health.UNKNOWN, Health.HEALTHY]
    assert found.exit_status == 5


def test_a_host_without_an_application_is_not_well_by_the_week(weekly: Callable[..., Checked]) -> None:
    found = weekly(variables="{}")
    assert [one.kind for one in found.left_out] == ["jobs.done", "queries.quick", "database.size"]
    assert found.exit_status == 2


def raising(error: Exception) -> Callable[[Command], str]:
    def answer(_: Command) -> str:
        raise error

    return answer


def test_a_host_that_the_routine_is_not_for_is_refused_before_any_is_asked(
    routine: Routine, host: ScriptedHost
) -> None:
    with pytest.raises(ConfigError, match="nightly is for web, and web1 is not among them"):
        check_hosts(
            routine, (tiny.host(),), (), catalog=CATALOG, transport=ScriptedTransport(host), select=lambda _: ()
        )


def test_a_routine_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(UnknownName, match="did you mean 'daily'"):
        check(routine="dayly", hosts="deploy@127.0.0.1")


def duty(routine: Routine, *, is_due: bool) -> DutySeen:
    (one,) = routine.duties
    return DutySeen(duty=one, by="" if is_due else "jan@laptop", at=None if is_due else NOW, is_due=is_due)


def test_the_page_tells_what_is_wrong_first_and_what_is_due(routine: Routine, host: ScriptedHost) -> None:
    let(host, "/srv/one", "good")
    let(host, "/srv/two", "bad")
    let(host, "/srv/three", FactError("only root may read it"))
    found = checked(routine, host, "third=/srv/three")
    away = Checked(host=tiny.host("web2"), end=NotReached(why="nobody listens on port 22", is_retryable=True))
    less = checked(routine, host)
    again = Invocation(inventory="production.yml")
    page = routine_page(routine, (found, away, less), (duty(routine, is_due=True),), again, ExitStatus.UNREACHABLE, 80)
    approve("routine", page.text)
    done = routine_page(routine, (), (duty(routine, is_due=False),), again, ExitStatus.OK, 80)
    approve("routine-confirmed", done.text)


def test_the_junit_document_is_red_exactly_where_the_exit_status_is(routine: Routine, host: ScriptedHost) -> None:
    let(host, "/srv/one", "good")
    let(host, "/srv/two", "bad")
    red, due = checked(routine, host), duty(routine, is_due=True)
    let(host, "/srv/two", "good")
    green, done = checked(routine, host), duty(routine, is_due=False)
    away = Checked(host=tiny.host("web2"), end=NotReached(why="nobody listens", is_retryable=True))

    def endings(*found: Checked, seen: DutySeen) -> list[list[str]]:
        root = parsed(junit_routine("check", routine, found, (seen,), ended=NOW))
        return [[_ending(case) for case in suite.iter("testcase")] for suite in root.iter("testsuite")]

    assert endings(red, seen=due) == [["passed", "failure", "skipped"], ["failure"]]
    assert endings(green, away, seen=done) == [["passed", "passed", "skipped"], ["error"], ["passed"]]


def _ending(case: Xml.Element) -> str:
    return next((child.tag for child in case), "passed")


# --- the command ------------------------------------------------------------------------------------------------------

INVENTORY = """\
all:
  children:
    web:
      hosts:
        web1: {ansible_host: 127.0.0.1, ansible_port: 9}
"""


@pytest.fixture
def soleil(
    routine: Routine, tmp_path: Path, host: ScriptedHost, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> Soleil:
    (tmp_path / "production.yml").write_text(INVENTORY)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SOLEIL_INVENTORY", str(tmp_path / "production.yml"))
    monkeypatch.setattr(sys, "argv", ["/usr/bin/soleil-remediate"])
    monkeypatch.setattr(verb, "load_catalog", lambda: CATALOG)
    monkeypatch.setattr(verb, "load_routines", lambda *_: {routine.name: routine})
    monkeypatch.setattr(verb, "check_local_files", lambda _: None)
    monkeypatch.setattr(verb, "EachItsWay", lambda: ScriptedTransport(host))
    let(host, "/srv/one", "good")

    def run(*words: str) -> tuple[int, str, str]:
        status = cli.main(words)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_duty_is_due_until_somebody_confirms_it(soleil: Soleil, host: ScriptedHost) -> None:
    let(host, "/srv/two", "good")
    status, out, _ = soleil("check", "nightly", "--host", "web1")
    assert status == 5
    assert "DUE    read-logs: Read the logs (every 7 d; never confirmed here)" in out
    assert "soleil-remediate check nightly --confirm read-logs" in out
    status, out, _ = soleil("check", "nightly", "--confirm", "read-logs")
    assert (status, "nothing of it is due" in out) == (0, True)
    status, out, _ = soleil("check", "nightly", "--host", "web1")
    assert (status, "all is well that was looked at · exit 0" in out) == (0, True)


@pytest.mark.parametrize("host_words", [(), ("--host", "web1")])
def test_a_routine_of_duties_alone_says_that_no_host_was_asked(
    soleil: Soleil, routine: Routine, host: ScriptedHost, monkeypatch: Any, host_words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(verb, "load_routines", lambda *_: {"nightly": replace(routine, checks=())})
    status, out, _ = soleil("check", "nightly", *host_words)
    assert (status, "no host is asked: nightly has duties alone" in out, "web1" in out) == (5, True, False)
    soleil("check", "nightly", "--confirm", "read-logs")
    status, out, _ = soleil("check", "nightly", *host_words)
    assert (status, "no host is asked: nightly has duties alone" in out) == (0, True)
    assert host.sent == []


def test_a_host_that_there_is_not_is_refused_also_where_none_is_asked(
    soleil: Soleil, routine: Routine, monkeypatch: Any
) -> None:
    monkeypatch.setattr(verb, "load_routines", lambda *_: {"nightly": replace(routine, checks=())})
    status, _, err = soleil("check", "nightly", "--host", "wbe1")
    assert (status, "did you mean 'web1'" in err) == (2, True), err


def test_a_program_gets_one_document(soleil: Soleil, host: ScriptedHost) -> None:
    let(host, "/srv/two", "bad")
    status, out, _ = soleil("check", "nightly", "--host", "web1", "-o", "json")
    found = json.loads(out)
    assert (status, found["exit_status"], found["routine"]) == (5, 5, "nightly")
    (one,) = found["hosts"]
    assert [seen["verdict"]["health"] for seen in one["checks"]] == ["healthy", "faulty"]
    assert [seen["is_due"] for seen in found["duties"]] == [True]
    status, out, _ = soleil("check", "nightly", "--host", "web1", "-o", "junit")
    assert (status, parsed(out).tag) == (5, "testsuites")


@pytest.mark.parametrize(
    "words, told",
    [
        (("check",), "check needs"),
        (("check", "nihgtly", "--host", "web1"), "did you mean 'nightly'"),
        (("check", "nightly"), "--host"),
        (("check", "nightly", "--confirm", "read-lgos"), "did you mean 'read-logs'"),
        (("check", "nightly", "--confirm", "read-logs", "--host", "web1"), "leave --host out"),
        (("check", "nightly", "--host", "web1", "--set", "thrid=x"), "did you mean 'third'"),
        (("check", "nightly", "--host", "web1", "-o", "github"), "there are console, json and junit"),
    ],
)
def test_what_cannot_be_meant_is_refused(soleil: Soleil, host: ScriptedHost, words: tuple[str, ...], told: str) -> None:
    status, _, err = soleil(*words)
    assert (status, told in err) == (2, True), err
    assert host.sent == []


def test_the_health_of_a_check_is_that_of_its_verdict(routine: Routine, host: ScriptedHost) -> None:
    let(host, "/srv/one", "good")
    let(host, "/srv/two", "bad")
    found = checked(routine, host)
    assert [len(found.of(health)) for health in Health] == [1, 1, 0]
    assert replace(found, checks=(), left_out=()).exit_status == 0, "a routine may be of duties only"


def test_a_host_on_which_every_check_is_left_out_is_not_called_well(routine: Routine, host: ScriptedHost) -> None:
    bare = replace(checked(routine, host), checks=())
    page = routine_page(routine, (bare,), (), Invocation(inventory="production.yml"), bare.exit_status, 80)
    assert page.text.splitlines()[-1] == "nothing checked on 1 host · exit 2"
    root = parsed(junit_routine("check", routine, (bare,), (), ended=NOW))
    assert [_ending(case) for case in root.iter("testcase")] == ["skipped", "error"]
