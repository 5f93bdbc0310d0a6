"""Does one client ask for more than all others together should, and are many refused at once?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.command import Reader
from soleil_remediate.facts.addresses import addresses_of
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.talkers import AS_FAR, MANY, MINUTE, Talker, Traffic, is_front, read_traffic, sort_of
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class TrafficCalm(Check[Traffic]):
    """See whether one client hammers: asks for more a minute than a client does.

    By the web server's access log and its addresses alone, never by what a client says in a request. What an address
    asked for before this program blocked it is over. Many clients behind one address, as behind a proxy, cannot be told
    apart by it: where such a one asks for more, that is unknown.

    Args:
        most: So many requests a minute are still a client's.
        access_log: Where nginx logs the requests to this application, in its usual format.
        front: Addresses or networks of the proxies in front of the host.
    """

    kind = "traffic.calm"

    most: int = 300
    access_log: PurePosixPath = ACCESS_LOG
    front: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)
        if not 10 <= self.most <= 1_000_000:
            raise ValueError("most must be from 10 to 1000000 requests a minute")

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(host, self.access_log)

    def aim(self) -> str:
        return f"no client asks for more than {self.most} pages a minute"

    def judge(self, seen: Traffic) -> Verdict:
        front, _ = addresses_of(self.front or ())
        busy = [one for one in seen.talkers if one.per_minute > self.most]
        of_many = [one for one in busy if is_front(one.address, front) or one.agents >= MANY]
        clients = [one for one in busy if one not in of_many]
        measures = tuple(
            Measure(
                label=f"requests of {one.address}",
                value=f"{one.per_minute} a minute",
                is_faulty=one.per_minute > self.most,
            )
            for one in seen.talkers[:3]
        ) or (Measure(label="requests", value="none in the last minute"),)
        said = [self._in_words(one, seen) for one in (clients or of_many)[:3]]
        if clients:
            by_hand = f"Nobody is blocked unless a person names the address: --set address={clients[0].address}"
            return Verdict.faulty(f"{'; '.join(said)}. {by_hand}", *measures)
        if of_many:
            return Verdict.unknown("; ".join(said), *measures)
        return Verdict.healthy(f"no client asks for more than {self.most} pages a minute", *measures)

    def _in_words(self, talker: Talker, traffic: Traffic) -> str:
        front, _ = addresses_of(self.front or ())
        return f"{talker.address} asks {talker.per_minute} times a minute: {sort_of(talker, traffic, self.most, front)}"


@dataclass(frozen=True, kw_only=True)
class LimitsFair(Check[Traffic]):
    """See whether many clients are refused at once (429): the limit is too low, they share one, or attack together.

    They are told apart by address and by what they call themselves: behind a proxy whose addresses nginx does not look
    through, all share an address, and with it the framework's limit for whoever is not logged in. One client that is
    refused is what a limit is for.

    Args:
        most: So many clients that are refused within a minute are no reason to look at the limits.
        access_log: Where nginx logs the requests to this application, in its usual format.
    """

    kind = "limits.fair"

    most: int = 4
    access_log: PurePosixPath = ACCESS_LOG

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)
        if not 1 <= self.most <= 1_000_000:
            raise ValueError("most must be from 1 to 1000000 clients")

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(host, self.access_log)

    def aim(self) -> str:
        return f"no more than {self.most} clients are refused within a minute"

    def judge(self, seen: Traffic) -> Verdict:
        refused = [one for one in seen.recent if one.is_refused]
        clients = {(one.address, one.agent) for one in refused}
        addresses = Counter(one.address for one in refused)
        measure = Measure(
            label="clients refused (429)", value=f"{len(clients)} in a minute", is_faulty=len(clients) > self.most
        )
        if len(clients) <= self.most:
            known = seen.reach(Duration(MINUTE))
            when = "within a minute" if known == Duration(MINUTE) else f"in the last {known}, {AS_FAR}"
            return Verdict.healthy(f"{len(clients)} clients were refused (429) {when}", measure)
        ((page, count),) = Counter(one.page for one in refused).most_common(1)
        said = f"{len(clients)} clients were refused (429) within a minute, {count} of {len(refused)} times for {page}"
        if len(addresses) <= len(clients) / MANY:
            where = " and ".join(str(address) for address, _ in addresses.most_common(3))
            return Verdict.faulty(
                f"{said}; all come from {where}: a proxy, perhaps, whose clients share one limit. Nobody is to be "
                "blocked for that. By hand: let nginx take the address from it (set_real_ip_from, real_ip_header), and "
                "name it in the inventory (front) and in the application (TrustProxies)",
                measure,
            )
        return Verdict.faulty(
            f"{said}; they come from {len(addresses)} addresses: the limit is too low for them or one for all, or they "
            "attack together. By hand: see who asks for what; a limit is raised in the code, and deployed",
            measure,
        )
