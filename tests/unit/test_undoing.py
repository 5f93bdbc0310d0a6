"""Undo in reverse: what a plan changed before one of its changes failed is taken back, and nothing unknown ever is."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Output, Reader
from soleil_remediate.errors import ConnectionLost, ExitStatus, Frozen
from soleil_remediate.events import ChangeAnswered, Event
from soleil_remediate.freezing import Brake, released
from soleil_remediate.gates import PolicyGate
from soleil_remediate.host_outcomes import Fixed, MaybeChanged, NotFixed
from soleil_remediate.plan import Plan, Undo
from soleil_remediate.record import Record, RecordNotWritten, Runs
from soleil_remediate.report import HostReport
from soleil_remediate.step_outcomes import StepFailed, StepRemedied, StepUnknown
from soleil_remediate.stopping import Stop
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedTransport
from tests import tiny
from tests.tiny import PutFile

#: What each word is taken back to.
BEFORE = {"first": "bad", "second": "first", "third": "second"}
WORDS = ("first", "second", "third", "good")


@dataclass(frozen=True, kw_only=True)
class PutAndBack(PutFile):
    """Let a file say one word after another, each of which can be taken back unless it is told otherwise."""

    kind = "file.put-and-back"

    words: tuple[str, ...] = WORDS
    for_good: tuple[str, ...] = ()
    way: str = "one"

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        plan = super().plan(seen)
        if not plan.changes:
            return plan
        changes = tuple(
            one
            if one.after in self.for_good or one.after not in BEFORE
            else replace(one, undo=Undo.by(tiny.put(BEFORE[one.after]), f"it says {BEFORE[one.after]} again"))
            for one in plan.changes
        )
        ways = {"one": Plan.of, "each": Plan.of_each, "whole": Plan.of_whole}
        return ways[self.way](*changes, because=plan.because)


@dataclass
class Night:
    """One scripted host that takes every word but those it is told not to."""

    folder: Path
    host: ScriptedHost = field(default_factory=lambda: tiny.scripted("web1"))
    brake: Brake = released
    run: str = ""

    def __post_init__(self) -> None:
        for word in ("second", "third"):
            self.host.on_change(tiny.put(word), f"put {word}\n", then=partial(tiny.say, word=word))

    def fails(self, word: str) -> None:
        self.host.on_change(tiny.put(word), Output(exit_status=3, stdout=b"no room\n"))

    def remedy(self, *tasks: PutFile) -> HostReport:
        report = fleet.remediate(
            [tiny.case(*(tasks or (PutAndBack(),)), on=tiny.host("web1"))],
            transport=ScriptedTransport(self.host),
            gate=PolicyGate(says_yes=True),
            runs=Runs(self.folder),
            clock=tiny.Clock(),
            brake=self.brake,
        )
        self.run = report.run
        return report.hosts[0]

    @property
    def words(self) -> list[str]:
        return tiny.words_sent(self.host)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "state")


def failed(report: HostReport) -> StepFailed:
    outcome = report.steps[0].outcome
    assert isinstance(outcome, StepFailed)
    return outcome


def test_what_was_changed_before_a_change_failed_is_taken_back_the_last_first(night: Night) -> None:
    night.fails("good")
    report = night.remedy()
    assert night.words == [*WORDS, "second", "first", "bad"]
    step = failed(report)
    assert [sent.operation for sent in step.sent] == [f"{night.run}-00-0{number}" for number in range(3)]
    assert step.taken_back == tuple(reversed([sent.operation for sent in step.sent]))
    assert step.why == (
        "let /srv/one say good: exit status 3: no room; taken back: let /srv/one say third, let /srv/one say second, "
        "let /srv/one say first"
    )
    assert isinstance(report.outcome, NotFixed)
    assert step.why in report.outcome.why
    assert report.outcome.exit_status is ExitStatus.NOT_FIXED


def test_what_takes_a_change_back_is_intended_on_record_before_it_is_sent_and_answered_after(night: Night) -> None:
    night.fails("second")
    night.remedy()
    lines = Runs(night.folder).read(night.run)
    (back,) = [line for line in lines if line["type"] == "ChangeIntended" and line["takes_back"]]
    assert (back["operation"], back["takes_back"]) == (f"{night.run}-00-00-undo", f"{night.run}-00-00")
    assert (back["change"]["before"], back["change"]["after"]) == ("first", "bad")
    answers = [line["n"] for line in lines if line.get("operation") == back["operation"] and line["n"] > back["n"]]
    assert len(answers) == 1
    (ended,) = [line for line in lines if line["type"] == "StepEnded"]
    assert ended["outcome"]["taken_back"] == [f"{night.run}-00-00"]


def test_one_that_cannot_be_taken_back_stays_and_so_does_what_came_before_it(night: Night) -> None:
    night.fails("good")
    step = failed(night.remedy(PutAndBack(for_good=("second",))))
    assert night.words == [*WORDS, "second"]
    assert step.why.endswith(
        "taken back: let /srv/one say third; not taken back: let /srv/one say second, let /srv/one say first "
        "(nobody needs the old word)"
    )
    assert len(step.taken_back) == 1


def test_the_first_change_that_fails_leaves_nothing_to_take_back(night: Night) -> None:
    night.fails("first")
    step = failed(night.remedy())
    assert night.words == ["first"]
    assert (step.why, step.taken_back) == ("let /srv/one say first: exit status 3: no room", ())


def test_changes_that_are_of_use_each_by_itself_stay(night: Night) -> None:
    night.fails("good")
    step = failed(night.remedy(PutAndBack(way="each")))
    assert night.words == list(WORDS)
    assert (step.why, step.taken_back) == ("let /srv/one say good: exit status 3: no room", ())


def test_an_earlier_step_is_not_taken_back_with_a_later_one(night: Night) -> None:
    night.fails("third")
    report = night.remedy(PutAndBack(words=("first",)), PutAndBack(words=("second", "third")))
    assert night.words == ["first", "second", "third", "first"]
    first, second = (step.outcome for step in report.steps)
    assert isinstance(first, StepRemedied)
    assert isinstance(second, StepFailed)
    assert second.taken_back == (f"{night.run}-01-00",)


def test_where_an_outcome_is_unknown_nothing_is_taken_back(night: Night) -> None:
    night.host.on_change(tiny.put("good"), "put good", fate=Fate.LOST)
    report = night.remedy()
    assert night.words == list(WORDS)
    assert isinstance(report.outcome, MaybeChanged)


def test_where_it_is_unknown_whether_one_was_taken_back_no_other_is(night: Night) -> None:
    night.fails("good")
    night.host.on_change(
        tiny.put("second"),
        "put second",
        then=lambda host: host.on_change(tiny.put("second"), "put second", fate=Fate.LOST),
    )
    report = night.remedy()
    assert night.words == [*WORDS, "second"]
    (step,) = report.steps
    assert isinstance(step.outcome, StepUnknown)
    assert step.outcome.operation == f"{night.run}-00-02-undo"
    assert report.outcome == MaybeChanged(why=step.outcome.why, operation=step.outcome.operation)
    assert step.outcome.why.startswith("web1 MAY have been changed: the host says that operation ")
    assert step.outcome.why.endswith(
        "; it takes back: let /srv/one say third; the step had failed: let /srv/one say good: exit status 3: no room; "
        "not taken back: let /srv/one say second, let /srv/one say first"
    )


def test_where_a_later_one_is_unknown_it_is_said_what_was_taken_back_before_it(night: Night) -> None:
    night.fails("good")
    night.host.on_change(
        tiny.put("first"),
        "put first",
        then=lambda host: host.on_change(tiny.put("first"), "put first", fate=Fate.LOST),
    )
    report = night.remedy()
    assert night.words == [*WORDS, "second", "first"]
    assert report.outcome.why.endswith(
        "; it takes back: let /srv/one say second; the step had failed: let /srv/one say good: exit status 3: no room; "
        "taken back: let /srv/one say third; not taken back: let /srv/one say first"
    )


def test_where_the_record_cannot_take_it_that_one_was_taken_back_it_is_said_which_were_not(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Record.write

    def failing(self: Record, event: Event) -> None:
        if isinstance(event, ChangeAnswered) and event.operation.endswith("-02-undo"):
            raise RecordNotWritten("No space left on device")
        write(self, event)

    monkeypatch.setattr(Record, "write", failing)
    night.fails("good")
    step = failed(night.remedy())
    assert night.words == [*WORDS, "second"]
    assert step.why.endswith(
        "taken back: let /srv/one say third; not taken back: let /srv/one say second, let /srv/one say first "
        f"(operation {night.run}-00-02-undo ended with exit status 0, but No space left on device)"
    )


def test_where_taking_back_fails_that_is_said_and_no_other_is_taken_back(night: Night) -> None:
    night.fails("good")
    night.host.on_change(tiny.put("second"), "put second", then=lambda _: night.fails("second"))
    step = failed(night.remedy())
    assert night.words == [*WORDS, "second"]
    assert step.why.endswith(
        "not taken back: let /srv/one say third, let /srv/one say second, let /srv/one say first "
        "(exit status 3: no room)"
    )
    assert step.taken_back == ()


def test_a_freeze_leaves_what_was_done_as_it_is(night: Night) -> None:
    def brake() -> None:
        if night.words == list(WORDS):
            raise Frozen("frozen by eva. Nothing was sent")

    night.fails("good")
    night.brake = brake
    step = failed(night.remedy())
    assert night.words == list(WORDS)
    assert step.taken_back == ()
    assert "not taken back: let /srv/one say third" in step.why
    assert step.why.endswith("(frozen by eva. Nothing more was sent)")


def test_a_host_that_goes_away_in_between_is_unknown_and_keeps_what_it_has(night: Night) -> None:
    def cut(host: ScriptedHost) -> None:
        host.unreachable = ConnectionLost("cut")

    night.host.on_change(tiny.put("good"), Output(exit_status=3), then=cut)
    report = night.remedy()
    assert night.words == list(WORDS)
    assert isinstance(report.outcome, MaybeChanged)
    assert report.outcome.operation == f"{night.run}-00-02-undo"


# --- and somebody asks to stop meanwhile ------------------------------------------------------------------------------


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Stop:
    one = Stop()
    monkeypatch.setattr(fleet, "Stop", lambda: one)
    return one


def while_putting(night: Night, word: str, stop: Stop, *, times: int = 1) -> None:
    def changing(host: ScriptedHost) -> None:
        for _ in range(times):
            stop.ask("Ctrl-C")
        tiny.say(host, word)

    night.host.on_change(tiny.put(word), f"put {word}\n", then=changing)


def test_half_of_a_repair_is_taken_back_when_somebody_asks_to_stop(night: Night, stop: Stop) -> None:
    while_putting(night, "second", stop)
    step = failed(night.remedy())
    assert night.words == ["first", "second", "first", "bad"]
    assert len(step.taken_back) == 2
    assert "stopped by Ctrl-C" in step.why


def test_a_repair_of_which_half_does_harm_is_finished_once_it_cannot_be_taken_back(night: Night, stop: Stop) -> None:
    while_putting(night, "second", stop)
    report = night.remedy(PutAndBack(for_good=("second",), way="whole"))
    assert night.words == list(WORDS)
    assert isinstance(report.outcome, Fixed)


def test_whoever_insists_has_nothing_finished_nor_taken_back(night: Night, stop: Stop) -> None:
    while_putting(night, "second", stop, times=2)
    night.remedy(PutAndBack(for_good=("second",), way="whole"))
    assert night.words == ["first", "second"]


def test_any_other_ends_with_the_change_under_way(night: Night, stop: Stop) -> None:
    while_putting(night, "second", stop)
    step = failed(night.remedy(PutAndBack(for_good=("second",))))
    assert night.words == ["first", "second"]
    assert step.taken_back == ()


def test_repairs_that_are_of_use_each_by_itself_end_with_the_one_under_way(night: Night, stop: Stop) -> None:
    while_putting(night, "second", stop)
    night.remedy(PutAndBack(way="each"))
    assert night.words == ["first", "second"]
