"""One change, sent once: saved first, intended on disk, sent, and asked about until its outcome is known."""

from __future__ import annotations

import gzip
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from soleil_remediate.command import Command, Output
from soleil_remediate.copies import NewCopy, copies_of
from soleil_remediate.delivery import PATIENCE, Delivery
from soleil_remediate.errors import (
    AnswerNotRecorded,
    CommandFailed,
    ConnectionLost,
    EvidenceNotStored,
    FactError,
    HostLocked,
    OutcomeUnknown,
    Refused,
    RemediateError,
)
from soleil_remediate.events import (
    ChangeAnswered,
    ChangeIntended,
    ChangeUnanswered,
    CopyProgress,
    CopySaved,
    Event,
)
from soleil_remediate.host import Host
from soleil_remediate.plan import Change, FileIdentity, Gather, Preserve, Risk
from soleil_remediate.record import Record, RecordNotWritten, Runs
from soleil_remediate.step_outcomes import Sent
from soleil_remediate.stopping import Stop, StopRequested
from soleil_remediate.transports import Operation, Progress, Saved, Session
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedSession
from soleil_remediate.units import ByteSize
from tests import tiny

RUN = "0123abcd"
OPERATION = f"{RUN}-02-01"
LOG = b"one line\n" * 1000


class Wire(ScriptedSession):
    """A session on which things go wrong as told."""

    def __init__(self, line: Line) -> None:
        super().__init__(line.host, line.scripted)
        self.line = line

    def send(self, operation: str, command: Command) -> Output:
        self.line.log.append("send")
        for trouble in self.line.send_raises:
            raise trouble
        return super().send(operation, command)

    def outcome(self, operation: str, *, memory: str) -> Operation:
        self.line.log.append("outcome")
        if self.line.outcomes:
            found = self.line.outcomes.pop(0)
            if isinstance(found, Exception):
                raise found
            return found
        return super().outcome(operation, memory=memory)

    def save(self, what: Preserve | Gather, into: BinaryIO, on_progress: Callable[[ByteSize], None]) -> Saved:
        self.line.log.append("save")
        self.line.before_saving()
        return super().save(what, into, on_progress)


@dataclass
class Line:
    """The way to the scripted host, and what is wrong with it."""

    scripted: ScriptedHost
    host: Host = field(default_factory=tiny.host)
    log: list[str] = field(default_factory=list)
    send_raises: list[Exception] = field(default_factory=list)
    outcomes: list[Operation | Exception] = field(default_factory=list)
    reopening: list[Exception | None] = field(default_factory=list)
    before_saving: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self._session: Session = Wire(self)
        self._session.claim("jan")

    @property
    def session(self) -> Session:
        return self._session

    def reopen(self) -> Session:
        self.log.append("reopen")
        trouble = self.reopening.pop(0) if self.reopening else None
        if trouble is not None and not isinstance(trouble, HostLocked):
            raise trouble
        self._session.close()
        self._session = Wire(self)
        if trouble is not None:
            raise trouble
        self._session.claim("jan")
        return self._session


@dataclass
class Desk:
    """Everything a delivery needs, and what was heard of it."""

    delivery: Delivery
    line: Line
    stop: Stop
    clock: tiny.Clock
    record: Record
    heard: list[Event] = field(default_factory=list)
    refuse: dict[type, Exception] = field(default_factory=dict)
    on_event: Callable[[Event], None] = lambda _: None
    sent: list[Sent] = field(default_factory=list)

    def say(self, event: Event) -> None:
        if type(event) in self.refuse:
            raise self.refuse[type(event)]
        self.record.write(event)
        if not isinstance(event, CopyProgress):
            self.heard.append(event)
            self.line.log.append(type(event).__name__)
        self.on_event(event)

    def send(self, change: Change) -> None:
        self.delivery.send(change, "file.put", 2, 1, self.sent)

    @property
    def copies(self) -> list[Path]:
        folder = copies_of(self.record._state, RUN)
        return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    line, stop, clock = Line(tiny.scripted()), Stop(), tiny.Clock()
    line.scripted.has_file(tiny.FILE, LOG, tiny.IDENTITY)
    with Runs(tmp_path).begin(RUN, clock) as record:

        def say(event: Event) -> None:
            one.say(event)

        one = Desk(
            delivery=Delivery(run=RUN, line=line, copies=record, clock=clock, say=say, stop=stop),
            line=line,
            stop=stop,
            clock=clock,
            record=record,
        )
        yield one


