"""A run that ended without its last word: what its hosts say about it, and what its record says then."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Output
from soleil_remediate.errors import ConfigError, ConnectionLost, FactError, Interrupted, Refused
from soleil_remediate.events import ChangeIntended, Event
from soleil_remediate.gates import Approval, Gate, PolicyGate
from soleil_remediate.history import Ending, History
from soleil_remediate.host_outcomes import Eased, Fixed, HostOutcome, MaybeChanged, NotFixed, NotNeeded, Unproven
from soleil_remediate.identity import Identity
from soleil_remediate.loading.binding import as_typed
from soleil_remediate.record import Record, RecordNotWritten, Runs
from soleil_remediate.report import RunReport
from soleil_remediate.resuming import Resumed, only_ask, resume
from soleil_remediate.rollout import Rollout
from soleil_remediate.scenario import Case
from soleil_remediate.seen import Preview
from soleil_remediate.transports import Access, Operation, Progress
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedTransport
from soleil_remediate.units import ByteSize, Duration, Percent
from tests import tiny
from tests.tiny import PutFile


@dataclass
class Night:
    """One scripted host, and a run on it that is killed."""

    folder: Path
    host: ScriptedHost = field(default_factory=lambda: tiny.scripted("web1"))
    goal: tuple[tiny.FileSays, ...] = ()
    healthy_when: tuple[tiny.FileSays, ...] = (tiny.FileSays(),)
    clock: tiny.Clock = field(default_factory=tiny.Clock)
    told: list[str] = field(default_factory=list)
    machine_id: str | None = None

    @property
    def runs(self) -> Runs:
        return Runs(self.folder)

    @property
    def case(self) -> Any:
        host = tiny.host("web1").on_machine(self.machine_id)
        return tiny.case(PutFile(words=("first", "good")), on=host, goal=self.goal, healthy_when=self.healthy_when)

    def remediate(self, listener: Callable[[Event], None] = lambda _: None, gate: Gate | None = None) -> str:
        """Run to the end, and return the run's name."""
        return fleet.remediate(
            [self.case],
            transport=ScriptedTransport(self.host),
            gate=gate or PolicyGate(says_yes=True),
            runs=self.runs,
            clock=self.clock,
            listener=listener,
        ).run

    def cut(self, keep: Callable[[dict[str, Any]], bool]) -> str:
        """Run, then leave of the record what was on disk when the process was killed: up to the line after *keep*."""
        run = self.remediate()
        self.truncate(run, keep)
        return run

    def truncate(self, run: str, keep: Callable[[dict[str, Any]], bool], *, half: bytes = b"") -> None:
        path = self.folder / "runs" / f"{run}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True)
        last = next(number for number, line in enumerate(lines) if keep(json.loads(line)))
        path.write_bytes(b"".join(lines[: last + 1]) + half)

    def resume(self, run: str) -> Resumed:
        history = self.runs.history(run)
        with self.runs.reopen(history, self.clock) as record:
            return resume(
                history,
                [self.case],
                record=record,
                transport=ScriptedTransport(self.host),
                clock=self.clock,
                tell=self.told.append,
            )

    def outcome(self, run: str) -> HostOutcome:
        return self.resume(run).outcomes["web1"]

    def settled(self, run: str) -> list[tuple[str, int | None]]:
        lines = self.runs.read(run)
        return [(line["found"], line["exit_status"]) for line in lines if line["type"] == "ChangeSettled"]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "state")


