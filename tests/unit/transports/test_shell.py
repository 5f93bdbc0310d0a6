from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
from collections import deque
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soleil_remediate.command import Command, Output, Secret
from soleil_remediate.errors import FactError
from soleil_remediate.host import Connection
from soleil_remediate.transports import Access
from soleil_remediate.transports.shell import (
    FLOOD,
    ON_ITS_WAY,
    Kept,
    Question,
    Shell,
    Splitter,
    access_of,
    answer,
    identity_of,
    opening,
    printf_format,
    script,
)
from soleil_remediate.units import ByteSize, Duration

CONNECTION = Connection(address="192.0.2.1")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Far:
    """A far end that takes *window* bytes at a time and says what it was given to say."""

    def __init__(self, window: int = 2**20) -> None:
        self.heard = bytearray()
        self.out, self.err = bytearray(), bytearray()
        self.window = window
        self.has_ended = False

    def send(self, data: memoryview) -> int:
        taken = bytes(data[: self.window])
        self.heard += taken
        return len(taken)

    def receive(self) -> tuple[bytes, bytes]:
        said = bytes(self.out), bytes(self.err)
        self.out.clear()
        self.err.clear()
        return said

    def close(self) -> None:
        self.has_ended = True


def chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


MARKS = (b"0" * 32, b"1" * 32, b"01" * 16)


#: What comes close to a marker, or to two.
NEARLY = (b"\n", b"\n0", b"\n" + b"0" * 31, b"\n" + b"01" * 15)


@given(
    pieces=st.lists(st.binary() | st.sampled_from(NEARLY), min_size=3, max_size=3),
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
)
def test_however_a_stream_is_cut_up_the_answers_in_it_are_the_same(pieces: list[bytes], cuts: list[int]) -> None:
    splitter, sinks = Splitter(), [Kept(10**6) for _ in pieces]
    ends: list[bytes] = []
    for mark, sink in zip(MARKS, sinks, strict=True):
        splitter.expect(mark, sink, ends.append)
    stream = b"".join(
        piece + b"\n" + mark + b" %d\n" % number for number, (piece, mark) in enumerate(zip(pieces, MARKS, strict=True))
    )
    for chunk in chunked(stream, cuts):
        splitter.feed(chunk)
    assert [bytes(sink.data) for sink in sinks] == pieces
    assert ends == [b"0", b"1", b"2"]


def test_what_looks_like_a_marker_and_is_none_is_output() -> None:
    splitter, kept = Splitter(), Kept(1000)
    splitter.expect(MARKS[0], kept, lambda _: None)
    splitter.feed(b"\n" + MARKS[1] + b" 0\nx" + MARKS[0] + b" 0\n")
    splitter.feed(b"\n" + MARKS[0] + b" 0\n")
    assert bytes(kept.data) == b"\n" + MARKS[1] + b" 0\nx" + MARKS[0] + b" 0\n"


def test_a_marker_without_an_end_is_no_answer() -> None:
    splitter = Splitter()
    splitter.expect(MARKS[0], Kept(10), lambda _: None)
    with pytest.raises(ValueError, match="cannot be read"):
        splitter.feed(b"\n" + MARKS[0] + b"x" * 100)


def test_what_nobody_asked_for_is_dropped() -> None:
    splitter, kept = Splitter(), Kept(10)
    splitter.feed(b"noise" * 10_000)
    splitter.expect(MARKS[0], kept, lambda _: None)
    splitter.feed(b"x\n" + MARKS[0] + b"\n")
    assert bytes(kept.data) == b"x"


@given(chunks=st.lists(st.binary(max_size=20)), limit=st.integers(0, 50))
def test_the_first_bytes_are_kept_and_the_rest_is_counted(chunks: list[bytes], limit: int) -> None:
    kept, whole = Kept(limit), b"".join(chunks)
    for chunk in chunks:
        kept.write(chunk)
    assert bytes(kept.data) == whole[:limit]
    assert kept.cut == max(0, len(whole) - limit)


