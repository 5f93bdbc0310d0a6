"""The protocol of one persistent POSIX shell at the far end of a byte stream.

Commands are written one after the other, without waiting; the end of each answer is marked on both streams by a
random marker that is fresh for every command. The newline before a marker is ours, so output is exact to the byte.
A host that forges a marker lies about nobody but itself.

Nothing here waits or knows how the stream is carried: whoever drives it calls :meth:`Shell.pump`.
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from soleil_remediate.command import TIMED_OUT, Command, Output, Secret
from soleil_remediate.errors import FactError
from soleil_remediate.host import Connection
from soleil_remediate.identity import UNSAID, Identity
from soleil_remediate.transports import Access
from soleil_remediate.units import ByteSize, Duration

#: How long after a command's own deadline its answer may still be on its way: for ``timeout`` to send SIGKILL, a busy
#: host to notice, and the network to deliver what was written before.
ON_ITS_WAY = Duration(20)
#: A command that writes more than this is ended with its shell, whatever its deadline still allows.
FLOOD = ByteSize(2**31)

#: Whoever receives so much at once may not have received all there was.
_MUCH = 2**16

#: From so many quick questions on they share one timeout(1): starting it for each costs more than most answers do.
_WORTH_SHARING = 3
#: How long the whole batch may take beyond the longest deadline in it.
_SHARED_SLACK = Duration(0.5)
#: As much as may surely stand in one argument, which the kernel limits to 128 KiB.
_LONGEST_ARGUMENT = 2**16

#: What some shell does in a way of its own, or reads as its own language (dash, bash, ksh, mksh, busybox, yash).
_SHELLS_OWN = frozenset(
    """alias autoload bg bind bindkey break builtin caller case cd chdir command compgen complete compopt
    continue coproc declare dirs disown do done echo echotc elif else emulate enable end esac eval exec exit
    export false fc fg fi float for function functions getconf getopts global hash help hist history if in
    integer jobs kill let local logout mapfile mknod nameref newgrp nohup popd print printf pushd pwd read
    readarray readonly realpath redirect rename repeat return select set setopt shift shopt sleep source stop
    suspend test then time times trap true type typeset ulimit umask unalias unset until vmstate wait whence
    where which while""".split()
)
#: A name that no shell splits, expands, or takes for an assignment.
_PLAIN = re.compile(r"[a-z/][A-Za-z0-9_./-]*")

#: Sent as one word to ``sh -c``: root's shell where ``sudo -n`` gives it, else the login user's, which may be root's.
#: Root's shell says by a signal that it began (the preamble's first line, from its own arguments), so that its end is
#: never taken for sudo's refusal. One line without single quotes and exclamation marks, so that every login shell can
#: quote it.
_WITH_SUDO = 'trap b=1 USR1; LC_ALL=C sudo -n -- sh -s "$$" "$SSH_CONNECTION"; test -n "$b" || exec sh'
_WITHOUT_SUDO = "exec sh"

#: ``as USER GRACE SECONDS WORD...`` runs a command as somebody, with that user's groups and home and none of the
#: caller's variables. Files that it creates are readable for others, as after a login: an application's log or cache
#: that only its creator can read takes the site down.
AS_USER = r"""
as() {
    who=$1 grace=$2 seconds=$3; shift 3
    entry=$(getent passwd "$who") || { echo "there is no user $who" >&2; exit 125; }
    rest=${entry#*:*:}; uid=${rest%%:*}; rest=${rest#*:}; gid=${rest%%:*}; rest=${rest#*:*:}; home=${rest%%:*}
    set -- "USER=$who" "LOGNAME=$who" "SHELL=${rest#*:}" "PATH=$PATH" LC_CTYPE=C.UTF-8 TZ=UTC "$@"
    set -- env -i "HOME=${home:-/}" "$@"
    case $(id -u) in
        "$uid") ;;
        0) set -- setpriv "--reuid=$uid" "--regid=$gid" --init-groups "$@" ;;
        *) exec sudo -n -u "$who" -- timeout -k "$grace" "$seconds" "$@" ;; # which that user may end
    esac
    exec timeout -k "$grace" "$seconds" "$@"
}
"""

#: The first text in every shell. ``end`` marks the end of an answer on both streams. What timeout(1) has killed may
#: still write its last while it dies: that belongs to the answer before, so it is let die first. ``be`` is a status
#: without a process of its own. Of the locale only the characters are set, for C.UTF-8 is C in all else: every program
#: would open twelve files to learn it.
_PREAMBLE = (
    r"""
