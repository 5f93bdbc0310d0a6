"""What stands in a report, and the one call for who wants an exception."""

from __future__ import annotations

from typing import get_args

import pytest

from soleil_remediate import errors
from soleil_remediate.errors import (
    ExitStatus,
    GoalMissed,
    Interrupted,
    NotRemedied,
    OutcomeUnknown,
    Refused,
    RemediateError,
    Unreachable,
    WorkFound,
)
from soleil_remediate.host import Connection, Host
from soleil_remediate.host_outcomes import (
    Crashed,
    Eased,
    Fixed,
    Halted,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
    WrongInput,
)
from soleil_remediate.report import HostReport, RunReport

OUTCOMES: list[tuple[HostOutcome, type[RemediateError] | None]] = [
    (NotNeeded(why="w"), None),
    (Fixed(why="w"), None),
    (WouldFix(why="w"), WorkFound),
    (Eased(why="w"), GoalMissed),
    (Unproven(why="w"), NotRemedied),
    (NotFixed(why="w"), NotRemedied),
    (WrongInput(why="w"), errors.NotOnHost),
    (Refusal(why="w"), Refused),
    (Halted(why="w"), errors.Frozen),
    (MaybeChanged(why="w", operation="0-0-0"), OutcomeUnknown),
    (NotReached(why="w", is_retryable=True), Unreachable),
    (Stopped(why="w"), Interrupted),
    (Crashed(why="w"), errors.BugFound),
]


def report(name: str, outcome: HostOutcome) -> HostReport:
    return HostReport(host=Host(name=name, connection=Connection(address=name)), outcome=outcome)


def test_the_table_below_knows_every_outcome() -> None:
    assert {type(outcome) for outcome, _ in OUTCOMES} == set(get_args(HostOutcome))


@pytest.mark.parametrize("outcome, expected", OUTCOMES, ids=lambda one: type(one).__name__)
def test_an_outcome_that_is_not_fine_is_raised_with_its_report_and_its_exit_status(
    outcome: HostOutcome, expected: type[RemediateError] | None
) -> None:
    one = report("web1", outcome)
    if expected is None:
        one.raise_for_outcome()
        assert outcome.exit_status is ExitStatus.OK
        return
    with pytest.raises(RemediateError) as caught:
        one.raise_for_outcome()
    assert type(caught.value) is expected
    assert caught.value.exit_status is outcome.exit_status
    assert caught.value.report is one
    assert str(caught.value) == "web1: w"


@pytest.mark.parametrize("is_retryable", [True, False])
def test_whether_trying_again_may_help_is_not_lost(is_retryable: bool) -> None:
    with pytest.raises(Unreachable) as caught:
        report("web1", NotReached(why="silent", is_retryable=is_retryable)).raise_for_outcome()
    assert caught.value.retryable is is_retryable


@pytest.mark.parametrize("first, _", OUTCOMES)
@pytest.mark.parametrize("second, _second", OUTCOMES)
def test_a_run_raises_the_worst_of_its_hosts(
    first: HostOutcome, _: object, second: HostOutcome, _second: object
) -> None:
    run = RunReport(run="0" * 8, scenario="s", hosts=(report("web1", first), report("web2", second)))
    if run.exit_status is ExitStatus.OK:
        run.raise_for_outcome()
        return
    with pytest.raises(RemediateError) as caught:
        run.raise_for_outcome()
    assert caught.value.exit_status is run.exit_status
    assert caught.value.report is run
