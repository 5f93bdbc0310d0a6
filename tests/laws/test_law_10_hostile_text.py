"""Law 10: hostile text in any field never becomes code or an option."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any, get_type_hints

import pytest

from soleil_remediate.command import Command, Output, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.look import look
from soleil_remediate.task import Check, Look, Reading, Task
from tests.laws.samples import ANSWERS, KINDS, sample
from tests.laws.test_law_02_reads_only_read import why_not
from tests.unit.facts.answers import record, run_here, said

HOSTILE = (
    "a'b\"c\\d",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY ;",
    "\ntouch CANARY\n",
    "-delete",
    "--files0-from=CANARY",
    "( -delete )",
    "\u202egol.x",
    "\x1b]0;title\x07",
    "*",
    "[!a]?",
    "%n%p\\0",
    "x" * 65_536,
)


def _fields(kind: type[Reading[Any]]) -> Iterator[tuple[str, Any]]:
    for name, annotation in get_type_hints(kind).items():
        is_field = any(field.name == name for field in dataclasses.fields(kind))  # type: ignore[arg-type]
        if is_field and any(part in str(annotation) for part in ("str", "PurePosixPath")):
            yield name, annotation


def _with(kind: type[Reading[Any]], name: str, annotation: Any, text: str) -> Reading[Any] | None:
    """Return a use of *kind* with hostile text in one field; ``None`` where the kind itself refuses it."""
    value: Any = text
    if "PurePosixPath" in str(annotation):
        value = Path("/srv/law") / text
    if "tuple" in str(annotation):
        value = (value,)
    try:
        return dataclasses.replace(sample(kind), **{name: value})  # type: ignore[type-var]  # every kind is one
    except ValueError:
        return None


CASES = [(kind, name, annotation) for kind in KINDS for name, annotation in _fields(kind)]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("kind, name, annotation", CASES, ids=lambda case: getattr(case, "kind", None))
def test_hostile_arguments_stay_one_word_on_a_real_machine(
    kind: type[Reading[Any]], name: str, annotation: Any, text: str, tmp_path: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = _with(kind, name, annotation, text)
    if reading is None:
        return
    monkeypatch.chdir(tmp_path)

    def ask(commands: Sequence[Command]) -> list[Output | FactError]:
        assert [why_not(command) for command in commands] == [""] * len(commands)
        return [run_here(command) for command in commands]

    look([reading.read(Reader())], ask)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", HOSTILE[:-1], ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_hostile_names_on_a_host_stay_words_of_a_command(
    kind: type[Reading[Any]], text: str, tmp_path: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that calls its files so is read, judged, planned and shown; no word of a change begins with the name."""
    name = f"/srv/backups/{text}/x.sql".replace("\n", "\\n")
    evil = record(name, size=2**28, device=0x704, inode=30)

    def answer(words: str) -> Output:
        found = next((output for part, output in ANSWERS if part in words), said(status=1))
        return said(found.stdout + evil) if "-printf %D" in words else found

    def ask(commands: Sequence[Command]) -> list[Output | FactError]:
        return [answer(" ".join(command.words)) for command in commands]

    reading = sample(kind)
    (seen,) = look([reading.read(Reader())], ask)
    if isinstance(seen, FactError):
        return
    monkeypatch.chdir(tmp_path)
    if isinstance(reading, Look):
        reading.show(seen)
    if isinstance(reading, Check):
        reading.judge(seen)
    if isinstance(reading, Task):
        for change in _planned(reading, seen):
            options = [word for word in change.words[1:] if word.startswith("-")]
            assert all(option == "-c" or text not in option for option in options)


def _planned(task: Task[Any], seen: Any) -> list[Command]:
    verdict = task.judge(seen)
    return [change.command for change in task.plan(seen).changes] if verdict.health.value == "faulty" else []
