"""Drive reads: every read advances until it waits, and all waiting questions travel in one batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack
from typing import Any, TypeAlias

from soleil_remediate.command import Answers, Command, Output, Query, Questions, Read, Secret
from soleil_remediate.errors import FactError

#: Sends commands in one round trip; one answer each, in their order, or why there is none.
AskBatch: TypeAlias = Callable[[Sequence[Command]], Sequence[Output | FactError]]

#: More turns than any read can need; one that takes more asks in circles, and would hold up a host for ever.
_MOST_TURNS = 64


def look(reads: Sequence[Read[Any]], ask_batch: AskBatch) -> list[Any]:
    """Drive *reads* to their ends, together.

    Within one look the same question is asked once; a command that reads a secret is never shared. Answers are thrown
    away with the look: a fresh one asks again. The coroutines are closed, whatever happens.

    Returns:
        For each read what it returned, or the FactError that ended it: a read that fails fails alone.

    Raises:
        Exception: Whatever *ask_batch* raises, and what a read raises that is no FactError: that one is a bug.
    """
    with ExitStack() as closing:
        for read in reads:
            closing.callback(read.close)
        turns = [_Turns(read) for read in reads]
        for one in turns:
            one.start()
        known: dict[Hashable, Output | FactError] = {}
        while waiting := [one for one in turns if one.advance(known)]:
            asked = {key: query.command for one in waiting for key, query in one.open_questions(known)}
            known.update(zip(asked, ask_batch(tuple(asked.values())), strict=True))
        return [one.result for one in turns]


class _Turns:
    """One read on its way: what it waits for, and what became of it."""

    def __init__(self, read: Read[Any]) -> None:
        self._read = read
        self._questions: Questions | None = None
        self._taken = 0
        self.result: Any = None

    def start(self) -> None:
        self._turn(None)

    def advance(self, known: dict[Hashable, Output | FactError]) -> bool:
        """Go on as far as *known* answers lead; return whether it still waits."""
        while self._questions is not None:
            keys = [self._key(place, query) for place, query in enumerate(self._questions)]
            if not all(key in known for key in keys):
                return True
            self._turn(tuple(known[key] for key in keys))
        return False

    def open_questions(self, known: dict[Hashable, Output | FactError]) -> list[tuple[Hashable, Query[Any]]]:
        """Return what it waits for and nobody has answered yet, each with the key its answer goes by."""
        keyed = ((self._key(place, query), query) for place, query in enumerate(self._questions or ()))
        return [(key, query) for key, query in keyed if key not in known]

    def _turn(self, answers: Answers | None) -> None:
        self._taken += 1
        if self._taken > _MOST_TURNS:
            raise RuntimeError(f"a read that asks more than {_MOST_TURNS} times never ends: {self._read!r}")
        self._questions = None
        try:
            self._questions = self._read.send(answers)  # type: ignore[arg-type]  # None starts a coroutine
        except StopIteration as end:
            self.result = end.value
        except FactError as error:
            self.result = error

    def _key(self, place: int, query: Query[Any]) -> Hashable:
        """Return what makes two questions one: the command, but never where it reads a secret."""
        if isinstance(query.command.stdin, Secret):
            return (id(self), self._taken, place)
        return query.command