CHANGE: Change = tiny.PutFile(risk=Risk.DESTRUCTIVE).plan("bad").changes[0]
GATHERED: Change = replace(
    CHANGE,
    gathers=tuple(
        Gather(name=name, about=f"the {name}", command=Command((name,)), size=ByteSize(10))
        for name in ("sockets", "logs")
    ),
)
SAVED: Change = tiny.PutFile(risk=Risk.DESTRUCTIVE, saved=True).plan("bad").changes[0]


def nothing_was_sent(desk: Desk) -> bool:
    return desk.line.scripted.sent == [] and desk.sent == [] and "send" not in desk.line.log


# --- when all goes well -----------------------------------------------------------------------------------------------


def test_a_change_is_intended_sent_and_answered_in_this_order(desk: Desk) -> None:
    desk.send(CHANGE)
    assert desk.line.log == ["ChangeIntended", "send", "ChangeAnswered"]
    assert tiny.words_sent(desk.line.scripted) == ["good"]
    intended, answered = desk.heard
    assert isinstance(intended, ChangeIntended)
    assert (intended.operation, intended.digest) == (OPERATION, CHANGE.digest("web1", "file.put"))
    assert isinstance(answered, ChangeAnswered)
    assert (answered.operation, answered.exit_status, answered.says) == (OPERATION, 0, "put good")
    assert [(one.change, one.operation, one.says, one.saved) for one in desk.sent] == [
        (CHANGE, OPERATION, "put good", None)
    ]


def test_what_waits_for_a_new_connection_is_sent_over_one_that_was_opened_since(desk: Desk) -> None:
    desk.send(replace(CHANGE, is_over_new_connection=True))
    assert desk.line.log == ["reopen", "ChangeIntended", "send", "ChangeAnswered"]
    assert len(desk.sent) == 1


@pytest.mark.parametrize("trouble", [ConnectionLost("web1: gone"), HostLocked("somebody else")])
def test_what_waits_for_a_new_connection_is_not_sent_where_there_is_none(desk: Desk, trouble: RemediateError) -> None:
    desk.line.reopening = [trouble]
    with pytest.raises(type(trouble)):
        desk.send(replace(CHANGE, is_over_new_connection=True))
    assert nothing_was_sent(desk)
    assert desk.heard == []


def test_the_intent_is_on_disk_when_the_change_is_sent(desk: Desk, tmp_path: Path) -> None:
    on_disk: list[str] = []

    def look(_: ScriptedHost) -> None:
        on_disk.append((tmp_path / "runs" / f"{RUN}.jsonl").read_text())

    desk.line.scripted.on_change(CHANGE.command, "put good", then=look)
    desk.send(CHANGE)
    assert f'"operation":"{OPERATION}"' in on_disk[0]
    assert "ChangeIntended" in on_disk[0]
    assert "ChangeAnswered" not in on_disk[0]


def test_every_change_of_a_run_has_an_operation_of_its_own(desk: Desk) -> None:
    ids = {desk.delivery.operation(step, number) for step in range(40) for number in range(40)}
    assert len(ids) == 1600
    assert all(set(one) <= set("0123456789abcdef-") for one in ids)


def test_what_a_change_said_is_kept_up_to_its_last_ten_lines(desk: Desk) -> None:
    said = "".join(f"line {i}\n" for i in range(100)).encode()
    desk.line.scripted.on_change(CHANGE.command, Output(exit_status=0, stdout=said, stderr=b"a warning\n"))
    desk.send(CHANGE)
    assert desk.sent[0].says.splitlines() == [*(f"line {i}" for i in range(91, 100)), "a warning"]


