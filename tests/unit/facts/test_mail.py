from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath as Path
from typing import Any

import pytest

from soleil_remediate.command import TIMED_OUT
from soleil_remediate.errors import FactError
from soleil_remediate.facts.mail import (
    ALL_REPLIES,
    AskMail,
    LastTest,
    Mailing,
    ReadLastTest,
    is_of_mail,
    refuse_unless_address,
)
from soleil_remediate.facts.replies import Reply
from soleil_remediate.units import Duration
from tests.unit.facts.mail import (
    ANSWERED,
    CONFIGURED,
    LET_IN,
    LOGIN_REFUSED,
    NOBODY,
    REFUSED,
    SLOW,
    by,
    mailing,
    refusing,
    told,
)

ASK = AskMail(Path("/srv/app"), "www-data")
LAST = ReadLastTest(Path("/srv/app"), "www-data", "oncall@soleil.example")
WITHIN = Duration(5)


def test_the_applications_own_mailer_asks_as_its_user_and_its_password_stays_where_it_is() -> None:
    command = ASK.command
    assert command.words == ("php", "--", "mail", "/srv/app", "5")
    assert command.user == "www-data"
    assert 15 < command.deadline < 30
    found = ASK.answer(told(CONFIGURED, ANSWERED))
    assert found == mailing()
    text = str(command.stdin)
    assert '"has_password" => ' in text
    assert text.count('$found["password"]') == 2  # whether there is one, and what is hidden of it
    assert "$hide($error->getMessage())" in text


def test_what_a_mail_server_says_is_told_on_one_line() -> None:
    refused = {"answered": False, "milliseconds": 7, "class": "Swift_TransportException", "why": LOGIN_REFUSED}
    found = ASK.answer(told(CONFIGURED, refused)).reply
    assert found is not None
    assert (found.is_answered, found.took, found.error) == (False, Duration(0.007), "Swift_TransportException")
    assert found.why.endswith('"535 5.7.8 authentication failed ".')


def test_one_that_answers_too_late_is_none_and_a_farewell_that_hangs_is_no_fault() -> None:
    late = ASK.answer(told(CONFIGURED, status=TIMED_OUT))
    assert late == mailing(Reply(is_answered=False, took=ALL_REPLIES, why="no answer in time"))
    assert ASK.answer(told(CONFIGURED, ANSWERED, status=TIMED_OUT)).reply is not None
    with pytest.raises(FactError):
        ASK.answer(told(status=TIMED_OUT))


def test_what_does_not_go_by_smtp_is_not_asked() -> None:
    found = ASK.answer(told({**CONFIGURED, "mailer": "ses", "transport": "ses", "host": "", "port": 0, "timeout": 0}))
    assert found == by("ses", host="", port=None, timeout=None)
    assert found.address == "no host:no port"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [CONFIGURED],
        [{**CONFIGURED, "transport": "ses"}, ANSWERED],
        [CONFIGURED, ANSWERED, ANSWERED],
        [{**CONFIGURED, "has_user": "yes"}, ANSWERED],
        [{**CONFIGURED, "port": "x"}, ANSWERED],
        [CONFIGURED, {**ANSWERED, "milliseconds": "7"}],
        [CONFIGURED, {**ANSWERED, "milliseconds": True}],
        [CONFIGURED, {**ANSWERED, "answered": "yes"}],
    ],
)
def test_anything_else_is_unknown(lines: list[dict[str, object]]) -> None:
    with pytest.raises(FactError):
        ASK.answer(told(*lines))


def test_a_transport_that_nobody_can_ask_is_unknown_and_named() -> None:
    with pytest.raises(FactError, match="cannot be asked by Acme"):
        ASK.answer(
            told(CONFIGURED, {"answered": None, "milliseconds": 0, "class": "Acme", "why": "it cannot be asked"})
        )


@pytest.mark.parametrize(
    "seen, why",
    [
        (mailing(), ""),
        (mailing(replace(LET_IN, took=WITHIN)), ""),
        (by("ses"), ""),
        (by("log"), ""),
        (by(""), "the application's mailer smpt is not configured: no mail can be sent"),
        (mailing(NOBODY), f"no mail server for the application at mail.lab:2525: {REFUSED}"),
        (mailing(replace(NOBODY, why="")), "no mail server for the application at mail.lab:2525: Swift_Transport"),
        (mailing(SLOW), "the mail server at mail.lab:2525 took 7.5 s to let the application in, over 5 s: each mail"),
        (
            mailing(refusing()),
            "the mail server at mail.lab:2525 is there, and refuses the application's login: 535 5.7.8 authent",
        ),
        (
            mailing(refusing("530 5.7.0 Must issue a STARTTLS")),
            "is there, and refuses the application's login: 530 5.7",
        ),
        (mailing(refusing("Failed to authenticate on SMTP server")), "login: Failed to authenticate on SMTP server"),
        (mailing(refusing('got code "421", with message "421 busy"')), "no mail server for the application at"),
    ],
)
def test_why_no_mail_would_go_out(seen: Mailing, why: str) -> None:
    found = seen.why_refused(WITHIN)
    assert why in found
    assert bool(found) is bool(why)


