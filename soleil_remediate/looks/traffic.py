"""Show who asks for what and how often, who is limited by what, and who is blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Reader
from soleil_remediate.facts.addresses import Block, ReadBlocks, addresses_of, in_words
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.limiters import Limits, ReadLimits, Throttle, refuse_unless_customer
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.talkers import Request, Talker, Traffic, read_traffic, sort_of
from soleil_remediate.rights import Right
from soleil_remediate.secrecy import redacted
from soleil_remediate.task import Look, Shown, Table, Text


@dataclass(frozen=True, kw_only=True)
class TrafficTalkers(Look[Traffic]):
    """Show the addresses that asked the most in the last minute, and what speaks for an attack or against it.

    Of each, how often it asked and was refused, how many clients it says to be, and its newest lines that differ:
    without what follows a question mark, where secrets may stand.

    Args:
        top: So many addresses.
        most: More requests a minute than this are too many for one client.
        access_log: Where nginx logs the requests to this application, in its usual format.
        front: Addresses or networks of the proxies in front of the host.
    """

    kind = "traffic.talkers"
    title: ClassVar[str] = "Who asks the most"

    top: int = 5
    most: int = 300
    access_log: PurePosixPath = ACCESS_LOG
    front: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)
        if not 1 <= self.top <= 50:
            raise ValueError("top must be from 1 to 50")

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(host, self.access_log)

    def show(self, seen: Traffic) -> Shown:
        if not seen.talkers:
            newest = seen.requests[-1].at if seen.requests else None
            since = f" since {as_text(newest)} UTC" if newest is not None else ""
            return Text(lines=(f"nobody asked for anything in the last minute, by {self.access_log}{since}",))
        lines = [line for talker in seen.talkers[: self.top] for line in self._of(talker, seen)]
        rest = len(seen.talkers) - self.top
        lines += [f"and {rest} more"] if rest > 0 else []
        return Text(lines=tuple(lines))

    def _of(self, talker: Talker, traffic: Traffic) -> Iterator[str]:
        front, _ = addresses_of(self.front or ())
        refused = (
            f"{talker.refused} of {len(talker.requests)} refused (429)" if talker.refused else "none refused (429)"
        )
        yield (
            f"{talker.address}: {talker.per_minute} requests a minute, {refused}; pages: {len(talker.pages)}, browsers "
            f"named: {talker.agents}"
        )
        yield f"  {sort_of(talker, traffic, self.most, front)}"
        newest: dict[tuple[str, int, str], Request] = {}
        for request in talker.requests:
            newest[request.page, request.status, request.agent] = request
        for request in sorted(newest.values(), key=lambda one: one.at)[-3:]:
            yield redacted(f"  {as_text(request.at)} {request.page} {request.status} {request.agent[:60]}")


@dataclass(frozen=True, kw_only=True)
class LimiterOverview(Look[Limits]):
    """Show by which limits the application refuses requests, and how near the one who complains is to each.

    The framework itself says so: its routes, its limiters and its counters, none of which is raised by asking.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        customer: The id of the application's user who complains; of somebody who is not logged in, nothing.
        customer_address: From where that one comes; needed for one who is not logged in.
    """

    kind = "limiter.overview"
    title: ClassVar[str] = "Who is limited"

    root: PurePosixPath
    user: str = "www-data"
    customer: str | None = None
    customer_address: str | None = None

    def __post_init__(self) -> None:
        refuse_unless_customer(self.root, self.user, self.customer, self.customer_address)

    async def read(self, host: Reader) -> Limits:
        return await host.ask(ReadLimits(self.root, self.user, self.customer or "", self.customer_address or ""))

    def reads_with(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def show(self, seen: Limits) -> Shown:
        if not seen.throttles:
            return Text(
                lines=("no route has the framework's throttle: whoever is refused is refused by something else",)
            )
        rows = tuple(row for throttle in seen.throttles for row in self._rows(throttle))
        return Table(columns=("limit", "pages", "allowed", "made", "counts anew"), rows=rows, align="llrrr")

    def _rows(self, throttle: Throttle) -> Iterator[tuple[str, ...]]:
        others = f" and {len(throttle.pages) - 2} others" if len(throttle.pages) > 2 else ""
        pages = ", ".join(throttle.pages[:2]) + others
        name = f"throttle:{throttle.given}"
        if not throttle.is_frameworks:
            yield name, pages, f"counted by {throttle.kind}", "", ""
        elif not throttle.counters:
            yield name, pages, "no limit for this one", "", ""
        is_about_somebody = self.customer is not None or self.customer_address is not None
        for one in throttle.counters if throttle.is_frameworks else ():
            made = (str(one.count) if one.is_own else "not by user") if is_about_somebody else ""
            yield name, pages, str(one.most), made, f"in {one.left}" if made and one.is_own and one.left else ""


@dataclass(frozen=True, kw_only=True)
class AddressBlocked(Look[tuple[Block, ...]]):
    """Show whom this program blocks on the host, and for how long still."""

    kind = "address.blocked"
    title: ClassVar[str] = "Who is blocked"

    async def read(self, host: Reader) -> tuple[Block, ...]:
        return await host.ask(ReadBlocks())

    def show(self, seen: tuple[Block, ...]) -> Shown:
        if not seen:
            return Text(lines=("nobody, by this program",))
        return Table(
            columns=("address", "of", "left"),
            rows=tuple((in_words(one.network), str(one.lasts), str(one.left)) for one in seen),
            align="lrr",
        )
