from __future__ import annotations

from pathlib import PurePosixPath as Path

from soleil_remediate.facts.mail import Mailing
from soleil_remediate.looks.mail import MailConfiguration
from soleil_remediate.task import Text
from tests.unit.facts.mail import by, mailing

LOOK = MailConfiguration(root=Path("/srv/app"))


def lines(seen: Mailing) -> tuple[str, ...]:
    shown = LOOK.show(seen)
    assert isinstance(shown, Text)
    return shown.lines


def test_how_mail_is_sent_is_shown_without_its_secrets() -> None:
    assert lines(mailing()) == (
        "mailer smtp, by smtp",
        "from noreply@example.test",
        "server mail.lab:2525, encryption not configured, login with a password, waits 5 s for a reply",
        "configuration not cached: .env counts; workers go on with what they were started with",
    )


def test_what_is_missing_or_odd_is_shown_as_well() -> None:
    odd = "\n".join(
        lines(mailing(has_password=False, encryption="tls", timeout=None, is_cached=True, is_redirected=True))
    )
    assert "encryption tls, login with NO password, waits for a reply as its library does" in odd
    assert "a cached one: .env counts once it is cached anew" in odd
    assert "all mail goes to one address (mail.to), whomever it is for" in odd
    assert "no login" in lines(mailing(has_user=False))[2]
    assert lines(by("", sender=""))[:2] == ("mailer smpt, by nothing: it is not configured", "from (nobody)")
    assert len(lines(by("ses"))) == 3
