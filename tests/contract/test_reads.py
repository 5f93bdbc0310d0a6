"""Reading, over every transport: exact bytes, bounded output, deadlines, and nobody waits behind the slow."""

from __future__ import annotations

import tempfile
import threading
import time
from dataclasses import replace

import pytest

from soleil_remediate.command import Command, Secret
from soleil_remediate.errors import FactError, Unreachable
from soleil_remediate.transports import Session
from soleil_remediate.transports import session as session_module
from soleil_remediate.transports import shell as shell_module
from soleil_remediate.transports.ahead import asked_ahead
from soleil_remediate.transports.becoming import Becoming
from soleil_remediate.transports.session import ShellSession
from soleil_remediate.transports.shell import Shell, Stream
from soleil_remediate.units import ByteSize, Duration, KiB, MiB
from tests.contract.conftest import OPENSSH, PASSWORD, Bed, output, shown
from tests.sshd import IS_ROOT, Sshd
from tests.waiting import ends_within, eventually
from tests.watching import watched_memory, watching_processes

SECRET = f"a-secret-beside-{PASSWORD}"

#: Texts that somebody once took for code, an option or the end of something.
AWKWARD = (
    "",
    " ",
    "plain",
    "two words",
    "a\nb\n",
    "\n",
    "tab\tand\rreturn",
    "'",
    '"',
    'it\'s "quoted"',
    "\\",
    "\\n\\000\\c",
    "%s %d %%",
    "$HOME $(id) `id` ${x}",
    "; id & id | id > /dev/null < /dev/null",
    "*",
    "~root",
    "!!",
    "#no comment",
    "-n",
    "--help",
    "--",
    "A=b",
    "ünïcödé ✓ \u202ereversed\u202c",
    "ȁȂȃȄȅȆȇ",  # U+0201…: their bytes are what dash marks quotes with
    "\x01\x02\x7f\x1b[31m",
    "\udcff\udc80\udcc3",  # bytes that are no UTF-8
    "x" * 65536,
)


@pytest.mark.parametrize("text", AWKWARD, ids=shown)
def test_a_word_arrives_exactly_as_it_was(session: Session, text: str) -> None:
    (answer,) = session.ask([Command(("printf", "<%s>", text, text))])
    expected = f"<{text}><{text}>".encode("utf-8", "surrogateescape")
    assert output(answer).stdout == expected


def test_a_program_whose_name_looks_like_an_assignment_or_a_builtin_is_still_a_program(session: Session) -> None:
    answers = session.ask([Command(("A=b",)), Command(("exit", "3")), Command(("echo", "-e", "x")), Command(("true",))])
    assert [output(answer).exit_status for answer in answers] == [127, 127, 0, 0]
    assert output(answers[2]).stdout == b"x\n"  # the program's own way, not a builtin's


@pytest.mark.parametrize(
    "format_, written",
    [
        ("", b""),
        ("a", b"a"),
        (r"a\n", b"a\n"),
        (r"\n", b"\n"),
        (r"\n\n", b"\n\n"),
        (r"\r\n", b"\r\n"),
        (r"\000", b"\0"),
        (r"\000\001\377\376", b"\0\1\xff\xfe"),
    ],
)
def test_output_is_exact_to_the_byte(session: Session, format_: str, written: bytes) -> None:
    (answer,) = session.ask([Command(("printf", format_))])
    assert output(answer).stdout == written


def test_both_streams_are_kept_apart(session: Session) -> None:
    (answer,) = session.ask([Command(("sh", "-c", "printf out; printf err >&2"))])
    assert (output(answer).stdout, output(answer).stderr) == (b"out", b"err")


@pytest.mark.parametrize("status", [0, 1, 2, 74, 75, 124, 125, 126, 127, 255])
def test_the_exit_status_is_the_programs_own(session: Session, status: int) -> None:
    (answer,) = session.ask([Command(("sh", "-c", f"exit {status}"))])
    assert output(answer).exit_status == status


def test_a_program_that_is_missing_answers_127(session: Session) -> None:
    (answer,) = session.ask([Command(("no-such-program-here",))])
    assert output(answer).exit_status == 127


