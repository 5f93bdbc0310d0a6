"""Do statements of an application wait in a queue for a lock?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.locks import AskLocks, LockWait
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class StatementUnqueued(OfApplication[tuple[LockWait, ...]], Check[tuple[LockWait, ...]]):
    """See whether statements of the application wait long for a lock, and for whom the queue of them waits.

    Who holds the lock may be at work all the while: then nothing is down, and requests hang. Asked as the application,
    so the database may be anywhere; one that is not PostgreSQL is not looked into, and unknown.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        longer_than: Whoever waits no longer than this waits for nothing unusual.
    """

    kind = "statement.unqueued"
    rounds = 1

    longer_than: Duration = Duration(10)

    async def read(self, host: Reader) -> tuple[LockWait, ...]:
        return await host.ask(AskLocks(self.root, self.user))

    def aim(self) -> str:
        return f"no statement waits longer than {self.longer_than} for a lock"

    def judge(self, seen: tuple[LockWait, ...]) -> Verdict:
        long = [one for one in seen if one.waits > self.longer_than]
        measure = Measure(label="wait for a lock", value=str(len({one.pid for one in long})), is_faulty=bool(long))
        if not long:
            return Verdict.healthy(f"no statement waits for a lock for more than {self.longer_than}", measure)
        waiting = {one.pid for one in seen}
        heads = {one.blocker: one for one in seen if one.blocker not in waiting}
        count, longest = len({one.pid for one in long}), max(one.waits for one in long)
        who = "; ".join(_head(one) for one in heads.values()) or "they wait for each other"
        return Verdict.faulty(
            f"{count} statement{'s wait' if count > 1 else ' waits'} for a lock, the longest for {longest}: {who}",
            measure,
        )


def _head(one: LockWait) -> str:
    if not one.blocker:
        return "a prepared transaction holds it"
    if one.since is None:
        return f"session {one.blocker} holds it, which the application's role may not see"
    return f"session {one.blocker} holds it, {one.state} for {one.since}"
