"""Were many queries of an application slow lately?"""

from __future__ import annotations

from dataclasses import dataclass

from soleil_remediate.checks.of_application import OfApplication
from soleil_remediate.command import Reader
from soleil_remediate.facts.slow_logs import Slow
from soleil_remediate.facts.slow_queries import CountSlowQueries, Lack, LogCounted, SlowQueries
from soleil_remediate.task import Check, Measure, Verdict
from soleil_remediate.units import Duration

_LACKS = {
    Lack.ROTATED: "no more files of it are kept than these, which are younger",
    Lack.CLOSED: "a part of it cannot be read by the application's user, or is compressed",
    Lack.LONG: "it is too long to be read as a whole",
    Lack.UNDATED: "some stand there without their time",
    Lack.UNREAD: "some stand there in a form that is not read here",
}
#: Nobody keeps such logs for longer.
_LONGEST = Duration(366 * 86400)


@dataclass(frozen=True, kw_only=True)
class QueriesQuick(OfApplication[SlowQueries], Check[SlowQueries]):
    """Check that an application logged few slow queries lately.

    What is slow says its own code, which logs it; its configuration says where: the channels whose name or path says
    that they are about queries or what is slow, with all their files of that time, 64 MiB at most. A log that is not
    there and could be written holds nothing: it comes to be with its first line. An application without such a channel
    is unknown, and so is one whose logs may have held more: where files of that time were rotated away or compressed,
    cannot be read, or are longer. Too many are too many all the same. Of queries only their shape is told: the rest is
    customers' data.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        most: So many may be slow.
        younger_than: What was logged longer ago does not count; a year at most.
    """

    kind = "queries.quick"
    rounds = 1

    most: int = 50
    younger_than: Duration = Duration(7 * 86400)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.most < 0:
            raise ValueError(f"most must not be negative, as {self.most} is")
        if not 60 <= self.younger_than <= _LONGEST:
            raise ValueError(f"younger_than must be from 1 min to {_LONGEST}, not {self.younger_than}")

    def aim(self) -> str:
        return f"at most {self.most} queries are logged as slow within {self.younger_than}"

    async def read(self, host: Reader) -> SlowQueries:
        return await host.ask(CountSlowQueries(self.root, self.user, self.younger_than))

    def judge(self, seen: SlowQueries) -> Verdict:
        if not seen.logs:
            return Verdict.unknown(
                "the application has no log about queries or what is slow (config/logging.php): which are is not known"
            )
        label = f"slow queries within {self.younger_than}"
        value = f"{'at least ' if seen.lacking else ''}{seen.count}"
        told = f"{value if seen.count else 'no'} quer{'ies were' if seen.count > 1 else 'y was'} logged as slow"
        told = f"{told} within {self.younger_than}"
        if seen.count > self.most:
            worst = ", ".join(_in_words(one) for one in seen.worst)
            measure = Measure(label=label, value=value, is_faulty=True)
            return Verdict.faulty(f"{told}, over {self.most}; those that took the longest in all: {worst}", measure)
        measure = Measure(label=label, value=value)
        if seen.lacking:
            found = f"{seen.count} were seen" if seen.count else "none was seen"
            why = "; ".join(f"{one.file}: {_lacks(one)}" for one in seen.lacking)
            return Verdict.unknown(
                f"how many queries were slow within {self.younger_than} is not known, {found}. {why}", measure
            )
        absent = [str(one.file) for one in seen.logs if not one.is_there]
        nothing = f"; nothing was ever logged to {', '.join(absent)}" if absent else ""
        return Verdict.healthy(f"{told}{nothing}", measure)


def _lacks(log: LogCounted) -> str:
    return ", ".join(_LACKS[one] for one in log.lacks)


def _in_words(query: Slow) -> str:
    how = f"{query.count} times, up to" if query.count > 1 else "once,"
    return f"{query.what} ({how} {query.longest * 1000:.0f} ms)"
