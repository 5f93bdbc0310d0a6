from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.replies import AskDatabase, AskRedis, Reply
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

ROOT = Path("/srv/app")
DATABASE, REDIS = AskDatabase(ROOT, "www-data"), AskRedis(ROOT, "www-data")


@pytest.mark.parametrize("query", [DATABASE, REDIS], ids=["database", "redis"])
def test_a_server_answers_an_application_or_says_why_not(query: AskDatabase | AskRedis) -> None:
    assert query.answer(said(STARTED + '{"answered":true,"class":"","why":"","milliseconds":4.5}\n')) == Reply(
        is_answered=True, took=Duration(0.0045)
    )
    refused = '{"answered":false,"milliseconds":2,"class":"PDOException","why":"SQLSTATE[08006] [7]\\n\\tIs it on?"}\n'
    assert query.answer(said(STARTED + refused)) == Reply(
        is_answered=False, took=Duration(0.002), error="PDOException", why="SQLSTATE[08006] [7] Is it on?"
    )


@pytest.mark.parametrize("query", [DATABASE, REDIS], ids=["database", "redis"])
def test_a_server_that_keeps_an_application_waiting_does_not_answer(query: AskDatabase | AskRedis) -> None:
    reply = query.answer(said(STARTED, status=124))
    assert (reply.is_answered, reply.took, reply.why) == (False, Duration(13), "no answer in time")


@pytest.mark.parametrize("query", [DATABASE, REDIS], ids=["database", "redis"])
def test_an_application_that_takes_all_the_time_itself_says_nothing_about_a_server(
    query: AskDatabase | AskRedis,
) -> None:
    with pytest.raises(FactError):
        query.answer(said(status=124))


def test_a_redis_that_answers_says_of_itself_what_the_application_may_ask() -> None:
    told = '{"answered":true,"class":"","why":"","milliseconds":1,"says":{"maxmemory":"0","db0":"keys=1,expires=0"}}\n'
    assert REDIS.answer(said(STARTED + told)).says == {"maxmemory": "0", "db0": "keys=1,expires=0"}
    assert "maxmemory_policy" in REDIS.command.words[-1]
    for nonsense in ("[]", '"x"', '{"maxmemory":[]}'):
        with pytest.raises(FactError):
            REDIS.answer(said(STARTED + told.replace('{"maxmemory":"0","db0":"keys=1,expires=0"}', nonsense)))
