from __future__ import annotations

from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import FactError, NotOnHost, Unplannable
from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs
from soleil_remediate.facts.mail import Mailing
from soleil_remediate.facts.queues import Backlog
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.failed_jobs import RETRY, RetryFailedJobs
from soleil_remediate.units import Duration
from tests.unit.facts.answers import NOT_THERE, said, see
from tests.unit.facts.mail import ANSWERED, CONFIGURED, NOBODY, SLOW, by, mailing, refusing
from tests.unit.facts.mail import told as told_of_mail
from tests.unit.facts.queues import backlog, connected, queue, told

EXPORT, MAIL = "App\\Jobs\\Export", "App\\Jobs\\Mail"
NOTHING_WAITS = backlog(queue(0, 0))


def task(**others: Any) -> RetryFailedJobs:
    return RetryFailedJobs(**{"root": Path("/srv/app"), "user": "soleil", "classes": EXPORT, **others})


def uuid(number: int) -> str:
    return f"01234567-89ab-cdef-0123-{number:012x}"


def job(number: int, job_class: str = EXPORT, *, age: int = 60, exception: str = "RuntimeException") -> FailedJob:
    return FailedJob(
        name=uuid(number), job_class=job_class, exception=exception, connection="redis", queue="default", age=age
    )


def failed(*newest: FailedJob, **others: Any) -> FailedJobs:
    return FailedJobs(**{"driver": "database-uuids", "total": len(newest), "newest": newest, **others})


def test_only_what_was_seen_of_the_named_classes_is_retried_the_oldest_first_by_its_uuid() -> None:
    seen = failed(job(4, age=10), job(3, MAIL, age=20), job(2, age=30), job(1, age=90000))
    plan = task().plan((seen, NOTHING_WAITS, None))
    (change,) = plan.changes
    assert change.command.words == ("php", "--", "retry", "/srv/app", "1", "60", uuid(2), uuid(4))
    assert (change.command.user, change.command.stdin) == ("soleil", RETRY)
    assert (change.risk, change.undo.command) == (Risk.DESTRUCTIVE, None)
    assert task().rights() == (Right("soleil"),)
    assert (task().aim(), task(classes=None).aim()) == (
        "no failed job of App\\Jobs\\Export",
        "no failed job of the classes that are named",
    )
    assert plan.because == "2 App\\Jobs\\Export (RuntimeException), 10 s to 30 s ago"
    assert change.summary == f"retry 2 failed jobs of 2, one first: {plan.because}"


def test_it_is_so_many_at_most() -> None:
    (change,) = (
        task(most=1, classes=f"{MAIL},{EXPORT}").plan((failed(job(2), job(1, MAIL)), NOTHING_WAITS, None)).changes
    )
    assert change.command.words[6:] == (uuid(1),)
    assert change.summary.startswith("retry 1 failed job of 2, one first: 1 App\\Jobs\\Mail")


def test_many_groups_are_told_in_few_words() -> None:
    many = failed(*(job(number, exception=f"E{number}") for number in range(7)))
    assert " and 2 others, 1 min to 1 min ago" in task().plan((many, NOTHING_WAITS, None)).because


@pytest.mark.parametrize(
    "given, seen, because",
    [
        ({"classes": None}, failed(job(1)), "no class was named whose failed jobs may be retried"),
        ({"classes": None}, FactError("no"), "no class was named whose failed jobs may be retried"),
        ({}, failed(), "no job of App\\Jobs\\Export has failed within 1 d"),
        ({}, failed(job(1, MAIL)), "no job of App\\Jobs\\Export has failed within 1 d"),
        ({"younger_than": Duration(60)}, failed(job(1)), "no job of App\\Jobs\\Export has failed within 1 min"),
        ({}, failed(driver="database"), "no job of App\\Jobs\\Export has failed within 1 d"),
    ],
)
def test_there_is_nothing_to_retry(given: dict[str, Any], seen: FailedJobs | FactError, because: str) -> None:
    plan = task(**given).plan((seen, NOTHING_WAITS, None))
    assert (plan.changes, plan.because) == ((), because)


