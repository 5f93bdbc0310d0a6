"""Whole runs against a real sshd, of the smallest scenario there is: report, record and host must agree."""

from __future__ import annotations

import gzip
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from soleil_remediate import fleet
from soleil_remediate.command import Command, Reader
from soleil_remediate.errors import Declined
from soleil_remediate.events import (
    ChangeAnswered,
    ChangeIntended,
    ChangeUnanswered,
    Event,
    GateAnswered,
    HostClaimed,
    StopHeard,
)
from soleil_remediate.gates import Approval
from soleil_remediate.host import Host
from soleil_remediate.host_outcomes import Fixed, MaybeChanged, NotFixed, NotNeeded, NotReached, Refusal, Stopped
from soleil_remediate.plan import Change, FileIdentity, Plan, Preserve, Script, Undo
from soleil_remediate.record import Runs
from soleil_remediate.report import HostReport, RunReport
from soleil_remediate.seen import Preview
from soleil_remediate.step_outcomes import StepFailed
from soleil_remediate.units import ByteSize, Duration
from tests import tiny
from tests.contract.conftest import Bed, in_background, through
from tests.contract.tcp import listener, proxy, silent
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import ends_within, eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")

SLOW_PUT = Script(
    name="put",
    text="""echo "begun $2" >>"$1.ledger"
        sleep "$3"
        printf "%s\\n" "$2" >"$1"
        echo "done $2" >>"$1.ledger"
        echo put "$2"
    """,
)


@dataclass(frozen=True, kw_only=True)
class SlowPut(tiny.PutFile):
    """Let a file say what it should, slowly, and count it."""

    kind = "file.slow-put"

    takes: float = 0
    within: float = 20

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        plan = super().plan(seen)
        slowly = tuple(
            replace(
                one,
                command=Command(
                    SLOW_PUT.bind(self.path, one.after, Duration(self.takes)), deadline=Duration(self.within)
                ),
            )
            for one in plan.changes
        )
        return replace(plan, changes=slowly)


@dataclass(frozen=True, kw_only=True)
class SavedPut(SlowPut):
    """The same, with the old file saved first."""

    kind = "file.saved-put"

    identity: FileIdentity

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        plan = super().plan(seen)
        saved = Preserve(path=self.path, identity=self.identity, size=ByteSize(4))
        return replace(plan, changes=tuple(replace(one, preserve=saved) for one in plan.changes))


@dataclass
class Yes:
    """Opens, after whatever happens meanwhile."""

    before: Callable[[], object] = lambda: None
    again: bool = True

    def approve(self, scenario: str, previews: Sequence[Preview]) -> Approval:
        assert scenario == "tiny"
        self.before()
        return Approval(digests=frozenset(digest for one in previews for digest in one.digests), by="jan")

    def approve_again(self, host: Host, kind: str, change: Change) -> Approval:
        if not self.again:
            raise Declined("no")
        return Approval(digests=frozenset({change.digest(host.name, kind)}), by="jan again")


