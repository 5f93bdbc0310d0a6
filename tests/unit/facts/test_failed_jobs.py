from __future__ import annotations

from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.errors import FactError
from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs, FindClasses, ReadFailedJobs
from tests.unit.facts.queues import told

ASK = ReadFailedJobs(Path("/srv/app"), "www-data")
UUID = "01234567-89ab-cdef-0123-456789abcdef"
JOB = [UUID, "App\\Jobs\\Export", "RuntimeException", "redis", "default", 60]


def test_failed_jobs_are_told_by_class_and_exception_and_nothing_of_what_they_are_about() -> None:
    found = ASK.answer(
        told({"driver": "database-uuids", "total": 7, "jobs": [JOB, ["8", "Mail to x@y", "", "a", "b", 9]]})
    )
    first = FailedJob(
        name=UUID,
        job_class="App\\Jobs\\Export",
        exception="RuntimeException",
        connection="redis",
        queue="default",
        age=60,
    )
    assert (found.driver, found.total, found.has_uuids, found.newest[0]) == ("database-uuids", 7, True, first)
    assert (found.newest[1].job_class, found.newest[1].exception) == ("(a name of its own)", "")
    assert found.of(["App\\Jobs\\Export", "App\\Jobs\\Other"]) == (first,)


def test_those_of_a_class_come_the_oldest_first() -> None:
    jobs = [[UUID, "A", "E", "a", "b", 1], [UUID.replace("0", "f"), "A", "E", "a", "b", 2]]
    found = ASK.answer(told({"driver": "database", "total": 2, "jobs": jobs}))
    assert [one.age for one in found.of(["A"])] == [2, 1]
    assert not found.has_uuids


def test_what_is_kept_elsewhere_is_not_known() -> None:
    assert ASK.answer(told({"driver": "dynamodb", "total": None, "jobs": []})) == FailedJobs(
        driver="dynamodb", total=None
    )


def test_a_list_that_cannot_be_read_is_unknown_and_says_why() -> None:
    why = {"driver": "database", "class": "QueryException", "why": "no\n table"}
    with pytest.raises(FactError, match="jobs that failed cannot be read: QueryException: no table"):
        ASK.answer(told(why))


@pytest.mark.parametrize(
    "answer",
    [
        {"driver": "database", "total": 1, "jobs": 1},
        {"driver": "database", "total": 1, "jobs": [1]},
        {"driver": "database", "total": 1, "jobs": [JOB[:5]]},
        {"driver": "database", "total": 1, "jobs": [["$(x)", *JOB[1:]]]},
        {"driver": "database", "total": 1, "jobs": [[1, *JOB[1:]]]},
        {"driver": "database", "total": "1", "jobs": []},
        {"driver": 1, "total": 1, "jobs": []},
    ],
)
def test_anything_else_is_unknown(answer: object) -> None:
    with pytest.raises(FactError):
        ASK.answer(told(answer))


FIND = FindClasses(Path("/srv/app"), "www-data", ("App\\Jobs\\Export", "App\\Jobs\\Exprot"))


def test_the_application_itself_says_which_classes_it_has() -> None:
    assert FIND.command.words == ("php", "--", "classes", "/srv/app", "App\\Jobs\\Export", "App\\Jobs\\Exprot")
    assert FIND.command.user == "www-data"
    assert FIND.answer(told({"has": ["App\\Jobs\\Export"]})) == {"App\\Jobs\\Export"}
    assert FIND.answer(told({"has": []})) == frozenset()


@pytest.mark.parametrize("has", [None, "App\\Jobs\\Export", ["App\\Jobs\\Other"], [7], {"0": "App\\Jobs\\Export"}])
def test_which_classes_it_has_is_not_known_where_it_says_anything_else(has: object) -> None:
    with pytest.raises(FactError):
        FIND.answer(told({"has": has}))
