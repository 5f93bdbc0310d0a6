"""The fake host: what was prepared, and nothing else."""

from __future__ import annotations

import io
from pathlib import PurePosixPath

import pytest

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import ConnectTimedOut, EvidenceNotStored, FactError, HostLocked, OutcomeUnknown, Refused
from soleil_remediate.host import Connection, Host
from soleil_remediate.plan import FileIdentity, Preserve
from soleil_remediate.transports import Progress, Session
from soleil_remediate.transports.scripted import Fate, ScriptedHost, ScriptedTransport, Unscripted
from soleil_remediate.units import ByteSize, Duration

ASK, RESTART = ("systemctl", "is-active", "nginx"), ("systemctl", "restart", "nginx")


@pytest.fixture
def web1() -> ScriptedHost:
    return ScriptedHost("web1")


def opened(scripted: ScriptedHost, name: str = "web1") -> Session:
    host = Host(name=name, connection=Connection(address=name))
    return ScriptedTransport(scripted).open(host, within=Duration(1))


def test_an_answer_is_found_by_words_by_command_or_by_a_function(web1: ScriptedHost) -> None:
    web1.on_read(ASK, "active\n")
    web1.on_read(Command(("id",), user="deploy"), b"deploy")
    web1.on_read(lambda command: command.words[0] == "df", lambda command: Output(exit_status=len(command.words)))
    web1.on_read(("du",), FactError("no answer"))
    answers = opened(web1).ask([Command(ASK), Command(("id",), user="deploy"), Command(("df", "-P")), Command(("du",))])
    assert answers[:3] == [
        Output(exit_status=0, stdout=b"active\n"), Output(exit_status=0, stdout=b"deploy"), Output(exit_status=2)
    ]  # fmt: skip
    assert isinstance(answers[3], FactError)


def test_the_latest_answer_counts(web1: ScriptedHost) -> None:
    web1.on_read(ASK, "failed")
    web1.on_read(ASK, "active")
    assert opened(web1).ask([Command(ASK)]) == [Output(exit_status=0, stdout=b"active")]


def test_what_nobody_prepared_is_refused_and_named(web1: ScriptedHost) -> None:
    web1.on_read(ASK, "active")
    web1.on_change(RESTART)
    session = opened(web1)
    with pytest.raises(
        Unscripted, match=r"web1 was asked 'id -u', which nobody prepared. Prepared: systemctl is-active"
    ):
        session.ask([Command(("id", "-u"))])
    with pytest.raises(Unscripted, match="was asked 'systemctl restart nginx'"):
        session.ask([Command(RESTART)])
    session.claim("me")
    with pytest.raises(Unscripted, match="was sent 'systemctl is-active nginx'"):
        session.send("op-1", Command(ASK))


def test_a_change_may_alter_later_answers(web1: ScriptedHost) -> None:
    web1.on_read(ASK, "failed")
    web1.on_change(RESTART, then=lambda host: host.on_read(ASK, "active"))
    session = opened(web1)
    session.claim("me")
    assert session.send("op-1", Command(RESTART)) == Output(exit_status=0)
    assert session.ask([Command(ASK)]) == [Output(exit_status=0, stdout=b"active")]
    assert web1.sent == [Command(RESTART)]
    assert web1.owners == ["me"]


@pytest.mark.parametrize(
    "fate, ran, then",
    [(Fate.ANSWER_LOST, 1, Progress.DONE), (Fate.LOST, 1, Progress.LOST)],
)
def test_a_change_may_end_unknown(web1: ScriptedHost, fate: Fate, ran: int, then: Progress) -> None:
    web1.on_change(RESTART, fate=fate)
    session = opened(web1)
    session.claim("me")
    with pytest.raises(OutcomeUnknown, match="web1 MAY have been changed"):
        session.send("op-1", Command(RESTART))
    assert len(web1.sent) == ran
    assert session.outcome("op-1", memory=session.memory).progress is then


def test_a_change_may_be_refused(web1: ScriptedHost) -> None:
    web1.on_change(RESTART, fate=Fate.NOT_BEGUN)
    session = opened(web1)
    session.claim("me")
    with pytest.raises(Refused, match="Nothing was begun"):
        session.send("op-1", Command(RESTART))
    assert web1.sent == []
    assert session.outcome("op-1", memory=session.memory).progress is Progress.NEVER_BEGUN


def test_a_host_may_be_locked_or_out_of_reach(web1: ScriptedHost) -> None:
    session = opened(web1)
    web1.locked_by = "ann@office since 03:12:41 UTC"
    with pytest.raises(HostLocked, match="ann@office since 03:12:41 UTC"):
        session.claim("me")
    web1.unreachable = ConnectTimedOut("web1 did not answer")
    for act in (
        lambda: opened(web1),
        lambda: session.ask([Command(ASK)]),
        lambda: session.outcome("op-1", memory=session.memory),
    ):
        with pytest.raises(ConnectTimedOut):
            act()


def test_rounds_are_counted(web1: ScriptedHost) -> None:
    web1.on_read(ASK, "active")
    session = opened(web1)
    session.ask([Command(ASK)] * 3)
    session.ask([])
    session.ask([Command(ASK)])
    assert session.round_trips == 2
    assert [len(batch) for batch in web1.asked] == [3, 1]


def test_only_prepared_files_can_be_saved(web1: ScriptedHost) -> None:
    path, identity = PurePosixPath("/var/log/x.log"), FileIdentity(1, 2)
    session = opened(web1)
    preserve = Preserve(path=path, identity=identity, size=ByteSize(1))
    with pytest.raises(EvidenceNotStored, match="no plain file"):
        session.save(preserve, io.BytesIO(), lambda _: None)
    web1.has_file(path, b"x", FileIdentity(1, 3))
    with pytest.raises(EvidenceNotStored, match="another file"):
        session.save(preserve, io.BytesIO(), lambda _: None)


def test_a_host_that_nobody_prepared_is_not_there(web1: ScriptedHost) -> None:
    with pytest.raises(Unscripted, match="db1 is no scripted host; there are: web1"):
        opened(web1, "db1")