def intent(word: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line.get("type") == "ChangeIntended" and line["change"]["after"] == word


def test_the_intent_names_what_the_host_remembered(night: Night) -> None:
    heard: list[Event] = []
    night.remediate(heard.append)
    assert {one.memory for one in heard if isinstance(one, ChangeIntended)} == {"web1-0"}


ONE, OTHER = Identity(machine_id="1a" * 16), Identity(machine_id="2b" * 16)


def test_another_machine_than_the_run_was_about_is_not_asked_what_became_of_it(night: Night) -> None:
    night.host.identity = ONE
    run = night.cut(intent("good"))
    night.host.identity = OTHER
    asked, owners = len(night.host.asked), list(night.host.owners)
    resumed = night.resume(run)
    outcome = resumed.outcomes["web1"]
    assert isinstance(outcome, MaybeChanged)
    assert f"it was {ONE.machine_id} that was looked at before" in outcome.why
    assert (resumed.left, night.settled(run)) == ((), [])
    assert (len(night.host.asked), night.host.owners) == (asked, owners)
    assert night.runs.history(run).is_to_be_resumed
    night.host.identity = ONE
    assert isinstance(night.outcome(run), Fixed)


def test_where_the_inventory_says_which_machine_it_is_by_now_that_is_asked_and_proves_nothing(night: Night) -> None:
    night.host.identity = ONE
    run = night.cut(lambda line: line.get("type") == "ChangeAnswered" and line["operation"].endswith("-01"))
    night.host.identity = OTHER
    assert isinstance(night.outcome(run), Unproven)
    night.machine_id = OTHER.machine_id
    assert night.outcome(run) == Unproven(
        why=f"another machine was changed (machine_id {ONE.machine_id}) than it is by now (machine_id "
        f"{OTHER.machine_id})"
    )


def test_only_asking_asks_no_other_machine_either(night: Night) -> None:
    night.host.identity = ONE
    run = night.cut(intent("good"))
    night.host.identity = OTHER
    history = night.runs.history(run)
    with night.runs.reopen(history, night.clock) as record:
        told = only_ask(
            history, [tiny.host()], record=record, transport=ScriptedTransport(night.host), clock=night.clock
        )
    assert isinstance(told.outcomes["web1"], MaybeChanged)
    assert night.settled(run) == []


def test_the_record_says_which_machine_a_host_was(night: Night) -> None:
    night.host.identity = ONE
    history = night.runs.history(night.remediate())
    assert (history.machine_id("web1"), history.machine_id("web2")) == (ONE.machine_id, None)


def test_a_change_that_was_made_though_its_answer_was_lost_counts_and_the_host_is_fixed(night: Night) -> None:
    run = night.cut(intent("good"))
    resumed = night.resume(run)
    assert isinstance(resumed.outcomes["web1"], Fixed)
    assert resumed.left == ()
    assert night.settled(run) == [("done", 0)]
    assert tiny.words_sent(night.host) == ["first", "good"]
    history = night.runs.history(run)
    assert (history.ending, history.unanswered, history.open_changes, history.open_hosts) == (Ending.ENDED, (), (), ())
    assert [one.verdict for one in night.runs.list()] == ["FIXED"]


def test_a_change_that_was_made_and_is_not_the_last_leaves_the_rest_to_do(night: Night) -> None:
    run = night.cut(intent("first"))
    tiny.say(night.host, "first")
    resumed = night.resume(run)
    assert isinstance(resumed.outcomes["web1"], NotFixed)
    assert resumed.left == ("web1",)


def test_a_change_that_was_never_begun_is_known_not_to_have_been(night: Night) -> None:
    run = night.cut(intent("first"))
    night.host._operations.clear()
    tiny.say(night.host, "bad")
    resumed = night.resume(run)
    assert resumed.outcomes["web1"] == NotFixed(why="/srv/one says bad")
    assert resumed.left == ("web1",)
    assert night.settled(run) == [("never-begun", None)]
    assert night.runs.history(run).open_changes == ()


def test_where_nothing_was_ever_made_and_nothing_is_wrong_nothing_was_needed(night: Night) -> None:
    run = night.cut(intent("first"))
    night.host._operations.clear()
    assert isinstance(night.outcome(run), NotNeeded)


@pytest.mark.parametrize("says, expected", [("good", Unproven), ("bad", NotFixed)])
@pytest.mark.parametrize("found", ["lost", "forgotten"])
def test_what_nobody_can_know_never_becomes_fixed(
    night: Night, says: str, found: str, expected: type[HostOutcome]
) -> None:
    run = night.cut(intent("first"))
    if found == "lost":
        night.host._operations[f"{run}-00-00"] = Operation(progress=Progress.LOST)
    else:
        night.host.restart()
    tiny.say(night.host, says)
    outcome = night.outcome(run)
    assert isinstance(outcome, expected)
    assert night.settled(run) == [(found, None)]


def test_a_host_that_misses_its_goal_is_eased(night: Night) -> None:
    night.goal = (tiny.FileSays(text="best"),)
    run = night.cut(intent("good"))
    assert isinstance(night.outcome(run), Eased)


OTHER_FILE = tiny.FileSays(path=PurePosixPath("/other"))
EASED = Eased(why="what was at fault is over; unknown before, and still: no answer")


def says(host: ScriptedHost, word: str = "") -> None:
    """Let the other file say so; without a word nobody can read it."""
    host.on_read(lambda command: "/other" in command.words, f"{word}\n" if word else FactError("no answer"))


def heals(host: ScriptedHost, other: str = "") -> None:
    """Let the last change make the one file right, and the other as it is said."""

    def heal(host: ScriptedHost) -> None:
        tiny.say(host, "good")
        says(host, other)

    host.on_change(tiny.put("good"), "put good", then=heal)


@pytest.fixture
def dark(night: Night) -> Night:
    """A host with a second check that can never be known, which its runs end with as EASED."""
    night.healthy_when = (tiny.FileSays(), OTHER_FILE)
    night.host.on_change(tiny.put("first"), "put first")
    heals(night.host)
    says(night.host)
    return night


def answered(line: dict[str, Any]) -> bool:
    return line.get("type") == "ChangeAnswered" and line["operation"].endswith("-01")


def ended(line: dict[str, Any]) -> bool:
    return line.get("type") == "StepEnded"


@pytest.mark.parametrize("keep", [intent("good"), answered, ended], ids=["sent", "answered", "looked at"])
def test_what_was_never_known_is_eased_as_far_as_known_though_the_run_was_cut_short(
    dark: Night, keep: Callable[[dict[str, Any]], bool]
) -> None:
    run = dark.remediate()
    assert dark.runs.history(run).ends["web1"] == EASED
    dark.truncate(run, keep)
    assert dark.outcome(run) == EASED
    assert dark.runs.history(run).open_hosts == ()


@pytest.mark.parametrize("at", ["preview", "under the lock", "after the change"])
@pytest.mark.parametrize("word", ["good", "bad"])
def test_what_any_look_of_the_cut_run_knew_of_a_check_keeps_it_unproven(dark: Night, at: str, word: str) -> None:
    class Meanwhile(PolicyGate):
        """Passed after the preview; the look under the lock comes next."""

        def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
            says(dark.host, word if at == "under the lock" else "")
            return super().approve(scenario, previews)

    says(dark.host, word if at == "preview" else "")
    heals(dark.host, word if at == "after the change" else "")
    run = dark.remediate(gate=Meanwhile(says_yes=True))
    dark.truncate(run, ended)
    says(dark.host)
    assert dark.outcome(run) == Unproven(why="whether it helped cannot be known: no answer")


def test_what_a_resumed_run_saw_counts_when_it_is_resumed_again(dark: Night) -> None:
    run = dark.cut(answered)
    says(dark.host, "bad")
    assert isinstance(dark.outcome(run), NotFixed)
    says(dark.host)
    assert isinstance(dark.outcome(run), Unproven)


def test_what_cannot_be_known_after_a_change_that_nobody_knows_is_not_eased(dark: Night) -> None:
    run = dark.cut(intent("good"))
    dark.host._operations[f"{run}-00-01"] = Operation(progress=Progress.LOST)
    assert isinstance(dark.outcome(run), Unproven)


def test_a_record_that_does_not_hold_the_look_under_the_lock_proves_nothing(dark: Night) -> None:
    run = dark.cut(answered)
    path = dark.folder / "runs" / f"{run}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b'"HostSeenAgain"' not in line))
    assert dark.outcome(run) == Unproven(why="whether it helped cannot be known: no answer")
    assert isinstance(dark.outcome(run), Unproven)  # what a resumed run saw makes up for no look before the change


def test_looks_at_other_checks_than_the_playbook_has_by_now_prove_nothing(dark: Night) -> None:
    run = dark.cut(answered)
    dark.healthy_when = (tiny.FileSays(), OTHER_FILE, OTHER_FILE)
    assert isinstance(dark.outcome(run), Unproven)


def test_where_all_was_well_under_the_lock_no_check_vouches_for_what_was_sent(night: Night) -> None:
    history = night.runs.history(night.cut(intent("good")))
    assert history.was_faulty("web1")
    well = [{**one, "verdict": {**one["verdict"], "health": "healthy"}} for one in symptom_under_the_lock(history)]
    lines = [
        {**line, "standing": {**line["standing"], "symptom": well}} if line["type"] == "HostSeenAgain" else line
        for line in history.lines
    ]
    assert not replace(history, lines=tuple(lines)).was_faulty("web1")


def symptom_under_the_lock(history: History) -> list[dict[str, Any]]:
    (line,) = [line for line in history.lines if line["type"] == "HostSeenAgain"]
    return [*line["standing"]["symptom"]]


def test_a_watch_of_which_only_the_news_is_on_record_proves_nothing(dark: Night) -> None:
    history = dark.runs.history(dark.remediate())
    assert history.looks("web1") is not None
    watched = {"type": "HostWatched", "host": "web1", "health": "unknown", "why": "no answer"}
    assert replace(history, lines=(*history.lines, watched)).looks("web1") is None


def test_a_change_that_failed_says_so_and_what_is_seen_decides(night: Night) -> None:
    night.host.on_change(tiny.put("first"), Output(exit_status=3, stdout=b"no\n"))
    run = night.cut(intent("first"))
    assert isinstance(night.outcome(run), NotFixed)
    assert night.settled(run) == [("done", 3)]


@pytest.mark.parametrize("exit_status", [3, 124])
def test_a_host_to_which_a_change_was_sent_that_failed_is_never_called_not_needed(
    night: Night, exit_status: int
) -> None:
    night.host.on_change(tiny.put("first"), Output(exit_status=exit_status, stdout=b"no\n"))
    run = night.cut(lambda line: line.get("type") == "ChangeAnswered")
    tiny.say(night.host, "good")
    history = night.runs.history(run)
    assert (history.open_changes, history.open_hosts) == ((), ("web1",))
    night.host.unreachable = ConnectionLost("web1 is silent")
    assert isinstance(night.outcome(run), Unproven)
    night.host.unreachable = None
    assert isinstance(night.outcome(run), Fixed)


def test_what_was_found_to_have_failed_counts_as_sent_the_next_time_too(night: Night) -> None:
    night.host.on_change(tiny.put("first"), Output(exit_status=124, stdout=b"no\n"))
    run = night.cut(intent("first"))
    tiny.say(night.host, "bad")
    assert isinstance(night.outcome(run), NotFixed)
    assert night.settled(run) == [("done", 124)]
    tiny.say(night.host, "good")
    assert isinstance(night.outcome(run), Fixed)


def test_a_change_that_still_runs_is_waited_for_until_it_must_have_ended_and_stays_unknown(night: Night) -> None:
    run = night.cut(intent("first"))
    night.host.locked_by = "the change itself"
    night.host._operations[f"{run}-00-00"] = Operation(progress=Progress.RUNNING)
    resumed = night.resume(run)
    outcome = resumed.outcomes["web1"]
    assert isinstance(outcome, MaybeChanged)
    assert outcome.why == f"web1 MAY have been changed: operation {run}-00-00 has no answer (it is still running)"
    assert resumed.left == ()
    assert sum(night.clock.slept) == pytest.approx(70, abs=1)  # 10 s are its own, 60 s patience
    assert night.told == ["web1: it is still running; it is asked again until it must have ended"]
    assert night.settled(run) == []
    night.host.locked_by = None
    night.host._operations[f"{run}-00-00"] = Operation(progress=Progress.DONE, output=Output(exit_status=0))
    tiny.say(night.host, "first")
    assert isinstance(night.outcome(run), NotFixed)
    assert night.settled(run) == [("done", 0)]


def test_that_a_change_was_never_begun_counts_only_where_nobody_else_could_begin_it(night: Night) -> None:
    run = night.cut(intent("first"))
    night.host._operations.clear()
    night.host.locked_by = "jan@laptop"
    outcome = night.outcome(run)
    assert isinstance(outcome, MaybeChanged)
    assert "web1 is locked by jan@laptop" in outcome.why
    assert night.settled(run) == []


def test_an_answer_counts_whoever_holds_the_lock(night: Night) -> None:
    run = night.cut(intent("good"))
    night.host.locked_by = "jan@laptop"
    assert isinstance(night.outcome(run), Fixed)


def test_a_host_that_is_silent_stays_unknown_and_is_not_waited_for(night: Night) -> None:
    run = night.cut(intent("good"))
    night.host.unreachable = ConnectionLost("web1 is silent")
    assert isinstance(night.outcome(run), MaybeChanged)
    assert night.clock.slept == []
    history = night.runs.history(run)
    assert [change.operation for change in history.open_changes] == [f"{run}-00-01"]
    night.host.unreachable = None
    assert isinstance(night.outcome(run), Fixed)


def test_a_run_that_was_killed_before_it_sent_anything_is_told_by_what_is_seen(night: Night) -> None:
    run = night.cut(lambda line: line.get("type") == "GateAnswered")
    tiny.say(night.host, "bad")
    assert night.outcome(run) == NotFixed(why="/srv/one says bad")


def test_a_run_that_ended_unknown_is_resumed_like_one_that_was_killed(night: Night) -> None:
    night.host.on_change(
        tiny.put("good"),
        then=lambda host: tiny.say(host, "good"),
        fate=Fate.LOST,
    )
    run = night.remediate()
    (before,) = night.runs.list()
    assert before.verdict == "UNKNOWN"
    assert isinstance(night.outcome(run), Unproven)
    assert [one.verdict for one in night.runs.list()] == ["UNPROVEN"]


# --- stopping ---------------------------------------------------------------------------------------------------------


def stops(number: signal.Signals) -> Callable[[Any], Output]:
    def answer(_: Any) -> Output:
        os.kill(os.getpid(), number)
        return Output(exit_status=0, stdout=b"bad\n")

    return answer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_hosts_are_looked_at_again_ends_it_and_nothing_is_settled(
    night: Night, number: signal.Signals
) -> None:
    run = night.cut(intent("first"))
    night.host.on_read(lambda _: True, stops(number))
    with pytest.raises(Interrupted, match=r"Nothing was sent\. It can be resumed again"):
        night.resume(run)
    assert [line["type"] for line in night.runs.read(run)[-2:]] == ["RunResumed", "ChangeSettled"]
    assert night.runs.history(run).is_to_be_resumed


@pytest.mark.parametrize("last", ["HostSettled", "RunEnded"])
def test_a_signal_while_the_last_words_are_written_is_heard_too(
    night: Night, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    write = Record.write

    def stop_then_write(self: Record, event: Event) -> None:
        if type(event).__name__ == last:
            os.kill(os.getpid(), signal.SIGTERM)
        write(self, event)

    run = night.cut(intent("first"))
    tiny.say(night.host, "first")
    monkeypatch.setattr(Record, "write", stop_then_write)
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # whoever does not hear it goes on
    try:
        with pytest.raises(Interrupted, match="stopped by SIGTERM"):
            night.resume(run)
    finally:
        signal.signal(signal.SIGTERM, before)
    monkeypatch.undo()
    assert night.resume(run).left == ("web1",)


# --- the record that is gone on with ----------------------------------------------------------------------------------


def test_half_a_line_goes_away_and_what_follows_is_numbered_on(night: Night) -> None:
    run = night.remediate()
    night.truncate(run, intent("good"), half=b'{"n": 9, "type": "Change')
    assert night.runs.history(run).ending is Ending.CUT_OFF
    night.resume(run)
    lines = night.runs.read(run)
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["type"] for line in lines[-5:]] == [
        "RunResumed",
        "ChangeSettled",
        "HostSeenAgain",
        "HostSettled",
        "RunEnded",
    ]


def test_a_record_is_gone_on_with_by_one_at_a_time(night: Night) -> None:
    run = night.cut(intent("good"))
    history = night.runs.history(run)
    with night.runs.reopen(history, night.clock), pytest.raises(Refused, match="goes on: a process on this machine"):
        night.runs.reopen(history, night.clock)
    night.runs.reopen(history, night.clock).close()


def test_a_record_that_went_on_since_it_was_read_is_not_gone_on_with(night: Night) -> None:
    run = night.cut(intent("first"))
    before = night.runs.history(run)
    night.resume(run)
    after = night.runs.read(run)
    with pytest.raises(Refused, match="went on meanwhile: type it again"):
        night.runs.reopen(before, night.clock)
    assert night.runs.read(run) == after
    night.runs.reopen(night.runs.history(run), night.clock).close()


def test_a_record_of_another_format_is_not_written_to(night: Night) -> None:
    run = night.cut(intent("good"))
    path = night.folder / "runs" / f"{run}.jsonl"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1', 1))
    before = path.read_bytes()
    with pytest.raises(RecordNotWritten, match="another version of this program"):
        night.runs.reopen(night.runs.history(run), night.clock)
    assert path.read_bytes() == before


def test_a_record_that_never_began_has_nothing_to_resume(night: Night) -> None:
    run = night.cut(lambda line: "format" in line)
    with pytest.raises(ConfigError, match="ended before it began: nothing was sent"):
        _ = night.runs.history(run).started


def test_without_root_only_answers_count(night: Night) -> None:
    run = night.cut(intent("good"))
    night.host.access = Access(login="jan", is_root=False, why_not="sudo wants a password")
    assert isinstance(night.outcome(run), Fixed)


@pytest.mark.parametrize(
    "declared, value",
    [
        ("size", ByteSize(104857600)),
        ("size", ByteSize(7)),
        ("duration", Duration(0.25)),
        ("duration", Duration(86400)),
        ("percent", Percent(79.5)),
        ("percent", Percent(100 / 3)),
        ("duration", Duration(1e-7)),
        ("duration", Duration(1e8)),
    ],
)
def test_a_quantity_comes_back_from_the_record_as_it_was(declared: str, value: Any) -> None:
    plain = int(value) if isinstance(value, ByteSize) else float(value)
    assert type(value).parse(as_typed(declared, plain)) == value


@pytest.mark.parametrize(
    "declared, plain, typed",
    [
        ("percent", 79.5, "79.5%"),
        ("percent", 80.0, "80%"),
        ("percent", 100.0, "100%"),
        ("percent", 0.1, "0.1%"),
        ("duration", 86400.0, "86400 s"),
        ("duration", 0.25, "0.25 s"),
        ("duration", 1e-7, "0.0000001 s"),
    ],
)
def test_a_quantity_is_printed_as_a_person_types_it(declared: str, plain: float, typed: str) -> None:
    assert as_typed(declared, plain) == typed


@pytest.mark.parametrize("declared, value", [("integer", 3), ("text", "a = b"), ("path", "/srv/one")])
def test_a_word_comes_back_from_the_record_as_it_was(declared: str, value: object) -> None:
    assert as_typed(declared, value) == str(value)


def test_a_host_whose_turn_never_came_is_looked_at_and_left_to_be_done(tmp_path: Path) -> None:
    hosts = [tiny.scripted("web1"), tiny.scripted("web2")]
    cases = [tiny.case(PutFile(), on=tiny.host(one.name)) for one in hosts]
    runs, clock = Runs(tmp_path), tiny.Clock()
    transport = ScriptedTransport(*hosts)
    run = fleet.remediate(cases, transport=transport, gate=PolicyGate(says_yes=True), runs=runs, clock=clock).run
    path = tmp_path / "runs" / f"{run}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: next(n for n, one in enumerate(lines) if b"ChangeIntended" in one) + 1]))
    tiny.say(hosts[1], "bad")
    history = runs.history(run)
    assert history.open_hosts == ("web1", "web2")
    with runs.reopen(history, clock) as record:
        resumed = resume(history, cases, record=record, transport=transport, clock=clock)
    assert {name: type(outcome) for name, outcome in resumed.outcomes.items()} == {"web1": Fixed, "web2": NotFixed}
    assert resumed.left == ("web2",)
    assert [len(host.sent) for host in hosts] == [1, 1]


@pytest.mark.parametrize(
    "web1_says, web2_says, expected",
    [
        ("worse", "bad", (("web1", "NOT FIXED"),)),  # it was changed, and nothing is known that helps
        ("good", "worse", ()),  # it is past help, as it may be in any run, and was left alone
        ("good", "good", ()),
    ],
)
def test_what_did_not_end_well_counts_as_failed_where_the_run_goes_on(
    tmp_path: Path, web1_says: str, web2_says: str, expected: tuple[tuple[str, str], ...]
) -> None:
    hosts = [tiny.scripted("web1"), tiny.scripted("web2")]
    cases = [tiny.case(PutFile(only_from=("bad",)), on=tiny.host(one.name)) for one in hosts]
    runs, clock = Runs(tmp_path), tiny.Clock()
    transport = ScriptedTransport(*hosts)
    run = fleet.remediate(cases, transport=transport, gate=PolicyGate(says_yes=True), runs=runs, clock=clock).run
    path = tmp_path / "runs" / f"{run}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: next(n for n, one in enumerate(lines) if b"ChangeIntended" in one) + 1]))
    tiny.say(hosts[0], web1_says)
    tiny.say(hosts[1], web2_says)
    history = runs.history(run)
    with runs.reopen(history, clock) as record:
        resumed = resume(history, cases, record=record, transport=transport, clock=clock)
    assert resumed.failed == expected


# --- stages -----------------------------------------------------------------------------------------------------------


@dataclass
class Staged:
    """Once on one of two hosts, then on both; and a run of it that is killed."""

    folder: Path
    hosts: tuple[ScriptedHost, ...] = field(default_factory=lambda: (tiny.scripted("web1"), tiny.scripted("web2")))
    clock: tiny.Clock = field(default_factory=tiny.Clock)

    @property
    def runs(self) -> Runs:
        return Runs(self.folder)

    @property
    def cases(self) -> list[Case]:
        return [
            replace(
                tiny.case(
                    PutFile(words=(word,)),
                    on=tiny.host(one.name).in_stage(stage),
                    healthy_when=(tiny.FileSays(text=word, better="good"),),
                ),
                is_once=stage == "migrate",
            )
            for stage, word in (("migrate", "first"), ("serve", "good"))
            for one in self.hosts
        ]

    @property
    def words(self) -> list[list[str]]:
        return [tiny.words_sent(one) for one in self.hosts]

    def remediate(self, names: Sequence[str] = (), max_fail: int = 0) -> RunReport:
        """Run on all targets, or on those that a resumed run has left."""
        return fleet.remediate(
            [case for case in self.cases if not names or case.host.name in names],
            transport=ScriptedTransport(*self.hosts),
            gate=PolicyGate(says_yes=True),
            runs=self.runs,
            rollout=Rollout(max_fail=max_fail),
            clock=self.clock,
        )

    def resume(self, run: str, gone: Sequence[str] = (), others: Mapping[str, str] = MappingProxyType({})) -> Resumed:
        history = self.runs.history(run)
        names = {*history.open_hosts, *(change.host for change in history.open_changes)} - {*gone}
        with self.runs.reopen(history, self.clock) as record:
            return resume(
                history,
                [case for case in self.cases if case.host.name in names],
                record=record,
                transport=ScriptedTransport(*self.hosts),
                clock=self.clock,
                gone=gone,
                others=others,
            )

    def cut(self, run: str, keep: Callable[[dict[str, Any]], bool]) -> None:
        Night(self.folder).truncate(run, keep)


@pytest.fixture
def staged(tmp_path: Path) -> Staged:
    return Staged(tmp_path / "state")


def test_what_is_done_once_and_was_made_is_not_done_again_and_the_next_stage_goes_on(staged: Staged) -> None:
    staged.hosts[0].on_change(tiny.put("first"), "put first", then=lambda host: tiny.say(host, "first"))
    run = staged.remediate().run
    for one in staged.hosts:
        tiny.say(one, "bad")
    tiny.say(staged.hosts[0], "first")
    staged.cut(run, intent("first"))
    assert staged.runs.history(run).open_hosts == ("web1#migrate", "web1#serve", "web2#serve")
    resumed = staged.resume(run)
    assert isinstance(resumed.outcomes["web1#migrate"], Fixed)
    assert resumed.left == ("web1#serve", "web2#serve")
    before = staged.words
    staged.remediate(resumed.left)
    assert [after[len(sent) :] for after, sent in zip(staged.words, before, strict=True)] == [["good"], ["good"]]
    assert [words.count("first") for words in staged.words] == [1, 0]


def test_what_is_done_once_stays_on_its_host_though_that_is_silent_now(staged: Staged) -> None:
    staged.hosts[0].on_change(tiny.put("first"), "put first", fate=Fate.LOST)
    run = staged.remediate().run
    staged.cut(run, intent("first"))
    staged.hosts[0].unreachable = ConnectionLost("gone")
    resumed = staged.resume(run)
    assert isinstance(resumed.outcomes["web1#migrate"], MaybeChanged)
    assert "web2#migrate" not in resumed.outcomes
    assert resumed.left == ()
    assert staged.words == [["first"], []]


def test_where_it_was_chosen_and_not_begun_only_its_host_is_gone_on_with(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "GateAnswered")
    for one in staged.hosts:
        tiny.say(one, "bad")
    resumed = staged.resume(run)
    assert resumed.left == ("web1#migrate", "web1#serve", "web2#serve")


def test_killed_before_one_was_chosen_one_is_chosen_anew_and_the_others_are_told(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "RunStarted")
    for one in staged.hosts:
        tiny.say(one, "bad")
    resumed = staged.resume(run)
    assert resumed.left == ("web1#migrate", "web1#serve", "web2#serve")
    assert resumed.outcomes["web2#migrate"] == NotNeeded(why="stage migrate is done once, on web1")


def test_begun_on_one_host_it_is_never_gone_on_with_on_another_that_was_passed_over_for_a_bug(staged: Staged) -> None:
    """The first broke this program while it was looked at, which is no end that anybody wanted."""

    def breaks(_: Any) -> Output:
        raise ZeroDivisionError

    staged.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), breaks)
    run = staged.remediate(["web1#migrate", "web2#migrate"], max_fail=1).run
    staged.cut(run, intent("first"))
    tiny.say(staged.hosts[0], "bad")
    tiny.say(staged.hosts[1], "bad")
    resumed = staged.resume(run)
    assert resumed.left == ("web2#migrate",)
    assert resumed.outcomes["web1#migrate"] == NotNeeded(why="stage migrate is done once, on web2")
    assert staged.words == [[], ["first"]]
    again = staged.runs.history(run)
    assert again.open_hosts == ("web2#migrate",)


