"""An application's mail for tests: as PHP tells it, and as it is seen."""

from __future__ import annotations

import json
from typing import Any

from soleil_remediate.command import Output
from soleil_remediate.facts.mail import LastTest, Mailing
from soleil_remediate.facts.replies import Reply
from soleil_remediate.units import Duration
from tests.unit.facts.answers import said
from tests.unit.facts.application import STARTED

#: As Laravel 8.83 of Debian 12 tells it.
CONFIGURED: dict[str, object] = {
    "mailer": "smtp", "transport": "smtp", "host": "mail.lab", "port": 2525, "encryption": "", "has_user": True,
    "has_password": True, "timeout": 5, "sender": "noreply@example.test", "is_redirected": False, "is_cached": False,
}  # fmt: skip
ANSWERED = {"answered": True, "milliseconds": 15, "class": "", "why": ""}
LOGIN_REFUSED = (
    "Failed to authenticate on SMTP server with its user name using 2 possible authenticators. Authenticator LOGIN "
    'returned Expected response code 235 but got code "535", with message "535 5.7.8 authentication failed\r\n".'
)
REFUSED = "stream_socket_client(): Unable to connect to mail.lab:2525 (Connection refused)"

LET_IN = Reply(is_answered=True, took=Duration(0.015))
NOBODY = Reply(is_answered=False, took=Duration(0.007), error="Swift_TransportException", why=REFUSED)
SLOW = Reply(is_answered=True, took=Duration(7.5))
NONE_SENT = LastTest(driver="redis", state="none")


def told(*lines: dict[str, object], status: int = 0) -> Output:
    """Return what PHP tells, line by line."""
    return said(STARTED + "".join(f"{json.dumps(line)}\n" for line in lines), status=status)


def mailing(reply: Reply | None = LET_IN, **more: Any) -> Mailing:
    """Return how an application sends mail where all is well, but for what is said otherwise."""
    values: dict[str, Any] = {
        "mailer": "smtp", "transport": "smtp", "host": "mail.lab", "port": 2525, "has_user": True,
        "has_password": True, "timeout": Duration(5), "sender": "noreply@example.test",
    }  # fmt: skip
    return Mailing(**values | more, reply=reply)


def by(transport: str, **more: Any) -> Mailing:
    """Return how an application sends mail by another way than SMTP."""
    return mailing(None, mailer=transport or "smpt", transport=transport, **more)


def refusing(why: str = LOGIN_REFUSED) -> Reply:
    """Return how a mail server answers that sends the application away."""
    return Reply(is_answered=False, took=Duration(0.01), error="Swift_TransportException", why=" ".join(why.split()))
