"""A run that ended without its last word: its hosts are asked what became of its changes, and then looked at again.

Nothing is sent here. A change whose answer never arrived is asked about and never sent again; what is left to do is
done by a run of its own, with a name of its own, planned afresh from what is seen now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import assert_never

from soleil_remediate import fleet
from soleil_remediate.asking import Settled, ask
from soleil_remediate.clock import Clock
from soleil_remediate.decisions import eased, eased_as_far_as_known, is_as_unknown
from soleil_remediate.errors import Interrupted
from soleil_remediate.events import HostSeenAgain, HostSettled, RunEnded
from soleil_remediate.history import History
from soleil_remediate.host import Connection, Host
from soleil_remediate.host_outcomes import (
    Eased,
    Fixed,
    HostOutcome,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    Unproven,
    WouldFix,
)
from soleil_remediate.record import Record
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview
from soleil_remediate.stages import hindrance, spared
from soleil_remediate.stopping import Signals, Stop
from soleil_remediate.task import Health
from soleil_remediate.transports import Progress, Transport

_GONE = "it is not in the inventory"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What became of a run after all.

    Args:
        changes: Those whose answers never arrived.
        outcomes: By host: those that are told now, in the run's order.
        left: The hosts on which something is left to do.
        failed: The other hosts that count as failed in the run that goes on, and how each ended, in a word.
        gone: By host: how those ended that are not in the inventory, as far as the record can tell.
    """

    changes: tuple[Settled, ...]
    outcomes: Mapping[str, HostOutcome]
    left: tuple[str, ...]
    failed: tuple[tuple[str, str], ...] = ()
    gone: Mapping[str, HostOutcome] = field(default_factory=dict)


def not_resumed(history: History, gone: Sequence[str]) -> Resumed:
    """Return what the record alone can tell of hosts that are not in the inventory. Writes and asks nothing.

    Args:
        history: What the record says.
        gone: The hosts; one to which anything may have been sent counts as failed in the run that goes on.
    """
    changes = tuple(
        Settled(change=change, progress=None, says=_GONE) for change in history.open_changes if change.host in gone
    )
    touched = {one.change.host for one in changes} | {host for host in gone if history.was_begun(host)}
    ends = history.ends
    known = {host: ends.get(host) or _unseen(history, host, changes, _GONE) for host in gone}
    failed = tuple((host, end.word) for host, end in known.items() if host in touched)
    return Resumed(changes=changes, outcomes={}, left=(), failed=failed, gone=known)


def only_ask(
    history: History,
    hosts: Sequence[Host],
    *,
    record: Record,
    transport: Transport,
    clock: Clock,
    tell: Callable[[str], None] = lambda _: None,
    gone: Sequence[str] = (),
) -> Resumed:
    """Ask the hosts of a run about every change that is open, and write the answers into its record.

    For where nobody can say how a host stands, because the scenario cannot be bound to it: by the time that is mended a
    host may have forgotten what it knows of its changes. The run stays one that is to be resumed.

    Args:
        history: What the record says.
        hosts: Those of the run that are not done, as the record names them.
        record: The same, to be gone on with.
        transport: The way to the hosts.
        clock: For waiting until a change that still runs has ended.
        tell: Gets a line for people whenever something is waited for.
        gone: The other hosts that are not done and not in the inventory, so that they are not asked.

    Raises:
        RecordNotWritten: What was found stands nowhere; it can be asked for again.
        Interrupted: Somebody asked to stop; what was found by then stands in the record.
    """
    stop, by_name = Stop(), {host.name: _as_seen(history, host) for host in hosts}
    with Signals(stop, clock).heard():
        changes = ask(history, by_name, record=record, transport=transport, clock=clock, tell=tell, stop=stop)
    _check(stop)
    told, asked = not_resumed(history, gone), dict.fromkeys(one.change.host for one in changes)
    outcomes = {name: _unseen(history, name, changes, "it was not looked at again") for name in asked}
    return replace(told, changes=(*changes, *told.changes), outcomes=outcomes)


def resume(  # noqa: PLR0913  # all by name but what it is about, and half of them have a default
    history: History,
    cases: Sequence[Case],
    *,
    record: Record,
    transport: Transport,
    clock: Clock,
    tell: Callable[[str], None] = lambda _: None,
    gone: Sequence[str] = (),
    others: Mapping[str, str] = MappingProxyType({}),
) -> Resumed:
    """Ask the hosts of a run about every change that is open, look at them again, and write both into its record.

    Args:
        history: What the record says.
        cases: The run's scenario and inputs, bound to each of its hosts that is not done, in the run's order; at least
            one.
        record: The same, to be gone on with.
        transport: The way to the hosts.
        clock: For waiting until a change that still runs has ended.
        tell: Gets a line for people whenever something is waited for.
        gone: The other hosts that are not done: they are not in the inventory, so they are not asked. Where the
            record has no end of one, what it knows becomes its end there, so that nobody takes it for done.
        others: Those of *cases* whose host the scenario is not for any more, and why: asked and looked at like the
            rest, and then left alone.

    Raises:
        RecordNotWritten: What was found stands nowhere; it can be asked for again.
        Interrupted: Somebody asked to stop; what was found by then stands in the record.
    """
    stop, cases = Stop(), [replace(case, host=_as_seen(history, case.host)) for case in cases]
    with Signals(stop, clock).heard():  # to the very end: whoever stops this wants nothing to be sent after it
        resumed = _resume(
            history,
            cases,
            record=record,
            transport=transport,
            clock=clock,
            tell=tell,
            stop=stop,
            gone=not_resumed(history, gone),
            others=others,
        )
    _check(stop)
    return resumed


