"""One scenario on one host: look, decide, send what was approved, look again, and say what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from soleil_remediate.command import Command, Output, Query, Reader
from soleil_remediate.engine import HostRun
from soleil_remediate.errors import (
    ConfigError,
    ConnectionLost,
    FactError,
    HostKeyRejected,
    PlanDrifted,
    Unreachable,
)
from soleil_remediate.events import (
    ChangeAnswered,
    ChangeIntended,
    Event,
    HostClaimed,
    HostSeen,
    HostSeenAgain,
    StepEnded,
)
from soleil_remediate.facts.incidents import ReadIncident
from soleil_remediate.host import Host, Mode
from soleil_remediate.host_outcomes import (
    Eased,
    Fixed,
    MaybeChanged,
    NotFixed,
    NotNeeded,
    NotReached,
    Refusal,
    Stopped,
    Unproven,
    WouldFix,
)
from soleil_remediate.identity import Identity
from soleil_remediate.plan import Change, Plan, Risk
from soleil_remediate.record import Record, RecordNotWritten, Runs
from soleil_remediate.report import HostReport
from soleil_remediate.scenario import Case, LeftOut, Step
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import (
    StepDeclined,
    StepFailed,
    StepHealthy,
    StepPending,
    StepRemedied,
    StepSeen,
    StepSkipped,
    StepStillFaulty,
    StepUndecided,
    StepUnknown,
)
from soleil_remediate.stopping import Stop, StopRequested
from soleil_remediate.task import Check, Health, Verdict
from soleil_remediate.transports import Access
from soleil_remediate.transports.deadline import Cancellation
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedSession, ScriptedTransport
from soleil_remediate.units import Duration
from tests import tiny
from tests.tiny import PutFile

RUN = "0123abcd"


class Wires(ScriptedTransport):
    """Counts what is opened, and lets what is told go wrong with it."""

    def __init__(self, *hosts: ScriptedHost) -> None:
        super().__init__(*hosts)
        self.opened = 0
        self.closed = 0
        self.on_open: Callable[[int], object] = lambda _: None

    def open(self, host: Host, *, within: Duration, cancellation: Cancellation | None = None) -> ScriptedSession:
        self.on_open(self.opened)
        session = super().open(host, within=within)
        self.opened += 1
        close = session.close

        def closing() -> None:
            self.closed += 1
            close()

        session.close = closing  # type: ignore[method-assign]  # the only way to see it
        return session


@dataclass
class Bench:
    """A run on one scripted host, and what was heard of it."""

    record: Record
    web1: ScriptedHost = field(default_factory=tiny.scripted)
    heard: list[Event] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    on_event: Callable[[Event], None] = lambda _: None
    asked_again: list[str] = field(default_factory=list)
    says_again: bool = False

    def __post_init__(self) -> None:
        self.wires = Wires(self.web1)
        self.clock = tiny.Clock()

    def run(self, case: Case | None = None) -> HostRun:
        return HostRun(
            case or tiny.case(),
            run=RUN,
            owner="jan@laptop (run 0123abcd)",
            transport=self.wires,
            clock=self.clock,
            say=self.say,
            stop=self.stop,
        )

    def say(self, event: Event) -> None:
        self.on_event(event)
        self.record.write(event)
        self.heard.append(event)

    def ask_again(self, host: Host, kind: str, change: Change) -> frozenset[str]:
        self.asked_again.append(change.summary)
        if not self.says_again:
            raise PlanDrifted(f"{change.summary}: nobody is there")
        return frozenset({change.digest(host.name, kind)})

    def remedy(
        self,
        case: Case | None = None,
        *,
        between: Callable[[], object] = lambda: None,
        approve: Callable[[Preview], frozenset[str]] = lambda preview: preview.digests,
    ) -> HostReport:
        run = self.run(case)
        preview = run.preview()
        between()
        try:
            return run.remedy(preview, approve(preview), self.record, self.ask_again)
        finally:
            run.close()

    @property
    def words(self) -> list[str]:
        return tiny.words_sent(self.web1)

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Runs(tmp_path).begin(RUN, tiny.Clock()) as record:
        yield Bench(record)


def heals_and(also: Callable[[], object]) -> Callable[[ScriptedHost], None]:
    def then(host: ScriptedHost) -> None:
        tiny.say(host, "good")
        also()

    return then


def outcomes(report: HostReport) -> list[type]:
    return [type(step.outcome) for step in report.steps]


# --- a preview --------------------------------------------------------------------------------------------------------


def test_a_preview_asks_everything_in_one_batch_and_sends_nothing(bench: Bench) -> None:
    preview = bench.run(tiny.case(PutFile(), goal=(tiny.FileSays(text="best"),))).preview()
    assert isinstance(preview.outcome, WouldFix)
    assert preview.round_trips == 1
    assert len(bench.web1.asked) == 1
    assert bench.web1.sent == []
    assert bench.web1.owners == []
    assert [type(event) for event in bench.heard] == [HostSeen]


class Clear(PutFile):
    kind = "file.clear"
    clears = True


@pytest.mark.parametrize("mark, words", [("d\t\n", ["good"]), ("d\t\nl\tINC-42@1700000000\n", [])])
def test_where_a_step_clears_something_away_it_is_asked_first_whether_an_incident_is_open(
    bench: Bench, mark: str, words: list[str]
) -> None:
    query = ReadIncident()
    bench.web1.on_read(lambda command: command == query.command, Output(exit_status=0, stdout=mark.encode()))
    bench.remedy(tiny.case(Clear()))
    assert tiny.words_sent(bench.web1) == words
    assert {command for batch in bench.web1.asked for command in batch} >= {query.command}


def test_an_incident_that_was_opened_since_the_preview_keeps_what_was_approved_from_being_cleared(bench: Bench) -> None:
    def marked(text: bytes) -> None:
        query = ReadIncident()
        bench.web1.on_read(lambda command: command == query.command, Output(exit_status=0, stdout=text))

    marked(b"d\t\n")
    bench.remedy(tiny.case(Clear()), between=lambda: marked(b"d\t\nl\tINC-42@1700000000\n"))
    assert tiny.words_sent(bench.web1) == []


def test_a_preview_shows_what_was_seen_and_what_each_step_would_do(bench: Bench) -> None:
    case = replace(
        tiny.case(PutFile(), PutFile(words=("best",))),
        left_out=(LeftOut(kind="backup.prune", missing=("app.backups",)),),
    )
    preview = bench.run(case).preview()
    pending, tentative = (step.outcome for step in preview.steps)
    assert isinstance(pending, StepPending)
    assert not pending.is_tentative
    assert preview.left_out == (StepSeen(kind="backup.prune", outcome=StepSkipped(why="needs app.backups")),)
    assert isinstance(tentative, StepPending)
    assert tentative.is_tentative
    assert preview.digests == {*pending.digests, *tentative.digests}
    assert preview.evidence[0].title == "the file"
    assert preview.standing.scope == {"/srv/one"}


def test_a_healthy_host_is_not_needed_and_not_touched(bench: Bench) -> None:
    tiny.say(bench.web1, "good")
    preview = bench.run().preview()
    assert preview.outcome == NotNeeded(why="/srv/one says good")
    assert preview.digests == frozenset()
    assert preview.risk is None


def test_where_nothing_is_wrong_a_missed_goal_alone_changes_nothing(bench: Bench) -> None:
    tiny.say(bench.web1, "good")
    case = tiny.case(PutFile(words=("best",)), goal=(tiny.FileSays(text="best"),))
    preview = bench.run(case).preview()
    assert preview.outcome == NotNeeded(why="/srv/one says good")
    assert [step.outcome for step in preview.steps] == [StepSkipped(why="not needed: nothing was wrong")]


class _Beyond(Query[str]):
    command = Command(("beyond",))

    def parse(self, output: Output) -> str:
        return output.text


@dataclass(frozen=True, kw_only=True)
class Beyond(Check[str]):
    """See what no step mends."""

    kind = "beyond.says"

    async def read(self, host: Reader) -> str:
        return await host.ask(_Beyond())

    def judge(self, seen: str) -> Verdict:
        return Verdict.faulty(f"beyond it is {seen}")


def test_a_fault_beyond_a_host_that_is_well_is_told_and_nothing_is_planned_on_it(bench: Bench) -> None:
    tiny.say(bench.web1, "good")
    bench.web1.on_read(("beyond",), "dark")
    preview = bench.run(tiny.case(PutFile(words=("best",)), beyond=(Beyond(),))).preview()
    assert preview.outcome == NotFixed(why="beyond it is dark; the host itself is well: /srv/one says good")
    assert preview.digests == frozenset()
    assert preview.standing.goal_health is Health.HEALTHY


def test_what_cannot_be_known_beyond_a_host_stands_in_no_way_of_its_repair(bench: Bench) -> None:
    bench.web1.on_read(("beyond",), FactError("offline"))
    report = bench.remedy(tiny.case(beyond=(Beyond(),)))
    assert report.outcome == Fixed(why="/srv/one says good")
    assert report.after is not None
    assert [seen.verdict for seen in report.after.beyond] == [Verdict.unknown("offline")]


def test_a_fault_beyond_a_host_that_stays_after_the_repair_is_still_told(bench: Bench) -> None:
    bench.web1.on_read(("beyond",), "dark")
    report = bench.remedy(tiny.case(beyond=(Beyond(),)))
    assert report.outcome == Fixed(why="/srv/one says good")
    assert report.after is not None
    assert report.after.fault_beyond == "beyond it is dark"


def test_a_read_that_fails_fails_alone(bench: Bench) -> None:
    other = PutFile(path=tiny.FILE.with_name("other"))
    bench.web1.on_read(lambda command: command.words[-1] == "/srv/other", FactError("cat: no answer within 2 s"))
    preview = bench.run(tiny.case(other, PutFile())).preview()
    assert [type(step.outcome) for step in preview.steps] == [StepUndecided, StepPending]


def test_what_cannot_be_read_is_unknown_and_nothing_is_planned_on_it(bench: Bench) -> None:
    bench.web1.on_read(lambda command: command.words[3:4] == ("read",), FactError("needs sudo"))
    preview = bench.run().preview()
    assert isinstance(preview.outcome, NotFixed)
    assert preview.digests == frozenset()


def test_a_host_that_cannot_be_reached_has_no_preview(bench: Bench) -> None:
    bench.web1.unreachable = HostKeyRejected("the key has changed")
    with pytest.raises(HostKeyRejected):
        bench.run().preview()
    assert bench.heard == []


@pytest.mark.parametrize("when", ["before", "while connecting", "while looking"])
def test_a_preview_that_was_stopped_is_none(bench: Bench, when: str) -> None:
    if when == "before":
        bench.stop.ask("Ctrl-C")
    elif when == "while connecting":
        bench.wires.on_open = lambda _: bench.stop.ask("Ctrl-C")
    else:
        bench.web1.on_read(lambda _: True, lambda _: (bench.stop.ask("Ctrl-C"), "bad")[1])  # type: ignore[func-returns-value]
    with pytest.raises(StopRequested):
        bench.run().preview()
    assert bench.heard == []
    assert bench.wires.opened == (0 if when == "before" else 1)


# --- when all goes well -----------------------------------------------------------------------------------------------


def test_a_fault_is_repaired_and_proven_by_a_fresh_look(bench: Bench) -> None:
    report = bench.remedy()
    assert report.outcome == Fixed(why="/srv/one says good")
    assert bench.words == ["good"]
    assert outcomes(report) == [StepRemedied]
    assert report.after is not None
    assert report.after.symptom[0].verdict == Verdict.healthy("/srv/one says good")
    assert [type(event) for event in bench.heard] == [
        HostSeen, HostClaimed, HostSeenAgain, ChangeIntended, ChangeAnswered, HostSeenAgain, StepEnded,
    ]  # fmt: skip
    assert len(report.sent) == 1


def test_run_again_nothing_is_sent(bench: Bench) -> None:
    bench.remedy()
    bench.web1.sent.clear()
    assert bench.run().preview().outcome == NotNeeded(why="/srv/one says good")
    assert bench.web1.sent == []


def test_every_step_is_planned_afresh_and_what_is_no_longer_needed_is_not_sent(bench: Bench) -> None:
    report = bench.remedy(tiny.case(PutFile(), PutFile(words=("best",))))
    assert bench.words == ["good"]
    assert report.steps[1].outcome == StepSkipped(why="not needed: the goal is met")
    assert isinstance(report.outcome, Fixed)


def test_a_step_that_always_runs_runs_although_the_goal_is_met(bench: Bench) -> None:
    report = bench.remedy(tiny.case(PutFile(), Step(task=PutFile(words=("best",)), is_always=True)))
    assert bench.words == ["good", "best"]
    assert isinstance(report.outcome, Fixed)


def test_with_the_symptom_gone_steps_go_on_towards_the_goal(bench: Bench) -> None:
    goal = tiny.FileSays(text="best")
    report = bench.remedy(tiny.case(PutFile(), PutFile(words=("best",)), goal=(goal,)))
    assert bench.words == ["good", "best"]
    assert isinstance(report.outcome, Fixed)


def test_with_the_symptom_gone_and_the_goal_missed_the_host_is_eased(bench: Bench) -> None:
    report = bench.remedy(tiny.case(PutFile(), goal=(tiny.FileSays(text="best"),)))
    assert isinstance(report.outcome, Eased)
    assert bench.words == ["good"]


def test_changes_of_one_step_are_sent_in_their_order(bench: Bench) -> None:
    report = bench.remedy(tiny.case(PutFile(words=("first", "good"))))
    assert bench.words == ["first", "good"]
    assert [sent.operation for sent in report.sent] == [f"{RUN}-00-00", f"{RUN}-00-01"]


def test_what_is_wrong_elsewhere_is_left_alone(bench: Bench) -> None:
    elsewhere = PutFile(relieves=("/srv/two",))
    report = bench.remedy(tiny.case(elsewhere, PutFile(relieves=("/srv/one",))))
    assert report.steps[0].outcome == StepSkipped(why="eases /srv/two, which is not what is wrong")
    assert [sent.operation for sent in report.sent] == [f"{RUN}-01-00"]


# --- when the host has changed between preview and change -------------------------------------------------------------


def test_a_host_that_healed_itself_meanwhile_is_healthy_and_untouched(bench: Bench) -> None:
    report = bench.remedy(between=lambda: tiny.say(bench.web1, "good"))
    assert report.outcome == NotNeeded(why="it healed itself meanwhile: /srv/one says good")
    assert bench.words == []
    assert report.after is None


def test_a_host_that_healed_itself_but_misses_the_goal_is_left_alone(bench: Bench) -> None:
    case = tiny.case(PutFile(words=("best",)), goal=(tiny.FileSays(text="best"),))
    report = bench.remedy(case, between=lambda: tiny.say(bench.web1, "good"))
    assert isinstance(report.outcome, NotNeeded)
    assert bench.words == []


def test_a_host_that_can_no_longer_be_read_is_not_changed(bench: Bench) -> None:
    report = bench.remedy(
        between=lambda: bench.web1.on_read(lambda command: command.words[3:4] == ("read",), FactError("no answer"))
    )
    assert isinstance(report.outcome, NotFixed)
    assert bench.words == []


@dataclass(frozen=True, kw_only=True)
class Drifting(PutFile):
    """Plans whatever the file says."""

    kind = "file.drift"

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        return PutFile(words=("good",) if seen in ("bad", "good") else ("first", "good")).plan(seen)


def test_a_change_nobody_approved_is_asked_about_again(bench: Bench) -> None:
    bench.says_again = True
    report = bench.remedy(tiny.case(Drifting()), between=lambda: tiny.say(bench.web1, "worse"))
    assert bench.asked_again == ["let /srv/one say first"]
    assert bench.words == ["first", "good"]
    assert isinstance(report.outcome, Fixed)


def test_after_somebody_thought_about_it_the_host_is_looked_at_again_before_anything_is_sent(bench: Bench) -> None:
    def heals_while_somebody_thinks(host: Host, kind: str, change: Change) -> frozenset[str]:
        tiny.say(bench.web1, "good")
        return frozenset({change.digest(host.name, kind)})

    run = bench.run(tiny.case(Drifting()))
    preview = run.preview()
    tiny.say(bench.web1, "worse")
    report = run.remedy(preview, preview.digests, bench.record, heals_while_somebody_thinks)
    assert bench.words == []
    assert report.steps[0].outcome == StepSkipped(why="not needed: the goal is met")
    assert isinstance(report.outcome, NotNeeded)


def test_who_is_asked_about_a_change_once_is_not_asked_again(bench: Bench) -> None:
    def says_something_else(host: Host, kind: str, change: Change) -> frozenset[str]:
        bench.asked_again.append(change.summary)
        return frozenset()

    run = bench.run(tiny.case(Drifting()))
    preview = run.preview()
    tiny.say(bench.web1, "worse")
    report = run.remedy(preview, preview.digests, bench.record, says_something_else)
    assert bench.asked_again == ["let /srv/one say first"]
    assert outcomes(report) == [StepDeclined]
    assert bench.words == []


def test_a_change_nobody_approved_is_refused_with_nothing_of_its_step_sent(bench: Bench) -> None:
    report = bench.remedy(tiny.case(Drifting()), between=lambda: tiny.say(bench.web1, "worse"))
    assert bench.words == []
    assert isinstance(report.outcome, Refusal)
    assert outcomes(report) == [StepDeclined]
    assert report.after is None


def test_a_drift_after_the_first_change_is_judged_by_how_the_host_stands_then(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("first"), "put first", then=lambda host: tiny.say(host, "worse"))
    first = PutFile(words=("first",), only_from=("bad",))
    report = bench.remedy(tiny.case(first, Drifting()))
    assert bench.words == ["first"]
    assert outcomes(report) == [StepRemedied, StepDeclined]
    assert isinstance(report.outcome, NotFixed)
    assert "nobody is there" in report.outcome.why
    assert len(report.sent) == 1


def test_what_was_shown_and_not_approved_is_not_asked_about_again(bench: Bench) -> None:
    report = bench.remedy(approve=lambda _: frozenset())
    assert (bench.words, bench.asked_again) == ([], [])
    assert report.outcome == Refusal(why="file.put: it was not among what was approved")


def test_a_step_of_which_only_a_part_was_approved_is_not_begun(bench: Bench) -> None:
    case = tiny.case(PutFile(words=("first", "good")))

    def only_the_first(preview: Preview) -> frozenset[str]:
        return frozenset({preview.pending[0][1].digests[0]})

    report = bench.remedy(case, approve=only_the_first)
    assert bench.words == []
    assert outcomes(report) == [StepDeclined]
    assert isinstance(report.outcome, Refusal)


def test_a_declined_step_leaves_the_later_ones_that_were_approved(bench: Bench) -> None:
    case = tiny.case(PutFile(), PutFile(words=("best",)))
    report = bench.remedy(case, approve=lambda preview: frozenset(preview.pending[1][1].digests))
    assert bench.words == ["best"]
    assert outcomes(report) == [StepDeclined, StepRemedied]
    assert isinstance(report.outcome, Fixed)


# --- who may change it ------------------------------------------------------------------------------------------------


def test_a_locked_host_is_left_to_whoever_has_it(bench: Bench) -> None:
    report = bench.remedy(between=lambda: setattr(bench.web1, "locked_by", "eva@laptop since 03:11"))
    assert isinstance(report.outcome, Refusal)
    assert "eva@laptop since 03:11" in report.outcome.why
    assert bench.words == []


def test_without_root_nothing_is_changed_and_the_reason_is_said(bench: Bench) -> None:
    bench.web1.access = Access(login="deploy", is_root=False, why_not="sudo wants a password")
    report = bench.remedy()
    assert isinstance(report.outcome, Refusal)
    assert "sudo wants a password" in report.outcome.why
    assert "Nothing was sent" in report.outcome.why
    assert bench.web1.owners == []


@pytest.mark.parametrize(
    "host", [tiny.host(mode=Mode.OBSERVE), replace(tiny.host(), is_listed=False)], ids=["observed", "unlisted"]
)
def test_a_host_that_may_only_be_looked_at_is_not_changed_whatever_a_gate_said(bench: Bench, host: Host) -> None:
    report = bench.remedy(tiny.case(on=host))
    assert isinstance(report.outcome, Refusal)
    assert bench.web1.sent == []
    assert bench.web1.owners == []


def test_the_lock_is_taken_before_the_look_that_decides_and_given_back_at_the_end(bench: Bench) -> None:
    held: list[bool] = []
    bench.web1.on_read(
        lambda command: command.words[3:4] == ("read",),
        lambda _: (held.append(bench.web1._holder is not None), "bad")[1],  # type: ignore[func-returns-value]
    )
    bench.web1.on_change(tiny.put("good"), "put good", then=lambda host: tiny.say(host, "good"))
    bench.remedy()
    assert held[0] is False
    assert held[-1] is True
    assert bench.web1._holder is None
    assert bench.web1.owners == ["jan@laptop (run 0123abcd)"]


# --- when a change fails ----------------------------------------------------------------------------------------------

FAILS = Output(exit_status=1, stderr=b"No space left on device\n")


def test_a_failed_change_ends_its_step_and_the_next_step_is_tried(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("first"), FAILS)
    report = bench.remedy(tiny.case(PutFile(words=("first", "good")), PutFile(words=("best",))))
    assert bench.words == ["first", "best"]
    assert outcomes(report) == [StepFailed, StepRemedied]
    assert isinstance(report.outcome, Fixed)
    assert "No space left on device" in report.outcome.why


def test_a_failure_after_a_success_in_one_step_keeps_what_was_sent(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), FAILS)
    report = bench.remedy(tiny.case(PutFile(words=("first", "good"))))
    assert outcomes(report) == [StepFailed]
    assert [sent.operation for sent in report.sent] == [f"{RUN}-00-00"]
    assert isinstance(report.outcome, NotFixed)


def test_a_change_that_succeeds_and_helps_nothing_is_not_fixed(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good")
    report = bench.remedy()
    assert outcomes(report) == [StepStillFaulty]
    assert isinstance(report.outcome, NotFixed)


def test_a_check_that_was_green_before_vouches_for_nothing(bench: Bench) -> None:
    tiny.say(bench.web1, "good")
    report = bench.remedy(tiny.case(Step(task=PutFile(words=("best",)), is_always=True)))
    assert bench.words == ["best"]
    assert isinstance(report.outcome, Unproven)


def test_a_check_that_goes_dark_after_the_change_proves_nothing(bench: Bench) -> None:
    bench.web1.on_change(
        tiny.put("good"),
        "put good",
        then=lambda host: host.on_read(lambda command: command.words[3:4] == ("read",), FactError("no answer")),
    )
    report = bench.remedy()
    assert outcomes(report) == [StepStillFaulty]
    assert isinstance(report.outcome, Unproven)


@pytest.mark.parametrize("is_seen_at_first, verdict", [(True, Unproven), (False, Eased)])
def test_a_check_that_is_dark_and_was_seen_by_any_look_of_the_run_proves_nothing(
    bench: Bench, is_seen_at_first: bool, verdict: type
) -> None:
    other = tiny.FileSays(path=PurePosixPath("/other"))

    def go_dark() -> None:
        bench.web1.on_read(lambda command: "/other" in command.words, FactError("no answer"))

    def heal(host: ScriptedHost) -> None:
        tiny.say(host, "good")
        go_dark()

    bench.web1.on_change(tiny.put("good"), "put good", then=heal)
    bench.web1.on_read(lambda command: "/other" in command.words, "bad\n")
    if not is_seen_at_first:
        go_dark()
    report = bench.remedy(tiny.case(healthy_when=(tiny.FileSays(), other)), between=go_dark)
    assert bench.words == ["good"]
    assert isinstance(report.outcome, verdict), report.outcome


def test_a_change_whose_end_nobody_knows_ends_the_run_there(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", fate=Fate.LOST)
    report = bench.remedy(tiny.case(PutFile(), PutFile(words=("best",))))
    assert bench.words == ["good"]
    assert outcomes(report) == [StepUnknown]
    assert report.outcome == MaybeChanged(why=report.outcome.why, operation=f"{RUN}-00-00")
    assert "web1 MAY have been changed" in report.outcome.why
    assert report.after is not None


def test_a_change_whose_answer_was_lost_is_learnt_and_the_run_goes_on(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", then=lambda host: tiny.say(host, "good"), fate=Fate.ANSWER_LOST)
    report = bench.remedy()
    assert isinstance(report.outcome, Fixed)
    assert bench.words == ["good"]
    assert bench.web1.owners == ["jan@laptop (run 0123abcd)"] * 2


def test_a_change_the_host_could_not_begin_was_refused(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), fate=Fate.NOT_BEGUN)
    report = bench.remedy()
    assert outcomes(report) == [StepDeclined]
    assert isinstance(report.outcome, Refusal)


# --- when the connection is lost --------------------------------------------------------------------------------------


def lose(bench: Bench, times: int = 1, error: Unreachable | None = None) -> None:
    """Cut the connection: the next questions fail, and the host is back once it was opened again."""
    bench.web1.unreachable = error or ConnectionLost("cut")
    left = [times]

    def back(_: int) -> None:
        left[0] -= 1
        if left[0] <= 0:
            bench.web1.unreachable = None

    bench.wires.on_open = back


def test_a_connection_lost_between_preview_and_change_is_opened_once_more(bench: Bench) -> None:
    report = bench.remedy(between=lambda: lose(bench))
    assert isinstance(report.outcome, Fixed)
    assert bench.wires.opened == 2


@pytest.mark.parametrize("error", [ConnectionLost("cut"), HostKeyRejected("changed")])
def test_a_host_that_stays_away_before_the_first_change_was_not_touched(bench: Bench, error: Unreachable) -> None:
    report = bench.remedy(between=lambda: lose(bench, 99, error))
    assert report.outcome == NotReached(why=str(error), is_retryable=error.retryable)
    assert bench.words == []


def test_a_host_that_now_shows_another_key_is_not_tried_again(bench: Bench) -> None:
    bench.remedy(between=lambda: lose(bench, 99, HostKeyRejected("changed")))
    assert bench.wires.opened == 1


ONE, OTHER = Identity(machine_id="1a" * 16), Identity(machine_id="2b" * 16)


def lead_elsewhere(bench: Bench) -> None:
    """Cut the connection, and let another machine answer from now on, whose key is known as well."""
    bench.web1.identity = OTHER
    lose(bench)


def test_another_machine_that_answers_between_preview_and_change_is_asked_and_sent_nothing(bench: Bench) -> None:
    bench.web1.identity = ONE
    report = bench.remedy(between=lambda: lead_elsewhere(bench))
    assert isinstance(report.outcome, NotReached)
    assert not report.outcome.is_retryable
    assert f"sent: machine_id {OTHER.machine_id}; it was {ONE.machine_id} that was looked at" in report.outcome.why
    assert (len(bench.web1.asked), bench.words, bench.web1.owners) == (1, [], [])


def test_another_machine_that_answers_after_a_change_proves_nothing(bench: Bench) -> None:
    bench.web1.identity = ONE
    bench.web1.on_change(tiny.put("good"), "put good", then=heals_and(lambda: lead_elsewhere(bench)))
    report = bench.remedy()
    assert isinstance(report.outcome, Unproven)
    assert "another machine answered" in report.outcome.why
    assert bench.web1.owners == ["jan@laptop (run 0123abcd)"]


def test_another_machine_is_not_asked_what_became_of_a_change(bench: Bench) -> None:
    bench.web1.identity = ONE
    bench.web1.on_change(
        tiny.put("good"), "put good", fate=Fate.ANSWER_LOST, then=heals_and(lambda: lead_elsewhere(bench))
    )
    report = bench.remedy()
    assert isinstance(report.outcome, MaybeChanged)
    assert bench.web1.owners == ["jan@laptop (run 0123abcd)"]


def test_a_change_over_a_new_connection_goes_to_no_other_machine(bench: Bench) -> None:
    bench.web1.identity = ONE

    class PutAnew(PutFile):
        def plan(self, seen: str | None) -> Plan:
            plan = super().plan(seen)
            changes = (replace(one, is_over_new_connection=True) for one in plan.changes)
            return Plan.of(*changes, because=plan.because) if plan.changes else plan

    def lead_the_second_elsewhere(opened: int) -> None:
        if opened == 1:
            bench.web1.identity = OTHER

    bench.wires.on_open = lead_the_second_elsewhere
    report = bench.remedy(tiny.case(PutAnew()))
    assert isinstance(report.outcome, NotReached)
    assert "another machine answered" in report.outcome.why
    assert bench.words == []


def test_the_same_machine_after_a_restart_is_the_same(bench: Bench) -> None:
    bench.web1.identity = replace(ONE, boot_id="before")

    def restart() -> None:
        bench.web1.identity = replace(ONE, boot_id="after", hostname="renamed")
        lose(bench)

    assert isinstance(bench.remedy(between=restart).outcome, Fixed)


def test_which_machine_was_seen_is_part_of_what_was_seen(bench: Bench) -> None:
    bench.web1.identity = ONE
    assert bench.run().preview().identity == ONE


def test_a_connection_lost_after_a_change_is_opened_once_more_to_look(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", then=heals_and(lambda: lose(bench)))
    report = bench.remedy()
    assert isinstance(report.outcome, Fixed)
    assert bench.web1.owners == ["jan@laptop (run 0123abcd)"] * 2


def test_a_host_that_stays_away_after_a_change_is_unproven_and_says_what_was_sent(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", then=lambda _: lose(bench, 99))
    report = bench.remedy()
    assert isinstance(report.outcome, Unproven)
    assert outcomes(report) == [StepStillFaulty]
    assert len(report.sent) == 1
    assert report.after is None  # how it stood before the change is not how it stands now


def test_a_host_that_goes_away_and_comes_back_locked_is_looked_at_all_the_same(bench: Bench) -> None:
    def change(host: ScriptedHost) -> None:
        tiny.say(host, "good")
        lose(bench)
        host.locked_by = "our own old shell"

    bench.web1.on_change(tiny.put("good"), "put good", then=change)
    report = bench.remedy()
    assert report.outcome == Fixed(why="/srv/one says good")
    assert outcomes(report) == [StepRemedied]


def test_without_the_lock_that_was_lost_no_further_change_is_sent(bench: Bench) -> None:
    def change(host: ScriptedHost) -> None:
        tiny.say(host, "worse")
        lose(bench)
        host.locked_by = "eva"

    bench.web1.on_change(tiny.put("good"), "put good", then=change)
    report = bench.remedy(tiny.case(PutFile(), PutFile(words=("best",))))
    assert bench.words == ["good"]
    assert outcomes(report) == [StepStillFaulty, StepDeclined]
    assert isinstance(report.outcome, NotFixed)


def test_what_reaching_it_again_needs_may_be_gone_and_that_is_no_bug(bench: Bench) -> None:
    def gone(opened: int) -> None:
        if opened:
            raise ConfigError("the private key /k does not exist")

    def between() -> None:
        bench.web1.unreachable = ConnectionLost("cut")
        bench.wires.on_open = gone

    report = bench.remedy(between=between)
    assert report.outcome == NotFixed(why="the private key /k does not exist; nothing was sent")


def test_no_session_stays_open(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", then=heals_and(lambda: lose(bench)))
    bench.remedy()
    assert bench.wires.opened == 2
    assert bench.wires.closed >= bench.wires.opened


def test_a_session_that_cannot_even_be_closed_ends_nothing(bench: Bench) -> None:
    run = bench.run()
    run.preview()

    def broken() -> None:
        raise RuntimeError("paramiko had a bad day")

    run.session.close = broken  # type: ignore[method-assign]
    run.close()


# --- when the record fails --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind, words, expected",
    [
        (HostClaimed, [], Refusal),
        (ChangeIntended, [], Refusal),
        (ChangeAnswered, ["first"], NotFixed),
        (StepEnded, ["first"], NotFixed),
    ],
)
def test_a_record_that_fails_stops_what_was_not_sent_and_hides_nothing_that_was(
    bench: Bench, kind: type, words: list[str], expected: type
) -> None:
    def fail(event: Event) -> None:
        if isinstance(event, kind):
            raise RecordNotWritten("No space left on device")

    bench.on_event = fail
    first = PutFile(words=("first",), only_from=("bad",))
    report = bench.remedy(tiny.case(first, PutFile()))
    assert bench.words == words
    assert len(report.sent) == len(words)
    assert isinstance(report.outcome, expected)
    assert "No space left on device" in report.outcome.why


# --- when somebody asks to stop ---------------------------------------------------------------------------------------


TWO = tiny.case(PutFile(words=("first",), only_from=("bad",)), PutFile(words=("worse", "good"), risk=Risk.DISRUPTIVE))


def test_the_events_of_two_steps_are_counted(bench: Bench) -> None:
    report = bench.remedy(TWO)
    assert isinstance(report.outcome, Fixed)
    assert bench.words == ["first", "worse", "good"]
    assert len(bench.heard) == 13  # each of which is the n-th below


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("at", range(1, 14))
def test_a_stop_at_the_nth_event_is_told_as_it_was(bench: Bench, at: int, times: int) -> None:
    count = [0]

    def ask(_: Event) -> None:
        count[0] += 1
        if count[0] == at:
            for _time in range(times):
                bench.stop.ask("Ctrl-C")

    bench.on_event = ask
    if at == 1:
        preview = bench.run(TWO).preview()  # said after it was seen: the run ends before this host's turn
        assert isinstance(preview.outcome, WouldFix)
        return
    report = bench.remedy(TWO)
    answered = [event.operation for event in bench.said(ChangeAnswered)]
    assert [sent.operation for sent in report.sent] == answered
    assert len(bench.words) == len(answered)
    if isinstance(report.outcome, Fixed):  # it came when there was nothing left to stop
        assert bench.words == ["first", "worse", "good"]
        return
    assert isinstance(report.outcome, Stopped)
    assert "Ctrl-C" in report.outcome.why
    assert ("nothing was sent" in report.outcome.why) == (bench.words == [])
    assert len(bench.words) < 3 or times == 2
    for step in report.steps:
        assert not isinstance(step.outcome, StepDeclined)


def test_a_stop_after_the_last_change_has_nothing_left_to_stop(bench: Bench) -> None:
    bench.web1.on_change(tiny.put("good"), "put good", then=heals_and(lambda: bench.stop.ask("Ctrl-C")))
    assert isinstance(bench.remedy().outcome, Fixed)


def test_insisting_looks_no_more_and_says_so(bench: Bench) -> None:
    def insist(host: ScriptedHost) -> None:
        tiny.say(host, "good")
        bench.stop.ask("Ctrl-C")
        bench.stop.ask("Ctrl-C")

    bench.web1.on_change(tiny.put("good"), "put good", then=insist)
    report = bench.remedy()
    assert isinstance(report.outcome, Stopped)
    assert "how it stands after the last change is not known" in report.outcome.why
    assert outcomes(report) == [StepStillFaulty]
    assert len(report.sent) == 1


# --- when this program or a task is broken ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Buggy(PutFile):
    """Breaks once the file says something."""

    kind = "file.bug"
    breaks_on: str = "good"

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        if seen == self.breaks_on:
            raise ZeroDivisionError("a bug in a task")
        return super().plan(seen)


def test_a_task_that_breaks_after_its_change_was_sent_leaves_that_in_the_steps(bench: Bench) -> None:
    run = bench.run(tiny.case(Buggy()))
    preview = run.preview()
    with pytest.raises(ZeroDivisionError):
        run.remedy(preview, preview.digests, bench.record, bench.ask_again)
    assert [type(step.outcome) for step in run.steps] == [StepStillFaulty]
    assert [type(event) for event in bench.heard][-1] is StepEnded
    assert bench.words == ["good"]


def test_a_bug_between_two_changes_leaves_the_first_in_the_steps(bench: Bench) -> None:
    def bug(event: Event) -> None:
        if isinstance(event, ChangeIntended) and event.operation.endswith("01"):
            raise TypeError("a bug in this program")

    bench.on_event = bug
    run = bench.run(tiny.case(PutFile(words=("first", "good"))))
    preview = run.preview()
    with pytest.raises(TypeError):
        run.remedy(preview, preview.digests, bench.record, bench.ask_again)
    (step,) = run.steps
    assert isinstance(step.outcome, StepFailed)
    assert len(step.outcome.sent) == 1
    assert bench.words == ["first"]


def test_nothing_left_to_do_in_a_step_is_healthy(bench: Bench) -> None:
    report = bench.remedy(tiny.case(PutFile(only_from=("never",)), PutFile()))
    assert outcomes(report) == [StepHealthy, StepRemedied]