case $# in 2) kill -USR1 "$1"; SSH_CONNECTION=$2; export SSH_CONNECTION; set -- ;; esac
cd /
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
unset LC_ALL LANGUAGE LC_COLLATE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME
unset LC_ADDRESS LC_IDENTIFICATION LC_MEASUREMENT LC_NAME LC_PAPER LC_TELEPHONE
LANG=C
LC_CTYPE=C.UTF-8
TZ=UTC
export PATH LANG LC_CTYPE TZ
end() { case $2 in 124 | 137) sleep 0.1 ;; esac; printf '\n%s %s\n' "$1" "$2"; printf '\n%s\n' "$1" >&2; }
be() { return "$1"; }
"""
    + AS_USER
)

#: Which machine and who the shell is, as :func:`identity_of` and :func:`access_of` read it. All of it but a login's own
#: groups is read from files: no program has to be started.
_WHO = r"""machine= boot= name=
{ read -r machine </etc/machine-id; read -r boot </proc/sys/kernel/random/boot_id
read -r name </proc/sys/kernel/hostname; } 2>/dev/null
printf '%s %s %s\n' "$machine" "$boot" "$name"
{ while read -r key uid rest; do case $key in Uid:) break ;; esac; done </proc/self/status; } 2>/dev/null
printf '%s\n' "${SUDO_USER-}"
case $uid:${SUDO_USER-} in 0:?*) echo 'uid=0(root)' ;; *) id ;; esac"""

#: The first text in the shell of a batch. It outlives its deadline's SIGTERM until the command under way has died of it
#: or, a second later, all of them have died of SIGKILL.
_BATCH = r"""trap 'exit 124' TERM
end() { printf '\n%s %s\n' "$1" "$2"; printf '\n%s\n' "$1" >&2; }
"""


def opening(*, become: bool) -> str:
    """Return what ``sh -c`` is to run so that a persistent shell reads its commands from standard input."""
    return _WITH_SUDO if become else _WITHOUT_SUDO


class Stream(Protocol):
    """Both directions of one remote shell; no method waits.

    Raises:
        Unreachable: In every method: the connection that carries it is gone.
    """

    def send(self, data: memoryview) -> int:
        """Send what can be sent at once; return how many bytes that was, perhaps none."""

    def receive(self) -> tuple[bytes, bytes]:
        """Return what has arrived on standard output and standard error, perhaps nothing."""

    @property
    def has_ended(self) -> bool:
        """Whether the shell is gone and everything it wrote was received."""

    def close(self) -> None:
        """Let it go; its shell ends by itself."""


class Sink(Protocol):
    """Where the bytes of an answer go."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""


class Kept:
    """The first bytes of a stream, up to a limit; the rest is counted."""

    __slots__ = ("_limit", "cut", "data")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.data = bytearray()
        self.cut = 0

    def write(self, data: bytes) -> None:
        room = self._limit - len(self.data)
        self.data += data[:room]
        self.cut += max(0, len(data) - room)


def _nothing() -> None:
    """Nobody needs to know."""


@dataclass(slots=True, kw_only=True, eq=False)
class Question:
    """One text that a shell was given, and its answer as far as it has arrived.

    Args:
        out: Where its standard output goes.
        err: Where its standard error goes.
        allowed: How long after the answer before it this one may take, everything included.
        status: Its exit status; ``None`` until it ended, and where that is all that is known.
        on_end: Called when it has ended.
    """

    out: Sink
    err: Sink
    allowed: Duration
    marker: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())
    status: int | None = None
    waits_for: int = 2  # the streams on which its end was not seen yet
    on_end: Callable[[], None] = _nothing
    took: float = 0.0

    @property
    def error_text(self) -> str:
        """Standard error as text, where it was kept."""
        return self.err.data.decode("utf-8", "backslashreplace") if isinstance(self.err, Kept) else ""


