"""Which application a host serves that stands in no inventory: found out on the host itself, and never guessed.

What a host says of itself decides only what is asked of that host: nothing about it is asked from this machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from soleil_remediate.command import Command, Output, Reader
from soleil_remediate.errors import ConfigError, FactError, Unreachable
from soleil_remediate.facts.sites import FoundApplication, read_applications
from soleil_remediate.host import Host
from soleil_remediate.loading import with_application
from soleil_remediate.look import AskBatch, look
from soleil_remediate.transports import Session
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.dotenv import asking_for_secrets, learn_secrets
from soleil_remediate.units import Duration
from soleil_remediate.visiting import Visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """What was found out about a host's application.

    Args:
        host: The host with its application and what was found of it, or as it was.
        why_not: Why there is nothing; empty where there is.
        ask: Asks that host, and hides what the application keeps secret.
    """

    host: Host
    why_not: str = ""
    ask: AskBatch


def discover(host: Host, session: Session) -> Discovered:
    """Find out which application a host serves; where it serves several, none is chosen.

    What has to be known for that was asked with the session's greeting, so in most cases no round trip is spent.

    Raises:
        Unreachable: The host is gone.
    """
    (found,) = look([read_applications(Reader())], session.ask)
    if why_not := _none_of(found):
        return Discovered(host=host, why_not=why_not, ask=_asking(host, session))
    (one,) = found
    if one.user is None:
        why_not = f"{one.root} was found, and not whom PHP runs it as"
        return Discovered(host=host, why_not=why_not, ask=_asking(host, session))
    values = {"root": one.root, "user": one.user, "logs": None if one.log is None else (one.log,), "url": one.url}
    health = None if one.origin is None else {"origin": one.origin}
    try:
        found_out = with_application(host, {**values, "health": health})
    except ConfigError as error:
        return Discovered(host=host, why_not=str(error), ask=_asking(host, session))
    plain = {**values, "logs": one.log, "health.origin": one.origin}
    told = tuple((f"app.{name}", str(value)) for name, value in plain.items() if value is not None)
    host = replace(found_out, found=told)
    return Discovered(host=host, ask=_asking(host, session))


def find(host: Host, visits: Visits) -> Discovered:
    """Find out in a session of its own which application a host serves.

    Raises:
        Unreachable: The host cannot be reached, or is gone.
        ConfigError: What is said about it cannot be used.
    """
    session = visits.open(host)
    try:
        return discover(host, session)
    finally:
        visits.close(session)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unopened:
    """The way to a host that was not reached when it was asked what it serves: it is not waited for again.

    Args:
        error: Why.
    """

    error: Unreachable | ConfigError

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> Session:
        """Say why there is no session.

        Raises:
            Unreachable: Always, unless what is said about the host cannot be used.
            ConfigError: That is so.
        """
        del host, within, cancellation
        raise self.error


def _none_of(found: tuple[FoundApplication, ...] | FactError) -> str:
    """Return why no application can be meant; empty where there is exactly one."""
    if isinstance(found, FactError):
        return f"no application could be looked for: {found}"
    if not found:
        return "no application was found: nginx serves no folder public with artisan beside it"
    several = ", ".join(str(one.root) for one in found)
    return f"several applications were found, and none was chosen: {several}" if len(found) > 1 else ""


def _asking(host: Host, session: Session) -> AskBatch:
    """Return a way to ask *host*, which its session was opened without knowing the application of.

    So the session does not learn what that keeps secret, and it is learnt here: before anybody can see an answer, and
    with the next batch again where it could not be read whole.
    """
    learning = asking_for_secrets(host, session.access)

    def ask(commands: Sequence[Command]) -> list[Output | FactError]:
        nonlocal learning
        about_secrets = [] if learning is None else [learning]
        heard = session.ask([*about_secrets, *commands])
        for answer in heard[: len(about_secrets)]:
            learn_secrets(host, answer)
            if isinstance(answer, Output) and answer.exit_status == 0:
                learning = None
        return heard[len(about_secrets) :]

    return ask
