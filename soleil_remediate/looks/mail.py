"""Show how an application sends mail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.mail import AskMail, Mailing
from soleil_remediate.task import Look, Shown, Text


@dataclass(frozen=True, kw_only=True)
class MailConfiguration(OfApplication[Mailing], Look[Mailing]):
    """Show how an application sends mail, by its configuration as it is loaded; neither its login nor its password.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    kind = "mail.configuration"
    rounds = 1
    title: ClassVar[str] = "Mail"

    async def read(self, host: Reader) -> Mailing:
        return await host.ask(AskMail(self.root, self.user))

    def show(self, seen: Mailing) -> Shown:
        source = "a cached one: .env counts once it is cached anew" if seen.is_cached else "not cached: .env counts"
        return Text(
            lines=(
                f"mailer {seen.mailer or '(none)'}, by {seen.transport or 'nothing: it is not configured'}",
                f"from {seen.sender or '(nobody)'}",
                *self._server(seen),
                f"configuration {source}; workers go on with what they were started with",
                *(("all mail goes to one address (mail.to), whomever it is for",) if seen.is_redirected else ()),
            )
        )

    def _server(self, seen: Mailing) -> tuple[str, ...]:
        if seen.transport != "smtp":
            return ()
        login = "no login" if not seen.has_user else f"login with {'a' if seen.has_password else 'NO'} password"
        waits = f"waits {seen.timeout} for a reply" if seen.timeout else "waits for a reply as its library does"
        return (f"server {seen.address}, encryption {seen.encryption or 'not configured'}, {login}, {waits}",)