def _resume(  # noqa: PLR0913  # what resume was given, and who may stop it
    history: History,
    cases: Sequence[Case],
    *,
    record: Record,
    transport: Transport,
    clock: Clock,
    tell: Callable[[str], None],
    stop: Stop,
    gone: Resumed,
    others: Mapping[str, str],
) -> Resumed:
    hosts = {case.host.name: case.host for case in cases}
    changes = ask(history, hosts, record=record, transport=transport, clock=clock, tell=tell, stop=stop)
    _check(stop)
    elsewhere = _elsewhere(history, cases)
    meant = [case for case in cases if case.host.name not in elsewhere]
    meant.sort(key=lambda case: case.host.name in others)  # what is done once is not for those, if for any other
    seen = fleet.preview(meant, transport=transport, clock=clock, stop=stop).hosts if meant else ()
    _check(stop)  # a host whose look was given up has not been looked at
    outcomes: dict[str, HostOutcome] = {**elsewhere} | {
        one.host.name: _outcome(history, one, [made for made in changes if made.change.host == one.host.name])
        for one in seen
    }
    ends = history.ends
    told_of_gone = {name: end for name, end in gone.gone.items() if name not in ends}
    is_open = {one.change.host for one in changes if one.is_open}
    faulty = [one.host.name for one in seen if isinstance(one.outcome, WouldFix) and one.host.name not in is_open]
    able = [name for name in faulty if name not in others]
    words = {name: outcome.word for name, outcome in outcomes.items()}
    barred = _barred(history, seen, words | {name: end.word for name, end in gone.gone.items()}, able)
    left = tuple(name for name in able if name not in barred)
    for name, why in barred.items():
        if not history.was_begun(name):
            outcomes[name] = NotFixed(why=f"{why}; {outcomes[name].why}")
    for name in faulty:
        if name in others:
            outcomes[name] = replace(outcomes[name], why=f"{outcomes[name].why}; left alone: {others[name]}")
    for one in seen:  # whoever resumes it again has to know of this look as well
        if one.preview is not None:
            record.write(HostSeenAgain(host=one.host.name, standing=one.preview.standing))
    told = outcomes | told_of_gone
    for name, outcome in told.items():
        record.write(HostSettled(host=name, outcome=outcome))
    reports = tuple(HostReport(host=hosts.get(name) or unlisted(name), outcome=told[name]) for name in told)
    record.write(RunEnded(report=RunReport(run=history.run, scenario=cases[0].scenario.name, hosts=reports)))
    begun = {one.change.host for one in changes if one.progress is not Progress.NEVER_BEGUN}
    untouched = {name for name in others if name not in begun and not history.was_begun(name)}
    failed = tuple(
        (one.host.name, outcomes[one.host.name].word)
        for one in seen
        if one.host.name not in {*left, *barred, *untouched} and _has_failed(one, outcomes[one.host.name])
    )
    return Resumed(
        changes=(*changes, *gone.changes),
        outcomes=outcomes,
        left=() if is_open else left,
        failed=(*failed, *gone.failed),
        gone=gone.gone,
    )


def _as_seen(history: History, host: Host) -> Host:
    """Return a host as no other machine than the one that the run saw, unless the inventory says by now which it is."""
    return host.on_machine(history.machine_id(host.name))


def _elsewhere(history: History, cases: Sequence[Case]) -> dict[str, NotNeeded]:
    """Return the hosts that are not meant, because their stage is done once, and was begun on another."""
    begun = {line["host"] for line in history.lines if line["type"] == "ChangeIntended"}
    chosen = {name.partition("#")[2]: name for name in sorted(begun)}
    return {
        case.host.name: spared(case.host, replace(case.host, name=chosen[case.host.stage]))
        for case in cases
        if case.is_once and chosen.get(case.host.stage, case.host.name) != case.host.name
    }


