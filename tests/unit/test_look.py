from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import CORO_CLOSED, getcoroutinestate
from typing import Any

import pytest

from soleil_remediate.command import Command, Output, Query, Reader, Secret
from soleil_remediate.errors import ConnectionLost, FactError
from soleil_remediate.look import look


@dataclass(frozen=True)
class Say(Query[str]):
    text: str
    stdin: str | Secret | None = None

    @property
    def command(self) -> Command:
        return Command(("echo", self.text), stdin=self.stdin)

    def parse(self, output: Output) -> str:
        if output.stdout == b"garbage":
            raise ValueError("not a word")
        return output.text


class Echo:
    """A host that says what it is told to, and counts."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, commands: Sequence[Command]) -> list[Output | FactError]:
        self.batches.append([command.words[1] for command in commands])
        answers: list[Output | FactError] = []
        for command in commands:
            if command.words[1] == "broken":
                answers.append(FactError("the session broke"))
            else:
                answers.append(Output(exit_status=0, stdout=command.words[1].encode()))
        return answers


async def ask_in_turn(*texts: str) -> str:
    return "".join([await Reader().ask(Say(text)) for text in texts])


def test_all_reads_advance_together_one_batch_a_round() -> None:
    host = Echo()
    assert look([ask_in_turn("a", "b"), ask_in_turn("c"), ask_in_turn("d", "e")], host) == ["ab", "c", "de"]
    assert host.batches == [["a", "c", "d"], ["b", "e"]]


def test_the_same_question_is_asked_once_in_a_look_and_anew_in_the_next() -> None:
    host = Echo()
    assert look([ask_in_turn("a", "b", "a"), ask_in_turn("b", "a")], host) == ["aba", "ba"]
    assert host.batches == [["a", "b"]]
    look([ask_in_turn("a")], host)
    assert host.batches == [["a", "b"], ["a"]]


def test_a_question_that_reads_a_secret_is_never_shared() -> None:
    host, secret = Echo(), Secret("s3cret")

    async def ask() -> tuple[str, str]:
        return await Reader().ask_all(Say("a", secret), Say("a", secret))

    assert look([ask(), ask()], host) == [("a", "a"), ("a", "a")]
    assert host.batches == [["a", "a", "a", "a"]]


def test_the_same_words_with_other_input_are_another_question() -> None:
    host = Echo()

    async def ask() -> tuple[str, str]:
        return await Reader().ask_all(Say("a", "1"), Say("a", "2"))

    look([ask()], host)
    assert host.batches == [["a", "a"]]


@pytest.mark.parametrize("text", ["broken", "garbage"])
def test_a_read_that_fails_fails_alone(text: str) -> None:
    failed, fine = look([ask_in_turn("a", text, "never"), ask_in_turn("b", "c")], Echo())
    assert isinstance(failed, FactError)
    assert fine == "bc"


def test_a_read_may_handle_what_could_not_be_answered() -> None:
    async def ask() -> Sequence[str | FactError]:
        return await Reader().ask_each([Say("broken"), Say("a")])

    ((broken, fine),) = look([ask()], Echo())
    assert isinstance(broken, FactError)
    assert fine == "a"


def test_a_read_that_asks_nothing_ends_without_a_round() -> None:
    host = Echo()

    async def ask() -> Sequence[str | FactError]:
        return await Reader().ask_each([])

    assert look([ask()], host) == [()]
    assert look([], host) == []
    assert host.batches == []


def test_a_bug_in_a_read_is_no_fact_and_leaves_no_coroutine_open() -> None:
    async def buggy() -> None:
        await Reader().ask(Say("a"))
        raise ZeroDivisionError

    other = ask_in_turn("b", "c")
    with pytest.raises(ZeroDivisionError):
        look([buggy(), other], Echo())
    assert getcoroutinestate(other) == CORO_CLOSED


def test_what_the_session_raises_ends_the_look_and_leaves_no_coroutine_open() -> None:
    def lost(commands: Sequence[Command]) -> list[Any]:
        raise ConnectionLost("gone")

    read = ask_in_turn("a")
    with pytest.raises(ConnectionLost):
        look([read], lost)
    assert getcoroutinestate(read) == CORO_CLOSED


def test_a_session_that_answers_too_little_is_a_bug() -> None:
    with pytest.raises(ValueError, match="shorter"):
        look([ask_in_turn("a")], lambda commands: [])


def test_a_read_that_never_ends_is_a_bug_and_ends() -> None:
    async def circling() -> None:
        while True:
            await Reader().ask(Say("a"))

    with pytest.raises(RuntimeError, match="never ends"):
        look([circling()], Echo())