def test_a_later_stage_waits_where_the_one_before_cannot_be_gone_on_with(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "GateAnswered")
    tiny.say(staged.hosts[1], "bad")
    staged.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), FactError("permission denied"))
    resumed = staged.resume(run)
    assert resumed.left == ()
    assert resumed.outcomes["web2#serve"] == NotFixed(
        why="stage migrate comes first, and web1 ended NOT FIXED there; /srv/one says bad"
    )


def test_a_later_stage_waits_for_a_host_that_the_inventory_knows_no_more(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "GateAnswered")
    tiny.say(staged.hosts[1], "bad")
    resumed = staged.resume(run, gone=("web1#migrate", "web1#serve"))
    assert resumed.left == ()
    assert resumed.outcomes["web2#serve"] == NotFixed(
        why="stage migrate comes first, and web1 ended NOT FIXED there; /srv/one says bad"
    )


def test_a_later_stage_waits_for_a_host_that_ended_badly_and_left_the_inventory(staged: Staged) -> None:
    staged.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), FactError("permission denied"))
    run = staged.remediate(["web1#migrate", "web2#serve"], max_fail=1).run
    assert staged.runs.history(run).ends["web1#migrate"].word == "NOT FIXED"
    tiny.say(staged.hosts[1], "bad")
    resumed = staged.resume(run, gone=("web1#migrate",))
    assert resumed.left == ()
    assert resumed.outcomes["web2#serve"].why.startswith("stage migrate comes first, and web1 ended NOT FIXED there")


