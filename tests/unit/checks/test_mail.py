from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path

import pytest

from soleil_remediate.checks.mail import MailAnswering, MailSent
from soleil_remediate.facts.failed_jobs import FailedJob, FailedJobs
from soleil_remediate.facts.mail import Mailing
from soleil_remediate.rights import Right
from soleil_remediate.task import Health
from soleil_remediate.units import Duration
from tests.unit.facts.mail import LET_IN, NOBODY, SLOW, by, mailing, refusing

ROOT = Path("/srv/app")
ANSWERING, SENT = MailAnswering(root=ROOT), MailSent(root=ROOT)
SWIFT = "Swift_TransportException"


def test_a_mail_server_that_lets_the_application_in_is_well() -> None:
    verdict = ANSWERING.judge(mailing(replace(LET_IN, took=Duration(1.2))))
    assert (verdict.health, verdict.why) == (
        Health.HEALTHY,
        "mail.lab:2525 lets the application in (login done in 1.2 s)",
    )
    assert "greeted, without a login in 15 ms" in ANSWERING.judge(mailing(has_user=False)).why
    assert ANSWERING.aim() == "the mail server lets the application in within 5 s"
    assert ANSWERING.reads_with() == SENT.reads_with() == (Right("www-data"),)


@pytest.mark.parametrize(
    "seen, says",
    [
        (mailing(NOBODY), "(Connection refused). By hand: nc -v mail.lab 2525 from here shows whether"),
        (mailing(NOBODY, host="localhost"), "By hand: see its unit (systemctl status), which is on this host; nc -v"),
        (mailing(SLOW), "took 7.5 s to let the application in, over 5 s: each mail takes longer still"),
        (
            mailing(refusing()),
            "authentication failed. Nothing here would help. By hand: see at the provider which login",
        ),
        (
            mailing(refusing(), is_cached=True),
            "would help; the configuration is a cached one, so that .env may be right",
        ),
        (by(""), "mailer smpt is not configured: no mail can be sent. By hand: correct MAIL_MAILER in /srv/app/.env"),
    ],
)
def test_one_that_does_not_is_at_fault_and_it_is_said_what_to_do(seen: Mailing, says: str) -> None:
    verdict = ANSWERING.judge(seen)
    assert verdict.health is Health.FAULTY
    assert says in verdict.why
    assert [one.is_faulty for one in verdict.measures] == [True]


@pytest.mark.parametrize(
    "transport, says", [("log", "sends its mail to nobody"), ("ses", "mail goes by ses, which cannot be asked")]
)
def test_what_cannot_be_asked_is_unknown_and_never_well(transport: str, says: str) -> None:
    verdict = ANSWERING.judge(by(transport))
    assert verdict.health is Health.UNKNOWN
    assert says in verdict.why


def job(job_class: str, exception: str = SWIFT, age: int = 60) -> FailedJob:
    return FailedJob(name="1", job_class=job_class, exception=exception, connection="redis", queue="default", age=age)


def failed(*newest: FailedJob, total: int | None = None) -> FailedJobs:
    return FailedJobs(driver="database-uuids", total=len(newest) if total is None else total, newest=newest)


def test_jobs_that_failed_of_their_mail_are_at_fault_and_what_may_be_retried_is_named() -> None:
    seen = failed(job("App\\A"), job("App\\B", age=7200), job("App\\A", age=90), job("App\\C", "RuntimeException"))
    verdict = SENT.judge(seen)
    assert verdict.health is Health.FAULTY
    assert verdict.why == (
        "3 jobs failed of their mail: 2 App\\A (Swift_TransportException), 1 App\\B (Swift_TransportException), 1 min "
        "to 2 h ago: whom they were for got no mail. To retry those of a class that may be done once more: "
        "--set classes='App\\A,App\\B'"
    )
    assert SENT.aim() == "no job failed of its mail within 1 d"


def test_what_calls_itself_otherwise_cannot_be_named_and_is_told_all_the_same() -> None:
    verdict = SENT.judge(failed(job("(a name of its own)"), job("App\\A"), total=9))
    assert "1 (a name of its own)" in verdict.why
    assert "ago, and older ones that were not looked at" in verdict.why
    assert verdict.why.endswith("--set classes='App\\A'")
    assert "classes=" not in SENT.judge(failed(job("(a name of its own)"))).why


@pytest.mark.parametrize(
    "seen, health",
    [
        (failed(), Health.HEALTHY),
        (failed(job("A", "RuntimeException")), Health.HEALTHY),
        (failed(job("A", age=86400)), Health.HEALTHY),
        (failed(job("A", age=86399)), Health.FAULTY),
        (failed(job("A", "RuntimeException"), total=1001), Health.UNKNOWN),
        (failed(job("A", "RuntimeException", age=86400), total=1001), Health.HEALTHY),
        (FailedJobs(driver="dynamodb", total=None), Health.UNKNOWN),
    ],
)
def test_what_is_old_or_of_something_else_does_not_count_and_what_was_not_seen_is_unknown(
    seen: FailedJobs, health: Health
) -> None:
    assert SENT.judge(seen).health is health
