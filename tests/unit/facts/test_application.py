from __future__ import annotations

import json
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.command import Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import (
    CacheUsed,
    DatabaseUsed,
    FailedJobsUsed,
    MailUsed,
    QueueUsed,
    ReadApplication,
    RedisUsed,
    SessionsUsed,
    is_local,
)
from soleil_remediate.facts.replies import AskDatabase, AskRedis
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import DESCRIBED, STARTED

ROOT = Path("/srv/app")
READ, DATABASE, REDIS = ReadApplication(ROOT, "www-data"), AskDatabase(ROOT, "www-data"), AskRedis(ROOT, "www-data")


def test_an_application_says_what_it_uses() -> None:
    found = READ.answer(said(STARTED + DESCRIBED))
    assert (found.environment, found.is_debugging, found.version, found.is_cached) == (
        "production",
        False,
        "8.83.26",
        False,
    )
    assert found.database == DatabaseUsed(
        connection="pgsql", driver="pgsql", host="127.0.0.1", port=5432, name="soleil", user="soleil"
    )
    assert found.redis == {
        "default": RedisUsed(host="127.0.0.1", port=6379, database=0, prefix="soleil_database_", has_password=False),
        "cache": RedisUsed(host="/run/redis.sock", port=None, database=1, prefix="", has_password=True),
    }
    assert found.cache == CacheUsed(store="redis", driver="redis", connection="cache", prefix="soleil_cache")
    assert found.limits == CacheUsed(store="file", driver="file", connection="", prefix="soleil_cache")
    assert found.sessions == SessionsUsed(driver="file", connection="", store="")
    assert found.queue == QueueUsed(
        name="redis", driver="redis", connection="default", queue="default", table="", retry_after=Duration(90)
    )
    assert found.failed == FailedJobsUsed(driver="database-uuids", connection="pgsql", table="failed_jobs")
    assert found.mail == MailUsed(
        mailer="smtp", transport="smtp", host="mail.lab", port=2525, encryption="", has_password=False
    )


def test_an_application_that_names_no_connection_has_none() -> None:
    described = json.loads(DESCRIBED)
    described["redis"] = []  # PHP knows one empty array
    described["queue"]["retry_after"] = None
    found = READ.answer(said(STARTED + json.dumps(described)))
    assert found.redis == {}
    assert found.queue.retry_after is None


@pytest.mark.parametrize("query", [READ, DATABASE, REDIS], ids=["application", "database", "redis"])
def test_the_applications_own_code_answers_as_its_own_user(query: Query[object]) -> None:
    command = query.command
    assert command.words[:2] == ("php", "--")
    assert "/srv/app" in command.words
    assert (command.user, command.is_slow) == ("www-data", True)
    assert str(command.stdin).startswith("<?php\n")


@pytest.mark.parametrize("query", [READ, DATABASE, REDIS], ids=["application", "database", "redis"])
def test_an_application_that_cannot_be_started_says_nothing_about_what_it_uses(query: Query[object]) -> None:
    answer = '{"started":false,"class":"ParseError","why":"Unclosed \'(\' on\\n line 9"}\n'
    with pytest.raises(FactError, match=r"the application cannot be started: ParseError: Unclosed '\(' on line 9"):
        query.answer(said(answer))


@pytest.mark.parametrize("query", [READ, DATABASE, REDIS], ids=["application", "database", "redis"])
@pytest.mark.parametrize("text", ["", "{", "[]\n", STARTED, STARTED * 2, STARTED + "1\n", STARTED + DESCRIBED * 2])
def test_anything_else_is_an_error(query: Query[object], text: str) -> None:
    with pytest.raises(FactError):
        query.answer(said(text))


@pytest.mark.parametrize("name", ["debug", "database", "redis", "queue", "mail"])
@pytest.mark.parametrize("value", [1.5, "yes", ["x"], None])
def test_what_is_not_of_its_kind_is_an_error(name: str, value: object) -> None:
    described = json.loads(DESCRIBED)
    described[name] = value
    with pytest.raises(FactError):
        READ.answer(said(STARTED + json.dumps(described)))


@pytest.mark.parametrize(
    "host, expected",
    [("", True), ("localhost", True), ("127.0.0.53", True), ("::1", True), ("/run/postgresql", True), ("db1", False)],
)
def test_a_server_on_the_host_itself_is_known_by_its_address(host: str, expected: bool) -> None:
    assert is_local(host) is expected
