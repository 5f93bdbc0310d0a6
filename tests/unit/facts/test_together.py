from __future__ import annotations

from dataclasses import dataclass
from inspect import CORO_CLOSED, getcoroutinestate

import pytest

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.together import together
from tests.unit.facts.answers import Prepared, said, see


@dataclass(frozen=True)
class Say(Query[str]):
    text: str

    @property
    def command(self) -> Command:
        return Command(("echo", self.text))

    def parse(self, output: Output) -> str:
        return output.text


async def in_turn(*texts: str) -> list[str]:
    return [await Reader().ask(Say(text)) for text in texts]


ANSWERS: list[tuple[str, Output | FactError]] = [
    ("echo bad", FactError("broken")),
    *((f"echo {text}", said(text)) for text in "abcde"),
]


def test_reads_side_by_side_take_as_many_rounds_as_the_longest() -> None:
    assert see(together(in_turn("a", "b"), in_turn("c"), in_turn()), *ANSWERS) == (["a", "b"], ["c"], [])


def test_they_nest() -> None:
    read = together(together(in_turn("a", "b"), in_turn("c")), in_turn("d", "e"))
    assert see(read, *ANSWERS) == ((["a", "b"], ["c"]), ["d", "e"])


def test_one_that_fails_ends_all_and_leaves_none_open() -> None:
    left = in_turn("a", "b", "c")
    with pytest.raises(FactError, match="broken"):
        see(together(left, in_turn("bad")), *ANSWERS)
    assert getcoroutinestate(left) == CORO_CLOSED


def test_prepared_answers_are_not_guessed() -> None:
    with pytest.raises(AssertionError, match="nobody prepared"):
        Prepared([]).ask([Command(("true",))])
