"""Run several reads inside one, so that questions which do not depend on each other share a round trip."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from soleil_remediate.command import Answers, Query, Questions, Read

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class _Together:
    reads: tuple[Read[Any], ...]

    def __await__(self) -> Generator[Questions, Answers, tuple[Any, ...]]:
        results: list[Any] = [None] * len(self.reads)
        waiting: dict[int, Questions] = {}

        def advance(index: int, answers: Answers | None) -> None:
            try:
                waiting[index] = self.reads[index].send(answers)  # type: ignore[arg-type]  # None starts a coroutine
            except StopIteration as end:
                results[index] = end.value

        with ExitStack() as closing:
            for read in self.reads:
                closing.callback(read.close)
            for index in range(len(self.reads)):
                advance(index, None)
            while waiting:
                asked, waiting = waiting, {}
                answers = yield _all(tuple(asked.values()))
                start = 0
                for index, questions in asked.items():
                    advance(index, answers[start : start + len(questions)])
                    start += len(questions)
        return tuple(results)


def _all(questions: Sequence[Questions]) -> tuple[Query[Any], ...]:
    return tuple(query for group in questions for query in group)


@overload
async def together(a: Read[A], b: Read[B], /) -> tuple[A, B]: ...
@overload
async def together(a: Read[A], b: Read[B], c: Read[C], /) -> tuple[A, B, C]: ...
@overload
async def together(a: Read[A], b: Read[B], c: Read[C], d: Read[D], /) -> tuple[A, B, C, D]: ...
@overload
async def together(a: Read[A], b: Read[B], c: Read[C], d: Read[D], e: Read[E], /) -> tuple[A, B, C, D, E]: ...
async def together(*reads: Read[Any]) -> tuple[Any, ...]:
    """Run independent reads side by side: as many round trips as the longest of them takes.

    Raises:
        FactError: The first that failed; the others are given up.
    """
    return await _Together(reads)