class Splitter:
    """Cuts one stream at its markers and hands on everything in between."""

    __slots__ = ("_expected", "_rest")

    #: No end of an answer is longer than this: a space, three digits and a newline.
    _LONGEST_END = 8

    def __init__(self) -> None:
        self._rest = b""
        self._expected: deque[tuple[bytes, Sink, Callable[[bytes], None]]] = deque()

    def expect(self, marker: bytes, into: Sink, ended: Callable[[bytes], None]) -> None:
        """Hand what comes before *marker* to *into*, and what stands behind it on its line to *ended*."""
        self._expected.append((b"\n" + marker, into, ended))

    def feed(self, data: bytes) -> None:
        """Take the next bytes; what nobody waits for is dropped."""
        data = self._rest + data
        start = 0
        while self._expected:
            needle, into, ended = self._expected[0]
            found = data.find(needle, start)
            if found < 0:
                keep = max(start, len(data) - len(needle) + 1)
                into.write(data[start:keep])
                start = keep
                break
            into.write(data[start:found])
            line = found + len(needle)
            stop = data.find(b"\n", line, line + self._LONGEST_END)
            if stop < 0:
                start = found
                if len(data) - line >= self._LONGEST_END:
                    raise ValueError("an answer's end cannot be read")
                break
            self._expected.popleft()
            ended(data[line:stop].strip())
            start = stop + 1
        else:
            start = len(data)
        self._rest = data[start:]


