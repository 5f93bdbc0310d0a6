"""Controllers killed with ``kill -9`` at every step of a run, and by strace at every fsync: a sweep, and its table.

What happened is read from the ledger that the host keeps itself, never from our own report. Every row holds: each
change happened once or not at all, nothing happened whose intent is not on disk, and what ``runs show`` says of the run
is so. Then ``resume`` goes on, or a new run where none had begun, and in the end each change happened exactly once.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path

import pytest

from soleil_remediate.errors import ExitStatus
from tests.contract.controllers import Desk, Said, Warm, check_after_kill, warm
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import eventually

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="changes need root"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: scripts/setup tests"),
    pytest.mark.long,
    pytest.mark.timeout(600),
]

#: What a run does to the host, whoever of several controllers did it.
ALL_OF_IT = ["begun first", "done first", "begun good", "done good"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, folder: Path, sshd: Sshd) -> Desk:
    """One desk for all, and a file on the host that is saved before it would be destroyed."""
    return Desk.with_big_file(tmp_path_factory.mktemp("desk"), folder, sshd, size=20_000)


@pytest.fixture(scope="module")
def warmed(bench: Desk) -> Iterator[Warm]:
    with warm(bench) as one:
        yield one


@pytest.fixture
def desk(bench: Desk) -> Desk:
    bench.reset()
    bench.forget()
    return bench


@dataclass(frozen=True, kw_only=True)
class Row:
    """One controller that was killed, and what came of it.

    Args:
        moment: When it was killed.
        last: The record's last line then.
        effects: What the host had counted when nobody could change it any more.
        told: What ``runs show`` says of the host.
        then: How the next controller ended.
    """

    moment: str
    last: str
    effects: tuple[str, ...]
    told: str
    then: str

    def __str__(self) -> str:
        done = " ".join(line.removeprefix("done ") for line in self.effects if line.startswith("done")) or "-"
        return f"{self.moment:<27}{self.last:<17}{done:<12}{self.told:<40}{self.then}"


HEAD = f"{'KILLED':<27}{'RECORD ENDS WITH':<17}{'EFFECTS':<12}{'THE RECORD SAYS':<40}THEN"


def put_table(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write("\n".join(["", HEAD, *map(str, rows), ""]))


def lose_power(desk: Desk) -> None:
    """Take the record's last line away: it was written, and the disk never had it."""
    for path in (desk.state / "soleil-remediate" / "runs").glob("*.jsonl"):
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def row(desk: Desk, moment: str, run: Callable[..., Said]) -> Row:
    """Hold what a killed controller left against the host, let the next one go on, and hold that as well."""
    told, effects = check_after_kill(desk), tuple(desk.ledger)
    last = desk.record[-1]["type"] if desk.record else "nothing"
    says = next((phrase for phrase in PHRASES if phrase in told), "how it ended" if told else "no such run")
    if "fsync" in moment:
        lose_power(desk)
        check_after_kill(desk)
    has_begun = any(line["type"] == "RunStarted" for line in desk.record)
    said = run("resume", desk.runs.list()[0].run) if has_begun else run(*desk.words())
    assert said.status == ExitStatus.OK, said
    assert desk.ledger == ALL_OF_IT, f"killed at {moment}, and then not every change happened exactly once"
    assert desk.says == "good"
    out = " ".join(said.out.split())
    verdict = next((word for word in ("FIXED", "NOT NEEDED") if f"{word} web1" in out), "nothing left")
    then = f"{'resumed' if has_begun else 'anew'}: {verdict}"
    return Row(moment=moment, last=last, effects=effects, told=says, then=then)


PHRASES = (
    "Nothing was sent to any host",
    "web1 MAY have been changed",
    "Every change that was sent is answered",
    "How every host ended stands above",
)


def sends() -> Iterator[str]:
    """Around each change: on its way and not begun, and done without its answer on disk."""
    yield "call SshTransport.open 1"
    for number in (1, 2):
        yield f"call ShellSession.send {number}"
        yield f"return ShellSession.send {number}"


def kill_while(desk: Desk, word: str, pid: int) -> None:
    """Kill a controller while the host is letting the file say *word*."""
    assert eventually(lambda: f"begun {word}" in desk.ledger, within=30)
    os.kill(pid, signal.SIGKILL)


def test_killed_at_any_event_a_controller_did_each_change_once_or_not_at_all_and_the_next_one_does_the_rest(
    desk: Desk, warmed: Warm, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event waits for the disk: killed there, it has happened and its line may be lost."""
    words, rows = desk.words(saves=desk.host / "big"), list[Row]()
    for word in ("first", "good"):
        desk.reset()
        desk.forget()
        said = warmed.run(*desk.words(takes="0.6 s"), meanwhile=partial(kill_while, desk, word))
        assert said.status == -signal.SIGKILL, (word, said)
        rows.append(row(desk, f"while it says {word}", warmed.run))
    for moment in chain(sends(), (f"call fsync {number}" for number in count(1))):
        desk.reset()
        desk.forget()
        said = warmed.run(*words, SOLEIL_TEST_MOMENT=f"SIGKILL {moment}")
        if said.status == ExitStatus.OK:
            break  # it waited for the disk less often than that
        assert said.status == -signal.SIGKILL, (moment, said)
        rows.append(row(desk, moment, warmed.run))
    put_table(rows, capsys)
    assert {one.last for one in rows} >= EVENTS, "some event was left out"
    assert {one.effects for one in rows} == {(), *(tuple(ALL_OF_IT[:number]) for number in (2, 4))}


EVENTS = {
    "RunStarted",
    "HostSeen",
    "GateAnswered",
    "HostClaimed",
    "HostSeenAgain",
    "CopySaved",
    "ChangeIntended",
    "ChangeAnswered",
    "StepEnded",
    "HostEnded",
    "RunEnded",
}


def test_killed_by_strace_at_an_fsync_it_is_the_same(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    """Strace knows nothing of this program; it counts for each thread, and the first at its N-th fsync is it."""
    words, rows = desk.words(), list[Row]()
    assert desk.run(*words).status == ExitStatus.OK  # its folders are there from now on
    for number in count(1):
        desk.reset()
        for path in (desk.state / "soleil-remediate" / "runs").iterdir():
            path.unlink()
        injected = f"inject=fsync:signal=KILL:when={number}"
        said = desk.run(*words, before=("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", injected))
        if said.status == ExitStatus.OK:
            break
        assert said.status == -signal.SIGKILL, (number, said)
        rows.append(row(desk, f"by strace, fsync {number}", desk.run))
    put_table(rows, capsys)
    assert {one.last for one in rows} >= {"RunStarted", "ChangeIntended", "ChangeAnswered"}
