from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Command, Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.http import Response
from soleil_remediate.look import look
from soleil_remediate.looks.dependencies import Dependencies, DependencyOverview
from soleil_remediate.task import Text, Verdict
from soleil_remediate.units import Duration
from tests.laws.samples import Asked
from tests.unit.facts.answers import NOT_THERE
from tests.unit.facts.redis import SHOP

OTHERS = ("https://api.example/", "https://mail.example/", "https://x.example/")
LOOK = DependencyOverview(root=SHOP, third_parties=OTHERS)
WELL = Verdict.healthy("it answers")


def lines(*own: Verdict | FactError, others: tuple[Response | FactError, ...] = ()) -> list[str]:
    shown = replace(LOOK, third_parties=OTHERS[: len(others)]).show(Dependencies(own=own, others=others))
    assert isinstance(shown, Text)
    return list(shown.lines)


def test_what_answers_is_shown_and_of_what_does_not_its_scenario() -> None:
    down, no_redis = Verdict.faulty("the cluster is down"), Verdict.faulty("no Redis")
    assert lines(down, no_redis, Verdict.unknown("it does not say")) == [
        "database: FAULT, its scenario is database-connection-failure: the cluster is down",
        "Redis: FAULT, its scenario is redis-down: no Redis",
        "Redis's memory: unknown, it does not say",
    ]


def test_what_cannot_be_asked_is_unknown_and_hides_nothing_else() -> None:
    assert lines(FactError("the application cannot be started"), WELL, WELL) == [
        "database: unknown, the application cannot be started",
        "Redis: it answers",
        "Redis's memory: it answers",
    ]


def test_a_third_party_is_reached_by_any_answer() -> None:
    late = Response(status=None, why="too late")
    assert lines(WELL, WELL, WELL, others=(Response(status=401), Response(status=503), late))[3:] == [
        "https://api.example/: is reached, and answers 401",
        "https://mail.example/: FAULT, is reached, and answers 503: ask them",
        "https://x.example/: FAULT, is not answered in time; ask them, and see whether the network here leads there",
    ]
    assert lines(WELL, WELL, WELL, others=(FactError("curl is not there"),))[3:] == [
        "https://api.example/: unknown, curl is not there"
    ]


def test_each_is_asked_by_itself() -> None:
    (seen,) = look([LOOK.read(Reader())], Asked().ask)
    assert isinstance(seen, Dependencies)
    assert [type(one) for one in seen.own] == [Verdict] * 3
    assert [one.status for one in seen.others if isinstance(one, Response)] == [401] * 3


def test_what_cannot_be_asked_of_one_is_asked_of_the_others_all_the_same() -> None:
    host = Asked()

    def ask(commands: Sequence[Command]) -> list[Output | FactError]:
        answers = zip(commands, host.ask(commands), strict=True)
        return [NOT_THERE if command.words[:3] == ("php", "--", "database") else answer for command, answer in answers]

    (seen,) = look([LOOK.read(Reader())], ask)
    assert isinstance(seen, Dependencies)
    assert [type(one) for one in seen.own] == [FactError, Verdict, Verdict]


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"third_parties": ("https://u:p@x/",)}, "must be an address"),
        ({"root": Path("x")}, "must be absolute"),
        ({"within": Duration(0)}, "within must be longer"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        replace(LOOK, **wrong)
