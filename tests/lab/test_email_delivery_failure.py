"""Email-delivery-failure on a real host: break it, see it red, remedy, see it green, run again: nothing is sent.

The mail server is a stand-in (soleil_remediate/lab/debian/mail_sink.py): it takes mails from whoever logs in, and keeps
each as a file, which is the second pair of eyes here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from soleil_remediate.host_outcomes import Fixed, NotFixed, NotNeeded, WouldFix
from soleil_remediate.lab.faulting import fault_named
from soleil_remediate.plan import Risk
from soleil_remediate.task import Health
from tests.lab.rehearsals import Rehearsal
from tests.laws.samples import TASKS
from tests.watching import watching_processes

if TYPE_CHECKING:
    from tests.lab.conftest import LabHost

pytestmark = pytest.mark.lab

SCENARIO = "email-delivery-failure"
MAIL = r"App\Jobs\SendBookingMail"
ONCALL = "oncall+soleil@soleil.example"
#: What the application sends, and what the mail server wants once somebody has changed it.
SECRETS = ("lab-mail-secret",)

#: What a run that sends nothing must leave alone: files, mails, jobs, processes, and the keys that are no queue's.
_TRACES = r"""
find /srv /etc /var/mail -xdev -path '*/storage/logs' -prune -o -printf '%p %i %s %m %u %T@\n' | sort
systemctl show --property=Id,MainPID,InvocationID,ActiveState -- mail-sink php8.2-fpm redis-server supervisor
su postgres -c "psql -At -d soleil -c 'select id, uuid, failed_at from failed_jobs order by id'"
redis-cli -n 1 keys '*' | sort
"""


@pytest.fixture
def rehearsal(web1: LabHost, tmp_path: Path) -> Rehearsal:
    return Rehearsal(web1, tmp_path / "state", SCENARIO)


def traces(rehearsal: Rehearsal) -> str:
    return rehearsal.host.shell(_TRACES)


def mails(rehearsal: Rehearsal) -> list[EmailMessage]:
    """What really arrived, in order."""
    texts = rehearsal.host.shell(
        "for one in /var/mail/sink/*.eml; do [ -e $one ] || exit 0; cat $one; printf '\\f'; done"
    )
    return [message_from_string(text, policy=policy.default) for text in texts.split("\f") if text.strip()]


def failed(rehearsal: Rehearsal) -> dict[str, str]:
    """The jobs in the list, by UUID, and of which class each is."""
    rows = rehearsal.eyes().check_output(
        "su postgres -c \"psql -At -d soleil -c 'select uuid, payload from failed_jobs'\""
    )
    return {uuid: json.loads(job)["displayName"] for uuid, job in (row.split("|", 1) for row in rows.splitlines())}


def checks_of(fault: str) -> set[str]:
    """The checks that a fault says are red."""
    return set(fault_named(fault).kinds) - {kind.kind for kind in TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """A fault that can be repaired, the kinds that repair it, in order, and at which risk."""

    fault: str
    sent: tuple[str, ...]
    risk: Risk
    inputs: Mapping[str, str]


REPAIRED = [
    Rehearsed(fault="smtp-refuses", sent=("service.start",), risk=Risk.GENTLE, inputs={"server": "mail-sink.service"}),
    Rehearsed(
        fault="mail-jobs-failed",
        sent=("test-mail.send", "queue.retry"),
        risk=Risk.DESTRUCTIVE,
        inputs={"classes": MAIL, "to": ONCALL, "most_retried": "200", "pause": "0.1 s"},
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("case", REPAIRED, ids=lambda case: case.fault)
def test_mail_that_does_not_go_out_is_seen_repaired_and_proven_and_a_second_run_sends_nothing(
    rehearsal: Rehearsal, case: Rehearsed
) -> None:
    assert isinstance(rehearsal.preview().outcome, NotNeeded)
    rehearsal.host.break_with(case.fault)
    before, listed = traces(rehearsal), failed(rehearsal)

    seen = rehearsal.preview(**case.inputs)
    assert isinstance(seen.outcome, WouldFix), seen.outcome
    assert seen.preview is not None
    assert seen.preview.round_trips <= 3
    assert seen.preview.risk is case.risk
    assert rehearsal.red_checks() == checks_of(case.fault)
    assert traces(rehearsal) == before

    report = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(report.outcome, Fixed), report.outcome
    assert tuple(dict.fromkeys(report.kinds_sent)) == case.sent
    assert report.after is not None
    assert report.after.symptom_health is Health.HEALTHY
    assert rehearsal.eyes().service("mail-sink").is_running
    if case.fault == "mail-jobs-failed":
        _only_the_mails_were_sent_and_each_once(rehearsal, listed)

    after = traces(rehearsal)
    again = rehearsal.remediate(inputs=case.inputs)
    assert isinstance(again.outcome, NotNeeded), again.outcome
    assert again.sent == ()
    assert traces(rehearsal) == after


def _only_the_mails_were_sent_and_each_once(rehearsal: Rehearsal, listed: Mapping[str, str]) -> None:
    """Only what is not to be done again is left in the list; all the others' mails arrived, at their rate."""
    left = {uuid: job for uuid, job in listed.items() if job != MAIL}
    assert (len(listed), len(left)) == (123, 3)
    assert failed(rehearsal) == left
    first, *others = mails(rehearsal)
    assert (first["X-Recipient"], first["To"], first["From"]) == (ONCALL, ONCALL, "Soleil <noreply@example.test>")
    assert first["Subject"] == "Test mail of Soleil"
    assert "because somebody asked for it" in first.get_content()
    assert len(others) == 120
    assert {one["Subject"] for one in others} == {"Booking 1"}
    assert ONCALL not in {one["X-Recipient"] for one in others}
    took = rehearsal.host.shell("cd /var/mail/sink; stat -c %Y *.eml | sort -n | sed -n '1p;$p'").split()
    assert int(took[1]) - int(took[0]) >= 11  # 119 pauses of a tenth of a second, and what a mail takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A fault that nothing here may repair, and what a person is told about it."""

    fault: str
    says: str
    options: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)