def test_what_a_change_warns_of_is_kept_wherever_it_stands_in_what_it_wrote(desk: Desk) -> None:
    lines = ["warning:   without a  config cache", *(f"line {i}" for i in range(100)), "no warning: at all"]
    said = Output(exit_status=0, stdout="\n".join(lines).encode(), stderr=b"warning: of somebody else's\n")
    desk.line.scripted.on_change(CHANGE.command, said)
    desk.send(CHANGE)
    assert desk.sent[0].warnings == ("without a config cache",)
    assert [event.warnings for event in desk.heard if isinstance(event, ChangeAnswered)] == [desk.sent[0].warnings]


def test_of_endless_warnings_the_first_are_kept_as_far_as_somebody_reads_them(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, f"warning: {'x' * 10**4}\n" * 100)
    desk.send(CHANGE)
    assert [len(warning) for warning in desk.sent[0].warnings] == [500] * 10


def test_one_endless_line_is_cut(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, "x" * 10**6)
    desk.send(CHANGE)
    assert len(desk.sent[0].says) == 2000


def test_a_change_that_fails_is_answered_and_says_its_last_lines(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, Output(exit_status=28, stderr=b"printf: No space left on device\n"))
    with pytest.raises(CommandFailed, match=r"^exit status 28: printf: No space left on device$"):
        desk.send(CHANGE)
    assert desk.sent == []
    assert desk.line.log == ["ChangeIntended", "send", "ChangeAnswered"]


# --- saved first ------------------------------------------------------------------------------------------------------


def test_what_would_be_destroyed_is_saved_before_the_change_is_even_intended(desk: Desk) -> None:
    desk.send(SAVED)
    assert desk.line.log == ["save", "CopySaved", "ChangeIntended", "send", "ChangeAnswered"]
    (path,) = desk.copies
    assert gzip.decompress(path.read_bytes()) == LOG
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    saved = desk.sent[0].saved
    assert saved is not None
    assert (saved.path, saved.size, saved.stored) == (path, len(LOG), path.stat().st_size)


def test_the_change_reads_on_its_standard_input_what_was_saved_and_not_what_was_planned(
    desk: Desk,
) -> None:
    desk.send(SAVED)
    assert SAVED.preserve is not None
    assert SAVED.preserve.size != len(LOG)
    assert [command.stdin for command in desk.line.scripted.sent] == [
        f"{len(LOG)} {sha256(LOG[-65536:]).hexdigest()}\n"
    ]


def test_a_change_that_destroys_nothing_reads_nothing(desk: Desk) -> None:
    desk.send(CHANGE)
    assert [command.stdin for command in desk.line.scripted.sent] == [None]


@pytest.mark.parametrize(
    "identity, why", [(FileIdentity(7, 13), "another file has its name now"), (FileIdentity(8, 12), "another file")]
)
def test_a_file_that_is_another_by_now_is_not_destroyed(desk: Desk, identity: FileIdentity, why: str) -> None:
    desk.line.scripted.has_file(tiny.FILE, LOG, identity)
    with pytest.raises(EvidenceNotStored, match=why):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []


def test_no_room_for_the_copy_here_refuses_the_change_and_leaves_no_half_of_it(desk: Desk) -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    desk.line.before_saving = full
    with pytest.raises(EvidenceNotStored, match=r"No space left on device \(.* free in "):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []
    assert desk.heard == []


def test_a_copy_that_cannot_even_be_created_refuses_the_change(desk: Desk) -> None:
    copies_of(desk.record._state, RUN).write_text("a file in the way")
    with pytest.raises(EvidenceNotStored, match=r"cannot be created here: .* is no folder. To go on: move it away"):
        desk.send(SAVED)
    assert nothing_was_sent(desk)


def test_a_copy_that_stands_there_already_is_not_overwritten_and_the_change_refused(desk: Desk) -> None:
    desk.send(SAVED)
    before = desk.copies[0].read_bytes()
    with pytest.raises(EvidenceNotStored, match="File exists"):
        desk.delivery.send(SAVED, "file.put", 2, 1, desk.sent)
    assert desk.copies[0].read_bytes() == before
    assert len(desk.line.scripted.sent) == 1


