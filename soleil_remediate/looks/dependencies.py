"""Show whether what an application depends on answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from soleil_remediate.checks.databases import DatabaseAnswers
from soleil_remediate.checks.redis import OfRedis, RedisAnswering, RedisWritable
from soleil_remediate.command import Reader
from soleil_remediate.errors import FactError
from soleil_remediate.facts.http import Response
from soleil_remediate.facts.third_parties import AskThirdParty, refuse_unless_third_party
from soleil_remediate.facts.together import together
from soleil_remediate.task import Check, Health, Look, Shown, Text, Verdict
from soleil_remediate.units import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What was met.

    Args:
        own: What the checks of the application's own services said, in their order; why nothing where one could not be
            asked.
        others: What each third party answered.
    """

    own: tuple[Verdict | FactError, ...]
    others: tuple[Response | FactError, ...]


@dataclass(frozen=True, kw_only=True)
class DependencyOverview(OfRedis[Dependencies], Look[Dependencies]):
    """Show whether the application's database and Redis answer it, and whether third parties answer the host.

    Database and Redis are asked by the application itself, with its own credentials. A third party is asked for its
    head only, without any credentials and without a proxy: that it answers at all means that it is reached.

    Args:
        root: The folder that holds artisan, or the link to it.
        user: Whom PHP runs as.
        unit: The name of Redis's unit on this host; ``*`` and ``?`` stand for what they do in a shell.
        third_parties: Addresses of what belongs to others, such as ``https://api.example/``.
        within: A third party that takes longer is not reached.
    """

    kind = "dependency.overview"
    title: ClassVar[str] = "What the application depends on"

    third_parties: tuple[str, ...] | None = None
    within: Duration = Duration(5)

    def __post_init__(self) -> None:
        super().__post_init__()
        for address in self.third_parties or ():
            refuse_unless_third_party(address)
        if self.within <= 0:
            raise ValueError("within must be longer than nothing")

    async def read(self, host: Reader) -> Dependencies:
        verdicts, others = await together(
            self._read_own(host), host.ask_each([AskThirdParty(one, self.within) for one in self.third_parties or ()])
        )
        if all(isinstance(one, FactError) for one in (*verdicts, *others)):
            raise next(one for one in verdicts if isinstance(one, FactError))
        return Dependencies(own=verdicts, others=tuple(others))

    async def _read_own(self, host: Reader) -> tuple[Verdict | FactError, ...]:
        database, answering, writable = (check for _, check, _ in self._own)
        return await together(_judged(database, host), _judged(answering, host), _judged(writable, host))

    @property
    def _own(self) -> Sequence[tuple[str, Check[Any], str]]:
        """What is asked, by what people call it, and the scenario that is about it."""
        return (
            ("database", DatabaseAnswers(root=self.root, user=self.user), "database-connection-failure"),
            ("Redis", RedisAnswering(root=self.root, user=self.user, unit=self.unit), "redis-down"),
            ("Redis's memory", RedisWritable(root=self.root, user=self.user, unit=self.unit), "redis-down"),
        )

    def show(self, seen: Dependencies) -> Shown:
        lines = []
        for (name, _, scenario), verdict in zip(self._own, seen.own, strict=True):
            if isinstance(verdict, FactError):
                lines.append(f"{name}: unknown, {verdict}")
            elif verdict.health is Health.FAULTY:
                lines.append(f"{name}: FAULT, its scenario is {scenario}: {verdict.why}")
            else:
                unknown = "unknown, " if verdict.health is Health.UNKNOWN else ""
                lines.append(f"{name}: {unknown}{verdict.why}")
        lines += [f"{one}: {_told(answer)}" for one, answer in zip(self.third_parties or (), seen.others, strict=True)]
        return Text(lines=tuple(lines))


async def _judged(check: Check[Any], host: Reader) -> Verdict | FactError:
    """Return what a check says; what cannot be known of one is no obstacle to the others."""
    try:
        return check.judge(await check.read(host))
    except FactError as error:
        return error


def _told(answer: Response | FactError) -> str:
    if isinstance(answer, FactError):
        return f"unknown, {answer}"
    if answer.status is None:
        return f"FAULT, {answer.in_words}; ask them, and see whether the network here leads there"
    if answer.status >= 500:
        return f"FAULT, is reached, and {answer.in_words}: ask them"
    return f"is reached, and {answer.in_words}"
