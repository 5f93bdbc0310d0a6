"""What is wrong with a host, by every scenario that was looked for: the cause before what it explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from soleil_remediate.errors import ExitStatus, WorkFound
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Crashed, NotReached, WouldFix
from soleil_remediate.scenario import Scenario, Severity
from soleil_remediate.seen import CheckSeen, Preview
from soleil_remediate.task import Health

#: The worst first.
_ORDER = (Health.FAULTY, Health.UNKNOWN, Health.HEALTHY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One scenario on one host.

    Args:
        scenario: Its name.
        preview: How the host stands by its checks, and what it would do.
        signs: What has to be at fault as well where it is the cause; none where its symptom says so.
        explained_by: The scenarios whose repair ends this one's symptom; empty where it stands for itself.
    """

    scenario: str
    preview: Preview
    signs: tuple[CheckSeen, ...] = ()
    explained_by: tuple[str, ...] = ()

    @property
    def health(self) -> Health:
        """Of its symptom, and of what users meet beyond the host."""
        standing = self.preview.standing
        return Health.FAULTY if standing.fault_beyond else standing.symptom_health

    @property
    def likelihood(self) -> Health:
        """Whether its symptom means that it is the cause: faulty where it does, unknown where nobody can tell."""
        if not self.signs:
            return self.health
        healths = {one.verdict.health for one in self.signs}
        sign = next((one for one in (Health.FAULTY, Health.UNKNOWN) if one in healths), Health.HEALTHY)
        return sign if self.health is Health.FAULTY else Health.HEALTHY

    @property
    def would_help(self) -> bool:
        """Whether a run would change something."""
        return isinstance(self.preview.outcome, WouldFix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbound:
    """A scenario that could not be looked for on a host, though nothing says that it is not for it.

    Args:
        scenario: Its name.
        why: What it lacks there.
        missing: The value that is not given, such as ``app.root``; empty where one that is given is wrong.
    """

    scenario: str
    why: str
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is wrong with one host.

    Args:
        host: Whose it is.
        findings: Every scenario that was looked at: what is at fault first, and of that the causes.
        unbound: Those that could not be looked at: whether the host has them is unknown.
        left_out: Those that are not for it, or not for a diagnosis, and why.
        found: What was found out about its application, as nothing was given: a value's name, and the value.
        not_found: Why there is no such thing; empty where there is, or where nothing had to be found.
        end: Why nothing could be seen at all; ``None`` where it could.
    """

    host: Host
    findings: tuple[Finding, ...] = ()
    unbound: tuple[Unbound, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()
    found: tuple[tuple[str, str], ...] = ()
    not_found: str = ""
    end: NotReached | Crashed | None = None

    @property
    def faulty(self) -> tuple[Finding, ...]:
        """What is at fault, the causes first."""
        return tuple(one for one in self.findings if one.health is Health.FAULTY)

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """What cannot be known."""
        return tuple(one for one in self.findings if one.health is Health.UNKNOWN)

    @property
    def exit_status(self) -> ExitStatus:
        """Work found where anything is at fault, or cannot be known: what is unknown is never called healthy.

        What could not be looked for is unknown as well. That nothing could be is a mistake of whoever named the host.
        """
        if self.end is not None:
            return self.end.exit_status
        if not self.findings:
            return ExitStatus.USAGE
        return WorkFound.exit_status if self.faulty or self.unknown or self.unbound else ExitStatus.OK


def ranked(found: Sequence[Finding], scenarios: Mapping[str, Scenario]) -> tuple[Finding, ...]:
    """Return findings in the order in which a person should look at them, each with what explains it.

    What is at fault comes first: what nothing else explains, of that what a run would help; then what is explained;
    then what cannot be known, then what is well. Where two explain each other, the one with signs of its own is the
    cause; where nobody can tell whether that is so, neither is called explained.
    """
    causes = [one for one in found if one.likelihood is Health.FAULTY]
    severities = {name: list(Severity).index(one.severity) for name, one in scenarios.items()}

    def place(one: Finding) -> tuple[int, ...]:
        is_less_likely = _ORDER.index(one.likelihood)
        return (
            _ORDER.index(one.health),
            bool(one.explained_by),
            not one.would_help,
            is_less_likely,
            severities[one.scenario],
        )

    return tuple(sorted((replace(one, explained_by=_explanations(one, causes, scenarios)) for one in found), key=place))


def _explanations(one: Finding, causes: Sequence[Finding], scenarios: Mapping[str, Scenario]) -> tuple[str, ...]:
    if one.health is not Health.FAULTY:
        return ()
    others = (cause for cause in causes if cause.scenario != one.scenario)
    return tuple(cause.scenario for cause in others if _explains(cause, one, scenarios))


def _explains(cause: Finding, other: Finding, scenarios: Mapping[str, Scenario]) -> bool:
    if other.scenario not in scenarios[cause.scenario].explains:
        return False
    if cause.scenario not in scenarios[other.scenario].explains:
        return True
    match other.likelihood:  # each would explain the other
        case Health.FAULTY:
            return bool(cause.signs) > bool(other.signs)
        case Health.UNKNOWN:
            return False
        case Health.HEALTHY:
            return True