def host_with(desk: Desk, limit: int) -> None:
    desk.line.host = tiny.host(evidence_limit=ByteSize(limit))
    desk.line.reopen()
    desk.line.log.clear()


@pytest.mark.parametrize("limit, is_refused", [(0, True), (1023, True), (len(LOG) - 1, True), (len(LOG), False)])
def test_a_copy_beyond_the_policys_limit_is_refused_also_where_the_file_grew_since_it_was_planned(
    desk: Desk, limit: int, is_refused: bool
) -> None:
    host_with(desk, limit)  # planned: 1 KiB; by now: 9000 bytes
    if not is_refused:
        desk.send(SAVED)
        return
    with pytest.raises(EvidenceNotStored, match="the policy allows"):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []


def test_a_host_that_is_gone_while_it_is_copied_from_was_not_changed(desk: Desk) -> None:
    desk.line.before_saving = lambda: setattr(desk.line.scripted, "unreachable", ConnectionLost("cut"))
    with pytest.raises(ConnectionLost):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []


def test_ctrl_c_while_a_copy_is_made_changes_nothing_and_leaves_no_half_of_it(desk: Desk) -> None:
    desk.on_event = lambda event: desk.stop.ask("Ctrl-C") if isinstance(event, CopyProgress) else None
    with pytest.raises(StopRequested):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert [type(event) for event in desk.heard] == [CopySaved]  # whole, recorded, and not followed by an intent


def test_ctrl_c_before_the_last_bytes_of_a_copy_leaves_nothing_of_it(desk: Desk) -> None:
    desk.line.before_saving = lambda: desk.stop.ask("Ctrl-C")
    with pytest.raises(StopRequested):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []


def test_a_copy_that_cannot_be_recorded_is_removed_and_the_change_not_sent(desk: Desk) -> None:
    desk.refuse[CopySaved] = RecordNotWritten("no space")
    with pytest.raises(RecordNotWritten):
        desk.send(SAVED)
    assert nothing_was_sent(desk)
    assert desk.copies == []


def test_no_file_stays_open_whatever_went_wrong(desk: Desk) -> None:
    before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0
    host_with(desk, 0)
    for _ in range(5):
        with pytest.raises(EvidenceNotStored):
            desk.send(SAVED)
    assert not before or len(list(Path("/proc/self/fd").iterdir())) == before


# --- no record, no change ---------------------------------------------------------------------------------------------


def test_an_intent_that_cannot_be_recorded_is_not_carried_out(desk: Desk) -> None:
    desk.refuse[ChangeIntended] = RecordNotWritten("no space")
    with pytest.raises(RecordNotWritten):
        desk.send(CHANGE)
    assert nothing_was_sent(desk)


@pytest.mark.parametrize("status", [0, 3])
def test_an_answer_that_cannot_be_recorded_is_said_all_the_same_and_never_as_nothing_sent(
    desk: Desk, status: int
) -> None:
    desk.line.scripted.on_change(CHANGE.command, Output(exit_status=status, stdout=b"put good"))
    desk.refuse[ChangeAnswered] = RecordNotWritten("no space")
    with pytest.raises(AnswerNotRecorded, match=f"{OPERATION} ended with exit status {status}, but no space") as caught:
        desk.send(CHANGE)
    assert not isinstance(caught.value, Refused)
    assert len(desk.sent) == (1 if status == 0 else 0)


def test_a_stop_before_the_change_leaves_it_unsent_and_unintended(desk: Desk) -> None:
    desk.stop.ask("SIGTERM")
    with pytest.raises(StopRequested, match="SIGTERM"):
        desk.send(SAVED)
    assert desk.line.log == []


def test_a_stop_while_the_change_is_under_way_waits_for_its_answer(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, "put good", then=lambda _: desk.stop.ask("Ctrl-C"))
    desk.send(CHANGE)
    assert desk.line.log[-1] == "ChangeAnswered"
    assert len(desk.sent) == 1