def _barred(
    history: History, seen: Sequence[HostReport], words: Mapping[str, str], able: Sequence[str]
) -> dict[str, str]:
    """Return which hosts must wait for an earlier stage that cannot be gone on with, and why.

    Args:
        history: What the record says; in its order the hosts were to be done.
        seen: How the hosts were found that are still there.
        words: How each host of the run ended that was not done, in a word.
        able: The hosts on which something is left to do, and can be.
    """
    hosts = {one.host.name: one.host for one in seen}
    ends = [
        (hosts.get(name) or unlisted(name), Fixed.word if name in able else words[name])
        for name in map(str, history.started["hosts"])
        if name in words
    ]
    barred = {name: hindrance(hosts[name].stage, ends) for name in able}
    return {name: why for name, why in barred.items() if why}


def _check(stop: Stop) -> None:
    """Raise Interrupted where somebody asked to stop."""
    if stop.is_asked:
        raise Interrupted(f"{stop.request}. Nothing was sent. It can be resumed again")


def _outcome(history: History, seen: HostReport, changes: Sequence[Settled]) -> HostOutcome:
    """Return what became of one host after all."""
    host = seen.host.name
    if maybe := _maybe_changed(changes):
        return maybe
    begun = [one for one in changes if one.progress is not Progress.NEVER_BEGUN]
    if not history.was_begun(host) and not begun:  # nothing was ever made there: what is seen is all there is to say
        return NotFixed(why=seen.outcome.why) if isinstance(seen.outcome, WouldFix) else seen.outcome
    if seen.preview is None:
        return Unproven(why=f"it may have been changed, and could not be looked at again: {seen.outcome.why}")
    before, now = history.machine_id(host), seen.preview.identity.machine_id
    if before not in (None, now):  # so the inventory says: nothing that is seen there proves anything of the other
        return Unproven(why=f"another machine was changed (machine_id {before}) than it is by now (machine_id {now})")
    return _changed(history, seen.preview, [one for one in begun if one.is_unknowable])


def _unseen(history: History, host: str, changes: Iterable[Settled], why: str) -> HostOutcome:
    """Return what became of a host that was not looked at again.

    Args:
        history: What the record says.
        host: Which.
        changes: Those of any host that were open, and what was found.
        why: Why it was not looked at.
    """
    its = [one for one in changes if one.change.host == host]
    if maybe := _maybe_changed(its):
        return maybe
    if any(one.is_unknowable for one in its):
        return Unproven(why=f"it may have been changed, and whether that helped is not known: {why}")
    if history.was_begun(host) or any(one.progress is Progress.DONE for one in its):
        return Unproven(why=f"it was changed, and whether that helped is not known: {why}")
    return NotFixed(why=f"nothing was sent to it, and how it stands is not known: {why}")


def _maybe_changed(changes: Sequence[Settled]) -> MaybeChanged | None:
    """Return the end of a host with a change that may still become known; ``None`` where it has none such."""
    for one in changes:
        if one.is_open:
            why = (
                f"{one.change.host} MAY have been changed: operation {one.change.operation} has no answer ({one.says})"
            )
            return MaybeChanged(why=why, operation=one.change.operation)
    return None


def unlisted(name: str) -> Host:
    """Return a host of which there is only the name in a record."""
    return Host(name=name, connection=Connection(address=name), is_listed=False)


def _has_failed(seen: HostReport, outcome: HostOutcome) -> bool:
    """Whether a host counts as failed: like in any run, one that is past help and was left alone does not."""
    is_past_help = (
        isinstance(outcome, NotFixed)
        and outcome is seen.outcome  # nothing was ever begun there
        and seen.preview is not None
        and seen.preview.standing.symptom_health is Health.FAULTY
    )
    return not is_past_help and not isinstance(outcome, Fixed | Eased | NotNeeded)


def _changed(history: History, preview: Preview, unknowable: Sequence[Settled]) -> HostOutcome:
    """Return what became of a host that was changed, as a run would have said that was not cut short."""
    standing, was_faulty = preview.standing, history.was_faulty(preview.host.name)
    looks = history.looks(preview.host.name)
    match standing.symptom_health:
        case Health.FAULTY:
            return NotFixed(why=standing.why(Health.FAULTY))
        case Health.UNKNOWN if was_faulty and not unknowable and looks and is_as_unknown(looks, standing):
            return eased_as_far_as_known(standing)
        case Health.UNKNOWN:
            return Unproven(why=f"whether it helped cannot be known: {standing.why(Health.UNKNOWN)}")
        case Health.HEALTHY:
            pass
        case health:
            assert_never(health)
    why = standing.why(standing.goal_health)
    if unknowable:
        operations = ", ".join(one.change.operation for one in unknowable)
        return Unproven(
            why=f"nothing is wrong any more ({why}), and nobody can know whether {operations} was made in full"
        )
    if not was_faulty:
        return Unproven(why=f"no check was red before the changes, so none vouches for them ({why})")
    if standing.goal_health is not Health.HEALTHY:
        return eased(standing)
    return Fixed(why=why)
