"""Rehearse: break a host of the lab, find out what is wrong with it, repair it, and see that nothing is left to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from soleil_remediate.clock import Clock, SystemClock
from soleil_remediate.decisions import sent_by
from soleil_remediate.delivery import Delivery
from soleil_remediate.diagnosing import diagnose
from soleil_remediate.errors import RemediateError, UnknownName
from soleil_remediate.events import HostSettled, RunEnded, RunResumed
from soleil_remediate.findings import Diagnosis
from soleil_remediate.fleet import operator
from soleil_remediate.gates import Gate, PersonGate, PolicyGate
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Eased, Fixed, NotFixed, NotNeeded
from soleil_remediate.lab import Fault, Lab
from soleil_remediate.lab.access import inventory_text
from soleil_remediate.lab.faulting import Ending
from soleil_remediate.plan import Change, Risk
from soleil_remediate.record import Runs
from soleil_remediate.remediation import open_remediation
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.seen import Preview
from soleil_remediate.state import state_folder
from soleil_remediate.stopping import Stop
from soleil_remediate.task import Health
from soleil_remediate.transports import Session
from soleil_remediate.transports.scripted import ScriptedTransport
from soleil_remediate.transports.ways import EachItsWay
from soleil_remediate.units import Duration

#: The host of the lab that is broken and repaired.
_HOST = "web1"

_NOTHING: Mapping[str, str] = MappingProxyType({})

#: What a run says at its end where all is as the fault's file has it.
_OUTCOMES: dict[Ending, type[Fixed | Eased | NotFixed | NotNeeded]] = {
    Ending.FIXED: Fixed,
    Ending.EASED: Eased,
    Ending.NO_FURTHER: NotFixed,
    Ending.WELL: NotNeeded,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What became of one fault.

    Args:
        fault: Its name.
        scenario: The scenario that is about it.
        inputs: What a person named, as ``--set`` takes it; nothing where it was repaired as it is found.
        ends: How that has to end.
        is_found: Whether a diagnosis finds that scenario's symptom.
        first: The scenario that a diagnosis tells first; empty where it finds nothing.
        is_first_right: Whether that is the one which has to be told first.
        round_trips: How many that diagnosis took.
        verdict: What the repair says at its end.
        sent: The kinds of what it sent, in order.
        again: What a second run says.
        sent_again: The kinds of what that sent: nothing is right.
        is_red_again: Whether the symptom is back once all was taken back that the repair had sent; ``None`` where not
            all of that can be taken back, or there is nothing.
        took: From the moment in which the host was broken to the end of the repair, diagnosis and proof among it.
        amiss: What is not as it has to be; nothing where all is.
    """

    fault: str
    scenario: str
    inputs: Mapping[str, str]
    ends: Ending
    is_found: bool
    first: str
    is_first_right: bool
    round_trips: int
    verdict: str
    sent: tuple[str, ...]
    again: str
    sent_again: tuple[str, ...]
    is_red_again: bool | None
    took: Duration
    amiss: tuple[str, ...]

    @property
    def is_quiet(self) -> bool:
        """Whether a diagnosis tells nothing, rightly: users do not suffer."""
        return self.is_first_right and not self.first


def faults_about(lab: Lab, scenario: str = "", fault: str = "") -> tuple[Fault, ...]:
    """Return the faults to rehearse: those that a scenario is about, or any is, or the one of a name.

    Raises:
        UnknownName: No fault is called so, or none is about that scenario.
    """
    known = [one for one in lab.faults() if one.scenario]
    about = [one for one in known if scenario in {"", one.scenario}]
    if not about:
        raise UnknownName("scenario with faults to rehearse", scenario, sorted({one.scenario for one in known}))
    chosen = tuple(one for one in about if fault in {"", one.name})
    if not chosen:
        raise UnknownName(f"fault of {scenario}" if scenario else "fault", fault, [one.name for one in about])
    return chosen