def test_a_script_among_many_is_one_to_itself(session: Session) -> None:
    scripts = {
        "exit 3; echo no": (3, b""),
        "if then": (2, b""),  # no shell can read it
        "set -eu; false; echo no": (1, b""),
        "end() { echo mine; }; end; x=1; cd /tmp; umask 0; trap 'echo ended' EXIT": (0, b"mine\nended\n"),
        'echo "${x-unset}" "$(umask)" "$#"; [ "$(pwd)" != /tmp ]': (0, b"unset 0022 2\n"),
        'printf "<%s>" "$@"; [ $$ -gt 1 ]': (0, b"<'a $b' \\c><-n>"),
        'printf "<%s>" "$@"': (0, b"<'a $b' \\c><-n>"),
        'printf %s "$0"': (0, b"name"),
        "exec 1>&2; echo err": (0, b""),
        "exec cat": (0, b""),
        "shift 3; echo no": (2, b""),
        "echo é": (0, "é\n".encode()),
    }
    answers = session.ask([Command(("sh", "-c", text, "name", "'a $b' \\c", "-n")) for text in scripts])
    told = [output(answer) for answer in answers]
    assert [(one.exit_status, one.stdout) for one in told] == list(scripts.values())
    assert told[list(scripts).index("exec 1>&2; echo err")].stderr == b"err\n"


def test_nothing_is_read_where_nothing_is_given(session: Session) -> None:
    (answer,) = session.ask([Command(("cat",))])
    assert output(answer).stdout == b""


@pytest.mark.parametrize("text", [*AWKWARD[:-2], "\0", "a\0b\0", "z" * 300_000], ids=shown)
def test_standard_input_arrives_exactly_as_it_was(session: Session, text: str) -> None:
    (answer,) = session.ask([Command(("cat",), stdin=Secret(text))])
    assert output(answer).stdout == text.encode()


def test_standard_input_that_nobody_reads_holds_nobody_up(session: Session) -> None:
    answers = session.ask([Command(("true",), stdin="x" * 300_000), Command(("echo", "next"))])
    assert output(answers[0]).exit_status == 0
    assert output(answers[1]).stdout == b"next\n"


def test_a_command_that_takes_too_long_is_ended_and_answers_124(session: Session) -> None:
    with ends_within(0.3, late=4.7):
        answers = session.ask([Command(("sleep", "50"), deadline=Duration(0.3)), Command(("echo", "next"))])
    assert output(answers[0]).exit_status == 124
    assert output(answers[1]).stdout == b"next\n"


@pytest.mark.parametrize("place", [0, 6, 12])
@pytest.mark.parametrize(
    "hanging", [("sleep", "30"), ("sh", "-c", "trap '' TERM; sleep 30; sleep 30")], ids=["quiet", "stubborn"]
)
def test_one_that_hangs_among_many_is_the_only_one_without_an_answer(
    session: Session, hanging: tuple[str, ...], place: int
) -> None:
    """Many share one deadline; whoever was cut off by another's hanging is asked again."""
    commands = [Command(("echo", str(number)), deadline=Duration(3)) for number in range(12)]
    commands.insert(place, Command(hanging, deadline=Duration(3)))
    with ends_within(8.5, late=3.5):  # the batch, and then the one alone, which hears nothing but SIGKILL
        answers = session.ask(commands)
    assert output(answers.pop(place)).exit_status == 124
    assert [output(answer).text for answer in answers] == [f"{number}\n" for number in range(12)]
    assert output(session.ask([Command(("echo", "later"))])[0]).text == "later\n"


def test_a_deadline_keeps_what_was_written_before_it(session: Session) -> None:
    (answer,) = session.ask([Command(("sh", "-c", "echo before; exec sleep 50"), deadline=Duration(2))])
    assert (output(answer).exit_status, output(answer).stdout) == (124, b"before\n")


def test_output_beyond_the_limit_is_counted_and_thrown_away(session: Session) -> None:
    command = Command(("sh", "-c", "head -c 100000 /dev/zero; head -c 5 /dev/zero >&2"), output_limit=KiB(64))
    (answer,) = session.ask([command])
    assert (len(output(answer).stdout), len(output(answer).stderr)) == (65536, 5)
    assert output(answer).cut == 100_000 - 65536


def test_two_hundred_questions_are_one_round_trip(session: Session) -> None:
    before = session.round_trips
    answers = session.ask([Command(("echo", str(number)), deadline=Duration(20)) for number in range(200)])
    assert [output(answer).text for answer in answers] == [f"{number}\n" for number in range(200)]
    assert session.round_trips == before + 1


def test_no_question_is_no_round_trip(session: Session) -> None:
    assert session.ask([]) == []
    assert session.round_trips == 0


