"""Several hosts on one screen: what is alike stands together, what needs a person stands by itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from soleil_remediate.errors import WORST_FIRST
from soleil_remediate.host import listed_name
from soleil_remediate.host_outcomes import Fixed, HostOutcome, NotNeeded, Refusal, WouldFix
from soleil_remediate.plan import Risk
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.reporters.batches import compact
from soleil_remediate.reporters.endings import style_of
from soleil_remediate.reporters.page import SEPARATOR, Page, counted, joined
from soleil_remediate.reporters.plans import STYLES
from soleil_remediate.seen import Preview

#: More rows than this do not help anybody at night.
ROWS = 16

#: Hosts whose reasons differ only in figures are alike.
_FIGURES = re.compile(r"\d[\d.,]*")
#: Where a host was tried to be reached, as it stands behind its name: ``web1 (deploy@192.0.2.11:22)``.
_ADDRESS = r"(?: \((?:[^\s()@]+@)?[^\s()]+:\d+\))?"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Hosts about which the same is to be said."""

    outcome: HostOutcome
    risk: Risk | None
    plan: str
    about: str
    names: tuple[str, ...]
    is_spared: bool


def put_hosts(page: Page, hosts: Sequence[tuple[str, HostOutcome, Preview | None]]) -> None:
    """Put every host on *page*, the worst first; those that ended alike stand in one row."""
    groups = _grouped(hosts)
    for group in groups[:ROWS]:
        listed = set(map(listed_name, group.names))  # one that is in several stages counts once
        names = group.names[0] if len(group.names) == 1 else counted(len(listed), "host")
        risk = (group.risk.name, STYLES[group.risk]) if group.risk is not None else ""
        word = (group.outcome.word.ljust(11), style_of(group.outcome))
        page.line(f"  {names:<12} ", word, "  ", *([risk, "  "] if risk else []))
        if len(group.names) > 1:
            page.names("", group.names if len(group.names) <= ROWS else compact(group.names), 4)
        if group.plan:
            page.prose(f"plan: {group.plan}", 4, at_most=2)
        if group.about and (group.is_spared or not isinstance(group.outcome, NotNeeded | Fixed)):
            page.prose(group.about, 4, at_most=5 if isinstance(group.outcome, Refusal) else 2)  # it says how to go on
    if len(groups) > ROWS:
        rest = [name for group in groups[ROWS:] for name in group.names]
        page.names("", [f"and {counted(len(rest), 'host')} more:", *compact(rest)], 2)


def _grouped(hosts: Sequence[tuple[str, HostOutcome, Preview | None]]) -> list[_Group]:
    shared = Counter(outcome.why for _, outcome, _ in hosts)
    found: dict[tuple[str, Risk | None, str, str, bool], list[tuple[str, HostOutcome]]] = {}
    for name, outcome, preview in hosts:
        risk, plan = None, ""
        if preview is not None and isinstance(outcome, WouldFix | Refusal):
            risk, plan = preview.risk, ", ".join(preview.steps[place].kind for place, _ in preview.pending)
        # what is said of several hosts in the same words is about all of them, whichever it names
        why = outcome.why if shared[outcome.why] > 1 else _without(name, outcome.why)
        spared = preview is None and isinstance(outcome, NotNeeded)
        found.setdefault((outcome.word, risk, plan, _FIGURES.sub("0", why), spared), []).append((name, outcome))
    groups = []
    for (_, risk, plan, _, spared), members in found.items():
        name, outcome = members[0]
        about = outcome.why
        if len({other.why for _, other in members}) > 1:
            is_alike = len({_without(member, other.why) for member, other in members}) == 1
            has_address = _without(name, about, name) != about  # each has its own: one shows what they are like
            if is_alike and not has_address:
                about = _without(name, about, "each of them")
            else:
                about = f"such as {about}" if about.startswith(name) else f"such as {name}: {about}"
        names = tuple(member for member, _ in members)
        groups.append(_Group(outcome=outcome, risk=risk, plan=plan, about=about, names=names, is_spared=spared))
    return sorted(groups, key=lambda group: WORST_FIRST.index(group.outcome.exit_status))


def _without(name: str, text: str, instead: str = "it") -> str:
    """Return *text* with *instead* for a host's name and address, and not for a part of a longer name."""
    return re.sub(rf"(?<![\w.-]){re.escape(name)}{_ADDRESS}(?![\w-])", instead, text)


def worst_of(previews: Sequence[Preview]) -> Preview:
    """Return the preview that a person should read in full: of the highest risk, then with most to change."""
    return max(previews, key=lambda preview: (_rank(preview.risk), len(preview.digests)))


def telling(changed: Sequence[HostReport]) -> list[HostReport]:
    """Return of many hosts that were changed those to look at: the first, and what did not end well or has warned."""
    first, *others = changed
    return [first, *(report for report in others if not isinstance(report.outcome, Fixed) or report.warnings)]


def _rank(risk: Risk | None) -> int:
    return -1 if risk is None else list(Risk).index(risk)


def put_total(page: Page, report: RunReport) -> None:
    """Put on *page* the last word on all hosts."""
    counts: dict[str, int] = {}
    for host in sorted(report.hosts, key=lambda host: WORST_FIRST.index(host.outcome.exit_status)):
        counts[host.outcome.word] = counts.get(host.outcome.word, 0) + 1
    worst = min(report.hosts, key=lambda host: WORST_FIRST.index(host.outcome.exit_status)).outcome
    words = joined([f"{number} {word}" for word, number in counts.items()])
    sent = sum(len(host.sent) for host in report.hosts)
    said = f"{counted(sent, 'change')} sent" if sent else "nothing was changed"
    page.headline((words, style_of(worst)), joined([said, f"exit {int(report.exit_status)}"]), 2, between=SEPARATOR)
