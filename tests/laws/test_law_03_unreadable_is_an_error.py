"""Law 3: every query raises FactError on exit 127, on garbage, and on empty success unless it declares that."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from typing import Any

import pytest

import soleil_remediate.facts
from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.look import look
from soleil_remediate.task import Reading
from tests.laws.samples import KINDS, RARE, queries_of, sample

GARBAGE = (
    b"garbage",
    b"garbage\n",
    b"\0",
    b"\0\0\0",
    b"\xff\xfe\x00\n\x1b[31m\0",
    b"a\tb\tc\td\te\tf\tg\0",
    b"\n" * 50,
    b"-1\n",
    b"<html>502 Bad Gateway</html>\n",
    b"9" * 5000 + b"\n",
)


def _classes() -> list[type[Query[Any]]]:
    found = []
    for module in pkgutil.iter_modules(soleil_remediate.facts.__path__, "soleil_remediate.facts."):
        for value in vars(importlib.import_module(module.name)).values():
            is_own = inspect.isclass(value) and value.__module__ == module.name
            if is_own and issubclass(value, Query) and not inspect.isabstract(value):
                found.append(value)
    return found


def _queries() -> list[Query[Any]]:
    """Return one of every class that the samples ask, and those that they do not."""
    asked: dict[type, Query[Any]] = {type(query): query for query in RARE}
    for kind in KINDS:
        for query in queries_of(sample(kind)):
            asked.setdefault(type(query), query)
    return list(asked.values())


QUERIES = _queries()


def test_every_fact_is_held_to_the_law() -> None:
    assert {type(query) for query in QUERIES} >= set(_classes())


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_a_missing_program_is_no_answer(query: Query[Any]) -> None:
    for status in (126, 127):
        with pytest.raises(FactError):
            query.answer(Output(exit_status=status, stderr=b"sh: 1: x: not found\n"))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_a_crash_an_error_and_a_cut_answer_are_none(query: Query[Any]) -> None:
    for output in (
        Output(exit_status=139),
        Output(exit_status=255, stderr=b"x\n"),
        Output(exit_status=0, stdout=b"x\n", cut=1),
    ):
        with pytest.raises(FactError):
            query.answer(output)


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:12]))
@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_garbage_is_no_answer(query: Query[Any], garbage: bytes) -> None:
    with pytest.raises(FactError):
        query.answer(Output(exit_status=0, stdout=garbage))


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: type(query).__name__)
def test_silence_is_an_answer_only_where_it_is_declared(query: Query[Any]) -> None:
    if query.empty_is is None:
        with pytest.raises(FactError, match="no output"):
            query.answer(Output(exit_status=0))
    else:
        assert len(query.empty_is) > 10, "say why silence can be an answer"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_kind_is_unknown_where_a_host_says_nothing_intelligible(kind: type[Reading[Any]]) -> None:
    for output in (Output(exit_status=127), Output(exit_status=0), Output(exit_status=0, stdout=b"garbage")):

        def ask(commands: Sequence[Command], output: Output = output) -> list[Output | FactError]:
            return [output] * len(commands)

        (seen,) = look([sample(kind).read(Reader())], ask)
        assert isinstance(seen, FactError)
