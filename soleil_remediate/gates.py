"""Gates: what may be sent, decided once for the whole run before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from soleil_remediate.errors import Declined, PlanDrifted
from soleil_remediate.host import Host, Mode
from soleil_remediate.plan import Change, Risk
from soleil_remediate.seen import Preview, plan_of
from soleil_remediate.step_outcomes import StepPending


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What may be sent.

    Args:
        digests: Of every change that may be sent, in any order or not at all.
        by: Who or what approved, for the record.
    """

    digests: frozenset[str]
    by: str


class Gate(Protocol):
    """Decides what may be sent. Called from the main thread, never while a host is being changed."""

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        """Return what may be sent of everything *previews* would send.

        Raises:
            Declined: Nothing may be.
            PlanDrifted: What was approved elsewhere is not what these would send.
        """

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        """Decide about one change that the approval does not cover: the host has changed since it was previewed.

        Raises:
            PlanDrifted: It may not be sent.
        """


class Asker(Protocol):
    """A person at a terminal."""

    @property
    def name(self) -> str:
        """Who that is, for the record."""

    def ask(self, scenario: str, previews: Sequence[Preview], risk: Risk) -> frozenset[str] | None:
        """Ask about everything *previews* would send; return the digests approved, or ``None`` for no."""

    def ask_again(self, host: Host, kind: str, change: Change) -> bool:
        """Ask about one change that was not in what the person approved."""


def _refuse_observed(hosts: Sequence[Host]) -> None:
    hosts = list({host.listed_name: host for host in hosts}.values())  # in several stages: said once
    if names := [host.listed_name for host in hosts if host.policy.mode is Mode.OBSERVE]:
        whose = "its inventory allows" if len(names) == 1 else "their inventory allows"
        raise Declined(
            f"{_named(names)} {_is(names)} in mode observe: {whose} no changes at all. Nothing was sent. "
            f"To allow them, set policy.mode to act for {', '.join(names)}."
        )
    if names := [host.listed_name for host in hosts if not host.is_listed]:
        stand, them = ("stands", "it") if len(names) == 1 else ("stand", "them")
        raise Declined(
            f"{_named(names)} {stand} in no inventory, which allows only to look. Nothing was sent. "
            f"To repair {them}, list {them} in an inventory and name that with --inventory."
        )


def _excess(scenario: str, previews: Sequence[Preview], *, yes: bool) -> str:
    """Return why the policy does not let everything pass unattended; empty where it does."""
    beyond: dict[tuple[Risk, Risk], list[str]] = {}
    for preview in previews:
        risk, host = preview.risk, preview.host
        ceiling = host.policy.ceiling(scenario) if yes else Risk.GENTLE
        if risk is not None and risk > ceiling:
            beyond.setdefault((risk, ceiling), []).append(host.name)
    reasons = list(dict.fromkeys(doubt for preview in previews for doubt in preview.doubts if preview.pending))
    for (risk, ceiling), names in beyond.items():
        whose = f"the policy of {names[0]} allows" if len(names) == 1 else "their policy allows"
        allowed = f"{whose} {ceiling.value} at most" if yes else "nobody was asked"
        plans = "plan" if len(names) == 1 else "plans"
        reasons.append(f"the {plans} for {_named(names)} {_is(names)} {risk.value}, and {allowed}")
    return "; ".join(reasons)


def _named(names: Sequence[str]) -> str:
    """Return hosts for people: one by its name, several by how many and which."""
    return names[0] if len(names) == 1 else f"{len(names)} hosts ({', '.join(names)})"


def _is(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGate:
    """Nobody is there: what the inventory's policy allows may be sent, or nothing.

    Args:
        says_yes: Whether ``--yes`` was given; without it only gentle changes pass.
    """

    says_yes: bool

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        """Return everything where the highest risk on each host is within its policy, else raise Declined."""
        _refuse_observed([preview.host for preview in previews if preview.pending])
        excess = _excess(scenario, previews, yes=self.says_yes)
        if excess:
            plan = plan_of(tuple(previews))
            may = "" if self.says_yes or _excess(scenario, previews, yes=True) else "add --yes, "
            raise Declined(f"{excess}. Nothing was sent. To go on: {may}run it at a terminal, or add --approve {plan}")
        by = "--yes, within the policy" if self.says_yes else "gentle changes need no approval"
        return Approval(digests=_all(previews), by=by)

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        """Refuse: nobody is there to look at what has changed."""
        raise PlanDrifted(
            f"{host.name}: {kind} would now {change.summary}, which is not what was approved, and nobody is there to "
            "ask. To go on: look again with the same command and --dry-run"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanGate:
    """Somebody approved one plan elsewhere: exactly its changes may be sent.

    Args:
        plan: The digest that a preview printed.
    """

    plan: str

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        """Return everything where the plan is still the approved one, else raise PlanDrifted."""
        del scenario
        _refuse_observed([preview.host for preview in previews if preview.pending])
        now = plan_of(tuple(previews))
        if now != self.plan:
            raise PlanDrifted(
                f"the plan is now {now}, not the approved {self.plan}: the hosts, the inputs or the playbook have "
                f"changed since. Nothing was sent. To go on: read the new plan and add --approve {now}"
            )
        return Approval(digests=_all(previews), by=f"--approve {self.plan}")

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        """Refuse: the approval was for other changes."""
        return PolicyGate(says_yes=False).approve_again(host, kind, change)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonGate:
    """Somebody is at the terminal: asked once, unless nothing needs asking.

    Args:
        asker: The terminal.
        says_yes: Whether ``--yes`` was given; it answers up to the policy's ceiling, above it the person is asked.
    """

    asker: Asker
    says_yes: bool

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        """Return what the person approved, else raise Declined."""
        _refuse_observed([preview.host for preview in previews if preview.pending])
        if not _excess(scenario, previews, yes=self.says_yes):
            by = f"--yes by {self.asker.name}" if self.says_yes else "gentle changes need no approval"
            return Approval(digests=_all(previews), by=by)
        risk = max((preview.risk for preview in previews if preview.risk is not None), default=Risk.GENTLE)
        approved = self.asker.ask(scenario, previews, risk)
        if not approved:
            raise Declined("declined at the terminal. Nothing was sent")
        return Approval(digests=approved & _all(previews), by=self.asker.name)

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        """Ask about this one change."""
        if not self.asker.ask_again(host, kind, change):
            raise PlanDrifted(f"{host.name}: {kind} would now {change.summary}; declined at the terminal")
        return Approval(digests=frozenset({change.digest(host.name, kind)}), by=self.asker.name)


def _all(previews: Sequence[Preview]) -> frozenset[str]:
    return frozenset(digest for preview in previews for digest in preview.digests)


def commands_by_hand(preview: Preview) -> tuple[tuple[str, str], ...]:
    """Return each pending change as (what it does, the command a person would type), in order."""
    lines: list[tuple[str, str]] = []
    for step in (outcome for _, outcome in preview.pending):
        lines.extend((change.summary, str(change.command)) for change in step.plan.changes)
    return tuple(lines)


def downtime(pending: StepPending) -> str:
    """Return what users notice of a step, ``none`` where nothing."""
    noticed = [change.downtime for change in pending.plan.changes if change.downtime != "none"]
    return "; ".join(dict.fromkeys(noticed)) or "none"
