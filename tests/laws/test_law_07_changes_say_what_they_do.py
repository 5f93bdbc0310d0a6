"""Law 7: every change has a risk, a before, an after, and an undo or a stated reason why there is none."""

from __future__ import annotations

from typing import Any

import pytest

from soleil_remediate.catalog import Catalog
from soleil_remediate.loading import load_scenarios, shipped_playbooks
from soleil_remediate.plan import Risk
from soleil_remediate.task import Reading, Task
from tests.laws.samples import KINDS, TASKS, changes_of, sample, seen_by

_LINE = 400  # characters; a reporter wraps, a person still has to read it


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_every_change_says_what_a_person_must_know(kind: type[Task[Any]]) -> None:
    declared = kind.risk  # type: ignore[attr-defined]  # the law: every task declares its highest risk
    for change in changes_of(kind):
        assert isinstance(change.risk, Risk)
        assert change.risk <= declared
        for text in (change.summary, change.before, change.after, change.loses, change.downtime, change.undo.says):
            assert text
            assert text == text.strip()
            assert "\n" not in text
            assert len(text) <= _LINE
        assert not change.summary.endswith(".")
        assert change.summary[0].islower(), "an imperative sentence that goes on from the step's name"
        assert change.before != change.after
        assert change.command.deadline > 0
        if change.risk is Risk.DESTRUCTIVE:
            assert change.loses != "nothing"
        if change.preserve is not None:
            assert change.preserve.size > 0


def _freeing() -> list[type[Reading[Any]]]:
    """Return the tasks that disk-full uses: the only ones that free something."""
    used = {use.kind for use in load_scenarios([shipped_playbooks()], Catalog.of(*KINDS))["disk-full"].steps}
    return [kind for kind in TASKS if kind.kind in used]


@pytest.mark.parametrize("kind", _freeing(), ids=lambda kind: kind.kind)
def test_every_change_says_what_it_gives_back_and_to_what(kind: type[Task[Any]]) -> None:
    for change in changes_of(kind):
        assert change.relieves, "disk-full sends only what eases a fault"
        for relief in change.relieves:
            assert relief.subject.startswith(("space on /", "inodes on /"))
            assert any(character.isdigit() for character in relief.amount)


@pytest.mark.parametrize("kind", TASKS, ids=lambda kind: kind.kind)
def test_a_plan_says_why(kind: type[Task[Any]]) -> None:
    task = sample(kind)
    assert isinstance(task, Task)
    assert task.plan(seen_by(task)).because


def test_what_may_be_evidence_of_an_incident_is_cleared_away_by_these_alone() -> None:
    clearing = {kind.kind for kind in TASKS if kind.clears}
    assert clearing == {"log.truncate", "log.rotate", "journal.vacuum", "backup.prune", "open-file.reopen"}
