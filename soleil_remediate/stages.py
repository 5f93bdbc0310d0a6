"""Stages of a run: in which order they come, who is meant where one is done once, and what lets a later one wait.

Values in, values out. A scenario without stages is one stage without a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Eased, Fixed, NotNeeded
from soleil_remediate.report import HostReport
from soleil_remediate.scenario import Case, Scenario

#: How a host ends after which others may follow.
_WELL = frozenset(kind.word for kind in (Fixed, Eased, NotNeeded))


def in_order(hosts: Iterable[Host]) -> tuple[str, ...]:
    """Return the names of the stages, in the order in which they are done."""
    return tuple(dict.fromkeys(host.stage for host in hosts))


def number_of(stage: str, scenario: Scenario) -> int:
    """Return which stage of its playbook one is, from 1, however few of them a run that is gone on with has left."""
    return [one.name for one in scenario.stages].index(stage) + 1


def in_turn(cases: Sequence[Case]) -> tuple[tuple[int, ...], ...]:
    """Return the places of the cases that are looked at one after another, until one could be; most stand alone."""
    found: dict[tuple[str, int], list[int]] = {}
    for place, case in enumerate(cases):
        found.setdefault((case.host.stage, -1 if case.is_once else place), []).append(place)
    return tuple(map(tuple, found.values()))


def ended_well(word: str) -> bool:
    """Whether a host ended in a way after which others may follow; *word* is its verdict."""
    return word in _WELL


def spared(host: Host, chosen: Host, passed_over: str = "") -> NotNeeded:
    """Return what becomes of a host where its stage is done once, on another.

    Args:
        host: Which.
        chosen: The other.
        passed_over: Why it was not chosen, though it comes first; empty where it was not looked at.
    """
    why = f"stage {host.stage} is done once, on {chosen.listed_name}"
    return NotNeeded(why=f"{why}; {host.listed_name} was passed over: {passed_over}" if passed_over else why)


def is_spared(report: HostReport) -> bool:
    """Whether a host was left alone because its stage is done once, on another."""
    return report.preview is None and isinstance(report.outcome, NotNeeded)


def hindrance(stage: str, hosts: Sequence[tuple[Host, str]]) -> str:
    """Return why a stage may not begin; empty where it may.

    Args:
        stage: Which.
        hosts: All of the run, in its order, and how each ended, in a word; empty where it has not yet.
    """
    for host, word in hosts:
        if host.stage == stage:
            break
        if not word:
            return f"stage {host.stage} comes first, and {host.listed_name} is not done"
        if not ended_well(word):
            return f"stage {host.stage} comes first, and {host.listed_name} ended {word} there"
    return ""
