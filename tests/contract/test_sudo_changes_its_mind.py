"""Sudo gives root's rights, and a moment later it does not: between two questions, two steps, or two connections."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from soleil_remediate.command import Command
from soleil_remediate.errors import FactError, Refused
from soleil_remediate.events import ChangeAnswered, ChangeIntended, Event
from soleil_remediate.host_outcomes import Fixed, MaybeChanged, Refusal
from soleil_remediate.units import Duration
from tests.contract.conftest import Bed, output, ssh_host, through
from tests.contract.tcp import proxy
from tests.contract.test_runs import Bench
from tests.sshd import IS_ROOT, Login, Sshd, private_sshd

pytestmark = [
    pytest.mark.skipif(not IS_ROOT, reason="only root can let several users in"),
    pytest.mark.skipif(shutil.which("sudo") is None, reason="sudo is not installed: apt-get install sudo"),
]

GIVEN = "fickle ALL=(ALL:ALL) NOPASSWD: ALL\n"
TAKEN = "fickle ALL=(ALL:ALL) PASSWD: ALL \n"
KILLER = Command(("sh", "-c", "kill -9 $(ps -o ppid= $PPID)"), deadline=Duration(20))
WHO = Command(("id", "-un"), deadline=Duration(20))


@dataclass(frozen=True)
class Fickle:
    """A host whose sudo gives root's rights unasked, until it wants a password."""

    sshd: Sshd

    def take_away(self) -> None:
        rules = self.sshd.folder / "etc" / "sudoers"
        assert GIVEN in rules.read_text()
        with rules.open("r+") as file:  # in place: it is the very file that stands there as /etc/sudoers
            text = file.read().replace(GIVEN, TAKEN)
            file.seek(0)
            file.write(text)
            file.truncate()


@pytest.fixture
def fickle(folder: Path, work: Path, over_ssh: Bed) -> Iterator[Fickle]:
    login = Login("fickle", 62010, sudo="ALL=(ALL:ALL) NOPASSWD: ALL")
    with private_sshd(work / "sshd", logins=(login,)) as sshd:
        (sshd.folder / "no_config").write_text("", "utf-8")
        over_ssh.host = ssh_host(sshd, user="fickle")
        yield Fickle(sshd)


@pytest.fixture
def bench(fickle: Fickle, over_ssh: Bed, tmp_path: Path) -> Bench:
    return Bench(over_ssh, tmp_path / "state")


# --- between two questions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_slow", [False, True])
def test_a_question_is_answered_with_roots_rights_or_not_at_all(fickle: Fickle, over_ssh: Bed, is_slow: bool) -> None:
    session = over_ssh.open()
    assert output(session.ask([WHO])[0]).text == "root\n"
    fickle.take_away()
    (answer,) = session.ask([replace(WHO, is_slow=is_slow)])
    if is_slow:  # a shell of its own
        assert isinstance(answer, FactError)
        assert "gave other rights this time" in str(answer)
    else:
        assert output(answer).text == "root\n"


def test_a_shell_with_fewer_rights_takes_no_question_from_one_that_has_them(fickle: Fickle, over_ssh: Bed) -> None:
    session = over_ssh.open()
    slow = Command(("sh", "-c", "sleep 0.3; id -un"), is_slow=True, deadline=Duration(20))
    assert output(session.ask([slow])[0]).text == "root\n"
    fickle.take_away()
    assert [output(answer).text for answer in session.ask([slow] * 6)] == ["root\n"] * 6


def test_what_is_asked_again_in_another_shell_is_not_answered_with_fewer_rights(fickle: Fickle, over_ssh: Bed) -> None:
    session = over_ssh.open()
    fickle.take_away()
    answers = session.ask([KILLER, WHO, WHO])
    assert all(isinstance(answer, FactError) for answer in answers), answers
    assert all("gave other rights this time" in str(answer) for answer in answers[1:])
    assert "gave other rights this time" in str(session.ask([WHO])[0]), "also the next time"
    with pytest.raises(Refused, match=r"gave other rights this time\. Nothing was sent"):
        session.claim("jan@laptop")


def test_with_fewer_rights_nobody_says_what_became_of_a_change(fickle: Fickle, over_ssh: Bed) -> None:
    session = over_ssh.open()
    session.claim("jan@laptop")
    session.send("op-done", Command(("true",)))
    fickle.take_away()
    session.ask([KILLER])
    with pytest.raises(FactError, match="gave other rights this time, which cannot see operation op-done"):
        session.outcome("op-done", memory=session.memory)


# --- between two steps ------------------------------------------------------------------------------------------------


def once(kind: type[Event], act: Callable[[], object]) -> Callable[[Event], None]:
    """Return a listener that does something the first time such an event comes."""
    done: list[object] = []

    def listen(event: Event) -> None:
        if isinstance(event, kind) and not done:
            done.append(act())

    return listen


@pytest.mark.parametrize("moment", [ChangeIntended, ChangeAnswered])
def test_rights_that_a_run_has_it_keeps_to_its_end_and_the_next_run_has_none(
    fickle: Fickle,
    bench: Bench,
    moment: type[Event],
) -> None:
    bench.on_event = once(moment, fickle.take_away)
    report = bench.run(bench.slow(0.2, words=("first", "good")))
    assert isinstance(report.outcome, Fixed)
    assert bench.ledger == ["begun first", "done first", "begun good", "done good"]
    bench.file.write_text("bad\n")
    again = bench.whole_run().hosts[0]
    assert isinstance(again.outcome, Refusal), again.outcome
    assert "sudo wants a password for fickle" in again.outcome.why
    assert bench.says() == "bad"


def test_rights_lost_with_the_connection_at_the_gate_are_a_refusal(fickle: Fickle, bench: Bench) -> None:
    with proxy(fickle.sshd.port) as wire:
        bench.host = through(fickle.sshd, wire.port)
        bench.host = replace(bench.host, connection=replace(bench.host.connection, user="fickle"))

        def lose() -> None:
            fickle.take_away()
            wire.reset()

        bench.gate.before = lose
        report = bench.run()
    assert isinstance(report.outcome, Refusal), report.outcome
    assert bench.ledger == []


def test_rights_lost_with_the_connection_in_the_middle_of_a_change_leave_it_unknown_and_it_ends_once(
    fickle: Fickle, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.delivery.PATIENCE", Duration(1))
    with proxy(fickle.sshd.port) as wire:
        bench.host = through(fickle.sshd, wire.port)
        bench.host = replace(bench.host, connection=replace(bench.host.connection, user="fickle"))

        def lose() -> None:
            fickle.take_away()
            wire.reset()

        bench.on_event = lambda event: lose() if isinstance(event, ChangeIntended) else None
        report = bench.run(bench.slow(0.5, words=("first", "good"), within=8))
    assert isinstance(report.outcome, MaybeChanged), report.outcome
    assert bench.ledger in ([], ["begun first", "done first"])
