"""Clear what the framework counts against one user, by the framework itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import ClassVar

from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import FactError, Unplannable
from soleil_remediate.facts.limiters import OWN_LIMITS, Limits, ReadLimits, refuse_unless_customer
from soleil_remediate.facts.php import DATABASES, START
from soleil_remediate.plan import Change, Plan, Risk, Undo
from soleil_remediate.rights import Right, Use
from soleil_remediate.task import Task
from soleil_remediate.units import Duration

#: Where every process of PHP's counts for itself: what one clears, no other sees.
_OF_ONE_PROCESS = frozenset({"array", "null", "apc", ""})

#: Clear the counters whose keys follow $argv[4], where they are still this user's and at their limit: key and time, by
#: the framework's own RateLimiter, which knows the cache, its prefix and how keys are written.
_CLEAR = (
    START.replace("exit(0)", "exit(75)")
    + DATABASES
    + r"""
function stop($why, $status) { fwrite(fopen("php://stderr", "w"), "$why\n"); exit($status); }
$cleared = 0;
try {
"""
    + OWN_LIMITS
    + r"""
    $own = [];
    foreach ($limits as $one) foreach ($one["counters"] as $counter) $own[$counter["key"]] = $counter;
    foreach (array_slice($argv, 5) as $key) { // none, unless all are still as they were seen
        if (! isset($own[$key])) stop("the user is counted by another key by now: nothing was changed", 75);
    }
    foreach (array_slice($argv, 5) as $key) {
        if ($own[$key]["count"] < $own[$key]["most"] || $own[$key]["left"] <= 0) continue; // it began anew
        $limiter->clear($key);
        $cleared++;
        if ($limiter->attempts($key) >= $own[$key]["most"]) stop("the cache took it, and still counts as before", 1);
    }
} catch (Throwable $error) {
    stop("$cleared were cleared; then: " . $error->getMessage(), $cleared ? 1 : 75);
}
if (! $cleared) stop("the user is not limited any more: nothing was changed", 75);
fwrite($answer, "$cleared cleared\n");
"""
)


@dataclass(frozen=True, kw_only=True)
class ClearLimiter(Task[Limits | None]):
    """Clear what the framework counts against one user who is refused (429), so that it counts anew.

    For one who is limited wrongly. The framework itself is asked by which key it counts: what its own middleware makes
    of that user on each route, a digest that nobody can guess. Nothing is deleted in the cache by a name. Of somebody
    who is not logged in it is the address that is counted, and with it everybody's who comes from there.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        customer: The id of the application's user; without it and an address, nobody is meant.
        customer_address: From where that one comes; for somebody who is not logged in it stands alone.

    Raises:
        NotOnHost: The application has no such user.
        Unplannable: Each process of PHP's counts for itself, or a class of the application's own does.
    """

    kind = "limiter.clear"
    risk: ClassVar[Risk] = Risk.GENTLE

    root: PurePosixPath
    user: str = "www-data"
    customer: str | None = None
    customer_address: str | None = None

    def __post_init__(self) -> None:
        refuse_unless_customer(self.root, self.user, self.customer, self.customer_address)

    def aim(self) -> str:
        return f"{self._who} is not refused by a limit" if self._is_named else "no user was named"

    @property
    def _is_named(self) -> bool:
        return self.customer is not None or self.customer_address is not None

    @property
    def _who(self) -> str:
        where = f"{self.customer_address}" if self.customer_address is not None else ""
        return " at ".join(filter(None, (f"user {self.customer}" if self.customer is not None else "", where)))

    @property
    def _asked(self) -> tuple[str, str]:
        return self.customer or "", self.customer_address or ""

    async def read(self, host: Reader) -> Limits | None:
        (seen,) = await host.ask_each((ReadLimits(self.root, self.user, *self._asked),))
        if not isinstance(seen, FactError):
            return seen
        if self._is_named:
            raise seen
        return None  # nobody is meant: an application that cannot say it is no reason to know nothing

    def rights(self) -> tuple[Right, ...]:
        return (Right(self.user),)

    def plan(self, seen: Limits | None) -> Plan:
        if not self._is_named or seen is None:
            return Plan.nothing("no user was named whose limit may be cleared")
        foreign = [one for one in seen.throttles if not one.is_frameworks]
        if foreign and not seen.at_their_limit:
            kinds = " and ".join(dict.fromkeys(one.kind for one in foreign))
            pages = ", ".join(dict.fromkeys(page for one in foreign for page in one.pages[:2]))
            raise Unplannable(f"{kinds} counts on {pages}, and only its own code knows how to clear that")
        if seen.driver in _OF_ONE_PROCESS and seen.throttles:
            raise Unplannable(
                f"the limits are counted in the cache {seen.driver or 'without a driver'}, which each process of PHP's "
                "has for itself. By hand: give cache.limiter a store that all share"
            )
        limited = seen.at_their_limit
        if not limited:
            others = "; what is counted by address is known with --set customer_address=… only"
            is_whole = all(one.is_own for throttle in seen.throttles for one in throttle.counters)
            return Plan.nothing(f"{self._who} is at no limit of the framework's{'' if is_whole else others}")
        words = ("php", "--", "clear-limiter", str(self.root), *self._asked, *(one.key for one in limited))
        whole = ", ".join(f"{one.count} of {one.most}, for another {one.left}" for one in limited)
        guests = "" if self.customer is not None else ", and whoever else comes from there without a login"
        return Plan.of(
            Change(
                summary=f"let the framework forget what {self._who} has asked for",
                command=Command(words, user=self.user, stdin=_CLEAR, deadline=Duration(40)),
                risk=self.risk,
                undo=Undo.none("it counts anew from the next request on"),
                before=f"{self._who} is refused (429): {whole}",
                after=f"{self._who} is served{guests}, and counted anew",
                loses="what was counted so far",
                keeps="the limits themselves, and what is counted of everybody else",
                uses=(Use(user=self.user),),
            ),
            because=f"{self._who} is refused: {whole}",
        )
