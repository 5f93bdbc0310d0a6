"""How an application sends mail, whether its mail server lets it in, and whether a test mail was sent a moment ago.

Its own code answers, as its own user and by its own configuration. Its login and its password stay in the PHP process.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import TIMED_OUT, Command, Output, Query
from soleil_remediate.errors import FactError
from soleil_remediate.facts.application import is_local
from soleil_remediate.facts.files import readable
from soleil_remediate.facts.php import START, STARTING, ask_php, told
from soleil_remediate.facts.queues import number, plain
from soleil_remediate.facts.replies import Reply
from soleil_remediate.secrecy import redacted
from soleil_remediate.units import Duration

#: So long a mail server may take for each reply where the application itself does not wait for less, and in all.
EACH_REPLY, ALL_REPLIES = Duration(5), Duration(15)

#: What sends mail to nobody.
NOWHERE = frozenset({"log", "array", "null"})

#: What an application's own PHP raises where a mail could not be handed over: by Swift Mailer, which Laravel used until
#: its version 8, and by Symfony's Mailer since. What providers' programming interfaces raise has no name in common.
_OF_MAIL = re.compile(r"Swift_\w+Exception|Symfony\\Component\\Mailer\\Exception\\\w+")

#: A reply to a login that is not taken, or missing (RFC 4954, 6), within what was met.
_REFUSAL = re.compile(r"\b53[0458][ -][^\"]{0,200}")

#: One address as RFC 5321 (4.1.2) has it, without quoted names, comments and literal addresses: no character of it
#: means anything to a header, a shell or PHP.
_LOCAL = r"[A-Za-z0-9_+=%'-]+(?:\.[A-Za-z0-9_+=%'-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_LOCAL}@{_LABEL}(?:\.{_LABEL})+")

#: How the application's default mailer is set up: $found is its part of the configuration, which stands at $key.
MAILER = r"""
$name = $config["mail.default"];
$key = $name === null ? "mail" : "mail.mailers.$name"; // without mailers before Laravel 7
$found = settings($config[$key]);
$transport = $found["transport"] ?? $found["driver"] ?? null;
$wait = function ($seconds) use ($config, $key, $found) { // no longer than that for each reply
    $given = (float) ($found["timeout"] ?? 0);
    $config->set("$key.timeout", $given > 0 ? min($given, (float) $seconds) : (float) $seconds);
};
$hide = function ($text) use ($found) { // a server may repeat what it was sent
    [$user, $password] = [(string) ($found["username"] ?? ""), (string) ($found["password"] ?? "")];
    $forms = [$password, base64_encode($password), base64_encode("\0$user\0$password"), rawurlencode($password)];
    $text = str_replace("username \"$user\"", "its user name", $text);
    return $password === "" ? $text : str_replace($forms, "{hidden}", $text);
};
"""

#: Tell how mail is sent; where that is by SMTP, let the application's own mailer connect, greet, begin TLS and log in
#: as it is configured to, each within $argv[3] seconds, and take leave. No mail is begun.
_ASK = (
    START
    + MAILER
    + r"""
$plain = fn ($value) => is_scalar($value) ? (string) $value : "";
$other = fn ($which) => ($found[$which]["address"] ?? $config["mail.$which.address"]) ?: "";
tell(["mailer" => $plain($name ?? $transport), "transport" => $plain($transport),
    "host" => $plain($found["host"] ?? null), "port" => (int) ($found["port"] ?? 0),
    "encryption" => $plain($found["encryption"] ?? $found["scheme"] ?? null),
    "has_user" => ($found["username"] ?? "") != "", "has_password" => ($found["password"] ?? "") != "",
    "timeout" => (int) ($found["timeout"] ?? 0), "sender" => $plain($other("from")),
    "is_redirected" => $other("to") !== "", "is_cached" => (bool) $app->configurationIsCached()]);
