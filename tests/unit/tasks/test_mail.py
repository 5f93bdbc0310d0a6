from __future__ import annotations

from pathlib import Path as Here
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate import open_remediation
from soleil_remediate.command import Reader
from soleil_remediate.errors import ConfigError, Unplannable
from soleil_remediate.facts.mail import LastTest, Mailing
from soleil_remediate.plan import Risk
from soleil_remediate.rights import Right
from soleil_remediate.tasks.mail import SendTestMail
from tests.unit.facts.answers import see
from tests.unit.facts.mail import ANSWERED, CONFIGURED, NOBODY, NONE_SENT, SLOW, by, mailing, refusing, told

TO = "oncall@soleil.example"


def task(**others: Any) -> SendTestMail:
    return SendTestMail(**{"root": Path("/srv/app"), "user": "soleil", "to": TO, **others})


def test_one_mail_goes_to_one_address_as_the_application_sends_it() -> None:
    (change,) = task().plan((mailing(), NONE_SENT)).changes
    assert change.command.words == ("php", "--", "test-mail", "/srv/app", TO, "900", "5")
    assert change.command.user == "soleil"
    assert change.summary == f"send one test mail from noreply@example.test to {TO}, through mail.lab:2525 by SMTP"
    assert (change.risk, change.undo.command) == (Risk.DESTRUCTIVE, None)
    assert task().rights() == (Right("soleil"),)
    assert (task().aim(), task(to=None).aim()) == (
        f"a test mail to {TO} was taken",
        "a test mail to an address that is given was taken",
    )
    text = str(change.command.stdin)
    assert text.startswith("<?php\n")
    assert "exit(0)" not in text  # where the application cannot be started
    (by_provider,) = task().plan((by("ses", sender=""), NONE_SENT)).changes
    assert by_provider.summary == f"send one test mail from the application to {TO}, through ses"


def test_without_an_address_nothing_is_asked_and_nothing_is_sent() -> None:
    assert see(task(to=None).read(Reader())) is None
    assert task(to=None).plan(None).because == "nobody asked for a test mail"


def test_what_is_read_is_enough() -> None:
    rules = (
        ("php -- mail", told(CONFIGURED, ANSWERED)),
        ("php -- last-test-mail", told({"driver": "redis", "state": "none", "age": 0})),
    )
    seen: tuple[Mailing, LastTest] = see(task().read(Reader()), *rules)
    assert task().plan(seen).changes


def test_one_that_was_taken_a_moment_ago_is_enough() -> None:
    plan = task().plan((mailing(NOBODY), LastTest(driver="redis", state="sent", age=90)))
    assert plan.changes == ()
    assert plan.because == f"one to {TO} was taken 1 min 30 s ago; whether it arrived, it says there"


@pytest.mark.parametrize(
    "seen, last, why",
    [
        (
            mailing(),
            LastTest(driver="redis", state="begun", age=60),
            "begun 1 min ago, and nobody knows whether it was",
        ),
        (mailing(NOBODY), NONE_SENT, r"\(Connection refused\); repair that first"),
        (mailing(SLOW), NONE_SENT, "over 5 s.*; repair that first"),
        (mailing(refusing()), NONE_SENT, "refuses the application's login.*; repair that first"),
        (by(""), NONE_SENT, "is not configured.*; repair that first"),
        (by("log"), NONE_SENT, "mailer log is log: mail goes to nobody"),
        (mailing(is_redirected=True), NONE_SENT, "sends all its mail to one address"),
        (mailing(), LastTest(driver="array", state="none"), r"cache \(array\) keeps nothing"),
        (mailing(), LastTest(driver="", state="none"), r"cache \(none\) keeps nothing"),
    ],
)
def test_where_it_would_not_get_there_none_is_sent(seen: Mailing, last: LastTest, why: str) -> None:
    with pytest.raises(Unplannable, match=why):
        task().plan((seen, last))


@pytest.mark.parametrize("to", ["a@b.example\nBcc: guest@b.example", "a@b.example,c@d.example", "$(reboot)@b.example"])
def test_what_is_no_single_address_is_refused_before_any_connection(tmp_path: Here, to: str) -> None:
    inventory = tmp_path / "hosts.yml"
    inventory.write_text("all: {children: {web: {hosts: {web1: }}}, vars: {app: {root: /srv/app, user: www-data}}}\n")
    with pytest.raises(ConfigError, match="to must be one mail address"):
        open_remediation(scenario="email-delivery-failure", hosts="web1", inventory=inventory, inputs={"to": to})