@dataclass
class Bench:
    """One file on a real host, and runs that put it right."""

    bed: Bed
    state: Path
    gate: Yes = field(default_factory=Yes)
    heard: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], object] = lambda _: None
    host: Host | None = None

    def __post_init__(self) -> None:
        self.file = self.bed.folder / "one"
        self.file.write_text("bad\n")

    def says(self) -> str:
        return self.file.read_text().strip()

    @property
    def ledger(self) -> list[str]:
        path = Path(f"{self.file}.ledger")
        return path.read_text().splitlines() if path.exists() else []

    def listen(self, event: Event) -> None:
        self.heard.append(event)
        self.on_event(event)

    def case(self, *tasks: Any) -> Any:
        path = PurePosixPath(self.file)
        host = replace(self.host or self.bed.host, is_listed=True)
        tasks = tasks or (SlowPut(path=path),)
        one = tiny.case(*tasks, on=host, healthy_when=(tiny.FileSays(path=path),))
        return replace(one, evidence=(tiny.ShowFile(path=path),))

    def slow(self, takes: float, **different: Any) -> SlowPut:
        return SlowPut(path=PurePosixPath(self.file), takes=takes, **different)

    def run(self, *tasks: Any) -> HostReport:
        report = self.whole_run(*tasks)
        self.check_truth(report)
        return report.hosts[0]

    def whole_run(self, *tasks: Any) -> RunReport:
        return fleet.remediate(
            [self.case(*tasks)],
            transport=self.bed.transport,
            gate=self.gate,
            runs=Runs(self.state),
            listener=self.listen,
        )

    def check_truth(self, report: RunReport) -> None:
        """Hold report and record against what the host did, as it counted itself."""
        begun = [line.removeprefix("begun ") for line in self.ledger if line.startswith("begun")]
        record = Runs(self.state).read(report.run)
        intended = [line["change"]["after"] for line in record if line["type"] == "ChangeIntended"]
        answered = [line for line in record if line["type"] == "ChangeAnswered"]
        (one,) = report.hosts
        assert begun == intended[: len(begun)]
        assert len(intended) - len(begun) <= 1
        if not isinstance(one.outcome, MaybeChanged):
            assert len(answered) == len(begun)
        assert len(one.sent) <= len(begun)
        if begun:
            assert not isinstance(one.outcome, NotNeeded | NotReached | Refusal)
        assert record[-1]["type"] == "RunEnded"


@pytest.fixture
def bench(over_ssh: Bed, tmp_path: Path) -> Bench:
    return Bench(over_ssh, tmp_path / "state")


@pytest.fixture(autouse=True)
def _nothing_of_ours_stays(bench: Bench) -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert eventually(lambda: not [t for t in threading.enumerate() if t not in before and t.name.startswith("change")])


# --- what a run does --------------------------------------------------------------------------------------------------


def test_a_fault_is_repaired_proven_and_then_left_alone(bench: Bench) -> None:
    report = bench.run()
    assert report.outcome == Fixed(why=f"{bench.file} says good")
    assert bench.says() == "good"
    assert report.preview is not None
    assert report.preview.round_trips == 1
    bench.heard.clear()
    (again,) = bench.whole_run().hosts
    assert isinstance(again.outcome, NotNeeded)
    assert bench.ledger == ["begun good", "done good"]
    assert not [event for event in bench.heard if isinstance(event, HostClaimed | GateAnswered)]


def test_two_applications_of_one_machine_are_both_repaired_though_they_share_what_it_remembers(bench: Bench) -> None:
    cases = []
    for app in ("shop", "blog"):
        path = PurePosixPath(bench.bed.folder, app)
        Path(path).write_text("bad\n", "utf-8")
        host = replace(bench.bed.host, name=f"{bench.bed.host.name}/{app}", is_listed=True)
        case = tiny.case(SlowPut(path=path), on=host, healthy_when=(tiny.FileSays(path=path),))
        cases.append(replace(case, evidence=()))
    report = fleet.remediate(cases, transport=bench.bed.transport, gate=bench.gate, runs=Runs(bench.state))
    assert [type(one.outcome) for one in report.hosts] == [Fixed, Fixed]
    assert [Path(bench.bed.folder, f"{app}.ledger").read_text("utf-8") for app in ("shop", "blog")] == [
        "begun good\ndone good\n"
    ] * 2
    assert len({sent.operation for one in report.hosts for sent in one.sent}) == 2


def test_a_preview_changes_nothing_at_all(bench: Bench) -> None:
    before = bench.file.stat()
    report = fleet.preview([bench.case()], transport=bench.bed.transport)
    after = bench.file.stat()
    assert report.exit_status == 5
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)
    assert bench.ledger == []
    assert not bench.bed.base.exists()
    assert not bench.state.exists()