def test_a_change_the_host_could_not_begin_was_not_sent(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, fate=Fate.NOT_BEGUN)
    with pytest.raises(Refused, match="cannot begin") as caught:
        desk.send(CHANGE)
    assert not isinstance(caught.value, StopRequested)
    assert desk.sent == []


# --- when the answer does not arrive ----------------------------------------------------------------------------------


def test_a_change_whose_answer_was_lost_is_asked_about_on_a_new_session_and_not_sent_again(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, "put good", fate=Fate.ANSWER_LOST)
    desk.send(CHANGE)
    assert desk.line.log == [
        "ChangeIntended", "send", "ChangeUnanswered", "reopen", "outcome", "ChangeAnswered",
    ]  # fmt: skip
    assert len(desk.line.scripted.sent) == 1
    assert len(desk.sent) == 1


def test_a_failure_whose_answer_was_lost_is_learnt_all_the_same(desk: Desk) -> None:
    failed = Output(exit_status=5, stderr=b"no")
    desk.line.scripted.on_change(CHANGE.command, failed, fate=Fate.ANSWER_LOST)
    with pytest.raises(CommandFailed, match="exit status 5: no"):
        desk.send(CHANGE)
    assert desk.sent == []


def test_a_change_that_was_begun_and_ended_without_a_status_stays_unknown(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, fate=Fate.LOST)
    with pytest.raises(OutcomeUnknown, match=r"web1 MAY have been changed.*without an exit status"):
        desk.send(CHANGE)
    assert desk.sent == []
    assert not [event for event in desk.heard if isinstance(event, ChangeAnswered)]


CUT = OutcomeUnknown("web1 MAY have been changed: the connection broke")
NEVER = Operation(progress=Progress.NEVER_BEGUN)
RUNNING = Operation(progress=Progress.RUNNING)
LOST = Operation(progress=Progress.LOST)
DONE = Operation(progress=Progress.DONE, output=Output(exit_status=0, stdout=b"put good\n"))


def test_a_change_that_never_began_was_refused_and_not_unknown(desk: Desk) -> None:
    desk.line.send_raises = [CUT]
    desk.line.outcomes = [NEVER]
    with pytest.raises(Refused, match=f"{OPERATION} was never begun"):
        desk.send(CHANGE)
    assert desk.sent == []


def test_a_host_that_restarted_since_may_have_been_changed(desk: Desk) -> None:
    """It says that nothing was begun, and knows nothing of what was begun before."""
    desk.line.send_raises = [CUT]
    desk.line.scripted.restart()
    with pytest.raises(OutcomeUnknown, match=r"web1 MAY have been changed.*restarted"):
        desk.send(CHANGE)
    assert desk.sent == []


def test_a_change_that_is_still_running_is_waited_for(desk: Desk) -> None:
    desk.line.send_raises = [CUT]
    desk.line.outcomes = [RUNNING, RUNNING, FactError("garbage"), ConnectionLost("again"), DONE]
    desk.send(CHANGE)
    assert desk.line.log.count("outcome") == 5
    assert desk.line.log.count("send") == 1
    assert desk.clock.slept == sorted(desk.clock.slept)
    assert len(desk.sent) == 1


def test_a_host_that_cannot_be_reached_again_leaves_it_unknown_after_a_bounded_wait(desk: Desk) -> None:
    desk.line.send_raises = [CUT]
    desk.line.reopening = [ConnectionLost("gone")] * 1000
    with pytest.raises(OutcomeUnknown, match="MAY have been changed: the connection broke"):
        desk.send(CHANGE)
    longest = CHANGE.command.deadline + PATIENCE
    assert longest <= sum(desk.clock.slept) < longest + 10
    assert max(desk.clock.slept) <= 5
    assert desk.line.log.count("send") == 1
    assert isinstance(desk.heard[-1], ChangeUnanswered)