@pytest.mark.parametrize(
    "seen, waits, why",
    [
        (FactError("no table"), NOTHING_WAITS, "it cannot be known what failed: no table"),
        (failed(job(1), driver="database"), NOTHING_WAITS, "kept by the driver database, without a name that stays"),
        (failed(driver="dynamodb", total=None), NOTHING_WAITS, "kept by the driver dynamodb"),
        (failed(job(1)), FactError("php is not there"), "what waits before them: php is not there"),
        (failed(job(1)), backlog(error="refused"), "what waits before them: refused"),
        (failed(job(1)), backlog(queue(0, 0), is_down=True), "maintenance mode"),
        (failed(job(1)), backlog(queue(9, 9)), "9 wait in queue default, none was taken in 4 s: repair that first"),
        (
            failed(job(1)),
            backlog(queue(200, 101)),
            "101 wait in queue default, before which a retried job would come last",
        ),
    ],
)
def test_where_nobody_would_see_what_becomes_of_it_none_is_retried(
    seen: FailedJobs | FactError, waits: Backlog | FactError, why: str
) -> None:
    with pytest.raises(Unplannable, match=why):
        task().plan((seen, waits, None))


@pytest.mark.parametrize(
    "waits", [backlog(queue(200, 100)), backlog(queue(9, 9, has_moved=True)), backlog(queue(900, 900, name="other"))]
)
def test_a_queue_that_moves_and_another_one_stand_in_nobodys_way(waits: Backlog) -> None:
    assert task().plan((failed(job(1)), waits, None)).changes


@pytest.mark.parametrize(
    "given, why",
    [
        ({"classes": "all"}, None),
        ({"classes": ""}, "there is no retry of all"),
        ({"classes": "*"}, "there is no retry of all"),
        ({"classes": "App\\Jobs\\*"}, "there is no retry of all"),
        ({"classes": "A,"}, "there is no retry of all"),
        ({"most": 0}, "most must be from 1 to 500"),
        ({"most": 501}, "most must be from 1 to 500"),
        ({"pause": Duration(61)}, "pause must be at most 1 min"),
    ],
)
def test_what_is_to_be_retried_is_named_and_little(given: dict[str, Any], why: str | None) -> None:
    if why is None:  # a class could be called so; it is looked for as one
        assert task(**given).plan((failed(job(1)), NOTHING_WAITS, None)).changes == ()
        return
    with pytest.raises(ValueError, match=why):
        task(**given)


SWIFT = "Swift_TransportException"


def mails(**others: Any) -> RetryFailedJobs:
    return task(**{"classes": MAIL, "sends": "mail", **others})


def test_of_jobs_that_send_mail_only_what_failed_of_its_mail_is_retried_at_a_rate() -> None:
    seen = failed(job(3, MAIL, exception=SWIFT), job(2, MAIL), job(1, MAIL, exception=SWIFT))
    (change,) = mails(pause=Duration(2)).plan((seen, NOTHING_WAITS, mailing())).changes
    assert change.command.words == ("php", "--", "retry", "/srv/app", "2", "60", uuid(1), uuid(3))
    assert change.summary.startswith("retry 2 failed jobs of 2, one first, then one every 2 s: 2 App\\Jobs\\Mail")
    assert change.loses.endswith("; a mail that went out before its job failed goes out twice")
    (alone,) = mails(most=1).plan((seen, NOTHING_WAITS, mailing())).changes
    assert alone.summary.startswith("retry 1 failed job of 2, one first: ")
    nothing = mails().plan((failed(job(2, MAIL)), NOTHING_WAITS, mailing(NOBODY)))
    assert nothing.because == "no job of App\\Jobs\\Mail has failed of its mail within 1 d"