def test_a_host_that_healed_itself_meanwhile_is_left_alone(bench: Bench) -> None:
    bench.gate.before = lambda: bench.file.write_text("good\n")
    assert isinstance(bench.run().outcome, NotNeeded)
    assert bench.ledger == []


def test_declined_at_the_gate_nothing_is_sent(bench: Bench) -> None:
    def no() -> None:
        raise Declined("jan said no")

    bench.gate.before = no
    assert bench.run().outcome == Refusal(why="jan said no")
    assert bench.ledger == []
    assert not bench.bed.base.exists()


def test_what_a_change_destroys_is_kept_here_first(bench: Bench) -> None:
    found = bench.file.stat()
    task = SavedPut(path=PurePosixPath(bench.file), identity=FileIdentity(found.st_dev, found.st_ino))
    report = bench.run(task)
    assert isinstance(report.outcome, Fixed)
    saved = report.sent[0].saved
    assert saved is not None
    assert gzip.decompress(Path(saved.path).read_bytes()) == b"bad\n"


def test_what_was_saved_is_reported_also_where_the_change_failed(bench: Bench) -> None:
    """It matters most then: half of the file may be gone."""
    found = bench.file.stat()
    task = SavedPut(
        path=PurePosixPath(bench.file), identity=FileIdentity(found.st_dev, found.st_ino), takes=15, within=2
    )
    report = bench.run(task)
    assert isinstance(report.outcome, NotFixed)
    (step,) = report.steps
    assert isinstance(step.outcome, StepFailed)
    assert "took longer than 2 s and was ended: it may be half done" in step.outcome.why
    assert report.sent == ()
    (copy,) = report.copies
    assert gzip.decompress(Path(copy.path).read_bytes()) == b"bad\n"


def test_a_file_that_is_another_by_then_is_not_destroyed(bench: Bench) -> None:
    found = bench.file.stat()
    task = SavedPut(path=PurePosixPath(bench.file), identity=FileIdentity(found.st_dev, found.st_ino + 1))
    report = bench.run(task)
    assert isinstance(report.outcome, Refusal)
    assert bench.ledger == []
    assert bench.says() == "bad"


def test_a_change_that_fails_is_not_fixed_and_the_host_says_why(bench: Bench) -> None:
    nowhere = tiny.PutFile(path=PurePosixPath(bench.file.with_name("missing") / "one"))
    path = PurePosixPath(bench.file)
    case = replace(tiny.case(nowhere, on=bench.bed.host, healthy_when=(tiny.FileSays(path=path),)), evidence=())
    (one,) = fleet.remediate([case], transport=bench.bed.transport, gate=bench.gate, runs=Runs(bench.state)).hosts
    assert isinstance(one.outcome, NotFixed)
    assert "missing/one" in one.outcome.why


# --- two at once ------------------------------------------------------------------------------------------------------


def test_two_runs_at_once_change_the_host_once_and_the_loser_says_who_has_it(bench: Bench, tmp_path: Path) -> None:
    other = Bench(bench.bed, tmp_path / "other")
    together = threading.Barrier(2, timeout=20)
    bench.gate.before = other.gate.before = together.wait
    waiting = in_background(lambda: other.whole_run(other.slow(1)))
    mine = bench.whole_run(bench.slow(1)).hosts[0]
    theirs = waiting()
    assert isinstance(theirs, RunReport), theirs
    ends = [mine.outcome, theirs.hosts[0].outcome]
    assert {type(one) for one in ends} in ({Fixed, Refusal}, {Fixed, NotNeeded})
    assert bench.ledger == ["begun good", "done good"]
    for one in ends:
        if isinstance(one, Refusal):
            assert "is locked by" in one.why


def once_begun(bench: Bench, then: Callable[[], object], delay: float = 0) -> None:
    """Do something so many seconds after the host has begun a change."""

    def wait() -> None:
        assert eventually(lambda: bench.ledger != [])
        time.sleep(delay)
        then()

    threading.Thread(target=wait, daemon=True).start()


