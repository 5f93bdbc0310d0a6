"""Does anybody get in who should not, or try to: whose tokens are used from where, and which address is refused?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.addresses import addresses_of
from soleil_remediate.facts.clocks import as_text
from soleil_remediate.facts.files import refuse_unless_absolute
from soleil_remediate.facts.incidents import MARK, Incident, ReadIncident
from soleil_remediate.facts.onsets import ACCESS_LOG
from soleil_remediate.facts.refusals import Stranger, strangers
from soleil_remediate.facts.talkers import AS_FAR, Traffic, is_front, read_traffic
from soleil_remediate.facts.together import together
from soleil_remediate.facts.tokens import (
    AUDIT_TABLES,
    Account,
    Apart,
    ReadUses,
    Uses,
    read_account,
    refuse_unless_account,
    refuse_unless_table,
)
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration

#: Whom a person suspects, and where everybody's tokens are used from.
Shared = tuple[Account | None, Uses | FactError]


@dataclass(frozen=True, kw_only=True)
class TokensUnshared(OfApplication[Shared], Check[Shared]):
    """See whether one user's tokens are used from several addresses, or one whom a person suspects still has any.

    By the table in which the application writes who did what, and from where: ``user_id`` or ``actor_id``,
    ``ip_address`` or ``ip``, and ``created_at``. A use counts while the user still has a token that is as old; once
    they are revoked it is over. Where the application has no such table this is unknown, unless nobody has a token and
    the application lets in by no others than Sanctum's. A user on the way between two networks looks the same as a
    thief: which of them it is, is for a person to say.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        account: A user whom a person suspects, by id or mail address: at fault while he has any token at all.
        most: From so many addresses one user's tokens may be used.
        within: In so long.
        table: Where the application writes who did what; ``audit_logs`` or ``admin_audit_logs`` unless named.
    """

    kind = "tokens.unshared"

    account: str | None = None
    most: int = 1
    within: Duration = Duration(3600)
    table: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless_table(self.table)
        if self.account is not None:
            refuse_unless_account(self.account)
        if not 1 <= self.most <= 10:
            raise ValueError("most must be from 1 to 10 addresses")
        if not 60 <= self.within <= 7 * 86400:
            raise ValueError("within must be from 1 min to 7 d")

    def aim(self) -> str:
        suspect = f", and user {self.account} has none" if self.account else ""
        return f"no user's tokens are used from more than {self.most} address within {self.within}{suspect}"

    async def read(self, host: Reader) -> Shared:
        account, (uses,) = await together(
            read_account(host, self.root, self.user, self.account),
            host.ask_each((ReadUses(self.root, self.user, self.within, self.table),)),
        )
        return account, uses

    def judge(self, seen: Shared) -> Verdict:
        account, uses = seen
        measures, said = [], []
        if account is not None:
            has_any = account.tokens > 0
            measures.append(Measure(label=f"tokens of user {account.id}", value=str(account.tokens), is_faulty=has_any))
            if has_any:
                said.append(f"user {account.id}, who was named, has {account.in_words}")
        apart = () if isinstance(uses, FactError) else tuple(one for one in uses.users if one.addresses > self.most)
        said += [f"{_in_words(one)} within {self.within}" for one in apart[:3]]
        if len(apart) > 3:
            said.append(f"and {len(apart) - 3} more users")
        measures.append(_measure(uses, apart))
        if said:
            name = "" if account is not None else f" --set user={apart[0].user}"
            said.append(
                f"revoked are only those of whom a person names, with the incident: --set incident=INC-42{name}"
            )
            return Verdict.faulty("; ".join(said), *measures)
        if isinstance(uses, FactError):
            return Verdict.unknown(str(uses), *measures)
        if uses.table is None and not uses.has_tokens:
            return Verdict.healthy("nobody has a token", *measures)
        if uses.table is None:
            ended = "" if account is None else f"user {account.id}, who was named, has no token; "
            return Verdict.unknown(
                f"{ended}no table {' or '.join(AUDIT_TABLES)} says from where tokens are used (another: --set "
                "audit_table=NAME)",
                *measures,
            )
        if uses.lacks:
            return Verdict.unknown(f"table {uses.table} has no column {', '.join(uses.lacks)}", *measures)
        return Verdict.healthy(f"no user's tokens were used from several addresses within {self.within}", *measures)


def _in_words(one: Apart) -> str:
    rest = f" and {one.addresses - 3} more" if one.addresses > 3 else ""
    where = ", ".join(f"{use.address} ({use.uses}x)" for use in one.uses[:3])
    return f"tokens of user {one.user} were used from {where}{rest}"


def _measure(uses: Uses | FactError, apart: tuple[Apart, ...]) -> Measure:
    label = "users with several addresses"
    if isinstance(uses, FactError) or uses.lacks:
        return Measure(label=label, value="not known")
    if uses.table is None:
        return Measure(label=label, value="not written down" if uses.has_tokens else "none has a token")
    return Measure(label=label, value=str(len(apart)), is_faulty=bool(apart))


@dataclass(frozen=True, kw_only=True)
class AddressHarmless(Check[Traffic]):
    """See whether one address is refused again and again: it guesses passwords or tokens, or looks for a way in.

    By the web server's access log and its addresses alone, never by what a client says in a request. Refused is what
    was answered 401 or 403, and where one logs in also 422 and 429. What an address was refused before this program
    blocked it is over. A program whose token has expired looks the same: who it is, is for a person to say. Whoever
    comes through a proxy that nginx does not look through cannot be told apart: that is unknown.

    Args:
        most: To be refused so often is no attack yet.
        within: In so long.
        access_log: Where nginx logs the requests to this application, in its usual format.
        front: Addresses or networks of the proxies in front of the host.
    """

    kind = "address.harmless"

    most: int = 20
    within: Duration = Duration(600)
    access_log: PurePosixPath = ACCESS_LOG
    front: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        refuse_unless_absolute(self.access_log)
        if not 3 <= self.most <= 100_000:
            raise ValueError("most must be from 3 to 100000 requests")
        if not 60 <= self.within <= 86400:
            raise ValueError("within must be from 1 min to 1 d")

    def aim(self) -> str:
        return f"no address is refused more than {self.most} times within {self.within}"

    async def read(self, host: Reader) -> Traffic:
        return await read_traffic(host, self.access_log)

    def judge(self, seen: Traffic) -> Verdict:
        found = strangers(seen, self.within)
        measures = tuple(
            Measure(label=f"refused: {one.address}", value=f"{one.refused} times", is_faulty=one.refused > self.most)
            for one in found[:3]
        ) or (Measure(label="refused", value="nobody"),)
        front, _ = addresses_of(self.front or ())
        busy = [one for one in found if one.refused > self.most]
        attacks = [one for one in busy if not is_front(one.address, front)]
        if attacks:
            more = [f"and {len(attacks) - 3} more addresses"] if len(attacks) > 3 else []
            by_hand = f"blocked is only whom a person names, with the incident: --set address={attacks[0].address}"
            return Verdict.faulty("; ".join([*map(self._in_words, attacks[:3]), *more, by_hand]), *measures)
        if busy:
            said = f"{self._in_words(busy[0])}; it is a proxy of ours or none of the internet: who is behind it?"
            return Verdict.unknown(said, *measures)
        known = seen.reach(self.within)
        when = f"within {known}" if known == self.within else f"in the last {known}, {AS_FAR}"
        return Verdict.healthy(f"no address was refused over {self.most} times {when}", *measures)

    def _in_words(self, one: Stranger) -> str:
        well = f", and answered well {one.well} times" if one.well else ""
        return f"{one.address} was refused {one.refused} times within {self.within}, most often for {one.page}{well}"


@dataclass(frozen=True, kw_only=True)
class IncidentOver(Check[Incident | None]):
    """See whether no incident is open on the host: what is open, only a person can end.

    While one is, no scenario clears anything away there.
    """

    kind = "incident.over"

    def aim(self) -> str:
        return "no incident is open: whoever leads it has ended it"

    async def read(self, host: Reader) -> Incident | None:
        return await host.ask(ReadIncident())

    def judge(self, seen: Incident | None) -> Verdict:
        if seen is None:
            return Verdict.healthy("no incident is open", Measure(label="incident", value="none"))
        return Verdict.faulty(
            f"incident {seen.name} is open since {as_text(seen.since)} UTC: what people have to do is not known to be "
            f"done. Once it is: sudo rm {MARK}",
            Measure(label="incident", value=f"{seen.name} is open", is_faulty=True),
        )