@pytest.mark.parametrize("sh", ["dash", "bash", "busybox sh"])
@pytest.mark.parametrize(
    "text", ["", "plain", "-n", "%s%%d", "\\n\\0\\\\", "\0a\0", "'\"$(id)`id`", "a\nb\n", "ȁȂ\x81\x88", "ünï ✓"]
)
def test_every_text_can_be_printed_by_every_shell(sh: str, text: str) -> None:
    try:
        done = subprocess.run(
            [*sh.split(), "-c", 'printf -- "$1"', "sh", printf_format(Secret(text))],
            capture_output=True, check=True, timeout=10,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip(f"no {sh} here")
    assert done.stdout == text.encode()


def shell(window: int = 2**20) -> tuple[Shell, Far, Clock]:
    far, clock = Far(window), Clock()
    return Shell(far, clock), far, clock


def say(far: Far, question: Question, out: bytes = b"", err: bytes = b"", status: int = 0) -> None:
    far.out += out + b"\n" + question.marker + b" %d\n" % status
    far.err += err + b"\n" + question.marker + b"\n"


def test_everything_asked_is_written_before_anything_is_answered() -> None:
    asking, far, _ = shell()
    for text in ("one", "two", "three"):
        asking.ask(Command(("echo", text)))
    assert asking.pump()
    assert far.heard.count(b"timeout -k 1 2.000 echo ") == 3
    assert not asking.is_sending


def test_a_far_end_that_takes_little_gets_it_bit_by_bit() -> None:
    asking, far, _ = shell(window=7)
    asking.ask(Command(("echo", "x" * 100)))
    while asking.is_sending:
        assert asking.pump()
    assert b"x" * 100 in far.heard


def test_no_marker_is_used_twice() -> None:
    asking, _, _ = shell()
    assert len({asking.ask(Command(("true",))).marker for _ in range(100)}) == 100


def test_an_answer_is_whole_once_its_end_was_seen_on_both_streams() -> None:
    asking, far, _ = shell()
    command = Command(("true",))
    question = asking.ask(command)
    far.out += b"out\n" + question.marker + b" 3\n"
    asking.pump()
    assert asking.pending
    far.err += b"err\n" + question.marker + b"\n"
    asking.pump()
    assert not asking.pending
    assert answer(command, question) == Output(exit_status=3, stdout=b"out", stderr=b"err")


def test_a_question_without_an_end_has_no_answer() -> None:
    asking, far, _ = shell()
    command = Command(("true",))
    question = asking.ask(command)
    far.out += b"partly"
    asking.pump()
    got = answer(command, question)
    assert isinstance(got, FactError)
    assert got.command == "true"


def test_an_answer_is_overdue_after_its_own_deadline_and_some_grace_however_much_drips_in() -> None:
    asking, far, clock = shell()
    first, second = asking.ask(Command(("a",), deadline=Duration(3))), asking.ask(Command(("b",), deadline=Duration(5)))
    clock.now += 12
    far.out += b"drip"
    asking.pump()
    assert asking.overdue_in == pytest.approx(3 + ON_ITS_WAY - 12)
    say(far, first)
    asking.pump()
    assert asking.overdue_in == pytest.approx(5 + ON_ITS_WAY)
    assert second.waits_for


def test_a_shell_that_was_idle_is_not_overdue_when_it_is_asked_again() -> None:
    asking, _, clock = shell()
    clock.now += 1000
    asking.ask(Command(("a",)))
    assert asking.overdue_in > 0


@pytest.mark.parametrize("took, status", [(0.5, 137), (3.0, 124)])
def test_only_what_was_killed_after_its_deadline_ran_out_of_time(took: float, status: int) -> None:
    asking, far, clock = shell()
    command = Command(("a",), deadline=Duration(2))
    question = asking.ask(command)
    clock.now += took
    say(far, question, status=137)
    asking.pump()
    got = answer(command, question)
    assert isinstance(got, Output)
    assert got.exit_status == status


def test_a_flood_is_noticed_and_forgotten_with_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soleil_remediate.transports.shell.FLOOD", ByteSize(1000))
    asking, far, _ = shell()
    question = asking.ask(Command(("a",)))
    far.out += b"x" * 1001
    asking.pump()
    assert asking.is_flooding
    say(far, question)
    asking.pump()
    assert (asking.is_flooding, asking.pending) == (False, deque())


def test_a_line_of_a_gigabyte_is_no_flood_yet() -> None:
    assert FLOOD > 10**9


def greeted(out: bytes, err: bytes = b"", status: int = 0) -> Question:
    asking, far, _ = shell()
    question = asking.greet(within=Duration(1))
    say(far, question, out, err, status)
    asking.pump()
    return question


@pytest.mark.parametrize(
    "out, access",
    [
        (b"\nuid=0(root) gid=0(root)\n", Access(login="root", is_root=True)),
        (b"ops\nuid=0(root) gid=0(root)\n", Access(login="ops", is_root=True)),
        (
            b"uid=0(root)\nwelcome\n\nuid=7(ops) gid=7(ops)\n",
            Access(login="ops", is_root=False, why_not="sudo gave no shell"),
        ),
        (b"", None),
        (b"This account is currently not available.\n", None),
    ],
)  # fmt: skip
def test_a_shell_says_who_it_is_after_whatever_else_is_said(out: bytes, access: Access | None) -> None:
    assert access_of(greeted(out), CONNECTION) == access


@pytest.mark.parametrize(
    "allowed, access",
    [
        (replace(CONNECTION, become=False), Access(login="ops", is_root=False, why_not="sudo is not to be used here")),
        (
            replace(CONNECTION, is_narrow=True),
            Access(login="ops", is_root=False, why_not="sudo: narrow, single commands alone", is_narrow=True),
        ),
    ],
)
def test_what_the_inventory_allows_of_sudo_is_what_the_access_says(allowed: Connection, access: Access) -> None:
    greeting = greeted(b"\nuid=7(ops) gid=7(ops)\n")
    assert access_of(greeting, allowed) == access
    assert access.may_change is access.is_narrow


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
@pytest.mark.parametrize(
    "without, said",
    [
        ("", "ops\nuid=0(root)\n"),  # from the kernel
        ("/proc", "ops\nuid=0(root) gid=0(root) groups=0(root)\n"),  # from id(1)
    ],
)
def test_root_needs_no_program_to_know_who_it_is(without: str, said: str) -> None:
    asking, far, _ = shell()
    asking.greet(within=Duration(1))
    asking.pump()
    hide = f"mount -t tmpfs none {without}; " if without else ""
    answer = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{hide}exec sh -s"],
        input=bytes(far.heard),
        env={"SUDO_USER": "ops", "PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    machine, _, rest = answer.stdout.decode().partition("\n")
    assert rest.startswith(said)
    assert len(machine.split(" ")) == 3


@pytest.mark.parametrize(
    "out, there",
    [
        (b"motd\n1a2b \xff e\n" + b"3d" * 16 + b"  web1\n\nuid=0(root) gid=0(root)\n", "3d" * 16),
        (b"  \n\nuid=7(ops) gid=7(ops)\n", None),
        (b"\nuid=7(ops) gid=7(ops)\n", None),
        (b"", None),
    ],
)
def test_a_shell_says_on_which_machine_it_runs_after_whatever_else_is_said(out: bytes, there: str | None) -> None:
    assert identity_of(greeted(out)).machine_id == there


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide a file")
@pytest.mark.parametrize("shell_program", ["dash", "bash"])
def test_a_machine_without_an_id_says_so_and_nothing_goes_wrong(shell_program: str) -> None:
    asking, far, _ = shell()
    asking.greet(within=Duration(1))
    asking.pump()
    answer = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /etc && exec {shell_program} -s"],
        input=bytes(far.heard),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=True,
    )
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    assert answer.stdout.decode().startswith(f" {boot} {socket.gethostname()}\n\nuid=0")
    assert len(answer.stderr.split()) == 1  # the end of the answer, and no complaint


def test_programs_speak_no_language_but_write_every_character() -> None:
    asking, far, _ = shell()
    asking.greet(within=Duration(1))
    asking.run("locale", out=Kept(0), err=Kept(0), within=Duration(1))
    asking.pump()
    spoken = dict.fromkeys(("LANG", "LC_ALL", "LC_TIME", "LC_MESSAGES", "LC_NUMERIC", "LC_PAPER"), "de_DE.UTF-8")
    heard = subprocess.run(
        ["sh", "-s"],
        input=bytes(far.heard),
        env={"PATH": os.environ["PATH"], "LANGUAGE": "de", **spoken},
        capture_output=True,
        check=True,
    ).stdout.decode()
    said = dict(re.findall(r"^(LANG(?:UAGE)?|LC_\w+)=(\S*)$", heard, re.MULTILINE))
    assert said.pop("LC_CTYPE") == "C.UTF-8"
    assert said.pop("LANG") == "C"
    assert said.pop("LANGUAGE") == said.pop("LC_ALL") == ""
    assert set(said.values()) == {'"C"'}
    assert len(said) == 11


@pytest.mark.parametrize(
    "said, why",
    [
        ("sudo: a password is required", "sudo wants a password for ops"),
        ("sudo: sorry, you must have a tty to run sudo", "sudo wants a terminal (requiretty)"),
        ("Sorry, user ops is not allowed to execute '/bin/sh' as root on web1.\nsudo: x", "sudo: x"),
        ("ops is not in the sudoers file.  This incident will be reported.", "ops is not in sudoers"),
        ("sh: 1: sudo: not found", "sudo is not there"),
        ("We trust you have received the usual lecture\nsudo: a password is required", "sudo wants a password for ops"),
        ("sudo: unable to resolve host web1", "sudo: unable to resolve host web1"),
        ("", "sudo gave no shell"),
    ],
)
def test_why_there_is_no_root_is_said_in_our_words(said: str, why: str) -> None:
    access = access_of(greeted(b"\nuid=7(ops) gid=7(ops)\n", said.encode()), CONNECTION)
    assert access is not None
    assert access.why_not == why


@pytest.mark.parametrize("become", [True, False])
def test_every_login_shell_can_quote_what_opens_the_session(become: bool) -> None:
    text = opening(become=become)
    assert not set("'!\n") & set(text)


def test_a_change_is_a_script_of_its_own_under_its_own_deadline() -> None:
    assert script(Command(("a", "b c"), deadline=Duration(60))) == "exec timeout -k 5 60.000 a 'b c'"
    assert script(Command(("a",), user="deploy")).endswith("\nas deploy 5 2.000 a")


def said(far: Far, one: Shell) -> str:
    while one.is_sending:
        one.pump()
    return far.heard.decode()


def test_many_quick_questions_share_one_timeout() -> None:
    one, far, _ = shell()
    one.ask_all([Command(("echo", str(number))) for number in range(30)])
    assert said(far, one).count("timeout -k") == 1


def in_a_batch(*words: str) -> str:
    """Return the line on which the shell of a batch is given *words*."""
    one, far, _ = shell()
    one.ask_all([Command(words)] * 3)
    (batch,) = [word for word in shlex.split(said(far, one)) if word.startswith("trap ")]
    (line,) = set(batch.splitlines()[2::2])
    return line


@pytest.mark.parametrize(
    "words, asked",
    [
        (("df", "-P"), "df -P"),  # the shell starts it without a copy of itself
        (("/bin/echo", "a b"), "/bin/echo 'a b'"),
        (("cd", "/tmp"), "( exec cd /tmp )"),
        (("A=b", "c"), "( exec A=b c )"),
        (("then",), "( exec then )"),
        (("[", "a", "]"), "( exec '[' a ']' )"),
        (("~x",), "( exec '~x' )"),
    ],
)
def test_only_what_is_a_program_for_sure_is_left_to_the_shell_of_a_batch(words: tuple[str, ...], asked: str) -> None:
    assert in_a_batch(*words) == asked


def test_no_word_of_bashs_own_is_taken_for_a_program() -> None:
    own = subprocess.run(["bash", "-c", "compgen -b -k"], capture_output=True, check=True, text=True).stdout.split()
    assert {"cd", "exit", "then", "["} <= set(own)
    for word in own:
        assert in_a_batch(word) == f"( exec {shlex.quote(word)} )"


def test_what_reads_a_secret_or_runs_as_somebody_never_stands_in_an_argument() -> None:
    one, far, _ = shell()
    apart = [Command(("cat",), stdin=Secret("hunter2")), Command(("id",), user="nobody"), Command(("-x",))]
    one.ask_all([*apart, *(Command(("echo", str(number))) for number in range(3))])
    shared = next(line for line in said(far, one).splitlines() if "sh -c" in line)
    assert "hunter2" not in shared
    assert said(far, one).count("timeout -k") + said(far, one).count("as nobody") == 4


def test_a_batch_too_long_for_an_argument_is_asked_one_by_one() -> None:
    one, far, _ = shell()
    one.ask_all([Command(("echo", "x" * 10_000)) for _ in range(4)])
    assert said(far, one).count("timeout -k") == 4


def test_nothing_of_a_batch_that_ended_before_its_time_is_believed() -> None:
    """Somebody killed timeout(1): the batch's own shell may go on writing among what comes later."""
    one, far, clock = shell()
    questions = one.ask_all([Command(("echo", str(number))) for number in range(3)])
    batch = one.pending[-1]
    said(far, one)
    for question in questions:
        far.out += b"\n" + question.marker + b" 0\n"
        far.err += b"\n" + question.marker + b"\n"
    clock.now += 1
    far.out += b"\n" + batch.marker + b" 137\n"
    far.err += b"\n" + batch.marker + b"\n"
    one.pump()
    assert [question.status for question in questions] == [None] * 3
    assert one.has_ended


def test_what_a_batch_answered_before_its_deadline_stays_answered() -> None:
    one, far, clock = shell()
    questions = one.ask_all([Command(("echo", str(number))) for number in range(3)])
    batch = one.pending[-1]
    said(far, one)
    far.out += b"first\n" + questions[0].marker + b" 0\n"
    far.err += b"\n" + questions[0].marker + b"\n"
    one.pump()
    clock.now += 3
    for question in questions:
        far.out += b"\n" + question.marker + b" -\n"
        far.err += b"\n" + question.marker + b"\n"
    far.out += b"\n" + batch.marker + b" 124\n"
    far.err += b"\n" + batch.marker + b"\n"
    one.pump()
    assert [question.status for question in questions] == [0, None, None]
    assert not one.pending
    assert not one.has_ended
