"""What a host says about who holds it, and about what of ours still runs there: asked of real hosts, taking nothing."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from soleil_remediate.command import Command, Output
from soleil_remediate.errors import FactError, HostLocked, OutcomeUnknown
from soleil_remediate.transports import Session
from soleil_remediate.transports.holding import Holding, ReadHolding
from soleil_remediate.units import Duration
from tests.contract.conftest import Bed, in_background, output
from tests.sshd import IS_ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="changes need root")


def holding(bed: Bed, session: Session | None = None) -> Holding:
    query = ReadHolding(PurePosixPath(bed.base))
    (answer,) = (session or bed.open()).ask([query.command])
    return query.answer(output(answer))


def test_a_host_that_nobody_ever_held_is_free(reached: Bed) -> None:
    assert holding(reached) == Holding()


def test_who_holds_it_is_told_by_name_and_run_and_gives_it_back_at_the_end(reached: Bed) -> None:
    session = reached.open()
    session.claim("jan@laptop (run 0123abcd)")
    seen = holding(reached)
    assert (seen.owner or "").startswith("jan@laptop (run 0123abcd) since 20")
    assert seen.run == "0123abcd"
    assert holding(reached, session) == seen, "whoever holds it may ask as well"
    session.close()
    assert eventually(lambda: holding(reached).owner is None)


def test_asking_takes_no_lock(reached: Bed) -> None:
    asking = reached.open()
    reached.open().claim("jan@laptop")
    for _ in range(3):
        holding(reached, asking)
    with pytest.raises(HostLocked):
        reached.open().claim("eva@desk")


def test_a_change_that_runs_on_with_nobody_listening_is_told(reached: Bed) -> None:
    session, until = reached.open(), reached.folder / "until"
    session.claim("jan@laptop (run 0123abcd)")
    waiting = Command(
        ("sh", "-c", 'until test -e "$1"; do sleep 0.1; done', "wait", str(until)), deadline=Duration(120)
    )
    ended = in_background(lambda: session.send("0123abcd-00-00", waiting))
    assert eventually(lambda: holding(reached).running == ("0123abcd-00-00",), within=30)
    session.close()
    ended()
    seen = holding(reached)
    assert (seen.run, seen.running) == ("0123abcd", ("0123abcd-00-00",))
    until.touch()
    assert eventually(lambda: holding(reached) == Holding(), within=30)


def test_a_change_that_was_killed_is_lost_and_holds_nothing(reached: Bed) -> None:
    session = reached.open()
    session.claim("jan@laptop (run 0123abcd)")
    with pytest.raises(OutcomeUnknown):
        session.send("0123abcd-00-00", Command(("sh", "-c", "kill -9 $(ps -o pid= -s $(ps -o sid= -p $$))")))
    session.close()
    assert eventually(lambda: holding(reached) == Holding(lost=("0123abcd-00-00",)))


@pytest.mark.parametrize("text", ["", "never mind", "free", "held x", "free\nrunning ../x\nend", "free\ndone a\nend"])
def test_garbage_is_no_answer(text: str) -> None:
    with pytest.raises(FactError):
        ReadHolding().answer(Output(exit_status=0, stdout=text.encode()))