if ($transport !== "smtp") exit(0);
$wait($argv[3]);
$begin = microtime(true);
try {
    $mailer = $app["mailer"];
    $by = method_exists($mailer, "getSymfonyTransport") ? $mailer->getSymfonyTransport()
        : $mailer->getSwiftMailer()->getTransport();
    if (! method_exists($by, "start")) {
        tell(["answered" => null, "milliseconds" => 0, "class" => get_class($by), "why" => "it cannot be asked"]);
        exit(0);
    }
    $say = function ($what) use ($by) {
        $method = new ReflectionMethod($by, $what);
        $method->setAccessible(true); // with Symfony's Mailer it is public since 6.1
        $method->invoke($by);
    };
    $say("start");
    tell(["answered" => true, "milliseconds" => 1000 * (microtime(true) - $begin), "class" => "", "why" => ""]);
    $say("stop");
} catch (Throwable $error) {
    tell(["answered" => false, "milliseconds" => 1000 * (microtime(true) - $begin), "class" => get_class($error),
        "why" => mb_strcut($hide($error->getMessage()), 0, 600)]);
}
"""
)

#: So long a run that sent a test mail is remembered, in the application's own cache.
SENT_FOR = Duration(900)

#: Where it is remembered that a test mail was sent from this host to $argv[3].
MARK = r"""
$mark = "soleil-remediate:test-mail:" . sha1(gethostname() . " " . strtolower($argv[3]));
"""

_READ_TEST = (
    START
    + MARK
    + r"""
try {
    $cache = $config["cache.default"];
    $value = $app["cache"]->store()->get($mark);
    $known = is_array($value) && count($value) === 2 ? $value : ["none", time()];
    tell(["driver" => (string) ($config["cache.stores.$cache.driver"] ?? ""), "state" => (string) $known[0],
        "age" => max(0, time() - (int) $known[1])]);
} catch (Throwable $error) {
    tell(why($error));
}
"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """How an application sends mail where nothing else is said, and whether its mail server let it in.

    Args:
        mailer: What the application calls it.
        transport: ``smtp``, ``ses``, ``log``, …; empty where that mailer is not configured.
        host: The mail server.
        port: ``None`` where none is named.
        encryption: What is configured: ``tls``, ``ssl``, ``smtps``, or nothing.
        has_user: It logs in.
        has_password: With a password.
        timeout: So long the application waits for a reply; ``None`` where that is its library's own default.
        sender: From whom.
        is_redirected: All mail goes to one address, whomever it is for.
        is_cached: The configuration is a cached one: what stands in ``.env`` does not count until it is cached anew.
        reply: How the mail server answered; ``None`` where mail does not go by SMTP.
    """

    mailer: str
    transport: str
    host: str = ""
    port: int | None = None
    encryption: str = ""
    has_user: bool = False
    has_password: bool = False
    timeout: Duration | None = None
    sender: str = ""
    is_redirected: bool = False
    is_cached: bool = False
    reply: Reply | None = None

    @property
    def address(self) -> str:
        """Where the mail server is, for people."""
        return f"{self.host or 'no host'}:{self.port or 'no port'}"

    @property
    def is_here(self) -> bool:
        """Whether the mail server is on the application's own host, by its address."""
        return is_local(self.host)

    @property
    def is_login_refused(self) -> bool:
        """Whether the mail server answers, and does not take the application's user name and password."""
        if self.reply is None or self.reply.is_answered:
            return False
        return "failed to authenticate" in self.reply.why.lower() or _REFUSAL.search(self.reply.why) is not None

    @property
    def why_unknown(self) -> str:
        """Why it cannot be known whether a mail would go out; empty where that can be known."""
        if self.transport in NOWHERE:
            return f"the application sends its mail to nobody: its mailer {self.mailer} is {self.transport}"
        if self.transport and self.reply is None:
            return (
                f"mail goes by {self.transport}, which cannot be asked without sending one: see the provider's "
                f"dashboard, or send a test mail: --set to=ADDRESS"
            )
        return ""

    def why_refused(self, within: Duration) -> str:
        """Return why no mail would go out now, as far as it can be known; empty where nothing speaks against it.

        Args:
            within: A mail server that takes longer to let the application in is too slow.
        """
        if not self.transport:
            return f"the application's mailer {self.mailer or '(none)'} is not configured: no mail can be sent"
        if self.reply is None:
            return ""
        if self.is_login_refused:
            code = _REFUSAL.search(self.reply.why)
            said = code[0].strip(' ."') if code else self.reply.why
            return f"the mail server at {self.address} is there, and refuses the application's login: {said}"
        if not self.reply.is_answered:
            return f"no mail server for the application at {self.address}: {self.reply.why or self.reply.error}"
        if self.reply.took > within:
            return (
                f"the mail server at {self.address} took {self.reply.took} to let the application in, over {within}: "
                f"each mail takes longer still, and its worker waits"
            )
        return ""