def rehearsals(faults: Iterable[Fault]) -> list[tuple[Fault, Mapping[str, str]]]:
    """Return what there is to rehearse: each fault as it is found, and again with what a person would name.

    Returns:
        Each fault with the inputs of that rehearsal, twice in a row where its file says what a person would name.
    """
    return [
        (fault, inputs) for fault in faults for inputs in ({}, *([] if fault.named is None else [fault.named.inputs]))
    ]


def check_inputs(scenario: str, inputs: Mapping[str, str], *, playbooks: Iterable[str | Path] = ()) -> None:
    """Refuse inputs with which no host of the lab could be repaired, before there is one.

    Args:
        scenario: Its name.
        inputs: As ``--set`` takes them.
        playbooks: Files and folders of playbooks besides the shipped ones.

    Raises:
        ConfigError: The scenario has no such input, or the value is none that it takes.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "inventory.yml")
        file.write_text(inventory_text({"web": [(_HOST, "localhost")]}, file, file), encoding="utf-8")
        open_remediation(
            scenario=scenario,
            hosts=_HOST,
            inventory=file,
            inputs=inputs,
            playbooks=playbooks,
            transport=ScriptedTransport(),
        )


def rehearse(
    fault: Fault,
    lab: Lab,
    *,
    inputs: Mapping[str, str] = _NOTHING,
    host: str = _HOST,
    playbooks: Iterable[str | Path] = (),
    runs: Runs | None = None,
    clock: Clock | None = None,
) -> Rehearsed:
    """Break a pristine host with a fault, diagnose, repair and prove it, run the same scenario once more, and undo it.

    Args:
        fault: One of the lab's.
        lab: It is up; the host is pristine, and broken or repaired afterwards. Only a repair of which all can be taken
            back is undone; then the fault is there again.
        inputs: What a person names, as ``--set`` takes it. Whoever names anything also says yes to what would be done;
            where nobody does, what the lab's policy allows is done.
        host: Its name there.
        playbooks: Files and folders of playbooks besides the shipped ones.
        runs: Where the records of both runs are kept; this user's own place unless given.
        clock: This machine's, unless another is handed in.

    Raises:
        LabError: The host could not be broken.
        ConfigError: There is no such host, scenario or input.
    """
    clock, runs, folders = clock or SystemClock(), runs or Runs(state_folder()), tuple(playbooks)
    lab.break_host(host, fault.name)
    began = clock.monotonic()
    (found,) = diagnose(hosts=host, inventory=lab.inventory, playbooks=folders)
    remediation = open_remediation(
        scenario=fault.scenario, hosts=host, inventory=lab.inventory, inputs=inputs, playbooks=folders
    )
    gate: Gate = PersonGate(asker=_WhoNamedIt(), says_yes=True) if inputs else PolicyGate(says_yes=True)
    ran = remediation.remediate(gate=gate, runs=runs)
    report = ran.hosts[0]
    took = Duration(clock.monotonic() - began)
    again = remediation.remediate(gate=gate, runs=runs).hosts[0]
    is_red_again, stays = None, ""
    if report.sent and all(one.change.undo.command is not None for one in report.sent):
        stays = _take_back(ran, runs, clock)
        seen = remediation.preview().hosts[0].preview
        is_red_again = seen is not None and seen.standing.symptom_health is Health.FAULTY
    first = found.faulty[0].scenario if found.faulty else ""
    ends = _ends(fault, inputs, report)
    return Rehearsed(
        fault=fault.name,
        scenario=fault.scenario,
        inputs=dict(inputs),
        ends=ends,
        is_found=_is_found(found, fault),
        first=first,
        is_first_right=first == _first_of(fault),
        round_trips=max((one.preview.round_trips for one in found.findings), default=0),
        verdict=report.outcome.word,
        sent=report.kinds_sent,
        again=again.outcome.word,
        sent_again=again.kinds_sent,
        is_red_again=is_red_again,
        took=took,
        amiss=(
            *_not_told(fault, found),
            *_not_ended(ends, report),
            *_sent_again(again),
            *_not_undone(stays, is_red_again=is_red_again),
        ),
    )


@dataclass(frozen=True, slots=True)
class _WhoNamedIt:
    """A person who named what is to be done, and says yes to what comes of it; to nothing else afterwards."""

    name: str = "who rehearses"

    def ask(self, scenario: str, previews: Sequence[Preview], risk: Risk) -> frozenset[str]:
        del scenario, risk
        return frozenset(digest for preview in previews for digest in preview.digests)

    def ask_again(self, host: Host, kind: str, change: Change) -> bool:
        del host, kind, change
        return False


@dataclass(slots=True)
class _Way:
    """The way to one host for as long as what was sent to it is taken back."""

    host: Host
    session: Session

    def reopen(self) -> Session:
        """Connect anew, with the lock."""
        self.session.close()
        self.session = _opened(self.host)
        return self.session


def _opened(host: Host) -> Session:
    session = EachItsWay().open(host, within=host.connection.connect_within)
    session.claim(operator())
    return session


def _take_back(ran: RunReport, runs: Runs, clock: Clock) -> str:
    """Take back all that a run sent to its one host, the last first, and note it in that run's record.

    Returns:
        Why not all of it was taken back; empty where it was.
    """
    (report,) = ran.hosts
    with runs.reopen(runs.history(ran.run), clock) as record:
        record.write(RunResumed(operator=operator()))
        way, why = _Way(report.host, _opened(report.host)), ""
        delivery = Delivery(run=ran.run, line=way, copies=record, clock=clock, say=record.write, stop=Stop())
        try:
            for index, step in reversed([*enumerate(report.steps)]):
                for one in reversed(sent_by(step.outcome)):
                    delivery.take_back(one, step.kind, index, [])
        except RemediateError as error:
            why = str(error)
        finally:
            way.session.close()
        outcome = NotFixed(why=why or "what was sent was taken back again")
        record.write(HostSettled(host=report.host.name, outcome=outcome))
        record.write(RunEnded(report=replace(ran, hosts=(replace(report, outcome=outcome),))))
    return why


def _not_undone(why: str, *, is_red_again: bool | None) -> Iterable[str]:
    # What goes back to what was broken may well end with an error: that the host is red again is what counts.
    if is_red_again is False:
        yield f"the repair was taken back, and nothing is wrong with the host{f' ({why})' if why else ''}"


def _is_found(found: Diagnosis, fault: Fault) -> bool:
    return any(one.scenario == fault.scenario and one.health is Health.FAULTY for one in found.findings)


def _first_of(fault: Fault) -> str:
    return "" if fault.ends is Ending.WELL else fault.first


def _not_told(fault: Fault, found: Diagnosis) -> Iterable[str]:
    first = found.faulty[0].scenario if found.faulty else "nothing"
    if found.end is not None:
        yield f"no diagnosis: {found.end.why}"
    elif fault.ends is not Ending.WELL and not _is_found(found, fault):
        yield f"a diagnosis does not find {fault.scenario}"
    elif first != (_first_of(fault) or "nothing"):
        yield f"a diagnosis tells {first} first, not {_first_of(fault) or 'nothing'}"


def _ends(fault: Fault, inputs: Mapping[str, str], report: HostReport) -> Ending:
    """Return how it has to end: as the fault's file says. Inputs of which that says nothing may help, and need not."""
    if fault.named is not None and fault.named.inputs.keys() <= inputs.keys():
        return fault.named.ends
    helped = (ending for ending in (Ending.FIXED, Ending.EASED) if inputs and not list(_not_ended(ending, report)))
    return next(helped, fault.ends)


def _not_ended(ends: Ending, report: HostReport) -> Iterable[str]:
    if ends is Ending.BY_HAND:
        if report.sent or report.outcome.exit_status == 0:
            yield f"{report.outcome.word} is not left to a person: {report.outcome.why}"
    elif ends is Ending.NO_FURTHER and not report.sent:
        yield f"nothing was sent: {report.outcome.why}"
    elif not isinstance(report.outcome, _OUTCOMES[ends]):
        yield f"{report.outcome.word} is not {_OUTCOMES[ends].word}: {report.outcome.why}"


def _sent_again(again: HostReport) -> Iterable[str]:
    if again.was_touched or again.may_have_changed:
        yield f"a second run sends {', '.join(again.kinds_sent) or 'something'}: {again.outcome.why}"
