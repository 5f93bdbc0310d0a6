"""How a host stands by what was seen of it, and why."""

from __future__ import annotations

import pytest

from soleil_remediate.seen import CheckSeen, Standing
from soleil_remediate.task import Health, Verdict


def standing(symptom: Verdict, goal: Verdict, scope: frozenset[str] = frozenset()) -> Standing:
    return Standing(
        symptom=(CheckSeen(kind="symptom", verdict=symptom),), goal=(CheckSeen(kind="goal", verdict=goal),), scope=scope
    )


GREEN, UNKNOWN = Verdict.healthy("fine"), Verdict.unknown("dark")


def red(*faults: str) -> Verdict:
    return Verdict.faulty("broken", faults=frozenset(faults))


@pytest.mark.parametrize(
    "symptom, goal, scope, symptom_health, goal_health, faults",
    [
        (GREEN, GREEN, (), Health.HEALTHY, Health.HEALTHY, ()),
        (GREEN, red(), (), Health.HEALTHY, Health.FAULTY, ()),
        (red(), GREEN, (), Health.FAULTY, Health.FAULTY, ()),
        (UNKNOWN, GREEN, (), Health.UNKNOWN, Health.UNKNOWN, ()),
        (GREEN, UNKNOWN, (), Health.HEALTHY, Health.UNKNOWN, ()),
        (UNKNOWN, red("a"), (), Health.UNKNOWN, Health.FAULTY, ("a",)),
        # the goal counts only for what was wrong at first
        (red("a"), red("a", "b"), ("a",), Health.FAULTY, Health.FAULTY, ("a",)),
        (GREEN, red("a", "b"), ("a",), Health.HEALTHY, Health.FAULTY, ("a",)),
        (GREEN, red("b"), ("a",), Health.HEALTHY, Health.HEALTHY, ()),
        (GREEN, red(), ("a",), Health.HEALTHY, Health.FAULTY, ()),
        # what is wrong now and was not at first is a symptom all the same
        (red("b"), GREEN, ("a",), Health.FAULTY, Health.FAULTY, ("b",)),
    ],
)
def test_how_a_host_stands(
    symptom: Verdict,
    goal: Verdict,
    scope: tuple[str, ...],
    symptom_health: Health,
    goal_health: Health,
    faults: tuple[str, ...],
) -> None:
    one = standing(symptom, goal, frozenset(scope))
    assert one.symptom_health is symptom_health
    assert one.goal_health is goal_health
    assert one.faults == frozenset(faults)


def test_a_reason_is_said_once() -> None:
    assert standing(red(), red()).why(Health.FAULTY) == "broken"


@pytest.mark.parametrize(
    "symptom, goal, scope, said",
    [
        pytest.param(("a",), ("a",), ("a",), "full", id="the same fault, to the goal's measure"),
        pytest.param(("a",), ("a", "b"), ("a",), "full", id="beside it what does not count"),
        pytest.param(("a",), ("a", "b"), (), "full; above", id="beside it what counts"),
        pytest.param(("a",), ("b",), (), "full; above", id="another fault"),
        pytest.param((), (), (), "full; above", id="faults that cannot be told apart"),
    ],
)
def test_the_goal_does_not_repeat_what_the_symptom_says(
    symptom: tuple[str, ...], goal: tuple[str, ...], scope: tuple[str, ...], said: str
) -> None:
    full = Verdict.faulty("full", faults=frozenset(symptom))
    above = Verdict.faulty("above", faults=frozenset(goal))
    assert standing(full, above, frozenset(scope)).why(Health.FAULTY) == said


def test_a_goal_that_alone_is_missed_is_still_said() -> None:
    above = Verdict.faulty("above", faults=frozenset("a"))
    assert standing(GREEN, above, frozenset("a")).why(Health.FAULTY) == "above"