def test_of_what_was_done_once_nothing_is_left_for_a_host_that_was_passed_over(staged: Staged) -> None:
    def breaks(_: Any) -> Output:
        raise ZeroDivisionError

    staged.hosts[0].on_read(lambda command: command.words[3:4] == ("read",), breaks)
    run = staged.remediate(["web1#migrate", "web2#migrate"], max_fail=1).run
    assert staged.runs.history(run).open_hosts == ("web1#migrate",)
    tiny.say(staged.hosts[0], "bad")
    resumed = staged.resume(run)
    assert (dict(resumed.outcomes), resumed.left) == (
        {"web1#migrate": NotNeeded(why="stage migrate is done once, on web2")},
        (),
    )
    assert staged.runs.history(run).open_hosts == ()


def test_what_is_done_once_is_done_on_a_host_that_its_stage_is_still_for(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "RunStarted")
    for one in staged.hosts:
        tiny.say(one, "bad")
    resumed = staged.resume(run, others={"web1#migrate": "it is for web2"})
    assert resumed.left == ("web2#migrate", "web1#serve", "web2#serve")
    assert resumed.outcomes["web1#migrate"] == NotNeeded(why="stage migrate is done once, on web2")


def test_a_later_stage_waits_for_a_host_that_the_one_before_is_not_for_any_more(staged: Staged) -> None:
    run = staged.remediate().run
    staged.cut(run, lambda line: line.get("type") == "GateAnswered")
    for one in staged.hosts:
        tiny.say(one, "bad")
    resumed = staged.resume(run, others={"web1#migrate": "it is for web2"})
    assert resumed.left == ()
    assert resumed.outcomes["web1#migrate"] == NotFixed(why="/srv/one says bad; left alone: it is for web2")
    assert resumed.outcomes["web2#serve"].why.startswith("stage migrate comes first, and web1 ended NOT FIXED there")
