"""Does an application's mail server let it in, and did jobs fail because it did not?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.failed_jobs import FailedJobs, ReadFailedJobs, by_class
from soleil_remediate.facts.mail import AskMail, Mailing, is_of_mail
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class MailAnswering(OfApplication[Mailing], Check[Mailing]):
    """Check that an application's mail server lets it in, without sending a mail.

    Its own mailer asks, as its user and from its host: it connects, greets, begins TLS and logs in as the application
    is configured to, and takes leave. Whether a mail would be taken, and delivered, only a mail can tell: a recipient,
    a sender or a limit may still be refused. What cannot be asked so, as a provider's programming interface, is
    unknown, and so is a mailer that sends to nobody.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        within: A mail server that takes longer until the login is done is too slow; exactly so long is not.
    """

    kind = "mail.answering"
    rounds = 1

    within: Duration = Duration(5)

    def aim(self) -> str:
        return f"the mail server lets the application in within {self.within}"

    async def read(self, host: Reader) -> Mailing:
        return await host.ask(AskMail(self.root, self.user))

    def judge(self, seen: Mailing) -> Verdict:
        if seen.why_unknown:
            return Verdict.unknown(seen.why_unknown)
        why, label = seen.why_refused(self.within), f"mail server {seen.address}"
        if seen.reply is None or not seen.reply.is_answered:
            measure = Measure(label=label, value="no login" if seen.has_user else "no answer", is_faulty=True)
            return Verdict.faulty(f"{why}. {self._by_hand(seen)}", measure)
        took = f"{seen.reply.took * 1000:.0f} ms" if seen.reply.took < 1 else str(seen.reply.took)
        how = "login done" if seen.has_user else "greeted, without a login"
        measure = Measure(label=label, value=f"{how} in {took}", is_faulty=bool(why))
        if why:
            return Verdict.faulty(why, measure)
        return Verdict.healthy(f"{seen.address} lets the application in ({how} in {took})", measure)

    def _by_hand(self, seen: Mailing) -> str:
        """Return what a person can do about it, by what was met."""
        anew = (
            "cache the configuration anew (php artisan config:cache), restart the workers (php artisan queue:restart)"
        )
        if seen.reply is None:
            return f"By hand: correct MAIL_MAILER in {self.root}/.env, {anew}"
        if seen.is_login_refused:
            cached = "; the configuration is a cached one, so that .env may be right already" if seen.is_cached else ""
            return (
                f"Nothing here would help{cached}. By hand: see at the provider which login counts, correct "
                f"MAIL_USERNAME and MAIL_PASSWORD in {self.root}/.env, {anew}"
            )
        here = "see its unit (systemctl status), which is on this host; " if seen.is_here else ""
        return f"By hand: {here}nc -v {seen.host} {seen.port} from here shows whether it takes connections"


@dataclass(frozen=True, kw_only=True)
class MailSent(OfApplication[FailedJobs], Check[FailedJobs]):
    """Check that no job failed lately because its mail could not be handed over.

    By what it failed of: the exceptions of Laravel's own mailers. A job that was ended for want of time, and what a
    provider's programming interface raises, cannot be told from others, and stands among the failed jobs as they do.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        younger_than: What failed exactly so long ago, or longer, does not count.
    """

    kind = "mail.sent"
    rounds = 1

    younger_than: Duration = Duration(86400)

    def aim(self) -> str:
        return f"no job failed of its mail within {self.younger_than}"

    async def read(self, host: Reader) -> FailedJobs:
        return await host.ask(ReadFailedJobs(self.root, self.user))

    def judge(self, seen: FailedJobs) -> Verdict:
        if seen.total is None:
            return Verdict.unknown(f"jobs that failed are kept by the driver {seen.driver}, which is not read here")
        unsent = [one for one in seen.newest if is_of_mail(one.exception) and one.age < self.younger_than]
        is_whole = seen.total <= len(seen.newest) or seen.newest[-1].age >= self.younger_than
        if not unsent and not is_whole:
            return Verdict.unknown(f"{seen.total} jobs failed, of which the newest {len(seen.newest)} are no mail's")
        if not unsent:
            measure = Measure(label="jobs that failed of their mail", value="0")
            return Verdict.healthy(f"no job failed of its mail within {self.younger_than}", measure)
        measure = Measure(label="jobs that failed of their mail", value=str(len(unsent)), is_faulty=True)
        more = "" if is_whole else ", and older ones that were not looked at"
        classes = ",".join(sorted({one.job_class for one in unsent if "(" not in one.job_class}))
        how = f". To retry those of a class that may be done once more: --set classes='{classes}'" if classes else ""
        return Verdict.faulty(
            f"{len(unsent)} jobs failed of their mail: {by_class(unsent)}{more}: whom they were for got no mail{how}",
            measure,
        )