@pytest.fixture
def unlisted(bed: Bed) -> Session:
    """A session with a host of which nothing is known."""
    bed.host = replace(bed.host, is_listed=False)
    return bed.open()


def test_what_a_host_in_no_inventory_serves_is_asked_with_the_greeting(unlisted: Session) -> None:
    asked = asked_ahead(unlisted.host)
    heard = unlisted.ask(asked)
    assert (len(heard), unlisted.round_trips) == (3, 0)
    assert unlisted.ask(asked) == heard
    assert unlisted.round_trips == 1, "what was heard once is asked anew"


def test_whoever_asks_something_else_first_is_answered_that(unlisted: Session) -> None:
    (answer,) = unlisted.ask([Command(("echo", "first"))])
    assert (output(answer).text, unlisted.round_trips) == ("first\n", 1)
    unlisted.ask(asked_ahead(unlisted.host))
    assert unlisted.round_trips == 2, "what was asked with the greeting is as old as that"


def test_what_was_asked_with_the_greeting_of_a_shell_that_ended_is_asked_again(reached: Bed) -> None:
    reached.host = replace(reached.host, is_listed=False)
    session = reached.open()
    assert isinstance(session, ShellSession)
    session._drive(session._main)
    session._main.close()
    for question in session._ahead.values():
        question.status = None  # as where it ends before any of the answers is there
    heard = session.ask(asked_ahead(session.host))
    assert (len(heard), [one for one in heard if isinstance(one, FactError)]) == (3, [])
    assert session.round_trips == 1


def test_only_a_host_of_which_nothing_is_known_is_asked_anything_ahead(bed: Bed) -> None:
    unlisted = replace(bed.host, is_listed=False)
    assert asked_ahead(unlisted)
    assert asked_ahead(bed.host) == ()
    assert asked_ahead(replace(unlisted, app={"root": "/srv/app"})) == ()
    known = replace(unlisted.connection, machine_id="0" * 32)
    assert asked_ahead(replace(unlisted, connection=known)) == (), "another machine is asked nothing"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_command_runs_as_the_user_it_names(session: Session) -> None:
    (answer,) = session.ask([Command(("sh", "-c", "id -un; id -gn"), user="nobody")])
    assert output(answer).text == "nobody\nnogroup\n"


# -- what only a real host can show -----------------------------------------------------------------------------------


def test_a_big_batch_with_big_answers_does_not_lock_up(reached: Bed) -> None:
    text = "y" * 100_000
    answers = reached.open().ask([Command(("printf", "%s", text), deadline=Duration(20))] * 100)
    assert all(output(answer).stdout == text.encode() for answer in answers)


def test_a_big_answer_on_standard_error_does_not_lock_up(reached: Bed) -> None:
    answers = reached.open().ask([Command(("sh", "-c", "head -c 5000000 /dev/zero >&2"), deadline=Duration(20))] * 3)
    assert [(len(output(answer).stderr), output(answer).cut) for answer in answers] == [(2**20, 5_000_000 - 2**20)] * 3


