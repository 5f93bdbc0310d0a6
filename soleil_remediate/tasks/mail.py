"""Send a test mail, as the application would, to an operator who asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.facts.mail import (
    EACH_REPLY,
    MAILER,
    MARK,
    NOWHERE,
    SENT_FOR,
    AskMail,
    LastTest,
    Mailing,
    ReadLastTest,
    refuse_unless_address,
)
from soleil_remediate.facts.php import START, STARTING
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Send one mail to $argv[3] by the application's own mailer, and remember that for $argv[4] seconds, in its cache; each
#: reply may take $argv[5] seconds. Remembered as begun before, a change that is sent twice does nothing the second
#: time,
#: and one of which nobody knows what became of it is not sent again at once. The application may send all mail
#: elsewhere, or hold it back: so what it really is about to send it to is compared last, and whether it sent it.
_SEND = (
    START.replace("exit(0)", "exit(75)")  # an application that cannot be started has not sent anything
    + MAILER
    + MARK
    + r"""
function stop($why, $status = 75) { fwrite(fopen("php://stderr", "w"), "$why\n"); exit($status); }
[$to, $for] = [$argv[3], (int) $argv[4]];
$until = fn () => new DateTime("+$for seconds");
if (in_array($transport, [null, "", "log", "array", "null"], true)) stop("mail goes to nobody: nothing was sent");
$wait($argv[5]);
try {
    $cache = $app["cache"]->store();
    $is_first = $cache->add($mark, ["begun", time()], $until());
    if (! $is_first) stop("another test mail was begun meanwhile: nothing was sent");
} catch (Throwable $error) {
    stop("the cache does not remember anything (" . get_class($error) . "): nothing was sent");
}
$is_sent = false;
$others = [];
$app["events"]->listen("Illuminate\Mail\Events\MessageSending", function ($event) use ($to, &$others) {
    foreach (["getTo", "getCc", "getBcc"] as $get) {
        foreach ((array) $event->message->$get() as $address => $one) {
            $address = is_object($one) ? $one->getAddress() : $address; // Symfony's and Swift's
            if (strcasecmp($address, $to) !== 0) $others[] = $get;
        }
    }
    if ($others) return false;
});
$app["events"]->listen("Illuminate\Mail\Events\MessageSent", function () use (&$is_sent) { $is_sent = true; });
$text = "This is a test mail of " . $config["app.name"] . ", sent from " . gethostname() . " at "
    . gmdate("Y-m-d H:i:s") . " UTC by soleil-remediate, because somebody asked for it.\n\n"
    . "It shows that mail of this application reaches this mailbox. Nothing has to be done about it.\n";
try {
    $app["mailer"]->raw($text, function ($message) use ($to, $config) {
        $message->to($to)->subject("Test mail of " . preg_replace("/[\\x00-\\x1f\\x7f]+/", " ", $config["app.name"]));
    });
} catch (Throwable $error) {
    $cache->forget($mark);
    $why = trim(preg_replace('/\s+/', " ", $hide($error->getMessage())));
    $why = get_class($error) . ": " . mb_strcut($why, 0, 400);
    stop("the mail server did not say that it took the test mail: $why", 1);
}
if (! $is_sent) {
    $cache->forget($mark);
    stop($others ? "the application would send it to others too, or elsewhere: nothing was sent"
        : "the application itself held the test mail back: nothing was sent");
}
$cache->put($mark, ["sent", time()], $until());
fwrite($answer, "one mail was taken for $to; whether it arrives, its mailbox says\n");
"""
)


@dataclass(frozen=True, kw_only=True)
class SendTestMail(OfApplication[tuple[Mailing, LastTest] | None], Task[tuple[Mailing, LastTest] | None]):
    """Send one test mail, by the application's own mailer and from its own sender, to an address that somebody gives.

    Only where an address is given, which has to be an operator's: it is the only one that gets it, with a text that
    says what it is, and nothing of any customer. That the mail server took it is seen; whether it arrives, only that
    mailbox says. From one host no second one goes to the same address within a quarter of an hour: the application's
    cache remembers that.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        to: One mail address, nothing else. Without it no mail is sent.
        within: A mail server that takes longer to let the application in is repaired first.

    Raises:
        Unplannable: The mail server does not let the application in, all its mail goes to nobody or to one address, or
            nothing would remember that the mail was sent.
    """

    kind = "test-mail.send"
    risk: ClassVar[Risk] = Risk.DESTRUCTIVE
    rounds = 1

    to: str | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.to is not None:
            refuse_unless_address(self.to)

    def aim(self) -> str:
        return f"a test mail to {self.to or 'an address that is given'} was taken"

    async def read(self, host: Reader) -> tuple[Mailing, LastTest] | None:
        if self.to is None:
            return None
        return await host.ask_all(AskMail(self.root, self.user), ReadLastTest(self.root, self.user, self.to))

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: tuple[Mailing, LastTest] | None) -> Plan:
        if seen is None or self.to is None:
            return Plan.nothing("nobody asked for a test mail")
        mailing, last = seen
        if last.state == "sent":
            return Plan.nothing(
                f"one to {self.to} was taken {Duration(last.age)} ago; whether it arrived, it says there"
            )
        if last.state == "begun":
            raise Unplannable(
                f"one to {self.to} was begun {Duration(last.age)} ago, and nobody knows whether it was sent: look "
                f"there; another may be sent {SENT_FOR} after that"
            )
        self._refuse_unless_it_gets_there(mailing, last)
        server = f"{mailing.address} by SMTP" if mailing.reply is not None else mailing.transport
        words = ("php", "--", "test-mail", str(self.root), self.to, str(int(SENT_FOR)), str(int(EACH_REPLY)))
        return Plan.of(
            Change(
                summary=f"send one test mail from {mailing.sender or 'the application'} to {self.to}, through {server}",
                command=Command(words, user=self.user, stdin=_SEND, deadline=Duration(STARTING + 60)),
                risk=self.risk,
                undo=Undo.none("a mail that was sent is not taken back"),
                before="no test mail",
                after=f"one was taken for {self.to}, and for nobody else; whether it arrives, its mailbox says",
                loses="nothing of the application's; whoever has that mailbox gets a mail",
                keeps="every customer's mailbox",
                uses=(Use(user=self.user),),
            ),
            because=f"a test mail to {self.to} was asked for",
        )

    def _refuse_unless_it_gets_there(self, mailing: Mailing, last: LastTest) -> None:
        """Refuse where it would go to nobody or to others, and where nobody would know that it went.

        Raises:
            Unplannable: That is so.
        """
        if mailing.transport in NOWHERE:
            raise Unplannable(f"the application's mailer {mailing.mailer} is {mailing.transport}: mail goes to nobody")
        if why := mailing.why_refused(self.within):
            raise Unplannable(f"{why}; repair that first")
        if mailing.is_redirected:
            raise Unplannable("the application sends all its mail to one address (mail.to): so would the test mail go")
        if not last.is_remembered:
            raise Unplannable(
                f"the application's cache ({last.driver or 'none'}) keeps nothing, so that nobody would know that the "
                f"test mail was sent"
            )