class Shell:
    """A persistent shell: texts in, answers out, in their order.

    Args:
        stream: What carries it; the shell must have been started with :func:`opening`.
        clock: Seconds that never go back.

    Attributes:
        pending: What was asked and is not answered yet, in order.
        has_more: Whether more may have arrived than was received last.
        greeting: What it said about itself.
    """

    def __init__(self, stream: Stream, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._unsent = bytearray()
        self._out, self._err = Splitter(), Splitter()
        self._since = clock()
        self._received = 0
        self.pending: deque[Question] = deque()
        self.has_more = False
        self.greeting: Question | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be answered."""
        return self._stream.has_ended

    @property
    def is_sending(self) -> bool:
        """Whether something still waits for the far end to take it."""
        return bool(self._unsent)

    @property
    def overdue_in(self) -> float:
        """Seconds until the answer that is due next is overdue; only where one is."""
        return self._since + self.pending[0].allowed - self._clock()

    @property
    def is_flooding(self) -> bool:
        """Whether the answer under way is longer than anybody may send."""
        return self._received > FLOOD

    def greet(self, *, within: Duration) -> Question:
        """Prepare the shell and ask who it is: to be asked first."""
        said = Kept(2**16), Kept(2**16)
        text = _PREAMBLE + _WHO
        self.greeting = self.run(text, out=said[0], err=said[1], within=within)
        return self.greeting

    def ask_all(self, commands: Sequence[Command]) -> list[Question]:
        """Ask several quick questions at once; those that can share one deadline do.

        What that deadline cuts off has an end and no status: nothing is known about it, and each deserves to be asked
        again under a deadline of its own.
        """
        shared = [index for index, command in enumerate(commands) if _can_share(command)]
        if len(shared) < _WORTH_SHARING or sum(_length(commands[index]) for index in shared) > _LONGEST_ARGUMENT:
            shared = []
        together = dict(zip(shared, self._ask_together([commands[index] for index in shared]), strict=True))
        return [together.get(index) or self.ask(command) for index, command in enumerate(commands)]

    def _ask_together(self, commands: Sequence[Command]) -> list[Question]:
        if not commands:
            return []
        within = Duration(max(command.deadline for command in commands) + _SHARED_SLACK)
        questions = [self._expect(Kept(each.output_limit), Kept(each.output_limit), within) for each in commands]
        markers = [question.marker.decode() for question in questions]
        asked = (f"{_in_batch(command)}\nend {marker} $?\n" for command, marker in zip(commands, markers, strict=True))
        # Where the deadline ended it, every marker is written once more: those of answers are then taken for output of
        # the first question without one, and that one has no status.
        text = (
            f"timeout -k 1 {within:.3f} sh -c {shlex.quote(_BATCH + ''.join(asked))} </dev/null 9<&-; ended=$?\n"
            f"case $ended in 0) ;; *) sleep 0.1; for it in {' '.join(markers)}; do end $it -; done ;; esac\n"
            "be $ended"
        )
        began = self._clock()
        batch = self.run(text, out=Kept(0), err=Kept(0), within=within)
        batch.on_end = lambda: self._check_batch(batch, questions, was_ended=self._clock() - began >= within)
        return questions

    def _check_batch(self, batch: Question, questions: Sequence[Question], *, was_ended: bool) -> None:
        """Believe nothing of a batch whose end is neither its own nor its deadline's: it may still be answering."""
        if batch.status and not was_ended:
            for question in questions:
                question.status = None
            self.close()

    def ask(self, command: Command) -> Question:
        """Ask *command*: in a shell of its own, without the host's lock, under its deadline."""
        kept = Kept(command.output_limit), Kept(command.output_limit)
        return self.run(whole(command), out=kept[0], err=kept[1], within=command.deadline)

    def run(self, text: str, *, out: Sink, err: Sink, within: Duration) -> Question:
        """Give the shell *text* to run as it stands; for constant text with quoted arguments only."""
        question = self._expect(out, err, within)
        self._write(f"{text}\nend {question.marker.decode()} $?")
        return question

    def _expect(self, out: Sink, err: Sink, within: Duration) -> Question:
        question = Question(out=out, err=err, allowed=Duration(within + ON_ITS_WAY))
        if not self.pending:
            self._since = self._clock()
        self.pending.append(question)
        self._out.expect(question.marker, out, lambda end: self._ended(question, None if end == b"-" else int(end)))
        self._err.expect(question.marker, err, lambda _: self._ended(question, None))
        return question

    def _write(self, text: str) -> None:
        self._unsent += text.encode("utf-8", "surrogateescape") + b"\n"

    def pump(self) -> bool:
        """Send and receive what can be at once; return whether anything moved.

        Raises:
            ValueError: What arrived is no answer of such a shell.
        """
        moved = False
        if self._unsent:
            with memoryview(self._unsent) as unsent:
                sent = self._stream.send(unsent)
            del self._unsent[:sent]
            moved = sent > 0
        out, err = self._stream.receive()
        self.has_more = max(len(out), len(err)) >= _MUCH
        if out:
            self._received += len(out)
            self._out.feed(out)
        if err:
            self._received += len(err)
            self._err.feed(err)
        return moved or bool(out or err)

    def close(self) -> None:
        """Let the shell go; it ends by itself, and with it the host's lock."""
        self._stream.close()

    def _ended(self, question: Question, status: int | None) -> None:
        if status is not None:
            question.status = status
        question.waits_for -= 1
        while self.pending and not self.pending[0].waits_for:
            now = self._clock()
            ended = self.pending.popleft()
            ended.took = now - self._since
            self._since = now
            self._received = 0
            ended.on_end()


def access_of(greeting: Question, connection: Connection) -> Access | None:
    """Return with whose rights a shell runs, as it says in its *greeting*; ``None`` where it does not say.

    What a login shell's own start-up files print stands before it.
    """
    if not isinstance(greeting.out, Kept) or greeting.status != 0:
        return None
    lines = greeting.out.data.decode("utf-8", "backslashreplace").splitlines()[-2:]
    who = re.match(r"uid=(\d+)\(([^)]*)\)", lines[-1]) if len(lines) == 2 else None
    if who is None:
        return None
    if who[1] == "0":
        return Access(login=lines[0] or who[2], is_root=True)
    if not connection.become:
        return Access(login=who[2], is_root=False, why_not="sudo is not to be used here")
    if connection.is_narrow:
        return Access(login=who[2], is_root=False, why_not="sudo: narrow, single commands alone", is_narrow=True)
    return Access(login=who[2], is_root=False, why_not=_why_no_root(greeting.error_text, who[2]))


def identity_of(greeting: Question) -> Identity:
    """Return which machine a shell runs on, as it says in its *greeting*."""
    text = greeting.out.data.decode("utf-8", "backslashreplace") if isinstance(greeting.out, Kept) else ""
    lines = text.splitlines()[-3:]
    return Identity.told(lines[0]) if len(lines) == 3 else UNSAID


def _why_no_root(said: str, login: str) -> str:
    """Return for people what sudo meant; its lecture and the login shell's own words are left out."""
    for sign, meaning in (
        ("a password is required", f"sudo wants a password for {login}"),
        ("must have a tty", "sudo wants a terminal (requiretty)"),
        ("not allowed", f"sudo does not allow {login} a shell"),
        ("not in the sudoers", f"{login} is not in sudoers"),
        ("not found", "sudo is not there"),
    ):
        if any(sign in line for line in said.splitlines() if "sudo" in line):
            return meaning
    lines = [line for line in said.splitlines() if line.startswith("sudo:")]
    return lines[-1] if lines else "sudo gave no shell"


def answer(command: Command, question: Question) -> Output | FactError:
    """Return what *question* brought for *command*, or that it never ended."""
    out, err = question.out, question.err
    if question.waits_for or question.status is None or not isinstance(out, Kept) or not isinstance(err, Kept):
        return FactError(f"{command}: {_why_unanswered(question)}", command=str(command))
    status = question.status
    if status == 137 and question.took >= command.deadline:  # it had to be killed: timeout -k then answers 128 + 9
        status = TIMED_OUT
    return Output(
        exit_status=status,
        stdout=bytes(out.data),
        stderr=bytes(err.data),
        cut=out.cut + err.cut,
    )


def _why_unanswered(question: Question) -> str:
    written = sum(kept.cut + len(kept.data) for kept in (question.out, question.err) if isinstance(kept, Kept))
    return f"ended, as it wrote more than {FLOOD}" if written > FLOOD else "its shell ended before it answered"


def _can_share(command: Command) -> bool:
    """Whether *command* can run in a batch, whose text stands in an argument: a secret's never does."""
    return command.stdin is None and command.user is None and not command.words[0].startswith("-")


def _in_batch(command: Command) -> str:
    """Return *command* for the shell of a batch, on which it leaves no trace.

    A script that asks nothing of its own shell needs no other one. A program is best started by the shell itself, which
    copies nothing for it (vfork); where the shell may know better what its name means, in a subshell that must not.
    """
    match command.words:
        case ("sh", "-c", text, _, *arguments) if text.isascii() and "$0" not in text and "$$" not in text:
            return f"( set -- {shlex.join(arguments)}; eval {shlex.quote(text)} )"
    if (name := command.words[0]) not in _SHELLS_OWN and _PLAIN.fullmatch(name):
        return shlex.join(command.words)
    return f"( exec {shlex.join(command.words)} )"


def _length(command: Command) -> int:
    return sum(map(len, command.words)) * 5 + 64  # as quoted as text can be


def script(command: Command) -> str:
    """Return *command* as a script of its own, under its deadline; its standard input is another matter."""
    line = _under_deadline(command, 5)
    return f"exec {line}" if command.user is None else AS_USER + line


def whole(command: Command) -> str:
    """Return what a session's shell is to run so that *command* is run, with its standard input, without the lock."""
    text = f"( {'exec ' if command.user is None else ''}{_under_deadline(command, 1)} )"
    if command.stdin is None:
        return f"{text} </dev/null 9<&-"
    # printf is a builtin: its text stands in no argument list and in no file
    return f"{{ printf -- {shlex.quote(printf_format(command.stdin))} | {text}; }} 9<&-"


def printf_format(stdin: str | Secret) -> str:
    """Return the printf(1) format that writes *stdin*, whatever characters it holds."""
    text = stdin.reveal() if isinstance(stdin, Secret) else stdin
    return text.replace("\\", "\\\\").replace("%", "%%").replace("\0", "\\000")


def _under_deadline(command: Command, grace: int) -> str:
    limits = f"{grace} {float(command.deadline):.3f}"
    words = shlex.join(command.words)
    return (
        f"timeout -k {limits} {words}" if command.user is None else f"as {shlex.quote(command.user)} {limits} {words}"
    )