# --- the connection is cut --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.1, 0.5])
def test_a_connection_cut_in_the_middle_of_a_change_is_one_effect_and_then_the_truth(
    bench: Bench, sshd: Sshd, delay: float
) -> None:
    with proxy(sshd.port) as wire:
        bench.host = through(sshd, wire.port)

        def cut(event: Event) -> None:
            if isinstance(event, ChangeIntended):
                once_begun(bench, wire.reset, delay)

        bench.on_event = cut
        report = bench.run(bench.slow(1.5))
    assert isinstance(report.outcome, Fixed)
    assert bench.ledger == ["begun good", "done good"]
    assert len(report.sent) == 1


def test_a_host_that_is_gone_for_good_in_the_middle_of_a_change_is_unknown_and_never_called_failed(
    bench: Bench, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.delivery.PATIENCE", Duration(1))
    with proxy(sshd.port) as wire:
        bench.host = through(sshd, wire.port)
        bench.on_event = lambda event: wire.close() if isinstance(event, ChangeIntended) else None
        report = bench.whole_run(bench.slow(0.5, within=8))
    (one,) = report.hosts
    assert isinstance(one.outcome, MaybeChanged)
    assert "MAY have been changed" in one.outcome.why
    assert report.exit_status == 7
    assert bench.ledger in ([], ["begun good", "done good"])


@pytest.mark.parametrize("for_good", [False, True], ids=["for a while", "for good"])
def test_a_connection_that_freezes_in_the_middle_of_a_change_is_one_effect_and_never_called_failed(
    bench: Bench, sshd: Sshd, monkeypatch: pytest.MonkeyPatch, for_good: bool
) -> None:
    monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(1))
    monkeypatch.setattr("soleil_remediate.delivery.PATIENCE", Duration(1 if for_good else 40))
    with proxy(sshd.port) as wire:
        reached = through(sshd, wire.port)
        bench.host = replace(reached, connection=replace(reached.connection, connect_within=Duration(3)))

        def freeze(event: Event) -> None:
            if isinstance(event, ChangeIntended):
                once_begun(bench, wire.freeze)
            elif isinstance(event, ChangeUnanswered) and not for_good:
                wire.thaw()

        bench.on_event = freeze
        report = bench.run(bench.slow(2.5, within=8))
        wire.thaw()
    assert ChangeUnanswered in {type(event) for event in bench.heard}
    assert isinstance(report.outcome, MaybeChanged if for_good else Fixed), report.outcome
    assert eventually(lambda: bench.ledger == ["begun good", "done good"])


def test_a_connection_cut_at_the_gate_is_opened_anew(bench: Bench, sshd: Sshd) -> None:
    with proxy(sshd.port) as wire:
        bench.host = through(sshd, wire.port)
        bench.gate.before = wire.reset
        assert isinstance(bench.run().outcome, Fixed)


def test_a_host_that_is_gone_at_the_gate_was_not_touched(bench: Bench, sshd: Sshd) -> None:
    with proxy(sshd.port) as wire:
        bench.host = through(sshd, wire.port)
        bench.gate.before = wire.close
        assert isinstance(bench.run().outcome, NotReached)
    assert bench.ledger == []


# --- somebody asks to stop --------------------------------------------------------------------------------------------


def send_signals(*after: float) -> None:
    """Send Ctrl-C to this process, each time after that many seconds."""

    def send() -> None:
        for seconds in after:
            time.sleep(seconds)
            with suppress(ProcessLookupError):
                os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send, daemon=True).start()