@pytest.mark.parametrize(
    "mail, why",
    [
        (None, "it cannot be known whether mail would go out"),
        (FactError("no PHP"), "it cannot be known whether mail would go out: no PHP"),
        (mailing(NOBODY), r"they would fail again: no mail server .*\(Connection refused\); repair that first"),
        (mailing(refusing()), "they would fail again: the mail server .* refuses the application's login"),
        (mailing(SLOW), "they would fail again: .*over 5 s"),
        (by(""), "they would fail again: .*is not configured"),
        (by("log"), "sends its mail to nobody"),
        (by("ses"), "mail goes by ses, .*Once a mail is seen to go out: queue-backlog --set classes=…"),
    ],
)
def test_no_mail_is_sent_again_while_it_is_not_seen_that_it_would_go_out(
    mail: Mailing | FactError | None, why: str
) -> None:
    with pytest.raises(Unplannable, match=why):
        mails().plan((failed(job(1, MAIL, exception=SWIFT)), NOTHING_WAITS, mail))


@pytest.mark.parametrize("given, asks", [({}, True), ({"sends": None}, False), ({"classes": None}, False)])
def test_the_mail_server_is_asked_only_for_jobs_that_send_mail(given: dict[str, Any], asks: bool) -> None:
    rules = (
        ("php -- mail", told_of_mail(CONFIGURED, ANSWERED)),
        ("php -- failed-jobs", told({"driver": "database-uuids", "total": 0, "jobs": []})),
        ("php -- queues", told({"is_down": False, "default": "redis", "connections": {"redis": connected()}})),
        ("supervisor", said(status=1)),
    )
    found = see(mails(**given).read(Reader()), *rules)
    assert (found[2] is not None) is asks


@pytest.mark.parametrize(
    "given, why",
    [
        ({"sends": "money"}, "sends must be mail, or not be given"),
        ({"most": 500, "pause": Duration(15)}, "500 with 15 s between them take longer than 2 h"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        task(**given)
    assert task(most=500, pause=Duration(14)).most == 500


def listed(*classes: str) -> Output:
    """What is told of failed jobs of these classes."""
    jobs = [[uuid(number), name, "E", "redis", "default", 60] for number, name in enumerate(classes)]
    return told({"driver": "database-uuids", "total": len(jobs), "jobs": jobs})


def read(classes: str, failed: Output, has: Output = NOT_THERE) -> Any:
    rules = (
        ("php -- failed-jobs", failed),
        ("php -- queues", told({"is_down": False, "default": "redis", "connections": {"redis": connected()}})),
        ("php -- classes", has),
        ("supervisor", said(status=1)),
    )
    return see(task(classes=classes).read(Reader()), *rules, most_rounds=2)


@pytest.mark.parametrize(
    "classes, meant",
    [
        ("App\\Jobs\\Exprot", EXPORT),
        ("Export", EXPORT),
        ("App\\Mail\\mail", MAIL),
        ("App\\Jobs\\Invoice", ""),
        (f"{EXPORT},App\\Jobs\\Invoice", ""),
    ],
)
def test_a_class_that_neither_failed_nor_is_there_is_wrong_input_and_those_that_failed_are_named(
    classes: str, meant: str
) -> None:
    wrong = classes.rpartition(",")[2]
    with pytest.raises(NotOnHost) as refused:
        read(classes, listed(MAIL, EXPORT, EXPORT, "Mail of 7"), told({"has": []}))
    assert (refused.value.given, refused.value.nearest) == (wrong, meant)
    assert str(refused.value).startswith(f"{wrong} is no class of a failed job of this host: ")
    assert str(refused.value).endswith(f"It has {EXPORT}, {MAIL}")


@pytest.mark.parametrize(
    "failed, has",
    [
        (listed(), NOT_THERE),
        (listed(MAIL), told({"has": [EXPORT]})),
        (listed(EXPORT), NOT_THERE),
        (told({"driver": "dynamodb", "total": None, "jobs": []}), NOT_THERE),
        (told({"driver": "database", "class": "E", "why": "no"}), NOT_THERE),
    ],
    ids=["none failed", "a class of the application's", "it failed", "kept elsewhere", "not known"],
)
def test_a_class_whose_jobs_were_all_retried_is_no_wrong_input(failed: Output, has: Output) -> None:
    read(EXPORT, failed, has)


def test_where_it_cannot_be_known_whether_there_is_such_a_class_nothing_is() -> None:
    with pytest.raises(FactError) as unknown:
        read("App\\Jobs\\Exprot", listed(EXPORT), said(status=255))
    assert not isinstance(unknown.value, NotOnHost)