REFUSED = [
    Refused(
        fault="smtp-refuses",
        options={"how": "busy"},
        inputs={"to": ONCALL, "server": "mail-sink.service"},
        says=r"no mail server for the application at mail\.lab:2525: .*421 4\.3\.2 mail\.lab is too busy.*"
        r"test-mail\.send: no mail server.*repair that first",
    ),
    Refused(
        fault="smtp-slow",
        inputs={"to": ONCALL},
        says=r"took (?P<took>\d+(\.\d)?) s to let the application in, over 5 s: each mail takes longer"
        r".*repair that first",
    ),
    Refused(
        fault="mail-wrong-password",
        says=r"the mail server at mail\.lab:2525 is there, and refuses the application's login: 535 5\.7\.8 "
        r"authentication failed\. Nothing here would help\. By hand: .*MAIL_PASSWORD in /srv/soleil/current/\.env.*"
        r"queue:restart",
    ),
    Refused(
        fault="mail-jobs-failed",
        options={"jobs": "5"},
        says=r"5 jobs failed of their mail: 5 App\\Jobs\\SendBookingMail \(Swift_TransportException\).*got no mail.*"
        r"--set classes='App\\Jobs\\SendBookingMail'",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.fault}{''.join(case.options.values())}")
def test_what_nothing_here_would_help_is_said_and_nothing_is_sent(rehearsal: Rehearsal, case: Refused) -> None:
    rehearsal.host.break_with(case.fault, **case.options)
    before = traces(rehearsal)

    with watching_processes(rehearsal.host.network) as seen:
        report = rehearsal.remediate(inputs=case.inputs)

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    told_why = re.search(case.says, report.outcome.why)
    assert told_why, report.outcome.why
    if "took" in told_why.groupdict():  # no less than the server must take, and no more than the look took
        assert report.preview is not None
        assert 7.4 <= float(told_why["took"]) <= report.preview.looked_in + 0.6
    assert traces(rehearsal) == before
    assert mails(rehearsal) == []
    # Laravel hands all of .env to what supervisor's workers start: theirs, and none of ours.
    processes = [one.decode() for one in seen if b"SUPERVISOR_ENABLED=" not in one]
    told = [str(report), *(str(line) for line in rehearsal.record()), *processes]
    assert any("php" in one for one in told)
    assert [one for one in told if any(secret in one for secret in SECRETS)] == []
    left = rehearsal.host.run("grep", "-rlF", "-e", SECRETS[0], "/run/soleil-remediate", "/tmp")
    assert left.stdout == ""


@pytest.mark.long
def test_nothing_is_retried_while_the_mail_server_is_away_and_what_fails_again_leaves_the_others_alone(
    rehearsal: Rehearsal,
) -> None:
    rehearsal.host.break_with("mail-jobs-failed", jobs=4, over="no")
    before, listed = traces(rehearsal), failed(rehearsal)
    inputs = {"classes": MAIL, "to": ONCALL, "pause": "0.1 s"}

    report = rehearsal.remediate(inputs=inputs)

    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert re.search(r"queue\.retry: they would fail again: no mail server.*Connection refused", report.outcome.why)
    assert traces(rehearsal) == before

    # It lets the application in, and takes none of its mails: only a mail can tell.
    rehearsal.host.shell("chmod 0 /var/mail/sink; systemctl start mail-sink")
    seen = rehearsal.preview(**inputs).preview
    assert seen is not None
    (test_mail,) = [one for _, step in seen.pending for one in step.plan.changes if ONCALL in one.summary]

    report = rehearsal.remediate(inputs=inputs)

    assert isinstance(report.outcome, NotFixed)
    assert "the mail server did not say that it took the test mail" in report.outcome.why
    assert re.search(r"1 of 4 retried; [0-9a-f-]+ failed again: Swift_\w+; the others were left", report.outcome.why)
    assert failed(rehearsal) == listed
    assert "guest" not in str(report)

    # A change that arrives twice sends one mail: the second finds what the first one left.
    rehearsal.host.shell("chmod 700 /var/mail/sink")
    command, stdin = test_mail.command, str(test_mail.command.stdin).encode()
    as_application = ("setpriv", "--reuid", "www-data", "--regid", "www-data", "--init-groups")
    answers = [rehearsal.host.run(*as_application, *command.words, stdin=stdin) for _ in range(2)]
    assert [one.returncode for one in answers] == [0, 75]
    assert "begun meanwhile: nothing was sent" in answers[1].stderr
    (arrived,) = mails(rehearsal)
    assert arrived["X-Recipient"] == ONCALL


def test_an_application_that_sends_its_mail_elsewhere_gets_no_test_mail(rehearsal: Rehearsal) -> None:
    """By its configuration, which is seen before, or by its code, which is seen only as the mail is about to go."""
    provider = "/srv/soleil/current/app/Providers/AppServiceProvider.php"
    always = "app('mailer')->alwaysTo('all@example.test');"
    rehearsal.host.shell(f'sed -i "s/function boot() *{{/& {always}/" {provider}; grep -q alwaysTo {provider}')

    report = rehearsal.remediate(inputs={"to": ONCALL})

    assert isinstance(report.outcome, NotFixed), report.outcome
    assert "to others too, or elsewhere: nothing was sent" in report.outcome.why
    assert mails(rehearsal) == []

    to = "'to' => ['address' => 'all@example.test', 'name' => 'All'], "
    rehearsal.host.shell(f"sed -i \"s/'from' =>/{to}&/\" /srv/soleil/current/config/mail.php")
    report = rehearsal.remediate(inputs={"to": ONCALL})
    assert isinstance(report.outcome, NotFixed)
    assert report.sent == ()
    assert "the application sends all its mail to one address (mail.to)" in report.outcome.why
