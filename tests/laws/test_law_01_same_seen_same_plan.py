"""Law 1: the same seen gives an equal plan."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from soleil_remediate.task import Check, Look, Reading, Task
from tests.laws.samples import KINDS, TASKS, changes_of, sample, seen_by


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_a_plan_depends_on_what_was_seen_and_on_nothing_else(kind: type[Task[Any]]) -> None:
    task, other = sample(kind), sample(kind)
    assert isinstance(task, Task)
    assert isinstance(other, Task)
    seen = seen_by(task)
    kept = deepcopy(seen)
    plan = task.plan(seen)
    assert seen == kept, "planning changed what was seen"
    for again in (task.plan(seen), task.plan(kept), other.plan(seen_by(other))):
        assert again == plan
        digests = [change.digest("web1", kind.kind) for change in again.changes]
        assert digests == [change.digest("web1", kind.kind) for change in plan.changes]
    assert changes_of(kind) == plan.changes


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_was_seen_is_a_value_and_judging_or_showing_it_is_pure(kind: type[Reading[Any]]) -> None:
    reading = sample(kind)
    seen = seen_by(reading)
    kept = deepcopy(seen)
    if isinstance(reading, Check):
        assert reading.judge(seen) == reading.judge(kept)
    if isinstance(reading, Look):
        assert reading.show(seen) == reading.show(kept)
    assert seen == kept
