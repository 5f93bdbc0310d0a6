"""Do users get what the host serves? Asked from the machine that this program runs on, by the public address."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from soleil_remediate.command import Reader
from soleil_remediate.facts.clocks import ReadClock, as_text
from soleil_remediate.facts.from_here import Address, AskFromHere, FromHere, OwnAddresses
from soleil_remediate.facts.http import refuse_unless_askable
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration

_DAY = 86400
#: Two clocks that differ by more cannot both be believed about a certificate's dates.
_APART = 3600

_NOT_TRUSTED = "its certificate is not trusted ({says}), which no step mends"
#: What is certain to be wrong for users as well, and what it means.
_BROKEN = {
    "not trusted": _NOT_TRUSTED,
    "no tls": "no TLS can be agreed on ({says}), which no step mends",
    "broken off": "it is broken off: {says}",
}
#: The same of the host itself and of what stands in front of it: elsewhere something on the way may have done it.
_BROKEN_THERE = {
    "refused": "nothing listens at {at}: look at what stands in front of the host, and at its firewall",
    "unknown issuer": _NOT_TRUSTED,
}
#: What may as well be the fault of this machine or its network.
_UNSURE = {
    "no name": "the name cannot be looked up here ({says}): either there is no such name any more, or this machine has "
    "no name server that works",
    "too late": "no answer came here in time ({says}): either nobody gets one, or this machine has no way there",
    "no way": "this machine has no way there ({says})",
    "refused": "the connection to {at} is refused: either nothing listens there, or a firewall on the way from here "
    "refuses it",
    "unknown issuer": "its certificate is not trusted here ({says}): either nobody trusts it, or something on the way "
    "from here shows one of its own",
    "circle": "its redirects lead in a circle ({says}): either for everybody, or for whoever keeps no cookie",
    "no authorities": "its certificate cannot be judged: this machine knows no certificate authority ({says})",
    "no ca": "its certificate cannot be judged: app.ca cannot be read here ({says})",
    "odd": "it cannot be asked for: {says}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """What was met on the way to a page, and what the host says about itself.

    Args:
        here: What this machine met.
        own: The host's own addresses.
        clock: The host's clock.
    """

    here: FromHere
    own: frozenset[Address]
    clock: int


@dataclass(frozen=True, kw_only=True)
class PageReached(Check[Reached]):
    """See whether users get a page: asked by its public address from the machine that this program runs on.

    The name is looked up here, the certificate judged as a browser does, redirects within the site followed; one that
    leaves it is not. What is wrong only there is not mended by anything that is done on the host. What this machine or
    its network may have done itself is unknown and never a fault: no name server, no way out, a connection that is
    refused or a certificate of an unknown authority at an address that is neither the host's own nor in *front*.

    Args:
        page: Its path.
        url: The application's public address.
        ca: A file on this machine with certificates of authorities that are trusted as well, such as a staging site's.
        front: Addresses and networks of what stands in front of the hosts.
        within: Everything together takes no longer; else it is unknown.
        lasting: A certificate that ends sooner is told, and no fault before it has ended.
    """

    kind = "page.reached"
    rounds = 1

    page: str
    url: str
    ca: str | None = None
    front: tuple[str, ...] | None = None
    within: Duration = Duration(5)
    lasting: Duration = Duration(14 * _DAY)

    def __post_init__(self) -> None:
        refuse_unless_askable(self.page, self.url)
        for network in self.front or ():
            ipaddress.ip_network(network)
        if self.within <= 0:
            raise ValueError("within must be longer than nothing")

    async def read(self, host: Reader) -> Reached:
        public = urlsplit(self.url)
        asking = AskFromHere(f"{public.scheme}://{public.netloc}{self.page}", self.within, self.ca or "")
        here, own, clock = await host.ask_all(asking, OwnAddresses(), ReadClock())
        return Reached(here=here, own=own, clock=clock)

    def judge(self, seen: Reached) -> Verdict:
        here = seen.here
        label, where = f"{self.page} from here", self._where(seen)
        if here.status is None:
            return self._unanswered(seen, label, where)
        said = f"{here.url} from here answers {here.status}"
        measure = Measure(label=label, value=str(here.status), is_faulty=not 200 <= here.status < 300)
        certificate = self._certificate(here)
        measures = (measure, *certificate)
        if here.status >= 500:
            return Verdict.faulty(f"{said}, {where}", *measures)
        if here.location:
            return Verdict.unknown(
                f"{said}, a redirect to {here.location}, which was not followed: name the address that users have as "
                "app.url",
                *measures,
            )
        if measure.is_faulty:
            return Verdict.unknown(f"{said}, {where}: that says nothing about the application", *measures)
        soon = [f"its certificate ends {as_text(here.expires or 0)} UTC" for one in certificate if one.is_faulty]
        return Verdict.healthy(", ".join([said, where, *soon]), *measures)

    def _unanswered(self, seen: Reached, label: str, where: str) -> Verdict:
        here = seen.here
        measure = Measure(label=label, value=here.why, is_faulty=True)
        is_there = bool(here.addresses) and all(
            self._whose(address, seen.own) in {"own", "front"} for address in here.addresses
        )
        certain = {**_BROKEN, **_BROKEN_THERE} if is_there else _BROKEN
        words = {**_UNSURE, **certain}[here.why].format(at=here.at or ", ".join(here.addresses), says=here.says)
        is_about_trust = here.why in {"not trusted", "unknown issuer"}
        hint = "; an authority of your own is named as app.ca" if is_about_trust and self.ca is None else ""
        said = f"{here.url} from here: {words}{f', {where}' if here.addresses else ''}"
        if here.why not in certain:
            return Verdict.unknown(f"{said}{hint}", measure)
        if is_about_trust and abs(here.now - seen.clock) > _APART:
            clocks = f"the clock here says {as_text(here.now)}, the host's {as_text(seen.clock)}"
            return Verdict.unknown(f"{said}, but {clocks}", measure)
        return Verdict.faulty(f"{said}{hint}", measure)

    def _certificate(self, here: FromHere) -> tuple[Measure, ...]:
        if here.expires is None:
            return ()
        left = here.expires - here.now
        return (Measure(label="certificate", value=f"{left // _DAY} d left", is_faulty=left < self.lasting),)

    def _where(self, seen: Reached) -> str:
        """Return for people what the name stands for."""
        name = urlsplit(self.url).hostname or ""
        kinds = [self._whose(address, seen.own) for address in seen.here.addresses]
        is_address = seen.here.addresses == (name,)
        shown = ", ".join(seen.here.addresses[:3]) + (" …" if len(seen.here.addresses) > 3 else "")
        known = {"own": "this host", "front": "in app.front", "loopback": "the machine that asks"}
        about = next((words for kind, words in known.items() if kind in kinds), "")
        if not about:
            about = "neither this host nor in app.front" if self.front else "not this host: what stands in front of it"
        return f"{shown} is {about}" if is_address else f"{name} is {shown}, {about}"

    def _whose(self, address: str, own: frozenset[Address]) -> str:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return ""
        if parsed.is_loopback:
            return "loopback"
        if parsed in own:
            return "own"
        return "front" if any(parsed in ipaddress.ip_network(network) for network in self.front or ()) else ""
