from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.databases import DatabaseUnblocked
from soleil_remediate.checks.statements import StatementUnqueued
from soleil_remediate.command import Reader
from soleil_remediate.decisions import judge
from soleil_remediate.errors import FactError
from soleil_remediate.facts.locks import LockWait
from soleil_remediate.rights import Right
from soleil_remediate.task import Health
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said, see
from tests.unit.facts.application import STARTED

UNQUEUED = StatementUnqueued(root=Path("/srv/soleil/current"))


def wait(
    waits: float = 60, pid: int = 72, blocker: int = 71, state: str = "active", since: float | None = 90
) -> LockWait:
    seconds = None if since is None else Duration(since)
    return LockWait(pid=pid, waits=Duration(waits), blocker=blocker, state=state, since=seconds)


@pytest.mark.parametrize(
    "seen, health, says",
    [
        ((), Health.HEALTHY, "no statement waits for a lock for more than 10 s"),
        ((wait(10),), Health.HEALTHY, "no statement waits"),
        (
            (wait(11),),
            Health.FAULTY,
            "1 statement waits for a lock, the longest for 11 s: session 71 holds it, active for 1",
        ),
        (
            (wait(11), wait(99, pid=73, blocker=72, since=11), wait(99, pid=73)),
            Health.FAULTY,
            "2 statements wait for a lock, the longest for 1 min 39 s: session 71 holds it, active for 1 min 30 s",
        ),
        ((wait(11, state="idle in transaction"),), Health.FAULTY, "71 holds it, idle in transaction for 1 min 30 s"),
        (
            (wait(11, state="", since=None),),
            Health.FAULTY,
            "session 71 holds it, which the application's role may not see",
        ),
        ((wait(11, blocker=0, state="", since=None),), Health.FAULTY, "a prepared transaction holds it"),
        ((wait(11), wait(11, pid=71, blocker=72)), Health.FAULTY, "they wait for each other"),
    ],
)
def test_who_waits_long_for_a_lock_is_told_with_who_is_at_the_head(
    seen: tuple[LockWait, ...], health: Health, says: str
) -> None:
    verdict = UNQUEUED.judge(seen)
    assert verdict.health is health
    assert says in verdict.why


@pytest.mark.parametrize("kind", [StatementUnqueued, DatabaseUnblocked])
def test_in_another_database_than_postgresql_it_is_unknown_who_waits(kind: Any) -> None:
    check = kind(root=Path("/srv/soleil/current"))
    with pytest.raises(FactError) as error:
        see(check.read(Reader()), ("php -- locks", said(STARTED + '{"locks":null,"driver":"mysql"}\n')))
    verdict = judge(check, error.value).verdict
    assert verdict.health is Health.UNKNOWN
    assert verdict.why == "who waits for a lock is seen in PostgreSQL alone: the database is mysql"


def test_what_has_to_hold_is_told() -> None:
    assert UNQUEUED.aim() == "no statement waits longer than 10 s for a lock"
    assert UNQUEUED.reads_with() == (Right("www-data"),)
    with pytest.raises(ValueError, match="must be absolute"):
        StatementUnqueued(root=Path("srv"))
