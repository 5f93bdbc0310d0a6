"""Changing, over every transport: once, under the lock, and truthful about what became of it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from soleil_remediate.command import Command, Secret
from soleil_remediate.errors import HostLocked, OutcomeUnknown, Refused
from soleil_remediate.secrecy import HIDDEN, REDACTOR, redacted
from soleil_remediate.transports import Operation, Progress, Session
from soleil_remediate.units import Duration
from tests.contract.conftest import WITHIN, Bed, claims, in_background, output, shown, ssh_host, through
from tests.contract.tcp import proxy
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import ends_within, eventually


def adding_to(ledger: Path, *, after: float = 0) -> Command:
    """Return a change whose effect can be counted: a line in *ledger*."""
    return Command(("sh", "-c", 'sleep "$1"; echo done >>"$2"', "add", str(after), str(ledger)), deadline=Duration(20))


def lines(ledger: Path) -> int:
    return len(ledger.read_text("utf-8").splitlines()) if ledger.exists() else 0


# -- the lock ---------------------------------------------------------------------------------------------------------


def test_a_second_session_is_told_who_holds_the_lock(bed: Bed) -> None:
    first, second = bed.open(), bed.open()
    first.claim("jan@laptop (run 7f3a)")
    with pytest.raises(HostLocked, match=r"web1 is locked by jan@laptop \(run 7f3a\)"):
        second.claim("ann@office (run 1b2c)")


def test_the_lock_comes_back_when_its_session_is_closed(bed: Bed) -> None:
    first, second = bed.open(), bed.open()
    first.claim("jan@laptop")
    first.close()
    claims(second)
    second.claim("ann@office")  # it goes on holding it


def test_a_closed_session_can_be_closed_again(bed: Bed) -> None:
    session = bed.open()
    session.close()
    session.close()


def test_nothing_is_sent_without_the_lock(bed: Bed) -> None:
    ledger = bed.folder / "ledger"
    with pytest.raises(Refused, match="Nothing was sent"):
        bed.open().send("op-1", adding_to(ledger))
    assert lines(ledger) == 0


# -- one change -------------------------------------------------------------------------------------------------------


@pytest.fixture
def claimed(bed: Bed) -> Session:
    session = bed.open()
    session.claim("jan@laptop (run 7f3a)")
    return session


def test_a_change_that_cannot_be_written_in_bytes_is_refused_and_the_next_is_made(bed: Bed, claimed: Session) -> None:
    ledger = bed.folder / "ledger"
    with pytest.raises(Refused, match=r"web1: operation op-1 cannot be written in bytes \(.*\)\. Nothing was sent"):
        claimed.send("op-1", Command(("sh", "-c", 'echo "$1" >>"$2"', "add", "\ud800", str(ledger))))
    assert lines(ledger) == 0
    claimed.send("op-2", adding_to(ledger))
    assert lines(ledger) == 1


def test_a_change_returns_what_it_answered(claimed: Session) -> None:
    answer = claimed.send("op-1", Command(("sh", "-c", "echo said; exit 3")))
    assert (answer.exit_status, answer.stdout) == (3, b"said\n")


def test_the_same_operation_twice_is_one_effect(claimed: Session, bed: Bed) -> None:
    ledger = bed.folder / "ledger"
    answers = [claimed.send("op-1", adding_to(ledger)) for _ in range(3)]
    assert lines(ledger) == 1
    assert [answer.exit_status for answer in answers] == [0, 0, 0]


def test_another_operation_is_another_effect(claimed: Session, bed: Bed) -> None:
    ledger = bed.folder / "ledger"
    for operation in ("7f3a-1-1", "7f3a-1-2"):
        claimed.send(operation, adding_to(ledger))
    assert lines(ledger) == 2


def test_an_operation_that_was_never_sent_has_never_begun(claimed: Session) -> None:
    assert claimed.outcome("op-never", memory=claimed.memory) == Operation(progress=Progress.NEVER_BEGUN)


def test_of_what_another_memory_was_sent_nothing_is_known(claimed: Session, bed: Bed) -> None:
    assert claimed.outcome("op-never", memory="anothermemory") == Operation(progress=Progress.FORGOTTEN)


def test_a_later_session_finds_the_same_memory(claimed: Session, bed: Bed) -> None:
    first = claimed.memory
    claimed.close()
    later = bed.open()
    assert later.memory == ""
    claims(later)
    assert later.memory == first != ""


def test_a_later_session_learns_what_became_of_an_operation(claimed: Session, bed: Bed) -> None:
    claimed.send("op-1", Command(("sh", "-c", "echo said; exit 3")))
    claimed.close()
    known = bed.open().outcome("op-1", memory=claimed.memory)
    assert known.progress is Progress.DONE
    assert known.output is not None
    assert (known.output.exit_status, known.output.stdout) == (3, b"said\n")


@pytest.mark.parametrize("text", ["", "secret", "a\nb\n", "%s\\n'\"$(id)", "\0\1", "-n", "z" * 200_000], ids=shown)
def test_a_change_reads_its_standard_input_exactly(claimed: Session, bed: Bed, text: str) -> None:
    target = bed.folder / "in"
    answer = claimed.send("op-1", Command(("sh", "-c", 'cat >"$1"', "in", str(target)), stdin=Secret(text)))
    assert answer.exit_status == 0
    assert target.read_bytes() == text.encode()


# -- what only a real host can show -----------------------------------------------------------------------------------


@pytest.fixture
def real(reached: Bed) -> Session:
    session = reached.open()
    session.claim("jan@laptop (run 7f3a)")
    return session


def test_the_message_of_a_lock_says_since_when_from_where_and_which_shell(reached: Bed, real: Session) -> None:
    with pytest.raises(HostLocked, match=r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC( from [\d.:]+)? \(shell \d+\)"):
        reached.open().claim("ann")


def test_reads_do_not_hold_the_lock(reached: Bed, real: Session) -> None:
    claimed = reached.folder / "claimed"
    left = 'until [ -e "$1" ]; do sleep 0.1; done </dev/null >/dev/null 2>&1 & echo left behind'
    try:
        (answer,) = real.ask([Command(("sh", "-c", left, "left", str(claimed)))])
        assert output(answer).exit_status == 0
        real.close()
        claims(reached.open())
    finally:
        claimed.touch()


def test_a_change_that_outlives_its_session_keeps_the_lock(over_ssh: Bed, sshd: Sshd) -> None:
    ledger, may_end = over_ssh.folder / "ledger", over_ssh.folder / "may-end"
    waiting = Command(
        ("sh", "-c", 'until [ -e "$1" ]; do sleep 0.1; done; echo done >>"$2"', "add", str(may_end), str(ledger)),
        deadline=Duration(25),
    )
    with proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        session = over_ssh.open()
        session.claim("jan@laptop")
        failed = in_background(lambda: session.send("op-long", waiting))
        assert eventually(
            lambda: (over_ssh.base / "ops/op-long/begun").is_symlink() or has(sshd, over_ssh, "op-long/begun")
        )
        between.reset()
        assert isinstance(failed(), OutcomeUnknown)
    over_ssh.host = ssh_host(sshd)
    later = over_ssh.open()
    assert later.outcome("op-long", memory=session.memory).progress is Progress.RUNNING
    with pytest.raises(HostLocked, match="jan@laptop"):
        later.claim("ann")
    may_end.touch()
    assert eventually(lambda: later.outcome("op-long", memory=session.memory).progress is Progress.DONE)
    later.claim("ann")
    assert lines(ledger) == 1


def test_what_an_earlier_change_said_last_is_told_only_once_the_applications_secrets_are_known(ssh: Bed) -> None:
    """Whoever resumes a run has asked the host nothing else before."""
    (ssh.folder / ".env").write_text("DB_PASSWORD=canary-value\n", "utf-8")
    ssh.host = replace(ssh.host, app={"root": PurePosixPath(ssh.folder)})
    before = ssh.open()
    before.claim("jan@laptop")
    before.send("op-1", Command(("echo", "SQLSTATE: canary-value")))
    before.close()
    with REDACTOR.apart():
        later = ssh.open().outcome("op-1", memory=before.memory)
        assert later.output is not None
        assert redacted(later.output.text) == f"SQLSTATE: {HIDDEN}\n"


def test_a_host_that_forgot_everything_never_says_that_an_operation_has_not_begun(reached: Bed, real: Session) -> None:
    """As after a restart: /run is a tmpfs."""
    sent_to = real.memory
    real.send("op-1", Command(("true",)))
    real.close()
    (reached.open()).ask([Command(("rm", "-rf", str(reached.base)))])
    later = reached.open()
    later.claim("ann")
    assert later.memory != sent_to
    assert later.outcome("op-1", memory=sent_to).progress is Progress.FORGOTTEN


@pytest.mark.parametrize("after", [0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.3])
def test_a_connection_reset_at_any_moment_is_one_effect_or_none_and_never_a_lie(
    over_ssh: Bed, sshd: Sshd, after: float
) -> None:
    ledger, may_end = over_ssh.folder / "ledger", over_ssh.folder / "may-end"
    operation = f"op-reset-{after}"
    with proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        session = over_ssh.open()
        session.claim("jan@laptop")
        waiting = 'until [ -e "$1" ]; do sleep 0.1; done; echo done >>"$2"'
        adding = Command(("sh", "-c", waiting, "add", str(may_end), str(ledger)), deadline=Duration(20))
        failed = in_background(lambda: session.send(operation, adding))
        time.sleep(after)
        between.reset()
        ended = failed()
        assert isinstance(ended, OutcomeUnknown | Refused)
    may_end.touch()
    over_ssh.host = ssh_host(sshd)
    later = over_ssh.open()
    claims(later)  # the reset session's shell and change are gone by then
    known = later.outcome(operation, memory=session.memory)
    # Whoever saw the reset before anything was sent says so: of that nothing may have come.
    assert known.progress in {Progress.NEVER_BEGUN, *([] if isinstance(ended, Refused) else [Progress.DONE])}
    assert lines(ledger) == (1 if known.progress is Progress.DONE else 0)
    later.send(operation, adding_to(ledger))
    assert lines(ledger) == 1


def test_a_frozen_peer_is_an_unknown_outcome_and_not_waited_for_longer_than_it_may_take(
    over_ssh: Bed, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = over_ssh.folder / "ledger"
    with proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        session = over_ssh.open()
        session.claim("jan@laptop")
        monkeypatch.setattr("soleil_remediate.transports.shell.ON_ITS_WAY", Duration(1))
        between.freeze()
        with (
            ends_within(6, late=2),  # what the shim may take, and what is on its way
            pytest.raises(OutcomeUnknown, match=r"web1 MAY have been changed.*operation op-frozen"),
        ):
            session.send("op-frozen", adding_to(ledger))


def test_a_change_survives_a_controller_that_is_gone_although_it_prints(over_ssh: Bed, sshd: Sshd) -> None:
    """Without a reader for what it prints, it must die neither of SIGPIPE nor of SIGHUP."""
    ledger = over_ssh.folder / "ledger"
    printing = Command(
        ("sh", "-c", 'for n in 1 2 3 4 5 6; do echo "line $n"; sleep 0.2; echo $n >>"$1"; done', "p", str(ledger)),
        deadline=Duration(20),
    )
    with proxy(sshd.port) as between:
        over_ssh.host = through(sshd, between.port)
        session = over_ssh.open()
        session.claim("jan@laptop")
        failed = in_background(lambda: session.send("op-prints", printing))
        assert eventually(lambda: lines(ledger) >= 1)
        between.reset()
        failed()
    assert eventually(lambda: lines(ledger) == 6)


def test_eight_submissions_of_one_operation_are_one_effect(reached: Bed) -> None:
    ledger = reached.folder / "ledger"
    endings: list[object] = []

    def submit() -> None:
        session = reached.transport.open(reached.host, within=WITHIN)
        try:
            claims(session)
            endings.append(session.send("op-once", adding_to(ledger, after=0.2)).exit_status)
        except Exception as error:  # noqa: BLE001  # the test looks at it
            endings.append(error)
        finally:
            session.close()

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert endings == [0] * 8
    assert lines(ledger) == 1


def test_a_change_that_takes_too_long_is_ended_and_answers_124(real: Session) -> None:
    stubborn = Command(("sh", "-c", "trap '' TERM; echo on; sleep 30; sleep 30"), deadline=Duration(2))
    with ends_within(2.5, late=12.5):
        assert real.send("op-late", Command(("sleep", "30"), deadline=Duration(0.5))).exit_status == 124
        answer = real.send("op-stubborn", stubborn)
    assert answer.exit_status == 124
    assert answer.stdout.startswith(b"on\n")


def test_a_change_longer_than_one_wait_is_waited_for(real: Session) -> None:
    answer = real.send("op-2s", Command(("sh", "-c", "sleep 2; echo ready"), deadline=Duration(20)))
    assert (answer.exit_status, answer.stdout) == (0, b"ready\n")


def test_both_ends_of_a_long_answer_are_kept_and_the_rest_is_counted(real: Session) -> None:
    answer = real.send(
        "op-big", Command(("sh", "-c", "echo first; yes | head -c 3000000; echo last"), deadline=Duration(20))
    )
    assert answer.stdout.startswith(b"first\n")
    assert answer.stdout.endswith(b"last\n")
    assert len(answer.stdout) == 2**17
    assert len(answer.stdout) + answer.cut == 3_000_000 + len("first\nlast\n")


def test_endless_output_of_a_change_fills_nothing(real: Session, reached: Bed) -> None:
    answer = real.send("op-yes", Command(("yes",), deadline=Duration(1)))
    assert answer.exit_status == 124
    assert answer.cut > 0
    (used,) = real.ask([Command(("du", "-sk", str(reached.base)))])
    assert int(output(used).text.split()[0]) <= 1024


def test_a_change_can_be_killed_by_signals_as_usual(real: Session) -> None:
    asking = "grep -E '^Sig(Ign|Blk)' /proc/self/status"
    answer = real.send("op-signals", Command(("sh", "-c", asking)))
    assert {line.split()[1].strip("0") for line in answer.text.splitlines()} == {""}


def test_a_killed_change_is_lost_and_its_outcome_unknown(reached: Bed, real: Session, sshd: Sshd) -> None:
    """Its shim is killed with it: nobody is left who could say how it ended."""
    with pytest.raises(OutcomeUnknown, match="lost"):
        # Its parents up to the one that setsid started lead the session that is killed.
        real.send("op-killed", Command(("sh", "-c", "kill -9 $(ps -o pid= -s $(ps -o sid= -p $$))")))
    assert real.outcome("op-killed", memory=real.memory).progress is Progress.LOST


def test_a_change_leaves_no_standard_input_behind(real: Session, sshd: Sshd, reached: Bed) -> None:
    real.send("op-secret", Command(("cat",), stdin=Secret("correct-horse-battery")))
    kept = sshd.inside("find", str(reached.base / "ops/op-secret"), "-name", "in").stdout
    assert kept == b""


def test_files_made_by_a_change_can_be_read_by_others(real: Session, reached: Bed) -> None:
    """An application's cache or log that only its creator can read takes the site down."""
    real.send("op-umask", Command(("touch", str(reached.folder / "made"))))
    assert (reached.folder / "made").stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_change_runs_as_the_user_it_names(real: Session, reached: Bed) -> None:
    answer = real.send("op-user", Command(("sh", "-c", "id -un; umask"), user="nobody", deadline=Duration(5)))
    assert answer.text == "nobody\n0022\n"
    answer = real.send("op-late-user", Command(("sleep", "30"), user="nobody", deadline=Duration(0.5)))
    assert answer.exit_status == 124