@pytest.mark.parametrize("known", [NEVER, LOST, RUNNING])
def test_while_somebody_may_still_begin_it_only_its_end_counts(desk: Desk, known: Operation) -> None:
    """The old session's shell may be alive and hold the lock: never begun may yet begin, and lost may be starting."""
    desk.line.send_raises = [CUT]
    desk.line.reopening = [HostLocked("by jan (run 0123abcd)")] * 3
    desk.line.outcomes = [known, known, DONE]
    desk.send(CHANGE)
    assert desk.line.log.count("outcome") == 3
    assert len(desk.sent) == 1


def test_a_lock_that_never_comes_free_does_not_hide_that_the_change_is_done(desk: Desk) -> None:
    desk.line.send_raises = [CUT]
    desk.line.reopening = [HostLocked("by our own old session")] * 1000
    desk.line.outcomes = [DONE]
    desk.send(CHANGE)
    assert len(desk.sent) == 1


@pytest.mark.parametrize("known", [NEVER, LOST, RUNNING])
def test_a_lock_that_never_comes_free_leaves_everything_else_unknown(desk: Desk, known: Operation) -> None:
    desk.line.send_raises = [CUT]
    desk.line.reopening = [HostLocked("by somebody")] * 1000
    desk.line.outcomes = [known] * 1000
    with pytest.raises(OutcomeUnknown):
        desk.send(CHANGE)


@pytest.mark.parametrize("times, is_found_out", [(1, True), (2, False)])
def test_asking_once_to_stop_still_finds_out_and_insisting_does_not(desk: Desk, times: int, is_found_out: bool) -> None:
    def ask(event: Event) -> None:
        for _ in range(times if isinstance(event, ChangeUnanswered) else 0):
            desk.stop.ask("Ctrl-C")

    desk.line.send_raises, desk.line.outcomes, desk.on_event = [CUT], [RUNNING, DONE], ask
    if is_found_out:
        desk.send(CHANGE)
        assert len(desk.sent) == 1
        return
    with pytest.raises(OutcomeUnknown):
        desk.send(CHANGE)
    assert "outcome" not in desk.line.log


def test_a_record_that_cannot_take_that_it_is_unknown_does_not_keep_us_from_finding_out(desk: Desk) -> None:
    desk.line.scripted.on_change(CHANGE.command, "put good", fate=Fate.ANSWER_LOST)
    desk.refuse = {ChangeUnanswered: RecordNotWritten("full"), ChangeAnswered: RecordNotWritten("full")}
    with pytest.raises(AnswerNotRecorded):
        desk.send(CHANGE)
    assert "outcome" in desk.line.log
    assert len(desk.sent) == 1


@pytest.mark.parametrize("trouble", [ConnectionLost("cut"), TypeError("a bug"), KeyError("x"), FactError("garbage")])
@pytest.mark.parametrize("is_known", [True, False])
def test_whatever_breaks_while_a_change_is_under_way_it_is_never_called_unsent(
    desk: Desk, trouble: Exception, is_known: bool
) -> None:
    desk.line.send_raises = [trouble]
    desk.line.reopening = [] if is_known else [ConnectionLost("gone")] * 1000
    desk.line.outcomes = [DONE] if is_known else []
    if is_known and isinstance(trouble, ConnectionLost):
        desk.send(CHANGE)
        assert len(desk.sent) == 1
        return
    with pytest.raises(OutcomeUnknown, match="web1 MAY have been changed"):
        desk.send(CHANGE)


@pytest.mark.parametrize("at", range(1, 12))
def test_whatever_breaks_before_a_change_is_sent_it_is_never_called_unknown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """At the first use of the way to the host, at the second, and so on, also after it was sent."""
    session, uses = desk.line.session, iter(range(1, 1000))

    def broken(_: Line) -> Session:
        if next(uses) == at:
            raise TypeError("a bug")
        return session

    monkeypatch.setattr(Line, "session", property(broken))
    caught: Exception | None = None
    try:
        desk.send(CHANGE)
    except (TypeError, OutcomeUnknown) as error:
        caught = error
    assert isinstance(caught, OutcomeUnknown) is (caught is not None and "send" in desk.line.log)