@pytest.mark.parametrize("written", ["yes", "cat /dev/zero", "cat /dev/urandom", "yes >&2"])
def test_endless_output_ends_at_the_deadline_and_is_bounded(
    reached: Bed, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soleil_remediate.transports.shell.FLOOD", MiB(2**20))  # two seconds of it may be a flood
    session = reached.open()
    answers = session.ask([Command(("sh", "-c", written), deadline=Duration(2)), Command(("echo", "next"))])
    assert output(answers[0]).exit_status == 124
    assert max(len(output(answers[0]).stdout), len(output(answers[0]).stderr)) == 2**20
    assert output(answers[0]).cut > 0
    assert output(answers[1]).stdout == b"next\n"


def test_what_a_killed_command_writes_while_it_dies_is_not_taken_for_the_next_answer(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shell_module._PREAMBLE.count("sleep 0.1 ;;") == 1  # it has a tenth of a second, and on a busy machine more
    monkeypatch.setattr(shell_module, "_PREAMBLE", shell_module._PREAMBLE.replace("sleep 0.1 ;;", "sleep 2 ;;"))
    dying = "(trap 'sleep 0.03; echo late; exit' TERM; while :; do sleep 0.01; done) & wait"
    answers = reached.open().ask([Command(("sh", "-c", dying), deadline=Duration(2)), Command(("echo", "next"))])
    assert output(answers[0]).stdout == b"late\n"
    assert output(answers[1]).stdout == b"next\n"


def test_a_line_of_a_gigabyte_is_counted_in_little_memory(reached: Bed) -> None:
    session = reached.open()
    most_since = watched_memory() if IS_ROOT else None  # only root can always have its memory counted anew
    (answer,) = session.ask([Command(("head", "-c", "1000000000", "/dev/zero"), deadline=Duration(50))])
    assert output(answer).exit_status == 0
    assert output(answer).cut == 1_000_000_000 - 2**20
    assert most_since is None or most_since() < MiB(50)


def test_a_host_that_writes_without_end_is_cut_off(reached: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soleil_remediate.transports.shell.FLOOD", ByteSize(5_000_000))
    session = reached.open()
    answers = session.ask([Command(("echo", "1")), Command(("yes",), deadline=Duration(20)), Command(("echo", "2"))])
    assert output(answers[0]).stdout == b"1\n"
    assert str(answers[1]) == "yes: ended, as it wrote more than 4.8 MiB"
    assert output(answers[2]).stdout == b"2\n"


def test_a_command_that_ends_its_shell_is_the_only_one_without_an_answer(reached: Bed) -> None:
    session = reached.open()
    killer = Command(("sh", "-c", "kill -9 $(ps -o ppid= $PPID)"))
    answers = session.ask([Command(("echo", "1")), killer, Command(("echo", "2")), Command(("echo", "3"))])
    assert isinstance(answers[1], FactError)
    assert "ended" in str(answers[1])
    assert [output(answers[index]).text for index in (0, 2, 3)] == ["1\n", "2\n", "3\n"]
    assert output(session.ask([Command(("echo", "later"))])[0]).text == "later\n"


def test_commands_that_all_end_their_shell_are_not_asked_for_ever(reached: Bed) -> None:
    killer = Command(("sh", "-c", "kill -9 $(ps -o ppid= $PPID)"))
    answers = reached.open().ask([killer] * 12)
    assert all(isinstance(answer, FactError) for answer in answers)


def test_a_slow_command_does_not_delay_the_quick(reached: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked in one batch, they still come in their order; the slow ones ran beside each other."""
    monkeypatch.setattr(session_module, "_BUSY_FOR", Duration(300))  # as many as are usual are enough
    session = reached.open()
    here, quick_is_done = reached.folder / "here", reached.folder / "quick-is-done"
    here.mkdir()
    # Each of the slow ones goes on until the others are there as well, and the quick one has been done.
    waits = 'touch "$1/$$"; until [ "$(ls "$1" | wc -l)" = 3 ] && [ -e "$2" ]; do sleep 0.1; done; echo all'
    slow = Command(("sh", "-c", waits, "slow", str(here), str(quick_is_done)), is_slow=True, deadline=Duration(30))
    answers = session.ask([slow, Command(("touch", str(quick_is_done))), slow, slow])
    assert [output(answer).text for answer in answers] == ["all\n", "", "all\n", "all\n"]


def test_more_slow_commands_than_channels_are_all_answered(reached: Bed) -> None:
    slow = [Command(("sh", "-c", f"sleep 0.3; echo {n}"), is_slow=True, deadline=Duration(5)) for n in range(7)]
    assert [output(answer).text for answer in reached.open().ask(slow)] == [f"{n}\n" for n in range(7)]


class Unpaused:
    """A clock by which nothing takes longer than what is asked here: it does not see that the machine stood still."""

    def __init__(self) -> None:
        self._now, self._last = 0.0, time.monotonic()

    def __call__(self) -> float:
        now = time.monotonic()
        self._now += min(now - self._last, 0.4)
        self._last = now
        return self._now


def test_what_hangs_is_waited_for_together_and_what_does_not_takes_few_shells(
    reached: Bed, further_shells: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = reached.open()
    monkeypatch.setattr(session, "_clock", Unpaused())
    quick = [Command(("sleep", "0.3"), is_slow=True, deadline=Duration(20))] * 24

    def hanging() -> list[str]:
        """Ask seven that hang until six of them are there."""
        here = tempfile.mkdtemp(dir=reached.folder)
        hangs = 'touch "$1/$$"; until [ "$(ls "$1" | wc -l)" -ge 6 ]; do sleep 0.1; done; echo six'
        asked = [Command(("sh", "-c", hangs, "hangs", here), is_slow=True, deadline=Duration(30))] * 7
        return [output(answer).text for answer in session.ask(asked)]

    session.ask(quick)
    assert further_shells == [True] * 3
    assert hanging() == ["six\n"] * 7
    assert further_shells == [True] * 6
    session.ask(quick)
    assert further_shells == [True] * 6
    assert hanging() == ["six\n"] * 7  # those that are not always needed are let go: the host may have a use for them
    assert further_shells == [True] * 9


def test_shells_that_are_long_in_coming_are_no_reason_for_more(
    reached: Bed, further_shells: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = reached.open()
    at_once = ShellSession._new_shell

    def late(session: ShellSession) -> Shell | None:
        time.sleep(1.5)
        return at_once(session)

    monkeypatch.setattr(ShellSession, "_new_shell", late)
    monkeypatch.setattr(session_module, "_BUSY_FOR", session_module._BUSY_FOR * 3)
    session.ask([Command(("true",), is_slow=True)] * 12)
    assert further_shells == [True] * 3


def test_further_shells_are_opened_together_where_each_takes_a_round_trip(
    ssh: Bed, further_shells: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    session = ssh.open()
    all_are_asked_for = threading.Barrier(3)
    at_once = ShellSession._new_shell

    def together(session: ShellSession) -> Shell | None:
        all_are_asked_for.wait(timeout=20)
        return at_once(session)

    monkeypatch.setattr(ShellSession, "_new_shell", together)
    (answer,) = session.ask([Command(("echo", "x"), is_slow=True)])
    assert output(answer).text == "x\n"
    assert further_shells == [True] * 3


def test_a_further_shell_that_ends_before_it_is_asked_anything_leaves_its_question_to_the_first(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = reached.open()
    monkeypatch.setattr(Becoming, "open_shell", lambda becoming, within: becoming.link.open_stream("exit 1"))
    slow = [Command(("echo", str(n)), is_slow=True) for n in range(4)]
    assert [output(answer).text for answer in session.ask([Command(("true",)), *slow])][1:] == [
        "0\n", "1\n", "2\n", "3\n",
    ]  # fmt: skip


def test_while_further_shells_are_opened_what_the_first_one_was_asked_is_done(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, quick_is_done = reached.open(), reached.folder / "quick-is-done"
    at_once, was_done = ShellSession._new_shell, list[bool]()

    def once_done(session: ShellSession) -> Shell | None:
        was_done.append(eventually(quick_is_done.exists))
        return at_once(session)

    monkeypatch.setattr(ShellSession, "_new_shell", once_done)
    slow = Command(("echo", "x"), is_slow=True)
    assert output(session.ask([slow, Command(("touch", str(quick_is_done)))])[0]).text == "x\n"
    assert set(was_done) == {True}


@pytest.mark.parametrize("bed", [OPENSSH, "local"], indirect=True)  # where only one is opened at a time
def test_while_a_further_shell_is_opened_what_the_last_one_was_asked_is_done(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = bed.open()
    marks = [bed.folder / str(n) for n in range(3)]
    at_once, was_done = ShellSession._new_shell, list[bool]()

    def once_done(session: ShellSession) -> Shell | None:
        was_done.append(all(eventually(mark.exists) for mark in marks[: len(was_done)]))
        return at_once(session)

    monkeypatch.setattr(ShellSession, "_new_shell", once_done)
    asked = [Command(("touch", str(mark)), is_slow=True) for mark in marks]
    assert [output(answer).exit_status for answer in session.ask(asked)] == [0, 0, 0]
    assert was_done == [True] * 3


def test_a_further_shell_that_comes_to_nothing_takes_no_question_from_the_others(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = reached.open()
    slow = [Command(("sh", "-c", f"sleep 0.4; echo {n}"), is_slow=True, deadline=Duration(5)) for n in range(6)]
    session.ask(slow[:1])
    really, asked_for = Becoming.open_shell, []

    def ends_at_once(becoming: Becoming, *, within: Duration) -> Stream | None:
        asked_for.append(within)
        return becoming.link.open_stream("exit 1")

    monkeypatch.setattr(Becoming, "open_shell", ends_at_once)
    assert [output(answer).text for answer in session.ask(slow)] == [f"{n}\n" for n in range(6)]
    monkeypatch.setattr(Becoming, "open_shell", really)
    assert len(asked_for) <= 2, "it is not asked for again and again"


def test_where_this_machine_can_start_no_further_shell_those_that_there_are_answer(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = reached.open()
    slow = [Command(("sh", "-c", f"sleep 0.2; echo {n}"), is_slow=True, deadline=Duration(5)) for n in range(4)]
    session.ask(slow[:1])

    def no_more(becoming: Becoming, *, within: Duration) -> Stream | None:
        raise Unreachable("nothing more can be started on this machine: Too many open files")

    monkeypatch.setattr(Becoming, "open_shell", no_more)
    assert [output(answer).text for answer in session.ask(slow)] == [f"{n}\n" for n in range(4)]


def test_a_shell_that_has_answered_is_asked_the_next_while_others_go_on(
    reached: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_BUSY_FOR", Duration(300))
    last_is_done = str(reached.folder / "last-is-done")
    goes_on = ("sh", "-c", 'until [ -e "$1" ]; do sleep 0.1; done', "goes-on", last_is_done)
    texts = (("sleep", "0.2"), goes_on, goes_on, ("touch", last_is_done))
    questions = [Command(words, is_slow=True, deadline=Duration(30)) for words in texts]
    assert [output(answer).exit_status for answer in reached.open().ask(questions)] == [0] * 4


def test_a_slow_command_has_its_deadline_too(reached: Bed) -> None:
    (answer,) = reached.open().ask([Command(("sleep", "30"), is_slow=True, deadline=Duration(0.5))])
    assert output(answer).exit_status == 124


def test_a_command_that_ignores_the_end_of_its_time_is_killed_and_answers_124(reached: Bed) -> None:
    stubborn = Command(("sh", "-c", "trap '' TERM; sleep 30; sleep 30"), deadline=Duration(0.5))
    assert output(reached.open().ask([stubborn])[0]).exit_status == 124


def test_every_command_finds_the_same_surroundings(reached: Bed) -> None:
    (answer,) = reached.open().ask([Command(("sh", "-c", "pwd; echo $LC_CTYPE $TZ; umask; ls /proc/self/fd | wc -l"))])
    where, locale, umask, descriptors = output(answer).text.splitlines()
    assert (where, locale, umask) == ("/", "C.UTF-8 UTC", "0022")
    assert int(descriptors) <= 5  # three, ls's own, and nothing that would keep a lock


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_user_gets_none_of_roots_variables_and_groups(reached: Bed) -> None:
    (answer,) = reached.open().ask([Command(("sh", "-c", "env; id -G"), user="nobody")])
    names = {line.partition("=")[0] for line in output(answer).text.splitlines() if "=" in line}
    assert names <= {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "LC_CTYPE", "TZ", "PWD", "OLDPWD", "SHLVL", "_"}
    assert output(answer).text.splitlines()[-1] == "65534"


@pytest.mark.skipif(not IS_ROOT, reason="only root can become somebody else")
def test_a_user_who_does_not_exist_is_no_answer(reached: Bed) -> None:
    (answer,) = reached.open().ask([Command(("id",), user="no-such-user")])
    assert output(answer).exit_status == 125
    assert "there is no user no-such-user" in output(answer).error_text


@pytest.mark.parametrize("user", [None, pytest.param("nobody", marks=pytest.mark.skipif(not IS_ROOT, reason="root"))])
def test_a_secret_is_never_in_an_argument_list_or_an_environment(reached: Bed, user: str | None) -> None:
    """Everything in /proc is looked at all the while, as any user of the host could."""
    session = reached.open()
    session.claim("jan@laptop")
    much = (SECRET * 4000)[:112_000]  # more than a pipe holds: who writes it is there while it is waited for
    reading = Command(("sh", "-c", "sleep 1; cat"), stdin=Secret(much), user=user, deadline=Duration(20))
    with watching_processes() as seen:
        (answer,) = session.ask([reading])
        changed = session.send("op-secret", reading)
    assert output(answer).text == changed.text == much
    assert any(b"sleep 1; cat" in line for line in seen)  # it was looked at the right moment
    assert not [line for line in seen if SECRET.encode() in line]


def test_a_secret_is_in_no_file_when_its_command_has_ended(reached: Bed, sshd: Sshd) -> None:
    session = reached.open()
    session.claim("jan@laptop")
    session.ask([Command(("cat",), stdin=Secret(SECRET))])
    session.send("op-secret", Command(("true",), stdin=Secret(SECRET)))
    place = "/run" if reached.base.is_relative_to("/run") else str(reached.base)  # where an earlier test left nothing
    assert sshd.inside("grep", "-rlF", "-e", SECRET, place, "/dev/shm").stdout == b""
