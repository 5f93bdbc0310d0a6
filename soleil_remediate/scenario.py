"""Scenarios: what healthy means, what to keep as evidence, and tasks from the gentlest to the most drastic. Routines:
what is looked at before there is any scenario.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from soleil_remediate.host import Host, Origin, nothing
from soleil_remediate.invocation import Invocation
from soleil_remediate.task import Check, Look, Task
from soleil_remediate.units import Duration


class Severity(Enum):
    """The runbook's own words."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What ``--set NAME=VALUE`` may give.

    Args:
        type: ``size``, ``duration``, ``percent``, ``integer``, ``text`` or ``path``.
        about: One line for people.
        default: What it is otherwise; ``None`` where it is not given unless somebody gives it.
        is_required: A run without it is refused.
        origin: Where it was declared.
    """

    type: str
    about: str
    default: Any = None
    is_required: bool = False
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One kind with its arguments as a playbook writes them: values may still be templates.

    Args:
        kind: Its name in the catalog.
        arguments: As written.
        origin: Where the kind was written.
        argument_origins: Where each argument was written.
        is_always: The step runs whether or not the goal is met.
        only_with: Inputs without which the step is skipped, or what is looked at left out.
    """

    kind: str
    arguments: Mapping[str, Any]
    origin: Origin
    argument_origins: Mapping[str, Origin] = field(default_factory=nothing)
    is_always: bool = False
    only_with: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalation:
    """When to stop trying and whom to call."""

    after: Duration
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a scenario with hosts, checks and steps of its own; the next one begins when all its hosts ended well.

    Args:
        name: Its name, unlike that of any other stage of the scenario.
        hosts: The inventory pattern it is for, among the hosts of the run.
        is_once: It is for one of them: the first in the inventory's order that can be looked at.
        origin: Where it begins.
        hosts_origin: Where the pattern was written; ``None`` where nobody wrote one.
    """

    name: str
    hosts: str
    hosts_origin: Origin | None = None
    is_once: bool = False
    healthy_when: tuple[Use, ...] = ()
    goal: tuple[Use, ...] = ()
    beyond: tuple[Use, ...] = ()
    evidence: tuple[Use, ...] = ()
    steps: tuple[Use, ...] = ()
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A playbook as loaded: checked as a whole, bound to no host yet.

    Args:
        name: What ``--scenario`` takes.
        title: For people.
        severity: The runbook's.
        respond_within: The runbook's SLA.
        impact: What users and the business notice.
        detection: How one comes to know.
        hosts: The inventory pattern it is for; ``--host`` narrows it.
        inputs: What ``--set`` may give, by name.
        healthy_when: Red before, or the run is not needed; green after, or it is not fixed.
        goal: Stricter still: with the symptom gone and the goal missed a run ends eased.
        beyond: What no step mends, such as a certificate: judged and told, and never a reason to change a host.
        evidence: Gathered whatever happens.
        steps: Gentlest first; each runs only while the goal is not met.
        stages: Instead of all of these from *healthy_when* to *steps*: parts that follow each other.
        explains: The scenarios whose symptoms go away with this one's, each with where it is named: a diagnosis tells
            the cause first.
        signs: Only where one of these is at fault as well is this one the cause; without any its symptom says so.
        questions: What a person still has to answer, as written: it may hold templates.
        by_hand: What a person may still have to do, with the commands; likewise.
        origin: Where the file begins.
        hosts_origin: Where the pattern was written; ``None`` where nobody wrote one.
    """

    name: str
    title: str
    severity: Severity
    respond_within: Duration
    impact: str
    origin: Origin
    hosts: str = "all"
    hosts_origin: Origin | None = None
    aliases: tuple[str, ...] = ()
    detection: tuple[str, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=nothing)
    healthy_when: tuple[Use, ...] = ()
    goal: tuple[Use, ...] = ()
    beyond: tuple[Use, ...] = ()
    evidence: tuple[Use, ...] = ()
    steps: tuple[Use, ...] = ()
    stages: tuple[Stage, ...] = ()
    explains: Mapping[str, Origin] = field(default_factory=nothing)
    signs: tuple[Use, ...] = ()
    questions: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    escalate: Escalation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Something that only a person can see to, again and again.

    Args:
        name: What ``--confirm`` takes.
        what: What is to be done, for people.
        every: So long after somebody said that it was done it is due again.
    """

    name: str
    what: str
    every: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """What is looked at before anything is wrong, as loaded: bound to no host yet.

    Args:
        name: What ``check`` takes, such as ``daily``.
        title: For people.
        hosts: The inventory pattern it is for; ``--host`` narrows it.
        inputs: What ``--set`` may give, by name.
        checks: All of them count, and none stands for another.
        duties: What is left to people.
        origin: Where the file begins.
        hosts_origin: Where the pattern was written; ``None`` where nobody wrote one.
    """

    name: str
    title: str
    origin: Origin
    hosts: str = "all"
    hosts_origin: Origin | None = None
    inputs: Mapping[str, Input] = field(default_factory=nothing)
    checks: tuple[Use, ...] = ()
    duties: tuple[Duty, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One task of a case, with its arguments filled in."""

    task: Task[Any]
    is_always: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A step that this host or these inputs do not call for.

    Args:
        kind: Its kind.
        missing: The inputs, and values such as ``app.backups``, that its ``only_with`` names and nobody gave.
    """

    kind: str
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A scenario, or one of its stages, bound to one host and its inputs: every value filled in and validated.

    Args:
        questions: What a person still has to answer about this host.
        by_hand: What a person may still have to do on it, with the commands.
        is_once: Of the cases of its stage only the first whose host can be looked at is meant.
        again: What is typed to go on with it.
    """

    scenario: Scenario
    host: Host
    inputs: Mapping[str, Any]
    healthy_when: tuple[Check[Any], ...]
    goal: tuple[Check[Any], ...]
    evidence: tuple[Look[Any], ...]
    steps: tuple[Step, ...]
    left_out: tuple[LeftOut, ...] = ()
    beyond: tuple[Check[Any], ...] = ()
    signs: tuple[Check[Any], ...] = ()
    questions: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    is_once: bool = False
    again: Invocation = field(default_factory=Invocation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A line for people.

    Args:
        text: What it says.
        hosts: For which hosts of the inventory it reads so.
    """

    text: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPeople:
    """What only people can answer or do. Nothing here knows whether anybody has.

    Args:
        questions: What a person still has to answer.
        by_hand: What a person may still have to do, with the commands.
    """

    questions: tuple[Advice, ...] = ()
    by_hand: tuple[Advice, ...] = ()

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Self:
        """Return what a scenario leaves to people on the hosts that it is bound to: a line that reads alike once."""
        return cls(
            questions=_alike((case.host.listed_name, case.questions) for case in cases),
            by_hand=_alike((case.host.listed_name, case.by_hand) for case in cases),
        )

    def on(self, hosts: Collection[str]) -> Self:
        """Return what is left on some of the hosts, by their names in the inventory."""
        return type(self)(questions=_among(self.questions, hosts), by_hand=_among(self.by_hand, hosts))


def _alike(lines: Iterable[tuple[str, Sequence[str]]]) -> tuple[Advice, ...]:
    """Return the lines of hosts in their order, which is every host's, and for each which hosts it is for."""
    found: dict[tuple[int, str], dict[str, None]] = {}
    for host, texts in lines:
        for place, text in enumerate(texts):
            found.setdefault((place, text), {})[host] = None
    ordered = sorted(found.items(), key=lambda one: one[0][0])
    return tuple(Advice(text=text, hosts=tuple(hosts)) for (_, text), hosts in ordered)


def _among(lines: Iterable[Advice], hosts: Collection[str]) -> tuple[Advice, ...]:
    left = ((one.text, tuple(host for host in one.hosts if host in hosts)) for one in lines)
    return tuple(Advice(text=text, hosts=its) for text, its in left if its)