@pytest.mark.parametrize(
    "seen, why",
    [
        (mailing(), ""),
        (mailing(NOBODY), ""),
        (by(""), ""),
        (by("log"), "the application sends its mail to nobody: its mailer log is log"),
        (by("array"), "the application sends its mail to nobody"),
        (by("ses"), "mail goes by ses, which cannot be asked without sending one"),
    ],
)
def test_what_cannot_be_known_of_mail(seen: Mailing, why: str) -> None:
    assert seen.why_unknown.startswith(why)
    assert bool(seen.why_unknown) is bool(why)
    assert not by("ses").is_login_refused


def test_where_the_mail_server_is() -> None:
    assert not mailing().is_here
    assert mailing(host="127.0.0.1").is_here


@pytest.mark.parametrize(
    "exception, is_one",
    [
        ("Swift_TransportException", True),
        ("Swift_RfcComplianceException", True),
        ("Symfony\\Component\\Mailer\\Exception\\TransportException", True),
        ("Symfony\\Component\\Mailer\\Exception\\UnexpectedResponseException", True),
        ("Symfony\\Component\\Mailer\\Exception\\TransportException\n", False),
        ("Illuminate\\Queue\\MaxAttemptsExceededException", False),
        ("RuntimeException", False),
        ("", False),
    ],
)
def test_which_exceptions_are_of_a_mail(exception: str, is_one: bool) -> None:
    assert is_of_mail(exception) is is_one


@pytest.mark.parametrize(
    "found, is_remembered", [({"driver": "redis"}, True), ({"driver": "array"}, False), ({"driver": ""}, False)]
)
def test_what_is_remembered_of_a_test_mail(found: dict[str, Any], is_remembered: bool) -> None:
    seen = LAST.answer(told({"state": "sent", "age": 7, **found}))
    assert seen == LastTest(driver=found["driver"], state="sent", age=7)
    assert seen.is_remembered is is_remembered
    assert LAST.command.words == ("php", "--", "last-test-mail", "/srv/app", "oncall@soleil.example")


def test_a_cache_that_does_not_answer_is_unknown_and_says_why() -> None:
    with pytest.raises(FactError, match="whether a test mail was sent: RedisException: Connection refused"):
        LAST.answer(told({"class": "RedisException", "why": "Connection\nrefused"}))
    for wrong in ({"driver": "redis", "state": "perhaps", "age": 1}, {"driver": "redis", "state": "sent", "age": -1}):
        with pytest.raises(FactError):
            LAST.answer(told(wrong))


@pytest.mark.parametrize(
    "text",
    [
        "oncall@soleil.example", "on.call+mail=x@mail-1.soleil.example", "a@b.co", "O'Hara_%@x.example",
        f"{'a' * 64}@b.example",
    ],
)  # fmt: skip
def test_one_plain_address_is_taken(text: str) -> None:
    refuse_unless_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "a@b", "@b.example", "a@", "a@b.example ", " a@b.example", "a@b.example\n",
        "a@b.example\r\nBcc: guest@b.example", "a@b.example,c@b.example", "a@b.example;c@b.example",
        "Jan <a@b.example>", "<a@b.example>", '"a b"@b.example', "a b@b.example", "a@b..example", ".a@b.example",
        "a.@b.example", "a..b@b.example", "a@-b.example", "a@b-.example", "a@[192.0.2.1]", "a(b)@b.example",
        "a@b@c.example", "$(reboot)@b.example", "`a`@b.example", "a\0@b.example", "a@b.example\u202e", "ä@b.example",
        "a!b@c.example", "a|b@c.example", "a/b@c.example", f"{'a' * 65}@b.example", f"a@{'b' * 64}.example",
        f"a@{'.'.join(['b' * 60] * 5)}",
    ],
)  # fmt: skip
def test_whatever_is_more_or_less_than_one_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="to must be one mail address"):
        refuse_unless_address(text)
