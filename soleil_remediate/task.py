"""Three readings: a look shows, a check judges, a task judges and can repair."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import ClassVar, Generic, Self, TypeAlias, TypeVar

from soleil_remediate.command import Reader
from soleil_remediate.errors import Unplannable
from soleil_remediate.plan import Plan
from soleil_remediate.rights import Right
from soleil_remediate.units import Duration

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows for people; numbers stand right where *align* says ``r``.

    Args:
        columns: The headings; empty for none.
        rows: The cells, as many as columns.
        align: One letter a column, ``l`` or ``r``; shorter means left.
    """

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    align: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Lines for people."""

    lines: tuple[str, ...]


Shown: TypeAlias = Table | Text


class Health(Enum):
    """What a check may say; what cannot be known is unknown, never healthy."""

    HEALTHY = "healthy"
    FAULTY = "faulty"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One line of the proof: what was measured and what it was, such as ``/srv used`` and ``100 %``."""

    label: str
    value: str
    is_faulty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a check says, and why.

    Args:
        health: The verdict itself.
        why: One sentence for people, what was seen.
        measures: What was measured, faulty or not; the proof shows them before and after.
        faults: What exactly is at fault, in the words :attr:`Relief.subject` uses; empty unless faulty, and also where
            the check cannot tell parts apart.
    """

    health: Health
    why: str
    measures: tuple[Measure, ...] = ()
    faults: frozenset[str] = field(default=frozenset())

    @classmethod
    def healthy(cls, why: str, *measures: Measure) -> Self:
        """All is as it should be."""
        return cls(health=Health.HEALTHY, why=why, measures=measures)

    @classmethod
    def faulty(cls, why: str, *measures: Measure, faults: frozenset[str] = frozenset()) -> Self:
        """Something is wrong."""
        return cls(health=Health.FAULTY, why=why, measures=measures, faults=faults)

    @classmethod
    def unknown(cls, why: str, *measures: Measure) -> Self:
        """It cannot be known."""
        return cls(health=Health.UNKNOWN, why=why, measures=measures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When something that was repaired will be at fault again, by what was measured after the repair.

    Args:
        subject: What will be at fault, in the words that :attr:`Verdict.faults` uses.
        about: The same for people, such as ``/srv is full again``.
        within: After how long, if what was measured goes on.
        because: What was measured.
    """

    subject: str
    about: str
    within: Duration
    because: str


class Reading(ABC, Generic[Seen]):
    """Something that can be seen on a host.

    Subclasses are frozen, keyword-only dataclasses whose fields are the arguments a playbook gives.

    Attributes:
        kind: Its name in playbooks, ``subject.verb`` or ``subject.state``.
        rounds: The most round trips its read may take.
    """

    kind: ClassVar[str]
    rounds: ClassVar[int] = 2

    @abstractmethod
    async def read(self, host: Reader) -> Seen:
        """Ask what must be known; change nothing.

        Raises:
            FactError: It cannot be known.
        """

    def reads_with(self) -> tuple[Right, ...]:
        """Return what a login that has not all of root's rights has to be allowed, or nothing of it can be known."""
        return ()


class Look(Reading[Seen]):
    """Evidence for people: shown and kept, never judged."""

    title: ClassVar[str]

    @abstractmethod
    def show(self, seen: Seen) -> Shown:
        """Return what a person should see of it."""

    async def follow(self, host: Reader, seen: Seen) -> tuple[Forecast, ...]:
        """Measure after a repair how soon what was repaired is at fault again; most looks cannot tell.

        Asked together with the look that proves the repair, so it may take no more than its round trips. A guess is no
        measurement: where nothing is known, nothing is returned.

        Args:
            host: To be asked.
            seen: What this look saw before the repair.

        Raises:
            FactError: It cannot be known.
        """
        del host, seen
        return ()


class Check(Reading[Seen]):
    """Healthy, faulty or unknown, and why."""

    def aim(self) -> str:
        """Return for people what has to hold, in few words."""
        given = []
        for field_ in fields(self):  # type: ignore[arg-type]  # every kind is a dataclass, the catalog sees to it
            value = getattr(self, field_.name)
            if value is not None and value != field_.default:
                given.append(f"{field_.name.replace('_', ' ')} {value}")
        return f"{self.kind} {', '.join(given)}".rstrip()

    @abstractmethod
    def judge(self, seen: Seen) -> Verdict:
        """Judge what was seen; pure."""


class Task(Check[Seen]):
    """A check that can also repair what it sees.

    Attributes:
        divides: Hosts of a group differ for their users where it is done on some of them alone.
        clears: It clears away what may be evidence of an incident: nothing of it is sent while one is open on the host.
    """

    divides: ClassVar[bool] = False
    clears: ClassVar[bool] = False

    @abstractmethod
    def plan(self, seen: Seen) -> Plan:
        """Decide what to change about what was seen; pure: no host, clock, file or randomness.

        Raises:
            Unplannable: What was seen is nothing this task may repair.
        """

    def rights(self) -> tuple[Right, ...] | None:
        """Return what a login has to be allowed so that its changes can be sent; ``None`` is all of root's rights.

        The changes of a task that names them take no other rights than these: their scripts start what needs root by
        :data:`soleil_remediate.rights.ROOT`, and name the user of everything else.
        """
        return None

    def judge(self, seen: Seen) -> Verdict:
        """Healthy where the plan is empty, faulty where it has changes, unknown where none can be made."""
        try:
            plan = self.plan(seen)
        except Unplannable as error:
            return Verdict.unknown(str(error))
        if not plan.changes:
            return Verdict.healthy(plan.because)
        return Verdict.faulty(plan.because)
