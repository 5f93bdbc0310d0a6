"""Did jobs of an application fail lately?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.failed_jobs import FailedJobs, ReadFailedJobs, by_class
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, kw_only=True)
class JobsDone(OfApplication[FailedJobs], Check[FailedJobs]):
    """Check that no jobs of an application failed lately and still wait for somebody, or few.

    What counts is its own list of failed jobs: one that somebody has retried, or forgotten, stands there no more. An
    empty list means that none waits. A list that is kept in another way than in a database is unknown; and so it is
    where only the newest 1000 of many could be told apart, and their number alone decides nothing.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        most: So many may have failed.
        younger_than: What failed exactly so long ago, or longer, does not count.
    """

    kind = "jobs.done"
    rounds = 1

    most: int = 0
    younger_than: Duration = Duration(7 * 86400)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most < 0:
            raise ValueError(f"most must not be negative, as {self.most} is")
        if self.younger_than <= 0:
            raise ValueError("younger_than must be longer than nothing")

    def aim(self) -> str:
        return f"{f'at most {self.most}' if self.most else 'no'} jobs failed within {self.younger_than}"

    async def read(self, host: Reader) -> FailedJobs:
        return await host.ask(ReadFailedJobs(self.root, self.user))

    def judge(self, seen: FailedJobs) -> Verdict:
        if seen.total is None:
            return Verdict.unknown(f"jobs that failed are kept by the driver {seen.driver}, which is not read here")
        late = [one for one in seen.newest if one.age < self.younger_than]
        unseen = max(0, seen.total - len(seen.newest)) if len(late) == len(seen.newest) else 0
        label, count = f"jobs that failed within {self.younger_than}", f"{'at least ' if unseen else ''}{len(late)}"
        told = f"{count} job{'' if count == '1' else 's'} failed within {self.younger_than}"
        if len(late) > self.most:
            over = f", over {self.most}" if self.most else ""
            by_hand = f"By hand: cd {self.root}; php artisan queue:failed; then queue:retry, or queue:forget, each"
            measure = Measure(label=label, value=count, is_faulty=True)
            return Verdict.faulty(f"{told}{over}: {by_class(late)}. {by_hand}", measure)
        measure = Measure(label=label, value=count)
        if len(late) + unseen > self.most:
            return Verdict.unknown(f"{told}; when the {unseen} before them did was not looked at", measure)
        older = seen.total - len(late) - unseen
        kept = f"; {older} older ones are still in the list" if older > 0 else ""
        return Verdict.healthy(f"{told if late else f'no job failed within {self.younger_than}'}{kept}", measure)