@dataclass(frozen=True, slots=True)
class AskMail(Query[Mailing]):
    """How an application sends mail; where that is by SMTP, its own mailer logs in at its mail server, and sends none.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
    """

    root: PurePosixPath
    user: str
    expects = frozenset({0, TIMED_OUT})

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(STARTING + ALL_REPLIES), _ASK, "mail", self.root, str(int(EACH_REPLY)))

    def parse(self, output: Output) -> Mailing:
        lines = len(output.stdout.splitlines()) - 1
        if output.exit_status == TIMED_OUT and lines < 2:
            (found,), reply = told(output, 1), Reply(is_answered=False, took=ALL_REPLIES, why="no answer in time")
            return _mailing(found, reply)
        found, *answers = told(output, max(1, min(lines, 2)))
        if (found["transport"] == "smtp") is not bool(answers):
            raise ValueError("a mail server was asked, or was not, against what is configured")
        return _mailing(found, *(_reply(one) for one in answers))


def _mailing(found: dict[str, object], reply: Reply | None = None) -> Mailing:
    timeout = number(found["timeout"])
    return Mailing(
        mailer=plain(found["mailer"]),
        transport=plain(found["transport"]),
        host=plain(found["host"]),
        port=number(found["port"]) or None,
        encryption=plain(found["encryption"]),
        has_user=_flag(found["has_user"]),
        has_password=_flag(found["has_password"]),
        sender=plain(found["sender"]),
        is_redirected=_flag(found["is_redirected"]),
        is_cached=_flag(found["is_cached"]),
        timeout=Duration(timeout) if timeout else None,
        reply=reply,
    )


def _reply(found: dict[str, object]) -> Reply:
    if found["answered"] is None:
        raise FactError(f"the mail server cannot be asked by {plain(found['class'])}, which sends the mail")
    took = found["milliseconds"]
    if not isinstance(took, int | float) or isinstance(took, bool):
        raise ValueError("no time")  # noqa: TRY004  # what a host says is no type of ours
    why = redacted(readable(" ".join(str(found["why"]).split()).encode())[0])
    return Reply(
        is_answered=_flag(found["answered"]), took=Duration(took / 1000), error=plain(found["class"]), why=why[:400]
    )


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError("neither yes nor no")


@dataclass(frozen=True, slots=True, kw_only=True)
class LastTest:
    """What is remembered of a test mail to an address, from this host.

    Args:
        driver: Of the application's cache, which remembers it.
        state: ``none``, ``begun`` or ``sent``.
        age: How long ago, in seconds.
    """

    driver: str
    state: str
    age: int = 0

    @property
    def is_remembered(self) -> bool:
        """Whether that cache keeps anything from one process to the next."""
        return self.driver not in {"", "array", "null"}


@dataclass(frozen=True, slots=True)
class ReadLastTest(Query[LastTest]):
    """Whether a test mail was sent to an address from this host a moment ago; the application's own cache knows.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        to: The address.
    """

    root: PurePosixPath
    user: str
    to: str

    @property
    def command(self) -> Command:
        return ask_php(self.user, Duration(STARTING + EACH_REPLY), _READ_TEST, "last-test-mail", self.root, self.to)

    def parse(self, output: Output) -> LastTest:
        (found,) = told(output, 1)
        if "why" in found:
            why = redacted(" ".join(f"{found['class']}: {found['why']}".split()))[:200]
            raise FactError(f"the application's cache does not say whether a test mail was sent: {why}")
        state = plain(found["state"])
        if state not in {"none", "begun", "sent"}:
            raise ValueError("no state of a test mail")
        return LastTest(driver=plain(found["driver"]), state=state, age=number(found["age"]))


def is_of_mail(exception: str) -> bool:
    """Whether an exception's class says that a mail could not be handed over."""
    return _OF_MAIL.fullmatch(exception) is not None


def refuse_unless_address(text: str) -> None:
    """Refuse what is not one plain mail address.

    Raises:
        ValueError: It is none, several, or has more than an address in it.
    """
    if not _ADDRESS.fullmatch(text):
        raise ValueError(
            f"to must be one mail address, such as oncall@soleil.example, not {text[:80]!r}: no name, no list, no "
            f"second line"
        )