def test_the_tool_leaves_less_than_a_mebibyte_however_much_is_done(real: Session, sshd: Sshd, reached: Bed) -> None:
    for number in range(12):
        real.send(f"op-many-{number}", Command(("head", "-c", "200000", "/dev/zero"), deadline=Duration(5)))
    used = sshd.inside("du", "-sk", str(reached.base)).stdout.split()[0]
    assert int(used) <= 1024
    assert real.outcome("op-many-0", memory=real.memory).output == output(
        real.outcome("op-many-0", memory=real.memory).output
    )
    assert output(real.outcome("op-many-0", memory=real.memory).output).exit_status == 0


def test_what_is_forgotten_among_many_is_never_called_never_begun(reached: Bed, real: Session, sshd: Sshd) -> None:
    """Else a run that is resumed months later would hear that its change never was."""
    real.send("op-old", Command(("true",), deadline=Duration(5)))
    memory = real.memory
    sshd.inside("sh", "-c", f"cd {reached.base}/ops && for n in $(seq 399); do mkdir op-$n; done")
    real.close()
    another = reached.open()
    claims(another)
    another.send("op-one-more", Command(("true",), deadline=Duration(5)))
    assert another.outcome("op-old", memory=memory).progress is Progress.DONE, "four hundred are remembered"
    sshd.inside("touch", "-d", "2020-01-01", f"{reached.base}/ops/op-old")  # what it wrote was tidied away just now
    another.send("op-too-many", Command(("true",), deadline=Duration(5)))
    assert another.outcome("op-old", memory=memory).progress is Progress.FORGOTTEN
    assert another.outcome("op-too-many", memory=memory).progress is Progress.DONE
    another.close()
    later = reached.open()
    claims(later)
    assert later.memory != memory
    assert later.outcome("op-never", memory=later.memory).progress is Progress.NEVER_BEGUN
    assert later.outcome("op-never", memory=memory).progress is Progress.FORGOTTEN


