"""Who asks a web server for what, how often, and who is refused: by its access log, and by nothing else in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.addresses import Address, Block, Network, ReadBlocks, address_in
from soleil_remediate.facts.clocks import ReadClock, time_in
from soleil_remediate.facts.files import only_missing, readable
from soleil_remediate.facts.together import together
from soleil_remediate.units import Duration, MiB

#: So much of the end of a log, and of the one before it, is looked at.
_END = MiB(1)
#: With fewer lines it was not the end of a log that was read, but all of it.
_MANY_LINES = 2000
#: Requests of this many seconds make a rate.
MINUTE = 60
#: What is said where the log does not tell of all the time that was to be judged.
AS_FAR = "as far as what is read of the log goes back"
#: As Laravel's throttle and nginx's limit_req_status answer whoever asks too often (RFC 6585, 4).
_TOO_MANY = 429
#: nginx's usual format. It writes no quotation mark and no end of line inside of a field, so what a client says of
#: itself, in a name, a page or a header, can stand for no other field: the address is what nginx met, or real_ip put.
_LINE = re.compile(
    rb'(?P<address>[0-9A-Fa-f.:]{2,45}) - [^"]*\[(?P<time>[^\]"]{20,40})\] "(?P<request>[^"]*)" (?P<status>[0-9]{3}) '
    rb'(?:[0-9]+|-) "[^"]*" "(?P<agent>[^"]*)".*'
)
#: Method, page, and what follows a question mark.
_PAGE = re.compile(r"([A-Z]{1,12}) ([^ ?]*)(\?\S*)?( HTTP/[0-9.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One line of the log.

    Args:
        at: In seconds since 1970.
        page: Method and page, without what follows a question mark, where secrets may stand.
        agent: What the client calls itself.
    """

    address: Address
    at: int
    page: str
    status: int
    agent: str

    @property
    def is_refused(self) -> bool:
        return self.status == _TOO_MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """One address, by what it asked for in the last minute.

    Args:
        requests: The newest last.
        per_minute: How many that is a minute: the log may not reach back for a whole one.
    """

    address: Address
    requests: tuple[Request, ...]
    per_minute: int

    @property
    def refused(self) -> int:
        """How many were answered with 429."""
        return sum(request.is_refused for request in self.requests)

    @property
    def agents(self) -> int:
        """How many different clients they say to be."""
        return len({request.agent for request in self.requests})

    @property
    def pages(self) -> tuple[tuple[str, int], ...]:
        """What is asked for, the most often first."""
        return tuple(Counter(request.page for request in self.requests).most_common())


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What the end of an access log says.

    Args:
        requests: Of everybody but the host itself, the newest last.
        now: The host's clock, in seconds since 1970.
        blocks: What this program blocks; what such an address asked for before that is over.
    """

    requests: tuple[Request, ...]
    now: int
    blocks: tuple[Block, ...] = ()

    @property
    def recent(self) -> tuple[Request, ...]:
        """Those of the last minute, but for what was asked for by who is blocked since."""
        return self.lately(Duration(MINUTE))

    def lately(self, within: Duration) -> tuple[Request, ...]:
        """Return those of so lately, but for what was asked for by who is blocked since."""
        return tuple(one for one in self.requests if one.at > self.now - within and not self._is_over(one))

    def reach(self, within: Duration) -> Duration:
        """Return of how much of so long the log tells, as far as it was read; a second at least."""
        if len(self.requests) < _MANY_LINES:  # the log is whole, and only so much was asked for
            return within
        return min(within, Duration(max(1, self.now - min(one.at for one in self.requests))))

    def _is_over(self, request: Request) -> bool:
        # One second: it may have been answered while the block began.
        return any(
            request.address in block.network and request.at <= self.now - (block.lasts - block.left) + 1
            for block in self.blocks
        )

    @property
    def talkers(self) -> tuple[Talker, ...]:
        """Every address of the last minute, the busiest first."""
        by_address: dict[Address, list[Request]] = {}
        for request in self.recent:
            by_address.setdefault(request.address, []).append(request)
        covered = int(self.reach(Duration(MINUTE)))
        found = (
            Talker(address=address, requests=tuple(its), per_minute=round(len(its) * MINUTE / covered))
            for address, its in by_address.items()
        )
        return tuple(sorted(found, key=lambda one: len(one.requests), reverse=True))

    def others(self, network: Network) -> int:
        """Return how many other addresses the log knows, in all that was read of it."""
        return len({one.address for one in self.requests if one.address not in network})

    def of(self, network: Network, within: Duration) -> tuple[Request, ...]:
        """Return what was asked for from there so lately."""
        return tuple(one for one in self.requests if one.address in network and one.at > self.now - within)


@dataclass(frozen=True, slots=True)
class ReadRequests(Query[tuple[Request, ...]]):
    """The newest requests of an access log in nginx's usual format (``combined``) and of the one before it.

    Only what nginx itself puts at the beginning of a line counts as an address.
    """

    log: PurePosixPath
    # 1: one of the two is not there
    expects = frozenset({0, 1})

    @property
    def command(self) -> Command:
        words = ("tail", "--verbose", f"--bytes={_END:d}", "--", f"{self.log}.1", str(self.log))
        return Command(words, deadline=Duration(5), output_limit=MiB(3))

    def parse(self, output: Output) -> tuple[Request, ...]:
        if output.exit_status:
            only_missing(output)
        lines = [line for line in output.stdout.split(b"\n") if line and not line.startswith(b"==> ")]
        if not output.stdout.startswith(b"==> "):
            raise ValueError("not the log that was asked for")
        matches = [match for line in lines if (match := _LINE.fullmatch(line))]
        if len(matches) * 2 < len(lines) - 2:  # each of both may begin in the middle of a line
            raise ValueError(f"{len(lines) - len(matches)} of {len(lines)} lines are not in nginx's usual format")
        found = (_request(match) for match in matches)
        return tuple(one for one in found if one is not None and not one.address.is_loopback)


def _request(match: re.Match[bytes]) -> Request | None:
    address, at = address_in(match["address"].decode("ascii")), time_in(match["time"])
    if address is None or at is None:
        return None
    asked = _PAGE.fullmatch(readable(match["request"])[0])
    return Request(
        address=address,
        at=at,
        page=f"{asked[1]} {asked[2][:80]}" if asked else "(no request of HTTP)",
        status=int(match["status"]),
        agent=readable(match["agent"])[0][:200],
    )


async def read_traffic(host: Reader, log: PurePosixPath) -> Traffic:
    """Return what the end of an access log says, and what is blocked.

    Raises:
        FactError: The log, or the clock, says nothing.
    """
    (requests, now), (blocks,) = await together(
        host.ask_all(ReadRequests(log), ReadClock()), host.ask_each((ReadBlocks(),))
    )
    # Where it is not known who is blocked, nothing that anybody asked for is over.
    return Traffic(requests=requests, now=now, blocks=() if isinstance(blocks, FactError) else blocks)


#: So many names for browsers, and an address is taken for that of many clients.
MANY = 5


def sort_of(talker: Talker, traffic: Traffic, most: int, front: Sequence[Network]) -> str:
    """Return for people what an address looks like, and why: one client, or many behind it.

    Args:
        talker: Who.
        traffic: Everybody.
        most: More requests a minute than this are too many for one client.
        front: The proxies that are known to stand in front of the host.
    """
    is_of_many = talker.agents >= MANY
    if is_front(talker.address, front) and (is_of_many or talker.per_minute > most):
        return "a host or a proxy of ours: who is behind it cannot be told apart here"
    if is_of_many:
        return (
            f"names {talker.agents} different browsers: a proxy or a shared line with many users, or one that pretends"
        )
    if talker.per_minute <= most:
        return "as a user, or a few, would"
    alone = "" if {one.address for one in traffic.requests} - {talker.address} else "; nobody else comes: a proxy?"
    refused = f", {talker.refused} of them refused (429)" if talker.refused else ""
    page, count = talker.pages[0]
    share = f"{count} of {len(talker.requests)} for {page}"
    return f"one client: {share}{refused}: an attack, or a program with a bug{alone}"


def is_front(address: Address, front: Iterable[Network]) -> bool:
    """Whether an address is a proxy's that stands in front of the host: one of those named, or none of the internet."""
    return not address.is_global or any(address in network for network in front)