def test_ctrl_c_in_the_middle_of_a_change_waits_for_it_and_sends_no_other(bench: Bench) -> None:
    bench.on_event = lambda event: (
        once_begun(bench, lambda: send_signals(0.2)) if isinstance(event, ChangeIntended) else None
    )
    report = bench.run(bench.slow(3, words=("first", "good")))
    assert isinstance(report.outcome, Stopped)
    assert bench.ledger == ["begun first", "done first"]
    assert len(report.sent) == 1
    assert "first" in report.outcome.why
    kinds = [type(event) for event in bench.heard]
    assert kinds.count(StopHeard) == 1
    assert kinds.index(StopHeard) < kinds.index(ChangeAnswered), "nobody was told in time that the stop was heard"


def test_a_second_ctrl_c_leaves_the_change_to_the_host_and_calls_it_unknown(bench: Bench) -> None:
    def ask(event: Event) -> None:
        if isinstance(event, ChangeIntended):
            once_begun(bench, lambda: send_signals(0.2))
        if isinstance(event, StopHeard) and not event.is_insisted:
            send_signals(0.7)

    bench.on_event = ask
    report = bench.run(bench.slow(12))
    assert bench.ledger == ["begun good"], "it waited for the change"
    assert isinstance(report.outcome, MaybeChanged)
    assert eventually(lambda: bench.ledger == ["begun good", "done good"])  # detached: it ran to its end


def test_ctrl_c_while_a_silent_host_is_connected_to_ends_at_once(bench: Bench, sshd: Sshd) -> None:
    def stopping(sock: socket.socket, over: threading.Event) -> None:
        send_signals(0.3)
        silent(sock, over)

    with listener(stopping) as port:
        bench.host = through(sshd, port)
        with ends_within(0.3, late=2.7):
            report = bench.run(bench.slow(0))
    assert isinstance(report.outcome, Stopped)


def test_ctrl_c_at_the_gate_sends_nothing_and_takes_no_lock(bench: Bench) -> None:
    bench.gate.before = lambda: os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(bench.run().outcome, Stopped)
    assert bench.ledger == []
    assert not bench.bed.base.exists()


def test_after_every_end_the_lock_is_free_again(bench: Bench) -> None:
    bench.on_event = lambda event: send_signals(0.1) if isinstance(event, ChangeIntended) else None
    bench.run(bench.slow(0.5, words=("first", "good")))
    bench.on_event = lambda _: None
    Path(f"{bench.file}.ledger").unlink()
    bench.file.write_text("bad\n")
    assert isinstance(bench.run().outcome, Fixed)


# --- taken back -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class PutAndBack(SlowPut):
    """The same, where each word but the last takes the one before it back, and the last fails half-way."""

    kind = "file.put-and-back"

    words: tuple[str, ...] = ("first", "second", "good")

    async def read(self, host: Reader) -> str | None:
        return await super().read(host)

    def plan(self, seen: str | None) -> Plan:
        plan = super().plan(seen)
        before = ("bad", *self.words)
        undone = [
            replace(
                one,
                before=word,
                undo=Undo.by(Command(SLOW_PUT.bind(self.path, word, Duration(0))), f"it says {word} again"),
            )
            for one, word in zip(plan.changes[:-1], before, strict=False)
        ]
        half = Command(HALF_PUT.bind(self.path, plan.changes[-1].after))
        return replace(plan, changes=(*undone, replace(plan.changes[-1], command=half)))


HALF_PUT = Script(name="half-put", text='echo "begun $2" >>"$1.ledger"; exit 3')


def test_what_was_changed_before_a_change_failed_is_taken_back_in_reverse_and_counted_so_by_the_host(
    bench: Bench,
) -> None:
    report = bench.run(PutAndBack(path=PurePosixPath(bench.file)))
    assert isinstance(report.outcome, NotFixed)
    done = ["begun first", "done first", "begun second", "done second", "begun good"]
    assert bench.ledger == [*done, "begun first", "done first", "begun bad", "done bad"]
    assert bench.says() == "bad"
    (step,) = [step.outcome for step in report.steps]
    assert isinstance(step, StepFailed)
    assert step.taken_back == tuple(sent.operation for sent in reversed(step.sent))