def test_a_shell_that_was_killed_has_lost_the_lock_and_sends_nothing(reached: Bed, real: Session) -> None:
    ledger = reached.folder / "ledger"
    real.ask([Command(("sh", "-c", "kill -9 $(ps -o ppid= $PPID)"))])
    with pytest.raises(Refused, match="lost"):
        real.send("op-1", adding_to(ledger))
    assert lines(ledger) == 0
    real.claim("jan@laptop")
    assert real.send("op-1", adding_to(ledger)).exit_status == 0


def test_a_lock_whose_folder_was_removed_counts_no_longer(reached: Bed, real: Session) -> None:
    """Whoever comes next makes the folder anew, and holds another lock."""
    ledger = reached.folder / "ledger"
    real.ask([Command(("rm", "-rf", str(reached.base)))])
    reached.open().claim("ann")
    with pytest.raises(Refused, match=f"{reached.base} was removed, and the lock with it"):
        real.send("op-1", adding_to(ledger))
    assert lines(ledger) == 0


@pytest.mark.parametrize("operation", ["", ".", "..", "a/b", "-rf", "a b", "a\n", "x" * 200])
def test_an_operation_whose_id_is_no_file_name_is_refused(real: Session, operation: str) -> None:
    with pytest.raises(ValueError, match="no operation's id"):
        real.send(operation, Command(("true",)))


# -- what they need ---------------------------------------------------------------------------------------------------


def has(sshd: Sshd, bed: Bed, path: str) -> bool:
    return sshd.inside("test", "-L", str(bed.base / "ops" / path)).returncode == 0