def test_a_bug_while_finding_out_leaves_it_unknown(desk: Desk) -> None:
    desk.line.send_raises = [CUT]
    desk.line.outcomes = [ZeroDivisionError("a bug")]
    with pytest.raises(OutcomeUnknown, match="MAY have been changed"):
        desk.send(CHANGE)


# --- whatever happens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [CopyProgress, CopySaved, ChangeIntended, ChangeAnswered])
@pytest.mark.parametrize("trouble", [RecordNotWritten("full"), StopRequested("stopped by x"), RuntimeError("a bug")])
def test_a_refusal_always_means_that_nothing_was_sent(desk: Desk, kind: type, trouble: Exception) -> None:
    desk.refuse[kind] = trouble
    caught: Any = None
    try:
        desk.send(replace(SAVED))
    except (RemediateError, RuntimeError) as error:
        caught = error
    assert caught is not None
    if isinstance(caught, Refused):
        assert desk.line.scripted.sent == []
    assert len(desk.line.scripted.sent) == len(desk.sent)


# --- gathered first ---------------------------------------------------------------------------------------------------


def gathering(desk: Desk) -> tuple[str, ...]:
    """Let both parts be said, and return what a manifest says of them."""
    said = {"sockets": b"tcp\n" * 3, "logs": LOG}
    for name, content in said.items():
        desk.line.scripted.says(name, content)
    return tuple(f"{sha256(content).hexdigest()} {len(content)} {name}\n" for name, content in said.items())


def test_what_is_gathered_is_here_with_its_manifest_before_the_change_is_even_intended(desk: Desk) -> None:
    manifest = "".join(gathering(desk))
    desk.send(GATHERED)
    copies = ["save", "CopySaved", "save", "CopySaved", "CopySaved"]
    assert desk.line.log == [*copies, "ChangeIntended", "send", "ChangeAnswered"]
    found = {path.name: gzip.decompress(path.read_bytes()) for path in desk.copies}
    assert found == {
        "web1-2-1-sockets.gz": b"tcp\n" * 3,
        "web1-2-1-logs.gz": LOG,
        "web1-2-1-manifest.gz": manifest.encode(),
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in desk.copies} == {0o600}
    told = [event for event in desk.heard if isinstance(event, CopySaved)]
    assert [event.part for event in told] == ["sockets", "logs", "manifest"]
    assert {event.copy.sha256 for event in told} == {sha256(content).hexdigest() for content in found.values()}
    assert [command.stdin for command in desk.line.scripted.sent] == [manifest]


def test_where_one_part_is_not_said_nothing_is_sent(desk: Desk) -> None:
    desk.line.scripted.says("sockets", b"tcp\n")
    with pytest.raises(EvidenceNotStored, match="logs was not saved"):
        desk.send(GATHERED)
    assert nothing_was_sent(desk)


@pytest.mark.parametrize("limit, is_refused", [(12 + len(LOG) - 1, True), (12 + len(LOG), False)])
def test_the_policys_limit_is_for_all_parts_together(desk: Desk, limit: int, is_refused: bool) -> None:
    gathering(desk)
    host_with(desk, limit)
    if not is_refused:
        desk.send(GATHERED)
        return
    with pytest.raises(
        EvidenceNotStored, match=r"the copy of the logs is .* with the 12 B before it, the policy allows"
    ):
        desk.send(GATHERED)
    assert nothing_was_sent(desk)


def test_a_manifest_that_cannot_be_written_refuses_the_change(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    gathering(desk)
    finish = NewCopy.finish

    def full(copy: NewCopy) -> None:
        if "manifest" in copy.path.name:
            raise OSError(28, "No space left on device")
        finish(copy)

    monkeypatch.setattr(NewCopy, "finish", full)
    with pytest.raises(EvidenceNotStored, match=r"the copy of the manifest cannot be stored here: No space left"):
        desk.send(GATHERED)
    assert nothing_was_sent(desk)
