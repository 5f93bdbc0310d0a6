from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.checks.jobs import JobsDone
from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs
from soleil_remediate.rights import Right
from soleil_remediate.task import Health, Measure
from soleil_remediate.units import Duration

WEEK = 7 * 86400


def done(**more: Any) -> JobsDone:
    return JobsDone(root=Path("/srv/app"), **more)


def job(age: int = 60, job_class: str = "App\\A", exception: str = "RuntimeException") -> FailedJob:
    return FailedJob(name="1", job_class=job_class, exception=exception, connection="redis", queue="default", age=age)


def failed(*newest: FailedJob, total: int | None = None) -> FailedJobs:
    return FailedJobs(driver="database-uuids", total=len(newest) if total is None else total, newest=newest)


def test_jobs_that_failed_lately_are_at_fault_and_it_is_said_what_to_do_with_them() -> None:
    verdict = done().judge(failed(job(), job(3600), job(90, "App\\B"), job(9 * 86400)))
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "3 jobs failed within 7 d: 2 App\\A (RuntimeException), 1 App\\B (RuntimeException), 1 min to 1 h ago. "
        "By hand: cd /srv/app; php artisan queue:failed; then queue:retry, or queue:forget, each"
    )
    assert verdict.measures == (Measure(label="jobs that failed within 7 d", value="3", is_faulty=True),)
    assert done(most=2).judge(failed(job(), job(), job())).why.startswith("3 jobs failed within 7 d, over 2: 3 App")


@pytest.mark.parametrize(
    "seen, most, health, says",
    [
        (failed(), 0, Health.HEALTHY, "no job failed within 7 d"),
        (failed(job()), 0, Health.FAULTY, "1 job failed within 7 d: 1 App"),
        (failed(job()), 1, Health.HEALTHY, "1 job failed within 7 d"),
        (failed(job(), job()), 1, Health.FAULTY, "2 jobs failed within 7 d, over 1: 2 App"),
        (failed(job(WEEK - 1)), 0, Health.FAULTY, "1 job failed"),
        (failed(job(WEEK)), 0, Health.HEALTHY, "no job failed within 7 d; 1 older ones are still in the list"),
        (failed(job(), job(WEEK), total=9), 1, Health.HEALTHY, "1 job failed within 7 d; 8 older ones are still"),
    ],
)
def test_the_limit_itself_is_no_fault_and_what_is_old_does_not_count(
    seen: FailedJobs, most: int, health: Health, says: str
) -> None:
    verdict = done(most=most).judge(seen)
    assert (verdict.health, verdict.why.startswith(says)) == (health, True), verdict.why


@pytest.mark.parametrize(
    "most, total, health, says",
    [
        (1, 5, Health.FAULTY, "at least 2 jobs failed within 7 d, over 1: 2 App"),
        (2, 5, Health.UNKNOWN, "at least 2 jobs failed within 7 d; when the 3 before them did was not looked at"),
        (4, 5, Health.UNKNOWN, "at least 2 jobs failed"),
        (5, 5, Health.HEALTHY, "at least 2 jobs failed within 7 d"),
    ],
)
def test_of_more_than_are_told_one_by_one_their_number_decides_or_nobody_knows(
    most: int, total: int, health: Health, says: str
) -> None:
    verdict = done(most=most).judge(failed(job(), job(), total=total))
    assert (verdict.health, verdict.why.startswith(says)) == (health, True), verdict.why
    assert verdict.measures[0].value == "at least 2"


def test_jobs_of_which_only_the_number_is_left_are_unknown() -> None:
    assert done().judge(failed(total=3)).health is Health.UNKNOWN


def test_a_list_that_is_kept_in_another_way_is_unknown() -> None:
    verdict = done().judge(FailedJobs(driver="dynamodb", total=None))
    assert verdict.health is Health.UNKNOWN
    assert verdict.why == "jobs that failed are kept by the driver dynamodb, which is not read here"


def test_it_says_what_has_to_hold_and_asks_as_the_application() -> None:
    assert done().aim() == "no jobs failed within 7 d"
    assert done(most=9, younger_than=Duration(86400)).aim() == "at most 9 jobs failed within 1 d"
    assert done().reads_with() == (Right("www-data"),)


@pytest.mark.parametrize("wrong", [{"most": -1}, {"younger_than": Duration(0)}, {"root": Path("x")}])
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        JobsDone(**{"root": Path("/srv/app"), **wrong})
